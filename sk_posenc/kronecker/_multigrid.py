"""Multigrid for functions that samples hold in some places only, and a penalty everywhere.

On a mesh the problem is ``(diag(mass) + s C' diag(symbol) C s) u = r``: the weight of the samples
at each node, and a penalty that is diagonal in cosines C, between the roots s of how much it counts
at each node. Where mass is missing only smooth functions are cheap, of all lengths up to the width
of the hole. So each mesh has a coarser one of half as many nodes, down to a few.
"""

import math
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.fft import dct, dctn, idctn

# Nodes of the coarsest mesh, at most about.
_FEW = 400

# An axis is coarsened while its finest waves are at least this share as rough as those of others.
_AS_ROUGH = 0.4

# Steps that smooth, and the ratio of the eigenvalues that they lower; from an exponent on, more. An
# odd number of steps overshoots less.
_STEPS, _RANGE = 3, 30.0
_STEEP, _MORE_STEPS, _WIDER_RANGE = 3.0, 5, 60.0

# The same of cycles that are cheap; and the largest move, as a share of the function, at which they
# are near enough, or their number.
_LIGHT_STEPS, _LIGHT_RANGE = 1, 8.0
_NEAR, _MOST = 5e-3, 40

# Nodes of a coarser mesh along an axis that share in a finer one.
_BESIDE = 3.0

# Nodes along an axis up to which all matrices are dense: products take no longer, calls do.
_DENSE = 128

# Shares of a wave below this are rounding.
_NOTHING = 1e-9


def cosines(values: NDArray, n_axes: int) -> NDArray:
    """Orthonormal coefficients of values in the middles of cells, along the last axes."""
    return np.asarray(dctn(values, axes=range(-n_axes, 0), norm="ortho"))


def from_cosines(coefficients: NDArray, n_axes: int) -> NDArray:
    """Values in the middles of cells."""
    return np.asarray(idctn(coefficients, axes=range(-n_axes, 0), norm="ortho"))


class Step:
    """Interpolation from a coarser mesh along each axis.

    Parameters
    ----------
    along : list of matrices
        None: the axis stays as it is.
    """

    def __init__(self, along: Sequence[sparse.csr_array | None]) -> None:
        self._given = along
        self._along = [None if each is None else _quick(each) for each in along]
        self._back = [None if each is None else _quick(each.T.tocsr()) for each in along]

    def fine(self, values: NDArray) -> NDArray:
        return _through(self._along, values)

    def coarse(self, values: NDArray) -> NDArray:
        """The adjoint."""
        return _through(self._back, values)

    def squared(self) -> "Step":
        return Step([None if each is None else each.multiply(each).tocsr() for each in self._given])


def _quick(matrix: sparse.csr_array) -> sparse.csr_array | NDArray:
    return matrix.toarray() if max(matrix.shape) <= _DENSE else matrix


def _through(matrices: Sequence[sparse.csr_array | NDArray | None], values: NDArray) -> NDArray:
    for a, matrix in enumerate(matrices, start=-len(matrices)):
        if matrix is not None:
            values = _along(matrix, values, a)
    return values


def _along(matrix: sparse.csr_array | NDArray, values: NDArray, axis: int) -> NDArray:
    before = math.prod(values.shape[:axis])
    after = math.prod(values.shape[axis:][1:])
    shape = (*values.shape[:axis], matrix.shape[0], *values.shape[axis:][1:])
    if before == 1:
        return (matrix @ values.reshape(-1, after)).reshape(shape)
    if after == 1 and isinstance(matrix, np.ndarray):
        return (values.reshape(before, -1) @ matrix.T).reshape(shape)
    if after == 1:
        return np.ascontiguousarray((matrix @ values.reshape(before, -1).T).T).reshape(shape)
    blocks = values.reshape(before, -1, after)
    if isinstance(matrix, np.ndarray):
        return np.matmul(matrix, blocks).reshape(shape)
    return np.stack([matrix @ block for block in blocks]).reshape(shape)


