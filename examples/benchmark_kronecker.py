"""KroneckerRidge beside splines and denoisers: quality, speed and growth, as a table and a plot.

Images are 512 x 512. They are learnt from every second pixel along both axes and scored on all
others: once plain, once with noise of standard deviation 0.1 on the samples. Times of fit and
predict are CPU seconds of one thread, medians. Ratios are to RectBivariateSpline in the same
process. The smoothing of RectBivariateSpline, TV and non-local means is set by the true image;
ours is not.

    OMP_NUM_THREADS=1 python examples/benchmark_kronecker.py [--quick] [--output FILE.png]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.interpolate import RectBivariateSpline
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from skimage.transform import resize

from sk_posenc import (
    FourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
    samples_to_grid,
)
from sk_posenc.kronecker.ridge import KroneckerRidge
from sk_posenc.kronecker.ridge_cv import KroneckerRidgeCV

IMAGES = ["astronaut", "china", "flower", "chelsea", "coffee", "camera", "rocket", "brick",
          "grass", "coins"]  # fmt: skip
SIZE = 512
NOISE = 0.1
AT = np.arange(SIZE) / SIZE

ADAPTIVE = 'KroneckerRidgeCV(penalties="adaptive")'

ENCODERS = {
    "Fourier": FourierEncoder(),
    "Fourier, up to 64 cycles": FourierEncoder(max_frequency=64),
    "random Fourier, 128": RandomFourierEncoder(128, random_state=0),
    "random Fourier, 256, b = 42": RandomFourierEncoder(
        256, bandwidth=1 / (2 * np.sqrt(2) * np.pi * 42), random_state=0
    ),
    "log Fourier, 10": LogFourierEncoder(),
    "log Fourier, 128": LogFourierEncoder(128),
    "log Fourier, 128, up to 2^6.5": LogFourierEncoder(128, max_frequency=2**6.5),
    "Gaussian, 0.0025": ShiftedBasisEncoder(bandwidth=0.0025),
    "triangle, 1.5 / 256": ShiftedBasisEncoder("triangle", bandwidth=1.5 / 256),
    "triangle": ShiftedBasisEncoder("triangle"),
    "B-spline": ShiftedBasisEncoder("bspline"),
    "rectangle": ShiftedBasisEncoder("rectangle"),
    "impulse": ShiftedBasisEncoder("impulse"),
}


def load_image(name: str, size: int = SIZE) -> np.ndarray:
    image, _ = load_signal(name)
    image = image[:, :, None] if image.ndim == 2 else image
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    return (
        square if side == size else np.clip(resize(square, (size, size), anti_aliasing=True), 0, 1)
    )


def held_out(image: np.ndarray, picture: np.ndarray) -> float:
    test = np.ones(image.shape[:2], dtype=bool)
    test[::2, ::2] = False
    return psnr_score(image[test], picture[test])


def spline(samples: np.ndarray, degree: int = 3, smoothing: float = 0.0) -> np.ndarray:
    return np.stack(
        [
            RectBivariateSpline(AT[::2], AT[::2], channel, kx=degree, ky=degree, s=smoothing)(
                AT, AT
            )
            for channel in np.moveaxis(samples, 2, 0)
        ],
        axis=2,
    )


def non_local_means(samples: np.ndarray, h: float) -> np.ndarray:
    colour = samples.shape[2] > 1
    denoised = denoise_nl_means(
        samples if colour else samples[:, :, 0],
        h=h,
        sigma=NOISE,
        patch_size=5,
        patch_distance=6,
        channel_axis=2 if colour else None,
    )
    return denoised.reshape(samples.shape)


def ridge(samples: np.ndarray, model: KroneckerRidge | KroneckerRidgeCV) -> np.ndarray:
    X, y = grid_samples(samples, (AT[::2], AT[::2]), channels=True)
    everywhere, _ = grid_samples(np.zeros((SIZE, SIZE)))
    return samples_to_grid(model.fit(X, y).predict(everywhere), (SIZE, SIZE))


def show(table: Table, name: str, values: list[float], console_width: int = 2) -> None:
    table.add_row(name, *(f"{value:.{console_width}f}" for value in values))


def quality(images: dict[str, np.ndarray], console: Console) -> None:
    table = Table(title="PSNR on the pixels between, dB")
    for heading in ("", *images, "mean", "least against cubic"):
        table.add_column(heading, justify="right")
    scores: dict[str, list[float]] = {}
    for image in images.values():
        samples = image[::2, ::2]
        for name, picture in {
            "bilinear": spline(samples, 1),
            "cubic spline": spline(samples),
            "KroneckerRidge()": ridge(samples, KroneckerRidge()),
            "KroneckerRidgeCV()": ridge(samples, KroneckerRidgeCV()),
            ADAPTIVE: ridge(samples, KroneckerRidgeCV(penalties="adaptive")),
        }.items():
            scores.setdefault(name, []).append(held_out(image, picture))
    cubic = np.array(scores["cubic spline"])
    better = np.maximum(cubic, scores["bilinear"])
    for name, values in scores.items():
        show(table, name, [*values, float(np.mean(values)), float(np.min(values - cubic))])
    console.print(table)
    least = np.min(np.array(scores["KroneckerRidgeCV()"]) - better)
    console.print(
        f"KroneckerRidgeCV() against the better of bilinear and cubic, least: {least:.2f}"
    )


def noisy(images: dict[str, np.ndarray], console: Console) -> None:
    table = Table(title=f"The same from samples with noise of std {NOISE}, dB")
    for heading in ("", *images, "mean"):
        table.add_column(heading, justify="right")
    scores: dict[str, list[float]] = {}
    for image in images.values():
        clean = image[::2, ::2]
        samples = clean + np.random.default_rng(0).normal(scale=NOISE, size=clean.shape)
        n = clean.shape[0] * clean.shape[1]
        rivals: dict[str, list[np.ndarray]] = {
            "cubic spline": [spline(samples)],
            "RectBivariateSpline, best s": [
                spline(samples, smoothing=n * NOISE**2 * f)
                for f in (0.6, 0.75, 0.85, 0.9, 0.95, 1.0, 1.05, 1.2)
            ],
            "TV at its best, then cubic": [
                spline(denoise_tv_chambolle(samples, weight=w, channel_axis=2))
                for w in (0.05, 0.08, 0.12, 0.16, 0.2)
            ],
            "non-local means at its best, then cubic": [
                spline(non_local_means(samples, h * NOISE))
                for h in (0.4, 0.6, 0.8, 1.0)
            ],
            "KroneckerRidgeCV()": [ridge(samples, KroneckerRidgeCV())],
            ADAPTIVE: [ridge(samples, KroneckerRidgeCV(penalties="adaptive"))],
        }  # fmt: skip
        for name, pictures in rivals.items():
            best = max(held_out(image, picture) for picture in pictures)
            scores.setdefault(name, []).append(best)
    for name, values in scores.items():
        show(table, name, [*values, float(np.mean(values))])
    for ours in ("KroneckerRidgeCV()", ADAPTIVE):
        for name in list(scores)[:-2]:
            gain = np.subtract(scores[ours], scores[name])
            show(table, f"{ours} less {name}", [*gain, float(gain.mean())])
    console.print(table)


def encoders(console: Console) -> None:
    image = load_image("astronaut")
    table = Table(title="KroneckerRidge(encoder) on astronaut, dB")
    table.add_column("encoder")
    table.add_column("PSNR", justify="right")
    for name, encoder in ENCODERS.items():
        show(table, name, [held_out(image, ridge(image[::2, ::2], KroneckerRidge(encoder)))])
    console.print(table)


def cpu(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def interleaved(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each call, run in turns, after one run that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            seconds = cpu(call)
            if repeat:
                times[name].append(seconds)
    return {name: statistics.median(each) for name, each in times.items()}


def speed(size: int, repeats: int, console: Console) -> None:
    image = load_image("astronaut", size)
    at = np.arange(size) / size
    X, y = grid_samples(image, channels=True)
    order = np.random.default_rng(0).permutation(len(X))
    single = X.astype(np.float32), y.astype(np.float32)
    half = size // 2

    def fit_predict(encoder: object, X: np.ndarray, y: np.ndarray) -> Callable[[], object]:
        return lambda: KroneckerRidge(encoder).fit(X, y).predict(X)

    def peer() -> object:
        return [RectBivariateSpline(at, at, image[:, :, c])(at, at) for c in range(3)]

    gaussian = ShiftedBasisEncoder(n_shifts=half)
    calls = {
        "RectBivariateSpline, 3 channels": peer,
        f"Gaussian, {half} shifts, float64": fit_predict(gaussian, X, y),
        f"Gaussian, {half} shifts, float32": fit_predict(gaussian, *single),
        f"Gaussian, {half} shifts, rows shuffled": fit_predict(gaussian, X[order], y[order]),
    }
    for name in ("bspline", "triangle"):
        few, all_of_them = ShiftedBasisEncoder(name, n_shifts=half), ShiftedBasisEncoder(name)
        calls[f"{name}, {half} shifts"] = fit_predict(few, X, y)
        calls[f"{name}, {size} shifts"] = fit_predict(all_of_them, X, y)
    calls[f"Gaussian, {size} shifts"] = fit_predict(ShiftedBasisEncoder(), X, y)
    times = interleaved(calls, repeats)
    table = Table(title=f"{size} x {size} x 3, fit + predict, CPU seconds of one thread")
    for heading in ("", "seconds", "ratio to the spline"):
        table.add_column(heading, justify="right")
    base = next(iter(times.values()))
    for name, seconds in times.items():
        table.add_row(name, f"{seconds:.3f}", f"{seconds / base:.2f}")
    console.print(table)


def selection(console: Console) -> None:
    image = load_image("astronaut")[::2, ::2]
    X, y = grid_samples(image, channels=True)
    search = KroneckerRidgeCV(
        [ShiftedBasisEncoder(basis) for basis in ("gaussian", "bspline", "triangle")],
        stable_ranks=[0.1, 0.15, 0.2, 0.3, 0.4, 0.5],
        alphas=np.logspace(-6, 1, 20),
    )
    seconds = cpu(lambda: search.fit(X, y))
    n = len(search.cv_results_["params"])
    console.print(f"{n} candidates on 256 x 256 x 3: {seconds:.2f} s CPU, {search.best_encoder_}")


def growth(path: Path, repeats: int, console: Console) -> None:
    """Time against samples at 64 shifts, and against shifts at 512 x 512 samples."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    sizes = [64, 128, 256, 512, 1024]
    samples, splines = [], []
    for size in sizes:
        at = np.arange(size) / size
        X, y = grid_samples(
            np.random.default_rng(0).standard_normal((size, size, 3)), channels=True
        )
        channels = y.reshape(size, size, 3)
        model = KroneckerRidge(ShiftedBasisEncoder(n_shifts=64))
        times = interleaved(
            {
                "ours": lambda: model.fit(X, y).predict(X),  # noqa: B023  called at once
                "spline": lambda: [
                    RectBivariateSpline(at, at, channels[:, :, c])(at, at)  # noqa: B023
                    for c in range(3)
                ],
            },
            repeats,
        )
        samples.append(times["ours"])
        splines.append(times["spline"])
    X, y = grid_samples(np.random.default_rng(0).standard_normal((512, 512, 3)), channels=True)
    shifts = [32, 64, 128, 256, 512]
    by_shifts = [
        interleaved({"ours": lambda: model.fit(X, y).predict(X)}, repeats)["ours"]  # noqa: B023
        for model in (KroneckerRidge(ShiftedBasisEncoder(n_shifts=n)) for n in shifts)
    ]
    counts = np.array(sizes, dtype=float) ** 2
    for name, axis, x, lines in [
        ("samples", left, counts, {"KroneckerRidge, 64 shifts": samples, "spline": splines}),
        ("shifts per axis", right, np.array(shifts, dtype=float), {"512 x 512 x 3": by_shifts}),
    ]:
        for (label, values), mark in zip(lines.items(), "os", strict=False):
            slope = np.polyfit(np.log(x[-3:]), np.log(values[-3:]), 1)[0]
            axis.loglog(x, values, mark + "-", label=f"{label}: slope {slope:.2f} at the end")
            console.print(f"{label}: time grows as {name} ** {slope:.2f} (last three points)")
        axis.set(xlabel=name, ylabel="CPU seconds, fit + predict")
        axis.grid(alpha=0.3, which="both")
        if name != "samples":
            axis.set_xticks(x, [f"{count:.0f}" for count in x])
            axis.minorticks_off()
        axis.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two images, small sizes")
    parser.add_argument("--output", type=Path, default=Path("benchmark_kronecker.png"))
    arguments = parser.parse_args()
    console = Console(width=230)
    quick = arguments.quick
    images = {name: load_image(name) for name in (IMAGES[:2] if quick else IMAGES)}
    repeats = 1 if quick else 5
    quality(images, console)
    noisy(images, console)
    encoders(console)
    speed(256 if quick else 1024, repeats, console)
    selection(console)
    growth(arguments.output, repeats, console)
    console.print(f"Plot: {arguments.output}")


if __name__ == "__main__":
    main()
