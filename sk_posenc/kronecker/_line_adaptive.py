"""The adaptive penalty on one axis: each of its fits has a band, and is solved directly."""

import math
from typing import Any

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
from sk_posenc.kronecker._design import Design
from sk_posenc.kronecker._line import ByLine, ShiftedLine
from sk_posenc.kronecker._line_features import LineFeatures
from sk_posenc.kronecker._line_systems import SumSystem
from sk_posenc.kronecker._posterior import Posterior
from sk_posenc.kronecker._steering import _CUT, Lattice
from sk_posenc.kronecker.penalties import SLOPE


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

    @classmethod
    def of(cls, design: Design) -> "SteeredLine | None":
        """None where functions reach over all of the axis."""
        features = LineFeatures.of(design.axes[0].encoder)
        return None if features is None else cls(design, features)

    def solve(
        self, cells: NDArray, alpha: float, tolerance: float, max_iter: int, **begun: Any
    ) -> tuple[NDArray, int, float]:
        right = self._rows.T @ self.design.weigh(cells).astype(np.float64).T
        steering = np.ones(self._lattice.shape[0])
        found = self._fitted(right, _PILOT * alpha, steering)
        for _ in range(_PASSES):
            found = self._fitted(right, alpha, self._steering(found))
        return found, 1, 0.0

    def _fitted(self, right: NDArray, alpha: float, steering: NDArray) -> NDArray[np.float64]:
        penalty = self._bends(steering)[self._order][:, self._order]
        factor = SumSystem(self._gram, self._unit * penalty).factor(alpha)
        return self._functions.as_encoded(np.ascontiguousarray(factor.solve(right).T))

    def _bends(self, steering: NDArray) -> sparse.csr_array:
        """Squared second differences, each times the square of what it counts."""
        k = len(steering)
        if self._lattice.wraps[0]:
            step = sparse.eye_array(k, format="csr")
            ahead, behind = (step[(np.arange(k) + s) % k] for s in (1, -1))
            D, weights = ahead - 2 * step + behind, steering**2
        else:
            D = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(k - 2, k))
            weights = steering[1:-1] ** 2
        return sparse.csr_array(D.T @ sparse.diags_array(weights) @ D)

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

    def _left(self, rotated: NDArray, alpha: float) -> tuple[NDArray, NDArray]:
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
