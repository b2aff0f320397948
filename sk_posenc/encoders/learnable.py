"""Learnable Fourier features as an encoder."""

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sk_posenc.core.arrays import Array, device_of, to_numpy
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_integer, parse_optional, random_state_of
from sk_posenc.encoders._fourier_base import half_waves
from sk_posenc.encoders.axis_encoder import AxisEncoder
from sk_posenc.encoders.axis_settings import (
    auto_stable_rank_of_random,
    check_bandwidth,
    parse_stable_rank,
    per_axis,
    refuse_both,
)
from sk_posenc.encoders.base import Learnable

# Mean square of GELU(z), z normal with variance 1.
_GELU_SQUARE = 0.425

_LAYERS = ("weight1", "bias1", "weight2", "bias2")

_T = TypeVar("_T")


class LearnableFourierEncoder(AxisEncoder):
    r"""Encode coordinates by Fourier features and a small network, made to be learnt.

    The M coordinates x of a group become

    .. math::

        r = \frac{1}{\sqrt F} [\cos(W_r (x - l)), \sin(W_r (x - l))], \qquad
        y = \mathrm{GELU}(r W_1 + b_1) W_2 + b_2,

    The :math:`F / 2` angular frequencies are :math:`W_r \sim N(0, \gamma^{-2})`, where
    :math:`\gamma^{-2}` is the variance, without a factor :math:`2 \pi`. l is the lower end of
    the domain; in each column, the lowest one of all groups. The output has the y of all groups
    side by side. ``fit`` draws the weights, and a CoordinateMLPRegressor that holds the encoder
    trains them.

    Parameters
    ----------
    n_frequencies : int, default=256
        :math:`F / 2`.
    stable_rank : "auto", float or one per column of a group, default="auto"
        Resolution of r before training, in the limit of many frequencies. "auto": a quarter of
        the samples per axis, within limits; the guide's page *Defaults* has the numbers.
    gamma : float or one per column of a group, default=None
        Width of the kernel of r before training, in coordinate units. It replaces `stable_rank`.
    mlp : (int, int) or None, default=(256, 256)
        Hidden width H, and width D of the output over all groups: a multiple of their number.
        None: r itself is the output.
    groups : sequence of sequences of columns, default=None
        Columns that are encoded together, by number or by name. All groups have the same number
        of columns and share all weights. None: one group of all columns.
    domain : (low, high) or one pair per axis, default=None
        Range of the coordinates, for `stable_rank`. None: the range seen in ``fit``.
        Outside the domain the functions continue.
    random_state : int, RandomState instance or None, default=None
        Decides the weights.

    Attributes
    ----------
    frequencies_ : ndarray of shape (n_frequencies, M)
        :math:`W_r / (2 \pi)`, in cycles per coordinate unit.
    gamma_ : ndarray of shape (M,)
        Width of the kernel of r before training, in coordinate units.
    mlp_weights_ : list of ndarrays of shapes (F, H), (H,), (H, D / G), (D / G,)
        :math:`W_1, b_1, W_2, b_2`; empty without `mlp`.
    groups_ : list of G lists of int
        Columns of each group.
    stable_rank_ : ndarray of shape (n_axes,)
        Measured along each axis in the columns of its group, with the other coordinates in
        the middle of their domains.
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
    RandomFourierEncoder : Random frequencies, for a stable rank that is set.
    EncoderModule : What training changes, and in which units.

    Notes
    -----
    Before training :math:`E[r_x \cdot r_y] = \frac12 \exp(-\|x - y\|^2 / (2 \gamma^2))`;
    :math:`\|r\|^2 = \frac12` always holds. The inner products of r do not change when all
    coordinates are shifted, those of y do. Weight decay does not apply to :math:`W_r`.

    The authors do not subtract l. Before training it changes neither the inner products of r nor
    the distribution of y. In training it matters: a step of :math:`W_r` changes a phase in
    proportion to x - l. Without l, a step would undo what was learnt at coordinates far from 0.

    The authors do not say how :math:`W_1, W_2` are initialised. Here they are normal, with
    variances that make the entries of both layers vary by about 1; :math:`b_1, b_2` are 0.

    References
    ----------
    Y. Li, S. Si, G. Li, C.-J. Hsieh, S. Bengio, "Learnable Fourier Features for
    Multi-Dimensional Spatial Positional Encoding", NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import LearnableFourierEncoder
    >>> X = np.random.default_rng(0).uniform(size=(100, 4))
    >>> encoder = LearnableFourierEncoder(
    ...     32, gamma=0.1, mlp=(16, 64), groups=[[0, 1], [2, 3]], random_state=0
    ... )
    >>> encoder.fit_transform(X).shape
    (100, 64)
    >>> [weights.shape for weights in encoder.mlp_weights_]
    [(64, 16), (16,), (16, 32), (32,)]
    """

    _learns_by_default = True
    _needs_rest = ("low",)

    def __init__(
        self,
        n_frequencies: int = 256,
        *,
        stable_rank: Any = "auto",
        gamma: Any = None,
        mlp: tuple[int, int] | None = (256, 256),
        groups: Any = None,
        domain: Any = None,
        random_state: Any = None,
    ) -> None:
        self.n_frequencies = n_frequencies
        self.stable_rank = stable_rank
        self.gamma = gamma
        self.mlp = mlp
        self.groups = groups
        self.domain = domain
        self.random_state = random_state

    def _fit_axes(self, n_per_axis: NDArray[np.float64]) -> NDArray[np.float64]:
        n_axes = len(n_per_axis)
        n = parse_integer(self.n_frequencies, "n_frequencies")
        names = getattr(self, "feature_names_in_", None)
        self.groups_ = _resolve_groups(self.groups, n_axes, names)
        n_columns = len(self.groups_[0])
        widths = self._parse_mlp()
        ranks = _per_column(self.stable_rank, "stable_rank", n_columns, parse_stable_rank)
        gammas = _per_column(self.gamma, "gamma", n_columns, parse_optional)
        self.gamma_ = np.empty(n_columns)
        self._origin = [0.0] * n_axes
        for column in range(n_columns):
            # groups share weights: use the longest domain and the most samples, so that equal
            # coordinates have equal encodings
            axes = [group[column] for group in self.groups_]
            for axis in axes:
                self._origin[axis] = min(self._ends[each][0] for each in axes)
            length = max(self._ends[axis][1] - self._ends[axis][0] for axis in axes)
            rank, gamma = ranks[column], gammas[column]
            refuse_both(axes[0], stable_rank=rank, gamma=gamma)
            if rank is None:
                rank = auto_stable_rank_of_random(max(n_per_axis[axes]), n)
            if gamma is None:
                gamma = length / (math.sqrt(2 * math.pi) * rank)
            check_bandwidth(axes[0], gamma, length, "gamma")
            self.gamma_[column] = gamma
        self._gammas = self.gamma_.tolist()
        check_memory((n, n_columns), 8, "lower n_frequencies")
        rng = random_state_of(self.random_state)
        self.frequencies_ = rng.standard_normal((n, n_columns)) / (2 * math.pi * self.gamma_)
        self.mlp_weights_ = []
        if widths:
            hidden, out = widths
            check_memory((2 * n + out, hidden), 8, "lower n_frequencies or mlp")
            # the squares of r sum to 1/2, those of GELU(N(0, 1)) are 0.425 in the mean: these
            # deviations make all entries of both layers vary by about 1
            weight1 = rng.standard_normal((2 * n, hidden)) * math.sqrt(2)
            weight2 = rng.standard_normal((hidden, out)) / math.sqrt(_GELU_SQUARE * hidden)
            self.mlp_weights_ = [weight1, np.zeros(hidden), weight2, np.zeros(out)]
        return np.zeros(n_axes)  # the network decides the stable rank

    def _parse_mlp(self) -> list[int]:
        """Widths of the layers, the last one per group."""
        if self.mlp is None:
            return []
        listed = np.ndim(self.mlp) > 0 and isinstance(self.mlp, Sequence | np.ndarray)
        if not listed or len(self.mlp) != 2:
            raise ValueError(
                "mlp must be a pair (hidden width, output width) or None, for no network. "
                f"Got {self.mlp!r}."
            )
        hidden, out = (parse_integer(width, f"mlp[{i}]") for i, width in enumerate(self.mlp))
        n_groups = len(self.groups_)
        if out % n_groups:
            raise ValueError(
                f"mlp[1] must be a multiple of {n_groups}, as the {n_groups} groups share the "
                f"output evenly. Got {out}."
            )
        return [hidden, out // n_groups]

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        layers = dict(zip(_LAYERS, self.mlp_weights_, strict=False))
        angular = 2 * math.pi * self.frequencies_
        return {"angular": angular, "low": np.array(self._origin)} | layers

    def _learnable(self) -> dict[str, Learnable]:
        units = 1 / np.array(self._gammas)
        layers = {name: Learnable("weight") for name in self._formula if name in _LAYERS}
        return {"angular": Learnable("shift", units)} | layers

    def _read_formula(self) -> None:
        self.frequencies_ = self._formula["angular"] / (2 * math.pi)
        self.mlp_weights_ = [self._formula[name] for name in _LAYERS if name in self._formula]

    @property
    def _n_features_out(self) -> int:
        per_group = self.mlp_weights_[-1].shape[0] if self.mlp_weights_ else 2 * self._n_waves
        return len(self.groups_) * int(per_group)

    @property
    def _n_waves(self) -> int:
        return int(self.frequencies_.shape[0])

    def _blocks(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Iterator[Array]:
        for group in self.groups_:
            features = self._fourier_features(X, group, arrays, xp)
            if self.mlp_weights_:
                hidden = _gelu(features @ arrays["weight1"] + arrays["bias1"], xp)
                features = hidden @ arrays["weight2"] + arrays["bias2"]
            yield features

    def _fourier_features(
        self, X: Array, group: list[int], arrays: dict[str, Array], xp: ModuleType
    ) -> Array:
        """r of the columns of a group."""
        phases: Array = 0.0
        for column, axis in enumerate(group):
            x = X[:, axis] - arrays["low"][axis]
            if "low_rest" in arrays:
                x = x - arrays["low_rest"][axis]
            phases = phases + x[:, None] * arrays["angular"][None, :, column]
        scale = 1 / math.sqrt(2 * self._n_waves)
        return xp.concat([xp.cos(phases), xp.sin(phases)], axis=1) * scale

    def _block_width(self) -> int:
        hidden = self.mlp_weights_[0].shape[1] if self.mlp_weights_ else 0
        return max(self._n_features_out, 2 * self._n_waves, hidden)

    def _axis_features(self, axis: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        X = np.tile([(low + high) / 2 for low, high in self._ends], (len(x), 1))
        X[:, axis] = x
        features: NDArray[np.float64] = self._in_blocks(X, self._formula)
        n_columns = self._n_features_out // len(self.groups_)
        first = n_columns * next(j for j, group in enumerate(self.groups_) if axis in group)
        return features[:, first : first + n_columns]

    def _rank_setting(self, axis: int) -> float | None:
        asked = self.stable_rank
        if not isinstance(asked, str | Real):  # one per column of a group
            asked = next(asked[group.index(axis)] for group in self.groups_ if axis in group)
        return None if isinstance(asked, str) else float(asked)

    def _functions_on_domain(self) -> float:
        low, high = self._domain()
        return half_waves(self.frequencies_, high - low)

    def _is_stationary(self) -> bool:
        return False

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        return self._measured_similarity(axis, delta)

    def _labels(self, names: Sequence[str]) -> list[str]:
        per_group = self._n_features_out // len(self.groups_)
        joined = ["".join(names[axis] for axis in group) for group in self.groups_]
        # numbered on: the joined names of two groups may be the same
        numbers = range(self._n_features_out)
        return [f"{joined[j // per_group]}_learnable{j}" for j in numbers]

    def _nominal_stable_rank(self, axis: int) -> float:
        low, high = self._ends[axis]
        column = next(group.index(axis) for group in self.groups_ if axis in group)
        return max(1.0, (high - low) / (math.sqrt(2 * math.pi) * self._gammas[column]))


def _gelu(x: Array, xp: ModuleType) -> Array:
    """x times the normal distribution function at x."""
    z = x * math.sqrt(0.5)
    if hasattr(xp, "erf"):
        erf = xp.erf(z)
    else:  # the array API standard has none
        erf = xp.asarray(special.erf(to_numpy(z)), dtype=x.dtype, device=device_of(x))
    return 0.5 * x * (1 + erf)


def _per_column(value: Any, name: str, n_columns: int, parse: Callable[[Any, str], _T]) -> list[_T]:
    """A setting for each column of a group."""
    if np.ndim(value) == 1 and len(value) != n_columns:
        raise ValueError(
            f"{name} must be one value or one per column of a group: a group has {n_columns} "
            f"columns. Got {len(value)} values."
        )
    return per_axis(value, name, n_columns, parse)


def _resolve_groups(groups: Any, n_axes: int, names: Any) -> list[list[int]]:
    if groups is None:
        return [list(range(n_axes))]
    known = {} if names is None else {name: axis for axis, name in enumerate(names)}
    try:
        resolved = [_columns_of(group, known) for group in groups]
    except (TypeError, KeyError):
        resolved = []
    once = sorted(column for group in resolved for column in group) == list(range(n_axes))
    if not once or len({len(group) for group in resolved}) != 1:
        named = f" (or {sorted(known)})" if known else ""
        raise ValueError(
            f"groups must be sequences of equal length that name each of the {n_axes} columns "
            f"once, 0 to {n_axes - 1}{named}. Got {groups!r}."
        )
    return resolved


def _columns_of(group: Any, known: dict[str, int]) -> list[int]:
    """Numbers of the columns of a group; TypeError or KeyError where it does not name any."""
    if isinstance(group, str) or not isinstance(group, Sequence | np.ndarray):
        raise TypeError
    if any(isinstance(column, bool | np.bool_) for column in group):
        raise TypeError
    return [
        known[column] if isinstance(column, str) else operator.index(column) for column in group
    ]
