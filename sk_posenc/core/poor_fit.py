"""Warnings of a fit that is poor because of its samples, in a category of their own."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextvars import ContextVar

# A search whose best candidate explains less of the variance of left-out samples has found nothing
# that a plot would show.
_LEAST_EXPLAINED = 0.1

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep

# A context variable holds for one thread; filters of warnings hold for all.
_TOLD = ContextVar("told", default=True)


class PoorFitWarning(UserWarning):
    """Warned where a fit is poor, and the samples or their units seem to be the reason.

    Three checks warn: more than half of the samples lie outside a domain that was given,
    KroneckerRidgeCV finds no candidate that explains a tenth of the variance of samples left out,
    or a network is no better than a constant after a hundred batches.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> import sk_posenc
    >>> hours = np.linspace(0, 24, 50)[:, None]
    >>> encoder = sk_posenc.ShiftedBasisEncoder(domain=(0, 1))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     encoder = encoder.fit(hours)
    >>> caught[0].category.__name__
    'PoorFitWarning'

    To silence it:

    >>> warnings.filterwarnings("ignore", category=sk_posenc.PoorFitWarning)
    """


def warn_of_poor_fit(r2: float, what: str) -> None:
    """Warn where hardly any of the variance of samples left out is explained.

    Parameters
    ----------
    r2 : float
        Share of the variance that is explained, at most 1. NaN: there is none to explain.
    what : str
        What explains it, as the subject of a sentence.
    """
    if r2 < _LEAST_EXPLAINED:
        tell(
            f"{what} should predict samples that were left out better than the mean of y does, but "
            f"explains {r2:.1%} of their variance: about as well as the mean, or worse. "
            "Either y is noise, or rows of X and y do not belong together, or columns of X are in "
            "the wrong order or units, or the samples are too sparse for the signal. Plot y over "
            "X, check order and units, and take more samples where the signal varies."
        )


def tell(message: str) -> None:
    """Warn of a poor fit, at the line outside of this package that has led to it."""
    if _TOLD.get():
        warnings.warn(message, PoorFitWarning, stacklevel=_frames_inside() + 1)


@contextlib.contextmanager
def poor_fits_untold() -> Iterator[None]:
    """Fit without such warnings where the caller gives them itself."""
    token = _TOLD.set(False)
    try:
        yield
    finally:
        _TOLD.reset(token)


def _frames_inside() -> int:
    """Frames from the caller of this function to the outermost of this package, both counted."""
    frame, depth, outermost = sys._getframe(1), 1, 1
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
        if frame.f_code.co_filename.startswith(_PACKAGE):
            outermost = depth
    return outermost
