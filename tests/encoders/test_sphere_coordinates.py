"""Longitude and latitude as points: there and back, in frames, tensors and Pipelines."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, SphereCoordinates


@pytest.fixture
def places(rng):
    return np.column_stack([rng.uniform(-180, 180, 50), rng.uniform(-90, 90, 50)])


@given(st.floats(-180, 180), st.floats(-89.999, 89.999))
def test_there_and_back(longitude, latitude):
    sphere = SphereCoordinates()
    points = sphere.fit_transform([[longitude, latitude]])
    assert np.linalg.norm(points) == pytest.approx(1, abs=1e-15)
    for scale in (1, 6371.0):
        back = sphere.inverse_transform(points * scale)[0]
        assert abs((back[0] - longitude + 180) % 360 - 180) < 1e-9
        assert back[1] == pytest.approx(latitude, abs=1e-9)


def test_radians_and_degrees_agree(places):
    in_radians = SphereCoordinates(unit="radians").fit(np.radians(places))
    points = SphereCoordinates().fit_transform(places)
    np.testing.assert_allclose(in_radians.transform(np.radians(places)), points, atol=1e-15)
    np.testing.assert_allclose(in_radians.inverse_transform(points), np.radians(places), atol=1e-14)


def test_inverse_at_poles_and_what_it_refuses(places):
    sphere = SphereCoordinates().fit(places)
    np.testing.assert_array_equal(
        sphere.inverse_transform([[0, 0, 3.0], [-0.0, 0, -1]]), [[0, 90], [0, -90]]
    )
    with pytest.raises(ValueError, match="no point at the centre"):
        sphere.inverse_transform([[0, 0, 0.0]])
    with pytest.raises(ValueError, match=r"3 columns.*Got 2"):
        sphere.inverse_transform([[0, 0.0]])


def test_frames_in_and_out(places):
    frame = pd.DataFrame(places, columns=["lon", "lat"])
    sphere = SphereCoordinates().fit(frame)
    plain = sphere.transform(frame)
    assert list(sphere.get_feature_names_out()) == ["x", "y", "z"]
    for output, kind in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        framed = sphere.set_output(transform=output).transform(frame)
        assert isinstance(framed, kind)
        assert list(framed.columns) == ["x", "y", "z"]
        np.testing.assert_array_equal(framed.to_numpy(), plain)
    assert sphere.transform(frame.astype(np.float32)).to_numpy().dtype == np.float32
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        sphere.get_feature_names_out(["lat", "lon"])
    with pytest.raises(ValueError, match="swap its columns"):
        SphereCoordinates().fit(frame[["lat", "lon"]])


def test_of_tensors_that_require_gradients_the_values_count(places):
    tensor = torch.tensor(places, requires_grad=True)
    expected = SphereCoordinates().fit_transform(places)
    got = SphereCoordinates().fit_transform(tensor)
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("settings", "error"), [({"unit": "metres"}, ValueError), ({"unit": 90}, TypeError)]
)
def test_a_refused_fit_changes_nothing(places, settings, error):
    sphere = SphereCoordinates().fit(places)
    before = vars(sphere).copy()
    with pytest.raises(error, match="unit must be one of"):
        clone(sphere).set_params(**settings).fit(places)
    for bad in (places[:, ::-1], places[:, :1], places * np.nan):
        with pytest.raises(ValueError, match=r"Latitudes|two columns|NaN"):
            sphere.fit(bad)
    assert vars(sphere) == before
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(sphere)).transform(places), sphere.transform(places)
    )


def test_one_value_at_a_pole_and_deviations_through_a_pipeline(places):
    y = np.sin(np.radians(places[:, 1])) + np.cos(np.radians(places[:, 0])) * np.cos(
        np.radians(places[:, 1])
    )
    model = make_pipeline(SphereCoordinates(), KroneckerRidgeCV()).fit(places, y)
    ends = [[0, 90], [90, 90], [-170, 90], [180, 20], [-180, 20]]
    values, std = model.predict(ends, return_std=True)
    for found in (values, std**2):  # of a variance of 1 rounding leaves some 1e-16
        np.testing.assert_allclose(found[[0, 0, 3]], found[[1, 2, 4]], rtol=1e-12, atol=1e-14)
    assert std.min() > 0
    assert values[0] == pytest.approx(1, abs=0.05)
    plain = make_pipeline(SphereCoordinates(), KroneckerRidge(penalty="radial")).fit(places, y)
    assert plain.predict(ends)[0] == pytest.approx(plain.predict(ends)[2], rel=1e-12)
