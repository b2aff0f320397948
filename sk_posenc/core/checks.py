"""Checks of the arrays that users pass, by scikit-learn."""

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.utils import check_array, check_X_y
from sklearn.utils.validation import validate_data

from sk_posenc.core.arrays import float_dtypes, to_numpy


def checked_array(array: Any, **checks: Any) -> Any:
    """scikit-learn's `check_array`, without NumPy's warning of the sum of inf and -inf."""
    with np.errstate(invalid="ignore"):
        return check_array(array, **checks)


def checked_pair(X: Any, y: Any, **checks: Any) -> Any:
    """scikit-learn's `check_X_y`, without the same warning."""
    with np.errstate(invalid="ignore"):
        return check_X_y(X, y, **checks)


def checked_data(estimator: Any, *arrays: Any, **checks: Any) -> Any:
    """scikit-learn's `validate_data`, without the same warning."""
    with np.errstate(invalid="ignore"):
        return validate_data(estimator, *arrays, **checks)


def check_floats(array: Any, name: str, **checks: Any) -> Any:
    """Checked floats, in their own namespace under array API dispatch, else NumPy's."""
    if not get_config()["array_api_dispatch"]:
        array = to_numpy(array)
    return checked_array(array, dtype=float_dtypes(array), input_name=name, **checks)


def check_weights(sample_weight: ArrayLike, n_samples: int) -> NDArray[np.float64]:
    """Weights of samples: finite, not negative, one for each."""
    if isinstance(sample_weight, numbers.Number):
        sample_weight = np.full(n_samples, sample_weight)
    weights = checked_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight per sample. "
            f"Got {weights.shape}."
        )
    if np.any(weights < 0):
        raise ValueError(f"sample_weight must not be negative. Got {weights.min():g}.")
    return np.asarray(weights)
