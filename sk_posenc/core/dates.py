"""Dates as numbers: days since an origin that is learnt once, and periods of dates."""

import datetime
import math
import re
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.date_columns import calendar_of, dates_of, first_present, is_missing

# Parts of a day. Units above a day have no parts in it.
_PER_DAY = {
    "h": 24, "m": 1440, "s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6,
    "ns": 86_400 * 10**9, "ps": 86_400 * 10**12, "fs": 86_400 * 10**15, "as": 86_400 * 10**18,
}  # fmt: skip

# Days of a year of each calendar of cftime; NumPy's has the Gregorian mean.
_YEARS = {"noleap": 365.0, "365_day": 365.0, "all_leap": 366.0, "366_day": 366.0,
          "360_day": 360.0, "julian": 365.25}  # fmt: skip
_YEAR = 365.2425

# A Monday, a New Year and a midnight: periods count from here.
_FIRST_OF_PERIODS = (2001, 1, 1)

_PERIOD = re.compile(r"\s*(\d+\.?\d*|\.\d+)?\s*([A-Za-z]+)\s*")

# What a period may be called, in days; years and months hang on the calendar.
_UNITS = {
    "W": 7.0, "week": 7.0, "D": 1.0, "d": 1.0, "day": 1.0, "h": 1 / 24, "H": 1 / 24,
    "hour": 1 / 24, "min": 1 / 1440, "m": 1 / 1440, "minute": 1 / 1440, "s": 1 / 86_400,
    "S": 1 / 86_400, "second": 1 / 86_400, "ms": 1 / 86_400e3, "us": 1 / 86_400e6,
    "ns": 1 / 86_400e9,
}  # fmt: skip
_MONTHS = {"Y": 12, "year": 12, "M": 1, "month": 1}

_EXAMPLES = '"1D" (or "day"), "1W", "1Y", "12h" or a timedelta'


@dataclass(frozen=True)
class DateAxis:
    """The dates of one axis as days since its origin.

    Parameters
    ----------
    origin : datetime64 or cftime.datetime
        The date that counts as 0. Dates without a time zone count as UTC.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc.core.dates import DateAxis
    >>> axis = DateAxis.of(np.array(["2024-02-28", "2024-03-01"], dtype="datetime64[s]"))
    >>> axis.numbers(np.array(["2024-02-28T12", "NaT"], dtype="datetime64[ns]"))
    array([0.5, nan])
    >>> axis.dates([2.25])
    array(['2024-03-01T06:00:00.000000'], dtype='datetime64[us]')
    >>> axis.start_of(axis.days("week"))  # 2024-02-28 was a Wednesday
    -2.0
    """

    origin: Any

    @classmethod
    def of(cls, dates: Any) -> Self:
        """The axis whose origin is the earliest of some dates; ValueError where all are missing."""
        values = _dates_or_raise(dates)
        if values.dtype.kind == "M":
            present = values[~np.isnat(values)]
            if present.size:
                return cls(present.min())
        else:
            listed = [each for each in values.flat if each is not None]
            if listed:
                _same_calendar({calendar_of(each) for each in listed})
                return cls(min(listed))
        raise ValueError(
            "X must have a date in each column of dates: all dates of one are missing. "
            "Got NaT only."
        )

    @property
    def calendar(self) -> str | None:
        """That of cftime, None for NumPy's."""
        return calendar_of(self.origin)

    def numbers(self, dates: Any) -> NDArray[np.float64]:
        """Days since the origin, of dates of any unit and library; NaN where one is missing.

        The same instant has the same number whatever its unit.
        """
        values = _dates_or_raise(dates)
        if values.dtype.kind == "M":
            _same_calendar({None, self.calendar})
            return _days_since(self.origin, values)
        _same_calendar({calendar_of(first_present(values)), self.calendar})
        day = datetime.timedelta(days=1)
        listed = [math.nan if each is None else (each - self.origin) / day for each in values.flat]
        return np.array(listed, dtype=np.float64).reshape(values.shape)

    def dates(self, numbers: Any) -> NDArray:
        """The way back, to a microsecond (a nanosecond where the origin has them); NaN is NaT."""
        days = np.asarray(numbers, dtype=np.float64)
        if self.calendar is not None:
            back = np.empty(days.shape, dtype=object)
            for place, each in enumerate(days.flat):
                later = None if math.isnan(each) else datetime.timedelta(days=float(each))
                back.flat[place] = None if later is None else self.origin + later
            return back
        fine = np.datetime_data(self.origin.dtype)[0] in ("ns", "ps", "fs", "as")
        unit: Literal["ns", "us"] = "ns" if fine else "us"
        whole = np.floor(days)
        missing = np.isnan(days)
        steps = np.where(missing, 0, np.rint((days - whole) * _PER_DAY[unit])).astype(np.int64)
        steps += np.where(missing, 0, whole).astype(np.int64) * _PER_DAY[unit]
        back = self.origin.astype(f"datetime64[{unit}]") + steps.astype(f"timedelta64[{unit}]")
        return np.asarray(np.where(missing, np.datetime64("NaT", unit), back))

    def days(self, period: Any, name: str = "domain") -> float:
        """Length of a period in days; a year is the mean one of the calendar."""
        return days_of(period, name, self.calendar)

    def at_first_of_periods(self) -> Self:
        """An axis of the same calendar whose origin is where periods count from."""
        if self.calendar is None:
            return type(self)(np.datetime64("{}-{:02}-{:02}".format(*_FIRST_OF_PERIODS)))
        return type(self)(type(self.origin)(*_FIRST_OF_PERIODS, calendar=self.calendar))

    def start_of(self, days: float) -> float:
        """Where the period of so many days starts that holds the origin.

        Periods count from Monday, 1 January 2001, 0 h UTC: days from midnight, weeks from Monday,
        years from New Year (to a day or two, as leap years move it).
        """
        first = self.at_first_of_periods().origin
        since = -float(self.numbers(first))
        return -(since % days) or 0.0


