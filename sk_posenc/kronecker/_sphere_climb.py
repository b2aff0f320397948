"""The way to the best resolution where axes hold places on spheres or circles."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._climb import PRODUCT_BASES, SPACINGS, Climb, first_steps
from sk_posenc.kronecker._on_sphere import Spheres
from sk_posenc.kronecker._stage import Resolution

# Bases that are followed to their own best resolution: each has another one.
_BASES = 2


def best_of_bases(scores: Mapping[Resolution, float]) -> list[Resolution]:
    """The best resolution, and that of the second best basis."""
    bases: dict[tuple[str, bool], Resolution] = {}
    for each in sorted(scores, key=scores.__getitem__):
        bases.setdefault((each.basis, each.radial), each)
    return list(bases.values())[:_BASES]


class SphereClimb(Climb):
    """A climb to one resolution for the axes of a sphere or a circle, whose frame is arbitrary.

    Maps of single axes would bend the sphere, and are not tried. Nor are products of other
    similarities than the Gaussian where there are no further axes.

    Parameters
    ----------
    score : callable
        Of a Resolution; the smaller the better.
    spheres : Spheres
    lengths : sequence of n_axes floats
        Of the domain of each axis.
    n_places : int
    """

    # fewer directions leave time for a third step
    _steps: Sequence[float] = (1.0, 0.5, 0.25)

    def __init__(
        self,
        score: Callable[[Resolution], float],
        spheres: Spheres,
        lengths: Sequence[float],
        n_places: int,
    ) -> None:
        super().__init__(score, len(lengths), n_places, spacings=SPACINGS[:1])
        self._spheres, self._octaves = spheres, spheres.octaves(lengths)
        self._lengths = lengths
        if len(lengths) == len(spheres.each[0].centre):
            self._products = PRODUCT_BASES[:1]

    def run(self) -> Resolution:
        super().run()
        for start in best_of_bases(self.scores)[1:]:
            BasisClimb(self._scored, self._spheres, self._lengths, self._n_places, start).run()
        return self.best

    def _scored(self, resolution: Resolution) -> float:
        self._try(resolution)
        return self.scores.get(resolution, np.inf)

    def _starts(self) -> Iterator[Resolution]:
        # the places of a sphere spread in two directions, those of a circle in one
        n_free = self._n_axes - len(self._spheres.each)
        spread = round(self._n_places ** (self._n_axes / n_free))
        for start in first_steps(self._n_axes, spread):
            if start.basis in self._products:
                octaves = np.add(start.octaves, self._octaves)
                yield Resolution(start.basis, tuple(map(float, octaves)), start.spacing)

    def _directions(self) -> list[NDArray[np.float64]]:
        moves = list(np.eye(self._n_axes))
        for sphere in reversed(self._spheres.each):
            moves[sphere.axes] = [np.sum(moves[sphere.axes], axis=0)]
        return [np.ones(self._n_axes), *(moves if len(moves) > 1 else [])]

    def _moved(self, octaves: Sequence[float], move: NDArray) -> tuple[float, ...]:
        alike = super()._moved(np.subtract(octaves, self._octaves).tolist(), move)
        return tuple(map(float, np.add(alike, self._octaves)))


class BasisClimb(SphereClimb):
    """The way to the best resolution of the basis of a start.

    Parameters
    ----------
    score, spheres, lengths, n_places
        As for :class:`SphereClimb`.
    start : Resolution
    """

    def __init__(
        self,
        score: Callable[[Resolution], float],
        spheres: Spheres,
        lengths: Sequence[float],
        n_places: int,
        start: Resolution,
    ) -> None:
        super().__init__(score, spheres, lengths, n_places)
        self._start, self._products, self._radial = start, (), ()

    def run(self) -> Resolution:
        return Climb.run(self)

    def _starts(self) -> Iterator[Resolution]:
        yield self._start
