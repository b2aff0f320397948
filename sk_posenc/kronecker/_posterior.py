"""Variance of the posterior of a ridge problem, over the variance of the noise."""

import math
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from sk_posenc.core.limits import limits_now
from sk_posenc.core.products import evaluate_at_rows, rowwise_kronecker
from sk_posenc.kronecker._design import Design
from sk_posenc.kronecker._factors import AxisFactor, factor_kernel
from sk_posenc.kronecker._structured import apply_along_axes

_SINGULAR = (
    "standard deviations are not available, as the system is singular up to rounding: raise alpha, "
    "or use an encoder with fewer n_shifts or n_frequencies"
)


class Posterior:
    """``phi' (A' A + alpha P)^-1 phi`` of the features phi of points."""

    _width: int  # numbers that a point needs

    def own_at(self, coordinates: Sequence[NDArray], orders: Sequence[int]) -> list[NDArray]:
        """Kernel along each axis of points and themselves, where their features do not tell it."""
        return []

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

    @cached_property
    def of_noise(self) -> "Posterior":
        """The part that the noise of the samples makes, ``phi' M^-1 A' A M^-1 phi``.

        M is the matrix above. The rest is of what the fit smooths away, or has not seen.
        """
        return self._of_noise()

    def _of_noise(self) -> "Posterior":
        raise NotImplementedError


class PosteriorOfDesign(Posterior):
    """From the samples of a design, at an alpha."""

    def __init__(self, design: Design, alpha: float) -> None:
        self._design, self._alpha = design, alpha

    def own_at(self, coordinates: Sequence[NDArray], orders: Sequence[int]) -> list[NDArray]:
        return self._design.own_at(coordinates, orders)

    def _invert(self, white: list[NDArray]) -> None:
        """Diagonalise weighted white features, one matrix or one per axis."""
        self._bases, eigenvalues = [], np.ones(())
        for A in white:
            _, s, Vt = np.linalg.svd(A, full_matrices=True)
            self._bases.append(Vt.T)  # (k, k)
            eigenvalues = np.multiply.outer(eigenvalues, np.pad(s**2, (0, len(Vt) - len(s))))
        self._inverse = 1 / (eigenvalues + self._alpha)
        self._width = self._inverse.size

    def _of_noise(self) -> Self:
        again = copy(self)
        again._inverse = self._inverse - self._alpha * self._inverse**2
        return again


class PosteriorOfKernel(PosteriorOfDesign):
    """``(k(x, x) - k' (K + alpha)^-1 k) / alpha``, with the kernel K of the samples.

    A derived class takes ``k' (K + alpha)^-1 k`` from `_inverse`, of the eigenvalues.
    """

    _inverse: NDArray[np.float64]
    _is_of_noise = False

    def _of_noise(self) -> Self:
        again = copy(self)
        again._inverse, again._is_of_noise = self._inverse**2, True
        return again

    def _variance(self, before: NDArray | float, explained: NDArray) -> NDArray:
        """From the kernel of points and themselves, and what samples tell of it."""
        return explained if self._is_of_noise else (before - explained) / self._alpha


class PosteriorByAxis(PosteriorOfDesign):
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


class PosteriorByRows(PosteriorOfDesign):
    """In the space of the products of features."""

    def __init__(self, design: Design, alpha: float) -> None:
        super().__init__(design, alpha)
        features = design.white([axis.features for axis in design.axes])
        self._invert([design.root_weights()[:, None] * rowwise_kronecker(features)])

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        rotated = rowwise_kronecker(self._design.white(features)) @ self._bases[0]
        return rotated**2 @ self._inverse


class PosteriorByKernel(PosteriorOfKernel):
    """In the space of the samples."""

    def __init__(self, design: Design, factor: AxisFactor, alpha: float) -> None:
        super().__init__(design, alpha)
        self._basis = factor.left[0].T * design.root_weights()[:, None]  # (n, n)
        self._inverse = 1 / (factor.eigenvalues + alpha)
        self._width = self._inverse.size * len(design.axes)

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        before = math.prod(own) if own else self._design.own_kernel(features)
        cross = self._design.cross_kernel(features) @ self._basis
        return self._variance(before, cross**2 @ self._inverse)


