"""Columns of dates of any library, as NumPy's dates or those of cftime."""

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Calendars of cftime that count as NumPy does.
_STANDARD = {"standard", "gregorian", "proleptic_gregorian"}


def dates_of(column: Any) -> NDArray | None:
    """Dates as an array: datetime64, or objects of cftime with another calendar.

    Parameters
    ----------
    column : object
        Dates of NumPy, the standard library, pandas, polars or cftime, in an array, a list, a
        series, an index or one by itself. Those with a time zone are moved to UTC; a period
        counts as its start.

    Returns
    -------
    ndarray or None
        NaT (None for cftime) where one is missing; None where the column holds no dates.
    """
    values = _array_of(column)
    if values.dtype.kind == "M":
        return values if np.datetime_data(values.dtype)[0] != "generic" else None
    if values.dtype.kind != "O":
        return None
    first = first_present(values)
    if first is None or not is_date(first):
        return None
    if _calendar(first) is not None:
        return _map(_cftime_or_none, values)
    return np.asarray(_map(_to_numpy_date, values).tolist(), dtype="datetime64").reshape(
        values.shape
    )


def is_date(value: Any) -> bool:
    """Whether one value is a date of any of these libraries."""
    if isinstance(value, datetime.date | np.datetime64):
        return True
    return _is_of_cftime(value) or hasattr(value, "to_timestamp")


def first_present(values: NDArray) -> Any:
    """The first entry of an array of objects that is not missing; None where all are."""
    return next((each for each in values.flat if not is_missing(each)), None)


def is_missing(value: Any) -> bool:
    """Whether an object stands for a missing value: None, NaN, NaT or NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return isinstance(value, float) and value != value


def calendar_of(date: Any) -> str | None:
    """The calendar of a date of cftime, None for that of NumPy."""
    return None if isinstance(date, np.datetime64) else _calendar(date)


def _array_of(column: Any) -> NDArray:
    """A column as an array of datetime64, or as whatever NumPy makes of it."""
    dtype = getattr(column, "dtype", None)
    if isinstance(column, np.ndarray) or dtype is None:
        return np.asarray(column)
    name = str(dtype)
    within = getattr(column, "dt", column)  # of a series; an index has the methods itself
    if name.startswith("period"):
        return np.asarray(within.to_timestamp())
    if getattr(dtype, "kind", "") == "M" and hasattr(within, "tz_convert"):
        zoned = getattr(dtype, "tz", None) or getattr(within, "tz", None)
        if zoned is not None:
            column = within.tz_convert("UTC")
            column = getattr(column, "dt", column).tz_localize(None)
        return np.asarray(column.to_numpy())
    return np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)


def _is_of_cftime(value: Any) -> bool:
    return type(value).__module__.startswith("cftime")


def _calendar(value: Any) -> str | None:
    """The calendar of a date of cftime, where it is another one than NumPy's."""
    if not _is_of_cftime(value) or value.calendar in _STANDARD:
        return None
    return str(value.calendar)


def _to_numpy_date(value: Any) -> np.datetime64:
    if is_missing(value):
        return np.datetime64("NaT", "us")
    if not is_date(value):
        raise TypeError(
            f"a column of dates must hold dates only: convert it with pandas.to_datetime. "
            f"Got {value!r} among them."
        )
    if isinstance(value, np.datetime64):
        return value
    if hasattr(value, "to_timestamp"):
        value = value.to_timestamp()
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    if hasattr(value, "to_datetime64"):
        return np.datetime64(value.to_datetime64())
    if _is_of_cftime(value):
        return np.datetime64(value.isoformat(), "us")
    return np.datetime64(value, "us" if isinstance(value, datetime.datetime) else "D")


def _cftime_or_none(value: Any) -> Any:
    if is_missing(value):
        return None
    if not _is_of_cftime(value):
        raise TypeError(
            "a column of dates of cftime must hold nothing else: convert all of them. "
            f"Got {value!r} among them."
        )
    return value


def _map(function: Callable[[Any], Any], values: NDArray) -> NDArray:
    mapped = np.empty(values.shape, dtype=object)
    for place, each in enumerate(values.flat):
        mapped.flat[place] = function(each)
    return mapped
