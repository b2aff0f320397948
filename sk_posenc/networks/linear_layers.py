"""Linear layers whose weights are drawn of one generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from sk_posenc.networks.encoder_module import EncoderModule


def linear(
    n_in: int,
    n_out: int,
    generator: torch.Generator | None,
    bias: bool = True,
    gain: float = 1.0,
) -> nn.Linear:
    """A linear layer that multiplies sizes by `gain`, in the mean over draws."""
    layer = nn.Linear(n_in, n_out, bias=bias, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.uniform_(-1, 1, generator=generator).mul_(gain * math.sqrt(3 / n_in))
        if bias:
            layer.bias.zero_()
    return layer


def layers_of(widths: Sequence[int], generator: torch.Generator | None) -> nn.Sequential:
    """Linear layers of these widths, from the input to the output, with ReLU between them."""
    parts: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        gain = math.sqrt(2) if parts else 1.0
        parts += [linear(n_in, n_out, generator, gain=gain), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def linears_in(module: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network outside its encoder, in the order that it names them."""
    encoding = {
        id(part)
        for each in module.modules()
        if isinstance(each, EncoderModule)
        for part in each.modules()
    }
    return [
        each
        for each in module.modules()
        if isinstance(each, nn.Linear) and id(each) not in encoding
    ]
