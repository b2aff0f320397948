"""Weighted sums of attention with positive features: by FFT, by prefix sums, with the matrix.

Steps come last: features are (batch, heads, m, n), values (batch, heads, e, n). Row i of the
sums is sum_j exp(b_{j-i}) (phi(q_i) . phi(k_j)) v_j, with b the logarithms of the relative weights
(heads, 2 n - 1). The last value is 1 at each step, so that the last sum divides the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sk_posenc.core.limits import limits_now
from sk_posenc.series._toeplitz_products import by_spectrum, spectrum_of

# Copies of its numbers that a step of the sums leaves for the gradient.
_KEPT = 4


def positive_features(x: Tensor, directions: Tensor, over: tuple[int, ...]) -> Tensor:
    """exp(w . x) of unit vectors (batch, heads, n, d), the largest `over` axes being 1.

    What that divides by cancels: for queries of each step, for keys of all steps of a head.
    """
    logs = directions @ x.transpose(-1, -2)
    return torch.exp(logs - logs.detach().amax(over, keepdim=True))


def fft_sums(queries: Tensor, keys: Tensor, values: Tensor, log_weights: Tensor) -> Tensor:
    """All sums by FFT of float64, in O(n log n)."""
    weights = torch.exp(log_weights - log_weights.detach().amax(1, keepdim=True))
    spectra, lengths = spectrum_of(weights.double(), 1)

    def times(columns: Tensor, head: int) -> Tensor:
        product: Tensor = by_spectrum(spectra[head], columns, lengths)
        return product

    return _by_groups(queries, keys, values, times, lengths[0])


def prefix_sums(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The sums over j <= i where all weights are 1."""
    return _by_groups(queries, keys, values, lambda columns, _: columns.cumsum(-1), keys.shape[-1])


def total_sums(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The sums over all steps where all weights are 1."""
    return (values @ keys.transpose(-1, -2)) @ queries


def dense_sums(
    queries: Tensor, keys: Tensor, values: Tensor, log_weights: Tensor, present: Tensor | None
) -> Tensor:
    """All sums with the matrix of attention, some of its rows at a time."""
    batch, heads, _, n = keys.shape
    windows = log_weights.unfold(-1, n, 1)  # row i is window n - 1 - i
    step = max(1, limits_now().row_block // (batch * heads * n))

    def rows(start: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        logs = windows[:, n - start - queries.shape[-1] : n - start].flip(1)
        if present is not None:
            logs = logs.masked_fill(~present[:, None, None, :], -math.inf)
        # the largest of a row cancels, and keeps what is small beside other rows
        largest = logs.detach().amax(-1, keepdim=True).clamp(min=torch.finfo(logs.dtype).min)
        matrix = torch.exp(logs - largest) * (queries.transpose(-1, -2) @ keys)
        return values @ matrix.transpose(-1, -2)

    again = forgets(_KEPT * batch * heads * n * n)
    parts = [
        computed(again, rows, start, queries[..., start : start + step], keys, values)
        for start in range(0, n, step)
    ]
    return torch.cat(parts, dim=-1)


def _by_groups(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    times: Callable[[Tensor, int], Tensor],
    length: int,
) -> Tensor:
    """Sums of products by features, for one series and head and some features at a time."""
    batch, heads, m, _ = keys.shape
    numbers = values.shape[2] * length
    step = max(1, limits_now().fft_numbers // numbers)
    again = forgets(_KEPT * batch * heads * m * numbers)

    def chunk(head: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        products = times(keys[:, None] * values, head)  # (features, e, n)
        return (queries[:, None] * products).sum(0)

    def group(b: int, h: int) -> Tensor:
        total = torch.zeros_like(values[b, h])
        for r in range(0, m, step):
            some = slice(r, r + step)
            parts = queries[b, h, some], keys[b, h, some], values[b, h]
            total = total + computed(again, chunk, h, *parts)
        return total

    sums = [torch.stack([group(b, h) for h in range(heads)]) for b in range(batch)]
    return torch.stack(sums)


def forgets(numbers: int) -> bool:
    """Whether so many numbers are too many to keep for gradients."""
    return torch.is_grad_enabled() and numbers > limits_now().kept_numbers


def computed(again: bool, function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """What a function returns; with `again` it runs once more for the gradient."""
    if not again:
        return function(*inputs)
    result: Tensor = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return result
