"""Periodic images of a shifted basis, as on a circle."""

import math
from dataclasses import dataclass

import array_api_compat.numpy as numpy_namespace
import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sk_posenc.core.arrays import Array
from sk_posenc.encoders.bases import Impulse
from sk_posenc.encoders.basis import ROUNDING, Basis


@dataclass(frozen=True)
class Images:
    """A basis along an axis: by itself on a line, with its periodic images on a circle.

    Attributes
    ----------
    basis : Basis
    length : float or None
        Of the circle; None for a line, and for a basis that repeats by itself.
    """

    basis: Basis
    length: float | None

    def n_beyond(self, width: float) -> int:
        """Images on each side that reach into the domain."""
        if isinstance(self.basis, Impulse) or self.length is None:
            return 0
        # a jump on the opposite side of the circle may belong to either image: keep both
        return math.floor(self.basis._whole_reach * width / self.length + 0.5 + ROUNDING)

    def similarity(self, delta: Array, width: float, order: int = 0) -> Array:
        """D(delta) / D(0) of the basis, or its derivative, summed over its images."""
        length = self.length
        if length is None:
            return self._similarity(delta / width, order)
        xp = array_namespace(delta)
        delta = delta - xp.round(delta / length) * length
        total = self._similarity(delta / width, order)
        for k in range(1, math.ceil(2 * self.basis._whole_reach * width / length + 0.5)):
            total = total + self._similarity((delta + k * length) / width, order)
            total = total + self._similarity((delta - k * length) / width, order)
        return total

    def derivative(self, difference: NDArray, width: float, order: int) -> NDArray[np.float64]:
        """phi, or its derivative of some order, of ``shift - x``, summed over its images."""
        if self.length is None:
            return self._phi(difference / width, order)
        difference = difference - np.round(difference / self.length) * self.length
        n = math.ceil(self.basis.reach * width / self.length + 0.5)
        steps = [k * self.length for k in range(-n, n + 1)]
        return np.sum([self._phi((difference + step) / width, order) for step in steps], axis=0)

    def _similarity(self, u: Array, order: int) -> Array:
        basis = self.basis
        return basis.similarity_derivative(u, order) if order else basis.similarity(u)

    def _phi(self, u: NDArray, order: int) -> NDArray:
        xp, basis = numpy_namespace, self.basis
        return np.asarray(basis.derivative(u, order, xp) if order else basis.phi(u, xp))
