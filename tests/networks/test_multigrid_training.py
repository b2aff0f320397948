"""Learnt grids in networks: settings that they state, fixed batches, penalty, smoothness."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sk_posenc import (
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    MultigridEncoder,
    RandomFourierEncoder,
    grid_samples,
)
from sk_posenc.core.limits import limits
from sk_posenc.encoders.own_training import PLAIN
from sk_posenc.networks import _smoothness_search
from sk_posenc.networks._fixed_batches import FixedBatches
from sk_posenc.networks._roughness import roughness
from sk_posenc.networks._smoothness_search import climb
from sk_posenc.networks.batches import TensorBatches


@pytest.fixture(autouse=True)
def short_trials(monkeypatch):
    monkeypatch.setattr(_smoothness_search, "_STEPS", 80)
    monkeypatch.setattr(_smoothness_search, "_NOISY_STEPS", 80)


@pytest.fixture(scope="module")
def scattered():
    X = np.random.default_rng(0).uniform(size=(700, 2))
    return X, np.sin(9 * X[:, 0]) * np.cos(7 * X[:, 1])


def model(smoothness=1.0, encoder=None, **settings):
    encoder = MultigridEncoder(smoothness=smoothness, random_state=0, **(encoder or {}))
    settings = {"max_epochs": 30, "batch_size": 256, "device": "cpu", "random_state": 0} | settings
    return CoordinateMLPRegressor(encoder, **settings)


def test_auto_is_what_the_encoder_states_and_else_what_it_was(scattered):
    X, y = scattered
    grids = CoordinateMLPRegressor(MultigridEncoder(smoothness=0.0), device="cpu")
    assert grids._batches_and_epochs(700) == (43, 34)
    assert grids._batches_and_epochs(2**16) == (2048, 18)
    grids.set_params(max_epochs=9).fit(X, y)
    assert [layer.out_features for layer in grids.module_.linears] == [64, 64, 1]
    assert grids.optimizer_.defaults["lr"] == 1e-2
    assert grids.optimizer_.param_groups[0]["lr"] < 1e-3  # cosine
    assert grids.optimizer_.defaults["fused"]
    few = {"max_epochs": 2, "device": "cpu", "random_state": 0}
    spelt = {name: getattr(PLAIN, name) for name in ("hidden_layer_sizes", "lr", "lr_schedule")}
    encoder = RandomFourierEncoder(16, random_state=0)
    plain = CoordinateMLPRegressor(encoder, **few).fit(X, y)
    given = CoordinateMLPRegressor(encoder, **few, **spelt).fit(X, y)
    np.testing.assert_array_equal(plain.predict(X), given.predict(X))
    assert [layer.out_features for layer in plain.module_.linears] == [256, 256, 256, 256, 1]
    assert not plain.optimizer_.defaults["fused"]
    own = model(lr=3e-3, lr_schedule="constant", hidden_layer_sizes=(8,), max_epochs=1).fit(X, y)
    assert own.optimizer_.param_groups[0]["lr"] == 3e-3
    assert [layer.out_features for layer in own.module_.linears] == [8, 1]


def test_it_learns_and_columns_are_not_scaled(scattered):
    X, y = scattered
    fitted = model(max_epochs=60).fit(X, y)
    at = np.random.default_rng(1).uniform(0.05, 0.95, size=(200, 2))
    truth = np.sin(9 * at[:, 0]) * np.cos(7 * at[:, 1])
    assert fitted.score(at, truth) > 0.95
    assert (fitted.module_.input_scale == 1).all()
    assert (fitted.module_.input_shift == 0).all()
    inside = fitted.module_.encode(torch.as_tensor(at)).detach().numpy()
    np.testing.assert_allclose(fitted.encoder_.transform(at), inside, atol=1e-6)
    assert fitted.encoder_.smoothness_ == 1.0


def test_products_and_gathers_train_alike(scattered):
    X, y = scattered
    # one batch: both take the same steps
    by_products = model(batch_size=-1, max_epochs=15).fit(X, y)
    with limits(fixed_batches_bytes=0):
        by_gathers = model(batch_size=-1, max_epochs=15).fit(X, y)
        batches = by_gathers.get_iterator(by_gathers.get_dataset(X, y), training=True)
        assert type(batches) is TensorBatches
    np.testing.assert_allclose(by_gathers.predict(X), by_products.predict(X), atol=1e-4)


def test_fixed_batches_hold_all_rows_once_in_new_orders(scattered):
    X, y = scattered
    weight = np.random.default_rng(0).uniform(1, 2, size=len(X))
    fitted = model(max_epochs=1).fit(X, y)
    fitted._run = None
    dataset = fitted.get_dataset(X, y)
    dataset.sample_weight = torch.as_tensor(weight)
    batches = fitted.get_iterator(dataset, training=True)
    assert isinstance(batches, FixedBatches)
    assert len(batches) == 3
    passes = [list(batches) for _ in range(6)]
    for one in passes:
        seen = torch.cat([rows for rows, _ in one]).numpy()
        at = np.lexsort(seen.T)
        expected = np.lexsort(X.T)
        np.testing.assert_array_equal(seen[at], X[expected])
        targets = torch.cat([each for _, each in one]).numpy()
        np.testing.assert_array_equal(targets[at], y[expected])
        weights = torch.cat([each.sample_weight for _, each in one]).numpy()
        np.testing.assert_array_equal(weights[at], weight[expected])
    orders = {tuple(float(rows[0, 0]) for rows, _ in one) for one in passes}
    assert len(orders) > 1
    rows, _ = passes[0][0]
    encoder = fitted.encoder_
    product = rows.product.times(torch.as_tensor(encoder._formula["codes"]).float())
    assert product.dtype == torch.float32
    np.testing.assert_allclose(
        product.numpy().reshape(len(rows), -1), encoder.transform(rows.numpy()), atol=1e-6
    )


def test_equal_seeds_give_equal_bits_and_another_another(scattered):
    X, y = scattered
    first, again = (model(max_epochs=5).fit(X, y).predict(X) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = model(max_epochs=5, random_state=1).fit(X, y).predict(X)
    assert np.abs(other - first).max() > 1e-4


def test_a_checkpoint_goes_on_to_the_last_bit(scattered, tmp_path):
    X, y = scattered
    whole = model(max_epochs=6, lr_schedule="constant").fit(X, y)
    settings = {"lr_schedule": "constant", "checkpoint": tmp_path}
    model(max_epochs=3, **settings).fit(X, y)
    resumed = model(max_epochs=6, **settings).fit(X, y)
    np.testing.assert_array_equal(resumed.predict(X), whole.predict(X))


def test_nodes_that_no_sample_touches_stay(scattered):
    X, y = scattered
    inner = X[(X < 0.5).all(axis=1)], y[(X < 0.5).all(axis=1)]
    encoder = {"domain": (0, 1), "finest": 32, "order": 1}
    fitted = model(0.0, encoder, batch_size=32).fit(*inner)
    start = clone(fitted.encoder).fit(inner[0])
    last, first = (e.codes_[-1].reshape(33, 33, -1) for e in (fitted.encoder_, start))
    np.testing.assert_array_equal(last[18:], first[18:].astype(np.float32))
    assert np.abs(last[:16, :16] - first[:16, :16]).max() > 0.1
    smooth = model(10.0, encoder, batch_size=32).fit(*inner).encoder_.codes_[-1]
    # with a penalty they follow their neighbours
    ragged = np.abs(np.diff(first[18:], axis=1)).mean()
    assert np.abs(np.diff(smooth.reshape(33, 33, -1)[18:], axis=1)).mean() < 0.7 * ragged


@pytest.mark.parametrize("circles", [(False, False), (True, False)])
def test_roughness_is_the_sum_of_squared_differences(circles):
    codes = torch.tensor(np.random.default_rng(0).normal(size=(3 + 20, 2)), requires_grad=True)
    grids = [(3, (4, 5), circles)]
    own = codes.detach().numpy()[3:].reshape(4, 5, 2)
    expected = (np.diff(own, axis=0) ** 2).sum() + (np.diff(own, axis=1) ** 2).sum()
    if circles[0]:
        expected += ((own[0] - own[-1]) ** 2).sum()
    assert roughness(codes, grids).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda c: roughness(c, grids), (codes,))


def test_smoothness_is_paid_by_the_row(scattered):
    X, y = scattered
    rough, smooth = (model(each, max_epochs=60).fit(X, y).encoder_ for each in (0.0, 30.0))
    size = [
        float(roughness(torch.as_tensor(e._formula["codes"]), e._neighbours()))
        for e in (rough, smooth)
    ]
    assert size[1] < 0.3 * size[0]
    fitted = model(30.0, max_epochs=1)
    fitted.fit(X, y)
    assert fitted.history_[-1]["train_loss"] > 0
    fitted._run = None
    rows, targets = torch.as_tensor(X), torch.as_tensor(y)
    without = fitted.get_loss(fitted.module_(rows), targets, training=True)
    assert without.item() == fitted.get_loss(fitted.module_(rows), targets).item()


def test_smoothness_is_chosen_by_the_noise():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(900, 2))
    clean = np.sin(9 * X[:, 0]) * np.cos(7 * X[:, 1])
    settings = {"max_epochs": 2, "batch_size": 512}
    quiet = model("auto", **settings).fit(X, clean).encoder_.smoothness_
    noisy = model("auto", **settings).fit(X, clean + 0.5 * rng.normal(size=len(X)))
    assert quiet < 5
    assert noisy.encoder_.smoothness_ >= 10
    grid, y = grid_samples(np.sin(np.arange(40)[:, None] / 4) * np.cos(np.arange(30) / 5))
    assert model("auto", **settings).fit(grid, y).encoder_.smoothness_ == 0
    assert noisy.encoder.smoothness == "auto"


def test_the_climb():
    tried = []

    def error_of(value):
        tried.append(value)
        return (np.log10(value) - 1.6) ** 2 + 1

    assert climb(error_of) == pytest.approx(10**1.5)
    assert tried[:4] == [1, 10, 100, 1000] or tried[:3] == [1, 10, 100]
    assert climb(lambda value: value) == 1
    assert climb(lambda value: 1 / value) <= 10**5.6


@pytest.mark.parametrize("X", [[[0.0, 0.0], [1.0, 1.0]], [[0.3, 0.1], [0.2, 0.8]]])
def test_few_rows_cannot_choose(X):
    fitted = model("auto", max_epochs=1).fit(X, [0.0, 1.0])
    assert fitted.encoder_.smoothness_ >= 0


@pytest.mark.parametrize("n_axes", [1, 3, 4])
def test_axes_outputs_and_circles(n_axes):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(400, n_axes)) ** 2  # uneven
    y = np.stack([np.sin(2 * np.pi * X[:, 0]), X.sum(axis=1)], axis=1)
    boundary = ["periodic"] + ["extend"] * (n_axes - 1)
    encoder = {"domain": [(0, 1)] * n_axes, "boundary": boundary}
    fitted = model(0.1, encoder, max_epochs=60).fit(X, y)
    assert fitted.predict(X).shape == (400, 2)
    assert fitted.score(X, y) > 0.8
    turned = X.copy()
    turned[:, 0] += 1
    np.testing.assert_allclose(fitted.predict(turned), fitted.predict(X), atol=1e-3)


def test_categories_choose_and_learn():
    X = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    y = np.where(np.hypot(*X.T) < 0.6, "land", np.where(X[:, 0] > 0.9, "rare", "sea"))
    encoder = MultigridEncoder(random_state=0)
    settings = {"max_epochs": 40, "batch_size": 128, "random_state": 0, "device": "cpu"}
    fitted = CoordinateMLPClassifier(encoder, class_weight="balanced", **settings).fit(X, y)
    assert fitted.score(X, y) > 0.95
    assert fitted.encoder_.smoothness_ > 0


def test_pickles_and_partial_fits_go_on(scattered):
    X, y = scattered
    fitted = model(max_epochs=3).fit(X, y)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(
        loaded.partial_fit(X, y).predict(X), fitted.partial_fit(X, y).predict(X)
    )
    assert loaded.encoder_.smoothness_ == 1.0


def test_own_optimisers_and_networks_keep_their_settings(scattered):
    X, y = scattered
    slow = model(max_epochs=1, optimizer__fused=False).fit(X, y)
    assert not slow.optimizer_.defaults["fused"]
    other = model(max_epochs=1, optimizer=torch.optim.SGD).fit(X, y)
    assert other.optimizer_.defaults["lr"] == 1e-2
    other.set_params(lr=1e-4)
    assert other.optimizer_.param_groups[0]["lr"] == 1e-4
    other.set_params(lr="auto")
    assert other.optimizer_.param_groups[0]["lr"] == 1e-2
    fixed = model("auto", max_epochs=1, train_encoder=False).fit(X, y)
    assert fixed.encoder_.smoothness_ is None  # nothing is trained that it would smooth


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_card_it_gathers(scattered):
    X, y = scattered
    fitted = model(device="cuda", max_epochs=60).fit(X, y)
    assert type(fitted.get_iterator(fitted.get_dataset(X, y), training=True)) is TensorBatches
    assert fitted.score(X, y) > 0.95
