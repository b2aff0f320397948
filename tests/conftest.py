"""Seeds and Hypothesis settings that all tests share."""

import os

# One thread a process, set before numpy and torch load: pytest -n fills the cores, and threads
# that wait for each other make small networks many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Displays are drawn without a screen, those of doctests too.
os.environ.setdefault("MPLBACKEND", "Agg")


from unittest import SkipTest, mock

import numpy as np
import pytest
import sklearn
from hypothesis import HealthCheck, settings
from sklearn.utils.fixes import parse_version

if (
    parse_version(sklearn.__version__) < parse_version("1.7")
    and os.environ.get("SCIPY_ARRAY_API") != "1"
):
    # Its checks do not import beside array_api_compat without this variable, which SciPy reads
    # when it is imported: it has been, and dispatch stays as it was.
    with mock.patch.dict(os.environ, SCIPY_ARRAY_API="1"):
        from sklearn.utils import estimator_checks

    def check_array_api_input(*args, **kwargs):
        raise SkipTest("scikit-learn < 1.7 dispatches with SCIPY_ARRAY_API=1 only")

    # Later versions skip it by themselves; test_array_api.py runs it with the variable set.
    estimator_checks.check_array_api_input = check_array_api_input

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
