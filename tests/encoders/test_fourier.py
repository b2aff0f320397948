"""Fourier encoders: their contract, the law, frequencies, settings and errors."""

import math

import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from encoder_contract import EPS32, EncoderContract, dense_stable_rank, on_all_domains, spread
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_shifted_basis import grid

from sk_posenc import (
    EncoderModule,
    FourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
)


def unit_axis(n, endpoint=False):
    return np.linspace(0, 1, n, endpoint=endpoint)[:, None]


class FourierContract(EncoderContract):
    def inside(self, encoder, X):
        low, high = encoder.domain_.T
        if getattr(encoder, "boundary", None) == "extend":
            return np.clip(X, low, high) - low
        return X - low

    def float32_tolerance(self, encoder, X):
        frequencies = encoder.frequencies_
        if isinstance(frequencies, list):
            frequencies = np.stack(frequencies, axis=-1)
        phases = 2 * math.pi * self.inside(encoder, X.astype(float)) @ np.abs(frequencies).T
        return 4 * EPS32 * max(1.0, phases.max())

    @on_all_domains
    def test_similarity_is_the_inner_product(self, fitted, domain):
        X1, X2 = spread(domain, 40), spread(domain, 90)[40:]
        products = fitted.transform(X1) @ fitted.transform(X2).T
        np.testing.assert_allclose(fitted.similarity(X1, X2), products, rtol=0, atol=1e-12)

    def test_squared_norms_are_one(self, fitted, domain):
        norms = np.sum(fitted.transform(spread(domain, 200, beyond=2)) ** 2, axis=1)
        np.testing.assert_allclose(norms, 1, rtol=0, atol=1e-13)

    def test_the_two_ends_meet_only_where_periodic(self, fitted, domain):
        ends = fitted.transform([[domain[0]] * 2, [domain[1]] * 2])
        distance = np.linalg.norm(ends[0] - ends[1])
        if getattr(fitted, "boundary", None) == "periodic":
            assert distance < 1e-10
        else:
            assert distance > 0.5

    def test_gradients_flow(self, fitted, domain):
        X = torch.asarray(spread(domain, 3)).requires_grad_()
        xp = array_namespace(X)
        arrays = fitted._arrays_like(X)
        assert torch.autograd.gradcheck(lambda x: fitted._features(x, arrays, xp), X, atol=1e-4)

    def test_sines_come_before_cosines(self, fitted, domain):
        names = list(fitted.get_feature_names_out())
        E = fitted.transform([[domain[0]] * 2])[0]  # the phase is 0
        assert all(E[j] == 0 for j, name in enumerate(names) if "_sin" in name)
        assert all(E[j] > 0 for j, name in enumerate(names) if "_cos" in name)
        first_axis = names[0].split("_")[0]
        last_sine = max(j for j, name in enumerate(names) if name.startswith(f"{first_axis}_sin"))
        assert names[last_sine + 1] == f"{first_axis}_cos1"


class PerAxis(FourierContract):
    def reference(self, encoder, X):
        x = self.inside(encoder, X)
        blocks = []
        for axis, frequencies in enumerate(encoder.frequencies_):
            phases = 2 * math.pi * x[:, [axis]] * frequencies
            block = [np.sin(phases), np.cos(phases)]
            if isinstance(encoder, FourierEncoder):
                block.insert(0, np.full((len(X), 1), math.sqrt(0.5)))
            block = np.hstack(block)
            blocks.append(block / np.linalg.norm(block[0]))
        return np.hstack(blocks) / math.sqrt(len(blocks))


class TestFourier(PerAxis):
    @pytest.fixture(
        params=[
            {"stable_rank": 8},
            {"n_frequencies": 1},
            {"max_frequency": 2.5},
            {"boundary": "periodic", "stable_rank": 21},
        ],
        ids=str,
    )
    def encoder(self, request):
        return FourierEncoder(**request.param)

    def test_outside_the_domain(self, fitted, domain):
        (low, high), width = domain, domain[1] - domain[0]
        if fitted.boundary == "extend":
            np.testing.assert_array_equal(
                fitted.transform([[low - 3 * width, high + 9 * width]]),
                fitted.transform([[low, high]]),
            )
        else:
            X = spread(domain, 20)
            np.testing.assert_allclose(
                fitted.transform(X - 3 * width), fitted.transform(X), rtol=0, atol=1e-10
            )


class TestLogFourier(PerAxis):
    @pytest.fixture(
        params=[{}, {"n_frequencies": 1}, {"n_frequencies": 6, "max_frequency": 30.0}], ids=str
    )
    def encoder(self, request):
        return LogFourierEncoder(**request.param)


