"""The way to the best resolution where three axes hold places on a sphere."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._climb import PRODUCT_BASES, SPACINGS, Climb, first_steps
from sk_posenc.kronecker._on_sphere import Sphere
from sk_posenc.kronecker._stage import Resolution


class SphereClimb(Climb):
    """A climb to one resolution for the three axes of a sphere, whose frame is arbitrary.

    Maps of single axes would bend the sphere, and are not tried. Nor are products of other
    similarities than the Gaussian where there are no further axes.

    Parameters
    ----------
    score : callable
        Of a Resolution; the smaller the better.
    sphere : Sphere
    octaves : ndarray of shape (n_axes,)
        What makes stable ranks that are alike along all axes alike on the sphere, as log2.
    n_places : int
    """

    # fewer directions leave time for a third step
    _steps = (1.0, 0.5, 0.25)

    def __init__(
        self,
        score: Callable[[Resolution], float],
        sphere: Sphere,
        octaves: NDArray[np.float64],
        n_places: int,
    ) -> None:
        super().__init__(score, len(octaves), n_places, spacings=SPACINGS[:1])
        self._sphere, self._octaves = sphere, octaves
        if len(octaves) == 3:
            self._products = PRODUCT_BASES[:1]

    def _starts(self) -> Iterator[Resolution]:
        # the places of a sphere spread in two directions
        spread = round(self._n_places ** (self._n_axes / (self._n_axes - 1)))
        for start in first_steps(self._n_axes, spread):
            if start.basis in self._products:
                octaves = np.add(start.octaves, self._octaves)
                yield Resolution(start.basis, tuple(map(float, octaves)), start.spacing)

    def _directions(self) -> list[NDArray[np.float64]]:
        plain = np.eye(self._n_axes)
        together = plain[self._sphere.axes].sum(axis=0)
        others = np.delete(plain, self._sphere.axes, axis=0)
        return [np.ones(self._n_axes), *([together, *others] if len(others) else [])]

    def _moved(self, octaves: Sequence[float], move: NDArray) -> tuple[float, ...]:
        alike = super()._moved(np.subtract(octaves, self._octaves).tolist(), move)
        return tuple(map(float, np.add(alike, self._octaves)))
