"""One axis of a Kronecker ridge problem: encoder, features and penalty."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from sk_posenc.core.limits import limits_now
from sk_posenc.core.products import evaluate_at_rows
from sk_posenc.core.samples_per_axis import is_even
from sk_posenc.encoders.axis_functions import AxisSamples
from sk_posenc.encoders.axis_settings import is_automatic
from sk_posenc.encoders.axis_spacing import AxisSpacing
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._encoders import encoders_per_axis, fit_axis
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._smoothness import SmoothAxis, smooth_axis
from sk_posenc.kronecker._spacing import (
    features_through,
    fit_spacing,
    parse_spacing,
)
from sk_posenc.kronecker._whitening import Whitening, unwhiten, whiten
from sk_posenc.kronecker.penalties import Penalty

# Coordinates of an axis that show how large its functions are.
_PROBED = 4_096


@dataclass(eq=False)
class Axis:
    """What one axis brings to the problem: its encoder, features and penalty.

    Attributes
    ----------
    encoder : fitted encoder of one axis
    coordinates : ndarray of shape (n,)
        As the encoder sees them: mapped by `spacing`.
    penalty : Penalty
    alone : bool
        Whether there is no other axis.
    spacing : AxisSpacing or None
        What maps coordinates before they are encoded.
    """

    encoder: Any
    coordinates: NDArray
    penalty: Penalty
    alone: bool
    spacing: AxisSpacing | None = None

    @cached_property
    def features(self) -> NDArray[np.float64]:
        """Without weights, (n, k)."""
        return self.penalty.functions(self, self.coordinates)

    @cached_property
    def n_columns(self) -> int:
        return self.penalty.functions(self, self.coordinates[:1]).shape[1]

    @cached_property
    def smooth(self) -> SmoothAxis:
        return smooth_axis(self.encoder)

    @cached_property
    def whitening(self) -> Whitening | None:
        """Of the penalty; where axes add to it, of the size of functions alone."""
        return self.penalty.whitening(self)

    def at(self, x: NDArray, order: int = 0) -> NDArray[np.float64]:
        if order == 0 and np.array_equal(x, self.coordinates):
            return self.features
        return self.penalty.functions(self, x, order)

    def in_units(self, x: NDArray, order: int = 0) -> NDArray[np.float64]:
        """Features of coordinates in the units of `X`, or their derivatives."""
        return features_through(self.spacing, self.at, x, order)

    def on(self, x: NDArray) -> "Axis":
        """The same functions on other coordinates, in the units of `X`."""
        return replace(self, coordinates=x if self.spacing is None else self.spacing(x))

    def white(self, features: NDArray) -> NDArray:
        return whiten(features, self.whitening)

    def diagonalised(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients c = M z with the penalty the identity; M and mean squares of z."""
        if self.penalty.adds_up(1 if self.alone else 2):
            return self.smooth.basis, np.ones(self.smooth.basis.shape[1])
        step = max(1, len(self.coordinates) // _PROBED)
        white = self.white(self.features if step == 1 else self.at(self.coordinates[::step]))
        sizes, Q = linalg.eigh(white.T @ white / len(white), driver="evd", check_finite=False)
        return unwhiten(Q, self.whitening), np.maximum(sizes, 0.0)


class Expansion:
    """Sums of products of one function of each axis, times coefficients.

    Attributes
    ----------
    axes : list of Axis
    is_dual : bool
        Whether coefficients of samples take the place of those of functions.
    on_host : bool
        Whether predictions need NumPy.
    """

    axes: list[Axis]
    is_dual = on_host = False

    @property
    def row_width(self) -> int:
        """Numbers that the features of a point take."""
        return sum(axis.n_columns for axis in self.axes)

    def features_at(
        self, coordinates: Sequence[NDArray], orders: Sequence[int]
    ) -> list[NDArray[np.float64]]:
        """Features of each axis, or their derivatives."""
        return [
            axis.in_units(x, order)
            for axis, x, order in zip(self.axes, coordinates, orders, strict=True)
        ]

    def along_axes(self, solution: NDArray) -> NDArray | None:
        """Coefficients (q, k_1, ..., k_d) of the products; None where only rows have values."""
        return solution

    def predict_rows(self, solution: NDArray, features: Sequence[NDArray]) -> NDArray:
        """Values at points given by their features of each axis; (m, q), in blocks."""
        m, out = len(features[0]), np.empty((len(features[0]), len(solution)))
        rows = max(1, limits_now().block_bytes // (8 * (solution.size // solution.shape[1])))
        for start in range(0, m, rows):
            at = slice(start, start + rows)
            out[at] = evaluate_at_rows(solution, [each[at] for each in features])
        return out


def diagonalise(
    axes: Sequence[Axis], penalty: Penalty
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients of conjugate gradients, in which the penalty is diagonal.

    Returns
    -------
    rotations : list of d ndarrays of shape (k_a, r_a)
        From them to coefficients.
    size : ndarray of shape (r_1, ..., r_d)
        Mean squares of the functions.
    per_alpha : ndarray of shape (r_1, ..., r_d)
        The penalty.
    """
    rotations, sizes = zip(*(axis.diagonalised() for axis in axes), strict=True)
    size = np.ones(())
    for each in sizes:
        size = np.multiply.outer(size, each)
    own = penalty.strengths(axes)
    return list(rotations), size, np.ones_like(size) if own is None else own


def fit_axes(
    samples: Samples,
    encoder: Any,
    penalty: Penalty,
    share: float | None,
    spacing: Any = 0.0,
) -> list[Axis]:
    clones = encoders_per_axis(encoder, len(samples.coordinates))
    strengths = parse_spacing(spacing, len(clones))
    axes: list[Axis] = []
    for a, (own, x) in enumerate(zip(clones, samples.coordinates, strict=True)):
        for b in range(a):
            alike = strengths[b] == strengths[a] and np.array_equal(samples.coordinates[b], x)
            if alike and same_settings(clones[b], own):
                axes.append(axes[b])
                break
        else:
            n = float(samples.n_per_axis[a])
            mapped = fit_spacing(own, x, strengths[a], a)
            places = x if mapped is None else mapped(x)
            on_grid = samples.on_grid and (mapped is None or is_even(places))
            finer = penalty.finer(on_grid)
            if len(clones) == 1 and n > limits_now().lines_from and is_sized(own, share):
                on_grid, finer = False, 1.0  # shifts for the resolution, not for each sample
            known = AxisSamples(places, n, on_grid, share, finer)
            fitted = fit_axis(own, known)
            axes.append(Axis(fitted, places, penalty, len(clones) == 1, mapped))
    return axes


def is_sized(encoder: Any, share: float | None) -> bool:
    """Whether the width of shifted functions is given."""
    if not isinstance(encoder, ShiftedBasisEncoder):
        return False
    return not (share is None and is_automatic(encoder.stable_rank) and encoder.bandwidth is None)


def same_settings(first: Any, second: Any) -> bool:
    """Whether two unfitted encoders are of one class and have equal parameters."""
    if type(first) is not type(second):
        return False
    one, two = first.get_params(deep=False), second.get_params(deep=False)
    return all(_alike(value, two[name]) for name, value in one.items())


def _equal(one: Any, two: Any) -> bool:
    try:
        return np.shape(one) == np.shape(two) and bool(np.all(np.equal(one, two)))
    except TypeError:  # a word and a number
        return False


def _alike(one: Any, two: Any) -> bool:
    """Whether settings are equal: values, or copies of an object such as a basis or a seed."""
    if _equal(one, two):
        return True
    if type(one) is not type(two):
        return False
    contents = [getattr(each, "__dict__", each) for each in (one, two)]
    try:
        return bool(joblib.hash(contents[0]) == joblib.hash(contents[1]))
    except Exception:  # what does not pickle cannot be compared
        return False
