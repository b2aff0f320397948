"""Standard deviations and noise of Kronecker ridges, on every layout, against dense ridge."""

import itertools
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from test_examples import load
from test_kronecker import DenseRidge, close, make_grid, noise_of

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder
from sk_posenc.core.limits import limits
from sk_posenc.kronecker import _perturbed
from sk_posenc.kronecker._perturbed import PosteriorByDraws
from sk_posenc.kronecker._posterior import PosteriorByProducts, PosteriorBySamples

BSPLINE = ShiftedBasisEncoder("bspline", n_shifts=7, stable_rank=3, domain=(-1.0, 2.0))
EXACT = {"tol": 1e-12, "max_iter": 20_000}

# Sizes at which each way is taken: 60 samples, and 81 products of features.
WAYS = {
    PosteriorByProducts: {"exact_up_to": 5, "direct_up_to": 100},
    PosteriorBySamples: {"exact_up_to": 5, "direct_up_to": 80},
    PosteriorByDraws: {"exact_up_to": 5, "direct_up_to": 5, "dual_up_to": 5},
}


def samples_of(kind, n=60):
    rng = np.random.default_rng(3)
    if kind == "scattered":
        X, weights = rng.uniform(-1, 2, (n, 2)), None
    elif kind == "repeats":
        X, weights = np.repeat(rng.uniform(-1, 2, (n, 2)), 2, axis=0), None
    else:
        X, _ = make_grid((8, 8))
        X = X if kind == "grid" else X[4:]
        weights = rng.uniform(0.3, 3, len(X)) if kind == "weights" else None
    y = np.sin(3 * X[:, 0]) * np.cos(2 * X[:, 1])
    y = y[:, None] * [1.0, 3.0] + 0.2 * rng.standard_normal((len(X), 2))
    return X, y, weights


def points_of(kind):
    if kind == "grid":
        axes = np.linspace(-1, 2, 9), np.linspace(-0.5, 1.5, 7)
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.random.default_rng(7).uniform(-1, 2, (300, 2))


def dense_deviations(dense, points, noise):
    own = dense.features(points)
    inverse = np.linalg.inv(dense.gram + dense.strength * dense.prior())
    return np.sqrt(np.einsum("ij,jk,ik->i", own, inverse, own)[:, None] * noise)


@pytest.mark.parametrize("points", ["grid", "anywhere"])
@pytest.mark.parametrize("kind", ["grid", "holes", "weights", "scattered"])
@pytest.mark.parametrize("way", WAYS)
def test_every_layout_that_iterates(way, kind, points):
    X, y, weights = samples_of(kind)
    with limits(**WAYS[way]):
        model = KroneckerRidge(BSPLINE, alpha=1e-2, penalty=2.0, **EXACT).fit(X, y, weights)
        assert model._problem.solver.iterates
        _, std = model.predict(points_of(points), return_std=True)
    assert type(model._fits[0][1].posterior) is way
    dense = DenseRidge(model, 2.0)
    noise = noise_of(dense, X, y, weights)
    dense.fit(X, y, weights)
    expected = dense_deviations(dense, points_of(points), noise)
    if way is PosteriorByDraws:
        assert model.noise_variance_ == pytest.approx(noise, rel=0.15)
        assert np.sqrt(np.mean((std / expected - 1) ** 2)) < 0.15
    else:
        close(model.noise_variance_, noise, 1e-8)
        close(std, expected, 1e-7)


@pytest.mark.parametrize("penalty", ["ridge", "curvature"])
def test_penalties_that_are_products(penalty):
    X, y, weights = samples_of("weights")
    with limits(direct_up_to=59):
        model = KroneckerRidge(BSPLINE, alpha=1e-2, penalty=penalty, **EXACT).fit(X, y, weights)
        _, std = model.predict(points_of("anywhere"), return_std=True)
    dense = DenseRidge(model, penalty).fit(X, y, weights)
    assert type(model._fits[0][1].posterior) is PosteriorByDraws
    expected = dense_deviations(dense, points_of("anywhere"), model.noise_variance_)
    assert np.sqrt(np.mean((std / expected - 1) ** 2)) < 0.15


def test_samples_at_one_place_tell_of_their_noise():
    X, y, _ = samples_of("repeats")
    direct = KroneckerRidge(BSPLINE, alpha=1e-2, penalty=2.0).fit(X, y)
    close(direct.noise_variance_, noise_of(DenseRidge(direct, 2.0), X, y), 1e-8)
    with limits(**WAYS[PosteriorByProducts]):
        model = clone(direct).set_params(**EXACT).fit(X, y)
        close(model.noise_variance_, direct.noise_variance_, 1e-8)
        for one, two in zip(
            model.predict(X, return_std=True), direct.predict(X, return_std=True), strict=True
        ):
            close(one, two, 1e-7)


