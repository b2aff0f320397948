"""Classes of nodes of a graph, from their positions: a skorch classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from skorch import NeuralNet, NeuralNetClassifier
from torch import Tensor

from sk_posenc.core.checks import check_labels
from sk_posenc.graphs._node_predictor import NodePredictor
from sk_posenc.graphs.node_network import NodeNetwork
from sk_posenc.networks.meanwhile import of_one_network


class AnchorPathClassifier(NodePredictor, NeuralNetClassifier):
    r"""Predict classes of nodes of a graph by what they receive along the paths from anchors.

    The features of `AnchorPathEncoder` go into a multilayer perceptron, and both are trained by
    its loss. With a `graph`, rows of `X` are nodes: folds split the nodes, and the graph stays
    whole.

    Parameters
    ----------
    anchors : int or array-like of int, default=16
        Number of anchors, or the nodes that are anchors.
    n_features : int, default=16
        Length of the messages.
    aggregation : {"mean", "sum"}, default="mean"
        How messages of several neighbours are joined.
    gcn_layers : int, default=0
        Layers of a plain graph convolution beside the paths. 0: there is none.
    hidden_layer_sizes : int or sequence of int, default=(64,)
        Units of each hidden layer behind the features; an empty sequence gives a linear head.
    placement : {"random", "spread", "sets"}, default="random"
        How a number of anchors is chosen, see `AnchorDistanceEncoder`.
    graph : sparse matrix or array of shape (n_nodes, n_nodes), default=None
        Adjacency matrix. Links count alike, whatever their lengths. None: `X` is the graph.
    directed : {"error", "symmetrise"}, default="error"
        What to do with a graph that is not symmetric. "symmetrise": a link holds in both
        directions.
    node_features : array-like of shape (n_nodes, n_node_features), default=None
        Features of the nodes, best with mean 0 and standard deviation 1. None: nodes have none.
    random_state : int, RandomState instance or None, default=None
        Decides anchors and weights.
    module : type, default=NodeNetwork
        The network that is trained.
    criterion : type, default=torch.nn.CrossEntropyLoss
        The loss of its logits.
    **parameters : dict
        Training, as of `CoordinateMLPRegressor`: `lr` (0.01 here), `max_epochs` (300),
        `batch_size` (-1, all rows in one batch), `device`, `early_stopping`, `checkpoint`, and
        others of skorch.

    Attributes
    ----------
    anchors_ : ndarray of shape (n_anchors,), or list of n_anchors ndarrays
        The anchors: nodes, or sets of nodes with `placement` "sets".
    classes_ : ndarray of shape (n_classes,)
        The classes.
    module_ : NodeNetwork
        The fitted network.
    history_ : skorch.history.History
        One record per epoch.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns of `X`, where it had string names.

    See Also
    --------
    AnchorPathEncoder : The features, trained without targets.
    AnchorPathRegressor : The same for numbers.
    AnchorDistanceEncoder : Distances as features of any classifier: try them first.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sk_posenc import AnchorPathClassifier
    >>> path = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(20, 20))
    >>> nodes = np.arange(20)[:, None]
    >>> y = np.where(np.abs(nodes[:, 0] - 10) < 5, "middle", "end")
    >>> model = AnchorPathClassifier([0], graph=path, max_epochs=60, random_state=0)
    >>> model = model.fit(nodes[::2], y[::2])
    >>> bool(model.score(nodes[1::2], y[1::2]) > 0.8)
    True
    """

    _target_checks = {"labels": True}

    def __init__(
        self,
        anchors: Any = 16,
        *,
        n_features: int = 16,
        aggregation: str = "mean",
        gcn_layers: int = 0,
        hidden_layer_sizes: Any = (64,),
        placement: str = "random",
        graph: Any = None,
        directed: str = "error",
        node_features: Any = None,
        random_state: Any = None,
        module: Any = NodeNetwork,
        criterion: Any = torch.nn.CrossEntropyLoss,
        **parameters: Any,
    ) -> None:
        super().__init__(
            anchors,
            n_features=n_features,
            aggregation=aggregation,
            gcn_layers=gcn_layers,
            hidden_layer_sizes=hidden_layer_sizes,
            placement=placement,
            graph=graph,
            directed=directed,
            node_features=node_features,
            random_state=random_state,
            module=module,
            criterion=criterion,
            **parameters,
        )

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, **fit_params: Any
    ) -> Self:
        """Fit the network, from new weights unless `warm_start` is set.

        Parameters
        ----------
        X : array-like or sparse matrix
            With `graph`, nodes, of shape (n_samples, n_columns). Without, the graph,
            (n_nodes, n_nodes).
        y : array-like of shape (n_samples,)
            Classes.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts: 0 is absent, 2 is twice. None: all rows count alike.
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : AnchorPathClassifier

        Raises
        ------
        ValueError
            For a graph that is not symmetric, nodes that it does not have, settings that are
            impossible, and weights that are negative or all 0.
        TypeError
            For settings of the wrong type.
        FloatingPointError
            Where training diverges.
        """
        return super().fit(X, y, sample_weight, **fit_params)

    @of_one_network
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix
            With `graph`, nodes, of shape (n_samples, n_columns). Without, the graph of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64
            Rows sum to 1; columns are in the order of `classes_`.
        """
        probabilities = self._outputs(X)
        if not np.isfinite(probabilities).all():
            self._raise_diverged("probabilities are not finite")
        return probabilities

    @of_one_network
    def predict(self, X: Any) -> NDArray:
        """Predict classes.

        Parameters
        ----------
        X : array-like or sparse matrix
            With `graph`, nodes, of shape (n_samples, n_columns). Without, the graph of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]

    def _get_predict_nonlinearity(self) -> Callable[[Tensor], Tensor]:
        """skorch's, in float64: probabilities then sum to 1."""
        nonlinearity = super()._get_predict_nonlinearity()
        return lambda output: nonlinearity(output.double())

    @property
    def _default_callbacks(self) -> Any:
        # skorch's for classifiers compare predictions with numbers of classes
        return NeuralNet._default_callbacks.fget(self)

    def check_data(self, X: Any, y: Any) -> None:
        """Keep the classes that `fit` has found; see skorch."""

    def _take_targets(self, y: Any, fresh: bool) -> NDArray:
        check_labels(y)
        classes = np.unique(y)
        if fresh:
            if len(classes) < 2:
                raise ValueError(f"y must have at least two classes. Got one class: {classes!r}.")
            self.classes_inferred_, self._n_outputs = classes, len(classes)
        unknown = np.setdiff1d(classes, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y must have classes seen before, {self.classes_!r}. Got {unknown[0]!r}."
            )
        return np.searchsorted(self.classes_, y)
