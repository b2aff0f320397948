"""What a coordinate network adds to skorch's loop: schedules, checkpoints, tasks."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from typing import Any, TypeVar

import joblib
import numpy as np
import sklearn
import torch
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, PrintLog
from skorch.history import History
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
            """Absent, as `hasattr` shall see."""
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
    "Checkpoint",
    "EpochTasks",
    "Schedule",
    "early_stopping",
    "fingerprint",
    "is_print_log",
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
            total, done = net._planned_epochs * per_epoch, (net._epochs_done - 1) * per_epoch
            shape = SCHEDULES[self.shape]
            for group in net.optimizer_.param_groups:
                # where an earlier fit ended is not where this one begins
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
            rows = net._rows_of_fit
            self.task_.call_on_fit_task_end(
                estimator=net,
                X=rows[0],
                y=rows[1],
                reconstruction_attributes=lambda: {},
            )
            self.task_ = None


def fingerprint(net: Any, X: Any, y: Any) -> str:
    """What a fit depends on: settings, rows, versions."""
    told_only = ("checkpoint", "verbose", "callbacks", "device")
    settings = {k: v for k, v in net.get_params(deep=False).items() if k not in told_only}
    versions = (torch.__version__, np.__version__)
    try:
        return str(joblib.hash((settings, X, y, versions)))
    except Exception as error:
        raise ValueError(
            "checkpoint needs settings that can be pickled, to tell whose checkpoint a file is. "
            f"Got {settings!r}."
        ) from error


class Checkpoint(Callback):
    """Saves the state of a fit after each epoch, and takes up a fit that was saved."""

    _stopping_state = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Take up what was saved."""
        path = net._checkpoint_file
        if path is None or not path.exists():
            return
        try:
            state = torch.load(path, map_location=net.device_, weights_only=True)
            net.module_.load_state_dict(state["module"])
            net.optimizer_.load_state_dict(state["optimizer"])
            net._generator.set_state(state["generator"].cpu())
            net._finished = state["finished"]
            stopping = _stopping_of(net)
            if stopping is not None and state["stopping"] is not None:
                vars(stopping).update(state["stopping"])
            net.history_ = History(json.loads(state["history"]))
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:
            raise ValueError(
                f"The checkpoint {str(path)!r} is damaged: delete it to start anew."
            ) from error

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Save the state."""
        self._save(net, finished=False)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Save the end, unless the fit was interrupted."""
        if net._interrupt is None and not net._finished:
            self._save(net, finished=True)

    def _save(self, net: Any, finished: bool) -> None:
        path = net._checkpoint_file
        if path is None:
            return
        stopping = _stopping_of(net)
        told = None
        if stopping is not None:
            told = {name: vars(stopping).get(name) for name in self._stopping_state}
            told["dynamic_threshold_"] = float(told["dynamic_threshold_"])
        state = {
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": json.dumps(list(net.history_), default=lambda value: value.item()),
            "generator": net._generator.get_state(),
            "stopping": told,
            "finished": finished,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            torch.save(state, unfinished)
            os.replace(unfinished, path)  # never half a file under the name
        finally:
            unfinished.unlink(missing_ok=True)


def _stopping_of(net: Any) -> EarlyStopping | None:
    found = [cb for _, cb in net.callbacks_ if isinstance(cb, EarlyStopping)]
    return found[0] if found else None


def wants_to_stop(net: Any) -> bool:
    """Whether early stopping has ended training; it raises KeyboardInterrupt to do so."""
    stopping = [cb for _, cb in net.callbacks_ if isinstance(cb, EarlyStopping)]
    return any(each.misses_ >= each.patience for each in stopping)


def is_print_log(callback: Any) -> bool:
    """Whether a callback, or a class of one, prints the log."""
    kind = callback if isinstance(callback, type) else type(callback)
    return issubclass(kind, PrintLog)
