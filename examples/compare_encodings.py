"""Compare Fourier and non-Fourier encodings of a real image in one GridSearchCV.

A coordinate MLP learns one pixel in four of an image from encoded coordinates. Every basis is
tried with the same stable ranks. Where an encoding has no such setting, its own parameter is
tried. Folds are sub-grids of the training pixels. The table has the best candidate of each
encoding, and its PSNR on the pixels that no fit has seen. Raw coordinates, bilinear and cubic
spline interpolation stand beside.

    python examples/compare_encodings.py [--image camera] [--size 128] [--output FILE.png]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from joblib import Parallel, delayed
from rich.console import Console
from rich.table import Table
from scipy.interpolate import RectBivariateSpline
from skimage.transform import resize
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sk_posenc import (
    CoordinateKFold,
    CoordinateMLPRegressor,
    FourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    distance_preservation,
    distance_preservation_scorer,
    grid_samples,
    load_signal,
    psnr_score,
    psnr_scorer,
    samples_to_grid,
    stable_rank,
    stable_rank_scorer,
)

try:
    from sklearn.callback import ProgressBar
except ImportError:  # scikit-learn < 1.9
    ProgressBar = None

STABLE_RANKS = [4, 8, 16, 24, 32]

# Encoding -> (encoder, the parameter that the search varies, its values).
ENCODINGS: dict[str, tuple[Any, str, list[float]]] = {
    "Gaussian": (ShiftedBasisEncoder("gaussian"), "stable_rank", STABLE_RANKS),
    "triangle": (ShiftedBasisEncoder("triangle"), "stable_rank", STABLE_RANKS),
    "B-spline": (ShiftedBasisEncoder("bspline"), "stable_rank", STABLE_RANKS),
    "rectangle": (ShiftedBasisEncoder("rectangle"), "stable_rank", STABLE_RANKS),
    "impulse": (ShiftedBasisEncoder("impulse"), "stable_rank", STABLE_RANKS),
    "Fourier": (FourierEncoder(), "stable_rank", STABLE_RANKS),
    "random Fourier": (RandomFourierEncoder(128, random_state=0), "stable_rank", STABLE_RANKS),
    "log Fourier": (LogFourierEncoder(16), "max_frequency", [4, 8, 16, 32]),
    "sine": (ShiftedBasisEncoder("sine"), "bandwidth", [0.5, 2.0]),
    "square": (ShiftedBasisEncoder("square"), "bandwidth", [0.5, 2.0]),
}
RAW = "raw coordinates"

# The seven that share the grid of stable ranks, in colours and marks that stay apart.
STYLES = {
    "Gaussian": ("#0072B2", "o", "-"),
    "triangle": ("#56B4E9", "^", "-"),
    "B-spline": ("#009E73", "v", "-"),
    "rectangle": ("#E69F00", "s", "--"),
    "impulse": ("#999999", "x", "--"),
    "Fourier": ("#D55E00", "D", "-."),
    "random Fourier": ("#CC79A7", "P", "-."),
}


@dataclass
class Row:
    """One line of the table, and the picture that belongs to it."""

    name: str
    setting: str
    test_psnr: float
    seconds: float
    picture: np.ndarray
    cv_psnr: float | None = None
    n_columns: int | None = None
    axis_rank: float | None = None
    whole_rank: float | None = None
    preservation: float | None = None


def load_image(name: str, size: int) -> np.ndarray:
    """A square image in [0, 1] of shape (size, size, n_channels)."""
    image, _ = load_signal(name)
    if image.ndim == 2:
        image = image[:, :, None]
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    return np.clip(resize(square, (size, size), anti_aliasing=True), 0, 1)


def search_encodings(X: np.ndarray, y: np.ndarray) -> GridSearchCV:
    """All encodings in one search: a list of grids, sub-grid folds, three scores."""
    pipeline = Pipeline(
        [
            ("encoder", "passthrough"),
            (
                "regressor",
                CoordinateMLPRegressor(
                    hidden_layer_sizes=(128, 128, 128),
                    max_epochs=20,
                    lr=1e-3,
                    lr_schedule="constant",
                    random_state=0,
                ),
            ),
        ]
    )
    grids: list[dict[str, list[Any]]] = [
        {"encoder": [encoder], f"encoder__{parameter}": values}
        for encoder, parameter, values in ENCODINGS.values()
    ]
    grids.append({"encoder": ["passthrough"]})
    search = GridSearchCV(
        pipeline,
        grids,
        scoring={
            "psnr": psnr_scorer,
            "stable_rank": stable_rank_scorer,
            "distance_preservation": distance_preservation_scorer,
        },
        refit=False,
        cv=CoordinateKFold(4),
        n_jobs=2,
        error_score="raise",
    )
    if ProgressBar is None:
        print("A progress bar needs scikit-learn 1.9 or later; searching without one.")
    else:
        search.set_callbacks(ProgressBar(max_propagation_depth=0))
    return search.fit(X, y)


def names_of_candidates(search: GridSearchCV) -> list[str]:
    """The encoding that each candidate of the search belongs to."""
    names = []
    for parameters in search.cv_results_["params"]:
        encoder = parameters["encoder"]
        same = [name for name, (each, _, _) in ENCODINGS.items() if each is encoder]
        names.append(same[0] if same else RAW)
    return names


def evaluate(
    name: str,
    pipeline: Pipeline,
    cv_psnr: float,
    image: np.ndarray,
    train: np.ndarray,
) -> Row:
    """Fit the chosen candidate of an encoding on all training pixels; score it on the others."""
    X, y = grid_samples(image, channels=True)
    start = time.perf_counter()
    pipeline.fit(X[train], y[train])
    predicted = pipeline.predict(X)
    row = Row(
        name=name,
        setting="",
        test_psnr=psnr_score(y[~train], predicted[~train]),
        seconds=time.perf_counter() - start,
        picture=samples_to_grid(predicted, image.shape[:2]),
        cv_psnr=cv_psnr,
    )
    encoded = pipeline[:-1].transform(X[train])
    row.n_columns = encoded.shape[1]
    row.whole_rank = stable_rank(encoded)
    row.preservation = distance_preservation(X[train], encoded, random_state=0)
    if name != RAW:
        encoder, parameter = pipeline["encoder"], ENCODINGS[name][1]
        row.setting = f"{parameter}={getattr(encoder, parameter):g}"
        row.axis_rank = float(encoder.stable_rank_.mean())
    return row


def interpolate(name: str, degree: int, image: np.ndarray, train: np.ndarray) -> Row:
    """Spline interpolation of the training pixels, constant beyond the last of them."""
    start = time.perf_counter()
    at = np.arange(len(image)) / len(image)
    picture = np.stack(
        [
            RectBivariateSpline(at[::2], at[::2], channel[::2, ::2], kx=degree, ky=degree)(at, at)
            for channel in np.moveaxis(image, 2, 0)
        ],
        axis=2,
    )
    seconds = time.perf_counter() - start
    test = samples_to_grid(~train, image.shape[:2])
    return Row(name, "", psnr_score(image[test], picture[test]), seconds, picture)


def compare(image: np.ndarray) -> tuple[GridSearchCV, list[Row]]:
    """Search, then fit the best candidate of each encoding; rows sorted by test PSNR."""
    X, y = grid_samples(image, channels=True)
    train = np.zeros(image.shape[:2], dtype=bool)
    train[::2, ::2] = True
    train = train.ravel()
    search = search_encodings(X[train], y[train])
    scores, names = search.cv_results_["mean_test_psnr"], names_of_candidates(search)
    chosen = {}
    for i, name in enumerate(names):
        if name not in chosen or scores[i] > scores[chosen[name]]:
            chosen[name] = i
    rows = Parallel(n_jobs=2)(
        delayed(evaluate)(
            name,
            clone(search.estimator).set_params(**clone_all(search.cv_results_["params"][i])),
            float(scores[i]),
            image,
            train,
        )
        for name, i in chosen.items()
    )
    rows += [
        interpolate("bilinear", 1, image, train),
        interpolate("cubic spline", 3, image, train),
    ]
    return search, sorted(rows, key=lambda row: -row.test_psnr)


def clone_all(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters of one candidate, its encoder a new one."""
    return {key: clone(value, safe=False) for key, value in parameters.items()}


