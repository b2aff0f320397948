"""The network behind coordinate regression: layers, activations and their initial weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from sk_posenc.core.settings import parse_choice, parse_integer, parse_positive
from sk_posenc.networks._memory import check_layers
from sk_posenc.networks.batches import generator_of
from sk_posenc.networks.coordinate_module import CoordinateModule


class _Sine(nn.Module):
    def __init__(self, omega_0: float) -> None:
        super().__init__()
        self.omega_0 = omega_0

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega_0 * x)


class _Gaussian(nn.Module):
    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(-0.5 * (x / self.sigma).square())


_ACTIVATIONS = {
    "gaussian": lambda omega_0, sigma: _Gaussian(sigma),
    "gelu": lambda omega_0, sigma: nn.GELU(),
    "relu": lambda omega_0, sigma: nn.ReLU(),
    "sigmoid": lambda omega_0, sigma: nn.Sigmoid(),
    "sine": lambda omega_0, sigma: _Sine(omega_0),
    "tanh": lambda omega_0, sigma: nn.Tanh(),
}

# Least and largest value of each.
RANGES = {
    "gaussian": (0.0, 1.0),
    "gelu": (-0.17, math.inf),
    "relu": (0.0, math.inf),
    "sigmoid": (0.0, 1.0),
    "sine": (-1.0, 1.0),
    "tanh": (-1.0, 1.0),
}


def layer_sizes(sizes: Any) -> tuple[int, ...]:
    """Units of each hidden layer."""
    if isinstance(sizes, Sequence | np.ndarray) and not isinstance(sizes, str | bytes):
        numbered = enumerate(sizes)
        return tuple(parse_integer(n, f"hidden_layer_sizes[{i}]") for i, n in numbered)
    several = ", or a sequence of them, one per hidden layer"
    return (parse_integer(sizes, "hidden_layer_sizes", otherwise=several),)


@torch.no_grad()
def _draw_parameters(
    layers: list[nn.Linear], siren_omega_0: float | None, generator: torch.Generator
) -> None:
    for i, layer in enumerate(layers):
        n = layer.in_features
        bound = 1 / math.sqrt(n)
        layer.bias.uniform_(-bound, bound, generator=generator)
        if siren_omega_0 is not None:
            bound = 1 / n if i == 0 else math.sqrt(6 / n) / siren_omega_0
        layer.weight.uniform_(-bound, bound, generator=generator)


class CoordinateMLP(CoordinateModule):
    r"""Fully connected network whose inputs are standardised inside its first layer.

    With scaled inputs :math:`h_0 = (x - m) \odot s`, x the input or its encoding, the network is

    .. math:: h_l = \phi(W_l h_{l-1} + b_l), \qquad f(x) = \psi(W_L h_{L-1} + b_L),

    :math:`\phi` the activation and :math:`\psi` the output activation.

    Parameters
    ----------
    in_features : int
        Columns that reach the first layer: those of the input, or of its encoding.
    out_features : int, default=1
        Columns of the output.
    hidden_layer_sizes : int or sequence of int, default=(256, 256, 256, 256)
        Units of each hidden layer; an empty sequence gives a linear model.
    activation : {"relu", "tanh", "gelu", "sine", "gaussian", "sigmoid"}, default="relu"
        :math:`\phi`: "sine" is :math:`\sin(\omega_0 x)`, "gaussian" is
        :math:`\exp(-x^2 / (2 \sigma^2))`.
    output_activation : same names or None, default=None
        :math:`\psi`; None is the identity.
    omega_0 : float, default=30.0
        Frequency factor of "sine".
    sigma : float, default=0.5
        Width of "gaussian".
    encoder : torch.nn.Module, default=None
        Encodes the input, usually an `EncoderModule`. None: the input is not encoded.
    generator : torch.Generator, default=None
        Draws the initial weights; None takes a generator with a fresh seed. PyTorch's global
        generator is never used.

    Attributes
    ----------
    linears : torch.nn.ModuleList of len(hidden_layer_sizes) + 1 torch.nn.Linear
        The layers :math:`W_l, b_l`.
    activations : torch.nn.ModuleList of len(hidden_layer_sizes) torch.nn.Module
        The activation of each hidden layer.
    input_shift, input_scale, target_shift, target_scale, is_scaled : Tensor
        The scaling; see `CoordinateModule`.

    Raises
    ------
    ValueError
        For layers without units, layers beyond memory, an unknown activation, and an encoder
        whose number of columns is not `in_features`.
    TypeError
        For an encoder that is not a torch module, and sizes that are not whole numbers.

    See Also
    --------
    CoordinateMLPRegressor : Trains this network as a scikit-learn estimator.
    CoordinateModule : Base class of networks of your own.

    Notes
    -----
    The scaling costs no pass over the data: the first layer's weights are multiplied by
    :math:`s` and its bias is reduced by :math:`(W_1 \odot s) m`.

    Weights are drawn uniformly. With "sine" the bounds are SIREN's [1]_: :math:`1 / n` in the
    first layer of fan-in :math:`n`, :math:`\sqrt{6 / n} / \omega_0` in the others. Otherwise the
    bound is PyTorch's own, :math:`1 / \sqrt{n}`, as it is for all biases.

    References
    ----------
    .. [1] V. Sitzmann, J. N. P. Martel, A. W. Bergman, D. B. Lindell, G. Wetzstein. "Implicit
       neural representations with periodic activation functions". NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from sk_posenc import CoordinateMLP
    >>> net = CoordinateMLP(2, 3, hidden_layer_sizes=(64, 64), activation="sine")
    >>> net(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int = 1,
        *,
        hidden_layer_sizes: int | Sequence[int] = (256, 256, 256, 256),
        activation: str = "relu",
        output_activation: str | None = None,
        omega_0: float = 30.0,
        sigma: float = 0.5,
        encoder: nn.Module | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        ends = (
            parse_integer(in_features, "in_features"),
            parse_integer(out_features, "out_features"),
        )
        widths = (ends[0], *layer_sizes(hidden_layer_sizes), ends[1])
        check_layers(widths)
        super().__init__(in_features, out_features, encoder=encoder)
        omega_0, sigma = parse_positive(omega_0, "omega_0"), parse_positive(sigma, "sigma")
        made = _ACTIVATIONS[parse_choice(*_ACTIVATIONS)(activation, "activation")]
        self.activations = nn.ModuleList(made(omega_0, sigma) for _ in widths[1:-1])
        self.output_activation: nn.Module = nn.Identity()
        if output_activation is not None:
            made = _ACTIVATIONS[parse_choice(*_ACTIVATIONS)(output_activation, "output_activation")]
            self.output_activation = made(omega_0, sigma)
        # skip_init: nn.Linear's own initialisation would draw from the global generator
        layers = [
            nn.utils.skip_init(nn.Linear, n_in, n_out, dtype=torch.float32)
            for n_in, n_out in pairwise(widths)
        ]
        is_siren = activation == "sine" and len(layers) > 1
        _draw_parameters(layers, omega_0 if is_siren else None, generator_of(generator))
        self.linears = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of input to outputs.

        Parameters
        ----------
        x : tensor of shape (..., n_axes) or (..., in_features)
            Coordinates where the network has an encoder, else its input.

        Returns
        -------
        tensor of shape (..., out_features)
            In units of `target_scale`.
        """
        first: Any = self.linears[0]
        weight = first.weight * self.input_scale
        # a sum, as a product would be rounded to half precision under autocast
        shift = (weight * self.input_shift).sum(1)
        h = linear(self.encode(x), weight, first.bias - shift)
        for activation, layer in zip(self.activations, islice(self.linears, 1, None), strict=True):
            h = layer(activation(h))
        return self.output_activation(h)
