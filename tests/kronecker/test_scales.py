"""Noise and signal of fits that were chosen from a list, against dense algebra."""

import numpy as np
import pytest
from test_deviations import BSPLINE, EXACT, WAYS, points_of, samples_of
from test_kronecker import DenseRidge, close

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._noise import learnt_noise
from sk_posenc.kronecker._perturbed import PosteriorByDraws
from sk_posenc.kronecker._predict import variance_at
from sk_posenc.kronecker._samples import Samples


def listed(penalty=2.0, alpha=1e-4, **settings):
    return KroneckerRidgeCV(BSPLINE, penalties=[penalty], alphas=[alpha], **settings)


def dense_scales(dense, X, y, weights, noise):
    """Signals, and the covariance of the error of coefficients for each output."""
    dense.fit(X, y, weights)
    root = np.sqrt(dense.w)
    A = root[:, None] * dense.features(X)
    inverse = np.linalg.inv(dense.gram + dense.strength * dense.prior())
    H = A @ inverse @ A.T
    R = np.eye(len(H)) - H
    left = R @ (root[:, None] * (y - dense.mean))
    of_noise, of_signal = np.trace(H @ R @ R), np.trace(H @ H @ R)
    signal = (np.sum(left * (H @ left), axis=0) / noise - of_noise) / of_signal
    own = np.sum(left**2, axis=0) / np.trace(R)
    signal = np.maximum(signal, 0.25 * own / noise)
    known = inverse @ dense.gram @ inverse
    return [n * (known + s * (inverse - known)) for n, s in zip(noise, signal, strict=True)]


@pytest.mark.parametrize("kind", ["grid", "holes", "weights", "scattered"])
@pytest.mark.parametrize("way", [None, *WAYS])
def test_every_layout(way, kind):
    X, y, weights = samples_of(kind)
    with limits(**(WAYS[way] if way else {})):
        model = listed(**EXACT).fit(X, y, weights)
        stds = [model.predict(points_of(at), return_std=True)[1] for at in ("grid", "anywhere")]
    dense = DenseRidge(model, 2.0, 1e-4)
    covariances = dense_scales(dense, X, y, weights, model.noise_variance_)
    for at, std in zip(("grid", "anywhere"), stds, strict=True):
        own = dense.features(points_of(at))
        expected = np.sqrt([np.einsum("ij,jk,ik->i", own, each, own) for each in covariances]).T
        if way is None or way is not PosteriorByDraws:
            tolerance = 0.03 if way else 5e-6  # traces by signs that are drawn
            assert np.max(np.abs(std / expected - 1)) < tolerance
        else:
            assert np.sqrt(np.mean((std / expected - 1) ** 2)) < 0.15


def of_noise(model, points):
    fit = model._fits[0][1]
    orders = (0,) * points.shape[1]
    return variance_at(points, orders, fit.problem.solver.expansion, fit.posterior.of_noise)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("grid", {}),
        ("scattered", {}),
        ("scattered", {"eigen_up_to": 5}),
        ("weights", {"dual_up_to": 5, "centres_up_to": 70}),
    ],
)
def test_noise_of_kernels(kind, sizes):
    X, y, weights = samples_of(kind)
    encoder = ShiftedBasisEncoder("gaussian", bandwidth=0.5, domain=(-1.0, 2.0))
    with limits(**sizes):
        model = KroneckerRidge(encoder, penalty="similarity", alpha=0.01).fit(X, y, weights)
        found = of_noise(model, points_of("anywhere"))
    # the width of a similarity is that of two bumps
    kernel = lambda A, B: np.exp(-np.sum((A[:, None] - B) ** 2, axis=2) / (4 * 0.5**2))  # noqa: E731
    noise = 0.01 * (np.ones(len(X)) if weights is None else weights.mean() / weights)
    solved = np.linalg.solve(kernel(X, X) + np.diag(noise), kernel(X, points_of("anywhere")))
    close(found, noise / 0.01 @ solved**2, 1e-2 if "dual_up_to" in sizes else 1e-4)


def test_noise_along_a_line():
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 1, 80))[:, None]
    y = np.sin(9 * x[:, 0]) + 0.1 * rng.standard_normal(80)
    encoder = ShiftedBasisEncoder("bspline", n_shifts=25, stable_rank=8, domain=(0.0, 1.0))
    dense = KroneckerRidge(encoder, penalty=2.0, alpha=1e-3).fit(x, y)
    with limits(lines_from=5, smooth_lines_from=5):
        bands = KroneckerRidge(encoder, penalty=2.0, alpha=1e-3).fit(x, y)
        found = of_noise(bands, x)
    close(found, of_noise(dense, x), 1e-3)


