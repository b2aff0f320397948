"""Settings as they are given: what each may be."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np


def parse_positive(value: Any, name: str, otherwise: str = "") -> float:
    """A finite number above 0; `otherwise` says what else a message may name."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number{otherwise}. Got {value!r}.")
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be finite and greater than 0. Got {value!r}.")
    return number


def parse_optional(value: Any, name: str) -> float | None:
    """None or a finite number above 0."""
    return None if value is None else parse_positive(value, name, " or None")


def parse_count(value: Any, name: str) -> int | None:
    """A whole number of at least 1, None for "auto"."""
    return None if is_auto(value, name) else parse_integer(value, name)


def parse_integer(value: Any, name: str) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number. Got {value!r}.")
    if int(value) < 1:
        raise ValueError(f"{name} must be at least 1. Got {value!r}.")
    return int(value)


def is_auto(value: Any, name: str) -> bool:
    """Whether a setting is "auto"; any other text is an error."""
    if isinstance(value, str) and value != "auto":
        raise ValueError(f'{name} must be a number or "auto". Got {value!r}.')
    return isinstance(value, str)


def parse_choice(*choices: str) -> Callable[[Any, str], str]:
    """A parser for one of a few words."""

    def parse(value: Any, name: str) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{name} must be one of {list(choices)}. Got {value!r}.")
        return value

    return parse
