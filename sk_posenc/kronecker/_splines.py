"""Cubic B-splines with knots one unit apart, as sparse rows."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.encoders.bases import resolve_basis

_BSPLINE = resolve_basis("bspline")

# Stable rank of an axis over its knots.
RANK_PER_KNOT = _BSPLINE.stable_rank(1.0)


def circular_rows(u: NDArray[np.float64], n_knots: int) -> sparse.csr_array:
    """Functions around a circle of n_knots units, centred at whole u; (m, n_knots)."""
    first = np.floor(u).astype(np.intp) - 1
    columns = first[:, None] + np.arange(4)
    return _rows(_BSPLINE.phi(u[:, None] - columns, np), columns % n_knots, n_knots)


def open_rows(u: NDArray[np.float64], n_intervals: int) -> sparse.csr_array:
    """Functions on [0, n_intervals], which go on beyond as straight lines; (m, n_intervals + 3)."""
    inside = np.clip(u, 0.0, n_intervals)
    first = np.minimum(np.floor(inside).astype(np.intp), n_intervals - 1)
    columns = first[:, None] + np.arange(4)
    distance = inside[:, None] - (columns - 1)  # column j is centred at j - 1
    slope = _BSPLINE.derivative(distance, 1, np)
    values = _BSPLINE.phi(distance, np) + slope * (u - inside)[:, None]
    return _rows(values, columns, n_intervals + 3)


def bending(n_intervals: int) -> NDArray[np.float64]:
    """Integrals of products of second derivatives over [0, n_intervals]."""
    size = n_intervals + 3
    matrix = np.zeros((size, size))
    nodes, weights = np.polynomial.legendre.leggauss(2)  # exact for products of straight lines
    second = _BSPLINE.derivative((nodes[:, None] + 1) / 2 - np.arange(-1, 3), 2, np)
    one = (second * weights[:, None] / 2).T @ second  # (4, 4), of one interval
    for start in range(n_intervals):
        matrix[start : start + 4, start : start + 4] += one
    return matrix


def energy(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean square of a circular spline whose coefficients are a unit wave; turns per knot."""
    lags = np.arange(1, 4)
    overlaps = np.asarray(_BSPLINE.similarity(lags.astype(float))) * _BSPLINE.energy
    return _BSPLINE.energy + 2 * np.cos(2 * np.pi * np.multiply.outer(turns, lags)) @ overlaps


def _rows(
    values: NDArray[np.float64], columns: NDArray[np.intp], n_columns: int
) -> sparse.csr_array:
    m = len(values)
    starts = np.arange(0, 4 * m + 1, 4)
    rows = sparse.csr_array((values.ravel(), columns.ravel(), starts), shape=(m, n_columns))
    rows.sum_duplicates()  # on circles of fewer than four knots
    return rows
