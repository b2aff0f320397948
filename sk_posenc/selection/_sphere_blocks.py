"""Blocks of places on a sphere: halves of halves, wherever the date line and the poles are."""

import numpy as np
from numpy.typing import NDArray


def sphere_blocks(points: NDArray[np.float64], n_blocks: int) -> NDArray[np.intp]:
    """The block of each point, as many blocks as asked, each on one side of planes.

    All distinct places are cut by a plane across the direction in which they spread most, and so
    is each part, until there are enough. Blocks differ by one place at most. The smaller of two
    parts is at the thinner end, where a cluster by itself is.

    Parameters
    ----------
    points : ndarray of shape (n, 3)
        On the unit sphere.
    n_blocks : int
        At most as many as there are distinct places.
    """
    places, of_place = np.unique(points, axis=0, return_inverse=True)
    if len(places) < n_blocks:
        raise ValueError(
            f"n_splits={n_blocks} blocks need at least as many distinct places: lower n_splits. "
            f"Got {len(places)}."
        )
    block = np.empty(len(places), dtype=np.intp)
    parts = [(np.arange(len(places)), 0, n_blocks)]
    while parts:
        rows, first, n = parts.pop()
        if n == 1:
            block[rows] = first
            continue
        ordered = rows[np.argsort(_along_widest(places[rows]), kind="stable")]
        cut = len(rows) * (n // 2) // n
        parts += [(ordered[:cut], first, n // 2), (ordered[cut:], first + n // 2, n - n // 2)]
    return block[of_place.ravel()]


def _along_widest(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where places lie along the direction in which they spread most, from the thinner end."""
    apart = places - places.mean(axis=0)
    direction = np.linalg.eigh(apart.T @ apart)[1][:, -1]
    along = np.asarray(apart @ direction)
    return -along if np.sum(along**3) > 0 else along
