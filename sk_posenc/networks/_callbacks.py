"""What estimators add to skorch's loop: early stopping, tasks of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import sklearn
from skorch.callbacks import Callback, EarlyStopping, PrintLog
from skorch.utils import noop

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
    "CallbackSupportMixin",
    "EpochTasks",
    "early_stopping",
    "is_print_log",
    "stoppings_of",
    "wants_to_stop",
    "with_callbacks",
]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def with_callbacks(method: _Method) -> _Method:
    """scikit-learn's decorator, which leaves a method its type."""
    return _with_callbacks(method)


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
