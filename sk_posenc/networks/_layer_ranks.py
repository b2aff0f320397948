"""Stable ranks of the layers of a network, in the record of each epoch."""

from __future__ import annotations

import math
from typing import Any

from skorch.callbacks import Callback
from torch import nn

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.stable_rank import stable_rank
from sk_posenc.networks._callbacks import is_print_log
from sk_posenc.networks.linear_layers import linears_in

# Entries of a record: before the epoch, and after it.
BEFORE, AFTER = "stable_rank_before", "stable_rank"


class LayerRanks(Callback):
    """Records what the weights of linear layers are before and after each epoch."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Refuse a network without linear layers, and keep lists out of printed lines."""
        if not linears_in(net.module_):
            raise ValueError(
                "log_stable_rank=True needs a module with layers of torch.nn.Linear outside its "
                f"encoder: set log_stable_rank=False. Got {type(net.module_).__name__}."
            )
        for _, each in net.callbacks_:
            if is_print_log(each):
                each.keys_ignored_ |= {BEFORE, AFTER}
        self.ranks_: list[float] | None = None

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Record the ranks that the epoch starts from."""
        if self.ranks_ is None:
            self.ranks_ = layer_ranks(net.module_)
        net.history.record(BEFORE, self.ranks_)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Record the ranks that it led to."""
        self.ranks_ = layer_ranks(net.module_)
        net.history.record(AFTER, self.ranks_)


def layer_ranks(module: nn.Module) -> list[float]:
    """Stable rank of the weights of each linear layer; NaN where they are all 0, or not finite."""
    return [_rank(to_numpy(layer.weight.detach())) for layer in linears_in(module)]


def _rank(weights: Any) -> float:
    largest = abs(weights).max()
    return stable_rank(weights) if 0 < largest < math.inf else math.nan
