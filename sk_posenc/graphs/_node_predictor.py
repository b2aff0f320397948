"""What the regressor and the classifier of nodes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from skorch.utils import is_dataset

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.checks import checked_data
from sk_posenc.core.settings import parse_integer
from sk_posenc.graphs._path_estimator import PathEstimator
from sk_posenc.graphs.node_network import NodeNetwork


class NodePredictor(PathEstimator):
    """A base class of estimators of values at nodes, trained by their loss.

    A derived class has ``_take_targets(y, fresh)``: checked targets as the network sees them. It
    sets ``_n_outputs``. ``_target_checks`` are for scikit-learn's `validate_data`.
    """

    _target_checks: dict[str, bool] = {}

    hidden_layer_sizes: Any
    _n_outputs: int

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
        module: Any = NodeNetwork,
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
            module=module,
            **parameters,
        )
        self.hidden_layer_sizes = hidden_layer_sizes

    def _check_settings(self) -> None:
        super()._check_settings()
        self._widths()

    def _widths(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray):
            sizes = [sizes]
        return [parse_integer(each, "hidden_layer_sizes") for each in sizes]

    def _take(self, X: Any, y: Any, fresh: bool) -> tuple[NDArray, NDArray]:
        nodes = self._take_nodes(X) if fresh else self._rows_of_nodes(X)
        sparse = "csr" if not self._of_columns else False
        _, y = checked_data(
            self, X, y, reset=False, dtype="numeric", accept_sparse=sparse, **self._target_checks
        )
        targets = self._take_targets(y, fresh)
        if fresh:
            self._learn_paths()
            self._n_columns = nodes.shape[1]
        return nodes.astype(np.int64), targets

    def _take_targets(self, y: Any, fresh: bool) -> NDArray:
        raise NotImplementedError

    def _train(self, X: Any, y: Any, sample_weight: Any, *options: Any, **named: Any) -> Self:
        if sample_weight is not None and self.graph is None and np.any(np.equal(sample_weight, 0)):
            raise ValueError(
                "sample_weight must be positive where X is the graph, as no node of it can be "
                "absent: give the graph as `graph`, and its nodes as X. "
                f"Got {np.count_nonzero(np.equal(sample_weight, 0))} weights of 0."
            )
        return super()._train(X, y, sample_weight, *options, **named)

    def initialize_module(self) -> Self:
        """Build `module_`, for the graph and the targets seen by `fit`.

        Returns
        -------
        self : estimator
        """
        parameters: dict[str, Any] = {
            "n_columns": self._n_columns,
            "n_outputs": self._n_outputs,
            "hidden_layer_sizes": self._widths(),
            "generator": self._generator,
        }
        parameters |= self.get_params_for("module")
        self.module_ = self.module(self._features_module(), **parameters)
        return self

    def _outputs(self, X: Any) -> NDArray:
        """Output of the network for rows of nodes."""
        check_is_fitted(self)
        if not is_dataset(X):  # skorch's scoring callbacks predict on their dataset
            X = self._rows_of_nodes(to_numpy(X)).astype(np.int64)
        nonlinearity = self._get_predict_nonlinearity()
        with self._memory_explained("predicting"):
            return np.concatenate([
                to_numpy(nonlinearity(z)) for z in self.forward_iter(X, device="cpu")
            ])  # fmt: skip
