"""Coordinate networks as a skorch regressor."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet, NeuralNetRegressor
from skorch.dataset import ValidSplit
from skorch.utils import is_dataset, to_tensor
from torch import Tensor

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.memory import check_memory
from sk_posenc.core.state import Before
from sk_posenc.networks._batches import TensorBatches, as_tensor, seeded_generator
from sk_posenc.networks._callbacks import (
    CallbackSupportMixin,
    Checkpoint,
    EpochTasks,
    Schedule,
    early_stopping,
    fingerprint,
    is_print_log,
    wants_to_stop,
    with_callbacks,
)
from sk_posenc.networks.encoder_module import EncoderModule
from sk_posenc.networks.mlp import CoordinateMLP
from sk_posenc.networks.settings import (
    batch_size_of,
    check_optimizer,
    check_settings,
    epochs_of,
    learn_scaling,
    resolve_device,
)

# Rows and entries of the input in one forward pass of `predict`: bound its memory.
_PREDICTION_BATCH = 4096
_PREDICTION_ENTRIES = 1 << 26

# Parts whose parameters are read when they are next needed.
_READ_LATER = {"optimizer", "iterator_train", "iterator_valid", "dataset"}

# Share of the rows that early stopping sets aside where no `train_split` does.
_HELD_OUT = 0.1


class CoordinateMLPRegressor(CallbackSupportMixin, NeuralNetRegressor):
    r"""Multilayer perceptron for signals over coordinates, as a skorch regressor.

    It minimises the mean squared error of the network :math:`f` of `CoordinateMLP` on
    standardised targets, by Adam on shuffled batches,

    .. math:: \hat y(x) = \mu + \sigma \odot f((\Psi(x) - m) \odot s),

    with the encoding :math:`\Psi` of `encoder` (or :math:`\Psi(x) = x`), and shifts
    :math:`m, \mu` and scales :math:`s, \sigma` learnt from the training rows.

    Parameters
    ----------
    encoder : encoder of this package, default=None
        Encodes the coordinates inside the network, batch by batch on its device: a clone is
        fitted first, as a step of a Pipeline would be. Memory then follows the batch, not the
        number of rows. None: X is what the first layer sees, encoded before or not.
    hidden_layer_sizes : int or sequence of int, default=(256, 256, 256, 256)
        Units of each hidden layer; an empty sequence gives a linear model.
    activation : {"relu", "tanh", "gelu", "sine", "gaussian", "sigmoid"}, default="relu"
        Activation of the hidden layers. "sine" makes the network a SIREN [1]_, with its
        initialisation and `module__omega_0` (30 by default); "gaussian" has width
        `module__sigma` (0.5 by default) [2]_.
    output_activation : same names or None, default=None
        Activation of the output, which bounds what can be predicted. The network then predicts
        targets in their own units: they are not standardised, and must lie in its range.
    train_encoder : bool or "auto", default="auto"
        Whether training moves the bandwidths, shifts or frequencies of `encoder` too (see
        `EncoderModule`). "auto": those of a LearnableFourierEncoder only.
    lr_schedule : {"constant", "cosine", "linear"}, default="constant"
        What becomes of the learning rate over the batches of a fit: "cosine" and "linear" end
        at 0.
    early_stopping : int, default=None
        Stop after so many epochs without a better validation loss, and go back to the weights
        of the best. It needs rows set aside: a tenth at random, unless `train_split` says
        which. None: train for `max_epochs`.
    checkpoint : str or path, default=None
        Folder in which `fit` saves its state after each epoch, a file for each combination of
        settings and rows (`callbacks` aside). A `fit` with the same settings and rows goes on
        from there, to the result of an uninterrupted one (to the last bit on a CPU); delete the
        folder to start anew. None: nothing is saved.
    mixed_precision : bool, default=False
        Whether layers compute in bfloat16, with weights, loss and encoding in float32.
    device : str or torch.device, default="auto"
        Where to compute; "auto" is CUDA where there is a device for it, else the CPU, each time
        that `fit` starts.
    random_state : int, RandomState instance or None, default=None
        Decides the initial weights and the order of the rows. None: new ones in each fit.
    module : type, default=CoordinateMLP
        The network, a subclass of `CoordinateMLP`.
    optimizer : type, default=torch.optim.Adam
        The optimiser; `optimizer__betas` and the like set its parameters.
    lr : float, default=1e-3
        Learning rate.
    max_epochs : int or "auto", default="auto"
        Passes over the rows in each `fit` or `partial_fit`. "auto": as many as make 1,000 batches
        or show 2**20 rows, whichever is fewer, but at least 20.
    batch_size : int or "auto", default="auto"
        Rows a training batch, -1 for all. "auto": a sixteenth of the rows, between 32 and 1024.
    iterator_train, iterator_valid : type, default=TensorBatches
        What cuts batches, for training and for validation and `predict`. The default slices
        tensors that stay on the device; `torch.utils.data.DataLoader` serves other data sets.
        Training rows are shuffled unless `iterator_train__shuffle=False`.
    train_split : None or callable, default=None
        `skorch.dataset.ValidSplit` sets rows aside and logs `valid_loss`. None: no rows.
    verbose : int, default=0
        1 prints a line an epoch.
    **skorch_parameters : dict
        Other parameters of `skorch.NeuralNetRegressor` (`criterion`, `callbacks`, `warm_start`,
        ...) and of its parts (`module__sigma`, `callbacks__print_log`, ...).

    Attributes
    ----------
    module_ : CoordinateMLP
        The fitted network; its buffers hold the shifts and scales.
    encoder_ : encoder
        The fitted encoder, as training left it; only where `encoder` is given.
    history_ : skorch.history.History
        One record an epoch, with `train_loss` in standardised units.
    device_ : torch.device
        The device that the network is on.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X had string names.

    See Also
    --------
    CoordinateMLP : The network.
    EncoderModule : The encoder inside it.

    Notes
    -----
    *Encoder inside or in front.* ``CoordinateMLPRegressor(encoder)`` and
    ``make_pipeline(encoder, CoordinateMLPRegressor())`` train the same network. Inside, the
    encoding is made anew for each batch and never held as a whole; in front, it is made once.
    Coordinates are encoded in their own precision: float32 coordinates save time.

    *Interruption and errors.* A fit or `partial_fit` that raises an error leaves the estimator as
    it was, weights and optimiser included; one never fitted stays so. Ctrl-C is raised again, so
    that a search or a script stops too. It leaves a first fit, `partial_fit` and a warm start as
    trained so far, without the record of an epoch that did not end; where a fitted estimator is
    fitted anew, or no batch has been trained yet, it leaves the estimator as it was. skorch's
    EarlyStopping ends training without Ctrl-C.

    *Parameters set later.* What `set_params` sets on a fitted network holds in later fits and
    clones. Those of the optimiser count at once; those of module and criterion make new ones, as
    in skorch.

    *Reproducibility.* float32 throughout and no operation whose result depends on the order of
    threads; `mixed_precision`, skorch's `compile` and other iterators are opt-in.

    *Input scale.* Columns are shifted by their means and divided by one number for all, so that
    the mean square of all scaled inputs is 1: raw coordinates of any unit and offset and
    encodings with entries of about :math:`1 / \sqrt{K}` in K columns then reach the first layer
    alike. A number for each column would blow up those that training sees only the tail of, as
    basis functions in a gap between samples; where raw columns have different units, put a
    StandardScaler in front. Columns that are constant in training are ignored.

    *Target scale.* Targets have mean 0 and standard deviation 1 per output in training; the loss
    in `history_` and the criterion see them so. Scorers and `predict` see the units of y.

    *Seeds.* All draws come from one `torch.Generator` seeded by `random_state`; the global
    generators of PyTorch and NumPy are neither read nor changed. Equal seeds give equal
    predictions to the last bit on a CPU with a given number of threads, also where fits run in
    parallel threads.

    *Memory.* X in float32 and C order is not copied on a CPU; `predict` goes 4096 rows at a time
    whatever `batch_size` is (`iterator_valid__batch_size` changes that). Targets and predictions
    are float64 outside the network; predictions of 1-d targets come as float32. `partial_fit`
    holds a copy of the weights and of the state of the optimiser while it runs.

    References
    ----------
    .. [1] V. Sitzmann, J. N. P. Martel, A. W. Bergman, D. B. Lindell, G. Wetzstein. "Implicit
       neural representations with periodic activation functions". NeurIPS 2020.
    .. [2] J. Zheng, S. Ramasinghe, S. Lucey. "Rethinking positional encoding".
       arXiv:2107.02561, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import CoordinateMLPRegressor
    >>> X = np.linspace(0, 1, 200)[:, None]
    >>> y = np.sin(6 * X[:, 0])
    >>> model = CoordinateMLPRegressor(hidden_layer_sizes=(32, 32), lr=1e-2, random_state=0)
    >>> bool(model.fit(X, y).score(X, y) > 0.99)
    True
    """

    # What skorch registers on an initialised net; scikit-learn wants an `__init__` that sets
    # parameters only.
    prefixes_: list[str] = [*NeuralNetRegressor.prefixes_, "module", "criterion", "optimizer"]
    cuda_dependent_attributes_ = ["module_", "criterion_", "optimizer_"]
    device: Any
    module_: Any
    _modules = ["module"]
    _criteria = ["criterion"]
    _optimizers = ["optimizer"]
    history_ = None
    initialized_ = False
    virtual_params_: dict[str, Any] = {}

    def __init__(
        self,
        encoder: Any = None,
        *,
        hidden_layer_sizes: int | Sequence[int] = (256, 256, 256, 256),
        activation: str = "relu",
        output_activation: str | None = None,
        train_encoder: bool | str = "auto",
        lr_schedule: str = "constant",
        early_stopping: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        mixed_precision: bool = False,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        module: type[CoordinateMLP] = CoordinateMLP,
        optimizer: type[torch.optim.Optimizer] = torch.optim.Adam,
        lr: float = 1e-3,
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
        self.encoder = encoder
        self.train_encoder = train_encoder
        self.lr_schedule = lr_schedule
        self.early_stopping = early_stopping
        self.checkpoint = checkpoint
        self.mixed_precision = mixed_precision
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.output_activation = output_activation
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, **fit_params: Any) -> CoordinateMLPRegressor:
        """Fit the network, from new weights unless `warm_start` is set.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates or their encoding.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **fit_params : dict
            Passed to `train_split`, such as `groups`.

        Returns
        -------
        self : CoordinateMLPRegressor

        Raises
        ------
        ValueError
            For NaN or infinity, and for settings that are impossible.
        TypeError
            For settings of the wrong type, and for `fit_params` without a `train_split`.
        FloatingPointError
            Where training diverges.
        torch.cuda.OutOfMemoryError
            Where a batch does not fit into the memory of the device.
        """
        fresh = not (self.warm_start and self.initialized_)
        return self._train(X, y, fresh, fit_params, tell=True)

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike | None = None, classes: object = None, **fit_params: Any
    ) -> CoordinateMLPRegressor:
        """Train for `max_epochs` more epochs, with the scaling learnt in the first call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates or their encoding.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        classes : ignored
            There for skorch's signature.
        **fit_params : dict
            Passed to `train_split`, such as `groups`.

        Returns
        -------
        self : CoordinateMLPRegressor

        Raises
        ------
        ValueError
            As in :meth:`fit`, and for targets of another shape than before.
        """
        return self._train(X, y, not self.initialized_, fit_params)

    def predict(self, X: ArrayLike) -> NDArray:
        """Predict in the units and the shape of the targets given to `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates or their encoding; moved to the device batch by batch.

        Returns
        -------
        y : ndarray of shape (n_samples,), float32, or (n_samples, n_outputs), float64
            Predictions, 1-d if the targets were.
        """
        check_is_fitted(self)
        nonlinearity = self._get_predict_nonlinearity()
        if not is_dataset(X):  # skorch's scoring callbacks predict on their dataset
            X = as_tensor(
                validate_data(self, to_numpy(X), reset=False, **_checks(self.module_.encoder))
            )
        # the device is named: skorch's scoring puts the parameter "auto" in its place otherwise
        with self._memory_explained("predicting"):
            outputs = [to_numpy(nonlinearity(z)) for z in self.forward_iter(X, device="cpu")]
        scale, shift = to_numpy(self.module_.target_scale), to_numpy(self.module_.target_shift)
        y = np.concatenate(outputs) * scale + shift
        if not np.isfinite(y).all():
            self._raise_diverged("predictions are not finite")
        return y[:, 0].astype(np.float32) if self._target_ndim == 1 else y

    @property
    def predict_proba(self) -> Any:
        """Not there, for scikit-learn: regressors have no probabilities."""
        raise AttributeError(f"{type(self).__name__} has no predict_proba; use predict.")

    @property
    def device_(self) -> torch.device:
        """The device that the network is on."""
        return self.module_.input_shift.device

    @property
    def encoder_(self) -> Any:
        """The fitted encoder, as training left it."""
        module = getattr(self.__dict__.get("module_"), "encoder", None)
        if not isinstance(module, EncoderModule):
            raise AttributeError(f"{type(self).__name__} holds no encoder, or is not fitted yet.")
        return module.fitted_encoder()

    def _train(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        fresh: bool,
        fit_params: dict[str, Any],
        tell: bool = False,
    ) -> CoordinateMLPRegressor:
        refit = fresh and self.initialized_
        own_criterion = isinstance(self.criterion, torch.nn.Module)
        in_place = self._trained_in_place() if not fresh else [self.criterion] * own_criterion
        before = Before(self, in_place=in_place)
        try:
            self._epochs_at_start: int | None = None
            self._train_in_place(X, y, fresh, fit_params, tell)
        except BaseException as stopped:
            if isinstance(stopped, KeyboardInterrupt) and not refit and self._has_trained():
                self._drop_unended_epoch()
            else:
                before.put_back()
            raise
        return self

    def _trained_in_place(self) -> list[Any]:
        """What training changes without assigning it."""
        names = (*self._modules, *self._criteria, *self._optimizers)
        parts = [getattr(self, f"{name}_", None) for name in names]
        stateful = [part for part in parts if hasattr(part, "state_dict")]
        return [*stateful, self.history_, self._generator]

    def _has_trained(self) -> bool:
        """Whether the fit under way has got through a batch."""
        if self._epochs_at_start is None:
            return False
        rows = self.history[self._epochs_at_start :]
        return any("train_loss" in batch for row in rows for batch in row["batches"])

    def _drop_unended_epoch(self) -> None:
        """Take back the record of an epoch that has not got all that the one before has."""
        *before, last = self.history[-2:]
        if not {"train_loss", *chain.from_iterable(before)} <= last.keys():
            self.history.pop()

    @with_callbacks
    def _train_in_place(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        fresh: bool,
        fit_params: dict[str, Any],
        tell: bool,
    ) -> None:
        check_settings(self)
        if fit_params and self.train_split is None:
            raise TypeError(
                "parameters of fit go to train_split, and there is none. Got "
                f"{', '.join(fit_params)}: set a train_split that takes them, or leave them out."
            )
        X_given, y_given = to_numpy(X), to_numpy(y)
        X_seen, y_seen = validate_data(
            self, X_given, y_given, reset=fresh, multi_output=True, y_numeric=True,
            **_checks(self.encoder if fresh else self.module_.encoder),
        )  # fmt: skip
        y_seen = np.asarray(y_seen, dtype=np.float64)
        ndim, n_outputs = y_seen.ndim, 1 if y_seen.ndim == 1 else y_seen.shape[1]
        n_samples = len(X_seen)
        size = self.get_params_for("iterator_train").get("batch_size", self.batch_size)
        planned = epochs_of(self.max_epochs, n_samples, batch_size_of(size, n_samples))
        if fresh:
            fitted = None if self.encoder is None else clone(self.encoder).fit(X_given)
            self._fitted_encoder: Any = fitted
            self._target_ndim, self._n_outputs = ndim, n_outputs
            self._checkpoint_file = None
            if self.checkpoint is not None:
                own = f"{fingerprint(self, X_seen, y_seen)}.pt"
                self._checkpoint_file = Path(self.checkpoint) / own
            self.initialize()
        elif (ndim, n_outputs) != (self._target_ndim, self._n_outputs):
            before = "1-d" if self._target_ndim == 1 else f"of shape (n_samples, {self._n_outputs})"
            raise ValueError(f"y must be {before}, as before. Got shape {y_seen.shape} instead.")
        else:
            self._checkpoint_file = None
        self._check_batch_memory(min(batch_size_of(size, n_samples), n_samples))
        self._planned_epochs, self._epochs_before = planned, len(self.history)
        self._finished = False
        self._interrupt: KeyboardInterrupt | None = None
        rows, targets = as_tensor(X_seen), as_tensor(y_seen)
        if self.iterator_train is TensorBatches:
            rows, targets = rows.to(self.device_), targets.to(self.device_)
        with self._told_as_task(X_given, y_given, tell):
            self._loop_and_notify(rows, targets, fit_params, "fit" if tell else "partial_fit")
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt

    def _loop_and_notify(
        self, X: Tensor, y: Tensor, fit_params: dict[str, Any], method: str
    ) -> None:
        """skorch's `partial_fit`, which takes each KeyboardInterrupt for an early stop."""
        if "_routing_method" in signature(NeuralNet.fit_loop).parameters:
            fit_params = fit_params | {"_routing_method": method}
        self.notify("on_train_begin", X=X, y=y)
        try:
            self.fit_loop(X, y, **fit_params)
        except KeyboardInterrupt as interrupt:
            if not self._has_trained():
                raise
            if not wants_to_stop(self):
                self._interrupt = interrupt
        self.notify("on_train_end", X=X, y=y)

    def _check_batch_memory(self, n_rows: int) -> None:
        if self._fitted_encoder is not None and self.device_.type == "cpu":
            width = self._fitted_encoder._n_features_out
            check_memory((n_rows, width), 4, "lower batch_size, or the columns of the encoder")

    @contextmanager
    def _told_as_task(self, X: Any, y: Any, tell: bool) -> Iterator[None]:
        """Tell scikit-learn's callbacks of the fit, and let the epochs be told too."""
        if not tell or not hasattr(self, "_init_callback_context"):
            yield
            return
        context = self._init_callback_context(max_subtasks=self._planned_epochs)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        self._rows_of_fit = X, y
        try:
            yield
        finally:
            del self._rows_of_fit
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=lambda: {})

    @contextmanager
    def _memory_explained(self, doing: str) -> Iterator[None]:
        """Say what to lower where the device has no memory left."""
        try:
            yield
        except RuntimeError as error:
            on_host = "DefaultCPUAllocator" in str(error)
            if not (on_host or isinstance(error, torch.cuda.OutOfMemoryError)):
                raise
            width = self.module_.linears[0].in_features
            raise torch.cuda.OutOfMemoryError(
                f"{self.device_} ran out of memory {doing} with batch_size={self.batch_size!r} on "
                f"{width} columns and hidden layers {self.hidden_layer_sizes}: lower batch_size "
                "(iterator_valid__batch_size for predict), the columns of the encoder or "
                "hidden_layer_sizes."
            ) from error

    def initialize(self) -> CoordinateMLPRegressor:
        """Draw new weights; `fit` does so itself.

        Returns
        -------
        self : CoordinateMLPRegressor
        """
        self._generator = seeded_generator(self.random_state)
        self.history_ = None  # skorch would clear the list of an earlier fit
        return super().initialize()

    def initialize_module(self) -> CoordinateMLPRegressor:
        """Build `module_`, with the width of the data seen by `fit`.

        Returns
        -------
        self : CoordinateMLPRegressor
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
                "The number of features is known once there are data: call fit or partial_fit, "
                "or set module__in_features and module__out_features before initialize."
            )
        if not hasattr(self, "n_features_in_"):
            self._n_outputs = parameters.get("out_features", 1)
            self._target_ndim = 1 if self._n_outputs == 1 else 2
        self.module_ = self.module(**parameters)
        return self

    def _trains_encoder(self) -> bool:
        if isinstance(self.train_encoder, str):
            return bool(self._fitted_encoder._learns_by_default)
        return bool(self.train_encoder)

    def get_params_for_optimizer(self, prefix: str, named_parameters: Any) -> tuple[Any, Any]:
        """As skorch's, with what places an encoding left out of weight decay.

        ``optimizer__param_groups__0__lr`` is the `lr` of the first group.
        """
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        encoder = self.module_.encoder
        if (
            isinstance(encoder, EncoderModule)
            and "weight_decay" in signature(self.optimizer).parameters
        ):
            placed = {id(getattr(encoder, name)) for name in encoder.undecayed}
            rest = args[0][-1]
            if set(rest) == {"params"}:  # those that no pattern of the user's names
                kept = [p for p in rest["params"] if id(p) in placed]
                rest["params"] = [p for p in rest["params"] if id(p) not in placed]
                if kept:
                    args[0].append({"params": kept, "weight_decay": 0.0})
        for name in [each for each in kwargs if each.startswith("param_groups__")]:
            value, (_, index, option) = kwargs.pop(name), name.split("__", 2)
            if index not in map(str, range(len(args[0]))):
                raise ValueError(
                    f"{prefix}__{name} is of a group that is not there: the groups are 0 to "
                    f"{len(args[0]) - 1}."
                )
            args[0][int(index)][option] = value
        return args, kwargs

    def _yield_callbacks(self) -> Iterator[tuple[str, Any, bool]]:
        given = list(super()._yield_callbacks())
        printing = [each for each in given if is_print_log(each[1])]
        yield "epoch_tasks", EpochTasks(), True
        yield from (each for each in given if each not in printing)
        # these see all that the others have recorded of an epoch
        if self.lr_schedule != "constant":
            yield "lr_schedule", Schedule(self.lr_schedule), True
        if self.early_stopping is not None:
            yield "early_stopping", early_stopping(self.early_stopping), True
        yield "checkpoint", Checkpoint(), True
        yield from printing

    @property
    def _epochs_done(self) -> int:
        """Epochs of the fit under way that have ended."""
        return len(self.history) - self._epochs_before

    def fit_loop(
        self, X: Tensor, y: Tensor | None = None, epochs: int | None = None, **fit_params: Any
    ) -> CoordinateMLPRegressor:
        """Train for `epochs`, by default what `max_epochs` leaves to do; see skorch."""
        if epochs is None:
            epochs = 0 if self._finished else max(0, self._planned_epochs - self._epochs_done)
        self._epochs_at_start = len(self.history)
        with self._memory_explained("training"):
            return super().fit_loop(X, y, epochs=epochs, **fit_params)

    def get_split_datasets(
        self, X: Tensor, y: Tensor | None = None, **fit_params: Any
    ) -> tuple[Any, Any]:
        """Split as `train_split` says, and learn the scaling from the training rows.

        Returns
        -------
        dataset_train, dataset_valid : Dataset, and Dataset or None
        """
        if self.early_stopping is not None and self.train_split is None:
            # the seed, not a draw: the rows set aside stay the same in later calls
            seed = self._generator.initial_seed() % 2**32
            split = ValidSplit(_HELD_OUT, random_state=seed)
            train, valid = split(self.get_dataset(X, y))
        else:
            train, valid = super().get_split_datasets(X, y, **fit_params)
        if not self.module_.is_scaled:
            with torch.no_grad():
                input_shift, input_scale, target_shift, target_scale = learn_scaling(
                    self._encoded(self.get_iterator(train, training=False))
                )
            if self.output_activation is not None:
                target_shift, target_scale = (
                    torch.zeros_like(target_shift),
                    torch.ones_like(target_scale),
                )
            self.module_.set_scaling(input_shift, input_scale, target_shift, target_scale)
        return train, valid

    def _encoded(self, batches: Any) -> Iterator[tuple[Tensor, Tensor]]:
        for X, y in batches:
            yield self.module_.encode(to_tensor(X, device=self.device_)), y

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
        width = self.module_.linears[0].in_features
        rows_at_once = max(1, min(_PREDICTION_BATCH, _PREDICTION_ENTRIES // width))
        size = self.batch_size if training else rows_at_once
        size = batch_size_of(parameters.get("batch_size", size), len(dataset))
        parameters["batch_size"] = size
        if training and "shuffle" in accepted and "sampler" not in parameters:
            parameters.setdefault("shuffle", True)
        if "generator" in accepted:
            # a DataLoader without one draws from the global generator, even in order
            generator = self._generator if training else torch.Generator()
            parameters.setdefault("generator", generator)
        return iterator(dataset, **parameters)

    def forward_iter(
        self, X: Any, training: bool = False, device: str | torch.device = "cpu"
    ) -> Iterator[Tensor]:
        """Yield the output of the network batch by batch, in the order of the rows.

        The output is standardised as the targets are in training; `predict` gives their units.
        """
        for batch in self.get_iterator(self.get_dataset(X)):
            yield self.evaluation_step(batch, training=training).to(device)

    def infer(self, x: Tensor, **fit_params: Any) -> Tensor:
        """Forward pass of one batch, on the device of the network."""
        x, kind = to_tensor(x, device=self.device_), self.device_.type
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=bool(self.mixed_precision)):
            return self.module_(x).float()  # `train_split` takes the parameters of `fit`

    def get_loss(
        self, y_pred: Tensor, y_true: Tensor, X: Tensor | None = None, training: bool = False
    ) -> Tensor:
        """Criterion between the output and the standardised targets of one batch."""
        net = self.module_
        y_true = to_tensor(y_true, device=y_pred.device).reshape(y_pred.shape)
        target = (y_true - net.target_shift) / net.target_scale
        return self.criterion_(y_pred, target.to(y_pred.dtype))

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Stop with an error where training has diverged."""
        super().on_epoch_end(net, **kwargs)
        losses = (batch.get("train_loss", 0.0) for batch in self.history[-1]["batches"])
        if not all(map(math.isfinite, losses)):
            self._raise_diverged(f"the training loss of epoch {len(self.history)} is not finite")

    def _raise_diverged(self, what: str) -> None:
        raise FloatingPointError(
            f"Training has diverged: {what}. Lower the learning rate (lr={self.lr}), or clip "
            "gradients with skorch.callbacks.GradientNormClipping."
        )

    @contextmanager
    def _on_resolved_device(self) -> Iterator[None]:
        # skorch reads the parameter, which "auto" leaves open
        device = self.device
        self.device = resolve_device(device)
        try:
            yield
        finally:
            self.device = device

    def _initialize_module(self, *args: Any, **kwargs: Any) -> CoordinateMLPRegressor:
        with self._on_resolved_device():
            return super()._initialize_module(*args, **kwargs)

    def _initialize_criterion(self, *args: Any, **kwargs: Any) -> CoordinateMLPRegressor:
        with self._on_resolved_device():
            return super()._initialize_criterion(*args, **kwargs)

    def load_params(self, *args: Any, **kwargs: Any) -> None:
        """Load what `save_params` saved, the scaling included; see skorch."""
        in_place = self._trained_in_place() if self.initialized_ else []
        with Before(self, in_place=in_place), self._on_resolved_device():
            super().load_params(*args, **kwargs)

    def set_params(self, **parameters: Any) -> CoordinateMLPRegressor:
        """Set parameters, those of skorch's parts included (`optimizer__betas`, ...).

        Returns
        -------
        self : CoordinateMLPRegressor
        """
        held = [self.encoder] if isinstance(self.encoder, BaseEstimator) else []
        callbacks = [each for _, each in self.__dict__.get("callbacks_", []) if each is not None]
        with Before(self, *held, *callbacks):
            self._set_all(parameters)
        return self

    def _set_all(self, parameters: dict[str, Any]) -> None:
        held = {k: parameters.pop(k) for k in list(parameters) if k.split("__")[0] == "encoder"}
        if held and "encoder" not in held and self.encoder is None:
            raise ValueError(f"There is no encoder to set {sorted(held)} of: set encoder first.")
        BaseEstimator.set_params(self, **held)
        if "callbacks" in parameters:
            self.callbacks = parameters.pop("callbacks")
            if self.initialized_:  # else `fit` builds them, and reports what is wrong
                self._initialize_callbacks()
        # skorch would set those of the optimiser at work and forget them, and refuse the others
        kept = {k: v for k, v in parameters.items() if k == "lr" or k.split("__")[0] in _READ_LATER}
        self._params_to_validate: set[str] = self._params_to_validate | (kept.keys() - {"lr"})
        self.__dict__.update(kept)
        before = self.__dict__.get("optimizer_")
        super().set_params(**{k: v for k, v in parameters.items() if k not in kept})
        if self.initialized_ and kept:
            self._validate_params()
            tuned = {k for k in kept if k == "lr" or k.split("__")[0] == "optimizer"}
            if tuned and self.__dict__.get("optimizer_") is before is not None:
                self._tune_optimizer(tuned)

    def _tune_optimizer(self, names: set[str]) -> None:
        """Let the optimiser at work have settings; a new one is made where groups change."""
        check_optimizer(self)
        args, kwargs = self.get_params_for_optimizer("optimizer", self.get_all_learnable_params())
        tuned, groups = self.optimizer(*args, **kwargs), self.optimizer_.param_groups
        if (
            type(tuned) is not type(self.optimizer_)
            or len(tuned.param_groups) != len(groups)
            or "optimizer__param_groups" in names
        ):
            self._initialize_optimizer()
            return
        for name in (each.split("__")[-1] for each in names):
            for group, new in zip(groups, tuned.param_groups, strict=True):
                group[name] = new[name]
                if name == "lr" and "initial_lr" in group:
                    group["initial_lr"] = new["lr"]  # where schedules start

    def __repr__(self) -> str:
        usual: dict[str, Any] = {}
        for kind in (NeuralNet, NeuralNetRegressor, CoordinateMLPRegressor):
            usual |= {name: p.default for name, p in signature(kind).parameters.items()}
        settings = self.get_params(deep=False).items()
        changed = [f"{k}={v!r}" for k, v in settings if k not in usual or repr(v) != repr(usual[k])]
        return f"{type(self).__name__}({', '.join(sorted(changed))})"

    def _get_param_names(self) -> list[str]:
        return [name for name in super()._get_param_names() if not name.startswith("_")]

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "_generator" in state:
            # torch.Generator itself pickles in recent versions of PyTorch only
            state["_generator"] = state["_generator"].get_state()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        device = state["device"]
        is_auto = isinstance(device, str) and device == "auto"
        super().__setstate__(state | {"device": resolve_device("auto")} if is_auto else state)
        if is_auto:
            self.device = device
        if "_generator" in state:
            self._generator = torch.Generator()
            self._generator.set_state(state["_generator"])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _checks(encoder: Any) -> dict[str, Any]:
    """How coordinates are checked: an encoder keeps their precision, a network has its own."""
    dtypes = np.float32 if encoder is None else [np.float64, np.float32]
    return {"dtype": dtypes, "order": "C"}
