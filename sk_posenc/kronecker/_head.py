"""What both Kronecker heads share: samples checked, and predictions of a fitted problem."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import copy
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.callback_support import CallbackSupport
from sk_posenc.core.checks import (
    check_weights,
    checked_data,
    in_precision_of,
    missing_targets_explained,
    where_available,
    within_floats,
)
from sk_posenc.core.incoming import Dates
from sk_posenc.core.listing import ListedCheaply
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_flag, parse_integer, parse_positive
from sk_posenc.core.state import of_one_fit
from sk_posenc.kronecker._axis import Expansion
from sk_posenc.kronecker._axis_product import AxisProduct
from sk_posenc.kronecker._beyond import widened
from sk_posenc.kronecker._conjugate_gradients import Iteration
from sk_posenc.kronecker._device import NUMPY, Place, place_of, predict_on_device, to_host
from sk_posenc.kronecker._fit import Fit
from sk_posenc.kronecker._fit_of_sums import FitOfSums
from sk_posenc.kronecker._linear_term import LinearTerm
from sk_posenc.kronecker._normal import NormalEquations
from sk_posenc.kronecker._patterns import Pattern, joined
from sk_posenc.kronecker._posterior import Posterior
from sk_posenc.kronecker._predict import evaluate, evaluate_grid, variance_at, variance_on_grid
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._progress import stage
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._scoring import ScoredWherePresent
from sk_posenc.kronecker._settings import (
    OBSERVATION,
    axes_in_numbers,
    fill_holes,
    parse_orders,
    parse_return_std,
    refusing_overflow,
)
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker._warnings import warn_of_condition, warn_of_error
from sk_posenc.kronecker.penalties import RADIAL


def _predictions_in(dtype: np.dtype) -> AbstractContextManager[None]:
    return within_floats(
        lambda: (
            "X must be in float64, as predictions are in its precision and beyond it: convert X. "
            f"Got {dtype}."
        )
    )


class KroneckerHead(
    ListedCheaply,
    CallbackSupport,
    LinearTerm,
    ScoredWherePresent,
    MultiOutputMixin,
    RegressorMixin,
    BaseEstimator,
):
    """What both heads share: checking samples, and predictions of a fitted problem."""

    tol: float
    max_iter: int
    nan_is_hole: bool
    verbose: int
    _problem: Problem | None  # None where sums over blocks are what is fitted
    _expansion: Expansion
    _sums: NormalEquations | None
    _place: Place
    _solution: NDArray
    _fits: Sequence[tuple[Any, Fit | FitOfSums]]  # each of the outputs at some columns
    _missing: NDArray[np.bool_] | None  # of samples that have some of their targets
    intercept_: Any
    dates_: Dates

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = False
        return tags

    def _check_samples(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool = True
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        """X (n, n_columns), y (n,) or (n, n_outputs) and weights (n,); NaN for those of holes."""
        self._place = place_of(X)
        X, y, sample_weight = to_host([X, y, sample_weight])
        self._tolerance = parse_positive(self.tol, "tol")
        self._max_iter = parse_integer(self.max_iter, "max_iter")
        holes = None
        if parse_flag(self.nan_is_hole, "nan_is_hole"):
            y, holes = fill_holes(y)
        way_out = "set nan_is_hole=True to leave these rows out"
        known = None if reset else self.dates_
        with missing_targets_explained(way_out), self._missing_explained(X, known):
            X, y = checked_data(
                self,
                X,
                y,
                reset=reset,
                dtype=[np.float64, np.float32],
                multi_output=True,
                y_numeric=True,
            )
        X = np.asarray(X)
        if reset:
            self._find_columns(X.shape[1])
        y = in_precision_of(X, np.asarray(y))
        weights = None if sample_weight is None else check_weights(sample_weight, len(X))
        self._missing = None
        if holes is not None and holes.any():
            columns = holes.reshape(len(X), -1)
            weights = np.ones(len(X)) if weights is None else weights.copy()
            weights[columns.all(axis=1)] = np.nan
            if np.any(columns != columns[:, :1]):
                self._missing = columns[weights != 0]
        return X, y, weights

    @of_one_fit
    def predict(
        self,
        X: ArrayLike,
        *,
        derivative: Sequence[int] | int | None = None,
        return_std: bool | str = False,
    ) -> Any:
        """Predict values, their derivatives, and how uncertain they are.

        Points that form a grid, or most of one, are predicted axis by axis. Others are
        predicted in blocks of bounded size.

        Parameters
        ----------
        X : array-like of shape (n_points, n_columns)
            Coordinates and covariates, in the units seen in ``fit``, anywhere.
        derivative : tuple of n_axes ints, default=None
            Order of the partial derivative along each axis: (1, 0) for the slope along the
            first of two. Covariates stay as they are. Derivatives are exact. Gaussian, sine and
            Fourier bases have all orders, "bspline" and "matern72" up to two, a :class:`Basis` of
            your own those that it defines. With the penalty "similarity", "bspline" and "matern72"
            have up to six, "triangle" and "matern32" up to two; with "radial" there are none. An
            axis whose `spacing` is above 0 has up to two; the second jumps at some of the samples.
        return_std : bool or "observation", default=False
            True: also the standard deviation of the function, without the noise of samples.
            "observation": that of a new sample of mean weight, with its noise. The fit is the
            posterior mean of a Gaussian process, whose noise is `noise_variance_`; where a search
            has chosen among listed candidates, noise and signal are estimated apart. Where the
            system is solved directly, or has up to 2,000 products of features, deviations are
            exact. Beyond, they are root mean squares of 64 functions that are drawn, and exact
            to 15 %: that takes the time of some 64 fits once, and 64 times the memory of the
            coefficients. Outside the domain, where values are those of its nearest end, they grow
            with the distance, as much as the function moves over it inside.

        Returns
        -------
        y : ndarray of shape (n_points,) or (n_points, n_outputs)
        std : ndarray of the same shape
            Only with ``return_std=True``.

        Raises
        ------
        ValueError
            For NaN, another number of axes than in ``fit``, negative orders, derivatives
            that a basis does not have, and standard deviations that do not fit into memory.
            Also for those of "adaptive", and of a fit that passes through all samples.
        TypeError
            For orders that are not whole numbers.
        """
        check_is_fitted(self)
        self._settle()
        shape = getattr(X, "shape", ())
        if shape:  # before a copy is made
            self._check_output(shape[0])
        place, tensor = place_of(X), X
        (X,) = to_host([X])
        with self._missing_explained(X, self.dates_):
            X = np.asarray(checked_data(self, X, dtype=[np.float64, np.float32], reset=False))
        X, beside = self._columns.split(X)
        orders = parse_orders(derivative, X.shape[1])
        single = np.ndim(self.intercept_) == 0
        n_outputs = 1 if single else len(self.intercept_)
        if not shape:
            self._check_output(len(X))
        deviating = parse_return_std(return_std, orders)
        offset = np.zeros(n_outputs) if any(orders) else np.atleast_1d(self.intercept_)
        on_host = place is NUMPY or any(orders) or deviating or self._expansion.on_host
        if not on_host and beside is None:
            values = predict_on_device(self._expansion, self._solution, tensor, offset, place)
            return values[:, 0] if single else values
        with refusing_overflow(orders):
            found = [evaluate(self._expansion, self._solution, X, orders, offset)]
            std = self._deviations(X, beside, orders) if deviating else None
        if beside is not None and not any(orders):
            found[0] = found[0] + self._linear_values(beside)
        if std is not None:
            found.append(np.hypot(std, np.sqrt(self._noise())) if deviating == OBSERVATION else std)
        with _predictions_in(X.dtype):
            found = [each.astype(X.dtype, copy=False) for each in found]
        shown = tuple(place.array(each[:, 0] if single else each) for each in found)
        return shown if deviating else shown[0]

    def _check_output(self, n_points: int) -> None:
        shape = n_points, max(len(self._columns.axes), np.size(self.intercept_))
        check_memory(shape, 8, "predict fewer points at a time")

    @of_one_fit
    def _predict_on_axes(
        self, axes: Sequence[NDArray], *, return_std: bool | str = False
    ) -> tuple[NDArray, NDArray | None] | None:
        """Predict at all combinations of coordinates along each axis, without forming rows of them.

        `predict_grid` gives labelled maps by it.

        Parameters
        ----------
        axes : sequence of n_axes arrays of shape (n_a,)
            Coordinates along each axis, in the units seen in ``fit``, or dates.
        return_std : bool or "observation", default=False
            As in :meth:`predict`.

        Returns
        -------
        y : ndarray of shape (n_1, ..., n_axes) or (n_1, ..., n_axes, n_outputs)
        std : ndarray of the same shape, or None
            Both in a tuple; None in place of it where predictions must go by rows.

        Raises
        ------
        ValueError
            For NaN, and another number of axes than in ``fit``.
        """
        check_is_fitted(self)
        self._settle()
        columns = axes_in_numbers(axes, self._axis_dates)
        offset = np.atleast_1d(self.intercept_)
        dtype = np.result_type(*columns)
        with _predictions_in(dtype):
            values = evaluate_grid(self._expansion, self._solution, columns, offset, dtype)
        std = self._deviations_on_axes(columns) if return_std and values is not None else None
        if values is None or (return_std and std is None):
            return None
        shape = tuple(map(len, columns))
        if np.ndim(self.intercept_):
            shape = (*shape, len(values))
        if std is not None:
            if return_std == OBSERVATION:
                std = np.hypot(std, np.sqrt(self._noise()))
            with _predictions_in(dtype):
                std = std.astype(dtype, copy=False).reshape(shape)
        return np.ascontiguousarray(values.T).reshape(shape), std

    def _deviations_on_axes(self, columns: Sequence[NDArray]) -> NDArray[np.float64] | None:
        """Standard deviations of the function at all combinations, (n_cells, q); None: by rows."""
        head = self._linear_head()
        std = np.empty((math.prod(map(len, columns)), len(np.atleast_1d(self.intercept_))))
        for outputs, fit in head._fits:
            found = head._spread(fit, partial(variance_on_grid, columns))
            if found is None:
                return None
            std[:, outputs] = found
        return widened(std, self._expansion, self._solution, columns, on_grid=True)

    def _settle(self) -> None:
        """Do the work that a fit has postponed."""

    def _deviations(
        self, X: NDArray, beside: NDArray | None, orders: Sequence[int]
    ) -> NDArray[np.float64]:
        """Standard deviations of the function, (m, q)."""
        head = self._linear_head()
        std = np.empty((len(X), len(np.atleast_1d(self.intercept_))))
        for columns, fit in head._fits:
            spread = head._spread(fit, partial(variance_at, X, orders))
            assert spread is not None
            linear = head._linear_deviations(fit, X, beside, orders)
            std[:, columns] = spread if linear is None else np.hypot(spread, linear)
        return widened(std, self._expansion, self._solution, list(X.T), orders)

    def _spread(
        self, fit: Fit | FitOfSums, at_points: Callable[[Expansion, Posterior], NDArray | None]
    ) -> NDArray[np.float64] | None:
        """Standard deviations (m, q), from what a posterior says at points; None where nothing."""
        variance = at_points(*self._deviating(fit))
        return None if variance is None else fit.deviations(variance)

    def _deviating(self, fit: Fit | FitOfSums) -> tuple[Expansion, Posterior]:
        """What tells variances over that of the noise, and the features that it takes."""
        expansion = fit.problem.solver.expansion if isinstance(fit, Fit) else self._expansion
        return expansion, fit.posterior

    def _noise(self) -> NDArray[np.float64]:
        noise = np.empty(len(np.atleast_1d(self.intercept_)))
        head = self._linear_head()
        for columns, fit in head._fits:
            noise[columns] = head._noise_of(fit)
        return noise

    def _linear_head(self) -> "KroneckerHead":
        """What tells deviations: this fit, where it is linear in the targets."""
        return self

    def _fit_final(
        self,
        samples: Samples,
        y: NDArray,
        problem: Problem,
        alpha: float,
        units: Units,
        iteration: Iteration | None = None,
        start: NDArray | None = None,
        beside: NDArray | None = None,
    ) -> None:
        """Solve a problem for one alpha and keep what predictions need.

        Parameters
        ----------
        beside : ndarray of shape (n, p) or None
            Covariates.
        """
        columns, covariates = y.reshape(len(y), -1), None
        if beside is not None:
            covariates = self._estimate(problem, alpha, columns, beside)
            columns = columns - beside @ covariates.coefficients.T
            units = Units(samples, columns)
        mean = units.mean
        cells = samples.to_cells(columns)
        cells -= mean.astype(cells.dtype).reshape(-1, *[1] * len(samples.shape))
        cells /= units.along(cells)
        self._sums = None
        self._problem, self._expansion = problem, problem.solver.expansion
        self._alpha = alpha * problem.scale
        with stage("solve") as told:
            solution, self.n_iter_, error = problem.solver.solve(
                cells,
                self._alpha,
                self._tolerance,
                self._max_iter,
                iteration=iteration,
                start=start,
            )
            told.note(f"{len(samples.occupied):,} places, layout {problem.layout!r}")
            if problem.solver.iterates:
                told.note(f"{self.n_iter_:,} steps")
        self._solution = units.back(solution)
        centred = units.scaled((columns - mean).T).T if samples.repeats else cells
        fit = Fit(problem, self._alpha, units, centred, self._solution, covariates)
        self._fits = [(slice(None), fit)]
        warn_of_error(error, self._tolerance, self._max_iter, stacklevel=6)
        self.intercept_ = float(mean[0]) if y.ndim == 1 else mean
        self.layout_ = problem.layout
        self.encoders_ = [axis.encoder for axis in problem.design.axes]
        self.condition_ = problem.solver.condition_number(self._alpha)
        warn_of_condition(self.condition_, alpha, stacklevel=6)

    def _fit_patterns(
        self,
        patterns: Sequence[Pattern],
        y: NDArray,
        problem: Problem,
        alpha: float,
        beside: NDArray | None = None,
    ) -> None:
        """Solve the same problem for the samples that each output has.

        Parameters
        ----------
        patterns : list of Pattern
        y : ndarray of shape (n, q)
        problem : Problem
            Of all samples; it is not solved.
        alpha : float
        """
        one = copy(self)
        fits: list[tuple[NDArray, Fit]] = []
        steps, conditions = [], []
        for columns, samples in patterns:
            own, part = y[:, columns], problem.of_part(samples)
            one._fit_final(samples, own, part, alpha, Units(samples, own), beside=beside)
            fit = one._fits[0][1]
            assert isinstance(fit, Fit)
            fits.append((columns, fit))
            steps.append(one.n_iter_)
            conditions.append(one.condition_)
        self._sums, self._problem, self._fits = None, problem, fits
        self._expansion, self._solution, self.layout_ = joined(problem, patterns, fits)
        self._alpha = fits[0][1].alpha
        self.n_iter_, self.condition_ = max(steps), float(np.max(conditions))
        self.intercept_ = np.empty(y.shape[1])
        for columns, fit in fits:
            self.intercept_[columns] = fit.units.mean
        self.encoders_ = [axis.encoder for axis in problem.design.axes]

    @property
    def encoder_(self) -> AxisProduct:
        """The product of the encodings as a transformer, for scorers; its output is large.

        With the penalty "radial" it tells of each axis by itself. Its similarity of points that
        differ in several axes is the product, not the one of the distance.
        """
        check_is_fitted(self, "encoders_")
        axes = self._expansion.axes
        names = getattr(self, "feature_names_in_", None)
        product = AxisProduct.of_fitted(
            self.encoders_,
            None if names is None else names[list(self._columns.axes)],
            [axis.spacing for axis in axes],
        )
        product.dates_ = self._axis_dates
        product._of_axes_alone = len(axes) > 1 and axes[0].penalty == RADIAL
        return product

    @property
    def coefficients_(self) -> NDArray:
        return self._shown_solution("coefficients_", dual=False)

    @property
    def dual_coefficients_(self) -> NDArray:
        return self._shown_solution("dual_coefficients_", dual=True)

    def _shown_solution(self, name: str, dual: bool) -> NDArray:
        expansion = self.__dict__.get("_expansion")
        self._settle()
        if expansion is None or expansion.is_dual != dual:
            raise AttributeError(f"{type(self).__name__} has no {name!r} in its present layout_")
        return self._solution[0] if np.ndim(self.intercept_) == 0 else self._solution

    @property
    def noise_variance_(self) -> NDArray[np.float64]:
        """Of a sample of mean weight: squared residuals over the freedom left; (n_outputs,)."""
        check_is_fitted(self)
        self._settle()
        with where_available("noise_variance_"):
            return self._noise()
