"""Periods of seasons in the unit of the times, which are numbers or dates."""

from typing import Any

import numpy as np

from sk_posenc.core.dates import DateAxis, is_period
from sk_posenc.core.settings import parse_positive


def parse_periods(periods: Any, dates: DateAxis | None) -> list[float]:
    """Periods as numbers in the unit of X, in days where X has dates.

    Parameters
    ----------
    periods : float, str, timedelta or a sequence of them
    dates : DateAxis or None
        What X was read by; None where it has numbers.

    Raises
    ------
    ValueError
        For no period, equal ones, and text that is no period.
    TypeError
        For numbers where X has dates, and text where it has none.
    """
    several = isinstance(periods, list | tuple) or np.ndim(periods) > 0
    listed = [_period(each, dates) for each in (periods if several else [periods])]
    if not listed or len({*listed}) < len(listed):
        raise ValueError(f"periods must be one or more different periods. Got {periods!r}.")
    return listed


def _period(value: Any, dates: DateAxis | None) -> float:
    if dates is not None:
        return dates.days(value, "periods")
    if is_period(value):
        raise TypeError(
            "periods must be numbers in the unit of X, as X has no dates (those of its index "
            f"do not count: reset_index() makes them a column). Got {value!r}."
        )
    return parse_positive(value, "periods")
