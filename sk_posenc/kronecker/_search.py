"""Scores of the candidates of KroneckerRidgeCV, many alphas from each factorisation."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from sk_posenc.core.arrays import unit_for_squares
from sk_posenc.core.checks import within_floats
from sk_posenc.core.limits import limits_now
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._conjugate_gradients import Iteration
from sk_posenc.kronecker._device import NUMPY, Place
from sk_posenc.kronecker._direct import Factored
from sk_posenc.kronecker._factors import generalised_cross_validation, spectrum
from sk_posenc.kronecker._gradients import Gradients
from sk_posenc.kronecker._predict import evaluate
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._progress import scored
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import ADAPTIVE, SLOPE

# Of a penalty that follows the function less than this gains next to nothing, and takes many steps.
LEAST_ADAPTIVE = 0.04

# Noise below this share of the spread of the targets is taken for signal: of a signal finer
# than the samples, leave-one-out cannot tell the two apart.
_LEAST_NOISE = 0.02

# The alpha at which samples of a grid tell their noise, whatever is fitted.
_LEAST_ALPHA = 1e-4

# Leave-one-out predicts one spacing away from the samples, and asks for more smoothing than
# values between them do. An automatic alpha is therefore the least whose squared error is
# at most this share beyond the best; not counting noise, and what a fit adds to it.
_LENIENCE = 0.15
_NOISE_IN_ERRORS = 1.05

_ERRORS_TOO_LARGE = (
    "alphas are so small that errors of held-out samples are beyond floats: choose larger ones, or "
    "leave them out."
)


@dataclass(frozen=True)
class Choice:
    """What a search has chosen, and what its fit begins with.

    Attributes
    ----------
    results : dict
        In the form of ``GridSearchCV.cv_results_``.
    best : int
        A row of them.
    problem : Problem
        Of its candidate.
    paths : list of Candidate
        All that were listed.
    iteration : Iteration or None
    start : ndarray or None
        The last solution of conjugate gradients on the same features.
    encoder : list of encoders or None
        One per axis, where they are not those that the fit will have fitted.
    """

    results: dict[str, Any]
    best: int
    problem: Problem
    paths: list[Candidate]
    iteration: Iteration | None = None
    start: NDArray | None = None
    encoder: list[Any] | None = None


def leave_one_out_search(
    samples: Samples,
    y: NDArray,
    paths: list[Candidate],
    problems: list[Problem],
    alphas: NDArray,
    *,
    automatic: bool,
    units: Units,
) -> Choice:
    """Leave-one-out errors of all candidates, or of a shortlist; and the best.

    With automatic alphas on a grid, the best is the least smoothing one of those that are good.
    """
    columns = units.standardised(y.reshape(len(y), -1))
    n_columns = columns.shape[1]
    gcv = np.empty((len(paths), len(alphas)))
    scores, times = np.full_like(gcv, np.nan), np.zeros_like(gcv)
    everything = gcv.size * samples.n_cells * (n_columns + 1) <= limits_now().all_exact
    residual = np.empty_like(gcv)  # root mean square of what the fit leaves
    gentle = np.array([alphas <= path.penalty.interpolating_alpha for path in paths])
    sound = np.ones(gcv.shape, dtype=bool)
    if automatic:
        sound = _sound(problems, alphas)
        gentle |= np.cumsum(sound, axis=1) <= 1  # up to the first that is sound

    def score(index: int, which: Iterable[int], rotated: NDArray) -> None:
        for j in which:
            start = time.perf_counter()
            problem = problems[index]
            residuals = problem.factored.leave_one_out(columns, rotated, alphas[j] * problem.scale)
            scores[index, j] = -samples.mean(np.mean(residuals**2, axis=1))
            times[index, j] += time.perf_counter() - start
            scored()

    for index in range(len(paths)):
        start = time.perf_counter()
        problem = problems[index]
        rotated = problem.factored.rotate_all(columns)
        energy = np.mean(rotated[:-1] ** 2, axis=0)
        gcv[index] = generalised_cross_validation(
            energy, problem.factored.factors, alphas * problem.scale
        )
        eigenvalues = spectrum(problem.factored.factors)
        for j, alpha in enumerate(alphas * problem.scale):
            residual[index, j] = np.sqrt(np.mean(energy * (alpha / (eigenvalues + alpha)) ** 2))
        times[index] = (time.perf_counter() - start) / len(alphas)
        if index == 0:
            noise = _noise_variance(problem, columns, rotated[:-1], float(alphas.min()))
        if everything:
            score(index, range(len(alphas)), rotated)
    admitted = sound & (gentle | (residual <= math.sqrt(noise)))
    if not everything:
        gcv_admitted = np.where(admitted, gcv, np.inf)
        last = min(limits_now().shortlist, gcv.size) - 1
        shortlist = gcv <= np.sort(gcv, axis=None)[last]
        shortlist |= gcv_admitted <= np.sort(gcv_admitted, axis=None)[last]
        shortlist[np.arange(len(paths)), np.argmin(gcv, axis=1)] = True
        for index in range(len(paths)):
            which = np.flatnonzero(shortlist[index])
            score(
                index,
                which,
                problems[index].factored.rotate_all(columns),
            )
    shown = units.scores(scores.reshape(-1, 1))
    results = search_results(paths, alphas, shown, times.reshape(-1, 1), None)
    results["mean_test_gcv"] = units.scores(-gcv.ravel())
    results["admitted"] = admitted.ravel()
    if automatic and samples.is_grid:
        scores = np.where(admitted, scores, np.nan)
        best_of(scores, alphas)
        best = _gentlest(-scores, noise)
    else:
        best = best_of(np.where(sound, scores, np.nan), alphas)
    return Choice(results, best, problems[best // len(alphas)], paths)


def _sound(problems: list[Problem], alphas: NDArray) -> NDArray[np.bool_]:
    """Which candidates (n_paths, n_alphas) leave a system that rounding does not decide."""
    conditions = [
        [each.solver.condition_number(a * each.scale) for a in alphas] for each in problems
    ]
    return np.array(conditions) <= limits_now().ill_conditioned


def best_of(scores: NDArray, alphas: NDArray) -> int:
    """The place of the best score, of those that are not NaN."""
    if np.isnan(scores).all():
        raise ValueError(
            f"for every alpha up to {alphas.max():g} the condition number of the system is above "
            f"{limits_now().ill_conditioned:g}, and rounding decides its solution: lower penalties "
            "or stable_ranks, or set alphas"
        )
    return int(np.nanargmax(scores))


def best_linear(paths: list[Candidate], results: dict[str, Any]) -> tuple[Candidate, float] | None:
    """The best scored candidate that has deviations, with its alpha; None where there is none."""
    params, n_alphas = results["params"], len(results["params"]) // len(paths)
    linear = [each["penalty"] != ADAPTIVE.given for each in params]
    scores = np.where(linear, results["mean_test_score"], np.nan)
    if np.isnan(scores).all():
        return None
    best = int(np.nanargmax(scores))
    return paths[best // n_alphas], params[best]["alpha"]


def _noise_variance(
    problem: Problem, columns: NDArray, rotated: NDArray, least_alpha: float
) -> float:
    """Of the samples of a grid; 0 where it may as well be signal."""
    noise = problem.factored.noise_floor(rotated, least_alpha * problem.scale)
    spread = np.mean(problem.samples.mean(columns**2))
    return max(0.0, noise**2 - _LEAST_NOISE**2 * float(spread))


def shows_noise(samples: Samples, columns: NDArray) -> bool:
    """Whether samples of a full grid have more noise than may as well be signal.

    Parameters
    ----------
    columns : ndarray of shape (n_samples, q)
        Centred targets.
    """
    encoder = ShiftedBasisEncoder(SLOPE.searched_basis)
    problem = Problem(samples, encoder, SLOPE, whole=True, alphas=[_LEAST_ALPHA])
    rotated = problem.factored.rotate_all(columns)[:-1]
    return _noise_variance(problem, columns, rotated, _LEAST_ALPHA) > 0


def _gentlest(errors: NDArray, noise_variance: float) -> int:
    """Of the errors (n_paths, n_alphas), the first of the best path that is near the best."""
    path, best = np.unravel_index(np.nanargmin(errors), errors.shape)
    least = errors[path, best]
    limit = least + _LENIENCE * max(0.0, least - _NOISE_IN_ERRORS * noise_variance)
    first = int(np.flatnonzero(errors[path] <= limit)[0])
    return int(path) * errors.shape[1] + first


def fold_search(
    X: NDArray,
    y: NDArray,
    weights: NDArray | None,
    paths: list[Candidate],
    alphas: NDArray,
    folds: list[tuple[NDArray, NDArray]],
    tolerance: float,
    max_iter: int,
    *,
    automatic: bool = False,
    place: Place,
    units: Units,
) -> dict[str, Any]:
    """Errors on the test rows of each fold, one factorisation for all alphas.

    Automatic alphas have the score NaN where rounding decides the solution, or where they are too
    little for a penalty to be worth its time.
    """
    shape = (len(paths), len(alphas), len(folds))
    scores, fit_times, score_times = np.full(shape, np.nan), np.zeros(shape), np.zeros(shape)
    for k, (train, test) in enumerate(folds):
        if weights is not None:
            train = train[weights[train] > 0]
            if not len(train) or not weights[test].any():
                raise ValueError(
                    f"fold {k} of cv has no training or test sample of positive weight: use fewer "
                    "folds"
                )
        own = None if weights is None else weights[train]
        samples = Samples(X[train], own)
        columns = y[train].reshape(len(train), -1) / units.exact
        true = y[test].reshape(len(test), -1)
        mean = samples.mean(columns)
        for i, path in enumerate(paths):
            start = time.perf_counter()
            problem = problem_of(path, samples, alphas, whole=False, place=place)
            cells = samples.to_cells(columns - mean)
            solver = problem.solver
            factored = solver if isinstance(solver, Factored) else None
            rotated = None if factored is None else factored.rotate(cells)
            iteration = solver.iteration(tolerance) if isinstance(solver, Gradients) else None
            shared = (time.perf_counter() - start) / len(alphas)
            for j, alpha in enumerate(alphas * problem.scale):
                slow = path.penalty == ADAPTIVE and alphas[j] < LEAST_ADAPTIVE
                unsound = solver.condition_number(alpha) > limits_now().ill_conditioned
                if automatic and (slow or unsound):
                    continue
                start = time.perf_counter()
                if factored is None or rotated is None:
                    solution, _, _ = solver.solve(
                        cells, alpha, tolerance, max_iter, iteration=iteration
                    )
                else:
                    solution = factored.solve_rotated(rotated, alpha)
                middle = time.perf_counter()
                values = evaluate(solver.expansion, solution, X[test], (0,) * X.shape[1], mean)
                with within_floats(lambda: _ERRORS_TOO_LARGE):
                    errors = np.mean(units.relative(true - values * units.exact) ** 2, axis=1)
                scores[i, j, k] = -np.average(
                    errors, weights=None if weights is None else weights[test]
                )
                fit_times[i, j, k] = shared + middle - start
                score_times[i, j, k] = time.perf_counter() - middle
                scored()
    n_folds = len(folds)
    return search_results(
        paths,
        alphas,
        units.scores(scores.reshape(-1, n_folds)),
        fit_times.reshape(-1, n_folds),
        score_times.reshape(-1, n_folds),
    )


def problem_of(
    path: Candidate,
    samples: Samples,
    alphas: NDArray,
    *,
    whole: bool,
    place: Place = NUMPY,
) -> Problem:
    """The problem of an encoder, a stable rank and a penalty."""
    return Problem(
        samples,
        path.encoder,
        path.penalty,
        share=path.share,
        whole=whole,
        alphas=alphas,
        place=place,
        spacing=path.spacing,
    )


def problems_of(
    paths: list[Candidate], samples: Samples, alphas: NDArray, place: Place
) -> list[Problem]:
    """Those of all paths, ready for leave-one-out where they are factorised.

    Those that conjugate gradients solve share their axes where only the exponents differ.
    """
    problems: list[Problem] = []
    for path in paths:
        for other, known in zip(paths, problems, strict=False):
            if known.solver.iterates and known.design.adds_up and path.differs_in_exponent(other):
                problems.append(known.with_penalty(path.penalty))
                break
        else:
            problems.append(problem_of(path, samples, alphas, whole=True, place=place))
    return problems


def search_results(
    paths: list[Candidate],
    alphas: NDArray,
    scores: NDArray,
    fit_times: NDArray,
    score_times: NDArray | None,
) -> dict[str, Any]:
    """In the form of ``GridSearchCV.cv_results_``; arrays of shape (n_candidates, n_splits)."""
    params = [path.params(alpha) for path in paths for alpha in alphas]
    score_times = np.zeros_like(fit_times) if score_times is None else score_times
    results: dict[str, Any] = {}
    for name, values in (("fit_time", fit_times), ("score_time", score_times)):
        results[f"mean_{name}"], results[f"std_{name}"] = values.mean(axis=1), values.std(axis=1)
    for name in params[0]:
        column = np.ma.MaskedArray(np.empty(len(params), dtype=object), mask=False)
        for i, each in enumerate(params):
            column[i] = each[name]
        results[f"param_{name}"] = column.astype(np.float64) if name == "alpha" else column
    results["params"] = params
    for k in range(scores.shape[1]):
        results[f"split{k}_test_score"] = scores[:, k]
    mean = scores.mean(axis=1)
    with np.errstate(invalid="ignore"):  # a candidate that fails has a score of -inf
        unit = unit_for_squares(scores)
        deviation = (scores / unit).std(axis=1) * unit
        results["mean_test_score"], results["std_test_score"] = mean, deviation
    results["rank_test_score"] = ranks(mean)
    return results


def ranks(scores: NDArray) -> NDArray[np.int32]:
    """1 is the best; NaN comes last."""
    ranked = np.where(np.isnan(scores), -np.inf, scores)
    return np.asarray(rankdata(-ranked, method="min").astype(np.int32))
