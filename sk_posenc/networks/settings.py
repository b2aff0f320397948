"""What the settings of a coordinate network come to, given the rows and the machine."""

from __future__ import annotations

import math
import os
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sk_posenc.encoders.base import check_encoder
from sk_posenc.networks._callbacks import SCHEDULES

# A column that varies by less than this share of its size varies by rounding only.
_ROUNDING = 8 * float(np.finfo(np.float32).eps)


def resolve_device(device: object) -> torch.device:
    """The device that a setting means here."""
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


def batch_size_of(size: object, n_samples: int) -> int:
    """Rows a batch."""
    if isinstance(size, str) and size == "auto":
        return min(max(n_samples // 16, 32), 1024)
    if isinstance(size, bool) or not isinstance(size, Integral) or (size < 1 and size != -1):
        raise ValueError(
            f"batch_size must be 'auto', a positive integer, or -1 for all rows. Got {size!r} "
            "instead."
        )
    return n_samples if size == -1 else int(size)


def epochs_of(max_epochs: object, n_samples: int, batch_size: int) -> int:
    """Passes over the rows."""
    if isinstance(max_epochs, str) and max_epochs == "auto":
        n_batches = math.ceil(n_samples / batch_size)
        return max(20, min(math.ceil(1000 / n_batches), math.ceil(2**20 / n_samples)))
    if isinstance(max_epochs, bool) or not isinstance(max_epochs, Integral) or max_epochs < 0:
        raise ValueError(
            f"max_epochs must be 'auto' or a non-negative integer. Got {max_epochs!r} instead."
        )
    return int(max_epochs)


def learn_scaling(batches: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
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


def check_settings(net: Any) -> None:
    """Raise for settings of a CoordinateMLPRegressor that no fit could follow."""
    if net.encoder is not None:
        check_encoder(net.encoder, "an encoder of sk_posenc or None")
    _check_class(net, "module", "sk_posenc.CoordinateMLP")
    _check_class(net, "criterion", "torch.nn.MSELoss")
    check_optimizer(net)
    if net.lr_schedule not in SCHEDULES:
        raise ValueError(
            f"lr_schedule must be one of {list(SCHEDULES)}; pass other schedules as "
            f"callbacks=[skorch.callbacks.LRScheduler(...)]. Got {net.lr_schedule!r} instead."
        )
    patience = net.early_stopping
    if patience is not None and (
        isinstance(patience, bool) or not isinstance(patience, Integral) or patience < 1
    ):
        raise ValueError(
            "early_stopping must be None or a positive number of epochs without a better "
            f"validation loss. Got {patience!r} instead."
        )
    if net.checkpoint is not None and not isinstance(net.checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint must be None or a folder. Got {net.checkpoint!r} instead.")
    is_auto = isinstance(net.train_encoder, str) and net.train_encoder == "auto"
    if not is_auto and not isinstance(net.train_encoder, bool | np.bool_):
        raise ValueError(
            f"train_encoder must be 'auto', True or False. Got {net.train_encoder!r} instead."
        )
    if net.train_encoder is True and net.encoder is None:
        raise ValueError("train_encoder=True needs an encoder: give one, or leave it at 'auto'.")
    if not isinstance(net.mixed_precision, bool | np.bool_):
        raise ValueError(
            f"mixed_precision must be True or False. Got {net.mixed_precision!r} instead."
        )


def check_optimizer(net: Any) -> None:
    """Raise for an optimiser or a learning rate that no training could follow."""
    _check_class(net, "optimizer", "torch.optim.Adam")
    if (
        isinstance(net.lr, bool)
        or not isinstance(net.lr, Real)
        or not 0 <= float(net.lr) < math.inf
    ):
        raise ValueError(f"lr must be a finite number of at least 0. Got {net.lr!r} instead.")


def _check_class(net: Any, name: str, example: str) -> None:
    if not callable(getattr(net, name)):
        raise TypeError(
            f"{name} must be a class, such as {example}, not its name. "
            f"Got {getattr(net, name)!r} instead."
        )
