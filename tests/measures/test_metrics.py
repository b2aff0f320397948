"""Metrics against dense algebra and scipy, and their scorers in searches."""

import math
import pickle
import warnings
from unittest import mock

import numpy as np
import pytest
import torch
from encoder_contract import dense_stable_rank
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from scipy.spatial.distance import pdist
from skimage.metrics import peak_signal_noise_ratio
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from test_shifted_basis import grid

from sk_posenc import (
    FourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    distance_preservation,
    distance_preservation_scorer,
    make_psnr_scorer,
    psnr_score,
    psnr_scorer,
    similarity_radius,
    similarity_radius_scorer,
    stable_rank,
    stable_rank_scorer,
)
from sk_posenc.measures.distance_preservation import _pairs


@pytest.mark.parametrize("shape", [(50, 7), (7, 50), (1, 9), (9, 1), (30, 30)], ids=str)
@pytest.mark.parametrize("kind", ["dense", "csr", "csc", "coo", "torch", "list"])
def test_stable_rank_against_all_singular_values(shape, kind, rng):
    A = rng.normal(size=shape) * np.geomspace(1, 0.1, shape[1]) * (rng.uniform(size=shape) < 0.7)
    A[0, 0] = 1.0
    convert = {
        "dense": np.asarray,
        "csr": sparse.csr_array,
        "csc": sparse.csc_matrix,
        "coo": sparse.coo_array,
        "torch": torch.asarray,
        "list": np.ndarray.tolist,
    }
    assert stable_rank(convert[kind](A)) == pytest.approx(dense_stable_rank(A), rel=1e-10)


def test_stable_rank_where_singular_values_nearly_tie():
    # near enough for LAPACK to fail where it is asked for the largest of them alone
    encoder = ShiftedBasisEncoder(
        bandwidth=0.01, n_shifts=10_000, domain=(0, 1), boundary="periodic"
    ).fit([[0.0], [1.0]])
    encoded = encoder.transform(np.arange(8)[:, None] / 8)
    assert stable_rank(encoded) == pytest.approx(8, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8, bool])
@pytest.mark.parametrize("convert", [np.asarray, torch.asarray], ids=["numpy", "torch"])
def test_stable_rank_of_other_types(dtype, convert, rng):
    A = (rng.uniform(size=(40, 6)) * 3).astype(dtype)
    assert stable_rank(convert(A)) == pytest.approx(dense_stable_rank(A.astype(float)), rel=1e-10)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e307])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array, torch.asarray])
def test_stable_rank_of_huge_and_tiny_entries(scale, convert, rng):
    A = np.round(rng.normal(size=(20, 6)), 2)
    tolerance = 1e-2 if scale < 1e-300 else 1e-10  # subnormal numbers have few digits
    assert stable_rank(convert(A * scale)) == pytest.approx(dense_stable_rank(A), rel=tolerance)


def test_stable_rank_by_lanczos():
    # known singular values: orthogonal sparse blocks of sizes that differ
    blocks = [np.full((1, 1), s) for s in np.linspace(1, 2, 2049)] + [np.full((2, 2), 1.5)]
    singular = np.r_[np.linspace(1, 2, 2049), 3.0]
    expected = np.sum(singular**2) / 9
    A = sparse.block_diag(blocks, format="csr")
    assert stable_rank(A) == pytest.approx(expected, rel=1e-10)
    close = sparse.diags_array(np.r_[np.ones(2100), 1 + 1e-3])  # a gap that is small
    assert stable_rank(close) == pytest.approx((2100 + 1.001**2) / 1.001**2, rel=1e-10)
    assert stable_rank(sparse.eye_array(2050)) == pytest.approx(2050, rel=1e-10)


def test_stable_rank_of_a_large_dense_matrix_by_lanczos(rng):
    left, right = rng.normal(size=(2100, 3)), rng.normal(size=(3, 2050))
    core = np.linalg.qr(left)[1] @ np.linalg.qr(right.T)[1].T
    assert stable_rank(left @ right) == pytest.approx(dense_stable_rank(core), rel=1e-10)


@pytest.mark.parametrize(
    ("A", "message"),
    [
        (np.zeros((3, 3)), "A is all 0"),
        (sparse.csr_array((3, 3)), "A is all 0"),
        (torch.zeros(3, 3), "A is all 0"),
        (np.array([[np.nan, 1.0]]), "NaN"),
        (sparse.csr_array([[np.inf, 1.0]]), "infinity"),
        (torch.tensor([[math.nan, 1.0]]), "NaN"),
        (np.empty((0, 3)), "0 sample"),
        (torch.empty(3, 0), "at least one row and column"),
        (np.ones(3), "1D array"),
        (torch.ones(3), "A must be a matrix"),
        (np.ones((2, 2, 2)), "dim 3"),
    ],
)
def test_stable_rank_of_what_has_none(A, message):
    with pytest.raises(ValueError, match=message):
        stable_rank(A)


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


