"""Kronecker ridge on torch tensors. Array API dispatch needs SCIPY_ARRAY_API=1 before scipy is
imported, so that the tests of this file run in a process of their own."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.preprocessing import SplineTransformer
from test_kronecker import close, make_grid
from test_kronecker_scattered import (
    BSPLINE,
    EXACT,
    inside,
    iterating,  # noqa: F401
    pixels,  # noqa: F401
    scattered,
)

from sk_posenc import (
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    LogFourierEncoder,
    RandomFourierEncoder,
    SpacingTransformer,
    psnr_score,
    stable_rank_scorer,
)
from sk_posenc.core.limits import limits
from sk_posenc.kronecker import _search
from sk_posenc.kronecker._device import Place

DISPATCHED = os.environ.get("SCIPY_ARRAY_API") == "1"

MODELS = [
    KroneckerRidge(alpha=1e-3),
    KroneckerRidge(BSPLINE, alpha=1e-2, penalty=2.0),
    KroneckerRidge(alpha=1e-3, spacing=[0.9, 0.0]),
    KroneckerRidgeCV(BSPLINE, penalties=[2.0], alphas=[1e-2, 1.0]),
]


# Many targets here are noise.
pytestmark = pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")


def fits_of_tensors_that_require_gradients(model):
    X, y = scattered(60, 2)
    Z, weights = X[:7] * 0.9, np.linspace(1, 2, len(X))
    expected = clone(model).fit(X, y, sample_weight=weights).predict(Z)
    X, y, Z, weights = (torch.tensor(each, requires_grad=True) for each in (X, y, Z, weights))
    return clone(model).fit(X, y, sample_weight=weights).predict(Z), expected


if not DISPATCHED:

    @pytest.mark.parametrize("model", MODELS, ids=repr)
    def test_of_tensors_that_require_gradients_the_values_count(model):
        got, expected = fits_of_tensors_that_require_gradients(model)
        np.testing.assert_array_equal(got, expected)

    def test_all_of_this_file_under_array_api_dispatch():
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
            env=os.environ | {"SCIPY_ARRAY_API": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-5000:]

else:

    @pytest.mark.parametrize("model", MODELS, ids=repr)
    def test_of_tensors_that_require_gradients_the_values_count(model):
        with config_context(array_api_dispatch=True):
            got, expected = fits_of_tensors_that_require_gradients(model)
        torch.testing.assert_close(got.detach(), torch.tensor(expected), rtol=0, atol=1e-8)

    DEVICES = [
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ),
    ]

    @pytest.mark.parametrize("device", DEVICES)
    @pytest.mark.parametrize("penalty", ["slope", 2.0, "adaptive"])
    @pytest.mark.parametrize("basis", ["bspline", "gaussian"])
    @pytest.mark.parametrize("layout", ["grid", "holes", "scattered", "dual"])
    def test_tensors_are_solved_and_predicted_where_they_live(
        layout, basis, penalty, device, request
    ):
        if layout != "dual":
            request.getfixturevalue("iterating")
        X, y = make_grid((12, 13), 2) if layout in {"grid", "holes"} else scattered(60, 2)
        X, y = (X[9:], y[9:]) if layout == "holes" else (X, y)
        model = KroneckerRidge(
            clone(BSPLINE).set_params(basis=basis), alpha=1e-2, penalty=penalty, **EXACT
        )
        expected = clone(model).fit(X, y)
        at = inside(2)
        tensors = [torch.as_tensor(each, device=device) for each in (X, y, at)]
        with config_context(array_api_dispatch=True):
            own = clone(model).fit(*tensors[:2])
            values = own.predict(tensors[2])
            assert (values.device, values.dtype) == (tensors[2].device, torch.float64)
            close(values.cpu().numpy(), expected.predict(at), 1e-8)
            single = own.predict(tensors[2].to(torch.float32))
            assert single.dtype == torch.float32
            close(single.cpu().numpy(), expected.predict(at), 1e-3)
            slopes = own.predict(tensors[2], derivative=(1, 0))
            assert slopes.device == tensors[2].device
            if penalty != "adaptive":
                _, std = own.predict(tensors[2], return_std=True)
                assert std.device == tensors[2].device
                close(std.cpu().numpy(), expected.predict(at, return_std=True)[1], 0.02)
        close(own.predict(at), expected.predict(at), 1e-8)  # and NumPy's go on with NumPy

    @pytest.mark.parametrize("device", DEVICES)
    @pytest.mark.parametrize("layout", ["grid", "holes", "scattered"])
    @pytest.mark.parametrize("eigen_up_to", [5, 1_000])
    def test_tensors_of_a_similarity_are_predicted_on_the_host(eigen_up_to, layout, device):
        X, y = scattered(60, 2) if layout == "scattered" else make_grid((12, 13), 2)
        X, y = (X[9:], y[9:]) if layout == "holes" else (X, y)
        model = KroneckerRidge(alpha=1e-2, penalty="similarity")
        at = inside(2)
        expected = clone(model).fit(X, y).predict(at, return_std=True)
        tensors = [torch.as_tensor(each, device=device) for each in (X, y, at)]
        with limits(eigen_up_to=eigen_up_to), config_context(array_api_dispatch=True):
            own = clone(model).fit(*tensors[:2])
            alone = own.predict(tensors[2])
            slopes = own.predict(tensors[2], derivative=(1, 0))
            values, std = own.predict(tensors[2], return_std=True)
        assert {each.device for each in (alone, slopes, values, std)} == {tensors[2].device}
        for each in (alone, values):
            close(each.cpu().numpy(), expected[0], 1e-8)
        close(std.cpu().numpy(), expected[1], 1e-8)

    @pytest.mark.parametrize("device", DEVICES)
    @pytest.mark.parametrize(
        "encoder",
        [
            LogFourierEncoder(4, domain=(0.0, 1.0)),
            RandomFourierEncoder(16, domain=(0.0, 1.0), random_state=0),
            SplineTransformer(5, extrapolation="constant"),
        ],
        ids=lambda encoder: type(encoder).__name__,
    )
    def test_encoders_of_other_kinds_predict_tensors(encoder, device):
        X, y = scattered(60, 2)
        model = KroneckerRidge(encoder, alpha=1e-2).fit(X, y)
        at = inside(2) * 1.5 - 0.25  # beyond the samples too
        tensor = torch.as_tensor(at, device=device)
        with config_context(array_api_dispatch=True):
            values = model.predict(tensor)
        assert (values.device, values.dtype) == (tensor.device, torch.float64)
        close(values.cpu().numpy(), model.predict(at))

    @pytest.mark.parametrize("device", DEVICES)
    @pytest.mark.parametrize("penalties", [None, "adaptive"])
    def test_tensors_in_blocks_and_in_searches(penalties, device, pixels):
        X, y, unseen, _ = pixels
        tensors = [torch.as_tensor(each, device=device) for each in (X, y, unseen)]
        with config_context(array_api_dispatch=True):
            search = KroneckerRidgeCV(penalties=penalties).fit(*tensors[:2])
            values = search.predict(tensors[2])
            encoder = clone(BSPLINE).set_params(domain=(0.0, 1.0))
            penalty = penalties or "ridge"
            blocks = KroneckerRidge(encoder, alpha=1e-2, penalty=penalty, **EXACT)
            for at in (slice(1_000), slice(1_000, None)):
                blocks.partial_fit(tensors[0][at], tensors[1][at])
            summed = blocks.predict(tensors[2])
        host = KroneckerRidgeCV(penalties=penalties).fit(X, y)
        assert (search.penalty_, search.alpha_) == (host.penalty_, host.alpha_)
        assert psnr_score(host.predict(unseen), values.cpu().numpy()) > 50
        whole = clone(blocks).fit(X, y)
        close(summed.cpu().numpy(), whole.predict(unseen), 1e-8)

    @pytest.mark.parametrize("device", DEVICES)
    @pytest.mark.parametrize(
        ("layout", "cv", "penalties"),
        [
            ("scattered", 3, [2.0]),
            ("scattered", 3, [1.5, "ridge"]),
            ("grid", None, ["ridge", 2.0]),  # one is factorised, and scored on a fold
        ],
        ids=str,
    )
    @pytest.mark.usefixtures("iterating")
    def test_folds_are_solved_where_the_tensors_live(layout, cv, penalties, device, monkeypatch):
        X, y = make_grid((12, 13), 2) if layout == "grid" else scattered(60, 2)
        search = KroneckerRidgeCV(
            clone(BSPLINE), alphas=[1e-2, 1.0], penalties=penalties, cv=cv, **EXACT
        )
        host = clone(search).fit(X, y)
        places, made = [], _search.Problem
        monkeypatch.setattr(
            _search,
            "Problem",
            lambda *args, place, **settings: (
                places.append(place.device) or made(*args, place=place, **settings)
            ),
        )
        tensors = [torch.as_tensor(each, device=device) for each in (X, y)]
        with config_context(array_api_dispatch=True):
            own = clone(search).fit(*tensors)
        # a problem for each fold and penalty, and that of all samples; or for each, and one fold
        assert places == [tensors[0].device] * (3 * len(penalties) + 1 if cv else 3)
        # held-out fits stop early
        tolerance = 1e-6 if cv else 1e-3
        scores, wanted = (each.cv_results_["mean_test_score"] for each in (own, host))
        close(scores, wanted, tolerance)
        assert (own.alpha_, own.penalty_) == (host.alpha_, host.penalty_)

    @pytest.mark.parametrize("device", DEVICES)
    def test_shifts_that_follow_the_samples(device):
        X, y = scattered(60, 2)
        tensors = [torch.as_tensor(each, device=device) for each in (X**3, y)]
        model = KroneckerRidge(alpha=1e-3, spacing=[0.9, 0.0]).fit(X**3, y)
        at = inside(2) * 1.5 - 0.25  # beyond the samples too
        with config_context(array_api_dispatch=True):
            own = clone(model).fit(*tensors)
            for dtype, tolerance in ((torch.float64, 1e-8), (torch.float32, 1e-3)):
                tensor = torch.as_tensor(at, device=device, dtype=dtype)
                values, encoded = own.predict(tensor), own.encoder_.transform(tensor)
                places = SpacingTransformer().fit(tensors[0].to(dtype)).transform(tensor)
                for each in (values, encoded, places):
                    assert (each.device, each.dtype) == (tensor.device, dtype)
                close(values.cpu().numpy(), model.predict(at), tolerance)
                close(encoded.cpu().numpy(), model.encoder_.transform(at), tolerance)
                expected = SpacingTransformer().fit(X**3).transform(at)
                close(places.cpu().numpy(), expected, tolerance)

    def test_filters_of_warnings_are_touched_once(monkeypatch):
        place, matrix = Place(torch.device("cpu")), sparse.random_array((6, 5), density=0.5)
        place.sparse(matrix.tocsr())
        monkeypatch.setattr("warnings.catch_warnings", None)
        np.testing.assert_array_equal(
            place.sparse(matrix.tocsr()).to_dense().numpy(), matrix.toarray()
        )

    @pytest.mark.parametrize("device", DEVICES)
    def test_the_product_of_the_encodings_is_made_where_the_tensors_live(device):
        X, y = make_grid((12, 13), 2)
        tensors = [torch.as_tensor(each, device=device) for each in (X, y)]
        model = KroneckerRidge([clone(BSPLINE), FourierEncoder(3)]).fit(X, y)
        expected = model.encoder_.transform(X)
        with config_context(array_api_dispatch=True):
            own = KroneckerRidge([clone(BSPLINE), FourierEncoder(3)]).fit(*tensors)
            encoded = own.encoder_.transform(tensors[0])
            assert encoded.device == tensors[0].device
            rank = stable_rank_scorer(own, tensors[0])
            single = own.encoder_.transform(tensors[0].to(torch.float32))
        assert single.dtype == torch.float32
        close(encoded.cpu().numpy(), expected, 1e-10)
        close(single.cpu().numpy(), expected, 1e-4)
        assert rank == pytest.approx(stable_rank_scorer(model, X))
