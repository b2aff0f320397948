"""Ridge regression on Kronecker products of matrices, one per axis: the plain solvers.

With features ``Phi = Phi_1 kron ... kron Phi_d`` of the points of a grid and a penalty
``P = P_1 kron ... kron P_d``, the coefficients that minimise

    |y - Phi c|**2 + alpha c' P c

follow from one eigendecomposition per axis; nothing larger than the grid is stored.
Arrays over a grid have shape (n_columns, *grid). Samples that are no grid are a grid of
one axis, whose features are the products, row by row, of those of all axes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from sk_posenc.kronecker._structured import apply_along_axes, bands_of
from sk_posenc.kronecker._whitening import Whitening, unwhiten, whiten

# Axes up to this size go through singular values, which cost little there; larger ones
# through the Gram matrix, several times faster, which squares the condition number.
SVD_UP_TO = 128


@dataclass(frozen=True)
class AxisFactor:
    """One axis of the problem in the coordinates in which it is diagonal.

    With A the weighted features of the axis, ``c = right (left' y / (eigenvalues + alpha))``
    is its ridge solution; the steps of several axes chain.

    Attributes
    ----------
    eigenvalues : ndarray of shape (r,)
        Of ``A P^-1 A'``, 0 where they are rounding.
    left : tuple of matrices
        Applied one after another to the targets, from n samples to r.
    right : tuple of matrices
        Applied one after another, from r to k coefficients.
    smallest : float
        The last of min(n, k) eigenvalues, which may be 0.
    """

    eigenvalues: NDArray[np.float64]
    left: tuple[NDArray, ...]
    right: tuple[NDArray, ...]
    smallest: float

    @property
    def largest(self) -> float:
        return float(self.eigenvalues.max())

    def astype(self, dtype: np.dtype) -> "AxisFactor":
        left, right = (
            tuple(step.astype(dtype, copy=False) for step in steps)
            for steps in (self.left, self.right)
        )
        return AxisFactor(self.eigenvalues, left, right, self.smallest)


def factor_axis(
    features: NDArray[np.float64],
    whitening: Whitening | None = None,
    *,
    side: str = "smaller",
    by_gram: bool = True,
) -> AxisFactor:
    """Diagonalise one axis.

    Parameters
    ----------
    features : ndarray of shape (n, k)
        Each row times the root of its weight.
    whitening : Whitening or None
    side : {"smaller", "samples"}
        "samples": `left` is the whole orthogonal matrix of shape (n, n), which
        leave-one-out needs. "smaller": whichever of n and k is less work.
    by_gram : bool
        Whether axes beyond 128 may go through the Gram matrix: eigenvalues are then exact
        to rounding of the largest, not of themselves.
    """
    white = whiten(features, whitening)
    n, k = white.shape
    banded = len(bands_of(features)) > 1
    if by_gram and min(n, k) > SVD_UP_TO:
        if side == "smaller" and k < n:
            eigenvalues, V = linalg.eigh(white.T @ white, driver="evd", check_finite=False)
            to_coefficients = unwhiten(V, whitening)
            left = (features.T, to_coefficients.T) if banded else ((white @ V).T,)
            return _factor(eigenvalues, left, (to_coefficients,), min(n, k), n)
        eigenvalues, U = linalg.eigh(white @ white.T, driver="evd", check_finite=False)
    else:
        U, s, _ = _svd(white, whole=side == "samples")
        eigenvalues = np.zeros(U.shape[1])
        eigenvalues[: len(s)] = np.where(s > np.finfo(float).eps * max(n, k) * s[0], s**2, 0.0)
    right = (U, features.T) if banded and whitening is None else (unwhiten(white.T @ U, whitening),)
    return _factor(eigenvalues, (U.T,), right, min(n, k), n)


def factor_rows(features: NDArray[np.float64]) -> AxisFactor:
    """As :func:`factor_kernel` of ``features features'``, without squaring it."""
    U, s, _ = _svd(features, whole=True)
    eigenvalues = np.zeros(len(U))
    eigenvalues[: len(s)] = s**2
    return _factor(eigenvalues, (U.T,), (U,), len(U), len(U))


def factor_kernel(kernel: NDArray[np.float64]) -> AxisFactor:
    """Diagonalise a kernel matrix of samples; the solution is in dual coefficients."""
    eigenvalues, U = linalg.eigh(kernel, driver="evd", check_finite=False)
    return _factor(eigenvalues, (U.T,), (U,), len(kernel), len(kernel))


def _svd(matrix: NDArray, *, whole: bool) -> tuple[NDArray, NDArray, NDArray]:
    """Singular vectors, on the left all of them if `whole`; never more on the right."""
    n, k = matrix.shape
    return linalg.svd(matrix, full_matrices=whole and n > k, check_finite=False)


def _factor(
    eigenvalues: NDArray,
    left: tuple[NDArray, ...],
    right: tuple[NDArray, ...],
    n_informative: int,
    n: int,
) -> AxisFactor:
    largest = eigenvalues.max()
    noise = (np.finfo(float).eps * n) ** 2 * largest
    eigenvalues = np.where(eigenvalues > noise, eigenvalues, 0.0)
    smallest = float(np.sort(eigenvalues)[::-1][n_informative - 1])
    return AxisFactor(eigenvalues, left, right, smallest)


def spectrum(factors: Sequence[AxisFactor]) -> NDArray[np.float64]:
    """Eigenvalues of the whole problem, the products over the axes; shape (r_1, ..., r_d)."""
    product = np.ones(())
    for factor in factors:
        product = np.multiply.outer(product, factor.eigenvalues)
    return product


def inverse_spectrum(eigenvalues: NDArray, alpha: float) -> NDArray:
    """1 / (eigenvalues + alpha); at alpha 0 the pseudo-inverse."""
    if alpha > 0:
        return 1 / (eigenvalues + alpha)
    kept = eigenvalues > np.finfo(float).eps ** 2 * eigenvalues.max()
    return np.where(kept, 1 / np.where(kept, eigenvalues, 1.0), 0.0)


class Bounded(Protocol):
    """An axis whose eigenvalues are known at both ends."""

    @property
    def smallest(self) -> float: ...

    @property
    def largest(self) -> float: ...


def condition_number(factors: Sequence[Bounded], alpha: float) -> float:
    """Condition number of the regularised normal equations, on their smaller side."""
    largest = math.prod(factor.largest for factor in factors)
    smallest = math.prod(factor.smallest for factor in factors)
    return (largest + alpha) / (smallest + alpha) if smallest + alpha > 0 else math.inf


def solve_rotated(rotated: NDArray, factors: Sequence[AxisFactor], alpha: float) -> NDArray:
    """:func:`solve` for targets to which the `left` steps have been applied already."""
    inverse = inverse_spectrum(spectrum(factors), alpha)
    shrunk = rotated * inverse.astype(rotated.dtype, copy=False)
    return apply_along_axes(shrunk, [factor.right for factor in factors])


def residual_parts(
    rotated: NDArray, factors: Sequence[AxisFactor], alpha: float
) -> tuple[NDArray, NDArray]:
    """Residuals, and 1 - h with h the diagonal of the hat matrix.

    ``alpha (K + alpha)^-1 y`` and the diagonal of ``alpha (K + alpha)^-1``, with
    K = A P^-1 A': no difference of near numbers is taken, however closely the fit follows
    the targets.

    Parameters
    ----------
    rotated : ndarray of shape (n_columns, n_1, ..., n_d)
        Targets after the `left` steps.
    factors : sequence of d AxisFactor
        With ``side="samples"``.
    alpha : float

    Returns
    -------
    residuals : ndarray of shape (n_columns, n_1, ..., n_d)
    remaining : ndarray of shape (n_1, ..., n_d)
    """
    eigenvalues = spectrum(factors)
    if alpha > 0:
        kept = alpha / (eigenvalues + alpha)
    else:
        kept = np.where(inverse_spectrum(eigenvalues, alpha) > 0, 0.0, 1.0)
    bases = [factor.left[0].T for factor in factors]  # (n, n), orthogonal
    residuals = apply_along_axes(rotated * kept, [(U,) for U in bases])
    remaining = apply_along_axes(kept[None], [(U**2,) for U in bases])[0]
    return residuals, remaining


def generalised_cross_validation(
    energy: NDArray, factors: Sequence[AxisFactor], alphas: NDArray
) -> NDArray:
    """GCV score of each alpha, n |y - Hy|**2 / trace(I - H)**2.

    Parameters
    ----------
    energy : ndarray of shape (n_1, ..., n_d)
        Squares of the rotated targets, mean over the columns.
    factors : sequence of d AxisFactor
        With ``side="samples"``.
    alphas : ndarray of shape (n_alphas,)
    """
    eigenvalues = spectrum(factors).ravel()
    energy = energy.ravel()
    scores = np.empty(len(alphas))
    for i, alpha in enumerate(alphas):
        kept = alpha / (eigenvalues + alpha)
        with np.errstate(invalid="ignore"):  # NaN where alpha leaves no residuals at all
            scores[i] = len(energy) * np.dot(kept * kept, energy) / np.sum(kept) ** 2
    return scores
