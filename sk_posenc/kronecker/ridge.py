"""Ridge regression on products of encodings, one per axis, in closed form."""

from typing import Any, Self

from numpy.typing import ArrayLike, NDArray

from sk_posenc.encoders.domains import in_numbers
from sk_posenc.kronecker._automatic import Asked
from sk_posenc.kronecker._blocks import BlockFits
from sk_posenc.kronecker._centres import ByCentres
from sk_posenc.kronecker._covariates import refuse_adaptive
from sk_posenc.kronecker._encoders import warn_of_axes_outside
from sk_posenc.kronecker._nested import NestedEncoder
from sk_posenc.kronecker._patterns import patterns_of
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._progress import fit_aloud, stage
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._settings import drop_absent
from sk_posenc.kronecker._targets import Units

__all__ = ["KroneckerRidge"]


class KroneckerRidge(NestedEncoder, BlockFits):
    r"""Ridge regression on the Kronecker product of one encoding per axis.

    On a grid, with features :math:`\Phi_a` of the distinct coordinates of axis a, the
    coefficients minimise

    .. math:: |y - (\Phi_1 \otimes \dots \otimes \Phi_d)\, c|^2
              + \alpha\, m\, c^\top (P_1 \otimes \dots \otimes P_d)\, c

    Here y are the targets without their mean, and m is the mean of the diagonal of the Gram
    matrix of the features. One eigendecomposition per axis gives the exact solution. The product
    is never formed, and a megapixel takes the time of a spline. On grids with holes and for
    scattered samples the same objective runs over the rows of `X`, and conjugate gradients
    minimise it.

    Parameters
    ----------
    encoder : encoder or list of one per axis, default=None
        A clone is fitted on each axis. None: a ShiftedBasisEncoder with the Gaussian, with the
        triangle for ``penalty="adaptive"``, or with the B-spline where ``penalty="auto"`` takes
        smoothness. A search, or ``set_params``, may set ``encoder__stable_rank`` and other
        parameters of None too: an encoder with the Gaussian, or the triangle for "adaptive",
        first takes its place. Settings given per axis go to their axis; `tensor_product` and
        `sparse_output` are ignored. Settings left at "auto" depend on the samples, and the
        guide's page *Defaults* has their numbers:

        - On a grid there is one shift per distinct coordinate (or a whole number of them, for
          narrow bases), and the stable rank is a share of the distinct coordinates, 0.42 for
          the Gaussian.
        - Off a grid the stable rank is lower.
        - A penalty of smoothness off a grid, and "adaptive" anywhere, allow a higher stable
          rank. Shifts are then as far apart as they can be while they sum to a constant.
        - On a grid a LogFourierEncoder with the default `n_frequencies` has more frequencies.
        - Frequencies above half the sampling rate of a grid are replaced by the slower ones
          with the same values at the samples: the fit there is the same, and does not
          oscillate between the samples.

        Coordinates outside the domain count as its nearest end, unless the boundary is
        "periodic" or "cut".
    alpha : float or "auto", default="auto"
        Strength of the penalty, relative to the mean of the diagonal of the Gram matrix of the
        features. For smoothness and "adaptive" it is relative to the number of samples. For
        "similarity" and "radial" it is absolute: the variance of the noise at a place of mean
        weight over the variance of the function. "auto" is 1e-6 with "ridge", "slope" and
        "curvature", 1e-3 with smoothness, "similarity" and "radial", and 0.2 with "adaptive".
        These interpolate. Noisy samples need a larger one: see :class:`KroneckerRidgeCV`.
    penalty : str or float, default="auto"
        What is penalised: "auto" or one of the following.

        - "auto" is "ridge" on a full grid, where each cell has a sample, whatever it weighs. One
          axis is such a grid if its gaps are about alike, or it has more than 2,000 samples.
          Elsewhere it is smoothness of
          exponent 2, where all encoders are ShiftedBasisEncoders and there are up to three
          axes, else "ridge". An `alpha` that is given applies to whichever is taken.
        - "ridge" penalises the coefficients of each axis, P = I. "slope" and "curvature"
          penalise their first or second differences, P = D'D + 0.01 I. The last term bounds
          coefficients whose differences are 0. "slope" and "curvature" need a
          ShiftedBasisEncoder.
        - A number p, above 0 and at most 8, is the exponent of *smoothness*, for scattered
          samples. The penalty is :math:`n \sum_k (\sum_a \omega_{ak}^2)^p z_k^2`. Here z are
          the coefficients of functions with mean square 1 over the domain, and
          :math:`\omega_{ak}^2` is the mean squared slope of function k along axis a. The unit
          of length of an axis is its domain over its stable rank. To penalise constants too,
          the square of the angular frequency of half a wave over the domain (its mean over the
          axes) is added to the sum. Exponents of 1.25 to 1.75 suit textures and edges, 2 to 2.5
          smooth fields.
        - "adaptive" is smoothness of exponent 2 that is weaker across edges of the function.
          The penalty is the mean over the domain of :math:`n\, \mathrm{tr}(T H T H)`. H are the
          second differences at each node of the shifts. T is the inverse of
          :math:`\langle g g^\top \rangle + 0.1^2 I`, scaled to a median of 1. Here g are the
          slopes of the previous fit, in root mean squares of the function, and the brackets
          are a mean by a Gaussian of 1.5 units of length. There are four fits; the first has
          T = I and a tenth of `alpha`. ShiftedBasisEncoders are needed, and at most three axes.
        - "similarity" is "ridge" with infinitely many shifts, so `n_shifts` has no effect. It is a
          Gaussian process: the kernel of two points is the product over the axes of the
          similarity of the encoder, in closed form and 1 at no distance. Off a full grid more
          than 8,000 samples go by centres (see `layout_`), in any number of axes. Any encoder will
          do whose similarity is a function of the displacement: a ShiftedBasisEncoder of another
          basis than "impulse", or one with fixed Fourier functions. With the boundary "cut" the
          ends of the domain do not count.
        - "radial" is the same with one similarity of the distance in place of the product over the
          axes, for fields without preferred axes. The distance is
          :math:`\sqrt{\sum_a ((x_a - x'_a) / b_a)^2}`, b the bandwidths. All axes need one of
          the bases "gaussian" (whose product is radial already), "matern12", "matern32" and
          "matern72", and none may be periodic. Grids too go by centres beyond 8,000 samples, and
          there are no derivatives.
    spacing : float or one per axis, default=0.0
        How far the shifts follow the samples, from 0 to 1. 0: evenly over the domain. 1: as many
        between any two neighbouring samples. Take 0.9 where samples are log-spaced, or in bursts
        with as much detail as they can show. The axis is then mapped as by
        :class:`SpacingTransformer` before it is encoded, so that penalties too count in mapped
        coordinates, and a `bandwidth` or `max_frequency` in widths of the domain. An encoder of
        such an axis has no `domain`, and is not periodic. Where mapped samples of a grid are still
        uneven, the settings left at "auto" are those off a grid.
    tol : float, default=0.1
        Conjugate gradients stop where a few steps together move the function by less than
        this share of its residuals. Both are root mean squares: the move over the whole domain,
        the residuals at the samples. Where no samples are near the largest move counts too, in
        units of at least 5 % of the size of the function. For `tol` of at least 1e-3 they run in
        single precision, where its rounding allows it.
    max_iter : int, default=1000
        Largest number of their steps, for each fit of "adaptive" separately. Where single
        precision is not enough, as many steps again in double precision.
    nan_is_hole : bool, default=False
        Whether a target that is NaN is a hole, not an error. Each output is fitted to its own
        samples: one solution for all outputs with the same holes. Encoders are fitted to the
        places of all samples. On a grid a hole only marks its place. Where most samples are holes
        in all outputs, it is faster to leave them out.
    covariates : int, str or list of them, default=None
        Columns of `X` that are no axes, by number or by name: an elevation, a holiday. Each adds a
        linear term with a coefficient that nothing penalises, also beyond the samples, beside the
        smooth function of the axes. Both are fitted together (see Notes). Not with "adaptive" and
        `partial_fit`.
    verbose : int, default=0
        1: a line for each stage of a fit, with its sizes, steps and seconds. Since scikit-learn
        1.9 the callbacks of ``set_callbacks``, such as a ProgressBar, hear of the same stages.

    Attributes
    ----------
    alpha_ : float
        Strength that was used.
    penalty_ : str or float
        Penalty that was used.
    encoders_ : list of n_axes encoders
        Fitted, each on one axis; the same object where axes are alike. With `spacing` they take
        mapped coordinates.
    layout_ : {"grid", "holes", "scattered", "dual", "centres", "normal"}
        How the system was solved. All layouts have the same solution, "centres" nearly.

        - "grid": axis by axis; one axis with many places by banded matrices. With several axes
          and "adaptive", or a penalty of smoothness on all but small grids, by conjugate
          gradients.
        - "holes": cells of the grid are empty, or weights are not a product over the axes.
          Directly up to 2,000 samples, else by conjugate gradients on the grid.
        - "scattered": by products of the features of all axes. Directly up to 2,000 products or
          samples, else by conjugate gradients, in up to four axes.
        - "dual": by the kernel of the samples, a product over the axes, up to 8,000 samples. With
          "similarity" all samples but full grids, with "radial" all samples; beyond 1,500 of them
          by Cholesky.
        - "centres": "similarity" and "radial" with more than 8,000 samples, on the kernel of some
          of them. There are as many centres as the kernel needs, so that values move by some
          hundredths of their standard deviation. If that would take too many, `fit` warns.
        - "normal": by the sums of :meth:`partial_fit`.
    n_iter_ : int
        Steps of conjugate gradients, 1 where the solution is direct. With "adaptive", those of
        all four fits.
    coefficients_ : ndarray of shape (k_1, ..., k_d) or (n_outputs, k_1, ..., k_d)
        Not available in the layout "dual". With "similarity", one for each cell of the grid.
    dual_coefficients_ : ndarray of shape (n_samples,) or (n_outputs, n_samples)
        Only in the layout "dual": one for each distinct row of X, in sorted order.
    intercept_ : float or ndarray of shape (n_outputs,)
        Mean of the targets.
    condition_ : float
        Condition number of the regularised system. By Cholesky, an estimate in the norm of
        largest column sums. With conjugate gradients, a bound; NaN (not known) with a penalty of
        smoothness, with "adaptive" and after `partial_fit`.
    noise_variance_ : ndarray of shape (n_outputs,)
        Of a sample of mean weight: squared residuals over the freedom that the fit leaves, which
        is the samples less the trace of the hat matrix. Computed on first access. Not available
        where the fit passes through all samples, and with "adaptive", whose fit is not linear in
        the targets; standard deviations then are not either.
    covariate_coef_ : ndarray of shape (n_covariates,) or (n_outputs, n_covariates)
        Change of the target for each unit of a covariate, in the order of `covariates`.
    covariate_std_ : ndarray of the same shape
        Their standard deviations. Computed on each access, where `noise_variance_` is available.
    covariate_mean_ : ndarray of shape (n_covariates,)
        Means of the covariates over the samples, where the linear term is 0.
    n_features_in_ : int
        Number of columns of `X`: axes and covariates.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns, where `X` had them.
    dates_ : tuple
        For each column None, or for dates what counts as day 0.

    Warns
    -----
    UserWarning
        Where `condition_` is above 1e12.
    ConvergenceWarning
        Where conjugate gradients do not reach `tol` in `max_iter` steps.
    PoorFitWarning
        Where most samples lie outside the `domain` of an encoder.

    See Also
    --------
    SpacingTransformer : The map of `spacing`.
    KroneckerRidgeCV : Chooses encoder, stable rank, penalty and alpha.
    CoordinateMLPRegressor : A network on the sum of the encodings.

    Notes
    -----
    The penalties "ridge", "slope" and "curvature" are products over the axes, not sums. A
    product makes two things possible that a sum does not: one factorisation per axis serves all
    alphas and makes the hat matrix diagonal, and any number of axes has a kernel.

    With `covariates`, Z their values less their mean and a constant, W the weights of the samples,
    and S the smoother that maps targets to the smooth function at the samples, the coefficients are
    :math:`\beta = (Z' W (I - S) Z)^{-1} Z' W (I - S) y`, and the smooth function is fitted to
    :math:`y - Z \beta`. This is generalised least squares, or kriging with an external drift.
    Samples at one place keep covariates of their own. A covariate that follows a smooth function of
    the axes has a wide standard deviation; one that is constant, or a sum of others, is refused.

    Computations are in float64. With float32 coordinates the products along the axes are in
    float32; the eigendecompositions stay in float64.

    Under scikit-learn's array API dispatch X and y may be torch tensors. Conjugate gradients
    and predictions then run on their device, and predictions are tensors there. Factorisations,
    the recognition of grids, the map of `spacing`, derivatives and standard deviations always
    use NumPy, and fitted attributes are NumPy arrays.

    References
    ----------
    J. Zheng, S. Ramasinghe, X. Li, S. Lucey, "Trading Positional Complexity vs Deepness in
    Coordinate Networks", ECCV 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import KroneckerRidge, grid_samples
    >>> x = np.arange(64) / 64
    >>> X, y = grid_samples(np.sin(6 * x)[:, None] * np.cos(4 * x), axes=(x, x))
    >>> model = KroneckerRidge().fit(X, y)
    >>> model.layout_, model.coefficients_.shape
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
        alpha: float | str = "auto",
        penalty: str | float = "auto",
        spacing: Any = 0.0,
        tol: float = 0.1,
        max_iter: int = 1_000,
        nan_is_hole: bool = False,
        covariates: Any = None,
        verbose: int = 0,
    ) -> None:
        self.encoder = encoder
        self.alpha = alpha
        self.penalty = penalty
        self.spacing = spacing
        self.tol = tol
        self.max_iter = max_iter
        self.nan_is_hole = nan_is_hole
        self.covariates = covariates
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit on samples at coordinates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            Coordinates and covariates, rows in any order.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            A sample of weight 0 counts as absent, one of weight 2 as two samples.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN or infinity, settings that are impossible, and samples whose system does
            not fit into memory. The estimator is then unchanged.
        """
        fit_aloud(self, lambda fitted: fitted._fit(X, y, sample_weight), X, y, sample_weight)
        return self

    def _fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        asked = Asked.of(self.penalty, self.alpha)
        X, y, weights = drop_absent(*self._check_samples(X, y, sample_weight))
        X, beside = self._split(X, weights)
        samples, missing = Samples(X, weights), self._missing
        patterns = [] if missing is None else patterns_of(X, weights, missing)
        encoder = in_numbers(self.encoder, self._axis_dates)
        full = samples.fills_grid and all(each.samples.fills_grid for each in patterns)
        penalty, alpha = asked.in_force(encoder, X.shape[1], full=full)
        if encoder is None:
            encoder = asked.encoder_for(penalty)
        if beside is not None:
            refuse_adaptive([penalty])
        with stage("encode") as told:
            problem = Problem(
                samples, encoder, penalty, alphas=[alpha], place=self._place, spacing=self.spacing
            )
            told.note(f"{problem.design.n_columns:,} products of features")
        if patterns:
            self._fit_patterns(patterns, y, problem, alpha, beside)
        else:
            units = Units(samples, y.reshape(len(y), -1))
            self._fit_final(samples, y, problem, alpha, units, beside=beside)
        self.alpha_, self.penalty_ = alpha, penalty.given
        if isinstance(problem.solver, ByCentres):
            problem.solver.warn_of_few(alpha)
        warn_of_axes_outside(self.encoders_, X, type(self).__name__)

    def _settings_for(self, X: NDArray, encoder: Any) -> tuple[float, str | float]:
        """Alpha and penalty with which an encoder would be fitted to samples."""
        asked = Asked.of(self.penalty, self.alpha)
        full = Samples(X, None).fills_grid
        penalty, alpha = asked.in_force(encoder, X.shape[1], full=full)
        return alpha, penalty.given
