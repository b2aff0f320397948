"""suggest_encoder, against refitting, gradient descent, and simulated signals."""

import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso, LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted
from test_kronecker import DenseRidge

from sk_posenc import (
    CoordinateMLPRegressor,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    LearnableFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    encoding_report,
    grid_samples,
    suggest_encoder,
    tangent_kernel,
)
from sk_posenc.selection import _leave_one_out
from sk_posenc.selection._expected_error import (
    expected_error,
    in_cells,
    neighbourhood,
    places_between,
    regression_weights,
    roughness,
)


@pytest.fixture
def series(rng):
    """A random walk at every other place of a line."""
    return np.arange(0, 120)[:, None] / 120, np.cumsum(rng.normal(size=120))


def candidates(*ranks):
    return [ShiftedBasisEncoder(stable_rank=rank) for rank in ranks]


# Leave-one-out


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize("n_features", [5, 40])  # fewer and more than samples
def test_leave_one_out_is_that_of_refitting(alpha, n_features, fit_intercept):
    E, y = make_regression(20, n_features, n_targets=2, noise=5.0, bias=3.0, random_state=0)
    head = Ridge(alpha, fit_intercept=fit_intercept, solver="svd") if alpha else LinearRegression(
        fit_intercept=fit_intercept
    )  # fmt: skip
    refitted = y - cross_val_predict(head, E, y, cv=LeaveOneOut())
    found = _leave_one_out.LeaveOneOut(E, fit_intercept=fit_intercept).residuals(y, alpha)
    np.testing.assert_allclose(found, refitted, rtol=1e-6, atol=1e-8)


def test_leave_one_out_is_infinite_where_the_others_say_nothing():
    E = np.eye(6)[:, :3] + np.eye(6, k=-3)[:, :3]
    E[0] = [0.0, 0.0, 0.0]
    E[3] = [5.0, 0.0, 0.0]  # the only row that reaches the first column
    found = _leave_one_out.LeaveOneOut(E, fit_intercept=False).residuals(np.ones((6, 1)), 0.0)
    assert np.isinf(found[3])
    assert np.isfinite(np.delete(found, 3)).all()


@pytest.mark.parametrize("head", [Ridge(1e-2), LinearRegression(), Ridge(np.array([1e-2, 1.0]))])
def test_linear_heads_are_ranked_by_leave_one_out(head, series, rng):
    X, y = series
    y = np.column_stack([y, rng.normal(size=len(y))])
    encoders = [ShiftedBasisEncoder("triangle", n_shifts=n, bandwidth=1 / n) for n in (4, 9, 20)]
    suggestion = suggest_encoder(X, y, head, encoders)
    refitted = []
    for encoder in encoders:
        E = encoder.fit_transform(X)  # leave-one-out holds the encoder
        refitted.append(np.mean((y - cross_val_predict(head, E, y, cv=LeaveOneOut())) ** 2))
    order = np.argsort(refitted)
    np.testing.assert_array_equal(suggestion.table["index"], order)
    np.testing.assert_allclose(suggestion.table["mse"], np.array(refitted)[order], rtol=1e-5)


def test_ridge_cv_takes_its_best_alpha_for_each_encoding(series):
    X, y = series
    alphas = [1e-4, 1e-2, 1.0]
    found = suggest_encoder(X, y, RidgeCV(alphas), candidates(4, 30))
    each = [suggest_encoder(X, y, Ridge(alpha), candidates(4, 30)) for alpha in alphas]
    for index in (0, 1):
        errors = [one.table["mse"][one.table["index"] == index][0] for one in each]
        mse = found.table["mse"][found.table["index"] == index][0]
        assert mse == pytest.approx(min(errors))


@pytest.mark.parametrize("head", [KroneckerRidge(alpha=1e-3), KroneckerRidgeCV(alphas=[1e-3])])
def test_kronecker_ridge_is_ranked_by_its_own_leave_one_out(head, rng):
    X, y = grid_samples(np.cumsum(rng.normal(size=(9, 8)), axis=0))
    suggestion = suggest_encoder(X, y, head, candidates(2, 4))
    search = KroneckerRidgeCV(alphas=[1e-3])
    if isinstance(head, KroneckerRidge):
        search.set_params(penalties="ridge")
    scores = [
        -clone(search).set_params(encoders=[e]).fit(X, y).best_score_ for e in candidates(2, 4)
    ]
    np.testing.assert_allclose(suggestion.table["mse"], np.sort(scores))
    KroneckerRidge(suggestion.best_encoder).fit(X, y).predict(X)


