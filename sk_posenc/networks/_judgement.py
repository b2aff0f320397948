"""What is said of a fit that has learnt nothing, or has diverged."""

from __future__ import annotations

import math
from typing import Any

from sk_posenc.core.poor_fit import tell

# Share of the variance, or of the entropy, that a fit explains at least.
_LEAST_LEARNT = 0.01
# A loss of so many times that of a constant is no fit at all.
_DIVERGED = 100.0
# Rows set aside are few: theirs must be as much lower to count.
_ENDS_WELL = 0.5
# A constant of so small a loss leaves nothing to learn, as of labels that are all but the same.
_NOTHING_LEFT = 0.01
# Batches from which on a network should have learnt something.
_ENOUGH = 100


def judge(net: Any, constant: float | None) -> None:
    """Warn where the run of a net ended no better than a constant; raise where it diverged.

    Parameters
    ----------
    net : TrainedInRuns
        At the end of a run.
    constant : float or None
        Loss of the best constant. None: not known, and nothing is judged.

    Raises
    ------
    FloatingPointError
        Where the loss is a hundred times that of a constant, or more.
    """
    rows = net.history[net._run.epochs_before :]
    if constant is None or constant < _NOTHING_LEFT or not rows:
        return
    last = rows[-1]
    if net.early_stopping is not None and "valid_loss" in last:
        last = min(rows, key=lambda row: row["valid_loss"])  # its weights are those that are kept
    loss, share = _training_loss(last), _training_loss(last) / constant
    if loss > _DIVERGED * max(1.0, constant):
        net._raise_diverged(f"the loss is {share:.3g} times that of a constant at the end")
    n_batches = sum("train_loss" in batch for row in rows for batch in row["batches"])
    # an epoch that ends far better than it begins has learnt, whatever its mean
    ends_well = float(last.get("valid_loss", math.inf)) < _ENDS_WELL * constant
    if share > 1 - _LEAST_LEARNT and n_batches >= _ENOUGH and not ends_well:
        tell(_no_better(net, 1 - share, len(rows)))


def _training_loss(row: Any) -> float:
    """Mean over the rows of an epoch; callbacks may have another name for it, or be disabled."""
    batches = [batch for batch in row["batches"] if "train_loss" in batch]
    sizes = [batch["train_batch_size"] for batch in batches]
    losses = [batch["train_loss"] for batch in batches]
    return math.fsum(n * loss for n, loss in zip(sizes, losses, strict=True)) / max(1, sum(sizes))


def _no_better(net: Any, explained: float, n_epochs: int) -> str:
    patience = net.early_stopping
    longer = "train longer" if patience is None else f"raise early_stopping (from {patience})"
    return (
        f"{type(net).__name__} is no better than a constant: after {n_epochs} epochs it explains "
        f"{max(explained, 0.0):.1%} of its own training rows. To learn a signal, change lr "
        f"({net._chosen('lr')}): lower it where the loss jumps, raise it where it hardly moves; "
        f"or {longer}, or give it an encoder that resolves the signal. Where y "
        "is noise, there is nothing to learn."
    )


def loss_of_shares(shares: Any) -> float:
    """Cross-entropy of the best constant, for classes of these shares of the rows."""
    return -sum(float(share) * math.log(share) for share in shares if share > 0)
