"""How fine each component of a series is: as fine as its samples tell."""

import numpy as np
from numpy.typing import NDArray

# Knots of a component at most.
MOST_KNOTS = 256

# Intervals of a trend at least: with one it could not bend.
_FEWEST_INTERVALS = 2

# Knots for each phase, as far as there may be so many: what lies between phases is then free.
_PER_PHASE = 4

# Phases of a regular clock for each that was seen, at most.
_PER_SEEN = 2

# Phases nearer than this, in periods, are the same.
_SAME = 1e-6


def knots_of_season(times: NDArray[np.float64], period: float) -> tuple[int, int]:
    """Up to four knots for each phase of a regular clock, or for each phase that was seen.

    Returns
    -------
    n_knots : int
    n_phases : int
        How many phases a regular clock has; 0 where times are not those of one. Its harmonic of
        this number is a constant at the samples.

    Raises
    ------
    ValueError
        Where all times have the same phase, or are too large for floats to tell their phases.
    """
    largest = float(np.max(np.abs(times)))
    blurred = float(np.spacing(largest)) / _SAME
    if period < blurred:
        raise ValueError(
            f"periods must be at least {blurred:.3g} at times up to {largest:.3g}, as floats "
            "do not tell the phases of shorter ones: check the unit of X, or count X from "
            f"its first time. Got {period:g}."
        )
    turns = (times - times[0]) / period
    phases = np.sort(turns - np.floor(turns))
    gaps = np.diff(phases, append=phases[0] + 1)
    gaps = gaps[gaps > _SAME]
    if len(gaps) < 2 and times[-1] - times[0] < period:
        raise ValueError(
            f"periods must be shorter than that, as the times of X span {times[-1] - times[0]:.3g} "
            f"and nothing tells such a season from the mean: leave it out. Got {period:g}."
        )
    if len(gaps) < 2:
        raise ValueError(
            "periods must not divide the steps of X, as all samples are then at the same place of "
            "their period, and nothing tells that season from the mean: leave the period out. "
            f"Got {period:g}."
        )
    n_phases = round(1 / gaps.min())
    ticks = phases * n_phases
    regular = bool(np.all(np.abs(ticks - np.round(ticks)) <= n_phases * _SAME))
    seen = len(gaps) * (_PER_SEEN if regular else 1)
    most = min(n_phases, seen, MOST_KNOTS)
    n_knots = int(most * np.clip(MOST_KNOTS // most, 1, _PER_PHASE))
    return n_knots, n_phases if regular else 0


def intervals_of_trend(times: NDArray[np.float64], shortest: float) -> int:
    """One interval for each of the shortest periods, so that no trend can follow a season."""
    periods = min((times[-1] - times[0]) / shortest, MOST_KNOTS)
    return int(np.clip(round(periods), _FEWEST_INTERVALS, MOST_KNOTS))
