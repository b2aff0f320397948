"""A plain graph convolution, which sees neighbourhoods and no positions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from sk_posenc.graphs._graph import Graph
from sk_posenc.networks.linear_layers import linear


class GraphConvolution(nn.Module):
    r"""Layers :math:`\mathrm{ReLU}(D^{-1/2} (A + I) D^{-1/2} H W + b)`, as of Kipf and Welling.

    Parameters
    ----------
    graph : Graph
        Its links count alike, whatever their lengths.
    n_features, n_layers : int
    node_features : Tensor of shape (n_nodes, n_node_features) or None
        None: the same for all nodes.
    generator : torch.Generator or None
        Draws the weights.
    """

    targets: Tensor
    sources: Tensor
    shares: Tensor
    given: Tensor

    def __init__(
        self,
        graph: Graph,
        n_features: int,
        n_layers: int,
        node_features: Tensor | None,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        links, nodes = graph.lengths.tocoo(), np.arange(graph.n_nodes)
        targets, sources = (np.concatenate([of, nodes]) for of in (links.row, links.col))
        root = np.sqrt(np.bincount(targets))
        shares = 1 / (root[targets] * root[sources])
        for name, values in (("targets", targets), ("sources", sources)):
            self.register_buffer(name, torch.as_tensor(values.astype(np.int64)), persistent=False)
        self.register_buffer("shares", torch.as_tensor(shares[:, None]).float(), persistent=False)
        given = torch.ones(graph.n_nodes, 1) if node_features is None else node_features
        self.register_buffer("given", given, persistent=False)
        widths = [given.shape[1], *[n_features] * n_layers]
        self.layers = nn.ModuleList(
            linear(n_in, n_out, generator, gain=math.sqrt(2)) for n_in, n_out in pairwise(widths)
        )

    def forward(self) -> Tensor:
        """Features of all nodes.

        Returns
        -------
        Tensor of shape (n_nodes, n_features)
        """
        features = self.given
        for layer in self.layers:
            sent = layer(features).index_select(0, self.sources) * self.shares
            features = sent.new_zeros(len(features), sent.shape[1]).index_add(0, self.targets, sent)
            features = torch.relu(features)
        return features
