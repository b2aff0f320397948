"""Threads, many fits, interrupts and kills: what survives them.

The slow ones print their figures; ``pytest -s -m slow tests/test_stress.py`` shows them.
"""

import ast
import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import joblib
import numpy as np
import psutil
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback
from test_refits import ENCODERS, ESTIMATORS, NETWORKS, X, Z, y

from sk_posenc import (
    KroneckerRidgeCV,
    SeasonalRidge,
)

KINDS = {
    **ESTIMATORS,
    "learnt resolution": KroneckerRidgeCV(),
    "seasons": SeasonalRidge(0.3, alphas=[0.1, 0.1]),
}


def rows_for(name, rows):
    return rows[:, :1] if name == "seasons" else rows


def fit(name, estimator, rows=X, targets=y):
    rows = rows_for(name, rows)
    return estimator.fit(rows) if name in ENCODERS else estimator.fit(rows, targets)


def read(name, estimator, rows=Z):
    method = "transform" if hasattr(estimator, "transform") else "predict"
    made = getattr(estimator, method)(rows_for(name, rows))
    return made.toarray() if hasattr(made, "toarray") else np.asarray(made)


def is_one_of(found, models):
    return any(found.shape == m.shape and np.allclose(found, m, 1e-9, 1e-9) for m in models)


class DuringARead:
    """Rows that do something once, as they are looked at."""

    def __init__(self, rows, do):
        self.rows, self.do = rows, do

    def __array__(self, dtype=None, copy=None):
        do, self.do = self.do, None
        if do is not None:
            thread = threading.Thread(target=do)
            thread.start()
            thread.join()
        return self.rows

    def __len__(self):
        return len(self.rows)

    @property
    def shape(self):
        return self.rows.shape


