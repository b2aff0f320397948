"""Fourier features as encoders: equally spaced, log-spaced and random frequencies."""

import math
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.utils import check_random_state

from sk_posenc._arrays import Array
from sk_posenc._base import CoordinateEncoder, Learnable
from sk_posenc._memory import check_memory
from sk_posenc._quasi_random import quasi_random
from sk_posenc._settings import (
    AUTO_SHARE,
    auto_stable_rank,
    auto_stable_rank_of_random,
    check_bandwidth,
    check_frequency,
    is_auto,
    parse_boundaries,
    parse_choice,
    parse_count,
    parse_integer,
    parse_optional,
    parse_positive,
    parse_stable_rank,
    per_axis,
    refuse_both,
)


class _FourierBase(CoordinateEncoder):
    """Sines and cosines of the distance from the lower end of the domain."""

    frequencies_: Any
    domain_: NDArray[np.float64]

    def _learning_unit(self) -> NDArray[np.float64]:
        """Angular frequency of one cycle over the domain of each axis."""
        return np.array([2 * math.pi / (high - low) for low, high in self._ends])

    def _phases(
        self, axis: int, x: Array, angular: Array, arrays: dict[str, Array], xp: ModuleType
    ) -> Array:
        """Phases of one axis, shape (n_samples, n_frequencies)."""
        return self._from_low(axis, x, arrays, xp)[:, None] * angular

    def _from_low(self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType) -> Array:
        x = x - arrays["low"][axis]
        if "low_rest" in arrays:
            x = x - arrays["low_rest"][axis]
        if self._ends_at_domain(axis):
            low, high = self._ends[axis]
            x = xp.clip(x, 0.0, high - low)
        return x


class _AxisFourierEncoder(_FourierBase):
    """Frequencies of each axis alone, and the sines before the cosines of each axis."""

    frequencies_: list[NDArray[np.float64]]
    _constant: float  # amplitude of a constant column of each axis; 0: none

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        arrays = {
            f"angular{axis}": 2 * math.pi * frequencies
            for axis, frequencies in enumerate(self.frequencies_)
        }
        return arrays | {"low": self.domain_[:, 0].copy()}

    def _learnable(self) -> dict[str, Learnable]:
        units = self._learning_unit()
        return {f"angular{axis}": Learnable("shift", unit) for axis, unit in enumerate(units)}

    def _read_formula(self) -> None:
        axes = range(self.n_features_in_)
        self.frequencies_ = [self._formula[f"angular{axis}"] / (2 * math.pi) for axis in axes]

    def _axis_width(self, axis: int) -> int:
        return 2 * self._n_frequencies(axis) + (1 if self._constant else 0)

    def _block_width(self) -> int:
        return max(map(self._n_frequencies, range(self.n_features_in_)))

    def _n_frequencies(self, axis: int) -> int:
        return self.frequencies_[axis].shape[0]

    def _axis_blocks(
        self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType
    ) -> list[Array]:
        phases = self._phases(axis, x, arrays[f"angular{axis}"], arrays, xp)
        n_axes, n = self.n_features_in_, self._n_frequencies(axis)
        scale = 1 / math.sqrt(n_axes * (n + self._constant**2))
        columns = [xp.sin(phases) * scale, xp.cos(phases) * scale]
        if self._constant:
            columns.insert(0, xp.full_like(phases[:, :1], self._constant * scale))
        return columns

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        xp = array_namespace(delta)
        total = xp.full_like(delta, self._constant**2)
        for angular in self._formula[f"angular{axis}"].tolist():
            total = total + xp.cos(angular * delta)
        return total / (self._n_frequencies(axis) + self._constant**2)

    def _axis_labels(self, axis: int, name: str) -> list[str]:
        constant = [f"{name}_constant"] if self._constant else []
        numbers = range(1, self._n_frequencies(axis) + 1)
        return constant + [f"{name}_{wave}{j}" for wave in ("sin", "cos") for j in numbers]


