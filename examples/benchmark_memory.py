"""
What does not fit into memory
=============================

Two tables: calls that need more memory than any machine has, and how soon each is refused; and
calls above 256 MiB, with the figure that is checked beside the measured peak. Linux only, as it
reads ``/proc``. About four minutes::

    python examples/benchmark_memory.py
"""

import argparse
import os
import resource
import select
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import sk_posenc.core.memory as memory

FIGURES = [0]
_check_bytes = memory.check_bytes


def recorded(size: int, *others):
    """As `check_bytes`, whose figures are kept."""
    FIGURES.append(size)
    _check_bytes(size, *others)


memory.check_bytes = recorded  # before the rest of the package takes it

import sk_posenc as sp  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(60, 2))
Y = np.sin(5 * X[:, 0]) + X[:, 1]
LARGE = RNG.uniform(size=(9_000, 2))
MANY = np.broadcast_to(0.5, (10**6, 2))
SQUARE = np.broadcast_to(0.5, (10**6, 10**6))


def bspline(n, **settings):
    return sp.ShiftedBasisEncoder("bspline", n_shifts=n, domain=(0, 1), **settings)


def fine(**settings):
    return bspline(10**5, **settings).fit(X)


def ridge(n, **settings):
    return sp.KroneckerRidge(bspline(n, stable_rank=n / 2), **settings)


def mlp(**settings):
    settings = {"hidden_layer_sizes": (8,), "max_epochs": 1, "device": "cpu"} | settings
    return sp.CoordinateMLPRegressor(**settings)


def in_order(n):
    return np.linspace(0, 1, n)[:, None]


def ring(n):
    """A graph of n nodes."""
    from scipy import sparse

    links = sparse.coo_array((np.ones(n), (np.arange(n), (np.arange(n) + 1) % n)), (n, n))
    return sparse.csr_array(links + links.T)


REFUSED: dict[str, Callable[[], object]] = {
    "FourierEncoder(10**12)": lambda: sp.FourierEncoder(10**12).fit(X),
    "LogFourierEncoder(10**12)": lambda: sp.LogFourierEncoder(10**12).fit(X),
    "RandomFourierEncoder(10**12)": lambda: sp.RandomFourierEncoder(10**12).fit(X),
    "LearnableFourierEncoder(10**12)": lambda: sp.LearnableFourierEncoder(10**12).fit(X),
    "LearnableFourierEncoder(mlp=(10**9, 10**9))": lambda: sp.LearnableFourierEncoder(
        8, mlp=(10**9, 10**9)
    ).fit(X),
    "ShiftedBasisEncoder(n_shifts=10**12)": lambda: bspline(10**12).fit(X),
    "MultigridEncoder(table_size=10**12)": lambda: sp.MultigridEncoder(
        finest=10**7, table_size=10**12
    ).fit(X),
    "SphericalHarmonicEncoder(10**6)": lambda: sp.SphericalHarmonicEncoder(10**6).fit(X),
    "PositiveRandomFeatures(10**12)": lambda: sp.PositiveRandomFeatures(10**12).fit(X),
    "ToeplitzAttention(max_distance=10**12)": lambda: sp.ToeplitzAttention(8, max_distance=10**12),
    "transform, 10**6 rows of 2 x 10**5 shifts": lambda: fine().transform(MANY),
    "transform, a product of 10**10 shifts": lambda: fine(tensor_product=True).transform(MANY),
    "feature names of 10**10 columns": lambda: fine(tensor_product=True).get_feature_names_out(),
    "similarity of 10**6 rows": lambda: fine().similarity(MANY),
    "stable_rank of 10**6 x 10**6": lambda: sp.stable_rank(SQUARE),
    "distance_preservation, 10**11 pairs": lambda: sp.distance_preservation(
        MANY, MANY, n_pairs=10**11
    ),
    "psnr_score of 10**6 x 10**6": lambda: sp.psnr_score(SQUARE, SQUARE),
    "tangent_kernel of 10**6 x 10**6": lambda: sp.tangent_kernel(SQUARE, 3),
    "network_similarity of 10**11 offsets": lambda: sp.network_similarity(
        bspline(8).fit(X), np.broadcast_to(0.1, 10**11), 3
    ),
    "CoordinateMLP(hidden (200000, 200000))": lambda: sp.CoordinateMLP(
        2, 1, hidden_layer_sizes=(200_000, 200_000)
    ),
    "CoordinateMLPRegressor(the same)": lambda: mlp(hidden_layer_sizes=(200_000, 200_000)).fit(
        X, Y
    ),
    "CoordinateMLPRegressor, 10**12 columns": lambda: mlp(
        encoder=bspline(10**6, tensor_product=True)
    ).fit(X, Y),
    "grid_samples of 10**5 x 10**5 x 10": lambda: sp.grid_samples(
        np.broadcast_to(0.0, (10**5, 10**5, 10))
    ),
    "fill_grid of 10**6 x 10**6": lambda: sp.fill_grid(SQUARE),
    "predict_grid of 10**12 cells": lambda: sp.predict_grid(
        ridge(8).fit(X, Y), coords=[np.arange(10**6)] * 2
    ),
    "KroneckerRidge, 10**10 products": lambda: ridge(10**5).fit(LARGE, LARGE[:, 0]),
    "KroneckerRidge(2.0), 10**10 products": lambda: ridge(10**5, penalty=2.0).fit(
        LARGE, LARGE[:, 0]
    ),
    'KroneckerRidge("adaptive"), 10**10 products': lambda: ridge(10**5, penalty="adaptive").fit(
        X, Y
    ),
    "partial_fit, 10**10 products": lambda: ridge(10**5).partial_fit(X, Y),
    "KroneckerRidge.predict of 10**11 x 10 values": lambda: (
        ridge(8).fit(X, np.column_stack([Y] * 10)).predict(np.broadcast_to(0.5, (10**11, 2)))
    ),
    "AnchorPathEncoder(n_features=10**12)": lambda: sp.AnchorPathEncoder(4, n_features=10**12).fit(
        ring(30)
    ),
    "BasisDisplay, 10**12 points": lambda: sp.BasisDisplay.from_estimator(
        bspline(8).fit(X), n_points=10**12
    ),
    "SpectrumDisplay, 10**6 columns and rows": lambda: sp.SpectrumDisplay.from_encodings(SQUARE),
    "suggest_encoder of 10**12 cells": lambda: sp.suggest_encoder(
        np.broadcast_to(0.5, (10**12, 2)), np.broadcast_to(0.5, 10**12), mlp()
    ),
}


