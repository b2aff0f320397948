"""scikit-learn's callbacks around a fit, where scikit-learn has them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sk_posenc.core.settings import parse_integer
from sk_posenc.core.state import taken_over_last

try:
    from sklearn.callback import CallbackSupportMixin as _Support
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # before scikit-learn 1.9  # pragma: no cover

    class _Support:  # type: ignore[no-redef]
        """Nothing to support."""

    def _with_callbacks(method: Any) -> Any:
        return method


CallbackSupport: Any = _Support
# What hands the callbacks of an estimator to a function that fits it.
managed: Callable[[Any], Any] = _with_callbacks


@contextmanager
def fit_told(estimator: Any, **shown: Any) -> Iterator[tuple[Any, Any]]:
    """Yield a copy to fit, and the context of its fit; None where no callback listens.

    The copy takes the place of the estimator at the end of the block. Callbacks hear of both ends.

    Parameters
    ----------
    estimator : estimator
    **shown
        What callbacks are shown: X, y, metadata.
    """
    context = None
    if getattr(estimator, "_skl_callbacks", None) or hasattr(estimator, "_parent_callback_ctx"):
        context = estimator._init_callback_context(max_subtasks=None)
    with taken_over_last(estimator) as fitted:
        if context is not None:
            context.call_on_fit_task_begin(estimator=fitted, **shown)
        yield fitted, context
        if context is not None:
            context.call_on_fit_task_end(estimator=fitted, reconstruction_attributes={}, **shown)


def parse_verbose(verbose: Any) -> int:
    """How much to print: a whole number, or True or False."""
    if isinstance(verbose, bool | np.bool_):
        return int(verbose)
    return parse_integer(verbose, "verbose", 0)
