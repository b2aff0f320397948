"""Trends and seasons as splines, and how fine they are."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

from sk_posenc.kronecker._components import Level, Season, Trend, rows_of, seasons_of
from sk_posenc.kronecker._knots import MOST_KNOTS, intervals_of_trend, knots_of_season
from sk_posenc.kronecker._splines import bending, energy, open_rows

RNG = np.random.default_rng(0)
SPLINE = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)


def dense_circle(u, n_knots):
    """Cubic splines around a circle, by summing over its turns."""
    u = np.asarray(u)[:, None] - np.arange(n_knots)
    turns = [np.nan_to_num(SPLINE(u + k * n_knots)) for k in range(-5, 6)]
    return np.sum(turns, axis=0)


@pytest.mark.parametrize("n_knots", [2, 3, 5, 24])
def test_rows_of_a_season(n_knots):
    season = Season(7.0, 2.0, n_knots)
    times = np.concatenate([RNG.uniform(-100, 100, 50), [2.0, 9.0, 2 - 1e-15]])
    u = (times - 2.0) / 7.0 % 1.0 * n_knots
    np.testing.assert_allclose(season.rows(times).toarray(), dense_circle(u, n_knots), atol=1e-12)


@pytest.mark.parametrize(("n_knots", "shared"), [(2, ()), (7, ()), (24, (6,)), (30, (2, 3))])
def test_modes_of_a_season_are_waves_apart(n_knots, shared):
    season = Season(1.0, 0.0, n_knots, shared)
    modes = season.modes
    np.testing.assert_allclose(modes.T @ modes, np.eye(modes.shape[1]), atol=1e-12)
    kept = [m for m in range(1, n_knots // 2 + 1) if not any(m % each == 0 for each in shared)]
    assert modes.shape[1] == sum(2 - (2 * m == n_knots) for m in kept)
    spectrum = np.abs(np.fft.fft(modes, axis=0)) ** 2
    found = np.flatnonzero(spectrum.sum(axis=1)[: n_knots // 2 + 1] > 1e-9)
    assert found.tolist() == kept


@pytest.mark.parametrize("exponent", [1, 2, 3])
def test_variances_of_a_season(exponent):
    season = Season(1.0, 0.0, 24)
    variances = season.variances(exponent)
    functions = season.rows(np.arange(960) / 960) @ season.modes
    assert np.mean(functions**2 @ variances) == pytest.approx(1.0)
    # the k-th harmonic, as a function, has a variance that falls with k to the power 2 p
    powers = np.mean(functions**2, axis=0) * variances
    assert powers[1] / powers[0] == pytest.approx(2.0 ** (-2 * exponent), rel=1e-6)
    assert powers[12] == pytest.approx(powers[0])  # a sine as its cosine


def test_energy_is_a_mean_square():
    coefficients = np.cos(2 * np.pi * 3 * np.arange(20) / 20)
    fine = dense_circle(np.arange(0, 20, 0.01), 20) @ coefficients
    assert energy(np.array([3 / 20])) == pytest.approx(2 * np.mean(fine**2))


def test_bending_is_the_integral():
    coefficients = RNG.normal(size=8)
    fine = np.linspace(0, 5, 100_001)
    second = np.gradient(np.gradient(open_rows(fine, 5) @ coefficients, fine), fine)[5:-5]
    integral = np.mean(second**2) * 5
    assert coefficients @ bending(5) @ coefficients == pytest.approx(integral, rel=1e-3)


def test_a_trend_goes_on_as_a_straight_line():
    trend = Trend(10.0, 30.0, 5)
    modes = trend.modes
    assert modes.shape == (8, 4)  # values at six knots, without a line
    values = trend.rows(np.array([-30.0, -10.0, 10.0])) @ modes
    np.testing.assert_allclose(values[0] - values[1], values[1] - values[2], atol=1e-12)
    steps = np.diff(trend.rows(np.array([30 - 1e-4, 30.0, 30 + 1e-4])) @ modes, axis=0)
    np.testing.assert_allclose(steps[0], steps[1], atol=1e-8)
    lines = trend.rows(np.array([0.0, 20.0, 40.0])) @ trend.free
    np.testing.assert_allclose(lines, [[1, -1], [1, 0], [1, 1]], atol=1e-12)


def test_variance_of_a_trend_about_its_line():
    trend = Trend(0.0, 12.0, 12)
    at = np.linspace(0, 12, 2_001)
    functions, lines = trend.rows(at) @ trend.modes, trend.rows(at) @ trend.free
    functions -= lines @ np.linalg.lstsq(lines, functions, rcond=None)[0]
    assert np.mean(functions**2 @ trend.variances(2)) == pytest.approx(1.0, rel=0.01)
    growth = trend.growth(np.array([-6.0, 0.0, 5.0, 12.0, 15.0, 18.0]))
    assert growth[1:4].tolist() == [0, 0, 0]
    np.testing.assert_allclose(growth[[0, 5]] / growth[4], 8.0)


def test_a_level_is_a_constant():
    level = Level()
    np.testing.assert_array_equal(level.rows(np.arange(3.0)) @ level.free, np.ones((3, 1)))
    assert rows_of([level, Season(1.0, 0.0, 5)], np.arange(4.0)).shape == (4, 6)


def test_harmonics_in_common_belong_to_the_shorter_season():
    week, day, year = seasons_of([168.0, 24.0, 8766.0], (0.0, 0.0), [168, 96, 256], [168, 24, 0])
    assert (week.shared, day.shared, year.shared) == ((7,), (24,), ())
    assert week.n_knots == 168
    # nothing of a weekly season is left in the mean over its days
    at = np.arange(0, 168, 0.25)
    days = (week.rows(at) @ week.modes).reshape(7, 96, -1)
    np.testing.assert_allclose(days.mean(axis=0), 0, atol=1e-12)
    hours = day.rows(np.arange(24.0)) @ day.modes
    np.testing.assert_allclose(hours.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("periods", "n_knots", "shared", "rounded"),
    [
        ([3.0, 2.0], [20, 20], [(3,), ()], [21, 20]),  # both have the period 1
        ([1.0, 7.0], [9, 50], [(), (7,)], [9, 56]),
        ([1.0, 7.0], [9, 12], [(), ()], [9, 12]),  # the seventh harmonic is too fine
        ([1.0, 7.0, 28.0], [9, 14, 56], [(), (7,), (4, 28)], [9, 14, 56]),
        ([1.0, np.pi], [9, 50], [(), ()], [9, 50]),
        ([11.0, 13.0, 1001.0], [9, 9, 200], [(), (), (77, 91)], [9, 9, 200]),  # 1001 is too many
    ],
)
def test_shared_harmonics_and_knots(periods, n_knots, shared, rounded):
    seasons = seasons_of(periods, (0.0, 0.0), n_knots, [0] * len(periods))
    assert [each.shared for each in seasons] == shared
    assert [each.n_knots for each in seasons] == rounded


@pytest.mark.parametrize(
    ("times", "period", "n_knots", "n_phases"),
    [
        (np.arange(100.0), 24.0, 96, 24),  # 24 phases, four knots each
        (np.arange(1000.0), 168.0, 168, 168),
        (np.arange(1000.0) / 24 + 20_000, 7.0, 168, 168),
        (np.delete(np.arange(700.0), np.arange(5, 700, 7)), 7.0, 28, 7),  # no Sundays
        (np.array([0.0, 0.3, 5.0]), 1.0, 8, 0),  # two phases, 0.3 apart
        (np.array([0.0, 0.4, 0.95]), 1.0, 24, 20),  # near each other around the end
        (np.array([0.0, 0.01, 0.31, 0.523, 0.7]), 1.0, 20, 0),  # five, times four
        (np.arange(10_000.0), 8766.0, MOST_KNOTS, 8766),
        (RNG.uniform(0, 50, 400), 1.0, MOST_KNOTS, 0),
    ],
)
def test_knots_follow_the_phases(times, period, n_knots, n_phases):
    assert knots_of_season(times, period) == (n_knots, n_phases)


@pytest.mark.parametrize("period", [1.0, 0.5, 1e-3])
def test_samples_at_one_phase_tell_nothing(period):
    with pytest.raises(ValueError, match=rf"not divide the steps of X.*Got {period:g}\."):
        knots_of_season(np.arange(5.0), period)


@pytest.mark.parametrize(
    ("end", "shortest", "n_intervals"), [(30.0, 7.0, 4), (3.0, 7.0, 2), (1e6, 7.0, MOST_KNOTS)]
)
def test_intervals_of_a_trend(end, shortest, n_intervals):
    assert intervals_of_trend(np.array([0.0, end / 3, end]), shortest) == n_intervals
