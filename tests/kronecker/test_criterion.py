"""The criterion of a search, against models that are refitted without each place in turn."""

from functools import reduce

import numpy as np
import pytest

from sk_posenc.core.limits import limits
from sk_posenc.encoders.axis_spacing import AxisSpacing
from sk_posenc.encoders.bases import resolve_basis
from sk_posenc.kronecker._criterion import judge
from sk_posenc.kronecker._factors import factor_kernel
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._stage import Resolution, Stage
from sk_posenc.kronecker.ridge import KroneckerRidge

ALPHAS = np.array([1e-5, 1e-3, 0.1, 10.0])


def refitted(K, y, weights, alpha):
    """Errors and variances of samples of which the model of all others knows nothing."""
    errors, variances = np.empty_like(y), np.empty(len(K))
    for i in range(len(K)):
        others = np.arange(len(K)) != i
        S = K[np.ix_(others, others)] + np.diag(alpha / weights[others])
        k = K[i, others]
        of_k, of_one = np.linalg.solve(S, k), np.linalg.solve(S, np.ones(len(k)))
        constant = of_one @ y[others] / of_one.sum()
        errors[i] = y[i] - constant - of_k @ (y[others] - constant)
        variances[i] = K[i, i] - k @ of_k + (1 - k @ of_one) ** 2 / of_one.sum()
        variances[i] += alpha / weights[i]
    return errors, variances


def far(K, cross, weights, alpha):
    """Variance of the model at points, a row of `cross` each."""
    S = K + np.diag(alpha / weights)
    of_one = np.linalg.solve(S, np.ones(len(K)))
    known = np.sum(cross.T * np.linalg.solve(S, cross.T), axis=0)
    return 1 - known + (1 - cross @ of_one) ** 2 / of_one.sum() + alpha


def likelihood(K, y, weights, alpha):
    h, n = np.sqrt(weights), len(K)
    A = h[:, None] * K * h + alpha * np.eye(n)
    of_h = np.linalg.solve(A, h)
    target = h * y - h * (of_h @ (h * y)) / (of_h @ h)
    volume = np.linalg.slogdet(A)[1] + np.log(of_h @ h)
    return np.log(target @ np.linalg.solve(A, target) / n) + volume / n


def without_lines(K, y, weights, alpha, shape):
    """Mean squared error of inner lines of a grid, each without all its samples."""
    h, means = np.sqrt(weights), []
    A = h[:, None] * K * h + alpha * np.eye(len(K))
    of_h = np.linalg.solve(A, h)
    dual = np.linalg.solve(A, h * y) - of_h * (of_h @ (h * y)) / (of_h @ h)
    inverse, numbers = np.linalg.inv(A), np.arange(len(K)).reshape(shape)
    for axis, size in enumerate(shape):
        lines = [np.take(numbers, i, axis=axis).ravel() for i in range(1, size - 1)]
        errors = [np.linalg.solve(inverse[np.ix_(at, at)], dual[at]) for at in lines]
        means.append(np.mean(np.square(errors)))
    return np.mean(means)


def oracle(K, cross, cells, weights, alpha, shape=None):
    """Criterion and squared error, and whether points between count; `shape` is that of a grid."""
    n, of_outputs, squares, lines = len(K), [], [], []
    for y in cells:
        errors, variances = refitted(K, y, weights, alpha)
        loo = np.mean(weights * np.abs(errors))
        spread = np.exp(np.mean(np.log(weights * variances)) / 2)
        lpl = np.mean(np.abs(errors) / np.sqrt(variances)) * spread
        share = min(0.5, 5 / np.sqrt(n))
        reml = likelihood(K, y, weights, alpha)
        of_outputs.append(np.log(loo) + np.log(lpl) + share * reml)
        squares.append(np.mean(weights * errors**2))
        if shape is not None:
            lines.append(without_lines(K, y, weights, alpha, shape))
    if shape is not None:
        farther = max(0.0, np.mean(np.log(np.divide(lines, squares))))
        return np.mean(of_outputs) + farther, np.mean(squares), farther > 0
    left_out = np.exp(np.mean(np.log(weights * variances)))
    ratio = np.mean(far(K, cross, weights, alpha)) / left_out
    return np.mean(of_outputs) + np.log(max(ratio, 1.0)), np.mean(squares), ratio > 1


def gaussian(x, z, rank):
    delta = np.subtract.outer(x, z) * 2 * np.sqrt(np.pi) * rank
    return np.exp(-(delta**2) / 4)


def judged_kernel(K, cross, cells, weights, alphas=ALPHAS):
    h = np.sqrt(weights)
    return judge([factor_kernel(h[:, None] * K * h)], cells, h, cross * h, alphas)


