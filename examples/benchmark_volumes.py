"""Volumes of which an eighth is known: KroneckerRidgeCV beside a network and Delaunay.

The volumes have n x n x n voxels. One is a photograph that is panned, zoomed and turned, frame
after frame. The others are ellipsoids with sharp edges. PSNR is that of the voxels that are not
known. Ours are at their defaults.

The network has five hidden layers of 256 on 512 random Fourier features, and Adam at 1e-3 with a
cosine schedule. The spread of its frequencies, in cycles per side, is the best of several, chosen
by the true values. Its time is that of the best alone. Times are CPU seconds of one thread for
fit and predict.

    OMP_NUM_THREADS=1 python examples/benchmark_volumes.py [--size 64] [--no-network] [--quick]
"""

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
from scipy.ndimage import gaussian_filter, map_coordinates

from sk_posenc import (
    CoordinateMLPRegressor,
    KroneckerRidge,
    KroneckerRidgeCV,
    RandomFourierEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)

KNOWN = 0.125
EXPONENTS = [1.25, 1.5, 1.75, 2.0, 2.5]

# Epochs of the network; an epoch of a volume of 128 has eight times the steps.
EPOCHS = {64: (30, 60, 100), 128: (30,)}
SPREADS = {64: (0.35, 0.5, 0.7, 1.0), 128: (0.5, 1.0)}


def video(n: int) -> np.ndarray:
    """The camera photograph, panned, zoomed to about a half, and turned by 25 degrees."""
    photograph = np.asarray(load_signal("camera")[0], dtype=float)
    at = (np.arange(n) + 0.5) / n - 0.5
    rows, columns = np.meshgrid(at, at, indexing="ij")
    frames = np.empty((n, n, n))
    for k, frame in enumerate(frames):
        t = k / (n - 1)
        seen, angle = 0.75 - 0.35 * t, np.deg2rad(25 * t)
        y = 0.45 + 0.08 * t + seen * (rows * np.cos(angle) - columns * np.sin(angle))
        x = 0.42 + 0.12 * t + seen * (rows * np.sin(angle) + columns * np.cos(angle))
        # pixels of a frame cover several of the photograph
        smooth = gaussian_filter(photograph, 0.4 * seen * len(photograph) / n)
        places = [each * len(photograph) - 0.5 for each in (y, x)]
        frame[:] = map_coordinates(smooth, places, order=1, mode="reflect")
    return frames


def blobs(n: int, soft: bool = False) -> np.ndarray:
    """24 ellipsoids, each of one value; soft ones blend over the width of a voxel."""
    rng = np.random.default_rng(0)
    points, _ = grid_samples(np.zeros((n, n, n)), 3 * [(np.arange(n) + 0.5) / n])
    values = np.full(len(points), 0.3)
    for _ in range(24):
        centre, radii = rng.uniform(0.05, 0.95, 3), rng.uniform(0.05, 0.2, 3)
        turned, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        distance = np.linalg.norm((points - centre) @ turned / radii, axis=1)
        inside = np.clip((1 - distance) * radii.min() * n + 0.5, 0, 1) if soft else distance < 1
        values = np.where(inside > 0, (1 - inside) * values + inside * rng.uniform(), values)
    return values.reshape(n, n, n)


SIGNALS: dict[str, Callable[[int], np.ndarray]] = {
    "video": video,
    "blobs": blobs,
    "soft blobs": lambda n: blobs(n, soft=True),
}


def delaunay(X: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    values = LinearNDInterpolator(X, y)(at)
    beyond = np.isnan(values)
    values[beyond] = NearestNDInterpolator(X, y)(at[beyond])
    return values


def network(spread: float, epochs: int) -> CoordinateMLPRegressor:
    bandwidth = 1 / (2 * np.sqrt(2) * np.pi * spread)
    return CoordinateMLPRegressor(
        RandomFourierEncoder(256, bandwidth=bandwidth, random_state=0),
        hidden_layer_sizes=(256,) * 5,
        max_epochs=epochs,
        lr=1e-3,
        lr_schedule="cosine",
        batch_size=1024,
        device="cpu",
        random_state=0,
    )


def compare(name: str, n: int, epochs: tuple[int, ...], console: Console) -> None:
    volume = SIGNALS[name](n)
    everywhere, values = grid_samples(volume, 3 * [np.arange(n) / n])
    known = np.random.default_rng(0).uniform(size=len(values)) < KNOWN
    X, y = everywhere[known], values[known]

    def measured(model: object, dtype: type = np.float64) -> tuple[float, float]:
        own, at = X.astype(dtype), everywhere.astype(dtype)
        start = time.process_time()
        if callable(model):
            filled = model(own, y, at)
        else:
            filled = model.fit(own, y.astype(dtype)).predict(at)
        seconds = time.process_time() - start
        return psnr_score(values[~known], np.clip(filled[~known], 0, 1)), seconds

    results = {
        "KroneckerRidgeCV(penalties=exponents)": measured(KroneckerRidgeCV(penalties=EXPONENTS)),
        "KroneckerRidgeCV()": measured(KroneckerRidgeCV()),
        'KroneckerRidge(penalty="adaptive", alpha=0.2)': measured(
            KroneckerRidge(penalty="adaptive", alpha=0.2)
        ),
    }
    if n <= 64:
        results["Delaunay, linear"] = measured(delaunay)
    for each in epochs:
        tried = {s: measured(network(s, each), np.float32) for s in SPREADS[n]}
        best = max(tried, key=lambda spread: tried[spread][0])
        results[f"network, {each} epochs, spread {best:g} of {SPREADS[n]}"] = tried[best]
    ours = results["KroneckerRidgeCV()"]
    table = Table(title=f"{name}, {n} x {n} x {n}, {known.sum():,} voxels known")
    for heading in ("", "dB", "seconds", "dB over ours", "times our time"):
        table.add_column(heading, justify="left" if not heading else "right")
    for label, (psnr, seconds) in results.items():
        row = f"{psnr:.2f}", f"{seconds:.2f}", f"{psnr - ours[0]:+.2f}", f"{seconds / ours[1]:.2f}"
        table.add_row(label, *row)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small volumes, a few epochs")
    parser.add_argument("--size", type=int, action="append", choices=(64, 128), help="both if none")
    parser.add_argument("--no-network", action="store_true", help="ours and Delaunay alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=140)
    for n in arguments.size or (64, 128):
        for name in ("video", "blobs") if n > 64 else SIGNALS:
            epochs = () if arguments.no_network else (2,) if arguments.quick else EPOCHS[n]
            compare(name, n, epochs, console)
            if arguments.quick:
                return


if __name__ == "__main__":
    main()
