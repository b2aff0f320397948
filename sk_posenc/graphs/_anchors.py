"""Which nodes become anchors."""

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from sk_posenc.core.settings import parse_choice, parse_integer
from sk_posenc.graphs._graph import Graph
from sk_posenc.graphs._paths import distances_from

parse_placement = parse_choice("random", "spread", "sets")


def anchor_sets(
    anchors: Any, placement: str, graph: Graph, rng: np.random.RandomState
) -> list[NDArray[np.intp]]:
    """Sets of nodes, each of them an anchor; of one node each unless `placement` is "sets"."""
    parse_placement(placement, "placement")
    if not isinstance(anchors, numbers.Integral) or isinstance(anchors, bool):
        return [np.array([node]) for node in _given(anchors, graph.n_nodes)]
    number = parse_integer(anchors, "anchors", otherwise=" or an array of nodes")
    if placement == "sets":
        return _sets(number, graph.n_nodes, rng)
    if number > graph.n_nodes:
        raise ValueError(
            f"anchors must be at most the number of nodes, {graph.n_nodes}. Got {anchors!r}."
        )
    if placement == "spread":
        return [np.array([node]) for node in _spread(number, graph, rng)]
    return [np.array([node]) for node in rng.choice(graph.n_nodes, number, replace=False)]


def _given(anchors: Any, n_nodes: int) -> NDArray[np.intp]:
    if isinstance(anchors, str | bool | float) or anchors is None:
        raise TypeError(f"anchors must be a whole number or an array of nodes. Got {anchors!r}.")
    nodes = np.asarray(anchors)
    if nodes.ndim != 1 or not np.issubdtype(nodes.dtype, np.integer):
        raise TypeError(
            "anchors must be a whole number or a 1-d array of nodes, which are whole numbers. "
            f"Got {anchors!r}."
        )
    if not len(nodes) or len(np.unique(nodes)) < len(nodes):
        raise ValueError(f"anchors must be at least one node, each of them once. Got {anchors!r}.")
    if nodes.min() < 0 or nodes.max() >= n_nodes:
        raise ValueError(
            f"anchors must be nodes of the graph, 0 to {n_nodes - 1}. Got {anchors!r}."
        )
    return nodes.astype(np.intp)


def _sets(number: int, n_nodes: int, rng: np.random.RandomState) -> list[NDArray[np.intp]]:
    """Sets of a half, a quarter, an eighth ... of the nodes in turn."""
    n_sizes = max(1, int(np.log2(n_nodes)))
    sizes = [max(1, n_nodes >> (1 + j % n_sizes)) for j in range(number)]
    return [np.sort(rng.choice(n_nodes, size, replace=False)) for size in sizes]


def _spread(number: int, graph: Graph, rng: np.random.RandomState) -> list[int]:
    """One node after the other, the farthest from those before it.

    A part of the graph that these do not reach comes first where it has its share of nodes, and
    last where it has less.
    """
    part = connected_components(graph.lengths, directed=False)[1]
    sizes = np.bincount(part)
    small = sizes[part] * number < graph.n_nodes
    nodes = [int(rng.choice(np.flatnonzero(sizes[part] == sizes.max())))]
    nearest = np.full(graph.n_nodes, np.inf)
    while len(nodes) < number:
        nearest = np.minimum(nearest, distances_from(graph, [np.array(nodes[-1:])])[:, 0])
        last = np.isinf(nearest) & small
        nodes.append(int(np.argmax(np.where(last, np.finfo(np.float64).tiny, nearest))))
    return nodes
