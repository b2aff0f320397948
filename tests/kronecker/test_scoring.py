"""Scores where targets are missing."""

import numpy as np
import pytest
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV

from sk_posenc import CoordinateKFold, KroneckerRidge, KroneckerRidgeCV, SeasonalRidge


def series(n=400):
    x = np.arange(float(n))[:, None]
    y = np.sin(2 * np.pi * x[:, 0] / 24) + 0.2 * np.random.default_rng(0).standard_normal(n)
    y[::7] = np.nan
    return x, y


def fitted(kind, x, y):
    return {
        "ridge": KroneckerRidge(nan_is_hole=True),
        "search": KroneckerRidgeCV(nan_is_hole=True),
        "seasons": SeasonalRidge([24], nan_is_hole=True),
    }[kind].fit(x, y)


@pytest.mark.parametrize("kind", ["ridge", "search", "seasons"])
@pytest.mark.parametrize("masked", [False, True])
def test_each_output_counts_where_it_is(kind, masked):
    x, y = series()
    both = np.column_stack([y, np.roll(y, 3)])
    weights = np.random.default_rng(1).uniform(0.5, 2, len(x))
    for target in (y, both):
        model = fitted(kind, x, target)
        given = np.ma.masked_invalid(target) if masked else target
        columns, found = (each.reshape(len(x), -1) for each in (target, model.predict(x)))
        expected = []
        for true, predicted in zip(columns.T, found.T, strict=True):
            keep = np.isfinite(true)
            expected.append(r2_score(true[keep], predicted[keep], sample_weight=weights[keep]))
        assert model.score(x, given, weights) == pytest.approx(np.mean(expected))
    whole = np.nan_to_num(both)
    assert model.score(x, whole) == pytest.approx(r2_score(whole, model.predict(x)))
    with pytest.raises(ValueError, match=r"y\[:, 0\] is missing at all samples"):
        model.score(x, np.full_like(both, np.nan))


def test_searches_over_series_with_gaps_choose():
    x, y = series(1_000)
    periods = {"periods": [[23], [24]]}
    search = GridSearchCV(SeasonalRidge([24], nan_is_hole=True), periods, cv=CoordinateKFold(3))
    search.fit(x, y)
    assert search.best_params_ == {"periods": [24]}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
