"""KroneckerRidgeCV with defaults on 240 small cases that are no photographs, beside peers.

Signals that are smooth, wavy, broken or measured, under layouts of lines, planes and volumes,
with and without noise: panel_cases.py has them. The error is the root mean square against the
truth inside the hull of the samples, in spreads of the signal, the median over seeds. The score
is its ratio to that of the best peer (panel_peers.py), each peer at its best setting with the
truth known. Errors below 0.001 count as 0.001, so that of two perfect fits none is better. The
worst place is the 99.5 % quantile of the absolute error in spreads; it is no part of the score.
Seconds are CPU seconds of fit and predict, of one thread.

    OMP_NUM_THREADS=1 python examples/benchmark_panel.py [--cases plane-] [--every 4] [--seeds 2]
    python examples/benchmark_panel.py --estimator "KroneckerRidgeCV(penalties='curvature')"
    python examples/benchmark_panel.py --peers    # adds what benchmark_panel.csv lacks
"""

import argparse
import csv
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from panel_cases import Case, Samples, all_cases, draw
from panel_peers import peer_errors
from rich.console import Console
from rich.table import Table

import sk_posenc

TABLE = Path(__file__).with_suffix(".csv")
N_SEEDS = 5
FLOOR = 1e-3  # the least error that counts, in spreads
BEYOND = 1.2
DEFAULT = "KroneckerRidgeCV()"

Peers = dict[str, NDArray[np.float64]]  # errors of each peer, by seed


@dataclass(frozen=True)
class Result:
    """An estimator on one case, medians over seeds, beside the best peer on the same seeds."""

    case: Case
    error: float
    worst_place: float
    seconds: float
    peer: str
    peer_error: float

    @property
    def ratio(self) -> float:
        return max(self.error, FLOOR) / max(self.peer_error, FLOOR)


def estimator_of(expression: str) -> Any:
    """What the expression makes, with the names of sk_posenc and NumPy as np."""
    names = {name: getattr(sk_posenc, name) for name in sk_posenc.__all__ if name in expression}
    return eval(expression, {"sk_posenc": sk_posenc, "np": np, **names})


def fit_and_predict(expression: str, samples: Samples) -> tuple[NDArray[np.float64], float]:
    model = estimator_of(expression)
    start = time.process_time()
    predicted = model.fit(samples.X, samples.y).predict(samples.X_test)
    return np.asarray(predicted), time.process_time() - start


def judge(case: Case, expression: str, seeds: int, peers: Peers) -> Result:
    measured = []
    for seed in range(seeds):
        samples = draw(case, seed)
        predicted, seconds = fit_and_predict(expression, samples)
        measured.append((samples.error(predicted), samples.worst_place(predicted), seconds))
    error, worst_place, seconds = np.median(measured, axis=0)
    of_peers = {name: float(np.median(errors[:seeds])) for name, errors in peers.items()}
    best = min(of_peers, key=lambda name: of_peers[name])
    return Result(case, error, worst_place, seconds, best, of_peers[best])


def read_peers(path: Path) -> dict[str, Peers]:
    """Case -> peer -> errors by seed, of what has been computed."""
    found: dict[str, Peers] = {}
    if path.exists():
        with path.open(newline="") as lines:
            for row in csv.DictReader(lines):
                errors = np.array([float(row[f"seed {seed}"]) for seed in range(N_SEEDS)])
                found.setdefault(row["case"], {})[row["peer"]] = errors
    return found


def add_peers(path: Path, cases: Sequence[Case]) -> None:
    """Compute what the table lacks, every fourth case first, and write it case by case."""
    known = read_peers(path)
    if not known:
        seeds = [f"seed {seed}" for seed in range(N_SEEDS)]
        path.write_text(",".join(["case", "peer", "error", *seeds]) + "\n")
    for case in (case for start in (0, 2, 1, 3) for case in cases[start::4]):
        if case.name in known:
            continue
        by_seed = [peer_errors(draw(case, seed), case.noise) for seed in range(N_SEEDS)]
        with path.open("a") as lines:
            for peer in by_seed[0]:
                errors = [each[peer] for each in by_seed]
                cells = [f"{error:.3g}" for error in (np.median(errors), *errors)]
                lines.write(",".join([case.name, peer, *cells]) + "\n")