def scattered_case(n, n_outputs, weighted, rng, apart=True):
    x = np.sort(rng.uniform(size=n)) ** 2
    between = rng.uniform(size=50) if apart else x[1:-1]
    cells = np.stack([np.sin((5 + 3 * q) * x) for q in range(n_outputs)])
    cells += 0.1 * rng.standard_normal(cells.shape)
    weights = rng.integers(1, 4, n).astype(float) if weighted else np.ones(n)
    return gaussian(x, x, 4), gaussian(between, x, 4), cells, weights / weights.mean()


@pytest.mark.parametrize("n", [3, 24, 110])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_criterion_is_that_of_models_refitted(n, n_outputs, weighted, apart, rng):
    case = scattered_case(n, n_outputs, weighted, rng, apart)
    judged, counts = judged_kernel(*case), []
    for i, alpha in enumerate(ALPHAS):
        criterion, squared, counted = oracle(*case, alpha)
        np.testing.assert_allclose(judged.criterion[i], criterion, rtol=0, atol=1e-6)
        np.testing.assert_allclose(judged.squared_error[i], squared, rtol=1e-6)
        counts.append(counted)
    assert n == 3 or any(counts) == apart


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_grid_is_its_rows(n_outputs, weighted, rng):
    axes, ranks = [rng.uniform(size=n) for n in (7, 5, 3)], (3, 1, 0.5)
    kernels = [gaussian(x, x, rank) for x, rank in zip(axes, ranks, strict=True)]
    across = [gaussian(rng.uniform(size=20), x, r) for x, r in zip(axes, ranks, strict=True)]
    weights = [rng.uniform(0.5, 1.5, len(x)) if weighted else np.ones(len(x)) for x in axes]
    weights = [w / w.mean() for w in weights]
    h = [np.sqrt(w) for w in weights]
    cells = rng.standard_normal((n_outputs, 7, 5, 3))
    roots = reduce(np.multiply.outer, h)
    factors = [factor_kernel(r[:, None] * kernel * r) for r, kernel in zip(h, kernels, strict=True)]
    grid = judge(factors, cells, roots, None, ALPHAS)
    cross = np.einsum("pi,pj,pk->pijk", *across).reshape(20, -1)
    K = reduce(np.kron, kernels)
    flat, counts = cells.reshape(n_outputs, -1), []
    for i, alpha in enumerate(ALPHAS):
        case = (K, cross, flat, roots.ravel() ** 2, alpha)
        criterion, squared, counted = oracle(*case, shape=(7, 5, 3))
        np.testing.assert_allclose(grid.criterion[i], criterion, rtol=0, atol=1e-6)
        np.testing.assert_allclose(grid.squared_error[i], squared, rtol=1e-6)
        counts.append(counted)
    assert any(counts)


def test_blocks_of_alphas_change_nothing(rng):
    case, alphas = scattered_case(20, 2, True, rng), np.logspace(-6, 1, 9)
    whole = judged_kernel(*case, alphas)
    with limits(block_bytes=2_000):
        blocks = judged_kernel(*case, alphas)
    np.testing.assert_allclose(blocks.criterion, whole.criterion, rtol=1e-12)
    np.testing.assert_allclose(blocks.squared_error, whole.squared_error, rtol=1e-12)


def test_constant_targets_have_a_criterion(rng):
    K, cross, cells, weights = scattered_case(12, 1, False, rng)
    judged = judged_kernel(K, cross, 0 * cells, weights)
    assert np.isfinite(judged.criterion).all()
    assert np.all(judged.squared_error == 0)


def rows_of_grid(shape, rng):
    axes = [np.cumsum(rng.uniform(0.2, 3, n)) for n in shape]
    X = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
    return X, np.sin(X @ np.arange(1, len(shape) + 1) / 4) + 0.1 * rng.standard_normal(len(X))


def dense_kernel(first, second, X, resolution):
    """Of the rows of two arrays, from the words of the docstring of Resolution."""
    basis, apart = resolve_basis(resolution.basis), []
    for axis, octave in enumerate(resolution.octaves):
        at = AxisSpacing.through(X[:, axis], resolution.spacing, axis)
        delta = np.subtract.outer(at(first[:, axis]), at(second[:, axis]))
        apart.append(delta / basis.bandwidth(2**octave))
    if resolution.radial:
        return basis.similarity(np.sqrt(np.sum(np.square(apart), axis=0)))
    return np.prod([basis.similarity(each) for each in apart], axis=0)


RESOLUTIONS = [
    Resolution("gaussian", (1.0, -1.5), 0.0),
    Resolution("matern72", (2.0, 0.5), 0.9),
    Resolution("matern32", (1.0, 1.0), 0.5, radial=True),
]
LAYOUTS = ("grid", "grid, weights of axes", "grid, weights", "holes", "scattered", "repeated")


