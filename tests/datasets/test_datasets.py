"""Grids to samples and back against loops over the grid; signals against their sources."""

import builtins

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sk_posenc import grid_samples, load_signal, samples_to_grid

_SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)

_IMAGES = {
    "astronaut": (512, 512, 3),
    "brick": (512, 512),
    "camera": (512, 512),
    "cell": (660, 550),
    "chelsea": (300, 451, 3),
    "china": (427, 640, 3),
    "clock": (300, 400),
    "coffee": (400, 600, 3),
    "coins": (303, 384),
    "flower": (427, 640, 3),
    "grass": (512, 512),
    "gravel": (512, 512),
    "rocket": (427, 640, 3),
    "text": (172, 448),
}
_OTHERS = {
    "co2": (2225,),
    "elevation": (344, 403),
    "elnino": (61, 12),
    "nile": (100,),
    "sea_temperature": (54, 18, 432),
    "sunspots": (309,),
}


@given(st.data(), _SHAPES, st.integers(0, 3))
def test_round_trip_for_any_shape(data, shape, n_channels):
    full = shape + (n_channels,) * (n_channels > 0)
    dtype = data.draw(st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]))
    values = data.draw(hnp.arrays(dtype, full, elements=None))
    X, y = grid_samples(values, channels=n_channels > 0)
    assert X.shape == (np.prod(shape), len(shape))
    assert X.dtype == np.float64
    assert y.dtype == dtype
    np.testing.assert_array_equal(samples_to_grid(y, shape), values)


@given(_SHAPES, st.booleans())
def test_each_sample_sits_at_its_coordinates(shape, channels):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(*shape, 2) if channels else shape)
    axes = [rng.normal(size=n) for n in shape]
    X, y = grid_samples(values, axes, channels=channels)
    for row, index in enumerate(np.ndindex(*shape)):
        np.testing.assert_array_equal(
            X[row], [axis[i] for axis, i in zip(axes, index, strict=True)]
        )
        np.testing.assert_array_equal(y[row], values[index])


def test_default_axes_are_those_of_the_literature():
    X, _ = grid_samples(np.zeros((2, 4)))
    np.testing.assert_array_equal(np.unique(X[:, 0]), [0, 0.5])
    np.testing.assert_array_equal(np.unique(X[:, 1]), [0, 0.25, 0.5, 0.75])


def test_fortran_order_changes_nothing():
    values = np.arange(24.0).reshape(2, 3, 4)
    for channels in (False, True):
        _, expected = grid_samples(values, channels=channels)
        _, y = grid_samples(np.asfortranarray(values), channels=channels)
        np.testing.assert_array_equal(y, expected)


def test_results_share_no_memory_with_the_input():
    values, axis = np.arange(6.0), np.arange(6.0)
    X, y = grid_samples(values, [axis])
    grid = samples_to_grid(values, 6)
    for result in (X, y, grid):
        assert not np.shares_memory(result, values)
        assert not np.shares_memory(result, axis)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ((np.float32, np.float32), np.float32),
        ((np.float32, np.float64), np.float64),
        ((np.float32, np.int64), np.float64),
        ((np.float16, np.float16), np.float64),
        ((np.int8, np.uint8), np.float64),
    ],
)
def test_coordinates_are_float32_only_if_all_axes_are(dtypes, expected):
    X, y = grid_samples(
        np.zeros((2, 3), np.float32),
        [np.arange(n, dtype=d) for n, d in zip((2, 3), dtypes, strict=True)],
    )
    assert X.dtype == expected
    assert y.dtype == np.float32


@pytest.mark.parametrize("requires_grad", [False, True])
def test_tensors_are_read_as_arrays(requires_grad):
    values = np.random.default_rng(0).normal(size=(3, 4, 2))
    axes = [np.arange(3.0) + 5, np.arange(4.0)]
    expected = grid_samples(values, axes, channels=True)
    tensor, *places = (torch.tensor(a, requires_grad=requires_grad) for a in (values, *axes))
    X, y = grid_samples(tensor, places, channels=True)
    np.testing.assert_array_equal(X, expected[0])
    np.testing.assert_array_equal(y, expected[1])
    samples = torch.tensor(y, requires_grad=requires_grad)
    back = samples_to_grid(samples, (3, 4))
    assert isinstance(back, np.ndarray)
    np.testing.assert_array_equal(back, values)
    for taken, source in ((y, tensor), (back, samples)):
        assert not np.shares_memory(taken, source.detach().numpy())


def test_missing_values_pass_through():
    _, y = grid_samples([1.0, np.nan, 3.0])
    np.testing.assert_array_equal(y, [1.0, np.nan, 3.0])


