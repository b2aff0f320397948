"""Kronecker ridge against dense ridge on np.kron, brute-force leave-one-out, Gaussian processes."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.feature_selection import SelectFromModel
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_posenc import (
    Basis,
    CoordinateKFold,
    FourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    distance_preservation,
    distance_preservation_scorer,
    grid_samples,
    load_signal,
    psnr_score,
    similarity_radius_scorer,
    stable_rank,
    stable_rank_scorer,
)
from sk_posenc.core.limits import limits
from sk_posenc.kronecker import _problem as problem_module
from sk_posenc.kronecker._direct import ByAxis, ByBands
from sk_posenc.kronecker._structured import apply_along_axes, bands_of
from sk_posenc.kronecker.ridge import KroneckerRidge
from sk_posenc.kronecker.ridge_cv import KroneckerRidgeCV

# Many targets here are noise.
pytestmark = pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")

PENALTIES = ["ridge", "slope", "curvature"]


def difference_penalty(penalty, n):
    if penalty == "ridge":
        return np.eye(n)
    D = np.diff(np.eye(n), {"slope": 1, "curvature": 2}[penalty], axis=0)
    return D.T @ D + 0.01 * np.eye(n)


def mesh_integrals(encoder):
    """Means of products of an encoder's functions over its domain, and of their slopes."""
    low, high = encoder.domain_[0]
    shifts = encoder.shifts_[0]
    spacing = shifts[1] - shifts[0] if len(shifts) > 1 else high - low
    n_cells = int(np.ceil(8 * (high - low) / spacing - 1e-6))
    features = encoder.transform(np.linspace(low, high, n_cells + 1)[:, None])
    weights = np.r_[0.5, np.ones(n_cells - 1), 0.5] / n_cells
    G = features.T @ (weights[:, None] * features)
    return G, np.diff(features, axis=0).T @ np.diff(features, axis=0) * n_cells


def not_nothing(encoder):
    """Combinations of an encoder's functions that are not nothing on the domain."""
    values, V = np.linalg.eigh(mesh_integrals(encoder)[0])
    return V[:, values > 1e-8 * values[-1]]


def smoothness_penalty(encoders, exponent):
    """(sum of the slopes' integrals over the axes)**exponent, as a matrix on the product."""
    size, slope, floors = np.eye(1), np.zeros((1, 1)), []
    for encoder in encoders:
        T, rank = not_nothing(encoder), encoder.stable_rank_[0]
        G, D = (T.T @ each @ T for each in mesh_integrals(encoder))
        size, slope = np.kron(size, G), np.kron(slope, G) + np.kron(size, D) / rank**2
        floors.append((np.pi / rank) ** 2)
    values, V = scipy.linalg.eigh(slope, size)
    back = size @ V  # inverse of V', as V' size V = 1
    return back @ np.diag((np.maximum(values, 0) + np.mean(floors)) ** exponent) @ back.T


class DenseRidge:
    """The definition: features multiplied out row by row, one linear system."""

    def __init__(self, model, penalty="ridge", alpha=None):
        self.encoders = model.encoders_
        self.penalty = penalty
        self.relative = getattr(model, "alpha", None) if alpha is None else alpha

    def features(self, X):
        product = np.ones((len(X), 1))
        for axis, encoder in enumerate(self.encoders):
            column = X[:, [axis]].astype(float)
            if isinstance(encoder, LogFourierEncoder | RandomFourierEncoder):
                column = np.clip(column, *encoder.domain_[0])
            each = encoder.transform(column)
            if not isinstance(self.penalty, str):
                each = each @ not_nothing(encoder)
            product = np.einsum("ij,ik->ijk", product, each).reshape(len(X), -1)
        return product

    def prior(self):
        if not isinstance(self.penalty, str):
            return smoothness_penalty(self.encoders, self.penalty)
        P = np.eye(1)
        for encoder in self.encoders:
            P = np.kron(P, difference_penalty(self.penalty, encoder.transform([[0.0]]).shape[1]))
        return P

    def fit(self, X, y, weights=None, strength=None):
        w = np.ones(len(X)) if weights is None else np.asarray(weights, float)
        A, Y = self.features(X), y.reshape(len(y), -1)
        self.w = w = w / np.mean(w)
        self.mean = w @ Y / w.sum()
        self.gram = gram = A.T @ (w[:, None] * A)
        self.kernel = np.sqrt(w)[:, None] * (A @ A.T) * np.sqrt(w)
        per_alpha = np.trace(gram) / len(gram) if isinstance(self.penalty, str) else w.sum()
        self.strength = self.relative * per_alpha if strength is None else strength
        # as least squares: the normal equations would square the condition number
        root = np.linalg.cholesky(self.prior()).T
        rows = np.vstack([np.sqrt(w)[:, None] * A, np.sqrt(self.strength) * root])
        goal = np.vstack([np.sqrt(w)[:, None] * (Y - self.mean), np.zeros((len(gram), Y.shape[1]))])
        self.coef = np.linalg.lstsq(rows, goal, rcond=None)[0]
        self.single = y.ndim == 1
        return self

    def predict(self, X):
        values = self.features(X) @ self.coef + self.mean
        return values[:, 0] if self.single else values


def noise_of(dense, X, y, weights=None):
    """Squares that a dense fit leaves, over its freedom: the trace of all but its hat matrix."""
    left = y.reshape(len(y), -1) - dense.fit(X, y, weights).predict(X).reshape(len(y), -1)
    taken = np.trace(copy.copy(dense).fit(X, np.eye(len(X)), weights).predict(X))
    return np.average(left**2, axis=0, weights=weights) * len(X) / (len(X) - taken)


def squared_left_out(model):
    """Of a model, the mean square of the leave-one-out residuals of each output."""
    fit = model._fits[0][1]
    factored, columns = fit.problem._factored("samples"), fit.targets() - fit.units.mean
    errors = factored.leave_one_out(columns, factored.rotate_all(columns), fit.alpha)
    return fit.problem.samples.mean(errors**2)


def make_grid(shape, n_outputs=None, seed=0, shuffle=True, uneven=False):
    rng = np.random.default_rng(seed)
    axes = [np.sort(rng.uniform(-1, 2, n)) if uneven else np.linspace(-1, 2, n) for n in shape]
    extra = () if n_outputs is None else (n_outputs,)
    X, y = grid_samples(rng.standard_normal((*shape, *extra)), axes, channels=bool(extra))
    order = rng.permutation(len(X)) if shuffle else np.arange(len(X))
    return X[order], y[order]


def somewhere(n_axes, n=40):
    return np.random.default_rng(7).uniform(-1.2, 2.2, (n, n_axes))


