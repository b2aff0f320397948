"""Predictions of a fitted model on a whole grid, with names and coordinates."""

import reprlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.settings import parse_flag
from sk_posenc.datasets.grid_samples import unit_axes
from sk_posenc.datasets.labelled import is_labelled
from sk_posenc.maps._beside import axis_places, covariates_over, names_of
from sk_posenc.maps._over_grid import predict_over
from sk_posenc.maps._target import Target, axis_of


def predict_grid(
    model: Any,
    *,
    like: Any = None,
    coords: Mapping[Hashable, Any] | Sequence[Any] | None = None,
    return_std: bool | str = False,
    covariates: Mapping[Any, Any] | None = None,
) -> Any:
    """Predict a map: the values of a fitted model at all combinations of coordinates.

    Kronecker heads are evaluated axis by axis, and the rows of coordinates are never formed. Other
    models predict rows, in blocks of bounded size.

    Parameters
    ----------
    model : fitted regressor
        Its axes are found by name, where it was fitted on a DataFrame or on what
        :func:`grid_samples` makes of a DataArray. Else they are in the order of `like` or `coords`.
    like : DataArray, Dataset or array, default=None
        The grid to predict on: dimensions in any order, coordinates, attributes and the name. Its
        values do not count. Where they are of dask, so is the map: chunks are predicted when they
        are computed. An array has its samples from 0 to just below 1 along each axis, as in
        :func:`grid_samples`.
    coords : dict of arrays, or sequence of arrays, default=None
        The coordinates along each axis, by name, or in the order of the model. They take the
        place of those of `like`. A single number or date in a dict is one place, which is no
        dimension of the map.
    return_std : bool or "observation", default=False
        Whether to predict standard deviations too, where the model can; "observation" adds the
        noise of a new sample.
    covariates : dict, default=None
        For a model with `covariates` their values at the cells, by name or number of the column: an
        array of the shape of the map, in its order, a DataArray over some of the dimensions of the
        map, or one number. The map is then computed at once.

    Returns
    -------
    DataArray, Dataset, ndarray or tuple of ndarrays
        For a DataArray or a dict a DataArray; with standard deviations or several outputs a
        Dataset of them: ``name``, ``name_std``, or the names of the variables of `like`. For
        arrays, and for a dict where xarray is not installed, an array of shape (n_1, ..., n_d) or
        (n_1, ..., n_d, n_outputs), and with standard deviations a tuple of two.

    Raises
    ------
    ValueError
        Where neither `like` nor `coords` is given, where names do not match those of the model,
        where covariates of the model are missing, and for NaN.
    TypeError
        For coordinates that are neither numbers nor dates.

    See Also
    --------
    fill_grid : Fills the gaps of a map, in one call.
    grid_samples : The way from a map to samples.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import KroneckerRidge, grid_samples, predict_grid
    >>> x = np.arange(32) / 32
    >>> X, y = grid_samples(np.sin(6 * x)[:, None] * np.cos(4 * x), axes=(x, x))
    >>> finer = np.arange(100) / 128
    >>> predict_grid(KroneckerRidge().fit(X, y), coords=[finer, finer]).shape
    (100, 100)
    """
    if isinstance(model, type) or not hasattr(model, "predict"):
        raise TypeError(f"model must be a fitted regressor. Got {model!r}.")
    check_is_fitted(model)
    if not isinstance(return_std, str) or return_std != "observation":
        return_std = parse_flag(return_std, "return_std")
    if like is None and coords is None:
        raise ValueError("predict_grid needs a grid: give like, coords or both. Got None for both.")
    names = names_of(model)
    places = axis_places(model, int(getattr(model, "n_features_in_", 0)) or None)
    n_axes = None if places is None else len(places)
    if isinstance(coords, Mapping) and not (like is None or is_labelled(like)):
        raise TypeError(
            "like must be a DataArray or Dataset where coords has names: leave like out, or give "
            f"coords as a list of one array for each axis. Got {reprlib.repr(like)}."
        )
    if isinstance(coords, Mapping) or is_labelled(like):
        own = None if names is None or places is None else [names[i] for i in places]
        return Target.of(like, coords, own, n_axes).filled_by(model, return_std, covariates)
    if coords is None:
        axes: Sequence[Any] = _axes_like(like, n_axes)
    elif isinstance(coords, str) or not np.iterable(coords):
        raise TypeError(
            "coords must hold coordinates for each axis, in a list or in a dict by the names of "
            f"the axes. Got {coords!r}."
        )
    else:
        axes = [axis_of(each, f"coords[{axis}]") for axis, each in enumerate(coords)]
    if n_axes is not None and len(axes) != n_axes:
        raise ValueError(
            f"coords must hold coordinates for each of the {n_axes} axes of the model. "
            f"Got {len(axes)}."
        )
    beside = covariates_over(model, covariates, axes)
    mean, std = predict_over(model, names, axes, return_std, beside)
    return (mean, std) if return_std else mean


def _axes_like(like: Any, n_axes: int | None) -> Sequence[Any]:
    """Places along each axis of an array without coordinates."""
    try:
        shape = np.shape(to_numpy(like))
    except ValueError as error:  # ragged
        raise ValueError(f"like must be an array: {error} Got {reprlib.repr(like)}.") from error
    if 0 in shape[:n_axes] or len(shape) < (n_axes or 1):
        wanted = "its axes" if n_axes is None else f"the {n_axes} axes of the model"
        raise ValueError(
            f"like must have one or more places along each of {wanted}: check how it was sliced, "
            f"or give coords. Got shape {shape}."
        )
    return unit_axes(shape[:n_axes])