def is_period(value: Any) -> bool:
    """Whether a value may be the length of a period: a text or a timedelta."""
    return isinstance(value, str | datetime.timedelta | np.timedelta64)


def days_of(period: Any, name: str = "domain", calendar: str | None = None) -> float:
    """Length of a period in days.

    Parameters
    ----------
    period : str, timedelta64, timedelta or Timedelta
        A number and a unit, "1D", "12h" or "2 weeks", or a unit alone, "year".
    name : str, default="domain"
        Of the parameter, for errors.
    calendar : str, default=None
        That of dates of cftime.

    Raises
    ------
    TypeError
        For what is no period.
    ValueError
        For a text that names none, and for a length that is not positive.
    """
    wanted = f"{name} must be a period of dates, such as {_EXAMPLES}. Got {period!r}."
    if not is_period(period):
        raise TypeError(wanted)
    days = _length(period, calendar)
    if days is None or is_missing(period) or not (math.isfinite(days) and days > 0):
        raise ValueError(wanted)
    return days


def _length(period: Any, calendar: str | None) -> float | None:
    if isinstance(period, datetime.timedelta):
        return period / datetime.timedelta(days=1)
    if isinstance(period, np.timedelta64):
        unit, count = np.datetime_data(period.dtype)
        number = float(period.astype(np.int64)) * count
    else:
        parts = _PERIOD.fullmatch(period)
        if parts is None:
            return None
        number, unit = float(parts[1] or 1), parts[2]
    word = unit.lower().removesuffix("s") if len(unit) > 3 else unit
    for name in (unit, word):
        if name in _MONTHS:
            return number * _MONTHS[name] * _YEARS.get(calendar or "", _YEAR) / 12
        if name in _UNITS:
            return number * _UNITS[name] if _UNITS[name] >= 1 else number / round(1 / _UNITS[name])
    return None


def _dates_or_raise(dates: Any) -> NDArray:
    values = dates_of(dates)
    if values is None:
        raise TypeError(f"expected dates. Got {dates!r}.")
    return values


def _same_calendar(calendars: set[str | None]) -> None:
    if len(calendars) > 1:
        told = sorted(each or "standard" for each in calendars)
        raise ValueError(
            f"dates of one axis must have one calendar: convert them. Got {' and '.join(told)}."
        )


def _days_since(origin: np.datetime64, dates: NDArray) -> NDArray[np.float64]:
    """Whole days and the rest of a day are subtracted apart, so that no unit loses digits."""
    day, part, per_day = _split(dates)
    first, first_part, first_per_day = _split(np.asarray(origin))
    whole, finer = day - first, max(per_day, first_per_day)
    if finer > _PER_DAY["ps"]:  # a day has more steps than an integer holds
        alike = per_day == first_per_day
        rest = (part - first_part) / finer if alike else part / per_day - first_part / first_per_day
        return np.where(np.isnat(dates), np.nan, whole + rest)
    steps = part * (finer // per_day) - first_part * (finer // first_per_day)
    # about midnight a whole day less most of a day would lose digits
    near = np.abs(whole) <= 1
    joined = (np.where(near, whole, 0) * finer + steps) / finer
    numbers = np.where(near, joined, whole + steps / finer)
    return np.where(np.isnat(dates), np.nan, numbers)


def _split(dates: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Whole days since 1970, the rest in a unit, and how many of this unit a day has."""
    unit, _ = np.datetime_data(dates.dtype)
    per_day = _PER_DAY.get(unit)
    if per_day is None:  # days and longer
        return dates.astype("datetime64[D]").astype(np.int64), np.zeros(dates.shape, np.int64), 1
    if per_day > _PER_DAY["ps"]:  # all of them lie within hours of 1970
        steps = dates.astype(f"datetime64[{unit}]").astype(np.int64)
        return np.zeros(dates.shape, np.int64), steps, per_day
    steps = dates.astype(f"datetime64[{unit}]").astype(np.int64)
    day = np.floor_divide(steps, per_day)
    return day, steps - day * per_day, per_day
