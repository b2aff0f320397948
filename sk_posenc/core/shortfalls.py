"""Whether encoders warn where they reach less stable rank than is asked."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

# Of this thread alone, as filters of warnings are not.
_WARN = ContextVar("warn", default=True)


def shortfalls_warn() -> bool:
    """Whether encoders warn here and now."""
    return _WARN.get()


@contextlib.contextmanager
def shortfalls_untold() -> Iterator[None]:
    """Let encoders be fitted in silence where they reach less stable rank than is asked."""
    token = _WARN.set(False)
    try:
        yield
    finally:
        _WARN.reset(token)
