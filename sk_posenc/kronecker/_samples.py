"""Where samples of a Kronecker ridge problem lie, on a grid or not, and what they weigh."""

import math
from copy import copy

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.arrays import unit_for_squares
from sk_posenc.core.grids import find_grid, lattice_of
from sk_posenc.core.limits import limits_now
from sk_posenc.core.samples_per_axis import is_even, samples_per_axis

# Steps of an axis are whole numbers of the usual one up to this share, where there are enough.
_UNEVEN, _FEWEST_STEPS = 1e-3, 8

# A grid may have up to as many holes as samples.
_CELLS_PER_SAMPLE = 2


class Samples:
    """Where samples lie and what they weigh, repeated ones counted together.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_axes)
    weights : ndarray of shape (n_samples,) or None
        Samples of weight 0 are holes: they lend their coordinates to a grid, no more.

    Attributes
    ----------
    coordinates : list of n_axes ndarrays
        Distinct coordinates of a grid; else those of each distinct row.
    on_grid : bool
    shape : tuple
        Of the grid, else (n_distinct,).
    cell : ndarray of shape (n_samples,) or None
        Cell or distinct row of each sample; None where they are one and the same.
    weights : ndarray of shape `shape` or None
        Of each cell, 1 in the mean, 0 for holes; None where all are equal.
    axis_weights : list of n_axes ndarrays or None
        Their factors, where they are a product over the axes.
    n_per_axis : ndarray of shape (n_axes,)
        Samples per axis, seen jointly.
    n_present : int
        Samples whose weight is not 0.
    """

    def __init__(self, X: NDArray, weights: NDArray | None) -> None:
        weights = np.ones(len(X)) if weights is None else weights
        # their scale does not matter, and sums of them must be floats
        self._row_weights: NDArray = weights / unit_for_squares(weights)
        self.total = float(self._row_weights.sum())
        self.n_present = int(np.count_nonzero(self._row_weights))
        grid = find_grid(X)
        cell_weights: NDArray | None
        if grid is not None:
            self.on_grid, self.coordinates = True, grid.coordinates
            self.cell, self.shape = grid.position, grid.shape
            cell_weights = None
            if np.ptp(self._row_weights) > 0:
                cell_weights = np.empty(len(X))
                cell_weights[slice(None) if self.cell is None else self.cell] = self._row_weights
        else:
            lattice = lattice_of(X, _CELLS_PER_SAMPLE * len(X))
            if lattice is not None:
                self.on_grid = True
                self.coordinates, self.cell = lattice
                self.shape = tuple(map(len, self.coordinates))
            else:
                self.on_grid = False
                present = self._row_weights > 0
                X = X[present]
                rows, cell = np.unique(X, axis=0, return_inverse=True)
                self.coordinates = list(rows.T.copy())
                self.cell = np.zeros(len(present), dtype=np.intp)  # weight 0 in any cell is none
                self.cell[present] = cell.ravel()
                self.shape = (len(rows),)
            cell_weights = np.bincount(
                self.cell, self._row_weights, minlength=math.prod(self.shape)
            )
        self.n_cells = math.prod(self.shape)
        self._cell_totals = cell_weights
        self.weights = self.axis_weights = None
        if cell_weights is not None and np.ptp(cell_weights) > 0:
            occupied = cell_weights > 0
            self.weights = (cell_weights / cell_weights[occupied].mean()).reshape(self.shape)
            self.axis_weights = _factors_of(self.weights)
        counts = np.array(self.shape, dtype=np.float64)
        self.n_per_axis = counts if self.on_grid else samples_per_axis(X)

    @property
    def repeats(self) -> bool:
        """Whether samples share a cell."""
        return self.n_present > len(self.occupied)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Rows whose weight is not 0."""
        return self._row_weights > 0

    @property
    def is_grid(self) -> bool:
        """Whether the problem is a Kronecker product: no holes, weights that factorise."""
        return self.on_grid and (self.weights is None or self.axis_weights is not None)

    @property
    def lacks_lines(self) -> bool:
        """Whether an axis is even but for places that nobody has, as lost rows of an image."""
        return any(map(_lacks_places, self.coordinates))

    @property
    def fills_grid(self) -> bool:
        """Whether every cell of a grid has a sample, whatever samples weigh.

        Samples of one axis are a grid whatever they are: they count as one where they are even, or
        too many for anything but a grid.
        """
        if not self.on_grid or not (self.weights is None or bool(np.all(self.weights > 0))):
            return False
        if self.lacks_lines and len(self.coordinates) > 1:
            return False
        lines = [x for x in self.coordinates if len(x) > 1]
        few = len(lines) == 1 and self.n_cells <= limits_now().direct_up_to
        return not few or is_even(lines[0])

    @property
    def thinning(self) -> float:
        """Cells with samples per sample: what the noise of a cell is to that of a sample."""
        return len(self.occupied) / self.n_present

    @property
    def occupied(self) -> NDArray[np.intp]:
        """Cells with a sample, in C order."""
        if self.weights is None:
            return np.arange(self.n_cells)
        return np.flatnonzero(self.weights.ravel() > 0)

    @property
    def mean_weight(self) -> float:
        """Of the samples whose weight is not 0."""
        return self.total / self.n_present

    def places(self, cells: NDArray[np.intp]) -> list[NDArray]:
        """Coordinates of cells along each axis."""
        if not self.on_grid:
            return [x[cells] for x in self.coordinates]
        along = np.unravel_index(cells, self.shape)
        return [x[i] for x, i in zip(self.coordinates, along, strict=True)]

    def rows_at(self, cells: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Rows of the samples in these cells."""
        chosen = np.zeros(self.n_cells, dtype=bool)
        chosen[cells] = True
        return self.present & (chosen if self.cell is None else chosen[self.cell])

    def part(self, rows: NDArray[np.bool_]) -> "Samples":
        """Some of the samples, by themselves."""
        cells = np.flatnonzero(rows) if self.cell is None else self.cell[rows]
        return Samples(np.column_stack(self.places(cells)), self._row_weights[rows])

    def scattered(self, rows: NDArray[np.intp]) -> "Samples":
        """Some of the occupied cells, off a grid, each with one sample of weight 1."""
        again = copy(self)
        again.coordinates = self.places(self.occupied[rows])
        again.on_grid, again.shape, again.n_cells = False, (len(rows),), len(rows)
        again.cell = again.weights = again.axis_weights = again._cell_totals = None
        again._row_weights = np.ones(len(rows))
        again.total, again.n_present = float(len(rows)), len(rows)
        return again

    def to_cells(self, columns: NDArray) -> NDArray:
        """Means of the samples of each cell: (n_samples, q) to (q, *shape)."""
        if self.cell is None:
            moved = np.array(columns.T, order="C")  # a copy, also of a single column
        elif not self.repeats and len(columns) == self.n_cells:
            ordered = np.empty_like(columns)
            ordered[self.cell] = columns
            moved = np.array(ordered.T, order="C")
        else:
            totals = np.bincount(self.cell, self._row_weights, minlength=self.n_cells)
            totals = np.where(totals > 0, totals, 1.0)
            moved = np.stack(
                [
                    np.bincount(self.cell, self._row_weights * column, minlength=self.n_cells)
                    / totals
                    for column in columns.T
                ]
            ).astype(columns.dtype, copy=False)
        return moved.reshape(-1, *self.shape)

    def to_samples(self, cells: NDArray) -> NDArray:
        """The way back: (q, *shape) to (n_samples, q)."""
        flat = cells.reshape(len(cells), -1)
        return np.ascontiguousarray((flat if self.cell is None else flat[:, self.cell]).T)

    def mean(self, columns: NDArray) -> NDArray:
        """Weighted mean over the samples of (n_samples, q), in float64."""
        return self._row_weights @ columns.astype(np.float64, copy=False) / self.total

    def shares(self) -> NDArray[np.float64]:
        """Weight of the cell of each sample as a share of that of all samples; (n, 1)."""
        weights = self._row_weights
        if self._cell_totals is not None and self.cell is not None:
            weights = self._cell_totals[self.cell]
        return (weights / self.total)[:, None]


