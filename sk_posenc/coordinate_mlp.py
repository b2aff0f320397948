"""Coordinate networks as a skorch regressor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNetRegressor
from skorch.utils import is_dataset, to_tensor
from torch import Tensor

from sk_posenc._arrays import to_numpy
from sk_posenc._batches import TensorBatches, seeded_generator
from sk_posenc.coordinate_network import CoordinateMLP

_CHECKS_OF_X: dict[str, Any] = {"dtype": np.float32, "order": "C"}

# A column that varies by less than this share of its size varies by rounding only.
_ROUNDING = 8 * float(np.finfo(np.float32).eps)

# Rows in one forward pass of `predict`: bounds its memory whatever the number of rows.
_PREDICTION_BATCH = 4096


def _resolve_device(device: object) -> torch.device:
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not isinstance(device, (str, torch.device)):
        raise ValueError(
            f"device must be 'auto', a device name or a torch.device. Got {device!r} instead."
        )
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            "device must be 'auto' or a device that PyTorch knows, such as 'cpu', 'cuda' or "
            f"'cuda:1'. Got {device!r} instead."
        ) from error
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={str(device)!r} was asked for, but PyTorch sees "
            f"{torch.cuda.device_count()} CUDA devices here; device='auto' takes what there is."
        )
    return resolved


def _as_tensor(array: NDArray) -> Tensor:
    """Share memory with `array`, also where it is read-only (torch would warn; we never write)."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    writeable = _Memory()
    writeable.owner = array
    writeable.__array_interface__ = {
        **array.__array_interface__,
        "data": (array.__array_interface__["data"][0], False),
    }
    return torch.from_numpy(np.asarray(writeable))


class _Memory:
    """An array interface, and the array whose memory it describes."""

    owner: NDArray
    __array_interface__: dict[str, Any]


