"""The way to the resolution with the best score, one step at a time."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_posenc.kronecker._stage import Resolution

# Products over the axes: the Gaussian follows signals without an edge, "matern32" steps and kinks,
# "matern72" those between. A start from the Gaussian alone does not find the others.
PRODUCT_BASES = ("gaussian", "matern72", "matern32")
_FIRST = ("gaussian", "matern32")

# Functions of the distance: "matern12" is for photographs and terrain. Not on a grid, where each
# axis by itself takes a small part of the time.
RADIAL_BASES = ("matern12", "matern32", "matern72")

SPACINGS = (0.0, 0.5, 0.9)

# Stable ranks as powers of 2, from a plane (of a Gaussian 4.5 domains wide) to two functions for
# each place.
LEAST_OCTAVE = -4.0
_BEYOND_PLACES = 1.0

# The start: every second power of 2 up to that of the places per axis, and half a step more.
_START = 2.0
_START_BEYOND = 1.5

# Steps, in powers of 2.
_STEPS = (1.0, 0.5)

# Climbs take 26 to 60 scores; one that takes more wanders among equals.
_MOST = 80

# Scores that differ by less are equal: of samples without noise the last digits are rounding.
_TIE = 1e-6


def first_of_least(scores: ArrayLike, tie: float = _TIE) -> int:
    """The place of the least score, of equal ones the first, whatever rounding makes of them."""
    values = np.asarray(scores)
    return int(np.flatnonzero(values <= values.min() + tie)[0])


def first_steps(
    n_axes: int, n_places: int, spacings: Sequence[float] = (0.0,)
) -> Iterator[Resolution]:
    """Where a climb starts: alike along all axes, from one function to more than there are places.

    Of the spacings the first and the last one.
    """
    top = math.log2(max(2.0, n_places ** (1 / n_axes))) + _START_BEYOND
    for basis in _FIRST:
        for spacing in dict.fromkeys((spacings[0], spacings[-1])):
            for octave in np.arange(0.0, top, _START):
                yield Resolution(basis, (float(octave),) * n_axes, spacing)


class Climb:
    """Resolutions that have been scored.

    Parameters
    ----------
    score : callable
        Of a Resolution; the smaller the better.
    n_axes, n_places : int
    spacings : sequence of float
    radial : sequence of str
        Bases whose similarity is tried as one of the distance.

    Attributes
    ----------
    scores : dict of Resolution to float
    """

    _steps: Sequence[float] = _STEPS
    _products: Sequence[str] = PRODUCT_BASES

    def __init__(
        self,
        score: Callable[[Resolution], float],
        n_axes: int,
        n_places: int,
        *,
        spacings: Sequence[float] = SPACINGS,
        radial: Sequence[str] = RADIAL_BASES,
    ) -> None:
        self._score, self._n_axes, self._n_places = score, n_axes, n_places
        self._spacings, self._radial = spacings, radial
        self._highest = math.log2(max(n_places, 2)) + _BEYOND_PLACES
        self.scores: dict[Resolution, float] = {}

    def run(self) -> Resolution:
        for start in self._starts():
            self._try(start)
        for step in self._steps:
            while self._improves(step):
                pass
        return self.best

    def _starts(self) -> Iterator[Resolution]:
        return first_steps(self._n_axes, self._n_places, self._spacings)

    def _directions(self) -> list[NDArray[np.float64]]:
        axes = np.eye(self._n_axes)
        return [np.ones(self._n_axes), *(axes if self._n_axes > 1 else [])]

    @property
    def best(self) -> Resolution:
        return list(self.scores)[first_of_least(list(self.scores.values()))]

    def _improves(self, step: float) -> bool:
        """Whether any move from the best one does: all axes, each axis, spacing, basis."""
        before = self.best
        for direction in self._directions():
            if not self._goes(step * direction):
                self._goes(-step * direction)
        for spacing in self._spacings:
            self._try(replace(self.best, spacing=spacing))
        for basis in self._products:
            self._try(replace(self.best, basis=basis, radial=False))
        for basis in self._radial:
            self._try(replace(self.best, basis=basis, radial=True))
        return self.best != before

    def _goes(self, move: NDArray) -> bool:
        """Go on that way while it helps; whether it did."""
        start = before = self.best
        while True:
            self._try(replace(before, octaves=self._moved(before.octaves, move)))
            if self.best == before:
                return before != start
            before = self.best

    def _moved(self, octaves: Sequence[float], move: NDArray) -> tuple[float, ...]:
        moved = np.clip(np.add(octaves, move), LEAST_OCTAVE, self._highest)
        return tuple(map(float, moved))

    def _try(self, resolution: Resolution) -> None:
        if resolution not in self.scores and len(self.scores) < _MOST:
            self.scores[resolution] = self._score(resolution)
