"""Arrays over a grid to samples and back, and the real signals that examples use."""

import importlib.resources
import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["grid_samples", "load_signal", "samples_to_grid"]


def grid_samples(
    values: ArrayLike, axes: Sequence[ArrayLike] | None = None, *, channels: bool = False
) -> tuple[NDArray, NDArray]:
    """Turn an array over a grid into samples: coordinates ``X`` and values ``y``.

    The array may be a series, an image, a volume, or have any other number of axes.

    Parameters
    ----------
    values : array-like of shape (n_1, ..., n_axes) or (n_1, ..., n_axes, n_channels)
        Real numbers over the grid. They may include NaN: drop those samples with
        ``keep = np.isfinite(y)``.
    axes : sequence of array-like, each of shape (n_a,), default=None
        The coordinates along each axis of the grid, in its order and in any unit.
        None places the samples of an axis at ``arange(n_a) / n_a``, as the
        literature on coordinate networks does.
    channels : bool, default=False
        Whether the last axis of `values` holds channels (red, green, blue, say)
        rather than positions.

    Returns
    -------
    X : ndarray of shape (n_samples, n_axes)
        The coordinates of each sample, grid points in C order (the last axis runs
        fastest), columns in the order of the axes: row, then column, for an image.
        float32 where every one of `axes` is float32, else float64.
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
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise TypeError(
            f"values must hold real numbers. Got dtype {values.dtype} instead; "
            "convert it with np.asarray(values, dtype=float)."
        )
    shape = values.shape[:-1] if channels else values.shape
    if len(shape) == 0:
        raise ValueError(
            "values must have at least one grid axis"
            + (" besides its channels" if channels else "")
            + f". Got shape {values.shape} instead; add an axis"
            + (" or pass channels=False." if channels else ".")
        )
    if 0 in values.shape:
        raise ValueError(
            f"values must hold at least one number. Got shape {values.shape} instead; "
            "check how the array was cut."
        )
    coordinates = _unit_axes(shape) if axes is None else _checked_axes(axes, shape)
    X = np.empty((math.prod(shape), len(shape)), dtype=np.result_type(*coordinates))
    for column, coordinate in zip(
        X.T, np.meshgrid(*coordinates, indexing="ij", copy=False), strict=True
    ):
        column[:] = coordinate.ravel()
    y = np.array(values, order="C").reshape(len(X), *values.shape[len(shape) :])
    return X, y


def samples_to_grid(y: ArrayLike, shape: int | Sequence[int]) -> NDArray:
    """Put values of samples in C order, such as predictions, back on their grid.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_channels)
        One value, or one row of channels, for each grid point in C order.
    shape : int or sequence of int
        The number of grid points along each axis, without the channels.

    Returns
    -------
    ndarray of shape ``shape`` or ``(*shape, n_channels)``
        A copy, in the dtype of `y`.

    Raises
    ------
    TypeError
        If `shape` is not made of integers.
    ValueError
        If `y` is neither 1-D nor 2-D, or its length is not the number of grid points.

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
    y = np.array(y, order="C")
    lengths = tuple(shape) if isinstance(shape, Sequence | np.ndarray) else (shape,)
    if not all(isinstance(n, int | np.integer) for n in lengths):
        raise TypeError(f"shape must be made of integers. Got {shape!r} instead.")
    if len(lengths) == 0 or min(lengths) < 1:
        raise ValueError(
            f"shape must name at least one axis, each of at least one point. Got {shape!r} instead."
        )
    if y.ndim not in (1, 2):
        raise ValueError(
            "y must have shape (n_samples,) or (n_samples, n_channels). "
            f"Got shape {y.shape} instead; ravel all but its channels."
        )
    if len(y) != math.prod(lengths):
        raise ValueError(
            f"A grid of shape {lengths} has {math.prod(lengths)} points. Got {len(y)} samples "
            "instead; pass one value for every grid point, and leave channels out of shape."
        )
    return y.reshape(*lengths, *y.shape[1:])


