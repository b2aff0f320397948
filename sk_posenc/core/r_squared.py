"""The share of the variance of targets that predictions explain."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import r2_score

from sk_posenc.core.arrays import SQUARED_UP_TO


def r_squared(y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None) -> float:
    """scikit-learn's `r2_score`, of numbers of any size: it does not depend on their unit."""
    largest = float(np.max(np.abs(np.asarray(y_pred, dtype=np.float64)), initial=0.0))
    if largest > SQUARED_UP_TO:
        unit = 2.0 ** np.floor(np.log2(largest))
        y_true, y_pred = np.asarray(y_true) / unit, np.asarray(y_pred) / unit
    return float(r2_score(y_true, y_pred, sample_weight=sample_weight))
