"""Smooth functions of an axis as cosines on its domain, with values at evenly spaced nodes.

The functions in which the slopes of an axis are diagonal are nearly cosines, in the order of their
roughness. A few at the end are not: they live at the ends of the domain.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.fft import dct, idct

from sk_posenc.kronecker._axis import Axis

# Functions are cosines where this share of their size is one, for the smoother half of them; and a
# rougher one counts as one down to the second share.
_COSINE, _ALIKE = 0.9, 0.5

# Samples lie on nodes if they are off by this share of a gap at most.
_ON_NODES = 1e-6

_FEWEST = 4


@dataclass(frozen=True, eq=False)
class AxisCosines:
    """The functions of an axis, cosines first.

    Attributes
    ----------
    order : ndarray of shape (r,)
        Functions from the smooth to the rough.
    gains : ndarray of shape (r,)
        How large each of the first ones is at the nodes, as a cosine.
    roughness : ndarray of shape (n_nodes,)
        Of cosines that are 1 at the nodes.
    n_cosines : int
    correction : ndarray of shape (n_cosines, r - n_cosines) or None
        Cosines with the same values at the nodes as each of the other functions, where samples lie
        on nodes.
    places : ndarray of shape (n_nodes,)
        The nodes, in widths of the domain.
    on_nodes : bool
        Whether they are the coordinates of the samples, from end to end. Else they are the middles
        of equal cells.
    """

    order: NDArray[np.intp]
    gains: NDArray[np.float64]
    roughness: NDArray[np.float64]
    n_cosines: int
    correction: NDArray[np.float64] | None
    places: NDArray[np.float64]
    on_nodes: bool

    @classmethod
    def of(cls, axis: Axis, on_grid: bool) -> Self | None:
        """None where the functions are no cosines."""
        encoder = axis.encoder
        low, high = encoder.domain_[0]
        shifts = getattr(encoder, "shifts_", [np.empty(0)])[0]
        slack = _ON_NODES * (high - low) / max(1, len(shifts))  # shifts at the ends are rounded
        n = int(np.sum((shifts >= low - slack) & (shifts <= high + slack)))
        if n < _FEWEST:
            return None
        places = np.linspace(0.0, 1.0, n)
        own = (axis.coordinates - low) / (high - low)
        on_nodes = on_grid and len(own) == n and bool(np.abs(own - places).max() * n <= _ON_NODES)
        if not on_nodes:
            places = (np.arange(n) + 0.5) / n
        order = np.argsort(axis.smooth.roughness, kind="stable")
        values = axis.at(low + (high - low) * places) @ axis.smooth.basis[:, order]
        shares = np.diagonal(_Transform(n, on_nodes, np.ones(n)).cosines(values, 0))
        if np.any(np.abs(shares[: n // 2]) < _COSINE):
            return None
        unlike = np.flatnonzero(np.abs(shares) < _ALIKE)
        n_cosines = int(unlike[0]) if len(unlike) else len(shares)
        gains: NDArray[np.float64] = np.ones(len(order))
        gains[:n_cosines] = shares[:n_cosines]
        rank = float(encoder.stable_rank_[0])
        roughness = np.square(math.pi / rank * np.arange(n, dtype=np.float64))
        roughness[:n_cosines] = axis.smooth.roughness[order[:n_cosines]]
        correction = None
        if on_nodes and n_cosines < len(order):
            first, others = values[:, :n_cosines], values[:, n_cosines:]
            correction = np.asarray(np.linalg.lstsq(first, others, rcond=1e-10)[0], np.float64)
        return cls(order, gains, roughness, n_cosines, correction, places, on_nodes)

    @property
    def n_nodes(self) -> int:
        return len(self.places)

    @cached_property
    def transform(self) -> "_Transform":
        gains = np.ones(self.n_nodes)
        gains[: self.n_cosines] = self.gains[: self.n_cosines]
        return _Transform(self.n_nodes, self.on_nodes, gains)

    def spread(self, places: NDArray) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The lower of the two nodes beside each place, and the share of the upper one."""
        n = self.n_nodes
        at = np.clip(places * n - 0.5, 0, n - 1)
        first = np.minimum(at.astype(np.intp), n - 2)
        return first, at - first

    def spread_matrix(self, places: NDArray) -> sparse.csr_array:
        """From places to nodes, (n_nodes, n_places)."""
        first, share = self.spread(places)
        rows, columns = np.concatenate([first, first + 1]), np.tile(np.arange(len(places)), 2)
        shape = (self.n_nodes, len(places))
        return sparse.csr_array((np.concatenate([1 - share, share]), (rows, columns)), shape=shape)

    def ordered(self, z: NDArray, axis: int) -> NDArray:
        """Coefficients of an array along an axis with those of cosines first."""
        return np.take(z, self.order, axis=axis)

    def given(self, z: NDArray, axis: int) -> NDArray:
        """The way back."""
        return np.take(z, np.argsort(self.order), axis=axis)

    def corrected(self, z: NDArray, axis: int) -> None:
        """Take from the other functions what cosines have at the nodes, in place."""
        if self.correction is not None:
            along = np.moveaxis(z, axis, 0)
            n, matrix = self.n_cosines, self.correction.astype(z.dtype)
            along[:n] -= np.tensordot(matrix, along[n:], axes=1)

    def corrected_adjoint(self, z: NDArray, axis: int) -> None:
        if self.correction is not None:
            along = np.moveaxis(z, axis, 0)
            n, matrix = self.n_cosines, self.correction.astype(z.dtype)
            along[n:] -= np.tensordot(matrix.T, along[:n], axes=1)


class _Transform:
    """Between values at nodes and coefficients of functions that are cosines there."""

    def __init__(self, n: int, to_ends: bool, gains: NDArray) -> None:
        self._kind, self.gains = (1 if to_ends else 2), gains
        self._roots = np.full(n, (n - to_ends) ** -0.5)
        if to_ends:
            self._roots[[0, -1]] *= math.sqrt(0.5)

    def cosines(self, values: NDArray, axis: int) -> NDArray:
        scaled = _along(self._roots, values, axis) * values
        found = dct(scaled, type=self._kind, axis=axis, norm="ortho")
        return np.asarray(found / _along(self.gains, values, axis))

    def adjoint(self, cosines: NDArray, axis: int) -> NDArray:
        """Of :meth:`cosines`."""
        scaled = cosines / _along(self.gains, cosines, axis)
        return _along(self._roots, cosines, axis) * self._inverse(scaled, axis)

    def values(self, cosines: NDArray, axis: int) -> NDArray:
        scaled = cosines * _along(self.gains, cosines, axis)
        return self._inverse(scaled, axis) / _along(self._roots, cosines, axis)

    def _inverse(self, cosines: NDArray, axis: int) -> NDArray:
        return np.asarray(idct(cosines, type=self._kind, axis=axis, norm="ortho"))


def _along(vector: NDArray, array: NDArray, axis: int) -> Any:
    return vector.astype(array.dtype).reshape(-1, *[1] * (array.ndim - axis - 1))
