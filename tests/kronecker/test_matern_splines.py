"""Splines of a Matern process: the norm of its kernel, their determinant, what lies outside."""

import numpy as np
import pytest

from sk_posenc.encoders.bases import resolve_basis
from sk_posenc.kronecker._band import BandCholesky, matrix_of
from sk_posenc.kronecker._matern_splines import MaternLine, Splines, knots_for

BASES = ["matern32", "matern72"]


@pytest.mark.parametrize("basis", BASES)
def test_the_norm_of_a_kernel_reproduces_it(basis):
    """The inner product of splines that are nearly k(., x) with any other is its value at x."""
    splines, bandwidth = Splines(np.linspace(-1, 2, 181)), 0.4
    norm = matrix_of(splines.norm_band(basis, bandwidth))
    x = np.linspace(-1, 2, 601)
    kernel = resolve_basis(basis).similarity((x - 0.7) / bandwidth)
    features = splines.at(x).toarray()
    near = np.linalg.lstsq(features, kernel, rcond=None)[0]
    function = np.linalg.lstsq(features, np.sin(3 * x) + x, rcond=None)[0]
    assert near @ norm @ function == pytest.approx(np.sin(2.1) + 0.7, rel=5e-3)


@pytest.mark.parametrize("n_intervals", [1, 2, 5, 6, 11, 37])
@pytest.mark.parametrize("basis", BASES)
def test_determinant(basis, n_intervals, rng):
    splines = Splines(np.cumsum(rng.uniform(0.5, 1, n_intervals + 1)))
    roots = splines.roots(basis, 2.0)
    wanted = BandCholesky(splines.norm_of(*roots)).log_determinant()
    assert splines.log_determinant_of(*roots) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_derivatives_of_splines(rng):
    splines = Splines(np.cumsum(rng.uniform(0.5, 1, 12)))
    x, c = np.linspace(2, 6, 9), rng.normal(size=splines.size)
    step = 1e-5
    for order in (1, 2, 3):
        before = splines.at(np.concatenate([x - step, x + step]), order - 1) @ c
        slope = (before[9:] - before[:9]) / (2 * step)
        np.testing.assert_allclose(splines.at(x, order) @ c, slope, rtol=1e-5, atol=1e-6)


def test_coordinates_outside_count_as_the_nearest_end(rng):
    line = MaternLine(Splines(np.linspace(0, 1, 9)), "matern72", 0.3)
    c, x = rng.normal(size=line.splines.size), np.array([-1.0, 0.0, 1.0, 7.0])
    first, second, third, last = line.at(x) @ c
    assert (first, last) == (second, third)
    np.testing.assert_array_equal((line.at(x, 1) @ c)[[0, 3]], 0)
    assert np.all((line.at(x, 1) @ c)[[1, 2]] != 0)


def test_knots_reach_to_the_ends_of_a_domain():
    x = np.linspace(1, 2, 100)
    wide = knots_for(x, np.ones(100), "matern72", 0.3, 0.1, (0.5, 2.0))
    assert (wide[0], wide[-1]) == (0.5, 2.0)
    assert np.all(np.diff(wide) > 0)
    assert np.diff(wide).max() <= 0.3 * 0.6 * 1.01


def test_knots_follow_the_samples_and_the_strength():
    x = np.concatenate([np.linspace(0, 0.1, 900), np.linspace(0.9, 1, 100)])
    few = knots_for(x, np.ones(1000), "matern32", 0.2, 1.0)
    many = knots_for(x, np.ones(1000), "matern32", 0.2, 1e-4)
    assert len(few) < len(many) < 2100
    assert (many[0], many[-1]) == (0.0, 1.0)
    assert np.all(np.diff(many) > 0)
    assert np.diff(many).max() <= 0.2 * 0.4 * 1.01
    assert np.sum(many < 0.1) > 1.5 * np.sum(many > 0.9)
