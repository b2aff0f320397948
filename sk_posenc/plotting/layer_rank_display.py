"""Stable rank of the layers of a network, by epoch."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sk_posenc.plotting._drawing import COLOURS, DASHES, line_style, make_panels, pyplot
from sk_posenc.plotting._names import by_name


class LayerRankDisplay:
    """Stable rank of the weights of each layer of a network, by epoch.

    A low stable rank means that a few directions of the input carry most of a layer's output.
    Colours are layers, dashes are networks.

    Parameters
    ----------
    stable_rank : dict of array-like of shape (n_epochs + 1, n_layers)
        By the name of a network. The first row is from before training.

    Attributes
    ----------
    ax_ : Axes
    lines_ : dict of list of Line2D
        A line for each layer, by the name of a network.
    figure_ : Figure

    See Also
    --------
    CoordinateMLPRegressor : ``log_stable_rank=True`` records the ranks.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import CoordinateMLPRegressor, LayerRankDisplay
    >>> X = np.linspace(0, 1, 200)[:, None]
    >>> model = CoordinateMLPRegressor(
    ...     hidden_layer_sizes=(32, 32), max_epochs=5, log_stable_rank=True, random_state=0
    ... )
    >>> display = LayerRankDisplay.from_estimator(model.fit(X, np.sin(6 * X[:, 0])))
    >>> display.stable_rank["CoordinateMLPRegressor"].shape
    (6, 3)
    """

    def __init__(self, *, stable_rank: Mapping[str, ArrayLike]) -> None:
        self.stable_rank = {name: _checked(ranks) for name, ranks in stable_rank.items()}

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, line_kwargs: Mapping[str, Any] | None = None
    ) -> Self:
        """Draw what a network has recorded of its layers.

        Parameters
        ----------
        estimator : fitted network with ``log_stable_rank=True``, or a list or dict of them
            Pipelines and searches that hold one are accepted too.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        LayerRankDisplay

        Raises
        ------
        ValueError
            For a network that is not fitted, or was fitted without ``log_stable_rank=True`` or for
            no epoch, and for an empty list.
        TypeError
            Where an estimator neither is nor holds a network.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        named = by_name(
            estimator, "estimator", lambda each: type(_network(each)).__name__, _optimizer
        )
        return cls(
            stable_rank={name: _recorded(_network(each)) for name, each in named.items()}
        ).plot(ax, line_kwargs=line_kwargs)

    def plot(self, ax: Any = None, *, line_kwargs: Mapping[str, Any] | None = None) -> Self:
        """Draw a line for each layer of each network.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        self
        """
        given = line_style(self, line_kwargs)
        ax = make_panels(self, ax, 1, 1, (6.4, 4.4))[0]
        from matplotlib.ticker import LogLocator

        self.lines_: dict[str, list[Any]] = {}
        for number, (name, ranks) in enumerate(self.stable_rank.items()):
            dashes = DASHES[number % len(DASHES)]
            self.lines_[name] = [
                ax.plot(
                    np.arange(len(ranks)),
                    ranks[:, layer],
                    **{"color": COLOURS[layer % len(COLOURS)], "linestyle": dashes} | given,
                )[0]
                for layer in range(ranks.shape[1])
            ]
        ax.set(yscale="log", xlabel="epochs trained", ylabel="stable rank of the weights")
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("{x:g}")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3, which="both")
        handles, labels = zip(*self._entries(), strict=True)
        n_columns = 4 if max(map(len, labels)) < 12 else 2
        bottom, top = ax.get_ylim()
        # room above the lines
        room = 0.1 * math.ceil(len(labels) / n_columns)
        ax.set_ylim(bottom, top * (top / bottom) ** room)
        ax.legend(handles, labels, fontsize="small", loc="upper center", ncols=n_columns)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _entries(self) -> Iterator[tuple[Any, str]]:
        """What the legend says: the layers of the deepest network, then the networks."""
        deepest = max(self.lines_.values(), key=len)
        for layer, line in enumerate(deepest):
            yield line, f"layer {layer + 1}"
        if len(self.lines_) > 1:
            for name, lines in self.lines_.items():
                key = pyplot(type(self).__name__).Line2D([], [])
                key.set(color="0.3", linestyle=lines[0].get_linestyle())
                yield key, name


def _checked(ranks: ArrayLike) -> Any:
    ranks = np.asarray(ranks, dtype=float)
    if ranks.ndim != 2 or 0 in ranks.shape:
        raise ValueError(
            "stable_rank must hold arrays of shape (n_epochs + 1, n_layers). Got an array of shape "
            f"{ranks.shape}."
        )
    return ranks


def _network(estimator: Any) -> Any:
    """The network that an estimator is or holds."""
    if isinstance(estimator, Pipeline):
        return _network(estimator[-1])
    if hasattr(type(estimator), "log_stable_rank"):
        return estimator
    for name in ("best_estimator_", "regressor_", "estimator_"):
        if hasattr(estimator, name):
            return _network(getattr(estimator, name))
    raise TypeError(
        "estimator must be a CoordinateMLPRegressor or CoordinateMLPClassifier, or a fitted "
        f"Pipeline or search that holds one. Got {estimator!r}."
    )


def _optimizer(estimator: Any) -> str:
    optimizer = _network(estimator).optimizer
    return str(getattr(optimizer, "__name__", optimizer))


def _recorded(network: Any) -> Any:
    """The ranks before the first epoch that has a record, and after each that has."""
    check_is_fitted(network)
    records = [row for row in network.history_ if "stable_rank" in row]
    if not records:
        raise ValueError(
            f"{type(network).__name__} has no record of stable ranks: fit it for an epoch or more "
            f"with log_stable_rank=True. Got {len(network.history_)} epochs without one."
        )
    return [records[0]["stable_rank_before"], *(row["stable_rank"] for row in records)]
