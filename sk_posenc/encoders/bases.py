"""The basis functions of the package, by name."""

import functools
import math
import operator
from types import ModuleType

import numpy as np
from array_api_compat import array_namespace
from array_api_compat import numpy as numpy_namespace
from numpy.typing import NDArray

from sk_posenc.core.arrays import Array, device_of
from sk_posenc.encoders.basis import NEGLIGIBLE, Basis, in_steps


class Gaussian(Basis):
    """exp(-u**2 / 2); the bandwidth is the standard deviation.

    The similarity is exp(-delta**2 / 4), the stable rank 1 / (2 sqrt(pi) bandwidth).
    """

    _radial = True
    shifts_per_rank = 2.6
    energy = math.sqrt(math.pi)
    reach = math.sqrt(-2 * math.log(NEGLIGIBLE))

    def phi(self, u: Array, xp: ModuleType) -> Array:
        # exp is many times slower where it underflows, and exp(-80) is negligible already
        return xp.exp(xp.clip(-0.5 * u * u, min=-80.0, max=0.0))

    def derivative(self, u: Array, order: int, xp: ModuleType) -> Array:
        # (-1)^n He_n(u) phi(u), He_{n+1} = u He_n - n He_{n-1}
        before, hermite = xp.zeros_like(u), xp.ones_like(u)
        for n in range(order):
            before, hermite = hermite, u * hermite - n * before
        return (-1) ** order * hermite * self.phi(u, xp)

    def similarity(self, delta: Array) -> Array:
        xp = array_namespace(delta)
        return xp.exp(-0.25 * delta * delta)

    def similarity_derivative(self, delta: Array, order: int) -> Array:
        # the Gaussian itself, wider by the root of 2
        root = math.sqrt(2)
        return self.derivative(delta / root, order, array_namespace(delta)) / root**order

    def stable_rank(self, bandwidth: float) -> float:
        return 1 / (2 * math.sqrt(math.pi) * bandwidth)


class Triangle(Basis):
    """max(0, 1 - |u|); the bandwidth is the half-width.

    The similarity is the cubic B-spline, the stable rank 2 / (3 bandwidth).
    """

    support = 1.0
    shifts_per_rank = 8.3
    energy = 2 / 3
    _interpolating_share = 2 / 3  # as wide as the samples are apart

    def phi(self, u: Array, xp: ModuleType) -> Array:
        return _cardinal_bspline(u, 1, xp)

    def similarity(self, delta: Array) -> Array:
        return _cardinal_bspline(delta, 3, array_namespace(delta)) * 1.5

    def similarity_derivative(self, delta: Array, order: int) -> Array:
        if order > 2:
            return super().similarity_derivative(delta, order)
        return _bspline_derivative(delta, 3, order, array_namespace(delta)) * 1.5

    def stable_rank(self, bandwidth: float) -> float:
        return 2 / (3 * bandwidth)


class Rectangle(Basis):
    """1 for -1/2 <= u < 1/2, else 0; the bandwidth is the full width.

    The similarity is the triangle of half-width 1, on average over coordinates: with
    single shifts it is a staircase with a step per shift. The stable rank is 1 / bandwidth.
    """

    support = 0.5
    shifts_per_rank = 8.0
    energy = 1.0
    _interpolating_share = 1.0  # as wide as the samples are apart

    def phi(self, u: Array, xp: ModuleType) -> Array:
        steps, per_unit = in_steps(u, xp)
        return xp.astype((steps >= -0.5 * per_unit) & (steps < 0.5 * per_unit), u.dtype)

    def similarity(self, delta: Array) -> Array:
        return _cardinal_bspline(delta, 1, array_namespace(delta))

    def stable_rank(self, bandwidth: float) -> float:
        return 1 / bandwidth


class Impulse(Rectangle):
    """1 at the nearest shift (the lower one of a tie), else 0; the bandwidth is the spacing.

    This is the rectangle with one shift per width. Each coordinate has one column that is
    not 0, and the stable rank is the number of spacings in the domain.
    """

    shifts_per_rank = 1.0

    def phi(self, u: Array, xp: ModuleType) -> Array:
        # argmin, as a half-open comparison may by rounding find no shift or two
        steps, _ = in_steps(u, xp)
        distance = 2 * xp.abs(steps) + xp.astype(steps > 0, u.dtype)
        nearest = xp.argmin(distance, axis=-1, keepdims=True)
        columns = xp.arange(u.shape[-1], dtype=nearest.dtype, device=device_of(u))
        return xp.astype(columns == nearest, u.dtype)