def close(a, b, tolerance=1e-9):
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("n_outputs", [None, 1, 3])
@pytest.mark.parametrize("shape", [(23,), (7, 9), (4, 5, 3)])
def test_grid_is_dense_ridge_on_the_kronecker_product(shape, n_outputs, penalty):
    X, y = make_grid(shape, n_outputs)
    model = KroneckerRidge(alpha=1e-3, penalty=penalty).fit(X, y)
    dense = DenseRidge(model, penalty).fit(X, y)
    assert model.layout_ == "grid"
    assert model.predict(X).shape == y.shape
    close(model.predict(X), dense.predict(X))
    close(model.predict(somewhere(len(shape))), dense.predict(somewhere(len(shape))))
    assert model.coefficients_.size == dense.coef.size


def test_features_are_those_of_np_kron():
    X, y = make_grid((6, 5), shuffle=False)
    model = KroneckerRidge(alpha=1e-2).fit(X, y)
    first, second = (
        encoder.transform(np.unique(X[:, axis])[:, None])
        for axis, encoder in enumerate(model.encoders_)
    )
    A = np.kron(first, second)
    strength = 1e-2 * np.mean(np.diag(A.T @ A))
    coef = np.linalg.solve(A.T @ A + strength * np.eye(A.shape[1]), A.T @ (y - y.mean()))
    close(model.coefficients_.ravel(), coef)
    close(model.predict(X), A @ coef + y.mean())


@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=3),
    st.integers(0, 1000),
    st.booleans(),
    st.sampled_from(PENALTIES),
)
def test_any_shape_in_any_row_order(shape, seed, uneven, penalty):
    X, y = make_grid(shape, 2, seed, uneven=uneven)
    model = KroneckerRidge(alpha=1e-2, penalty=penalty).fit(X, y)
    assert model.layout_ == "grid"
    # samples close to each other leave fewer digits
    tolerance = max(1e-9, np.finfo(float).eps * model.condition_)
    close(model.predict(X), DenseRidge(model, penalty).fit(X, y).predict(X), tolerance)
    ordered = np.lexsort(X.T[::-1])
    again = clone(model).fit(X[ordered], y[ordered])
    close(again.predict(X), model.predict(X), tolerance)


@pytest.mark.parametrize(
    "encoder",
    [
        ShiftedBasisEncoder("triangle"),
        ShiftedBasisEncoder("rectangle", n_shifts=5, stable_rank=3),
        ShiftedBasisEncoder("impulse"),
        ShiftedBasisEncoder("bspline"),
        ShiftedBasisEncoder("sine", n_shifts=6),
        ShiftedBasisEncoder("square", n_shifts=9),
        ShiftedBasisEncoder(bandwidth=[0.3, 0.9], n_shifts=[5, "auto"]),
        ShiftedBasisEncoder(domain=(-1, 3), boundary="periodic"),
        ShiftedBasisEncoder(boundary=["cut", "extend"], domain=[(-1, 2), (-2, 3)]),
        FourierEncoder(),
        FourierEncoder(max_frequency=[1.0, 0.5]),
        LogFourierEncoder(4),
        RandomFourierEncoder(5, bandwidth=0.7, random_state=0),
        [ShiftedBasisEncoder(), FourierEncoder(3)],
    ],
    ids=str,
)
def test_every_encoder(encoder):
    X, y = make_grid((7, 6), 2)
    model = KroneckerRidge(encoder, alpha=1e-3).fit(X, y)
    dense = DenseRidge(model).fit(X, y)
    # in between, impulses and rectangles may jump by rounding
    points = X if isinstance(encoder, ShiftedBasisEncoder) else somewhere(2)
    close(model.predict(points), dense.predict(points))


def test_settings_per_axis_reach_their_axis():
    X, y = make_grid((12, 15))
    encoder = ShiftedBasisEncoder(stable_rank=[3, 5], n_shifts=[9, 14], domain=[(-2, 2), (-1, 4)])
    model = KroneckerRidge(encoder).fit(X, y)
    assert [float(each.stable_rank) for each in model.encoders_] == [3, 5]
    assert [each.n_shifts for each in model.encoders_] == [9, 14]
    close(np.vstack([each.domain_ for each in model.encoders_]), [[-2, 2], [-1, 4]])
    assert encoder.get_params()["n_shifts"] == [9, 14]
    assert not hasattr(encoder, "shifts_")


def test_a_word_on_one_axis_and_a_number_on_another():
    x = np.arange(8.0)
    X, y = grid_samples(np.add.outer(x, x), axes=(x, x))
    encoders = [ShiftedBasisEncoder(n_shifts=4), ShiftedBasisEncoder()]
    model = KroneckerRidge(encoders).fit(X, y)
    assert [each.get_params()["n_shifts"] for each in model.encoders_] == [4, 8]


def test_automatic_settings_on_a_grid():
    X, y = make_grid((20, 30), shuffle=False)
    for basis, share in [("gaussian", 0.42), ("bspline", 151 / 315), ("triangle", 2 / 3)]:
        model = KroneckerRidge(ShiftedBasisEncoder(basis)).fit(X, y)
        for axis, (encoder, n) in enumerate(zip(model.encoders_, (20, 30), strict=True)):
            assert encoder.n_shifts == n
            assert encoder.stable_rank == pytest.approx(share * (n - 1))
            shifts = encoder.shifts_[0]
            inside = shifts[(shifts > -1 - 1e-9) & (shifts < 2 + 1e-9)]
            close(inside, np.unique(X[:, axis]))


def test_shifts_are_a_multiple_where_the_basis_is_narrow():
    X, y = make_grid((21,))
    for basis, width in [("gaussian", 0.3), ("triangle", 1.5), ("triangle", 1.25)]:
        spacing = 3 / 20
        model = KroneckerRidge(ShiftedBasisEncoder(basis, bandwidth=width * spacing)).fit(X, y)
        n = model.encoders_[0].n_shifts
        assert n > 21
        assert (n - 1) % 20 == 0
        x = np.linspace(-1, 2, 200)[:, None]
        total = model.encoders_[0].transform(x).sum(axis=1)
        assert np.ptp(total) < 0.03 * total.mean()


@pytest.mark.parametrize("kind", ["product", "uneven", "zeros", "one axis"])
def test_weights_are_exact(kind, rng):
    shape = (15,) if kind == "one axis" else (6, 7)
    X, y = make_grid(shape, 2)
    weights = rng.uniform(0.2, 3, len(X))
    if kind == "product":
        cells = (
            np.unique(X[:, 0], return_inverse=True)[1],
            np.unique(X[:, 1], return_inverse=True)[1],
        )
        weights = rng.uniform(0.2, 3, 6)[cells[0]] * rng.uniform(0.2, 3, 7)[cells[1]]
    if kind == "zeros":
        weights[::5] = 0
    kept = weights > 0
    model = KroneckerRidge(alpha=1e-3, penalty="ridge").fit(X, y, sample_weight=weights)
    assert model.layout_ == ("grid" if kind in {"product", "one axis"} else "holes")
    dense = DenseRidge(model).fit(X[kept], y[kept], weights[kept])
    points = somewhere(len(shape))
    close(model.predict(points), dense.predict(points))
    if kind == "zeros":
        absent = clone(model).fit(X[kept], y[kept], sample_weight=weights[kept])
        np.testing.assert_array_equal(absent.predict(points), model.predict(points))


