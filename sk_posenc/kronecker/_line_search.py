"""The resolution of a line with many places, learnt in time linear in them."""

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.encoders.axis_spacing import AxisSpacing
from sk_posenc.kronecker._band import NotDefiniteError
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._climb import first_of_least
from sk_posenc.kronecker._leaves_out import LeavesOut
from sk_posenc.kronecker._line_cells import CellJudge, Cells
from sk_posenc.kronecker._progress import scored
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import Choice, problem_of, search_results
from sk_posenc.kronecker._stage import Resolution
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import SIMILARITY

# Kernels that have a band. Of many samples the smoother one tells what a Gaussian would.
_BASES = ("matern72", "matern32")
_SPACINGS = (0.0, 0.5, 0.9)

# Stable ranks as powers of 2: the least, those that are tried first, and the steps from them.
_LEAST = -4.0
_STARTS = (0.0, 4.0)
_STEPS = (2.0, 1.0, 0.5)

# Criteria that differ by less are equal.
_TIE = 1e-4

# The same of a choice, over the root of the cells: a fiftieth of a standard error.
_AS_GOOD = 0.02

# Three strengths are a decade.
_DECADE = 3

# Two standard errors of the criterion, over the root of the cells; see `Stage`.
_BY_CHANCE = 3.0

# A map that moves no place by more, in widths of the domain, moves it by rounding.
_NO_MOVE = 1e-6

# Where neighbours show so much less than a model leaves, it has not seen narrow details.
_RESOLVED = 1.3

# As long as details are shorter than so many cells, cells are made a quarter as wide.
_CELLS_PER_DETAIL = 8.0
_FINER = 4


@dataclass
class LineClimb:
    """Resolutions and strengths that cells have judged.

    Attributes
    ----------
    judge : CellJudge
    alphas : ndarray
    known : dict of (Resolution, int) to float
        Criterion of a resolution and the index of a strength.
    """

    judge: CellJudge
    alphas: NDArray[np.float64]
    known: dict[tuple[Resolution, int], float] = field(default_factory=dict)
    errors: dict[tuple[Resolution, int], float] = field(default_factory=dict)
    seconds: dict[tuple[Resolution, int], float] = field(default_factory=dict)
    _finest: dict[Resolution, int] = field(default_factory=dict)
    _last: int = 18

    @property
    def best(self) -> tuple[Resolution, int]:
        keys = list(self.known)
        return keys[first_of_least([self.known[each] for each in keys], _TIE)]

    @property
    def chosen(self) -> tuple[Resolution, int]:
        """Of those that are as good as the best, the one whose signal varies least."""
        keys, values = list(self.known), np.array(list(self.known.values()))
        tie = max(_TIE, _AS_GOOD / math.sqrt(self.judge.cells.n_cells))
        equal = [keys[i] for i in np.flatnonzero(values <= values.min() + tie)]
        best = self.best[0]
        alike = [k for k in equal if (k[0].basis, k[0].spacing) == (best.basis, best.spacing)]
        return max(alike, key=lambda each: (each[1], -self.known[each]))

    def run(self, begin: Resolution | None = None) -> None:
        """From a coarse scan, or from one resolution, to the best of all neighbours."""
        spacings = _SPACINGS if self.judge.cells.spacing.moves() >= _NO_MOVE else _SPACINGS[:1]
        if begin is None:
            self._scan(spacings)
        else:
            self._score(begin, _DECADE)
        for step in _STEPS if begin is None else _STEPS[-1:]:
            fine = 1 if step == _STEPS[-1] else _DECADE
            while self._improves(step, spacings, fine):
                pass
        self._score(self.best[0], 1)

    def _scan(self, spacings: tuple[float, ...]) -> None:
        for basis in _BASES:
            for spacing in dict.fromkeys((spacings[0], spacings[-1])):
                for octave in _STARTS:
                    self._score(Resolution(basis, (octave,), spacing), _DECADE)
        octave, highest = _STARTS[-1], math.log2(self.judge.cells.n_cells)
        while octave < highest and self.errors[self.best] > _RESOLVED * self.judge.cells.difference:
            octave += _STARTS[-1]
            for basis in _BASES:
                self._score(Resolution(basis, (octave,), self.best[0].spacing), _DECADE)

    def _improves(self, step: float, spacings: tuple[float, ...], fine: int) -> bool:
        before = self.best
        for move in (step, -step):
            while True:
                start = self.best
                resolution = start[0]
                octave = max(_LEAST, resolution.octaves[0] + move)
                self._score(replace(resolution, octaves=(octave,)), fine)
                if self.best == start:
                    break
        for spacing in spacings:
            self._score(replace(self.best[0], spacing=spacing), fine)
        for basis in _BASES:
            self._score(replace(self.best[0], basis=basis), fine)
        return self.best != before

    def _score(self, resolution: Resolution, fine: int) -> None:
        """Follow the strength downhill, by decades and then by steps."""
        if self._finest.get(resolution, _DECADE + 1) <= fine:
            return
        self._finest[resolution] = fine
        known = [i for each, i in self.known if each == resolution]
        at = min(known, key=lambda i: self.known[resolution, i]) if known else self._last
        for step in range(_DECADE, 0, -2):
            if step < fine:
                break
            at = self._downhill(resolution, at, step)
        self._last = at

    def _downhill(self, resolution: Resolution, at: int, step: int) -> int:
        best = self._of(resolution, at)
        for move in (step, -step):
            while 0 <= at + move < len(self.alphas):
                found = self._of(resolution, at + move)
                if not found < best - _TIE:
                    break
                best, at = found, at + move
        return at

    def _of(self, resolution: Resolution, index: int) -> float:
        key = (resolution, index)
        if key not in self.known:
            start = time.perf_counter()
            try:
                found, error = self.judge.judge(resolution, float(self.alphas[index]))
            except NotDefiniteError:
                found = error = math.inf  # rounding decides: it is not chosen
            if resolution.spacing > 0:
                found += _BY_CHANCE / math.sqrt(self.judge.cells.n_cells)
            self.known[key], self.errors[key] = found, error
            self.seconds[key] = time.perf_counter() - start
            scored()
        return self.known[key]