def _factors_of(weights: NDArray) -> list[NDArray] | None:
    """Factors, one per axis, of an array that is their outer product."""
    if weights.ndim == 1:
        return [weights] if np.all(weights > 0) else None
    if not np.all(weights > 0):
        return None
    axes = range(weights.ndim)
    marginals = [weights.mean(axis=tuple(b for b in axes if b != a)) for a in axes]
    product = np.ones(())
    for marginal in marginals:
        product = np.multiply.outer(product, marginal)
    scale = weights.mean() ** (1 - weights.ndim)
    if not np.allclose(product * scale, weights, rtol=1e-12, atol=0):
        return None
    marginals[0] = marginals[0] * scale
    return marginals


def _lacks_places(x: NDArray) -> bool:
    """Whether steps between coordinates in order are whole numbers of the least, few beyond 1."""
    steps = np.diff(np.sort(np.asarray(x, dtype=np.float64)))
    if len(steps) < _FEWEST_STEPS or steps.min() <= 0:
        return False
    with np.errstate(over="ignore", invalid="ignore"):  # of steps that no float compares
        ratios = steps / np.median(steps)
        whole = np.round(ratios)
        even = bool(np.all(np.abs(ratios - whole) < _UNEVEN * np.maximum(whole, 1)))
    return even and bool(0 < np.sum(whole - 1) <= len(steps))
