"""Fits of a part of the rows, by which a network chooses a setting of its own."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from sklearn.base import clone

from sk_posenc.networks.batches import as_tensor


def trial_of(net: Any, **settings: Any) -> Any:
    """An estimator with the settings of another one, but for those that a short fit has not."""
    return clone(net).set_params(
        callbacks=None,
        checkpoint=None,
        early_stopping=None,
        train_split=None,
        verbose=0,
        **net._trial_settings() | settings,
    )


@torch.no_grad()
def held_out_loss(net: Any, rows: NDArray, targets: NDArray) -> float:
    """Mean loss of rows that a fitted estimator has not seen."""
    output = torch.cat(list(net.forward_iter(as_tensor(rows))))
    device = net.device_
    loss = net.get_loss(output.to(device), torch.as_tensor(targets, device=device), training=False)
    return float(loss)
