"""Check that an array fits into memory, before it is made."""

import math
from typing import Any

import psutil
from scipy import sparse

# Larger sizes in bytes are told as this one.
_LARGEST = 10**300


def available_memory() -> int:
    """Bytes of memory that are available."""
    return int(psutil.virtual_memory().available)


def check_bytes(size: int, what: str, available: int, way_out: str) -> None:
    """Raise a ValueError for something that needs more bytes than are available."""
    if size > available:
        size = min(size, _LARGEST)  # an int has no end, a float has one
        raise ValueError(
            f"too large: {what} needs {size / 2**30:,.1f} GiB, and "
            f"{available / 2**30:,.1f} GiB of memory are available: {way_out}"
        )


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
    check_bytes(size, f"an array of shape {shape}", available_memory(), way_out)
