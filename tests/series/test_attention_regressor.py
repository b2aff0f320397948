"""The regressor of series: its contract on arrays, training as of other networks, long tables."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from skorch.callbacks import EpochScoring
from skorch.dataset import ValidSplit
from test_package import SERIES

from sk_posenc import (
    FourierEncoder,
    LearnableFourierEncoder,
    ShiftedBasisEncoder,
    ToeplitzAttentionRegressor,
)


def small(**settings):
    common = {"d_model": 4, "n_heads": 2, "n_layers": 1, "max_epochs": 3}
    return ToeplitzAttentionRegressor(**common | {"device": "cpu", "random_state": 0} | settings)


@pytest.fixture
def steps(rng):
    """Series of two channels, a value for each step, and one for each series."""
    X = rng.normal(size=(12, 9, 2))
    per_step = np.cumsum(X[..., 0], axis=1) + 5
    return X, per_step, per_step[:, -1]


# --- scikit-learn


def quick(estimator, check):
    """Few epochs, but for the check that asks for a score."""
    return estimator if "s_train" in repr(check) else clone(estimator).set_params(max_epochs=1)


@parametrize_with_checks([ToeplitzAttentionRegressor(**SERIES)])
def test_scikit_learn_checks(estimator, check):
    check(quick(estimator, check))


class OfRanks(ToeplitzAttentionRegressor):
    """All rows are one series, in the order of their first column: checks have no regular times."""

    def _columns_of(self, X, fresh):
        ids, columns, clock = super()._columns_of(X, fresh)
        columns = columns.astype(float)
        columns[:, clock] = np.argsort(np.argsort(columns[:, clock], kind="stable"))
        return ids, columns, clock


# What rows of one series cannot do: count apart, and be predicted without the others.
OF_SINGLE_ROWS = {
    "check_sample_weights_not_overwritten",
    "check_sample_weight_equivalence_on_dense_data",
    "check_methods_subset_invariance",
}


def test_scikit_learn_checks_of_long_tables():
    left_out = set()
    for estimator, check in estimator_checks_generator(
        OfRanks(**SERIES | {"max_epochs": 150}, time=0)
    ):
        name = check.func.__name__
        if name in OF_SINGLE_ROWS:
            left_out.add(name)
        elif name != "check_array_api_input":  # skipped by itself without SCIPY_ARRAY_API
            check(quick(estimator, check))
    assert left_out == OF_SINGLE_ROWS


# --- arrays of series


def test_values_of_series_and_of_steps(steps):
    X, per_step, per_series = steps
    for y, settings in (
        (per_series, {}),
        (per_series[:, None] * [1, 2], {}),
        (per_step[..., None], {}),
        (per_step[..., None] * [1, 2, 3], {}),
        (per_step, {"target": "step"}),
        (per_step, {"target": "series"}),  # as many values as steps
    ):
        model = small(**settings).fit(X, y)
        predicted = model.predict(X)
        assert predicted.shape == y.shape
        assert predicted.dtype == np.float64
        n_outputs = y.shape[-1] if y.ndim == 3 or settings.get("target") != "step" else 1
        rows = (-1, n_outputs) if y.ndim > 1 else (-1,)
        assert model.score(X, y) == pytest.approx(
            r2_score(y.reshape(rows), predicted.reshape(rows))
        )
    assert model.n_channels_ == model.n_features_in_ == 2


def test_what_a_table_left_is_gone_after_an_array(steps):
    X, _, y = steps
    names = [f"lag{i}" for i in range(9)]
    model = small().fit(pd.DataFrame(X[..., 0], columns=names), y)
    assert list(model.feature_names_in_) == names
    assert model.n_features_in_ == 9
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 2
    np.testing.assert_array_equal(model.predict(X), small().fit(X, y).predict(X))


def test_series_of_other_lengths(steps, rng):
    X, per_step, _ = steps
    model = small().fit(X, per_step[..., None])
    longer = rng.normal(size=(5, 40, 2))
    assert model.predict(longer).shape == (5, 40, 1)
    assert model.partial_fit(longer, longer[..., :1]).predict(X).shape == (12, 9, 1)
    windows = small().fit(X[..., 0], per_step[:, -1])  # a table of lags
    assert windows.predict(longer[..., :1]).shape == (5,)
    np.testing.assert_array_equal(windows.predict(X[..., :1]), windows.predict(X[..., 0]))


def test_a_series_is_predicted_the_same_among_others(steps):
    X, per_step, _ = steps
    model = small(causal=True).fit(X, per_step[..., None])
    whole = model.predict(X)
    for i in (0, 5, 11):
        np.testing.assert_allclose(model.predict(X[i : i + 1])[0], whole[i], rtol=1e-6)
    np.testing.assert_allclose(model.predict(X[::-1]), whole[::-1], rtol=1e-6)


@pytest.mark.parametrize("causal", [True, False])
def test_causal_steps_see_nothing_later(causal, steps):
    X, per_step, _ = steps
    model = small(causal=causal, n_layers=2).fit(X, per_step[..., None])
    before = model.predict(X)
    X = X.copy()
    X[:, 6] += 10
    change = np.abs(model.predict(X) - before).max(axis=(0, 2))
    assert (change[6:] > 1e-3).all()
    assert (change[:6] > 1e-3).all() != causal
    assert not causal or change[:6].max() < 1e-5


def test_relative_weights_tell_a_delay_that_nothing_else_tells(rng):
    X = rng.normal(size=(90, 8, 1))
    y = np.roll(X, 2, axis=1)  # the step before the last
    y[:, :2] = 0
    common = {"d_model": 8, "max_epochs": 40, "lr": 5e-2, "batch_size": -1, "causal": True}
    scores = [
        small(**common, relative=relative).fit(X[:60], y[:60]).score(X[60:], y[60:])
        for relative in (True, False)
    ]
    assert scores[0] > scores[1] + 0.3


def test_weights_beyond_the_largest_distance_are_those_at_it(steps):
    X, per_step, _ = steps
    model = small(max_distance=4).fit(X, per_step[..., None])
    assert model.module_.layers[0].attention.relative_weights.shape == (2, 9)
    assert small().fit(X, per_step[..., None]).module_.layers[0].attention.max_distance == 8


def test_any_encoder_tells_the_step(rng):
    X = rng.normal(size=(40, 8, 1))
    y = np.broadcast_to(np.sin(np.arange(8.0))[:, None], X.shape)
    common = {"max_epochs": 40, "lr": 5e-2, "relative": False, "batch_size": -1}
    assert small(**common).fit(X, y).score(X, y) < 0.3  # without positions all steps are alike
    for encoder in (FourierEncoder(), ShiftedBasisEncoder(), LearnableFourierEncoder()):
        model = small(**common, encoder=encoder).fit(X, y)
        assert model.score(X, y) > 0.8
        assert model.encoder_.n_features_in_ == 1
    start = clone(model.encoder).fit(np.arange(8.0)[:, None])
    assert not np.allclose(model.encoder_.transform([[2.0]]), start.transform([[2.0]]))  # trained
    model.set_params(encoder__n_frequencies=4).fit(X, y)
    with pytest.raises(AttributeError, match="holds no encoder"):
        small().fit(X, y).encoder_  # noqa: B018


def test_units_of_channels_and_targets_do_not_matter(steps):
    X, per_step, _ = steps
    y = per_step[..., None]
    scaled = small().fit(X * [1e6, 1e-6] + [1e8, 0], 1e5 * y - 7)
    expected = 1e5 * small().fit(X, y).predict(X) - 7
    predicted = scaled.predict(X * [1e6, 1e-6] + [1e8, 0])
    np.testing.assert_allclose(predicted, expected, rtol=1e-3, atol=10)
    constant = np.concatenate([X, np.full((12, 9, 1), 3.0)], axis=2)
    assert np.isfinite(small().fit(constant, np.full(12, 2.0)).predict(constant)).all()


# --- what is refused


def test_arrays_that_no_fit_could_follow(steps):
    X, per_step, per_series = steps
    broken = X.copy()
    broken[3, 4, 1] = np.nan
    for bad, y, words in (
        (broken, per_series, "Input X contains NaN"),
        (X, np.where(per_series > 5, np.nan, 0), "Input y contains NaN"),
        (X[:, :1], per_series, "at least 2 steps.*Got series of 1 step"),
        ([[[0.0], [1.0]], [[0.0]]], [0.0, 1.0], "one length.*Got 1 to 2 steps"),
        (X, per_series[:5], "inconsistent numbers of samples"),
        (X, per_step, "target='step' or target='series'"),
        (X, per_step[:, :5, None], "a value for each of the 9 steps"),
        (X, per_step[..., None, None], "1 to 3 axes"),
        (X, None, "requires y to be passed"),
    ):
        with pytest.raises(ValueError, match=words):
            small().fit(bad, y)
    with pytest.raises(ValueError, match="target='series'"):
        small(target="series").fit(X, per_step[..., None])


def test_settings_that_no_fit_could_follow(steps):
    X, _, y = steps
    for settings, words in (
        ({"d_model": 6, "n_heads": 4}, "n_heads must divide d_model=6"),
        ({"n_layers": 0}, "n_layers must be at least 1"),
        ({"max_distance": 0}, "max_distance must be at least 1"),
        ({"target": "row"}, "target must be one of"),
        ({"time": 0}, "X must be a table where series and time name its columns"),
        ({"causal": 1}, "causal must be True or False"),
        ({"relative": "yes"}, "relative must be True or False"),
        ({"encoder": FourierEncoder}, "encoder must be"),
        ({"batch_size": 12, "d_model": 2**40, "n_heads": 2}, "lower batch_size, d_model"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            small(**settings).fit(X, y)


def test_refused_calls_change_nothing(steps):
    X, per_step, y = steps
    model = small().fit(X, y)
    expected, state = model.predict(X), vars(model).copy()
    for bad in (X[..., :1], np.concatenate([X, X], axis=2)):
        with pytest.raises(ValueError, match="X must have 2 channels, as in fit"):
            model.predict(bad)
        with pytest.raises(ValueError, match="X must have 2 channels, as in fit"):
            model.partial_fit(bad, y)
    with pytest.raises(ValueError, match=r"X must have shape \(n_series, n_steps, 2\)"):
        model.predict(X[..., 0])
    with pytest.raises(ValueError, match=r"y must be .* as before"):
        model.partial_fit(X, y[:, None])
    with pytest.raises(ValueError, match=r"y must have shape \(n_series,\)"):
        model.partial_fit(X, per_step[..., None])
    with pytest.raises(ValueError, match="at least 2 steps"):
        model.fit(X[:, :1], y)
    assert vars(model) == state
    np.testing.assert_array_equal(model.predict(X), expected)
    with pytest.raises(ValueError, match="call fit"):
        small().initialize()


# --- training, by the code of all networks


def test_seeds_pickles_and_clones(steps):
    X, _, y = steps
    model = small(encoder=FourierEncoder()).fit(X, y)
    expected = model.predict(X)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X), expected)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), expected)
    np.testing.assert_array_equal(
        again.partial_fit(X, y).predict(X), model.partial_fit(X, y).predict(X)
    )
    assert not np.array_equal(small(random_state=1).fit(X, y).predict(X), expected)
    state = torch.random.get_rng_state()
    small(random_state=None).fit(X, y)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_skops_asks_to_trust_the_estimator_alone(steps):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    X, _, y = steps
    model = small().fit(X, y)
    saved = sio.dumps(model)
    trusted = sio.get_untrusted_types(data=saved)
    assert trusted == ["sk_posenc.series.attention_regressor.ToeplitzAttentionRegressor"]
    np.testing.assert_array_equal(sio.loads(saved, trusted=trusted).predict(X), model.predict(X))


def test_checkpoints_go_on_where_they_stopped(steps, tmp_path):
    X, _, y = steps
    saved = small(checkpoint=tmp_path, max_epochs=2).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 1
    again = clone(saved).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), saved.predict(X))
    clone(saved).set_params(causal=True).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 2


def test_early_stopping_splits_and_callbacks(steps):
    X, _, y = steps
    stopped = small(early_stopping=1, max_epochs=200, lr=0.1).fit(X, y)
    assert len(stopped.history_) < 200
    watched = small(train_split=ValidSplit(3), callbacks=[EpochScoring("r2", name="r2")])
    assert "r2" in watched.fit(X, y).history_[0]
    search = GridSearchCV(small(), {"n_layers": [1, 2], "encoder": [None, FourierEncoder()]}, cv=2)
    assert len(search.fit(X, y).cv_results_["params"]) == 4


def test_series_of_weight_0_are_absent_and_of_weight_2_are_there_twice(steps):
    X, per_step, _ = steps
    y, weight = per_step[..., None], np.tile([0, 1, 2], 4)
    repeated = np.repeat(np.arange(12), weight)
    expected = small().fit(X[repeated], y[repeated]).predict(X)
    model = small().fit(X, np.where(weight[:, None, None], y, 1e3), sample_weight=weight)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert model.score(X, y, weight) == pytest.approx(model.score(X[repeated], y[repeated]))


# --- long tables


def long_table(X, per_step, rng, start="2024-03-01"):
    """Rows of series in any order, with their names, days and values."""
    n_series, n_steps, _ = X.shape
    table = pd.DataFrame(X.reshape(-1, 2), columns=["rain", "sun"])
    table.insert(1, "place", np.repeat([f"s{i:02}" for i in range(n_series)], n_steps))
    table["day"] = np.tile(pd.date_range(start, periods=n_steps), n_series)
    table["flow"] = per_step.ravel()
    return table.sample(frac=1, random_state=int(rng.integers(1000)))


def test_long_tables_are_the_same_series(steps, rng):
    X, per_step, _ = steps
    table = long_table(X, per_step, rng)
    rows, flow = table.drop(columns="flow"), table["flow"]
    model = small(series="place", time="day", causal=True).fit(rows, flow)
    expected = small(causal=True).fit(X, per_step[..., None]).predict(X)
    # row by row
    wanted = pd.Series(expected.ravel(), index=np.arange(108)).loc[table.index]
    np.testing.assert_array_equal(model.predict(rows), wanted)
    assert model.step_ == 1
    assert list(model.feature_names_in_) == ["rain", "place", "sun", "day"]
    # numbers in place of names, texts and dates
    numbers = rows.assign(
        place=rows["place"].str[1:].astype(int), day=(rows["day"] - rows["day"].min()).dt.days
    )
    by_place = small(series=1, time=-1, causal=True).fit(numbers.to_numpy(), flow)
    np.testing.assert_array_equal(by_place.predict(numbers.to_numpy()), wanted)
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({name: rows[name].to_list() for name in rows})
    np.testing.assert_array_equal(model.predict(frame), wanted)
    assert model.score(rows, flow) == pytest.approx(r2_score(flow, wanted))
    folds = cross_val_score(model, rows, flow, groups=rows["place"], cv=GroupKFold(3))
    assert np.isfinite(folds).all()


def test_long_tables_with_a_value_for_each_series(steps, rng):
    X, _, per_series = steps
    table = long_table(X, np.repeat(per_series[:, None], 9, axis=1), rng)
    rows, last = table.drop(columns="flow"), table["flow"]
    model = small(series="place", time="day", target="series").fit(rows, last)
    expected = np.repeat(small().fit(X, per_series).predict(X), 9)[table.index]
    np.testing.assert_array_equal(model.predict(rows), expected)
    with pytest.raises(ValueError, match="must be the same in all rows of a series"):
        model.fit(rows, rows["rain"])


def test_the_time_of_a_table_is_encoded_in_its_units(rng):
    days = np.arange(0, 70.0, 0.5)
    rows = np.column_stack([days, rng.normal(size=140)])
    y = np.sin(2 * np.pi * days / 7)
    weekly = FourierEncoder(n_frequencies=1, domain=(0, 7), boundary="periodic")
    settings = {"encoder": weekly, "time": 0, "relative": False, "max_epochs": 60, "lr": 2e-2}
    model = small(**settings).fit(rows, y)
    assert model.score(rows, y) > 0.8
    slower = np.column_stack([np.arange(100, 170.0, 2), rng.normal(size=35)])
    assert model.score(slower, np.sin(2 * np.pi * slower[:, 0] / 7)) > 0.8  # of another rate
    dates = pd.DataFrame({
        "day": pd.date_range("2024-01-01", periods=60), "rain": rng.normal(size=60)
    })  # fmt: skip
    by_date = small(encoder=clone(weekly).set_params(domain="1W"), time="day")
    later = dates.assign(day=dates["day"] + pd.Timedelta(days=70))
    fitted = by_date.fit(dates, dates["day"].dt.day_of_week)
    np.testing.assert_allclose(fitted.predict(later), fitted.predict(dates), atol=1e-4)


def test_tables_that_no_fit_could_follow(steps, rng):
    X, per_step, _ = steps
    table = long_table(X, per_step, rng)
    rows, y = table.drop(columns="flow"), table["flow"]
    month = rows.assign(day=rows["day"].map(lambda d: pd.Timestamp(2024, d.day, 1)))
    for change, words in (
        (rows.assign(day=rows["day"].where(rows["day"] != "2024-03-04")), "Input X contains NaN"),
        (rows.assign(place=rows["place"].where(rows["place"] != "s03")), "series must be told"),
        (rows.assign(rain=np.inf), "Input X contains infinity"),
        (rows.assign(day=rows["day"].replace(pd.Timestamp("2024-03-04"), "2024-03-03")),
         "times of each series must be regular.*Got 2 and then 2 in series 's00'"),
        (month, "number months.*Expected steps of 31"),
        (rows[["place", "day"]], "X must have a channel"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            small(series="place", time="day").fit(change, y)
    with pytest.raises(ValueError, match=r"one length.*Got 8 steps of series 's"):
        small(series="place", time="day").fit(rows.iloc[1:], y.iloc[1:])
    for named, kind, words in (
        ({"series": "town"}, ValueError, "series must be a column of X, which has columns"),
        ({"series": "place", "time": 7}, ValueError, "time must be a column of X"),
        ({"series": "day", "time": "day"}, ValueError, "must name two columns"),
        ({"time": 1.5}, TypeError, "time must be the name or the number of a column"),
    ):
        with pytest.raises(kind, match=words):
            small(**named).fit(rows, y)
    mixed = rows.assign(place=[1, "a"] * 54)
    with pytest.raises(TypeError, match="series must be numbers or text"):
        small(series="place", time="day").fit(mixed, y)


def test_weights_of_a_long_table_are_those_of_series(steps, rng):
    X, per_step, _ = steps
    table = long_table(X, per_step, rng)
    rows, y = table.drop(columns="flow"), table["flow"]
    number = rows["place"].str[1:].astype(int).to_numpy()
    weight = np.tile([0, 1, 2], 4)
    model = small(series="place", time="day").fit(rows, y, sample_weight=weight[number])
    expected = small().fit(X, per_step[..., None], sample_weight=weight).predict(X)
    np.testing.assert_array_equal(model.predict(rows), expected.ravel()[table.index])
    with pytest.raises(ValueError, match="sample_weight must be the same in all rows"):
        model.fit(rows, y, sample_weight=np.arange(1, 109))


def test_relative_weights_hold_for_the_rate_of_fit(rng):
    rows = np.column_stack([np.arange(40.0), rng.normal(size=40)])
    model = small(time=0).fit(rows, rows[:, 1])
    assert model.predict(rows + np.array([1000, 0])).shape == (40,)
    with pytest.raises(ValueError, match=r"Expected steps of 1\. Got 2"):
        model.predict(rows * [2, 1])
