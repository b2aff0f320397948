"""Which encoding suits a network? What each way to choose is worth, without training it.

There are ten real signals, and 24 encodings of each. The truth is the test PSNR of a coordinate
network that is trained on every encoding with three seeds. It is kept in choose_encoder.csv. What
HalvingGridSearchCV makes of the same candidates is kept in choose_encoder_halving.csv. To make
both files takes most of an hour of one core. All else is computed anew. Times are processor time
of one thread.

    python examples/choose_encoder.py            # the tables, from the files
    python examples/choose_encoder.py --train    # remakes what the files lack
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata, spearmanr
from skimage.transform import resize
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import HalvingGridSearchCV
from sklearn.pipeline import Pipeline

from sk_posenc import (
    CoordinateKFold,
    CoordinateMLPRegressor,
    FourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    distance_preservation,
    grid_samples,
    load_signal,
    psnr_score,
    stable_rank,
    suggest_encoder,
)

TRUTH = Path(__file__).with_suffix(".csv")
HALVING = TRUTH.with_name("choose_encoder_halving.csv")
SEEDS = (0, 1, 2)
FOLDS = (1, 4)  # of four, for HalvingGridSearchCV
SHARES = (0.04, 0.07, 0.12, 0.2, 0.35, 0.6)  # stable rank per axis / samples per axis
BASES = {
    "Gaussian": ShiftedBasisEncoder("gaussian"),
    "triangle": ShiftedBasisEncoder("triangle"),
    "Fourier": FourierEncoder(),
    "random Fourier": RandomFourierEncoder(random_state=0),
}

# suggest_encoder was made, and its one constant chosen, on these alone.
DEVELOPED_ON = ("camera row", "co2", "camera image", "coins, scattered", "camera, scattered")

Key = tuple[str, float]  # basis and share: one of the 24 encodings


@dataclass
class Signal:
    """Samples of a signal, those that train marked, and the range of its values."""

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    train: NDArray[np.bool_]
    n_per_axis: float

    def psnr(self, predicted: NDArray) -> float:
        """PSNR in dB on the samples that do not train."""
        test = ~self.train
        return psnr_score(self.y[test], predicted, data_range=float(np.ptp(self.y)))


def grey(name: str) -> NDArray[np.float64]:
    image, _ = load_signal(name)
    return image.mean(axis=2) if image.ndim == 3 else image


def series(values: NDArray, axis: NDArray | None = None) -> Signal:
    """Every other sample trains."""
    X, y = grid_samples(values, None if axis is None else [axis])
    train = np.arange(len(y)) % 2 == 0
    return Signal(X, y, train, float(train.sum()))


def field(values: NDArray, axes: Any = None, *, scattered: bool = False) -> Signal:
    """One sample in four trains: every other row and column, or drawn at random."""
    X, y = grid_samples(values, axes)
    if scattered:
        train = np.zeros(len(y), dtype=bool)
        train[np.random.default_rng(0).permutation(len(y))[: len(y) // 4]] = True
    else:
        train = np.all(np.indices(values.shape) % 2 == 0, axis=0).ravel()
    return Signal(X, y, train, float(np.sqrt(train.sum())))


def signals() -> dict[str, Signal]:
    """Four series, three fields on a grid and three scattered ones."""
    camera = resize(grey("camera"), (64, 64), anti_aliasing=True)
    co2, (year,) = load_signal("co2")
    height, (latitude, longitude) = load_signal("elevation")
    return {
        "camera row": series(grey("camera")[200]),
        "co2": series(co2[-512:], year[-512:]),
        "camera image": field(camera),
        "coins, scattered": field(grey("coins")[100:164, 60:124], scattered=True),
        "astronaut row": series(grey("astronaut")[200]),
        "elevation profile": series(height[170], longitude),
        "elevation map": field(height[100:164, 100:164], [latitude[100:164], longitude[100:164]]),
        "grass": field(grey("grass")[:64, :64]),
        "camera, scattered": field(camera, scattered=True),
        "chelsea, scattered": field(grey("chelsea")[100:164, 100:164], scattered=True),
    }


def encoders(signal: Signal) -> dict[Key, Any]:
    """The 24 encodings: four bases at six stable ranks."""
    made = {}
    for basis, encoder in BASES.items():
        for share in SHARES:
            settings = encoder.get_params() | {"stable_rank": share * signal.n_per_axis}
            made[basis, share] = type(encoder)(**settings)
    return made


def network(n_samples: int, seed: int = 0) -> CoordinateMLPRegressor:
    """The network to be chosen for, trained as for the stored results: 1,000 steps at one rate."""
    size = max(n_samples // 16, 32)
    return CoordinateMLPRegressor(
        hidden_layer_sizes=(128, 128, 128, 128),
        lr=1e-3,
        lr_schedule="constant",
        max_epochs=-(-1000 // -(-n_samples // size)),  # batches are a sixteenth of a fold's rows
        device="cpu",
        random_state=seed,
    )


def trainings(done: set[tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    """Train what is not done yet, one seed of all signals after the other."""
    given = signals()
    for seed in SEEDS:
        for name, signal in given.items():
            for (basis, share), encoder in encoders(signal).items():
                if (name, basis, str(share), str(seed)) in done:
                    continue
                model = Pipeline(
                    [("encoder", encoder), ("network", network(signal.train.sum(), seed))]
                )
                start = time.process_time()
                model.fit(signal.X[signal.train], signal.y[signal.train])
                seconds = time.process_time() - start
                yield {
                    "signal": name,
                    "basis": basis,
                    "share": share,
                    "seed": seed,
                    "test_psnr": round(signal.psnr(model.predict(signal.X[~signal.train])), 4),
                    "seconds": round(seconds, 3),
                }


def halvings(done: set[tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    """Search by HalvingGridSearchCV, with epochs as the resource, on one fold, then on four."""
    given = signals()
    for folds in FOLDS:
        for name, signal in given.items():
            if (name, str(folds)) not in done:
                yield from halving(name, signal, folds)


def halving(name: str, signal: Signal, folds: int) -> Iterator[dict[str, Any]]:
    X, y = signal.X[signal.train], signal.y[signal.train]
    candidates = encoders(signal)
    head = network(len(X), max(SEEDS) + 1)
    search = HalvingGridSearchCV(
        Pipeline([("encoder", None), ("network", head)]),
        {"encoder": list(candidates.values())},
        resource="network__max_epochs",
        max_resources=head.max_epochs,
        cv=list(CoordinateKFold(4).split(X))[:folds],
        scoring="neg_mean_squared_error",
        refit=False,
        error_score="raise",
        random_state=0,
    )
    start = time.process_time()
    search.fit(X, y)
    seconds = time.process_time() - start
    found = search.cv_results_
    for (basis, share), encoder in candidates.items():
        at = [i for i, each in enumerate(found["param_encoder"]) if each is encoder]
        last = max(at, key=lambda i: found["iter"][i])
        yield {
            "signal": name,
            "folds": folds,
            "basis": basis,
            "share": share,
            "iteration": int(found["iter"][last]),
            "score": float(found["mean_test_score"][last]),
            "seconds": round(seconds, 3),
        }


def add_to(path: Path, keys: list[str], make: Callable[..., Iterable[dict[str, Any]]]) -> None:
    """Write the rows that a file lacks, as they come."""
    rows = read(path)
    done = {tuple(row[key] for key in keys) for row in rows}
    with path.open("a", newline="") as file:
        writer = None
        for row in make(done):
            if writer is None:
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                if not rows:
                    writer.writeheader()
            writer.writerow(row)
            file.flush()


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


@dataclass
class Truth:
    """Test PSNR (n_encodings, n_seeds) of a signal, and the seconds of training all once."""

    keys: list[Key]
    psnr: NDArray[np.float64]
    seconds: float

    @property
    def mean(self) -> NDArray[np.float64]:
        return self.psnr.mean(axis=1)

    @property
    def seed_spread(self) -> float:
        """Standard deviation over the seeds, pooled."""
        return float(np.sqrt(np.mean(np.var(self.psnr, axis=1, ddof=1))))

    def judge(self, scores: NDArray, mean: NDArray | None = None) -> tuple[float, float, float]:
        """Spearman, regret of the first choice, and right orders where seeds are surpassed."""
        mean = self.mean if mean is None else mean
        gap = mean[:, None] - mean[None, :]
        clear = gap > 2 * self.seed_spread * np.sqrt(2 / self.psnr.shape[1])
        right = np.sign(scores[:, None] - scores[None, :])[clear]
        return (
            float(spearmanr(scores, mean).statistic),
            float(mean.max() - mean[np.argmax(scores)]),
            float(np.mean(0.5 + 0.5 * right)) if len(right) else float("nan"),
        )


def read_truth() -> dict[str, Truth]:
    truths = {}
    rows = read(TRUTH)
    for name in dict.fromkeys(row["signal"] for row in rows):
        mine = [row for row in rows if row["signal"] == name]
        keys = list(dict.fromkeys((row["basis"], float(row["share"])) for row in mine))
        psnr = np.empty((len(keys), len(SEEDS)))
        for row in mine:
            at = keys.index((row["basis"], float(row["share"]))), int(row["seed"])
            psnr[at] = float(row["test_psnr"])
        seconds = sum(float(row["seconds"]) for row in mine) / len(SEEDS)
        truths[name] = Truth(keys, psnr, seconds)
    return truths


def by_suggestion(signal: Signal, regressor: Any) -> NDArray[np.float64]:
    X, y = signal.X[signal.train], signal.y[signal.train]
    table = suggest_encoder(X, y, regressor, list(encoders(signal).values())).table
    scores = np.empty(len(table["index"]))
    scores[table["index"]] = table["psnr"]
    return scores


def by_claim(signal: Signal, *, ranks: bool, distances: bool) -> NDArray[np.float64]:
    """Stable rank, distance preservation, or the mean of the two orders."""
    X = signal.X[signal.train]
    encoded = [encoder.fit_transform(X) for encoder in encoders(signal).values()]
    scores = np.zeros(len(encoded))
    if ranks:
        scores += rankdata([stable_rank(E) for E in encoded])
    if distances:
        scores += rankdata([distance_preservation(X, E, random_state=0) for E in encoded])
    return scores


def by_halving(name: str, keys: list[Key], folds: int) -> tuple[NDArray[np.float64], float]:
    rows = [r for r in read(HALVING) if r["signal"] == name and r["folds"] == str(folds)]
    order = sorted(rows, key=lambda r: (int(r["iteration"]), float(r["score"])))
    place = {(r["basis"], float(r["share"])): i for i, r in enumerate(order)}
    return np.array([float(place[key]) for key in keys]), float(rows[0]["seconds"])


METHODS: dict[str, Callable[[Signal], NDArray[np.float64]]] = {
    "suggest_encoder": lambda signal: by_suggestion(signal, network(signal.train.sum())),
    "stable rank": lambda signal: by_claim(signal, ranks=True, distances=False),
    "distance preservation": lambda signal: by_claim(signal, ranks=False, distances=True),
    "both together": lambda signal: by_claim(signal, ranks=True, distances=True),
    "linear leave-one-out": lambda signal: by_suggestion(signal, RidgeCV(np.logspace(-6, 1, 15))),
}


@dataclass
class Line:
    """What a way to choose is worth on a signal."""

    spearman: float
    regret: float
    right: float
    time_ratio: float


def compare(names: Iterable[str] | None = None) -> dict[str, dict[str, Line]]:
    """Every way to choose, on every signal of the truth."""
    truths, given = read_truth(), signals()
    names = list(truths) if names is None else list(names)
    lines: dict[str, dict[str, Line]] = {}
    fixed = best_on([truths[name] for name in DEVELOPED_ON])
    for name in names:
        truth = truths[name]
        for method, score in METHODS.items():
            start = time.process_time()
            scores = score(given[name])
            seconds = time.process_time() - start
            lines.setdefault(method, {})[name] = Line(*truth.judge(scores), seconds / truth.seconds)
        for folds, how in zip(FOLDS, ("one fold", "four folds"), strict=True):
            scores, seconds = by_halving(name, truth.keys, folds)
            line = Line(*truth.judge(scores), seconds / truth.seconds)
            lines.setdefault(f"HalvingGridSearchCV, {how}", {})[name] = line
        chosen = np.array([float(key == fixed) for key in truth.keys])
        lines.setdefault("always " + "{} at {}".format(*fixed), {})[name] = Line(
            np.nan, truth.judge(chosen)[1], np.nan, 0.0
        )
        others = [truth.judge(truth.psnr[:, i], np.delete(truth.psnr, i, 1).mean(1)) for i in SEEDS]
        once = Line(*np.mean(others, axis=0), 1.0)
        lines.setdefault("training each once", {})[name] = once
        guess = Line(0.0, float(truth.mean.max() - truth.mean.mean()), 0.5, 0.0)
        lines.setdefault("drawing lots", {})[name] = guess
    return lines


def best_on(truths: list[Truth]) -> Key:
    """The encoding that loses least on some signals."""
    loss = sum(truth.mean.max() - truth.mean for truth in truths)
    return truths[0].keys[int(np.argmin(loss))]


def show(lines: dict[str, dict[str, Line]], console: Console) -> None:
    truths = read_truth()
    names = list(next(iter(lines.values())))
    fresh = [name for name in names if name not in DEVELOPED_ON]
    table = Table(title="Means over the signals: all / those that suggest_encoder never saw")
    for heading in ("", "Spearman", "right orders", "regret, dB", "worst", "time / training"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for method, by_signal in lines.items():
        both = [[by_signal[name] for name in group] for group in (names, fresh)]

        def mean(value: str, form: str, both: list[list[Line]] = both) -> str:
            found = [np.mean([getattr(line, value) for line in group]) for group in both]
            return " / ".join("-" if np.isnan(each) else form.format(each) for each in found)

        worst = max(line.regret for line in by_signal.values())
        table.add_row(
            method,
            mean("spearman", "{:.2f}"),
            mean("right", "{:.0%}"),
            mean("regret", "{:.2f}"),
            f"{worst:.2f}",
            "-" if by_signal[names[0]].time_ratio == 0 else mean("time_ratio", "{:.4f}"),
        )
    console.print(table)
    for value, title in (("spearman", "Spearman with test PSNR"), ("regret", "Regret in dB")):
        table = Table(title=title)
        table.add_column("signal", no_wrap=True)
        for heading in ("spread", "seeds", *lines):
            table.add_column(heading, justify="right")
        for name in names:
            cells = [getattr(each[name], value) for each in lines.values()]
            table.add_row(
                name + ("" if name in fresh else " *"),
                f"{np.ptp(truths[name].mean):.1f}",
                f"{truths[name].seed_spread:.2f}",
                *("-" if np.isnan(cell) else f"{cell:.2f}" for cell in cells),
            )
        console.print(table)
    console.print(
        "spread: best less worst encoding, dB; seeds: standard deviation of one training, dB; "
        "* suggest_encoder was made on these."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true", help="remake what the files lack")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.train:
        add_to(TRUTH, ["signal", "basis", "share", "seed"], trainings)
        add_to(HALVING, ["signal", "folds"], halvings)
    show(compare(), Console(width=max(170, Console().width)))


if __name__ == "__main__":
    main()
