"""Peak signal-to-noise ratio of predictions."""

import math
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike

from sk_posenc.core.arrays import device_of, to_numpy, widened
from sk_posenc.core.checks import check_floats, check_weights
from sk_posenc.core.memory import check_copies
from sk_posenc.core.settings import parse_positive


def psnr_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    data_range: float = 1.0,
) -> float:
    """Peak signal-to-noise ratio in dB: 10 log10(data_range**2 / mean squared error).

    Parameters
    ----------
    y_true, y_pred : array-like of the same shape
        What is masked is missing, as NaN is.
    sample_weight : array-like of shape (n,), default=None
        What each row of `y_true` counts: 0 is absent, 2 is twice. None: all count alike.
    data_range : float, default=1.0
        Largest value of the signal less the smallest: 1 for images in [0, 1].

    Returns
    -------
    float
        A perfect fit counts as an error of one machine epsilon, so that the value is finite:
        313.1 in float64, 138.5 in float32.

    Raises
    ------
    ValueError
        For shapes that differ, NaN, infinity, a `data_range` that is not positive, and weights
        that are negative or all 0.
    TypeError
        For a `data_range` that is not a number.

    Examples
    --------
    >>> from sk_posenc import psnr_score
    >>> round(psnr_score([0.0, 0.5, 1.0], [0.1, 0.4, 1.1]), 6)
    20.0
    """
    data_range = parse_positive(data_range, "data_range")
    check_copies(y_true, 3, "compare a part of them")
    true, pred = _checked(y_true, "y_true"), _checked(y_pred, "y_pred")
    if true.shape != pred.shape:
        raise ValueError(
            "y_true and y_pred must have the same shape: reshape one of them, as (n,) and (n, 1) "
            f"would be broadcast. Got {true.shape} and {pred.shape}."
        )
    xp = array_namespace(true, pred)
    weights = None
    if sample_weight is not None:
        weights = check_weights(to_numpy(sample_weight), true.shape[0])
        if not weights.any():
            raise ValueError("sample_weight is zero for all samples: one weight must be positive")
        kept = np.flatnonzero(weights)
        rows = xp.asarray(kept, device=device_of(true))
        true, pred = xp.take(true, rows, axis=0), xp.take(pred, rows, axis=0)
        weights = weights[kept] / weights.mean() / len(weights)
    best = -20 * math.log10(float(xp.finfo(xp.result_type(true, pred)).eps))
    # halved, and scaled by the largest, so that no difference or square overflows
    error = widened(true) / 2 - widened(pred) / 2
    largest = float(xp.max(xp.abs(error)))
    if largest == 0:
        return best
    square = (error / largest) ** 2
    if weights is not None:  # of sum 1
        share = xp.asarray(weights, dtype=square.dtype, device=device_of(square))
        square = share * xp.mean(xp.reshape(square, (len(weights), -1)), axis=1)
    mean_square = float(xp.mean(square) if weights is None else xp.sum(square))
    root = math.log10(2) + math.log10(largest) + 0.5 * math.log10(mean_square)
    return min(best, 20 * (math.log10(data_range) - root))


def _checked(values: ArrayLike, name: str) -> Any:
    try:
        return check_floats(values, name, ensure_2d=False, allow_nd=True)
    except ValueError as error:
        if "contains NaN" not in str(error):
            raise
        raise ValueError(
            f"Input {name} contains NaN (a masked value counts as one): compare only where both "
            "have values, psnr_score(y_true[keep], y_pred[keep]) with keep = ~np.isnan(y_true), or "
            "~mask."
        ) from None
