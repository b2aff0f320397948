"""Do learnable Fourier features learn anything? The paper's ablation on a real image.

The astronaut at `--size` pixels a side, learnt from every second pixel of every second row,
tested on the others. Every row is the same head, CoordinateMLPRegressor with two hidden layers
of 128, on another encoding of the coordinates:

- none, and NeRF's sinusoids (their highest frequency an eighth of the samples), which are not
  trained;
- Fourier features of random frequencies, fixed and trained, each alone and with the encoder's own
  network of one hidden layer ("+ MLP"), at a stable rank of a quarter of the samples per axis;
- the same features without that network, at a quarter of this rank and at four times it;
- shifted Gaussians at a quarter of the samples, fixed and trained.

Interpolation by splines stands beside: it is made for an image on a grid. Beyond the last
training pixel it holds the coordinate. The table has means and standard deviations over seeds,
which draw frequencies and weights. What training gains is the mean of the gains of each seed.

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
    """Encoders that are not trained, and those that are compared fixed and trained."""

    def random(factor: float, mlp: Any = None) -> LearnableFourierEncoder:
        return LearnableFourierEncoder(
            128, stable_rank=max(1, factor * rank), mlp=mlp, random_state=seed
        )

    return {
        "raw coordinates": (None, False),
        "sinusoids (NeRF)": (LogFourierEncoder(), False),
        "random Fourier": (random(1), True),
        "random Fourier + MLP": (random(1, (128, 256)), True),
        "random Fourier, rank / 4": (random(0.25), True),
        "random Fourier, rank x 4": (random(4), True),
        "shifted Gaussians": (ShiftedBasisEncoder(stable_rank=rank), True),
    }


def interpolation(X: np.ndarray, y: np.ndarray, train: np.ndarray) -> dict[str, float]:
    """PSNR of splines."""
    sides = [np.unique(X[train, axis]) for axis in range(2)]
    values = y[train].reshape(*map(len, sides), -1)
    inside = np.clip(X[~train], [side[0] for side in sides], [side[-1] for side in sides])
    scores = {}
    for method in ("linear", "cubic"):
        spline = RegularGridInterpolator(sides, values, method)
        scores[f"{method} interpolation"] = psnr_score(y[~train], spline(inside))
    return scores


def network(encoder: Any, trained: bool, data: tuple, epochs: int, seed: int) -> np.ndarray:
    """Test PSNR, training PSNR and CPU seconds of one fit."""
    X, y, train = data
    model = CoordinateMLPRegressor(
        encoder,
        train_encoder=trained,
        hidden_layer_sizes=(128, 128),
        max_epochs=epochs,
        lr=1e-3,
        lr_schedule="cosine",
        random_state=seed,
    )
    started = time.process_time()
    model.fit(X[train].astype(np.float32), y[train])
    seconds = time.process_time() - started
    predicted = model.predict(X.astype(np.float32))
    scores = [psnr_score(y[rows], predicted[rows]) for rows in (~train, train)]
    return np.array([*scores, seconds])


def deviation(values: np.ndarray) -> float:
    """Standard deviation over seeds."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def main(size: int, seeds: int, epochs: int) -> None:
    """Print the table."""
    data = split(size)
    rank = size / 8  # a quarter of the samples along an axis
    heads = f"{'test dB':>8} {'spread':>7} {'train dB':>9} {'CPU s':>6}"
    print(f"{'':>33} {heads}   gain of training, dB")
    for name, psnr in interpolation(*data).items():
        print(f"{name:>33} {psnr:8.2f}")
    for name, (_, trainable) in encodings(rank, 0).items():
        before = None
        for trained in (False, True)[: 1 + trainable]:
            runs = np.array(
                [
                    network(encodings(rank, seed)[name][0], trained, data, epochs, seed)
                    for seed in range(seeds)
                ]
            )
            label = f"{name}, {'trained' if trained else 'fixed'}" if trainable else name
            test, train, seconds = runs.mean(axis=0)
            line = (
                f"{label:>33} {test:8.2f} {deviation(runs[:, 0]):7.2f} {train:9.2f} {seconds:6.1f}"
            )
            if before is not None:
                gains = runs[:, 0] - before[:, 0]
                line += f"   {gains.mean():+.2f} +- {deviation(gains):.2f}"
            print(line, flush=True)
            before = runs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    main(**vars(parser.parse_args()))