class TestRandomFourier(FourierContract):
    @pytest.fixture(
        params=[
            {"stable_rank": 8},
            {"n_frequencies": 100, "stable_rank": 12},
            {"n_frequencies": 64, "sampling": "iid", "stable_rank": 1.5},
            {"n_frequencies": 1, "stable_rank": 1},
        ],
        ids=str,
    )
    def encoder(self, request):
        return RandomFourierEncoder(**request.param, random_state=0)

    def reference(self, encoder, X):
        phases = 2 * math.pi * self.inside(encoder, X) @ encoder.frequencies_.T
        return np.hstack([np.sin(phases), np.cos(phases)]) / math.sqrt(len(encoder.frequencies_))

    def columns_of_axis(self, encoder, axis):
        return slice(None)

    def test_the_two_ends_meet_only_where_periodic(self, fitted, domain):
        ends = fitted.transform([[domain[0]] * 2, [domain[1]] * 2])
        assert np.linalg.norm(ends[0] - ends[1]) > 0.05


@pytest.mark.parametrize("boundary", ["extend", "periodic"])
@pytest.mark.parametrize("rank", [8, 32, 128])
def test_fourier_law_within_one(rank, boundary):
    encoder = FourierEncoder(stable_rank=rank, domain=(0, 1), boundary=boundary)
    E = encoder.fit_transform(unit_axis(4000))
    measured = dense_stable_rank(E)
    assert abs(measured - rank) <= 1
    assert encoder.stable_rank_[0] == pytest.approx(measured, rel=1e-2)


@pytest.mark.parametrize(("rank", "n_samples"), [(8, 200), (32, 300), (128, 600)])
def test_quasi_random_law_within_5_percent(rank, n_samples):
    X = unit_axis(n_samples)
    measured = [
        dense_stable_rank(
            RandomFourierEncoder(
                4 * rank, stable_rank=rank, domain=(0, 1), random_state=seed
            ).fit_transform(X)
        )
        for seed in range(20)
    ]
    assert np.mean(measured) == pytest.approx(rank, rel=0.05)


def test_settings_per_axis():
    encoder = FourierEncoder(
        [3, "auto"], stable_rank=["auto", 9], domain=(0, 1), boundary=["extend", "periodic"]
    ).fit(grid(9))
    np.testing.assert_allclose(encoder.frequencies_[0], [0.5, 1, 1.5])
    np.testing.assert_allclose(encoder.frequencies_[1], [1, 2, 3, 4])
    random = RandomFourierEncoder(stable_rank=[3, 12], domain=(0, 1), random_state=0).fit(grid(9))
    np.testing.assert_allclose(random.frequency_std_ * math.sqrt(2 * math.pi), [3, 12])
    log = LogFourierEncoder([2, 3], max_frequency=[1, 8], domain=(0, 1)).fit(grid(9))
    np.testing.assert_allclose(np.concatenate(log.frequencies_), [0.5, 1, 0.5, 2, 8])


def test_frequencies_of_an_interval_and_of_a_circle():
    X = unit_axis(50)
    interval = FourierEncoder(4, domain=(0, 2)).fit(X)
    np.testing.assert_allclose(interval.frequencies_[0], [0.25, 0.5, 0.75, 1.0])
    circle = FourierEncoder(4, domain=(0, 2), boundary="periodic").fit(X)
    np.testing.assert_allclose(circle.frequencies_[0], [0.5, 1.0, 1.5, 2.0])
    assert circle.bandwidth_[0] == pytest.approx(0.25)


@pytest.mark.parametrize(("top", "expected"), [(1.0, 2), (1.49, 2), (0.5, 1), (3.5, 7)])
def test_max_frequency_is_rounded_down(top, expected):
    encoder = FourierEncoder(max_frequency=top, domain=(0, 1)).fit(unit_axis(9))
    assert len(encoder.frequencies_[0]) == expected
    assert encoder.frequencies_[0][-1] <= top


@pytest.mark.parametrize("n", [1, 3, 40, 200])
def test_auto_of_fourier_is_a_quarter_of_the_samples(n):
    encoder = FourierEncoder().fit(unit_axis(n))
    asked = max(2, n / 4)
    assert asked - 1e-9 <= len(encoder.frequencies_[0]) + 0.5 < asked + 1


def test_log_frequencies():
    encoder = LogFourierEncoder(6, max_frequency=16, domain=(0, 1)).fit(unit_axis(20))
    np.testing.assert_allclose(encoder.frequencies_[0], [0.5, 1, 2, 4, 8, 16])
    auto = LogFourierEncoder(4).fit(unit_axis(200, endpoint=True))
    np.testing.assert_allclose(auto.frequencies_[0][[0, -1]], [0.5, 25])
    basic = LogFourierEncoder(1).fit(unit_axis(200, endpoint=True))
    np.testing.assert_allclose(basic.frequencies_[0], [0.5])


