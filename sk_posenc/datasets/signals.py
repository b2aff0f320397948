"""Real signals over grids, from the wheels of other libraries."""

import importlib.resources
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.settings import parse_choice
from sk_posenc.datasets.grid_samples import unit_axes


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
    TypeError
        If `name` is not a string.
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
    Topography Mission [2]_. The file runs from north to south; its rows are reversed
    here, so that both axes increase. Of its corner latitudes only ``ymax`` is used, as
    the northern edge: ``ymin`` is wrong, and lies to the north of it by the height of
    the map. Read this way, the highest cell (1,076 m) falls on the summit of Cross
    Mountain (1,077 m; 36.1983 N, 84.2306 W).

    *Sea temperature* (``sea_temperature``), from iris-sample-data: shape (54, 18, 432),
    monthly means of the temperature of the sea surface, degrees Celsius, NaN over land
    and lakes of unknown temperature, over decimal years (the middle of April 2006 to
    that of September 2010), latitude (-5 to 4.4) and longitude (-180 to 179.2, all
    around) in degrees. The Met Office's analysis of satellites, ships and buoys, OSTIA
    [3]_; British Crown copyright 2018, Open Government Licence
    (http://www.nationalarchives.gov.uk/doc/open-government-licence): name the source
    where you show it. The file starts at the meridian of Greenwich; here its columns
    start at -180.

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
    name = parse_choice(*sorted(_LOADERS))(name, "name")
    try:
        values, axes = _LOADERS[name]()
    except ImportError as error:
        raise ImportError(
            f"The signal {name!r} comes with a library that could not be imported ({error}). "
            "Install what the signals need with: pip install 'sk_posenc[examples]'"
        ) from error
    return values, axes


_Signal = tuple[NDArray[np.float64], tuple[NDArray[np.float64], ...]]


def _image(pixels: NDArray[np.uint8]) -> _Signal:
    return pixels / 255.0, unit_axes(pixels.shape[:2])


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
