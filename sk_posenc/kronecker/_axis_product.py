"""The product of the encodings of the axes, formed as a matrix: what a Kronecker head fits."""

import itertools
import math
from collections.abc import Sequence
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
from sk_posenc.kronecker._device import Place, features_there
from sk_posenc.kronecker._encoders import axis_features


class AxisProduct(Encoding, BaseEstimator):
    """Products of the columns that encoders of one axis each make of a row, the last axis fastest.

    Parameters
    ----------
    encoders : list of n_axes encoders
        With transformers from other packages only `transform` works.

    Attributes
    ----------
    encoders_ : list of n_axes fitted encoders
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.
    """

    def __init__(self, encoders: list[Any]) -> None:
        self.encoders = encoders

    @classmethod
    def of_fitted(cls, encoders: list[Any], names: NDArray | None = None) -> Self:
        """The product of encoders that are fitted already."""
        product = cls(encoders)
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
        self.encoders_ = [
            clone(own).fit(checked[:, axis : axis + 1]) for axis, own in enumerate(self.encoders)
        ]
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
        return [own._ends[0] for own in self._own()]

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
        return [self._of_axis(axis)[0] for axis in range(self.n_features_in_)]

    def _of_axis(self, axis: int) -> tuple[Any, int]:
        own = self.encoders_[axis]
        if not isinstance(own, Encoding):
            raise TypeError(
                "expected an encoder of sk_posenc on every axis: use one, or measure "
                f"encoder_.transform(X) itself. Got {own!r} on axis {axis}."
            )
        return own, 0

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
        return features_there(self.encoders_[axis], X[:, axis : axis + 1], place)

    def _axis_features(self, axis: int, x: NDArray) -> NDArray[np.float64]:
        return axis_features(self.encoders_[axis], x)

    def _axis_width(self, axis: int) -> int:
        width: int = self._of_axis(axis)[0]._n_features_out
        return width

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        own, number = self._of_axis(axis)
        return own._axis_similarity(number, delta)

    def _boundary(self, axis: int) -> str:
        own, number = self._of_axis(axis)
        return "extend" if own._stops_at_ends else str(own._boundary(number))

    def _axis_traits(self, axis: int) -> AxisTraits:
        own, number = self._of_axis(axis)
        traits: AxisTraits = own._axis_traits(number)
        return traits

    def _short_name(self) -> str:
        return " x ".join(dict.fromkeys(own._short_name() for own in self._own()))

    def _is_product(self) -> bool:
        return True

    def _is_penalised(self) -> bool:
        return True

    def _is_stationary(self) -> bool:
        return all(own._is_stationary() for own in self._own())

    def _has_closed_form(self) -> bool:
        return all(isinstance(own, Encoding) and own._has_closed_form() for own in self.encoders_)

    def _labels(self, names: Sequence[str]) -> list[str]:
        check_memory((self._n_features_out,), 100, "use encoders with fewer columns")
        of_axes = [
            own.get_feature_names_out([name])
            for own, name in zip(self.encoders_, names, strict=True)
        ]
        return [" ".join(labels) for labels in itertools.product(*of_axes)]
