"""Products with Toeplitz matrices, against SciPy's and against sums written out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.linalg import matmul_toeplitz

from sk_posenc import toeplitz_matmul
from sk_posenc.core.limits import limits
from sk_posenc.series._toeplitz_products import rows_range

TOLERANCES = {"float64": 1e-12, "float32": 1e-4}
RNG = np.random.default_rng(0)


def relative(found, expected):
    return np.max(np.abs(np.asarray(found) - expected)) / np.max(np.abs(expected))


def by_scipy(c, X, causal=False):
    n = len(X)
    c = np.where(np.arange(2 * n - 1) < n, c, 0) if causal else c
    return matmul_toeplitz((c[n - 1 :: -1], c[n - 1 :]), X)


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 17, 256, 1000])
def test_product_is_that_of_scipy(n, causal, dtype, convert):
    c, X = RNG.normal(size=2 * n - 1), RNG.normal(size=(n, 3))
    expected = by_scipy(c, X, causal)
    for method in ("auto", "fft", "dense"):
        args = convert(c.astype(dtype)), convert(X.astype(dtype))
        found = toeplitz_matmul(*args, causal, method)
        assert type(found) is type(args[0])
        assert str(found.dtype).endswith(dtype)
        assert relative(found, expected) < TOLERANCES[dtype]
    with limits(row_block=2 * n, fft_numbers=1):  # in many blocks
        for method in ("fft", "dense"):
            assert relative(toeplitz_matmul(c, X, causal, method), expected) < 1e-12


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([(), (2,)]),
    st.sampled_from(["fft", "dense"]),
    st.data(),
)
def test_product_on_a_grid_is_the_sum_that_it_says(height, width, leading, method, data):
    numbers = st.floats(-9, 9, width=32)
    c = data.draw(hnp.arrays(float, (2 * height - 1, 2 * width - 1), elements=numbers))
    X = data.draw(hnp.arrays(float, (*leading, height, width, 2), elements=numbers))
    expected = np.zeros_like(X)
    for h in range(height):
        for w in range(width):
            seen = c[height - 1 - h : 2 * height - 1 - h, width - 1 - w : 2 * width - 1 - w]
            expected[..., h, w, :] = np.einsum("jl,...jlk->...k", seen, X)
    scale = 1 + np.abs(c).max() * np.abs(X).max() * height * width
    np.testing.assert_allclose(toeplitz_matmul(c, X, method=method), expected, atol=1e-13 * scale)
    one = toeplitz_matmul(c, X[(0,) * len(leading)][..., 0], method=method)
    expected = expected[(0,) * len(leading)][..., 0]
    np.testing.assert_allclose(one, expected, atol=1e-13 * scale)


def test_leading_axes_are_other_series():
    c, X = RNG.normal(size=9), RNG.normal(size=(2, 3, 5, 4))
    for method in ("fft", "dense"):
        found = toeplitz_matmul(c, X, method=method)
        np.testing.assert_allclose(found[1, 2], by_scipy(c, X[1, 2]), atol=1e-13)


@pytest.mark.parametrize("method", ["fft", "dense"])
def test_gradients(method):
    def inputs(*shapes):
        return [torch.tensor(RNG.normal(size=s), requires_grad=True) for s in shapes]

    def product(c, X):
        return toeplitz_matmul(c, X, method=method)

    assert torch.autograd.gradcheck(product, inputs((9,), (5, 2)))
    assert torch.autograd.gradcheck(product, inputs((5, 3), (3, 2, 2)))
    c, X = inputs((9,), (5, 2))
    toeplitz_matmul(c, X, causal=True, method=method).sum().backward()
    assert not c.grad[5:].any()
    assert c.grad[:5].all()


def test_auto_keeps_the_digits_of_small_rows():
    n = 600
    for steepness, kept in ((0.01, "fft"), (0.5, "dense")):
        c = np.exp(-steepness * np.arange(1 - n, n))  # the first row is the smallest
        X = RNG.uniform(1, 2, size=(n, 2))
        dense, fft = (toeplitz_matmul(c, X, True, method) for method in ("dense", "fft"))
        auto = toeplitz_matmul(c, X, True)
        np.testing.assert_array_equal(auto, {"dense": dense, "fft": fft}[kept])
        np.testing.assert_allclose(auto, dense, rtol=1e-9)
    assert np.abs(fft / dense - 1).max() > 1  # it had no digit left


def test_range_of_rows_is_that_of_row_sums():
    c = RNG.normal(size=9)
    rows = [np.abs(c[4 - i : 9 - i]).sum() for i in range(5)]
    assert rows_range(c, 1) == pytest.approx(max(rows) / min(rows))
    c = RNG.normal(size=(5, 3))
    rows = [np.abs(c[2 - h : 5 - h, 1 - w : 3 - w]).sum() for h in range(3) for w in range(2)]
    assert rows_range(c, 2) == pytest.approx(max(rows) / min(rows))
    assert rows_range(np.zeros(3), 1) == 1
    assert rows_range(np.array([2.0, 0, 0]), 1) == 1  # a row of nothing loses nothing


def test_few_places_are_multiplied_by_the_matrix():
    for n, method in ((256, "dense"), (257, "fft")):
        c, X = RNG.normal(size=2 * n - 1), RNG.normal(size=(n, 1))
        expected = toeplitz_matmul(c, X, method=method)
        np.testing.assert_array_equal(toeplitz_matmul(c, X), expected)


@pytest.mark.parametrize(
    ("c", "X", "changed", "error", "match"),
    [
        (np.ones(4), np.ones(2), {}, ValueError, r"c must have shape \(2 n - 1,\).*Got shape \(4,"),
        (np.ones(0), np.ones(0), {}, ValueError, "c must have shape"),
        (np.ones((3, 3, 3)), np.ones(2), {}, ValueError, "c must have shape"),
        (np.ones(3), np.ones((3, 2)), {}, ValueError, r"X must have shape \(2,\) or \(..., 2, k\)"),
        (np.ones((3, 5)), np.ones((2, 2)), {}, ValueError, r"shape \(2, 3\) or \(..., 2, 3, k\)"),
        (np.ones(3), [1, np.nan], {}, ValueError, "X must be finite"),
        ([1, np.inf, 1], np.ones(2), {}, ValueError, "c must be finite"),
        (np.ones(3), np.ones(2) * 1j, {}, TypeError, "X must be float32 or float64.*complex"),
        (
            np.ones(3, np.float16),
            np.ones(2),
            {},
            TypeError,
            "c must be float32 or float64.*float16",
        ),
        (np.ones(3), torch.ones(2), {}, TypeError, "one namespace.*Got ndarray and Tensor"),
        (np.ones(3), np.ones(2), {"causal": 1}, TypeError, "causal must be True or False"),
        (np.ones((3, 3)), np.ones((2, 2)), {"causal": True}, ValueError, "causal must be False"),
        (np.ones(3), np.ones(2), {"method": "quick"}, ValueError, "method must be one of"),
    ],
)
def test_bad_input_is_refused_by_name(c, X, changed, error, match):
    with pytest.raises(error, match=match):
        toeplitz_matmul(c, X, **changed)
    assert toeplitz_matmul([1, 2, 3], [1, 1]).tolist() == [5.0, 3.0]  # whole numbers are floats


def test_columns_of_many_magnitudes_are_multiplied_densely():
    rng = np.random.default_rng(0)
    c = np.abs(rng.normal(size=999))
    c[505:] = 0
    X = np.ones((500, 2))
    X[-1, 0] = 1e16
    with np.errstate(all="raise"):
        found = toeplitz_matmul(c, X)
    np.testing.assert_allclose(found, toeplitz_matmul(c, X, method="dense"), rtol=1e-12)
