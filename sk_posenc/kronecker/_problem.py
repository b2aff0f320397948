"""Samples, encoders and a penalty as one Kronecker ridge problem, in any layout."""

import math
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sk_posenc.core.limits import limits_now
from sk_posenc.core.memory import check_memory
from sk_posenc.core.products import evaluate_at_rows, rowwise_kronecker
from sk_posenc.kronecker import _solvers as solvers
from sk_posenc.kronecker._axis import Expansion, added_strengths, diagonalise, fit_axes
from sk_posenc.kronecker._device import NUMPY, DeviceRows, Place
from sk_posenc.kronecker._encoders import SMOOTH_FINER
from sk_posenc.kronecker._iterative import Diagonal, Iteration, Scheme, dtype_for
from sk_posenc.kronecker._rows import (
    DenseRows,
    GridRows,
    Rows,
    SparseRows,
    can_be_sparse,
    sparse_products,
)
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._structured import mirrored

# The Gram matrix squares the condition number; down to this alpha that does no harm.
_GRAM_ALPHA = 1e-9

# The share of residuals, the smallest, that show the noise; of that many standard deviations at
# most, and by so many standard errors more, as the sample of them is small.
_QUIET = 0.1
_QUIET_LIMIT = float(ndtri(0.5 + _QUIET / 2))
_STANDARD_ERRORS = 2.0

# Eigenvalues are exact to rounding of the largest: residuals at a smaller share of it, as alpha,
# are what a processor makes of them.
_SHOWN_BY = 1e-10


