"""The report on an encoding: its numbers, as text and as HTML."""

import html
import math
import textwrap
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.measures.sample_layout import SampleLayout


@dataclass(frozen=True)
class EncodingReport:
    """Numbers about an encoding of coordinates, and advice that follows from them.

    ``print(report)`` shows it as text, a notebook as a table.

    Attributes
    ----------
    encoder : str
        What was measured.
    n_samples, n_measured, n_axes, n_features : int
        Number of rows, of rows that the whole matrix was measured on, of axes, of columns.
    axis_names : list of str
    samples_per_axis : ndarray of shape (n_axes,)
        Number of independent places along each axis, by water-filling.
    spacing : ndarray of shape (n_axes,)
        Range of the samples divided by the number of gaps between these places, in
        coordinate units.
    columns_per_axis : ndarray of shape (n_axes,) or None
        None where columns belong to all axes together.
    stable_rank_asked : list of float or None
        Requested per axis; None where it is "auto", or set by another parameter.
    stable_rank : ndarray of shape (n_axes,)
        Stable rank along each axis, the other coordinates fixed.
    bandwidth : ndarray of shape (n_axes,) or None
        In coordinate units. NaN for an axis without a bandwidth, None where no axis has one.
    similarity_radius : ndarray of shape (n_axes,)
        Where the similarity falls to a tenth, in coordinate units.
    ripple : ndarray of shape (n_axes,)
        Largest relative deviation of the squared norm of a row from its mean, along the
        middle of an axis.
    fading : ndarray of shape (n_axes,)
        Share of the squared norm that is lost at the ends of an axis.
    slow_error : ndarray of shape (n_axes,)
        Largest error between evenly spaced samples of a linear head that is fitted at them to
        cosines of up to three half-turns, relative to the cosine. NaN where even these are
        finer than the stable rank.
    gain : ndarray of shape (n_axes,)
        Size of such a head's fit to white noise between the samples, divided by its size at
        them. A well-behaved interpolation has about 1.
    layout : SampleLayout
        How the samples lie: evenly, crowded, in clusters, along a track, or several at one place.
    whole_stable_rank : float
    rank : int
        Of the rows measured.
    condition_number : float
        Infinite where columns, or rows, are linearly dependent up to rounding.
    memorises : list of str
        What it can memorise.
    warnings : list of str
        Problems, each with what to change.
    fit_psnr, held_out_psnr : float or None
        With `y`: PSNR in dB, relative to the range of `y`, of a linear head on the rows that
        it was fitted on, and on the fifth of the rows that was held out.
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
    layout: SampleLayout
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
        lie = self.layout.findings or ["Evenly, or at random."]
        return [
            ("What it can memorise", self.memorises),
            ("How the samples lie", lie),
            ("What to change", change),
        ]

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
