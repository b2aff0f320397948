"""Base of encoders whose columns belong to one axis each: domain, ends, stable rank."""

import warnings
from collections.abc import Iterator, Sequence
from numbers import Real
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from sk_posenc.core.arrays import Array, to_numpy
from sk_posenc.core.encoding import AxisTraits
from sk_posenc.core.incoming import Dates
from sk_posenc.core.outside import warn_of_samples_outside
from sk_posenc.core.samples_per_axis import samples_per_axis
from sk_posenc.core.shortfalls import shortfalls_warn
from sk_posenc.core.stable_rank import stable_rank, stable_rank_of_gram
from sk_posenc.encoders.axis_functions import AxisFunctions
from sk_posenc.encoders.base import CoordinateEncoder
from sk_posenc.encoders.domains import resolve_domain

# Columns up to which the stable rank of a fitted encoder is that of its features.
_MEASURED_COLUMNS = 2048


class AxisEncoder(AxisFunctions, CoordinateEncoder):
    """Base class of encoders of axes: one block of columns per axis, side by side.

    A derived class defines

    - ``_fit_axes(n_per_axis)``: sets the fitted attributes from ``domain_`` and the samples
      per axis, and returns the stable rank that each axis should have;
    - ``_arrays()``: the float64 arrays of its formula, by name;
    - ``_axis_blocks(axis, x, arrays, xp)``: the formula, the columns of one axis in one or
      more blocks, on arrays of any namespace;
    - ``_axis_width(axis)``: the number of these columns;
    - ``_axis_similarity(axis, delta)``: similarity along an axis, 1 at 0;
    - ``_axis_labels(axis, name)``: the names of the columns of one axis;
    - ``_nominal_stable_rank(axis)``: the stable rank in theory;

    and may override the other methods of `CoordinateEncoder` and `AxisFunctions`.
    """

    domain: Any
    dates_: Dates
    bandwidth_: Any
    _asked: list[float]

    def _learn(self, X: ArrayLike) -> None:
        """Set the fitted attributes, and warn where the stable rank falls short."""
        super()._learn(X)
        reached = to_numpy(self.stable_rank_)
        for axis in np.flatnonzero((reached < 0.9 * np.array(self._asked)) & shortfalls_warn()):
            warnings.warn(
                f"{type(self).__name__} reaches a stable rank of "
                f"{reached[axis]:.4g} along axis {axis}, but {self._asked[axis]:.4g} "
                f"was requested: {self._advice()}",
                UserWarning,
                stacklevel=3,
            )

    def _place(self, X: Array) -> None:
        self.domain_ = resolve_domain(self.domain, X, self.dates_)
        self._ends = [(float(low), float(high)) for low, high in self.domain_]
        self._asked = self._fit_axes(samples_per_axis(X)).tolist()
        if self.domain is not None:
            for axis, ends in enumerate(self._ends):
                boundary = self._boundary(axis)
                warn_of_samples_outside(X[:, axis], ends, boundary, axis, type(self).__name__)

    def _measure(self) -> None:
        axes = range(self.n_features_in_)
        self.stable_rank_ = np.array([self._reached(axis) for axis in axes])

    def _blocks(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Iterator[Array]:
        for axis in range(X.shape[1]):
            yield from self._axis_blocks(axis, X[:, axis], arrays, xp)

    def _reached(self, axis: int) -> float:
        """Stable rank along an axis, the others fixed, on dense samples of the domain."""
        x = self._dense_lags(axis)
        if self._n_features_out > _MEASURED_COLUMNS and self._is_stationary():
            # with this many columns the similarity is as exact, and its matrix is smaller
            return stable_rank_of_gram(linalg.toeplitz(self._axis_similarity(axis, x)))
        low, _ = self._ends[axis]
        return stable_rank(self._axis_features(axis, low + x + x[1] / 2))

    def _dense_lags(self, axis: int) -> NDArray[np.float64]:
        """Evenly spaced displacements within the domain, several to a unit of stable rank."""
        low, high = self._ends[axis]
        n = int(np.clip(16 * self._nominal_stable_rank(axis), 256, 2048))
        return np.arange(n) / n * (high - low)

    def _axis_features(self, axis: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns of one axis, the other coordinates fixed."""
        return np.concatenate(self._axis_blocks(axis, x, self._formula, array_namespace(x)), axis=1)

    def _similarity_to(self, x: NDArray, others: NDArray, order: int = 0) -> NDArray[np.float64]:
        if not self._is_stationary() or self._axis_traits(0).in_cells:
            return super()._similarity_to(x, others, order)
        inside, others = self._counted(x), self._counted(others)
        if order == 0:
            return np.asarray(self.similarity(inside[:, None], others[:, None]))
        slopes = self._similarity_derivative(inside[:, None] - others, order)
        if slopes is None:
            slopes = self._derivative(inside, order) @ self._head_features(others).T
        return self._still_outside(x, slopes)

    def _own_similarity(self, x: NDArray, order: int) -> NDArray[np.float64]:
        own = np.ones(len(x))
        if order == 0:
            return own
        at_zero = self._similarity_derivative(np.zeros(1), 2 * order)
        if at_zero is None:
            return np.sum(self._derivative(x, order) ** 2, axis=1)
        return self._still_outside(x, (-1) ** order * at_zero[0] * own)

    def _similarity_derivative(self, delta: NDArray, order: int) -> NDArray[np.float64] | None:
        """Of the closed form of one axis; None where inner products of features have it."""
        return None

    def _counted(self, x: NDArray) -> NDArray[np.float64]:
        """Where coordinates of one axis count for a head: no further than the ends."""
        x = np.asarray(x, dtype=np.float64)
        return np.clip(x, *self._domain()) if self._stays_at_ends() else x

    def _check_range(self, X: Array) -> None:
        xp = array_namespace(X)
        # Farther out, a coordinate has no digits left for its place within a period.
        eps = float(xp.finfo(X.dtype).eps)
        for axis, (low, high) in enumerate(self._ends):
            if self._ends_at_domain(axis):
                continue
            x = X[:, axis]
            least, most = (float(to_numpy(end(x))) for end in (xp.min, xp.max))
            far = max(most - high, low - least)
            if far * eps > high - low:
                raise ValueError(
                    f"X lies {far:.3g} outside the domain ({low:.6g}, {high:.6g}) of axis "
                    f"{axis}, too far for the precision of {X.dtype}: check its units, or fit "
                    "with a domain that covers it"
                )

    def _axis_traits(self, axis: int) -> AxisTraits:
        return AxisTraits(asked=self._rank_setting(axis))

    def _traits_of_width(self, axis: int) -> AxisTraits:
        """Of an encoder whose bandwidth means a stable rank."""
        bandwidth = float(to_numpy(self.bandwidth_)[axis])
        nominal = self._nominal_stable_rank(axis)
        return AxisTraits(self._rank_setting(axis), bandwidth, nominal, self._advice())

    def _rank_setting(self, axis: int) -> float | None:
        """The stable rank set for an axis, None for "auto"."""
        asked = getattr(self, "stable_rank", "auto")
        if not isinstance(asked, str | Real):  # one per axis
            asked = asked[axis]
        return None if isinstance(asked, str) else float(asked)

    def _functions_on_domain(self) -> float:
        return float(self._axis_width(0))

    def _labels(self, names: Sequence[str]) -> list[str]:
        return [label for axis, name in enumerate(names) for label in self._axis_labels(axis, name)]

    def _ends_at_domain(self, axis: int) -> bool:
        """Whether a coordinate outside the domain counts as its nearest end."""
        return self._boundary(axis) == "extend"

    def _inside(self, axis: int, x: Array, xp: ModuleType) -> Array:
        low, high = self._ends[axis]
        return xp.clip(x, low, high) if self._ends_at_domain(axis) else x

    def _fit_axes(self, n_per_axis: NDArray[np.float64]) -> NDArray[np.float64]:
        raise NotImplementedError

    def _axis_blocks(
        self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType
    ) -> list[Array]:
        raise NotImplementedError

    def _axis_labels(self, axis: int, name: str) -> list[str]:
        raise NotImplementedError

    def _nominal_stable_rank(self, axis: int) -> float:
        """Stable rank along an axis in theory, which dense samples should nearly reach."""
        raise NotImplementedError

    def _advice(self) -> str:
        """What to change where the stable rank falls short."""
        return "lower stable_rank"
