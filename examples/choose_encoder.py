"""Which encoding suits a network, without training it: what each way to choose is worth.

Ten real signals, 24 encodings each. The truth is the test PSNR of a coordinate network
trained on every encoding with three seeds; it is kept in choose_encoder.csv, as training
takes most of an hour of one core.

    python examples/choose_encoder.py --train        # remakes choose_encoder.csv; it resumes
"""

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.transform import resize
from sklearn.pipeline import Pipeline

from sk_posenc import (
    CoordinateMLPRegressor,
    FourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)

TRUTH = Path(__file__).with_suffix(".csv")
SEEDS = (0, 1, 2)
SHARES = (0.04, 0.07, 0.12, 0.2, 0.35, 0.6)  # stable rank per axis / samples per axis
BASES = {
    "Gaussian": ShiftedBasisEncoder("gaussian"),
    "triangle": ShiftedBasisEncoder("triangle"),
    "Fourier": FourierEncoder(),
    "random Fourier": RandomFourierEncoder(random_state=0),
}


@dataclass
class Signal:
    """Samples of a signal, those that train marked, and the range of its values."""

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    train: NDArray[np.bool_]
    n_per_axis: float

    def psnr(self, predicted: NDArray) -> float:
        """PSNR in dB on the samples that do not train."""
        test = ~self.train
        return psnr_score(self.y[test], predicted, data_range=float(np.ptp(self.y)))


def grey(name: str) -> NDArray[np.float64]:
    image, _ = load_signal(name)
    return image.mean(axis=2) if image.ndim == 3 else image


def series(values: NDArray, axis: NDArray | None = None) -> Signal:
    """Every other sample trains."""
    X, y = grid_samples(values, None if axis is None else [axis])
    train = np.arange(len(y)) % 2 == 0
    return Signal(X, y, train, float(train.sum()))


def field(values: NDArray, axes: Any = None, *, scattered: bool = False) -> Signal:
    """One sample in four trains: every other row and column, or drawn at random."""
    X, y = grid_samples(values, axes)
    if scattered:
        train = np.zeros(len(y), dtype=bool)
        train[np.random.default_rng(0).permutation(len(y))[: len(y) // 4]] = True
    else:
        train = np.all(np.indices(values.shape) % 2 == 0, axis=0).ravel()
    return Signal(X, y, train, float(np.sqrt(train.sum())))


def signals() -> dict[str, Signal]:
    """Four series, three fields on a grid and three scattered ones."""
    camera = resize(grey("camera"), (64, 64), anti_aliasing=True)
    co2, (year,) = load_signal("co2")
    height, (latitude, longitude) = load_signal("elevation")
    return {
        "camera row": series(grey("camera")[200]),
        "co2": series(co2[-512:], year[-512:]),
        "camera image": field(camera),
        "coins, scattered": field(grey("coins")[100:164, 60:124], scattered=True),
        "astronaut row": series(grey("astronaut")[200]),
        "elevation profile": series(height[170], longitude),
        "elevation map": field(height[100:164, 100:164], [latitude[100:164], longitude[100:164]]),
        "grass": field(grey("grass")[:64, :64]),
        "camera, scattered": field(camera, scattered=True),
        "chelsea, scattered": field(grey("chelsea")[100:164, 100:164], scattered=True),
    }


def encoders(signal: Signal) -> dict[tuple[str, float], Any]:
    """The 24 encodings: four bases at six stable ranks."""
    made = {}
    for basis, encoder in BASES.items():
        for share in SHARES:
            settings = encoder.get_params() | {"stable_rank": share * signal.n_per_axis}
            made[basis, share] = type(encoder)(**settings)
    return made


def network(seed: int = 0) -> CoordinateMLPRegressor:
    """The network to be chosen for: four hidden layers of 128, all else left alone."""
    return CoordinateMLPRegressor(
        hidden_layer_sizes=(128, 128, 128, 128), device="cpu", random_state=seed
    )


def trainings(done: set[tuple[str, str, str, str]]) -> Iterator[dict[str, Any]]:
    """Train what is not done yet, one seed of all signals after the other."""
    given = signals()
    for seed in SEEDS:
        for name, signal in given.items():
            for (basis, share), encoder in encoders(signal).items():
                if (name, basis, str(share), str(seed)) in done:
                    continue
                model = Pipeline([("encoder", encoder), ("network", network(seed))])
                start = time.process_time()
                model.fit(signal.X[signal.train], signal.y[signal.train])
                seconds = time.process_time() - start
                yield {
                    "signal": name,
                    "basis": basis,
                    "share": share,
                    "seed": seed,
                    "test_psnr": round(signal.psnr(model.predict(signal.X[~signal.train])), 4),
                    "seconds": round(seconds, 3),
                }


def train() -> None:
    """Add to the file of the truth what it lacks."""
    done = set()
    if TRUTH.exists():
        with TRUTH.open() as file:
            rows = list(csv.DictReader(file))
            done = {(r["signal"], r["basis"], r["share"], r["seed"]) for r in rows}
    columns = ["signal", "basis", "share", "seed", "test_psnr", "seconds"]
    with TRUTH.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if not done:
            writer.writeheader()
        for row in trainings(done):
            writer.writerow(row)
            file.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true", help="remake or complete the truth")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.train:
        train()


if __name__ == "__main__":
    main()
