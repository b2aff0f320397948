"""Checkpoints: the state of a run in a file, from which the same fit goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.history import History

from sk_posenc.networks._callbacks import stoppings_of


def checkpoint_file(net: Any, *data: Any) -> Path | None:
    """The file of a fit in the folder `checkpoint`, None where nothing is to be saved."""
    return None if net.checkpoint is None else Path(net.checkpoint) / f"{_mark(net, *data)}.pt"


def _mark(net: Any, *data: Any) -> str:
    """What a fit depends on: the estimator, settings, rows, versions."""
    told_only = ("checkpoint", "verbose", "callbacks", "device")
    settings = {k: v for k, v in net.get_params(deep=False).items() if k not in told_only}
    kind = f"{type(net).__module__}.{type(net).__qualname__}"
    versions = (torch.__version__, np.__version__)
    try:
        return str(joblib.hash((kind, settings, data, versions)))
    except Exception as error:
        raise ValueError(
            "checkpoint needs settings that can be pickled, as they name the file of a fit. "
            f"Got {settings!r}."
        ) from error


class Checkpoint(Callback):
    """Saves the state of a fit after each epoch, and takes up a fit that was saved."""

    _stopping_state = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Take up what was saved."""
        path = None if net._run is None else net._run.checkpoint_file
        if path is None or not path.exists():
            return
        try:
            state = torch.load(path, map_location=net.device_, weights_only=True)
            net.module_.load_state_dict(state["module"])
            net.optimizer_.load_state_dict(state["optimizer"])
            net._generator.set_state(state["generator"].cpu())
            net._run.is_finished = state["finished"]
            for stopping in stoppings_of(net)[:1]:
                vars(stopping).update(state["stopping"] or {})
            net.history_ = History(json.loads(state["history"]))
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:
            raise ValueError(
                f"The checkpoint {str(path)!r} is damaged: delete it to start again."
            ) from error

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Save the state."""
        self._save(net, finished=False)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Save the end, unless the fit was interrupted."""
        run = net._run
        if run is not None and run.interrupt is None and not run.is_finished:
            self._save(net, finished=True)

    def _save(self, net: Any, finished: bool) -> None:
        path = None if net._run is None else net._run.checkpoint_file
        if path is None:
            return
        told = None
        for stopping in stoppings_of(net)[:1]:
            told = {name: vars(stopping).get(name) for name in self._stopping_state}
            told["dynamic_threshold_"] = float(told["dynamic_threshold_"])
        state = {
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": json.dumps(list(net.history_), default=lambda value: value.item()),
            "generator": net._generator.get_state(),
            "stopping": told,
            "finished": finished,
        }
        _write(state, path)


def _write(state: dict[str, Any], path: Path) -> None:
    """Write a file that is complete or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        torch.save(state, unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
