"""Restore estimators after a step that failed or was interrupted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

_Estimator = TypeVar("_Estimator")


@contextmanager
def taken_over_last(estimator: _Estimator) -> Iterator[_Estimator]:
    """Yield a shallow copy to fit; at the end of the block the estimator gets its attributes."""
    fitted = copy.copy(estimator)
    yield fitted
    estimator.__dict__ = fitted.__dict__


class Before:
    """The present state of objects, to be restored later.

    As a context manager it restores them where the block raises.

    Parameters
    ----------
    *objects : object
        Their attributes are kept without a copy: only assignments are undone.
    in_place : iterable, default=()
        Objects that the step changes in place: lists that it appends to, and objects with a
        state, such as torch's modules, optimisers and generators.
    """

    def __init__(self, *objects: Any, in_place: Iterable[Any] = ()) -> None:
        self._attributes = [(each, vars(each).copy()) for each in objects]
        self._ways_back = [_way_back(each) for each in in_place]

    def put_back(self) -> None:
        """Restore all objects."""
        for each, attributes in self._attributes:
            each.__dict__ = attributes
        for go_back in self._ways_back:
            go_back()

    def __enter__(self) -> Before:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            self.put_back()


def _way_back(part: Any) -> Callable[[], Any]:
    if isinstance(part, list):
        return partial(part.__delitem__, slice(len(part), None))
    if hasattr(part, "get_state"):
        return partial(part.set_state, part.get_state())
    return partial(part.load_state_dict, copy.deepcopy(part.state_dict()))
