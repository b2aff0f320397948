"""Whether samples lie along a track, a line or a curve, that leaves most of their box empty."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from scipy.stats import rankdata
from scipy.stats.qmc import Halton

from sk_posenc.measures.spectrum import subsample

# Places that are looked at, and places of the box whose nearest sample is sought.
_DRAWN, _PROBES = 512, 256

# A neighbourhood: all places within this share of a side, and at least so many.
_WITHIN, _LEAST = 0.1, 8

# It lies along a line where its width is at most this share of its length, and where the widest
# gap along it is at most this share of it: two clusters leave a wider one.
_WIDTH, _GAP = 0.3, 0.5

# Places this near are of one track, which holds most places.
_LINKED, _ONE_TRACK = 0.25, 0.75

# A track: the share of places that lie along a line. With each axis mapped to ranks, fewer must:
# there clusters and heavy tails, whose box is mostly empty too, are no lines.
_ON_LINES, _ON_LINES_OF_RANKS = 0.55, 0.25

# Lines a third of a side apart leave a place 1/12 of it from the nearest on average, with two axes.
_EMPTY_PER_AXIS = 0.05


class Track(NamedTuple):
    """How much samples are a track.

    Attributes
    ----------
    on_lines : float
        Share of places whose neighbours lie along a line, all on one track.
    emptiness : float
        Mean distance of a place of the box to the nearest sample, in sides of the box.
    is_track : bool
        Whether samples lie along a line or a curve, and leave most of their box empty.
    """

    on_lines: float
    emptiness: float
    is_track: bool


def track_of(places: NDArray[np.float64]) -> Track:
    """Look for a track in distinct places (n_places, n_axes), each axis scaled to [0, 1]."""
    places = places[:, np.ptp(places, axis=0) > 0]
    n_axes = places.shape[1]
    if n_axes < 2 or len(places) <= _LEAST:
        return Track(math.nan, math.nan, False)
    drawn = places[subsample(len(places), _DRAWN, 0)]
    probes = Halton(n_axes, scramble=False).random(_PROBES + 1)[1:]
    emptiness = float(cdist(probes, drawn).min(axis=1).mean())
    on_lines = float(np.mean(_on_lines(drawn) & _on_one_track(drawn)))
    is_track = on_lines > _ON_LINES and emptiness > _EMPTY_PER_AXIS * n_axes
    if is_track:
        ranks = (rankdata(drawn, axis=0) - 0.5) / len(drawn)
        is_track = bool(np.mean(_on_lines(ranks)) > _ON_LINES_OF_RANKS)
    return Track(on_lines, emptiness, is_track)


def _on_one_track(places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places are linked to most others, step by step; none where there are several parts."""
    _, part = connected_components(cdist(places, places) <= _LINKED, directed=False)
    largest = part == np.bincount(part).argmax()
    return largest if largest.mean() >= _ONE_TRACK else np.zeros_like(largest)


def _on_lines(places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places have neighbours that lie along a line."""
    distances = cdist(places, places)
    reach = np.maximum(_WITHIN, np.partition(distances, _LEAST, axis=1)[:, _LEAST])
    near = distances <= reach[:, None]
    width, direction = _shapes(places, near)
    return np.asarray((width < _WIDTH) & (_gaps(places, near, direction) < _GAP))


def _shapes(places: NDArray, near: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """Width of each neighbourhood relative to its length, (n,), and its direction, (n, n_axes)."""
    n, n_axes = places.shape
    share = near / near.sum(axis=1, keepdims=True)
    mean = share @ places
    squares = (places[:, :, None] * places[:, None, :]).reshape(n, -1)
    covariance = (share @ squares).reshape(n, n_axes, n_axes) - mean[:, :, None] * mean[:, None, :]
    variances, directions = np.linalg.eigh(covariance)
    # variances below are of rounding
    length = np.maximum(variances[:, -1], np.finfo(np.float64).eps)
    return np.sqrt(np.maximum(variances[:, -2], 0) / length), directions[:, :, -1]


def _gaps(places: NDArray, near: NDArray[np.bool_], direction: NDArray) -> NDArray[np.float64]:
    """The widest gap of each neighbourhood along its direction, as a share of its extent."""
    along = np.sort(np.where(near, direction @ places.T, np.nan), axis=1)  # NaN comes last
    steps = np.nan_to_num(np.diff(along, axis=1))
    return np.asarray(steps.max(axis=1) / np.maximum(steps.sum(axis=1), np.finfo(np.float64).tiny))
