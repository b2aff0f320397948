"""What other threads see of a network while one trains it: the network as it was before."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

_Method = TypeVar("_Method", bound=Callable[..., Any])

# How often the weights of a module were trained further, rather than made anew.
_times_trained: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


class Meanwhile:
    """An estimator as it was before a run that has begun.

    Parameters
    ----------
    net : estimator
    in_place : bool
        Whether the run changes the weights of the module at hand.
    """

    def __init__(self, net: Any, in_place: bool) -> None:
        self._trains_in = threading.get_ident()
        self._before = _with_state(net, dict(vars(net)))
        self._changed = net.module_ if in_place else None
        if in_place:
            vars(self._before)["module_"] = copy.deepcopy(net.module_)

    def begin(self) -> None:
        """From now on weights change; the estimator holds this object already."""
        if self._changed is not None:
            _times_trained[self._changed] = _times(self._changed) + 1

    def seen_from_here(self) -> Any:
        """What this thread sees; None for the one that trains, which sees the network itself."""
        return None if threading.get_ident() == self._trains_in else self._before


def of_one_network(method: _Method) -> _Method:
    """Let a method read one network throughout, even where another thread trains its estimator."""

    @wraps(method)
    def reading(self: Any, *args: Any, **kwargs: Any) -> Any:
        while True:
            state = dict(vars(self))
            meanwhile = state.get("_meanwhile")
            seen = _with_state(self, state) if meanwhile is None else meanwhile.seen_from_here()
            if seen is None:
                return method(self, *args, **kwargs)
            module = state.get("module_")
            times = _times(module)
            if meanwhile is None and "_meanwhile" in vars(self):
                continue  # a run has begun since
            result = method(seen, *args, **kwargs)
            if meanwhile is not None or _times(module) == times:
                return result

    return cast(_Method, reading)


def _times(module: Any) -> int:
    return 0 if module is None else _times_trained.get(module, 0)


def _with_state(net: Any, state: dict[str, Any]) -> Any:
    """Another object of the same class; skorch would look at what is assigned."""
    other = object.__new__(type(net))
    object.__setattr__(other, "__dict__", state)
    return other
