"""The search on long lines: its criterion against dense kernels, and what it finds."""

import numpy as np
import pytest

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder
from sk_posenc.core.limits import limits
from sk_posenc.encoders.axis_spacing import AxisSpacing
from sk_posenc.kronecker._line import ByLine
from sk_posenc.kronecker._line_cells import CellJudge, Cells
from sk_posenc.kronecker._line_search import is_long_line, line_search
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._stage import Resolution, Stage
from sk_posenc.kronecker._targets import Units


def signal(x):
    return np.sin(8 * x) + 0.3 * np.sin(31 * x)


@pytest.mark.parametrize("basis", ["matern32", "matern72"])
@pytest.mark.parametrize("spacing", [0.0, 0.9])
@pytest.mark.parametrize("octave", [0.0, 3.0])
def test_the_criterion_is_that_of_dense_kernels(basis, spacing, octave, rng):
    x = np.sort(rng.uniform(0, 1, 300)) ** 2
    y = np.column_stack([signal(x), x]) + 0.2 * rng.normal(size=(300, 2))
    weights = rng.uniform(0.5, 2, 300)
    samples = Samples(x[:, None], weights)
    units = Units(samples, y)
    stage = Stage.of(samples, samples.to_cells(units.relative(y - units.mean)))
    cells = Cells.of(x, stage.cells, samples.weights, AxisSpacing.through(x, 1.0, 0), 1_000)
    # the same points between places
    stage.between, judge = [cells.between], CellJudge(cells)
    resolution, alphas = Resolution(basis, (octave,), spacing), np.array([1e-3, 1e-2, 0.3])
    judged = stage.judge(resolution, alphas)
    wanted = judged.criterion
    chance = 3 / np.sqrt(300) if spacing else 0.0
    found = [judge.judge(resolution, alpha)[0] + chance for alpha in alphas]
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    errors = [judge.judge(resolution, alpha)[1] / 2 for alpha in alphas]
    np.testing.assert_allclose(errors, judged.squared_error, rtol=5e-3)
    n_details = judge.n_details(resolution, 1e-2)
    kernel = stage._joint(resolution, [stage._apart(resolution, 0)])
    A = kernel * np.sqrt(np.multiply.outer(samples.weights, samples.weights))
    hat = np.linalg.solve(A + 1e-2 * np.eye(300), A)
    assert n_details == pytest.approx(np.trace(hat), rel=1e-3)


def test_cells_hold_neighbours_and_span_no_gap(rng):
    x = np.sort(np.concatenate([rng.uniform(0, 0.1, 3_000), rng.uniform(0.9, 1, 3_000)]))
    targets, weights = np.stack([x, np.ones(6_000)]), rng.uniform(0.5, 2, 6_000)
    cells = Cells.of(x, targets, weights, AxisSpacing.through(x, 1.0, 0), 400)
    assert 200 < cells.n_cells <= 401
    assert cells.weights.sum() == pytest.approx(weights.sum())
    np.testing.assert_allclose(cells.targets, [cells.x, np.ones(cells.n_cells)], rtol=1e-12)
    assert not np.any((cells.x > 0.11) & (cells.x < 0.89))
    assert cells.weights @ cells.x == pytest.approx(weights @ x)


def places(layout, n, rng):
    if layout == "log":
        return np.geomspace(1, 1_000, n)
    if layout == "bursts":
        return np.sort((rng.integers(8, size=n) + 0.4 * rng.uniform(size=n)) / 8)
    return np.sort(rng.uniform(0, 1, n))


@pytest.mark.parametrize("layout", ["random", "log", "bursts"])
def test_what_it_finds_on_many_samples(layout, rng):
    x = places(layout, 9_000, rng)
    truth = signal(np.log(x) / 7 if layout == "log" else x)
    model = KroneckerRidgeCV().fit(x[:, None], truth + 0.2 * rng.normal(size=len(x)))
    error = model.predict(x[:, None]) - truth
    assert np.sqrt(np.mean(error**2)) < 0.016
    assert np.quantile(np.abs(error), 0.995) < 0.07
    assert model.penalty_ == "similarity"
    assert (model.spacing_ > 0) == (layout == "log")
    assert model.best_score_ == pytest.approx(-0.04, rel=0.05)
    best = model.cv_results_["params"][model.best_index_]
    assert best["alpha"] == model.alpha_
    assert np.sum(np.isfinite(model.cv_results_["mean_test_score"])) == 1
    again = KroneckerRidge(
        model.best_encoder_, penalty="similarity", alpha=model.alpha_, spacing=model.spacing_
    ).fit(x[:, None], truth)
    assert isinstance(again._problem.solver, ByLine)


