"""Many places of a line, gathered in narrow cells, and how well a process predicts these."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.encoders.axis_spacing import AxisSpacing
from sk_posenc.kronecker._band import BandCholesky
from sk_posenc.kronecker._matern_splines import DEGREE, Splines, knots_for
from sk_posenc.kronecker._stage import Resolution

# As in `judge`.
_POINTS = 128
_MOST_LIKELIHOOD, _LIKELIHOOD = 0.5, 5.0
_LEAST = 1e-300

# What rounding leaves of 1 - h, the share of a target that is not fitted.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Cells:
    """Weighted means of neighbours on a line.

    Attributes
    ----------
    x : ndarray of shape (n,)
        Increasing.
    targets : ndarray of shape (q, n)
    weights : ndarray of shape (n,)
        Sums over the places of a cell, each of which weighs 1 in the mean.
    spacing : AxisSpacing
        The map that follows all places.
    between : ndarray of shape (n_points,)
        Half of them next to places, half anywhere.
    """

    x: NDArray[np.float64]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    spacing: AxisSpacing
    between: NDArray[np.float64]

    @classmethod
    def of(
        cls, x: NDArray, targets: NDArray, weights: NDArray, spacing: AxisSpacing, n_cells: int
    ) -> "Cells":
        """Cells that hold about as many places, and none of which spans a gap."""
        between = _between(x)
        if len(x) <= n_cells:
            return cls(x, targets, weights, spacing, between)
        ranks = np.arange(len(x)) / (len(x) - 1)
        cell = np.floor((ranks + spacing.evenly(x)) * (n_cells / 2)).astype(np.intp)
        starts = np.flatnonzero(np.diff(cell, prepend=-1))
        total = np.add.reduceat(weights, starts)
        mean = np.add.reduceat(weights * x, starts) / total
        means = np.add.reduceat(weights * targets, starts, axis=1) / total
        return cls(mean, means, total, spacing, between)

    @property
    def n_cells(self) -> int:
        return len(self.x)

    @cached_property
    def difference(self) -> float:
        """Variance of a cell of mean weight that neighbours show; sum over the outputs.

        It is that of the noise, and more where details are as narrow as cells.
        """
        each = self.weights.mean() / self.weights
        squares = np.diff(self.targets, axis=1) ** 2 / (each[1:] + each[:-1])
        return float(np.sum(np.mean(squares, axis=1)))


def _between(x: NDArray[np.float64]) -> NDArray[np.float64]:
    random = np.random.default_rng(0)
    first = random.integers(len(x) - 1, size=_POINTS)
    share = random.uniform(size=_POINTS)
    near = x[first] * share + x[first + 1] * (1 - share)
    return np.where(np.arange(_POINTS) % 2, near, x[0] * share + x[-1] * (1 - share))


# Pairs of the six splines that are not 0 at a place: how far apart, and the first of them.
_OFFSETS, _FIRSTS = map(
    np.array, zip(*((o, i) for o in range(DEGREE + 1) for i in range(DEGREE + 1 - o)), strict=True)
)


class _Pairs:
    """Products of the splines at places, two at a time: all that Gram matrices are made of.

    Parameters
    ----------
    rows : csr_array of shape (n, k)
        Each with six neighbouring entries.
    """

    def __init__(self, rows: sparse.csr_array) -> None:
        self._size = rows.shape[1]
        self._first = rows.indices[:: DEGREE + 1]
        values = np.ascontiguousarray(rows.data.reshape(-1, DEGREE + 1).T)
        self._products = values[_FIRSTS] * values[_FIRSTS + _OFFSETS]  # (21, n)

    def gram(self, weights: NDArray) -> NDArray[np.float64]:
        """The lower band of the weighted Gram matrix, of places in order."""
        starts = np.flatnonzero(np.diff(self._first, prepend=-1))
        sums = np.add.reduceat(self._products * weights, starts, axis=1)
        band = np.zeros((DEGREE + 1, self._size))
        at = self._first[starts]
        for offset, i, each in zip(_OFFSETS, _FIRSTS, sums, strict=True):
            band[offset, at + i] += each
        return band

    def squares(self, inverse: NDArray) -> NDArray[np.float64]:
        """``phi' M^-1 phi`` at each place, from the lower band of the inverse."""
        k = self._size - DEGREE
        twice = np.where(_OFFSETS > 0, 2.0, 1.0)
        entries = np.stack(
            [t * inverse[o, i : i + k] for t, o, i in zip(twice, _OFFSETS, _FIRSTS, strict=True)]
        )
        return np.einsum("tn,tn->n", self._products, np.take(entries, self._first, axis=1))


@dataclass(frozen=True)
class _Fitted:
    """Sums over cells that all strengths of one set of splines share."""

    splines: Splines
    rows: sparse.csr_array
    pairs: _Pairs
    gram: NDArray[np.float64]
    right: NDArray[np.float64]
    between: sparse.csr_array
    pairs_between: _Pairs
    norm: NDArray[np.float64]
    log_determinant: float


