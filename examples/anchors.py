"""
Positions on a graph: what anchors tell apart
=============================================

Nodes of a graph have no coordinates. Their distances to a few nodes, the *anchors*, give them some.
Here the nodes are places of a height map, and lakes are in the way: the nearest way by land is what
counts. The page shows the distances, what a few anchors can and cannot tell apart, and how to
choose their number.

::

    python examples/anchors.py
"""

# %%
# A map with holes
# ----------------
# Cells of the map are linked to their neighbours on land. The lakes are drawn at random.

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage, sparse
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from sk_posenc import (
    AnchorDistanceEncoder,
    load_signal,
    make_path_preservation_scorer,
    stable_rank_scorer,
)

heights = load_signal("elevation")[0][::8, ::8]
level = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=heights.shape), 2)
land = level < np.quantile(level, 0.7)
parts = ndimage.label(land)[0]
land = parts == np.argmax(np.bincount(parts[land]))  # what can be reached


def linked(land):
    """The graph of cells of land, each linked to its neighbours."""
    number = np.cumsum(land).reshape(land.shape) - 1
    pairs = []
    for here, there in [((slice(1, None),), (slice(None, -1),)), (np.s_[:, 1:], np.s_[:, :-1])]:
        both = land[here] & land[there]
        pairs.append(np.stack([number[here][both], number[there][both]]))
    i, j = np.concatenate(pairs, axis=1)
    shape = (land.sum(), land.sum())
    return sparse.csr_array((np.ones(2 * len(i)), (np.r_[i, j], np.r_[j, i])), shape=shape)


graph, y = linked(land), heights[land]
nodes = np.arange(len(y))[:, None]
print(f"{len(y)} nodes, {graph.nnz // 2} links")

# %%
# Distances to anchors
# --------------------
# Rings of equal distance bend around the lakes. `placement="spread"` sets each anchor as far as can
# be from those before it.

encoder = AnchorDistanceEncoder(3, placement="spread", graph=graph, random_state=1).fit(nodes)


def on_map(values):
    filled = np.full(land.shape, np.nan)
    filled[land] = values
    return filled


figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
places = np.argwhere(land)
for ax, anchor, distance in zip(axes, encoder.anchors_, encoder.distances_.T, strict=True):
    image = ax.imshow(on_map(distance), cmap="viridis", vmin=0, vmax=encoder.distances_.max())
    row, column = places[anchor]
    ax.plot(column, row, "o", color="tab:red", markeredgecolor="white", markersize=9)
    ax.set(title=f"hops to node {anchor}", xticks=[], yticks=[])
figure.colorbar(image, ax=axes, label="hops", shrink=0.8)

# %%
# What anchors tell apart
# -----------------------
# Nodes of equal colour have the same distances to all anchors (red rings), and no model can tell
# them apart. On a ring, two anchors that are opposite each other are no better than one, and two
# neighbours are enough for all. On a grid two corners of one side are enough; the centre and
# opposite corners are not.


def ring(n=12):
    return sparse.csr_array(np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0))


angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
circle = np.stack([np.sin(angle), np.cos(angle)], axis=1)
square = np.stack([each.ravel() for each in np.meshgrid(range(5), range(5))], axis=1)
cases = [
    ("ring, one anchor", ring(), circle, [0]),
    ("ring, opposite", ring(), circle, [0, 6]),
    ("ring, neighbours", ring(), circle, [0, 1]),
    ("grid, the centre", linked(np.ones((5, 5), dtype=bool)), square, [12]),
    ("grid, opposite corners", linked(np.ones((5, 5), dtype=bool)), square, [0, 24]),
    ("grid, one side", linked(np.ones((5, 5), dtype=bool)), square, [0, 4]),
]


def distinct(adjacency, anchors):
    """A number for each node, the same for nodes with the same distances."""
    encoded = AnchorDistanceEncoder(anchors).fit_transform(adjacency)
    return np.unique(encoded.round(9), axis=0, return_inverse=True)[1].ravel()


def draw_case(ax, name, adjacency, places, anchors):
    kinds = distinct(adjacency, anchors)
    for i, j in zip(*sparse.triu(adjacency).nonzero(), strict=True):
        ax.plot(*places[[i, j]].T, color="0.8", zorder=1)
    ax.scatter(*places.T, c=kinds, cmap="nipy_spectral", s=110, edgecolors="white", zorder=2)
    options = {"facecolors": "none", "edgecolors": "tab:red", "linewidths": 2}
    ax.scatter(*places[anchors].T, s=230, zorder=3, **options)
    ax.set_title(f"{name}\n{len(set(kinds))} of {len(kinds)} told apart", fontsize=10)
    ax.set_aspect("equal")
    ax.margins(0.15)
    ax.axis("off")


figure, axes = plt.subplots(2, 3, figsize=(8, 5.8), layout="constrained")
for ax, case in zip(axes.flat, cases, strict=True):
    draw_case(ax, *case)

# %%
# How many anchors?
# -----------------
# A search has the scorers of the package: stable rank, how much the encoding can hold, and path
# preservation, whether it is near where nodes are near along paths. The last column is what counts
# in the end: R² of the heights at nodes that were left out, by their five nearest neighbours in
# the encoding. The graph stays whole while folds split its nodes.

encoder = AnchorDistanceEncoder(graph=graph, placement="spread", random_state=0)
counts = {"anchors": [1, 2, 4, 8, 16, 32]}
folds = KFold(3, shuffle=True, random_state=0)
scoring = {"stable rank": stable_rank_scorer, "paths": make_path_preservation_scorer(graph)}
lens = GridSearchCV(encoder, counts, scoring=scoring, refit="paths", cv=folds).fit(nodes)
model = make_pipeline(encoder, KNeighborsRegressor(5, weights="distance"))
grid = {f"anchordistanceencoder__{name}": values for name, values in counts.items()}
search = GridSearchCV(model, grid, cv=folds).fit(nodes, y)

columns = {
    "stable rank": lens.cv_results_["mean_test_stable rank"],
    "path preservation": lens.cv_results_["mean_test_paths"],
    "R² of heights": search.cv_results_["mean_test_score"],
}
print("anchors", *(f"{name:>18}" for name in columns))
for i, number in enumerate(counts["anchors"]):
    print(f"{number:7}", *(f"{values[i]:18.2f}" for values in columns.values()))

figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
for ax, (name, values) in zip(axes, columns.items(), strict=True):
    ax.plot(counts["anchors"], values, "o-")
    ax.set(title=name, xlabel="anchors", xscale="log")
    ax.set_xticks(counts["anchors"], counts["anchors"])
    ax.minorticks_off()

if __name__ == "__main__":
    plt.show()
