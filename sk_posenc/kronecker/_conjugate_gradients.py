"""Conjugate gradients for ridge problems that no factorisation per axis solves.

In coefficients z in which the penalty is diagonal, and the integrals of products of basis
functions too, ``(R' W R + P) z = R' W y`` with R the map to fitted values, W the weights and
P the penalty. Samples that fill the domain make R' W R about the total weight times the
integrals, which preconditions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.checks import within_floats
from sk_posenc.kronecker._device import Place
from sk_posenc.kronecker._rows import Rows
from sk_posenc.kronecker._systems import SampledSystem, System

Array = Any

# Steps that are judged together, for single ones may stand still.
_WINDOW = 5

# Where no samples are near, moves are compared with this share of the size of the function too:
# its residuals at the samples may be far smaller than what is uncertain there.
_FAR = 0.05

# Tolerance down to which single precision does, and samples up to which double takes no time that
# matters: predictions then are the same on any processor, but for the steps taken.
_SINGLE = 1e-3
_DOUBLE_UP_TO = 2**14

# Share by which what steps have lowered may differ from what is lower: rounding makes 1e-12 of it,
# 1e-6 in single precision, and a system that is not positive definite any multiple.
_ASTRAY = 1e-2

# Residuals are nothing but rounding below this many units in the last digit of the targets, both in
# the norm of the preconditioner.
_LAST_DIGITS = 8

_DIVERGED = (
    "conjugate gradients diverged, as the system is singular up to rounding: raise alpha, or use "
    "an encoder with fewer n_shifts or n_frequencies for its stable_rank"
)


def dtype_for(tolerance: float, n_samples: int) -> Any:
    """Arithmetic of conjugate gradients that stop at a tolerance."""
    single = tolerance >= _SINGLE and n_samples > _DOUBLE_UP_TO
    return np.float32 if single else np.float64


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


class Penalty(Protocol):
    """P, and what conjugate gradients need to know besides.

    Attributes
    ----------
    window : int
        Steps that are judged together.
    least : float
        What residuals count as at least, in sizes of the function.
    """

    window: int
    least: float

    def apply(self, z: Array) -> Array:
        """``P z``."""
        ...

    def precondition(self, residual: Array) -> Array:
        """About ``(S + P)^-1 residual``."""
        ...

    def nearest(self, residual: Array) -> Array | None:
        """The same as near as it gets, to begin with; None: no nearer."""
        ...

    def mean_square(self, z: Array) -> float:
        """Of the function, over the whole domain."""
        ...

    def largest_far(self, z: Array) -> float:
        """Largest size of the function where no samples are near; 0 if they are everywhere."""
        ...


class DiagonalPenalty:
    """A penalty of coefficients in which the sizes of functions are diagonal too.

    Parameters
    ----------
    penalty : array of shape (r_1, ..., r_d)
        Greater than 0.
    size : array of shape (r_1, ..., r_d)
        Mean square over the domain of each function, ``sum size z**2`` that of all.
    total : float
        Sum of the weights of the samples.
    """

    window, least = _WINDOW, 0.0

    def __init__(self, penalty: Array, size: Array, total: float) -> None:
        self.penalty, self._size, self.total = penalty, size, total
        self._inverse = 1 / (total * size + penalty)

    def apply(self, z: Array) -> Array:
        return self.penalty * z

    def precondition(self, residual: Array) -> Array:
        return self._inverse * residual

    def nearest(self, residual: Array) -> Array | None:
        return None

    def mean_square(self, z: Array) -> float:
        return float(array_namespace(z).sum(self._size * z * z))

    def largest_far(self, z: Array) -> float:
        return 0.0


@within_floats(lambda: _DIVERGED)
def conjugate_gradients(
    system: System,
    penalty: Penalty,
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
    penalty : Penalty
    tolerance : float
        Stops where five steps together moved the function, as the root mean square over
        the whole domain, by less than this share of the root mean square of its residuals
        at the samples.
    max_iter : int
    start : array of shape (r_1, ..., r_d), default=None
        Where to start, z of a problem near this one.
    open_elsewhere : float
        Sum of squares of residuals of other columns, which the residuals are reckoned with.

    Raises
    ------
    ValueError
        Where steps diverge: the system is not positive definite, for rounding or overflow.

    Notes
    -----
    The whole domain counts, with its parts that have no samples. A rule that looks at residuals at
    the samples only, or at preconditioned ones, would stop much too early there. The moves are
    compared with the residuals, as these show how uncertain the fit is everywhere.
    """
    goal = system.goal
    xp = array_namespace(goal)
    info = xp.finfo(goal.dtype)
    tiny, rounding = float(info.tiny), 64 * float(info.eps)
    if start is None:
        z, residual = xp.zeros_like(goal), goal
    else:
        z = start
        residual = goal - system.begin(start) - penalty.apply(start)
    first, lowered = (z, residual), 0.0  # twice what the objective is lower by
    nearest = penalty.nearest(residual)
    if nearest is not None and (down := float(xp.sum(residual * nearest))) > tiny:
        image = system.apply(nearest) + penalty.apply(nearest)
        length = down / float(xp.sum(nearest * image))
        lowered += length * down
        system.advance(length)
        z, residual = z + length * nearest, residual - length * image
    conditioned = penalty.precondition(residual)
    direction, now = conditioned, float(xp.sum(residual * conditioned))
    before, error, n_iter, rounded = z, math.inf, 0, False
    nothing = (_LAST_DIGITS * float(info.eps)) ** 2 * max(now, abs(float(xp.sum(z * goal))))
    if now <= max(tiny, nothing):
        return Iterated(z, 0, 0.0, False)
    for n_iter in range(1, max_iter + 1):
        image = system.apply(direction) + penalty.apply(direction)
        length = now / float(xp.sum(direction * image))
        if not (math.isfinite(length) and length > 0):
            raise ValueError(_DIVERGED)
        lowered += length * now
        system.advance(length)
        z = z + length * direction
        residual = residual - length * image
        conditioned = penalty.precondition(residual)
        last, now = now, float(xp.sum(residual * conditioned))
        if now <= tiny:  # nothing is left, as where the preconditioner is the inverse itself
            error = 0.0
            break
        if now <= nothing:  # further steps would follow rounding, away where nothing holds them
            rounded = True
            break
        if n_iter % penalty.window == 0:
            step = math.sqrt(penalty.mean_square(z - before))
            rest = math.sqrt(max(0.0, system.left(z) + open_elsewhere) / system.total)
            whole = math.sqrt(penalty.mean_square(z))
            rest = max(rest, penalty.least * whole)
            far = penalty.largest_far(z - before) / max(rest, _FAR * whole, tiny)
            error, before = max(step / max(rest, tiny), far), z
            rounded = step <= rounding * whole
            if error <= tolerance or rounded:
                rounded &= error > tolerance
                break
        direction = conditioned + (now / last) * direction
    found = float(xp.sum((z - first[0]) * (residual + first[1])))
    # what starts at its end is lowered by rounding alone
    if not abs(found - lowered) <= _ASTRAY * lowered + rounding * abs(float(xp.sum(z * goal))):
        raise ValueError(_DIVERGED)
    return Iterated(z, n_iter, error, rounded)


