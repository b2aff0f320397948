"""Import time and the speed of stable_rank, each beside its peer, interleaved, as ratios.

OMP_NUM_THREADS=1 python examples/benchmark_basics.py
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from sk_posenc import stable_rank


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(ours: Callable[[], object], peer: Callable[[], object], repeats: int) -> tuple:
    """Median times of both, and the median of the ratio of neighbouring runs."""
    ours(), peer()
    pairs = [(seconds(ours), seconds(peer)) for _ in range(repeats)]
    ratio = statistics.median(a / b for a, b in pairs)
    return *(statistics.median(times) for times in zip(*pairs, strict=True)), ratio


def imports(module: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


def main() -> None:
    rng = np.random.default_rng(0)
    tall, square = rng.standard_normal((10_000, 1_000)), rng.standard_normal((2_500, 2_500))
    lines = [
        ("import sk_posenc / import sklearn.pipeline", 7, imports("sk_posenc"),
         imports("sklearn.pipeline")),
        ("stable_rank / full SVD, 10,000 x 1,000", 3, lambda: stable_rank(tall),
         lambda: np.linalg.svd(tall, full_matrices=False)),
        ("stable_rank / singular values alone, 10,000 x 1,000", 3, lambda: stable_rank(tall),
         lambda: np.linalg.svd(tall, compute_uv=False)),
        ("stable_rank / full SVD, 2,500 x 2,500 (Lanczos)", 1, lambda: stable_rank(square),
         lambda: np.linalg.svd(square)),
    ]  # fmt: skip
    for name, repeats, ours, peer in lines:
        a, b, ratio = compare(ours, peer, repeats)
        print(f"{name:54s} {a:7.3f} s / {b:7.3f} s, ratio {ratio:.3f}", flush=True)


if __name__ == "__main__":
    main()
