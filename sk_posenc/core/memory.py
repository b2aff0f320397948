"""Check that an array fits into memory, before it is made."""

import math

import psutil


def check_memory(shape: tuple[int, ...], itemsize: int, way_out: str) -> None:
    """Raise a ValueError for an array that does not fit into the memory available."""
    size = math.prod(shape) * itemsize
    available = psutil.virtual_memory().available
    if size > available:
        raise ValueError(
            f"too large: an array of shape {shape} needs {size / 2**30:,.1f} GiB, and "
            f"{available / 2**30:,.1f} GiB of memory are available: {way_out}"
        )
