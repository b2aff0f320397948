"""The cases of benchmark_panel.py: signals, layouts of their samples, noise and sizes.

A layout draws places in the unit cube, where signals are functions of the place. What an
estimator sees are coordinates: the place in the units of the layout, along a log-spaced axis
100 ** (place - 1). Real signals are taken at their cells next to the coordinates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from sk_posenc import load_signal

Places = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Places]  # rng, samples, axes -> places

SIZES = (100, 250, 500, 1000)
LARGE = 3000  # in place of every fifth case of 1,000
NOISES = (0.0, 0.1, 0.2)  # in spreads of the signal
N_TEST = 600
ORDER = 753  # of the cases: every fourth has all layouts, signals, noises and sizes evenly

_CYCLES = {1: 8.0, 2: 3.0, 3: 1.5}  # of waves along an axis, for each number of axes


def _even(rng: np.random.Generator, n: int, n_axes: int) -> Places:
    side = round(n ** (1 / n_axes))
    axis = (np.arange(side) + 0.5) / side
    return np.stack(np.meshgrid(*[axis] * n_axes, indexing="ij"), axis=-1).reshape(-1, n_axes)


def _random(rng: np.random.Generator, n: int, n_axes: int) -> Places:
    return rng.uniform(size=(n, n_axes))


def _bursts(rng: np.random.Generator, n: int, n_axes: int) -> Places:
    """Along the first axis 12 bursts, each as long as the pauses between them."""
    places = rng.uniform(size=(n, n_axes))
    places[:, 0] = (rng.integers(12, size=n) + 0.5 * places[:, 0]) / 12
    return places


def _clustered(rng: np.random.Generator, n: int, n_axes: int) -> Places:
    """Two thirds around six centres, the others anywhere."""
    places = rng.uniform(size=(n, n_axes))
    centres = rng.uniform(0.1, 0.9, size=(6, n_axes))
    near = slice(n // 3, None)
    around = centres[rng.integers(6, size=n)[near]]
    places[near] = around + 0.05 * rng.standard_normal(around.shape)
    return np.abs(1 - np.abs(1 - places))  # back into the cube


def _twice(rng: np.random.Generator, n: int, n_axes: int) -> Places:
    return np.repeat(rng.uniform(size=(n // 2, n_axes)), 2, axis=0)


def _tracks(rng: np.random.Generator, n: int, n_axes: int) -> Places:
    """Lines 10 apart that are sampled 0.5 along, over about a square."""
    n_lines = max(3, round(np.sqrt(n / 20)))
    along, across = np.meshgrid(0.5 * np.arange(n // n_lines), 10.0 * np.arange(n_lines))
    places = np.column_stack([along.ravel(), across.ravel()])
    return places / places.max()


def _corridor(rng: np.random.Generator, n: int, n_axes: int) -> Places:
    """A river of 30 km by 300 m."""
    return rng.uniform((0, 0.4), (1, 0.41), size=(n, 2))


def _table(rng: np.random.Generator, n: int, n_axes: int) -> Places:
    return np.stack(np.meshgrid(*map(_ends, (25, 30)), indexing="ij"), axis=-1).reshape(-1, 2)


def _ends(n: int) -> NDArray[np.float64]:
    return np.linspace(0, 1, n)


@dataclass(frozen=True)
class Layout:
    n_axes: int
    draw: Draw
    unit: float = 1.0
    log_axis: int | None = None
    cycles: float | None = None  # of waves, where not as everywhere
    size: int | None = None  # where there is only one

    def natural(self, places: Places) -> Places:
        """Coordinates in the unit cube: log-spaced where the layout is."""
        places = places.copy()
        if self.log_axis is not None:
            places[:, self.log_axis] = 100 ** (places[:, self.log_axis] - 1)
        return places


LAYOUTS: dict[str, Layout] = {
    "line-even": Layout(1, _even),
    "line-random": Layout(1, _random),
    "line-log": Layout(1, _even, log_axis=0),
    "line-bursts": Layout(1, _bursts),
    "line-clustered": Layout(1, _clustered),
    "line-twice": Layout(1, _twice),
    "plane-even": Layout(2, _even),
    "plane-random": Layout(2, _random),
    "plane-log": Layout(2, _random, log_axis=0),
    "plane-clustered": Layout(2, _clustered),
    "plane-tracks": Layout(2, _tracks, unit=200.0),
    "plane-corridor": Layout(2, _corridor, unit=30_000.0, cycles=15.0),
    "plane-twice": Layout(2, _twice),
    "plane-table": Layout(2, _table, log_axis=1, size=750),
    "volume-even": Layout(3, _even),
    "volume-random": Layout(3, _random),
    "volume-bursts": Layout(3, _bursts),
    "volume-clustered": Layout(3, _clustered),
    "volume-twice": Layout(3, _twice),
}


def _along(u: Places) -> NDArray[np.float64]:
    """From 0 to 1 across the cube, along no axis."""
    direction = np.array([1.0, 0.6, 0.4])[: u.shape[1]]
    return u @ direction / direction.sum()


def _smooth(u: Places, cycles: float) -> NDArray[np.float64]:
    return np.exp(-3 * np.sum((u - 0.4) ** 2, axis=1)) + 0.5 * np.sin(4 * _along(u))


def _wavy(u: Places, cycles: float) -> NDArray[np.float64]:
    return np.prod(np.sin(2 * np.pi * cycles * u + np.arange(u.shape[1]) + 0.5), axis=1)


def _steps(u: Places, cycles: float) -> NDArray[np.float64]:
    edges, heights = (0.13, 0.28, 0.43, 0.55, 0.72, 0.86), (1.0, -1.6, 1.2, 0.7, -1.5, 0.9)
    return sum(h * (_along(u) > edge) for edge, h in zip(edges, heights, strict=True))


def _cliffs(u: Places, cycles: float) -> NDArray[np.float64]:
    distance = np.sqrt(np.sum((u - 0.5) ** 2, axis=1))
    return np.tanh((0.3 - distance) / 0.02) + np.sin(3 * u[:, 0])


def _kink(u: Places, cycles: float) -> NDArray[np.float64]:
    return np.abs(_along(u) - 0.45) + np.abs(u[:, -1] - 0.7)


def _bumps(u: Places, cycles: float) -> NDArray[np.float64]:
    centres = np.random.default_rng(3).uniform(0.05, 0.95, size=(9, u.shape[1]))
    widths = np.linspace(0.02, 0.1, 9) * u.shape[1]
    distances = np.sqrt(np.sum((u[:, None] - centres) ** 2, axis=2))
    return np.sum(np.linspace(1, 0.5, 9) / (1 + distances / widths) ** 4, axis=1)


def _doppler(u: Places, cycles: float) -> NDArray[np.float64]:
    radius = np.sqrt(np.mean(u**2, axis=1))
    lowest = 0.05 * 2 ** (u.shape[1] - 1)
    return np.sqrt(radius * (1 - radius)) * np.sin(2 * np.pi * 1.05 / (radius + lowest))


def _chirp(u: Places, cycles: float) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * cycles * _along(u) ** 2)


def _ripple(u: Places, cycles: float) -> NDArray[np.float64]:
    return 2 * u[:, 0] ** 2 - u[:, -1] + 0.15 * np.sin(4 * np.pi * cycles * _along(u))


def _franke(u: Places, cycles: float) -> NDArray[np.float64]:
    """Franke's function; on a line the section at 0.2, in volumes Renka's."""
    x = 9 * u[:, 0]
    y = 9 * u[:, 1] if u.shape[1] > 1 else np.full_like(x, 1.8)
    z = 9 * u[:, 2] if u.shape[1] > 2 else np.full_like(x, 2.0)
    return (
        0.75 * np.exp(-((x - 2) ** 2 + (y - 2) ** 2 + (z - 2) ** 2) / 4)
        + 0.75 * np.exp(-((x + 1) ** 2) / 49 - (y + 1) / 10 - (z + 1) / 10)
        + 0.5 * np.exp(-((x - 7) ** 2 + (y - 3) ** 2 + (z - 5) ** 2) / 4)
        - 0.2 * np.exp(-((x - 4) ** 2) - (y - 7) ** 2 - (z - 5) ** 2)
    )


FUNCTIONS = {
    "smooth": _smooth,
    "wavy": _wavy,
    "steps": _steps,
    "cliffs": _cliffs,
    "kink": _kink,
    "bumps": _bumps,
    "doppler": _doppler,
    "chirp": _chirp,
    "ripple": _ripple,
    "franke": _franke,
}

# Axes of each real signal, and the most samples that it is asked for: others test.
REAL = {"co2": (1, 1000), "profile": (1, 200), "heights": (2, 1000), "sea": (3, 1000)}
SIGNALS = [*FUNCTIONS, *REAL]


@cache
def real_values(name: str) -> NDArray[np.float64]:
    """Weekly CO2, a row of the height map, that map, the tropical Pacific west of 100 W."""
    if name == "co2":
        return load_signal("co2")[0]
    if name == "sea":
        return load_signal("sea_temperature")[0][:, :, :96]
    heights = load_signal("elevation")[0]
    return heights[170] if name == "profile" else heights


@dataclass(frozen=True)
class Case:
    """One signal under one layout, with its number, which seeds all that is drawn."""

    number: int
    layout: str
    signal: str
    size: int
    noise: float

    @property
    def name(self) -> str:
        return f"{self.layout}/{self.signal}/{self.size}/{self.noise:g}"

    def thirds(self) -> set[int]:
        """Thirds to which its layout and its signal belong."""
        return {list(LAYOUTS).index(self.layout) % 3, SIGNALS.index(self.signal) % 3}


@dataclass(frozen=True)
class Samples:
    """What is fitted, and the truth at places inside the hull of the samples."""

    X: Places
    y: NDArray[np.float64]
    X_test: Places
    truth: NDArray[np.float64]

    def error(self, predicted: NDArray) -> float:
        """Root mean square, relative to the spread of the truth."""
        return float(np.sqrt(np.mean((predicted - self.truth) ** 2)) / self.truth.std())

    def worst_place(self, predicted: NDArray) -> float:
        """The 99.5 % quantile of the absolute error, relative to the spread."""
        return float(np.quantile(np.abs(predicted - self.truth), 0.995) / self.truth.std())


def all_cases() -> list[Case]:
    """Each signal once under each layout that has its axes, real ones twice, well mixed.

    Along layouts and along signals noise and size go round: of 12 cases in a row no two have
    both alike.
    """
    found = []
    for i, (name, layout) in enumerate(LAYOUTS.items()):
        for j, signal in enumerate(SIGNALS):
            n_axes, most = REAL.get(signal, (layout.n_axes, LARGE))
            if n_axes != layout.n_axes:
                continue
            for k in (i + j, i + j + 7) if signal in REAL else (i + j,):
                size = layout.size or min(SIZES[k % 4], most)
                found.append((name, signal, size, NOISES[k % 3]))
    large = [
        k for k, (_, signal, size, _) in enumerate(found) if size == 1000 and signal not in REAL
    ]
    for k in large[::5]:
        found[k] = (*found[k][:2], LARGE, found[k][3])
    order = np.random.default_rng(ORDER).permutation(len(found))
    return [Case(number, *found[k]) for number, k in enumerate(order)]


def draw(case: Case, seed: int) -> Samples:
    """The samples of a case, with their noise, and where the error is taken."""
    rng = np.random.default_rng((case.number, seed))
    layout = LAYOUTS[case.layout]
    places = layout.draw(rng, case.size, layout.n_axes)
    low, high = places.min(axis=0), places.max(axis=0)
    tests = rng.uniform(low, high, size=(20 * N_TEST, layout.n_axes))
    value = partial(_real if case.signal in REAL else _formula, case.signal, layout)
    (coordinates, values), (at, truth) = value(places), value(tests)
    if layout.draw is not _twice:  # several places may have had one cell
        kept = np.sort(np.unique(coordinates, axis=0, return_index=True)[1])
        coordinates, values = coordinates[kept], values[kept]
    free = ~np.isin(_keys(at), _keys(coordinates))
    at, truth = at[free], truth[free]
    inside = inside_hull(coordinates, at)
    at, truth = at[inside][:N_TEST], truth[inside][:N_TEST]
    y = values + case.noise * truth.std() * rng.standard_normal(len(values))
    return Samples(layout.unit * coordinates, y, layout.unit * at, truth)


def _formula(signal: str, layout: Layout, places: Places) -> tuple[Places, NDArray[np.float64]]:
    cycles = layout.cycles or _CYCLES[layout.n_axes]
    return layout.natural(places), FUNCTIONS[signal](places, cycles)


def _real(signal: str, layout: Layout, places: Places) -> tuple[Places, NDArray[np.float64]]:
    values = real_values(signal)
    last = np.array(values.shape) - 1
    cells = np.rint(layout.natural(places) * last).astype(int)
    return cells / last, values[tuple(cells.T)]


def _keys(coordinates: Places) -> NDArray[np.complex128]:
    """One number for each place, to compare places by."""
    return coordinates @ np.array([1, 1j, np.pi + 1j * np.e])[: coordinates.shape[1]]


def inside_hull(samples: Places, at: Places) -> NDArray[np.bool_]:
    low, high = samples.min(axis=0), samples.max(axis=0)
    if samples.shape[1] == 1:
        return np.all((at >= low) & (at <= high), axis=1)
    scaled = (np.unique(samples, axis=0) - low) / (high - low)
    return Delaunay(scaled).find_simplex((at - low) / (high - low)) >= 0