def is_long_line(samples: Samples) -> bool:
    """Whether samples of one axis are so many that bands tell as much as dense kernels."""
    return len(samples.coordinates) == 1 and len(samples.occupied) > limits_now().lines_learnt_from


def line_search(samples: Samples, columns: NDArray, units: Units) -> Choice:
    """The best of all candidates that cells have judged.

    Parameters
    ----------
    columns : ndarray of shape (n_samples, q)
        Targets.
    """
    climb, score = _climbed(samples, columns, units)
    resolutions = list(dict.fromkeys(each for each, _ in climb.known))
    spacing = climb.judge.cells.spacing
    paths = [_path(each, spacing) for each in resolutions]
    shape = (len(resolutions), len(climb.alphas))
    criterion, seconds = np.full(shape, np.nan), np.zeros(shape)
    for (each, index), found in climb.known.items():
        row = resolutions.index(each)
        criterion[row, index] = -found
        seconds[row, index] = climb.seconds[each, index]
    resolution, index = climb.chosen
    row = resolutions.index(resolution)
    best = row * len(climb.alphas) + index
    scores = np.full((criterion.size, 1), np.nan)
    scores[best] = units.scores(np.array(-score))
    results = search_results(paths, climb.alphas, scores, seconds.reshape(-1, 1), None)
    results["mean_test_criterion"] = criterion.ravel()
    alpha = climb.alphas[[index]]
    problem = problem_of(paths[row], samples, alpha, whole=False)
    return Choice(results, best, problem, paths, encoder=paths[row].encoder)


def _path(resolution: Resolution, spacing: AxisSpacing) -> Candidate:
    length = spacing.high - spacing.low
    encoders = resolution.encoders([1.0 if resolution.spacing else length])
    return Candidate(encoders, None, SIMILARITY, resolution.spacing)


def _climbed(samples: Samples, columns: NDArray, units: Units) -> tuple[LineClimb, float]:
    """The climb on cells that are narrow enough, and the leave-one-out error of its choice."""
    now, relative = limits_now(), units.standardised(columns)
    varies = np.isfinite(units.spread)
    targets = samples.to_cells(relative[:, varies if varies.any() else slice(0, 1)])
    occupied = samples.occupied
    x = samples.coordinates[0].astype(np.float64)[occupied]
    weights = np.ones(len(x)) if samples.weights is None else samples.weights[occupied]
    spacing = AxisSpacing.through(x, 1.0, 0)
    places = Cells.of(x, targets[:, occupied], weights, spacing, len(x))
    n_cells, begin = now.line_cells, None
    while True:
        cells = Cells.of(x, targets[:, occupied], weights, spacing, n_cells)
        climb = LineClimb(CellJudge(cells), SIMILARITY.alphas)
        climb.run(begin)
        resolution, alpha = _chosen(climb)
        errors = _errors(_path(resolution, spacing), alpha, samples, relative)
        finest = cells.n_cells == len(x) or n_cells >= now.line_cells_most
        details = climb.judge.n_details(resolution, alpha) * _CELLS_PER_DETAIL
        seen = float(np.sum(errors)) <= _RESOLVED * places.difference
        if finest or (seen and details <= cells.n_cells):
            return climb, float(np.mean(errors))
        n_cells *= _FINER
        begin = resolution if seen else None


def _errors(
    path: Candidate, alpha: float, samples: Samples, relative: NDArray
) -> NDArray[np.float64]:
    """Mean squares by exact leave-one-out, all samples of a place together; (q,)."""
    solver = problem_of(path, samples, np.array([alpha]), whole=True).solver
    assert isinstance(solver, LeavesOut)
    errors = solver.leave_one_out(relative, solver.rotate_all(relative), alpha)
    return samples.mean(errors**2)


def _chosen(climb: LineClimb) -> tuple[Resolution, float]:
    resolution, index = climb.chosen
    return resolution, float(climb.alphas[index])
