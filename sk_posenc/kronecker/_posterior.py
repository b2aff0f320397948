"""Variance of the posterior of a ridge problem, over the variance of the noise."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.core.products import evaluate_at_rows, rowwise_kronecker
from sk_posenc.kronecker._design import Design
from sk_posenc.kronecker._factors import AxisFactor
from sk_posenc.kronecker._structured import apply_along_axes


class Posterior:
    """``phi' (A' A + alpha P)^-1 phi`` of the features phi of points."""

    _width: int  # numbers that a point needs

    def __init__(self, design: Design, alpha: float) -> None:
        self._design, self._alpha = design, alpha

    def own_at(self, coordinates: Sequence[NDArray], orders: Sequence[int]) -> list[NDArray]:
        """Kernel along each axis of points and themselves, where their features do not tell it."""
        return self._design.own_at(coordinates, orders)

    def on_grid(self, features: Sequence[NDArray], own: Sequence[NDArray] = ()) -> NDArray | None:
        """At all combinations of points along each axis, (m_1, ..., m_d); None: by rows."""
        return None

    def of_rows(self, features: Sequence[NDArray], own: Sequence[NDArray] = ()) -> NDArray:
        """At points given by their features of each axis, (m,)."""
        variance = np.empty(len(features[0]))
        rows = max(1, limits_now().block_bytes // (8 * self._width))
        for start in range(0, len(variance), rows):
            at = slice(start, start + rows)
            variance[at] = self._of_block([e[at] for e in features], [e[at] for e in own])
        return np.maximum(variance, 0.0)

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        raise NotImplementedError

    def _invert(self, white: list[NDArray]) -> None:
        """Diagonalise weighted white features, one matrix or one per axis."""
        self._bases, eigenvalues = [], np.ones(())
        for A in white:
            _, s, Vt = np.linalg.svd(A, full_matrices=True)
            self._bases.append(Vt.T)  # (k, k)
            eigenvalues = np.multiply.outer(eigenvalues, np.pad(s**2, (0, len(Vt) - len(s))))
        self._inverse = 1 / (eigenvalues + self._alpha)
        self._width = self._inverse.size


class PosteriorByAxis(Posterior):
    """On a full grid, where each axis is diagonal by itself."""

    def __init__(self, design: Design, alpha: float) -> None:
        super().__init__(design, alpha)
        white = design.white([axis.features for axis in design.axes])
        weights = design.samples.axis_weights
        if weights is not None:
            white = [np.sqrt(w)[:, None] * A for w, A in zip(weights, white, strict=True)]
        self._invert(white)

    def on_grid(self, features: Sequence[NDArray], own: Sequence[NDArray] = ()) -> NDArray | None:
        squares = self._squares(features)
        return apply_along_axes(self._inverse[None], [(each,) for each in squares])[0]

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        return evaluate_at_rows(self._inverse[None], self._squares(features))[:, 0]

    def _squares(self, features: Sequence[NDArray]) -> list[NDArray]:
        return [
            (each @ basis) ** 2
            for each, basis in zip(self._design.white(features), self._bases, strict=True)
        ]


class PosteriorByRows(Posterior):
    """In the space of the products of features."""

    def __init__(self, design: Design, alpha: float) -> None:
        super().__init__(design, alpha)
        features = design.white([axis.features for axis in design.axes])
        self._invert([design.root_weights()[:, None] * rowwise_kronecker(features)])

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        rotated = rowwise_kronecker(self._design.white(features)) @ self._bases[0]
        return rotated**2 @ self._inverse


class PosteriorByKernel(Posterior):
    """In the space of the samples: ``(k(x, x) - k' (K + alpha)^-1 k) / alpha``."""

    def __init__(self, design: Design, factor: AxisFactor, alpha: float) -> None:
        super().__init__(design, alpha)
        self._basis = factor.left[0].T * design.root_weights()[:, None]  # (n, n)
        self._inverse = 1 / (factor.eigenvalues + alpha)
        self._width = self._inverse.size * len(design.axes)

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        before = math.prod(own) if own else self._design.own_kernel(features)
        cross = self._design.cross_kernel(features) @ self._basis
        return (before - cross**2 @ self._inverse) / self._alpha
