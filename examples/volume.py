"""
Three axes: months, latitude, longitude
=======================================

The temperature of the sea around the equator over 54 months is a volume. One voxel in a hundred
is known. A small network on encoded coordinates, a ridge in closed form and the classical methods
fill in the rest.

::

    python examples/volume.py
"""

# %%
# The samples
# -----------
# ``grid_samples`` takes arrays of any number of axes, which keep their units: years, degrees. Land
# has no temperature and is left out. 20,000 unseen voxels are enough to test on.

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import LinearNDInterpolator
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sk_posenc import (
    CoordinateMLPRegressor,
    KroneckerRidge,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    samples_to_grid,
)

volume, (year, latitude, longitude) = load_signal("sea_temperature")
cells, celsius = grid_samples(volume, (year, latitude, longitude))
sea = np.isfinite(celsius)
X, y = cells[sea], celsius[sea]
order = np.random.default_rng(0).permutation(len(y))
known, unseen = order[: len(y) // 100], order[-20_000:]
print(f"{len(y):,} voxels of sea, {len(known):,} known")

# %%
# One encoder for three axes
# --------------------------
# Stable ranks say what each axis can hold: 54 months of which a dozen or so are independent, five
# places across ten degrees, thirty around the globe, which is a circle.
#
# The network has the columns of the three axes side by side and multiplies them where it must.
# The closed form has all their products; with fewer samples than products it works on the kernels
# of the axes (``layout_`` is "dual").

encoder = ShiftedBasisEncoder(
    stable_rank=(16, 5, 30),
    domain=((2006.2, 2010.8), (-5, 5), (-180, 180)),
    boundary=("extend", "extend", "periodic"),
)
models = {
    "CoordinateMLPRegressor, 3 layers of 128": CoordinateMLPRegressor(
        encoder, hidden_layer_sizes=(128, 128, 128), lr=1e-3, lr_schedule="cosine", random_state=0
    ),
    "KroneckerRidge": KroneckerRidge(encoder, penalty="slope", alpha=1),
}


# %%
# Methods that measure distances need one unit for all axes. A month counts as 1.7 degrees of
# latitude and 5 of longitude, which suits this sea; the encoders have the same choice in their
# stable ranks.


def scaled(X: np.ndarray) -> np.ndarray:
    return X * [20, 1, 1 / 3]


def delaunay(X: np.ndarray) -> np.ndarray:
    filled = LinearNDInterpolator(scaled(X0), y0)(scaled(X))
    outside = np.isnan(filled)
    filled[outside] = models["4 nearest neighbours"].predict(X[outside])
    return filled


X0, y0 = X[known], y[known]
models |= {
    "4 nearest neighbours": make_pipeline(
        FunctionTransformer(scaled), KNeighborsRegressor(4, weights="distance")
    ),
    "ExtraTrees": ExtraTreesRegressor(100, random_state=0),
    "HistGradientBoosting": HistGradientBoostingRegressor(max_iter=500),
}
print(f"{'root mean square error, degrees Celsius':42} unseen  seconds")
for name, model in models.items():
    start = time.perf_counter()
    error = np.sqrt(np.mean((model.fit(X0, y0).predict(X[unseen]) - y[unseen]) ** 2))
    print(f"{name:42} {error:6.3f} {time.perf_counter() - start:8.1f}")
start = time.perf_counter()
error = np.sqrt(np.mean((delaunay(X[unseen]) - y[unseen]) ** 2))
print(f"{'Delaunay, linear':42} {error:6.3f} {time.perf_counter() - start:8.1f}")

# %%
# A slice
# -------
# Longitude over time at the equator: El Niño at the end of 2006 and of 2009, La Niña between.

on_equator = sea & (np.abs(cells[:, 1]) < 0.01)
shape = (len(year), len(longitude))
row = np.abs(cells[:, 1]) < 0.01


def as_slice(values: np.ndarray) -> np.ndarray:
    filled = np.full(len(cells), np.nan)
    filled[on_equator] = values
    return samples_to_grid(filled[row], shape)


at = cells[on_equator]
given = np.full(len(cells), np.nan)
given[np.flatnonzero(sea)[known]] = y0
network, ridge = (models[name] for name in list(models)[:2])
shown = {
    "what was measured": as_slice(celsius[on_equator]),
    "one voxel in a hundred": as_slice(given[on_equator]),
    "CoordinateMLPRegressor": as_slice(network.predict(at)),
    "KroneckerRidge": as_slice(ridge.predict(at)),
    "Delaunay, linear": as_slice(delaunay(at)),
    "ExtraTrees": as_slice(models["ExtraTrees"].predict(at)),
}
figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained", sharex=True, sharey=True)
for axis, (name, values) in zip(axes.flat, shown.items(), strict=True):
    picture = axis.imshow(
        values,
        origin="lower",
        extent=(-180, 180, year[0], year[-1]),
        aspect="auto",
        vmin=21,
        vmax=30,
        interpolation="nearest",
    )
    axis.set_title(name)
    axis.set(xticks=[-180, -90, 0, 90, 180], yticks=range(2007, 2011))
figure.supxlabel("longitude, degrees east")
figure.colorbar(picture, ax=axes, label="sea surface at the equator, degrees Celsius", shrink=0.7)
plt.show()
