"""What is chosen hangs on the samples, not on the processor: every kernel of OpenBLAS that runs
here chooses the same candidate, and predicts the same."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from sk_posenc import KroneckerRidgeCV, grid_samples, load_signal

KERNELS = ("Haswell", "SkylakeX", "Prescott")
SMOOTH = [1.5, 2.0, 2.5]
EXPONENTS = [1.25, *SMOOTH]


def line(n):
    return np.random.default_rng(0).uniform(size=(n, 1))


def plane(n):
    return np.random.default_rng(0).uniform(size=(n, 2))


def grid(n):
    return np.argwhere(np.ones((n, n))) / n


def holes(n):
    return np.random.default_rng(0).permutation(grid(n))[: n * n * 3 // 5]


def table(n):
    axes = np.geomspace(1e-3, 1, n), np.arange(n) / n
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def clustered(n):
    random = np.random.default_rng(0)
    middles = random.uniform(size=(8, 3))
    return middles[random.integers(8, size=n)] + 0.05 * random.standard_normal((n, 3))


def wave(X):
    return np.sin(7 * X[:, 0]) * np.cos(5 * X.sum(axis=1))


def flat(X):
    return 0 * X[:, 0]


def log_wave(X):
    return np.sin(2 * np.log(X[:, 0])) + X[:, 1] ** 2


def edge(X):
    return (X.sum(axis=1) > 0.5 * X.shape[1]) + 0.3 * X[:, 0]


SIGNALS = {
    "line": (line(200), wave, None),
    "line, smooth": (line(450), wave, [2.0, 2.5]),
    "even line, smooth": (np.arange(250)[:, None] / 250, wave, SMOOTH),
    "line, steep": (line(150), wave, 4.0),
    "line, adaptive": (line(200), edge, "adaptive"),
    "plane": (plane(200), wave, None),
    "plane, conjugate gradients": (plane(2_100), wave, EXPONENTS),
    "plane, parts": (plane(700), wave, None),
    "plane, adaptive": (plane(400), edge, "adaptive"),
    "grid": (grid(32), wave, None),
    "grid, slope": (grid(32), wave, "slope"),
    "grid, smooth": (grid(32), wave, SMOOTH),
    "grid, adaptive": (grid(32), edge, "adaptive"),
    "holes": (holes(48), wave, None),
    "grid, noise alone": (grid(20), flat, None),
    "table, log axis": (table(20), log_wave, None),
    "volume, clustered": (clustered(300), wave, None),
}


def measured():
    """A series of real values and its rows, with what is smoother than the samples."""
    X, y = grid_samples(*load_signal("co2"))
    return X[::6], y[::6]


def samples(name, noise):
    if name == "co2":
        return *measured(), [2.0, 2.5]
    X, signal, penalties = SIGNALS[name]
    y = signal(X) + noise * np.random.default_rng(1).standard_normal(len(X))
    return X, y, penalties


CASES = [*((name, noise) for name in SIGNALS for noise in (0.0, 0.2)), ("co2", 0.0)]


def choose():
    """What each case comes to under the kernel of this process."""
    chosen = []
    for name, noise in CASES:
        X, y, penalties = samples(name, noise)
        model = KroneckerRidgeCV(penalties=penalties).fit(X, y)
        values = model.predict(np.concatenate([X[::5], (X[1:] + X[:-1])[::7] / 2]))
        choice = [model.best_encoder_, model.penalty_, model.spacing_, model.alpha_]
        chosen.append([str(choice), values.tolist()])
    return chosen


def run(kernel, code):
    """What a process under a kernel prints; None where the processor does not have it."""
    tests = os.path.dirname(os.path.abspath(__file__))
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([tests, *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    if done.returncode > 0:
        raise RuntimeError(done.stderr)
    return None if done.returncode < 0 else json.loads(done.stdout)  # < 0: an illegal instruction


WHICH = """
import json, numpy, threadpoolctl
numpy.linalg.eigvalsh(numpy.eye(300) + 1), numpy.ones((300, 300)) @ numpy.ones((300, 300))
print(json.dumps([each.get("architecture") for each in threadpoolctl.threadpool_info()]))
"""
CHOOSE = "import json, test_kronecker_processors as t; print(json.dumps(t.choose()))"


@pytest.fixture(scope="module")
def chosen_under():
    kernels = {}
    for kernel in KERNELS:
        kinds = run(kernel, WHICH)
        if kinds is not None and str(kinds) not in map(str, kernels.values()):
            kernels[kernel] = kinds
    if len(kernels) < 2:
        pytest.skip(f"one kernel of linear algebra runs here: {kernels}")
    return {kernel: run(kernel, CHOOSE) for kernel in kernels}


def test_any_kernel_chooses_the_same(chosen_under):
    first, *others = chosen_under
    assert others
    for kernel in others:
        for case, one, two in zip(CASES, chosen_under[first], chosen_under[kernel], strict=True):
            assert one[0] == two[0], (case, first, kernel)
            difference = np.max(np.abs(np.subtract(one[1], two[1])))
            assert difference <= 1e-3 * np.std(one[1]), (case, first, kernel)
