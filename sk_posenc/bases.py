"""Basis functions: what a shifted basis encoder samples.

A basis is a function phi of the displacement ``u = (shift - x) / bandwidth``.
Its autocorrelation D, the similarity of two coordinates a displacement apart,
decides the stable rank of the encoding [1]_:

    SR = integral of phi**2 / max |Fourier transform of phi|**2
       = D(0) / integral of D,  where the transform peaks at frequency 0,

per unit of domain when the bandwidth is counted in units of the domain. To add
a basis, derive from :class:`Basis` and define ``phi``, and ``support`` or
``period``; the rest has numerical defaults.

References
----------
.. [1] J. Zheng, S. Ramasinghe, S. Lucey, "Rethinking Positional Encoding",
   arXiv:2107.02561, 2021.
"""

import functools
import math
import operator
from types import ModuleType

import numpy as np
from array_api_compat import array_namespace
from array_api_compat import numpy as numpy_namespace

from sk_posenc._arrays import Array, device_of

# Below this share of its peak a basis without a support counts as gone.
NEGLIGIBLE = 1e-5


class Basis:
    """A basis function phi, in units of its bandwidth.

    Derived classes define ``phi`` and, as class attributes, ``support`` (phi is
    0 outside ``[-support, support]``) or ``period`` (``phi(u + period) =
    phi(u)``). A basis with neither must fall below 1e-5 of its peak somewhere.
    The other members fall back to numerical quadrature.

    Attributes
    ----------
    support : float
        Half-width, in bandwidths, outside which phi is 0; infinite by default.
    period : float or None
        Period of phi in bandwidths, None for a basis that does not repeat.
    shifts_per_rank : float or None
        Spacings between shifts that one unit of stable rank needs for squared
        row norms that ripple by about 1 %. None: found numerically.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import Basis, ShiftedBasisEncoder
    >>> class RaisedCosine(Basis):
    ...     support = 1.0
    ...
    ...     def phi(self, u, xp):
    ...         inside = xp.abs(u) < self.support
    ...         return xp.where(inside, 0.5 + 0.5 * xp.cos(np.pi * u), xp.zeros_like(u))
    >>> round(RaisedCosine().stable_rank(bandwidth=0.1), 2)  # 3 / (4 * 0.1)
    7.5
    >>> encoder = ShiftedBasisEncoder(RaisedCosine(), stable_rank=16)
    >>> encoder.fit(np.linspace(0, 1, 200)[:, None]).bandwidth_.round(3)
    array([0.047])
    """

    support: float = math.inf
    period: float | None = None
    shifts_per_rank: float | None = None

    def phi(self, u: Array, xp: ModuleType) -> Array:
        """Value of the basis function.

        Parameters
        ----------
        u : array of shape (n_samples, n_shifts)
            Displacement ``(shift - x) / bandwidth``.
        xp : module
            Array API namespace of `u`.

        Returns
        -------
        array of the shape and dtype of `u`
        """
        raise NotImplementedError(f"{type(self).__name__} must define phi(u, xp)")

    def derivative(self, u: Array, order: int, xp: ModuleType) -> Array:
        """Derivative of phi with respect to `u`, for a head that predicts derivatives.

        Parameters
        ----------
        u : array of shape (n_samples, n_shifts)
            Displacement ``(shift - x) / bandwidth``.
        order : int
            At least 1.
        xp : module
            Array API namespace of `u`.

        Returns
        -------
        array of the shape and dtype of `u`

        Raises
        ------
        ValueError
            Where phi has no continuous derivative of this order, or none is defined.
        """
        raise ValueError(
            f"{self!r} has no continuous derivative of order {order}: use a Gaussian, sine or "
            "Fourier basis, a B-spline up to order 2, or a Basis that defines derivative"
        )

    def similarity(self, delta: Array) -> Array:
        """Autocorrelation D(delta) / D(0) for displacements in bandwidths.

        Parameters
        ----------
        delta : array of any shape

        Returns
        -------
        array of the shape of `delta`
        """
        lags, values = _Quadrature(self).autocorrelation
        delta = np.asarray(delta)
        if self.period is not None:
            delta = delta - self.period * np.round(delta / self.period)
        return np.interp(np.abs(delta), lags, values, right=0.0).astype(delta.dtype)

    def stable_rank(self, bandwidth: float) -> float:
        """Stable rank on a periodic domain of width 1, with dense samples and shifts.

        Parameters
        ----------
        bandwidth : float
            In units of the domain.

        Returns
        -------
        float
        """
        ratio = _Quadrature(self).stable_rank
        return ratio if self.period is not None else ratio / bandwidth

    def bandwidth(self, stable_rank: float) -> float:
        """Bandwidth that has the given stable rank.

        Parameters
        ----------
        stable_rank : float
            On a periodic domain of width 1.

        Returns
        -------
        float
            In units of the domain.

        Raises
        ------
        ValueError
            For a periodic basis, whose stable rank no bandwidth changes.
        """
        if self.period is not None:
            raise ValueError(
                f"the stable rank of {self!r} is {self.stable_rank(1.0):.4g} whatever its bandwidth"
            )
        return self.stable_rank(1.0) / stable_rank

    @property
    def energy(self) -> float:
        """Integral of phi**2 over the bandwidths, its mean over a period if it has one."""
        return _Quadrature(self).energy

    @property
    def reach(self) -> float:
        """Half-width in bandwidths outside which phi is below 1e-5 of its peak."""
        return self.support if math.isfinite(self.support) else _Quadrature(self).reach

    @property
    def spacings_per_rank(self) -> float:
        """Spacings between shifts per unit of stable rank that keep row norms even."""
        if self.shifts_per_rank is not None:
            return self.shifts_per_rank
        return _Quadrature(self).spacings_per_rank

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class Gaussian(Basis):
    """exp(-u**2 / 2); the bandwidth is the standard deviation.

    Similarity exp(-delta**2 / 4), stable rank 1 / (2 sqrt(pi) bandwidth).
    """

    shifts_per_rank = 2.6
    energy = math.sqrt(math.pi)
    reach = math.sqrt(-2 * math.log(NEGLIGIBLE))

    def phi(self, u: Array, xp: ModuleType) -> Array:
        # exp is many times slower where it underflows, and exp(-80) is already nothing
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

    def stable_rank(self, bandwidth: float) -> float:
        return 1 / (2 * math.sqrt(math.pi) * bandwidth)


