"""Quasi-random points of the unit cube: a lattice at a random shift."""

import math

import numpy as np
from numpy.typing import NDArray

# Multipliers that are tried: a few hundred hold a good one, more only cost time.
_CANDIDATES = 256


def quasi_random(n: int, n_axes: int, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Points of the open unit cube, a rank-1 lattice at a random shift.

    Point i is ``frac(i * g / n + shift)``. Every axis by itself has the n equidistant
    points that make its stable rank exact; the multipliers g spread the points over all
    axes together.
    """
    index = np.arange(n)
    multipliers = _lattice_multipliers(n, n_axes)
    steps = [index * g % n for g in multipliers]
    # a small n has too few multipliers for many axes: the rest are shuffled
    steps += [rng.permutation(n) for _ in range(n_axes - len(steps))]
    points = (np.stack(steps, axis=1) / n + rng.uniform(size=n_axes)) % 1.0
    smallest = 2.0**-40  # the normal quantile of 0 is infinite
    return np.clip(points, smallest, 1 - smallest)


def _lattice_multipliers(n: int, n_axes: int) -> list[int]:
    """Distinct multipliers of a rank-1 lattice, axis by axis the best (CBC construction).

    Each minimises the worst-case integration error of smooth periodic functions,
    mean over i of prod over a of (1 + 2 pi**2 B_2(frac(i g_a / n))), with the Bernoulli
    polynomial B_2(t) = t**2 - t + 1/6.
    """
    index = np.arange(n)
    kernel = 1 + 2 * math.pi**2 * ((index / n) ** 2 - index / n + 1 / 6)
    candidates = [g for g in range(2, n // 2 + 1) if math.gcd(g, n) == 1]
    candidates = candidates[:: max(1, len(candidates) // _CANDIDATES)]
    chosen = [1]
    product = kernel
    while len(chosen) < n_axes and candidates:
        errors = [float(np.mean(product * kernel[index * g % n])) for g in candidates]
        g = candidates.pop(int(np.argmin(errors)))
        chosen.append(g)
        product = product * kernel[index * g % n]
    return chosen