def measured_calls() -> dict[str, Callable[[], Callable[[], object]]]:
    """By name, what prepares a call of some hundred MiB."""
    rows = np.random.default_rng(1).uniform

    def transformed(n_rows, encoder, n_axes=2):
        encoder.fit(rows(size=(50, n_axes)))
        X = rows(size=(n_rows, n_axes))
        return lambda: encoder.transform(X)

    def fitted(n, model, n_axes=2):
        X = rows(size=(n, n_axes))
        y = np.sin(5 * X[:, 0]) + X[:, -1]
        return lambda: model.fit(X, y)

    def holed(n):
        grid = rows(size=(n, n))
        grid[5:9, 7:11] = np.nan
        X, y = sp.grid_samples(grid)
        model = sp.KroneckerRidge(alpha=1e-3, nan_is_hole=True, max_iter=10)
        return lambda: model.fit(X, y)

    def similar(n, encoder):
        X = rows(size=(n, 2))
        encoder.fit(X)
        return lambda: encoder.similarity(X)

    def added(n_functions):
        X = rows(size=(2_000, 2))
        encoder = sp.FourierEncoder(stable_rank=n_functions, domain=(0, 1))
        model = sp.KroneckerRidge(encoder, alpha=1e-3)
        return lambda: model.partial_fit(X, X[:, 0]).predict(X[:5])

    def sampled(n):
        grid = rows(size=(n, n))
        return lambda: sp.grid_samples(grid)

    def named(n):
        encoder = bspline(n, tensor_product=True).fit(X)
        return encoder.get_feature_names_out

    def kernel(n):
        cosines = rows(size=(n, n))
        return lambda: sp.tangent_kernel(cosines, 3)

    def error(n):
        y = rows(size=(n, n))
        return lambda: sp.psnr_score(y, y[::-1])

    def pairs(n):
        X = rows(size=(n, 2))
        return lambda: sp.distance_preservation(X, X, n_pairs=n * n)

    return {
        "transform, dense": lambda: transformed(60_000, bspline(200)),
        "transform, Fourier": lambda: transformed(100_000, sp.FourierEncoder(100)),
        "transform, sparse": lambda: transformed(100_000, bspline(200, sparse_output=True)),
        "transform, product": lambda: transformed(10_000, bspline(40, tensor_product=True)),
        "transform, harmonics": lambda: transformed(
            40_000, sp.SphericalHarmonicEncoder(30, unit="radians")
        ),
        "similarity, closed form": lambda: similar(7_000, bspline(20)),
        "similarity, grids": lambda: similar(7_000, sp.MultigridEncoder(finest=32)),
        "KroneckerRidge, similarity": lambda: fitted(
            4_500, sp.KroneckerRidge(penalty="similarity", alpha=1e-2)
        ),
        "KroneckerRidge, radial": lambda: fitted(
            4_500,
            sp.KroneckerRidge(sp.ShiftedBasisEncoder("matern32"), penalty="radial", alpha=1e-2),
        ),
        "KroneckerRidge, scattered": lambda: fitted(20_000, ridge(40, penalty="ridge", alpha=1e-3)),
        "KroneckerRidge, iterated": lambda: fitted(
            20_000, ridge(1_200, penalty=2.0, alpha=1e-2, max_iter=10)
        ),
        "KroneckerRidge, adaptive": lambda: fitted(
            20_000, ridge(1_000, penalty="adaptive", alpha=1e-2, max_iter=5)
        ),
        "KroneckerRidge, a grid with holes": lambda: holed(1_200),
        "partial_fit, Fourier": lambda: added(30),
        "CoordinateMLPRegressor, layers": lambda: fitted(
            500, mlp(hidden_layer_sizes=(4_500, 4_500), lr=1e-5)
        ),
        "CoordinateMLPRegressor, a batch": lambda: fitted(
            100_000, mlp(hidden_layer_sizes=(256, 256, 256), batch_size=100_000)
        ),
        "grid_samples": lambda: sampled(5_000),
        "feature names": lambda: named(1_600),
        "tangent_kernel": lambda: kernel(5_000),
        "psnr_score": lambda: error(5_000),
        "distance_preservation": lambda: pairs(2_400),
    }


