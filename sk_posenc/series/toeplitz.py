"""Products with Toeplitz matrices, as a public function."""

import math
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from sk_posenc.core.arrays import Array, device_of, has_float64, itemsize
from sk_posenc.core.incoming import targets_in
from sk_posenc.core.limits import limits_now
from sk_posenc.core.settings import parse_choice, parse_flag
from sk_posenc.series._toeplitz_products import (
    ROUNDING,
    TOLERANCES,
    columns_range,
    dense_product,
    fft_product,
    rows_range,
)


def toeplitz_matmul(c: Any, X: Any, causal: bool = False, method: str = "auto") -> Any:
    r"""Multiply a Toeplitz matrix, given by its weights, with columns.

    Row i of the result is :math:`\sum_j c_{n - 1 + j - i} X_j`: what a step takes from another
    depends on how far that is away, and not on where both are. On a grid of H x W cells it is
    :math:`\sum_{j, l} c_{H - 1 + j - h, W - 1 + l - w} X_{j, l}` in cell (h, w).

    Parameters
    ----------
    c : array of shape (2 n - 1,), or (2 H - 1, 2 W - 1) for a grid
        The weight of each distance j - i, from 1 - n to n - 1. NumPy or torch, which passes
        gradients.
    X : array of shape (n,) or (..., n, k), or (H, W) or (..., H, W, k) for a grid
        The columns, of the namespace of `c`.
    causal : bool, default=False
        Whether only steps j <= i count. Weights of later ones are not read. Not for a grid.
    method : {"auto", "fft", "dense"}, default="auto"
        "fft" takes O(n log n) steps, in float64 inside. Its error is in parts of the largest
        result. "dense" takes O(n²) steps. "auto" is "dense" for few places; where row sums of
        absolute weights differ so much that the FFT could lose digits of the small ones; and on
        a device without float64. The guide's page *Defaults* has the numbers.

    Returns
    -------
    array of the shape of `X`
        In float32 where both are, else in float64.

    Raises
    ------
    TypeError
        For numbers that are complex or in half precision, and for two namespaces.
    ValueError
        For shapes that do not go together, for NaN and infinity, for a causal grid, and for
        "fft" on a device without float64.

    See Also
    --------
    scipy.linalg.matmul_toeplitz : The same by its first column and row, always by FFT.
    ToeplitzAttention : Attention that is made of such products.

    Examples
    --------
    >>> from sk_posenc import toeplitz_matmul
    >>> toeplitz_matmul([1.0, 10.0, 100.0], [1.0, 2.0])
    array([210.,  21.])
    >>> toeplitz_matmul([1.0, 10.0, 100.0], [1.0, 2.0], causal=True)
    array([10., 21.])
    """
    xp, c, X = _checked(c, X)
    n_axes = c.ndim
    method = parse_choice("auto", "fft", "dense")(method, "method")
    if parse_flag(causal, "causal"):
        if n_axes == 2:
            raise ValueError("causal must be False for a grid, which has no order. Got True.")
        n = X.shape[0] if X.ndim == 1 else X.shape[-2]
        c = xp.concat([c[:n], xp.zeros_like(c[n:])])
    if method == "fft" and not has_float64(xp, device_of(X)):
        raise ValueError(
            'method="fft" needs float64: use "auto", or move c and X to the CPU. '
            f"Got arrays on {device_of(X)}."
        )
    one = X.ndim == n_axes
    columns = X[None, ...] if one else xp.moveaxis(X, -1, -1 - n_axes)  # (..., k, places)
    flat = xp.reshape(columns, (-1, *columns.shape[-n_axes:]))
    if _takes_fft(method, c, flat, xp):
        weights, doubles = _doubles(xp, c, flat)
        product = xp.astype(fft_product(weights, doubles, n_axes), X.dtype)
    else:
        product = dense_product(c, flat, n_axes)
    product = xp.reshape(product, columns.shape)
    return product[0, ...] if one else xp.moveaxis(product, -1 - n_axes, -1)


def _takes_fft(method: str, c: Array, columns: Array, xp: ModuleType) -> bool:
    if method != "auto":
        return method == "fft"
    few = np.prod(columns.shape[1:]) <= limits_now().toeplitz_dense_up_to
    if few or not has_float64(xp, device_of(columns)):
        return False
    c, columns = (each.detach() if hasattr(each, "detach") else each for each in (c, columns))
    allowed = TOLERANCES[itemsize(columns)] / ROUNDING
    c, doubles = _doubles(xp, c, columns)
    return rows_range(c, c.ndim) * columns_range(doubles, c.ndim) <= allowed


def _doubles(xp: ModuleType, *arrays: Array) -> list[Array]:
    return [xp.astype(each, xp.float64) for each in arrays]


def _checked(c: Any, X: Any) -> tuple[ModuleType, Array, Array]:
    """The namespace, and both arrays in one precision."""
    c, X = (targets_in(each, name) for each, name in ((c, "c"), (X, "X")))  # a mask is NaN
    c, X = (each if is_array_api_obj(each) else np.asarray(each) for each in (c, X))
    kinds = f"Got {type(c).__name__} and {type(X).__name__}."
    try:
        xp = array_namespace(c, X)
    except TypeError:
        message = "c and X must be arrays of one namespace, both of NumPy or both of torch. "
        raise TypeError(message + kinds) from None
    c, X = (_real(each, name, xp) for each, name in ((c, "c"), (X, "X")))
    _check_shapes(tuple(c.shape), tuple(X.shape))
    for each, name in ((c, "c"), (X, "X")):
        if not bool(xp.all(xp.isfinite(each))):
            raise ValueError(
                f"{name} must be finite: fill or drop what is missing. Got NaN or inf."
            )
    dtype = xp.result_type(c, X)
    c, X = xp.astype(c, dtype), xp.astype(X, dtype)
    largest = [_largest(each, xp) for each in (c, X)]
    if largest[0] > float(xp.finfo(dtype).max) / math.prod(c.shape) / largest[1]:
        raise ValueError(
            f"c and X must have a product within {dtype}: scale them. Got entries up to "
            f"{largest[0]:g} and {largest[1]:g}."
        )
    return xp, c, X


def _largest(array: Array, xp: ModuleType) -> float:
    """The size of the largest entry, 1 at least."""
    array = array.detach() if hasattr(array, "detach") else array
    return max(1.0, float(xp.max(xp.abs(array)))) if math.prod(array.shape) else 1.0


def _real(array: Array, name: str, xp: ModuleType) -> Array:
    if xp.isdtype(array.dtype, ("integral", "bool")):
        return xp.astype(array, xp.float64)
    if array.dtype not in (xp.float32, xp.float64):
        raise TypeError(f"{name} must be float32 or float64: convert it. Got {array.dtype}.")
    return array


def _check_shapes(c: tuple[int, ...], X: tuple[int, ...]) -> None:
    if len(c) not in (1, 2) or 0 in c or not all(size % 2 for size in c):
        raise ValueError(
            "c must have shape (2 n - 1,), or (2 H - 1, 2 W - 1) for a grid: a weight for each "
            f"distance. Got shape {c}."
        )
    sizes = tuple((size + 1) // 2 for size in c)
    if sizes != X and X[-1 - len(c) : -1] != sizes:
        shown = ", ".join(str(size) for size in sizes)
        one = f"({shown},)" if len(c) == 1 else f"({shown})"
        raise ValueError(
            f"X must have shape {one} or (..., {shown}, k), as c has shape {c}. Got shape {X}."
        )
