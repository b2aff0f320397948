"""Longitudes and latitudes on the unit sphere, against plain trigonometry."""

import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from hypothesis import given
from hypothesis import strategies as st

from sk_posenc.core.sphere import check_places, parse_metric, quarter_of, unit_vectors

EPS32 = np.finfo(np.float32).eps
QUARTERS = {"degrees": 90.0, "radians": np.pi / 2}


def plain(longitude, latitude, quarter):
    angles = (np.asarray(each, dtype=np.float64) for each in (longitude, latitude))
    a, b = (each * (np.pi / 2 / quarter) for each in angles)
    return np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])


@pytest.mark.parametrize("unit", QUARTERS)
@given(st.floats(-9, 9), st.floats(-1, 1))
def test_points_are_those_of_trigonometry(unit, longitude, latitude):
    quarter = quarter_of(unit)
    assert quarter == QUARTERS[unit]
    angles = longitude * quarter, latitude * quarter
    for dtype, tolerance in ((np.float64, 4e-15), (np.float32, 20 * EPS32)):
        single = [np.array([each], dtype=dtype) for each in angles]
        points = unit_vectors(*single, quarter, np)
        np.testing.assert_allclose(points, plain(*single, quarter), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("unit", "quarter"), QUARTERS.items())
def test_poles_and_the_date_line_are_exact(unit, quarter, dtype):
    longitudes = np.array([0.0, 0.4, 1.1, -1.7, 2.0]) * quarter
    for pole in (-1.0, 1.0):
        latitude = np.full(5, pole * quarter)
        points = unit_vectors(longitudes.astype(dtype), latitude.astype(dtype), quarter, np)
        np.testing.assert_array_equal(points[:2], np.zeros((2, 5)))
        np.testing.assert_array_equal(points[2], np.full(5, pole))
    latitude = np.linspace(-1, 1, 9).astype(dtype) * dtype(quarter)
    ends = [np.full(9, end * quarter, dtype=dtype) for end in (-2, 2)]
    east, west = (unit_vectors(end, latitude, quarter, np) for end in ends)
    np.testing.assert_array_equal(east, west)


def test_tensors_have_the_same_formula_with_gradients_that_are_right_at_the_poles():
    places = np.array([[10.0, 90.0], [-80.0, -90.0], [180.0, 0.0], [0.0, 0.0], [90.0, 45.0]])
    tensor = torch.tensor(places, requires_grad=True)
    xp = array_namespace(tensor)
    points = torch.stack(unit_vectors(tensor[:, 0], tensor[:, 1], 90.0, xp))
    expected = np.stack(unit_vectors(*places.T, 90.0, np))
    np.testing.assert_allclose(points.detach().numpy(), expected, rtol=0, atol=1e-15)
    turn = np.pi / 180
    a, b = places.T * turn
    by_longitude = np.cos(b) * np.stack([-np.sin(a), np.cos(a), 0 * a]) * turn
    by_latitude = np.stack([-np.sin(b) * np.cos(a), -np.sin(b) * np.sin(a), np.cos(b)]) * turn
    for axis in range(3):
        (slope,) = torch.autograd.grad(points[axis].sum(), tensor, retain_graph=True)
        np.testing.assert_allclose(slope[:, 0], by_longitude[axis], rtol=0, atol=1e-16)
        np.testing.assert_allclose(slope[:, 1], by_latitude[axis], rtol=0, atol=1e-16)


@pytest.mark.parametrize(
    ("X", "names", "more", "words"),
    [
        (np.zeros((3, 1)), None, False, "must have two columns.*n_features=1"),
        (np.zeros((3, 3)), None, False, "must have two columns.*n_features=3"),
        (np.zeros((3, 1)), None, True, "must start with two columns.*n_features=1"),
        (np.array([[5.0, 90.1]]), None, False, "from -90 to 90 degrees.*order is longitude"),
        (np.array([[5.0, -123.0], [0.0, 0.0]]), None, True, r"Got -123 in row 0\."),
        (np.zeros((3, 2)), ["latitude", "longitude"], False, "swap its columns"),
        (np.zeros((3, 3)), ["Lat", "lng", "t"], True, "longitude first"),
    ],
)
def test_columns_that_are_no_places_are_refused(X, names, more, words):
    with pytest.raises(ValueError, match=words):
        check_places(X, "degrees", names, more)


def test_a_latitude_beyond_a_pole_by_rounding_is_the_pole():
    for unit, quarter in (("degrees", 90.0), ("radians", np.pi / 2)):
        latitude = quarter * np.array([1 + 9e-7, -1 - 9e-7, 1 + 1e-12, 1.0, 0.5])
        X = np.column_stack([np.full(5, 0.7), latitude])
        check_places(X, unit)
        points = np.stack(unit_vectors(X[:, 0], X[:, 1], quarter, np), axis=1)
        np.testing.assert_array_equal(points[:4], [[0, 0, 1], [0, 0, -1], [0, 0, 1], [0, 0, 1]])
        assert points[4, 2] == pytest.approx(np.sin(np.pi / 4))
        with pytest.raises(ValueError, match=r"up to rounding by \d\.\de-0\d.* in row 2\."):
            check_places(np.vstack([X[3:], [0.0, -quarter * (1 + 1.1e-6)]]), unit)


def test_places_are_accepted_to_a_few_roundings():
    check_places(np.array([[1e6, -90.0], [0.0, np.nextafter(90, 91)]]), "degrees", ["a", "lon"])
    check_places(np.array([[0.0, np.pi / 2]], dtype=np.float32), "radians", ["lon", "lat"])
    check_places(np.zeros((3, 4)), "degrees", more=True)
    check_places(np.zeros((0, 2)), "degrees")
    with pytest.raises(ValueError, match=r"-1.5708 to 1.5708 radians"):
        check_places(np.array([[0.0, 1.6]]), "radians")


def test_units_and_metrics_are_words():
    assert parse_metric("great_circle") == "great_circle"
    for parse, name in ((parse_metric, "metric"), (quarter_of, "unit")):
        with pytest.raises(ValueError, match=f"{name} must be one of.*Got 'gon'"):
            parse("gon")
        with pytest.raises(TypeError, match=f"{name} must be one of.*Got 1"):
            parse(1)
