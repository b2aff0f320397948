"""Threads, many fits, interrupts and kills: what survives them.

The slow ones print their figures; ``pytest -s -m slow tests/test_stress.py`` shows them.
"""

import ctypes
import gc
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
    before, after = fits_keep_memory(name, 6)
    assert before.handles == after.handles


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
    begun = time.perf_counter()
    new = state_of(name, fit(name, fit(name, clone(KINDS[name])), *again))
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


def run_until_killed(code, folder, after, rng):
    """How often a program was killed at random moments before it came to its end."""
    n_killed = 0
    while True:
        process = subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=folder)
        if n_killed < after:
            ready = folder / "ready"
            while not ready.exists() and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.15))
            process.kill()
        code_at_end = process.wait()
        (folder / "ready").unlink(missing_ok=True)
        if code_at_end == 0:
            return n_killed
        assert code_at_end == -signal.SIGKILL
        n_killed += 1


COMMON = """
import os, sys
from pathlib import Path
import joblib
import numpy as np
import torch
torch.set_num_threads(1)
import sk_posenc
folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
X = rng.uniform(size=(600, 2))
y = np.sin(5 * X[:, 0]) + X[:, 1]
"""

NETWORK = (
    COMMON
    + """
model = sk_posenc.CoordinateMLPRegressor(
    sk_posenc.FourierEncoder(stable_rank=6), hidden_layer_sizes=(32, 32), max_epochs=30,
    batch_size=64, random_state=0, device="cpu", checkpoint=folder / "state",
)
(folder / "ready").touch()
model.fit(X, y)
joblib.dump((model.predict(X), len(model.history_)), folder / "result")
"""
)

BLOCKS = (
    COMMON
    + """
encoder = sk_posenc.ShiftedBasisEncoder("bspline", stable_rank=6, n_shifts=10, domain=(0, 1))
saved = folder / "model"
model, done = sk_posenc.KroneckerRidge(encoder, penalty=2.0, alpha=1e-3), 0
if saved.exists():
    model, done = joblib.load(saved)
(folder / "ready").touch()
for k in range(done, 60):
    block = slice(10 * k, 10 * k + 10)
    if k % 2:
        other = sk_posenc.KroneckerRidge(encoder, penalty=2.0, alpha=1e-3)
        model.merge(other.partial_fit(X[block], y[block]))
    else:
        model.partial_fit(X[block], y[block])
    joblib.dump((model, k + 1), folder / "new")
    os.replace(folder / "new", saved)  # whole at any moment
joblib.dump((model.predict(X), 60), folder / "result")
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["network", "blocks"])
def test_a_killed_program_goes_on_where_it_was(kind, tmp_path):
    code, results = {"network": NETWORK, "blocks": BLOCKS}[kind], []
    for n_kills in (0, 8):
        folder = tmp_path / str(n_kills)
        folder.mkdir()
        killed = run_until_killed(code, folder, n_kills, np.random.default_rng(1))
        results.append(joblib.load(folder / "result"))
    print(f"\n{kind}: killed {killed} times, {results[1][1]} epochs or blocks at the end")
    assert killed > 2
    assert results[0][1] == results[1][1]
    np.testing.assert_array_equal(results[0][0], results[1][0])


FROM_DISK = (
    COMMON
    + """
import resource
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split()[0]: line for line in lines}
def kib(name):
    return int(anonymous()[name].split()[1])
rows = np.memmap(folder / "rows", dtype=np.float32, mode="r").reshape(-1, 3)
encoder = sk_posenc.ShiftedBasisEncoder("bspline", stable_rank=12, n_shifts=24, domain=(0, 1))
model = sk_posenc.KroneckerRidge(encoder, penalty=2.0, alpha=1e-8)
model.partial_fit(X, y).predict(X)
model = sk_posenc.KroneckerRidge(encoder, penalty=2.0, alpha=1e-8)
before, budget = kib("RssAnon:"), 48
limit = 1024 * kib("VmData:") + budget * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.array(rows)
except MemoryError:
    pass
else:
    sys.exit("all rows fit into the budget")
most = 0
for block in np.split(rows, range(20_000, len(rows), 20_000)):
    model.partial_fit(block[:, :2], block[:, 2])
    most = max(most, kib("RssAnon:") - before)
error = np.max(np.abs(model.predict(X) - y))
joblib.dump((len(rows), rows.nbytes / 2**20, budget, most / 1024, error), folder / "result")
"""
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_more_rows_than_memory_are_read_from_disk(tmp_path):
    rng = np.random.default_rng(0)
    with (tmp_path / "rows").open("wb") as file:
        for _ in range(100):
            places = rng.uniform(size=(60_000, 2))
            values = np.sin(5 * places[:, 0]) + places[:, 1]
            np.column_stack([places, values]).astype(np.float32).tofile(file)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", FROM_DISK, str(tmp_path)], check=True)
    n_rows, size, budget, most, error = joblib.load(tmp_path / "result")
    print(
        f"\n{n_rows:,} rows of {size:.0f} MiB in a budget of {budget} MiB: {most:.1f} MiB more "
        f"after a block, largest error {error:.1e}, {time.perf_counter() - start:.1f} s"
    )
    assert size > 1.4 * budget
    assert most < budget
    assert error < 5e-3  # of values up to 2, by functions so fine
