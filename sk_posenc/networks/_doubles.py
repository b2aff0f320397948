"""Buffers in float64, which keep their digits where the module around them is converted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn


class KeepsDoubles(nn.Module):
    """A module whose float64 buffers move between devices, but are never rounded.

    ``.float()`` and ``.to(torch.bfloat16)`` of a network convert its weights; what these buffers
    hold, such as places in coordinates, would lose its digits.
    """

    def _apply(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Self:
        exact = {
            name: buffer
            for name, buffer in self._buffers.items()
            if buffer is not None and buffer.dtype == torch.float64
        }
        super()._apply(fn, *args, **kwargs)
        for name, buffer in exact.items():
            converted: Any = self._buffers[name]
            if converted.dtype != torch.float64:
                self._buffers[name] = buffer.to(converted.device)
        return self
