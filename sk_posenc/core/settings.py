"""Parsers of settings: each one checks a kind of value."""

import math
import numbers
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import check_random_state


def parse_flag(value: Any, name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False. Got {value!r}.")
    return bool(value)


def parse_integer(value: Any, name: str, at_least: int = 1, otherwise: str = "") -> int:
    """A whole number; `otherwise` names other allowed values in the message."""
    whole = _whole(value, name, otherwise)
    if whole < at_least:
        raise ValueError(f"{name} must be at least {at_least}{otherwise}. Got {value!r}.")
    return whole


def parse_axis(value: Any, n_axes: int, otherwise: str = "") -> int:
    """Which one of the axes of an encoder."""
    axis = _whole(value, "axis", otherwise)
    if not 0 <= axis < n_axes:
        raise ValueError(
            f"axis must be one of the {n_axes} axes of the encoder, counted from 0{otherwise}. "
            f"Got {value!r}."
        )
    return axis


def parse_number(
    value: Any,
    name: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    otherwise: str = "",
) -> float:
    """A finite number within bounds; `otherwise` names other allowed values in the message."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number{otherwise}. Got {value!r}.")
    number = _as_float(value)
    bounds = {
        f"{words} {limit:g}": holds(number, limit)
        for limit, words, holds in (
            (above, "greater than", operator.gt),
            (at_least, "at least", operator.ge),
            (at_most, "at most", operator.le),
            (below, "less than", operator.lt),
        )
        if limit is not None
    }
    if not (math.isfinite(number) and all(bounds.values())):
        finite = ["finite"] if len(bounds) < 2 else []  # two bounds say it
        wanted = " and ".join([*finite, *bounds])
        raise ValueError(f"{name} must be {wanted}{otherwise}. Got {value!r}.")
    return number


def parse_positive(value: Any, name: str, otherwise: str = "") -> float:
    """A finite number above 0."""
    return parse_number(value, name, above=0, otherwise=otherwise)


def parse_optional(value: Any, name: str) -> float | None:
    """None or a finite number above 0."""
    return None if value is None else parse_positive(value, name, " or None")


def parse_count(value: Any, name: str) -> int | None:
    """A whole number of at least 1, None for "auto"."""
    if is_auto(value, name, 'a whole number or "auto"'):
        return None
    return parse_integer(value, name, otherwise=' or "auto"')


def is_auto(value: Any, name: str, wanted: str = 'a number or "auto"') -> bool:
    """Whether a setting is "auto"; any other text is an error, which says what is wanted."""
    if isinstance(value, str) and value != "auto":
        raise ValueError(f"{name} must be {wanted}. Got {value!r}.")
    return isinstance(value, str)


def parse_choice(*choices: str) -> Callable[[Any, str], str]:
    """A parser for one of a few words."""

    def parse(value: Any, name: str) -> str:
        wanted = f"{name} must be one of {list(choices)}. Got {value!r}."
        if not isinstance(value, str):
            raise TypeError(wanted)
        if value not in choices:
            raise ValueError(wanted)
        return value

    return parse


def random_state_of(value: Any, name: str = "random_state") -> np.random.RandomState:
    """The generator that a seed, a generator or None stands for."""
    wanted = f"{name} must be a whole number from 0 to 2**32 - 1, a RandomState or None."
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{wanted} Got {value!r}.")
    try:
        generator: np.random.RandomState = check_random_state(value)
    except (ValueError, OverflowError):
        is_number = isinstance(value, numbers.Integral)
        raise (ValueError if is_number else TypeError)(f"{wanted} Got {value!r}.") from None
    return generator


def _whole(value: Any, name: str, otherwise: str) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number{otherwise}. Got {value!r}.")
    return int(value)


def _as_float(value: numbers.Real) -> float:
    try:
        return float(value)
    except OverflowError:  # whole numbers have no largest
        return math.inf
