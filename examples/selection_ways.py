"""Scores that ways to choose give to the 24 encodings of choose_encoder.py, on one signal.

Each way yields its name, and its scores with the seconds that they took.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from choose_encoder import Signal, encoders, network
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sk_posenc import (
    CoordinateKFold,
    CoordinateMLPRegressor,
    KroneckerRidgeCV,
    PerturbationSearchCV,
    suggest_encoder,
)

SEED = 3  # the truth has 0, 1 and 2
FEW = (2, 5, 10)  # epochs of each candidate
INITIAL = 3  # networks whose first output is compared with the signal
TRIALS = 24

Scores = tuple[NDArray[np.float64], float]


def pinned(signal: Signal, seed: int = SEED) -> CoordinateMLPRegressor:
    """The network of the truth, with a seed of its own."""
    return network(int(signal.train.sum()), seed)


def rows_of(signal: Signal) -> tuple[NDArray, NDArray]:
    return signal.X[signal.train], signal.y[signal.train]


def perturbation(suffix: str, **settings: Any) -> Callable[[Signal], Iterator[tuple[str, Scores]]]:
    """Scores are what the removal of a candidate costs; and alpha of the same run."""

    def scores(signal: Signal) -> Iterator[tuple[str, Scores]]:
        search = PerturbationSearchCV(
            pinned(signal),
            list(encoders(signal).values()),
            refit=False,
            random_state=SEED,
            **settings,
        )
        start = time.process_time()
        search.fit(*rows_of(signal))
        seconds = time.process_time() - start
        yield f"perturbation{suffix}", (-search.masked_scores_[0], seconds)
        if not search.fix_alpha:
            yield "magnitude", (search.alpha_[0], seconds)

    return scores


def few_epochs(signal: Signal) -> Iterator[tuple[str, Scores]]:
    """Minus the squared error on a sub-grid, after a few epochs on the rest."""
    X, y = rows_of(signal)
    train, valid = next(CoordinateKFold(4).split(X))
    found = {n: np.empty(len(encoders(signal))) for n in FEW}
    spent = dict.fromkeys(FEW, 0.0)
    for at, encoder in enumerate(encoders(signal).values()):
        model = pinned(signal).set_params(encoder=encoder)
        start, done = time.process_time(), 0
        for n in FEW:
            model.set_params(max_epochs=n - done).partial_fit(X[train], y[train])
            done = n
            found[n][at] = -np.mean((y[valid] - model.predict(X[valid])) ** 2)
            spent[n] += time.process_time() - start
    for n in FEW:
        yield f"{n} epochs of each", (found[n], spent[n])


def spectrum(X: NDArray, y: NDArray, n_per_axis: float) -> NDArray[np.float64]:
    """Amplitudes by frequency, from 1 cycle over the domain to half the samples per axis."""
    most = int(n_per_axis // 2)
    unit = (X - X.min(axis=0)) / np.ptp(X, axis=0) * (1 - 1 / n_per_axis)
    axes = [np.arange(most + 1), *[np.arange(-most, most + 1)] * (X.shape[1] - 1)]
    waves = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, X.shape[1])
    size = np.rint(np.linalg.norm(waves, axis=1)).astype(int)
    waves, size = waves[(size > 0) & (size <= most)], size[(size > 0) & (size <= most)]
    amplitude = np.abs(np.exp(-2j * np.pi * waves @ unit.T) @ (y - y.mean()))
    found = np.bincount(size, amplitude, minlength=most + 1)[1:]
    return found / found.sum()


def fresh(signal: Signal) -> Iterator[tuple[str, Scores]]:
    """Minus the Wasserstein distance of spectra: of the signal, of untrained networks."""
    X, y = rows_of(signal)
    start = time.process_time()
    wanted = spectrum(X, y, signal.n_per_axis)
    waves, scores = np.arange(len(wanted)), []
    for encoder in encoders(signal).values():
        first = [
            pinned(signal, seed).set_params(encoder=encoder, max_epochs=0).fit(X, y).predict(X)
            for seed in range(INITIAL)
        ]
        found = np.mean([spectrum(X, each, signal.n_per_axis) for each in first], axis=0)
        scores.append(-wasserstein_distance(waves, waves, wanted, found))
    yield "spectrum of the untrained", (np.array(scores), time.process_time() - start)


def closed_form(signal: Signal) -> Iterator[tuple[str, Scores]]:
    """The share that KroneckerRidgeCV learns, the same for all candidates."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = KroneckerRidgeCV().fit(*rows_of(signal))
    seconds = time.process_time() - start
    ranks = [each.stable_rank_ for each in search.encoders_]
    share = np.exp(np.mean(np.log(np.concatenate(ranks)))) / signal.n_per_axis
    yield "share of the closed form", (np.full(len(encoders(signal)), share), seconds)


