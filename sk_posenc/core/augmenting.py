"""What a network asks of an augmenter of positions, whichever room it comes from."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Augmenter(Protocol):
    """Positions as they reach an encoder: fixed at test time, another view in each epoch.

    All methods take rows of shape (n_samples, n_axes) and return as many. `transform` and
    `augment` take tensors too, and return them on their device.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Settings, as every estimator of scikit-learn has them: fits take a clone."""

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn what `transform` needs."""

    def transform(self, X: Any, groups: Any = None) -> Any:
        """Positions at test time, never at random."""

    def augment(self, X: Any, groups: Any = None, random_state: Any = None) -> Any:
        """A view of the positions for training, drawn by a seed."""


def check_augmenter(augmenter: Any) -> None:
    """Raise where something cannot augment positions; only its methods are looked at."""
    if isinstance(augmenter, type) or not isinstance(augmenter, Augmenter):
        raise TypeError(
            "augmenter must be None or an estimator with fit, transform and augment, such as "
            f"PositionAugmenter(local_shift=0.1). Got {augmenter!r}."
        )
