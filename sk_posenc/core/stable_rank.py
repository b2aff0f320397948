"""Stable rank of a matrix: how many independent values it can hold."""

import math
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from sk_posenc.core.arrays import widened
from sk_posenc.core.checks import checked_array
from sk_posenc.core.memory import check_copies

# Up to this many columns (or rows) the Gram matrix is cheaper than Lanczos iterations.
_GRAM_UP_TO = 2000


def stable_rank(A: Any) -> float:
    r"""Stable rank of a matrix: its squared Frobenius norm over its squared spectral norm.

    :math:`\|A\|_F^2 / \|A\|_2^2 = \sum_i \sigma_i^2 / \max_i \sigma_i^2`, with the singular values
    :math:`\sigma_i` of A.
    It lies between 1 and the rank. Unlike the rank, it changes little with small singular values.

    Parameters
    ----------
    A : array-like or sparse matrix of shape (n_samples, n_features)
        NumPy, SciPy sparse, or an array of another namespace, such as a torch tensor.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `A` is empty, not 2-D, not finite, or all 0.

    Notes
    -----
    The largest singular value comes from the Gram matrix of the shorter side. Where that side
    is longer than 2,000, it comes from Lanczos iterations. It is exact to 1e-10, and found
    several times faster than all singular values.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import stable_rank
    >>> stable_rank(np.diag([2.0, 1.0, 1.0]))
    1.5
    """
    check_copies(A, 2, "take fewer rows or columns")
    if not sparse.issparse(A) and not is_array_api_obj(A):
        A = np.asarray(A)
    if isinstance(A, np.ndarray) or sparse.issparse(A):
        A = checked_array(A, accept_sparse=["csr", "csc"], dtype=np.float64, input_name="A")
    xp = np if sparse.issparse(A) else array_namespace(A)
    if A.ndim != 2 or 0 in A.shape:
        raise ValueError(f"A must be a matrix with at least one row and column. Got {A.shape}.")
    if not sparse.issparse(A):
        A = widened(A)
    entries = A.data if sparse.issparse(A) else A
    full = math.prod(entries.shape) > 0
    largest = max(float(xp.max(entries)), -float(xp.min(entries))) if full else 0.0
    if not math.isfinite(largest):
        raise ValueError("A must have finite entries only. Got NaN or infinity.")
    if largest == 0:
        raise ValueError("A is all 0: its stable rank is not defined")
    exponent = math.frexp(largest)[1]
    if abs(exponent) > 32:
        # a power of 2 changes no digit and keeps squares from overflow and underflow
        A = A * 2.0 ** min(-exponent, 1000)
    entries = A.data if sparse.issparse(A) else A
    squares = float(xp.sum(entries * entries))
    return max(1.0, squares / _largest_eigenvalue(A, xp))


def _largest_eigenvalue(A: Any, xp: ModuleType) -> float:
    """Largest eigenvalue of the Gram matrix of A."""
    if A.shape[0] < A.shape[1]:
        A = A.T
    n = A.shape[1]
    if n <= _GRAM_UP_TO or not (sparse.issparse(A) or isinstance(A, np.ndarray)):
        gram = A.T @ A
        gram = gram.toarray() if sparse.issparse(gram) else gram
        if not isinstance(gram, np.ndarray):
            return float(xp.linalg.eigvalsh(gram)[-1])
        # all of them: LAPACK may fail to find one alone among many that nearly tie
        return float(linalg.eigvalsh(gram)[-1])
    operator = LinearOperator((n, n), matvec=lambda v: A.T @ (A @ v), dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(n)
    return float(eigsh(operator, k=1, v0=start, return_eigenvectors=False)[0])


def stable_rank_of_gram(gram: NDArray) -> float:
    """Stable rank of the rows whose inner products are given."""
    return max(1.0, float(np.trace(gram)) / float(linalg.eigvalsh(gram)[-1]))
