"""Weights of rows: 0 is absent, 2 is twice."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples
from torch import Tensor
from torch.utils.data import Subset

from sk_posenc.core.checks import check_weights
from sk_posenc.networks.batches import as_tensor, subset_of

# Up to so many rows the smallest automatic batch holds them all, each as often as its weight says.
_ONE_BATCH = 32

# Weights beyond would overflow in float32, or in a sum.
_LARGEST = 1e30


def present(
    X: Any, y: Any, sample_weight: Any, others: dict[str, Any]
) -> tuple[Any, Any, NDArray[np.float64] | None, dict[str, Any]]:
    """Rows without those of weight 0, their weights, and what else was given for each row."""
    if sample_weight is None:
        return X, y, None, others
    n_rows = _length(X)
    if n_rows is None or _length(y) != n_rows:
        return X, y, None, others  # what is wrong is told where X and y are checked
    weight = check_weights(sample_weight, n_rows)
    if len(weight) and weight.max() > _LARGEST:
        weight = weight / weight.max()  # only their ratio matters
    if not weight.any():
        raise ValueError("sample_weight is zero for all samples: one weight must be positive")
    if (weight > 0).all():
        return X, y, weight, others
    kept = np.flatnonzero(weight)
    others = {
        name: _safe_indexing(each, kept)
        if hasattr(each, "__len__") and len(each) == n_rows
        else each
        for name, each in others.items()
    }
    return _safe_indexing(X, kept), _safe_indexing(y, kept), weight[kept], others


@contextmanager
def rows_told_among_all(sample_weight: Any, weight: Any) -> Iterator[None]:
    """Where rows of weight 0 were left out, tell the others by their numbers among all."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = str(error)
        told = re.search(r"\brow (\d+)\.$", text)
        kept = np.flatnonzero(np.ravel(sample_weight))
        if told is None or weight is None or len(kept) != len(weight):
            raise
        raise type(error)(f"{text[: told.start(1)]}{kept[int(told[1])]}.") from None


def _length(rows: Any) -> int | None:
    """The number of rows; None for what has none."""
    try:
        return int(_num_samples(rows))
    except TypeError:
        return None


def in_one_batch(dataset: Any, weight: NDArray[np.float64] | None, batch_size: Any) -> Any:
    """The rows of a dataset that one batch holds, each as often as its weight says.

    They are put in an order of their own, so that the fit does not depend on the order that they
    came in. None where one batch does not hold them.
    """
    base, kept = subset_of(dataset)
    if not isinstance(getattr(base, "X", None), Tensor):
        return None
    rows = np.arange(len(base)) if kept is None else kept.cpu().numpy()
    counts = np.ones(len(rows)) if weight is None else weight[rows]
    at_most = batch_size if isinstance(batch_size, int) and batch_size > 0 else _ONE_BATCH
    if counts.sum() > min(_ONE_BATCH, at_most) or (counts != np.rint(counts)).any():
        return None
    rows = np.repeat(rows, counts.astype(int))
    columns = [each.reshape(len(base), -1)[rows].double() for each in (base.y, base.X)]
    order = np.lexsort(torch.cat(columns, dim=1).cpu().numpy().T)
    unweighted = copy.copy(base)
    vars(unweighted).pop("sample_weight", None)
    return Subset(unweighted, rows[order].tolist())


def relative(weight: NDArray[np.float64]) -> Tensor | None:
    """Weights of mean 1; None where all rows count alike."""
    if (weight == weight[0]).all():
        return None
    return as_tensor(weight / weight.mean())


def weighted_loss(criterion: Any, weight: Tensor | None, compute: Callable[[], Tensor]) -> Tensor:
    """What `compute` makes of a batch by a criterion, where its rows count as their weights say."""
    if weight is None:
        return compute()
    reduction = getattr(criterion, "reduction", None)
    if reduction not in ("mean", "sum"):
        raise TypeError(
            "sample_weight needs a criterion with reduction='mean' or 'sum', such as "
            f"torch.nn.MSELoss. Got {criterion!r}."
        )
    criterion.reduction = "none"
    try:
        losses = compute()
    finally:
        criterion.reduction = reduction
    weighted = losses * weight.to(losses).reshape(-1, *[1] * (losses.ndim - 1))
    return weighted.mean() if reduction == "mean" else weighted.sum()
