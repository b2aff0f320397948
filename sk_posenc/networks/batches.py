"""Tensors that share the memory of arrays, and batches of them in a reproducible order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Subset

from sk_posenc.core.settings import random_state_of


class TensorBatches:
    """Batches cut from tensors that stay where they are, without a copy of the whole.

    A DataLoader fetches a batch row by row; this class takes it in one `index_select`, or as a
    view where rows are neither shuffled nor a subset. The next batch overwrites the inputs of a
    batch: a callback that keeps them must copy them.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset of tensors, or torch.utils.data.Subset of one
        Its `X` of shape (n, n_features) and `y` of shape (n,), (n, n_outputs) or None.
    batch_size : int, default=128
        Rows a batch; the last one may hold fewer.
    shuffle : bool, default=False
        Whether each pass goes through the rows in a new random order.
    generator : torch.Generator, default=None
        Draws the orders; None takes a generator with a fresh seed.

    Examples
    --------
    >>> import torch
    >>> from skorch.dataset import Dataset
    >>> from sk_posenc.networks.batches import TensorBatches
    >>> batches = TensorBatches(Dataset(torch.zeros(10, 2), torch.zeros(10)), batch_size=4)
    >>> [len(X) for X, y in batches]
    [4, 4, 2]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 128,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        dataset, rows = subset_of(dataset)
        X, y = getattr(dataset, "X", None), getattr(dataset, "y", None)
        if not isinstance(X, Tensor) or not isinstance(y, Tensor | None):
            raise TypeError(
                "TensorBatches needs a skorch Dataset of tensors; for other datasets pass "
                "iterator_train and iterator_valid = torch.utils.data.DataLoader. "
                f"Got {type(dataset).__name__}."
            )
        self.X, self.y, self.rows = X, y, rows
        self.weight = weights_of(dataset)
        self.n_samples = len(X) if rows is None else len(rows)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator_of(generator) if shuffle else None

    def __len__(self) -> int:
        """Number of batches in a pass."""
        return -(-self.n_samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Go through the rows once."""
        rows = self.rows
        if self.shuffle:
            order = torch.randperm(self.n_samples, generator=self.generator)
            rows = order if rows is None else rows[order]
        if rows is not None:
            rows = rows.to(self.X.device)
            # one buffer for all batches: fresh memory for each costs as much as the copy itself
            buffer = self.X.new_empty((min(self.batch_size, self.n_samples), *self.X.shape[1:]))
        for start in range(0, self.n_samples, self.batch_size):
            batch = slice(start, start + self.batch_size)
            # what skorch's Dataset gives where there is no target
            no_target = self.X.new_zeros(1)
            taken: Any = batch if rows is None else rows[batch]
            y: Any = no_target if self.y is None else self.y[taken]
            if self.weight is not None:
                y.sample_weight = self.weight[taken]
            if rows is None:
                yield self.X[batch], y
            else:
                yield torch.index_select(self.X, 0, taken, out=buffer[: len(taken)]), y


def as_tensor(array: NDArray) -> Tensor:
    """Share memory with `array`, also where it is read-only (torch would warn; we never write).

    A copy where torch cannot: of rows in reverse, and of bytes in another order.
    """
    if any(stride < 0 for stride in array.strides) or not array.dtype.isnative:
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    if array.flags.writeable:
        return torch.from_numpy(array)
    writeable = _Memory()
    writeable.owner = array
    writeable.__array_interface__ = {
        **array.__array_interface__,
        "data": (array.__array_interface__["data"][0], False),
    }
    return torch.from_numpy(np.asarray(writeable))


class _Memory:
    """An array interface, and the array whose memory it describes."""

    owner: NDArray
    __array_interface__: dict[str, Any]


def weights_of(y: Any) -> Tensor | None:
    """The weights of the rows of a dataset or of targets; None where all count alike."""
    return getattr(y, "sample_weight", None)


def subset_of(dataset: Any) -> tuple[Any, Tensor | None]:
    """The whole dataset that one is a part of, and its rows there; None for all."""
    rows = None
    while isinstance(dataset, Subset):
        kept = torch.as_tensor(np.asarray(dataset.indices), dtype=torch.int64)
        rows = kept if rows is None else kept[rows]
        dataset = dataset.dataset
    return dataset, rows


def tensors_of(values: Any) -> Any:
    """Arrays as tensors that share their memory; anything else as it is."""
    return as_tensor(values) if isinstance(values, np.ndarray) else values


def generator_of(generator: Any) -> torch.Generator:
    """A generator that was given, or a fresh one for None."""
    if generator is None:
        return fresh_generator()
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator or None. Got {generator!r}.")
    return generator


def fresh_generator() -> torch.Generator:
    generator = torch.Generator()
    generator.seed()
    return generator


def seeded_generator(random_state: int | np.random.RandomState | None) -> torch.Generator:
    if random_state is None:
        # random_state_of(None) would draw from numpy's global generator
        return fresh_generator()
    seed = random_state_of(random_state).randint(np.iinfo(np.int32).max)
    return torch.Generator().manual_seed(int(seed))
