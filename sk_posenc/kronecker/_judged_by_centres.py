"""The criterion of a kernel on more places than a kernel of all of them has time for."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from sk_posenc.core.limits import limits_now
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._centres import ByCentres
from sk_posenc.kronecker._criterion import Judged, log_errors
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._similarity import SimilarityDesign
from sk_posenc.kronecker._stage import OF_COVARIATES, Resolution, Stage
from sk_posenc.kronecker.penalties import RADIAL, SIMILARITY

# What centres may leave of the kernel in the mean, in units of alpha: the criterion of one that
# differs by so much is that of a neighbouring alpha, to a tenth of the step between alphas.
_LEFT = 0.1


def judge_by_centres(
    samples: Samples, stage: Stage, resolution: Resolution, alphas: NDArray, likelihood: float
) -> Judged | None:
    r"""The criterion of `judge`, of all alphas; None where centres within the limits are too few.

    Parameters
    ----------
    samples : Samples
        The places of the stage, each with a weight of 1.
    stage : Stage
        Off a grid.
    resolution : Resolution
        Without maps of the axes.
    alphas : ndarray
        Ascending, greater than 0.
    likelihood : float
        How much the likelihood counts.

    Notes
    -----
    With the white features F of the centres, :math:`K \approx F F'`, and :math:`F'F = V \Lambda
    V'`, the inverse of :math:`K + \alpha` is :math:`(1 - G (\Lambda + \alpha)^{-1} G') / \alpha`,
    where :math:`G = F V`. So n places with r centres take n r^2 products.
    """
    solver = _solver(samples, stage, resolution, float(alphas[0]))
    if solver.left > _LEFT:
        return None
    roots = stage.all_roots()
    features, between = (
        solver.white_rows(),
        solver.white(solver.centres.functions_at(stage.between)),
    )
    if stage.beside is not None:
        beside = math.sqrt(OF_COVARIATES) * stage.beside.T
        features = np.hstack([features, beside])
        between = np.hstack([between, np.zeros((len(between), beside.shape[1]))])
    features *= roots[:, None]
    values, vectors = linalg.eigh(features.T @ features, driver="evd", check_finite=False)
    values, turned = np.maximum(values, 0.0), features @ vectors
    targets, n = stage.cells * roots, len(roots)
    of_targets, of_one = targets @ turned, roots @ turned
    squares, at_points = turned**2, between @ vectors
    before = np.maximum(1 - np.sum(between**2, axis=1), 0.0)
    criterion, squared = np.empty(len(alphas)), np.empty(len(alphas))
    for i, alpha in enumerate(alphas):
        inverse = 1 / (values + alpha)
        own = (roots - turned @ (inverse * of_one)) / alpha
        ones = own @ roots
        mean = targets @ own / ones
        centred = targets - mean[:, None] * roots
        shrunk = (of_targets - mean[:, None] * of_one) * inverse
        residuals = (centred - shrunk @ turned.T) / alpha
        left = np.maximum(1 - squares @ inverse, np.finfo(np.float64).eps)
        diagonal = np.maximum(left / alpha - own**2 / ones, np.finfo(np.float64).tiny)
        unsure = before + alpha * (at_points**2 @ inverse) + alpha
        unsure += (1 - at_points @ (inverse * of_one)) ** 2 / ones
        far = math.log(np.mean(unsure)) + float(np.mean(np.log(diagonal)))
        volume = np.sum(np.log(values + alpha)) + (n - len(values)) * math.log(alpha)
        fit = np.mean(residuals * centred, axis=1)
        density = likelihood * (np.log(fit) + (volume + math.log(ones)) / n)
        left_out = log_errors(residuals[None], diagonal[None, None], roots)[0]
        criterion[i] = np.mean(left_out + density) + max(far, 0.0)
        squared[i] = np.mean((residuals / diagonal) ** 2)
    return Judged(criterion, squared)


def _solver(samples: Samples, stage: Stage, resolution: Resolution, alpha: float) -> ByCentres:
    lengths = [each.high - each.low for each in stage.spacings]
    encoders = [  # bandwidths, as a part of the places may not reach the ends of the domain
        ShiftedBasisEncoder(resolution.basis, bandwidth=resolution.width(axis) * length)
        for axis, length in enumerate(lengths)
    ]
    penalty = RADIAL if resolution.radial else SIMILARITY
    design = Problem(samples, encoders, penalty, alphas=[alpha], by_centres=True).design
    assert isinstance(design, SimilarityDesign)
    return ByCentres(design, alpha, limits_now().judged_steps)
