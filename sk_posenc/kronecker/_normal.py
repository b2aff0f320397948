"""Normal equations of a Kronecker ridge: sums over rows that come in blocks, from anywhere."""

import math
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.arrays import SQUARED_UP_TO, to_numpy
from sk_posenc.core.checks import within_floats
from sk_posenc.core.limits import limits_now
from sk_posenc.core.memory import check_memory
from sk_posenc.core.products import mode_products, rowwise_kronecker
from sk_posenc.kronecker._adaptive import Steering
from sk_posenc.kronecker._axis import Axis, Expansion, diagonalise, same_settings
from sk_posenc.kronecker._conjugate_gradients import Diagonal, Scheme, turned
from sk_posenc.kronecker._device import Place
from sk_posenc.kronecker._encoders import axis_features, encoders_per_axis
from sk_posenc.kronecker._rows import can_be_sparse, sparse_products
from sk_posenc.kronecker._structured import mirrored
from sk_posenc.kronecker.penalties import ADAPTIVE, RIDGE, Penalty

# Columns up to which the normal equations of functions that do not end are stored.
_DENSE_UP_TO = 20_000

# Points of an axis that stand for all samples, where those are not kept; and of each function.
_MESH = 1_024
_MESH_PER_COLUMN = 4

# Where the mean squares of functions that end are no further apart, their sums need no turn.
_SPARSE_FROM = 1e-7

_WAY_OUT = (
    "use an encoder with a lower stable_rank or fewer n_shifts, or a basis of bounded support"
)

_TOO_LARGE = (
    "y and sample_weight are too large for partial_fit, which sums sample_weight * y**2, up to "
    f"{SQUARED_UP_TO**2:g}: scale them, for all blocks alike."
)


