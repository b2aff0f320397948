"""Ridge regression on products of encodings, one per axis, in closed form."""

import math
from collections.abc import Callable
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metaestimators import available_if

from sk_posenc.core.settings import parse_number
from sk_posenc.core.state import taken_over_last
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._encoders import missing_settings
from sk_posenc.kronecker._head import KroneckerHead
from sk_posenc.kronecker._normal import NormalEquations
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._settings import drop_absent
from sk_posenc.kronecker.penalties import Penalty, parse_penalty

__all__ = ["KroneckerRidge"]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _available_if(check: Callable[[Any], bool]) -> Callable[[_Method], _Method]:
    """scikit-learn's decorator, which leaves a method its type."""
    return available_if(check)


def _names(model: "KroneckerRidge") -> list[str] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else list(names)


class KroneckerRidge(KroneckerHead):
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
        Gaussian, or the triangle with ``penalty="adaptive"``. Settings that it has per axis go
        to their axis; its `tensor_product` and `sparse_output` play no part. What it has
        as "auto" depends on the samples:

        - on a grid, one shift per distinct coordinate (a whole number of them where the basis
          is too narrow for that) and a stable rank of 0.42 of the distinct coordinates:
          B-splines 0.48, triangles 0.67 and rectangles 1, as in interpolation; Fourier
          functions 0.5, random ones 0.25;
        - off a grid, a stable rank of at most 0.3 of the samples per axis;
        - with a penalty of smoothness off a grid, 1.25 times that of a grid, and twice that of
          a grid with ``penalty="adaptive"``, anywhere; shifts are then as far apart as they sum
          to a constant: one bandwidth for a B-spline or a triangle;
        - the 10 frequencies that a LogFourierEncoder has by default become on a grid as many as
          it takes for one cycle between the highest two. Frequencies beyond half the sampling
          rate of a grid, which it cannot tell from slower ones, are taken as those: the fit at
          the samples is the same, and does not swing between them.

        Outside its domain a coordinate counts as the nearest end, unless the boundary is
        "periodic" or "cut".
    alpha : float, default=1e-6
        Strength of the penalty, relative to the mean diagonal of the Gram matrix of the
        features; of smoothness and of "adaptive", to the number of samples. At most about 1e-4
        interpolates; "adaptive" wants 0.1 to 1 for that. Samples with noise want more: see
        :class:`KroneckerRidgeCV`.
    penalty : {"ridge", "slope", "curvature", "adaptive"} or float, default="ridge"
        What is penalised.

        - "ridge", "slope" and "curvature" penalise along each axis the coefficients, P = I, or
          their first or second differences, P = D'D + 0.01 I, where the last term bounds what
          differences do not see. The latter two need a ShiftedBasisEncoder.
        - A number p, above 0 and at most 8, is the exponent of *smoothness*, for scattered
          samples: the penalty is :math:`n \sum_k (\sum_a \omega_{ak}^2)^p z_k^2`, in
          coefficients z of functions whose mean square over the domain is 1 and whose mean
          squared slope along axis a is :math:`\omega_{ak}^2`. The unit of length of an axis
          is its domain over the stable rank, and a constant counts as half a wave. 1.25 to
          1.75 suits textures and edges, 2 to 2.5 smooth fields.
        - "adaptive" follows the function: smoothness of exponent 2 that gives way across
          edges. The penalty is the mean over the domain of :math:`n\, \mathrm{tr}(T H T H)`,
          with H the second differences at each node of the shifts, and T, scaled to 1 in the
          median, the inverse of :math:`\langle g g^\top \rangle + 0.1^2 I`: products of the
          slopes g of a fit before, smoothed by a Gaussian of 1.5 units of length, in root mean
          squares of the function. Of four fits the first has T = I and a tenth of `alpha`. It
          needs ShiftedBasisEncoders, and up to three axes.
    tol : float, default=0.1
        Conjugate gradients stop where five steps together move the function, as the root
        mean square over the whole domain with its holes, by less than this share of the root
        mean square of the residuals at the samples. They run in single precision from 1e-3
        on, as long as its rounding allows.
    max_iter : int, default=1000
        Their most steps, for each of the fits of "adaptive", and again in double precision where
        single precision does not do.
    nan_is_hole : bool, default=False
        Whether a sample with NaN in any of its targets is a hole, rather than an error: it
        counts for nothing but its place on a grid. Where most samples are holes, it is quicker to
        leave them out.

    Attributes
    ----------
    encoders_ : list of n_axes encoders
        Fitted, each on one axis; the same object where axes are alike.
    layout_ : {"grid", "holes", "scattered", "dual", "normal"}
        "grid": solved axis by axis; by conjugate gradients with a penalty of smoothness, but
        for small grids, and with "adaptive". "holes": cells of the grid are empty or weights are
        not a product over the axes; solved by conjugate gradients on the grid, directly up to
        2,000 samples.
        "scattered": products of the features of all axes, up to 2,000 of them or as many
        samples multiplied out, beyond by conjugate gradients, in up to four axes. "dual": by
        the product of the kernels of all axes, up to 8,000 samples. "normal": by the sums of
        :meth:`partial_fit`. All have the same solution.
    n_iter_ : int
        Steps of conjugate gradients, 1 where the solution is direct; of all four fits
        with "adaptive".
    coef_ : ndarray of shape (k_1, ..., k_d) or (n_outputs, k_1, ..., k_d)
        Not in the layout "dual".
    dual_coef_ : ndarray of shape (n_samples,) or (n_outputs, n_samples)
        In the layout "dual" only, over distinct rows of X in sorted order.
    intercept_ : float or ndarray of shape (n_outputs,)
        Mean of the targets.
    condition_ : float
        Condition number of the regularised system; where conjugate gradients solve a bound,
        or NaN, not known, with a penalty of smoothness, "adaptive" or sums.
    noise_variance_ : ndarray of shape (n_outputs,)
        Mean square of the leave-one-out residuals; found when first asked for. "adaptive" is
        no linear map of the targets, and has neither it nor standard deviations.
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
    The named penalties of coefficients are products over the axes, not sums: only so do all
    alphas share one factorisation per axis, the hat matrix is diagonal with it, and any number
    of axes has a kernel.

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
    >>> from sk_posenc import KroneckerRidge, grid_samples
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
            larger than memory. The estimator is then as before.
        """
        with taken_over_last(self) as fitted:
            fitted._fit(X, y, sample_weight)
        return self

    def _fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        alpha = parse_number(self.alpha, "alpha", at_least=0)
        penalty = parse_penalty(self.penalty, "penalty")
        X, y, weights = drop_absent(*self._check_samples(X, y, sample_weight))
        samples = Samples(X, weights)
        encoder = self.encoder
        if encoder is None:
            encoder = ShiftedBasisEncoder(penalty.default_basis)
        problem = Problem(samples, encoder, penalty, alphas=[alpha], place=self._place)
        self._fit_final(samples, y, problem, alpha)

    def _can_partial_fit(self) -> bool:
        missing = missing_settings(self.encoder)
        if missing:
            raise AttributeError(
                "partial_fit sees a block of samples at a time, and needs an encoder with all that "
                f"samples would have to tell. Missing: {', '.join(missing)}"
            )
        return True

    @_available_if(_can_partial_fit)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Add a block of samples, by their normal equations.

        All blocks together, in any order, give what :meth:`fit` gives on all of their samples,
        off a grid, as near as `tol` says. Memory follows the number of coefficients, not that of
        samples. On first use after ``fit`` it begins anew.

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
            products of more than 20,000 functions that do not end. On first use of the model,
            where its system is singular but for rounding.

        Notes
        -----
        Equations are solved when first asked for, in double precision. Of several axes whose
        functions do not end, or nearly repeat each other, sums are taken of combinations of
        them that are orthogonal over the domain: the penalties magnify what sums of the
        functions themselves would round away. Standard deviations need the samples, and are
        not to be had.

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
        with taken_over_last(self) as fitted:
            fitted._add_block(X, y, sample_weight)
        return self

    def _add_block(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        alpha = parse_number(self.alpha, "alpha", at_least=0)
        penalty = parse_penalty(self.penalty, "penalty")
        sums = self.__dict__.get("_sums")
        X, y, weights = self._check_samples(X, y, sample_weight, reset=sums is None)
        X, y, weights = drop_absent(X, y, weights)
        columns = y.reshape(len(y), -1)
        if sums is None:
            sums = NormalEquations(self.encoder, X.shape[1], columns.shape[1])
            self._single_output = y.ndim == 1
        elif not sums.same_encoder(self.encoder):
            raise ValueError(
                "encoder must be that of the blocks before, for sums of its functions are all that "
                f"is kept of them. Got {self.encoder!r}: set it back, or begin anew with a clone"
            )
        elif columns.shape[1] != sums.n_outputs:
            raise ValueError(
                f"y must have the {sums.n_outputs} outputs of the blocks before. "
                f"Got {columns.shape[1]}."
            )
        weights = np.ones(len(X)) if weights is None else weights
        self._adopt(sums.with_block(X, columns, weights), penalty, alpha)

    def merge(self, *others: "KroneckerRidge") -> Self:
        """Add the samples that other models have seen by :meth:`partial_fit`.

        Parameters
        ----------
        *others : KroneckerRidge
            With the same encoder, fitted by ``partial_fit`` in other processes or on other
            machines; left as they are. What counts is the penalty and alpha that this model has
            now.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For models that differ in encoders, axes, their names or outputs, or were not fitted
            so.
        """
        alpha = parse_number(self.alpha, "alpha", at_least=0)
        penalty = parse_penalty(self.penalty, "penalty")
        own = self.__dict__.get("_sums")
        for other in others:
            if other is self:
                raise ValueError("merge adds the samples of other models. Got the model itself.")
            sums = other.__dict__.get("_sums") if isinstance(other, KroneckerRidge) else None
            if own is None or sums is None:
                raise ValueError(
                    "merge adds models fitted by partial_fit, to one that is. The last fit of "
                    f"{other if own is not None else self!r} was no partial_fit."
                )
            counts = [(len(each.axes), each.n_outputs) for each in (own, sums)]
            for what, ours, theirs, alike in (
                ("numbers of axes and outputs", *counts, counts[0] == counts[1]),
                ("names of axes", _names(self), _names(other), _names(self) == _names(other)),
                ("encoder", self.encoder, other.encoder, own.same_functions(sums)),
            ):
                if not alike:
                    raise ValueError(
                        f"merge adds models of the same {what}. Got {theirs!r} beside {ours!r}."
                    )
        assert own is not None or not others
        if own is None:
            return self
        for other in others:
            own = own.merged(other._sums)
        with taken_over_last(self) as fitted:
            fitted._adopt(own, penalty, alpha)
        return self

    def _adopt(self, sums: NormalEquations, penalty: Penalty, alpha: float) -> None:
        """Take sums as what is fitted, to be solved when asked for."""
        self._sums = self._expansion = sums
        self._problem = None
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
        self._warn_of_error(error, stacklevel=4)
