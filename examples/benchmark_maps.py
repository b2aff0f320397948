"""Maps of a million cells from fits on grids, beside SciPy's spline, interleaved, as ratios.

OMP_NUM_THREADS=1 python examples/benchmark_maps.py

Both were fitted before. Times are CPU seconds; memory is what the prediction takes at its peak,
the map of 8 MB included.
"""

import statistics
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from scipy.interpolate import RectBivariateSpline

from sk_posenc import KroneckerRidge, grid_samples, predict_grid


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def peak(call: Callable[[], object]) -> float:
    """Mebibytes."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return most


def main() -> None:
    finer = np.linspace(0, 1, 1000)
    for n in (64, 128, 256, 512):
        x = np.linspace(0, 1, n)
        values = np.sin(8 * x)[:, None] * np.cos(5 * x)
        model = KroneckerRidge().fit(*grid_samples(values, (x, x)))
        spline = RectBivariateSpline(x, x, values)

        def ours(model: KroneckerRidge = model) -> object:
            return predict_grid(model, coords=[finer, finer])

        def peer(spline: RectBivariateSpline = spline) -> object:
            return spline(finer, finer)

        ours(), peer()
        pairs = [(seconds(ours), seconds(peer)) for _ in range(15)]
        ratio = statistics.median(a / b for a, b in pairs)
        first, second = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
        print(
            f"fit on {n} x {n}: predict_grid {first:5.1f} ms, spline {second:5.1f} ms, "
            f"ratio {ratio:.2f}; {peak(ours):.0f} MiB at its peak"
        )


if __name__ == "__main__":
    main()
