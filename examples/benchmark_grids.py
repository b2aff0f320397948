"""Learnt grids beside splines, closed forms and other networks, on five photographs.

    OMP_NUM_THREADS=1 python examples/benchmark_grids.py

prints PSNR at the other pixels and CPU seconds of a fit, for networks trained on every second
pixel of every second row, on 25 % of the pixels at random, and on the same with noise of deviation
0.1. ``--images astronaut coffee`` names the photographs, ``--cases`` the cases, ``--seeds 1`` the
number of seeds, ``--methods "learnt grids"`` the methods, and ``--without-network`` leaves out the
large network, which takes half a minute a fit. It and the adaptive penalty are fitted for the
first seed alone.

    OMP_NUM_THREADS=1 python examples/benchmark_grids.py --memorise memorise.png

draws how soon networks memorise the astronaut: PSNR at all pixels against seconds and bytes.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CloughTocher2DInterpolator, RectBivariateSpline
from skimage.transform import resize
from skorch.callbacks import Callback

from sk_posenc import (
    CoordinateMLPRegressor,
    KroneckerRidgeCV,
    MultigridEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)

PHOTOGRAPHS = ("astronaut", "camera", "coffee", "china", "flower")
CASES = ("every second pixel", "25 % at random", "with noise 0.1")
SIDE, NOISE = 512, 0.1
# Slow, or without anything drawn.
ONE_SEED = ("ShiftedBasis network", "KroneckerRidgeCV(adaptive)")

# Predicts at places what it has learnt from samples.
Method = Callable[[NDArray, NDArray, NDArray, int], tuple[NDArray, float]]


def photograph(name: str) -> NDArray:
    """The square in the middle, of 512 x 512 pixels with channels."""
    image = load_signal(name)[0]
    side = min(image.shape[:2])
    top, left = ((n - side) // 2 for n in image.shape[:2])
    square = image[top : top + side, left : left + side].reshape(side, side, -1)
    return square if side == SIDE else resize(square, (SIDE, SIDE), anti_aliasing=True)


def samples(name: str, case: str, seed: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Places and values to learn from, and those of the other pixels."""
    X, y = grid_samples(photograph(name), channels=True)
    rng = np.random.default_rng(seed)
    known = np.zeros((SIDE, SIDE), dtype=bool)
    if case == CASES[0]:
        known[::2, ::2] = True
    else:
        known = rng.uniform(size=known.shape) < 0.25
    known = known.ravel()
    learnt = y[known]
    if case == CASES[2]:
        learnt = learnt + NOISE * rng.standard_normal(learnt.shape)
    return X[known], learnt, X[~known], y[~known]


def fitted(estimator: Any) -> Method:
    """Of an estimator, which gets the seed where it takes one."""

    def run(X: NDArray, y: NDArray, at: NDArray, seed: int) -> tuple[NDArray, float]:
        given = {k: seed for k in estimator.get_params() if k.endswith("random_state")}
        estimator.set_params(**given)
        start = time.process_time()
        estimator.fit(X, y)
        seconds = time.process_time() - start
        return estimator.predict(at), seconds

    return run


def spline(X: NDArray, y: NDArray, at: NDArray, seed: int) -> tuple[NDArray, float]:
    """Cubic spline on a grid, Clough-Tocher off it."""
    start = time.process_time()
    axes = [np.unique(x) for x in X.T]
    if len(axes[0]) * len(axes[1]) == len(X):
        parts = [
            RectBivariateSpline(*axes, each.reshape(len(axes[0]), -1)).ev(*at.T) for each in y.T
        ]
        found = np.stack(parts, axis=1)
    else:
        found = CloughTocher2DInterpolator(X, y)(at)
        found[~np.isfinite(found)] = y.mean()
    return found, time.process_time() - start


def methods(with_network: bool) -> dict[str, Method]:
    chosen: dict[str, Method] = {
        "spline": spline,
        "KroneckerRidgeCV()": fitted(KroneckerRidgeCV()),
        "KroneckerRidgeCV(adaptive)": fitted(KroneckerRidgeCV(penalties="adaptive")),
        "learnt grids": fitted(CoordinateMLPRegressor(MultigridEncoder())),
    }
    if with_network:
        steady = {"lr": 1e-3, "lr_schedule": "constant", "batch_size": 1024, "max_epochs": 20}
        network = CoordinateMLPRegressor(ShiftedBasisEncoder(), **steady)
        chosen["ShiftedBasis network"] = fitted(network)
    return chosen


def warm_up() -> None:
    """Load what the first fits of a process load."""
    X, y = grid_samples(np.zeros((8, 8)) + np.arange(8))
    CoordinateMLPRegressor(MultigridEncoder(), max_epochs=1).fit(X, y).predict(X)
    KroneckerRidgeCV().fit(X, y)


