"""What samples say of each other under a fit: residuals without a place, and freedom left."""

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._design import Design
from sk_posenc.kronecker._samples import Samples


class LeavesOut:
    """A solver that knows the diagonal of its hat matrix.

    A derived class has `_left`. Where its targets are not just weighed, it has `rotate` too.
    """

    design: Design

    def weigh(self, cells: NDArray) -> NDArray:
        """Targets of the occupied cells, times the roots of their weights."""
        return self.design.weigh(cells)

    def rotate(self, cells: NDArray) -> NDArray:
        """Targets of all cells as `_left` takes them."""
        return self.weigh(cells)

    def _left(self, rotated: NDArray, alpha: float) -> tuple[NDArray, NDArray]:
        """Residuals (q, ...) times the roots of the weights, and 1 less the hat diagonal (...)."""
        raise NotImplementedError

    def rotate_all(self, columns: NDArray) -> NDArray:
        """Targets of samples (n, q) and a column of ones, rotated: what `leave_one_out` takes."""
        return self.rotate(with_one(self.design.samples.to_cells(columns)))

    def leave_one_out(self, columns: NDArray, rotated: NDArray, alpha: float) -> NDArray:
        """Residuals of each sample under the fit to all other places; (n_samples, q).

        All samples at a place are left out together: one of them would tell the others. Encoders
        and penalty stay; the mean of the targets is that of the others.

        Parameters
        ----------
        columns : ndarray of shape (n_samples, q)
            Centred targets.
        rotated : ndarray
            ``rotate_all(columns)``.
        alpha : float
        """
        residuals, remaining = self._left(rotated, alpha)
        samples = self.design.samples
        residuals = _to_samples(samples, residuals / self._roots())  # (n, q + 1)
        in_all = samples.shares()
        # holes leave nothing
        without = np.where(in_all > 0, _to_samples(samples, remaining[None]), 1.0)
        means = samples.to_samples(samples.to_cells(columns))
        # the mean of all moves when a place goes
        moved = means * in_all / (1 - in_all)
        return (columns - means) + (residuals[:, :-1] + moved * residuals[:, -1:]) / without

    def left_over(self, cells: NDArray, alpha: float) -> tuple[NDArray, float]:
        """Residuals at the cells, and how many samples' worth of freedom the fit has left.

        Parameters
        ----------
        cells : ndarray of shape (q, *shape of the samples)
            Centred targets.
        alpha : float

        Returns
        -------
        residuals : ndarray of the same shape
            0 at holes.
        freedom : float
            Occupied cells less the trace of the hat matrix, with the mean.
        """
        residuals, remaining = self._left(self.rotate(with_one(cells)), alpha)
        samples, roots = self.design.samples, self._roots().ravel()
        residuals = residuals.reshape(len(residuals), -1)
        of_mean = float(np.sum(roots * residuals[-1]) / np.sum(roots**2))
        left = np.zeros((len(cells), samples.n_cells))
        left[:, samples.occupied] = residuals[:-1] / roots
        return left.reshape(cells.shape), float(remaining.sum()) - of_mean

    def _roots(self) -> NDArray:
        """Of the weights, as residuals have them."""
        return self.weigh(np.ones((1, *self.design.samples.shape)))[0]


def with_one(cells: NDArray) -> NDArray[np.float64]:
    """Targets (q, ...) in float64, and ones as a last column."""
    wide = cells.astype(np.float64, copy=False)
    return np.concatenate([wide, np.ones((1, *cells.shape[1:]))])


def _to_samples(samples: Samples, places: NDArray) -> NDArray:
    """Of all cells of a grid, or of those that have a sample."""
    if places[0].size == samples.n_cells:
        return samples.to_samples(places)
    cells = np.zeros((len(places), samples.n_cells))
    cells[:, samples.occupied] = places
    return samples.to_samples(cells.reshape(-1, *samples.shape))