def test_weight_zero_is_absent_for_domain_and_density():
    X, y = make_grid((8, 9), shuffle=False)
    outside = X[:, 0] > 1
    weights = np.where(outside, 0.0, 1.0)
    model = KroneckerRidge().fit(X, y, sample_weight=weights)
    assert model.layout_ == "grid"
    assert model.encoders_[0].domain_[0, 1] <= 1
    assert model.encoders_[0].n_shifts == len(np.unique(X[~outside, 0]))


def test_repeated_samples_are_weights(rng):
    X, y = make_grid((5, 6))
    counts = rng.integers(1, 4, len(X))
    repeated = KroneckerRidge(alpha=1e-2).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    weighted = KroneckerRidge(alpha=1e-2).fit(X, y, sample_weight=counts)
    close(repeated.predict(somewhere(2)), weighted.predict(somewhere(2)))
    varied = np.repeat(y, counts) + rng.standard_normal(counts.sum())
    model = KroneckerRidge(alpha=1e-2).fit(np.repeat(X, counts, axis=0), varied)
    dense = DenseRidge(model).fit(np.repeat(X, counts, axis=0), varied)
    close(model.predict(X), dense.predict(X))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("n", [60, 900])
def test_scattered_samples(n, penalty, rng):
    X, y = rng.uniform(-1, 2, (n, 2)), rng.standard_normal((n, 2))
    weights = rng.uniform(0.5, 2, n)
    encoder = ShiftedBasisEncoder("bspline", n_shifts=7, stable_rank=3)
    model = KroneckerRidge(encoder, alpha=1e-3, penalty=penalty).fit(X, y, weights)
    assert model.layout_ == ("dual" if n == 60 else "scattered")
    dense = DenseRidge(model, penalty).fit(X, y, weights)
    tolerance = 1e-8 if penalty == "curvature" else 1e-9  # condition number 1e8
    close(model.predict(somewhere(2)), dense.predict(somewhere(2)), tolerance)
    line = np.column_stack([np.full(30, 0.3), np.linspace(-1, 2, 30)])
    close(model.predict(line), dense.predict(line), tolerance)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("alpha", [1e-5, 1e-2, 10.0])
def test_conjugate_gradients_agree_with_the_direct_route(alpha, penalty):
    X, y = make_grid((16, 17), 2)
    X, y = X[60:], y[60:]  # holes
    model = KroneckerRidge(alpha=alpha, penalty=penalty).fit(X, y)
    assert model.layout_ == "holes"
    with limits(direct_up_to=10):
        iterated = clone(model).set_params(tol=1e-10).fit(X, y)
    assert iterated.n_iter_ > 0
    close(iterated.predict(X), model.predict(X), 1e-7)
    # a hole is as ill determined as alpha is small
    close(iterated.predict(somewhere(2)), model.predict(somewhere(2)), 1e-7 / np.sqrt(alpha))


def test_conjugate_gradients_with_uneven_weights(rng):
    X, y = make_grid((16, 17), 2)
    X, y = X[20:], y[20:]  # holes
    weights = rng.uniform(0.3, 3, len(X))
    with limits(direct_up_to=10):
        iterated = KroneckerRidge(alpha=1e-2, penalty="ridge", tol=1e-10).fit(X, y, weights)
        dense = DenseRidge(iterated).fit(X, y, weights)
        close(iterated.predict(somewhere(2)), dense.predict(somewhere(2)), 1e-6)
        with pytest.raises(ValueError, match="alpha > 0"):
            KroneckerRidge(alpha=0, penalty="ridge").fit(X, y)
        noise = noise_of(dense, X, y, weights)
        assert iterated.noise_variance_ == pytest.approx(noise, rel=0.1)  # by functions drawn


def test_large_axes_by_the_gram_matrix():
    X, y = make_grid((300,), 2)
    for n_shifts in (150, 400):
        encoder = ShiftedBasisEncoder(n_shifts=n_shifts, stable_rank=50)
        for penalty in PENALTIES:
            model = KroneckerRidge(encoder, alpha=1e-3, penalty=penalty).fit(X, y)
            dense = DenseRidge(model, penalty).fit(X, y)
            close(model.predict(somewhere(1)), dense.predict(somewhere(1)), 1e-8)
        fine = KroneckerRidge(encoder, alpha=9e-10).fit(X, y)  # by singular values
        close(fine.predict(X), DenseRidge(fine).fit(X, y).predict(X), 1e-5)


