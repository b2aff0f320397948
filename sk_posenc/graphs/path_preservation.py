"""Path preservation: whether encodings of nodes are near where the nodes are, along paths."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from sk_posenc.core.checks import check_as_long, check_floats
from sk_posenc.core.settings import parse_integer, parse_number, random_state_of
from sk_posenc.graphs._graph import graph_of
from sk_posenc.graphs._node_rows import checked_nodes
from sk_posenc.graphs._paths import distances_from

# Nodes from which paths are searched, at most.
_SOURCES = 200


def path_preservation(
    graph: Any,
    E: ArrayLike,
    nodes: ArrayLike | None = None,
    *,
    level: float = 0.1,
    n_pairs: int = 10_000,
    random_state: Any = None,
) -> float:
    """Rank correlation between the nearness of nodes along paths and of their encodings.

    Spearman's correlation, ties averaged, over pairs of nodes (i, j), between ``-d(i, j)``, the
    length of the shortest path, and ``max(cos(e_i, e_j), level)``. It is `distance_preservation`
    with the distance of the graph. Pairs without a path are the farthest.

    Parameters
    ----------
    graph : sparse matrix or array of shape (n_nodes, n_nodes)
        Adjacency matrix: lengths of the links, and 0 where there is none.
    E : array-like of shape (n_samples, n_features)
        Encodings of nodes.
    nodes : array-like of shape (n_samples,), default=None
        The nodes; None: all nodes of the graph in their order.
    level : float, default=0.1
        Cosine similarity below which pairs count as equally far, in [-1, 1).
    n_pairs : int, default=10_000
        Number of pairs at most. They join up to 200 of the nodes with all of them.
    random_state : int, RandomState instance or None, default=None
        Decides the pairs.

    Returns
    -------
    float
        In [-1, 1]; 1 is best. 0 where all similarities or all distances are equal.

    Raises
    ------
    ValueError
        For a graph that is not symmetric, nodes that it does not have, fewer than two nodes,
        lengths that differ, NaN or infinity, and a `level` outside [-1, 1).
    TypeError
        For a `level` that is not a number, and `n_pairs` that is not a whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import AnchorDistanceEncoder, path_preservation
    >>> ring = np.roll(np.eye(40), 1, axis=0) + np.roll(np.eye(40), -1, axis=0)
    >>> for anchors in ([0], [0, 13, 26]):
    ...     E = AnchorDistanceEncoder(anchors).fit_transform(ring)
    ...     print(round(path_preservation(ring, E), 2))
    0.0
    0.81
    """
    checked = graph_of(graph)
    encodings = np.asarray(check_floats(E, "E", ensure_min_samples=2), dtype=np.float64)
    chosen = np.arange(checked.n_nodes) if nodes is None else np.ravel(nodes)
    chosen = checked_nodes(chosen[:, None], checked.n_nodes, "nodes")[:, 0]
    check_as_long({"E": encodings, "the nodes": chosen})
    level = parse_number(level, "level", at_least=-1, below=1)
    n_pairs = parse_integer(n_pairs, "n_pairs", at_least=2)
    first, second = _pairs(len(chosen), n_pairs, random_state)
    sources, of_source = np.unique(chosen[first], return_inverse=True)
    paths = distances_from(checked, [np.array([node]) for node in sources])
    distance = paths[chosen[second], of_source]
    similarity = np.maximum(_cosines(encodings, first, second), level)
    # equal similarities differ in their last digits
    return _spearman(-distance, similarity.round(12))


def make_path_preservation_scorer(graph: Any) -> Callable[..., float]:
    """A scorer of encodings of nodes by :func:`path_preservation`.

    Parameters
    ----------
    graph : sparse matrix or array of shape (n_nodes, n_nodes)
        Adjacency matrix: lengths of the links, and 0 where there is none.

    Returns
    -------
    callable
        ``scorer(encoder, X, y=None)`` for nodes `X`, greater is better, over a fixed draw of
        pairs. It takes any transformer of nodes, alone or at the end of a Pipeline.

    Raises
    ------
    ValueError
        For a graph that is not symmetric or has negative lengths.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sk_posenc import AnchorDistanceEncoder, make_path_preservation_scorer
    >>> ring = np.roll(np.eye(40), 1, axis=0) + np.roll(np.eye(40), -1, axis=0)
    >>> encoder = AnchorDistanceEncoder(graph=ring, random_state=0)
    >>> scoring = make_path_preservation_scorer(ring)
    >>> search = GridSearchCV(encoder, {"anchors": [1, 2, 8]}, scoring=scoring, cv=2)
    >>> search.fit(np.arange(40)[:, None]).best_params_
    {'anchors': 8}
    """
    graph_of(graph)
    return _PathPreservationScorer(graph)


class _PathPreservationScorer:
    """``scorer(encoder, X, y=None)``, which can be pickled."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        if not hasattr(estimator, "transform"):
            raise TypeError(f"expected a transformer of nodes. Got {estimator!r}.")
        return path_preservation(self._graph, estimator.transform(X), X, random_state=0)

    def __repr__(self) -> str:
        shape = "x".join(map(str, np.shape(self._graph)))
        return f"make_path_preservation_scorer(graph of {shape})"


def _pairs(
    n_samples: int, n_pairs: int, random_state: Any
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Distinct pairs of which one is among few."""
    rng = random_state_of(random_state)
    few = rng.permutation(n_samples)[:_SOURCES]
    rank = np.full(n_samples, n_samples)  # pairs within the few count once
    rank[few] = np.arange(len(few))
    first, second = (each.ravel() for each in np.meshgrid(few, np.arange(n_samples)))
    once = rank[first] < rank[second]
    first, second = first[once], second[once]
    if len(first) > n_pairs:
        kept = rng.choice(len(first), n_pairs, replace=False)
        first, second = first[kept], second[kept]
    return first, second


def _cosines(
    E: NDArray[np.float64], first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Cosine similarity of pairs of rows; 0 where a row is 0."""
    largest = np.max(np.abs(E), axis=1, keepdims=True, initial=0.0)
    E = E / np.where(largest > 0, largest, 1)  # squares of large numbers are no floats
    norms = np.linalg.norm(E, axis=1, keepdims=True)
    unit = E / np.where(norms > 0, norms, 1)
    cosines: NDArray[np.float64] = np.einsum("ij,ij->i", unit[first], unit[second])
    return cosines


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = (rankdata(each) - (len(each) + 1) / 2 for each in (a, b))
    norms = np.sqrt((a @ a) * (b @ b))
    return float(np.clip(a @ b / norms, -1, 1)) if norms > 0 else 0.0
