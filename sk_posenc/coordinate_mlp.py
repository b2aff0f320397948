"""Multilayer perceptrons on coordinates or their encodings, as a skorch regressor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from itertools import islice, pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNetRegressor
from skorch.utils import is_dataset, to_numpy, to_tensor
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.data import Subset

__all__ = ["CoordinateMLP", "CoordinateMLPRegressor", "TensorBatches"]

_CHECKS_OF_X: dict[str, Any] = {"dtype": np.float32, "order": "C"}

# A column that varies by less than this share of its size varies by rounding only.
_ROUNDING = 8 * float(np.finfo(np.float32).eps)

# Rows in one forward pass of `predict`: bounds its memory whatever the number of rows.
_PREDICTION_BATCH = 4096


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


def _activation(parameter: str, name: object, omega_0: float, sigma: float) -> nn.Module:
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        possible = ", ".join(repr(key) for key in _ACTIVATIONS)
        also = " or None" if parameter == "output_activation" else ""
        raise ValueError(f"{parameter} must be one of {possible}{also}. Got {name!r} instead.")
    return _ACTIVATIONS[name](omega_0, sigma)


def _layer_sizes(sizes: object) -> tuple[int, ...]:
    listed = (sizes,) if isinstance(sizes, Integral) else sizes
    if (
        isinstance(listed, (str, bytes))
        or not isinstance(listed, (Sequence, np.ndarray))
        or any(isinstance(n, bool) or not isinstance(n, Integral) or n < 1 for n in listed)
    ):
        raise ValueError(
            "hidden_layer_sizes must be a positive integer or a sequence of positive integers, "
            f"one per hidden layer. Got {sizes!r} instead."
        )
    return tuple(int(n) for n in listed)


def _positive(parameter: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise ValueError(f"{parameter} must be a positive number. Got {value!r} instead.")
    return float(value)


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


class CoordinateMLP(nn.Module):
    r"""Fully connected network whose inputs are standardised inside its first layer.

    With scaled inputs :math:`h_0 = (x - m) \odot s` the network is

    .. math:: h_l = \phi(W_l h_{l-1} + b_l), \qquad f(x) = \psi(W_L h_{L-1} + b_L),

    :math:`\phi` the activation and :math:`\psi` the output activation.

    Parameters
    ----------
    in_features : int
        Columns of the input.
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
    generator : torch.Generator, default=None
        Draws the initial weights; None takes a generator with a fresh seed. PyTorch's global
        generator is never used.

    Attributes
    ----------
    linears : torch.nn.ModuleList of len(hidden_layer_sizes) + 1 torch.nn.Linear
        The layers :math:`W_l, b_l`.
    input_shift, input_scale : Tensor of shape (in_features,)
        :math:`m` and :math:`s`; 0 and 1 until `set_scaling` is called.
    target_shift, target_scale : Tensor of shape (out_features,), float64
        Offset and unit in which the output is meant; `forward` does not apply them.
    is_scaled : Tensor of shape (), bool
        Whether `set_scaling` has been called.

    See Also
    --------
    CoordinateMLPRegressor : Trains this network as a scikit-learn estimator.

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

    input_shift: Tensor
    input_scale: Tensor
    target_shift: Tensor
    target_scale: Tensor
    is_scaled: Tensor

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
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        omega_0, sigma = _positive("omega_0", omega_0), _positive("sigma", sigma)
        widths = (in_features, *_layer_sizes(hidden_layer_sizes), out_features)
        self.activation = _activation("activation", activation, omega_0, sigma)
        self.output_activation = (
            nn.Identity()
            if output_activation is None
            else _activation("output_activation", output_activation, omega_0, sigma)
        )
        # skip_init: nn.Linear's own initialisation would draw from the global generator
        layers = [
            nn.utils.skip_init(nn.Linear, n_in, n_out, dtype=torch.float32)
            for n_in, n_out in pairwise(widths)
        ]
        is_siren = activation == "sine" and len(layers) > 1
        _draw_parameters(layers, omega_0 if is_siren else None, generator or _fresh_generator())
        self.linears = nn.ModuleList(layers)
        self.register_buffer("input_shift", torch.zeros(in_features, dtype=torch.float32))
        self.register_buffer("input_scale", torch.ones(in_features, dtype=torch.float32))
        self.register_buffer("target_shift", torch.zeros(out_features, dtype=torch.float64))
        self.register_buffer("target_scale", torch.ones(out_features, dtype=torch.float64))
        self.register_buffer("is_scaled", torch.tensor(False))

    @torch.no_grad()
    def set_scaling(
        self,
        input_shift: Tensor,
        input_scale: Tensor,
        target_shift: Tensor,
        target_scale: Tensor,
    ) -> None:
        """Set the scaling of the input, and the offset and unit of the output.

        Parameters
        ----------
        input_shift, input_scale : Tensor of shape (in_features,)
        target_shift, target_scale : Tensor of shape (out_features,)
        """
        self.input_shift.copy_(input_shift)
        self.input_scale.copy_(input_scale)
        self.target_shift.copy_(target_shift)
        self.target_scale.copy_(target_scale)
        self.is_scaled.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of shape (n, in_features) to (n, out_features), in units of `target_scale`."""
        first: Any = self.linears[0]
        weight = first.weight * self.input_scale
        h = linear(x, weight, first.bias - weight @ self.input_shift)
        for layer in islice(self.linears, 1, None):
            h = layer(self.activation(h))
        return self.output_activation(h)


class TensorBatches:
    """Batches cut from tensors that stay where they are, without a copy of the whole.

    Where a DataLoader fetches a batch row by row, this takes it in one `index_select`, or as a
    view where rows are neither shuffled nor a subset. The inputs of a batch are valid until the
    next one is taken, which overwrites them: a callback that keeps them must copy.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset of tensors, or torch.utils.data.Subset of one
        Its `X` of shape (n, n_features) and `y` of shape (n,), (n, n_outputs) or None.
    batch_size : int, default=128
        Rows a batch; the last one may hold fewer.
    shuffle : bool, default=False
        Whether each pass goes through the rows in a new random order.
    generator : torch.Generator, default=None
        Draws the orders; None takes a generator with a fresh seed.

    Examples
    --------
    >>> import torch
    >>> from skorch.dataset import Dataset
    >>> from sk_posenc.coordinate_mlp import TensorBatches
    >>> batches = TensorBatches(Dataset(torch.zeros(10, 2), torch.zeros(10)), batch_size=4)
    >>> [len(X) for X, y in batches]
    [4, 4, 2]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 128,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        rows = None
        while isinstance(dataset, Subset):
            kept = torch.as_tensor(np.asarray(dataset.indices), dtype=torch.int64)
            rows = kept if rows is None else kept[rows]
            dataset = dataset.dataset
        X, y = getattr(dataset, "X", None), getattr(dataset, "y", None)
        if not isinstance(X, Tensor) or not isinstance(y, Tensor | None):
            raise TypeError(
                "TensorBatches needs a skorch Dataset of tensors; for other datasets pass "
                "iterator_train and iterator_valid = torch.utils.data.DataLoader. "
                f"Got {type(dataset).__name__} instead."
            )
        self.X, self.y, self.rows = X, y, rows
        self.n_samples = len(X) if rows is None else len(rows)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = (generator or _fresh_generator()) if shuffle else None

    def __len__(self) -> int:
        """Number of batches in a pass."""
        return -(-self.n_samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Go through the rows once."""
        rows = self.rows
        if self.shuffle:
            order = torch.randperm(self.n_samples, generator=self.generator)
            rows = order if rows is None else rows[order]
        if rows is not None:
            rows = rows.to(self.X.device)
            # one buffer for all batches: fresh memory for each costs as much as the copy itself
            buffer = self.X.new_empty((min(self.batch_size, self.n_samples), *self.X.shape[1:]))
        for start in range(0, self.n_samples, self.batch_size):
            batch = slice(start, start + self.batch_size)
            # what skorch's Dataset gives where there is no target
            no_target = self.X.new_zeros(1)
            if rows is None:
                yield self.X[batch], no_target if self.y is None else self.y[batch]
            else:
                taken = rows[batch]
                X = torch.index_select(self.X, 0, taken, out=buffer[: len(taken)])
                yield X, no_target if self.y is None else self.y.index_select(0, taken)


def _fresh_generator() -> torch.Generator:
    generator = torch.Generator()
    generator.seed()
    return generator


def _seeded_generator(random_state: int | np.random.RandomState | None) -> torch.Generator:
    if random_state is None:
        # check_random_state(None) would draw from numpy's global generator
        return _fresh_generator()
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    return torch.Generator().manual_seed(int(seed))


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


def _on_host(array: Any) -> Any:
    return array.detach().cpu() if isinstance(array, Tensor) else array


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
    reach = torch.maximum(high - mean, mean - low)
    constant = reach <= _ROUNDING * torch.maximum(high.abs(), low.abs())
    reach[constant] = math.inf
    size = (sum_sq / (n * reach.square()))[~constant].mean().sqrt()
    input_scale = 1 / (reach * size.nan_to_num(1.0))
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
    *Input scale.* Column j is shifted by its mean and divided by its largest distance from the
    mean times one number for all columns, so that the mean square of all scaled inputs is 1.
    Raw coordinates of any unit and offset and encodings with entries of about
    :math:`1 / \sqrt{K}` in K columns then reach the first layer alike. Dividing by standard
    deviations instead would blow up columns that are almost always zero. Columns that are
    constant in training are ignored.

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
            X = _as_tensor(validate_data(self, _on_host(X), reset=False, **_CHECKS_OF_X))
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
            self, _on_host(X), _on_host(y), reset=fresh, multi_output=True, y_numeric=True,
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
        self._generator = _seeded_generator(self.random_state)
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
