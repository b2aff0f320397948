"""Exact leave-one-out errors of linear heads on encoded coordinates."""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

_EPS = float(np.finfo(np.float64).eps)


class LeaveOneOut:
    r"""Residual of each sample under the ridge regression fitted to all the others.

    With the hat matrix H of the fit to all samples they are :math:`r_i / (1 - H_{ii})`. One
    decomposition serves all strengths of the ridge and all targets.

    Parameters
    ----------
    E : ndarray of shape (n_samples, n_features)
    fit_intercept : bool
        Whether the head has an intercept, which the ridge leaves alone.

    Notes
    -----
    Where least squares interpolates, r and 1 - H are both 0; their ratio is the limit of the
    ridge regressions as alpha falls to 0.
    """

    def __init__(self, E: NDArray[np.float64], *, fit_intercept: bool) -> None:
        n = len(E)
        self._centres = fit_intercept
        if fit_intercept:
            E = E - E.mean(axis=0)
        U, s, _ = linalg.svd(E, full_matrices=False, check_finite=False)
        kept = s > _EPS * max(E.shape) * s.max(initial=0.0)
        self._U, self._s = U[:, kept], s[kept]
        free = int(fit_intercept)
        self._interpolates = len(self._s) >= n - free
        # what no column reaches of each sample
        self._beyond = np.maximum(1 - free / n - np.sum(self._U**2, axis=1), 0.0)
        if self._interpolates:
            self._beyond[:] = 0.0

    def residuals(self, y: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
        """Residuals of targets, for a strength of the ridge.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_outputs)
        alpha : float
            0 is least squares, the least-norm solution where there are many.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            Infinite where the others do not determine a prediction.
        """
        if self._centres:
            y = y - y.mean(axis=0)
        left, outside = self._left(alpha)
        rotated = self._U.T @ y
        residuals = self._U @ (left[:, None] * rotated) + outside * (y - self._U @ rotated)
        slack = np.sum(self._U**2 * left, axis=1) + outside * self._beyond
        determined = slack > 64 * _EPS * (outside or left.max(initial=0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            found: NDArray[np.float64] = residuals / slack[:, None]
        return np.where(determined[:, None], found, np.inf)

    def _left(self, alpha: float) -> tuple[NDArray[np.float64], float]:
        """The share of each direction that a fit leaves, and of those that no column reaches."""
        if alpha > 0:
            return alpha / (self._s**2 + alpha), 1.0
        if self._interpolates:
            return (self._s.min(initial=np.inf) / self._s) ** 2, 0.0
        return np.zeros_like(self._s), 1.0
