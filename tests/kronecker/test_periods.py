"""Periods in the unit of the times."""

import datetime

import numpy as np
import pandas as pd
import pytest

from sk_posenc.core.dates import DateAxis
from sk_posenc.kronecker._periods import parse_periods

cftime = pytest.importorskip("cftime")

DATES = DateAxis(np.datetime64("2024-01-01"))
YEARS_OF_360 = DateAxis(cftime.datetime(2024, 1, 1, calendar="360_day"))


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("1D", 1),
        ("day", 1),
        ("365.25D", 365.25),
        ("7 D", 7),
        ("2 weeks", 14),
        (".5h", 0.5 / 24),
        ("90min", 1 / 16),
        ("864s", 0.01),
        ("1Y", 365.2425),
        (np.timedelta64(36, "h"), 1.5),
        (datetime.timedelta(hours=6), 0.25),
        (pd.Timedelta("2D"), 2),
    ],
)
def test_periods_of_dates(period, days):
    assert parse_periods(period, DATES) == [days]
    assert parse_periods(["1000D", period], DATES) == [1000, days]


def test_periods_of_several_kinds():
    listed = ["12h", datetime.timedelta(1), np.timedelta64(1, "W")]
    assert parse_periods(listed, DATES) == [0.5, 1, 7]
    assert parse_periods(np.array([1, 7], dtype="timedelta64[D]"), DATES) == [1, 7]
    assert parse_periods(pd.to_timedelta(["1D", "12h"]), DATES) == [1, 0.5]


def test_years_are_those_of_the_calendar():
    assert parse_periods(("1Y", "month"), YEARS_OF_360) == [360, 30]


def test_periods_of_numbers():
    assert parse_periods(24, None) == [24.0]
    assert parse_periods(np.array([24, 168]), None) == [24.0, 168.0]


@pytest.mark.parametrize(
    ("periods", "dates", "error", "message"),
    [
        (24, DATES, TypeError, r'periods must be a period of dates, such as "1D".*Got 24\.'),
        (["1D", 7], DATES, TypeError, r"must be a period of dates.*Got 7\."),
        (None, DATES, TypeError, r"must be a period of dates.*Got None\."),
        ("1D", None, TypeError, r"must be numbers in the unit of X.*Got '1D'\."),
        (datetime.timedelta(1), None, TypeError, r"must be numbers.*Got datetime\.timedelta"),
        ("fortnight", DATES, ValueError, r"such as \"1D\".*Got 'fortnight'\."),
        ("-1D", DATES, ValueError, r"Got '-1D'\."),
        ("0D", DATES, ValueError, r"Got '0D'\."),
        (datetime.timedelta(days=-1), DATES, ValueError, r"Got datetime\.timedelta"),
        ([], None, ValueError, r"one or more different periods. Got \[\]\."),
        ([7, 7.0], None, ValueError, r"different periods. Got \[7, 7\.0\]\."),
        (["1W", "7D"], DATES, ValueError, "different periods"),
        (0, None, ValueError, r"greater than 0. Got 0\."),
        ([np.nan], None, ValueError, "finite"),
        (None, None, TypeError, r"must be a number. Got None\."),
    ],
)
def test_refused_periods(periods, dates, error, message):
    with pytest.raises(error, match=message):
        parse_periods(periods, dates)
