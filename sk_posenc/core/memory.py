"""Check that an array fits into memory, before it is made."""

import math
from typing import Any

import psutil
from scipy import sparse

# Larger sizes in bytes are told as this one.
_LARGEST = 10**300
# GiB that no machine has: an exbibyte.
_BEYOND_MACHINES = 2**30

# Lengths of arrays from here on are told by their first digits.
_LONG = 10**15


def available_memory() -> int:
    """Bytes of memory that are available."""
    return int(psutil.virtual_memory().available)


def check_bytes(size: int, what: str, available: int, way_out: str) -> None:
    """Raise a ValueError for something that needs more bytes than are available."""
    if size > available:
        raise ValueError(
            f"too large: {what} needs {_told(size)}, and {_told(available)} of memory are "
            f"available: {way_out}"
        )


def _told(size: int) -> str:
    """A number of bytes; by its digits where it is beyond what machines have."""
    in_gib = min(size, _LARGEST) / 2**30  # an int has no end, a float has one
    return f"{in_gib:,.1f} GiB" if in_gib < _BEYOND_MACHINES else f"{in_gib:.1e} GiB"


def check_copies(array: Any, n_copies: int, way_out: str) -> None:
    """Raise where so many copies of a dense array, in double precision, do not fit into memory.

    What has no shape yet, as a list, is not checked.
    """
    shape = getattr(array, "shape", None)
    if isinstance(shape, tuple) and not sparse.issparse(array):
        check_memory((n_copies, *shape), 8, way_out)


def check_memory(shape: tuple[int, ...], itemsize: int, way_out: str) -> None:
    """Raise a ValueError for an array that does not fit into the memory available."""
    size = math.prod(shape) * itemsize
    shown: Any = shape
    if max(shape, default=0) >= _LONG:
        shown = f"({', '.join(f'{min(n, _LARGEST):.3g}' for n in shape)})"
    check_bytes(size, f"an array of shape {shown}", available_memory(), way_out)
