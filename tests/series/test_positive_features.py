"""Positive random features: their mean, their variance, and directions that favour none."""

import numpy as np
import pytest
from scipy import stats

from sk_posenc import PositiveRandomFeatures

PAIR = np.array([[0.6, 0.3, 0.0], [0.2, -0.4, 0.5]])


def products(n_components, seed=0, **settings):
    """phi_r(x) phi_r(y) m for each direction."""
    encoder = PositiveRandomFeatures(n_components, random_state=seed, **settings)
    x, y = encoder.fit_transform(PAIR)
    return x * y * n_components


def test_features_are_their_formula():
    X = np.random.default_rng(0).normal(size=(4, 3))
    encoder = PositiveRandomFeatures(7, random_state=0).fit(X)
    expected = [[np.exp(w @ x - x @ x / 2) / np.sqrt(7) for w in encoder.directions_] for x in X]
    np.testing.assert_allclose(encoder.transform(X), expected, rtol=1e-13)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_mean_is_the_kernel(orthogonal):
    found = products(300_000, orthogonal=orthogonal)
    error = 4 * found.std() / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(np.exp(PAIR[0] @ PAIR[1]), abs=error)
    assert error < 0.02


def test_variance_is_as_stated():
    x, y = PAIR
    expected = (np.exp((x + y) @ (x + y)) - 1) * np.exp(2 * x @ y)
    assert np.var(products(1_000_000, orthogonal=False)) == pytest.approx(expected, rel=0.05)


def test_orthogonal_directions_have_less_variance():
    between = {}
    for each in (True, False):
        blocks = products(90_000, orthogonal=each).reshape(-1, 3)
        between[each] = np.cov(blocks.T)[np.triu_indices(3, 1)].mean()
    assert between[True] < -0.03  # where one is high, others are low
    assert between[False] == pytest.approx(0, abs=0.02)


def test_blocks_are_orthogonal_and_as_long_as_normal_vectors():
    W = PositiveRandomFeatures(8, random_state=1).fit(PAIR).directions_
    for start, stop in ((0, 3), (3, 6), (6, 8)):
        block = W[start:stop]
        np.testing.assert_allclose(block @ block.T, np.diag(np.sum(block**2, 1)), atol=1e-14)
    W = PositiveRandomFeatures(30_000, random_state=2).fit(PAIR).directions_
    assert stats.kstest(np.sum(W**2, axis=1), stats.chi2(3).cdf).pvalue > 1e-3


def test_no_direction_is_favoured():
    # with the signs of LAPACK the diagonal of Q would be mostly negative
    W = PositiveRandomFeatures(30_000, random_state=3).fit(PAIR).directions_
    for row in range(3):
        for column in range(3):
            assert stats.kstest(W[row::3, column], stats.norm.cdf).pvalue > 1e-4


def test_precision_is_that_of_the_rows():
    encoder = PositiveRandomFeatures(4, random_state=0).fit(PAIR)
    single = encoder.transform(PAIR.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, encoder.transform(PAIR), rtol=1e-6)
    assert encoder.get_feature_names_out()[0] == "positiverandomfeatures0"


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"n_components": 0}, ValueError, "n_components must be at least 1"),
        ({"n_components": 2.0}, TypeError, "n_components must be a whole number"),
        ({"n_components": 10**14}, ValueError, "too large.*lower n_components"),
        ({"orthogonal": "yes"}, TypeError, "orthogonal must be True or False"),
    ],
)
def test_bad_settings_change_nothing(settings, error, match):
    encoder = PositiveRandomFeatures(4, random_state=0).fit(PAIR)
    before = encoder.directions_
    with pytest.raises(error, match=match):
        encoder.set_params(**settings).fit(PAIR)
    assert encoder.directions_ is before


def test_features_beyond_all_floats_are_refused():
    encoder = PositiveRandomFeatures(50, random_state=0).fit(np.ones((1, 400)))
    along = encoder.directions_[:1]
    assert np.isfinite(encoder.transform(along)).all()
    with pytest.raises(ValueError, match=r"scale rows to a length of about 1. Got a feature of"):
        encoder.transform(along.astype(np.float32))
