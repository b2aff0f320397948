"""Listed candidates of a search, judged in the way that their solvers allow."""

from typing import Any

from numpy.typing import NDArray

from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._device import Place
from sk_posenc.kronecker._direct import Factored
from sk_posenc.kronecker._held_out import HeldOut, held_out_search
from sk_posenc.kronecker._line_candidates import any_by_line, line_leave_one_out
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import Choice, leave_one_out_search
from sk_posenc.kronecker._targets import Units


def score_listed(
    samples: Samples,
    X: NDArray,
    y: NDArray,
    weights: NDArray | None,
    paths: list[Candidate],
    problems: list[Problem],
    alphas: NDArray,
    *,
    automatic: bool,
    place: Place,
    units: Units,
    tolerance: float,
    max_iter: int,
    whole: bool = False,
) -> tuple[Choice, HeldOut | None]:
    """The best by leave-one-out where all are solved directly, else on held-out cells.

    Parameters
    ----------
    whole : bool
        Whether cells of all samples must be held out.

    Returns
    -------
    choice : Choice
    held_out : HeldOut or None
        What scores candidates on held-out cells, where these judge them.
    """
    known: dict[str, Any] = {"automatic": automatic, "units": units}
    iterated: dict[str, Any] = {"tolerance": tolerance, "max_iter": max_iter, "place": place}
    if any_by_line(problems):
        return line_leave_one_out(samples, y, paths, problems, alphas, **known), None
    if all(isinstance(each.solver, Factored) for each in problems):
        return leave_one_out_search(samples, y, paths, problems, alphas, **known), None
    return held_out_search(
        samples, X, y, weights, paths, problems, alphas, whole=whole, **known, **iterated
    )
