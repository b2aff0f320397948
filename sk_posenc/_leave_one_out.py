"""Exact leave-one-out errors of linear heads on encoded coordinates."""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg


def leave_one_out_residuals(
    E: NDArray[np.float64], y: NDArray[np.float64], alpha: float, *, fit_intercept: bool
) -> NDArray[np.float64]:
    r"""Residual of each sample under the ridge regression fitted to all the others.

    With the hat matrix H of the fit to all samples they are :math:`r_i / (1 - H_{ii})`.

    Parameters
    ----------
    E : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_outputs)
    alpha : float
        Strength of the ridge; 0 is least squares, the least-norm solution where there are
        many.
    fit_intercept : bool
        Whether the head has an intercept, which the ridge leaves alone.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)
        Infinite where the others do not determine a prediction.

    Notes
    -----
    Where least squares interpolates, r and 1 - H are both 0; their ratio is the limit of the
    ridge regressions as alpha falls to 0.
    """
    n = len(E)
    free = 1 if fit_intercept else 0
    if fit_intercept:
        E, y = E - E.mean(axis=0), y - y.mean(axis=0)
    U, s, _ = linalg.svd(E, full_matrices=False, check_finite=False)
    kept = s > np.finfo(np.float64).eps * max(E.shape) * (s[0] if len(s) else 0.0)
    U, s = U[:, kept], s[kept]
    interpolates = len(s) >= n - free
    if alpha > 0:
        # what is left of each direction, and of those that no column reaches
        left, outside = alpha / (s**2 + alpha), 1.0
    elif interpolates:
        left, outside = (s[-1] / s) ** 2 if len(s) else s, 0.0
    else:
        left, outside = np.zeros_like(s), 1.0
    rotated = U.T @ y
    residuals = U @ (left[:, None] * rotated) + outside * (y - U @ rotated)
    beyond = np.maximum(1 - free / n - np.sum(U**2, axis=1), 0.0)
    if len(s) >= n - free:
        beyond[:] = 0.0
    slack = np.sum(U**2 * left, axis=1) + outside * beyond
    with np.errstate(divide="ignore", invalid="ignore"):
        found = residuals / slack[:, None]
    determined = slack > 64 * np.finfo(np.float64).eps * (1.0 if outside else left.max(initial=0))
    return np.where(determined[:, None], found, np.inf)
