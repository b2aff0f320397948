"""The base class of networks over coordinates: an encoder inside, and scaling that is learnt."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sk_posenc.core.settings import parse_integer
from sk_posenc.networks._doubles import KeepsDoubles
from sk_posenc.networks.encoder_module import HALF, EncoderModule, check_floats


class CoordinateModule(KeepsDoubles):
    r"""Base class of networks that `CoordinateMLPRegressor` trains, for networks of your own.

    A network of your own derives from this class. Its `__init__` makes the layers, and its
    `forward` starts with :meth:`scaled`,

    .. math:: h_0 = (\Psi(x) - m) \odot s,

    :math:`\Psi` the encoder, or x itself. The shift m and the scale s are learnt from the
    training rows. The guide's page *Add a network* has a whole example.

    Parameters
    ----------
    in_features : int
        Columns that reach the first layer: those of the input, or of its encoding.
    out_features : int, default=1
        Columns of the output.
    encoder : torch.nn.Module, default=None
        Encodes the input, usually an `EncoderModule`. None: the input is not encoded.

    Attributes
    ----------
    in_features, out_features : int
        As given.
    encoder : torch.nn.Module or None
        As given.
    input_origin : Tensor of shape (in_features,), float64
        What estimators subtract from raw coordinates before they convert them to float32; only
        without an encoder. `forward` does not subtract it.
    input_shift, input_scale : Tensor of shape (in_features,)
        :math:`m` and :math:`s`; 0 and 1 until `set_scaling` is called.
    target_shift, target_scale : Tensor of shape (out_features,), float64
        Offset and scale of the targets; `forward` does not apply them. A scale of 0 means that
        all targets were the same.
    is_scaled : Tensor of shape (), bool
        Whether `set_scaling` has been called.

    Raises
    ------
    ValueError
        For columns that are not positive, and an encoder with another number of columns.
    TypeError
        For an encoder that is not a torch module, and columns that are not whole numbers.

    See Also
    --------
    CoordinateMLP : The network of this package.

    Examples
    --------
    >>> import torch
    >>> from sk_posenc import CoordinateModule
    >>> class Cubic(CoordinateModule):
    ...     def __init__(self, in_features, out_features=1, *, encoder=None, generator=None):
    ...         super().__init__(in_features, out_features, encoder=encoder)
    ...         self.weight = torch.nn.Parameter(torch.zeros(3, in_features, out_features))
    ...
    ...     def forward(self, x):
    ...         h = self.scaled(x)
    ...         return sum(h ** (k + 1) @ self.weight[k] for k in range(3))
    >>> Cubic(2, 3)(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    """

    input_shift: Tensor
    input_scale: Tensor
    target_shift: Tensor
    target_scale: Tensor
    is_scaled: Tensor
    input_origin: Tensor | None

    def __init__(
        self, in_features: int, out_features: int = 1, *, encoder: nn.Module | None = None
    ) -> None:
        super().__init__()
        if encoder is not None and not isinstance(encoder, nn.Module):
            raise TypeError(
                "encoder must be a torch.nn.Module, such as EncoderModule(encoder), or None. "
                f"Got {encoder!r}."
            )
        in_features = parse_integer(in_features, "in_features")
        out_features = parse_integer(out_features, "out_features")
        if isinstance(encoder, EncoderModule) and encoder.n_features != in_features:
            raise ValueError(
                f"in_features must be {encoder.n_features}, the columns of the encoder. "
                f"Got {in_features}."
            )
        self.encoder = encoder
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("input_shift", torch.zeros(in_features, dtype=torch.float32))
        self.register_buffer("input_scale", torch.ones(in_features, dtype=torch.float32))
        self.register_buffer("target_shift", torch.zeros(out_features, dtype=torch.float64))
        self.register_buffer("target_scale", torch.ones(out_features, dtype=torch.float64))
        self.register_buffer("is_scaled", torch.tensor(False))
        origin = torch.zeros(in_features, dtype=torch.float64) if encoder is None else None
        self.register_buffer("input_origin", origin)

    @torch.no_grad()
    def set_scaling(
        self,
        input_shift: Tensor,
        input_scale: Tensor,
        target_shift: Tensor,
        target_scale: Tensor,
    ) -> None:
        """Set the scaling of the input, and the offset and scale of the targets.

        Parameters
        ----------
        input_shift, input_scale : Tensor of shape (in_features,)
        target_shift, target_scale : Tensor of shape (out_features,)

        Raises
        ------
        ValueError
            For tensors of other shapes; then nothing is set.
        """
        scaling = {
            "input_shift": input_shift,
            "input_scale": input_scale,
            "target_shift": target_shift,
            "target_scale": target_scale,
        }
        for name, given in scaling.items():
            expected = getattr(self, name).shape
            if given.shape != expected:
                raise ValueError(
                    f"{name} must have shape {tuple(expected)}. Got {tuple(given.shape)}."
                )
        for name, given in scaling.items():
            getattr(self, name).copy_(given)
        self.is_scaled.fill_(True)

    def encode(self, x: Tensor) -> Tensor:
        """Encode rows of input as the first layer sees them.

        Parameters
        ----------
        x : tensor of shape (..., n_axes) or (..., in_features)
            Coordinates where the network has an encoder, else its input as it is.

        Returns
        -------
        tensor of shape (..., in_features)

        Raises
        ------
        TypeError
            Where `x` is not a tensor of floats, of the precision of the weights.
        ValueError
            Where it has another number of columns.
        """
        check_floats(x, "coordinates or of their encoding")
        encoded: Tensor = x if self.encoder is None else self.encoder(x)
        if encoded.ndim == 0 or encoded.shape[-1] != self.in_features:
            raise ValueError(
                f"{'x' if self.encoder is None else 'the encoding of x'} must have "
                f"{self.in_features} columns, the in_features of the network. "
                f"Got shape {tuple(encoded.shape)}."
            )
        precision = self.input_scale.dtype  # it is converted with the weights
        # autocast casts all precisions but this one
        if (encoded.dtype == torch.float64) != (precision == torch.float64):
            raise TypeError(
                f"x must be {precision}, as the weights of the network are: convert x, "
                f"or give the EncoderModule that dtype. Got {encoded.dtype}."
            )
        return encoded.to(precision) if precision in HALF else encoded

    def scaled(self, x: Tensor) -> Tensor:
        """Encode rows of input, and scale them: what a network of your own starts with.

        Parameters
        ----------
        x : tensor of shape (..., n_axes) or (..., in_features)
            Coordinates where the network has an encoder, else its input.

        Returns
        -------
        tensor of shape (..., in_features)
        """
        return (self.encode(x) - self.input_shift) * self.input_scale

    def forward(self, x: Tensor) -> Any:
        """Map rows of input to outputs; a class that derives from this one defines it.

        Parameters
        ----------
        x : tensor of shape (n, n_axes) or (n, in_features)
            Coordinates where the network has an encoder, else its input.

        Returns
        -------
        tensor of shape (n, out_features)
            In units of `target_scale`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(x).")
