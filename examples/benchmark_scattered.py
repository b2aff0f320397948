"""KroneckerRidgeCV on scattered samples beside Delaunay and Clough-Tocher, and how it grows.

A quarter of the pixels of 512 x 512, drawn at random, is known. PSNR is that of all others. Where
a triangulation has no value, it gets that of the nearest sample. Then come a million samples of
two axes, and seconds against samples.

Times are CPU seconds of one thread for fit and predict. Ours include the selection of penalty and
alpha: once among exponents of smoothness, once with the penalty that follows the function. The
plain KroneckerRidge() selects nothing. Ratios are to Clough-Tocher in the same process.

    OMP_NUM_THREADS=1 python examples/benchmark_scattered.py [--quick]
"""

import argparse
import os
import resource
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from benchmark_kronecker import IMAGES, load_image
from rich.console import Console
from rich.table import Table
from scipy.interpolate import (
    CloughTocher2DInterpolator,
    LinearNDInterpolator,
    NearestNDInterpolator,
)

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, grid_samples, psnr_score

KNOWN = 0.25


def timed(call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.process_time()
    values = call()
    return values, time.process_time() - start


def triangulated(interpolator: type, X: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    values = interpolator(X, y)(at)
    beyond = np.isnan(values).any(axis=1)
    if beyond.any():
        values[beyond] = NearestNDInterpolator(X, y)(at[beyond])
    return values


def images(names: list[str], console: Console) -> None:
    table = Table(title="A quarter of the pixels of 512 x 512 known: PSNR on the others, dB")
    headings = "Delaunay", "Clough-Tocher", "ours", "gain on the better", "penalty", "alpha"
    for heading in (
        "",
        *headings,
        "ratio to Clough-Tocher",
        "adaptive",
        "gain",
        "alpha",
        "ratio",
        "plain",
        "gain",
        "ratio",
    ):
        table.add_column(heading, justify="right")
    gains: dict[str, list[float]] = {"ours": [], "adaptive": [], "plain": []}
    ratios: dict[str, list[float]] = {own: [] for own in gains}
    for name in names:
        image = load_image(name)
        everywhere, values = grid_samples(image, channels=True)
        known = np.random.default_rng(0).uniform(size=len(values)) < KNOWN
        X, y = everywhere[known], values[known]
        models = {
            "ours": KroneckerRidgeCV(),
            "adaptive": KroneckerRidgeCV(penalties="adaptive"),
            "plain": KroneckerRidge(),
        }
        results = {
            "Delaunay": timed(lambda: triangulated(LinearNDInterpolator, X, y, everywhere)),  # noqa: B023
            "Clough-Tocher": timed(
                lambda: triangulated(CloughTocher2DInterpolator, X, y, everywhere)  # noqa: B023
            ),
        }
        for own, model in models.items():
            results[own] = timed(lambda: model.fit(X, y).predict(everywhere))  # noqa: B023
        psnr = {
            method: psnr_score(values[~known], np.clip(filled[~known], 0, 1))
            for method, (filled, _) in results.items()
        }
        for own in models:
            gains[own].append(psnr[own] - max(psnr["Delaunay"], psnr["Clough-Tocher"]))
            ratios[own].append(results[own][1] / results["Clough-Tocher"][1])
        table.add_row(
            name,
            *(f"{psnr[method]:.2f}" for method in ("Delaunay", "Clough-Tocher", "ours")),
            f"{gains['ours'][-1]:+.2f}",
            f"{models['ours'].penalty_:g}",
            f"{models['ours'].alpha_:.1e}",
            f"{ratios['ours'][-1]:.2f}",
            f"{psnr['adaptive']:.2f}",
            f"{gains['adaptive'][-1]:+.2f}",
            f"{models['adaptive'].alpha_:.2f}",
            f"{ratios['adaptive'][-1]:.2f}",
            f"{psnr['plain']:.2f}",
            f"{gains['plain'][-1]:+.2f}",
            f"{ratios['plain'][-1]:.2f}",
        )
    console.print(table)
    for own in gains:
        console.print(
            f"{own}: gain on the better in the mean {np.mean(gains[own]):+.2f} dB, least "
            f"{np.min(gains[own]):+.2f}; ratio to Clough-Tocher in the median "
            f"{np.median(ratios[own]):.2f}, highest {np.max(ratios[own]):.2f}"
        )


def growth(counts: list[int], console: Console) -> None:
    """Seconds of a field of waves, at 10,000 new points, and what memory it took at most."""
    rng = np.random.default_rng(0)
    waves, phases = rng.normal(size=(40, 2)) * 60, rng.uniform(0, 2 * np.pi, 40)

    def field(X: np.ndarray) -> np.ndarray:
        return np.cos(X @ waves.T + phases).sum(axis=1) / np.sqrt(20)

    at = rng.uniform(0.01, 0.99, size=(10_000, 2))
    seconds = []
    for count in counts:
        X = rng.uniform(size=(count, 2))
        y = field(X) + 0.1 * rng.standard_normal(count)
        model = KroneckerRidgeCV()
        values, own = timed(lambda: model.fit(X, y).predict(at))  # noqa: B023
        seconds.append(own)
        error = float(np.sqrt(np.mean((values - field(at)) ** 2)))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        console.print(
            f"{count:>9,} samples with noise 0.1: {own:6.2f} s, error {error:.4f}, "
            f"at most {peak:.2f} GiB so far"
        )
    slope = np.polyfit(np.log(counts[-3:]), np.log(seconds[-3:]), 1)[0]
    console.print(f"time grows as samples ** {slope:.2f} (last three)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one image, few samples")
    arguments = parser.parse_args()
    console = Console(width=190)
    images(IMAGES[:1] if arguments.quick else IMAGES, console)
    growth([3_000, 10_000, 30_000] + [100_000, 300_000, 1_000_000] * (not arguments.quick), console)


if __name__ == "__main__":
    main()
