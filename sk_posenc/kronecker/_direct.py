"""Solvers that factorise once, for all alphas and all targets."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sk_posenc.core.limits import limits_now
from sk_posenc.core.memory import check_memory
from sk_posenc.kronecker._axis import Expansion
from sk_posenc.kronecker._banded import BandedAxis, band_axis, can_band, solve_banded
from sk_posenc.kronecker._design import WAY_OUT, Design, Dual, kernel_of
from sk_posenc.kronecker._factors import (
    AxisFactor,
    condition_number,
    factor_axis,
    factor_kernel,
    factor_rows,
    residual_parts,
    solve_rotated,
    spectrum,
)
from sk_posenc.kronecker._leaves_out import LeavesOut
from sk_posenc.kronecker._posterior import (
    Posterior,
    PosteriorByAxis,
    PosteriorByKernel,
    PosteriorByRows,
)
from sk_posenc.kronecker._structured import apply_along_axes

# The share of residuals, the smallest, that show the noise; of that many standard deviations at
# most, and by so many standard errors more, as the sample of them is small.
_QUIET = 0.1
_QUIET_LIMIT = float(ndtri(0.5 + _QUIET / 2))
_STANDARD_ERRORS = 2.0

# Eigenvalues are exact to rounding of the largest: residuals at a smaller share of it, as alpha,
# are what a processor makes of them.
_SHOWN_BY = 1e-10

# Up to this condition number float32 moves a fit on a grid by less than 1e-4 of its spread: by its
# rounding error times the root of the condition number.
_SINGLE_UP_TO = 1e6


class Solver:
    """How the ridge problem of a design is solved; alphas are absolute.

    Attributes
    ----------
    design : Design
    expansion : Expansion
        What its coefficients are of.
    iterates : bool
        Whether it goes by conjugate gradients.
    """

    iterates = False

    def __init__(self, design: Design) -> None:
        self.design = design
        self.expansion: Expansion = design

    def solve(
        self, cells: NDArray, alpha: float, tolerance: float, max_iter: int, **begun: Any
    ) -> tuple[NDArray, int, float]:
        """Coefficients (q, k_1, ..., k_d), or dual ones (q, n), for centred targets.

        Parameters
        ----------
        cells : ndarray of shape (q, *shape of the samples)
        alpha : float
        tolerance, max_iter
            Of conjugate gradients.
        **begun
            What they begin with: see `Gradients`.

        Returns
        -------
        coefficients : ndarray
        n_iter : int
            Of conjugate gradients; 1 where the solution is direct.
        error : float
            See :class:`Iterated`.
        """
        raise NotImplementedError

    def condition_number(self, alpha: float) -> float:
        """Of the regularised system; NaN where it is not known."""
        raise NotImplementedError

    def posterior(self, alpha: float) -> Posterior:
        """What tells standard deviations, or a ValueError that says why nothing does."""
        raise NotImplementedError


class Factored(LeavesOut, Solver):
    """By eigenvalues: hat matrix, leave-one-out and alphas cost little once they are there.

    Attributes
    ----------
    factors : list of AxisFactor
        One, or one per axis.
    """

    factors: list[AxisFactor]

    # Whether float32 may do for float32 targets. Coefficients of samples, and of products of
    # features, lose as many digits as the condition number has.
    _keeps_precision = False

    def solve(
        self, cells: NDArray, alpha: float, tolerance: float, max_iter: int, **begun: Any
    ) -> tuple[NDArray, int, float]:
        dtype = np.dtype(np.float64)
        if self._keeps_precision and self.condition_number(alpha) <= _SINGLE_UP_TO:
            dtype = cells.dtype
        factors = [factor.astype(dtype) for factor in self.factors]
        weighed = self.weigh(cells).astype(dtype, copy=False)
        rotated = apply_along_axes(weighed, [factor.left for factor in factors])
        return self._from_rotated(rotated, factors, alpha), 1, 0.0

    def condition_number(self, alpha: float) -> float:
        return condition_number(self.factors, alpha)

    def rotate(self, cells: NDArray) -> NDArray:
        """Targets of all cells in the coordinates in which the problem is diagonal."""
        return apply_along_axes(self.weigh(cells), [factor.left for factor in self.factors])

    def solve_rotated(self, rotated: NDArray, alpha: float) -> NDArray:
        return self._from_rotated(rotated, self.factors, alpha)

    def _from_rotated(
        self, rotated: NDArray, factors: Sequence[AxisFactor], alpha: float
    ) -> NDArray:
        return self._coefficients(solve_rotated(rotated, factors, alpha))

    def _coefficients(self, solution: NDArray) -> NDArray:
        """Those of the expansion, from what the factors give."""
        return solution

    def _left(self, rotated: NDArray, alpha: float) -> tuple[NDArray, NDArray]:
        return residual_parts(rotated, self.factors, alpha)

    def noise_floor(self, rotated: NDArray, alpha: float) -> float:
        """Standard deviation that white noise may have, from the smallest leave-one-out residuals.

        Each residual is a known combination of samples, so that of noise alone its
        variance would be known. Where a signal has quiet parts, the least tenth of the
        residuals holds noise alone; where it has none, it is an upper bound. Two standard
        errors of that quantile are added: few samples tell little of their noise.

        Parameters
        ----------
        rotated : ndarray
            Targets by :meth:`rotate`, of a problem for leave-one-out.
        alpha : float
            Small: what the fit cannot follow is then noise. Where rounding would decide, a
            larger one takes its place.
        """
        eigenvalues = spectrum(self.factors)
        alpha = max(alpha, _SHOWN_BY * float(eigenvalues.max()))
        kept = alpha / (eigenvalues + alpha)
        bases = [factor.left[0].T for factor in self.factors]
        residuals = apply_along_axes(rotated * kept, [(U,) for U in bases])
        gain = apply_along_axes((kept**2)[None], [(U**2,) for U in bases])
        sizes = np.abs(residuals) / np.sqrt(gain)
        # the error of a quantile, as a share of it: by the density of residuals there
        density = math.sqrt(2 / math.pi) * math.exp(-(_QUIET_LIMIT**2) / 2)
        error = math.sqrt(_QUIET * (1 - _QUIET) / sizes.size) / (density * _QUIET_LIMIT)
        return float(np.quantile(sizes, _QUIET)) / _QUIET_LIMIT * (1 + _STANDARD_ERRORS * error)


class ByAxis(Factored):
    """A full grid: a factor of its own for each axis."""

    _keeps_precision = True

    def __init__(self, design: Design, side: str, by_gram: bool) -> None:
        super().__init__(design)
        self.factors = []
        for a, axis in enumerate(design.axes):
            twin = design.twin(a)
            self.factors.append(
                self.factors[twin]
                if twin < a
                else factor_axis(design.weighted(a), axis.whitening, side=side, by_gram=by_gram)
            )

    def weigh(self, cells: NDArray) -> NDArray:
        return weighed_grid(self.design, cells)

    def posterior(self, alpha: float) -> Posterior:
        return PosteriorByAxis(self.design, alpha)


class ByRows(Factored):
    """Products of the features of all axes at each sample, as one matrix."""

    def __init__(self, design: Design, side: str, by_gram: bool) -> None:
        super().__init__(design)
        features = design.multiplied()
        by_gram = by_gram and features.size > limits_now().exact_up_to
        rows = design.root_weights()[:, None] * features
        self.factors = [factor_axis(rows, side=side, by_gram=by_gram)]

    def _coefficients(self, solution: NDArray) -> NDArray:
        return self.design.from_white(solution)

    def posterior(self, alpha: float) -> Posterior:
        return PosteriorByRows(self.design, alpha)


class ByKernel(Factored):
    """The kernel matrix of the samples, where products of features are too many.

    Parameters
    ----------
    design : Design
    is_dual : bool
        Whether coefficients stay those of the samples.
    """

    def __init__(self, design: Design, is_dual: bool) -> None:
        super().__init__(design)
        if is_dual:
            self.expansion = Dual(design)
        roots = design.root_weights()
        n, now = len(roots), limits_now()
        if design.samples.on_grid and not design.samples.is_grid and n > now.dual_up_to:
            raise ValueError(
                "too large: off a full grid leave-one-out residuals and standard deviations need "
                f"an n x n matrix, and n may be at most {now.dual_up_to:,}: use fewer samples. Got "
                f"n = {n:,}."
            )
        check_memory((n, n), 24, WAY_OUT)
        if n * design.n_columns <= now.exact_up_to:
            self.factors = [factor_rows(roots[:, None] * design.multiplied())]
        else:
            white = design.white_rows()
            kernel = kernel_of(white, white) * roots[:, None] * roots
            self.factors = [factor_kernel(kernel)]

    def _coefficients(self, solution: NDArray) -> NDArray:
        dual = solution * self.design.root_weights()
        return dual if self.expansion.is_dual else self.design.from_dual(dual)

    def posterior(self, alpha: float) -> Posterior:
        return PosteriorByKernel(self.design, self.factors[0], alpha)


class ByBands(Solver):
    """A full grid of bases that end, each axis by the inverse of its Gram matrix."""

    def __init__(self, design: Design, bands: list[BandedAxis]) -> None:
        super().__init__(design)
        self._bands = bands

    def solve(
        self, cells: NDArray, alpha: float, tolerance: float, max_iter: int, **begun: Any
    ) -> tuple[NDArray, int, float]:
        weighed = weighed_grid(self.design, cells)
        return solve_banded(weighed, self._bands, alpha), 1, 0.0

    def condition_number(self, alpha: float) -> float:
        return condition_number(self._bands, alpha)

    def posterior(self, alpha: float) -> Posterior:
        return PosteriorByAxis(self.design, alpha)


def bands_of(design: Design, alpha: float) -> ByBands | None:
    """The solver by bands, where it gives the solution for all alphas up to one."""
    bands: list[BandedAxis] = []
    for a in range(len(design.axes)):
        twin = design.twin(a)
        band = bands[twin] if twin < a else band_axis(design.weighted(a))
        if band is None:
            return None
        bands.append(band)
    return ByBands(design, bands) if can_band(bands, alpha) else None


def weighed_grid(design: Design, cells: NDArray) -> NDArray:
    """Targets over a full grid, times the roots of their weights."""
    samples = design.samples
    if samples.axis_weights is None:
        return cells
    assert samples.weights is not None
    return cells * np.sqrt(samples.weights)
