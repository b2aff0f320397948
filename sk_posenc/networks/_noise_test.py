"""Whether targets are noisy, as neighbours tell: a network should then train for fewer epochs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

# Rows that are predicted from their neighbours.
_JUDGED = 2048
# Fewer rows than this tell nothing.
LEAST_ROWS = 64
# Neighbours that stand around a row: two along each axis, in space a few more than six.
_AROUND = {1: 2, 2: 4}
_AROUND_IN_SPACE = 8
# The mean of twice as many neighbours may be worse by 5 % where it averages noise.
_AS_GOOD = 0.95


def is_noisy(rows: NDArray, targets: NDArray) -> bool:
    """Whether the mean of more neighbours predicts a row as well as that of the nearest.

    Each row is left out, and predicted by the mean of its nearest neighbours. More neighbours
    average more noise away, and blur the signal more. Where the signal is what differs from row
    to row, the nearest few predict best.

    Parameters
    ----------
    rows : ndarray of shape (n, n_columns)
    targets : ndarray of shape (n,) or (n, n_outputs)

    Returns
    -------
    bool
        False for less than 64 rows.
    """
    rows = _in_deviations(rows)
    targets = _in_deviations(targets.reshape(len(targets), -1))
    if len(rows) < LEAST_ROWS or not rows.shape[1] or not targets.shape[1]:
        return False
    few = _AROUND.get(rows.shape[1], _AROUND_IN_SPACE)
    judged = np.random.RandomState(0).permutation(len(rows))[:_JUDGED]
    found = NearestNeighbors(n_neighbors=2 * few + 1).fit(rows)
    near = _others(found.kneighbors(rows[judged], return_distance=False), judged)
    nearest, more = (
        np.mean((targets[near[:, :k]].mean(axis=1) - targets[judged]) ** 2) for k in (few, 2 * few)
    )
    return bool(nearest > 0 and nearest >= _AS_GOOD * more)


def _in_deviations(columns: NDArray) -> NDArray[np.float64]:
    """Columns of mean 0 and standard deviation 1; those that are constant are left out."""
    columns = np.asarray(columns, dtype=np.float64)
    columns = columns - columns.mean(axis=0)
    spread = columns.std(axis=0)
    return columns[:, spread > 0] / spread[spread > 0]


def _others(near: NDArray[np.intp], judged: NDArray[np.intp]) -> NDArray[np.intp]:
    """Neighbours without the row itself, which rows at the same place may have displaced."""
    itself = near == judged[:, None]
    itself[~itself.any(axis=1), -1] = True
    return near[~itself].reshape(len(near), -1)
