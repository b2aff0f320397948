"""The components of a series: a level, a trend, a season, each a spline with a prior."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from sk_posenc.kronecker._splines import RANK_PER_KNOT, bending, circular_rows, energy, open_rows

# A ratio of two periods with larger numbers than this is taken for one without shared harmonics.
_LARGEST_RATIO = 4_096
_RATIO_TOLERANCE = 1e-9

# Lines are drawn on from so many points of each interval of a trend, over these shares of it.
_DRAWN_ON = 4
_HORIZONS = 1 / 16, 1 / 8, 1 / 4

# Knots are added until they are a multiple of the shared harmonics, up to this factor.
_MOST_ADDED = 2


class Component:
    """One term of a sum: ``free`` and penalised combinations of sparse functions.

    Attributes
    ----------
    n_knots : int
        Number of sparse functions.
    exponents : tuple of int
        Exponents of smoothness that may be tried, the first one first.
    """

    n_knots: int
    exponents: ClassVar[tuple[int, ...]] = (2,)

    def rows(self, times: NDArray[np.float64]) -> sparse.csr_array:
        """Sparse functions at times, (m, n_knots)."""
        raise NotImplementedError

    def at(self, points: NDArray[np.float64]) -> sparse.csr_array:
        """The same at times (m,), or at times with covariates beside them (m, 1 + p)."""
        return self.rows(times_of(points))

    @property
    def stable_rank(self) -> float:
        """How fine it may be."""
        return self.n_knots * RANK_PER_KNOT

    @property
    def free(self) -> NDArray[np.float64]:
        """What nothing penalises, (n_knots, n_free)."""
        return np.zeros((self.n_knots, 0))

    @property
    def modes(self) -> NDArray[np.float64]:
        """Combinations with a prior of their own, (n_knots, n_modes)."""
        return np.zeros((self.n_knots, 0))

    def variances(self, exponent: int) -> NDArray[np.float64]:
        """Prior variance of each mode, for a component of variance 1; (n_modes,)."""
        return np.zeros(0)

    def growth(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Prior variance at times that no mode holds, for a component of variance 1."""
        return np.zeros(len(times))

    def variance_of_growth(self, values: NDArray[np.float64], variance: float) -> float:
        """Of a fitted component, by which its growth counts.

        Parameters
        ----------
        values : ndarray of shape (n_knots,)
            Of its sparse functions.
        variance : float
            Of its prior.
        """
        return variance


@dataclass(frozen=True)
class Level(Component):
    """A constant."""

    n_knots = 1

    def rows(self, times: NDArray[np.float64]) -> sparse.csr_array:
        return sparse.csr_array(np.ones((len(times), 1)))

    @property
    def free(self) -> NDArray[np.float64]:
        return np.ones((1, 1))


@dataclass(frozen=True)
class Linear(Component):
    """A linear term of covariates, which nothing penalises.

    Attributes
    ----------
    centre, spread : ndarray of shape (p,)
        Mean and standard deviation of each covariate over the samples.
    """

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]

    @property
    def n_knots(self) -> int:  # type: ignore[override]
        return len(self.centre)

    def at(self, points: NDArray[np.float64]) -> sparse.csr_array:
        return sparse.csr_array((points[:, 1:] - self.centre) / self.spread)

    @property
    def free(self) -> NDArray[np.float64]:
        return np.eye(self.n_knots)


