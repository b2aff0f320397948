"""Long lines with noise: KroneckerRidgeCV beside SciPy's smoothing spline and celerite2.

Errors are root mean squares in spreads of the signal, inside the samples. Seconds are CPU seconds
of one thread, for choice, fit and prediction at 2,000 places; peers run in turn with ours.
`make_smoothing_spline` chooses by generalised cross-validation, on abscissas scaled to unit
spacing. celerite2 fits a Matern-3/2 process by likelihood (L-BFGS); it is left out where it is not
installed. The worst place is the 99.5 % quantile of the absolute error.

    OMP_NUM_THREADS=1 python examples/benchmark_lines.py [--million]

With `--adaptive` the peers give way to the adaptive penalty and to smoothness of exponent 2, on
random places, with two signals more whose details change along the line:

    OMP_NUM_THREADS=1 python examples/benchmark_lines.py --adaptive [--million]

With `--bursts` there are 2,900 samples in 25 bursts, each as long as the pause after it, of waves
that turn so often over the line; with noise of 0.3 spreads. The table has errors, and the share of
the places inside 95 % intervals:

    OMP_NUM_THREADS=1 python examples/benchmark_lines.py --bursts
"""

import argparse
import os
import resource
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.interpolate import make_smoothing_spline
from scipy.optimize import minimize

from sk_posenc import KroneckerRidgeCV

NOISE = 0.2
Predict = Callable[[NDArray, NDArray, NDArray], NDArray]


def smooth(u: NDArray) -> NDArray[np.float64]:
    return np.sin(9 * u) + 0.3 * np.cos(23 * u)


def bumps(u: NDArray) -> NDArray[np.float64]:
    centres = np.random.default_rng(3).uniform(0.05, 0.95, 9)
    widths = np.linspace(0.02, 0.1, 9)
    return np.sum(1 / (1 + np.abs(u[:, None] - centres) / widths) ** 4, axis=1)


def steps(u: NDArray) -> NDArray[np.float64]:
    return sum(h * (u > e) for h, e in ((1.0, 0.13), (-1.6, 0.28), (1.2, 0.43), (-1.5, 0.72)))


def doppler(u: NDArray) -> NDArray[np.float64]:
    return np.sqrt(u * (1 - u)) * np.sin(2 * np.pi * 1.05 / (u + 0.05))


def chirp(u: NDArray) -> NDArray[np.float64]:
    return np.sin(60 * np.pi * u**3)


SIGNALS = {"smooth": smooth, "bumps": bumps, "steps": steps}
CHANGING = {"doppler": doppler, "chirp": chirp}


def places(layout: str, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """In the unit interval, where signals are functions of the place."""
    if layout == "even" or layout == "log":
        return (np.arange(n) + 0.5) / n
    u = rng.uniform(size=n)
    if layout == "bursts":
        u = (rng.integers(12, size=n) + 0.5 * u) / 12
    if layout == "clustered":
        near = rng.uniform(0.1, 0.9, 6)[rng.integers(6, size=n)] + 0.05 * rng.normal(size=n)
        u = np.where(rng.uniform(size=n) < 1 / 3, u, np.abs(1 - np.abs(1 - near)))
    return np.sort(u)


def draw(layout: str, signal: str, n: int, seed: int = 0) -> tuple[NDArray, ...]:
    rng = np.random.default_rng(seed)
    u = places(layout, n, rng)
    at = np.sort(rng.uniform(u[0], u[-1], 2_000))
    function = {**SIGNALS, **CHANGING}[signal]
    truth, clean = function(at), function(u)
    y = clean + NOISE * clean.std() * rng.normal(size=n)
    x, points = (100.0 ** (v - 1) if layout == "log" else v for v in (u, at))
    return x, y, points, truth


def ours(x: NDArray, y: NDArray, at: NDArray) -> NDArray:
    return np.asarray(KroneckerRidgeCV().fit(x[:, None], y).predict(at[:, None]))


def listed(penalty: Any) -> Predict:
    def predict(x: NDArray, y: NDArray, at: NDArray) -> NDArray:
        model = KroneckerRidgeCV(penalties=penalty).fit(x[:, None], y)
        return np.asarray(model.predict(at[:, None]))

    return predict


def spline(x: NDArray, y: NDArray, at: NDArray) -> NDArray:
    scale = (len(x) - 1) / (x[-1] - x[0])
    return np.asarray(make_smoothing_spline((x - x[0]) * scale, y)((at - x[0]) * scale))


def celerite(x: NDArray, y: NDArray, at: NDArray) -> NDArray:
    import celerite2

    mean, spread = y.mean(), y.std()

    def process(logs: NDArray) -> Any:
        sigma, rho, noise = np.exp(logs)
        kernel = celerite2.terms.Matern32Term(sigma=sigma, rho=rho)
        gp = celerite2.GaussianProcess(kernel, mean=mean)
        gp.compute(x, diag=np.full(len(x), noise**2), check_sorted=False)
        return gp

    def loss(logs: NDArray) -> float:
        try:
            return -float(process(logs).log_likelihood(y))
        except Exception:  # not positive definite
            return 1e25

    start = np.log([spread, 0.1 * (x[-1] - x[0]), spread / 2])
    best = minimize(loss, start, method="L-BFGS-B").x
    return np.asarray(process(best).predict(y, at))


def run(peers: dict[str, Predict], cases: Sequence[tuple], console: Console) -> None:
    table = Table(title=f"Noise of {NOISE} spreads")
    for heading in ("layout", "signal", "samples", "method", "error", "worst place", "s"):
        table.add_column(heading, justify="right")
    for layout, signal, n in cases:
        x, y, at, truth = draw(layout, signal, n)
        for name, predict in peers.items():
            start = time.process_time()
            error = (predict(x, y, at) - truth) / truth.std()
            seconds = time.process_time() - start
            worst = np.quantile(np.abs(error), 0.995)
            cells = f"{np.sqrt(np.mean(error**2)):.4f}", f"{worst:.3f}", f"{seconds:.2f}"
            table.add_row(layout, signal, f"{n:,}", name, *cells)
    console.print(table)


def run_adaptive(sizes: Sequence[int], console: Console) -> None:
    peers = {"KroneckerRidgeCV()": ours, "adaptive": listed("adaptive"), "2.0": listed(2.0)}
    for n in sizes:
        run(peers, [("random", signal, n) for signal in (*SIGNALS, *CHANGING)], console)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"peak memory {peak:.1f} GiB")