class Problem(Expansion):
    """A Kronecker ridge problem, factorised once for all alphas and all targets.

    Parameters
    ----------
    samples : Samples
    encoder : encoder or one per axis
    penalty : {"ridge", "slope", "curvature"} or float
    share : float, default=None
        Stable rank as a share of the samples per axis, in place of what encoders say.
    whole : bool
        Whether leave-one-out will be asked for.
    alphas : sequence of floats
        Those to come.
    place : Place
        Where conjugate gradients run.
    """

    def __init__(
        self,
        samples: Samples,
        encoder: Any,
        penalty: str | float,
        *,
        share: float | None = None,
        whole: bool = False,
        alphas: Sequence[float] | NDArray[np.float64] = (0.0,),
        place: Place = NUMPY,
    ) -> None:
        self.samples = samples
        self.place = place
        self.penalty = penalty
        self._by_gram = min(alphas) >= _GRAM_ALPHA
        self.axes = fit_axes(samples, encoder, penalty, share, self._finer())
        self.n_columns = math.prod(axis.n_columns for axis in self.axes)
        self.iterates = False
        self.layout = self._choose_layout()
        # dual coefficients take the place of coefficients where those are too many
        self.is_dual = self.layout == "dual"
        self.scale = self._mean_diagonal() if isinstance(penalty, str) else self._total_weight()
        self.bands: list[solvers.BandedAxis] = []
        self.factors: list[solvers.AxisFactor] = []
        if self.iterates:
            return
        if not whole:
            self.bands = self._invert_bands(max(alphas) * self.scale)
        if not self.bands:
            self.factors = self._factorise(whole)

    @property
    def adds_up(self) -> bool:
        """Whether the penalty is a function of a sum over several axes, not a product."""
        return not isinstance(self.penalty, str) and len(self.axes) > 1

    @property
    def by_axis(self) -> bool:
        """Whether each axis has a factor of its own."""
        return self.layout == "grid" and not self.adds_up

    @property
    def by_kernel(self) -> bool:
        """Whether the factor is that of the kernel matrix of the samples."""
        return self.layout in {"dual", "holes"} or self.adds_up

    def _finer(self) -> float | None:
        """How much finer than samples ask for automatic shifts are, where a penalty allows it."""
        return None if isinstance(self.penalty, str) or self.samples.on_grid else SMOOTH_FINER

    def _choose_layout(self) -> str:
        samples, k = self.samples, self.n_columns
        n, now = len(samples.occupied), limits_now()
        small = n * k <= now.exact_up_to and n <= now.direct_up_to
        if samples.on_grid:
            self._check_axes()
            layout = "grid" if samples.is_grid else "holes"
            by_kernel = not self.adds_up and n <= now.direct_up_to
            direct = (layout == "grid" and not self.adds_up) or by_kernel or small
            if not direct:
                self.iterates = True
            return layout
        if self.adds_up:
            if not small and len(self.axes) > now.iterated_axes:
                raise ValueError(
                    f"a penalty of smoothness works for up to {now.iterated_axes} axes, or few "
                    f'functions: use penalty="ridge". Got {len(self.axes)} axes and {k:,} products '
                    "of functions."
                )
            check_memory((k,), 96, WAY_OUT)
            self.iterates = not small
            return "scattered"
        if n <= min(k, now.direct_up_to):
            return "dual"
        if k <= now.direct_up_to:
            check_memory((n, k), 24, WAY_OUT)
            return "scattered"
        encoders = [axis.encoder for axis in self.axes]
        if len(self.axes) <= now.iterated_axes and (can_be_sparse(encoders) or n > now.dual_up_to):
            check_memory((k,), 96, WAY_OUT)
            self.iterates = True
            return "scattered"
        if n <= now.dual_up_to:
            check_memory((n, n), 24, WAY_OUT)
            return "dual"
        raise ValueError(
            f"too large: {n:,} samples off a grid need a matrix of {n:,} x {n:,} "
            f"({8 * n * n / 2**30:,.1f} GiB), or {k:,} products of the features of all axes. At "
            f"most {now.dual_up_to:,} samples, or {now.iterated_axes} axes, are possible: {WAY_OUT}"
        )

    def _factorise(self, whole: bool) -> list[solvers.AxisFactor]:
        side = "samples" if whole else "smaller"
        if self.by_axis:
            factors: list[solvers.AxisFactor] = []
            for a, axis in enumerate(self.axes):
                twin = self._twin(a)
                factors.append(
                    factors[twin]
                    if twin < a
                    else solvers.factor_axis(
                        self._weighted(a), axis.whitening, side=side, by_gram=self._by_gram
                    )
                )
            return factors
        roots = self.root_weights()
        if self.layout == "scattered" and not self.adds_up:
            features = self._multiplied()
            by_gram = self._by_gram and features.size > limits_now().exact_up_to
            return [solvers.factor_axis(roots[:, None] * features, side=side, by_gram=by_gram)]
        n = len(roots)
        if self.layout == "holes" and n > limits_now().dual_up_to:
            raise ValueError(
                "too large: off a full grid leave-one-out residuals and standard deviations need "
                f"an n x n matrix, and n may be at most {limits_now().dual_up_to:,}: use fewer "
                f"samples. Got n = {n:,}."
            )
        check_memory((n, n), 24, WAY_OUT)
        if n * self.n_columns <= limits_now().exact_up_to:
            return [solvers.factor_rows(roots[:, None] * self._multiplied())]
        white = self._white_rows()
        return [solvers.factor_kernel(_kernel(white, white) * roots[:, None] * roots)]

    def _white_rows(self) -> list[NDArray[np.float64]]:
        """White features of each axis at the occupied cells."""
        rows = self._rows()
        return [axis.white(axis.features)[i] for axis, i in zip(self.axes, rows, strict=True)]

    def _multiplied(self) -> NDArray[np.float64]:
        """Products of the white features of all axes whose penalty is the identity, (n, k)."""
        features = rowwise_kronecker(self._white_rows())
        return features if self.strengths is None else features / np.sqrt(self.strengths.ravel())

    @cached_property
    def strengths(self) -> NDArray[np.float64] | None:
        """What each product of white features is penalised by; None: all by 1."""
        return added_strengths(self.axes, self.penalty)

    def _weighted(self, a: int) -> NDArray[np.float64]:
        """Features of axis a of a grid, each row times the root of its weight."""
        features, weights = self.axes[a].features, self.samples.axis_weights
        return features if weights is None else np.sqrt(weights[a])[:, None] * features

    def _twin(self, a: int) -> int:
        """The first axis that is the same as axis a."""
        if self.samples.axis_weights is not None:
            return a
        return next(b for b, each in enumerate(self.axes) if each is self.axes[a])

    def _invert_bands(self, alpha: float) -> list[solvers.BandedAxis]:
        """Inverses of all axes, where those give the solution for all alphas up to one."""
        if self.layout != "grid" or self.penalty != "ridge" or not self._by_gram:
            return []
        bands: list[solvers.BandedAxis] = []
        for a in range(len(self.axes)):
            twin = self._twin(a)
            band = bands[twin] if twin < a else solvers.band_axis(self._weighted(a))
            if band is None:
                return []
            bands.append(band)
        return bands if solvers.can_band(bands, alpha) else []

    def check_linear(self) -> None:
        """Raise where the solution is not linear in the targets, and so has no hat matrix."""

    def whole(self) -> "Problem":
        """The same problem, factorised as leave-one-out needs it."""
        self.check_linear()
        if self.iterates and (self.adds_up or self.layout == "scattered"):
            raise ValueError(
                "too large: leave-one-out residuals and standard deviations need an n x n matrix, "
                f"which is not formed in layout_={self.layout!r} with so many samples: predict "
                f"with return_std=False. Got n = {len(self.samples.occupied):,}."
            )
        again = copy(self)
        again.bands, again.iterates = [], False
        again.factors = again._factorise(True)
        return again

    def _check_axes(self) -> None:
        for axis in self.axes:
            check_memory((len(axis.coordinates), axis.n_columns), 24, WAY_OUT)

    def _total_weight(self) -> float:
        """Sum of the weights of the occupied cells."""
        return float(np.sum(self.root_weights() ** 2))

    def _rows(self) -> list[Any]:
        """For each axis, the row of its features that belongs to each occupied cell."""
        if not self.samples.on_grid:
            return [slice(None)] * len(self.axes)
        return list(np.unravel_index(self.samples.occupied, self.samples.shape))

    def root_weights(self) -> NDArray[np.float64]:
        """Of the occupied cells, as a vector."""
        samples = self.samples
        if samples.weights is None:
            return np.ones(samples.n_cells)
        return np.sqrt(samples.weights.ravel()[samples.occupied])

    def _mean_diagonal(self) -> float:
        """Mean diagonal of the weighted Gram matrix of all features, what alpha counts in."""
        if self.layout == "scattered" and self.iterates:
            total = 0.0
            weights = self.root_weights() ** 2
            for rows in self._row_blocks():
                each = [axis.at(axis.coordinates[rows]) for axis in self.axes]
                squares = math.prod(np.sum(features**2, axis=1) for features in each)
                total += float(weights[rows] @ squares)
            return total / self.n_columns
        squares = [np.sum(axis.features**2, axis=1) for axis in self.axes]
        if self.layout == "grid":
            parts = self.samples.axis_weights or [np.ones(len(each)) for each in squares]
            total = math.prod(float(w @ each) for w, each in zip(parts, squares, strict=True))
        else:
            rows_of_all = np.ones(len(self.samples.occupied))
            for each, i in zip(squares, self._rows(), strict=True):
                rows_of_all = rows_of_all * each[i]
            total = float(self.root_weights() ** 2 @ rows_of_all)
        return total / self.n_columns

    def _row_blocks(self) -> Iterator[slice]:
        width = sum(axis.n_columns for axis in self.axes)
        step = max(1, limits_now().block_bytes // (8 * width))
        n = len(self.axes[0].coordinates)
        return (slice(start, start + step) for start in range(0, n, step))

    def condition_number(self, alpha: float) -> float:
        if not self.iterates:
            return solvers.condition_number(self.bands or self.factors, alpha)
        if self.adds_up:
            return math.nan
        # compressing a matrix to the samples keeps it within its bounds
        top = self._total_weight() * float(self._spectral[1].max())
        return (top + alpha) / alpha if alpha > 0 else math.inf

    @property
    def rotates(self) -> bool:
        """Whether solutions go by :meth:`rotate` and :meth:`solve_rotated`, alpha by alpha."""
        return not (self.iterates or self.bands)

    def weigh(self, cells: NDArray) -> NDArray:
        """Targets as the factors take them, times the roots of their weights."""
        samples = self.samples
        if self.by_axis:
            if samples.axis_weights is None:
                return cells
            assert samples.weights is not None
            return cells * np.sqrt(samples.weights)
        flat = cells.reshape(len(cells), -1)[:, samples.occupied]
        return flat * self.root_weights()

    def rotate(self, cells: NDArray) -> NDArray:
        """Targets of all cells in the coordinates in which the problem is diagonal."""
        return solvers.apply_along_axes(self.weigh(cells), [factor.left for factor in self.factors])

    def solve(
        self,
        cells: NDArray,
        alpha: float,
        tolerance: float,
        max_iter: int,
        *,
        iteration: Iteration | None = None,
        start: NDArray | None = None,
    ) -> tuple[NDArray, int, float]:
        """Coefficients (q, k_1, ..., k_d), or dual ones (q, n), for centred targets.

        Parameters
        ----------
        cells : ndarray of shape (q, *shape of the samples)
        alpha : float
            Absolute.
        tolerance, max_iter
            Of conjugate gradients.
        iteration, start
            See :meth:`iteration` and :meth:`Iteration.solve`.

        Returns
        -------
        coefficients : ndarray
        n_iter : int
            Of conjugate gradients; 1 where the solution is direct.
        error : float
            See :class:`Iterated`.
        """
        if self.iterates:
            return self._iterate(cells, alpha, tolerance, max_iter, iteration, start)
        return self._solve_directly(cells, alpha), 1, 0.0

    def _solve_directly(self, cells: NDArray, alpha: float) -> NDArray:
        if self.bands:
            return solvers.solve_banded(self.weigh(cells), self.bands, alpha)
        dtype = cells.dtype
        factors = [factor.astype(dtype) for factor in self.factors]
        weighed = self.weigh(cells).astype(dtype, copy=False)
        rotated = solvers.apply_along_axes(weighed, [factor.left for factor in factors])
        return self._from_rotated(rotated, factors, alpha)

    def solve_rotated(self, rotated: NDArray, alpha: float) -> NDArray:
        return self._from_rotated(rotated, self.factors, alpha)

    def _from_rotated(
        self, rotated: NDArray, factors: Sequence[solvers.AxisFactor], alpha: float
    ) -> NDArray:
        solution = solvers.solve_rotated(rotated, factors, alpha)
        if self.by_axis:
            return solution
        if self.layout == "scattered" and not self.adds_up:
            return self._from_white(solution)
        dual = solution * self.root_weights()
        return dual if self.is_dual else self._coefficients_of_dual(dual)

    def _from_white(self, solution: NDArray) -> NDArray:
        """Coefficients of white features as those of the features."""
        sizes = [axis.white(axis.features[:1]).shape[1] for axis in self.axes]
        back = [
            (solvers.unwhiten(np.eye(size), axis.whitening),)
            for size, axis in zip(sizes, self.axes, strict=True)
        ]
        if self.strengths is not None:
            solution = solution / np.sqrt(self.strengths.ravel())
        return solvers.apply_along_axes(solution.reshape(-1, *sizes), back)

    def _coefficients_of_dual(self, dual: NDArray) -> NDArray:
        if self.strengths is not None or not self.samples.on_grid:
            return self._from_white(dual @ self._multiplied())
        cells = np.zeros((len(dual), self.samples.n_cells))
        cells[:, self.samples.occupied] = dual
        back = [
            (solvers.unwhiten(axis.white(axis.features).T, axis.whitening),) for axis in self.axes
        ]
        return solvers.apply_along_axes(cells.reshape(-1, *self.samples.shape), back)

    @cached_property
    def _spectral(self) -> tuple[list[NDArray], NDArray, NDArray]:
        return diagonalise(self.axes, self.penalty)

    def iteration(self, tolerance: float) -> Iteration:
        """What conjugate gradients need down to a tolerance; large, and not kept."""
        return self._iteration_in(dtype_for(tolerance, len(self.samples.occupied)))

    def _iteration_in(self, dtype: Any) -> Iteration:
        weights = self.samples.weights
        return Iteration(
            self._rows_for(dtype),
            self.place,
            np.dtype(dtype),
            None if weights is None else weights.ravel(),
            self.scheme(dtype),
        )

    def scheme(self, dtype: Any) -> Scheme:
        """How an iteration solves, all that the penalty decides."""
        _, size, per_alpha = self._spectral
        return Diagonal(*(self.place.array(each.astype(dtype)) for each in (size, per_alpha)))

    def _rows_for(self, dtype: Any) -> Rows:
        return self._rows_in([each.astype(dtype) for each in self._spectral[0]], dtype)

    def _rows_in(self, rotations: list[NDArray] | None, dtype: Any) -> Rows:
        """Rows of coefficients that are rotated along each axis, or as they are."""
        place = self.place

        def turned(features: NDArray, a: int) -> NDArray:
            features = features.astype(dtype)
            return features if rotations is None else features @ rotations[a]

        if self.samples.on_grid:
            return GridRows(
                [place.array(turned(axis.features, a)) for a, axis in enumerate(self.axes)]
            )
        encoders = [axis.encoder for axis in self.axes]
        if can_be_sparse(encoders):
            coordinates = [axis.coordinates for axis in self.axes]
            matrix = sparse_products(encoders, coordinates, dtype)
            shape = tuple(axis.n_columns for axis in self.axes)
            steps = [mirrored(each, place.array) for each in rotations or []]
            if place.device is None:
                return SparseRows(matrix, shape, steps)
            return DeviceRows(matrix, shape, steps, place)
        for axis in self.axes:
            check_memory((len(axis.coordinates), axis.n_columns), 24, WAY_OUT)
        blocks = list(self._row_blocks())
        return DenseRows(
            [
                place.array(
                    np.concatenate([turned(axis.at(axis.coordinates[at]), a) for at in blocks])
                )
                for a, axis in enumerate(self.axes)
            ]
        )

    def with_exponent(self, exponent: float) -> "Problem":
        """The same problem of smoothness with another exponent."""
        again = copy(self)
        again.penalty = exponent
        for name in ("strengths", "_spectral"):
            again.__dict__.pop(name, None)
        return again

    def _iterate(
        self,
        cells: NDArray,
        alpha: float,
        tolerance: float,
        max_iter: int,
        iteration: Iteration | None,
        start: NDArray | None,
    ) -> tuple[NDArray, int, float]:
        if alpha == 0:
            raise ValueError(
                f"conjugate gradients, as used in layout_={self.layout!r}, need alpha > 0: raise "
                "alpha. Got alpha=0."
            )
        if iteration is None:
            iteration = self.iteration(tolerance)
        columns = cells.reshape(len(cells), -1)
        settings: dict[str, Any] = {"tolerance": tolerance, "max_iter": max_iter}
        starts = [] if start is None else [start]
        solved = iteration.solve(columns, alpha, start=starts, **settings)
        n_iter = solved.n_iter
        if solved.rounded and iteration.dtype == np.float32:
            iteration = self._iteration_in(np.float64)
            solved = iteration.solve(columns, alpha, start=solved.uncorrelated, **settings)
            n_iter += solved.n_iter
        error = 0.0 if solved.rounded else solved.error  # no arithmetic comes nearer
        return self._unrotated(solved.z), n_iter, error

    def _unrotated(self, z: NDArray) -> NDArray:
        """Coefficients of those that conjugate gradients have."""
        return solvers.apply_along_axes(z, [(each,) for each in self._spectral[0]])

    def predict_rows(self, solution: NDArray, features: Sequence[NDArray]) -> NDArray:
        if not self.is_dual:
            return super().predict_rows(solution, features)
        m, out = len(features[0]), np.empty((len(features[0]), len(solution)))
        rows = max(1, limits_now().block_bytes // (8 * solution.shape[1] * (1 + len(features))))
        for start in range(0, m, rows):
            at = slice(start, start + rows)
            out[at] = self.cross_kernel([each[at] for each in features]) @ solution.T
        return out

    def cross_kernel(self, features: Sequence[NDArray]) -> NDArray:
        """Kernel of points and occupied cells, (m, n)."""
        white = [axis.white(each) for axis, each in zip(self.axes, features, strict=True)]
        if self.strengths is None:
            return _kernel(white, self._white_rows())
        products = rowwise_kronecker(white) / np.sqrt(self.strengths.ravel())
        return products @ self._multiplied().T

    def own_kernel(self, features: Sequence[NDArray]) -> NDArray:
        """Kernel of points and themselves, (m,)."""
        white = [axis.white(each) for axis, each in zip(self.axes, features, strict=True)]
        squares = [each**2 for each in white]
        if self.strengths is None:
            return math.prod(np.sum(each, axis=1) for each in squares)
        return evaluate_at_rows(1 / self.strengths[None], squares)[:, 0]

    def leave_one_out(self, columns: NDArray, rotated: NDArray, alpha: float) -> NDArray:
        """Residuals of each sample under the fit to all others; (n_samples, q).

        Encoders and penalty stay; the mean of the targets is that of the others.

        Parameters
        ----------
        columns : ndarray of shape (n_samples, q)
            Centred targets.
        rotated : ndarray
            ``rotate(with_constant(columns))``.
        alpha : float
        """
        residuals, remaining = solvers.residual_parts(rotated, self.factors, alpha)
        samples = self.samples
        roots = self.weigh(np.ones((1, *samples.shape)))[0]
        residuals = self._to_samples(residuals / roots)  # (n, q + 1)
        in_cell, in_all = samples.shares()
        left_out = (1 - in_cell) + in_cell * self._to_samples(remaining[None])
        left_out = np.where(in_all > 0, left_out, 1.0)  # holes leave nothing
        # the mean moves when a sample goes
        moved = columns * in_all / (1 - in_all)
        return (
            (columns - samples.to_samples(samples.to_cells(columns)))
            + residuals[:, :-1]
            + moved * residuals[:, -1:]
        ) / left_out

    def noise_floor(self, rotated: NDArray, alpha: float) -> float:
        """Standard deviation that white noise may have, from the smallest leave-one-out residuals.

        Each residual is a known combination of samples: for noise alone its variance is known.
        Where a signal has quiet parts, the smallest tenth of the residuals is noise only;
        where it has none, the result is an upper bound. Two standard errors of that quantile
        are added, as few samples say little about their noise.

        Parameters
        ----------
        rotated : ndarray
            Targets by :meth:`rotate`, of a problem for leave-one-out.
        alpha : float
            Small: what the fit cannot follow is then noise. Where rounding would decide, a
            larger one takes its place.
        """
        eigenvalues = solvers.spectrum(self.factors)
        alpha = max(alpha, _SHOWN_BY * float(eigenvalues.max()))
        kept = alpha / (eigenvalues + alpha)
        bases = [factor.left[0].T for factor in self.factors]
        residuals = solvers.apply_along_axes(rotated * kept, [(U,) for U in bases])
        gain = solvers.apply_along_axes((kept**2)[None], [(U**2,) for U in bases])
        sizes = np.abs(residuals) / np.sqrt(gain)
        # the error of a quantile, as a share of it: by the density of residuals there
        density = math.sqrt(2 / math.pi) * math.exp(-(_QUIET_LIMIT**2) / 2)
        error = math.sqrt(_QUIET * (1 - _QUIET) / sizes.size) / (density * _QUIET_LIMIT)
        return float(np.quantile(sizes, _QUIET)) / _QUIET_LIMIT * (1 + _STANDARD_ERRORS * error)

    def with_constant(self, columns: NDArray) -> NDArray:
        """Targets over the cells, and a column of ones: what `leave_one_out` rotates."""
        cells = self.samples.to_cells(columns).astype(np.float64, copy=False)
        return np.concatenate([cells, np.ones((1, *self.samples.shape))])

    def _to_samples(self, occupied: NDArray) -> NDArray:
        if self.by_axis:
            return self.samples.to_samples(occupied)
        cells = np.zeros((len(occupied), self.samples.n_cells))
        cells[:, self.samples.occupied] = occupied
        return self.samples.to_samples(cells.reshape(-1, *self.samples.shape))


def _kernel(first: Sequence[NDArray], second: Sequence[NDArray]) -> NDArray:
    """Product over the axes of the inner products of whitened features, (m, n)."""
    kernel = first[0] @ second[0].T
    for a, b in zip(first[1:], second[1:], strict=True):
        kernel *= a @ b.T
    return kernel


WAY_OUT = (
    "use samples on a grid, fewer samples, or an encoder with a lower stable_rank or fewer n_shifts"
)
