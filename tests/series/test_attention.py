"""Attention with relative positions: its sums against a matrix, and what must not change it."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sk_posenc import ToeplitzAttention
from sk_posenc.core.limits import limits

METHODS = ("auto", "fft", "dense")


def layer(d_model=8, n_heads=2, spread=1.0, **settings):
    """One with relative weights that have been trained, say."""
    generator = torch.Generator().manual_seed(0)
    made = ToeplitzAttention(
        d_model, n_heads, **{"n_components": 4, "max_distance": 40} | settings, generator=generator
    )
    if made.relative_weights is not None:
        torch.nn.init.normal_(made.relative_weights, std=spread, generator=generator)
    return made


def series(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_matrix(module, x, rows=512):
    """The formula in float64, one block of rows of its matrix at a time."""
    module = module.double()
    projected = module.in_projection(x.double()).unflatten(-1, (3, module.n_heads, -1))
    q, k, v = (part.transpose(1, 2) for part in projected.unbind(2))
    phi_q, phi_k = (
        torch.exp(normalize(part, dim=-1) @ module.directions.transpose(1, 2)) for part in (q, k)
    )
    n, step = x.shape[1], torch.arange(x.shape[1])
    out = []
    for start in range(0, n, rows):
        t = step[None, :] - step[start : start + rows, None]
        weights = torch.ones(module.n_heads, *t.shape, dtype=torch.float64)
        if module.relative_weights is not None:
            D = module.max_distance
            weights = module.relative_weights[:, t.clamp(-D, 0 if module.causal else D) + D].exp()
        A = (phi_q[:, :, start : start + rows] @ phi_k.transpose(-1, -2)) * weights
        A = A * (t <= 0) if module.causal else A
        out.append((A @ v) / A.sum(-1, keepdim=True))
    z = torch.cat(out, dim=2).transpose(1, 2).flatten(2)
    return module.out_projection(z)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 17, 256, 1000])
@torch.no_grad()
def test_output_is_that_of_the_matrix(n, relative, causal):
    module = layer(causal=causal, relative=relative)
    x = series(2, n, 8)
    expected = by_matrix(module, x)
    for method in METHODS:
        module.method = method
        assert (module.double()(x) - expected).abs().max() < (1e-11 if causal else 1e-13)
        single = module.float()(x.float())
        assert single.dtype == torch.float32
        assert (single - expected).abs().max() < 1e-5
    with limits(row_block=3 * n, fft_numbers=1):  # in many blocks
        for method in ("fft", "dense"):
            module.method = method
            assert (module.double()(x) - expected).abs().max() < 1e-11


@pytest.mark.parametrize("method", ["fft", "dense"])
@torch.no_grad()
def test_long_series_are_within_the_goal(method):
    module = layer(causal=True, max_distance=300, method=method)
    x = series(1, 2500, 8).float()
    found = module(x)
    assert (found - by_matrix(module, x)).abs().max() < 1e-4


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("method", ["fft", "dense"])
@torch.no_grad()
def test_a_constant_in_the_weights_changes_nothing_and_their_order_does(method, causal):
    module = layer(causal=causal, method=method).double()
    x = series(2, 30, 8)
    before = module(x)
    module.relative_weights += torch.tensor([[3.0], [-200.0]])
    assert (module(x) - before).abs().max() < 1e-12
    module.relative_weights.copy_(module.relative_weights.flip(1))
    assert (module(x) - before).abs().max() > 0.05


@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_equal_weights_are_linear_attention(causal):
    linear, module = (layer(causal=causal, relative=each).double() for each in (False, True))
    torch.nn.init.constant_(module.relative_weights, 0.7)
    x = series(2, 50, 8)
    for method in METHODS:
        module.method = linear.method = method
        assert (module(x) - linear(x)).abs().max() < 1e-12


@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_equal_values_come_out_as_they_are(causal):
    x = series(2, 700, 8)
    for method in METHODS:
        module = layer(causal=causal, method=method).double()
        module.in_projection.weight[16:] = 0
        module.in_projection.bias[16:] = 1
        expected = module.out_projection(torch.ones(8, dtype=torch.float64))
        assert (module(x) - expected).abs().max() < 1e-12


@torch.no_grad()
def test_a_causal_step_sees_no_later_one():
    x = series(1, 60, 8)
    other = x.clone()
    other[:, 20] += 5
    for relative in (True, False):
        for method in METHODS:
            module = layer(causal=True, relative=relative, method=method).double()
            change = (module(other) - module(x)).abs().amax((0, 2))
            assert change[:20].max() < 1e-12
            assert change[20:].min() > 1e-6
            module = layer(relative=relative, method=method).double()
            assert (module(other) - module(x)).abs().amax((0, 2)).min() > 1e-6


@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_padding_is_not_seen_whatever_it_holds(causal):
    lengths, n = [40, 25, 1], 40
    x = series(3, n, 8)
    present = torch.arange(n) < torch.tensor(lengths)[:, None]
    x[~present] = math.nan
    for relative in (True, False):
        for method in METHODS:
            module = layer(causal=causal, relative=relative, method=method).double()
            padded = module(x, present)
            for row, length in enumerate(lengths):
                alone = module(x[row : row + 1, :length])[0]
                assert (padded[row, :length] - alone).abs().max() < 1e-12
            assert padded.isfinite().all()
            in_front = module(x.flip(1), present.flip(1))
            alone = module(x[1:2, :25].flip(1))[0]
            assert (in_front[1, -25:] - alone).abs().max() < 1e-12


@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_steep_weights_keep_their_digits(causal):
    n = 700
    module = layer(causal=causal, max_distance=n - 1).double()
    slope = -0.5 if causal else 3.0  # what is near counts least, or as good as alone
    distances = torch.arange(1 - n, 1 if causal else n)
    module.relative_weights.copy_((slope * distances).expand(2, -1))
    x = series(1, n, 8)
    found = module(x)
    assert found.isfinite().all()
    if causal:
        assert (found - by_matrix(module, x)).abs().max() < 1e-9
    module.method = "fft"
    with pytest.raises(ValueError, match='method must be "auto" for relative weights that differ'):
        module(x)


@pytest.mark.parametrize("slope", [-0.9, 0.9, -2.0])
@torch.no_grad()
def test_float32_keeps_the_digits_of_steep_weights(slope):
    # up to a factor of e to the 36 in blocks, beyond with the matrix
    module = layer(causal=True, max_distance=40)
    module.relative_weights.copy_((slope * torch.arange(41)).expand(2, -1))
    x = series(1, 300, 8).float()
    assert (module(x) - by_matrix(module, x)).abs().max() < 1e-5


@torch.no_grad()
def test_weights_beyond_the_farthest_are_those_at_it():
    near = layer(max_distance=3).double()
    far = layer(max_distance=9).double()
    far.load_state_dict({**near.state_dict(), "relative_weights": far.relative_weights})
    t = torch.arange(-9, 10).clamp(-3, 3) + 3
    far.relative_weights.copy_(near.relative_weights[:, t])
    x = series(1, 10, 8)
    for method in METHODS:
        near.method = far.method = method
        assert (near(x) - far(x)).abs().max() < 1e-13
    far.extrapolate = False
    assert far(x).shape == (1, 10, 8)
    with pytest.raises(ValueError, match=r"at most 10 steps.*max_distance=9.*Got 11 steps"):
        far(series(1, 11, 8))


@pytest.mark.parametrize("method", ["fft", "dense"])
@pytest.mark.parametrize("causal", [False, True])
def test_gradients(method, causal):
    module = layer(4, 2, causal=causal, max_distance=3, method=method).double()
    x = series(1, 6, 4).requires_grad_()
    names = [name for name, _ in module.named_parameters()]
    present = torch.tensor([[True] * 5 + [False]])

    def output(x, *parameters):
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(module, given, (x, present))

    assert torch.autograd.gradcheck(output, (x, *module.parameters()))
    module(x, present)[:, :5].square().sum().backward()
    assert all(each.grad.any() for each in module.parameters())


@pytest.mark.parametrize("method", ["fft", "dense"])
def test_gradients_are_the_same_where_sums_are_found_twice(method):
    module = layer(method=method).double()
    x = series(2, 12, 8)
    gradients = []
    for kept in (0, 10**9):
        module.zero_grad()
        with limits(kept_numbers=kept, fft_numbers=1, row_block=150):
            module(x).square().sum().backward()
        gradients.append([each.grad.clone() for each in module.parameters()])
    for again, kept in zip(*gradients, strict=True):
        torch.testing.assert_close(again, kept, rtol=1e-12, atol=1e-13)


class Largest(TorchDispatchMode):
    """The most numbers that any tensor has had."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [each.numel() for each in tree_leaves(out) if isinstance(each, torch.Tensor)]
        self.numbers = max(self.numbers, *sizes, 0)
        return out


