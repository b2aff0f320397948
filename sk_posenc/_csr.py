"""CSR matrices built from rows whose entries lie in windows of columns."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

# Columns and values of a block of rows, each of shape (n_rows, n_entries).
Window = tuple[NDArray[np.int64], NDArray]


def beside(windows: list[Window], widths: list[int]) -> Window:
    """Windows of several axes whose columns stand side by side."""
    starts = np.concatenate([[0], np.cumsum(widths)])
    columns = [columns + start for (columns, _), start in zip(windows, starts, strict=False)]
    return np.concatenate(columns, axis=1), np.concatenate([v for _, v in windows], axis=1)


def product(windows: list[Window], widths: list[int]) -> Window:
    """Windows of several axes multiplied out, the last axis running fastest."""
    columns, values = windows[0]
    for (more, factors), width in zip(windows[1:], widths[1:], strict=True):
        n_rows = len(columns)
        columns = (columns[:, :, None] * width + more[:, None, :]).reshape(n_rows, -1)
        values = (values[:, :, None] * factors[:, None, :]).reshape(n_rows, -1)
    return columns, values


def assemble(
    blocks: Iterator[Window], shape: tuple[int, int], n_entries: int, dtype: np.dtype
) -> sparse.csr_array:
    """The CSR matrix of consecutive blocks of rows, without the entries that are 0.

    ``n_entries`` bounds the entries of all rows together. Memory that stays unused is
    never touched, so that it is not taken.
    """
    index_dtype = np.int32 if max(n_entries, shape[1]) < 2**31 else np.int64
    data, indices = np.empty(n_entries, dtype=dtype), np.empty(n_entries, dtype=index_dtype)
    indptr = np.zeros(shape[0] + 1, dtype=index_dtype)
    filled = row = 0
    for columns, values in blocks:
        kept = values != 0
        counts = np.count_nonzero(kept, axis=1)
        stop = filled + int(counts.sum())
        data[filled:stop], indices[filled:stop] = values[kept], columns[kept]
        indptr[row + 1 : row + 1 + len(counts)] = filled + np.cumsum(counts)
        filled, row = stop, row + len(counts)
    matrix = sparse.csr_array((data[:filled], indices[:filled], indptr), shape=shape)
    # windows that wrap are out of order, and may meet themselves; others are found in order
    matrix.sum_duplicates()
    return matrix
