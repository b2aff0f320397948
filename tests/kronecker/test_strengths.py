"""The likelihood of strengths, and fits, against dense algebra of Gaussian processes."""

import numpy as np
import pytest
from scipy import linalg
from scipy.interpolate import BSpline, make_smoothing_spline

from sk_posenc import SeasonalRidge
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._components import Level, Season, Trend
from sk_posenc.kronecker._series import Places, Series
from sk_posenc.kronecker._strengths import Likelihood, Strengths, Sums

RNG = np.random.default_rng(1)
N = 60
TIMES = np.sort(RNG.choice(100, N, replace=False)).astype(float)
TIMES[[0, -1]] = 0.0, 99.0
WEIGHTS = RNG.uniform(0.5, 2.0, N)
WEIGHTS /= WEIGHTS.mean()
Y = 0.02 * TIMES + np.sin(2 * np.pi * TIMES / 7) + RNG.normal(scale=0.3, size=N)
COMPONENTS = [Trend(0.0, 99.0, 12), Season(7.0, 0.0, 14), Season(30.0, 0.0, 10)]
STRENGTHS = Strengths(np.array([0.3, 0.05, 2.0]), (2, 3, 1))


def season_kernel(times, others, period, n_knots, exponent):
    """From SciPy's splines and a discrete Fourier transform, by themselves."""
    spline = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)

    def waves(t):
        u = (t / period % 1 * n_knots)[:, None] - np.arange(n_knots)
        splines = sum(np.nan_to_num(spline(u + k * n_knots)) for k in (-1, 0, 1))
        return np.fft.ifft(splines, axis=1)  # (m, n_knots), of harmonic k and k - n_knots

    k = np.abs(np.fft.fftfreq(n_knots, 1 / n_knots))
    fine = waves(np.arange(64 * n_knots) / 64 * period / n_knots)
    variances = np.zeros(n_knots)
    variances[1:] = k[1:] ** (-2.0 * exponent) / np.mean(np.abs(fine[:, 1:]) ** 2, axis=0)
    total = np.mean(np.abs(fine) ** 2 @ variances)
    return np.real(waves(times) * variances @ waves(others).conj().T) / total


def trend_kernel(times, others):
    """An integrated random walk from the first sample on."""
    low, high = np.minimum.outer(times, others), np.maximum.outer(times, others)
    return low**2 * (high / 2 - low / 6)


def krige(kernels, lines, y, weights, at_kernels, own, at_lines, noise):
    """Mean and variance of the sum, of a process with a flat prior on lines."""
    inverse = linalg.inv(sum(kernels) + np.diag(noise / weights))
    cross = sum(at_kernels)
    flat = linalg.inv(lines.T @ inverse @ lines)
    beta = flat @ lines.T @ inverse @ y
    mean = at_lines @ beta + cross @ inverse @ (y - lines @ beta)
    rest = at_lines - cross @ inverse @ lines
    variance = own - np.sum(cross @ inverse * cross, axis=1) + np.sum(rest @ flat * rest, axis=1)
    return mean, variance


@pytest.fixture(scope="module")
def sums():
    return Sums(COMPONENTS, TIMES, WEIGHTS)


def dense_prior(sums, strengths):
    """Covariance at the samples over the variance of the noise, and what has no prior."""
    columns = sums.rows @ sums.basis
    precisions = sums.precisions(strengths)
    penalised = precisions > 0
    prior = columns[:, penalised] / precisions[penalised] @ columns[:, penalised].T
    return prior, columns[:, ~penalised]


def dense_deviance(sums, strengths):
    """Of error contrasts: no prior of lines, no coefficients, an n x n determinant."""
    prior, lines = dense_prior(sums, strengths)
    covariance = prior + np.diag(1 / WEIGHTS)
    contrasts = linalg.null_space(lines.T).T
    inner = contrasts @ covariance @ contrasts.T
    seen = contrasts @ Y
    freedom = len(seen)
    square = seen @ linalg.solve(inner, seen, assume_a="pos")
    return freedom * np.log(square) + np.linalg.slogdet(inner)[1]


def test_the_likelihood_is_that_of_error_contrasts(sums):
    likelihood = Likelihood(sums, Y)
    others = [
        STRENGTHS,
        Strengths(np.array([1e-4, 30.0, 2.0]), (2, 2, 2)),
        Strengths(np.array([50.0, 1e-3, 0.1]), (2, 1, 3)),
    ]
    found = np.array([likelihood.solve(each).deviance for each in others])
    dense = np.array([dense_deviance(sums, each) for each in others])
    np.testing.assert_allclose(np.diff(found), np.diff(dense), rtol=1e-9)


def test_its_slope_is_its_derivative(sums):
    likelihood = Likelihood(sums, Y)
    slope = likelihood.solve(STRENGTHS).slope
    for j in range(3):
        up, down = (
            likelihood.solve(Strengths(STRENGTHS.alphas * np.exp(step * np.eye(3)[j]), (2, 3, 1)))
            for step in (1e-4, -1e-4)
        )
        assert slope[j] == pytest.approx((up.deviance - down.deviance) / 2e-4, rel=1e-5, abs=1e-6)


