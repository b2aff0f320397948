"""Candidates that are nearly the same encoding."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Similarity from which two candidates share what a mixture learns: the removal of one is then
# made up for by the other.
NEARLY_SAME = 0.98

# Pairs that a warning names.
_NAMED = 3


def similarities(features: Sequence[NDArray]) -> NDArray[np.float64]:
    r"""Linear CKA of encodings: how alike the similarities are that they give to pairs of rows.

    .. math:: \frac{\|A^\top B\|_F^2}{\|A^\top A\|_F\,\|B^\top B\|_F}

    of features A and B with centred columns. 1 for rotations of each other.

    Parameters
    ----------
    features : list of ndarray of shape (n, n_features)
        Each encoding of the same rows.

    Returns
    -------
    ndarray of shape (n_encodings, n_encodings)
        0 for an encoding that does not vary.
    """
    kernels = np.stack([_kernel(np.asarray(each, dtype=np.float64)) for each in features])
    return np.asarray(kernels @ kernels.T)


def _kernel(features: NDArray) -> NDArray[np.float64]:
    """The products of centred rows, as one vector of norm 1."""
    centred = features - features.mean(axis=0)
    kernel = (centred @ centred.T).ravel()
    norm = np.linalg.norm(kernel)
    return kernel / norm if norm > 0 else kernel


def warn_of_duplicates(encoders: Sequence[Any], features: Sequence[NDArray], where: str) -> None:
    """Warn of candidates that are nearly the same."""
    alike = similarities(features)
    pairs = [(float(alike[i, j]), i, j) for j in range(len(alike)) for i in range(j)]
    found = sorted((pair for pair in pairs if pair[0] >= NEARLY_SAME), reverse=True)
    if not found:
        return
    named = "; ".join(f"{i} and {j} ({s:.3f}): {encoders[i]!r}, {encoders[j]!r}"
                      for s, i, j in found[:_NAMED])  # fmt: skip
    warnings.warn(
        f"{len(found)} pairs of candidates{where} are nearly the same encoding (similarity of "
        f"{NEARLY_SAME} or more). When one is removed, its twin may stand in, so that neither "
        f"seems to be needed, and the search may choose a worse one: leave one of each pair out. "
        f"Candidates {named}.",
        UserWarning,
        stacklevel=2,
    )