def in_turn(
    systems: Sequence[System],
    penalty: Penalty,
    starts: Sequence[Array | None],
    *,
    tolerance: float,
    max_iter: int,
) -> list[Iterated]:
    """Solve the systems of uncorrelated columns, largest first.

    What the first ones leave open counts in the residuals of the others.
    """
    found: list[Iterated] = []
    left_open = 0.0
    for system, start in zip(systems, starts, strict=True):
        own = conjugate_gradients(
            system,
            penalty,
            tolerance=tolerance,
            max_iter=max_iter,
            start=start,
            open_elsewhere=left_open,
        )
        left_open += system.left(own.z)
        found.append(own)
    return found


class Scheme(Protocol):
    """How systems are solved for an alpha."""

    def run(
        self,
        systems: Sequence[System],
        alpha: float,
        back: NDArray,
        starts: Sequence[Array | None],
        *,
        tolerance: float,
        max_iter: int,
    ) -> list[Iterated]:
        """Solve the systems of uncorrelated columns, largest first.

        Parameters
        ----------
        back : ndarray of shape (n_columns, n_systems)
            What turns their solutions into those of the columns of targets.
        starts : sequence of n_systems arrays of shape (r_1, ..., r_d), or None
        """
        ...

    def near_samples(self) -> "Scheme":
        """The same where the fit counts near samples only: gaps have no preconditioner."""
        ...


