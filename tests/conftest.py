"""Seeds and Hypothesis settings that all tests share."""

import os

# One thread a process, set before numpy and torch load: pytest -n fills the cores, and threads
# that wait for each other make small networks many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Displays are drawn without a screen, those of doctests too.
os.environ.setdefault("MPLBACKEND", "Agg")


import numpy as np
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "sk_posenc",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("sk_posenc")


@pytest.fixture(autouse=True)
def seed():
    np.random.seed(0)  # noqa: NPY002  what draws from the global state is repeatable


@pytest.fixture
def rng():
    return np.random.default_rng(0)
