"""A clock: one column of times, as numbers or as dates, and periods in its unit."""

import datetime
import re
from typing import Any

import numpy as np

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.settings import parse_positive

# Days in each unit in which a period may be written.
_DAYS = {"s": 1 / 86_400, "min": 1 / 1_440, "h": 1 / 24, "D": 1.0, "W": 7.0}
_PERIOD = re.compile(rf"(\d+(?:\.\d*)?|\.\d+) ?({'|'.join(_DAYS)})")


def as_numbers(X: Any) -> tuple[Any, bool]:
    """Dates as days since 1970, and whether X has dates; all else as it is.

    Parameters
    ----------
    X : array-like
        Dates are arrays or frames of datetime64, and lists of ``datetime`` objects.

    Returns
    -------
    X : array-like
    has_dates : bool

    Raises
    ------
    ValueError
        For dates with a time zone.
    """
    values = to_numpy(X)
    if not isinstance(values, np.ndarray):
        values = np.asarray(X) if hasattr(X, "__len__") and not hasattr(X, "tocsr") else values
    kind = getattr(getattr(values, "dtype", None), "kind", None)
    if kind == "O" and values.size and isinstance(values.flat[0], datetime.date):
        if any(getattr(each, "tzinfo", None) is not None for each in values.flat):
            raise ValueError(
                "dates must have no time zone, as a day there may have 23 or 25 hours: take local "
                "or universal time without it, in pandas by tz_localize(None) or tz_convert(None). "
                f"Got {values.flat[0]!r}."
            )
        values, kind = values.astype("datetime64[us]"), "M"
    if kind != "M":
        return X, False
    days = (values - np.datetime64(0, "D").astype(values.dtype)) / np.timedelta64(1, "D")
    return days, True


def parse_periods(periods: Any, has_dates: bool) -> list[float]:
    """Periods as numbers in the unit of X, in days where X has dates.

    Raises
    ------
    ValueError
        For no period, equal ones, and text that is no period.
    TypeError
        For numbers where X has dates, and text where it has none.
    """
    if isinstance(periods, str | datetime.timedelta | np.timedelta64) or np.ndim(periods) == 0:
        periods = [periods]
    listed = [_period(each, has_dates) for each in periods]
    if not listed or len({*listed}) < len(listed):
        raise ValueError(f"periods must be one or more different periods. Got {periods!r}.")
    return listed


def _period(value: Any, has_dates: bool) -> float:
    if isinstance(value, np.timedelta64 | datetime.timedelta):
        value = f"{float(np.timedelta64(value) / np.timedelta64(1, 'D')):.17f}D"
    if not has_dates:
        if isinstance(value, str):
            raise TypeError(
                f"periods must be numbers in the unit of X, as X has no dates. Got {value!r}."
            )
        return parse_positive(value, "periods")
    if not isinstance(value, str):
        raise TypeError(
            'periods must have a unit where X has dates, such as "7D", "1h" or "365.25D". '
            f"Got {value!r}."
        )
    match = _PERIOD.fullmatch(value.strip())
    if match is None:
        raise ValueError(
            f"periods must be a number and one of the units {', '.join(_DAYS)}, such as "
            f'"365.25D". Got {value!r}.'
        )
    return parse_positive(float(match[1]) * _DAYS[match[2]], "periods")
