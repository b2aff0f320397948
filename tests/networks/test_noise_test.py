"""Fits of noisy targets take fewer epochs, and say what neighbours say."""

import numpy as np
import pytest

from sk_posenc import (
    CoordinateMLPRegressor,
    MultigridEncoder,
    PositionAugmenter,
    ShiftedBasisEncoder,
)
from sk_posenc.networks._noise_test import is_noisy


def waves(places):
    return np.sin(12 * places).sum(axis=1)


def line(n, rng):
    return rng.uniform(size=(n, 1))


def plane(n, rng):
    return rng.uniform(size=(n, 2))


def grid(n, rng):
    side = np.arange(round(n**0.5)) / n**0.5
    return np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


def space(n, rng):
    return 0.4 * rng.uniform(size=(n, 3))


@pytest.mark.parametrize("places", [line, plane, grid, space])
def test_neighbours_tell_noise_from_detail(places):
    rng = np.random.default_rng(0)
    X = places(1600, rng)
    clean = waves(X)
    noisy = clean + clean.std() * rng.standard_normal(len(X))
    assert is_noisy(X, noisy)
    assert is_noisy(X, rng.standard_normal(len(X)))
    # neither units, nor the order of rows, nor a column that is constant
    order = rng.permutation(len(X))
    constant = np.full((len(X), 1), 7.0)
    for y, told in ((clean, False), (noisy, True)):
        assert is_noisy(X * 1e-6 + 1e3, 1e9 * y - 5) is told
        assert is_noisy(X[order], y[order]) is told
        assert is_noisy(np.hstack([X, constant]), y) is told


def test_what_neighbours_cannot_tell_is_no_noise():
    rng = np.random.default_rng(0)
    few, y = rng.uniform(size=(63, 1)), rng.standard_normal(63)
    assert not is_noisy(few, y)
    many = rng.uniform(size=(200, 2))
    assert not is_noisy(many, np.ones(200))  # nothing varies
    assert not is_noisy(np.ones((200, 2)), rng.standard_normal(200))  # all at one place
    # repeated measurements at places: the others there are the nearest
    repeated = np.repeat(many[:50], 8, axis=0)
    assert is_noisy(repeated, waves(repeated) + rng.standard_normal(400))
    assert not is_noisy(repeated, waves(repeated))


def test_noisy_targets_have_fewer_epochs():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(600, 1))
    clean = waves(X) + 3 * X[:, 0]  # with a trend that the smallest network learns
    noisy = clean + rng.standard_normal(600)

    def epochs(y, method="fit", **settings):
        settings = {"encoder": ShiftedBasisEncoder(stable_rank=4)} | settings
        model = CoordinateMLPRegressor(hidden_layer_sizes=(4,), random_state=0, **settings)
        return len(getattr(model, method)(X, y).history_)

    # 17 batches of 37 rows
    assert epochs(clean) == 40
    assert epochs(noisy) == epochs(np.column_stack([noisy, noisy])) == 10
    assert epochs(noisy, batch_size=-1) == 160
    # a number that is given counts, and so do other ways to hold noise off
    assert epochs(noisy, max_epochs=12) == 12
    assert epochs(noisy, augmenter=PositionAugmenter(local_shift=0.01)) == 40
    assert epochs(noisy, early_stopping=1000) == 40
    assert epochs(noisy, "partial_fit") == 40
    # a network without an encoder is slow to learn even the signal
    assert epochs(noisy, encoder=None) == 40


def test_an_encoder_that_states_its_training_keeps_it():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(600, 1))
    model = CoordinateMLPRegressor(MultigridEncoder(smoothness=10.0, finest=16), random_state=0)
    model.fit(X, waves(X) + rng.standard_normal(600))
    assert sum(len(row["batches"]) for row in model.history_) >= 576


def test_fewer_epochs_are_nearer_to_the_signal():
    rng = np.random.default_rng(0)
    X, at = rng.uniform(size=(500, 1)), np.linspace(0.01, 0.99, 300)[:, None]
    encoder = ShiftedBasisEncoder(stable_rank=60)
    y = waves(X) + 0.7 * rng.standard_normal(500)

    def error(**settings):
        model = CoordinateMLPRegressor(encoder, random_state=0, device="cpu", **settings)
        return np.mean((model.fit(X, y).predict(at) - waves(at)) ** 2)

    assert error() < 0.7 * error(max_epochs=40)
