"""Whether three axes hold points of one sphere, as stations on a globe do."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Four points are always on a sphere. So many more say that all are.
_LEAST_PLACES = 10

# How far places may be from the sphere, over the square of their extent: float32 rounds those of a
# few degrees to that.
_OFF = 1e-4


class Sphere(NamedTuple):
    """A sphere on which the places of three neighbouring axes lie.

    Attributes
    ----------
    first : int
        The first of its axes.
    centre : ndarray of shape (3,)
    radius : float
    """

    first: int
    centre: NDArray[np.float64]
    radius: float

    @property
    def axes(self) -> slice:
        return slice(self.first, self.first + 3)

    def onto(self, columns: Sequence[NDArray]) -> list[NDArray]:
        """Points with the coordinates of its axes moved to the sphere, along its radius."""
        apart = np.stack(columns[self.axes], axis=1) - self.centre
        distance = np.linalg.norm(apart, axis=1, keepdims=True)
        moved = self.centre + apart * (self.radius / np.where(distance > 0, distance, 1.0))
        return [*columns[: self.first], *moved.T, *columns[self.first + 3 :]]

    def octaves(self, lengths: Sequence[float]) -> NDArray[np.float64]:
        """What makes stable ranks that are alike along all axes alike on the sphere, as log2.

        Stable ranks are of the domain of each axis. On a sphere one distance holds for its three
        axes, however far the places reach along each.
        """
        own = np.log2(lengths)
        octaves = np.zeros(len(own))
        octaves[self.axes] = own[self.axes] - own[self.axes].max()
        return octaves


def sphere_of(columns: Sequence[NDArray]) -> Sphere | None:
    """The sphere of the first three neighbouring axes whose places lie on one, if there are any.

    Parameters
    ----------
    columns : list of n_axes ndarrays of shape (n_places,)
    """
    if len(columns[0]) < _LEAST_PLACES:
        return None
    for first in range(len(columns) - 2):
        found = _through(np.stack(columns[first : first + 3], axis=1).astype(np.float64))
        if found is not None:
            return Sphere(first, *found)
    return None


def _through(places: NDArray[np.float64]) -> tuple[NDArray[np.float64], float] | None:
    """Centre and radius: squared distances from the mean are linear in the coordinates."""
    mean, extent = places.mean(axis=0), float(np.ptp(places, axis=0).max())
    if extent == 0:
        return None
    near = (places - mean) / extent
    terms = np.column_stack([2 * near, np.ones(len(near))])
    squares = np.sum(near**2, axis=1)
    solution, _, rank, _ = np.linalg.lstsq(terms, squares)
    off = math.sqrt(np.mean((terms @ solution - squares) ** 2))
    if rank < 4 or off > _OFF * squares.mean():
        return None
    centre = solution[:3]
    return mean + extent * centre, extent * math.sqrt(solution[3] + centre @ centre)
