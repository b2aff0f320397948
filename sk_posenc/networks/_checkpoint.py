"""Checkpoints: the state of a run in a file, from which the same fit goes on."""

from __future__ import annotations

import io
import json
import os
import pickle
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import joblib
import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.history import History

from sk_posenc.networks._callbacks import stoppings_of, wants_to_stop

# What a file starts with; a checksum of the rest follows.
_HEAD = b"sk_posenc checkpoint 1\n"
_DIGITS = 64


def checkpoint_file(net: Any, n_epochs: int, *data: Any) -> Path | None:
    """The file of a fit in the folder `checkpoint`, None where nothing is to be saved."""
    if net.checkpoint is None:
        return None
    return Path(net.checkpoint) / f"{_mark(net, *data)}-{n_epochs}.pt"


def state_to_go_on_from(net: Any, file: Path | None) -> dict[str, Any] | None:
    """What a fit goes on from: its own file, or that of a fit of fewer epochs."""
    if file is None or file.exists():
        return None if file is None else _read(file)
    mark, planned = file.stem.rsplit("-", 1)
    shorter = {_epochs_of(each): each for each in file.parent.glob(f"{mark}-*.pt")}
    shorter = {n: each for n, each in shorter.items() if n < int(planned)}
    if not shorter:
        return None
    longest = shorter[max(shorter)]
    schedule = net._chosen("lr_schedule")
    if schedule != "constant":
        warnings.warn(
            f"Training starts anew: lr_schedule={schedule!r} depends on the planned epochs, "
            f"so that the fit of {max(shorter)} epochs in {str(longest)!r} does not go on. With "
            "lr_schedule='constant' it would.",
            UserWarning,
            stacklevel=2,
        )
        return None
    state = _read(longest)
    return state | {"finished": state["stopped"]}


def _epochs_of(file: Path) -> int:
    number = file.stem.rsplit("-", 1)[1]
    return int(number) if number.isdigit() else 0


def _mark(net: Any, *data: Any) -> str:
    """What a fit depends on: the estimator, settings, rows, versions."""
    told_only = ("checkpoint", "verbose", "callbacks", "device", "max_epochs")
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
        run = net._run
        state = None if run is None else run.saved
        if state is None:
            return
        run.saved = None
        try:
            net.module_.load_state_dict(state["module"])
            net.optimizer_.load_state_dict(state["optimizer"])
            net._generator.set_state(state["generator"].cpu())
            run.is_finished = state["finished"]
            for stopping in stoppings_of(net)[:1]:
                vars(stopping).update(state["stopping"] or {})
            net.history_ = History(json.loads(state["history"]))
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:
            raise ValueError(_foreign(run.checkpoint_file)) from error

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
            "stopped": finished and wants_to_stop(net),
        }
        _write(state, path)


def _read(path: Path) -> dict[str, Any]:
    """The state in a file, once its checksum is right."""
    content = path.read_bytes()
    if not content.startswith(_HEAD[: len(content)]):
        raise ValueError(_foreign(path))
    body = content[len(_HEAD) + _DIGITS :]
    told = content[len(_HEAD) : len(_HEAD) + _DIGITS]
    if sha256(body).hexdigest().encode() != told:
        raise ValueError(f"The checkpoint {str(path)!r} is damaged: delete it to start again.")
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # more than arrays and plain values
        raise ValueError(_foreign(path)) from error
    return state


def _foreign(path: Path) -> str:
    return (
        f"{str(path)!r} is no checkpoint of this fit, or one of another version: move or delete "
        "it, or set another folder as checkpoint."
    )


def _write(state: dict[str, Any], path: Path) -> None:
    """Write a file that is complete or not there at all."""
    body = io.BytesIO()
    torch.save(state, body)
    content = body.getvalue()
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(_HEAD + sha256(content).hexdigest().encode())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the checkpoint could not be written, and the one before is kept "
            f"({error.strerror}): make room, or set another folder as checkpoint",
            str(path),
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
