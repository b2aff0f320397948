"""What estimators are after a step that was refused or interrupted: what they were before."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

_Estimator = TypeVar("_Estimator")


@contextmanager
def taken_over_last(estimator: _Estimator) -> Iterator[_Estimator]:
    """A shallow copy to fit, whose attributes the estimator has once the block has ended."""
    fitted = copy.copy(estimator)
    yield fitted
    estimator.__dict__ = fitted.__dict__


class Before:
    """What objects are now, to be put back later.

    As a context manager it does so where the block raises.

    Parameters
    ----------
    *objects : object
        Their attributes are kept, not copied: what is assigned anew is undone.
    in_place : iterable, default=()
        What the step changes in place, and is copied therefore: lists that it appends to, and
        what has a state as torch's modules, optimisers and generators have.
    """

    def __init__(self, *objects: Any, in_place: Iterable[Any] = ()) -> None:
        self._attributes = [(each, vars(each).copy()) for each in objects]
        self._ways_back = [_way_back(each) for each in in_place]

    def put_back(self) -> None:
        """Make all of it what it was."""
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
