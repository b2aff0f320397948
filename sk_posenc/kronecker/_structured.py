"""Matrices along an axis whose structure saves work: the same from both ends, in bands."""

from collections.abc import Callable, Sequence

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sk_posenc.core.arrays import Array
from sk_posenc.core.products import mode_products, times

# Rows of a matrix that share a range of columns in a product.
_BAND_ROWS = 32

# Entries below this share of the rounding error of the largest do not change a sum.
_NOTHING = 1e-3


class Mirrored:
    """A matrix whose columns are the same from both ends, the first ones even, the others odd.

    Its products, and those of its transpose, take half the work.

    Parameters
    ----------
    even, odd : arrays of shape (ceil(k / 2), n_even) and (floor(k / 2), n_odd)
        The upper halves of the columns.
    transposed : bool
    """

    def __init__(self, even: Array, odd: Array, transposed: bool = False) -> None:
        self._even, self._odd, self._transposed = even, odd, transposed
        rows, columns = even.shape[0] + odd.shape[0], even.shape[1] + odd.shape[1]
        self.shape = (columns, rows) if transposed else (rows, columns)

    @property
    def T(self) -> "Mirrored":  # noqa: N802  as arrays have it
        return Mirrored(self._even, self._odd, not self._transposed)

    def times(self, array: Array) -> Array:
        """The product with the middle axis of an array of three axes."""
        xp = array_namespace(array)
        half = self._odd.shape[0]
        if self._transposed:
            above, below = array[:, :half, :], xp.flip(array, axis=1)[:, :half, :]
            middle = array[:, half : self._even.shape[0], :]
            both = xp.concat([above + below, middle], axis=1)
            parts = [times(self._even.T, both), times(self._odd.T, above - below)]
        else:
            n_even = self._even.shape[1]
            even, odd = times(self._even, array[:, :n_even, :]), array[:, n_even:, :]
            odd = times(self._odd, odd)
            first, middle = even[:, :half, :], even[:, half:, :]
            parts = [first + odd, middle, xp.flip(first - odd, axis=1)]
        return xp.concat(parts, axis=1)


def mirrored(matrix: NDArray, to: Callable[[NDArray], Array]) -> Array | Mirrored:
    """A matrix, or its halves if its columns are the same from both ends, where they belong."""
    flipped, half = matrix[::-1], len(matrix) // 2
    even = int(np.sum((matrix == flipped).all(axis=0)))
    symmetric = half and (matrix[:, :even] == flipped[:, :even]).all()
    if not (symmetric and (matrix[:, even:] == -flipped[:, even:]).all()):
        return to(matrix)
    upper, lower = matrix[: len(matrix) - half, :even], matrix[:half, even:]
    return Mirrored(to(np.ascontiguousarray(upper)), to(np.ascontiguousarray(lower)))


class Chain:
    """Matrices that follow each other along an axis, the first one first, each in bands.

    Parameters
    ----------
    steps : sequence of ndarrays
        None of them: the identity.
    """

    def __init__(self, steps: Sequence[NDArray]) -> None:
        self._steps = steps

    def times(self, array: NDArray) -> NDArray:
        """The product with the middle axis of an array of three axes."""
        for matrix in self._steps:
            array = _banded(matrix, array)
        return array


def _banded(matrix: NDArray, array: NDArray) -> NDArray:
    before, _, after = array.shape
    out = np.empty((before, len(matrix), after), dtype=np.result_type(array, matrix))
    for rows, columns in bands_of(matrix):
        if after == 1:
            np.matmul(array[:, columns, 0], matrix[rows, columns].T, out=out[:, rows, 0])
        else:
            np.matmul(matrix[rows, columns], array[:, columns], out=out[:, rows])
    return out


def bands_of(matrix: NDArray) -> list[tuple[slice, slice]]:
    """Blocks of rows and the columns where they differ from 0; one block unless it pays."""
    m, n = matrix.shape
    whole = [(slice(0, m), slice(0, n))]
    if min(m, n) <= 4 * _BAND_ROWS:
        return whole
    sizes = np.abs(matrix)
    nonzero = sizes > _NOTHING * np.finfo(matrix.dtype).eps * sizes.max()
    starts = np.arange(0, m, _BAND_ROWS)
    touched = np.logical_or.reduceat(nonzero, starts, axis=0)  # (n_blocks, n)
    blocks, area = [], 0
    for start, row in zip(starts, touched, strict=True):
        columns = np.flatnonzero(row)
        first, last = (columns[0], columns[-1] + 1) if len(columns) else (0, 1)
        stop = min(start + _BAND_ROWS, m)
        blocks.append((slice(int(start), int(stop)), slice(int(first), int(last))))
        area += (stop - start) * (last - first)
    return blocks if area < m * n / 2 else whole


def apply_along_axes(array: NDArray, matrices: Sequence[Sequence[NDArray]]) -> NDArray:
    """Mode products: along grid axis a, the matrices of ``matrices[a]`` in turn.

    Parameters
    ----------
    array : ndarray of shape (n_columns, n_1, ..., n_d)
    matrices : sequence of d sequences of ndarrays
        The first of axis a has shape (m, n_a).
    """
    return mode_products(array, [Chain(steps) for steps in matrices])
