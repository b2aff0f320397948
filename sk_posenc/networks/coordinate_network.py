"""What estimators over coordinates share: a network with an encoder inside."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from skorch.utils import is_dataset, to_tensor
from torch import Tensor, nn

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.augmenting import check_augmenter
from sk_posenc.core.checks import checked_data
from sk_posenc.core.limits import limits_now
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_flag
from sk_posenc.encoders.base import check_encoder
from sk_posenc.encoders.own_training import PLAIN, SINES, OwnTraining
from sk_posenc.networks._building import (
    check_built,
    check_module,
    check_output,
    settings_for_module,
)
from sk_posenc.networks._fixed_batches import FixedBatches
from sk_posenc.networks._layer_ranks import LayerRanks
from sk_posenc.networks._memory import check_training
from sk_posenc.networks._muon import is_muon
from sk_posenc.networks._origin import from_origin, origin_of
from sk_posenc.networks._products import bytes_of_products
from sk_posenc.networks._roughness import roughness
from sk_posenc.networks._smoothness_search import choose_smoothness
from sk_posenc.networks._views import Views, positions, takes_groups, with_settings_of
from sk_posenc.networks.batches import TensorBatches, as_tensor
from sk_posenc.networks.encoder_module import EncoderModule, encoder_inside
from sk_posenc.networks.estimator import SkorchEstimator
from sk_posenc.networks.mlp import CoordinateMLP, layer_sizes
from sk_posenc.networks.scaling import scale_once
from sk_posenc.networks.settings import resolve_device

# The penalty of codes costs as much as a batch, and changes slowly.
_PENALISED_EVERY = 4

# How coordinates are checked: they keep their precision, until an origin is subtracted.
_CHECKS: dict[str, Any] = {"dtype": [np.float64, np.float32], "order": "C"}


class CoordinateNetwork(SkorchEstimator):
    """A base class of estimators that train a `CoordinateMLP` on coordinates.

    A derived class has the parameters `encoder`, `train_encoder`, `hidden_layer_sizes` and
    `activation`, and may have `augmenter`; it has the attribute `_n_outputs` before `initialize`.
    """

    _nested = ("encoder", "augmenter")
    _of_a_run = ("_run", "_groups", "_views", "_meanwhile")
    _n_outputs: int
    augmenter: Any = None
    log_stable_rank: Any = False
    _fitted_augmenter: Any = None
    _is_grouped = False
    # Labels of the rows that train, and the views of these rows.
    _groups: Any = None
    _views: Views | None = None

    @property
    def encoder_(self) -> Any:
        """The fitted encoder, as training left it."""
        return encoder_inside(self, "encoder")

    @property
    def augmenter_(self) -> Any:
        """The fitted augmenter of positions."""
        if self._fitted_augmenter is None:
            raise AttributeError(f"{type(self).__name__} holds no augmenter, or is not fitted yet.")
        return self._fitted_augmenter

    def _checked(self, X: Any, *y: Any, reset: bool, **checks: Any) -> Any:
        """scikit-learn's check of rows, or of rows and targets."""
        return checked_data(self, X, *y, reset=reset, **_CHECKS, **checks)

    def _learn_rows(self, X: Any, rows: NDArray) -> None:
        """Fit clones of augmenter and encoder, or find the origin of raw coordinates.

        The module is then built with them. `rows` are the checked `X`.
        """
        self._fitted_augmenter, self._is_grouped = None, self._groups is not None
        if self.augmenter is not None:
            self._fitted_augmenter = clone(self.augmenter).fit(rows)
            X = rows = self._positions(rows, self._groups)
        fitted = None if self.encoder is None else clone(self.encoder).fit(X)
        self._fitted_encoder: Any = fitted
        self._input_origin = origin_of(rows) if fitted is None else None

    def _positions(self, rows: NDArray, groups: Any) -> NDArray:
        """Checked coordinates as an augmenter places them at test time."""
        augmenter = self._fitted_augmenter
        if augmenter is None and groups is None:
            return rows
        if augmenter is None:
            raise TypeError(
                "groups go to the augmenter, which is None: fit with augmenter="
                "PositionAugmenter(), or leave them out. Got groups."
            )
        if self._is_grouped != (groups is not None):
            raise ValueError(
                "groups must be given in all calls or in none: what has been learnt at positions "
                "relative to a group holds for such positions alone. The fit had "
                f"{'' if self._is_grouped else 'no '}groups. Got groups={groups!r}."
            )
        return positions(augmenter, rows, groups)

    def _training_rows(self, checked: NDArray, fresh: bool = False) -> NDArray:
        """Checked coordinates as they reach the network at test time; views are made of them."""
        if not fresh and self.augmenter is not None:
            self._fitted_augmenter = with_settings_of(self.augmenter, self._fitted_augmenter)
        if self.augmenter is not None:
            self._views = Views(self._fitted_augmenter, checked, self._groups)
        return self._rows(checked, fresh, self._groups)

    def _rows(self, checked: NDArray, fresh: bool = False, groups: Any = None) -> NDArray:
        """Checked coordinates as they reach the network at test time."""
        checked = self._positions(checked, groups)
        if fresh:
            origin = self._input_origin
        else:
            kept = self.module_.input_origin
            origin = None if kept is None else to_numpy(kept)
        return checked if origin is None else from_origin(checked, origin)

    def _outputs(self, X: Any, groups: Any = None) -> NDArray:
        """What the network makes of coordinates, in float32."""
        check_is_fitted(self)
        nonlinearity = self._get_predict_nonlinearity()
        if not is_dataset(X):  # skorch's scoring callbacks predict on their dataset
            checked = self._checked(to_numpy(X), reset=False)
            X = as_tensor(self._rows(checked, groups=to_numpy(groups)))
        # name the device: skorch's scoring would otherwise use the parameter, which may be "auto"
        with self._memory_explained("predicting"):
            outputs = [to_numpy(nonlinearity(z)) for z in self.forward_iter(X, device="cpu")]
        return np.concatenate(outputs)

    def _scales_targets(self) -> bool:
        """Whether the network sees targets of mean 0 and standard deviation 1."""
        return False

    def get_split_datasets(
        self, X: Tensor, y: Tensor | None = None, **fit_params: Any
    ) -> tuple[Any, Any]:
        """Split as `train_split` says, and learn the scaling from the training rows.

        Returns
        -------
        dataset_train, dataset_valid : Dataset, and Dataset or None
        """
        train, valid = super().get_split_datasets(X, y, **fit_params)
        batches = self.get_iterator(train, training=False)
        columns_too = self._own_training().scales_columns
        scale_once(
            self.module_,
            self._encoded(batches) if columns_too else batches,
            targets_too=self._scales_targets(),
            columns_too=columns_too,
        )
        if self._run is not None:
            self._run.smoothness = self._smoothness() / len(train)
            self._run.n_batches = math.ceil(len(train) / self._batches_and_epochs(len(train))[0])
        return train, valid

    def _own_training(self) -> OwnTraining:
        plain = SINES if self.activation == "sine" else PLAIN
        return getattr(self.encoder, "_own_training", None) or plain

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Batches of `dataset`: of another view in each epoch where an augmenter trains.

        Fixed batches where an encoder gains by them.

        Returns
        -------
        iterator : iterable of (X, y)
        """
        make = super().get_iterator
        if training and self._views is not None:
            in_training = partial(make, training=True)
            origin = self.module_.input_origin
            return self._views.batches(in_training, dataset, self._generator, origin)
        batches = make(dataset, training=training)
        if training and type(batches) is TensorBatches and self._fixes_batches(batches):
            seed = self._generator.initial_seed()
            return FixedBatches(batches, self.module_.encoder.encoder, seed)
        return batches

    def _for_split(self, fit_params: dict[str, Any]) -> dict[str, Any]:
        if self.augmenter is not None:
            self._groups = fit_params.get("groups")
            if not takes_groups(self.train_split):
                fit_params = {name: v for name, v in fit_params.items() if name != "groups"}
        return super()._for_split(fit_params)

    def _learnt_from(self) -> tuple[Any, ...]:
        return () if self._views is None else (self._views.rows, self._views.groups)

    def _get_metadata_request(self) -> Any:
        request = super()._get_metadata_request()
        if self.augmenter is None:  # nobody here asks for groups, unless the user has said so
            for method in ("fit", "partial_fit", "predict", "predict_proba", "score"):
                requests = getattr(request, method).requests
                if requests.get("groups", False) is None:
                    del requests["groups"]
        return request

    def _fixes_batches(self, batches: TensorBatches) -> bool:
        """Whether products with sparse matrices take the place of encoding batch by batch."""
        module = self.module_.encoder
        if not isinstance(module, EncoderModule) or self.device_.type != "cpu":
            return False
        name = module.encoder._linear_in()
        if name not in dict(module.named_parameters()):
            return False
        needed = bytes_of_products(module.encoder, batches.n_samples, len(batches))
        return needed <= limits_now().fixed_batches_bytes

    def get_params_for_optimizer(self, prefix: str, named_parameters: Any) -> tuple[Any, Any]:
        """As in `LiveParameters`; Adam in its fused form where the encoder says so."""
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        plain = not {"fused", "foreach", "differentiable"} & kwargs.keys()
        known = self.device_.type in ("cpu", "cuda")
        own = self._own_training()
        with_adam = self.optimizer is torch.optim.Adam or is_muon(self.optimizer)
        if own.fused and with_adam and plain and known:
            kwargs["fused"] = True
        if is_muon(self.optimizer) and own is not PLAIN:
            kwargs.setdefault("adam_lr", own.lr)
        return args, kwargs

    def _yield_callbacks(self) -> Iterator[tuple[str, Any, bool]]:
        # first: what checkpoints save holds its record
        if self.log_stable_rank:
            yield "layer_ranks", LayerRanks(), True
        yield from super()._yield_callbacks()

    def _smoothness(self) -> float:
        """What neighbouring codes pay for their differences, per training row."""
        module = self.module_.encoder
        if not isinstance(module, EncoderModule) or not module.trainable:
            return 0.0
        return getattr(module.encoder, "smoothness_", None) or 0.0

    def _smoothed(self, loss: Tensor, training: bool) -> Tensor:
        """A loss with the penalty of codes, in training: in every fourth batch, for all four."""
        run = self._run
        if not training or run is None or not run.smoothness:
            return loss
        before = len(self.history[-1]["batches"]) - 1
        if before % _PENALISED_EVERY:
            return loss
        share = run.smoothness * max(1, min(_PENALISED_EVERY, run.n_batches - before))
        module = self.module_.encoder
        codes = getattr(module, str(module.encoder._linear_in()))
        return loss + share * roughness(codes, module.encoder._neighbours())

    def get_loss(self, y_pred: Any, y_true: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Loss of one batch, with the penalty of the encoder in training."""
        loss = super().get_loss(y_pred, y_true, *args, **kwargs)
        return self._smoothed(loss, kwargs.get("training", False))

    def _choose(self, rows: Any, targets: Any, weight: Any) -> None:
        """Choose the smoothness of an encoder by short fits."""
        if self._fitted_encoder is not None and self._trains_encoder():
            choose_smoothness(self, self._fitted_encoder, rows, targets, weight)

    def _trial_settings(self) -> dict[str, Any]:
        """Settings of short fits that differ from those of the fit."""
        return {"augmenter": None}  # their rows are placed by it already

    def _encoded(self, batches: Any) -> Iterator[tuple[Tensor, Tensor]]:
        for X, y in batches:
            yield self.module_.encode(to_tensor(X, device=self.device_)), y

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
        check_module(self)
        parameters: dict[str, Any] = settings_for_module(self) | {"generator": self._generator}
        if "hidden_layer_sizes" in parameters:
            parameters["hidden_layer_sizes"] = self._chosen("hidden_layer_sizes")
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
        check_built(self.module_, parameters["in_features"], self._n_outputs)
        if self.module is not CoordinateMLP and hasattr(self, "n_features_in_"):
            check_output(self.module_, self.n_features_in_)
        origin = self.__dict__.get("_input_origin")
        if origin is not None:
            self.module_.input_origin.copy_(torch.as_tensor(origin))
        return self

    def _undecayed_parameters(self) -> list[nn.Parameter]:
        """Those that place the functions of the encoding."""
        encoder = self.module_.encoder
        names = encoder.undecayed if isinstance(encoder, EncoderModule) else []
        return [getattr(encoder, name) for name in names]

    def _check_settings(self) -> None:
        if self.encoder is not None:
            check_encoder(self.encoder, "an encoder of sk_posenc or None")
        if self.augmenter is not None:
            check_augmenter(self.augmenter)
        super()._check_settings()
        parse_flag(self.log_stable_rank, "log_stable_rank")
        check_module(self)
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
        """Raise where the network, or a batch of rows in it, would not fit into memory."""
        encoder = self._fitted_encoder
        columns = self.n_features_in_ if encoder is None else encoder._n_features_out
        device = resolve_device(self.device)
        if encoder is not None and device.type == "cpu":
            check_memory((n_rows, columns), 4, "lower batch_size, or the columns of the encoder")
        if issubclass(self.module, CoordinateMLP):
            hidden = layer_sizes(self._chosen("hidden_layer_sizes"))
            check_training([columns, *hidden, self._n_outputs], n_rows, device)

    def _width(self, X: Any) -> int:
        return int(self.module_.in_features)

    def _out_of_memory(self, doing: str) -> str:
        hidden = self._chosen("hidden_layer_sizes")
        return (
            f"{self.device_} ran out of memory {doing} with batch_size={self.batch_size!r} on "
            f"{self.module_.in_features} columns and hidden layers {hidden}: "
            "lower batch_size (iterator_valid__batch_size for predict), the columns of the "
            "encoder or hidden_layer_sizes."
        )
