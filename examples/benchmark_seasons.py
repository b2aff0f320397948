"""SeasonalRidge: how often its intervals are right, and what it costs.

::

    OMP_NUM_THREADS=1 python examples/benchmark_seasons.py

It takes four minutes, and prints the tables of the page on seasons.
"""

import resource
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sk_posenc import SeasonalRidge

Floats = NDArray[np.float64]


def smooth(t: Floats) -> Floats:
    """A trend, a season of 7 and one of 30."""
    week = np.sin(2 * np.pi * t / 7) + 0.3 * np.cos(4 * np.pi * t / 7 + 1)
    return 0.5 * np.sin(t / 40) + t / 100 + week + 0.8 * np.cos(2 * np.pi * t / 30)


def hourly(t: Floats) -> Floats:
    """A trend, a day with a peak, and a week that jumps at its end."""
    return t / 40 + 1.5 * np.exp(-(((t % 1 - 0.75) / 0.1) ** 2)) - 0.7 * (t % 7 >= 5)


def every_day(random: np.random.Generator) -> Floats:
    return np.arange(400.0)


def with_gaps(random: np.random.Generator) -> Floats:
    t = np.arange(400.0)
    return t[(t < 120) | ((t > 190) & (t < 300)) | (t > 360)]


def at_random(random: np.random.Generator) -> Floats:
    return np.sort(random.uniform(0, 400, 200))


def every_hour(random: np.random.Generator) -> Floats:
    return np.arange(24.0 * 42) / 24


CASES: list[tuple[str, Callable, Callable, list[float], float]] = [
    ("400 days, seasons of 7 and 30", smooth, every_day, [7, 30], 0.3),
    ("the same, noise 0.05", smooth, every_day, [7, 30], 0.05),
    ("two gaps of 70 and 60 days", smooth, with_gaps, [7, 30], 0.3),
    ("200 irregular times", smooth, at_random, [7, 30], 0.3),
    ("six weeks of hours, with jumps", hourly, every_hour, [1, 7], 0.3),
]


def coverage(
    signal: Callable, times: Callable, periods: list[float], noise: float, n_series: int = 50
) -> tuple[float, float]:
    """Share of places within 95 % intervals: at the ticks of the clock, gaps too, and anywhere."""
    inside: list[list[float]] = []
    for seed in range(n_series):
        random = np.random.default_rng(seed)
        t = times(random)
        y = signal(t) + random.normal(scale=noise, size=len(t))
        model = SeasonalRidge(periods).fit(t[:, None], y)
        ticks = every_day(random) if times is with_gaps else t
        row = []
        for at in (ticks, random.uniform(t[0], t[-1], 500)):
            predicted, std = model.predict(at[:, None], return_std=True)
            row.append(float(np.mean(np.abs(predicted - signal(at)) < 1.96 * std)))
        inside.append(row)
    at_ticks, anywhere = np.mean(inside, axis=0)
    return float(at_ticks), float(anywhere)


def cost(n: int) -> tuple[float, float, float]:
    """CPU seconds to fit n hours and to predict them with deviations, and memory in MB so far."""
    t = np.arange(float(n)) / 24
    year = 0.8 * np.cos(2 * np.pi * (t - 20) / 365.25)
    y = hourly(t % 42) + year + 0.3 * np.random.default_rng(0).normal(size=n)
    start = time.process_time()
    model = SeasonalRidge([1, 7, 365.25]).fit(t[:, None], y)
    fitted = time.process_time()
    model.predict(t[:, None], return_std=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return fitted - start, time.process_time() - fitted, peak


def main() -> None:
    print("| hours | fit, s | predict with std, s | memory, MB |\n|---:|---:|---:|---:|")
    for n in (8_766, 30_000, 100_000, 1_000_000):
        print("| {:,} | {:.1f} | {:.1f} | {:,.0f} |".format(n, *cost(n)))
    print("\n| | at the ticks | anywhere |\n|---|---:|---:|")
    for name, *case in CASES:
        print("| {} | {:.1%} | {:.1%} |".format(name, *coverage(*case)))


if __name__ == "__main__":
    main()
