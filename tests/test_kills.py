"""Programs that are killed go on where they were, and rows that no memory holds are learnt.

``pytest -s -m slow tests/test_kills.py`` prints the figures.
"""

import signal
import subprocess
import sys
import time

import joblib
import numpy as np
import pytest


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
