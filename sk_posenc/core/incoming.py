"""What comes in: tables, masked arrays and dates, as arrays of numbers with NaN where missing."""

import datetime
import reprlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.arrays import Array
from sk_posenc.core.date_columns import dates_of, first_present, is_date, is_missing
from sk_posenc.core.dates import DateAxis
from sk_posenc.core.missing import CONVERT_TEXT

# Kinds of NumPy's dtypes that scikit-learn checks by itself.
_NUMBERS = "biufc"

# A column counts as constant where it varies by less, in units of its last digit.
_LAST_DIGITS = 8

# Dates of each axis; None for an axis of numbers.
Dates = tuple[DateAxis | None, ...]


def coordinates_in(X: Any, known: Dates | None = None, name: str = "X") -> tuple[Any, Dates]:
    """Coordinates as numbers: dates become days, and what is masked or missing NaN.

    Parameters
    ----------
    X : array-like, DataFrame or masked array of shape (n_samples, n_axes)
    known : tuple of n_axes DateAxis or None, default=None
        The dates of each axis as they were learnt; None: learn them.
    name : str, default="X"
        What errors call it.

    Returns
    -------
    X : array-like
        The same object where it needs no change.
    dates : tuple
        One for each axis; empty where `X` is no table.

    Raises
    ------
    TypeError
        For categories, for text, and for numbers where dates were learnt or dates where numbers
        were.
    """
    refuse_unordered(X, name)
    expects_dates = known is not None and any(known)
    columns = None if _is_plain(X) and not expects_dates else _columns_of(X, name, expects_dates)
    if columns is None:
        return X, ()
    alike = known is not None and len(known) == len(columns)
    axes, dates = [], []
    for axis, (label, column) in enumerate(columns):
        learnt = known[axis] if known is not None and alike else None
        as_dates = _dates_in(column, missing=learnt is not None)
        if alike:
            _refuse_change(label, learnt, as_dates, column)
        if as_dates is not None and not len(as_dates):
            axes.append(np.empty(0))  # scikit-learn says that there are no rows
        elif as_dates is None:
            axes.append(_numbers_of(column, label))
        else:
            learnt = DateAxis.of(as_dates) if learnt is None else learnt
            axes.append(learnt.numbers(as_dates))
        dates.append(learnt)
    return _stacked(axes), tuple(dates)


def targets_in(y: Any, name: str = "y") -> Any:
    """Targets or weights as numbers: what is masked or missing is NaN, dates are days since 1970.

    The same object where it needs no change; TypeError for categories and text.
    """
    if _is_plain(y):
        return y
    refuse_unordered(y, name)
    if _is_frame(y):
        columns = _columns_of(y, name, force=False)
        if columns is None:
            return y
        return _stacked([_target_column(column, label) for label, column in columns])
    if _is_series(y):
        return y if _is_plain_dtype(y.dtype) else _target_column(y, name)
    values = _listed(y)
    if not isinstance(values, np.ndarray) or values.dtype.kind in _NUMBERS:
        return values
    if values.dtype.kind not in "MmOSU" or values.ndim not in (1, 2):
        return y
    if values.dtype.kind in "SU":
        try:
            _numbers_of(values.ravel(), name)
        except TypeError as error:  # arrays of text are a ValueError, as of scikit-learn
            raise ValueError(str(error)) from None
        return y  # text of numbers, which scikit-learn converts
    if values.ndim == 1:
        return _target_column(values, name)
    return np.stack([_target_column(column, name) for column in values.T], axis=1)


def settled(X: Array, xp: Any) -> Array:
    """Finite coordinates (n_samples, n_axes), where columns that only rounding varies are constant.

    0.3 and 0.1 + 0.2 are one place.
    """
    low, high = xp.min(X, axis=0), xp.max(X, axis=0)
    largest = xp.where(xp.abs(low) > xp.abs(high), xp.abs(low), xp.abs(high))
    least = _LAST_DIGITS / 2 * float(xp.finfo(X.dtype).eps)
    # halved: the range may overflow
    by_rounding = (high > low) & (high / 2 - low / 2 <= least * largest)
    return xp.where(by_rounding, X[:1, :], X) if bool(xp.any(by_rounding)) else X


def refuse_unordered(X: Any, name: str) -> None:
    """TypeError for a dict or a set, which NumPy takes for one object."""
    if isinstance(X, dict | set | frozenset) and not sparse.issparse(X):
        raise TypeError(
            f"{name} must be an array, a list of rows or a data frame: of a dict of columns make "
            f"one with pandas.DataFrame. Got a {type(X).__name__}."
        )


def _is_plain(X: Any) -> bool:
    """Whether it holds numbers that scikit-learn takes as they are."""
    if isinstance(X, np.ma.MaskedArray):
        return False
    return isinstance(X, np.ndarray) and X.dtype.kind in _NUMBERS


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and (hasattr(X, "dtypes") and hasattr(X, "shape"))


def _is_series(column: Any) -> bool:
    return hasattr(column, "to_numpy") and hasattr(column, "dtype") and not hasattr(column, "dims")


