"""Fields on the globe from scattered stations, beside a Gaussian process.

Stations lie anywhere on the sphere, or nearly all of them on patches like continents. The fields
are sums of harmonics up to degree 8, or of degree 3 with a storm of 12 degrees. Noise is 1 % or
20 % of the spread of the field. Errors are root mean squares over the whole globe, in spreads of
the field: medians over five seeds, or over those whose Gaussian process is stored. Then come the
share of the globe that ``return_std`` covers with two standard deviations, and CPU seconds of one
thread for fit and predict.

The Gaussian process is scikit-learn's, on (x, y, z), so that distances are chords. It has a
constant, the better of "rbf" and Matern 5/2 by marginal likelihood on 500 stations, and then its
length and noise from up to 1,000. All stations make the prediction. Its errors are stored in
benchmark_sphere.csv, as they take half an hour; --gp finds those that are not there.

    OMP_NUM_THREADS=1 python examples/benchmark_sphere.py [--quick] [--gp] [--stations 1000]
"""

import argparse
import csv
import itertools
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import eval_legendre
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Kernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline

from sk_posenc import KroneckerRidgeCV, SphereCoordinates, SphericalHarmonicEncoder

STORED = Path(__file__).with_suffix(".csv") if "__file__" in globals() else Path("none.csv")
SIZES, SEEDS, N_TRUE = (200, 1_000, 5_000), 5, 3_000
LAYOUTS, FIELDS, NOISES = ("uniform", "patches"), ("harmonics", "storm"), (0.01, 0.2)
CHOOSE, CLIMB = 500, 1_000  # stations that choose the kernel, and that find its length
PATCHES = [(-100, 45), (-60, -12), (20, 5), (75, 50), (135, -25), (20, 78), (-170, 66)]

Case = tuple[int, str, str, float, int]


def on_sphere(X: np.ndarray) -> np.ndarray:
    return SphereCoordinates().fit_transform(X)


def uniform(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.stack([rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))], 1)


def patches(n: int, rng: np.random.Generator) -> np.ndarray:
    """98 of 100 stations within 20 degrees of a few places, in proportion to the area."""
    X = uniform(40 * n, rng)
    near = (on_sphere(X) @ on_sphere(np.array(PATCHES)).T).max(axis=1) > np.cos(np.radians(20))
    return X[near | (rng.random(len(X)) < 0.003)][:n]


