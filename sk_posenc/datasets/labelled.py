"""Arrays with names and coordinates: what xarray's objects hold, read without importing it."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.date_columns import dates_of, is_missing


def is_labelled(values: Any) -> bool:
    """Whether it is a DataArray or a Dataset of xarray."""
    return type(values).__module__.partition(".")[0] == "xarray" and hasattr(values, "dims")


def is_dataset(values: Any) -> bool:
    """Whether it is a Dataset of xarray."""
    return is_labelled(values) and hasattr(values, "data_vars")


def variables_of(values: Any) -> list[Any]:
    """The arrays of a Dataset, or the DataArray itself."""
    return list(values.data_vars.values()) if is_dataset(values) else [values]


def coordinates_along(values: Any, dim: Hashable) -> NDArray:
    """Coordinates along a dimension; without any, places from 0 to just below 1."""
    if dim not in values.coords:
        n = values.sizes[dim]
        return checked_axis(np.arange(n) / max(n, 1), f"the dimension {dim!r}")
    return checked_axis(np.asarray(values.coords[dim].values), f"the coordinate {dim!r}")


def checked_axis(coordinates: NDArray, name: str) -> NDArray:
    """Finite numbers, or dates, along an axis: one for each of its places."""
    if coordinates.ndim != 1 or not coordinates.size:
        cure = "check how it was sliced" if coordinates.ndim == 1 else "ravel it"
        raise ValueError(
            f"{name} must hold the coordinates along one axis, at least one, in one dimension: "
            f"{cure}. Got shape {coordinates.shape}."
        )
    if coordinates.dtype.kind in "biuf":
        if not np.isfinite(coordinates).all():
            raise ValueError(
                f"{name} must be finite: drop positions without a coordinate. Got NaN or infinity."
            )
        return coordinates
    dates = dates_of(coordinates)
    if dates is None:
        raise TypeError(
            f"{name} must hold real numbers or dates: choose one of its entries first, with "
            f".sel or .isel, or assign numbers. Got dtype {coordinates.dtype}."
        )
    if any(map(is_missing, dates.flat)) if dates.dtype.kind == "O" else np.isnat(dates).any():
        raise ValueError(f"{name} must hold dates: drop positions without one. Got NaT.")
    return dates


def table_of(names: Sequence[Hashable], axes: Sequence[NDArray]) -> Any:
    """A DataFrame of all combinations of coordinates, in C order, one column for each axis."""
    import pandas as pd

    shape = tuple(len(each) for each in axes)
    columns = {}
    for place, (name, along) in enumerate(zip(names, axes, strict=True)):
        spread = along.reshape([-1 if a == place else 1 for a in range(len(shape))])
        columns[str(name)] = np.broadcast_to(spread, shape).ravel()
    return pd.DataFrame(columns)
