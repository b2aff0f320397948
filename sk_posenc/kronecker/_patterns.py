"""Outputs with holes of their own: which samples each has, and one solution of them all."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._axis import Axis, Expansion
from sk_posenc.kronecker._centres import ByCentres
from sk_posenc.kronecker._design import Dual
from sk_posenc.kronecker._fit import Fit
from sk_posenc.kronecker._line import ByLine
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._similarity import SimilarityDesign


class Pattern(NamedTuple):
    """Outputs that have the same samples.

    Attributes
    ----------
    columns : ndarray of ints
    samples : Samples
        Their holes have weight 0.
    """

    columns: NDArray[np.intp]
    samples: Samples


def patterns_of(X: NDArray, weights: NDArray | None, missing: NDArray[np.bool_]) -> list[Pattern]:
    """The patterns of holes (n, q), in the order of their first outputs."""
    distinct, pattern = np.unique(missing, axis=1, return_inverse=True)
    whole = np.ones(len(X)) if weights is None else weights
    found = []
    for i, holes in enumerate(distinct.T):
        columns = np.flatnonzero(pattern.ravel() == i)
        own = np.where(holes, 0.0, whole)
        if not own.any():
            raise ValueError(
                f"y[:, {columns[0]}] is NaN for all samples whose weight is not 0: at least one "
                "must have a value"
            )
        found.append(Pattern(columns, Samples(X, own)))
    return sorted(found, key=lambda each: int(each.columns[0]))


class Apart(Expansion):
    """Outputs whose functions are not the same: those of each fit by themselves."""

    is_dual: Any = None  # neither has coefficients of samples nor of common functions
    on_host = True

    def __init__(self, axes: list[Axis], fits: Sequence[tuple[Any, Fit]]) -> None:
        self.axes = axes
        self._parts = [
            (columns, fit.problem.solver.expansion, fit.solution) for columns, fit in fits
        ]

    def features_at(self, coordinates: Sequence[NDArray], orders: Sequence[int]) -> list[Any]:
        return [expansion.features_at(coordinates, orders) for _, expansion, _ in self._parts]

    def along_axes(self, solution: NDArray) -> None:
        return None

    def predict_rows(self, solution: NDArray, features: Sequence[Any]) -> NDArray:
        columns, expansions, solutions = zip(*self._parts, strict=True)
        parts = zip(expansions, solutions, features, strict=True)
        found = np.concatenate([each.predict_rows(own, part) for each, own, part in parts], axis=1)
        return found[:, np.argsort(np.concatenate(columns))]


def joined(
    problem: Problem, patterns: Sequence[Pattern], fits: Sequence[tuple[Any, Fit]]
) -> tuple[Expansion, NDArray[np.float64], str]:
    """One expansion of all outputs, its coefficients, and the layout.

    Parameters
    ----------
    problem : Problem
        Of all samples.
    patterns, fits : lists
        Of the same outputs.
    """
    design, samples = problem.design, problem.samples
    by_similarity = isinstance(design, SimilarityDesign)
    n_outputs = sum(len(each.columns) for each in patterns)
    if any(isinstance(fit.problem.solver, ByCentres | ByLine) for _, fit in fits):
        return Apart(design.axes, fits), np.empty((n_outputs, 0)), fits[0][1].problem.layout
    duals = [fit.problem.layout == "dual" for _, fit in fits]
    if by_similarity or all(duals):
        solution = np.zeros((n_outputs, design.n_occupied))
        for (columns, part), (_, fit) in zip(patterns, fits, strict=True):
            own = fit.solution.reshape(len(columns), -1)
            solution[np.ix_(columns, places_in(samples, part))] = own
        return Dual(design), solution, "dual"
    solution = np.empty((n_outputs, *(axis.n_columns for axis in design.axes)))
    for is_dual, (columns, fit) in zip(duals, fits, strict=True):
        own = fit.solution
        solution[columns] = fit.problem.design.from_dual(own) if is_dual else own
    return design, solution, "holes" if samples.on_grid else "scattered"


def places_in(samples: Samples, part: Samples) -> NDArray[np.intp]:
    """Which of the occupied cells of all samples those of a part are."""
    if samples.on_grid:
        return np.searchsorted(samples.occupied, part.occupied)
    assert samples.cell is not None
    assert part.cell is not None
    present = part.present
    places = np.empty(part.n_cells, dtype=np.intp)
    places[part.cell[present]] = samples.cell[present]
    return places