class PosteriorOfSystem(Posterior):
    """Of a fit that no factorisation solves.

    Attributes
    ----------
    freedom : float
        Samples less the trace of the hat matrix.
    """

    freedom: float


class PosteriorBySamples(PosteriorByKernel, PosteriorOfSystem):
    """As of a kernel, of few samples and many products of features."""

    def __init__(self, design: Design, alpha: float) -> None:
        roots = design.root_weights()
        products = roots[:, None] * design.multiplied()
        factor = factor_kernel(products @ products.T)
        super().__init__(design, factor, alpha)
        of_mean = (factor.left[0] @ roots) ** 2 / np.sum(roots**2)
        self.freedom = float(np.sum(alpha * self._inverse * (1 - of_mean)))


class PosteriorByProducts(PosteriorOfSystem):
    """By the Cholesky factor of the system, in coefficients in which the penalty is diagonal.

    Parameters
    ----------
    gram : ndarray of shape (r, r)
        ``A' W A`` with A the products of the rotated features. It is overwritten.
    moments : ndarray of r numbers
        ``A' W 1``.
    n_samples, total : int, float
        Samples, and the sum of their weights.
    penalty : ndarray of shape (r_1, ..., r_d)
        Times alpha.
    rotations : list of d ndarrays of shape (k_a, r_a)
        From these coefficients to those of the features.
    """

    def __init__(
        self,
        gram: NDArray,
        moments: NDArray,
        n_samples: int,
        total: float,
        penalty: NDArray,
        rotations: list[NDArray],
    ) -> None:
        self._rotations, self._shape = rotations, penalty.shape
        gram[np.diag_indices_from(gram)] += penalty.ravel()
        try:
            factor = linalg.cholesky(gram.T, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError as singular:
            raise ValueError(_SINGULAR) from singular
        root, _ = linalg.lapack.dtrtri(factor, lower=1, overwrite_c=1)
        self._root = np.tril(root)  # the inverse is its square
        self._penalty = penalty.ravel()
        self._among: NDArray[np.float64] | None = None  # in place of the inverse
        self._width = 2 * penalty.size
        taken = penalty.size - float(np.sum(self._root**2, axis=0) @ penalty.ravel())
        of_mean = 1 - float(np.sum((self._root @ moments.ravel()) ** 2)) / total
        self.freedom = n_samples - taken - of_mean

    def solve(self, moments: NDArray) -> NDArray[np.float64]:
        """Coefficients (r, q) for ``A' W y``."""
        return np.asarray(self._root.T @ (self._root @ moments))

    def on_grid(self, features: Sequence[NDArray], own: Sequence[NDArray] = ()) -> NDArray | None:
        n_axes = len(self._shape)
        inverse = self._root.T @ self._root if self._among is None else self._among
        inverse = inverse.reshape(*self._shape, *self._shape)
        pairs = [axis for a in range(n_axes) for axis in (a, a + n_axes)]
        inverse = inverse.transpose(pairs).reshape(1, *(r * r for r in self._shape))
        first, *others = (rowwise_kronecker([each, each]) for each in self._rotated(features))
        rows = max(1, limits_now().block_bytes // (8 * math.prod(inverse.shape[2:])))
        blocks = [
            apply_along_axes(inverse, [(each,) for each in (first[i : i + rows], *others)])[0]
            for i in range(0, len(first), rows)
        ]
        return np.maximum(np.concatenate(blocks), 0.0)

    def _of_block(self, features: list[NDArray], own: list[NDArray]) -> NDArray:
        products = rowwise_kronecker(self._rotated(features))
        if self._among is not None:
            return np.sum((products @ self._among) * products, axis=1)
        return np.sum((products @ self._root.T) ** 2, axis=1)

    def _of_noise(self) -> Self:
        again, inverse = copy(self), self._root.T @ self._root
        again._among = inverse - (inverse * self._penalty) @ inverse
        return again

    def _rotated(self, features: Sequence[NDArray]) -> list[NDArray]:
        return [each @ R for each, R in zip(features, self._rotations, strict=True)]
