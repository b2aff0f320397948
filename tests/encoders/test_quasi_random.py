"""Quasi-random points against the dual lattice, and the marginal of each axis."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_posenc.encoders._quasi_random import _lattice_multipliers, quasi_random


@given(st.integers(1, 200), st.integers(1, 6), st.integers(0, 99))
def test_every_axis_has_equidistant_points(n, n_axes, seed):
    points = quasi_random(n, n_axes, np.random.RandomState(seed))
    assert points.shape == (n, n_axes)
    assert ((points > 0) & (points < 1)).all()
    for x in points.T:
        # one in each cell, all at the same place of it
        offset = n * x % 1
        np.testing.assert_array_equal(np.sort(np.round(n * x - offset[0]) % n), np.arange(n))
        turned = (offset - offset[0] + 0.5) % 1 - 0.5
        np.testing.assert_allclose(turned, 0, atol=1e-9)


def worst_case_error(multipliers, n, harmonics=400):
    """Sum over the dual lattice, 0 aside, of the product of 1 / max(1, |h|)**2."""
    h = np.arange(-harmonics, harmonics + 1)
    weights = 1 / np.maximum(1, np.abs(h)) ** 2
    # how much weight each residue of g * h has, convolved over the axes
    total = np.zeros(n)
    total[0] = 1
    for g in multipliers:
        own = np.bincount(g * h % n, weights, minlength=n)
        total = np.real(np.fft.ifft(np.fft.fft(total) * np.fft.fft(own)))
    return total[0] - 1


@pytest.mark.parametrize("n", [7, 16, 31, 64, 101])
@pytest.mark.parametrize("n_axes", [2, 3])
def test_each_multiplier_is_the_best_after_those_before(n, n_axes):
    chosen = _lattice_multipliers(n, n_axes)
    assert len(chosen) == len(set(chosen)) == n_axes
    for axis in range(1, n_axes):
        others = [g for g in range(2, n // 2 + 1) if math.gcd(g, n) == 1 and g not in chosen[:axis]]
        errors = [worst_case_error([*chosen[:axis], g], n) for g in others]
        own = worst_case_error(chosen[: axis + 1], n)
        assert own == pytest.approx(min(errors), rel=1e-3)
        assert n < 31 or own < 0.99 * np.mean(errors)


def test_seeds_shift_the_lattice_and_shuffle_what_it_lacks():
    draws = [quasi_random(31, 3, np.random.RandomState(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    shift = (draws[2] - draws[0]) % 1.0
    np.testing.assert_allclose(shift, np.tile(shift[0], (31, 1)), atol=1e-12)
    assert np.abs(np.round(shift[0]) - shift[0]).min() > 1e-3
    # 8 has the multipliers 1 and 3: the other axes are in an order of their own
    ranks = [
        np.argsort(quasi_random(8, 5, np.random.RandomState(seed)), axis=0).T for seed in (0, 1)
    ]
    for first, second in zip(ranks[0][2:], ranks[1][2:], strict=True):
        steps = [np.diff(np.concatenate([order, order])) % 8 for order in (first, second)]
        assert np.ptp(steps[0]) > 0
        assert not np.array_equal(*steps)
