"""What regressors of standardised targets share."""

from __future__ import annotations

from typing import Any

from skorch import NeuralNet
from skorch.utils import to_tensor
from torch import Tensor

from sk_posenc.networks._weights import weighted_loss
from sk_posenc.networks.batches import weights_of
from sk_posenc.networks.scaling import standardised


class StandardisedTargets(NeuralNet):
    """A skorch net whose `module_` is a `CoordinateModule` and holds the scaling of targets.

    It stands before other classes of nets.
    """

    def get_loss(
        self, y_pred: Tensor, y_true: Tensor, X: Tensor | None = None, training: bool = False
    ) -> Tensor:
        """Criterion between the output and the standardised targets of one batch."""
        weight = weights_of(y_true)
        y_true = to_tensor(y_true, device=y_pred.device).reshape(y_pred.shape)
        target = standardised(self.module_, y_true).to(y_pred.dtype)
        return weighted_loss(self.criterion_, weight, lambda: self.criterion_(y_pred, target))

    @property
    def predict_proba(self) -> Any:
        """Raise AttributeError: regressors have no probabilities."""
        raise AttributeError(f"{type(self).__name__} has no predict_proba; use predict.")
