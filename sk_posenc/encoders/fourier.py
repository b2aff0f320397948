"""Fourier features of equally spaced frequencies as an encoder."""

import math
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sk_posenc.core.arrays import Array
from sk_posenc.core.encoding import AxisTraits
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import (
    parse_count,
    parse_optional,
)
from sk_posenc.encoders._fourier_base import AxisFourierEncoder
from sk_posenc.encoders.axis_functions import AxisSamples
from sk_posenc.encoders.axis_settings import (
    auto_stable_rank,
    check_frequency,
    is_automatic,
    is_given,
    parse_stable_rank,
    per_axis,
    refuse_both,
)
from sk_posenc.encoders.base import Learnable
from sk_posenc.encoders.domains import parse_boundaries

# A frequency, in cycles and in radians, and what counts it.
_FIT_BYTES = 24


class FourierEncoder(AxisFourierEncoder):
    r"""Encode coordinates by sines and cosines of equally spaced frequencies.

    An axis has a constant column of amplitude :math:`c / \sqrt 2`, then
    :math:`c \sin(2 \pi f_k (x - l))`, then :math:`c \cos(2 \pi f_k (x - l))`, with
    :math:`f_k = k / p` for k = 1, ..., `n_frequencies`. Here l is the lower end of the
    domain, and c makes the squared norm of a row 1. The period p is twice the width of the
    domain, so that its two ends are encoded differently. On a periodic axis it is the width.

    Parameters
    ----------
    n_frequencies : "auto", int or one per axis, default="auto"
        Frequencies per axis. The domain fixes the spacing of the frequencies, so their number
        also decides the stable rank and the highest frequency. Give at most one of
        `n_frequencies`, `stable_rank` and `max_frequency`.
    stable_rank : "auto", float or one per axis, default="auto"
        Resolution of an axis: n_frequencies + 1/2 on an interval, 2 n_frequencies + 1 on
        a periodic axis. The number of frequencies is rounded up. "auto": a quarter of the
        samples per axis; the guide's page *Defaults* has the numbers.
    max_frequency : float or one per axis, default=None
        Highest frequency, in cycles per coordinate unit. It is rounded down to a multiple
        of the spacing.
    domain : (low, high), or one pair or None per axis, default=None
        Range of the coordinates, in numbers or dates. None: the range seen in ``fit``; a
        constant column gets a domain of width 1 around its value.
    boundary : {"extend", "periodic"} or one per axis, default="extend"
        "extend": coordinates outside the domain count as its nearest end. "periodic":
        coordinates wrap; needs an explicit `domain`, which for dates may be a period: "1D"
        counts from midnight, "1W" from Monday, "1Y" from New Year.

    Attributes
    ----------
    stable_rank_ : ndarray of shape (n_axes,)
        Stable rank along each axis, the other coordinates fixed.
    frequencies_ : list of n_axes ndarrays
        In cycles per coordinate unit.
    bandwidth_ : ndarray of shape (n_axes,)
        Half a period of the highest frequency, the width of one independent value, in
        coordinate units.
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
    LogFourierEncoder : Frequencies in a geometric sequence, as in NeRF.
    RandomFourierEncoder : Frequencies drawn at random over all axes.

    Notes
    -----
    The similarity along an axis is the Dirichlet kernel of width 1 / max_frequency. The
    constant column is scaled such that the matrix of several axes has the stable rank of
    the matrix of one axis, as for bases that are never negative.

    References
    ----------
    J. Zheng, S. Ramasinghe, S. Lucey, "Rethinking Positional Encoding",
    arXiv:2107.02561, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import FourierEncoder
    >>> X = np.linspace(0, 1, 200)[:, None]
    >>> encoder = FourierEncoder(stable_rank=8).fit(X)
    >>> encoder.frequencies_[0]
    array([0.5, 1. , 1.5, 2. , 2.5, 3. , 3.5, 4. ])
    >>> encoder.get_feature_names_out()[[0, 1, 9]]
    array(['x0_constant', 'x0_sin1', 'x0_cos1'], dtype=object)
    """

    _constant = math.sqrt(0.5)

    def __init__(
        self,
        n_frequencies: Any = "auto",
        *,
        stable_rank: Any = "auto",
        max_frequency: Any = None,
        domain: Any = None,
        boundary: Any = "extend",
    ) -> None:
        self.n_frequencies = n_frequencies
        self.stable_rank = stable_rank
        self.max_frequency = max_frequency
        self.domain = domain
        self.boundary = boundary

    def _fit_axes(self, n_per_axis: NDArray[np.float64]) -> NDArray[np.float64]:
        n_axes = len(n_per_axis)
        counts = per_axis(self.n_frequencies, "n_frequencies", n_axes, parse_count)
        ranks = per_axis(self.stable_rank, "stable_rank", n_axes, parse_stable_rank)
        highest = per_axis(self.max_frequency, "max_frequency", n_axes, parse_optional)
        self._boundaries = parse_boundaries(
            self.boundary, self.domain, n_axes, "extend", "periodic"
        )
        self.frequencies_ = []
        for axis, (low, high) in enumerate(self.domain_.tolist()):
            length = high - low
            count, rank, top = counts[axis], ranks[axis], highest[axis]
            refuse_both(axis, n_frequencies=count, stable_rank=rank, max_frequency=top)
            periodic = self._boundaries[axis] == "periodic"
            spacing = 1 / length if periodic else 0.5 / length
            if top is not None:
                check_frequency(axis, top, length)
                wanted = math.floor(top / spacing * (1 + 1e-9))
                if wanted < 1:
                    raise ValueError(
                        f"max_frequency={top:g} of axis {axis} is below the lowest frequency "
                        f"of its domain, {spacing:g} cycles per unit: raise it"
                    )
            elif count is not None:
                wanted = count
            else:
                rank = auto_stable_rank(n_per_axis[axis]) if rank is None else rank
                exact = (rank - 1) / 2 if periodic else rank - 0.5
                wanted = max(1, math.ceil(exact - 1e-9))
            check_memory(
                (wanted,),
                _FIT_BYTES,
                f"lower n_frequencies, stable_rank or max_frequency of axis {axis}",
            )
            self.frequencies_.append(spacing * np.arange(1, wanted + 1))
        self.bandwidth_ = np.array([0.5 / each[-1] for each in self.frequencies_])
        self._equally_spaced = True
        return np.array([self._nominal_stable_rank(axis) for axis in range(n_axes)])

    def _missing_settings(self) -> list[str]:
        sized = is_given(self.stable_rank) or is_given(self.max_frequency)
        return super()._missing_settings() + ([] if sized else ["stable_rank or max_frequency"])

    def _settings_for(self, samples: AxisSamples) -> dict[str, Any]:
        explicit = not is_automatic(self.stable_rank) or self.max_frequency is not None
        if (explicit or not is_automatic(self.n_frequencies)) and samples.share is None:
            return {}
        rank = max(1.0, self._share_of(samples) * samples.n_samples)
        if samples.share is None:
            return {"stable_rank": rank}
        return {"stable_rank": rank, "max_frequency": None, "n_frequencies": "auto"}

    def _interpolating_share(self) -> float:
        return 0.5  # as many columns as samples

    def _learnable(self) -> dict[str, Learnable]:
        if "periodic" in self._boundaries:
            raise ValueError(
                "training cannot change the frequencies of a periodic axis, which must stay whole "
                'numbers of cycles: use boundary="extend", or train a ShiftedBasisEncoder'
            )
        return super()._learnable()

    def _read_formula(self) -> None:
        super()._read_formula()
        self.bandwidth_ = np.array([0.5 / np.max(np.abs(each)) for each in self.frequencies_])
        self._equally_spaced = False

    def _has_closed_form(self) -> bool:
        return True

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        if not self._equally_spaced:
            return super()._axis_similarity(axis, delta)
        # (1/2 + sum of cos(k angle)) / (n + 1/2) = sin((n + 1/2) angle) / ((2n + 1) sin(angle/2))
        xp = array_namespace(delta)
        n = self._n_frequencies(axis)
        turns = delta * (float(self._formula[f"angular{axis}"][0]) / (2 * math.pi))
        half = math.pi * (turns - xp.round(turns))
        peak = xp.abs(half) < 1e-4 / (2 * n + 1)  # there a series is exact to rounding
        safe = xp.where(peak, xp.ones_like(half), half)
        ratio = xp.sin((2 * n + 1) * safe) / ((2 * n + 1) * xp.sin(safe))
        return xp.where(peak, 1 - (2 * n) * (2 * n + 2) / 6 * half * half, ratio)

    def _boundary(self, axis: int) -> str:
        return self._boundaries[axis]

    def _axis_traits(self, axis: int) -> AxisTraits:
        return self._traits_of_width(axis)

    def _short_name(self) -> str:
        return "Fourier"

    def _nominal_stable_rank(self, axis: int) -> float:
        n = self._n_frequencies(axis)
        return 2 * n + 1.0 if self._boundaries[axis] == "periodic" else n + 0.5

    def _reached(self, axis: int) -> float:
        # theory is exact on a circle, and on an interval from 4 frequencies on (to 1e-5)
        exact = self._boundaries[axis] == "periodic" or self._n_frequencies(axis) > 64
        if exact and self._equally_spaced:
            return self._nominal_stable_rank(axis)
        return super()._reached(axis)
