"""Tracks and clusters are told apart from samples at random, whatever their density."""

import numpy as np
import pytest

from sk_posenc.selection._crowding import room_filled


def tracks(rng):
    ends = rng.random((10, 2, 2))
    along = np.linspace(0, 1, 100)[:, None]
    return np.vstack([first + (last - first) * along for first, last in ends])


def blobs(rng):
    return np.vstack([rng.random(2) + 0.02 * rng.normal(size=(60, 2)) for _ in range(6)])


def stations(rng):
    places = np.repeat(rng.random((30, 2)), 40, axis=0)
    return np.column_stack([places, np.tile(np.arange(40.0), 30)])[rng.random(1200) < 0.8]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [tracks, blobs, stations])
def test_crowded(make, seed):
    assert room_filled(make(np.random.default_rng(seed))) < 0.7


@pytest.mark.parametrize("n_axes", [2, 3, 4])
@pytest.mark.parametrize("n", [60, 1000])
def test_at_random(n, n_axes):
    rng = np.random.default_rng(n)
    assert 0.8 < room_filled(rng.random((n, n_axes))) < 1.4
    assert 0.8 < room_filled(np.exp(2 * rng.normal(size=(n, n_axes)))) < 1.4


def test_units_order_and_repeats_do_not_count():
    X = tracks(np.random.default_rng(0))
    filled = room_filled(X)
    assert room_filled(X[::-1] * [1e6, 1e-3] + 5) == pytest.approx(filled, rel=0.05)
    assert room_filled(np.vstack([X, X])) == pytest.approx(filled, rel=1e-6)
    assert room_filled(np.column_stack([X, np.ones(len(X))])) == pytest.approx(filled)


def test_silent_where_nothing_can_be_told():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(8.0), np.arange(90.0)), -1).reshape(-1, 2)
    silent = [grid, grid[rng.random(720) < 0.5], rng.random((400, 1)), rng.random((20, 2))]
    assert all(np.isnan(room_filled(X)) for X in [*silent, rng.random((400, 5))])
