"""A signal and the fit to it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.checks import check_as_long, checked_array, checked_coordinates
from sk_posenc.core.grids import find_grid
from sk_posenc.measures.psnr import psnr_score
from sk_posenc.measures.scorers import predictions
from sk_posenc.plotting._drawing import (
    COLOURS,
    MAP,
    SIGNED_MAP,
    label_dates,
    make_panels,
    on_calendar,
    pyplot,
)


class ReconstructionDisplay:
    """A signal, the fit to it, and their difference, with the PSNR.

    Signals over one axis are drawn as lines; over two, as images where the rows of `X` are
    a grid, in any order, and as coloured points otherwise.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_axes)
        Coordinates, of one axis or two. Axes of dates are labelled with dates.
    y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_channels)
        Over two axes, one channel or the three of a colour image.
    data_range : float, default=1.0
        Largest value of the signal less the smallest. Colours are in [0, data_range].
    train : array-like of bool of shape (n_samples,), default=None
        Which samples the fit has seen. The PSNR is then shown for these and for the others.
    axis_names : sequence of str of length n_axes, default=None
        Labels of the axes, with their units. None: the columns of a data frame, else x, or
        row and column.
    signal_name : str, default="signal"
        Label of the signal, with its unit after a comma.
    upward : bool, default=False
        Whether the first of two axes grows upwards, as a latitude does. False: downwards, as
        the rows of an image do.

    Attributes
    ----------
    axes_ : ndarray of Axes
        Panels. Over two axes: signal, fit, error. Over one: signal with fit, error.
    figure_ : Figure
    psnr_ : float
        Of all samples, in dB.

    Raises
    ------
    ValueError
        For NaN or infinity, for more than two axes, for a number of channels other than one or
        three over two axes, and for a `train` or `axis_names` of another length.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import KroneckerRidge, ReconstructionDisplay
    >>> X = np.linspace(0, 1, 100)[:, None]
    >>> y = np.sin(30 * X[:, 0] ** 2) / 2 + 0.5
    >>> train = np.arange(100) % 2 == 0
    >>> model = KroneckerRidge().fit(X[train], y[train])
    >>> display = ReconstructionDisplay.from_estimator(model, X, y, train=train)
    >>> display.axes_[0].get_title()
    'fit: ... dB on samples it saw, 43.5 dB on others'
    """

    def __init__(
        self,
        X: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        data_range: float = 1.0,
        train: ArrayLike | None = None,
        axis_names: Sequence[str] | None = None,
        signal_name: str = "signal",
        upward: bool = False,
    ) -> None:
        columns = getattr(X, "columns", None)
        numbers, self._dates = checked_coordinates(to_numpy(X), dtype=np.float64)
        self.X = on_calendar(numbers, self._dates)
        self.y_true, self.y_pred = (
            checked_array(to_numpy(y), input_name=name, dtype=np.float64, ensure_2d=False)
            for y, name in ((y_true, "y_true"), (y_pred, "y_pred"))
        )
        check_as_long({"X": self.X, "y_true": self.y_true, "y_pred": self.y_pred})
        self.data_range = data_range
        self.psnr_ = psnr_score(self.y_true, self.y_pred, data_range=data_range)
        n_axes = self.X.shape[1]
        if n_axes not in (1, 2):
            raise ValueError(
                "X must have one axis or two: take a slice of it, the rows where all but two "
                f"coordinates are constant, with these two columns. Got {n_axes} axes."
            )
        if n_axes == 2 and self._channels(self.y_true).shape[1] not in (1, 3):
            raise ValueError(
                "over two axes a signal must have one channel, or three for red, green and blue: "
                f"choose one, y[:, k]. Got {self.y_true.shape[1]} channels."
            )
        self.train = None if train is None else self._checked_mask(train)
        defaults = ["x"] if n_axes == 1 else ["row", "column"]
        if axis_names is None:
            axis_names = defaults if columns is None else [str(name) for name in columns]
        if len(axis_names) != n_axes:
            raise ValueError(
                f"axis_names must hold a name for each of {n_axes} axes. Got {axis_names!r}."
            )
        self.axis_names, self.signal_name = list(axis_names), signal_name
        self.upward = upward

    def _checked_mask(self, train: ArrayLike) -> NDArray[np.bool_]:
        mask = np.asarray(to_numpy(train))
        if mask.dtype != bool or mask.shape != (len(self.X),):
            raise ValueError(
                f"train must be a mask, {len(self.X)} times True or False. Got an array of shape "
                f"{mask.shape} and dtype {mask.dtype}."
            )
        return mask

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, *, ax: Any = None, **settings: Any
    ) -> Self:
        """Draw the predictions of a fitted regressor.

        Parameters
        ----------
        estimator : fitted regressor
        X : array-like of shape (n_samples, n_axes)
            Coordinates.
        y : array-like of shape (n_samples,) or (n_samples, n_channels)
            The signal there.
        ax : Axes or sequence of Axes, default=None
            One per panel, or one that is split. None: a new figure.
        **settings : dict
            `data_range`, `train`, `axis_names`, `signal_name` and `upward`, as in the class.

        Returns
        -------
        ReconstructionDisplay

        Raises
        ------
        TypeError
            For an estimator that does not predict, such as an encoder.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        return cls(X, y, predictions(estimator, X), **settings).plot(ax)

    @classmethod
    def from_predictions(
        cls, X: ArrayLike, y_true: ArrayLike, y_pred: ArrayLike, *, ax: Any = None, **settings: Any
    ) -> Self:
        """Draw predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates.
        y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_channels)
            The signal there, and what was predicted.
        ax : Axes or sequence of Axes, default=None
            One per panel, or one that is split. None: a new figure.
        **settings : dict
            `data_range`, `train`, `axis_names`, `signal_name` and `upward`, as in the class.

        Returns
        -------
        ReconstructionDisplay
        """
        pyplot(f"{cls.__name__}.from_predictions")
        return cls(X, y_true, y_pred, **settings).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default=None
            One per panel, or one that is split. None: a new figure.

        Returns
        -------
        self
        """
        if self.X.shape[1] == 1:
            self._plot_lines(ax)
        else:
            self._plot_images(ax)
        self.figure_ = self.axes_[0].figure
        return self

    def _title(self) -> str:
        if self.train is None or self.train.all() or not self.train.any():
            return f"fit: {self.psnr_:.1f} dB"
        seen, other = (
            psnr_score(self.y_true[rows], self.y_pred[rows], data_range=self.data_range)
            for rows in (self.train, ~self.train)
        )
        between = " " if self.X.shape[1] == 1 else "\n"
        return f"fit: {seen:.1f} dB on samples it saw,{between}{other:.1f} dB on others"

    def _error_name(self) -> str:
        _, comma, unit = self.signal_name.rpartition(",")
        return f"error{comma}{unit}" if comma else "error"

    @staticmethod
    def _channels(y: NDArray) -> NDArray:
        return y[:, None] if y.ndim == 1 else y

    def _plot_lines(self, ax: Any) -> None:
        self.axes_ = make_panels(self, ax, 2, 1, (7.2, 4.8))
        upper, lower = self.axes_
        order = np.argsort(self.X[:, 0], kind="stable")
        x, true, fit = (self._channels(a)[order] for a in (self.X, self.y_true, self.y_pred))
        single = true.shape[1] == 1
        for k in range(true.shape[1]):
            colour = COLOURS[(1 + k) % len(COLOURS)]
            suffix = "" if single else f" {k}"
            grey = "black" if single else colour
            upper.plot(x, true[:, k], color=grey, linewidth=2.5 if single else 3, alpha=0.35,
                       label=self.signal_name + suffix)  # fmt: skip
            upper.plot(x, fit[:, k], color=colour, linewidth=1.1, label="fit" + suffix)
            lower.plot(x, fit[:, k] - true[:, k], color=colour, linewidth=1.1)
        if self.train is not None:
            seen = self.train[order]
            for k in range(true.shape[1]):
                label = "samples it saw" if k == 0 else None
                upper.plot(x[seen], true[seen, k], ".", color="black", markersize=3.5, label=label)
        # a fit that overshoots must not flatten the signal
        low, high = true.min(), true.max()
        margin = 0.5 * (high - low) or 1.0
        upper.set_ylim(
            max(upper.get_ylim()[0], low - margin), min(upper.get_ylim()[1], high + margin)
        )
        lower.axhline(0, color="grey", linewidth=0.8)
        upper.set(title=self._title(), ylabel=self.signal_name)
        lower.set(ylabel=self._error_name(), xlabel=self.axis_names[0])
        upper.tick_params(labelbottom=False)
        upper.legend(fontsize="small", framealpha=0.8, ncols=3)
        for panel in self.axes_:
            panel.margins(x=0.01)
            panel.grid(alpha=0.3)
            label_dates(panel.xaxis, self._dates[0])

    def _plot_images(self, ax: Any) -> None:
        self.axes_ = make_panels(self, ax, 1, 3, (11.0, 4.1))
        true, fit = self._channels(self.y_true), self._channels(self.y_pred)
        colour = true.shape[1] == 3
        if colour:
            shown = [np.clip(y / self.data_range, 0, 1) for y in (true, fit)]
            styles: list[dict[str, Any]] = [{}, {}]
            error = np.sqrt(np.mean((fit - true) ** 2, axis=1, keepdims=True))
        else:
            ends = {"cmap": MAP, "vmin": true.min(), "vmax": true.max()}
            shown, styles, error = [true, fit], [ends, ends], fit - true
        # the few largest errors must not hide the others
        largest = float(np.quantile(np.abs(error), 0.995)) or 1.0
        low = 0.0 if colour else -largest
        styles.append({"cmap": MAP if colour else SIGNED_MAP, "vmin": low, "vmax": largest})
        draw = _grid_painter(self.X) or partial(_paint_points, self.X)
        artists = [
            draw(panel, values, style)
            for panel, values, style in zip(self.axes_, [*shown, error], styles, strict=True)
        ]
        error_name = f"{self._error_name()} (RMS of channels)" if colour else self._error_name()
        titles = [self.signal_name, self._title(), error_name]
        for panel, title in zip(self.axes_, titles, strict=True):
            panel.set_title(title, fontsize="medium")
            panel.set_xlabel(self.axis_names[1])
            if not any(self._dates):
                _square(panel, self.X)
            label_dates(panel.yaxis, self._dates[0])
            label_dates(panel.xaxis, self._dates[1])
            if panel.yaxis_inverted() == self.upward:
                panel.invert_yaxis()
        self.axes_[0].set_ylabel(self.axis_names[0])
        for panel in self.axes_[1:]:
            panel.tick_params(labelleft=False)
        bars = [(artists[2], self.axes_[2], "max" if colour else "both")]
        if not colour:
            bars.insert(0, (artists[1], list(self.axes_[:2]), "neither"))
        for artist, panels, extend in bars:
            self.axes_[0].figure.colorbar(artist, ax=panels, extend=extend, shrink=0.85)


_Painter = Callable[[Any, NDArray, dict[str, Any]], Any]


def _grid_painter(X: NDArray) -> _Painter | None:
    """Paints values of samples as an image, None where the rows of X are no grid."""
    grid = find_grid(X)
    if grid is None or min(grid.shape) < 2:
        return None
    rows, columns = grid.coordinates
    in_c_order = slice(None) if grid.position is None else np.argsort(grid.position)

    def paint(ax: Any, values: NDArray, style: dict[str, Any]) -> Any:
        image = values[in_c_order].reshape(*grid.shape, -1)
        image = image[:, :, 0] if image.shape[2] == 1 else image
        if _even(rows) and _even(columns):
            half_row, half_column = (np.diff(a[:2])[0] / 2 for a in (rows, columns))
            extent = (columns[0] - half_column, columns[-1] + half_column,
                      rows[-1] + half_row, rows[0] - half_row)  # fmt: skip
            artist = ax.imshow(image, extent=extent, aspect="auto", **style)
        else:
            artist = ax.pcolormesh(
                columns, rows, image, shading="nearest", rasterized=True, **style
            )  # fmt: skip
        return artist

    return paint


def _paint_points(X: NDArray, ax: Any, values: NDArray, style: dict[str, Any]) -> Any:
    """Paint values of samples as points, smaller where they are many."""
    colours = values[:, 0] if values.shape[1] == 1 else values
    size = float(np.clip(20_000 / len(X), 1, 60))
    return ax.scatter(X[:, 1], X[:, 0], c=colours, s=size, linewidths=0, rasterized=True, **style)


def _even(places: NDArray) -> bool:
    steps = np.diff(places)
    return bool(np.ptp(steps) <= 1e-3 * np.mean(steps))


def _square(ax: Any, X: NDArray) -> None:
    """Equal scales where both axes have about the same range, as pixels of an image have."""
    height, width = np.ptp(X, axis=0)
    if width > 0 and 0.4 < height / width < 2.5:
        ax.set_aspect("equal")
