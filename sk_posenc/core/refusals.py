"""What scikit-learn's checks refuse, told by the name of the argument, and with what to do."""

import contextlib
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.date_columns import is_missing
from sk_posenc.core.missing import (
    CONVERT_TEXT,
    DROP_PLACES,
    DROP_TARGETS,
    column_label,
    told_of_missing,
)
from sk_posenc.core.wording import counted


@contextlib.contextmanager
def refusals_told(
    arrays: Mapping[str, Any], names: Sequence[Any] | None = None, to_do: str = DROP_PLACES
) -> Iterator[None]:
    """Say which argument is wrong and where, which scikit-learn and NumPy often do not.

    NumPy's warnings of inf - inf and of numbers beyond float32 are silent.

    Parameters
    ----------
    arrays : dict
        What is checked in the block, by its name.
    names : list or None
        Of the columns of X.
    to_do : str
        What to do where coordinates are missing.
    """
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # what is infinite then is refused
            yield
    except (TypeError, ValueError, OverflowError) as error:
        told = _told(error, arrays, names, to_do)
        if told is None:
            raise
        raise told from None


def column_names(X: Any) -> list[Any] | None:
    """The names of the columns of a data frame."""
    columns = getattr(X, "columns", None)
    return None if columns is None else list(columns)


def _told(
    error: Exception, arrays: Mapping[str, Any], names: Sequence[Any] | None, to_do: str
) -> Exception | None:
    text = str(error)
    lengths = re.search(r"inconsistent numbers of samples: (\[.*\])", text)
    if lengths:
        return ValueError(
            f"{' and '.join(arrays)} must have as many rows: check how they were made. Found input "
            f"variables with inconsistent numbers of samples. Got {lengths[1]}."
        )
    for name, given in arrays.items():
        array = to_numpy(given)
        if sparse.issparse(array):
            continue
        own = names if name == "X" else column_names(array)
        if re.search(rf"Input {re.escape(name)} contains", text):
            return _missing(name, array, text, own, to_do)
        for pattern, tell in _TELLERS:
            told = tell(name, array, text, own) if re.search(pattern, text) else None
            if told is not None:
                return type(error)(told) if isinstance(told, str) else told
    named = any(re.search(rf"\b{re.escape(name)}\b", text) for name in arrays)
    if isinstance(error, ValueError) or named:
        return None
    name, array = next(iter(arrays.items()))
    return TypeError(f"{name} must be an array of numbers: {text}. Got {reprlib.repr(array)}.")


def _missing(
    name: str, array: Any, text: str, names: Sequence[Any] | None, to_do: str
) -> Exception | None:
    try:
        values = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):  # labels
        return None
    if "contains NaN" not in text:  # which is no fault then
        values = np.where(np.isnan(values), 0.0, values)
    own = {"X": to_do, "y": DROP_TARGETS}.get(name, "drop these rows")
    told = told_of_missing(values, name, names, lambda _: ("", own))
    return None if told is None else ValueError(told)


def _no_numbers(
    name: str, array: Any, text: str, names: Sequence[Any] | None
) -> Exception | str | None:
    """The first entry that is no number; a text keeps the class that scikit-learn gives it."""
    try:
        values = np.array(array, dtype=object)
    except ValueError:
        return None
    for place, each in np.ndenumerate(values):
        try:
            _ = 0.0 if is_missing(each) else float(each)
        except (TypeError, ValueError, OverflowError) as error:
            if not place:
                return f"{name} must be an array of numbers: {error}. Got {reprlib.repr(array)}."
            label, to_do = f"{name} must be an array of numbers", "convert them"
            if values.ndim == 2:
                column = column_label(place[1], names)
                label, to_do = f"{column} of {name} must hold numbers", CONVERT_TEXT
            got = f"Got {reprlib.repr(each)} in row {place[0]}."
            if isinstance(error, OverflowError):
                return ValueError(f"{label} ({error}): scale them. {got}")
            return f"{label} ({error}): {to_do}. {got}"
    return None


def _ragged(name: str, array: Any, text: str, names: Sequence[Any] | None) -> Exception | None:
    """The first row of another length than the first, or an entry that is itself a row."""
    rows = list(array) if isinstance(array, list | tuple | np.ndarray) else []
    lengths = [len(each) if _is_row(each) else None for each in rows]
    for place, length in enumerate(lengths):
        if length != lengths[0]:
            return ValueError(
                f"{name} must have rows of one length (setting an array element with a sequence): "
                f"fill them up, or cut them. Got {_numbers(lengths[0])} in row 0 and "
                f"{_numbers(length)} in row {place}."
            )
    for place, row in enumerate(rows if rows and lengths[0] is not None else []):
        for column, each in enumerate(row):
            if _is_row(each):
                return ValueError(
                    f"{column_label(column, names)} of {name} must hold one number in each row: "
                    f"take them apart. Got {reprlib.repr(each)} in row {place}."
                )
    return None


def _is_row(value: Any) -> bool:
    listed = hasattr(value, "__len__") and not isinstance(value, str | bytes)
    return listed and getattr(value, "shape", None) != ()


def _numbers(length: int | None) -> str:
    return "a single number" if length is None else counted(length, "number")


def _complex(name: str, array: Any, text: str, names: Sequence[Any] | None) -> Exception | None:
    values = np.asarray(array)
    if values.dtype.kind != "c" and not any(isinstance(each, complex) for each in values.flat):
        return None
    return ValueError(
        f"{name} must hold real numbers: take its real part, or its size, np.abs({name}). Complex "
        f"data not supported. Got dtype {values.dtype}."
    )


def _shape(name: str, array: Any, text: str, names: Sequence[Any] | None) -> Exception | None:
    shape = np.shape(array)
    two = "2D" in text or name == "X"
    if len(shape) == 2 or (len(shape) == 1 and not two):
        return None
    to_do = f"Reshape your data, with {name}.reshape(-1, 1) where it is one column"
    wanted = "two dimensions, rows and columns" if two else "one dimension, or two"
    got = f"shape {shape}" if shape else reprlib.repr(array)
    first = text.partition(":")[0].rstrip(".")
    return ValueError(f"{name} must have {wanted} ({first}): {to_do}. Got {got}.")


def _empty(name: str, array: Any, text: str, names: Sequence[Any] | None) -> Exception | None:
    shape = np.shape(array)
    told = re.search(r"\(shape=(\(.*?\))\)", text)
    if told is None or told[1] != str(shape):
        return None
    return ValueError(f"{name} must hold more: {text.rstrip('.')}. Got shape {shape}.")


# Which texts of scikit-learn and NumPy each of them explains.
_TELLERS: Sequence[tuple[str, Callable[..., Exception | str | None]]] = (
    ("could not convert|must be a string or a|must be real number|too large to", _no_numbers),
    ("inhomogeneous|setting an array element", _ragged),
    ("Complex data not supported", _complex),
    ("Expected 2D array|Found array with dim|at least 1 dimension|Singleton array", _shape),
    (r"Found array with \d+ (sample|feature)", _empty),
)
