"""Whether encoders warn where their stable rank is below the one requested."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

# A context variable holds for one thread; filters of warnings hold for all.
_WARN = ContextVar("warn", default=True)


def shortfalls_warn() -> bool:
    """Whether encoders warn here and now."""
    return _WARN.get()


@contextlib.contextmanager
def shortfalls_untold() -> Iterator[None]:
    """Fit encoders without a warning where their stable rank is below the one requested."""
    token = _WARN.set(False)
    try:
        yield
    finally:
        _WARN.reset(token)
