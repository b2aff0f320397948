"""What is said of a fit that has learnt nothing, or has diverged."""

from __future__ import annotations

import math
from typing import Any

from sk_posenc.core.poor_fit import tell

# Share of the variance, or of the entropy, that a fit explains at least.
_LEAST_LEARNT = 0.01
# A loss of so many times that of a constant is no fit at all.
_DIVERGED = 100.0
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
    if net.early_stopping is not None and "valid_loss" in rows[-1]:
        # the weights are those of the best epoch
        loss, of = min(row["valid_loss"] for row in rows), "rows that were set aside"
    else:
        loss, of = rows[-1]["train_loss"], "its own training rows"
    share = float(loss) / constant
    if float(loss) > _DIVERGED * max(1.0, constant):
        net._raise_diverged(f"the loss is {share:.3g} times that of a constant at the end")
    n_batches = sum("train_loss" in batch for row in rows for batch in row["batches"])
    if share > 1 - _LEAST_LEARNT and n_batches >= _ENOUGH:
        tell(_no_better(net, 1 - share, of, len(rows)))


def _no_better(net: Any, explained: float, of: str, n_epochs: int) -> str:
    patience = net.early_stopping
    longer = "train longer" if patience is None else f"raise early_stopping (from {patience})"
    return (
        f"{type(net).__name__} is no better than a constant: after {n_epochs} epochs it explains "
        f"{max(explained, 0.0):.1%} of {of}. To learn a signal, lower lr ({net._chosen('lr')}), "
        f"{longer}, or give it an encoder that resolves the signal. Where y is noise, there is "
        "nothing to learn."
    )


def loss_of_shares(shares: Any) -> float:
    """Cross-entropy of the best constant, for classes of these shares of the rows."""
    return -sum(float(share) * math.log(share) for share in shares if share > 0)