@pytest.mark.parametrize("basis", ["bspline", "triangle"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n_shifts", "alpha"), [(150, 1e-3), ("auto", 1e-6), ("auto", 1e-3)])
def test_banded_axes_are_dense_ridge(basis, weighted, n_shifts, alpha, rng):
    X, y = make_grid((300,), 2)
    weights = rng.uniform(0.5, 2, 300) if weighted else None
    encoder = ShiftedBasisEncoder(basis, n_shifts=n_shifts, stable_rank=100, boundary="cut")
    if n_shifts == "auto":
        encoder = ShiftedBasisEncoder(basis)
    model = KroneckerRidge(encoder, alpha=alpha).fit(X, y, weights)
    assert isinstance(model._problem.solver, ByBands)
    dense = DenseRidge(model).fit(X, y, weights)
    close(model.predict(somewhere(1)), dense.predict(somewhere(1)))
    eigenvalues = np.linalg.eigvalsh(dense.gram if len(dense.gram) < 300 else dense.kernel)
    wanted = (eigenvalues[-1] + dense.strength) / (eigenvalues[0] + dense.strength)
    assert model.condition_ == pytest.approx(wanted, rel=1e-9)
    # noise and posterior go by eigenvectors
    assert np.isfinite(model.predict(X, return_std=True)[1]).all()


def test_banded_axes_of_a_grid(rng):
    X, y = make_grid((150, 140), 2)
    encoder = [ShiftedBasisEncoder("bspline"), ShiftedBasisEncoder("triangle")]
    model = KroneckerRidge(encoder, alpha=1e-4).fit(X, y)
    problem = model._problem
    assert isinstance(problem.solver, ByBands)
    cells = problem.samples.to_cells(y - y.mean(axis=0))
    coef, _, _ = problem._factored("samples").solve(cells, 1e-4 * problem.scale, 0.1, 1)
    close(model.coefficients_, coef)
    single = KroneckerRidge(encoder, alpha=1e-4).fit(X.astype(np.float32), y.astype(np.float32))
    close(single.coefficients_, coef, 1e-5)
    # what alpha or the condition number forbids goes by eigenvectors
    for other in (KroneckerRidge(encoder, alpha=10.0), KroneckerRidge(alpha=1e-4)):
        assert isinstance(other.fit(X, y)._problem.solver, ByAxis)


def test_banded_products_are_products():
    x = np.linspace(0, 1, 200)[:, None]
    M = ShiftedBasisEncoder("bspline", n_shifts=180).fit(x).transform(x)
    assert len(bands_of(M)) > 1
    array = np.random.default_rng(0).standard_normal((2, M.shape[1], 3))
    close(apply_along_axes(array, [(M,), ()]), np.einsum("ij,qjk->qik", M, array), 1e-14)
    array = np.random.default_rng(0).standard_normal((2, 3, M.shape[1]))
    close(apply_along_axes(array, [(), (M,)]), np.einsum("ij,qkj->qki", M, array), 1e-14)


def in_own_spread(y, weights=None):
    """What makes errors of each output as large as if all had one spread."""
    spread = np.sqrt(np.average((y - np.average(y, 0, weights)) ** 2, 0, weights))
    return np.sqrt(np.mean(spread**2)) / spread


@pytest.mark.parametrize("layout", ["grid", "holes", "dual", "scattered", "weights", "repeats"])
def test_leave_one_out_is_exact(layout, rng):
    X, y = make_grid((6, 7), 2)
    weights = None
    encoder = ShiftedBasisEncoder()
    if layout == "holes":
        X, y = X[4:], y[4:]
    elif layout == "dual":
        X = rng.uniform(-1, 2, X.shape)
    elif layout == "scattered":
        X, encoder = rng.uniform(-1, 2, X.shape), ShiftedBasisEncoder("bspline", n_shifts=2)
    elif layout == "weights":
        weights = rng.uniform(0.3, 3, len(X))
    elif layout == "repeats":
        X, y = np.vstack([X, X[:5]]), np.vstack([y, rng.standard_normal((5, 2))])
        weights = rng.uniform(0.3, 3, len(X))
    alphas = [1e-4, 1.0]
    search = KroneckerRidgeCV(encoder, alphas=alphas, penalties=PENALTIES).fit(X, y, weights)
    if layout in {"grid", "holes", "dual", "scattered"}:
        assert search.layout_ == layout
    w = np.ones(len(X)) if weights is None else weights
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        dense = DenseRidge(search, params["penalty"], params["alpha"]).fit(X, y, w)
        errors = np.empty_like(y)
        for i in range(len(X)):
            others = (X[i] != X).any(axis=1)  # all samples at a place are left out together
            # the same strength in the units of weights that the smaller set counts in
            strength = dense.strength * np.mean(w) / np.mean(w[others])
            held = DenseRidge(search, params["penalty"]).fit(
                X[others], y[others], w[others], strength
            )
            errors[i] = y[i] - held.predict(X[[i]])[0]
        expected = -np.average(np.mean((errors * in_own_spread(y, w)) ** 2, axis=1), weights=w)
        assert score == pytest.approx(expected, rel=1e-8)
    assert search.best_index_ == np.argmax(search.cv_results_["mean_test_score"])


@pytest.mark.parametrize("penalties", [None, "ridge", 2.0], ids=str)
def test_rows_that_repeat_choose_as_weights_do(penalties):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(150, 2))
    y = np.sin(9 * X[:, 0]) * np.cos(7 * X[:, 1]) + 0.2 * rng.standard_normal(150)
    counts = rng.integers(1, 4, 150)
    once = KroneckerRidgeCV(penalties=penalties).fit(X, y, counts)
    rows = np.repeat(np.arange(150), counts)
    twice = clone(once).fit(X[rows], y[rows])
    assert (twice.alpha_, twice.penalty_) == (once.alpha_, once.penalty_)
    close(twice.predict(X), once.predict(X))
    assert twice.best_score_ == pytest.approx(once.best_score_, rel=1e-9)
    # every row twice is every row once
    assert clone(once).fit(np.repeat(X, 2, axis=0), np.repeat(y, 2)).best_score_ == pytest.approx(
        clone(once).fit(X, y).best_score_, rel=1e-9
    )


@pytest.mark.parametrize("penalties", [None, "adaptive"], ids=str)
@pytest.mark.parametrize("cv", [None, CoordinateKFold(4)], ids=["automatic", "folds"])
def test_outputs_count_in_their_own_spread(penalties, cv):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(200, 2))
    f = np.sin(9 * X[:, 0]) * np.cos(7 * X[:, 1])
    y, other = (f + 0.2 * rng.standard_normal(200) for _ in range(2))
    search = KroneckerRidgeCV(penalties=penalties, cv=cv, max_iter=5000)
    pairs = [np.stack([y, unit * other], axis=1) for unit in (1.0, 1e5)]
    assert len({clone(search).fit(X, pair).alpha_ for pair in pairs}) == 1
    if penalties == "adaptive":
        return  # the edges of all outputs add up
    one = clone(search).fit(X, y)
    both = clone(search).fit(X, np.stack([y, 10 * y + 3], axis=1))
    assert (both.alpha_, both.penalty_) == (one.alpha_, one.penalty_)
    close(both.predict(X)[:, 0], one.predict(X))
    # a constant beside it counts for nothing
    with_constant = clone(search).fit(X, np.stack([y, np.full(200, 0.1)], axis=1))
    assert with_constant.alpha_ == one.alpha_


@pytest.mark.parametrize("penalty", ["ridge", 2.0, "adaptive"])
@pytest.mark.parametrize("unit", [1e-30, 1e20, 1e30])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nothing_hangs_on_the_unit_of_the_targets(penalty, unit, dtype):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(300, 2)).astype(dtype)
    y = (np.sin(9 * X[:, 0]) * np.cos(7 * X[:, 1])).astype(dtype)
    model = KroneckerRidge(penalty=penalty, alpha=0.1, max_iter=5000)
    plain, scaled = clone(model).fit(X, y), clone(model).fit(X, y * dtype(unit))
    close(scaled.predict(X).astype(float) / unit, plain.predict(X), 1e-3)
    search = KroneckerRidgeCV(penalties=penalty)
    plain, scaled = clone(search).fit(X, y), clone(search).fit(X, y * dtype(unit))
    assert (scaled.alpha_, scaled.penalty_) == (plain.alpha_, plain.penalty_)


@pytest.mark.parametrize("alpha", [1e-6, 1e-9])
@pytest.mark.parametrize("n_axes", [1, 2])
def test_single_precision_off_a_grid_keeps_its_digits(alpha, n_axes):
    X = np.random.default_rng(0).uniform(size=(250, n_axes)).astype(np.float32)
    y = np.sin(9 * X).prod(axis=1)
    encoder = ShiftedBasisEncoder(n_shifts=40) if n_axes == 2 else None
    single = KroneckerRidge(encoder, alpha=alpha, penalty="ridge").fit(X, y)
    double = clone(single).fit(X.astype(np.float64), y.astype(np.float64))
    assert single.layout_ == ("dual" if n_axes == 2 else "grid")
    close(single.predict(X), double.predict(X.astype(np.float64)), 1e-4)


