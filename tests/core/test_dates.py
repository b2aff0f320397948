"""Dates of any library and unit are the same days; periods count from one Monday."""

import datetime
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_posenc.core.dates import DateAxis, days_of

STAMPS = pd.date_range("2020-01-01T03:00", "2020-01-03", periods=5)
ZONED = STAMPS.tz_localize("UTC").tz_convert("Asia/Tokyo")


@pytest.mark.parametrize(
    "column",
    [
        STAMPS.to_numpy().astype("datetime64[s]"),
        STAMPS.to_numpy().astype("datetime64[ns]"),
        pd.Series(STAMPS),
        pd.Series(ZONED),
        ZONED,
        STAMPS.astype(object),
        ZONED.to_pydatetime(),
        list(STAMPS.to_pydatetime()),
        pl.Series(STAMPS.to_pydatetime().tolist()),
        pl.Series(STAMPS.to_pydatetime().tolist()).dt.replace_time_zone("UTC"),
    ],
)
def test_same_instants_are_same_numbers(column):
    assert DateAxis.of(STAMPS).numbers(column).tolist() == [0, 0.46875, 0.9375, 1.40625, 1.875]


def test_periods_count_as_their_start():
    periods = pd.period_range("2020-01", periods=3, freq="M")
    axis = DateAxis.of(periods)
    for given_as in (periods, pd.Series(periods), list(periods)):
        assert axis.numbers(given_as).tolist() == [0, 31, 60]


@pytest.mark.parametrize(
    "column",
    [
        np.array(["2020-01-02", "NaT"], dtype="datetime64[D]"),
        pd.Series([pd.Timestamp("2020-01-02"), pd.NaT]),
        [datetime.date(2020, 1, 2), None],
        [pd.NaT, datetime.datetime(2020, 1, 2)],
        pl.Series([None, datetime.date(2020, 1, 2)]),
    ],
)
def test_missing_dates_are_nan(column):
    numbers = DateAxis(np.datetime64("2020-01-01")).numbers(column)
    assert np.nanmax(numbers) == 1
    assert np.isnan(numbers).sum() == 1


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "as"])
def test_no_unit_loses_digits(unit):
    dates = np.arange(-3, 4).astype(f"datetime64[{unit}]")
    steps = np.diff(DateAxis.of(dates).numbers(dates))
    assert np.all(steps > 0)
    if unit not in ("Y", "M"):
        one_day = {"W": 1 / 7, "D": 1, "h": 24, "m": 1440, "s": 86_400}
        per_second = {"ms": 1e3, "us": 1e6, "ns": 1e9, "ps": 1e12, "as": 1e18}
        per_day = one_day.get(unit) or 86_400 * per_second[unit]
        np.testing.assert_allclose(steps, 1 / per_day, rtol=1e-9)


@given(st.datetimes(datetime.datetime(1300, 1, 1), datetime.datetime(2900, 1, 1)))
def test_dates_come_back(date):
    axis = DateAxis(np.datetime64("2001-01-01T12", "h"))
    expected = (date - datetime.datetime(2001, 1, 1, 12)) / datetime.timedelta(days=1)
    number = axis.numbers([date])
    assert number[0] == pytest.approx(expected, rel=1e-15, abs=1e-15)
    back = axis.dates(number)[0]
    # a float holds days centuries away to some 50 microseconds
    assert abs(back - np.datetime64(date)) <= np.timedelta64(50, "us")


def test_missing_numbers_come_back_missing():
    axis = DateAxis(np.datetime64("2020-01-01"))
    assert np.isnat(axis.dates([np.nan, 1.0])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("1D", 1), ("day", 1), ("2 weeks", 14), ("12h", 0.5), ("90min", 0.0625), ("1W", 7),
        ("1Y", 365.2425), ("12M", 365.2425), (np.timedelta64(3, "h"), 0.125),
        (pd.Timedelta("36h"), 1.5), (datetime.timedelta(days=2), 2),
    ],
)  # fmt: skip
def test_lengths_of_periods(period, days):
    assert days_of(period) == pytest.approx(days, rel=1e-15)


@pytest.mark.parametrize("period", ["", "1X", "0D", "-1D", "MS", np.timedelta64("NaT"), "1e400D"])
def test_what_is_no_period_is_refused(period):
    with pytest.raises(ValueError, match=r"period of dates, such as .* Got"):
        days_of(period)


def test_a_number_is_no_period():
    with pytest.raises(TypeError, match="period of dates"):
        days_of(7.0)


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)))
def test_periods_start_at_midnight_and_on_monday(date):
    axis = DateAxis(np.datetime64(date))
    midnight = datetime.datetime.combine(date.date(), datetime.time())
    day = datetime.timedelta(days=1)
    assert axis.start_of(1.0) == pytest.approx((midnight - date) / day, abs=1e-9)
    monday = midnight - date.weekday() * day
    assert axis.start_of(7.0) == pytest.approx((monday - date) / day, abs=1e-9)
    new_year = datetime.datetime(date.year, 1, 1)
    year = axis.days("year")
    off = (axis.start_of(year) - (new_year - date) / day + year / 2) % year - year / 2
    assert abs(off) < 1.6  # leap years move it


def test_calendars_of_cftime():
    cftime = pytest.importorskip("cftime")
    dates = [cftime.DatetimeNoLeap(2001, 1, day) for day in (3, 1, 2)]
    axis = DateAxis.of(dates)
    assert axis.calendar == "noleap"
    assert axis.numbers([*dates, None])[:3].tolist() == [2, 0, 1]
    assert axis.dates([1.0])[0] == cftime.DatetimeNoLeap(2001, 1, 2)
    assert (axis.days("1Y"), axis.start_of(365.0)) == (365, 0)
    with pytest.raises(ValueError, match=r"one calendar.*noleap and standard"):
        axis.numbers(np.array(["2001-01-01"], dtype="datetime64[D]"))
    standard = DateAxis(np.datetime64("2001-01-01"))
    assert standard.numbers([cftime.DatetimeGregorian(2001, 1, 2)]).tolist() == [1]


def test_all_missing_is_refused():
    with pytest.raises(ValueError, match="all dates of one are missing"):
        DateAxis.of(np.array(["NaT"], dtype="datetime64[s]"))


def test_other_things_among_dates_are_refused():
    with pytest.raises(TypeError, match=r"dates only.*Got 'soon'"):
        DateAxis.of([datetime.date(2020, 1, 1), "soon"])


def test_an_axis_pickles():
    axis = DateAxis.of(STAMPS)
    assert pickle.loads(pickle.dumps(axis)) == axis