def _is_plain_dtype(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in _NUMBERS


def _columns_of(X: Any, name: str, force: bool) -> list[tuple[str, Any]] | None:
    """Columns with what errors call them; None for what is no table, or is left to scikit-learn."""
    if _is_frame(X):
        if not force and all(map(_is_plain_dtype, X.dtypes)):
            return None
        if any(str(dtype).startswith("Sparse") for dtype in X.dtypes):
            return None
        columns = [X.iloc[:, i] if hasattr(X, "iloc") else X[:, i] for i in range(X.shape[1])]
        labels = [f"column {str(label)!r} of {name}" for label in X.columns]
        return list(zip(labels, columns, strict=True))
    table = _listed(X)
    if not isinstance(table, np.ndarray) or table.ndim != 2:
        return None
    if table.dtype.kind not in _NUMBERS + "MmO":
        return None
    if table.dtype.kind == "O" and not (force or _holds_special(table)):
        return None  # scikit-learn tells what is wrong with it
    return [(f"column {i} of {name}", table[:, i]) for i in range(table.shape[1])]


def _listed(X: Any) -> Any:
    """A list as an array that keeps its dates, a mask as NaN; anything else as it is."""
    if isinstance(X, list | tuple):
        if any(isinstance(each, np.ma.MaskedArray) for each in X):
            return _unmasked(np.ma.stack(X))
        try:
            return np.asarray(X)
        except RuntimeError:  # tensors with a gradient
            return X
        except (TypeError, ValueError):  # dates and numbers have no dtype in common; ragged rows
            try:
                return np.array(X, dtype=object)
            except ValueError:
                return X
    return _unmasked(X) if isinstance(X, np.ma.MaskedArray) else X


def _holds_special(table: NDArray) -> bool:
    """Whether an array of objects has columns of dates, of durations or with missing entries."""
    for column in table.T:
        first = first_present(column)
        if first is None or is_date(first) or isinstance(first, datetime.timedelta):
            return True
        if any(is_missing(each) for each in column):
            return True
    return False


def _dates_in(column: Any, missing: bool = False) -> NDArray | None:
    """Dates of a column, None where it has none; `missing`: a column without any is of dates."""
    if _may_be_dates(column):
        found = dates_of(column)
        if found is not None:
            return found
    if missing and _all_missing(column):
        return np.full(len(column), np.datetime64("NaT", "s"))
    return None


def _may_be_dates(column: Any) -> bool:
    """Whether it is worth a look: numbers never are."""
    if isinstance(column.dtype, np.dtype):
        return column.dtype.kind in "MO"
    name = str(column.dtype).lower()
    return any(part in name for part in ("date", "period", "timestamp", "object"))


def _all_missing(column: Any) -> bool:
    values = np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)
    return values.dtype.kind in "MOf" and all(map(is_missing, values.tolist()))


def _refuse_change(
    label: str, learnt: DateAxis | None, as_dates: NDArray | None, column: Any
) -> None:
    """Raise where an axis held dates in `fit` and holds numbers now, or the other way."""
    got = f"Got dtype {column.dtype}."
    if learnt is not None and as_dates is None:
        raise TypeError(f"{label} must hold dates, as it did in fit: convert it to dates. {got}")
    if learnt is None and as_dates is not None:
        raise TypeError(
            f"{label} must hold numbers, as it did in fit: fit again with dates, or convert these. "
            f"{got}"
        )


def _target_column(column: Any, label: str) -> NDArray:
    """One target: dates count in days since 1970, as NumPy's do."""
    as_dates = _dates_in(column)
    if as_dates is None:
        return _numbers_of(column, label)
    return DateAxis(np.datetime64("1970-01-01")).numbers(as_dates)


def _numbers_of(column: Any, label: str) -> NDArray:
    """A column without dates as numbers: NaN where one is missing, days for durations."""
    dtype = column.dtype
    if _is_plain(column):
        return np.asarray(column)
    if str(dtype).lower().startswith(("category", "categorical", "enum", "dictionary")):
        raise TypeError(
            f"{label} holds categories, which have no distance: drop it, fit a model for each "
            f"category, or encode it with sklearn.preprocessing.OneHotEncoder. Got dtype {dtype}."
        )
    values = _extension_numbers(column)
    if values.dtype.kind == "m":
        days = values / np.timedelta64(1, "D")
        return np.where(np.isnat(values), np.nan, days)
    if values.dtype.kind in _NUMBERS:
        return values
    return np.array(list(_floats(values, label)), dtype=np.float64)


def _extension_numbers(column: Any) -> NDArray:
    """A column of a frame as NumPy's numbers where they are numbers, else as objects."""
    if isinstance(column, np.ndarray):
        return column
    numeric = getattr(column.dtype, "kind", "") in _NUMBERS and hasattr(column, "array")
    if numeric and not isinstance(column.dtype, np.dtype):  # pandas and pyarrow, which know NA
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(column.to_numpy())


def _floats(values: NDArray, label: str) -> Iterator[float]:
    for each in values.tolist() if values.dtype.kind != "O" else values.flat:
        if is_missing(each):
            yield np.nan
        elif isinstance(each, datetime.timedelta):
            yield each / datetime.timedelta(days=1)
        else:
            try:
                yield float(each)
            except (TypeError, ValueError):
                raise TypeError(
                    f"{label} must hold numbers or dates: {CONVERT_TEXT}. Got {each!r}."
                ) from None
            except OverflowError:
                raise ValueError(
                    f"{label} must hold numbers that fit into a float: scale it. "
                    f"Got {reprlib.repr(each)}."
                ) from None


def _unmasked(values: np.ma.MaskedArray) -> NDArray:
    """An array with NaN, or NaT, where one is masked."""
    data = values.data
    mask = np.ma.getmaskarray(values)
    if data.dtype.kind == "f" or data.dtype.kind in "Mm":
        filled = data.copy()
    elif data.dtype.kind in "biu":
        filled = data.astype(np.float64)
    else:
        filled = data.astype(object)
    if mask.any():
        filled[mask] = "NaT" if data.dtype.kind in "Mm" else np.nan
    return np.asarray(filled)


def _stacked(columns: Sequence[NDArray]) -> NDArray:
    """Columns side by side: float32 where all are, else float64."""
    single = all(each.dtype == np.float32 for each in columns)
    return np.stack([each.astype(np.float32 if single else np.float64) for each in columns], axis=1)
