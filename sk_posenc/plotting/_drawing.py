"""What all Displays draw with: matplotlib, palette, panels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.dates import DateAxis

# Where matplotlib's dates count from.
_EPOCH = np.datetime64("1970-01-01")

# The palette of Okabe and Ito, which the colour-blind tell apart; marks and dashes help them.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
DASHES = ["-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), ":"]
MARKS = ["o", "s", "^", "D", "v", "P", "X"]
# What scatter takes beside the properties of what it makes.
_OF_SCATTER = ["s", "c", "marker", "vmin", "vmax", "plotnonfinite"]
MAP, SIGNED_MAP = "cividis", "PuOr"


def pyplot(caller: str) -> Any:
    """matplotlib.pyplot, which the caller needs."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib: pip install 'sk_posenc[examples]', or matplotlib alone"
        ) from error
    return plt


def make_panels(
    display: Any, ax: Any, n_rows: int, n_columns: int, size: tuple[float, float]
) -> Any:
    """Axes to draw on, an array of n_rows * n_columns: new, given, or one that is split."""
    plt = pyplot(f"{type(display).__name__}.plot")
    n = n_rows * n_columns
    if ax is None:
        _, axes = plt.subplots(
            n_rows, n_columns, figsize=size, layout="constrained", squeeze=False
        )  # fmt: skip
        return axes.ravel()
    given = np.ravel(np.asarray(ax, dtype=object))
    if not all(isinstance(each, plt.Axes) for each in given):
        raise TypeError(f"ax must be None or Axes of matplotlib. Got {ax!r}.")
    if len(given) == n:
        return given
    if len(given) != 1 or given[0].get_subplotspec() is None:
        raise ValueError(
            f"ax must be None, {n} axes, or one axes of plt.subplots, which is split into {n}. "
            f"Got {ax!r}."
        )
    given[0].set_axis_off()
    grid = given[0].get_subplotspec().subgridspec(n_rows, n_columns, wspace=0.5, hspace=0.35)
    return np.ravel(grid.subplots(squeeze=False))


def line_style(display: Any, given: Any) -> dict[str, Any]:
    """The parameter `line_kwargs` of a Display, by the full names of matplotlib's keywords."""
    return _parse_style(given, "line_kwargs", pyplot(f"{type(display).__name__}.plot").Line2D)


def scatter_style(display: Any, given: Any) -> dict[str, Any]:
    """The parameter `scatter_kwargs` likewise."""
    pyplot(f"{type(display).__name__}.plot")
    from matplotlib.collections import PathCollection

    return _parse_style(given, "scatter_kwargs", PathCollection, _OF_SCATTER)


def _parse_style(given: Any, name: str, artist: Any, beside: Sequence[str] = ()) -> dict[str, Any]:
    """Keywords for an artist of matplotlib, and others `beside` them, from a dict or None."""
    from matplotlib.artist import ArtistInspector
    from matplotlib.cbook import normalize_kwargs

    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a dict of matplotlib's keywords. Got {given!r}.")
    try:
        style: dict[str, Any] = normalize_kwargs(dict(given), artist)
    except TypeError as error:  # one by two names
        raise TypeError(f"{name} must name each keyword once: {error}. Got {given!r}.") from None
    known = {*ArtistInspector(artist).get_setters(), *beside}
    if unknown := [str(key) for key in style if key not in known]:
        raise TypeError(
            f"{name} must hold keywords of matplotlib's {artist.__name__}. "
            f"Got {', '.join(unknown)}."
        )
    return style


def line_styles(n: int) -> list[dict[str, Any]]:
    """Colour, dashes and width of n lines: a grey print tells them, and the first, drawn
    below the others, shows where they coincide."""
    return [
        {
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": DASHES[i % len(DASHES)],
            "linewidth": 1.4 + 0.25 * (n - 1 - i),
        }
        for i in range(n)
    ]


def draw_legend(ax: Any, n: int) -> None:
    if n > 1:
        ax.legend(fontsize="small", framealpha=0.8)


def on_calendar(X: NDArray, dates: Sequence[DateAxis | None]) -> NDArray:
    """Coordinates where axes of dates count as matplotlib's do, in days since 1970."""
    shifts = [
        0.0 if each is None or each.calendar else -float(each.numbers(_EPOCH)) for each in dates
    ]
    return X + np.array(shifts) if any(shifts) else X


def label_dates(along: Any, date: DateAxis | None) -> None:
    """Write dates at the ticks of an axis whose coordinates are `on_calendar`."""
    if date is None:
        return
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import FuncFormatter

    if date.calendar is None:
        locator = AutoDateLocator()
        along.set_major_locator(locator)
        along.set_major_formatter(ConciseDateFormatter(locator))
    else:
        along.set_major_formatter(FuncFormatter(lambda x, _: str(date.dates(x).item())[:10]))
