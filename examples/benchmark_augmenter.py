"""Where augmented positions help a coordinate network, and where they do not.

::

    OMP_NUM_THREADS=1 python examples/benchmark_augmenter.py

It takes eight minutes, and prints the tables of the page on augmented positions. The networks are
two hidden layers of 256 units, trained for 63 epochs at one rate. Figures are
PSNR in dB on pixels that were not given, as means over seeds.
"""

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from compare_classical import NOISE, load_image
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.interpolate import RegularGridInterpolator

from sk_posenc import (
    CoordinateMLPRegressor,
    KroneckerRidgeCV,
    PositionAugmenter,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    psnr_score,
)

Floats = NDArray[np.float64]
# Training samples, pixels to predict, and the distance of neighbouring samples in pixels.
Task = tuple[Floats, Floats, Floats, Floats, float]

ENCODERS = ("RandomFourierEncoder", "ShiftedBasisEncoder")
# Shifts in units of the distance of neighbouring samples.
LOCAL = (0.25, 0.5, 1.0, 1.5)
GLOBAL = (2.0, 8.0)


def pixels(image: Floats) -> tuple[Floats, Floats]:
    """Rows and columns of pixels, counted from 0, and their values."""
    return grid_samples(image, tuple(np.arange(n, dtype=float) for n in image.shape))


def scattered(image: Floats, seed: int) -> Task:
    """A quarter of the pixels at random, with noise."""
    X, y = pixels(image)
    rng = np.random.default_rng(seed)
    known = np.zeros(len(y), dtype=bool)
    known[rng.permutation(len(y))[: len(y) // 4]] = True
    noisy = y[known] + NOISE * rng.standard_normal(known.sum())
    return X[known], noisy, X[~known], y[~known], 2.0


def coarser(image: Floats, seed: int) -> Task:
    """Means of 2 x 2 pixels, without noise; all pixels are to be predicted."""
    side = len(image) // 2
    means = image.reshape(side, 2, side, 2).mean(axis=(1, 3))
    centres = 2 * np.arange(side) + 0.5
    return *grid_samples(means, (centres, centres)), *pixels(image), 2.0


def network(encoder: str, augmenter: PositionAugmenter | None, seed: int) -> CoordinateMLPRegressor:
    made: Any = (
        RandomFourierEncoder(random_state=seed) if encoder == ENCODERS[0] else ShiftedBasisEncoder()
    )
    return CoordinateMLPRegressor(
        made,
        augmenter=augmenter,
        hidden_layer_sizes=(256, 256),
        lr=1e-3,
        lr_schedule="constant",
        max_epochs=63,
        random_state=seed,
        device="cpu",
    )


def cubic(X: Floats, y: Floats, at: Floats) -> Floats:
    rows, columns = np.unique(X[:, 0]), np.unique(X[:, 1])
    values = y.reshape(len(rows), len(columns))
    interpolator = RegularGridInterpolator((rows, columns), values, method="cubic")
    return interpolator(np.clip(at, X.min(axis=0), X.max(axis=0)))


def augmenters(
    task: str, seed: int, spacing: float, shares: Sequence[float]
) -> Iterator[tuple[str, PositionAugmenter | None]]:
    """What is compared, with its name."""
    yield "no augmenter", None
    for share in shares:
        yield f"local shift {share:g} spacings", PositionAugmenter(local_shift=share * spacing)
    if task == "coarser":
        yield "global scale 1.1", PositionAugmenter(global_scale=1.1)
    elif seed == 0:
        for share in GLOBAL:
            yield (
                f"global shift {share:g} spacings",
                PositionAugmenter(global_shift=share * spacing),
            )


def peer_of(task: str, X: Floats, y: Floats, at: Floats) -> tuple[str, Floats]:
    """What the networks are held against."""
    if task == "coarser":
        return "cubic spline", cubic(X, y, at)
    model = KroneckerRidgeCV(penalties="adaptive")
    return "KroneckerRidgeCV", model.fit(X, y).predict(at)


# Setting -> model -> photograph and seed -> PSNR and CPU seconds.
Results = dict[str, dict[str, dict[tuple[str, int], tuple[float, float]]]]


def measure(task: str, arguments: argparse.Namespace, told: Console) -> Results:
    results: Results = {}
    make = {"scattered": scattered, "coarser": coarser}[task]
    for seed, name in itertools.product(range(arguments.seeds), arguments.images):
        X, y, at, truth, spacing = make(load_image(name, arguments.size), seed)

        def note(setting: str, encoder: str, predicted: Floats, start: float) -> None:
            score = psnr_score(truth, predicted), time.process_time() - start  # noqa: B023
            results.setdefault(setting, {}).setdefault(encoder, {})[name, seed] = score  # noqa: B023
            told.print(task, name, seed, setting, encoder, f"{score[0]:.2f} dB")  # noqa: B023

        for setting, augmenter in augmenters(task, seed, spacing, arguments.shares):
            for encoder in ENCODERS:
                start = time.process_time()
                model = network(encoder, augmenter, seed).fit(X, y)
                note(setting, encoder, model.predict(at), start)
        start = time.process_time()
        peer, predicted = peer_of(task, X, y, at)
        note(peer, "", predicted, start)
    return results


def of_image(results: Results, name: str) -> Results:
    return {
        setting: {
            encoder: {case: score for case, score in scores.items() if case[0] == name}
            for encoder, scores in models.items()
        }
        for setting, models in results.items()
    }


def print_table(title: str, results: Results, console: Console) -> None:
    """Means over seeds, what is gained with the same seed, its deviation, CPU seconds."""
    table = Table(title=title)
    for column in ("dB; gain over no augmenter; s", *ENCODERS):
        table.add_column(column)
    for setting, models in results.items():
        cells = []
        for encoder, scores in models.items():
            psnr, seconds = np.mean(list(scores.values()), axis=0)
            cell = f"{psnr:.2f}"
            if encoder and len(scores) > 1:
                without = results["no augmenter"][encoder]
                gains = [score[0] - without[case][0] for case, score in scores.items()]
                cell += f"; {np.mean(gains):+.2f} ± {np.std(gains, ddof=1):.2f}"
            cells.append(f"{cell}; {seconds:.1f} s")
        table.add_row(setting, *cells)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", nargs="+", default=["camera", "astronaut"])
    parser.add_argument("--size", type=int, default=64, help="pixels along each axis")
    parser.add_argument("--shares", type=float, nargs="*", default=LOCAL, help="local shifts")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=["scattered", "coarser"])
    arguments = parser.parse_args()
    console = Console(width=130)
    for task in arguments.tasks:
        results = measure(task, arguments, Console(stderr=True, width=130))
        for name in arguments.images:
            print_table(f"{task}, {name}", of_image(results, name), console)


if __name__ == "__main__":
    main()
