"""The penalty of one axis, and features under which it is the identity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

# What penalises the coefficients that differences do not see (constant; straight lines).
NULL_SPACE = 1e-2

PENALTIES = ("ridge", "slope", "curvature")


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
