"""A search on a Dask cluster: scores as in one process, whatever becomes of a worker."""

import os

import numpy as np
import pytest
from distributed import Client
from test_examples import load

from sk_posenc import KroneckerRidge, ShiftedBasisEncoder, grid_samples, load_signal

script = load("search_on_dask")


@pytest.fixture(scope="module")
def data():
    return grid_samples(load_signal("camera")[0][::16, ::16])


@pytest.fixture(scope="module")
def here(data):
    return script.search(*data, epochs=4)


@pytest.fixture(scope="module")
def client():
    with script.local_cluster(n_workers=2) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


def assert_same_scores(found, here):
    assert found.n_splits_ == here.n_splits_ == 3
    names = [f"split{fold}_test_score" for fold in range(3)]
    kinds = {type(each["model"]).__name__ for each in here.cv_results_["params"]}
    assert kinds == {"KroneckerRidge", "CoordinateMLPRegressor"}
    for name in names:
        assert np.ptp(here.cv_results_[name]) > 0.1  # candidates differ
        np.testing.assert_allclose(found.cv_results_[name], here.cv_results_[name], rtol=1e-7)


def test_scores_are_those_of_one_process(data, here, client):
    assert_same_scores(script.search(*data, epochs=4, client=client), here)


def test_a_killed_worker_changes_no_score(data, here, client):
    before = client.run(os.getpid)
    with script.a_worker_killed(client) as killed:
        found = script.search(*data, epochs=4, client=client)
    assert killed["fits"] > 0  # it had work to do
    assert killed["pid"] in before.values()
    assert_same_scores(found, here)
    client.wait_for_workers(2)  # its nanny has started it again
    assert killed["pid"] not in client.run(os.getpid).values()
    assert client.amm.running()  # as it was before the search


def test_every_gpu_has_its_worker():
    with script.gpu_cluster([3, 5]) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        seen = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
        assert sorted(seen.values()) == ["3", "5"]
        assert set(client.nthreads().values()) == {1}


def test_report_has_a_line_a_candidate(here):
    table = script.report({"one process": (here, 1.0), "Dask": (here, 2.0)})
    assert table.row_count == len(here.cv_results_["params"]) == 8


def test_rows_on_two_workers_are_all_rows(client, rng):
    X, y = rng.uniform(size=(4_000, 2)), rng.standard_normal((4_000, 2))
    encoder = ShiftedBasisEncoder("bspline", stable_rank=8, n_shifts=16, domain=(0.0, 1.0))
    model = KroneckerRidge(encoder, penalty=2.0, alpha=1e-3, tol=1e-10)

    def summed(X, y):
        for at in np.array_split(np.arange(len(X)), 3):
            model.partial_fit(X[at], y[at])
        return os.getpid(), model

    workers = list(client.scheduler_info()["workers"])
    futures = [
        client.submit(summed, X[half], y[half], workers=[worker], pure=False)
        for half, worker in zip((slice(2_500), slice(2_500, None)), workers, strict=True)
    ]
    (first, one), (second, other) = client.gather(futures)
    assert first != second
    merged = one.merge(other)
    at = rng.uniform(size=(50, 2))
    np.testing.assert_allclose(
        merged.predict(at), model.fit(X, y).predict(at), rtol=1e-8, atol=1e-9
    )