@dataclass(frozen=True)
class Trend(Component):
    """A straight line, and a natural cubic spline that bends it.

    The prior is that of a smoothing spline, an integrated random walk. It goes on beyond the
    samples: their mean as a straight line, their variance with the cube of the distance.
    """

    start: float
    end: float
    n_intervals: int

    @property
    def n_knots(self) -> int:  # type: ignore[override]
        return self.n_intervals + 3

    def rows(self, times: NDArray[np.float64]) -> sparse.csr_array:
        return open_rows(self._places(times), self.n_intervals)

    @property
    def stable_rank(self) -> float:
        return self.n_intervals * RANK_PER_KNOT

    @property
    def free(self) -> NDArray[np.float64]:
        along = np.arange(self.n_knots) - 1 - self.n_intervals / 2
        return np.column_stack([np.ones(self.n_knots), along / self.n_intervals])

    @property
    def modes(self) -> NDArray[np.float64]:
        return self._bent[0]

    def variances(self, exponent: int) -> NDArray[np.float64]:
        return self._bent[1]

    def growth(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        u = self._places(times)
        beyond = np.abs(u - np.clip(u, 0.0, self.n_intervals))
        return beyond**3 / (3 * self._spread)

    def variance_of_growth(self, values: NDArray[np.float64], variance: float) -> float:
        """At least what lines drawn on from within the samples have missed.

        An integrated random walk bends anew in each interval. A trend that bends for long the
        same way leaves its lines by more than that.
        """
        points = np.linspace(0, self.n_intervals, _DRAWN_ON * self.n_intervals + 1)
        f = open_rows(points, self.n_intervals) @ values
        slopes = np.diff(f) * _DRAWN_ON
        found = variance
        for share in _HORIZONS:
            steps = int(share * (len(f) - 1))
            if steps == 0:
                continue
            far = steps / _DRAWN_ON
            onward = f[steps + 1 :] - f[1:-steps] - far * slopes[:-steps]
            back = f[: -steps - 1] - f[steps:-1] + far * slopes[steps:]
            missed = (np.mean(onward**2) + np.mean(back**2)) / 2
            found = max(found, float(missed) * 3 * self._spread / far**3)
        return found

    def _places(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        return (times - self.start) / ((self.end - self.start) / self.n_intervals)

    @cached_property
    def _bent(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        ends = np.zeros((2, self.n_knots))
        ends[0, :3] = ends[1, -3:] = [1, -2, 1]  # the second derivative there
        natural = linalg.null_space(ends)
        sizes, vectors = linalg.eigh(natural.T @ bending(self.n_intervals) @ natural)
        modes, variances = natural @ vectors[:, 2:], 1 / sizes[2:]  # lines do not bend
        at = open_rows((np.arange(8 * self.n_intervals) + 0.5) / 8, self.n_intervals)
        line = np.linalg.qr(at @ self.free)[0]
        bends = at @ modes
        bends -= line @ (line.T @ bends)
        spread = float(np.mean(bends**2 @ variances)) or 1.0
        return modes, variances / spread, spread

    @property
    def _spread(self) -> float:
        return self._bent[2]


@dataclass(frozen=True)
class Season(Component):
    """A spline around a circle that sums to zero, without harmonics that others have.

    Attributes
    ----------
    period, start : float
    n_knots : int
    shared : tuple of int
        Harmonics that belong to shorter seasons, with their multiples.
    """

    period: float
    start: float
    n_knots: int
    shared: tuple[int, ...] = ()

    exponents: ClassVar[tuple[int, ...]] = (2, 1, 3)

    def rows(self, times: NDArray[np.float64]) -> sparse.csr_array:
        turns = (times - self.start) / self.period
        return circular_rows((turns - np.floor(turns)) * self.n_knots, self.n_knots)

    @property
    def modes(self) -> NDArray[np.float64]:
        turns = np.multiply.outer(np.arange(self.n_knots), self._harmonics) / self.n_knots
        half = 2 * self._harmonics == self.n_knots  # a wave there has no sine
        cosines, sines = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns[:, ~half])
        waves = np.column_stack([cosines, sines])
        return waves / np.sqrt(np.sum(waves**2, axis=0))

    def variances(self, exponent: int) -> NDArray[np.float64]:
        harmonics = self._harmonics
        wave = energy(harmonics / self.n_knots)
        size = harmonics ** (-2.0 * exponent)
        half = 2 * harmonics == self.n_knots
        both = np.concatenate([size / wave, (size / wave)[~half]])
        total = float(np.sum(both * np.concatenate([wave, wave[~half]]))) / self.n_knots
        return both / total if len(both) else both

    @property
    def _harmonics(self) -> NDArray[np.intp]:
        every = np.arange(1, self.n_knots // 2 + 1)
        kept = [all(m % each for each in self.shared) for m in every]
        return every[np.array(kept, dtype=bool)]


def seasons_of(
    periods: Sequence[float],
    ends: tuple[float, float],
    n_knots: Sequence[int],
    n_phases: Sequence[int],
) -> list[Season]:
    """Seasons of periods; a harmonic that two have is left to the shorter.

    Knots are added until the waves of the shorter season are exactly out of reach of the longer,
    where that takes no more than as many again. A wave that is a constant at all `n_phases` of a
    regular clock is left to the mean.

    Knots stand at the phases of a regular clock, if they can, and else about the middle of the two
    `ends` of the samples: then time may run backwards as well.
    """
    first, middle = ends[0], ends[0] / 2 + ends[1] / 2
    seasons = []
    for period, size, phases in zip(periods, n_knots, n_phases, strict=True):
        numbers = {_shared(period, other) for other in periods if other < period} | {phases}
        shared = tuple(sorted(each for each in numbers if 0 < each <= size / 2))
        common = math.lcm(*shared) if shared else 1
        rounded = -(-size // common) * common
        size = rounded if rounded <= _MOST_ADDED * size else size
        start = first if phases and size % phases == 0 else middle
        seasons.append(Season(period, start, size, shared))
    return seasons


def _shared(longer: float, shorter: float) -> int:
    """The harmonic of the longer period that is one of the shorter as well; 0 for none."""
    ratio = longer / shorter
    near = Fraction(ratio).limit_denominator(_LARGEST_RATIO)
    exact = abs(near - ratio) <= _RATIO_TOLERANCE * ratio
    return near.numerator if exact and near.numerator <= _LARGEST_RATIO else 0


def times_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of points, which may have covariates beside them."""
    return points if points.ndim == 1 else points[:, 0]


def rows_of(components: Sequence[Component], points: NDArray[np.float64]) -> sparse.csr_array:
    """The sparse functions of all components side by side, (m, n_knots in all)."""
    return sparse.hstack([each.at(points) for each in components], format="csr")
