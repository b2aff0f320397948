"""Most samples outside a domain that was given: who warns, once, and who does not."""

import warnings

import numpy as np
import pytest
import torch

from sk_posenc import (
    CoordinateMLPRegressor,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    LogFourierEncoder,
    PoorFitWarning,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    encoding_report,
)
from sk_posenc.core.outside import outside, warn_of_samples_outside

# Of the second axis three quarters lie outside (0, 1), of the first none.
X = np.column_stack([np.linspace(0, 1, 200), np.linspace(0, 4, 200)])
Y = np.sin(3 * X[:, 0]) + X[:, 1]


def told(fit):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    return [each for each in caught if each.category is PoorFitWarning]


WARN = {
    "shifts": lambda: ShiftedBasisEncoder(domain=(0, 1)).fit(X),
    "cut": lambda: ShiftedBasisEncoder(domain=(0, 1), boundary="cut").fit(X),
    "fourier": lambda: FourierEncoder(domain=(0, 1)).fit(X),
    "single": lambda: FourierEncoder(domain=(0, 1)).fit(X.astype(np.float32)),
    "ridge": lambda: KroneckerRidge(ShiftedBasisEncoder(domain=(0, 1)), alpha=1.0).fit(X, Y),
    "random": lambda: KroneckerRidge(
        RandomFourierEncoder(20, stable_rank=4, domain=(0, 1), random_state=0), alpha=1.0
    ).fit(X, Y),
    "per axis": lambda: KroneckerRidge(
        [LogFourierEncoder(), LogFourierEncoder(domain=(0, 1))], alpha=1.0
    ).fit(X, Y),
    "search": lambda: KroneckerRidgeCV(
        [ShiftedBasisEncoder(domain=(0, 1)), FourierEncoder(domain=[(0, 1), (0, 0.9)])]
    ).fit(X, Y),
    "folds": lambda: KroneckerRidgeCV(ShiftedBasisEncoder(domain=(0, 1)), cv=3).fit(X, Y),
}


@pytest.mark.parametrize("case", WARN)
def test_one_warning_that_names_the_axis(case):
    (warning,) = told(WARN[case])
    message = str(warning.message)
    assert "of axis 1, but 7" in message
    assert "lie outside and " in message
    assert "covers (0, 4)" in message
    assert ("fading columns" in message) == (case == "cut")
    assert warning.filename == __file__


def test_networks_warn_at_the_line_of_the_user():
    network = CoordinateMLPRegressor(
        ShiftedBasisEncoder(domain=(0, 1)), hidden_layer_sizes=(4,), max_epochs=1, device="cpu"
    )
    (warning,) = told(lambda: network.fit(X, Y))
    assert warning.filename == __file__


@pytest.mark.parametrize(
    "fit",
    [
        lambda: ShiftedBasisEncoder().fit(X),
        lambda: ShiftedBasisEncoder(domain=(0, 2)).fit(X),  # half, not more
        lambda: ShiftedBasisEncoder(domain=(0, 1), boundary="periodic").fit(X),
        lambda: FourierEncoder(domain=(0, 1), boundary="periodic").fit(X),
        lambda: LogFourierEncoder(domain=(0, 1)).fit(X),  # its functions go on outside
        lambda: KroneckerRidge(
            ShiftedBasisEncoder(domain=(0, 1), boundary="periodic"), alpha=1.0
        ).fit(X, Y),
        lambda: KroneckerRidge(
            ShiftedBasisEncoder("bspline", stable_rank=5, n_shifts=9, domain=(0, 1)), alpha=1.0
        ).partial_fit(X, Y),
        lambda: encoding_report(ShiftedBasisEncoder(domain=(0, 1)), X),
        lambda: ShiftedBasisEncoder(domain=(5, 9)).fit(X[:9]),  # placeholders
    ],
    ids=range(9),
)
def test_no_warning(fit):
    assert not told(fit)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_tensors(dtype):
    x = torch.asarray(X[:, 1], dtype=dtype)
    (warning,) = told(lambda: warn_of_samples_outside(x, (0.0, 1.0), "extend", 1, "it"))
    assert "it expects" in str(warning.message)
    assert "75% of them" in str(warning.message)
    assert not told(lambda: warn_of_samples_outside(x, (0.0, 2.1), "extend", 1, "it"))


def test_rounding_is_not_outside():
    x = np.array([-1e-7, 0.0, 1.0, 1.0 + 1e-7, 1.0 + 1e-5, -1e-5, 0.5])
    np.testing.assert_array_equal(outside(x, (0.0, 1.0)), [0, 0, 0, 0, 1, 1, 0])
    np.testing.assert_array_equal(outside(1e9 + 5 * x, (1e9, 1e9 + 5)), [0, 0, 0, 0, 1, 1, 0])