class BSpline(Basis):
    """Cubic B-spline with knots one bandwidth apart, 2/3 at its peak.

    The similarity is the B-spline of degree 7, the stable rank 151 / (315 bandwidth).
    """

    support = 2.0
    shifts_per_rank = 4.2
    energy = 151 / 315
    _interpolating_share = 151 / 315  # as wide as the samples are apart

    def phi(self, u: Array, xp: ModuleType) -> Array:
        return _cardinal_bspline(u, 3, xp)

    def derivative(self, u: Array, order: int, xp: ModuleType) -> Array:
        if order > 2:
            return super().derivative(u, order, xp)
        return _bspline_derivative(u, 3, order, xp)

    def similarity(self, delta: Array) -> Array:
        return _cardinal_bspline(delta, 7, array_namespace(delta)) * (315 / 151)

    def similarity_derivative(self, delta: Array, order: int) -> Array:
        if order > 6:
            return super().similarity_derivative(delta, order)
        return _bspline_derivative(delta, 7, order, array_namespace(delta)) * (315 / 151)

    def stable_rank(self, bandwidth: float) -> float:
        return 151 / (315 * bandwidth)


class Matern12(Basis):
    """exp(-u) from u = 0 on, and 0 before; the bandwidth is where it has fallen to 1 / e.

    Similarity exp(-|delta|), the Matern kernel of smoothness 1/2; stable rank 1 / (2 bandwidth).
    Each feature jumps where the coordinate passes its shift, so that many shifts are needed; the
    similarity does not jump.
    """

    _radial = _one_sided = True
    shifts_per_rank = 128.0
    energy = 0.5
    reach = -math.log(NEGLIGIBLE)
    _whole_reach = 36.1

    def phi(self, u: Array, xp: ModuleType) -> Array:
        steps, _ = in_steps(u, xp)
        return xp.where(steps >= 0, _exponential(xp.abs(u), xp), xp.zeros_like(u))

    def similarity(self, delta: Array) -> Array:
        xp = array_namespace(delta)
        return _exponential(xp.abs(delta), xp)

    def stable_rank(self, bandwidth: float) -> float:
        return 1 / (2 * bandwidth)


class Matern32(Basis):
    """exp(-|u|); the bandwidth is where it has fallen to 1 / e.

    Similarity (1 + |delta|) exp(-|delta|), the Matern kernel of smoothness 3/2; stable rank
    1 / (4 bandwidth). It has a kink at every shift, and no derivative.
    """

    _radial = True
    shifts_per_rank = 18.0
    energy = 1.0
    reach = -math.log(NEGLIGIBLE)
    _whole_reach = 36.1  # where it falls below the rounding error of 1

    def phi(self, u: Array, xp: ModuleType) -> Array:
        return _exponential(xp.abs(u), xp)

    def similarity(self, delta: Array) -> Array:
        xp = array_namespace(delta)
        r = xp.abs(delta)
        return (1 + r) * _exponential(r, xp)

    def similarity_derivative(self, delta: Array, order: int) -> Array:
        # the basis "matern72" itself; the second derivative has a kink at 0, but no jump
        if order > 2:
            return super().similarity_derivative(delta, order)
        return Matern72().derivative(delta, order, array_namespace(delta))

    def stable_rank(self, bandwidth: float) -> float:
        return 1 / (4 * bandwidth)


class Matern72(Basis):
    """(1 + |u|) exp(-|u|); the bandwidth is that of the exponential.

    Similarity (1 + r + 2 r**2 / 5 + r**3 / 15) exp(-r) with r = |delta|, the Matern kernel of
    smoothness 7/2; stable rank 1 / (6.4 bandwidth).
    """

    _radial = True
    shifts_per_rank = 5.4
    energy = 2.5
    reach = 14.2367  # where it falls below NEGLIGIBLE
    _whole_reach = 39.7

    def phi(self, u: Array, xp: ModuleType) -> Array:
        r = xp.abs(u)
        return (1 + r) * _exponential(r, xp)

    def derivative(self, u: Array, order: int, xp: ModuleType) -> Array:
        r = xp.abs(u)
        if order == 1:
            return -u * _exponential(r, xp)
        if order == 2:
            return (r - 1) * _exponential(r, xp)
        return super().derivative(u, order, xp)

    def similarity(self, delta: Array) -> Array:
        xp = array_namespace(delta)
        r = xp.abs(delta)
        return (1 + r * (1 + r * (2 / 5 + r / 15))) * _exponential(r, xp)

    def similarity_derivative(self, delta: Array, order: int) -> Array:
        if order > 6:
            return super().similarity_derivative(delta, order)
        xp = array_namespace(delta)
        # (p exp(-r))' = (p' - p) exp(-r), odd orders with the sign of delta
        p = np.polynomial.Polynomial([1, 1, 2 / 5, 1 / 15])
        for _ in range(order):
            p = p.deriv() - p
        r, total = xp.abs(delta), xp.zeros_like(delta)
        for coefficient in p.coef[::-1].tolist():
            total = total * r + coefficient
        sign = xp.sign(delta) if order % 2 else 1.0
        return sign * total * _exponential(r, xp)

    def stable_rank(self, bandwidth: float) -> float:
        return 1 / (6.4 * bandwidth)


