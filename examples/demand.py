"""
Trend, day, week and year: a series taken apart
===============================================

A series may have several seasons at once, a trend, and gaps. ``SeasonalRidge`` learns all of them
as a sum, from one column of times, and says how sure it is of each. It needs no complete and no
regular series. Here it stands beside the ways that are common: splines of calendar columns, MSTL of
statsmodels, and boosted trees.

::

    python examples/demand.py
"""

# %%
# A simulated series
# ------------------
# The hourly demand for electricity of a town, in megawatts, over two and a half years. It is
# **simulated**, so that each component is known: a trend, a day with two peaks, a week whose
# weekends are low, a year that is high in winter, and noise that is independent from hour to hour.
# A fifth of the hours is missing, and so are three weeks in a row. The last half-year is to be
# forecast.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer
from statsmodels.tsa.seasonal import MSTL

from sk_posenc import SeasonalRidge, load_signal

date = pd.date_range("2022-01-01", "2024-06-30 23:00", freq="h")
t = np.arange(len(date)) / 24  # days
hour, weekday = t % 1, t % 7  # the first day was a Saturday


def peak(at: float, width: float) -> np.ndarray:
    return np.exp(-(((hour - at) / width) ** 2))


truth = pd.DataFrame(
    {
        "trend": 50 + t / 200 + 2 * np.sin(t / 160),
        "day": 8 * peak(0.33, 0.07) + 10 * peak(0.8, 0.1),
        "week": np.where(weekday < 2, -6.0, 0.0),
        "year": 7 * np.cos(2 * np.pi * (t - 15) / 365.25) + 2 * np.cos(4 * np.pi * t / 365.25),
    },
    index=date,
)
for season, period in [("day", 24), ("week", 168), ("year", 8766)]:
    mean = truth[season].iloc[:period].mean()  # what each season is about
    truth[season] -= mean
    truth["trend"] += mean
signal = truth.sum(axis=1).to_numpy()
random = np.random.default_rng(0)
demand = signal + random.normal(scale=4, size=len(t))
past = date < "2024-01-01"
gap = (date >= "2023-03-06") & (date < "2023-03-27")
missing = past & ((random.uniform(size=len(t)) < 0.2) | gap)
known = past & ~missing
print(f"{known.sum():,} hours known, {missing.sum():,} missing, {(~past).sum():,} to forecast")

# %%
# The fit
# -------
# The clock is a column of dates, the periods are written with their units. NaN is a missing value.

clock = pd.DataFrame({"date": date})
y = np.where(known, demand, np.nan)
model = SeasonalRidge(["1D", "7D", "365.25D"], nan_is_hole=True)
start = time.process_time()
model.fit(clock, y)
print(f"{time.process_time() - start:.1f} s; alphas {model.alphas_}, exponents {model.exponents_}")
components, deviations = model.predict_components(clock, return_std=True)
for name, part, deviation in zip(truth, components.T, deviations.T, strict=True):
    error = (part - truth[name].to_numpy())[past]
    inside = np.mean(np.abs(error) < 1.96 * deviation[past])
    print(f"{name:6} root mean square error {np.std(error):.2f} MW, {inside:.0%} within 95 %")

