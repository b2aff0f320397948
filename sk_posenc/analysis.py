"""What an encoding holds, what stands in its way, and what to change: a report."""

import html
import math
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from sk_posenc._arrays import to_numpy
from sk_posenc._held_encoder import coordinates_within, encoder_within
from sk_posenc._sampling import samples_per_axis
from sk_posenc._spectrum import (
    check_max_samples,
    rows_that_fit,
    spectrum_of_encoding,
    subsample,
)
from sk_posenc.bases import Rectangle
from sk_posenc.metrics import psnr_score, similarity_radius
from sk_posenc.shifted_basis import ShiftedBasisEncoder

__all__ = ["EncodingReport", "encoding_report"]

# Ridge of the linear heads that an encoding is tried with, as that of KroneckerRidge.
_ALPHA = 1e-6

# Places on an axis that such a head is fitted on at most.
_TRIED_SAMPLES = 1024

# What fitting a linear head on y may take, and the rows below which it is not worth it.
_OPERATIONS, _HEAD_ENTRIES, _FEWEST = 2e10, 1 << 24, 200

# Bounds of what goes by without a warning.
_RIPPLE, _FADING, _SLOW_ERROR, _GAIN = 0.05, 0.1, 0.03, 2.0
_ILL_CONDITIONED = 1e12


