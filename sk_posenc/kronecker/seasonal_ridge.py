"""A series as a trend and seasons that add up, in closed form."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.callback_support import CallbackSupport
from sk_posenc.core.checks import (
    check_weights,
    checked_array,
    checked_data,
    missing_targets_explained,
    where_available,
    within_floats,
)
from sk_posenc.core.incoming import Dates
from sk_posenc.core.settings import is_auto, parse_flag, parse_positive
from sk_posenc.core.state import of_one_fit
from sk_posenc.kronecker._columns import Columns
from sk_posenc.kronecker._outputs import Settings, fit_columns
from sk_posenc.kronecker._periods import parse_periods
from sk_posenc.kronecker._progress import fit_aloud
from sk_posenc.kronecker._scoring import ScoredWherePresent
from sk_posenc.kronecker._series import Series

__all__ = ["SeasonalRidge"]

_TOO_FAR = (
    "X lies so far from the samples that predictions are beyond what a float holds: check its unit "
    "and columns. Got numbers up to {:.3g}."
)


class SeasonalRidge(
    CallbackSupport, ScoredWherePresent, MultiOutputMixin, RegressorMixin, BaseEstimator
):
    r"""A trend and seasons of one clock column that add up, in closed form.

    The series is :math:`y(t) = f_0(t) + f_1(t) + \dots + f_J(t) + \text{noise}`: a trend and one
    season for each period, each a smooth function with a strength of its own. Times may be
    irregular, repeat, and have gaps of any length. The strengths are learnt from the samples.

    Parameters
    ----------
    periods : float, str, timedelta or list of them
        One or more different periods, in any order. Numbers in the unit of X; where X has dates
        a timedelta, or a unit with or without a number: "day", "12h", "7D", "365.25D", "1Y". Months
        and years are the mean ones of the calendar. They need not be whole multiples of the step
        of X.
    stable_ranks : "auto", float or list, default="auto"
        How fine each component may be, the trend first (if there is one), then the seasons in
        the order of `periods`; each a number or "auto". One number serves all. "auto" is one knot
        for each of the shortest periods for the trend, and up to four for each phase seen of a
        season, 256 at most. A knot is worth a stable rank of 0.48.
    trend : bool, default=True
        Whether there is a trend. If not, the first component is a constant.
    alphas : "auto", float or list of float, default="auto"
        Variance of the noise over that of each component, the trend first (if there is one): the
        larger, the smoother the component. "auto" takes the most likely (see Notes). One number
        serves all.
    nan_is_hole : bool, default=False
        Whether NaN in y means that the value is missing. Each output keeps its own samples.
    covariates : int, str or list of them, default=None
        Columns of X beside the times, by number or name, with a linear term that nothing
        penalises: holidays, temperature. They are fitted together with the rest, and `predict`
        needs their values too.
    verbose : int, default=0
        1: a line for each output, with its times, steps and seconds. Since scikit-learn 1.9 the
        callbacks of ``set_callbacks``, such as a ProgressBar, hear of the same.

    Attributes
    ----------
    periods_ : ndarray of shape (n_periods,)
        In the unit of X; in days where X has dates.
    alphas_ : ndarray of shape (n_strengths,) or (n_outputs, n_strengths)
        Of the trend, if there is one, and of each season. At its upper limit of a million times
        the number of samples a component is nothing beside the noise.
    exponents_ : ndarray of int, of the shape of `alphas_`
        Exponents of smoothness: 2 for the trend, 1 (a season with jumps), 2 or 3 for seasons.
    stable_ranks_ : ndarray of the shape of `alphas_`
        How fine each component may be.
    noise_variance_ : ndarray of shape (n_outputs,)
        Variance of the noise of a sample of mean weight.
    covariate_coef_ : ndarray of shape (n_covariates,) or (n_outputs, n_covariates)
        Change of y for each unit of a covariate. This and the next two only with `covariates`.
    covariate_std_ : ndarray of the shape of `covariate_coef_`
        Standard deviations of the coefficients.
    covariate_mean_ : ndarray of the shape of `covariate_coef_`
        Means of the covariates over the samples of an output, where the linear term is 0.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where `X` had them.
    dates_ : tuple of n_features entries
        None, or for dates what counts as day 0: the earliest date in `fit`.

    See Also
    --------
    KroneckerRidgeCV : Products of axes: with a column for the date and one for the season, the
        season may change over the years.

    Notes
    -----
    *The model.* A season is a cubic spline around a circle of one period. Its prior gives the
    k-th harmonic a variance :math:`\propto k^{-2 p}`, p the exponent. A trend is a straight line,
    which nothing penalises, and a natural cubic spline with the prior of a smoothing spline,
    :math:`\int (f'')^2`. Both are divided by their mean variance, so that an alpha is the variance
    of the noise over that of the component, whatever the unit of X and y. The fit is the
    posterior mean of a Gaussian process.

    *Which component has what.* Each season sums to zero over its period, so that the trend has
    the mean. Where two seasons have a harmonic in common (24 hours and seven times 24 hours), it
    belongs to the shorter one: the daily season is that of the mean day, and the weekly one is
    how the days of the week differ from it. Its mean over the seven days is zero at any time of
    day. No trend is finer than the shortest period.

    *Strengths.* They maximise the restricted likelihood. With A the Gram matrix of all functions
    plus the penalties P, n distinct times, :math:`n_0` functions without a penalty, and S the
    penalised sum of squares, they minimise

    .. math:: (n - n_0) \log S + \log \det A - \log \det P .

    The search starts at the best of eight equal strengths, goes downhill by the derivatives, and
    then tries other exponents for each season. Each output is fitted by itself. Samples at the
    same time count as their mean, with their joint weight.

    *Deviations* take for each alpha and exponent that was chosen one sample's worth of freedom
    from those that tell the noise: few samples are less sure than the likelihood is.

    *Beyond the samples* the trend goes on as a straight line, and the seasons repeat. The
    standard deviation of the trend grows with the distance to the power 3/2: as that of the prior,
    or of lines that are drawn on from within the samples, over a sixteenth to a quarter of them,
    if these miss the trend by more. It does not know of what never happened in the samples. Noise
    that is not independent from sample to sample, as weather is, makes it too small.

    *Covariates* have coefficients that nothing penalises, as the line of the trend has; the
    likelihood counts them as free. Samples at the same time with other covariates are places of
    their own.

    *Cost.* With p knots of all components together (up to 256 each) and s periods, memory is
    :math:`O(n s + p^2)` for each output. The time is :math:`O(n s^2)` once, then
    :math:`O(n s + p^3)` for each of some hundred steps. A year of hours with three periods takes
    two or three seconds.

    References
    ----------
    G. Wahba, "Bayesian confidence intervals for the cross-validated smoothing spline", Journal of
    the Royal Statistical Society B 45(1), 1983.

    S. N. Wood, "Fast stable restricted maximum likelihood and marginal likelihood estimation of
    semiparametric generalized linear models", Journal of the Royal Statistical Society B 73(1),
    2011.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import SeasonalRidge
    >>> hours = np.arange(24 * 7 * 8.0)[:, None]
    >>> day, week = np.sin(2 * np.pi * hours[:, 0] / 24), (hours[:, 0] // 24) % 7 >= 5
    >>> y = 50 + 0.01 * hours[:, 0] + 4 * day - 3 * week
    >>> y += np.random.default_rng(0).normal(size=len(y))
    >>> y[300:600] = np.nan
    >>> model = SeasonalRidge([24, 168], nan_is_hole=True).fit(hours, y)
    >>> trend, daily, weekly = model.predict_components(hours).T
    >>> bool(np.std(daily - 4 * day) < 0.2)
    True
    >>> value, std = model.predict([[24 * 7 * 9.0]], return_std=True)
    """

    dates_: Dates

    def __init__(
        self,
        periods: Any,
        *,
        stable_ranks: Any = "auto",
        trend: bool = True,
        alphas: Any = "auto",
        nan_is_hole: bool = False,
        covariates: Any = None,
        verbose: int = 0,
    ) -> None:
        self.periods = periods
        self.stable_ranks = stable_ranks
        self.trend = trend
        self.alphas = alphas
        self.nan_is_hole = nan_is_hole
        self.covariates = covariates
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the trend, the seasons and their strengths.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates, and one column of times in any order: numbers, or dates of any unit and
            library. Those with a time zone are moved to UTC, others count as UTC. Durations count
            in days.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            With ``nan_is_hole=True`` NaN, or what is masked, is a missing value.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, at least 0. The variance of the noise of a sample is inversely
            proportional to its weight; their scale does not matter.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For further columns that are no covariates, covariates that are constant or sums of
            the others or a line in time, times that are missing, settings out of range, too few
            different times, and a period that has all samples at the same phase.
        TypeError
            For settings of the wrong type, periods without a unit where X has dates, and text
            or categories in X.
        """
        fit_aloud(self, lambda fitted: fitted._fit(X, y, sample_weight), X, y, sample_weight)
        return self

    def _fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        holes = parse_flag(self.nan_is_hole, "nan_is_hole")
        values, absent = _without_holes(y) if holes else (y, False)
        with missing_targets_explained("set nan_is_hole=True to leave these values out"):
            times, values = checked_data(
                self, X, values, dtype=np.float64, multi_output=True, y_numeric=True
            )
        X = np.asarray(times)
        names = getattr(self, "feature_names_in_", None)
        self._columns = Columns.of(self.covariates, names, X.shape[1])
        points = self._points(X)
        settings = self._parse_settings()
        columns = np.where(absent, np.nan, values).reshape(len(X), -1)
        weights = None if sample_weight is None else check_weights(sample_weight, len(X))
        self._single = np.ndim(values) == 1
        self._series = fit_columns(points, columns, weights, settings)
        self._keep(settings.periods)

    def _parse_settings(self) -> Settings:
        trend = parse_flag(self.trend, "trend")
        periods = parse_periods(self.periods, self._columns.of_axes(self.dates_)[0])
        length = len(periods) + trend
        ranks = _parse_list(self.stable_ranks, "stable_ranks", length, _rank)
        alphas = _parse_list(self.alphas, "alphas", length, parse_positive)
        return Settings(
            periods=periods,
            ranks=[None] * length if ranks is None else ranks,
            trend=trend,
            alphas=None if alphas is None else np.array(alphas),
            covariates=self._columns.names,
        )

    def _points(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times, and covariates beside them if there are any."""
        axes, beside = self._columns.split(X)
        if axes.shape[1] != 1:
            raise ValueError(
                "X must have one column, the times, beside covariates: seasons of it are made from "
                "periods. Name other columns in covariates, or take KroneckerRidgeCV. "
                f"Got {axes.shape[1]} columns."
            )
        times: NDArray[np.float64] = axes[:, 0]
        return times if beside is None else np.column_stack([times, beside])

    def _keep(self, periods: list[float]) -> None:
        """Set the fitted attributes."""

        def of_outputs(values: list[Any], dtype: Any) -> NDArray:
            return np.array(values[0] if self._single else values, dtype=dtype)

        fits = self._series
        self.periods_ = np.array(periods)
        self.alphas_ = of_outputs([each.strengths.alphas for each in fits], float)
        self.exponents_ = of_outputs([each.strengths.exponents for each in fits], int)
        self.stable_ranks_ = of_outputs([each.stable_ranks for each in fits], float)
        linear = [found for each in fits if (found := each.coefficients()) is not None]
        if linear:
            self.covariate_coef_ = of_outputs([coef for _, coef, _ in linear], float)
            self.covariate_std_ = of_outputs([std for _, _, std in linear], float)
            self.covariate_mean_ = of_outputs([term.centre for term, _, _ in linear], float)

    @property
    def noise_variance_(self) -> NDArray[np.float64]:
        """Of a sample of mean weight; (n_outputs,)."""
        check_is_fitted(self)
        with where_available("noise_variance_"):
            return np.array([each.noise_variance for each in self._series])

    def predict(self, X: ArrayLike, *, return_std: bool | str = False) -> Any:
        """Predict the sum of all components, at any times.

        Parameters
        ----------
        X : array-like of shape (n_points, n_features)
            Times, within or beyond those of the samples, and covariates.
        return_std : bool or "observation", default=False
            True: also the posterior standard deviation of the function, without the noise of
            samples. "observation": that of a new sample of mean weight, with its noise.

        Returns
        -------
        y : ndarray of shape (n_points,) or (n_points, n_outputs)
        std : ndarray of the same shape
            Only with a `return_std`.

        Raises
        ------
        ValueError
            For times or covariates that are missing, another number of columns, and another text
            as `return_std`.
        TypeError
            For dates where ``fit`` had numbers, numbers where it had dates, and a `return_std` of
            another type.
        """
        if not isinstance(return_std, str):
            return self._predict(X, return_std, _whole, Series.deviation)
        if return_std != "observation":
            raise ValueError(
                'return_std must be True, False or "observation", which adds the noise of a '
                f"sample. Got {return_std!r}."
            )
        return self._predict(X, True, _whole, Series.deviation_of_samples)

    def predict_components(self, X: ArrayLike, *, return_std: bool = False) -> Any:
        """Predict each component by itself: the trend, then the seasons.

        Parameters
        ----------
        X : array-like of shape (n_points, n_features)
            Times, within or beyond those of the samples, and covariates.
        return_std : bool, default=False
            Whether to return the posterior standard deviation of each component too. Errors of
            components may make up for each other, so that that of the sum may be smaller.

        Returns
        -------
        components : ndarray of shape (n_points, 1 + n_periods)
            The trend, or the constant, first; the linear term of `covariates`, if there are any,
            is one more column at the end. The sum along this axis is what ``predict`` gives.
            With several outputs there is a last axis for them.
        std : ndarray of the same shape
            Only with ``return_std=True``.

        Raises
        ------
        ValueError
            For times or covariates that are missing, another number of columns, and
            "observation" as `return_std`, as noise belongs to the sum and to no component.
        TypeError
            For dates where ``fit`` had numbers, numbers where it had dates, and a `return_std`
            of another type.
        """
        if isinstance(return_std, str):
            raise ValueError(
                "return_std of components must be True or False: a sample has its noise once, not "
                'in each component. Take predict(X, return_std="observation"). '
                f"Got {return_std!r}."
            )
        return self._predict(X, return_std, Series.parts, Series.deviations_of_parts)

    @of_one_fit
    def _predict(
        self,
        X: ArrayLike,
        return_std: bool,
        value: Callable[[Series, NDArray], NDArray],
        deviation: Callable[[Series, NDArray], NDArray],
    ) -> Any:
        check_is_fitted(self)
        wants_std = parse_flag(return_std, "return_std")
        X = checked_data(self, X, dtype=np.float64, reset=False)
        points = self._points(np.asarray(X))

        def of_outputs(function: Callable[[Series, NDArray], NDArray]) -> NDArray:
            with within_floats(lambda: _TOO_FAR.format(np.max(np.abs(points)))):
                results = [function(each, points) for each in self._series]
            return results[0] if self._single else np.stack(results, axis=-1)

        if not wants_std:
            return of_outputs(value)
        return of_outputs(value), of_outputs(deviation)


def _whole(series: Series, points: NDArray[np.float64]) -> NDArray[np.float64]:
    return series.parts(points).sum(axis=1)


def _rank(value: Any, name: str) -> float | None:
    return None if is_auto(value, name) else parse_positive(value, name, ' or "auto"')


def _parse_list(value: Any, name: str, length: int, parse: Callable[[Any, str], Any]) -> Any:
    """One entry for each component with a strength; None for "auto"."""
    wanted = f'"auto", or a list of {length}: the trend, if there is one, and each period'
    if isinstance(value, str):
        is_auto(value, name, wanted)
        return None
    if np.ndim(value) == 0:
        value = [value] * length
    listed = [parse(each, name) for each in value]
    if len(listed) != length:
        raise ValueError(f"{name} must be {wanted}. Got {value!r}.")
    return listed


def _without_holes(y: Any) -> tuple[NDArray, NDArray[np.bool_]]:
    """Targets with 0 for NaN, and where NaN was."""
    y = checked_array(
        y, ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan", input_name="y"
    )
    absent = np.isnan(y)
    return np.where(absent, 0.0, y), absent
