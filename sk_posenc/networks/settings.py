"""The values of settings of a network and of its training, given the rows and the machine."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from typing import Any

import torch
from skorch.callbacks import Callback

from sk_posenc.core.settings import (
    is_auto,
    parse_choice,
    parse_flag,
    parse_integer,
    parse_number,
    random_state_of,
)
from sk_posenc.encoders.own_training import PLAIN, OwnTraining
from sk_posenc.networks._muon import MUON_LR, check_muon, check_options, is_muon
from sk_posenc.networks._schedules import SCHEDULES


def resolve_device(device: object) -> torch.device:
    """The device that a setting means here."""
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not isinstance(device, (str, torch.device)):
        raise TypeError(f"device must be 'auto', a device name or a torch.device. Got {device!r}.")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            "device must be 'auto' or a device that PyTorch knows, such as 'cpu', 'cuda' or "
            f"'cuda:1'. Got {device!r}."
        ) from error
    if resolved.type not in ("cuda", "cpu"):
        _check_computes(resolved)
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={str(device)!r} was requested, but PyTorch finds "
            f"{torch.cuda.device_count()} CUDA devices: device='auto' uses what is available."
        )
    return resolved


def _check_computes(device: torch.device) -> None:
    """Raise for a device that PyTorch knows of, but cannot compute on here: "mps", "meta"."""
    try:
        float(torch.zeros(1, device=device).sum())
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        raise ValueError(
            "device must be 'auto' or one that PyTorch can compute on here. "
            f"Got {str(device)!r}: {error}"
        ) from error


def batch_size_of(size: object, n_samples: int, own: OwnTraining = PLAIN) -> int:
    """Rows a batch."""
    otherwise = ", 'auto', or -1 for all rows"
    if is_auto(size, "batch_size", f"a whole number{otherwise}"):
        return min(max(n_samples // 16, 32), own.batch_size or 1024)
    if isinstance(size, Integral) and size == -1:
        return n_samples
    return parse_integer(size, "batch_size", otherwise=otherwise)


def epochs_of(max_epochs: object, n_samples: int, batch_size: int, own: OwnTraining = PLAIN) -> int:
    """Passes over the rows."""
    if is_auto(max_epochs, "max_epochs", "a whole number or 'auto'"):
        n_batches = math.ceil(n_samples / batch_size)
        if own.n_steps is not None:
            return math.ceil(own.n_steps / n_batches)
        enough = max(math.ceil(own.enough_batches / n_batches), own.enough_epochs)
        return max(own.least_epochs, min(enough, math.ceil(own.most_rows / n_samples)))
    return parse_integer(max_epochs, "max_epochs", at_least=0, otherwise=" or 'auto'")


def chosen(net: Any, name: str, own: OwnTraining = PLAIN) -> Any:
    """A setting of training that "auto" leaves to the encoder."""
    value = getattr(net, name)
    if name == "lr" and is_muon(net.optimizer) and isinstance(value, str):
        return MUON_LR
    return getattr(own, name) if isinstance(value, str) and value == "auto" else value


def check_training_settings(net: Any) -> None:
    """Raise for impossible settings of a SkorchEstimator."""
    _check_class(net, "module", "sk_posenc.CoordinateMLP")
    _check_class(net, "criterion", "torch.nn.MSELoss")
    check_optimizer(net)
    parse_choice("auto", *SCHEDULES)(net.lr_schedule, "lr_schedule")
    if net.early_stopping is not None:
        counted = " (epochs without a better validation loss), or None"
        parse_integer(net.early_stopping, "early_stopping", otherwise=counted)
    if net.checkpoint is not None and not isinstance(net.checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint must be None or a folder. Got {net.checkpoint!r}.")
    if net.checkpoint is not None and os.path.isfile(net.checkpoint):
        raise ValueError(f"checkpoint must be a folder, not a file. Got {net.checkpoint!r}.")
    parse_flag(net.mixed_precision, "mixed_precision")
    parse_flag(net.warm_start, "warm_start")
    _check_parts(net)


def _check_parts(net: Any) -> None:
    """Raise for parts of skorch that could not be called, before it calls them."""
    for name in ("iterator_train", "iterator_valid"):
        _check_class(net, name, "torch.utils.data.DataLoader")
    if net.train_split is not None and not callable(net.train_split):
        raise TypeError(
            "train_split must be None or a callable, such as skorch.dataset.ValidSplit(0.2). "
            f"Got {net.train_split!r}."
        )
    random_state_of(net.random_state)
    _check_callbacks(net.callbacks)


def _check_callbacks(callbacks: Any) -> None:
    if callbacks is None or (isinstance(callbacks, str) and callbacks == "disable"):
        return
    is_list = isinstance(callbacks, Iterable) and not isinstance(callbacks, str | Mapping)
    for each in callbacks if is_list else [None]:
        own = each[1] if isinstance(each, tuple) and len(each) == 2 else each
        hears = issubclass(own, Callback) if isinstance(own, type) else isinstance(own, Callback)
        if not hears:
            raise TypeError(
                "callbacks must be a list of callbacks of skorch, or of pairs of a name and a "
                f"callback; None; or 'disable'. Got {callbacks!r}."
            )


def check_optimizer(net: Any) -> None:
    """Raise for an impossible optimiser or learning rate."""
    if is_muon(net.optimizer):
        check_muon()
        check_options(net.get_params_for("optimizer"))
    else:
        _check_class(net, "optimizer", 'torch.optim.Adam, or "muon"')
    if not (isinstance(net.lr, str) and net.lr == "auto"):
        parse_number(net.lr, "lr", at_least=0, otherwise=' or "auto"')


@contextlib.contextmanager
def options_named(net: Any, part: str) -> Iterator[None]:
    """Name the options of a part of skorch, ``optimizer__betas`` and others, that it refuses."""
    try:
        yield
    except (TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        given = {f"{part}__{name}": value for name, value in net.get_params_for(part).items()}
        if not given or f"{part}__" in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{', '.join(given)} must be what {getattr(net, part)!r} takes: {error}. Got {given!r}."
        ) from error


@contextlib.contextmanager
def overflows_named(net: Any) -> Iterator[None]:
    """Name the settings of an optimiser where one of its numbers is beyond those of a tensor."""
    try:
        yield
    except RuntimeError as error:
        if "without overflow" not in str(error):
            raise
        options = net.get_params_for("optimizer")
        given = {"lr": net.lr} | {f"optimizer__{name}": each for name, each in options.items()}
        raise ValueError(
            f"{', '.join(given)} must be such that steps are within float32: lower them "
            f"({error}). Got {given!r}."
        ) from error


def _check_class(net: Any, name: str, example: str) -> None:
    if not callable(getattr(net, name)):
        raise TypeError(
            f"{name} must be a class, such as {example}, not its name. Got {getattr(net, name)!r}."
        )