def field_of(name: str, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A random function of points: each degree has as many waves as it has harmonics."""
    degrees = range(1, 9 if name == "harmonics" else 4)
    waves = [
        (k, on_sphere(uniform(2 * k + 1, rng)), rng.normal(size=2 * k + 1) * (2 * k + 1) ** 0.5)
        for k in degrees
    ]
    storm = on_sphere(uniform(1, rng))[0]

    def field(points: np.ndarray) -> np.ndarray:
        values = sum(eval_legendre(k, points @ c.T) @ a / (1 + k) for k, c, a in waves)
        if name == "storm":
            values = values - 4 * np.exp((points @ storm - 1) / np.radians(12) ** 2)
        return np.asarray(values)

    return field


def samples_of(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Stations and what they measure, places and what is true there; in spreads of the field."""
    n, name, layout, noise, seed = case
    rng = np.random.default_rng(seed)
    field, everywhere = field_of(name, rng), uniform(N_TRUE, rng)
    X = (uniform if layout == "uniform" else patches)(n, rng)
    true = field(on_sphere(everywhere))
    y = field(on_sphere(X)) / true.std() + noise * rng.normal(size=n)
    return X, y, everywhere, true / true.std()


def gaussian_process(
    X: np.ndarray, y: np.ndarray, at: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    points, rows = on_sphere(X), rng.permutation(len(X))

    def fitted(kernel: Kernel, n: int) -> GaussianProcessRegressor:
        model = GaussianProcessRegressor(kernel, normalize_y=True)
        return model.fit(points[rows[:n]], y[rows[:n]])

    scales = ConstantKernel(1.0, (1e-3, 1e4)), WhiteKernel(1e-2, (1e-8, 10.0))
    shapes = RBF(0.5, (1e-2, 1e2)), Matern(0.5, (1e-2, 1e2), nu=2.5)
    tried = [fitted(scales[0] * shape + scales[1], CHOOSE) for shape in shapes]
    best = max(tried, key=lambda model: model.log_marginal_likelihood_value_)
    if len(X) > CHOOSE:
        best = fitted(best.kernel_, CLIMB)
    if len(X) > CLIMB:
        best = GaussianProcessRegressor(best.kernel_, optimizer=None, normalize_y=True)
        best.fit(points, y)
    return best.predict(on_sphere(at))


def rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def stored() -> dict[Case, float]:
    if not STORED.exists():
        return {}
    with STORED.open() as file:
        return {
            (int(n), name, layout, float(noise), int(seed)): float(error)
            for n, name, layout, noise, seed, error in list(csv.reader(file))[1:]
        }


def find_gaussian_process(cases: list[Case]) -> None:
    """Store the errors of the cases that are not stored yet."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # noise at its lower bound
    known = stored()
    for case in cases:
        if case in known:
            continue
        X, y, at, true = samples_of(case)
        found = gaussian_process(X, y, at, np.random.default_rng(case[-1]))
        known[case] = rms(found - true)
        lines = [",".join(map(str, each)) + f",{error:.6f}\n" for each, error in known.items()]
        STORED.write_text("".join(["stations,field,layout,noise,seed,error\n", *lines]))


def by_harmonics(X: np.ndarray, y: np.ndarray) -> Pipeline:
    """Ridge on harmonics, of the degree and alpha that are best by leave-one-out."""
    head = RidgeCV(np.geomspace(1e-8, 10, 19))
    encoders = [SphericalHarmonicEncoder(degree) for degree in (2, 4, 8, 12, 16)]
    fits = [make_pipeline(encoder, clone(head)).fit(X, y) for encoder in encoders]
    return max(fits, key=lambda model: model[-1].best_score_)


def ours(case: Case) -> dict[str, float]:
    X, y, at, true = samples_of(case)
    start = time.process_time()
    model = make_pipeline(SphereCoordinates(), KroneckerRidgeCV()).fit(X, y)
    found, std = model.predict(at, return_std=True)
    seconds = time.process_time() - start
    return {
        "ours": rms(found - true),
        "harmonics": rms(by_harmonics(X, y).predict(at) - true),
        "covered": float(np.mean(np.abs(found - true) < 2 * std)),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="200 stations and one seed")
    parser.add_argument("--gp", action="store_true", help="find errors that are not stored")
    parser.add_argument(
        "--stations", type=int, nargs="+", default=SIZES, help="a part of the sizes"
    )
    asked = parser.parse_args()
    sizes, n_seeds = (SIZES[:1], 1) if asked.quick else (asked.stations, SEEDS)
    groups = list(itertools.product(sizes, FIELDS, LAYOUTS, NOISES))
    if asked.gp:
        find_gaussian_process([(*group, seed) for group in groups for seed in range(n_seeds)])
    known = stored()
    table = Table(title="Root mean square errors on the globe, in spreads of the field")
    for heading in ("stations", "field", "places", "noise"):
        table.add_column(heading)
    for heading in ("GP", "KroneckerRidgeCV", "ratio", "harmonics", "ratio", "covered", "seconds"):
        table.add_column(heading, justify="right")
    for group in groups:
        cases = [(*group, seed) for seed in range(n_seeds)]
        cases = [case for case in cases if case in known] or cases
        found = [ours(case) for case in cases]
        of = {name: float(np.median([each[name] for each in found])) for name in found[0]}
        gp = float(np.median([known.get(case, np.nan) for case in cases]))
        table.add_row(
            f"{group[0]:,}", *group[1:3], f"{group[3]:.0%}", f"{gp:.4f}",
            f"{of['ours']:.4f}", f"{of['ours'] / gp:.2f}",
            f"{of['harmonics']:.4f}", f"{of['harmonics'] / gp:.2f}",
            f"{of['covered']:.0%}", f"{of['seconds']:.2f}",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