def test_cells_are_made_narrower_as_long_as_details_are_narrow(rng):
    x = np.sort(rng.uniform(0, 1, 1_600))
    y = np.sin(600 * x) + 0.1 * rng.normal(size=1_600)
    with limits(line_cells=100, lines_learnt_from=1_000, lines_from=1_000):
        model = KroneckerRidgeCV().fit(x[:, None], y)
    assert np.std(model.predict(x[:, None]) - np.sin(600 * x)) < 0.1


def test_several_outputs_count_in_their_own_spread(rng):
    x = np.sort(rng.uniform(0, 1, 800))[:, None]
    y = np.column_stack([1e9 * signal(x[:, 0]), np.ones(800), 0.1 * rng.normal(size=800)])
    y[:, 2] += 5 * signal(x[:, 0])
    with limits(lines_learnt_from=700, lines_from=700):
        model = KroneckerRidgeCV().fit(x, y)
    predicted = model.predict(x)
    assert np.std(predicted[:, 0] / 1e9 - signal(x[:, 0])) < 1e-3
    np.testing.assert_allclose(predicted[:, 1], 1.0)
    assert np.std(predicted[:, 2] - 5 * signal(x[:, 0])) < 0.3


def test_it_is_for_one_axis_with_many_places(rng):
    line = Samples(np.arange(50.0)[:, None], None)
    plane = Samples(rng.uniform(size=(50, 2)), None)
    with limits(lines_learnt_from=40):
        assert is_long_line(line)
        assert not is_long_line(plane)
    with limits(lines_learnt_from=50):
        assert not is_long_line(line)


@pytest.mark.parametrize("automatic", [True, False])
def test_listed_candidates(automatic, rng):
    x = np.sort(rng.uniform(0, 1, 400))[:, None]
    y = signal(x[:, 0]) + 0.2 * rng.normal(size=400)
    settings = {"encoders": ShiftedBasisEncoder("bspline", stable_rank=30, n_shifts=80)}
    settings |= {"penalties": [1.0, 2.0, "slope"]}
    if not automatic:
        settings["alphas"] = [1e-3, 0.1, 10.0]
    with limits(lines_from=50):
        model = KroneckerRidgeCV(**settings).fit(x, y)
    assert isinstance(model._problem.solver, ByLine)
    settings["alphas"] = model.alpha_ if automatic else settings["alphas"]
    dense = KroneckerRidgeCV(**settings).fit(x, y)
    scores = {
        (each["penalty"], each["alpha"]): score
        for each, score in zip(
            dense.cv_results_["params"], dense.cv_results_["mean_test_score"], strict=True
        )
    }
    for each, score in zip(
        model.cv_results_["params"], model.cv_results_["mean_test_score"], strict=True
    ):
        key = each["penalty"], each["alpha"]
        if key in scores and np.isfinite(score):
            assert score == pytest.approx(scores[key], rel=1e-7)
    assert model.best_score_ == np.nanmax(model.cv_results_["mean_test_score"])
    if automatic:
        assert 10 < np.isfinite(model.cv_results_["mean_test_score"]).sum() < 60
    else:
        assert np.isfinite(model.cv_results_["mean_test_score"]).all()
        assert (model.penalty_, model.alpha_) == (dense.penalty_, dense.alpha_)


def test_results_hold_each_resolution_once(rng):
    x = np.sort(rng.uniform(0, 1, 500))
    samples = Samples(x[:, None], None)
    y = signal(x)[:, None] + 0.1 * rng.normal(size=(500, 1))
    choice = line_search(samples, y, Units(samples, y))
    paths, results, best = choice.paths, choice.results, choice.best
    n_alphas = len(results["params"]) // len(paths)
    assert len({(p.encoder[0].basis, str(p.encoder[0]), p.spacing) for p in paths}) == len(paths)
    criterion = results["mean_test_criterion"]
    assert criterion[best] > np.nanmax(criterion) - 2e-3
    assert results["params"][best]["encoder"] is paths[best // n_alphas].encoder


def test_the_adaptive_penalty_is_judged_on_held_out_cells(rng):
    x = np.sort(rng.uniform(0, 1, 500))[:, None]
    truth = 1.0 * (x[:, 0] > 0.4)
    with limits(lines_from=50):
        model = KroneckerRidgeCV(penalties=["adaptive", 2.0]).fit(
            x, truth + 0.1 * rng.normal(size=500)
        )
    assert model.penalty_ == "adaptive"
    assert np.mean(np.abs(model.predict(x) - truth)) < 0.05
