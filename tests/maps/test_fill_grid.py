"""Gaps are filled by a model of the rest, and nothing else changes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsRegressor

from sk_posenc import KroneckerRidge, fill_grid

X = np.arange(24) / 24
IMAGE = np.sin(6 * X)[:, None] * np.cos(4 * X[:20])
HOLES = np.random.default_rng(0).random(IMAGE.shape) < 0.2
HOLED = np.where(HOLES, np.nan, IMAGE)


def test_the_default_fills_and_keeps_the_rest():
    part = np.s_[:14, :12]
    filled = fill_grid(HOLED[part])
    np.testing.assert_array_equal(filled[~HOLES[part]], IMAGE[part][~HOLES[part]])
    np.testing.assert_allclose(filled[1:-1, 1:-1], IMAGE[1:13, 1:11], atol=0.01)
    assert np.isnan(HOLED).any()


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_masks_are_gaps(dtype):
    plain = (100 * IMAGE).astype(dtype)
    masked = np.ma.array(np.where(HOLES, -9999, plain).astype(dtype), mask=HOLES)
    model = KroneckerRidge(alpha=1e-3)
    filled = fill_grid(masked, model)
    np.testing.assert_array_equal(filled[~HOLES], plain[~HOLES])
    assert np.abs(filled[HOLES] - 100 * IMAGE[HOLES]).max() < 20
    assert filled.dtype == (np.float32 if dtype == np.float32 else np.float64)
    assert not hasattr(model, "coefficients_")


def test_any_regressor_and_any_number_of_axes():
    series = np.where(np.arange(20) == 7, np.nan, 5.0)
    np.testing.assert_array_equal(fill_grid(series, KNeighborsRegressor(3)), np.full(20, 5.0))
    full = np.arange(6).reshape(2, 3)
    copy = fill_grid(full)
    np.testing.assert_array_equal(copy, full)
    assert copy is not full


def test_data_arrays_keep_their_labels():
    xr = pytest.importorskip("xarray")
    field = xr.DataArray(
        HOLED,
        {"t": pd.date_range("2024-01-01", periods=24), "x": X[:20]},
        ("t", "x"),
        "v",
        {"u": 1},
    )
    filled = fill_grid(field, KroneckerRidge())
    xr.testing.assert_identical(filled, field.copy(data=filled.data))
    np.testing.assert_array_equal(filled.to_numpy()[~HOLES], IMAGE[~HOLES])
    assert not filled.isnull().any()
    data = fill_grid(xr.Dataset({"a": field, "b": -field.T}), KroneckerRidge())
    np.testing.assert_allclose(data.b.T, -data.a, atol=1e-8)
    chunked = fill_grid(field.chunk({"t": 10}), KroneckerRidge())
    assert chunked.chunks == ((10, 10, 4), (20,))
    xr.testing.assert_identical(chunked.compute(), filled)


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (np.full((3, 3), np.nan), ValueError, "a number somewhere. Got NaN in all cells"),
        (np.where(HOLES, np.nan, np.where(IMAGE > 0.9, np.inf, IMAGE)), ValueError, "infinity"),
        (np.array(["a", "b"]), ValueError, "values must hold numbers"),
    ],
)
def test_bad_values(values, kind, message):
    with pytest.raises(kind, match=message):
        fill_grid(values, KroneckerRidge())


def test_channels_are_filled_together_or_each_by_itself():
    model = KroneckerRidge(alpha=1e-3)
    colours = np.stack([HOLED, 2 * HOLED, HOLED + 1], axis=-1)
    together = fill_grid(colours, model, channels=True)
    for channel in range(3):
        alone = fill_grid(colours[..., channel], model)
        np.testing.assert_allclose(together[..., channel], alone, atol=1e-6)
    colours[3, 4, 1] = np.nan if not HOLES[3, 4] else colours[3, 4, 1]
    colours[5, :3, 2] = np.nan
    apart = fill_grid(colours, model, channels=True)
    for channel in range(3):
        alone = fill_grid(colours[..., channel], model)
        np.testing.assert_array_equal(apart[..., channel], alone)
    with pytest.raises(ValueError, match="all cells of channel 1"):
        fill_grid(np.where(np.arange(3) == 1, np.nan, colours), model, channels=True)


def test_a_dataset_has_variables_for_channels():
    xr = pytest.importorskip("xarray")
    field = xr.DataArray(np.stack([HOLED, -HOLED], axis=-1), dims=("r", "c", "band"))
    filled = fill_grid(field, KroneckerRidge(), channels=True)
    assert filled.dims == field.dims
    np.testing.assert_allclose(filled[..., 1], -filled[..., 0], atol=1e-8)
    with pytest.raises(ValueError, match="channels must be False"):
        fill_grid(xr.Dataset({"a": field}), channels=True)


def test_lost_lines_are_filled_as_smoothly_as_other_holes():
    lines = IMAGE.copy()
    lines[10:12] = np.nan
    lines[:, 5] = np.nan
    filled = fill_grid(lines)
    assert np.abs(filled - IMAGE).max() < 0.05


def test_what_looks_like_colours_must_say_so():
    colours = np.stack([HOLED, 2 * HOLED, HOLED + 1], axis=-1)
    with pytest.raises(ValueError, match="channels=True or channels=False"):
        fill_grid(colours)


@pytest.mark.parametrize("wrong", [KroneckerRidge, 1, "model", {}])
def test_what_is_no_model_is_refused(wrong):
    with pytest.raises(TypeError, match="model must be a regressor such as"):
        fill_grid([1.0, np.nan, 2.0], wrong)


@pytest.mark.parametrize("wrong", [1, "yes", np.array([1.0, 2.0])])
def test_channels_are_a_flag(wrong):
    with pytest.raises(TypeError, match="channels must be True or False"):
        fill_grid([1.0, np.nan, 2.0], channels=wrong)
