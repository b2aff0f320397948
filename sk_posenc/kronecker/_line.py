"""One axis with many places, in time and memory linear in them: all matrices have a band."""

import math
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.limits import limits_now
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._axis import Axis, Expansion
from sk_posenc.kronecker._band import BandCholesky, NotDefiniteError, band_of, matrix_of
from sk_posenc.kronecker._design import Design
from sk_posenc.kronecker._direct import Solver
from sk_posenc.kronecker._leaves_out import LeavesOut
from sk_posenc.kronecker._line_features import LineFeatures
from sk_posenc.kronecker._line_systems import Factor, PowerSystem, SumSystem, System
from sk_posenc.kronecker._matern_splines import ORDERS as MATERN_ORDERS
from sk_posenc.kronecker._matern_splines import MaternLine, Splines, knots_for
from sk_posenc.kronecker._posterior import Posterior, PosteriorOfDesign
from sk_posenc.kronecker._spacing import features_through
from sk_posenc.kronecker._whitening import NULL_SPACE
from sk_posenc.kronecker.penalties import SIMILARITY, Adaptive, Differences, Penalty, Smoothness

# Functions whose integrals are worse conditioned are not all kept by a dense solution.
_INDEPENDENT = 1e7

# By what alpha is moved to see how variances follow it.
_STEP = 1.05

# Functions smaller than this on the domain, relative to the largest, are not on it.
_NOTHING = 1e-8


class LineFunctions(Protocol):
    """Functions of one axis of which few are not 0 at a place, and their penalty."""

    def at(self, x: NDArray, order: int = 0) -> sparse.csr_array: ...

    def as_encoded(self, coefficients: NDArray) -> NDArray[np.float64]: ...

    def as_solved(self, coefficients: NDArray) -> NDArray[np.float64]: ...

    def system(self, gram: Any) -> System: ...


