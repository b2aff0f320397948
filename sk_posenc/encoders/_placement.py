"""Where the shifts of an axis stand, and how wide their basis is."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.memory import check_memory
from sk_posenc.encoders.axis_settings import auto_stable_rank, check_bandwidth
from sk_posenc.encoders.bases import Impulse, Rectangle
from sk_posenc.encoders.basis import ROUNDING, Basis

# Shifts that are this many units in the last digit apart are different numbers.
_LAST_DIGITS = 2

# Bytes that fit needs per shift: its place, and the work for the stable rank.
_FIT_BYTES = 100


@dataclass(frozen=True)
class Placement:
    """Places shifts on an axis.

    Attributes
    ----------
    axis : int
        For messages.
    low, high : float
        Ends of the domain.
    basis : Basis
    boundary : {"extend", "periodic", "cut"}
    """

    axis: int
    low: float
    high: float
    basis: Basis
    boundary: str

    @property
    def length(self) -> float:
        return self.high - self.low

    def local(
        self, rank: float | None, width: float | None, count: int | None, n_samples: float
    ) -> tuple[float, NDArray[np.float64], float]:
        """Bandwidth, shifts and their spacing, of a basis that ends."""
        basis = self.basis
        fixed = width is not None and not isinstance(basis, Impulse)
        if width is None:
            width = self._width_of_rank(rank, count, n_samples)
        check_bandwidth(self.axis, width, self.length)
        shifts, spacing = self._shifts(width, count)
        if isinstance(basis, Rectangle) and not fixed and count is None:
            # a circle holds a whole number of spacings; the width keeps its number of them
            width = spacing * basis.spacings_per_rank
        return width, shifts, spacing

    def repeating(
        self, rank: float | None, width: float | None, count: int | None
    ) -> tuple[float, NDArray[np.float64]]:
        """Bandwidth and shifts over whole periods, of a basis that repeats."""
        basis, length = self.basis, self.length
        assert basis.period is not None
        width = self._width_of_period(rank, width, basis.period)
        period = width * basis.period
        turns = max(1, math.ceil(length / period - 1e-6))
        covered = turns * period if self.boundary != "cut" else length
        if count is None:
            per_period = math.ceil(basis.spacings_per_rank * basis.stable_rank(1.0))
            self._refuse_too_many(covered / period * per_period)
            count = max(1, round(covered / period * per_period))
        self._refuse_too_many(count)
        self._refuse_too_close(covered / count)
        middle = (self.low + self.high) / 2
        return width, middle + ((np.arange(count) + 0.5) / count - 0.5) * covered

    def _width_of_rank(self, rank: float | None, count: int | None, n_samples: float) -> float:
        basis = self.basis
        if rank is None:
            rank = auto_stable_rank(n_samples)
            if count is not None:
                spacings = count if self.boundary == "periodic" else max(count - 1, 1)
                reach = spacings / basis.spacings_per_rank
                # an impulse is as wide as its spacing, whatever the samples
                rank = reach if isinstance(basis, Impulse) else max(1.0, min(rank, reach))
        return self.length * basis.bandwidth(rank)

    def _width_of_period(self, rank: float | None, width: float | None, period: float) -> float:
        length, fixed = self.length, self.basis.stable_rank(1.0)
        if rank is not None and abs(rank - fixed) > 0.01 * fixed:
            raise ValueError(
                f"basis {self.basis!r} cannot have stable_rank={rank:g}: its stable rank is "
                f'{fixed:.4g} for every period. Leave stable_rank="auto" and set bandwidth '
                "(the period), or use FourierEncoder or another basis"
            )
        periodic = self.boundary == "periodic"
        if width is None:
            return (length if periodic else 2 * length) / period
        turns = length / (width * period)
        if periodic and abs(turns - round(turns)) > 1e-6 * turns:
            raise ValueError(
                f"bandwidth={width:g} of axis {self.axis} is a period that fits {turns:.4g} times "
                f"into its domain of width {length:g}: set a bandwidth that fits a whole number "
                "of times"
            )
        return width

    def _shifts(self, width: float, count: int | None) -> tuple[NDArray, float]:
        basis, length = self.basis, self.length
        periodic = self.boundary == "periodic"
        if count is None:
            spacing = width / (basis.spacings_per_rank * basis.stable_rank(1.0))
        else:
            spacing = length / (count if periodic else max(count - 1, 1))
        inside = length / spacing
        extends = self.boundary == "extend" and not isinstance(basis, Impulse)
        beyond = basis.reach * width / spacing if extends else 0.0
        self._refuse_too_many(inside + 2 * beyond)
        self._refuse_too_close(spacing)
        if periodic:
            exact = round(inside) if isinstance(basis, Rectangle) else math.ceil(inside - ROUNDING)
            n = count or max(1, exact)
            return self.low + length / n * np.arange(n), length / n
        n = count or math.floor(inside + ROUNDING) + 1
        # shifts lie evenly about the middle of the domain and may leave a gap at its ends
        gap = (inside - (n - 1)) / 2
        extra = math.floor(beyond + gap + ROUNDING) if beyond else 0
        below = 0 if basis._one_sided else extra
        index = np.arange(-below, n + extra) - (n - 1) / 2
        return (self.low + self.high) / 2 + index * spacing, spacing

    def _refuse_too_close(self, spacing: float) -> None:
        """Raise for shifts that are the same numbers."""
        largest = max(abs(self.low), abs(self.high))
        if spacing < _LAST_DIGITS * np.spacing(largest):
            raise ValueError(
                f"shifts of axis {self.axis} are closer than floats tell: lower n_shifts or "
                "stable_rank, raise bandwidth, or subtract an offset from X. Got a spacing of "
                f"{spacing:.3g} at coordinates of {largest:.3g}."
            )

    def _refuse_too_many(self, count: float) -> None:
        way_out = f"lower n_shifts or stable_rank, or raise bandwidth, of axis {self.axis}"
        check_memory((math.ceil(count),), _FIT_BYTES, way_out)
