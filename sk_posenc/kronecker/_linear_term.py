"""What a head shows of its covariates: coefficients, their errors, and what they add."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.checks import where_available, within_floats
from sk_posenc.core.incoming import Dates, coordinates_in
from sk_posenc.core.missing import DROP_PLACES, told_of_missing
from sk_posenc.kronecker._columns import Columns, centred
from sk_posenc.kronecker._covariates import CovariateFit, estimate
from sk_posenc.kronecker._fit import Fit
from sk_posenc.kronecker._problem import Problem

_TOO_FAR = (
    "X has covariates so far from those of the samples that their linear term is beyond what a "
    "float holds: check their columns and units. Got numbers up to {:.3g}."
)


class LinearTerm:
    """A head whose columns of X may be covariates, with a coefficient each.

    Attributes
    ----------
    covariates : list or None
    """

    covariates: Any
    dates_: Dates
    intercept_: Any
    _columns: Columns
    _centre: NDArray[np.float64]  # of all samples, whatever holes outputs have
    _fits: Sequence[tuple[Any, Any]]
    _tolerance: float
    _max_iter: int

    @property
    def _axis_dates(self) -> Dates:
        return self._columns.of_axes(self.dates_)

    def _find_columns(self, n_columns: int) -> None:
        names = getattr(self, "feature_names_in_", None)
        self._columns = Columns.of(self.covariates, names, n_columns)

    @contextmanager
    def _missing_explained(self, X: Any, dates: Dates | None = None) -> Iterator[None]:
        """Say whether the column with NaN or infinity is an axis or a covariate, and what to do.

        `dates` are those that `fit` has learnt, where it has.
        """
        try:
            yield
        except ValueError as error:
            if not str(error).startswith("Input X contains"):
                raise
            raise ValueError(self._told_of_missing(X, dates)) from None

    def _told_of_missing(self, X: Any, dates: Dates | None) -> str:
        numbers = np.asarray(coordinates_in(X, dates)[0], dtype=np.float64)
        names = getattr(self, "feature_names_in_", None)
        beside = Columns.of(self.covariates, names, numbers.shape[1]).covariates

        def cure(place: int) -> tuple[str, str]:
            if place in beside:
                fill_in = "drop these rows, or fill it in, with its mean for instance"
                return ", a covariate", fill_in
            return ", an axis", DROP_PLACES

        told = told_of_missing(numbers, "X", names, cure)
        assert told is not None
        return told

    def _split(
        self, X: NDArray, weights: NDArray | None
    ) -> tuple[NDArray, NDArray[np.float64] | None]:
        """Axes, and covariates less their mean, of samples to fit."""
        X, beside = self._columns.split(X)
        if beside is None:
            return X, None
        apart, self._centre = centred(beside, self._columns.names, weights)
        return X, apart

    def _estimate(
        self, problem: Problem, alpha: float, columns: NDArray, beside: NDArray
    ) -> CovariateFit:
        """Coefficients of covariates beside the function of a problem."""
        return estimate(
            problem,
            alpha * problem.scale,
            beside,
            columns,
            self._columns.names,
            self._tolerance,
            self._max_iter,
        )

    def _linear_values(self, beside: NDArray[np.float64]) -> NDArray[np.float64]:
        with within_floats(lambda: _TOO_FAR.format(np.max(np.abs(beside)))):
            return (beside - self._centre) @ self._of_covariates().T

    def _linear_deviations(
        self,
        fit: Any,
        X: NDArray,
        beside: NDArray[np.float64] | None,
        orders: Sequence[int],
    ) -> NDArray[np.float64] | None:
        """What coefficients add to the deviations of points, (m, q)."""
        if beside is None:
            return None
        with within_floats(lambda: _TOO_FAR.format(np.max(np.abs(beside)))):
            variance = _of(fit).variance(X, beside - self._centre, orders)
        return self._of_noise(fit, variance)

    def _noise_of(self, fit: Any) -> NDArray[np.float64]:
        """The variance of the noise of each output."""
        return np.asarray(fit.noise_variance)

    def _of_noise(self, fit: Any, variance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Deviations (m, q) of a variance (m,) in units of the noise of a place."""
        own = fit.deviations(variance)
        noise = np.maximum(fit.noise_variance, np.finfo(np.float64).tiny)
        return np.asarray(own * np.sqrt(self._noise_of(fit) / noise))

    @property
    def covariate_coef_(self) -> NDArray[np.float64]:
        """Change of the target for each unit of a covariate; (p,) or (n_outputs, p)."""
        return self._shown(self._of_covariates())

    @property
    def covariate_std_(self) -> NDArray[np.float64]:
        """Standard deviations of `covariate_coef_`, of its shape."""
        std = np.empty_like(self._of_covariates())
        with where_available("covariate_std_"):
            for columns, fit in self._fits:
                own = _of(fit)
                std[columns] = self._of_noise(fit, np.diag(own.covariance)).T
        return self._shown(std)

    @property
    def covariate_mean_(self) -> NDArray[np.float64]:
        """Mean of each covariate over the samples, where the linear term is 0; (p,)."""
        self._of_covariates()
        return self._centre

    def _of_covariates(self) -> NDArray[np.float64]:
        """Coefficients (q, p)."""
        columns = self.__dict__.get("_columns")
        if columns is None or not columns.covariates:
            raise AttributeError(f"{type(self).__name__} was not fitted with covariates")
        found = np.empty((len(np.atleast_1d(self.intercept_)), len(columns.covariates)))
        for outputs, fit in self._fits:
            found[outputs] = _of(fit).coefficients
        return found

    def _shown(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        return found[0] if np.ndim(self.intercept_) == 0 else found


def _of(fit: Any) -> CovariateFit:
    assert isinstance(fit, Fit)
    assert fit.covariates is not None
    return fit.covariates
