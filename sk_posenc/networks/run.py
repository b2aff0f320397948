"""One run of training: its epochs, its progress, and what interrupted it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any


@dataclass
class Run:
    """The work and the progress of one call of `fit` or `partial_fit`.

    An estimator holds it only while it trains, and not in pickles. Callbacks find it as
    ``net._run``. Records of epochs are in the history of the estimator, which is passed to the
    methods.

    Parameters
    ----------
    n_epochs : int
        Epochs that the run is to train.
    epochs_before : int
        Records that the history holds of earlier runs.
    checkpoint_file : Path, default=None
        Where the state is saved after each epoch. None: nowhere.
    """

    n_epochs: int
    epochs_before: int
    checkpoint_file: Path | None = None
    # What a checkpoint holds, until it is taken up.
    saved: dict[str, Any] | None = field(default=None, init=False)
    # Weights of the rows, where they do not all count alike.
    weight: Any = field(default=None, init=False)
    # What the squared differences of neighbouring codes count in the loss.
    smoothness: float = field(default=0.0, init=False)
    # Batches of an epoch.
    n_batches: int = field(default=1, init=False)
    # Whether a checkpoint has been taken up that was saved at the end of the same run.
    is_finished: bool = field(default=False, init=False)
    # An exception during training, to be raised again once callbacks know of the end.
    interrupt: KeyboardInterrupt | None = field(default=None, init=False)
    # Rows and targets as they were given, where scikit-learn's callbacks are told of the run.
    rows: tuple[Any, Any] | None = field(default=None, init=False)
    # Records of the history when this process began to train; None before.
    _loop_from: int | None = field(default=None, init=False)

    def epochs_done(self, history: Any) -> int:
        """Epochs of the run that have begun, those of a checkpoint included."""
        return len(history) - self.epochs_before

    def epochs_left(self, history: Any) -> int:
        """Epochs that are still to be trained."""
        return 0 if self.is_finished else max(0, self.n_epochs - self.epochs_done(history))

    def begin_loop(self, history: Any) -> None:
        """Note that training begins now, after what a checkpoint holds."""
        self._loop_from = len(history)

    def has_trained(self, history: Any) -> bool:
        """Whether this process has got through a batch."""
        if self._loop_from is None:
            return False
        batches = chain.from_iterable(row["batches"] for row in history[self._loop_from :])
        return any("train_loss" in batch for batch in batches)

    def raise_interrupt(self) -> None:
        """Raise the exception that was held back."""
        if self.interrupt is not None:
            raise self.interrupt


def drop_unended_epoch(history: Any) -> None:
    """Remove the record of an epoch that lacks entries of the epoch before it."""
    *before, last = history[-2:]
    if not {"train_loss", *chain.from_iterable(before)} <= last.keys():
        history.pop()