@dataclass(frozen=True)
class EncodingReport:
    """Numbers about an encoding of coordinates, and what follows from them.

    ``print(report)`` shows it as text, a notebook as a table.

    Attributes
    ----------
    encoder : str
        What was measured.
    n_samples, n_measured, n_axes, n_features : int
        Rows, rows that the whole matrix was measured on, axes, columns.
    axis_names : list of str
    samples_per_axis : ndarray of shape (n_axes,)
        Independent places along each axis, by water-filling.
    spacing : ndarray of shape (n_axes,)
        Range of the samples over the gaps between these places, in coordinate units.
    columns_per_axis : ndarray of shape (n_axes,) or None
        None where columns belong to all axes together.
    stable_rank_asked : list of float or None
        Per axis; None where it was left to "auto", or set by another parameter.
    stable_rank : ndarray of shape (n_axes,)
        Reached per axis, the other coordinates held.
    bandwidth : ndarray of shape (n_axes,) or None
        In coordinate units; None for encoders without.
    similarity_radius : ndarray of shape (n_axes,)
        Where the similarity falls to a tenth, in coordinate units.
    ripple : ndarray of shape (n_axes,)
        Largest relative deviation of the squared norm of a row from its mean, along the
        middle of an axis.
    fading : ndarray of shape (n_axes,)
        Share of the squared norm that is lost at the ends of an axis.
    slow_error : ndarray of shape (n_axes,)
        Error between evenly spaced samples, relative to the wave, of a linear head fitted
        at them to cosines of up to three half-turns; the worst. NaN where even these are
        finer than the stable rank.
    gain : ndarray of shape (n_axes,)
        How much larger such a head's fit to white noise is between the samples than at
        them; about 1 for an interpolation that behaves.
    whole_stable_rank : float
    rank : int
        Of the rows measured.
    condition_number : float
        Infinite where columns, or rows, depend on each other to rounding.
    memorises : list of str
        What it can memorise.
    warnings : list of str
        Traps, each with what to change.
    fit_psnr, held_out_psnr : float or None
        With `y`: PSNR in dB, relative to the range of `y`, of a linear head on the rows that
        it was fitted on, and on a fifth of the rows that were held out.
    n_fitted : int or None
        Rows that this head was fitted on.
    """

    encoder: str
    n_samples: int
    n_measured: int
    n_axes: int
    n_features: int
    axis_names: list[str]
    samples_per_axis: NDArray[np.float64]
    spacing: NDArray[np.float64]
    columns_per_axis: NDArray[np.intp] | None
    stable_rank_asked: list[float | None]
    stable_rank: NDArray[np.float64]
    bandwidth: NDArray[np.float64] | None
    similarity_radius: NDArray[np.float64]
    ripple: NDArray[np.float64]
    fading: NDArray[np.float64]
    slow_error: NDArray[np.float64]
    gain: NDArray[np.float64]
    whole_stable_rank: float
    rank: int
    condition_number: float
    fit_psnr: float | None = None
    held_out_psnr: float | None = None
    n_fitted: int | None = None
    memorises: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def _whole(self) -> list[tuple[str, str]]:
        """Numbers of the whole matrix: what they are, and how they are written."""
        condition = self.condition_number
        rows = [
            ("samples", f"{self.n_samples:,}"),
            ("features", f"{self.n_features:,}"),
            ("stable rank", f"{self.whole_stable_rank:.4g}"),
            ("rank", f"{self.rank:,}"),
            ("condition number", "infinite" if math.isinf(condition) else f"{condition:.2g}"),
        ]
        if self.n_measured < self.n_samples:
            rows.insert(2, ("measured on", f"{self.n_measured:,} samples, drawn at random"))
        if self.fit_psnr is not None:
            rows.append(
                ("linear head on y", f"{self.fit_psnr:.1f} dB on {self.n_fitted:,} samples")
            )
            rows.append(("held out", f"{self.held_out_psnr:.1f} dB"))
        return rows

    def _per_axis(self) -> list[list[str]]:
        """A table of the numbers of each axis, its heading first."""
        asked = ["-" if rank is None else f"{rank:.4g}" for rank in self.stable_rank_asked]
        numbers = [("samples", self.samples_per_axis), ("spacing", self.spacing),
                   ("columns", self.columns_per_axis), ("rank asked", asked),
                   ("stable rank", self.stable_rank), ("bandwidth", self.bandwidth),
                   ("radius", self.similarity_radius), ("ripple", self.ripple),
                   ("fading", self.fading), ("slow error", self.slow_error),
                   ("gain", self.gain)]  # fmt: skip
        columns = [["axis", *self.axis_names]]
        for name, values in numbers:
            if values is not None:
                form = "{:.2%}" if name in ("ripple", "fading", "slow error") else "{:.4g}"
                columns.append([name, *(_written(each, form) for each in values)])
        return [list(line) for line in zip(*columns, strict=True)]

    def _lists(self) -> list[tuple[str, list[str]]]:
        change = self.warnings or ["No trap found."]
        return [("What it can memorise", self.memorises), ("What to change", change)]

    def __str__(self) -> str:
        lines = [*textwrap.wrap(self.encoder, 96), ""]
        lines += [f"  {name:<18}{value}" for name, value in self._whole()]
        table = self._per_axis()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines.append("")
        for line in table:
            cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
            lines.append("  " + "  ".join(cells))
        for title, points in self._lists():
            lines += ["", title]
            for point in points:
                lines += textwrap.wrap(point, 96, initial_indent="  - ", subsequent_indent="    ")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def cells(line: list[str], tag: str) -> str:
            return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in line)

        whole = "".join(f"<tr>{cells(list(row), 'td')}</tr>" for row in self._whole())
        heading, *body = self._per_axis()
        axes = "".join(f"<tr>{cells(line, 'td')}</tr>" for line in body)
        lists = "".join(
            f"<p><b>{title}</b></p><ul>"
            + "".join(f"<li>{html.escape(point)}</li>" for point in points)
            + "</ul>"
            for title, points in self._lists()
        )
        return (
            f"<div><p><code>{html.escape(self.encoder)}</code></p><table>{whole}</table>"
            f"<table><tr>{cells(heading, 'th')}</tr>{axes}</table>{lists}</div>"
        )


def _written(value: Any, form: str) -> str:
    if isinstance(value, str):
        return value
    return "-" if math.isnan(value) else form.format(value)


