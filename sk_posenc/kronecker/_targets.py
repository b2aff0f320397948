"""Targets in units of their own, so that nothing hangs on the unit of y."""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.arrays import SQUARED_UP_TO
from sk_posenc.core.checks import within_floats
from sk_posenc.kronecker._samples import Samples

# A target that varies by less than this share of its size varies by rounding only.
_CONSTANT = 1e-13

TOO_LARGE = (
    "y is so large that floats do not hold sums or differences of it: scale y, and then "
    "predictions back. Got numbers up to {:.3g}."
)

# Targets that vary by more have no scores: squares of twice their residuals are no floats.
_SCORED_UP_TO = 1e153

_NOT_BACK = (
    "y is so large, and alpha so small, that coefficients are beyond floats: raise alpha, or scale "
    "y, and then predictions back. Got a spread of {:.1g}."
)


def check_squared(spread: float) -> None:
    """Raise a ValueError where the noise variance of y would be beyond floats."""
    if spread > SQUARED_UP_TO:
        raise ValueError(
            "y is too large for its noise variance to be a number: divide it by its spread. "
            f"Got a spread of {spread:.1g}."
        )


class Units:
    """Units of several targets.

    Parameters
    ----------
    samples : Samples
    columns : ndarray of shape (n_samples, q)

    Attributes
    ----------
    mean : ndarray of shape (q,)
    spread : ndarray of shape (q,)
        Standard deviation; infinite for constant targets, which count for nothing.
    exact : ndarray of shape (q,)
        The power of 2 nearest to it, in which no digit changes; 1 for constant targets.
    size : float
        Root mean square of the spreads.
    """

    def __init__(self, samples: Samples, columns: NDArray) -> None:
        with within_floats(lambda: TOO_LARGE.format(np.max(np.abs(columns)))):
            self.mean = samples.mean(columns)
            centred = columns.astype(np.float64, copy=False) - self.mean
        largest = np.max(np.abs(centred), axis=0)
        within = np.where(largest > 0, largest, 1.0)
        spread = within * np.sqrt(samples.mean((centred / within) ** 2))
        varies = spread > _CONSTANT * np.abs(self.mean)
        self.spread = np.where(varies, spread, np.inf)
        self.exact = np.ones_like(spread)
        self.exact[varies] = 2.0 ** np.round(np.log2(spread[varies]))
        largest_spread = float(np.max(spread[varies], initial=0.0))
        self.size = largest_spread * float(
            np.sqrt(np.mean((np.where(varies, spread, 0.0) / (largest_spread or 1.0)) ** 2))
        )

    @classmethod
    def joined(cls, parts: Sequence[tuple[NDArray, "Units"]]) -> Self:
        """Those of all outputs, from units of some columns each."""
        own = cls.__new__(cls)
        n_outputs = sum(len(columns) for columns, _ in parts)
        own.mean, own.spread, own.exact = np.empty((3, n_outputs))
        for columns, part in parts:
            own.mean[columns], own.spread[columns] = part.mean, part.spread
            own.exact[columns] = part.exact
        largest = max(part.size for _, part in parts) or 1.0
        squares = sum(len(columns) * (part.size / largest) ** 2 for columns, part in parts)
        own.size = largest * float(np.sqrt(squares / n_outputs))
        return own

    def scaled(self, cells: NDArray) -> NDArray:
        """Centred targets (q, ...) in their exact units."""
        return cells / self.along(cells)

    def back(self, cells: NDArray) -> NDArray:
        """The way back; a ValueError for what would be beyond floats."""
        with within_floats(lambda: _NOT_BACK.format(self.exact.max())):
            return cells * self.along(cells)

    def along(self, cells: NDArray) -> NDArray:
        """The exact units, to divide targets (q, ...) by."""
        units = self.exact.reshape(-1, *[1] * (cells.ndim - 1))
        return units.astype(cells.dtype)

    def relative(self, columns: NDArray) -> NDArray[np.float64]:
        """Errors or centred targets (n, q), each in its own spread."""
        return columns / self.spread

    def standardised(self, columns: NDArray) -> NDArray[np.float64]:
        """Targets (n, q) less their mean, each in its own spread."""
        return self.relative(columns.astype(np.float64, copy=False) - self.mean)

    def explained(self, score: float) -> float:
        """The share of the variance that a score leaves; NaN where all targets are constant."""
        n_varying = np.count_nonzero(np.isfinite(self.spread))
        if not n_varying:
            return math.nan
        relative = -score / self.size / self.size  # a square may be 0 or infinite
        return float(1 - relative * len(self.spread) / n_varying)

    def check_scored(self) -> None:
        """Raise a ValueError where squares of the targets are beyond floats."""
        if self.size > _SCORED_UP_TO:
            raise ValueError(
                f"y must vary by less than {_SCORED_UP_TO:.2g}, as scores are its squares: scale "
                f"y, and then predictions back. Got a spread of {self.size:.3g}."
            )

    def scores(self, relative: NDArray) -> NDArray[np.float64]:
        """Scores in squares of the unit of y, as if all targets had the spread `size`."""
        return np.where(np.isnan(relative), np.nan, relative * np.square(self.size))
