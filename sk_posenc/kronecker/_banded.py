"""Axes whose Gram matrix is banded and well conditioned: by its inverse."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from sk_posenc.kronecker._factors import SVD_UP_TO
from sk_posenc.kronecker._structured import apply_along_axes

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
    if min(n, k) <= SVD_UP_TO:
        return None
    size = min(n, k)
    if size <= SVD_UP_TO or np.count_nonzero(features) > _DENSE * features.size:
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
