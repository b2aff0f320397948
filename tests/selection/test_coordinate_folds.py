"""Folds in space, against index arithmetic on full grids and set algebra elsewhere."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    BaseCrossValidator,
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
)
from sklearn.model_selection._split import _yields_constant_splits
from sklearn.neighbors import KNeighborsRegressor

from sk_posenc import CoordinateKFold, KroneckerRidge, ShiftedBasisEncoder, grid_samples

_SCHEMES = ["subgrid", "block", "random"]
_IN_SPACE = ["subgrid", "block"]


def _folds(cv, X):
    """The fold of each row, after checking that test folds partition the rows."""
    fold = np.full(len(X), -1)
    splits = list(cv.split(X))
    assert len(splits) == cv.get_n_splits()
    for k, (train, test) in enumerate(splits):
        assert len(test) > 0
        assert (fold[test] == -1).all()
        fold[test] = k
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(X)))
    assert (fold >= 0).all()
    return fold


def _grid(*shape):
    return grid_samples(np.zeros(shape))[0]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.integers(2, 9),
    st.sampled_from(_SCHEMES),
)
def test_test_folds_partition_a_grid_of_any_shape(shape, n_splits, scheme):
    X = _grid(*shape)
    cv = CoordinateKFold(n_splits, scheme=scheme, random_state=0)
    try:
        next(cv.split(X))
    except ValueError:
        # Only a grid too small, or one that a prime does not fit on, is refused.
        assert len(X) < n_splits or (scheme != "random" and not _factorises(n_splits, shape))
        return
    _folds(cv, X)


def _factorises(n, shape):
    if len(shape) == 0:
        return n == 1
    return any(n % k == 0 and _factorises(n // k, shape[1:]) for k in range(1, shape[0] + 1))


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(2, 8), st.sampled_from(_SCHEMES))
def test_test_folds_partition_scattered_samples(seed, n_axes, n_splits, scheme):
    X = np.random.default_rng(seed).uniform(size=(800, n_axes))
    _folds(CoordinateKFold(n_splits, scheme=scheme, random_state=0), X)


@pytest.mark.parametrize(
    ("n_splits", "shape", "factors"),
    [
        (4, (8, 8), (2, 2)),
        (8, (4, 4, 4), (2, 2, 2)),
        (6, (8, 8), (3, 2)),
        (6, (8, 9), (2, 3)),
        (5, (7, 8), (1, 5)),
        (5, (8, 8), (5, 1)),
        (12, (9, 9), (4, 3)),
        (9, (2, 30), (1, 9)),
        (36, (4, 100), (4, 9)),
        (4, (1, 6), (1, 4)),
        (4, (4, 4, 5), (2, 1, 2)),
        (16, (6, 6, 6), (4, 2, 2)),
        (3, (7,), (3,)),
    ],
)
def test_folds_of_a_grid_are_offsets_and_blocks(n_splits, shape, factors):
    X = _grid(*shape)
    indices = np.indices(shape).reshape(len(shape), -1)
    offsets = [i % k for i, k in zip(indices, factors, strict=True)]
    blocks = [i * k // n for i, k, n in zip(indices, factors, shape, strict=True)]
    np.testing.assert_array_equal(
        _folds(CoordinateKFold(n_splits), X), np.ravel_multi_index(offsets, factors)
    )
    np.testing.assert_array_equal(
        _folds(CoordinateKFold(n_splits, scheme="block"), X), np.ravel_multi_index(blocks, factors)
    )


@given(
    st.lists(st.integers(2, 9), min_size=1, max_size=3),
    st.sampled_from([2, 3, 4, 6, 8]),
    st.sampled_from(_IN_SPACE),
)
def test_each_fold_of_a_full_grid_is_a_full_grid(shape, n_splits, scheme):
    assume(_factorises(n_splits, shape))
    X = _grid(*shape)
    for _, test in CoordinateKFold(n_splits, scheme=scheme).split(X):
        steps = []
        n_points = 1
        for axis, column in enumerate(X[test].T):
            positions = np.unique(np.rint(column * shape[axis]).astype(int))
            n_points *= len(positions)
            steps.append(set(np.diff(positions)))
        assert len(test) == n_points
        if scheme == "subgrid":
            assert all(len(step) <= 1 for step in steps)
        else:
            assert all(step <= {1} for step in steps)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_blocks_of_scattered_samples_are_boxes_apart(seed, n_axes):
    X = np.random.default_rng(seed).uniform(size=(300, n_axes))
    n_splits = 2**n_axes
    fold = _folds(CoordinateKFold(n_splits, scheme="block"), X)
    boxes = [(X[fold == k].min(axis=0), X[fold == k].max(axis=0)) for k in range(n_splits)]
    for i, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[:i]:
            assert ((high < other_low) | (other_high < low)).any()


@pytest.mark.parametrize("scheme", _IN_SPACE)
@given(seed=st.integers(0, 2**32 - 1), scattered=st.booleans())
def test_order_of_rows_does_not_matter(scheme, seed, scattered):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(300, 2)) if scattered else _grid(12, 15)[rng.permutation(180)[:150]]
    order = rng.permutation(len(X))
    cv = CoordinateKFold(4, scheme=scheme)
    np.testing.assert_array_equal(_folds(cv, X)[order], _folds(cv, X[order]))


@pytest.mark.parametrize("scheme", _IN_SPACE)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-3, 1e3),
    origin=st.floats(-1e3, 1e3),
    scattered=st.booleans(),
)
def test_unit_and_origin_of_an_axis_do_not_matter(scheme, seed, scale, origin, scattered):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(300, 2)) if scattered else _grid(33, 33)[rng.permutation(1089)[:272]]
    moved = X * [scale, 1] + [origin, 0]
    cv = CoordinateKFold(4, scheme=scheme)
    np.testing.assert_array_equal(_folds(cv, X), _folds(cv, moved))


@pytest.mark.parametrize("scheme", _IN_SPACE)
def test_samples_at_the_same_place_share_a_fold(scheme):
    X = np.random.default_rng(0).uniform(size=(200, 2))
    fold = _folds(CoordinateKFold(4, scheme=scheme), np.repeat(X, 3, axis=0)).reshape(200, 3)
    assert (fold == fold[:, :1]).all()


def test_subgrid_of_an_uneven_series_takes_every_kth_time():
    time = np.random.default_rng(0).exponential(size=100).cumsum()
    fold = _folds(CoordinateKFold(5), time[:, None])
    np.testing.assert_array_equal(fold, np.arange(100) % 5)


def test_subgrid_of_scattered_samples_reaches_all_over_the_domain():
    X = np.random.default_rng(0).uniform(size=(2000, 2))
    for _, test in CoordinateKFold(4).split(X):
        assert 400 < len(test) < 600
        # Uniform over the square: each quadrant has its quarter, within sampling error.
        quadrant = 2 * (X[test, 0] > 0.5) + (X[test, 1] > 0.5)
        assert np.bincount(quadrant).min() > 0.15 * len(test)


@given(st.integers(5, 60), st.integers(2, 5), st.integers(0, 100))
def test_random_folds_are_of_equal_size(n_samples, n_splits, seed):
    fold = _folds(CoordinateKFold(n_splits, scheme="random", random_state=seed), _grid(n_samples))
    assert np.ptp(np.bincount(fold)) <= 1


@pytest.mark.parametrize("scheme", ["subgrid", "random", "block"])
@pytest.mark.parametrize(("seed", "kind"), [({}, TypeError), (True, TypeError), (-1, ValueError)])
def test_bad_seeds_are_refused_where_none_is_drawn(scheme, seed, kind):
    with pytest.raises(kind, match="random_state must be a whole number"):
        CoordinateKFold(scheme=scheme, random_state=seed)


def test_few_groups_are_told_of_random_folds():
    X, station = np.repeat(np.random.default_rng(0).random((12, 2)), 3, axis=0), np.arange(36) // 3
    with pytest.raises(ValueError, match=r"3 x 3 cells .*places of groups\): set scheme='random'"):
        next(CoordinateKFold(5).split(X, groups=station))
    folds = CoordinateKFold(5, scheme="random", random_state=0).split(X, groups=station)
    assert sorted(len(test) for _, test in folds) == [6, 6, 6, 9, 9]


def test_random_state_decides_random_folds_only():
    X = _grid(20, 20)

    def folds(scheme, random_state):
        return _folds(CoordinateKFold(scheme=scheme, random_state=random_state), X)

    np.testing.assert_array_equal(folds("random", 0), folds("random", 0))
    assert (folds("random", 0) != folds("random", 1)).any()
    cv = CoordinateKFold(scheme="random")
    assert (_folds(cv, X) != _folds(cv, X)).any()
    np.testing.assert_array_equal(folds("subgrid", 0), folds("subgrid", 1))


@pytest.mark.parametrize(
    "convert",
    [
        np.ndarray.tolist,
        np.float32,
        lambda X: pd.DataFrame(X, columns=["x", "y"], index=np.arange(len(X))[::-1]),
        lambda X: pl.DataFrame(X, schema=["x", "y"]),
    ],
    ids=["list", "float32", "pandas", "polars"],
)
@pytest.mark.parametrize("scheme", _SCHEMES)
def test_any_container_gives_the_same_folds(convert, scheme):
    X = _grid(8, 10)
    X.setflags(write=False)
    cv = CoordinateKFold(4, scheme=scheme, random_state=0)
    np.testing.assert_array_equal(_folds(cv, X), _folds(cv, convert(X)))


@pytest.mark.parametrize("scheme", _IN_SPACE)
def test_float32_gives_the_same_folds_where_cells_end_on_coordinates(scheme):
    X = _grid(513, 513)[np.random.default_rng(0).permutation(513**2)[: 513**2 // 4]]
    cv = CoordinateKFold(4, scheme=scheme)
    np.testing.assert_array_equal(_folds(cv, X), _folds(cv, X.astype(np.float32)))


def test_torch_tensor_gives_the_same_folds():
    torch = pytest.importorskip("torch")
    X = _grid(8, 10)
    np.testing.assert_array_equal(
        _folds(CoordinateKFold(), X), _folds(CoordinateKFold(), torch.asarray(X))
    )


def test_works_inside_scikit_learn():
    X, y = grid_samples(np.sin(np.add.outer(np.arange(20), np.arange(24)) / 6))
    cv = CoordinateKFold(4)
    assert isinstance(cv, BaseCrossValidator)
    model = KNeighborsRegressor(weights="distance")
    search = clone(GridSearchCV(model, {"n_neighbors": [1, 4]}, cv=cv)).fit(X, y)
    assert search.best_params_ == {"n_neighbors": 4}
    assert search.n_splits_ == 4
    predicted = cross_val_predict(model, X, y, cv=cv)
    # Oracle: each pixel predicted by a model that has seen the three other offsets.
    odd = (np.indices((20, 24)) % 2 == 1).all(axis=0).ravel()
    expected = model.fit(X[~odd], y[~odd]).predict(X[odd])
    np.testing.assert_allclose(predicted[odd], expected)


def test_repr_shows_the_parameters():
    text = repr(CoordinateKFold(6, scheme="block"))
    settings = "metric='euclidean', n_splits=6, random_state=None, scheme='block', unit='degrees'"
    assert " ".join(text.split()) == f"CoordinateKFold({settings})"


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_splits": 1}, ValueError, "at least 2.*Got 1"),
        ({"n_splits": 2.5}, TypeError, "whole number. Got 2.5"),
        ({"n_splits": 4.0}, TypeError, "whole number. Got 4.0"),
        ({"n_splits": True}, TypeError, "whole number. Got True"),
        ({"scheme": "grid"}, ValueError, "'subgrid', 'block', 'random'.*Got 'grid'"),
        ({"scheme": None}, TypeError, "'subgrid', 'block', 'random'.*Got None"),
    ],
)
def test_wrong_parameters_are_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        CoordinateKFold(**parameters)


def test_numpy_integers_are_integers():
    assert CoordinateKFold(np.int64(4)).get_n_splits() == 4


@pytest.mark.parametrize(
    ("X", "n_splits", "message"),
    [
        (_grid(3), 4, "lower n_splits. Got 3"),
        (_grid(3, 4), 7, "does not factorise over axes of 3 x 4 cells.*scheme='random'"),
        (np.zeros((9, 2)), 2, "does not factorise over axes of 1 x 1 cells"),
        (np.arange(8.0), 4, "Expected 2D array, got 1D array instead"),
        ([[0.0], [np.nan], [1.0]], 2, "drop or impute.*infinity in 1 of 3 rows, first in row 1"),
        ([[0.0], [np.inf], [1.0]], 2, "drop or impute.*NaN or infinity in 1 of 3 rows"),
        # On the diagonal the row's offset is the column's: two of four folds stay empty.
        (np.repeat(np.arange(16.0), 2).reshape(16, 2), 4, "leaves 2 folds without a sample.*4 x 4"),
    ],
)
def test_impossible_splits_are_refused(X, n_splits, message):
    with pytest.raises(ValueError, match=message):
        next(CoordinateKFold(n_splits).split(X))


@pytest.mark.parametrize("scheme", ["subgrid", "random"])
def test_truth_values_and_whole_numbers_are_coordinates(scheme):
    X = np.random.default_rng(0).integers(0, 9, size=(60, 2))
    for rows in (X, X > 4):
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            split = CoordinateKFold(2, scheme=scheme, random_state=0).split
            found, expected = list(split(rows)), list(split(rows.astype(float)))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one[1], other[1])


def test_successive_halving_takes_the_folds():
    X = np.random.default_rng(0).random((200, 2))
    y = np.sin(5 * X[:, 0]) + X[:, 1]
    grid = {"encoder__stable_rank": [3, 6]}
    model = KroneckerRidge(ShiftedBasisEncoder(), alpha=1e-3)
    search = HalvingGridSearchCV(model, grid, cv=CoordinateKFold(4), min_resources=100).fit(X, y)
    assert search.best_params_["encoder__stable_rank"] in (3, 6)
    seeded = CoordinateKFold(4, scheme="random", random_state=0)
    assert _yields_constant_splits(seeded)
    with pytest.raises(ValueError, match="random_state"):
        HalvingGridSearchCV(model, grid, cv=CoordinateKFold(4, scheme="random")).fit(X, y)


@pytest.mark.parametrize("routing", [False, True])
def test_searches_hand_over_groups(routing):
    X, groups = np.random.default_rng(0).random((120, 2)), np.arange(120) // 6
    seen = []

    class Noting(CoordinateKFold):
        def split(self, X, y=None, groups=None):
            seen.append(groups)
            yield from super().split(X, y, groups)

    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(KroneckerRidge(), {"alpha": [1.0]}, cv=Noting(2))
        search.fit(X, X[:, 0], groups=groups)
    np.testing.assert_array_equal(seen[0], groups)


def test_tracks_are_told():
    along = np.linspace(0, 1, 60)[:, None]
    ends = np.random.default_rng(0).random((8, 2, 2))
    X = np.vstack([first + (last - first) * along for first, last in ends])
    with pytest.warns(UserWarning, match=r"tracks or clusters.*groups.*scheme='block'"):
        list(CoordinateKFold(4).split(X))
    list(CoordinateKFold(4, scheme="block").split(X))
    list(CoordinateKFold(2).split(X, groups=np.repeat(np.arange(8), 60)))


def test_dates_and_masks():
    t = np.arange(12).astype("datetime64[D]")[:, None]
    of_dates, of_days = (
        [test.tolist() for _, test in CoordinateKFold(4).split(X)]
        for X in (t, np.arange(12.0)[:, None])
    )
    assert of_dates == of_days
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 12 rows"):
        list(CoordinateKFold(4).split(np.ma.masked_equal(np.arange(12.0)[:, None], 3)))
