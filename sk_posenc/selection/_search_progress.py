"""What a search says while it runs: lines on the console, and scikit-learn's callbacks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from skorch.callbacks import Callback

from sk_posenc.core.callback_support import parse_verbose


class SearchProgress:
    """The tasks of one fit: epochs of the search, decisions of edges, the refit.

    Parameters
    ----------
    estimator : estimator
        Its `verbose` says whether to print a line for each stage.
    context : CallbackContext or None
        Of the whole fit.
    """

    def __init__(self, estimator: Any, context: Any) -> None:
        self._verbose = parse_verbose(estimator.verbose)
        self._estimator, self._context = estimator, context
        self._start = time.perf_counter()

    @contextmanager
    def task(self, name: str) -> Iterator[Any]:
        """A task of its own, without any within it."""
        if self._context is None:
            yield None
            return
        context = self._context.subcontext(task_name=name, max_subtasks=0)
        context.call_on_fit_task_begin(estimator=self._estimator)
        yield context
        context.call_on_fit_task_end(estimator=self._estimator)

    @contextmanager
    def refit(self, model: Any, X: Any, y: Any) -> Iterator[None]:
        """The refit, of which callbacks hear as of a fit of its own."""
        if self._context is None:
            yield
            return
        context = self._context.subcontext(task_name="refit", max_subtasks=0)
        heard = context.propagate_callback_context(model) if _hears(model) else nullcontext()
        with heard:
            context.call_on_fit_task_begin(estimator=self._estimator, X=X, y=y)
            yield
            context.call_on_fit_task_end(estimator=self._estimator, X=X, y=y)

    def line(self, what: str) -> None:
        """Print what has been done since the last line."""
        now = time.perf_counter()
        if self._verbose:
            name = type(self._estimator).__name__
            print(f"[{name}] {what}, {now - self._start:.2f} s", flush=True)
        self._start = now


def _hears(model: Any) -> bool:
    return hasattr(model, "_init_callback_context")


class EpochsTold(Callback):
    """Makes each epoch of a network a task of the search."""

    def __init__(self, progress: SearchProgress) -> None:
        self.progress = progress
        self.task: AbstractContextManager[Any] = nullcontext()

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Begin the task."""
        self.task = self.progress.task("epoch")
        self.task.__enter__()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """End it."""
        self.task.__exit__(None, None, None)
