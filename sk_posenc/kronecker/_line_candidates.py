"""Exact leave-one-out of listed candidates on one axis with many places."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._band import NotDefiniteError
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._held_out import held_out_cells
from sk_posenc.kronecker._leaves_out import LeavesOut
from sk_posenc.kronecker._line import ByLine
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import best_of, fold_search, search_results
from sk_posenc.kronecker._targets import Units

# Automatic strengths are searched downhill: in steps of so many of them, then one by one.
_STEPS = (4, 2, 1)


def line_held_out(
    samples: Samples, X: NDArray, y: NDArray, weights: NDArray | None, *others: Any, **settings: Any
) -> tuple[dict[str, Any], int]:
    """Errors on held-out cells: the adaptive penalty has no leave-one-out; see `fold_search`."""
    out = held_out_cells(samples)
    fold = np.flatnonzero(~out), np.flatnonzero(out)
    paths, alphas, *rest = others
    results = fold_search(X, y, weights, paths, alphas, [fold], *rest, **settings)
    return results, best_of(results["mean_test_score"], alphas)


def line_leave_one_out(
    samples: Samples,
    y: NDArray,
    paths: list[Candidate],
    problems: list[Problem],
    alphas: NDArray,
    *,
    automatic: bool,
    units: Units,
) -> tuple[dict[str, Any], int]:
    """Leave-one-out errors, and the best; automatic alphas that are not visited have NaN."""
    columns = units.standardised(y.reshape(len(y), -1))
    scores = np.full((len(paths), len(alphas)), np.nan)
    times = np.zeros_like(scores)

    for i, problem in enumerate(problems):
        solver = problem.solver
        assert isinstance(solver, LeavesOut)
        rotated = solver.rotate_all(columns)

        def error(j: int, i: int = i, solver: Any = solver, rotated: NDArray = rotated) -> float:
            if np.isnan(scores[i, j]):
                start = time.perf_counter()
                scores[i, j] = -_error(solver, columns, rotated, alphas[j] * problems[i].scale)
                times[i, j] = time.perf_counter() - start
            return -float(scores[i, j])

        if automatic:
            _downhill(error, int(np.argmin(np.abs(alphas - 1.0))), len(alphas))
        else:
            for j in range(len(alphas)):
                error(j)
    scores[np.isinf(scores)] = np.nan
    shown = units.scores(scores.reshape(-1, 1))
    results = search_results(paths, alphas, shown, times.reshape(-1, 1), None)
    return results, best_of(scores, alphas)


def any_by_line(problems: list[Problem]) -> bool:
    """Whether bands solve one of them; all are then judged in the same way."""
    return any(isinstance(each.solver, ByLine) for each in problems)


def _error(solver: Any, columns: NDArray, rotated: NDArray, alpha: float) -> float:
    """Mean squared error, infinite where rounding decides the solution."""
    try:
        if solver.condition_number(alpha) > limits_now().ill_conditioned:
            return np.inf
        residuals = solver.leave_one_out(columns, rotated, alpha)
    except NotDefiniteError:
        return np.inf
    return float(np.mean(solver.design.samples.mean(residuals**2)))


def _downhill(error: Callable[[int], float], at: int, n: int) -> None:
    for step in _STEPS:
        for move in (step, -step):
            while 0 <= at + move < n and error(at + move) < error(at):
                at += move
