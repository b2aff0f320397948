"""What a long fit says while it runs: lines on the console, and scikit-learn's callbacks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from sk_posenc.core.callback_support import fit_told, managed, parse_verbose

_Head = TypeVar("_Head")


class Stage:
    """A part of a fit.

    Attributes
    ----------
    name : str
    notes : list of str
        What its line says.
    steps : int
        Candidates that were scored.
    """

    def __init__(self, name: str, context: Any) -> None:
        self.name, self.notes, self.steps, self.context = name, list[str](), 0, context
        self._start = time.perf_counter()

    def note(self, what: str) -> None:
        self.notes.append(what)

    def line(self) -> str:
        """All of it."""
        notes = [*self.notes]
        if self.steps:
            notes.insert(0, f"{self.steps:,} scored")
        return f"{self.name}: " + ", ".join([*notes, f"{time.perf_counter() - self._start:.2f} s"])


class Progress:
    """The stages of one fit.

    Parameters
    ----------
    estimator : estimator
        What is fitted.
    verbose : int
    context : CallbackContext or None
        Of the whole fit.
    """

    def __init__(self, estimator: Any, verbose: int, context: Any) -> None:
        self._estimator, self._verbose, self._context = estimator, verbose, context
        self._stages: list[Stage] = []

    def begin(self, name: str, max_subtasks: int | None) -> Stage:
        parent = self._stages[-1].context if self._stages else self._context
        context = None
        if parent is not None and parent.max_subtasks != 0:
            context = parent.subcontext(task_name=name, max_subtasks=max_subtasks)
            context.call_on_fit_task_begin(estimator=self._estimator)
        return Stage(name, context)

    def end(self, stage: Stage) -> None:
        if stage.context is not None:
            stage.context.call_on_fit_task_end(estimator=self._estimator)

    @contextmanager
    def stage(self, name: str, max_subtasks: int | None) -> Iterator[Stage]:
        own = self.begin(name, max_subtasks)
        self._stages.append(own)
        try:
            yield own
        finally:
            self._stages.pop()
        self.end(own)
        if self._verbose and not self._stages:
            print(f"[{type(self._estimator).__name__}] {own.line()}", flush=True)

    def step(self, name: str) -> None:
        """A candidate of the present stage was scored."""
        for stage in self._stages:
            stage.steps += 1
        self.end(self.begin(name, 0))


_silent = Progress(None, 0, None)
_now: ContextVar[Progress] = ContextVar("progress", default=_silent)


@contextmanager
def stage(name: str, *, scores: bool = False) -> Iterator[Stage]:
    """A stage of the fit that runs in this context; `scores`: of candidates, one by one."""
    with _now.get().stage(name, None if scores else 0) as own:
        yield own


def scored() -> None:
    """A candidate was scored."""
    _now.get().step("candidate")


def fit_aloud(
    estimator: _Head, fit: Callable[[_Head], None], X: Any, y: Any, sample_weight: Any
) -> None:
    """Run a fit on a copy of an estimator, which takes its place at the end.

    Parameters
    ----------
    estimator : estimator
        Its `verbose` says whether to print a line at the end of each stage. Callbacks that are set
        on it hear of all stages, and of each candidate of a search.
    fit : callable
        Fits the copy.
    X, y, sample_weight
        What callbacks are shown.
    """
    managed(_fit_managed)(estimator, fit, X, y, sample_weight)


def _fit_managed(estimator: Any, fit: Callable[[Any], None], X: Any, y: Any, weight: Any) -> None:
    verbose = parse_verbose(estimator.verbose)
    shown: dict[str, Any] = {"X": X, "y": y}
    if weight is not None:
        shown["metadata"] = {"sample_weight": weight}
    with fit_told(estimator, **shown) as (fitted, context):
        token = _now.set(Progress(fitted, verbose, context))
        try:
            fit(fitted)
        finally:
            _now.reset(token)
