"""Scorers in searches, by hand."""

import math
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sk_posenc import (
    ShiftedBasisEncoder,
    distance_preservation,
    distance_preservation_scorer,
    make_psnr_scorer,
    psnr_score,
    psnr_scorer,
    similarity_radius,
    similarity_radius_scorer,
    stable_rank,
    stable_rank_scorer,
)


class Holder(RegressorMixin, BaseEstimator):
    """A regressor that holds its encoder."""

    def __init__(self, encoder):
        self.encoder = encoder

    def fit(self, X, y):
        self.encoder_ = clone(self.encoder)
        self.head_ = Ridge(alpha=1e-3).fit(self.encoder_.fit_transform(X), y)
        return self

    def predict(self, X):
        return self.head_.predict(self.encoder_.transform(X))


SCORERS = {
    "stable_rank": stable_rank_scorer,
    "distances": distance_preservation_scorer,
    "radius": similarity_radius_scorer,
}

SIGNAL = np.random.default_rng(0).uniform(size=(90, 1))

TARGETS = np.sin(6 * SIGNAL[:, 0])

RANKS = [4, 12]

ENCODER = ShiftedBasisEncoder(domain=(0, 1))

SEARCHED = {
    "encoder": (ENCODER, "stable_rank", lambda fitted: fitted),
    "pipeline to encoder": (
        make_pipeline(MinMaxScaler(), ENCODER),
        "shiftedbasisencoder__stable_rank",
        lambda fitted: fitted,
    ),
    "pipeline to regressor": (
        make_pipeline(ENCODER, Ridge(alpha=1e-3)),
        "shiftedbasisencoder__stable_rank",
        lambda fitted: fitted[:-1],
    ),
    "transformed target": (
        TransformedTargetRegressor(
            make_pipeline(MinMaxScaler(), ENCODER, Ridge(alpha=1e-3)), transformer=MinMaxScaler()
        ),
        "regressor__shiftedbasisencoder__stable_rank",
        lambda fitted: fitted.regressor_[:-1],
    ),
    "holder": (Holder(ENCODER), "encoder__stable_rank", lambda fitted: fitted.encoder_),
    "pipeline to holder": (
        make_pipeline(MinMaxScaler(), Holder(ENCODER)),
        "holder__encoder__stable_rank",
        lambda fitted: make_pipeline(fitted[0], fitted[1].encoder_),
    ),
}


def search(estimator, name, scoring, **settings):
    return GridSearchCV(
        estimator, {name: RANKS}, scoring=scoring, cv=KFold(3), error_score="raise", **settings
    ).fit(SIGNAL, TARGETS)


@pytest.mark.parametrize("where", SEARCHED)
def test_scorers_measure_the_rows_held_out(where):
    estimator, name, encoder_of = SEARCHED[where]
    results = search(estimator, name, SCORERS, refit="distances").cv_results_
    for split, (train, test) in enumerate(KFold(3).split(SIGNAL)):
        for row, rank in enumerate(RANKS):
            fitted = clone(estimator).set_params(**{name: rank}).fit(SIGNAL[train], TARGETS[train])
            E = encoder_of(fitted).transform(SIGNAL[test])
            by_hand = {
                "stable_rank": stable_rank(E),
                "distances": distance_preservation(SIGNAL[test], E, random_state=0),
                "radius": math.sqrt(math.log(10) / math.pi) / rank,
            }
            for metric, value in by_hand.items():
                got = results[f"split{split}_test_{metric}"][row]
                assert got == pytest.approx(value, rel=1e-6), metric


@pytest.mark.parametrize("where", ["pipeline to regressor", "transformed target", "holder"])
def test_psnr_scorer_by_hand(where):
    estimator, name, _ = SEARCHED[where]
    found = search(estimator, name, {"psnr": psnr_scorer, **SCORERS}, refit="psnr")
    train, test = next(KFold(3).split(SIGNAL))
    fitted = clone(estimator).set_params(**{name: RANKS[0]}).fit(SIGNAL[train], TARGETS[train])
    expected = psnr_score(TARGETS[test], fitted.predict(SIGNAL[test]))
    assert found.cv_results_["split0_test_psnr"][0] == pytest.approx(expected)
    # and through the search itself, which holds the best estimator
    assert stable_rank_scorer(found, SIGNAL) == pytest.approx(
        stable_rank_scorer(found.best_estimator_, SIGNAL)
    )
    assert similarity_radius_scorer(found) == pytest.approx(
        math.sqrt(math.log(10) / math.pi) / found.best_params_[name], rel=1e-6
    )


@pytest.mark.parametrize(
    ("scorer", "best"),
    [(stable_rank_scorer, 12), (distance_preservation_scorer, 4), (similarity_radius_scorer, 4)],
)
def test_a_scorer_alone(scorer, best):
    assert search(ENCODER, "stable_rank", scorer).best_params_ == {"stable_rank": best}


def test_refit_by_name_and_in_parallel():
    with warnings.catch_warnings():
        # workers of joblib may start a resource tracker that warns about memory
        warnings.simplefilter("ignore", UserWarning)
        found = search(ENCODER, "stable_rank", SCORERS, refit="stable_rank", n_jobs=2)
    assert found.best_params_ == {"stable_rank": 12}
    alone = search(ENCODER, "stable_rank", SCORERS, refit="stable_rank")
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_distances"], alone.cv_results_["mean_test_distances"]
    )


@pytest.mark.parametrize("scorer", [*SCORERS.values(), psnr_scorer, make_psnr_scorer(255)])
def test_scorers_pickle(scorer):
    estimator = make_pipeline(clone(ENCODER), Ridge()).fit(SIGNAL, TARGETS)
    again = pickle.loads(pickle.dumps(scorer))
    assert again(estimator, SIGNAL, TARGETS) == scorer(estimator, SIGNAL, TARGETS)


def test_psnr_scorer_with_a_range():
    model = Ridge().fit(SIGNAL, TARGETS)
    gain = make_psnr_scorer(255)(model, SIGNAL, TARGETS) - psnr_scorer(model, SIGNAL, TARGETS)
    assert gain == pytest.approx(20 * math.log10(255))
    for bad, error in ((0, ValueError), (-1, ValueError), (math.nan, ValueError), ("1", TypeError)):
        with pytest.raises(error, match="data_range must be"):
            make_psnr_scorer(bad)


def test_encoders_in_front_of_other_pipelines():
    tail = make_pipeline(MinMaxScaler(), Ridge())
    model = make_pipeline(MinMaxScaler(), ENCODER, tail).fit(SIGNAL, TARGETS)
    expected = similarity_radius(model[1])[0]
    assert similarity_radius_scorer(model) == pytest.approx(expected)


@pytest.mark.parametrize("scorer", SCORERS.values())
def test_scorers_say_where_there_is_no_encoder(scorer):
    with pytest.raises(TypeError, match="encoder"):
        scorer(Ridge().fit(SIGNAL, TARGETS), SIGNAL)