class Triangle(Basis):
    """max(0, 1 - |u|); the bandwidth is the half-width.

    Similarity the cubic B-spline, stable rank 2 / (3 bandwidth).
    """

    support = 1.0
    shifts_per_rank = 8.3
    energy = 2 / 3

    def phi(self, u: Array, xp: ModuleType) -> Array:
        return _cardinal_bspline(u, 1, xp)

    def similarity(self, delta: Array) -> Array:
        return _cardinal_bspline(delta, 3, array_namespace(delta)) * 1.5

    def stable_rank(self, bandwidth: float) -> float:
        return 2 / (3 * bandwidth)


class Rectangle(Basis):
    """1 for -1/2 <= u < 1/2, else 0; the bandwidth is the full width.

    Similarity the triangle of half-width 1 (on average over coordinates: the
    sampled one is a staircase with a step per shift), stable rank 1 / bandwidth.
    """

    support = 0.5
    shifts_per_rank = 8.0
    energy = 1.0

    def phi(self, u: Array, xp: ModuleType) -> Array:
        steps, per_unit = _in_steps(u, xp)
        return xp.astype((steps >= -0.5 * per_unit) & (steps < 0.5 * per_unit), u.dtype)

    def similarity(self, delta: Array) -> Array:
        return _cardinal_bspline(delta, 1, array_namespace(delta))

    def stable_rank(self, bandwidth: float) -> float:
        return 1 / bandwidth


