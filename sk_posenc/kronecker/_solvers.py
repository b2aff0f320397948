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

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from sk_posenc.core.products import mode_products
from sk_posenc.kronecker._structured import Chain, bands_of

# What penalises the coefficients that differences do not see (constant; straight lines).
NULL_SPACE = 1e-2

PENALTIES = ("ridge", "slope", "curvature")

# Axes up to this size go through singular values, which cost little there; larger ones
# through the Gram matrix, several times faster, which squares the condition number.
_SVD_UP_TO = 128


# Banded axes are inverted where the whole problem is no worse conditioned than this, and
# alpha no larger a share of its smallest eigenvalue than that.
_WELL_CONDITIONED = 1e6
_SMALL_ALPHA = 1e-2

# Width of a band, as a share of the size of its matrix, up to which it pays.
_DENSE = 1 / 16

# Relative error of the series that puts alpha into the inverse.
_SERIES_ERROR = 1e-13

# At such a share of alpha, rounding to float32 in the series stays below 1e-11.
_SINGLE_ALPHA = 1e-4


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


@dataclass(frozen=True)
class Whitening:
    """Coefficients in which the penalty P of one axis is the identity: ``c = M z``, M' P M = I.

    Attributes
    ----------
    root : ndarray of shape (k, k) or None
        Lower Cholesky factor L of P, where M is ``L^-T``.
    matrix : ndarray of shape (k, r) or None
        M itself, where there is no root.
    """

    root: NDArray | None = None
    matrix: NDArray | None = None


def difference_whitening(order: int, n: int, *, circular: bool = False) -> Whitening | None:
    """Whitening of the penalty P of one axis; None for the identity.

    P is ``D' D + 0.01 I`` with D the first or second differences of n coefficients, which on a
    circle run on from the last to the first.
    """
    if order == 0:
        return None
    D = np.eye(n)
    for _ in range(order):
        D = np.roll(D, -1, axis=0) - D if circular else np.diff(D, axis=0)
    return Whitening(np.linalg.cholesky(D.T @ D + NULL_SPACE * np.eye(n)))


def whiten(features: NDArray, whitening: Whitening | None) -> NDArray:
    """Features whose plain ridge is the penalised problem: ``features M``."""
    if whitening is None:
        return features
    if whitening.matrix is not None:
        return features @ whitening.matrix
    return linalg.solve_triangular(whitening.root, features.T, lower=True, check_finite=False).T


def unwhiten(matrix: NDArray, whitening: Whitening | None) -> NDArray:
    """Coefficients of whitened features as those of the features: ``M matrix``."""
    if whitening is None:
        return matrix
    if whitening.matrix is not None:
        return whitening.matrix @ matrix
    return linalg.solve_triangular(
        whitening.root, matrix, lower=True, trans="T", check_finite=False
    )


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
    if by_gram and min(n, k) > _SVD_UP_TO:
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


@dataclass(frozen=True)
class BandedAxis:
    """One axis whose Gram matrix K is banded and well conditioned, by its inverse.

    K is ``A A'``, or ``A' A`` where samples outnumber columns. Entries of the inverse fall
    off geometrically away from the diagonal, so that it is banded too in effect, and
    :func:`apply_along_axes` takes it as such.

    Attributes
    ----------
    left : tuple of matrices
        Applied to the targets first.
    inverse : ndarray of shape (m, m)
    right : ndarray of shape (k, m)
        From the targets after `left` to coefficients, at alpha 0.
    smallest, largest : float
        Eigenvalues of K.
    """

    left: tuple[NDArray, ...]
    inverse: NDArray
    right: NDArray
    smallest: float
    largest: float


