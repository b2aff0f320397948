"""What the numbers of a report mean, in words, and what to change."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.outside import FATES, outside
from sk_posenc.core.wording import counted
from sk_posenc.measures.report import EncodingReport

# Within these bounds there is no warning.
_RIPPLE, _FADING, _SLOW_ERROR, _GAIN = 0.05, 0.1, 0.03, 2.0
_ILL_CONDITIONED = 1e12


def memorises(report: EncodingReport, encoder: Any, has_y: bool) -> Iterator[str]:
    """What it can memorise."""
    n, rank = report.n_measured, report.rank
    of = f"{n:,} samples" if n == report.n_samples else f"{n:,} of {report.n_samples:,} samples"
    if rank == n:
        yield (
            f"The matrix of {of} has rank {rank:,}: a linear head can fit any values at all of "
            "them."
        )
    else:
        yield (
            f"The matrix of {of} has rank {rank:,}: a linear head can fit any values at up to "
            f"{counted(rank, 'sample')}. Networks with hidden layers do not have this limit."
        )
    shares = " x ".join(
        f"{held:.4g} of {places:.4g}"
        for held, places in zip(report.stable_rank, report.samples_per_axis, strict=True)
    )
    yield f"The stable rank: along each axis it fits about {shares} independent values easily."
    product = encoder._is_product()
    if report.n_axes > 1 and report.columns_per_axis is not None and not product:
        yield (
            "At any stable rank, a linear head on it is a sum of functions of one axis each. "
            "Other signals need tensor_product=True, KroneckerRidge, or hidden layers."
        )
    if encoder._is_penalised():
        yield (
            "These numbers describe the encoding alone. Its Kronecker head adds a penalty, and so "
            "has other errors and another condition number (condition_)."
        )
        if encoder._is_of_axes_alone():
            yield (
                'The numbers of each axis hold for penalty="radial" too. Those of the whole matrix '
                "are of the products of the axes, and its kernel is no product."
            )
    elif not report.condition_number < _ILL_CONDITIONED:
        yield (
            "Its columns are nearly linearly dependent: fit linear heads with a ridge (1e-6 of "
            "the mean square is enough), as plain least squares has no digits left."
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
        return f"it saw too few of {report.n_samples:,} samples to say more"
    if report.fit_psnr < 20:
        return "it cannot hold this signal"
    if report.fit_psnr - report.held_out_psnr > 10:
        return "it memorises more than it generalises, and a lower stable rank may be better"
    return "it generalises between samples"


def traps(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    """Problems of the encoding, each with what to change."""
    checks = [_check_domain, _check_reached]
    if not encoder._is_penalised():  # else the penalty decides what is between the samples
        checks += [_check_ripple, _check_slow, _check_gain, _check_resolution]
    for check in checks:
        yield from check(report, encoder, X)


def _check_domain(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    for axis, (low, high) in enumerate(encoder._ends):
        x, name = X[:, axis].astype(np.float64), report.axis_names[axis]
        boundary = encoder._boundary(axis)
        if boundary == "periodic":
            continue
        uncovered = float(np.mean(_uncovered(encoder, axis, X)))
        if uncovered:
            yield (
                f"{uncovered:.2%} of the samples lie outside the domain ({low:.6g}, {high:.6g}) of "
                f"axis {name} and {FATES[boundary]}: fit with a domain that covers "
                f"({x.min():.6g}, {x.max():.6g})."
            )
        elif 0 < np.ptp(x) < 0.5 * (high - low):
            yield (
                f"The samples cover {np.ptp(x) / (high - low):.0%} of the domain "
                f"({low:.6g}, {high:.6g}) of axis {name}: the rest takes up columns and stable "
                "rank, but is not used. Narrow the domain."
            )


def _check_reached(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    for axis, name in enumerate(report.axis_names):
        traits = encoder._axis_traits(axis)
        if traits.nominal is None or traits.repeats:
            continue
        if report.stable_rank[axis] < 0.9 * traits.nominal:
            yield (
                f"Axis {name} reaches a stable rank of {report.stable_rank[axis]:.4g}, but "
                f"{traits.nominal:.4g} is expected for its bandwidth: {traits.way_out}."
            )


def _check_ripple(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    for axis, name in enumerate(report.axis_names):
        enough = encoder._axis_traits(axis).enough_shifts
        if enough is None:
            continue
        if report.ripple[axis] > _RIPPLE:
            harmless = report.slow_error[axis] <= _SLOW_ERROR
            yield (
                f"Axis {name} has fewer shifts than its bandwidth needs: squared row norms ripple "
                f'by {report.ripple[axis]:.0%}. Set n_shifts="auto" or at least {enough}, or '
                "widen the bandwidth."
                + (" A linear head is not harmed here, a network may be." if harmless else "")
            )
        elif report.fading[axis] > _FADING:
            yield (
                f"Encodings fade towards the ends of axis {name}: squared row norms fall by "
                f'{report.fading[axis]:.0%} there. Set boundary="extend".'
            )


def _check_slow(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    for axis, name in enumerate(report.axis_names):
        own, traits = encoder._of_axis(axis)[0], encoder._axis_traits(axis)
        if own._learns_by_default:
            continue
        covered = not any(_uncovered(encoder, axis, X))
        explained = report.similarity_radius[axis] < report.spacing[axis] or not covered
        if not report.slow_error[axis] > _SLOW_ERROR or explained:
            continue
        way_out = "raise the stable rank, or use another encoding"
        if traits.in_steps:
            way_out = "it is piecewise constant. Raise the stable rank, or use a smooth basis"
        elif traits.n_shifts is not None and not traits.repeats:
            way_out = (
                "its width is not a whole number of the spacings of its shifts, or leaves gaps. "
                'Leave n_shifts="auto", or make it a whole number of them'
            )
        yield (
            f"A linear head that is fitted to slow waves at samples along axis {name} misses them "
            f"by {report.slow_error[axis]:.0%} half-way between: {way_out}."
        )


def _check_gain(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    for axis, name in enumerate(report.axis_names):
        if report.gain[axis] > _GAIN:
            yield (
                f"A linear head that is fitted to noise along axis {name} is "
                f"{report.gain[axis]:.3g} times as large between the samples as at them: it has "
                f"about as many relevant columns as the {report.samples_per_axis[axis]:.4g} places "
                "of the samples. Use clearly more or fewer columns, or a stronger ridge."
            )


def _check_resolution(report: EncodingReport, encoder: Any, X: NDArray) -> Iterator[str]:
    for axis, name in enumerate(report.axis_names):
        places, radius = report.samples_per_axis[axis], report.similarity_radius[axis]
        if places < 8:
            continue
        if radius < report.spacing[axis]:
            yield (
                f"Along axis {name} neighbouring samples, {report.spacing[axis]:.4g} apart, share "
                f"nothing: the similarity falls to a tenth within {radius:.4g}. It memorises but "
                f"does not generalise: lower the stable rank to {0.15 * places:.3g} to "
                f"{0.45 * places:.3g}."
            )
        elif report.stable_rank[axis] < 0.05 * places:
            yield (
                f"Along axis {name} the stable rank is {report.stable_rank[axis] / places:.1%} of "
                "the samples: finer detail is hard to learn. Raise it unless the signal is as "
                "smooth."
            )


def _uncovered(encoder: Any, axis: int, X: NDArray) -> NDArray[np.bool_]:
    """Which samples lie outside the domain of an axis, by more than rounding."""
    mask: NDArray[np.bool_] = outside(X[:, axis].astype(np.float64), encoder._ends[axis])
    return mask
