"""Axes whose coordinates are mapped before they are encoded, so that shifts follow the samples."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.encoders.axis_settings import per_axis
from sk_posenc.encoders.axis_spacing import AxisSpacing, parse_strength

_MOST_ORDERS = 2


def parse_spacing(value: Any, n_axes: int) -> list[float]:
    """How far the shifts of each axis follow its samples."""
    return per_axis(value, "spacing", n_axes, parse_strength)


def refuse_spacing(value: Any, n_axes: int, method: str) -> None:
    """Raise where a method that sees no whole axis would have to follow its samples."""
    if any(parse_spacing(value, n_axes)):
        raise ValueError(
            f"{method} needs spacing=0: shifts that follow the samples need all samples at once. "
            f"Use fit, or set spacing=0. Got {value!r}."
        )


def fit_spacing(encoder: Any, x: NDArray, strength: float, axis: int) -> AxisSpacing | None:
    """The map of the coordinates of an axis for its unfitted encoder; None where there is none."""
    if strength == 0:
        return None
    settings = encoder.get_params(deep=False)
    if settings.get("domain") is not None:
        raise ValueError(
            f"domain of the encoder of axis {axis} is in units of its coordinates, but "
            f"spacing={strength:g} maps the axis to (0, 1) first: leave domain at its default, or "
            f"set spacing=0 for this axis. Got {settings['domain']!r}."
        )
    if settings.get("boundary") == "periodic":
        raise ValueError(
            f"spacing={strength:g} cannot follow the samples around a circle: set spacing=0 for "
            f"axis {axis}, or another boundary. Got 'periodic'."
        )
    return AxisSpacing.through(x, strength, axis)


def features_through(
    spacing: AxisSpacing | None,
    features: Callable[[NDArray, int], NDArray[np.float64]],
    x: NDArray,
    order: int = 0,
) -> NDArray[np.float64]:
    """Features of mapped coordinates, or their derivatives with respect to the coordinates."""
    if spacing is None:
        return features(x, order)
    u = spacing(x)
    if order == 0:
        return features(u, 0)
    _check_order(order)
    slope = spacing.derivative(x, 1)[:, None]
    if order == 1:
        return features(u, 1) * slope
    return features(u, 2) * slope**2 + features(u, 1) * spacing.derivative(x, 2)[:, None]


def own_through(
    spacing: AxisSpacing | None,
    own: Callable[[NDArray, int], NDArray[np.float64]],
    x: NDArray,
    order: int,
) -> NDArray[np.float64]:
    """Variances of a stationary function of mapped coordinates, or of its derivatives; (m,)."""
    if spacing is None or order == 0:
        return own(x, order)
    _check_order(order)
    u, slope = spacing(x), spacing.derivative(x, 1)
    if order == 1:
        return own(u, 1) * slope**2
    # slopes and curvatures of a stationary function do not go together
    return own(u, 2) * slope**4 + own(u, 1) * spacing.derivative(x, 2) ** 2


def _check_order(order: int) -> None:
    if order > _MOST_ORDERS:
        raise ValueError(
            f"an axis with spacing above 0 has derivatives up to order {_MOST_ORDERS}: set "
            f"spacing=0 and fit again, or lower derivative. Got order {order}."
        )
