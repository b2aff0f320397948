"""This package beside interpolation, splines, neighbours and trees: where each is the one to take.

Images of 128 x 128 pixels are learnt from a quarter of them, in three ways: every second pixel
along both axes, pixels at random, and the same with noise of standard deviation 0.1. Every
method gets the same pixels and predicts all others. The settings are the defaults, or what the
method's own cross-validation finds. That holds for trees and neighbours too.

    python examples/compare_classical.py [--size 128] [--images camera astronaut coffee]
"""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.interpolate import (
    CloughTocher2DInterpolator,
    LinearNDInterpolator,
    NearestNDInterpolator,
    RegularGridInterpolator,
)
from skimage.transform import resize
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.neighbors import KNeighborsRegressor

from sk_posenc import (
    CoordinateMLPRegressor,
    KroneckerRidge,
    KroneckerRidgeCV,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)

NOISE = 0.1
TASKS = ("every second pixel", "a quarter at random", "the same with noise")

# Known coordinates, their values, coordinates to predict -> values.
Method = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def load_image(name: str, size: int) -> np.ndarray:
    """A square grey image in [0, 1]."""
    image, _ = load_signal(name)
    image = image.mean(axis=2) if image.ndim == 3 else image
    side = min(image.shape)
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    return np.clip(resize(square, (size, size), anti_aliasing=True), 0, 1)


def choose(task: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Which pixels are known, as a mask."""
    known = np.zeros((size, size), dtype=bool)
    if task == TASKS[0]:
        known[::2, ::2] = True
    else:
        known.ravel()[rng.permutation(size * size)[: size * size // 4]] = True
    return known


def regressor(make: Callable[[], object]) -> Method:
    return lambda X, y, at: make().fit(X, y).predict(at)


def on_grid(kind: str) -> Method:
    def interpolate(X: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
        rows, columns = np.unique(X[:, 0]), np.unique(X[:, 1])
        values = y.reshape(len(rows), len(columns))
        interpolator = RegularGridInterpolator((rows, columns), values, method=kind)
        return interpolator(np.clip(at, X.min(axis=0), X.max(axis=0)))

    return interpolate


def triangulated(interpolator: type) -> Method:
    def interpolate(X: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
        values = interpolator(X, y)(at)
        outside = np.isnan(values)
        values[outside] = NearestNDInterpolator(X, y)(at[outside])
        return values

    return interpolate


def network(encoder: object) -> Method:
    return regressor(
        lambda: CoordinateMLPRegressor(encoder, hidden_layer_sizes=(256, 256), random_state=0)
    )


def methods(task: str) -> dict[str, Method]:
    chosen: dict[str, Method] = {
        "KroneckerRidgeCV()": regressor(KroneckerRidgeCV),
        'KroneckerRidgeCV(penalties="adaptive")': regressor(
            lambda: KroneckerRidgeCV(penalties="adaptive")
        ),
        "KroneckerRidge()": regressor(KroneckerRidge),
    }
    chosen["CoordinateMLPRegressor(ShiftedBasisEncoder())"] = network(ShiftedBasisEncoder())
    chosen["CoordinateMLPRegressor(RandomFourierEncoder())"] = network(
        RandomFourierEncoder(random_state=0)
    )
    chosen["CoordinateMLPRegressor() on raw coordinates"] = network(None)
    if task == TASKS[0]:
        chosen["bilinear"] = on_grid("linear")
        chosen["cubic spline"] = on_grid("cubic")
    else:
        chosen["Delaunay, linear"] = triangulated(LinearNDInterpolator)
        chosen["Clough-Tocher, cubic"] = triangulated(CloughTocher2DInterpolator)
    chosen["4 nearest neighbours"] = regressor(lambda: KNeighborsRegressor(4, weights="distance"))
    chosen["8 nearest neighbours"] = regressor(lambda: KNeighborsRegressor(8, weights="distance"))
    chosen["ExtraTrees, 100"] = regressor(lambda: ExtraTreesRegressor(random_state=0))
    chosen["RandomForest, 100"] = regressor(lambda: RandomForestRegressor(random_state=0))
    chosen["HistGradientBoosting, 1000"] = regressor(
        lambda: HistGradientBoostingRegressor(max_iter=1000, random_state=0)
    )
    return chosen


def measure(images: Sequence[str], size: int) -> dict[str, dict[str, list[float]]]:
    """Method -> task -> mean PSNR in dB on the unseen pixels, and mean seconds."""
    results: dict[str, dict[str, list[float]]] = {}
    for name in images:
        image = load_image(name, size)
        X, y = grid_samples(image)
        rng = np.random.default_rng(0)
        for task in TASKS:
            if task != TASKS[2]:  # the noisy pixels are those of the task before
                known = choose(task, size, rng).ravel()
            noise = NOISE if task == TASKS[2] else 0.0
            samples = y[known] + noise * rng.standard_normal(known.sum())
            for label, method in methods(task).items():
                start = time.perf_counter()
                predicted = method(X[known], samples, X[~known])
                seconds = time.perf_counter() - start
                entry = results.setdefault(label, {}).setdefault(task, [0.0, 0.0])
                entry[0] += psnr_score(y[~known], predicted) / len(images)
                entry[1] += seconds / len(images)
    return results


def print_table(results: dict[str, dict[str, list[float]]], title: str, console: Console) -> None:
    table = Table(title=title)
    table.add_column("PSNR on unseen pixels, dB; seconds to fit and predict")
    for task in TASKS:
        table.add_column(task, justify="right")
    for label, tasks in results.items():
        cells = [f"{tasks[t][0]:.2f}  {tasks[t][1]:7.2f}" if t in tasks else "" for t in TASKS]
        table.add_row(label, *cells)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", nargs="+", default=["camera", "astronaut", "coffee"])
    parser.add_argument("--size", type=int, default=128, help="pixels along each axis")
    arguments = parser.parse_args()
    results = measure(arguments.images, arguments.size)
    print_table(results, "mean over " + ", ".join(arguments.images), Console(width=130))


if __name__ == "__main__":
    main()
