"""Positions that are shifted and scaled at random while a model trains."""

from typing import Any, NamedTuple, Self

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_dask_array
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import Array, to_numpy, widened
from sk_posenc.core.checks import checked_data
from sk_posenc.core.settings import parse_flag, parse_number, random_state_of
from sk_posenc.core.state import of_one_fit, taken_over_last
from sk_posenc.encoders.axis_settings import per_axis
from sk_posenc.series._groups import Groups, grouped, like, means_of

Floats = NDArray[np.float64]


_DTYPES = [np.float64, np.float32]


class _Settings(NamedTuple):
    global_shift: Floats
    local_shift: Floats
    scale: float


class PositionAugmenter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Shift and scale positions at random while a model trains (CAPE).

    It stands ahead of any encoder. A view for training has

    .. math:: x' = \lambda \, (x - \bar x + \Delta + \epsilon), \qquad
        \Delta \sim U(-D, D), \quad \epsilon \sim U(-E, E), \quad
        \log \lambda \sim U(-\log S, \log S)

    with the settings D (`global_shift`), E (`local_shift`) and S (`global_scale`). Each group of
    rows, such as a series, has one shift :math:`\Delta` an axis and one scale :math:`\lambda` for
    all axes. Each row has a shift :math:`\epsilon` of its own. At test time
    :math:`x' = x - \bar x`: nothing is random.

    Parameters
    ----------
    global_shift : float or one per axis, default=0.0
        Largest shift D of a group, in coordinate units. It makes absolute positions useless: do
        not use it where the target depends on them, as a signal over coordinates does.
    local_shift : float or one per axis, default=0.0
        Largest shift E of a row, in coordinate units. Up to half the distance of two rows it
        keeps their order.
    global_scale : float, default=1.0
        Largest factor S of a group, at least 1; the smallest is 1 / S.
    center : bool, default=True
        Whether the mean is subtracted: the one learnt in `fit`, or that of each group where
        `groups` are given. False: :math:`\bar x = 0`.
    random_state : int, RandomState instance or None, default=None
        Decides the views. An int: all views of the same rows are the same, unless `augment` is
        given another seed. None: they all differ.

    Attributes
    ----------
    mean_ : ndarray of shape (n_axes,)
        Mean of the rows seen in `fit`.
    n_features_in_ : int
        Number of axes.
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.
    dates_ : tuple
        For each axis None, or for dates what counts as day 0.

    See Also
    --------
    CoordinateMLPRegressor : Trains on a new view in each epoch, with ``augmenter=``.

    Notes
    -----
    *In front or inside.* As a step of a Pipeline it only centres: scikit-learn calls `transform`,
    which is never random. Views reach a model that trains on them by itself.

    *Groups.* A row depends on the other rows of its group only where `groups` are given. A group
    needs not to have been in `fit`. In a Pipeline they are routed, with
    ``set_transform_request(groups=True)``.

    *Tensors* come back as tensors of their device and dtype, with their gradient. Random numbers,
    and the means of groups, are NumPy's. So a seed gives the same view of arrays and tensors.

    References
    ----------
    T. Likhomanenko, Q. Xu, G. Synnaeve, R. Collobert, A. Rogozhnikov. "CAPE: Encoding relative
    positions with continuous augmented positional embeddings". NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import PositionAugmenter
    >>> t = np.arange(6.0)[:, None]
    >>> augmenter = PositionAugmenter(local_shift=0.5, random_state=0).fit(t)
    >>> augmenter.transform(t)[:, 0]
    array([-2.5, -1.5, -0.5,  0.5,  1.5,  2.5])
    >>> augmenter.transform(t, groups=[0, 0, 0, 1, 1, 1])[:, 0]
    array([-1.,  0.,  1., -1.,  0.,  1.])
    >>> moved = augmenter.augment(t) - augmenter.transform(t)
    >>> bool((np.abs(moved) <= 0.5).all())
    True
    """

    def __init__(
        self,
        global_shift: Any = 0.0,
        local_shift: Any = 0.0,
        global_scale: float = 1.0,
        center: bool = True,
        random_state: Any = None,
    ) -> None:
        self.global_shift = global_shift
        self.local_shift = local_shift
        self.global_scale = global_scale
        self.center = center
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the mean of each axis.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Positions.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN or infinite positions, and for settings out of range.
        TypeError
            For settings of the wrong type.
        """
        with taken_over_last(self) as fitted:
            rows = checked_data(fitted, to_numpy(X), dtype=_DTYPES, reset=True)
            fitted._settings()
            if fitted.random_state is not None:
                _generator(fitted.random_state)
            fitted.mean_ = means_of(rows, np.zeros(len(rows), dtype=np.intp), 1)[0]
        return self

    @of_one_fit
    def transform(self, X: ArrayLike, groups: ArrayLike | None = None) -> Array:
        """Place rows as at test time: centred, and never at random.

        Parameters
        ----------
        X : array-like or tensor of shape (n_samples, n_axes)
            Positions.
        groups : array-like of shape (n_samples,), default=None
            A label for each row. Each group is centred by its own mean. None: all rows are
            centred by the mean learnt in `fit`.

        Returns
        -------
        array or tensor of shape (n_samples, n_axes)

        Raises
        ------
        ValueError
            For NaN or infinity, a number of axes other than in ``fit``, and groups without a
            label for each row.
        """
        check_is_fitted(self)
        rows = self._rows(X)
        groups_of = grouped(groups, rows)
        with np.errstate(over="ignore", invalid="ignore"):
            return _in_dtype_of(rows, self._centred(rows, groups_of))

    def fit_transform(self, X: ArrayLike, y: Any = None, groups: ArrayLike | None = None) -> Array:
        """Learn the mean, and centre.

        Parameters
        ----------
        X : array-like or tensor of shape (n_samples, n_axes)
            Positions.
        y : ignored
        groups : array-like of shape (n_samples,), default=None
            As in :meth:`transform`.

        Returns
        -------
        array or tensor of shape (n_samples, n_axes)
        """
        return self.fit(X, y).transform(X, groups)

    def augment(
        self, X: ArrayLike, groups: ArrayLike | None = None, random_state: Any = None
    ) -> Array:
        """Draw a view for training: centre, shift each group, shift each row, scale each group.

        Parameters
        ----------
        X : array-like or tensor of shape (n_samples, n_axes)
            Positions.
        groups : array-like of shape (n_samples,), default=None
            A label for each row. None: all rows are one group.
        random_state : int, RandomState instance or None, default=None
            Decides this view. None: the setting `random_state` does.

        Returns
        -------
        array or tensor of shape (n_samples, n_axes)

        Raises
        ------
        ValueError
            As in :meth:`transform`.
        """
        check_is_fitted(self)
        settings = self._settings()
        rows = self._rows(X)
        groups_of = grouped(groups, rows)
        random = _generator(self.random_state if random_state is None else random_state)
        # all draws of groups come first: those of rows do not change them
        of_groups = 2 * random.random((groups_of.n_groups, len(settings.global_shift))) - 1
        logarithms = (2 * random.random((groups_of.n_groups, 1)) - 1) * np.log(settings.scale)
        with np.errstate(over="ignore", invalid="ignore"):
            view = self._centred(rows, groups_of)
            if settings.global_shift.any():
                view = view + groups_of.each(of_groups * settings.global_shift, view)
            if settings.local_shift.any():
                drawn = like(view, random.random(tuple(view.shape)))
                view = view + (2 * drawn - 1) * like(view, settings.local_shift)
            if settings.scale > 1:
                view = view * groups_of.each(np.exp(logarithms), view)
            return _in_dtype_of(rows, view)

    def _settings(self) -> _Settings:
        n_axes = self.n_features_in_
        parse_flag(self.center, "center")
        return _Settings(
            np.array(per_axis(self.global_shift, "global_shift", n_axes, _parse_shift)),
            np.array(per_axis(self.local_shift, "local_shift", n_axes, _parse_shift)),
            parse_number(self.global_scale, "global_scale", at_least=1),
        )

    def _rows(self, X: Any) -> Array:
        """Checked positions in the namespace that they came in."""
        is_tensor = is_array_api_obj(X) and not isinstance(X, np.ndarray) and not is_dask_array(X)
        if not is_tensor:
            return checked_data(self, X, dtype=_DTYPES, reset=False)
        xp = array_namespace(X)
        if X.ndim != 2 or X.shape[0] == 0 or X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X must be a tensor of shape (n_samples, {self.n_features_in_}), a column for "
                f"each axis seen in fit and at least one row. Got shape {tuple(X.shape)}."
            )
        if xp.isdtype(X.dtype, "complex floating"):
            raise ValueError(f"X must be real. Got {X.dtype}.")
        X = X if xp.isdtype(X.dtype, "real floating") else widened(X)
        if not bool(xp.all(xp.isfinite(X))):
            raise ValueError("X must be finite: it holds NaN or infinity.")
        return X

    def _centred(self, rows: Array, groups_of: Groups) -> Array:
        """Rows less their mean, in float64 where their device has it."""
        wide = widened(rows)
        if not self.center:
            return wide
        if groups_of.number is None:
            return wide - groups_of.each(self.mean_[None, :], wide)
        means = means_of(to_numpy(rows), groups_of.number, groups_of.n_groups)
        return wide - groups_of.each(means, wide)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _parse_shift(value: Any, name: str) -> float:
    return parse_number(value, name, at_least=0)


def _generator(random_state: Any) -> np.random.Generator:
    if random_state is None:
        return np.random.default_rng()
    return np.random.default_rng(random_state_of(random_state).randint(2**31 - 1))


def _in_dtype_of(rows: Array, values: Array) -> Array:
    xp = array_namespace(values)
    placed = xp.astype(values, rows.dtype, copy=False)
    if not bool(xp.all(xp.isfinite(placed))):
        raise ValueError(
            f"X must be placed within what {placed.dtype} holds: scale it, or lower the shifts and "
            f"global_scale. Got positions up to {float(xp.max(xp.abs(rows))):.3g}."
        )
    return placed
