"""Deviations of what a search has chosen, where the chosen fit does not tell them by itself."""

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._alternate import alternate, first_of_outputs, less
from sk_posenc.kronecker._axis import Expansion
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._fit import Fit
from sk_posenc.kronecker._fit_of_sums import FitOfSums
from sk_posenc.kronecker._gap_spacing import with_gaps
from sk_posenc.kronecker._head import KroneckerHead
from sk_posenc.kronecker._patterns import Pattern
from sk_posenc.kronecker._posterior import Posterior
from sk_posenc.kronecker._scales import Scales, scales_of, scales_of_learnt
from sk_posenc.kronecker._search import Choice, best_linear, problem_of
from sk_posenc.kronecker._similarity import SimilarityDesign
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import ADAPTIVE

T = TypeVar("T")


class SearchedHead(KroneckerHead):
    """A head whose penalty and spacing were chosen by a search."""

    penalty_: str | float
    spacing_: float
    _linear: tuple[Candidate, float] | None
    _linear_fit: "SearchedHead | None"
    _in_gaps: list[tuple[Fit, tuple[Expansion, Posterior]]]
    _is_learnt: bool  # the resolution
    _scales: list[tuple[Fit, Scales | None]]

    def _choose_linear(
        self, paths: list[Candidate], results: dict[str, Any], *, learnt: bool
    ) -> None:
        """Keep which candidate tells deviations where "adaptive" was chosen."""
        self._linear = self._linear_fit = None
        self._in_gaps, self._scales, self._is_learnt = [], [], learnt
        if self.penalty_ == ADAPTIVE.given:
            self._linear = best_linear(paths, results)

    def _alternate(
        self,
        X: NDArray,
        given: Sequence[Any],
        kept: Sequence[Any],
        beside: NDArray[np.float64],
        patterns: Sequence[Pattern],
        search: Callable[[Any, Any], tuple[Units, Choice]],
    ) -> tuple[Units, Choice]:
        """A search without the linear term of covariates, until that is settled.

        Parameters
        ----------
        X : ndarray
            All columns of all samples, whose axes and targets are in `given`.
        given, kept : tuples
            Axes and targets, first, of all samples and of those whose weight is not 0.
        beside : ndarray of shape (n_kept, p)
            Covariates.
        search : callable
            Searches for samples such as `given` and `kept`.
        """
        whole = self._columns.split(X)[1]
        assert whole is not None
        whole = whole - self._centre

        def without(linear: NDArray[np.float64]) -> tuple[Units, Choice]:
            return search(less(given, whole, linear), less(kept, beside, linear))

        first = first_of_outputs(kept[0], kept[1], beside, patterns)
        estimate = partial(self._coefficients, kept[1], beside, patterns)
        return alternate(first, without, estimate, beside)

    def _coefficients(
        self,
        y: NDArray,
        beside: NDArray[np.float64],
        patterns: Sequence[Pattern],
        choice: Choice,
    ) -> NDArray[np.float64]:
        """Coefficients (q, p) of covariates under a choice."""
        columns, problem = y.reshape(len(y), -1), choice.problem
        alpha = choice.results["params"][choice.best]["alpha"]
        if not patterns:
            return self._estimate(problem, alpha, columns, beside).coefficients
        found = np.empty((columns.shape[1], beside.shape[1]))
        for outputs, part in patterns:
            own = self._estimate(problem.of_part(part), alpha, columns[:, outputs], beside)
            found[outputs] = own.coefficients
        return found

    def _deviating(self, fit: Fit | FitOfSums) -> tuple[Expansion, Posterior]:
        """Of a kernel of axes that were mapped by choice, one that does not shorten gaps."""
        assert isinstance(fit, Fit)
        if not (isinstance(fit.problem.design, SimilarityDesign) and self.spacing_ > 0):
            return super()._deviating(fit)

        def told() -> tuple[Expansion, Posterior]:
            solver = with_gaps(fit.problem).solver
            return solver.expansion, solver.posterior(fit.alpha)

        return _once(self._in_gaps, fit, told)

    def _spread(
        self, fit: Fit | FitOfSums, at_points: Callable[[Expansion, Posterior], NDArray | None]
    ) -> NDArray[np.float64] | None:
        scales = self._scales_of(fit)
        if scales is None:
            return super()._spread(fit, at_points)
        expansion, posterior = self._deviating(fit)
        whole = at_points(expansion, posterior)
        if whole is None:
            return None
        of_noise = at_points(expansion, posterior.of_noise)
        assert of_noise is not None
        return scales.deviations(whole, of_noise)

    def _noise_of(self, fit: Fit | FitOfSums) -> NDArray[np.float64]:
        scales = self._scales_of(fit)
        return super()._noise_of(fit) if scales is None else scales.noise

    def _scales_of(self, fit: Fit | FitOfSums) -> Scales | None:
        """None where they are those of the fit."""
        assert isinstance(fit, Fit)
        of = scales_of_learnt if self._is_learnt else scales_of
        return _once(self._scales, fit, partial(of, fit))

    def _linear_head(self) -> "SearchedHead":
        """Where "adaptive" was chosen, the best of the other candidates, fitted when asked for."""
        if self._linear is None:
            return self
        if self._linear_fit is None:
            path, alpha = self._linear
            assert self._problem is not None
            problem = problem_of(
                path, self._problem.samples, np.array([alpha]), whole=False, place=self._place
            )
            other = copy(self)
            other._linear, other._scales, other._is_learnt = None, [], False
            fits = [(columns, fit) for columns, fit in self._fits if isinstance(fit, Fit)]
            if len(fits) > 1:
                y = np.empty((len(fits[0][1].targets()), len(self.intercept_)))
                for columns, fit in fits:
                    y[:, columns] = fit.targets()
                patterns = [Pattern(columns, fit.problem.samples) for columns, fit in fits]
                other._fit_patterns(patterns, y, problem, alpha)
            else:
                fit = fits[0][1]
                other._fit_final(fit.problem.samples, fit.targets(), problem, alpha, fit.units)
            self._linear_fit = other
        return self._linear_fit


def _once(kept: list[tuple[Fit, T]], fit: Fit, make: Callable[[], T]) -> T:
    """What was kept for a fit, or is made now; in pairs, as skops saves no dict of objects."""
    for each, value in kept:
        if each is fit:
            return value
    value = make()
    kept.append((fit, value))
    return value