figure, axes = plt.subplots(2, 2, figsize=(12, 6.5), layout="constrained")
windows = [(0, len(t)), (0, 24), (0, 168), (0, 8766)]
for ax, name, part, deviation, (first, last) in zip(
    axes.flat, truth, components.T, deviations.T, windows, strict=True
):
    at = slice(first, last, max(1, (last - first) // 2000))
    ax.plot(date[at], truth[name].iloc[at], color="black", linewidth=1, label="true")
    ax.plot(date[at], part[at], color="#D55E00", label="SeasonalRidge")
    low, high = (part + sign * 1.96 * deviation for sign in (-1, 1))
    ax.fill_between(date[at], low[at], high[at], color="#D55E00", alpha=0.25, linewidth=0)
    ax.set(title=name, ylabel="MW")
    ax.tick_params(axis="x", rotation=20)
axes[0, 0].axvspan(
    date[gap][0], date[gap][-1], color="#999999", alpha=0.3, label="three weeks lost"
)
axes[0, 0].axvline(date[~past][0], color="#0072B2", linestyle="--", label="forecast from here")
axes[0, 0].legend(loc="lower left")

# %%
# Beside the usual ways
# ---------------------
# Splines, periodic in the hour of the day, the hour of the week and the day of the year, with a
# ridge; boosted trees on the same columns; MSTL. Of these, MSTL alone needs a complete series: the
# missing hours are interpolated first. It has no year here, as it drops periods of more than half
# the series; its year is in its trend. It forecasts nothing.

columns = np.column_stack([t, hour, weekday, (t % 365.25) / 365.25])


def circle(n_knots: int, period: float) -> SplineTransformer:
    knots = np.linspace(0, period, n_knots)[:, None]
    return SplineTransformer(knots=knots, extrapolation="periodic")


splines = make_pipeline(
    make_column_transformer(
        (SplineTransformer(12, extrapolation="linear"), [0]),
        (circle(25, 1), [1]),
        (circle(85, 7), [2]),
        (circle(25, 1), [3]),
    ),
    RidgeCV(np.logspace(-4, 3, 15)),
)
trees = HistGradientBoostingRegressor(random_state=0)


def by_mstl() -> np.ndarray:
    complete = pd.Series(demand).where(known).interpolate()[past]
    parts = MSTL(complete, periods=(24, 168)).fit()
    inside = (parts.trend + parts.seasonal.sum(axis=1)).to_numpy()
    return np.concatenate([inside, np.full((~past).sum(), np.nan)])


ways = {
    "SeasonalRidge": lambda: model.fit(clock, y).predict(clock),
    "SplineTransformer, RidgeCV": lambda: splines.fit(columns[known], demand[known]).predict(
        columns
    ),
    "HistGradientBoosting": lambda: trees.fit(columns[known], demand[known]).predict(columns),
    "MSTL of the interpolated series": by_mstl,
}
places = {"known": known, "missing": missing & ~gap, "three weeks": gap, "forecast": ~past}
print(
    f"{'error of the signal, MW':32}" + "".join(f"{place:>12}" for place in places) + "      CPU s"
)
for way, predict in ways.items():
    start = time.process_time()
    predicted = predict()
    seconds = time.process_time() - start
    errors = [np.sqrt(np.mean((predicted - signal)[at] ** 2)) for at in places.values()]
    print(f"{way:32}" + "".join(f"{error:12.2f}" for error in errors) + f"{seconds:11.1f}")

# %%
# Holidays and weather
# --------------------
# What the clock does not know stands in further columns. Here five holidays a year lower the demand
# by 9 MW, and each degree below 15 raises it by 0.7: `covariates` have a coefficient each, fitted
# together with the seasons.

weather = random.normal(scale=3, size=len(t) // 24).repeat(24)  # of each day
degrees = 11 - 9 * np.cos(2 * np.pi * (t - 15) / 365.25) + weather
table = clock.assign(
    holiday=np.isin(date.day_of_year, [1, 6, 121, 276, 359]).astype(float),
    heating=np.maximum(15 - degrees, 0),
)
moved = y - 9 * table["holiday"] + 0.7 * table["heating"]
beside = SeasonalRidge(model.periods, nan_is_hole=True, covariates=["holiday", "heating"])
beside.fit(table, moved)
for name, coef, std in zip(
    ["holiday", "heating"], beside.covariate_coef_, beside.covariate_std_, strict=True
):
    print(f"{name}: {coef:.2f} +- {std:.2f} MW")

# %%
# A real series: carbon dioxide
# -----------------------------
# Weekly values of Mauna Loa, 1958 to 2001. A third of the half-years is left out, to be filled in.
# MSTL is given the dates that there are, as if they were regular.

co2, (year,) = load_signal("co2")
half_year = ((year - year[0]) / 0.5).astype(int)
n_halves = half_year[-1] + 1
columns = np.column_stack([year, year % 1])
splines = make_pipeline(
    make_column_transformer((SplineTransformer(40), [0]), (circle(13, 1), [1])),
    RidgeCV(np.logspace(-6, 2, 17)),
)


def fill(unseen: np.ndarray) -> dict[str, np.ndarray]:
    seen = ~unseen
    complete = pd.Series(np.interp(year, year[seen], co2[seen]))
    parts = MSTL(complete, periods=52).fit()
    return {
        "SeasonalRidge": SeasonalRidge(1).fit(year[seen, None], co2[seen]).predict(year[:, None]),
        "SplineTransformer, RidgeCV": splines.fit(columns[seen], co2[seen]).predict(columns),
        "HistGradientBoosting": trees.fit(columns[seen], co2[seen]).predict(columns),
        "MSTL of the interpolated series": (parts.trend + parts.seasonal).to_numpy(),
    }


errors: dict[str, list[float]] = {}
for seed in range(5):
    unseen = np.isin(half_year, np.random.default_rng(seed).permutation(n_halves)[: n_halves // 3])
    for way, filled in fill(unseen).items():
        errors.setdefault(way, []).append(np.sqrt(np.mean((filled - co2)[unseen] ** 2)))
print("root mean square error in half-years left out, ppm: mean of five draws")
for way, each in errors.items():
    print(f"{way:32}{np.mean(each):8.2f}")

# %%
# Forecasts are what they are
# ---------------------------
# Beyond the samples the trend goes on as a straight line, and the season repeats. No sample says
# how long such a line holds, so the standard deviation grows with the distance to the power 3/2.
# Here the last eleven years are forecast from those before, and look right; the band says how much
# of that is luck. In the table above, trees forecast about as well as the line: they hold the last
# level.

seen = year < 1991
forecast, std = (
    SeasonalRidge(1).fit(year[seen, None], co2[seen]).predict(year[:, None], return_std=True)
)
error = (forecast - co2)[~seen]
print(f"forecast: root mean square error {np.sqrt(np.mean(error**2)):.2f} ppm;", end=" ")
print(f"std {std[~seen][0]:.2f} in 1991, {std[-1]:.1f} in 2001")

figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
filled, filled_std = (
    SeasonalRidge(1).fit(year[~unseen, None], co2[~unseen]).predict(year[:, None], return_std=True)
)
for ax, hidden, line, band, title, limits in [
    (axes[0], unseen, filled, filled_std, "Half-years filled in", ((1972, 1982), (325, 343))),
    (axes[1], ~seen, forecast, std, "Forecast from 1991", ((1985, 2002), (335, 385))),
]:
    ax.plot(year[~hidden], co2[~hidden], ".", color="black", markersize=3, label="known")
    ax.plot(year[hidden], co2[hidden], ".", color="#0072B2", markersize=3, label="hidden")
    ax.plot(year, line, color="#D55E00", linewidth=1, label="SeasonalRidge")
    ax.fill_between(
        year, line - 1.96 * band, line + 1.96 * band, color="#D55E00", alpha=0.25, linewidth=0
    )
    ax.set(title=title, xlabel="year", ylabel="CO2, ppm by volume", xlim=limits[0], ylim=limits[1])
    ax.legend(loc="upper left")
plt.show()
