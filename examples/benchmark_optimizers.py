"""Adam beside Muon: rates of both, seconds to a PSNR, volumes, images and noisy samples.

"muon" moves hidden matrices by Muon and all else by Adam. Both optimisers have the same warm-up
and cosine, and take turns in one process. The volume is the video of `benchmark_volumes.py`, an
eighth of whose voxels is known. PSNR is that of the others. Times are CPU seconds of one thread
for `fit` alone. A seed decides the weights, the order of the rows and random frequencies.

    OMP_NUM_THREADS=1 python examples/benchmark_optimizers.py --part rates [--quick]

The other parts are race, large, image, noise and spread.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from benchmark_volumes import KNOWN, video
from rich.console import Console
from rich.table import Table
from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import LambdaLR

from sk_posenc import (
    CoordinateMLPRegressor,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)

SEEDS = (0, 1, 2)
BATCH = 1024
# Share of the steps in which the rate rises from 0.
WARM_UP = 0.05
# Spread of the frequencies, as in `benchmark_volumes.py`.
SPREAD = 0.5
NOISE = 0.1

Case = tuple[Any, Any, Any, Any]
Made = Callable[[int], CoordinateMLPRegressor]


def known_part(values: np.ndarray, points: np.ndarray, share: float, n_tests: int) -> Case:
    """Rows to train on, and at most `n_tests` of the others."""
    known = np.random.default_rng(0).uniform(size=len(values)) < share
    others = np.flatnonzero(~known)
    others = np.random.default_rng(1).permutation(others)[:n_tests]
    points = points.astype(np.float32)
    return points[known], values[known], points[others], values[others]


def volume_case(n: int) -> Case:
    points, values = grid_samples(video(n), 3 * [np.arange(n) / n])
    return known_part(values, points, KNOWN, 100_000)


def image_case(noise: float = 0.0) -> Case:
    """A quarter of the pixels of the astronaut, of one in four."""
    points, values = grid_samples(load_signal("astronaut")[0][::2, ::2], channels=True)
    X, y, at, truth = known_part(values, points, 0.25, 100_000)
    return X, y + noise * np.random.default_rng(2).standard_normal(y.shape), at, truth


def schedule(n_steps: int) -> LRScheduler:
    """A warm-up, then a cosine that ends at 0."""
    first = max(1, round(WARM_UP * n_steps))

    def share(step: int) -> float:
        if step < first:
            return (step + 1) / first
        return 0.5 + 0.5 * np.cos(np.pi * min(1.0, (step - first) / (n_steps - first)))

    return LRScheduler(policy=LambdaLR, lr_lambda=share, step_every="batch")


def network(case: Case, epochs: int, layers: int, encoder: Any, rates: tuple[float, ...]) -> Made:
    """A network of one rate by Adam, of two by Muon and Adam."""
    muon = {"optimizer": "muon", "optimizer__adam_lr": rates[-1]} if len(rates) == 2 else {}
    n_steps = epochs * -(-len(case[0]) // BATCH)

    def made(seed: int) -> CoordinateMLPRegressor:
        return CoordinateMLPRegressor(
            encoder(seed),
            hidden_layer_sizes=(256,) * layers,
            max_epochs=epochs,
            batch_size=BATCH,
            lr=rates[0],
            lr_schedule="constant",
            callbacks=[schedule(n_steps)],
            device="cpu",
            random_state=seed,
            **muon,
        )

    return made


def of_volume(case: Case, epochs: int, rates: tuple[float, ...], spread: float = SPREAD) -> Made:
    bandwidth = 1 / (2 * np.sqrt(2) * np.pi * spread)
    encoder = partial(RandomFourierEncoder, 256, bandwidth=bandwidth)
    return network(case, epochs, 5, lambda seed: encoder(random_state=seed), rates)


def of_image(case: Case, epochs: int, rates: tuple[float, ...]) -> Made:
    return network(case, epochs, 4, lambda seed: ShiftedBasisEncoder(), rates)


def measured(made: Made, case: Case, seed: int) -> tuple[float, float]:
    X, y, at, truth = case
    start = time.process_time()
    model = made(seed).fit(X, y.astype(np.float32))
    seconds = time.process_time() - start
    return psnr_score(truth, np.clip(model.predict(at), 0, 1)), seconds


def named(rates: tuple[float, ...]) -> str:
    return f"Adam, {rates[0]:g}" if len(rates) == 1 else f"muon, {rates[0]:g} and {rates[1]:g}"


def show(title: str, models: dict[str, Made], case: Case, seeds: Iterable[int]) -> None:
    """A table of models, which take turns."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for seed in seeds:
        for name, made in models.items():
            results[name].append(measured(made, case, seed))
            print(title, name, seed, *np.round(results[name][-1], 2), flush=True)
    table = Table(title=title)
    for heading in ("", "dB", "of the seeds", "CPU s"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, each in results.items():
        psnr, seconds = np.array(each).T
        of_seeds = " ".join(f"{value:.2f}" for value in psnr)
        table.add_row(name, f"{psnr.mean():.2f}", of_seeds, f"{seconds.mean():.1f}")
    Console(width=120).print(table)


# Rates of Adam; of Muon, and of the Adam beside it.
ADAMS = ((1e-3,), (2e-3,), (4e-3,), (8e-3,), (1.6e-2,))
MUONS = ((0.025, 3e-3), (0.05, 3e-3), (0.1, 3e-3), (0.05, 1e-3), (0.05, 1e-2))
ON_IMAGES = ((2e-3,), (4e-3,), (0.02, 3e-3), (0.05, 3e-3))
ADAM, MUON = (8e-3,), (0.05, 3e-3)


def volume(n: int, plan: Iterable[tuple[int, tuple[float, ...]]], seeds: Iterable[int]) -> None:
    """A plan of epochs and rates on the video."""
    case = volume_case(n)
    models = {
        f"{named(rates)}, {epochs} epochs": of_volume(case, epochs, rates) for epochs, rates in plan
    }
    show(f"video, {n}^3", models, case, seeds)


def rates(quick: bool) -> None:
    """As many epochs of both as take about the same time."""
    n, adam, muon = (16, 2, 1) if quick else (64, 16, 10)
    volume(n, [*((adam, each) for each in ADAMS), *((muon, each) for each in MUONS)], SEEDS)


def race(quick: bool) -> None:
    """Who has 32.5 dB first."""
    adam, muon = ((2,), (1,)) if quick else ((48, 80), (20, 24))
    plan = [*((epochs, ADAM) for epochs in adam), *((epochs, MUON) for epochs in muon)]
    volume(16 if quick else 64, plan, SEEDS[:1])


def large(quick: bool) -> None:
    n = 16 if quick else 128
    volume(n, ((3, ADAM), (2, MUON)), SEEDS[:1])


def image(quick: bool, noise: float = 0.0) -> None:
    case, (adam, muon) = image_case(noise), (2, 1) if quick else (20, 13)
    models = {}
    for each in ON_IMAGES:
        epochs = adam if len(each) == 1 else muon
        models[f"{named(each)}, {epochs} epochs"] = of_image(case, epochs, each)
    show(f"astronaut, a quarter of 256 x 256, noise {noise:g}", models, case, SEEDS)


def spreads(quick: bool) -> None:
    """Frequencies that suit each optimiser."""
    n, epochs = (16, 1) if quick else (64, 10)
    case = volume_case(n)
    models = {
        f"{named(rates)}, spread {spread:g}": of_volume(case, epochs, rates, spread)
        for spread in (0.5, 0.7, 1.0)
        for rates in ((3e-3,), MUON)
    }
    show(f"video, {n}^3, {epochs} epochs", models, case, SEEDS[:1])


PARTS: dict[str, Callable[[bool], None]] = {
    "rates": rates,
    "race": race,
    "large": large,
    "image": image,
    "noise": partial(image, noise=NOISE),
    "spread": spreads,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="all if none")
    parser.add_argument("--quick", action="store_true", help="small signals, a few epochs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for part in arguments.part or PARTS:
        PARTS[part](arguments.quick)


if __name__ == "__main__":
    main()
