"""A transformer that spaces samples evenly, in front of an encoder."""

from typing import Any, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import Array, device_of, float_dtypes, to_numpy
from sk_posenc.core.checks import check_floats, checked_data
from sk_posenc.core.settings import parse_integer
from sk_posenc.core.state import of_one_fit, taken_over_last
from sk_posenc.encoders.axis_settings import per_axis
from sk_posenc.encoders.axis_spacing import AxisSpacing, parse_strength


class SpacingTransformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Map each axis to (0, 1) such that its samples are about equally far apart.

    The map of an axis is

    .. math:: u(x) = w\,P(x) + (1 - w)\,\frac{x - \text{low}}{\text{high} - \text{low}}

    Here low and high are the ends of the samples, and w is `strength`. P is a monotone piecewise
    cubic (PCHIP). It runs through some of the distinct coordinates, the *knots*. Its value at a
    knot is the share of the distinct coordinates that lie below it. So P is steep where samples
    are dense. Outside the samples P stays as it is at their ends, and the second term goes on.

    Encoders place their functions evenly over the domain. Use this transformer before an encoder
    where samples are not even: on a logarithmic scale, in bursts or in clusters. Then the
    encoding is fine where there are many samples, and coarse where there are few.

    Parameters
    ----------
    strength : float or one per axis, default=0.9
        The weight w, from 0 to 1. 0: the axis is only scaled. 1: as much room between any two
        neighbouring samples; coordinates outside the samples then count as their nearest end.
    n_knots : int, default=33
        Largest number of knots of an axis. With more knots the map follows single samples.

    Attributes
    ----------
    knots_ : list of n_axes ndarrays
        Coordinates of the knots of each axis, increasing.
    domain_ : ndarray of shape (n_axes, 2)
        Ends of each axis: low becomes 0, high becomes 1. An axis with one distinct coordinate has
        width 1.
    n_features_in_ : int
        Number of axes.
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.
    dates_ : tuple
        For each axis None, or for dates what counts as day 0.

    See Also
    --------
    KroneckerRidge : Has the same map as its setting `spacing`.
    ShiftedBasisEncoder : Places its shifts evenly over the domain.

    Notes
    -----
    A network takes it as the first step of a Pipeline, before the step with its encoder or before
    :class:`CoordinateMLPRegressor` itself. The map has a continuous slope. Its second derivative
    jumps at the knots.

    Under scikit-learn's array API dispatch tensors come back as tensors of their device, but
    NumPy maps them: gradients to the coordinates end here.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sk_posenc import ShiftedBasisEncoder, SpacingTransformer
    >>> t = np.geomspace(1, 10_000, 121)[:, None]
    >>> y = np.sin(2 * np.log(t[:, 0]))
    >>> SpacingTransformer().fit_transform(t)[[0, 30, 60, 90, 120], 0].round(2)
    array([0.  , 0.23, 0.45, 0.68, 1.  ])
    >>> for strength in (0, 0.9):
    ...     model = make_pipeline(
    ...         SpacingTransformer(strength), ShiftedBasisEncoder(stable_rank=16), Ridge(1e-4)
    ...     ).fit(t[::2], y[::2])
    ...     print(strength, np.abs(model.predict(t) - y).max().round(2))
    0 1.38
    0.9 0.0
    """

    def __init__(self, strength: Any = 0.9, *, n_knots: int = 33) -> None:
        self.strength = strength
        self.n_knots = n_knots

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the map of each axis.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates. Repeated ones count once.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN or infinite coordinates, and for settings out of range.
        TypeError
            For settings of the wrong type.
        """
        with taken_over_last(self) as fitted:
            fitted._learn(X)
        return self

    def _learn(self, X: ArrayLike) -> None:
        coordinates = to_numpy(self._checked(X, reset=True))
        n_axes = coordinates.shape[1]
        strengths = per_axis(self.strength, "strength", n_axes, parse_strength)
        n_knots = parse_integer(self.n_knots, "n_knots", at_least=2)
        self._maps = [
            AxisSpacing.through(x, strength, axis, n_knots)
            for axis, (x, strength) in enumerate(zip(coordinates.T, strengths, strict=True))
        ]
        self.knots_ = [each.knots for each in self._maps]
        self.domain_ = np.array([[each.low, each.high] for each in self._maps])

    @of_one_fit
    def transform(self, X: ArrayLike) -> Array:
        """Map coordinates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates, in the units seen in ``fit``.

        Returns
        -------
        array of shape (n_samples, n_axes)
            From 0 to 1 within the samples of ``fit``. float32 for float32 coordinates, else
            float64.

        Raises
        ------
        ValueError
            For NaN or infinite coordinates, and a number of axes other than in ``fit``.
        """
        check_is_fitted(self)
        checked = self._checked(X, reset=False)
        columns = to_numpy(checked).T
        mapped = [of_axis(x) for of_axis, x in zip(self._maps, columns, strict=True)]
        return _like(checked, np.stack(mapped, axis=1))

    def inverse_transform(self, X: ArrayLike) -> Array:
        """Map back to coordinates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            What `transform` returns. With strength 1, values outside (0, 1) count as the nearest
            of these.

        Returns
        -------
        array of shape (n_samples, n_axes)
            Axes of dates in days; ``dates_[axis].dates`` makes dates of them.

        Raises
        ------
        ValueError
            For NaN or infinity, and a number of axes other than in ``fit``.
        """
        check_is_fitted(self)
        places = check_floats(X, "X")
        if places.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X must have {self.n_features_in_} columns, one for each axis seen in fit. "
                f"Got {places.shape[1]}."
            )
        columns = to_numpy(places).T
        coordinates = [each.inverse(u) for each, u in zip(self._maps, columns, strict=True)]
        return _like(places, np.stack(coordinates, axis=1))

    def _checked(self, X: Any, reset: bool) -> Array:
        """Checked coordinates: of NumPy, or under dispatch as they came."""
        X = X if get_config()["array_api_dispatch"] else to_numpy(X)
        if getattr(X, "requires_grad", False):
            X = X.detach()
        return checked_data(self, X, dtype=float_dtypes(X), reset=reset)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _like(X: Array, values: NDArray[np.float64]) -> Array:
    """Values in the namespace, device and precision of an array."""
    xp = array_namespace(X)
    if np.max(np.abs(values), initial=0.0) > float(xp.finfo(X.dtype).max):
        raise ValueError(
            "X must lie nearer to the samples of fit: mapped values are beyond all numbers of "
            f"{X.dtype}."
        )
    return xp.asarray(values, dtype=X.dtype, device=device_of(X))