class ShiftedLine:
    """The shifted functions of an encoder, and a penalty of them.

    Parameters
    ----------
    features : LineFeatures
    penalty : Differences or Smoothness
    """

    def __init__(self, features: LineFeatures, penalty: Penalty) -> None:
        self._features, self._penalty = features, penalty
        k = features.n_columns
        order = np.arange(k)
        if features.windows.wraps:  # both ways around the circle in turn: a band again
            order = np.stack([np.arange(k), k - 1 - np.arange(k)], axis=1).ravel()[:k]
        self._integrals: list[Any] = []
        if isinstance(penalty, Smoothness):
            self._integrals = list(features.integrals())
            sizes = self._integrals[0].diagonal()
            order = order[sizes[order] > _NOTHING * sizes.max()]
        self.order = order

    @classmethod
    def of(cls, axis: Axis, penalty: Penalty) -> "ShiftedLine | None":
        """None where no band serves: exponents that are not whole, functions that do not end."""
        whole = isinstance(penalty, Differences) or (
            isinstance(penalty, Smoothness)
            and not isinstance(penalty, Adaptive)
            and float(penalty.exponent).is_integer()
        )
        features = LineFeatures.of(axis.encoder) if whole else None
        if features is None:
            return None
        found = cls(features, penalty)
        return found if found._is_independent() else None

    def _is_independent(self) -> bool:
        if not self._integrals:
            return True
        try:
            sizes = BandCholesky(band_of(self._ordered(self._integrals[0])))
        except NotDefiniteError:
            return False
        return sizes.condition <= _INDEPENDENT

    def at(self, x: NDArray, order: int = 0) -> sparse.csr_array:
        return self._features.at(x, order)[:, self.order]

    def as_encoded(self, coefficients: NDArray) -> NDArray[np.float64]:
        """Coefficients (q, k) of all functions of the encoder; 0 of those off the domain."""
        found = np.zeros((len(coefficients), self._features.n_columns))
        found[:, self.order] = coefficients
        return found

    def as_solved(self, coefficients: NDArray) -> NDArray[np.float64]:
        """The way back."""
        return coefficients[:, self.order]

    def system(self, gram: Any) -> System:
        penalty = self._penalty
        if isinstance(penalty, Differences):
            return SumSystem(gram, self._ordered(self._differences(penalty.order)))
        assert isinstance(penalty, Smoothness)
        size, rough = map(self._ordered, self._smoothness())
        if penalty.exponent == 1:
            return SumSystem(gram, rough)
        return PowerSystem(gram, size, rough, int(penalty.exponent))

    def _ordered(self, matrix: Any) -> sparse.csr_array:
        return sparse.csr_array(matrix)[self.order][:, self.order]

    def _differences(self, order: int) -> sparse.csr_array:
        k, wraps = self._features.n_columns, self._features.windows.wraps
        if order == 0:
            return sparse.eye_array(k, format="csr")
        D = sparse.eye_array(k, format="csr")
        for _ in range(order):
            D = D[(np.arange(k) + 1) % k] - D if wraps else D[1:] - D[:-1]
        return D.T @ D + NULL_SPACE * sparse.eye_array(k)

    def _smoothness(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """M, and K of which a constant is half a wave over the domain."""
        size, slope = self._integrals
        rank = float(self._features.encoder.stable_rank_[0])
        return size, slope / rank**2 + (np.pi / rank) ** 2 * size


class LineExpansion(Expansion):
    """Sums of functions of one axis, few of which are not 0 at a place."""

    on_host = True

    def __init__(self, axis: Axis, functions: LineFunctions) -> None:
        self.axes, self._functions = [axis], functions

    @property
    def row_width(self) -> int:
        return 64  # numbers that a sparse row needs, about

    def features_at(self, coordinates: Sequence[NDArray], orders: Sequence[int]) -> list[Any]:
        (x,), (order,) = coordinates, orders
        return [sparse.csr_array(features_through(self.axes[0].spacing, self._at, x, order))]

    def _at(self, x: NDArray, order: int) -> Any:
        return self._functions.at(x, order)

    def along_axes(self, solution: NDArray) -> None:
        return None

    def predict_rows(self, solution: NDArray, features: Sequence[Any]) -> NDArray:
        return np.asarray(features[0] @ self._functions.as_solved(solution).T)


class ByLine(LeavesOut, Solver):
    """One axis by factors with a band.

    Parameters
    ----------
    design : Design
        Of one axis.
    functions : LineFunctions
    """

    def __init__(self, design: Design, functions: LineFunctions) -> None:
        super().__init__(design)
        self.expansion = LineExpansion(design.axes[0], functions)
        self._functions = functions
        rows = functions.at(places_of(design))
        self._rows = sparse.csr_array(sparse.diags_array(design.root_weights()) @ rows)
        self._gram = sparse.csr_array(self._rows.T @ self._rows)
        self._known: tuple[float, Factor] | None = None

    def mean_diagonal(self) -> float:
        """What alpha counts in under penalties of coefficients."""
        return float(self._gram.trace()) / self._gram.shape[0]

    @cached_property
    def _system(self) -> System:
        return self._functions.system(self._gram)

    def factor(self, alpha: float) -> Factor:
        if self._known is None or self._known[0] != alpha:
            self._known = alpha, self._system.factor(alpha)
        return self._known[1]

    def solve(
        self, cells: NDArray, alpha: float, tolerance: float, max_iter: int, **begun: Any
    ) -> tuple[NDArray, int, float]:
        try:
            found = self._solved(self.design.weigh(cells), alpha)
        except NotDefiniteError as failed:
            raise ValueError(
                f"rounding decides the solution on this axis ({failed}): lower stable_rank or "
                f"n_shifts, or take another alpha. Got {alpha / self.design.total_weight():g} for "
                "each sample."
            ) from failed
        return self._functions.as_encoded(found), 1, 0.0

    def _solved(self, weighed: NDArray, alpha: float) -> NDArray[np.float64]:
        right = self._rows.T @ weighed.astype(np.float64).T
        return np.ascontiguousarray(self.factor(alpha).solve(right).T)

    def condition_number(self, alpha: float) -> float:
        try:
            return self.factor(alpha).condition
        except NotDefiniteError:
            return np.inf

    def _left(self, rotated: NDArray, alpha: float) -> tuple[NDArray, NDArray]:
        residuals = rotated - (self._rows @ self._solved(rotated, alpha).T).T
        return residuals, 1 - self.hat_diagonal(alpha)

    def hat_diagonal(self, alpha: float) -> NDArray[np.float64]:
        return quadratic(self._rows, self.factor(alpha), self._half_width())

    def _half_width(self) -> int:
        row, column = self._gram.tocoo().coords
        return int(np.max(np.abs(row - column), initial=0))

    def posterior(self, alpha: float) -> Posterior:
        return LinePosterior(self, alpha)


class LinePosterior(PosteriorOfDesign):
    """From the band of the inverse, which holds all that two functions at a place need."""

    def __init__(self, solver: ByLine, alpha: float) -> None:
        super().__init__(solver.design, alpha)
        width = solver._half_width()
        self._solver, self._band = solver, width
        self._inverse = matrix_of(solver.factor(alpha).inverse_band(width))

    def _of_noise(self) -> Self:
        """By how the variance follows alpha: its logarithmic slope is less by what noise makes."""
        again = copy(self)
        less, more = (
            matrix_of(self._solver.factor(self._alpha * step).inverse_band(self._band))
            for step in (1 / _STEP, _STEP)
        )
        again._inverse = self._inverse + (more - less) / (2 * math.log(_STEP))
        return again

    def own_at(self, coordinates: Sequence[NDArray], orders: Sequence[int]) -> list[NDArray]:
        return []

    def of_rows(self, features: Sequence[Any], own: Sequence[NDArray] = ()) -> NDArray:
        return np.maximum(_quadratic(features[0], self._inverse), 0.0)


def quadratic(rows: sparse.csr_array, factor: Factor, width: int) -> NDArray[np.float64]:
    """``phi' M^-1 phi`` of rows phi whose entries lie within the band."""
    return _quadratic(rows, matrix_of(factor.inverse_band(width)))


def _quadratic(rows: sparse.csr_array, inverse: sparse.csr_array) -> NDArray[np.float64]:
    out = np.empty(rows.shape[0])
    step = max(1, limits_now().row_block // 64)
    for start in range(0, len(out), step):
        block = rows[start : start + step]
        out[start : start + step] = np.asarray(block.multiply(block @ inverse).sum(axis=1)).ravel()
    return out


def is_line(design: Design, alphas: Sequence[float] | NDArray, whole: bool) -> bool:
    """Whether bands pay: one axis with many places, and a penalty that counts.

    One fit with smoothness needs dense eigenvectors of all functions: bands pay sooner.
    """
    now = limits_now()
    smooth = isinstance(design.penalty, Smoothness) and not whole
    least = min(now.lines_from, now.smooth_lines_from) if smooth else now.lines_from
    return len(design.axes) == 1 and design.n_occupied > least and min(alphas) > 0


def check_exponent(design: Design) -> None:
    """Refuse smoothness without a band where a dense matrix would take minutes."""
    penalty, n, most = design.penalty, design.n_occupied, limits_now().lines_from
    if len(design.axes) != 1 or n <= most or not isinstance(penalty, Smoothness):
        return
    exponent = float(penalty.exponent)
    if isinstance(penalty, Adaptive) or exponent.is_integer():
        return
    whole = sorted({max(1, math.floor(exponent)), math.ceil(exponent)})
    raise ValueError(
        f"on one axis exponents of smoothness that are not whole work for up to {most:,} places, "
        f"as their matrices have no band: take penalty={' or '.join(map(str, whole))}, or fewer "
        f"samples. Got penalty={exponent:g} and {n:,} places."
    )


def line_solver(design: Design, alphas: Sequence[float] | NDArray) -> ByLine | None:
    """What solves one axis by bands; None where that is not possible."""
    functions: LineFunctions | None
    if design.penalty == SIMILARITY:
        functions = _matern_of(design, min(alphas))
    else:
        functions = ShiftedLine.of(design.axes[0], design.penalty)
    return None if functions is None else ByLine(design, functions)


def _matern_of(design: Design, alpha: float) -> MaternLine | None:
    """Splines for a Matern kernel; None for another one."""
    encoder = design.axes[0].encoder
    basis = encoder.basis if isinstance(encoder, ShiftedBasisEncoder) else None
    if basis not in MATERN_ORDERS or encoder._boundary(0) != "extend":
        return None
    low, high = (float(end) for end in encoder.domain_[0])
    x, bandwidth = np.clip(places_of(design), low, high), float(encoder.bandwidth_[0])
    if not x[-1] > x[0]:
        return None
    weights = design.root_weights() ** 2
    breaks = knots_for(x, weights, basis, bandwidth, alpha, (low, high))
    return MaternLine(Splines(breaks), basis, bandwidth)


def places_of(design: Design) -> NDArray[np.float64]:
    """Coordinates of one axis, as its functions see them, that have a sample; increasing."""
    x, occupied = design.axes[0].coordinates, design.samples.occupied
    return np.asarray(x if len(occupied) == len(x) else x[occupied], dtype=np.float64)
