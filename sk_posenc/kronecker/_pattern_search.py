"""Scores of candidates in folds, and where outputs have holes of their own."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_posenc.core.folds import folds_of
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._device import Place
from sk_posenc.kronecker._held_out import HeldOut
from sk_posenc.kronecker._listed import score_listed
from sk_posenc.kronecker._patterns import Pattern
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._search import (
    best_of,
    fold_search,
    problems_of,
    search_results,
)
from sk_posenc.kronecker._targets import Units

# Patterns that judge candidates, those of most outputs: each takes the time of a search.
_JUDGES = 8

Scores = NDArray[np.float64]  # (n_candidates, n_splits), relative to the spread of the targets


# X, y, weights and groups of all samples; the first three of those whose weight is not 0
Given = tuple[NDArray, NDArray, NDArray | None, ArrayLike | None]
Kept = tuple[NDArray, NDArray, NDArray | None]


def score_apart(
    given: Given,
    kept: Kept,
    paths: list[Candidate],
    alphas: NDArray,
    units: Units,
    patterns: list[Pattern],
    cv: Any,
    settings: dict[str, Any],
) -> tuple[dict[str, Any], int]:
    """Scores in the folds of `cv`, and where outputs have holes of their own; the best of them."""
    X, y, weights, groups = given
    folds = None if cv is None else list(folds_of(cv, X, y, groups))
    if patterns:
        if folds is not None:
            folds = folds_of_kept(folds, weights, len(X))
        return pattern_search(*kept, patterns, paths, alphas, folds, units, **settings)
    assert folds is not None
    weights = None if weights is None else np.nan_to_num(weights, nan=0.0)
    results = fold_search(X, y, weights, paths, alphas, folds, units=units, **settings)
    return results, best_of(results["mean_test_score"], alphas)


def pattern_search(
    X: NDArray,
    y: NDArray,
    weights: NDArray | None,
    patterns: Sequence[Pattern],
    paths: list[Candidate],
    alphas: NDArray,
    folds: list[tuple[NDArray, NDArray]] | None,
    units: Units,
    *,
    automatic: bool,
    place: Place,
    tolerance: float,
    max_iter: int,
) -> tuple[dict[str, Any], int]:
    """The results of all candidates, and the row of the best, for all outputs.

    Where conjugate gradients solve, each pattern climbs to a candidate of its own; all patterns
    then score all of these.

    Parameters
    ----------
    patterns : list of Pattern
    units : Units
        Of all outputs.
    """
    judges = sorted(patterns, key=lambda each: -len(each.columns))[:_JUDGES]
    counts = [len(each.columns) for each in judges]
    settings: dict[str, Any] = {"tolerance": tolerance, "max_iter": max_iter}
    found, bests, more = [], [], []
    for columns, samples in judges:
        own = y[:, columns]
        of_own = Units(samples, own)
        row_weights = np.where(samples.present, 1.0 if weights is None else weights, 0.0)
        known: dict[str, Any] = {"automatic": automatic, "units": of_own}
        score: Callable[[int], float] | None = None
        if folds is not None:
            results = fold_search(
                X, own, row_weights, paths, alphas, folds, place=place, **known, **settings
            )
            best = -1
        else:
            problems = problems_of(paths, samples, alphas, place)
            choice, held = score_listed(
                samples, X, own, row_weights, paths, problems, alphas, place=place,
                **known, **settings,
            )  # fmt: skip
            results, best = choice.results, choice.best
            if held is not None:
                score = _scorer(held, problems, alphas)
        n_splits = 1 if folds is None else len(folds)
        splits = [results[f"split{k}_test_score"] for k in range(n_splits)]
        found.append(np.stack(splits, axis=1) / (of_own.size**2 or 1.0))
        bests.append(best)
        more.append((score, of_own.size**2 or 1.0))
    for scores, (score, size) in zip(found, more, strict=True):
        for best in bests:
            if score is not None and np.isnan(scores[best, 0]):
                scores[best, 0] = score(best) / size
    total = np.average(found, axis=0, weights=counts)
    none = np.zeros_like(total)
    results = search_results(paths, alphas, units.scores(total), none, none)
    return results, best_of(results["mean_test_score"], alphas)


def _scorer(held: HeldOut, problems: list[Problem], alphas: NDArray) -> Callable[[int], float]:
    """The score of a row of the results, where conjugate gradients tell it."""

    def score(row: int) -> float:
        index, j = divmod(row, len(alphas))
        if not problems[index].solver.iterates:
            return np.nan
        return held.score(index, float(alphas[j]))

    return score


def folds_of_kept(
    folds: Iterable[tuple[NDArray, NDArray]], weights: NDArray | None, n_samples: int
) -> list[tuple[NDArray, NDArray]]:
    """Folds of the samples whose weight is not 0."""
    kept = np.ones(n_samples, dtype=bool) if weights is None else weights != 0
    place = np.cumsum(kept) - 1
    return [(place[train[kept[train]]], place[test[kept[test]]]) for train, test in folds]
