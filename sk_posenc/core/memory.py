"""Whether an array fits into the memory that is there, asked before it is made."""

import math

import psutil


def check_memory(shape: tuple[int, ...], itemsize: int, way_out: str) -> None:
    """Raise a ValueError for an array that does not fit into the memory available."""
    size = math.prod(shape) * itemsize
    available = psutil.virtual_memory().available
    if size > available:
        raise ValueError(
            f"an array of shape {shape} takes {size / 2**30:,.1f} GiB, more than the "
            f"{available / 2**30:,.1f} GiB of memory available: {way_out}"
        )