@pytest.mark.parametrize(
    ("values", "axes", "channels", "error", "message"),
    [
        (3.0, None, False, ValueError, "at least one grid axis: add an axis"),
        ([1.0, 2.0], None, True, ValueError, "besides its channels.*channels=False"),
        (np.zeros((0, 3)), None, False, ValueError, r"Got shape \(0, 3\)"),
        (np.zeros((3, 0)), None, True, ValueError, r"Got shape \(3, 0\)"),
        (["a", "b"], None, False, ValueError, "values must hold numbers or dates"),
        ([1j], None, False, TypeError, "real numbers.*complex"),
        (np.zeros((2, 3)), [[0, 1]], False, ValueError, "each of the 2 axes.*Got 1"),
        (np.zeros(3), np.arange(3.0), False, ValueError, r"axes=\[times\].*Got 3\."),
        (np.zeros((2, 3)), [[0, 1], [0, 1]], False, ValueError, r"axes\[1\].*\(3,\).*\(2,\)"),
        (np.zeros(2), [[[0], [1]]], False, ValueError, r"axes\[0\].*Got shape \(2, 1\)"),
        (np.zeros(2), [[0, np.nan]], False, ValueError, r"axes\[0\] must be finite"),
        (np.zeros(2), [[0, np.inf]], False, ValueError, r"axes\[0\] must be finite"),
        (
            np.zeros(2),
            [np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")],
            False,
            TypeError,
            "convert dates",
        ),
    ],
)
def test_grid_samples_says_what_is_wrong(values, axes, channels, error, message):
    with pytest.raises(error, match=message):
        grid_samples(values, axes, channels=channels)


@pytest.mark.parametrize(
    ("y", "shape", "error", "message"),
    [
        (np.zeros(5), (2, 3), ValueError, "6 points: .*Got 5"),
        (np.zeros((6, 3)), (2, 3, 3), ValueError, "18 points: .*leave channels out.*Got 6"),
        (np.zeros((2, 3, 1)), (2, 3), ValueError, r"Got shape \(2, 3, 1\)"),
        (np.float64(1), (1,), ValueError, r"Got shape \(\)"),
        (np.zeros(6), (2.0, 3.0), TypeError, r"shape\[0\] must be a whole number. Got 2.0"),
        (np.zeros(6), 6.0, TypeError, "whole number. Got 6.0"),
        (np.zeros(6), None, TypeError, "whole number. Got None"),
        (np.zeros(6), (2, -3), ValueError, r"shape\[1\] must be at least 1. Got -3"),
        (np.zeros(1), (), ValueError, "at least one number"),
    ],
)
def test_samples_to_grid_says_what_is_wrong(y, shape, error, message):
    with pytest.raises(error, match=message):
        samples_to_grid(y, shape)


def test_samples_to_grid_keeps_what_is_not_finite():
    y = np.array([1.0, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(samples_to_grid(y, (2, 2)).ravel(), y)
    masked = np.ma.masked_array(np.arange(4.0), [False, True, False, False])
    np.testing.assert_array_equal(samples_to_grid(masked, 4), [0.0, np.nan, 2.0, 3.0])


def test_samples_to_grid_takes_a_length_and_a_list():
    np.testing.assert_array_equal(samples_to_grid([1, 2], 2), [1, 2])
    np.testing.assert_array_equal(samples_to_grid([[1], [2]], [np.int64(1), 2]), [[[1], [2]]])


@pytest.mark.parametrize(("name", "shape"), [*_IMAGES.items(), *_OTHERS.items()])
def test_signal_makes_samples(name, shape):
    values, axes = load_signal(name)
    assert values.shape == shape
    assert values.dtype == np.float64
    assert values.flags.c_contiguous
    assert values.flags.writeable
    assert np.isfinite(values).all() or name == "sea_temperature"  # land is missing
    for axis in axes:
        assert axis.dtype == np.float64
        assert (np.diff(axis) > 0).all()
    X, y = grid_samples(values, axes, channels=values.ndim > len(axes))
    assert len(X) == len(y) == np.prod([len(axis) for axis in axes])


@pytest.mark.parametrize("name", _IMAGES)
def test_image_is_in_the_unit_range_over_the_unit_domain(name):
    values, (rows, columns) = load_signal(name)
    assert 0 <= values.min() < 0.4
    assert 0.75 < values.max() <= 1
    np.testing.assert_array_equal(rows, np.arange(values.shape[0]) / values.shape[0])
    np.testing.assert_array_equal(columns, np.arange(values.shape[1]) / values.shape[1])


def test_summit_of_the_elevation_is_where_the_mountain_is():
    values, (latitude, longitude) = load_signal("elevation")
    row, column = np.unravel_index(values.argmax(), values.shape)
    # Cross Mountain, Tennessee: 36 11' 54" N, 84 13' 50" W, 1,077 m.
    assert latitude[row] == pytest.approx(36 + 11 / 60 + 54 / 3600, abs=1 / 1200)
    assert longitude[column] == pytest.approx(-(84 + 13 / 60 + 50 / 3600), abs=1 / 1200)
    assert values[row, column] == pytest.approx(1077, abs=2)
    np.testing.assert_allclose(np.diff(latitude), 1 / 1200, rtol=1e-6)
    np.testing.assert_allclose(np.diff(longitude), 1 / 1200, rtol=1e-6)


def test_series_have_the_dates_of_their_records():
    co2, (week,) = load_signal("co2")
    # Saturday, 29 March 1958 was day 88 of the year; 29 December 2001 day 363.
    assert co2[0] == 316.1
    assert week[0] == pytest.approx(1958 + 87 / 365)
    assert co2[-1] == 371.5
    assert week[-1] == pytest.approx(2001 + 362 / 365)
    # Weeks are 7 days apart, however few of them are missing.
    assert np.median(np.diff(week)) == pytest.approx(7 / 365.25, rel=1e-2)

    elnino, (year, month) = load_signal("elnino")
    np.testing.assert_array_equal(year, np.arange(1950, 2011))
    np.testing.assert_array_equal(month, np.arange(1, 13))
    assert elnino[1, 2] == 25.6  # March 1951

    nile, (year,) = load_signal("nile")
    np.testing.assert_array_equal(year, np.arange(1871, 1971))
    assert nile[0] == 1120

    sunspots, (year,) = load_signal("sunspots")
    np.testing.assert_array_equal(year, np.arange(1700, 2009))
    assert sunspots[1] == 11


def test_sea_temperature_lies_where_the_oceans_are():
    celsius, (year, latitude, longitude) = load_signal("sea_temperature")
    np.testing.assert_allclose(12 * year % 1, 0.5, atol=1e-6)  # the middles of months
    assert (year[0], year[-1]) == pytest.approx((2006 + 3.5 / 12, 2010 + 8.5 / 12))
    assert longitude[0] == -180
    np.testing.assert_allclose(np.diff(longitude), 360 / 432, rtol=1e-4)
    assert 15 < np.nanmin(celsius) < np.nanmax(celsius) < 32

    def at(north, east):
        row, column = np.argmin(abs(latitude - north)), np.argmin(abs(longitude - east))
        return celsius[:, row, column].mean()

    assert np.isnan(at(0, 25))  # Africa
    assert at(0, 150) > at(0, -110) + 3  # the warm pool, the cold tongue


def test_signals_are_fresh_copies():
    first, axes = load_signal("nile")
    first[:], axes[0][:] = -1, -1
    again, (year,) = load_signal("nile")
    assert again[0] == 1120
    assert year[0] == 1871


def test_unknown_signal_lists_all_and_the_docstring_describes_all():
    with pytest.raises(ValueError, match="'lena'") as caught:
        load_signal("lena")
    for name in (*_IMAGES, *_OTHERS):
        assert name in str(caught.value)
        assert name in load_signal.__doc__.lower()


@pytest.mark.parametrize(
    ("name", "library"),
    [("camera", "skimage"), ("elevation", "matplotlib"), ("co2", "statsmodels")],
)
def test_missing_library_says_what_to_install(name, library, monkeypatch):
    real_import = builtins.__import__

    def without_library(module, *args, **kwargs):
        if module.split(".")[0] == library:
            raise ModuleNotFoundError(f"No module named {module!r}")
        return real_import(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_library)
    with pytest.raises(ImportError, match=rf"{name}.*{library}.*'sk_posenc\[examples\]'"):
        load_signal(name)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), 0])
def test_samples_to_grid_has_no_axis_of_length_0(shape):
    with pytest.raises(ValueError, match="must be at least 1"):
        samples_to_grid(np.zeros(0), shape)


def test_rows_of_tensors_that_require_gradients():
    rows = [torch.arange(3.0, requires_grad=True), torch.ones(3, requires_grad=True)]
    X, y = grid_samples(rows)
    np.testing.assert_array_equal(y, [0, 1, 2, 1, 1, 1])
    assert X.shape == (6, 2)


@pytest.mark.parametrize("channels", [1, None, "last", np.ones(2)])
def test_channels_are_true_or_false(channels):
    with pytest.raises(TypeError, match="channels must be True or False"):
        grid_samples(np.zeros((2, 2, 3)), channels=channels)
