"""What the estimators that learn along paths from anchors share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.checks import checked_array
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_choice, parse_integer
from sk_posenc.graphs._layers import PathLayers
from sk_posenc.graphs._node_rows import NodeRows
from sk_posenc.graphs.node_network import NodeFeatures
from sk_posenc.networks.estimator import SkorchEstimator


class PathEstimator(NodeRows, SkorchEstimator):
    """A base class of estimators with a network of what nodes receive along paths.

    A derived class stands in front of a class of skorch, and says what the module is.
    """

    def __init__(
        self,
        anchors: Any,
        *,
        n_features: int,
        aggregation: str,
        gcn_layers: int,
        placement: str,
        graph: Any,
        directed: str,
        node_features: Any,
        module: Any,
        lr: float = 1e-2,
        max_epochs: int | str = 300,
        batch_size: int | str = -1,
        **parameters: Any,
    ) -> None:
        super().__init__(module, lr=lr, max_epochs=max_epochs, batch_size=batch_size, **parameters)
        self.anchors = anchors
        self.n_features = n_features
        self.aggregation = aggregation
        self.gcn_layers = gcn_layers
        self.placement = placement
        self.graph = graph
        self.directed = directed
        self.node_features = node_features

    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        classes: Any = None,
        sample_weight: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Train for `max_epochs` more epochs, on the graph of the first call.

        Parameters
        ----------
        X : array-like or sparse matrix
            As in :meth:`fit`.
        y : array-like or None
            Targets of these rows; the encoder ignores them.
        classes : ignored
            Present for the signature of skorch.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts: 0 is absent, 2 is twice. None: all rows count alike. The encoder
            takes none.
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : estimator
        """
        return super().partial_fit(X, y, None, sample_weight, **fit_params)

    def _check_settings(self) -> None:
        super()._check_settings()
        parse_integer(self.n_features, "n_features")
        parse_choice("mean", "sum")(self.aggregation, "aggregation")
        parse_integer(self.gcn_layers, "gcn_layers", at_least=0)

    def _learn_paths(self) -> None:
        """Choose the anchors, and check the features of the nodes."""
        self._draw_anchors()
        self._given_features = self._checked_node_features()

    def _learnt_from(self) -> tuple[Any, ...]:
        return self._lengths, self.anchors_

    def _checked_node_features(self) -> NDArray[np.float32] | None:
        if self.node_features is None:
            return None
        given = checked_array(self.node_features, dtype=np.float32, input_name="node_features")
        if len(given) != self._graph.n_nodes:
            raise ValueError(
                f"node_features must have a row for each of the {self._graph.n_nodes} nodes of the "
                f"graph. Got shape {given.shape}."
            )
        return np.array(given)

    def _features_module(self) -> NodeFeatures:
        layers = PathLayers.around(self._graph, self._anchor_sets())
        largest = max(len(layers.cells), len(layers.sources))
        way_out = "take fewer anchors or a smaller n_features"
        check_memory((largest, self.n_features), 4, way_out)
        given = None if self._given_features is None else torch.tensor(self._given_features)
        return NodeFeatures(
            *(self._graph, layers, self.n_features, self.aggregation, self.gcn_layers),
            *(given, self._generator),
        )

    def forward_iter(
        self, X: Any, training: bool = False, device: str | torch.device = "cpu"
    ) -> Iterator[torch.Tensor]:
        """Yield the output batch by batch; messages go through the graph once for all of them."""
        features = getattr(self.module_, "features", None)
        if training or not isinstance(features, NodeFeatures):
            yield from super().forward_iter(X, training, device)
            return
        with features.held():
            yield from super().forward_iter(X, training, device)

    def _rows_of_nodes(self, X: Any) -> NDArray[np.intp]:
        """The nodes of the rows of `X`; ValueError for new ones."""
        rows = self._known_nodes(X)
        if sparse.issparse(rows):
            raise ValueError(
                "X must be the graph of fit: what is learnt along its paths holds for its nodes. "
                "Give the graph as `graph`, then X can be any of its nodes. "
                f"Got a matrix of shape {rows.shape}."
            )
        return rows
