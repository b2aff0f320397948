"""Candidate encoders, fitted to the columns of each edge and projected to one width."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.incoming import Dates
from sk_posenc.core.settings import parse_integer
from sk_posenc.encoders.base import check_encoder
from sk_posenc.encoders.domains import in_numbers
from sk_posenc.networks.encoder_module import EncoderModule
from sk_posenc.selection._alike import warn_of_duplicates
from sk_posenc.selection._mixed_encoding import MixedEncoding, Projected

# Columns that each candidate is projected to.
WIDTH = 64

# Rows whose features give shift and scale, and by which candidates are compared.
_ROWS = 512


def check_candidates(encoders: Any) -> list[Any]:
    """Two or more encoders of the package."""
    if isinstance(encoders, str | dict) or not isinstance(encoders, Sequence):
        raise TypeError(f"encoders must be a list of encoders. Got {encoders!r}.")
    for encoder in encoders:
        check_encoder(encoder, "an encoder of sk_posenc", "each of encoders")
    if len(encoders) < 2:
        raise ValueError(
            "encoders must hold at least two candidates: there is nothing to choose from one. "
            f"Got {list(encoders)!r}."
        )
    return list(encoders)


def columns_of(edges: Any, n_columns: int, names: NDArray | None = None) -> list[list[int]]:
    """The columns of X that each edge reads: every one in one edge.

    Parameters
    ----------
    edges : list of lists of int or str, or None
    n_columns : int
    names : ndarray of str, default=None
        Of the columns, where they have any.
    """
    if edges is None:
        return [list(range(n_columns))]
    wanted = "edges must be lists of columns, such as [[0, 1], [2]], or None"
    if isinstance(edges, str | dict) or not isinstance(edges, Sequence):
        raise TypeError(f"{wanted}. Got {edges!r}.")
    columns = []
    for number, edge in enumerate(edges):
        if isinstance(edge, str | dict) or not isinstance(edge, Sequence | np.ndarray):
            raise TypeError(f"{wanted}. Got {edges!r}.")
        if not len(edge):
            raise ValueError(f"{wanted}, and edges[{number}] is empty. Got {edges!r}.")
        columns.append([_column(each, f"edges[{number}]", names) for each in edge])
    if sorted(chain.from_iterable(columns)) != list(range(n_columns)):
        raise ValueError(
            f"edges must hold each of the {n_columns} columns of X once, counted from 0. "
            f"Got {edges!r}."
        )
    return columns


def _column(given: Any, setting: str, names: NDArray | None) -> int:
    if not isinstance(given, str):
        return parse_integer(given, setting, at_least=0)
    if names is None or given not in names:
        known = "X has no names of columns" if names is None else f"X has {list(map(str, names))}"
        raise ValueError(f"{setting} must hold columns of X, and {known}. Got {given!r}.")
    return list(names).index(given)


def mixture_of(
    encoders: Sequence[Any],
    columns: list[list[int]],
    X: NDArray,
    dates: Dates,
    trains: Any,
    alpha: NDArray,
    rng: np.random.RandomState,
) -> MixedEncoding:
    """Fit every candidate to the columns of every edge.

    Parameters
    ----------
    encoders : list of encoders
    columns : list of list of int
    X : ndarray of shape (n_samples, n_axes)
        All rows: a candidate is as the refit will have it.
    dates : tuple
        Those of each axis.
    trains : bool or "auto"
        The `train_encoder` of the estimator.
    alpha : ndarray of shape (n_edges, n_candidates)
    rng : RandomState
        Draws the weights of projections, and the rows on which candidates are compared.
    """
    generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
    shown = np.sort(rng.permutation(len(X))[:_ROWS])
    edges = []
    for number, own in enumerate(columns):
        where = f" of edge {number}, columns {own}," if len(columns) > 1 else ""
        own_dates = tuple(dates[column] for column in own)
        fitted = [_fitted(each, X[:, own], own_dates, where) for each in encoders]
        features = [_dense(each.transform(X[shown][:, own])) for each in fitted]
        warn_of_duplicates(encoders, features, where)
        edges.append([
            Projected(_module(encoder, trains), seen, WIDTH, generator)
            for encoder, seen in zip(fitted, features, strict=True)
        ])  # fmt: skip
    return MixedEncoding(edges, columns, torch.as_tensor(alpha, dtype=torch.float32))


def _fitted(encoder: Any, X: NDArray, dates: Dates, where: str) -> Any:
    try:
        return in_numbers(clone(encoder), dates).fit(X)
    except Exception as error:
        error.add_note(f"This came up for the candidate {encoder!r}{where.rstrip(',')}.")
        raise


def _module(encoder: Any, trains: Any) -> EncoderModule:
    learns = encoder._learns_by_default if isinstance(trains, str) else bool(trains)
    try:
        return EncoderModule(encoder, trainable=learns, dtype=torch.float32)
    except ValueError as error:
        error.add_note(f"This came up for the candidate {encoder!r}.")
        raise


def _dense(features: Any) -> NDArray:
    return features.toarray() if sparse.issparse(features) else np.asarray(to_numpy(features))