class Ladder:
    """Meshes from fine to coarse with what takes functions between them, for all penalties.

    Parameters
    ----------
    shape : tuple of d ints
        Nodes of the finest mesh, in the middles of cells that fill the domain.
    roughness : sequence of d floats
        Of its finest wave along each axis.
    exponent : float
        Of the penalty.
    dtype : numpy.dtype
    """

    def __init__(
        self, shape: tuple[int, ...], roughness: Sequence[float], exponent: float, dtype: Any
    ) -> None:
        self.shapes = [shape]
        self.steps: list[Step] = []
        self._waves: list[list[sparse.csr_array | None]] = []
        self.dtype = np.dtype(dtype)
        steep = exponent >= _STEEP
        self.n_smoothing, self.range = (_MORE_STEPS, _WIDER_RANGE) if steep else (_STEPS, _RANGE)
        top = np.array(roughness, dtype=np.float64)
        least = max(3, int(_FEW ** (1 / len(shape))))
        while math.prod(shape) > _FEW and max(shape) > least:
            halved = np.array(shape) > least
            halved &= top >= _AS_ROUGH * top[halved].max()
            shape = self._add(shape, halved, least)
            top[halved] /= 4

    def _add(self, fine: tuple[int, ...], halved: NDArray, least: int) -> tuple[int, ...]:
        shape = tuple(_half(n, least) if half else n for n, half in zip(fine, halved, strict=True))
        along, waves = [], []
        for n, cells, half in zip(fine, shape, halved, strict=True):
            matrix = _interpolation(n, cells) if half else None
            waves.append(None if matrix is None else _waves(matrix))
            along.append(None if matrix is None else matrix.astype(self.dtype))
        self.shapes.append(shape)
        self.steps.append(Step(along))
        self._waves.append(waves)
        return shape

    def symbols(self, symbol: NDArray) -> list[NDArray]:
        """What a penalty makes of the cosines of each mesh."""
        found = [symbol]
        for waves in self._waves:
            found.append(Step(waves).fine(found[-1]))
        return found

    def summed(self, values: NDArray) -> list[NDArray]:
        """Sums over the cells of each mesh."""
        found = [values]
        for fine, coarse in zip(self.shapes, self.shapes[1:], strict=False):
            values = found[-1]
            for a, (n, cells) in enumerate(zip(fine, coarse, strict=True)):
                if n != cells:
                    starts = np.flatnonzero(np.diff(cell_of(n, cells), prepend=-1))
                    values = np.add.reduceat(values, starts, axis=a)
            found.append(values)
        return found


def cell_of(n: int, cells: int) -> NDArray[np.intp]:
    """In which of fewer cells each of n nodes lies; each has one."""
    return ((np.arange(n) + 0.5) * cells / n).astype(np.intp)


