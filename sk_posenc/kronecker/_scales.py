"""How large noise and signal are, where neither penalty nor alpha was chosen to say so."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._cholesky import ByCholesky
from sk_posenc.kronecker._direct import Factored
from sk_posenc.kronecker._factors import spectrum
from sk_posenc.kronecker._fit import Fit
from sk_posenc.kronecker._gradients import Gradients
from sk_posenc.kronecker._leaves_out import LeavesOut
from sk_posenc.kronecker._noise import learnt_noise

# Signs drawn at random: traces by 32 of them have an error of a few percent.
_PROBES = 32

# How near conjugate gradients come to what a fit leaves of these, and of its residuals.
_TOLERANCE = 0.02
_MOST_STEPS = 2_000

# The signal varies at least by this share of what the fit takes it for: deviations far from
# samples are halved at most.
_LEAST_SIGNAL = 0.25


@dataclass(frozen=True)
class Scales:
    """Two variances of each output, of which a ridge knows only the ratio.

    A ridge takes the function for a Gaussian process, of covariance ``noise / alpha P^-1`` in its
    coefficients. A search chooses alpha so that predictions are good, which need not be the ratio
    of the two. Here both are estimated.

    Attributes
    ----------
    noise : ndarray of shape (q,)
        Of a sample of mean weight.
    signal : ndarray of shape (q,)
        Of the process, over what `noise` and alpha say.
    thinning : float
        What the noise of a place is to that of a sample.
    """

    noise: NDArray[np.float64]
    signal: NDArray[np.float64]
    thinning: float

    def deviations(self, whole: NDArray, of_noise: NDArray) -> NDArray[np.float64]:
        """Standard deviations (m, q) of functions.

        With ``M = A' A + alpha P`` the error of a ridge has the covariance
        ``M^-1 (noise A' A + signal noise alpha P) M^-1``: noise, and what the fit smooths away.

        Parameters
        ----------
        whole, of_noise : ndarrays of shape (m,)
            Of a posterior, and the part of it that noise makes.
        """
        smoothed = np.maximum(whole - of_noise, 0.0)
        variance = of_noise[:, None] + smoothed[:, None] * self.signal
        return np.sqrt(variance * self.noise * self.thinning)


def scales_of(fit: Fit) -> Scales:
    """Noise by a process learnt from the samples, signal by what the fit leaves of them.

    The noise is the larger of two: that of the fit, which is too little where it interpolates,
    and that of a Gaussian process whose resolution is learnt. With R the matrix that gives the
    residuals r, ``H = I - R``, and y of covariance ``noise (I + signal H R^-1)``, the mean of
    ``r' H r`` is ``noise (tr H R^2 + signal tr H^2 R)``: of all residuals these are the smooth
    ones, which tell most of the signal.
    """
    samples = fit.problem.samples
    noise = fit.noise_variance
    if not _goes_round(fit):  # the process knows no periods
        noise = np.maximum(noise, learnt_noise(samples, fit.targets()))
    squares, of_noise, of_signal = _smooth_residuals(fit)
    known = (noise > 0) & (of_signal > 0)
    at_places = np.where(known, noise, 1.0) * samples.thinning
    signal = (squares / at_places - of_noise) / (of_signal or 1.0)
    least = _LEAST_SIGNAL * fit.noise_variance / np.where(known, noise, 1.0)
    return Scales(noise, np.where(known, np.maximum(signal, least), 1.0), samples.thinning)


def scales_of_learnt(fit: Fit) -> Scales | None:
    """Those of a process that was learnt: None, or more signal where the function varies more.

    The criterion asks for good predictions. In pauses that are as long as waves these are best
    where much is smoothed away, as if the signal were no larger than its noise.
    """
    varies = fit.varies_as_claimed
    if np.all(varies <= 1):
        return None
    return Scales(fit.noise_variance, np.maximum(varies, 1.0), fit.problem.samples.thinning)


def _goes_round(fit: Fit) -> bool:
    boundaries = (getattr(axis.encoder, "boundary", None) for axis in fit.problem.design.axes)
    return any(each == "periodic" for each in boundaries)


def _smooth_residuals(fit: Fit) -> tuple[NDArray[np.float64], float, float]:
    """``r' H r`` of each output, and the traces of ``H R^2`` and ``H^2 R``."""
    samples, centred = fit.problem.samples, fit.centred
    cells = samples.to_cells(centred) if samples.repeats else centred
    solver = fit.problem.solver
    if isinstance(solver, Factored):
        kept = fit.alpha / (spectrum(solver.factors) + fit.alpha)
        energy = solver.rotate(cells) ** 2
        if energy[0].size == kept.size:
            squares = np.sum((energy * kept**2 * (1 - kept)).reshape(len(cells), -1), axis=1)
            traces = float(np.sum(kept**2 * (1 - kept))), float(np.sum(kept * (1 - kept) ** 2))
            return squares * fit.units.exact**2, *traces
    left = _leaving(fit)
    weights = np.ones(samples.shape) if samples.weights is None else samples.weights
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(_PROBES, *samples.shape))
    probes = signs / np.sqrt(np.where(weights > 0, weights, np.inf))
    of_cells = left(cells)
    squares = _products(of_cells, of_cells - left(of_cells), weights)
    once = left(probes)
    smooth = once - left(once)
    of_noise = _products(once, smooth, weights)
    of_signal = _products(probes - once, smooth, weights)
    return squares * fit.units.exact**2, float(of_noise.mean()), float(of_signal.mean())


def _products(first: NDArray, second: NDArray, weights: NDArray) -> NDArray[np.float64]:
    return np.sum((first * second * weights).reshape(len(first), -1), axis=1)


def _leaving(fit: Fit) -> Callable[[NDArray], NDArray]:
    """What gives the residuals of targets (q, *shape of the samples) that are not centred."""
    problem, alpha = fit.problem, fit.alpha
    solver = problem.solver
    if isinstance(solver, Gradients):
        iteration = solver.iteration(_TOLERANCE)

        def left(cells: NDArray) -> NDArray:
            solution, _, _ = solver.solve(
                cells, alpha, _TOLERANCE, _MOST_STEPS, iteration=iteration
            )
            return solver.left_over(cells, solution)

        return left
    direct = solver if isinstance(solver, ByCholesky | LeavesOut) else problem._factored("samples")
    return lambda cells: direct.left_over(cells, alpha)[0]
