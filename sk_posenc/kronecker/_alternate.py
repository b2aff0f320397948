"""A search with covariates: their coefficients and the choice of a smoother, in turn."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sk_posenc.kronecker._patterns import Pattern
from sk_posenc.kronecker._search import Choice
from sk_posenc.kronecker._targets import Units

# Searches that follow each other, at most.
_ROUNDS = 4

# Coefficients that move the targets by less, squared and over the squared error of the choice, do
# not change a choice.
_SETTLED = 0.01

# Neighbours whose differences tell the first coefficients, and samples that are asked.
_NEIGHBOURS = 3
_ASKED = 20_000

# Directions in which neighbours differ less than this share of the most tell nothing.
_RANK = 1e-3

Coefficients = NDArray[np.float64]  # (q, p)


def alternate(
    first: Coefficients,
    search: Callable[[Coefficients], tuple[Units, Choice]],
    estimate: Callable[[Choice], Coefficients],
    beside: NDArray[np.float64],
) -> tuple[Units, Choice]:
    """Search on targets without the linear term and estimate that by the choice, until it settles.

    Parameters
    ----------
    first : ndarray of shape (q, p)
        Coefficients to begin with.
    search : callable
        Gives the units of the targets that a linear term leaves, and the choice.
    estimate : callable
        Gives the coefficients under a choice.
    beside : ndarray of shape (n, p)
        Covariates.
    """
    known = first
    for _ in range(_ROUNDS):
        units, choice = search(known)
        found = estimate(choice)
        moved = units.relative(beside @ (found - known).T) ** 2
        known = found
        error = -choice.results["mean_test_score"][choice.best]
        if units.scores(np.array(np.mean(moved))) <= _SETTLED * error:
            break
    return units, choice


def first_coefficients(X: NDArray, y: NDArray, beside: NDArray[np.float64]) -> Coefficients:
    """From differences of neighbours, where smooth functions cancel; 0 where these do not differ.

    See A. Yatchew, "An elementary estimator of the partial linear model", Economics Letters 57(2),
    1997.
    """
    X = X.astype(np.float64)
    width = np.ptp(X, axis=0)
    places = (X - X.min(axis=0)) / np.where(width > 0, width, 1.0)
    rows = np.arange(len(X))
    if len(rows) > _ASKED:
        rows = np.random.default_rng(0).permutation(len(rows))[:_ASKED]
    k = min(_NEIGHBOURS + 1, len(X))
    _, near = cKDTree(places).query(places[rows], k=k)
    one, other = np.repeat(rows, k), near.reshape(-1)
    apart = beside[one] - beside[other]
    unit = np.sqrt(np.mean(apart**2, axis=0))
    unit = np.where(unit > 0, unit, 1.0)
    y = y.astype(np.float64)
    found, *_ = np.linalg.lstsq(apart / unit, y[one] - y[other], rcond=_RANK)
    return np.asarray((found / unit[:, None]).T)


def first_of_outputs(
    X: NDArray, y: NDArray, beside: NDArray[np.float64], patterns: Sequence[Pattern]
) -> Coefficients:
    """The same, each output by the samples that it has."""
    columns = y.reshape(len(y), -1)
    if not patterns:
        return first_coefficients(X, columns, beside)
    found = np.empty((columns.shape[1], beside.shape[1]))
    for outputs, part in patterns:
        here = part.present
        found[outputs] = first_coefficients(X[here], columns[here][:, outputs], beside[here])
    return found


def less(given: Sequence[Any], beside: NDArray[np.float64], linear: Coefficients) -> Any:
    """Samples (X, y, ...) whose targets are without the linear term."""
    X, y, *others = given
    return X, (y - (beside @ linear.T).reshape(y.shape)).astype(y.dtype), *others
