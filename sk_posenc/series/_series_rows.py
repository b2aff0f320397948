"""Series as they come in: a 3-D array, a row each, or rows of a long table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import validate_data

from sk_posenc.core.checks import checked_array, checked_data
from sk_posenc.core.date_columns import is_missing
from sk_posenc.core.dates import DateAxis
from sk_posenc.core.incoming import coordinates_in
from sk_posenc.core.refusals import refusals_told
from sk_posenc.series._panel import Panel, check_steps, panel_of

# How much the time between steps may differ from that of fit.
_OTHER_STEP = 0.01


class SeriesRows:
    """Part of an estimator whose parameters `series` and `time` name columns of long tables.

    It sets ``n_channels_``, ``step_``, ``_form`` ("array", "wide" or "long") and what
    scikit-learn's checks of tables set.
    """

    series: Any
    time: Any
    relative: Any
    n_channels_: int
    step_: float | None
    dates_: tuple[DateAxis | None, ...]
    n_features_in_: int
    _form: str
    _clock: int | None

    def _take_series(self, X: Any, fresh: bool) -> tuple[NDArray[np.float64], Panel | None]:
        """Times and channels (n_series, n_steps, 1 + n_channels), and where rows of a table go."""
        if self._is_long():
            return self._take_long(X, fresh)
        refuse_ragged(X)
        n_axes = axes_of(X)
        if fresh:
            self._form, self.step_ = "array" if n_axes == 3 else "wide", None
        values = self._array_of(X) if n_axes == 3 else self._lags_of(X, n_axes, fresh)
        self._note_channels(values.shape[2], fresh)
        if fresh and self._form == "array":
            self.n_features_in_ = self.n_channels_
            self.__dict__.pop("feature_names_in_", None)  # of a table of before
        return with_places(values), None

    def _array_of(self, X: Any) -> NDArray[np.float64]:
        values = checked_array(X, allow_nd=True, dtype=np.float64, input_name="X")
        check_steps(values.shape[1], "1 step")
        return np.asarray(values)

    def _lags_of(self, X: Any, n_axes: int, fresh: bool) -> NDArray[np.float64]:
        """A table of lags as series of one channel."""
        if self._form == "array":
            raise ValueError(
                f"X must have shape (n_series, n_steps, {self.n_channels_}), as in fit. "
                f"Got {n_axes} axes."
            )
        values = checked_data(self, X, reset=fresh, dtype=np.float64)
        check_steps(values.shape[1], "1 step, n_features = 1")
        return np.asarray(values)[:, :, None]

    def _is_long(self) -> bool:
        return self.series is not None or self.time is not None

    def _note_channels(self, n_channels: int, fresh: bool) -> None:
        if not n_channels:
            raise ValueError(
                "X must have a channel, beside the columns that series and time name. Got none, "
                f"n_features = {getattr(self, 'n_features_in_', 0)}."
            )
        if fresh:
            self.n_channels_ = n_channels
        elif n_channels != self.n_channels_:
            raise ValueError(
                f"X must have {self.n_channels_} channels, as in fit. Got {n_channels}."
            )

    def _take_long(self, X: Any, fresh: bool) -> tuple[NDArray[np.float64], Panel]:
        if axes_of(X) == 3:
            raise ValueError(
                "X must be a table where series and time name its columns: set them to None for "
                f"arrays of series. Got series={self.series!r} and time={self.time!r}."
            )
        ids, columns, clock = self._columns_of(X, fresh)
        if fresh:
            self._form, self._clock = "long", clock
        times = None if clock is None else columns[:, clock]
        panel = panel_of(ids, times, len(columns))
        channels = columns if clock is None else np.delete(columns, clock, axis=1)
        self._note_channels(channels.shape[1], fresh)
        if fresh:
            self.step_ = panel.step
        self._check_step(panel)
        values = panel.of_rows(channels)
        if times is None:
            return with_places(values), panel
        return np.concatenate([panel.of_rows(times)[..., None], values], axis=2), panel

    def _columns_of(
        self, X: Any, fresh: bool
    ) -> tuple[NDArray | None, NDArray[np.float64], int | None]:
        """The series of each row, all other columns as numbers, and which of these is the time."""
        if not hasattr(X, "columns"):
            X = self._checked(X, dtype=None, ensure_all_finite=False)
        validate_data(self, X, reset=fresh, skip_check_array=True)
        id_at, time_at = (self._place_of(name) for name in ("series", "time"))
        if id_at is not None and id_at == time_at:
            raise ValueError(f"series and time must name two columns. Got {self.series!r} twice.")
        others = [i for i in range(self.n_features_in_) if i != id_at]
        known = None if fresh else self.dates_
        numbers, dates = coordinates_in(_safe_indexing(X, others, axis=1), known)
        names = getattr(self, "feature_names_in_", range(self.n_features_in_))
        told = [names[i] for i in others]
        columns = self._checked(numbers, told, dtype=np.float64, ensure_min_features=0)
        if fresh:
            self.dates_ = dates or (None,) * columns.shape[1]
        ids = None if id_at is None else checked_ids(_safe_indexing(X, id_at, axis=1))
        return ids, columns, None if time_at is None else others.index(time_at)

    def _checked(self, X: Any, names: list[Any] | None = None, **checks: Any) -> Any:
        with refusals_told({"X": X}, names):
            return check_array(X, input_name="X", estimator=self, **checks)

    def _place_of(self, parameter: str) -> int | None:
        """The column that a parameter names; ValueError where there is none."""
        name = getattr(self, parameter)
        if name is None:
            return None
        names = list(getattr(self, "feature_names_in_", ()))
        n_columns = self.n_features_in_
        if isinstance(name, str) and name in names:
            return names.index(name)
        whole = isinstance(name, int | np.integer) and not isinstance(name, bool)
        if whole and -n_columns <= name < n_columns:
            return int(name) % n_columns
        if not whole and not isinstance(name, str):
            raise TypeError(
                f"{parameter} must be the name or the number of a column, or None. Got {name!r}."
            )
        has = f"columns {names}" if names else f"{n_columns} columns without names"
        raise ValueError(f"{parameter} must be a column of X, which has {has}. Got {name!r}.")

    def _check_step(self, panel: Panel) -> None:
        learnt, step = self.step_, panel.step
        if learnt is None or step is None or not self.relative:
            return
        if abs(step - learnt) > _OTHER_STEP * learnt:
            raise ValueError(
                "times must have the steps of fit, as weights of relative positions count them: "
                "resample the series, or take relative=False with an encoder of time. Expected "
                f"steps of {learnt:g}. Got {step:g}."
            )


def with_places(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Series (n_series, n_steps, n_channels) with the numbers 0, 1, ... of their steps before."""
    steps = np.arange(values.shape[1], dtype=np.float64)[:, None]
    return np.concatenate([np.broadcast_to(steps, (*values.shape[:2], 1)), values], axis=2)


def refuse_ragged(X: Any) -> None:
    """Raise for a list of series of several lengths."""
    if not isinstance(X, list | tuple):
        return
    lengths = {len(each) if hasattr(each, "__len__") else 0 for each in X}
    if len(lengths) > 1:
        raise ValueError(
            "X must have series of one length: cut them to windows, or fill them up. Got "
            f"{min(lengths)} to {max(lengths)} steps."
        )


def axes_of(X: Any) -> int:
    """Axes of an array, a table or a list."""
    with refusals_told({"X": X}):
        return len(X.shape) if hasattr(X, "shape") else np.asarray(X).ndim


def checked_ids(ids: Any) -> NDArray:
    """What tells series apart: numbers or text."""
    ids = np.asarray(ids)
    listed = ids.tolist()
    if any(is_missing(each) or each in (np.inf, -np.inf) for each in listed):
        raise ValueError("series must be told in each row of X. Got NaN or infinity among them.")
    try:
        np.unique(ids)
    except TypeError:
        kinds = sorted({type(each).__name__ for each in listed})
        raise TypeError(
            "series must be numbers or text: each argument must be a string or a number, and all "
            f"of one kind. Got {' and '.join(kinds)}."
        ) from None
    return ids