def test_alpha_and_penalty_of_a_kronecker_ridge_are_its_own(rng):
    X, y = grid_samples(rng.normal(size=(5, 5)), axes=(np.arange(5.0),) * 2)
    head, encoder = KroneckerRidge(alpha=0.3, penalty="curvature"), ShiftedBasisEncoder("bspline")
    mse = suggest_encoder(X, y, head, [encoder]).table["mse"][0]
    whole = clone(head).set_params(encoder=encoder).fit(X, y)
    dense = DenseRidge(whole, "curvature").fit(X, y)
    errors = []
    for i in range(len(X)):
        others = np.arange(len(X)) != i
        held = DenseRidge(whole, "curvature").fit(X[others], y[others], strength=dense.strength)
        errors.append(y[i] - held.predict(X[[i]])[0])
    assert mse == pytest.approx(np.mean(np.square(errors)), rel=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_linear_heads_are_judged_on_some_rows_by_an_encoder_of_all(fit_intercept, series):
    X, y = series
    encoder = ShiftedBasisEncoder("triangle", n_shifts=9, bandwidth=0.2)
    head = Ridge(1e-2, fit_intercept=fit_intercept)
    found = suggest_encoder(X, y + 50, head, [encoder], max_samples=40)
    rows = neighbourhood(in_cells(X), 40)
    E = clone(encoder).fit(X).transform(X[rows])
    assert found.n_samples == len(rows) < 120
    predicted = cross_val_predict(head, E, y[rows] + 50, cv=LeaveOneOut())
    assert found.table["mse"][0] == pytest.approx(np.mean((y[rows] + 50 - predicted) ** 2))


def test_least_squares_that_cannot_tell_ranks_last(series):
    found = suggest_encoder(*series, LinearRegression(), candidates(40, 4), max_samples=60)
    assert found.best_encoder.stable_rank == 4
    np.testing.assert_array_equal(np.isinf(found.table["psnr"]), [False, True])


def test_other_transformers_may_be_candidates(series):
    encoders = [SplineTransformer(n_knots=20), ShiftedBasisEncoder(stable_rank=10)]
    table = suggest_encoder(*series, Ridge(1e-3), encoders).table
    assert np.isnan(table["stable_rank"][table["index"] == 0]).all()


# The kernel of a network


def test_the_ridge_is_early_stopping_at_times_that_vary(rng):
    # plain gradient descent on the coefficients, averaged over exponential stopping times
    x, places = rng.uniform(size=(12, 1)), rng.uniform(size=(5, 1))
    encoder = ShiftedBasisEncoder(stable_rank=6).fit([[0.0], [1.0]])
    K, K_places = (
        tangent_kernel(np.clip(encoder.similarity(at, x), -1, 1), 2) for at in (x, places)
    )
    y, tau, step = rng.normal(size=12), 30.0, 0.01
    y -= y.mean()
    coefficients, average = np.zeros(12), np.zeros(5)
    for k in range(int(12 * tau / step)):
        weight = np.exp(-k * step / tau) * step / tau
        average += weight * (K_places @ coefficients)
        coefficients += step / 12 * (y - K @ coefficients)
    weights = regression_weights(K, K_places, 12 / tau)
    np.testing.assert_allclose(weights @ y, average, atol=2e-3 * np.abs(average).max())
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_expected_error_is_that_of_simulated_random_walks(rng):
    # of a Brownian path half the mean squared difference is half the distance
    at = np.sort(rng.uniform(size=30))
    where = rng.permutation(30)
    known, places = at[np.sort(where[:20])], at[where[20:]]
    order = np.concatenate([known, places])
    paths = rng.normal(size=(40_000, 30)) @ np.linalg.cholesky(np.minimum.outer(order, order)).T
    gap = np.abs(order[:, None] - known[None])
    weights = regression_weights(np.exp(-9 * gap[:20]), np.exp(-9 * gap[20:]), 0.1)
    measured = np.mean((paths[:, 20:] - paths[:, :20] @ weights.T) ** 2)
    expected = expected_error(weights, gap[20:] / 2, gap[:20] / 2)
    assert measured == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("kind", "exponent"), [("noise", 0.1), ("walk", 1.0), ("smooth", 1.95)])
