"""Basis functions and the similarities that they give."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.memory import check_memory
from sk_posenc.core.settings import parse_axis, parse_integer, parse_number, parse_optional
from sk_posenc.encoders.bases import one_shift, resolve_basis
from sk_posenc.encoders.basis import Basis
from sk_posenc.measures.held_encoder import encoder_within
from sk_posenc.measures.similarity_radius import similarity_radius
from sk_posenc.networks.network_similarity import basis_kernel, network_similarity
from sk_posenc.plotting._drawing import draw_legend, line_style, line_styles, make_panels, pyplot
from sk_posenc.plotting._names import by_name, estimators_by_name

# Widest displacement that is drawn, in domains or bandwidths.
_FARTHEST = 1e9

# Arrays of the length of a curve that are held at the same time.
_ARRAYS = 8

# What displacements are in where nothing says more.
_UNIT = "coordinate units"

# A larger number is probably the size of a layer, not a number of layers.
_DEEPEST = 50


class BasisDisplay:
    """Basis functions phi and their similarities D over the displacement.

    On request, also the similarity that a network with hidden layers sees through them. This is
    its tangent kernel, which gets narrower with depth, and higher by a constant.

    Parameters
    ----------
    displacement : ndarray of shape (n_points,)
        Distance along an axis.
    similarity : dict of ndarrays of shape (n_points,)
        D(displacement) / D(0), by name.
    phi : dict of ndarrays of shape (n_points,), default=None
        The basis functions, by name. Fourier features have none; without any, this panel is
        left out.
    network : dict of dicts of ndarrays of shape (n_points,), default=None
        The similarities that networks see, by name and number of hidden layers.
    unit : str, default="coordinate units"
        Unit of the displacement.

    Attributes
    ----------
    axes_ : ndarray of Axes
        The panels of phi (if any), of D, and of the networks (if any).
    lines_ : dict of lists of Line2D
        By name: the line of phi (if any), then that of D.
    network_lines_ : dict of dicts of Line2D
        By name and number of hidden layers.
    figure_ : Figure

    See Also
    --------
    similarity_radius : Where D falls to a tenth, the dotted line.
    network_similarity : What a network sees.

    Examples
    --------
    >>> from sk_posenc import BasisDisplay
    >>> display = BasisDisplay.from_bases(["gaussian", "triangle"], stable_rank=8)
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['basis function', 'similarity D / D(0)']
    """

    def __init__(
        self,
        *,
        displacement: NDArray,
        similarity: Mapping[str, NDArray],
        phi: Mapping[str, NDArray] | None = None,
        network: Mapping[str, Mapping[int, NDArray]] | None = None,
        unit: str = _UNIT,
    ) -> None:
        self.displacement = displacement
        self.similarity = similarity
        self.phi = {} if phi is None else phi
        self.network = {} if network is None else network
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        axis: int = 0,
        extent: float | None = None,
        n_points: int = 1001,
        hidden_layers: int | Sequence[int] = (),
        unit: str = _UNIT,
        ax: Any = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the bases of fitted encoders along one axis.

        Parameters
        ----------
        estimator : fitted encoder, or a list or dict of them
            Call ``fit`` first: a Display fits nothing. Estimators that hold an encoder are
            accepted too.
        axis : int, default=0
            Which axis of the coordinates.
        extent : float, default=None
            Largest displacement. None: four times the largest similarity radius, within
            the domain.
        n_points : int, default=1001
            Displacements, from minus to plus `extent`.
        hidden_layers : int or sequence of int, default=()
            Numbers of hidden layers of the networks whose similarity is drawn beside D:
            ``(1, 4)`` is one of a single layer and one of four. Sizes of layers are what
            :func:`network_similarity` takes.
        unit : str, default="coordinate units"
            Unit of the coordinates; of dates it is days by default.
        ax : Axes or sequence of two Axes, default=None
            Where to draw; one axes is split. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        BasisDisplay

        Raises
        ------
        ValueError
            For an `axis` that an encoder does not have, and for an empty list.
        TypeError
            Where an estimator neither is nor holds an encoder of this package, and for an
            `axis` that is not a whole number.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_posenc import BasisDisplay, RandomFourierEncoder, ShiftedBasisEncoder
        >>> X = np.linspace(0, 24, 100)[:, None]
        >>> encoders = [ShiftedBasisEncoder(stable_rank=8), RandomFourierEncoder(stable_rank=8)]
        >>> display = BasisDisplay.from_estimator([e.fit(X) for e in encoders], unit="hours")
        >>> display.axes_[1].get_xlabel()
        'displacement, hours'
        """
        pyplot(f"{cls.__name__}.from_estimator")
        encoders = {
            name: encoder_within(each) for name, each in estimators_by_name(estimator).items()
        }
        for encoder in encoders.values():
            axis = parse_axis(axis, encoder.n_features_in_)
        length = max(float(np.ptp(to_numpy(each.domain_)[axis])) for each in encoders.values())
        if _parse_extent(extent, length) is None:
            radius = max(similarity_radius(each)[axis] for each in encoders.values())
            extent = min(4 * radius, length)
        delta = _symmetric(extent, n_points)
        if unit == _UNIT and any(_has_dates(each, axis) for each in encoders.values()):
            unit = "days"
        of_axis = {name: encoder._axis_traits(axis) for name, encoder in encoders.items()}
        phi = {name: each.phi(delta) for name, each in of_axis.items() if each.phi is not None}
        similarity = {
            name: np.asarray(encoder._axis_similarity(axis, delta))
            for name, encoder in encoders.items()
        }
        depths = _depths(hidden_layers)
        network = {
            name: {depth: network_similarity(encoder, delta, depth, axis=axis) for depth in depths}
            for name, encoder in encoders.items()
            if depths
        }
        display = cls(
            displacement=delta, similarity=similarity, phi=phi, network=network, unit=unit
        )
        return display.plot(ax, line_kwargs=line_kwargs)

    @classmethod
    def from_bases(
        cls,
        bases: Any,
        *,
        stable_rank: float | None = None,
        extent: float | None = None,
        n_points: int = 1001,
        hidden_layers: int | Sequence[int] = (),
        ax: Any = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw bases without an encoder, in bandwidths or at one stable rank.

        Parameters
        ----------
        bases : str, Basis, or a list or dict of them
            As the `basis` of ShiftedBasisEncoder.
        stable_rank : float, default=None
            Each basis has the bandwidth of this stable rank, and displacements are in units
            of the domain. None: displacements are in bandwidths. Periodic bases have a fixed
            stable rank, and are drawn with half a period per domain.
        extent : float, default=None
            Largest displacement. None: where all bases have fallen to 0, at most 4
            bandwidths; with periodic bases, the smallest of these and one period.
        n_points : int, default=1001
            Displacements, from minus to plus `extent`.
        hidden_layers : int or sequence of int, default=()
            Numbers of hidden layers of the networks whose similarity is drawn beside D:
            ``(1, 4)`` is one of a single layer and one of four. Sizes of layers are what
            :func:`network_similarity` takes.
        ax : Axes or sequence of two Axes, default=None
            Where to draw; one axes is split. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        BasisDisplay

        Raises
        ------
        ValueError
            For an unknown name of a basis, an empty list, and fewer than two points.
        """
        pyplot(f"{cls.__name__}.from_bases")
        named = by_name(
            bases, "bases", lambda b: b if isinstance(b, str) else type(b).__name__, repr
        )
        resolved = {name: resolve_basis(basis, "bases") for name, basis in named.items()}
        rank = parse_optional(stable_rank, "stable_rank")
        widths = {name: _bandwidth(basis, rank) for name, basis in resolved.items()}
        if _parse_extent(extent, 1.0) is None:
            done = [
                widths[name] * (min(2 * basis.reach, 4) if basis.period is None else basis.period)
                for name, basis in resolved.items()
            ]
            repeats = any(basis.period is not None for basis in resolved.values())
            extent = min(done) if repeats else max(done)
        delta = _symmetric(extent, n_points)
        depths = _depths(hidden_layers)
        similarity = {n: np.asarray(b.similarity(delta / widths[n])) for n, b in resolved.items()}
        network = {
            name: {depth: basis_kernel(resolved[name], values, depth) for depth in depths}
            for name, values in similarity.items()
            if depths
        }
        display = cls(
            displacement=delta,
            similarity=similarity,
            phi={n: one_shift(b, delta / widths[n]) for n, b in resolved.items()},
            network=network,
            unit="bandwidths" if rank is None else "domains",
        )
        return display.plot(ax, line_kwargs=line_kwargs)

    def plot(self, ax: Any = None, *, line_kwargs: Mapping[str, Any] | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default=None
            One per panel, or one that is split. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        self
        """
        given = line_style(self, line_kwargs)
        n_panels = 1 + bool(self.phi) + bool(self.network)
        axes = make_panels(self, ax, 1, n_panels, (4.8 * n_panels, 3.6))
        at_similarity = axes[1 if self.phi else 0]
        styles = line_styles(len(self.similarity))
        self.lines_: dict[str, list[Any]] = {}
        for (name, values), style in zip(self.similarity.items(), styles, strict=True):
            style = {"label": name, **style, **given}
            curves = [(axes[0], self.phi[name])] if name in self.phi else []
            curves.append((at_similarity, values))
            self.lines_[name] = [a.plot(self.displacement, y, **style)[0] for a, y in curves]
        for panel in axes:
            panel.set_xlabel(f"displacement, {self.unit}")
            panel.margins(x=0)
            panel.grid(alpha=0.3)
        at_similarity.axhline(0.1, color="grey", linestyle=":", linewidth=1)
        at_similarity.set_ylabel("similarity D / D(0)")
        draw_legend(at_similarity, len(self.similarity))
        if self.phi:
            axes[0].set_ylabel("basis function")
        self._plot_network(axes[-1], given)
        self.axes_, self.figure_ = axes, axes[0].figure
        return self

    def _plot_network(self, ax: Any, line_kwargs: Mapping[str, Any]) -> None:
        """Lines of networks: colours for encodings, dashes for depths; for one encoding both."""
        self.network_lines_: dict[str, dict[int, Any]] = {}
        if not self.network:
            return
        colours = [style["color"] for style in line_styles(len(self.similarity))]
        by_encoding = dict(zip(self.similarity, colours, strict=True))
        for name, kernels in self.network.items():
            lines = self.network_lines_[name] = {}
            for (depth, values), style in zip(
                kernels.items(), line_styles(len(kernels)), strict=True
            ):
                if len(self.network) > 1:
                    style["color"] = by_encoding[name]
                style = {"label": _layers(depth), **style, **line_kwargs}
                lines[depth] = ax.plot(self.displacement, values, **style)[0]
        ax.set_ylabel("similarity that a network sees")
        ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
        if len(self.network) == 1:
            ax.legend(fontsize="small", framealpha=0.8)
            return
        first = next(iter(self.network_lines_.values())).values()
        ax.legend(handles=[_grey(line) for line in first], fontsize="small", framealpha=0.8)


def _has_dates(encoder: Any, axis: int) -> bool:
    dates = getattr(encoder, "dates_", ())
    return axis < len(dates) and dates[axis] is not None


def _depths(hidden_layers: Any) -> list[int]:
    """Distinct numbers of hidden layers, from one or a sequence."""
    listed = [hidden_layers] if np.ndim(hidden_layers) == 0 else list(hidden_layers)
    given = [parse_integer(each, "hidden_layers", at_least=0) for each in listed]
    if any(each > _DEEPEST for each in given):
        raise ValueError(
            f"hidden_layers are numbers of layers, up to {_DEEPEST}, not their sizes: give "
            f"{len(given)} for a network of {len(given)} layers. Got {hidden_layers!r}."
        )
    return list(dict.fromkeys(given))


def _layers(depth: int) -> str:
    return "1 hidden layer" if depth == 1 else f"{depth} hidden layers"


def _grey(line: Any) -> Any:
    """A line for a legend that tells depths, whatever the encoding."""
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], color="dimgrey", linestyle=line.get_linestyle(), linewidth=line.get_linewidth(),
        label=line.get_label(),
    )  # fmt: skip


def _parse_extent(value: Any, unit: float) -> float | None:
    if value is None:
        return None
    return parse_number(value, "extent", above=0, at_most=_FARTHEST * unit, otherwise=" or None")


def _symmetric(extent: Any, n_points: Any) -> NDArray[np.float64]:
    n_points = parse_integer(n_points, "n_points", at_least=2)
    check_memory((_ARRAYS, n_points), 8, "lower n_points")
    return np.linspace(-extent, extent, n_points)


def _bandwidth(basis: Basis, rank: float | None) -> float:
    if rank is None:
        return 1.0
    return basis.bandwidth(rank) if basis.period is None else 2 / basis.period
