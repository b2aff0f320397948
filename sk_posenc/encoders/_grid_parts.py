"""A part of the samples that stands for all of them: pieces of the domain, pushed together."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Pieces along each axis.
_PIECES = 4
# Share of the cells that is held out, off a grid.
_HELD_OUT = 0.2


class Trial(NamedTuple):
    """What short fits need that choose the smoothness of an encoder.

    Attributes
    ----------
    encoder : encoder
        Not fitted, for the rows of the trial.
    kept : ndarray of shape (n,), bool
        The samples of the trial.
    rows : ndarray of shape (n_kept, n_axes)
        Coordinates that they have there.
    held_out : ndarray of shape (n_kept,), bool
        Those that judge the fits to the others.
    on_grid : bool
        Whether samples lie on a grid, with a node for each.
    """

    encoder: Any
    kept: NDArray[np.bool_]
    rows: NDArray[np.float64]
    held_out: NDArray[np.bool_]
    on_grid: bool


def pieces_of(places: NDArray[np.float64], most: int) -> tuple[NDArray[np.bool_], NDArray, int]:
    """Rows in evenly spread pieces of the unit cube, where they are when pushed together.

    A fit of the part sees the signal in several regions, as closely sampled as before, but has
    fewer samples and nodes. It can tell how smooth a function should be at the same cost per node.

    Parameters
    ----------
    places : ndarray of shape (n, n_axes)
        Within the unit cube.
    most : int
        About how many rows the part should have at most.

    Returns
    -------
    kept : ndarray of shape (n,), bool
    pushed : ndarray of shape (n_kept, n_axes)
        Places of these rows, within the unit cube again.
    thinning : int
        How many times shorter each axis has become.
    """
    n, n_axes = places.shape
    thinning = max(1, int(np.ceil((n / most) ** (1 / n_axes) - 1e-9)))
    strips = places * (_PIECES * thinning)
    number = np.clip(np.floor(strips), 0, _PIECES * thinning - 1)
    kept = np.all(number % thinning == thinning // 2, axis=1)
    within = (strips - number)[kept]
    pushed = (number[kept] // thinning + within) / _PIECES
    return kept, np.clip(pushed, 0.0, 1.0), thinning


def some_cells(cells: NDArray) -> NDArray[np.bool_]:
    """Rows whose cell is held out; always the same."""
    _, cell = np.unique(cells, axis=0, return_inverse=True)
    drawn = np.random.RandomState(0).uniform(size=cell.max(initial=-1) + 1) < _HELD_OUT
    return np.asarray(drawn[cell.ravel()])


def every_second(places: NDArray[np.float64]) -> tuple[NDArray, NDArray[np.bool_]]:
    """Rows of a grid in units of twice its step, and which are off the grid of every second one.

    The grid of the others is as regular as the whole one: nodes that lie on all of its samples
    are judged at the places that the fit is for, between them.
    """
    numbers = [np.unique(x, return_inverse=True)[1] for x in places.T]
    rows = np.stack(numbers, axis=1)
    return rows / 2, np.any(rows % 2 == 1, axis=1)
