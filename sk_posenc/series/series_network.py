"""A torch network over series: attention between steps, then values of steps or of whole series."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sk_posenc.networks.coordinate_module import CoordinateModule
from sk_posenc.networks.encoder_module import EncoderModule
from sk_posenc.networks.linear_layers import linear
from sk_posenc.series.attention import ToeplitzAttention

# Units of the layers between attentions, in units of d_model.
_WIDER = 2


class SeriesNetwork(CoordinateModule):
    r"""Layers of attention over the steps of series, for `ToeplitzAttentionRegressor`.

    Scaled channels, and the encoded times beside them, are mapped to `d_model` numbers a step.
    Each layer adds to them, with the norm N of each step,

    .. math:: h \leftarrow h + \mathrm{attention}(N h), \quad
        h \leftarrow h + W_2\, \mathrm{GELU}(W_1 N h).

    A linear head makes the values of a step of h. Those of a series are made of the mean of h over
    its steps and of its last step.

    Parameters
    ----------
    in_features : int
        Channels.
    out_features : int, default=1
        Values of a step, or of a series.
    d_model : int, default=32
        Numbers of each step between layers.
    n_heads : int, default=4
        Heads of each attention; they divide `d_model`.
    n_layers : int, default=2
        Attentions.
    causal : bool, default=False
        Whether steps see earlier ones and themselves only.
    relative : bool, default=True
        Whether attention has weights of relative positions.
    max_distance : int, default=64
        Steps between which these weights differ.
    per_step : bool, default=False
        Whether values are those of steps.
    encoder : EncoderModule, default=None
        Encodes times. None: times are not seen.
    attention : type, default=ToeplitzAttention
        The attention, called with (d_model, n_heads) and by name causal, relative, max_distance
        and generator.
    generator : torch.Generator, default=None
        Draws the weights.
    """

    channel_shift: Tensor
    channel_scale: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int = 1,
        *,
        d_model: int = 32,
        n_heads: int = 4,
        n_layers: int = 2,
        causal: bool = False,
        relative: bool = True,
        max_distance: int = 64,
        per_step: bool = False,
        encoder: EncoderModule | None = None,
        attention: Any = ToeplitzAttention,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_features, out_features)
        self.register_buffer("channel_shift", torch.zeros(in_features, dtype=torch.float64))
        self.register_buffer("channel_scale", torch.ones(in_features, dtype=torch.float64))
        self.positions, self.per_step = encoder, per_step
        n_in = in_features + (0 if encoder is None else encoder.n_features)
        self.inlet = linear(n_in, d_model, generator)
        common = {"causal": causal, "relative": relative, "max_distance": max_distance}
        self.layers = nn.ModuleList(
            _Layer(attention(d_model, n_heads, **common, generator=generator), d_model, generator)
            for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = linear((1 if per_step else 2) * d_model, out_features, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Values of series.

        Parameters
        ----------
        x : Tensor of shape (n_series, n_steps, 1 + in_features), float64
            The time of each step, then its channels.

        Returns
        -------
        Tensor of shape (n_series, n_steps, out_features) or (n_series, out_features)
            In units of `target_scale`.
        """
        scaled = (x[..., 1:] - self.channel_shift) * self.channel_scale
        h = scaled.to(self.inlet.weight.dtype)
        if self.positions is not None:
            h = torch.cat([h, self.positions(x[..., :1]).to(h.dtype)], dim=-1)
        h = self.inlet(h)
        for layer in self.layers:
            h = layer(h)
        h = self.norm(h)
        if not self.per_step:
            h = torch.cat([h.mean(1), h[:, -1]], dim=-1)
        values: Tensor = self.head(h)
        return values


class _Layer(nn.Module):
    """Attention between steps, then two linear layers on each of them."""

    def __init__(
        self, attention: nn.Module, d_model: int, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(2))
        self.attention = attention
        wide = _WIDER * d_model
        self.within = nn.Sequential(
            linear(d_model, wide, generator), nn.GELU(), linear(wide, d_model, generator)
        )

    def forward(self, h: Tensor) -> Tensor:
        """Add to h (n_series, n_steps, d_model) what its steps say."""
        first, second = self.norms
        h = h + self.attention(first(h))
        added: Tensor = h + self.within(second(h))
        return added
