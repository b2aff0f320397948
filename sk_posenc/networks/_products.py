"""Encodings that are linear in an array, as products of sparse matrices with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from sk_posenc.encoders.base import CoordinateEncoder
from sk_posenc.encoders.csr import index_dtype

# Bytes of an entry of a matrix: a weight in float32 and the number of a row.
_ENTRY = 8
# And of where a row starts.
_START = 4


class SparseProduct:
    """The weights of a batch of rows, and how to go forward and back through them.

    Its sparse matrix has a row for each sum of the encoding. The way back is the transposed
    matrix, with a row for each row of the array.

    Parameters
    ----------
    rows, weights : ndarrays of shape (n, n_seen)
        As `_rows_of_weights` of an encoder makes them.
    n_rows : int
        Rows of the array.
    """

    def __init__(self, rows: NDArray, weights: NDArray, n_rows: int) -> None:
        n, n_seen = rows.shape
        index = index_dtype((n, n_rows), rows.size)
        # float64 weights would turn the product, and all that follows, into float64
        values = weights.astype(np.float32).ravel()
        starts = np.arange(0, rows.size + 1, n_seen, dtype=index)
        parts = (values, rows.astype(index).ravel(), starts)
        self.matrix = sparse.csr_array(parts, shape=(n, n_rows))
        self.back = self.matrix.T.tocsr()

    def times(self, array: Tensor) -> Tensor:
        """The sums, which autograd can follow back to the array."""
        product: Tensor = _Times.apply(array, self)
        return product


def bytes_of_products(encoder: CoordinateEncoder, n_samples: int, n_batches: int) -> int:
    """Memory of the matrices of so many samples, both ways."""
    rows, _ = encoder._rows_of_weights(np.asarray(encoder._ends)[:, :1].T)
    starts = len(rows) * n_samples + len(encoder._formula[str(encoder._linear_in())]) * n_batches
    return 2 * _ENTRY * rows.size * n_samples + _START * starts


class _Times(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, array: Tensor, product: SparseProduct) -> Tensor:
        ctx.product = product
        return torch.from_numpy(product.matrix @ array.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return torch.from_numpy(ctx.product.back @ gradients[0].contiguous().numpy()), None
