"""What becomes of the learning rate over a run of training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import LambdaLR

# Share of the batches over which a warm-up raises the learning rate.
_WARM_UP = 0.05


def _cosine(batch: int, total: int) -> float:
    return 0.5 + 0.5 * math.cos(math.pi * min(batch / total, 1.0))


def _warm_up(batch: int, total: int) -> float:
    return min(1.0, (batch + 1) / (int(_WARM_UP * total) + 1))


# Learning rate, as a share of `lr`, after some of all batches.
SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": lambda batch, total: 1.0,
    "cosine": _cosine,
    "linear": lambda batch, total: max(0.0, 1.0 - batch / total),
    "warmup_cosine": lambda batch, total: _warm_up(batch, total) * _cosine(batch, total),
}


class Schedule(LRScheduler):
    """skorch's scheduler by a function of the batches that are done.

    Their number is read from the history, so that a resumed fit goes on where it stopped.

    Parameters
    ----------
    shape : str
        A name in `SCHEDULES`.
    """

    def __init__(self, shape: str) -> None:
        super().__init__(policy=LambdaLR, event_name=None, step_every="batch")
        self.shape = shape

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Wait for the first epoch: only then the number of batches is known."""
        self.lr_scheduler_: LambdaLR | None = None

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, **kwargs: Any) -> None:
        """Build the schedule over all batches of this fit."""
        if self.lr_scheduler_ is None:
            per_epoch = len(net.get_iterator(dataset_train, training=True))
            # the history holds the epoch that begins
            begun = net._run.epochs_done(net.history) - 1
            total, done = net._run.n_epochs * per_epoch, begun * per_epoch
            shape = SCHEDULES[self.shape]
            for group in net.optimizer_.param_groups:
                # start from the first learning rate, not from where an earlier fit ended
                group["initial_lr"] = group.get("initial_lr", group["lr"])
            self.lr_scheduler_ = LambdaLR(
                net.optimizer_, lambda batch: shape(batch, total), last_epoch=done - 1
            )

    def __getstate__(self) -> dict[str, Any]:
        # it ends with the fit, and holds a function that does not pickle
        return self.__dict__ | {"lr_scheduler_": None}
