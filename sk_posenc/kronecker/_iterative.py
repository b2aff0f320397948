"""Conjugate gradients for ridge problems that no factorisation per axis solves.

In coefficients z in which the penalty is diagonal, and the integrals of products of basis
functions too, ``(R' W R + P) z = R' W y`` with R the map to fitted values, W the weights and
P the penalty. Samples that fill the domain make R' W R about the total weight times the
integrals, which preconditions.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sk_posenc._arrays import to_numpy
from sk_posenc.kronecker._device import Place
from sk_posenc.kronecker._rows import Rows

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
    z : array of shape (r_1, ..., r_d)
    n_iter : int
    error : float
        How far the last steps moved the function, relative to its residuals.
    rounded : bool
        Whether rounding ended the steps, before the tolerance.
    """

    z: Array
    n_iter: int
    error: float
    rounded: bool


class System(Protocol):
    """The samples as conjugate gradients see them, ``S = R' W R``, while z moves.

    Attributes
    ----------
    total : float
        Sum of the weights.
    goal : array of shape (r_1, ..., r_d)
        ``R' W y``.
    """

    total: float
    goal: Array

    def begin(self, z: Array) -> Array:
        """``S z``, where z starts."""
        ...

    def apply(self, direction: Array) -> Array:
        """``S direction``."""
        ...

    def advance(self, length: float) -> None:
        """z moved by so much of the last direction."""
        ...

    def left(self, z: Array) -> float:
        """Sum of squares of the residuals, with their weights."""
        ...


class SampledSystem:
    """A system of rows and one column of targets, both of shape (n,)."""

    def __init__(self, rows: Rows, targets: Array, weights: Array | None) -> None:
        self._rows, self._targets, self._weights = rows, targets[None, :], weights
        self._xp = array_namespace(targets)
        self.total = float(targets.shape[0] if weights is None else self._xp.sum(weights))
        self.fitted = self._xp.zeros_like(self._targets)
        self._step = self.fitted
        self.goal = rows.adjoint(self._weighted(self._targets))[0]

    def _weighted(self, values: Array) -> Array:
        return values if self._weights is None else values * self._weights

    def begin(self, z: Array) -> Array:
        self.fitted = self._rows.fitted(z[None])
        return self._rows.adjoint(self._weighted(self.fitted))[0]

    def apply(self, direction: Array) -> Array:
        self._step = self._rows.fitted(direction[None])
        return self._rows.adjoint(self._weighted(self._step))[0]

    def advance(self, length: float) -> None:
        self.fitted = self.fitted + length * self._step

    def left(self, z: Array) -> float:
        left = self._targets - self.fitted
        return float(self._xp.sum(self._weighted(left * left)))