def load_signal(name: str) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], ...]]:
    """Load a real signal over a grid; nothing is downloaded.

    The data come from the wheels of scikit-image, scikit-learn, matplotlib, statsmodels
    and iris-sample-data, which ``pip install 'sk_posenc[examples]'`` installs.

    Parameters
    ----------
    name : str
        One of the names in the Notes.

    Returns
    -------
    values : ndarray of float64
        The signal. Colour images have a last axis of three channels.
    axes : tuple of ndarray of float64
        The coordinates along each axis of the grid, strictly increasing.
        ``grid_samples(values, axes, channels=values.ndim > len(axes))`` makes samples.

    Raises
    ------
    ValueError
        If there is no signal of that name.
    ImportError
        If the library that holds the signal is not installed.

    Notes
    -----
    *Images*, in [0, 1], with ``arange(n) / n`` along rows and along columns. From
    scikit-image, whose documentation states these sources and terms:

    =========== =============== ==================================================
    name        shape           what, source, terms
    =========== =============== ==================================================
    astronaut   (512, 512, 3)   Eileen Collins; NASA Great Images; public domain
    brick       (512, 512)      brick wall; CC0Textures; CC0
    camera      (512, 512)      photographer at work; Lav Varshney; CC0
    cell        (660, 550)      quantitative phase of a cell in saline, from a
                                hologram, rescaled; Müller and others (2018) [1]_;
                                CC0
    chelsea     (300, 451, 3)   a cat; Stefan van der Walt; CC0
    clock       (300, 400)      motion-blurred wall clock; Stefan van der Walt;
                                public domain
    coffee      (400, 600, 3)   cup of coffee; Rachel Michetti, courtesy of Pikolo
                                Espresso Bar; CC0
    coins       (303, 384)      Greek coins from Pompeii; Brooklyn Museum; no known
                                copyright restrictions
    grass       (512, 512)      grass; linolafett on DeviantArt; CC0
    gravel      (512, 512)      gravel; CC0Textures; CC0
    rocket      (427, 640, 3)   launch of DSCOVR on Falcon 9; SpaceX; public domain
    text        (172, 448)      letters; Wikipedia; public domain
    =========== =============== ==================================================

    From scikit-learn, under CC BY 2.0
    (https://creativecommons.org/licenses/by/2.0/): name the photographer where you
    show them.

    =========== =============== ==================================================
    china       (427, 640, 3)   a Chinese temple; photograph by danielbuechele,
                                https://www.flickr.com/photos/danielbuechele/
    flower      (427, 640, 3)   a flower; photograph by vultilion,
                                https://www.flickr.com/photos/vultilion/
    =========== =============== ==================================================

    *Elevation*, from matplotlib (``jacksboro_fault_dem.npz``): shape (344, 403), in
    metres, over latitude and longitude of the cell centres in degrees, 3 arc seconds
    apart; the Jacksboro fault, Tennessee. Public domain data of the Shuttle Radar
    Topography Mission [2]_. The file runs from north to south; rows are turned
    here, so that both axes increase. Its corner latitudes are not used as they
    stand: the one it calls ``ymax`` is the northern edge, and ``ymin`` lies to the
    north of it by the height of the map. Read this way, the highest cell (1,076 m)
    falls on the summit of Cross Mountain (1,077 m; 36.1983 N, 84.2306 W).

    *Sea temperature* (``sea_temperature``), from iris-sample-data: shape (54, 18, 432),
    monthly means of the temperature of the sea surface, degrees Celsius, NaN over land
    and lakes of unknown temperature, over decimal years (the middle of April 2006 to
    that of September 2010), latitude (-5 to 4.4) and longitude (-180 to 179.2, all
    around) in degrees. The Met Office's analysis of satellites, ships and buoys, OSTIA
    [3]_; British Crown copyright 2018, Open Government Licence
    (http://www.nationalarchives.gov.uk/doc/open-government-licence): name the source
    where you show it. The file starts at the meridian of Greenwich; it is turned here.

    *Series*, from statsmodels, which states that they are in the public domain:

    =========== =========== ======================================================
    name        shape       what, axes, source
    =========== =========== ======================================================
    co2         (2225,)     weekly CO2 in air at Mauna Loa, ppm by volume, over
                            decimal years from March 1958 to December 2001, the 59
                            weeks without a value left out; Keeling and Whorf (2004)
    elnino      (61, 12)    monthly sea surface temperature of the Pacific at 0-10 S,
                            90-80 W, degrees Celsius, over years 1950 to 2010 and
                            months 1 to 12 (``values.ravel()`` is the series in time);
                            NOAA, ERSST.V3B
    nile        (100,)      yearly flow of the Nile at Aswan, 1e8 cubic metres, over
                            years 1871 to 1970; Cobb (1978)
    sunspots    (309,)      yearly number of sunspots over years 1700 to 2008;
                            National Geophysical Data Center
    =========== =========== ======================================================

    References
    ----------
    .. [1] P. Müller, M. Schürmann, S. Girardo, G. Cojoc and J. Guck. Accurate
       evaluation of size and refractive index for spherical objects in quantitative
       phase imaging. Optics Express 26(8), 2018.
    .. [2] https://github.com/matplotlib/matplotlib/pull/3291, which added the file.
    .. [3] C. J. Donlon and others. The Operational Sea Surface Temperature and Sea Ice
       Analysis (OSTIA) system. Remote Sensing of Environment 116, 2012.

    Examples
    --------
    >>> from sk_posenc import grid_samples, load_signal
    >>> values, (latitude, longitude) = load_signal("elevation")
    >>> values.shape, latitude.shape, longitude.shape
    ((344, 403), (344,), (403,))
    >>> X, y = grid_samples(values, (latitude, longitude))
    >>> X.shape, y.shape
    ((138632, 2), (138632,))
    """
    if name not in _LOADERS:
        raise ValueError(
            f"name must be one of {', '.join(sorted(_LOADERS))}. Got {name!r} instead."
        )
    try:
        values, axes = _LOADERS[name]()
    except ImportError as error:
        raise ImportError(
            f"The signal {name!r} comes with a library that could not be imported ({error}). "
            "Install what the signals need with: pip install 'sk_posenc[examples]'"
        ) from error
    return values, axes


