"""
Three signals in ten lines each
===============================

An image with lost pixels, heights known at some places, a series with a season and a gap: what the
first page shows, with the seconds that each takes.

::

    OMP_NUM_THREADS=1 python examples/three_signals.py three_signals.png
"""

# %%
# An image with lost pixels
# -------------------------
# What is masked or NaN is lost. ``fill_grid`` fills it, and leaves the rest as it is.

import sys
import time

import matplotlib.pyplot as plt
import numpy as np

from sk_posenc import KroneckerRidgeCV, SeasonalRidge, fill_grid, grid_samples, load_signal

start = time.process_time()
photograph = load_signal("coffee")[0][::2, ::2]
row, column, colour = np.indices(photograph.shape)
lost = (row + 2 * column) % 60 < 5
repaired = fill_grid(np.ma.array(photograph, mask=lost), channels=True)
error = np.sqrt(np.mean((repaired - photograph)[lost] ** 2))
print(f"image: {time.process_time() - start:.1f} s; off by {error:.3f} where white is 1")

figure, axes = plt.subplots(2, 3, figsize=(12, 6.4), layout="constrained")
axes[0, 0].imshow(np.where(lost, 1, photograph))
axes[0, 0].set(title="pixels are lost", xticks=[], yticks=[])
axes[1, 0].imshow(np.clip(repaired, 0, 1))
axes[1, 0].set(title="filled", xticks=[], yticks=[])

# %%
# Heights at some places
# ----------------------
# The places may lie anywhere. The standard deviation says how sure the map is of itself.

start = time.process_time()
landscape, (north, east) = load_signal("elevation")
places, metres = grid_samples(landscape[::4, ::4], (north[::4], east[::4]))
known = np.random.default_rng(0).permutation(len(places))[:800]
model = KroneckerRidgeCV().fit(places[known], metres[known])
filled, deviation = model.predict(places, return_std=True)
off = filled - metres
print(
    f"places: {time.process_time() - start:.1f} s; off by {np.sqrt(np.mean(off**2)):.0f} m, "
    f"{np.mean(np.abs(off) < 2 * deviation):.0%} within two deviations"
)

maps = {"heights": filled, "standard deviation": deviation}
for axis, (title, values) in zip(axes[:, 1], maps.items(), strict=True):
    shown = axis.tripcolor(places[:, 1], places[:, 0], values, rasterized=True)
    figure.colorbar(shown, ax=axis, label="m")
    axis.set(title=title, xlabel="degrees east", ylabel="degrees north")
axes[0, 1].plot(places[known, 1], places[known, 0], "k.", markersize=1)

# %%
# A series with a season and a gap
# --------------------------------
# Years are the unit, so the season repeats after 1. The series is carbon dioxide on Mauna Loa.

start = time.process_time()
co2, (year,) = load_signal("co2")
gap = (year > 1975) & (year < 1980)
series = SeasonalRidge(1, nan_is_hole=True).fit(year[:, None], np.where(gap, np.nan, co2))
line, spread = series.predict(year[:, None], return_std=True)
trend, season = series.predict_components(year[:, None]).T
off = (line - co2)[gap]
print(
    f"series: {time.process_time() - start:.1f} s; off by {np.sqrt(np.mean(off**2)):.2f} ppm in "
    f"the gap, at most {np.abs(off).max():.2f}"
)

axes[0, 2].plot(year[~gap], co2[~gap], "k.", markersize=2)
axes[0, 2].plot(year, line, color="#D55E00", linewidth=1)
axes[0, 2].fill_between(year, line - 2 * spread, line + 2 * spread, color="#D55E00", alpha=0.3)
axes[0, 2].set(xlim=(1972, 1983), ylim=(324, 345), title="a gap of five years", ylabel="CO2, ppm")
axes[1, 2].plot(year[1000:1104], season[1000:1104], color="#0072B2")
axes[1, 2].set(title="its season", xlabel="year", ylabel="CO2, ppm")
if len(sys.argv) == 2:  # the name of a picture
    figure.savefig(sys.argv[1], dpi=80)
plt.show()
