"""Values of an expansion, and their variance, at any points."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.grids import find_grid, lattice_of
from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._axis import Expansion
from sk_posenc.kronecker._posterior import Posterior
from sk_posenc.kronecker._structured import apply_along_axes

# Points to predict that fill at least a quarter of a grid are predicted as that grid.
_CELLS_PER_POINT = 4


def evaluate(
    expansion: Expansion,
    solution: NDArray,
    X: NDArray,
    orders: Sequence[int],
    offset: NDArray,
    posterior: Posterior | None = None,
) -> tuple[NDArray, NDArray | None]:
    """Values (m, q) plus an offset (q,), and the variance (m,) if asked."""
    along_axes = expansion.along_axes(solution)
    if along_axes is not None:
        grid = find_grid(X)
        coordinates, cells = (grid.coordinates, grid.position) if grid else (None, None)
        if grid is None:
            lattice = lattice_of(X, max(_CELLS_PER_POINT * len(X), limits_now().few_cells))
            if lattice is not None:
                coordinates, cells = lattice
        if coordinates is not None:
            dtype = np.result_type(along_axes, X)
            on_grid = _on_grid(expansion, along_axes, coordinates, orders, offset, dtype)
            values = np.ascontiguousarray(on_grid.columns.T)
            if cells is not None:
                values = np.take(values, cells, axis=0)
            if posterior is None:
                return values, None
            variance = on_grid.variance(posterior, orders)
            if variance is not None:
                return values, variance.ravel()[slice(None) if cells is None else cells]
            return values, _variance_by_rows(expansion, X, orders, posterior)
    values = _by_rows(expansion, X, orders, lambda each, _: expansion.predict_rows(solution, each))
    variance = None if posterior is None else _variance_by_rows(expansion, X, orders, posterior)
    return values + offset, variance


def evaluate_grid(
    expansion: Expansion,
    solution: NDArray,
    coordinates: Sequence[NDArray],
    offset: NDArray,
    dtype: Any,
    posterior: Posterior | None = None,
) -> tuple[NDArray, NDArray | None] | None:
    """Values (q, n_cells) at all combinations of coordinates, and the variance (n_cells,) if asked.

    None where only rows have values, or a variance.
    """
    along_axes = expansion.along_axes(solution)
    if along_axes is None:
        return None
    orders = (0,) * len(coordinates)
    on_grid = _on_grid(expansion, along_axes, coordinates, orders, offset, dtype)
    if posterior is None:
        return on_grid.columns, None
    variance = on_grid.variance(posterior, orders)
    return None if variance is None else (on_grid.columns, variance.ravel())


class _Grid(NamedTuple):
    """Values (q, n_cells) over a grid, and the features of its axes that made them."""

    columns: NDArray
    coordinates: Sequence[NDArray]
    features: list[NDArray]

    def variance(self, posterior: Posterior, orders: Sequence[int]) -> NDArray | None:
        return posterior.on_grid(self.features, posterior.own_at(self.coordinates, orders))


def _on_grid(
    expansion: Expansion,
    along_axes: NDArray,
    coordinates: Sequence[NDArray],
    orders: Sequence[int],
    offset: NDArray,
    dtype: Any,
) -> _Grid:
    features = expansion.features_at(coordinates, orders)
    matrices = [(each.astype(dtype, copy=False),) for each in features]
    values = apply_along_axes(along_axes.astype(dtype, copy=False), matrices)
    columns = values.reshape(len(values), -1)
    columns += offset.astype(dtype)[:, None]
    return _Grid(columns, coordinates, features)


def _variance_by_rows(
    expansion: Expansion, X: NDArray, orders: Sequence[int], posterior: Posterior
) -> NDArray:
    def variance(features: list[NDArray], coordinates: list[NDArray]) -> NDArray:
        return posterior.of_rows(features, posterior.own_at(coordinates, orders))

    return _by_rows(expansion, X, orders, variance)


def _by_rows(
    expansion: Expansion,
    X: NDArray,
    orders: Sequence[int],
    function: Callable[[list[NDArray], list[NDArray]], NDArray],
) -> NDArray:
    """A function of the features of each axis at rows of X, and of these rows, in blocks."""
    n_rows = max(1, limits_now().block_bytes // (8 * expansion.row_width))
    blocks = [list(X[i : i + n_rows].T) for i in range(0, len(X), n_rows)]
    return np.concatenate([function(expansion.features_at(b, orders), b) for b in blocks])
