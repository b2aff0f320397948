"""Features of samples times coefficients, and back, without the Kronecker product of the axes.

Arrays over coefficients have shape (n_columns, r_1, ..., r_d), over samples
(n_columns, n); all are of one namespace, dtype and device.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.limits import limits_now
from sk_posenc.core.memory import check_memory
from sk_posenc.encoders import _csr
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder

Array = Any


class Rows(Protocol):
    """The map from coefficients to fitted values at the samples, and its adjoint."""

    def fitted(self, z: Array) -> Array: ...

    def adjoint(self, values: Array) -> Array: ...


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
            parts = [_times(self._even.T, both), _times(self._odd.T, above - below)]
        else:
            n_even = self._even.shape[1]
            even, odd = _times(self._even, array[:, :n_even, :]), array[:, n_even:, :]
            odd = _times(self._odd, odd)
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


def _times(matrix: Array, array: Array) -> Array:
    xp = array_namespace(array)
    if array.shape[2] == 1:
        return xp.matmul(array[:, :, 0], matrix.T)[:, :, None]
    return xp.matmul(matrix, array)


def mode_products(array: Array, matrices: Sequence[Array | Mirrored]) -> Array:
    """Matrix a along axis a + 1 of an array (n_columns, n_1, ..., n_d), for all a."""
    xp = array_namespace(array)
    for axis, matrix in enumerate(matrices, start=1):
        shape = tuple(array.shape)
        block = xp.reshape(array, (math.prod(shape[:axis]), shape[axis], -1))
        product = matrix.times(block) if isinstance(matrix, Mirrored) else _times(matrix, block)
        array = xp.reshape(product, (*shape[:axis], matrix.shape[0], *shape[axis + 1 :]))
    return array


class GridRows:
    """The cells of a grid, all of them, in C order.

    Parameters
    ----------
    features : list of d arrays of shape (n_a, r_a)
    """

    def __init__(self, features: list[Array]) -> None:
        self._features = features
        self._back = [each.T for each in features]
        self._shape = tuple(each.shape[0] for each in features)

    def fitted(self, z: Array) -> Array:
        values = mode_products(z, self._features)
        return array_namespace(values).reshape(values, (z.shape[0], -1))

    def adjoint(self, values: Array) -> Array:
        cells = array_namespace(values).reshape(values, (values.shape[0], *self._shape))
        return mode_products(cells, self._back)


class SparseRows:
    """Rows of bases that end: a sparse matrix of products, after a rotation of each axis.

    Parameters
    ----------
    matrix : csr_array of shape (n, k_1 ... k_d)
    shape : tuple (k_1, ..., k_d)
    rotations : list of d matrices of shape (k_a, r_a), or empty for none
    """

    def __init__(
        self,
        matrix: sparse.csr_array,
        shape: tuple[int, ...],
        rotations: Sequence[Array | Mirrored],
    ) -> None:
        self.matrix, self._shape = matrix, shape
        self._rotations = rotations
        self._back = [each.T for each in rotations]

    def fitted(self, z: NDArray) -> NDArray:
        flat = mode_products(z, self._rotations).reshape(len(z), -1)
        return np.stack([self.matrix @ column for column in flat])

    def adjoint(self, values: NDArray) -> NDArray:
        flat = np.stack([self.matrix.T @ column for column in values])
        return mode_products(flat.reshape(len(values), *self._shape), self._back)


class DenseRows:
    """Rows by the features of each axis, multiplied out block by block.

    Parameters
    ----------
    features : list of d arrays of shape (n, r_a)
    """

    def __init__(self, features: list[Array]) -> None:
        self._features = features
        self._shape = tuple(each.shape[1] for each in features)
        width = max(1, math.prod(self._shape[1:]))
        self._step = max(1, limits_now().row_block // width)

    def _blocks(self) -> Any:
        xp = array_namespace(self._features[0])
        for start in range(0, self._features[0].shape[0], self._step):
            first, *others = (each[start : start + self._step, :] for each in self._features)
            rest = xp.ones_like(first[:, :1])
            for each in others:
                rest = xp.reshape(rest[:, :, None] * each[:, None, :], (first.shape[0], -1))
            yield slice(start, start + first.shape[0]), first, rest

    def fitted(self, z: Array) -> Array:
        xp = array_namespace(z)
        columns = xp.reshape(z, (z.shape[0], self._shape[0], -1))
        parts = [
            xp.sum(xp.matmul(first, columns) * rest, axis=2) for _, first, rest in self._blocks()
        ]
        return xp.concat(parts, axis=1)

    def adjoint(self, values: Array) -> Array:
        xp = array_namespace(values)
        total: Any = 0.0
        for at, first, rest in self._blocks():
            total = total + xp.matmul(first.T, values[:, at, None] * rest)
        return xp.reshape(total, (values.shape[0], *self._shape))


def can_be_sparse(encoders: Sequence[Any]) -> bool:
    """Whether products of the features of all axes are 0 but for a few of each row."""
    if not all(
        isinstance(each, ShiftedBasisEncoder) and math.isfinite(each._basis.support)
        for each in encoders
    ):
        return False
    return math.prod(each._windows()[0].span for each in encoders) <= limits_now().sparse_entries


def sparse_products(
    encoders: Sequence[ShiftedBasisEncoder], coordinates: Sequence[NDArray], dtype: Any
) -> sparse.csr_array:
    """Products of the features of all axes, (n, k_1 ... k_d), the last axis running fastest."""
    windows = [each._windows()[0] for each in encoders]
    widths = [window.n_shifts for window in windows]
    per_row = math.prod(window.span for window in windows)
    n = len(coordinates[0])
    n_entries, shape = n * per_row, (n, math.prod(widths))
    index, dtype = _csr.index_dtype(shape, n_entries), np.dtype(dtype)
    check_memory(
        (n_entries,), index.itemsize + dtype.itemsize, "fit fewer samples, or call partial_fit"
    )
    n_rows = max(1, limits_now().row_block // 32 // per_row)
    blocks = [
        encoder._window_values(0, x.astype(np.float64, copy=False), window, n_rows, index)
        for encoder, x, window in zip(encoders, coordinates, windows, strict=True)
    ]
    joined = (_csr.product(list(block), widths) for block in zip(*blocks, strict=True))
    in_order = not any(window.wraps for window in windows)
    return _csr.assemble(joined, shape, n_entries, dtype, in_order)
