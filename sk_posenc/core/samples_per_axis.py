"""How densely samples cover each axis: samples per axis, and the cells of that size."""

from types import ModuleType

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj
from numpy.typing import ArrayLike, NDArray

from sk_posenc.core.arrays import Array

# A cube of 30 per side has 27000 ** (1 / 3) = 29.999999999999996 samples per axis.
_ROOT_TOLERANCE = 1e-9
# In cells. Edges are moved down by this much: a sample on an edge then falls into the
# upper cell in float32 as in float64, and whatever the unit and origin of the axis.
_EDGE_TOLERANCE = 1e-4

# Gaps of samples, over their mean, up to which equally spaced shifts lie about on them.
_EVEN = 1.5


def is_even(places: NDArray) -> bool:
    """Whether increasing coordinates are so evenly spaced that as many shifts lie about on them."""
    gaps = np.diff(places.astype(np.float64, copy=False))
    return len(gaps) == 0 or bool(gaps.max() <= _EVEN * gaps.mean())


def samples_per_axis(X: ArrayLike) -> NDArray[np.float64]:
    """Number of samples that each axis has to resolve, by water-filling.

    Axes are taken by their number of distinct values, fewest first. Each gets
    ``min(distinct, remaining ** (1 / axes_left))``, where ``remaining`` starts as
    the number of distinct rows and is divided by what each axis gets.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_axes)
        Finite coordinates, rows in any order.

    Returns
    -------
    ndarray of shape (n_axes,)
        At least 1, and exactly the number of distinct values where the axis can
        have them all.

    Notes
    -----
    ``remaining`` counts distinct rows, not rows: measuring each position twice
    says nothing new about how fine the signal may be along an axis.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc.core.samples_per_axis import samples_per_axis
    >>> sensor, time = np.meshgrid(np.arange(10), np.arange(1000), indexing="ij")
    >>> samples_per_axis(np.column_stack([sensor.ravel(), time.ravel()]))
    array([  10., 1000.])
    >>> samples_per_axis(np.random.default_rng(0).uniform(size=(400, 2)))
    array([20., 20.])
    """
    array = X if is_array_api_obj(X) else np.asarray(X)
    return _fill(*_count_distinct(array, array_namespace(array)))


def axis_cells(X: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cut each axis into cells that hold about one sample per axis each.

    On a grid axis each distinct value is a cell, whatever the spacing. An axis counts
    as a grid axis where it has fewer than 1.5 distinct values per sample per axis, so
    that a grid with some holes keeps the cells of the full grid. On other axes the range
    is cut into equal cells, as many as the axis has samples per axis, rounded.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_axes)
        Finite coordinates, rows in any order.

    Returns
    -------
    cells : ndarray of shape (n_samples, n_axes)
        Cell of each sample along each axis, counted from 0 at the lowest coordinate.
    n_cells : ndarray of shape (n_axes,)
        Number of cells of each axis.

    Examples
    --------
    >>> from sk_posenc.core.samples_per_axis import axis_cells
    >>> cells, n_cells = axis_cells([[0.0], [10.0], [100.0], [10.0]])
    >>> cells.ravel(), n_cells
    (array([0, 1, 2, 1]), array([3]))
    """
    X = np.asarray(X)
    values = [np.unique(X[:, axis]) for axis in range(X.shape[1])]
    n_per_axis = samples_per_axis(X)
    cells = np.empty(X.shape, dtype=np.intp)
    n_cells = np.empty(X.shape[1], dtype=np.intp)
    for axis, distinct in enumerate(values):
        if len(distinct) < 1.5 * n_per_axis[axis]:
            n_cells[axis] = len(distinct)
            cells[:, axis] = np.searchsorted(distinct, X[:, axis])
        else:
            n = round(float(n_per_axis[axis]))
            # Scaled by a power of two, exactly: the widest range a float holds does
            # not overflow, the smallest does not vanish.
            ends = distinct[[0, -1]].astype(np.float64)
            exponent = np.frexp(np.abs(ends).max())[1]
            low, high = np.ldexp(ends, -exponent)
            position = (np.ldexp(X[:, axis].astype(np.float64), -exponent) - low) / (high - low)
            cell = np.floor(position * n + _EDGE_TOLERANCE).astype(np.intp)
            n_cells[axis] = n
            cells[:, axis] = np.minimum(cell, n - 1)  # the upper end closes the last cell
    return cells, n_cells


def _fill(counts: list[int], n_rows: int) -> NDArray[np.float64]:
    remaining = float(n_rows)
    result = np.empty(len(counts))
    for done, axis in enumerate(np.argsort(counts, kind="stable")):
        share = remaining ** (1 / (len(counts) - done))
        count = float(counts[axis])
        result[axis] = count if count <= share * (1 + _ROOT_TOLERANCE) else share
        remaining /= result[axis]
    return result


def _count_distinct(X: Array, xp: ModuleType) -> tuple[list[int], int]:
    """Number of distinct values of each axis, and of distinct rows."""
    counts, codes, n_codes = [], None, 1
    for axis in range(X.shape[1]):
        values, code = xp.unique_inverse(X[:, axis])
        counts.append(values.shape[0])
        if n_codes < X.shape[0]:
            # each row so far becomes one integer, numbered afresh so that it cannot overflow
            if codes is not None:
                seen, code = xp.unique_inverse(codes * values.shape[0] + code)
                values = seen
            codes, n_codes = code, values.shape[0]
    return counts, n_codes
