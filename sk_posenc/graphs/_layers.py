"""Breadth-first layers around anchors, and the links that lead from each to the next."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sk_posenc.graphs._graph import Graph
from sk_posenc.graphs._paths import distances_from


@dataclass(frozen=True)
class PathLayers:
    """Cells (node, anchor) with a path between them, in layers of as many hops.

    Attributes
    ----------
    n_nodes, n_anchors : int
    cells : ndarray of shape (n_cells,)
        node * n_anchors + anchor, layer by layer.
    sizes : list of n_layers ints
        Cells of each layer; the first are the anchors themselves.
    sources, targets : ndarrays of shape (n_messages,)
        Links from a layer to the next: numbers of cells within their layers.
    counts : list of n_layers - 1 ints
        How many of these lead to each layer but the first.
    """

    n_nodes: int
    n_anchors: int
    cells: NDArray[np.int64]
    sizes: list[int]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    counts: list[int]

    @classmethod
    def around(cls, graph: Graph, anchors: Sequence[NDArray[np.intp]]) -> "PathLayers":
        """Layers around sets of nodes, counted in hops whatever the lengths of the links."""
        hops = distances_from(Graph(graph.lengths, 1.0), anchors)
        n_anchors = len(anchors)
        layer = np.where(np.isinf(hops), -1, hops).astype(np.int64).ravel()
        cells = np.argsort(layer, kind="stable")[np.count_nonzero(layer < 0) :]
        sizes = np.bincount(layer[cells])
        number = np.full(layer.size, -1)  # of a cell within its layer
        number[cells] = np.arange(len(cells)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        sources, targets = _messages(graph, layer, n_anchors)
        counts = np.bincount(layer[targets], minlength=len(sizes))[1:]
        return cls(
            *(graph.n_nodes, n_anchors, cells, sizes.tolist()),
            *(number[sources], number[targets], counts.tolist()),
        )


def _messages(
    graph: Graph, layer: NDArray[np.int64], n_anchors: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells that links join and whose layers follow each other, sorted by layer."""
    links = graph.lengths.tocoo()
    pairs = []
    for anchor in range(n_anchors):
        sources, targets = (
            nodes.astype(np.int64) * n_anchors + anchor for nodes in (links.col, links.row)
        )
        onward = (layer[targets] == layer[sources] + 1) & (layer[sources] >= 0)
        pairs.append((sources[onward], targets[onward]))
    sources, targets = (np.concatenate(each) for each in zip(*pairs, strict=True))
    order = np.argsort(layer[targets], kind="stable")
    return sources[order], targets[order]
