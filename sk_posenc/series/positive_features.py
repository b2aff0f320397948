"""Positive random features of the exponential kernel."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_posenc.core.arrays import SQUARED_UP_TO
from sk_posenc.core.incoming import refuse_unordered, targets_in
from sk_posenc.core.memory import check_memory
from sk_posenc.core.refusals import column_names, refusals_told
from sk_posenc.core.settings import parse_flag, parse_integer, random_state_of
from sk_posenc.core.state import of_one_fit, taken_over_last
from sk_posenc.series._directions import draw_directions

_WAY_OUT = "lower n_components"


class PositiveRandomFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Positive features whose inner product is the exponential kernel, on average.

    The features of a row x are :math:`\phi_r(x) = m^{-1/2} \exp(w_r \cdot x - \|x\|^2 / 2)`, for
    m random directions :math:`w_r`. The mean of :math:`\phi(x) \cdot \phi(y)` over draws of them
    is :math:`\exp(x \cdot y)`.

    Parameters
    ----------
    n_components : int, default=64
        Number m of features.
    orthogonal : bool, default=True
        Whether as many directions as `X` has columns are orthogonal to each other. Their lengths
        are those of normal vectors, so the mean stays, and the variance is smaller.
    random_state : int, RandomState instance or None, default=None
        Decides the directions.

    Attributes
    ----------
    directions_ : ndarray of shape (n_components, n_columns)
        The directions :math:`w_r`, each of them standard normal.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns, where `X` had them.

    See Also
    --------
    ToeplitzAttention : Attention whose kernel these features make.
    sklearn.kernel_approximation.RBFSampler : Sines and cosines for the Gaussian kernel.

    Notes
    -----
    With ``orthogonal=False`` the variance of :math:`\phi(x) \cdot \phi(y)` is
    :math:`(e^{\|x + y\|^2} - 1) e^{2 x \cdot y} / m`. It grows fast with the length of rows, so
    scale them to a length of about 1. Positive features keep small values of the kernel small;
    sines and cosines do not.

    References
    ----------
    K. Choromanski et al., "Rethinking Attention with Performers", ICLR 2021.

    F. Mezzadri, "How to generate random matrices from the classical compact groups", Notices of
    the AMS 54, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import PositiveRandomFeatures
    >>> X = np.array([[0.6, 0.0], [0.3, 0.4]])
    >>> features = PositiveRandomFeatures(4096, random_state=0).fit_transform(X)
    >>> np.abs(features @ features.T - np.exp(X @ X.T)).max() < 0.05
    np.True_
    """

    def __init__(
        self, n_components: int = 64, *, orthogonal: bool = True, random_state: Any = None
    ) -> None:
        self.n_components = n_components
        self.orthogonal = orthogonal
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Draw the directions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            Only the number of its columns is learnt.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For settings of the wrong type or out of range, and for NaN.
        """
        with taken_over_last(self) as fitted:
            fitted._draw(X)
        return self

    def _draw(self, X: Any) -> None:
        n = parse_integer(self.n_components, "n_components")
        orthogonal = parse_flag(self.orthogonal, "orthogonal")
        X = self._checked(X, reset=True)
        check_memory((n, X.shape[1]), 8, _WAY_OUT)
        rng = random_state_of(self.random_state)
        self.directions_ = draw_directions(n, X.shape[1], orthogonal, rng)

    def _checked(self, X: Any, reset: bool) -> NDArray[Any]:
        refuse_unordered(X, "X")
        if isinstance(X, np.ma.MaskedArray):
            X = targets_in(X, "X")
        with refusals_told({"X": X}, column_names(X), "drop these rows"):
            rows = validate_data(self, X, dtype=[np.float64, np.float32], reset=reset)
        return np.asarray(rows)

    @of_one_fit
    def transform(self, X: Any) -> NDArray[Any]:
        """Find the features of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Positive, of the precision of `X`. What is too small for a float is 0.

        Raises
        ------
        ValueError
            For another number of columns, NaN, rows with features beyond all floats, and an
            output larger than the memory.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        check_memory((len(X), len(self.directions_)), 8, _WAY_OUT)
        exact = X.astype(np.float64)
        largest = float(np.max(np.abs(exact)))
        if largest > SQUARED_UP_TO:
            raise ValueError(
                "X must have rows of a length of about 1: scale them. Got an entry of size "
                f"{largest:g}."
            )
        logs = exact @ self.directions_.T - 0.5 * np.sum(exact**2, axis=1)[:, None]
        logs -= 0.5 * np.log(len(self.directions_))
        if logs.max() > np.log(np.finfo(X.dtype).max):
            raise ValueError(
                f"X must have rows whose features are {X.dtype} numbers: scale rows to a length "
                f"of about 1. Got a feature of exp({logs.max():.0f})."
            )
        return np.exp(logs).astype(X.dtype, copy=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self.directions_)
