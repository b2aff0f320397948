"""Coordinate networks as a skorch regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags
from skorch import NeuralNetRegressor
from torch import Tensor

from sk_posenc.core.checks import missing_targets_explained
from sk_posenc.core.r_squared import r_squared
from sk_posenc.encoders.own_training import NOISY
from sk_posenc.networks._noise_test import is_noisy
from sk_posenc.networks._views import with_groups
from sk_posenc.networks.batches import TensorBatches
from sk_posenc.networks.coordinate_network import CoordinateNetwork
from sk_posenc.networks.hints import (
    Activation,
    Augmenter,
    Batch,
    Batches,
    Count,
    Device,
    Encoder,
    Epochs,
    Folder,
    Layers,
    Module,
    Optimizer,
    Rate,
    Schedule,
    Seed,
    Split,
    Trains,
)
from sk_posenc.networks.meanwhile import of_one_network
from sk_posenc.networks.mlp import CoordinateMLP
from sk_posenc.networks.scaling import check_targets, in_units_of_targets
from sk_posenc.networks.settings import epochs_of
from sk_posenc.networks.standardised import StandardisedTargets


class CoordinateMLPRegressor(StandardisedTargets, CoordinateNetwork, NeuralNetRegressor):
    r"""Multilayer perceptron for signals over coordinates, as a skorch regressor.

    It minimises the mean squared error of the network :math:`f` of `CoordinateMLP` on
    standardised targets, by Adam on shuffled batches,

    .. math:: \hat y(x) = \mu + \sigma \odot f((\Psi(x) - m) \odot s),

    with the encoding :math:`\Psi` of `encoder` (or :math:`\Psi(x) = x`), and shifts
    :math:`m, \mu` and scales :math:`s, \sigma` learnt from the training rows.

    Parameters
    ----------
    encoder : encoder of this package, default=None
        Encodes the coordinates inside the network, batch by batch and on its device. A clone
        is fitted first, as in a Pipeline. Memory then depends on the batch size, not on the
        number of rows. None: the first layer takes `X` as it is, encoded or not.
    hidden_layer_sizes : int, sequence of int or "auto", default="auto"
        Units of each hidden layer. "auto": as the encoder says, else (256, 256, 256, 256). An
        empty sequence gives a linear model.
    activation : {"relu", "tanh", "gelu", "sine", "gaussian", "sigmoid"}, default="relu"
        Activation of the hidden layers. "sine" makes the network a SIREN [1]_, with its
        initialisation and `module__omega_0` (30 by default); "gaussian" has width
        `module__sigma` (0.5 by default) [2]_.
    output_activation : same names or None, default=None
        Activation of the output, which limits the predictions to its range. Targets are then
        not standardised, and must lie in this range.
    augmenter : PositionAugmenter or another with its methods, default=None
        Places coordinates ahead of the encoder. A clone is fitted first. Each epoch trains on a
        new view of the rows, from its `augment`; validation and `predict` see its `transform`.
        See the guide's page on augmented positions. None: the rows are trained on as they are.
    train_encoder : bool or "auto", default="auto"
        Whether training also changes the bandwidths, shifts or frequencies of `encoder` (see
        `EncoderModule`). "auto": only for a LearnableFourierEncoder and a MultigridEncoder.
    lr_schedule : {"constant", "cosine", "linear", "warmup_cosine", "auto"}, default="auto"
        How the learning rate changes over the batches of a call of `fit` or `partial_fit`. All but
        "constant" end at 0; "warmup_cosine" rises over the first twentieth of the batches.
        "auto": as the encoder says, else "warmup_cosine".
        For other schedules, put a `skorch.callbacks.LRScheduler` in `callbacks`.
    early_stopping : int, default=None
        Number of epochs without a better validation loss after which training stops and goes
        back to the best weights. A tenth of the rows is held out at random, unless
        `train_split` chooses them. None: train for `max_epochs`.
    checkpoint : str or path, default=None
        Folder in which `fit` saves its state after each epoch, in a file for each combination
        of settings (without `callbacks`) and rows. The next `fit` with the same settings and
        rows continues from there. Its result is that of an uninterrupted fit, to the last bit
        on a CPU. Delete the folder to start again. None: nothing is saved.
    mixed_precision : bool, default=False
        Whether layers compute in bfloat16, with weights, loss and encoding in float32.
    log_stable_rank : bool, default=False
        Whether the record of each epoch in `history_` has the stable ranks of the weights of all
        layers, in the list "stable_rank"; `LayerRankDisplay` draws them.
    device : str or torch.device, default="auto"
        Where to compute. "auto": CUDA if a device is available when `fit` starts, else the CPU.
    random_state : int, RandomState instance or None, default=None
        Decides the initial weights and the order of the rows. None: different in each fit.
    module : type, default=CoordinateMLP
        The network, a class that derives from `CoordinateModule`; the guide's page *Add a
        network* shows how.
    optimizer : type or "muon", default=torch.optim.Adam
        The optimiser; `optimizer__betas` and the like set its parameters. "muon": Muon for the
        matrices between the first and the last layer, Adam for all other parameters. It needs
        PyTorch 2.9; the guide's page on the coordinate MLP says where it gains.
    lr : float or "auto", default="auto"
        Learning rate, the highest of a schedule. "auto": as the encoder says; else 3e-3, and 1e-4
        for networks of sines. With "muon" it is that of the matrices, "auto" is 0.05, and
        `optimizer__adam_lr` is that of all other parameters.
    max_epochs : int or "auto", default="auto"
        Passes over the rows in each `fit` or `partial_fit`. "auto": 40 or as many as make 640
        batches, fewer of many rows, but 10 at least, unless the encoder says otherwise. A first
        `fit` with an `encoder` takes a quarter where targets are noisy: where rows that are left
        out are predicted as well by more of their neighbours. The guide's page *Defaults* has the
        numbers.
    batch_size : int or "auto", default="auto"
        Rows per training batch, -1 for all. "auto": a sixteenth of the rows, within limits,
        unless the encoder says otherwise; the guide's page *Defaults* has the numbers.
    iterator_train, iterator_valid : type, default=TensorBatches
        Classes that make the batches, for training, and for validation and `predict`. The
        default slices tensors that stay on the device; for other data sets, use
        `torch.utils.data.DataLoader`. Training rows are shuffled unless
        `iterator_train__shuffle=False`.
    train_split : None or callable, default=None
        `skorch.dataset.ValidSplit` holds out rows and logs `valid_loss`. None: all rows are
        trained on.
    verbose : int, default=0
        1 prints a line per epoch.
    **skorch_parameters : dict
        Other parameters of `skorch.NeuralNetRegressor` (`criterion`, `callbacks`, `warm_start`,
        ...) and of its parts (`module__sigma`, `callbacks__print_log`, ...).

    Attributes
    ----------
    module_ : CoordinateMLP
        The fitted network; its buffers hold the shifts and scales.
    encoder_ : encoder
        The fitted encoder, as training left it; only where `encoder` is given.
    augmenter_ : augmenter
        The fitted augmenter; only where `augmenter` is given.
    history_ : skorch.history.History
        One record per epoch, with `train_loss` in standardised units.
    device_ : torch.device
        The device that the network is on.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X had string names.
    dates_ : tuple
        For each column None, or for dates what counts as day 0.

    See Also
    --------
    CoordinateMLP : The network.
    EncoderModule : The encoder inside it.

    Notes
    -----
    *Scaling.* One number scales all columns of the input, so that the mean square of all scaled
    inputs is 1. Columns that are constant in training are ignored. Where raw columns have
    different units, put a StandardScaler in front. The criterion and the losses in `history_`
    are those of targets with mean 0 and standard deviation 1; `predict` and scorers have the
    units of y.

    *Fits that learn nothing.* A `PoorFitWarning` is given where a first fit of a hundred batches or
    more ends no better than a constant on its own rows, or where `early_stopping` goes back to
    such an epoch.

    *Interruption and errors.* A fit that raises an error leaves the estimator unchanged. After
    Ctrl-C, a first fit, a `partial_fit` and a warm start keep the training so far, and
    KeyboardInterrupt is raised again.

    *Weights of rows.* The rows of a batch count in the criterion as their weights say, relative to
    the mean weight, and the scaling is that of the weighted rows. Rows of weight 0 are dropped
    first. Where one batch of at most 32 holds all rows, each as often as its whole weight says,
    the fit is that of the repeated rows to the last bit, in whatever order they come.

    *Seeds.* Fits with equal `random_state` give equal predictions, to the last bit on a CPU with
    a given number of threads. The global generators of PyTorch and NumPy are not used.

    The guide's page on the coordinate MLP has more on all this, and on memory.

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

    def __init__(
        self,
        encoder: Encoder = None,
        *,
        hidden_layer_sizes: Layers = "auto",
        activation: Activation = "relu",
        output_activation: Activation | None = None,
        augmenter: Augmenter = None,
        train_encoder: Trains = "auto",
        lr_schedule: Schedule = "auto",
        early_stopping: Count | None = None,
        checkpoint: Folder | None = None,
        mixed_precision: bool = False,
        log_stable_rank: bool = False,
        device: Device = "auto",
        random_state: Seed | None = None,
        module: Module = CoordinateMLP,
        optimizer: Optimizer = torch.optim.Adam,
        lr: Rate = "auto",
        max_epochs: Epochs = "auto",
        batch_size: Batch = "auto",
        iterator_train: Batches = TensorBatches,
        iterator_valid: Batches = TensorBatches,
        train_split: Split = None,
        verbose: int = 0,
        **skorch_parameters: Any,
    ) -> None:
        super().__init__(
            module,
            lr_schedule=lr_schedule,
            early_stopping=early_stopping,
            checkpoint=checkpoint,
            mixed_precision=mixed_precision,
            device=device,
            random_state=random_state,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            train_split=train_split,
            verbose=verbose,
            **skorch_parameters,
        )
        self.encoder = encoder
        self.augmenter = augmenter
        self.train_encoder = train_encoder
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.log_stable_rank = log_stable_rank
        self.output_activation = output_activation

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Fit the network, from new weights unless `warm_start` is set.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates or their encoding.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts: 0 is absent, 2 is twice. None: all rows count alike.
        groups : array-like of shape (n_samples,), default=None
            A label for each row, for `augmenter`, and for a `train_split` that takes groups.
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : CoordinateMLPRegressor

        Raises
        ------
        ValueError
            For NaN or infinity, for settings that are impossible, for targets that the output
            activation cannot reach, and for weights that are negative or all 0.
        TypeError
            For settings of the wrong type, and for `fit_params` without a `train_split`.
        FloatingPointError
            Where training diverges: the loss is not finite, or ends at a hundred times that of a
            constant.
        torch.cuda.OutOfMemoryError
            Where a batch does not fit into the memory of the device.
        """
        return super().fit(X, y, sample_weight, **with_groups(fit_params, groups))

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        classes: object = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Train for `max_epochs` more epochs, with the scaling learnt in the first call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates or their encoding.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        classes : ignored
            Present for the signature of skorch.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts: 0 is absent, 2 is twice. None: all rows count alike.
        groups : array-like of shape (n_samples,), default=None
            A label for each row, for `augmenter`, and for a `train_split` that takes groups.
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : CoordinateMLPRegressor

        Raises
        ------
        ValueError
            As in :meth:`fit`, and for targets of another shape than before.
        """
        return super().partial_fit(X, y, classes, sample_weight, **with_groups(fit_params, groups))

    @of_one_network
    def predict(self, X: ArrayLike, groups: ArrayLike | None = None) -> NDArray:
        """Predict in the units and the shape of the targets given to `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates or their encoding; moved to the device batch by batch.
        groups : array-like of shape (n_samples,), default=None
            A label for each row, for an `augmenter` that was fitted with groups.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
            Predictions, 1-d if the targets were. That of a row depends on this row alone, unless
            there are `groups`: then on the rows of its group.
        """
        outputs = self._outputs(X, groups)
        y = in_units_of_targets(self.module_, outputs)
        if not np.isfinite(y).all():
            self._raise_diverged("predictions are not finite")
        return y[:, 0] if self._target_ndim == 1 else y

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """The share of the variance that predictions explain, R squared.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        groups : array-like of shape (n_samples,), default=None
            As in :meth:`predict`.

        Returns
        -------
        float
            At most 1; the mean over several outputs.
        """
        predicted = self.predict(X) if groups is None else self.predict(X, groups)
        return r_squared(y, predicted, sample_weight)

    def _take(self, X: Any, y: Any, fresh: bool) -> tuple[NDArray, NDArray[np.float64]]:
        with missing_targets_explained(
            "fit KroneckerRidge(nan_is_hole=True), which leaves them out"
        ):
            checked, y = self._checked(X, y, reset=fresh, multi_output=True, y_numeric=True)
        y = np.asarray(y, dtype=np.float64)
        check_targets(y, self.output_activation)
        ndim, n_outputs = y.ndim, 1 if y.ndim == 1 else y.shape[1]
        if fresh:
            self._learn_rows(X, checked)
            self._target_ndim, self._n_outputs = ndim, n_outputs
        elif (ndim, n_outputs) != (self._target_ndim, self._n_outputs):
            before = "1-d" if self._target_ndim == 1 else f"of shape (n_samples, {self._n_outputs})"
            raise ValueError(f"y must be {before}, as before. Got shape {y.shape}.")
        return self._training_rows(checked, fresh), y

    def initialize_module(self) -> Self:
        """Build `module_`, with the width of the data seen by `fit`.

        Returns
        -------
        self : CoordinateMLPRegressor
        """
        super().initialize_module()
        if not hasattr(self, "n_features_in_"):
            self._target_ndim = 1 if self._n_outputs == 1 else 2
        return self

    def _scales_targets(self) -> bool:
        return self.output_activation is None

    def _epochs_for(self, rows: Any, targets: Any, batch_size: int, n_epochs: int) -> int:
        asked = isinstance(self.max_epochs, str) and self._own_training().n_steps is None
        held_out = self.early_stopping is not None or self.train_split is not None
        # without an encoder inside, a network is slow to learn any detail, or X is no place
        if self.encoder is None or self.augmenter is not None or held_out or not asked:
            return n_epochs
        if not is_noisy(rows, targets):
            return n_epochs
        return min(n_epochs, epochs_of("auto", len(rows), batch_size, NOISY))

    def _loss_of_constant(self, targets: Any, weight: Any) -> float | None:
        if not self._scales_targets() or type(self.criterion_) is not torch.nn.MSELoss:
            return None
        # scaled outputs have a variance of 1, but for those that do not vary
        return float((self.module_.target_scale != 0).double().mean())

    def get_loss(
        self, y_pred: Tensor, y_true: Tensor, X: Tensor | None = None, training: bool = False
    ) -> Tensor:
        """Criterion between the output and the standardised targets of one batch."""
        return self._smoothed(super().get_loss(y_pred, y_true, X, training), training)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
