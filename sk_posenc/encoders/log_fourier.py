"""Fourier features of log-spaced frequencies as an encoder."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import (
    is_auto,
    parse_integer,
    parse_positive,
)
from sk_posenc.encoders._fourier_base import AxisFourierEncoder
from sk_posenc.encoders.axis_functions import AxisSamples
from sk_posenc.encoders.axis_settings import (
    AUTO_SHARE,
    check_frequency,
    is_automatic,
    is_given,
    per_axis,
)


class LogFourierEncoder(AxisFourierEncoder):
    r"""Encode coordinates by sines and cosines of geometrically spaced frequencies.

    This is NeRF's encoding. An axis has :math:`c \sin(2 \pi f_k (x - l))`, then
    :math:`c \cos(2 \pi f_k (x - l))`, with :math:`f_k` from half a cycle per domain to
    `max_frequency`. Here l is the lower end of the domain, and c makes the squared norm of a
    row 1.

    Parameters
    ----------
    n_frequencies : int or one per axis, default=10
        Frequencies per axis. With 1, which is then `max_frequency`, this is the "basic"
        encoding of the paper.
    max_frequency : "auto", float or one per axis, default="auto"
        Highest frequency, in cycles per coordinate unit. "auto": one cycle per eight samples
        along the axis, as in a FourierEncoder with automatic stable rank on a periodic
        domain. The guide's page *Defaults* has the numbers.
    domain : (low, high), or one pair or None per axis, default=None
        Range of the coordinates, in numbers or dates. None: the range seen in ``fit``; a
        constant column gets a domain of width 1 around its value. Outside the domain the functions
        continue.

    Attributes
    ----------
    stable_rank_ : ndarray of shape (n_axes,)
        Stable rank along each axis: a result, not a setting. It grows by about 1.3 with
        each octave of `max_frequency`, for any number of frequencies.
    frequencies_ : list of n_axes ndarrays
        In cycles per coordinate unit.
    domain_ : ndarray of shape (n_axes, 2)
        Ends of the domain.
    n_features_in_ : int
        Number of axes.
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.
    dates_ : tuple
        For each axis None, or for dates what counts as day 0.

    See Also
    --------
    FourierEncoder : Equally spaced frequencies, any stable rank.

    Notes
    -----
    NeRF writes sin(2^k pi x) for x in [-1, 1]: its lowest frequency is one cycle per
    domain, which encodes the two ends of the domain alike. Half a cycle keeps them apart,
    at the cost of some stable rank (5.6 in place of 7.0 at 8 cycles per domain).

    References
    ----------
    B. Mildenhall et al., "NeRF: Representing Scenes as Neural Radiance Fields for View
    Synthesis", ECCV 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import LogFourierEncoder
    >>> X = np.linspace(0, 1, 200)[:, None]
    >>> LogFourierEncoder(5, max_frequency=8).fit(X).frequencies_[0]
    array([0.5, 1. , 2. , 4. , 8. ])
    """

    _constant = 0.0
    _stops_at_ends = True

    def __init__(
        self, n_frequencies: Any = 10, *, max_frequency: Any = "auto", domain: Any = None
    ) -> None:
        self.n_frequencies = n_frequencies
        self.max_frequency = max_frequency
        self.domain = domain

    def _fit_axes(self, n_per_axis: NDArray[np.float64]) -> NDArray[np.float64]:
        n_axes = len(n_per_axis)
        counts = per_axis(self.n_frequencies, "n_frequencies", n_axes, parse_integer)
        highest = per_axis(self.max_frequency, "max_frequency", n_axes, _parse_frequency)
        self.frequencies_ = []
        for axis, (low, high) in enumerate(self.domain_.tolist()):
            length = high - low
            count, top, lowest = counts[axis], highest[axis], 0.5 / length
            if top is None:
                times = AUTO_SHARE * n_per_axis[axis]
                top = lowest * max(1.0, times) if count > 1 else lowest
            check_frequency(axis, top, length)
            if count > 1 and top < lowest:
                raise ValueError(
                    f"max_frequency={top:g} of axis {axis} is below the lowest frequency of "
                    f"its domain, {lowest:g} cycles per unit: raise it"
                )
            check_memory((count,), 8, f"lower n_frequencies of axis {axis}")
            frequencies = np.geomspace(lowest, top, count) if count > 1 else np.array([top])
            self.frequencies_.append(frequencies)
        return np.zeros(n_axes)  # none is asked

    def _missing_settings(self) -> list[str]:
        return super()._missing_settings() + (
            [] if is_given(self.max_frequency) else ["max_frequency"]
        )

    def _settings_for(self, samples: AxisSamples) -> dict[str, Any]:
        if self.n_frequencies == 1 and samples.share is None:
            return {}
        width = self._width_over(samples.x)
        if samples.share is not None or is_automatic(self.max_frequency):
            # a FourierEncoder of that stable rank has this highest frequency
            cycles = max(0.5, 0.5 * self._share_of(samples) * samples.n_samples)
        else:
            cycles = self.max_frequency * width
        settings: dict[str, Any] = {"max_frequency": cycles / width}
        if samples.on_grid and self.n_frequencies == LogFourierEncoder().n_frequencies:
            # the two highest frequencies differ by one cycle on the domain
            told_apart = max(0.5, min(cycles, samples.n_samples))
            dense = math.ceil(told_apart * math.log(2 * told_apart))
            settings["n_frequencies"] = max(self.n_frequencies, dense)
        return settings

    def _interpolating_share(self) -> float:
        return 0.5  # as many columns as samples

    def _short_name(self) -> str:
        return "log Fourier"

    def _nominal_stable_rank(self, axis: int) -> float:
        low, high = self._ends[axis]
        return float(self._formula[f"angular{axis}"][-1]) / math.pi * (high - low)


def _parse_frequency(value: Any, name: str) -> float | None:
    return None if is_auto(value, name) else parse_positive(value, name, ' or "auto"')
