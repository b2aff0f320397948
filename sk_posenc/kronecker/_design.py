"""The samples of a problem as rows of features: what all solvers stand on."""

import math
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.core.memory import check_memory
from sk_posenc.core.products import evaluate_at_rows, rowwise_kronecker
from sk_posenc.kronecker._axis import Axis, Expansion
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._structured import apply_along_axes
from sk_posenc.kronecker._whitening import unwhiten
from sk_posenc.kronecker.penalties import Penalty

WAY_OUT = (
    "use samples on a grid, fewer samples, or an encoder with a lower stable_rank or fewer n_shifts"
)


class Design(Expansion):
    """Features of all axes at the samples, and the penalty of their products.

    Parameters
    ----------
    samples : Samples
    axes : list of Axis
    penalty : Penalty

    Attributes
    ----------
    n_columns : int
        Products of the features of all axes.
    """

    def __init__(self, samples: Samples, axes: list[Axis], penalty: Penalty) -> None:
        self.samples, self.axes, self.penalty = samples, axes, penalty
        self.n_columns = math.prod(axis.n_columns for axis in axes)

    @property
    def n_occupied(self) -> int:
        """Cells that have a sample."""
        return len(self.samples.occupied)

    @property
    def adds_up(self) -> bool:
        """Whether the penalty is a function of a sum over several axes, not a product."""
        return self.penalty.adds_up(len(self.axes))

    def with_penalty(self, penalty: Penalty) -> "Design":
        """The same features under another penalty of smoothness."""
        again = copy(self)
        again.penalty = penalty
        again.__dict__.pop("strengths", None)
        return again

    @cached_property
    def strengths(self) -> NDArray[np.float64] | None:
        """What each product of white features is penalised by; None: all by 1."""
        return self.penalty.strengths(self.axes)

    def white(self, features: Sequence[NDArray]) -> list[NDArray[np.float64]]:
        """Features of each axis under which its penalty is the identity."""
        return [axis.white(each) for axis, each in zip(self.axes, features, strict=True)]

    def white_rows(self) -> list[NDArray[np.float64]]:
        """White features of each axis at the occupied cells."""
        white = self.white([axis.features for axis in self.axes])
        return [each[i] for each, i in zip(white, self.rows(), strict=True)]

    def multiplied(self) -> NDArray[np.float64]:
        """Products of the white features of all axes whose penalty is the identity, (n, k)."""
        features = rowwise_kronecker(self.white_rows())
        return features if self.strengths is None else features / np.sqrt(self.strengths.ravel())

    def weighted(self, a: int) -> NDArray[np.float64]:
        """Features of axis a of a grid, each row times the root of its weight."""
        features, weights = self.axes[a].features, self.samples.axis_weights
        return features if weights is None else np.sqrt(weights[a])[:, None] * features

    def twin(self, a: int) -> int:
        """The first axis that is the same as axis a."""
        if self.samples.axis_weights is not None:
            return a
        return next(b for b, each in enumerate(self.axes) if each is self.axes[a])

    def rows(self) -> list[NDArray | slice]:
        """For each axis, the row of its features that belongs to each occupied cell."""
        if not self.samples.on_grid:
            return [slice(None)] * len(self.axes)
        return list(np.unravel_index(self.samples.occupied, self.samples.shape))

    def root_weights(self) -> NDArray[np.float64]:
        """Of the occupied cells, as a vector."""
        samples = self.samples
        if samples.weights is None:
            return np.ones(samples.n_cells)
        return np.sqrt(samples.weights.ravel()[samples.occupied])

    def weigh(self, cells: NDArray) -> NDArray:
        """Targets (q, *shape) of the occupied cells, times the roots of their weights; (q, n)."""
        return cells.reshape(len(cells), -1)[:, self.samples.occupied] * self.root_weights()

    def total_weight(self) -> float:
        """Sum of the weights of the occupied cells."""
        return float(np.sum(self.root_weights() ** 2))

    def check_axes(self) -> None:
        """Refuse features of an axis that do not fit into memory."""
        for axis in self.axes:
            check_memory((len(axis.coordinates), axis.n_columns), 24, WAY_OUT)

    def mean_diagonal(self, by_blocks: bool) -> float:
        """Mean diagonal of the weighted Gram matrix of all features, what alpha counts in."""
        if by_blocks:
            total = 0.0
            weights = self.root_weights() ** 2
            for rows in self.row_blocks():
                each = [axis.at(axis.coordinates[rows]) for axis in self.axes]
                squares = math.prod(np.sum(features**2, axis=1) for features in each)
                total += float(weights[rows] @ squares)
            return total / self.n_columns
        squares = [np.sum(axis.features**2, axis=1) for axis in self.axes]
        if self.samples.is_grid:
            parts = self.samples.axis_weights or [np.ones(len(each)) for each in squares]
            total = math.prod(float(w @ each) for w, each in zip(parts, squares, strict=True))
        else:
            rows_of_all = np.ones(len(self.samples.occupied))
            for each, i in zip(squares, self.rows(), strict=True):
                rows_of_all = rows_of_all * each[i]
            total = float(self.root_weights() ** 2 @ rows_of_all)
        return total / self.n_columns

    def row_blocks(self) -> Iterator[slice]:
        """Samples in blocks of bounded size."""
        width = sum(axis.n_columns for axis in self.axes)
        step = max(1, limits_now().block_bytes // (8 * width))
        n = len(self.axes[0].coordinates)
        return (slice(start, start + step) for start in range(0, n, step))

    def cross_kernel(self, features: Sequence[NDArray]) -> NDArray:
        """Kernel of points and occupied cells, (m, n)."""
        white = self.white(features)
        if self.strengths is None:
            return kernel_of(white, self.white_rows())
        products = rowwise_kronecker(white) / np.sqrt(self.strengths.ravel())
        return products @ self.multiplied().T

    def own_at(self, coordinates: Sequence[NDArray], orders: Sequence[int]) -> list[NDArray]:
        """Kernel along each axis of points and themselves, where features do not tell it."""
        return []

    def own_kernel(self, features: Sequence[NDArray]) -> NDArray:
        """Kernel of points and themselves, (m,)."""
        white = self.white(features)
        squares = [each**2 for each in white]
        if self.strengths is None:
            return math.prod(np.sum(each, axis=1) for each in squares)
        return evaluate_at_rows(1 / self.strengths[None], squares)[:, 0]

    def from_white(self, solution: NDArray) -> NDArray:
        """Coefficients of white features as those of the features."""
        sizes = [axis.white(axis.features[:1]).shape[1] for axis in self.axes]
        back = [
            (unwhiten(np.eye(size), axis.whitening),)
            for size, axis in zip(sizes, self.axes, strict=True)
        ]
        if self.strengths is not None:
            solution = solution / np.sqrt(self.strengths.ravel())
        return apply_along_axes(solution.reshape(-1, *sizes), back)

    def from_dual(self, dual: NDArray) -> NDArray:
        """Coefficients of those of the samples."""
        if self.strengths is not None or not self.samples.on_grid:
            return self.from_white(dual @ self.multiplied())
        back = [(unwhiten(axis.white(axis.features).T, axis.whitening),) for axis in self.axes]
        return apply_along_axes(self.in_cells(dual), back)

    def in_cells(self, dual: NDArray) -> NDArray:
        """Coefficients of the samples (q, n) of a grid, 0 at its holes; (q, n_1, ..., n_d)."""
        cells = np.zeros((len(dual), self.samples.n_cells))
        cells[:, self.samples.occupied] = dual
        return cells.reshape(-1, *self.samples.shape)

    def dual_along_axes(self, dual: NDArray) -> NDArray | None:
        """Coefficients of the samples as those of `features_at`; None where these are others."""
        return None


class Dual(Expansion):
    """Functions by the coefficients of samples, of which there are fewer than of functions."""

    is_dual = on_host = True

    def __init__(self, design: Design) -> None:
        self._design, self.axes = design, design.axes

    def along_axes(self, solution: NDArray) -> NDArray | None:
        return self._design.dual_along_axes(solution)

    def predict_rows(self, solution: NDArray, features: Sequence[NDArray]) -> NDArray:
        m, out = len(features[0]), np.empty((len(features[0]), len(solution)))
        rows = max(1, limits_now().block_bytes // (8 * solution.shape[1] * (1 + len(features))))
        for start in range(0, m, rows):
            at = slice(start, start + rows)
            out[at] = self._design.cross_kernel([each[at] for each in features]) @ solution.T
        return out


def kernel_of(first: Sequence[NDArray], second: Sequence[NDArray]) -> NDArray:
    """Product over the axes of the inner products of whitened features, (m, n)."""
    kernel = first[0] @ second[0].T
    for a, b in zip(first[1:], second[1:], strict=True):
        kernel *= a @ b.T
    return kernel