def encoding_report(
    encoder: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    max_samples: int = 2000,
    random_state: Any = 0,
) -> EncodingReport:
    """Measure an encoding of coordinates: what it can memorise, and what to change.

    Parameters
    ----------
    encoder : encoder of this package, or a fitted Pipeline or regressor that holds one
        Unfitted, a clone is fitted on `X`. The steps of a Pipeline before its encoder are
        applied to `X`.
    X : array-like of shape (n_samples, n_axes)
        Coordinates.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        A signal there: the report then says how well a linear head does on it.
    max_samples : int, default=2000
        Rows that the rank, stable rank and condition number of the whole matrix are
        measured on at most, drawn at random; fewer where columns are very many.
    random_state : int, RandomState instance or None, default=0
        Decides the rows.

    Returns
    -------
    EncodingReport
        With every number as an attribute, a text form and an HTML form.

    Raises
    ------
    ValueError
        For coordinates or targets that are not finite, or do not fit together.
    TypeError
        Where no encoder of this package is found.

    Notes
    -----
    Between samples, what an encoding makes of a signal is tried out: along each axis a
    linear head with a slight ridge is fitted to slow cosines at the samples' places, and
    asked for the values half-way between them. A width between the harmonics of its grid of
    shifts misses even these, by a tenth or more. Fitted to white noise, a number of columns
    near that of the samples gives values that are far larger between the samples than at
    them (double descent).

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, encoding_report
    >>> X = np.linspace(0, 1, 100)[:, None]
    >>> report = encoding_report(ShiftedBasisEncoder(stable_rank=16), X)
    >>> report.rank, round(report.whole_stable_rank, 1)
    (48, 16.2)
    >>> print(report)
    ShiftedBasisEncoder(stable_rank=16)
    <BLANKLINE>
      samples           100
      features          48
      ...
    What it can memorise
      - The matrix of 100 samples has rank 48: ...
    ...
    """
    check_max_samples(max_samples)
    with config_context(array_api_dispatch=False):
        return _report(encoder, X, y, max_samples, random_state)


def _report(
    given: Any, X: ArrayLike, y: ArrayLike | None, max_samples: int, random_state: Any
) -> EncodingReport:
    encoder, X = _resolve(given, X)
    X = np.asarray(encoder._check_coordinates(X, "encoding_report"))
    if len(X) < 2:
        raise ValueError(f"a report needs at least 2 samples. Got {len(X)}.")
    head = {} if y is None else _fit_linear(encoder, X, y, random_state)
    n_measured = rows_that_fit(encoder, len(X), max_samples)
    spectrum = spectrum_of_encoding(encoder, X[subsample(len(X), n_measured, random_state)])
    n_axes, n_per_axis = X.shape[1], samples_per_axis(X)
    spans = np.ptp(X.astype(np.float64), axis=0)
    trials = [_try_axis(encoder, axis, X[:, axis], n_per_axis[axis]) for axis in range(n_axes)]
    report = EncodingReport(
        encoder=" ".join(repr(encoder).split()),
        n_samples=len(X),
        n_measured=n_measured,
        n_axes=n_axes,
        n_features=encoder._n_features_out,
        axis_names=[str(name) for name in getattr(encoder, "feature_names_in_", range(n_axes))],
        samples_per_axis=n_per_axis,
        spacing=spans / np.maximum(n_per_axis - 1, 1),
        columns_per_axis=_columns_per_axis(encoder),
        stable_rank_asked=_asked(encoder, n_axes),
        stable_rank=to_numpy(encoder.stable_rank_),
        bandwidth=to_numpy(encoder.bandwidth_) if hasattr(encoder, "bandwidth_") else None,
        similarity_radius=similarity_radius(encoder),
        ripple=np.array([trial["ripple"] for trial in trials]),
        fading=np.array([trial["fading"] for trial in trials]),
        slow_error=np.array([trial["slow_error"] for trial in trials]),
        gain=np.array([trial["gain"] for trial in trials]),
        whole_stable_rank=spectrum.stable_rank,
        rank=spectrum.rank,
        condition_number=spectrum.condition_number,
        **head,
    )
    report.memorises.extend(_memorises(report, encoder, y is not None))
    for check in _CHECKS:
        report.warnings.extend(check(report, encoder, X))
    return report


def _resolve(given: Any, X: Any) -> tuple[Any, Any]:
    """The fitted encoder within what was given, and the coordinates that reach it."""
    encoder = encoder_within(given)
    X = coordinates_within(given, X)
    try:
        check_is_fitted(encoder)
    except NotFittedError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the report tells of it
            encoder = clone(encoder).fit(X)
    return encoder, X


def _columns_per_axis(encoder: Any) -> NDArray[np.intp] | None:
    try:
        return np.array([encoder._axis_width(axis) for axis in range(encoder.n_features_in_)])
    except NotImplementedError:  # columns of all axes together
        return None


def _asked(encoder: Any, n_axes: int) -> list[float | None]:
    asked = getattr(encoder, "stable_rank", "auto")
    if isinstance(asked, str | Real):
        asked = [asked] * n_axes
    return [None if isinstance(rank, str) else float(rank) for rank in asked]


