"""Sparse output and tensor products of ShiftedBasisEncoder, against its dense columns."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from sk_posenc import Basis, ShiftedBasisEncoder, stable_rank

BOUNDED = ["triangle", "rectangle", "impulse", "bspline"]


class Laplacian(Basis):
    def phi(self, u, xp):
        return xp.exp(-xp.abs(u))


@pytest.mark.parametrize("tensor_product", [False, True])
@pytest.mark.parametrize("boundary", ["extend", "periodic", "cut"])
@pytest.mark.parametrize("basis", [*BOUNDED, "gaussian", Laplacian()], ids=str)
@pytest.mark.parametrize("rank", [1.3, (7, 11)])
def test_sparse_equals_dense(basis, boundary, tensor_product, rank):
    if isinstance(basis, Laplacian) and tensor_product:
        rank = 1.1  # its long tails would make thousands of columns
    X = np.random.default_rng(0).uniform(-0.4, 1.5, size=(300, 2))
    for dtype in (np.float64, np.float32):
        encoder = ShiftedBasisEncoder(
            basis, stable_rank=rank, domain=(0, 1), boundary=boundary, tensor_product=tensor_product
        )
        dense = encoder.fit_transform(X.astype(dtype))
        csr = encoder.set_params(sparse_output=True).fit_transform(X.astype(dtype))
        assert isinstance(csr, sparse.csr_array)
        assert csr.dtype == dtype
        assert csr.has_canonical_format
        assert np.all(csr.data != 0)
        # what is cut off lies below 1e-5 of the peak, twice on a narrow circle
        atol = 1e-6 if basis in BOUNDED else 5e-5
        np.testing.assert_allclose(csr.toarray(), dense, atol=atol * dense.max())


@pytest.mark.parametrize("tensor_product", [False, True])
@pytest.mark.parametrize("boundary", ["extend", "periodic", "cut"])
def test_one_sided_windows(boundary, tensor_product):
    X = np.random.default_rng(0).uniform(-0.4, 1.5, size=(300, 2))
    X[:60] = np.round(X[:60] * 8) / 8  # on shifts, where it jumps
    encoder = ShiftedBasisEncoder(
        "matern12", bandwidth=0.15, n_shifts=9, domain=(0, 1), boundary=boundary
    )
    encoder.set_params(tensor_product=tensor_product)
    dense = encoder.fit_transform(X)
    csr = encoder.set_params(sparse_output=True).fit_transform(X)
    assert csr.has_canonical_format
    assert np.all(csr.data != 0)
    np.testing.assert_allclose(csr.toarray(), dense, atol=5e-5 * dense.max())


@pytest.mark.parametrize("basis", [*BOUNDED, "gaussian"])
@pytest.mark.parametrize("n_shifts", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:ShiftedBasisEncoder reaches a stable rank")
def test_few_shifts_on_a_circle(basis, n_shifts):
    X = np.concatenate([np.arange(-20, 30, 2.5), [3.1, -7.7]])[:, None]  # jumps among them
    for share in (0.25, 1.0) if basis != "impulse" else (None,):
        encoder = ShiftedBasisEncoder(
            basis,
            n_shifts=n_shifts,
            bandwidth=None if share is None else 10 * share,
            domain=(0, 10),
            boundary="periodic",
        )
        dense = encoder.fit(X).transform(X)
        np.testing.assert_allclose(dense[:-2], np.tile(dense[:4], (5, 1)), atol=1e-12)
        if basis == "rectangle":  # half-open on a circle, too: as many shifts on either side
            images = np.arange(-9, 10)[:, None, None] * 10 + encoder.shifts_[0] - X
            inside = (images / (10 * share) >= -0.5) & (images / (10 * share) < 0.5)
            np.testing.assert_allclose(dense, dense.max() * inside.sum(0) / inside.sum(0).max())
        csr = encoder.set_params(sparse_output=True).fit(X).transform(X)
        np.testing.assert_allclose(csr.toarray(), dense, atol=1e-4 * dense.max())


@pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")  # outside too
@given(
    rank=st.floats(1, 60),
    basis=st.sampled_from(BOUNDED),
    low=st.floats(-100, 100),
    x=st.lists(st.floats(-2, 3), min_size=1, max_size=20),
)
def test_any_coordinates_sparse_as_dense(rank, basis, low, x):
    X = low + np.array(x)[:, None]
    encoder = ShiftedBasisEncoder(basis, stable_rank=rank, domain=(low, low + 1)).fit(X)
    dense = encoder.transform(X)
    csr = encoder.set_params(sparse_output=True).fit(X).transform(X)
    np.testing.assert_allclose(csr.toarray(), dense, atol=1e-9 * dense.max())


def test_products_are_kronecker_rows():
    X = np.random.default_rng(0).uniform(size=(50, 3))
    encoder = ShiftedBasisEncoder(
        "triangle", stable_rank=(2, 3, 4), tensor_product=True, domain=(0, 1)
    ).fit(X)
    E = encoder.transform(X)
    axes = [
        clone(encoder).set_params(stable_rank=rank).fit(X[:, [a]]).transform(X[:, [a]])
        for a, rank in enumerate((2, 3, 4))
    ]
    expected = [np.kron(np.kron(a, b), c) for a, b, c in zip(*axes, strict=True)]
    np.testing.assert_allclose(E, expected, atol=1e-14)
    names = encoder.get_feature_names_out()
    assert len(names) == len(set(names)) == E.shape[1]
    assert names[1] == "x0_triangle0 x1_triangle0 x2_triangle1"


@pytest.mark.parametrize("basis", ["gaussian", "bspline", "triangle", "sine"])
def test_similarity_of_products_is_their_inner_product(basis):
    X = np.random.default_rng(0).uniform(size=(60, 2))
    encoder = ShiftedBasisEncoder(basis, tensor_product=True, domain=(0, 1)).fit(X)
    E = encoder.transform(X)
    np.testing.assert_allclose(encoder.similarity(X), E @ E.T, atol=0.04)
    np.testing.assert_allclose(np.diag(encoder.similarity(X)), 1, rtol=1e-12)


def test_stable_rank_of_a_product_is_the_product():
    x = np.arange(48) / 48
    X = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    encoder = ShiftedBasisEncoder(
        stable_rank=8, tensor_product=True, domain=(0, 1), boundary="periodic"
    )
    assert stable_rank(encoder.fit_transform(X)) == pytest.approx(64, rel=0.02)


def test_sparse_in_a_pipeline():
    X = np.random.default_rng(0).uniform(size=(400, 2))
    y = np.sin(9 * X[:, 0]) * X[:, 1]
    encoder = ShiftedBasisEncoder("triangle", stable_rank=6, tensor_product=True)
    dense = make_pipeline(encoder, Ridge(1e-3, solver="lsqr", tol=1e-12)).fit(X, y)
    encoder = clone(encoder).set_params(sparse_output=True)
    csr = make_pipeline(encoder, Ridge(1e-3, solver="lsqr", tol=1e-12)).fit(X, y)
    np.testing.assert_allclose(csr.predict(X), dense.predict(X), atol=1e-4)
    assert stable_rank(encoder.fit_transform(X)) == pytest.approx(
        stable_rank(dense[0].transform(X)), rel=1e-9
    )


@pytest.mark.parametrize("basis", ["sine", "square"])
def test_a_basis_that_repeats_has_no_sparse_form(basis):
    with pytest.raises(ValueError, match="sparse_output"):
        ShiftedBasisEncoder(basis, sparse_output=True).fit([[0.0], [1.0]])


@pytest.mark.parametrize("name", ["sparse_output", "tensor_product"])
@pytest.mark.parametrize("value", ["yes", 1, None])
def test_switches_are_true_or_false(name, value):
    with pytest.raises(TypeError, match=name):
        ShiftedBasisEncoder(**{name: value}).fit([[0.0], [1.0]])


def test_too_large_for_memory_is_refused_with_the_way_out():
    X = np.random.default_rng(0).uniform(size=(1000, 4))
    encoder = ShiftedBasisEncoder(stable_rank=300, tensor_product=True).fit(X)
    with pytest.raises(ValueError, match=r"GiB.*memory are available.*stable_rank"):
        encoder.transform(X)
    # as a CSR matrix the same encoding has 8 ** 4 entries a row
    assert encoder.set_params(sparse_output=True).fit(X).transform(X[:50]).shape[0] == 50
    X = np.zeros((10**6, 6), dtype=np.float32)
    with pytest.raises(ValueError, match=r"needs .*GiB.*memory are available.*fewer rows"):
        encoder.set_params(stable_rank=5).fit(X[:9]).transform(X)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_that_of_the_output():
    done = subprocess.run(
        [sys.executable, "-c", A_MILLION], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 400e6  # 90 MB of them the output, 180 MB the libraries


A_MILLION = """
import numpy as np
from sk_posenc import ShiftedBasisEncoder

