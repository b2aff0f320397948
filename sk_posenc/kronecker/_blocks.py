"""Fits that see one block of samples at a time, by sums over them."""

import math
from collections.abc import Callable
from functools import update_wrapper
from types import MethodType
from typing import Any, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from sk_posenc.core.state import taken_over_last
from sk_posenc.encoders.domains import from_domains, in_numbers
from sk_posenc.kronecker._automatic import Asked
from sk_posenc.kronecker._encoders import missing_settings
from sk_posenc.kronecker._fit_of_sums import FitOfSums
from sk_posenc.kronecker._head import KroneckerHead
from sk_posenc.kronecker._normal import NormalEquations
from sk_posenc.kronecker._settings import drop_absent
from sk_posenc.kronecker._spacing import refuse_spacing
from sk_posenc.kronecker._warnings import warn_of_error

_Method = TypeVar("_Method", bound=Callable[..., Any])


class _AvailableIf:
    """A method of estimators that pass a check; of others, the error of the check says why not."""

    def __init__(self, check: Callable[[Any], bool], method: Callable[..., Any]) -> None:
        self._check, self._method = check, method
        update_wrapper(self, method)  # type: ignore[arg-type]

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self._method
        self._check(owner)
        return MethodType(self._method, owner)


def _available_if(check: Callable[[Any], bool]) -> Callable[[_Method], _Method]:
    """As scikit-learn's decorator, whose error does not say what is missing."""

    def decorate(method: _Method) -> _Method:
        return cast(_Method, _AvailableIf(check, method))

    return decorate


def _names(model: Any) -> list[str] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else list(names)


