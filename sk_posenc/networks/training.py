"""Training of a skorch net in `fit` and `partial_fit`, as one run that succeeds or is undone."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from inspect import signature
from typing import Any, Self

import torch
from skorch import NeuralNet
from skorch.dataset import ValidSplit, get_len

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.state import Before
from sk_posenc.encoders.own_training import GENERAL, OwnTraining
from sk_posenc.networks._callbacks import (
    CallbackSupportMixin,
    EpochTasks,
    early_stopping,
    is_print_log,
    wants_to_stop,
    with_callbacks,
)
from sk_posenc.networks._checkpoint import Checkpoint, checkpoint_file, state_to_go_on_from
from sk_posenc.networks._judgement import judge
from sk_posenc.networks._schedules import Schedule
from sk_posenc.networks._weights import (
    in_one_batch,
    present,
    relative,
    rows_told_among_all,
    weighted_loss,
)
from sk_posenc.networks.batches import TensorBatches, tensors_of, weights_of
from sk_posenc.networks.meanwhile import Meanwhile
from sk_posenc.networks.run import Run, drop_unended_epoch
from sk_posenc.networks.settings import batch_size_of, chosen, epochs_of, overflows_named

# Share of the rows that early stopping sets aside where no `train_split` does.
HELD_OUT = 0.1


class TrainedInRuns(CallbackSupportMixin, NeuralNet):
    """A skorch net that trains in a `Run` for each call of `fit` or `partial_fit`.

    It has a schedule of the learning rate, early stopping and checkpoints, and tells
    scikit-learn's callbacks of epochs. Where a call fails, it is unchanged.
    """

    # What an estimator holds only while it trains: no pickle has it.
    _of_a_run: tuple[str, ...] = ("_run", "_meanwhile")
    _run: Run | None = None
    _meanwhile: Meanwhile
    train_split: Any

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Train from new weights, unless `warm_start` is set."""
        fresh = not (self.warm_start and self.initialized_)
        return self._train(X, y, sample_weight, fresh, fit_params, tell=True)

    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        classes: Any = None,
        sample_weight: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Train for `max_epochs` more epochs."""
        return self._train(X, y, sample_weight, not self.initialized_, fit_params)

    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        fresh: bool,
        fit_params: dict[str, Any],
        tell: bool = False,
    ) -> Self:
        refit = fresh and self.initialized_
        own_criterion = isinstance(self.criterion, torch.nn.Module)
        in_place = self._trained_in_place() if not fresh else [self.criterion] * own_criterion
        before, with_gradients = Before(self, in_place=in_place), torch.is_grad_enabled()
        try:
            self._meanwhile = Meanwhile(self, in_place=not fresh)
            self._meanwhile.begin()
            self._train_in_place(X, y, sample_weight, fresh, fit_params, tell)
        except BaseException as stopped:
            run = self._run
            has_trained = run is not None and run.has_trained(self.history)
            if isinstance(stopped, KeyboardInterrupt) and not refit and has_trained:
                drop_unended_epoch(self.history)
            else:
                before.put_back()
            raise
        finally:
            # Ctrl-C as a block of torch.no_grad() begins would leave it on
            torch.set_grad_enabled(with_gradients)
            for name in self._of_a_run:
                self.__dict__.pop(name, None)
        return self

    @with_callbacks
    def _train_in_place(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        fresh: bool,
        fit_params: dict[str, Any],
        tell: bool,
    ) -> None:
        self._check_settings()
        X, y, weight, fit_params = present(to_numpy(X), to_numpy(y), sample_weight, fit_params)
        fit_params = self._for_split(fit_params)
        with rows_told_among_all(sample_weight, weight):
            rows, targets = self._take(X, y, fresh)
        weight = self._weigh(targets, weight)
        size, n_epochs = self._batches_and_epochs(get_len(rows))
        if tell and fresh:
            n_epochs = self._epochs_for(rows, targets, size, n_epochs)
        self._check_memory(size)
        data = rows, targets, weight, *self._learnt_from()
        file = checkpoint_file(self, n_epochs, *data) if fresh else None
        saved = state_to_go_on_from(self, file)
        if fresh:
            self._choose(rows, targets, weight)
            self.initialize()
        self._run = run = Run(n_epochs, len(self.history), file)
        run.saved, run.weight = saved, weight
        rows, targets = tensors_of(rows), tensors_of(targets)
        if self.iterator_train is TensorBatches:
            rows, targets = rows.to(self.device_), targets.to(self.device_)
        with self._told_as_task(run, X, y, tell):
            self._loop_and_notify(run, rows, targets, fit_params, "fit" if tell else "partial_fit")
        run.raise_interrupt()
        if fresh:
            judge(self, self._loss_of_constant(data[1], weight))

    def _for_split(self, fit_params: dict[str, Any]) -> dict[str, Any]:
        """The parameters of a fit that `train_split` takes."""
        if fit_params and self.train_split is None:
            raise TypeError(
                "parameters of fit go to train_split, which is None: set a train_split that takes "
                f"them, or leave them out. Got {', '.join(fit_params)}."
            )
        return fit_params

    def _epochs_for(self, rows: Any, targets: Any, batch_size: int, n_epochs: int) -> int:
        """Epochs of a first fit, given its rows; `n_epochs` by their number alone."""
        return n_epochs

    def _choose(self, rows: Any, targets: Any, weight: Any) -> None:
        """Set what is chosen by trials on the rows, before the network is made."""

    def _weigh(self, targets: Any, weight: Any) -> Any:
        """What each row counts, given its target and the weight that it came with."""
        return weight

    def _loss_of_constant(self, targets: Any, weight: Any) -> float | None:
        """Loss of the best constant on the rows of a first fit; None where it is not known."""
        return None

    def _learnt_from(self) -> tuple[Any, ...]:
        """What a fit depends on besides settings, rows, targets and weights."""
        return ()

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """As skorch's, with the weights of the rows where it is that of a run."""
        dataset = super().get_dataset(X, y)
        weight = None if self._run is None or y is None else self._run.weight
        weight = None if weight is None else relative(weight)
        if weight is not None:
            dataset.sample_weight = weight.to(y.device)
        return dataset

    def _batches_and_epochs(self, n_rows: int) -> tuple[int, int]:
        """Rows of the largest training batch, and epochs of a run."""
        size = self.get_params_for("iterator_train").get("batch_size", self.batch_size)
        own = self._own_training()
        size = batch_size_of(size, n_rows, own)
        return min(size, n_rows), epochs_of(self.max_epochs, n_rows, size, own)

    def _own_training(self) -> OwnTraining:
        """What "auto" means in the settings of training."""
        return GENERAL

    def _chosen(self, name: str) -> Any:
        """A setting of training, with what "auto" means in its place."""
        return chosen(self, name, self._own_training())

    def _loop_and_notify(
        self, run: Run, X: Any, y: Any, fit_params: dict[str, Any], method: str
    ) -> None:
        """skorch's `partial_fit`, which takes each KeyboardInterrupt for an early stop."""
        if "_routing_method" in signature(NeuralNet.fit_loop).parameters:
            fit_params = fit_params | {"_routing_method": method}
        self.notify("on_train_begin", X=X, y=y)
        try:
            self.fit_loop(X, y, **fit_params)
        except KeyboardInterrupt as interrupt:
            if not run.has_trained(self.history):
                raise
            if not wants_to_stop(self):
                run.interrupt = interrupt
        self.notify("on_train_end", X=X, y=y)

    @contextmanager
    def _told_as_task(self, run: Run, X: Any, y: Any, tell: bool) -> Iterator[None]:
        """Tell scikit-learn's callbacks of the fit, and let the epochs be told too."""
        if not tell or not hasattr(self, "_init_callback_context"):
            yield
            return
        context = self._init_callback_context(max_subtasks=run.n_epochs)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        run.rows = X, y
        try:
            yield
        finally:
            run.rows = None
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=lambda: {})

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any) -> Self:
        """Train for `epochs`, by default what `max_epochs` leaves to do; see skorch."""
        if self._run is not None:
            return self._loop(self._run, X, y, epochs, fit_params)
        # called by itself, it is a run
        n_epochs = self._batches_and_epochs(get_len(X))[1] if epochs is None else epochs
        self._run = Run(n_epochs, len(self.history))
        try:
            return self._loop(self._run, X, y, epochs, fit_params)
        finally:
            self.__dict__.pop("_run", None)

    def _loop(
        self, run: Run, X: Any, y: Any, epochs: int | None, fit_params: dict[str, Any]
    ) -> Self:
        epochs = run.epochs_left(self.history) if epochs is None else epochs
        run.begin_loop(self.history)
        with self._memory_explained("training"), overflows_named(self):
            return super().fit_loop(X, y, epochs=epochs, **fit_params)

    def _yield_callbacks(self) -> Iterator[tuple[str, Any, bool]]:
        given = list(super()._yield_callbacks())
        printing = [each for each in given if is_print_log(each[1])]
        yield "epoch_tasks", EpochTasks(), True
        yield from (each for each in given if each not in printing)
        # these come last, and see all that the others have recorded of an epoch
        schedule = self._chosen("lr_schedule")
        if schedule != "constant":
            yield "lr_schedule", Schedule(schedule), True
        if self.early_stopping is not None:
            yield "early_stopping", early_stopping(self.early_stopping), True
        yield "checkpoint", Checkpoint(), True
        yield from printing

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> tuple[Any, Any]:
        """Split as `train_split` says, or as early stopping needs where there is none.

        Returns
        -------
        dataset_train, dataset_valid : Dataset, and Dataset or None
        """
        if self.early_stopping is None or self.train_split is not None:
            with self._splitting(X):
                try:
                    train, valid = super().get_split_datasets(X, y, **fit_params)
                except TypeError as error:
                    if "train_split" in str(error):
                        raise
                    raise TypeError(
                        "train_split must be None, or take a dataset and y and return two parts, "
                        f"as skorch's ValidSplit does: {error}. Got {self.train_split!r}."
                    ) from error
        else:
            # the seed, not a draw: the rows set aside stay the same in later calls
            seed = self._generator.initial_seed() % 2**32
            train, valid = self._set_aside(self.get_dataset(X, y), y, seed)
        return self._counted(train, valid), valid

    @contextmanager
    def _splitting(self, X: Any) -> Iterator[None]:
        """Let a splitter in `train_split` see the rows: skorch tells it their numbers alone."""
        given: Any = self.train_split
        if isinstance(given, ValidSplit) and hasattr(given.cv, "split"):
            self.train_split = copy.copy(given)
            self.train_split.cv = _OnRows(given.cv, to_numpy(X))
        try:
            yield
        finally:
            self.train_split = given

    def _counted(self, train: Any, valid: Any) -> Any:
        """Training rows as often as their weights say where one batch holds them all."""
        weight = None if self._run is None else self._run.weight
        if weight is not None:
            for each in [self.iterator_train, self.iterator_valid][: 1 if valid is None else 2]:
                if not (isinstance(each, type) and issubclass(each, TensorBatches)):
                    raise TypeError(
                        "sample_weight needs batches that carry the weights: leave iterator_train "
                        f"and iterator_valid as they are, TensorBatches. Got {each!r}."
                    )
        size = self.get_params_for("iterator_train").get("batch_size", self.batch_size)
        repeated = in_one_batch(train, weight, size)
        return train if repeated is None else repeated

    def _set_aside(self, dataset: Any, y: Any, seed: int) -> tuple[Any, Any]:
        split: tuple[Any, Any] = ValidSplit(HELD_OUT, random_state=seed)(dataset)
        return split

    def get_loss(self, y_pred: Any, y_true: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Criterion of one batch, whose rows count as their weights say; see skorch."""
        compute = partial(super().get_loss, y_pred, y_true, *args, **kwargs)
        return weighted_loss(self.criterion_, weights_of(y_true), compute)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Stop with an error where training has diverged."""
        super().on_epoch_end(net, **kwargs)
        losses = (batch.get("train_loss", 0.0) for batch in self.history[-1]["batches"])
        if not all(map(math.isfinite, losses)):
            self._raise_diverged(f"the training loss of epoch {len(self.history)} is not finite")

    def _raise_diverged(self, what: str) -> None:
        raise DivergedError(
            f"Training has diverged: {what}. Lower the learning rate (lr={self._chosen('lr')}), or "
            "clip gradients with skorch.callbacks.GradientNormClipping."
        )


class DivergedError(FloatingPointError, ValueError):
    """Training that diverged: numbers overflow, and a setting or the targets are the reason."""


class _OnRows:
    """A splitter of rows that it already has."""

    def __init__(self, cv: Any, rows: Any) -> None:
        self._cv, self._rows = cv, rows

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        return self._cv.split(self._rows, y, groups)

    def get_n_splits(self, *args: Any) -> int:
        return int(self._cv.get_n_splits(self._rows, *args[1:]))