def test_roughness_tells_signals_apart(kind, exponent, rng):
    noise = rng.normal(size=(4000, 1))
    y = {"noise": noise, "walk": noise.cumsum(axis=0), "smooth": np.sin(np.arange(4000.0) / 99)}
    cells = np.arange(4000.0)[:, None]
    found = roughness(cells, y[kind].reshape(-1, 1), np.random.RandomState(0))
    assert found.exponent == pytest.approx(exponent, abs=0.08)
    if kind == "walk":
        assert found.scale == pytest.approx(0.5, rel=0.1)


def rough(cells, y):
    return roughness(np.asarray(cells), np.asarray(y), np.random.RandomState(0))


def test_roughness_falls_back_where_nothing_is_near(rng):
    apart, y = rng.uniform(size=(6, 5)) * 100, rng.normal(size=(6, 2)) * [1, 10]
    assert rough(apart, y) == (pytest.approx(np.mean(np.var(y, axis=0)) / 2), 1.0)
    # and where neighbours do not differ at all
    level = np.repeat([[0.0], [1.0]], 30, axis=0)
    cells = np.concatenate([np.arange(30.0), 100 + np.arange(30.0)])[:, None]
    assert rough(cells, level) == (pytest.approx(0.125), 1.0)


@pytest.mark.parametrize("spacing", [0.64, 0.9, 1.2])
def test_roughness_of_a_walk_has_no_spacing(spacing, rng):
    # half the mean squared difference is half the distance, at whatever distances there are
    cells = spacing * np.arange(20_000.0)[:, None]
    walk = np.cumsum(rng.normal(scale=np.sqrt(spacing), size=(20_000, 1)), axis=0)
    scale, exponent = rough(cells, walk)
    assert exponent == pytest.approx(1, abs=0.1)
    assert scale == pytest.approx(0.5, rel=0.1)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(0, 9), st.integers(1, 2))
@settings(max_examples=20)
def test_roughness_of_several_outputs_and_units(offset, unit, seed, n_axes):
    rng = np.random.default_rng(seed)
    cells = np.indices((12,) * n_axes if n_axes > 1 else (150,)).reshape(n_axes, -1).T.astype(float)
    y = np.cumsum(rng.normal(size=(len(cells), 2)) * [1, 3], axis=0)
    each = [rough(cells, y[:, [k]]) for k in (0, 1)]
    assert rough(cells, unit * y[:, :1] + offset * unit).exponent == pytest.approx(each[0].exponent)
    assert rough(cells, unit * y[:, :1]).scale == pytest.approx(unit**2 * each[0].scale)
    twice = rough(cells, y[:, [0, 0]])
    assert twice == pytest.approx(each[0])
    beside = rough(cells, np.column_stack([y[:, 0], 0 * y[:, 0]]))
    assert beside == pytest.approx((each[0].scale / 2, each[0].exponent))
    other = rough(cells, np.column_stack([0 * y[:, 0], y[:, 0]]))
    assert other == pytest.approx(beside)


def test_roughness_over_two_axes_reaches_the_far_neighbours():
    cells = np.indices((30, 30)).reshape(2, -1).T.astype(float)
    slope = cells @ [[0.3], [0.2]]
    # the mean square of a plane's differences is that of the distances
    assert rough(cells, slope).exponent == pytest.approx(1.95, abs=0.03)


def test_cells_do_not_depend_on_units():
    X, _ = grid_samples(np.zeros((5, 9)))
    cells = in_cells(X * [1000.0, 1e-3] + [7.0, -2.0])
    np.testing.assert_allclose(cells.max(axis=0), [4, 8])
    flat = in_cells(np.column_stack([X, np.full(len(X), 3.0)]))
    np.testing.assert_allclose(flat, np.column_stack([in_cells(X), np.zeros(len(X))]))


