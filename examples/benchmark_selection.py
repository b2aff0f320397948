"""Ways to choose an encoding for a network, held against networks that were trained on each.

The ten signals, the 24 encodings and the truth are those of choose_encoder.py: test PSNR of a
network that was trained on every encoding with three seeds. Each way gives every encoding a score,
and its first choice loses so much to the best. Scores that take long are kept in
benchmark_selection.csv. Times are processor time of one thread.

    python examples/benchmark_selection.py             # the tables, from the files
    python examples/benchmark_selection.py --compute   # what the file lacks
    python examples/benchmark_selection.py --planted   # a true encoding, and five seeds

The row of Optuna is computed where optuna is installed.
"""

import argparse
import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from choose_encoder import (
    DEVELOPED_ON,
    SEEDS,
    Key,
    Truth,
    add_to,
    best_on,
    by_halving,
    encoders,
    read,
    read_truth,
    signals,
)
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from selection_ways import FEW, WAYS, Scores
from sklearn.base import clone

from sk_posenc import (
    CoordinateMLPRegressor,
    FourierEncoder,
    PerturbationSearchCV,
)

STORED = Path(__file__).with_suffix(".csv")


def computed(done: set[tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    """Scores of all ways that the file lacks, one way after the other."""
    given = signals()
    for way, compute in WAYS.items():
        if way == "Optuna" and importlib.util.find_spec("optuna") is None:
            continue
        for name, signal in given.items():
            if (name, way) in done:
                continue
            for method, (scores, seconds) in compute(signal):
                for (basis, share), score in zip(encoders(signal), scores, strict=True):
                    yield {
                        "signal": name,
                        "method": method,
                        "basis": basis,
                        "share": share,
                        "score": float(f"{score:.6g}"),
                        "seconds": round(seconds, 3),
                    }


def stored() -> dict[str, dict[str, Scores]]:
    """Scores and seconds that the file holds, by way and signal."""
    found: dict[str, dict[str, tuple[list[float], float]]] = {}
    for row in read(STORED):
        mine = found.setdefault(row["method"], {})
        scores, _ = mine.setdefault(row["signal"], ([], float(row["seconds"])))
        scores.append(float(row["score"]))
    return {
        way: {name: (np.array(scores), seconds) for name, (scores, seconds) in mine.items()}
        for way, mine in found.items()
    }


def in_decibels(way: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores in which a difference means as much on every signal."""
    return scores if way == "suggest_encoder" else -10 * np.log10(np.maximum(-scores, 1e-12))


@dataclass
class Rule:
    """A choice from the scores of some ways.

    Parameters
    ----------
    needs : tuple of str
        The ways, whose seconds add up.
    choose : callable
        Gets the scores of each way and a constant, and returns the index of the first choice.
    constants : tuple of float
        Those to choose from, on the signals of development.
    """

    needs: tuple[str, ...]
    choose: Callable[[list[NDArray[np.float64]], float], int]
    constants: tuple[float, ...] = (math.nan,)


def rules(keys: list[Key], fixed: int) -> dict[str, Rule]:
    """All that is made of the scores."""
    shares = np.array([share for _, share in keys])
    same_basis = np.array([basis == keys[fixed][0] for basis, _ in keys])

    def best(scores: list[NDArray], constant: float) -> int:
        return int(np.argmax(scores[0]))

    def nearest(scores: list[NDArray], factor: float) -> int:
        distance = np.abs(np.log(shares / (factor * scores[0][0])))
        return int(np.argmin(np.where(same_basis, distance, np.inf)))

    def corrected(way: str) -> Callable[[list[NDArray], float], int]:
        def choose(scores: list[NDArray], margin: float) -> int:
            known = in_decibels(way, scores[0])
            first = int(np.argmax(known))
            return first if known[first] > known[fixed] + margin else fixed

        return choose

    def both(scores: list[NDArray], weight: float) -> int:
        first, second = (
            in_decibels(way, each)
            for way, each in zip(("suggest_encoder", "epochs"), scores, strict=True)
        )
        return int(np.argmax((1 - weight) * first + weight * second))

    margins = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
    found = {
        "always " + "{} at {}".format(*keys[fixed]): Rule((), lambda scores, constant: fixed),
        "closed form's share x constant": Rule(
            ("share of the closed form",), nearest, tuple(np.geomspace(0.1, 4, 33).round(3))
        ),
    }
    single = ("suggest_encoder", "spectrum of the untrained", *[f"{n} epochs of each" for n in FEW])
    alpha_trained = "perturbation, alpha trained"
    searches = ("perturbation", alpha_trained, "perturbation, sub-grid", "magnitude", "Optuna")
    grids = ("GridSearchCV, one fold", "GridSearchCV, four folds")
    found |= {way: Rule((way,), best) for way in (*single, *searches, *grids)}
    found |= {
        f"the same, unless {way} is clear": Rule((way,), corrected(way), margins) for way in single
    }
    weights = (0.0, 0.25, 0.5, 0.75, 1.0)
    found |= {
        f"suggest_encoder with {n} epochs": Rule(
            ("suggest_encoder", f"{n} epochs of each"), both, weights
        )
        for n in FEW
    }
    return found


@dataclass
class Result:
    """Regret in dB and share of the time of training all, by signal."""

    regret: dict[str, float]
    time: dict[str, float]
    constant: float = math.nan


def judged(rule: Rule, ways: dict[str, dict[str, Scores]], truths: dict[str, Truth]) -> Result:
    """What a rule loses, with the constant that loses least on the signals of development."""
    tried = []
    for constant in rule.constants:
        regret = {}
        for name, truth in truths.items():
            index = rule.choose([ways[way][name][0] for way in rule.needs], constant)
            regret[name] = float(truth.mean.max() - truth.mean[index])
        tried.append((np.mean([regret[name] for name in DEVELOPED_ON]), -constant, regret))
    _, constant, regret = min(tried, key=lambda each: each[:2])
    spent = {
        name: sum(ways[way][name][1] for way in rule.needs) / truth.seconds
        for name, truth in truths.items()
    }
    return Result(regret, spent, -constant)


def results() -> dict[str, Result]:
    """All ways to choose, the searches of choose_encoder.py among them."""
    truths, ways = read_truth(), stored()
    keys = next(iter(truths.values())).keys
    fixed = keys.index(best_on([truths[name] for name in DEVELOPED_ON]))
    found = {}
    for name, rule in rules(keys, fixed).items():
        if all(len(ways.get(way, {})) == len(truths) for way in rule.needs):
            found[name] = judged(rule, ways, truths)
        else:
            missing = [way for way in rule.needs if len(ways.get(way, {})) < len(truths)]
            print(f"{name}: not known, as the file lacks {', '.join(missing)}")
    halving = Result({}, {})
    once = Result({}, dict.fromkeys(truths, 1.0))
    for name, truth in truths.items():
        scores, seconds = by_halving(name, keys, 1)
        halving.regret[name] = truth.judge(scores)[1]
        halving.time[name] = seconds / truth.seconds
        others = [
            truth.judge(truth.psnr[:, i], np.delete(truth.psnr, i, 1).mean(1))[1] for i in SEEDS
        ]
        once.regret[name] = float(np.mean(others))
    return found | {"HalvingGridSearchCV, one fold": halving, "training each once": once}


def show(found: dict[str, Result], console: Console) -> None:
    fresh = [name for name in read_truth() if name not in DEVELOPED_ON]
    table = Table(title="Regret in dB on the signals of development, on the five others; time")
    for heading in ("", "constant", "mean", "worst", "mean, others", "worst, others", "time"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for name, result in found.items():
        halves = [[result.regret[each] for each in half] for half in (DEVELOPED_ON, fresh)]
        numbers = [f"{number:.2f}" for half in halves for number in (np.mean(half), max(half))]
        constant = "-" if math.isnan(result.constant) else f"{result.constant:g}"
        table.add_row(name, constant, *numbers, f"{np.mean([*result.time.values()]):.3f}")
    console.print(table)
    table = Table(title="Regret in dB of each signal; * those of development")
    table.add_column("")
    for name in next(iter(found.values())).regret:
        table.add_column(name + " *" * (name in DEVELOPED_ON), justify="right")
    for name, result in found.items():
        table.add_row(name, *[f"{each:.2f}" for each in result.regret.values()])
    console.print(table)


# A function of the phase in one of these periods says nothing of the phase in another.
PHASES = [FourierEncoder(3, domain=(0.0, 1 / n), boundary="periodic") for n in (3, 5, 7, 11)]
LOGITS = (0.0, -2.0, -3.0, -5.0)  # of the truth: weights of .25, .043, .016, .002


def planted(seed: int) -> tuple[NDArray, NDArray, int]:
    """A random linear function of one of four encodings."""
    rng = np.random.default_rng(seed)
    X, true = rng.uniform(size=(512, 1)), seed % len(PHASES)
    E = clone(PHASES[true]).fit_transform(X)
    y = E @ rng.normal(size=E.shape[1])
    return X, (y - y.mean()) / y.std(), true


def show_planted(console: Console) -> None:
    """How often the truth is found in five seeds, by removal and by the largest alpha."""
    table = Table(title="Right choices of five, by removal / by the largest alpha")
    layers = {"linear": (), "one layer of 64": (64,), "two layers of 64": (64, 64)}
    table.add_column("weight of the truth")
    for heading in layers:
        table.add_column(heading, justify="right")
    models = [
        CoordinateMLPRegressor(
            hidden_layer_sizes=sizes, lr=lr, lr_schedule="constant", batch_size=32, device="cpu"
        )
        for sizes, lr in zip(layers.values(), (1e-2, 5e-3, 3e-3), strict=True)
    ]
    for logit in LOGITS:
        cells = []
        for model in models:
            hits = np.zeros(2, dtype=int)
            for seed in range(5):
                X, y, true = planted(seed)
                alpha = np.where(np.arange(len(PHASES)) == true, logit, 0.0)
                search = PerturbationSearchCV(
                    model, PHASES, initial_alpha=alpha, refit=False, random_state=seed
                ).fit(X, y)
                order = np.argsort(-search.alpha_[0], kind="stable")
                hits += [search.best_index_ == true, order[0] == true and logit != 0]
            cells.append(f"{hits[0]} / {hits[1] if logit else '-'}")
        weight = math.exp(logit) / (math.exp(logit) + len(PHASES) - 1)
        table.add_row(f"{weight:.3f}", *cells)
    console.print(table)
    hits = []
    for seed in range(5):
        X, y, true = planted(seed)
        wrong = [each for i, each in enumerate(PHASES) if i != true][:2]
        copies = [PHASES[true]] * 4 + wrong
        search = PerturbationSearchCV(models[0], copies, refit=False, random_state=seed).fit(X, y)
        hits.append(search.best_index_ < 4)
    console.print(f"Four copies of the truth and two others, linear: right in {sum(hits)} of 5.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compute", action="store_true", help="compute what the file lacks")
    parser.add_argument("--planted", action="store_true", help="find a truth that is known")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*nearly the same encoding")
    console = Console(width=max(190, Console().width))
    if arguments.compute:
        add_to(STORED, ["signal", "method"], computed)
    if arguments.planted:
        show_planted(console)
    else:
        show(results(), console)


if __name__ == "__main__":
    main()
