"""Weights of rows: 0 is absent, 2 is twice."""

from functools import partial

import numpy as np
import pytest
import sklearn
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochScoring
from torch.utils.data import DataLoader

from sk_posenc import CoordinateMLPRegressor, ShiftedBasisEncoder, make_psnr_scorer, psnr_score
from sk_posenc.networks._weights import weighted_loss
from sk_posenc.networks.scaling import learn_scaling

small = partial(
    CoordinateMLPRegressor,
    hidden_layer_sizes=(16,),
    lr=1e-2,
    max_epochs=20,
    random_state=0,
    device="cpu",
)


@pytest.fixture(name="data")
def rows_with_weights(rng):
    X = rng.uniform(size=(200, 2))
    y = np.column_stack([np.sin(5 * X[:, 0]) + X[:, 1], X[:, 0] * X[:, 1]])
    return X, y, rng.integers(0, 4, 200)


@pytest.mark.parametrize("encoder", [None, ShiftedBasisEncoder(stable_rank=4, domain=(0, 1))])
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_rows_of_weight_0_are_absent(data, encoder, how):
    X, y, w = data
    kept = w > 0
    X = np.where(kept[:, None], X, 1e6)
    weighted = getattr(small(encoder), how)(X, y, sample_weight=w.astype(bool))
    absent = getattr(small(encoder), how)(X[kept], y[kept])
    np.testing.assert_array_equal(weighted.predict(X[kept]), absent.predict(X[kept]))


@pytest.mark.parametrize("seed", range(3))
def test_in_one_batch_weights_are_repetitions_to_the_last_bit(data, seed):
    X, y, w = (each[:18] for each in data)
    order = np.random.default_rng(seed).permutation(18)
    weighted = small().fit(X[order], y[order], sample_weight=w[order])
    repeated = small().fit(np.repeat(X, w, axis=0), np.repeat(y, w, axis=0))
    assert w.sum() <= 32
    np.testing.assert_array_equal(weighted.predict(X), repeated.predict(X))


def test_all_rows_in_a_batch_weights_are_repetitions(data):
    X, y, w = data
    common = {"batch_size": -1, "lr": 3e-3, "max_epochs": 40, "activation": "tanh"}
    weighted = small(**common).fit(X, y, sample_weight=w)
    repeated = small(**common).fit(np.repeat(X, w, axis=0), np.repeat(y, w, axis=0))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=0, atol=1e-3)
    unweighted = small(**common).fit(X, y)
    assert np.abs(weighted.predict(X) - unweighted.predict(X)).max() > 0.01


def test_scaling_is_that_of_the_repeated_rows(data):
    X, y, w = data
    kept = w > 0
    X, y, w = X[kept], y[kept], w[kept]
    batches = []
    for rows in (slice(0, 70), slice(70, None)):
        targets = torch.as_tensor(y[rows])
        targets.sample_weight = torch.as_tensor(w[rows] / 7)
        batches.append((torch.as_tensor(X[rows]), targets))
    repeated = learn_scaling(
        [(torch.as_tensor(X.repeat(w, axis=0)), torch.as_tensor(y.repeat(w, axis=0)))]
    )
    for ours, theirs in zip(learn_scaling(batches), repeated, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_only_the_ratio_of_weights_counts(data):
    X, y, w = data
    base = small().fit(X, y, sample_weight=w)
    same = small().fit(X, y, sample_weight=8.0 * w)
    np.testing.assert_array_equal(base.predict(X), same.predict(X))
    np.testing.assert_array_equal(
        small().fit(X, y, sample_weight=np.full(200, 0.3)).predict(X), small().fit(X, y).predict(X)
    )


@pytest.mark.parametrize("criterion", [torch.nn.MSELoss, torch.nn.L1Loss, torch.nn.SmoothL1Loss])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_of_a_batch(criterion, reduction, rng):
    output, target = (torch.as_tensor(rng.normal(size=(9, 2))) for _ in range(2))
    weight = torch.as_tensor(rng.integers(1, 4, 9), dtype=torch.float64)
    loss = criterion(reduction=reduction)
    found = weighted_loss(loss, weight, partial(loss, output, target))
    rows = np.repeat(np.arange(9), weight.int())
    expected = loss(output[rows], target[rows])
    if reduction == "mean":
        expected = expected * len(rows) / 9
    torch.testing.assert_close(found, expected)
    assert loss.reduction == reduction
    unweighted = weighted_loss(loss, None, partial(loss, output, target))
    torch.testing.assert_close(unweighted, loss(output, target))


def test_early_stopping_and_scores_know_the_weights(data):
    X, y, w = data
    scoring = EpochScoring("r2", name="score", on_train=True)
    model = small(early_stopping=3, callbacks=[scoring]).fit(X, y, sample_weight=w + 0.5)
    assert len(model.history_[:, "score"]) == len(model.history_)
    train, valid = model.get_split_datasets(
        torch.as_tensor(X.astype(np.float32)), torch.as_tensor(y)
    )
    rows, share = valid.indices, (w + 0.5) / np.mean(w + 0.5)
    residual = (model.predict(X) - y)[rows] / model.module_.target_scale.numpy()
    expected = np.mean(share[rows, None] * residual**2)
    assert min(model.history_[:, "valid_loss"]) == pytest.approx(expected, rel=1e-4)
    assert len(train) + len(valid) == 200


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (np.zeros(200), ValueError, "sample_weight is zero for all samples"),
        (np.full(200, -1.0), ValueError, "sample_weight must not be negative. Got -1"),
        (np.ones(199), ValueError, r"shape \(200,\), one weight per sample. Got \(199,\)"),
        (np.full(200, np.nan), ValueError, "sample_weight contains NaN"),
    ],
)
def test_impossible_weights(data, weight, error, message):
    with pytest.raises(error, match=message):
        small().fit(*data[:2], sample_weight=weight)
    with pytest.raises(error, match=message):
        psnr_score(data[1], data[1], sample_weight=weight)


