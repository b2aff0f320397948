"""Attention with positive features and relative weights: the way to its sums, the quotient."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from sk_posenc.core.limits import limits_now
from sk_posenc.series._attention_sums import (
    dense_sums,
    fft_sums,
    positive_features,
    prefix_sums,
    total_sums,
)
from sk_posenc.series._block_sums import block_sums
from sk_posenc.series._toeplitz_products import ROUNDING, TOLERANCES

# The share of the exponents of floats that weights may span in blocks; features take the rest.
_EXPONENTS = 0.45
# Fewer steps make no smaller block.
_SMALLEST_BLOCK = 32


class Weights(NamedTuple):
    """Logarithms of relative weights (heads, 2 n - 1), None where all weights are 1."""

    logs: Tensor | None
    # The distance from which on they are equal.
    reach: int
    causal: bool

    def of_all(self, n: int, like: Tensor) -> Tensor:
        """Logarithms of all weights; later steps have none where they are not seen."""
        logs = like.new_zeros((like.shape[1], 2 * n - 1)) if self.logs is None else self.logs
        return pad(logs[:, :n], (0, n - 1), value=-math.inf) if self.causal else logs


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    directions: Tensor,
    weights: Weights,
    method: str,
    present: Tensor | None,
) -> Tensor:
    """Values (batch, heads, d, n) that the steps get from those that they see.

    Queries, keys and values are (batch, heads, n, d); queries and keys have length 1.
    """
    n = q.shape[2]
    if method == "auto":
        method = _quickest(weights, n, q)
    exact = q.dtype if method in ("dense", "blocks") else torch.float64
    queries, keys = (
        positive_features(x.to(exact), directions.to(exact), over)
        for x, over in ((q, (-2,)), (k, (-2, -1)))
    )
    if present is not None:
        keys = keys * present[:, None, None, :]
    values = pad(v.transpose(-1, -2), (0, 0, 0, 1), value=1.0).to(exact)
    total = _sums(queries, keys, values, weights, method, present, q.dtype)
    divisor = total[:, :, -1:]
    if present is not None:  # padding gets nothing, as it may see nothing
        divisor = torch.where(present[:, None, None, :], divisor, math.inf)
    return (total[:, :, :-1] / divisor).to(q.dtype)


def _quickest(weights: Weights, n: int, q: Tensor) -> str:
    limits = limits_now()
    if q.device.type == "mps":  # it has no float64
        return "dense"
    if weights.logs is None:
        return "equal"
    if n <= limits.attention_dense_up_to:
        return "dense"
    size = _block_size(weights)
    blocks = size <= limits.block_reach and n >= 2 * size and _spans_little(weights, n, q.dtype)
    return "blocks" if blocks else "fft or dense"


def _block_size(weights: Weights) -> int:
    return max(weights.reach, _SMALLEST_BLOCK)


@torch.no_grad()
def _spans_little(weights: Weights, n: int, dtype: torch.dtype) -> bool:
    """Whether all weights are floats of that type beside the largest."""
    assert weights.logs is not None
    logs = weights.logs[:, :n] if weights.causal else weights.logs
    span = logs.amax(1) - logs.amin(1)
    return bool((span <= _EXPONENTS * math.log(torch.finfo(dtype).max)).all())


def _sums(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    weights: Weights,
    method: str,
    present: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    if method == "equal":
        of = prefix_sums if weights.causal else total_sums
        return of(queries, keys, values)
    logs = weights.of_all(keys.shape[-1], keys).to(keys.dtype)
    if method == "blocks":
        return block_sums(queries, keys, values, logs, _block_size(weights), weights.causal)
    if method != "dense":
        total = fft_sums(queries, keys, values, logs)
        if _keeps_digits(queries, keys, logs, total[:, :, -1], present, dtype):
            return total
        if method == "fft":
            raise ValueError(
                'method must be "auto" for relative weights that differ so much: the FFT would '
                "lose the small ones. Got 'fft'."
            )
    return dense_sums(queries, keys, values, logs, present)


@torch.no_grad()
def _keeps_digits(
    queries: Tensor,
    keys: Tensor,
    log_weights: Tensor,
    divisors: Tensor,
    present: Tensor | None,
    dtype: torch.dtype,
) -> bool:
    """Whether all divisors are large beside what the FFT rounds away for them."""
    sizes = torch.exp(log_weights - log_weights.amax(1, keepdim=True)).norm(dim=1)
    rounded = (keys.norm(dim=-1)[:, :, None, :] @ queries)[:, :, 0] * sizes[:, None] * ROUNDING
    kept = divisors * TOLERANCES[dtype.itemsize] >= rounded
    return bool((kept if present is None else kept | ~present[:, None]).all())
