"""What KroneckerRidgeCV learns hangs on no unit, no order, and not on how often rows are given."""

import numpy as np
import pytest
from test_learnt_search import BETWEEN, PARTS, assert_same_choice, encoders_of, fitted, noisy

from sk_posenc import KroneckerRidgeCV
from sk_posenc.core.limits import limits


@pytest.mark.parametrize("n_axes", [1, 2])
def test_each_sample_twice_is_their_mean(n_axes, rng):
    X, first = noisy(200, n_axes, 0.2)
    second = first + 0.2 * rng.standard_normal(200)
    twice = fitted(np.r_[X, X], np.r_[first, second])
    once = fitted(X, (first + second) / 2)
    assert_same_choice(twice, once)
    np.testing.assert_allclose(twice.predict(X), once.predict(X), atol=1e-9)


def test_weights_are_repeats():
    X, y = noisy()
    weights = np.where(np.arange(60) % 3, 1.0, 2.0)
    weighted, repeated = fitted(X, y, weights), fitted(np.r_[X, X[::3]], np.r_[y, y[::3]])
    assert_same_choice(weighted, repeated)
    np.testing.assert_allclose(weighted.predict(BETWEEN), repeated.predict(BETWEEN), atol=1e-9)


def test_equal_weights_are_none():
    X, y = noisy()
    weighted, plain = fitted(X, y, np.full(60, 3.0)), fitted(X, y)
    assert_same_choice(weighted, plain)
    np.testing.assert_allclose(weighted.predict(BETWEEN), plain.predict(BETWEEN), atol=1e-9)


@pytest.mark.parametrize("settings", [{}, {"penalties": [2.0]}, {"cv": 2, "penalties": [2.0]}])
def test_scores_that_no_float_holds_are_refused(settings):
    X = np.random.default_rng(0).uniform(size=(30, 2))
    y = np.sin(5 * X[:, 0])
    with pytest.raises(ValueError, match=r"y must vary by less than .* scale y"):
        KroneckerRidgeCV(**settings).fit(X, 1e200 * y)
    model = KroneckerRidgeCV(**settings).fit(X, 1e150 * y)
    assert np.isfinite(model.cv_results_["mean_test_score"][model.best_index_])


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e-200, 0.0), (1e30, 3e30), (-1.0, 5.0), (1.0, 1e3)]
)
def test_the_unit_of_targets_does_not_matter(factor, offset):
    X, y = noisy()
    one, two = fitted(X, y), fitted(X, factor * y + offset)
    assert_same_choice(one, two)
    np.testing.assert_allclose(
        (two.predict(BETWEEN) - offset) / factor, one.predict(BETWEEN), atol=1e-8
    )


@pytest.mark.parametrize(
    ("factor", "offset"),
    [([1e6, 1], [5e6, 0]), ([1e-9, 1e-9], [0, 1e-9]), ([3, -1], [0, 7]), ([1, 1], [99, -99])],
)
def test_units_of_coordinates_do_not_matter(factor, offset):
    X, y = noisy()
    one, two = fitted(X, y), fitted(X * factor + offset, y)
    assert (one.alpha_, one.penalty_, one.spacing_) == (two.alpha_, two.penalty_, two.spacing_)
    assert one.best_index_ == two.best_index_
    moved = BETWEEN * factor + offset
    np.testing.assert_allclose(two.predict(moved), one.predict(BETWEEN), atol=1e-7)


def test_single_precision():
    X, y = noisy()
    one, two = fitted(X, y), fitted(X.astype(np.float32), y.astype(np.float32))
    predicted = two.predict(BETWEEN.astype(np.float32))
    assert np.max(np.abs(predicted - one.predict(BETWEEN))) < 1e-3 * np.std(y)


def test_the_order_of_axes_does_not_matter():
    X, y = noisy()
    one, two = fitted(X, y), fitted(X[:, ::-1], y)
    assert encoders_of(one) == encoders_of(two)[::-1]
    assert one.alpha_ == two.alpha_
    np.testing.assert_allclose(two.predict(BETWEEN[:, ::-1]), one.predict(BETWEEN), atol=1e-9)


@pytest.mark.parametrize("n", [50, 70, 100])
def test_the_order_of_rows_does_not_matter(n, rng):
    X, y = noisy(n)
    shuffled = rng.permutation(n)
    with limits(**PARTS):
        one, two = fitted(X, y), fitted(X[shuffled], y[shuffled])
    assert_same_choice(one, two)
    np.testing.assert_allclose(two.predict(BETWEEN), one.predict(BETWEEN), atol=1e-9)
    tried = len(one.cv_results_["params"]) // len(set(one.cv_results_["param_alpha"]))
    # beyond, three that parts find, and coarser ones as long as these are better
    assert (tried <= 5) == (n > 60)


@pytest.mark.parametrize("others", ["ten times", "constant", "constant, large"])
def test_outputs_beside(others):
    X, y = noisy()
    beside = {"ten times": 10 * y, "constant": 0 * y + 4, "constant, large": 0 * y + 1e30}[others]
    alone, both = fitted(X, y), fitted(X, np.column_stack([y, beside]))
    assert_same_choice(alone, both)
    predicted = both.predict(BETWEEN)
    np.testing.assert_allclose(predicted[:, 0], alone.predict(BETWEEN), atol=1e-9)
    expected = 10 * predicted[:, 0] if others == "ten times" else np.full(60, beside[0])
    np.testing.assert_allclose(predicted[:, 1], expected, rtol=1e-9)
