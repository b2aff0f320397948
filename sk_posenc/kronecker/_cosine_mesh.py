"""Where samples leave gaps: smooth coefficients as cosines on a mesh, solved there by multigrid.

The functions of an axis in which its slopes are diagonal are nearly cosines on the domain, in the
order of their roughness. On a mesh of as many nodes the weight of samples is diagonal, and a cycle
of `Multigrid` is near the inverse of the whole problem, however wide its gaps are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.fft import dct

from sk_posenc.kronecker._axis import Axis
from sk_posenc.kronecker._conjugate_gradients import DiagonalPenalty, Penalty, System
from sk_posenc.kronecker._multigrid import Ladder, Mesh, Multigrid
from sk_posenc.kronecker._samples import Samples

# Functions are cosines where this share of their size is one, for the smoother half of them; and a
# rougher one counts as one down to the second share.
_COSINE, _ALIKE = 0.9, 0.5

# Samples lie on nodes if they are off by this share of a gap at most.
_ON_NODES = 1e-6

# How much cheaper than samples a function in a gap may be, before multigrid pays.
_PAYS = 10.0

# Density, over its mean, below which a cell has no samples; and how many times nodes are halved to
# such cells.
_EMPTY = 1e-3
_HALVINGS = 2


@dataclass(frozen=True, eq=False)
class AxisCosines:
    """The functions of an axis as cosines.

    Attributes
    ----------
    order : ndarray of shape (r,)
        The cosines first, from the smooth to the rough.
    signs : ndarray of shape (r,)
    n_cosines : int
    correction : ndarray of shape (n_cosines, r - n_cosines) or None
        What the cosines have at the nodes of each other function, where samples lie on the nodes.
    n_nodes : int
    """

    order: NDArray[np.intp]
    signs: NDArray[np.float64]
    n_cosines: int
    correction: NDArray[np.float64] | None
    n_nodes: int

    @classmethod
    def of(cls, axis: Axis, n_nodes: int, on_nodes: bool) -> Self | None:
        """None where the functions are no cosines."""
        smooth = axis.smooth
        order = np.argsort(smooth.roughness, kind="stable")
        low, high = axis.encoder.domain_[0]
        values = axis.at(np.linspace(low, high, n_nodes)) @ smooth.basis[:, order]
        mesh = Mesh((n_nodes,), (1,))
        shares = dct(mesh.roots(0)[:, None] * values, type=1, axis=0, norm="ortho")
        shares = np.diagonal(shares) / math.sqrt(n_nodes - 1)
        if np.any(np.abs(shares[: n_nodes // 2]) < _COSINE):
            return None
        unlike = np.flatnonzero(np.abs(shares) < _ALIKE)
        n = int(unlike[0]) if len(unlike) else len(shares)
        signs = np.ones(len(order))
        signs[:n] = np.sign(shares[:n])
        correction = None
        if on_nodes and n < len(order):
            values = values * signs
            correction = np.linalg.lstsq(values[:, :n], values[:, n:], rcond=1e-10)[0]
        return cls(order, signs, n, correction, n_nodes)


class CosineMesh:
    """A mesh for the samples and axes of a design under penalties of smoothness.

    Parameters
    ----------
    samples : Samples
    axes : sequence of Axis
    cosines : sequence of AxisCosines
    on_nodes : sequence of bools
        Whether the coordinates of an axis are its nodes.
    dtype : numpy.dtype
    """

    def __init__(
        self,
        samples: Samples,
        axes: Sequence[Axis],
        cosines: Sequence[AxisCosines],
        on_nodes: Sequence[bool],
        dtype: Any,
    ) -> None:
        self._samples, self._axes, self._on_nodes = samples, axes, on_nodes
        self.cosines, self.dtype = cosines, np.dtype(dtype)
        self.mesh = Mesh(tuple(each.n_nodes for each in cosines), (1,) * len(axes))
        self._ladders: dict[float, tuple[Ladder, NDArray]] = {}

    @classmethod
    def of(cls, samples: Samples, axes: Sequence[Axis], dtype: Any) -> Self | None:
        """None for a full grid, and where functions are no cosines."""
        if samples.is_grid:
            return None
        cosines, on_nodes = [], []
        for a, axis in enumerate(axes):
            if axis.encoder.n_features_in_ != 1 or not hasattr(axis.encoder, "shifts_"):
                return None
            low, high = axis.encoder.domain_[0]
            shifts = axis.encoder.shifts_[0]
            n = int(np.sum((shifts >= low) & (shifts <= high)))
            own = False
            if samples.on_grid and len(samples.coordinates[a]) == n:
                even = np.linspace(low, high, n)
                off = np.abs(axis.coordinates - even).max()
                own = bool(off <= _ON_NODES * (high - low) / max(1, n - 1))
            if n < 4:
                return None
            found = AxisCosines.of(axis, n, own)
            if found is None:
                return None
            cosines.append(found)
            on_nodes.append(own)
        return cls(samples, axes, cosines, on_nodes, dtype)

    def mass(self, weights: NDArray | None) -> NDArray[np.float64]:
        """Weights of the samples at the nodes, as orthonormal cosines count them."""
        shape = self.mesh.shape
        n = self._samples.n_cells
        flat = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        if self._samples.on_grid:
            mass = flat.reshape(self._samples.shape)
            for a, spread in enumerate(self._spreads):
                if spread is not None:
                    mass = np.moveaxis(
                        np.tensordot(spread.toarray(), mass, axes=(1, a)), 0, a
                    )
        else:
            mass = _scatter(self._spreads, flat, shape)
        for a in range(mass.ndim):
            along = (slice(None),) * a
            mass = mass * float(shape[a] - 1)
            mass[(*along, [0, -1])] *= 2
        return mass

    @cached_property
    def _spreads(self) -> list[sparse.csr_array | None]:
        """Linear interpolation from the coordinates of each axis to its nodes, (m, n)."""
        found: list[sparse.csr_array | None] = []
        for axis, own, n in zip(self._axes, self._on_nodes, self.mesh.shape, strict=True):
            if own:
                found.append(None)
                continue
            low, high = axis.encoder.domain_[0]
            place = np.clip((axis.coordinates - low) / (high - low), 0, 1) * (n - 1)
            first = np.minimum(place.astype(np.intp), n - 2)
            share = place - first
            rows, columns = np.concatenate([first, first + 1]), np.tile(np.arange(len(place)), 2)
            entries = np.concatenate([1 - share, share])
            found.append(sparse.csr_array((entries, (rows, columns)), shape=(n, len(place))))
        return found

    def ladder(self, exponent: float) -> tuple[Ladder, NDArray[np.float64]]:
        """Meshes for an exponent, and its penalty of the cosines of the finest one, per alpha."""
        if exponent not in self._ladders:
            total = np.full((), float(np.mean([axis.smooth.floor for axis in self._axes])))
            top = []
            for axis, n in zip(self._axes, self.mesh.shape, strict=True):
                own = (math.pi * np.arange(n) / float(axis.encoder.stable_rank_[0])) ** 2
                total = np.add.outer(total, own)
                top.append(float(own[-1]))
            ladder = Ladder(self.mesh, top, exponent, self.dtype)
            self._ladders = {exponent: (ladder, np.asarray(total**exponent))}
        return self._ladders[exponent]


@dataclass(frozen=True, eq=False)
class SmoothGaps:
    """Gaps of samples under a penalty of smoothness.

    Attributes
    ----------
    mesh : CosineMesh
    exponent : float
    """

    mesh: CosineMesh
    exponent: float

    def penalty(self, plain: DiagonalPenalty, system: Any, alpha: float) -> Penalty:
        """The same penalty, preconditioned by multigrid where that pays."""
        mass = self.mesh.mass(system.weights)
        ladder, symbol = self.mesh.ladder(self.exponent)
        masses, symbol = ladder.summed(mass), alpha * symbol
        if _cheapest(ladder, masses, symbol) < _PAYS:
            return plain
        multigrid = Multigrid(ladder, mass, symbol)
        return HoledPenalty(plain, self.mesh, multigrid, _far(ladder, masses))


def _cheapest(ladder: Ladder, masses: list[NDArray], symbol: NDArray) -> float:
    """How many times less than samples ask for a function in a gap costs, at most."""
    mean, worst = float(masses[0].mean()), 1.0
    for mesh, own in zip(ladder.meshes, masses, strict=True):
        least = float(own.min() / own.mean())
        wave = float(symbol[tuple(n - 1 for n in mesh.shape)]) / mean
        worst = max(worst, (1 + wave) / (least + wave))
    return worst


def _far(ladder: Ladder, masses: list[NDArray]) -> NDArray[np.intp]:
    """Nodes of the finest mesh in cells of several nodes without samples."""
    level = min(_HALVINGS, len(masses) - 1)
    cells = masses[level] < _EMPTY * masses[level].mean()
    fine, coarse = ladder.meshes[0], ladder.meshes[level]
    index = [
        np.minimum((fine.nodes(a) * n).astype(np.intp), n - 1)
        for a, n in enumerate(coarse.shape)
    ]
    return np.flatnonzero(cells[np.ix_(*index)])


def _scatter(
    spreads: Sequence[sparse.csr_array | None], weights: NDArray, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Weights of scattered samples at the corners of their cells."""
    total = np.zeros(shape)
    columns = []
    for spread in spreads:
        assert spread is not None
        own = spread.tocsc()
        own.sort_indices()
        columns.append(own)
    for corner in np.ndindex(*(2,) * len(shape)):
        index, share = 0, weights
        for n, own, at in zip(shape, columns, corner, strict=True):
            index = index * n + own.indices[at::2]
            share = share * own.data[at::2]
        total += np.bincount(index, share, minlength=total.size).reshape(shape)
    return total


