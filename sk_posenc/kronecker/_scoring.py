"""R squared of predictions where targets may be missing."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.checks import check_weights, checked_array
from sk_posenc.core.r_squared import r_squared


class ScoredWherePresent:
    """A regressor with ``nan_is_hole``, under which a score leaves out what is missing."""

    nan_is_hole: Any
    predict: Any

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of the variance that predictions explain, R squared.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            At most 1; the mean over several outputs.

        Raises
        ------
        ValueError
            For values of `y` that are missing. With ``nan_is_hole=True`` each output counts where
            it is not.
        """
        if self.nan_is_hole is True:
            return score_present(self, X, y, sample_weight)
        return r_squared(y, self.predict(X), sample_weight)


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
        For an output that is missing at all samples, targets of another shape than predictions, and
        weights that are negative or of another number.
    """
    found = to_numpy(model.predict(X))
    targets = checked_array(
        to_numpy(y), ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan",
        input_name="y",
    )  # fmt: skip
    if targets.size != found.size or len(targets) != len(found):
        raise ValueError(
            f"y must have shape {found.shape}, as predictions have. Got shape {targets.shape}."
        )
    columns, found = (each.reshape(len(found), -1) for each in (targets, found))
    weights = None if sample_weight is None else check_weights(to_numpy(sample_weight), len(found))
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
