"""Settings of an axis: one value or one per axis, the meaning of "auto", limits of sizes."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from sk_posenc.core.settings import is_auto, parse_number

# The share of the samples per axis that stable_rank="auto" stands for; the docs show how
# it was calibrated. An axis gets at least 2, as one value is no encoding.
AUTO_SHARE = 0.25

_AUTO_MINIMUM = 2.0

# The share that "auto" stands for in closed-form heads, and its maximum off a grid, where
# samples leave gaps of up to twice their mean spacing.
CLOSED_FORM_SHARE = 0.42
SCATTERED_SHARE = 0.3

# Quasi-random frequencies per unit of stable rank that reach it to 5 %.
_RANDOM_PER_RANK = 4

# Limits of a sensible resolution: independent values on an axis, and widths of the domain.
_FINEST = 1e9

_WIDEST = 100.0

_T = TypeVar("_T")


def per_axis(value: Any, name: str, n_axes: int, parse: Callable[[Any, str], _T]) -> list[_T]:
    """A setting for each axis, from one value for all or a sequence of one per axis."""
    if value is None or isinstance(value, str | numbers.Number):
        return [parse(value, name)] * n_axes
    if not isinstance(value, Sequence | np.ndarray) or np.ndim(value) != 1:
        raise TypeError(f"{name} must be one value or a sequence of one per axis. Got {value!r}.")
    if len(value) != n_axes:
        raise ValueError(
            f"{name} must be one value or one per axis: X has {n_axes} axes. "
            f"Got {len(value)} values."
        )
    return [parse(entry, f"{name}[{axis}]") for axis, entry in enumerate(value)]


def parse_stable_rank(value: Any, name: str) -> float | None:
    """A stable rank, None for "auto"."""
    if is_auto(value, name):
        return None
    return parse_number(value, name, at_least=1, at_most=_FINEST, otherwise=' or "auto"')


def auto_stable_rank(n_samples: float) -> float:
    """What stable_rank="auto" means on an axis with so many samples."""
    return max(_AUTO_MINIMUM, AUTO_SHARE * n_samples)


def auto_stable_rank_of_random(n_samples: float, n_frequencies: int) -> float:
    """The same for random frequencies, whose number limits the stable rank."""
    within = max(1.0, n_frequencies / _RANDOM_PER_RANK)
    return min(auto_stable_rank(n_samples), within)


def is_automatic(value: Any) -> bool:
    """Whether a setting says "auto", before it is checked."""
    return isinstance(value, str) and value == "auto"


def is_given(value: Any) -> bool:
    """Whether a setting is a number, or one per axis, and not "auto" or None."""
    return value is not None and not any(
        isinstance(each, str) for each in (value if isinstance(value, list | tuple) else [value])
    )


def refuse_both(axis: int, **settings: Any) -> None:
    """Raise where more than one setting of an axis is explicit (None: not explicit)."""
    explicit = {name: value for name, value in settings.items() if value is not None}
    if len(explicit) > 1:
        listed = " and ".join(f"{name}={value:g}" for name, value in explicit.items())
        raise ValueError(
            f"{listed} set the same resolution of axis {axis}: give one of them and leave "
            "the rest at their defaults"
        )


def check_bandwidth(axis: int, width: float, length: float, name: str = "bandwidth") -> None:
    """Raise for a bandwidth out of all proportion to its domain."""
    if width > _WIDEST * length:
        raise ValueError(
            f"{name}={width:g} of axis {axis} is too wide for its domain of width {length:g}. "
            f"Beyond {_WIDEST:g} times the domain the encoding would be constant: lower it"
        )
    if width * _FINEST < length / 4:
        raise ValueError(
            f"{name}={width:g} of axis {axis} is too narrow for its domain of width {length:g}. "
            f"It would give more than {_FINEST:g} independent values: raise it"
        )


def check_frequency(axis: int, frequency: float, length: float) -> None:
    """Raise for a frequency that turns too often over its domain."""
    if frequency > _FINEST / length:
        raise ValueError(
            f"max_frequency={frequency:g} of axis {axis} is more than {_FINEST:g} cycles over its "
            f"domain of width {length:g}: lower it"
        )


def check_domain(axis: int, low: float, high: float, dtype: Any) -> None:
    """Raise for a domain that numbers of some precision cannot resolve."""
    finfo = np.finfo(np.float32 if "32" in str(dtype) else np.float64)
    largest, narrowest = float(finfo.max) / 4, float(finfo.tiny) / float(finfo.eps)
    if max(abs(low), abs(high)) > largest or high / 2 - low / 2 < narrowest / 2:
        raise ValueError(
            f"the domain ({low:.6g}, {high:.6g}) of axis {axis} is too wide or too narrow for "
            f"{dtype}: change the units of X"
        )
