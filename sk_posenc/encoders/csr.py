"""CSR matrices built from rows whose entries lie in windows of columns."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.memory import check_memory
from sk_posenc.core.products import rowwise_kronecker

# Entries of a sparse encoding made at a time.
_BLOCK = 1 << 17

# Columns and values of a block of rows, each of shape (n_rows, n_entries).
Window = tuple[NDArray[np.integer], NDArray[np.floating]]


class AxisWindows:
    """The shifts within reach of each coordinate of an axis, the same number for all.

    Parameters
    ----------
    first, spacing : float
        The first of the equidistant shifts, and the distance between neighbours.
    n_shifts : int
    reach : float
        Half-width of a window, in spacings.
    wraps : bool
        Whether the last shift is followed by the first; else windows stay inside.
    """

    def __init__(
        self, first: float, spacing: float, n_shifts: int, reach: float, wraps: bool
    ) -> None:
        self.first, self.spacing, self.n_shifts, self.wraps = first, spacing, n_shifts, wraps
        self.reach = reach * (1 + 1e-6) + 1e-6  # a jump at the end may round to either side
        span = math.floor(2 * self.reach) + 1
        self.span = span if wraps else min(span, n_shifts)
        columns = np.arange(n_shifts + self.span - 1 if wraps else n_shifts) % n_shifts
        self._columns = np.lib.stride_tricks.sliding_window_view(columns, self.span)

    def blocks(
        self, x: NDArray[np.floating], unit: float, n_rows: int, index: np.dtype
    ) -> Iterator[Window]:
        """Columns and ``(shift - x) * unit / spacing``, `n_rows` coordinates at a time."""
        # short inner loops are slow: copy columns by whole rows, add displacements in one go
        columns = np.ascontiguousarray(self._columns, dtype=index)
        steps = np.tile((np.arange(self.span) * unit).astype(x.dtype), min(n_rows, len(x)))
        for start in range(0, len(x), n_rows):
            position = (x[start : start + n_rows].astype(np.float64) - self.first) / self.spacing
            shift = np.ceil(position - self.reach)
            if self.wraps:
                row = shift - np.floor(shift / self.n_shifts) * self.n_shifts
            else:
                row = shift = np.clip(shift, 0, self.n_shifts - self.span)
            u = np.repeat(((shift - position) * unit).astype(x.dtype), self.span)
            u += steps[: len(u)]
            yield (
                np.take(columns, row.astype(np.intp), axis=0, mode="clip"),
                u.reshape(-1, self.span),
            )


def beside(windows: list[Window], widths: list[int]) -> Window:
    """Windows of several axes whose columns stand side by side."""
    starts = np.concatenate([[0], np.cumsum(widths)]).tolist()
    columns = [columns + start for (columns, _), start in zip(windows, starts, strict=False)]
    return np.concatenate(columns, axis=1), np.concatenate([v for _, v in windows], axis=1)


def product(windows: list[Window], widths: list[int]) -> Window:
    """Windows of several axes multiplied out, the last axis running fastest."""
    columns, _ = windows[0]
    for (more, _), width in zip(windows[1:], widths[1:], strict=True):
        columns = (columns[:, :, None] * width + more[:, None, :]).reshape(len(columns), -1)
    return columns, rowwise_kronecker(values for _, values in windows)


def index_dtype(shape: tuple[int, int], n_entries: int) -> np.dtype:
    """The integer type for the columns of a matrix and the number of its entries."""
    return np.dtype(np.int32 if max(n_entries, *shape) < 2**31 else np.int64)


class Windows(Protocol):
    """Windows of columns of one axis, with values."""

    @property
    def span(self) -> int: ...

    @property
    def n_shifts(self) -> int: ...

    @property
    def wraps(self) -> bool: ...

    def blocks(self, x: NDArray, n_rows: int, index: np.dtype) -> Iterator[Window]: ...


def encode(
    columns: Sequence[NDArray],
    windows: Sequence[Windows],
    multiplied: bool,
    dtype: np.dtype,
    block: int = _BLOCK,
) -> sparse.csr_array:
    """Rows of the windows of all axes, multiplied out or side by side, block by block."""
    n, per_row = len(columns[0]), _join(multiplied)(each.span for each in windows)
    widths = [each.n_shifts for each in windows]
    shape, n_entries = (n, _join(multiplied)(widths)), n * per_row
    index, n_rows = index_dtype(shape, n_entries), max(1, block // per_row)
    of_axes = [each.blocks(x, n_rows, index) for each, x in zip(windows, columns, strict=True)]
    join = product if multiplied else beside
    blocks = (join(list(each), widths) for each in zip(*of_axes, strict=True))
    in_order = not any(each.wraps for each in windows)
    return assemble(blocks, shape, n_entries, dtype, in_order)


def check_size(
    n: int,
    windows: Sequence[Windows],
    multiplied: bool,
    itemsize: int,
    way_out: str = "encode fewer rows at a time, or lower n_shifts",
) -> None:
    """Raise where so many rows do not fit into memory."""
    width = _join(multiplied)(each.n_shifts for each in windows)
    n_entries = n * _join(multiplied)(each.span for each in windows)
    index = index_dtype((n, width), n_entries)
    check_memory((n_entries,), itemsize + index.itemsize, way_out)


def _join(multiplied: bool) -> Callable[[Iterable[int]], int]:
    return math.prod if multiplied else sum


def assemble(
    blocks: Iterator[Window],
    shape: tuple[int, int],
    n_entries: int,
    dtype: np.dtype,
    in_order: bool,
) -> sparse.csr_array:
    """The CSR matrix of consecutive blocks of rows, without the entries that are 0.

    ``n_entries`` bounds the entries of all rows together. Memory beyond the actual entries is
    never touched, and so takes no space. ``in_order`` says that the columns of each row
    increase.
    """
    index = index_dtype(shape, n_entries)
    data, indices = np.empty(n_entries, dtype=dtype), np.empty(n_entries, dtype=index)
    indptr = np.zeros(shape[0] + 1, dtype=index)
    filled = row = 0
    for columns, values in blocks:
        kept = values != 0
        # a product with ones, as sums of short rows are slow
        counts = kept.astype(np.float32) @ np.ones(kept.shape[1], dtype=np.float32)
        ends = filled + np.cumsum(counts, dtype=np.int64)
        data[filled : ends[-1]], indices[filled : ends[-1]] = values[kept], columns[kept]
        indptr[row + 1 : row + 1 + len(ends)] = ends
        filled, row = int(ends[-1]), row + len(ends)
    matrix = sparse.csr_array((data[:filled], indices[:filled], indptr), shape=shape)
    if in_order:
        matrix.has_canonical_format = True
    else:  # windows that wrap, and may meet themselves
        matrix.sum_duplicates()
    return matrix
