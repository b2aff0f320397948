"""A trend and seasons of one clock that add up."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sk_posenc import SeasonalRidge

RNG = np.random.default_rng(0)
DAYS = np.arange(400.0)


def parts_of(t):
    """Trend, week and month, each season with a mean of zero."""
    week = np.sin(2 * np.pi * t / 7) + 0.3 * np.cos(4 * np.pi * t / 7 + 1)
    month = 0.8 * np.cos(2 * np.pi * t / 30)
    return np.column_stack([0.5 * np.sin(t / 40) + t / 100 + 5, week, month])


def noisy(t, seed=0, scale=0.2):
    return parts_of(t).sum(axis=1) + np.random.default_rng(seed).normal(scale=scale, size=len(t))


Y = noisy(DAYS)


@pytest.fixture(scope="module")
def model():
    return SeasonalRidge([7, 30]).fit(DAYS[:, None], Y)


def test_components_are_found_and_add_up(model):
    at = RNG.uniform(-100, 600, (300, 1))
    components, stds = model.predict_components(at, return_std=True)
    predicted, std = model.predict(at, return_std=True)
    assert components.shape == stds.shape == (300, 3)
    np.testing.assert_allclose(components.sum(axis=1), predicted, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(model.predict(at), predicted)
    np.testing.assert_array_equal(model.predict_components(at), components)
    assert std.shape == (300,)
    errors = model.predict_components(DAYS[:, None]) - parts_of(DAYS)
    assert np.sqrt(np.mean(errors**2, axis=0)) == pytest.approx(np.zeros(3), abs=0.06)
    assert model.noise_variance_ == pytest.approx([0.04], rel=0.2)


def test_deviation_of_new_samples(model):
    value, std = model.predict(DAYS[:, None], return_std=True)
    same_value, observed = model.predict(DAYS[:, None], return_std="observation")
    np.testing.assert_array_equal(same_value, value)
    np.testing.assert_allclose(observed**2, std**2 + model.noise_variance_, rtol=1e-12)
    fresh = np.abs(noisy(DAYS, seed=7) - value)
    assert np.mean(fresh < 1.96 * observed) == pytest.approx(0.95, abs=0.03)


def test_fitted_attributes(model):
    assert model.periods_.tolist() == [7, 30]
    assert model.alphas_.shape == model.exponents_.shape == (3,)
    assert model.exponents_[0] == 2
    # 57 intervals of a trend; four knots for each phase, multiples of what seasons share
    assert model.stable_ranks_ * 315 / 151 == pytest.approx([57, 28, 120])
    assert model.n_features_in_ == 1


def test_what_each_component_has():
    hours = np.arange(24 * 7 * 10.0)
    weekend = (hours // 24) % 7 >= 5
    daily = np.exp(-(((hours % 24 - 18) / 3) ** 2))
    y = 100 + 4 * daily - 3 * weekend * daily
    model = SeasonalRidge([168, 24]).fit(hours[:, None], y)
    trend, week, day = model.predict_components(hours[:, None]).T
    assert abs(np.mean(week[:168])) < 1e-9
    assert abs(np.mean(day[:24])) < 1e-9
    np.testing.assert_allclose(week.reshape(-1, 7, 24).mean(axis=1), 0, atol=1e-9)
    assert np.mean(trend) == pytest.approx(np.mean(y), abs=1e-3)
    mean_day = (4 - 3 * 2 / 7) * daily
    np.testing.assert_allclose(day, mean_day - mean_day.mean(), atol=0.05)


def test_without_a_trend():
    model = SeasonalRidge(7, trend=False).fit(DAYS[:, None], parts_of(DAYS)[:, 1] + 3)
    components, std = model.predict_components([[0.0], [1e3]], return_std=True)
    assert components[:, 0] == pytest.approx([3, 3], abs=1e-6)
    assert std[0, 0] == std[1, 0]
    assert model.alphas_.shape == (1,)


def test_a_gap_longer_than_a_period():
    kept = (DAYS < 150) | (DAYS > 230)
    model = SeasonalRidge([7, 30]).fit(DAYS[kept, None], Y[kept])
    gap = DAYS[~kept]
    predicted, std = model.predict(gap[:, None], return_std=True)
    errors = np.abs(predicted - parts_of(gap).sum(axis=1))
    assert np.max(errors / std) < 3
    assert np.max(std) > 2 * np.max(model.predict(DAYS[20:140, None], return_std=True)[1])
    seasons = model.predict_components(gap[:, None])[:, 1:] - parts_of(gap)[:, 1:]
    assert np.max(np.abs(seasons)) < 0.2


def test_a_season_is_unsure_where_nobody_looked():
    hours = np.arange(24 * 40.0)
    awake = (hours % 24 >= 8) & (hours % 24 < 20)
    y = np.cos(2 * np.pi * hours / 24) + RNG.normal(scale=0.1, size=len(hours))
    model = SeasonalRidge(24).fit(hours[awake, None], y[awake])
    std = model.predict_components([[2.0], [14.0]], return_std=True)[1]
    assert std[0, 1] > 2 * std[1, 1]


def test_beyond_the_samples(model):
    at = 400 + np.array([0.0, 210, 420, 630])  # whole weeks and months on
    components, std = model.predict_components(at[:, None], return_std=True)
    np.testing.assert_allclose(np.diff(components[:, 0]), np.diff(components[:2, 0])[0], rtol=1e-9)
    np.testing.assert_allclose(components[:, 1:], components[[0] * 4, 1:], atol=1e-9)
    np.testing.assert_allclose(std[:, 1:], std[[0] * 4, 1:], atol=1e-9)
    assert np.all(np.diff(std[:, 0], 2) > 0)
    far = model.predict_components([[1e5], [1e5 * 4]], return_std=True)[1][:, 0]
    assert far[1] / far[0] == pytest.approx(4**1.5, rel=0.05)


def test_jumps_take_a_rough_season():
    weekend = np.where(DAYS % 7 >= 5, -2.0, 0.0)
    hours = np.arange(24 * 7 * 6) / 24
    jumps = np.where(hours % 7 >= 5, -2.0, 0.0) + RNG.normal(scale=0.1, size=len(hours))
    assert SeasonalRidge(7).fit(hours[:, None], jumps).exponents_.tolist() == [2, 1]
    smooth = np.cos(2 * np.pi * hours / 7) + RNG.normal(scale=0.1, size=len(hours))
    assert SeasonalRidge(7).fit(hours[:, None], smooth).exponents_.tolist() == [2, 3]
    assert weekend.min() == -2


def same(one, other, at=DAYS[::7, None] + 0.3, **tolerance):
    for left, right in (
        (one.predict(at, return_std=True), other.predict(at, return_std=True)),
        (
            one.predict_components(at, return_std=True),
            other.predict_components(at, return_std=True),
        ),
    ):
        for a, b in zip(left, right, strict=True):
            np.testing.assert_allclose(a, b, **{"rtol": 1e-6, "atol": 1e-8} | tolerance)


def test_order_and_repeats_make_no_difference(model):
    order = RNG.permutation(800)
    X, y = np.tile(DAYS, 2)[order], np.tile(Y, 2)[order]
    again = SeasonalRidge([7, 30]).fit(X[:, None], y)
    same(again, model)
    assert again.noise_variance_ == pytest.approx(2 * model.noise_variance_, rel=1e-6)


def test_weights_are_repeats():
    weights = RNG.integers(0, 4, 400)
    X, y = np.repeat(DAYS, weights)[:, None], np.repeat(Y, weights)
    by_weight = SeasonalRidge([7, 30]).fit(DAYS[:, None], Y, sample_weight=weights)
    same(SeasonalRidge([7, 30]).fit(X, y), by_weight)
    for unit in (1e-6, 1e307):
        by_other = SeasonalRidge([7, 30]).fit(DAYS[:, None], Y, sample_weight=weights * unit)
        same(by_other, by_weight)


def test_samples_at_one_time_count_as_their_mean(model):
    apart = RNG.normal(size=400)
    X, y = np.tile(DAYS, 2)[:, None], np.concatenate([Y + apart, Y - apart])
    same(SeasonalRidge([7, 30]).fit(X, y), model)


def test_outputs_and_their_holes_are_their_own(model):
    y = np.column_stack([Y, 50 * noisy(DAYS, seed=1), Y])
    y[::3, 1] = np.nan
    y[5:300, 2] = np.nan
    both = SeasonalRidge([7, 30], nan_is_hole=True).fit(DAYS[:, None], y)
    assert both.alphas_.shape == both.exponents_.shape == both.stable_ranks_.shape == (3, 3)
    predicted, std = both.predict(DAYS[:9, None], return_std=True)
    components, stds = both.predict_components(DAYS[:9, None], return_std=True)
    assert predicted.shape == std.shape == (9, 3)
    assert components.shape == stds.shape == (9, 3, 3)
    for k in range(3):
        known = ~np.isnan(y[:, k])
        alone = SeasonalRidge([7, 30]).fit(DAYS[known, None], y[known, k])
        np.testing.assert_array_equal(alone.predict(DAYS[:9, None]), predicted[:, k])
        np.testing.assert_array_equal(
            alone.predict_components(DAYS[:9, None], return_std=True)[1], stds[..., k]
        )
    one = SeasonalRidge([7, 30]).fit(DAYS[:, None], Y[:, None])
    np.testing.assert_array_equal(one.predict(DAYS[:, None])[:, 0], model.predict(DAYS[:, None]))


@settings(max_examples=12, deadline=None)
@given(
    st.floats(-1e4, 1e4), st.floats(1e-6, 1e6), st.floats(-1e4, 1e4),
    st.floats(1e-100, 1e100), st.booleans(),
)  # fmt: skip
def test_units_make_no_difference(shift, scale, y_shift, y_scale, turned):
    t, y = DAYS[:90], Y[:90]
    model = SeasonalRidge(7, alphas=[0.1, 0.01]).fit(t[:, None], y)
    sign = -1 if turned else 1
    changed = sign * y_scale * (y + y_shift)
    moved = SeasonalRidge(7 * scale, alphas=[0.1, 0.01]).fit((t + shift)[:, None] * scale, changed)
    at = np.linspace(-20, 110, 40)
    value, std = model.predict(at[:, None], return_std=True)
    other, other_std = moved.predict((at[:, None] + shift) * scale, return_std=True)
    np.testing.assert_allclose(other / y_scale * sign - y_shift, value, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(other_std / y_scale, std, rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 7.5, -1e300])
def test_constant_targets(value):
    model = SeasonalRidge([7, 30]).fit(DAYS[:, None], np.full(400, value))
    predicted, std = model.predict(DAYS[:5, None] + 500, return_std=True)
    assert predicted == pytest.approx(np.full(5, value), rel=1e-12)
    assert std == pytest.approx(np.zeros(5), abs=1e-12)


def test_clean_signals():
    y = parts_of(DAYS)
    model = SeasonalRidge([7, 30]).fit(DAYS[:, None], y.sum(axis=1))
    errors = model.predict_components(DAYS[:, None]) - y
    assert np.max(np.abs(errors)) < 0.02


def test_settings_that_are_given():
    given = SeasonalRidge([7, 30], stable_ranks=[20, "auto", 6.0], alphas=[1.0, 0.2, 0.3])
    given.fit(DAYS[:, None], Y)
    assert given.alphas_.tolist() == [1.0, 0.2, 0.3]
    assert given.stable_ranks_ == pytest.approx([20, 13.4, 6], abs=0.3)
    smooth = SeasonalRidge([7, 30], alphas=1e9).fit(DAYS[:, None], Y)
    line = np.polynomial.Polynomial.fit(DAYS, Y, 1)(DAYS)
    np.testing.assert_allclose(smooth.predict(DAYS[:, None]), line, atol=1e-4)
    assert SeasonalRidge(7, trend=False, alphas=[0.5]).fit(DAYS[:, None], Y).alphas_ == [0.5]


def test_a_search_may_choose_settings():
    search = GridSearchCV(SeasonalRidge([7, 30]), {"alphas": ["auto", 1e6], "trend": [True]}, cv=3)
    search.fit(DAYS[:, None], Y)
    assert search.best_params_["alphas"] == "auto"


def test_what_is_masked_is_missing():
    """In each output for itself, whatever lies below the mask."""
    absent = np.column_stack([DAYS % 3 == 1, (DAYS > 90) & (DAYS < 190)])
    values = np.column_stack([Y, noisy(DAYS, seed=1)])
    masked = np.ma.array(np.where(absent, -9999.0, values), mask=absent)
    model = SeasonalRidge([7, 30], alphas=0.1, nan_is_hole=True).fit(DAYS[:, None], masked)
    by_nan = clone(model).fit(DAYS[:, None], np.where(absent, np.nan, values))
    np.testing.assert_array_equal(model.predict(DAYS[:, None]), by_nan.predict(DAYS[:, None]))
    np.testing.assert_array_equal(
        clone(model).fit(DAYS[:, None], masked[:, 1]).predict(DAYS[:, None]),
        model.predict(DAYS[:, None])[:, 1],
    )
    present = ~absent[:, 0]
    frame = pd.DataFrame({"a": pd.array(Y, dtype="Float64"), "b": values[:, 1]})
    assert model.score(DAYS[present, None], frame[present]) > 0.9
    assert model.score(DAYS[:, None], masked) > 0.9  # of what is there
    with pytest.raises(ValueError, match=r"y contains NaN.*or set nan_is_hole=True"):
        clone(model).set_params(nan_is_hole=False).fit(DAYS[:, None], masked)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"periods": []}, ValueError, "one or more different periods"),
        ({"periods": "7D"}, TypeError, "must be numbers in the unit of X"),
        ({"periods": [1.0]}, ValueError, r"not divide the steps of X.*Got 1\."),
        ({"periods": [1e-300]}, ValueError, r"must be at least .*\b1e-300\."),
        ({"periods": [1e300]}, ValueError, r"times of X span.*Got 1e\+300\."),
        ({"trend": 1}, TypeError, "trend must be True or False"),
        ({"nan_is_hole": None}, TypeError, "nan_is_hole must be True or False"),
        ({"stable_ranks": "fine"}, ValueError, r'"auto", or a list of 3.*Got \'fine\'\.'),
        ({"stable_ranks": [1, 2]}, ValueError, r"a list of 3.*Got \[1, 2\]\."),
        ({"stable_ranks": [1, 2, -3]}, ValueError, r"greater than 0.*Got -3\."),
        ({"stable_ranks": [1, 2, None]}, TypeError, r'number or "auto". Got None\.'),
        ({"stable_ranks": 1e7}, ValueError, r"too large.*lower stable_ranks"),
        ({"alphas": "small"}, ValueError, r"Got 'small'\."),
        ({"alphas": [1, 2]}, ValueError, r"alphas must be.*a list of 3.*Got \[1, 2\]\."),
        ({"alphas": [1, 2, 0]}, ValueError, r"greater than 0. Got 0\."),
        ({"alphas": [1, 2, "auto"]}, TypeError, r"must be a number. Got 'auto'\."),
    ],
)
def test_refused_settings(settings, error, message, model):
    before = clone(model).fit(DAYS[:30, None], Y[:30])
    kept = pickle.dumps(before.__dict__["_series"])
    before.set_params(**settings)
    with pytest.raises(error, match=message):
        before.fit(DAYS[:, None], Y)
    assert pickle.dumps(before.__dict__["_series"]) == kept


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones((4, 2)), np.ones(4), r"X must have one column.*Got 2 columns\."),
        (DAYS, Y, "2D array"),
        (DAYS[:2, None], Y[:2], "3 different times or more.*Got n_samples = 2"),
        (np.ones((9, 1)), Y[:9], r"n_samples = 9, at 1 different time\."),
        (DAYS[:, None], np.where(DAYS == 3, np.nan, Y), "NaN"),
        (DAYS[:, None], Y[1:], "inconsistent"),
    ],
)
def test_refused_samples(X, y, message):
    with pytest.raises(ValueError, match=message):
        SeasonalRidge([7.3, 30]).fit(X, y)


def test_refused_holes_and_weights(model):
    holed = SeasonalRidge([7, 30], nan_is_hole=True)
    with pytest.raises(ValueError, match="NaN for all samples"):
        holed.fit(DAYS[:, None], np.column_stack([Y, np.full(400, np.nan)]))
    with pytest.raises(ValueError, match="infinity"):
        holed.fit(DAYS[:, None], np.where(DAYS == 3, np.inf, Y))
    with pytest.raises(ValueError, match="zero for all samples"):
        holed.fit(DAYS[:, None], Y, sample_weight=np.zeros(400))
    with pytest.raises(ValueError, match="negative"):
        holed.fit(DAYS[:, None], Y, sample_weight=-np.ones(400))
    with pytest.raises(ValueError, match=r'or "observation".*Got \'yes\'\.'):
        model.predict(DAYS[:, None], return_std="yes")
    with pytest.raises(TypeError, match=r"return_std must be True or False. Got 1\."):
        model.predict(DAYS[:, None], return_std=1)
    with pytest.raises(ValueError, match=r"noise once, not in each.*Got 'observation'\."):
        model.predict_components(DAYS[:, None], return_std="observation")


def test_forecasts_without_noise():
    """Of a trend that bends for long the same way, which no random walk does."""
    hours = np.arange(24 * 7 * 6.0)
    ahead = hours[-1] + np.arange(1.0, 24 * 10)

    def signal(t):
        return 5 * np.sin(t / 180) + np.sin(2 * np.pi * t / 24)

    model = SeasonalRidge([24]).fit(hours[:, None], signal(hours))
    predicted, std = model.predict(ahead[:, None], return_std=True)
    error = np.abs(predicted - signal(ahead))
    assert np.max(error) > 1
    assert np.mean(error < 1.96 * std) > 0.9
    assert np.max(std) < 3 * np.max(error)
    _, inside = model.predict(hours[:, None], return_std=True)
    assert np.max(inside) < 1e-3


def test_few_samples_are_less_sure():
    """Intervals of 30 samples, mean over 12 series."""
    covered = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        t, (first, second) = np.arange(30.0), random.uniform(0, 6, 2)
        signal = np.sin(2 * np.pi * t / 7 + first) + np.sin(t / 10 + second)
        y = signal + 0.3 * random.standard_normal(30)
        predicted, std = (
            SeasonalRidge([7, 30]).fit(t[:, None], y).predict(t[:, None], return_std=True)
        )
        covered.append(np.mean(np.abs(predicted - signal) < 1.96 * std))
    assert 0.9 <= np.mean(covered) <= 0.98


@pytest.mark.slow  # a minute; the gap above is one case of it
@pytest.mark.parametrize("kind", ["daily", "irregular", "gaps", "hourly"])
def test_coverage_of_intervals(kind):
    """Of 95 % intervals of the signal without noise, the mean over 50 series."""
    covered = []
    for seed in range(50):
        random = np.random.default_rng(seed)
        times, periods = DAYS, [7, 30]
        if kind == "irregular":
            times = np.sort(random.uniform(0, 400, 200))
        elif kind == "gaps":
            times = DAYS[(DAYS < 120) | ((DAYS > 190) & (DAYS < 300)) | (DAYS > 360)]
        elif kind == "hourly":
            times, periods = np.arange(24 * 42) / 24, [1, 7]
        at = DAYS if kind == "gaps" else times

        def signal(t, kind=kind):
            if kind != "hourly":
                return parts_of(t).sum(axis=1)
            peak = np.exp(-(((t % 1 - 0.75) / 0.1) ** 2))
            return t / 40 + 1.5 * peak - 0.7 * (t % 7 >= 5)

        y = signal(times) + random.normal(scale=0.3, size=len(times))
        model = SeasonalRidge(periods).fit(times[:, None], y)
        predicted, std = model.predict(at[:, None], return_std=True)
        covered.append(np.mean(np.abs(predicted - signal(at)) < 1.96 * std))
    assert 0.90 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize(
    ("y", "weights", "message"),
    [
        (np.full(len(DAYS), 1.7e308), None, r"sums or differences.*1\.7e\+308"),
        (Y, np.where(DAYS == 3, 1e25, 1.0), r"singular up to rounding: raise alphas"),
    ],
)
def test_what_floats_do_not_hold(y, weights, message):
    with pytest.raises(ValueError, match=message):
        SeasonalRidge(7, alphas=1e-9).fit(DAYS[:, None], y, weights)


def test_no_noise_variance_beyond_floats():
    huge = SeasonalRidge(7, alphas=0.1).fit(DAYS[:, None], 1e155 * Y)
    with pytest.raises(AttributeError, match=r"not available: y is too large.*2e\+155\."):
        huge.noise_variance_  # noqa: B018
    value, std = huge.predict(DAYS[:1, None], return_std=True)
    assert np.isfinite(value).all()
    assert np.isfinite(std).all()


def test_weights_that_vanish_beside_others_are_none(model):
    alone = clone(model).fit(DAYS[1:, None], Y[1:]).predict(DAYS[:, None])
    weights = np.r_[1e-300, np.full(len(DAYS) - 1, 1e300)]
    found = clone(model).fit(DAYS[:, None], Y, weights)
    np.testing.assert_allclose(found.predict(DAYS[:, None]), alone, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match=r"far from the samples.*up to 1e\+200\."):
        found.predict([[1e200]], return_std=True)