def test_leave_one_out_survives_near_interpolation():
    # residuals as "all less explained" would cancel here: a spurious optimum at tiny alpha
    x = np.arange(64) / 64
    X, y = grid_samples(np.sin(9 * x)[:, None] * np.cos(7 * x), axes=(x, x))
    y = y + 1e-3 * np.random.default_rng(0).standard_normal(len(y))
    alphas = np.logspace(-13, -1, 13)
    search = KroneckerRidgeCV(ShiftedBasisEncoder(), alphas=alphas, penalties="ridge").fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.all(np.isfinite(scores))
    assert np.all(-scores > 0.5e-6)  # no candidate foretells noise
    assert np.ptp(np.log(-scores[:6])) < 1e-4  # interpolation alike
    gcv = search.cv_results_["mean_test_gcv"]
    np.testing.assert_allclose(gcv, scores, rtol=0.3)


def test_the_chosen_encoder_gives_the_chosen_model():
    X, y = make_grid((12, 15), 2)
    encoders = [ShiftedBasisEncoder(), ShiftedBasisEncoder("triangle"), FourierEncoder()]
    search = KroneckerRidgeCV(encoders, stable_ranks=[0.2, 0.4], alphas=[1e-3, 1e-1]).fit(X, y)
    again = KroneckerRidge(search.best_encoder_, alpha=search.alpha_, penalty=search.penalty_)
    close(again.fit(X, y).predict(somewhere(2)), search.predict(somewhere(2)))
    assert len(search.cv_results_["params"]) == 12
    for rank, n in zip((e.stable_rank for e in search.encoders_), (12, 15), strict=True):
        share = search.cv_results_["params"][search.best_index_]["stable_rank"]
        assert rank == pytest.approx(max(1, share * n))


