"""Levels of nodes, and which of them a coordinate sees with which weight."""

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.arrays import Array, device_of

# Multipliers of the spatial hash, one an axis: those of Instant NGP, then primes below 2 ** 32. A
# product with a node stays within 64 bits, and the first axis runs through the table in order.
_PRIMES = (
    1,
    2_654_435_761,
    805_459_861,
    3_674_653_429,
    2_097_192_037,
    1_434_869_437,
    2_165_219_737,
    4_294_967_291,
    4_294_967_279,
    4_294_967_231,
)
MOST_AXES = len(_PRIMES)


@dataclass(frozen=True)
class GridLevels:
    """Grids of several resolutions on one domain, their nodes numbered through.

    Parameters
    ----------
    cells : ndarray of int, shape (n_levels, n_axes)
        Cells of the domain.
    order : int
        Degree of the B-spline around a node: 1 (a triangle), 2 or 3.
    wraps : tuple of n_axes bool
        Whether the last cell is followed by the first.
    table_size : int
        Most nodes of a level; one with more shares so many among all of its nodes.
    """

    cells: NDArray[np.int64]
    order: int
    wraps: tuple[bool, ...]
    table_size: int

    @property
    def nodes(self) -> NDArray[np.int64]:
        """Nodes that a level has along each axis: splines reach over the ends of the domain."""
        over = 1 if self.order == 1 else 3
        return np.where(np.array(self.wraps), self.cells, self.cells + over)

    @property
    def sizes(self) -> list[int]:
        """Nodes of each level, or entries of its table."""
        return [min(each, self.table_size) for each in self._whole()]

    @property
    def hashed(self) -> list[bool]:
        """Whether nodes of a level share entries of a table."""
        return [each > self.table_size for each in self._whole()]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Number of the first node of each level, and of all nodes."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    @property
    def n_seen(self) -> int:
        """Nodes of a level that a coordinate sees."""
        return int((self.order + 1) ** self.cells.shape[1])

    def _whole(self) -> list[int]:
        return [math.prod(each) for each in self.nodes.tolist()]

    def seen(self, places: Array, xp: ModuleType) -> tuple[Array, Array]:
        """Nodes that places see, and their weights.

        Parameters
        ----------
        places : array of shape (n, n_levels, n_axes)
            In cells from the lower end of the domain.
        xp : module
            The namespace of `places`.

        Returns
        -------
        nodes, weights : arrays of shape (n, n_levels, n_seen)
        """
        n_axes = places.shape[2]
        device = device_of(places)

        def constant(values: NDArray) -> Array:
            return xp.asarray(values, device=device)

        steps = constant(np.arange(self.order + 1, dtype=np.int64))
        is_hashed = np.array(self.hashed)
        strides, nodes = self._strides(), self.nodes
        numbers: Array = None
        codes: Array = None
        weights: Array = None
        for axis in range(n_axes):
            first, own = self._along(places[:, :, axis], axis, xp)
            near = first[:, :, None] + steps
            if self.wraps[axis]:
                near = near % constant(nodes[:, axis])[None, :, None]
            plain = near * constant(strides[:, axis])[None, :, None]
            numbers = _outer(numbers, plain, xp.add)
            weights = _outer(weights, own, xp.multiply)
            if is_hashed.any():
                codes = _outer(codes, near * _PRIMES[axis], xp.bitwise_xor)
        if is_hashed.any():
            within = codes % self.table_size
            numbers = xp.where(constant(is_hashed)[None, :, None], within, numbers)
        return numbers + constant(self.starts[:-1])[None, :, None], weights

    def _strides(self) -> NDArray[np.int64]:
        """Steps from a node to the next along each axis; 0 where a level is hashed."""
        nodes = self.nodes
        strides = np.ones_like(nodes)
        for axis in range(nodes.shape[1] - 2, -1, -1):
            strides[:, axis] = strides[:, axis + 1] * nodes[:, axis + 1]
        strides[np.array(self.hashed)] = 0  # numbers of so many nodes may not fit
        return strides

    def _along(self, u: Array, axis: int, xp: ModuleType) -> tuple[Array, Array]:
        """The first node of an axis that places see, and the weights of all."""
        middle = 0.5 if self.order == 2 else 0.0
        first = xp.floor(u + middle)
        if not self.wraps[axis]:
            last = self.cells[:, axis] - (0 if self.order == 2 else 1)
            limit = xp.asarray(last.astype(np.float64), dtype=u.dtype, device=device_of(u))
            first = xp.minimum(xp.clip(first, 0.0, None), limit[None, :])
        return xp.astype(first, xp.int64), _spline(u - first, self.order, xp)


def _outer(before: Array | None, own: Array, combine: object) -> Array:
    """Each entry of the axes before with each of the next one."""
    if before is None:
        return own
    joined = combine(before[:, :, :, None], own[:, :, None, :])  # type: ignore[operator]
    return joined.reshape((*own.shape[:2], -1))


def _spline(t: Array, order: int, xp: ModuleType) -> Array:
    """Weights of the nodes in reach, (..., order + 1), from the place beside the first cell."""
    if order == 1:
        parts = [1 - t, t]
    elif order == 2:
        parts = [(0.5 - t) ** 2 / 2, 0.75 - t**2, (0.5 + t) ** 2 / 2]
    else:
        s = 1 - t
        parts = [
            s**3 / 6,
            2 / 3 - t**2 + t**3 / 2,
            2 / 3 - s**2 + s**3 / 2,
            t**3 / 6,
        ]
    return xp.stack(parts, axis=-1)


def resolutions(
    coarsest: NDArray[np.int64], finest: NDArray[np.int64], n_levels: int
) -> NDArray[np.int64]:
    """Cells of each level along each axis, each level finer than the last by the same factor."""
    if n_levels == 1:
        return finest[None, :].copy()
    shares = np.arange(n_levels)[:, None] / (n_levels - 1)
    return np.rint(coarsest * (finest / coarsest) ** shares).astype(np.int64)
