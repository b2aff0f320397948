"""Encoders beside the limits of the machine and their peers, at equal size and in one process.

262,144 points of a plane are encoded to 512 float32 columns on one thread. The sides take turns.
The table has medians, and the median ratios to the peers. Then comes the memory that a transform
takes, each in a process of its own. Last comes time against points and against columns, with the
slopes of straight lines through the logarithms.

    OMP_NUM_THREADS=1 python examples/benchmark_encoders.py [--rounds 7] [--output FILE.png]
"""

import argparse
import functools
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # for array API dispatch, before scipy loads

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn import config_context
from sklearn.kernel_approximation import RBFSampler
from sklearn.preprocessing import SplineTransformer

from sk_posenc import (
    FourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
)

N_POINTS, N_COLUMNS = 262_144, 512
WIDTH = 0.01  # of the bases that are not ours, in domains
Call = Callable[[], object]


class Side(NamedTuple):
    """What is timed, and the sides that its time is a ratio to."""

    name: str
    call: Call
    peers: tuple[str, ...] = ()


def points(n: int) -> np.ndarray:
    return np.random.default_rng(0).random((n, 2), dtype=np.float32)


def shifted(basis: str, n_columns: int = N_COLUMNS, **settings: object) -> ShiftedBasisEncoder:
    """An encoder of the plane with exactly so many columns, as narrow as they can hold."""
    if basis in ("sine", "square"):
        return ShiftedBasisEncoder(basis, n_shifts=n_columns // 2)
    return ShiftedBasisEncoder(
        basis, n_shifts=n_columns // 2, domain=(0, 1), boundary="cut", **settings
    )


def encoders(n_columns: int = N_COLUMNS) -> dict[str, object]:
    bases = ("gaussian", "triangle", "bspline", "rectangle", "impulse", "sine", "square")
    return {basis: shifted(basis, n_columns) for basis in bases} | {
        "Fourier": FourierEncoder(n_columns // 4),
        "log Fourier": LogFourierEncoder(n_columns // 4),
        "random Fourier": RandomFourierEncoder(n_columns // 2, stable_rank=8, random_state=0),
    }


def in_place(X: np.ndarray, phi: Callable[[np.ndarray], None]) -> np.ndarray:
    """The columns of a basis, 2,048 rows at a time without a temporary array."""
    shifts = np.linspace(0, 1, N_COLUMNS // 2, dtype=np.float32)
    out = np.empty((len(X), N_COLUMNS), dtype=np.float32)
    for first in range(0, len(X), 2048):
        for axis in range(2):
            block = out[first : first + 2048, axis * len(shifts) : (axis + 1) * len(shifts)]
            np.subtract(X[first : first + 2048, axis, None], shifts, out=block)
            phi(block)
    return out


def gaussian_in_place(block: np.ndarray) -> None:
    np.multiply(block, block, out=block)
    np.multiply(block, np.float32(-0.5 / WIDTH**2), out=block)
    np.exp(block, out=block)


def triangle_in_place(block: np.ndarray) -> None:
    np.abs(block, out=block)
    np.multiply(block, np.float32(-1 / WIDTH), out=block)
    np.add(block, np.float32(1), out=block)
    np.maximum(block, np.float32(0), out=block)


def torch_in_place(X: torch.Tensor, kind: str) -> torch.Tensor:
    """The same in torch; exponents end at -80, for exp is very slow where it underflows."""
    shifts = torch.linspace(0, 1, N_COLUMNS // 2, device=X.device)
    out = torch.empty((len(X), N_COLUMNS), device=X.device)
    n_rows = 2048 if X.device.type == "cpu" else len(X)
    for first in range(0, len(X), n_rows):
        for axis in range(2):
            block = out[first : first + n_rows, axis * len(shifts) : (axis + 1) * len(shifts)]
            torch.sub(X[first : first + n_rows, axis, None], shifts, out=block)
            if kind == "gaussian":
                block.square_().mul_(-0.5 / WIDTH**2).clamp_(min=-80).exp_()
            else:
                block.abs_().mul_(-1 / WIDTH).add_(1).clamp_(min=0)
    return out


def as_the_authors(X: torch.Tensor, kind: str) -> torch.Tensor:
    """The formulas as written with the paper: all rows at once, over their largest norm."""
    x = X.split(1, dim=1)
    shifts = torch.linspace(0, 1, N_COLUMNS // 2)
    if kind == "Gaussian":
        parts = [(-0.5 * (each - shifts) ** 2 / WIDTH**2).exp() for each in x]
    elif kind == "triangle":
        parts = [1 - (each - shifts).abs() / WIDTH for each in x]
        parts = [part * (part > 0) for part in parts]
    elif kind == "random Fourier":
        generator = torch.Generator().manual_seed(0)
        turns = 2 * math.pi * X @ torch.randn((2, N_COLUMNS // 2), generator=generator)
        parts = [torch.sin(turns), torch.cos(turns)]
    else:
        n = N_COLUMNS // 4
        frequencies = torch.linspace(1, n, n) if kind == "Fourier" else 2 ** torch.linspace(0, 6, n)
        turns = [2 * math.pi * each @ frequencies[None] for each in x]
        parts = [wave(each) for each in turns for wave in (torch.sin, torch.cos)]
    E = torch.cat(parts, dim=1)
    return E / E.norm(dim=1).max()


def on_tensors(encoder: object, X: torch.Tensor) -> Call:
    """A transform under dispatch, until the device is done."""
    with config_context(array_api_dispatch=True):
        encoder.fit(X)

    def call() -> object:
        with config_context(array_api_dispatch=True):
            return encoder.transform(X)

    return finished(call, X.device)


def finished(call: Call, device: torch.device) -> Call:
    if device.type == "cpu":
        return call

    def waited() -> object:
        result = call()
        torch.cuda.synchronize()
        return result

    return waited


def numpy_sides(X: np.ndarray) -> list[Side]:
    sampler = RBFSampler(n_components=N_COLUMNS, random_state=0).fit(X)
    spline, sparse_spline = (
        SplineTransformer(N_COLUMNS // 2 - 2, sparse_output=sparse).fit(X)
        for sparse in (False, True)
    )
    rows = [
        Side("numpy: fill", lambda: np.full((N_POINTS, N_COLUMNS), 1, np.float32)),
        Side("numpy: Gaussian in place", lambda: in_place(X, gaussian_in_place)),
        Side("numpy: triangle in place", lambda: in_place(X, triangle_in_place)),
        Side("RBFSampler", lambda: sampler.transform(X)),
        Side("SplineTransformer", lambda: spline.transform(X)),
        Side("SplineTransformer sparse", lambda: sparse_spline.transform(X)),
    ]
    in_place_peers = {
        "gaussian": "numpy: Gaussian in place",
        "triangle": "numpy: triangle in place",
    }
    for name, encoder in encoders().items():
        peers = [in_place_peers[name]] if name in in_place_peers else []
        transform = functools.partial(encoder.fit(X).transform, X)
        rows.append(Side(name, transform, (*peers, "RBFSampler")))
    for name, encoder in sparse_encoders().items():
        per_row = encoder.fit(X).transform(X[:4096]).nnz / 4096
        transform = functools.partial(encoder.transform, X)
        peers = ("SplineTransformer sparse",)
        rows.append(Side(f"{name}, sparse, {per_row:.1f} a row", transform, peers))
    return rows


def sparse_encoders() -> dict[str, ShiftedBasisEncoder]:
    bases = ("gaussian", "triangle", "bspline", "rectangle", "impulse")
    return {basis: shifted(basis, sparse_output=True) for basis in bases} | {
        "wide gaussian": shifted("gaussian", sparse_output=True, stable_rank=25)
    }


def torch_sides(X: torch.Tensor, label: str) -> list[Side]:
    device = X.device
    rows = [
        Side(f"{label}: fill", lambda: torch.full((N_POINTS, N_COLUMNS), 1.0, device=device)),
        Side(f"{label}: Gaussian in place", lambda: torch_in_place(X, "gaussian")),
        Side(f"{label}: triangle in place", lambda: torch_in_place(X, "triangle")),
    ]
    rows = [side._replace(call=finished(side.call, device)) for side in rows]
    if device.type == "cpu":
        kinds = ("Gaussian", "triangle", "Fourier", "log Fourier", "random Fourier")
        rows += [Side(f"authors' {kind}", lambda k=kind: as_the_authors(X, k)) for kind in kinds]
    peers = {"gaussian": f"{label}: Gaussian in place", "triangle": f"{label}: triangle in place"}
    for name, encoder in encoders().items():
        beside = ([peers[name]] if name in peers else []) + ["RBFSampler"]
        authors = f"authors' {name.replace('gaussian', 'Gaussian')}"
        beside += [side.name for side in rows if side.name == authors]
        rows.append(Side(f"{name} on {label}", on_tensors(encoder, X), tuple(beside)))
    return rows


def seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def print_table(rounds: int) -> None:
    X = points(N_POINTS)
    rows = numpy_sides(X) + torch_sides(torch.from_numpy(X), "torch")
    if torch.cuda.is_available():
        rows += torch_sides(torch.from_numpy(X).cuda(), "cuda")
    times: dict[str, list[float]] = {side.name: [] for side in rows}
    for _ in range(rounds):
        for side in rows:
            times[side.name].append(seconds(side.call))
    print(f"{N_POINTS:,} x 2 points to {N_COLUMNS} float32 columns, medians of {rounds} rounds\n")
    print("| side | s | ratio to |\n|---|---:|---|")
    for side in rows:
        own = times[side.name]
        ratios = [
            f"{statistics.median(a / b for a, b in zip(own, times[peer], strict=True)):.2f} {peer}"
            for peer in side.peers
        ]
        print(f"| {side.name} | {statistics.median(own):.3f} | {', '.join(ratios)} |")
    if not torch.cuda.is_available():
        print("\nno rows on CUDA: torch finds no such device here")


def print_memory() -> None:
    """Peak less what was there before, beyond the output, of one transform in a new process."""
    print("\n| transform | output, MiB | beyond it, MiB |\n|---|---:|---:|")
    for name in [*encoders(), *(f"{each}, sparse" for each in sparse_encoders())]:
        print_peak(name, N_POINTS)
    for name in ("triangle, sparse", "gaussian, sparse"):
        print_peak(name, 10**7)


def print_peak(name: str, n: int) -> None:
    done = subprocess.run(
        [sys.executable, __file__, "--peak-of", name, "--points", str(n)],
        capture_output=True,
        text=True,
        check=True,
    )
    output, beyond, whole = (float(each) / 2**20 for each in done.stdout.split())
    process = f" (the whole process {whole:,.0f})" if n > N_POINTS else ""
    print(f"| {name}, {n:,} points | {output:,.0f} | {beyond:,.0f}{process} |")


def measure_peak(name: str, n: int) -> None:
    """Bytes of the output, of the peak beyond it, and of the whole process at its peak."""
    X = points(n)
    basis = name.removesuffix(", sparse")
    encoder = (encoders() if basis == name else sparse_encoders())[basis].fit(X)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = from_status("VmRSS")
    E = encoder.transform(X)
    size = E.nbytes if isinstance(E, np.ndarray) else sum(
        part.nbytes for part in (E.data, E.indices, E.indptr)
    )  # fmt: skip
    print(size, from_status("VmHWM") - before - size, from_status("VmHWM"))


def from_status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def best_time(encoder: object, n: int, rounds: int) -> float:
    X = points(n)
    encoder.fit(X)
    return min(seconds(lambda: encoder.transform(X)) for _ in range(rounds))


def slope(sizes: list[int], times: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def draw_scaling(path: Path, rounds: int) -> None:
    kinds: dict[str, Callable[[int], object]] = {
        "Gaussian": lambda k: shifted("gaussian", k),
        "triangle": lambda k: shifted("triangle", k),
        "triangle, sparse": lambda k: shifted("triangle", k, sparse_output=True),
        "random Fourier": lambda k: encoders(k)["random Fourier"],
        "Fourier": lambda k: FourierEncoder(k // 4),
        "RBFSampler": lambda k: RBFSampler(n_components=k, random_state=0),
        "SplineTransformer, sparse": lambda k: SplineTransformer(k // 2 - 2, sparse_output=True),
    }
    colours = ["#0072B2", "#009E73", "#E69F00", "#CC79A7", "#D55E00", "#555555", "#999999"]
    n_points = [2**k for k in range(12, 20)]
    n_columns = [2**k for k in range(5, 12)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.8), layout="constrained")
    print("\n| encoder | time ~ points ** | time ~ columns ** |\n|---|---:|---:|")
    for (kind, make), colour, mark in zip(kinds.items(), colours, "osDP^xv", strict=True):
        by_points = [best_time(make(256), n, rounds) for n in n_points]
        by_columns = [best_time(make(k), 2**15, rounds) for k in n_columns]
        slopes = []
        for axis, sizes, times in ((left, n_points, by_points), (right, n_columns, by_columns)):
            slopes.append(slope(sizes, times))
            line = "--" if kind in ("RBFSampler", "SplineTransformer, sparse") else "-"
            label = f"{kind}: {slopes[-1]:.2f}"
            axis.loglog(sizes, times, line, color=colour, marker=mark, label=label)
        print(f"| {kind} | {slopes[0]:.2f} | {slopes[1]:.2f} |")
    left.set(xlabel="points", ylabel="seconds", title="256 columns")
    right.set(xlabel="columns", title="32,768 points")
    for axis in (left, right):
        axis.set_xscale("log", base=2)
        axis.grid(alpha=0.3)
        axis.legend(title="slope", fontsize="small")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("benchmark_encoders.png"))
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    parser.add_argument("--points", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak_of:
        measure_peak(arguments.peak_of, arguments.points)
        return
    print_table(arguments.rounds)
    if sys.platform.startswith("linux"):
        print_memory()
    draw_scaling(arguments.output, arguments.rounds)


if __name__ == "__main__":
    main()