@pytest.mark.parametrize(("max_distance", "method"), [(40, "auto"), (1999, "fft")])
def test_no_matrix_of_all_pairs_in_memory(max_distance, method):
    n = 2000
    module = layer(4, 1, max_distance=max_distance, method=method)
    x = series(1, n, 4).float().requires_grad_()
    with limits(fft_numbers=2**15, block_numbers=2**15, kept_numbers=2**15), Largest() as seen:
        module(x).sum().backward()
    assert 5 * n <= seen.numbers < n * n / 15
    module.method = "dense"
    with Largest() as seen:
        module(x)
    assert seen.numbers >= n * n


def test_same_generator_same_layer_and_the_global_one_is_left_alone():
    state = torch.get_rng_state()
    first, second = layer(), layer()
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(ToeplitzAttention(8).directions, ToeplitzAttention(8).directions)
    assert not ToeplitzAttention(8).relative_weights.any()
    assert set(dict(first.named_buffers())) == {"directions"}


@torch.no_grad()
def test_no_half_precision():
    module, x = layer(), series(1, 20, 8).float()
    expected = module(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(x), expected)
        assert module(x.bfloat16()).dtype == torch.float32
    with pytest.raises(TypeError, match=r"takes no half precision.*Got weights of torch.float16"):
        module.half()(x)


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"d_model": 0}, ValueError, "d_model must be at least 1"),
        ({"n_heads": 3}, ValueError, "n_heads must divide d_model=8. Got 3"),
        ({"n_heads": 2.0}, TypeError, "n_heads must be a whole number"),
        ({"causal": "no"}, TypeError, "causal must be True or False"),
        ({"relative": None}, TypeError, "relative must be True or False"),
        ({"max_distance": -1}, ValueError, "max_distance must be at least 0"),
        ({"max_distance": None}, TypeError, "max_distance must be a whole number"),
        ({"extrapolate": 1}, TypeError, "extrapolate must be True or False"),
        ({"n_components": 0}, ValueError, "n_components must be at least 1"),
        ({"orthogonal": 0}, TypeError, "orthogonal must be True or False"),
        ({"method": "quick"}, ValueError, "method must be one of"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, error, match):
    with pytest.raises(error, match=match):
        ToeplitzAttention(**{"d_model": 8} | settings)