@pytest.mark.parametrize("kind", ["few", "many", "repeats", "grid"])
def test_noise_of_samples(kind):
    rng = np.random.default_rng(0)
    n = 300 if kind == "few" else 900
    X = rng.uniform(size=(n, 2))
    if kind == "repeats":
        X = np.repeat(X[:450], 2, axis=0)
    elif kind == "grid":
        X = np.stack(np.meshgrid(*[np.arange(30.0)] * 2), axis=-1).reshape(-1, 2) / 30
    weights = rng.uniform(0.5, 2, n)
    noise = 0.1 * np.sqrt(weights.mean() / weights)[:, None] * rng.standard_normal((n, 2))
    y = np.sin(5 * X[:, [0]]) * [1.0, 20.0] + noise * [1.0, 3.0]
    found = learnt_noise(Samples(X, weights), y)
    assert np.sqrt(found) == pytest.approx([0.1, 0.3], rel=0.15)
    assert np.array_equal(learnt_noise(Samples(X[:2], None), y[:2]), [0.0, 0.0])


def test_a_fit_that_interpolates_knows_the_noise():
    """A chirp on a grid with holes, whose held-out cells ask for the least alpha."""
    rng = np.random.default_rng(0)
    axis = np.linspace(0, 1, 20)
    X = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    X = X[rng.uniform(size=400) < 0.7]

    def signal(X):
        return np.sin(18 * X[:, 0] ** 2) * np.cos(4 * X[:, 1])

    model = KroneckerRidgeCV(penalties=[2.0], alphas=[1e-5])
    model.fit(X, signal(X) + 0.05 * rng.standard_normal(len(X)))
    points = rng.uniform(0.02, 0.98, (400, 2))
    values, std = model.predict(points, return_std=True)
    assert np.sqrt(model.noise_variance_) == pytest.approx(0.05, rel=0.2)
    assert 0.9 <= np.mean(np.abs(values - signal(points)) < 1.96 * std) <= 0.98
    fixed = KroneckerRidge(model.best_encoder_, penalty=2.0, alpha=1e-5)
    fixed.fit(X, signal(X) + 0.05 * rng.standard_normal(len(X)))
    assert np.sqrt(fixed.noise_variance_) < 0.025  # takes alpha at its word


def bursts(waves, n=700):
    """A wave with noise in 25 bursts, each as long as the pause after it."""
    rng = np.random.default_rng(0)
    x = np.sort((rng.integers(25, size=n) + 0.5 * rng.uniform(size=n)) / 25)[:, None]
    y = np.sin(2 * np.pi * waves * x[:, 0]) + 0.2 * rng.standard_normal(n)
    at = rng.uniform(x.min(), x.max(), (1_000, 1))
    return x, y, at, np.sin(2 * np.pi * waves * at[:, 0])


def test_pauses_as_long_as_waves():
    """The best predictions there are near the mean; deviations know that the function is not."""
    x, y, at, truth = bursts(50)
    model = KroneckerRidgeCV().fit(x, y)
    values, std = model.predict(at, return_std=True)
    assert np.mean(np.abs(values - truth) < 1.96 * std) > 0.95
    in_bursts = at[:, 0] * 25 % 1 < 0.5
    assert np.median(std[~in_bursts]) > 0.6  # of a wave 0.7
    assert np.median(std[in_bursts]) < 0.2
    two = KroneckerRidgeCV().fit(x, np.column_stack([y, 1e3 * y]))
    close(two.predict(at, return_std=True)[1], std[:, None] * [1.0, 1e3], 1e-6)


def test_waves_that_parts_take_for_finer_ones():
    x, y, at, truth = bursts(33)
    model = KroneckerRidgeCV().fit(x, y)
    assert model.encoders_[0].stable_rank == 16
    values, std = model.predict(at, return_std=True)
    assert np.sqrt(np.mean((values - truth) ** 2)) < 0.2  # from a quarter of its stable rank 0.43
    assert np.mean(np.abs(values - truth) < 1.96 * std) > 0.9


def test_a_process_that_varies_as_it_says():
    """Scales of a long wave are those of the fit itself."""
    x, y, _, _ = bursts(3)
    model = KroneckerRidgeCV().fit(x, y)
    (_, fit), *_ = model._fits
    values = model.predict(x)
    claimed = model.noise_variance_ / model.alpha_
    close(fit.varies_as_claimed, np.var(values) / claimed, 1e-6)
    assert fit.varies_as_claimed < 1
    _, std = model.predict(x, return_std=True)
    posterior = variance_at(x, (0,), fit.problem.solver.expansion, fit.posterior)
    close(std, np.sqrt(posterior * model.noise_variance_), 1e-10)


def test_where_the_default_takes_adaptive():
    """In three axes, with many samples of an edge: those of the best linear candidate."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(600, 3))
    y = (X.sum(axis=1) > 1.5) + 0.02 * rng.standard_normal(600)
    with limits(learnt_up_to=300, direct_up_to=300, dual_up_to=300):
        model = KroneckerRidgeCV().fit(X, y)
        assert model.penalty_ == "adaptive"
        values, std = model.predict(X[:50], return_std=True)
        candidate, alpha = model._linear
        linear = KroneckerRidgeCV(penalties=[candidate.penalty.exponent], alphas=[alpha])
        close(std, linear.fit(X, y).predict(X[:50], return_std=True)[1], 1e-3)
    assert np.array_equal(values, model.predict(X[:50]))
    close(model.noise_variance_, linear.noise_variance_, 1e-3)