@dataclass(frozen=True, eq=False)
class Diagonal:
    """A scheme in coefficients in which the penalty is diagonal.

    Attributes
    ----------
    size : array of shape (r_1, ..., r_d)
        Mean squares of the functions.
    penalty : array of shape (r_1, ..., r_d)
        Per alpha.
    gaps : Gaps or None
        What knows of gaps between the samples.
    """

    size: Array
    penalty: Array
    gaps: "Gaps | None" = None

    def run(
        self,
        systems: Sequence[System],
        alpha: float,
        back: NDArray,
        starts: Sequence[Array | None],
        **stop: Any,
    ) -> list[Iterated]:
        penalty: Penalty
        penalty = plain = DiagonalPenalty(alpha * self.penalty, self.size, systems[0].total)
        if self.gaps is not None:
            penalty = self.gaps.penalty(plain, systems[0].weights, alpha)
        return in_turn(systems, penalty, starts, **stop)

    def near_samples(self) -> "Diagonal":
        return replace(self, gaps=None)


class Gaps(Protocol):
    """What preconditions where samples leave gaps."""

    def penalty(self, plain: DiagonalPenalty, weights: Array | None, alpha: float) -> Penalty:
        """The same penalty, for samples with these weights."""
        ...


@dataclass(eq=False)
class Iteration:
    """Samples and a scheme as conjugate gradients need them, all in one place and dtype.

    Attributes
    ----------
    rows : Rows
    place : Place
    dtype : numpy.dtype
    weights : ndarray of shape (n,) or None
    scheme : Scheme
    """

    rows: Rows
    place: Place
    dtype: np.dtype
    weights: NDArray | None
    scheme: Scheme

    def system(self, column: NDArray, weights: NDArray | None = None) -> SampledSystem:
        """Of one column of targets, (n,), with weights other than those of the samples."""
        weights = self.weights if weights is None else weights
        return SampledSystem(
            self.rows,
            self.place.array(column.astype(self.dtype)),
            None if weights is None else self.place.array(weights.astype(self.dtype)),
        )

    def run(
        self,
        systems: Sequence[System],
        alpha: float,
        back: NDArray,
        start: Sequence[NDArray] = (),
        **stop: Any,
    ) -> list[Iterated]:
        """As the scheme does, with NumPy's arrays to start the first systems from, or all."""
        placed: list[Array | None] = [self.place.array(z.astype(self.dtype)) for z in start]
        starts = (placed + [None] * len(systems))[: len(systems)]
        return self.scheme.run(systems, alpha, back, starts, **stop)

    def solve(
        self,
        columns: NDArray,
        alpha: float,
        *,
        tolerance: float,
        max_iter: int,
        start: Sequence[NDArray] = (),
    ) -> "Solved":
        """Solve for all columns (q, n).

        Columns go one by one, uncorrelated and largest first: the small ones need few steps
        to be as exact as the large ones.
        """
        uncorrelated, back = principal_columns(columns, self.weights)
        systems = [self.system(column) for column in uncorrelated]
        found = self.run(systems, alpha, back, start, tolerance=tolerance, max_iter=max_iter)
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
    """Matrices from uncorrelated columns, largest first, to the given columns, and back."""
    spread = np.where(spread > 0, spread, 1.0)
    _, Q = np.linalg.eigh(covariance / np.outer(spread, spread))
    Q = Q[:, ::-1]
    return spread[:, None] * Q, Q.T / spread
