"""Rows of a table as series of equal length and regular steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Steps may differ by this share of their length: rounded times are regular, months are not.
_UNEVEN = 0.01


@dataclass(frozen=True)
class Panel:
    """Series of one length.

    Attributes
    ----------
    rows : ndarray of shape (n_series, n_steps)
        Which row of the table each step is.
    step : float or None
        Time from each row to the next; None where no column tells the time.
    """

    rows: NDArray[np.intp]
    step: float | None

    def of_rows(self, values: NDArray) -> NDArray:
        """Values (n_rows, ...) of the table as (n_series, n_steps, ...)."""
        return values[self.rows]

    def to_rows(self, values: NDArray) -> NDArray:
        """Values (n_series, n_steps, ...) in the order of the table."""
        back = np.empty((self.rows.size, *values.shape[2:]), dtype=values.dtype)
        back[self.rows.ravel()] = values.reshape(-1, *values.shape[2:])
        return back


def panel_of(ids: NDArray | None, times: NDArray[np.float64] | None, n_rows: int) -> Panel:
    """Find the series of a table.

    Parameters
    ----------
    ids : ndarray of shape (n_rows,) or None
        The series of each row; None: all rows are one series.
    times : ndarray of shape (n_rows,) or None
        None: rows stand in the order of their steps.
    n_rows : int

    Raises
    ------
    ValueError
        For series of unequal length, of one step, and for times that are not regular.
    """
    codes, names = np.zeros(n_rows, dtype=np.intp), np.array(["all rows"], dtype=object)
    if ids is not None:
        names, codes = np.unique(ids, return_inverse=True)
    order = np.lexsort((np.arange(n_rows) if times is None else times, codes))
    lengths = np.bincount(codes)
    if lengths.min() != lengths.max():
        short, long = names[np.argmin(lengths)], names[np.argmax(lengths)]
        raise ValueError(
            "X must have series of one length: fill gaps, or cut series to windows. Got "
            f"{lengths.min()} steps of series {short!r} and {lengths.max()} of series {long!r}."
        )
    check_steps(int(lengths[0]), "1 sample")
    rows = order.reshape(len(names), -1)
    return Panel(rows, None if times is None else _step_of(times[rows], names))


def check_steps(n_steps: int, told: str) -> None:
    """Raise where series have a single step, which has no position among others."""
    if n_steps < 2:
        raise ValueError(
            "X must have series of at least 2 steps: with one, use an estimator of independent "
            f"rows, such as CoordinateMLPRegressor. Got series of {told}."
        )


def _step_of(times: NDArray[np.float64], names: NDArray) -> float:
    """The time between steps, of sorted times (n_series, n_steps)."""
    gaps = np.diff(times, axis=1)
    step = float(np.median(gaps))
    size = np.abs(times).max()
    allowed = max(_UNEVEN * step, 8 * np.finfo(times.dtype).eps * size)
    uneven = ~(np.abs(gaps - step) <= allowed) | (gaps <= 0)
    if uneven.any():
        series, place = np.argwhere(uneven)[0]
        before, after = times[series, place : place + 2]
        raise ValueError(
            "times of each series must be regular: fill gaps and drop repeated times; number "
            f"months and the like 0, 1, 2, as their days differ. Expected steps of {step:g}. "
            f"Got {before:g} and then {after:g} in series {names[series]!r}."
        )
    return step
