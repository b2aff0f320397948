"""Banded factors against dense linear algebra."""

import numpy as np
import pytest
from scipy import sparse

from sk_posenc.kronecker._band import BandCholesky, NotDefiniteError, band_of, matrix_of


def banded(k, w, rng):
    A = np.tril(np.triu(rng.normal(size=(k, k)), -(w // 2)), w - w // 2)
    return np.tril(np.triu(A @ A.T, -w), w) + w * np.eye(k)


@pytest.mark.parametrize(
    ("k", "w"), [(1, 0), (3, 5), (40, 0), (7, 2), (50, 3), (200, 20), (96, 12)]
)
def test_all_that_a_factor_tells(k, w, rng):
    M = banded(k, w, rng)
    factor = BandCholesky(band_of(sparse.coo_array(M)))
    inverse, right = np.linalg.inv(M), rng.normal(size=(k, 2))
    np.testing.assert_allclose(factor.solve(right), inverse @ right, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(factor.solve(right[:, 0]), inverse @ right[:, 0], atol=1e-12)
    assert factor.log_determinant() == pytest.approx(np.linalg.slogdet(M)[1], rel=1e-12)
    found = matrix_of(factor.inverse_band(w)).toarray()
    wanted = np.tril(np.triu(inverse, -w), w)
    np.testing.assert_allclose(found, wanted, atol=1e-12 * np.abs(inverse).max())


def test_chunks_of_blocks_are_joined(rng, monkeypatch):
    M = banded(150, 4, rng)
    monkeypatch.setattr("sk_posenc.kronecker._band._CHUNK", 300)
    found = BandCholesky(band_of(sparse.coo_array(M))).inverse_band(4)
    np.testing.assert_allclose(found[0], np.diag(np.linalg.inv(M)), rtol=1e-11)


def test_condition_is_that_of_the_matrix_with_ones_on_its_diagonal(rng):
    M = banded(60, 3, rng)
    scale = 10.0 ** rng.uniform(-6, 6, 60)
    factor = BandCholesky(band_of(sparse.coo_array(scale[:, None] * M * scale)))
    roots = np.sqrt(np.diag(M))
    true = np.linalg.cond(M / roots[:, None] / roots, 1)
    assert true / 2 < factor.condition < 1.01 * true


@pytest.mark.parametrize(
    "rows", [[[1.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.0], [0.0, np.nan]]]
)
def test_what_is_not_definite_is_refused(rows):
    with pytest.raises(NotDefiniteError):
        BandCholesky(band_of(sparse.coo_array(np.array(rows))))


def test_a_factor_without_digits_is_refused():
    close = np.array([[1.0, 1 - 1e-15], [1 - 1e-15, 1.0]])
    with pytest.raises(NotDefiniteError, match="no digits"):
        BandCholesky(band_of(sparse.coo_array(close))).checked()
