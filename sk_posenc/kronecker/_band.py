"""Symmetric positive definite matrices with a band: factors, and the band of the inverse.

A matrix M of size k and half-width w is held as its lower band of shape (w + 1, k), with
``band[i, j] = M[j + i, j]``. All work is linear in k.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.linalg import lapack

# Numbers in the blocks that are inverted at a time.
_CHUNK = 1 << 21

# Rows of a block at least: shorter ones spend their time between blocks.
_ROWS = 12

# A factor of a matrix that is conditioned worse than this is rounding.
_WORST = 1e14


class NotDefiniteError(ValueError):
    """Rounding has made a matrix indefinite, or left nothing of its factor."""


def band_of(matrix: Any) -> NDArray[np.float64]:
    """The lower band of a sparse symmetric matrix."""
    entries = sparse.coo_array(matrix)
    offsets = entries.row - entries.col
    below = offsets >= 0
    band = np.zeros((int(offsets.max(initial=0)) + 1, entries.shape[0]))
    np.add.at(band, (offsets[below], entries.col[below]), entries.data[below])
    return band


def widened(band: NDArray, width: int) -> NDArray[np.float64]:
    """The same matrix with a half-width of at least `width`."""
    missing = width + 1 - len(band)
    return np.pad(band, ((0, missing), (0, 0))) if missing > 0 else band


def matrix_of(band: NDArray) -> sparse.csr_array:
    """The symmetric sparse matrix of a lower band."""
    k = band.shape[1]
    diagonals = [band[i, : k - i] for i in range(min(len(band), k))]
    lower = [(-i, each) for i, each in enumerate(diagonals)]
    upper = [(i, each) for i, each in enumerate(diagonals) if i > 0]
    offsets, values = zip(*lower, *upper, strict=True)
    return sparse.diags_array(values, offsets=offsets, shape=(k, k)).tocsr()


class BandCholesky:
    """The Cholesky factor of a banded matrix.

    Parameters
    ----------
    band : ndarray of shape (w + 1, k)

    Raises
    ------
    NotDefiniteError
        Where the matrix is not positive definite to rounding.

    Attributes
    ----------
    condition : float
        In the norm of largest column sums, of the matrix scaled to a diagonal of ones; an
        estimate.
    """

    def __init__(self, band: NDArray[np.float64]) -> None:
        diagonal = band[0]
        if not np.all(diagonal > 0):
            raise NotDefiniteError("the diagonal of a banded matrix is not positive")
        self._roots = np.sqrt(diagonal)
        k = band.shape[1]
        scaled = np.zeros_like(band)
        for i in range(min(len(band), k)):
            scaled[i, : k - i] = band[i, : k - i] / self._roots[i:] / self._roots[: k - i]
        self.factor, info = lapack.dpbtrf(scaled, lower=1)
        if info:
            raise NotDefiniteError(f"row {info} of a banded matrix makes it indefinite")
        self._norm = _column_sums(scaled)

    @property
    def size(self) -> int:
        return self.factor.shape[1]

    @property
    def condition(self) -> float:
        ones = _Inverse(self)
        return float(self._norm * sparse.linalg.onenormest(ones))

    def checked(self) -> "BandCholesky":
        """Itself, where its condition leaves some digits."""
        found = self.condition
        if not found <= _WORST:
            raise NotDefiniteError(f"condition {found:.1g} of a banded matrix leaves no digits")
        return self

    def solve(self, right: NDArray) -> NDArray[np.float64]:
        """M^-1 times columns, (k,) or (k, q)."""
        columns = right.reshape(self.size, -1) / self._roots[:, None]
        found = linalg.cho_solve_banded((self.factor, True), columns, check_finite=False)
        return (found / self._roots[:, None]).reshape(right.shape)

    def log_determinant(self) -> float:
        return 2 * float(np.sum(np.log(self.factor[0])) + np.sum(np.log(self._roots)))

    def inverse_band(self, width: int) -> NDArray[np.float64]:
        """The lower band of the inverse, to a half-width of at most that of the matrix."""
        k, w = self.size, len(self.factor) - 1
        band = _inverse_band(self.factor, min(width, w))
        for i in range(min(len(band), k)):
            band[i, : k - i] /= self._roots[i:] * self._roots[: k - i]
        return band


class _Inverse(sparse.linalg.LinearOperator):
    """The inverse of the scaled matrix, which is symmetric."""

    def __init__(self, factor: BandCholesky) -> None:
        super().__init__(np.dtype(np.float64), (factor.size, factor.size))
        self._factor = factor.factor

    def _matmat(self, columns: NDArray) -> NDArray:
        return linalg.cho_solve_banded((self._factor, True), columns, check_finite=False)

    def _rmatmat(self, columns: NDArray) -> NDArray:
        return self._matmat(columns)


def _column_sums(band: NDArray) -> float:
    sums = np.abs(band[0]).copy()
    for i in range(1, min(len(band), band.shape[1])):
        each = np.abs(band[i, : band.shape[1] - i])
        sums[i:] += each
        sums[: len(each)] += each
    return float(sums.max())


def _inverse_band(factor: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    r"""The band of ``(L L')^-1``, block by block from the end.

    With L in blocks :math:`L_{11}, L_{21}` of columns s to e, and :math:`U = L_{21} L_{11}^{-1}`,
    the inverse Z has :math:`Z_{21} = -Z_{22} U` and :math:`Z_{11} = L_{11}^{-\top} L_{11}^{-1} +
    U^\top Z_{22} U`: sums of positive terms, so that no digits are lost.
    """
    w, k = max(len(factor) - 1, 1), factor.shape[1]
    factor = widened(factor, w)
    b = max(w, _ROWS)
    n_blocks = -(-k // b)
    padded = np.zeros((w + 1, n_blocks * b))
    padded[:, :k] = factor
    padded[0, k:] = 1.0
    for i in range(1, w + 1):
        padded[i, max(0, k - i) :] = 0.0  # what LAPACK leaves beyond the matrix
    columns = padded.reshape(w + 1, n_blocks, b)
    out = np.zeros((width + 1, n_blocks * b))
    below = np.zeros((w, w))  # Z of the first w rows after the block
    step = max(1, _CHUNK // (b * b))
    for stop in range(n_blocks, 0, -step):
        start = max(0, stop - step)
        below = _chunk(columns[:, start:stop], out[:, start * b : stop * b], below, width)
    return out[:, :k]


def _chunk(columns: NDArray, out: NDArray, below: NDArray, width: int) -> NDArray[np.float64]:
    """Fill the band of some blocks, given Z after them; returns Z of their first w rows."""
    w, n, b = len(columns) - 1, columns.shape[1], columns.shape[2]
    own, after = np.zeros((n, b, b)), np.zeros((n, w, b))
    for i in range(w + 1):
        inside = np.arange(b - i)
        own[:, inside + i, inside] = columns[i][:, inside]
        beyond = np.arange(b - i, b)
        after[:, beyond + i - b, beyond] = columns[i][:, beyond]
    root = np.linalg.inv(own)
    U = after @ root
    inner = root.transpose(0, 2, 1) @ root
    first = U[:, :, :w]
    following = np.empty((n, w, w))
    for j in range(n - 1, -1, -1):
        following[j] = below
        below = inner[j, :w, :w] + first[j].T @ below @ first[j]
    across = following @ U  # minus Z_21
    inner += U.transpose(0, 2, 1) @ across
    whole = np.concatenate([inner, -across], axis=1)  # (n, b + w, b)
    at = np.arange(b)
    for i in range(width + 1):
        out[i] = whole[:, at + i, at].reshape(-1)
    return below
