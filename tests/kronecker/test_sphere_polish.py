"""What a part of the places of a sphere has chosen, judged again on all of them."""

import numpy as np
import pytest

from sk_posenc import KroneckerRidgeCV
from sk_posenc.core.limits import limits
from sk_posenc.kronecker import _sphere_polish
from sk_posenc.kronecker._criterion import Judged
from sk_posenc.kronecker._judgements import Judgements
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._sphere_climb import best_of_bases
from sk_posenc.kronecker._sphere_polish import polished
from sk_posenc.kronecker._stage import Resolution, Stage

ALPHAS = np.geomspace(1e-4, 1, 9)
N = 40


@pytest.fixture
def places(rng):
    points = rng.normal(size=(N, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    samples = Samples(points, None)
    return Stage.of(samples, points[:, :1].T), samples


def judged(least, at):
    """A criterion with that minimum, at one of the alphas."""
    return Judged(least + 0.1 * np.abs(np.arange(len(ALPHAS)) - at), np.ones(len(ALPHAS)))


def of_part(stage, **least):
    """A part's judgements: of each basis one resolution, at the place that lengths make alike."""
    known = Judgements(stage, ALPHAS)
    lengths = [each.high - each.low for each in stage.spacings]
    octaves = 1.0 + stage.spheres.octaves(lengths)
    for basis, value in least.items():
        resolution = Resolution(basis, tuple(octaves.tolist()), 0.0, basis != "gaussian")
        known.known[resolution] = judged(value, 4)
    return known


def bowl(calls, *, at=1, worse=0.0, unknown=()):
    """In place of the criterion: a bowl over octaves whose best alpha is low."""

    def judge(samples, stage, resolution, alphas, likelihood):
        octave = max(resolution.octaves)
        calls.append((resolution.basis, octave, len(ALPHAS) - len(alphas), stage.n_places))
        if resolution.basis in unknown:
            return None
        value = (octave - 0.25) ** 2 + (worse if resolution.basis != "gaussian" else 0.0)
        whole = judged(value, at)
        first = len(ALPHAS) - len(alphas)
        return Judged(whole.criterion[first:], whole.squared_error[first:])

    return judge


def run(places, monkeypatch, begun, judge, **changed):
    monkeypatch.setattr(_sphere_polish, "judge_by_centres", judge)
    with limits(**{"judged_up_to": N - 1, **changed}):
        return polished(begun, *places)


def test_the_best_bases_come_first(places):
    begun = of_part(places[0], matern32=0.5, gaussian=0.2, matern72=0.3)
    scores = {each: begun.score(each) for each in begun.known}
    assert [each.basis for each in best_of_bases(scores)] == ["gaussian", "matern72"]


def test_a_climb_goes_on_over_all_places(places, monkeypatch):
    calls, begun = [], of_part(places[0], gaussian=0.0, matern32=0.1)
    found = run(places, monkeypatch, begun, bowl(calls, worse=-0.01))
    best = min(found.known, key=found.score)
    assert (best.basis, max(best.octaves)) == ("matern32", 0.25)
    assert int(np.argmin(found.known[best].criterion)) == 1
    assert found.stage is begun.stage
    assert found.seconds.keys() == found.known.keys()
    # two alphas below the best so far, and lower ones while the least is best
    assert [first for _, _, first, _ in calls] == [2, *[0] * (len(calls) - 1)]
    calls.clear()
    found = run(places, monkeypatch, begun, bowl(calls, at=3))
    assert [first for _, _, first, _ in calls] == [2, *[1] * (len(calls) - 1)]
    start, second = list(found.known.values())[:2]
    assert np.isinf(start.criterion).tolist() == [True] * 2 + [False] * 7
    assert np.isnan(second.squared_error).tolist() == [True] + [False] * 8


def test_bases_that_start_far_behind_are_left(places, monkeypatch):
    calls, begun = [], of_part(places[0], gaussian=0.0, matern32=0.1)
    run(places, monkeypatch, begun, bowl(calls, worse=2.1))
    assert {octave for basis, octave, *_ in calls if basis == "matern32"} == {1.0}
    calls.clear()
    run(places, monkeypatch, begun, bowl(calls, unknown=["matern32"]))
    assert {octave for basis, octave, *_ in calls if basis == "matern32"} == {1.0}


def test_parts_decide_what_centres_cannot(places, monkeypatch):
    calls, begun = [], of_part(places[0], gaussian=0.0, matern32=0.1)
    assert run(places, monkeypatch, begun, bowl(calls, unknown=["gaussian"])) is begun
    assert len(calls) == 1
    assert run(places, monkeypatch, begun, bowl(calls), judged_up_to=N) is begun
    samples = Samples(np.random.default_rng(0).normal(size=(N, 3)), None)
    scattered = Stage.of(samples, places[0].cells), samples
    assert run(scattered, monkeypatch, begun, bowl(calls)) is begun
    assert len(calls) == 1


def test_some_of_very_many_places_judge(places, monkeypatch):
    calls, begun = [], of_part(places[0], gaussian=0.0)
    run(places, monkeypatch, begun, bowl(calls), polished_up_to=30)
    assert {n for *_, n in calls} == {30}


def test_many_stations_tell_more_than_a_part(rng):
    def globe(n):
        points = rng.normal(size=(n, 3))
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    points, at = globe(900), globe(300)
    field = lambda x: np.cos(2 * x).sum(axis=1) + x[:, 0] * x[:, 1]  # noqa: E731
    y = field(points) + 0.01 * rng.normal(size=900)
    with limits(judged_up_to=120, learnt_up_to=500):
        model = KroneckerRidgeCV().fit(points, y)
    assert model.layout_ == "centres"
    scores = model.cv_results_["mean_test_criterion"]
    assert np.nanargmax(scores) == model.best_index_
    assert np.isnan(scores).any()
    assert np.sqrt(np.mean((model.predict(at) - field(at)) ** 2)) < 0.004
