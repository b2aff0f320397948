"""Kronecker ridge on torch tensors. Array API dispatch needs SCIPY_ARRAY_API=1 before scipy is
imported, so that the tests of this file run in a process of their own."""

import os
import subprocess
import sys

import pytest
import torch
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
    KroneckerRidge,
    KroneckerRidgeCV,
    LogFourierEncoder,
    RandomFourierEncoder,
    psnr_score,
)

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

else:
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
        close(own.predict(at), expected.predict(at), 1e-8)  # and NumPy's go on with NumPy

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
