"""Encoders beside the limits of the machine and their peers, at equal size and in one process.

262,144 points of a plane to 512 float32 columns on one thread; sides take turns, the table has
medians and the ratio to the peer named. Then time against points and against columns, with the
slopes of straight lines through the logarithms.

    OMP_NUM_THREADS=1 python examples/benchmark_encoders.py [--rounds 5] [--output FILE.png]
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

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
Call = Callable[[], object]


def points(n: int) -> np.ndarray:
    return np.random.default_rng(0).random((n, 2), dtype=np.float32)


def shifted(basis: str, n_columns: int = N_COLUMNS, **settings: object) -> ShiftedBasisEncoder:
    """An encoder with exactly so many columns for the plane, of the width that they can hold."""
    encoder = ShiftedBasisEncoder(
        basis, n_shifts=n_columns // 2, domain=(0, 1), boundary="cut", **settings
    )
    return encoder.set_params(stable_rank=n_columns / 20) if basis != "impulse" else encoder


def in_place(X: np.ndarray, phi: Callable[[np.ndarray], None]) -> np.ndarray:
    """The columns of a Gaussian or triangle, 2,048 rows at a time without a temporary array."""
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
    np.multiply(block, np.float32(-0.5 / 0.006**2), out=block)
    np.exp(block, out=block)


def triangle_in_place(block: np.ndarray) -> None:
    np.abs(block, out=block)
    np.multiply(block, np.float32(-1 / 0.02), out=block)
    np.add(block, np.float32(1), out=block)
    np.maximum(block, np.float32(0), out=block)


def torch_in_place(X: torch.Tensor, kind: str) -> torch.Tensor:
    """The same in torch; exponents end at -80, for exp is very slow where it underflows."""
    shifts = torch.linspace(0, 1, N_COLUMNS // 2)
    out = torch.empty((len(X), N_COLUMNS))
    for first in range(0, len(X), 2048):
        for axis in range(2):
            block = out[first : first + 2048, axis * len(shifts) : (axis + 1) * len(shifts)]
            torch.sub(X[first : first + 2048, axis, None], shifts, out=block)
            if kind == "gaussian":
                block.square_().mul_(-0.5 / 0.006**2).clamp_(min=-80).exp_()
            else:
                block.abs_().mul_(-1 / 0.02).add_(1).clamp_(min=0)
    return out


def authors_gaussian(X: np.ndarray) -> np.ndarray:
    """The formula as the authors wrote it, all at once and divided by its largest row norm."""
    shifts = np.linspace(0, 1, N_COLUMNS // 2, dtype=np.float32)
    E = np.exp(-((X[:, :, None] - shifts) ** 2) / np.float32(2 * 0.006**2)).reshape(len(X), -1)
    return E / np.linalg.norm(E, axis=1).max()


def under_dispatch(call: Call) -> Call:
    def dispatched() -> object:
        with config_context(array_api_dispatch=True):
            return call()

    return dispatched


def seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def sides() -> list[tuple[str, Call, str | None]]:
    """Name, call, and the peer whose time the ratio is to."""
    X = points(N_POINTS)
    T = torch.from_numpy(X)
    rows: list[tuple[str, Call, str | None]] = [
        ("numpy: fill", lambda: np.full((N_POINTS, N_COLUMNS), 1, np.float32), None),
        ("numpy: Gaussian in place", lambda: in_place(X, gaussian_in_place), None),
        ("numpy: triangle in place", lambda: in_place(X, triangle_in_place), None),
        ("numpy: the authors' Gaussian", lambda: authors_gaussian(X), None),
        ("torch: Gaussian in place", lambda: torch_in_place(T, "gaussian"), None),
        ("torch: triangle in place", lambda: torch_in_place(T, "triangle"), None),
    ]
    sampler = RBFSampler(n_components=N_COLUMNS, random_state=0).fit(X)
    rows.append(("RBFSampler", lambda: sampler.transform(X), None))
    for sparse in (False, True):
        spline = SplineTransformer(N_COLUMNS // 2 - 2, sparse_output=sparse).fit(X)
        rows.append(
            (
                f"SplineTransformer{' sparse' if sparse else ''}",
                lambda s=spline: s.transform(X),
                None,
            )
        )
    in_place_peer = {"gaussian": "Gaussian in place", "triangle": "triangle in place"}
    for basis in ("gaussian", "triangle", "bspline", "rectangle", "impulse", "sine", "square"):
        encoder = (
            shifted(basis)
            if basis not in ("sine", "square")
            else ShiftedBasisEncoder(basis, n_shifts=N_COLUMNS // 2)
        )
        peer = in_place_peer.get(basis)
        encoder.fit(X)
        rows.append((f"{basis}", lambda e=encoder: e.transform(X), peer and f"numpy: {peer}"))
    for name, encoder in {
        "Fourier": FourierEncoder(N_COLUMNS // 4),
        "log Fourier": LogFourierEncoder(N_COLUMNS // 4),
        "random Fourier": RandomFourierEncoder(N_COLUMNS // 2, random_state=0),
    }.items():
        encoder.fit(X)
        rows.append((name, lambda e=encoder: e.transform(X), "RBFSampler"))
    for basis in ("gaussian", "triangle", "bspline", "impulse"):
        encoder = shifted(basis, sparse_output=True).fit(X)
        rows.append(
            (f"{basis} sparse", lambda e=encoder: e.transform(X), "SplineTransformer sparse")
        )
    with config_context(array_api_dispatch=True):
        tensors = {
            "gaussian on torch": (shifted("gaussian").fit(T), "torch: Gaussian in place"),
            "triangle on torch": (shifted("triangle").fit(T), "torch: triangle in place"),
            "random Fourier on torch": (
                RandomFourierEncoder(N_COLUMNS // 2, random_state=0).fit(T),
                "RBFSampler",
            ),
        }
    for name, (encoder, peer) in tensors.items():
        rows.append((name, under_dispatch(lambda e=encoder: e.transform(T)), peer))
    return rows


def print_table(rounds: int) -> None:
    rows = sides()
    times: dict[str, list[float]] = {name: [] for name, _, _ in rows}
    for _ in range(rounds):
        for name, call, _ in rows:
            times[name].append(seconds(call))
    median = {name: statistics.median(each) for name, each in times.items()}
    print(f"{N_POINTS:,} x 2 points to {N_COLUMNS} float32 columns, medians of {rounds} rounds")
    for name, _, peer in rows:
        pairs = zip(times[name], times[peer], strict=True) if peer else []
        ratios = [ours / theirs for ours, theirs in pairs]
        ratio = f"{statistics.median(ratios):5.2f} x {peer}" if ratios else ""
        print(f"{name:30s} {median[name]:7.3f} s  {ratio}")


def print_memory() -> None:
    X = points(N_POINTS)
    encoder = shifted("gaussian").fit(X)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    E = encoder.transform(X)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    beyond = (after - before) / 1024 - E.nbytes / 2**20
    print(f"memory beyond the output: {beyond:.0f} MiB")


def best_time(encoder: ShiftedBasisEncoder, n: int, rounds: int) -> float:
    X = points(n)
    encoder.fit(X)
    return min(seconds(lambda: encoder.transform(X)) for _ in range(rounds))


def slope(sizes: list[int], times: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def draw_scaling(path: Path, rounds: int) -> None:
    kinds = {
        "Gaussian": lambda k: shifted("gaussian", k),
        "triangle, sparse": lambda k: shifted("triangle", k, sparse_output=True),
        "random Fourier": lambda k: RandomFourierEncoder(k // 2, stable_rank=8, random_state=0),
        "Fourier": lambda k: FourierEncoder(k // 4),
    }
    marks = dict(zip(kinds, ["#0072B2 o", "#E69F00 s", "#CC79A7 P", "#D55E00 D"], strict=True))
    n_points = [2**k for k in range(12, 19)]
    n_columns = [2**k for k in range(6, 12)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for kind, make in kinds.items():
        colour, mark = marks[kind].split()
        by_points = [best_time(make(256), n, rounds) for n in n_points]
        by_columns = [best_time(make(k), 2**15, rounds) for k in n_columns]
        for axis, sizes, times in (
            (left, n_points, by_points),
            (right, n_columns, by_columns),
        ):
            fitted = slope(sizes, times)
            axis.loglog(sizes, times, color=colour, marker=mark, label=f"{kind}: {fitted:.2f}")
            print(f"{kind:18s} time ~ {'points' if axis is left else 'columns'} ** {fitted:.2f}")
    left.set_xlabel("points (256 columns)")
    right.set_xlabel("columns (32,768 points)")
    for axis in (left, right):
        axis.set_ylabel("seconds")
        axis.grid(alpha=0.3)
        axis.legend(title="slope")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("benchmark_encoders.png"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print_memory()
    print_table(arguments.rounds)
    draw_scaling(arguments.output, arguments.rounds)


if __name__ == "__main__":
    main()
