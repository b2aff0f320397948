"""Sums in blocks of steps, against the matrix; when they are chosen."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_posenc.core.limits import limits
from sk_posenc.series import _kernel_attention as attention
from sk_posenc.series._attention_sums import dense_sums
from sk_posenc.series._block_sums import block_sums


def inputs(n, reach, causal, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    queries, keys = (torch.rand(2, 3, 5, n, generator=generator, dtype=dtype) for _ in range(2))
    values = torch.randn(2, 3, 4, n, generator=generator, dtype=dtype)
    logs = torch.randn(3, 2 * reach + 1, generator=generator, dtype=dtype)
    logs = logs[:, torch.arange(1 - n, n).clamp(-reach, reach) + reach]
    if causal:
        logs[:, n:] = -torch.inf
    return queries, keys, values, logs


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(0, 30), st.booleans(), st.sampled_from([1, 10**6]))
def test_sums_are_those_of_the_matrix(size, more, causal, block_numbers):
    queries, keys, values, logs = inputs(2 * size + more, size, causal)
    # the matrix divides each row by its largest weight, so compare quotients
    expected = dense_sums(queries, keys, values, logs, None)
    with limits(block_numbers=block_numbers):
        found = block_sums(queries, keys, values, logs, size, causal)
    assert found.shape == expected.shape
    ratio = found / expected
    assert (ratio - ratio[:, :, :1]).abs().max() < 1e-9
    expected = torch.exp(logs.amax(1))[:, None, None] * found
    weights = torch.exp(logs)
    n = keys.shape[-1]
    t = torch.arange(n)[None, :] - torch.arange(n)[:, None]
    matrix = (queries.transpose(-1, -2) @ keys) * weights[:, t + n - 1]
    torch.testing.assert_close(values @ matrix.transpose(-1, -2), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kept", [0, 10**9])
def test_gradients(kept):
    queries, keys, values, logs = inputs(7, 2, False)
    given = [queries[:1, :2, :2], keys[:1, :2, :2], values[:1, :2, :2], logs[:2]]

    def quotient(*given):
        total = block_sums(*given, 2, False)
        return total[:, :, :1] / total[:, :, 1:]

    given[2][:, :, -1] = 1
    with limits(kept_numbers=kept, block_numbers=24):
        assert torch.autograd.gradcheck(quotient, [each.requires_grad_() for each in given])


@pytest.mark.parametrize(
    ("n", "reach", "chosen"),
    [
        (256, 40, "dense"),
        (257, 40, "blocks"),
        (383, 192, "fft or dense"),
        (384, 192, "blocks"),
        (9000, 193, "fft or dense"),
    ],
)
def test_which_way_is_quickest(n, reach, chosen):
    q = torch.zeros(1, 2, n, 4)
    logs = torch.zeros(2, 2 * n - 1)
    assert attention._quickest(attention.Weights(logs, reach, False), n, q) == chosen
    assert attention._quickest(attention.Weights(None, reach, False), n, q) == "equal"


def test_weights_that_float32_could_not_hold_are_not_summed_in_blocks():
    logs = torch.zeros(2, 2 * 300 - 1)
    logs[1, 400:] = -50
    q = torch.zeros(1, 2, 300, 4)
    for causal, dtype, chosen in (
        (False, torch.float32, "fft or dense"),
        (True, torch.float32, "blocks"),  # later steps have no weight at all
        (False, torch.float64, "blocks"),
    ):
        weights = attention.Weights(logs, 40, causal)
        assert attention._quickest(weights, 300, q.to(dtype)) == chosen
