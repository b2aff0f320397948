"""Nodes of a graph to features that are learnt along the paths from anchors."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from torch import Tensor

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.memory import check_memory
from sk_posenc.graphs._node_rows import checked_nodes
from sk_posenc.graphs._path_estimator import PathEstimator
from sk_posenc.graphs.node_network import LinkNetwork
from sk_posenc.networks.meanwhile import of_one_network


class AnchorPathEncoder(TransformerMixin, PathEstimator, NeuralNet):
    r"""Encode nodes of a graph by what they receive along the paths from anchors.

    Each anchor sends a message through the graph. It travels outwards, one breadth-first layer
    after the other. What node :math:`v` has from anchor :math:`a` is

    .. math:: h_{va} = \mathrm{ReLU}(U [\mathrm{AGG}_u\, W h_{ua} ; V x_v] + b)

    with the neighbours :math:`u` that are one hop nearer to :math:`a`, and the same learnt
    :math:`U, V, W, b` for all layers and anchors. The anchor itself has a learnt :math:`e`. Where
    there is no path, :math:`h_{va} = 0`. So distances are not given, but travel with the messages.

    This is an *anchor path encoding*, after the abstract of GIR [1]_. It is no reproduction of
    GIR, whose text we do not have.

    ``fit`` needs no targets: it learns to tell links from pairs of nodes without one.
    `AnchorPathRegressor` and `AnchorPathClassifier` learn the same from targets.

    Parameters
    ----------
    anchors : int or array-like of int, default=16
        Number of anchors, or the nodes that are anchors.
    n_features : int, default=16
        Length of the messages.
    aggregation : {"mean", "sum"}, default="mean"
        How messages of several neighbours are joined (AGG). Without `node_features` the mean
        carries the distance alone, and the sum also the number of shortest paths.
    gcn_layers : int, default=0
        Layers of a plain graph convolution [2]_ beside the paths, which adds `n_features` columns
        at the end. 0: there is none.
    placement : {"random", "spread", "sets"}, default="random"
        How a number of anchors is chosen, see `AnchorDistanceEncoder`.
    graph : sparse matrix or array of shape (n_nodes, n_nodes), default=None
        Adjacency matrix. Links count alike, whatever their lengths. None: `X` is the graph.
    directed : {"error", "symmetrise"}, default="error"
        What to do with a graph that is not symmetric. "symmetrise": a link holds in both
        directions.
    node_features : array-like of shape (n_nodes, n_node_features), default=None
        Features x of the nodes, best with mean 0 and standard deviation 1. None: nodes have none.
    random_state : int, RandomState instance or None, default=None
        Decides anchors, weights and the pairs without a link.
    module : type, default=LinkNetwork
        The network that is trained.
    criterion : type, default=torch.nn.BCEWithLogitsLoss
        The loss of its logits.
    **parameters : dict
        Training, as of `CoordinateMLPRegressor`: `lr` (0.01 here), `max_epochs` (300),
        `batch_size` (-1, all links in one batch), `device`, `early_stopping`, `checkpoint`, and
        others of skorch.

    Attributes
    ----------
    anchors_ : ndarray of shape (n_anchors,), or list of n_anchors ndarrays
        The anchors: nodes, or sets of nodes with `placement` "sets".
    module_ : LinkNetwork
        The fitted network.
    history_ : skorch.history.History
        One record per epoch.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns of `X`, where it had string names.

    See Also
    --------
    AnchorDistanceEncoder : The distances themselves, without training.

    Notes
    -----
    Messages follow all links of the graph. Leave out those that a model is tested on.

    A step of training costs as much as one pass of messages: for m links and k anchors
    :math:`O(k m d + k n d^2)`, with d = `n_features`.

    References
    ----------
    .. [1] Y. Lu and others. "Graph inference representation: learning graph positional embeddings
       with anchor path encoding". arXiv:2105.03821, 2021. Only its abstract was at hand.
    .. [2] T. N. Kipf, M. Welling. "Semi-supervised classification with graph convolutional
       networks". ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sk_posenc import AnchorPathEncoder
    >>> path = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(9, 9))
    >>> encoder = AnchorPathEncoder([0, 8], n_features=3, graph=path, max_epochs=20)
    >>> encoder.fit_transform([[0], [4]]).shape
    (2, 6)
    """

    def __init__(
        self,
        anchors: Any = 16,
        *,
        n_features: int = 16,
        aggregation: str = "mean",
        gcn_layers: int = 0,
        placement: str = "random",
        graph: Any = None,
        directed: str = "error",
        node_features: Any = None,
        random_state: Any = None,
        module: Any = LinkNetwork,
        criterion: Any = torch.nn.BCEWithLogitsLoss,
        **parameters: Any,
    ) -> None:
        super().__init__(
            anchors,
            n_features=n_features,
            aggregation=aggregation,
            gcn_layers=gcn_layers,
            placement=placement,
            graph=graph,
            directed=directed,
            node_features=node_features,
            random_state=random_state,
            module=module,
            criterion=criterion,
            **parameters,
        )

    # no sample_weight, by which scikit-learn tells which estimators take weights
    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> Self:  # type: ignore[override]
        """Learn to tell links from pairs of nodes without one.

        Parameters
        ----------
        X : array-like or sparse matrix
            With `graph`, nodes, of shape (n_samples, n_columns); all links of the graph are
            learnt whatever they are. Without, the graph, (n_nodes, n_nodes).
        y : ignored
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : AnchorPathEncoder

        Raises
        ------
        ValueError
            For a graph that is not symmetric, has no links or nothing but links, and for nodes
            that it does not have.
        TypeError
            For settings of the wrong type, and for weights of rows.
        """
        return super().fit(X, None, **fit_params)

    def _train(self, X: Any, y: Any, sample_weight: Any, *options: Any, **named: Any) -> Self:
        if sample_weight is not None:
            raise TypeError(
                f"{type(self).__name__} takes no sample_weight, as it learns all links of the "
                f"graph whatever the rows are: leave it out. Got {sample_weight!r}."
            )
        return super()._train(X, None, None, *options, **named)

    @of_one_network
    def transform(self, X: Any) -> NDArray[np.float32]:
        """Encode nodes.

        Parameters
        ----------
        X : array-like or sparse matrix
            With `graph`, nodes, of shape (n_samples, n_columns). Without, the graph of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_columns * n_anchors * n_features), float32
            Anchor by anchor; then the columns of the graph convolution, if there is one.

        Raises
        ------
        ValueError
            For nodes that the graph does not have.
        """
        check_is_fitted(self)
        nodes = self._rows_of_nodes(X)
        width = self.module_.features.width
        check_memory((len(nodes), nodes.shape[1] * width), 4, "encode fewer nodes at a time")
        self.module_.eval()
        with torch.no_grad():
            features = to_numpy(self.module_.features())
        encoded: NDArray[np.float32] = features[nodes].reshape(len(nodes), -1)
        return encoded

    @of_one_network
    def link_probabilities(self, pairs: ArrayLike) -> NDArray[np.float32]:
        """Predict how likely pairs are linked, among as many that are linked and are not.

        Parameters
        ----------
        pairs : array-like of shape (n_pairs, 2)
            Nodes.

        Returns
        -------
        ndarray of shape (n_pairs,), float32

        Raises
        ------
        ValueError
            For nodes that the graph does not have, and rows that are no pairs.
        """
        check_is_fitted(self)
        nodes = checked_nodes(pairs, self._graph.n_nodes, "pairs")
        if nodes.shape[1] != 2:
            raise ValueError(f"pairs must have two columns of nodes. Got shape {nodes.shape}.")
        logits = torch.cat(list(self.forward_iter(nodes)))
        return to_numpy(torch.sigmoid(logits))

    @property
    def predict(self) -> Any:
        """Raise AttributeError: encoders predict no targets."""
        raise AttributeError(f"{type(self).__name__} has no predict; use link_probabilities.")

    @property
    def predict_proba(self) -> Any:
        """Raise AttributeError: encoders predict no targets."""
        raise AttributeError(f"{type(self).__name__} has no predict_proba; use link_probabilities.")

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the columns: from which anchor, and which part of its message.

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
        parts = [f"from_{anchor}" for anchor in self._anchor_names()]
        parts += ["gcn"] if self.module_.features.convolution is not None else []
        length = self.module_.features.width // len(parts)
        names = [f"{c}{part}_{i}" for c in columns for part in parts for i in range(length)]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _take(self, X: Any, y: Any, fresh: bool) -> tuple[Any, Any]:
        if fresh:
            self._take_nodes(X)
            self._learn_paths()
        else:
            self._rows_of_nodes(X)
        links = sparse.triu(self._graph.lengths, k=1).tocoo()
        n_nodes, n_links = self._graph.n_nodes, links.nnz
        if not 0 < n_links < n_nodes * (n_nodes - 1) // 2:
            raise ValueError(
                "the graph must have links, and pairs of nodes without one, to be told apart. "
                f"Got {n_links} links of {n_nodes} nodes."
            )
        pairs = np.stack([links.row, links.col], axis=1).astype(np.int64)
        return pairs, np.ones(n_links, dtype=np.float32)

    def initialize_module(self) -> Self:
        """Build `module_`, for the graph seen by `fit`.

        Returns
        -------
        self : AnchorPathEncoder
        """
        parameters = {"generator": self._generator} | self.get_params_for("module")
        self.module_ = self.module(self._features_module(), **parameters)
        return self

    def train_step_single(self, batch: Any, **fit_params: Any) -> Any:
        """As skorch's, with as many pairs without a link; see skorch."""
        return super().train_step_single(self._with_others(batch), **fit_params)

    def validation_step(self, batch: Any, **fit_params: Any) -> Any:
        """As skorch's, with as many pairs without a link; see skorch."""
        return super().validation_step(self._with_others(batch), **fit_params)

    def _with_others(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        pairs, linked = batch
        others = unlinked_pairs(self._graph.lengths, len(pairs), self._generator)
        others = others.to(pairs.device)
        return torch.cat([pairs, others]), torch.cat([linked, torch.zeros_like(linked)])


def unlinked_pairs(links: sparse.csr_array, number: int, generator: torch.Generator) -> Tensor:
    """Pairs of different nodes without a link in either direction, drawn uniformly."""
    n, coo = links.shape[0], links.tocoo()
    codes = torch.as_tensor(coo.row.astype(np.int64) * n + coo.col)
    found = torch.empty(0, 2, dtype=torch.int64)
    while len(found) < number:
        drawn = torch.randint(n, (2 * number, 2), generator=generator)
        first, second = drawn.unbind(1)
        fits = (first != second) & ~torch.isin(first * n + second, codes)
        found = torch.cat([found, drawn[fits]])
    return found[:number]