def summary(results: Sequence[Result]) -> list[str]:
    ratios = np.array([result.ratio for result in results])
    seconds = [result.seconds for result in results]
    return [
        str(len(results)),
        f"{np.exp(np.mean(np.log(ratios))):.3f}",
        f"{ratios.max():.2f}",
        f"{np.mean(ratios > BEYOND):.0%}",
        f"{np.median([result.worst_place for result in results]):.3f}",
        f"{np.median(seconds):.2f}",
        f"{max(seconds):.2f}",
    ]


def show_groups(results: Sequence[Result], console: Console) -> None:
    for kind in ("layout", "signal", "noise", "size"):
        table = Table(title=f"Error over that of the best peer, by {kind}")
        table.add_column(kind)
        for heading in ("cases", "geometric mean", "worst", f"beyond {BEYOND}", "worst place"):
            table.add_column(heading, justify="right")
        table.add_column("s, median", justify="right")
        table.add_column("s, most", justify="right")
        for value in sorted({getattr(result.case, kind) for result in results}):
            of_kind = [each for each in results if getattr(each.case, kind) == value]
            table.add_row(str(value), *summary(of_kind))
        table.add_section()
        table.add_row("all", *summary(results))
        console.print(table)


def show_worst(results: Sequence[Result], console: Console) -> None:
    table = Table(title="The ten worst: errors in spreads of the signal")
    for heading in ("case", "ours", "best peer", "which", "ratio", "worst place", "s"):
        table.add_column(heading)
    for each in sorted(results, key=lambda result: -result.ratio)[:10]:
        numbers = (each.error, each.peer_error)
        cells = [f"{number:.4f}" for number in numbers]
        last = (f"{each.ratio:.2f}", f"{each.worst_place:.3f}", f"{each.seconds:.2f}")
        table.add_row(each.case.name, *cells, each.peer, *last)
    console.print(table)
    counts = Counter(result.peer for result in results).most_common()
    console.print("Best peer: " + ", ".join(f"{peer} {count}" for peer, count in counts))


def chosen(
    cases: Iterable[Case], names: str, third: int | None, without_third: int | None
) -> list[Case]:
    """Cases whose name has that part, of a third of layouts or of signals, or of none."""
    return [
        case
        for case in cases
        if names in case.name
        and (third is None or third in case.thirds())
        and (without_third is None or without_third not in case.thirds())
    ]


def run(
    cases: Sequence[Case],
    console: Console,
    *,
    expression: str = DEFAULT,
    seeds: int = N_SEEDS,
    jobs: int = 1,
    path: Path = TABLE,
) -> list[Result]:
    """Judge an estimator on the cases that have peers, and print it all."""
    peers = read_peers(path)
    known = [case for case in cases if case.name in peers]
    if len(known) < len(cases):
        console.print(f"{len(cases) - len(known)} cases have no peers yet: run with --peers")
    if not known:
        return []
    results = Parallel(n_jobs=jobs)(
        delayed(judge)(case, expression, seeds, peers[case.name]) for case in known
    )
    console.print(f"{expression}, {seeds} seeds")
    show_groups(results, console)
    show_worst(results, console)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="", metavar="SUBSTRING", help="of layout/signal/...")
    parser.add_argument("--every", type=int, default=1, help="4: an even quarter of the cases")
    parser.add_argument("--seeds", type=int, default=N_SEEDS, choices=range(1, N_SEEDS + 1))
    parser.add_argument("--jobs", type=int, default=1)
    thirds = parser.add_mutually_exclusive_group()
    thirds.add_argument(
        "--third", type=int, choices=range(3), help="cases whose layout or signal is of that third"
    )
    thirds.add_argument("--without-third", type=int, choices=range(3), help="the other cases")
    parser.add_argument("--estimator", default=DEFAULT, metavar="EXPRESSION")
    parser.add_argument("--peers", action="store_true", help="compute the peers that are not known")
    arguments = parser.parse_args()
    cases = chosen(
        all_cases()[:: arguments.every],
        arguments.cases,
        arguments.third,
        arguments.without_third,
    )
    if arguments.peers:
        add_peers(TABLE, cases)
        return
    run(
        cases,
        Console(width=130),
        expression=arguments.estimator,
        seeds=arguments.seeds,
        jobs=arguments.jobs,
    )


if __name__ == "__main__":
    main()
