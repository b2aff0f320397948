"""Nodes of a graph to features: how near they are to anchors."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.memory import check_memory
from sk_posenc.core.state import of_one_fit, taken_over_last
from sk_posenc.graphs._node_rows import NodeRows, parse_limit
from sk_posenc.graphs._paths import distances_from, distances_through

_WAY_OUT = "take fewer anchors, or fewer nodes at a time"


class AnchorDistanceEncoder(NodeRows, TransformerMixin, BaseEstimator):
    r"""Encode nodes of a graph by their nearness to anchors.

    A node has no coordinates. Its distances to a few nodes, the *anchors*, give it some. The
    feature of node :math:`v` and anchor :math:`a` is

    .. math:: s(v, a) = \frac{1}{1 + d(v, a)}

    with the length :math:`d` of the shortest path. It is 1 at the anchor, and 0 where there is no
    path. An anchor may be a set of nodes; then :math:`d` is the distance to the nearest one.

    With a `graph`, rows of `X` are nodes. Folds then split the nodes, and the graph stays whole.
    Without, `X` itself is the graph.

    Parameters
    ----------
    anchors : int or array-like of int, default=16
        Number of anchors, or the nodes that are anchors.
    placement : {"random", "spread", "sets"}, default="random"
        How a number of anchors is chosen. "spread": each is the farthest node from those before
        it. "sets": each anchor is a random set, of a half, a quarter, an eighth ... of the nodes
        in turn, as in Bourgain's embedding [1]_ and P-GNN [2]_.
    graph : sparse matrix or array of shape (n_nodes, n_nodes), default=None
        Adjacency matrix: lengths of the links, and 0 where there is none. Where all are 1, or
        True, distances are counted in hops. None: `X` is the graph.
    directed : {"error", "symmetrise"}, default="error"
        What to do with a graph that is not symmetric. "symmetrise": a link holds in both
        directions, with the shorter length where it has two.
    max_distance : float, default=None
        Longer paths count as none. None: no limit.
    random_state : int, RandomState instance or None, default=None
        Decides the anchors.

    Attributes
    ----------
    anchors_ : ndarray of shape (n_anchors,), or list of n_anchors ndarrays
        The anchors: nodes, or sets of nodes with `placement` "sets".
    distances_ : ndarray of shape (n_nodes, n_anchors)
        Distances of all nodes of the graph to the anchors; infinite where there is no path.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns of `X`, where it had string names.

    See Also
    --------
    AnchorPathEncoder : Learns what nodes receive along the paths from anchors.
    path_preservation : Whether encodings are near where nodes are.

    Notes
    -----
    Entries of the adjacency matrix are lengths: a small number is a short link. Where yours are
    strengths, take their inverse. Only links of the graph count, so leave out those that a model
    is tested on.

    The cost is that of a breadth-first search from each anchor where all lengths are equal, else
    of Dijkstra's algorithm.

    References
    ----------
    .. [1] J. Bourgain. "On Lipschitz embedding of finite metric spaces in Hilbert space". Israel
       Journal of Mathematics 52, 1985.
    .. [2] J. You, R. Ying, J. Leskovec. "Position-aware graph neural networks". ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sk_posenc import AnchorDistanceEncoder
    >>> path = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(5, 5))
    >>> AnchorDistanceEncoder([0, 4], graph=path).fit_transform([[0], [1], [2]]).round(2)
    array([[1.  , 0.2 ],
           [0.5 , 0.25],
           [0.33, 0.33]])
    """

    def __init__(
        self,
        anchors: Any = 16,
        *,
        placement: str = "random",
        graph: Any = None,
        directed: str = "error",
        max_distance: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.anchors = anchors
        self.placement = placement
        self.graph = graph
        self.directed = directed
        self.max_distance = max_distance
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Choose the anchors, and find the paths from them.

        Parameters
        ----------
        X : array-like or sparse matrix
            With `graph`, nodes, of shape (n_samples, n_columns). Each column is encoded by
            itself, such as the two ends of a link. Without, the graph, (n_nodes, n_nodes).
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a graph that is not symmetric or has negative lengths, and for nodes that it does
            not have.
        TypeError
            For settings of the wrong type.
        """
        with taken_over_last(self) as fitted:
            fitted._learn(X)
        return self

    def _learn(self, X: Any) -> None:
        self._limit = parse_limit(self.max_distance, "max_distance")
        self._take_nodes(X)
        sets = self._draw_anchors()
        check_memory((self._graph.n_nodes, len(sets)), 8, _WAY_OUT)
        self.distances_ = distances_from(self._graph, sets, self._limit)

    @of_one_fit
    def transform(self, X: Any) -> NDArray[np.float64]:
        """Encode nodes.

        Parameters
        ----------
        X : array-like or sparse matrix
            With `graph`, nodes, of shape (n_samples, n_columns). Without, the graph of ``fit``;
            or the links of new nodes to those of ``fit``, (n_new, n_nodes). New nodes are reached
            through these, not through each other.

        Returns
        -------
        ndarray of shape (n_samples, n_columns * n_anchors)
            Nearness to the anchors, from 0 to 1.

        Raises
        ------
        ValueError
            For nodes that the graph does not have, and an output larger than the memory.
        """
        check_is_fitted(self)
        rows = self._known_nodes(X)
        n_columns = 1 if sparse.issparse(rows) else rows.shape[1]
        check_memory((rows.shape[0], n_columns * self.distances_.shape[1]), 8, _WAY_OUT)
        if sparse.issparse(rows):
            return 1 / (1 + distances_through(rows, self.distances_, self._limit))
        return (1 / (1 + self.distances_[rows])).reshape(len(rows), -1)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the columns: near which anchor.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of nodes; None: the names seen in ``fit``, else x0, x1, ...

        Returns
        -------
        ndarray of str objects of shape (n_features,)
        """
        check_is_fitted(self)
        columns = self._column_names(input_features)
        names = [f"{column}near_{a}" for column in columns for a in self._anchor_names()]
        return np.array(names, dtype=object)
