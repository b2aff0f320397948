"""Networks and batches that do not fit into memory are refused before they are made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch

from sk_posenc.core.memory import available_memory, check_bytes

_FLOAT = 4
# While Adam trains: weights, their gradients, its two moments, and two arrays in its steps.
_IN_TRAINING = 6


def check_layers(widths: Sequence[int]) -> None:
    """Raise for layers whose weights do not fit into the memory of the host."""
    check_bytes(_FLOAT * _weights(widths), _named(widths), available_memory(), _WAY_OUT)


def check_training(widths: Sequence[int], n_rows: int, device: torch.device) -> None:
    """Raise for layers that cannot be trained on a device in batches of so many rows."""
    available = memory_of(device)
    trained = _FLOAT * _IN_TRAINING * _weights(widths)
    check_bytes(trained, f"{_named(widths)}, with gradients and moments,", available, _WAY_OUT)
    # each hidden layer keeps what it gets and what its activation makes of it
    kept = n_rows * (widths[0] + 2 * sum(widths[1:-1]) + widths[-1])
    check_bytes(
        trained + _FLOAT * kept,
        f"{_named(widths)} on a batch of {n_rows:,} rows",
        available,
        f"lower batch_size, {_WAY_OUT.removeprefix('lower ')}",
    )


def memory_of(device: torch.device) -> int:
    """Bytes that are free on a device."""
    if device.type != "cuda":
        return available_memory()
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0] + held)


_WAY_OUT = "lower hidden_layer_sizes, or the columns of the encoder"


def _weights(widths: Sequence[int]) -> int:
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths))


def _named(widths: Sequence[int]) -> str:
    first, *hidden, last = widths
    shown = hidden if len(hidden) <= 8 else [*hidden[:8], "..."]
    return f"a network of {first} columns, hidden layers {shown} and {last} outputs"
