"""Values of an expansion, and their variance, at any points."""

from collections.abc import Callable, Sequence

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
            features = expansion.features_at(coordinates, orders)
            dtype = np.result_type(along_axes, X)
            matrices = [(each.astype(dtype, copy=False),) for each in features]
            values = apply_along_axes(along_axes.astype(dtype, copy=False), matrices)
            columns = values.reshape(len(values), -1)
            columns += offset.astype(dtype)[:, None]
            values = np.ascontiguousarray(columns.T)
            if cells is not None:
                values = np.take(values, cells, axis=0)
            if posterior is None:
                return values, None
            on_grid = posterior.on_grid(features, posterior.own_at(coordinates, orders))
            if on_grid is not None:
                return values, on_grid.ravel()[slice(None) if cells is None else cells]
            return values, _variance_by_rows(expansion, X, orders, posterior)
    values = _by_rows(expansion, X, orders, lambda each, _: expansion.predict_rows(solution, each))
    variance = None if posterior is None else _variance_by_rows(expansion, X, orders, posterior)
    return values + offset, variance


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
