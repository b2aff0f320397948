"""Warnings of poor fits: of searches that find nothing, at the line of the user."""

import warnings

import numpy as np
import pytest

from sk_posenc import CoordinateKFold, KroneckerRidgeCV, PoorFitWarning, grid_samples
from sk_posenc.core.limits import limits
from sk_posenc.core.poor_fit import poor_fits_untold, warn_of_poor_fit

GRID, _ = grid_samples(np.zeros((16, 16)))
SCATTERED = np.random.default_rng(0).uniform(size=(300, 2))
SEARCHES = {
    "leave-one-out": (GRID, {}, {}),
    "scattered": (SCATTERED, {}, {}),
    "held-out cells": (SCATTERED, {}, {"direct_up_to": 5, "exact_up_to": 5}),
    "folds": (
        SCATTERED,
        {"cv": CoordinateKFold(3), "penalties": [2.0], "alphas": [0.01, 1.0, 100.0]},
        {},
    ),
}


def told(fit):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    return [each for each in caught if each.category is PoorFitWarning]


@pytest.mark.parametrize(
    ("search", "unit"),
    [*((name, 1.0) for name in SEARCHES), ("leave-one-out", 1e150), ("held-out cells", 1e-100)],
)
def test_searches_that_find_noise_warn_and_others_do_not(search, unit):
    X, settings, sizes = SEARCHES[search]
    noise = unit * np.random.default_rng(0).normal(size=len(X))
    signal = unit * np.sin(3 * X[:, 0] / np.ptp(X[:, 0]))
    ones = np.ones(len(X))
    with limits(**sizes):
        for y in (noise, np.column_stack([noise, noise[::-1]])):
            (warning,) = told(lambda y=y: KroneckerRidgeCV(**settings).fit(X, y))
            assert "KroneckerRidgeCV should predict samples that were left out" in str(
                warning.message
            )
            assert warning.filename == __file__
        both = np.column_stack([signal, ones])
        for y in (signal, signal + 0.5 * noise, 7 * ones, 0 * ones, both):
            assert not told(lambda y=y: KroneckerRidgeCV(**settings).fit(X, y))


@pytest.mark.parametrize("search", ["leave-one-out", "folds"])
def test_constant_targets_count_for_nothing(search):
    X, settings, _ = SEARCHES[search]
    noise = np.random.default_rng(1).normal(size=len(X))
    constant = np.ones((len(X), 4))
    assert told(lambda: KroneckerRidgeCV(**settings).fit(X, np.column_stack([noise, constant])))


def test_weights_decide_what_counts():
    X = SCATTERED
    noisy = X[:, 0] > 0.5
    y = np.where(noisy, np.random.default_rng(1).normal(size=len(X)), np.sin(9 * X[:, 1]))
    for kept, n_told in ((noisy, 1), (~noisy, 0)):
        weights = np.where(kept, 1.0, 1e-9)
        assert len(told(lambda w=weights: KroneckerRidgeCV().fit(X, y, sample_weight=w))) == n_told


@pytest.mark.parametrize(("r2", "warns"), [(-3.0, 1), (0.0999, 1), (0.1, 0), (1.0, 0), (np.nan, 0)])
def test_what_is_poor(r2, warns):
    assert len(told(lambda: warn_of_poor_fit(r2, "a model"))) == warns
    with poor_fits_untold():
        assert not told(lambda: warn_of_poor_fit(r2, "a model"))


def test_the_message_has_numbers_and_what_to_do():
    with pytest.warns(PoorFitWarning, match=r"a model should .* explains 2.5% of .* Plot y over X"):
        warn_of_poor_fit(0.025, "a model")


def test_the_category_alone_silences():
    noise = np.random.default_rng(1).normal(size=len(GRID))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=PoorFitWarning)
        KroneckerRidgeCV().fit(GRID, noise)
        warnings.filterwarnings("error", category=PoorFitWarning)
        with pytest.raises(PoorFitWarning):
            KroneckerRidgeCV().fit(GRID, noise)
