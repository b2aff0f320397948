"""The domain of each axis: learnt, a pair of numbers or of dates, or the period of dates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from sklearn.base import clone

from sk_posenc.core.arrays import Array, to_numpy
from sk_posenc.core.date_columns import is_date
from sk_posenc.core.dates import DateAxis, is_period
from sk_posenc.core.incoming import Dates
from sk_posenc.core.settings import parse_choice
from sk_posenc.encoders.axis_settings import check_domain, per_axis


class DaysOfDomain(tuple[float, float]):
    """Ends of a domain in days, which remember how they were given: as dates, or as a period."""

    given: Any

    def __new__(cls, ends: Sequence[float], given: Any) -> "DaysOfDomain":
        made = super().__new__(cls, ends)
        made.given = given
        return made

    def __getnewargs__(self) -> Any:
        return tuple(self), self.given

    def __repr__(self) -> str:
        return repr(self.given)


def domains_of(domain: Any, n_axes: int) -> list[Any]:
    """The domain that each axis was given: a pair, a period, or None to learn it."""
    if domain is None or is_period(domain):
        return [domain] * n_axes
    refused = ValueError(
        "domain must be a pair (low, high) or one pair for each of the "
        f"{n_axes} axes of X; for dates also a period such as '1D'. Got {domain!r}."
    )
    scalar = isinstance(domain, np.ndarray) and domain.ndim == 0
    if scalar or not isinstance(domain, Sequence | np.ndarray):
        raise refused
    listed = list(domain)
    if not any(each is None or is_period(each) or _is_pair(each) for each in listed):
        listed = [domain if isinstance(domain, DaysOfDomain) else tuple(listed)] * n_axes
    one_each = all(each is None or is_period(each) or _is_pair(each) for each in listed)
    if len(listed) != n_axes or not one_each:
        raise refused
    return listed


def resolve_domain(domain: Any, X: Array, dates: Dates) -> NDArray[np.float64]:
    """Ends of the domain in the numbers of X, shape (n_axes, 2)."""
    n_axes = X.shape[1]
    xp = array_namespace(X)
    extremes = [to_numpy(end(X, axis=0)).astype(np.float64) for end in (xp.min, xp.max)]
    low, high = extremes
    with np.errstate(over="ignore"):  # what overflows is refused below
        # a constant column: width 1 around its value, or what its digits can resolve
        half = np.where(low == high, np.maximum(0.5, 4 * np.spacing(np.abs(low))), 0.0)
        ends = np.stack([low - half, high + half], axis=1)
    for axis, given in enumerate(domains_of(domain, n_axes)):
        if given is not None:
            ends[axis] = _ends_of(given, dates[axis] if dates else None, axis)
    if not (np.all(np.isfinite(ends)) and np.all(ends[:, 0] < ends[:, 1])) and domain is not None:
        raise ValueError(f"domain must be finite, with low < high. Got {domain!r}.")
    for axis, (low, high) in enumerate(ends):
        check_domain(axis, low, high, X.dtype)
    return ends


def parse_boundaries(boundary: Any, domain: Any, n_axes: int, *choices: str) -> list[str]:
    """What happens at the ends of each axis; a period must be given, not guessed."""
    boundaries = per_axis(boundary, "boundary", n_axes, parse_choice(*choices))
    for axis, (own, given) in enumerate(zip(boundaries, domains_of(domain, n_axes), strict=True)):
        if own == "periodic" and given is None:
            raise ValueError(
                'boundary="periodic" needs a domain=(low, high), or for dates a period such as '
                '"1D": the samples do not say where one period ends and the next begins'
            )
        period = given.given if isinstance(given, DaysOfDomain) else given
        if own != "periodic" and is_period(period):
            raise ValueError(
                f'domain={period!r} is a period: set boundary="periodic" for axis {axis}, or give '
                f"a domain of two dates. Got boundary={own!r}."
            )
    return boundaries


def in_numbers(encoder: Any, dates: Dates) -> Any:
    """An encoder, or one per axis, for the numbers of axes of dates: its domain in days.

    A head reads the dates, and gives its encoders numbers.
    """
    if not any(dates) or encoder is None:
        return encoder
    if isinstance(encoder, list | tuple):
        if len(encoder) != len(dates):
            return encoder  # refused where it is used
        return [in_numbers(own, (date,)) for own, date in zip(encoder, dates, strict=True)]
    parameters = encoder.get_params(deep=False) if hasattr(encoder, "get_params") else {}
    if parameters.get("domain") is None:
        return encoder
    listed = [
        given if given is None or date is None else _in_days(given, date, axis)
        for axis, (given, date) in enumerate(
            zip(domains_of(parameters["domain"], len(dates)), dates, strict=True)
        )
    ]
    return clone(encoder).set_params(domain=listed[0] if len(listed) == 1 else listed)


def from_domains(encoder: Any, X: NDArray, dates: Dates) -> tuple[NDArray, Dates]:
    """Dates that count from where their domains start, whatever samples there are.

    Blocks of samples in several processes then agree on what a number means.

    Parameters
    ----------
    encoder : encoder or list of one per axis
    X : ndarray of shape (n_samples, n_axes)
        Days since the origins of `dates`.
    dates : tuple of n_axes DateAxis or None
    """
    own = encoder if isinstance(encoder, list | tuple) else [encoder] * len(dates)
    if not any(dates) or len(own) != len(dates):
        return X, dates
    shifts, moved = np.zeros(len(dates)), list(dates)
    for axis, (each, date) in enumerate(zip(own, dates, strict=True)):
        n_axes = 1 if own is encoder else len(dates)
        given = domains_of(getattr(each, "domain", None), n_axes)[0 if n_axes == 1 else axis]
        given = given.given if isinstance(given, DaysOfDomain) else given
        if date is None or given is None:
            continue
        start = date
        if is_period(given):
            start = date.at_first_of_periods()
        elif any(map(is_date, given)):
            start = DateAxis.of([given[0]])
        moved[axis] = start
        shifts[axis] = float(start.numbers([date.origin])[0])
    return X + shifts.astype(X.dtype), tuple(moved)


def as_given(encoder: Any) -> Any:
    """The way back: an encoder whose domain is as it was given."""
    domain = getattr(encoder, "domain", None)
    if not isinstance(domain, DaysOfDomain):
        return encoder
    return clone(encoder).set_params(domain=domain.given)


def _is_pair(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)


def _in_days(given: Any, date: DateAxis, axis: int) -> DaysOfDomain:
    return DaysOfDomain(_ends_of(given, date, axis), given)


def _ends_of(given: Any, date: DateAxis | None, axis: int) -> tuple[float, float]:
    """Ends of a domain that was given, in the numbers of its axis."""
    if isinstance(given, DaysOfDomain):
        if date is None:
            return given[0], given[1]
        given = given.given
    if is_period(given):
        if date is None:
            raise ValueError(
                f"axis {axis} holds numbers, and a period counts along dates: give its domain as a "
                f"pair, (0, 24) say. Got domain={given!r}."
            )
        days = date.days(given)
        start = date.start_of(days)
        return start, start + days
    if len(given) == 2 and any(map(is_date, given)):
        if date is None:
            raise ValueError(
                f"axis {axis} holds numbers, and its domain dates: fit on a column of dates, or "
                f"give a pair of numbers. Got domain={given!r}."
            )
        ends = date.numbers(list(given))
        return float(ends[0]), float(ends[1])
    try:
        low, high = (float(end) for end in given)
    except (TypeError, ValueError):
        raise ValueError(
            f"domain must be a pair (low, high) for each axis. Got {given!r} for axis {axis}."
        ) from None
    return low, high
