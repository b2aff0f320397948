"""Outputs that have holes of their own, each against a fit of its own samples alone."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from test_kronecker import close, make_grid

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._stages import Stages
from sk_posenc.kronecker._targets import Units

ENCODER = ShiftedBasisEncoder("bspline", n_shifts=7, stable_rank=3, domain=(-1.0, 2.0))
EXACT = {"tol": 1e-12, "max_iter": 20_000}
PENALTIES = ["ridge", "curvature", 1.5, "similarity", "radial"]


def samples_of(kind, n_outputs=5, n=80):
    rng = np.random.default_rng(3)
    if kind == "grid":
        X, _ = make_grid((9, 9))
    else:
        X = rng.uniform(-1, 2, (n, 1 if kind == "line" else 2))
    if kind == "repeats":
        X[::4] = X[1::4]
    phases = np.arange(n_outputs)
    y = np.sin(2 * X[:, :1] + phases) * np.cos(X[:, -1:]) * 3.0**phases
    y += 0.1 * 3.0**phases * rng.standard_normal(y.shape)
    holed = np.where(rng.uniform(size=y.shape) < 0.2, np.nan, y)
    holed[:, -1] = np.where(np.isnan(holed[:, 0]), np.nan, y[:, -1])  # the same pattern
    holed[3] = np.nan  # a hole of all
    return X, y, holed


def points(X):
    return np.random.default_rng(7).uniform(-1, 2, (30, X.shape[1]))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["grid", "scattered", "line", "repeats"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_each_output_is_fitted_to_its_own_samples(penalty, kind, weighted):
    X, _, y = samples_of(kind)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X)) if weighted else None
    encoder = clone(ENCODER).set_params(basis="matern72" if penalty == "radial" else "bspline")
    model = KroneckerRidge(encoder, alpha=1e-2, penalty=penalty, nan_is_hole=True, **EXACT)
    model.fit(X, y, weights)
    again = pickle.loads(pickle.dumps(model))
    values, std = again.predict(points(X), return_std=True)
    for j in range(y.shape[1]):
        # a dual kernel knows the domain of the encoder, and no other
        kept = ~np.isnan(y[:, j])
        own = None if weights is None else weights[kept]
        alone = clone(model).fit(X[kept], y[kept, j], own)
        value, deviation = alone.predict(points(X), return_std=True)
        close(values[:, j], value, 1e-6)
        close(std[:, j], deviation, 1e-6)
        close(model.noise_variance_[j], alone.noise_variance_[0], 1e-6)
        assert model.intercept_[j] == pytest.approx(alone.intercept_)


@pytest.mark.parametrize("kind", ["grid", "scattered"])
def test_one_solution_for_a_pattern(kind):
    X, _, y = samples_of(kind)
    with limits(exact_up_to=5, direct_up_to=5, dual_up_to=5):
        model = KroneckerRidge(ENCODER, alpha=1e-2, penalty=2.0, nan_is_hole=True).fit(X, y)
    assert [list(columns) for columns, _ in model._fits] == [[0, 4], [1], [2], [3]]
    assert model.layout_ == ("holes" if kind == "grid" else "scattered")
    assert model.coefficients_.shape == (5, *(each.n_columns for each in model._expansion.axes))
    assert len(model.encoders_) == 2
    assert model.n_iter_ > 1


def test_no_holes_change_nothing():
    X, y, _ = samples_of("scattered")
    model = KroneckerRidge(nan_is_hole=True).fit(X, y)
    close(model.predict(X), KroneckerRidge().fit(X, y).predict(X), 1e-12)
    y[5] = np.nan
    model.fit(X, y)
    less = np.delete(X, 5, 0), np.delete(y, 5, 0)
    close(model.predict(X), KroneckerRidge().fit(*less).predict(X), 1e-12)
    assert len(model._fits) == 1


def test_twenty_outputs_with_a_fifth_missing():
    rng = np.random.default_rng(0)
    X, Z = rng.uniform(size=(300, 2)), rng.uniform(0.05, 0.95, (200, 2))
    signal = lambda X: np.sin(5 * X[:, :1] + np.arange(20)) * np.cos(4 * X[:, 1:])  # noqa: E731
    y = np.where(rng.uniform(size=(300, 20)) < 0.2, np.nan, signal(X))
    assert np.sum(~np.isnan(y).any(axis=1)) < 10  # rows without a hole
    error = KroneckerRidge(nan_is_hole=True).fit(X, y).predict(Z) - signal(Z)
    assert np.sqrt(np.mean(error**2)) < 0.01


SEARCHES = {
    "learnt": ({}, {}),
    "parts": ({}, {"climbed_up_to": 50, "part_size": 40, "judged_up_to": 60}),
    "leave-one-out": ({"penalties": ["ridge", 2.0], "alphas": [1e-3, 1e-1, 10.0]}, {}),
    "held out": (
        {"penalties": [1.5, 2.0]},
        {"exact_up_to": 5, "direct_up_to": 5, "dual_up_to": 5},
    ),
    "folds": ({"penalties": ["ridge", 2.0], "alphas": [1e-3, 1e-1], "cv": 3}, {}),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_judge_by_all_outputs(name):
    settings, sizes = SEARCHES[name]
    X, _, y = samples_of("scattered", 3)
    with limits(**sizes):
        search = KroneckerRidgeCV(nan_is_hole=True, **settings).fit(X, y)
        model = KroneckerRidge(
            search.best_encoder_,
            alpha=search.alpha_,
            penalty=search.penalty_,
            spacing=search.spacing_,
            nan_is_hole=True,
        ).fit(X, y)
        close(search.predict(points(X)), model.predict(points(X)), 1e-2)
    assert search.best_score_ == search.cv_results_["mean_test_score"][search.best_index_]
    assert np.isfinite(search.predict(points(X), return_std=True)).all()
    weights = np.ones(len(X))
    weights[:7] = 0
    with limits(**sizes):
        less = clone(search).fit(X[7:], y[7:])
        zero = clone(search).fit(X, y, weights)
    if name != "folds":  # the rows of a fold are others
        close(zero.predict(X), less.predict(X), 1e-3)


def test_scores_are_means_over_the_outputs():
    X, _, y = samples_of("scattered", n=120)
    settings = {"penalties": "ridge", "alphas": [1e-3, 1e-1], "encoders": ENCODER}
    search = KroneckerRidgeCV(nan_is_hole=True, **settings).fit(X, y)
    scores, spreads = [], []
    for column in y.T:
        kept = ~np.isnan(column)
        alone = KroneckerRidgeCV(**settings).fit(X[kept], column[kept])
        scores.append(alone.cv_results_["mean_test_score"])
        spreads.append(np.std(column[kept]))
    relative = np.mean(np.array(scores) / np.square(spreads)[:, None], axis=0)
    close(search.cv_results_["mean_test_score"], relative * np.mean(np.square(spreads)), 1e-6)


def test_units_of_parts_are_those_of_all():
    _, y, _ = samples_of("scattered")
    samples = Samples(np.arange(len(y), dtype=float)[:, None], None)
    parts = [(np.array(each), Units(samples, y[:, each])) for each in ([0, 2, 4], [1, 3])]
    joined, whole = Units.joined(parts), Units(samples, y)
    for name in ("mean", "spread", "exact", "size"):
        close(getattr(joined, name), getattr(whole, name))


def test_adaptive_of_several_patterns():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(300, 2))
    y = ((X.sum(axis=1) > 1) + 0.02 * rng.standard_normal((2, 300))).T
    y[rng.uniform(size=y.shape) < 0.1] = np.nan
    search = KroneckerRidgeCV(penalties=[2.0, "adaptive"], alphas=[0.2], nan_is_hole=True)
    search.fit(X, y)
    assert search.penalty_ == "adaptive"
    _, std = search.predict(X, return_std=True)
    linear = KroneckerRidgeCV(penalties=[2.0], alphas=[0.2], nan_is_hole=True)
    close(std, linear.fit(X, y).predict(X, return_std=True)[1], 1e-6)


def test_what_is_refused():
    X, _, y = samples_of("scattered")
    model = KroneckerRidge(ENCODER, nan_is_hole=True)
    with pytest.raises(ValueError, match=r"same samples for all outputs.*Got NaN in some"):
        model.partial_fit(X, y)
    y[:, 2] = np.nan
    with pytest.raises(ValueError, match=r"y\[:, 2\] is NaN for all samples"):
        model.fit(X, y)
    y[0, 2] = 1.0
    weights = np.ones(len(X))
    weights[0] = 0.0
    with pytest.raises(ValueError, match=r"y\[:, 2\] is NaN for all samples whose weight"):
        model.fit(X, y, weights)
    assert not hasattr(model, "coefficients_")


def test_stages_have_what_a_stage_has_and_no_more():
    with pytest.raises(AttributeError, match="depth"):
        Stages.__getattr__(object.__new__(Stages), "depth")
