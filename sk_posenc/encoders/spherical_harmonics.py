"""Spherical harmonics as an encoder of longitude and latitude."""

import math
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from sk_posenc.core.arrays import Array, itemsize, widened
from sk_posenc.core.encoding import AxisTraits
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_integer
from sk_posenc.core.sphere import check_places, quarter_of, unit_vectors
from sk_posenc.core.stable_rank import stable_rank_of_gram
from sk_posenc.core.state import of_one_fit
from sk_posenc.encoders.base import CoordinateEncoder

# Places along an axis, over the degree, that tell its stable rank.
_DENSE = 16


class SphericalHarmonicEncoder(CoordinateEncoder):
    r"""Encode longitude and latitude by all spherical harmonics up to a degree.

    Harmonics are to the sphere what sines and cosines are to a circle. Nothing is special at the
    date line, and all longitudes have one encoding at a pole. The columns are

    .. math:: \frac{\sqrt{4 \pi}}{L + 1}\, Y_l^m(\lambda, \varphi), \quad
              l = 0, \dots, L, \quad m = -l, \dots, l

    with the real, orthonormal harmonics :math:`Y_l^m` of longitude :math:`\lambda` and latitude
    :math:`\varphi`. Those with a negative m are the sines. Each row has norm 1.

    Parameters
    ----------
    degree : int, default=8
        The highest degree L. There are :math:`(L + 1)^2` columns, which resolve details of about
        180 / L degrees.
    unit : {"degrees", "radians"}, default="degrees"
        Unit of the coordinates.

    Attributes
    ----------
    stable_rank_ : ndarray of shape (2,)
        Stable rank along the equator, and along a meridian from pole to pole. That of the whole
        globe is the number of columns, :math:`(L + 1)^2`.
    domain_ : ndarray of shape (2, 2)
        Ends of longitude and latitude: the whole globe.
    n_features_in_ : int
        Number of columns of `X`, 2.
    feature_names_in_ : ndarray of shape (2,)
        Names of the columns of `X`, where it had them.
    dates_ : tuple
        None for each column.

    See Also
    --------
    SphereCoordinates : Points on the sphere, in front of :class:`KroneckerRidgeCV`.

    Notes
    -----
    The columns of `X` are longitude first and latitude second. A longitude may have any number of
    turns. A latitude beyond a pole is refused, unless by rounding: up to 9e-5 degrees, ten
    metres, it counts as the pole.

    The similarity of two places that are the angle :math:`\gamma` apart is, by the addition
    theorem of the Legendre polynomials :math:`P_l`,

    .. math:: \frac{1}{(L + 1)^2} \sum_{l = 0}^{L} (2 l + 1) P_l(\cos \gamma)

    `similarity` finds it in L steps, without the columns. For a high degree and few samples, as
    on a part of the globe, ``KernelRidge(kernel="precomputed")`` on it is the same as ``Ridge`` on
    the columns without an intercept, and costs less.

    The columns come from a recurrence in the degree that is stable [1]_. It goes by x, y and z, so
    that gradients are finite at the poles. There the gradient by the longitude is 0, as that of
    the place is. In float32, columns are found in float64 where there is any.

    References
    ----------
    .. [1] S. A. Holmes, W. E. Featherstone. "A unified approach to the Clenshaw summation and the
       recursive computation of very high degree and order normalised associated Legendre
       functions". Journal of Geodesy 76, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import SphericalHarmonicEncoder
    >>> encoder = SphericalHarmonicEncoder(degree=4)
    >>> encoder.fit_transform([[179, 10], [-181, 10], [30, 90], [-70, 90]]).shape
    (4, 25)
    >>> encoder.similarity([[179, 10], [30, 90]], [[-181, 10], [-70, 90]]).round(3)
    array([[ 1.   , -0.004],
           [-0.004,  1.   ]])
    """

    _needs_rest = ("first", "second", "start")

    def __init__(self, degree: int = 8, *, unit: str = "degrees") -> None:
        self.degree = degree
        self.unit = unit

    def _validated(self, X: Any, reset: bool) -> Array:
        if reset:
            quarter_of(self.unit)
        return self._places(super()._validated(X, reset))

    def _places(self, X: Array) -> Array:
        check_places(X, self.unit, getattr(self, "feature_names_in_", None))
        return X

    def _place(self, X: Array) -> None:
        self._quarter = quarter_of(self.unit)
        self._degree = parse_integer(self.degree, "degree", at_least=0)
        check_memory((4, (self._degree + 1) ** 2), 8, "lower degree")
        self._ends = [(-2 * self._quarter, 2 * self._quarter), (-self._quarter, self._quarter)]
        self.domain_ = np.array(self._ends)

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        """What an order of a degree takes of the two degrees before; what starts each order."""
        n = np.arange(self._degree + 1.0)[:, None]
        m, own = n.T, np.zeros((self._degree + 1, self._degree + 1))
        apart = np.where(m < n, n**2 - m**2, 1)
        first = np.where(m < n, (4 * n**2 - 1) / apart, own)
        nearer = (2 * n + 1) * ((n - 1) ** 2 - m**2) / (np.maximum(2 * n - 3, 1) * apart)
        starts = (2 * n[1:, 0] + 1) / (2 * n[1:, 0])
        starts[:1] = 3.0  # the two waves of an order above 0 share its norm
        second = np.where(m < n - 1, nearer, own)
        return {"first": np.sqrt(first), "second": np.sqrt(second), "start": np.sqrt(starts)}

    def _measure(self) -> None:
        n = _DENSE * (self._degree + 1)
        lags = [np.arange(n) / n * (high - low) for low, high in self._ends]
        along = [self._axis_similarity(axis, each) for axis, each in enumerate(lags)]
        meridian = stable_rank_of_gram(linalg.toeplitz(along[1]))
        # over a circle the eigenvectors are waves
        self.stable_rank_ = np.array([n / np.max(np.fft.rfft(along[0]).real), meridian])

    @property
    def _n_features_out(self) -> int:
        return (self._degree + 1) ** 2

    def _block_width(self) -> int:
        return 2 * self._degree + 1

    def _blocks(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Iterator[Array]:
        """The harmonics of each degree, from the highest order of sines to that of cosines."""
        X = widened(X)
        first, second, start = (_exact(arrays, name) for name in self._needs_rest)
        x, y, z = (each[:, None] for each in unit_vectors(X[:, 0], X[:, 1], self._quarter, xp))
        # cosine and sine of m times the longitude, times that power of the distance from the axis
        east, west = xp.full_like(x, 1 / (self._degree + 1)), xp.zeros_like(x)
        cosines, sines = (east, east[:, :0]), (west, west[:, :0])
        yield east
        for n in range(1, self._degree + 1):
            east, west = start[n - 1] * (east * x - west * y), start[n - 1] * (east * y + west * x)
            rises, falls = first[n, :n] * z, second[n, : n - 1]
            cosines = _next_degree(*cosines, rises, falls, east, xp), cosines[0]
            sines = _next_degree(*sines, rises, falls, west, xp), sines[0]
            yield xp.concat([xp.flip(sines[0][:, 1:], axis=1), cosines[0]], axis=1)

    @of_one_fit
    def similarity(self, X1: ArrayLike, X2: ArrayLike | None = None) -> Array:
        """Similarity of two sets of places, the inner products of their encodings.

        It is found by the addition theorem, without the encodings.

        Parameters
        ----------
        X1 : array-like of shape (n_samples_1, 2)
        X2 : array-like of shape (n_samples_2, 2), default=None
            None: `X1` with itself.

        Returns
        -------
        array of shape (n_samples_1, n_samples_2)
        """
        first = self._check_coordinates(X1, "similarity")
        second = first if X2 is None else self._check_coordinates(X2, "similarity")
        xp = array_namespace(first, second)
        shape = (first.shape[0], second.shape[0])
        check_memory(shape, 5 * itemsize(first), "compare fewer rows at a time")
        points = [
            xp.stack(unit_vectors(each[:, 0], each[:, 1], self._quarter, xp), axis=1)
            for each in (first, second)
        ]
        return self._of_cosines(xp.clip(points[0] @ points[1].T, -1.0, 1.0))

    def _of_cosines(self, cosines: Array) -> Array:
        """The similarity at angles of these cosines."""
        xp = array_namespace(cosines)
        before, now = xp.zeros_like(cosines), xp.ones_like(cosines)
        total = now
        for n in range(1, self._degree + 1):
            before, now = now, ((2 * n - 1) * cosines * now - (n - 1) * before) / n
            total = total + (2 * n + 1) * now
        return total / (self._degree + 1) ** 2

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        """Along the equator, or along a meridian."""
        xp = array_namespace(delta)
        return self._of_cosines(xp.cos(delta * (math.pi / (2 * self._quarter))))

    def _offset_similarity(self, offsets: NDArray) -> NDArray:
        """Of pairs of which one is on the equator."""
        angles = offsets * (math.pi / (2 * self._quarter))
        return np.asarray(self._of_cosines(np.prod(np.cos(angles), axis=1)))

    def _axis_features(self, axis: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        X = np.zeros((len(x), 2))
        X[:, axis] = x
        return np.asarray(self._features(X, self._formula, np))

    def _axis_width(self, axis: int) -> int:
        raise NotImplementedError

    def _has_closed_form(self) -> bool:
        return True

    def _boundary(self, axis: int) -> str:
        return "none" if axis else "periodic"

    def _labels(self, names: Sequence[str]) -> list[str]:
        place = "".join(names)
        degrees = range(self._degree + 1)
        return [f"{place}_harmonic{n}_{m}" for n in degrees for m in range(-n, n + 1)]

    def _axis_traits(self, axis: int) -> AxisTraits:
        return AxisTraits(way_out="raise degree")

    def _short_name(self) -> str:
        return "spherical harmonics"


def _exact(arrays: dict[str, Array], name: str) -> Array:
    """An array of the formula with what float32 has lost of it."""
    rest = arrays.get(f"{name}_rest")
    exact = widened(arrays[name])
    return exact if rest is None else exact + widened(rest)


def _next_degree(
    now: Array, before: Array, rises: Array, falls: Array, start: Array, xp: ModuleType
) -> Array:
    """Orders 0, 1, ... of a degree, from those of the two degrees before it."""
    inner = rises[:, :-1] * now[:, :-1] - falls * before
    return xp.concat([inner, rises[:, -1:] * now[:, -1:], start], axis=1)
