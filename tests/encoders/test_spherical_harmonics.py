"""Spherical harmonics against scipy's, the addition theorem, and what heads make of them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from array_api_compat import array_namespace
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import sph_harm_y
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_posenc import (
    CoordinateMLPRegressor,
    EncoderModule,
    SphericalHarmonicEncoder,
    encoding_report,
    network_similarity,
    similarity_radius,
    stable_rank,
)

DEGREES = [0, 1, 2, 8, 33, 110]


def globe(n, rng, poles=True):
    X = np.column_stack([rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))])
    if poles:
        X[:6] = [[10, 90], [-50, 90], [180, 3], [-180, 3], [70, -90], [-33, 89.999]]
    return X


def reference(X, degree, order):
    """A real harmonic by scipy's complex one, without the sign of Condon and Shortley."""
    longitude, latitude = np.radians(X).T
    wave = sph_harm_y(degree, abs(order), np.pi / 2 - latitude, longitude) * (-1) ** order
    both = np.sqrt(2) if order else 1
    return np.sqrt(4 * np.pi) * both * (wave.imag if order < 0 else wave.real)


@pytest.mark.parametrize("degree", DEGREES)
def test_columns_are_the_harmonics_of_scipy(degree, rng):
    X = globe(60, rng)
    encoder = SphericalHarmonicEncoder(degree).fit(X)
    E = encoder.transform(X)
    assert E.shape == (60, (degree + 1) ** 2)
    orders = [(n, m) for n in range(degree + 1) for m in range(-n, n + 1)]
    for column in {0, *rng.integers(len(orders), size=300).tolist(), len(orders) - 1}:
        expected = reference(X, *orders[column]) / (degree + 1)
        np.testing.assert_allclose(E[:, column], expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.sum(E**2, axis=1), 1, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(E[0], E[1])
    np.testing.assert_array_equal(E[2], E[3])
    single = encoder.transform(X.astype(np.float32))
    assert single.dtype == np.float32
    exact = encoder.transform(X.astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(single, exact, rtol=0, atol=1e-7)


@pytest.mark.parametrize("degree", DEGREES)
def test_similarity_is_the_inner_product(degree, rng):
    X = globe(40, rng)
    encoder = SphericalHarmonicEncoder(degree).fit(X)
    products = encoder.transform(X) @ encoder.transform(X[:7]).T
    np.testing.assert_allclose(encoder.similarity(X, X[:7]), products, rtol=0, atol=3e-12)
    np.testing.assert_allclose(np.diag(encoder.similarity(X)), 1, rtol=0, atol=3e-12)
    lags = np.linspace(0, 90, 7)
    for axis in range(2):
        features = encoder._axis_features(axis, lags)
        np.testing.assert_allclose(
            encoder._axis_similarity(axis, lags), features @ features[0], rtol=0, atol=3e-12
        )


@given(st.integers(0, 12), st.integers(0, 9))
def test_turning_the_globe_changes_no_similarity(degree, seed):
    rng = np.random.default_rng(seed)
    X, turn = globe(12, rng), rng.uniform(-720, 720)
    encoder = SphericalHarmonicEncoder(degree).fit(X)
    turned = encoder.similarity(X + np.array([turn, 0]))
    np.testing.assert_allclose(turned, encoder.similarity(X), rtol=0, atol=1e-11)


def test_stable_ranks_are_those_of_dense_places(rng):
    encoder = SphericalHarmonicEncoder(6).fit(globe(9, rng))
    np.testing.assert_array_equal(encoder.domain_, [[-180, 180], [-90, 90]])
    for axis, (low, high) in enumerate(encoder.domain_):
        x = low + (np.arange(4_000) + 0.5) / 4_000 * (high - low)
        measured = stable_rank(encoder._axis_features(axis, x))
        assert encoder.stable_rank_[axis] == pytest.approx(measured, rel=0.01)
    # a lattice of nearly equal areas
    n = 20_000
    height = (2 * np.arange(n) + 1) / n - 1
    longitude = np.arange(n) * 180 * (3 - 5**0.5)
    everywhere = np.column_stack([longitude, np.degrees(np.arcsin(height))])
    assert stable_rank(encoder.transform(everywhere)) == pytest.approx(49, rel=1e-3)


def test_tensors_have_the_same_formula_and_gradients_at_poles(rng):
    X = globe(30, rng)
    encoder = SphericalHarmonicEncoder(20).fit(X)
    expected = encoder.transform(X)
    tensor = torch.tensor(X, requires_grad=True)
    xp = array_namespace(tensor)
    E = encoder._features(tensor, encoder._arrays_like(tensor), xp)
    np.testing.assert_allclose(E.detach().numpy(), expected, rtol=0, atol=1e-13)
    module = EncoderModule(encoder)
    weights = torch.tensor(rng.normal(size=441))
    (module(tensor) @ weights).sum().backward()
    step = 1e-4
    for axis in range(2):
        inner = np.abs(X[:, axis]) < 89.99 if axis else np.ones(30, dtype=bool)
        move = step * np.eye(2)[axis]
        ends = (encoder.transform(each) for each in (X[inner] + move, X[inner] - move))
        slopes = (next(ends) - next(ends)) @ weights.numpy() / (2 * step)
        np.testing.assert_allclose(tensor.grad[inner, axis], slopes, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(tensor.grad[:2, 0], [0, 0])
    assert torch.isfinite(tensor.grad).all()
    single = EncoderModule(encoder)(torch.tensor(X).float())
    np.testing.assert_allclose(single.numpy(), encoder.transform(X.astype(np.float32)), atol=1e-7)


def test_linear_heads_and_searches_find_a_sum_of_harmonics(rng):
    X, at = globe(400, rng), globe(200, rng)
    weights = np.zeros(121)
    weights[:25] = rng.normal(size=25)
    field = SphericalHarmonicEncoder(10).fit(X)
    y, true = (field.transform(each) @ weights for each in (X, at))
    for head in (Ridge(1e-12), RidgeCV(np.geomspace(1e-12, 1, 13))):
        model = make_pipeline(SphericalHarmonicEncoder(4), head).fit(X, y)
        np.testing.assert_allclose(model.predict(at), true, rtol=0, atol=1e-6)
    noisy = y + 0.3 * y.std() * rng.normal(size=400)
    pipeline = make_pipeline(SphericalHarmonicEncoder(), Ridge(1e-6))
    grid = {"sphericalharmonicencoder__degree": [2, 4, 12]}
    search = GridSearchCV(pipeline, grid).fit(X, noisy)
    assert search.best_params_ == {"sphericalharmonicencoder__degree": 4}


def test_the_similarity_is_the_kernel_of_ridge_on_part_of_the_globe(rng):
    X = np.column_stack([rng.uniform(-10, 30, 80), rng.uniform(35, 70, 80)])
    y = np.sin(X[:, 0] / 9) * np.cos(X[:, 1] / 7)
    encoder = SphericalHarmonicEncoder(40).fit(X)
    K = encoder.similarity(X)
    by_kernel = KernelRidge(alpha=1e-3, kernel="precomputed").fit(K, y).predict(K)
    linear = make_pipeline(encoder, Ridge(1e-3, fit_intercept=False)).fit(X, y)
    np.testing.assert_allclose(by_kernel, linear.predict(X), rtol=0, atol=1e-8)


def test_networks_reports_and_measures_take_it(rng):
    X = globe(300, rng)
    y = np.sin(np.radians(X[:, 1]))
    encoder = SphericalHarmonicEncoder(4)
    net = CoordinateMLPRegressor(
        encoder, hidden_layer_sizes=(16,), max_epochs=30, random_state=0, device="cpu"
    )
    assert net.fit(X, y).score(X, y) > 0.9
    text = str(encoding_report(clone(encoder), X, y))
    assert "spherical harmonics" in text or "SphericalHarmonic" in text
    fitted = clone(encoder).fit(X)
    radius = similarity_radius(fitted)
    assert radius[0] == pytest.approx(radius[1], rel=1e-6)
    at_radius = fitted.similarity([[0, 0]], [[radius[0], 0], [0, radius[1]]])
    np.testing.assert_allclose(at_radius, 0.1, atol=1e-6)
    offsets = np.array([[30.0, 0], [0, 40], [25, -35]])
    expected = fitted.similarity([[0, 0]], offsets)[0]
    np.testing.assert_allclose(fitted._offset_similarity(offsets), expected, atol=1e-12)
    seen = network_similarity(fitted, offsets, 0, axis=None)
    np.testing.assert_allclose(seen, expected, atol=1e-12)


def test_names_frames_and_pickles(rng):
    frame = pd.DataFrame(globe(9, rng), columns=["lon", "lat"])
    encoder = SphericalHarmonicEncoder(1).fit(frame)
    names = [f"lonlat_harmonic{k}" for k in ("0_0", "1_-1", "1_0", "1_1")]
    assert list(encoder.get_feature_names_out()) == names
    framed = clone(encoder).set_output(transform="pandas").fit_transform(frame)
    assert list(framed.columns) == names
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(encoder)).transform(frame), framed.to_numpy()
    )
    with pytest.raises(ValueError, match="swap its columns"):
        encoder.fit(frame[["lat", "lon"]])


@pytest.mark.parametrize(
    ("settings", "X", "error", "words"),
    [
        ({"degree": -1}, [[0, 0]], ValueError, "at least 0"),
        ({"degree": 2.5}, [[0, 0]], TypeError, "whole number"),
        ({"degree": 10**7}, [[0, 0]], ValueError, "lower degree"),
        ({"unit": "turns"}, [[0, 0]], ValueError, "unit must be one of"),
        ({"unit": None}, [[0, 0]], TypeError, "unit must be one of"),
        ({"unit": "radians"}, [[0, 20]], ValueError, "that unit is the one of X"),
        ({}, [[0, 91]], ValueError, "order is longitude, latitude"),
        ({}, [[0, 0, 0]], ValueError, "two columns"),
        ({}, [[0, np.nan]], ValueError, "NaN"),
    ],
)
def test_what_is_refused_changes_nothing(settings, X, error, words):
    encoder = SphericalHarmonicEncoder(3).fit([[0, 0]])
    before = vars(encoder).copy()
    with pytest.raises(error, match=words):
        encoder.set_params(**settings).fit(X)
    fitted = {name for name in before if name.endswith("_")}
    assert fitted
    assert all(getattr(encoder, name) is before[name] for name in fitted)
    with pytest.raises(ValueError, match="Latitudes"):
        SphericalHarmonicEncoder().fit([[0, 0]]).transform([[0, -90.5]])
