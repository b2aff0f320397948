"""A skorch net as an estimator that follows the rules of scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.utils import to_tensor
from torch import Tensor

from sk_posenc.core.checks import checked_data
from sk_posenc.core.listing import ListedCheaply
from sk_posenc.networks.batches import TensorBatches, subset_of, tensors_of
from sk_posenc.networks.parameters import LiveParameters
from sk_posenc.networks.pickling import PortableNet
from sk_posenc.networks.settings import batch_size_of, check_training_settings
from sk_posenc.networks.training import TrainedInRuns

# Rows that the network sees at once when it predicts, always as many: how a product of matrices is
# rounded depends on their number, and a prediction should depend on its row alone. More of them
# are no faster on a CPU.
_HOST_BLOCK = 256
_DEVICE_BLOCK = 4096
# Entries of the input in one forward pass: they bound its memory.
_PREDICTION_ENTRIES = 1 << 26


class SkorchEstimator(ListedCheaply, TrainedInRuns, LiveParameters, PortableNet):
    """A base class of estimators that train a torch module, in front of a class of skorch.

    ``class Mine(SkorchEstimator, NeuralNetClassifier)`` has parameters that can be set at any
    time (`LiveParameters`), a device, a seed and pickles (`PortableNet`), and trains in runs with
    schedules, early stopping and checkpoints (`TrainedInRuns`). Its `__init__` sets its own
    parameters. It says what is different from the defaults in skorch's methods, as
    `initialize_module`, `get_loss` and `predict`, and in these hooks:

    - ``_take(X, y, fresh)``: check the rows and targets of a fit, and return the arrays to train
      on. Where ``fresh`` is set, learn what the module is built with, such as the widths of its
      layers; else raise for rows and targets that do not match it.
    - ``_learnt_from()``: what the fit depends on besides settings, rows and targets; checkpoints
      are named by it too.
    - ``_check_settings()``: raise for impossible parameters.
    - ``_check_memory(n_rows)``: raise where a batch would not fit into memory.
    - ``_own_training()``: what "auto" means in settings of training.
    - ``_width(X)``: numbers that a row of X needs in a forward pass; bounds the rows of one pass.
    - ``_out_of_memory(doing)``: the message where the device runs out of memory all the same.
    - ``_undecayed_parameters()``: parameters of the module that weight decay leaves alone.
    - ``_set_aside(dataset, y, seed)``: split off the rows that early stopping needs.
    - ``_nested``: names of parameters that are estimators; ``set_params`` reaches theirs.

    All random numbers must come from ``self._generator``, or fits with equal seeds differ.

    Parameters
    ----------
    module : type
        The network, a torch module.
    lr_schedule, early_stopping, checkpoint, mixed_precision, device, random_state
        See `CoordinateMLPRegressor`.
    optimizer, lr, max_epochs, batch_size, iterator_train, iterator_valid, train_split, verbose
        As skorch's, with other defaults and "auto".
    **skorch_parameters : dict
        Other parameters of the class of skorch.
    """

    # skorch registers these names when it initialises a net. Here they are fixed, as scikit-learn
    # wants an `__init__` that only sets parameters.
    prefixes_: list[str] = [*NeuralNet.prefixes_, "module", "criterion", "optimizer"]
    cuda_dependent_attributes_ = ["module_", "criterion_", "optimizer_"]
    module_: Any
    _modules = ["module"]
    _criteria = ["criterion"]
    _optimizers = ["optimizer"]
    history_ = None
    initialized_ = False
    virtual_params_: dict[str, Any] = {}

    def __init__(
        self,
        module: Any,
        *,
        lr_schedule: str = "auto",
        early_stopping: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        mixed_precision: bool = False,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        optimizer: type[torch.optim.Optimizer] | str = torch.optim.Adam,
        lr: float | str = "auto",
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        iterator_train: Any = TensorBatches,
        iterator_valid: Any = TensorBatches,
        train_split: Any = None,
        verbose: int = 0,
        **skorch_parameters: Any,
    ) -> None:
        super().__init__(
            module,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            train_split=train_split,
            verbose=verbose,
            device=device,
            **skorch_parameters,
        )
        for name in ("history_", "initialized_", "virtual_params_"):
            del self.__dict__[name]
        self.lr_schedule = lr_schedule
        self.early_stopping = early_stopping
        self.checkpoint = checkpoint
        self.mixed_precision = mixed_precision
        self.random_state = random_state

    def _take(self, X: Any, y: Any, fresh: bool) -> tuple[Any, Any]:
        X, y = checked_data(self, X, y, reset=fresh, dtype=np.float32, order="C")
        return X, y

    def _check_settings(self) -> None:
        check_training_settings(self)

    def _check_memory(self, n_rows: int) -> None:
        pass

    def _width(self, X: Any) -> int:
        return 1

    def _out_of_memory(self, doing: str) -> str:
        return (
            f"{self.device_} ran out of memory {doing} with batch_size={self.batch_size!r}: lower "
            "batch_size (iterator_valid__batch_size for predict) or the size of the network."
        )

    @contextmanager
    def _memory_explained(self, doing: str) -> Iterator[None]:
        """Say what to lower where the device has no memory left."""
        try:
            yield
        except RuntimeError as error:
            on_host = "DefaultCPUAllocator" in str(error)
            if not (on_host or isinstance(error, torch.cuda.OutOfMemoryError)):
                raise
            raise torch.cuda.OutOfMemoryError(self._out_of_memory(doing)) from error

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """As skorch's, of tensors that share the memory of arrays."""
        return super().get_dataset(tensors_of(X), tensors_of(y))

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Batches of `dataset`: `iterator_train`, shuffled, or `iterator_valid`.

        Returns
        -------
        iterator : iterable of (X, y)
        """
        prefix = "iterator_train" if training else "iterator_valid"
        iterator = getattr(self, prefix)
        parameters = self.get_params_for(prefix)
        accepted = signature(iterator).parameters
        size: Any = self.batch_size
        if not training:
            size = self._rows_at_once(_DEVICE_BLOCK, getattr(subset_of(dataset)[0], "X", None))
        size = batch_size_of(parameters.get("batch_size", size), len(dataset), self._own_training())
        parameters["batch_size"] = size
        if training and "shuffle" in accepted and "sampler" not in parameters:
            parameters.setdefault("shuffle", True)
        if "generator" in accepted:
            # a DataLoader without one uses the global generator, even where rows are in order
            generator = self._generator if training else torch.Generator()
            parameters.setdefault("generator", generator)
        return iterator(dataset, **parameters)

    def forward_iter(
        self, X: Any, training: bool = False, device: str | torch.device = "cpu"
    ) -> Iterator[Tensor]:
        """Yield the output of the network batch by batch, in the order of the rows."""
        for batch, y in self.get_iterator(self.get_dataset(X)):
            outputs = [self.evaluation_step((rows, y), training) for rows in self._alike(batch)]
            yield torch.cat(outputs)[: len(batch)].to(device)

    def _alike(self, X: Tensor) -> Iterator[Tensor]:
        """Blocks of always the same number of rows; copies of the last row fill the last one."""
        most = _HOST_BLOCK if self.device_.type == "cpu" else _DEVICE_BLOCK
        n_rows = self._rows_at_once(most, X)
        asked = self.get_params_for("iterator_valid").get("batch_size", n_rows)
        n_rows = min(n_rows, batch_size_of(asked, n_rows))
        for block in X.split(n_rows):
            missing = n_rows - len(block)
            rows = block[-1:].expand(missing, *block.shape[1:])
            yield torch.cat([block, rows]) if missing else block

    def _rows_at_once(self, most: int, X: Any) -> int:
        return max(1, min(most, _PREDICTION_ENTRIES // self._width(X)))

    def infer(self, x: Tensor, **fit_params: Any) -> Tensor:
        """Forward pass of one batch, on the device of the network."""
        x, kind = to_tensor(x, device=self.device_), self.device_.type
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=bool(self.mixed_precision)):
            return self.module_(x).float()  # `train_split` takes the parameters of `fit`
