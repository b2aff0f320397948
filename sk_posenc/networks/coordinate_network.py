"""What estimators over coordinates share: a network with an encoder inside."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from sk_posenc.core.memory import check_memory
from sk_posenc.encoders.base import check_encoder
from sk_posenc.networks.encoder_module import EncoderModule
from sk_posenc.networks.estimator import SkorchEstimator


class CoordinateNetwork(SkorchEstimator):
    """A base class of estimators that train a `CoordinateMLP` on coordinates.

    A derived class has the parameters `encoder`, `train_encoder`, `hidden_layer_sizes`,
    `activation` and `output_activation`, and the attribute `_n_outputs` before `initialize`.
    """

    _nested = ("encoder",)
    _n_outputs: int

    @property
    def encoder_(self) -> Any:
        """The fitted encoder, as training left it."""
        module = getattr(self.__dict__.get("module_"), "encoder", None)
        if not isinstance(module, EncoderModule):
            raise AttributeError(f"{type(self).__name__} holds no encoder, or is not fitted yet.")
        return module.fitted_encoder()

    def _fit_encoder(self, X: Any) -> None:
        """Fit a clone of the encoder, which the module is then built with."""
        fitted = None if self.encoder is None else clone(self.encoder).fit(X)
        self._fitted_encoder: Any = fitted

    def _trains_encoder(self) -> bool:
        if isinstance(self.train_encoder, str):
            return bool(self._fitted_encoder._learns_by_default)
        return bool(self.train_encoder)

    def initialize_module(self) -> Self:
        """Build `module_`, with the width of the data seen by `fit`.

        Returns
        -------
        self : estimator
        """
        parameters: dict[str, Any] = {
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "activation": self.activation,
            "output_activation": self.output_activation,
            "generator": self._generator,
        }
        if hasattr(self, "n_features_in_"):
            parameters |= {"in_features": self.n_features_in_, "out_features": self._n_outputs}
            if self._fitted_encoder is not None:
                encoder = EncoderModule(
                    self._fitted_encoder, trainable=self._trains_encoder(), dtype=torch.float32
                )
                parameters |= {"in_features": encoder.n_features, "encoder": encoder}
        parameters |= self.get_params_for("module")
        if "in_features" not in parameters:
            raise ValueError(
                "The number of features is not known without data: call fit or partial_fit, "
                "or set module__in_features and module__out_features before initialize."
            )
        if not hasattr(self, "n_features_in_"):
            self._n_outputs = parameters.get("out_features", 1)
        self.module_ = self.module(**parameters)
        return self

    def _undecayed_parameters(self) -> list[nn.Parameter]:
        """Those that place the functions of the encoding."""
        encoder = self.module_.encoder
        names = encoder.undecayed if isinstance(encoder, EncoderModule) else []
        return [getattr(encoder, name) for name in names]

    def _check_settings(self) -> None:
        if self.encoder is not None:
            check_encoder(self.encoder, "an encoder of sk_posenc or None")
        super()._check_settings()
        trains = self.train_encoder
        wanted = f"train_encoder must be 'auto', True or False. Got {trains!r}."
        if not isinstance(trains, bool | np.bool_ | str):
            raise TypeError(wanted)
        if isinstance(trains, str) and trains != "auto":
            raise ValueError(wanted)
        if trains is True and self.encoder is None:
            raise ValueError(
                "train_encoder=True needs an encoder: set encoder, or train_encoder='auto'."
            )

    def _check_memory(self, n_rows: int) -> None:
        if self._fitted_encoder is not None and self.device_.type == "cpu":
            width = self._fitted_encoder._n_features_out
            check_memory((n_rows, width), 4, "lower batch_size, or the columns of the encoder")

    def _width(self) -> int:
        return int(self.module_.linears[0].in_features)

    def _out_of_memory(self, doing: str) -> str:
        return (
            f"{self.device_} ran out of memory {doing} with batch_size={self.batch_size!r} on "
            f"{self._width()} columns and hidden layers {self.hidden_layer_sizes}: lower "
            "batch_size (iterator_valid__batch_size for predict), the columns of the encoder or "
            "hidden_layer_sizes."
        )


def checks(encoder: Any) -> dict[str, Any]:
    """How coordinates are checked: an encoder keeps their precision, a network has its own."""
    dtypes = np.float32 if encoder is None else [np.float64, np.float32]
    return {"dtype": dtypes, "order": "C"}
