"""A skorch net over series: what comes in, the scaling of channels, and predictions."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from skorch.utils import is_dataset
from torch import Tensor, nn

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.checks import check_weights
from sk_posenc.core.dates import DateAxis
from sk_posenc.core.memory import available_memory, check_bytes
from sk_posenc.core.settings import parse_choice, parse_flag, parse_integer
from sk_posenc.encoders.base import check_encoder
from sk_posenc.networks.batches import as_tensor, weights_of
from sk_posenc.networks.encoder_module import EncoderModule, encoder_inside
from sk_posenc.networks.estimator import SkorchEstimator
from sk_posenc.networks.scaling import target_scaling
from sk_posenc.series._panel import Panel
from sk_posenc.series._series_rows import SeriesRows
from sk_posenc.series._series_targets import (
    TargetShape,
    checked_targets,
    one_a_series,
    targets_of_array,
    targets_of_table,
)
from sk_posenc.series.series_network import SeriesNetwork


class SeriesEstimator(SeriesRows, SkorchEstimator):
    """A base class of estimators that train a `SeriesNetwork`.

    A derived class has the parameters of the network, and `encoder`, `series`, `time` and
    `target`. It stands in front of a class of skorch.
    """

    _nested = ("encoder",)
    d_model: int
    n_heads: int
    n_layers: int
    causal: bool
    max_distance: int | None
    encoder: Any
    target: str
    _target: tuple[bool, int, int]

    @property
    def encoder_(self) -> Any:
        """The fitted encoder of time, as training left it."""
        return encoder_inside(self, "positions")

    @property
    def _shape(self) -> TargetShape:
        return TargetShape(*self._target)

    def _check_settings(self) -> None:
        super()._check_settings()
        for name in ("d_model", "n_heads", "n_layers"):
            parse_integer(getattr(self, name), name)
        if self.d_model % self.n_heads:
            raise ValueError(
                f"n_heads must divide d_model={self.d_model}: each head has as many numbers of a "
                f"step. Got {self.n_heads!r}."
            )
        for name in ("causal", "relative"):
            parse_flag(getattr(self, name), name)
        if self.max_distance is not None:
            parse_integer(self.max_distance, "max_distance", otherwise=" or None")
        parse_choice("auto", "step", "series")(self.target, "target")
        if self.encoder is not None:
            check_encoder(self.encoder, "an encoder of sk_posenc or None")

    def _train(self, X: Any, y: Any, sample_weight: Any, *options: Any, **named: Any) -> Self:
        if sample_weight is not None and self._is_long():
            self._refuse_weights_within(X, sample_weight)
        return super()._train(X, y, sample_weight, *options, **named)

    def _refuse_weights_within(self, X: Any, sample_weight: Any) -> None:
        """Raise for weights that differ within a series of a long table."""
        fresh = clone(self)
        _, panel = fresh._take_series(to_numpy(X), fresh=True)
        weight = check_weights(sample_weight, len(panel.rows.ravel()))
        one_a_series(panel.of_rows(weight), "sample_weight")

    def _take(self, X: Any, y: Any, fresh: bool) -> tuple[NDArray, NDArray[np.float64]]:
        values, panel = self._take_series(X, fresh)
        y = checked_targets(self, X, y)
        self._check_range(y)
        n_steps = values.shape[1]
        if panel is None:
            is_table = self._form == "wide"
            targets, shape = targets_of_array(y, self._target_kind(fresh), n_steps, is_table)
        else:
            targets, shape = targets_of_table(y, self._target_kind(fresh), panel)
            self._first_rows = panel.rows[:, 0]
        told = shape.per_step, shape.ndim, shape.n_outputs
        if fresh:
            self._target, self._n_steps = told, n_steps
            self._learn_positions(values[..., 0])
        elif told != self._target:
            raise ValueError(
                f"y must be {self._shape.told()}, as before. Got shape {y.shape}, which is "
                f"{shape.told()}."
            )
        return values, targets

    def _check_range(self, y: NDArray[np.float64]) -> None:
        pass

    def _target_kind(self, fresh: bool) -> str:
        if fresh or self.target != "auto":
            return self.target
        return "step" if self._shape.per_step else "series"

    def _learn_positions(self, times: NDArray[np.float64]) -> None:
        self._fitted_encoder: Any = None
        if self.encoder is None:
            return
        seen, axis = np.unique(times), self._time_dates()
        if axis is not None:
            seen = axis.dates(seen)
        self._fitted_encoder = clone(self.encoder).fit(seen[:, None])

    def _weigh(self, targets: Any, weight: Any) -> Any:
        first = self.__dict__.pop("_first_rows", None)
        return weight if weight is None or first is None else weight[first]

    def initialize_module(self) -> Self:
        """Build `module_`, for the channels and targets seen by `fit`.

        Returns
        -------
        self : estimator
        """
        if not hasattr(self, "n_channels_"):
            raise ValueError(
                "The number of channels is not known without data: call fit or partial_fit."
            )
        encoder = None
        if self._fitted_encoder is not None:
            trains = bool(self._fitted_encoder._learns_by_default)
            encoder = EncoderModule(self._fitted_encoder, trainable=trains, dtype=torch.float32)
        settings = ("d_model", "n_heads", "n_layers", "causal", "relative")
        parameters = {name: getattr(self, name) for name in settings} | {
            "in_features": self.n_channels_,
            "out_features": self._shape.n_outputs,
            "max_distance": self.max_distance or self._n_steps - 1,
            "per_step": self._shape.per_step,
            "encoder": encoder,
            "generator": self._generator,
        }
        self.module_ = self.module(**parameters | self.get_params_for("module"))
        return self

    def _undecayed_parameters(self) -> list[nn.Parameter]:
        """Those that place the functions of the encoding."""
        encoder = self.module_.positions
        names = encoder.undecayed if isinstance(encoder, EncoderModule) else []
        return [getattr(encoder, name) for name in names]

    def get_split_datasets(
        self, X: Tensor, y: Tensor | None = None, **fit_params: Any
    ) -> tuple[Any, Any]:
        """Split as `train_split` says, and learn the scaling from the training series.

        Returns
        -------
        dataset_train, dataset_valid : Dataset, and Dataset or None
        """
        train, valid = super().get_split_datasets(X, y, **fit_params)
        if not self.module_.is_scaled:
            self._learn_scaling(self.get_iterator(train, training=False))
        return train, valid

    @torch.no_grad()
    def _learn_scaling(self, batches: Any) -> None:
        """Each channel, and each output, by its mean and standard deviation over all steps."""
        channels, targets, by_step, weights = [], [], [], []
        for X, y in batches:
            weight = weights_of(y)
            n_steps = X.shape[1]
            channels.append(X[..., 1:].flatten(0, 1).clone())  # the next batch takes its place
            targets.append(y.reshape(-1, y.shape[-1]))
            by_step.append(None if weight is None else weight.repeat_interleave(n_steps))
            weights.append(by_step[-1] if self._shape.per_step else weight)
        shift, spread = target_scaling(channels, by_step)
        module: SeriesNetwork = self.module_
        module.channel_shift.copy_(shift)
        module.channel_scale.copy_(torch.where(spread == 0, 0.0, 1 / spread))
        zeros, ones = torch.zeros_like(module.input_shift), torch.ones_like(module.input_scale)
        module.set_scaling(zeros, ones, *target_scaling(targets, weights))

    def _outputs(self, X: Any) -> tuple[NDArray, Panel | None]:
        """What the network makes of series, in float32, and where the rows of a table go."""
        check_is_fitted(self)
        nonlinearity, panel = self._get_predict_nonlinearity(), None
        if not is_dataset(X):  # skorch's scoring callbacks predict on their dataset
            values, panel = self._take_series(to_numpy(X), fresh=False)
            X = as_tensor(values)
        with self._memory_explained("predicting"):
            outputs = [to_numpy(nonlinearity(z)) for z in self.forward_iter(X, device="cpu")]
        return np.concatenate(outputs), panel

    def _width(self, X: Any) -> int:
        n_steps = self._n_steps if X is None else X.shape[1]
        return int(n_steps * self._numbers_a_step())

    def _numbers_a_step(self) -> int:
        """Numbers that a step needs in a layer, about: its random features by its values."""
        return 32 * self.d_model

    def _check_memory(self, n_rows: int) -> None:
        """Raise where a batch would not fit into memory while it trains."""
        needed = 4 * n_rows * self._n_steps * self._numbers_a_step() * self.n_layers
        if self.device in ("auto", "cpu") and not torch.cuda.is_available():
            what = f"a batch of {n_rows:,} series of {self._n_steps:,} steps"
            check_bytes(needed, what, available_memory(), "lower batch_size, d_model or n_layers")

    def _out_of_memory(self, doing: str) -> str:
        return (
            f"{self.device_} ran out of memory {doing} with batch_size={self.batch_size!r}: lower "
            "batch_size (iterator_valid__batch_size for predict), d_model or n_layers, or cut "
            "series to windows."
        )

    def _time_dates(self) -> DateAxis | None:
        """The dates of the column of time; None where it holds numbers."""
        if self._form != "long" or self._clock is None:
            return None
        return self.dates_[self._clock]
