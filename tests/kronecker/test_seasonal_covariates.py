"""Covariates of a sum of seasons: a linear term beside the trend."""

import numpy as np
import pandas as pd
import pytest

from sk_posenc import SeasonalRidge

HOURS = np.arange(24 * 7 * 6.0)
RNG = np.random.default_rng(0)
HOLIDAY = np.isin(HOURS // 24, [3, 9, 10, 27, 35]).astype(float)
WARM = 15 + 5 * np.sin(HOURS / 90) + RNG.normal(size=len(HOURS))
CLEAN = 40 + 0.01 * HOURS + 4 * np.sin(2 * np.pi * HOURS / 24) - 6 * HOLIDAY + 0.8 * WARM
Y = CLEAN + 0.5 * RNG.normal(size=len(HOURS))
X = np.column_stack([HOURS, HOLIDAY, WARM])


@pytest.fixture(scope="module")
def model():
    return SeasonalRidge([24, 168], covariates=[1, 2]).fit(X, Y)


def test_coefficients_and_components(model):
    np.testing.assert_array_less(
        np.abs(model.covariate_coef_ - [-6, 0.8]), 4 * model.covariate_std_
    )
    assert np.all(model.covariate_std_ < [0.2, 0.05])
    np.testing.assert_allclose(model.covariate_mean_, X[:, 1:].mean(axis=0))
    parts, stds = model.predict_components(X, return_std=True)
    assert parts.shape == stds.shape == (len(X), 4)
    value, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(parts.sum(axis=1), value, rtol=0, atol=1e-10)
    linear = (X[:, 1:] - model.covariate_mean_) @ model.covariate_coef_
    np.testing.assert_allclose(parts[:, 3], linear, atol=1e-10)
    assert np.mean(np.abs(value - CLEAN) < 1.96 * std) > 0.85
    assert model.alphas_.shape == (3,)


def test_they_are_generalised_least_squares_of_the_process_without_them(model):
    """Of the covariance of the samples under the strengths that were chosen."""
    (fit,) = model._series
    components = fit.components
    targets = (Y - fit.mean) / fit.spread
    covariance, fixed = np.eye(len(Y)), []
    exponents = iter(fit.strengths.exponents)
    alphas = iter(fit.strengths.alphas)
    for each in components:
        rows = each.at(X).toarray()
        fixed.append(rows @ each.free)
        if each.modes.shape[1]:
            modes = rows @ each.modes
            covariance += (modes * (each.variances(next(exponents)) / next(alphas))) @ modes.T
    free = np.column_stack(fixed)
    whole = free.T @ np.linalg.solve(covariance, free)
    beta = np.linalg.solve(whole, free.T @ np.linalg.solve(covariance, targets))
    unit = fit.spread / components[-1].spread
    np.testing.assert_allclose(model.covariate_coef_, unit * beta[-2:], rtol=1e-6)
    spread = np.sqrt(np.diag(np.linalg.inv(whole))[-2:] * fit.noise)
    assert model.covariate_std_ / (unit * spread) == pytest.approx(np.ones(2), rel=0.01)


def test_the_same_from_a_table_in_any_order_with_dates_and_holes(model):
    table = pd.DataFrame(
        {"warm": WARM, "date": pd.Timestamp("2025-01-06") + pd.to_timedelta(HOURS, "h"),
         "holiday": HOLIDAY}
    )  # fmt: skip
    settings = {"covariates": ["holiday", "warm"], "nan_is_hole": True}
    named = SeasonalRidge(["1D", "7D"], **settings).fit(table, Y)
    np.testing.assert_allclose(named.predict(table), model.predict(X), rtol=1e-6)
    np.testing.assert_allclose(named.covariate_coef_, model.covariate_coef_, rtol=1e-5)
    several = np.column_stack([Y, np.where(HOURS < 300, np.nan, -Y)])
    both = SeasonalRidge(["1D", "7D"], **settings).fit(table, several)
    assert both.covariate_coef_.shape == both.covariate_std_.shape == (2, 2)
    np.testing.assert_allclose(both.covariate_coef_[0], model.covariate_coef_, rtol=1e-5)
    np.testing.assert_allclose(both.covariate_coef_[1], [6, -0.8], atol=0.3)
    assert both.predict_components(table).shape == (len(Y), 4, 2)


def test_samples_at_one_time_may_differ_in_covariates():
    where = np.repeat([0.0, 1.0], len(HOURS))
    twice = np.column_stack([np.tile(HOURS, 2), where])
    y = np.concatenate([CLEAN, CLEAN + 3]) + 0.5 * np.random.default_rng(1).normal(size=len(where))
    model = SeasonalRidge([24, 168], covariates=1).fit(twice, y)
    assert model.covariate_coef_ == pytest.approx([3.0], abs=4 * model.covariate_std_[0])
    once = SeasonalRidge([24, 168], covariates=1).fit(twice[::-1], y[::-1])
    np.testing.assert_allclose(once.predict(twice), model.predict(twice), rtol=1e-9)


def test_what_is_refused(model):
    line = np.column_stack([HOURS, 2 * HOURS + 1])
    with pytest.raises(ValueError, match=r"a straight line in time tells.*Got the columns 1\."):
        SeasonalRidge(24, covariates=1).fit(line, Y)
    twice = np.column_stack([HOURS, WARM, HOLIDAY, WARM - HOLIDAY])
    with pytest.raises(ValueError, match=r"no sum of the others.*Got the columns 1, 2, 3\."):
        SeasonalRidge(24, covariates=[1, 2, 3]).fit(twice, Y)
    constant = pd.DataFrame({"hour": HOURS, "open": 1.0})
    with pytest.raises(ValueError, match=r"must vary.*Got the constant column 'open'\."):
        SeasonalRidge(24, covariates="open").fit(constant, Y)
    with pytest.raises(ValueError, match=r"differ by less than 1e\+150.*column 1 with"):
        SeasonalRidge(24, covariates=1).fit(np.column_stack([HOURS, 1e200 * WARM]), Y)
    with pytest.raises(ValueError, match=r"one column, the times, beside cov.*Got 2 columns\."):
        SeasonalRidge(24, covariates=1).fit(X, Y)
    with pytest.raises(ValueError, match=r"at least one column of X as an axis"):
        SeasonalRidge(24, covariates=0).fit(X[:, :1], Y)
    with pytest.raises(ValueError, match=r"X has 1 features"):
        model.predict(X[:, :1])
    with pytest.raises(AttributeError):
        SeasonalRidge(24).fit(X[:, :1], Y).covariate_coef_  # noqa: B018