@pytest.mark.parametrize("unit", [1.0, 1e-4, 360.0])
@pytest.mark.parametrize("rank", [3, 50])
def test_similarity_radius_in_closed_form(rank, unit):
    X = grid(20) * [unit, 1.0]
    domain = [(0.0, unit), (0.0, 1.0)]
    expected = {
        "gaussian": math.sqrt(math.log(10) / math.pi) / rank,
        "rectangle": 0.9 / rank,
        # cubic B-spline near its end: (2 - d)**3 / 6 = 0.1 * 2/3, in half-widths 2 / (3 SR)
        "triangle": (2 - 0.4 ** (1 / 3)) * 2 / (3 * rank),
    }
    for basis, radius in expected.items():
        encoder = ShiftedBasisEncoder(basis, stable_rank=rank, domain=domain).fit(X)
        np.testing.assert_allclose(similarity_radius(encoder), [radius * unit, radius], rtol=1e-6)
    at_half = ShiftedBasisEncoder("rectangle", stable_rank=rank, domain=domain).fit(X)
    np.testing.assert_allclose(similarity_radius(at_half, level=0.5)[1], 0.5 / rank, rtol=1e-6)


@pytest.mark.parametrize(
    "encoder",
    [FourierEncoder(12), LogFourierEncoder(), RandomFourierEncoder(200, stable_rank=10)],
    ids=str,
)
def test_similarity_radius_is_the_first_crossing(encoder):
    X = np.linspace(0, 1, 100)[:, None]
    radius = similarity_radius(encoder.fit(X))[0]
    lags = np.linspace(0, radius, 200)[:, None]
    D = encoder.similarity(np.zeros((1, 1)), lags)[0]
    assert (D[:-1] > 0.1).all()
    assert D[-1] == pytest.approx(0.1, abs=1e-9)


def test_similarity_radius_where_it_never_falls():
    X = np.linspace(0, 5, 30)[:, None]
    np.testing.assert_array_equal(similarity_radius(ShiftedBasisEncoder(bandwidth=90).fit(X)), [5])
    for level, error in (
        *((bad, ValueError) for bad in (0, 1, -1, 2, math.nan)),
        *((bad, TypeError) for bad in ("low", None, True)),
    ):
        with pytest.raises(error, match="level must be"):
            similarity_radius(ShiftedBasisEncoder().fit(X), level=level)
    with pytest.raises(TypeError, match="encoder"):
        similarity_radius(MinMaxScaler().fit(X))
    with pytest.raises(ValueError, match="not fitted"):
        similarity_radius(ShiftedBasisEncoder())


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.floats(2, 60), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3)),
        min_size=1,
        max_size=4,
    )
)
@example([(1.0, 1.0, 0.0), (300.0, 1.0, 0.0), (117.0, 1.0, 0.0), (40.0, 1.0, 0.0)])
def test_radii_of_axes_are_those_of_each_alone(axes):
    X = np.column_stack([origin + unit * np.linspace(0, 1, 50) for _, unit, origin in axes])
    ranks = [rank for rank, _, _ in axes]
    gaussian = ShiftedBasisEncoder(stable_rank=ranks).fit(X)
    shares = math.sqrt(math.log(10) / math.pi) / np.array(ranks)
    units = np.array([unit for _, unit, _ in axes])
    np.testing.assert_allclose(similarity_radius(gaussian), shares * units, rtol=1e-6)
    assert similarity_radius_scorer(gaussian) == pytest.approx(np.mean(shares), rel=1e-6)
    # waves come back: the first crossing is found on every axis, whatever the others are
    waves = FourierEncoder(stable_rank=ranks).fit(X)
    alone = [
        similarity_radius(FourierEncoder(stable_rank=rank).fit(X[:, [axis]]))[0]
        for axis, rank in enumerate(ranks)
    ]
    np.testing.assert_allclose(similarity_radius(waves), alone, rtol=1e-9)
    shares = np.array(alone) / np.ptp(X, axis=0)
    assert similarity_radius_scorer(waves) == pytest.approx(np.mean(shares), rel=1e-9)


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