@pytest.mark.parametrize("sampling", ["qmc", "iid"])
def test_random_frequencies_have_their_law(sampling):
    encoder = RandomFourierEncoder(
        4096, bandwidth=[0.1, 3.0], sampling=sampling, random_state=0, domain=(0, 1)
    ).fit(grid(5))
    expected = 1 / (2 * math.sqrt(2) * math.pi * np.array([0.1, 3.0]))
    np.testing.assert_allclose(encoder.frequency_std_, expected)
    tolerance = 0.01 if sampling == "qmc" else 0.06
    standard = encoder.frequencies_ / expected
    np.testing.assert_allclose(standard.std(axis=0), 1, atol=tolerance)
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=tolerance)
    assert abs(np.corrcoef(standard.T)[0, 1]) < tolerance


def test_random_fourier_and_gaussian_of_one_bandwidth_have_one_similarity():
    X = unit_axis(60)
    gaussian = ShiftedBasisEncoder(bandwidth=0.07).fit(X).similarity(X)
    random = RandomFourierEncoder(2048, bandwidth=0.07, random_state=0).fit(X).similarity(X)
    np.testing.assert_allclose(random, gaussian, atol=0.01)


@pytest.mark.parametrize("n_frequencies", [1, 2, 3, 63, 64, 65])
@pytest.mark.parametrize("n_axes", [1, 2, 5])
def test_any_number_of_frequencies(n_frequencies, n_axes):
    X = np.random.default_rng(0).uniform(size=(30, n_axes))
    encoder = RandomFourierEncoder(n_frequencies, stable_rank=1, random_state=0).fit(X)
    assert encoder.frequencies_.shape == (n_frequencies, n_axes)
    assert np.isfinite(encoder.frequencies_).all()
    assert encoder.transform(X).shape == (30, 2 * n_frequencies)


