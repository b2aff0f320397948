"""Checks of the arrays that users pass, by scikit-learn."""

import contextlib
import numbers
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.utils import check_array, check_consistent_length, check_X_y
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from sk_posenc.core.arrays import float_dtypes, to_numpy
from sk_posenc.core.date_columns import is_missing
from sk_posenc.core.incoming import coordinates_in, settled, targets_in
from sk_posenc.core.missing import DROP_PLACES
from sk_posenc.core.refusals import column_names, refusals_told


def checked_array(array: Any, **checks: Any) -> Any:
    """scikit-learn's `check_array`, without NumPy's warning of the sum of inf and -inf.

    Errors name the array by ``input_name``.
    """
    name = checks.get("input_name") or "the array"
    array = targets_in(array, name)
    with refusals_told({name: array}):
        return check_array(array, **checks)


@contextlib.contextmanager
def within_floats(refusal: Callable[[], str]) -> Iterator[None]:
    """Raise a ValueError of that message where a number of the block is beyond floats."""
    try:
        with np.errstate(over="raise", invalid="raise"):
            yield
    except ArithmeticError as error:
        raise ValueError(refusal()) from error


@contextlib.contextmanager
def where_available(name: str) -> Iterator[None]:
    """Of a fitted attribute that is worked out when asked for: why it is not available."""
    try:
        yield
    except ValueError as refused:
        raise AttributeError(f"{name} is not available: {refused}") from refused


def checked_coordinates(X: Any, **checks: Any) -> tuple[Any, Any]:
    """Coordinates, constant where only rounding varies them, and the dates of each axis."""
    numbers, dates = coordinates_in(X)
    with refusals_told({"X": numbers}, column_names(X)):
        checked = check_array(numbers, input_name="X", **checks)
    if checks.get("ensure_all_finite", True) is True:
        checked = settled(checked, array_namespace(checked))
    return checked, dates or (None,) * checked.shape[1]


def checked_pair(X: Any, y: Any, **checks: Any) -> tuple[Any, Any, Any]:
    """scikit-learn's `check_X_y`, without the same warning, and the dates of each axis."""
    numbers, dates = coordinates_in(X)
    y = targets_in(y)
    with refusals_told({"X": numbers, "y": y}, column_names(X)):
        X, y = check_X_y(numbers, y, **checks)
    return settled(X, np), y, dates or (None,) * X.shape[1]


def checked_data(
    estimator: Any, X: Any, *y: Any, reset: bool = True, labels: bool = False, **checks: Any
) -> Any:
    """scikit-learn's `validate_data`, of what `coordinates_in` and `targets_in` take too.

    With `reset` it sets ``dates_``, a tuple of one DateAxis for each axis of dates and None for
    others, by which later coordinates are read. With `labels`, y is left to scikit-learn.
    """
    if not reset and hasattr(X, "columns"):  # names in another order are told before dates are
        validate_data(estimator, X, reset=False, skip_check_array=True)
    numbers, dates = coordinates_in(X, None if reset else getattr(estimator, "dates_", None))
    if not labels:
        y = tuple(targets_in(each) for each in y)
    arrays = dict(zip(("X", "y"), (numbers, *y), strict=False))
    with refusals_told(arrays, column_names(X), _to_do(estimator, checks)):
        if numbers is X:
            checked = validate_data(estimator, X, *y, reset=reset, **checks)
        else:
            validate_data(estimator, X, *y, reset=reset, skip_check_array=True)
            check = check_X_y if y else check_array
            named = {} if y else {"input_name": "X"}
            checked = check(numbers, *y, estimator=estimator, **named, **checks)
    if not reset:
        return checked
    X, rest = (checked[0], checked[1:]) if y else (checked, ())
    estimator.dates_ = dates or (None,) * X.shape[1]
    if not sparse.issparse(X):
        xp = array_namespace(X)
        X = settled(X, xp) if xp.isdtype(X.dtype, "real floating") else X
    return (X, *rest) if y else X


def _to_do(estimator: Any, checks: dict[str, Any]) -> str:
    """What to do where rows hold NaN."""
    if checks.get("accept_sparse"):
        return "fill it in, or leave the edge out"  # of the adjacency matrix of a graph
    if getattr(estimator, "covariates", None) is not None:
        return "drop these rows, or fill in what is no axis, with its mean for instance"
    return DROP_PLACES


@contextlib.contextmanager
def missing_targets_explained(way_out: str) -> Iterator[None]:
    """Say what else to do where targets are missing."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        if "Input y contains NaN" not in text:
            raise
        raise ValueError(text.replace(". Got", f", or {way_out}. Got", 1)) from None


def check_as_long(arrays: Mapping[str, Any]) -> None:
    """ValueError where named arrays have different numbers of rows."""
    with refusals_told(arrays):
        check_consistent_length(*arrays.values())


def check_floats(array: Any, name: str, **checks: Any) -> Any:
    """Checked floats, in their own namespace under array API dispatch, else NumPy's."""
    if not get_config()["array_api_dispatch"]:
        array = to_numpy(array)
    array = targets_in(array, name)
    return checked_array(array, dtype=float_dtypes(array), input_name=name, **checks)


def check_weights(sample_weight: ArrayLike, n_samples: int) -> NDArray[np.float64]:
    """Weights of samples: finite, not negative, one for each."""
    if isinstance(sample_weight, numbers.Number):
        sample_weight = np.full(n_samples, sample_weight)
    weights = checked_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight per sample. "
            f"Got {weights.shape}."
        )
    if np.any(weights < 0):
        raise ValueError(f"sample_weight must not be negative. Got {weights.min():g}.")
    return np.asarray(weights)


def in_precision_of(X: NDArray, y: NDArray) -> NDArray:
    """Targets as floats of the dtype of the coordinates; ValueError for those beyond it."""
    largest = np.finfo(X.dtype).max
    if y.dtype.kind == "f" and y.dtype.itemsize > X.dtype.itemsize and np.any(np.abs(y) > largest):
        raise ValueError(
            f"y must fit into {X.dtype}, the precision of X: scale y, or pass X in float64. "
            f"Got values up to {np.nanmax(np.abs(y)):.3g}."
        )
    return y.astype(X.dtype, copy=False)


def check_labels(y: Any) -> None:
    """scikit-learn's `check_classification_targets`, which casts numbers that are no labels."""
    check_kind_of_labels(np.asarray(y), "y")
    try:
        with np.errstate(invalid="ignore"):
            check_classification_targets(y)
    except (TypeError, ValueError) as error:
        raise type(error)(f"y must hold labels: {error} Got {reprlib.repr(y)}.") from None


def check_kind_of_labels(labels: NDArray, name: str) -> None:
    """ValueError where labels are missing, TypeError where they are of several kinds."""
    if labels.dtype != object:
        return
    missing = [row for row, each in enumerate(labels.flat) if is_missing(each)]
    if missing:
        raise ValueError(
            f"{name} must hold a label everywhere: drop the rows without. Got "
            f"{labels.flat[missing[0]]!r} in {len(missing):,} of {labels.size:,} rows, first in "
            f"row {missing[0]}."
        )
    try:
        np.unique(labels)
    except TypeError:
        kinds = sorted({type(each).__name__ for each in labels.flat})
        raise TypeError(
            f"{name} must hold labels of one kind, all text or all numbers: convert them. "
            f"Got {' and '.join(kinds)}."
        ) from None
