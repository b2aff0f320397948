"""What does not fit into memory is refused, at once and with a way out."""

import re

import numpy as np
import pytest
from scipy import sparse
from test_examples import load

from sk_posenc import FourierEncoder, ShiftedBasisEncoder, stable_rank
from sk_posenc.core import encoding, memory

script = load("benchmark_memory")


@pytest.mark.parametrize("call", script.REFUSED)
def test_more_than_any_memory_is_refused(call):
    size = r"[\d,.]+(e\+\d+)? GiB"
    with pytest.raises(ValueError, match=rf"needs {size}, and {size} .* available: \w+"):
        script.REFUSED[call]()


@pytest.mark.parametrize("encoder", [ShiftedBasisEncoder(stable_rank=5), FourierEncoder(4)])
def test_similarities_in_blocks_are_those_of_all(encoder, rng, monkeypatch):
    X, Z = rng.uniform(size=(30, 2)), rng.uniform(-0.2, 1.2, size=(7, 2))
    encoder.fit(X)
    expected = encoder.similarity(X, Z), encoder.similarity(Z.astype(np.float32))
    monkeypatch.setattr(encoding, "_SIMILARITIES", 15)
    found = encoder.similarity(X, Z), encoder.similarity(Z.astype(np.float32))
    for each, whole in zip(found, expected, strict=True):
        assert each.dtype == whole.dtype
        np.testing.assert_array_equal(each, whole)


def test_copies_of_sparse_matrices_and_lists_are_not_counted(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 100)
    assert stable_rank([[1.0, 0.0], [0.0, 1.0]]) == pytest.approx(2)
    memory.check_copies(sparse.coo_array((10**9, 10**9)), 2, "")
    memory.check_copies([[1.0] * 99], 2, "")
    memory.check_copies(np.ones((3, 4)), 1, "")
    with pytest.raises(ValueError, match=r"\(2, 3, 4\).*take less"):
        memory.check_copies(np.ones((3, 4)), 2, "take less")


@pytest.mark.parametrize(
    ("size", "told"),
    [(3 * 2**29, "1.5"), (2**59, "536,870,912.0"), (2**60, "1.1e+09"), (2**4_000, "9.3e+290")],
)
def test_sizes_are_told_by_their_digits_and_beyond_floats_too(size, told):
    with pytest.raises(ValueError, match=rf"this needs {re.escape(told)} GiB, and 0\.0 GiB of mem"):
        memory.check_bytes(size, "this", 100, "make less")


def test_lengths_beyond_floats_are_told_too():
    with pytest.raises(ValueError, match=r"shape \(3, 1e\+300\) needs .* available: make less"):
        memory.check_memory((3, 2**4_000), 8, "make less")
