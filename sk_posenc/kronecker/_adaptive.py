"""Kronecker ridge whose penalty follows the function that is fitted.

A pilot fit, equally smooth everywhere and in all directions, shows the edges of the function.
Later fits are penalised less across these edges than along them.
"""

import math
from collections.abc import Iterable, Sequence
from copy import copy
from functools import reduce
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sk_posenc.core.products import mode_products
from sk_posenc.kronecker._axis import Axis
from sk_posenc.kronecker._conjugate_gradients import Iterated, Scheme, in_turn
from sk_posenc.kronecker._device import Place
from sk_posenc.kronecker._encoders import in_order
from sk_posenc.kronecker._gaps import PAYS, cheapest, far_of, is_wide
from sk_posenc.kronecker._gradients import Gradients
from sk_posenc.kronecker._multigrid import Ladder, Multigrid
from sk_posenc.kronecker._posterior import PosteriorOfSystem
from sk_posenc.kronecker._rows import Rows
from sk_posenc.kronecker._smoothness import integrate
from sk_posenc.kronecker._steering import Lattice, SteeredCurvature, smoothing_matrices, steering
from sk_posenc.kronecker._structured import mirrored
from sk_posenc.kronecker._systems import System

Array = Any

# Axes up to which edges have directions in closed form.
_MOST_AXES = 3

# Fits after the pilot, each penalised by the directions of the one before; and the strength
# of the pilot's penalty, which is the same everywhere and may be weaker.
_PASSES = 3
_PILOT = 0.1

# Tolerance of all fits but the last, in units of its own.
_COARSER = 4.0

# The Gaussian that smooths products of slopes, in domains per stable rank; and the slope, in root
# mean squares of the function per the same, below which nothing is an edge.
_WIDTH = 1.5
_FLOOR = 0.1

# Coordinates of an axis that show what its functions add up to, and what share of their sizes
# that is at least.
_PROBED = 1_001
_NOTHING = 0.1

# What the samples count at least, beside the penalty, in what preconditions.
_SAMPLES_SHARE = 0.1

NOT_LINEAR = (
    'standard deviations and the variance of the noise are not available with penalty="adaptive", '
    "as its fit is not linear in the targets: set a number as the penalty of KroneckerRidge, such "
    "as penalty=2.0, set penalties=[1.5, 2.0] in KroneckerRidgeCV, or predict with "
    "return_std=False"
)