def test_results_have_the_form_of_grid_search():
    X, y = make_grid((8, 8), shuffle=False)
    cv = CoordinateKFold(2)
    ours = KroneckerRidgeCV(ShiftedBasisEncoder(), alphas=[1e-3, 1e-1], cv=cv, penalties="ridge")
    theirs = GridSearchCV(
        KroneckerRidge(), {"alpha": [1e-3, 1e-1]}, cv=cv, scoring="neg_mean_squared_error"
    )
    ours.fit(X, y), theirs.fit(X, y)
    for key, values in theirs.cv_results_.items():
        assert key in ours.cv_results_
        if "time" not in key and key != "params":
            np.testing.assert_allclose(
                np.asarray(ours.cv_results_[key], float), np.asarray(values, float), rtol=1e-7
            )
    assert ours.alpha_ == theirs.best_params_["alpha"]
    close(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize(
    "cv", [3, KFold(4, shuffle=True, random_state=0), CoordinateKFold(4), CoordinateKFold(5)]
)
def test_any_splitter(cv):
    X, y = make_grid((10, 10), 2)
    search = KroneckerRidgeCV(alphas=[1e-2, 1.0], cv=cv).fit(X, y)
    best = KroneckerRidge(ShiftedBasisEncoder("bspline"), alpha=search.alpha_, penalty="slope")
    folds = cv if not isinstance(cv, int) else KFold(cv)
    alike = y * in_own_spread(y)
    scores = cross_val_score(best, X, alike, cv=folds, scoring="neg_mean_squared_error")
    assert search.best_score_ == pytest.approx(np.mean(scores), rel=1e-9)


def test_folds_in_steps_of_rows_are_grids(monkeypatch):
    layouts = []
    original = problem_module._layout_of

    def noted(design):
        found = original(design)
        layouts.append(found[0])
        return found

    monkeypatch.setattr(problem_module, "_layout_of", noted)
    X, y = make_grid((15, 15))
    KroneckerRidgeCV(alphas=[1.0], cv=CoordinateKFold(5)).fit(X, y)
    assert layouts == ["grid"] * 6


def test_screening_keeps_the_best():
    x = np.arange(20) / 20
    X, y = grid_samples(np.sin(9 * x)[:, None] * x, axes=(x, x))
    y += 0.1 * np.random.default_rng(0).standard_normal(len(y))
    encoders = [ShiftedBasisEncoder(), FourierEncoder()]
    search = KroneckerRidgeCV(encoders, stable_ranks=[0.2, 0.4], alphas=np.logspace(-4, 2, 13))
    everything = clone(search).fit(X, y)
    with limits(all_exact=1, shortlist=6):
        screened = search.fit(X, y)
    exact = screened.cv_results_["mean_test_score"]
    kept = ~np.isnan(exact)
    assert 6 <= kept.sum() < len(kept) / 2
    np.testing.assert_allclose(exact[kept], everything.cv_results_["mean_test_score"][kept])
    assert screened.best_index_ == everything.best_index_
    assert screened.cv_results_["rank_test_score"][screened.best_index_] == 1


def kernel_of(model, prior_variance):
    """The kernel of the ridge, from the encoders alone."""

    class RidgeKernel(Kernel):
        def __init__(self):
            pass

        def __call__(self, X, Y=None, eval_gradient=False):
            Y = X if Y is None else Y
            K = np.full((len(X), len(Y)), prior_variance)
            for axis, encoder in enumerate(model.encoders_):
                K = K * (encoder.transform(X[:, [axis]]) @ encoder.transform(Y[:, [axis]]).T)
            return K

        def diag(self, X):
            return np.diag(self(X)).copy()

        def is_stationary(self):
            return False

    return RidgeKernel()


@pytest.mark.parametrize("layout", ["grid", "weights", "holes", "dual", "scattered"])
def test_standard_deviation_is_that_of_a_gaussian_process(layout, rng):
    X, y = make_grid((8, 9))
    weights = np.ones(len(X))
    encoder = ShiftedBasisEncoder()
    if layout == "weights":
        along = [np.unique(column, return_inverse=True)[1] for column in X.T]
        weights = rng.uniform(0.3, 3, 8)[along[0]] * rng.uniform(0.3, 3, 9)[along[1]]
    elif layout == "holes":
        X, y, weights = X[4:], y[4:], weights[4:]
    elif layout == "dual":
        X = rng.uniform(-1, 2, X.shape)
    elif layout == "scattered":
        X, encoder = rng.uniform(-1, 2, X.shape), ShiftedBasisEncoder("bspline", n_shifts=3)
    model = KroneckerRidge(encoder, alpha=0.1, penalty="ridge").fit(X, y, weights)
    assert model.layout_ == ("grid" if layout == "weights" else layout)
    dense = DenseRidge(model).fit(X, y, weights)
    noise = model.noise_variance_[0]
    assert noise == pytest.approx(noise_of(DenseRidge(model), X, y, weights)[0], rel=1e-9)
    process = GaussianProcessRegressor(
        kernel_of(model, noise / dense.strength), alpha=noise / dense.w, optimizer=None
    ).fit(X, y - model.intercept_)
    # outside the domain deviations grow: test_beyond.py
    for points in (np.clip(somewhere(2), X.min(axis=0), X.max(axis=0)), X):
        mean, std = process.predict(points, return_std=True)
        got, got_std = model.predict(points, return_std=True)
        close(got, mean + model.intercept_, 1e-8)
        close(got_std, std, 1e-7)
        _, observed = model.predict(points, return_std="observation")
        close(observed, np.sqrt(std**2 + noise), 1e-7)
    search = KroneckerRidgeCV(encoder, alphas=[0.1], penalties="ridge").fit(X, y, weights)
    assert squared_left_out(model)[0] == pytest.approx(-search.best_score_, rel=1e-9)


def test_standard_deviation_of_several_outputs():
    X, y = make_grid((8, 9), 2)
    y[:, 1] *= 3
    model = KroneckerRidge(alpha=0.1).fit(X, y)
    values, std = model.predict(X, return_std=True)
    assert values.shape == std.shape == y.shape
    ratio = np.sqrt(model.noise_variance_[1] / model.noise_variance_[0])
    close(std[:, 1], ratio * std[:, 0])
    shown = KroneckerRidge(alpha=0.1).fit(np.repeat(X, 2, axis=0), np.repeat(y, 2, axis=0))
    assert np.all(shown.predict(X, return_std=True)[1] < std)


@pytest.mark.parametrize(
    ("encoder", "highest"),
    [
        (ShiftedBasisEncoder(), 3),
        (ShiftedBasisEncoder("bspline"), 2),
        (ShiftedBasisEncoder("matern72"), 2),
        (ShiftedBasisEncoder("sine", bandwidth=2.0), 3),
        (ShiftedBasisEncoder(domain=(-1, 2.5), boundary="periodic", stable_rank=2), 2),
        (ShiftedBasisEncoder("bspline", domain=(-1, 2.5), boundary="periodic"), 2),
        (FourierEncoder(5), 3),
        (LogFourierEncoder(4), 2),
        (RandomFourierEncoder(6, bandwidth=0.5, random_state=0), 2),
    ],
    ids=str,
)
def test_derivatives_are_exact(encoder, highest):
    X, y = make_grid((9, 8), 2)
    model = KroneckerRidge(encoder, alpha=1e-2).fit(X, y)
    points = np.random.default_rng(3).uniform(-0.9, 1.9, (50, 2))
    h = 1e-4
    for order in range(1, highest + 1):
        for axis in range(2):
            lower, upper = [0, 0], [0, 0]
            lower[axis], upper[axis] = order - 1, order
            step = h * np.eye(2)[axis]
            ahead = model.predict(points + step, derivative=tuple(lower))
            behind = model.predict(points - step, derivative=tuple(lower))
            exact = model.predict(points, derivative=tuple(upper))
            close(exact, (ahead - behind) / (2 * h), 2e-3 if order > 2 else 3e-5)
    mixed = model.predict(points, derivative=(1, 1))
    step = h * np.eye(2)[1]
    ahead, behind = (model.predict(points + s * step, derivative=(1, 0)) for s in (1, -1))
    close(mixed, (ahead - behind) / (2 * h), 1e-4)
    grid = model.predict(X, derivative=(1, 0))
    one_by_one = np.vstack([model.predict(row[None], derivative=(1, 0)) for row in X])
    close(grid, one_by_one)


def test_derivatives_beyond_floats_are_refused():
    X, y = make_grid((6, 6))
    for model in (KroneckerRidge(penalty="curvature"), KroneckerRidge(FourierEncoder())):
        model.fit(X, y)
        with pytest.raises(ValueError, match="derivative must be at most 64 orders in all"):
            model.predict(X, derivative=(10**15, 0))
        tiny = clone(model).fit(1e-200 * X, y)
        assert np.isfinite(tiny.predict(1e-200 * X, derivative=(1, 0))).all()
        for return_std in (False, True):
            with pytest.raises(ValueError, match=r"derivative is beyond .* Got orders \(2, 0\)"):
                tiny.predict(1e-200 * X, derivative=(2, 0), return_std=return_std)


def test_derivatives_that_do_not_exist():
    X, y = make_grid((9, 8))
    for basis in ("triangle", "rectangle", "impulse", "square"):
        model = KroneckerRidge(ShiftedBasisEncoder(basis), alpha=1e-2).fit(X, y)
        with pytest.raises(ValueError, match="no continuous derivative"):
            model.predict(X, derivative=(0, 1))
    model = KroneckerRidge(ShiftedBasisEncoder("bspline")).fit(X, y)
    with pytest.raises(ValueError, match="order 3"):
        model.predict(X, derivative=(3, 0))
    beyond = np.array([[-3.0, 0.5], [5.0, 0.5]])
    close(model.predict(beyond, derivative=(1, 0)), [0, 0])
    for wrong in [(1,), (1, -1), 1]:
        with pytest.raises(ValueError, match="derivative must be"):
            model.predict(X, derivative=wrong)
    for wrong in [(0.5, 0), (True, 0), "x"]:
        with pytest.raises(TypeError, match="derivative must be a whole number: a tuple of 2"):
            model.predict(X, derivative=wrong)


def test_predictions_do_not_depend_on_how_points_come(rng):
    X, y = make_grid((20, 25), 3)
    model = KroneckerRidge(penalty="curvature").fit(X, y)
    x = rng.uniform(-1, 2, 12)
    grid, _ = grid_samples(np.zeros((12, 9)), axes=(x, rng.uniform(-1, 2, 9)))
    expected = np.vstack([model.predict(row[None]) for row in grid])
    close(model.predict(grid), expected)
    order = rng.permutation(len(grid))
    close(model.predict(grid[order]), expected[order])
    close(model.predict(grid[order[:70]]), expected[order[:70]])  # most of a grid
    close(model.predict(np.vstack([grid, grid[:30]])), np.vstack([expected, expected[:30]]))
    points = somewhere(2, 200)
    with limits(few_cells=0):
        rows = model.predict(points)
        with limits(block_bytes=100_000):
            close(model.predict(points), rows)
        close(rows, np.vstack([model.predict(row[None]) for row in points]))


def test_memory_is_refused_with_sizes(rng):
    X = rng.uniform(size=(300, 2))
    refused = r"matrix of 300 x 300 .* [\d,]+ products of the features"
    few = limits(dual_up_to=100, direct_up_to=100, iterated_axes=1)
    with few, pytest.raises(ValueError, match=refused):
        KroneckerRidge(penalty="ridge").fit(X, X[:, 0])
    line = np.arange(2_000_000.0)[:, None]
    with pytest.raises(ValueError, match=r"GiB .*available"):
        KroneckerRidge(FourierEncoder(stable_rank=1e5)).fit(line, line[:, 0])


def test_condition_number_and_its_warning():
    X, y = make_grid((9, 9))
    model = KroneckerRidge(alpha=1e-3).fit(X, y)
    A = DenseRidge(model).features(np.unique(X, axis=0))
    K = A @ A.T + 1e-3 * np.mean(np.diag(A.T @ A)) * np.eye(81)
    assert model.condition_ == pytest.approx(np.linalg.cond(K), rel=1e-9)
    narrow = ShiftedBasisEncoder(stable_rank=1.2, n_shifts=15)
    with pytest.warns(UserWarning, match="condition number"):
        KroneckerRidge(narrow, alpha=1e-15).fit(X, y)
    with pytest.warns(UserWarning, match="condition number"):
        least = KroneckerRidge(narrow, alpha=0).fit(X, y)
    assert np.abs(least.predict(X)).max() < 10 * np.abs(y).max()


def random_fourier(n, deviation, seed, sampling="iid"):
    width = 1 / (2 * np.sqrt(2) * np.pi * deviation)
    return RandomFourierEncoder(n, bandwidth=width, sampling=sampling, random_state=seed)


DEFAULTS = [RandomFourierEncoder(random_state=0), FourierEncoder(), LogFourierEncoder()]

# independent frequencies of deviation 42 pass 128, half the sampling rate, at some seeds
AUTHORS = [
    *[random_fourier(256, b, 0, sampling="qmc") for b in (14, 42)],
    *[random_fourier(n, 42, seed) for n, seed in ((128, 8), (256, 2), (256, 6), (256, 9))],
    random_fourier(128, 80, 0),
    *[FourierEncoder(max_frequency=2.0**k) for k in (4.5, 5, 6)],
    *[LogFourierEncoder(128, max_frequency=2.0**k) for k in (5.5, 6.5)],
    *DEFAULTS,
    *[ShiftedBasisEncoder(bandwidth=s) for s in (0.0025, 0.004, 0.006, 0.0015)],
    *[ShiftedBasisEncoder("triangle", bandwidth=h / 256) for h in (1, 1.5, 2, 5)],
    ShiftedBasisEncoder(n_shifts=256, bandwidth=0.0025, domain=(0, 1), boundary="cut"),
    ShiftedBasisEncoder("triangle", n_shifts=256, bandwidth=1.5 / 256),
]  # fmt: skip


@pytest.fixture(scope="module")
def astronaut():
    image, axes = load_signal("astronaut")
    X, y = grid_samples(image, axes, channels=True)
    train = np.zeros(image.shape[:2], dtype=bool)
    train[::2, ::2] = True
    return X, y, train.ravel()


@pytest.mark.filterwarnings("ignore:RandomFourierEncoder reaches")
@pytest.mark.parametrize("encoder", AUTHORS, ids=str)
def test_settings_of_the_papers_are_safe(encoder, astronaut):
    X, y, train = astronaut
    predicted = KroneckerRidge(encoder).fit(X[train], y[train]).predict(X)
    assert psnr_score(y[~train], predicted[~train]) >= (24 if encoder in DEFAULTS else 15)


@pytest.mark.filterwarnings("ignore:RandomFourierEncoder reaches")
def test_frequencies_beyond_half_the_sampling_rate_are_the_slower_ones(rng):
    x = np.arange(12) / 12
    X, y = grid_samples(rng.normal(size=(12, 12)), axes=(x + 3, x))
    fast = FourierEncoder(max_frequency=20.0)
    model = KroneckerRidge(fast, alpha=1e-3).fit(X, y)
    frequencies = model.encoders_[0].frequencies_[0]
    assert frequencies.max() <= 6 + 1e-9
    # the same fit at the samples as with the frequencies as they are
    A = np.kron(*[fast.fit(axis[:, None]).transform(axis[:, None]) for axis in (x + 3, x)])
    centred = y - y.mean()
    gram = A @ A.T
    fitted = gram @ np.linalg.solve(gram + 1e-3 * np.mean(np.diag(A.T @ A)) * np.eye(144), centred)
    close(model.predict(X), fitted + y.mean())
    # uneven samples tell more apart, and keep what they are given
    uneven = np.sort(rng.uniform(size=12))
    kept = KroneckerRidge(fast, alpha=1e-3).fit(uneven[:, None], y[:12])
    assert kept.encoders_[0].frequencies_[0].max() > 15


@pytest.mark.parametrize("head", [KroneckerRidge, KroneckerRidgeCV])
def test_scorers_measure_the_product_of_the_encodings(head):
    X, y = make_grid((9, 8))
    model = head(ShiftedBasisEncoder(stable_rank=[3, 4])).fit(X, y)
    E = DenseRidge(model).features(X)
    assert stable_rank_scorer(model, X, y) == pytest.approx(stable_rank(E))
    wanted = distance_preservation(X, E, random_state=0)
    assert distance_preservation_scorer(model, X, y) == pytest.approx(wanted)
    plain = ShiftedBasisEncoder(stable_rank=[3, 4], tensor_product=True).fit(X)
    radius = similarity_radius_scorer(model, X, y)
    assert radius == pytest.approx(similarity_radius_scorer(plain), rel=1e-6)
    assert not hasattr(head(), "encoder_")
    pickle.loads(pickle.dumps(model)).encoder_.transform(X[:2])


def test_memory_of_predictions_is_bounded(rng):
    X, y = make_grid((200, 200))
    model = KroneckerRidge().fit(X, y)
    points = rng.uniform(0, 1, (200_000, 2))
    tracemalloc.start()
    model.predict(points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the features of one axis at all points would take 340 MB
    assert peak < 300e6


def test_default_is_as_good_as_a_cubic_spline(astronaut):
    X, y, train = astronaut
    cubic = 28.44  # RectBivariateSpline; examples/benchmark_kronecker.py has it and others
    plain = KroneckerRidge().fit(X[train], y[train]).predict(X[~train])
    assert psnr_score(y[~train], plain) > cubic - 0.1
    chosen = KroneckerRidgeCV().fit(X[train], y[train]).predict(X[~train])
    assert psnr_score(y[~train], chosen) > cubic
    noisy = y[train] + np.random.default_rng(0).normal(scale=0.1, size=y[train].shape)
    denoised = KroneckerRidgeCV().fit(X[train], noisy).predict(X[~train])
    assert psnr_score(y[~train], denoised) > 23.7  # cubic 20.7, its best smoothing 23.4


def test_float32_in_float32_out():
    X, y = make_grid((40, 40), 3)
    double = KroneckerRidge().fit(X, y)
    single = KroneckerRidge().fit(X.astype(np.float32), y.astype(np.float32))
    values, std = single.predict(X.astype(np.float32), return_std=True)
    assert values.dtype == std.dtype == np.float32
    np.testing.assert_allclose(values, double.predict(X), atol=1e-4)
    assert double.predict(X).dtype == np.float64


def test_inputs_stay_as_they_are():
    X, y = make_grid((9, 9))
    before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    model = KroneckerRidge().fit(X, y)
    KroneckerRidgeCV().fit(X, y)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
    expected = model.predict(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), expected)
    assert again.noise_variance_ == model.noise_variance_


def test_an_own_basis():
    class Hat(Basis):
        support = 1.0

        def phi(self, u, xp):
            return xp.clip(1 - u * u, min=0.0) ** 2

    class Sloped(Hat):
        def derivative(self, u, order, xp):
            if order > 1:
                return super().derivative(u, order, xp)
            return -4 * u * xp.clip(1 - u * u, min=0.0)

    X, y = make_grid((12, 12))
    model = KroneckerRidge(ShiftedBasisEncoder(Hat()), alpha=1e-3).fit(X, y)
    close(model.predict(X), DenseRidge(model).fit(X, y).predict(X))
    with pytest.raises(ValueError, match='"matern72" up to order 2, or a Basis that defines'):
        model.predict(X, derivative=(1, 0))
    model = KroneckerRidge(ShiftedBasisEncoder(Sloped()), alpha=1e-3).fit(X, y)
    inside, step = np.array([[0.31, 0.42], [0.77, 0.13]]), np.array([1e-6, 0])
    slope = (model.predict(inside + step) - model.predict(inside - step)) / 2e-6
    close(model.predict(inside, derivative=(1, 0)), slope, 1e-5)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (KroneckerRidge(alpha=-1), ValueError, "alpha must be finite and at least 0"),
        (KroneckerRidge(alpha="1"), ValueError, "alpha must be a number"),
        (KroneckerRidge(alpha=[1]), TypeError, "alpha must be a number"),
        (KroneckerRidge(penalty="lasso"), ValueError, "penalty must be one of"),
        (KroneckerRidge(3), TypeError, "encoder must be an encoder"),
        (KroneckerRidge([FourierEncoder()]), ValueError, "one per axis: X has 2 axes. Got 1"),
        (KroneckerRidge(FourierEncoder(), penalty="slope"), ValueError, 'penalty="ridge"'),
        (KroneckerRidge(ShiftedBasisEncoder(n_shifts=[3])), ValueError, "n_shifts of"),
        (KroneckerRidgeCV(alphas=[0.0]), ValueError, "alphas must be finite and greater than 0"),
        (KroneckerRidgeCV(alphas=[]), ValueError, "at least one candidate"),
        (KroneckerRidgeCV(stable_ranks=[0]), ValueError, "shares of the samples"),
        (KroneckerRidgeCV(alphas="a"), TypeError, "alphas must be a number or a list .* 'a'"),
        (KroneckerRidgeCV(alphas=[1.0, "a"]), TypeError, "a list of numbers. Got 'a'"),
        (KroneckerRidgeCV(alphas=True), TypeError, "a list of numbers. Got True"),
        (KroneckerRidgeCV(stable_ranks="8"), TypeError, "stable_ranks must be .* Got '8'"),
        (KroneckerRidgeCV("gaussian"), TypeError, "encoders must be .* candidates: .* 'gaussian'"),
        (KroneckerRidgeCV([[FourierEncoder()]]), ValueError, "candidate of encoders .* Got 1"),
        (KroneckerRidgeCV(penalties=["none"]), ValueError, "penalties must be one of"),
        (KroneckerRidgeCV(penalties=slice(None)), TypeError, "penalties must be a penalty .* list"),
        (KroneckerRidgeCV(cv=1, penalties=[2.0]), ValueError, "cv must be at least 2 folds"),
    ],
)
def test_what_is_refused(model, error, message):
    X, y = make_grid((4, 4))
    with pytest.raises(error, match=message):
        model.fit(X, y)