def test_rows_that_are_looked_at_fill_a_box():
    X, _ = grid_samples(np.zeros((31, 31)))
    cells = in_cells(X)
    rows = neighbourhood(cells, 256)
    assert len(rows) == 225
    assert np.prod(np.ptp(cells[rows], axis=0) + 1) == 225
    np.testing.assert_array_equal(neighbourhood(cells, 5000), np.arange(31**2))


@given(st.integers(0, 99), st.integers(1, 3), st.integers(8, 60), st.booleans())
def test_rows_that_are_looked_at_are_those_around_the_middle(seed, n_axes, n_rows, ring):
    rng = np.random.default_rng(seed)
    cells = rng.uniform(0, 9, size=(100, n_axes))
    if ring:  # all equally far from the middle
        cells = np.where(np.arange(n_axes) == 0, np.sign(cells - 4.5), 0.0)
        cells[:50, 0], cells[50:, 0] = -1, 1
    rows = neighbourhood(cells, n_rows)
    assert n_rows / 2 <= len(rows) <= n_rows
    assert len(set(rows)) == len(rows)
    far = np.max(np.abs(cells - np.median(cells, axis=0)), axis=1)
    assert far[rows].max() <= np.delete(far, rows).min()


@given(st.integers(0, 99), st.integers(1, 3))
def test_places_lie_in_the_box_of_the_samples(seed, n_axes):
    along = np.linspace(0, 40, 90)[:, None]
    cells = along ** np.linspace(1, 1.3, n_axes)
    places = places_between(cells, 50, np.random.RandomState(seed))
    assert places.shape == (50, n_axes)
    assert (places >= cells.min(axis=0)).all()
    assert (places <= cells.max(axis=0)).all()


def test_places_are_near_samples_even_along_a_curve(rng):
    along = np.linspace(0, 60, 200)
    cells = np.column_stack([along, along**2 / 60])
    places = places_between(cells, 100, np.random.RandomState(0))
    nearest = np.min(np.max(np.abs(places[:, None] - cells[None]), axis=2), axis=1)
    assert places.shape == (100, 2)
    assert nearest.max() <= 1.5


def test_depth_asks_for_a_lower_stable_rank(series):
    # a deep network narrows the similarity, a linear head takes it as it is
    encoders = candidates(4, 8, 16, 32, 64)
    network = suggest_encoder(*series, CoordinateMLPRegressor(), encoders)
    shallow = suggest_encoder(*series, CoordinateMLPRegressor(hidden_layer_sizes=()), encoders)
    assert network.best_encoder.stable_rank < shallow.best_encoder.stable_rank


def test_training_longer_helps_every_encoding_of_a_clean_signal(series):
    encoders = candidates(2, 4, 8, 16)
    errors = []
    for training_time in (30.0, 300.0, 3000.0):
        head = CoordinateMLPRegressor()
        table = suggest_encoder(*series, head, encoders, training_time=training_time).table
        errors.append(table["mse"][np.argsort(table["index"])])
    assert np.all(np.diff(errors, axis=0) < 0)


def test_what_training_is_worth_follows_its_settings(series):
    encoders = candidates(4, 16)

    def errors(head, **settings):
        return suggest_encoder(*series, head, encoders, **settings).table["mse"]

    # 120 samples in batches of 32 are 4 batches; max_epochs 50 makes 200 steps
    settings = {"max_epochs": 50, "lr": 2e-3, "lr_schedule": "constant"}
    same = errors(CoordinateMLPRegressor(), training_time=4000.0)
    np.testing.assert_array_equal(errors(CoordinateMLPRegressor(**settings)), same)
    cosine = CoordinateMLPRegressor(lr_schedule="cosine", max_epochs=50, lr=4e-3)
    np.testing.assert_array_equal(errors(cosine), same)
    other = MLPRegressor(
        hidden_layer_sizes=(100,) * 4, max_iter=50, batch_size=32, learning_rate_init=2e-3
    )
    np.testing.assert_array_equal(errors(other), same)