class NormalEquations(Expansion):
    """Sums over samples of all that ridge regression needs of them.

    Features of each axis are replaced by combinations that are orthogonal over its domain. Small
    combinations are then separate from large ones, and sums of products keep their digits, which
    smoothness magnifies by 1e4 along each axis. Well-conditioned bases of bounded support stay as
    they are, and sparse.

    Attributes
    ----------
    turns : list of ndarrays of shape (k_a, k_a), or None
        Orthogonal, from the coefficients of the sums to those of the features.
    gram : csr_array or ndarray of shape (k, k)
        ``A' W A`` with A the products of the features of all axes.
    moments : ndarray of shape (k, q + 1)
        ``A' W y``, and last ``A' W 1``.
    squares : ndarray of shape (q + 1, q + 1)
        ``Y' W Y`` of the targets and a column of ones.
    n_samples : int
    """

    def __init__(self, encoder: Any, n_axes: int, n_outputs: int) -> None:
        axes: list[Axis] = []
        self._given = encoders_per_axis(encoder, n_axes)  # fitting moves seeds that are objects
        clones = encoders_per_axis(encoder, n_axes)
        for own in clones:
            twin = next(
                (b for b, e in enumerate(clones[: len(axes)]) if same_settings(e, own)), None
            )
            if twin is not None:
                axes.append(axes[twin])
                continue
            low, high = (float(end) for end in np.ravel(own.domain))
            fitted = own.fit(np.array([[low], [high]]))
            n_columns = axis_features(fitted, np.array([low])).shape[1]
            mesh = np.linspace(low, high, max(_MESH, _MESH_PER_COLUMN * n_columns))
            axes.append(Axis(fitted, mesh, RIDGE, n_axes == 1))
        self.axes = axes
        self._shape = tuple(axis.n_columns for axis in axes)
        k = math.prod(self._shape)
        self.turns = self._turns()
        self._sparse = self.turns is None and can_be_sparse([axis.encoder for axis in axes])
        if self._sparse:
            check_memory((k, 3), 64, _WAY_OUT)
            self.gram: Any = sparse.csr_array((k, k))
        else:
            if k > _DENSE_UP_TO:
                raise ValueError(
                    f"too large: the normal equations of {k:,} products of functions without "
                    f"bounded support need a matrix of {8 * k * k / 2**30:,.1f} GiB. At most "
                    f"{_DENSE_UP_TO:,} products are possible: {_WAY_OUT}"
                )
            check_memory((k, k), 24, _WAY_OUT)
            self.gram = np.zeros((k, k))
        self.moments = np.zeros((k, n_outputs + 1))
        self.squares = np.zeros((n_outputs + 1, n_outputs + 1))
        self.n_samples = 0

    def _turns(self) -> list[NDArray[np.float64]] | None:
        """None where not needed: for one axis, or well-conditioned bases of bounded support."""
        if len(self.axes) == 1 or math.prod(self._shape) > _DENSE_UP_TO:
            return None
        of_axes = {id(axis): axis.diagonalised() for axis in {id(a): a for a in self.axes}.values()}
        turns, sizes = zip(*(of_axes[id(axis)] for axis in self.axes), strict=True)
        spread = math.prod(float(each.min() / each.max()) for each in sizes)
        ends = can_be_sparse([axis.encoder for axis in self.axes])
        return None if ends and spread > _SPARSE_FROM else list(turns)

    def with_block(self, X: NDArray, y: NDArray, weights: NDArray) -> "NormalEquations":
        """The sums with those of a block of samples: (n, n_axes), (n, q) and (n,).

        Raises
        ------
        ValueError
            Where squares of the targets, times the weights, are too large to be worked with.
        """
        with within_floats(lambda: _TOO_LARGE):
            again = self._with_sums(X, y, weights)
        if np.max(np.abs(again.squares)) > SQUARED_UP_TO**2:
            raise ValueError(_TOO_LARGE)
        return again

    def _with_sums(self, X: NDArray, y: NDArray, weights: NDArray) -> "NormalEquations":
        targets = np.column_stack([y, np.ones(len(y))]).astype(np.float64)
        gram, moments = self.gram, self.moments
        for start in range(0, len(X), self._block()):
            at = slice(start, start + self._block())
            A, w = self._products(X[at]), weights[at, None]
            weighted = sparse.diags_array(w[:, 0]) @ A if self._sparse else A * w
            gram = gram + A.T @ weighted
            moments = moments + weighted.T @ targets[at]
        squares = self.squares + targets.T @ (weights[:, None] * targets)
        return self._with(gram, moments, squares, self.n_samples + len(X))

    def _with(
        self, gram: Any, moments: NDArray, squares: NDArray, n_samples: int
    ) -> "NormalEquations":
        """The same functions with other sums."""
        again = copy(self)
        again.gram, again.moments, again.squares = gram, moments, squares
        again.n_samples = n_samples
        return again

    def _block(self) -> int:
        width = 1_000 if self._sparse else self.gram.shape[0]
        return max(1, limits_now().block_bytes // (8 * width))

    def _products(self, X: NDArray) -> Any:
        columns = list(X.T)
        if self._sparse:
            return sparse_products([axis.encoder for axis in self.axes], columns, np.float64)
        features = [axis.at(x) for axis, x in zip(self.axes, columns, strict=True)]
        if self.turns is not None:
            features = [each @ turn for each, turn in zip(features, self.turns, strict=True)]
        return rowwise_kronecker(features)

    def merged(self, other: "NormalEquations") -> "NormalEquations":
        """The sums with those of other samples."""
        gram, moments = other.gram, other.moments
        if self.turns is not None and other.turns is not None:
            # another processor may have turned the same features otherwise
            ways = [own.T @ theirs for own, theirs in zip(self.turns, other.turns, strict=True)]
            moments = self.turned_columns(moments, ways)
            gram = self.turned_columns(self.turned_columns(gram, ways).T, ways)
        return self._with(
            self.gram + gram,
            self.moments + moments,
            self.squares + other.squares,
            self.n_samples + other.n_samples,
        )

    def turned_columns(self, columns: NDArray, matrices: Sequence[NDArray]) -> NDArray:
        """Matrix a along axis a of columns of coefficients (k, m)."""
        found = mode_products(columns.T.reshape(-1, *self._shape), matrices)
        return found.reshape(columns.shape[1], -1).T

    def same_functions(self, other: "NormalEquations") -> bool:
        """Whether sums of both are of the same functions."""
        return all(map(same_settings, self._given, other._given))

    def same_encoder(self, encoder: Any) -> bool:
        """Whether an encoder, or one per axis, is what these sums are of."""
        return all(map(same_settings, self._given, encoders_per_axis(encoder, len(self.axes))))

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.squares[-1, -1])

    @property
    def mean(self) -> NDArray[np.float64]:
        """Of the targets, (q,)."""
        return self.squares[-1, :-1] / self.total

    @property
    def n_outputs(self) -> int:
        return self.moments.shape[1] - 1

    def centred(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``A' W y`` (k, q) and ``Y' W Y`` (q, q) of the targets less their means."""
        moments = self.moments[:, :-1] - self.moments[:, -1:] * self.mean
        return moments, self.squares[:-1, :-1] - self.total * np.outer(self.mean, self.mean)

    def scale(self, penalty: Penalty) -> float:
        """What an alpha of 1 is."""
        return self.total if penalty.counts_samples else float(self.gram.diagonal().mean())

    def diagonalised(
        self, penalty: Penalty
    ) -> tuple[list[NDArray], list[NDArray], NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients in which a penalty is diagonal.

        Returns
        -------
        rotations, steps : lists of d ndarrays of shape (k_a, r_a)
            From these coefficients to those of the features, and of the sums.
        size, per_alpha : ndarrays of shape (r_1, ..., r_d)
            See :func:`diagonalise`.
        """
        axes = [Axis(axis.encoder, axis.coordinates, penalty, axis.alone) for axis in self.axes]
        rotations, size, per_alpha = diagonalise(axes, penalty)
        steps = rotations
        if self.turns is not None:
            steps = [turn.T @ R for turn, R in zip(self.turns, rotations, strict=True)]
        return rotations, steps, size, per_alpha

    def solve(
        self, penalty: Penalty, alpha: float, tolerance: float, max_iter: int, place: Place
    ) -> tuple[NDArray[np.float64], int, float]:
        """Coefficients (q, k_1, ..., k_d), steps and error of conjugate gradients.

        Parameters
        ----------
        alpha : float
            Relative.
        """
        if alpha == 0:
            raise ValueError("partial_fit needs alpha > 0: raise alpha. Got alpha=0.")
        centred, covariance = self.centred()
        variances = np.maximum(np.diag(covariance), 0.0)
        back, forth = turned(covariance, np.sqrt(variances / self.total))
        columns = (centred @ forth.T).T  # (q, k)
        squares = np.maximum(np.einsum("ij,jk,ik->i", forth, covariance, forth), 0.0)
        gram = place.sparse(self.gram) if self._sparse else place.array(self.gram)
        scheme: Scheme
        rotations: list[NDArray] = []
        steps = [] if self.turns is None else [turn.T for turn in self.turns]
        scale = self.total
        if penalty == ADAPTIVE:
            scheme = Steering(self.axes, place, np.float64)
        else:
            rotations, steps, size, per_alpha = self.diagonalised(penalty)
            scheme = Diagonal(place.array(size), place.array(per_alpha))
            scale = self.scale(penalty)
        systems = [
            _GramSystem(gram, steps, column.reshape(self._shape), float(square), self.total, place)
            for column, square in zip(columns, squares, strict=True)
        ]
        found = scheme.run(
            systems,
            alpha * scale,
            back,
            [None] * len(systems),
            tolerance=tolerance,
            max_iter=max_iter,
        )
        z = np.tensordot(back, np.stack([to_numpy(each.z) for each in found]), axes=1)
        n_iter = max(1, *(each.n_iter for each in found))
        error = max(0.0 if each.rounded else each.error for each in found)
        return mode_products(z, rotations), n_iter, error


class _GramSystem:
    """A system of sums over samples, of one column of targets."""

    weights = None

    def __init__(
        self,
        gram: Any,
        rotations: list[NDArray],
        moments: NDArray,
        square: float,
        total: float,
        place: Place,
    ) -> None:
        self._gram, self._shape, self.total = gram, moments.shape, total
        self._rotations = [mirrored(each, place.array) for each in rotations]
        self._back = [each.T for each in self._rotations]
        self.goal = mode_products(place.array(moments)[None], self._back)[0]
        self._square, self._image, self._step = square, 0.0 * self.goal, self.goal

    def begin(self, z: Any) -> Any:
        self._image = self.apply(z)
        return self._image

    def apply(self, direction: Any) -> Any:
        coefficients = mode_products(direction[None], self._rotations)
        image = (self._gram @ coefficients.reshape(-1)).reshape(1, *self._shape)
        self._step = mode_products(image, self._back)[0]
        return self._step

    def advance(self, length: float) -> None:
        self._image = self._image + length * self._step

    def left(self, z: Any) -> float:
        return max(0.0, self._square - float((z * (2 * self.goal - self._image)).sum()))