class Steering:
    """What adaptive fits on products of shifted bases share.

    Parameters
    ----------
    axes : sequence of Axis
    place : Place
    dtype : numpy.dtype
    """

    def __init__(self, axes: Sequence[Axis], place: Place, dtype: Any) -> None:
        encoders = [axis.encoder for axis in axes]
        check_steered(encoders)
        self._place, self._dtype, self._near_samples = place, dtype, False
        sizes = tuple(len(encoder.shifts_[0]) for encoder in encoders)
        widths = [float(np.ptp(encoder.domain_[0])) for encoder in encoders]
        gaps = [
            float(np.min(np.diff(encoder.shifts_[0]), initial=width)) / width
            for encoder, width in zip(encoders, widths, strict=True)
        ]
        spacings = [
            gap * float(encoder.stable_rank_[0])
            for gap, encoder in zip(gaps, encoders, strict=True)
        ]
        wraps = [encoder._boundary(0) == "periodic" for encoder in encoders]
        self.lattice = Lattice(sizes, spacings, wraps)
        # coefficients that are all 1 make a function that is this high
        self.height = math.prod(_sum_of_shifts(axis) for axis in axes)
        self.per_node = math.prod(gaps)  # a penalty is a mean over the domain
        masses = [integrate(encoder).size for encoder in encoders]
        waves = [_waves(*of) for of in zip(sizes, spacings, wraps, strict=True)]

        def placed(array: NDArray) -> Array:
            return place.array(array.astype(dtype))

        self._smoothing = [placed(each) for each in smoothing_matrices(self.lattice, _WIDTH)]
        self._masses = [placed(mass) for mass in masses]
        self._back = [mirrored(V.astype(dtype), place.array) for _, V in waves]
        self._forth = [each.T for each in self._back]
        own = [
            np.einsum("ik,ij,jk->k", V, mass, V) for (_, V), mass in zip(waves, masses, strict=True)
        ]
        self._size = placed(reduce(np.multiply.outer, own))
        bendings = [bending for bending, _ in waves]
        self._bending = placed(reduce(np.add.outer, bendings) ** 2)
        self.symbol = reduce(np.add.outer, [np.sort(each) for each in bendings]) ** 2
        top = [float(each.max()) for each in bendings]
        self.ladder = Ladder(sizes, top, 2.0, dtype)

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
        """Fits that follow each other's directions, the same ones for all columns of targets."""
        total, mass = systems[0].total, self._mass(systems[0])
        found: list[Iterated] = []
        steps = 0
        for turn in range(1 + _PASSES):
            tensor, strength = None, alpha * _PILOT
            if turn > 0:
                functions = self._functions([each.z for each in found], back)
                tensor = steering(self.lattice, functions, self._smoothing, _FLOOR)
                strength, starts = alpha, [each.z for each in found]
            penalty = SteeredPenalty(
                self,
                SteeredCurvature(self.lattice, tensor),
                strength * self.per_node * self.height**2,
                total,
                mass,
            )
            coarser = 1.0 if turn == _PASSES else _COARSER
            found = in_turn(
                systems, penalty, starts, tolerance=coarser * tolerance, max_iter=max_iter
            )
            steps += max(each.n_iter for each in found)
        return [each._replace(n_iter=steps) for each in found]

    def near_samples(self) -> "Steering":
        same = copy(self)
        same._near_samples = True
        return same

    def _mass(self, system: System) -> NDArray[np.float64] | None:
        """What samples weigh at each node, if multigrid will do; else None."""
        on_host = self._place.device is None
        if not on_host or self._near_samples or any(self.lattice.wraps):
            return None
        ones = np.full(self.lattice.shape, 1 / self.height, dtype=self._dtype)
        mass: NDArray[np.float64] = np.maximum(system.apply(ones), 0.0).astype(np.float64)
        return mass * self.height

    def _functions(self, solutions: list[Array], back: NDArray) -> list[Array]:
        """Values at the nodes for each column of targets, in units of their root mean squares."""
        functions = []
        for row in back:
            z = sum(float(share) * each for share, each in zip(row, solutions, strict=True))
            size = math.sqrt(self.mean_square(z)) or 1.0
            functions.append(z * (self.height / size))
        return functions

    def mean_square(self, z: Array) -> float:
        """Of a function, over its domain."""
        sizes = mode_products(z[None, ...], self._masses)[0, ...]
        return max(0.0, float(array_namespace(z).sum(z * sizes)))


