"""Standard deviations of fits by conjugate gradients, from fits of noise."""

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.memory import check_memory
from sk_posenc.core.products import evaluate_at_rows
from sk_posenc.kronecker._conjugate_gradients import (
    Diagonal,
    DiagonalPenalty,
    Iteration,
    Penalty,
    conjugate_gradients,
)
from sk_posenc.kronecker._posterior import PosteriorOfSystem
from sk_posenc.kronecker._structured import apply_along_axes

Array = Any

# Functions drawn: the mean of so many squares has a relative error of the root of 2 / 64, its root
# one of 9 %.
N_DRAWS = 64

# Steps stop where five move a function by less than this share of it, and after so many.
DRAWN_TOLERANCE = 0.02
_MOST_STEPS = 2_000

# Of how many products of features one must not be 0 for points to go by these alone.
_SPARSE = 8

_WAY_OUT = "use fewer shifts or frequencies, or predict with return_std=False"

_NOT_REACHED = (
    f"standard deviations are not exact to 15 %: {_MOST_STEPS:,} steps of conjugate gradients were "
    "not enough for a function that is drawn. Raise alpha"
)


class PosteriorByDraws(PosteriorOfSystem):
    """From functions drawn from the posterior, each by one solution.

    Of ``e`` and ``f``, independent noise of variance 1, ``(S + P)^-1 (R' W^1/2 e + P^1/2 f)`` has
    the covariance ``(S + P)^-1``: Papandreou and Yuille, "Gaussian sampling by local
    perturbations", 2010. The draws are always the same ones.

    Parameters
    ----------
    iteration : Iteration
    weights : ndarray of shape (n,)
        Of the rows.
    size, penalty : ndarrays of shape (r_1, ..., r_d)
        Mean squares of functions, and what penalises them, times alpha.
    rotations : list of d ndarrays of shape (k_a, r_a)
        To the coefficients of the features.
    alpha : float
        Absolute.
    noise_alone : callable, default=None
        Gives those of e alone. None: they are these, and f is 0.
    """

    def __init__(
        self,
        iteration: Iteration,
        weights: NDArray,
        size: NDArray,
        penalty: NDArray,
        rotations: list[NDArray],
        alpha: float,
        noise_alone: Callable[[], "PosteriorByDraws"] | None = None,
    ) -> None:
        self._noise_alone = noise_alone
        shape = tuple(len(each) for each in rotations)
        check_memory((N_DRAWS, *shape), iteration.dtype.itemsize, _WAY_OUT)
        of_penalty = np.sqrt(penalty) if noise_alone else np.zeros_like(penalty)
        roots = _placed(iteration, np.sqrt(weights)), _placed(iteration, of_penalty)
        diagonal = DiagonalPenalty(
            _placed(iteration, penalty), _placed(iteration, size), float(weights.sum())
        )
        conditioned: Penalty = diagonal
        if isinstance(iteration.scheme, Diagonal) and iteration.scheme.gaps is not None:
            conditioned = iteration.scheme.gaps.penalty(diagonal, weights, alpha)
        random = np.random.default_rng(0)
        self._drawn = np.empty((N_DRAWS, *shape), iteration.dtype)
        left = np.empty(N_DRAWS)
        for i in range(N_DRAWS):
            z, left[i] = _draw(iteration, conditioned, roots, random)
            self._drawn[i] = apply_along_axes(z[None], [(each,) for each in rotations])[0]
        self._width = 2 * self._drawn.size // shape[0]
        self.freedom = float(left.mean())

    def _of_noise(self) -> "PosteriorByDraws":
        assert self._noise_alone is not None
        return self._noise_alone()

    def on_grid(self, features: Sequence[NDArray], own: Sequence[NDArray] = ()) -> NDArray:
        steps = [(each.astype(self._drawn.dtype, copy=False),) for each in features]
        total = np.zeros([len(each) for each in features])
        for draw in self._drawn:
            total += apply_along_axes(draw[None], steps)[0] ** 2
        return total / N_DRAWS

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        return np.mean(_values(self._drawn, features) ** 2, axis=1)


class _NoiseSystem:
    """A system whose right-hand side is noise, judged by the size of its own solution."""

    def __init__(self, iteration: Iteration, penalty: Penalty, goal: Array) -> None:
        self._rows, self._penalty, self.goal = iteration.rows, penalty, goal
        weights = iteration.weights
        self.weights = None if weights is None else _placed(iteration, weights)
        self.total = 1.0

    def begin(self, z: Array) -> Array:
        return self.apply(z)

    def apply(self, direction: Array) -> Array:
        fitted = self._rows.fitted(direction[None])
        return self._rows.adjoint(fitted if self.weights is None else fitted * self.weights)[0]

    def advance(self, length: float) -> None:
        pass

    def left(self, z: Array) -> float:
        return self._penalty.mean_square(z)


def _placed(iteration: Iteration, array: NDArray) -> Array:
    return iteration.place.array(array.astype(iteration.dtype, copy=False))


def _draw(
    iteration: Iteration,
    penalty: Penalty,
    roots: tuple[Array, Array],
    random: np.random.Generator,
) -> tuple[NDArray, float]:
    """Coefficients, and how much of the noise of the samples the fit has left as it was.

    Parameters
    ----------
    roots : arrays of shapes (n,) and (r_1, ..., r_d)
        Of the weights of the samples, and of the penalty.
    """
    of_rows, of_penalty = (
        _placed(iteration, random.standard_normal(tuple(each.shape))) for each in roots
    )
    goal = iteration.rows.adjoint((roots[0] * of_rows)[None])[0] + roots[1] * of_penalty
    system = _NoiseSystem(iteration, penalty, goal)
    found = conjugate_gradients(system, penalty, tolerance=DRAWN_TOLERANCE, max_iter=_MOST_STEPS)
    if found.error > DRAWN_TOLERANCE and not found.rounded:
        warnings.warn(_NOT_REACHED, ConvergenceWarning, stacklevel=6)
    rest = of_rows - roots[0] * iteration.rows.fitted(found.z[None])[0]
    xp = array_namespace(rest)
    return to_numpy(found.z), float(xp.sum(rest * rest * (roots[0] > 0)))


def _values(drawn: NDArray, features: Sequence[NDArray]) -> NDArray:
    """Of all functions at points, (m, n_draws); of bases that end, by what is not 0."""
    windows = [_window(each) for each in features]
    sizes = [values.shape[1] for _, values in windows]
    if _SPARSE * math.prod(sizes) > math.prod(drawn.shape[1:]):
        return evaluate_at_rows(drawn, features)
    flat = drawn.reshape(len(drawn), -1).T
    total = np.zeros((len(features[0]), len(drawn)))
    for steps in itertools.product(*map(range, sizes)):
        of_axes = list(zip(windows, steps, strict=True))
        places = np.ravel_multi_index([first + i for (first, _), i in of_axes], drawn.shape[1:])
        total += math.prod(values[:, i, None] for (_, values), i in of_axes) * flat[places]
    return total


def _window(features: NDArray) -> tuple[NDArray, NDArray]:
    """The first column of each row that is not 0, and so many from there that none is left."""
    there = features != 0
    first, last = there.argmax(axis=1), features.shape[1] - there[:, ::-1].argmax(axis=1)
    width = max(1, int(np.max(np.where(there.any(axis=1), last - first, 1))))
    first = np.minimum(first, features.shape[1] - width)
    return first, np.take_along_axis(features, first[:, None] + np.arange(width), axis=1)
