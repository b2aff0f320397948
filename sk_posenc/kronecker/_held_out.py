"""Scores of candidates on held-out cells, for solutions by conjugate gradients."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._axis import Axis
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._conjugate_gradients import Iteration, principal_columns
from sk_posenc.kronecker._device import Place
from sk_posenc.kronecker._gradients import Gradients
from sk_posenc.kronecker._hole_copies import (
    JudgedBy,
    best_in_holes,
    fills_holes,
    judged_holes,
)
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._progress import scored
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import (
    LEAST_ADAPTIVE,
    Choice,
    best_of,
    fold_search,
    search_results,
    shows_noise,
)
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import ADAPTIVE, Smoothness

# The share of the cells, each as wide as the samples are apart, that is held out.
_HELD_OUT = 0.12

# The tolerance of candidates, in units of that of the fit; and the steps of each of the fits that
# follow each other.
_COARSER = 4.0
_ADAPTIVE_STEPS = 20

# Exponents that differ by 1 smooth about alike where alphas differ by this factor.
_PER_EXPONENT = 6.4

# The alpha with which a climb begins, and the factor of its first steps.
_FIRST_ALPHA = 1e-2
_FIRST_STEP = 10.0

# The same where holes judge; and the share of the squared error that a smaller one, which takes
# more steps, must lower it to.
_FIRST_ALPHA_IN_HOLES = 1e-3
_BETTER = 0.99

# The same of a penalty that follows the function; less of it takes many steps, and must lower the
# squared error to this share.
_FIRST_ADAPTIVE = 0.2
_ADAPTIVE_STEP = 5.0
_WORTH = 0.95


def held_out_cells(samples: Samples) -> NDArray[np.bool_]:
    """Rows in cells that are held out, always the same ones.

    A cell is as wide along each axis as the mean spacing of the samples. Where samples crowd,
    neighbours are held out together; on a grid, a cell holds one sample.
    """
    random = np.random.default_rng(0)
    if samples.on_grid:
        # a draw for each cell with samples: holes may come from the same generator
        held = np.zeros(samples.n_cells, dtype=bool)
        held[samples.occupied] = random.uniform(size=len(samples.occupied)) < _HELD_OUT
    else:
        counts = np.maximum(1, np.ceil(samples.n_per_axis)).astype(np.intp)
        cells, n_cells = np.zeros(samples.n_cells, dtype=np.intp), int(np.prod(counts))
        for x, count in zip(samples.coordinates, counts, strict=True):
            low, width = float(x.min()), float(np.ptp(x)) or 1.0
            place = np.clip(((x - low) / width * count).astype(np.intp), 0, count - 1)
            cells = cells * count + place
        held = (random.uniform(size=n_cells) < _HELD_OUT)[cells]
    if samples.weights is not None:
        held &= samples.weights.ravel() > 0
    if not held.any() and len(samples.occupied) > 1:
        held[samples.occupied[len(samples.occupied) // 2]] = True
    return held


class HeldOut:
    """Fits without the held-out cells, and their errors, for all paths of a search.

    A path is an encoder at a stable rank with a penalty. Paths that differ only in the exponent
    of smoothness share everything but the penalty.

    Parameters
    ----------
    judged : JudgedBy
    tolerance : float
    max_iter : int

    Attributes
    ----------
    held : ndarray of shape (n_cells,)
        Whether a cell is held out.
    problems : list of Problem
        One per path.
    judges_holes : bool
        Whether some lie far from others.
    """

    def __init__(self, judged: JudgedBy, tolerance: float, max_iter: int) -> None:
        samples, columns, self.problems, size, far = judged
        self._samples = samples
        self._tolerance, self._max_iter = tolerance, max_iter
        self._iterations: dict[int, Iteration] = {}
        self._starts: dict[int, NDArray] = {}
        cells = samples.to_cells(columns)
        flat = cells.reshape(len(cells), -1)
        weights = samples.weights
        flat_weights = None if weights is None else weights.ravel()
        self.first = principal_columns(flat, flat_weights)[0][0]
        first = float(np.average(self.first**2, weights=flat_weights)) or 1.0
        self._spread = size / math.sqrt(first)
        self.held = held_out_cells(samples)
        self._far, self.judges_holes = None, far is not None
        if far is not None:
            self._far = far.ravel()
            self.held |= self._far
        if not self.held.any() or self.held.all():
            raise ValueError(
                f"too few samples: {self.held.sum()} of {len(self.held)} would be held out. "
                "Give more samples, or set cv"
            )

    @property
    def fold(self) -> tuple[NDArray, NDArray]:
        """Training and test samples."""
        held = self._samples.to_samples(self.held.reshape(1, *self._samples.shape))[:, 0]
        return np.flatnonzero(~held), np.flatnonzero(held)

    def iteration(self, index: int) -> Iteration:
        """Of a path, made once for all paths with its axes."""
        problem = self.problems[index]
        for other, iteration in self._iterations.items():
            if self._axes(other) is problem.design.axes:
                if other != index:
                    iteration = replace(
                        iteration, scheme=_gradients(problem).scheme(iteration.dtype)
                    )
                    self._iterations[index] = iteration
                return iteration
        self._iterations.clear()  # large; paths with the same axes follow one another
        self._iterations[index] = _gradients(problem).iteration(self._tolerance)
        return self._iterations[index]

    def score(self, index: int, alpha: float) -> float:
        """Negative mean squared error, over columns too, judged by the first of them."""
        iteration, problem = self.iteration(index), self.problems[index]
        weights = np.where(self.held, 0.0, 1.0)
        if iteration.weights is not None:
            weights = weights * iteration.weights
        start = self._start(problem)
        system = iteration.system(self.first, weights)
        steps = limits_now().candidate_steps
        if problem.design.penalty == ADAPTIVE:
            steps = _ADAPTIVE_STEPS
        if self._far is None:  # all lie near samples
            iteration = replace(iteration, scheme=iteration.scheme.near_samples())
        (found,) = iteration.run(
            [system],
            alpha * problem.scale,
            np.eye(1),
            tolerance=min(1.0, _COARSER * self._tolerance),
            max_iter=min(steps, self._max_iter),
            start=[] if start is None else [start],
        )
        self._starts = {index: to_numpy(found.z)}
        error = (self.first - to_numpy(system.fitted[0]))[self.held] ** 2
        own = None if iteration.weights is None else iteration.weights[self.held]
        self.near = -self._near(error, own) * self._spread**2
        return -self.mean(error, own) * self._spread**2

    def _near(self, squares: NDArray, weights: NDArray | None) -> float:
        near = slice(None) if self._far is None else ~self._far[self.held]
        return float(np.average(squares[near], weights=None if weights is None else weights[near]))

    def mean(self, squares: NDArray, weights: NDArray | None) -> float:
        """Of the held-out cells; of those near samples and those far from them the geometric one,
        so that each counts in its own size."""
        near = self._near(squares, weights)
        if self._far is None:
            return near
        assert weights is not None  # a grid with holes
        far = self._far[self.held]
        return math.sqrt(near * float(np.average(squares[far], weights=weights[far])))

    def kept_for(self, index: int) -> tuple[Iteration | None, NDArray | None]:
        """What a fit on a path may begin with, if it is still here."""
        problem = self.problems[index]
        here = any(self._axes(i) is problem.design.axes for i in self._iterations)
        return (self.iteration(index) if here else None), self._start(problem)

    def _axes(self, index: int) -> list[Axis]:
        return self.problems[index].design.axes

    def _start(self, problem: Problem) -> NDArray | None:
        """The last solution, where it is one of the same functions."""
        last = self._starts.items()
        return next((z for i, z in last if self._axes(i) is problem.design.axes), None)


def _gradients(problem: Problem) -> Gradients:
    assert isinstance(problem.solver, Gradients)
    return problem.solver


def held_out_search(
    samples: Samples,
    X: NDArray,
    y: NDArray,
    weights: NDArray | None,
    paths: list[Candidate],
    problems: list[Problem],
    alphas: NDArray,
    *,
    automatic: bool,
    tolerance: float,
    max_iter: int,
    place: Place,
    units: Units,
    whole: bool = False,
) -> tuple[Choice, HeldOut]:
    """Errors of candidates on the held-out cells, and the best.

    Parameters
    ----------
    automatic : bool
        Whether to climb: from a middle alpha in steps of a decade, then to neighbours, then
        over exponents, at alphas that smooth about equally. False: all are scored, as they
        always are where a factorisation gives them at once.
    whole : bool
        Whether all samples must judge, also where those around some holes would do.
    """
    columns = units.scaled((y.reshape(len(y), -1) - units.mean).T).T
    judged = JudgedBy(samples, columns, problems, units.size)
    if place.device is None and all(map(fills_holes, problems)):
        judged = judged_holes(
            judged, X, weights, paths, alphas, units=units, place=place, whole=whole
        )
    held_out = HeldOut(judged, tolerance, max_iter)
    scores = np.full((len(paths), len(alphas)), np.nan)
    near, times = scores.copy(), np.zeros_like(scores)
    unworthy = np.zeros(scores.shape, dtype=bool)

    def score(index: int, j: int) -> float:
        if not 0 <= j < len(alphas):
            return -math.inf
        if np.isnan(scores[index, j]):
            start = time.perf_counter()
            scores[index, j] = held_out.score(index, float(alphas[j]))
            near[index, j] = held_out.near
            times[index, j] = time.perf_counter() - start
            scored()
        return float(scores[index, j])

    def score_near(index: int, j: int) -> float:
        return float(near[index, j]) if score(index, j) > -math.inf else -math.inf

    for group in _groups(paths):
        if not problems[group[0]].solver.iterates:
            for index in group:
                own = fold_search(
                    X,
                    y,
                    weights,
                    [paths[index]],
                    alphas,
                    [held_out.fold],
                    tolerance,
                    max_iter,
                    automatic=automatic,
                    place=place,
                    units=units,
                )
                scores[index] = own["mean_test_score"]
                times[index] = own["mean_fit_time"]
        elif automatic and paths[group[0]].penalty == ADAPTIVE:
            # held out of a full grid, what is finer than it reads as noise
            noisy = not samples.is_grid or shows_noise(samples, columns)
            places = _climb_adaptive(alphas, partial(score, group[0]), noisy)
            unworthy[group[0], places] = True
        elif automatic and held_out.judges_holes:
            index = group[len(group) // 2]
            at = _climb_in_holes(alphas, partial(score_near, index))
            _climb_exponents(group, paths, alphas, score, at)
            near[index, np.arange(len(alphas)) != at] = np.nan
        elif automatic:
            _climb_group(group, paths, alphas, score)
        else:
            for index in group:
                for j in np.argsort(-alphas):
                    score(index, int(j))
    results = search_results(paths, alphas, scores.reshape(-1, 1), times.reshape(-1, 1), None)
    best = best_of(np.where(unworthy, np.nan, scores), alphas)
    if held_out.judges_holes:
        best = best_in_holes(scores, near)
    path = best // len(alphas)
    kept = held_out.kept_for(path) if held_out.problems is problems else (None, None)
    return Choice(results, best, problems[path], paths, *kept), held_out


def _climb_adaptive(alphas: NDArray, score: Callable, noisy: bool) -> list[int]:
    """Climb from a middle alpha, upwards if there may be noise.

    Returns
    -------
    list of int
        Places that were scored, but are not worth the time of a fit.
    """
    first, step = _nearest(alphas, _FIRST_ADAPTIVE), _alphas_in(alphas, _ADAPTIVE_STEP)
    at = _climb(score, first, step, ways=(step,)) if noisy else first
    if at != first:  # samples have noise, and the place of the best is sharp
        _climb(score, at, 1)
        return []
    while at >= step and alphas[at - step] >= LEAST_ADAPTIVE:
        if score(at - step) <= _WORTH * score(at):
            return [at - step]
        at -= step
    return []


def _climb_group(
    group: list[int], paths: list[Candidate], alphas: NDArray, score: Callable
) -> None:
    middle = group[len(group) // 2]
    at = _nearest(alphas, _FIRST_ALPHA)
    for step in (_alphas_in(alphas, _FIRST_STEP), 1):
        at = _climb(partial(score, middle), at, step)
    _climb_exponents(group, paths, alphas, score, at)


def _climb_in_holes(alphas: NDArray, score: Callable) -> int:
    """From a small alpha; a larger one must gain more, as it smooths the whole grid."""
    at, step = _nearest(alphas, _FIRST_ALPHA_IN_HOLES), _alphas_in(alphas, _FIRST_STEP)
    for way, share in ((step, _WORTH), (-step, _BETTER)):
        first = at
        while score(at + way) > share * score(at):
            at += way
        if at != first:
            break
    return at


def _climb_exponents(
    group: list[int], paths: list[Candidate], alphas: NDArray, score: Callable, at: int
) -> None:
    """From the middle one at an alpha, as long as errors fall."""
    middle = len(group) // 2
    for direction in (group[middle + 1 :], group[:middle][::-1]):
        best = score(group[middle], at)
        for index in direction:
            less = _exponent(paths[group[middle]]) - _exponent(paths[index])
            alike = alphas[at] * _PER_EXPONENT**less
            j = _nearest(alphas, alike)
            if score(index, j) <= best:
                break
            best = score(index, j)


def _nearest(alphas: NDArray, alpha: float) -> int:
    return int(np.argmin(np.abs(np.log(alphas / alpha))))


def _alphas_in(alphas: NDArray, factor: float) -> int:
    """Places that a factor makes."""
    return max(1, round(math.log(factor) / math.log(alphas[1] / alphas[0])))


def _groups(paths: list[Candidate]) -> list[list[int]]:
    """Paths that differ in the exponent of smoothness alone, in the order of exponents."""
    groups: list[list[int]] = []
    for index, path in enumerate(paths):
        if groups and paths[groups[-1][0]].differs_in_exponent(path):
            groups[-1].append(index)
        else:
            groups.append([index])
    return [sorted(group, key=lambda i: _exponent(paths[i])) for group in groups]


def _exponent(path: Candidate) -> float:
    """Of smoothness; 0 for other penalties, which stand alone."""
    return path.penalty.exponent if isinstance(path.penalty, Smoothness) else 0.0


def _climb(score: Any, at: int, step: int, ways: tuple[int, ...] = ()) -> int:
    """The place of the best score, uphill from `at` in steps, down and up unless told."""
    best = score(at)
    for way in ways or (-step, step):
        moved = False
        while score(at + way) > best:
            at, moved = at + way, True
            best = score(at)
        if moved:
            break
    return at
