"""Directions of random features: rows of normal numbers, independent or orthogonal in blocks."""

import numpy as np
from numpy.typing import NDArray


def draw_directions(
    n_directions: int, n_axes: int, orthogonal: bool, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Rows (n_directions, n_axes), each of them standard normal."""
    if not orthogonal:
        return rng.standard_normal((n_directions, n_axes))
    n_blocks = -(-n_directions // n_axes)
    rows = _rotations(n_blocks, n_axes, rng).reshape(-1, n_axes)[:n_directions]
    lengths = np.linalg.norm(rng.standard_normal((n_directions, n_axes)), axis=1)
    return rows * lengths[:, None]


def _rotations(n_matrices: int, n: int, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Orthogonal matrices, any as likely as any other."""
    Q, R = np.linalg.qr(rng.standard_normal((n_matrices, n, n)))
    # LAPACK's own signs favour some matrices (Mezzadri 2007)
    signs = np.where(np.diagonal(R, axis1=1, axis2=2) < 0, -1.0, 1.0)
    return np.asarray(Q * signs[:, None, :])
