"""Longitude and latitude to points on the unit sphere."""

from typing import Any, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import Array, float_dtypes, to_numpy
from sk_posenc.core.checks import check_floats, checked_data
from sk_posenc.core.sphere import check_places, quarter_of, unit_vectors
from sk_posenc.core.state import of_one_fit, taken_over_last


class SphereCoordinates(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Map longitude and latitude to points (x, y, z) on the unit sphere.

    With longitude :math:`\lambda` and latitude :math:`\varphi`,

    .. math:: (x, y, z) = (\cos\varphi \cos\lambda,\ \cos\varphi \sin\lambda,\ \sin\varphi)

    A map of degrees has two faults. It tears the globe apart at the date line, and it draws a pole
    as a line. On the sphere 179 degrees east and west are neighbours, and a pole is one point. Use
    this transformer as the first step of a Pipeline, in front of :class:`KroneckerRidgeCV` or any
    other model that works with distances.

    Parameters
    ----------
    unit : {"degrees", "radians"}, default="degrees"
        Unit of the coordinates.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns, 2.
    feature_names_in_ : ndarray of shape (2,)
        Names of the columns, where `X` had them.

    See Also
    --------
    SphericalHarmonicEncoder : Features on the sphere for linear models and networks.

    Notes
    -----
    The columns are longitude first and latitude second. A longitude may have any number of turns:
    190 and -170 degrees are the same. A latitude beyond a pole is refused, unless
    by rounding: up to 9e-5 degrees, ten metres, it counts as the pole.

    The distance of two points is the chord :math:`2 \sin(\gamma / 2)`, where :math:`\gamma` is the
    angle between them as seen from the centre. One degree is 0.01745, about 111 km.

    Under scikit-learn's array API dispatch tensors come back as tensors of their device, with
    gradients. The gradient by the longitude is 0 at a pole.

    Examples
    --------
    >>> from sk_posenc import SphereCoordinates
    >>> sphere = SphereCoordinates()
    >>> sphere.fit_transform([[0, 0], [90, 0], [180, 0], [-180, 0], [25, 90]]).round(2) + 0
    array([[ 1.,  0.,  0.],
           [ 0.,  1.,  0.],
           [-1.,  0.,  0.],
           [-1.,  0.,  0.],
           [ 0.,  0.,  1.]])
    >>> sphere.inverse_transform([[0, -1, 0]])
    array([[-90.,   0.]])
    """

    def __init__(self, *, unit: str = "degrees") -> None:
        self.unit = unit

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check the coordinates; nothing is learnt from them.

        Parameters
        ----------
        X : array-like of shape (n_samples, 2)
            Longitude and latitude.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For another number of columns, latitudes beyond a pole, columns that are named in the
            order latitude, longitude, NaN or infinity, and an unknown unit.
        TypeError
            For a unit that is not a string.
        """
        with taken_over_last(self) as fitted:
            quarter_of(fitted.unit)
            fitted._checked(X, reset=True)
        return self

    @of_one_fit
    def transform(self, X: ArrayLike) -> Array:
        """Map coordinates to the sphere.

        Parameters
        ----------
        X : array-like of shape (n_samples, 2)
            Longitude and latitude.

        Returns
        -------
        array of shape (n_samples, 3)
            x, y and z. float32 for float32 coordinates, else float64.

        Raises
        ------
        ValueError
            As in ``fit``.
        """
        check_is_fitted(self)
        checked = self._checked(X, reset=False)
        xp = array_namespace(checked)
        axes = unit_vectors(checked[:, 0], checked[:, 1], quarter_of(self.unit), xp)
        return xp.stack(axes, axis=1)

    def inverse_transform(self, X: ArrayLike) -> Array:
        """Map points back to longitude and latitude.

        Parameters
        ----------
        X : array-like of shape (n_samples, 3)
            Points at any distance from the centre but 0; their direction counts.

        Returns
        -------
        array of shape (n_samples, 2)
            Longitude, from minus a half turn to a half turn, and latitude. At a pole the
            longitude is 0.

        Raises
        ------
        ValueError
            For another number of columns, NaN or infinity, and a point at the centre.
        """
        check_is_fitted(self)
        points = check_floats(X, "X")
        if points.shape[1] != 3:
            raise ValueError(f"X must have 3 columns, x, y and z. Got {points.shape[1]}.")
        xp = array_namespace(points)
        x, y, z = points[:, 0], points[:, 1], points[:, 2]
        across = xp.hypot(x, y)
        if bool(xp.any((across == 0) & (z == 0))):
            raise ValueError("X must hold no point at the centre, which has no direction: drop it.")
        per_radian = quarter_of(self.unit) / (np.pi / 2)
        longitude = xp.where(across > 0, xp.atan2(y, x), xp.zeros_like(x))
        return xp.stack([longitude, xp.atan2(z, across)], axis=1) * per_radian

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the columns x, y and z.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of `X`; they are only checked.

        Returns
        -------
        ndarray of str objects of shape (3,)
        """
        super().get_feature_names_out(input_features)  # checks them
        return np.array(["x", "y", "z"], dtype=object)

    def _checked(self, X: Any, reset: bool) -> Array:
        """Checked coordinates: of NumPy, or under dispatch as they came, with their gradient."""
        X = X if get_config()["array_api_dispatch"] else to_numpy(X)
        plain = X.detach() if getattr(X, "requires_grad", False) else X
        checked = checked_data(self, plain, dtype=float_dtypes(X), reset=reset)
        places = self._places(checked)
        return places if plain is X else X.to(checked.dtype)

    def _places(self, X: Array) -> Array:
        check_places(X, self.unit, getattr(self, "feature_names_in_", None))
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.array_api_support = True
        return tags
