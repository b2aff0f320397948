"""The peers of benchmark_panel.py: splines, Clough-Tocher, thin plate and Gaussian processes.

Each is given every setting of a grid, and keeps the one that is best with the truth known,
seed by seed. Rows at the same place are merged into their mean. Axes are scaled to the same
range, or all by the longest; thin plate and Clough-Tocher have the better of both.
"""

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from panel_cases import Samples
from scipy.interpolate import (
    Akima1DInterpolator,
    CloughTocher2DInterpolator,
    CubicSpline,
    NearestNDInterpolator,
    RBFInterpolator,
    make_smoothing_spline,
)
from scipy.linalg import eigh
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

SPLINE_LAMS = [None, *np.logspace(-3, 11, 29)]  # None: by generalised cross-validation
SMOOTHINGS = [0.0, *np.logspace(-7, 1, 17)]
LENGTH_FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)  # of the length scales that are likeliest
NOISE_RATIOS = np.logspace(-9, 1, 21)  # variance of the noise over that of the signal
THIN_PLATE_UP_TO, NEIGHBOURS = 1500, 100
PROCESS_UP_TO, LIKELIHOOD_UP_TO = 1000, 300  # rows, others left out at random

Predictions = Iterator[NDArray[np.float64]]


def peer_errors(samples: Samples, noise: float) -> dict[str, float]:
    """The error of each peer that fits the axes, with its best setting."""
    X, y = merged(samples.X, samples.y)
    n_axes = X.shape[1]
    peers: dict[str, Predictions] = {}
    if n_axes == 1:
        peers["smoothing spline"] = smoothing_splines(X[:, 0], y, samples.X_test[:, 0])
        if noise == 0:
            peers["cubic spline"] = cubic_splines(X[:, 0], y, samples.X_test[:, 0])
    else:
        peers["thin plate"] = thin_plates(X, y, samples.X_test)
    if n_axes == 2:
        peers["Clough-Tocher"] = clough_tochers(X, y, samples.X_test)
    errors = {name: min(map(samples.error, tried)) for name, tried in peers.items()}
    return errors | process_errors(X, y, samples)


def merged(X: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """Rows at different places, sorted, with the mean of their targets."""
    places, at, counts = np.unique(X, axis=0, return_inverse=True, return_counts=True)
    return places, np.bincount(at.ravel(), weights=y) / counts


def scalings(X: NDArray, at: NDArray) -> Iterator[tuple[NDArray, NDArray]]:
    """Both with each axis scaled to [0, 1]; where that is not the same, by the longest axis."""
    low, spans = X.min(axis=0), np.ptp(X, axis=0)
    yield (X - low) / spans, (at - low) / spans
    if spans.max() > 1.1 * spans.min():
        yield (X - low) / spans.max(), (at - low) / spans.max()


def smoothing_splines(x: NDArray, y: NDArray, at: NDArray) -> Predictions:
    """With abscissas scaled to a mean spacing of 1."""
    spacing = (x[-1] - x[0]) / (len(x) - 1)
    for lam in SPLINE_LAMS:
        try:
            values = make_smoothing_spline(x / spacing, y, lam=lam)(at / spacing)
        except (np.linalg.LinAlgError, ValueError):  # too small for the closest abscissas
            continue
        if np.isfinite(values).all():
            yield values


def cubic_splines(x: NDArray, y: NDArray, at: NDArray) -> Predictions:
    yield CubicSpline(x, y)(at)
    yield CubicSpline(x, y, bc_type="natural")(at)
    yield Akima1DInterpolator(x, y)(at)
    yield Akima1DInterpolator(x, y, method="makima")(at)


def clough_tochers(X: NDArray, y: NDArray, at: NDArray) -> Predictions:
    for places, targets in scalings(X, at):
        values = CloughTocher2DInterpolator(places, y)(targets)
        beyond = np.isnan(values)  # on the hull, by rounding
        if beyond.any():
            values[beyond] = NearestNDInterpolator(places, y)(targets[beyond])
        yield values


def thin_plates(X: NDArray, y: NDArray, at: NDArray) -> Predictions:
    neighbours, smoothings = (None, SMOOTHINGS)
    if len(X) > THIN_PLATE_UP_TO:
        neighbours, smoothings = NEIGHBOURS, SMOOTHINGS[::3]
    for places, targets in scalings(X, at):
        for smoothing in smoothings:
            try:
                yield RBFInterpolator(places, y, neighbours, smoothing)(targets)
            except np.linalg.LinAlgError:
                continue


def process_errors(X: NDArray, y: NDArray, samples: Samples) -> dict[str, float]:
    """Of Gaussian processes with RBF or Matern kernels, by likelihood and with the truth known.

    The truth chooses the noise, and by how much all length scales are longer than the likeliest.
    """
    X, at = next(scalings(X, samples.X_test))
    rows = np.random.default_rng(0).permutation(len(X))[:PROCESS_UP_TO]
    X, y = X[rows], y[rows]
    by_likelihood, by_truth = [], []
    for kernel in (RBF, lambda lengths: Matern(lengths, nu=2.5)):
        lengths, ratio = likeliest(X[:LIKELIHOOD_UP_TO], y[:LIKELIHOOD_UP_TO], kernel)
        for factor in LENGTH_FACTORS:
            ratios = np.append(NOISE_RATIOS, ratio)
            values = process_values(X, y, at, kernel(factor * lengths), ratios)
            errors = [samples.error(each) for each in values.T]
            by_truth.append(min(errors))
            if factor == 1:
                by_likelihood.append(errors[-1])
    return {"GP by likelihood": min(by_likelihood), "GP by truth": min(by_truth)}


def likeliest(X: NDArray, y: NDArray, kernel) -> tuple[NDArray, float]:
    """Length scales of each axis and the ratio of noise to signal, from two starts."""
    best = None
    for start in (0.08, 0.4):
        whole = ConstantKernel() * kernel(np.full(X.shape[1], start)) + WhiteKernel(
            0.01, (1e-9, 10)
        )
        process = GaussianProcessRegressor(whole, normalize_y=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            process.fit(X, y)
        likelihood = process.log_marginal_likelihood_value_
        if best is None or likelihood > best.log_marginal_likelihood_value_:
            best = process
    signal, noise = best.kernel_.k1, best.kernel_.k2
    return np.atleast_1d(signal.k2.length_scale), noise.noise_level / signal.k1.constant_value


def process_values(
    X: NDArray, y: NDArray, at: NDArray, kernel, ratios: NDArray
) -> NDArray[np.float64]:
    """Means of the process: a column for each ratio, from one decomposition."""
    mean = y.mean()
    try:
        eigenvalues, vectors = eigh(kernel(X), driver="evd")
    except np.linalg.LinAlgError:  # it does not converge, which is rare; this one is slower
        eigenvalues, vectors = eigh(kernel(X), driver="ev")
    shrunk = (vectors.T @ (y - mean))[:, None] / (np.maximum(eigenvalues, 0)[:, None] + ratios)
    return mean + (kernel(at, X) @ vectors) @ shrunk
