"""Covariates of a model at the cells of a grid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.datasets.labelled import coordinates_along, is_labelled


def names_of(model: Any) -> list[str] | None:
    """The names of all columns that a model was fitted with."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(each) for each in names]


def axis_places(model: Any, n_columns: int | None) -> list[int] | None:
    """The columns of X that are axes; None where the number of columns is not known."""
    columns = getattr(model, "_columns", None)
    if columns is not None:
        return list(columns.axes)
    return None if n_columns is None else list(range(n_columns))


def covariates_over(
    model: Any, given: Any, axes: Sequence[NDArray], dims: Sequence[Hashable] | None = None
) -> dict[int, NDArray]:
    """Values of each covariate by its column of X, to be broadcast over the axes of the model.

    Parameters
    ----------
    given : dict or None
        By name or number of the column.
    axes : list of ndarrays
        Coordinates in the order of the model.
    dims : list or None
        Their names.
    """
    columns = getattr(model, "_columns", None)
    names = names_of(model)
    wanted: dict[Any, int] = {}
    for place in () if columns is None else columns.covariates:
        wanted[place if names is None else names[place]] = place
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(
            "covariates must be a dict of values at the cells, by name or number of the column. "
            f"Got {type(given).__name__}."
        )
    found = {} if given is None else dict(given)
    if set(found) != set(wanted):
        raise ValueError(
            f"covariates must have the values at the cells of all covariates of the model, "
            f"{list(wanted)}, and of no others. Got {list(found)}."
        )
    return {place: _over(found[name], name, axes, dims) for name, place in wanted.items()}


def in_model_order(given: Any, dims: Sequence[Hashable], order: Sequence[Hashable]) -> Any:
    """Plain arrays of the shape of a map with their axes in the order of the model."""
    if not isinstance(given, Mapping) or set(dims) != set(order):
        return given
    places = [list(dims).index(name) for name in order]
    return {
        name: values
        if is_labelled(values) or np.ndim(values) != len(places)
        else np.transpose(np.asarray(values), places)
        for name, values in given.items()
    }


def _over(
    values: Any, name: Any, axes: Sequence[NDArray], dims: Sequence[Hashable] | None
) -> NDArray:
    shape = tuple(map(len, axes))
    array = _along(values, name, axes, dims) if is_labelled(values) else np.asarray(values)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"covariates[{name!r}] must have the shape of the map, or be one number. In "
            f"the order of the axes of the model that is {shape}. Got shape {array.shape}."
        ) from None


def _along(
    values: Any, name: Any, axes: Sequence[NDArray], dims: Sequence[Hashable] | None
) -> NDArray:
    """A DataArray with some of the dimensions, those of the model in its order."""
    known = [] if dims is None else list(dims)
    unknown = [str(dim) for dim in values.dims if dim not in known]
    if unknown or not hasattr(values, "to_numpy"):
        raise ValueError(
            f"covariates[{name!r}] must be an array over dimensions of the map, "
            f"{[str(dim) for dim in known]}: rename its dimensions, or choose one place of them. "
            f"Got {[str(dim) for dim in values.dims]}."
        )
    for dim, along in zip(known, axes, strict=True):
        if dim in values.dims and not np.array_equal(coordinates_along(values, dim), along):
            raise ValueError(
                f"covariates[{name!r}] must have the coordinates of the map along {str(dim)!r}: "
                "choose them with .sel or .interp. Got others."
            )
    ordered = values.transpose(*(dim for dim in known if dim in values.dims)).to_numpy()
    return np.asarray(ordered).reshape([values.sizes.get(dim, 1) for dim in known])
