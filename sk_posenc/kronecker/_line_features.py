"""The features of one axis as a sparse matrix, and the integrals that its smoothness needs."""

import math
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as xp
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.limits import limits_now
from sk_posenc.encoders import csr
from sk_posenc.encoders.axis_functions import functions_of
from sk_posenc.encoders.bases import Gaussian
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._smoothness import cells_of

# Bandwidths at which a Gaussian is below the rounding error of its peak.
_GAUSSIAN_REACH = 9.0

# Cells worked on at a time.
_BLOCK = 1 << 18


@dataclass(frozen=True)
class LineFeatures:
    """Shifted functions of one axis that end, or fall to nothing.

    Attributes
    ----------
    encoder : fitted ShiftedBasisEncoder of one axis
    windows : csr.AxisWindows
        The shifts within reach of a coordinate.
    """

    encoder: Any
    windows: csr.AxisWindows

    @classmethod
    def of(cls, encoder: Any) -> "LineFeatures | None":
        """None where functions reach over all of the axis, or are not equidistant."""
        if not isinstance(encoder, ShiftedBasisEncoder) or not encoder._equidistant:
            return None
        basis = encoder._basis
        reach = basis.support
        if not math.isfinite(reach):
            reach = _GAUSSIAN_REACH if isinstance(basis, Gaussian) else math.inf
        if not math.isfinite(reach) or basis.period is not None:
            return None
        shifts, width = encoder.shifts_[0], float(encoder.bandwidth_[0])
        n = len(shifts)
        spacing = float(shifts[-1] - shifts[0]) / (n - 1) if n > 1 else encoder._length(0)
        reach *= width / spacing
        if 2 * math.ceil(reach) + 1 > n:
            return None
        wraps = encoder._boundary(0) == "periodic"
        return cls(encoder, csr.AxisWindows(float(shifts[0]), spacing, n, reach, wraps))

    @property
    def n_columns(self) -> int:
        return self.windows.n_shifts

    def at(self, x: NDArray, order: int = 0) -> sparse.csr_array:
        """Values at coordinates, or derivatives of some order; (n, k)."""
        encoder, functions = self.encoder, functions_of(self.encoder)
        x = np.asarray(x, dtype=np.float64)
        low, high = functions._domain()
        ends = functions._stays_at_ends() and not self.windows.wraps
        inside = np.clip(x, low, high) if ends else x
        width, basis = float(encoder.bandwidth_[0]), encoder._basis
        shifts, length = encoder.shifts_[0], high - low
        scale = encoder._scales[0] * (-1 / width) ** order
        step = max(1, limits_now().row_block // self.windows.span)
        starts = iter(range(0, len(x), step))

        def block(columns: NDArray, _: NDArray) -> csr.Window:
            start = next(starts)
            apart = shifts[columns] - inside[start : start + len(columns), None]
            if self.windows.wraps:
                apart -= np.round(apart / length) * length
            u = apart / width
            values = basis.derivative(u, order, xp) if order else basis.phi(u, xp)
            if not math.isfinite(basis.support):
                values = np.where(np.abs(u) <= _GAUSSIAN_REACH, values, 0.0)
            return columns, scale * values

        entries = len(x) * self.windows.span
        index = csr.index_dtype((len(x), self.n_columns), entries)
        blocks = (block(*each) for each in self.windows.blocks(inside, 1.0, step, index))
        in_order = not self.windows.wraps
        shape = (len(x), self.n_columns)
        matrix = csr.assemble(blocks, shape, entries, np.dtype(np.float64), in_order)
        if order and ends and not self.windows.wraps:
            still = ((x < low) | (x > high)).astype(np.float64)
            matrix = sparse.diags_array(1 - still) @ matrix
        return matrix

    def integrals(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Mean products of the functions over the domain, and of their slopes; see `integrate`."""
        functions = functions_of(self.encoder)
        low, high = functions._domain()
        n_cells = cells_of(self.encoder)
        sizes, slopes = [], []
        for start in range(0, n_cells, _BLOCK):
            stop = min(start + _BLOCK, n_cells)
            mesh = low + np.arange(start, stop + 1) * ((high - low) / n_cells)
            A, first = _cut(self.at(np.minimum(mesh, high)))
            weights = np.ones(len(mesh))
            weights[0] = weights[-1] = 0.5  # the next block has the other half
            step = A[1:] - A[:-1]
            sizes.append((first, A.T @ (sparse.diags_array(weights) @ A) / n_cells))
            slopes.append((first, (step.T @ step) * n_cells))
        return _sum(sizes, self.n_columns), _sum(slopes, self.n_columns)


def _cut(rows: sparse.csr_array) -> tuple[sparse.csr_array, int]:
    """Without the columns before the first and after the last that have entries; the first."""
    first = int(rows.indices.min())
    columns = rows.indices - first
    shape = (rows.shape[0], int(columns.max()) + 1)
    return sparse.csr_array((rows.data, columns, rows.indptr), shape=shape), first


def _sum(parts: list[tuple[int, Any]], size: int) -> sparse.csr_array:
    """Of square matrices that begin at some row and column, in time linear in their entries."""
    each = [(first, part.tocoo()) for first, part in parts]
    data = np.concatenate([part.data for _, part in each])
    rows, columns = (
        np.concatenate([part.coords[a] + first for first, part in each]) for a in (0, 1)
    )
    return sparse.coo_array((data, (rows, columns)), shape=(size, size)).tocsr()
