"""Tables, masks and dates come in as numbers; what has no numbers is refused by name."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_posenc.core.dates import DateAxis
from sk_posenc.core.incoming import coordinates_in, settled, targets_in

STAMPS = pd.date_range("2024-02-28", periods=4, freq="12h")
DAYS = [0.0, 0.5, 1.0, 1.5]
FRAME = pd.DataFrame({"t": STAMPS, "depth": np.arange(4, dtype=np.float32)})


def polars_frame():
    return pl.DataFrame({"t": STAMPS.to_pydatetime().tolist(), "depth": [0.0, 1, 2, 3]})


@pytest.mark.parametrize(
    "X",
    [
        FRAME,
        FRAME.assign(t=STAMPS.tz_localize("UTC").tz_convert("Asia/Tokyo")),
        polars_frame(),
        FRAME.astype(object).to_numpy(),
        [[stamp, depth] for stamp, depth in zip(STAMPS, range(4), strict=True)],
        [[stamp.to_datetime64(), float(depth)] for depth, stamp in enumerate(STAMPS)],
    ],
    ids=["pandas", "zone", "polars", "objects", "list", "datetime64 and float"],
)
def test_tables_of_dates_and_numbers(X):
    numbers, dates = coordinates_in(X)
    np.testing.assert_array_equal(numbers, np.column_stack([DAYS, range(4)]))
    assert dates == (DateAxis(STAMPS[0].to_datetime64()), None)


def test_plain_numbers_are_not_touched():
    for X in (np.zeros((3, 2), dtype=np.float16), pd.DataFrame({"a": [1, 2]}), np.eye(2) > 0):
        numbers, _ = coordinates_in(X)
        assert numbers is X
        assert targets_in(X) is X


def test_learnt_dates_are_used_again():
    _, learnt = coordinates_in(FRAME)
    later, _ = coordinates_in(FRAME.assign(t=STAMPS + pd.Timedelta("1D")), learnt)
    assert later[:, 0].tolist() == [1, 1.5, 2, 2.5]
    missing, _ = coordinates_in(FRAME.assign(t=pd.NaT), learnt)
    assert np.isnan(missing[:, 0]).all()


def test_dates_and_numbers_are_not_exchanged():
    _, learnt = coordinates_in(FRAME)
    with pytest.raises(TypeError, match=r"column 't' of X must hold dates.*Got dtype float64"):
        coordinates_in(pd.DataFrame({"t": [1.0], "depth": [0.0]}), learnt)
    with pytest.raises(TypeError, match="column 0 of X must hold dates"):
        coordinates_in(np.zeros((2, 2)), learnt)
    with pytest.raises(TypeError, match="column 'depth' of X must hold numbers"):
        coordinates_in(FRAME.assign(depth=STAMPS), learnt)


def test_masks_are_missing():
    X = np.ma.array([[1.0, 2], [3, -9999]], mask=[[0, 0], [0, 1]])
    numbers, _ = coordinates_in(X)
    np.testing.assert_array_equal(numbers, [[1, 2], [3, np.nan]])
    assert X.data[1, 1] == -9999
    whole = np.ma.array([1, 2, 3], mask=[1, 0, 0])
    np.testing.assert_array_equal(targets_in(whole), [np.nan, 2, 3])
    np.testing.assert_array_equal(targets_in([whole, whole]), [[np.nan, 2, 3]] * 2)
    dates = np.ma.array(STAMPS.to_numpy(), mask=[0, 1, 0, 0])
    assert np.isnan(coordinates_in(dates[:, None])[0][:, 0]).tolist() == [False, True, False, False]
    kept = targets_in(np.ma.array([1.5, 2], mask=False, dtype=np.float32))
    assert kept.dtype == np.float32


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean"])
def test_extension_dtypes_of_pandas(dtype):
    column = pd.Series([1, None, 0], dtype=dtype)
    for found in (targets_in(column), coordinates_in(column.to_frame("a"))[0][:, 0]):
        np.testing.assert_array_equal(found, [1, np.nan, 0])


def test_frames_of_pyarrow():
    pytest.importorskip("pyarrow")
    plain = pd.DataFrame({"t": STAMPS, "k": [1, 2, 3, 4]})
    frame = plain.convert_dtypes(dtype_backend="pyarrow")
    frame["t"] = plain["t"].astype("timestamp[us][pyarrow]")
    np.testing.assert_array_equal(coordinates_in(frame)[0], coordinates_in(plain)[0])
    assert coordinates_in(frame)[1][0] is not None


def test_polars_with_missing_numbers():
    frame = pl.DataFrame({"a": [1, None], "b": [0.5, 1.5]})
    np.testing.assert_array_equal(coordinates_in(frame)[0], [[1, 0.5], [np.nan, 1.5]])
    np.testing.assert_array_equal(targets_in(frame["a"]), [1, np.nan])


@pytest.mark.parametrize("read", [coordinates_in, targets_in])
def test_categories_and_text_are_refused_by_name(read):
    frame = pd.DataFrame({"t": STAMPS, "station": pd.Categorical(list("abab"))})
    with pytest.raises(TypeError, match=r"column 'station' of .* holds categories.*OneHotEncoder"):
        read(frame)
    kinds = pl.DataFrame({"k": ["a", "b"]}, schema={"k": pl.Categorical})
    with pytest.raises(TypeError, match=r"column 'k' of .* holds categories"):
        read(kinds)
    with pytest.raises(TypeError, match=r"column 'day' of .* must hold numbers or dates.*soon"):
        read(pd.DataFrame({"day": ["soon", "later"]}))


def test_targets_of_dates_and_durations_are_days():
    dates = np.array(["1970-01-03", "NaT"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(targets_in(dates), [2, np.nan])
    np.testing.assert_array_equal(targets_in(dates - dates[0]), [0, np.nan])
    steps = pd.Series(pd.to_timedelta(["36h", None]))
    np.testing.assert_array_equal(targets_in(steps), [1.5, np.nan])
    np.testing.assert_array_equal(coordinates_in(steps.to_frame("s"))[0][:, 0], [1.5, np.nan])
    np.testing.assert_array_equal(targets_in(np.stack([dates, dates], 1)), [[2, 2], [np.nan] * 2])


def test_rounding_alone_is_constant():
    X = np.array([[0.3, 1.0], [0.1 + 0.2, 2.0]])
    assert settled(X, np).tolist() == [[0.3, 1.0], [0.3, 2.0]]
    assert X[1, 0] != X[0, 0]
    plain = np.array([[0.3], [0.3 + 1e-14]])
    assert settled(plain, np) is plain
    widest = np.array([[-1.7e308], [1.7e308]])
    assert settled(widest, np) is widest


@given(st.floats(1e-290, 1e300), st.integers(1, 4))
def test_a_few_last_digits_are_rounding(value, n_digits):
    other = value + n_digits * np.spacing(value)
    found = settled(np.array([[value], [other]]), np)
    assert found[0, 0] == found[1, 0] == value
