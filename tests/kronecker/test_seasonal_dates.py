"""Seasons of dates of any library."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from sk_posenc import SeasonalRidge
from sk_posenc.core.dates import DateAxis

cftime = pytest.importorskip("cftime")

DAYS = np.arange(150.0)
Y = DAYS / 100 + np.sin(2 * np.pi * DAYS / 7) + np.random.default_rng(0).normal(scale=0.2, size=150)
START = np.datetime64("2024-07-01")
DATES = START + DAYS.astype("timedelta64[D]")


@pytest.fixture(scope="module")
def model():
    return SeasonalRidge([7, 30]).fit(DAYS[:, None], Y)


def dates_of_kinds():
    yield "ns", DATES.astype("datetime64[ns]")[:, None]
    yield "hours", DATES.astype("datetime64[h]")[:, None]
    yield "pandas", pd.DataFrame({"when": DATES})
    zoned = pd.to_datetime(DATES).tz_localize("UTC").tz_convert("Europe/Berlin")
    yield "zone", pd.DataFrame({"when": zoned})
    yield "period", pd.DataFrame({"when": pd.PeriodIndex(DATES.astype("datetime64[s]"), freq="D")})
    yield "polars", pl.DataFrame({"when": DATES})
    yield "objects", [[each] for each in DATES.astype(object)]
    yield "timestamps", [[pd.Timestamp(each)] for each in DATES]
    first = cftime.datetime(2024, 7, 1, calendar="standard")
    yield "cftime", np.array([[first + datetime.timedelta(each)] for each in DAYS])
    yield "masked", np.ma.array(DATES[:, None], mask=False)


KINDS = dict(dates_of_kinds())


@pytest.mark.parametrize("kind", KINDS)
def test_dates(kind, model):
    """They are days since the first, to the last bit, whatever holds them."""
    X = KINDS[kind]
    dated = SeasonalRidge(["week", "30D"]).fit(X, Y)
    assert dated.periods_.tolist() == [7, 30]
    assert dated.dates_ == (DateAxis(START),)
    expected, std = model.predict(DAYS[:, None], return_std=True)
    in_seconds = DATES.astype("datetime64[s]")[:, None]
    for later in (X, in_seconds if not hasattr(X, "columns") else pd.DataFrame({"when": DATES})):
        found, found_std = dated.predict(later, return_std=True)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(found_std, std)
    np.testing.assert_array_equal(
        dated.predict_components(X), model.predict_components(DAYS[:, None])
    )


def test_the_earliest_date_is_day_0():
    """Whatever the order, and whether or not it has a value."""
    y = np.where(DAYS < 5, np.nan, Y)[::-1]
    dated = SeasonalRidge("1W", nan_is_hole=True).fit(DATES[::-1, None], y)
    assert dated.dates_ == (DateAxis(START),)


def test_names_of_columns(model):
    assert model.dates_ == (None,)
    for frame in (KINDS["pandas"], KINDS["polars"]):
        dated = SeasonalRidge("7D", alphas=0.1).fit(frame, Y)
        assert dated.feature_names_in_.tolist() == ["when"]
        other = frame.rename({"when": "then"}) if isinstance(frame, pl.DataFrame) else (
            frame.rename(columns={"when": "then"}))  # fmt: skip
        with pytest.raises(ValueError, match="feature names"):
            dated.predict(other)


def test_years_of_another_calendar():
    first = cftime.datetime(2001, 1, 1, calendar="360_day")
    months = np.array([[first + datetime.timedelta(30 * each)] for each in range(60)])
    y = np.cos(np.arange(60) * 2 * np.pi / 12)
    dated = SeasonalRidge("1Y").fit(months, y)
    assert dated.periods_.tolist() == [360]
    np.testing.assert_allclose(dated.predict(months), y, atol=1e-3)


def test_durations_are_days(model):
    X = (DATES - START).astype("timedelta64[h]")[:, None]
    lasting = SeasonalRidge([7, 30]).fit(X, Y)
    np.testing.assert_array_equal(lasting.predict(X), model.predict(DAYS[:, None]))


def test_dates_and_numbers_do_not_mix(model):
    frame = KINDS["pandas"]
    with pytest.raises(TypeError, match=r"column 0 of X must hold numbers, as it did in fit.*Got"):
        model.predict(DATES[:, None])
    dated = SeasonalRidge("7D", alphas=0.1).fit(frame, Y)
    for predict in (dated.predict, dated.predict_components):
        with pytest.raises(TypeError, match="column 'when' of X must hold dates, as it did in fit"):
            predict(frame.assign(when=DAYS))
    with pytest.raises(TypeError, match=r"periods must be a period of dates.*Got 7\."):
        SeasonalRidge(7).fit(frame, Y)
    with pytest.raises(TypeError, match=r"as X has no dates .*reset_index.* Got '7D'\."):
        clone(dated).fit(DAYS[:, None], Y)
    with pytest.raises(TypeError, match="column 'when' of X must hold numbers or dates"):
        clone(dated).fit(frame.astype(str), Y)


@pytest.mark.parametrize(
    "missing",
    [
        np.where(DAYS == 3, np.datetime64("NaT"), DATES)[:, None],
        np.ma.array(DATES[:, None], mask=DAYS[:, None] == 3),
        pd.DataFrame({"when": pd.Series(DATES).where(DAYS != 3)}),
        pl.DataFrame({"when": [None, *DATES[1:].tolist()]}),
    ],
    ids=["NaT", "masked", "pandas", "polars"],
)
def test_missing_dates_are_refused(missing):
    dated = SeasonalRidge("7D", alphas=0.1)
    with pytest.raises(ValueError, match="X contains NaN"):
        dated.fit(missing, Y)
    assert not hasattr(dated, "dates_")
    with pytest.raises(ValueError, match="X contains NaN"):
        dated.fit(DATES[:, None], Y).predict(
            missing.to_numpy() if hasattr(missing, "columns") else missing
        )
    with pytest.raises(ValueError, match=r"all dates of one are missing.*Got NaT"):
        dated.fit(np.full((150, 1), np.datetime64("NaT", "s")), Y)