def _try_axis(encoder: Any, axis: int, x: NDArray, n_samples: float) -> dict[str, float]:
    """What the features of one axis do at and between evenly spaced samples."""
    low, high = float(x.min()), float(x.max())
    n = max(2, round(n_samples))
    n_columns = encoder._axis_features(axis, np.array([low])).shape[1]
    most = max(16, min(_TRIED_SAMPLES, _HEAD_ENTRIES // n_columns))
    skipped = max(0, n - most) // 2
    places = np.linspace(low, high, n)[skipped : n - skipped]
    dense = _dense(encoder, axis, low, high, 4 * most + 1)
    squares = np.sum(encoder._axis_features(axis, dense) ** 2, axis=1)
    inner = squares[len(squares) // 4 : -(len(squares) // 4)]
    level = float(np.mean(inner))
    tried = {
        "ripple": float(np.max(np.abs(inner / level - 1))),
        "fading": float(max(0.0, 1 - min(squares[0], squares[-1]) / level)),
        "slow_error": math.nan,
        "gain": math.nan,
    }
    if low == high or n < 4:
        return tried
    at = encoder._axis_features(axis, places)
    between = encoder._axis_features(axis, (places[1:] + places[:-1]) / 2)
    at_mean = at.mean(axis=0)
    at, between = at - at_mean, between - at_mean  # heads have an intercept
    gram = at @ at.T
    gram.flat[:: len(gram) + 1] += _ALPHA * np.trace(gram) / len(gram)
    hat = linalg.solve(gram, at @ between.T, assume_a="pos").T
    tried["gain"] = float(linalg.norm(hat) / math.sqrt(len(hat)))
    domain_low, domain_high = encoder._ends[axis]
    held = to_numpy(encoder.stable_rank_)[axis] * np.ptp(places) / (domain_high - domain_low)
    turns = np.arange(1, min(3, math.floor(held / 2)) + 1)
    if len(turns):
        half_turns = turns / np.ptp(places)
        if getattr(encoder, "_boundaries", {axis: ""})[axis] == "periodic":
            period = domain_high - domain_low  # waves must close
            half_turns = 2 * np.maximum(1, np.round(half_turns * period / 2)) / period
        position = np.linspace(0, np.ptp(places), 2 * len(places) - 1)
        waves = np.cos(math.pi * position[:, None] * half_turns)
        known, wanted = waves[::2], waves[1::2]
        known_mean = known.mean(axis=0)
        errors = known_mean + hat @ (known - known_mean) - wanted
        errors = np.sqrt(np.mean(errors**2, axis=0)) / np.std(wanted, axis=0)
        tried["slow_error"] = float(np.max(errors))
    return tried


def _dense(encoder: Any, axis: int, low: float, high: float, most: int) -> NDArray[np.float64]:
    """Places on which ripple shows: several to a shift, over the samples in the domain."""
    domain_low, domain_high = encoder._ends[axis]
    inside = max(low, domain_low), min(high, domain_high)
    if not inside[0] < inside[1]:
        inside = domain_low, domain_high
    shifts = getattr(encoder, "shifts_", None)
    n_shifts = 64 if shifts is None else len(shifts[axis])
    # an odd number over the whole never keeps step with the shifts
    return np.linspace(*inside, min(8 * n_shifts + 61, most))


def _fit_linear(encoder: Any, X: NDArray, y: ArrayLike, random_state: Any) -> dict[str, Any]:
    """PSNR of a linear head on rows that it saw, and on others."""
    signal = check_array(
        to_numpy(y), ensure_2d=False, dtype=np.float64, input_name="y", ensure_min_samples=2
    )
    check_consistent_length(X, signal)
    data_range = float(np.ptp(signal))
    if data_range == 0:
        raise ValueError("y is constant: there is no signal to measure an encoding by")
    n_columns = encoder._n_features_out
    n = min(len(X), _HEAD_ENTRIES // n_columns)
    n = int(min(n, max(_OPERATIONS / n_columns**2, math.sqrt(_OPERATIONS / n_columns))))
    if n < min(len(X), _FEWEST):
        return {}
    rows = check_random_state(random_state).permutation(subsample(len(X), n, random_state))
    E = encoder._encode(X[rows].astype(np.float64))
    E = E.toarray() if sparse.issparse(E) else E
    n_held = max(1, n // 5)
    seen, held = slice(n_held, None), slice(n_held)
    alpha = _ALPHA * float(np.sum(E[seen] ** 2)) / n_columns
    model = Ridge(alpha=alpha, solver="cholesky").fit(E[seen], signal[rows][seen])
    scores = [
        psnr_score(signal[rows][part], model.predict(E[part]), data_range=data_range)
        for part in (seen, held)
    ]
    return {"fit_psnr": scores[0], "held_out_psnr": scores[1], "n_fitted": n - n_held}


def _memorises(report: EncodingReport, encoder: Any, has_y: bool) -> Iterator[str]:
    n, rank = report.n_measured, report.rank
    of = f"{n:,} samples" if n == report.n_samples else f"{n:,} of {report.n_samples:,} samples"
    if rank == n:
        yield (
            f"The matrix of {of} has rank {rank:,}: a linear head can fit any values at all of "
            "them."
        )
    else:
        yield (
            f"The matrix of {of} has rank {rank:,}: a linear head can fit any values at no more "
            "samples than that. A network with hidden layers is not bound by it."
        )
    shares = " x ".join(
        f"{held:.4g} of {places:.4g}"
        for held, places in zip(report.stable_rank, report.samples_per_axis, strict=True)
    )
    yield f"Easily, along each axis: about {shares} independent values (the stable rank)."
    product = getattr(encoder, "tensor_product", False)
    if report.n_axes > 1 and report.columns_per_axis is not None and not product:
        yield (
            "A linear head on it is a sum of functions of one axis each, whatever the stable "
            "rank. Signals that are not want tensor_product=True, KroneckerRidge, or hidden layers."
        )
    if not report.condition_number < _ILL_CONDITIONED:
        yield (
            "Its columns nearly depend on each other: fit linear heads with a ridge (1e-6 of the "
            "mean square will do), for plain least squares has no digits left."
        )
    if report.fit_psnr is not None and report.held_out_psnr is not None:
        yield (
            f"On y, a linear head reaches {report.fit_psnr:.1f} dB at the samples that it saw and "
            f"{report.held_out_psnr:.1f} dB at others: {_verdict(report)}."
        )
    elif has_y:
        yield (
            "It has too many columns to try a linear head on y here."
            + (" KroneckerRidge fits such products in closed form." if product else "")
        )


def _verdict(report: EncodingReport) -> str:
    """What the PSNR of a linear head says."""
    assert report.fit_psnr is not None
    assert report.held_out_psnr is not None
    assert report.n_fitted is not None
    if report.n_fitted < report.n_samples / 2:
        return f"of {report.n_samples:,} samples it saw too few to tell more"
    if report.fit_psnr < 20:
        return "it cannot hold this signal"
    if report.fit_psnr - report.held_out_psnr > 10:
        return "it memorises more than it carries over, and a lower stable rank may do better"
    return "it carries over between them"


_Check = Callable[[EncodingReport, Any, NDArray], Iterator[str]]


def _check_domain(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    boundaries = getattr(encoder, "_boundaries", ["none"] * report.n_axes)
    fates = {
        "extend": "count as its nearest end, all of them as one point",
        "cut": "meet fading columns, or none",
        "none": "are where its stable rank says nothing",
    }
    for axis, (low, high) in enumerate(encoder._ends):
        x, name = X[:, axis].astype(np.float64), report.axis_names[axis]
        if boundaries[axis] == "periodic":
            continue
        outside = float(np.mean(_uncovered(encoder, axis, X)))
        if outside:
            yield (
                f"{outside:.2%} of the samples lie outside the domain ({low:.6g}, {high:.6g}) of "
                f"axis {name} and {fates[boundaries[axis]]}: fit with a domain that covers "
                f"({x.min():.6g}, {x.max():.6g})."
            )
        elif 0 < np.ptp(x) < 0.5 * (high - low):
            yield (
                f"The samples cover {np.ptp(x) / (high - low):.0%} of the domain "
                f"({low:.6g}, {high:.6g}) of axis {name}: the columns of the rest are idle, and "
                "the stable rank is shared with it. Narrow the domain."
            )


def _check_reached(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    if report.bandwidth is None:
        return
    for axis, name in enumerate(report.axis_names):
        wanted = encoder._nominal_stable_rank(axis)
        if report.stable_rank[axis] < 0.9 * wanted and not _repeats(encoder):
            yield (
                f"Axis {name} reaches a stable rank of {report.stable_rank[axis]:.4g} where its "
                f"bandwidth means {wanted:.4g}: {encoder._advice()}."
            )


def _check_ripple(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    if not isinstance(encoder, ShiftedBasisEncoder):
        return
    for axis, name in enumerate(report.axis_names):
        if report.ripple[axis] > _RIPPLE:
            enough = math.ceil(
                encoder._basis.spacings_per_rank * encoder._nominal_stable_rank(axis)
            )
            harmless = report.slow_error[axis] <= _SLOW_ERROR
            yield (
                f"Axis {name} has fewer shifts than its bandwidth needs: squared row norms ripple "
                f'by {report.ripple[axis]:.0%}. Set n_shifts="auto" or at least {enough + 1}, or '
                "widen the bandwidth."
                + (" A linear head does not mind here, a network may." if harmless else "")
            )
        elif report.fading[axis] > _FADING:
            yield (
                f"Encodings fade towards the ends of axis {name}: squared row norms fall by "
                f'{report.fading[axis]:.0%} there. Set boundary="extend".'
            )


def _check_slow(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    if encoder._made_to_learn:
        return
    for axis, name in enumerate(report.axis_names):
        covered = not any(_uncovered(encoder, axis, X))
        explained = report.similarity_radius[axis] < report.spacing[axis] or not covered
        if not report.slow_error[axis] > _SLOW_ERROR or explained:
            continue
        way_out = "raise the stable rank, or take another encoding"
        if isinstance(getattr(encoder, "_basis", None), Rectangle):
            way_out = "it is piecewise constant. Raise the stable rank, or take a smooth basis"
        elif isinstance(encoder, ShiftedBasisEncoder) and not _repeats(encoder):
            way_out = (
                "its width lies between the harmonics of the grid of its shifts, or leaves gaps. "
                'Leave n_shifts="auto", or make the width a whole number of their spacings'
            )
        yield (
            f"Fitted to slow waves at samples along axis {name}, a linear head misses them by "
            f"{report.slow_error[axis]:.0%} half-way between: {way_out}."
        )


def _check_gain(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    for axis, name in enumerate(report.axis_names):
        if report.gain[axis] > _GAIN:
            yield (
                f"Fitted to noise along axis {name}, a linear head is {report.gain[axis]:.3g} "
                "times as large between the samples as at them: it has about as many columns that "
                f"matter as the {report.samples_per_axis[axis]:.4g} places of the samples. Take "
                "clearly more or fewer, or a stronger ridge."
            )


def _check_resolution(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    for axis, name in enumerate(report.axis_names):
        places, radius = report.samples_per_axis[axis], report.similarity_radius[axis]
        if places < 8:
            continue
        if radius < report.spacing[axis]:
            yield (
                f"Along axis {name} neighbouring samples, {report.spacing[axis]:.4g} apart, share "
                f"nothing: the similarity is gone within {radius:.4g}. It memorises and carries "
                f"nothing over; lower the stable rank to {0.15 * places:.3g} to "
                f"{0.45 * places:.3g}."
            )
        elif report.stable_rank[axis] < 0.05 * places:
            yield (
                f"Along axis {name} the stable rank is {report.stable_rank[axis] / places:.1%} of "
                "the samples: detail finer than that is hard to learn. Raise it unless the "
                "signal is as smooth."
            )


def _uncovered(encoder: Any, axis: int, X: NDArray) -> NDArray[np.bool_]:
    """Which samples lie outside the domain of an axis, by more than rounding."""
    (low, high), x = encoder._ends[axis], X[:, axis].astype(np.float64)
    slack = 1e-6 * (high - low)
    return (x < low - slack) | (x > high + slack)


def _repeats(encoder: Any) -> bool:
    """Whether the basis of an encoder is periodic, whose stable rank nothing changes."""
    basis = getattr(encoder, "_basis", None)
    return basis is not None and basis.period is not None


_CHECKS: list[_Check] = [
    _check_domain,
    _check_reached,
    _check_ripple,
    _check_slow,
    _check_gain,
    _check_resolution,
]
