"""Numbers at nodes of a graph, from their positions: a skorch regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags
from skorch import NeuralNetRegressor
from torch import Tensor

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.r_squared import r_squared
from sk_posenc.graphs._node_predictor import NodePredictor
from sk_posenc.graphs.node_network import NodeNetwork
from sk_posenc.networks.batches import weights_of
from sk_posenc.networks.meanwhile import of_one_network
from sk_posenc.networks.scaling import check_targets, target_scaling


class AnchorPathRegressor(NodePredictor, NeuralNetRegressor):
    r"""Predict numbers at nodes of a graph by what they receive along the paths from anchors.

    The features of `AnchorPathEncoder` go into a multilayer perceptron, and both are trained by
    its loss on standardised targets. With a `graph`, rows of `X` are nodes: folds split the nodes,
    and the graph stays whole.

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
    criterion : type, default=torch.nn.MSELoss
        The loss, of targets with mean 0 and standard deviation 1.
    **parameters : dict
        Training, as of `CoordinateMLPRegressor`: `lr` (0.01 here), `max_epochs` (300),
        `batch_size` (-1, all rows in one batch), `device`, `early_stopping`, `checkpoint`, and
        others of skorch.

    Attributes
    ----------
    anchors_ : ndarray of shape (n_anchors,), or list of n_anchors ndarrays
        The anchors: nodes, or sets of nodes with `placement` "sets".
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
    AnchorPathClassifier : The same for classes.
    AnchorDistanceEncoder : Distances as features of any regressor: try them first.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sk_posenc import AnchorPathRegressor
    >>> path = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(20, 20))
    >>> nodes = np.arange(20)[:, None]
    >>> y = np.sin(nodes[:, 0] / 4)
    >>> model = AnchorPathRegressor([0], graph=path, max_epochs=60, random_state=0)
    >>> model = model.fit(nodes[::2], y[::2])
    >>> bool(model.score(nodes[1::2], y[1::2]) > 0.8)
    True
    """

    _target_checks = {"multi_output": True, "y_numeric": True}
    _scaling: Any = None

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
        criterion: Any = torch.nn.MSELoss,
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
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts: 0 is absent, 2 is twice. None: all rows count alike.
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : AnchorPathRegressor

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
    def predict(self, X: Any) -> NDArray:
        """Predict in the units and the shape of the targets given to `fit`.

        Parameters
        ----------
        X : array-like or sparse matrix
            With `graph`, nodes, of shape (n_samples, n_columns). Without, the graph of ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
            Predictions, 1-d if the targets were.
        """
        outputs = self._outputs(X)
        shift, scale = self._scaling
        y = outputs * scale + shift
        if not np.isfinite(y).all():
            self._raise_diverged("predictions are not finite")
        return y[:, 0] if self._target_ndim == 1 else y

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of the variance that predictions explain, R squared.

        Parameters
        ----------
        X : array-like or sparse matrix
            As in :meth:`predict`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            At most 1; the mean over several outputs.
        """
        return r_squared(y, self.predict(X), sample_weight)

    @property
    def predict_proba(self) -> Any:
        """Raise AttributeError: regressors have no probabilities."""
        raise AttributeError(f"{type(self).__name__} has no predict_proba; use predict.")

    def _take_targets(self, y: Any, fresh: bool) -> NDArray:
        ndim, columns = y.ndim, np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        check_targets(columns, None)
        if fresh:
            self._target_ndim, self._n_outputs = ndim, columns.shape[1]
            self._scaling = None
        elif (ndim, columns.shape[1]) != (self._target_ndim, self._n_outputs):
            before = "1-d" if self._target_ndim == 1 else f"of shape (n_samples, {self._n_outputs})"
            raise ValueError(f"y must be {before}, as before. Got shape {y.shape}.")
        return columns

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> tuple[Any, Any]:
        """Split as `train_split` says, and learn the scale of the targets from training rows.

        Returns
        -------
        dataset_train, dataset_valid : Dataset, and Dataset or None
        """
        train, valid = super().get_split_datasets(X, y, **fit_params)
        if self._scaling is None:
            targets = [targets for _, targets in self.get_iterator(train, training=False)]
            scaling = target_scaling(targets, [weights_of(each) for each in targets])
            shift, scale = (to_numpy(each) for each in scaling)
            self._scaling = shift, np.where(scale == 0, 1.0, scale)
        return train, valid

    def get_loss(
        self, y_pred: Tensor, y_true: Tensor, X: Tensor | None = None, training: bool = False
    ) -> Tensor:
        """Criterion between the output and the standardised targets of one batch."""
        shift, scale = (torch.as_tensor(each).to(y_pred.device) for each in self._scaling)
        target = ((y_true.to(y_pred.device) - shift) / scale).to(y_pred.dtype)
        target.sample_weight = weights_of(y_true)  # type: ignore[attr-defined]
        return super().get_loss(y_pred, target, X, training)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
