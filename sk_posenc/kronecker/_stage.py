"""Places of samples on which resolutions are judged: all of them, or a part."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sk_posenc.encoders.axis_spacing import AxisSpacing
from sk_posenc.encoders.bases import resolve_basis
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._criterion import Judged, judge
from sk_posenc.kronecker._factors import AxisFactor, factor_kernel
from sk_posenc.kronecker._on_sphere import Spheres, spheres_of
from sk_posenc.kronecker._samples import Samples

# Points between places, where a model may know less than at a place that is left out: 128 tell
# the mean of its variance to a tenth.
_POINTS = 128

# Over the root of the places: two standard errors of the criterion, whose two means over the same
# errors have one of 0.76 each. In a gap that a map shortens the model is too sure of itself.
_BY_CHANCE = 3.0

# Variance of the coefficients of covariates, over that of the smooth function, all in spreads: so
# large that they are free, and so small that rounding of it is below the least alpha.
OF_COVARIATES = 100.0

# How much the likelihood counts on a sphere. Stations are often in clusters, as on continents. One
# of these is easy to predict where it is left out, and an ocean is not.
LIKELIHOOD_ON_SPHERE = 30.0

# A map that moves no sample by more, in widths of the domain, moves it by rounding.
_NO_MOVE = 1e-6


@dataclass(frozen=True)
class Resolution:
    """What is learnt of a signal: basis, stable rank of each axis, spacing of the shifts.

    Attributes
    ----------
    basis : str
    octaves : tuple of n_axes floats
        Stable ranks, as powers of 2.
    spacing : float
    radial : bool
        Whether the similarity is one of the distance, not a product over the axes.
    """

    basis: str
    octaves: tuple[float, ...]
    spacing: float
    radial: bool = False

    def width(self, axis: int) -> float:
        """The bandwidth along an axis, in widths of the domain."""
        return resolve_basis(self.basis).bandwidth(2 ** self.octaves[axis])

    def encoders(self, lengths: Sequence[float]) -> list[ShiftedBasisEncoder]:
        """Of each axis, whose domain has that length. No matrix has a stable rank below 1."""
        return [
            ShiftedBasisEncoder(self.basis, stable_rank=2**octave)
            if octave >= 0
            else ShiftedBasisEncoder(self.basis, bandwidth=self.width(axis) * length)
            for axis, (octave, length) in enumerate(zip(self.octaves, lengths, strict=True))
        ]


class Stage:
    """Places with their targets and weights, and the points between them.

    Parameters
    ----------
    spacings : list of n_axes AxisSpacing
        The domain of each axis, and the map that follows all samples.
    coordinates : list of n_axes ndarrays
        Of a full grid the distinct ones of each axis, else those of each place.
    is_grid : bool
    cells : ndarray of shape (q, *shape)
        Targets, each output in its own spread.
    roots : list of ndarrays
        Of the weights, 1 in the mean; of each axis of a grid, or of each place.
    beside : ndarray of shape (p, n) or None
        Covariates of the places, about 0 and in their spreads; None on a grid of several axes.
    spheres : Spheres or None
        On which the places lie.
    """

    def __init__(
        self,
        spacings: list[AxisSpacing],
        coordinates: list[NDArray],
        is_grid: bool,
        cells: NDArray[np.float64],
        roots: list[NDArray],
        beside: NDArray[np.float64] | None = None,
        spheres: Spheres | None = None,
    ) -> None:
        self.spacings, self.coordinates, self.is_grid = spacings, coordinates, is_grid
        self.cells, self._roots, self.beside, self.spheres = cells, roots, beside, spheres
        between = _between(coordinates, is_grid)
        self.between = between if spheres is None else spheres.onto(between)
        self._factors: dict[tuple, AxisFactor] = {}
        self._mapped: dict[tuple, NDArray[np.float64]] = {}

    @staticmethod
    def spacings_of(samples: Samples) -> list[AxisSpacing]:
        """The map of each axis that follows all samples."""
        return [AxisSpacing.through(x, 1.0, axis) for axis, x in enumerate(samples.coordinates)]

    @classmethod
    def of(cls, samples: Samples, cells: NDArray, beside: NDArray | None = None) -> "Stage":
        """All places of samples, with targets and covariates by `Samples.to_cells` in spreads."""
        if beside is not None:
            several = samples.is_grid and len(samples.shape) > 1
            beside = None if several else beside.reshape(len(beside), -1)[:, samples.occupied]
        coordinates, spacings = samples.coordinates, cls.spacings_of(samples)
        if samples.is_grid:
            weights = samples.axis_weights or [np.ones(n) for n in samples.shape]
            roots = [np.sqrt(each) for each in weights]
            return cls(spacings, coordinates, True, cells, roots, beside)
        occupied = samples.occupied
        if samples.on_grid:
            rows = np.unravel_index(occupied, samples.shape)
            coordinates = [x[i] for x, i in zip(coordinates, rows, strict=True)]
        of_cells = np.ones(samples.shape) if samples.weights is None else samples.weights
        cells = cells.reshape(len(cells), -1)[:, occupied]
        roots = [np.sqrt(of_cells.ravel()[occupied])]
        spheres = spheres_of(coordinates)
        return cls(spacings, coordinates, False, cells, roots, beside, spheres)

    @property
    def n_places(self) -> int:
        return self.cells[0].size

    @property
    def n_axes(self) -> int:
        return len(self.coordinates)

    @cached_property
    def is_even(self) -> bool:
        """Whether maps that follow the samples of each axis change nothing."""
        return max(spacing.moves() for spacing in self.spacings) < _NO_MOVE

    @property
    def largest(self) -> int:
        """Rows of the largest matrix whose eigenvalues a judgement needs."""
        return max(self.cells.shape[1:])

    def is_light(self, n_outputs: int) -> bool:
        """Whether few enough outputs judge all that a climb tries."""
        return len(self.cells) <= n_outputs

    def encoders(self, resolution: Resolution) -> list[ShiftedBasisEncoder]:
        """Those of a resolution, in the units of the axes; mapped axes have length 1."""
        if resolution.spacing > 0:
            return resolution.encoders([1.0] * self.n_axes)
        return resolution.encoders([each.high - each.low for each in self.spacings])

    @cached_property
    def scattered(self) -> "Stage":
        """The same places, not as a grid."""
        if not self.is_grid:
            return self
        rows = [each.ravel() for each in np.meshgrid(*self.coordinates, indexing="ij")]
        cells = self.cells.reshape(len(self.cells), -1)
        return Stage(self.spacings, rows, False, cells, [self.all_roots().ravel()], self.beside)

    def part(self, rows: NDArray[np.intp]) -> "Stage":
        """Some of the places, not as a grid."""
        whole = self.scattered
        coordinates = [x[rows] for x in whole.coordinates]
        beside = None if whole.beside is None else whole.beside[:, rows]
        cells, roots = whole.cells[:, rows], [whole._roots[0][rows]]
        return Stage(self.spacings, coordinates, False, cells, roots, beside, self.spheres)

    def few(self, n_places: int) -> "Stage":
        """About so many of the places: of a grid lines spread over it, else any."""
        if not self.is_grid:
            return self.part(np.random.default_rng(0).permutation(self.n_places)[:n_places])
        most = max(2, round(n_places ** (1 / self.n_axes)))
        random = np.random.default_rng(0)
        lines = [_spread(len(x), most, random) for x in self.coordinates]
        cells = self.cells[np.ix_(np.arange(len(self.cells)), *lines)]
        coordinates, roots = (
            [each[i] for each, i in zip(of_axes, lines, strict=True)]
            for of_axes in (self.coordinates, self._roots)
        )
        return Stage(self.spacings, coordinates, True, cells, roots)

    def with_outputs(self, n_outputs: int) -> "Stage":
        """At most so many outputs, spread over all of them."""
        every = -(-len(self.cells) // n_outputs)
        cells = self.cells[::every]
        of_all = self.is_grid, cells, self._roots, self.beside, self.spheres
        return Stage(self.spacings, self.coordinates, *of_all)

    def shares(self) -> list[NDArray[np.float64]]:
        """Coordinates in widths of the domain."""
        return [each.evenly(x) for each, x in zip(self.spacings, self.coordinates, strict=True)]

    def judge(self, resolution: Resolution, alphas: NDArray) -> Judged:
        """Of all alphas; one that maps the axes must be better by more than chance."""
        factors = self._factored(resolution)
        across, likelihood = self._across(resolution), self._likelihood
        judged = judge(factors, self.cells, self.all_roots(), across, alphas, likelihood)
        if resolution.spacing == 0:
            return judged
        chance = _BY_CHANCE / math.sqrt(self.n_places)
        return replace(judged, criterion=judged.criterion + chance)

    @property
    def _likelihood(self) -> float | None:
        on_globe = self.spheres is not None and self.spheres.has_globe
        return LIKELIHOOD_ON_SPHERE if on_globe else None

    def all_roots(self) -> NDArray[np.float64]:
        roots = np.ones(())
        for each in self._roots:
            roots = np.multiply.outer(roots, each)
        return roots

    def _factored(self, resolution: Resolution) -> list[AxisFactor]:
        axes = range(self.n_axes)
        if self.is_grid:
            return [self._factor(resolution, axis) for axis in axes]
        kernel = self._joint(resolution, [self._apart(resolution, axis) for axis in axes])
        if self.beside is not None:
            kernel += OF_COVARIATES * self.beside.T @ self.beside
        return [factor_kernel(kernel * np.multiply.outer(self._roots[0], self._roots[0]))]

    def _joint(self, resolution: Resolution, apart: list[NDArray]) -> NDArray[np.float64]:
        """The kernel of rows that lie so far apart along each axis, in bandwidths."""
        similarity = resolve_basis(resolution.basis).similarity
        if resolution.radial:
            return np.asarray(similarity(np.sqrt(sum(each**2 for each in apart))))
        return np.asarray(math.prod(similarity(each) for each in apart))

    def _apart(
        self, resolution: Resolution, axis: int, x: NDArray | None = None
    ) -> NDArray[np.float64]:
        key = (axis, resolution.spacing, x is None)
        if key not in self._mapped:
            spacing = self.spacings[axis].with_strength(resolution.spacing)
            own = spacing(self.coordinates[axis])
            self._mapped[key] = (own if x is None else spacing(x))[:, None] - own
        return self._mapped[key] / resolution.width(axis)

    def _factor(self, resolution: Resolution, axis: int) -> AxisFactor:
        key = (axis, resolution.basis, resolution.octaves[axis], resolution.spacing)
        if key not in self._factors:
            roots = self._roots[axis]
            kernel = self._joint(resolution, [self._apart(resolution, axis)])
            if self.beside is not None:
                kernel += OF_COVARIATES * self.beside.T @ self.beside
            kernel *= np.multiply.outer(roots, roots)
            self._factors[key] = factor_kernel(kernel)
        return self._factors[key]

    def _across(self, resolution: Resolution) -> NDArray[np.float64] | None:
        """Kernels of the points between places and the places, times the roots of weights.

        None on a grid of several axes, which leaves out whole lines instead.
        """
        if self.is_grid and self.n_axes > 1:
            return None
        apart = [self._apart(resolution, axis, self.between[axis]) for axis in range(self.n_axes)]
        return self._joint(resolution, apart) * self._roots[0]


def _spread(n: int, most: int, random: np.random.Generator) -> NDArray[np.intp]:
    """At most so many of n, one anywhere in each of as many equal parts, with both ends.

    At equal distances they would see a texture of that period as constant.
    """
    if n <= most:
        return np.arange(n)
    inner = (np.arange(most) + random.uniform(size=most)) * n / most
    inner[[0, -1]] = 0, n - 1
    return np.unique(inner.astype(np.intp))


def _between(coordinates: Sequence[NDArray], is_grid: bool) -> list[NDArray]:
    """Points anywhere in the cells of a grid, else on the lines from some places to others.

    They are always the same ones, and all in the hull of the places.
    """
    random = np.random.default_rng(0)
    if is_grid:
        return [_inside(random, x.astype(np.float64)) for x in coordinates]
    first, second = random.integers(len(coordinates[0]), size=(2, _POINTS))
    share = random.uniform(size=_POINTS)
    columns = [x.astype(np.float64) for x in coordinates]
    return [x[first] * share + x[second] * (1 - share) for x in columns]


def _inside(random: np.random.Generator, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of an axis: half in any of its cells, half in any part of its domain."""
    first = random.integers(max(len(x) - 1, 1), size=_POINTS)
    share = random.uniform(size=_POINTS)
    points = x[first] * share + x[np.minimum(first + 1, len(x) - 1)] * (1 - share)
    anywhere = random.permutation(_POINTS) < _POINTS // 2
    return np.where(anywhere, x[0] * share + x[-1] * (1 - share), points)