def _batch_size(size: object, n_samples: int) -> int:
    if isinstance(size, str) and size == "auto":
        return min(max(n_samples // 16, 32), 4096)
    if isinstance(size, bool) or not isinstance(size, Integral) or (size < 1 and size != -1):
        raise ValueError(
            f"batch_size must be 'auto', a positive integer, or -1 for all rows. Got {size!r} "
            "instead."
        )
    return n_samples if size == -1 else int(size)


def _learn_scaling(batches: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shift and scale of input and target, in one pass over batches (X, y)."""
    n, targets = 0, []
    mean = sum_sq = torch.tensor(0.0, dtype=torch.float64)
    low, high = mean + math.inf, mean - math.inf
    for X, y in batches:
        # Chan's update of the mean and the sum of squared deviations
        variance, centre = (m.double() for m in torch.var_mean(X, dim=0, correction=0))
        delta, total = centre - mean, n + len(X)
        sum_sq = sum_sq + variance * len(X) + delta.square() * (n * len(X) / total)
        mean = mean + delta * (len(X) / total)
        low, high = torch.minimum(X.amin(0), low), torch.maximum(X.amax(0), high)
        n = total
        targets.append(y)
    target = torch.cat(targets).reshape(n, -1)
    target_std, target_mean = torch.std_mean(target, dim=0, correction=0)
    constant = high - low <= _ROUNDING * torch.maximum(high.abs(), low.abs())
    size = (sum_sq[~constant] / n).mean().sqrt().nan_to_num(1.0)
    input_scale = torch.where(constant, 0.0, 1 / size)
    target_std[target_std <= 1e-12 * target_mean.abs()] = 1.0
    return mean, input_scale, target_mean, target_std


def _epochs(max_epochs: object, n_samples: int, batch_size: int) -> int:
    if isinstance(max_epochs, str) and max_epochs == "auto":
        n_batches = math.ceil(n_samples / batch_size)
        return max(20, min(math.ceil(1000 / n_batches), math.ceil(2**20 / n_samples)))
    if isinstance(max_epochs, bool) or not isinstance(max_epochs, Integral) or max_epochs < 0:
        raise ValueError(
            f"max_epochs must be 'auto' or a non-negative integer. Got {max_epochs!r} instead."
        )
    return int(max_epochs)


class CoordinateMLPRegressor(NeuralNetRegressor):
    r"""Multilayer perceptron for signals over coordinates, as a skorch regressor.

    It minimises the mean squared error of the network :math:`f` of `CoordinateMLP` on
    standardised targets, by Adam on shuffled batches,

    .. math:: \hat y(x) = \mu + \sigma \odot f((x - m) \odot s),

    with shifts :math:`m, \mu` and scales :math:`s, \sigma` learnt from the training rows.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(256, 256, 256, 256)
        Units of each hidden layer; an empty sequence gives a linear model.
    activation : {"relu", "tanh", "gelu", "sine", "gaussian", "sigmoid"}, default="relu"
        Activation of the hidden layers. "sine" makes the network a SIREN [1]_, with its
        initialisation and `module__omega_0` (30 by default); "gaussian" has width
        `module__sigma` (0.5 by default) [2]_.
    output_activation : same names or None, default=None
        Activation of the output, which bounds what can be predicted. The network then predicts
        targets in their own units: they are not standardised, and must lie in its range.
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
        Rows a training batch, -1 for all. "auto": a sixteenth of the rows, between 32 and 4096.
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
    history_ : skorch.history.History
        One record an epoch, with `train_loss` in standardised units.
    device_ : torch.device
        The device that the network is on.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X had string names.

    See Also
    --------
    CoordinateMLP : The network.

    Notes
    -----
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
    are float64 outside the network; predictions of 1-d targets come as float32.

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
    _modules = ["module"]
    _criteria = ["criterion"]
    _optimizers = ["optimizer"]
    history_ = None
    initialized_ = False
    virtual_params_: dict[str, Any] = {}

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | Sequence[int] = (256, 256, 256, 256),
        activation: str = "relu",
        output_activation: str | None = None,
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
            Passed to `train_split`, as in skorch.

        Returns
        -------
        self : CoordinateMLPRegressor
        """
        return self._train(X, y, not (self.warm_start and self.initialized_), fit_params)

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
            Passed to `train_split`, as in skorch.

        Returns
        -------
        self : CoordinateMLPRegressor
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
            X = _as_tensor(validate_data(self, to_numpy(X), reset=False, **_CHECKS_OF_X))
        # the device is named: skorch's scoring puts the parameter "auto" in its place otherwise
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

    def _train(
        self, X: ArrayLike, y: ArrayLike | None, fresh: bool, fit_params: dict[str, Any]
    ) -> CoordinateMLPRegressor:
        X_seen, y_seen = validate_data(
            self, to_numpy(X), to_numpy(y), reset=fresh, multi_output=True, y_numeric=True,
            **_CHECKS_OF_X,
        )  # fmt: skip
        y_seen = np.asarray(y_seen, dtype=np.float64)
        ndim, n_outputs = y_seen.ndim, 1 if y_seen.ndim == 1 else y_seen.shape[1]
        if fresh:
            self._target_ndim, self._n_outputs = ndim, n_outputs
            self.initialize()
        elif (ndim, n_outputs) != (self._target_ndim, self._n_outputs):
            before = "1-d" if self._target_ndim == 1 else f"of shape (n_samples, {self._n_outputs})"
            raise ValueError(f"y must be {before}, as before. Got shape {y_seen.shape} instead.")
        rows, targets = _as_tensor(X_seen), _as_tensor(y_seen)
        if self.iterator_train is TensorBatches:
            rows, targets = rows.to(self.device_), targets.to(self.device_)
        return super().partial_fit(rows, targets, **fit_params)

    def initialize(self) -> CoordinateMLPRegressor:
        """Draw new weights; `fit` does so itself.

        Returns
        -------
        self : CoordinateMLPRegressor
        """
        self._generator = seeded_generator(self.random_state)
        return super().initialize()

    def initialize_module(self) -> CoordinateMLPRegressor:
        """Build `module_`, with the width of the data seen by `fit`.

        Returns
        -------
        self : CoordinateMLPRegressor
        """
        parameters = {
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "activation": self.activation,
            "output_activation": self.output_activation,
            "generator": self._generator,
        }
        if hasattr(self, "n_features_in_"):
            parameters |= {"in_features": self.n_features_in_, "out_features": self._n_outputs}
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

    def fit_loop(
        self, X: Tensor, y: Tensor | None = None, epochs: int | None = None, **fit_params: Any
    ) -> CoordinateMLPRegressor:
        """Train for `epochs`, by default `max_epochs`; see skorch."""
        if epochs is None:
            size = self.get_params_for("iterator_train").get("batch_size", self.batch_size)
            epochs = _epochs(self.max_epochs, len(X), _batch_size(size, len(X)))
        return super().fit_loop(X, y, epochs=epochs, **fit_params)

    def get_split_datasets(
        self, X: Tensor, y: Tensor | None = None, **fit_params: Any
    ) -> tuple[Any, Any]:
        """Split as `train_split` says, and learn the scaling from the training rows.

        Returns
        -------
        dataset_train, dataset_valid : Dataset, and Dataset or None
        """
        train, valid = super().get_split_datasets(X, y, **fit_params)
        if not self.module_.is_scaled:
            input_shift, input_scale, target_shift, target_scale = _learn_scaling(
                self.get_iterator(train, training=False)
            )
            if self.output_activation is not None:
                target_shift, target_scale = (
                    torch.zeros_like(target_shift),
                    torch.ones_like(target_scale),
                )
            self.module_.set_scaling(input_shift, input_scale, target_shift, target_scale)
        return train, valid

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
        size = self.batch_size if training else _PREDICTION_BATCH
        size = _batch_size(parameters.get("batch_size", size), len(dataset))
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
        return self.module_(to_tensor(x, device=self.device_), **fit_params)

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
        self.device = _resolve_device(device)
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
        with self._on_resolved_device():
            super().load_params(*args, **kwargs)

    def set_params(self, **parameters: Any) -> CoordinateMLPRegressor:
        """Set parameters, those of skorch's parts included (`optimizer__betas`, ...).

        Returns
        -------
        self : CoordinateMLPRegressor
        """
        if "callbacks" in parameters and not self.initialized_:
            # skorch would build them at once; `fit` does, and reports what is wrong
            self.callbacks = parameters.pop("callbacks")
        return super().set_params(**parameters)

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
        super().__setstate__(state | {"device": _resolve_device("auto")} if is_auto else state)
        if is_auto:
            self.device = device
        if "_generator" in state:
            self._generator = torch.Generator()
            self._generator.set_state(state["_generator"])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