@pytest.mark.parametrize(
    ("x", "present", "error", "match"),
    [
        (np.zeros((1, 3, 8)), None, TypeError, "x must be a tensor of series.*Got ndarray"),
        (torch.zeros(1, 3, 8, dtype=int), None, TypeError, "x must be a tensor of floats"),
        (torch.zeros(3, 8), None, ValueError, r"x must have shape \(batch, n, 8\)"),
        (torch.zeros(1, 3, 7), None, ValueError, r"x must have shape \(batch, n, 8\)"),
        (torch.zeros(1, 0, 8), None, ValueError, "at least one step"),
        (torch.zeros(1, 3, 8), torch.ones(1, 3), TypeError, "present must be a tensor of bool"),
        (torch.zeros(1, 3, 8), [[True] * 3], TypeError, "present must be a tensor.*Got list"),
        (torch.zeros(1, 3, 8), torch.ones(1, 2, dtype=bool), ValueError, r"shape \(1, 3\).*\(1, 2"),
        (
            torch.zeros(2, 3, 8),
            torch.tensor([[True] * 3, [False] * 3]),
            ValueError,
            r"series \[1\]",
        ),
    ],
)
def test_bad_input_is_refused_by_name(x, present, error, match):
    with pytest.raises(error, match=match):
        layer()(x, present)


@pytest.mark.parametrize("sizes", [{"d_model": 8, "n_components": 10**15}, {"d_model": 2**40}])
def test_layers_beyond_memory_are_refused(sizes):
    with pytest.raises(ValueError, match=r"too large.*GiB.*lower"):
        ToeplitzAttention(**{"max_distance": 4} | sizes)
