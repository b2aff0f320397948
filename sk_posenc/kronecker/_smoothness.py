"""The basis of one axis in which both the size of a function and its slope are diagonal."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from sk_posenc.core.memory import check_memory
from sk_posenc.encoders.axis_functions import functions_of
from sk_posenc.kronecker._encoders import axis_features

# Cells of the mesh on which integrals are taken, per shift or per half wave.
_CELLS = 8

# Lengths in cells that differ by less than this are the same, relative to their number.
_ROUNDED = 1e-6

# Combinations of basis functions smaller than this on the domain, relative to the largest,
# are left out: nothing but rounding would hold them.
_NOTHING = 1e-8

# Integrals of a function and of its mirror image differ by no more than this where both are
# among the functions, relative to the largest.
_SYMMETRIC = 1e-10

# Rows of the mesh encoded at a time.
_BLOCK = 2**21


@dataclass(frozen=True)
class AxisIntegrals:
    """Mean products of the basis functions of one axis over its domain, and of their slopes.

    Attributes
    ----------
    size : ndarray of shape (k, k)
        Mean of ``phi_i phi_j``.
    slope : ndarray of shape (k, k)
        Mean of ``phi_i' phi_j'``, in units of the domain; slopes are differences over the
        cells of a mesh of eight cells per shift, so that every basis has them.
    """

    size: NDArray[np.float64]
    slope: NDArray[np.float64]


@dataclass(frozen=True)
class SmoothAxis:
    """Coefficients ``c = basis z`` in which a function and its slope have diagonal integrals.

    Attributes
    ----------
    basis : ndarray of shape (k, r)
        The mean square of a function is ``sum z**2``.
    roughness : ndarray of shape (r,)
        That of its slope is ``sum roughness z**2``, with lengths in units of the domain
        over its stable rank.
    floor : float
        What a constant counts as.
    """

    basis: NDArray[np.float64]
    roughness: NDArray[np.float64]
    floor: float


def cells_of(encoder: Any) -> int:
    """Cells of the mesh over the domain of a fitted encoder of one axis.

    Far from 0 the spacing of shifts is rounded: that must not add a cell.
    """
    return math.ceil(_CELLS * functions_of(encoder)._functions_on_domain() * (1 - _ROUNDED))


def integrate(encoder: Any) -> AxisIntegrals:
    """Integrals of a fitted encoder of one axis."""
    low, high = encoder.domain_[0]
    n_cells = cells_of(encoder)
    mesh = np.linspace(low, high, n_cells + 1)
    k = axis_features(encoder, mesh[:1]).shape[1]
    check_memory((k, k), 48, "lower stable_rank, n_shifts or n_frequencies")
    size, slope = np.zeros((k, k)), np.zeros((k, k))
    rows = max(2, _BLOCK // k)
    for start in range(0, n_cells, rows):
        part = mesh[start : start + rows + 1]
        features = sparse.csr_array(axis_features(encoder, part))
        dense = features.nnz > features.shape[0] * k / 8
        A: Any = features.toarray() if dense else features
        weights = np.ones(len(part))
        weights[0] = weights[-1] = 0.5  # the next block has the other half
        step = A[1:] - A[:-1]
        weighted = A * weights[:, None] if dense else sparse.diags_array(weights) @ A
        for total, product in ((size, A.T @ weighted), (slope, step.T @ step)):
            total += product if dense else product.toarray()
    return AxisIntegrals(size / n_cells, slope * n_cells)


def smooth_axis(encoder: Any) -> SmoothAxis:
    """Diagonalise both integrals of a fitted encoder of one axis.

    Where reversing the axis leaves them as they are, half the functions are even and half odd:
    the even ones come first, and each half is diagonalised by itself.
    """
    integrals = integrate(encoder)
    halves = _halves(integrals)
    found = [
        linalg.eigh(half.T @ integrals.size @ half, driver="evd", check_finite=False)
        for half in halves
    ]
    largest = max(float(sizes[-1]) for sizes, _ in found)
    bases, slopes = [], []
    for half, (sizes, Q) in zip(halves, found, strict=True):
        kept = sizes > _NOTHING * largest
        white = Q[:, kept] / np.sqrt(sizes[kept])
        slope = white.T @ (half.T @ integrals.slope @ half) @ white
        own, U = linalg.eigh(slope, driver="evd", check_finite=False)
        slopes.append(np.maximum(own, 0.0))
        bases.append(half @ (white @ U))
    rank = float(encoder.stable_rank_[0])
    floor = (math.pi / rank) ** 2  # a constant counts as half a wave on the domain
    return SmoothAxis(np.concatenate(bases, axis=1), np.concatenate(slopes) / rank**2, floor)


def _halves(integrals: AxisIntegrals) -> list[NDArray[np.float64]]:
    """Orthonormal even and odd combinations of functions, or all functions as they are."""
    k = len(integrals.size)
    symmetric = k > 1 and all(
        np.allclose(each, each[::-1, ::-1], rtol=0, atol=_SYMMETRIC * np.abs(each).max())
        for each in (integrals.size, integrals.slope)
    )
    if not symmetric:
        return [np.eye(k)]
    ends, mirrored = np.eye(k)[:, : k // 2], np.eye(k)[:, ::-1][:, : k // 2]
    middle = np.eye(k)[:, k // 2 : k // 2 + k % 2]
    even = np.concatenate([(ends + mirrored) / math.sqrt(2), middle], axis=1)
    return [even, (ends - mirrored) / math.sqrt(2)]


def strengths(axes: list[SmoothAxis], exponent: float) -> NDArray[np.float64]:
    """(sum of roughnesses)**exponent of every product of functions, shape (r_1, ..., r_d)."""
    total = np.full((), float(np.mean([axis.floor for axis in axes])))
    for axis in axes:
        total = np.add.outer(total, axis.roughness)
    return np.asarray(total**exponent)
