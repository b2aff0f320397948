"""The gaps of a map filled by a model of the rest."""

from typing import Any

import numpy as np
from sklearn.base import clone

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.incoming import targets_in
from sk_posenc.datasets.grid_samples import grid_samples
from sk_posenc.datasets.labelled import is_dataset, is_labelled
from sk_posenc.kronecker.ridge_cv import KroneckerRidgeCV


def fill_grid(values: Any, model: Any = None) -> Any:
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

    Returns
    -------
    ndarray, DataArray or Dataset
        As `values`, without gaps: names, coordinates, attributes and chunks are kept. Floats where
        there were gaps.

    Raises
    ------
    ValueError
        Where no cell has a value, for infinity, and for a model with covariates.
    TypeError
        For what holds no numbers.

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
    """
    if getattr(model, "covariates", None) is not None:
        raise ValueError(
            "fill_grid knows no covariates of cells: fit the model to the cells with a value, and "
            f"give predict_grid its covariates. Got covariates={model.covariates!r}."
        )
    if is_dataset(values):
        filled = {name: fill_grid(each, model) for name, each in values.data_vars.items()}
        return values.assign(filled)
    if is_labelled(values):
        plain = values.compute() if values.chunks else values
        array = _filled(np.asarray(plain.to_numpy()), plain, model)
        result = plain.copy(data=array)
        return result.chunk(values.chunksizes) if values.chunks else result
    array = np.asarray(to_numpy(targets_in(values, "values")))
    return _filled(array, array, model)


def _filled(array: Any, grid: Any, model: Any) -> Any:
    """A copy of an array with its gaps filled; `grid` holds the same, with any names."""
    X, y = grid_samples(grid)
    gaps = np.isnan(y)
    if not gaps.any():
        return array.copy()
    if gaps.all():
        raise ValueError("values must hold a number somewhere. Got NaN in all cells.")
    fitted = (KroneckerRidgeCV() if model is None else clone(model)).fit(X[~gaps], y[~gaps])
    y[gaps] = fitted.predict(X[gaps])
    return y.reshape(array.shape)
