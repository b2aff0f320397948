"""Samples, encoders and a penalty as one Kronecker ridge problem, whatever the layout."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sk_posenc import _kronecker_solvers as solvers
from sk_posenc._axis_encoders import axis_features, encoders_per_axis, fit_axis
from sk_posenc._base import check_memory
from sk_posenc._kronecker_samples import Samples
from sk_posenc.shifted_basis import ShiftedBasisEncoder

# Samples up to which an n x n matrix is factorised; in one step, or where nothing else fits.
DIRECT_UP_TO = 2_000
DUAL_UP_TO = 8_000

# Columns up to which features of samples that are no grid are multiplied out.
_EXPLICIT_UP_TO = 8_000

# Entries up to which features are multiplied out to spare the condition number a square.
_EXACT_UP_TO = 2**19

# The Gram matrix squares the condition number; down to this alpha that does no harm.
_GRAM_ALPHA = 1e-9

BLOCK_BYTES = 2**26

# The share of residuals, the smallest, that show the noise.
_QUIET = 0.1


@dataclass(eq=False)
class Axis:
    """What one axis brings to the problem: its encoder, features and penalty."""

    encoder: Any
    coordinates: NDArray
    features: NDArray[np.float64]  # (n, k), without weights
    root: NDArray[np.float64] | None

    def at(self, x: NDArray, order: int = 0) -> NDArray[np.float64]:
        if order == 0 and np.array_equal(x, self.coordinates):
            return self.features
        return axis_features(self.encoder, x, order)

    def white(self, features: NDArray) -> NDArray:
        return solvers.whiten(features, self.root)


class Problem:
    """A Kronecker ridge problem, factorised once for all alphas and all targets.

    Parameters
    ----------
    samples : Samples
    encoder : encoder or one per axis
    penalty : {"ridge", "slope", "curvature"}
    share : float, default=None
        Stable rank as a share of the samples per axis, in place of what encoders say.
    whole : bool
        Whether leave-one-out will be asked for.
    alphas : sequence of floats
        Those to come.
    """

    def __init__(
        self,
        samples: Samples,
        encoder: Any,
        penalty: str,
        *,
        share: float | None = None,
        whole: bool = False,
        alphas: Sequence[float] | NDArray[np.float64] = (0.0,),
    ) -> None:
        self.samples = samples
        self._by_gram = min(alphas) >= _GRAM_ALPHA
        self.axes = _fit_axes(samples, encoder, penalty, share)
        self.n_columns = math.prod(axis.features.shape[1] for axis in self.axes)
        self.layout = self._choose_layout()
        # dual coefficients take the place of coefficients where those are too many
        self.is_dual = self.layout == "dual"
        self.iterates = False
        self.scale = self._mean_diagonal()
        self.bands = [] if whole else self._invert_bands(penalty, max(alphas) * self.scale)
        self.factors = [] if self.bands else self._factorise(whole)

    def _choose_layout(self) -> str:
        samples, k = self.samples, self.n_columns
        if samples.is_grid:
            for axis in self.axes:
                check_memory(axis.features.shape, 24, _WAY_OUT)
            return "grid"
        if samples.on_grid:
            return "holes"
        n = len(samples.occupied)
        if n <= min(k, DUAL_UP_TO):
            check_memory((n, n), 24, _WAY_OUT)
            return "dual"
        if k <= _EXPLICIT_UP_TO:
            check_memory((n, k), 24, _WAY_OUT)
            return "scattered"
        if n <= DUAL_UP_TO:
            check_memory((n, n), 24, _WAY_OUT)
            return "dual"
        raise ValueError(
            f"{n:,} samples that are no grid take an {n:,} x {n:,} matrix "
            f"({8 * n * n / 2**30:,.1f} GiB), or one of {n:,} x {k:,} features "
            f"({8 * n * k / 2**30:,.1f} GiB); up to {DUAL_UP_TO:,} samples or "
            f"{_EXPLICIT_UP_TO:,} features are solved. {_WAY_OUT}"
        )

    def _factorise(self, whole: bool) -> list[solvers.AxisFactor]:
        side = "samples" if whole else "smaller"
        if self.layout == "grid":
            factors: list[solvers.AxisFactor] = []
            for a, axis in enumerate(self.axes):
                twin = self._twin(a)
                factors.append(
                    factors[twin]
                    if twin < a
                    else solvers.factor_axis(
                        self._weighted(a), axis.root, side=side, by_gram=self._by_gram
                    )
                )
            return factors
        roots = self.root_weights()
        if self.layout == "scattered":
            features = solvers.rowwise_kronecker([axis.white(axis.features) for axis in self.axes])
            by_gram = self._by_gram and features.size > _EXACT_UP_TO
            return [solvers.factor_axis(roots[:, None] * features, side=side, by_gram=by_gram)]
        n = len(roots)
        if self.layout == "holes" and n > (DUAL_UP_TO if whole else DIRECT_UP_TO):
            self.iterates = True
            self._check_grid_memory()
            return [
                solvers.factor_axis(axis.features, axis.root, side="samples", by_gram=False)
                for axis in self.axes
            ]
        check_memory((n, n), 24, _WAY_OUT)
        rows = self._rows()
        white = [axis.white(axis.features)[i] for axis, i in zip(self.axes, rows, strict=True)]
        if n * self.n_columns <= _EXACT_UP_TO:
            return [solvers.factor_rows(roots[:, None] * solvers.rowwise_kronecker(white))]
        return [solvers.factor_kernel(_kernel(white, white) * roots[:, None] * roots)]

    def _weighted(self, a: int) -> NDArray[np.float64]:
        """Features of axis a of a grid, each row times the root of its weight."""
        features, weights = self.axes[a].features, self.samples.axis_weights
        return features if weights is None else np.sqrt(weights[a])[:, None] * features

    def _twin(self, a: int) -> int:
        """The first axis that is the same as axis a."""
        if self.samples.axis_weights is not None:
            return a
        return next(b for b, each in enumerate(self.axes) if each is self.axes[a])

    def _invert_bands(self, penalty: str, alpha: float) -> list[solvers.BandedAxis]:
        """Inverses of all axes, where those give the solution for all alphas up to one."""
        if self.layout != "grid" or penalty != "ridge" or not self._by_gram:
            return []
        bands: list[solvers.BandedAxis] = []
        for a in range(len(self.axes)):
            twin = self._twin(a)
            band = bands[twin] if twin < a else solvers.band_axis(self._weighted(a))
            if band is None:
                return []
            bands.append(band)
        return bands if solvers.can_band(bands, alpha) else []

    def whole(self) -> "Problem":
        """The same problem, factorised for leave-one-out."""
        again = copy(self)
        again.bands = []
        again.factors = again._factorise(True)
        return again

    def _check_grid_memory(self) -> None:
        for axis in self.axes:
            check_memory(axis.features.shape, 24, _WAY_OUT)

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
        squares = [np.sum(axis.features**2, axis=1) for axis in self.axes]
        if self.layout == "grid":
            parts = self.samples.axis_weights or [np.ones(len(each)) for each in squares]
            total = math.prod(float(w @ each) for w, each in zip(parts, squares, strict=True))
        else:
            rows = np.ones(len(self.samples.occupied))
            for each, i in zip(squares, self._rows(), strict=True):
                rows = rows * each[i]
            total = float(self.root_weights() ** 2 @ rows)
        return total / self.n_columns

    def condition_number(self, alpha: float) -> float:
        if not self.iterates:
            return solvers.condition_number(self.bands or self.factors, alpha)
        weights = self.samples.weights
        assert weights is not None
        observed = weights[weights > 0]
        eigenvalues = solvers.spectrum(self.factors)
        # compressing a matrix to the cells that have samples keeps it within its bounds
        top = float(eigenvalues.max() * observed.max())
        return (top + alpha) / (float(eigenvalues.min() * observed.min()) + alpha)

    @property
    def rotates(self) -> bool:
        """Whether solutions go by :meth:`rotate` and :meth:`solve_rotated`, alpha by alpha."""
        return not (self.iterates or self.bands)

    def weigh(self, cells: NDArray) -> NDArray:
        """Targets as the factors take them, times the roots of their weights."""
        samples = self.samples
        if self.layout == "grid":
            if samples.axis_weights is None:
                return cells
            assert samples.weights is not None
            return cells * np.sqrt(samples.weights)
        flat = cells.reshape(len(cells), -1)[:, samples.occupied]
        return flat * self.root_weights()

    def rotate(self, cells: NDArray) -> NDArray:
        """Targets of all cells in the coordinates in which the problem is diagonal."""
        return solvers.apply_along_axes(self.weigh(cells), [factor.left for factor in self.factors])

    def solve(self, cells: NDArray, alpha: float) -> NDArray:
        """Coefficients (q, k_1, ..., k_d), or dual ones (q, n), for centred targets."""
        if self.iterates:
            return self._iterate(cells, alpha)
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
        if self.layout == "grid":
            return solution
        if self.layout == "scattered":
            return self._unwhiten(solution)
        dual = solution * self.root_weights()
        return dual if self.is_dual else self._coefficients_of_dual(dual)

    def _unwhiten(self, solution: NDArray) -> NDArray:
        sizes = [axis.features.shape[1] for axis in self.axes]
        solution = solution.reshape(-1, *sizes)
        for a, axis in enumerate(self.axes):
            if axis.root is not None:
                back = solvers.unwhiten(np.eye(sizes[a]), axis.root)
                step = [(back,) if b == a else () for b in range(len(sizes))]
                solution = solvers.apply_along_axes(solution, step)
        return solution

    def _coefficients_of_dual(self, dual: NDArray) -> NDArray:
        cells = np.zeros((len(dual), self.samples.n_cells))
        cells[:, self.samples.occupied] = dual
        back = [(solvers.unwhiten(axis.white(axis.features).T, axis.root),) for axis in self.axes]
        return solvers.apply_along_axes(cells.reshape(-1, *self.samples.shape), back)

    def _iterate(self, cells: NDArray, alpha: float) -> NDArray:
        if alpha == 0:
            raise ValueError("a grid with holes or uneven weights needs alpha > 0. Got alpha=0.")
        weights = self.samples.weights
        assert weights is not None
        coefficients, error = solvers.solve_with_weights(
            cells.astype(np.float64), weights, self.factors, alpha
        )
        if not error <= 1e-6:
            raise ValueError(
                f"conjugate gradients on a grid with holes or uneven weights stopped at a "
                f"relative error of {error:.1g}: raise alpha, or leave out empty parts of the grid"
            )
        return coefficients

    def features_at(
        self, coordinates: Sequence[NDArray], orders: Sequence[int]
    ) -> list[NDArray[np.float64]]:
        return [
            axis.at(x, order) for axis, x, order in zip(self.axes, coordinates, orders, strict=True)
        ]

    def predict_rows(self, solution: NDArray, features: Sequence[NDArray]) -> NDArray:
        """Values at points given by their features of each axis; (m, q), in blocks."""
        m = len(features[0])
        if self.is_dual:
            width = solution.shape[1] * (1 + len(features))
        else:
            width = solution.size // solution.shape[1]
        rows = max(1, BLOCK_BYTES // (8 * width))
        out = np.empty((m, len(solution)))
        for start in range(0, m, rows):
            block = [each[start : start + rows] for each in features]
            if self.is_dual:
                out[start : start + rows] = self.cross_kernel(block) @ solution.T
            else:
                out[start : start + rows] = solvers.evaluate_at_rows(solution, block)
        return out

    def cross_kernel(self, features: Sequence[NDArray]) -> NDArray:
        """Kernel of points and occupied cells, (m, n)."""
        rows = self._rows()
        return _kernel(
            [axis.white(each) for axis, each in zip(self.axes, features, strict=True)],
            [axis.white(axis.features)[i] for axis, i in zip(self.axes, rows, strict=True)],
        )

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
        # the mean moves when a sample goes
        moved = columns * in_all / (1 - in_all)
        return (
            (columns - samples.to_samples(samples.to_cells(columns)))
            + residuals[:, :-1]
            + moved * residuals[:, -1:]
        ) / left_out

    def noise_floor(self, rotated: NDArray, alpha: float) -> float:
        """Standard deviation of white noise, from the smallest leave-one-out residuals.

        Each residual is a known combination of samples, so that of noise alone its
        variance would be known. Where a signal has quiet parts, the least tenth of the
        residuals holds noise alone; where it has none, it is an upper bound.

        Parameters
        ----------
        rotated : ndarray
            Targets by :meth:`rotate`, of a problem for leave-one-out.
        alpha : float
            Small: what the fit cannot follow is then noise.
        """
        kept = alpha / (solvers.spectrum(self.factors) + alpha)
        bases = [factor.left[0].T for factor in self.factors]
        residuals = solvers.apply_along_axes(rotated * kept, [(U,) for U in bases])
        gain = solvers.apply_along_axes((kept**2)[None], [(U**2,) for U in bases])
        sizes = np.abs(residuals) / np.sqrt(gain)
        return float(np.quantile(sizes, _QUIET) / ndtri(0.5 + _QUIET / 2))

    def with_constant(self, columns: NDArray) -> NDArray:
        """Targets over the cells, and a column of ones: what `leave_one_out` rotates."""
        cells = self.samples.to_cells(columns).astype(np.float64, copy=False)
        return np.concatenate([cells, np.ones((1, *self.samples.shape))])

    def _to_samples(self, occupied: NDArray) -> NDArray:
        if self.layout == "grid":
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


def _fit_axes(samples: Samples, encoder: Any, penalty: str, share: float | None) -> list[Axis]:
    clones = encoders_per_axis(encoder, len(samples.coordinates))
    axes: list[Axis] = []
    for a, (own, x) in enumerate(zip(clones, samples.coordinates, strict=True)):
        for b in range(a):
            if np.array_equal(samples.coordinates[b], x) and same_settings(clones[b], own):
                axes.append(axes[b])
                break
        else:
            fitted = fit_axis(own, x, samples.n_per_axis[a], on_grid=samples.on_grid, share=share)
            features = axis_features(fitted, x)
            axes.append(Axis(fitted, x, features, _root(fitted, penalty, features.shape[1])))
    return axes


def same_settings(first: Any, second: Any) -> bool:
    """Whether two unfitted encoders are of one class and have equal parameters."""
    if type(first) is not type(second):
        return False
    one, two = first.get_params(deep=False), second.get_params(deep=False)
    return all(
        np.shape(value) == np.shape(two[name]) and bool(np.all(np.equal(value, two[name])))
        for name, value in one.items()
    )


def _root(encoder: Any, penalty: str, n: int) -> NDArray[np.float64] | None:
    if penalty == "ridge":
        return None
    if not isinstance(encoder, ShiftedBasisEncoder):
        raise ValueError(
            f"penalty={penalty!r} takes differences of coefficients that are in order along an "
            f'axis, as those of a ShiftedBasisEncoder: use penalty="ridge". Got {encoder!r}.'
        )
    return solvers.penalty_root(penalty, n, circular=encoder.boundary == "periodic")


_WAY_OUT = (
    "Give samples on a grid, fewer samples, or an encoder of lower stable_rank or fewer n_shifts."
)