def status(name: str) -> float:
    """MiB of a line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def measure(name: str) -> None:
    """Print the figure and the peak of one call, in MiB."""
    warnings.simplefilter("ignore")
    call = measured_calls()[name]()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    before = status("VmRSS")
    del FIGURES[1:]
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    print(max(FIGURES) / 2**20, status("VmHWM") - before, seconds)


def refuse(call: Callable[[], object], most_seconds: float = 5.0) -> tuple[float, str]:
    """Seconds until a call was refused, and how; in a process of its own, killed if it goes on."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (2**34, 2**34))  # what is not refused fails here
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        try:
            call()
            said = "not refused"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, f"{time.perf_counter() - start} {' '.join(said.split())}".encode())
        os._exit(0)
    os.close(write)
    if not select.select([read], [], [], most_seconds)[0]:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    seconds, _, said = os.read(read, 2**16).decode().partition(" ")
    os.close(read)
    return (float(seconds), said) if said else (most_seconds, "went on")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--refused", action="store_true", help="the first table alone")
    parser.add_argument("--only", default="", help="names that hold this text")
    parser.add_argument("--call", help="measure one call, in this process")
    options = parser.parse_args()
    if options.call:
        measure(options.call)
        return
    console = Console(width=150)
    table = Table("call", "seconds", "refused", title="More than any memory")
    for name in sp.__all__:  # imports count for nothing
        getattr(sp, name)
    warnings.simplefilter("ignore")
    mlp().fit(X, Y).predict(X)
    import matplotlib.pyplot  # noqa: F401

    n_refused = 0
    for name, call in REFUSED.items():
        if options.only in name:
            seconds, said = refuse(call)
            good = said.startswith("ValueError") and "GiB" in said and seconds < 1
            n_refused += good
            table.add_row(name, f"{seconds:.2f}", ("" if good else "NO: ") + said)
    if table.row_count:
        console.print(table)
        print(f"{n_refused} of {table.row_count} refused within a second, with GiB")
    table = Table("call", "checked, MiB", "peak, MiB", "peak / checked", "s", title="Peaks")
    for name in measured_calls():
        if options.only in name and not options.refused:
            command = [sys.executable, __file__, "--call", name]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                table.add_row(name, "", "", done.stderr.strip().splitlines()[-1], "")
                continue
            checked, peak, seconds = map(float, done.stdout.split())
            ratio = f"{peak / checked:.2f}" if checked else "not checked"
            table.add_row(name, f"{checked:.0f}", f"{peak:.0f}", ratio, f"{seconds:.1f}")
    if table.row_count:
        console.print(table)


if __name__ == "__main__":
    main()
