"""Kernels on some of the samples, against the kernel of all of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder, grid_samples
from sk_posenc.core.limits import limits

KERNELS = [("similarity", "gaussian", 3.0, 1e-2), ("radial", "matern72", 4.0, 0.3)]


def samples(n=400, weighted=False, layout="scattered"):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(n, 2))
    if layout == "twice":
        X[n // 2 :] = X[: n // 2]
    if layout == "clusters":
        X = np.repeat(rng.uniform(size=(5, 2)), n // 5, axis=0) + 0.01 * rng.uniform(size=(n, 2))
    if layout == "holes":
        X = grid_samples(np.zeros((25, 20)))[0]
        X = X[rng.permutation(len(X))[:n]]
    shares = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    y = np.column_stack([np.sin(5 * shares[:, 0]) + shares[:, 1], shares[:, 0] * shares[:, 1]])
    y = y + 0.1 * rng.standard_normal(y.shape)
    return X, y, rng.choice([0.5, 2.0], size=len(X)) if weighted else None


def both(penalty, basis, rank, alpha, X, y, weights=None):
    """By the kernel of all samples, and by centres."""
    encoder = ShiftedBasisEncoder(basis, stable_rank=rank)
    ridge = KroneckerRidge(encoder, penalty=penalty, alpha=alpha)
    whole = ridge.fit(X, y, weights)
    with limits(dual_up_to=20):
        some = KroneckerRidge(encoder, penalty=penalty, alpha=alpha).fit(X, y, weights)
    assert (whole.layout_, some.layout_) == ("dual", "centres")
    return whole, some


@pytest.mark.parametrize("kernel", KERNELS, ids=["similarity", "radial"])
@pytest.mark.parametrize("layout", ["scattered", "twice", "clusters", "holes"])
@pytest.mark.parametrize("weighted", [False, True])
def test_values_and_deviations_are_those_of_all_samples(kernel, layout, weighted):
    X, y, weights = samples(weighted=weighted, layout=layout)
    whole, some = both(*kernel, X, y, weights)
    Z = X.min(axis=0) + np.ptp(X, axis=0) * np.random.default_rng(1).uniform(-0.3, 1.3, (200, 2))
    (values, std), (ours, own) = (each.predict(Z, return_std=True) for each in (whole, some))
    assert np.sqrt(np.mean(((ours - values) / std) ** 2)) < 0.05
    assert_allclose(own, std, rtol=0.2)
    assert np.sqrt(np.mean((own / std - 1) ** 2)) < 0.03
    assert_allclose(some.noise_variance_, whole.noise_variance_, rtol=0.01)
    assert some.dual_coefficients_.shape[1] < len(X)


def test_with_all_samples_for_centres_it_is_the_same():
    X, y, weights = samples(60, weighted=True)
    whole, some = both("radial", "matern12", 30.0, 0.1, X, y, weights)
    assert some.dual_coefficients_.shape[1] == 60
    assert_allclose(some.predict(X), whole.predict(X), atol=1e-10)
    assert_allclose(some.noise_variance_, whole.noise_variance_, rtol=1e-10)


def test_derivatives():
    X, y, _ = samples()
    whole, some = both("similarity", "gaussian", 3.0, 1e-2, X, y)
    expected = whole.predict(X, derivative=(1, 0))
    assert_allclose(some.predict(X, derivative=(1, 0)), expected, atol=0.03 * np.ptp(expected))


def test_isolated_places_are_centres():
    """Ten places far from a thousand: what these leave of the others is drawn soon."""
    rng = np.random.default_rng(0)
    crowd, others = rng.uniform(size=(1_000, 2)) * 0.1, rng.uniform(0.3, 1, size=(10, 2))
    X = np.r_[crowd, others]
    y = np.r_[np.zeros(1_000), np.arange(10.0)]
    encoder = ShiftedBasisEncoder("matern72", stable_rank=20)
    with limits(dual_up_to=100):
        model = KroneckerRidge(encoder, penalty="similarity", alpha=1e-4).fit(X, y)
    assert_allclose(model.predict(others), np.arange(10.0), atol=0.05)


def test_blocks_of_samples_have_the_same_solution(rng):
    X, y, _ = samples()
    encoder = ShiftedBasisEncoder("gaussian", stable_rank=3)
    with limits(dual_up_to=100):
        one = KroneckerRidge(encoder, penalty="similarity", alpha=1e-2).fit(X, y)
        with limits(block_bytes=8 * 2_000, centre_numbers=200 * 400):
            # centres are drawn from fewer places
            two = KroneckerRidge(encoder, penalty="similarity", alpha=1e-2).fit(X, y)
            assert two.dual_coefficients_.shape[1] < 200
            assert_allclose(two.predict(X), one.predict(X), atol=0.03)
            assert_allclose(two.noise_variance_, one.noise_variance_, rtol=0.01)


def test_too_few_centres_are_told():
    X, y, _ = samples()
    encoder = ShiftedBasisEncoder("matern32", stable_rank=15)
    with limits(dual_up_to=100, centres_up_to=30):
        ridge = KroneckerRidge(encoder, penalty="similarity", alpha=1e-3)
        with pytest.warns(UserWarning, match=r"30 of 400 samples .* Raise alpha \(now 0.001\)"):
            ridge.fit(X, y)


def test_a_search_holds_cells_out():
    X, y, _ = samples()
    encoders = [ShiftedBasisEncoder("gaussian", stable_rank=rank) for rank in (3, 30)]
    search = KroneckerRidgeCV(encoders, penalties="similarity", alphas=[1e-2, 1.0])
    with limits(dual_up_to=100):
        search.fit(X, y)
    assert search.layout_ == "centres"
    assert search.encoders_[0].stable_rank == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