class Impulse(Rectangle):
    """1 at the nearest shift, the lower of two, else 0; the bandwidth is their spacing.

    The limit of the rectangle at one shift a width: each coordinate takes one
    column, and the stable rank is the number of spacings in the domain.
    """

    shifts_per_rank = 1.0

    def phi(self, u: Array, xp: ModuleType) -> Array:
        # by argmin, for a half-open comparison can round to no shift or to two
        steps, _ = _in_steps(u, xp)
        distance = 2 * xp.abs(steps) + xp.astype(steps > 0, u.dtype)
        nearest = xp.argmin(distance, axis=-1, keepdims=True)
        columns = xp.arange(u.shape[-1], dtype=nearest.dtype, device=device_of(u))
        return xp.astype(columns == nearest, u.dtype)


class BSpline(Basis):
    """Cubic B-spline with knots one bandwidth apart, 2/3 at its peak.

    Similarity the B-spline of degree 7, stable rank 151 / (315 bandwidth).
    """

    support = 2.0
    shifts_per_rank = 4.2
    energy = 151 / 315

    def phi(self, u: Array, xp: ModuleType) -> Array:
        return _cardinal_bspline(u, 3, xp)

    def derivative(self, u: Array, order: int, xp: ModuleType) -> Array:
        if order > 2:
            return super().derivative(u, order, xp)
        # from the nearer end, phi(u) = (1/6) sum of (-1)^k C(4, k) (2 - k - |u|)_+^3
        total = xp.zeros_like(u)
        for k, weight in enumerate((1, -4)):
            total = total + weight * xp.clip(2 - k - xp.abs(u), min=0.0) ** (3 - order)
        sign = -xp.sign(u) if order == 1 else 1.0
        return sign * total / math.factorial(3 - order)

    def similarity(self, delta: Array) -> Array:
        return _cardinal_bspline(delta, 7, array_namespace(delta)) * (315 / 151)

    def stable_rank(self, bandwidth: float) -> float:
        return 151 / (315 * bandwidth)


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

    def stable_rank(self, bandwidth: float) -> float:
        return 2.0


