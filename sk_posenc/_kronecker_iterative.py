"""Conjugate gradients for ridge problems that no factorisation per axis solves.

In coefficients z in which the penalty is diagonal, and the integrals of products of basis
functions too, ``(R' W R + P) z = R' W y`` with R the map to fitted values, W the weights and
P the penalty. Samples that fill the domain make R' W R about the total weight times the
integrals, which preconditions.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sk_posenc._kronecker_rows import Rows

Array = Any

# Steps that are judged together, for single ones may stand still.
_WINDOW = 5


# Tolerance down to which single precision does.
_SINGLE = 1e-3


def dtype_for(tolerance: float) -> Any:
    """Arithmetic of conjugate gradients that stop at a tolerance."""
    return np.float32 if tolerance >= _SINGLE else np.float64


class Iterated(NamedTuple):
    """A solution by conjugate gradients.

    Attributes
    ----------
    z : array of shape (n_columns, r_1, ..., r_d)
    fitted : array of shape (n_columns, n)
        At the samples.
    n_iter : int
    error : float
        How far the last steps moved the function, relative to its residuals.
    rounded : bool
        Whether rounding ended the steps, before the tolerance.
    """

    z: Array
    fitted: Array
    n_iter: int
    error: float
    rounded: bool = False


def conjugate_gradients(
    rows: Rows,
    targets: Array,
    weights: Array | None,
    penalty: Array,
    size: Array | float,
    *,
    tolerance: float,
    max_iter: int,
    start: Array | None = None,
    open_elsewhere: float = 0.0,
) -> Iterated:
    """Solve for all columns of the targets.

    Parameters
    ----------
    rows : Rows
    targets : array of shape (n_columns, n)
    weights : array of shape (n,) or None
        None: all 1.
    penalty : array of shape (r_1, ..., r_d)
        P, greater than 0.
    size : array of shape (r_1, ..., r_d) or float
        Mean square over the domain of each function, ``sum size z**2`` that of all.
    tolerance : float
        Stops where five steps together moved the function, as the root mean square over
        the whole domain, by less than this share of the root mean square of its residuals
        at the samples.
    max_iter : int
    start : array, default=None
        Where to start, z of a problem near this one.
    open_elsewhere : float
        Sum of squares of residuals of other columns, which the residuals are reckoned with.

    Notes
    -----
    The domain counts as a whole, with its parts that have no samples: there a residual at the
    samples, or one scaled by the preconditioner, would have stopped long before. Residuals
    are the yardstick because what the fit leaves open it leaves open everywhere.
    """
    xp = array_namespace(targets)
    n_columns, n = targets.shape
    total = float(n) if weights is None else float(xp.sum(weights))
    inverse = 1 / (total * size + penalty)

    def weighted(values: Array) -> Array:
        return values if weights is None else values * weights

    def per_column(values: Array) -> Array:
        return xp.reshape(values, (-1, *[1] * (penalty.ndim)))

    def products(a: Array, b: Array) -> Array:
        return xp.sum(xp.reshape(a * b, (n_columns, -1)), axis=1)

    def ratio(a: Array, b: Array) -> Array:
        return xp.where(b > 0, a / xp.where(b > 0, b, xp.ones_like(b)), xp.zeros_like(a))

    if start is None:
        z = xp.zeros((n_columns, *penalty.shape), dtype=targets.dtype, device=targets.device)
        fitted = xp.zeros_like(targets)
        residual = rows.adjoint(weighted(targets))
    else:
        z, fitted = start, rows.fitted(start)
        residual = rows.adjoint(weighted(targets - fitted)) - penalty * z
    conditioned = inverse * residual
    direction, now = conditioned, products(residual, conditioned)
    before, error, n_iter, rounded = z, math.inf, 0, False
    tiny, rounding = float(xp.finfo(targets.dtype).tiny), 64 * float(xp.finfo(targets.dtype).eps)
    if float(xp.max(now)) <= tiny:
        return Iterated(z, fitted, 0, 0.0)
    for n_iter in range(1, max_iter + 1):
        at_rows = rows.fitted(direction)
        image = rows.adjoint(weighted(at_rows)) + penalty * direction
        length = ratio(now, products(direction, image))
        z = z + per_column(length) * direction
        fitted = fitted + length[:, None] * at_rows
        residual = residual - per_column(length) * image
        conditioned = inverse * residual
        last, now = now, products(residual, conditioned)
        if n_iter % _WINDOW == 0:
            moved = z - before
            step = math.sqrt(float(xp.sum(size * moved * moved)))
            left = targets - fitted
            rest = math.sqrt((float(xp.sum(weighted(left * left))) + open_elsewhere) / total)
            error, before = step / max(rest, tiny), z
            whole = math.sqrt(float(xp.sum(size * z * z)))
            rounded = step <= rounding * whole or float(xp.max(now)) <= tiny
            if error <= tolerance or rounded:
                rounded &= error > tolerance
                break
        direction = conditioned + per_column(ratio(now, last)) * direction
    return Iterated(z, fitted, n_iter, error, rounded)


@dataclass(eq=False)
class Iteration:
    """Samples and penalty as conjugate gradients need them, all of one dtype.

    Attributes
    ----------
    rows : Rows
    rotations : list of d arrays of shape (k_a, r_a)
        To coefficients from those in which the penalty is diagonal.
    size : array of shape (r_1, ..., r_d)
        Mean squares of the functions.
    weights : array of shape (n,) or None
    penalty : array of shape (r_1, ..., r_d)
        Per alpha.
    """

    rows: Rows
    rotations: list[Array]
    size: Array
    weights: Array | None
    penalty: Array

    def column(self, column: Array, alpha: float, **settings: Any) -> Iterated:
        """:func:`conjugate_gradients` for one column of targets, (n,)."""
        settings.setdefault("weights", self.weights)
        return conjugate_gradients(
            self.rows, column[None, :], penalty=alpha * self.penalty, size=self.size, **settings
        )

    def solve(
        self,
        columns: NDArray,
        alpha: float,
        *,
        tolerance: float,
        max_iter: int,
        start: list[NDArray] | None = None,
    ) -> "Solved":
        """Solve for all columns (q, n).

        Columns go one by one, uncorrelated and largest first: the small ones need few steps
        to be as exact as the large ones.

        Parameters
        ----------
        start : list of arrays of shape (1, r_1, ..., r_d), default=None
            Where to start the first of them, or all.
        """
        uncorrelated, back = principal_columns(columns, self.weights)
        found: list[Iterated] = []
        left_open = 0.0
        for i, column in enumerate(uncorrelated.astype(self.size.dtype)):
            own = self.column(
                column,
                alpha,
                tolerance=tolerance,
                max_iter=max_iter,
                start=start[i].astype(column.dtype) if start and i < len(start) else None,
                open_elsewhere=left_open,
            )
            left = (column - own.fitted[0]) ** 2
            left_open += float(np.sum(left if self.weights is None else self.weights * left))
            found.append(own)
        return Solved(
            np.tensordot(back, np.stack([each.z[0].astype(np.float64) for each in found]), axes=1),
            [each.z for each in found],
            max(each.n_iter for each in found),
            max(each.error for each in found),
            any(each.rounded for each in found),
        )


class Solved(NamedTuple):
    """Solutions of several columns.

    Attributes
    ----------
    z : ndarray of shape (n_columns, r_1, ..., r_d)
    uncorrelated : list of arrays of shape (1, r_1, ..., r_d)
        The same before columns were turned back.
    n_iter, error, rounded
        The worst of :class:`Iterated`.
    """

    z: NDArray[np.float64]
    uncorrelated: list[Array]
    n_iter: int
    error: float
    rounded: bool


def principal_columns(columns: NDArray, weights: NDArray | None) -> tuple[NDArray, NDArray]:
    """Uncorrelated columns, largest first, and the matrix that turns them back.

    Each column counts in units of its standard deviation.
    """
    columns = columns.astype(np.float64, copy=False)
    weighed = columns if weights is None else columns * np.sqrt(weights)
    spread = np.sqrt(np.mean(weighed**2, axis=1))
    spread = np.where(spread > 0, spread, 1.0)
    if len(columns) == 1:
        return columns / spread[:, None], spread[:, None]
    weighed = weighed / spread[:, None]
    _, Q = np.linalg.eigh(weighed @ weighed.T)
    Q = Q[:, ::-1]
    return Q.T @ (columns / spread[:, None]), spread[:, None] * Q