def test_the_climb_ends_at_a_top(sums):
    likelihood = Likelihood(sums, (Y - Y.mean()) / Y.std())
    best = likelihood.climb()
    lowest = likelihood.solve(best).deviance
    for change in [*np.eye(3), *-np.eye(3)]:
        for step in (0.05, 1.0):
            near = Strengths(best.alphas * np.exp(step * change), best.exponents)
            assert likelihood.solve(near).deviance > lowest - 1e-3
    for j in (1, 2):
        for exponent in (1, 2, 3):
            changed = list(best.exponents)
            changed[j] = exponent
            tried = Strengths(best.alphas, tuple(changed))
            assert likelihood.solve(tried).deviance > lowest - 2.0


def test_seasons_are_a_gaussian_process():
    components = [Level(), Season(7.0, 0.0, 14), Season(30.0, 0.0, 10)]
    strengths = np.array([0.05, 2.0])
    places = Places.of(TIMES, WEIGHTS)
    fit = Series.fit(Sums(components, TIMES, places.weights), places, Y, strengths)
    at = RNG.uniform(-50, 200, 40)
    settings = [(7.0, 14), (30.0, 10)]
    noise = fit.noise * fit.spread**2

    def kernels(left, right):
        return [
            noise / alpha * season_kernel(left, right, *each, exponent)
            for each, alpha, exponent in zip(
                settings, strengths, fit.strengths.exponents, strict=True
            )
        ]

    own = sum(np.diag(each) for each in kernels(at, at))
    one = np.ones((N, 1))
    crossed = kernels(at, TIMES)
    mean, variance = krige(
        kernels(TIMES, TIMES), one, Y, WEIGHTS, crossed, own, np.ones((40, 1)), noise
    )
    np.testing.assert_allclose(fit.parts(at).sum(axis=1), mean, rtol=1e-8, atol=1e-9)
    chosen = (N - 1) / (N - 3)  # two exponents
    np.testing.assert_allclose(fit.deviation(at) ** 2, chosen * variance, rtol=1e-7)
    for j, each in enumerate(crossed):  # one season by itself
        own = np.diag(kernels(at, at)[j])
        mean, variance = krige(
            kernels(TIMES, TIMES), one, Y, WEIGHTS, [each], own, np.zeros((40, 1)), noise
        )
        np.testing.assert_allclose(fit.parts(at)[:, 1 + j], mean, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(
            fit.deviations_of_parts(at)[:, 1 + j] ** 2, chosen * variance, rtol=1e-7
        )


def walk(n_intervals):
    """A trend of 40 whole times, and the alpha at which its second derivative has variance 1."""
    trend = Trend(0.0, 39.0, n_intervals)
    modes = trend.modes[:, 0]
    spline = BSpline(np.arange(-3.0, trend.n_knots + 1), modes, 3)
    second = spline(np.arange(2 * n_intervals + 1) / 2, nu=2) ** 2
    bend = np.sum(second[:-2:2] + 4 * second[1::2] + second[2::2]) / 6  # Simpson's rule is exact
    knot = 39 / n_intervals
    return trend, bend / knot**3 * trend.variances(2)[0]


def test_a_trend_is_a_smoothing_spline():
    times, y = np.arange(40.0), np.cumsum(RNG.normal(size=40))
    places = Places.of(times, None)
    trend, unit = walk(39)  # a knot at each sample, as it has
    fit = Series.fit(Sums([trend], times, places.weights), places, y, np.array([0.01]))
    spline = make_smoothing_spline(times, y, lam=0.01 / unit)
    np.testing.assert_allclose(fit.parts(times)[:, 0], spline(times), rtol=1e-9, atol=1e-9)


def test_a_trend_goes_on_as_an_integrated_random_walk():
    times, y = np.arange(40.0), np.cumsum(RNG.normal(size=40))
    places = Places.of(times, None)
    trend, unit = walk(39 * 12)
    fit = Series.fit(Sums([trend], times, places.weights), places, y, np.array([0.01]))
    strength = fit.spread**2 * fit.variances[0] * unit
    at = np.array([-8.0, -1.0, 0.0, 17.5, 39.0, 44.0, 70.0])
    t, further = times + 8, at + 8
    lines, at_lines = (np.column_stack([np.ones(len(each)), each]) for each in (t, further))
    mean, variance = krige(
        [strength * trend_kernel(t, t)], lines, y, np.ones(40),
        [strength * trend_kernel(further, t)],
        strength * np.diag(trend_kernel(further, further)), at_lines, fit.spread**2 * fit.noise,
    )  # fmt: skip
    np.testing.assert_allclose(fit.parts(at)[:, 0], mean, rtol=1e-3)
    np.testing.assert_allclose(fit.deviation(at) ** 2, variance, rtol=0.02)


def test_places_are_means_of_samples():
    times = np.array([2.0, 1.0, 2.0, 5.0])
    weights = np.array([1.0, 2.0, 3.0, 2.0])
    places = Places.of(times, weights)
    np.testing.assert_array_equal(places.times, [1, 2, 5])
    np.testing.assert_allclose(places.weights, [0.75, 1.5, 0.75])
    np.testing.assert_allclose(places.means(np.array([8.0, 1.0, 4.0, 3.0])), [1, 5, 3])
    assert places.per_place == pytest.approx(4 / 3)


def test_blocks_of_points_make_no_difference():
    model = SeasonalRidge([7, 30]).fit(TIMES[:, None], Y, sample_weight=WEIGHTS)
    at = RNG.uniform(-50, 200, (50, 1))
    whole = [*model.predict(at, return_std=True), *model.predict_components(at, return_std=True)]
    with limits(block_bytes=1):
        rows = [*model.predict(at, return_std=True)]
        rows += [*model.predict_components(at, return_std=True)]
    for one, other in zip(whole, rows, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
