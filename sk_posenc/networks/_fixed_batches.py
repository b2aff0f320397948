"""Batches that are cut once, with what each pass over them would compute again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sk_posenc.encoders.base import CoordinateEncoder
from sk_posenc.networks._products import SparseProduct
from sk_posenc.networks.batches import TensorBatches


class FixedBatches:
    """Batches of the same rows in each pass, in a new random order.

    The inputs of a batch have the attribute ``product``, the weights of its rows in an encoding
    that is linear in an array of codes. An `EncoderModule` multiplies by it in place of encoding
    them.

    Parameters
    ----------
    batches : TensorBatches
        Batches with other rows in each pass.
    encoder : encoder
        A fitted one that is linear in an array.
    seed : int
        Decides which rows are in a batch.
    """

    def __init__(self, batches: TensorBatches, encoder: CoordinateEncoder, seed: int) -> None:
        self.batches, self.encoder, self.seed = batches, encoder, seed
        self._cut: list[tuple[Tensor, Tensor]] | None = None

    def __len__(self) -> int:
        """Number of batches in a pass."""
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Go through the rows once."""
        if self._cut is None:
            self._cut = list(self._cut_once())
        order = torch.arange(len(self._cut))
        if self.batches.shuffle:
            order = torch.randperm(len(self._cut), generator=self.batches.generator)
        for number in order.tolist():
            yield self._cut[number]

    def _cut_once(self) -> Iterator[tuple[Tensor, Tensor]]:
        batches = self.batches
        kept = torch.arange(batches.n_samples) if batches.rows is None else batches.rows
        if batches.shuffle:
            own = torch.Generator().manual_seed(self.seed)
            kept = kept[torch.randperm(batches.n_samples, generator=own)]
        name = self.encoder._linear_in()
        n_rows = len(self.encoder._formula[str(name)])
        for taken in kept.split(batches.batch_size):
            places = batches.X[taken].numpy().astype(np.float64)
            # neighbours one after the other find their codes in the cache
            near = self.encoder._rows_of_weights(places)[0].reshape(len(places), -1)[:, -1]
            taken = taken[torch.from_numpy(np.argsort(near, kind="stable"))]
            X = batches.X[taken]
            y = X.new_zeros(1) if batches.y is None else batches.y[taken]
            weight = batches.weight
            if weight is not None:
                y.sample_weight = weight[taken]  # type: ignore[attr-defined]
            places = X.numpy().astype(np.float64)
            X.product = SparseProduct(  # type: ignore[attr-defined]
                *self.encoder._rows_of_weights(places), n_rows
            )
            yield X, y


def product_of(X: Tensor) -> SparseProduct | None:
    """The weights that come with the rows of a fixed batch."""
    return getattr(X, "product", None)
