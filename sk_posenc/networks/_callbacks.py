"""What estimators add to skorch's loop: schedules, early stopping, tasks of scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import sklearn
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, PrintLog
from skorch.utils import noop
from torch.optim.lr_scheduler import LambdaLR

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # scikit-learn < 1.9 has no callbacks of its own  # pragma: no cover

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's, and says what is missing."""

        @property
        def set_callbacks(self) -> Callable:
            """Raise AttributeError, so that `hasattr` is False."""
            raise AttributeError(
                "set_callbacks needs scikit-learn 1.9 or later. This is scikit-learn "
                f"{sklearn.__version__}: update it, or use skorch's own `callbacks`."
            )

    def _with_callbacks(method: Callable) -> Callable:
        """Stands in for scikit-learn's."""
        return method


__all__ = [
    "SCHEDULES",
    "CallbackSupportMixin",
    "EpochTasks",
    "Schedule",
    "early_stopping",
    "is_print_log",
    "stoppings_of",
    "wants_to_stop",
    "with_callbacks",
]

_Method = TypeVar("_Method", bound=Callable[..., Any])

# Learning rate, as a share of `lr`, after a share of all batches.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)),
    "linear": lambda done: max(0.0, 1.0 - done),
}


def with_callbacks(method: _Method) -> _Method:
    """scikit-learn's decorator, which leaves a method its type."""
    return _with_callbacks(method)


class Schedule(LRScheduler):
    """skorch's scheduler by a function of the share of the batches that are done.

    The share is read from the history, so that a resumed fit goes on where it stopped.

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
                net.optimizer_, lambda batch: shape(batch / total), last_epoch=done - 1
            )

    def __getstate__(self) -> dict[str, Any]:
        # it ends with the fit, and holds a function that does not pickle
        return self.__dict__ | {"lr_scheduler_": None}


def early_stopping(patience: int) -> EarlyStopping:
    """skorch's early stopping on the validation loss, back to the best weights."""
    return EarlyStopping(patience=patience, load_best=True, sink=noop)


class EpochTasks(Callback):
    """Tells the callbacks of scikit-learn about the epochs: each is a task of the fit."""

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Begin the task of an epoch."""
        context = net.__dict__.get("_callback_fit_ctx")
        self.task_ = None
        if context is not None:
            self.task_ = context.subcontext(task_name="epoch")
            self.task_.call_on_fit_task_begin(estimator=net)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """End it, with the estimator as it would be had the fit stopped here."""
        if self.task_ is not None:
            X, y = net._run.rows
            self.task_.call_on_fit_task_end(
                estimator=net, X=X, y=y, reconstruction_attributes=lambda: {}
            )
            self.task_ = None


def wants_to_stop(net: Any) -> bool:
    """Whether early stopping has ended training; it raises KeyboardInterrupt to do so."""
    return any(each.misses_ >= each.patience for each in stoppings_of(net))


def stoppings_of(net: Any) -> list[EarlyStopping]:
    """The callbacks that may end training early."""
    return [each for _, each in net.callbacks_ if isinstance(each, EarlyStopping)]


def is_print_log(callback: Any) -> bool:
    """Whether a callback, or a class of one, prints the log."""
    kind = callback if isinstance(callback, type) else type(callback)
    return issubclass(kind, PrintLog)