class FourierEncoder(_AxisFourierEncoder):
    r"""Encode coordinates by sines and cosines of equally spaced frequencies.

    An axis has a constant column of amplitude :math:`c / \sqrt 2`, then
    :math:`c \sin(2 \pi f_k (x - l))`, then :math:`c \cos(2 \pi f_k (x - l))`, with
    :math:`f_k = k / p` for k = 1, ..., `n_frequencies`, l the lower end of the domain,
    and c such that the squared norm of a row is 1. The period p is twice the domain, so
    that its two ends stay apart, or the domain itself where it is periodic.

    Parameters
    ----------
    n_frequencies : "auto", int or one per axis, default="auto"
        Frequencies per axis. As their spacing is given by the domain, this, `stable_rank`
        and `max_frequency` are three ways to say one thing: set one of them at most.
    stable_rank : "auto", float or one per axis, default="auto"
        Resolution of an axis: n_frequencies + 1/2 on an interval, 2 n_frequencies + 1 on
        a periodic axis; the number of frequencies is rounded up. "auto" is a quarter of
        the samples per axis, at least 2.
    max_frequency : float or one per axis, default=None
        Highest frequency, in cycles per coordinate unit; rounded down to a multiple of
        the spacing.
    domain : (low, high) or one pair per axis, default=None
        Range of the coordinates. None: the range seen in ``fit``; a constant column gets
        a domain of width 1 around its value.
    boundary : {"extend", "periodic"} or one per axis, default="extend"
        "extend": coordinates outside the domain count as its nearest end. "periodic":
        coordinates wrap; needs an explicit `domain`.

    Attributes
    ----------
    stable_rank_ : ndarray of shape (n_axes,)
        Stable rank along each axis, the other coordinates held.
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

    See Also
    --------
    LogFourierEncoder : Frequencies in a geometric sequence, as in NeRF.
    RandomFourierEncoder : Frequencies drawn at random over all axes.

    Notes
    -----
    The similarity along an axis is the Dirichlet kernel of width 1 / max_frequency. The
    amplitude of the constant column makes the whole matrix of several axes have the
    stable rank of one, as for bases that are never negative.

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
                (wanted,), 8, f"lower n_frequencies, stable_rank or max_frequency of axis {axis}"
            )
            self.frequencies_.append(spacing * np.arange(1, wanted + 1))
        self.bandwidth_ = np.array([0.5 / each[-1] for each in self.frequencies_])
        self._equally_spaced = True
        return np.array([self._nominal_stable_rank(axis) for axis in range(n_axes)])

    def _learnable(self) -> dict[str, Learnable]:
        if "periodic" in self._boundaries:
            raise ValueError(
                "on a periodic axis frequencies are whole numbers of turns, which training "
                'cannot move: use boundary="extend", or train a ShiftedBasisEncoder'
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

    def _nominal_stable_rank(self, axis: int) -> float:
        n = self._n_frequencies(axis)
        return 2 * n + 1.0 if self._boundaries[axis] == "periodic" else n + 0.5

    def _reached(self, axis: int) -> float:
        # on a circle the law is exact, on an interval it is from 4 frequencies on (1e-5)
        exact = self._boundaries[axis] == "periodic" or self._n_frequencies(axis) > 64
        if exact and self._equally_spaced:
            return self._nominal_stable_rank(axis)
        return super()._reached(axis)


class LogFourierEncoder(_AxisFourierEncoder):
    r"""Encode coordinates by sines and cosines of geometrically spaced frequencies.

    NeRF's encoding: an axis has :math:`c \sin(2 \pi f_k (x - l))`, then
    :math:`c \cos(2 \pi f_k (x - l))`, with :math:`f_k` from half a cycle per domain to
    `max_frequency`, l the lower end of the domain, and c such that the squared norm of a
    row is 1.

    Parameters
    ----------
    n_frequencies : int or one per axis, default=10
        Frequencies per axis. One frequency (1, of `max_frequency`) is the paper's
        "basic" encoding.
    max_frequency : "auto", float or one per axis, default="auto"
        Highest frequency, in cycles per coordinate unit. "auto": an eighth of the samples
        per axis per domain, the highest frequency that a FourierEncoder of automatic
        stable rank has on a periodic domain; with one frequency, half a cycle per domain.
    domain : (low, high) or one pair per axis, default=None
        Range of the coordinates. None: the range seen in ``fit``; a constant column gets
        a domain of width 1 around its value. Outside it the functions go on.

    Attributes
    ----------
    stable_rank_ : ndarray of shape (n_axes,)
        Stable rank along each axis: a result, not a setting. It grows by about 1.3 with
        each octave of `max_frequency`, whatever the number of frequencies.
    frequencies_ : list of n_axes ndarrays
        In cycles per coordinate unit.
    domain_ : ndarray of shape (n_axes, 2)
        Ends of the domain.
    n_features_in_ : int
        Number of axes.
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.

    See Also
    --------
    FourierEncoder : Equally spaced frequencies, any stable rank.

    Notes
    -----
    NeRF writes sin(2^k pi x) for x in [-1, 1]: its lowest frequency is one cycle per
    domain, which makes the two ends of the domain the same point. Half a cycle keeps them
    apart; it costs stable rank (5.6 in place of 7.0 at 8 cycles per domain).

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

    def _nominal_stable_rank(self, axis: int) -> float:
        low, high = self._ends[axis]
        return float(self._formula[f"angular{axis}"][-1]) / math.pi * (high - low)


