"""Recognising grids in the rows of X: distinct coordinates, cells, and arrays over them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Rows from which the step of an equispaced axis is guessed.
_PROBE_ROWS = 8192


@dataclass(frozen=True)
class Grid:
    """A full grid: every combination of the coordinates once.

    Attributes
    ----------
    coordinates : list of n_axes ndarrays
        Distinct coordinates along each axis, increasing.
    position : ndarray of shape (n_samples,) or None
        Cell of each row in C order; None where the rows are in C order already.
    """

    coordinates: list[NDArray]
    position: NDArray[np.intp] | None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(each) for each in self.coordinates)


def find_grid(X: NDArray) -> Grid | None:
    """Find the full grid that the rows of X form, in any order; None where they form none.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_axes)
        Finite coordinates.

    Returns
    -------
    Grid or None
        None where a cell is empty or hit twice.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc.core.grids import find_grid
    >>> grid = find_grid(np.array([[0.0, 5.0], [0.0, 6.0], [1.0, 6.0], [1.0, 5.0]]))
    >>> grid.shape, grid.position
    ((2, 2), array([0, 1, 3, 2]))
    >>> find_grid(np.array([[0.0, 5.0], [1.0, 6.0]])) is None
    True
    """
    ordered = _in_c_order(X)
    if ordered is not None:
        return Grid(ordered, None)
    lattice = lattice_of(X, max_cells=len(X))
    if lattice is None:
        return None
    coordinates, position = lattice
    if math.prod(map(len, coordinates)) != len(X):
        return None
    seen = np.zeros(len(X), dtype=bool)
    seen[position] = True
    return Grid(coordinates, position) if seen.all() else None


def lattice_of(X: NDArray, max_cells: float) -> tuple[list[NDArray], NDArray[np.intp]] | None:
    """The smallest grid that holds the rows of X, and the cell of each row in C order.

    Rows may repeat and cells may be empty. None where the grid has more than
    `max_cells` cells.
    """
    coordinates, position = [], np.zeros(len(X), dtype=np.intp)
    n_cells = 1
    for axis in range(X.shape[1]):
        values, codes = distinct_coordinates(X[:, axis])
        n_cells *= len(values)
        if n_cells > max_cells:
            return None
        position *= len(values)
        position += codes
        coordinates.append(values)
    return coordinates, position


def distinct_coordinates(x: NDArray) -> tuple[NDArray, NDArray[np.intp]]:
    """Distinct values of x, increasing, and the number of each entry among them.

    As ``np.unique(x, return_inverse=True)``, but several times faster on equispaced values.
    These are numbered by rounding, and the result is checked.
    """
    equispaced = _equispaced(x)
    if equispaced is not None:
        return equispaced
    values, codes = np.unique(x, return_inverse=True)
    return values, codes.astype(np.intp, copy=False)


def _in_c_order(X: NDArray) -> list[NDArray] | None:
    """Coordinates of a grid whose rows run in C order, increasing along each axis, else None."""
    n, n_axes = X.shape
    rest, sizes = n, []
    for axis in range(n_axes):
        column = X[:rest, axis]
        changed = column != column[0]
        first = int(np.argmax(changed)) if changed.any() else 0
        size = rest // first if first else 1
        if first and rest % first:
            return None
        sizes.append(size)
        rest //= size
    if rest != 1:
        return None
    cells = X.reshape(*sizes, n_axes)
    coordinates = []
    for axis in range(n_axes):
        along = tuple(slice(None) if a == axis else 0 for a in range(n_axes))
        values = cells[along][:, axis].copy()
        spread = values.reshape([-1 if a == axis else 1 for a in range(n_axes)])
        if not np.array_equal(cells[..., axis], np.broadcast_to(spread, sizes)):
            return None
        coordinates.append(values)
    increasing = all(np.all(values[1:] > values[:-1]) for values in coordinates)
    return coordinates if increasing else None


def _equispaced(x: NDArray) -> tuple[NDArray, NDArray[np.intp]] | None:
    low, high = float(x.min()), float(x.max())
    if not (math.isfinite(high - low) and high > low):
        return None
    # an even stride could share a factor with the rows of a grid and miss coordinates
    probe = x[:: max(1, len(x) // _PROBE_ROWS) | 1]
    probe = np.unique(np.concatenate([probe, [x.dtype.type(low), x.dtype.type(high)]]))
    steps = np.diff(probe.astype(np.float64))
    # the mean of the steps that are the smallest one but for rounding
    step = float(np.mean(steps[steps < 1.5 * steps.min()]))
    n_cells = (high - low) / step
    if n_cells > 4 * len(x):
        return None
    step = (high - low) / round(n_cells)
    codes = np.rint((x - low) * (1 / step)).astype(np.intp)
    values = np.full(round(n_cells) + 1, np.nan, dtype=x.dtype)
    values[codes] = x
    if not np.array_equal(values[codes], x):
        return None
    seen = np.flatnonzero(~np.isnan(values))
    if len(seen) == len(values):
        return values, codes
    renumbered = np.zeros(len(values), dtype=np.intp)
    renumbered[seen] = np.arange(len(seen))
    return values[seen], renumbered[codes]
