"""What a ranking leaves open: candidates that are as good, signals on which it fails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Expected PSNR in dB by which a candidate must fall behind the first to be no tie.
NEAR = 0.25

# Roughness from which a signal is smooth, and expected PSNR in dB from which it is fitted closely.
# On the signals of examples/choose_encoder.py the one bad failure lies beyond both.
_SMOOTH, _CLOSE = 1.5, 30.0


def near_ties(psnr: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which candidates, the best first, are as good as the first as far as a ranking can tell."""
    return np.asarray(psnr >= psnr[0] - NEAR)


def doubts_about(psnr: NDArray[np.float64], exponent: float | None) -> tuple[str, ...]:
    """Sentences for the user.

    Parameters
    ----------
    psnr : ndarray of shape (n_candidates,)
        Expected PSNR in dB, the best first.
    exponent : float or None
        The roughness of the signal where the tangent kernel of a network ranks; 2 is smooth.
    """
    found = []
    tied = int(near_ties(psnr).sum())
    if tied > 1:
        found.append(
            f"Ranks 1 to {tied} are a near-tie: they are expected within {NEAR} dB of each other."
        )
    if exponent is not None and exponent >= _SMOOTH and psnr[0] >= _CLOSE:
        found.append(
            f"The signal is smooth (its squared differences grow with the distance to the power "
            f"{exponent:.2f}) and expected to be fitted closely ({psnr[0]:.0f} dB). There the "
            "tangent kernel is known to choose badly: train a few encodings and compare them."
        )
    return tuple(found)
