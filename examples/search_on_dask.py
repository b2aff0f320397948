"""GridSearchCV on a Dask cluster: the same scores as in one process, also when a worker dies.

Closed-form and network candidates are searched in this process, then by the workers of a
cluster, then again while one worker is killed in the middle of a fit. All three give the same
scores: each candidate is seeded by its `random_state`, and what the dead worker had not
finished another one does. docs/dask.md says what makes that so.

    python examples/search_on_dask.py                    # two workers on this machine
    python examples/search_on_dask.py --gpus 0,1         # a worker for each of these GPUs
    python examples/search_on_dask.py --address tcp://host:8786    # a cluster that runs already
"""

import argparse
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from distributed import Client, LocalCluster, Nanny, Scheduler, SpecCluster
from joblib import parallel_config
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from sk_posenc import (
    CoordinateKFold,
    CoordinateMLPRegressor,
    KroneckerRidge,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_scorer,
)


def candidates(epochs: int = 20) -> tuple[Pipeline, list[dict[str, list[Any]]]]:
    """What is searched: a model with one step, and the grids of what that step can be."""
    mlp = CoordinateMLPRegressor(
        ShiftedBasisEncoder(), hidden_layer_sizes=(64, 64), max_epochs=epochs, random_state=0
    )
    encoders = [ShiftedBasisEncoder("triangle"), RandomFourierEncoder(64, random_state=0)]
    grids = [
        {
            "model": [KroneckerRidge(ShiftedBasisEncoder())],
            "model__encoder__stable_rank": [8, 16],
            "model__alpha": [1e-6, 1e-3],
        },
        {"model": [mlp], "model__encoder": encoders, "model__encoder__stable_rank": [4, 8]},
    ]
    return Pipeline([("model", KroneckerRidge())]), grids


def search(
    X: np.ndarray, y: np.ndarray, epochs: int = 20, client: Client | None = None
) -> GridSearchCV:
    """Search all candidates, in this process or, with a client, on its cluster."""
    model, grids = candidates(epochs)
    # a list, so that the search passes on these very arrays and no copies of them
    folds = list(CoordinateKFold(3).split(X))
    found = GridSearchCV(
        model, grids, cv=folds, scoring=psnr_scorer, refit=False, error_score="raise"
    )
    if client is None:
        # a worker of Dask has one thread too: more would round sums in another order
        with threadpool_limits(1):
            return found.fit(X, y)
    # Dask computes lost results anew, but not data that were lost with the only worker that
    # held them: every worker gets rows and folds before the search, and keeps them
    client.amm.stop()
    try:
        with parallel_config(backend="dask", scatter=[X, y, *chain.from_iterable(folds)]):
            return found.fit(X, y)
    finally:
        client.amm.start()


def local_cluster(n_workers: int = 2) -> LocalCluster:
    """Workers on this machine: a process of one thread each, started again where it dies."""
    return LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0")


def gpu_cluster(gpus: Sequence[str | int]) -> SpecCluster:
    """A worker for each GPU of this machine, which sees no other: its candidate's "cuda"."""
    workers = {
        f"gpu-{gpu}": {
            "cls": Nanny,
            "options": {
                "host": "127.0.0.1",
                "nthreads": 1,
                "env": {"CUDA_VISIBLE_DEVICES": str(gpu)},
            },
        }
        for gpu in gpus
    }
    scheduler = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "port": 0, "dashboard_address": ":0"},
    }
    return SpecCluster(workers=workers, scheduler=scheduler)


@contextlib.contextmanager
def a_worker_killed(client: Client, after: int = 2) -> Iterator[dict[str, Any]]:
    """Kill a busy worker of this machine once `after` fits are done; tells what it killed."""
    pids = client.run(os.getpid)
    told: dict[str, Any] = {}
    over = threading.Event()

    def kill() -> None:
        seen: set[str] = set()
        while not over.wait(0.01):
            doing = {
                worker: {task for task in tasks if "fit_and_score" in task}
                for worker, tasks in client.processing().items()
            }
            now = set().union(*doing.values())
            seen |= now
            if len(seen) - len(now) >= after and now:
                worker = max(doing, key=lambda worker: len(doing[worker]))
                os.kill(pids[worker], signal.SIGKILL)
                told.update(worker=worker, pid=pids[worker], fits=len(doing[worker]))
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield told
    finally:
        over.set()
        killer.join()


def report(searches: dict[str, tuple[GridSearchCV, float]]) -> Table:
    """The scores of each search, a line a candidate."""
    table = Table("candidate", title="PSNR in dB, mean of the folds")
    for name, (_, seconds) in searches.items():
        table.add_column(f"{name}\n{seconds:.1f} s", justify="right")
    found = [each.cv_results_ for each, _ in searches.values()]
    for row, parameters in enumerate(found[0]["params"]):
        said = [f"{k.removeprefix('model__')}={v}" for k, v in parameters.items() if k != "model"]
        kind = type(parameters["model"]).__name__
        scores = [f"{results['mean_test_score'][row]:.4f}" for results in found]
        table.add_row(f"{kind}: {', '.join(said)}", *scores)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2, help="on this machine")
    parser.add_argument("--gpus", default="", help="a worker for each, as in 0,1")
    parser.add_argument("--address", help="of the scheduler of a cluster that runs already")
    parser.add_argument("--size", type=int, default=64, help="of the image")
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()

    step = 512 // arguments.size
    X, y = grid_samples(load_signal("camera")[0][::step, ::step])
    searches: dict[str, tuple[GridSearchCV, float]] = {}

    def timed(name: str, client: Client | None = None) -> None:
        start = time.perf_counter()
        found = search(X, y, arguments.epochs, client)
        searches[name] = found, time.perf_counter() - start

    timed("one process")
    with contextlib.ExitStack() as stack:
        if arguments.address:
            client = stack.enter_context(Client(arguments.address))
        else:
            gpus = [gpu for gpu in arguments.gpus.split(",") if gpu]
            cluster = gpu_cluster(gpus) if gpus else local_cluster(arguments.workers)
            client = stack.enter_context(Client(stack.enter_context(cluster)))
        timed("Dask", client)
        if not arguments.address:  # workers elsewhere are not ours to kill
            with a_worker_killed(client) as told:
                timed("Dask, a worker killed", client)
            if told:
                print(f"killed {told['worker']}, which had {told['fits']} fits to do")
            else:
                print("killed no worker: the search was over too soon")
    Console(width=120).print(report(searches))
    reference = searches["one process"][0].cv_results_["mean_test_score"]
    for name, (each, _) in searches.items():
        gap = np.abs(each.cv_results_["mean_test_score"] - reference).max()
        print(f"{name}: scores differ from those of one process by at most {gap:.2g} dB")


if __name__ == "__main__":
    main()
