"""How good an encoding is: stable rank, distance preservation, PSNR, and their scorers."""

import math
import numbers
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse
from scipy.optimize import brentq
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn import get_config
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.random import sample_without_replacement
from sklearn.utils.validation import check_is_fitted

from sk_posenc._arrays import Array, device_of, float_dtypes, itemsize, to_numpy, widened
from sk_posenc._encoding import Encoding
from sk_posenc._held_encoder import encoder_within, encoding_by

# Up to this many columns (or rows) the Gram matrix is cheaper than Lanczos iterations.
_GRAM_UP_TO = 2000


def stable_rank(A: Any) -> float:
    r"""Stable rank of a matrix: its squared Frobenius norm over its squared spectral norm.

    :math:`\|A\|_F^2 / \|A\|_2^2 = \sum_i \sigma_i^2 / \max_i \sigma_i^2`, with the singular values
    :math:`\sigma_i` of A.
    Between 1 and the rank; unlike it, moved little by small singular values.

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
    The largest singular value comes from the Gram matrix of the shorter side, or from
    Lanczos iterations where that side is longer than 2,000: exact to 1e-10, and several
    times faster than all singular values.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import stable_rank
    >>> stable_rank(np.diag([2.0, 1.0, 1.0]))
    1.5
    """
    if not sparse.issparse(A) and not is_array_api_obj(A):
        A = np.asarray(A)
    if isinstance(A, np.ndarray) or sparse.issparse(A):
        A = check_array(A, accept_sparse=["csr", "csc"], dtype=np.float64, input_name="A")
    xp = np if sparse.issparse(A) else array_namespace(A)
    if A.ndim != 2 or 0 in A.shape:
        raise ValueError(f"A must be a matrix with at least one row and column. Got {A.shape}.")
    if not sparse.issparse(A):
        A = widened(A)
    entries = A.data if sparse.issparse(A) else A
    full = math.prod(entries.shape) > 0
    largest = max(float(xp.max(entries)), -float(xp.min(entries))) if full else 0.0
    if not math.isfinite(largest):
        raise ValueError("A contains NaN or infinity: a stable rank needs finite entries")
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


def distance_preservation(
    X: ArrayLike,
    E: Any,
    *,
    level: float = 0.1,
    n_pairs: int = 10_000,
    random_state: Any = None,
) -> float:
    """Rank correlation between the nearness of coordinates and of their encodings.

    Spearman's correlation, ties averaged, over pairs (i, j), between
    ``-||x_i - x_j||`` and ``max(cos(e_i, e_j), level)``. Below `level` a similarity
    says "far" and no more: without the clip the ripple of encodings that have long
    fallen to 0 would be ranked.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_axes)
        Coordinates; each axis is scaled to the range that it has here.
    E : array-like or sparse matrix of shape (n_samples, n_features)
        Their encodings.
    level : float, default=0.1
        Cosine similarity below which pairs count as equally far, in [-1, 1).
    n_pairs : int, default=10_000
        Pairs drawn uniformly without repetition; all pairs where there are no more.
    random_state : int, RandomState instance or None, default=None
        Decides the pairs.

    Returns
    -------
    float
        In [-1, 1]; 1 is best. 0 where all similarities are equal, or all distances:
        then nothing is preserved, or nothing is there to preserve.

    Raises
    ------
    ValueError
        For fewer than two samples or pairs, lengths that differ, NaN or infinity, and a
        `level` outside [-1, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, distance_preservation
    >>> X = np.linspace(0, 1, 100)[:, None]
    >>> for rank in (4, 32):
    ...     E = ShiftedBasisEncoder(stable_rank=rank).fit_transform(X)
    ...     print(rank, round(distance_preservation(X, E), 2))
    4 0.87
    32 0.34
    """
    coordinates = _check_floats(X, "X", ensure_min_samples=2)
    E = _check_floats(E, "E", accept_sparse="csr", ensure_min_samples=2)
    check_consistent_length(coordinates, E)
    if not (isinstance(level, numbers.Real) and -1 <= float(level) < 1):
        raise ValueError(f"level must be a number in [-1, 1). Got {level!r}.")
    if not (isinstance(n_pairs, numbers.Integral) and int(n_pairs) >= 2):
        raise ValueError(f"n_pairs must be a whole number of at least 2. Got {n_pairs!r}.")
    xp = array_namespace(coordinates)
    first, second = (
        xp.asarray(rows, device=device_of(coordinates))
        for rows in _pairs(coordinates.shape[0], n_pairs, random_state)
    )
    halves = widened(coordinates) / 2  # halved: the range may overflow
    low, high = xp.min(halves, axis=0), xp.max(halves, axis=0)
    unit = (halves - low) / xp.where(high > low, high - low, xp.ones_like(low))
    steps = xp.take(unit, first, axis=0) - xp.take(unit, second, axis=0)
    distance = xp.sqrt(xp.sum(steps * steps, axis=1))
    similarity = xp.clip(_cosines(E, first, second), min=level)
    # equal distances on a grid differ in their last digits, and so do similarities
    digits = {4: 10.0**6, 8: 10.0**12}
    distance = xp.round(distance * digits[itemsize(distance)])
    similarity = xp.round(similarity * digits[itemsize(similarity)])
    return _spearman(-distance, similarity)


