"""Coordinate networks as a skorch classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score
from skorch import NeuralNetClassifier
from skorch.utils import is_dataset
from torch import Tensor

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.checks import check_labels
from sk_posenc.networks._judgement import loss_of_shares
from sk_posenc.networks._labels import (
    check_class_weight,
    codes_of,
    sorted_classes,
    stratified_parts,
    weights_of_classes,
)
from sk_posenc.networks._views import with_groups
from sk_posenc.networks.batches import TensorBatches
from sk_posenc.networks.coordinate_network import CoordinateNetwork
from sk_posenc.networks.hints import (
    Activation,
    Augmenter,
    Batch,
    Batches,
    ClassWeight,
    Count,
    Criterion,
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
from sk_posenc.networks.training import HELD_OUT


class CoordinateMLPClassifier(CoordinateNetwork, NeuralNetClassifier):
    r"""Multilayer perceptron for categories over coordinates, as a skorch classifier.

    It predicts the land cover at a place of a map, the segment of a pixel, or whether a place in
    a volume is occupied. With the network :math:`f` of `CoordinateMLP`, the probability of class
    c is

    .. math:: p_c(x) = \frac{e^{f_c(x)}}{\sum_j e^{f_j(x)}},

    and training minimises the cross entropy by Adam on shuffled batches.

    Parameters
    ----------
    encoder : encoder of this package, default=None
        Encodes the coordinates inside the network; see `CoordinateMLPRegressor`. None: the
        first layer takes `X` as it is, encoded or not.
    hidden_layer_sizes : int, sequence of int or "auto", default="auto"
        Units of each hidden layer. "auto": as the encoder says, else (256, 256, 256, 256). An
        empty sequence gives multinomial logistic regression.
    activation : {"relu", "tanh", "gelu", "sine", "gaussian", "sigmoid"}, default="relu"
        Activation of the hidden layers; see `CoordinateMLPRegressor`.
    class_weight : dict, "balanced" or None, default=None
        What each row of a class counts, times its `sample_weight`. A dict from class to weight;
        a class that it does not name has weight 1. "balanced": all classes count alike.
    augmenter : PositionAugmenter or another with its methods, default=None
        Places coordinates ahead of the encoder; see `CoordinateMLPRegressor`.
    train_encoder : bool or "auto", default="auto"
        Whether training also changes the bandwidths, shifts or frequencies of `encoder`.
    lr_schedule : {"constant", "cosine", "linear", "warmup_cosine", "auto"}, default="auto"
        How the learning rate changes over the batches of a fit; see `CoordinateMLPRegressor`.
    early_stopping : int, default=None
        Number of epochs without a better validation loss after which training stops and goes
        back to the best weights. A tenth of the rows of each class is held out, unless
        `train_split` chooses them. None: train for `max_epochs`.
    checkpoint : str or path, default=None
        Folder in which `fit` saves its state after each epoch; see `CoordinateMLPRegressor`.
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
        The network, a class that derives from `CoordinateModule`.
    criterion : type, default=torch.nn.CrossEntropyLoss
        The loss, of the outputs of the network and the numbers of the classes.
    optimizer : type or "muon", default=torch.optim.Adam
        The optimiser; `optimizer__betas` and the like set its parameters. "muon": Muon for the
        matrices between the first and the last layer, Adam for all other parameters. It needs
        PyTorch 2.9; the guide's page on the coordinate MLP says where it gains.
    lr : float or "auto", default="auto"
        Learning rate, the highest of a schedule; see `CoordinateMLPRegressor`. With "muon" it is
        that of the matrices, "auto" is 0.05, and `optimizer__adam_lr` is that of all other
        parameters.
    max_epochs : int or "auto", default="auto"
        Passes over the rows in each `fit` or `partial_fit`; see `CoordinateMLPRegressor`. Whether
        labels are noisy is not asked: hold out rows by `early_stopping`.
    batch_size : int or "auto", default="auto"
        Rows per training batch, -1 for all; see `CoordinateMLPRegressor`.
    iterator_train, iterator_valid : type, default=TensorBatches
        Classes that make the batches; see `CoordinateMLPRegressor`.
    train_split : None or callable, default=None
        `skorch.dataset.ValidSplit` holds out rows and logs `valid_loss` and `valid_acc`. None:
        all rows are trained on.
    verbose : int, default=0
        1 prints a line per epoch.
    **skorch_parameters : dict
        Other parameters of `skorch.NeuralNetClassifier` (`callbacks`, `warm_start`, ...) and of
        its parts (`module__sigma`, `callbacks__print_log`, ...).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted. The columns of `predict_proba` are in this order.
    module_ : CoordinateMLP
        The fitted network.
    encoder_ : encoder
        The fitted encoder, as training left it; only where `encoder` is given.
    augmenter_ : augmenter
        The fitted augmenter; only where `augmenter` is given.
    history_ : skorch.history.History
        One record per epoch.
    device_ : torch.device
        The device that the network is on.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X had string names.

    See Also
    --------
    CoordinateMLPRegressor : The same network for values; its notes hold here too.
    CoordinateMLP : The network.

    Notes
    -----
    Rows of weight 0 are absent: a class whose rows all have weight 0 is not among `classes_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import CoordinateMLPClassifier
    >>> X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    >>> y = np.where(np.hypot(*X.T) < 0.7, "land", "sea")
    >>> model = CoordinateMLPClassifier(hidden_layer_sizes=(32, 32), lr=1e-2, random_state=0)
    >>> model.fit(X, y).predict([[0.0, 0.0], [0.9, 0.9]])
    array(['land', 'sea'], dtype='<U4')
    """

    _classes: NDArray

    def __init__(
        self,
        encoder: Encoder = None,
        *,
        hidden_layer_sizes: Layers = "auto",
        activation: Activation = "relu",
        class_weight: ClassWeight | None = None,
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
        criterion: Criterion = torch.nn.CrossEntropyLoss,
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
            criterion=criterion,
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
        self.class_weight = class_weight

    @property
    def classes_(self) -> NDArray:
        """The labels, sorted."""
        if "_classes" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no classes_ before it is fitted.")
        return self._classes

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
        y : array-like of shape (n_samples,)
            Labels: numbers, strings or booleans.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts: 0 is absent, 2 is twice. None: all rows count alike.
        groups : array-like of shape (n_samples,), default=None
            A label for each row, for `augmenter`, and for a `train_split` that takes groups.
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : CoordinateMLPClassifier

        Raises
        ------
        ValueError
            For NaN or infinity, for continuous targets, and for settings that are impossible.
        TypeError
            For settings of the wrong type, and for `fit_params` without a `train_split`.
        FloatingPointError
            Where training diverges.
        torch.cuda.OutOfMemoryError
            Where a batch does not fit into the memory of the device.
        """
        return super().fit(X, y, sample_weight, **with_groups(fit_params, groups))

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Train for `max_epochs` more epochs, with the scaling learnt in the first call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates or their encoding.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels, in the first call. None: those in `y`.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts: 0 is absent, 2 is twice. None: all rows count alike.
        groups : array-like of shape (n_samples,), default=None
            A label for each row, for `augmenter`, and for a `train_split` that takes groups.
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : CoordinateMLPClassifier

        Raises
        ------
        ValueError
            As in :meth:`fit`, and for labels that are not among the classes.
        """
        self._told_classes = classes
        try:
            return super().partial_fit(
                X, y, classes, sample_weight, **with_groups(fit_params, groups)
            )
        finally:
            self.__dict__.pop("_told_classes", None)

    @of_one_network
    def predict_proba(self, X: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.float64]:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates or their encoding; moved to the device batch by batch.
        groups : array-like of shape (n_samples,), default=None
            A label for each row, for an `augmenter` that was fitted with groups.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes), float64
            Rows sum to 1; columns are in the order of `classes_`.
        """
        probabilities = self._outputs(X, groups)
        if not np.isfinite(probabilities).all():
            self._raise_diverged("probabilities are not finite")
        return probabilities

    @of_one_network
    def predict(self, X: ArrayLike, groups: ArrayLike | None = None) -> NDArray:
        """Predict the class of the largest probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates or their encoding.
        groups : array-like of shape (n_samples,), default=None
            A label for each row, for an `augmenter` that was fitted with groups.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels.
        """
        given = {} if groups is None else {"groups": groups}
        codes = self.predict_proba(X, **given).argmax(axis=1)
        # skorch's scoring callbacks compare with the numbers in their dataset
        return codes if is_dataset(X) else self.classes_[codes]

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """The share of the rows whose class is predicted, the accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        groups : array-like of shape (n_samples,), default=None
            As in :meth:`predict`.

        Returns
        -------
        float
        """
        predicted = self.predict(X) if groups is None else self.predict(X, groups)
        check_labels(y)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _trial_settings(self) -> dict[str, Any]:
        # a part may lack classes; targets are their numbers, and weights hold `class_weight`
        own = {"classes": list(range(self._n_outputs)), "class_weight": None}
        return super()._trial_settings() | own

    def _get_predict_nonlinearity(self) -> Callable[[Tensor], Tensor]:
        """skorch's, in float64: probabilities then sum to 1."""
        nonlinearity = super()._get_predict_nonlinearity()
        return lambda output: nonlinearity(output.double())

    def _take(self, X: Any, y: Any, fresh: bool) -> tuple[NDArray, NDArray[np.int64]]:
        checked, y = self._checked(X, y, reset=fresh, labels=True)
        check_labels(y)
        told = self.__dict__.get("_told_classes")
        if fresh:
            given = self.classes if told is None else told
            classes = np.unique(y) if given is None else sorted_classes(given, "classes")
            codes = codes_of(y, classes)
            self._learn_rows(X, checked)
            self._classes, self._n_outputs = classes, len(classes)
            return self._training_rows(checked, fresh), codes
        if told is not None and not np.array_equal(np.unique(told), self.classes_):
            raise ValueError(
                f"classes must be those of the first call, {list(self.classes_)}. Got {told!r}."
            )
        return self._training_rows(checked), codes_of(y, self.classes_)

    def _weigh(self, targets: Any, weight: Any) -> Any:
        return weights_of_classes(self.class_weight, self.classes_, targets, weight)

    def _loss_of_constant(self, targets: Any, weight: Any) -> float | None:
        if type(self.criterion_) is not torch.nn.CrossEntropyLoss:
            return None
        counts = np.bincount(targets, weights=weight, minlength=len(self.classes_))
        return loss_of_shares(counts / counts.sum())

    def _check_settings(self) -> None:
        super()._check_settings()
        check_class_weight(self.class_weight)

    def _set_aside(self, dataset: Any, y: Any, seed: int) -> tuple[Any, Any]:
        return stratified_parts(dataset, to_numpy(y), HELD_OUT, seed)

    def initialize_module(self) -> Self:
        """Build `module_`, with the width of the data seen by `fit`.

        Returns
        -------
        self : CoordinateMLPClassifier
        """
        super().initialize_module()
        if not hasattr(self, "n_features_in_"):
            self._classes = np.arange(self._n_outputs)
        return self
