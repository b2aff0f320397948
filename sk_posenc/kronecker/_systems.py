"""What conjugate gradients see of samples: products with them, and residuals."""

from typing import Any, Protocol

from array_api_compat import array_namespace

from sk_posenc.kronecker._rows import Rows

Array = Any


class System(Protocol):
    """The samples as conjugate gradients see them, ``S = R' W R``, while z moves.

    Attributes
    ----------
    total : float
        Sum of the weights.
    goal : array of shape (r_1, ..., r_d)
        ``R' W y``.
    weights : array of shape (n,) or None
        Of the samples; None where they are alike, or not known.
    """

    total: float
    goal: Array
    weights: Array | None

    def begin(self, z: Array) -> Array:
        """``S z``, where z starts."""
        ...

    def apply(self, direction: Array) -> Array:
        """``S direction``."""
        ...

    def advance(self, length: float) -> None:
        """z moved by so much of the last direction."""
        ...

    def left(self, z: Array) -> float:
        """Sum of squares of the residuals, with their weights."""
        ...


class SampledSystem:
    """A system of rows and one column of targets, both of shape (n,)."""

    def __init__(self, rows: Rows, targets: Array, weights: Array | None) -> None:
        self._rows, self._targets, self.weights = rows, targets[None, :], weights
        self._xp = array_namespace(targets)
        self.total = float(targets.shape[0] if weights is None else self._xp.sum(weights))
        self.fitted = self._xp.zeros_like(self._targets)
        self._step = self.fitted
        self.goal = rows.adjoint(self._weighted(self._targets))[0]

    def _weighted(self, values: Array) -> Array:
        return values if self.weights is None else values * self.weights

    def begin(self, z: Array) -> Array:
        self.fitted = self._rows.fitted(z[None])
        return self._rows.adjoint(self._weighted(self.fitted))[0]

    def apply(self, direction: Array) -> Array:
        self._step = self._rows.fitted(direction[None])
        return self._rows.adjoint(self._weighted(self._step))[0]

    def advance(self, length: float) -> None:
        self.fitted = self.fitted + length * self._step

    def left(self, z: Array) -> float:
        left = self._targets - self.fitted
        return float(self._xp.sum(self._weighted(left * left)))
