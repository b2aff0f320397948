"""
Covariates beside the axes, against other ways to use them
==========================================================

Stations report temperatures that fall with elevation, on a smooth field that is higher in the
south, where the mountains are not. The lapse rate is known, so that errors and standard deviations
can be counted. Not part of the gallery::

    OMP_NUM_THREADS=1 python examples/benchmark_covariates.py
    OMP_NUM_THREADS=1 python examples/benchmark_covariates.py 10
"""

import sys
import time
import warnings

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel
from sklearn.linear_model import LinearRegression

from sk_posenc import KroneckerRidgeCV

LAPSE = -6.5  # degrees a kilometre
NOISE = 0.5
CASES = {"many stations": 150, "few stations": 60, "a year of dates": 40}


def landscape(rng):
    """Kilometres of a landscape: two ranges of mountains, and a relief that no station resolves."""
    centres = rng.uniform(0.2, 0.8, (2, 2))
    waves, phases = rng.normal(size=(40, 2)) * 25, rng.uniform(0, 2 * np.pi, 40)

    def metres(X):
        ranges = sum(np.exp(-(((X - c) / [0.15, 0.3]) ** 2).sum(axis=1)) for c in centres)
        relief = np.cos(X @ waves.T + phases).sum(axis=1) / np.sqrt(20)  # of variance 1
        return np.maximum(0.9 * ranges + 0.2 * relief + 0.3, 0)

    return metres


def field(rng):
    """Degrees at sea level."""
    a, b = rng.uniform(0, 2 * np.pi, 2)

    def degrees(X):
        return 12 - 4 * X[:, 1] + 2 * np.sin(4 * X[:, 0] + a) * np.cos(3 * X[:, 1] + b)

    return degrees


def sampled(case, seed):
    """Coordinates and elevations, and degrees without noise, of stations and of other places."""
    rng = np.random.default_rng(seed)
    metres, degrees, n = landscape(rng), field(rng), CASES[case]

    def of_places(X, dates=None):
        z = metres(X)
        truth = degrees(X) + LAPSE * z
        if dates is None:
            return np.column_stack([X, z]), truth
        season = (8 + 2 * X[:, 0]) * np.cos(2 * np.pi * (dates - 0.1 * X[:, 0]))
        return np.column_stack([X, dates, z]), truth + season

    stations, places = rng.uniform(size=(n, 2)), rng.uniform(size=(2_000, 2))
    if case != "a year of dates":
        known, truth = of_places(stations)
        others, exact = of_places(places)
    else:
        known, truth = of_places(np.repeat(stations, 8, axis=0), rng.uniform(size=8 * n))
        others, exact = of_places(places, rng.uniform(size=2_000))
    return known, truth + NOISE * rng.standard_normal(len(truth)), others, exact


def own(X, y, others):
    model = KroneckerRidgeCV(covariates=[-1]).fit(X, y)
    value, std = model.predict(others, return_std=True)
    return value, model.covariate_coef_[0], model.covariate_std_[0], std


def as_an_axis(X, y, others):
    return KroneckerRidgeCV().fit(X, y).predict(others), np.nan, np.nan, None


def linear_first(X, y, others):
    """By hand: a straight plane and the elevation, then a smooth function of what is left."""
    lapse = LinearRegression().fit(X, y).coef_[-1]
    model = KroneckerRidgeCV().fit(X[:, :-1], y - lapse * X[:, -1])
    return model.predict(others[:, :-1]) + lapse * others[:, -1], lapse, np.nan, None


def process(X, y, others):
    """A Gaussian process by maximal likelihood: a kernel of the axes, a linear one of all."""
    mean, spread = X.mean(axis=0), X.std(axis=0)
    widths = np.r_[np.ones(X.shape[1] - 1), 1e5]  # the smooth part does not see the elevation
    bounds = [(1e-2, 1e3)] * (X.shape[1] - 1) + [(1e5, 1e5 + 1)]
    kernel = ConstantKernel(1.0) * RBF(widths, bounds) + DotProduct() + WhiteKernel(0.1)
    model = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    model.fit((X - mean) / spread, y)
    step = np.zeros((2, X.shape[1]))
    step[1, -1] = 1 / spread[-1]
    low, high = model.predict(step)
    return model.predict((others - mean) / spread), high - low, np.nan, None


WAYS = {
    'KroneckerRidgeCV(covariates=["elevation"])': own,
    "elevation as one more axis": as_an_axis,
    "linear regression, then KroneckerRidgeCV": linear_first,
    "Gaussian process with a linear kernel": process,
}


def main(most=50):
    """Print a table for each case; of the slow one a fifth of the seeds."""
    warnings.simplefilter("ignore")
    for case, n in CASES.items():
        seeds = most if case != "a year of dates" else -(-most // 5)
        print(
            f"\n{case}: {n} stations, {seeds} seeds\n\n"
            "| | error | lapse rate off by | s |\n|---|---:|---:|---:|"
        )
        held, inside = 0, []
        for name, way in WAYS.items():
            errors, rates, start = [], [], time.process_time()
            for seed in range(seeds):
                X, y, others, exact = sampled(case, seed)
                value, lapse, std, spread = way(X, y, others)
                errors.append(np.sqrt(np.mean((value - exact) ** 2)))
                rates.append(lapse - LAPSE)
                if way is own:
                    held += abs(rates[-1]) <= 2 * std
                    inside.append(np.mean(np.abs(value - exact) <= 1.96 * spread))
            took = (time.process_time() - start) / seeds
            rate = np.sqrt(np.mean(np.square(rates)))
            print(f"| {name} | {np.median(errors):.3f} | {rate:.2f} | {took:.2f} |")
        print(
            f"\nlapse rate within 2 standard deviations: {held} of {seeds}; 95 % intervals hold "
            f"{np.mean(inside):.1%} (worst seed {np.min(inside):.0%})"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