def print_table(rows: list[Row], console: Console) -> None:
    table = Table(title="Each encoding at its best setting by cross-validation")
    table.add_column("", no_wrap=True)
    table.add_column("setting", no_wrap=True)
    headings = {
        "columns": 7,
        "rank\nper axis": 8,
        "rank\nwhole": 5,
        "distance\npreserved": 9,
        "dB on\nfolds": 5,
        "dB on\nunseen": 6,
        "seconds": 7,
    }
    for heading, width in headings.items():
        table.add_column(heading, justify="right", min_width=width)
    for row in rows:
        cells: list[tuple[Any, Callable[[Any], str]]] = [
            (row.n_columns, str),
            (row.axis_rank, "{:.1f}".format),
            (row.whole_rank, "{:.1f}".format),
            (row.preservation, "{:.2f}".format),
            (row.cv_psnr, "{:.2f}".format),
            (row.test_psnr, "{:.2f}".format),
            (row.seconds, "{:.3f}".format),
        ]
        table.add_row(row.name, row.setting, *("" if v is None else show(v) for v, show in cells))
    console.print(table)


def draw(image: np.ndarray, search: GridSearchCV, rows: list[Row], title: str, path: Path) -> None:
    by_name = {row.name: row for row in rows}
    shown = [
        "cubic spline",
        "random Fourier",
        "Gaussian",
        "Fourier",
        "impulse",
        RAW,
    ]
    figure = plt.figure(figsize=(13.0, 7.4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.0, 1.55])
    axes = top.subplots(1, 1 + len(shown))
    for axis, (name, picture) in zip(
        axes, [("original", image), *((n, by_name[n].picture) for n in shown)], strict=True
    ):
        axis.imshow(np.clip(picture, 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
        label = name if name == "original" else f"{name}\n{by_name[name].test_psnr:.1f} dB"
        axis.set_title(label, fontsize=10)
        axis.set_axis_off()
    top.suptitle(title, fontsize=12)

    fit, tradeoff = bottom.subplots(1, 2)
    results, names = search.cv_results_, np.array(names_of_candidates(search))
    for name, (colour, mark, line) in STYLES.items():
        at = np.flatnonzero(names == name)
        preserved = results["mean_test_distance_preservation"][at]
        style = {"color": colour, "marker": mark, "linestyle": line, "label": name}
        fit.plot(STABLE_RANKS, results["mean_test_psnr"][at], **style)
        tradeoff.plot(STABLE_RANKS, preserved, **style)
    for axis in (fit, tradeoff):
        axis.set_xscale("log", base=2)
        axis.set_xticks(STABLE_RANKS, [str(rank) for rank in STABLE_RANKS])
        axis.minorticks_off()
        axis.set_xlabel("stable rank per axis")
        axis.grid(alpha=0.3)
    raw = results["mean_test_psnr"][names == RAW][0]
    fit.axhline(raw, color="black", linestyle=":", linewidth=1)
    fit.annotate(
        RAW, (STABLE_RANKS[-1], raw), xytext=(0, 3), textcoords="offset points", ha="right"
    )
    fit.set_ylabel("PSNR on held-out folds, dB")
    fit.set_title("What the network makes of it")
    tradeoff.set_ylabel("distance preservation")
    tradeoff.set_title("The trade: what is gained to memorise is lost in nearness")
    tradeoff.legend(fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", default="astronaut", help="an image of load_signal")
    parser.add_argument("--size", type=int, default=128, help="its side in pixels, even")
    parser.add_argument("--output", type=Path, default=Path("compare_encodings.png"))
    arguments = parser.parse_args()
    console = Console(width=max(116, Console().width))
    start = time.perf_counter()
    image = load_image(arguments.image, arguments.size)
    search, rows = compare(image)
    print_table(rows, console)
    half = arguments.size // 2
    title = (
        f"{arguments.image}, {arguments.size} x {arguments.size}: learnt from {half} x {half} "
        "pixels, PSNR on all others"
    )
    draw(image, search, rows, title, arguments.output)
    console.print(
        f"{len(search.cv_results_['params'])} candidates x 4 folds and {len(rows)} final fits "
        f"in {time.perf_counter() - start:.0f} s. Picture: {arguments.output}"
    )


if __name__ == "__main__":
    main()
