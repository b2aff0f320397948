"""PerturbationSearchCV: planted truths, invariants, scikit-learn's rules."""

import importlib.util
import pickle
import warnings
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_posenc import (
    CoordinateKFold,
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    FourierEncoder,
    LearnableFourierEncoder,
    PerturbationSearchCV,
    PositionAugmenter,
    ShiftedBasisEncoder,
)
from sk_posenc.selection._alike import NEARLY_SAME, similarities

network = partial(
    CoordinateMLPRegressor,
    **{"hidden_layer_sizes": (32, 32), "lr": 3e-3, "lr_schedule": "constant", "batch_size": 32},
    **{"max_epochs": 20, "device": "cpu", "random_state": 0},
)
# A function of the phase in one of these periods says nothing in another.
PERIODS = [1 / 3, 1 / 5, 1 / 7, 1 / 11]
PHASES = [FourierEncoder(3, domain=(0.0, p), boundary="periodic") for p in PERIODS]
PAIR = [FourierEncoder(2), ShiftedBasisEncoder(stable_rank=3)]
search_of = partial(PerturbationSearchCV, random_state=0, search_epochs=2, tune_epochs=1)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def plane(n=80, seed=0):
    X = np.random.default_rng(seed).uniform(size=(n, 2))
    return X, np.sin(7 * X[:, 0]) + X[:, 1]