def band_axis(features: NDArray[np.float64]) -> BandedAxis | None:
    """Invert the Gram matrix of one axis; None where it is not banded, or singular.

    Parameters
    ----------
    features : ndarray of shape (n, k)
        Each row times the root of its weight.
    """
    n, k = features.shape
    if min(n, k) <= _SVD_UP_TO:
        return None
    size = min(n, k)
    if size <= _SVD_UP_TO or np.count_nonzero(features) > _DENSE * features.size:
        return None
    inner = sparse.csr_array(features.T if k < n else features)
    gram = (inner @ inner.T).tocoo()
    offsets = gram.row - gram.col
    width = int(offsets.max()) + 1
    if width > _DENSE * size:
        return None
    below = offsets >= 0
    lower = np.zeros((width, size))
    lower[offsets[below], gram.col[below]] = gram.data[below]
    smallest, largest = (
        float(linalg.eigvals_banded(lower, lower=True, select="i", select_range=(i, i))[0])
        for i in (0, size - 1)
    )
    if largest > _WELL_CONDITIONED * smallest:
        return None
    root = linalg.cholesky_banded(lower, lower=True)
    inverse = np.ascontiguousarray(linalg.cho_solve_banded((root, True), np.eye(size)))
    if k < n:
        return BandedAxis((inner.toarray(),), inverse, inverse, smallest, largest)
    return BandedAxis((), inverse, inner.T @ inverse, smallest, largest)


def can_band(axes: Sequence[BandedAxis], alpha: float) -> bool:
    """Whether :func:`solve_banded` is exact, to 1e-11 or so, at this alpha."""
    smallest = math.prod(axis.smallest for axis in axes)
    largest = math.prod(axis.largest for axis in axes)
    return largest <= _WELL_CONDITIONED * smallest and alpha <= _SMALL_ALPHA * smallest


def solve_banded(targets: NDArray, axes: Sequence[BandedAxis], alpha: float) -> NDArray:
    """Ridge coefficients, as :func:`solve`, from the inverses of banded axes.

    With S the product of the inverses,
    ``(K + alpha)^-1 = S - alpha S^2 + alpha^2 S^3 - ...``, as far as it matters.
    """
    targets = apply_along_axes(targets, [axis.left for axis in axes])
    ratio = alpha / math.prod(axis.smallest for axis in axes)
    n_terms = math.ceil(math.log(_SERIES_ERROR) / math.log(ratio)) - 1 if ratio > 0 else 0
    if n_terms > 0:
        dtype = np.dtype(np.float32) if ratio <= _SINGLE_ALPHA else targets.dtype
        steps = [axis.inverse.astype(dtype) for axis in axes]
        steps[0] *= -alpha
        goal = targets.astype(dtype, copy=False)
        series = apply_along_axes(goal, [(step,) for step in steps])
        for _ in range(n_terms - 1):
            series += goal
            series = apply_along_axes(series, [(step,) for step in steps])
        targets = targets + series
    back = [(axis.right.astype(targets.dtype, copy=False),) for axis in axes]
    return apply_along_axes(targets, back)


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


def condition_number(factors: Sequence[AxisFactor | BandedAxis], alpha: float) -> float:
    """Condition number of the regularised normal equations, on their smaller side."""
    largest = math.prod(factor.largest for factor in factors)
    smallest = math.prod(factor.smallest for factor in factors)
    return (largest + alpha) / (smallest + alpha) if smallest + alpha > 0 else math.inf


def apply_along_axes(array: NDArray, matrices: Sequence[Sequence[NDArray]]) -> NDArray:
    """Mode products: along grid axis a, the matrices of ``matrices[a]`` in turn.

    Parameters
    ----------
    array : ndarray of shape (n_columns, n_1, ..., n_d)
    matrices : sequence of d sequences of ndarrays
        The first of axis a has shape (m, n_a).
    """
    return mode_products(array, [Chain(steps) for steps in matrices])


def solve(targets: NDArray, factors: Sequence[AxisFactor], alpha: float) -> NDArray:
    """Ridge coefficients.

    Parameters
    ----------
    targets : ndarray of shape (n_columns, n_1, ..., n_d)
        Times the roots of the weights.
    factors : sequence of d AxisFactor
    alpha : float

    Returns
    -------
    ndarray of shape (n_columns, k_1, ..., k_d)
    """
    rotated = apply_along_axes(targets, [factor.left for factor in factors])
    return solve_rotated(rotated, factors, alpha)


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
        Greater than 0.

    Returns
    -------
    residuals : ndarray of shape (n_columns, n_1, ..., n_d)
    remaining : ndarray of shape (n_1, ..., n_d)
    """
    kept = alpha / (spectrum(factors) + alpha)
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
        scores[i] = len(energy) * np.dot(kept * kept, energy) / np.sum(kept) ** 2
    return scores