class Square(Basis):
    """sign(sin(2 pi u)), half-open; the bandwidth is the period.

    Similarity the triangle wave 1 - 4 |delta| for |delta| <= 1/2, stable rank
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
    "sine": Sine(),
    "square": Square(),
}


def resolve_basis(basis: str | Basis) -> Basis:
    """The basis of a name, or the basis itself.

    Raises
    ------
    ValueError
        For a name that is not known.
    TypeError
        For anything that is neither a name nor a Basis.
    """
    if isinstance(basis, str):
        if basis not in _BASES:
            raise ValueError(f"basis must be one of {sorted(_BASES)} or a Basis. Got {basis!r}.")
        return _BASES[basis]
    if not isinstance(basis, Basis):
        raise TypeError(
            f"basis must be one of {sorted(_BASES)} or an instance of sk_posenc.Basis. "
            f"Got {basis!r}."
        )
    return basis


def _in_steps(u: Array, xp: ModuleType) -> tuple[Array, float]:
    """Displacements in small whole steps, and how many of them a bandwidth has.

    A coordinate on a jump, as on an aligned grid, meets both sides rounded alike.
    """
    per_unit = 2.0**36 if xp.finfo(u.dtype).bits == 64 else 2.0**21
    return xp.round(u * per_unit), per_unit


def _cardinal_bspline(u: Array, degree: int, xp: ModuleType) -> Array:
    """Centred B-spline of odd degree with unit knots, summed from its nearer end."""
    half = (degree + 1) // 2
    distance = xp.abs(u)
    terms = []
    for k in range(half):
        weight = (-1) ** k * math.comb(degree + 1, k) / math.factorial(degree)
        # by both ends, for NumPy is slow to clip at one
        piece = xp.clip((half - k) - distance, min=0.0, max=float(half - k))
        # products, for a power of an array is many times slower
        power = functools.reduce(operator.mul, [piece] * degree)
        terms.append(power if weight == 1 else weight * power)
    return functools.reduce(operator.add, terms)


class _Quadrature:
    """What a basis has by numbers alone, on a fine grid over its reach or its period."""

    n_points = 1 << 16

    def __init__(self, basis: Basis) -> None:
        if basis.period is not None:
            self.reach = basis.period / 2
            if not (basis.period > 0 and math.isfinite(basis.period)):
                raise ValueError(f"{basis!r}.period must be positive. Got {basis.period!r}.")
        elif math.isfinite(basis.support):
            self.reach = basis.support
            if not basis.support > 0:
                raise ValueError(f"{basis!r}.support must be positive. Got {basis.support!r}.")
        else:
            self.reach = _find_reach(basis)
        # the grid of a basis that ends is padded, so that its FFT does not wrap
        width = 2 * self.reach * (1 if basis.period is not None else 2)
        step = width / self.n_points
        u = (np.arange(self.n_points) - self.n_points // 2) * step
        phi = _values(basis, u)
        power = np.abs(np.fft.rfft(phi)) ** 2
        if not power.max() > 0:
            raise ValueError(f"{basis!r}.phi is 0 on all of its support")
        correlation = np.fft.irfft(power, self.n_points)[: self.n_points // 2 + 1]
        self.autocorrelation = np.arange(len(correlation)) * step, correlation / correlation[0]
        squares = float(np.sum(phi**2))
        self.energy = squares / self.n_points if basis.period is not None else squares * step
        peak = float(power.max())
        if basis.period is not None:
            self.stable_rank = self.n_points * squares / peak
        else:
            self.stable_rank = squares / (peak * step)
        self._basis, self._phi, self._width = basis, phi, width

    @property
    def spacings_per_rank(self) -> float:
        """Spacings per unit of stable rank that keep the ripple of D under 1 %.

        Shifts d apart make the inner product of two encodings ripple by the Fourier
        transform, at 1/d, of the product of phi and phi displaced.
        """
        phi = self._phi[::16]
        n_padded = len(phi) if self._basis.period is not None else 8 * len(phi)
        width = self._width * n_padded / len(phi)
        energy = np.sum(phi**2)
        highest = 0
        for displaced in range(0, len(phi) // 2, len(phi) // 64):
            product = phi * np.roll(phi, displaced)
            ripple = 2 * np.abs(np.fft.rfft(product, n_padded)) / energy
            highest = max([highest, *np.flatnonzero(ripple > 0.01)])
        per_bandwidth = (highest + 1) / width
        if self._basis.period is None:
            return per_bandwidth / self.stable_rank
        return max(8.0, per_bandwidth * self._basis.period) / self.stable_rank


def _values(basis: Basis, u: np.ndarray) -> np.ndarray:
    phi = np.asarray(basis.phi(u[None, :], numpy_namespace), dtype=np.float64)
    if phi.shape != (1, u.size):
        raise ValueError(
            f"{basis!r}.phi must return an array of the shape of u, {(1, u.size)}. Got {phi.shape}."
        )
    if not np.all(np.isfinite(phi)):
        raise ValueError(f"{basis!r}.phi must be finite everywhere")
    return phi[0]


def _find_reach(basis: Basis) -> float:
    """Smallest half-width, to 1 %, beyond which phi stays below 1e-5 of its peak."""
    u = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 20_001)])
    size = np.maximum(np.abs(_values(basis, u)), np.abs(_values(basis, -u)))
    large = np.flatnonzero(size > NEGLIGIBLE * size.max())
    if not len(large) or large[-1] == len(u) - 1:
        raise ValueError(
            f"{basis!r} neither falls below {NEGLIGIBLE:g} of its peak within 10,000 bandwidths "
            "nor says its support or its period: set one of these attributes"
        )
    return float(u[large[-1] + 1])
