"""Curvature that is penalised less across edges than along them.

Of a function on a lattice, with second differences H and gradient g at each node, the
penalty is ``tr(T H T H)``, T the inverse of the smoothed ``g g'`` plus a floor. Where a function
changes in one direction only, as at an edge or in a moving picture, curvature in that direction
hardly counts, and curvature in all others does. Where T is the identity the penalty is
``|H|**2``, smoothness of exponent 2.

Arrays over nodes have shape (m_1, ..., m_d) and may be of any namespace.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.core.products import mode_products

Array = Any
# Entry (a, b) of a symmetric matrix at each node, for a <= b.
Matrices = dict[tuple[int, int], Array]

# A Gaussian is cut where it is this many deviations wide.
_CUT = 4.0


class Lattice:
    """Nodes of the coefficients, and differences between them.

    Parameters
    ----------
    shape : tuple of d ints
    spacings : sequence of d floats
        Of the nodes along each axis.
    wraps : sequence of d bools
        Whether an axis is a circle.
    """

    def __init__(
        self, shape: tuple[int, ...], spacings: Sequence[float], wraps: Sequence[bool]
    ) -> None:
        self.shape, self.spacings, self.wraps = shape, tuple(spacings), tuple(wraps)
        self.pairs = [(a, b) for a in range(len(shape)) for b in range(a, len(shape))]
        self.stencils = {pair: self._stencil(pair) for pair in self.pairs}

    def gradients(self, values: Array) -> list[Array]:
        """Slopes along each axis, by differences on both sides; at ends on one."""
        xp = array_namespace(values)
        slopes = []
        for a, (spacing, wraps) in enumerate(zip(self.spacings, self.wraps, strict=True)):
            along = xp.moveaxis(values, a, 0)
            if wraps:
                slope = (xp.roll(along, -1, axis=0) - xp.roll(along, 1, axis=0)) / (2 * spacing)
            elif along.shape[0] == 1:
                slope = xp.zeros_like(along)
            else:
                step = (along[1:, ...] - along[:-1, ...]) / spacing
                inner = (step[1:, ...] + step[:-1, ...]) / 2
                slope = xp.concat([step[:1, ...], inner, step[-1:, ...]], axis=0)
            slopes.append(xp.moveaxis(slope, 0, a))
        return slopes

    def blocks(self, values: Array) -> Iterator[tuple[int, int]]:
        """Ranges of nodes of the first axis that are worked on at a time; on a device all."""
        step = max(1, limits_now().node_block // max(1, math.prod(self.shape[1:])))
        if not is_numpy_array(values):
            step = self.shape[0]
        for start in range(0, self.shape[0], step):
            yield start, min(start + step, self.shape[0])

    def padded(self, values: Array) -> Array:
        """With a margin of one node on all sides, which counts on circles only."""
        xp = array_namespace(values)
        for a, wraps in enumerate(self.wraps):
            along = xp.moveaxis(values, a, 0)
            ends = (along[-1:, ...], along[:1, ...])
            before, after = ends if wraps else (xp.zeros_like(end) for end in ends)
            values = xp.moveaxis(xp.concat([before, along, after], axis=0), 0, a)
        return values

    def folded(self, padded: Array) -> Array:
        """The adjoint of :meth:`padded`."""
        xp = array_namespace(padded)
        for a, wraps in enumerate(self.wraps):
            along = xp.moveaxis(padded, a, 0)
            inner = along[1:-1, ...]
            if wraps:
                inner = xp.asarray(inner, copy=True)
                inner[-1, ...] += along[0, ...]
                inner[0, ...] += along[-1, ...]
            padded = xp.moveaxis(inner, 0, a)
        return padded

    def _stencil(self, pair: tuple[int, int]) -> list[tuple[float, tuple[int, ...]]]:
        """Factors and offsets of the second difference along two axes, or twice along one."""
        a, b = pair
        if a == b:
            offsets = [(1.0, {a: 1}), (1.0, {a: -1}), (-2.0, {})]
        else:
            offsets = [(0.25 * s * t, {a: s, b: t}) for s, t in product((1, -1), repeat=2)]
        return [
            (factor, tuple(offset.get(axis, 0) for axis in range(len(self.shape))))
            for factor, offset in offsets
        ]

    def window(self, rows: tuple[int, int], offset: tuple[int, ...]) -> tuple[slice, ...]:
        """Nodes of a block of a padded array, moved by an offset."""
        first = slice(rows[0] + 1 + offset[0], rows[1] + 1 + offset[0])
        rest = (
            slice(1 + k, 1 + k + size) for k, size in zip(offset[1:], self.shape[1:], strict=True)
        )
        return (first, *rest)

    def clear_ends(self, difference: Array, pair: tuple[int, int], rows: tuple[int, int]) -> Array:
        """Second differences without those that would reach beyond an end."""
        for a in set(pair):
            if self.wraps[a]:
                continue
            at: list[Any] = [slice(None)] * len(self.shape)
            for node in (0, self.shape[a] - 1):
                place = node - rows[0] if a == 0 else node
                if a != 0 or rows[0] <= node < rows[1]:
                    at[a] = place
                    difference[tuple(at)] = 0.0
        return difference


class SteeredCurvature:
    """The penalty ``sum tr(T H T H)`` over the nodes of a lattice.

    Parameters
    ----------
    lattice : Lattice
    tensor : Matrices or None
        T at each node, in the units of the spacings; None is the identity.
    """

    def __init__(self, lattice: Lattice, tensor: Matrices | None = None) -> None:
        self._lattice = lattice
        spacings = lattice.spacings
        self._plain = {pair: 1 / (spacings[pair[0]] * spacings[pair[1]]) for pair in lattice.pairs}
        self._tensor = (
            None
            if tensor is None
            else {
                (a, b): entry / (spacings[a] * spacings[b])
                for pair, entry in tensor.items()
                for a, b in {pair, pair[::-1]}
            }
        )
        self._entries = tensor

    def apply(self, coefficients: Array) -> Array:
        """Half the gradient of the penalty, (m_1, ..., m_d)."""
        lattice, xp = self._lattice, array_namespace(coefficients)
        padded = lattice.padded(coefficients)
        total = xp.zeros_like(padded)
        for rows in lattice.blocks(padded):
            bends = {pair: self._bend(padded, pair, rows) for pair in lattice.pairs}
            for pair, force in self._forces(bends, rows).items():
                force = lattice.clear_ends(force, pair, rows)
                twice = 1.0 if pair[0] == pair[1] else 2.0
                for factor, offset in lattice.stencils[pair]:
                    total[lattice.window(rows, offset)] += (twice * factor) * force
        return lattice.folded(total)

    def _bend(self, padded: Array, pair: tuple[int, int], rows: tuple[int, int]) -> Array:
        lattice = self._lattice
        plus, minus, *others = lattice.stencils[pair]
        if pair[0] == pair[1]:
            ((factor, offset),) = others
            bend = padded[lattice.window(rows, plus[1])] + padded[lattice.window(rows, minus[1])]
            bend += factor * padded[lattice.window(rows, offset)]
        else:
            near, far = others
            bend = padded[lattice.window(rows, plus[1])] - padded[lattice.window(rows, minus[1])]
            bend -= padded[lattice.window(rows, near[1])]
            bend += padded[lattice.window(rows, far[1])]
            bend *= plus[0]
        return lattice.clear_ends(bend, pair, rows)

    def _forces(self, bends: Matrices, rows: tuple[int, int]) -> Matrices:
        """``T H T``."""
        pairs = self._lattice.pairs
        if self._tensor is None:
            return {pair: self._plain[pair] ** 2 * bends[pair] for pair in pairs}
        T = {pair: entry[rows[0] : rows[1], ...] for pair, entry in self._tensor.items()}
        axes = range(len(self._lattice.shape))
        H = {**bends, **{(b, a): bend for (a, b), bend in bends.items()}}
        TH = {(a, b): _dot([(T[a, c], H[c, b]) for c in axes]) for a in axes for b in axes}
        return {(a, b): _dot([(TH[a, c], T[c, b]) for c in axes]) for a, b in pairs}

    def strength(self) -> Array | None:
        """How much curvature counts at each node, the mean over directions; None: all 1."""
        entries = self._entries
        if entries is None:
            return None
        squares = _dot([(entries[a, b], entries[a, b] * (1.0 if a == b else 2.0))
                        for a, b in self._lattice.pairs])  # fmt: skip
        return squares / len(self._lattice.shape)


def steering(
    lattice: Lattice, functions: Sequence[Array], smoothing: Sequence[Array], floor: float
) -> Matrices:
    """T of the gradients of functions, 1 in the median over nodes and directions.

    Parameters
    ----------
    lattice : Lattice
    functions : sequence of arrays of shape (m_1, ..., m_d)
        Each in units of its size.
    smoothing : sequence of d arrays of shape (m_a, m_a)
        :func:`smoothing_matrices`, which smooth ``g g'``.
    floor : float
        Slope below which nothing is an edge, per unit of the spacings.
    """
    xp = array_namespace(functions[0])
    outer: Matrices = dict.fromkeys(lattice.pairs, 0.0)
    for function in functions:
        slopes = lattice.gradients(function)
        for a, b in lattice.pairs:
            outer[a, b] = outer[a, b] + slopes[a] * slopes[b]
    smooth = {
        pair: mode_products((total / len(functions))[None, ...], smoothing)[0, ...]
        for pair, total in outer.items()
    }
    T = _inverse({(a, b): S + floor**2 * (a == b) for (a, b), S in smooth.items()})
    middle = sum(T[a, a] for a in range(len(lattice.shape))) / len(lattice.shape)
    ordered = xp.sort(xp.reshape(middle, (-1,)))
    median = ordered[ordered.shape[0] // 2]
    return {pair: entry / median for pair, entry in T.items()}


def smoothing_matrices(lattice: Lattice, width: float) -> list[NDArray[np.float64]]:
    """Gaussian means along each axis, (m_a, m_a), mirrored at ends that are no circle.

    Parameters
    ----------
    lattice : Lattice
    width : float
        Standard deviation, in units of the spacings.
    """
    matrices = []
    for size, spacing, wraps in zip(lattice.shape, lattice.spacings, lattice.wraps, strict=True):
        deviation = width / spacing
        reach = max(1, int(_CUT * deviation + 0.5))
        offsets = np.arange(-reach, reach + 1)
        weights = np.exp(-0.5 * (offsets / deviation) ** 2)
        weights /= weights.sum()
        nodes = np.arange(size)[:, None] + offsets
        if wraps:
            nodes %= size
        else:
            nodes %= 2 * size
            nodes = np.minimum(nodes, 2 * size - 1 - nodes)
        matrix = np.zeros((size, size))
        np.add.at(matrix, (np.arange(size)[:, None], nodes), np.broadcast_to(weights, nodes.shape))
        matrices.append(matrix)
    return matrices


def _inverse(S: Matrices) -> Matrices:
    """Inverse of symmetric matrices of up to three rows, by cofactors."""
    full = {**S, **{(b, a): entry for (a, b), entry in S.items()}}
    n = max(a for a, _ in S) + 1
    if n == 1:
        return {(0, 0): 1 / full[0, 0]}
    cofactors: Matrices = {}
    for a, b in S:
        (r, *rows), (c, *columns) = (
            [k for k in range(n) if k != a],
            [k for k in range(n) if k != b],
        )
        minor = full[r, c]
        if rows:
            minor = minor * full[rows[0], columns[0]] - full[r, columns[0]] * full[rows[0], c]
        cofactors[a, b] = minor * (-1.0) ** (a + b)
    determinant = _dot([(full[0, b], cofactors[0, b]) for b in range(n)])
    return {pair: cofactor / determinant for pair, cofactor in cofactors.items()}


def _dot(terms: Sequence[tuple[Array, Array]]) -> Array:
    """Sum of products."""
    (first, second), *others = terms
    total = first * second
    for one, other in others:
        total += one * other
    return total
