"""Whether scattered samples lie on tracks or in clusters, so that folds leave neighbours behind."""

import math
import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from sk_posenc.core.grids import lattice_of
from sk_posenc.core.samples_per_axis import samples_per_axis

# A neighbour far enough to tell the density; the places that are asked, and the fewest that tell.
_NEIGHBOUR, _ASKED, _FEWEST = 4, 2048, 50

# How many places the ball that reaches it holds by chance, the median of a gamma distribution.
_BY_CHANCE = 3.672

# Samples with at most this many cells each are a grid with holes.
_CELLS_PER_SAMPLE = 4

# With more axes all places are far from each other.
_MOST_AXES = 4

# Uniformly random samples fill 0.95 to 1.3 of their room, a cloud whose axes correlate by 0.6 fills
# 0.8. Six blobs with a third of the samples anywhere fill 0.65 or less, tracks a tenth.
_CROWDED = 0.7


def warn_of_crowds(X: NDArray, scheme: str) -> None:
    """Warn where a sample that is held out has others of its track or cluster to learn from."""
    filled = room_filled(X)
    if filled < _CROWDED:
        warnings.warn(
            f"the samples fill {filled:.0%} of the room that they span, as tracks or clusters do. "
            f"With scheme={scheme!r} the neighbours of a held-out sample on its track stay in "
            "training, and scores tell of places along tracks, not between them. Pass the track, "
            "cluster or station of each sample as groups to split (or to fit of a search), or set "
            "scheme='block'.",
            UserWarning,
            stacklevel=3,
        )


def room_filled(X: NDArray) -> float:
    """The room about a sample that holds its neighbours, over that of samples at random.

    About 1 where they are at random, whatever their density along each axis; NaN for grids, for few
    samples, and in one axis or more than four.
    """
    varying = X[:, np.ptp(X, axis=0) > 0]
    n_axes = varying.shape[1]
    if not 2 <= n_axes <= _MOST_AXES or lattice_of(varying, _CELLS_PER_SAMPLE * len(X)):
        return math.nan
    places = np.unique(varying, axis=0)
    n = len(places)
    if n < _FEWEST:
        return math.nan
    # each axis made even, in units of the spacing of its samples; a torus has no edges
    lengths = samples_per_axis(places)
    units = (rankdata(places, axis=0) - 0.5) / n * lengths
    tree = cKDTree(units, boxsize=lengths, balanced_tree=False, compact_nodes=False)
    asked = units[np.linspace(0, n - 1, min(n, _ASKED)).astype(int)]
    distances, _ = tree.query(asked, [_NEIGHBOUR + 1])  # the first is the place itself
    ball = math.pi ** (n_axes / 2) / math.gamma(n_axes / 2 + 1)
    expected = ball * distances[:, 0] ** n_axes * n / math.prod(lengths)
    return float(np.median(expected)) / _BY_CHANCE