class SteeredPenalty:
    """Steered curvature as conjugate gradients need it, of coefficients as they are.

    Preconditioned by waves along the axes, between square roots of how much the penalty
    counts at each node; or by multigrid, where samples leave gaps.
    """

    window, least = 5, 0.0

    def __init__(
        self,
        steering: Steering,
        curvature: SteeredCurvature,
        factor: float,
        total: float,
        mass: NDArray[np.float64] | None = None,
    ) -> None:
        self._steering, self._curvature, self._factor = steering, curvature, factor
        local = curvature.strength()
        self._multigrid, self._far = None, np.empty(0, dtype=np.intp)
        if mass is not None:
            symbol = factor * steering.symbol
            if is_wide(mass) and cheapest(mass, symbol) >= PAYS:
                self._far = far_of(mass)
                self._multigrid = Multigrid(steering.ladder, mass, symbol, local)
                return
        middle, self._roots = 1.0, None
        if local is not None:
            xp = array_namespace(local)
            middle = math.exp(float(xp.mean(xp.log(local))))
            least = _SAMPLES_SHARE * total * steering.per_node / factor * steering.height**2
            self._roots = xp.sqrt((middle + least) / (local + least))
        self._inverse = 1 / (total * steering._size + (factor * middle) * steering._bending)

    def apply(self, z: Array) -> Array:
        return self._factor * self._curvature.apply(z)

    def precondition(self, residual: Array) -> Array:
        if self._multigrid is not None:
            return self._multigrid(residual)
        scaled = residual if self._roots is None else self._roots * residual
        waves = self._inverse * mode_products(scaled[None, ...], self._steering._forth)[0, ...]
        back = mode_products(waves[None, ...], self._steering._back)[0, ...]
        return back if self._roots is None else self._roots * back

    def nearest(self, residual: Array) -> Array | None:
        return None

    def mean_square(self, z: Array) -> float:
        return self._steering.mean_square(z)

    def largest_far(self, z: Array) -> float:
        if not len(self._far):
            return 0.0
        return self._steering.height * float(np.abs(z.ravel()[self._far]).max())


class SteeredGradients(Gradients):
    """Conjugate gradients under a penalty that follows the function, coefficients as they are."""

    def condition_number(self, alpha: float) -> float:
        return math.nan

    def posterior(self, alpha: float) -> PosteriorOfSystem:
        raise ValueError(NOT_LINEAR)

    def _unrotated(self, z: NDArray) -> NDArray:
        return z

    def _rows_for(self, dtype: Any) -> Rows:
        return self._rows_in(None, dtype)

    def scheme(self, dtype: Any) -> Scheme:
        return Steering(self.design.axes, self._place, dtype)


def check_steered(encoders: Iterable[Any]) -> None:
    """Refuse encoders whose functions no penalty can follow."""
    encoders = list(encoders)
    for encoder in encoders:
        if not in_order(encoder):
            raise ValueError(
                'penalty="adaptive" needs a ShiftedBasisEncoder, whose coefficients are in order '
                f"along the axis: use one, or a number as penalty. Got {encoder!r}."
            )
    if len(encoders) > _MOST_AXES:
        raise ValueError(
            f'penalty="adaptive" is for up to {_MOST_AXES} axes: use a number, or "ridge". '
            f"Got {len(encoders)} axes."
        )


def _sum_of_shifts(axis: Axis) -> float:
    """Sum of the functions of an axis, the mean over its domain."""
    low, high = axis.encoder.domain_[0]
    features = axis.at(np.linspace(low, high, _PROBED))
    total = float(np.mean(features.sum(axis=1)))
    if not total > _NOTHING * float(np.mean(np.abs(features).sum(axis=1))):
        raise ValueError(
            'penalty="adaptive" needs a basis whose coefficients are values of the function, such '
            f'as "triangle" or "bspline": use a number, or "ridge". Got {axis.encoder!r}.'
        )
    return total


def _waves(size: int, spacing: float, wraps: bool) -> tuple[NDArray, NDArray]:
    """Eigenvalues and eigenvectors of squared differences of neighbours along an axis."""
    nodes = np.arange(size)
    if wraps:
        step = np.eye(size) - np.roll(np.eye(size), 1, axis=0)
        values, vectors = np.linalg.eigh(step.T @ step / spacing**2)
        return np.maximum(values, 0.0), vectors
    half_waves = np.concatenate([nodes[::2], nodes[1::2]])  # the even ones first
    vectors = np.cos(math.pi / size * (nodes[:, None] + 0.5) * half_waves)
    vectors *= np.sqrt((2 - (half_waves == 0)) / size)
    sign = np.where(half_waves % 2, -1.0, 1.0)
    vectors = (vectors + sign * vectors[::-1]) / 2  # exactly even and odd
    return (2 / spacing * np.sin(math.pi / (2 * size) * half_waves)) ** 2, vectors
