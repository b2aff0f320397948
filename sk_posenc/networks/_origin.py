"""Raw coordinates in float32: from an origin near them, so that they keep their digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Widths of a column that it must be away from 0 for float32 to lose more than four bits of it.
_FAR = 16
# A column that varies by less than this many roundings is constant.
_ROUNDINGS = 8


def origin_of(X: NDArray[np.floating]) -> NDArray[np.float64]:
    """The level of columns that are far from 0 for their width; 0 for all others."""
    low, high = (end.astype(np.float64) for end in (X.min(axis=0), X.max(axis=0)))
    width = high / 2 - low / 2
    level = low / 2 + high / 2
    rounding = _ROUNDINGS * np.finfo(X.dtype).eps * np.maximum(np.abs(low), np.abs(high)) / 2
    far = (np.abs(level) / (2 * _FAR) > width) & (width > rounding)
    return np.where(far, level, 0.0)


def from_origin(X: NDArray[np.floating], origin: NDArray[np.float64]) -> NDArray[np.float32]:
    """Coordinates less their origin, in float32 and C order; `X` itself where it is that."""
    if X.dtype == np.float32 and not origin.any():
        return np.ascontiguousarray(X)
    shifted = np.empty(X.shape, dtype=np.float32)
    with np.errstate(over="ignore"):
        np.subtract(X, origin, out=shifted, casting="unsafe", dtype=np.float64)
    if not np.isfinite(shifted).all():
        raise ValueError(
            "X must fit into float32, in which networks compute: divide its columns by their "
            f"size, as a StandardScaler does. Got values up to {np.abs(X).max():.3g}."
        )
    return shifted


def raw_coordinates(X: Any, module: Any) -> NDArray[np.float32]:
    """Checked coordinates as a fitted network without an encoder takes them."""
    return from_origin(X, module.input_origin.detach().cpu().numpy())
