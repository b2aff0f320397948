"""Features of samples times coefficients, and back, without the Kronecker product of the axes.

Arrays over coefficients have shape (n_columns, r_1, ..., r_d), over samples
(n_columns, n); all are of one namespace, dtype and device.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.limits import limits_now
from sk_posenc.core.products import mode_products, rowwise_kronecker
from sk_posenc.encoders import csr
from sk_posenc.encoders.axis_functions import functions_of
from sk_posenc.kronecker._structured import Mirrored

Array = Any


class Rows(Protocol):
    """The map from coefficients to fitted values at the samples, and its adjoint."""

    def fitted(self, z: Array) -> Array: ...

    def adjoint(self, values: Array) -> Array: ...


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
            rest = rowwise_kronecker(others) if others else xp.ones_like(first[:, :1])
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
    """Whether only a few products of the features of all axes are not 0 in each row."""
    spans = [0 if each is None else each.span for each in map(_window, encoders)]
    return 0 < math.prod(spans) <= limits_now().sparse_entries


def _window(encoder: Any) -> csr.Windows | None:
    return functions_of(encoder)._window()


def sparse_products(
    encoders: Sequence[Any], coordinates: Sequence[NDArray], dtype: Any
) -> sparse.csr_array:
    """Products of the features of all axes, (n, k_1 ... k_d), the last axis running fastest."""
    windows = [each for each in map(_window, encoders) if each is not None]
    dtype, way_out = np.dtype(dtype), "fit fewer samples, or call partial_fit"
    csr.check_size(len(coordinates[0]), windows, True, dtype.itemsize, way_out)
    columns = [x.astype(np.float64, copy=False) for x in coordinates]
    return csr.encode(columns, windows, True, dtype, limits_now().row_block // 32)
