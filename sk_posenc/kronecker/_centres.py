"""Kernel ridge on the similarities to some of the samples, where there are too many for all."""

import math
import warnings
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from sk_posenc.core.limits import limits_now
from sk_posenc.core.memory import check_memory
from sk_posenc.kronecker._design import WAY_OUT, Dual
from sk_posenc.kronecker._direct import Solver
from sk_posenc.kronecker._leaves_out import LeavesOut
from sk_posenc.kronecker._posterior import Posterior, PosteriorOfDesign
from sk_posenc.kronecker._similarity import SimilarityDesign

# What centres leave of the kernel, summed over the samples, as a share of alpha times the number of
# centres. A model with so many parameters has about that variance there, summed likewise, so that
# a hundredth of it moves standard deviations by some 1 %, and values by less of them.
_LEFT = 0.01

# Centres that are drawn at a time, as a share of those there are: more is faster, and chooses them
# less well.
_AT_A_TIME = 0.1
_AT_LEAST = 16

# Of a block of centres, those that add less than this share of the most are as good as others.
_SAME = 1e-13


class ByCentres(LeavesOut, Solver):
    """Ridge on the similarities to centres, which are some of the places of the samples.

    With k(x) the similarities of x to the centres and ``L L'`` the kernel of these, the features
    ``L^-1 k(x)`` make the kernel of the samples, but for a part that is small beside the variance
    of the fit, where so many centres are allowed. All samples count in the fit.

    Parameters
    ----------
    design : SimilarityDesign
    alpha : float
        The least to come.
    steps : int, default=None
        Products that it may take. None: `centre_steps` of the limits.

    Attributes
    ----------
    left : float
        What the centres leave of the kernel, in the mean over the samples; in units of alpha.
    """

    design: SimilarityDesign

    def __init__(self, design: SimilarityDesign, alpha: float, steps: int | None = None) -> None:
        super().__init__(design)
        n, now = design.n_occupied, limits_now()
        steps = now.centre_steps if steps is None else steps
        most = max(1, min(now.centres_up_to, n, int(math.sqrt(steps / n))))
        check_memory((min(n, now.centre_numbers // most), most), 24, WAY_OUT)
        pool = _pool(n, now.centre_numbers // most)
        found = _draw_centres(design.at(pool), design.root_weights()[pool], most, alpha * _LEFT)
        self.left = found.left / alpha
        self.centres = design.at(pool[found.centres])
        self._lower = found.lower
        self._known = found.features if len(pool) == n else None
        self.expansion = Dual(self.centres)

    def solve(
        self, cells: NDArray, alpha: float, tolerance: float, max_iter: int, **begun: Any
    ) -> tuple[NDArray, int, float]:
        targets = self.design.weigh(cells.astype(np.float64, copy=False))
        white = self._white_solution(targets, alpha)
        solution = linalg.solve_triangular(
            self._lower, white, lower=True, trans="T", check_finite=False
        )
        return np.ascontiguousarray(solution.T), 1, 0.0

    def _white_solution(self, targets: NDArray, alpha: float) -> NDArray[np.float64]:
        values, vectors = self._spectrum
        sums = np.zeros((len(values), len(targets)))
        for at, features in self._blocks():
            sums += features.T @ targets[:, at].T
        return vectors @ ((vectors.T @ sums) / (values + alpha)[:, None])

    def condition_number(self, alpha: float) -> float:
        values = self._spectrum[0]
        return float((values.max() + alpha) / (values.min() + alpha))

    def posterior(self, alpha: float) -> Posterior:
        return _PosteriorByCentres(self, alpha)

    def warn_of_few(self, alpha: float) -> None:
        """Warn of too few centres: what they leave of the kernel is as much as alpha."""
        if self.left >= 1:
            warnings.warn(
                f"{len(self._lower):,} of {self.design.n_occupied:,} samples are centres, as many "
                f"as their time allows, and leave {self.left:.2g} times alpha of the kernel: the "
                f"fit is smoother than it should be. Raise alpha (now {alpha:g}), lower "
                "stable_rank, use fewer samples, or take KroneckerRidgeCV, which compares",
                UserWarning,
                stacklevel=5,
            )

    def _left(self, rotated: NDArray, alpha: float) -> tuple[NDArray, NDArray]:
        white = self._white_solution(rotated, alpha)
        values, vectors = self._spectrum
        residuals, remaining = np.empty_like(rotated), np.empty(rotated.shape[1])
        for at, features in self._blocks():
            residuals[:, at] = rotated[:, at] - (features @ white).T
            remaining[at] = 1 - (features @ vectors) ** 2 @ (1 / (values + alpha))
        return residuals, np.maximum(remaining, np.finfo(np.float64).eps)

    def left_out_together(
        self, cells: NDArray, held: NDArray[np.bool_], alpha: float
    ) -> NDArray[np.float64]:
        """Residuals of occupied cells that are held out of the fit; (q, n_held).

        Parameters
        ----------
        cells : ndarray of shape (q, *shape)
        held : ndarray of shape (n_occupied,)
        alpha : float
        """
        targets, roots = self.design.weigh(cells), self.design.root_weights()
        rest = np.where(held, 0.0, targets)
        gram = np.zeros(self._lower.shape)
        sums = np.zeros((len(gram), len(targets)))
        for at, features in self._blocks():
            sums += features.T @ rest[:, at].T
            of_held = features[held[at]]
            gram += of_held.T @ of_held
        values, vectors = self._spectrum
        gram = (vectors * values) @ vectors.T - gram
        gram[np.diag_indices_from(gram)] += alpha
        white = linalg.solve(gram, sums, assume_a="pos", check_finite=False)
        fitted = np.concatenate([f[held[at]] @ white for at, f in self._blocks()]).T
        return (targets[:, held] - fitted) / roots[held]

    @cached_property
    def _spectrum(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Eigenvalues and vectors of the Gram matrix of the features of all samples."""
        gram = np.zeros(self._lower.shape)
        for _, features in self._blocks():
            gram += features.T @ features
        values, vectors = linalg.eigh(gram, overwrite_a=True, driver="evd", check_finite=False)
        return np.maximum(values, 0.0), vectors

    def white_rows(self) -> NDArray[np.float64]:
        """White features of all samples, times the roots of their weights; (n, r)."""
        return np.concatenate([features for _, features in self._blocks()])

    def white(self, features: Sequence[NDArray]) -> NDArray[np.float64]:
        """What similarities along each axis are as features whose norm is the penalty; (m, r)."""
        kernel = self.centres.cross_kernel(features)
        return linalg.solve_triangular(self._lower, kernel.T, lower=True, check_finite=False).T

    def _blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """White features of the samples, times the roots of their weights."""
        roots, places, known = self.design.root_weights(), self.design.places(), self._known
        step = max(1, limits_now().block_bytes // (8 * len(self._lower)))
        for start in range(0, len(roots), step):
            at = slice(start, start + step)
            if known is None:
                features = self.white(self.centres.functions_at(x[at] for x in places))
            else:
                features = known[at]
            yield at, features * roots[at, None]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_known": None}  # large, and found again


class _Centres(NamedTuple):
    """Rows that are centres, and the Cholesky factor of their kernel.

    And what they make of all rows: white features, and what they leave in the mean.
    """

    centres: NDArray[np.intp]
    lower: NDArray[np.float64]
    features: NDArray[np.float64]
    left: float


def _pool(n: int, most: int) -> NDArray[np.intp]:
    """Rows that centres are drawn from: all, or so many, always the same ones."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).permutation(n)[:most])


def _draw_centres(
    design: SimilarityDesign, roots: NDArray[np.float64], most: int, tolerance: float
) -> _Centres:
    """Centres by a Cholesky factorisation with random pivots.

    Places are drawn in proportion to what the centres so far leave of their variance. So isolated
    places are drawn as soon as crowded ones are known. See Chen, Epperly, Tropp and Webber,
    *Randomly pivoted Cholesky*, 2023.
    """
    places, random = design.places(), np.random.default_rng(0)
    n = len(roots)
    squares = roots**2
    left = np.ones(n)
    factor, centres = np.empty((n, most)), np.empty(most, dtype=np.intp)
    k = 0
    while k < most and np.sum(left * squares) > tolerance * max(k, 1):
        wanted = min(max(_AT_LEAST, int(_AT_A_TIME * k)), most - k)
        drawn = np.unique(_drawn(random, left * squares, wanted))
        chosen = design.at(drawn)
        columns = chosen.cross_kernel(chosen.functions_at(places))
        columns -= factor[:, :k] @ factor[drawn, :k].T
        among = columns[drawn]
        least = max(_SAME * float(among.diagonal().max()), np.finfo(np.float64).eps)
        lower, order, rank, _ = linalg.lapack.dpstrf(among, tol=least, lower=1)
        if rank == 0:
            break
        kept = order[:rank] - 1
        block = np.tril(lower[:rank, :rank])
        new = linalg.solve_triangular(block, columns[:, kept].T, lower=True, check_finite=False).T
        factor[:, k : k + rank], centres[k : k + rank] = new, drawn[kept]
        left = np.maximum(left - np.sum(new**2, axis=1), 0.0)
        left[drawn] = 0.0
        k += rank
    features = np.ascontiguousarray(factor[:, :k])
    lower = np.tril(features[centres[:k]])
    return _Centres(centres[:k], lower, features, float(np.mean(left * squares)))


def _drawn(
    random: np.random.Generator, weights: NDArray[np.float64], size: int
) -> NDArray[np.intp]:
    """Places in proportion to their weights."""
    total = np.cumsum(weights)
    return np.searchsorted(total, random.uniform(0, total[-1], size), side="right")


class _PosteriorByCentres(PosteriorOfDesign):
    """What the features know, and what the centres leave of the kernel of a point."""

    def __init__(self, solver: ByCentres, alpha: float) -> None:
        super().__init__(solver.centres, alpha)
        values, self._vectors = solver._spectrum
        self._inverse, self._white = 1 / (values + alpha), solver.white
        self._width = len(values) * (1 + len(solver.centres.axes))
        self._is_of_noise = False

    def _of_noise(self) -> Self:
        again = copy(self)
        again._inverse = self._inverse - self._alpha * self._inverse**2
        again._is_of_noise = True
        return again

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        white = self._white(features)
        known = (white @ self._vectors) ** 2 @ self._inverse
        if self._is_of_noise:
            return known
        return known + np.maximum(math.prod(own) - np.sum(white**2, axis=1), 0.0) / self._alpha
