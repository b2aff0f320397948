"""What the layout of samples means for an encoding, in words, and what to do."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sk_posenc.measures.report import EncodingReport
from sk_posenc.measures.sample_layout import NEARLY_REPEATED

# Uniformly random samples stay below both, from 50 in up to four axes. Samples in six blobs that
# overlap, with a third of the samples anywhere, are above.
_UNEVEN, _CLUSTERED = 0.45, 0.4

# Spacings along two axes that differ by less are served about as well by one width.
_ANISOTROPIC = 3.0

# A few repeats come from rounding, and change nothing.
_REPEATED = 0.05


def layout_findings(report: EncodingReport, encoder: Any) -> Iterator[str]:
    """What is uneven, anisotropic, clustered, on a track or repeated, each with what to do."""
    checks = (_check_uneven, _check_anisotropic, _check_clustered, _check_track, _check_repeated)
    for check in checks:
        yield from check(report, encoder)


def _check_uneven(report: EncodingReport, encoder: Any) -> Iterator[str]:
    layout = report.layout
    for axis, name in enumerate(report.axis_names):
        if layout.unevenness[axis] > _UNEVEN:
            yield (
                f"Along axis {name} the samples are uneven: their density varies by "
                f"{layout.unevenness[axis]:.0%} of its mean, and half of them lie in "
                f"{layout.half_within[axis]:.0%} of the range. A stable rank that suits the dense "
                "parts is too high for the others. Put SpacingTransformer in front, which maps "
                "each axis through the quantiles of its samples, or take the logarithm where the "
                "axis is spaced by it."
            )


def _check_anisotropic(report: EncodingReport, encoder: Any) -> Iterator[str]:
    widths = np.array([high - low for low, high in encoder._ends]) / report.stable_rank
    wide = np.flatnonzero((report.samples_per_axis >= 3) & (report.spacing > 0))
    if not report.layout.anisotropy > _ANISOTROPIC:
        return
    coarse = wide[np.argmax(report.spacing[wide])]
    fine = wide[np.argmin(report.spacing[wide])]
    if widths[coarse] <= _ANISOTROPIC * widths[fine]:
        return  # the stable ranks make up for it
    told = [
        f"{report.spacing[axis]:.3g} apart along axis {report.axis_names[axis]} (stable rank "
        f"{report.stable_rank[axis]:.3g}, one for every {widths[axis]:.3g})"
        for axis in (coarse, fine)
    ]
    yield (
        f"Samples are {' and '.join(told)}: {report.layout.anisotropy:.3g} times as far. That is "
        "right where the axes have different units. Where they have the same, and the signal is "
        "as rough along both, set a stable_rank for each axis in proportion to its range, or let "
        "KroneckerRidgeCV() choose."
    )


def _check_clustered(report: EncodingReport, encoder: Any) -> Iterator[str]:
    if report.layout.clustering > _CLUSTERED:
        yield (
            "The samples are clustered: with each axis mapped so that it is even, the room that a "
            f"sample has still varies by {report.layout.clustering:.0%} of its mean. No map of "
            "single axes evens that out. Let KroneckerRidgeCV() choose how much to smooth, and "
            "trust values between the clusters less, or add samples there."
        )


def _check_track(report: EncodingReport, encoder: Any) -> Iterator[str]:
    if report.layout.is_track:
        yield (
            "The samples lie along a track, a line or a curve, which fills no area: on average a "
            f"place in their box is {report.layout.emptiness:.0%} of its side away from the "
            "nearest sample. Off the track predictions are guesses, and even wide error bars can "
            "be too narrow there. Use the distance along the track as the one axis, or take "
            "samples across it."
        )


def _check_repeated(report: EncodingReport, encoder: Any) -> Iterator[str]:
    layout = report.layout
    repeated = 1 - layout.n_places / layout.n_samples
    if repeated > _REPEATED:
        yield (
            f"{repeated:.0%} of the samples repeat the place of another: {layout.n_samples:,} "
            f"samples have {layout.n_places:,} places, and the stable rank goes by places. Average "
            "the samples of a place, with their number as sample_weight: the fit is the same, and "
            "no fold then tests at a place that it was trained on."
        )
    if layout.nearly_repeated > NEARLY_REPEATED:
        yield (
            f"{layout.nearly_repeated:.0%} of the places nearly repeat another: they are 3,000 "
            "times as near to it as to the eighth nearest. Their values differ by noise alone. "
            "Round the coordinates, then average the samples of a place, with their number as "
            "sample_weight."
        )