def test_weights_that_are_refused():
    X, y = make_grid((4, 4))
    for weights, message in [
        (np.zeros(16), "zero for all samples"),
        (-np.ones(16), "not be negative"),
        (np.ones(15), r"shape \(16,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            KroneckerRidge().fit(X, y, weights)


@parametrize_with_checks(
    [
        KroneckerRidge(FourierEncoder(), alpha=1e-2),
        KroneckerRidge(penalty="similarity", alpha=1e-2),
        KroneckerRidgeCV(alphas=[1e-2, 1.0], cv=3),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_a_megapixel_materialises_nothing():
    # the product of its features would take a hundred terabytes
    X, y = grid_samples(np.random.default_rng(0).standard_normal((1000, 1000)))
    model = KroneckerRidge(ShiftedBasisEncoder(n_shifts=100)).fit(X, y)
    tracemalloc.start()
    model.fit(X, y)
    predicted = model.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(predicted).all()
    assert peak < 10 * X.nbytes


def test_lists_of_encoders_are_smoothed_like_single_ones():
    X, y = make_grid((9, 10))
    lists = [[ShiftedBasisEncoder("bspline"), ShiftedBasisEncoder("bspline")]]
    assert KroneckerRidgeCV(lists).fit(X, y).penalty_ == "slope"
    mixed = [[ShiftedBasisEncoder("bspline"), FourierEncoder()]]
    assert KroneckerRidgeCV(mixed).fit(X, y).penalty_ == "ridge"


@pytest.mark.parametrize("penalty", ["ridge", "slope", "curvature"])
def test_weights_of_axes_that_are_alike(penalty, rng):
    X, y = make_grid((7, 7), 2)
    along = [np.unique(column, return_inverse=True)[1] for column in X.T]
    weights = rng.uniform(0.2, 3, 7)[along[0]] * rng.uniform(0.2, 3, 7)[along[1]]
    model = KroneckerRidge(alpha=1e-3, penalty=penalty).fit(X, y, weights)
    assert model.layout_ == "grid"
    dense = DenseRidge(model, penalty).fit(X, y, weights)
    close(model.predict(somewhere(2)), dense.predict(somewhere(2)))


def test_smoothness_of_a_single_function():
    X, y = make_grid((9, 8))
    one = ShiftedBasisEncoder("bspline", n_shifts=1, bandwidth=4.0, boundary="cut", domain=(-1, 2))
    model = KroneckerRidge(one, penalty=2.0, alpha=1e-2).fit(X, y)
    dense = DenseRidge(model, 2.0).fit(X, y)
    close(model.predict(somewhere(2)), dense.predict(somewhere(2)), 1e-8)


@pytest.mark.parametrize("boundary", ["extend", "periodic"])
def test_automatic_ranks_stay_within_explicit_shifts(boundary):
    encoder = ShiftedBasisEncoder("bspline", n_shifts=9, boundary=boundary, domain=(-1, 2))
    few, many = (
        KroneckerRidge(encoder).fit(*make_grid((n, n))).encoders_[0].stable_rank for n in (9, 40)
    )
    assert few == many  # as many functions hold no more
    assert 2 < many < 8


def test_nobody_takes_it_for_a_linear_model():
    """Coefficients of products of functions are no weights of the columns of X."""
    X, y = make_grid((9, 8))
    for model in (KroneckerRidge(), KroneckerRidgeCV(alphas=[1e-3])):
        model.fit(X, y)
        assert not hasattr(model, "coef_")
        assert not hasattr(model, "dual_coef_")
        with pytest.raises(ValueError, match="coef_"):
            SelectFromModel(model).fit(X, y).get_support()