def test_random_state_decides():
    X = grid(6)
    first, same, other = (
        RandomFourierEncoder(32, random_state=seed).fit_transform(X) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


def test_fourier_with_its_constant_has_the_stable_rank_of_one_axis():
    encoder = FourierEncoder(n_frequencies=5, domain=(0, 1), boundary="periodic")
    assert dense_stable_rank(encoder.fit_transform(grid(32))) == pytest.approx(11, rel=1e-6)
    interval = FourierEncoder(n_frequencies=8, domain=(0, 1))
    assert dense_stable_rank(interval.fit_transform(grid(40))) == pytest.approx(8.5, rel=0.02)


def test_joint_random_fourier_has_the_product():
    encoder = RandomFourierEncoder(2048, stable_rank=4, domain=(0, 1), random_state=0)
    E = encoder.fit_transform(grid(24))
    # the ends of a finite domain add about 5 % on each axis
    assert dense_stable_rank(E) == pytest.approx(np.prod(encoder.stable_rank_), rel=0.02)
    assert dense_stable_rank(E) == pytest.approx(16, rel=0.15)


@pytest.mark.parametrize("encoder", [FourierEncoder(), LogFourierEncoder(), RandomFourierEncoder()])
@pytest.mark.parametrize("n", [1, 2, 3, 17, 300, 3000])
@pytest.mark.parametrize("n_axes", [1, 2])
def test_defaults_do_not_warn(encoder, n, n_axes):
    X = np.random.default_rng(n).uniform(size=(n, n_axes))
    for seed in range(3 if isinstance(encoder, RandomFourierEncoder) else 1):
        if isinstance(encoder, RandomFourierEncoder):
            encoder.set_params(random_state=seed)
        encoder.fit(X)


def test_independent_frequencies_warn():
    with pytest.warns(UserWarning, match=r"axis 0.*32.*n_frequencies.*stable_rank.*qmc"):
        RandomFourierEncoder(128, stable_rank=32, sampling="iid", random_state=0).fit(
            unit_axis(200)
        )


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        (FourierEncoder(3, stable_rank=4), ValueError, "n_frequencies.*stable_rank"),
        (FourierEncoder(3, max_frequency=4), ValueError, "n_frequencies.*max_frequency"),
        (FourierEncoder(stable_rank=3, max_frequency=4), ValueError, "stable_rank.*max_frequency"),
        (FourierEncoder(max_frequency=1e-9), ValueError, "max_frequency"),
        (LogFourierEncoder(max_frequency=None), TypeError, 'a number or "auto". Got None'),
        (LogFourierEncoder(max_frequency=-1), ValueError, 'greater than 0 or "auto". Got -1'),
        (FourierEncoder(max_frequency=1e300), ValueError, "max_frequency"),
        (FourierEncoder(stable_rank=1e12), ValueError, "stable_rank"),
        (FourierEncoder(stable_rank=1e300), ValueError, "stable_rank"),
        (FourierEncoder(10**15), ValueError, "frequenc"),
        (FourierEncoder(stable_rank=0.9), ValueError, "stable_rank must be at least 1"),
        (FourierEncoder(boundary="periodic"), ValueError, "periodic.*domain"),
        (FourierEncoder(boundary="cut"), ValueError, "boundary"),
        (LogFourierEncoder(max_frequency=1e-9), ValueError, "max_frequency"),
        (LogFourierEncoder(10**15), ValueError, "n_frequencies"),
        (LogFourierEncoder("auto"), (TypeError, ValueError), "n_frequencies"),
        (RandomFourierEncoder(stable_rank=4, bandwidth=0.1), ValueError, "stable_rank.*bandwidth"),
        (RandomFourierEncoder(10**15), ValueError, "n_frequencies"),
        (RandomFourierEncoder([3, 3]), TypeError, "n_frequencies"),
        (RandomFourierEncoder("auto"), TypeError, "n_frequencies"),
        (RandomFourierEncoder(sampling="sobol"), ValueError, "sampling"),
        (RandomFourierEncoder(sampling=None), TypeError, "sampling"),
        (RandomFourierEncoder(random_state="x"), TypeError, "random_state must be"),
    ],
    ids=str,
)
def test_bad_settings(encoder, error, message):
    with pytest.raises(error, match=message):
        encoder.fit(grid(5))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FourierEncoder, "n_frequencies"),
        (FourierEncoder, "stable_rank"),
        (FourierEncoder, "max_frequency"),
        (LogFourierEncoder, "n_frequencies"),
        (LogFourierEncoder, "max_frequency"),
        (RandomFourierEncoder, "n_frequencies"),
        (RandomFourierEncoder, "stable_rank"),
        (RandomFourierEncoder, "bandwidth"),
    ],
)
@pytest.mark.parametrize(
    "value", [0, -1, np.nan, np.inf, "wide", True, 1j, [1, 2, 3], {"x": 1}, [[1, 2]]], ids=str
)
def test_bad_values(kind, name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        kind(**{name: value}).fit(grid(5))


@parametrize_with_checks(
    [
        FourierEncoder(7, boundary="periodic", domain=(-20, 20)),
        FourierEncoder(stable_rank=5),
        LogFourierEncoder(3, max_frequency=50),
        RandomFourierEncoder(16, stable_rank=2),
        RandomFourierEncoder(64, bandwidth=5.0, sampling="iid", domain=(-20, 20)),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("boundary", ["extend", "periodic"])
@pytest.mark.parametrize("n_frequencies", [1, 7, 200])
def test_similarity_of_near_places(boundary, n_frequencies):
    encoder = FourierEncoder(n_frequencies=n_frequencies, boundary=boundary, domain=(0.0, 1.0))
    angular = 2 * np.pi * encoder.fit([[0.0], [1.0]]).frequencies_[0]
    lags = np.r_[0, np.logspace(-9, -1, 200)]
    # less than 1 by 1e-16 to 1: halved angles keep the digits
    squares = np.sin(np.outer(lags, angular) / 2) ** 2
    expected = 2 * squares.sum(axis=1) / (n_frequencies + 0.5)
    lost = 1 - encoder.similarity(np.zeros((1, 1)), lags[:, None])[0]
    np.testing.assert_allclose(lost, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    "encoder",
    [
        FourierEncoder(5),
        LogFourierEncoder(4, max_frequency=6),
        RandomFourierEncoder(8, bandwidth=1),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_frequencies_that_training_has_moved(encoder, rng):
    X = rng.uniform(-3, 4, (20, 2))
    X[:2] = [[-3, -3], [4, 4]]
    encoder = clone(encoder).fit(X)
    module = EncoderModule(encoder, trainable=True)
    steps = []
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.as_tensor(rng.uniform(-0.5, 0.5, parameter.shape))
            steps.append(parameter.double().numpy())
    moved = module.fitted_encoder()
    steps = steps[0] if len(steps) == 1 else steps
    for now, before, step in zip(moved.frequencies_, encoder.frequencies_, steps, strict=True):
        np.testing.assert_allclose(now, before + step / 7, rtol=1e-12)  # in turns over the domain
    if isinstance(encoder, FourierEncoder):
        fastest = [np.abs(each).max() for each in moved.frequencies_]
        np.testing.assert_allclose(moved.bandwidth_, np.divide(0.5, fastest))
    E = moved.transform(X)
    np.testing.assert_allclose(np.sum(E**2, axis=1), 1)
    np.testing.assert_allclose(moved.similarity(X), E @ E.T, atol=1e-12)
