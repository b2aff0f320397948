"""What both Kronecker heads share: samples checked, and predictions of a fitted problem."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.checks import checked_data
from sk_posenc.core.limits import limits_now
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_flag, parse_integer, parse_positive
from sk_posenc.kronecker._axis import Expansion
from sk_posenc.kronecker._axis_product import AxisProduct
from sk_posenc.kronecker._conjugate_gradients import Iteration
from sk_posenc.kronecker._device import NUMPY, Place, place_of, predict_on_device, to_host
from sk_posenc.kronecker._normal import NormalEquations
from sk_posenc.kronecker._posterior import Posterior
from sk_posenc.kronecker._predict import evaluate
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._settings import check_weights, fill_holes, parse_orders
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import RADIAL


class KroneckerHead(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """What both heads share: checking samples, and predictions of a fitted problem."""

    tol: float
    max_iter: int
    nan_is_hole: bool
    _problem: Problem | None  # None where sums over blocks are what is fitted
    _expansion: Expansion
    _sums: NormalEquations | None
    _place: Place
    _solution: NDArray
    _centred: NDArray
    _cached_posterior: Posterior | None
    _cached_noise: NDArray[np.float64] | None
    _units: Units
    intercept_: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = False
        return tags

    def _check_samples(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool = True
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        """X (n, n_axes), y (n,) or (n, n_outputs) and weights (n,); holes have NaN for weight."""
        self._place = place_of(X)
        X, y, sample_weight = to_host([X, y, sample_weight])
        self._tolerance = parse_positive(self.tol, "tol")
        self._max_iter = parse_integer(self.max_iter, "max_iter")
        holes = None
        if parse_flag(self.nan_is_hole, "nan_is_hole"):
            y, holes = fill_holes(y)
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
        y = np.asarray(y).astype(X.dtype, copy=False)
        weights = None if sample_weight is None else check_weights(sample_weight, len(X))
        if holes is not None and holes.any():
            weights = np.ones(len(X)) if weights is None else weights.copy()
            weights[holes] = np.nan
        return X, y, weights

    def predict(
        self,
        X: ArrayLike,
        *,
        derivative: Sequence[int] | int | None = None,
        return_std: bool = False,
    ) -> Any:
        """Predict values, their derivatives, and how uncertain they are.

        Points that form a grid, or most of one, are predicted axis by axis. Others are
        predicted in blocks of bounded size.

        Parameters
        ----------
        X : array-like of shape (n_points, n_axes)
            Coordinates, in the units seen in ``fit``, anywhere.
        derivative : tuple of n_axes ints, default=None
            Order of the partial derivative along each axis: (1, 0) for the slope along the
            first of two. Derivatives are exact. Gaussian, sine and Fourier bases have all
            orders, "bspline" and "matern72" up to two, a :class:`Basis` of your own those that
            it defines. With the penalty "similarity", "bspline" and "matern72" have up to six,
            "triangle" and "matern32" up to two; with "radial" there are none. An axis whose
            `spacing` is above 0 has up to two; the second jumps at some of the samples.
        return_std : bool, default=False
            Whether to return the posterior standard deviation too. The fit is the posterior
            mean of a Gaussian process, whose noise is estimated from the leave-one-out
            residuals. The noise of new samples is not included.

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
        TypeError
            For orders that are not whole numbers.
        """
        check_is_fitted(self)
        self._settle()
        place, tensor = place_of(X), X
        (X,) = to_host([X])
        X = np.asarray(checked_data(self, X, dtype=[np.float64, np.float32], reset=False))
        orders = parse_orders(derivative, X.shape[1])
        single = np.ndim(self.intercept_) == 0
        n_outputs = 1 if single else len(self.intercept_)
        check_memory((len(X), n_outputs), 8, "predict fewer points at a time")
        posterior = self._posterior() if return_std else None
        offset = np.zeros(n_outputs) if any(orders) else np.atleast_1d(self.intercept_)
        if not (place is NUMPY or any(orders) or return_std or self._expansion.on_host):
            values = predict_on_device(self._expansion, self._solution, tensor, offset, place)
            return values[:, 0] if single else values
        values, variance = evaluate(self._expansion, self._solution, X, orders, offset, posterior)
        values = values.astype(X.dtype, copy=False)
        if posterior is None:
            return place.array(values[:, 0] if single else values)
        assert variance is not None
        assert self._problem is not None
        std = np.sqrt(
            variance[:, None] * self.noise_variance_ * self._problem.samples.thinning
        ).astype(X.dtype, copy=False)
        pair = (values[:, 0], std[:, 0]) if single else (values, std)
        return tuple(place.array(each) for each in pair)

    def _settle(self) -> None:
        """Do the work that a fit has postponed."""

    def _posterior(self) -> Posterior:
        if self.layout_ == "normal":
            raise ValueError(
                "standard deviations are not available after partial_fit, which does not keep the "
                "samples: use fit, or predict with return_std=False"
            )
        if self._alpha == 0:
            raise ValueError("standard deviations need alpha > 0: raise alpha. Got alpha=0.")
        assert self._problem is not None
        posterior = self._cached_posterior
        if posterior is None:
            posterior = self._problem.solver.posterior(self._alpha)
            self._cached_posterior = posterior
        return posterior

    def _fit_final(
        self,
        samples: Samples,
        y: NDArray,
        problem: Problem,
        alpha: float,
        units: Units,
        iteration: Iteration | None = None,
        start: NDArray | None = None,
    ) -> None:
        """Solve a problem for one alpha and keep what predictions need."""
        columns = y.reshape(len(y), -1)
        self._units = units
        mean = units.mean
        cells = samples.to_cells(columns)
        cells -= mean.astype(cells.dtype).reshape(-1, *[1] * len(samples.shape))
        cells /= units.along(cells)
        self._sums = None
        self._problem, self._expansion = problem, problem.solver.expansion
        self._alpha = alpha * problem.scale
        self._cached_posterior = self._cached_noise = None
        # targets without their mean, for the noise: means of cells tell those of samples
        # only where no sample repeats another
        self._centred = units.scaled((columns - mean).T).T if samples.repeats else cells
        solution, self.n_iter_, error = problem.solver.solve(
            cells,
            self._alpha,
            self._tolerance,
            self._max_iter,
            iteration=iteration,
            start=start,
        )
        self._solution = units.back(solution)
        self._warn_of_error(error, stacklevel=5)
        self.intercept_ = float(mean[0]) if y.ndim == 1 else mean
        self.layout_ = problem.layout
        self.encoders_ = [axis.encoder for axis in problem.design.axes]
        self.condition_ = problem.solver.condition_number(self._alpha)
        if self.condition_ > limits_now().ill_conditioned:
            warnings.warn(
                f"the regularised system has condition number {self.condition_:.2g}, which is too "
                f"high: raise alpha (now {alpha:g}), or lower stable_rank or the number of shifts "
                "or frequencies",
                UserWarning,
                stacklevel=4,
            )

    def _warn_of_error(self, error: float, stacklevel: int) -> None:
        if error > self._tolerance:
            warnings.warn(
                f"conjugate gradients did not reach tol={self._tolerance:g} in max_iter="
                f"{self._max_iter} steps: the last ones moved the function by {error:.2g} times "
                "its residuals, most where no samples are near. Raise max_iter, or alpha (1e-3 "
                'interpolates with smoothness, 0.1 to 1 with "adaptive"), or lower the exponent of '
                "smoothness",
                ConvergenceWarning,
                stacklevel=stacklevel,
            )

    @property
    def encoder_(self) -> AxisProduct:
        """The product of the encodings as a transformer, for scorers; its output is large.

        With the penalty "radial" it tells of each axis by itself. Its similarity of points that
        differ in several axes is the product, not the one of the distance.
        """
        check_is_fitted(self, "encoders_")
        axes = self._expansion.axes
        product = AxisProduct.of_fitted(
            self.encoders_,
            getattr(self, "feature_names_in_", None),
            [axis.spacing for axis in axes],
        )
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
        """Mean square of the leave-one-out residuals of each output; (n_outputs,)."""
        check_is_fitted(self)
        if self.layout_ == "normal":
            raise AttributeError(
                "noise_variance_ is not available after partial_fit, which does not keep the "
                "samples: use fit"
            )
        assert self._problem is not None
        if self._cached_noise is None:
            try:
                whole = self._problem.whole()
            except ValueError as refused:
                raise AttributeError(f"noise_variance_ is not available: {refused}") from refused
            samples, columns = self._problem.samples, self._centred
            if not samples.repeats:
                columns = samples.to_samples(columns)
            rotated = whole.rotate_all(columns)
            residuals = whole.leave_one_out(columns, rotated, self._alpha)
            self._cached_noise = samples.mean(residuals**2) * self._units.exact**2
        return self._cached_noise
