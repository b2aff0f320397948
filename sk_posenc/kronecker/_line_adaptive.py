"""The adaptive penalty on one axis: each of its fits has a band, and is solved directly."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from sk_posenc.kronecker._adaptive import (
    _FLOOR,
    _NOTHING,
    _PASSES,
    _PILOT,
    _PROBED,
    _WIDTH,
    NOT_LINEAR,
    check_steered,
)
from sk_posenc.kronecker._band import BandCholesky, band_of, widened
from sk_posenc.kronecker._design import Design
from sk_posenc.kronecker._line import ByLine, ShiftedLine, quadratic
from sk_posenc.kronecker._line_features import LineFeatures
from sk_posenc.kronecker._posterior import Posterior
from sk_posenc.kronecker._steering import _CUT, Lattice
from sk_posenc.kronecker.penalties import SLOPE

# How far second differences reach.
_BENDS = 2


class SteeredLine(ByLine):
    """See `Steering`, whose equations these are on one axis.

    Parameters
    ----------
    design : Design
    features : LineFeatures
    """

    def __init__(self, design: Design, features: LineFeatures) -> None:
        check_steered([design.axes[0].encoder])
        super().__init__(design, ShiftedLine(features, SLOPE))
        encoder = features.encoder
        low, high = encoder.domain_[0]
        gap = features.windows.spacing / (high - low)
        spacing = gap * float(encoder.stable_rank_[0])
        wraps = features.windows.wraps
        self._lattice = Lattice((features.n_columns,), [spacing], [wraps])
        size, _ = features.integrals()
        self._size, self._height = size, _sum_of_shifts(features, low, high)
        self._unit = gap * self._height**2 / spacing**4
        self._order = self._functions.order  # type: ignore[attr-defined]
        self._gram_band = widened(band_of(self._gram), _BENDS * (2 if wraps else 1))

    @classmethod
    def of(cls, design: Design) -> "SteeredLine | None":
        """None where functions reach over all of the axis."""
        features = LineFeatures.of(design.axes[0].encoder)
        return None if features is None else cls(design, features)

    def _solved(self, weighed: NDArray, alpha: float) -> NDArray[np.float64]:
        right = self._right(weighed)
        return np.ascontiguousarray(self._followed(right, alpha).solve(right).T)

    def _left(self, rotated: NDArray, alpha: float) -> tuple[NDArray, NDArray]:
        """Under the directions that all samples have told; see `leave_one_out`."""
        right = self._right(rotated)
        factor = self._followed(right[:, :-1], alpha)
        residuals = rotated - (self._rows @ factor.solve(right)).T
        return residuals, 1 - quadratic(self._rows, factor, self._half_width())

    def _right(self, weighed: NDArray) -> NDArray[np.float64]:
        return np.asarray(self._rows.T @ weighed.astype(np.float64).T)

    def _followed(self, right: NDArray, alpha: float) -> BandCholesky:
        """The factor of the last fit, penalised by the directions of those before it."""
        steering, strength = np.ones(self._lattice.shape[0]), _PILOT * alpha
        for _ in range(_PASSES):
            found = self._factor(steering, strength).solve(right)
            steering = self._steering(self._functions.as_encoded(np.ascontiguousarray(found.T)))
            strength = alpha
        return self._factor(steering, alpha).checked()

    def _factor(self, steering: NDArray, alpha: float) -> BandCholesky:
        return BandCholesky(self._gram_band + (alpha * self._unit) * self._bends(steering))

    def _bends(self, steering: NDArray) -> NDArray[np.float64]:
        """Squared second differences, each times the square of what it counts; a band."""
        if self._lattice.wraps[0]:
            return self._bends_of_circle(steering)
        band, counts = np.zeros_like(self._gram_band), steering**2
        counts[[0, -1]] = 0.0
        band[0] = 4 * counts
        band[0, :-1] += counts[1:]
        band[0, 1:] += counts[:-1]
        band[1, :-1] = -2 * (counts[1:] + counts[:-1])
        band[2, :-2] = counts[1:-1]
        return band

    def _bends_of_circle(self, steering: NDArray) -> NDArray[np.float64]:
        k, step = len(steering), sparse.eye_array(len(steering), format="csr")
        ahead, behind = (step[(np.arange(k) + s) % k] for s in (1, -1))
        D = ahead - 2 * step + behind
        bends = sparse.csr_array(D.T @ sparse.diags_array(steering**2) @ D)
        return widened(band_of(bends[self._order][:, self._order]), len(self._gram_band) - 1)

    def _steering(self, solutions: NDArray) -> NDArray[np.float64]:
        """T at each node, 1 in the median."""
        total = np.zeros(solutions.shape[1])
        for z in solutions:
            mean_square = float(z @ (self._size @ z))
            size = math.sqrt(max(0.0, mean_square)) or 1.0
            total += self._lattice.gradients(z * (self._height / size))[0] ** 2
        T = 1 / (self._smooth(total / len(solutions)) + _FLOOR**2)
        return np.asarray(T / np.sort(T)[len(T) // 2])

    def _smooth(self, values: NDArray) -> NDArray[np.float64]:
        """As by `smoothing_matrices`."""
        deviation = _WIDTH / self._lattice.spacings[0]
        reach = max(1, int(_CUT * deviation + 0.5))
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
        mode = "wrap" if self._lattice.wraps[0] else "reflect"
        return np.asarray(ndimage.convolve1d(values, weights / weights.sum(), mode=mode))

    def condition_number(self, alpha: float) -> float:
        return math.nan

    def posterior(self, alpha: float) -> Posterior:
        raise ValueError(NOT_LINEAR)

    def left_over(self, cells: NDArray, alpha: float) -> tuple[NDArray, float]:
        raise ValueError(NOT_LINEAR)


def _sum_of_shifts(features: LineFeatures, low: float, high: float) -> float:
    """Sum of the functions of an axis, the mean over its domain."""
    rows = features.at(np.linspace(low, high, _PROBED))
    total = float(np.mean(rows.sum(axis=1)))
    if not total > _NOTHING * float(np.mean(abs(rows).sum(axis=1))):
        raise ValueError(
            'penalty="adaptive" needs a basis whose coefficients are values of the function, such '
            f'as "triangle" or "bspline": use a number, or "ridge". Got {features.encoder!r}.'
        )
    return total