def suggestion(signal: Signal) -> Iterator[tuple[str, Scores]]:
    start = time.process_time()
    table = suggest_encoder(*rows_of(signal), pinned(signal), list(encoders(signal).values())).table
    scores = np.empty(len(table["index"]))
    scores[table["index"]] = table["psnr"]
    yield "suggest_encoder", (scores, time.process_time() - start)


def grid_search(signal: Signal) -> Iterator[tuple[str, Scores]]:
    """Minus the squared error of four sub-grids left out in turn, and of the first alone."""
    X, y = rows_of(signal)
    search = GridSearchCV(
        Pipeline([("encoder", None), ("network", pinned(signal))]),
        {"encoder": list(encoders(signal).values())},
        cv=CoordinateKFold(4),
        scoring="neg_mean_squared_error",
        refit=False,
        error_score="raise",
    )
    start = time.process_time()
    search.fit(X, y)
    seconds = time.process_time() - start
    found = search.cv_results_
    yield "GridSearchCV, four folds", (found["mean_test_score"], seconds)
    yield "GridSearchCV, one fold", (found["split0_test_score"], seconds / 4)


def optuna_search(signal: Signal) -> Iterator[tuple[str, Scores]]:
    """TPE, with Hyperband that stops trials by epochs; minus the best squared errors."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    X, y = rows_of(signal)
    train, valid = next(CoordinateKFold(4).split(X))
    candidates = encoders(signal)
    epochs = int(pinned(signal).max_epochs)
    best = np.full(len(candidates), -np.inf)

    def objective(trial: Any) -> float:
        basis = trial.suggest_categorical("basis", sorted({key[0] for key in candidates}))
        share = trial.suggest_categorical("share", sorted({key[1] for key in candidates}))
        at = list(candidates).index((basis, share))
        model = pinned(signal).set_params(encoder=candidates[basis, share])
        error, done = math.inf, 0
        while done < epochs:
            step = min(2, epochs - done)
            done += step
            model.set_params(max_epochs=step).partial_fit(X[train], y[train])
            error = float(np.mean((y[valid] - model.predict(X[valid])) ** 2))
            trial.report(error, done)
            if trial.should_prune():
                raise optuna.TrialPruned
        best[at] = max(best[at], -error)
        return error

    start = time.process_time()
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=SEED),
        pruner=optuna.pruners.HyperbandPruner(min_resource=2, max_resource=epochs),
    )
    study.optimize(objective, n_trials=TRIALS)
    yield "Optuna", (best, time.process_time() - start)


WAYS: dict[str, Callable[[Signal], Iterator[tuple[str, Scores]]]] = {
    "perturbation": perturbation(""),
    "suggest_encoder": suggestion,
    "share of the closed form": closed_form,
    "spectrum of the untrained": fresh,
    f"{FEW[-1]} epochs of each": few_epochs,
    "GridSearchCV, four folds": grid_search,
    "magnitude": perturbation(", alpha trained", fix_alpha=False),
    "Optuna": optuna_search,
    "perturbation, sub-grid": perturbation(", sub-grid", validation=CoordinateKFold(4)),
}
