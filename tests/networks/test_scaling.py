"""The scaling of a network: of its input and of its targets."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sk_posenc import CoordinateMLP, CoordinateMLPRegressor
from sk_posenc.networks.scaling import (
    in_units_of_targets,
    learn_scaling,
    scale_once,
    standardised,
)

# Degrees Celsius in Kelvin, hectopascals in Pascal, years, and units far from 1.
LEVELS = [0.0, 1.0, -1.0, 273.15, 101_325.0, -2_000.0, 3e-9, 5e9]


def batches_of(X, y, sizes):
    """The rows, cut into batches."""
    ends = np.cumsum([0, *sizes])
    return [
        (torch.as_tensor(X[a:b]), torch.as_tensor(y[a:b]))
        for a, b in zip(ends, [*ends[1:], len(X)], strict=True)
        if b > a
    ]


@given(
    seed=st.integers(0, 10_000),
    levels=st.lists(st.sampled_from(LEVELS), min_size=2, max_size=4),
    share=st.sampled_from([2e-6, 1e-5, 1e-3, 1.0, 30.0]),
    sizes=st.lists(st.integers(1, 20), max_size=4),
    n_outputs=st.integers(1, 3),
)
def test_scaling_is_by_mean_and_spread(seed, levels, share, sizes, n_outputs):
    rng = np.random.default_rng(seed)
    n = sum(sizes) + 7
    size = np.abs(levels) + (np.array(levels) == 0)
    X = np.array(levels) + share * size * rng.uniform(-1, 1, (n, len(levels)))
    X[:2] = np.array(levels) + share * size * [[-1], [1]]
    constant = rng.uniform(size=len(levels)) < 0.4
    X[:, constant] = X[0, constant]
    y = 273.15 + 273.15 * share * rng.standard_normal((n, n_outputs))
    shift, scale, target_shift, target_scale = (
        each.numpy() for each in learn_scaling(batches_of(X, y, sizes))
    )
    spread = np.std(X[:, ~constant], axis=0)
    expected = 1 / np.sqrt(np.mean(spread**2)) if len(spread) else 1.0
    # Chan's update loses what the level has more digits than the spread
    rounding = 1e-14 / share**2
    np.testing.assert_allclose(shift, X.mean(axis=0), rtol=1e-12, atol=1e-12 * share)
    np.testing.assert_array_equal(scale == 0, constant)
    np.testing.assert_allclose(scale[~constant], expected, rtol=1e-9 + rounding)
    np.testing.assert_allclose(target_shift, y.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(target_scale, y.std(axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", LEVELS)
def test_what_varies_by_rounding_alone_is_constant(level, dtype, rng):
    steps = torch.as_tensor(rng.integers(-2, 3, 50), dtype=torch.float32)
    column = torch.tensor(level, dtype=torch.float32)
    column = (column + steps * torch.finfo(torch.float32).eps * column.abs()).to(dtype)
    X = torch.stack([column, torch.linspace(0, 1, 50, dtype=dtype)], dim=1)
    y = torch.full((50, 1), level, dtype=torch.float64)
    _, scale, target_shift, target_scale = learn_scaling([(X, y)])
    assert scale[0] == 0
    assert float(scale[1]) == pytest.approx(1 / float(torch.std(X[:, 1], correction=0)), rel=1e-6)
    assert (float(target_shift), float(target_scale)) == (level, 0.0)


@pytest.mark.parametrize("level", [273.15, 101_325.0])
def test_a_level_plays_no_part(level):
    X = np.linspace(0, 1, 200)[:, None]
    y = np.sin(5 * X[:, 0])
    net = CoordinateMLPRegressor(
        hidden_layer_sizes=(16,), max_epochs=5, random_state=0, device="cpu", verbose=0
    )
    expected = net.fit(X, y).predict(X)
    assert np.ptp(expected) > 0.5
    spread = 1e-3 * level
    found = net.fit(level + spread * X, level + spread * y).predict(level + spread * X)
    np.testing.assert_allclose((found - level) / spread, expected, atol=1e-2)


@pytest.mark.parametrize("targets_too", [True, False])
def test_a_network_is_scaled_once(rng, targets_too):
    X, y = rng.uniform(size=(30, 2)), rng.normal(5, 3, size=(30, 2))
    net = CoordinateMLP(2, 2, hidden_layer_sizes=(3,))
    scale_once(net, batches_of(X, y, [20]), targets_too=targets_too)
    first = {name: value.clone() for name, value in net.named_buffers()}
    assert bool(first["is_scaled"])
    unit = y.std(axis=0) if targets_too else [1.0, 1.0]
    level = y.mean(axis=0) if targets_too else [0.0, 0.0]
    np.testing.assert_allclose(first["target_scale"], unit, rtol=1e-12)
    np.testing.assert_allclose(first["target_shift"], level, rtol=1e-12)
    scale_once(net, batches_of(10 * X, 10 * y, []), targets_too=targets_too)
    for name, value in net.named_buffers():
        assert torch.equal(value, first[name])
    np.testing.assert_allclose(standardised(net, torch.as_tensor(y)), (y - level) / unit)
    np.testing.assert_allclose(in_units_of_targets(net, (y - level) / unit), y)


@pytest.mark.parametrize("unit", [1e-30, 1e-25, 1.0, 1e20, 1e30])
def test_raw_coordinates_of_any_unit(unit):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(200, 2))
    y = np.sin(5 * X[:, 0]) + X[:, 1]
    settings = {"hidden_layer_sizes": (16,), "lr": 1e-2, "max_epochs": 5, "random_state": 0}
    model = CoordinateMLPRegressor(**settings, device="cpu")
    expected = model.fit(X, y).predict(X)
    np.testing.assert_allclose(model.fit(X * unit, y).predict(X * unit), expected, atol=1e-3)


def test_targets_with_digits_left_are_not_constant():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(200, 2))
    model = CoordinateMLPRegressor(
        hidden_layer_sizes=(16,), lr=1e-2, max_epochs=20, random_state=0, device="cpu"
    ).fit(X, 1e12 + X[:, 0])
    assert np.std(model.predict(X) - 1e12 - X[:, 0]) < 0.2
