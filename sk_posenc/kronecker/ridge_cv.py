"""Kronecker ridge whose encoder, stable rank, penalty and alpha are chosen."""

from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from sk_posenc.core.poor_fit import warn_of_poor_fit
from sk_posenc.encoders.domains import as_given, in_numbers
from sk_posenc.kronecker._axis import same_settings
from sk_posenc.kronecker._candidates import alphas_of, candidates_of
from sk_posenc.kronecker._covariates import linear_ones
from sk_posenc.kronecker._encoders import warn_of_axes_outside
from sk_posenc.kronecker._learnt import can_learn, learnt_search
from sk_posenc.kronecker._line_ranks import coarse_first
from sk_posenc.kronecker._line_search import is_long_line, line_search
from sk_posenc.kronecker._listed import score_listed
from sk_posenc.kronecker._many import Learnt, learnt_of_many, on_cells, on_grid, sphere_shows_all
from sk_posenc.kronecker._nested import NestedCandidates
from sk_posenc.kronecker._pattern_search import Given, Kept, score_apart
from sk_posenc.kronecker._patterns import Pattern, patterns_of
from sk_posenc.kronecker._progress import fit_aloud, stage
from sk_posenc.kronecker._proportions import candidates_of_part
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import Choice, problem_of, problems_of
from sk_posenc.kronecker._searched import SearchedHead
from sk_posenc.kronecker._settings import drop_absent
from sk_posenc.kronecker._targets import Units

__all__ = ["KroneckerRidgeCV"]


