"""Check that an array fits into memory, before it is made."""

import math

import psutil


def available_memory() -> int:
    """Bytes of memory that are available."""
    return int(psutil.virtual_memory().available)


def check_bytes(size: int, what: str, available: int, way_out: str) -> None:
    """Raise a ValueError for something that needs more bytes than are available."""
    if size > available:
        raise ValueError(
            f"too large: {what} needs {size / 2**30:,.1f} GiB, and "
            f"{available / 2**30:,.1f} GiB of memory are available: {way_out}"
        )


def check_memory(shape: tuple[int, ...], itemsize: int, way_out: str) -> None:
    """Raise a ValueError for an array that does not fit into the memory available."""
    size = math.prod(shape) * itemsize
    check_bytes(size, f"an array of shape {shape}", available_memory(), way_out)
