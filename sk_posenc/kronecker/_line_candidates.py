"""Exact leave-one-out of listed candidates on one axis with many places."""

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._line import ByLine
from sk_posenc.kronecker._line_judged import LineJudged
from sk_posenc.kronecker._line_ranks import other_ranks
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import Choice, best_of, problem_of, search_results
from sk_posenc.kronecker._targets import Units

# The strength with which a search begins.
_FIRST_ALPHA = 1.0


def line_leave_one_out(
    samples: Samples,
    y: NDArray,
    paths: list[Candidate],
    problems: list[Problem],
    alphas: NDArray,
    *,
    automatic: bool,
    units: Units,
) -> Choice:
    """The best by leave-one-out errors; automatic alphas that are not visited have NaN.

    "adaptive" goes by the directions that all samples have told.
    """
    columns = units.standardised(y.reshape(len(y), -1))
    judged: list[LineJudged] = []
    for path, problem in zip(paths, problems, strict=True):
        own = LineJudged(path, problem, columns, alphas)
        judged.append(own)
        if automatic:
            own.downhill(int(np.argmin(np.abs(alphas - _FIRST_ALPHA))))
        else:
            for j in range(len(alphas)):
                own.error(j)
        if path.climbs:
            judged += other_ranks(own, samples)
    return _choice(judged, samples, alphas, units)


def _choice(judged: list[LineJudged], samples: Samples, alphas: NDArray, units: Units) -> Choice:
    errors = np.stack([each.errors for each in judged])
    scores = np.where(np.isfinite(errors), -errors, np.nan)
    seconds = np.concatenate([each.seconds for each in judged])
    paths, shown = [each.path for each in judged], units.scores(scores.reshape(-1, 1))
    results = search_results(paths, alphas, shown, seconds[:, None], None)
    best = best_of(scores, alphas)
    path, index = divmod(best, len(alphas))
    problem = judged[path].problem
    if problem is None:
        problem = problem_of(paths[path], samples, alphas[[index]], whole=True)
    return Choice(results, best, problem, paths)


def any_by_line(problems: list[Problem]) -> bool:
    """Whether bands solve one of them; all are then judged in the same way."""
    return any(isinstance(each.solver, ByLine) for each in problems)
