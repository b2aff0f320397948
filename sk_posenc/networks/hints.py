"""Types of the settings of networks, with their bounds: what tools that make values read.

Hypothesis builds estimators from them (``strategies.from_type``) where annotated-types is
installed. Static type checkers see the plain types.
"""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import numpy as np
import torch

from sk_posenc.networks.batches import TensorBatches
from sk_posenc.networks.coordinate_module import CoordinateModule
from sk_posenc.networks.mlp import CoordinateMLP

try:
    from annotated_types import Ge, Lt, MaxLen
except ImportError:  # bounds are then notes for readers

    class _Bound:
        """Notes a bound."""

        def __init__(self, value: float) -> None:
            self.value = value

        def __repr__(self) -> str:
            return f"{type(self).__name__}({self.value!r})"

    class Ge(_Bound):  # type: ignore[no-redef]
        """At least."""

    class Lt(_Bound):  # type: ignore[no-redef]
        """Less than."""

    class MaxLen(_Bound):  # type: ignore[no-redef]
        """At most so many entries."""


Count = Annotated[int, Ge(1), Lt(2**31)]
# Weights of larger layers fill the memory of a laptop.
Units = Annotated[int, Ge(1), Lt(2**13)]
Layers = Units | Annotated[Sequence[Units], MaxLen(8)] | Literal["auto"]
Activation = Literal["relu", "tanh", "gelu", "sine", "gaussian", "sigmoid"]
Schedule = Literal["constant", "cosine", "linear", "warmup_cosine", "auto"]
Rate = Annotated[float, Ge(0), Lt(math.inf)] | Literal["auto"]
Batch = Count | Literal[-1, "auto"]
Epochs = Annotated[int, Ge(0), Lt(2**31)] | Literal["auto"]

if TYPE_CHECKING:
    Device = str | torch.device
    Folder = str | os.PathLike[str]
    Seed = int | np.random.RandomState
    Module = type[CoordinateModule]
    Criterion = type[torch.nn.Module]
    Optimizer = type[torch.optim.Optimizer] | Literal["muon"]
    ClassWeight = dict[Any, float] | str
    Augmenter: TypeAlias = Any
    Encoder: TypeAlias = Any
    Batches: TypeAlias = Any
    Split: TypeAlias = Any
    Trains = bool | Literal["auto"]
else:
    # a few of all that is possible: what a tool can make by itself
    Device = Literal["auto", "cpu"]
    Seed = Annotated[int, Ge(0), Lt(2**32)]
    Module = Literal[CoordinateMLP]
    Criterion = Literal[torch.nn.CrossEntropyLoss]
    Optimizer = Literal[torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD]
    ClassWeight = Literal["balanced"]
    Batches = Literal[TensorBatches]
    Trains = Literal["auto", False]
    Augmenter = Encoder = Split = Folder = type(None)
