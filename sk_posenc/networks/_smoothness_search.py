"""The smoothness of learnt codes, chosen by short fits on held-out cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone

from sk_posenc.core.poor_fit import poor_fits_untold
from sk_posenc.networks._noise_test import LEAST_ROWS, is_noisy
from sk_posenc.networks.batches import as_tensor

# Rows of the short fits at most, rows a batch and batches of each.
_ROWS = 8192
_BATCH = 512
_STEPS = 128
# Batches where targets are noisy: codes need some time to learn the noise.
_NOISY_STEPS = 384
# Where the climb begins, its step, and the step that refines it.
_FIRST = 1.0
_STEP = 10.0
_FINE = math.sqrt(10.0)
# A larger number must lower the error by this share: short fits need less smoothness.
_WORTH = 0.98
# Beyond this no cells would differ.
_MOST = 1e5


def choose_smoothness(net: Any, encoder: Any, rows: NDArray, targets: NDArray, weight: Any) -> None:
    """Set `smoothness_` of a fitted encoder that leaves it to the network.

    Parameters
    ----------
    net : CoordinateNetwork
        Its settings are those of the short fits, but for their length.
    encoder : encoder
    rows, targets : ndarrays
        Checked rows and targets of the fit.
    weight : ndarray of shape (n,) or None
    """
    if getattr(encoder, "smoothness_", 0.0) is not None:
        return
    trial = encoder._trial(np.asarray(rows, dtype=np.float64), _ROWS)
    held_out = trial.held_out
    if not 0 < held_out.sum() < len(held_out):
        encoder.smoothness_ = _FIRST
        return
    is_clean = _is_clean(rows, targets)
    if trial.on_grid and is_clean:
        # each node has its sample; short fits on half the grid would smooth what aliases there
        encoder.smoothness_ = 0.0
        return
    own_targets = targets[trial.kept]
    own_weight = None if weight is None else weight[trial.kept][~held_out]

    n_steps = _STEPS if is_clean else _NOISY_STEPS

    def error_of(smoothness: float) -> float:
        short = _short(net, trial.encoder, smoothness, int((~held_out).sum()), n_steps)
        with poor_fits_untold():  # the fit that follows says it itself
            short.fit(trial.rows[~held_out], own_targets[~held_out], own_weight)
        return _loss(short, trial.rows[held_out], own_targets[held_out])

    chosen = climb(error_of)
    is_none = trial.on_grid and chosen == _FIRST  # each node has its sample
    encoder.smoothness_ = 0.0 if is_none else chosen


def _is_clean(rows: NDArray, targets: NDArray) -> bool:
    """Whether neighbours show that numbers have no noise; they do not tell of labels."""
    told = targets.dtype.kind == "f" and len(rows) >= LEAST_ROWS
    return told and not is_noisy(rows, targets)


def climb(error_of: Callable[[float], float]) -> float:
    """The number of least error, in steps of ten from 1 upwards, then in a finer step."""
    best, error = _FIRST, error_of(_FIRST)
    while best < _MOST:
        larger = error_of(best * _STEP)
        if larger >= _WORTH * error:
            break
        best, error = best * _STEP, larger
    if best == _FIRST:
        return best
    for finer in (best * _FINE, best / _FINE):
        found = error_of(finer)
        if found < error:
            return finer
    return best


def _short(net: Any, encoder: Any, smoothness: float, n_rows: int, n_steps: int) -> Any:
    """An estimator for one short fit."""
    size = min(_BATCH, n_rows)
    return clone(net).set_params(
        encoder=encoder.set_params(smoothness=smoothness),
        batch_size=size,
        max_epochs=math.ceil(n_steps / math.ceil(n_rows / size)),
        callbacks=None,
        checkpoint=None,
        early_stopping=None,
        train_split=None,
        verbose=0,
        **net._trial_settings(),
    )


@torch.no_grad()
def _loss(net: Any, rows: NDArray, targets: NDArray) -> float:
    """Mean loss of rows that were held out."""
    output = torch.cat(list(net.forward_iter(as_tensor(rows))))
    device = net.device_
    loss = net.get_loss(output.to(device), torch.as_tensor(targets, device=device), training=False)
    return float(loss)
