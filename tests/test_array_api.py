"""Array API dispatch. It needs SCIPY_ARRAY_API=1 before scipy is imported, so that the tests of
this file run in a process of their own."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.fixes import parse_version
from two_columns import HarmonicsOfTwo

from sk_posenc import (
    CoordinateKFold,
    FourierEncoder,
    LearnableFourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    SphereCoordinates,
    SphericalHarmonicEncoder,
    distance_preservation,
    distance_preservation_scorer,
    psnr_score,
    psnr_scorer,
    similarity_radius_scorer,
    stable_rank,
    stable_rank_scorer,
)
from sk_posenc.core.arrays import to_numpy

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
    if parse_version(np.__version__) < parse_version("2"):  # array_api_strict copies to no device
        PLACES = {k: v for k, v in PLACES.items() if "cpu" in k}
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
        ShiftedBasisEncoder("matern12", stable_rank=6, n_shifts=20),
        SphericalHarmonicEncoder(5),
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

    def test_points_on_the_sphere_stay_on_the_device(put):
        X = np.random.default_rng(0).uniform(-90, 90, size=(60, 2))
        expected = SphereCoordinates().fit_transform(X)
        points = SphereCoordinates().fit_transform(put(X))
        assert type(points) is type(put(X))
        assert points.device == put(X).device
        np.testing.assert_allclose(to_numpy(points), expected, atol=1e-6)
        back = SphereCoordinates().fit(put(X)).inverse_transform(points)
        np.testing.assert_allclose(to_numpy(back), X, atol=1e-4)
        E = np.cos(expected @ expected[:9].T)
        assert distance_preservation(put(X), put(E), metric="great_circle") == pytest.approx(
            distance_preservation(X, E, metric="great_circle"), abs=1e-2
        )

    def test_gradients_reach_places():
        X = torch.tensor([[10.0, 90.0], [180.0, 20.0]], dtype=torch.float64, requires_grad=True)
        with config_context(array_api_dispatch=True):
            for encoder in (SphereCoordinates(), SphericalHarmonicEncoder(3)):
                encoded = encoder.fit(X).transform(X)
                weights = torch.arange(encoded.shape[1], dtype=torch.float64)
                (slopes,) = torch.autograd.grad((encoded @ weights).sum(), X)
                assert torch.isfinite(slopes).all()
                assert slopes[0, 0] == 0
                assert slopes[0, 1] != 0

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

    @pytest.fixture
    def leaving(place, monkeypatch):
        """Sizes of the arrays of a place that are copied to another, in their order.

        Every way that the standard and NumPy know: NumPy itself cannot read a strict array of
        the second device. Single numbers are not counted: a score is one.
        """
        xp, device = place
        strict = xp is array_api_strict
        kind = type(xp.asarray(0.0, device=device))
        sizes = []

        def count(name, leaves=lambda args, kwargs: True):
            given = getattr(kind, name)

            def counted(self, *args, **kwargs):
                if self.device == device and leaves(args, kwargs):
                    sizes.append(math.prod(self.shape))
                return given(self, *args, **kwargs)

            monkeypatch.setattr(kind, name, counted)

        def elsewhere(args, kwargs):
            places = [a for a in (*args, *kwargs.values()) if isinstance(a, str | type(device))]
            return any(str(each) != str(device) for each in places)

        for name in ("__dlpack__", "__array__", *([] if strict else ["numpy", "cpu", "tolist"])):
            count(name)
        count("to_device" if strict else "to", elsewhere)
        if strict:
            given = array_api_strict.asarray

            def asarray(obj, /, **kwargs):
                moves = kwargs.get("device") not in (None, device)
                if isinstance(obj, kind) and obj.device == device and moves:
                    sizes.append(obj.size)
                return given(obj, **kwargs)

            monkeypatch.setattr(array_api_strict, "asarray", asarray)
        return sizes

    @pytest.mark.parametrize("cv", [KFold(3), CoordinateKFold(4)], ids=repr)
    def test_grid_search_stays_on_the_device(put, leaving, cv):
        rng = np.random.default_rng(0)
        values = rng.uniform(size=(120, 2))
        X, y = put(values), put(np.sin(6 * values[:, 0]) * values[:, 1])
        pipeline = Pipeline(
            [("encoder", ShiftedBasisEncoder()), ("ridge", Ridge(1e-2, solver="svd"))]
        )
        encoders = [ENCODERS[0], ENCODERS[1], ENCODERS[7]]
        search = GridSearchCV(
            pipeline,
            {"encoder": encoders, "encoder__stable_rank": [4, 8]},
            scoring={
                "psnr": psnr_scorer,
                "rank": stable_rank_scorer,
                "preserved": distance_preservation_scorer,
                "radius": similarity_radius_scorer,
            },
            refit="psnr",
            cv=cv,
            error_score="raise",
        ).fit(X, y)
        predicted, score = search.predict(X), search.score(X, y)
        # two ends of the domain an axis are the most, but for the coordinates that CoordinateKFold
        # lays folds over, once
        rows = [size for size in leaving if size > 2 * X.shape[1]]
        once = 2 if isinstance(X, torch.Tensor) else 1  # torch goes by the host to NumPy
        assert rows == ([values.size] * once if isinstance(cv, CoordinateKFold) else [])
        assert len(leaving) > len(rows)
        assert predicted.device == X.device
        assert type(predicted) is type(X)
        before = len(leaving)
        to_numpy(predicted)
        assert max(leaving[before:]) == len(values)  # what leaves is counted
        here = clone(search).fit(to_numpy(X), to_numpy(y))
        rtol = 1e-6 if "float64" in str(X.dtype) else 2e-2
        assert score == pytest.approx(here.score(to_numpy(X), to_numpy(y)), rel=rtol)
        for name in ("psnr", "rank", "preserved", "radius"):
            got, expected = (each.cv_results_[f"mean_test_{name}"] for each in (search, here))
            np.testing.assert_allclose(got, expected, rtol=rtol)

    def test_numpy_cannot_read_the_second_device():
        X = array_api_strict.ones((3, 2), device=array_api_strict.Device("device1"))
        with pytest.raises((RuntimeError, ValueError, TypeError)):
            np.asarray(X)

    @pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
    def test_fitted_on_tensors_that_require_gradients(encoder):
        X, Z = torch.rand(2, 60, 2, generator=torch.Generator().manual_seed(0)).double()
        with config_context(array_api_dispatch=True):
            expected, kernel = encoder.fit(X).transform(Z), encoder.similarity(X, Z)
            fitted = encoder.fit(X.clone().requires_grad_())
            assert not fitted.domain_.requires_grad
            torch.testing.assert_close(fitted.transform(Z), expected, rtol=0, atol=0)
            learning = Z.clone().requires_grad_()
            for got, values in (
                (fitted.transform(learning), expected),
                (fitted.similarity(X, learning), kernel),
            ):
                torch.testing.assert_close(got.detach(), values, rtol=0, atol=1e-14)

    @pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
    def test_gradients_to_the_coordinates(encoder):
        X = torch.rand(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        with config_context(array_api_dispatch=True):
            encoder.fit(torch.asarray([[-0.1, -0.1], [1.1, 1.1]], dtype=torch.float64))
            if encoder.__dict__.get("basis") in {
                "rectangle",
                "impulse",
                "square",
            }:  # constant but for the jumps
                features = encoder.transform(X.requires_grad_()).sum() + 0 * X.sum()
                assert not torch.autograd.grad(features, X)[0].any()
                return
            assert torch.autograd.gradcheck(encoder.transform, X.requires_grad_())
            many = torch.rand(3000, 2, dtype=torch.float64).requires_grad_()
            weights = torch.rand(encoder.transform(many[:1]).shape[1], dtype=torch.float64)
            (by_blocks,) = torch.autograd.grad((encoder.transform(many) @ weights).sum(), many)
            first = many[:100].detach().requires_grad_()
            (alone,) = torch.autograd.grad((encoder.transform(first) @ weights).sum(), first)
            torch.testing.assert_close(by_blocks[:100], alone)

    def checks():
        for encoder in ENCODERS:
            if encoder.get_params().get("tensor_product"):
                continue  # the checks have 10 axes
            if isinstance(encoder, SphericalHarmonicEncoder):
                encoder = HarmonicsOfTwo(encoder.degree)
            for estimator, check in estimator_checks_generator(encoder):
                name = getattr(check, "func", check).__name__
                on_cuda = "cuda" in str(getattr(check, "keywords", ""))
                if on_cuda and not torch.cuda.is_available():
                    continue  # scikit-learn goes by how torch was built, not by the card
                if "array_api" in name:
                    yield pytest.param(estimator, check, id=f"{estimator}-{check}")

    CHECKS = list(checks())

    def test_there_are_checks_of_the_array_api():
        products = sum(bool(each.get_params().get("tensor_product")) for each in ENCODERS)
        assert len(CHECKS) >= len(ENCODERS) - products

    @pytest.mark.parametrize(("estimator", "check"), CHECKS)
    def test_scikit_learns_array_api_checks(estimator, check):
        check(estimator)
