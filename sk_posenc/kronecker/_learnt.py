"""The resolution of a signal, learnt from samples of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._climb import LEAST_OCTAVE, first_of_least
from sk_posenc.kronecker._device import Place
from sk_posenc.kronecker._judgements import Judgements
from sk_posenc.kronecker._parts import parts_of
from sk_posenc.kronecker._patterns import Pattern, places_in
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import Choice, problem_of, search_results
from sk_posenc.kronecker._sphere_polish import polished
from sk_posenc.kronecker._stage import Resolution, Stage
from sk_posenc.kronecker._stages import Stages
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import RADIAL, SIMILARITY

# Fewer places have no place left to learn from when one is left out.
LEAST_PLACES = 3

# Outputs that a climb goes by, spread over all of them; all judge what it finds.
_OUTPUTS = 30

# A map that moves no knot farther, in widths of the domain, is taken for chance: 100 samples at
# random move one by 0.1 or more once in five times, 1,000 never.
_UNEVEN = 0.1

# Beside what parts find, all places judge so much coarser ones too: stable ranks, as powers of 2.
_COARSER = 2.0

# Axes whose domains differ by less are taken for alike.
_LONGER = 3.0


def can_learn(samples: Samples) -> bool:
    """Whether places are enough to learn from, and few enough for a kernel of all of them."""
    return LEAST_PLACES <= len(samples.occupied) <= limits_now().learnt_up_to


def is_uneven(samples: Samples) -> bool:
    """Whether the number of samples per axis tells little of them: uneven or unlike axes."""
    spacings = Stage.spacings_of(samples)
    lengths = [each.high - each.low for each in spacings]
    unlike = not samples.on_grid and max(lengths) > _LONGER * min(lengths)
    return unlike or max(each.moves() for each in spacings) >= _UNEVEN


def learnt_search(
    samples: Samples,
    columns: NDArray,
    units: Units,
    place: Place,
    patterns: Sequence[Pattern] = (),
    beside: NDArray | None = None,
) -> Choice:
    """The best of all candidates that were judged last.

    Parameters
    ----------
    columns : ndarray of shape (n_samples, q)
        Targets.
    patterns : list of Pattern
        Where outputs have holes of their own.
    beside : ndarray of shape (n_samples, p) or None
        Covariates, whose coefficients are free.
    """
    whole = stage_of(samples, columns, units, patterns, beside)
    judgements = judged_parts(whole, SIMILARITY.alphas)
    if isinstance(whole, Stage):
        judgements = polished(judgements, whole, samples)
    resolutions, stage = list(judgements.known), judgements.stage
    paths = [
        Candidate(stage.encoders(each), None, RADIAL if each.radial else SIMILARITY, each.spacing)
        for each in resolutions
    ]
    judged = [judgements.known[each] for each in resolutions]
    errors = np.concatenate([each.squared_error for each in judged])
    criterion = np.concatenate([each.criterion for each in judged])
    n_alphas = len(judgements.alphas)
    times = np.repeat([judgements.seconds[each] / n_alphas for each in resolutions], n_alphas)
    scores = units.scores(-errors[:, None])
    results = search_results(paths, judgements.alphas, scores, times[:, None], None)
    results["mean_test_criterion"] = np.where(np.isfinite(criterion), -criterion, np.nan)
    best = first_of_least(criterion)
    path = paths[best // n_alphas]
    alpha = judgements.alphas[[best % n_alphas]]
    if can_learn(samples):
        problem = problem_of(path, samples, alpha, whole=False, place=place)
    else:
        problem = problem_by_centres(path, samples, float(alpha[0]))
    return Choice(results, best, problem, paths, encoder=path.encoder)


def problem_by_centres(candidate: Candidate, samples: Samples, alpha: float) -> Problem:
    """The fit of a kernel to samples of which there may be many."""
    return Problem(
        samples,
        candidate.encoder,
        candidate.penalty,
        whole=samples.is_grid,
        alphas=[alpha],
        spacing=candidate.spacing,
        by_centres=True,
    )


def best_of_parts(
    samples: Samples, columns: NDArray, units: Units, patterns: Sequence[Pattern] = ()
) -> Resolution:
    """The resolution that parts of many places find and judge best."""
    judgements = judged_parts(stage_of(samples, columns, units, patterns), SIMILARITY.alphas)
    return judgements.best


def stage_of(
    samples: Samples,
    columns: NDArray,
    units: Units,
    patterns: Sequence[Pattern] = (),
    beside: NDArray | None = None,
) -> Stage | Stages:
    """All places, with the targets that vary, each in its own spread."""
    if patterns:
        whole = Stage.of(samples, np.zeros((1, *samples.shape)))
        stages, places = [], []
        for of_pattern, part in patterns:
            own = columns[:, of_pattern]
            stage = stage_of(part, own, Units(part, own), beside=beside)
            assert isinstance(stage, Stage)
            stages.append(stage)
            places.append(places_in(samples, part))
        return Stages(whole, stages, places)
    relative = units.standardised(columns)
    varies = np.isfinite(units.spread)  # constant targets tell nothing
    relative = relative[:, varies if varies.any() else slice(0, 1)]
    cells = samples.to_cells(relative)
    if beside is None:
        return Stage.of(samples, cells)
    return Stage.of(samples, cells, samples.to_cells(Units(samples, beside).standardised(beside)))


def few_outputs(stage: Stage | Stages) -> Stage | Stages:
    """The outputs that a climb goes by."""
    return stage.with_outputs(_OUTPUTS)


def judged_parts(whole: Stage | Stages, alphas: NDArray) -> Judgements:
    """All that a climb sees, or what it finds on each of several parts, judged on more places."""
    now = limits_now()
    if whole.spheres is not None and whole.n_places > now.judged_up_to:
        places = np.column_stack(whole.scattered.shares())
        whole = whole.part(parts_of(places, now.judged_up_to)[0])
    # a climb on a sphere has few directions
    few = whole.largest <= (now.climbed_up_to if whole.spheres is None else now.judged_up_to)
    if few and whole.is_light(_OUTPUTS):
        judgements = Judgements(whole, alphas)
        judgements.climb()
        return judgements
    stages: list[Stage | Stages] = [whole]
    if not few:
        places = np.column_stack(whole.scattered.shares())
        stages = [whole.part(rows) for rows in parts_of(places, now.part_size)]
        if whole.n_places > now.judged_up_to:
            whole = whole.part(parts_of(places, now.judged_up_to)[-1])
        else:
            whole = whole.scattered
    judgements = Judgements(whole, alphas)
    for stage in stages:
        found = Judgements(few_outputs(stage), alphas).climb()
        judgements.score(found)
        judgements.score(replace(found, spacing=0.0))
    if not few:
        _coarser(judgements)
    return judgements


def _coarser(judgements: Judgements) -> None:
    """Fewer places take waves that pauses hide for finer ones with more noise."""
    while True:
        best = judgements.best
        octaves = tuple(max(each - _COARSER, LEAST_OCTAVE) for each in best.octaves)
        judgements.score(replace(best, octaves=octaves))
        if judgements.best == best:
            return