X = np.random.default_rng(0).random((10**6, 1), dtype=np.float32)
encoder = ShiftedBasisEncoder("triangle", stable_rank=64, sparse_output=True).fit(X)
assert encoder.transform(X).nnz > 10**7
with open("/proc/self/status") as status:  # ru_maxrss would count the parent, too
    print(next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")))
"""


@given(
    basis=st.sampled_from([*BOUNDED, "gaussian"]),
    boundary=st.sampled_from(["extend", "periodic", "cut"]),
    rank=st.floats(1, 30),
    seed=st.integers(0, 10_000),
)
@pytest.mark.filterwarnings("ignore:ShiftedBasisEncoder reaches a stable rank")
def test_entries_are_those_within_reach(basis, boundary, rank, seed):
    x = np.random.default_rng(seed).uniform(-0.3, 1.3, 50)
    x[:3] = 0, 0.5, 1
    encoder = ShiftedBasisEncoder(basis, stable_rank=rank, boundary=boundary, domain=(0, 1))
    expected = encoder.fit_transform(x[:, None])
    if basis == "gaussian":  # cut below 1e-5 of its peak
        images = np.arange(-9, 10)[:, None, None] if boundary == "periodic" else np.zeros((1, 1, 1))
        inside = np.clip(x, 0, 1) if boundary == "extend" else x
        u = (images + encoder.shifts_[0] - inside[:, None]) / encoder.bandwidth_[0]
        values = np.exp(-(u**2) / 2)
        scale = expected.max() / values.sum(axis=0).max()
        expected = scale * np.where(values >= 1e-5, values, 0).sum(axis=0)
    csr = encoder.set_params(sparse_output=True).fit_transform(x[:, None])
    np.testing.assert_allclose(csr.toarray(), expected, atol=1e-9 * expected.max())
    significant = np.count_nonzero(expected > 1e-9 * expected.max())
    assert significant <= csr.nnz <= np.count_nonzero(expected)
