"""
Stations to maps: a table with dates, gaps and elevation
========================================================

A table of stations, as files of weather services have it, becomes a map for each month with error
bars: a ``Dataset`` of xarray, a file of NetCDF and a picture. The table is simulated, so that the
maps can be compared with the truth: 60 stations report on dates of their own over a year, one
value in eight is missing, and temperatures fall with elevation.

::

    python examples/stations.py
"""

# %%
# The table
# ---------
# One row for each report, with a column of dates. Reports without a value are NaN.

import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from sklearn.model_selection import KFold, cross_val_predict

from sk_posenc import CoordinateKFold, KroneckerRidge, KroneckerRidgeCV, predict_grid

rng = np.random.default_rng(0)


def elevation(lon, lat):
    """Metres of a simulated landscape."""
    return 900 * np.exp(-((lon - 9.5) ** 2 + (lat - 46.8) ** 2) / 0.8) + 120 * np.sin(3 * lon) ** 2


def temperature(lon, lat, dates, metres):
    """Degrees of a simulated climate: a year that is later and milder towards the west."""
    day = (pd.to_datetime(dates) - pd.Timestamp("2023-01-01")) / pd.Timedelta("1D")
    season = np.cos(2 * np.pi * (np.asarray(day, dtype=float) - 200 + 6 * (lon - 9)) / 365.25)
    return 12 - 0.9 * (lat - 46) + (9 + lon - 9) * season + np.sin(2 * lat + lon) - 0.0065 * metres


stations = pd.DataFrame({"lon": rng.uniform(7, 11, 60), "lat": rng.uniform(45, 49, 60)})
stations["metres"] = elevation(stations["lon"], stations["lat"])
table = stations.loc[np.repeat(stations.index, 20)].rename_axis("station").reset_index()
offsets = pd.to_timedelta(rng.integers(0, 365, len(table)), unit="D")
table["date"] = pd.Timestamp("2023-01-01") + offsets
truth = temperature(table["lon"], table["lat"], table["date"], table["metres"])
table["degrees"] = truth + rng.normal(0, 0.5, len(table))
table.loc[rng.random(len(table)) < 1 / 8, "degrees"] = np.nan
print(table.head())

# %%
# Elevation beside place and date
# -------------------------------
# A map has one elevation at each place, so it is no axis of its own. As a covariate it adds a
# straight line, whose slope is the lapse rate, beside a smooth function of place and date. Both are
# fitted together.

known = table.dropna(subset=["degrees"])
X, y = known[["date", "lat", "lon", "metres"]], known["degrees"]
model = KroneckerRidgeCV(covariates=["metres"]).fit(X, y)
lapse, unsure = 1000 * model.covariate_coef_[0], 1000 * model.covariate_std_[0]
print(f"lapse rate {lapse:.1f} +- {unsure:.1f} degrees a kilometre (true: -6.5)")
print(f"penalty {model.penalty_}, alpha {model.alpha_:.2g}, first date {model.dates_[0].origin}")

# %%
# How good is it where there is no station?
# -----------------------------------------
# Whole stations are left out, by ``groups``. Folds of single reports test something else: other
# reports of the same station stay in training.

chosen = {"alpha": model.alpha_, "penalty": model.penalty_, "covariates": ["metres"]}
plain = KroneckerRidge(model.best_encoder_, **chosen)
rows = np.arange(len(X))
for name, folds in {
    "stations left out": CoordinateKFold(4).split(X.iloc[:, :3], groups=known["station"]),
    "reports left out": KFold(4, shuffle=True, random_state=0).split(rows),
}.items():
    fitted = cross_val_predict(plain, X, y, cv=list(folds))
    print(f"{name}: off by {np.sqrt(np.mean((fitted - y) ** 2)):.2f} degrees")

# %%
# Twelve maps with error bars
# ---------------------------
# ``predict_grid`` gives a Dataset with coordinates and dates, from the elevation of each cell. The
# standard deviations know of the error of the lapse rate too.

coords = {
    "date": pd.date_range("2023-01-01", periods=12, freq="MS") + pd.Timedelta("14D"),
    "lat": np.linspace(45, 49, 41),
    "lon": np.linspace(7, 11, 41),
}
place = xr.Dataset(coords={"lat": coords["lat"], "lon": coords["lon"]})
metres = elevation(place.lon, place.lat)
maps = predict_grid(model, coords=coords, return_std=True, covariates={"metres": metres})
maps = maps.rename(prediction="degrees", prediction_std="degrees_std")
maps["metres"], maps.degrees.attrs["units"] = metres, "degC"
real = xr.concat([temperature(maps.lon, maps.lat, day, metres) for day in coords["date"]], "date")
error = maps.degrees.to_numpy() - real.transpose(*coords).to_numpy()
within = np.mean(np.abs(error) < 2 * maps.degrees_std.to_numpy())
print(f"maps off by {np.sqrt(np.mean(error**2)):.2f} degrees; {within:.0%} within two error bars")

# %%
# Saved, and loaded in another process
# ------------------------------------
# The maps are a file of NetCDF, the model a pickle. Another process reads both, and its map of the
# same dates is the same.

folder = Path(tempfile.mkdtemp())
maps.to_netcdf(folder / "maps.nc", engine="h5netcdf")
joblib.dump(model, folder / "model.joblib")
script = """
import sys, joblib, xarray
from sk_posenc import predict_grid
saved = xarray.load_dataset(sys.argv[1] + "/maps.nc", engine="h5netcdf")
again = predict_grid(joblib.load(sys.argv[1] + "/model.joblib"), like=saved.degrees_std,
                     return_std=True, covariates={"metres": saved.metres})
print("another process:", dict(saved.sizes), "off by",
      float(abs(again.degrees_std_std - saved.degrees_std).max()))
"""
told = subprocess.run(
    [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
)
print(told.stdout)

# %%
# Four months and their error bars
# --------------------------------

figure, panels = plt.subplots(2, 4, figsize=(12, 6), layout="constrained", sharex=True, sharey=True)
months = [0, 3, 6, 9]
ends = {"vmin": float(maps.degrees.min()), "vmax": float(maps.degrees.max())}
largest = {"vmin": 0, "vmax": float(maps.degrees_std.max())}
for column, month in enumerate(months):
    for row, (name, cmap, limits) in enumerate(
        [("degrees", "cividis", ends), ("degrees_std", "Purples", largest)]
    ):
        shown = panels[row, column].pcolormesh(
            maps.lon, maps.lat, maps[name][month], cmap=cmap, rasterized=True, **limits
        )
        panels[row, column].plot(stations["lon"], stations["lat"], "k.", markersize=3)
        if column == 3:
            label = "temperature, degrees C" if row == 0 else "error bar, degrees C"
            figure.colorbar(shown, ax=panels[row, :], label=label)
    panels[0, column].set_title(f"{coords['date'][month]:%B %Y}", fontsize="medium")
    panels[1, column].set_xlabel("longitude")
for row in panels:
    row[0].set_ylabel("latitude")
figure.savefig(folder / "maps.png", dpi=100)
print(f"written to {folder}: maps.nc, model.joblib, maps.png")
plt.show()
