"""Maps against predictions at rows, with names, dates, attributes, chunks and files."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from sk_posenc import KroneckerRidge, ShiftedBasisEncoder, grid_samples, predict_grid
from sk_posenc.maps import _over_grid

xr = pytest.importorskip("xarray")

DAYS = pd.date_range("2024-01-01", periods=8)
LAT, LON = np.linspace(50, 40, 6), np.linspace(0, 3, 7)  # latitudes fall
FIELD = xr.DataArray(
    np.sin(np.arange(8) / 3)[:, None, None] * np.cos(LAT / 9)[:, None] + LON,
    {"time": DAYS, "lat": ("lat", LAT, {"units": "degrees"}), "lon": LON,
     "land": (("lat", "lon"), np.ones((6, 7)))},
    ("time", "lat", "lon"), "sst", {"units": "K"},
)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return KroneckerRidge(alpha=1e-3).fit(*grid_samples(FIELD))


@pytest.fixture(scope="module")
def expected(model):
    X, _ = grid_samples(FIELD)
    return [each.reshape(FIELD.shape) for each in model.predict(X, return_std=True)]


def test_names_coordinates_and_attributes_are_kept(model, expected):
    found = predict_grid(model, like=FIELD)
    xr.testing.assert_identical(found, FIELD.copy(data=found.data))
    np.testing.assert_allclose(found, expected[0], rtol=1e-12)
    assert found.lat.attrs == {"units": "degrees"}


def test_dimensions_in_any_order(model):
    turned = predict_grid(model, like=FIELD.transpose("lon", "time", "lat"))
    assert turned.dims == ("lon", "time", "lat")
    xr.testing.assert_allclose(turned.transpose(*FIELD.dims), predict_grid(model, like=FIELD))


def test_standard_deviations(model, expected):
    found = predict_grid(model, like=FIELD, return_std=True)
    assert list(found.data_vars) == ["sst", "sst_std"]
    np.testing.assert_allclose(found.sst_std, expected[1], rtol=1e-9)
    assert found.sst_std.attrs == {"units": "K", "long_name": "standard deviation of sst"}


def test_coordinates_of_ones_own(model):
    found = predict_grid(model, coords={"lon": [0.5, 1.5], "time": DAYS[:3], "lat": 45.0})
    assert found.dims == ("lon", "time")
    assert float(found.lat) == 45
    X = pd.DataFrame({"time": DAYS[2], "lat": [45.0], "lon": [1.5]})
    assert float(found[1, 2]) == pytest.approx(model.predict(X)[0], rel=1e-10)
    finer = predict_grid(model, like=FIELD, coords={"lat": [44.0, 45.0], "time": DAYS[2]})
    assert finer.dims == ("lat", "lon")
    assert finer.time == DAYS[2].to_datetime64()
    assert "land" not in finer.coords
    np.testing.assert_allclose(
        predict_grid(model, like=FIELD.isel(time=2)), predict_grid(model, like=FIELD)[2]
    )


def test_several_variables_are_outputs():
    data = xr.Dataset({"a": FIELD, "b": (2 * FIELD).transpose("lat", "time", "lon")})
    X, y = grid_samples(data)
    assert (list(X.columns), y.shape) == (["time", "lat", "lon"], (8 * 6 * 7, 2))
    model = KroneckerRidge().fit(X, y)
    found = predict_grid(model, like=data)
    xr.testing.assert_allclose(found.b, 2 * found.a, rtol=1e-6)
    np.testing.assert_allclose(found.a, FIELD, atol=1e-3)
    unnamed = predict_grid(model, coords={"time": DAYS, "lat": LAT, "lon": LON}, return_std=True)
    assert list(unnamed) == [
        "prediction_0", "prediction_0_std", "prediction_1", "prediction_1_std"
    ]  # fmt: skip


def test_chunks_are_predicted_when_computed(model):
    da = pytest.importorskip("dask.array")
    chunked = FIELD.chunk({"time": 3, "lon": 4})
    found = predict_grid(model, like=chunked, return_std=True)
    assert isinstance(found.sst.data, da.Array)
    assert found.sst.chunks == chunked.chunks
    xr.testing.assert_allclose(found.compute(), predict_grid(model, like=FIELD, return_std=True))
    finer = predict_grid(model, like=chunked, coords={"lon": np.linspace(0, 3, 10)})
    assert finer.chunks[2] == (4, 4, 2)
    np.testing.assert_allclose(finer[:, :, 0], predict_grid(model, like=FIELD)[:, :, 0])


def test_files_come_back(model, tmp_path):
    pytest.importorskip("h5netcdf")
    found = predict_grid(model, like=FIELD, return_std=True)
    found.to_netcdf(tmp_path / "map.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "map.nc", engine="h5netcdf") as opened:
        back = opened.load()
    xr.testing.assert_allclose(back, found)
    assert back.sst.attrs == found.sst.attrs
    xr.testing.assert_allclose(predict_grid(model, like=back.sst), found.sst)


@pytest.mark.parametrize("n_cells", [7, 100])
def test_blocks_change_nothing(model, monkeypatch, n_cells):
    whole = predict_grid(model, like=FIELD)
    pipeline = make_pipeline(ShiftedBasisEncoder(stable_rank=3), Ridge()).fit(*grid_samples(FIELD))
    rows = predict_grid(pipeline, like=FIELD)
    monkeypatch.setattr(_over_grid, "_CELLS", n_cells)
    monkeypatch.setattr(_over_grid, "_ROWS", n_cells)
    xr.testing.assert_allclose(predict_grid(model, like=FIELD), whole)
    xr.testing.assert_allclose(predict_grid(pipeline, like=FIELD), rows)
    X, _ = grid_samples(FIELD)
    np.testing.assert_allclose(rows.to_numpy().ravel(), pipeline.predict(X))


@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 7), (1, 9, 1)])
@pytest.mark.parametrize("n_cells", [1, 4, 10, 100])
def test_slabs_cover_a_grid_once(shape, n_cells):
    seen = np.zeros(shape, dtype=int)
    for block in _over_grid.slabs(shape, n_cells):
        assert seen[block].size <= n_cells
        seen[block] += 1
    assert (seen == 1).all()


def test_arrays_in_arrays_out(monkeypatch):
    x = np.arange(8) / 8
    X, y = grid_samples(np.outer(x, x))
    model = KroneckerRidge().fit(X, y)
    np.testing.assert_allclose(
        predict_grid(model, like=np.zeros((8, 8))), np.outer(x, x), atol=1e-5
    )
    mean, std = predict_grid(model, coords=[x[:3], x], return_std=True)
    assert mean.shape == std.shape == (3, 8)
    several = KroneckerRidge().fit(X, np.column_stack([y, -y]))
    assert predict_grid(several, coords=[x, x]).shape == (8, 8, 2)
    dates = KroneckerRidge().fit(DAYS.to_numpy()[:, None], np.arange(8.0))
    np.testing.assert_allclose(predict_grid(dates, coords=[DAYS]), np.arange(8), atol=1e-4)
    labelled = predict_grid(model, coords={"row": x, "column": x[:2]})
    monkeypatch.setitem(sys.modules, "xarray", None)  # as where it is not installed
    plain = predict_grid(model, coords={"row": x, "column": x[:2]})
    assert isinstance(plain, np.ndarray)
    np.testing.assert_array_equal(plain, labelled)


def test_fits_without_a_product_go_by_rows():
    rng = np.random.default_rng(0)
    X = rng.random((40, 2))
    model = KroneckerRidge(penalty="similarity").fit(X, X[:, 0])
    assert model.layout_ == "dual"
    x = np.linspace(0, 1, 5)
    found = predict_grid(model, coords=[x, x])
    rows = np.stack(np.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2)
    np.testing.assert_allclose(found.ravel(), model.predict(rows))


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({}, ValueError, "give like, coords or both"),
        ({"coords": [LAT]}, ValueError, "each of the 3 axes of the model. Got 1"),
        ({"coords": {"time": DAYS, "lat": LAT}}, ValueError, "give those that are missing"),
        ({"like": FIELD.expand_dims("level")}, ValueError, r"\.isel.*'level'"),
        ({"like": FIELD.rename(lat="y")}, ValueError, "rename its dimensions"),
        ({"like": FIELD, "coords": [LAT]}, TypeError, "dict of coordinates by name"),
        ({"coords": {"time": ["a"], "lat": LAT, "lon": LON}}, TypeError, "numbers or dates"),
        ({"coords": {"time": DAYS, "lat": [np.nan], "lon": LON}}, ValueError, "must be finite"),
        ({"coords": {"time": [DAYS[0], pd.NaT], "lat": LAT, "lon": LON}}, ValueError, "Got NaT"),
        ({"coords": {"time": [1.0], "lat": LAT, "lon": LON}}, TypeError, "must hold dates"),
        ({"like": FIELD, "return_std": 1}, TypeError, "return_std must be True or False"),
        ({"coords": [DAYS, [], LON]}, ValueError, r"coords\[1\] must hold.* Got shape \(0,\)"),
        ({"coords": [DAYS, [LAT], LON]}, ValueError, r"coords\[1\] must.* Got shape \(1, 6\)"),
        ({"coords": [DAYS, [[1], [2, 3]], LON]}, ValueError, r"coords\[1\] must.* Got \[\[1"),
        ({"coords": [DAYS, LAT, [1j]]}, TypeError, r"coords\[2\] must hold real numbers"),
        ({"like": FIELD[:0]}, ValueError, "coordinate 'time' must hold"),
        ({"like": FIELD[:, :0].drop_vars("lat")}, ValueError, "dimension 'lat' must hold"),
        ({"like": np.ones((2, 0, 3))}, ValueError, r"like must have .* Got shape \(2, 0, 3\)"),
        ({"like": [1.0]}, ValueError, r"each of the 3 axes of the model.* Got shape \(1,\)"),
        (
            {"like": np.ones((2, 2)), "coords": {"a": [1.0]}},
            TypeError,
            r"like must be a DataArray or Dataset where coords has names.*Got array",
        ),
        ({"like": [[1], [2, 3]]}, ValueError, r"like must be an array"),
    ],
)
def test_what_does_not_fit_is_refused(model, settings, kind, message):
    with pytest.raises(kind, match=message):
        predict_grid(model, **settings)


def test_a_dataset_of_coordinates_is_a_grid(model):
    found = predict_grid(model, like=FIELD.coords.to_dataset())
    xr.testing.assert_allclose(found["prediction"], predict_grid(model, like=FIELD), atol=1e-12)


@pytest.mark.parametrize("wrong", [KroneckerRidge, 1, "model"])
def test_what_is_no_model_is_refused(wrong):
    with pytest.raises(TypeError, match="model must be a fitted regressor"):
        predict_grid(wrong, coords=[[0.0]])


@pytest.mark.parametrize("by_axes", [True, False])
def test_deviations_with_the_noise_of_a_sample(by_axes):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(60, 2))
    if by_axes:
        X = np.stack(np.meshgrid(np.arange(9) / 9, np.arange(7) / 7, indexing="ij"), -1)
        X = X.reshape(-1, 2)
    model = KroneckerRidge(alpha=0.1).fit(X, X[:, 0] + 0.1 * rng.standard_normal(len(X)))
    axes = [np.linspace(0, 0.8, 4), np.linspace(0, 0.7, 3)]
    rows = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    _, found = predict_grid(model, coords=axes, return_std="observation")
    _, expected = model.predict(rows, return_std="observation")
    np.testing.assert_allclose(found.ravel(), expected)
    with pytest.raises(TypeError, match="return_std"):
        predict_grid(model, coords=axes, return_std="a")


def test_plain_covariates_are_in_the_order_of_the_map():
    pytest.importorskip("xarray")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((60, 3)), columns=["lon", "lat", "metres"])
    y = frame["lon"] + 5 * frame["metres"]
    model = KroneckerRidge(covariates=["metres"], alpha=1e-3).fit(frame, y)
    heights = np.repeat([[0.0], [1.0], [0.0], [1.0]], 4, axis=1)  # by latitude
    along = np.linspace(0.2, 0.8, 4)
    maps = predict_grid(model, coords={"lat": along, "lon": along}, covariates={"metres": heights})
    assert maps.dims == ("lat", "lon")
    np.testing.assert_allclose(np.ptp(maps.to_numpy(), axis=0), 5, atol=0.5)
    np.testing.assert_allclose(np.ptp(maps.to_numpy(), axis=1), 0.6, atol=0.2)