class Sine(Basis):
    """sin(2 pi u); the bandwidth is the period. Similarity cos(2 pi delta), stable rank 2."""

    period = 1.0
    shifts_per_rank = 4.0
    energy = 0.5

    def phi(self, u: Array, xp: ModuleType) -> Array:
        return xp.sin((2 * math.pi) * u)

    def derivative(self, u: Array, order: int, xp: ModuleType) -> Array:
        return (2 * math.pi) ** order * self.phi(u + order / 4, xp)

    def similarity(self, delta: Array) -> Array:
        xp = array_namespace(delta)
        return xp.cos((2 * math.pi) * delta)

    def similarity_derivative(self, delta: Array, order: int) -> Array:
        return self.derivative(delta + 1 / 4, order, array_namespace(delta))

    def stable_rank(self, bandwidth: float) -> float:
        return 2.0


class Square(Basis):
    """sign(sin(2 pi u)), half-open; the bandwidth is the period.

    The similarity is the triangle wave 1 - 4 |delta| for |delta| <= 1/2, the stable rank
    pi**2 / 4.
    """

    period = 1.0
    shifts_per_rank = 26.0
    energy = 1.0

    def phi(self, u: Array, xp: ModuleType) -> Array:
        return 1 - 2 * xp.astype(u - xp.floor(u) >= 0.5, u.dtype)

    def similarity(self, delta: Array) -> Array:
        xp = array_namespace(delta)
        return 1 - 4 * xp.abs(delta - xp.round(delta))

    def stable_rank(self, bandwidth: float) -> float:
        return math.pi**2 / 4


_BASES: dict[str, Basis] = {
    "gaussian": Gaussian(),
    "triangle": Triangle(),
    "rectangle": Rectangle(),
    "impulse": Impulse(),
    "bspline": BSpline(),
    "matern12": Matern12(),
    "matern32": Matern32(),
    "matern72": Matern72(),
    "sine": Sine(),
    "square": Square(),
}


def resolve_basis(basis: str | Basis, what: str = "basis") -> Basis:
    """The basis of a name, or the basis itself; errors call it `what`.

    Raises
    ------
    ValueError
        For a name that is not known.
    TypeError
        For anything that is neither a name nor a Basis.
    """
    if isinstance(basis, str):
        if basis not in _BASES:
            raise ValueError(f"{what} must be one of {sorted(_BASES)} or a Basis. Got {basis!r}.")
        return _BASES[basis]
    if not isinstance(basis, Basis):
        raise TypeError(
            f"{what} must be one of {sorted(_BASES)} or an instance of sk_posenc.Basis. "
            f"Got {basis!r}."
        )
    return basis


def _cardinal_bspline(u: Array, degree: int, xp: ModuleType) -> Array:
    """Centred B-spline of odd degree with unit knots, summed from its nearer end."""
    half = (degree + 1) // 2
    distance = xp.abs(u)
    terms = []
    for k in range(half):
        weight = (-1) ** k * math.comb(degree + 1, k) / math.factorial(degree)
        # clip at both ends, as NumPy is slow to clip at one
        piece = xp.clip((half - k) - distance, min=0.0, max=float(half - k))
        # products, as a power of an array is many times slower
        power = functools.reduce(operator.mul, [piece] * degree)
        terms.append(power if weight == 1 else weight * power)
    return functools.reduce(operator.add, terms)


def _bspline_derivative(u: Array, degree: int, order: int, xp: ModuleType) -> Array:
    """Derivative of the centred B-spline, of an order below its degree."""
    # from the nearer end, phi(u) = (1/n!) sum of (-1)^k C(n + 1, k) ((n + 1)/2 - k - |u|)_+^n
    half = (degree + 1) // 2
    total = xp.zeros_like(u)
    for k in range(half):
        weight = (-1) ** k * math.comb(degree + 1, k)
        total = total + weight * xp.clip(half - k - xp.abs(u), min=0.0) ** (degree - order)
    sign = -xp.sign(u) if order % 2 else 1.0
    return sign * total / math.factorial(degree - order)


def _exponential(r: Array, xp: ModuleType) -> Array:
    """exp(-r); many times slower where it underflows, and exp(-80) is already nothing."""
    return xp.exp(-xp.clip(r, max=80.0))


def one_shift(basis: Basis, u: NDArray) -> NDArray:
    """phi of one shift, with its neighbours: the impulse depends on which one is nearest."""
    return np.asarray(basis.phi(np.stack([u - 1, u, u + 1], axis=1), numpy_namespace))[:, 1]
