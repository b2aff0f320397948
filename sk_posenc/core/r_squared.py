"""The share of the variance of targets that predictions explain."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import r2_score

from sk_posenc.core.arrays import to_numpy, unit_for_squares
from sk_posenc.core.checks import check_weights, checked_array
from sk_posenc.core.incoming import targets_in


def r_squared(y: Any, y_pred: Any, sample_weight: ArrayLike | None = None) -> float:
    """scikit-learn's `r2_score`, of numbers and weights of any size: it has no unit.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets, of any kind that heads take.
    y_pred : array-like of the same shape
    sample_weight : array-like of shape (n_samples,), default=None

    Raises
    ------
    ValueError
        For shapes that differ, numbers that are not finite, negative weights, and weights that are
        all 0.
    """
    true, predicted = (_numbers(each, name) for each, name in ((y, "y"), (y_pred, "y_pred")))
    if sample_weight is not None:
        sample_weight = check_weights(to_numpy(sample_weight), len(predicted))
        if not sample_weight.any():
            raise ValueError("sample_weight must be above 0 for some sample. Got 0 for all.")
        sample_weight = sample_weight / unit_for_squares(sample_weight)
    if true.shape == predicted.shape:  # r2_score says what is wrong otherwise
        unit = unit_for_squares(np.concatenate([true, predicted]), axis=0)
        true, predicted = true / unit, predicted / unit
    return float(r2_score(true, predicted, sample_weight=sample_weight))


def _numbers(y: Any, name: str) -> NDArray:
    array = np.asarray(
        checked_array(
            to_numpy(targets_in(y, name)),
            ensure_2d=False,
            dtype=[np.float64, np.float32],
            input_name=name,
        )
    )
    return array[:, None] if array.ndim == 1 else array
