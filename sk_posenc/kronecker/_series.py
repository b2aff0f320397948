"""A series of one target as a sum of components: its places, its fit, its predictions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from sk_posenc.core.checks import within_floats
from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._components import Component, Linear, rows_of, times_of
from sk_posenc.kronecker._strengths import Likelihood, Strengths, Sums
from sk_posenc.kronecker._targets import TOO_LARGE, check_squared

# A target that varies by less than this share of its size varies by rounding only.
_CONSTANT = 1e-13


@dataclass(frozen=True)
class Places:
    """Distinct times, increasing; samples at the same time count as their mean.

    With covariates, places at the same time differ in these.

    Attributes
    ----------
    points : ndarray of shape (n_places,) or (n_places, 1 + p)
        Times, and covariates beside them.
    weights : ndarray of shape (n_places,)
        1 in the mean.
    place : ndarray of shape (n_samples,)
        That of each sample.
    share : ndarray of shape (n_samples,)
        Its share of the weight of its place.
    """

    points: NDArray[np.float64]
    weights: NDArray[np.float64]
    place: NDArray[np.intp]
    share: NDArray[np.float64]

    @classmethod
    def of(cls, points: NDArray[np.float64], weights: NDArray[np.float64] | None) -> "Places":
        distinct, place = np.unique(points, axis=0, return_inverse=True)
        place = place.reshape(-1)
        if weights is None:
            weights = np.ones(len(points))
        totals = np.bincount(place, weights)
        return cls(distinct, totals / totals.mean(), place, weights / totals[place])

    @property
    def times(self) -> NDArray[np.float64]:
        return times_of(self.points)

    def means(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(self.place, self.share * y).astype(np.float64)

    def standardised(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
        """Means about 0 in units of their spread, their mean, and the spread; 0 for a constant."""
        with within_floats(lambda: TOO_LARGE.format(np.max(np.abs(y)))):
            targets = self.means(y)
            mean = float(np.mean(self.weights * targets))
            targets = targets - mean
        size = float(np.max(np.abs(targets)))
        if size <= _CONSTANT * abs(mean):
            return np.zeros_like(targets), mean, 0.0
        targets /= size
        spread = float(np.sqrt(np.mean(self.weights * targets**2)))
        return targets / spread, mean, size * spread

    @property
    def per_place(self) -> float:
        return len(self.place) / len(self.points)


@dataclass(frozen=True)
class Series:
    """The fit of one target.

    Attributes
    ----------
    components : list of Component
    mean, spread : float
        Of the target; all that follows is in this unit.
    values : ndarray of shape (n_knots,)
        Coefficients of the sparse functions.
    root : ndarray of shape (n_knots, n_columns)
        Times its transpose it is their covariance.
    variances : ndarray of shape (n_components,)
        Prior variance of each component; 0 where nothing is penalised.
    strengths : Strengths
    noise : float
        Variance of the noise of a sample of mean weight.
    """

    components: list[Component]
    mean: float
    spread: float
    values: NDArray[np.float64]
    root: NDArray[np.float64]
    variances: NDArray[np.float64]
    strengths: Strengths
    noise: float

    @classmethod
    def fit(
        cls,
        sums: Sums,
        places: Places,
        y: NDArray[np.float64],
        alphas: NDArray[np.float64] | None,
    ) -> "Series":
        """Fit y (n_samples,); alphas of None are chosen by the likelihood."""
        targets, mean, spread = places.standardised(y)
        likelihood = Likelihood(sums, targets)
        strengths = likelihood.climb() if alphas is None else likelihood.most_likely(alphas)
        found = likelihood.solve(strengths)
        root = linalg.solve_triangular(found.root, sums.basis.T, lower=True).T
        unsure = found.noise * likelihood.by_choice(alphas is None)
        variances = np.zeros(len(sums.components))
        variances[sums.of_strengths] = unsure / strengths.alphas
        return cls(
            components=sums.components,
            mean=mean,
            spread=spread,
            values=sums.basis @ found.coefficients,
            root=np.sqrt(unsure) * root,
            variances=variances,
            strengths=strengths,
            noise=found.noise * places.per_place,
        )

    @property
    def stable_ranks(self) -> list[float]:
        """Of the components that have a strength."""
        return [each.stable_rank for each in self.components if each.modes.shape[1]]

    @property
    def noise_variance(self) -> float:
        check_squared(self.spread)
        return float(self.noise * np.square(self.spread))

    def parts(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each component at times, with covariates beside them or not; (m, n_components)."""
        parts = np.column_stack(
            [each.at(points) @ self.values[at] for each, at in self._with_knots()]
        )
        parts *= self.spread
        parts[:, 0] += self.mean
        return parts

    def deviation(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of the sum of the components, (m,)."""
        return self._by_blocks(self._variance, points)

    def deviation_of_samples(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same with the noise of a sample of mean weight, (m,)."""
        return np.hypot(self.deviation(points), self.spread * np.sqrt(self.noise))

    def deviations_of_parts(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of each component by itself, (m, n_components)."""
        return self._by_blocks(self._variances_of_parts, points)

    def coefficients(self) -> tuple[Linear, NDArray[np.float64], NDArray[np.float64]] | None:
        """Linear term, its coefficients and their deviations (p,), in units of y and X."""
        for each, at in self._with_knots():
            if isinstance(each, Linear):
                unit = self.spread / each.spread
                deviations = np.sqrt(np.sum(self.root[at] ** 2, axis=1))
                return each, unit * self.values[at], unit * deviations
        return None

    def _variance(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = rows_of(self.components, points) @ self.root
        return np.sum(np.square(moved), axis=1) + self._growth(points).sum(axis=1)

    def _variances_of_parts(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        squares = [
            np.sum((each.at(points) @ self.root[at]) ** 2, axis=1)
            for each, at in self._with_knots()
        ]
        return np.column_stack(squares) + self._growth(points)

    def _growth(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        times = times_of(points)
        columns = [
            each.variance_of_growth(self.values[at], variance) * each.growth(times)
            for (each, at), variance in zip(self._with_knots(), self.variances, strict=True)
        ]
        return np.column_stack(columns)

    def _with_knots(self) -> Iterator[tuple[Component, slice]]:
        start = 0
        for component in self.components:
            yield component, slice(start, start + component.n_knots)
            start += component.n_knots

    def _by_blocks(
        self,
        variance: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        points: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        size = max(1, limits_now().block_bytes // (16 * self.root.shape[1]))
        blocks = [points[start : start + size] for start in range(0, len(points), size)]
        return self.spread * np.sqrt(np.concatenate([variance(block) for block in blocks]))
