"""Products with Toeplitz matrices, for arrays of any namespace: by FFT, and in blocks of rows.

Weights have shape (..., 2 n_1 - 1, ..., 2 n_d - 1), and columns (..., n_1, ..., n_d): places come
last. Entry i of a product is the sum over j of weights[n - 1 + j - i] columns[j].
"""

import math
from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace
from scipy.fft import next_fast_len

from sk_posenc.core.arrays import Array, device_of
from sk_posenc.core.limits import limits_now

# What the FFT rounds away, in parts of the largest row, measured up to 65,536 places.
ROUNDING = 1e-15
# Parts of a row that it may lose, by the bytes of a number.
TOLERANCES = {4: 1e-6, 8: 1e-9}
# Of a column, its largest entry over half of the others; noise has some 10.
_USUAL_RANGE = 100


def spectrum_of(weights: Array, n_axes: int) -> tuple[Array, tuple[int, ...]]:
    """The spectrum of weights, and the lengths to which columns are padded."""
    xp = array_namespace(weights)
    axes = tuple(range(-n_axes, 0))
    # the wrong places that wrap around are never read
    lengths = tuple(next_fast_len(size, real=True) for size in weights.shape[-n_axes:])
    return xp.fft.rfftn(xp.flip(weights, axis=axes), s=lengths, axes=axes), lengths


def by_spectrum(spectrum: Array, columns: Array, lengths: tuple[int, ...]) -> Array:
    """The products of columns with the matrix of a spectrum."""
    xp = array_namespace(columns)
    axes = tuple(range(-len(lengths), 0))
    transformed = xp.fft.rfftn(columns, s=lengths, axes=axes)
    product = xp.fft.irfftn(transformed * spectrum, s=lengths, axes=axes)
    return product[(..., *(slice(n - 1, 2 * n - 1) for n in columns.shape[-len(lengths) :]))]


def fft_product(weights: Array, columns: Array, n_axes: int) -> Array:
    """Columns (k, n_1, ..., n_d) times one matrix, some columns at a time."""
    xp = array_namespace(columns)
    spectrum, lengths = spectrum_of(weights, n_axes)
    step = max(1, limits_now().fft_numbers // math.prod(lengths))
    blocks = range(0, columns.shape[0], step)
    parts = [by_spectrum(spectrum, columns[i : i + step, ...], lengths) for i in blocks]
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


def dense_product(weights: Array, columns: Array, n_axes: int) -> Array:
    """The same with the matrix itself, some of its rows at a time."""
    xp = array_namespace(columns)
    sizes = tuple(columns.shape[-n_axes:])
    flat = xp.reshape(weights, (-1,))
    X = xp.reshape(columns, (columns.shape[0], -1))
    step = max(1, limits_now().row_block // X.shape[1])
    parts = []
    for start in range(0, X.shape[1], step):
        index = matrix_index(sizes, start, min(start + step, X.shape[1]), xp, device_of(weights))
        matrix = xp.reshape(xp.take(flat, xp.reshape(index, (-1,)), axis=0), index.shape)
        parts.append(xp.matmul(X, matrix.T))
    product = parts[0] if len(parts) == 1 else xp.concat(parts, axis=1)
    return xp.reshape(product, columns.shape)


def matrix_index(sizes: Sequence[int], start: int, stop: int, xp: Any, device: Any) -> Array:
    """Where in the flat weights the entries of rows `start` to `stop` are."""
    places = xp.zeros((1,), dtype=xp.int64, device=device)
    for size in sizes:  # an axis of n places is one of 2 n - 1 weights
        step = xp.arange(size, dtype=xp.int64, device=device)
        places = xp.reshape(places[:, None] * (2 * size - 1) + step[None, :], (-1,))
    return places[-1] + places[None, :] - places[start:stop, None]


def columns_range(columns: Array, n_axes: int) -> float:
    """How far the largest entry of a column is above half of the others, beyond a hundred times."""
    xp = array_namespace(columns)
    flat = xp.abs(xp.reshape(columns, (-1, math.prod(columns.shape[-n_axes:]))))
    largest = xp.max(flat, axis=1)
    there = xp.where(flat > 0, flat, xp.broadcast_to(largest[:, None], flat.shape))
    middle = xp.sort(there, axis=1)[:, flat.shape[1] // 2]
    ratios = largest / xp.where(middle > 0, middle, xp.ones_like(middle))
    return max(1.0, float(xp.max(ratios)) / _USUAL_RANGE)


def rows_range(weights: Array, n_axes: int) -> float:
    """The largest absolute row sum of the matrix over its smallest that is not 0."""
    xp = array_namespace(weights)
    sums = xp.abs(weights)
    for axis in range(-n_axes, 0):
        sums = xp.moveaxis(sums, axis, -1)
        n = (sums.shape[-1] + 1) // 2
        totals = xp.cumulative_sum(sums, axis=-1, include_initial=True)
        sums = xp.moveaxis(totals[..., n:] - totals[..., :n], -1, axis)
    largest = float(xp.max(sums))
    smallest = float(xp.min(xp.where(sums > 0, sums, largest)))
    return largest / smallest if largest else 1.0
