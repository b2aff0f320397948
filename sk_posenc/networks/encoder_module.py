"""Encoders as torch modules, whose arrays training may change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from array_api_compat import array_namespace
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.settings import parse_flag
from sk_posenc.encoders.base import CoordinateEncoder, Learnable, check_encoder
from sk_posenc.networks._doubles import KeepsDoubles
from sk_posenc.networks._fixed_batches import product_of

HALF = (torch.float16, torch.bfloat16)

# Rows on which a new module is tried for gradients.
_TRIED_ROWS = 64


def check_floats(x: Any, what: str) -> None:
    """Raise where `x` is not a tensor of floats; only its type is looked at."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"x must be a tensor of {what}: pass torch.as_tensor(x). Got {type(x).__name__}."
        )
    if not x.is_floating_point():
        raise TypeError(f"x must be a tensor of floats: pass x.float(). Got {x.dtype}.")


class EncoderModule(KeepsDoubles):
    r"""A fitted encoder as a torch module: the same formula on the same arrays.

    The arrays of the formula are buffers. With ``trainable=True`` training changes them by
    dimensionless parameters :math:`p`, which start at 0:

    - shifts :math:`t = t_0 + b_0 p`, in units of the bandwidth that `fit` chose;
    - bandwidths :math:`b = b_0 e^p`, which stay positive;
    - frequencies :math:`f = f_0 + p / L`, in cycles over the domain of width :math:`L`;
    - the weights of a LearnableFourierEncoder's own layers and the codes of a MultigridEncoder,
      which are parameters themselves.

    Parameters
    ----------
    encoder : fitted encoder of this package
        It is not changed. The output of the module is dense, even if that of the encoder is
        sparse.
    trainable : bool, default=False
        Whether training changes its arrays.
    dtype : torch.dtype, default=None
        Type of the output. None: that of the coordinates.

    Attributes
    ----------
    encoder : encoder
        The encoder given.
    trainable : bool
        As given.
    n_features : int
        Columns of the output.

    Raises
    ------
    TypeError
        Where `encoder` is not an encoder of this package, or `dtype` not one of floats.
    NotFittedError
        Where `encoder` is not fitted.
    ValueError
        For ``trainable=True`` where nothing can be trained: a basis without a gradient
        (impulse, rectangle, square), the frequencies of a periodic axis, shifts of a sparse
        encoding.

    See Also
    --------
    CoordinateMLPRegressor : Holds one where it is given an encoder.

    Examples
    --------
    >>> import torch
    >>> from sk_posenc import EncoderModule, ShiftedBasisEncoder
    >>> X = torch.rand(100, 2, dtype=torch.float64)
    >>> encoder = ShiftedBasisEncoder(stable_rank=4).fit(X.numpy())
    >>> module = EncoderModule(encoder, trainable=True)
    >>> bool(torch.allclose(module(X), torch.as_tensor(encoder.transform(X.numpy()))))
    True
    >>> [name for name, _ in module.named_parameters()]
    ['shifts0', 'shifts1', 'bandwidth']
    """

    def __init__(
        self, encoder: Any, *, trainable: bool = False, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        check_encoder(encoder, "a fitted encoder of sk_posenc")
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise TypeError(
                "dtype must be a torch.dtype of floats, such as torch.float32, or None, for that "
                f"of the coordinates. Got {dtype!r}."
            )
        check_is_fitted(encoder)
        self.encoder = encoder
        trainable = self.trainable = parse_flag(trainable, "trainable")
        self.dtype = dtype
        self.n_features = encoder._n_features_out
        self._learnable: dict[str, Learnable] = encoder._learnable() if trainable else {}
        for name, array in encoder._formula.items():
            kind = self._learnable[name].kind if name in self._learnable else None
            exact = torch.from_numpy(np.array(array, dtype=np.float64))
            if kind == "weight":
                self.register_parameter(name, nn.Parameter(exact.float()))
                continue
            self.register_buffer(f"fitted_{name}", exact)
            if kind is not None:
                step = torch.zeros(exact.shape, dtype=torch.float32)
                self.register_parameter(name, nn.Parameter(step))
                unit = torch.as_tensor(self._learnable[name].unit, dtype=torch.float64)
                self.register_buffer(f"unit_{name}", unit, persistent=False)
        if trainable:
            self._check_gradient()

    @property
    def undecayed(self) -> list[str]:
        """Names of the parameters that weight decay must leave alone."""
        return [name for name, how in self._learnable.items() if how.kind != "weight"]

    def forward(self, x: Tensor) -> Tensor:
        """Encode coordinates.

        They are encoded in their own precision, as in `transform`, even under autocast; in
        float32 where they come in half precision. The arrays of the formula keep their digits,
        whatever the module is converted to.

        Parameters
        ----------
        x : tensor of shape (..., n_axes)
            Coordinates, in the units that the encoder was fitted in.

        Returns
        -------
        tensor of shape (..., n_features)
            Of type `dtype`, or of the type of `x` where `dtype` is None.

        Raises
        ------
        TypeError
            Where `x` is not a tensor of floats.
        ValueError
            Where `x` has another shape.
        """
        n_axes = self.encoder.n_features_in_
        check_floats(x, "coordinates")
        if x.ndim == 0 or x.shape[-1] != n_axes:
            raise ValueError(
                f"x must be coordinates of shape (..., {n_axes}), a column for each axis that the "
                f"encoder was fitted on. Got shape {tuple(x.shape)}."
            )
        product = product_of(x)
        if product is not None:
            summed = product.times(getattr(self, str(self.encoder._linear_in())))
            return summed.view(len(x), self.n_features).to(self.dtype or x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            rows = x.reshape(-1, n_axes)
            features = self._encode(
                rows.float() if x.dtype in HALF else rows, self.dtype or x.dtype
            )
        return features.reshape(*x.shape[:-1], self.n_features)

    def _encode(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        is_compiled = torch.compiler.is_compiling()
        if not is_compiled and not len(rows):
            return rows.new_empty((0, self.n_features), dtype=dtype)
        arrays = self._arrays_in(rows.dtype)
        has_gradient = torch.is_grad_enabled() and (self.trainable or rows.requires_grad)
        # a graph of blocks would hold for one number of rows
        if has_gradient or is_compiled:
            whole: Tensor = self.encoder._features(rows, arrays, array_namespace(rows))
            return whole.to(dtype)
        encoded: Tensor = self.encoder._in_blocks(rows, arrays, dtype)
        return encoded

    def fitted_encoder(self) -> CoordinateEncoder:
        """Return the encoder with its present arrays.

        Returns
        -------
        encoder
            Fitted: it transforms without the module.
        """
        now = {name: to_numpy(array) for name, array in self._values().items()}
        given = self.encoder._formula
        moved = {name: array for name, array in now.items() if np.any(array != given[name])}
        return self.encoder._with_formula(moved) if moved else self.encoder

    def _held(self, name: str) -> Tensor:
        """An array as it is held: of its few numbers that are read, sums have the precision."""
        held: Tensor = getattr(self, name if name in self._learnable else f"fitted_{name}")
        return held

    def _values(self, but: Collection[str] = ()) -> dict[str, Tensor]:
        """The arrays of the formula in float64, but for some."""
        values = {}
        for name in self.encoder._formula:
            if name in but:
                continue
            how = self._learnable.get(name)
            if how is not None and how.kind == "weight":
                values[name] = getattr(self, name).double()
                continue
            value = getattr(self, f"fitted_{name}")
            if how is not None:
                step = getattr(self, name).double()
                moved = value + getattr(self, f"unit_{name}") * step
                value = moved if how.kind == "shift" else value * torch.exp(step)
            values[name] = value
        return values

    def _arrays_in(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """The arrays in a precision; in float32 with their rounding errors."""
        whole = {name: self._held(name) for name in self.encoder._read_in_part}
        values = self._values(but=whole)
        if dtype != torch.float32:
            return whole | {name: value.to(dtype) for name, value in values.items()}
        arrays = whole
        for name, value in values.items():
            arrays[name] = value.float()
            if self.encoder._has_rest(name):
                arrays[f"{name}_rest"] = (value - arrays[name].double()).float()
        return arrays

    def _check_gradient(self) -> None:
        low, high = (torch.as_tensor(end) for end in to_numpy(self.encoder.domain_).T.copy())
        places = torch.linspace(0.01, 0.99, _TRIED_ROWS, dtype=torch.float64)[:, None]
        features = self(low + places * (high - low))
        gradients: tuple[Tensor | None, ...] = ()
        if features.requires_grad:
            weights = torch.cos(torch.arange(features.numel())).reshape(features.shape)
            gradients = torch.autograd.grad(
                (features * weights).sum(), list(self.parameters()), allow_unused=True
            )
        if not any(each is not None and bool(each.any()) for each in gradients):
            raise ValueError(
                f"{self.encoder!r} has no gradient, so that training cannot change it: set "
                "train_encoder=False, or use a smooth basis or Fourier features"
            )


def encoder_inside(net: Any, name: str) -> Any:
    """The fitted encoder in a part of the module of a net; AttributeError where there is none."""
    module = getattr(net.__dict__.get("module_"), name, None)
    if not isinstance(module, EncoderModule):
        raise AttributeError(f"{type(net).__name__} holds no encoder, or is not fitted yet.")
    return module.fitted_encoder()
