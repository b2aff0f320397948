"""The noise of samples, as a process says that is learnt from them."""

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._device import NUMPY
from sk_posenc.kronecker._fit import Fit
from sk_posenc.kronecker._learnt import can_learn, learnt_search
from sk_posenc.kronecker._parts import parts_of
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._stage import Stage
from sk_posenc.kronecker._targets import Units


def learnt_noise(samples: Samples, targets: NDArray) -> NDArray[np.float64]:
    """Variance of the noise of a sample of mean weight, (q,); 0 where too few samples tell.

    Many places are too many for a kernel of all of them. Whole neighbourhoods stand for them:
    places next to each other tell noise from detail.

    Parameters
    ----------
    samples : Samples
    targets : ndarray of shape (n_samples, q)
    """
    rows = _neighbours(samples)
    part = samples if rows is None else samples.part(rows)
    own = targets if rows is None else targets[rows]
    units = Units(part, own)
    if not can_learn(part):
        return np.zeros(own.shape[1])
    choice = learnt_search(part, own, units, NUMPY)
    problem = choice.problem
    alpha = choice.results["params"][choice.best]["alpha"] * problem.scale
    centred = units.scaled((own - units.mean).T)
    cells = part.to_cells(centred.T)
    solution, _, _ = problem.solver.solve(cells, alpha, 0.0, 0)
    fit = Fit(problem, alpha, units, centred.T if part.repeats else cells, units.back(solution))
    return fit.noise_variance * part.mean_weight / samples.mean_weight


def _neighbours(samples: Samples) -> NDArray[np.bool_] | None:
    """Rows of samples in some neighbourhoods; None where all places are few enough."""
    most, occupied = limits_now().part_size, samples.occupied
    if len(occupied) <= most:
        return None
    places = samples.places(occupied)
    spacings = Stage.spacings_of(samples)
    shares = np.column_stack([each.evenly(x) for each, x in zip(spacings, places, strict=True)])
    return samples.rows_at(occupied[parts_of(shares, most)[1]])
