"""Kronecker ridge on axes whose shifts follow the samples."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from test_kronecker import close, make_grid
from test_kronecker_scattered import iterating  # noqa: F401

from sk_posenc import (
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    SpacingTransformer,
    distance_preservation_scorer,
    encoding_report,
    network_similarity,
    network_stable_rank,
    similarity_radius,
    stable_rank,
    stable_rank_scorer,
)

LOG = np.geomspace(1, 1e4, 120)[:, None]
BSPLINE = ShiftedBasisEncoder("bspline")
INTERPOLATES = {"penalty": "ridge", "alpha": 1e-6}
EXACT = {"tol": 1e-9, "max_iter": 5_000}


def waves(X):
    return np.sin(2 * np.log(X[:, 0]))


def clustered(n, n_axes, seed=0):
    """Samples off a grid, denser towards one corner."""
    X = np.random.default_rng(seed).uniform(size=(n, n_axes)) ** 3
    return X, np.sin(6 * np.cbrt(X[:, 0])) + X.sum(axis=1)


def log_grid(shape, drop=0):
    """A grid with log-spaced axes in any order of rows, and less cells where some are dropped."""
    axes = [np.geomspace(1, 100, n) for n in shape]
    X = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
    X = np.random.default_rng(0).permutation(X)[drop:]
    return X, np.cos(np.log(X).sum(axis=1))


@pytest.mark.parametrize("penalty", ["ridge", "slope", 2.0, "adaptive"])
@pytest.mark.parametrize("encoder", [None, BSPLINE])
def test_log_spaced_samples_are_predicted_between(encoder, penalty):
    between = np.sqrt(LOG[1:] * LOG[:-1])
    alpha = 1e-4 if penalty == 2.0 else 1e-6
    errors = []
    for spacing in (0.0, 0.9):
        model = KroneckerRidge(encoder, penalty=penalty, alpha=alpha, spacing=spacing)
        predicted = model.fit(LOG, waves(LOG)).predict(between)
        errors.append(np.sqrt(np.mean((predicted - waves(between)) ** 2)))
    assert errors[1] < 0.01
    assert errors[1] < errors[0] / 10


@pytest.mark.parametrize("penalty", ["ridge", 2.0, "adaptive"])
@pytest.mark.parametrize("layout", ["grid", "holes", "scattered", "iterating", "dual"])
def test_it_is_a_pipeline_with_the_transformer(layout, penalty, request):
    if layout == "iterating":
        request.getfixturevalue("iterating")
    if layout in ("grid", "holes"):
        X, y = log_grid((11, 12), drop=9 * (layout == "holes"))
        spacing = 1.0  # mapped samples are as good as even
    else:
        X, y = clustered(300 if layout == "scattered" else 60, 2)
        spacing = [0.9, 0.4]
    encoder = BSPLINE
    if layout == "scattered":
        encoder = clone(BSPLINE).set_params(stable_rank=4)
    model = KroneckerRidge(encoder, penalty=penalty, alpha=1e-2, spacing=spacing, **EXACT)
    even = clone(model).set_params(spacing=0.0)
    pipeline = make_pipeline(SpacingTransformer(spacing), even).fit(X, y)
    model.fit(X, y)
    assert model.layout_ == pipeline[-1].layout_
    Z = np.concatenate([X, X[:20] * 0.97 + 0.01])
    close(model.predict(Z), pipeline.predict(Z))
    if penalty != "adaptive" and layout != "iterating":
        # outside the domain deviations grow with the distance, which is another one there
        Z = np.clip(Z, X.min(axis=0), X.max(axis=0))
        _, expected = pipeline[-1].predict(pipeline[0].transform(Z), return_std=True)
        close(model.predict(Z, return_std=True)[1], expected, 1e-7)


def test_no_spacing_is_the_model_without():
    for X, y in (make_grid((9, 8), 2), clustered(80, 2)):
        plain = KroneckerRidge(alpha=1e-3).fit(X, y)
        for spacing in (0, 0.0, [0, 0.0], np.zeros(2)):
            model = KroneckerRidge(alpha=1e-3, spacing=spacing).fit(X, y)
            np.testing.assert_array_equal(model.predict(X), plain.predict(X))
        encoded = model.encoder_
        assert encoded._has_closed_form()
        assert encoded._is_stationary()
        assert encoded._axis_traits(0).bandwidth > 0


def test_an_even_axis_stays_as_it_is():
    x = np.linspace(-3, 5, 60)[:, None]
    y = np.cos(3 * x[:, 0])
    Z = np.linspace(-4, 6, 200)[:, None]
    expected = KroneckerRidge().fit(x, y).predict(Z)
    close(KroneckerRidge(spacing=0.9).fit(x, y).predict(Z), expected, 1e-6)


@pytest.mark.parametrize("encoder", [None, FourierEncoder()])
def test_units_do_not_matter(encoder):
    X, y = clustered(150, 2)
    Z = clustered(40, 2, seed=1)[0]
    model = KroneckerRidge(encoder, alpha=1e-3, spacing=[0.9, 0.0])
    expected = clone(model).fit(X, y).predict(Z)
    scale, offset = np.array([250.0, 3e-3]), np.array([-40.0, 7.0])
    close(model.fit(X * scale + offset, y).predict(Z * scale + offset), expected, 1e-6)


def test_repeated_and_absent_samples():
    weights = np.ones(120)
    weights[[3, 60, 119]] = 0
    model = KroneckerRidge(spacing=0.8, alpha=1e-3)
    y = waves(LOG)
    kept = weights > 0
    expected = clone(model).fit(LOG[kept], y[kept]).predict(LOG)
    close(clone(model).fit(LOG, y, sample_weight=weights).predict(LOG), expected)
    twice = clone(model).fit(np.tile(LOG[kept], (2, 1)), np.tile(y[kept], 2)).predict(LOG)
    close(twice, expected)
    absent = y.copy()
    absent[~kept] = np.nan
    holes = clone(model).set_params(nan_is_hole=True).fit(LOG, absent)
    full = SpacingTransformer(0.8).fit(LOG)
    np.testing.assert_array_equal(holes.encoder_.spacings_[0].knots, full.knots_[0])


@pytest.mark.parametrize("encoder", [BSPLINE, FourierEncoder()])
def test_uneven_samples_of_a_grid_have_settings_of_scattered_ones(encoder):
    uneven = np.r_[np.linspace(0, 1, 30), np.linspace(50, 51, 30)][:, None]
    on_grid = KroneckerRidge(encoder, **INTERPOLATES).fit(uneven, uneven[:, 0])
    model = KroneckerRidge(encoder, **INTERPOLATES, spacing=0.5).fit(uneven, uneven[:, 0])
    assert model.layout_ == on_grid.layout_ == "grid"
    assert model.encoders_[0].stable_rank_[0] < 0.8 * on_grid.encoders_[0].stable_rank_[0]
    even = KroneckerRidge(encoder, **INTERPOLATES, spacing=1.0).fit(LOG, waves(LOG))
    plain = KroneckerRidge(encoder, **INTERPOLATES).fit(np.arange(120.0)[:, None], waves(LOG))
    assert even.encoders_[0].stable_rank_[0] == pytest.approx(plain.encoders_[0].stable_rank_[0])


@pytest.mark.parametrize("encoder", [None, BSPLINE, FourierEncoder()])
def test_derivatives_by_the_chain_rule(encoder):
    X, y = clustered(120, 2)
    model = KroneckerRidge(encoder, alpha=1e-4, spacing=[0.9, 0.0]).fit(X, y)
    Z = np.random.default_rng(1).uniform(0.05, 0.6, size=(40, 2))
    knots = model.encoder_.spacings_[0].knots
    Z = Z[np.abs(Z[:, :1] - knots).min(axis=1) > 1e-4]  # where the second jumps
    assert len(Z) > 25
    step = np.array([1e-5, 0])
    slope = (model.predict(Z + step) - model.predict(Z - step)) / 2e-5
    close(model.predict(Z, derivative=(1, 0)), slope, 1e-5)
    ahead, behind = (model.predict(Z + s, derivative=(1, 0)) for s in (step, -step))
    close(model.predict(Z, derivative=(2, 0)), (ahead - behind) / 2e-5, 1e-5)
    ahead, behind = (model.predict(Z + s, derivative=(0, 1)) for s in (step, -step))
    close(model.predict(Z, derivative=(1, 1)), (ahead - behind) / 2e-5, 1e-5)
    outside = model.predict([[5.0, 0.3], [-4.0, 0.3]], derivative=(1, 0))
    np.testing.assert_array_equal(outside, 0)
    with pytest.raises(ValueError, match=r"derivatives up to order 2: .* Got order 3\.$"):
        model.predict(Z, derivative=(3, 0))


def test_the_other_axis_has_all_derivatives():
    X, y = clustered(120, 2)
    model = KroneckerRidge(penalty="ridge", alpha=1e-4, spacing=[0.9, 0.0]).fit(X, y)
    assert np.isfinite(model.predict(X, derivative=(0, 3))).all()


def test_the_encoding_takes_coordinates_as_they_are():
    X, y = log_grid((12, 9))
    model = KroneckerRidge([FourierEncoder(4), BSPLINE], **INTERPOLATES, spacing=[0.9, 0.0]).fit(
        X, y
    )
    encoded = model.encoder_
    np.testing.assert_allclose(
        encoded.transform(X) @ model.coefficients_.ravel() + model.intercept_,
        model.predict(X),
        rtol=0,
        atol=1e-9,
    )
    np.testing.assert_allclose(encoded.domain_, [[1, 100], [1, 100]], rtol=1e-12)
    again = clone(encoded).fit(X)
    np.testing.assert_array_equal(again.spacings_[0].knots, encoded.spacings_[0].knots)
    assert again.spacings_[1] is None
    assert not encoded._has_closed_form()
    assert not encoded._is_stationary()
    kernel = encoded.similarity(X[:5])
    np.testing.assert_allclose(kernel, encoded.transform(X[:5]) @ encoded.transform(X[:5]).T)
    assert len(encoded.get_feature_names_out()) == encoded.transform(X[:1]).shape[1]
    single = encoded.transform(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, encoded.transform(X), rtol=0, atol=1e-4)


def test_measures_count_in_coordinate_units():
    model = KroneckerRidge(**INTERPOLATES, spacing=0.9).fit(LOG, waves(LOG))
    encoded = model.encoder_
    report = encoding_report(encoded, LOG, waves(LOG))
    assert report.held_out_psnr > 25
    assert report.bandwidth is None
    assert report.slow_error[0] < 0.01
    assert report.gain[0] < 1.5
    assert "spacing=[0.9]" in str(report)
    lags = np.array([0.0, 1.0, 500.0])
    places = 1 + (np.arange(16)[:, None] + 0.5) / 16 * (9999 - lags)
    features = [encoded.transform(np.stack([x], axis=1)) for x in (*places.T, *(places + lags).T)]
    expected = [
        np.sum(first * second) / (np.sum(first**2) / 2 + np.sum(second**2) / 2)
        for first, second in zip(features[:3], features[3:], strict=True)
    ]
    close(encoded._axis_similarity(0, lags), np.array(expected), 1e-12)
    radius = similarity_radius(encoded)
    assert 100 < radius[0] < 2_000
    close(encoded._axis_similarity(0, radius), np.array([0.1]), 1e-6)
    assert stable_rank_scorer(model, LOG) == pytest.approx(stable_rank(encoded.transform(LOG)))
    assert -1 <= distance_preservation_scorer(model, LOG) <= 1
    alike = network_similarity(encoded, lags, 1, axis=0)
    assert alike[0] == pytest.approx(1)
    assert np.all(np.diff(alike) < 0)
    rank = network_stable_rank(encoded, 0)
    assert rank == pytest.approx(encoded.stable_rank_, rel=1e-3)


def test_one_coordinate_along_an_axis():
    X = np.column_stack([LOG[:, 0], np.full(120, 7.0)])
    model = KroneckerRidge(**INTERPOLATES, spacing=0.9).fit(X, waves(X))
    close(
        model.predict(X),
        KroneckerRidge(**INTERPOLATES, spacing=0.9).fit(LOG, waves(LOG)).predict(LOG),
        1e-3,
    )
    np.testing.assert_allclose(model.encoder_.domain_[1], [6.5, 7.5])


def test_axes_that_are_alike_share_an_encoder():
    X, y = log_grid((12, 12))
    model = KroneckerRidge(spacing=0.9).fit(X, y)
    assert model.encoders_[0] is model.encoders_[1]
    model.set_params(spacing=[0.9, 0.5]).fit(X, y)
    assert model.encoders_[0] is not model.encoders_[1]


def test_it_survives_pickling_and_float32():
    model = KroneckerRidge(spacing=0.9).fit(LOG, waves(LOG))
    between = np.sqrt(LOG[1:] * LOG[:-1])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(between), model.predict(between))
    single = clone(model).fit(LOG.astype(np.float32), waves(LOG).astype(np.float32))
    assert single.predict(between.astype(np.float32)).dtype == np.float32
    close(single.predict(between.astype(np.float32)), model.predict(between), 1e-3)


REFUSED = [
    ({"spacing": 1.1}, ValueError, r"spacing must be at least 0 and at most 1\. Got 1\.1\.$"),
    ({"spacing": "log"}, TypeError, r"spacing must be a number\. Got 'log'\.$"),
    ({"spacing": [0.5, -1]}, ValueError, r"spacing\[1\] must be .* Got -1\.$"),
    ({"spacing": [0.5] * 3}, ValueError, r"X has 2 axes\. Got 3 values\.$"),
    (
        {"encoder": ShiftedBasisEncoder(domain=(0, 1)), "spacing": 0.5},
        ValueError,
        r"domain of the encoder of axis 0 is in units of .* Got \(0, 1\)\.$",
    ),
    (
        {"encoder": [BSPLINE, ShiftedBasisEncoder(domain=(0, 1))], "spacing": 0.5},
        ValueError,
        r"domain of the encoder of axis 1 .* Got \(0, 1\)\.$",
    ),
]


@pytest.mark.parametrize(("settings", "error", "message"), REFUSED, ids=str)
def test_what_is_refused(settings, error, message):
    X, y = clustered(60, 2)
    model = KroneckerRidge(alpha=1e-3, spacing=0.9).fit(X, y)
    before = model.predict(X)
    with pytest.raises(error, match=message):
        model.set_params(**settings).fit(2 * X, y)
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_circle_has_no_spacing():
    X, y = clustered(60, 1)
    encoder = [ShiftedBasisEncoder(boundary="periodic")]
    with pytest.raises(ValueError, match=r"around a circle: set spacing=0 for axis 0, .*'per"):
        KroneckerRidge(encoder, spacing=0.5).fit(X, y)


@pytest.mark.parametrize(
    ("by_width", "by_rank"),
    [
        (ShiftedBasisEncoder(bandwidth=0.05), ShiftedBasisEncoder(stable_rank=5.6419)),
        (RandomFourierEncoder(32, bandwidth=0.1, random_state=0), None),
    ],
)
def test_settings_in_units_count_in_widths_of_a_mapped_domain(by_width, by_rank):
    X, y = clustered(60, 1)
    model = KroneckerRidge(by_width, **INTERPOLATES, spacing=0.9).fit(1e3 * X, y)
    expected = KroneckerRidge(by_width, **INTERPOLATES, spacing=0.9).fit(X, y)
    np.testing.assert_allclose(model.predict(1e3 * X), expected.predict(X), atol=1e-6)
    if by_rank is not None:
        expected = KroneckerRidge(by_rank, **INTERPOLATES, spacing=0.9).fit(X, y)
        np.testing.assert_allclose(model.predict(1e3 * X), expected.predict(X), atol=1e-3)


def test_units_on_an_axis_without_spacing():
    X, y = clustered(60, 2)
    encoders = [BSPLINE, ShiftedBasisEncoder("bspline", domain=(0, 1), boundary="periodic")]
    model = KroneckerRidge(encoders, spacing=[0.9, 0.0], alpha=1e-3).fit(X, y)
    np.testing.assert_array_equal(model.encoder_.domain_[1], [0, 1])


def test_blocks_have_no_spacing():
    X, y = clustered(60, 2)
    encoder = ShiftedBasisEncoder("bspline", stable_rank=4, n_shifts=8, domain=(0, 1))
    model = KroneckerRidge(encoder, alpha=1e-2, **EXACT).partial_fit(X[:30], y[:30])
    other = KroneckerRidge(encoder, alpha=1e-2, **EXACT).partial_fit(X[30:], y[30:])
    before = model.predict(X)
    model.set_params(spacing=[0.0, 0.5])
    with pytest.raises(ValueError, match=r"partial_fit needs spacing=0: .* Got \[0\.0, 0\.5\]\.$"):
        model.partial_fit(X[30:], y[30:])
    with pytest.raises(ValueError, match=r"merge needs spacing=0: .* Got \[0\.0, 0\.5\]\.$"):
        model.merge(other)
    np.testing.assert_array_equal(model.predict(X), before)
    assert model.encoder_._has_closed_form()
    merged = model.set_params(spacing=[0, 0]).merge(other)
    close(merged.predict(X), clone(merged).fit(X, y).predict(X), 1e-7)


def test_error_bars_with_one_sample_far_away():
    x = np.random.default_rng(0).uniform(size=40)
    x[3] = -1e30
    model = KroneckerRidgeCV().fit(x[:, None], np.sin(9 * x))
    assert model.spacing_ > 0
    assert np.all(np.isfinite(model.predict([[0.5], [-1e29]], return_std=True)))