def run_bursts(console: Console) -> None:
    table = Table(title="25 bursts, noise of 0.3 spreads: error (inside 95 % intervals)")
    for heading in ("waves", "KroneckerRidgeCV()", "penalties=[2.0]", "make_smoothing_spline"):
        table.add_column(heading, justify="right")
    for waves in (6, 12, 25, 33, 50):
        rng = np.random.default_rng(0)
        x = np.sort((rng.integers(25, size=2_900) + 0.5 * rng.uniform(size=2_900)) / 25)
        clean = np.sin(2 * np.pi * waves * x)
        y = clean + 0.3 * clean.std() * rng.normal(size=len(x))
        at = np.sort(rng.uniform(x[0], x[-1], 2_000))
        truth, cells = np.sin(2 * np.pi * waves * at), [str(waves)]
        for penalties in (None, [2.0]):
            model = KroneckerRidgeCV(penalties=penalties).fit(x[:, None], y)
            value, std = model.predict(at[:, None], return_std=True)
            error = value - truth
            inside = np.mean(np.abs(error) < 1.96 * std)
            cells.append(f"{np.sqrt(np.mean(error**2)) / truth.std():.3f} ({inside:.0%})")
        smoothed = np.sqrt(np.mean((spline(x, y, at) - truth) ** 2))
        table.add_row(*cells, f"{smoothed / truth.std():.3f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--million", action="store_true", help="a million samples too, ours alone")
    parser.add_argument("--adaptive", action="store_true", help="penalties in place of peers")
    parser.add_argument("--bursts", action="store_true", help="waves in bursts, with deviations")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    console = Console(width=110)
    if arguments.bursts:
        run_bursts(console)
        return
    if arguments.adaptive:
        run_adaptive([10_000, 100_000, *[1_000_000] * arguments.million], console)
        return
    layouts = ("even", "random", "log", "bursts", "clustered")
    both = {"KroneckerRidgeCV()": ours, "make_smoothing_spline": spline}
    run(both, [(layout, s, 10_000) for layout in layouts for s in SIGNALS], console)
    many: dict[str, Predict] = {"KroneckerRidgeCV()": ours}
    try:
        import celerite2  # noqa: F401

        many["celerite2"] = celerite
    except ImportError:
        console.print("celerite2 is not installed")
    run(many, [(layout, s, 100_000) for layout in layouts for s in SIGNALS], console)
    if arguments.million:
        run({"KroneckerRidgeCV()": ours}, [("random", s, 1_000_000) for s in SIGNALS], console)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        console.print(f"peak memory {peak:.1f} GiB")


if __name__ == "__main__":
    main()
