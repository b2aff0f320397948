"""Attention over long series: time and memory of ToeplitzAttention beside softmax and convolution.

All layers map (1, n, 32) to the same, with four heads, in float32. *Softmax* is torch's
`scaled_dot_product_attention` between the same linear layers. *Convolution* is what is least to be
had: one long filter for each column, by `torch.fft`, between the same linear layers. Weights are
as wild as after training. Seconds are CPU seconds of one thread, the median of rounds in which all
take turns; memory is how far the peak of a process rises above its start. Slopes are those of a
line through all points in both logarithms. Errors are the largest of float32 outputs, against the
matrix in float64, on 256 of its rows.

    OMP_NUM_THREADS=1 python examples/benchmark_attention.py [--train] [--output FILE.png]
"""

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.functional import normalize, scaled_dot_product_attention

from sk_posenc import ToeplitzAttention

D_MODEL, N_HEADS = 32, 4
SIZES = [2**k for k in range(8, 17)]
# Softmax takes minutes beyond.
LONGEST = {"softmax": 16_384}
COLOURS = {"FFT": "#0072B2", "blocks": "#009E73", "softmax": "#D55E00", "convolution": "#777777"}
MARKS = dict(zip(COLOURS, "osD^", strict=True))


class Softmax(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(D_MODEL, 3 * D_MODEL), nn.Linear(D_MODEL, D_MODEL)

    def forward(self, x: Tensor) -> Tensor:
        projected = self.first(x).unflatten(-1, (3, N_HEADS, -1))
        z = scaled_dot_product_attention(*projected.permute(2, 0, 3, 1, 4))
        return self.last(z.transpose(1, 2).flatten(2))


class Convolution(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(D_MODEL, D_MODEL), nn.Linear(D_MODEL, D_MODEL)
        self.filters = nn.Parameter(torch.randn(D_MODEL, 2 * n) / n)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[1]
        columns = self.first(x).transpose(1, 2)
        product = torch.fft.rfft(columns, 2 * n) * torch.fft.rfft(self.filters)
        return self.last(torch.fft.irfft(product)[..., :n].transpose(1, 2))


def toeplitz(max_distance: int, method: str, causal: bool = False) -> ToeplitzAttention:
    generator = torch.Generator().manual_seed(0)
    settings: dict[str, Any] = {"max_distance": max_distance, "method": method, "causal": causal}
    layer = ToeplitzAttention(D_MODEL, N_HEADS, **settings, generator=generator)
    distances = torch.arange(-max_distance, 1 if causal else max_distance + 1).abs()
    rough = 0.3 * torch.randn(N_HEADS, len(distances), generator=generator)
    with torch.no_grad():
        layer.relative_weights.copy_(rough - 0.5 * torch.log1p(distances))
    return layer


LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "FFT": lambda n: toeplitz(n - 1, "fft"),
    "blocks": lambda n: toeplitz(128, "auto"),
    "softmax": lambda n: Softmax(),
    "convolution": Convolution,
}


def step(layer: nn.Module, x: Tensor, train: bool) -> None:
    if train:
        layer(x).square().mean().backward()
    else:
        with torch.no_grad():
            layer(x)


def measure_times(n: int, train: bool, rounds: int) -> dict[str, float]:
    x = torch.randn(1, n, D_MODEL, generator=torch.Generator().manual_seed(n))
    layers = {name: make(n) for name, make in LAYERS.items() if n <= LONGEST.get(name, n)}
    seconds: dict[str, list[float]] = {name: [] for name in layers}
    for _ in range(rounds + 1):  # the first one warms up
        for name, layer in layers.items():
            start, count = time.process_time(), 0
            while count == 0 or time.process_time() - start < 0.02:
                step(layer, x, train)
                count += 1
            seconds[name].append((time.process_time() - start) / count)
    return {name: float(np.median(each[1:])) for name, each in seconds.items()}


def _rise(name: str, n: int, train: bool, pipe: Any) -> None:
    layer, x = LAYERS[name](n), torch.randn(1, n, D_MODEL)
    small = LAYERS[name](64)
    step(small, x[:, :64], train)  # what libraries take once
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    step(layer, x, train)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pipe.send(max(0, peak - pages * resource.getpagesize()) / 2**20)


def measure_memory(name: str, n: int, train: bool) -> float:
    """MiB by which the peak rises in a copy of this process, which has computed nothing yet."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_rise, args=(name, n, train, theirs))
    process.start()
    rise: float = ours.recv()
    process.join()
    return rise


@torch.no_grad()
def worst_error(layer: ToeplitzAttention, n: int, n_rows: int = 256) -> float:
    """Of float32 outputs, against rows of the matrix in float64."""
    x = torch.randn(1, n, D_MODEL, generator=torch.Generator().manual_seed(n))
    found = layer.float()(x).double()
    layer = layer.double()
    q, k, v = layer.in_projection(x[0].double()).unflatten(-1, (3, N_HEADS, -1)).permute(1, 2, 0, 3)
    rows = torch.linspace(0, n - 1, min(n, n_rows)).long()
    queries, keys = (
        torch.exp(normalize(part, dim=-1) @ layer.directions.transpose(1, 2))
        for part in (q[:, rows], k)
    )
    farthest = layer.max_distance
    distances = torch.arange(n) - rows[:, None]
    latest = 0 if layer.causal else farthest
    weights = layer.relative_weights[:, distances.clamp(-farthest, latest) + farthest].exp()
    if layer.causal:
        weights *= distances <= 0
    matrix = (queries @ keys.transpose(1, 2)) * weights
    z = (matrix @ v) / matrix.sum(-1, keepdim=True)
    expected = layer.out_projection(z.transpose(0, 1).flatten(1))
    return float((found[0, rows] - expected).abs().max())


def slope(sizes: list[int], values: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def crossing(ours: dict[int, float], theirs: dict[int, float]) -> float:
    """From how many steps on ours is less, between the sizes measured."""
    sizes = sorted(ours.keys() & theirs.keys())
    gaps = [np.log(ours[n] / theirs[n]) for n in sizes]
    for n, left, right in zip(sizes, gaps, gaps[1:], strict=False):
        if left > 0 >= right:
            return float(n * 2 ** (left / (left - right)))
    return float("nan")


Results = dict[str, dict[str, dict[int, float]]]


def measure(sizes: list[int], train: bool = False, rounds: int = 3) -> Results:
    results: Results = {name: {"seconds": {}, "MiB": {}, "error": {}} for name in LAYERS}
    for n in sizes:  # first, as what this process has taken and freed is there for its copies
        for name in LAYERS:
            if n <= LONGEST.get(name, n):
                results[name]["MiB"][n] = measure_memory(name, n, train)
    for n in sizes:
        for name, seconds in measure_times(n, train, rounds).items():
            results[name]["seconds"][n] = seconds
        for name in ("FFT", "blocks"):  # with and without causal
            made = LAYERS[name](n), toeplitz(n - 1 if name == "FFT" else 128, "auto", causal=True)
            results[name]["error"][n] = max(worst_error(layer, n) for layer in made)
    return results


def report(results: Results, console: Console) -> None:
    table = Table(title=f"(1, n, {D_MODEL}), {N_HEADS} heads")
    for heading in ("steps", *(f"{name}, ms" for name in LAYERS), *(f"{n}, MiB" for n in LAYERS)):
        table.add_column(heading, justify="right")
    for n in results["FFT"]["seconds"]:
        cells = [f"{1e3 * results[e]['seconds'].get(n, np.nan):,.1f}" for e in LAYERS]
        cells += [f"{results[e]['MiB'].get(n, np.nan):,.0f}" for e in LAYERS]
        table.add_row(f"{n:,}", *("" if cell == "nan" else cell for cell in cells))
    console.print(table)
    for name, result in results.items():
        seconds = result["seconds"]
        late = [n for n in seconds if n >= 4096]
        text = f"{name}: slope {slope(list(seconds), list(seconds.values())):.2f}"
        if len(late) > 1:
            text += f", from 4,096 steps on {slope(late, [seconds[n] for n in late]):.2f}"
        if result["error"]:
            text += f", worst error {max(result['error'].values()):.1e}"
            cross = crossing(seconds, results["softmax"]["seconds"])
            text += f", faster than softmax from {cross:,.0f} steps"
        console.print(text)


def draw(results: Results, train: bool = False) -> plt.Figure:
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 5), layout="constrained")
    labels = {"FFT": "ToeplitzAttention, all distances (FFT)"}
    labels |= {"blocks": "ToeplitzAttention, max_distance=128 (blocks)"}
    for ax, unit, least in zip(axes, ("seconds", "MiB"), (0, 1), strict=True):
        for name, result in results.items():
            points = {n: value for n, value in result[unit].items() if value >= least}
            if not points:
                continue
            label = labels.get(name, name)
            if len(points) > 1:
                label += f": slope {slope(list(points), list(points.values())):.2f}"
            line: NDArray = np.array(list(points.items())).T
            ax.loglog(*line, color=COLOURS[name], marker=MARKS[name], label=label)
        ax.set_xscale("log", base=2)
        ax.set(xlabel="steps", ylabel={"seconds": "seconds", "MiB": "MiB above the start"}[unit])
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.14))
    axes[0].set_title("time of a training step" if train else "time of a prediction")
    axes[1].set_title("memory")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true", help="with gradients")
    parser.add_argument("--longest", type=int, default=SIZES[-1], help="most steps")
    parser.add_argument("--output", type=Path, default=Path("benchmark_attention.png"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sizes = [n for n in SIZES if n <= arguments.longest]
    results = measure(sizes, arguments.train)
    report(results, Console(width=120))
    draw(results, arguments.train).savefig(arguments.output, dpi=110)


if __name__ == "__main__":
    main()
