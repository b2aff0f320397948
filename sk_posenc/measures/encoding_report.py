"""Measuring an encoding of coordinates: all that a report tells."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.encoding import AxisTraits
from sk_posenc.core.poor_fit import poor_fits_untold
from sk_posenc.core.samples_per_axis import samples_per_axis
from sk_posenc.core.settings import parse_integer
from sk_posenc.core.shortfalls import shortfalls_untold
from sk_posenc.measures._advice import memorises, traps
from sk_posenc.measures._layout_advice import layout_findings
from sk_posenc.measures._trials import fit_linear, try_axis
from sk_posenc.measures.held_encoder import coordinates_within, encoder_within
from sk_posenc.measures.report import EncodingReport
from sk_posenc.measures.sample_layout import sample_layout
from sk_posenc.measures.similarity_radius import similarity_radius
from sk_posenc.measures.spectrum import (
    rows_that_fit,
    spectrum_of_encoding,
    subsample,
)


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
        Of an unfitted encoder a clone is fitted on `X`. The steps of a Pipeline before its
        encoder are applied to `X`.
    X : array-like of shape (n_samples, n_axes)
        Coordinates.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        A signal there. The report then says how well a linear head fits it.
    max_samples : int, default=2000
        Largest number of rows, drawn at random, for the rank, stable rank and condition
        number of the whole matrix. Fewer are used where there are very many columns.
    random_state : int, RandomState instance or None, default=0
        Decides the rows.

    Returns
    -------
    EncodingReport
        With every number as an attribute, a text form and an HTML form.

    Raises
    ------
    ValueError
        For coordinates or targets that are not finite, or differ in length.
    TypeError
        Where no encoder of this package is found.

    Notes
    -----
    The report tests an encoding between the samples. Along each axis a linear head with a
    weak ridge is fitted to slow cosines at the places of the samples, and predicts the values
    half-way between them. Where the bandwidth of a triangle or a rectangle is not a whole number
    of the spacings between its shifts, the shifted functions do not add up to a constant. Then
    the head misses even these cosines, often by a tenth or more. Such a head is also fitted to
    white noise. With about as many columns as samples, its values are far larger between the
    samples than at them (double descent).

    It also says how the samples lie: uneven along an axis, farther apart along one axis than
    along another, clustered, along a track that leaves most of their box empty, or several at
    one place. Numbers and findings are in the attribute ``layout``. Samples on a grid, and
    uniformly random ones, are no finding.

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
    max_samples = parse_integer(max_samples, "max_samples", at_least=2)
    with config_context(array_api_dispatch=False):
        return _report(encoder, X, y, max_samples, random_state)


def _report(
    given: Any, X: ArrayLike, y: ArrayLike | None, max_samples: int, random_state: Any
) -> EncodingReport:
    encoder, X = _resolve(given, to_numpy(X))
    X = np.asarray(encoder._check_coordinates(X, "encoding_report"))
    if len(X) < 2:
        raise ValueError(f"a report needs at least 2 samples. Got {len(X)}.")
    head = {} if y is None else fit_linear(encoder, X, y, random_state)
    n_measured = rows_that_fit(encoder, len(X), max_samples)
    spectrum = spectrum_of_encoding(encoder, X[subsample(len(X), n_measured, random_state)])
    n_axes, n_per_axis = X.shape[1], samples_per_axis(X)
    spacing = np.ptp(X.astype(np.float64), axis=0) / np.maximum(n_per_axis - 1, 1)
    traits = [encoder._axis_traits(axis) for axis in range(n_axes)]
    trials = []
    for axis in range(n_axes):
        own, number, x = encoder._as_seen(axis, X[:, axis])
        trials.append(try_axis(own, number, x, n_per_axis[axis]))
    report = EncodingReport(
        encoder=" ".join(repr(encoder).split()),
        n_samples=len(X),
        n_measured=n_measured,
        n_axes=n_axes,
        n_features=encoder._n_features_out,
        axis_names=[str(name) for name in getattr(encoder, "feature_names_in_", range(n_axes))],
        samples_per_axis=n_per_axis,
        spacing=spacing,
        columns_per_axis=_columns_per_axis(encoder),
        stable_rank_asked=[each.asked for each in traits],
        stable_rank=to_numpy(encoder.stable_rank_),
        bandwidth=_bandwidths(traits),
        similarity_radius=similarity_radius(encoder),
        ripple=np.array([trial["ripple"] for trial in trials]),
        fading=np.array([trial["fading"] for trial in trials]),
        slow_error=np.array([trial["slow_error"] for trial in trials]),
        gain=np.array([trial["gain"] for trial in trials]),
        layout=sample_layout(X, n_per_axis, spacing),
        whole_stable_rank=spectrum.stable_rank,
        rank=spectrum.rank,
        condition_number=spectrum.condition_number,
        **head,
    )
    report.memorises.extend(memorises(report, encoder, y is not None))
    report.layout.findings.extend(layout_findings(report, encoder))
    report.warnings.extend(traps(report, encoder, X))
    return report


def _resolve(given: Any, X: Any) -> tuple[Any, Any]:
    """The fitted encoder within what was given, and the coordinates that reach it."""
    encoder = encoder_within(given)
    X = coordinates_within(given, X)
    try:
        check_is_fitted(encoder)
    except NotFittedError:
        with shortfalls_untold(), poor_fits_untold():  # the report tells of them
            encoder = clone(encoder).fit(X)
    return encoder, X


def _columns_per_axis(encoder: Any) -> NDArray[np.intp] | None:
    try:
        return np.array([encoder._axis_width(axis) for axis in range(encoder.n_features_in_)])
    except NotImplementedError:  # columns of all axes together
        return None


def _bandwidths(traits: list[AxisTraits]) -> NDArray[np.float64] | None:
    """NaN for an axis whose encoder has none, None where no axis has one."""
    widths = [np.nan if each.bandwidth is None else each.bandwidth for each in traits]
    return None if np.isnan(widths).all() else np.array(widths)