def test_derivatives_that_are_drawn():
    X, y, _ = samples_of("scattered")
    direct = KroneckerRidge(BSPLINE, alpha=1e-2, penalty=2.0).fit(X, y)
    points, slope = points_of("anywhere"), {"derivative": (1, 0), "return_std": True}
    _, expected = direct.predict(points, **slope)
    for way, sizes in WAYS.items():
        with limits(**sizes):
            _, std = clone(direct).fit(X, y).predict(points, **slope)
        error = np.sqrt(np.mean((std / expected - 1) ** 2))
        assert error < (0.15 if way is PosteriorByDraws else 0.01)


@pytest.mark.parametrize("basis", ["bspline", "gaussian"])
def test_draws_at_points_go_by_what_is_not_zero(basis):
    rng = np.random.default_rng(0)
    encoder = ShiftedBasisEncoder(basis, n_shifts=30, stable_rank=12, domain=(0.0, 1.0))
    features = [encoder.fit_transform(rng.uniform(-0.1, 1.1, (50, 1))) for _ in range(2)]
    features[0][3] = 0.0
    drawn = rng.standard_normal((5, *(each.shape[1] for each in features)))
    expected = np.einsum("kab,ia,ib->ik", drawn, *features)
    close(_perturbed._values(drawn, features), expected)


def test_blocks_have_the_deviations_of_a_fit():
    X, y, _ = samples_of("scattered")
    weights = np.random.default_rng(1).uniform(0.5, 4, len(X))
    wider = clone(BSPLINE).set_params(n_shifts=14, stable_rank=6)  # some combinations are nothing
    for encoder, penalty in ((wider, 2.0), (BSPLINE, 2.0), (BSPLINE, "slope")):
        whole = KroneckerRidge(encoder, alpha=1e-2, penalty=penalty, **EXACT).fit(X, y, weights)
        blocks, other = clone(whole), clone(whole).partial_fit(X[40:], y[40:], weights[40:])
        blocks.partial_fit(X[:20], y[:20], weights[:20])
        blocks.partial_fit(X[20:40], y[20:40], weights[20:40]).merge(other)
        assert blocks.layout_ == "normal"
        close(blocks.noise_variance_, whole.noise_variance_, 1e-8)
        again = pickle.loads(pickle.dumps(blocks))
        for one, two in zip(
            again.predict(X, return_std=True), whole.predict(X, return_std=True), strict=True
        ):
            close(one, two, 1e-7)
    with limits(dual_up_to=80), pytest.raises(ValueError, match=r"at most 80: .* Got 81 products"):
        clone(whole).partial_fit(X, y).predict(X, return_std=True)


