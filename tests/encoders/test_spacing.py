"""Maps that space samples evenly: their formula, their inverse, and what they refuse."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.interpolate import PchipInterpolator
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from sk_posenc import ShiftedBasisEncoder, SpacingTransformer, encoding_report
from sk_posenc.encoders.axis_spacing import AxisSpacing

LOG = np.geomspace(1, 1e4, 120)
PLACES = hnp.arrays(
    np.float64,
    st.integers(1, 80),
    elements=st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1e-9, 1e-300, 5.0]),
)
STRENGTHS = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1)


def uneven(n, seed=0):
    return np.random.default_rng(seed).standard_cauchy(n)


def number_of_knots(n, most=33):
    """One less where an odd number of knots would have its middle between two samples."""
    n_knots = min(n, most)
    return n_knots - (n_knots % 2 == 1 and n % 2 == 0)


def reference(x, samples, strength, n_knots=33):
    """The formula, in the units of the samples."""
    distinct = np.unique(samples)
    m = len(distinct)
    ranks = np.round(np.linspace(0, m - 1, number_of_knots(m, n_knots))).astype(int)
    lower = ranks[: (len(ranks) + 1) // 2]
    at = np.unique([*lower, *(m - 1 - lower)])  # symmetric
    P = PchipInterpolator(distinct[at], at / (m - 1))
    low, high = distinct[0], distinct[-1]
    return strength * P(np.clip(x, low, high)) + (1 - strength) * (x - low) / (high - low)


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("n", [3, 32, 33, 34, 150])
def test_it_is_the_formula(n, strength):
    samples = uneven(n)
    x = np.concatenate([samples, np.linspace(samples.min() - 9, samples.max() + 9, 300)])
    model = SpacingTransformer(strength).fit(np.repeat(samples, 2)[:, None])
    np.testing.assert_allclose(
        model.transform(x[:, None])[:, 0], reference(x, samples, strength), rtol=0, atol=1e-12
    )
    assert len(model.knots_[0]) == number_of_knots(n)
    np.testing.assert_array_equal(model.domain_, [[samples.min(), samples.max()]])


def test_number_of_knots():
    model = SpacingTransformer(0.7, n_knots=5).fit(LOG[:, None])
    np.testing.assert_array_equal(model.knots_[0], LOG[[0, 40, 79, 119]])
    three = SpacingTransformer(0.7, n_knots=3).fit(LOG[:, None])
    np.testing.assert_array_equal(three.knots_[0], LOG[[0, 60, 119]])
    x = np.linspace(1, 1e4, 50)
    expected = reference(x, LOG, 0.7, n_knots=5)
    np.testing.assert_allclose(model.transform(x[:, None])[:, 0], expected, rtol=0, atol=1e-12)


def test_samples_are_about_equally_far_apart():
    even = SpacingTransformer(1).fit_transform(LOG[:, None])[:, 0]
    assert np.diff(even).max() < 1.1 * np.diff(even).min()
    scaled = SpacingTransformer(0).fit_transform(LOG[:, None])[:, 0]
    np.testing.assert_allclose(scaled, (LOG - 1) / 9999, rtol=0, atol=1e-15)


@pytest.mark.parametrize("samples", [[3.0], [3.0, 3.0], [0.0], [-1e20, -1e20]])
def test_an_axis_of_one_coordinate_has_width_1(samples):
    model = SpacingTransformer(1).fit(np.array(samples)[:, None])
    low, high = model.domain_[0]
    assert low == samples[0]
    assert high - low == (1 if abs(low) < 1e10 else 8 * np.spacing(1e20))
    Z = np.array([[low], [high], [low + 3 * (high - low)]])
    np.testing.assert_array_equal(model.transform(Z), [[0], [1], [3]])
    np.testing.assert_array_equal(model.inverse_transform([[0], [1], [3]]), Z)


def test_two_coordinates_are_scaled():
    model = SpacingTransformer(1).fit([[2.0], [6.0], [2.0]])
    np.testing.assert_array_equal(model.transform([[0], [2], [3], [6], [10]])[:, 0],
                                  [-0.5, 0, 0.25, 1, 2])  # fmt: skip


def resolved(samples):
    return not 0 < np.ptp(samples) < 1e-200


@given(PLACES.filter(resolved), STRENGTHS)
def test_it_is_monotone_from_0_to_1(samples, strength):
    spacing = AxisSpacing.through(samples, strength, 0)
    inside = np.sort(samples)
    between = (inside[1:] + inside[:-1]) / 2
    x = np.unique(np.concatenate([inside, between, [inside[0] - 1, inside[-1] + 1]]))
    u = spacing(x)
    assert np.all(np.diff(u) >= -1e-15 * np.abs(u).max())
    assert spacing(inside[:1]) == 0
    if inside[0] < inside[-1]:
        assert spacing(inside[-1:]) == 1
    assert np.all(spacing.derivative(x, 1) >= 0)


@given(PLACES.filter(resolved), STRENGTHS)
def test_it_has_an_inverse(samples, strength):
    spacing = AxisSpacing.through(samples, strength, 0)
    x = np.linspace(spacing.low, spacing.high, 40)
    u = spacing(x)
    np.testing.assert_allclose(spacing(spacing.inverse(u)), u, rtol=0, atol=1e-12)
    ends = spacing.inverse(np.array([0.0, 1.0]))
    width = spacing.high - spacing.low
    np.testing.assert_allclose(ends, [spacing.low, spacing.high], rtol=1e-15, atol=width * 1e-15)


@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0])
def test_inverse_beyond_the_samples(strength):
    samples = uneven(50)
    model = SpacingTransformer(strength).fit(samples[:, None])
    low, high = model.domain_[0]
    Z = np.array([[low - 5], [low], [samples[7]], [high], [high + 5]])
    expected = np.clip(Z, low, high) if strength == 1 else Z
    got = model.inverse_transform(model.transform(Z))
    np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("strength", [0.0, 0.4, 0.9, 1.0])
def test_derivatives(strength):
    spacing = AxisSpacing.through(LOG, strength, 0)
    x = np.concatenate([[-50.0, 2e4], np.random.default_rng(0).uniform(1.001, 9999, 200)])
    x = x[np.abs(x[:, None] / spacing.knots - 1).min(axis=1) > 1e-3]  # where order 2 jumps
    for order, function in ((1, spacing), (2, lambda x: spacing.derivative(x, 1))):
        step = 1e-5 * np.abs(x)
        numerical = (function(x + step) - function(x - step)) / (2 * step)
        exact = spacing.derivative(x, order)
        np.testing.assert_allclose(exact, numerical, rtol=1e-5, atol=1e-10 * exact.max() + 1e-15)


@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0.0), (7.0, 3e4), (1e200, 0.0)])
def test_units_do_not_matter(scale, offset):
    samples = uneven(90)
    first = SpacingTransformer().fit(samples[:, None])
    second = SpacingTransformer().fit(scale * samples[:, None] + offset)
    x = np.linspace(-200, 200, 77)[:, None]
    np.testing.assert_allclose(
        second.transform(scale * x + offset), first.transform(x), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize(
    "samples",
    [
        [-4e307, 0.0, 1e-300, 4e307],
        [0.0, 1e-320, 3e-320, 1.0],  # closer than any slope can tell
        [-1.0, -2e-320, -1e-320],
        [1e15, 1e15 + 1, 1e15 + 2, 1e15 + 7],
    ],
    ids=str,
)
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_extreme_coordinates(samples, strength):
    spacing = AxisSpacing.through(np.array(samples), strength, 0)
    x = np.array([-1e308, *samples, 1e308])
    u = spacing(x)
    assert np.isfinite(u).all()
    assert np.all(np.diff(u) >= 0)
    assert np.isfinite(spacing.derivative(x, 1)).all()
    np.testing.assert_allclose(u[[1, -2]], [0, 1])


def test_per_axis_and_names():
    frame = np.column_stack([LOG, LOG])
    model = SpacingTransformer([0.0, 1.0]).fit(frame)
    u = model.transform(frame)
    for axis, strength in enumerate((0.0, 1.0)):
        alone = SpacingTransformer(strength).fit_transform(frame[:, [axis]])
        np.testing.assert_array_equal(u[:, axis], alone[:, 0])
    np.testing.assert_array_equal(model.get_feature_names_out(["t", "z"]), ["t", "z"])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(frame), u)


def test_float32_stays_float32():
    X = LOG[:, None].astype(np.float32)
    model = SpacingTransformer().fit(X)
    assert model.transform(X).dtype == model.inverse_transform(X).dtype == np.float32
    wide = SpacingTransformer().fit(LOG[:, None]).transform(LOG[:, None])
    np.testing.assert_allclose(model.transform(X), wide, rtol=0, atol=1e-6)
    far = model.transform(np.array([[3e38]], dtype=np.float32))
    assert np.isfinite(far).all()


def test_tensors_come_back_as_tensors():
    X = torch.tensor(LOG[:, None], dtype=torch.float32, requires_grad=True)
    expected = SpacingTransformer().fit_transform(LOG[:, None])
    plain = SpacingTransformer().fit(X).transform(X)
    assert isinstance(plain, np.ndarray)
    np.testing.assert_allclose(plain, expected, rtol=0, atol=1e-6)


def test_a_pipeline_learns_what_even_shifts_cannot():
    y = np.sin(2 * np.log(LOG))
    between = np.sqrt(LOG[1:] * LOG[:-1])[:, None]
    errors = []
    for steps in ([], [SpacingTransformer()]):
        model = make_pipeline(*steps, ShiftedBasisEncoder(stable_rank=30), Ridge(1e-4))
        predicted = model.fit(LOG[:, None], y).predict(between)
        errors.append(np.sqrt(np.mean((predicted - np.sin(2 * np.log(between[:, 0]))) ** 2)))
    assert errors[1] < errors[0] / 50
    report = encoding_report(model, LOG[:, None], y)
    assert report.held_out_psnr > 30


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"strength": 1.5}, ValueError, r"strength must be .* at most 1\. Got 1\.5\.$"),
        ({"strength": -0.1}, ValueError, r"at least 0 and at most 1\. Got -0\.1\.$"),
        ({"strength": [0.5, 2]}, ValueError, r"strength\[1\] must be .*\. Got 2\.$"),
        ({"strength": [0.5]}, ValueError, r"X has 2 axes\. Got 1 values\.$"),
        ({"strength": "log"}, TypeError, r"strength must be a number\. Got 'log'\.$"),
        ({"strength": None}, TypeError, r"strength must be a number\. Got None\.$"),
        ({"n_knots": 1}, ValueError, r"n_knots must be at least 2\. Got 1\.$"),
        ({"n_knots": 3.5}, TypeError, r"n_knots must be a whole number\. Got 3\.5\.$"),
    ],
    ids=str,
)
def test_what_is_refused(settings, error, message):
    X = uneven(40).reshape(-1, 2)
    model = SpacingTransformer().fit(X)
    before = model.transform(X)
    with pytest.raises(error, match=message):
        model.set_params(**settings).fit(2 * X)
    np.testing.assert_array_equal(model.transform(X), before)
    with pytest.raises(error, match=message):
        clone(model).fit(X)


def test_coordinates_that_are_refused():
    model = SpacingTransformer().fit(LOG[:, None])
    with pytest.raises(ValueError, match=r"1 columns, one for each axis seen in fit\. Got 2\.$"):
        model.inverse_transform(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="2 features, but SpacingTransformer is expecting 1"):
        model.transform(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="NaN"):
        model.transform([[np.nan]])
    for X in ([[0.0], [1e-300]], [[-1e308], [1e308]]):
        with pytest.raises(ValueError, match="too wide or too narrow for float64: change the uni"):
            SpacingTransformer().fit(X)
    with pytest.raises(ValueError, match="of axis 1 is too wide or too narrow for float32"):
        SpacingTransformer().fit(np.array([[0, 0], [1, 3e38]], dtype=np.float32))


def test_knots_beyond_the_samples_are_the_samples():
    X = np.random.default_rng(0).uniform(size=(30, 1))
    most, many = (SpacingTransformer(n_knots=n).fit_transform(X) for n in (30, 10**15))
    np.testing.assert_array_equal(most, many)