class KroneckerRidgeCV(NestedCandidates, SearchedHead):
    r"""Kronecker ridge whose resolution, penalty and alpha are learnt from the samples.

    With its defaults, the search learns the basis, the stable rank of each axis, the spacing of
    the shifts, one for all axes, and alpha (see *Learnt resolution* in the Notes). With any of the
    first five parameters it tries a list of candidates. With more than 3,000 places of samples in
    several axes it tries such a list too, beside what parts of them show.

    Parameters
    ----------
    encoders : encoder or list of encoders, default=None
        Candidates; each may be a list of one per axis. None, where candidates are listed: the
        B-spline, and the triangle for the penalty "adaptive".
    stable_ranks : list of float, default=None
        Candidates, as shares of the samples per axis. They replace the settings of the encoders.
        None: the settings of the encoders; on long lines learnt (see *Lines* in the Notes).
    alphas : list of float, default=None
        Candidates, greater than 0; the one with the best score is chosen. None: a range that
        depends on the penalty; the guide's page *Defaults* has the numbers. With ``cv=None``
        on a grid, the smallest good one of this range is chosen (see Notes).
    penalties : list of str or float, default=None
        Candidates, or a single one. None, where candidates are listed: where all encoders are
        ShiftedBasisEncoders and there are up to three axes, "slope" on a grid, and several
        exponents of smoothness off it (in three axes "adaptive" too, unless samples are few or
        very many). In all other cases "ridge". The guide's page *Defaults* has the numbers.
    cv : int, splitter or iterable, default=None
        None: exact leave-one-out. Of many candidates, generalised cross-validation makes a
        shortlist. Where conjugate gradients are used, the domain is cut into cells as wide as
        the mean spacing of the samples, and the samples in 12 % of the cells are held out (see
        Notes). Otherwise a splitter, such as :class:`CoordinateKFold`. A number is
        scikit-learn's KFold, which splits rows in their order: for the rows of an image, this
        tests extrapolation.
    tol : float, default=0.1
        As in :class:`KroneckerRidge`.
    max_iter : int, default=1000
        As in :class:`KroneckerRidge`.
    nan_is_hole : bool, default=False
        As in :class:`KroneckerRidge`. The choice is judged by all outputs. Where candidates are
        listed, up to eight patterns of holes judge it, those of most outputs.
    covariates : int, str or list of them, default=None
        As in :class:`KroneckerRidge`. "adaptive" is not tried (see Notes).
    verbose : int, default=0
        As in :class:`KroneckerRidge`. Callbacks also hear of each candidate that was scored.

    Attributes
    ----------
    best_encoder_ : encoder or list of one per axis
        Unfitted. A KroneckerRidge with it, `alpha_`, `penalty_` and `spacing_` is the chosen
        model, within `tol` where conjugate gradients are used.
    alpha_ : float
    penalty_ : str or float
        "similarity" or "radial" where the resolution is learnt.
    spacing_ : float
    best_index_ : int
        Row of `cv_results_` of the chosen candidate.
    best_score_ : float
        Mean score of the chosen candidate; around wide holes not always the best (see Notes).
    cv_results_ : dict of arrays
        As that of GridSearchCV: "params", "param_encoder", "param_stable_rank",
        "param_penalty", "param_spacing", "param_alpha", "split0_test_score", ...,
        "mean_test_score", "std_test_score", "rank_test_score", "mean_fit_time" and similar.
        Scores are negative mean squared errors. With ``cv=None`` there is one split, in which
        each sample is left out in turn. "mean_test_gcv" is then the negative generalised
        cross-validation score of every candidate (those not on the shortlist have the score
        NaN), and "admitted" marks the alphas that are admitted (see Notes). Where the resolution
        is learnt, each place is left out in turn, and the best candidate is that with the
        largest "mean_test_criterion".
    encoders_, layout_, coefficients_, dual_coefficients_, intercept_
        As in :class:`KroneckerRidge`.
    condition_, n_iter_
        As in :class:`KroneckerRidge`.
    noise_variance_ : ndarray of shape (n_outputs,)
        As in :class:`KroneckerRidge`. Of a candidate from a list it is at least the noise of a
        Gaussian process that is learnt on first access, from up to 400 places (see Notes).
    covariate_coef_, covariate_std_, covariate_mean_
        As in :class:`KroneckerRidge`.
    n_features_in_, feature_names_in_, dates_
        As in :class:`KroneckerRidge`.

    Warns
    -----
    PoorFitWarning
        Where even the best candidate explains less than a tenth of the variance of samples left
        out, or most samples lie outside the `domain` of an encoder. The warnings of
        :class:`KroneckerRidge` are given too.

    See Also
    --------
    KroneckerRidge : The same model with given settings.

    Notes
    -----
    *Learnt resolution.* The model is kernel ridge with a constant. The kernel of two points is
    the product over the axes of the similarities of a basis ("gaussian", "matern32" or
    "matern72"; ``penalty="similarity"``), or, off a grid, the similarity of "matern12",
    "matern32" or "matern72" at their distance (``penalty="radial"``). Axes with uneven samples
    are tried as they are, and mapped half way and nine tenths of the way to even ones
    (`spacing`). The search starts from stable ranks that are equal on all axes, and climbs: all
    axes, each axis, the spacing, the basis, in steps of 2 and then of its root. One
    eigendecomposition serves all alphas. With h the roots of the weights, K the kernel,
    :math:`A = h K h + \alpha`, r the dual residuals and D the diagonal of :math:`A^{-1}`, both
    freed of the constant, the climb maximises minus

    .. math:: \log \overline{h |r / D|} + \log \overline{|r| / \sqrt D}
              - \tfrac12 \overline{\log D} + \log \max(1, F)
              + \min(\tfrac12, 5 / \sqrt n) \log R

    The first term is the error at a place that is left out with all its samples. The next two
    are the density that the other places give it. F is how much less the model knows at points
    between the places than at a place left out: its mean variance there times the geometric mean
    of D. On a grid of several axes F compares squared errors: of lines left out, each with all
    places of one coordinate that is not at an end, with those of single places. So gaps count as
    much as samples next to each other. :math:`R = \frac1n y^\top r (\det A\, 1^\top A^{-1}
    1)^{1/n}` is the restricted likelihood of all samples, for few of them. Mapped axes must win
    by :math:`3 / \sqrt n`, two standard errors. Several outputs count each in its own spread, and
    the mean of their criteria decides. Above 600 places, the climb is made on each of three parts
    of 400 places: at random, in whole neighbourhoods, and half of each. Up to 1,000 places then
    judge what it found, each also without a map. On one axis with more than 3,000 places "matern32"
    and "matern72" are judged by bands, in linear time, on cells of neighbouring samples.
    "mean_test_score" is then that of the chosen candidate alone, by leave-one-out of all places.

    *On a sphere.* Where three neighbouring axes are points of a sphere, as those of
    :class:`SphereCoordinates`, they have one resolution, by distances in space, and are not mapped.
    The points between places are on the sphere too, and log R counts by 10.

    *Many samples.* With more than 3,000 places in several axes, what parts show is held against
    the listed candidates, where 256 places predict each other as well as nearest neighbours agree,
    or where samples lie unevenly: on a grid by the criterion, elsewhere by the error on held-out
    cells. It is fitted to all samples by some of them as centres.

    *Leave-one-out* of listed candidates. All samples at one place are left out together. The
    encoders and the absolute strength of the penalty stay fixed, and the mean of the targets is
    that of the other samples. Of several targets, the errors of each count in units of its own
    spread; scores are then scaled to the mean square of these spreads.

    On a grid, leave-one-out predicts a pixel from neighbours one spacing away, and takes finer
    detail for noise. On a clean photograph its choice would smooth away up to 2 dB between the
    pixels. On a grid, automatic alphas are therefore chosen in two steps:

    - Alphas up to 0.01 are admitted (0.001 with penalties other than "slope"). Larger ones are
      admitted while the residuals of the fit are no larger than the noise. The noise is
      estimated from the smallest tenth of the leave-one-out residuals of the least smoothing
      candidate, plus two standard errors of that quantile. Noise below 2 % of the spread of
      the targets counts as none.
    - Of the admitted alphas, the smallest is chosen whose squared error, without the noise, is
      at most 15 % above the best.

    An automatic alpha with which the condition number of the system is above 1e12 is never
    chosen, as rounding would decide its solution.

    *Covariates.* First coefficients come from differences of neighbours. The search then sees the
    targets without the linear term, and the choice gives new coefficients; up to four times, until
    these move the targets by less than a hundredth of the squared error. Where the resolution is
    learnt off a grid, or on one axis, the criterion counts the coefficients as free too. Scores are
    those of the smooth function at the coefficients of all samples.

    *Lines.* On one axis with more than 2,000 places leave-one-out keeps the edges of "adaptive".
    With automatic alphas, smoothness and "adaptive" have a stable rank of 64, of twice as much as
    long as that helps, or of half as much. Alphas that are not visited have the score NaN.

    *Held-out cells* are always the same. Fits without them start from each other's solutions
    and stop early: after ten steps, after twenty in each fit of "adaptive", or at four times
    `tol`. For this choice, several targets are replaced by their largest principal component,
    and its error is scaled to that of the targets; the chosen candidate is then fitted to all of
    them. Automatic alphas are searched by hill climbing: first alphas from 0.01 in decades and
    then among neighbours, then exponents, at alphas that smooth about equally. For "adaptive"
    the climb goes from 0.2 upwards in factors of five, on a full grid only where the smallest
    residuals show noise; or downwards, where that lowers the error by 5 %. Candidates that are
    not visited have the score NaN, as have, with a `cv`, those of "adaptive" below 0.04. Alphas
    that are given are all scored.

    *Wide holes* of a grid, of six cells a side or more, are judged in copies. Under smoothness all
    of them are held out once more, where there are samples, and "mean_test_score" is then minus
    the geometric mean of two squared errors: in the copies, and at the other held-out cells. So
    each counts in its own size. The other cells alone choose alpha: the climb starts at 0.001, goes
    up in decades where that lowers the error by 5 %, else down where it does by 1 %. Of a large
    grid a part of about 33,000 cells judges.

    *Deviations of listed candidates.* An alpha that predicts well need not be the variance of the
    noise over that of the function. So both are estimated. The noise :math:`\sigma^2` is the
    larger of two: that of the fit, which is too little where it interpolates, and that of a
    process whose resolution is learnt. Let H be the hat matrix, and r the residuals. The scale
    of the signal :math:`\beta` is such that :math:`r^\top H r = \sigma^2\, \mathrm{tr}(H R^2 +
    \beta H^2 R)` with :math:`R = I - H`, and so that the function varies at least by a quarter of
    what alpha says of it. With :math:`M = A^\top A + \alpha P`, features A and penalty P, the
    error of the coefficients has the covariance :math:`\sigma^2 M^{-1} (A^\top A + \beta \alpha
    P) M^{-1}`.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import KroneckerRidgeCV, grid_samples
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
        covariates: Any = None,
        verbose: int = 0,
    ) -> None:
        self.encoders = encoders
        self.stable_ranks = stable_ranks
        self.alphas = alphas
        self.penalties = penalties
        self.cv = cv
        self.tol = tol
        self.max_iter = max_iter
        self.nan_is_hole = nan_is_hole
        self.covariates = covariates
        self.verbose = verbose

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
            For a `cv` that takes them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As in :meth:`KroneckerRidge.fit`, and where there is no candidate.
        """
        fit_aloud(
            self, lambda fitted: fitted._fit(X, y, sample_weight, groups), X, y, sample_weight
        )
        return self

    def _fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
    ) -> None:
        if groups is not None and self.cv is None:
            raise ValueError(
                "groups need cv, as leave-one-out knows no groups: set cv=CoordinateKFold(5), or "
                "leave groups out. Got groups with cv=None."
            )
        X, y, weights = self._check_samples(X, y, sample_weight)
        kept = drop_absent(X, y, weights)
        if len(kept[0]) < 2:
            raise ValueError("cross-validation needs at least 2 samples. Got n_samples = 1.")
        places, beside = self._split(kept[0], kept[2])
        kept = places, *kept[1:]
        samples = Samples(places, kept[2])
        if self.cv is None and len(samples.occupied) < 2:
            raise ValueError(
                "leave-one-out needs samples at 2 places or more, as those at one place are left "
                "out together: add samples elsewhere, or set cv. Got n_places = 1."
            )
        patterns = [] if self._missing is None else patterns_of(places, kept[2], self._missing)
        given = self._columns.split(X)[0], y, weights, groups
        if beside is None:
            units, choice = self._search(given, kept, samples, patterns)
        else:
            search = partial(self._search, samples=samples, patterns=patterns, beside=beside)
            units, choice = self._alternate(X, given, kept, beside, patterns, search)
        self._fit_best(samples, kept[1], units, choice, patterns, beside)
        self._warn(places, units)

    def _search(
        self,
        given: Given,
        kept: Kept,
        samples: Samples,
        patterns: list[Pattern],
        beside: NDArray | None = None,
    ) -> tuple[Units, Choice]:
        columns = kept[1].reshape(len(kept[1]), -1)
        if patterns:
            own = [(each, Units(part, columns[:, each])) for each, part in patterns]
            units = Units.joined(own)
        else:
            units = Units(samples, columns)
        units.check_scored()
        long = is_long_line(samples) and not patterns
        learns = self._is_automatic() and (long or can_learn(samples))
        if self._is_automatic() and not (learns or patterns):
            learns = sphere_shows_all(samples, columns, units)
        if not learns:
            return units, self._choose(given, kept, samples, units, patterns)
        with stage("learn the resolution", scores=True):
            if long:
                return units, line_search(samples, columns, units)
            return units, learnt_search(samples, columns, units, self._place, patterns, beside)

    def _choose(
        self, given: Given, kept: Kept, samples: Samples, units: Units, patterns: list[Pattern]
    ) -> Choice:
        """Of listed candidates, and of what parts of many samples show.

        Parameters
        ----------
        given, kept : tuples
            X, y, weights (and groups) of all samples, and of those whose weight is not 0.
        """
        columns = kept[1].reshape(len(kept[1]), -1)
        # where any output has holes, what fills them
        holed = next((part for _, part in patterns if not part.is_grid), samples)
        paths = candidates_of(self._encoders_in_numbers(), self.stable_ranks, self.penalties, holed)
        if self._columns.covariates:
            paths = linear_ones(paths, asked=self.penalties is not None)
        learnt: Learnt | None = None
        if self._is_automatic():
            with stage("ask parts of the samples", scores=True):
                if not patterns:
                    learnt = learnt_of_many(samples, columns, units)
                resolution = None if learnt is None else learnt.resolution
                paths += candidates_of_part(samples, columns, units, paths, resolution, patterns)
        alphas = alphas_of(self.alphas, paths)
        with stage("score candidates", scores=True) as told:
            told.note(f"of {len(paths):,} x {len(alphas):,} alphas")
            if patterns or self.cv is not None:
                results, best = score_apart(
                    given, kept, paths, alphas, units, patterns, self.cv, self._settings()
                )
                alpha = np.array([results["params"][best]["alpha"]])
                path = paths[best // len(alphas)]
                problem = problem_of(path, samples, alpha, whole=False, place=self._place)
                return Choice(results, best, problem, paths)
            if self.alphas is None:
                paths = coarse_first(paths, samples)
            problems = problems_of(paths, samples, alphas, self._place)
            choice, held_out = score_listed(
                samples, *kept, paths, problems, alphas,
                units=units, whole=learnt is not None, **self._settings(),
            )  # fmt: skip
            if learnt is None:
                return choice
            if held_out is None:
                return on_grid(learnt, choice, samples, columns, units)
            return on_cells(learnt, choice, held_out, samples, columns, units)

    def _settings(self) -> dict[str, Any]:
        return {
            "automatic": self.alphas is None,
            "place": self._place,
            "tolerance": self._tolerance,
            "max_iter": self._max_iter,
        }

    def _encoders_in_numbers(self) -> Any:
        if isinstance(self.encoders, list | tuple):
            return [in_numbers(each, self._axis_dates) for each in self.encoders]
        return in_numbers(self.encoders, self._axis_dates)

    def _warn(self, X: NDArray, units: Units) -> None:
        name = type(self).__name__
        warn_of_axes_outside(self.encoders_, X, name)
        warn_of_poor_fit(units.explained(self.best_score_), f"the best candidate of {name}")

    def _is_automatic(self) -> bool:
        """Whether all is left to the samples."""
        settings = (self.encoders, self.stable_ranks, self.alphas, self.penalties, self.cv)
        return all(each is None for each in settings)

    def _fit_best(
        self,
        samples: Samples,
        y: NDArray,
        units: Units,
        choice: Choice,
        patterns: list[Pattern],
        beside: NDArray | None,
    ) -> None:
        self.cv_results_, self.best_index_ = choice.results, choice.best
        self.best_score_ = float(choice.results["mean_test_score"][choice.best])
        chosen = choice.results["params"][choice.best]
        self.alpha_, self.penalty_ = chosen["alpha"], chosen["penalty"]
        self.spacing_ = chosen["spacing"]
        self._choose_linear(choice.paths, choice.results, learnt=choice.encoder is not None)
        if patterns:
            self._fit_patterns(patterns, y, choice.problem, self.alpha_, beside)
        else:
            begun = choice.iteration, choice.start
            self._fit_final(samples, y, choice.problem, self.alpha_, units, *begun, beside)
        # a kernel of similarities has no shifts
        fitted = self.encoders_ if choice.encoder is None else choice.encoder
        self.best_encoder_ = _as_given(fitted)


def _as_given(encoders: list[Any]) -> Any:
    """Unfitted clones of encoders of one axis each; one of them where all are alike."""
    clones = [as_given(clone(each)) for each in encoders]
    alike = all(same_settings(clones[0], each) for each in clones[1:])
    return clones[0] if alike else clones
