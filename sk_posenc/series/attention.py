"""Attention with relative positions whose cost grows as n log n."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_choice, parse_flag, parse_integer
from sk_posenc.networks.batches import generator_of
from sk_posenc.networks.encoder_module import HALF, check_floats
from sk_posenc.series._directions import draw_directions
from sk_posenc.series._kernel_attention import Weights, attend


class ToeplitzAttention(nn.Module):
    r"""Attention over the steps of a series, with a learnt weight for each distance of two steps.

    For each head, with queries q and keys k of length 1 and positive random features
    :math:`\phi`, step i gets

    .. math:: z_i = \frac{\sum_j e^{b_{j - i}} \, (\phi(q_i) \cdot \phi(k_j)) \, v_j}
                         {\sum_j e^{b_{j - i}} \, \phi(q_i) \cdot \phi(k_j)}.

    Both sums are made of products with Toeplitz matrices, which take O(n log n) steps by FFT. The
    heads' z are put side by side and go through a linear layer.

    Parameters
    ----------
    d_model : int
        Columns of the input and of the output.
    n_heads : int, default=4
        Number of heads. It divides `d_model`.
    causal : bool, default=False
        Whether a step sees itself and earlier steps only.
    relative : bool, default=True
        Whether weights :math:`b` of distances are learnt. False: all are 0, which is linear
        attention.
    max_distance : int, default=128
        Distance, in steps, up to which each distance has a weight of its own.
    extrapolate : bool, default=True
        Whether longer distances have the weight of `max_distance`. False: series of more than
        ``max_distance + 1`` steps are refused.
    n_components : int, default=16
        Number m of random features of a head.
    orthogonal : bool, default=True
        Whether directions of features are orthogonal; see `PositiveRandomFeatures`.
    method : {"auto", "fft", "dense"}, default="auto"
        How the sums are found. "auto": with the matrix for short series; in blocks of
        `max_distance` steps for longer ones, where these are no more than 192; else by FFT, and
        with the matrix, some rows at a time, where weights differ so much that the FFT would
        lose digits. The results are the same up to rounding.
    generator : torch.Generator, default=None
        Draws the initial weights and the directions; None takes a generator with a fresh seed.
        PyTorch's global generator is never used.

    Attributes
    ----------
    relative_weights : torch.nn.Parameter of shape (n_heads, 2 max_distance + 1)
        The weights :math:`b` from distance -`max_distance` on, (n_heads, max_distance + 1)
        with `causal`. They start at 0. Adding a number to all of a head changes nothing.
        None with ``relative=False``.
    directions : Tensor of shape (n_heads, n_components, d_model / n_heads)
        Directions of the random features. They are not trained.
    in_projection, out_projection : torch.nn.Linear
        What makes queries, keys and values, and what joins the heads.

    Raises
    ------
    TypeError, ValueError
        For settings of the wrong type or out of range, and for `n_heads` that do not divide
        `d_model`.

    See Also
    --------
    toeplitz_matmul : The product that this is made of.
    PositiveRandomFeatures : The same features as a transformer.

    Notes
    -----
    The FFT takes float64, also where the series are float32; no step takes half precision, even
    under autocast. There is no matrix of n x n numbers in memory, in training either.

    References
    ----------
    S. Luo et al., "Stable, Fast and Accurate: Kernelized Attention with Relative Positional
    Encoding", NeurIPS 2021.

    Examples
    --------
    >>> import torch
    >>> from sk_posenc import ToeplitzAttention
    >>> layer = ToeplitzAttention(32, causal=True)
    >>> layer(torch.randn(2, 1000, 32)).shape
    torch.Size([2, 1000, 32])
    """

    directions: Tensor
    relative_weights: nn.Parameter | None

    def __init__(
        self,
        d_model: int,
        n_heads: int = 4,
        *,
        causal: bool = False,
        relative: bool = True,
        max_distance: int = 128,
        extrapolate: bool = True,
        n_components: int = 16,
        orthogonal: bool = True,
        method: str = "auto",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.d_model = parse_integer(d_model, "d_model")
        self.n_heads = parse_integer(n_heads, "n_heads")
        if d_model % n_heads:
            raise ValueError(f"n_heads must divide d_model={d_model}. Got {n_heads!r}.")
        self.causal = parse_flag(causal, "causal")
        self.relative = parse_flag(relative, "relative")
        self.max_distance = parse_integer(max_distance, "max_distance", at_least=0)
        check_memory((self.n_heads, 2 * self.max_distance + 1), 16, "lower max_distance or n_heads")
        self.extrapolate = parse_flag(extrapolate, "extrapolate")
        self.method = parse_choice("auto", "fft", "dense")(method, "method")
        m = parse_integer(n_components, "n_components")
        check_memory((3 * m, self.d_model), 8, "lower n_components or d_model")
        check_memory((4 * self.d_model, self.d_model), 4, "lower d_model")
        self._draw(m, parse_flag(orthogonal, "orthogonal"), generator_of(generator))
        n_weights = (1 if self.causal else 2) * self.max_distance + 1
        weights = nn.Parameter(torch.zeros(self.n_heads, n_weights)) if self.relative else None
        self.register_parameter("relative_weights", weights)

    def _draw(self, m: int, orthogonal: bool, generator: torch.Generator) -> None:
        # skip_init: nn.Linear's own initialisation would draw from the global generator
        n = self.d_model
        self.in_projection = nn.utils.skip_init(nn.Linear, n, 3 * n, dtype=torch.float32)
        self.out_projection = nn.utils.skip_init(nn.Linear, n, n, dtype=torch.float32)
        bound = math.sqrt(3 / n)  # each of queries, keys and values keeps the variance
        for layer in (self.in_projection, self.out_projection):
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.zeros_(layer.bias)
        seed = torch.randint(np.iinfo(np.int32).max, (1,), generator=generator)
        rng = np.random.RandomState(int(seed))
        heads = [
            draw_directions(m, n // self.n_heads, orthogonal, rng) for _ in range(self.n_heads)
        ]
        self.register_buffer("directions", torch.from_numpy(np.stack(heads)).float())

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Let each step attend to the steps of its series.

        Parameters
        ----------
        x : tensor of shape (batch, n, d_model)
            Series at regular steps.
        present : tensor of bool of shape (batch, n), default=None
            True where a series has a step, False where it is padded. None: everywhere. No step
            attends to padding, whatever it holds.

        Returns
        -------
        tensor of shape (batch, n, d_model)
            Of the type of the module's weights. What stands at padding means nothing.

        Raises
        ------
        TypeError
            Where `x` is no tensor of floats, `present` none of bool, and where the module was
            converted to half precision.
        ValueError
            For another shape, series longer than the weights reach, series without a step, and
            for "fft" where it would lose digits.
        """
        self._check(x, present)
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.in_projection.weight.dtype)
            if present is not None:
                x = x.masked_fill(~present[..., None], 0)
            parts = self._split(self.in_projection(x))
            weights = Weights(self._log_weights(x.shape[1]), self.max_distance, self.causal)
            z = attend(*parts, self.directions, weights, self.method, present)
            joined: Tensor = self.out_projection(z.flatten(1, 2).transpose(1, 2))
        return joined

    def extra_repr(self) -> str:
        """Say the settings, for `repr`.

        Returns
        -------
        str
        """
        return f"{self.d_model}, n_heads={self.n_heads}, causal={self.causal}"

    def _split(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of all heads, (batch, heads, n, d)."""
        batch, n, _ = projected.shape
        q, k, v = projected.view(batch, n, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        return normalize(q, dim=-1), normalize(k, dim=-1), v

    def _log_weights(self, n: int) -> Tensor | None:
        """The weight of each distance from 1 - n to n - 1, for each head; later ones count."""
        if self.relative_weights is None:
            return None
        farthest = self.max_distance
        latest = 0 if self.causal else farthest
        distances = torch.arange(1 - n, n, device=self.relative_weights.device)
        return self.relative_weights[:, distances.clamp(-farthest, latest) + farthest]

    def _check(self, x: Tensor, present: Tensor | None) -> None:
        check_floats(x, "series")
        weight = self.in_projection.weight.dtype
        if weight in HALF:
            raise TypeError(
                "ToeplitzAttention takes no half precision, whose numbers are too coarse for its "
                f"sums: call .float(), and use autocast around it. Got weights of {weight}."
            )
        if x.ndim != 3 or x.shape[2] != self.d_model or not x.shape[1]:
            raise ValueError(
                f"x must have shape (batch, n, {self.d_model}), with at least one step. "
                f"Got {tuple(x.shape)}."
            )
        n, reach = x.shape[1], self.max_distance + 1
        if self.relative and not self.extrapolate and n > reach:
            raise ValueError(
                f"x must have at most {reach} steps, as weights are learnt up to "
                f"max_distance={self.max_distance}: raise max_distance, or set extrapolate=True "
                f"to use its weight beyond. Got {n} steps."
            )
        if present is not None:
            self._check_present(present, x)

    @staticmethod
    def _check_present(present: Tensor, x: Tensor) -> None:
        if not isinstance(present, Tensor) or present.dtype != torch.bool:
            kind = present.dtype if isinstance(present, Tensor) else type(present).__name__
            raise TypeError(
                f"present must be a tensor of bool: True where a series has a step. Got {kind}."
            )
        if present.shape != x.shape[:2]:
            raise ValueError(
                f"present must have shape {tuple(x.shape[:2])}, one entry for each step of x. "
                f"Got {tuple(present.shape)}."
            )
        empty = torch.nonzero(~present.any(1)).flatten().tolist()
        if empty:
            raise ValueError(
                f"present must be True somewhere in each series: drop those without. Got none in "
                f"series {empty[:5]}."
            )
