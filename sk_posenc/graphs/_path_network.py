"""A torch module that hands messages on from anchors, along shortest paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sk_posenc.graphs._layers import PathLayers
from sk_posenc.networks.linear_layers import linear

# At the start: how much features change at most from the first layer to the last, and the share
# of the weights that is random.
_FIRST_CHANGE = 2.0
_FIRST_NOISE = 0.1
# The share of the weights that is learnt falls with the number of layers beyond these.
_DEPTH = 8


class NearIdentity(nn.Module):
    r"""A linear layer :math:`x + s (R x + b)`, whose share s of what is learnt is fixed.

    Weights of layers that follow each other multiply. A share that falls with the number of layers
    keeps their product from growing without bound, at the start and with each step of training.

    Parameters
    ----------
    n_features : int
    share : float
    generator : torch.Generator or None
        Draws the weights.
    bias : bool
    """

    def __init__(
        self, n_features: int, share: float, generator: torch.Generator | None, bias: bool = True
    ) -> None:
        super().__init__()
        self.share = share
        self.change = linear(n_features, n_features, generator, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Parameters
        ----------
        x : Tensor of shape (..., n_features)

        Returns
        -------
        Tensor of shape (..., n_features)
        """
        return torch.add(x, self.change(x), alpha=self.share)


class PathNetwork(nn.Module):
    r"""What nodes receive from anchors by way of their breadth-first layers.

    With :math:`h_{va} = e`, learnt, at anchor :math:`a` itself, and layer by layer

    .. math:: h_{va} = \mathrm{ReLU}(U [\mathrm{AGG}_u\, W h_{ua} ; V x_v] + b)

    over the neighbours :math:`u` that are one hop nearer to :math:`a`. The weights are the same
    for all layers and anchors. U and W are near the identity, see `NearIdentity`.

    Parameters
    ----------
    layers : PathLayers
    n_features : int
        Length of the messages.
    aggregation : {"mean", "sum"}
        How the messages of several neighbours are joined (AGG).
    node_features : Tensor of shape (n_nodes, n_node_features) or None
        The features x of the nodes; None: they have none.
    generator : torch.Generator or None
        Draws the weights.
    """

    cells: Tensor
    sources: Tensor
    targets: Tensor
    shares: Tensor
    node_features: Tensor | None
    own: nn.Linear | None

    def __init__(
        self,
        layers: PathLayers,
        n_features: int,
        aggregation: str = "mean",
        node_features: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.shape = layers.n_nodes, layers.n_anchors, n_features
        self._sizes, self._counts = layers.sizes, layers.counts
        for name in ("cells", "sources", "targets"):
            self.register_buffer(name, torch.as_tensor(getattr(layers, name)), persistent=False)
        shares = torch.as_tensor(_shares(layers, aggregation), dtype=torch.float32)
        self.register_buffer("shares", shares[:, None], persistent=False)
        self.register_buffer("node_features", node_features, persistent=False)
        self.start = nn.Parameter(torch.rand(n_features, generator=generator))
        share = min(1.0, _DEPTH / max(1, len(layers.counts)))
        self.message = NearIdentity(n_features, share, generator, bias=False)
        self.update = NearIdentity(n_features, share, generator)
        self._begin_even(generator)
        self.own = None
        if node_features is not None:
            self.own = linear(node_features.shape[1], n_features, generator, bias=False)

    def _begin_even(self, generator: torch.Generator | None) -> None:
        """Begin with features that grow or fall evenly from layer to layer.

        Neighbours then have like features from the start. With random layers these turn at every
        hop, and what is learnt at one node says nothing of the next.
        """
        n = len(self.start)
        step = _FIRST_CHANGE * torch.rand(n, generator=generator) / max(1, len(self._counts))
        step[1::2] *= -1
        with torch.no_grad():
            for layer in (self.message, self.update):
                layer.change.weight.mul_(_FIRST_NOISE)
            self.update.change.bias.copy_(step / self.update.share)

    def forward(self) -> Tensor:
        """Features of all nodes.

        Returns
        -------
        Tensor of shape (n_nodes, n_anchors * n_features)
        """
        n_nodes, n_anchors, n_features = self.shape
        own = self._own()
        layer = self.start.expand(self._sizes[0], n_features)
        received = [layer]
        parts = (each.split(self._counts) for each in (self.sources, self.targets, self.shares))
        for size, own_part, sources, targets, shares in zip(
            self._sizes[1:], own[1:], *parts, strict=True
        ):
            sent = self.message(layer).index_select(0, sources) * shares
            joined = sent.new_zeros(size, n_features).index_add_(0, targets, sent)
            layer = torch.relu(self.update(joined) + own_part)
            received.append(layer)
        flat = layer.new_zeros(n_nodes * n_anchors, n_features)
        flat = flat.index_copy(0, self.cells, torch.cat(received))
        return flat.reshape(n_nodes, n_anchors * n_features)

    def _own(self) -> Sequence[Tensor | float]:
        """What the features of nodes add to their cells, layer by layer."""
        if self.own is None:
            return [0.0] * len(self._sizes)
        nodes = self.cells.div(self.shape[1], rounding_mode="floor")
        return self.own(self.node_features).index_select(0, nodes).split(self._sizes)


def _shares(layers: PathLayers, aggregation: str) -> NDArray[np.float64]:
    """What each message counts.

    Sums are divided by the mean number of messages: as they are, they grow with the number of
    shortest paths, beyond all floats.
    """
    n_targets = sum(layers.sizes[1:])
    if aggregation == "sum":
        return np.full(len(layers.targets), n_targets / max(1, len(layers.targets)))
    sizes = np.array(layers.sizes[1:], dtype=np.int64)
    target = layers.targets + np.repeat(np.cumsum(sizes) - sizes, layers.counts)
    return 1 / np.bincount(target, minlength=n_targets)[target]
