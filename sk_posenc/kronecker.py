"""Ridge regression on products of encodings, one per axis, in closed form."""

import math
import numbers
import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_posenc._axis_encoders import AxisProduct
from sk_posenc._base import check_memory, parse_integer
from sk_posenc._kronecker_axis import same_settings
from sk_posenc._kronecker_device import NUMPY, Place, place_of, predict_on_device, to_host
from sk_posenc._kronecker_held_out import held_out_search
from sk_posenc._kronecker_iterative import Iteration
from sk_posenc._kronecker_normal import NormalEquations, missing_settings
from sk_posenc._kronecker_predict import Posterior, evaluate
from sk_posenc._kronecker_problem import Problem
from sk_posenc._kronecker_samples import Samples
from sk_posenc._kronecker_search import (
    fold_search,
    leave_one_out_search,
    problem_of,
    problems_of,
)
from sk_posenc._kronecker_settings import (
    check_weights,
    drop_absent,
    fill_holes,
    parse_not_negative,
    parse_orders,
    parse_penalty,
    parse_share,
    parse_tolerance,
)
from sk_posenc.shifted_basis import ShiftedBasisEncoder

__all__ = ["KroneckerRidge", "KroneckerRidgeCV"]

# Past this condition number float64 keeps fewer than four digits.
_ILL_CONDITIONED = 1e12

DEFAULT_ALPHAS = np.logspace(-4, 3, 22)
SMOOTH_ALPHAS = np.logspace(-5, 3, 25)

# Exponents of smoothness that are tried off a grid.
_EXPONENTS = (1.25, 1.5, 1.75, 2.0, 2.5)

# In many axes the directions that a slope does not see outweigh all others.
_SLOPE_UP_TO = 3


