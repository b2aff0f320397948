"""A first layer that mixes candidate encodings of each edge, as one torch module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from sk_posenc.networks.encoder_module import EncoderModule
from sk_posenc.networks.linear_layers import linear


class Projected(nn.Module):
    """A fitted encoder, its features scaled, mapped to one width, and each row normalised.

    Normalised, no candidate can grow its weights to make up for a small share of the mixture.

    Parameters
    ----------
    encoder : EncoderModule
    features : ndarray of shape (n, n_features)
        Features of some rows, which give shift and scale.
    width : int
        Columns of the output.
    generator : torch.Generator
        Draws the weights.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, encoder: EncoderModule, features: NDArray, width: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.encoder = encoder
        known = torch.as_tensor(features, dtype=torch.float64)
        shift = known.mean(dim=0)
        size = (known - shift).square().mean().sqrt()
        self.register_buffer("shift", shift.float())
        self.register_buffer("scale", torch.where(size > 0, 1 / size, 0.0).float())
        self.linear = linear(encoder.n_features, width, generator, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rows of mean 0 and variance 1; of zeros where the encoding says nothing."""
        projected = self.linear((self.encoder(x) - self.shift) * self.scale)
        return layer_norm(projected, projected.shape[-1:])


class MixedEncoding(nn.Module):
    r"""The sum over edges of :math:`\sum_o \mathrm{softmax}(\alpha_e)_o\, h_{eo}(x)`.

    Parameters
    ----------
    edges : list of list of Projected
        The candidates h of each edge.
    columns : list of list of int
        The columns of x that the candidates of an edge read.
    alpha : Tensor of shape (n_edges, n_candidates)
        It is a buffer: the optimiser of the weights does not see it.

    Attributes
    ----------
    decided : list of (int or None)
        The candidate that an edge has been reduced to.
    """

    alpha: Tensor

    def __init__(
        self, edges: list[list[Projected]], columns: list[list[int]], alpha: Tensor
    ) -> None:
        super().__init__()
        self.edges = nn.ModuleList(nn.ModuleList(each) for each in edges)
        self.columns = columns
        self.register_buffer("alpha", alpha)
        self.decided: list[int | None] = [None] * len(edges)
        self.width = edges[0][0].linear.out_features
        self._without: tuple[int, int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Mix the encodings of rows of coordinates."""
        edges: Any = self.edges
        mixed: Any = sum(
            weight * candidate(x[..., columns])
            for at, (edge, columns) in enumerate(zip(edges, self.columns, strict=True))
            for weight, candidate in self._parts(at, edge)
        )
        return mixed

    def _parts(self, at: int, edge: Any) -> Iterator[tuple[Any, Any]]:
        decided = self.decided[at]
        if decided is not None:
            yield 1.0, edge[decided]
            return
        for index, weight in enumerate(torch.softmax(self.alpha[at], dim=0)):
            if self._without != (at, index):  # the other weights stay as they are
                yield weight, edge[index]

    @contextmanager
    def without(self, edge: int, candidate: int) -> Iterator[None]:
        """Leave out one candidate; the weights of the others stay as they are."""
        self._without = edge, candidate
        try:
            yield
        finally:
            self._without = None
