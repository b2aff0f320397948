"""The shifts of an axis within reach of a coordinate, and the values of the basis there."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import array_api_compat.numpy as xp
import numpy as np
from numpy.typing import NDArray

from sk_posenc.encoders.basis import Basis
from sk_posenc.encoders.csr import AxisWindows, Window


@dataclass(frozen=True)
class ShiftWindows:
    """Windows of an axis, with the values of a basis.

    Attributes
    ----------
    windows : AxisWindows
    basis : Basis
    unit : float
        Spacing of the shifts in bandwidths.
    scale : float
        Factor of the basis.
    ends : (low, high) or None
        Where coordinates outside count as the nearest end; None: nowhere.
    """

    windows: AxisWindows
    basis: Basis
    unit: float
    scale: float
    ends: tuple[float, float] | None

    @property
    def span(self) -> int:
        return self.windows.span

    @property
    def n_shifts(self) -> int:
        return self.windows.n_shifts

    @property
    def wraps(self) -> bool:
        return self.windows.wraps

    def blocks(self, x: NDArray, n_rows: int, index: np.dtype) -> Iterator[Window]:
        """Columns and values of the shifts about coordinates, `n_rows` of them at a time."""
        if self.ends is not None and not self.wraps:
            x = np.clip(x, *self.ends)
        scale = x.dtype.type(self.scale)
        for columns, u in self.windows.blocks(x, self.unit, n_rows, index):
            phi = self.basis.phi(u, xp) * scale
            if not math.isfinite(self.basis.support):
                phi = np.where(np.abs(u) <= self.basis.reach, phi, 0)
            yield columns, phi
