"""The tangent kernel in closed form, from moments of its units."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from sk_posenc import (
    tangent_kernel,
)


def relu_moments(angle):
    """E[relu(u) relu(v)] and E[step(u) step(v)] of unit normals whose correlation is cos(angle)."""

    def product(turn):
        return max(0.0, math.cos(turn)) * max(0.0, math.cos(turn - angle)) / math.pi

    kinks = [angle - math.pi / 2, math.pi / 2]
    return quad(product, -math.pi, math.pi, points=kinks)[0], (math.pi - angle) / (2 * math.pi)


@pytest.mark.parametrize("c", [-0.9, -0.3, 0.0, 0.5, 0.95])
def test_wide_kernel_from_moments(c):
    kernel = covariance = c
    for layers in range(1, 5):
        relu, step = relu_moments(math.acos(covariance))
        covariance, kernel = 2 * relu, 2 * relu + 2 * step * kernel
        assert tangent_kernel(c, layers) == pytest.approx(kernel / (layers + 1), abs=1e-7)


@pytest.mark.parametrize("c", [-0.3, 0.0, 0.5, 0.95])
@pytest.mark.parametrize("sizes", [(20,), (16, 64), (512, 32, 8, 100)])
def test_kernel_of_our_network_from_moments(sizes, c):
    """Variances of 1 / (3 fan-in), layer by layer and without shares."""
    n_in, products, kernels = 24, np.array([24 * c, 24.0]), 0.0
    for n in (*sizes, None):
        kernels = kernels + products + 1  # gradients of the weights and biases that read
        if n is None:
            break
        variances = (products + 1) / (3 * n_in)
        moments = [relu_moments(a) for a in (math.acos(variances[0] / variances[1]), 0.0)]
        relu, step = np.array(moments).T
        products, kernels = n * variances[1] * relu, kernels * step / 3
        n_in = n
    expected = kernels[0] / kernels[1]
    assert tangent_kernel(c, sizes, in_features=24) == pytest.approx(expected, abs=1e-7)


@given(st.floats(-1, 1), st.integers(0, 12))
def test_limits(c, layers):
    kernel = tangent_kernel([-1.0, 0.0, c, 1.0], layers)
    assert kernel[3] == pytest.approx(1.0, abs=1e-12)
    assert kernel[1] <= kernel[3]
    assert (kernel[1] == 0) == (layers == 0)
    assert kernel[0] == -1 if layers == 0 else 0 <= kernel[0] <= 0.3
    assert np.all(np.abs(kernel) <= 1 + 1e-12)


@given(
    st.floats(0.01, 0.99),
    st.floats(0.01, 0.99),
    st.integers(0, 10),
    st.one_of(st.none(), st.integers(8, 512)),
)
def test_grows_with_the_cosine(a, b, layers, width):
    settings = {"hidden_layers": layers}
    if width is not None:
        settings = {"hidden_layers": (width,) * layers, "in_features": width}
    low, high = tangent_kernel(sorted((a, b)), **settings)
    assert low <= high + 1e-12


@given(st.floats(0.001, 0.999), st.integers(0, 10))
def test_narrows_with_depth(c, layers):
    """Above its constant, which it has at cosine 0, the kernel falls with every layer."""

    def above(depth):
        constant, kernel = tangent_kernel([0.0, c], depth)
        return (kernel - constant) / (1 - constant)

    assert above(layers + 1) < above(layers)


def test_arrays_of_other_kinds():
    cosine = np.linspace(-1, 1, 7)
    expected = tangent_kernel(cosine, 3)
    tensor = tangent_kernel(torch.as_tensor(cosine), 3)
    assert isinstance(tensor, torch.Tensor)
    assert tensor.numpy() == pytest.approx(expected)
    single = tangent_kernel(cosine.astype(np.float32), 3)
    assert single.dtype == np.float32
    assert single == pytest.approx(expected, abs=1e-3)
    assert tangent_kernel(cosine.reshape(7, 1), 3).shape == (7, 1)
    assert tangent_kernel([1, 0, -1], 3) == pytest.approx(expected[[6, 3, 0]])
    assert tangent_kernel(np.empty((0, 2)), 1).shape == (0, 2)
    xp = pytest.importorskip("array_api_strict")
    strict = tangent_kernel(xp.asarray(cosine), (16, 16), in_features=5)
    assert np.asarray(strict) == pytest.approx(tangent_kernel(cosine, (16, 16), in_features=5))
    rounded = np.array([1 + 1e-12, -1 - 1e-12])
    assert tangent_kernel(rounded, 2) == pytest.approx(tangent_kernel([1.0, -1.0], 2))
    read_only = cosine.copy()
    read_only.flags.writeable = False
    assert tangent_kernel(read_only, 3) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("cosine", "settings", "error", "message"),
    [
        ([0.5, np.nan], {"hidden_layers": 1}, ValueError, "NaN"),
        ([1.1], {"hidden_layers": 1}, ValueError, "divide by the norms"),
        ([np.inf], {"hidden_layers": 1}, ValueError, "divide by the norms"),
        (["a"], {"hidden_layers": 1}, TypeError, "real numbers"),
        ([None], {"hidden_layers": 1}, TypeError, "real numbers"),
        ([0.5j], {"hidden_layers": 1}, TypeError, "real numbers"),
        ([0.5], {"hidden_layers": -1}, ValueError, "at least 0.*Got -1"),
        ([0.5], {"hidden_layers": 10**15}, ValueError, "hidden_layers must be at most 10,000"),
        ([0.5], {"hidden_layers": 1.5}, TypeError, "whole number"),
        ([0.5], {"hidden_layers": True}, TypeError, "whole number"),
        ([0.5], {"hidden_layers": "4"}, TypeError, "whole number"),
        ([0.5], {"hidden_layers": (4, 0)}, ValueError, r"hidden_layers\[1\] must be at least 1"),
        ([0.5], {"hidden_layers": (4, 4)}, ValueError, "give in_features"),
        ([0.5], {"hidden_layers": 2, "in_features": 4}, ValueError, "give sizes"),
        ([0.5], {"hidden_layers": (4,), "in_features": 0}, ValueError, "in_features must be"),
    ],
)
def test_tangent_kernel_refuses(cosine, settings, error, message):
    with pytest.raises(error, match=message):
        tangent_kernel(cosine, **settings)
