"""The solver by conjugate gradients, for what is too large to factorise."""

import math
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._axis import diagonalise
from sk_posenc.kronecker._conjugate_gradients import Diagonal, Iteration, Scheme, dtype_for
from sk_posenc.kronecker._design import Design
from sk_posenc.kronecker._device import DeviceRows, Place
from sk_posenc.kronecker._direct import Solver
from sk_posenc.kronecker._gaps import SmoothGaps
from sk_posenc.kronecker._perturbed import DRAWN_TOLERANCE, PosteriorByDraws
from sk_posenc.kronecker._posterior import (
    PosteriorByProducts,
    PosteriorBySamples,
    PosteriorOfSystem,
)
from sk_posenc.kronecker._rows import (
    DenseRows,
    GridRows,
    Rows,
    SparseRows,
    can_be_sparse,
    sparse_products,
)
from sk_posenc.kronecker._structured import apply_along_axes, mirrored
from sk_posenc.kronecker.penalties import Smoothness

# A penalty that is smaller, relative to what samples weigh, is none in double precision.
_LEAST_ALPHA = float(np.finfo(np.float64).eps) ** 2


class Gradients(Solver):
    """Conjugate gradients in coefficients in which the penalty is diagonal.

    Parameters
    ----------
    design : Design
    layout : str
        For messages.
    place : Place
        Where they run.
    """

    iterates = True

    def __init__(self, design: Design, layout: str, place: Place) -> None:
        super().__init__(design)
        self._layout, self._place = layout, place

    def solve(
        self, cells: NDArray, alpha: float, tolerance: float, max_iter: int, **begun: Any
    ) -> tuple[NDArray, int, float]:
        """As of every solver.

        Parameters
        ----------
        cells, alpha, tolerance, max_iter
            See `Solver`.
        **begun : {"iteration", "start"}
            See :meth:`iteration` and :meth:`Iteration.solve`.
        """
        if alpha < _LEAST_ALPHA:
            raise ValueError(
                f"conjugate gradients, as used in layout_={self._layout!r}, need alpha > 0 that is "
                f"not lost in rounding: raise alpha. Got alpha={alpha:g}."
            )
        iteration: Iteration = begun.get("iteration") or self.iteration(tolerance)
        start = begun.get("start")
        columns = cells.reshape(len(cells), -1)
        settings: dict[str, Any] = {"tolerance": tolerance, "max_iter": max_iter}
        starts = [] if start is None else [start]
        solved = iteration.solve(columns, alpha, start=starts, **settings)
        n_iter = solved.n_iter
        if solved.rounded and iteration.dtype == np.float32:
            iteration = self._iteration_in(np.float64)
            solved = iteration.solve(columns, alpha, start=solved.uncorrelated, **settings)
            n_iter += solved.n_iter
        error = 0.0 if solved.rounded else solved.error  # no arithmetic comes nearer
        return self._unrotated(solved.z), n_iter, error

    def condition_number(self, alpha: float) -> float:
        if self.design.adds_up:
            return math.nan
        # compressing a matrix to the samples keeps it within its bounds
        top = self.design.total_weight() * float(self._spectral[1].max())
        return (top + alpha) / alpha if alpha > 0 else math.inf

    def posterior(self, alpha: float) -> PosteriorOfSystem:
        """Exact for few samples or products of features; else by functions that are drawn."""
        rotations, size, per_alpha = self._spectral
        samples, n_occupied, now = self.design.samples, self.design.n_occupied, limits_now()
        weights = np.ones(samples.n_cells) if samples.weights is None else samples.weights.ravel()
        if size.size > now.direct_up_to:
            if (
                n_occupied <= now.direct_up_to
                and n_occupied * self.design.n_columns <= now.row_block
            ):
                return PosteriorBySamples(self.design, alpha)
            return self._drawn(alpha, partial(self._drawn, alpha))
        rows, place = self._rows_for(np.float64), self._place
        gram, step = np.empty((size.size, size.size)), max(1, now.row_block // len(weights))
        placed = place.array(weights)
        for start in range(0, size.size, step):
            some = np.eye(size.size)[start : start + step].reshape(-1, *size.shape)
            image = rows.adjoint(placed * rows.fitted(place.array(some)))
            gram[start : start + step] = to_numpy(image).reshape(len(some), -1)
        moments = to_numpy(rows.adjoint(placed[None]))
        of_samples = n_occupied, float(weights.sum())
        return PosteriorByProducts(gram, moments, *of_samples, alpha * per_alpha, rotations)

    def _drawn(
        self, alpha: float, noise_alone: Callable[[], PosteriorByDraws] | None = None
    ) -> PosteriorByDraws:
        rotations, size, per_alpha = self._spectral
        samples = self.design.samples
        weights = np.ones(samples.n_cells) if samples.weights is None else samples.weights.ravel()
        iteration = self._iteration_in(dtype_for(DRAWN_TOLERANCE, self.design.n_occupied))
        penalty = alpha * per_alpha
        return PosteriorByDraws(iteration, weights, size, penalty, rotations, alpha, noise_alone)

    def left_over(self, cells: NDArray, solution: NDArray) -> NDArray:
        """Residuals at all cells, (q, *shape of the samples)."""
        fitted = self._rows_in(None, np.float64).fitted(self._place.array(solution))
        return cells - to_numpy(fitted).reshape(cells.shape)

    @cached_property
    def _spectral(self) -> tuple[list[NDArray], NDArray, NDArray]:
        return diagonalise(self.design.axes, self.design.penalty)

    def of_design(self, design: Design) -> Self:
        """The same for another penalty of the same axes."""
        return type(self)(design, self._layout, self._place)

    def iteration(self, tolerance: float) -> Iteration:
        """What conjugate gradients need down to a tolerance; large, and not kept."""
        return self._iteration_in(dtype_for(tolerance, self.design.n_occupied))

    def _iteration_in(self, dtype: Any) -> Iteration:
        weights = self.design.samples.weights
        return Iteration(
            self._rows_for(dtype),
            self._place,
            np.dtype(dtype),
            None if weights is None else weights.ravel(),
            self.scheme(dtype),
        )

    def scheme(self, dtype: Any) -> Scheme:
        """How an iteration solves, all that the penalty decides."""
        _, size, per_alpha = self._spectral
        size, per_alpha = (self._place.array(each.astype(dtype)) for each in (size, per_alpha))
        penalty, gaps = self.design.penalty, None
        if self.design.adds_up and isinstance(penalty, Smoothness) and self._place.device is None:
            design = self.design
            gaps = SmoothGaps(design.samples, design.axes, penalty.exponent, np.dtype(dtype))
        return Diagonal(size, per_alpha, gaps)

    def _rows_for(self, dtype: Any) -> Rows:
        return self._rows_in([each.astype(dtype) for each in self._spectral[0]], dtype)

    def _rows_in(self, rotations: list[NDArray] | None, dtype: Any) -> Rows:
        """Rows of coefficients that are rotated along each axis, or as they are."""
        place, axes = self._place, self.design.axes

        def turned(features: NDArray, a: int) -> NDArray:
            features = features.astype(dtype)
            return features if rotations is None else features @ rotations[a]

        if self.design.samples.on_grid:
            return GridRows([place.array(turned(axis.features, a)) for a, axis in enumerate(axes)])
        encoders = [axis.encoder for axis in axes]
        if can_be_sparse(encoders):
            coordinates = [axis.coordinates for axis in axes]
            matrix = sparse_products(encoders, coordinates, dtype)
            shape = tuple(axis.n_columns for axis in axes)
            steps = [mirrored(each, place.array) for each in rotations or []]
            if place.device is None:
                return SparseRows(matrix, shape, steps)
            return DeviceRows(matrix, shape, steps, place)
        self.design.check_axes()
        blocks = list(self.design.row_blocks())
        return DenseRows(
            [
                place.array(
                    np.concatenate([turned(axis.at(axis.coordinates[at]), a) for at in blocks])
                )
                for a, axis in enumerate(axes)
            ]
        )

    def _unrotated(self, z: NDArray) -> NDArray:
        """Coefficients of those that conjugate gradients have."""
        return apply_along_axes(z, [(each,) for each in self._spectral[0]])
