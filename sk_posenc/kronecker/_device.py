"""Where conjugate gradients and predictions run: on NumPy arrays, or on the device of tensors."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_torch_array
from numpy.typing import NDArray
from sklearn import get_config

from sk_posenc.core.arrays import device_of, to_numpy
from sk_posenc.core.limits import limits_now
from sk_posenc.core.products import evaluate_at_rows, mode_products
from sk_posenc.encoders.axis_functions import functions_of
from sk_posenc.encoders.axis_spacing import AxisSpacing
from sk_posenc.kronecker._axis import Expansion
from sk_posenc.kronecker._encoders import axis_features
from sk_posenc.kronecker._structured import Mirrored

Array = Any


@dataclass(frozen=True)
class Place:
    """A device of torch, or NumPy.

    Attributes
    ----------
    device : torch.device or None
    """

    device: Any = None

    def array(self, array: NDArray) -> Array:
        """A copy of a NumPy array there, or the array itself."""
        if self.device is None:
            return array
        import torch

        return torch.as_tensor(np.ascontiguousarray(array), device=self.device)

    def sparse(self, matrix: Any) -> Array:
        """A copy of a CSR matrix there, or the matrix itself."""
        if self.device is None:
            return matrix
        import torch

        with _FIRST:
            _told_of_beta()
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr),
            torch.from_numpy(matrix.indices),
            torch.from_numpy(matrix.data),
            size=matrix.shape,
            device=self.device,
            check_invariants=True,
        )


_FIRST = Lock()


@cache
def _told_of_beta() -> None:
    """Silence the one warning per process that torch's CSR matrices are in beta.

    Filters of warnings hold for all threads, so they must not be changed for every matrix.
    """
    import torch

    none = torch.zeros(1, dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.sparse_csr_tensor(none, none[:0], torch.zeros(0), size=(0, 1), check_invariants=True)


NUMPY = Place()


def place_of(X: Any) -> Place:
    """That of a tensor under scikit-learn's array API dispatch, else NumPy."""
    if get_config()["array_api_dispatch"] and is_torch_array(X):
        return Place(X.device)
    return NUMPY


def predict_on_device(
    expansion: Expansion, solution: NDArray, X: Array, offset: NDArray, place: Place
) -> Array:
    """Values (m, q) at rows of a tensor, on its device, in blocks of bounded size."""
    xp = array_namespace(X)
    coefficients = place.array(solution.astype(str(X.dtype).rpartition(".")[2]))
    q = coefficients.shape[0]
    rows = max(1, limits_now().block_bytes // (8 * math.prod(coefficients.shape[2:]) * q))
    parts = []
    for start in range(0, X.shape[0], rows):
        block = X[start : start + rows, :]
        features = [
            features_there(axis.encoder, places_there(axis.spacing, block[:, a : a + 1]), place)
            for a, axis in enumerate(expansion.axes)
        ]
        parts.append(evaluate_at_rows(coefficients, features))
    return xp.concat(parts, axis=0) + place.array(offset.astype(str(X.dtype).rpartition(".")[2]))


def features_there(encoder: Any, column: Array, place: Place) -> Array:
    """Encoding of one axis (n, k) of a tensor (n, 1), on its device."""
    xp = array_namespace(column)
    functions = functions_of(encoder)
    if not functions._any_namespace:
        return place.array(axis_features(encoder, to_numpy(column)[:, 0]))
    if functions._stops_at_ends:
        low, high = (float(end) for end in encoder.domain_[0])
        column = xp.clip(column, low, high)
    # fitted on NumPy's arrays, its formula is written against any namespace
    return encoder._encode(column)


def places_there(spacing: AxisSpacing | None, column: Array) -> Array:
    """Mapped coordinates of one axis (n, 1), on their device; the host maps them."""
    if spacing is None:
        return column
    xp = array_namespace(column)
    places = spacing(to_numpy(column)[:, 0])[:, None]
    return xp.asarray(places, dtype=column.dtype, device=device_of(column))


def to_host(values: Sequence[Any]) -> list[Any]:
    """Tensors as NumPy arrays."""
    return [to_numpy(each) for each in values]


class DeviceRows:
    """Rows of bases that end, as :class:`SparseRows`, on a device of torch."""

    def __init__(
        self,
        matrix: Any,
        shape: tuple[int, ...],
        rotations: Sequence[Array | Mirrored],
        place: Place,
    ) -> None:
        self._matrix, self._transposed = place.sparse(matrix), place.sparse(matrix.T.tocsr())
        self._shape, self._rotations = shape, rotations
        self._back = [each.T for each in rotations]

    def fitted(self, z: Array) -> Array:
        flat = mode_products(z, self._rotations).reshape(z.shape[0], -1)
        return (self._matrix @ flat.T).T

    def adjoint(self, values: Array) -> Array:
        flat = (self._transposed @ values.T).T
        return mode_products(flat.reshape(-1, *self._shape), self._back)
