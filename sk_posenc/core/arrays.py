"""Arrays of any namespace: their namespace, their device, and conversion to NumPy."""

from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_array_api_strict_namespace
from numpy.typing import NDArray
from scipy import sparse
from sklearn import get_config

# An array of any namespace that array_api_compat knows.
Array = Any

# Squares of larger numbers, and sums of some of them, may be no floats.
SQUARED_UP_TO = 1e150


def unit_for_squares(array: NDArray, axis: int | None = None) -> NDArray[np.float64]:
    """A power of 2 near the largest finite entry along an axis; 1 where that can be squared.

    To divide by it is exact.
    """
    finite = np.isfinite(array)
    largest = np.max(np.abs(array), axis=axis, where=finite, initial=0.0).astype(np.float64)
    extreme = (largest > 0) & ~((largest < SQUARED_UP_TO) & (largest > 1 / SQUARED_UP_TO))
    return np.ldexp(1.0, np.where(extreme, np.frexp(largest)[1] - 1, 0))


def float_dtypes(X: Any) -> list[Any]:
    """float64 and float32 of the namespace in which scikit-learn checks `X`: its own under
    array API dispatch, else NumPy's."""
    dispatched = get_config()["array_api_dispatch"] and is_array_api_obj(X)
    xp = array_namespace(X) if dispatched else np
    return [xp.float64, xp.float32]


def device_of(X: Array) -> Any:
    """The device of an array, None where the array has no such attribute."""
    return getattr(X, "device", None)


def itemsize(X: Array) -> int:
    """Bytes per entry of an array of floats."""
    return int(array_namespace(X).finfo(X.dtype).bits) // 8


def has_float64(xp: ModuleType, device: Any) -> bool:
    """Whether arrays on a device can be float64."""
    return "float64" in xp.__array_namespace_info__().dtypes(device=device, kind="real floating")


def widened(X: Array) -> Array:
    """An array in float64, or in float32 where its device has no float64."""
    xp = array_namespace(X)
    return xp.astype(X, xp.float64 if has_float64(xp, device_of(X)) else xp.float32)


def to_numpy(array: Any) -> Any:
    """Convert arrays of other namespaces, on any device, to NumPy; leave all else as it is."""
    if sparse.issparse(array) or isinstance(array, np.ndarray) or not is_array_api_obj(array):
        return array
    xp = array_namespace(array)
    if hasattr(array, "detach"):
        return array.detach().cpu().numpy()
    if is_array_api_strict_namespace(xp):
        array = array.to_device(xp.Device("CPU_DEVICE"))
    return np.asarray(array)
