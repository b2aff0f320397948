"""Samples of DataArrays bring their names and coordinates along."""

import numpy as np
import pandas as pd
import pytest

from sk_posenc import grid_samples

xr = pytest.importorskip("xarray")
DAYS = pd.date_range("2024-01-01", periods=3)
FIELD = xr.DataArray(np.arange(6.0).reshape(3, 2), {"t": DAYS, "x": [10, 30]}, ("t", "x"))


def test_names_and_coordinates():
    X, y = grid_samples(FIELD)
    expected = pd.DataFrame({"t": np.repeat(DAYS, 2), "x": [10, 30] * 3})
    pd.testing.assert_frame_equal(X, expected, check_dtype=False)
    np.testing.assert_array_equal(y, np.arange(6))


def test_dimensions_without_coordinates_have_those_of_arrays():
    X, _ = grid_samples(FIELD.drop_vars("x"))
    assert X["x"].tolist() == [0, 0.5] * 3


def test_channels_and_variables():
    X, y = grid_samples(FIELD, channels=True)
    assert (list(X), y.shape) == (["t"], (3, 2))
    X, y = grid_samples(FIELD.to_dataset(name="a"))
    assert (X.shape, y.shape) == ((6, 2), (6,))
    both = xr.Dataset({"a": FIELD, "b": -FIELD.T})
    X, y = grid_samples(both)
    np.testing.assert_array_equal(y[:, 0], -y[:, 1])


def test_dates_of_other_calendars():
    cftime = pytest.importorskip("cftime")
    dates = [cftime.Datetime360Day(2000, 2, 30), cftime.Datetime360Day(2000, 3, 1)]
    X, _ = grid_samples(xr.DataArray([1.0, 2.0], {"t": dates}, ("t",)))
    assert X["t"].tolist() == dates


@pytest.mark.parametrize(
    ("values", "settings", "kind", "message"),
    [
        (FIELD, {"axes": [[1]]}, ValueError, "assign_coords"),
        (FIELD.assign_coords(x=["a", "b"]), {}, TypeError, "coordinate 'x' must hold real numbers"),
        (FIELD.assign_coords(x=[1, np.nan]), {}, ValueError, "coordinate 'x' must be finite"),
        (xr.Dataset({"a": FIELD, "b": FIELD[0]}), {}, ValueError, "the same dimensions"),
        (xr.Dataset(), {}, ValueError, "Got 0 variables"),
    ],
)
def test_what_is_no_grid_is_refused(values, settings, kind, message):
    with pytest.raises(kind, match=message):
        grid_samples(values, **settings)
