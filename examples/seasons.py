"""
A time series with seasons: time twice
======================================

Carbon dioxide in the air of Mauna Loa rises from year to year and falls each summer. Here each date
is encoded twice: as a date on a line, and as a season on a circle. Line and circle together are a
cylinder, and the series becomes a surface on it. So the season may change slowly over the years. A
third of the half-years is left out, to be filled in.

::

    python examples/seasons.py
"""

# %%
# The series
# ----------
# Weekly values, March 1958 to December 2001. Half-years are known or unknown as a whole.

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer

from sk_posenc import KroneckerRidgeCV, ShiftedBasisEncoder, load_signal

co2, (year,) = load_signal("co2")
X = np.stack([year, year % 1], axis=1)  # the date, the season
half_year = ((year - year[0]) / 0.5).astype(int)
n_halves = half_year[-1] + 1
unknown = np.isin(half_year, np.random.default_rng(0).permutation(n_halves)[: n_halves // 3])
known = ~unknown
print(f"{known.sum()} weeks known, {unknown.sum()} to fill in")

# %%
# A surface on a cylinder
# -----------------------
# The season is periodic, and its domain is the year. What is missing comes in half-years, so
# cross-validation leaves out half-years too: leaving out single weeks would choose a model that
# knows how to fill in weeks.

candidates = [
    [
        ShiftedBasisEncoder(stable_rank=trend),
        ShiftedBasisEncoder(stable_rank=season, domain=(0, 1), boundary="periodic"),
    ]
    for trend, season in [(10, 3), (20, 3), (20, 5)]
]
folds = list(GroupKFold(4).split(X[known], groups=half_year[known]))
surface = KroneckerRidgeCV(candidates, penalties=["slope"], alphas=[0.1, 1, 10], cv=folds)

# %%
# Trend and season added up, one encoder for both columns, is a simpler model: a Pipeline.

sum_of_two = make_pipeline(
    ShiftedBasisEncoder(
        stable_rank=(20, 5), domain=((1958, 2002), (0, 1)), boundary=("extend", "periodic")
    ),
    RidgeCV(np.logspace(-6, 2, 17), cv=folds),
)

# %%
# Beside the usual ones
# ---------------------
# Splines of scikit-learn, periodic in the season; a polynomial with four harmonics of the year, the
# climatologists' custom; boosted trees; linear interpolation.

splines = make_pipeline(
    make_column_transformer(
        (SplineTransformer(40), [0]),
        (SplineTransformer(knots=np.linspace(0, 1, 13)[:, None], extrapolation="periodic"), [1]),
    ),
    RidgeCV(np.logspace(-6, 2, 17), cv=folds),
)


def harmonics(X: np.ndarray) -> np.ndarray:
    decades = (X[:, :1] - 1980) / 10
    turns = 2 * np.pi * X[:, 1:] * np.arange(1, 5)
    return np.concatenate([decades ** np.arange(1, 6), np.sin(turns), np.cos(turns)], axis=1)


models = {
    "surface on a cylinder, KroneckerRidgeCV": surface,
    "sum, ShiftedBasisEncoder and RidgeCV": sum_of_two,
    "sum, SplineTransformer and RidgeCV": splines,
    "polynomial of degree 5 and 4 harmonics": make_pipeline(
        FunctionTransformer(harmonics), LinearRegression()
    ),
    "HistGradientBoosting": HistGradientBoostingRegressor(),
}
filled = {"linear interpolation": np.interp(year, year[known], co2[known])}
print(f"{'root mean square error, ppm':42} unknown   seconds")
for name, model in models.items():
    start = time.perf_counter()
    filled[name] = model.fit(X[known], co2[known]).predict(X)
    error = np.sqrt(np.mean((filled[name] - co2)[unknown] ** 2))
    print(f"{name:42} {error:7.3f} {time.perf_counter() - start:9.2f}")
error = np.sqrt(np.mean((filled["linear interpolation"] - co2)[unknown] ** 2))
print(f"{'linear interpolation':42} {error:7.3f}")
print("chosen:", surface.best_encoder_, "alpha", surface.alpha_)

# %%
# What was learnt
# ---------------
# The surface can be asked for any date and any season. At one date it is a season alone: that of
# the nineties swings more than that of the sixties. A sum has the same season every year, and
# fills gaps as well: splines of scikit-learn are a little better at it here. None of them
# forecasts.

figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained", width_ratios=[2, 1])
axes[0].plot(year[known], co2[known], ".", color="black", markersize=3, label="known")
axes[0].plot(year[unknown], co2[unknown], ".", color="#999999", markersize=2, label="unknown")
weeks = np.arange(1980, 1990, 1 / 52)
axes[0].plot(
    weeks, surface.predict(np.stack([weeks, weeks % 1], 1)), color="#D55E00", label="surface"
)
axes[0].set(xlim=(1980, 1990), ylim=(334, 358), xlabel="year", ylabel="CO2, ppm by volume")
axes[0].legend()
season = np.linspace(0, 1, 200)
for date, colour in [(1965, "#0072B2"), (1980, "#009E73"), (1995, "#D55E00")]:
    swing = surface.predict(np.stack([np.full(200, date), season], axis=1))
    axes[1].plot(12 * season, swing - swing.mean(), color=colour, label=f"{date}")
    print(f"swing of the season in {date}: {np.ptp(swing):.1f} ppm")
axes[1].set(xlabel="month", ylabel="less the mean of the year, ppm", title="Season at a date")
axes[1].legend()
plt.show()
