"""Lengths of shortest paths from sets of nodes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, dijkstra

from sk_posenc.graphs._graph import Graph

# Numbers of an array of paths over the links of new nodes.
_BLOCK = 1 << 22


def distances_from(
    graph: Graph, sources: Sequence[NDArray[np.intp]], limit: float = np.inf
) -> NDArray[np.float64]:
    """Distance of every node to the nearest node of each set, infinite where there is no path.

    Parameters
    ----------
    graph : Graph
    sources : sequence of n_sets arrays of nodes
    limit : float
        Longer paths count as none.

    Returns
    -------
    ndarray of shape (n_nodes, n_sets)
    """
    distances = np.empty((graph.n_nodes, len(sources)))
    if graph.step is None:
        for j, nodes in enumerate(sources):
            distances[:, j] = dijkstra(graph.lengths, indices=nodes, min_only=True, limit=limit)
        return distances
    links = _with_starts(graph.lengths, sources)
    for j in range(len(sources)):
        distances[:, j] = graph.step * _hops(links, graph.n_nodes, j)
    distances[distances > limit] = np.inf
    return distances


def _with_starts(links: sparse.csr_array, sources: Sequence[NDArray[np.intp]]) -> sparse.csr_array:
    """The links, and one more node for each set, from which all of the set are one step away."""
    n = links.shape[0] + len(sources)
    ends = links.indptr[-1] + np.cumsum([len(nodes) for nodes in sources])
    indices = np.concatenate([links.indices, *sources]).astype(np.int32)
    indptr = np.concatenate([links.indptr, ends]).astype(np.int32)
    return sparse.csr_array((np.ones(len(indices)), indices, indptr), shape=(n, n))


def _hops(links: sparse.csr_array, n_nodes: int, j: int) -> NDArray[np.float64]:
    """Hops of all nodes from set `j`, by the order in which a breadth-first search finds them."""
    order, before = breadth_first_order(links, n_nodes + j)
    place = np.empty(links.shape[0], dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    parent = place[before[order[1:]]]  # never falls: parents are found in the same order
    hops, layer, stop = np.full(links.shape[0], np.inf), 0, 1
    while stop < len(order):
        end = 1 + int(np.searchsorted(parent, stop))
        hops[order[stop:end]] = layer
        layer, stop = layer + 1, end
    return hops[:n_nodes]


def distances_through(
    rows: sparse.csr_array, distances: NDArray[np.float64], limit: float = np.inf
) -> NDArray[np.float64]:
    """Distances of new nodes, whose links to known ones are given, by way of these.

    Parameters
    ----------
    rows : csr_array of shape (n_new, n_nodes)
        Lengths of links from new nodes to known ones.
    distances : ndarray of shape (n_nodes, n_sets)
        Of the known nodes.
    limit : float
        Longer paths count as none.

    Returns
    -------
    ndarray of shape (n_new, n_sets)
    """
    found = np.full((rows.shape[0], distances.shape[1]), np.inf)
    linked = np.flatnonzero(np.diff(rows.indptr))
    size = max(1, _BLOCK // max(1, distances.shape[1] * int(np.diff(rows.indptr).max(initial=1))))
    for first in range(0, len(linked), size):
        block = linked[first : first + size]
        part = rows[block]
        paths = part.data[:, None] + distances[part.indices]
        found[block] = np.minimum.reduceat(paths, part.indptr[:-1], axis=0)
    found[found > limit] = np.inf
    return found