@dataclass
class CellJudge:
    """The criterion of `judge` on cells, in time linear in them.

    Attributes
    ----------
    cells : Cells
    """

    cells: Cells
    _known: dict[tuple, _Fitted] = field(default_factory=dict)
    _mapped: dict[float, tuple[NDArray, NDArray]] = field(default_factory=dict)

    def judge(self, resolution: Resolution, alpha: float) -> tuple[float, float]:
        """Criterion of one strength, see there, and squared error, the sum over the outputs."""
        cells = self.cells
        fitted = self._fitted(resolution, alpha)
        mean = float(cells.weights.mean())
        weights, alpha = cells.weights / mean, alpha / mean
        factor = BandCholesky(fitted.gram / mean + alpha * fitted.norm)
        solution = factor.solve(fitted.right / mean)
        left = 1.0 - (fitted.rows @ solution)  # of ones; targets follow
        left[:, :-1] += cells.targets.T - 1.0
        inverse = factor.inverse_band(DEGREE)
        hat = weights * fitted.pairs.squares(inverse)
        # sums of squares bound what rounding leaves of small residuals
        ones = max(float(weights @ left[:, -1]), float(weights @ left[:, -1] ** 2)) / alpha
        residuals = left[:, :-1] - (weights @ left[:, :-1] / alpha / ones) * left[:, -1:]
        diagonal = np.maximum(1 - hat, _ROUNDING) / alpha
        diagonal = np.maximum(
            diagonal - weights * left[:, -1] ** 2 / (alpha**2 * ones), _ROUNDING / alpha
        )
        dual = np.abs(residuals) * (np.sqrt(weights) / alpha)[:, None]
        loo = np.mean(dual / diagonal[:, None] * np.sqrt(weights)[:, None], axis=0)
        lpl = np.mean(dual / np.sqrt(diagonal)[:, None], axis=0)
        logs = float(np.mean(np.log(diagonal)))
        unsure = alpha * fitted.pairs_between.squares(inverse) + alpha
        unsure += (1 - (fitted.between @ solution)[:, -1]) ** 2 / ones
        far = math.log(float(np.mean(unsure))) + logs
        of_outputs = np.log(loo + _LEAST) + np.log(lpl + _LEAST) - logs / 2
        n, k = cells.n_cells, fitted.splines.size
        share = min(_MOST_LIKELIHOOD, _LIKELIHOOD / math.sqrt(n))
        fit = np.maximum(weights @ (residuals * cells.targets.T), weights @ residuals**2)
        fit /= alpha * n
        volume = factor.log_determinant() + (n - k) * math.log(alpha)
        volume += math.log(ones) - fitted.log_determinant
        of_outputs += share * np.log(fit + _LEAST)
        error = np.sum(weights @ (residuals / (alpha * diagonal)[:, None]) ** 2) / n
        return float(np.mean(of_outputs)) + max(far, 0.0) + share * volume / n, float(error)

    def n_details(self, resolution: Resolution, alpha: float) -> float:
        """How many numbers a fit takes from the targets: the trace of the hat matrix."""
        fitted = self._fitted(resolution, alpha)
        inverse = BandCholesky(fitted.gram + alpha * fitted.norm).inverse_band(DEGREE)
        return float(self.cells.weights @ fitted.pairs.squares(inverse))

    def _fitted(self, resolution: Resolution, alpha: float) -> _Fitted:
        decade = math.floor(math.log10(alpha) + 1e-9)
        key = (resolution, decade)
        if key not in self._known:
            if len(self._known) > 8:
                self._known.clear()
            u, between = self._places(resolution.spacing)
            wide, basis = resolution.width(0), resolution.basis
            # cells end where their means are: the domain is that of all places
            breaks = knots_for(u, self.cells.weights, basis, wide, 10.0**decade, (0.0, 1.0))
            splines = Splines(breaks)
            rows = splines.at(u)
            pairs = _Pairs(rows)
            targets = np.vstack([self.cells.targets, np.ones(len(u))])
            right = rows.T @ (self.cells.weights * targets).T
            gram, middle = pairs.gram(self.cells.weights), splines.at(between)
            roots = splines.roots(resolution.basis, resolution.width(0))
            self._known[key] = _Fitted(
                splines, rows, pairs, gram, right, middle, _Pairs(middle),
                splines.norm_of(*roots), splines.log_determinant_of(*roots),
            )  # fmt: skip
        return self._known[key]

    def _places(self, strength: float) -> tuple[NDArray, NDArray]:
        if strength not in self._mapped:
            spacing = self.cells.spacing.with_strength(strength)
            self._mapped[strength] = spacing(self.cells.x), spacing(self.cells.between)
        return self._mapped[strength]
