"""Longitudes and latitudes: checked, and as points on the unit sphere."""

import math
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from sk_posenc.core.arrays import Array, to_numpy
from sk_posenc.core.settings import parse_choice

# A quarter of a turn in each unit.
_QUARTERS = {"degrees": 90.0, "radians": math.pi / 2}

# Squared norms of points on the unit sphere, in float32.
_ROUNDING = 1e-5

# Latitudes that come out of other formulas or of float32 may be beyond a pole by this share of a
# quarter of a turn, ten metres: they count as the pole.
_BEYOND = 1e-6


def parse_metric(metric: Any) -> str:
    """Which distance of coordinates counts."""
    return parse_choice("euclidean", "great_circle")(metric, "metric")


def quarter_of(unit: Any) -> float:
    """A quarter of a turn in "degrees" or "radians"."""
    return _QUARTERS[parse_choice(*_QUARTERS)(unit, "unit")]


def check_places(X: Array, unit: str, names: Any = None, more: bool = False) -> None:
    """Refuse coordinates that are not columns of longitude and latitude, in this order.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
        Checked numbers.
    unit : {"degrees", "radians"}
    names : sequence of str, default=None
        Of the columns, where they have any.
    more : bool, default=False
        Whether further columns may follow.
    """
    quarter, n_columns = quarter_of(unit), X.shape[1]
    if n_columns < 2 or (n_columns > 2 and not more):
        first = "start with" if more else "have"
        raise ValueError(
            f"X must {first} two columns, longitude and latitude in {unit}. "
            f"Got n_features={n_columns}."
        )
    if n_columns > 2 and _are_on_sphere(X):
        raise ValueError(
            "X must start with longitude and latitude, and seems to hold points x, y, z on the "
            "unit sphere already: give it the places before SphereCoordinates, or take the metric "
            f"'euclidean'. Got columns of rows of norm 1, {n_columns} of them."
        )
    if names is not None:
        _check_order([str(name) for name in names])
    if not X.shape[0]:
        return
    xp = array_namespace(X)
    latitude = X[:, 1]
    farthest = float(to_numpy(xp.max(xp.abs(latitude))))
    if farthest > quarter * (1 + _BEYOND):
        row = int(np.argmax(to_numpy(xp.abs(latitude))))
        raise ValueError(
            f"Latitudes, the second column of X, must be from {-quarter:g} to {quarter:g} {unit}, "
            f"up to rounding by {_BEYOND * quarter:.1e}: check that the order is longitude, "
            "latitude, and that unit is the one of X. "
            f"Got {float(to_numpy(latitude[row])):.10g} in row {row}."
        )


def _are_on_sphere(X: Array) -> bool:
    """Whether three columns are points of the unit sphere, as no angles are by chance."""
    points = to_numpy(X[:, :3])
    squares = np.sum(np.asarray(points, dtype=np.float64) ** 2, axis=1)
    return len(points) > 1 and bool(np.all(np.abs(squares - 1) < _ROUNDING))


def _check_order(names: list[str]) -> None:
    first, second = (name.lower() for name in names[:2])
    if first.startswith("lat") and second.startswith(("lon", "lng")):
        raise ValueError(
            "X must have the longitude first and the latitude second: swap its columns. "
            f"Got {names[:2]!r}."
        )


def unit_vectors(
    longitude: Array, latitude: Array, quarter: float, xp: ModuleType
) -> tuple[Array, Array, Array]:
    """Points (x, y, z) on the unit sphere, of angles whose quarter of a turn is that long.

    Each angle is folded to the nearest multiple of a half turn first, where sines are exact: all
    longitudes are one point at a pole, and both ends of the date line are one meridian. A latitude
    that rounding has put beyond a pole counts as the pole.
    """
    per_unit = math.pi / (2 * quarter)
    beyond = xp.abs(latitude) > quarter
    latitude = xp.where(beyond, xp.sign(latitude) * quarter, latitude)
    wrapped = longitude - 4 * quarter * xp.round(longitude / (4 * quarter))
    away = xp.abs(wrapped)
    folded = xp.where(away > quarter, 2 * quarter * xp.sign(wrapped) - wrapped, wrapped)
    across = xp.sin((quarter - xp.abs(latitude)) * per_unit)  # the distance from the axis
    east = xp.sin(folded * per_unit)
    front = xp.sin((quarter - away) * per_unit)
    return across * front, across * east, xp.sin(latitude * per_unit)