@pytest.mark.parametrize("shape", [(30,), (30, 1), (30, 3), (5, 6, 3)], ids=str)
@pytest.mark.parametrize("data_range", [1.0, 255])
def test_psnr(shape, data_range, rng):
    true = rng.uniform(size=shape) * data_range
    pred = true + rng.normal(size=shape) * data_range * 0.1
    got = psnr_score(true, pred, data_range=data_range)
    assert isinstance(got, float)
    assert got == pytest.approx(10 * math.log10(data_range**2 / np.mean((true - pred) ** 2)))
    assert got == pytest.approx(peak_signal_noise_ratio(true, pred, data_range=data_range))
    assert psnr_score(torch.asarray(true), torch.asarray(pred), data_range=data_range) == (
        pytest.approx(got)
    )


def test_psnr_of_a_perfect_fit_is_finite():
    for dtype, best in ((np.float64, 313.07), (np.float32, 138.47)):
        y = np.linspace(0, 1, 9).astype(dtype)
        assert psnr_score(y, y) == pytest.approx(best, abs=0.01)
    assert psnr_score([1, 2], [1, 2]) == pytest.approx(313.07, abs=0.01)


def test_psnr_of_huge_and_tiny_errors():
    assert psnr_score([1e300], [-1e300]) == pytest.approx(-20 * (300 + math.log10(2)))
    assert psnr_score([1.7e308, 0.0], [-1.7e308, 0.0]) == pytest.approx(-20 * 308.38, abs=0.1)
    tiny = psnr_score([1e-300], [2e-300], data_range=1e-300)
    assert tiny == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("true", "pred", "settings", "message"),
    [
        (np.ones(3), np.ones((3, 1)), {}, "same shape"),
        (np.ones(3), np.ones(1), {}, "same shape"),
        (np.array([np.nan]), np.ones(1), {}, "y_true"),
        (np.ones(1), np.array([np.inf]), {}, "y_pred"),
        (np.empty(0), np.empty(0), {}, "0 sample|y_true"),
        (np.ones(2), np.ones(2), {"data_range": 0}, "data_range"),
        (np.ones(2), np.ones(2), {"data_range": -1.0}, "data_range"),
        (np.ones(2), np.ones(2), {"data_range": math.inf}, "data_range"),
    ],
)
def test_psnr_errors(true, pred, settings, message):
    with pytest.raises(ValueError, match=message):
        psnr_score(true, pred, **settings)


class Holder(RegressorMixin, BaseEstimator):
    """A regressor that holds its encoder."""

    def __init__(self, encoder):
        self.encoder = encoder

    def fit(self, X, y):
        self.encoder_ = clone(self.encoder)
        self.head_ = Ridge(alpha=1e-3).fit(self.encoder_.fit_transform(X), y)
        return self

    def predict(self, X):
        return self.head_.predict(self.encoder_.transform(X))


SCORERS = {
    "stable_rank": stable_rank_scorer,
    "distances": distance_preservation_scorer,
    "radius": similarity_radius_scorer,
}
SIGNAL = np.random.default_rng(0).uniform(size=(90, 1))
TARGETS = np.sin(6 * SIGNAL[:, 0])
RANKS = [4, 12]
ENCODER = ShiftedBasisEncoder(domain=(0, 1))
SEARCHED = {
    "encoder": (ENCODER, "stable_rank", lambda fitted: fitted),
    "pipeline to encoder": (
        make_pipeline(MinMaxScaler(), ENCODER),
        "shiftedbasisencoder__stable_rank",
        lambda fitted: fitted,
    ),
    "pipeline to regressor": (
        make_pipeline(ENCODER, Ridge(alpha=1e-3)),
        "shiftedbasisencoder__stable_rank",
        lambda fitted: fitted[:-1],
    ),
    "transformed target": (
        TransformedTargetRegressor(
            make_pipeline(MinMaxScaler(), ENCODER, Ridge(alpha=1e-3)), transformer=MinMaxScaler()
        ),
        "regressor__shiftedbasisencoder__stable_rank",
        lambda fitted: fitted.regressor_[:-1],
    ),
    "holder": (Holder(ENCODER), "encoder__stable_rank", lambda fitted: fitted.encoder_),
    "pipeline to holder": (
        make_pipeline(MinMaxScaler(), Holder(ENCODER)),
        "holder__encoder__stable_rank",
        lambda fitted: make_pipeline(fitted[0], fitted[1].encoder_),
    ),
}


def search(estimator, name, scoring, **settings):
    return GridSearchCV(
        estimator, {name: RANKS}, scoring=scoring, cv=KFold(3), error_score="raise", **settings
    ).fit(SIGNAL, TARGETS)


