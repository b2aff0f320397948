"""
Categories on a map
===================

A survey has noted at a tenth of the places of a map whether they lie in a valley, on a slope or on
a ridge. What are the places between? The map is the Jacksboro fault in Tennessee; its zones are
thirds by height. A coordinate network answers with probabilities. Beside it stand nearest
neighbours and trees.

Neighbours name the right zone most often, and are quickest. The probabilities of a network with an
encoder are better than theirs and than those of trees: its log loss is lower. Take it where
probabilities count. Without an encoder it is behind them all.

::

    python examples/classes.py
"""

# %%
# The survey
# ----------

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier

from sk_posenc import (
    CoordinateMLPClassifier,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    samples_to_grid,
)

height, axes = load_signal("elevation")
height, axes = height[::2, ::2], tuple(axis[::2] for axis in axes)
places, metres = grid_samples(height, axes)
zone = np.array(["valley", "slope", "ridge"])[
    np.digitize(metres, np.quantile(metres, [1 / 3, 2 / 3]))
]
known = np.random.default_rng(0).uniform(size=len(zone)) < 0.1
X, y = places[known], zone[known]
print(f"{known.sum():,} of {len(zone):,} places are known")

# %%
# The fits
# --------
# Neighbours choose their number by cross-validation. Both networks stop when the loss on a tenth
# of each zone no longer falls.

settings = {
    "hidden_layer_sizes": (128, 128),
    "max_epochs": 60,
    "lr": 1e-3,
    "lr_schedule": "constant",
    "early_stopping": 8,
    "random_state": 0,
    "device": "cpu",
}
models = {
    "nearest neighbours": GridSearchCV(
        KNeighborsClassifier(weights="distance"), {"n_neighbors": [3, 5, 9, 15]}
    ),
    "gradient boosting": HistGradientBoostingClassifier(random_state=0),
    "extra trees": ExtraTreesClassifier(200, min_samples_leaf=2, random_state=0),
    "network, raw": CoordinateMLPClassifier(**settings),
    "network, shifts": CoordinateMLPClassifier(ShiftedBasisEncoder(), **settings),
    "network, random Fourier": CoordinateMLPClassifier(
        RandomFourierEncoder(random_state=0), **settings
    ),
}
zones = {}
print(f"{'':24} right  log loss  seconds")
for name, model in models.items():
    start = time.process_time()
    probabilities = model.fit(X, y).predict_proba(places)
    seconds = time.process_time() - start
    guess = model.classes_[probabilities.argmax(axis=1)]
    right = np.mean(guess[~known] == zone[~known])
    loss = log_loss(zone[~known], probabilities[~known], labels=model.classes_)
    zones[f"{name}: {right:.1%}"] = guess
    print(f"{name:24} {right:.1%}  {loss:8.3f}  {seconds:7.1f}")

# %%
# The maps
# --------

order = {"valley": 0, "slope": 1, "ridge": 2}


def picture(labels):
    """Numbers of the zones on the grid of the map."""
    return samples_to_grid(np.array([order[each] for each in labels], dtype=float), height.shape)


survey = picture(zone)
survey[~known.reshape(height.shape)] = np.nan
shown = {"all places": picture(zone), "the survey": survey}
shown |= {name: picture(labels) for name, labels in zones.items()}
figure, panels = plt.subplots(2, 4, figsize=(14, 7), layout="constrained")
for panel, (name, values) in zip(panels.flat, shown.items(), strict=True):
    panel.imshow(values, origin="lower", cmap="viridis", vmin=0, vmax=2)
    panel.set(title=name, xticks=[], yticks=[])
plt.show()