def test_parts_that_know_no_weights_are_refused(data):
    class Cubed(torch.nn.Module):
        def forward(self, output, target):
            return (output - target).abs().pow(3).mean()

    X, y, w = data
    for settings, message in (
        ({"iterator_train": DataLoader}, "needs batches that carry the weights"),
        ({"iterator_valid": DataLoader, "early_stopping": 2}, "iterator_valid as they are"),
        ({"criterion": Cubed}, "needs a criterion with reduction"),
    ):
        with pytest.raises(TypeError, match=message):
            small(**settings).fit(X, y, sample_weight=w)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("encoder", [None, ShiftedBasisEncoder(stable_rank=4)])
def test_on_a_card_weights_and_predictions_are_the_same(data, encoder, tmp_path):
    X, y, w = data
    on_card = {"device": "cuda", "checkpoint": tmp_path}
    model = small(encoder, **on_card).fit(X, y, sample_weight=w)
    assert model.device_.type == "cuda"
    near = small(encoder).fit(X, y, sample_weight=w).predict(X)
    np.testing.assert_allclose(model.predict(X), near, rtol=0, atol=0.02)
    np.testing.assert_array_equal(model.predict(X[3:40]), model.predict(X)[3:40])
    few = small(encoder, device="cuda").fit(X[:18], y[:18], sample_weight=w[:18])
    rows = np.repeat(np.arange(18), w[:18])
    repeated = small(encoder, device="cuda").fit(X[rows], y[rows])
    np.testing.assert_allclose(few.predict(X), repeated.predict(X), rtol=0, atol=1e-4)
    again = small(encoder, **on_card).fit(X, y, sample_weight=w)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    state = model.__getstate__()
    loaded = type(model).__new__(type(model))
    loaded.__setstate__(state)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    model.set_params(max_epochs=2).fit(X, np.full(200, 3.5))
    np.testing.assert_array_equal(model.partial_fit(X, np.full(200, 4.5)).predict(X), 4.5)
    with pytest.raises(ValueError, match=r"needs .* GiB"):
        small(hidden_layer_sizes=(2_000_000, 2_000_000), device="cuda").fit(X, y)


def test_weights_are_routed_through_pipelines_and_searches(data):
    X, y, w = data
    with sklearn.config_context(enable_metadata_routing=True):
        network = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), network)
        scorer = make_psnr_scorer(2.0).set_score_request(sample_weight=True)
        search = GridSearchCV(
            pipeline, {"coordinatemlpregressor__lr": [0.01]}, scoring=scorer, cv=2
        )
        search.fit(X, y, sample_weight=w)
    direct = make_pipeline(StandardScaler(), small())
    direct.fit(X, y, coordinatemlpregressor__sample_weight=w)
    np.testing.assert_array_equal(search.predict(X), direct.predict(X))
    halves = [np.arange(100, 200), np.arange(100)]
    scores = [
        psnr_score(
            y[test],
            make_pipeline(StandardScaler(), small())
            .fit(X[train], y[train], coordinatemlpregressor__sample_weight=w[train])
            .predict(X[test]),
            sample_weight=w[test],
            data_range=2.0,
        )
        for train, test in (halves, halves[::-1])
    ]
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(np.mean(scores))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.eye(3), None, "requires y to be passed"),
        (np.eye(3), 5, r"y must have one dimension, or two .*Got 5\."),
        (np.eye(3), [1.0], r"X and y must have as many rows.*Got \[3, 1\]"),
        (None, [1.0, 2.0, 3.0], r"X must have two dimensions.*Got None\."),
        (2, [1.0, 2.0, 3.0], r"X must have two dimensions.*Got 2\."),
    ],
)
def test_what_has_no_rows_is_told_before_weights_of_0_are_left_out(X, y, message):
    with pytest.raises(ValueError, match=message):
        CoordinateMLPRegressor(max_epochs=1).fit(X, y, sample_weight=[0.0, 1.0, 1.0])


def test_rows_are_told_by_their_number_among_all():
    X, w = np.arange(12.0).reshape(6, 2), np.array([0.0, 1, 0, 1, 1, 1])
    for column, value in ((1, np.nan), (0, "x")):
        rows = X.astype(object)
        rows[4, column] = value
        with pytest.raises(ValueError, match=rf"column {column}\b.* in row 4\.$"):
            CoordinateMLPRegressor(max_epochs=1).fit(rows, X[:, 0], sample_weight=w)
    spoilt = X.copy()
    spoilt[0] = np.nan  # it does not count
    CoordinateMLPRegressor(max_epochs=1, hidden_layer_sizes=(2,)).fit(spoilt, X[:, 0], w)