@pytest.mark.parametrize("where", SEARCHED)
def test_scorers_measure_the_rows_held_out(where):
    estimator, name, encoder_of = SEARCHED[where]
    results = search(estimator, name, SCORERS, refit="distances").cv_results_
    for split, (train, test) in enumerate(KFold(3).split(SIGNAL)):
        for row, rank in enumerate(RANKS):
            fitted = clone(estimator).set_params(**{name: rank}).fit(SIGNAL[train], TARGETS[train])
            E = encoder_of(fitted).transform(SIGNAL[test])
            by_hand = {
                "stable_rank": stable_rank(E),
                "distances": distance_preservation(SIGNAL[test], E, random_state=0),
                "radius": math.sqrt(math.log(10) / math.pi) / rank,
            }
            for metric, value in by_hand.items():
                got = results[f"split{split}_test_{metric}"][row]
                assert got == pytest.approx(value, rel=1e-6), metric


@pytest.mark.parametrize("where", ["pipeline to regressor", "transformed target", "holder"])
def test_psnr_scorer_by_hand(where):
    estimator, name, _ = SEARCHED[where]
    found = search(estimator, name, {"psnr": psnr_scorer, **SCORERS}, refit="psnr")
    train, test = next(KFold(3).split(SIGNAL))
    fitted = clone(estimator).set_params(**{name: RANKS[0]}).fit(SIGNAL[train], TARGETS[train])
    expected = psnr_score(TARGETS[test], fitted.predict(SIGNAL[test]))
    assert found.cv_results_["split0_test_psnr"][0] == pytest.approx(expected)
    # and through the search itself, which holds the best estimator
    assert stable_rank_scorer(found, SIGNAL) == pytest.approx(
        stable_rank_scorer(found.best_estimator_, SIGNAL)
    )
    assert similarity_radius_scorer(found) == pytest.approx(
        math.sqrt(math.log(10) / math.pi) / found.best_params_[name], rel=1e-6
    )


@pytest.mark.parametrize(
    ("scorer", "best"),
    [(stable_rank_scorer, 12), (distance_preservation_scorer, 4), (similarity_radius_scorer, 4)],
)
def test_a_scorer_alone(scorer, best):
    assert search(ENCODER, "stable_rank", scorer).best_params_ == {"stable_rank": best}


def test_refit_by_name_and_in_parallel():
    with warnings.catch_warnings():
        # workers of joblib may start a resource tracker that warns about memory
        warnings.simplefilter("ignore", UserWarning)
        found = search(ENCODER, "stable_rank", SCORERS, refit="stable_rank", n_jobs=2)
    assert found.best_params_ == {"stable_rank": 12}
    alone = search(ENCODER, "stable_rank", SCORERS, refit="stable_rank")
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_distances"], alone.cv_results_["mean_test_distances"]
    )


@pytest.mark.parametrize("scorer", [*SCORERS.values(), psnr_scorer, make_psnr_scorer(255)])
def test_scorers_pickle(scorer):
    estimator = make_pipeline(clone(ENCODER), Ridge()).fit(SIGNAL, TARGETS)
    again = pickle.loads(pickle.dumps(scorer))
    assert again(estimator, SIGNAL, TARGETS) == scorer(estimator, SIGNAL, TARGETS)


def test_psnr_scorer_with_a_range():
    model = Ridge().fit(SIGNAL, TARGETS)
    gain = make_psnr_scorer(255)(model, SIGNAL, TARGETS) - psnr_scorer(model, SIGNAL, TARGETS)
    assert gain == pytest.approx(20 * math.log10(255))
    for bad, error in ((0, ValueError), (-1, ValueError), (math.nan, ValueError), ("1", TypeError)):
        with pytest.raises(error, match="data_range must be"):
            make_psnr_scorer(bad)


def test_encoders_in_front_of_other_pipelines():
    tail = make_pipeline(MinMaxScaler(), Ridge())
    model = make_pipeline(MinMaxScaler(), ENCODER, tail).fit(SIGNAL, TARGETS)
    expected = similarity_radius(model[1])[0]
    assert similarity_radius_scorer(model) == pytest.approx(expected)


@pytest.mark.parametrize("scorer", SCORERS.values())
def test_scorers_say_where_there_is_no_encoder(scorer):
    with pytest.raises(TypeError, match="encoder"):
        scorer(Ridge().fit(SIGNAL, TARGETS), SIGNAL)


def test_coordinates_as_wide_as_floats_are(rng):
    X = rng.uniform(-0.01, 0.01, (50, 2))
    X[:2] = [[-1, 1], [1, -1]]  # their difference overflows, the sum of all does not
    E = ShiftedBasisEncoder(stable_rank=4).fit_transform(X)
    expected = distance_preservation(X, E)
    assert distance_preservation(1.5e308 * X, E) == pytest.approx(expected, rel=1e-9)
