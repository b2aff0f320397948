"""Rows of nodes: what the estimators of this room take as X."""

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.checks import checked_array, checked_data
from sk_posenc.core.encoding import input_names
from sk_posenc.core.settings import parse_optional, random_state_of
from sk_posenc.graphs._anchors import anchor_sets
from sk_posenc.graphs._graph import Graph, graph_of, lengths_of


class NodeRows:
    """Part of an estimator whose rows are nodes of the graph that its parameter `graph` holds.

    With ``graph=None``, `X` of `fit` is the graph itself. It sets ``_graph``, and ``_of_columns``:
    whether rows are nodes. What it keeps are arrays and numbers alone, so that skops saves them.
    """

    anchors: Any
    placement: str
    graph: Any
    directed: str
    random_state: Any
    anchors_: Any
    n_features_in_: int
    _lengths: sparse.csr_array
    _step: float | None
    _of_columns: bool

    @property
    def _graph(self) -> Graph:
        return Graph(self._lengths, self._step)

    def _keep(self, graph: Graph) -> None:
        self._lengths, self._step = graph.lengths, graph.step

    def _take_nodes(self, X: Any) -> NDArray[np.intp]:
        """Learn the graph; the nodes of the rows of `X`, of shape (n_samples, n_columns)."""
        self._of_columns = self.graph is not None
        if not self._of_columns:
            checked_data(self, X, accept_sparse="csr", dtype=np.float64)
            self._keep(graph_of(X, self.directed, "X, where graph is None,"))
            return np.arange(self._graph.n_nodes)[:, None]
        self._keep(graph_of(self.graph, self.directed))
        return self._node_columns(X, reset=True)

    def _known_nodes(self, X: Any) -> NDArray[np.intp] | sparse.csr_array:
        """The nodes of the rows of `X`, or links of new nodes where `X` is not the graph."""
        if self._of_columns:
            return self._node_columns(X, reset=False)
        checked_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        rows = lengths_of(X, "X")
        if rows.shape[0] == rows.shape[1]:
            whole = graph_of(rows, "symmetrise").lengths if self.directed != "error" else rows
            if self._graph.is_same(whole):
                return np.arange(self._graph.n_nodes)[:, None]
        return rows

    def _node_columns(self, X: Any, reset: bool) -> NDArray[np.intp]:
        columns = checked_data(self, X, dtype="numeric", reset=reset)
        return whole_nodes(columns, self._graph.n_nodes, "X")

    def _column_names(self, names: Any) -> list[str]:
        """Names of the columns of nodes; ValueError where there are others in ``fit``."""
        names = input_names(self, names)
        return [f"{name}_" for name in names] if self._of_columns else [""]

    def _anchor_names(self) -> list[str]:
        if isinstance(self.anchors_, np.ndarray):
            return [str(node) for node in self.anchors_]
        return [f"set{j}" for j in range(len(self.anchors_))]

    def _anchor_sets(self) -> list[NDArray[np.intp]]:
        """The fitted anchors as sets of nodes."""
        if isinstance(self.anchors_, list):
            return self.anchors_
        return list(self.anchors_[:, None])

    def _draw_anchors(self) -> list[NDArray[np.intp]]:
        """Set ``anchors_``; the same as sets of nodes."""
        rng = random_state_of(self.random_state)
        sets = anchor_sets(self.anchors, self.placement, self._graph, rng)
        in_sets = self.placement == "sets" and isinstance(self.anchors, numbers.Integral)
        self.anchors_ = sets if in_sets else np.concatenate(sets)
        return sets

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        whole = self.graph is None
        tags.input_tags.sparse = tags.input_tags.pairwise = whole
        tags.input_tags.positive_only = True
        tags.input_tags.categorical = not whole
        return tags


def parse_limit(value: Any, name: str) -> float:
    """A distance above 0; None is infinite."""
    limit = parse_optional(value, name)
    return np.inf if limit is None else limit


def checked_nodes(nodes: Any, n_nodes: int, name: str) -> NDArray[np.intp]:
    """Columns of nodes of a graph; ValueError for what are none."""
    return whole_nodes(checked_array(nodes, dtype="numeric", input_name=name), n_nodes, name)


def whole_nodes(nodes: NDArray, n_nodes: int, name: str) -> NDArray[np.intp]:
    """Numbers that scikit-learn has checked, as nodes of a graph."""
    if not np.issubdtype(nodes.dtype, np.integer) and np.any(nodes != np.floor(nodes)):
        wrong = nodes[nodes != np.floor(nodes)][0]
        raise ValueError(f"{name} must have nodes, which are whole numbers. Got {wrong!r}.")
    if nodes.min() < 0:
        raise ValueError(
            f"Negative values in data: {name} must have nodes, 0 to {n_nodes - 1}. "
            f"Got {nodes.min()!r}."
        )
    if nodes.max() >= n_nodes:
        raise ValueError(
            f"{name} must have nodes of the graph, 0 to {n_nodes - 1}: for new ones, fit again on "
            f"a graph that has them. Got {nodes.max()!r}."
        )
    return nodes.astype(np.intp)
