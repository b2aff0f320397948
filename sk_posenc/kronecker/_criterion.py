"""How well kernel ridge predicts what it has not seen: the number that a search goes by."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.checks import within_floats
from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._factors import AxisFactor, spectrum
from sk_posenc.kronecker._structured import apply_along_axes

# How much the likelihood of all samples counts. Few samples need it: it tells noise from detail
# where the errors held out are few. Of many samples it says less than these.
_MOST_LIKELIHOOD = 0.5
_LIKELIHOOD = 5.0

# Has a logarithm, and is nothing.
_LEAST = 1e-300


@dataclass(frozen=True)
class Judged:
    """Several alphas of one kernel.

    Attributes
    ----------
    criterion : ndarray of shape (n_alphas,)
        The logarithm of an expected squared error; the smaller the better.
    squared_error : ndarray of shape (n_alphas,)
        Of leave-one-out, in squares of the unit of the targets; mean over the outputs.
    """

    criterion: NDArray[np.float64]
    squared_error: NDArray[np.float64]


@within_floats(
    lambda: (
        "alphas or sample_weight are so unlike that floats do not hold what is left out: choose "
        "larger alphas, or bring the weights nearer to each other."
    )
)
def judge(
    factors: Sequence[AxisFactor],
    cells: NDArray,
    roots: NDArray,
    between: NDArray | None,
    alphas: NDArray,
    likelihood: float | None = None,
) -> Judged:
    r"""The criterion of kernel ridge with a constant, from the eigenvalues of its kernel.

    Parameters
    ----------
    factors : list of AxisFactor
        Of the kernel of each axis, its rows and columns times the roots of the weights.
    cells : ndarray of shape (q, *shape)
        Targets at each place, each output in its own spread.
    roots : ndarray of shape `shape`
        Of the weights of the places, 1 in the mean.
    between : ndarray of shape (n_points, n) or None
        Kernels of points between the places and the places, times the roots; None on a grid of
        several axes, where they play no part.
    alphas : ndarray
        Greater than 0.
    likelihood : float, default=None
        How much the likelihood counts. None: as few places need it, min(1/2, 5 / sqrt n).

    Notes
    -----
    With h the roots, A = h K h + alpha and the constant that fits best, let r be the dual
    residuals and D the diagonal of the inverse of A, both freed of the constant. Then

    - LOO, the mean of h |r / D|, is the error at a place without its samples;
    - LPL, the mean of |r| / sqrt D over the geometric mean of sqrt D, is what the density of
      each place given the others says of that error;
    - FAR, the mean variance of the model at the points between times the geometric mean of D,
      or 1 if it is less, is how much less the model knows there than at a place left out. On a
      grid of several axes a place left out is too easy, as the model has its neighbours along
      all axes: FAR is then the mean squared error of whole lines left out, those of one
      coordinate that is not at an end, over that of single places;
    - REML, (y' r / n) (det A 1' A^-1 1)^(1/n), is what the density of all samples says.

    The criterion is log LOO + log LPL + log FAR + `likelihood` log REML. Errors are absolute, as a
    few large ones, at an end or an edge, tell little of the others.
    """
    shape, q, n = roots.shape, len(cells), roots.size
    left = [factor.left for factor in factors]
    back = [(factor.left[0].T,) for factor in factors]
    squares = [(factor.left[0].T ** 2,) for factor in factors]
    cross = None if between is None else between @ back[0][0]  # (n_points, n)
    eigenvalues = spectrum(factors).ravel()
    targets = apply_along_axes(cells * roots, left).reshape(q, n)
    one = apply_along_axes(roots[None], left).ravel()
    share = min(_MOST_LIKELIHOOD, _LIKELIHOOD / math.sqrt(n)) if likelihood is None else likelihood
    criterion, squared = np.empty(len(alphas)), np.empty(len(alphas))
    step = max(1, limits_now().block_bytes // (8 * n * (q + 2)))
    for start in range(0, len(alphas), step):
        at = slice(start, start + step)
        values = eigenvalues + alphas[at, None]  # (m, n)
        of_one = one / values
        ones = of_one @ one
        centred = targets - (of_one @ targets.T / ones[:, None])[:, :, None] * one
        shrunk = centred / values[:, None]  # (m, q, n)
        dual = np.concatenate([shrunk, of_one[:, None]], axis=1).reshape(-1, *shape)
        dual = apply_along_axes(dual, back).reshape(len(values), q + 1, n)
        inverse = apply_along_axes((1 / values).reshape(-1, *shape), squares).reshape(-1, n)
        diagonal = np.maximum(inverse - dual[:, -1] ** 2 / ones[:, None], _LEAST)[:, None]
        residuals = dual[:, :-1]
        squares_left_out = np.mean((residuals / diagonal) ** 2, axis=2)
        if cross is None:
            lines = _without_lines(shrunk, values, factors)
            far = np.mean(np.log((lines + _LEAST) / (squares_left_out + _LEAST)), axis=1)
        else:
            unsure = np.maximum(1 - (1 / values) @ (cross**2).T, 0.0)  # (m, n_points)
            unsure += (1 - of_one @ cross.T) ** 2 / ones[:, None] + alphas[at, None]
            far = np.log(np.mean(unsure, axis=1)) + np.mean(np.log(diagonal[:, 0]), axis=1)
        fit = np.mean(shrunk * centred, axis=2)
        volume = (np.sum(np.log(values), axis=1) + np.log(ones)) / n
        left_out = log_errors(residuals, diagonal, roots.ravel())
        density = share * (np.log(fit + _LEAST) + volume[:, None])
        criterion[at] = np.mean(left_out + density, axis=1) + np.maximum(far, 0.0)
        squared[at] = np.mean(squares_left_out, axis=1)
    return Judged(criterion, squared)


def log_errors(residuals: NDArray, diagonal: NDArray, roots: NDArray) -> NDArray[np.float64]:
    """Log LOO + log LPL of each alpha and output, (m, q).

    Parameters
    ----------
    residuals : ndarray of shape (m, q, n)
        Dual ones, freed of the constant.
    diagonal : ndarray of shape (m, 1, n)
        Of the inverse of A, likewise.
    roots : ndarray of shape (n,)
        Of the weights.
    """
    loo = np.mean(np.abs(residuals / diagonal) * roots, axis=2)
    lpl = np.mean(np.abs(residuals) / np.sqrt(diagonal), axis=2)
    return np.asarray(
        np.log(loo + _LEAST) + np.log(lpl + _LEAST) - np.mean(np.log(diagonal), axis=2) / 2
    )


def _without_lines(
    shrunk: NDArray, values: NDArray, factors: Sequence[AxisFactor]
) -> NDArray[np.float64]:
    """Mean squared error of all places of one coordinate without any of these; (m, q).

    The inverse of A is diagonal in the eigenvectors of the other axes, so that each line has its
    own residual over its own diagonal there.

    Parameters
    ----------
    shrunk : ndarray of shape (m, q, n)
        Dual residuals in the eigenvectors of all axes.
    values : ndarray of shape (m, n)
        Eigenvalues of A.
    """
    m, q, _ = shrunk.shape
    shape = tuple(len(factor.eigenvalues) for factor in factors)
    total, count = np.zeros((m, q)), 0
    for axis, size in enumerate(shape):
        inner = slice(1, -1) if size > 2 else slice(None)
        if size == 1:
            continue
        U = factors[axis].left[0].T
        along: list[tuple[NDArray, ...]] = [() for _ in shape]
        along[axis] = (U,)
        dual = apply_along_axes(shrunk.reshape(-1, *shape), along).reshape(m, q, *shape)
        along[axis] = (U**2,)
        diagonal = apply_along_axes((1 / values).reshape(m, *shape), along)
        errors = np.moveaxis(dual / diagonal[:, None], 2 + axis, 2)[:, :, inner]
        total += np.mean(errors.reshape(m, q, -1) ** 2, axis=2)
        count += 1
    return total / max(count, 1)
