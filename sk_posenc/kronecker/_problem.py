"""Samples, encoders and a penalty as one ridge problem: its layout, and what solves it."""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.core.memory import check_memory
from sk_posenc.kronecker._adaptive import SteeredGradients, check_steered
from sk_posenc.kronecker._axis import Axis, fit_axes
from sk_posenc.kronecker._centres import ByCentres
from sk_posenc.kronecker._cholesky import ByCholesky, cholesky_of
from sk_posenc.kronecker._design import WAY_OUT, Design
from sk_posenc.kronecker._device import NUMPY, Place
from sk_posenc.kronecker._direct import ByAxis, ByKernel, ByRows, Factored, Solver, bands_of
from sk_posenc.kronecker._gradients import Gradients
from sk_posenc.kronecker._line import ByLine, check_exponent, is_line, line_solver
from sk_posenc.kronecker._line_adaptive import SteeredLine
from sk_posenc.kronecker._posterior import Posterior, PosteriorOfSystem
from sk_posenc.kronecker._radial import RadialDesign
from sk_posenc.kronecker._rows import can_be_sparse
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._similarity import SimilarityDesign, factorised
from sk_posenc.kronecker.penalties import ADAPTIVE, RADIAL, RIDGE, SIMILARITY, Penalty

# The Gram matrix squares the condition number; down to this alpha that does no harm.
_GRAM_ALPHA = 1e-9

# Bytes for each product of functions where a fit needs most: axis by axis; by conjugate gradients,
# under a penalty that is a product over the axes or adds up over them; with steered penalties.
_BY_AXIS, _ITERATED, _ADDING_UP, _STEERED = 100, 200, 320, 400

Alphas = Sequence[float] | NDArray[np.float64]

_DESIGNS: dict[Penalty, type[Design]] = {SIMILARITY: SimilarityDesign, RADIAL: RadialDesign}


class Problem:
    """A Kronecker ridge problem, for all alphas and all targets.

    Parameters
    ----------
    samples : Samples
    encoder : encoder or one per axis
    penalty : Penalty
    share : float, default=None
        Stable rank as a share of the samples per axis, in place of what encoders say.
    whole : bool
        Whether leave-one-out will be asked for.
    alphas : sequence of floats
        Those to come.
    place : Place
        Where conjugate gradients run.
    spacing : float or one per axis
        How far the shifts of an axis follow its samples.
    by_centres : bool
        Whether a kernel that is no product over the axes goes by some of the samples.
    axes : list of Axis, default=None
        In place of encoder, share and spacing.

    Attributes
    ----------
    design : Design
    layout : {"grid", "holes", "scattered", "dual", "centres"}
    solver : Solver
    scale : float
        What an alpha of 1 is for the solver.
    """

    def __init__(
        self,
        samples: Samples,
        encoder: Any,
        penalty: Penalty,
        *,
        share: float | None = None,
        whole: bool = False,
        alphas: Alphas = (0.0,),
        place: Place = NUMPY,
        spacing: Any = 0.0,
        by_centres: bool = False,
        axes: list[Axis] | None = None,
    ) -> None:
        self.samples = samples
        self._by_gram = min(alphas) >= _GRAM_ALPHA
        self._given: dict[str, Any] = {
            "whole": whole, "alphas": alphas, "place": place, "by_centres": by_centres,
        }  # fmt: skip
        if axes is None:
            axes = fit_axes(samples, encoder, penalty, share, spacing)
        kind = _DESIGNS.get(penalty, Design)
        self.design = design = kind(samples, axes, penalty)
        check_exponent(design)
        line = _line_of(design, alphas, whole)
        if line is not None:
            self.layout = "grid" if samples.is_grid else "holes"
            self.solver = line
            if penalty == SIMILARITY:
                self.scale = 1.0
            elif penalty.counts_samples:
                self.scale = design.total_weight()
            else:
                self.scale = line.mean_diagonal()
            return
        self.layout, iterates = _layout_of(design)
        if by_centres and self.layout == "dual":
            self.layout = "centres"
        if isinstance(design, SimilarityDesign):
            self.scale = 1.0
        elif penalty.counts_samples:
            self.scale = design.total_weight()
        else:
            self.scale = design.mean_diagonal(by_blocks=iterates and not samples.on_grid)
        self._iterates = iterates

    @cached_property
    def solver(self) -> Solver:
        design, whole, alphas = self.design, self._given["whole"], self._given["alphas"]
        if self.layout == "centres":
            assert isinstance(design, SimilarityDesign)
            return ByCentres(design, min(alphas))
        by_cholesky = None if whole else cholesky_of(design, alphas)
        if by_cholesky is not None:
            return by_cholesky
        if self._iterates:
            kind = SteeredGradients if design.penalty == ADAPTIVE else Gradients
            return kind(design, self.layout, self._given["place"])
        if not whole and self._by_gram and self._is_by_axis() and design.penalty == RIDGE:
            banded = bands_of(design, max(alphas) * self.scale)
            if banded is not None:
                return banded
        return self._factored("samples" if whole else "smaller")

    def _factored(self, side: str) -> Factored:
        if isinstance(self.design, SimilarityDesign):
            return factorised(self.design)
        if self._is_by_axis():
            return ByAxis(self.design, side, self._by_gram)
        # dual coefficients take the place of coefficients where those are too many
        if self.layout == "scattered" and not self.design.adds_up:
            return ByRows(self.design, side, self._by_gram)
        return ByKernel(self.design, is_dual=self.layout == "dual")

    def _is_by_axis(self) -> bool:
        return self.layout == "grid" and not self.design.adds_up

    @property
    def factored(self) -> Factored:
        """The solver of a problem that is ready for leave-one-out."""
        assert isinstance(self.solver, Factored)
        return self.solver

    def left_over(
        self, cells: NDArray, alpha: float, solution: NDArray, posterior: Callable[[], Posterior]
    ) -> tuple[NDArray, float]:
        """Residuals at the cells, and how many samples' worth of freedom the fit has left.

        Parameters
        ----------
        cells : ndarray of shape (q, *shape of the samples)
            Centred targets.
        alpha : float
        solution : ndarray
            Of the solver.
        posterior : callable
            Gives that of the solver.
        """
        solver = self.solver
        if isinstance(solver, Gradients):
            system = posterior()
            assert isinstance(system, PosteriorOfSystem)
            return solver.left_over(cells, solution), system.freedom
        if isinstance(solver, ByCholesky | ByLine | ByCentres):
            return solver.left_over(cells, alpha)
        return self._factored("samples").left_over(cells, alpha)

    def with_axes(self, axes: list[Axis], samples: Samples | None = None) -> "Problem":
        """A problem of other axes, and of other samples if given, with the same settings."""
        return Problem(
            self.samples if samples is None else samples,
            None,
            self.design.penalty,
            axes=axes,
            **self._given,
        )

    def of_part(self, samples: Samples) -> "Problem":
        """The same functions, of other samples; on a grid of the same coordinates."""
        axes = self.design.axes
        if not samples.on_grid:
            axes = [axis.on(x) for axis, x in zip(axes, samples.coordinates, strict=True)]
        return self.with_axes(axes, samples)

    def with_penalty(self, penalty: Penalty) -> "Problem":
        """The same problem, which iterates, under another penalty of smoothness."""
        again = copy(self)
        again.design = self.design.with_penalty(penalty)
        assert isinstance(self.solver, Gradients)
        again.solver = self.solver.of_design(again.design)
        return again


