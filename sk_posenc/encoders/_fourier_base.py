"""What encoders of sines and cosines share."""

import math
from types import ModuleType
from typing import Any, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sk_posenc.core.arrays import Array
from sk_posenc.encoders.axis_encoder import AxisEncoder
from sk_posenc.encoders.base import Learnable

# Relative spread of the spacings of equidistant samples, in float32 too.
_EQUIDISTANT = 1e-3


class FourierBase(AxisEncoder):
    """Sines and cosines of the distance from the lower end of the domain."""

    _needs_rest = ("low",)

    frequencies_: Any
    domain_: NDArray[np.float64]

    def _learning_unit(self) -> NDArray[np.float64]:
        """Angular frequency of one cycle over the domain of each axis."""
        return np.array([2 * math.pi / (high - low) for low, high in self._ends])

    def _phases(
        self, axis: int, x: Array, angular: Array, arrays: dict[str, Array], xp: ModuleType
    ) -> Array:
        """Phases of one axis, shape (n_samples, n_frequencies)."""
        return self._from_low(axis, x, arrays, xp)[:, None] * angular

    def _from_low(self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType) -> Array:
        x = x - arrays["low"][axis]
        if "low_rest" in arrays:
            x = x - arrays["low_rest"][axis]
        if self._ends_at_domain(axis):
            low, high = self._ends[axis]
            x = xp.clip(x, 0.0, high - low)
        return x

    def _own_frequencies(self) -> NDArray[np.float64]:
        """Of the encoder of one axis, in cycles per coordinate unit."""
        raise NotImplementedError

    def _without_aliases(self, x: NDArray) -> Self:
        # A wave above half the sampling rate has the same values at all samples as a slower one,
        # and other values between them. The slower one replaces it: the fit there stays the same.
        if len(x) < 2:
            return self
        spacing = np.diff(np.asarray(x, dtype=np.float64))
        if np.ptp(spacing) > _EQUIDISTANT * spacing.mean():
            return self
        rate = 2 * math.pi / spacing.mean()
        folded = {}
        for name, angular in self._formula.items():
            fast = np.abs(angular) > rate / 2 * (1 + _EQUIDISTANT)
            if name.startswith("angular") and np.any(fast):
                folded[name] = np.abs(angular - rate * np.round(angular / rate))
        return self._with_formula(folded) if folded else self

    def _derivative_inside(self, x: NDArray[np.float64], order: int) -> NDArray[np.float64]:
        features, frequencies = self._head_features(x), self._own_frequencies()
        n = len(frequencies)
        derivative = np.zeros_like(features)  # a constant column stays 0
        sine, cosine = features[:, -2 * n : -n], features[:, -n:]
        for _ in range(order):
            sine, cosine = 2 * math.pi * frequencies * cosine, -2 * math.pi * frequencies * sine
        derivative[:, -2 * n : -n], derivative[:, -n:] = sine, cosine
        return derivative

    def _functions_on_domain(self) -> float:
        low, high = self._domain()
        return half_waves(self.frequencies_, high - low)


def half_waves(frequencies: Any, length: float) -> float:
    """How many half waves of the highest frequency a length holds."""
    return max(1.0, 2 * length * float(np.max(np.abs(np.ravel(frequencies)), initial=0.0)))


class AxisFourierEncoder(FourierBase):
    """Each axis has its own frequencies; its sines stand before its cosines."""

    frequencies_: list[NDArray[np.float64]]
    _constant: float  # amplitude of a constant column of each axis; 0: none

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        arrays = {
            f"angular{axis}": 2 * math.pi * frequencies
            for axis, frequencies in enumerate(self.frequencies_)
        }
        return arrays | {"low": self.domain_[:, 0].copy()}

    def _learnable(self) -> dict[str, Learnable]:
        units = self._learning_unit()
        return {f"angular{axis}": Learnable("shift", unit) for axis, unit in enumerate(units)}

    def _read_formula(self) -> None:
        axes = range(self.n_features_in_)
        self.frequencies_ = [self._formula[f"angular{axis}"] / (2 * math.pi) for axis in axes]

    def _own_frequencies(self) -> NDArray[np.float64]:
        return self.frequencies_[0]

    def _axis_width(self, axis: int) -> int:
        return 2 * self._n_frequencies(axis) + (1 if self._constant else 0)

    def _block_width(self) -> int:
        return max(map(self._n_frequencies, range(self.n_features_in_)))

    def _n_frequencies(self, axis: int) -> int:
        return self.frequencies_[axis].shape[0]

    def _axis_blocks(
        self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType
    ) -> list[Array]:
        phases = self._phases(axis, x, arrays[f"angular{axis}"], arrays, xp)
        n_axes, n = self.n_features_in_, self._n_frequencies(axis)
        scale = 1 / math.sqrt(n_axes * (n + self._constant**2))
        columns = [xp.sin(phases) * scale, xp.cos(phases) * scale]
        if self._constant:
            columns.insert(0, xp.full_like(phases[:, :1], self._constant * scale))
        return columns

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        xp = array_namespace(delta)
        total = xp.full_like(delta, self._constant**2)
        for angular in self._formula[f"angular{axis}"].tolist():
            total = total + xp.cos(angular * delta)
        return total / (self._n_frequencies(axis) + self._constant**2)

    def _axis_labels(self, axis: int, name: str) -> list[str]:
        constant = [f"{name}_constant"] if self._constant else []
        numbers = range(1, self._n_frequencies(axis) + 1)
        return constant + [f"{name}_{wave}{j}" for wave in ("sin", "cos") for j in numbers]