class BlockFits(KroneckerHead):
    """A head that also learns from blocks of samples, and from models of other blocks."""

    encoder: Any
    alpha: Any
    penalty: Any
    spacing: Any

    def _can_partial_fit(self) -> bool:
        missing = missing_settings(self.encoder)
        if missing:
            raise AttributeError(
                f"{type(self).__name__} has no partial_fit yet: it sees one block of samples at a "
                "time, so that all settings of the encoder must be explicit. Set an encoder, such "
                'as ShiftedBasisEncoder("bspline", stable_rank=20, n_shifts=40, domain=(0, 1)), or '
                f"use fit. Missing: {', '.join(missing)}."
            )
        return True

    @_available_if(_can_partial_fit)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Add a block of samples, by their normal equations.

        All blocks together, in any order, give the solution of :meth:`fit` off a grid on all
        samples, within `tol`. Penalty and alpha that are "auto" are those of ``fit`` there, also
        where blocks happen to make a grid. Memory depends on the number of coefficients, not of
        samples. The first call after ``fit`` starts again from nothing. Dates count from the start
        of the domain that `encoder` has in dates.

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
            Where settings of `encoder` are left to be learnt. It needs a domain. Shifted bases
            also need `n_shifts` and a stable rank or bandwidth, Fourier features a stable rank
            or highest frequency.
        ValueError
            As in :meth:`fit`; for blocks that differ in the number of axes or outputs; and for
            more than 20,000 products of functions without bounded support. For the penalty
            "similarity", "radial" and a `spacing` above 0, which need all samples at once. Also
            when the model is first used, where its system is singular up to rounding.

        Notes
        -----
        The equations are solved when the model is first used, in double precision. With
        several axes, functions without bounded support and functions that are nearly
        dependent are replaced by combinations that are orthogonal over the domain. Sums over
        the functions themselves would lose digits that the penalties magnify. Standard
        deviations are exact, and there are some for up to 8,000 products of functions.

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
        asked = Asked.of(self.penalty, self.alpha)
        asked.refuse_blocks()
        if self.covariates is not None:
            raise ValueError(
                "partial_fit has no covariates: use fit, or leave them out. "
                f"Got covariates={self.covariates!r}."
            )
        sums = self.__dict__.get("_sums")
        X, y, weights = self._check_samples(X, y, sample_weight, reset=sums is None)
        if self._missing is not None:
            raise ValueError(
                "partial_fit has the same samples for all outputs: use fit, or fit those with "
                "holes by themselves. Got NaN in some of the targets of "
                f"{np.count_nonzero(self._missing.any(axis=1))} samples."
            )
        refuse_spacing(self.spacing, X.shape[1], "partial_fit")
        X, y, weights = drop_absent(X, y, weights)
        columns = y.reshape(len(y), -1)
        if sums is None:
            X, self.dates_ = from_domains(self.encoder, X, self.dates_)
        encoder = in_numbers(self.encoder, self.dates_)
        if sums is None:
            sums = NormalEquations(encoder, X.shape[1], columns.shape[1])
            self._single_output = y.ndim == 1
        elif not sums.same_encoder(encoder):
            raise ValueError(
                "encoder must be the same for all blocks: set it back, or start again with a "
                f"clone. Got {self.encoder!r}."
            )
        elif columns.shape[1] != sums.n_outputs:
            raise ValueError(
                f"y must have {sums.n_outputs} outputs, as in the blocks before. "
                f"Got {columns.shape[1]}."
            )
        weights = np.ones(len(X)) if weights is None else weights
        self._adopt(sums.with_block(X, columns, weights), asked)

    def merge(self, *others: "BlockFits") -> Self:
        """Add the samples that other models have seen by :meth:`partial_fit`.

        Parameters
        ----------
        *others : KroneckerRidge
            Models with the same encoder that ``partial_fit`` has fitted, for example in other
            processes or on other machines. They are not changed. The penalty and alpha of this
            model apply.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            For what is no KroneckerRidge.
        ValueError
            For models that differ in encoders, axes, names of axes or outputs, or that
            ``partial_fit`` has not fitted. For the penalties "similarity" and "radial", and a
            `spacing` above 0.
        """
        asked = Asked.of(self.penalty, self.alpha)
        asked.refuse_blocks()
        own = self.__dict__.get("_sums")
        if own is not None:
            refuse_spacing(self.spacing, len(own.axes), "merge")
        for other in others:
            if not isinstance(other, BlockFits):
                raise TypeError(f"merge needs models that are a KroneckerRidge. Got {other!r}.")
            if other is self:
                raise ValueError("merge needs other models. Got the model itself.")
            sums = other.__dict__.get("_sums")
            if own is None or sums is None:
                raise ValueError(
                    "merge needs models that were fitted by partial_fit, not by fit. "
                    f"Got {other if own is not None else self!r}."
                )
            counts = [(len(each.axes), each.n_outputs) for each in (own, sums)]
            for what, ours, theirs, alike in (
                ("numbers of axes and outputs", *counts, counts[0] == counts[1]),
                ("names of axes", _names(self), _names(other), _names(self) == _names(other)),
                ("dates", self.dates_, other.dates_, self.dates_ == other.dates_),
                ("encoder", self.encoder, other.encoder, own.same_functions(sums)),
            ):
                if not alike:
                    raise ValueError(
                        f"merge needs models with the same {what}. Got {theirs!r} and {ours!r}."
                    )
        assert own is not None or not others
        if own is None:
            return self
        for other in others:
            own = own.merged(other._sums)
        with taken_over_last(self) as fitted:
            fitted._adopt(own, asked)
        return self

    def _adopt(self, sums: NormalEquations, asked: Asked) -> None:
        """Take sums as what is fitted, to be solved when asked for."""
        penalty, alpha = asked.in_force(self.encoder, len(sums.axes), full=False)
        self.alpha_, self.penalty_ = alpha, penalty.given
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
        self._fits = [(slice(None), FitOfSums(sums, self._penalty, self._relative_alpha))]
        self._settled = True
        warn_of_error(error, self._tolerance, self._max_iter, stacklevel=5)
