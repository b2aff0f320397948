"""What parts of many samples show, held against what all of them choose."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder, grid_samples
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._centres import ByCentres
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker.penalties import SIMILARITY

FEW = {"learnt_up_to": 150, "climbed_up_to": 100, "part_size": 80, "judged_up_to": 150}
FEW |= {"direct_up_to": 100, "dual_up_to": 300}


def waves(X):
    shares = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    return np.sin(6 * shares[:, 0]) * np.cos(4 * shares[:, 1])


def texture(X):
    """Finer than parts show."""
    shares = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    return np.sin(60 * shares[:, 0]) * np.cos(50 * shares[:, 1])


def places(layout, rng, n=800):
    if layout == "grid":
        return grid_samples(np.zeros((40, 30)))[0]
    if layout == "gap":
        X = rng.uniform(size=(2 * n, 2))
        return X[np.abs(X[:, 0] - 0.5) > 0.2][:n]
    if layout == "clusters":
        X = np.repeat(rng.uniform(size=(12, 2)), n // 12, axis=0)
        return X + 0.03 * rng.standard_normal(X.shape)
    X = rng.uniform(size=(n, 2))
    return X * [30, 0.3] if layout == "corridor" else X


def between(X, rng, n=500):
    """On the lines from some places to others."""
    first, second = X[rng.integers(len(X), size=(2, n))]
    share = rng.uniform(size=(n, 1))
    return first * share + second * (1 - share)


@pytest.mark.parametrize("layout", ["grid", "random", "clusters", "gap", "corridor"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_smooth_signals_are_learnt_from_parts(layout, noise):
    rng = np.random.default_rng(0)
    X = places(layout, rng)
    y = waves(X) + noise * rng.standard_normal(len(X))
    with limits(**FEW):
        model = KroneckerRidgeCV().fit(X, y)
    assert model.penalty_ in ("similarity", "radial")
    assert model.layout_ == ("grid" if layout == "grid" else "centres")
    Z = between(X, rng)
    shares = (Z - X.min(axis=0)) / np.ptp(X, axis=0)
    errors = model.predict(Z) - np.sin(6 * shares[:, 0]) * np.cos(4 * shares[:, 1])
    assert np.sqrt(np.mean(errors**2)) < (0.01 if noise == 0 else 0.06)
    results = model.cv_results_
    assert model.best_index_ == len(results["params"]) - 1
    assert {len(each) for each in results.values()} == {len(results["params"])}
    assert model.best_score_ == results["mean_test_score"][-1]
    assert results["rank_test_score"][-1] >= 1
    if layout != "grid":  # on cells held out of all candidates
        assert results["rank_test_score"][-1] == 1


@pytest.mark.parametrize("shape", [(40, 30), (12, 11, 10)])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_grid_that_lacks_a_line(shape, noise):
    """Its rest without held-out cells is no grid, and the chosen one is still fitted as one."""
    rng = np.random.default_rng(0)
    X = grid_samples(np.zeros(shape))[0]
    lost = X[:, 0] == np.unique(X[:, 0])[5]
    y = waves(X)
    with limits(**FEW):
        model = KroneckerRidgeCV().fit(
            X[~lost], y[~lost] + noise * rng.standard_normal(np.sum(~lost))
        )
    assert model.penalty_ == "similarity"
    assert model.layout_ == "grid"
    errors = model.predict(X[lost]) - y[lost]
    assert np.sqrt(np.mean(errors**2)) < (0.01 if noise == 0 else 0.06)


@pytest.mark.parametrize("layout", ["grid", "random"])
def test_cells_that_are_held_out_are_those_of_a_fit_without_them(layout):
    rng = np.random.default_rng(0)
    if layout == "grid":
        X, weights = (
            grid_samples(np.zeros((12, 9)), [np.arange(12) / 12, np.arange(9) / 9])[0],
            None,
        )
    else:
        X, weights = rng.uniform(size=(108, 2)), rng.choice([0.5, 2.0], size=108)
    samples = Samples(X, weights)
    encoder = ShiftedBasisEncoder("gaussian", bandwidth=0.3, domain=(-1.0, 2.0))
    problem = Problem(samples, encoder, SIMILARITY, whole=True, alphas=[0.01])
    cells = samples.to_cells(rng.standard_normal((len(X), 1)))
    held = rng.uniform(size=len(X)) < 0.2
    found = ByCentres(problem.design, 0.01).left_out_together(cells, held, 0.01)
    places = samples.coordinates
    if layout == "grid":
        places = [each.ravel() for each in np.meshgrid(*places, indexing="ij")]
    squares = sum(np.subtract.outer(each, each) ** 2 for each in places)
    kernel = np.exp(-squares / (4 * 0.3**2))  # the width of a similarity is that of two bumps
    noise = 0.01 if weights is None else 0.01 / samples.weights
    rest, values = (kernel + noise * np.eye(len(X)))[~held][:, ~held], cells.ravel()
    fitted = kernel[held][:, ~held] @ np.linalg.solve(rest, values[~held])
    assert_allclose(found[0], values[held] - fitted, atol=0.01 * np.std(values))


@pytest.mark.parametrize("layout", ["grid", "random"])
def test_detail_that_parts_do_not_show_is_left_to_all_samples(layout):
    rng = np.random.default_rng(0)
    X = places(layout, rng, 1_500)
    y = texture(X)
    with limits(**FEW):
        model = KroneckerRidgeCV().fit(X, y)
        listed = KroneckerRidgeCV(penalties=sorted({*model.cv_results_["param_penalty"]}, key=str))
        assert_allclose(model.predict(X), listed.fit(X, y).predict(X), atol=1e-6)


def test_a_spike_that_parts_miss_wins_over_what_they_show():
    X = grid_samples(np.zeros((60, 60)))[0]
    shares = X / X.max()
    y = shares[:, 0] + 3 * np.exp(-((shares - 0.6) ** 2).sum(axis=1) / 0.02**2)
    with limits(**FEW):
        model = KroneckerRidgeCV().fit(X, y)
    assert np.max(np.abs(model.predict(X) - y)) < 0.3


@pytest.mark.parametrize("layout", ["random", "grid", "corridor"])
def test_weights_and_outputs(layout):
    rng = np.random.default_rng(0)
    X = places(layout, rng)
    y = np.column_stack([waves(X), 1e3 * waves(X)[::-1] ** 2, np.ones(len(X))])
    if layout != "grid":
        y[:, 1] = 1e3 * waves(X) ** 2
    weights = rng.choice([0.5, 2.0], size=len(X))
    with limits(**FEW):
        model = KroneckerRidgeCV().fit(X, y, weights)
        assert model.predict(X).shape == y.shape
        assert np.sqrt(np.mean((model.predict(X) - y) ** 2, axis=0) / [1, 1e6, 1]).max() < 0.05
        assert_allclose(model.predict(X)[:, 2], 1.0)


def test_the_chosen_one_can_be_fitted_by_itself():
    rng = np.random.default_rng(0)
    X = places("clusters", rng)
    y = waves(X) + 0.1 * rng.standard_normal(len(X))
    with limits(**FEW):
        model = KroneckerRidgeCV().fit(X, y)
        again = KroneckerRidge(
            model.best_encoder_,
            penalty=model.penalty_,
            alpha=model.alpha_,
            spacing=model.spacing_,
        ).fit(X, y)
    assert_allclose(again.predict(X), model.predict(X))