def _check_floats(array: Any, name: str, **checks: Any) -> Any:
    """Checked floats, in their own namespace under array API dispatch, else NumPy's."""
    if not get_config()["array_api_dispatch"]:
        array = to_numpy(array)
    return check_array(array, dtype=float_dtypes(array), input_name=name, **checks)


def _pairs(
    n_samples: int, n_pairs: int, random_state: Any
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Distinct pairs i < j, drawn uniformly."""
    total = n_samples * (n_samples - 1) // 2
    if total <= n_pairs:
        return np.triu_indices(n_samples, k=1)
    rng = check_random_state(random_state)
    code = sample_without_replacement(total, n_pairs, random_state=rng).astype(np.int64)
    # code = j (j - 1) / 2 + i; the root may be off by one
    j = ((1 + np.sqrt(1 + 8.0 * code)) / 2).astype(np.int64)
    j -= j * (j - 1) // 2 > code
    j += j * (j + 1) // 2 <= code
    return code - j * (j - 1) // 2, j


def _cosines(E: Any, first: Array, second: Array) -> Array:
    """Cosine similarity of pairs of rows; 0 where a row is 0."""
    if sparse.issparse(E):
        tiny = np.finfo(E.dtype).tiny
        E = sparse.diags_array(1 / np.maximum(abs(E).max(axis=1).toarray().ravel(), tiny)) @ E
        return np.concatenate([
            _cosines(np.vstack([E[rows[0]].toarray(), E[rows[1]].toarray()]), *_halves(rows[0]))
            for rows in _in_blocks(first, second)
        ])  # fmt: skip
    xp = array_namespace(E)
    largest = xp.max(xp.abs(E), axis=1, keepdims=True)
    E = E / xp.where(largest > 0, largest, xp.ones_like(largest))
    norms = xp.sqrt(xp.sum(E * E, axis=1))
    norms = xp.where(norms > 0, norms, xp.ones_like(norms))
    cosines = []
    for i, j in _in_blocks(first, second):
        products = xp.sum(xp.take(E, i, axis=0) * xp.take(E, j, axis=0), axis=1)
        cosines.append(products / (xp.take(norms, i, axis=0) * xp.take(norms, j, axis=0)))
    return xp.concat(cosines)


def _in_blocks(first: Array, second: Array) -> list[tuple[Array, Array]]:
    n = first.shape[0]
    blocks = [slice(start, min(start + 1024, n)) for start in range(0, n, 1024)]
    return [(first[rows], second[rows]) for rows in blocks]


def _halves(rows: NDArray) -> tuple[NDArray, NDArray]:
    n = len(rows)
    return np.arange(n), np.arange(n, 2 * n)


def _spearman(a: Array, b: Array) -> float:
    xp = array_namespace(a)
    ranks_a, ranks_b = (_centred_ranks(values, xp) for values in (a, b))
    norms = float(xp.sum(ranks_a * ranks_a)) * float(xp.sum(ranks_b * ranks_b))
    if norms == 0:
        return 0.0
    return min(1.0, max(-1.0, float(xp.sum(ranks_a * ranks_b)) / math.sqrt(norms)))


def _centred_ranks(values: Array, xp: ModuleType) -> Array:
    """Ranks, ties averaged, less their mean."""
    _, of_value = xp.unique_inverse(values)
    distinct, counts = xp.unique_counts(values)
    order = xp.argsort(distinct)
    counts = widened(xp.take(counts, order))
    middle = xp.cumulative_sum(counts) - (counts - 1) / 2
    ranks = xp.take(xp.take(middle, xp.argsort(order)), of_value)
    return ranks - xp.mean(ranks)


def similarity_radius(encoder: Any, *, level: float = 0.1) -> NDArray[np.float64]:
    """Half-width of the neighbourhood that an encoder sees, per axis.

    The smallest displacement along an axis, the other coordinates held, at which the
    similarity D falls to ``level * D(0)``. For the Gaussian, its product with the
    stable rank of a unit axis is sqrt(ln(10) / pi) at level 0.1.

    Parameters
    ----------
    encoder : fitted encoder of this package
    level : float, default=0.1
        Share of D(0), in (0, 1).

    Returns
    -------
    ndarray of shape (n_axes,)
        In coordinate units; the width of the domain where the similarity does not fall
        that low inside it.

    Raises
    ------
    ValueError
        For a `level` outside (0, 1).
    TypeError
        For an encoder of another kind.

    References
    ----------
    J. Zheng, S. Ramasinghe, S. Lucey, "Rethinking Positional Encoding",
    arXiv:2107.02561, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, similarity_radius
    >>> encoder = ShiftedBasisEncoder(stable_rank=10).fit(np.linspace(0, 1, 99)[:, None])
    >>> similarity_radius(encoder).round(4)
    array([0.0856])
    """
    if not isinstance(encoder, Encoding):
        raise TypeError(f"encoder must be a fitted encoder of sk_posenc. Got {encoder!r}.")
    check_is_fitted(encoder)
    if not (isinstance(level, numbers.Real) and 0 < float(level) < 1):
        raise ValueError(f"level must be a number in (0, 1). Got {level!r}.")
    radii = np.empty(encoder.n_features_in_)
    ranks = to_numpy(encoder.stable_rank_)
    for axis, (low, high) in enumerate(to_numpy(encoder.domain_)):

        def above(delta: float, axis: int = axis) -> float:
            return float(encoder._axis_similarity(axis, np.array([delta]))[0]) - level

        # steps well inside the main lobe, whose half-width is about 1 / stable rank
        n_steps = int(np.ceil(32 * max(1.0, float(ranks[axis]))))
        lags = np.linspace(0, high - low, n_steps + 1)
        below = np.flatnonzero(encoder._axis_similarity(axis, lags) <= level)
        radii[axis] = brentq(above, lags[below[0] - 1], lags[below[0]]) if len(below) else lags[-1]
    return radii


def psnr_score(y_true: ArrayLike, y_pred: ArrayLike, *, data_range: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB: 10 log10(data_range**2 / mean squared error).

    Parameters
    ----------
    y_true, y_pred : array-like of the same shape
    data_range : float, default=1.0
        Largest value of the signal less the smallest: 1 for images in [0, 1].

    Returns
    -------
    float
        A perfect fit gives the finite value of an error of one machine epsilon: 313.1 in
        float64, 138.5 in float32.

    Raises
    ------
    ValueError
        For shapes that differ, NaN, infinity, and a `data_range` that is not positive.

    Examples
    --------
    >>> from sk_posenc import psnr_score
    >>> round(psnr_score([0.0, 0.5, 1.0], [0.1, 0.4, 1.1]), 6)
    20.0
    """
    _check_data_range(data_range)
    true, pred = (
        _check_floats(y, name, ensure_2d=False, allow_nd=True)
        for y, name in ((y_true, "y_true"), (y_pred, "y_pred"))
    )
    if true.shape != pred.shape:
        raise ValueError(
            "y_true and y_pred must have the same shape: a (n,) against a (n, 1) array would "
            f"be compared crosswise. Got {true.shape} and {pred.shape}."
        )
    xp = array_namespace(true, pred)
    best = -20 * math.log10(float(xp.finfo(xp.result_type(true, pred)).eps))
    # halved, and scaled by the largest, so that no difference or square overflows
    error = widened(true) / 2 - widened(pred) / 2
    largest = float(xp.max(xp.abs(error)))
    if largest == 0:
        return best
    mean_square = float(xp.mean((error / largest) ** 2))
    root = math.log10(2) + math.log10(largest) + 0.5 * math.log10(mean_square)
    return min(best, 20 * (math.log10(data_range) - root))


def _check_data_range(data_range: Any) -> None:
    real = isinstance(data_range, numbers.Real) and not isinstance(data_range, bool)
    if not (real and math.isfinite(data_range) and data_range > 0):
        raise ValueError(f"data_range must be finite and greater than 0. Got {data_range!r}.")


def stable_rank_scorer(estimator: Any, X: Any, y: Any = None) -> float:
    """Stable rank of the encoding of `X`, the whole matrix of all axes.

    A scorer for GridSearchCV, on an encoder, a Pipeline that ends in one, a Pipeline
    that ends in a regressor, or a regressor that holds its encoder. It measures the rows
    that it is given: in a search, the rows held out. It says what an encoding can
    memorise, not how well it fits: alone, ``refit="stable_rank"`` picks the largest
    stable rank on offer, however badly it carries over between samples.

    Parameters
    ----------
    estimator : fitted estimator
    X : array-like of shape (n_samples, n_axes)
    y : ignored

    Returns
    -------
    float

    Raises
    ------
    TypeError
        Where the estimator neither encodes nor holds an encoder.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, stable_rank_scorer
    >>> X = np.linspace(0, 1, 500)[:, None]
    >>> encoder = ShiftedBasisEncoder(stable_rank=16).fit(X)
    >>> round(stable_rank_scorer(encoder, X), 1)
    16.1
    """
    return stable_rank(encoding_by(estimator, X))


def distance_preservation_scorer(estimator: Any, X: Any, y: Any = None) -> float:
    """Distance preservation of the encoding of `X`, over a fixed draw of pairs.

    Works where :func:`stable_rank_scorer` does, on the rows that it is given. Alone it
    picks the smoothest encoding, which memorises nothing.

    Parameters
    ----------
    estimator : fitted estimator
    X : array-like of shape (n_samples, n_axes)
    y : ignored

    Returns
    -------
    float

    Raises
    ------
    TypeError
        Where the estimator neither encodes nor holds an encoder.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, distance_preservation_scorer
    >>> X = np.linspace(0, 1, 500)[:, None]
    >>> smooth, sharp = (ShiftedBasisEncoder(stable_rank=rank).fit(X) for rank in (2, 64))
    >>> distance_preservation_scorer(smooth, X) > distance_preservation_scorer(sharp, X)
    True
    """
    return distance_preservation(X, encoding_by(estimator, X), random_state=0)


def similarity_radius_scorer(estimator: Any, X: Any = None, y: Any = None) -> float:
    """Similarity radius of the encoder as a share of its domain, mean over the axes.

    On an encoder of this package, a Pipeline that has one, or a regressor that holds one; a
    FeatureUnion or ColumnTransformer has no single radius. It needs no rows: it is known
    after ``fit``.

    Parameters
    ----------
    estimator : fitted estimator
    X, y : ignored

    Returns
    -------
    float

    Raises
    ------
    TypeError
        Where the estimator is and holds no single encoder of this package.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, similarity_radius_scorer
    >>> encoder = ShiftedBasisEncoder(stable_rank=16).fit(np.linspace(0, 1, 500)[:, None])
    >>> round(similarity_radius_scorer(encoder), 4)  # sqrt(ln 10 / pi) / 16
    0.0535
    """
    encoder = encoder_within(estimator)
    low, high = to_numpy(encoder.domain_).T
    return float(np.mean(similarity_radius(encoder) / (high - low)))


def predictions(estimator: Any, X: Any) -> Any:
    """Predictions of a fitted regressor; TypeError for what predicts nothing."""
    if not hasattr(estimator, "predict"):
        raise TypeError(f"expected a fitted regressor. Got {estimator!r}.")
    return estimator.predict(X)


class _PSNRScorer:
    """PSNR in dB of the predictions of an estimator, for signals of a given range.

    ``scorer(estimator, X, y)``; ``psnr_scorer`` has the range 1, others come from
    :func:`make_psnr_scorer`.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import KroneckerRidge, psnr_scorer
    >>> X = np.linspace(0, 1, 50)[:, None]
    >>> y = 0.5 + 0.5 * np.sin(6 * X[:, 0])
    >>> psnr_scorer(KroneckerRidge(alpha=1).fit(X, y), X, y) > 20
    True
    """

    def __init__(self, data_range: float) -> None:
        _check_data_range(data_range)
        self._data_range = data_range

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        return psnr_score(y, predictions(estimator, X), data_range=self._data_range)

    def __repr__(self) -> str:
        return f"make_psnr_scorer(data_range={self._data_range!r})"


def make_psnr_scorer(data_range: float) -> _PSNRScorer:
    """A scorer of predictions by :func:`psnr_score`.

    ``psnr_scorer`` is ``make_psnr_scorer(1.0)``, for signals in [0, 1].

    Parameters
    ----------
    data_range : float
        Largest value of the signal less the smallest.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``, greater is better.

    Raises
    ------
    ValueError
        For a `data_range` that is not finite and positive.

    Examples
    --------
    >>> from sk_posenc import make_psnr_scorer
    >>> make_psnr_scorer(data_range=255)
    make_psnr_scorer(data_range=255)
    """
    return _PSNRScorer(data_range)


psnr_scorer = make_psnr_scorer(1.0)