class HoledPenalty:
    """A penalty of smoothness for samples with gaps between them.

    Parameters
    ----------
    plain : DiagonalPenalty
    mesh : CosineMesh
    multigrid : Multigrid
    far : ndarray of ints
        Nodes without samples.
    """

    window = 3

    def __init__(
        self, plain: DiagonalPenalty, mesh: CosineMesh, multigrid: Multigrid, far: NDArray[np.intp]
    ) -> None:
        self._plain, self._mesh, self._multigrid, self._far = plain, mesh, multigrid, far
        self.apply, self.mean_square = plain.apply, plain.mean_square
        penalty, total = plain.penalty, plain.total
        self._cosines = [each for each in mesh.cosines]
        self._low = tuple(slice(0, each.n_cosines) for each in self._cosines)
        dtype = mesh.dtype
        self._corrections = [
            None if each.correction is None else each.correction.astype(dtype)
            for each in self._cosines
        ]
        ordered = self._ordered(penalty, signed=False)
        sizes = np.ones(())
        for each in self._cosines:
            own = np.ones(len(each.order))
            if each.correction is not None:
                own[each.n_cosines :] = 0.0
            sizes = np.multiply.outer(sizes, own)
        squares = [None if each is None else each**2 for each in self._corrections]
        for a, each in enumerate(squares):
            if each is not None:
                _add_along(ordered, a, each.T, 1.0)
        self._inverse = (1 / (total * sizes + ordered)).astype(dtype)

    def _ordered(self, z: NDArray, signed: bool = True) -> NDArray:
        for a, each in enumerate(self._cosines):
            z = np.take(z, each.order, axis=a)
            if signed:
                z *= each.signs.astype(z.dtype).reshape(-1, *[1] * (z.ndim - a - 1))
        return z

    def _given(self, z: NDArray) -> NDArray:
        for a, each in enumerate(self._cosines):
            z *= each.signs.astype(z.dtype).reshape(-1, *[1] * (z.ndim - a - 1))
            z = np.take(z, np.argsort(each.order), axis=a)
        return z

    def precondition(self, residual: NDArray) -> NDArray:
        mesh = self._mesh.mesh
        z = self._ordered(residual)
        for a, each in enumerate(self._corrections):
            if each is not None:
                _add_along(z, a, each.T, -1.0)
        cosines = np.zeros(mesh.shape, dtype=z.dtype)
        cosines[self._low] = z[self._low]
        z *= self._inverse
        z[self._low] = mesh.cosines(self._multigrid(mesh.values(cosines)))[self._low]
        for a, each in enumerate(self._corrections):
            if each is not None:
                _add_along(z, a, each, -1.0, back=True)
        return self._given(z)

    def largest_far(self, z: NDArray) -> float:
        if not len(self._far):
            return 0.0
        mesh = self._mesh.mesh
        cosines = np.zeros(mesh.shape, dtype=z.dtype)
        cosines[self._low] = self._ordered(z)[self._low]
        values = mesh.values(cosines) * math.sqrt(math.prod(n - 1 for n in mesh.shape))
        return float(np.abs(values.ravel()[self._far]).max())


def _add_along(z: NDArray, axis: int, matrix: NDArray, factor: float, back: bool = False) -> None:
    """Add to the last functions of an axis a product with the first ones, or the other way."""
    along = np.moveaxis(z, axis, 0)
    n = matrix.shape[0] if back else matrix.shape[1]
    source, goal = (along[n:], along[:n]) if back else (along[:n], along[n:])
    goal += factor * np.tensordot(matrix, source, axes=1).astype(z.dtype, copy=False)