class RandomFourierEncoder(_FourierBase):
    r"""Encode coordinates by sines and cosines of normally distributed frequencies.

    Columns :math:`c \sin(2 \pi f_k \cdot (x - l))`, then
    :math:`c \cos(2 \pi f_k \cdot (x - l))`, with frequency vectors :math:`f_k` drawn
    jointly over the axes, l the lower end of the domain, and :math:`c = 1 / \sqrt m` for
    m frequencies, which makes the squared norm of a row 1.

    Parameters
    ----------
    n_frequencies : int, default=256
        Frequencies in all; the encoding has two columns each.
    stable_rank : "auto", float or one per axis, default="auto"
        Resolution of an axis, by the law in the limit of many frequencies. "auto" is a
        quarter of the samples per axis, at least 2 and never more than a quarter of
        `n_frequencies`.
    bandwidth : float or one per axis, default=None
        In place of `stable_rank`: standard deviation, in coordinate units, of the Gaussian
        basis that has the same similarity.
    sampling : {"qmc", "iid"}, default="qmc"
        "qmc": quasi-random points (a lattice at a random shift) through the normal quantile
        function; two frequencies per unit of stable rank meet the law. "iid": independent
        draws, the custom; they cluster, and need many times more frequencies for the same
        stable rank.
    domain : (low, high) or one pair per axis, default=None
        Range of the coordinates. None: the range seen in ``fit``; a constant column gets
        a domain of width 1 around its value. Outside it the functions go on.
    random_state : int, RandomState instance or None, default=None
        Decides the frequencies.

    Attributes
    ----------
    stable_rank_ : ndarray of shape (n_axes,)
        Stable rank along each axis, the other coordinates held, of the frequencies drawn.
    frequencies_ : ndarray of shape (n_frequencies, n_axes)
        In cycles per coordinate unit.
    frequency_std_ : ndarray of shape (n_axes,)
        Their standard deviation in the law, the sigma of the literature.
    bandwidth_ : ndarray of shape (n_axes,)
        Standard deviation of the Gaussian of the same similarity, in coordinate units.
    domain_ : ndarray of shape (n_axes, 2)
        Ends of the domain.
    n_features_in_ : int
        Number of axes.
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.

    Warns
    -----
    UserWarning
        Where the stable rank is more than 10 % short of what was asked.

    See Also
    --------
    ShiftedBasisEncoder : With the Gaussian basis, the same similarity without chance.

    Notes
    -----
    The similarity is :math:`\exp(-2 \pi^2 \sum_a \sigma_a^2 \delta_a^2)` in expectation,
    the stable rank :math:`\sqrt{2 \pi} \sigma_a` per axis of width 1, and of the whole
    matrix the product over the axes, each in the limit of many frequencies.

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
        rng = check_random_state(self.random_state)
        if sampling == "iid":
            normal = rng.standard_normal((n, n_axes))
        else:
            normal = ndtri(quasi_random(n, n_axes, rng))
        self.frequencies_ = normal * self.frequency_std_
        return np.array([self._nominal_stable_rank(axis) for axis in range(n_axes)])

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        return {"angular": 2 * math.pi * self.frequencies_, "low": self.domain_[:, 0].copy()}

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
        # a copy, for numbers that do not lie side by side are slow to multiply
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

    def _nominal_stable_rank(self, axis: int) -> float:
        low, high = self._ends[axis]
        return max(1.0, math.sqrt(2 * math.pi) * self._stds[axis] * (high - low))

    def _advice(self) -> str:
        way_out = f"raise n_frequencies (now {self.n_frequencies}), or lower stable_rank"
        if self.sampling == "iid":
            way_out += ', or use sampling="qmc", which needs a fraction of the frequencies'
        return way_out


def _parse_frequency(value: Any, name: str) -> float | None:
    return None if is_auto(value, name) else parse_positive(value, name)