@pytest.mark.parametrize("n_axes", [1, 2])
@pytest.mark.parametrize("sizes", [(), (16,), (32, 32, 32)])
def test_networks_are_ranked_by_kriging_with_their_kernel(sizes, n_axes, rng):
    shape, unit = ((90,), [7.0]) if n_axes == 1 else ((15, 21), [0.1, 300.0])
    X, y = grid_samples(
        rng.normal(size=shape).cumsum(axis=0),
        [u * np.arange(n) for u, n in zip(unit, shape, strict=True)],
    )
    encoder, tau, n_rows = ShiftedBasisEncoder(stable_rank=6, boundary="cut"), 900.0, 50
    head = CoordinateMLPRegressor(hidden_layer_sizes=sizes)
    settings = {"max_samples": n_rows, "training_time": tau, "random_state": 3}
    found = suggest_encoder(X, y, head, [encoder], **settings)
    # by its parts: samples in cells, a few of them, places between, and the variogram
    state, cells = np.random.RandomState(3), X / unit
    scale, exponent = roughness(cells, y[:, None], state)
    rows = neighbourhood(cells, n_rows)
    places = places_between(cells[rows], 160, state)
    fitted = clone(encoder).fit(X)
    known = fitted.transform(X[rows])
    known, asked = (each - known.mean(axis=0) for each in (known, fitted.transform(places * unit)))
    known, asked = (each / np.linalg.norm(each, axis=1)[:, None] for each in (known, asked))
    layers = len(sizes)
    K, K_asked = (tangent_kernel(np.clip(each @ known.T, -1, 1), layers) for each in (known, asked))
    weights = np.linalg.solve(K + len(X) / tau * np.eye(len(rows)), K_asked.T).T
    weights += (1 - weights.sum(axis=1, keepdims=True)) / len(rows)
    errors = []
    for place, w in zip(places, weights, strict=True):
        # the variance of the error, from that of all differences
        at = np.vstack([place, cells[rows]])
        gamma = scale * np.linalg.norm(at[:, None] - at, axis=2) ** exponent
        signed = np.concatenate([[1.0], -w])
        errors.append(-signed @ gamma @ signed)
    assert found.table["mse"][0] == pytest.approx(np.mean(errors), rel=1e-4)
    assert found.n_samples == len(rows)


def test_a_constant_column_plays_no_part_for_a_network(series):
    X, y = series
    plain = ShiftedBasisEncoder(stable_rank=9)
    beside = make_union(plain, FunctionTransformer(np.ones_like, feature_names_out="one-to-one"))
    for head in (CoordinateMLPRegressor(), Ridge(1e-2)):
        table = suggest_encoder(X, y, head, [plain, beside]).table
        assert table["mse"][0] == pytest.approx(table["mse"][1], rel=1e-5)


def test_batches_of_scikit_learns_network_are_of_200_at_most(rng):
    X, y = np.arange(450)[:, None] / 450, np.cumsum(rng.normal(size=450))
    auto, given = (
        suggest_encoder(X, y, MLPRegressor(batch_size=size), candidates(9)).table["mse"]
        for size in ("auto", 200)
    )
    np.testing.assert_array_equal(auto, given)


def test_eight_samples_and_axes_of_their_own(rng):
    X, y = np.arange(8.0)[:, None], rng.normal(size=8)
    assert len(suggest_encoder(X, y, Ridge(1e-2)).table["rank"]) == 24
    X, y = grid_samples(rng.normal(size=(9, 9)))
    table = suggest_encoder(X, y, Ridge(1e-2), [ShiftedBasisEncoder(stable_rank=(2, 6))]).table
    fitted = ShiftedBasisEncoder(stable_rank=(2, 6)).fit(X)
    assert table["stable_rank"][0] == pytest.approx(fitted.stable_rank_.mean())


def test_a_perfect_fit_has_a_finite_psnr():
    X = np.arange(40.0)[:, None]
    identity = FunctionTransformer(feature_names_out="one-to-one")
    table = suggest_encoder(X, 3 * X[:, 0], LinearRegression(), [identity]).table
    best = -10 * np.log10(np.finfo(np.float64).eps)
    assert table["psnr"][0] == pytest.approx(best)


def test_expected_error_is_near_the_least_there_is(rng):
    # between two samples of a random walk, known best, the mean error is a sixth of a step's
    X, y = np.arange(200)[:, None] / 200, np.cumsum(rng.normal(size=200))
    table = suggest_encoder(X, y, CoordinateMLPRegressor(), candidates(10, 20)).table
    step = np.mean(np.diff(y) ** 2)
    assert 0.8 * step / 6 < table["mse"][0] < 1.5 * step / 6
    reached = 10 * np.log10(np.ptp(y) ** 2 / table["mse"])
    np.testing.assert_allclose(table["psnr"], reached)


