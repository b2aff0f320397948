"""Times as numbers or dates, and periods in their unit."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sk_posenc.kronecker._clock import as_numbers, parse_periods

DAYS = np.array([[0.0], [0.25], [365.0]])
DATES = np.array([["1970-01-01T00"], ["1970-01-01T06"], ["1971-01-01T00"]], dtype="datetime64[ns]")


@pytest.mark.parametrize(
    "dates",
    [
        DATES,
        DATES.astype("datetime64[h]"),
        pd.DataFrame({"when": DATES[:, 0]}),
        pl.DataFrame({"when": DATES[:, 0]}),
        [[datetime.datetime(1970, 1, 1)], [datetime.datetime(1970, 1, 1, 6)],
         [datetime.datetime(1971, 1, 1)]],
        [[pd.Timestamp(each)] for each in DATES[:, 0]],
    ],
    ids=["ns", "hours", "pandas", "polars", "datetime", "timestamps"],
)  # fmt: skip
def test_dates_are_days(dates):
    days, has_dates = as_numbers(dates)
    assert has_dates
    np.testing.assert_array_equal(days, DAYS)


def test_calendar_days():
    days, has_dates = as_numbers([[datetime.date(1970, 1, 3)]])
    assert has_dates
    assert days.tolist() == [[2.0]]


@pytest.mark.parametrize("X", [DAYS, DAYS.tolist(), pd.DataFrame(DAYS), [["a"]], np.array([])])
def test_all_else_is_left(X):
    same, has_dates = as_numbers(X)
    assert same is X
    assert not has_dates


def test_missing_dates_are_nan():
    assert np.isnan(as_numbers(np.array([["NaT"]], dtype="datetime64[D]"))[0]).all()


def test_time_zones_are_refused():
    berlin = pd.DataFrame({"when": pd.to_datetime(DATES[:, 0]).tz_localize("Europe/Berlin")})
    with pytest.raises(ValueError, match=r"no time zone.*tz_localize\(None\).*Got Timestamp"):
        as_numbers(berlin)


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("1D", 1),
        ("365.25D", 365.25),
        ("7 D", 7),
        ("1W", 7),
        (".5h", 0.5 / 24),
        ("90min", 1 / 16),
        ("864s", 0.01),
        (np.timedelta64(36, "h"), 1.5),
        (datetime.timedelta(hours=6), 0.25),
        (pd.Timedelta("2D"), 2),
    ],
)
def test_periods_of_dates(period, days):
    assert parse_periods(period, has_dates=True) == pytest.approx([days], rel=1e-12)


def test_periods_of_numbers():
    assert parse_periods(24, has_dates=False) == [24.0]
    assert parse_periods(np.array([24, 168]), has_dates=False) == [24.0, 168.0]


@pytest.mark.parametrize(
    ("periods", "has_dates", "error", "message"),
    [
        (24, True, TypeError, r"must have a unit where X has dates.*Got 24\."),
        (["1D", 7], True, TypeError, r"must have a unit.*Got 7\."),
        ("1D", False, TypeError, r"must be numbers in the unit of X.*Got '1D'\."),
        ("fortnight", True, ValueError, r"one of the units s, min, h, D, W.*Got 'fortnight'\."),
        ("1M", True, ValueError, r"Got '1M'\."),
        ("-1D", True, ValueError, r"Got '-1D'\."),
        ("0D", True, ValueError, r"greater than 0.*Got 0\.0\."),
        (datetime.timedelta(days=-1), True, ValueError, "number and one of the units"),
        ([], False, ValueError, r"one or more different periods. Got \[\]\."),
        ([7, 7.0], False, ValueError, r"different periods. Got \[7, 7\.0\]\."),
        (["1W", "7D"], True, ValueError, "different periods"),
        (0, False, ValueError, r"greater than 0. Got 0\."),
        ([np.nan], False, ValueError, "finite"),
        (None, False, TypeError, r"must be a number. Got None\."),
    ],
)
def test_refused_periods(periods, has_dates, error, message):
    with pytest.raises(error, match=message):
        parse_periods(periods, has_dates)
