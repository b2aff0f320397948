"""A network over a mixture of candidate encodings, trained as its estimator trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from skorch.callbacks import Callback
from torch import Tensor

from sk_posenc.core.r_squared import r_squared
from sk_posenc.networks.batches import as_tensor
from sk_posenc.networks.scaling import check_targets, in_units_of_targets, target_scaling
from sk_posenc.selection._mixed_encoding import MixedEncoding

# The optimiser of alpha in DARTS.
_ALPHA_RATE, _ALPHA_BETAS = 3e-4, (0.5, 0.999)

# Learning rate after the search, as a share of that of the search.
_TUNING_RATE = 0.1

# Settings of the estimator that hold for the refit alone.
_LEFT_OUT: dict[str, Any] = {
    "encoder": None,
    "augmenter": None,
    "callbacks": None,
    "early_stopping": None,
    "checkpoint": None,
    "train_split": None,
    "warm_start": False,
}


class Supernet(RegressorMixin, BaseEstimator):
    """A clone of an estimator whose encoder is a mixture. To scorers it is a fitted regressor.

    Parameters
    ----------
    estimator : CoordinateMLPRegressor
    mixed : MixedEncoding
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets of the training rows, which give their scaling.
    seed : int
    """

    def __init__(self, estimator: Any, mixed: MixedEncoding, y: NDArray, seed: int) -> None:
        check_targets(y, estimator.output_activation)
        self.is_flat, y = y.ndim == 1, y.reshape(len(y), -1)
        width = mixed.width
        self.net = clone(estimator).set_params(**_LEFT_OUT, random_state=seed)
        self.net.set_params(
            module__encoder=mixed, module__in_features=width, module__out_features=y.shape[1]
        )
        self.net.initialize()
        self.mixed: MixedEncoding = self.net.module_.encoder
        shift, scale = torch.zeros(y.shape[1]), torch.ones(y.shape[1])
        if estimator.output_activation is None:
            shift, scale = target_scaling([as_tensor(y)], [None])
        self.net.module_.set_scaling(torch.zeros(width), torch.ones(width), shift, scale)

    def train(self, X: NDArray, y: NDArray, n_epochs: int, *callbacks: Callback) -> None:
        """Train weights on some rows, beside what callbacks do."""
        net = self.net.set_params(callbacks=list(callbacks))
        net.fit_loop(self.placed(X), self.placed(y.reshape(len(y), -1)), epochs=n_epochs)

    def slow_down(self) -> None:
        """From now on train at a tenth of the learning rate, which stays as it is."""
        group = self.net.optimizer_.param_groups[0]
        rate = group.get("initial_lr", group["lr"])
        self.net.set_params(lr_schedule="constant", lr=_TUNING_RATE * float(rate))

    def score(self, X: NDArray, y: NDArray, sample_weight: NDArray | None = None) -> float:
        """R squared, of targets of any size."""
        return r_squared(y, self.predict(X), sample_weight)

    def alpha(self) -> NDArray[np.float64]:
        """The logits of the mixture, (n_edges, n_candidates)."""
        return self.mixed.alpha.detach().cpu().double().numpy().copy()

    def placed(self, values: NDArray) -> Tensor:
        """Rows on the device of the network."""
        return as_tensor(values).to(self.net.device_)

    def predict(self, X: NDArray) -> NDArray[np.float64]:
        """Predict with the mixture as it is now."""
        outputs = self.net.forward(self.placed(X)).numpy()
        y = in_units_of_targets(self.net.module_, outputs)
        return y[:, 0] if self.is_flat else y

    def __sklearn_is_fitted__(self) -> bool:
        return True


class AlphaSteps(Callback):
    """A step of alpha down the loss of validation rows, ahead of each step of the weights.

    This is the first order of DARTS: the weights count as constants.

    Parameters
    ----------
    supernet : Supernet
    X, y : ndarray
        Validation rows.
    seed : int
        Decides their order.
    """

    def __init__(self, supernet: Supernet, X: NDArray, y: NDArray, seed: int) -> None:
        self.alpha = supernet.mixed.alpha.requires_grad_()
        self.X, self.y = supernet.placed(X), supernet.placed(y.reshape(len(y), -1))
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.Adam([self.alpha], lr=_ALPHA_RATE, betas=_ALPHA_BETAS)
        self.rows = self._rows()

    def _rows(self) -> Iterator[int]:
        while True:
            yield from torch.randperm(len(self.X), generator=self.generator).tolist()

    def on_batch_begin(
        self, net: Any, batch: Any = None, training: bool = False, **kwargs: Any
    ) -> None:
        """Take one step, on as many rows as the weights are to have."""
        if not training:
            return
        rows = [next(self.rows) for _ in range(min(len(batch[0]), len(self.X)))]
        X, y = self.X[rows], self.y[rows]
        loss = net.get_loss(net.infer(X), y, X=X, training=False)
        (self.alpha.grad,) = torch.autograd.grad(loss, [self.alpha])
        self.optimizer.step()