def conjugate_gradients(
    system: System,
    penalty: Array,
    size: Array,
    *,
    tolerance: float,
    max_iter: int,
    start: Array | None = None,
    open_elsewhere: float = 0.0,
) -> Iterated:
    """Solve ``(S + P) z = R' W y``.

    Parameters
    ----------
    system : System
    penalty : array of shape (r_1, ..., r_d)
        P, greater than 0.
    size : array of shape (r_1, ..., r_d)
        Mean square over the domain of each function, ``sum size z**2`` that of all.
    tolerance : float
        Stops where five steps together moved the function, as the root mean square over
        the whole domain, by less than this share of the root mean square of its residuals
        at the samples.
    max_iter : int
    start : array of shape (r_1, ..., r_d), default=None
        Where to start, z of a problem near this one.
    open_elsewhere : float
        Sum of squares of residuals of other columns, which the residuals are reckoned with.

    Notes
    -----
    The domain counts as a whole, with its parts that have no samples: there a residual at the
    samples, or one scaled by the preconditioner, would have stopped long before. Residuals
    are the yardstick because what the fit leaves open it leaves open everywhere.
    """
    xp, goal = array_namespace(penalty), system.goal
    inverse = 1 / (system.total * size + penalty)
    info = xp.finfo(penalty.dtype)
    tiny, rounding = float(info.tiny), 64 * float(info.eps)
    if start is None:
        z, residual = xp.zeros_like(goal), goal
    else:
        z = start
        residual = goal - system.begin(start) - penalty * start
    conditioned = inverse * residual
    direction, now = conditioned, float(xp.sum(residual * conditioned))
    before, error, n_iter, rounded = z, math.inf, 0, False
    if now <= tiny:
        return Iterated(z, 0, 0.0, False)
    for n_iter in range(1, max_iter + 1):
        image = system.apply(direction) + penalty * direction
        length = now / float(xp.sum(direction * image))
        system.advance(length)
        z = z + length * direction
        residual = residual - length * image
        conditioned = inverse * residual
        last, now = now, float(xp.sum(residual * conditioned))
        if n_iter % _WINDOW == 0:
            moved = z - before
            step = math.sqrt(float(xp.sum(size * moved * moved)))
            rest = math.sqrt(max(0.0, system.left(z) + open_elsewhere) / system.total)
            error, before = step / max(rest, tiny), z
            whole = math.sqrt(float(xp.sum(size * z * z)))
            rounded = step <= rounding * whole or now <= tiny
            if error <= tolerance or rounded:
                rounded &= error > tolerance
                break
        direction = conditioned + (now / last) * direction
    return Iterated(z, n_iter, error, rounded)


@dataclass(eq=False)
class Iteration:
    """Samples and penalty as conjugate gradients need them, all in one place and dtype.

    Attributes
    ----------
    rows : Rows
    place : Place
    dtype : numpy.dtype
    size : array of shape (r_1, ..., r_d)
        Mean squares of the functions.
    weights : ndarray of shape (n,) or None
    penalty : array of shape (r_1, ..., r_d)
        Per alpha.
    """

    rows: Rows
    place: Place
    dtype: np.dtype
    size: Array
    weights: NDArray | None
    penalty: Array

    def system(self, column: NDArray, weights: NDArray | None = None) -> SampledSystem:
        """Of one column of targets, (n,), with weights other than those of the samples."""
        weights = self.weights if weights is None else weights
        return SampledSystem(
            self.rows,
            self.place.array(column.astype(self.dtype)),
            None if weights is None else self.place.array(weights.astype(self.dtype)),
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
        start : list of arrays of shape (r_1, ..., r_d), default=None
            Where to start the first of them, or all.
        """
        uncorrelated, back = principal_columns(columns, self.weights)
        found: list[Iterated] = []
        left_open = 0.0
        for i, column in enumerate(uncorrelated):
            system = self.system(column)
            own = conjugate_gradients(
                system,
                alpha * self.penalty,
                self.size,
                tolerance=tolerance,
                max_iter=max_iter,
                start=(
                    self.place.array(start[i].astype(self.dtype))
                    if start and i < len(start)
                    else None
                ),
                open_elsewhere=left_open,
            )
            left_open += system.left(own.z)
            found.append(own)
        solutions = [to_numpy(each.z) for each in found]
        return Solved(
            np.tensordot(back, np.stack([z.astype(np.float64) for z in solutions]), axes=1),
            solutions,
            max(each.n_iter for each in found),
            max(each.error for each in found),
            any(each.rounded for each in found),
        )


class Solved(NamedTuple):
    """Solutions of several columns.

    Attributes
    ----------
    z : ndarray of shape (n_columns, r_1, ..., r_d)
    uncorrelated : list of arrays of shape (r_1, ..., r_d)
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
    back, forth = turned(weighed @ weighed.T, np.sqrt(np.mean(weighed**2, axis=1)))
    return forth @ columns, back


def turned(covariance: NDArray, spread: NDArray) -> tuple[NDArray, NDArray]:
    """From uncorrelated columns, largest first, to columns, and the way there."""
    spread = np.where(spread > 0, spread, 1.0)
    _, Q = np.linalg.eigh(covariance / np.outer(spread, spread))
    Q = Q[:, ::-1]
    return spread[:, None] * Q, Q.T / spread
