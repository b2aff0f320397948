"""The resolution that parts of many samples show, held against what all of them choose."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._centres import ByCentres
from sk_posenc.kronecker._criterion import judge
from sk_posenc.kronecker._detail import few_show_all
from sk_posenc.kronecker._held_out import HeldOut
from sk_posenc.kronecker._learnt import (
    Judgements,
    few_outputs,
    is_uneven,
    judged_parts,
    problem_by_centres,
    stage_of,
)
from sk_posenc.kronecker._leaves_out import LeavesOut
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import (
    Choice,
    ranks,
    search_results,
)
from sk_posenc.kronecker._similarity import SimilarityDesign
from sk_posenc.kronecker._stage import Resolution, Stage
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import RADIAL, SIMILARITY


@dataclass(frozen=True)
class Learnt:
    """A kernel and its alpha, by the criterion on a part of the places."""

    resolution: Resolution
    candidate: Candidate
    alpha: float

    def problem(self, samples: Samples) -> Problem:
        return problem_by_centres(self.candidate, samples, self.alpha)


def sphere_shows_all(samples: Samples, columns: NDArray, units: Units) -> bool:
    """Whether many places lie on a sphere, and a part of them shows all their detail.

    Or nearly all: where the part is no small one.
    """
    stage = stage_of(samples, columns, units)
    assert isinstance(stage, Stage)
    if stage.spheres is None or not stage.spheres.has_globe:
        return False
    now = limits_now()
    few = stage.n_places <= now.dual_up_to
    return few or few_show_all(stage, SIMILARITY.alphas, now.judged_up_to)


def learnt_of_many(samples: Samples, columns: NDArray, units: Units) -> Learnt | None:
    """What parts show; None where samples show detail that parts do not, and lie evenly.

    Parameters
    ----------
    columns : ndarray of shape (n_samples, q)
        Targets.
    """
    stage, alphas = stage_of(samples, columns, units), SIMILARITY.alphas
    assert isinstance(stage, Stage)
    if stage.n_axes == 1:
        return None
    uneven = not stage.is_grid and is_uneven(samples)
    if not (uneven or few_show_all(stage, alphas)):
        return None
    judgements = _judged(stage, alphas)
    best = judgements.best
    alpha = float(alphas[np.argmin(judgements.known[best].criterion)])
    penalty = RADIAL if best.radial else SIMILARITY
    return Learnt(best, Candidate(stage.encoders(best), None, penalty, best.spacing), alpha)


def _judged(stage: Stage, alphas: NDArray) -> Judgements:
    if not stage.is_grid:
        return judged_parts(stage, alphas)
    judgements = Judgements(few_outputs(stage.few(limits_now().learnt_up_to)), alphas)
    judgements.climb()
    return judgements


def on_grid(
    learnt: Learnt, choice: Choice, samples: Samples, columns: NDArray, units: Units
) -> Choice:
    """The better one by the criterion on all places; off a full grid what parts show."""
    problem = learnt.problem(samples)
    if samples.is_grid:
        alpha = choice.results["params"][choice.best]["alpha"]
        theirs = _criterion(choice.problem, alpha, columns, units)
        if theirs <= _criterion(problem, learnt.alpha, columns, units):
            return choice
    score = _leave_one_out(problem, learnt.alpha, columns, units)
    return _joined(choice, learnt, problem, score)


def on_cells(
    learnt: Learnt,
    choice: Choice,
    held_out: HeldOut,
    samples: Samples,
    columns: NDArray,
    units: Units,
) -> Choice:
    """The better one by its error on held-out cells."""
    problem = learnt.problem(samples)
    cells = samples.to_cells(units.standardised(columns))
    solver, occupied, held = problem.solver, samples.occupied, held_out.held
    if not isinstance(solver, ByCentres):  # a grid that lacks lines: its rest is no grid
        assert isinstance(problem.design, SimilarityDesign)
        solver = ByCentres(problem.design, learnt.alpha)
    residuals = solver.left_out_together(cells, held[occupied], learnt.alpha)
    weights = problem.design.root_weights()[held[occupied]] ** 2
    error = held_out.mean(np.mean(residuals**2, axis=0), weights)
    score = float(units.scores(np.array([-error]))[0])
    if score < choice.results["mean_test_score"][choice.best]:
        return choice
    return _joined(choice, learnt, problem, score)


def _criterion(problem: Problem, alpha: float, columns: NDArray, units: Units) -> float:
    samples = problem.samples
    weights = np.ones(samples.shape) if samples.weights is None else samples.weights
    at = np.array([alpha * problem.scale])
    cells = samples.to_cells(units.standardised(columns))
    judged = judge(problem.factored.factors, cells, np.sqrt(weights), None, at)
    return float(judged.criterion[0])


def _leave_one_out(problem: Problem, alpha: float, columns: NDArray, units: Units) -> float:
    solver = problem.solver
    assert isinstance(solver, LeavesOut)
    relative = units.standardised(columns)
    residuals = solver.leave_one_out(relative, solver.rotate_all(relative), alpha)
    error = -problem.samples.mean(np.mean(residuals**2, axis=1))
    return float(units.scores(np.array([error]))[0])


def _joined(choice: Choice, learnt: Learnt, problem: Problem, score: float) -> Choice:
    """The learnt one, in a row of its own after those of the others."""
    alphas = np.array([learnt.alpha])
    nothing = np.zeros((1, 1))
    own = search_results([learnt.candidate], alphas, np.full((1, 1), score), nothing, None)
    results = _with_row(choice.results, own)
    last = len(results["params"]) - 1
    return Choice(results, last, problem, choice.paths, encoder=learnt.candidate.encoder)


def _with_row(results: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Results of a search, and those of one more candidate; what it does not have is NaN."""
    joined: dict[str, Any] = {}
    for name, values in results.items():
        if name == "params":
            joined[name] = [*values, *own[name]]
        elif name not in own:
            joined[name] = np.append(values.astype(np.float64), np.nan)
        elif isinstance(values, np.ma.MaskedArray):
            joined[name] = np.ma.concatenate([values, own[name]])
        else:
            joined[name] = np.concatenate([values, own[name]])
    joined["rank_test_score"] = ranks(joined["mean_test_score"])
    return joined
