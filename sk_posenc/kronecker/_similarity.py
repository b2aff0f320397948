"""Kronecker ridge whose kernel is the similarity of the encoders, and which has no features."""

import math
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.core.products import evaluate_at_rows
from sk_posenc.encoders.axis_functions import functions_of
from sk_posenc.kronecker._design import Design, Dual
from sk_posenc.kronecker._direct import ByAxis, ByKernel, Factored, weighed_grid
from sk_posenc.kronecker._factors import factor_kernel, spectrum
from sk_posenc.kronecker._posterior import Posterior, PosteriorOfKernel
from sk_posenc.kronecker._spacing import own_through
from sk_posenc.kronecker._structured import apply_along_axes


class SimilarityDesign(Design):
    """Samples whose functions along an axis are the similarities to its coordinates.

    The kernel of two points is the product of their similarities along the axes, 1 at no distance.
    """

    on_host = True

    @property
    def by_axis(self) -> bool:
        """Whether the kernel is a Kronecker product of kernels of the axes."""
        return self.samples.is_grid

    def cross_kernel(self, features: Sequence[NDArray]) -> NDArray:
        first, *others = (each[:, i] for each, i in zip(features, self.rows(), strict=True))
        for each in others:
            first = first * each
        return first

    def own_at(self, coordinates: Sequence[NDArray], orders: Sequence[int]) -> list[NDArray]:
        return [
            own_through(axis.spacing, functions_of(axis.encoder)._own_similarity, x, order)
            for axis, x, order in zip(self.axes, coordinates, orders, strict=True)
        ]

    def weighted_kernel(self) -> NDArray[np.float64]:
        """That of the occupied cells, between the roots of their weights; a new array (n, n)."""
        roots, n = self.root_weights(), self.n_occupied
        kernel = np.empty((n, n))
        step = max(1, limits_now().block_bytes // (8 * n * (1 + len(self.axes))))
        for start in range(0, n, step):
            at = slice(start, start + step)
            kernel[at] = self.cross_kernel(self._features_of(at)) * roots[at, None] * roots
        return kernel

    def _features_of(self, at: slice) -> list[NDArray[np.float64]]:
        """Of some of the occupied cells; off a grid these are large, and not kept."""
        samples = self.samples
        if not samples.on_grid:
            return [axis.penalty.functions(axis, axis.coordinates[at]) for axis in self.axes]
        places = np.unravel_index(samples.occupied[at], samples.shape)
        return [axis.features[i] for axis, i in zip(self.axes, places, strict=True)]

    def dual_along_axes(self, dual: NDArray) -> NDArray | None:
        return self.in_cells(dual) if self.samples.on_grid else None

    def places(self) -> list[NDArray]:
        """Coordinates of the occupied cells along each axis, as encoders see them."""
        return [axis.coordinates[i] for axis, i in zip(self.axes, self.rows(), strict=True)]

    def at(self, rows: NDArray[np.intp]) -> Self:
        """The same similarities, of some of the occupied cells alone, without their weights."""
        again = copy(self)
        again.axes = [
            replace(axis, coordinates=x[rows])
            for axis, x in zip(self.axes, self.places(), strict=True)
        ]
        again.samples = self.samples.scattered(rows)
        return again

    def functions_at(self, places: Iterable[NDArray]) -> list[NDArray[np.float64]]:
        """Of places as encoders see them."""
        return [axis.penalty.functions(axis, x) for axis, x in zip(self.axes, places, strict=True)]


class SimilarityByAxis(ByAxis):
    """A full grid: the kernel of each axis by its eigenvalues."""

    _keeps_precision = False  # coefficients are those of the samples

    def __init__(self, design: SimilarityDesign) -> None:
        Factored.__init__(self, design)
        self.factors = []
        for a in range(len(design.axes)):
            twin = design.twin(a)
            self.factors.append(
                self.factors[twin] if twin < a else factor_kernel(_weighted_axis(design, a))
            )

    def _coefficients(self, solution: NDArray) -> NDArray:
        return weighed_grid(self.design, solution)

    def posterior(self, alpha: float) -> Posterior:
        return _PosteriorByAxis(self, alpha)


class SimilarityByKernel(ByKernel):
    """Samples that are no full grid: their kernel by its eigenvalues."""

    def __init__(self, design: SimilarityDesign) -> None:
        Factored.__init__(self, design)
        self.expansion = Dual(design)
        self.factors = [factor_kernel(design.weighted_kernel())]


def factorised(design: SimilarityDesign) -> Factored:
    return SimilarityByAxis(design) if design.by_axis else SimilarityByKernel(design)


def _weighted_axis(design: Design, a: int) -> NDArray[np.float64]:
    weights = design.samples.axis_weights
    rows = design.weighted(a)
    return rows if weights is None else rows * np.sqrt(weights[a])


class _PosteriorByAxis(PosteriorOfKernel):
    """On a full grid."""

    def __init__(self, solver: SimilarityByAxis, alpha: float) -> None:
        super().__init__(solver.design, alpha)
        weights = solver.design.samples.axis_weights
        self._bases = [factor.left[0].T for factor in solver.factors]
        if weights is not None:
            self._bases = [
                np.sqrt(w)[:, None] * U for w, U in zip(weights, self._bases, strict=True)
            ]
        self._inverse = 1 / (spectrum(solver.factors) + alpha)
        self._width = self._inverse.size

    def on_grid(self, features: Sequence[NDArray], own: Sequence[NDArray] = ()) -> NDArray | None:
        squares = self._squares(features)
        explained = apply_along_axes(self._inverse[None], [(each,) for each in squares])[0]
        before = np.ones(())
        for each in own:
            before = np.multiply.outer(before, each)
        return np.maximum(self._variance(before, explained), 0.0)

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        explained = evaluate_at_rows(self._inverse[None], self._squares(features))[:, 0]
        return self._variance(math.prod(own), explained)

    def _squares(self, features: Sequence[NDArray]) -> list[NDArray]:
        return [(each @ basis) ** 2 for each, basis in zip(features, self._bases, strict=True)]
