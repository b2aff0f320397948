"""Where numbers are missing or infinite, in words: scikit-learn's errors name no row or column."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Infinity in float32.
_BEYOND_SINGLE = float(np.finfo(np.float32).max)

DROP_PLACES = "drop these rows, as without a place they tell nothing"
CONVERT_TEXT = "convert text that tells dates with pandas.to_datetime, or drop the column"
DROP_TARGETS = "drop the rows without a value, keep = np.isfinite(y)"

# What to do about a column, by its place.
Cure = Callable[[int], tuple[str, str]]


def column_label(place: int, names: Sequence[Any] | None) -> str:
    """What errors call a column: its name, or its number where it has none."""
    name = place if names is None else names[place]
    return f"column {repr(str(name)) if isinstance(name, str) else name}"


def told_of_missing(
    values: NDArray,
    name: str,
    names: Sequence[Any] | None = None,
    cure: Cure = lambda _: ("", "drop these rows"),
) -> str | None:
    """What is missing or infinite in the first column that has any, and what to do.

    Parameters
    ----------
    values : ndarray of shape (n,) or (n, n_columns)
        Numbers.
    name : str
        What errors call them.
    names : list or None
        Of the columns.
    cure : callable
        From the place of a column to what it is (", an axis", say) and what to do.

    Returns
    -------
    str or None
        None where all is finite, in float32 too.
    """
    values = np.atleast_1d(values)
    columns = values.reshape(len(values), -1)
    bad = ~np.isfinite(columns)
    if not bad.any():
        bad = np.abs(columns) > _BEYOND_SINGLE
    if not bad.any():
        return None
    place = int(np.flatnonzero(bad.any(axis=0))[0])
    rows = np.flatnonzero(bad[:, place])
    first = columns[rows[0], place]
    if np.isnan(first):
        what = "NaN (or a masked value or NaT)"
    else:
        what = "infinity" if np.isinf(first) else "a number beyond float32, infinity there,"
    kind, to_do = cure(place)
    label = ""
    if values.ndim == 2 and (values.shape[1] > 1 or names is not None):
        label = f" in {column_label(place, names)}{kind}"
    return (
        f"Input {name} contains {what}{label}: {to_do}. Got {first} in {len(rows):,} of "
        f"{len(columns):,} rows, first in row {rows[0]}."
    )
