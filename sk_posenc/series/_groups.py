"""Rows that belong together, such as those of a series: their means, and what they share."""

import math
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sk_posenc.core.arrays import Array, device_of, to_numpy
from sk_posenc.core.group_labels import numbered_groups


class Groups(NamedTuple):
    """The number of the group of each row; None: all rows are one group."""

    number: NDArray[np.intp] | None
    n_groups: int

    def each(self, values: NDArray[np.float64], rows: Array) -> Array:
        """Values of groups (n_groups, k) beside rows, in their namespace, device and dtype."""
        values = like(rows, values)
        if self.number is None:
            return values
        xp = array_namespace(rows)
        return xp.take(values, xp.asarray(self.number, device=device_of(rows)), axis=0)


def grouped(groups: Any, rows: Array) -> Groups:
    """The groups of rows by labels; None: all are one group."""
    if groups is None:
        return Groups(None, 1)
    return Groups(*numbered_groups(to_numpy(groups), rows.shape[0]))


def means_of(rows: NDArray, number: NDArray[np.intp], n_groups: int) -> NDArray[np.float64]:
    """Means of groups (n_groups, n_axes), exact where the rows of a group are all the same."""
    if np.max(np.abs(rows), initial=0.0) > np.finfo(np.float64).max / (4 * len(rows)):
        unit = 2.0 ** math.ceil(math.log2(4 * len(rows)))  # else sums overflow
        return means_of(rows.astype(np.float64) / unit, number, n_groups) * unit
    first = np.empty(n_groups, dtype=np.intp)
    first[number[::-1]] = np.arange(len(rows))[::-1]
    base = rows[first].astype(np.float64)
    counts = np.bincount(number, minlength=n_groups)
    offsets = rows - base[number]
    sums = [np.bincount(number, column, minlength=n_groups) for column in offsets.T]
    return base + np.stack(sums, axis=1) / counts[:, None]


def like(rows: Array, values: NDArray[np.float64]) -> Array:
    """Values in the namespace, device and dtype of rows."""
    return array_namespace(rows).asarray(values, dtype=rows.dtype, device=device_of(rows))
