"""Predictions of a solved Kronecker ridge problem, and their variance, at any points."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.grids import find_grid, lattice_of
from sk_posenc.core.limits import limits_now
from sk_posenc.core.products import evaluate_at_rows, rowwise_kronecker
from sk_posenc.kronecker import _solvers as solvers
from sk_posenc.kronecker._axis import Expansion
from sk_posenc.kronecker._problem import Problem

# Points to predict that fill at least a quarter of a grid are predicted as that grid.
_CELLS_PER_POINT = 4


def evaluate(
    problem: Expansion,
    solution: NDArray,
    X: NDArray,
    orders: Sequence[int],
    offset: NDArray,
    posterior: "Posterior | None" = None,
) -> tuple[NDArray, NDArray | None]:
    """Values (m, q) plus an offset (q,), and the variance (m,) if asked."""
    if not problem.is_dual:
        grid = find_grid(X)
        coordinates, cells = (grid.coordinates, grid.position) if grid else (None, None)
        if grid is None:
            lattice = lattice_of(X, max(_CELLS_PER_POINT * len(X), limits_now().few_cells))
            if lattice is not None:
                coordinates, cells = lattice
        if coordinates is not None:
            features = problem.features_at(coordinates, orders)
            dtype = np.result_type(solution, X)
            matrices = [(each.astype(dtype, copy=False),) for each in features]
            values = solvers.apply_along_axes(solution.astype(dtype, copy=False), matrices)
            columns = values.reshape(len(values), -1)
            columns += offset.astype(dtype)[:, None]
            values = np.ascontiguousarray(columns.T)
            if cells is not None:
                values = np.take(values, cells, axis=0)
            if posterior is None:
                return values, None
            on_grid = posterior.variance_on_grid(features)
            if on_grid is not None:
                return values, on_grid.ravel()[slice(None) if cells is None else cells]
            return values, _by_rows(problem, X, orders, posterior.variance_of_rows)
    values = _by_rows(problem, X, orders, lambda each: problem.predict_rows(solution, each))
    variance = None
    if posterior is not None:
        variance = _by_rows(problem, X, orders, posterior.variance_of_rows)
    return values + offset, variance


def _by_rows(
    problem: Expansion,
    X: NDArray,
    orders: Sequence[int],
    function: Callable[[list[NDArray]], NDArray],
) -> NDArray:
    """A function of the features of each axis at rows of X, in blocks of bounded size."""
    width = sum(axis.n_columns for axis in problem.axes)
    n_rows = max(1, limits_now().block_bytes // (8 * width))
    blocks = [X[i : i + n_rows] for i in range(0, len(X), n_rows)]
    return np.concatenate([function(problem.features_at(list(b.T), orders)) for b in blocks])


class Posterior:
    """Variance of the posterior of a ridge problem, over the variance of the noise.

    ``phi' (A' A + alpha P)^-1 phi``; in the space of the samples, where coefficients are too
    many, ``(k(x, x) - k' (K + alpha)^-1 k) / alpha``.
    """

    def __init__(self, problem: Problem, alpha: float) -> None:
        self._problem, self._alpha = problem, alpha
        samples = problem.samples
        problem.check_linear()
        if problem.iterates:
            raise ValueError(
                "too large: standard deviations need an n x n matrix, and in layout_="
                f"{problem.layout!r} n may be at most {limits_now().direct_up_to:,}: predict with "
                f"return_std=False. Got n = {len(samples.occupied):,}."
            )
        self._by_kernel = problem.by_kernel
        if self._by_kernel:
            (factor,) = problem.factors
            self._basis = factor.left[0].T * problem.root_weights()[:, None]  # (n, n)
            self._inverse = 1 / (factor.eigenvalues + alpha)
            return
        if problem.by_axis:
            white = [axis.white(axis.features) for axis in problem.axes]
            if samples.axis_weights is not None:
                white = [
                    np.sqrt(w)[:, None] * A
                    for w, A in zip(samples.axis_weights, white, strict=True)
                ]
        else:
            features = [axis.white(axis.features) for axis in problem.axes]
            white = [problem.root_weights()[:, None] * rowwise_kronecker(features)]
        self._bases, eigenvalues = [], np.ones(())
        for A in white:
            _, s, Vt = np.linalg.svd(A, full_matrices=True)
            self._bases.append(Vt.T)  # (k, k)
            eigenvalues = np.multiply.outer(eigenvalues, np.pad(s**2, (0, len(Vt) - len(s))))
        self._inverse = 1 / (eigenvalues + alpha)

    def variance_on_grid(self, features: Sequence[NDArray]) -> NDArray | None:
        """At all combinations of points along each axis, (m_1, ..., m_d); None: by rows."""
        if not self._problem.by_axis:
            return None
        squares = [
            (axis.white(each) @ basis) ** 2
            for axis, each, basis in zip(self._problem.axes, features, self._bases, strict=True)
        ]
        return solvers.apply_along_axes(self._inverse[None], [(each,) for each in squares])[0]

    def variance_of_rows(self, features: Sequence[NDArray]) -> NDArray:
        """At points given by their features of each axis, (m,)."""
        problem = self._problem
        white = [axis.white(each) for axis, each in zip(problem.axes, features, strict=True)]
        variance = np.empty(len(white[0]))
        width = self._inverse.size * (len(white) if self._by_kernel else 1)
        rows = max(1, limits_now().block_bytes // (8 * width))
        for start in range(0, len(variance), rows):
            at = slice(start, start + rows)
            if self._by_kernel:
                block = [each[at] for each in features]
                own = problem.own_kernel(block)
                cross = problem.cross_kernel(block) @ self._basis
                variance[at] = (own - cross**2 @ self._inverse) / self._alpha
            elif problem.by_axis:
                squares = [
                    (each[at] @ basis) ** 2 for each, basis in zip(white, self._bases, strict=True)
                ]
                variance[at] = evaluate_at_rows(self._inverse[None], squares)[:, 0]
            else:
                rotated = rowwise_kronecker([each[at] for each in white]) @ self._bases[0]
                variance[at] = rotated**2 @ self._inverse
        return np.maximum(variance, 0.0)