# The suggestion


@pytest.mark.parametrize(
    "head",
    [
        Ridge(1e-2),
        CoordinateMLPRegressor(hidden_layer_sizes=(16,), max_epochs=2, random_state=0),
        MLPRegressor(hidden_layer_sizes=(16,), max_iter=300, tol=1e-1, random_state=0),
    ],
)
def test_the_first_choice_is_ready_for_the_pipeline(head, series):
    X, y = series
    given = make_pipeline(ShiftedBasisEncoder(stable_rank=99), head)
    suggestion = suggest_encoder(X, y, given)
    with pytest.raises(NotFittedError, match="not fitted"):
        check_is_fitted(suggestion.best_encoder)
    model = given.set_params(shiftedbasisencoder=suggestion.best_encoder).fit(X, y)
    assert model.predict(X).shape == y.shape
    same = suggest_encoder(X, y, head)
    np.testing.assert_array_equal(same.table["mse"], suggestion.table["mse"])


def test_default_candidates_are_shares_of_each_axis(rng):
    X, y = grid_samples(np.cumsum(rng.normal(size=(40, 100)), axis=1))
    table = suggest_encoder(X, y, CoordinateMLPRegressor()).table
    assert len(table["encoder"]) == 24
    kinds = {type(encoder) for encoder in table["encoder"]}
    assert kinds == {ShiftedBasisEncoder, FourierEncoder, RandomFourierEncoder}
    first = table["encoder"][list(table["index"]).index(5)]  # the sixth of the Gaussian
    np.testing.assert_allclose(first.stable_rank, [24.0, 60.0])


def test_table_lists_candidates_from_the_best(series):
    encoders = candidates(3, 10, 40)
    suggestion = suggest_encoder(*series, Ridge(1e-3), encoders)
    frame = pd.DataFrame(suggestion.table)
    assert list(frame["rank"]) == [1, 2, 3]
    assert frame["mse"].is_monotonic_increasing
    assert frame["psnr"].is_monotonic_decreasing
    assert suggestion.best_encoder.stable_rank == encoders[frame["index"][0]].stable_rank
    for _, line in frame.iterrows():
        fitted = clone(line["encoder"]).fit(series[0])
        assert line["stable_rank"] == pytest.approx(fitted.stable_rank_[0])
        assert line["n_features"] == fitted.transform(series[0]).shape[1]
    text, page = str(suggestion), suggestion._repr_html_()
    assert text.startswith("By leave-one-out, 120 samples")
    assert text.count("ShiftedBasisEncoder") == page.count("ShiftedBasisEncoder") == 3
    assert text.splitlines()[2].split()[0] == "1"


def test_nothing_given_is_changed(series):
    X, y = (np.array(each) for each in series)
    X.flags.writeable = y.flags.writeable = False
    encoders, head = candidates(3, 10), CoordinateMLPRegressor(max_epochs=3)
    suggest_encoder(X, y, head, encoders)
    assert not hasattr(head, "module_")
    assert all(not hasattr(encoder, "stable_rank_") for encoder in encoders)


def test_equal_seeds_give_equal_rankings(series):
    X, y = series
    first, second = (suggest_encoder(X, y, CoordinateMLPRegressor()) for _ in range(2))
    np.testing.assert_array_equal(first.table["mse"], second.table["mse"])
    other = suggest_encoder(X, y, CoordinateMLPRegressor(), random_state=1)
    assert not np.array_equal(first.table["mse"], other.table["mse"])


def test_units_of_the_coordinates_and_the_signal_do_not_matter(series):
    X, y = series
    first = suggest_encoder(X, y, CoordinateMLPRegressor())
    second = suggest_encoder(X * 1e4 + 3, 5 * y - 7, CoordinateMLPRegressor())
    np.testing.assert_allclose(second.table["psnr"], first.table["psnr"], atol=1e-3)


