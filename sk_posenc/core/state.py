"""Keep the state of estimators whole: after a step that failed, and while another thread fits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, TypeVar, cast

_Estimator = TypeVar("_Estimator")
_Method = TypeVar("_Method", bound=Callable[..., Any])


@contextmanager
def taken_over_last(estimator: _Estimator) -> Iterator[_Estimator]:
    """Yield a shallow copy to fit; at the end of the block the estimator gets its attributes."""
    fitted = copy.copy(estimator)
    yield fitted
    estimator.__dict__ = fitted.__dict__


def of_one_fit(method: _Method) -> _Method:
    """Let a method read one fit throughout, even where another thread fits its estimator anew.

    A fit gives an estimator another ``__dict__`` (:func:`taken_over_last`). The method sees the one
    that was there when it began, and what it keeps in it is kept for the later calls.
    """

    @wraps(method)
    def reading(self: Any, *args: Any, **kwargs: Any) -> Any:
        fitted = object.__new__(type(self))
        fitted.__dict__ = self.__dict__
        return method(fitted, *args, **kwargs)

    return cast(_Method, reading)


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
        for go_back in self._ways_back:
            go_back()
        for each, attributes in self._attributes:
            each.__dict__ = attributes

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
