"""What the first training learns: shift and scale of its input and of its targets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sk_posenc.core.arrays import to_numpy
from sk_posenc.networks.batches import weights_of
from sk_posenc.networks.coordinate_module import CoordinateModule
from sk_posenc.networks.mlp import RANGES

# A column that varies by less than this share of its size varies by rounding only.
_ROUNDING = 8 * float(np.finfo(np.float32).eps)
# The same of targets, which are float64.
_TARGET_ROUNDING = 8 * float(np.finfo(np.float64).eps)


# The largest target: a difference of two is finite.
_LARGEST_TARGET = float(np.finfo(np.float64).max) / 4


def check_targets(y: NDArray[np.float64], output_activation: str | None) -> None:
    """Raise for targets that the output of a network cannot reach."""
    largest, low, high = _LARGEST_TARGET, -math.inf, math.inf
    if isinstance(output_activation, str) and output_activation in RANGES:
        low, high = RANGES[output_activation]
        largest = float(np.finfo(np.float32).max)  # they are not scaled
    if y.min() < low or y.max() > high:
        raise ValueError(
            f"y must lie between {low:g} and {high:g}, the range of output_activation="
            f"{output_activation!r}: scale or clip y, or set output_activation=None. "
            f"Got values from {y.min():g} to {y.max():g}."
        )
    size = float(np.abs(y).max())
    if size > largest:
        raise ValueError(f"y must not be beyond {largest:.3g}: scale y. Got {size:.3g}.")


def learn_scaling(batches: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shift and scale of input and target, in one pass over batches (X, y)."""
    n, targets, weights = 0.0, [], []
    mean = sum_sq = torch.tensor(0.0, dtype=torch.float64)
    low, high = mean + math.inf, mean - math.inf
    for X, y in batches:
        weight = weights_of(y)
        size = len(X) if weight is None else float(weight.sum())
        # Chan's update of the mean and the sum of squared deviations
        variance, centre = _var_mean(X, weight)
        delta, total = centre - mean, n + size
        sum_sq = sum_sq + variance * size + delta.square() * (n * size / total)
        mean = mean + delta * (size / total)
        low, high = torch.minimum(X.amin(0), low), torch.maximum(X.amax(0), high)
        n = total
        targets.append(y.reshape(len(X), -1))
        weights.append(weight)
    constant = high - low <= _ROUNDING * torch.maximum(high.abs(), low.abs())
    spread = (sum_sq[~constant] / n).mean().sqrt().nan_to_num(1.0)
    input_scale = torch.where(constant, 0.0, 1 / spread)
    return mean, input_scale, *target_scaling(targets, weights)


def _var_mean(values: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Variance and mean of columns, in float64."""
    if weight is None:
        variance, mean = torch.var_mean(values, dim=0, correction=0)
        varies = values.amax(0) > values.amin(0)
        lost = ~variance.isfinite() | ((variance == 0) & varies)
        if lost.any():  # squares that float32 does not hold
            variance, mean = torch.var_mean(values.double(), dim=0, correction=0)
        return variance.double(), mean.double()
    share = (weight.double() / weight.double().sum())[:, None]
    mean = (share * values.double()).sum(0)
    return (share * (values.double() - mean).square()).sum(0), mean


def target_scaling(targets: list[Tensor], weights: list[Tensor | None]) -> tuple[Tensor, Tensor]:
    """Shift and scale of each output over batches; a scale of 0 where targets are all the same."""
    target = torch.cat(targets).double()
    weight = None if weights[0] is None else torch.cat(weights)  # type: ignore[arg-type]
    low, high = target.amin(0), target.amax(0)
    _, exponent = np.frexp(to_numpy(torch.maximum(high.abs(), low.abs())))
    # a power of 2 changes no digit, and no square overflows or vanishes
    unit = torch.as_tensor(np.ldexp(1.0, np.clip(exponent, -1000, 1000)), device=target.device)
    if weight is None:
        std, mean = torch.std_mean(target / unit, dim=0, correction=0)
    else:
        variance, mean = _var_mean(target / unit, weight)
        std = variance.sqrt()
    same = low == high
    std = torch.where(same | (std <= _TARGET_ROUNDING * mean.abs()), 0.0, std * unit)
    return torch.where(same, low, mean * unit), std


@torch.no_grad()
def scale_once(
    module: CoordinateModule,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    targets_too: bool,
    columns_too: bool = True,
) -> None:
    """Let a network learn its scaling from the rows of its first training only.

    An output whose targets were all the same has a scale of 0. It learns from the next rows.

    Parameters
    ----------
    module : CoordinateModule
    batches : iterable of (X, y)
        Training rows as the first layer sees them.
    targets_too : bool
        False: the network predicts targets in their own units, as bounded outputs do.
    columns_too : bool, default=True
        False: columns of the input stay as they are, whatever X holds.
    """
    constant = module.target_scale == 0
    if module.is_scaled and not constant.any():
        return
    input_shift, input_scale, shift, scale = learn_scaling(batches)
    if module.is_scaled:
        module.target_shift.copy_(
            torch.where(constant, shift.to(constant.device), module.target_shift)
        )
        module.target_scale.copy_(
            torch.where(constant, scale.to(constant.device), module.target_scale)
        )
        return
    if not targets_too:
        shift, scale = (torch.zeros_like(module.target_shift), torch.ones_like(module.target_scale))
    if not columns_too:
        input_shift, input_scale = module.input_shift, module.input_scale
    module.set_scaling(input_shift, input_scale, shift, scale)


def standardised(module: CoordinateModule, targets: Tensor) -> Tensor:
    """Targets as the network sees them: 0 where they are all the same."""
    scale = module.target_scale
    return (targets - module.target_shift) / torch.where(scale == 0, 1.0, scale)


def in_units_of_targets(module: CoordinateModule, output: NDArray) -> NDArray[np.float64]:
    """Output of the network as predictions."""
    scale, shift = to_numpy(module.target_scale), to_numpy(module.target_shift)
    return np.asarray(output * scale + shift)
