"""The training of a coordinate network by default, beside the defaults of before.

Photographs of 512 x 512 pixels are learnt from every second pixel of every second row, and tested
on the others. Short lines, clean and noisy, and noisy pixels of small photographs follow. The old
settings are one rate of 1e-3, batches of up to 1,024 rows and twice the epochs. Both are fitted in
turns in one process; seconds are those of one processor.

    OMP_NUM_THREADS=1 python examples/benchmark_defaults.py [--seeds 3] [--images astronaut camera]
        [--parts photographs lines noisy]
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.transform import resize

from sk_posenc import (
    CoordinateMLPRegressor,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)

IMAGES = ("astronaut", "camera", "coffee", "china", "flower")
NOISE = 0.1
# Training rows, their values, test rows, their values.
Task = tuple[NDArray, NDArray, NDArray, NDArray]


def photograph(name: str, size: int) -> NDArray:
    """A square in the middle, in [0, 1]."""
    image = np.asarray(load_signal(name)[0], dtype=float)
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size:
        return square
    return np.clip(resize(square, (size, size, *image.shape[2:]), anti_aliasing=True), 0, 1)


def every_second(name: str, seed: int) -> Task:
    image = photograph(name, 512)
    X, y = grid_samples(image, 2 * [np.arange(512) / 512], channels=image.ndim == 3)
    known = np.zeros((512, 512), dtype=bool)
    known[::2, ::2] = True
    known = known.ravel()
    X = X.astype(np.float32)
    return X[known], y[known], X[~known], y[~known]


def scattered(name: str, size: int, noise: float, seed: int) -> Task:
    """A quarter of the pixels of a grey photograph, at random."""
    image = photograph(name, size)
    X, y = grid_samples(image.mean(axis=2) if image.ndim == 3 else image)
    rng = np.random.default_rng(seed)
    known = np.zeros(len(y), dtype=bool)
    known[rng.permutation(len(y))[: len(y) // 4]] = True
    noisy = y[known] + noise * rng.standard_normal(known.sum())
    return X[known], noisy, X[~known], y[~known]


def line(n: int, noise: float, seed: int) -> Task:
    """Waves that become faster, between 0 and 1."""
    rng = np.random.default_rng(seed)
    x, at = np.sort(rng.uniform(size=n)), np.linspace(0.01, 0.99, 2000)

    def f(t: NDArray) -> NDArray:
        return 0.5 + 0.5 * np.sin(2 * np.pi * (3 * t + 12 * t**2))

    return x[:, None], f(x) + noise * rng.standard_normal(n), at[:, None], f(at)


def old_settings(n: int) -> dict[str, Any]:
    """The defaults of before, for n rows."""
    size = min(max(n // 16, 32), 1024)
    n_batches = -(-n // size)
    epochs = max(20, min(-(-1000 // n_batches), -(-(2**20) // n)))
    settings = {"lr": 1e-3, "lr_schedule": "constant"}
    return settings | {"batch_size": size, "max_epochs": epochs}


def encoders(seed: int) -> dict[str, Any]:
    return {
        "random Fourier": RandomFourierEncoder(random_state=seed),
        "Gaussian shifts": ShiftedBasisEncoder(),
    }


def tasks(part: str, images: list[str], seed: int) -> Iterator[tuple[str, Task]]:
    if part == "photographs":
        for name in images:
            yield name, every_second(name, seed)
    elif part == "lines":
        for n, noise in itertools.product((200, 500, 5000), (0.0, NOISE)):
            yield f"line, {n} samples, noise {noise:g}", line(n, noise, seed)
    else:
        for size, name in itertools.product((64, 128), images):
            for noise in (0.0, NOISE):
                label = f"{name}, {size} x {size}, noise {noise:g}"
                yield label, scattered(name, size, noise, seed)


def measured(task: Task, encoder: Any, seed: int, settings: dict[str, Any]) -> tuple[float, float]:
    """PSNR on the test rows, and CPU seconds of the fit."""
    X, y, at, truth = task
    model = CoordinateMLPRegressor(encoder, random_state=seed, device="cpu", **settings)
    start = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - start
    return psnr_score(truth, model.predict(at), data_range=1.0), seconds


def run(part: str, images: list[str], n_seeds: int) -> None:
    """Print a row for each task and encoder, and the means."""
    found: dict[tuple[str, str], list[list[float]]] = {}
    for seed in range(n_seeds):
        for label, task in tasks(part, images, seed):
            for kind, encoder in encoders(seed).items():
                old = measured(task, encoder, seed, old_settings(len(task[0])))
                new = measured(task, encoder, seed, {})
                found.setdefault((label, kind), []).append([*old, *new])
                print(f"  seed {seed}, {label}, {kind}: {old} {new}", flush=True)
    print(f"\n{part}: means over {n_seeds} seeds")
    print("| | | dB before | dB | gain | CPU s before | CPU s |")
    print("|---|---|---:|---:|---:|---:|---:|")
    rows = {key: np.mean(values, axis=0) for key, values in found.items()}
    for (label, kind), (db_old, s_old, db_new, s_new) in rows.items():
        gain = f"{db_old:.2f} | {db_new:.2f} | {db_new - db_old:+.2f}"
        print(f"| {label} | {kind} | {gain} | {s_old:.1f} | {s_new:.1f} |")
    for kind in encoders(0):
        mean = np.mean([row for (_, each), row in rows.items() if each == kind], axis=0)
        gain = f"{mean[0]:.2f} | {mean[2]:.2f} | {mean[2] - mean[0]:+.2f}"
        print(f"| mean | {kind} | {gain} | {mean[1]:.1f} | {mean[3]:.1f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", nargs="+", choices=IMAGES, default=list(IMAGES))
    parts = ("photographs", "lines", "noisy")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for part in arguments.parts:
        run(part, arguments.images, arguments.seeds)
