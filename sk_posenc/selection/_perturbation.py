"""Perturbation-based selection: each candidate of an edge is removed in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sk_posenc.selection._search_progress import SearchProgress
from sk_posenc.selection._supernet import Supernet


@dataclass
class Found:
    """What a search has found, for each edge and candidate.

    Attributes
    ----------
    masked : ndarray of shape (n_edges, n_candidates)
        Validation scores without each candidate, when its edge was decided.
    whole : ndarray of shape (n_edges,)
        Validation scores with all candidates, just before.
    chosen : ndarray of shape (n_edges,)
    score : float
        Of the network with the chosen candidates alone, whose weights come from the search.
    """

    masked: NDArray[np.float64]
    whole: NDArray[np.float64]
    chosen: NDArray[np.intp]
    score: float


def decide(
    supernet: Supernet,
    score: Callable[[], float],
    tune: Callable[[], None],
    order: NDArray[np.intp],
    progress: SearchProgress,
) -> Found:
    """Reduce each edge to the candidate whose removal hurts most.

    Parameters
    ----------
    supernet : Supernet
        Trained; its edges are decided in place.
    score : callable
        Validation score of the network as it is; greater is better.
    tune : callable
        Trains the weights on, after each decision.
    order : ndarray of shape (n_edges,)
        The order of the decisions.
    progress : SearchProgress
    """
    mixed = supernet.mixed
    n_candidates = mixed.alpha.shape[1]
    masked, whole = np.empty(mixed.alpha.shape), np.empty(len(order))
    chosen = np.empty(len(order), dtype=np.intp)
    for edge in order.tolist():
        whole[edge] = _finite(score())
        for candidate in range(n_candidates):
            with mixed.without(edge, candidate), progress.task("candidate"):
                masked[edge, candidate] = _finite(score())
        chosen[edge] = np.argmin(masked[edge])
        mixed.decided[edge] = int(chosen[edge])
        tune()
        progress.line(f"remove each candidate of edge {edge} in turn")
    return Found(masked, whole, chosen, score())


def _finite(score: float) -> float:
    if not np.isfinite(score):
        raise ValueError(
            "scoring must give a finite score of the validation rows: take another scoring, or "
            f"more rows for validation. Got {score!r}."
        )
    return float(score)
