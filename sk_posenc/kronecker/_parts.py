"""Parts of the places of samples that stand for all of them."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

# Neighbourhoods of a part, each of places next to each other.
_NEIGHBOURHOODS = 8


def parts_of(places: NDArray, size: int) -> list[NDArray[np.intp]]:
    """Rows of three parts of about that size, always the same ones.

    Places at random keep clusters and the domain, but lie farther apart than all. Whole
    neighbourhoods keep gaps as they are, and leave most of the domain out. The last part has
    half of each.

    Parameters
    ----------
    places : ndarray of shape (n, n_axes)
        Each axis as shares of its domain.
    """
    random = np.random.default_rng(0)
    spread = random.permutation(len(places))
    near = _neighbourhoods(places, int(spread[0]), size)
    half = _neighbourhoods(places, int(spread[0]), size // 2)
    return [np.sort(spread[:size]), near, np.union1d(spread[: size - len(half)], half)]


def _neighbourhoods(places: NDArray, first: int, size: int) -> NDArray[np.intp]:
    """Places around centres, each centre as far from those before as can be."""
    tree, centres = cKDTree(places), [first]
    distance = np.linalg.norm(places - places[first], axis=1)
    while len(centres) < _NEIGHBOURHOODS:
        centres.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(places - places[centres[-1]], axis=1))
    each = min(max(1, size // _NEIGHBOURHOODS), len(places))
    around = tree.query(places[centres], range(1, each + 1))[1]
    return np.unique(around)
