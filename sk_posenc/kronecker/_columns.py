"""Which columns of X are axes, and which are covariates beside them."""

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.arrays import SQUARED_UP_TO

_WANTED = 'covariates must be a column of X or a list of them, numbers or names as ["elevation"]'


@dataclass(frozen=True)
class Columns:
    """Places of the columns of X.

    Attributes
    ----------
    axes, covariates : tuple of int
    names : tuple of str
        What errors call the covariates.
    """

    axes: tuple[int, ...]
    covariates: tuple[int, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, covariates: Any, names: Sequence[Any] | None, n_columns: int) -> "Columns":
        """From the parameter as users write it, the names of the columns and their number."""
        chosen = tuple(_place(each, names, n_columns) for each in _listed(covariates))
        if len(set(chosen)) < len(chosen):
            raise ValueError(
                f"covariates must be different columns: leave out repeats. Got {covariates!r}."
            )
        axes = tuple(i for i in range(n_columns) if i not in chosen)
        if not axes:
            raise ValueError(
                "covariates must leave at least one column of X as an axis: without axes take "
                "sklearn.linear_model.LinearRegression. "
                f"Got {covariates!r} and n_features = {n_columns}."
            )
        shown = tuple(str(i) if names is None else repr(str(names[i])) for i in chosen)
        return cls(axes, chosen, shown)

    def split(self, X: NDArray) -> tuple[NDArray, NDArray[np.float64] | None]:
        """Axes, and covariates in float64; None where there are none."""
        if not self.covariates:
            return X, None
        beside = X[:, self.covariates].astype(np.float64)
        return np.ascontiguousarray(X[:, self.axes]), beside

    def of_axes(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Those of a list over all columns that are of axes."""
        return tuple(values[i] for i in self.axes)


def centred(
    covariates: NDArray[np.float64], names: Sequence[str], weights: NDArray | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariates of samples less their mean, and the mean.

    Raises
    ------
    ValueError
        Where their squares are beyond floats.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.average(covariates, axis=0, weights=weights)
        apart = covariates - mean
        far = np.flatnonzero(~(np.max(np.abs(apart), axis=0) < SQUARED_UP_TO))
    if len(far):
        raise ValueError(
            f"covariates must differ by less than {SQUARED_UP_TO:g}, as they are squared: check "
            f"their units, or scale X. Got column {names[far[0]]} with numbers up to "
            f"{np.max(np.abs(covariates[:, far[0]])):.3g}."
        )
    return apart, mean


def _listed(covariates: Any) -> list[Any]:
    if covariates is None:
        return []
    if isinstance(covariates, str | numbers.Integral):
        return [covariates]
    if isinstance(covariates, np.ndarray):
        covariates = covariates.tolist()
    if not isinstance(covariates, list | tuple):
        raise TypeError(f"{_WANTED}. Got {covariates!r}.")
    return list(covariates)


def _place(column: Any, names: Sequence[Any] | None, n_columns: int) -> int:
    if isinstance(column, str):
        known = [] if names is None else [str(each) for each in names]
        if column not in known:
            there = f"X has {known}" if known else "X has no names, so give numbers of columns"
            raise ValueError(
                f"covariates names a column that is not there: {there}. Got {column!r}."
            )
        return known.index(column)
    if isinstance(column, bool | np.bool_) or not isinstance(column, numbers.Integral):
        raise TypeError(f"{_WANTED}. Got {column!r}.")
    place = int(column)
    if not -n_columns <= place < n_columns:
        raise ValueError(
            f"covariates must be columns of X, from 0 to {n_columns - 1}, or counted from the end "
            f"from -{n_columns}. Got {column!r}."
        )
    return place % n_columns
