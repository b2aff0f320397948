"""Sums of attention in blocks of steps, where weights of far steps are all alike.

A block sees itself and its neighbours with a weight for each distance. What is farther away has
one weight before it and one after it, so that prefix sums over blocks hold all of it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from sk_posenc.core.limits import limits_now
from sk_posenc.series._attention_sums import computed, forgets


def block_sums(
    queries: Tensor, keys: Tensor, values: Tensor, log_weights: Tensor, size: int, causal: bool
) -> Tensor:
    """All sums in O(n size), for weights that are equal from a distance of `size` on.

    Series have at least ``2 * size`` steps.
    """
    n = keys.shape[-1]
    n_blocks = -(-n // size)
    rest = n_blocks * size - n
    n_seen = (2 if causal else 3) * size
    weights = torch.exp(log_weights - log_weights.detach().amax(1, keepdim=True))
    near = weights[:, n - 2 * size : n + 2 * size - 1].unfold(-1, 3 * size, 1).flip(1)
    queries = _blocks(pad(queries, (0, rest)), size, size)  # (batch, heads, blocks, m, size)
    padding = (size, rest + n_seen - 2 * size)
    keys, values = (_blocks(pad(each, padding), n_seen, size) for each in (keys, values))
    far = _far_states(keys[..., size : 2 * size], values[..., size : 2 * size], weights)
    return _near_and_far(queries, keys, values, near[..., :n_seen], far)[..., :n]


def _blocks(x: Tensor, n_seen: int, size: int) -> Tensor:
    return x.unfold(-1, n_seen, size).transpose(2, 3)


def _far_states(keys: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of values times features, beyond the neighbours of each block."""
    states = (values @ keys.transpose(-1, -2)).double()  # (batch, heads, blocks, e, m)
    before = pad(states.cumsum(2), (0, 0, 0, 0, 2, 0))[:, :, :-2]
    after = pad(states.flip(2).cumsum(2).flip(2), (0, 0, 0, 0, 0, 2))[:, :, 2:]
    first, last = (weights[:, at, None, None, None] for at in (0, -1))
    return (first * before + last * after).to(keys.dtype)


def _near_and_far(
    queries: Tensor, keys: Tensor, values: Tensor, near: Tensor, far: Tensor
) -> Tensor:
    """Sums (batch, heads, e, n), of some blocks at a time."""
    batch, heads, n_blocks = queries.shape[:3]
    numbers = batch * heads * near[0].numel()
    step = max(1, limits_now().block_numbers // numbers)

    def some(queries: Tensor, keys: Tensor, values: Tensor, far: Tensor) -> Tensor:
        scores = (queries.transpose(-1, -2) @ keys) * near[:, None]
        return values @ scores.transpose(-1, -2) + far @ queries

    again = forgets(2 * n_blocks * numbers)
    parts = []
    for start in range(0, n_blocks, step):
        these = slice(start, start + step)
        inputs = (each[:, :, these] for each in (queries, keys, values, far))
        parts.append(computed(again, some, *inputs))
    return torch.cat(parts, dim=2).transpose(2, 3).flatten(3)
