"""Samples and settings of the Kronecker heads, checked."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.checks import checked_array, within_floats
from sk_posenc.core.incoming import Dates, coordinates_in
from sk_posenc.core.settings import parse_integer, parse_number

# What asks `predict` for the deviation of a sample, not of the function.
OBSERVATION = "observation"

# Derivatives of higher orders take as many steps, and are of no use.
_MOST_ORDERS = 64

# More independent functions than this per sample are none but rounding.
_LARGEST_SHARE = 4.0


def fill_holes(y: Any) -> tuple[NDArray, NDArray[np.bool_]]:
    """Targets with 0 in place of NaN, and where there was NaN, of the shape of y."""
    y = checked_array(
        y, ensure_2d=False, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan",
        input_name="y",
    )  # fmt: skip
    holes = np.isnan(y)
    none = np.flatnonzero(holes.reshape(len(y), -1).all(axis=0))
    if len(none):
        where = "y" if y.ndim == 1 else f"y[:, {none[0]}]"
        raise ValueError(f"{where} is NaN for all samples: at least one must have a value")
    return (np.where(holes, 0.0, y).astype(y.dtype) if holes.any() else y), holes


def drop_absent(
    X: NDArray, y: NDArray, weights: NDArray | None
) -> tuple[NDArray, NDArray, NDArray | None]:
    """Samples without those of weight 0; after that, holes have weight 0."""
    if weights is None or np.all(weights > 0):
        return X, y, weights
    kept = weights != 0
    weights = np.nan_to_num(weights[kept], nan=0.0)
    if not weights.any():
        raise ValueError("sample_weight is zero for all samples: one weight must be positive")
    return X[kept], y[kept], weights


def parse_share(value: Any) -> float:
    meaning = (
        ", as shares of the samples per axis: divide stable ranks by the samples per axis, or set "
        "them on the encoder"
    )
    return parse_number(value, "stable_ranks", above=0, at_most=_LARGEST_SHARE, otherwise=meaning)


def parse_orders(derivative: Any, n_axes: int) -> tuple[int, ...]:
    if derivative is None:
        return (0,) * n_axes
    wanted = f": a tuple of {n_axes} holds the order along each axis"
    listed = (derivative,) if np.ndim(derivative) == 0 else tuple(derivative)
    orders = tuple(parse_integer(each, "derivative", 0, wanted) for each in listed)
    if sum(orders) > _MOST_ORDERS:
        raise ValueError(
            f"derivative must be at most {_MOST_ORDERS} orders in all. Got {derivative!r}."
        )
    if len(orders) != n_axes:
        raise ValueError(
            f"derivative must be a tuple of {n_axes} whole numbers, the order along each axis. "
            f"Got {derivative!r}."
        )
    return orders


def refusing_overflow(orders: Sequence[int]) -> AbstractContextManager[None]:
    """Raise ValueError where derivatives are beyond floats; values never are."""
    if not any(orders):
        return nullcontext()
    return within_floats(
        lambda: (
            "derivative is beyond what a float holds, in the unit of X: lower it, or scale X. "
            f"Got orders {tuple(orders)}."
        )
    )


def parse_return_std(value: Any, orders: tuple[int, ...]) -> bool | str:
    """False, True or "observation"; of derivatives no sample is observed."""
    wanted = 'return_std must be True, False or "observation", which adds the noise of a sample'
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if not isinstance(value, str):
        raise TypeError(f"{wanted}. Got {value!r}.")
    if value == OBSERVATION:
        if any(orders):
            raise ValueError(
                'return_std="observation" adds the noise of samples, and a derivative has none: '
                f"use return_std=True. Got derivative={orders!r}."
            )
        return value
    raise ValueError(f"{wanted}. Got {value!r}.")


def axes_in_numbers(axes: Sequence[Any], dates: Dates) -> list[NDArray]:
    """Checked coordinates of each axis of a grid, dates as numbers."""
    if len(axes) != len(dates):
        raise ValueError(
            f"axes must hold the coordinates of each of {len(dates)} axes. Got {len(axes)}."
        )
    columns = []
    for axis, (values, date) in enumerate(zip(axes, dates, strict=True)):
        column = np.asarray(values)[:, None]
        numbers, _ = coordinates_in(column, (date,), name=f"axis {axis}")
        checked = checked_array(numbers, dtype=[np.float64, np.float32], input_name=f"axis {axis}")
        columns.append(np.asarray(checked)[:, 0])
    return columns
