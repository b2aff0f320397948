"""The scaling of a network: shift and scale of its input and of its targets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sk_posenc.core.arrays import to_numpy
from sk_posenc.networks.mlp import CoordinateMLP

# A column that varies by less than this share of its size varies by rounding only.
_ROUNDING = 8 * float(np.finfo(np.float32).eps)


def learn_scaling(batches: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shift and scale of input and target, in one pass over batches (X, y)."""
    n, targets = 0, []
    mean = sum_sq = torch.tensor(0.0, dtype=torch.float64)
    low, high = mean + math.inf, mean - math.inf
    for X, y in batches:
        # Chan's update of the mean and the sum of squared deviations
        variance, centre = (m.double() for m in torch.var_mean(X, dim=0, correction=0))
        delta, total = centre - mean, n + len(X)
        sum_sq = sum_sq + variance * len(X) + delta.square() * (n * len(X) / total)
        mean = mean + delta * (len(X) / total)
        low, high = torch.minimum(X.amin(0), low), torch.maximum(X.amax(0), high)
        n = total
        targets.append(y)
    target = torch.cat(targets).reshape(n, -1)
    target_std, target_mean = torch.std_mean(target, dim=0, correction=0)
    constant = high - low <= _ROUNDING * torch.maximum(high.abs(), low.abs())
    size = (sum_sq[~constant] / n).mean().sqrt().nan_to_num(1.0)
    input_scale = torch.where(constant, 0.0, 1 / size)
    target_std[target_std <= 1e-12 * target_mean.abs()] = 1.0
    return mean, input_scale, target_mean, target_std


@torch.no_grad()
def scale_once(
    module: CoordinateMLP, batches: Iterable[tuple[Tensor, Tensor]], *, targets_too: bool
) -> None:
    """Let a network learn its scaling from the rows of its first training only.

    Parameters
    ----------
    module : CoordinateMLP
    batches : iterable of (X, y)
        Training rows as the first layer sees them.
    targets_too : bool
        False: the network predicts targets in their own units, as bounded outputs do.
    """
    if module.is_scaled:
        return
    input_shift, input_scale, shift, scale = learn_scaling(batches)
    if not targets_too:
        shift, scale = torch.zeros_like(shift), torch.ones_like(scale)
    module.set_scaling(input_shift, input_scale, shift, scale)


def standardised(module: CoordinateMLP, targets: Tensor) -> Tensor:
    """Targets as the network sees them."""
    return (targets - module.target_shift) / module.target_scale


def in_units_of_targets(module: CoordinateMLP, output: NDArray) -> NDArray:
    """Output of the network as predictions."""
    scale, shift = to_numpy(module.target_scale), to_numpy(module.target_shift)
    return np.asarray(output * scale + shift)