def test_frames_float32_and_several_outputs_are_taken(series):
    X, y = series
    head = CoordinateMLPRegressor()
    plain = suggest_encoder(X, y, head, candidates(4, 16)).table["psnr"]
    frame = suggest_encoder(pd.DataFrame(X, columns=["t"]), y, head, candidates(4, 16))
    np.testing.assert_array_equal(frame.table["psnr"], plain)
    single = suggest_encoder(X.astype(np.float32), y, head, candidates(4, 16))
    np.testing.assert_allclose(single.table["psnr"], plain, atol=1e-2)
    twice = suggest_encoder(X, np.column_stack([y, y]), head, candidates(4, 16))
    np.testing.assert_allclose(twice.table["psnr"], plain)


def test_sparse_encodings_are_taken(series):
    dense, sparse = (
        suggest_encoder(*series, Ridge(1e-2), [ShiftedBasisEncoder("triangle", sparse_output=each)])
        for each in (False, True)
    )
    np.testing.assert_allclose(sparse.table["mse"], dense.table["mse"])


def test_max_samples_bounds_the_rows(series):
    for head in (Ridge(), CoordinateMLPRegressor()):
        suggestion = suggest_encoder(*series, head, candidates(4), max_samples=50)
        assert 25 <= suggestion.n_samples <= 50
    assert suggest_encoder(*series, Ridge(), candidates(4)).n_samples == 120


# Falls short of the stable rank that is asked, which `fit` warns of.
SHORT = RandomFourierEncoder(16, stable_rank=40, sampling="iid", random_state=0)


@pytest.fixture
def switching():
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("switching")
@pytest.mark.parametrize(
    "call",
    [
        lambda X, y: suggest_encoder(X, y, Ridge(), [SHORT], max_samples=8),
        lambda X, y: suggest_encoder(X[:9], y[:9], KroneckerRidge(alpha=1.0), [SHORT]),
        lambda X, y: encoding_report(SHORT, X[:20]),
    ],
    ids=["linear head", "kronecker", "report"],
)
def test_threads_leave_the_filters_of_warnings_alone(call, series):
    def filters():
        # check_array of scikit-learn has threads leave one of its own behind
        return [each for each in warnings.filters if each[2] is not np.exceptions.ComplexWarning]

    n_threads, before = 8, filters()
    barrier = threading.Barrier(n_threads)

    def calls(_):
        barrier.wait()
        for _ in range(6):
            call(*series)

    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(calls, range(n_threads)))
    assert filters() == before


def test_candidates_that_fall_short_are_told_of_in_the_table_alone(series):
    within = make_pipeline(StandardScaler(), SHORT)
    table = suggest_encoder(*series, Ridge(), [SHORT, within]).table
    assert table["stable_rank"][table["index"] == 0][0] < 0.9 * 40
    # and `fit` goes on warning
    with pytest.warns(UserWarning, match="reaches a stable rank of"):
        clone(SHORT).fit(series[0])


# What is refused


@pytest.mark.parametrize(
    "regressor",
    [
        Lasso(),
        "ridge",
        None,
        make_pipeline(ShiftedBasisEncoder(), Lasso()),
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(), ShiftedBasisEncoder(), Ridge()),
    ],
)
def test_other_regressors_are_refused(regressor, series):
    with pytest.raises(TypeError, match="Got"):
        suggest_encoder(*series, regressor)


@pytest.mark.parametrize(
    ("regressor", "message"),
    [
        (CoordinateMLPRegressor(activation="sine"), "ReLU"),
        (MLPRegressor(activation="tanh"), "ReLU"),
        (MLPRegressor(solver="lbfgs"), "Adam only"),
        (CoordinateMLPRegressor(max_epochs=0), "not trained"),
        (Ridge(positive=True), "positive"),
        (LinearRegression(positive=True), "positive"),
        (Ridge([1.0, 2.0]), "one per output"),
    ],
)
def test_regressors_that_cannot_be_ranked_for_are_refused(regressor, message, series):
    with pytest.raises(ValueError, match=message):
        suggest_encoder(*series, regressor)


def test_another_optimiser_is_taken_with_a_training_time(series):
    head = MLPRegressor(solver="lbfgs")
    assert suggest_encoder(*series, head, candidates(4), training_time=1e4).n_samples == 120


