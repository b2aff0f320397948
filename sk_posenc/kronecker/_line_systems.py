"""Regularised systems of one axis that have a band, and what their factors tell.

With G the Gram matrix of the features, the solution is ``(G + alpha P)^-1`` times the features
times the targets. Leave-one-out and variances need the inverse only within the band of G.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from sk_posenc.kronecker._band import BandCholesky, NotDefiniteError, band_of, widened

# Knots of a block at least.
_KNOTS = 4

# Solutions are refined until their residuals are this share of the targets, or this often.
_RESIDUAL = 1e-13
_REFINED = 3

# What a factor may miss of a unit vector, at most.
_FAILED = 1e-5


class Factor(Protocol):
    """The inverse of a regularised Gram matrix."""

    @property
    def condition(self) -> float: ...

    def solve(self, right: NDArray) -> NDArray[np.float64]: ...

    def inverse_band(self, width: int) -> NDArray[np.float64]: ...


class System(Protocol):
    """A Gram matrix and a penalty, for any alpha."""

    def factor(self, alpha: float) -> Factor: ...


class SumSystem:
    """A penalty that has a band: ``G + alpha P`` by its Cholesky factor."""

    def __init__(self, gram: Any, penalty: Any) -> None:
        first, second = (
            each if isinstance(each, np.ndarray) else band_of(each) for each in (gram, penalty)
        )
        width = max(len(first), len(second)) - 1
        self._gram, self._penalty = widened(first, width), widened(second, width)

    def factor(self, alpha: float) -> Factor:
        return BandCholesky(self._gram + alpha * self._penalty).checked()


class PowerSystem:
    r"""Smoothness of a whole exponent p, ``P = M (M^-1 K)^p``, which has no band.

    With :math:`w_0 = c` and :math:`M w_j = K w_{j-1}` the penalty of c is :math:`K w_{p-1}`. All w
    together solve a symmetric system with a band, whose condition number is about the p-th root
    of that of P.

    Parameters
    ----------
    gram, size, rough : sparse matrices of shape (k, k)
        G, M and K.
    exponent : int
        At least 2.
    """

    def __init__(self, gram: Any, size: Any, rough: Any, exponent: int) -> None:
        # functions of equal size, and samples that count as much as the domain does
        self._unit = float(gram.trace() / size.trace())
        self._scale = 1 / np.sqrt(size.diagonal())
        even = sparse.diags_array(self._scale)
        self._gram, self._size, self._rough = (
            even @ each @ even for each in (gram / self._unit, size, rough)
        )
        self._exponent = exponent

    def factor(self, alpha: float) -> Factor:
        p = self._exponent
        rough = (alpha / self._unit) ** (1 / p) * self._rough
        parts: list[list[Any]] = [[None] * p for _ in range(p)]
        parts[0][0] = self._gram
        for i in range(p):
            own = parts[i][p - 1 - i]
            parts[i][p - 1 - i] = rough if own is None else own + rough
            if i > 0:
                parts[i][p - i] = -self._size
        return PowerFactor(
            sparse.block_array(parts, format="coo"), p, self._scale / np.sqrt(self._unit)
        )


class PowerFactor:
    """The corner of the inverse of a symmetric matrix of p x p blocks, each with a band.

    Parameters
    ----------
    whole : coo_array of shape (p k, p k)
    p : int
    scale : ndarray of shape (k,)
        What rows and columns of the corner have been multiplied by.
    """

    def __init__(self, whole: sparse.coo_array, p: int, scale: NDArray[np.float64]) -> None:
        self._p, self._k, self._scale = p, whole.shape[0] // p, scale
        row, column = (each % self._k * p + each // self._k for each in whole.coords)
        self._whole = sparse.csr_array((whole.data, (row, column)), shape=whole.shape)
        self._width = w = int(np.max(np.abs(row - column)))
        band = np.zeros((3 * w + 1, p * self._k), order="F")  # as LAPACK works on it in place
        np.add.at(band, (2 * w + row - column, column), whole.data)
        self._factor, self._pivots, info = lapack.dgbtrf(band, w, w, overwrite_ab=1)
        if info:
            raise NotDefiniteError(f"row {info} of a banded matrix makes it singular")
        self._check()

    @property
    def condition(self) -> float:
        inverse = sparse.linalg.LinearOperator(
            self._whole.shape,
            matvec=self._backsolve,
            rmatvec=self._backsolve,
            matmat=self._backsolve,
            rmatmat=self._backsolve,
            dtype=np.dtype(np.float64),
        )
        norm = float(np.max(abs(self._whole).sum(axis=0)))
        return norm * float(sparse.linalg.onenormest(inverse))

    def _backsolve(self, right: NDArray) -> NDArray[np.float64]:
        w, columns = self._width, right.reshape(len(right), -1)
        found, info = lapack.dgbtrs(self._factor, w, w, columns, self._pivots)
        assert info == 0
        return np.asarray(found.reshape(right.shape))

    def solve(self, right: NDArray) -> NDArray[np.float64]:
        columns = right.reshape(self._k, -1) * self._scale[:, None]
        whole = np.zeros((self._p * self._k, columns.shape[1]))
        whole[:: self._p] = columns
        found = self._backsolve(whole)
        for _ in range(_REFINED):
            missing = whole - self._whole @ found
            if np.max(np.abs(missing), initial=0.0) <= _RESIDUAL * np.max(np.abs(whole)):
                break
            found += self._backsolve(missing)
        return (found[:: self._p] * self._scale[:, None]).reshape(right.shape)

    def _check(self) -> None:
        """Refuse a factor that does not give back what it was made of."""
        right = np.zeros((self._p * self._k, 1))
        right[:: self._p] = 1.0
        found = self._backsolve(right)
        scale = abs(self._whole) @ np.abs(found) + np.abs(right)
        error = float(np.max(np.abs(self._whole @ found - right) / scale))
        if not error <= _FAILED:
            raise NotDefiniteError(f"a banded factor misses its matrix by {error:.1g}")

    def inverse_band(self, width: int) -> NDArray[np.float64]:
        """Of the corner, by blocks of knots: each is eliminated whole, with its own pivots."""
        p, w = self._p, self._width
        b = max(_KNOTS, -(-w // p), width)
        n, m = -(-self._k // b), b * p
        own, below = _blocks(self._whole, n, m)
        inverse = np.empty_like(own)
        inverse[0] = np.linalg.inv(own[0])
        for j in range(1, n):
            step = below[j - 1] @ inverse[j - 1]
            inverse[j] = np.linalg.inv(own[j] - step @ below[j - 1].T)
        across = below @ inverse[:-1]
        for j in range(n - 2, -1, -1):
            inverse[j] += across[j].T @ inverse[j + 1] @ across[j]
        corner = inverse[:, ::p, ::p]
        beyond = -(inverse[1:] @ across)[:, ::p, ::p]
        beyond = np.concatenate([beyond, np.zeros((1, b, b))])
        joined = np.concatenate([corner, beyond], axis=1)
        at = np.arange(b)
        band = [joined[:, at + i, at].reshape(-1)[: self._k] for i in range(width + 1)]
        for i, each in enumerate(band):
            each[: self._k - i] *= self._scale[i:] * self._scale[: self._k - i]
        return np.stack(band)


def _blocks(whole: sparse.csr_array, n: int, m: int) -> tuple[NDArray, NDArray]:
    """Diagonal blocks (n, m, m), with ones past the end, and those below them (n - 1, m, m)."""
    entries = whole.tocoo()
    row, column = entries.coords
    own, below = np.zeros((n, m, m)), np.zeros((n - 1, m, m))
    same = row // m == column // m
    own[row[same] // m, row[same] % m, column[same] % m] = entries.data[same]
    next_to = row // m == column // m + 1
    at = row[next_to], column[next_to]
    below[at[1] // m, at[0] % m, at[1] % m] = entries.data[next_to]
    last = np.arange(whole.shape[0] - (n - 1) * m, m)
    own[-1, last, last] = 1.0
    return own, below
