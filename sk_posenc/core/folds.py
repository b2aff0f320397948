"""Folds of rows, from what scikit-learn takes as `cv`."""

import numbers
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj
from numpy.typing import NDArray
from sklearn.model_selection import check_cv

Fold = tuple[NDArray, NDArray]


def folds_of(
    cv: Any, X: Any, y: Any = None, groups: Any = None, name: str = "cv"
) -> Iterator[Fold]:
    """Rows to fit and rows to judge of each fold, checked one by one.

    Parameters
    ----------
    cv : int, splitter or iterable of pairs
    X : array-like of shape (n_samples, n_axes)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
    groups : array-like of shape (n_samples,), default=None
        For a splitter that takes them.
    name : str, default="cv"
        What errors call it.

    Yields
    ------
    train, test : ndarray of shape (n_train,), ndarray of shape (n_test,)
        Numbers of rows.

    Raises
    ------
    TypeError
        For what gives no folds.
    ValueError
        For fewer than two folds in a number, none in an iterable, and rows that there are not.
    """
    n_rows, k = len(X), -1
    for k, fold in enumerate(_given(cv, X, y, groups, name)):
        pair = tuple(fold) if isinstance(fold, tuple | list) else ()
        rows = [array for array in map(_numbers, pair) if _are_rows(array, n_rows)]
        if len(pair) != 2 or len(rows) != 2:
            raise ValueError(
                f"{name} must give for each fold the numbers of rows to fit and of rows to judge, "
                f"some of each, below the {n_rows} rows of X. Got {fold!r} for fold {k}."
            )
        yield rows[0], rows[1]
    if k < 0:
        raise ValueError(f"{name} must give at least one fold. Got {cv!r}.")


def _given(cv: Any, X: Any, y: Any, groups: Any, name: str) -> Iterable[Any]:
    wanted = (
        f"{name} must be a number of folds, a splitter such as CoordinateKFold(4), or an iterable "
        f"of pairs of row numbers. Got {cv!r}."
    )
    if isinstance(cv, numbers.Integral) and not isinstance(cv, bool):
        if cv < 2:
            raise ValueError(f"{name} must be at least 2 folds. Got {cv!r}.")
        cv = check_cv(cv)
    if isinstance(cv, type | str | bytes) or is_array_api_obj(cv):
        raise TypeError(wanted)
    if hasattr(cv, "split"):
        found: Iterable[Any] = cv.split(X, y, groups)
        return found
    if isinstance(cv, dict | set) or not isinstance(cv, Iterable):
        raise TypeError(wanted)
    return cv


def _numbers(rows: Any) -> NDArray:
    try:
        return np.asarray(rows)
    except ValueError:  # ragged
        return np.empty(0)


def _are_rows(array: NDArray, n_rows: int) -> bool:
    """Whether they are numbers of some of the rows; negative ones count from the end."""
    if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
        return False
    return bool(array.min() >= -n_rows and array.max() < n_rows)
