"""How far a function may have moved outside the domain, where predictions stay at its end."""

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.outside import outside
from sk_posenc.encoders.axis_functions import functions_of
from sk_posenc.kronecker._axis import Axis, Expansion
from sk_posenc.kronecker._predict import evaluate

# Distances at which the function is compared with itself, in widths of the domain.
_LAGS = np.concatenate([[0.0], 2.0 ** np.arange(-9, 0)])

# Pairs of points at each distance.
_PAIRS = 128


def widened(
    std: NDArray[np.float64],
    expansion: Expansion,
    solution: NDArray,
    columns: Sequence[NDArray],
    orders: Sequence[int] = (),
    on_grid: bool = False,
) -> NDArray[np.float64]:
    """Standard deviations that grow with the distance to the domain.

    Outside the domain a prediction is that of the nearest end. Within it the function moves by a
    mean square of V(d) over a distance d along an axis, in the mean or from one of the ends,
    whichever is more. It is taken to move as much outside: V(d) is added to the variance, for
    each axis. V is at most twice the variance of the function,
    and is that from half the width of the domain on. Of slopes their mean square is added.

    Parameters
    ----------
    std : ndarray of shape (n_points, n_outputs)
    expansion : Expansion
    solution : ndarray
    columns : list of n_axes ndarrays
        Coordinates of the points along each axis, in the units of X.
    orders : sequence of int, default=()
        Of the derivative along each axis.
    on_grid : bool, default=False
        Whether the points are all combinations of the coordinates.
    """
    distances = [_distance(axis, x) for axis, x in zip(expansion.axes, columns, strict=True)]
    if not any(far.any() for far in distances):
        return std
    low, high = np.transpose([_ends(axis) for axis in expansion.axes])
    offset = np.zeros(std.shape[1])
    whole = tuple(orders) or (0,) * len(columns)

    def value(points: NDArray) -> NDArray:
        return evaluate(expansion, solution, low + (high - low) * points, whole, offset)

    points = np.random.default_rng(0).random((_PAIRS, len(columns)))
    here = value(points)
    added = []
    for a, far in enumerate(distances):
        if not far.any():
            added.append(np.zeros((len(far), std.shape[1])))
        elif any(orders):
            added.append((far > 0)[:, None] * np.mean(here**2, axis=0))
        else:
            moved = _moves(value, points, a, 2 * np.var(here, axis=0))
            share = far / (high[a] - low[a])
            roots = [np.interp(share, _LAGS, np.sqrt(each)) for each in moved.T]
            added.append(np.stack(roots, axis=1) ** 2)
    if on_grid:
        total = reduce(lambda sums, each: sums[..., None, :] + each, added)
        return np.hypot(std, np.sqrt(total.reshape(std.shape)))
    return np.hypot(std, np.sqrt(sum(added)))


def _moves(
    value: Callable[[NDArray], NDArray], points: NDArray, axis: int, most: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean squares of the change over each of the distances, (n_lags, n_outputs), up to `most`."""
    moved = np.zeros((len(_LAGS), len(most)))
    for i, lag in enumerate(_LAGS[1:], 1):
        start = points.copy()
        start[:, axis] *= 1 - lag
        stop = start.copy()
        stop[:, axis] += lag
        moved[i] = np.mean((value(stop) - value(start)) ** 2, axis=0)
        for end, inner in ((0.0, lag), (1.0, 1 - lag)):  # where it may be steepest
            start[:, axis], stop[:, axis] = end, inner
            moved[i] = np.maximum(moved[i], np.mean((value(stop) - value(start)) ** 2, axis=0))
    moved[-1] = most
    return np.asarray(np.minimum(np.maximum.accumulate(moved), most))


def _ends(axis: Axis) -> tuple[float, float]:
    """The domain of an axis, or what its samples span, in the units of X."""
    if axis.spacing is not None:
        return axis.spacing.low, axis.spacing.high
    functions = functions_of(axis.encoder)
    if functions._stays_at_ends():
        return functions._domain()
    low, high = float(axis.coordinates.min()), float(axis.coordinates.max())
    return low, high if high > low else low + 1.0


def _distance(axis: Axis, x: NDArray) -> NDArray[np.float64]:
    """Distance to the domain where predictions stay at its ends, in the units of X."""
    if not functions_of(axis.encoder)._stays_at_ends():
        return np.zeros(len(x))
    low, high = _ends(axis)
    x = x.astype(np.float64, copy=False)
    return np.where(outside(x, (low, high)), np.maximum(low - x, x - high), 0.0)
