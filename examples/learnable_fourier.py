"""Do learnable Fourier features learn anything? The paper's ablation on a real image.

The astronaut at `--size` pixels a side, learnt from every second pixel of every second row,
tested on the others. Every row is the same head, CoordinateMLPRegressor with two hidden layers
of 128, on another encoding of the coordinates:

- none, and NeRF's sinusoids, which are not trained;
- Fourier features of random frequencies, fixed and trained, each alone and with the encoder's own
  network of one hidden layer ("+ MLP"), fixed and trained; all start at the same stable rank;
- shifted Gaussians of that stable rank, fixed and trained.

Interpolation by splines stands beside, as an image on a grid is what it is made for. Means over
seeds, which draw frequencies and weights, and their standard deviation.

Run with `python learnable_fourier.py [--size 128] [--seeds 3] [--epochs 60]`.
"""

import argparse
import time
from typing import Any

import numpy as np
from scipy.interpolate import RegularGridInterpolator
from skimage.transform import resize

from sk_posenc import (
    CoordinateMLPRegressor,
    LearnableFourierEncoder,
    LogFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)


def split(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates, colours, and the mask of the training pixels."""
    image = resize(load_signal("astronaut")[0], (size, size), anti_aliasing=True)
    X, y = grid_samples(image, channels=True)
    train = np.zeros((size, size), dtype=bool)
    train[::2, ::2] = True
    return X, y, train.ravel()


def encodings(rank: float, seed: int) -> dict[str, tuple[Any, bool]]:
    """Name of each row: its encoder, and whether training moves it."""
    alone = LearnableFourierEncoder(128, stable_rank=rank, mlp=None, random_state=seed)
    whole = LearnableFourierEncoder(128, stable_rank=rank, mlp=(128, 256), random_state=seed)
    gaussian = ShiftedBasisEncoder(stable_rank=rank)
    return {
        "raw coordinates": (None, False),
        "sinusoids (NeRF), fixed": (LogFourierEncoder(), False),
        "random Fourier, fixed": (alone, False),
        "random Fourier, trained": (alone, True),
        "random Fourier + MLP, fixed": (whole, False),
        "random Fourier + MLP, trained": (whole, True),
        "shifted Gaussians, fixed": (gaussian, False),
        "shifted Gaussians, trained": (gaussian, True),
    }


def interpolation(X: np.ndarray, y: np.ndarray, train: np.ndarray) -> dict[str, float]:
    """PSNR of splines."""
    sides = [np.unique(X[train, axis]) for axis in range(2)]
    values = y[train].reshape(*map(len, sides), -1)
    scores = {}
    for method in ("linear", "cubic"):
        spline = RegularGridInterpolator(sides, values, method, bounds_error=False, fill_value=None)
        scores[f"{method} interpolation"] = psnr_score(y[~train], spline(X[~train]))
    return scores


def ablation(size: int, seeds: int, epochs: int) -> dict[str, tuple[float, float, float, float]]:
    """Test PSNR (mean and deviation), training PSNR and seconds of each row."""
    X, y, train = split(size)
    rank = size / 8  # a quarter of the samples along an axis
    table = {}
    for name in encodings(rank, 0):
        tests, trains, seconds = [], [], []
        for seed in range(seeds):
            encoder, trained = encodings(rank, seed)[name]
            model = CoordinateMLPRegressor(
                encoder,
                train_encoder=trained,
                hidden_layer_sizes=(128, 128),
                max_epochs=epochs,
                lr_schedule="cosine",
                random_state=seed,
            )
            started = time.perf_counter()
            model.fit(X[train].astype(np.float32), y[train])
            seconds.append(time.perf_counter() - started)
            predicted = model.predict(X.astype(np.float32))
            tests.append(psnr_score(y[~train], predicted[~train]))
            trains.append(psnr_score(y[train], predicted[train]))
        deviation = float(np.std(tests, ddof=1)) if seeds > 1 else float("nan")
        table[name] = (
            float(np.mean(tests)),
            deviation,
            float(np.mean(trains)),
            float(np.mean(seconds)),
        )
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    print(f"{'':>30} {'test dB':>8} {'spread':>7} {'train dB':>9} {'s':>6}")
    for name, psnr in interpolation(*split(arguments.size)).items():
        print(f"{name:>30} {psnr:8.2f}")
    rows = ablation(arguments.size, arguments.seeds, arguments.epochs)
    for name, (test, spread, train, seconds) in rows.items():
        print(f"{name:>30} {test:8.2f} {spread:7.2f} {train:9.2f} {seconds:6.1f}")
