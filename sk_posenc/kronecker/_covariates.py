"""Covariates beside the axes: a linear term that is fitted together with the smooth part."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sk_posenc.core.arrays import SQUARED_UP_TO
from sk_posenc.kronecker._axis import Expansion
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._predict import evaluate
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import ADAPTIVE, Penalty

# What a smoother leaves of covariates is a small difference: conjugate gradients come nearer.
_FINER = 0.01

# Covariates, or a constant, of which the smooth functions leave a smaller share are theirs, up to
# rounding; dual coefficients tell what is left without one.
_LEAST_SHARE = 1e-9
_LEAST_OF_DUAL = 1e-14

# Least eigenvalue of correlations of covariates that are independent.
_DEPENDENT = 1e-9


@dataclass(frozen=True, eq=False)
class CovariateFit:
    r"""Coefficients of covariates beside the smooth function of a problem.

    With S the smoother, W the weights of the samples, and Z the covariates and a constant, all
    samples are the generalised least squares :math:`\beta = (Z' W (I - S) Z)^{-1} Z' W (I - S) y`:
    :math:`W (I - S)` is the inverse of the covariance of the samples, in units of their noise.

    Attributes
    ----------
    centre : ndarray of shape (p,)
    coefficients : ndarray of shape (q, p)
    covariance : ndarray of shape (p, p)
        Of them, over the variance of the noise at a place of mean weight.
    taken : float
        Samples' worth of freedom that they take.
    expansion : Expansion
    solution : ndarray
        The smooth functions that follow the covariates less their centre.
    """

    centre: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    taken: float
    expansion: Expansion
    solution: NDArray

    def variance(self, X: NDArray, Z: NDArray, orders: Sequence[int]) -> NDArray[np.float64]:
        """What the coefficients add to the variance of predictions, (m,), over that of noise.

        Where covariates are as samples nearby have them, the samples tell the sum, and their
        coefficients do not matter.
        """
        moved = np.zeros(len(self.centre))
        unlike = -evaluate(self.expansion, self.solution, X, orders, moved)
        if not any(orders):
            unlike += Z - self.centre
        return np.asarray(np.sum((unlike @ self.covariance) * unlike, axis=1))


def estimate(
    problem: Problem,
    alpha: float,
    Z: NDArray[np.float64],
    y: NDArray,
    names: Sequence[str],
    tolerance: float,
    max_iter: int,
) -> CovariateFit:
    """Coefficients at a fixed smoother.

    Parameters
    ----------
    problem : Problem
    alpha : float
        Absolute.
    Z : ndarray of shape (n_samples, p)
    y : ndarray of shape (n_samples, q)
    names : sequence of str
        What errors call the covariates.
    """
    samples = problem.samples
    units = Units(samples, Z)
    _refuse_constant(units, names, samples.n_present)
    columns = np.column_stack([np.ones(len(Z)), (Z - units.mean) / units.exact])
    solution = _solved(problem, alpha, columns, tolerance, max_iter)
    left = _left(problem, alpha, columns, solution)
    if not np.max(np.abs(left)) < SQUARED_UP_TO:
        raise ValueError(
            "alpha and tol leave no solution for the covariates: raise alpha, or lower tol. "
            f"Got alpha={alpha:.3g} and tol={tolerance:.3g}."
        )
    of_one, apart, own = left[:, :1], left[:, 1:], columns[:, 1:]
    least = _LEAST_OF_DUAL if problem.layout == "dual" else _LEAST_SHARE
    size = float(_inner(samples, of_one, columns[:, :1])[0, 0])
    if size > least * samples.n_present:  # the constant is free too
        apart = apart - of_one * (_inner(samples, of_one, own) / size)
    told = _inner(samples, apart, own)
    whole = np.sum(_inner(samples, own, own) * np.eye(len(told)), axis=0)
    inverse = _inverted((told + told.T) / 2, whole, names, least)
    centred = y.astype(np.float64, copy=False) - samples.mean(y)
    return CovariateFit(
        centre=units.mean,
        coefficients=(inverse @ _inner(samples, apart, centred)).T / units.exact,
        covariance=inverse / np.multiply.outer(units.exact, units.exact) / samples.thinning,
        taken=float(np.trace(inverse @ _inner(samples, apart, left[:, 1:]))),
        expansion=problem.solver.expansion,
        solution=units.back(solution[1:]),
    )


def _solved(
    problem: Problem, alpha: float, columns: NDArray, tolerance: float, max_iter: int
) -> NDArray:
    cells, finer = problem.samples.to_cells(columns), _FINER * tolerance
    solution, _, error = problem.solver.solve(cells, alpha, finer, max_iter)
    if error > finer:
        warnings.warn(
            f"conjugate gradients did not reach {_FINER:g} * tol={finer:g} for the covariates in "
            f"max_iter={max_iter} steps: their coefficients are less exact. Raise max_iter or "
            f"alpha. The last steps moved a function by {error:.2g} times its residuals",
            ConvergenceWarning,
            stacklevel=6,
        )
    return solution


def _inner(samples: Samples, first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """Weighted inner products of columns, (p, q); a sample of mean weight counts as one."""
    p, q = first.shape[1], second.shape[1]
    products = (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)
    return samples.n_present * samples.mean(products).reshape(p, q)


def _left(
    problem: Problem, alpha: float, columns: NDArray, solution: NDArray
) -> NDArray[np.float64]:
    """What the smoother leaves of columns (n_samples, p)."""
    samples, cells = problem.samples, np.zeros((len(solution), problem.samples.n_cells))
    if problem.layout == "dual":  # residuals are the dual coefficients, without a difference
        cells[:, samples.occupied] = alpha * solution / problem.design.root_weights() ** 2
        means = samples.to_samples(samples.to_cells(columns))
        return columns - means + samples.to_samples(cells.reshape(-1, *samples.shape))
    places = samples.coordinates
    if samples.on_grid:
        indices = np.unravel_index(samples.occupied, samples.shape)
        places = [x[i] for x, i in zip(places, indices, strict=True)]
    orders, zero = (0,) * len(places), np.zeros(len(solution))
    values = evaluate(problem.solver.expansion, solution, np.column_stack(places), orders, zero)
    cells[:, samples.occupied] = values.T
    return columns - samples.to_samples(cells.reshape(-1, *samples.shape))


def _refuse_constant(units: Units, names: Sequence[str], n_samples: int) -> None:
    constant = [name for name, spread in zip(names, units.spread, strict=True) if spread == np.inf]
    if constant:
        raise ValueError(
            "covariates must vary over the samples, and these do not: leave them out. "
            f"Got constant columns {', '.join(constant)} and n_samples = {n_samples}."
        )


def _inverted(
    told: NDArray[np.float64], whole: NDArray[np.float64], names: Sequence[str], least: float
) -> NDArray[np.float64]:
    """The inverse of what samples tell of the coefficients; ValueError where they tell nothing."""
    shares = np.maximum(np.diag(told) / whole, 0.0)
    unknown = [name for name, share in zip(names, shares, strict=True) if share < least]
    if unknown:
        raise ValueError(
            "covariates must vary in a way that no smooth function of the axes does, or their "
            "coefficients are not known: raise alpha, or leave them out. "
            f"Got columns {', '.join(unknown)}."
        )
    roots = np.sqrt(np.diag(told))
    values, vectors = np.linalg.eigh(told / np.multiply.outer(roots, roots))
    if values[0] < _DEPENDENT:
        involved = np.abs(vectors[:, 0]) > 0.1
        shown = ", ".join(name for name, one in zip(names, involved, strict=True) if one)
        raise ValueError(
            "covariates must not be sums of each other, beside a constant: leave one out. "
            f"Got columns {shown}."
        )
    inverse = (vectors / values) @ vectors.T
    return np.asarray(inverse / np.multiply.outer(roots, roots))


def refuse_adaptive(penalties: Iterable[Penalty]) -> None:
    """Raise for a penalty that follows the function: its fit is not linear in the targets."""
    if any(each == ADAPTIVE for each in penalties):
        raise ValueError(
            'covariates need a fit that is linear in the targets, and the penalty "adaptive" has '
            'none: take another penalty, such as 2.0 or "similarity". Got "adaptive".'
        )


def linear_ones(paths: list[Candidate], *, asked: bool) -> list[Candidate]:
    """Candidates without "adaptive", which is refused if it was asked for."""
    if asked:
        refuse_adaptive(each.penalty for each in paths)
    return [each for each in paths if each.penalty != ADAPTIVE]