def planted(true, n=300, seed=0, columns=1, column=0, linear=False):
    """A function of the phase in one period, of one column."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, columns))
    E = clone(PHASES[true]).fit_transform(X[:, [column]])
    y = E @ rng.normal(size=E.shape[1])
    y = y if linear else np.sin(2 * y)
    return X, (y - y.mean()) / y.std()


silent = pytest.mark.filterwarnings("ignore:.*nearly the same encoding:UserWarning")


# scikit-learn


@silent
@parametrize_with_checks([
    PerturbationSearchCV(
        network(max_epochs=25, lr=1e-2), PAIR, search_epochs=2, tune_epochs=1, random_state=0
    )
])  # fmt: skip
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_is_a_regressor_that_clones_and_pickles():
    X, y = plane()
    search = search_of(network(), PAIR)
    assert is_regressor(search)
    assert clone(search.fit(X, y)).get_params()["estimator__lr"] == 3e-3
    again = pickle.loads(pickle.dumps(search))
    assert np.array_equal(again.predict(X), search.predict(X))
    with pytest.raises(NotFittedError):
        clone(search).predict(X)
    found = GridSearchCV(search, {"tune_epochs": [0]}, cv=2).fit(X, y)
    assert found.best_score_ > -10


@pytest.mark.parametrize("fix_alpha", [True, False])
def test_equal_seeds_give_equal_bits(fix_alpha):
    X, y = plane()
    make = partial(search_of, network(), PAIR, fix_alpha=fix_alpha, refit=False)
    first, second = make().fit(X, y), make().fit(X, y)
    other = make(random_state=1).fit(X, y)
    for name in ("alpha_", "masked_scores_"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert first.best_score_ == second.best_score_
    assert not np.array_equal(first.masked_scores_, other.masked_scores_)
    state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    make(random_state=None).fit(X, y)
    assert np.array_equal(state[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(state[1], torch.get_rng_state())


def test_the_choice_is_trained_from_scratch_by_the_estimator():
    X, y = plane()
    search = search_of(network(), PAIR).fit(X, y)
    assert search.best_params_["encoder"].get_params() == PAIR[search.best_index_].get_params()
    alone = network(encoder=PAIR[search.best_index_]).fit(X, y)
    assert np.array_equal(search.predict(X), alone.predict(X))
    assert search.score(X, y) == alone.score(X, y)
    assert search.n_features_in_ == 2


def test_results_have_a_row_for_each_candidate_of_each_edge():
    X, y = plane()
    search = search_of(network(), PAIR, edges=[[0], [1]]).fit(X, y)
    results = pd.DataFrame(search.cv_results_)
    assert search.alpha_.shape == search.masked_scores_.shape == (2, 2)
    assert results["edge"].tolist() == [0, 0, 1, 1]
    assert np.array_equal(results["masked_score"], search.masked_scores_.ravel())
    best = results[results["rank"] == 1]
    assert best["param_encoder"].tolist() == [PAIR[index] for index in search.best_index_]
    assert (results.groupby("edge")["score_drop"].idxmax() == best.index).all()


def test_several_edges_are_refitted_as_one_pipeline():
    X, y = plane()
    search = search_of(network(), PAIR, edges=[[1], [0]]).fit(X, y)
    parts = [(f"edge{i}", PAIR[search.best_index_[i]], [1 - i]) for i in range(2)]
    E = ColumnTransformer(parts).fit_transform(X)
    assert np.array_equal(search.predict(X), network().fit(E, y).predict(E))


def test_without_a_refit_there_is_no_model():
    X, y = plane()
    search = search_of(network(), PAIR, refit=False).fit(X, y)
    assert not hasattr(search, "best_estimator_")
    with pytest.raises(AttributeError) as caught:
        search.predict(X)
    assert "has no model, as refit=False" in str(caught.value.__cause__)


def test_frames_dates_and_several_targets():
    X, y = plane()
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta(np.floor(X[:, 0] * 400), unit="D")
    frame = pd.DataFrame({"day": days, "depth": X[:, 1]})
    search = search_of(network(), PAIR, edges=[[0], [1]]).fit(frame, np.column_stack([y, -y]))
    assert search.feature_names_in_.tolist() == ["day", "depth"]
    assert search.predict(frame).shape == (80, 2)
    named = search_of(network(), PAIR, edges=[["depth"], ["day"]], refit=False)
    assert named.fit(frame, y).alpha_.shape == (2, 2)
    with pytest.raises(ValueError, match=r"edges\[1\] must hold.*'depth'\]. Got 'deep'"):
        search_of(network(), PAIR, edges=[["day"], ["deep"]]).fit(frame, y)


def test_scoring_and_splitter_are_those_given():
    X, y = plane()
    seen = []

    def scoring(estimator, X, y):
        seen.append(X)
        return r2_score(y, estimator.predict(X))

    folds = CoordinateKFold(4, scheme="random", random_state=0)
    make = partial(search_of, network(), PAIR, validation=folds, refit=False)
    search = make(scoring=scoring).fit(X, y)
    _, test = next(folds.split(X))
    assert len(seen) == 4  # whole, each of two, decided
    assert all(np.array_equal(each, X[test]) for each in seen)
    assert np.allclose(search.masked_scores_, make().fit(X, y).masked_scores_)
    listed = make(validation=list(folds.split(X))).fit(X, y)
    assert np.array_equal(listed.masked_scores_, make().fit(X, y).masked_scores_)


# the method


@pytest.mark.parametrize(("logit", "true"), [(-2.0, 1), (-3.0, 2)])
def test_the_true_encoding_is_found_at_a_small_weight(logit, true):
    X, y = planted(true, linear=True)
    alpha = np.where(np.arange(4) == true, logit, 0.0)
    model = network(hidden_layer_sizes=(), lr=2e-2)
    search = search_of(model, PHASES, initial_alpha=alpha, search_epochs=30, refit=False)
    search.fit(X, y)
    assert search.best_index_ == true
    assert np.argmax(search.alpha_) != true
    drop = search.cv_results_["score_drop"]
    assert drop[true] > 3 * np.delete(drop, true).max()


def test_the_true_encoding_is_found_behind_layers():
    X, y = planted(3)
    search = search_of(network(), PHASES, search_epochs=40, tune_epochs=0, refit=False)
    assert search.fit(X, y).best_index_ == 3


def test_each_edge_finds_its_own_truth():
    X, first = planted(1, columns=2, column=0, linear=True)
    second = planted(2, columns=2, column=1, linear=True)[1]  # at the same places
    search = search_of(
        network(hidden_layer_sizes=(), lr=2e-2),
        PHASES[:3],
        edges=[[0], [1]],
        search_epochs=25,
        refit=False,
    )
    assert search.fit(X, first + second).best_index_.tolist() == [1, 2]


def test_frozen_alpha_stays_and_alpha_is_trained_on_validation_rows():
    X, y = planted(0, n=200)
    make = partial(search_of, network(), PHASES, refit=False, initial_alpha=[-2.0, 0, 1, 0])
    assert np.array_equal(make().fit(X, y).alpha_, [[-2, 0, 1, 0]])
    assert np.abs(make(fix_alpha=False).fit(X, y).alpha_ - [[-2, 0, 1, 0]]).min() > 1e-5


class Constant(FourierEncoder):
    """An encoding that says nothing."""

    def _features(self, X, arrays, xp):
        return super()._features(X, arrays, xp) * 0.0


@silent
def test_the_removal_of_zeros_changes_nothing():
    X, y = plane()
    search = search_of(network(), [*PAIR, Constant(2)], refit=False).fit(X, y)
    results = search.cv_results_
    assert results["score_drop"][2] == 0.0
    assert (results["score_drop"][:2] != 0.0).all()


def test_learnable_encoders_train_in_the_mixture():
    X, y = plane()
    encoders = [LearnableFourierEncoder(8, random_state=0), FourierEncoder(2)]
    search = search_of(network(), encoders).fit(X, y)
    assert np.isfinite(search.masked_scores_).all()


# near-duplicates


def test_similarity_of_encodings_is_that_of_their_kernels(rng):
    A, B = rng.normal(size=(30, 4)), rng.normal(size=(30, 6))
    turned = A @ np.linalg.qr(rng.normal(size=(4, 4)))[0] * 3 + 5
    found = similarities([A, turned, B, np.ones((30, 2))])
    centred = [each - each.mean(0) for each in (A, B)]
    a, b = (each @ each.T for each in centred)
    expected = np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))
    assert found[0, 1] == pytest.approx(1.0)
    assert found[0, 2] == pytest.approx(expected)
    assert not found[3].any()


def test_twins_are_told():
    X, y = plane()
    twins = [FourierEncoder(2), ShiftedBasisEncoder(stable_rank=3), FourierEncoder(2)]
    search = search_of(network(), twins, refit=False)
    with pytest.warns(UserWarning, match=r"1 pairs .* 0 and 2 \(1\.000\)"):
        search.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.set_params(encoders=twins[:2]).fit(X, y)
    assert 0.5 < NEARLY_SAME < 1


# progress, interruption, bad input


def test_progress_is_told(capsys):
    X, y = plane()
    search_of(network(), PAIR).fit(X, y)
    assert not capsys.readouterr().out
    search_of(network(), PAIR, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    stages = ["train 2 candidates at once", "remove each candidate of edge 0", "fit the choice"]
    assert len(lines) == 3
    for line, stage in zip(lines, stages, strict=True):
        assert line.startswith(f"[PerturbationSearchCV] {stage}")


@pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None, reason="scikit-learn before 1.9"
)
def test_callbacks_of_scikit_learn_hear_of_all():
    class Heard:
        max_estimator_depth = None

        def __init__(self):
            self.begun, self.ended = Counter(), Counter()

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            self.begun[context.task_name] += 1

        def on_fit_task_end(self, estimator, context):
            self.ended[context.task_name] += 1

        def teardown(self, estimator, context):
            pass

    X, y = plane()
    search, heard = search_of(network(max_epochs=3), PAIR), Heard()
    search.set_callbacks(heard).fit(X, y)
    assert heard.begun == heard.ended == {"fit": 1, "epoch": 3, "candidate": 2, "refit": 1}
    assert "_callback_fit_ctx" not in vars(search)


def test_a_search_that_fails_or_is_interrupted_changes_nothing():
    X, y = plane()
    search = search_of(network(), PAIR).fit(X, y)
    before, predicted = dict(vars(search)), search.predict(X)

    def stopped(estimator, X, y):
        raise KeyboardInterrupt

    search.set_params(scoring=stopped)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, -y)
    assert vars(search) == before | {"scoring": stopped}
    assert np.array_equal(search.predict(X), predicted)


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"encoders": PAIR[:1]}, ValueError, "at least two candidates"),
        ({"encoders": FourierEncoder()}, TypeError, "must be a list of encoders"),
        ({"encoders": [*PAIR, PCA()]}, TypeError, "an encoder of sk_posenc.*PCA"),
        ({"encoders": [*PAIR, FourierEncoder(-1)]}, ValueError, "n_frequencies"),
        ({"estimator": CoordinateMLPClassifier()}, TypeError, "CoordinateMLPRegressor. Got"),
        ({"estimator": network(augmenter=PositionAugmenter())}, ValueError, "no augmenter"),
        ({"edges": [[0]]}, ValueError, "each of the 2 columns of X once"),
        ({"edges": [[0], [0, 1]]}, ValueError, "each of the 2 columns of X once"),
        ({"edges": [[0, 1], []]}, ValueError, r"edges\[1\] is empty"),
        ({"edges": [0, 1]}, TypeError, "must be lists of columns"),
        ({"edges": 1}, TypeError, "must be lists of columns"),
        ({"edges": [["day"], [1]]}, ValueError, r"edges\[0\].*no names of columns. Got 'day'"),
        ({"validation": 0.0}, ValueError, "validation must be greater than 0"),
        ({"validation": 3}, TypeError, "a share of the rows"),
        ({"validation": None}, TypeError, "a share of the rows"),
        ({"validation": 0.001}, ValueError, "finite score"),
        ({"fix_alpha": 1}, TypeError, "fix_alpha must be True or False"),
        ({"refit": "mse"}, TypeError, "refit must be True or False"),
        ({"initial_alpha": [0.0]}, ValueError, "a finite number for each candidate"),
        ({"initial_alpha": [0.0, np.inf]}, ValueError, "a finite number for each candidate"),
        ({"initial_alpha": {"a": 1}}, TypeError, "initial_alpha must be"),
        ({"initial_alpha": int}, TypeError, "initial_alpha must be an array of numbers"),
        ({"encoders": (1,)}, TypeError, "each of encoders must be an encoder"),
        ({"validation": {1}}, TypeError, "validation must be"),
        ({"validation": []}, ValueError, "validation must give at least one fold"),
        ({"scoring": len}, TypeError, r"scoring must take \(estimator, X, y\) and give a number"),
        ({"scoring": (1, 2)}, TypeError, "scoring must be the name of a scorer"),
        ({"search_epochs": 0}, ValueError, "search_epochs must be at least 1"),
        ({"tune_epochs": -1}, ValueError, "tune_epochs must be at least 0"),
        ({"verbose": -1}, ValueError, "verbose must be at least 0"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_bad_settings_are_refused(settings, error, match):
    X, y = plane()
    search = search_of(**{"estimator": network(), "encoders": PAIR} | settings)
    with pytest.raises(error, match=match):
        search.fit(X, y)
    assert not hasattr(search, "n_features_in_")


def test_widths_that_contradict_the_edges_are_named():
    X, y = plane()
    search = search_of(network(), [FourierEncoder(stable_rank=[3, 4]), *PAIR], edges=[[0], [1]])
    with pytest.raises(ValueError, match="stable_rank") as caught:
        search.fit(X, y)
    (note,) = caught.value.__notes__
    assert "FourierEncoder(stable_rank=[3, 4])" in note
    assert "edge 0, columns [0]" in note


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match=r"at least 4 rows.*Got n_samples = 3"):
        search_of(network(), PAIR).fit(np.eye(3), np.arange(3.0))
