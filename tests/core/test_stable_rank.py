"""Stable rank against all singular values."""

import math

import numpy as np
import pytest
import torch
from encoder_contract import dense_stable_rank
from scipy import sparse

from sk_posenc import (
    ShiftedBasisEncoder,
    stable_rank,
)


@pytest.mark.parametrize("shape", [(50, 7), (7, 50), (1, 9), (9, 1), (30, 30)], ids=str)
@pytest.mark.parametrize("kind", ["dense", "csr", "csc", "coo", "torch", "list"])
def test_stable_rank_against_all_singular_values(shape, kind, rng):
    A = rng.normal(size=shape) * np.geomspace(1, 0.1, shape[1]) * (rng.uniform(size=shape) < 0.7)
    A[0, 0] = 1.0
    convert = {
        "dense": np.asarray,
        "csr": sparse.csr_array,
        "csc": sparse.csc_matrix,
        "coo": sparse.coo_array,
        "torch": torch.asarray,
        "list": np.ndarray.tolist,
    }
    assert stable_rank(convert[kind](A)) == pytest.approx(dense_stable_rank(A), rel=1e-10)


def test_stable_rank_where_singular_values_nearly_tie():
    # near enough for LAPACK to fail where it is asked for the largest of them alone
    encoder = ShiftedBasisEncoder(
        bandwidth=0.01, n_shifts=10_000, domain=(0, 1), boundary="periodic"
    ).fit([[0.0], [1.0]])
    encoded = encoder.transform(np.arange(8)[:, None] / 8)
    assert stable_rank(encoded) == pytest.approx(8, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8, bool])
@pytest.mark.parametrize("convert", [np.asarray, torch.asarray], ids=["numpy", "torch"])
def test_stable_rank_of_other_types(dtype, convert, rng):
    A = (rng.uniform(size=(40, 6)) * 3).astype(dtype)
    assert stable_rank(convert(A)) == pytest.approx(dense_stable_rank(A.astype(float)), rel=1e-10)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e307])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array, torch.asarray])
def test_stable_rank_of_huge_and_tiny_entries(scale, convert, rng):
    A = np.round(rng.normal(size=(20, 6)), 2)
    tolerance = 1e-2 if scale < 1e-300 else 1e-10  # subnormal numbers have few digits
    assert stable_rank(convert(A * scale)) == pytest.approx(dense_stable_rank(A), rel=tolerance)


def test_stable_rank_by_lanczos():
    # known singular values: orthogonal sparse blocks of sizes that differ
    blocks = [np.full((1, 1), s) for s in np.linspace(1, 2, 2049)] + [np.full((2, 2), 1.5)]
    singular = np.r_[np.linspace(1, 2, 2049), 3.0]
    expected = np.sum(singular**2) / 9
    A = sparse.block_diag(blocks, format="csr")
    assert stable_rank(A) == pytest.approx(expected, rel=1e-10)
    close = sparse.diags_array(np.r_[np.ones(2100), 1 + 1e-3])  # a gap that is small
    assert stable_rank(close) == pytest.approx((2100 + 1.001**2) / 1.001**2, rel=1e-10)
    assert stable_rank(sparse.eye_array(2050)) == pytest.approx(2050, rel=1e-10)


def test_stable_rank_of_a_large_dense_matrix_by_lanczos(rng):
    left, right = rng.normal(size=(2100, 3)), rng.normal(size=(3, 2050))
    core = np.linalg.qr(left)[1] @ np.linalg.qr(right.T)[1].T
    assert stable_rank(left @ right) == pytest.approx(dense_stable_rank(core), rel=1e-10)


@pytest.mark.parametrize(
    ("A", "message"),
    [
        (np.zeros((3, 3)), "A is all 0"),
        (sparse.csr_array((3, 3)), "A is all 0"),
        (torch.zeros(3, 3), "A is all 0"),
        (np.array([[np.nan, 1.0]]), "NaN"),
        (sparse.csr_array([[np.inf, 1.0]]), "infinity"),
        (torch.tensor([[math.nan, 1.0]]), "NaN"),
        (np.empty((0, 3)), "0 sample"),
        (torch.empty(3, 0), "at least one row and column"),
        (np.ones(3), "1D array"),
        (torch.ones(3), "A must be a matrix"),
        (np.ones((2, 2, 2)), "dim 3"),
    ],
)
def test_stable_rank_of_what_has_none(A, message):
    with pytest.raises(ValueError, match=message):
        stable_rank(A)
