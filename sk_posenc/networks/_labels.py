"""Labels of classes: as numbers, with weights, and in stratified parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Subset

from sk_posenc.core.checks import check_kind_of_labels


def codes_of(y: NDArray, classes: NDArray) -> NDArray[np.int64]:
    """The place of each label among the sorted classes."""
    try:
        places = np.clip(np.searchsorted(classes, y), 0, len(classes) - 1)
    except TypeError:
        raise TypeError(
            "y and classes must hold labels of one kind, all text or all numbers: convert them. "
            f"Got {y[0]!r} and {classes[0]!r} among them."
        ) from None
    unknown = classes[places] != y
    if unknown.any():
        raise ValueError(
            f"y must hold the classes {list(classes)} alone: give all classes to the first "
            f"partial_fit. Got {list(np.unique(y[unknown]))} besides."
        )
    return places.astype(np.int64)


def sorted_classes(classes: ArrayLike, name: str) -> NDArray:
    """Classes that a user names, without repetition."""
    try:
        listed = np.asarray(classes)
    except ValueError as error:  # ragged
        raise ValueError(f"{name} must be a list of labels: {error} Got {classes!r}.") from None
    check_kind_of_labels(listed, name)
    found = np.unique(listed)
    if not len(found):
        raise ValueError(f"{name} must name at least one class. Got {classes!r}.")
    return found


def check_class_weight(class_weight: Any) -> None:
    """Raise for class weights of another kind."""
    wanted = "class_weight must be None, 'balanced' or a dict from class to weight."
    if class_weight is None or isinstance(class_weight, dict):
        return
    if not isinstance(class_weight, str):
        raise TypeError(f"{wanted} Got {class_weight!r}.")
    if class_weight != "balanced":
        raise ValueError(f"{wanted} Got {class_weight!r}.")


def weights_of_classes(
    class_weight: Any, classes: NDArray, codes: NDArray[np.int64], weight: NDArray | None
) -> NDArray[np.float64] | None:
    """Weights of rows, times those of their classes."""
    if class_weight is None:
        return weight
    counts = np.bincount(codes, weights=weight, minlength=len(classes)).astype(np.float64)
    if isinstance(class_weight, dict):
        of_class = _given(class_weight, classes)
    else:
        of_class = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1e-300))
    rows: NDArray[np.float64] = of_class[codes]
    if not rows.any():
        raise ValueError(f"class_weight is 0 for all rows. Got {class_weight!r}.")
    return rows if weight is None else rows * weight


def _given(class_weight: dict[Any, float], classes: NDArray) -> NDArray[np.float64]:
    unknown = [label for label in class_weight if label not in classes.tolist()]
    values = np.array([class_weight.get(label, 1.0) for label in classes.tolist()], dtype=float)
    if unknown:
        raise ValueError(f"class_weight names {unknown}, and the classes are {list(classes)}.")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(
            f"weights in class_weight must be finite and not negative. Got {class_weight!r}."
        )
    return values


def stratified_parts(
    dataset: Any, codes: NDArray[np.int64], share: float, seed: int
) -> tuple[Subset, Subset]:
    """Split rows so that each class has its share in both parts, and one row in the first."""
    random = np.random.RandomState(seed)
    order = random.permutation(len(codes))
    held = []
    for label in np.unique(codes):
        rows = order[codes[order] == label]
        held.append(rows[: min(int(share * len(rows) + 0.5), len(rows) - 1)])
    valid = np.concatenate(held)
    if not len(valid):
        most = np.argmax(np.bincount(codes))
        valid = order[codes[order] == most][1:2]
    if not len(valid):
        raise ValueError(
            "early_stopping needs a class of at least two rows, to set one aside: add rows, or "
            f"set early_stopping=None. Got {len(codes)} rows of as many classes."
        )
    kept = np.setdiff1d(order, valid)
    return Subset(dataset, kept.tolist()), Subset(dataset, np.sort(valid).tolist())
