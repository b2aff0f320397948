"""How strong each component of a sum is: the restricted likelihood, and the climb to its top."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from sk_posenc.core.memory import check_memory
from sk_posenc.kronecker._components import Component, rows_of
from sk_posenc.kronecker._progress import scored

# Alphas that are tried, over the number of places: below, rounding decides; above, a component
# is nothing beside the noise.
LEAST_ALPHA, LARGEST_ALPHA = 1e-12, 1e6

# The climb starts at the best of these, over the number of places.
_STARTS = 10.0 ** np.arange(-11, 4, 2)

# Another exponent must raise twice the logarithm of the likelihood by this.
_WORTH = 2.0

# A step of the climb that gains a smaller share of the deviance ends it, times the places: while
# exponents are tried, and at last.
_COARSE, _FINE = 0.02, 1e-6

# Noise that every sample has, in spreads of the targets: rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Strengths:
    """What is chosen for each component that has a prior.

    Attributes
    ----------
    alphas : ndarray of shape (n_strengths,)
        Variance of the noise over that of the component.
    exponents : tuple of int
    """

    alphas: NDArray[np.float64]
    exponents: tuple[int, ...]


@dataclass(frozen=True)
class Solution:
    """The fit with given strengths.

    Attributes
    ----------
    deviance : float
        Minus twice the logarithm of the restricted likelihood, but for a constant.
    slope : ndarray of shape (n_strengths,)
        Its derivatives by the logarithms of the alphas.
    coefficients : ndarray of shape (n_columns,)
    root : ndarray of shape (n_columns, n_columns)
        Lower Cholesky factor of the normal equations.
    noise : float
        Variance, at a place of weight 1.
    """

    deviance: float
    slope: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    root: NDArray[np.float64]
    noise: float


class Sums:
    """All that the samples of a sum of components tell of its coefficients, but for the targets.

    Parameters
    ----------
    components : list of Component
    points : ndarray of shape (n_places,) or (n_places, 1 + p)
        Times, and covariates beside them.
    weights : ndarray of shape (n_places,)
        1 in the mean.

    Attributes
    ----------
    basis : ndarray of shape (n_knots, n_columns)
        From the columns to the sparse functions: for each component what is free, then its modes.
    owner : ndarray of shape (n_columns,)
        The strength that each column has; -1 for free ones.
    of_strengths : list of int
        The component of each strength.
    """

    def __init__(
        self,
        components: Sequence[Component],
        points: NDArray[np.float64],
        weights: NDArray[np.float64],
    ) -> None:
        self.components, self.weights = list(components), weights
        size = sum(each.n_knots for each in components)
        check_memory((3, size, size), 8, "lower stable_ranks, or leave periods out")
        self.rows = rows_of(self.components, points)
        parts: list[NDArray] = []
        owner: list[int] = []
        self.of_strengths: list[int] = []
        for place, each in enumerate(components):
            free, modes = each.free, each.modes
            parts.append(np.hstack([free, modes]))
            owner += [-1] * free.shape[1] + [len(self.of_strengths)] * modes.shape[1]
            self.of_strengths += [place] * (modes.shape[1] > 0)
        self.basis, self.owner = linalg.block_diag(*parts), np.array(owner)
        inner = self.rows.T @ self.rows.multiply(weights[:, None]).tocsr()
        gram = self.basis.T @ (inner @ self.basis)
        self.gram = (gram + gram.T) / 2

    @property
    def n_free(self) -> int:
        return int(np.count_nonzero(self.owner < 0))

    @property
    def penalised(self) -> list[Component]:
        """The components that have a strength."""
        return [self.components[place] for place in self.of_strengths]

    def precisions(self, strengths: Strengths) -> NDArray[np.float64]:
        """Prior precision of each column times the variance of the noise; 0 for free ones."""
        result = np.zeros(len(self.owner))
        for j, (component, alpha, exponent) in enumerate(
            zip(self.penalised, strengths.alphas, strengths.exponents, strict=True)
        ):
            result[self.owner == j] = alpha / component.variances(exponent)
        return result


class Likelihood:
    r"""The restricted likelihood of the strengths, of one target.

    Parameters
    ----------
    sums : Sums
    targets : ndarray of shape (n_places,)
        In units of their spread, about 0.

    Notes
    -----
    With A the Gram matrix of the columns plus their precisions P, c the coefficients and
    :math:`S = |y - \Phi c|_W^2 + c^\top P c`,

    .. math:: -2 \log L = (n - n_{free}) \log S + \log \det A - \log \det P

    It needs no more than one Cholesky factor, whatever the number of samples.
    """

    def __init__(self, sums: Sums, targets: NDArray[np.float64]) -> None:
        self._sums, self._targets = sums, targets
        self._moments = sums.basis.T @ (sums.rows.T @ (sums.weights * targets))
        self._freedom = len(targets) - sums.n_free

    def solve(self, strengths: Strengths) -> Solution:
        """The fit, and how likely its strengths are."""
        sums = self._sums
        precisions = sums.precisions(strengths)
        A = sums.gram.copy()
        A[np.diag_indices_from(A)] += precisions
        try:
            root = linalg.cholesky(A, lower=True, check_finite=False)
        except linalg.LinAlgError as error:
            raise ValueError(
                "alphas are so small, or the weights in sample_weight so unlike, that the seasons "
                "are singular up to rounding: raise alphas, lower stable_ranks, or bring the "
                f"weights nearer to each other. Got alphas={strengths.alphas.tolist()}."
            ) from error
        coefficients = linalg.cho_solve((root, True), self._moments, check_finite=False)
        residuals = self._targets - sums.rows @ (sums.basis @ coefficients)
        bent = precisions * coefficients**2
        left = float(sums.weights @ residuals**2 + bent.sum()) + len(residuals) * _ROUNDING**2
        unsure = np.diag(linalg.lapack.dpotri(root, lower=1)[0]) * precisions
        penalised = sums.owner >= 0
        deviance = self._freedom * np.log(left) + 2 * np.sum(np.log(np.diag(root)))
        deviance -= np.sum(np.log(precisions[penalised]))
        per_column = self._freedom * bent / left + unsure - 1
        owner, n_strengths = sums.owner[penalised], len(sums.of_strengths)
        slope = np.bincount(owner, per_column[penalised], n_strengths).astype(np.float64)
        return Solution(float(deviance), slope, coefficients, root, left / self._freedom)

    def climb(self) -> Strengths:
        """The most likely alphas and exponents."""
        n, exponents = len(self._targets), self._first_exponents
        equal = [Strengths(np.full(len(exponents), n * a), exponents) for a in _STARTS]
        scores = [self.solve(each).deviance for each in equal]
        near = self._over_exponents(equal[int(np.argmin(scores))], self._descend)
        return self._descend(near, _FINE)[0]

    def most_likely(self, alphas: NDArray[np.float64]) -> Strengths:
        """The most likely exponents at alphas that are given."""

        def score(strengths: Strengths) -> tuple[Strengths, float]:
            return strengths, self.solve(strengths).deviance

        return self._over_exponents(Strengths(alphas, self._first_exponents), score)

    def by_choice(self, alphas: bool) -> float:
        """By what variances grow, as exponents, and alphas if so, were chosen by few samples.

        Each choice takes one sample's worth of freedom from those that tell the noise.
        """
        chosen = sum(alphas + (len(each.exponents) > 1) for each in self._sums.penalised)
        return self._freedom / max(self._freedom - chosen, 1)

    @property
    def _first_exponents(self) -> tuple[int, ...]:
        return tuple(each.exponents[0] for each in self._sums.penalised)

    def _over_exponents(
        self, start: Strengths, refine: Callable[[Strengths], tuple[Strengths, float]]
    ) -> Strengths:
        """One component after the other takes the exponent that is worth it."""
        best, lowest = refine(start)
        for j, component in enumerate(self._sums.penalised):
            for exponent in component.exponents[1:]:
                changed = (*best.exponents[:j], exponent, *best.exponents[j + 1 :])
                tried, deviance = refine(Strengths(best.alphas, changed))
                if deviance < lowest - _WORTH:
                    best, lowest = tried, deviance
        return best

    def _descend(self, start: Strengths, tolerance: float = _COARSE) -> tuple[Strengths, float]:
        """Downhill in the logarithms of the alphas, by their derivatives."""

        def score(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            scored()
            solution = self.solve(Strengths(np.exp(logs), start.exponents))
            return solution.deviance, solution.slope

        n, logs = len(self._targets), np.log(start.alphas)
        bounds = [(np.log(n * LEAST_ALPHA), np.log(n * LARGEST_ALPHA))] * len(start.alphas)
        found = optimize.minimize(
            score, logs, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"ftol": tolerance / n, "gtol": 1e-3},
        )  # fmt: skip
        return Strengths(np.exp(found.x), start.exponents), float(found.fun)
