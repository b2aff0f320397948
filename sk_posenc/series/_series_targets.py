"""Targets of series: a value for each step, or for each series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from sk_posenc.core.checks import check_as_long, checked_array
from sk_posenc.series._panel import Panel


@dataclass(frozen=True)
class TargetShape:
    """The shape of targets, which predictions have too.

    Attributes
    ----------
    per_step : bool
        Whether each step has values.
    ndim : int
        Axes of y as it was given.
    n_outputs : int
        Values of a step or of a series.
    """

    per_step: bool
    ndim: int
    n_outputs: int

    def told(self) -> str:
        """The shape in words."""
        rows = "(n_series, n_steps" if self.per_step else "(n_series"
        return f"{rows}, {self.n_outputs}), with {self.ndim} axes"

    def of_array(self, outputs: NDArray) -> NDArray:
        """Outputs (n_series, [n_steps,] n_outputs) as predictions for an array of series."""
        full = 3 if self.per_step else 2
        return outputs[..., 0] if self.ndim < full else outputs

    def of_table(self, outputs: NDArray, panel: Panel) -> NDArray:
        """The same as predictions for each row of a table."""
        if not self.per_step:
            n_steps = panel.rows.shape[1]
            outputs = np.repeat(outputs[:, None], n_steps, axis=1)
        rows = panel.to_rows(outputs)
        return rows[:, 0] if self.ndim == 1 else rows


def checked_targets(estimator: Any, X: Any, y: Any) -> NDArray[np.float64]:
    """Targets as numbers, one entry for each row or series of X."""
    if y is None:
        validate_data(estimator, X, y)  # it raises the error of scikit-learn
    y = checked_array(y, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="y")
    check_as_long({"X": X, "y": y})
    return np.asarray(y)


def targets_of_array(
    y: NDArray[np.float64], target: str, n_steps: int, is_table: bool
) -> tuple[NDArray[np.float64], TargetShape]:
    """Targets of an array of series, as (n_series, [n_steps,] n_outputs), and their shape."""
    if y.ndim not in (1, 2, 3):
        raise ValueError(f"y must have 1 to 3 axes. Got shape {y.shape}.")
    if target == "auto" and y.ndim == 2 and y.shape[1] == n_steps > 1:
        raise ValueError(
            "y must say whether its columns are steps or several values of a series, as there are "
            "as many of them as steps: set target='step' or target='series'. "
            f"Got shape {y.shape}."
        )
    per_step = target == "step" or (target == "auto" and y.ndim == 3)
    if per_step and (y.ndim == 1 or y.shape[1] != n_steps):
        raise ValueError(
            f"y must have a value for each of the {n_steps} steps of a series, with shape "
            f"(n_series, n_steps) or (n_series, n_steps, n_outputs). Got shape {y.shape}."
        )
    if not per_step and y.ndim == 3:
        raise ValueError(
            "y must have shape (n_series,) or (n_series, n_outputs) with target='series'. "
            f"Got shape {y.shape}."
        )
    columns = y[..., None] if y.ndim < (3 if per_step else 2) else y
    return columns, TargetShape(per_step, y.ndim, columns.shape[-1])


def targets_of_table(
    y: NDArray[np.float64], target: str, panel: Panel
) -> tuple[NDArray[np.float64], TargetShape]:
    """Targets of the rows of a long table, as (n_series, [n_steps,] n_outputs), and their shape."""
    if y.ndim > 2:
        raise ValueError(f"y must have a row for each row of X, and columns. Got shape {y.shape}.")
    columns = panel.of_rows(y.reshape(len(y), -1))
    per_step = target != "series"
    if not per_step:
        columns = one_a_series(columns, "y, with target='series',")
    return columns, TargetShape(per_step, y.ndim, columns.shape[-1])


def one_a_series(values: NDArray, name: str) -> NDArray:
    """The values that all steps of each series share; ValueError where they differ."""
    if np.any(values != values[:, :1]):
        differs = values[np.any(values != values[:, :1], axis=tuple(range(1, values.ndim)))][0]
        raise ValueError(
            f"{name} must be the same in all rows of a series. Got {np.unique(differs)[:3]} in one."
        )
    return values[:, 0]
