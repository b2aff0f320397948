"""The interface of an encoding: what scorers, reports and Displays need from it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import Array, device_of, itemsize, to_numpy
from sk_posenc.core.memory import check_memory
from sk_posenc.core.state import of_one_fit

# Entries of a similarity that are found at a time: a dozen arrays of this size are held meanwhile.
_SIMILARITIES = 1 << 20

# Of a name of a column, and of where it stands in lists.
_NAME_BYTES = 80

# Places in the domain where a similarity is measured.
_ANCHORS = 16


@dataclass(frozen=True)
class AxisTraits:
    """Properties of an encoder's functions along one axis; by default nothing is known.

    Attributes
    ----------
    asked : float or None
        The stable rank that was requested. None: "auto", or another setting decides.
    bandwidth : float or None
        In coordinate units.
    nominal : float or None
        The stable rank of this bandwidth in theory.
    way_out : str
        What to change where the stable rank is lower.
    n_shifts, enough_shifts : int or None
        The number of shifts, and the number that keeps the squared row norms even.
    repeats, in_steps, in_cells : bool
        Whether the basis is periodic, so that no setting changes its stable rank; whether it is
        piecewise constant; whether two coordinates either share a cell or are orthogonal.
    phi : callable or None
        The function of one shift, of displacements in coordinate units.
    """

    asked: float | None = None
    bandwidth: float | None = None
    nominal: float | None = None
    way_out: str = ""
    n_shifts: int | None = None
    enough_shifts: int | None = None
    repeats: bool = False
    in_steps: bool = False
    in_cells: bool = False
    phi: Callable[[NDArray], NDArray] | None = None


class Encoding(TransformerMixin):
    """All that scorers, reports and Displays use of an encoder.

    Encoders and the products that Kronecker heads make of them derive from it. A derived class
    has, once it is fitted,

    - ``n_features_in_``, ``domain_`` (n_axes, 2), ``stable_rank_`` (n_axes,), and ``_ends``, the
      ends of the domain of each axis as floats;
    - ``_check_coordinates(X, method)``: coordinates checked for a method of that name;
    - ``_encode(X)``: the encoding of checked coordinates, and ``_n_features_out``, its columns;
    - ``_axis_features(axis, x)``: the columns of one axis, the other coordinates fixed, in float64;
    - ``_axis_width(axis)``: their number; NotImplementedError where columns mix the axes;
    - ``_axis_similarity(axis, delta)``: the similarity along an axis, 1 at 0;
    - ``_is_stationary()``: whether it is known, and need not be measured from the features;
    - ``_has_closed_form()``: whether it equals the inner products of encodings;
    - ``_is_product()``: whether each column is a product of one column per axis;
    - ``_is_penalised()``: whether it comes from a head with a penalty of its own;
    - ``_is_of_axes_alone()``: whether that head has another kernel than this encoding where points
      differ in several axes;
    - ``_boundary(axis)``: what happens to coordinates outside the domain;
    - ``_of_axis(axis)``: the encoder of an axis, and the number of the axis in that encoder;
    - ``_as_seen(axis, x)``: an encoding, its axis and coordinates of it, such that its functions
      are spread evenly; another one where coordinates are mapped before they are encoded;
    - ``_labels(names)``: the names of the columns;
    - ``_axis_traits(axis)``: other properties of its functions along an axis;

    and, fitted or not, ``_short_name()``, its name in a legend, and ``_learns_by_default``,
    whether a network that holds it trains it by default.
    """

    _learns_by_default = False

    n_features_in_: int
    domain_: Any
    stable_rank_: Any
    _ends: list[tuple[float, float]]

    @of_one_fit
    def transform(self, X: ArrayLike) -> Array:
        """Encode coordinates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates, in the units seen in ``fit``.

        Returns
        -------
        array of shape (n_samples, n_features)
            float32 for float32 coordinates, else float64.

        Raises
        ------
        ValueError
            For NaN or infinite coordinates, a number of axes other than in ``fit``, and
            an output larger than the memory available.
        """
        checked = self._check_coordinates(X, "transform")
        self._check_output(checked)
        return self._encode(checked)

    @of_one_fit
    def similarity(self, X1: ArrayLike, X2: ArrayLike | None = None) -> Array:
        """Similarity of two sets of coordinates, the kernel of the encoding.

        These are the inner products of the encodings. Where the closed form D(delta) / D(0) is
        known, it is used, averaged over the axes. It is exact for Fourier functions. For other
        bases it is exact up to the ripple of the row norms, except near an end that is cut.

        Parameters
        ----------
        X1 : array-like of shape (n_samples_1, n_axes)
        X2 : array-like of shape (n_samples_2, n_axes), default=None
            None: `X1` with itself.

        Returns
        -------
        array of shape (n_samples_1, n_samples_2)
        """
        first = self._check_coordinates(X1, "similarity")
        second = first if X2 is None else self._check_coordinates(X2, "similarity")
        xp = array_namespace(first, second)
        shape = (first.shape[0], second.shape[0])
        check_memory(shape, itemsize(first), "compare fewer rows at a time")
        if not self._has_closed_form():
            products = self._encode(first) @ self._encode(second).T
            return products.toarray() if sparse.issparse(products) else products
        n_rows = max(1, _SIMILARITIES // max(1, shape[1]))
        if shape[0] <= n_rows:
            return self._similarity_along_axes(first, second)
        joined = None
        for start in range(0, shape[0], n_rows):
            rows = slice(start, min(start + n_rows, shape[0]))
            block = self._similarity_along_axes(first[rows, :], second)
            if joined is None:
                joined = xp.empty(shape, dtype=block.dtype, device=device_of(block))
            joined[rows, :] = block
        return joined

    def _similarity_along_axes(self, first: Array, second: Array) -> Array:
        """Similarity of checked coordinates where the closed form is known."""
        xp = array_namespace(first, second)
        similarities = []
        for axis in range(self.n_features_in_):
            x1, x2 = first[:, axis], second[:, axis]
            if self._boundary(axis) == "extend":
                x1, x2 = (xp.clip(x, *self._ends[axis]) for x in (x1, x2))
            similarities.append(self._axis_similarity(axis, x1[:, None] - x2[None, :]))
        return self._join_axes(similarities)

    @of_one_fit
    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the columns, axis by axis.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the axes; None: the names seen in ``fit``, else x0, x1, ...

        Returns
        -------
        ndarray of str objects of shape (n_features,)
        """
        check_is_fitted(self)
        names = input_names(self, input_features)
        check_memory((self._n_features_out,), _NAME_BYTES, "use fewer columns")
        return np.asarray(self._labels(names), dtype=object)

    @property
    def _n_features_out(self) -> int:
        widths = [self._axis_width(axis) for axis in range(self.n_features_in_)]
        return math.prod(widths) if self._is_product() else sum(widths)

    def _check_output(self, X: Array) -> None:
        """Refuse coordinates whose encoding does not fit into memory."""
        check_memory(
            (X.shape[0], self._n_features_out),
            itemsize(X),
            "encode fewer rows at a time, or lower stable_rank or the number of columns",
        )

    def _join_axes(self, similarities: list[Array]) -> Array:
        """Similarity of whole encodings from those along the axes."""
        if self._is_product():
            return math.prod(similarities)
        return sum(similarities) / len(similarities)

    def _offset_similarity(self, offsets: NDArray) -> NDArray:
        """Similarity of whole encodings, for pairs of coordinates with these offsets."""
        axes = range(self.n_features_in_)
        return self._join_axes([self._axis_similarity(a, offsets[:, a]) for a in axes])

    def _measured_similarity(self, axis: int, delta: Array) -> Array:
        """Similarity along an axis where no closed form is known, in the mean over the domain."""
        products, norms = np.zeros(delta.shape), 0.0
        for first, second in self._measured_pairs(axis, delta):
            products += np.sum(first * second, axis=-1)
            norms += np.sum(first * first, axis=-1) / 2 + np.sum(second * second, axis=-1) / 2
        similarity = products / norms
        xp = array_namespace(delta)
        return xp.asarray(similarity, dtype=delta.dtype, device=device_of(delta))

    def _measured_pairs(self, axis: int, delta: Array) -> Iterator[tuple[NDArray, NDArray]]:
        """Features of an axis at both ends of displacements, at places all over the domain."""
        low, high = self._ends[axis]
        lags = np.minimum(np.abs(to_numpy(delta)).astype(np.float64), high - low)
        for share in (np.arange(_ANCHORS) + 0.5) / _ANCHORS:
            start = low + share * (high - low - lags)
            first, second = (self._axis_features(axis, x.ravel()) for x in (start, start + lags))
            yield first.reshape(*lags.shape, -1), second.reshape(*lags.shape, -1)

    def _is_product(self) -> bool:
        return False

    def _is_penalised(self) -> bool:
        return False

    def _is_of_axes_alone(self) -> bool:
        return False

    def _is_stationary(self) -> bool:
        return True

    def _has_closed_form(self) -> bool:
        return False

    def _boundary(self, axis: int) -> str:
        """One of "extend" (the nearest end counts), "periodic", "cut" (columns fade) or "none"."""
        return "none"

    def _of_axis(self, axis: int) -> tuple[Any, int]:
        return self, axis

    def _as_seen(self, axis: int, x: NDArray) -> tuple["Encoding", int, NDArray]:
        return self, axis, x

    def _axis_traits(self, axis: int) -> AxisTraits:
        return AxisTraits()

    def _short_name(self) -> str:
        return type(self).__name__

    def _check_coordinates(self, X: Any, method: str) -> Array:
        raise NotImplementedError

    def _encode(self, X: Array) -> Array:
        raise NotImplementedError

    def _axis_features(self, axis: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        raise NotImplementedError

    def _axis_width(self, axis: int) -> int:
        raise NotImplementedError

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        raise NotImplementedError

    def _labels(self, names: Any) -> list[str]:
        raise NotImplementedError


def input_names(estimator: Any, given: Any) -> Any:
    """Names of the columns of X, those given or those seen in ``fit``; ValueError for others.

    Parameters
    ----------
    estimator : fitted estimator
    given : array-like of str, or None
    """
    seen = getattr(estimator, "feature_names_in_", None)
    if given is None:
        numbered = [f"x{axis}" for axis in range(estimator.n_features_in_)]
        return numbered if seen is None else seen
    names = np.atleast_1d(np.asarray(given, dtype=object))
    if seen is not None and not np.array_equal(seen, names):
        raise ValueError("input_features is not equal to feature_names_in_")
    if len(names) != estimator.n_features_in_:
        raise ValueError(
            "input_features should have length equal to number of features "
            f"({estimator.n_features_in_}), got {len(names)}"
        )
    return names
