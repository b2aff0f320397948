"""Whether few places show the detail of all."""

import numpy as np
import pytest

from sk_posenc import grid_samples
from sk_posenc.kronecker._detail import few_show_all
from sk_posenc.kronecker._learnt import stage_of
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import SIMILARITY


def shown(X, y):
    samples, columns = Samples(X, None), y.reshape(len(y), -1)
    return few_show_all(stage_of(samples, columns, Units(samples, columns)), SIMILARITY.alphas)


def places(on_grid, n_axes, rng):
    n = round(4_000 ** (1 / n_axes))
    if on_grid:
        return grid_samples(np.zeros((n,) * n_axes))[0]
    return rng.uniform(size=(4_000, n_axes))


@pytest.mark.parametrize("on_grid", [False, True])
@pytest.mark.parametrize("n_axes", [2, 3])
@pytest.mark.parametrize("noise", [0.0, 0.1, 1.0])
def test_smooth_fields_are_shown_and_textures_are_not(on_grid, n_axes, noise):
    rng = np.random.default_rng(0)
    X = places(on_grid, n_axes, rng)
    drawn = noise * rng.standard_normal(len(X))
    smooth = np.sin(4 * X[:, 0]) + X[:, -1] ** 2
    assert shown(X, smooth + drawn)
    assert shown(X, np.column_stack([smooth, smooth**2]) + drawn[:, None])
    if noise < 1 and n_axes == 2:  # waves of ten spacings, in between each other's noise
        assert not shown(X, np.sin(40 * X[:, 0]) * np.cos(30 * X[:, 1]) + drawn)


def test_what_one_axis_alone_shows_is_its_noise():
    """Neighbours along the quiet axis tell the noise, however far others are apart."""
    rng = np.random.default_rng(0)
    X = grid_samples(np.zeros((400, 10)))[0]
    y = np.sin(6 * X[:, 1]) + 0.1 * rng.standard_normal(len(X))
    assert shown(X, y)
    assert not shown(X, y + np.sign(np.sin(300 * X[:, 0])))
