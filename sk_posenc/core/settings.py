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


def parse_integer(value: Any, name: str, at_least: int = 1, otherwise: str = "") -> int:
    """A whole number of at least `at_least`; `otherwise` says what else a message may name."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number{otherwise}. Got {value!r}.")
    if int(value) < at_least:
        raise ValueError(f"{name} must be at least {at_least}{otherwise}. Got {value!r}.")
    return int(value)


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
    """A finite number within bounds."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number{otherwise}. Got {value!r}.")
    number = float(value)
    bounds = {
        f"greater than {above}": above is None or number > above,
        f"at least {at_least}": at_least is None or number >= at_least,
        f"at most {at_most}": at_most is None or number <= at_most,
        f"less than {below}": below is None or number < below,
    }
    if not math.isfinite(number) or not all(bounds.values()):
        told = " and ".join(["finite", *(words for words in bounds if "None" not in words)])
        raise ValueError(f"{name} must be {told}{otherwise}. Got {value!r}.")
    return number


def parse_flag(value: Any, name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False. Got {value!r}.")
    return bool(value)


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
