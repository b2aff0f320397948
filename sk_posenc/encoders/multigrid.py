"""Learnt codes at the nodes of grids of several resolutions."""

import math
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sk_posenc.core.arrays import Array, device_of, to_numpy
from sk_posenc.core.memory import check_memory
from sk_posenc.core.samples_per_axis import is_even, samples_per_axis
from sk_posenc.core.settings import (
    is_auto,
    parse_count,
    parse_integer,
    parse_number,
    random_state_of,
)
from sk_posenc.encoders._grid_levels import MOST_AXES, GridLevels, resolutions
from sk_posenc.encoders._grid_parts import Trial, every_second, pieces_of, some_cells
from sk_posenc.encoders.axis_encoder import AxisEncoder
from sk_posenc.encoders.axis_settings import per_axis
from sk_posenc.encoders.base import Learnable
from sk_posenc.encoders.domains import parse_boundaries
from sk_posenc.encoders.own_training import OwnTraining

# An axis is one of a grid where it has fewer distinct values per sample per axis than this.
_GRID_AXIS = 1.5
# Off a grid, cells of the finest level for each sample per axis.
_SCATTERED = 1.4
# Each automatic level is finer than the last by about this factor.
_GROWTH = 1.6
# Finer grids, and more of them, are slips of the keyboard.
_MOST_CELLS = 2**31
_MOST_LEVELS = 1024
# Axes up to which splines are smoother than triangles.
_SPLINES_UP_TO = 4
# Largest code before training.
_FIRST_CODE = 1e-2


