"""Labels of groups as numbers: which samples belong together."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.date_columns import is_missing
from sk_posenc.core.refusals import refusals_told


def numbered_groups(groups: Any, n_samples: int) -> tuple[NDArray[np.intp], int]:
    """The number of the group of each sample, counted in the order of the labels, and how many.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Labels of any kind that can be sorted.
    n_samples : int

    Raises
    ------
    ValueError
        For another shape, and for labels that are missing.
    """
    with refusals_told({"groups": groups}):
        labels = np.asarray(groups.to_numpy() if hasattr(groups, "to_numpy") else groups)
    if labels.shape != (n_samples,):
        raise ValueError(
            f"groups must have shape ({n_samples},), one label for each sample. Got {labels.shape}."
        )
    masked = np.ma.getmaskarray(groups) if isinstance(groups, np.ma.MaskedArray) else False
    missing = np.full(n_samples, False) | masked
    if labels.dtype.kind not in "iub":
        missing |= np.array([is_missing(each) for each in labels.tolist()], dtype=bool)
    if missing.any():
        raise ValueError(
            "groups must hold a label for each sample: drop the samples without. Got "
            f"{np.count_nonzero(missing)} that are missing."
        )
    if labels.dtype.kind == "O":
        labels = labels.astype(str)
    if labels.dtype.kind in "iu" and n_samples and 0 <= labels.min() <= labels.max() < n_samples:
        return _of_small_numbers(labels)
    distinct, group = np.unique(labels, return_inverse=True)
    return group, len(distinct)


def _of_small_numbers(labels: NDArray[np.integer]) -> tuple[NDArray[np.intp], int]:
    """The same of numbers from 0 on, without a sort."""
    occurs = np.bincount(labels) > 0
    return (np.cumsum(occurs) - 1)[labels], int(np.count_nonzero(occurs))
