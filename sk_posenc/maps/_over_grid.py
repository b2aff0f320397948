"""Predictions of any model at all combinations of coordinates, in blocks of bounded size."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.memory import check_memory
from sk_posenc.datasets.labelled import table_of

# Cells that are predicted at once: along the axes of a Kronecker head, and by rows.
_CELLS, _ROWS = 1 << 22, 1 << 17


def predict_over(
    model: Any,
    names: Sequence[Hashable] | None,
    axes: Sequence[NDArray],
    return_std: bool | str,
    beside: Mapping[int, NDArray] | None = None,
) -> tuple[NDArray, NDArray | None]:
    """Values (n_1, ..., n_d) or (n_1, ..., n_d, q) and their standard deviations, or None.

    `axes` are in the order of the model; `names` those of all columns that it was fitted with, if
    any; `beside` has values over the grid of the columns that are covariates.
    """
    values: list[NDArray | None] = [None, None]
    shape = tuple(map(len, axes))
    check_memory(shape, 8, "predict a part of the grid at a time")
    for at, mean, std in _blocks(model, names, axes, return_std, beside or {}):
        if mean.shape[: len(shape)] == shape:  # a single block, which needs no copy
            return mean, std
        for place, block in enumerate((mean, std)):
            if block is None:
                continue
            if values[place] is None:
                values[place] = np.empty((*shape, *block.shape[len(shape) :]), block.dtype)
            whole = values[place]
            assert whole is not None
            whole[at] = block
    assert values[0] is not None
    return values[0], values[1]


_Block = tuple[tuple[slice, ...], NDArray, NDArray | None]


def _blocks(
    model: Any,
    names: Sequence[Hashable] | None,
    axes: Sequence[NDArray],
    return_std: bool | str,
    beside: Mapping[int, NDArray],
) -> Iterator[_Block]:
    by_axes = None if beside else getattr(model, "_predict_on_axes", None)
    for block in slabs(tuple(map(len, axes)), _CELLS if by_axes else _ROWS):
        parts = [along[at] for along, at in zip(axes, block, strict=True)]
        found = by_axes(parts, return_std=return_std) if by_axes else None
        if found is not None:
            yield block, *found
            continue
        for inner in slabs(tuple(map(len, parts)), _ROWS):
            cells = [along[at] for along, at in zip(parts, inner, strict=True)]
            at = tuple(
                slice(o.start + i.start, o.start + i.stop)
                for o, i in zip(block, inner, strict=True)
            )
            here = {column: values[at] for column, values in beside.items()}
            yield at, *_by_rows(model, names, cells, return_std, here)


def slabs(shape: tuple[int, ...], n_cells: int) -> Iterator[tuple[slice, ...]]:
    """Blocks of at most so many cells that cover a grid, in C order, whole along the last axes."""
    rest = math.prod(shape[1:])
    step = max(1, n_cells // max(rest, 1))
    for start in range(0, shape[0], step):
        first = slice(start, min(start + step, shape[0]))
        if rest <= n_cells:
            yield (first, *(slice(0, n) for n in shape[1:]))
        else:
            yield from ((first, *others) for others in slabs(shape[1:], n_cells))


def _by_rows(
    model: Any,
    names: Sequence[Hashable] | None,
    axes: Sequence[NDArray],
    return_std: bool | str,
    beside: Mapping[int, NDArray],
) -> tuple[NDArray, NDArray | None]:
    X = _with_covariates(names, axes, beside) if beside else _rows(names, axes)
    if return_std:
        found = tuple(to_numpy(each) for each in model.predict(X, return_std=return_std))
    else:
        found = (to_numpy(model.predict(X)), None)
    shape = tuple(map(len, axes))
    mean, std = (None if each is None else each.reshape(*shape, *each.shape[1:]) for each in found)
    assert mean is not None
    return mean, std


def _with_covariates(
    names: Sequence[Hashable] | None, axes: Sequence[NDArray], beside: Mapping[int, NDArray]
) -> Any:
    """Rows of all columns in the order of the model."""
    places = [i for i in range(len(axes) + len(beside)) if i not in beside]
    rows = _rows(None if names is None else [names[i] for i in places], axes)
    columns = {column: values.ravel() for column, values in beside.items()}
    if names is not None:
        return rows.assign(**{str(names[i]): each for i, each in columns.items()})[list(names)]
    X = np.empty((len(rows), len(axes) + len(beside)), dtype=rows.dtype)
    X[:, places] = rows
    for column, values in columns.items():
        X[:, column] = values
    return X


def _rows(names: Sequence[Hashable] | None, axes: Sequence[NDArray]) -> Any:
    """All combinations of coordinates: a DataFrame where the model knows names, else an array."""
    if names is not None:
        return table_of(names, axes)
    columns = [each.ravel() for each in np.meshgrid(*axes, indexing="ij")]
    if len({each.dtype.kind for each in columns} - set("biuf")) == 0 or len(columns) == 1:
        return np.stack(columns, axis=1)
    X = np.empty((len(columns[0]), len(columns)), dtype=object)  # dates keep their unit
    for axis, column in enumerate(columns):
        X[:, axis] = list(column) if column.dtype.kind == "M" else column
    return X
