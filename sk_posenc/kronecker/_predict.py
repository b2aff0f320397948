"""Values of an expansion, and what a posterior says of them, at any points."""

from collections.abc import Callable, Sequence
from typing import Any

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
    expansion: Expansion, solution: NDArray, X: NDArray, orders: Sequence[int], offset: NDArray
) -> NDArray:
    """Values (m, q) plus an offset (q,)."""
    along_axes = expansion.along_axes(solution)
    lattice = None if along_axes is None else _lattice_of(X)
    if along_axes is None or lattice is None:
        return offset + _by_rows(
            expansion, X, orders, lambda each, _: expansion.predict_rows(solution, each)
        )
    coordinates, cells = lattice
    dtype = np.result_type(along_axes, X)
    columns = _on_grid(expansion, along_axes, coordinates, orders, offset, dtype)
    values = np.ascontiguousarray(columns.T)
    return values if cells is None else np.take(values, cells, axis=0)


def evaluate_grid(
    expansion: Expansion,
    solution: NDArray,
    coordinates: Sequence[NDArray],
    offset: NDArray,
    dtype: Any,
) -> NDArray | None:
    """Values (q, n_cells) at all combinations of coordinates; None where only rows have values."""
    along_axes = expansion.along_axes(solution)
    if along_axes is None:
        return None
    orders = (0,) * len(coordinates)
    return _on_grid(expansion, along_axes, coordinates, orders, offset, dtype)


def _on_grid(
    expansion: Expansion,
    along_axes: NDArray,
    coordinates: Sequence[NDArray],
    orders: Sequence[int],
    offset: NDArray,
    dtype: Any,
) -> NDArray:
    """Values (q, n_cells)."""
    features = expansion.features_at(coordinates, orders)
    matrices = [(each.astype(dtype, copy=False),) for each in features]
    values = apply_along_axes(along_axes.astype(dtype, copy=False), matrices)
    columns = values.reshape(len(values), -1)
    columns += offset.astype(dtype)[:, None]
    return columns


def variance_on_grid(
    coordinates: Sequence[NDArray],
    expansion: Expansion,
    posterior: Posterior,
    orders: Sequence[int] | None = None,
) -> NDArray | None:
    """What a posterior says at all combinations of coordinates, (n_cells,); None: by rows."""
    orders = (0,) * len(coordinates) if orders is None else orders
    features = expansion.features_at(coordinates, orders)
    found = posterior.on_grid(features, posterior.own_at(coordinates, orders))
    return None if found is None else found.ravel()


def variance_at(
    X: NDArray, orders: Sequence[int], expansion: Expansion, posterior: Posterior
) -> NDArray:
    """What a posterior says at points, (m,)."""
    lattice = None if expansion.is_dual else _lattice_of(X)
    if lattice is not None:
        coordinates, cells = lattice
        found = variance_on_grid(coordinates, expansion, posterior, orders)
        if found is not None:
            return found[slice(None) if cells is None else cells]

    def variance(features: list[NDArray], coordinates: list[NDArray]) -> NDArray:
        return posterior.of_rows(features, posterior.own_at(coordinates, orders))

    return _by_rows(expansion, X, orders, variance)


def _lattice_of(X: NDArray) -> tuple[list[NDArray], NDArray | None] | None:
    """Coordinates of the axes, and the cell of each row, where rows make a grid or most of one."""
    grid = find_grid(X)
    if grid is not None:
        return grid.coordinates, grid.position
    return lattice_of(X, max(_CELLS_PER_POINT * len(X), limits_now().few_cells))


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
