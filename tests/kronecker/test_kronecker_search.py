"""How KroneckerRidgeCV judges candidates: weights in scores, cells held out, alpha's rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import KFold
from test_kronecker import DenseRidge, in_own_spread, make_grid
from test_kronecker_scattered import iterating  # noqa: F401

from sk_posenc import ShiftedBasisEncoder, grid_samples
from sk_posenc.core.limits import limits
from sk_posenc.kronecker import _search
from sk_posenc.kronecker._held_out import held_out_cells
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker.ridge import KroneckerRidge
from sk_posenc.kronecker.ridge_cv import KroneckerRidgeCV

# Many targets here are noise.
pytestmark = pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")

BSPLINE = ShiftedBasisEncoder("bspline", n_shifts=7, stable_rank=3, domain=(-1.0, 2.0))
# Up to these alphas a fit is taken to interpolate.
GENTLE = {"ridge": 1e-3, "slope": 1e-2, "curvature": 1e-3, 2.0: 1e-3}


@pytest.fixture
def to_the_end():
    """Conjugate gradients from the smallest sizes on, those of candidates until they converge."""
    with limits(direct_up_to=5, exact_up_to=5, dual_up_to=5, candidate_steps=10_000):
        yield


def samples_of(layout, rng):
    X, y = make_grid((9, 10), 2)
    if layout == "scattered":
        X = rng.uniform(-1, 2, X.shape)
    weights = rng.uniform(0.2, 5, len(X))
    weights[rng.permutation(len(X))[:12]] = 0
    weights[X[:, 0] == X[:, 0].max()] = 0  # at an end of the domain too
    return X, y, weights


@pytest.mark.parametrize("layout", ["grid", "scattered"])
@pytest.mark.parametrize("penalty", ["ridge", "slope", 2.0])
def test_folds_weigh_what_they_train_on_and_what_they_score(layout, penalty, rng):
    X, y, weights = samples_of(layout, rng)
    cv = KFold(3, shuffle=True, random_state=0)
    encoder = ShiftedBasisEncoder("bspline")  # its domain and its spacing follow the samples
    search = KroneckerRidgeCV(encoder, alphas=[1e-3, 0.1, 10], penalties=penalty, cv=cv)
    results = search.fit(X, y, weights).cv_results_
    for k, (train, test) in enumerate(cv.split(X)):
        for alpha, score in zip(
            results["param_alpha"], results[f"split{k}_test_score"], strict=True
        ):
            model = KroneckerRidge(encoder, alpha=alpha, penalty=penalty)
            model.fit(X[train], y[train], weights[train])
            errors = (y[test] - model.predict(X[test])) * in_own_spread(y, weights)
            wanted = -np.average(np.mean(errors**2, axis=1), weights=weights[test])
            assert score == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("empty", ["train", "test"])
def test_a_fold_without_weight_is_named(empty, rng):
    X, y, weights = samples_of("scattered", rng)
    quarters = np.array_split(np.arange(len(X)), 4)
    folds = [quarters[:2], quarters[2:]]
    weights[folds[1][empty == "test"]] = 0
    with pytest.raises(ValueError, match="fold 1 of cv has no training or test sample"):
        KroneckerRidgeCV(BSPLINE, cv=folds).fit(X, y, weights)


@pytest.mark.parametrize("layout", ["grid", "scattered"])
@pytest.mark.parametrize("penalty", ["slope", 1.5, 2.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_held_out_errors_are_those_of_dense_ridge(layout, penalty, weighted, rng, to_the_end):
    X, y, weights = samples_of(layout, rng)
    present = weights > 0
    X, y, weights = X[present], y[present], weights[present] if weighted else np.ones(sum(present))
    # what is true of one output is true of several that are one up to scale and shift
    y = y[:, :1] * [1, -3] + [0, 5]
    search = KroneckerRidgeCV(
        BSPLINE, alphas=[1e-2, 1.0], penalties=penalty, tol=1e-12, max_iter=20_000
    ).fit(X, y, weights)
    samples = Samples(X, weights)
    held = samples.to_samples(held_out_cells(samples).reshape(1, *samples.shape))[:, 0]
    assert 0.02 < held.mean() < 0.3
    w = weights / weights.mean()
    kept = np.where(held, 0, w)
    centred = y - w @ y / w.sum()
    for alpha, score in zip(
        search.cv_results_["param_alpha"], search.cv_results_["mean_test_score"], strict=True
    ):
        dense = DenseRidge(search, penalty, alpha).fit(X, y, w)
        A = dense.features(X)
        left = A.T @ (kept[:, None] * A) + dense.strength * dense.prior()
        fitted = A @ np.linalg.solve(left, A.T @ (kept[:, None] * centred))
        errors = np.mean((centred - fitted)[held] ** 2, axis=1)
        assert score == pytest.approx(-np.average(errors, weights=w[held]), rel=1e-6)
    assert search.best_index_ == np.argmax(search.cv_results_["mean_test_score"])


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 3]), st.booleans())
def test_held_out_cells_are_whole_and_follow_their_samples(seed, n_axes, on_grid):
    rng = np.random.default_rng(seed)
    X = make_grid((11, 5, 3)[:n_axes])[0] if on_grid else rng.uniform(-1, 2, (70, n_axes))
    weights = rng.uniform(0.5, 2, len(X)) * (rng.uniform(size=len(X)) < 0.8)

    def held(X, weights):
        samples = Samples(X, weights)
        cells = held_out_cells(samples)
        assert cells.any()
        return samples.to_samples(cells.reshape(1, *samples.shape))[:, 0] & (weights > 0), samples

    rows, samples = held(X, weights)
    order = rng.permutation(len(X))
    units = rng.uniform(0.01, 100, n_axes)
    np.testing.assert_array_equal(held(X[order] * units - 3, 7 * weights[order])[0], rows[order])
    cells = held_out_cells(samples)
    assert not cells[np.setdiff1d(np.arange(samples.n_cells), samples.occupied)].any()
    if not samples.on_grid:
        counts = np.ceil(samples.n_per_axis)
        present = weights > 0
        low, width = X[present].min(axis=0), np.ptp(X[present], axis=0)
        place = np.minimum(np.floor((X[present] - low) / width * counts), counts - 1)
        together = (place[:, None] == place[None]).all(axis=-1)
        own = rows[present]
        assert not (together & (own[:, None] != own[None])).any()


def test_an_eighth_of_the_cells_is_held_out():
    for samples in (
        Samples(make_grid((70, 71))[0], None),
        Samples(np.random.default_rng(0).uniform(size=(5_000, 2)), None),
    ):
        assert held_out_cells(samples).mean() == pytest.approx(0.12, abs=0.015)


def test_every_cell_is_drawn_by_itself():
    X = np.random.default_rng(0).uniform(size=(3_000, 2))
    samples = Samples(X, None)
    cells = held_out_cells(samples)
    counts = np.ceil(samples.n_per_axis).astype(int)
    place = [
        np.minimum((x - x.min()) / np.ptp(x) * n, n - 1).astype(int)
        for x, n in zip(samples.coordinates, counts, strict=True)
    ]
    table = np.full(counts, np.nan)
    table[place[0], place[1]] = cells
    for lines in (table, table.T):  # at the ends of an axis as anywhere
        for one, two in ((0, 1), (-2, -1), (20, 21)):
            known = np.isfinite(lines[one] + lines[two])
            assert (lines[one] != lines[two])[known].any()
            assert 0 < np.nanmean(lines[one]) < 0.4


@pytest.mark.parametrize("layout", ["grid", "scattered"])
def test_candidates_are_judged_as_they_are_alone(layout, rng, to_the_end):
    X, y, weights = samples_of(layout, rng)
    encoders = [BSPLINE, clone(BSPLINE).set_params(n_shifts=5), clone(BSPLINE)]
    encoders[2].set_params(boundary="periodic")
    settings = {"alphas": [1e-2, 1.0], "penalties": [1.5, 2.0], "tol": 1e-12, "max_iter": 20_000}
    together = KroneckerRidgeCV(encoders, **settings).fit(X, y, weights)
    scores = [
        KroneckerRidgeCV(each, **settings).fit(X, y, weights).cv_results_["mean_test_score"]
        for each in encoders
    ]
    np.testing.assert_allclose(
        together.cv_results_["mean_test_score"], np.concatenate(scores), rtol=1e-6
    )
    best = together.cv_results_["params"][together.best_index_]
    alone = KroneckerRidge(best["encoder"], alpha=best["alpha"], penalty=best["penalty"], tol=1e-12)
    np.testing.assert_allclose(
        together.predict(X),
        alone.set_params(max_iter=20_000).fit(X, y, weights).predict(X),
        atol=1e-6,
    )


@pytest.mark.parametrize("layout", ["grid", "scattered"])
@pytest.mark.parametrize("iterates", [True, False])
def test_a_level_plays_no_part(layout, iterates, rng, request):
    """Kelvin and Pascal: what varies by a thousandth of its mean is no constant."""
    if iterates:
        request.getfixturevalue("iterating")
    X, _, weights = samples_of(layout, rng)
    y = np.column_stack([np.sin(4 * X[:, 0]) * X[:, 1], np.cos(3 * X).sum(axis=1)])
    y += 0.05 * rng.standard_normal(y.shape)
    search = KroneckerRidgeCV(tol=1e-6)  # else iterations may end a few steps apart
    for own in (None, weights):
        expected = clone(search).fit(X, y, own)
        found = clone(search).fit(X, 101_325 + 100 * y, own)
        assert (found.alpha_, found.penalty_) == (expected.alpha_, expected.penalty_)
        np.testing.assert_allclose(
            (found.predict(X) - 101_325) / 100, expected.predict(X), atol=1e-5
        )
        assert found.best_score_ == pytest.approx(1e4 * expected.best_score_, rel=1e-3)


@given(
    st.integers(0, 10_000),
    st.sampled_from([(1, 12), (3, 7)]),
    st.floats(0, 1.5),
    st.booleans(),
)
def test_the_gentlest_is_nearly_the_best(seed, shape, noise, holes):
    rng = np.random.default_rng(seed)
    errors = 1 + rng.exponential(0.15, shape)  # many near the limit
    if holes:
        errors[rng.uniform(size=shape) < 0.4] = np.nan
        errors[-1, -1] = 1.2
    path, chosen = divmod(_search._gentlest(errors, noise), shape[1])
    least = np.nanmin(errors)
    assert np.nanmin(errors[path]) == least
    # 15 % of what is not noise, which errors of a good fit hold 5 % more of than samples
    limit = least + 0.15 * max(0, least - 1.05 * noise)
    assert errors[path, chosen] <= limit
    before = errors[path, :chosen]
    assert not (before <= limit).any()


def signal(noise, n_outputs=1, seed=0):
    """A smooth signal on 24 x 25 samples, and noise as a share of its spread."""
    rng = np.random.default_rng(seed)
    axes = np.linspace(0, 1, 24), np.linspace(0, 1, 25)
    phases = rng.uniform(0, 6, (2, n_outputs))
    y = np.sin(9 * axes[0][:, None, None] + phases[0]) * np.cos(
        7 * axes[1][None, :, None] + phases[1]
    )
    y = y / y.std(axis=(0, 1)) + noise * rng.standard_normal(y.shape)
    return grid_samples(y, axes, channels=True)


@pytest.mark.parametrize("penalty", ["slope", "curvature"])  # a ridge moves the signal itself
@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_next_to_no_noise_is_not_smoothed(penalty, noise):
    X, y = signal(noise)
    search = KroneckerRidgeCV(penalties=penalty).fit(X, y)
    alphas = search.cv_results_["param_alpha"].astype(float)
    admitted = alphas <= GENTLE[penalty] * (1 + 1e-9)
    np.testing.assert_array_equal(search.cv_results_["admitted"], admitted)
    errors = -search.cv_results_["mean_test_score"]
    good = errors <= 1.15 * errors[admitted].min()
    assert search.best_index_ == np.flatnonzero(admitted & good)[0]


@pytest.mark.parametrize("noise", [0.1, 0.4])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_no_more_than_noise_is_smoothed_away(noise, n_outputs):
    X, y = signal(noise, n_outputs)
    search = KroneckerRidgeCV(penalties=["slope", "ridge"]).fit(X, y)
    results = search.cv_results_
    admitted, left, gentle = results["admitted"], [], []
    for each in results["params"]:
        model = KroneckerRidge(each["encoder"], alpha=each["alpha"], penalty=each["penalty"])
        left.append(np.sqrt(np.mean((y - model.fit(X, y).predict(X)) ** 2)))
        gentle.append(each["alpha"] <= GENTLE[each["penalty"]])
    left, gentle = np.array(left), np.array(gentle)
    assert admitted[gentle].all()
    # all others by one bound, which is about the noise
    bound = left[admitted].max()
    np.testing.assert_array_equal(admitted[~gentle], left[~gentle] <= bound)
    # two standard errors of the quantile above it are a quarter of it, on so many samples
    assert noise < bound < 1.4 * noise
    assert results["param_alpha"][search.best_index_] > GENTLE[search.penalty_]
    errors = -results["mean_test_score"]
    chosen = errors[search.best_index_]
    assert chosen <= 1.15 * errors[admitted].min()
    assert chosen - errors[admitted].min() <= 0.15 * (errors[admitted].min() - 0.8 * noise**2)


def test_the_shortlist_is_the_best_by_gcv():
    X, y = signal(0.3)
    search = KroneckerRidgeCV(stable_ranks=[0.2, 0.4], penalties=["slope", "ridge"])
    everything = clone(search).fit(X, y).cv_results_
    assert np.isfinite(everything["mean_test_score"]).all()
    with limits(all_exact=1, shortlist=7):
        results = search.fit(X, y).cv_results_
    gcv, admitted = -results["mean_test_gcv"], results["admitted"]
    paths = gcv.reshape(4, -1)
    expected = {*np.argsort(gcv)[:7], *np.argsort(np.where(admitted, gcv, np.inf))[:7]}
    expected |= set(np.argmin(paths, axis=1) + paths.shape[1] * np.arange(4))
    kept = np.isfinite(results["mean_test_score"])
    assert set(np.flatnonzero(kept)) == expected
    for name in ("mean_test_gcv", "admitted"):
        np.testing.assert_array_equal(results[name], everything[name])
    np.testing.assert_allclose(
        results["mean_test_score"][kept], everything["mean_test_score"][kept], rtol=1e-9
    )


@pytest.mark.parametrize(
    ("penalties", "alphas"),
    [("slope", (1e-4, 1e6, 31)), ("ridge", (1e-4, 1e6, 31)), ([2.0, "slope"], (1e-5, 1e7, 37))],
)
def test_automatic_alphas_are_those_documented(penalties, alphas):
    X, y = make_grid((6, 6))
    search = KroneckerRidgeCV(penalties=penalties).fit(X, y)
    low, high, number = alphas
    tried = np.unique(search.cv_results_["param_alpha"].astype(float))
    np.testing.assert_allclose(tried, np.geomspace(low, high, number))


@pytest.mark.parametrize("encoders", [[None], [ShiftedBasisEncoder(), None]])
def test_each_encoder_is_given(encoders):
    with pytest.raises(TypeError, match="encoders must be an encoder such as"):
        KroneckerRidgeCV(encoders).fit(*make_grid((6, 6)))


@pytest.mark.parametrize("penalty", ["ridge", "slope", "curvature"])
@pytest.mark.parametrize("layout", ["grid", "scattered"])
def test_generalised_cross_validation_is_that_of_the_hat_matrix(layout, penalty, rng):
    X, y, _ = samples_of(layout, rng)
    search = KroneckerRidgeCV(BSPLINE, alphas=[1e-3, 0.1, 10], penalties=penalty).fit(X, y)
    results = search.cv_results_
    centred = y - y.mean(axis=0)
    for alpha, score in zip(results["param_alpha"], results["mean_test_gcv"], strict=True):
        dense = DenseRidge(search, penalty, alpha).fit(X, y)
        A = dense.features(X)
        hat = A @ np.linalg.solve(A.T @ A + dense.strength * dense.prior(), A.T)
        left = np.mean(((centred - hat @ centred) * in_own_spread(y)) ** 2)
        assert -score == pytest.approx(left / (1 - np.trace(hat) / len(X)) ** 2, rel=1e-7)


def test_groups_without_folds_are_refused():
    X, y = make_grid((8, 9))
    with pytest.raises(ValueError, match="groups need cv"):
        KroneckerRidgeCV().fit(X, y, groups=np.arange(len(X)))


@pytest.mark.parametrize("model", [KroneckerRidge(), KroneckerRidgeCV(alphas=[1e-3, 1e-2])])
def test_lost_lines_of_a_grid_do_not_ring(model):
    X, _ = make_grid((30, 31))
    image = np.abs(X[:, 0] - 0.4) + np.sin(7 * X[:, 1])
    lost = np.isin(X[:, 0], np.unique(X[:, 0])[[12, 13, 20]])
    error = np.abs(model.fit(X[~lost], image[~lost]).predict(X[lost]) - image[lost])
    assert error.max() < 0.1 * np.ptp(image)


@pytest.mark.parametrize(
    ("settings", "size", "weight", "message"),
    [
        ({}, 1e308, 1.0, r"sums or differences of it: scale y.*up to 9"),
        ({"penalties": "adaptive"}, 1e155, 1.0, r"y must vary by less than 1e\+153"),
        ({}, 1.0, 1e25, "sample_weight are so unlike"),
    ],
)
def test_what_floats_do_not_hold(settings, size, weight, message):
    rng = np.random.default_rng(0)
    X, weights = rng.uniform(size=(60, 2)), np.ones(60)
    weights[0] = weight
    y = size * (np.sign(X[:, 0] - 0.5) * (1 + X[:, 1]) / 2)
    with pytest.raises(ValueError, match=message):
        KroneckerRidgeCV(**settings).fit(X, y, weights)
