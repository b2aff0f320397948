"""R squared of predictions where targets may be missing."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sk_posenc.core.incoming import targets_in
from sk_posenc.core.r_squared import r_squared


def score_present(model: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> float:
    """The mean over the outputs, each on the samples that have it.

    Parameters
    ----------
    model : fitted regressor
    X : array-like of shape (n_samples, n_axes)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        NaN where it is missing.
    sample_weight : array-like of shape (n_samples,) or None

    Raises
    ------
    ValueError
        For an output that is missing at all samples.
    """
    targets = np.asarray(targets_in(y), dtype=np.float64)
    columns = targets.reshape(len(targets), -1)
    found = np.asarray(model.predict(X)).reshape(columns.shape)
    weights = None if sample_weight is None else np.asarray(sample_weight)
    scores = []
    for output, (true, predicted) in enumerate(zip(columns.T, found.T, strict=True)):
        there = ~np.isnan(true)
        if not there.any():
            raise ValueError(
                f"y[:, {output}] is missing at all samples: there is nothing to compare with"
            )
        own = None if weights is None else weights[there]
        scores.append(r_squared(true[there], predicted[there], own))
    return float(np.mean(scores))
