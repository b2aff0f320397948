"""PSNR against scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from sk_posenc import (
    psnr_score,
)


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


@pytest.mark.parametrize("shape", [(30,), (30, 3), (30, 2, 2)], ids=str)
def test_weights_are_repetitions(shape, rng):
    true, pred = rng.uniform(size=shape), rng.uniform(size=shape)
    weight = rng.integers(0, 4, 30)
    true[weight == 0] = 1e9
    expected = psnr_score(true.repeat(weight, axis=0), pred.repeat(weight, axis=0))
    for factor in (1, 0.1):
        assert psnr_score(true, pred, sample_weight=factor * weight) == pytest.approx(expected)
    tensors = [torch.asarray(each, dtype=torch.float32) for each in (true, pred)]
    assert psnr_score(*tensors, sample_weight=torch.asarray(weight)) == pytest.approx(expected)