class MultigridEncoder(AxisEncoder):
    r"""Encode coordinates by learnt codes at the nodes of several grids, made to be learnt.

    Level l has nodes k on a grid, each with a code :math:`c_{lk}` of a few numbers. A coordinate x
    gets, for each level, the codes of the nodes around it,

    .. math:: \psi_l(x) = \sum_k \prod_a B(u_{la}(x) - k_a) \, c_{lk}, \qquad
              u_{la}(x) = N_{la} \frac{x_a - low_a}{high_a - low_a},

    B the B-spline of degree `order` around 0 and :math:`N_{la}` the cells of axis a. The columns
    of all levels stand side by side. ``fit`` draws small codes. A CoordinateMLPRegressor or
    CoordinateMLPClassifier that holds the encoder trains them, and needs no other settings.

    Parameters
    ----------
    n_levels : int or "auto", default="auto"
        Number of levels. "auto": each about 1.6 times as fine as the one before.
    coarsest : int or one per axis, default=16
        Cells of an axis at the first level; no more than `finest`.
    finest : int, "auto" or one per axis, default="auto"
        Cells of an axis at the last level. "auto": on a grid the samples per axis less one, so
        that nodes lie on the samples; off a grid 1.4 times the samples per axis. It is the
        setting that matters most.
    order : int, default=2
        Degree of the splines, 1 (a triangle), 2 or 3. Beyond 4 axes always triangles, as a
        sample sees (degree + 1) ** n_axes nodes of a level.
    features_per_level : int, default=4
        Numbers in a code.
    table_size : int, default=2**19
        Most codes of a level. The nodes of a level with more of them share codes, by a hash of
        their place [1]_.
    smoothness : float or "auto", default="auto"
        What a squared difference of neighbouring codes costs in training, in units of the squared
        error of one sample. Levels whose nodes share codes have no neighbours, and cost nothing.
        "auto": the network chooses, by short fits on cells that are held out.
    domain : (low, high) or one pair per axis, default=None
        Range of the coordinates. None: the range seen in ``fit``.
    boundary : {"extend", "periodic"} or one per axis, default="extend"
        "extend": a coordinate outside the domain counts as its nearest end. "periodic": the last
        cell is followed by the first; needs `domain`.
    random_state : int, RandomState instance or None, default=None
        Decides the codes before training.

    Attributes
    ----------
    cells_ : ndarray of shape (n_levels, n_axes)
        Cells of each level along each axis.
    codes_ : list of n_levels ndarrays of shape (n_codes, features_per_level)
        Codes of each level, those of the last axis next to each other.
    hashed_ : list of n_levels bool
        Whether the nodes of a level share codes.
    smoothness_ : float or None
        What training used. None: "auto", before a network has chosen.
    stable_rank_ : ndarray of shape (n_axes,)
        Measured along each axis, with the other coordinates in the middle of their domains.
    domain_ : ndarray of shape (n_axes, 2)
        Ends of the domain.
    n_features_in_ : int
        Number of axes, up to 10; grids of more than 4 have so many nodes that they are hardly
        of use.
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.
    dates_ : tuple
        For each axis None, or for dates what counts as day 0.

    See Also
    --------
    CoordinateMLPRegressor : Trains it.
    KroneckerRidgeCV : Often more accurate on grids and images, without training.

    Notes
    -----
    With one-hot codes a level would be the encoding of a ShiftedBasisEncoder with
    ``complex=True``: all products of the splines of all axes. Learnt codes of four numbers in
    their place keep the columns few.

    Between samples only `smoothness` and the coarse levels say what the function does. Codes
    that no sample sees stay as they are without `smoothness`.

    References
    ----------
    .. [1] T. Müller, A. Evans, C. Schied, A. Keller, "Instant neural graphics primitives with a
       multiresolution hash encoding", ACM Transactions on Graphics 41(4), 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import CoordinateMLPRegressor, MultigridEncoder
    >>> X = np.random.default_rng(0).uniform(size=(400, 2))
    >>> y = np.sin(9 * X[:, 0]) * np.cos(7 * X[:, 1])
    >>> encoder = MultigridEncoder(smoothness=1.0, random_state=0)
    >>> encoder.fit(X).cells_.tolist()
    [[16, 16], [28, 28]]
    >>> model = CoordinateMLPRegressor(encoder, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.98)
    True
    """

    _learns_by_default = True
    _needs_rest = ("low",)
    _read_in_part = ("codes",)
    _own_training = OwnTraining(
        hidden_layer_sizes=(64, 64),
        lr=1e-2,
        lr_schedule="cosine",
        batch_size=2048,
        n_steps=576,
        scales_columns=False,
        fused=True,
    )

    def __init__(
        self,
        *,
        n_levels: Any = "auto",
        coarsest: Any = 16,
        finest: Any = "auto",
        order: int = 2,
        features_per_level: int = 4,
        table_size: int = 2**19,
        smoothness: Any = "auto",
        domain: Any = None,
        boundary: Any = "extend",
        random_state: Any = None,
    ) -> None:
        self.n_levels = n_levels
        self.coarsest = coarsest
        self.finest = finest
        self.order = order
        self.features_per_level = features_per_level
        self.table_size = table_size
        self.smoothness = smoothness
        self.domain = domain
        self.boundary = boundary
        self.random_state = random_state

    def _place(self, X: Array) -> None:
        n_axes = X.shape[1]
        if n_axes > MOST_AXES:
            raise ValueError(
                f"MultigridEncoder encodes up to {MOST_AXES} axes, and is of use up to 4: grids of "
                f"more have too many nodes. Use a RandomFourierEncoder. Got X of {n_axes} axes."
            )
        self._boundaries = parse_boundaries(
            self.boundary, self.domain, n_axes, "extend", "periodic"
        )
        self._values = [len(np.unique(x)) for x in to_numpy(X).T]
        # an axis of a grid, which may have holes; a line of any places is none
        self._on_grid = [
            own < _GRID_AXIS * n for own, n in zip(self._values, samples_per_axis(X), strict=True)
        ]
        if n_axes == 1:
            self._on_grid = [is_even(np.unique(to_numpy(X)))]
        super()._place(X)

    def _fit_axes(self, n_per_axis: NDArray[np.float64]) -> NDArray[np.float64]:
        order = parse_integer(self.order, "order", otherwise=", and at most 3")
        if order > 3:
            raise ValueError(f"order must be 1, 2 or 3. Got {self.order!r}.")
        if len(n_per_axis) > _SPLINES_UP_TO:
            order = 1
        width = parse_integer(self.features_per_level, "features_per_level")
        table = parse_integer(self.table_size, "table_size")
        self.smoothness_ = parse_smoothness(self.smoothness)
        self._levels = GridLevels(
            self._cells(n_per_axis),
            order,
            tuple(each == "periodic" for each in self._boundaries),
            table,
        )
        self.cells_ = self._levels.cells
        self.hashed_ = self._levels.hashed
        n_codes = int(self._levels.starts[-1])
        check_memory((n_codes, width), 8, "lower finest, table_size or features_per_level")
        rng = random_state_of(self.random_state)
        self._codes = rng.uniform(-_FIRST_CODE, _FIRST_CODE, size=(n_codes, width))
        self._split_codes()
        return np.zeros(len(n_per_axis))  # the codes decide the stable rank

    def _cells(self, n_per_axis: NDArray[np.float64]) -> NDArray[np.int64]:
        """Cells of each level along each axis."""
        n_axes = len(n_per_axis)
        finest = per_axis(self.finest, "finest", n_axes, parse_count)
        coarsest = per_axis(self.coarsest, "coarsest", n_axes, parse_integer)
        last = np.empty(n_axes, dtype=np.int64)
        for axis, given in enumerate(finest):
            if given is not None and given > _MOST_CELLS:
                raise ValueError(f"finest must be at most {_MOST_CELLS:,} cells. Got {given!r}.")
            if given is not None and given < coarsest[axis]:
                raise ValueError(
                    f"finest must be at least coarsest, {coarsest[axis]} cells along axis {axis}: "
                    f"raise finest or lower coarsest. Got {given!r}."
                )
            last[axis] = given or self._automatic_cells(axis, n_per_axis[axis])
        first = np.array([min(each) for each in zip(coarsest, last.tolist(), strict=True)])
        n_levels = parse_count(self.n_levels, "n_levels")
        if n_levels is not None and n_levels > _MOST_LEVELS:
            raise ValueError(f"n_levels must be at most {_MOST_LEVELS:,}. Got {n_levels!r}.")
        if n_levels is None:
            n_levels = 1 + round(math.log(float(np.max(last / first))) / math.log(_GROWTH))
        return resolutions(first, last, n_levels)

    def _automatic_cells(self, axis: int, n: float) -> int:
        if not self._on_grid[axis]:
            return max(1, round(_SCATTERED * n))
        return max(1, self._values[axis] - (0 if self._boundaries[axis] == "periodic" else 1))

    def _split_codes(self) -> None:
        self.codes_ = np.split(self._codes, self._levels.starts[1:-1])

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        return {"codes": self._codes, "low": self.domain_[:, 0].copy()}

    def _learnable(self) -> dict[str, Learnable]:
        return {"codes": Learnable("weight")}

    def _read_formula(self) -> None:
        self._codes = self._formula["codes"]
        self._split_codes()

    @property
    def _n_features_out(self) -> int:
        return len(self._levels.cells) * self._n_per_level

    @property
    def _n_per_level(self) -> int:
        return int(self._codes.shape[1])

    def _block_width(self) -> int:
        return self._n_features_out * self._levels.n_seen

    def _blocks(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Iterator[Array]:
        nodes, weights = self._seen(X, arrays, xp)
        codes = xp.take(arrays["codes"], nodes.reshape((-1,)), axis=0)
        codes = codes.reshape((*nodes.shape, -1))
        yield xp.sum(codes * weights[:, :, :, None], axis=2).reshape((X.shape[0], -1))

    def _seen(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> tuple[Array, Array]:
        """The codes that rows see, by number, and their weights: (n, n_levels, n_seen)."""
        x = X - arrays["low"]
        if "low_rest" in arrays:
            x = x - arrays["low_rest"]
        lengths = np.array([high - low for low, high in self._ends])
        columns = [
            x[:, axis] if wraps else xp.clip(x[:, axis], 0.0, float(length))
            for axis, (wraps, length) in enumerate(zip(self._levels.wraps, lengths, strict=True))
        ]
        rates = xp.asarray(self._levels.cells / lengths, dtype=X.dtype, device=device_of(X))
        return self._levels.seen(xp.stack(columns, axis=1)[:, None, :] * rates[None], xp)

    def _linear_in(self) -> str | None:
        return "codes"

    def _rows_of_weights(self, X: NDArray) -> tuple[NDArray, NDArray]:
        nodes, weights = self._seen(X, {"low": self._formula["low"]}, np)
        shape = (-1, self._levels.n_seen)
        return nodes.reshape(shape), weights.reshape(shape)

    def _neighbours(self) -> list[tuple[int, tuple[int, ...], tuple[bool, ...]]]:
        levels = self._levels
        return [
            (int(start), tuple(nodes), levels.wraps)
            for start, nodes, hashed in zip(
                levels.starts[:-1], levels.nodes.tolist(), levels.hashed, strict=True
            )
            if not hashed
        ]

    def _trial(self, X: NDArray, most: int) -> Trial:
        low, high = np.array(self._ends).T
        places = (X - low) / (high - low)
        wraps = np.array(self._levels.wraps)
        places = np.where(wraps, places - np.floor(places), np.clip(places, 0.0, 1.0))
        kept, pushed, thinning = pieces_of(places, most)
        on_grid = all(self._on_grid)
        if on_grid:
            rows, held_out = every_second(pushed)
            cells = self._levels.cells // (2 * thinning)
            # a node for each sample, as in the fit
            cells[-1] = rows[~held_out].max(axis=0, initial=0.0)
        else:
            cells, rows = self._levels.cells // thinning, pushed
            held_out = some_cells(np.floor(pushed * cells[-1]))
        cells = np.maximum(1, cells)
        encoder = clone(self).set_params(
            coarsest=np.minimum(cells[0], cells[-1]).tolist(),
            finest=cells[-1].tolist(),
            n_levels=len(cells),
            domain=[(0.0, float(n)) for n in cells[-1]] if on_grid else (0.0, 1.0),
            boundary="extend",
        )
        return Trial(encoder, kept, rows, held_out, on_grid)

    def _axis_features(self, axis: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        X = np.tile([(low + high) / 2 for low, high in self._ends], (len(x), 1))
        X[:, axis] = x
        features: NDArray[np.float64] = self._in_blocks(X, self._formula)
        return features

    def _functions_on_domain(self) -> float:
        return float(self._levels.cells[-1, 0])

    def _boundary(self, axis: int) -> str:
        return self._boundaries[axis]

    def _is_stationary(self) -> bool:
        return False

    def _axis_similarity(self, axis: int, delta: Array) -> Array:
        return self._measured_similarity(axis, delta)

    def _labels(self, names: Sequence[str]) -> list[str]:
        joined, per_level = "".join(names), self._n_per_level
        numbers = range(self._n_features_out)
        return [f"{joined}_level{j // per_level}_{j % per_level}" for j in numbers]

    def _nominal_stable_rank(self, axis: int) -> float:
        return max(1.0, float(self._levels.cells[-1, axis]) / 2)

    def _rank_setting(self, axis: int) -> float | None:
        return None

    def _advice(self) -> str:
        return "raise finest"

    def _short_name(self) -> str:
        return "learnt grids"


def parse_smoothness(value: Any) -> float | None:
    """A number of at least 0, None for "auto"."""
    if is_auto(value, "smoothness"):
        return None
    return parse_number(value, "smoothness", at_least=0, otherwise=' or "auto"')
