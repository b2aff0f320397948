"""The gaps of a map filled by a model of the rest."""

from typing import Any

import numpy as np
from sklearn.base import clone

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.incoming import targets_in
from sk_posenc.core.settings import parse_flag
from sk_posenc.datasets.grid_samples import grid_samples
from sk_posenc.datasets.labelled import is_dataset, is_labelled
from sk_posenc.kronecker.ridge_cv import KroneckerRidgeCV


def fill_grid(values: Any, model: Any = None, *, channels: bool | None = None) -> Any:
    """Fill the gaps of an array over a grid: cells that are NaN or masked.

    A model learns from the other cells, which stay as they are.

    Parameters
    ----------
    values : array-like, masked array, DataArray or Dataset
        A series, an image, a volume, with any number of axes, dates among them. The variables of a
        Dataset are filled one by one.
    model : regressor, default=None
        A clone is fitted on the cells with a value. None: ``KroneckerRidgeCV()``, which chooses
        how much to smooth.
    channels : bool or None, default=None
        Whether the last axis of `values` holds channels, such as red, green and blue, and no
        positions. Channels with the same gaps are filled by one model, others each by its own.
        None is False, but for what looks like a colour image, which must say so.

    Returns
    -------
    ndarray, DataArray or Dataset
        As `values`, without gaps: names, coordinates, attributes and chunks are kept. Floats where
        there were gaps, which may lie beyond the range of the others: clip them before you turn
        an image back into whole numbers.

    Raises
    ------
    ValueError
        Where no cell of a channel has a value, for infinity, for a model with covariates, for
        channels of a Dataset, whose variables are its channels, and for an array that looks like
        a colour image without a word on `channels`.
    TypeError
        For what holds no numbers, and `channels` that are no flag.

    See Also
    --------
    predict_grid : Values everywhere, with standard deviations.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import fill_grid
    >>> x = np.arange(32) / 32
    >>> image = np.sin(6 * x)[:, None] * np.cos(4 * x)
    >>> holes = image.copy()
    >>> holes[10:13, 10:13] = np.nan
    >>> bool(np.abs(fill_grid(holes) - image).max() < 0.01)
    True

    A colour photograph with lost pixels:

    >>> photograph = np.stack([image, image**2, -image], axis=-1)
    >>> lost = np.zeros(photograph.shape, dtype=bool)
    >>> lost[5:8, 5:20] = True
    >>> repaired = fill_grid(np.ma.array(photograph, mask=lost), channels=True)
    >>> bool(np.abs(repaired - photograph).max() < 0.01)
    True
    """
    if getattr(model, "covariates", None) is not None:
        raise ValueError(
            "fill_grid knows no covariates of cells: fit the model to the cells with a value, and "
            f"give predict_grid its covariates. Got covariates={model.covariates!r}."
        )
    channels = None if channels is None else parse_flag(channels, "channels")
    if is_dataset(values):
        if channels:
            raise ValueError(
                "channels must be False for a Dataset, whose variables are filled one by one. "
                "Got channels=True."
            )
        filled = {name: fill_grid(each, model) for name, each in values.data_vars.items()}
        return values.assign(filled)
    if is_labelled(values):
        plain = values.compute() if values.chunks else values
        array = _filled(np.asarray(plain.to_numpy()), plain, model, channels)
        result = plain.copy(data=array)
        return result.chunk(values.chunksizes) if values.chunks else result
    array = np.asarray(to_numpy(targets_in(values, "values")))
    if channels is None and _looks_like_colours(array.shape):
        raise ValueError(
            "values must say whether its last axis holds channels, as red, green and blue, or "
            f"positions: set channels=True or channels=False. Got shape {array.shape}."
        )
    return _filled(array, array, model, channels)


def _looks_like_colours(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) > 4 * shape[2]


def _filled(array: Any, grid: Any, model: Any, channels: bool | None) -> Any:
    """A copy of an array with its gaps filled; `grid` holds the same, with any names."""
    X, y = grid_samples(grid, channels=bool(channels))
    gaps = np.isnan(y)
    if not channels or (gaps == gaps[:, :1]).all():
        _fill(X, y, gaps if y.ndim == 1 else gaps[:, 0], model, "all cells")
    else:
        for channel in range(y.shape[1]):
            _fill(X, y[:, channel], gaps[:, channel], model, f"all cells of channel {channel}")
    return y.reshape(array.shape)


def _fill(X: Any, y: Any, gaps: Any, model: Any, where: str) -> None:
    """Write what a model of the other rows predicts into `y`, at the rows of the gaps."""
    if gaps.all():
        raise ValueError(f"values must hold a number somewhere. Got NaN in {where}.")
    if gaps.any():
        own = KroneckerRidgeCV() if model is None else _copied(model)
        if "nan_is_hole" in own.get_params():  # lines without any value stay lines of the grid
            fitted = own.set_params(nan_is_hole=True).fit(X, y)
        else:
            fitted = own.fit(X[~gaps], y[~gaps])
        y[gaps] = fitted.predict(X[gaps])


def _copied(model: Any) -> Any:
    methods = ("get_params", "fit", "predict")
    if isinstance(model, type) or not all(hasattr(model, each) for each in methods):
        raise TypeError(
            f"model must be a regressor such as KroneckerRidgeCV(), or None. Got {model!r}."
        )
    return clone(model)