@pytest.mark.parametrize("name", KINDS)
def test_a_model_that_is_fitted_anew_while_it_is_read(name):
    model = fit(name, clone(KINDS[name]))
    old, again = read(name, model), X * 2 + 1
    rows = DuringARead(rows_for(name, Z), lambda: fit(name, model, again, 50 * y - 9))
    found = model.transform(rows) if hasattr(model, "transform") else model.predict(rows)
    found = found.toarray() if hasattr(found, "toarray") else found
    new = read(name, model)
    assert rows.do is None
    assert not is_one_of(new, [old]) or name == "augmenter"
    np.testing.assert_array_equal(found, old)


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_while_another_thread_trains_it(name, how):
    seen = []

    class Reads(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            with ThreadPoolExecutor(1) as pool:
                seen.append(pool.submit(read, name, model).result())

    model = fit(name, clone(KINDS[name]).set_params(batch_size=16))
    old = read(name, model)
    model.set_params(callbacks=[Reads()])
    if how == "partial_fit":
        model.callbacks_.append(("reads", Reads()))
    getattr(model, how)(X, 3 * y)
    assert len(seen) >= 8
    assert all(np.array_equal(each, old) for each in seen)
    assert not np.array_equal(read(name, model), old)
    assert "_meanwhile" not in vars(model)


def test_a_read_that_training_overtakes_is_read_again():
    model = fit("network", clone(KINDS["network"]))
    rows = DuringARead(Z, lambda: model.partial_fit(X, 3 * y))
    np.testing.assert_array_equal(model.predict(rows), model.predict(Z))


def test_gradients_are_on_again_after_an_interrupt():
    class Stops(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            torch.set_grad_enabled(False)  # as where a block of no_grad is interrupted
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit("network", clone(KINDS["network"]).set_params(callbacks=[Stops()]))
    assert torch.is_grad_enabled()


def at_once(works):
    """Results of functions that run at the same time, one a thread."""
    start = threading.Barrier(len(works))

    def run(work):
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [each.result() for each in [pool.submit(run, work) for work in works]]


@contextmanager
def switching_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def in_threads(name, n_threads):
    serial = fit(name, clone(KINDS[name]))
    expected = read(name, serial)
    shared = fit(name, clone(KINDS[name]))
    with switching_often():
        found = at_once([lambda: read(name, shared)] * n_threads)
        own = at_once([lambda: read(name, fit(name, clone(KINDS[name])))] * n_threads)
    for each in [*found, *own]:
        np.testing.assert_array_equal(each, expected)


@pytest.mark.parametrize("name", ["shifted", "spaced ridge", "network"])
def test_two_threads_are_one_after_the_other(name):
    in_threads(name, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_eight_threads_are_one_after_the_other(name):
    for _ in range(5):
        in_threads(name, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_reads_while_another_thread_fits(name):
    sets = [(X, y), (X * 2 + 1, 50 * y - 9)]
    models = [read(name, fit(name, clone(KINDS[name]), *each)) for each in sets]
    model, done, n_fits = fit(name, clone(KINDS[name])), threading.Event(), [0]

    def fit_on():
        end = time.monotonic() + 5
        try:
            while time.monotonic() < end:
                n_fits[0] += 1
                fit(name, model, *sets[n_fits[0] % 2])
        finally:
            done.set()

    n_reads = 0
    with switching_often():
        thread = threading.Thread(target=fit_on)
        thread.start()
        while not done.is_set():
            n_reads += 1
            assert is_one_of(read(name, model), models)
        thread.join()
    print(f"\n{name}: {n_reads} reads during {n_fits[0]} fits, none a mixture")


class Mallinfo(ctypes.Structure):
    """Of glibc's ``mallinfo2``."""

    _names = (
        *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
        *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
    )
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


class Held:
    """What this process holds: handles, blocks of Python, bytes of arrays, resident memory."""

    def __init__(self):
        gc.collect()
        process = psutil.Process()
        self.handles = process.num_fds()
        self.blocks = sys.getallocatedblocks()
        mallinfo = ctypes.CDLL(None).mallinfo2
        mallinfo.restype = Mallinfo
        told = mallinfo()
        self.mib = (told.uordblks + told.hblkhd) / 2**20  # not what freed memory hides
        self.resident = process.memory_info().rss / 2**20


def fits_keep_memory(name, n_fits):
    for _ in range(max(5, n_fits // 6)):
        read(name, fit(name, clone(KINDS[name])))
    before = Held()
    start = time.process_time()
    for _ in range(n_fits):
        read(name, fit(name, clone(KINDS[name])))
    seconds = time.process_time() - start
    after = Held()
    print(
        f"\n{name}: {n_fits} fits, {seconds:.1f} s, {before.handles} then {after.handles} handles, "
        f"allocated {after.mib - before.mib:+.3f} MiB and {after.blocks - before.blocks:+} blocks, "
        f"resident {before.resident:.0f} {after.resident - before.resident:+.1f} MiB"
    )
    return before, after


glibc = pytest.mark.skipif(sys.platform != "linux", reason="asks glibc what is allocated")


@glibc
@pytest.mark.parametrize("name", ["shifted", "network"])
def test_a_few_fits_leave_no_handle(name):
    # in a process of its own, as threads of other tests open some meanwhile
    code = f"from test_stress import *; print([h.handles for h in fits_keep_memory({name!r}, 6)])"
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=paths, capture_output=True, text=True, check=True
    )
    before, after = ast.literal_eval(done.stdout.splitlines()[-1])
    assert before == after


@glibc
@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_three_hundred_fits_keep_memory(name):
    before, after = fits_keep_memory(name, 300)
    assert before.handles == after.handles
    assert after.mib - before.mib < 0.3  # a KiB each
    assert after.blocks - before.blocks < 3_000  # ten each
    assert after.resident - before.resident < 8


class Alarm:
    """Ctrl-C after so many seconds, wherever the program is then."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, self.interrupt)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *error):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)

    def interrupt(self, *frame):
        raise KeyboardInterrupt


def state_of(name, model):
    return sorted(vars(model)), joblib.hash(read(name, model))


def interrupted(name, n_times):
    """How many of so many fits Ctrl-C has stopped; each left the old model or the new one."""
    again = X * 2 + 1, 50 * y - 9
    new = state_of(name, fit(name, fit(name, clone(KINDS[name])), *again))
    begun = time.perf_counter()
    fit(name, clone(KINDS[name]), *again)
    longest, rng, stopped = time.perf_counter() - begun, np.random.default_rng(0), 0
    model = fit(name, clone(KINDS[name]))
    old = state_of(name, model)
    for _ in range(n_times):
        try:
            with Alarm(rng.uniform(1e-5, longest)):
                fit(name, model, *again)
        except KeyboardInterrupt:
            stopped += 1
        now = state_of(name, model)
        assert now in (old, new)
        if now == new:
            fit(name, model)
    return stopped


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in a finaliser
@pytest.mark.parametrize("name", KINDS)
def test_ctrl_c_at_any_moment_leaves_what_was(name):
    stopped = interrupted(name, 100)
    print(f"\n{name}: {stopped} of 100 fits stopped")
    assert stopped > 10
