"""Singular values of encodings, of matrices that may be sparse, wide or too large to hold."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from sk_posenc.core.limits import limits_now
from sk_posenc.core.settings import random_state_of

# Entries of an encoding that are held at a time.
_HELD = 1 << 24


class Spectrum(NamedTuple):
    """Singular values of a matrix, largest first, and what is read off them."""

    singular_values: NDArray[np.float64]
    resolution: float  # singular values below this share of the largest are rounding
    shape: tuple[int, int]

    @property
    def stable_rank(self) -> float:
        """Sum of the squares over the largest square."""
        shares = self.singular_values / self.singular_values[0]
        return float(np.sum(shares**2))

    @property
    def rank(self) -> int:
        """Singular values that are more than rounding."""
        largest = self.singular_values[0]
        return int(np.sum(self.singular_values > self.resolution * largest))

    @property
    def condition_number(self) -> float:
        """Largest over smallest singular value; infinite where the smallest is rounding."""
        if self.rank < len(self.singular_values):
            return math.inf
        return float(self.singular_values[0] / self.singular_values[-1])


def spectrum_of_matrix(E: Any) -> Spectrum:
    """Spectrum of a finite dense or sparse matrix."""
    shape = (int(E.shape[0]), int(E.shape[1]))
    if math.prod(shape) > limits_now().decomposed_up_to:
        gram = E @ E.T if shape[0] <= shape[1] else E.T @ E
        return _from_gram(gram.toarray() if sparse.issparse(gram) else gram, shape)
    dense = E.toarray() if sparse.issparse(E) else E
    values = linalg.svdvals(np.asarray(dense, dtype=np.float64))
    # an entry carries the rounding of the precision that it was made in
    eps = float(np.finfo(E.dtype).eps)
    return Spectrum(_not_all_zero(values), eps * max(shape), shape)


def spectrum_of_encoding(encoder: Any, X: NDArray) -> Spectrum:
    """Spectrum of the encoding of checked coordinates, in bounded memory."""
    shape = (len(X), encoder._n_features_out)
    if encoder._is_product() and math.prod(shape) > limits_now().decomposed_up_to:
        # the inner product of two products of features is the product of their inner products
        gram = np.ones((len(X), len(X)))
        for axis in range(X.shape[1]):
            features = encoder._axis_features(axis, X[:, axis].astype(np.float64))
            gram *= features @ features.T
        return _from_gram(gram, shape)
    return spectrum_of_matrix(encoder._encode(X))


def rows_that_fit(encoder: Any, n_samples: int, max_samples: int) -> int:
    """How many rows can be encoded and decomposed, at most `max_samples`."""
    n_columns = encoder._n_features_out
    if encoder._is_product():
        n_columns = max(encoder._axis_width(axis) for axis in range(encoder.n_features_in_))
    return max(2, min(n_samples, max_samples, _HELD // n_columns))


def subsample(n_samples: int, n_kept: int, random_state: Any) -> NDArray[np.intp]:
    """Sorted indices of `n_kept` of `n_samples` rows, drawn at random; all where they are few."""
    rng = random_state_of(random_state)
    if n_kept >= n_samples:
        return np.arange(n_samples)
    return np.sort(rng.choice(n_samples, n_kept, replace=False))


def _from_gram(gram: NDArray, shape: tuple[int, int]) -> Spectrum:
    eigenvalues = linalg.eigvalsh(np.asarray(gram, dtype=np.float64))[::-1]
    values = np.sqrt(np.clip(eigenvalues, 0, None))
    eps = float(np.finfo(gram.dtype).eps)
    # squares have half the digits
    return Spectrum(_not_all_zero(values), math.sqrt(eps * len(gram)), shape)


def _not_all_zero(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if not values[0] > 0:
        raise ValueError("the encoding is all 0: it has no spectrum")
    return values
