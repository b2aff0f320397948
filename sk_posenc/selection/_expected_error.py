"""The expected error of a network in its kernel regime between the samples of a signal."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.spatial import cKDTree

from sk_posenc.core.samples_per_axis import samples_per_axis

# Distances of samples, in cells, that count as near and as far; rows that show the roughness.
_NEAR, _FAR, _ANCHORS = (0.0, 1.3), (1.7, 2.6), 2000

# A Brownian path has 1; a smooth signal nears 2, where the expectation degenerates.
_EXPONENTS = (0.1, 1.95)
_FEWEST_PAIRS = 20

# Places drawn for each one that is kept, and how far one may be from a sample, in cells.
_DRAWS, _REACH = 4, 1.5


class Roughness(NamedTuple):
    r"""Half the mean squared difference of a signal at distance h: ``scale * h ** exponent``."""

    scale: float
    exponent: float


def in_cells(X: NDArray) -> NDArray[np.float64]:
    """Coordinates in units of the spacing that samples have along each axis."""
    X = X.astype(np.float64)
    low, span = X.min(axis=0), np.ptp(X, axis=0)
    gaps = np.maximum(samples_per_axis(X) - 1, 1)
    return (X - low) / np.where(span > 0, span, 1.0) * gaps


def roughness(
    cells: NDArray[np.float64], y: NDArray[np.float64], rng: np.random.RandomState
) -> Roughness:
    """Power law through the mean squared differences of near and of far neighbours.

    Parameters
    ----------
    cells : ndarray of shape (n_samples, n_axes)
        Coordinates in units of the spacing.
    y : ndarray of shape (n_samples, n_outputs)
    rng : RandomState
        Draws the rows whose neighbours are looked at.
    """
    n, n_axes = cells.shape
    anchors = rng.permutation(n)[:_ANCHORS]
    k = min(n, 6 * 4**n_axes, 512)
    distances, others = cKDTree(cells).query(
        cells[anchors], k=k, distance_upper_bound=_FAR[1] * (1 + 1e-9)
    )
    known = np.isfinite(distances) & (distances > 0)
    h = distances[known]
    difference = y[np.repeat(anchors, k)[known.ravel()]] - y[others[known]]
    halved = 0.5 * np.mean(difference**2, axis=1)
    near, far = ((low < h) & (h <= high) for low, high in (_NEAR, _FAR))
    variance = 0.5 * float(np.mean(np.var(y, axis=0)))
    if min(near.sum(), far.sum()) < _FEWEST_PAIRS or not halved[near].any():
        return Roughness(scale=variance, exponent=1.0)
    rise = np.log(halved[far].mean() / halved[near].mean())
    run = np.log(h[far].mean() / h[near].mean())
    exponent = float(np.clip(rise / run, *_EXPONENTS))
    return Roughness(float(halved[near].mean() / h[near].mean() ** exponent), exponent)


def neighbourhood(cells: NDArray[np.float64], n_rows: int) -> NDArray[np.intp]:
    """Up to `n_rows` rows: all those in a box around the middle, which keeps their density."""
    distance = np.max(np.abs(cells - np.median(cells, axis=0)), axis=1)
    order = np.argsort(distance, kind="stable")
    if n_rows >= len(order):
        return np.arange(len(order))
    # a shell that only half fits in would leave one side of the box without samples
    whole = np.flatnonzero(distance < distance[order[n_rows]] * (1 - 1e-9))
    return whole if 2 * len(whole) >= n_rows else np.sort(order[:n_rows])


def places_between(
    cells: NDArray[np.float64], n_places: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Places drawn uniformly in the box of the samples, where samples are near."""
    low, high = cells.min(axis=0), cells.max(axis=0)
    drawn = rng.uniform(low, high, size=(_DRAWS * n_places, cells.shape[1]))
    distance, _ = cKDTree(cells).query(drawn, p=np.inf)
    places = drawn[distance <= _REACH][:n_places]
    # samples along a curve fill little of their box: draw the missing places near samples
    start = cells[rng.randint(len(cells), size=n_places - len(places))]
    about = start + rng.uniform(-1.0, 1.0, size=start.shape)
    return np.concatenate([places, np.clip(about, low, high)])


def regression_weights(
    kernel: NDArray[np.float64], cross: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """Weights of the samples in predictions by kernel ridge regression about their mean.

    Parameters
    ----------
    kernel : ndarray of shape (n, n)
    cross : ndarray of shape (n_places, n)
    ridge : float

    Returns
    -------
    ndarray of shape (n_places, n)
        Rows sum to 1.
    """
    damped = kernel + ridge * np.eye(len(kernel))
    weights = linalg.solve(damped, cross.T, assume_a="pos", check_finite=False).T
    return weights + (1 - weights.sum(axis=1, keepdims=True)) / len(kernel)


def expected_error(
    weights: NDArray[np.float64],
    cross_variogram: NDArray[np.float64],
    variogram: NDArray[np.float64],
) -> float:
    r"""Mean squared error that linear predictions are expected to make.

    With :math:`\gamma` half the mean squared difference of the signal at two places and
    weights w that sum to 1, the error at a place is
    :math:`2 \sum_i w_i \gamma_i - \sum_{ij} w_i w_j \gamma_{ij}`, as in kriging.

    Parameters
    ----------
    weights, cross_variogram : ndarray of shape (n_places, n)
    variogram : ndarray of shape (n, n)
    """
    linear = 2 * np.sum(weights * cross_variogram, axis=1)
    quadratic = np.sum((weights @ variogram) * weights, axis=1)
    return float(np.mean(linear - quadratic))
