"""Whether few of many samples show all the detail that these have."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sk_posenc.kronecker._climb import first_steps
from sk_posenc.kronecker._stage import Stage

# Places that are asked how well the others predict them.
_ASKED = 256

# Places whose nearest one is looked for.
_NEAREST = 2_000

# Errors over differences of neighbours, up to which both are of the same noise. Few places add
# some of their own to it; detail that is finer doubles it, on photographs ten times.
_AS_LARGE = 1.5

# Or the share of the variance that few places leave unexplained, of a signal with little noise.
_ALL_BUT = 1e-3


def few_show_all(stage: Stage, alphas: NDArray, n_asked: int = _ASKED) -> bool:
    """Whether few places predict each other as well as nearest neighbours of all do.

    Half the mean squared difference of neighbours is noise, and detail finer than their distance.
    Where a fit to few places predicts one left out no worse, the others show no more detail.

    Parameters
    ----------
    stage : Stage
        Of all places.
    alphas : ndarray
    n_asked : int, default=256
        How many are few.
    """
    few = stage.few(n_asked)
    judged = [few.judge(each, alphas) for each in first_steps(few.n_axes, few.n_places)]
    error = min(each.squared_error[np.argmin(each.criterion)] for each in judged)
    return bool(error <= max(_AS_LARGE * _of_neighbours(stage), _ALL_BUT))


def _of_neighbours(stage: Stage) -> float:
    """Half the mean squared difference of nearest places; on a grid along the quietest axis."""
    if stage.is_grid:
        steps = [np.diff(stage.cells, axis=1 + a) for a in range(stage.n_axes)]
        return min(float(np.mean(each**2)) / 2 for each in steps if each.size)
    places = np.column_stack(stage.shares())
    asked = np.random.default_rng(0).permutation(len(places))[:_NEAREST]
    nearest = cKDTree(places).query(places[asked], [2])[1][:, 0]
    return float(np.mean((stage.cells[:, asked] - stage.cells[:, nearest]) ** 2)) / 2
