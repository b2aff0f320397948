"""How much neighbouring codes of grids differ, as a term of the loss."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

# First row of a grid, its shape, and which axes are circles.
Grid = tuple[int, tuple[int, ...], tuple[bool, ...]]


def roughness(codes: Tensor, grids: list[Grid]) -> Tensor:
    """Sum of the squared differences of neighbours on all grids, over all columns of the codes."""
    total: Tensor = _Roughness.apply(codes, grids)
    return total


class _Roughness(torch.autograd.Function):
    """The sum is c . D c, its gradient 2 D c: one pass gives both."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, grids: list[Grid]) -> Tensor:
        differences = _differences(codes.detach(), grids)
        ctx.save_for_backward(differences)
        return torch.dot(codes.detach().flatten(), differences.flatten())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (differences,) = ctx.saved_tensors
        return differences * (2 * gradients[0]), None


def _differences(codes: Tensor, grids: list[Grid]) -> Tensor:
    """D c: for each code the sum of its differences from all neighbours."""
    total = torch.zeros_like(codes)
    for first, shape, circles in grids:
        n = math.prod(shape)
        own = codes[first : first + n].view(*shape, -1)
        summed = total[first : first + n].view(*shape, -1)
        for axis, (length, circle) in enumerate(zip(shape, circles, strict=True)):
            steps = own.diff(dim=axis)
            summed.narrow(axis, 1, length - 1).add_(steps)
            summed.narrow(axis, 0, length - 1).sub_(steps)
            if circle:
                across = own.narrow(axis, 0, 1) - own.narrow(axis, length - 1, 1)
                summed.narrow(axis, 0, 1).add_(across)
                summed.narrow(axis, length - 1, 1).sub_(across)
    return total
