"""Folds of groups: the samples of a station, a track or a cluster stay together."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.group_labels import numbered_groups

# A group moves along an axis where its samples differ by more than this share of the range.
_STILL = 1e-6


def fold_groups(
    X: NDArray, groups: Any, n_splits: int, folds_of: Callable[[NDArray], NDArray[np.intp]]
) -> NDArray[np.intp]:
    """The fold of each sample, where each group as a whole has the fold of its place."""
    group, n_groups = numbered_groups(groups, len(X))
    if n_groups < n_splits:
        raise ValueError(
            f"n_splits={n_splits} folds need at least as many groups: lower n_splits. "
            f"Got {n_groups}."
        )
    return folds_of(_places(X.astype(np.float64), group, n_groups))[group]


def _places(X: NDArray[np.float64], group: NDArray[np.intp], n_groups: int) -> NDArray[np.float64]:
    """Means of groups, along the axes on which none moves where there are such axes."""
    counts = np.bincount(group, minlength=n_groups)
    low, high = np.full((2, n_groups, X.shape[1]), [[[np.inf]], [[-np.inf]]])
    np.minimum.at(low, group, X)
    np.maximum.at(high, group, X)
    means = [np.bincount(group, x, minlength=n_groups) / counts for x in (X - X[0]).T]
    still = (high - low).max(axis=0) <= _STILL * np.ptp(X, axis=0)
    moving = ~still | (np.ptp(X, axis=0) == 0)
    kept = np.flatnonzero(~moving) if not moving.all() else np.arange(X.shape[1])
    places = np.stack(means, axis=1)[:, kept]
    return np.where(still[kept], low[:, kept], places)
