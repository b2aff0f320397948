"""Warnings of solutions that rounding decides, or that conjugate gradients did not reach."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from sk_posenc.core.limits import limits_now


def warn_of_condition(condition: float, alpha: float, stacklevel: int) -> None:
    """Warn where the condition number is too high."""
    if condition > limits_now().ill_conditioned:
        warnings.warn(
            f"the regularised system has condition number {condition:.2g}, which is too "
            f"high: raise alpha (now {alpha:g}), or lower stable_rank or the number of shifts "
            "or frequencies",
            UserWarning,
            stacklevel=stacklevel,
        )


def warn_of_error(error: float, tolerance: float, max_iter: int, stacklevel: int) -> None:
    """Warn where conjugate gradients stopped too early."""
    if error > tolerance:
        warnings.warn(
            f"conjugate gradients did not reach tol={tolerance:g} in max_iter="
            f"{max_iter} steps: the last ones moved the function by {error:.2g} times "
            "its residuals, most where no samples are near. Raise max_iter, or alpha (1e-3 "
            'interpolates with smoothness, 0.1 to 1 with "adaptive"), or lower the exponent of '
            "smoothness",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
