"""Gaps between samples under a penalty of smoothness, filled by multigrid.

On a mesh of as many nodes as there are smooth functions the weight of samples is diagonal, and a
cycle of `Multigrid` is near the inverse of the whole problem, however wide its gaps are.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from sk_posenc.core.products import mode_products
from sk_posenc.kronecker._axis import Axis
from sk_posenc.kronecker._axis_cosines import AxisCosines
from sk_posenc.kronecker._conjugate_gradients import DiagonalPenalty, Penalty
from sk_posenc.kronecker._multigrid import Ladder, Multigrid
from sk_posenc.kronecker._samples import Samples

# How much less than samples ask for a function in a gap must cost, that multigrid pays; of samples
# that are scattered, and uneven anyway, in a gap of so many nodes along each axis.
PAYS = 5.0
WIDE = 6

# Steps that are judged together up to an exponent, and beyond, where they go less evenly.
_WINDOW, _GENTLE, _STEEP_WINDOW = 2, 2.0, 3

# Residuals below this share of the size of the function count as that: where penalties are weak
# they are far smaller than what is uncertain between the samples.
_LEAST = 0.003

# Density, over its mean, below which a cell has no samples; and how many times nodes are halved to
# such cells.
_EMPTY = 1e-3
_HALVINGS = 2


@dataclass(eq=False)
class SmoothGaps:
    """What knows of gaps between samples.

    Attributes
    ----------
    samples : Samples
    axes : sequence of Axis
    exponent : float
        Of the penalty.
    dtype : numpy.dtype
    """

    samples: Samples
    axes: Sequence[Axis]
    exponent: float
    dtype: np.dtype

    @cached_property
    def cosines(self) -> list[AxisCosines] | None:
        """None for a full grid, and where functions are no cosines."""
        if self.samples.is_grid:
            return None
        found = {id(axis): AxisCosines.of(axis, self.samples.on_grid) for axis in self.axes}
        cosines = [own for axis in self.axes if (own := found[id(axis)]) is not None]
        return cosines if len(cosines) == len(self.axes) else None

    @property
    def _found(self) -> list[AxisCosines]:
        assert self.cosines is not None
        return self.cosines

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(each.n_nodes for each in self._found)

    @cached_property
    def _symbol(self) -> NDArray[np.float64]:
        """The penalty of values at the nodes, in their cosines, per alpha."""
        total = np.full((), float(np.mean([axis.smooth.floor for axis in self.axes])))
        gains = np.ones(())
        for own in self._found:
            total = np.add.outer(total, own.roughness)
            gains = np.multiply.outer(gains, own.transform.gains**2)
        return np.asarray(total**self.exponent) / gains / math.prod(self.shape)

    @cached_property
    def _ladder(self) -> Ladder:
        top = [float(own.roughness[-1]) for own in self._found]
        return Ladder(self.shape, top, self.exponent, self.dtype)

    def penalty(self, plain: DiagonalPenalty, weights: NDArray | None, alpha: float) -> Penalty:
        """The same penalty, preconditioned by multigrid where that pays."""
        if self.cosines is None:
            return plain
        mass = self._mass(weights)
        symbol = alpha * self._symbol
        wide = self.samples.on_grid or is_wide(mass)
        if not wide or cheapest(mass, symbol) < PAYS:
            return plain
        multigrid = Multigrid(self._ladder, mass, symbol)
        window = _WINDOW if self.exponent <= _GENTLE else _STEEP_WINDOW
        return HoledPenalty(plain, self._found, multigrid, far_of(mass), window)

    def _mass(self, weights: NDArray | None) -> NDArray[np.float64]:
        """Weights of the samples at the nodes."""
        samples = self.samples
        flat = np.ones(samples.n_cells) if weights is None else weights.astype(np.float64)
        if samples.on_grid:
            spreads = [
                np.eye(len(x)) if own.on_nodes else own.spread_matrix(x).toarray()
                for own, x in zip(self._found, self._places, strict=True)
            ]
            cells = flat.reshape(1, *samples.shape)
            if all(own.on_nodes for own in self._found):
                return cells[0]
            return np.asarray(mode_products(cells, spreads)[0])
        return self._scattered(flat)

    @cached_property
    def _places(self) -> list[NDArray[np.float64]]:
        """Coordinates of the samples in widths of the domain."""
        found = []
        for axis in self.axes:
            low, high = axis.encoder.domain_[0]
            found.append((axis.coordinates - low) / (high - low))
        return found

    def _scattered(self, weights: NDArray) -> NDArray[np.float64]:
        """Of scattered samples, at the corners of their cells."""
        total = np.zeros(math.prod(self.shape))
        beside = [own.spread(x) for own, x in zip(self._found, self._places, strict=True)]
        for corner in np.ndindex(*(2,) * len(self.shape)):
            index = np.zeros(len(weights), dtype=np.intp)
            share = weights
            for n, (first, upper), at in zip(self.shape, beside, corner, strict=True):
                index = index * n + first + at
                share = share * (upper if at else 1 - upper)
            total += np.bincount(index, share, minlength=len(total))
        return total.reshape(self.shape)


def cheapest(mass: NDArray, symbol: NDArray) -> float:
    """How many times less than samples ask for a function in a gap costs, at most."""
    mean, worst = float(mass.mean()), 1.0
    while min(mass.shape) > 1:
        least = float(mass.min() / mass.mean())
        wave = float(symbol[tuple(n - 1 for n in mass.shape)]) / mean
        worst = max(worst, (1 + wave) / (least + wave))
        mass = _halved(mass)
    return worst


def is_wide(mass: NDArray) -> bool:
    """Whether any cube of several nodes has no samples."""
    return float(uniform_filter(mass, WIDE, mode="nearest").min()) < _EMPTY * float(mass.mean())


def far_of(mass: NDArray) -> NDArray[np.intp]:
    """Nodes in cells of several nodes without samples."""
    cells = mass
    for _ in range(_HALVINGS):
        cells = _halved(cells)
    empty = cells < _EMPTY * cells.mean()
    index = [np.arange(n) >> _HALVINGS for n in mass.shape]
    return np.flatnonzero(empty[np.ix_(*index)])


def _halved(mass: NDArray) -> NDArray:
    """Sums over pairs of nodes along each axis."""
    for a, n in enumerate(mass.shape):
        mass = np.add.reduceat(mass, np.arange(0, n, 2), axis=a)
    return mass


class HoledPenalty:
    """A penalty of smoothness for samples with gaps between them.

    Parameters
    ----------
    plain : DiagonalPenalty
    cosines : sequence of AxisCosines
    multigrid : Multigrid
    far : ndarray of ints
        Nodes without samples.
    window : int
        Steps that are judged together.
    """

    least = _LEAST

    def __init__(
        self,
        plain: DiagonalPenalty,
        cosines: Sequence[AxisCosines],
        multigrid: Multigrid,
        far: NDArray[np.intp],
        window: int,
    ) -> None:
        self.window = window
        self._plain, self._cosines, self._multigrid, self._far = plain, cosines, multigrid, far
        self._first = tuple(slice(0, each.n_cosines) for each in cosines)
        self._shape = tuple(each.n_nodes for each in cosines)
        self._inverse = 1 / self._diagonal()

    def _diagonal(self) -> NDArray:
        """Of samples and penalty, for the functions that are no cosines."""
        diagonal, size = self._plain.penalty, np.ones(())
        for a, each in enumerate(self._cosines):
            diagonal = np.take(diagonal, each.order, axis=a)
            own = np.ones(len(each.order), dtype=diagonal.dtype)
            if each.correction is not None:
                squares = np.tensordot(
                    each.correction.T**2, np.moveaxis(diagonal, a, 0)[: each.n_cosines], axes=1
                )
                np.moveaxis(diagonal, a, 0)[each.n_cosines :] += squares
                own[each.n_cosines :] = 0.0
            size = np.multiply.outer(size, own)
        return np.asarray(self._plain.total * size + diagonal)

    def apply(self, z: NDArray) -> NDArray:
        return np.asarray(self._plain.apply(z))

    def mean_square(self, z: NDArray) -> float:
        return self._plain.mean_square(z)

    def precondition(self, residual: NDArray) -> NDArray:
        return self._through(residual, self._multigrid)

    def nearest(self, residual: NDArray) -> NDArray | None:
        return self._through(residual, self._multigrid.solve)

    def _through(self, residual: NDArray, solve: Callable[[NDArray], NDArray]) -> NDArray:
        """A solution on the mesh, as one of all functions."""
        z = residual
        for a, each in enumerate(self._cosines):
            z = each.ordered(z, a)
            each.corrected_adjoint(z, a)
        values = self._in_mesh(z)
        for a, each in enumerate(self._cosines):
            values = each.transform.adjoint(values, a)
        values = solve(values)
        for a, each in enumerate(self._cosines):
            values = each.transform.cosines(values, a)
        z = z * self._inverse
        z[self._first] = values[self._first]
        for a, each in enumerate(self._cosines):
            each.corrected(z, a)
            z = each.given(z, a)
        return z

    def largest_far(self, z: NDArray) -> float:
        if not len(self._far):
            return 0.0
        for a, each in enumerate(self._cosines):
            z = each.ordered(z, a)
        values = self._in_mesh(z)
        for a, each in enumerate(self._cosines):
            values = each.transform.values(values, a)
        return float(np.abs(values.ravel()[self._far]).max())

    def _in_mesh(self, z: NDArray) -> NDArray:
        """Coefficients of the cosines of all nodes."""
        cosines = np.zeros(self._shape, dtype=z.dtype)
        cosines[self._first] = z[self._first]
        return cosines