def laid_out(layout, rng):
    X, y = rows_of_grid((6, 4), rng)
    weights = None
    if layout == "grid, weights of axes":
        weights = np.kron(rng.uniform(1, 2, 6), rng.uniform(1, 2, 4))
    elif layout == "grid, weights":
        weights = rng.uniform(1, 2, 24)
    elif layout == "holes":
        X, y = np.delete(X, [3, 8, 20], axis=0), np.delete(y, [3, 8, 20])
    elif layout != "grid":
        X = X + rng.uniform(size=X.shape) / 20
    if layout == "repeated":
        X, y = np.r_[X, X[:9]], np.r_[y, y[:9] + 1]
    return X, y, weights


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=str)
def test_all_places_are_judged(layout, resolution, rng):
    X, y, weights = laid_out(layout, rng)
    samples = Samples(X, weights)
    stage = Stage.of(samples, samples.to_cells(y[:, None]))
    if resolution.radial:
        stage = stage.scattered
    assert stage.is_grid == (layout in LAYOUTS[:2] and not resolution.radial)
    given = np.ones(len(X)) if weights is None else weights
    places, cell = np.unique(X, axis=0, return_inverse=True)
    total = np.bincount(cell.ravel(), given)
    means = np.bincount(cell.ravel(), given * y) / total
    assert (stage.n_places, stage.n_axes) == (len(places), 2)
    assert stage.largest == (6 if stage.is_grid else len(places))
    K = dense_kernel(places, places, X, resolution)
    cross = dense_kernel(np.column_stack(stage.between), places, X, resolution)
    judged = stage.judge(resolution, ALPHAS)
    for i, alpha in enumerate(ALPHAS):
        shape = stage.cells.shape[1:] if stage.is_grid else None
        case = (K, cross, means[None], total / total.mean(), alpha)
        criterion, squared, _ = oracle(*case, shape=shape)
        criterion += 3 / np.sqrt(len(places)) if resolution.spacing else 0.0
        np.testing.assert_allclose(judged.criterion[i], criterion, rtol=0, atol=1e-6)
        np.testing.assert_allclose(judged.squared_error[i], squared, rtol=1e-6)


@pytest.mark.parametrize("is_grid", [False, True])
def test_points_between_lie_between(is_grid, rng):
    coordinates = [rng.uniform(5, 9, 30), rng.uniform(-3, -2, 30)]
    spacings = [AxisSpacing.through(x, 1.0, axis) for axis, x in enumerate(coordinates)]
    shape, roots = ((30, 30), [np.ones(30)] * 2) if is_grid else ((30,), [np.ones(30)])
    one, two = (
        Stage(spacings, coordinates, is_grid, np.zeros((1, *shape)), roots).between
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)
    for between, x in zip(one, coordinates, strict=True):
        assert x.min() <= between.min() < between.max() <= x.max()
        assert np.mean(np.isin(between, x)) < 0.1


def test_parts_and_outputs_of_a_stage(rng):
    X, y = rows_of_grid((6, 4), rng)
    cells = np.stack([y + k for k in range(7)], axis=-1)
    weights = np.kron(rng.uniform(1, 2, 6), rng.uniform(1, 2, 4))
    samples = Samples(X, weights)
    whole = Stage.of(samples, samples.to_cells(cells))
    rows = np.array([0, 5, 9, 23])
    part = whole.part(rows)
    np.testing.assert_array_equal(np.column_stack(part.coordinates), X[rows])
    np.testing.assert_array_equal(part.cells, cells[rows].T)
    np.testing.assert_allclose(part._roots[0] ** 2, weights[rows] / weights.mean())
    for n, kept in ((1, [0]), (3, [0, 3, 6]), (4, [0, 2, 4, 6]), (7, range(7)), (30, range(7))):
        fewer = whole.with_outputs(n)
        assert fewer.is_grid
        np.testing.assert_array_equal(fewer.cells, whole.cells[list(kept)])


@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_even_coordinates_need_no_map(n):
    even = np.linspace(3, 7, n)
    for x, is_even in ((even, True), (even**3, n <= 2)):
        samples = Samples(np.column_stack([x, even]), None)
        assert Stage.of(samples, np.zeros((1, *samples.shape))).is_even == is_even


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=str)
def test_encoders_of_a_resolution_have_its_kernel(resolution, rng):
    X, y, _ = laid_out("scattered", rng)
    samples = Samples(X, None)
    encoders = Stage.of(samples, samples.to_cells(y[:, None])).encoders(resolution)
    model = KroneckerRidge(
        encoders,
        penalty="radial" if resolution.radial else "similarity",
        spacing=resolution.spacing,
        alpha=0.01,
    ).fit(X, y)
    K = dense_kernel(X, X, X, resolution)
    between = X[1:] / 2 + X[:-1] / 2
    dual = np.linalg.solve(K + 0.01 * np.eye(len(X)), y - model.intercept_)
    expected = model.intercept_ + dense_kernel(between, X, X, resolution) @ dual
    np.testing.assert_allclose(model.predict(between), expected, atol=1e-9)
