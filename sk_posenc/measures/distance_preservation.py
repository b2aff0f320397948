"""Distance preservation: whether encodings are near where coordinates are."""

import math
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils.random import sample_without_replacement

from sk_posenc.core.arrays import Array, device_of, itemsize, widened
from sk_posenc.core.checks import check_as_long, check_floats
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_integer, parse_number, random_state_of
from sk_posenc.core.sphere import check_places, parse_metric, quarter_of, unit_vectors

# Arrays of the length of the pairs that are held at the same time.
_ARRAYS = 24
_ARRAYS_OF_DRAWS = 64  # with the set of those that are drawn


def distance_preservation(
    X: ArrayLike,
    E: Any,
    *,
    level: float = 0.1,
    n_pairs: int = 10_000,
    random_state: Any = None,
    metric: str = "euclidean",
    unit: str = "degrees",
) -> float:
    """Rank correlation between the nearness of coordinates and of their encodings.

    Spearman's correlation, ties averaged, over pairs (i, j), between
    ``-||x_i - x_j||`` and ``max(cos(e_i, e_j), level)``. All similarities below `level`
    count as equally far. Without this, the ripple of similarities near 0 would be ranked.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_axes)
        Coordinates; each axis is scaled to the range that it has here.
    E : array-like or sparse matrix of shape (n_samples, n_features)
        Their encodings.
    level : float, default=0.1
        Cosine similarity below which pairs count as equally far, in [-1, 1).
    n_pairs : int, default=10_000
        Number of pairs, drawn uniformly without repetition. All pairs, if there are fewer.
    random_state : int, RandomState instance or None, default=None
        Decides the pairs.
    metric : {"euclidean", "great_circle"}, default="euclidean"
        The distance of coordinates. "great_circle": the shortest way on a sphere; the columns of
        `X` are longitude and latitude.
    unit : {"degrees", "radians"}, default="degrees"
        Unit of longitude and latitude, with `metric` "great_circle".

    Returns
    -------
    float
        In [-1, 1]; 1 is best. 0 where all similarities or all distances are equal.

    Raises
    ------
    ValueError
        For fewer than two samples or pairs, lengths that differ, NaN or infinity, a `level`
        outside [-1, 1), an unknown `metric` or `unit`, and latitudes beyond a pole.
    TypeError
        For a `level` that is not a number, `n_pairs` that is not a whole number, and a `metric` or
        `unit` that is not a string.

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
    coordinates = check_floats(X, "X", ensure_min_samples=2)
    E = check_floats(E, "E", accept_sparse="csr", ensure_min_samples=2)
    check_as_long({"X": coordinates, "E": E})
    level = parse_number(level, "level", at_least=-1, below=1)
    n_pairs = parse_integer(n_pairs, "n_pairs", at_least=2)
    n_samples = coordinates.shape[0]
    n_all = n_samples * (n_samples - 1) // 2
    n_arrays = _ARRAYS if n_all <= n_pairs else _ARRAYS_OF_DRAWS
    check_memory((n_arrays, min(n_all, n_pairs)), 8, "lower n_pairs")
    places = _places(coordinates, parse_metric(metric), unit)
    xp = array_namespace(coordinates)
    first, second = (
        xp.asarray(rows, device=device_of(coordinates))
        for rows in _pairs(coordinates.shape[0], n_pairs, random_state)
    )
    steps = xp.take(places, first, axis=0) - xp.take(places, second, axis=0)
    distance = xp.sqrt(xp.sum(steps * steps, axis=1))
    similarity = xp.clip(_cosines(E, first, second), min=level)
    # equal distances on a grid differ in their last digits, and so do similarities
    digits = {4: 10.0**6, 8: 10.0**12}
    distance = xp.round(distance * digits[itemsize(distance)])
    similarity = xp.round(similarity * digits[itemsize(similarity)])
    return _spearman(-distance, similarity)


def _places(X: Array, metric: str, unit: str) -> Array:
    """Points whose distances are compared: on the sphere, or with each axis in its range."""
    X, xp = widened(X), array_namespace(X)
    quarter = quarter_of(unit)
    if metric == "great_circle":  # which grows with the chord: the ranks are the same
        check_places(X, unit)
        return xp.stack(unit_vectors(X[:, 0], X[:, 1], quarter, xp), axis=1)
    halves = X / 2  # halved: the range may overflow
    low, high = xp.min(halves, axis=0), xp.max(halves, axis=0)
    return (halves - low) / xp.where(high > low, high - low, xp.ones_like(low))


def _pairs(
    n_samples: int, n_pairs: int, random_state: Any
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Distinct pairs i < j, drawn uniformly."""
    rng = random_state_of(random_state)
    total = n_samples * (n_samples - 1) // 2
    if total <= n_pairs:
        return np.triu_indices(n_samples, k=1)
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
