"""The product of the encodings of the axes, formed as a matrix: what a Kronecker head fits."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any, Self

import numpy as np
from array_api_compat import array_namespace, is_numpy_namespace
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import Array, device_of, float_dtypes, to_numpy
from sk_posenc.core.checks import checked_data
from sk_posenc.core.encoding import AxisTraits, Encoding
from sk_posenc.core.memory import check_memory
from sk_posenc.core.products import rowwise_kronecker
from sk_posenc.encoders.axis_spacing import AxisSpacing
from sk_posenc.encoders.domains import in_numbers
from sk_posenc.kronecker._device import Place, features_there, places_there
from sk_posenc.kronecker._encoders import axis_features
from sk_posenc.kronecker._spacing import features_through, fit_spacing, parse_spacing


class AxisProduct(Encoding, BaseEstimator):
    """Products of the columns that encoders of one axis each make of a row, the last axis fastest.

    Parameters
    ----------
    encoders : list of n_axes encoders
        With transformers from other packages only `transform` works.
    spacing : float or one per axis, default=0.0
        How far an axis is mapped before it is encoded, so that its samples are evenly spaced.

    Attributes
    ----------
    encoders_ : list of n_axes fitted encoders
        Of the mapped coordinates.
    spacings_ : list of n_axes maps, None where an axis has none
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.
    """

    _of_axes_alone = False

    def __init__(self, encoders: list[Any], spacing: Any = 0.0) -> None:
        self.encoders = encoders
        self.spacing = spacing

    @classmethod
    def of_fitted(
        cls,
        encoders: list[Any],
        names: NDArray | None = None,
        spacings: Sequence[AxisSpacing | None] = (),
    ) -> Self:
        """The product of encoders that are fitted already, of coordinates that may be mapped."""
        strengths = [0.0 if each is None else each.strength for each in spacings]
        product = cls(encoders, strengths if any(strengths) else 0.0)
        product.spacings_ = list(spacings) if spacings else [None] * len(encoders)
        product.encoders_, product.n_features_in_ = list(encoders), len(encoders)
        if names is not None:
            product.feature_names_in_ = names
        return product

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Fit a clone of each encoder on its axis.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For another number of axes than of encoders.
        """
        checked = to_numpy(checked_data(self, X, dtype=float_dtypes(X)))
        if checked.shape[1] != len(self.encoders):
            raise ValueError(
                f"X must have a column for each of {len(self.encoders)} encoders. Got "
                f"{checked.shape[1]} columns."
            )
        strengths = parse_spacing(self.spacing, len(self.encoders))
        encoders, spacings = [], []
        for axis, own in enumerate(self.encoders):
            spacing = fit_spacing(own, checked[:, axis], strengths[axis], axis)
            x = checked[:, axis] if spacing is None else spacing(checked[:, axis])
            own = in_numbers(own, self.dates_[axis : axis + 1])
            encoders.append(clone(own).fit(x[:, None]))
            spacings.append(spacing)
        self.encoders_, self.spacings_ = encoders, spacings
        return self

    @property
    def domain_(self) -> NDArray[np.float64]:
        """Ends of the domain, (n_axes, 2)."""
        return np.array(self._ends)

    @property
    def stable_rank_(self) -> NDArray[np.float64]:
        """Stable rank along each axis, (n_axes,)."""
        return np.array([float(to_numpy(own.stable_rank_)[0]) for own in self._own()])

    @property
    def _ends(self) -> list[tuple[float, float]]:  # type: ignore[override]
        ends = [own._ends[0] for own in self._own()]
        for axis, spacing in enumerate(self.spacings_):
            if spacing is not None:
                low, high = spacing.inverse(np.array(ends[axis])).tolist()
                ends[axis] = (low, high)
        return ends

    @property
    def _n_features_out(self) -> int:
        middle = np.zeros((1, 1))
        return math.prod(
            own._n_features_out if isinstance(own, Encoding) else own.transform(middle).shape[1]
            for own in self.encoders_
        )

    def _own(self) -> list[Any]:
        """The encoder of each axis, all of this package."""
        check_is_fitted(self)
        return [self._encoder_of(axis) for axis in range(self.n_features_in_)]

    def _of_axis(self, axis: int) -> tuple[Any, int]:
        own, spacing = self._encoder_of(axis), self.spacings_[axis]
        return (own if spacing is None else self.of_fitted([own], None, [spacing])), 0

    def _as_seen(self, axis: int, x: NDArray) -> tuple[Encoding, int, NDArray]:
        spacing = self.spacings_[axis]
        if spacing is None:
            return self, axis, x
        return self.of_fitted([self._encoder_of(axis)]), 0, spacing(x)

    def _encoder_of(self, axis: int) -> Any:
        own = self.encoders_[axis]
        if not isinstance(own, Encoding):
            raise TypeError(
                "expected an encoder of sk_posenc on every axis: use one, or measure "
                f"encoder_.transform(X) itself. Got {own!r} on axis {axis}."
            )
        return own

    def _check_coordinates(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        return checked_data(self, X, dtype=float_dtypes(X), reset=False)

    def _check_output(self, X: Array) -> None:
        # made in float64 whatever comes out
        shape = (X.shape[0], self._n_features_out)
        check_memory(shape, 8, "measure fewer rows, or encoders with fewer columns")

    def _encode(self, X: Array) -> Array:
        xp = array_namespace(X)
        product = rowwise_kronecker(
            self._columns(axis, X, xp) for axis in range(self.n_features_in_)
        )
        return xp.astype(product, X.dtype, copy=False)

    def _columns(self, axis: int, X: Array, xp: ModuleType) -> Array:
        if is_numpy_namespace(xp):
            return self._axis_features(axis, X[:, axis])
        place = Place(device_of(X))
        column = places_there(self.spacings_[axis], X[:, axis : axis + 1])
        return features_there(self.encoders_[axis], column, place)

    def _axis_features(self, axis: int, x: NDArray) -> NDArray[np.float64]:
        encode = partial(axis_features, self.encoders_[axis])
        return features_through(self.spacings_[axis], encode, x)

    def _axis_width(self, axis: int) -> int:
        width: int = self._encoder_of(axis)._n_features_out
        return width

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        if self.spacings_[axis] is not None:
            return self._measured_similarity(axis, delta)
        own = self._encoder_of(axis)
        return own._axis_similarity(0, delta)

    def _boundary(self, axis: int) -> str:
        own = self._encoder_of(axis)
        return "extend" if own._stops_at_ends else str(own._boundary(0))

    def _axis_traits(self, axis: int) -> AxisTraits:
        own = self._encoder_of(axis)
        traits: AxisTraits = own._axis_traits(0)
        if self.spacings_[axis] is None:
            return traits
        return replace(traits, bandwidth=None, phi=None)  # not the same everywhere

    def _short_name(self) -> str:
        return " x ".join(dict.fromkeys(own._short_name() for own in self._own()))

    def _dense_lags(self, axis: int) -> NDArray[np.float64]:
        """Displacements within the domain, evenly spaced where the encoder sees them."""
        own, spacing = self._encoder_of(axis), self.spacings_[axis]
        lags: NDArray[np.float64] = own._dense_lags(0)
        if spacing is None:
            return lags
        places = spacing.inverse(own._ends[0][0] + lags)
        return places - self._ends[axis][0]

    def _is_product(self) -> bool:
        return True

    def _is_penalised(self) -> bool:
        return True

    def _is_of_axes_alone(self) -> bool:
        return self._of_axes_alone

    def _is_stationary(self) -> bool:
        return not self._is_mapped() and all(own._is_stationary() for own in self._own())

    def _has_closed_form(self) -> bool:
        closed = (isinstance(own, Encoding) and own._has_closed_form() for own in self.encoders_)
        return not self._is_mapped() and all(closed)

    def _is_mapped(self) -> bool:
        return any(spacing is not None for spacing in self.spacings_)

    def _labels(self, names: Sequence[str]) -> list[str]:
        of_axes = [
            own.get_feature_names_out([name])
            for own, name in zip(self.encoders_, names, strict=True)
        ]
        return [" ".join(labels) for labels in itertools.product(*of_axes)]