@pytest.mark.parametrize(
    ("encoders", "error", "message"),
    [
        ([], ValueError, "at least one candidate"),
        ("gaussian", TypeError, "must be a list of encoders. Got 'gaussian'"),
        (ShiftedBasisEncoder(), TypeError, "must be a list of encoders"),
        ([ShiftedBasisEncoder], TypeError, "or other transformers. Got <class"),
        ([Ridge()], TypeError, r"or other transformers. Got Ridge\(\)"),
        ([LearnableFourierEncoder()], ValueError, "is trained with its network"),
    ],
)
def test_candidates_that_are_none_are_refused(encoders, error, message, series):
    with pytest.raises(error, match=message):
        suggest_encoder(*series, Ridge(), encoders)


def test_an_impossible_candidate_is_named(series):
    with pytest.raises(ValueError, match="stable_rank") as caught:
        suggest_encoder(*series, Ridge(), [ShiftedBasisEncoder(stable_rank=-1)])
    assert "candidate ShiftedBasisEncoder" in caught.value.__notes__[0]


def test_truth_values_are_numbers(series):
    X, y = series
    signs, numbers = (
        suggest_encoder(X, each, Ridge(1e-2), candidates(4, 9)) for each in (y > 0, 1.0 * (y > 0))
    )
    for key in ("psnr", "mse"):
        np.testing.assert_array_equal(signs.table[key], numbers.table[key])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("nan", "X contains NaN"),
        ("few", "at least 8 samples. Got n_samples = 5"),
        ("constant", "y is constant"),
        ("same point", "all rows of X are the same point"),
        ("unequal", "inconsistent numbers of samples"),
        ("text", "column 0 of X must hold numbers .could not convert string to float"),
        ("text y", "y must hold numbers or dates"),
        ("huge y", "y must have a range of between 1e-150 and 1e\\+150.*scale y"),
        ("tiny y", "y must have a range of between"),
    ],
)
def test_bad_samples_are_refused(bad, message, series):
    X, y = (np.array(each) for each in series)
    if bad == "nan":
        X[3] = np.nan
    elif bad == "few":
        X, y = X[:5], y[:5]
    elif bad in ("huge y", "tiny y"):
        y = y * {"huge y": 1e300, "tiny y": 1e-300}[bad]
    elif bad == "constant":
        y[:] = 2.0
    elif bad == "same point":
        X[:] = 0.5
    elif bad == "text y":
        y = np.full(y.shape, "a")
    elif bad == "unequal":
        y = y[:-1]
    else:
        X = np.full(X.shape, "a")
    with pytest.raises(ValueError, match=message):
        suggest_encoder(X, y, Ridge())


@pytest.mark.parametrize("settings", [{"max_samples": 3}, {"training_time": -1.0}])
def test_bad_settings_are_refused(settings, series):
    with pytest.raises(ValueError, match=next(iter(settings))):
        suggest_encoder(*series, CoordinateMLPRegressor(), **settings)


def test_a_pipeline_may_leave_its_encoder_open(series):
    for step in (None, "passthrough"):
        pipeline = Pipeline([("encoder", step), ("head", Ridge(1e-2))])
        assert suggest_encoder(*series, pipeline, candidates(4)).n_samples == 120


@pytest.mark.parametrize("head", [CoordinateMLPRegressor(), Ridge(1e-3)])
def test_each_axis_has_a_unit_of_its_own(head, rng):
    X = rng.uniform(size=(150, 2))
    y = np.sin(9 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * rng.standard_normal(150)
    expected = suggest_encoder(X, y, head, candidates(3, 6)).table
    found = suggest_encoder(X * [1, 4096] + [0, 512], y, head, candidates(3, 6)).table
    np.testing.assert_array_equal(found["index"], expected["index"])
    np.testing.assert_allclose(found["mse"], expected["mse"], rtol=1e-6)


def test_candidates_and_targets_of_other_kinds(series):
    X, y = series
    for encoders in ("gaussian", {"a": ShiftedBasisEncoder()}, ShiftedBasisEncoder()):
        with pytest.raises(TypeError, match="encoders must be a list"):
            suggest_encoder(X, y, CoordinateMLPRegressor(), encoders)
    plain = suggest_encoder(X, y, Ridge(), candidates(4, 16)).table["mse"]
    objects = suggest_encoder(X, y.astype(object), Ridge(), candidates(4, 16)).table["mse"]
    np.testing.assert_array_equal(objects, plain)