_Signal = tuple[NDArray[np.float64], tuple[NDArray[np.float64], ...]]


def _unit_axes(shape: Sequence[int]) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.arange(n) / n for n in shape)


def _checked_axes(axes: Sequence[ArrayLike], shape: Sequence[int]) -> list[NDArray]:
    if len(axes) != len(shape):
        raise ValueError(
            f"axes must hold one array of coordinates for each of the {len(shape)} axes of a grid "
            f"of shape {tuple(shape)}. Got {len(axes)} instead; for a series pass axes=[times], "
            "for values with channels last pass channels=True."
        )
    checked = []
    for index, (axis, length) in enumerate(zip(axes, shape, strict=True)):
        coordinates = np.asarray(axis)
        if coordinates.dtype.kind not in "biuf":
            raise TypeError(
                f"axes[{index}] must hold real numbers. Got dtype {coordinates.dtype} instead; "
                "convert dates to a number of days or years."
            )
        if coordinates.shape != (length,):
            raise ValueError(
                f"axes[{index}] must have shape ({length},), one coordinate for each position "
                f"along that axis. Got shape {coordinates.shape} instead."
            )
        if not np.isfinite(coordinates).all():
            raise ValueError(
                f"axes[{index}] must be finite. Got NaN or infinity instead; "
                "leave those positions out of both values and axes."
            )
        keep = coordinates.dtype == np.float32
        checked.append(coordinates if keep else coordinates.astype(np.float64))
    return checked


def _image(pixels: NDArray[np.uint8]) -> _Signal:
    return pixels / 255.0, _unit_axes(pixels.shape[:2])


def _skimage_image(name: str) -> _Signal:
    import skimage.data

    return _image(getattr(skimage.data, name)())


def _sklearn_image(name: str) -> _Signal:
    from sklearn.datasets import load_sample_image

    return _image(load_sample_image(f"{name}.jpg"))


def _elevation() -> _Signal:
    from matplotlib import cbook

    with np.load(cbook.get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as dem:
        values = dem["elevation"].astype(np.float64)  # (344, 403)
        n_rows, n_columns = values.shape
        # "ymax" and "xmin" are the northern and western edges; "ymin" is wrong.
        latitude = dem["ymax"] - (np.arange(n_rows) + 0.5) * dem["dy"]
        longitude = dem["xmin"] + (np.arange(n_columns) + 0.5) * dem["dx"]
    return values[::-1].copy(), (latitude[::-1].copy(), longitude)


def _sea_temperature() -> _Signal:
    import h5py

    files = importlib.resources.files("iris_sample_data")
    with (
        importlib.resources.as_file(files / "sample_data" / "ostia_monthly.nc") as path,
        h5py.File(path) as data,
    ):
        kelvin = data["surface_temperature"][:].astype(np.float64)  # (54, 18, 432)
        missing = kelvin == float(data["surface_temperature"].attrs["_FillValue"][0])
        hours, latitude, east = (
            data[name][:].astype(np.float64) for name in ("time", "latitude", "longitude")
        )
    month = np.round((hours / 24 / 365.2425) * 12 - 0.5) + 0.5  # since 1970, its middle
    celsius = np.where(missing, np.nan, kelvin - 273.15)
    half = east.size // 2
    longitude = np.roll(np.where(east < 180, east, east - 360), half)
    return np.roll(celsius, half, axis=2), (1970 + month / 12, latitude, longitude)


def _co2() -> _Signal:
    from statsmodels.datasets import co2

    weekly = co2.load_pandas().data["co2"].dropna()
    date = weekly.index
    year = date.year + (date.day_of_year - 1) / (365 + date.is_leap_year)
    return weekly.to_numpy(np.float64, copy=True), (year.to_numpy(np.float64),)


def _elnino() -> _Signal:
    from statsmodels.datasets import elnino

    table = elnino.load_pandas().data.set_index("YEAR")
    months = np.arange(1.0, 13.0)
    values = np.array(table, dtype=np.float64, order="C")  # (61, 12)
    return values, (table.index.to_numpy(np.float64, copy=True), months)


def _nile() -> _Signal:
    from statsmodels.datasets import nile

    data = nile.load_pandas().data
    return data["volume"].to_numpy(np.float64, copy=True), (
        data["year"].to_numpy(np.float64, copy=True),
    )


def _sunspots() -> _Signal:
    from statsmodels.datasets import sunspots

    data = sunspots.load_pandas().data
    return data["SUNACTIVITY"].to_numpy(np.float64, copy=True), (
        data["YEAR"].to_numpy(np.float64, copy=True),
    )


_SKIMAGE_IMAGES = (
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "rocket",
    "text",
)

_LOADERS: dict[str, Callable[[], _Signal]] = {
    **{name: partial(_skimage_image, name) for name in _SKIMAGE_IMAGES},
    **{name: partial(_sklearn_image, name) for name in ("china", "flower")},
    "co2": _co2,
    "elevation": _elevation,
    "elnino": _elnino,
    "nile": _nile,
    "sea_temperature": _sea_temperature,
    "sunspots": _sunspots,
}
