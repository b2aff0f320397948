"""Folds on the sphere: as large as each other, in one piece, wherever the date line is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sk_posenc import CoordinateKFold, KroneckerRidgeCV, SphereCoordinates
from sk_posenc.selection._sphere_blocks import sphere_blocks


def globe(n, seed=0):
    rng = np.random.default_rng(seed)
    height = rng.uniform(-1, 1, n)
    return np.column_stack([rng.uniform(-180, 180, n), np.degrees(np.arcsin(height))])


def folds(X, n, scheme="block", groups=None, **settings):
    fold = np.empty(len(X), dtype=int)
    cv = CoordinateKFold(n, scheme=scheme, metric="great_circle", **settings)
    for k, (train, test) in enumerate(cv.split(X, groups=groups)):
        fold[test] = k
        assert sorted([*train, *test]) == list(range(len(X)))
    return fold


@given(st.integers(2, 9), st.integers(0, 9), st.floats(-400, 400))
def test_blocks_are_equal_and_turn_with_the_globe(n, seed, turn):
    X = globe(60, seed)
    fold = folds(X, n)
    assert np.ptp(np.bincount(fold, minlength=n)) <= 1
    turned = folds(X + np.array([turn, 0]), n)
    pairs = {*zip(fold.tolist(), turned.tolist(), strict=True)}
    assert len(pairs) == n  # the same blocks, perhaps in another order


def test_blocks_are_in_one_piece_and_no_slivers():
    X = globe(2_000)
    points = SphereCoordinates().fit_transform(X)
    for n, farthest in ((2, 95), (4, 95), (6, 75), (8, 60), (12, 60)):
        fold = folds(X, n)
        for k in range(n):
            own = points[fold == k]
            middle = own.mean(axis=0)
            cosines = own @ middle / np.linalg.norm(middle)
            assert np.degrees(np.arccos(cosines.min())) < farthest


def test_neighbours_across_the_date_line_and_the_pole_stay_together():
    random = np.random.default_rng(0)
    pacific = np.column_stack([random.uniform(160, 200, 80), random.uniform(-20, 20, 80)])
    wrapped = np.column_stack([(pacific[:, 0] + 180) % 360 - 180, pacific[:, 1]])
    np.testing.assert_array_equal(folds(pacific, 4), folds(wrapped, 4))
    # three clusters, of which one is around the pole and one across the date line
    pole = np.column_stack([random.uniform(-180, 180, 30), random.uniform(85, 90, 30)])
    line = np.column_stack([180 + random.uniform(-5, 5, 30), random.uniform(-50, -45, 30)])
    line[:, 0] = (line[:, 0] + 180) % 360 - 180
    land = np.column_stack([random.uniform(10, 15, 30), random.uniform(-50, -45, 30)])
    fold = folds(np.concatenate([pole, line, land]), 3)
    assert [len({*part.tolist()}) for part in np.split(fold, 3)] == [1, 1, 1]


def test_places_groups_and_further_columns_stay_together():
    X = np.repeat(globe(30), 4, axis=0)
    fold = folds(X, 5)
    assert (fold.reshape(30, 4) == fold[::4, None]).all()
    dated = np.column_stack([X, np.arange(120)])
    np.testing.assert_array_equal(folds(dated, 5), fold)
    groups = np.arange(120) % 7
    by_group = folds(globe(120), 3, groups=groups)
    assert all(len({*by_group[groups == g].tolist()}) == 1 for g in range(7))
    np.testing.assert_array_equal(folds(np.radians(X), 5, unit="radians"), fold)


def test_random_folds_and_scores_through_a_pipeline():
    X = globe(90)
    fold = folds(X, 4, "random", random_state=0)
    assert np.ptp(np.bincount(fold)) <= 1
    y = np.sin(np.radians(X[:, 1]))
    model = make_pipeline(SphereCoordinates(), KroneckerRidgeCV())
    cv = CoordinateKFold(3, scheme="block", metric="great_circle")
    assert cross_val_score(model, X, y, cv=cv, scoring="r2").min() > 0.5


def test_what_is_refused():
    for settings, error, words in (
        ({"metric": "great_circle"}, ValueError, r"scheme='random'.*Got 'subgrid'"),
        ({"metric": "chord"}, ValueError, "metric must be one of"),
        ({"metric": 3}, TypeError, "metric must be one of"),
        ({"unit": "rad"}, ValueError, "unit must be one of"),
    ):
        with pytest.raises(error, match=words):
            CoordinateKFold(**settings)
    cv = CoordinateKFold(4, scheme="block", metric="great_circle")
    for X, words in (
        (globe(9)[:, ::-1], "order is longitude"),
        (globe(9)[:, :1], "start with two columns"),
        (np.repeat(globe(3), 3, axis=0), "4 blocks need at least as many.*Got 3"),
    ):
        with pytest.raises(ValueError, match=words):
            list(cv.split(X))


def test_many_blocks_of_few_places():
    points = SphereCoordinates().fit_transform(globe(11))
    np.testing.assert_array_equal(np.sort(sphere_blocks(points, 11)), np.arange(11))


def test_points_of_the_sphere_are_no_places():
    X = np.column_stack([np.linspace(-170, 170, 40), np.linspace(-80, 80, 40)])
    points = SphereCoordinates().fit_transform(X)
    cv = CoordinateKFold(4, scheme="block", metric="great_circle")
    for rows in (points, points.astype(np.float32), np.column_stack([points, X[:, 0]])):
        with pytest.raises(ValueError, match="seems to hold points x, y, z"):
            next(cv.split(rows))
    next(cv.split(np.column_stack([X, points[:, 2]])))  # a third column of its own
