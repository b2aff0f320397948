"""How much is not known in gaps that a map of the axes has shortened."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.encoders.axis_spacing import AxisSpacing
from sk_posenc.encoders.bases import resolve_basis
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._axis import Axis
from sk_posenc.kronecker._problem import Problem

# Over so much of its similarity a function is known from a place; and how much farther that may
# reach for each unit of length away from samples. Along a log-spaced axis it reaches by 0.1 to 1
# farther.
_REACH = 0.6
_GROWTH = 1.5

# Points of a gap, nearer to each other next to its ends.
_HALVES = 2.0 ** -np.arange(1, 12)
_INSIDE = np.unique(np.concatenate([_HALVES, 1 - _HALVES]))

# Steps of this many reaches are as good as longer ones.
_FAR = 50.0

# Displacements in bandwidths, to find that reach.
_APART = np.linspace(0.0, 10.0, 1_001)


@dataclass(frozen=True, eq=False)
class GapSpacing:
    """A map that goes on straight between its knots.

    Attributes
    ----------
    knots, places : ndarrays of shape (n,)
    """

    knots: NDArray[np.float64]
    places: NDArray[np.float64]

    def __call__(self, x: NDArray) -> NDArray[np.float64]:
        return np.interp(x, self.knots, self.places)

    def derivative(self, x: NDArray, order: int) -> NDArray[np.float64]:
        """Of order 1, or 0 for order 2; 0 outside."""
        slopes = np.concatenate([[0.0], np.diff(self.places) / np.diff(self.knots), [0.0]])
        found = slopes[np.searchsorted(self.knots, x)]
        return found if order == 1 else 0.0 * found


def gap_spacing(spacing: AxisSpacing, x: NDArray, reach: float) -> GapSpacing:
    """The same map where samples are near, in whose gaps functions reach less far.

    A map that follows the samples takes any gap for a short one. This one lets the distance over
    which a function is known grow with that to the samples, and no faster.

    Parameters
    ----------
    spacing : AxisSpacing
    x : ndarray
        Distinct coordinates of samples, increasing.
    reach : float
        That distance, in mapped coordinates.
    """
    x = x.astype(np.float64)
    gaps = x[:-1, None] + np.diff(x)[:, None] * _INSIDE
    knots = np.unique(np.concatenate([x, gaps.ravel()]))
    with np.errstate(divide="ignore"):
        reaches = reach / spacing.derivative(knots, 1)
    # lengths away from samples, less what they may grow by: running minima from both sides
    farther, least = _GROWTH * (knots - knots[0]), reaches.min()
    reaches = farther + np.minimum.accumulate(reaches - farther)
    reaches = np.minimum.accumulate((reaches + farther)[::-1])[::-1] - farther
    reaches = np.maximum(reaches, least)  # a difference of lengths of 1e30 may be nothing
    steps = np.diff(knots) * reach * (1 / reaches[:-1] + 1 / reaches[1:]) / 2
    steps = np.minimum(steps, _FAR * reach)  # where nothing is known any more
    return GapSpacing(knots, np.concatenate([[0.0], np.cumsum(steps)]))


def with_gaps(problem: Problem) -> Problem:
    """The problem of a kernel of mapped axes, of functions that reach less far into gaps."""
    samples, design = problem.samples, problem.design
    axes = []
    for axis, x in zip(design.axes, samples.coordinates, strict=True):
        assert isinstance(axis.spacing, AxisSpacing)
        spacing = gap_spacing(axis.spacing, np.unique(x), _reach(axis))
        bandwidth = float(axis.encoder.bandwidth_[0])
        encoder = ShiftedBasisEncoder(axis.encoder.basis, bandwidth=bandwidth)
        places = spacing(x)
        encoder.fit(places[:, None])
        mapped: Any = spacing
        axes.append(Axis(encoder, places, axis.penalty, axis.alone, mapped))
    return problem.with_axes(axes)


def _reach(axis: Axis) -> float:
    """The distance in mapped coordinates at which the similarity falls to `_REACH`."""
    bandwidth = float(axis.encoder.bandwidth_[0])
    similarity = resolve_basis(axis.encoder.basis).similarity(_APART)
    return bandwidth * float(_APART[np.argmax(similarity < _REACH)])
