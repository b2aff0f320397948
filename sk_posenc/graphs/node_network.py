"""Torch modules on the features of nodes: values at nodes, and links between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sk_posenc.graphs._convolution import GraphConvolution
from sk_posenc.graphs._graph import Graph
from sk_posenc.graphs._layers import PathLayers
from sk_posenc.graphs._path_network import PathNetwork
from sk_posenc.networks.linear_layers import layers_of, linear


class NodeFeatures(nn.Module):
    """What nodes receive from anchors, and beside it what a graph convolution sees.

    Parameters
    ----------
    graph : Graph
    layers : PathLayers
    n_features : int
        Features of each anchor, and of the convolution.
    aggregation : {"mean", "sum"}
    gcn_layers : int
        Layers of the convolution; 0: there is none.
    node_features : Tensor of shape (n_nodes, n_node_features) or None
    generator : torch.Generator or None
        Draws the weights.
    """

    def __init__(
        self,
        graph: Graph,
        layers: PathLayers,
        n_features: int,
        aggregation: str,
        gcn_layers: int,
        node_features: Tensor | None,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        self.paths = PathNetwork(layers, n_features, aggregation, node_features, generator)
        self.convolution = None
        if gcn_layers:
            self.convolution = GraphConvolution(
                graph, n_features, gcn_layers, node_features, generator
            )
        self.width = (layers.n_anchors + bool(gcn_layers)) * n_features
        self._held: Tensor | None = None

    def forward(self) -> Tensor:
        """Features of all nodes.

        Returns
        -------
        Tensor of shape (n_nodes, width)
        """
        if self._held is not None:
            return self._held
        received: Tensor = self.paths()
        if self.convolution is None:
            return received
        return torch.cat([received, self.convolution()], dim=1)

    @contextmanager
    def held(self) -> Iterator[Tensor]:
        """Compute the features once, and hold them for what follows in the block."""
        with torch.no_grad():
            self._held = self()
        try:
            yield self._held
        finally:
            self._held = None


class NodeNetwork(nn.Module):
    """Values at nodes: their features, then a multilayer perceptron.

    Parameters
    ----------
    features : NodeFeatures
    n_columns : int
        Nodes in a row of the input, whose features stand beside each other.
    n_outputs : int
    hidden_layer_sizes : sequence of int
    generator : torch.Generator or None
        Draws the weights.
    """

    def __init__(
        self,
        features: NodeFeatures,
        n_columns: int,
        n_outputs: int,
        hidden_layer_sizes: Sequence[int],
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.head = layers_of(
            [n_columns * features.width, *hidden_layer_sizes, n_outputs], generator
        )

    def forward(self, nodes: Tensor) -> Tensor:
        """Values of rows of nodes.

        Parameters
        ----------
        nodes : Tensor of shape (n, n_columns), int64

        Returns
        -------
        Tensor of shape (n, n_outputs)
        """
        values: Tensor = self.head(self.features()[nodes].flatten(1))
        return values


class LinkNetwork(nn.Module):
    """Whether pairs of nodes are linked: the inner product of their features, mapped linearly.

    Parameters
    ----------
    features : NodeFeatures
    n_mapped : int
        Length of the mapped features.
    generator : torch.Generator or None
        Draws the weights.
    """

    def __init__(
        self, features: NodeFeatures, n_mapped: int = 32, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.features = features
        self.map = linear(features.width, n_mapped, generator, gain=math.sqrt(2 / n_mapped))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, pairs: Tensor) -> Tensor:
        """Logits of links.

        Parameters
        ----------
        pairs : Tensor of shape (n, 2), int64

        Returns
        -------
        Tensor of shape (n,)
        """
        first, second = self.map(self.features())[pairs].unbind(1)
        return (first * second).sum(1) + self.bias
