"""Arrays over a grid to samples, and back."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.incoming import targets_in
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_flag, parse_integer
from sk_posenc.core.wording import counted
from sk_posenc.datasets.labelled import (
    coordinates_along,
    is_dataset,
    is_labelled,
    table_of,
    variables_of,
)


def grid_samples(
    values: Any, axes: Sequence[ArrayLike] | None = None, *, channels: bool = False
) -> tuple[Any, NDArray]:
    """Turn an array over a grid into samples: coordinates ``X`` and values ``y``.

    The array may be a series, an image, a volume, or have any other number of axes.

    Parameters
    ----------
    values : array-like of shape (n_1, ..., n_axes) or (n_1, ..., n_axes, n_channels)
        Real numbers over the grid. They may include NaN: drop those samples with
        ``keep = np.isfinite(y)``. Masked values become NaN. A DataArray of xarray brings its
        names and coordinates along, dates too; a Dataset has a channel for each variable.
    axes : sequence of array-like, each of shape (n_a,), default=None
        The coordinates along each axis of the grid, in its order and in any unit. Dates are
        numbers of days here; as dates they come with a DataArray. None places the samples of an
        axis at ``arange(n_a) / n_a``, as the literature on coordinate networks does.
    channels : bool, default=False
        Whether the last axis of `values` holds channels (red, green, blue, say)
        rather than positions.

    Returns
    -------
    X : ndarray of shape (n_samples, n_axes)
        The coordinates of each sample, grid points in C order (the last axis runs
        fastest), columns in the order of the axes: row, then column, for an image.
        float32 where every one of `axes` is float32, else float64. Of a DataArray or a Dataset
        it is a DataFrame, with a column for each dimension.
    y : ndarray of shape (n_samples,) or (n_samples, n_channels)
        A copy of the values, in their own dtype.

    Raises
    ------
    TypeError
        If `values` or `axes` do not hold real numbers.
    ValueError
        If the number, length or shape of `axes` does not match the grid, if they
        hold NaN or infinity, or if the grid has no axis or no point.

    See Also
    --------
    samples_to_grid : The way back, for predictions.
    load_signal : Real signals to try.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import grid_samples
    >>> X, y = grid_samples([[1.0, 2.0], [3.0, 4.0]])
    >>> X
    array([[0. , 0. ],
           [0. , 0.5],
           [0.5, 0. ],
           [0.5, 0.5]])
    >>> y
    array([1., 2., 3., 4.])

    A series of temperatures over hours:

    >>> X, y = grid_samples([11.5, 12.0, 14.5], axes=[[9, 12, 15]])
    >>> X.ravel(), y
    (array([ 9., 12., 15.]), array([11.5, 12. , 14.5]))

    A colour image:

    >>> X, y = grid_samples(np.zeros((4, 6, 3)), channels=True)
    >>> X.shape, y.shape
    ((24, 2), (24, 3))
    """
    channels = parse_flag(channels, "channels")
    if is_labelled(values):
        return _labelled_samples(values, axes, channels)
    if isinstance(values, list | tuple):
        values = [to_numpy(each) for each in values]
    values = np.asarray(targets_in(to_numpy(values), "values"))
    if values.dtype.kind not in "biuf":
        raise TypeError(
            "values must hold real numbers: convert them with np.asarray(values, dtype=float). "
            f"Got dtype {values.dtype}."
        )
    shape = values.shape[:-1] if channels else values.shape
    if len(shape) == 0:
        raise ValueError(
            "values must have at least one grid axis"
            + (" besides its channels" if channels else "")
            + ": add an axis"
            + (" or pass channels=False" if channels else "")
            + f". Got shape {values.shape}."
        )
    if 0 in values.shape:
        raise ValueError(
            "values must hold at least one number: check how the array was sliced. "
            f"Got shape {values.shape}."
        )
    n_columns = len(shape) + (values.shape[-1] if channels else 1)
    check_memory((math.prod(shape), n_columns), 8, "take a part of the grid")
    coordinates = unit_axes(shape) if axes is None else _checked_axes(axes, shape)
    X = np.empty((math.prod(shape), len(shape)), dtype=np.result_type(*coordinates))
    for column, coordinate in zip(
        X.T, np.meshgrid(*coordinates, indexing="ij", copy=False), strict=True
    ):
        column[:] = coordinate.ravel()
    y = np.array(values, order="C").reshape(len(X), *values.shape[len(shape) :])
    return X, y


def _labelled_samples(
    values: Any, axes: Sequence[ArrayLike] | None, channels: bool
) -> tuple[Any, NDArray]:
    if axes is not None:
        raise ValueError(
            "axes come from the coordinates of a DataArray: assign them there, with "
            f"assign_coords, or pass values.to_numpy(). Got axes={axes!r}."
        )
    arrays = variables_of(values)
    if not arrays or (len(arrays) > 1 and channels):
        raise ValueError(
            "values must be a DataArray, or a Dataset of one or more variables without other "
            f"channels. Got {len(arrays)} variables with channels={channels}."
        )
    dims = arrays[0].dims[:-1] if channels else arrays[0].dims
    columns = []
    for each in arrays:
        if set(each.dims) != set(arrays[0].dims):
            raise ValueError(
                "all variables must have the same dimensions: choose those that do, "
                f"dataset[['a', 'b']]. Got {arrays[0].dims} and {each.dims}."
            )
        columns.append(np.asarray(each.transpose(*arrays[0].dims).to_numpy()))
    one = columns[0] if not is_dataset(values) else np.stack(columns, axis=-1)
    # checks all there is to check of plain arrays
    _, y = grid_samples(one, channels=channels or is_dataset(values))
    X = table_of(dims, [coordinates_along(values, dim) for dim in dims])
    return X, y[:, 0] if is_dataset(values) and len(columns) == 1 else y


def samples_to_grid(y: ArrayLike, shape: int | Sequence[int]) -> NDArray:
    """Put values of samples in C order, such as predictions, back on their grid.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_channels)
        One value, or one row of channels, for each grid point in C order. They may be of any kind;
        NaN and infinity stay, and what is masked becomes NaN.
    shape : int or sequence of int
        The number of grid points along each axis, without the channels.

    Returns
    -------
    ndarray of shape ``shape`` or ``(*shape, n_channels)``
        A copy, in the dtype of `y`.

    Raises
    ------
    TypeError
        If `shape` is not made of whole numbers.
    ValueError
        If `y` is neither 1-D nor 2-D, its length is not the number of grid points, or the
        grid has no axis or no point.

    See Also
    --------
    grid_samples : The way there.

    Examples
    --------
    >>> from sk_posenc import samples_to_grid
    >>> samples_to_grid([1, 2, 3, 4, 5, 6], (2, 3))
    array([[1, 2, 3],
           [4, 5, 6]])
    """
    y = np.array(targets_in(y) if isinstance(y, np.ma.MaskedArray) else to_numpy(y), order="C")
    lengths = tuple(shape) if isinstance(shape, Sequence | np.ndarray) else (shape,)
    lengths = tuple(parse_integer(n, f"shape[{axis}]") for axis, n in enumerate(lengths))
    if not lengths:
        raise ValueError(f"shape must hold at least one number of points. Got {shape!r}.")
    if y.ndim not in (1, 2):
        raise ValueError(
            "y must have shape (n_samples,) or (n_samples, n_channels): ravel all but its "
            f"channels. Got shape {y.shape}."
        )
    if len(y) != math.prod(lengths):
        raise ValueError(
            f"a grid of shape {lengths} has {counted(math.prod(lengths), 'point')}: pass one value "
            f"for each, and leave channels out of shape. Got {counted(len(y), 'sample')}."
        )
    return y.reshape(*lengths, *y.shape[1:])


def unit_axes(shape: Sequence[int]) -> tuple[NDArray[np.float64], ...]:
    """Places of samples from 0 to just below 1 along each axis, as the literature has them."""
    return tuple(np.arange(n) / n for n in shape)


def _checked_axes(axes: Sequence[ArrayLike], shape: Sequence[int]) -> list[NDArray]:
    if not np.iterable(axes):
        raise TypeError(f"axes must be a sequence of arrays, one for each axis. Got {axes!r}.")
    if len(axes) != len(shape):
        raise ValueError(
            f"axes must hold one array of coordinates for each of the {len(shape)} axes of a grid "
            f"of shape {tuple(shape)}: for a series pass axes=[times], for values with channels "
            f"last pass channels=True. Got {len(axes)}."
        )
    checked = []
    for index, (axis, length) in enumerate(zip(axes, shape, strict=True)):
        coordinates = np.asarray(to_numpy(axis))
        if coordinates.dtype.kind not in "biuf":
            raise TypeError(
                f"axes[{index}] must hold real numbers: convert dates to a number of days or "
                "years, or pass a DataArray of xarray, which has dates. Got dtype "
                f"{coordinates.dtype}."
            )
        if coordinates.shape != (length,):
            raise ValueError(
                f"axes[{index}] must have shape ({length},), one coordinate for each position "
                f"along that axis. Got shape {coordinates.shape}."
            )
        if not np.isfinite(coordinates).all():
            raise ValueError(
                f"axes[{index}] must be finite: drop positions without a coordinate from both "
                "values and axes. Got NaN or infinity."
            )
        keep = coordinates.dtype == np.float32
        checked.append(coordinates if keep else coordinates.astype(np.float64))
    return checked
