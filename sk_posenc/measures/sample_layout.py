"""How samples lie: evenly, crowded, in clusters, along a track, or several at one place."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from sk_posenc.measures._tracks import Track, track_of
from sk_posenc.measures.spectrum import subsample

# Distinct coordinates in a bin of an axis: few show short bursts, many show slow changes best.
_PER_BIN = (8, 2)

# What chance does to counts is forgiven up to this many standard deviations.
_DEVIATIONS = 5.0

# Places that are drawn to ask for their neighbours, and the fewest that say something.
_DRAWN, _FEWEST = 4096, 50

# Neighbours whose distance tells the density, and those that a near repeat is held against.
_DENSITY_NEIGHBOUR, _FAR_NEIGHBOUR = 4, 8

# A place this close to another, as a share of the distance to the eighth, nearly repeats it.
# Of random places on a line 1 in 400 does.
_NEAR = 3e-4

# Near repeats of more places than this are a finding; some come by chance. They are then merged,
# before density is measured, in cells of this share of the mean spacing.
NEARLY_REPEATED, _MERGED = 0.1, 0.03

# With more axes all places are far from each other, and distances tell nothing.
_MOST_AXES = 4

# Bin edges are moved down by this share of a bin, so that a sample on one falls into the upper bin.
_EDGE = 1e-4


@dataclass(frozen=True)
class SampleLayout:
    """Numbers about where samples lie, and what follows from them.

    Each axis is scaled to the range of its samples.

    Attributes
    ----------
    n_samples, n_places : int
        Number of samples, and of distinct places that they have.
    nearly_repeated : float
        Share of the places that are 3,000 times as near to another as to the eighth nearest;
        NaN where places are few or have more than four axes.
    unevenness : ndarray of shape (n_axes,)
        Standard deviation of the density of places along each axis relative to its mean, less
        what chance does to random places: 0 where they are even or uniformly random.
    half_within : ndarray of shape (n_axes,)
        Share of the range of an axis that holds half of the places, in its densest parts.
    clustering : float
        The same as `unevenness`, of the volume that a place has to itself, where each axis is
        mapped so that it is even: what is left are clusters that no axis shows alone. NaN on one
        axis, and as in `nearly_repeated`.
    on_lines : float
        Share of the places whose neighbours lie along a line, all on one track; NaN on one axis,
        and as in `nearly_repeated`.
    emptiness : float
        Mean distance from anywhere in the box of the samples to the nearest one, in sides of the
        box; NaN as `on_lines`.
    is_track : bool
        Whether the samples lie along a line or a curve that leaves most of their box empty.
    anisotropy : float
        How much wider apart, in coordinate units, the places are along one axis than along
        another; of axes with at least three. NaN where there are no two.
    findings : list of str
        What is uneven, anisotropic, clustered, on a track or repeated, each with what to do.
    """

    n_samples: int
    n_places: int
    nearly_repeated: float
    unevenness: NDArray[np.float64]
    half_within: NDArray[np.float64]
    clustering: float
    on_lines: float
    emptiness: float
    is_track: bool
    anisotropy: float
    findings: list[str] = field(default_factory=list)


def sample_layout(
    X: NDArray, samples_per_axis: NDArray[np.float64], spacing: NDArray[np.float64]
) -> SampleLayout:
    """Measure how samples lie.

    All samples count along axes and for repeats. Neighbours are asked of at most 4,096 places,
    and of 512 for tracks, always the same ones.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_axes)
        Finite coordinates.
    samples_per_axis, spacing : ndarray of shape (n_axes,)
        As in an EncodingReport.

    Returns
    -------
    SampleLayout
        Without findings.
    """
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    places = _distinct((X - low) / np.where(high > low, high - low, 1.0))
    wide = spacing[(samples_per_axis >= 3) & (spacing > 0)]
    distances_tell = len(places) >= _FEWEST and X.shape[1] <= _MOST_AXES
    near = _nearly_repeated(places) if distances_tell else math.nan
    apart = _merged(places) if near > NEARLY_REPEATED else places
    uneven = [_uneven(x) for x in apart.T]
    track = track_of(apart) if distances_tell else Track(math.nan, math.nan, False)
    return SampleLayout(
        n_samples=len(X),
        n_places=len(places),
        nearly_repeated=near,
        unevenness=np.array([each[0] for each in uneven]),
        half_within=np.array([each[1] for each in uneven]),
        clustering=_clustering(_drawn(apart)) if distances_tell else math.nan,
        on_lines=track.on_lines,
        emptiness=track.emptiness,
        is_track=track.is_track,
        anisotropy=float(wide.max() / wide.min()) if len(wide) > 1 else math.nan,
    )


def _distinct(X: NDArray) -> NDArray[np.float64]:
    """Distinct rows, in any order."""
    if any(len(np.unique(x)) == len(X) for x in X.T):  # far faster than to sort all axes
        return X
    ordered = X[np.lexsort(X.T[::-1])]
    new = np.any(ordered[1:] != ordered[:-1], axis=1)
    return ordered[np.concatenate([[True], new])]


def _merged(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places without near repeats."""
    n_cells = len(places) ** (1 / places.shape[1]) / _MERGED
    return np.unique(np.round(places * n_cells), axis=0) / n_cells


def _uneven(x: NDArray[np.float64]) -> tuple[float, float]:
    """How much density varies beyond chance along an axis, and the range of half of the places."""
    n_values = len(np.unique(x))
    beyond, half = 0.0, math.nan
    for per_bin in _PER_BIN:
        n_bins = n_values // per_bin
        if n_bins < 2:
            continue
        bins = np.minimum((x * n_bins + _EDGE).astype(np.intp), n_bins - 1)
        counts = np.bincount(bins, minlength=n_bins)
        by_chance = n_bins / len(x)
        excess = counts.var() / counts.mean() ** 2 - by_chance
        if excess > _DEVIATIONS * by_chance * math.sqrt(2 / n_bins):
            beyond = max(beyond, excess)
        if math.isnan(half):
            half = _half_within(counts)
    return math.sqrt(beyond), half


def _half_within(counts: NDArray[np.intp]) -> float:
    """Share of the bins, the fullest first, with half of what they count."""
    reached = np.concatenate([[0.0], np.cumsum(np.sort(counts)[::-1]) / counts.sum()])
    return float(np.interp(0.5, reached, np.arange(len(reached)))) / len(counts)


def _drawn(places: NDArray[np.float64]) -> NDArray[np.float64]:
    return places[subsample(len(places), _DRAWN, 0)]


def _nearly_repeated(places: NDArray[np.float64]) -> float:
    tree = cKDTree(places, balanced_tree=False, compact_nodes=False)
    distances, _ = tree.query(_drawn(places), [2, _FAR_NEIGHBOUR + 1])  # 1 is the place itself
    return float(np.mean(distances[:, 0] < _NEAR * distances[:, 1]))


def _clustering(places: NDArray[np.float64]) -> float:
    """How much the volume of a place varies beyond chance, on axes mapped to ranks."""
    varying = places[:, np.ptp(places, axis=0) > 0]
    n, n_axes = varying.shape
    if n_axes < 2:
        return math.nan
    ranks = (rankdata(varying, axis=0) - 0.5) / n
    tree = cKDTree(ranks, boxsize=1.0)  # a torus has no edges, where volumes would be larger
    distances, _ = tree.query(ranks, [_DENSITY_NEIGHBOUR + 1])
    volume = distances[:, 0] ** n_axes
    spread = 1 + volume.var() / volume.mean() ** 2
    return math.sqrt(max(0.0, spread / (1 + 1 / _DENSITY_NEIGHBOUR) - 1))
