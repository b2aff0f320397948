"""Training rows that an augmenter makes anew for each epoch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from inspect import Parameter, signature
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.metadata_routing import get_routing_for_object
from skorch.dataset import ValidSplit
from torch import Tensor
from torch.utils.data import Subset

from sk_posenc.core.group_labels import numbered_groups
from sk_posenc.networks.batches import as_tensor, subset_of


class Views:
    """The rows of a fit, of which each epoch sees another view.

    Parameters
    ----------
    augmenter : fitted augmenter
        Only its `augment` is called.
    rows : ndarray of shape (n_samples, n_axes)
        Checked coordinates, as they were given.
    groups : array-like of shape (n_samples,) or None
        A label for each row.
    """

    def __init__(self, augmenter: Any, rows: NDArray, groups: Any) -> None:
        self.augmenter, self.rows = augmenter, rows
        self.groups = None if groups is None else numbered_groups(groups, len(rows))[0]

    def batches(
        self, make: Callable[[Any], Any], dataset: Any, generator: torch.Generator, origin: Any
    ) -> _EachEpoch:
        """Batches that `make` cuts from a dataset, from another view in each pass."""
        base, kept = subset_of(dataset)
        X = getattr(base, "X", None)
        if not isinstance(X, Tensor) or X.shape != self.rows.shape:
            raise TypeError(
                "augmenter needs training rows that are some of those given to fit: leave dataset "
                f"and train_split at their defaults, or let them keep the rows. Got {base!r}."
            )
        given, viewed = as_tensor(self.rows).to(X.device), copy.copy(base)
        viewed.X = torch.empty_like(X)
        indices: Any = None if kept is None else kept.cpu().numpy()
        whole = viewed if indices is None else Subset(viewed, indices)
        return _EachEpoch(make(whole), lambda: self._renew(viewed.X, given, generator, origin))

    @torch.no_grad()
    def _renew(
        self, view: Tensor, given: Tensor, generator: torch.Generator, origin: Tensor | None
    ) -> None:
        seed = int(torch.randint(2**31 - 1, (), generator=generator))
        drawn = self.augmenter.augment(given, groups=self.groups, random_state=seed)
        if not isinstance(drawn, Tensor) or drawn.shape != view.shape:
            raise TypeError(
                f"augment of {type(self.augmenter).__name__} must return a tensor of shape "
                f"{tuple(view.shape)} for a tensor of this shape. Got {_described(drawn)}."
            )
        view.copy_(drawn if origin is None else drawn - origin)


class _EachEpoch:
    """Batches before each pass of which something is done."""

    def __init__(self, batches: Any, renew: Callable[[], None]) -> None:
        self._batches, self._renew = batches, renew

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        self._renew()
        return iter(self._batches)


def positions(augmenter: Any, rows: NDArray, groups: Any) -> NDArray:
    """Rows as a fitted augmenter places them at test time."""
    placed = augmenter.transform(rows) if groups is None else augmenter.transform(rows, groups)
    if not isinstance(placed, np.ndarray) or placed.shape != rows.shape:
        raise TypeError(
            f"transform of {type(augmenter).__name__} must return an array of shape {rows.shape} "
            f"for an array of this shape. Got {_described(placed)}."
        )
    return np.ascontiguousarray(placed, dtype=rows.dtype)


def with_settings_of(augmenter: Any, fitted: Any) -> Any:
    """What was learnt in the first fit, with the present settings."""
    if type(augmenter) is not type(fitted):
        raise ValueError(
            "augmenter must be of the class that it had in the first fit: call fit, which begins "
            f"anew. It was {fitted!r}. Got {augmenter!r}."
        )
    return copy.copy(fitted).set_params(**augmenter.get_params(deep=False))


def with_groups(fit_params: dict[str, Any], groups: Any) -> dict[str, Any]:
    """The parameters of a fit, groups among them where there are any."""
    return fit_params if groups is None else fit_params | {"groups": groups}


def takes_groups(train_split: Any) -> bool:
    """Whether a split of rows looks at their groups."""
    if train_split is None:
        return False
    if isinstance(train_split, ValidSplit):
        splitter = train_split.cv
        asks = get_routing_for_object(splitter).consumes("split", {"groups"})
        return hasattr(splitter, "split") and bool(asks)
    parameters = signature(train_split).parameters.values()
    return any(p.name == "groups" or p.kind is Parameter.VAR_KEYWORD for p in parameters)


def _described(value: Any) -> str:
    shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
    return f"{type(value).__name__}{shape}"
