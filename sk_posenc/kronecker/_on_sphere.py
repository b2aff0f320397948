"""Whether axes hold points of spheres or circles, as stations on a globe and cycles do."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Four points are always on a sphere. So many more say that all are.
_LEAST_PLACES = 10

# How far places may be from the sphere, over the square of their extent: float32 rounds those of a
# few degrees to that.
_OFF = 1e-4


class Sphere(NamedTuple):
    """A sphere on which the places of three neighbouring axes lie, or a circle of two.

    Attributes
    ----------
    first : int
        The first of its axes.
    centre : ndarray of shape (3,) or (2,)
    radius : float
    """

    first: int
    centre: NDArray[np.float64]
    radius: float

    @property
    def axes(self) -> slice:
        return slice(self.first, self.first + len(self.centre))

    def onto(self, columns: Sequence[NDArray]) -> list[NDArray]:
        """Points with the coordinates of its axes moved to the sphere, along its radius."""
        apart = np.stack(columns[self.axes], axis=1) - self.centre
        distance = np.linalg.norm(apart, axis=1, keepdims=True)
        moved = self.centre + apart * (self.radius / np.where(distance > 0, distance, 1.0))
        return [*columns[: self.axes.start], *moved.T, *columns[self.axes.stop :]]

    def octaves(self, lengths: Sequence[float]) -> NDArray[np.float64]:
        """What makes stable ranks that are alike along all axes alike on the sphere, as log2.

        Stable ranks are of the domain of each axis. On a sphere one distance holds for its
        axes, however far the places reach along each.
        """
        own = np.log2(lengths)
        octaves = np.zeros(len(own))
        octaves[self.axes] = own[self.axes] - own[self.axes].max()
        return octaves


class Spheres(NamedTuple):
    """All spheres and circles, of different axes."""

    each: tuple[Sphere, ...]

    @property
    def has_globe(self) -> bool:
        return any(len(sphere.centre) == 3 for sphere in self.each)

    def onto(self, columns: Sequence[NDArray]) -> list[NDArray]:
        """As of one sphere."""
        for sphere in self.each:
            columns = sphere.onto(columns)
        return list(columns)

    def octaves(self, lengths: Sequence[float]) -> NDArray[np.float64]:
        """As of one sphere."""
        return np.sum([sphere.octaves(lengths) for sphere in self.each], axis=0)


def spheres_of(columns: Sequence[NDArray]) -> Spheres | None:
    """The spheres of three neighbouring axes and circles of two on which all places lie.

    None where there are none.

    Parameters
    ----------
    columns : list of n_axes ndarrays of shape (n_places,)
    """
    found = tuple(_found(columns)) if len(columns[0]) >= _LEAST_PLACES else ()
    return Spheres(found) if found else None


def _found(columns: Sequence[NDArray]) -> Iterator[Sphere]:
    first = 0
    while first < len(columns) - 1:
        for size in (3, 2):
            places = np.stack(columns[first : first + size], axis=1).astype(np.float64)
            through = _through(places) if places.shape[1] == size else None
            if through is not None:
                yield Sphere(first, *through)
                first += size - 1
                break
        first += 1


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
    if rank <= places.shape[1] or off > _OFF * squares.mean():
        return None
    centre = solution[:-1]
    return mean + extent * centre, extent * math.sqrt(solution[-1] + centre @ centre)