def _line_of(design: Design, alphas: Sequence[float] | NDArray, whole: bool) -> ByLine | None:
    """What solves one axis with many places by bands; None where that is not possible."""
    if not is_line(design, alphas, whole):
        return None
    return SteeredLine.of(design) if design.penalty == ADAPTIVE else line_solver(design, alphas)


def _layout_of(design: Design) -> tuple[str, bool]:
    """What the samples are, and whether conjugate gradients must solve."""
    if design.penalty == ADAPTIVE:
        return _steered_layout(design), True
    if isinstance(design, SimilarityDesign):
        return _kernel_layout(design), False
    samples, n, now = design.samples, design.n_occupied, limits_now()
    small = n * design.n_columns <= now.exact_up_to and n <= now.direct_up_to
    if samples.on_grid:
        design.check_axes()
        direct = not design.adds_up and (samples.is_grid or n <= now.direct_up_to)
        iterates = not (direct or small)
        per_product = _ADDING_UP if design.adds_up else _ITERATED
        _check_products(design, per_product if iterates else _BY_AXIS)
        return ("grid" if samples.is_grid else "holes"), iterates
    if not design.adds_up:
        return _scattered_layout(design)
    if not small and len(design.axes) > now.iterated_axes:
        raise ValueError(
            f"a penalty of smoothness works for up to {now.iterated_axes} axes, or few functions: "
            f'use penalty="ridge". Got {len(design.axes)} axes and {design.n_columns:,} products '
            "of functions."
        )
    if not small:
        _check_products(design, _ADDING_UP)
    return "scattered", not small


def _check_products(design: Design, bytes_each: int) -> None:
    check_memory((design.n_columns,), bytes_each, WAY_OUT)


def _kernel_layout(design: SimilarityDesign) -> str:
    if design.by_axis:
        design.check_axes()
        return "grid"
    n = design.n_occupied
    if n > limits_now().dual_up_to:
        return "centres"
    check_memory((n, n), 20, "use fewer samples, or another penalty")
    return "dual"


def _steered_layout(design: Design) -> str:
    check_steered(axis.encoder for axis in design.axes)
    _check_products(design, _STEERED)
    if not design.samples.on_grid:
        return "scattered"
    design.check_axes()
    return "grid" if design.samples.is_grid else "holes"


def _scattered_layout(design: Design) -> tuple[str, bool]:
    """Of samples that are no grid, under a penalty that is a product over the axes."""
    n, k, now = design.n_occupied, design.n_columns, limits_now()
    if n <= min(k, now.direct_up_to):
        return "dual", False
    if k <= now.direct_up_to:
        check_memory((n, k), 24, WAY_OUT)
        return "scattered", False
    encoders = [axis.encoder for axis in design.axes]
    if len(encoders) <= now.iterated_axes and (can_be_sparse(encoders) or n > now.dual_up_to):
        _check_products(design, _ITERATED)
        return "scattered", True
    if n <= now.dual_up_to:
        check_memory((n, n), 24, WAY_OUT)
        return "dual", False
    raise ValueError(
        f"too large: {n:,} samples off a grid need a matrix of {n:,} x {n:,} "
        f"({8 * n * n / 2**30:,.1f} GiB), or {k:,} products of the features of all axes. At most "
        f"{now.dual_up_to:,} samples, or {now.iterated_axes} axes, are possible: {WAY_OUT}"
    )