class _KroneckerHead(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """What both heads share: checking samples, and predictions of a fitted problem."""

    tol: float
    max_iter: int
    nan_is_hole: bool
    _problem: Problem | NormalEquations
    _sums: NormalEquations | None
    _place: Place
    _solution: NDArray
    _centred: NDArray
    _cached_posterior: Posterior | None
    _cached_noise: NDArray[np.float64] | None
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
        if self._place is not NUMPY:
            X, y, sample_weight = to_host([X, y, sample_weight])
        self._tolerance = parse_tolerance(self.tol)
        self._max_iter = parse_integer(self.max_iter, "max_iter")
        if not isinstance(self.nan_is_hole, bool | np.bool_):
            raise TypeError(f"nan_is_hole must be True or False. Got {self.nan_is_hole!r}.")
        holes = None
        if self.nan_is_hole:
            y, holes = fill_holes(y)
        X, y = validate_data(
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

        Points that are a grid, or most of one, are predicted axis by axis; others in
        blocks of bounded size.

        Parameters
        ----------
        X : array-like of shape (n_points, n_axes)
            Coordinates, in the units seen in ``fit``, anywhere.
        derivative : tuple of n_axes ints, default=None
            Order of the partial derivative along each axis: (1, 0) for the slope along the
            first of two. Exact; Gaussian, sine and Fourier bases have all orders,
            B-splines two, a :class:`Basis` of your own those that it defines.
        return_std : bool, default=False
            Whether to return the standard deviation of the posterior too: of the Gaussian
            process whose mean the ridge is, with the noise that the leave-one-out
            residuals show. It is that of the function, without the noise of new samples.

        Returns
        -------
        y : ndarray of shape (n_points,) or (n_points, n_outputs)
        std : ndarray of the same shape
            Only with ``return_std=True``.

        Raises
        ------
        ValueError
            For NaN, another number of axes than in ``fit``, orders that are not whole and
            not negative, derivatives that a basis does not have, and standard deviations
            that need more than memory holds.
        """
        check_is_fitted(self)
        self._settle()
        place, tensor = place_of(X), X
        if place is not NUMPY:
            (X,) = to_host([X])
        X = np.asarray(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        orders = parse_orders(derivative, X.shape[1])
        single = np.ndim(self.intercept_) == 0
        n_outputs = 1 if single else len(self.intercept_)
        check_memory((len(X), n_outputs), 8, "predict fewer points at a time")
        posterior = self._posterior() if return_std else None
        offset = np.zeros(n_outputs) if any(orders) else np.atleast_1d(self.intercept_)
        if not (place is NUMPY or any(orders) or return_std or self._problem.is_dual):
            values = predict_on_device(self._problem, self._solution, tensor, offset, place)
            return values[:, 0] if single else values
        values, variance = evaluate(self._problem, self._solution, X, orders, offset, posterior)
        values = values.astype(X.dtype, copy=False)
        if posterior is None:
            return place.array(values[:, 0] if single else values)
        assert variance is not None
        assert isinstance(self._problem, Problem)
        std = np.sqrt(
            variance[:, None] * self.noise_variance_ * self._problem.samples.thinning
        ).astype(X.dtype, copy=False)
        pair = (values[:, 0], std[:, 0]) if single else (values, std)
        return tuple(place.array(each) for each in pair)

    def _settle(self) -> None:
        """Finish what a fit has left for later."""

    def _posterior(self) -> Posterior:
        if self.layout_ == "normal":
            raise ValueError("standard deviations need the samples, which partial_fit drops")
        if self._alpha == 0:
            raise ValueError("the ridge is a Gaussian process for alpha > 0 only. Got alpha=0.")
        assert isinstance(self._problem, Problem)
        posterior = self._cached_posterior
        if posterior is None:
            posterior = self._cached_posterior = Posterior(self._problem, self._alpha)
        return posterior

    def _fit_final(
        self,
        samples: Samples,
        y: NDArray,
        problem: Problem,
        alpha: float,
        iteration: Iteration | None = None,
        start: NDArray | None = None,
    ) -> None:
        """Solve a problem for one alpha and keep what predictions need."""
        columns = y.reshape(len(y), -1)
        mean = samples.mean(columns)
        cells = samples.to_cells(columns)
        cells -= mean.astype(cells.dtype).reshape(-1, *[1] * len(samples.shape))
        self._sums = None
        self._problem, self._alpha = problem, alpha * problem.scale
        self._cached_posterior = self._cached_noise = None
        # targets without their mean, for the noise: means of cells tell those of samples
        # only where no sample repeats another
        self._centred = columns - mean if samples.repeats else cells
        self._solution, self.n_iter_, error = problem.solve(
            cells,
            self._alpha,
            self._tolerance,
            self._max_iter,
            iteration=iteration,
            start=start,
        )
        self._warn_of_error(error)
        self.intercept_ = float(mean[0]) if y.ndim == 1 else mean
        self.layout_ = problem.layout
        self.encoders_ = [axis.encoder for axis in problem.axes]
        self.condition_ = problem.condition_number(self._alpha)
        if self.condition_ > _ILL_CONDITIONED:
            warnings.warn(
                f"the regularised system has condition number {self.condition_:.2g}: raise alpha "
                f"(now {alpha:g}), or lower stable_rank or the number of shifts or frequencies",
                UserWarning,
                stacklevel=3,
            )

    def _warn_of_error(self, error: float) -> None:
        if error > self._tolerance:
            warnings.warn(
                f"conjugate gradients ended after max_iter={self._max_iter} steps, the last of "
                f"which moved the function by {error:.2g} of its residuals, where tol="
                f"{self._tolerance:g}: raise alpha, max_iter or tol",
                ConvergenceWarning,
                stacklevel=4,
            )

    @property
    def encoder_(self) -> AxisProduct:
        """The product of the encodings as a transformer, for scorers; large where formed."""
        check_is_fitted(self, "encoders_")
        return AxisProduct(self.encoders_)

    @property
    def coef_(self) -> NDArray:
        return self._shown_solution("coef_", dual=False)

    @property
    def dual_coef_(self) -> NDArray:
        return self._shown_solution("dual_coef_", dual=True)

    def _shown_solution(self, name: str, dual: bool) -> NDArray:
        problem = self.__dict__.get("_problem")
        self._settle()
        if problem is None or problem.is_dual != dual:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r} here")
        return self._solution[0] if np.ndim(self.intercept_) == 0 else self._solution

    @property
    def noise_variance_(self) -> NDArray[np.float64]:
        """Mean square of the leave-one-out residuals of each output; (n_outputs,)."""
        check_is_fitted(self)
        if self.layout_ == "normal":
            raise AttributeError("noise_variance_ needs the samples, which partial_fit drops")
        assert isinstance(self._problem, Problem)
        if self._cached_noise is None:
            whole, columns = self._problem.whole(), self._centred
            if not whole.samples.repeats:
                columns = whole.samples.to_samples(columns)
            rotated = whole.rotate(whole.with_constant(columns))
            residuals = whole.leave_one_out(columns, rotated, self._alpha)
            self._cached_noise = whole.samples.mean(residuals**2)
        return self._cached_noise


class KroneckerRidge(_KroneckerHead):
    r"""Ridge regression on the Kronecker product of one encoding per axis.

    On a grid, with features :math:`\Phi_a` of the distinct coordinates of axis a, the
    coefficients minimise

    .. math:: |y - (\Phi_1 \otimes \dots \otimes \Phi_d)\, c|^2
              + \alpha\, m\, c^\top (P_1 \otimes \dots \otimes P_d)\, c

    for targets y less their mean, with m the mean diagonal of the Gram matrix of the
    features. One eigendecomposition per axis gives them exactly; the product is never
    formed, and a megapixel takes the time of a spline. Grids with holes and scattered samples
    minimise the same over their own rows, by conjugate gradients.

    Parameters
    ----------
    encoder : encoder or list of one per axis, default=None
        Cloned and fitted for each axis by itself; None: ``ShiftedBasisEncoder()``, the
        Gaussian. Settings that it has per axis go to their axis; its `tensor_product` and
        `sparse_output` play no part. On a grid "auto" means one shift per distinct
        coordinate (a whole number of them where the basis is too narrow for that) and a
        stable rank of 0.42 of the distinct coordinates: B-splines 0.48, triangles 0.67
        and rectangles 1, as in interpolation; Fourier functions 0.5, random ones 0.25. Off
        a grid the stable rank is at most 0.3 of the samples per axis; 1.25 times that of a
        grid with a penalty of smoothness, and shifts then as far apart as they sum to a
        constant: one bandwidth for a B-spline. On a grid the 10
        frequencies that a LogFourierEncoder has by default become as many as it takes for
        one cycle between the highest two. Frequencies beyond half
        the sampling rate of a grid, which it cannot tell from slower ones, are taken as those:
        the fit at the samples is the same, and does not swing between them. Outside its domain
        a coordinate counts as the nearest end, unless the boundary is "periodic" or "cut".
    alpha : float, default=1e-6
        Strength of the penalty, relative to the mean diagonal of the Gram matrix of the
        features; of smoothness, to the number of samples. At most about 1e-4 interpolates;
        samples with noise want more: see :class:`KroneckerRidgeCV`.
    penalty : {"ridge", "slope", "curvature"} or float, default="ridge"
        What is penalised along each axis: the coefficients, P = I, or their first or
        second differences, P = D'D + 0.01 I, where the last term bounds what differences
        do not see. "slope" and "curvature" need a ShiftedBasisEncoder. A number p, above 0
        and at most 8, is the exponent of *smoothness*, for scattered samples: the penalty is
        ``n z' (sum over the axes of slope integrals) ** p z``, in coefficients z in which the
        mean square of the function is ``z'z``, for waves of w radians per unit
        ``n w ** (2 p)``; the unit of length of an axis is its domain over the stable rank,
        and a constant counts as half a wave. 1.25 to 1.75 for textures and edges, 2 to 2.5
        for smooth fields.
    tol : float, default=0.1
        Conjugate gradients stop where five steps together move the function, as the root
        mean square over the whole domain with its holes, by less than this share of the root
        mean square of the residuals at the samples. They run in single precision from 1e-3
        on, as long as its rounding allows.
    max_iter : int, default=1000
        Their most steps.
    nan_is_hole : bool, default=False
        Whether a sample with NaN in any of its targets is a hole, rather than an error: it
        counts for nothing but its place on a grid.

    Attributes
    ----------
    encoders_ : list of n_axes encoders
        Fitted, each on one axis; the same object where axes are alike.
    layout_ : {"grid", "holes", "scattered", "dual", "normal"}
        "grid": solved axis by axis (by conjugate gradients with a penalty of smoothness, but
        for small grids). "holes": cells of the grid are empty or weights are not a product
        over the axes; solved by conjugate gradients on the grid, directly up to 2,000 samples.
        "scattered": products of the features of all axes, up to 2,000 of them or as many
        samples multiplied out, beyond by conjugate gradients, in up to four axes. "dual": by
        the product of the kernels of all axes, up to 8,000 samples. "normal": by the sums of
        :meth:`partial_fit`. All have the same solution.
    n_iter_ : int
        Steps of conjugate gradients, 1 where the solution is direct.
    coef_ : ndarray of shape (k_1, ..., k_d) or (n_outputs, k_1, ..., k_d)
        Not in the layout "dual".
    dual_coef_ : ndarray of shape (n_samples,) or (n_outputs, n_samples)
        In the layout "dual" only, over distinct rows of X in sorted order.
    intercept_ : float or ndarray of shape (n_outputs,)
        Mean of the targets.
    condition_ : float
        Condition number of the regularised system; where conjugate gradients solve a bound,
        or NaN, not known, with a penalty of smoothness or sums.
    noise_variance_ : ndarray of shape (n_outputs,)
        Mean square of the leave-one-out residuals; found when first asked for.
    n_features_in_ : int
        Number of axes.
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.

    Warns
    -----
    UserWarning
        Where `condition_` is beyond 1e12.
    ConvergenceWarning
        Where conjugate gradients take more than `max_iter` steps.

    See Also
    --------
    KroneckerRidgeCV : Chooses encoder, stable rank, penalty and alpha.
    CoordinateMLPRegressor : A network on the sum of the encodings.

    Notes
    -----
    The penalty is a product over the axes, not a sum: only so do all alphas share one
    factorisation per axis, the hat matrix is diagonal with it, and any number of axes has
    a kernel.

    Computations are in float64. With float32 coordinates the eigendecompositions still
    are, and the products along the axes are in float32.

    Under scikit-learn's array API dispatch X and y may be torch tensors: conjugate gradients
    and predictions then run on their device, and predictions are tensors there. Factorisations,
    the recognition of grids, derivatives and standard deviations stay with NumPy, and fitted
    attributes are its arrays.

    References
    ----------
    J. Zheng, S. Ramasinghe, X. Li, S. Lucey, "Trading Positional Complexity vs Deepness in
    Coordinate Networks", ECCV 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import grid_samples
    >>> from sk_posenc.kronecker import KroneckerRidge
    >>> x = np.arange(64) / 64
    >>> X, y = grid_samples(np.sin(6 * x)[:, None] * np.cos(4 * x), axes=(x, x))
    >>> model = KroneckerRidge().fit(X, y)
    >>> model.layout_, model.coef_.shape
    ('grid', (70, 70))
    >>> between = np.array([[0.25, 0.3], [0.6, 0.7]]) + 1 / 128
    >>> first, second = between.T
    >>> np.abs(model.predict(between) - np.sin(6 * first) * np.cos(4 * second)) < 1e-3
    array([ True,  True])
    """

    def __init__(
        self,
        encoder: Any = None,
        *,
        alpha: float = 1e-6,
        penalty: str | float = "ridge",
        tol: float = 0.1,
        max_iter: int = 1_000,
        nan_is_hole: bool = False,
    ) -> None:
        self.encoder = encoder
        self.alpha = alpha
        self.penalty = penalty
        self.tol = tol
        self.max_iter = max_iter
        self.nan_is_hole = nan_is_hole

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit on samples at coordinates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates, rows in any order.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            A weight of 0 is as if the sample were absent, 2 as if it were there twice.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN or infinity, settings that are impossible, and samples whose system is
            larger than memory.
        """
        alpha = parse_not_negative(self.alpha, "alpha")
        penalty = parse_penalty(self.penalty, "penalty")
        X, y, weights = drop_absent(*self._check_samples(X, y, sample_weight))
        samples = Samples(X, weights)
        encoder = ShiftedBasisEncoder() if self.encoder is None else self.encoder
        problem = Problem(samples, encoder, penalty, alphas=[alpha], place=self._place)
        self._fit_final(samples, y, problem, alpha)
        return self

    def _can_partial_fit(self) -> bool:
        missing = missing_settings(self.encoder)
        if missing:
            raise AttributeError(
                "partial_fit sees a block of samples at a time, and needs an encoder with all that "
                f"samples would have to tell. Missing: {', '.join(missing)}"
            )
        return True

    @available_if(_can_partial_fit)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Add a block of samples, by their normal equations.

        All blocks together give what :meth:`fit` gives on all of their samples, off a grid;
        memory follows the number of coefficients, not that of samples. On first use after
        ``fit`` it begins anew.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self

        Raises
        ------
        AttributeError
            Where `encoder` leaves something to learn: it needs a domain, and for shifted bases
            `n_shifts` and a stable rank or bandwidth, for Fourier features a stable rank or
            highest frequency.
        ValueError
            As in :meth:`fit`, for blocks that differ in the number of axes or outputs, and for
            products of more than 20,000 functions that do not end.

        Notes
        -----
        Equations are solved when first asked for, in double precision. Standard deviations
        need the samples, and are not to be had.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_posenc import KroneckerRidge, ShiftedBasisEncoder
        >>> encoder = ShiftedBasisEncoder("bspline", stable_rank=10, n_shifts=20, domain=(0, 1))
        >>> model = KroneckerRidge(encoder, penalty=2.0, alpha=1e-4)
        >>> rng = np.random.default_rng(0)
        >>> for _ in range(10):
        ...     X = rng.uniform(size=(500, 2))
        ...     model = model.partial_fit(X, np.sin(6 * X[:, 0]) * X[:, 1])
        >>> model.layout_, np.round(model.predict([[0.5, 0.5]]), 2)
        ('normal', array([0.07]))
        """
        alpha = parse_not_negative(self.alpha, "alpha")
        penalty = parse_penalty(self.penalty, "penalty")
        sums = self.__dict__.get("_sums")
        X, y, weights = self._check_samples(X, y, sample_weight, reset=sums is None)
        X, y, weights = drop_absent(X, y, weights)
        columns = y.reshape(len(y), -1)
        if sums is None:
            sums = NormalEquations(self.encoder, X.shape[1], columns.shape[1])
            self._single_output = y.ndim == 1
        elif columns.shape[1] != sums.n_outputs:
            raise ValueError(
                f"y must have the {sums.n_outputs} outputs of the blocks before. "
                f"Got {columns.shape[1]}."
            )
        sums.add(X, columns, np.ones(len(X)) if weights is None else weights)
        self._adopt(sums, penalty, alpha)
        return self

    def merge(self, *others: "KroneckerRidge") -> Self:
        """Add the samples that other models have seen by :meth:`partial_fit`.

        Parameters
        ----------
        *others : KroneckerRidge
            With the same encoder, fitted by ``partial_fit`` in other processes or on other
            machines; left as they are.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For models that differ in encoders, axes or outputs, or were not fitted so.
        """
        own = self.__dict__.get("_sums")
        for other in others:
            sums = other.__dict__.get("_sums") if isinstance(other, KroneckerRidge) else None
            if own is None or sums is None:
                raise ValueError(
                    "merge adds models fitted by partial_fit. Got "
                    f"{other if own is not None else self!r}."
                )
            if not own.same_as(sums):
                raise ValueError(
                    "merge adds models of the same encoder, axes and outputs. Got "
                    f"{other.encoder!r} beside {self.encoder!r}."
                )
        assert own is not None or not others
        if own is not None:
            for other in others:
                own.merge(other._sums)
            self._adopt(own, self._penalty, self._relative_alpha)
        return self

    def _adopt(self, sums: NormalEquations, penalty: str | float, alpha: float) -> None:
        """Take sums as what is fitted, to be solved when asked for."""
        self._sums = self._problem = sums
        self._penalty, self._relative_alpha, self._settled = penalty, alpha, False
        self.layout_ = "normal"
        self.encoders_ = [axis.encoder for axis in sums.axes]
        self.condition_ = math.nan
        mean = sums.mean
        self.intercept_ = float(mean[0]) if self._single_output else mean

    def _settle(self) -> None:
        sums = self.__dict__.get("_sums")
        if sums is None or self._settled:
            return
        self._solution, self.n_iter_, error = sums.solve(
            self._penalty, self._relative_alpha, self._tolerance, self._max_iter, self._place
        )
        self._settled = True
        self._warn_of_error(error)


class KroneckerRidgeCV(_KroneckerHead):
    r"""Kronecker ridge with encoder, stable rank, penalty and alpha by cross-validation.

    For each encoder, stable rank and penalty one factorisation per axis serves all alphas,
    and gives the exact leave-one-out errors of all of them.

    Parameters
    ----------
    encoders : encoder or list of encoders, default=None
        Candidates; each may be a list of one per axis. None: the B-spline.
    stable_ranks : list of float, default=None
        Candidates, as shares of the samples per axis, set in place of what encoders say.
        None: as each encoder says.
    alphas : list of float, default=None
        Candidates, greater than 0; the best score wins. None: 22 from 1e-4 to 1000, with
        smoothness 25 from 1e-5; with ``cv=None``, on a grid the least of those that smooth
        away no more than noise and are about as good as the best (see Notes).
    penalties : list of {"ridge", "slope", "curvature"} or floats, default=None
        None: where all encoders are ShiftedBasisEncoders and there are up to three axes,
        "slope" on a grid, and off it the exponents of smoothness 1.25, 1.5, 1.75, 2 and 2.5;
        else "ridge".
    cv : int, splitter or iterable, default=None
        None: exact leave-one-out, on a shortlist by generalised cross-validation where
        candidates are many; where conjugate gradients solve, 12 % of all cells held out, each
        as wide as samples are apart (see Notes). Else a splitter, such as
        :class:`CoordinateKFold`.
    tol : float, default=0.1
        As in :class:`KroneckerRidge`.
    max_iter : int, default=1000
        As in :class:`KroneckerRidge`.
    nan_is_hole : bool, default=False
        As in :class:`KroneckerRidge`.

    Attributes
    ----------
    best_encoder_ : encoder or list of one per axis
        Unfitted; a KroneckerRidge with it, `alpha_` and `penalty_` is the chosen model.
    alpha_ : float
    penalty_ : str
    best_index_ : int
        Row of `cv_results_`.
    best_score_ : float
        Its mean score.
    cv_results_ : dict of arrays
        As that of GridSearchCV: "params", "param_encoder", "param_stable_rank",
        "param_penalty", "param_alpha", "split0_test_score", ..., "mean_test_score",
        "std_test_score", "rank_test_score", "mean_fit_time" and its kin. Scores are
        negative mean squared errors. With ``cv=None`` there is one split, all samples left
        out in turn, "mean_test_gcv", the negative score of generalised cross-validation of
        every candidate (those screened out by it have the score NaN), and "admitted".
    encoders_, layout_, coef_, dual_coef_, intercept_, condition_, n_iter_, noise_variance_
        As in :class:`KroneckerRidge`.
    n_features_in_, feature_names_in_
        As in :class:`KroneckerRidge`.

    See Also
    --------
    KroneckerRidge : One setting.

    Notes
    -----
    Leave-one-out holds encoders and the absolute strength of the penalty; the mean of the
    targets is that of the others. On a grid it asks for the value at a pixel from its
    neighbours one spacing away, and reads what is finer than that as noise: on a clean
    photograph it smooths away up to 2 dB between the pixels. Automatic alphas are
    therefore admitted up to 0.01 (0.001 with other penalties than "slope"), and beyond
    while the residuals of the fit are no larger than the noise, which the smallest tenth
    of the leave-one-out residuals of the least smoothing candidate shows; noise below 2 %
    of the spread of the targets counts as none. Of those, the least is taken whose squared
    error, without the noise, is at most 15 % beyond the best.

    Held-out cells are always the same ones. Fits without them start from each other and stop
    early, at ten steps or four times `tol`, and of several targets the largest principal
    component is judged for all; its error is scaled to that of the targets. Automatic alphas
    are climbed, from 0.01 in decades and then in neighbours, then exponents at alphas that
    smooth about alike: scores of candidates that the climb does not meet are NaN. Alphas that
    are given are all scored.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import grid_samples
    >>> from sk_posenc.kronecker import KroneckerRidgeCV
    >>> x = np.arange(64) / 64
    >>> clean = np.sin(6 * x)[:, None] * np.cos(4 * x)
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=clean.shape)
    >>> X, y = grid_samples(clean + noise, axes=(x, x))
    >>> model = KroneckerRidgeCV().fit(X, y)
    >>> bool(np.std(model.predict(X) - clean.ravel()) < 0.03)
    True
    """

    def __init__(
        self,
        encoders: Any = None,
        *,
        stable_ranks: Any = None,
        alphas: Any = None,
        penalties: Any = None,
        cv: Any = None,
        tol: float = 0.1,
        max_iter: int = 1_000,
        nan_is_hole: bool = False,
    ) -> None:
        self.encoders = encoders
        self.stable_ranks = stable_ranks
        self.alphas = alphas
        self.penalties = penalties
        self.cv = cv
        self.tol = tol
        self.max_iter = max_iter
        self.nan_is_hole = nan_is_hole

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Choose a candidate, and fit it on all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Weighs samples in fits and in scores.
        groups : array-like of shape (n_samples,), default=None
            For splitters that need them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As in :meth:`KroneckerRidge.fit`, and where no candidate is on offer.
        """
        X, y, weights = self._check_samples(X, y, sample_weight)
        kept = drop_absent(X, y, weights)
        if len(kept[0]) < 2:
            raise ValueError("cross-validation needs at least 2 samples. Got n_samples = 1.")
        samples = Samples(kept[0], kept[2])
        paths, alphas = self._candidates(samples)
        iteration = start = problem = None
        settings: dict[str, Any] = {"tolerance": self._tolerance, "max_iter": self._max_iter}
        if self.cv is not None:
            weights = None if weights is None else np.nan_to_num(weights, nan=0.0)
            folds = list(check_cv(self.cv).split(X, y, groups))
            results = fold_search(X, y, weights, paths, alphas, folds, **settings)
            best = int(np.argmax(results["mean_test_score"]))
        else:
            problems = problems_of(paths, samples, alphas, self._place)
            automatic = self.alphas is None
            if any(each.iterates for each in problems):
                results, best, held_out = held_out_search(
                    samples, *kept, paths, problems, alphas, automatic=automatic, **settings
                )
                iteration, start = held_out.kept_for(best // len(alphas))
            else:
                results, best = leave_one_out_search(
                    samples, kept[1], paths, problems, alphas, automatic=automatic
                )
            problem = problems[best // len(alphas)]
        self.cv_results_, self.best_index_ = results, best
        self.best_score_ = float(results["mean_test_score"][best])
        chosen = results["params"][best]
        self.alpha_, self.penalty_ = chosen["alpha"], chosen["penalty"]
        if problem is None:
            problem = problem_of(
                chosen, samples, np.array([self.alpha_]), whole=False, place=self._place
            )
        self._fit_final(samples, kept[1], problem, self.alpha_, iteration, start)
        self.best_encoder_ = _as_given(self.encoders_)
        return self

    def _candidates(self, samples: Samples) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
        """Settings of each factorisation, and the alphas, all checked."""
        if self.encoders is None:
            encoders = [ShiftedBasisEncoder("bspline")]
        elif isinstance(self.encoders, list | tuple):
            encoders = list(self.encoders)
        else:
            encoders = [self.encoders]
        shares: list[float | None] = [None]
        if self.stable_ranks is not None:
            shares = [parse_share(share) for share in np.atleast_1d(self.stable_ranks)]
        if self.penalties is None:
            penalties = _automatic_penalties(encoders, samples)
        else:
            single = isinstance(self.penalties, str | numbers.Number)
            given = [self.penalties] if single else self.penalties
            penalties = [parse_penalty(penalty, "penalties") for penalty in given]
        if self.alphas is None:
            smooth = any(not isinstance(penalty, str) for penalty in penalties)
            alphas = SMOOTH_ALPHAS if smooth else DEFAULT_ALPHAS
        else:
            alphas = np.array([parse_not_negative(a, "alphas") for a in np.atleast_1d(self.alphas)])
            if not np.all(alphas > 0):
                raise ValueError(f"alphas must be greater than 0. Got {self.alphas!r}.")
        if not (encoders and shares and penalties and len(alphas)):
            raise ValueError(
                "encoders, stable_ranks, penalties and alphas must each have one candidate at least"
            )
        paths = [
            {"encoder": encoder, "stable_rank": share, "penalty": penalty}
            for encoder, share, penalty in product(encoders, shares, penalties)
        ]
        return paths, alphas


def _automatic_penalties(encoders: list[Any], samples: Samples) -> list[str | float]:
    of_axes = [
        each
        for candidate in encoders
        for each in (candidate if isinstance(candidate, list | tuple) else [candidate])
    ]
    shifted = all(isinstance(each, ShiftedBasisEncoder) for each in of_axes)
    if not shifted or len(samples.coordinates) > _SLOPE_UP_TO:
        return ["ridge"]
    return ["slope"] if samples.is_grid else list(_EXPONENTS)


def _as_given(encoders: list[Any]) -> Any:
    """Unfitted clones of encoders of one axis each; one of them where all are alike."""
    clones = [clone(each) for each in encoders]
    alike = all(same_settings(clones[0], each) for each in clones[1:])
    return clones[0] if alike else clones
