"""
A map from scattered soundings
==============================

The heights of a landscape, known at some 5,000 places: 4,000 scattered ones, and others along
tracks, as a ship or an aircraft would sound them. ``KroneckerRidgeCV`` chooses how smooth
the map is, on cells that it holds out. It is compared with Delaunay triangles and Clough-Tocher
patches. The last panel shows its errors, and that beyond the soundings it knows nothing.

::

    python examples/soundings.py
"""

# %%
# The samples
# -----------
# Soundings are taken from three quarters of the map along each axis, so that the rest is
# extrapolation, plain to see.

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import CloughTocher2DInterpolator, LinearNDInterpolator
from scipy.spatial import Delaunay

from sk_posenc import KroneckerRidgeCV, grid_samples, load_signal, psnr_score, samples_to_grid

heights, axes = load_signal("elevation")
X, metres = grid_samples(heights, axes)
rng = np.random.default_rng(0)
row, column = np.indices(heights.shape).reshape(2, -1)
surveyed = (row > heights.shape[0] // 4) & (column < 3 * heights.shape[1] // 4)
tracks = surveyed & ((row - 2 * column) % 61 == 0) & (rng.uniform(size=len(X)) < 0.9)
tracks &= np.cumsum(tracks) <= 2_000
scattered = rng.permutation(np.flatnonzero(surveyed & ~tracks))[:4_000]
known = tracks.copy()
known[scattered] = True

# %%
# Fits
# ----
# Errors count on cells inside the triangulation of the soundings, and apart from them beyond.

start = time.perf_counter()
model = KroneckerRidgeCV().fit(X[known], metres[known])
maps = {"KroneckerRidgeCV": model.predict(X)}
seconds = {"KroneckerRidgeCV": time.perf_counter() - start}
for name, interpolator in {
    "Clough-Tocher": CloughTocher2DInterpolator,
    "Delaunay": LinearNDInterpolator,
}.items():
    start = time.perf_counter()
    maps[name] = interpolator(X[known], metres[known])(X)
    seconds[name] = time.perf_counter() - start

inside = (Delaunay(X[known]).find_simplex(X) >= 0) & ~known
span = float(np.ptp(metres))
print(f"{known.sum():,} soundings, penalty {model.penalty_:g}, alpha {model.alpha_:.2g}")
for name, filled in maps.items():
    error = np.sqrt(np.mean((filled - metres)[inside] ** 2))
    psnr = psnr_score(metres[inside], filled[inside], data_range=span)
    print(f"{name:17} {error:6.2f} m  {psnr:.2f} dB  {seconds[name]:.2f} s")
beyond = ~inside & ~known
outside = np.sqrt(np.mean((maps["KroneckerRidgeCV"] - metres)[beyond] ** 2))
print(f"KroneckerRidgeCV  {outside:6.2f} m beyond the soundings, where the others have no value")

# %%
# The maps
# --------
# Beyond the outermost soundings a coordinate counts as the nearest that was seen, and the map runs
# on in stripes. The error at the lower right says what that is worth: nothing. The triangulations
# say so themselves, by having no value there; ``KroneckerRidgeCV`` leaves it to you.

figure, panels = plt.subplots(2, 3, figsize=(12, 8), layout="constrained")
(low, high), lines = (metres.min(), metres.max()), np.linspace(metres.min(), metres.max(), 12)
extent = (axes[1][0], axes[1][-1], axes[0][0], axes[0][-1])
pictures = {
    "the truth": metres,
    "soundings": np.where(known, metres, np.nan),
    **{f"{name}, {seconds[name]:.2f} s": filled for name, filled in maps.items()},
}
for panel, (name, values) in zip(panels.flat, pictures.items(), strict=False):
    grid = samples_to_grid(values, heights.shape)
    drawn = panel.imshow(grid, extent=extent, origin="lower", vmin=low, vmax=high, cmap="terrain")
    if name != "soundings":
        panel.contour(axes[1], axes[0], grid, lines, colors="black", linewidths=0.3)
    panel.set(title=name, xticks=[], yticks=[])
figure.colorbar(drawn, ax=panels[0, :], label="metres", shrink=0.8)
error = samples_to_grid(maps["KroneckerRidgeCV"] - metres, heights.shape)
limit = float(np.quantile(np.abs(error), 0.99))
drawn = panels.flat[-1].imshow(
    error, extent=extent, origin="lower", vmin=-limit, vmax=limit, cmap="RdBu_r"
)
panels.flat[-1].set(title="error of KroneckerRidgeCV", xticks=[], yticks=[])
figure.colorbar(drawn, ax=panels[1, :], label="metres", shrink=0.8)
plt.show()