def _half(n: int, least: int) -> int:
    """About half as many nodes, so that they may be halved again."""
    half, halvings = -(-n // 2), 0
    while -(-half // 2**halvings) > least:
        halvings += 1
    return int(-(-half // 2**halvings) * 2**halvings)


def _interpolation(n: int, cells: int) -> sparse.csr_array:
    """Linear between the middles of cells, and then a mean of neighbours."""
    place = (np.arange(n) + 0.5) * cells / n - 0.5
    first = np.floor(place).astype(np.intp)
    share = place - first
    columns = np.clip(np.concatenate([first, first + 1]), 0, cells - 1)
    weights = np.concatenate([1 - share, share])
    matrix = sparse.csr_array((weights, (np.tile(np.arange(n), 2), columns)), (n, cells))
    own = np.arange(n)
    columns = np.concatenate([np.maximum(own - 1, 0), own, np.minimum(own + 1, n - 1)])
    weights = np.repeat([0.25, 0.5, 0.25], n)
    matrix = sparse.csr_array((weights, (np.tile(own, 3), columns)), (n, n)) @ matrix
    return matrix.tocsr()


def _waves(matrix: sparse.csr_array) -> sparse.csr_array:
    """Squares of the cosines of a mesh in those of a coarser one, (n_coarse, n_fine)."""
    coarse = dct(np.eye(matrix.shape[1]), axis=0, norm="ortho")
    squares = dct(matrix @ coarse.T, axis=0, norm="ortho") ** 2
    squares[squares < _NOTHING * squares.max()] = 0.0
    return sparse.csr_array(squares.T)


class Multigrid:
    """About the inverse of samples and a penalty on a mesh, by one cycle through its ladder.

    Parameters
    ----------
    ladder : Ladder
    mass : array of the shape of the finest mesh
    symbol : array of the shape of the finest mesh
        The penalty of orthonormal cosines.
    local : array of the shape of the finest mesh, default=None
        How much the penalty counts at each node.
    """

    def __init__(
        self, ladder: Ladder, mass: NDArray, symbol: NDArray, local: NDArray | None = None
    ) -> None:
        self._ladder, dtype = ladder, ladder.dtype
        self._n_smoothing, self._range = ladder.n_smoothing, ladder.range
        masses = ladder.summed(mass.astype(np.float64))
        self._masses = [masses[0].astype(dtype), *(each.astype(dtype) for each in masses)]
        symbols = ladder.symbols(symbol.astype(np.float64))
        self._symbols = [each.astype(dtype) for each in symbols]
        self._roots = [None] * len(symbols) if local is None else _local_roots(ladder, local)
        n_axes = mass.ndim
        self._inverses, self._bounds = [], []
        for level, own in enumerate(symbols):
            middle = float(own.mean())
            diagonal = masses[0] if level == 0 else None
            if diagonal is None:
                diagonal = ladder.steps[level - 1].squared().coarse(self._masses[level])
            roots = self._roots[level]
            self._inverses.append(
                (1 / (diagonal + (middle if roots is None else middle * roots**2))).astype(dtype)
            )
            overlap = 1.0 if level == 0 else _BESIDE**n_axes
            self._bounds.append(max(overlap, float(own.max()) / middle))
        self._last = self._factored()

    def __call__(self, residual: NDArray) -> NDArray:
        return self._cycle(0, residual)

    def solve(self, goal: NDArray) -> NDArray:
        """The whole solution by conjugate gradients, with cycles that smooth once: each takes half
        the time, and the mesh needs no more than twice as many."""
        light = copy(self)
        light._n_smoothing, light._range = _LIGHT_STEPS, _LIGHT_RANGE
        u, residual = np.zeros_like(goal), goal
        conditioned = direction = light(residual)
        now = float(np.sum(residual * conditioned))
        for _ in range(_MOST):
            image = self._applied(0, direction)
            curvature = float(np.sum(direction * image))
            if not (now > 0 and curvature > 0):
                break
            length = now / curvature
            move = length * direction
            u, residual = u + move, residual - length * image
            if np.abs(move).max() <= _NEAR * np.abs(u).max():
                break
            conditioned = light(residual)
            last, now = now, float(np.sum(residual * conditioned))
            direction = conditioned + (now / last) * direction
        return u

    def _applied(self, level: int, u: NDArray) -> NDArray:
        if level == 0:
            weighed = self._masses[0] * u
        else:
            step = self._ladder.steps[level - 1]
            weighed = step.coarse(self._masses[level] * step.fine(u))
        roots, symbol = self._roots[level], self._symbols[level]
        if roots is None:
            return weighed + from_cosines(symbol * cosines(u, symbol.ndim), symbol.ndim)
        bent = from_cosines(symbol * cosines(roots * u, symbol.ndim), symbol.ndim)
        return weighed + roots * bent

    def _factored(self) -> tuple[NDArray, bool]:
        shape = self._ladder.shapes[-1]
        n = math.prod(shape)
        matrix = self._applied(len(self._symbols) - 1, np.eye(n).reshape(n, *shape)).reshape(n, n)
        return linalg.cho_factor((matrix + matrix.T) / 2)

    def _cycle(self, level: int, residual: NDArray) -> NDArray:
        if level == len(self._symbols) - 1:
            found = linalg.cho_solve(self._last, residual.ravel().astype(np.float64))
            return found.reshape(residual.shape).astype(residual.dtype)
        step = self._ladder.steps[level]
        u = self._smoothed(level, residual, None)
        left = residual - self._applied(level, u)
        u = u + step.fine(self._cycle(level + 1, step.coarse(left)))
        return self._smoothed(level, residual, u)

    def _smoothed(self, level: int, residual: NDArray, u: NDArray | None) -> NDArray:
        """A few steps towards the solution, by Chebyshev's polynomials of what is diagonal."""
        inverse, bound = self._inverses[level], self._bounds[level]
        least = bound / self._range
        middle, half = (bound + least) / 2, (bound - least) / 2
        ratio = half / middle
        left = residual if u is None else residual - self._applied(level, u)
        move = inverse * left / middle
        u = move if u is None else u + move
        for _ in range(self._n_smoothing - 1):
            left = left - self._applied(level, move)
            following = 1 / (2 * middle / half - ratio)
            move = following * ratio * move + (2 * following / half) * (inverse * left)
            u, ratio = u + move, following
        return u


def _local_roots(ladder: Ladder, local: NDArray) -> list[NDArray]:
    """Roots of the mean over the cells of each mesh."""
    sums, counts = ladder.summed(local), ladder.summed(np.ones_like(local))
    return [
        np.sqrt(total / count).astype(ladder.dtype)
        for total, count in zip(sums, counts, strict=True)
    ]
