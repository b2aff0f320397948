"""What the encodings of graphs are compared with: P-GNN, a graph convolution, spectral coordinates.

``benchmark_graphs.py`` and ``graphs.py`` use it.
"""

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import shortest_path
from sklearn.manifold import SpectralEmbedding
from torch import nn
from torch.nn.functional import normalize

from sk_posenc import AnchorDistanceEncoder, AnchorPathClassifier
from sk_posenc.graphs.node_network import LinkNetwork

# --- encodings of all nodes that learn nothing


def finite_hops(graph, k, seed):
    """Plain distances to anchors; where there is no path, one more than the longest."""
    D = AnchorDistanceEncoder(k, random_state=seed).fit(graph).distances_
    return np.where(np.isinf(D), D[np.isfinite(D)].max() + 1, D)


def nearness(graph, k, seed, placement="random"):
    return AnchorDistanceEncoder(k, placement=placement, random_state=seed).fit_transform(graph)


def spectral(graph, k, seed):
    rows, columns = (each.astype(np.int32) for each in graph.nonzero())
    graph = csr_array((graph[rows, columns], (rows, columns)), shape=graph.shape)
    embedding = SpectralEmbedding(k, affinity="precomputed", random_state=seed)
    E = embedding.fit_transform(graph)
    return E / E.std(axis=0)


def random_walks(graph, k, seed=0):
    """Chances that walks of 1 to k steps end where they began."""
    degrees = np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)
    step = (diags_array(1 / degrees) @ graph).toarray()
    walk, columns = np.eye(len(step)), []
    for _ in range(k):
        walk = walk @ step
        columns.append(np.diag(walk))
    return np.stack(columns, axis=1)


def landmark_mds(graph, k, seed):
    """Coordinates from squared distances to anchors, which classical scaling places first."""
    encoder = AnchorDistanceEncoder(k, random_state=seed).fit(graph)
    D = encoder.distances_
    squared = np.where(np.isinf(D), D[np.isfinite(D)].max() + 1, D) ** 2
    among = squared[encoder.anchors_]
    centred = among - among.mean(axis=0) - among.mean(axis=1, keepdims=True) + among.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    kept = values > 1e-8 * values.max()
    return -(squared - among.mean(axis=0)) @ vectors[:, kept] / np.sqrt(values[kept]) / 2


ENCODINGS = {
    "hop distances": finite_hops,
    "AnchorDistanceEncoder": nearness,
    "the same, spread": lambda graph, k, seed: nearness(graph, k, seed, "spread"),
    "landmark MDS": landmark_mds,
    "SpectralEmbedding": spectral,
    "random walks": random_walks,
}

# --- networks of pairs of nodes


class PairNetwork(LinkNetwork):
    """The inner product of mapped features, as the logit of the second of two classes."""

    def __init__(self, features, n_columns, n_outputs, hidden_layer_sizes, generator=None):
        super().__init__(features, generator=generator)

    def forward(self, pairs):
        logit = super().forward(pairs)
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


class PairClassifier(AnchorPathClassifier):
    """Classes of pairs of nodes by the inner product of features along paths."""

    def __init__(self, anchors=16, *, module=PairNetwork, **parameters):
        super().__init__(anchors, module=module, **parameters)


class ConvolutionClassifier(PairClassifier):
    """The same with the features of a graph convolution alone."""

    def _features_module(self):
        features = super()._features_module().convolution
        features.width = self.n_features
        return features


class PositionLayer(nn.Module):
    """A layer of P-GNN: messages from the nearest member of each set of anchors."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.distance = nn.Sequential(nn.Linear(1, n_out), nn.ReLU(), nn.Linear(n_out, 1))
        self.message = nn.Linear(2 * n_in, n_out)
        self.position = nn.Linear(n_out, 1)

    def forward(self, h, near, nearest):
        there = h[nearest] * self.distance(near[..., None])
        here = h[:, None].expand_as(there)
        messages = torch.relu(self.message(torch.cat([there, here], dim=2)))
        return messages.mean(dim=1), self.position(messages)[..., 0]


class PositionAware(nn.Module):
    """P-GNN of two layers (You, Ying, Leskovec 2019), with exact distances.

    As in the authors' code, each step of training draws new sets of anchors, and positions have
    length 1.
    """

    def __init__(self, graph, n_sets, generator, n_features=32, dropout=0.5):
        super().__init__()
        distances = shortest_path(graph, unweighted=True)
        self.register_buffer("distances", torch.tensor(distances).float())
        n_sizes = int(np.log2(len(distances)))
        self.sizes = [max(1, len(distances) >> (1 + j % n_sizes)) for j in range(n_sets)]
        self.generator = generator
        self.kept = self.draw()
        self.first, self.second = (
            PositionLayer(1, n_features),
            PositionLayer(n_features, n_features),
        )
        self.dropout = nn.Dropout(dropout)

    def draw(self):
        """Nearness of all nodes to sets of anchors, and the nearest members."""
        found = []
        for size in self.sizes:
            nodes = torch.randperm(len(self.distances), generator=self.generator)[:size]
            distance, which = self.distances[:, nodes].min(dim=1)
            found.append((1 / (1 + distance), nodes[which]))
        return [torch.stack(each, dim=1) for each in zip(*found, strict=True)]

    def forward(self):
        near, nearest = self.draw() if self.training else self.kept
        h, _ = self.first(torch.ones(len(near), 1), near, nearest)
        return normalize(self.second(self.dropout(h), near, nearest)[1], dim=1)


class PositionProduct(nn.Module):
    """The inner product of positions, without a map, as the logit of the second class."""

    def __init__(self, features, n_columns, n_outputs, hidden_layer_sizes, generator=None):
        super().__init__()
        self.features = features

    def forward(self, pairs):
        first, second = self.features()[pairs].unbind(1)
        logit = (first * second).sum(1)
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


class PGNNClassifier(PairClassifier):
    """Classes of pairs of nodes by P-GNN; `anchors` is the number of its sets."""

    def __init__(self, anchors=32, *, placement="sets", module=PositionProduct, **parameters):
        super().__init__(anchors, placement=placement, module=module, **parameters)

    def _features_module(self):
        seed = int(torch.randint(2**31, (1,), generator=self._generator))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return PositionAware(self._graph.lengths, self.anchors, self._generator)
