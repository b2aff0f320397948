"""A kernel of samples by its Cholesky factor: one alpha, many times faster than eigenvalues."""

import math
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._design import Design, Dual
from sk_posenc.kronecker._direct import Factored, Solver
from sk_posenc.kronecker._leaves_out import with_one
from sk_posenc.kronecker._posterior import Posterior, PosteriorOfDesign
from sk_posenc.kronecker._similarity import SimilarityDesign, factorised


class _Factor(NamedTuple):
    """``L L' = K + alpha`` with the weighted kernel K of the samples."""

    alpha: float
    lower: NDArray[np.float64]
    condition: float


class ByCholesky(Solver):
    """The kernel matrix of samples off a grid, or along one axis.

    Where rounding leaves no Cholesky factor, its eigenvalues take over.
    """

    design: SimilarityDesign

    def __init__(self, design: SimilarityDesign) -> None:
        super().__init__(design)
        if not design.by_axis:
            self.expansion = Dual(design)
        self._last: _Factor | None = None

    def solve(
        self, cells: NDArray, alpha: float, tolerance: float, max_iter: int, **begun: Any
    ) -> tuple[NDArray, int, float]:
        factor = self._factor(alpha)
        if factor is None:
            return self._by_eigenvalues.solve(cells, alpha, tolerance, max_iter)
        targets = self.design.weigh(cells.astype(np.float64, copy=False))
        solution = linalg.cho_solve((factor.lower, True), targets.T, check_finite=False).T
        return np.ascontiguousarray(solution) * self.design.root_weights(), 1, 0.0

    def condition_number(self, alpha: float) -> float:
        """A bound: LAPACK's estimate in the norm of largest sums of rows, or that over alpha."""
        factor = self._factor(alpha)
        return self._by_eigenvalues.condition_number(alpha) if factor is None else factor.condition

    def posterior(self, alpha: float) -> Posterior:
        factor = self._factor(alpha)
        if factor is None:
            return self._by_eigenvalues.posterior(alpha)
        return _PosteriorByCholesky(self.design, factor)

    def left_over(self, cells: NDArray, alpha: float) -> tuple[NDArray, float]:
        """As :meth:`LeavesOut.left_over`."""
        factor = self._factor(alpha)
        if factor is None:
            return self._by_eigenvalues.left_over(cells, alpha)
        samples, roots = self.design.samples, self.design.root_weights()
        dual, *_ = self.solve(with_one(cells), alpha, 0.0, 0)
        of_mean = alpha * float(np.sum(dual[-1]) / np.sum(roots**2))
        root, _ = linalg.lapack.dtrtri(factor.lower, lower=1)
        left = np.zeros((len(cells), samples.n_cells))
        left[:, samples.occupied] = alpha * dual[:-1] / roots**2
        freedom = alpha * float(np.sum(np.tril(root) ** 2)) - of_mean
        return left.reshape(cells.shape), freedom

    def _factor(self, alpha: float) -> _Factor | None:
        """That of an alpha; the last one is kept. None where rounding leaves none."""
        if self._last is None or self._last.alpha != alpha:
            matrix = self.design.weighted_kernel()
            matrix[np.diag_indices_from(matrix)] += alpha
            size = max(float(np.sum(np.abs(row))) for row in matrix)
            try:
                # symmetric: its transpose has LAPACK's order, and no copy is made
                lower = linalg.cholesky(matrix.T, lower=True, overwrite_a=True, check_finite=False)
            except linalg.LinAlgError:
                return None
            share, _ = linalg.lapack.dpocon(lower, size, uplo="L")
            # no eigenvalue is larger than a sum of a row, or smaller than alpha
            condition = min(1 / share if share > 0 else math.inf, size / alpha)
            self._last = _Factor(alpha, lower, condition)
        return self._last

    @cached_property
    def _by_eigenvalues(self) -> Factored:
        return factorised(self.design)

    def __getstate__(self) -> dict[str, Any]:
        # large, and found again from the samples when asked for
        dropped = {"_last": None}
        return {k: v for k, v in self.__dict__.items() if k != "_by_eigenvalues"} | dropped


def cholesky_of(design: Design, alphas: Sequence[float] | NDArray) -> ByCholesky | None:
    """The solver of a single alpha, where it is faster than eigenvalues for many."""
    if not isinstance(design, SimilarityDesign) or len(alphas) > 1 or alphas[0] == 0:
        return None
    if design.by_axis and len(design.axes) > 1:
        return None
    return ByCholesky(design) if design.n_occupied > limits_now().eigen_up_to else None


class _PosteriorByCholesky(PosteriorOfDesign):
    """``(k(x, x) - k' (K + alpha)^-1 k) / alpha``."""

    def __init__(self, design: SimilarityDesign, factor: _Factor) -> None:
        super().__init__(design, factor.alpha)
        self._lower, self._roots = factor.lower, design.root_weights()
        self._width = len(self._roots) * (1 + len(design.axes))
        self._is_of_noise = False

    def _of_noise(self) -> Self:
        again = copy(self)
        again._is_of_noise = True
        return again

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        cross = self._design.cross_kernel(features) * self._roots
        if self._is_of_noise:
            solved = linalg.cho_solve((self._lower, True), cross.T, check_finite=False)
            return np.sum(solved**2, axis=0)
        whitened = linalg.solve_triangular(self._lower, cross.T, lower=True, check_finite=False)
        return (math.prod(own) - np.sum(whitened**2, axis=0)) / self._alpha
