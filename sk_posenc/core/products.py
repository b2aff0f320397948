"""Products with the Kronecker product of matrices, one for each axis, without forming it."""

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from array_api_compat import array_namespace

from sk_posenc.core.arrays import Array


class Structured(Protocol):
    """A matrix that has a product of its own."""

    def times(self, array: Array) -> Array:
        """The product with the middle axis of an array (before, n, after)."""


def times(matrix: Array, array: Array) -> Array:
    """A matrix (m, n) times the middle axis of an array (before, n, after)."""
    xp = array_namespace(array)
    if array.shape[2] == 1:
        return xp.matmul(array[:, :, 0], matrix.T)[:, :, None]
    return xp.matmul(matrix, array)


def mode_products(array: Array, matrices: Sequence[Array | Structured]) -> Array:
    """Matrix a along axis a + 1 of an array (n_columns, n_1, ..., n_d), for all a.

    Parameters
    ----------
    array : array of shape (n_columns, n_1, ..., n_d)
    matrices : sequence of d arrays of shape (m_a, n_a), or of what has a product of its own

    Returns
    -------
    array of shape (n_columns, m_1, ..., m_d)
    """
    xp = array_namespace(array)
    for axis, matrix in enumerate(matrices, start=1):
        shape = tuple(array.shape)
        block = xp.reshape(array, (math.prod(shape[:axis]), shape[axis], -1))
        product = matrix.times(block) if hasattr(matrix, "times") else times(matrix, block)
        array = xp.reshape(product, (*shape[:axis], product.shape[1], *shape[axis + 1 :]))
    return array


def rowwise_kronecker(features: Iterable[Array]) -> Array:
    """Products of the features of all axes, row by row, the last axis running fastest.

    Parameters
    ----------
    features : iterable of d arrays of shape (n, k_a)

    Returns
    -------
    array of shape (n, k_1 ... k_d)
    """
    first, *others = features
    product = first
    for each in others:
        xp = array_namespace(each)
        product = xp.reshape(product[:, :, None] * each[:, None, :], (each.shape[0], -1))
    return product


def evaluate_at_rows(coefficients: Array, features: Sequence[Array]) -> Array:
    """Sum over all products of features of each row, for points that are no grid.

    Parameters
    ----------
    coefficients : array of shape (n_columns, k_1, ..., k_d)
    features : sequence of d arrays of shape (n, k_a)

    Returns
    -------
    array of shape (n, n_columns)
    """
    xp = array_namespace(coefficients)
    first, *others = features
    n, n_columns = first.shape[0], coefficients.shape[0]
    by_first = xp.moveaxis(coefficients, 0, -1)
    partial = xp.matmul(first, xp.reshape(by_first, (coefficients.shape[1], -1)))
    for each in others:  # (n, k_a, what is left)
        partial = xp.reshape(partial, (n, each.shape[1], -1))
        partial = xp.matmul(each[:, None, :], partial)[:, 0, :]
    return xp.reshape(partial, (n, n_columns))
