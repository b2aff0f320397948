"""The map of one axis after which its samples are about equally far apart."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from sk_posenc.core.settings import parse_number
from sk_posenc.encoders.axis_settings import check_domain

# Knots of the map of an axis.
N_KNOTS = 33

# Closer knots, in widths of the domain, count as one: the third power of a slope must not overflow.
_CLOSEST = 1e-90

# In widths of the domain: no coordinate counts as farther away.
_FARTHEST = 1e30

# Halvings that leave nothing of the interval between two knots.
_HALVINGS = 64


def parse_strength(value: Any, name: str) -> float:
    """How far a map follows the samples of an axis."""
    return parse_number(value, name, at_least=0, at_most=1)


@dataclass(frozen=True, eq=False)
class AxisSpacing:
    """The map ``u(x) = w P(x) + (1 - w) (x - low) / (high - low)`` of one axis.

    P runs through the ranks of some of the samples, each a share of the largest rank. It is
    monotone and has a continuous slope. Outside the knots it has the values at their ends.

    Attributes
    ----------
    strength : float
        The weight w.
    low, high : float
        Ends of the domain: they become 0 and 1.
    knots, ranks : ndarrays of shape (n_knots,)
        With fewer than three distinct samples the map is the second term alone.
    """

    strength: float
    low: float
    high: float
    knots: NDArray[np.float64]
    ranks: NDArray[np.float64]

    @classmethod
    def through(cls, x: NDArray, strength: float, axis: int, n_knots: int = N_KNOTS) -> Self:
        """The map for finite coordinates of an axis, in any order; repeated ones count once."""
        distinct = np.unique(x)
        low, high = float(distinct[0]), float(distinct[-1])
        if low == high:  # width 1, or what the digits of the coordinate can resolve
            high = low + max(1.0, 8 * float(np.spacing(abs(distinct[0]))))
        check_domain(axis, low, high, distinct.dtype)
        distinct, last = distinct.astype(np.float64), len(distinct) - 1
        n = min(n_knots, last + 1)
        if n > 3 and n % 2 and last % 2:  # no sample is in the middle
            n -= 1
        at = np.round(np.linspace(0, last, n)).astype(int)
        half, middle = at[: n // 2], at[n // 2 : n - n // 2]
        at = np.unique(np.concatenate([half, middle, last - half]))  # the same if mirrored
        return cls(strength, low, high, distinct[at], at / max(last, 1))

    def with_strength(self, strength: float) -> Self:
        """The map through the same knots, of another weight."""
        return replace(self, strength=strength)

    def __call__(self, x: NDArray) -> NDArray[np.float64]:
        """Places in u of coordinates."""
        x = np.asarray(x, dtype=np.float64)
        even = self.evenly(x)
        if not self._bends:
            return even
        inside = np.clip(self._ranks(np.clip(self._scaled(x), *self._ends)), 0.0, 1.0)
        inside[x >= self.high] = 1.0  # a cubic misses its end by its rounding
        return self.strength * inside + (1 - self.strength) * even

    def moves(self) -> float:
        """How far it moves a knot at most, in widths of the domain."""
        return float(np.max(np.abs(self(self.knots) - self.evenly(self.knots))))

    def derivative(self, x: NDArray, order: int) -> NDArray[np.float64]:
        """Derivative of the map, of order 1 or 2; that of order 2 jumps at the knots."""
        x = np.asarray(x, dtype=np.float64)
        low, high = self._ends
        even = np.full(x.shape, 1 / (high - low) if order == 1 else 0.0)
        if self._bends:
            bent = self._ranks(np.clip(self._scaled(x), low, high), nu=order)
            bent[(x < self.low) | (x > self.high)] = 0.0
            bent = np.maximum(bent, 0.0) if order == 1 else bent  # no more than rounding
            even = self.strength * bent + (1 - self.strength) * even
        with np.errstate(over="ignore"):
            return np.ldexp(even, -order * self._exponent)

    def inverse(self, u: NDArray) -> NDArray[np.float64]:
        """Coordinates of places in u. With strength 1 those outside (0, 1) count as its ends."""
        u = np.asarray(u, dtype=np.float64)
        inside, half = np.clip(u, 0.0, 1.0), self.high / 2 - self.low / 2
        weight = self.strength if self._bends else 0.0
        x = self._between_knots(inside) if self._bends else self.low + 2 * (inside * half)
        if weight == 1:
            return x
        with np.errstate(over="ignore"):
            return np.asarray(x + 2 * ((u - inside) / (1 - weight) * half))

    def _between_knots(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse inside the domain, by halving the interval between two knots."""
        places = self(self.knots)
        left = np.clip(np.searchsorted(places, u, side="right") - 1, 0, len(places) - 2)
        start, width = self.knots[left], np.diff(self.knots)[left]
        below, above = np.zeros(u.shape), np.ones(u.shape)
        for _ in range(_HALVINGS):
            middle = (below + above) / 2
            under = self(start + middle * width) < u
            below, above = np.where(under, middle, below), np.where(under, above, middle)
        x = np.asarray(start + above * width)
        x[u <= 0] = self.low
        x[u >= 1] = self.high
        return x

    @property
    def _bends(self) -> bool:
        return self.strength > 0 and len(self.knots) > 2

    @cached_property
    def _exponent(self) -> int:
        """Of the power of 2 that is about the width of the domain: it scales without rounding."""
        return math.frexp(self.high / 2 - self.low / 2)[1] + 1

    def _scaled(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):  # clipped to the ends, or far away
            return np.ldexp(x, -self._exponent)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        low, high = self._scaled(np.array([self.low, self.high]))
        return float(low), float(high)

    def __getstate__(self) -> dict[str, Any]:
        # skops saves no interpolator of SciPy; it is made again
        return {name: value for name, value in vars(self).items() if name != "_ranks"}

    @cached_property
    def _ranks(self) -> PchipInterpolator:
        """P of scaled coordinates."""
        places = self._scaled(self.knots)
        apart = np.append(True, np.diff(places) > _CLOSEST) & (places[-1] - places > _CLOSEST)
        apart[-1] = True
        return PchipInterpolator(places[apart], self.ranks[apart])

    def evenly(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The share of the domain that lies below a coordinate."""
        low, high = self._ends
        with np.errstate(over="ignore"):
            share = (self._scaled(x) - low) / (high - low)
        return np.clip(share, -_FARTHEST, _FARTHEST)