def compare(names: list[str], cases: list[str], n_seeds: int, chosen: dict[str, Method]) -> None:
    """Print a row for each case and method; methods take turns at each image and seed."""
    print("| case | method | dB | s | dB of each photograph |\n|---|---|---|---|---|")
    for case in cases:
        scores: dict[str, NDArray] = {k: np.full((len(names), n_seeds), np.nan) for k in chosen}
        seconds: dict[str, list[float]] = {k: [] for k in chosen}
        for row, name in enumerate(names):
            for seed in range(n_seeds):
                X, y, at, truth = samples(name, case, seed)
                for method, run in chosen.items():
                    if seed < (1 if method in ONE_SEED else n_seeds):
                        found, spent = run(X, y, at, seed)
                        scores[method][row, seed] = psnr_score(truth, found)
                        seconds[method].append(spent)
        for method, table in scores.items():
            table = table[:, ~np.isnan(table).all(axis=0)]
            each = ", ".join(f"{score:.2f}" for score in table.mean(axis=1))
            spread = f" ± {table.mean(axis=0).std(ddof=1):.2f}" if table.shape[1] > 1 else ""
            print(
                f"| {case} | {method} | {table.mean():.2f}{spread} "
                f"| {np.mean(seconds[method]):.2f} | {each} |",
                flush=True,
            )


class Memorised(Callback):
    """PSNR at a sixteenth of the pixels after each epoch, and the seconds so far without it."""

    def __init__(self, X: NDArray, y: NDArray) -> None:
        self.X, self.y = X, y

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.start_, self.seen_ = time.process_time(), []

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        spent = time.process_time() - self.start_
        self.seen_.append((spent, psnr_score(self.y, net.predict(self.X))))
        self.start_ = time.process_time() - spent


def memorising() -> dict[str, CoordinateMLPRegressor]:
    """Networks of about 0.3 million parameters, and grids with a code for each pixel."""
    plain: dict[str, Any] = {
        "random_state": 0,
        "max_epochs": 4,
        "lr": 1e-3,
        "lr_schedule": "cosine",
        "batch_size": 1024,
    }
    return {
        "Fourier features": CoordinateMLPRegressor(
            RandomFourierEncoder(256, random_state=0), **plain
        ),
        "SIREN": CoordinateMLPRegressor(
            activation="sine", hidden_layer_sizes=(288,) * 5, **plain | {"lr": 1e-4}
        ),
        "Gaussian": CoordinateMLPRegressor(
            activation="gaussian", module__sigma=0.1, hidden_layer_sizes=(288,) * 5, **plain
        ),
        "learnt grids": CoordinateMLPRegressor(
            MultigridEncoder(random_state=0), max_epochs=10, random_state=0
        ),
        "hashed grids": CoordinateMLPRegressor(
            MultigridEncoder(table_size=2**14, random_state=0), max_epochs=10, random_state=0
        ),
    }


def memorise(path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    X, y = grid_samples(photograph("astronaut"), channels=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    print("| network | parameters | dB | s |\n|---|---|---|---|")
    for name, model in memorising().items():
        seen = Memorised(X[::16], y[::16])
        model.set_params(callbacks=[seen])
        model.fit(X, y)
        curve = np.array(dict(model.callbacks_)["Memorised"].seen_)
        n = sum(each.numel() for each in model.module_.parameters())
        score = psnr_score(y, model.predict(X))
        print(f"| {name} | {n:,} | {score:.2f} | {curve[-1, 0]:.1f} |", flush=True)
        left.plot(*curve.T, marker="o", markersize=3, label=name)
        right.plot(4 * n, score, "o", label=name)
    left.set(xlabel="CPU seconds", ylabel="PSNR at training pixels (dB)", xscale="log")
    left.set_xticks([1, 3, 10, 30], ["1", "3", "10", "30"])
    left.xaxis.set_minor_formatter(plt.NullFormatter())
    right.axvline(y.size, color="grey", linestyle=":")
    right.annotate("the photograph itself", (y.size, left.get_ylim()[0]), rotation=90, ha="right")
    right.set(xlabel="megabytes of parameters", xscale="log")
    right.set_xticks([1e6, 3e6, 1e7], ["1", "3", "10"])
    right.xaxis.set_minor_formatter(plt.NullFormatter())
    left.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", nargs="+", default=list(PHOTOGRAPHS), choices=PHOTOGRAPHS)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--without-network", action="store_true")
    parser.add_argument("--methods", nargs="+", choices=list(methods(True)), default=None)
    parser.add_argument("--memorise", metavar="PNG", default=None)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warm_up()
    if asked.memorise:
        memorise(asked.memorise)
    else:
        chosen = methods(not asked.without_network)
        methods_asked = {k: chosen[k] for k in asked.methods or chosen}
        compare(asked.images, asked.cases, asked.seeds, methods_asked)


if __name__ == "__main__":
    main()
