"""Distance preservation against scipy's Spearman correlation."""

import math
import pickle
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from scipy.spatial.distance import pdist
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_posenc import (
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    SphereCoordinates,
    distance_preservation,
    distance_preservation_scorer,
    make_distance_preservation_scorer,
)
from sk_posenc.measures.distance_preservation import _pairs


@pytest.mark.parametrize("n_axes", [1, 3])
@pytest.mark.parametrize("level", [0.1, -0.5, 0.8])
def test_distance_preservation_is_spearman_over_all_pairs(n_axes, level, rng):
    X = rng.uniform(size=(60, n_axes)) * np.array([1.0, 50.0, 1e-3])[:n_axes]
    E = rng.normal(size=(60, 9)) + X[:, :1]
    unit = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    similarity = np.maximum(1 - pdist(E, "cosine"), level)
    expected = stats.spearmanr(-pdist(unit), similarity).statistic
    assert distance_preservation(X, E, level=level) == pytest.approx(expected, abs=1e-10)
    for other in (sparse.csr_array(E), torch.asarray(E), E * 1e150, E * 1e-150):
        assert distance_preservation(X, other, level=level) == pytest.approx(expected, abs=1e-10)


def test_distance_preservation_over_some_pairs(rng):
    X = rng.uniform(size=(500, 2))
    E = ShiftedBasisEncoder("triangle", stable_rank=5).fit_transform(X)
    everything = distance_preservation(X, E, n_pairs=500 * 499 // 2)
    some = [distance_preservation(X, E, n_pairs=5000, random_state=seed) for seed in (0, 0, 1)]
    assert some[0] == some[1] != some[2]
    np.testing.assert_allclose(some, everything, atol=0.04)
    in_sparse = distance_preservation(X, sparse.csr_matrix(E), n_pairs=5000, random_state=0)
    assert in_sparse == pytest.approx(some[0], abs=1e-8)


def test_distance_preservation_of_extremes():
    X = np.array([0.0, 1.0, 2.3, 4.9, 7.0, 11.6])[:, None]  # no two distances are equal
    angles = X[:, 0] / 12
    assert distance_preservation(X, np.column_stack([np.cos(angles), np.sin(angles)])) == 1
    assert distance_preservation(X, np.eye(6)) == 0  # all equally far
    assert distance_preservation(np.ones((6, 2)), np.random.default_rng(0).normal(size=(6, 3))) == 0
    assert distance_preservation(X, np.zeros((6, 2))) == 0
    # a row of 0 is like no other
    alike = np.array([0, 1, 1, 1, 2, 2])
    similarity = np.maximum(alike[:, None] == alike, 0.1)[np.triu_indices(6, k=1)]
    nearness = -pdist(X)[np.lexsort(np.triu_indices(6, k=1)[::-1])]
    expected = stats.spearmanr(nearness, similarity).statistic
    with_a_zero_row = np.vstack([np.zeros(2), np.eye(2)[[0, 0, 0, 1, 1]]])
    assert distance_preservation(X, with_a_zero_row) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n_samples", "n_pairs"), [(2, 10), (5, 10), (7, 20), (200, 3000), (10**6, 5000)]
)
def test_pairs_are_distinct(n_samples, n_pairs):
    i, j = _pairs(n_samples, n_pairs, 0)
    assert len(i) == min(n_pairs, n_samples * (n_samples - 1) // 2)
    assert (i >= 0).all()
    assert (i < j).all()
    assert (j < n_samples).all()
    assert len(set(zip(i.tolist(), j.tolist(), strict=True))) == len(i)


def test_pairs_are_uniform():
    counts = np.zeros((6, 6))
    for seed in range(2000):
        np.add.at(counts, _pairs(6, 3, seed), 1)
    drawn = counts[np.triu_indices(6, 1)]
    assert counts.sum() == 6000
    assert stats.chisquare(drawn).pvalue > 1e-3
    large = _pairs(10**6, 20_000, 0)
    # the larger index of a uniform pair has the distribution u**2
    assert stats.kstest(large[1] / 1e6, lambda u: u**2).pvalue > 1e-3


@given(st.integers(2, 2**31), st.sampled_from([-1, 0, 1]))
def test_pairs_are_told_from_their_number_exactly(j, offset):
    # j (j - 1) / 2 is where the root that gives j back may be off by one
    code = max(0, j * (j - 1) // 2 + offset)
    drawn = {"return_value": np.array([code])}
    with mock.patch("sk_posenc.measures.distance_preservation.sample_without_replacement", **drawn):
        first, second = _pairs(2**31 + 1, 1, 0)
    wanted = (1 + math.isqrt(1 + 8 * code)) // 2
    assert (first[0], second[0]) == (code - wanted * (wanted - 1) // 2, wanted)


def test_pairs_of_very_many_samples():
    n_samples = 3 * 10**9
    i, j = _pairs(n_samples, 1000, 0)
    assert ((i >= 0) & (i < j) & (j < n_samples)).all()


@pytest.mark.parametrize(
    ("X", "E", "settings", "message"),
    [
        (np.eye(3), np.eye(4), {}, "inconsistent"),
        (np.ones((1, 1)), np.ones((1, 1)), {}, "minimum of 2"),
        (np.ones(3), np.eye(3), {}, "1D|2D"),
        (np.eye(3), np.full((3, 1), np.nan), {}, "E contains NaN"),
        (np.full((3, 1), np.inf), np.eye(3), {}, "X contains infinity"),
        (np.eye(3), np.eye(3), {"level": 1.0}, "level"),
        (np.eye(3), np.eye(3), {"level": -1.1}, "level"),
        (np.eye(3), np.eye(3), {"level": math.nan}, "level"),
        (np.eye(3), np.eye(3), {"n_pairs": 1}, "n_pairs"),
        (np.eye(3), np.eye(3), {"n_pairs": -5}, "n_pairs"),
    ],
)
def test_distance_preservation_errors(X, E, settings, message):
    with pytest.raises(ValueError, match=message):
        distance_preservation(X, E, **settings)


@pytest.mark.parametrize(
    "settings", [{"level": "low"}, {"level": True}, {"n_pairs": "all"}, {"n_pairs": 50.5}]
)
def test_distance_preservation_of_settings_of_other_types(settings):
    with pytest.raises(TypeError, match=f"{next(iter(settings))} must be a .*number. Got"):
        distance_preservation(np.eye(3), np.eye(3), **settings)


def test_encodings_of_one_stable_rank_preserve_distances_alike():
    X = np.linspace(0, 1, 512)[:, None]
    encoders = [
        ShiftedBasisEncoder("gaussian", stable_rank=32),
        ShiftedBasisEncoder("triangle", stable_rank=32),
        RandomFourierEncoder(512, stable_rank=32, random_state=0),
    ]
    for encoder in encoders:
        value = distance_preservation(X, encoder.fit_transform(X), n_pairs=512 * 511 // 2)
        assert value == pytest.approx(0.38, abs=0.03)


def test_distance_preservation_falls_with_stable_rank():
    X = np.linspace(0, 1, 512)[:, None]
    values = [
        distance_preservation(X, ShiftedBasisEncoder(stable_rank=rank).fit_transform(X))
        for rank in (4, 8, 16, 32, 64, 128)
    ]
    assert (np.diff(values) < 0).all()
    assert values[0] > 0.85
    assert values[-1] == pytest.approx(0.19, abs=0.03)


@settings(max_examples=20)
@given(
    st.lists(st.integers(2, 5), min_size=2, max_size=3),
    st.floats(1e-3, 1e3),
    st.floats(-9, 9),
    st.integers(0, 99),
)
def test_equal_distances_of_a_grid_are_ties_in_any_unit(shape, unit, origin, seed):
    rng = np.random.default_rng(seed)
    places = np.indices(shape).reshape(len(shape), -1).T
    # cosines of turns that are whole numbers of steps apart: equal, but for rounding
    steps = rng.permutation(len(places))
    turn = 3 / len(steps)
    E = np.column_stack([np.cos(turn * steps), np.sin(turn * steps)])
    first, second = np.triu_indices(len(places), k=1)
    # squares in whole numbers: each axis counts by the range that it has
    lcm = math.lcm(*[n - 1 for n in shape])
    whole = (places * (lcm // (np.array(shape) - 1))).astype(int)
    nearness = -np.sum((whole[first] - whole[second]) ** 2, axis=1)
    similarity = -np.abs(steps[first] - steps[second])
    similarity = np.maximum(similarity, -math.floor(math.acos(0.1) / turn) - 1)  # below the level
    expected = stats.spearmanr(nearness, similarity).statistic
    X = unit * (origin + places) * np.arange(1, len(shape) + 1)
    assert distance_preservation(X, E, n_pairs=10**6) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n_axes", [1, 3])
def test_the_draw_of_pairs_of_the_scorer_is_fixed(n_axes, rng):
    X = rng.uniform(size=(400, n_axes)) * [1.0, 1e4, 1e-3][:n_axes]
    encoder = ShiftedBasisEncoder(stable_rank=5).fit(X)
    E = encoder.transform(X)
    scores = {distance_preservation_scorer(encoder, X) for _ in range(3)}
    assert scores == {distance_preservation(X, E, random_state=0)}
    assert scores != {distance_preservation(X, E, random_state=1)}


def test_coordinates_as_wide_as_floats_are(rng):
    X = rng.uniform(-0.01, 0.01, (50, 2))
    X[:2] = [[-1, 1], [1, -1]]  # their difference overflows, the sum of all does not
    E = ShiftedBasisEncoder(stable_rank=4).fit_transform(X)
    expected = distance_preservation(X, E)
    assert distance_preservation(1.5e308 * X, E) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("unit", "scale"), [("degrees", 1.0), ("radians", np.pi / 180)])
def test_great_circles_are_the_angles_between_places(unit, scale, rng):
    places = np.column_stack([rng.uniform(-360, 360, 60), rng.uniform(-90, 90, 60)])
    E = rng.normal(size=(60, 9)) + places[:, :1] / 90
    (a, b) = np.radians(places).T
    cosines = np.sin(b)[:, None] * np.sin(b) + np.outer(np.cos(b), np.cos(b)) * np.cos(
        a[:, None] - a
    )
    angles = np.arccos(np.clip(cosines, -1, 1))[np.triu_indices(60, 1)]
    expected = stats.spearmanr(-angles, np.maximum(1 - pdist(E, "cosine"), 0.1)).statistic
    got = distance_preservation(places * scale, E, metric="great_circle", unit=unit)
    assert got == pytest.approx(expected, abs=1e-4)
    assert got != pytest.approx(distance_preservation(places, E), abs=1e-3)


def test_great_circle_scorer_sees_the_date_line(rng):
    places = np.column_stack([rng.uniform(-180, 180, 300), rng.uniform(-90, 90, 300)])
    score = make_distance_preservation_scorer(metric="great_circle")
    assert repr(score) == "make_distance_preservation_scorer(metric='great_circle', unit='degrees')"
    sphere = SphereCoordinates().fit(places)
    assert score(sphere, places) == pickle.loads(pickle.dumps(score))(sphere, places) > 0.9
    plain = make_distance_preservation_scorer()
    assert plain(sphere, places) == distance_preservation_scorer(sphere, places) < 0.7
    pipeline = make_pipeline(SphereCoordinates(), RandomFourierEncoder(128, random_state=0))
    grid = {"randomfourierencoder__stable_rank": [1, 20]}
    search = GridSearchCV(pipeline, grid, scoring=score, error_score="raise").fit(places)
    assert search.best_params_ == {"randomfourierencoder__stable_rank": 1}


def test_metrics_that_are_refused(rng):
    places, E = rng.uniform(size=(9, 2)), rng.uniform(size=(9, 3))
    for wrong, error, words in (
        ({"metric": "haversine"}, ValueError, "metric must be one of"),
        ({"metric": None}, TypeError, "metric must be one of"),
        ({"unit": "km"}, ValueError, "unit must be one of"),
    ):
        with pytest.raises(error, match=words):
            distance_preservation(places, E, **wrong)
        with pytest.raises(error, match=words):
            make_distance_preservation_scorer(**wrong)
    with pytest.raises(ValueError, match="Latitudes"):
        distance_preservation(places + 90, E, metric="great_circle")
    with pytest.raises(ValueError, match="two columns"):
        distance_preservation(places[:, :1], E, metric="great_circle")
