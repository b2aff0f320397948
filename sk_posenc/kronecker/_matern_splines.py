r"""A Gaussian process of a Matern kernel on a line, by splines: a penalty with a band.

The kernel of "matern32" or "matern72" with bandwidth 1 belongs to the norm

.. math:: |f|^2 = \frac{1}{q} \int_a^b \big((D + 1)^p f\big)^2 dx + F_a^\top \Sigma^{-1} F_a

with p = 2 or 4, D the derivative, :math:`F_a` the value and the first p - 1 derivatives at a,
:math:`\Sigma` their covariances and q the density of the noise that drives them. Of splines this
is exact, and a matrix with the band of their overlaps.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.interpolate import BSpline

from sk_posenc.encoders.bases import resolve_basis
from sk_posenc.kronecker._line_systems import SumSystem, System

# Order p of the operator of each kernel.
ORDERS = {"matern32": 2, "matern72": 4}

# Degree of the splines: p derivatives of them are integrated, two are predicted.
DEGREE = 5
_SPAN = DEGREE + 1

# Distance of knots, in bandwidths and in lengths over which samples decide: what is left out is
# less than a hundredth of the posterior deviation.
_PER_BANDWIDTH = {2: 0.4, 4: 0.6}
_PER_LENGTH = {2: 0.4, 4: 0.6}

# Places that tell the density of samples somewhere.
_TOGETHER = 8

_MOST_PER_PLACE = 2.0

# Breakpoints at most where a domain has no samples.
_MOST_EMPTY = 1_000


def driving_noise(p: int) -> float:
    """q, of a variance of 1."""
    return 2 * math.sqrt(math.pi) * math.gamma(p) / math.gamma(p - 0.5)


def state_covariance(basis: str) -> NDArray[np.float64]:
    """Of the value and the first p - 1 derivatives of the process, in bandwidths; (p, p)."""
    p, similarity = ORDERS[basis], resolve_basis(basis)
    zero = np.zeros(1)
    at = [float(similarity.similarity_derivative(zero, 2 * m)[0]) if m else 1.0 for m in range(p)]
    covariance = np.zeros((p, p))
    for i in range(p):
        for j in range(i % 2, p, 2):
            covariance[i, j] = (-1) ** j * at[(i + j) // 2]
    return covariance


def knots_for(
    x: NDArray,
    weights: NDArray,
    basis: str,
    bandwidth: float,
    alpha: float,
    domain: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """Breakpoints as close as the fit of samples has detail.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Increasing places.
    weights : ndarray of shape (n,)
    alpha : float
    domain : (low, high)
        Where the breakpoints end; None: with the samples.
    """
    p, n = ORDERS[basis], len(x)
    at = np.unique(np.append(np.arange(0, n - 1, _TOGETHER), n - 1))
    at = at[np.append(True, np.diff(x[at]) > 0)]  # samples outside a domain are at its end
    widths = np.diff(x[at])
    total = np.concatenate([[0.0], np.cumsum(weights)])
    density = (total[at[1:]] - total[at[:-1]]) / widths * bandwidth
    frequency = (density * driving_noise(p) / alpha) ** (1 / (2 * p))  # in bandwidths
    wanted = frequency / _PER_LENGTH[p] / bandwidth
    possible = _MOST_PER_PLACE * np.diff(at) / widths
    per_unit = np.maximum(np.minimum(wanted, possible), 1 / _PER_BANDWIDTH[p] / bandwidth)
    counts = np.concatenate([[0.0], np.cumsum(per_unit * widths)])
    n_intervals = int(np.ceil(min(counts[-1], 3 * n + 64)))
    breaks = np.interp(np.linspace(0, counts[-1], n_intervals + 1), counts, x[at])
    if domain is None:
        return breaks
    step, widths = _PER_BANDWIDTH[p] * bandwidth, np.diff(breaks)
    before, after = (
        _steps(abs(end - breaks[i]), step, widths[i])
        for i, end in zip((0, -1), domain, strict=True)
    )
    breaks = np.concatenate([breaks[0] - before[:0:-1], breaks, breaks[-1] + after[1:]])
    breaks[[0, -1]] = domain
    return breaks


def _steps(length: float, step: float, narrow: float) -> NDArray[np.float64]:
    """From 0 to a length without samples; one that is narrower than its neighbour joins it."""
    n = math.ceil(min(length / step, _MOST_EMPTY)) if length > narrow else 0
    return np.linspace(0, length, n + 1)


@dataclass(frozen=True, eq=False)
class Splines:
    """Splines of degree 5 on breakpoints.

    Attributes
    ----------
    breaks : ndarray of shape (m + 1,)
        Increasing.
    """

    breaks: NDArray[np.float64]

    @property
    def size(self) -> int:
        return len(self.breaks) - 1 + DEGREE

    @cached_property
    def knots(self) -> NDArray[np.float64]:
        b = self.breaks
        return np.concatenate([np.full(DEGREE, b[0]), b, np.full(DEGREE, b[-1])])

    def at(self, x: NDArray, order: int = 0) -> sparse.csr_array:
        """Derivatives of some order inside the breakpoints; (n, size)."""
        knots = self.knots[order : len(self.knots) - order]
        design = sparse.csr_array(BSpline.design_matrix(x, knots, DEGREE - order))
        return design if order == 0 else sparse.csr_array(design @ self._differences(order))

    def _differences(self, order: int) -> sparse.csr_array:
        """From coefficients to those of the derivative, which is a spline of lower degree."""
        matrix = sparse.eye_array(self.size, format="csr")
        for degree in range(DEGREE, DEGREE - order, -1):
            inner = self.knots[DEGREE - degree + 1 : len(self.knots) - (DEGREE - degree) - 1]
            width = inner[degree:] - inner[:-degree]
            step = matrix[1:] - matrix[:-1]
            matrix = sparse.csr_array(sparse.diags_array(degree / width) @ step)
        return matrix

    @cached_property
    def _elements(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of the six splines of each interval at its Gauss points, (m, 6, 6); widths."""
        widths = np.diff(self.breaks)
        inside = (_GAUSS + 1) / 2
        points = self.breaks[:-1, None] + widths[:, None] * inside
        points = np.clip(points, self.breaks[:-1, None], self.breaks[1:, None])
        design = BSpline.design_matrix(points.ravel(), self.knots, DEGREE)
        return design.data.reshape(len(widths), _SPAN, _SPAN), widths

    def roots(
        self, basis: str, bandwidth: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the squared norm of a Matern kernel is the sum of squares of.

        Of the first p rows (p, 6) for the six splines at the start, and of six rows for those of
        each interval, (m, 6, 6).
        """
        p = ORDERS[basis]
        values, widths = self._elements
        widths = widths / bandwidth
        # all derivatives at the Gauss points, (p + 1, 6, m, 6)
        flat = np.ascontiguousarray(values.transpose(1, 0, 2)).reshape(_SPAN, -1)
        derived = (_DERIVATIVES[: p + 1].reshape(-1, _SPAN) @ flat).reshape(p + 1, _SPAN, -1, _SPAN)
        applied = derived[0]
        for j in range(1, p + 1):
            applied += derived[j] * (math.comb(p, j) / widths**j)[None, :, None]
        applied *= np.sqrt(_GAUSS_WEIGHTS)[:, None, None]
        applied *= np.sqrt(widths / 2 / driving_noise(p))[None, :, None]
        rooted = np.ascontiguousarray(applied.transpose(1, 0, 2))
        # derivatives at the first breakpoint, in bandwidths
        start = _AT_START[:p] @ values[0] / widths[0] ** np.arange(p)[:, None]
        lower = np.linalg.cholesky(state_covariance(basis))
        return np.linalg.solve(lower, start), rooted

    def norm_band(self, basis: str, bandwidth: float) -> NDArray[np.float64]:
        """The lower band of the squared norm of a Matern kernel; (6, size)."""
        return self.norm_of(*self.roots(basis, bandwidth))

    def norm_of(self, start: NDArray, rooted: NDArray) -> NDArray[np.float64]:
        """The same from its roots."""
        elements = rooted.transpose(0, 2, 1) @ rooted
        band = np.zeros((_SPAN, self.size))
        m = len(elements)
        for offset in range(_SPAN):
            for i in range(_SPAN - offset):
                band[offset, i : i + m] += elements[:, i + offset, i]
        corner = start.T @ start
        for offset in range(_SPAN):
            band[offset, : _SPAN - offset] += np.diag(corner, -offset)
        return band

    def log_determinant_of(self, start: NDArray, rooted: NDArray) -> float:
        """Of the matrix of the squared norm, from its roots.

        By orthogonal steps on its roots: as a square it would have no digits left where knots are
        much closer than a bandwidth. Neighbouring intervals are joined in pairs, and what only
        they share is eliminated.
        """
        rest = len(rooted) % DEGREE
        # five intervals have five splines on their left and five on their right
        nodes = _triangle(_beside(rooted[rest:].reshape(-1, DEGREE, _SPAN, _SPAN)))
        total = 0.0
        while len(nodes) > 1:
            even = len(nodes) // 2 * 2
            joined = _triangle(_shared_first(nodes[0:even:2], nodes[1:even:2]))
            total += _log_diagonal(joined[:, :DEGREE, :DEGREE])
            nodes = np.concatenate([joined[:, DEGREE:, DEGREE:], nodes[even:]])
        whole = _beside(np.concatenate([rooted[:rest], np.zeros((1, _SPAN, _SPAN))])[None])[0]
        width = rest + _SPAN + (DEGREE - 1 if len(nodes) else -1)
        rows = np.zeros((len(start) + len(whole) + 2 * DEGREE * len(nodes), width))
        rows[: len(start), :_SPAN] = start
        rows[len(start) : len(start) + len(whole), : rest + _SPAN] = whole[:, :width]
        if len(nodes):
            rows[-2 * DEGREE :, rest:] = nodes[0]
        return total + _log_diagonal(_triangle(rows))


def _beside(blocks: NDArray) -> NDArray[np.float64]:
    """Rows of (n, g, 6, 6), each group one column further than that before; (n, 6 g, g + 5)."""
    n, g, rows, span = blocks.shape
    out = np.zeros((n, g * rows, g + span - 1))
    for i in range(g):
        out[:, i * rows : (i + 1) * rows, i : i + span] = blocks[:, i]
    return out


def _shared_first(left: NDArray, right: NDArray) -> NDArray[np.float64]:
    """Two nodes that share five columns, these in front."""
    none = np.zeros((len(left), 2 * DEGREE, DEGREE))
    above = np.concatenate([left[:, :, DEGREE:], left[:, :, :DEGREE], none], axis=2)
    below = np.concatenate([right[:, :, :DEGREE], none, right[:, :, DEGREE:]], axis=2)
    return np.concatenate([above, below], axis=1)


def _triangle(rows: NDArray) -> NDArray[np.float64]:
    return np.asarray(np.linalg.qr(rows, mode="r"))


def _log_diagonal(triangles: NDArray) -> float:
    """The logarithm of the determinant of R' R."""
    diagonal = np.diagonal(triangles, axis1=-2, axis2=-1)
    return 2 * float(np.sum(np.log(np.abs(diagonal))))


_GAUSS, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(_SPAN)


def _derivative_matrix() -> NDArray[np.float64]:
    """From values at the Gauss points to derivatives there, over an interval of width 1."""
    x = (_GAUSS + 1) / 2
    powers = np.vander(x, increasing=True)
    slopes = np.zeros_like(powers)
    slopes[:, 1:] = powers[:, :-1] * np.arange(1, len(x))
    return np.asarray(np.linalg.solve(powers.T, slopes.T).T)


_DERIVATIVES = np.stack([np.linalg.matrix_power(_derivative_matrix(), j) for j in range(_SPAN)])

# From the same values to the derivatives of order 0, 1, ... at the start of the interval.
_AT_START = np.linalg.inv(np.vander((_GAUSS + 1) / 2, increasing=True))
_AT_START *= np.array([math.factorial(j) for j in range(_SPAN)])[:, None]


class MaternLine:
    """A Matern process on a line as functions with a penalty; see `LineFunctions`.

    Parameters
    ----------
    splines : Splines
    basis : str
    bandwidth : float
    """

    def __init__(self, splines: Splines, basis: str, bandwidth: float) -> None:
        self.splines, self._basis, self._bandwidth = splines, basis, bandwidth

    def at(self, x: NDArray, order: int = 0) -> sparse.csr_array:
        """Functions and their derivatives; outside, coordinates count as the nearest end."""
        x = np.asarray(x, dtype=np.float64)
        low, high = self.splines.breaks[[0, -1]]
        inside = self.splines.at(np.clip(x, low, high), order)
        if order == 0 or not ((x < low) | (x > high)).any():
            return inside
        moves = ((x >= low) & (x <= high)).astype(np.float64)
        return sparse.csr_array(sparse.diags_array(moves) @ inside)

    def as_encoded(self, coefficients: NDArray) -> NDArray[np.float64]:
        return coefficients

    def as_solved(self, coefficients: NDArray) -> NDArray[np.float64]:
        return coefficients

    def system(self, gram: Any) -> System:
        return SumSystem(gram, self.splines.norm_band(self._basis, self._bandwidth))
