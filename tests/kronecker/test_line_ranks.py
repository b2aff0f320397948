"""Candidates on long lines: their resolution from coarse to fine, by leave-one-out."""

import numpy as np
import pytest

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._line import ByLine
from sk_posenc.kronecker._line_ranks import coarse_first, difference
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker.penalties import ADAPTIVE, RIDGE, Smoothness


def steps(x):
    return 1.0 * (x > 0.4) - 1.5 * (x > 0.7)


def doppler(x):
    return np.sqrt(x * (1 - x)) * np.sin(2 * np.pi * 1.05 / (x + 0.05))


def ranks_of(model):
    return list(dict.fromkeys(model.cv_results_["param_stable_rank"]))


@pytest.mark.parametrize("boundary", ["extend", "periodic"])
def test_leave_one_out_keeps_the_directions_of_all_samples(boundary, rng):
    """Against a dense solution without each place, under the penalty of the fit to all."""
    x = np.sort(rng.uniform(0, 1, 120))
    x[30:33] = x[30]  # one place
    weights = rng.uniform(0.5, 2.0, 120)
    y = np.column_stack([steps(x), x]) + 0.1 * rng.normal(size=(120, 2))
    encoder = ShiftedBasisEncoder("triangle", stable_rank=20, domain=(0, 1), boundary=boundary)
    samples = Samples(x[:, None], weights)
    with limits(lines_from=20):
        problem = Problem(samples, encoder, ADAPTIVE, alphas=[1.0], whole=True)
    solver, alpha = problem.solver, 0.7 * problem.scale
    assert isinstance(solver, ByLine)
    centred = y - samples.mean(y)
    rotated = solver.rotate_all(centred)
    found = solver.leave_one_out(centred, rotated, alpha)
    factor = solver._followed(solver._right(rotated)[:, :-1], alpha)
    system = np.linalg.inv(factor.solve(np.eye(factor.size)))
    A, w = solver._functions.at(samples.coordinates[0]).toarray(), samples.weights
    penalty, cells = system - A.T @ (w[:, None] * A), samples.to_cells(y)
    for sample in (0, 31, 77):
        place = samples.cell[sample]
        left = w * (np.arange(len(w)) != place)
        mean = np.average(cells, axis=1, weights=left)
        right = A.T @ (left[:, None] * (cells.T - mean))
        fitted = A[place] @ np.linalg.solve(A.T @ (left[:, None] * A) + penalty, right) + mean
        np.testing.assert_allclose(found[sample], y[sample] - fitted, atol=1e-8)


@pytest.mark.parametrize(("signal", "better"), [(steps, 0.75), (doppler, 0.95)])
def test_cliffs_and_changing_details_are_seen_better_than_by_linear_fits(signal, better, rng):
    x = np.sort(rng.uniform(0, 1, 4_000))[:, None]
    truth = signal(x[:, 0])
    y = truth + 0.2 * truth.std() * rng.normal(size=len(x))
    errors = []
    for penalties in ("adaptive", [2.0]):
        model = KroneckerRidgeCV(penalties=penalties).fit(x, y)
        errors.append(np.std(model.predict(x) - truth))
        assert len(ranks_of(model)) > 4
    assert errors[0] < better * errors[1]


def test_smooth_signals_take_few_functions(rng):
    x = np.sort(rng.uniform(0, 1, 20_000))[:, None]
    truth = np.sin(12 * x[:, 0])
    model = KroneckerRidgeCV(penalties=2.0).fit(x, truth + 0.2 * rng.normal(size=len(x)))
    assert model.coefficients_.size < 1_000
    assert np.std(model.predict(x) - truth) < 0.2 * np.sqrt(80 / len(x))
    assert model.best_score_ == pytest.approx(-0.04, rel=0.05)
    again = KroneckerRidge(model.best_encoder_, penalty=2.0, alpha=model.alpha_).fit(
        x, truth + 0.2 * rng.normal(size=len(x))
    )
    assert isinstance(again._problem.solver, ByLine)


def test_without_noise_functions_are_as_many_as_the_encoder_asks_for():
    x = np.linspace(0, 1, 900)[:, None]
    with limits(lines_from=100):
        model = KroneckerRidgeCV(penalties="adaptive").fit(x, np.sin(300 * x[:, 0]))
    assert ranks_of(model)[-1] is None
    assert ranks_of(model)[0] == pytest.approx(64 / 900)
    assert np.std(model.predict(x) - np.sin(300 * x[:, 0])) < 1e-3


def test_which_candidates_begin_coarse(rng):
    line = Samples(np.sort(rng.uniform(size=300))[:, None], None)
    plane = Samples(rng.uniform(size=(300, 2)), None)
    own = ShiftedBasisEncoder("bspline")
    climbing = [Candidate(own, None, ADAPTIVE), Candidate([own], None, Smoothness(2.0))]
    others = [
        Candidate(own, 0.1, ADAPTIVE),
        Candidate(own, None, RIDGE),
        Candidate(ShiftedBasisEncoder("bspline", stable_rank=9), None, ADAPTIVE),
        Candidate(ShiftedBasisEncoder("bspline", bandwidth=0.1), None, ADAPTIVE),
        Candidate(ShiftedBasisEncoder("bspline", n_shifts=50), None, ADAPTIVE),
        Candidate(ShiftedBasisEncoder("gaussian"), None, ADAPTIVE),
    ]
    with limits(lines_from=100):
        first = coarse_first([*climbing, *others], line)
        assert [each.share for each in first[:2]] == [64 / 300, 64 / 300]
        assert all(each.climbs for each in first[:2])
        assert first[2:] == others
        assert coarse_first(climbing, plane) == climbing
    with limits(lines_from=300):
        assert coarse_first(climbing, line) == climbing


def test_alphas_that_are_given_are_scored_at_the_resolution_of_the_encoder(rng):
    x = np.sort(rng.uniform(size=300))[:, None]
    with limits(lines_from=100):
        model = KroneckerRidgeCV(penalties="adaptive", alphas=[0.1, 1.0, 10.0]).fit(
            x, steps(x[:, 0])
        )
    assert ranks_of(model) == [None]
    assert np.isfinite(model.cv_results_["mean_test_score"]).all()


def test_neighbours_tell_the_noise(rng):
    x, noise = rng.uniform(size=8_000), rng.normal(size=8_000)
    weights = rng.uniform(0.5, 2, 8_000)
    samples = Samples(x[:, None], weights)
    noisy = np.sin(3 * x) + 0.3 * noise / np.sqrt(weights / weights.mean())
    columns = np.column_stack([noisy, np.ones(8_000)])
    assert difference(samples, columns) == pytest.approx(0.045, rel=0.05)