def test_noise_that_weights_tell():
    """Samples of weight w have a w-th of the noise of others."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 1_600)[:, None]
    weights = np.where(x[:, 0] < 0.5, 8.0, 0.5)
    noise = 0.2 / np.sqrt(weights)
    y = np.sin(6 * x[:, 0]) + noise * rng.standard_normal(len(x))
    encoder = ShiftedBasisEncoder("bspline", n_shifts=40, stable_rank=15)
    model = KroneckerRidge(encoder, alpha=1e-3).fit(x, y, weights)
    assert model.noise_variance_ == pytest.approx(0.2**2 / weights.mean(), rel=0.1)
    _, std = model.predict([[0.25], [0.75]], return_std=True)
    assert std[1] / std[0] == pytest.approx(4, rel=0.2)


def test_a_new_sample_has_noise_too():
    X, y, _ = samples_of("scattered")
    model = KroneckerRidge(BSPLINE, alpha=1e-2, penalty=2.0).fit(X, y)
    values, std = model.predict(X, return_std=True)
    same, observed = model.predict(X, return_std="observation")
    assert np.array_equal(values, same)
    close(observed**2, std**2 + model.noise_variance_)
    with pytest.raises(ValueError, match=r"derivative has none.*Got derivative=\(1, 0\)"):
        model.predict(X, derivative=(1, 0), return_std="observation")
    with pytest.raises(ValueError, match="which adds the noise of a sample"):
        model.predict(X, return_std="a")
    for wrong in (1, None, 0.5):
        with pytest.raises(TypeError, match='True, False or "observation"'):
            model.predict(X, return_std=wrong)


@pytest.mark.filterwarnings("ignore:the regularised system has condition number")
def test_no_alpha():
    X, y, _ = samples_of("scattered")
    encoder = ShiftedBasisEncoder("triangle", n_shifts=3, domain=(-1, 2))
    few = KroneckerRidge(encoder, penalty="ridge", alpha=0).fit(X, y)
    A = DenseRidge(few).features(X)
    # the mean is that of the targets, and its own function of the samples
    left = y - few.predict(X)
    hat = A @ np.linalg.pinv(A)
    one = np.full((len(X), len(X)), 1 / len(X))
    freedom = np.trace(np.eye(len(X)) - one - hat @ (np.eye(len(X)) - one))
    close(few.noise_variance_, np.sum(left**2, axis=0) / freedom, 1e-6)
    encoder = ShiftedBasisEncoder("triangle", n_shifts=8, domain=(-1, 2))
    through = KroneckerRidge(encoder, penalty="ridge", alpha=0).fit(*make_grid((8, 8)))
    assert not hasattr(through, "noise_variance_")
    with pytest.raises(AttributeError, match=r"passes through all samples.*Got alpha=0\."):
        through.noise_variance_  # noqa: B018
    for model in (few, through):
        with pytest.raises(ValueError, match="need alpha > 0"):
            model.predict(X, return_std=True)


def test_far_from_samples_as_wide_as_the_signal():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 1, 150), rng.uniform(4, 5, 150)])
    y = np.sin(9 * x) + 0.1 * rng.standard_normal(len(x))
    model = KroneckerRidgeCV().fit(x[:, None], y)
    assert model.spacing_ > 0  # a map that follows the samples takes the gap for a short one
    _, std = model.predict([[0.9], [1.3], [2.5], [3.7], [4.1]], return_std=True)
    assert max(std[0], std[-1]) < 0.1
    assert np.all(np.abs(np.log2(std[1:-1] / np.std(y))) < 1)
    X = rng.uniform(size=(2_200, 2))
    X = X[np.hypot(*(X - 0.5).T) > 0.3]
    signal = np.sin(12 * X[:, 0]) * np.cos(11 * X[:, 1])
    drawn = KroneckerRidge(alpha=0.03).fit(X, signal + 0.1 * rng.standard_normal(len(X)))
    _, std = drawn.predict([[0.1, 0.9], [0.25, 0.5], [0.5, 0.5]], return_std=True)
    assert std[0] < std[1] < std[2]
    assert 0.4 * np.std(signal) < std[2] < 4 * np.std(signal)


def edge(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 2))
    return X, (X.sum(axis=1) > 1) + 0.02 * rng.standard_normal(n)


def test_adaptive_has_those_of_the_best_linear_candidate():
    X, y = edge(400)
    search = KroneckerRidgeCV(penalties=[1.5, 2.0, "adaptive"], alphas=[0.1, 0.2]).fit(X, y)
    assert search.penalty_ == "adaptive"
    results = search.cv_results_
    scores = np.where(results["param_penalty"] == "adaptive", -np.inf, results["mean_test_score"])
    best = results["params"][int(np.argmax(scores))]
    linear = KroneckerRidgeCV(
        ShiftedBasisEncoder("bspline"), penalties=[best["penalty"]], alphas=[best["alpha"]]
    ).fit(X, y)
    values, std = search.predict(X, return_std=True)
    close(std, linear.predict(X, return_std=True)[1], 1e-6)
    close(search.noise_variance_, linear.noise_variance_, 1e-6)
    assert np.array_equal(values, search.predict(X))
    alone = KroneckerRidgeCV(penalties="adaptive", alphas=[0.5]).fit(X, y)
    for model in (alone, KroneckerRidge(penalty="adaptive").fit(X, y)):
        with pytest.raises(ValueError, match=r"penalties=\[1.5, 2.0\]"):
            model.predict(X, return_std=True)
        with pytest.raises(AttributeError, match="not linear"):
            model.noise_variance_  # noqa: B018
    blocks = KroneckerRidge(clone(BSPLINE).set_params(domain=(0, 1)), penalty="adaptive")
    with pytest.raises(ValueError, match="not linear"):
        blocks.partial_fit(X, y).predict(X, return_std=True)


def test_what_is_too_large_or_too_steep(monkeypatch):
    X, y, _ = samples_of("scattered")
    model = KroneckerRidge(BSPLINE, alpha=1e-2, penalty=2.0)
    with limits(**WAYS[PosteriorByDraws]):
        model.fit(X, y)
        monkeypatch.setattr(_perturbed, "_MOST_STEPS", 1)
        with pytest.warns(ConvergenceWarning, match="not exact to 15 %"):
            model.predict(X, return_std=True)
        monkeypatch.setattr(_perturbed, "N_DRAWS", 10**12)
        with pytest.raises(ValueError, match=r"too large: .* return_std=False"):
            model.fit(X, y).predict(X, return_std=True)
    with pytest.raises(ValueError, match="singular up to rounding: raise alpha"):
        PosteriorByProducts(np.ones((4, 4)), np.ones(4), 4, 4.0, np.zeros((2, 2)), [])


@pytest.mark.slow  # test_scales.py and those of a dense oracle are quick
@pytest.mark.parametrize("signal", ["waves", "bump", "kink", "chirp", "cliff"])
def test_intervals_hold_the_truth(signal):
    """95 % intervals, mean over 50 seeds, on each layout."""
    script = load("benchmark_coverage")
    for case in itertools.chain(*script.CASES.values()):
        found = [script.coverage(case, script.SIGNALS[signal], seed) for seed in range(50)]
        if script.is_too_fine(case, signal):
            assert np.mean(found) < 0.9
        else:
            assert 0.90 <= np.mean(found) <= 0.98, case
