"""Fourier features of random frequencies as an encoder."""

import math
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from scipy.special import ndtri

from sk_posenc.core.arrays import Array
from sk_posenc.core.encoding import AxisTraits
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import (
    parse_choice,
    parse_integer,
    parse_optional,
    random_state_of,
)
from sk_posenc.encoders._fourier_base import FourierBase
from sk_posenc.encoders._quasi_random import quasi_random
from sk_posenc.encoders.axis_functions import AxisSamples
from sk_posenc.encoders.axis_settings import (
    auto_stable_rank_of_random,
    check_bandwidth,
    is_automatic,
    is_given,
    parse_stable_rank,
    per_axis,
    refuse_both,
)
from sk_posenc.encoders.base import Learnable


class RandomFourierEncoder(FourierBase):
    r"""Encode coordinates by sines and cosines of normally distributed frequencies.

    The columns are :math:`c \sin(2 \pi f_k \cdot (x - l))`, then
    :math:`c \cos(2 \pi f_k \cdot (x - l))`. The frequency vectors :math:`f_k` are drawn
    jointly over the axes, and l is the lower end of the domain. With m frequencies,
    :math:`c = 1 / \sqrt m` makes the squared norm of a row 1.

    Parameters
    ----------
    n_frequencies : int, default=256
        Number of frequencies over all axes. The encoding has two columns for each.
    stable_rank : "auto", float or one per axis, default="auto"
        Resolution of an axis, in the limit of many frequencies. "auto": a quarter of the
        samples per axis, within limits; the guide's page *Defaults* has the numbers.
    bandwidth : float or one per axis, default=None
        Standard deviation, in coordinate units, of the Gaussian basis with the same
        similarity. It replaces `stable_rank`.
    sampling : {"qmc", "iid"}, default="qmc"
        "qmc": quasi-random points (a lattice with a random shift), mapped by the normal
        quantile function. Two frequencies per unit of stable rank are enough. "iid":
        independent draws, as is customary. They cluster, and need many times more
        frequencies for the same stable rank.
    domain : (low, high), or one pair or None per axis, default=None
        Range of the coordinates, in numbers or dates. None: the range seen in ``fit``; a
        constant column gets a domain of width 1 around its value. Outside the domain the functions
        continue.
    random_state : int, RandomState instance or None, default=None
        Decides the frequencies.

    Attributes
    ----------
    stable_rank_ : ndarray of shape (n_axes,)
        Stable rank along each axis with the frequencies drawn, the other coordinates fixed.
    frequencies_ : ndarray of shape (n_frequencies, n_axes)
        In cycles per coordinate unit.
    frequency_std_ : ndarray of shape (n_axes,)
        Standard deviation of the distribution of frequencies, sigma in the literature.
    bandwidth_ : ndarray of shape (n_axes,)
        Standard deviation of the Gaussian basis with the same similarity, in coordinate units.
    domain_ : ndarray of shape (n_axes, 2)
        Ends of the domain.
    n_features_in_ : int
        Number of axes.
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.
    dates_ : tuple
        For each axis None, or for dates what counts as day 0.

    Warns
    -----
    UserWarning
        Where the stable rank is more than 10 % below the one requested.

    See Also
    --------
    ShiftedBasisEncoder : With the Gaussian basis, the same similarity without randomness.

    Notes
    -----
    In the limit of many frequencies, the expected similarity is
    :math:`\exp(-2 \pi^2 \sum_a \sigma_a^2 \delta_a^2)`. An axis of width 1 then has the
    stable rank :math:`\sqrt{2 \pi} \sigma_a`, and the whole matrix has the product over the
    axes.

    References
    ----------
    Ali Rahimi, B. Recht, "Random Features for Large-Scale Kernel Machines", NIPS 2007.

    M. Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low
    Dimensional Domains", NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import RandomFourierEncoder
    >>> X = np.random.default_rng(0).uniform(size=(500, 2))
    >>> encoder = RandomFourierEncoder(64, stable_rank=8, random_state=0).fit(X)
    >>> encoder.transform(X).shape
    (500, 128)
    >>> encoder.frequency_std_.round(1)
    array([3.2, 3.2])
    """

    _stops_at_ends = True

    def __init__(
        self,
        n_frequencies: int = 256,
        *,
        stable_rank: Any = "auto",
        bandwidth: Any = None,
        sampling: str = "qmc",
        domain: Any = None,
        random_state: Any = None,
    ) -> None:
        self.n_frequencies = n_frequencies
        self.stable_rank = stable_rank
        self.bandwidth = bandwidth
        self.sampling = sampling
        self.domain = domain
        self.random_state = random_state

    def _fit_axes(self, n_per_axis: NDArray[np.float64]) -> NDArray[np.float64]:
        n_axes = len(n_per_axis)
        n = parse_integer(self.n_frequencies, "n_frequencies")
        sampling = parse_choice("qmc", "iid")(self.sampling, "sampling")
        ranks = per_axis(self.stable_rank, "stable_rank", n_axes, parse_stable_rank)
        bandwidths = per_axis(self.bandwidth, "bandwidth", n_axes, parse_optional)
        self.bandwidth_ = np.empty(n_axes)
        for axis, (low, high) in enumerate(self.domain_.tolist()):
            length = high - low
            rank, bandwidth = ranks[axis], bandwidths[axis]
            refuse_both(axis, stable_rank=rank, bandwidth=bandwidth)
            if rank is None:
                rank = auto_stable_rank_of_random(n_per_axis[axis], n)
            if bandwidth is None:
                bandwidth = length / (2 * math.sqrt(math.pi) * rank)
            check_bandwidth(axis, bandwidth, length)
            self.bandwidth_[axis] = bandwidth
        self.frequency_std_ = 1 / (2 * math.sqrt(2) * math.pi * self.bandwidth_)
        self._stds = self.frequency_std_.tolist()
        check_memory((n, n_axes), 8, "lower n_frequencies")
        rng = random_state_of(self.random_state)
        if sampling == "iid":
            normal = rng.standard_normal((n, n_axes))
        else:
            normal = ndtri(quasi_random(n, n_axes, rng))
        self.frequencies_ = normal * self.frequency_std_
        return np.array([self._nominal_stable_rank(axis) for axis in range(n_axes)])

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        return {"angular": 2 * math.pi * self.frequencies_, "low": self.domain_[:, 0].copy()}

    def _own_frequencies(self) -> NDArray[np.float64]:
        return self.frequencies_[:, 0]

    def _missing_settings(self) -> list[str]:
        sized = is_given(self.stable_rank) or is_given(self.bandwidth)
        return super()._missing_settings() + ([] if sized else ["stable_rank or bandwidth"])

    def _settings_for(self, samples: AxisSamples) -> dict[str, Any]:
        explicit = not is_automatic(self.stable_rank) or self.bandwidth is not None
        if explicit and samples.share is None:
            return {}
        rank = max(1.0, self._share_of(samples) * samples.n_samples)
        settings = {"stable_rank": min(rank, max(1.0, self.n_frequencies / 2))}
        return settings if samples.share is None else settings | {"bandwidth": None}

    def _interpolating_share(self) -> float:
        return 0.25  # its highest frequencies would alias

    def _learnable(self) -> dict[str, Learnable]:
        return {"angular": Learnable("shift", self._learning_unit())}

    def _read_formula(self) -> None:
        self.frequencies_ = self._formula["angular"] / (2 * math.pi)
        self.frequency_std_ = np.sqrt(np.mean(self.frequencies_**2, axis=0))
        self.bandwidth_ = 1 / (2 * math.sqrt(2) * math.pi * self.frequency_std_)
        self._stds = self.frequency_std_.tolist()

    @property
    def _n_features_out(self) -> int:
        return 2 * self.frequencies_.shape[0]

    def _block_width(self) -> int:
        return int(self.frequencies_.shape[0])

    def _blocks(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Iterator[Array]:
        phases = self._axis_phases(0, X[:, 0], arrays, xp)
        for axis in range(1, X.shape[1]):
            phases = phases + self._axis_phases(axis, X[:, axis], arrays, xp)
        yield from self._waves(phases, xp)

    def _axis_blocks(
        self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType
    ) -> list[Array]:
        return self._waves(self._axis_phases(axis, x, arrays, xp), xp)

    def _axis_phases(self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType) -> Array:
        # a copy, as numbers that are not contiguous are slow to multiply
        angular = xp.concat([arrays["angular"][:, axis]])
        return self._phases(axis, x, angular, arrays, xp)

    def _waves(self, phases: Array, xp: ModuleType) -> list[Array]:
        scale = 1 / math.sqrt(phases.shape[1])
        return [xp.sin(phases) * scale, xp.cos(phases) * scale]

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        xp = array_namespace(delta)
        total = xp.zeros_like(delta)
        for angular in self._formula["angular"][:, axis].tolist():
            total = total + xp.cos(angular * delta)
        return total / self.frequencies_.shape[0]

    def _offset_similarity(self, offsets: NDArray) -> NDArray:
        return np.mean(np.cos(offsets @ self._formula["angular"].T), axis=1)

    def _labels(self, names: Sequence[str]) -> list[str]:
        numbers = range(1, self.frequencies_.shape[0] + 1)
        return [f"{''.join(names)}_{wave}{j}" for wave in ("sin", "cos") for j in numbers]

    def _axis_traits(self, axis: int) -> AxisTraits:
        return self._traits_of_width(axis)

    def _short_name(self) -> str:
        return "random Fourier"

    def _nominal_stable_rank(self, axis: int) -> float:
        low, high = self._ends[axis]
        return max(1.0, math.sqrt(2 * math.pi) * self._stds[axis] * (high - low))

    def _advice(self) -> str:
        way_out = f"raise n_frequencies (now {self.n_frequencies}), or lower stable_rank"
        if self.sampling == "iid":
            way_out += ', or use sampling="qmc", which needs a fraction of the frequencies'
        return way_out
