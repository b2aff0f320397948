"""Basis functions of shifted basis encoders.

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

import math
from types import ModuleType

import numpy as np
from array_api_compat import numpy as numpy_namespace

from sk_posenc.core.arrays import Array
from sk_posenc.encoders.axis_settings import CLOSED_FORM_SHARE

# Counts that are whole numbers up to rounding errors are not rounded up.
ROUNDING = 1e-9

# Below this share of its peak a basis without a bounded support counts as 0.
NEGLIGIBLE = 1e-5


class Basis:
    """A basis function phi, in units of its bandwidth.

    Derived classes define ``phi`` and, as class attributes, ``support`` (phi is
    0 outside ``[-support, support]``) or ``period`` (``phi(u + period) =
    phi(u)``). A basis with neither must decay below 1e-5 of its peak.
    All other methods have a default that integrates numerically.

    Attributes
    ----------
    support : float
        Half-width, in bandwidths, outside which phi is 0; infinite by default.
    period : float or None
        Period of phi in bandwidths, None for a basis that does not repeat.
    shifts_per_rank : float or None
        Spacings between shifts per unit of stable rank, such that squared row norms
        ripple by about 1 %. None: found numerically.

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

    # Whether the similarity is a kernel of points in any number of axes too, at their distance.
    _radial: bool = False

    # Whether phi is 0 for u < 0: no shift below the domain reaches into it.
    _one_sided: bool = False

    # The stable rank of "auto" in closed-form heads, as a share of the samples per axis.
    _interpolating_share: float = CLOSED_FORM_SHARE

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
        raise TypeError(f"{type(self).__name__} must define phi(u, xp).")

    def derivative(self, u: Array, order: int, xp: ModuleType) -> Array:
        """Derivative of phi with respect to `u`; heads that predict derivatives use it.

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
            'Fourier basis, "bspline" or "matern72" up to order 2, or a Basis that defines '
            "derivative"
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

    def similarity_derivative(self, delta: Array, order: int) -> Array:
        """Derivative of the similarity; heads use it that predict derivatives from it.

        Parameters
        ----------
        delta : array of any shape
            Displacements in bandwidths.
        order : int
            At least 1.

        Returns
        -------
        array of the shape of `delta`

        Raises
        ------
        ValueError
            Where the similarity has no continuous derivative of this order, or none is defined.
        """
        raise ValueError(
            f"the similarity of {self!r} has no continuous derivative of order {order}: use a "
            'Gaussian, sine or Fourier basis, "bspline" or "matern72" up to order 6, "triangle" or '
            '"matern32" up to order 2, or a Basis that defines similarity_derivative'
        )

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
            For a periodic basis, whose stable rank does not depend on the bandwidth.
        """
        if self.period is not None:
            raise ValueError(
                f"the stable rank of {self!r} is {self.stable_rank(1.0):.4g} for every bandwidth"
            )
        return self.stable_rank(1.0) / stable_rank

    @property
    def energy(self) -> float:
        """Integral of phi**2 over u; for a periodic basis, its mean over a period."""
        return _Quadrature(self).energy

    @property
    def reach(self) -> float:
        """Half-width in bandwidths outside which phi is below 1e-5 of its peak."""
        return self.support if math.isfinite(self.support) else _Quadrature(self).reach

    @property
    def _whole_reach(self) -> float:
        """Half-width in bandwidths beyond which phi is nothing to double precision."""
        return self.reach if math.isfinite(self.support) else 2 * self.reach

    @property
    def spacings_per_rank(self) -> float:
        """Spacings between shifts per unit of stable rank, such that row norms are even."""
        if self.shifts_per_rank is not None:
            return self.shifts_per_rank
        return _Quadrature(self).spacings_per_rank

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


def in_steps(u: Array, xp: ModuleType) -> tuple[Array, float]:
    """Displacements in small whole steps, and how many of them a bandwidth has.

    On an aligned grid coordinates lie on jumps; both sides are then rounded alike.
    """
    per_unit = 2.0**36 if xp.finfo(u.dtype).bits == 64 else 2.0**21
    return xp.round(u * per_unit), per_unit


class _Quadrature:
    """Numerical properties of a basis, on a fine grid over its reach or its period."""

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
            f"{basis!r} does not fall below {NEGLIGIBLE:g} of its peak within 10,000 bandwidths: "
            "set its support or its period"
        )
    return float(u[large[-1] + 1])
