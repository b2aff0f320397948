"""Array API dispatch. It needs SCIPY_ARRAY_API=1 before scipy is imported, so that the tests of
this file run in a process of their own."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from sk_posenc import (
    FourierEncoder,
    LearnableFourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    distance_preservation,
    distance_preservation_scorer,
    psnr_score,
    psnr_scorer,
    similarity_radius_scorer,
    stable_rank,
    stable_rank_scorer,
)
from sk_posenc._arrays import to_numpy

DISPATCHED = os.environ.get("SCIPY_ARRAY_API") == "1"

if not DISPATCHED:

    def test_all_of_this_file_under_array_api_dispatch():
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
            env=os.environ | {"SCIPY_ARRAY_API": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        assert " passed" in done.stdout
        print(done.stdout)

else:
    import array_api_strict
    import torch
    from array_api_compat import torch as torch_namespace

    PLACES = {
        "torch on cpu": (torch_namespace, torch.device("cpu")),
        "strict on cpu": (array_api_strict, array_api_strict.Device("CPU_DEVICE")),
        "strict on a second device": (array_api_strict, array_api_strict.Device("device1")),
        "strict without float64": (array_api_strict, array_api_strict.Device("no_float64")),
    }
    if torch.cuda.is_available():
        PLACES["torch on cuda"] = (torch_namespace, torch.device("cuda", 0))

    ENCODERS = [
        ShiftedBasisEncoder(stable_rank=6),
        ShiftedBasisEncoder("triangle", stable_rank=6, domain=(0, 1), boundary="periodic"),
        ShiftedBasisEncoder("bspline", stable_rank=3, tensor_product=True),
        ShiftedBasisEncoder("rectangle", stable_rank=6),
        ShiftedBasisEncoder("impulse", stable_rank=6),
        ShiftedBasisEncoder("sine"),
        ShiftedBasisEncoder("square", boundary="cut"),
        FourierEncoder(stable_rank=6),
        LogFourierEncoder(6),
        RandomFourierEncoder(32, stable_rank=4, random_state=0),
        LearnableFourierEncoder(16, mlp=(8, 8), random_state=0),
    ]

    @pytest.fixture(params=PLACES, ids=str)
    def place(request):
        return PLACES[request.param]

    @pytest.fixture
    def put(place):
        xp, device = place
        single = "no_float64" in str(device)

        def put(array):
            array = np.asarray(array, dtype=np.float32 if single else np.float64)
            return xp.asarray(array, device=device)

        with config_context(array_api_dispatch=True):
            yield put

    @pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
    def test_same_as_numpy_and_on_the_same_device(encoder, put):
        rng = np.random.default_rng(0)
        X, Z = rng.uniform(size=(60, 2)), rng.uniform(size=(700, 2))
        there = encoder.fit(put(X))
        E, S = there.transform(put(Z)), there.similarity(put(Z[:9]), put(Z[9:15]))
        assert type(E) is type(put(Z))
        assert E.device == put(Z).device == S.device == there.domain_.device
        here = encoder.fit(to_numpy(put(X)))
        expected, kernel = here.transform(to_numpy(put(Z))), here.similarity(Z[:9], Z[9:15])
        atol = 1e-12 if expected.dtype == np.float64 else 3e-4
        jumps = encoder.__dict__.get("basis") in {"rectangle", "impulse", "square"}
        apart = np.abs(to_numpy(E) - expected) > atol
        assert apart.mean() <= (1e-3 if jumps else 0)
        largest = np.abs(kernel).max()
        np.testing.assert_allclose(to_numpy(S), kernel, atol=0.1 if jumps else 3e-6 * largest)

    @pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
    def test_other_arrays_than_in_fit(encoder, put):
        X = np.random.default_rng(0).uniform(size=(60, 2))
        fitted = encoder.fit(put(X))
        with pytest.raises(ValueError, match=r"transform\(\) must use the same namespace"):
            fitted.transform(X)
        with pytest.raises(ValueError, match=r"similarity\(\) must use the same namespace"):
            fitted.similarity(X)

    def test_sparse_output_is_numpys(put):
        X = put(np.random.default_rng(0).uniform(size=(60, 2)))
        encoder = ShiftedBasisEncoder("triangle", sparse_output=True, stable_rank=4).fit(X)
        with pytest.raises(ValueError, match="sparse_output"):
            encoder.transform(X)

    def test_metrics_on_the_device(put):
        rng = np.random.default_rng(0)
        X, E = rng.uniform(size=(80, 2)), rng.standard_normal((80, 6))
        assert stable_rank(put(E)) == pytest.approx(stable_rank(E), rel=1e-5)
        assert distance_preservation(put(X), put(E), random_state=0) == pytest.approx(
            distance_preservation(X, E, random_state=0), abs=1e-2
        )
        assert psnr_score(put(E), put(E + 0.1)) == pytest.approx(20, abs=1e-3)

    def test_grid_search_stays_on_the_device():
        # a strict array on this device cannot be read by NumPy: no step leaves it unnoticed
        device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
        rng = np.random.default_rng(0)
        X = torch.asarray(rng.uniform(size=(200, 2)), device=device)
        y = torch.sin(6 * X[:, 0]) * X[:, 1]
        pipeline = Pipeline(
            [("encoder", ShiftedBasisEncoder()), ("ridge", Ridge(1e-3, solver="svd"))]
        )
        with config_context(array_api_dispatch=True):
            search = GridSearchCV(
                pipeline,
                [{"encoder": ENCODERS[:2], "encoder__stable_rank": [4, 8]}],
                scoring={
                    "psnr": psnr_scorer,
                    "rank": stable_rank_scorer,
                    "preserved": distance_preservation_scorer,
                    "radius": similarity_radius_scorer,
                },
                refit="psnr",
                cv=KFold(3),
                error_score="raise",
            ).fit(X, y)
            predicted = search.predict(X)
        assert isinstance(predicted, torch.Tensor)
        assert predicted.device == X.device
        here = GridSearchCV(pipeline, search.param_grid, scoring=psnr_scorer, cv=KFold(3))
        here.fit(to_numpy(X), to_numpy(y))
        np.testing.assert_allclose(
            search.cv_results_["mean_test_psnr"], here.cv_results_["mean_test_score"], rtol=1e-6
        )

    def test_pipeline_on_a_device_that_numpy_cannot_read():
        device = array_api_strict.Device("device1")
        rng = np.random.default_rng(0)
        values = rng.uniform(size=(120, 2))
        X = array_api_strict.asarray(values, device=device)
        y = array_api_strict.asarray(np.sin(6 * values[:, 0]), device=device)
        with pytest.raises((RuntimeError, ValueError, TypeError)):
            np.asarray(X)
        with config_context(array_api_dispatch=True):
            pipeline = Pipeline(
                [("encoder", ShiftedBasisEncoder()), ("ridge", Ridge(1e-3, solver="svd"))]
            ).fit(X, y)
            assert psnr_scorer(pipeline, X, y) > 20
            assert stable_rank_scorer(pipeline, X) > 1
            assert -1 <= distance_preservation_scorer(pipeline, X) <= 1

    def checks():
        for encoder in ENCODERS:
            if encoder.get_params().get("tensor_product"):
                continue  # the checks have 10 axes
            for estimator, check in estimator_checks_generator(encoder):
                name = getattr(check, "func", check).__name__
                if "array_api" in name:
                    yield pytest.param(estimator, check, id=f"{estimator}-{check}")

    @pytest.mark.parametrize(("estimator", "check"), list(checks()))
    def test_scikit_learns_array_api_checks(estimator, check):
        check(estimator)
