"""Displays: what an encoding is, what it holds, what it trades, what a model makes of it.

Each stores its numbers and draws them with ``plot``, as the Displays of scikit-learn do;
its class methods compute the numbers and draw at once. They need matplotlib, which is
imported where something is drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import array_api_compat.numpy as xp
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from sk_posenc._arrays import to_numpy
from sk_posenc._base import parse_integer, parse_optional
from sk_posenc._spectrum import (
    Spectrum,
    check_max_samples,
    rows_that_fit,
    spectrum_of_encoding,
    spectrum_of_matrix,
    subsample,
)
from sk_posenc.bases import Basis, resolve_basis
from sk_posenc.metrics import (
    _find_encoder,
    distance_preservation,
    make_psnr_scorer,
    psnr_score,
    similarity_radius,
    stable_rank,
)
from sk_posenc.model_selection import CoordinateKFold

__all__ = ["BasisDisplay", "ReconstructionDisplay", "SpectrumDisplay", "TradeoffDisplay"]

# The palette of Okabe and Ito, which the colour-blind tell apart; marks and dashes help them.
_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
_DASHES = ["-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), ":"]
_MARKS = ["o", "s", "^", "D", "v", "P", "X"]
_MAP, _SIGNED_MAP = "cividis", "PuOr"


def _pyplot(caller: str) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib: pip install 'sk_posenc[examples]', or matplotlib alone"
        ) from error
    return plt


def _panels(display: Any, ax: Any, n_rows: int, n_columns: int, size: tuple[float, float]) -> Any:
    """Axes to draw on, an array of n_rows * n_columns: new, given, or one that is split."""
    plt = _pyplot(f"{type(display).__name__}.plot")
    n = n_rows * n_columns
    if ax is None:
        _, axes = plt.subplots(
            n_rows, n_columns, figsize=size, layout="constrained", squeeze=False
        )  # fmt: skip
        return axes.ravel()
    given = np.ravel(np.asarray(ax, dtype=object))
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


def _styles(n: int) -> list[dict[str, Any]]:
    """Colour, dashes and width of n lines: a grey print tells them, and the first, drawn
    below the others, shows where they coincide."""
    return [
        {
            "color": _COLOURS[i % len(_COLOURS)],
            "linestyle": _DASHES[i % len(_DASHES)],
            "linewidth": 1.4 + 0.25 * (n - 1 - i),
        }
        for i in range(n)
    ]


def _legend(ax: Any, n: int) -> None:
    if n > 1:
        ax.legend(fontsize="small", framealpha=0.8)


def _name_of(encoder: Any) -> str:
    """What an encoder is called in a legend."""
    basis = getattr(encoder, "basis", None)
    if isinstance(basis, str):
        return basis
    if basis is not None:
        return type(basis).__name__
    words = {"FourierEncoder": "Fourier", "LogFourierEncoder": "log Fourier",
             "RandomFourierEncoder": "random Fourier"}  # fmt: skip
    return words.get(type(encoder).__name__, type(encoder).__name__)


def _named(values: Any, name_of: Callable[[Any], str], detail: Callable[[Any], str]) -> dict:
    """Values by name, from a mapping, a sequence or one value; equal names get a detail."""
    if isinstance(values, Mapping):
        named = {str(name): value for name, value in values.items()}
    else:
        # a pipeline is a sequence of its steps, and an array of its rows
        listed = list(values) if isinstance(values, list | tuple) else [values]
        plain = [name_of(value) for value in listed]
        names = [
            f"{name}, {detail(value)}" if plain.count(name) > 1 else name
            for name, value in zip(plain, listed, strict=True)
        ]
        named = {}
        for name, value in zip(names, listed, strict=True):
            same = sum(1 for other in named if other == name or other.startswith(f"{name} ("))
            named[f"{name} ({same + 1})" if same else name] = value
    if not named:
        raise ValueError("expected at least one to draw. Got none.")
    return named


def _named_encoders(encoders: Any, fitted: bool = True) -> dict[str, Any]:
    def encoder_of(each: Any) -> Any:
        return _find_encoder(each) if fitted else each

    def detail(each: Any) -> str:
        encoder = encoder_of(each)
        if not fitted:
            return repr(encoder)
        ranks = to_numpy(encoder.stable_rank_)
        return "stable rank " + " x ".join(f"{rank:.3g}" for rank in ranks)

    named = _named(encoders, lambda each: _name_of(encoder_of(each)), detail)
    for each in named.values():
        encoder = encoder_of(each)
        if fitted:
            check_is_fitted(encoder)
    return {name: encoder_of(each) for name, each in named.items()}


class BasisDisplay:
    """Basis functions phi and their similarities D over the displacement.

    Parameters
    ----------
    displacement : ndarray of shape (n_points,)
        Distance along an axis.
    similarity : dict of ndarrays of shape (n_points,)
        D(displacement) / D(0), by name.
    phi : dict of ndarrays of shape (n_points,), default=None
        The basis functions, by name; Fourier features have none. Without any, only D is
        drawn.
    unit : str, default="coordinate units"
        Unit of the displacement.

    Attributes
    ----------
    axes_ : ndarray of Axes
        That of phi, where there is one, and that of D.
    lines_ : dict of lists of Line2D
        By name: that of D, and before it that of phi where there is one.
    figure_ : Figure

    See Also
    --------
    similarity_radius : Where D falls to a tenth, the dotted line.

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
        unit: str = "coordinate units",
    ) -> None:
        self.displacement = displacement
        self.similarity = similarity
        self.phi = {} if phi is None else phi
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        axis: int = 0,
        extent: float | None = None,
        n_points: int = 1001,
        unit: str = "coordinate units",
        ax: Any = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the bases of fitted encoders along one axis.

        Parameters
        ----------
        estimator : fitted encoder, or a list or dict of them
            Estimators that hold one will do.
        axis : int, default=0
            Which axis of the coordinates.
        extent : float, default=None
            Largest displacement. None: four times the largest similarity radius, within
            the domain.
        n_points : int, default=1001
            Displacements, from minus to plus `extent`.
        unit : str, default="coordinate units"
            Unit of the coordinates.
        ax : Axes or sequence of two Axes, default=None
            Where to draw; one axes is split. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        BasisDisplay

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
        _pyplot(f"{cls.__name__}.from_estimator")
        encoders = _named_encoders(estimator)
        for encoder in encoders.values():
            if not 0 <= axis < encoder.n_features_in_:
                raise ValueError(
                    f"axis must be one of the {encoder.n_features_in_} axes of the encoder, "
                    f"counted from 0. Got {axis!r}."
                )
        if parse_optional(extent, "extent") is None:
            radius = max(similarity_radius(each)[axis] for each in encoders.values())
            length = max(np.ptp(to_numpy(each.domain_)[axis]) for each in encoders.values())
            extent = min(4 * radius, length)
        delta = _symmetric(extent, n_points)
        phi = {
            name: _phi(encoder._basis, delta / encoder._widths[axis])
            for name, encoder in encoders.items()
            if isinstance(getattr(encoder, "_basis", None), Basis)
        }
        similarity = {
            name: np.asarray(encoder._axis_similarity(axis, delta))
            for name, encoder in encoders.items()
        }
        display = cls(displacement=delta, similarity=similarity, phi=phi, unit=unit)
        return display.plot(ax, line_kwargs=line_kwargs)

    @classmethod
    def from_bases(
        cls,
        bases: Any,
        *,
        stable_rank: float | None = None,
        extent: float | None = None,
        n_points: int = 1001,
        ax: Any = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw bases without an encoder, in bandwidths or at one stable rank.

        Parameters
        ----------
        bases : str, Basis, or a list or dict of them
            As the `basis` of ShiftedBasisEncoder.
        stable_rank : float, default=None
            Gives each basis the bandwidth of this stable rank, and the displacement in
            domains. None: in bandwidths. Bases that repeat have one stable rank only, and
            are drawn with half a period a domain.
        extent : float, default=None
            Largest displacement. None: where all bases are done, at most 4 bandwidths; the
            least of these, and one period, where some repeat.
        n_points : int, default=1001
            Displacements, from minus to plus `extent`.
        ax : Axes or sequence of two Axes, default=None
            Where to draw; one axes is split. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        BasisDisplay
        """
        _pyplot(f"{cls.__name__}.from_bases")
        named = _named(bases, lambda b: b if isinstance(b, str) else type(b).__name__, repr)
        resolved = {name: resolve_basis(basis) for name, basis in named.items()}
        rank = parse_optional(stable_rank, "stable_rank")
        widths = {name: _bandwidth(basis, rank) for name, basis in resolved.items()}
        if parse_optional(extent, "extent") is None:
            done = [
                widths[name] * (min(2 * basis.reach, 4) if basis.period is None else basis.period)
                for name, basis in resolved.items()
            ]
            repeats = any(basis.period is not None for basis in resolved.values())
            extent = min(done) if repeats else max(done)
        delta = _symmetric(extent, n_points)
        display = cls(
            displacement=delta,
            similarity={
                n: np.asarray(b.similarity(delta / widths[n])) for n, b in resolved.items()
            },
            phi={n: _phi(b, delta / widths[n]) for n, b in resolved.items()},
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
        n_panels = 2 if self.phi else 1
        axes = _panels(self, ax, 1, n_panels, (4.8 * n_panels, 3.6))
        self.lines_: dict[str, list[Any]] = {}
        for (name, values), style in zip(
            self.similarity.items(), _styles(len(self.similarity)), strict=True
        ):
            style = {"label": name, **style, **(line_kwargs or {})}
            curves = [(axes[0], self.phi[name])] if name in self.phi else []
            curves.append((axes[-1], values))
            self.lines_[name] = [a.plot(self.displacement, y, **style)[0] for a, y in curves]
        for panel in axes:
            panel.set_xlabel(f"displacement, {self.unit}")
            panel.margins(x=0)
            panel.grid(alpha=0.3)
        axes[-1].axhline(0.1, color="grey", linestyle=":", linewidth=1)
        axes[-1].set_ylabel("similarity D / D(0)")
        _legend(axes[-1], len(self.similarity))
        if self.phi:
            axes[0].set_ylabel("basis function")
        self.axes_, self.figure_ = axes, axes[0].figure
        return self


def _symmetric(extent: Any, n_points: Any) -> NDArray[np.float64]:
    if parse_integer(n_points, "n_points") < 2:
        raise ValueError(f"n_points must be at least 2. Got {n_points!r}.")
    return np.linspace(-extent, extent, n_points)


def _phi(basis: Basis, u: NDArray) -> NDArray:
    """phi of one shift: its neighbours stand beside it, for the impulse goes by the nearest."""
    return np.asarray(basis.phi(np.stack([u - 1, u, u + 1], axis=1), xp))[:, 1]


def _bandwidth(basis: Basis, rank: float | None) -> float:
    if rank is None:
        return 1.0
    return basis.bandwidth(rank) if basis.period is None else 2 / basis.period


class SpectrumDisplay:
    """Singular values of encodings, with their stable ranks and ranks.

    The area under the squared curve, relative to its start, is the stable rank.

    Parameters
    ----------
    singular_values : dict of ndarrays
        Largest first, by name.
    stable_rank : dict of float
    rank : dict of int
        Singular values that are more than rounding.

    Attributes
    ----------
    ax_ : Axes
    lines_ : dict of Line2D
        By name.
    figure_ : Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, SpectrumDisplay
    >>> X = np.linspace(0, 1, 200)[:, None]
    >>> encoders = [ShiftedBasisEncoder(stable_rank=rank).fit(X) for rank in (8, 32)]
    >>> display = SpectrumDisplay.from_estimator(encoders, X)
    >>> {name: round(rank, 1) for name, rank in display.stable_rank.items()}
    {'gaussian, stable rank 8.09': 8.1, 'gaussian, stable rank 32': 32.2}
    """

    def __init__(
        self,
        *,
        singular_values: Mapping[str, NDArray],
        stable_rank: Mapping[str, float],
        rank: Mapping[str, int],
    ) -> None:
        self.singular_values = singular_values
        self.stable_rank = stable_rank
        self.rank = rank

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        max_samples: int = 2000,
        random_state: Any = 0,
        ax: Any = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the spectra of the encodings of `X`.

        Parameters
        ----------
        estimator : fitted encoder, or a list or dict of them
            Estimators that hold one will do.
        X : array-like of shape (n_samples, n_axes)
            Coordinates.
        max_samples : int, default=2000
            Rows that are encoded at most; more are subsampled.
        random_state : int, RandomState instance or None, default=0
            Decides the rows.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        SpectrumDisplay
        """
        _pyplot(f"{cls.__name__}.from_estimator")
        check_max_samples(max_samples)
        spectra = {}
        for name, encoder in _named_encoders(estimator).items():
            with config_context(array_api_dispatch=False):
                checked = encoder._check_coordinates(to_numpy(X), "transform")
                n_rows = rows_that_fit(encoder, len(checked), max_samples)
                rows = subsample(len(checked), n_rows, random_state)
                spectra[name] = spectrum_of_encoding(encoder, checked[rows])
        return cls._of_spectra(spectra).plot(ax, line_kwargs=line_kwargs)

    @classmethod
    def from_encodings(
        cls, encodings: Any, *, ax: Any = None, line_kwargs: Mapping[str, Any] | None = None
    ) -> Self:
        """Draw the spectra of matrices, such as encodings or the layers of a network.

        Parameters
        ----------
        encodings : array-like or sparse matrix of shape (n_samples, n_features), or a dict
            Dict: by name.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        SpectrumDisplay
        """
        _pyplot(f"{cls.__name__}.from_encodings")
        if not isinstance(encodings, Mapping):
            encodings = {"encoding": encodings}
        spectra = {
            str(name): spectrum_of_matrix(
                check_array(
                    E if sparse.issparse(E) else to_numpy(E),
                    accept_sparse="csr",
                    dtype=[np.float64, np.float32],
                    input_name=str(name),
                )
            )
            for name, E in encodings.items()
        }
        return cls._of_spectra(spectra).plot(ax, line_kwargs=line_kwargs)

    @classmethod
    def _of_spectra(cls, spectra: Mapping[str, Spectrum]) -> Self:
        return cls(
            singular_values={name: each.singular_values for name, each in spectra.items()},
            stable_rank={name: each.stable_rank for name, each in spectra.items()},
            rank={name: each.rank for name, each in spectra.items()},
        )

    def plot(self, ax: Any = None, *, line_kwargs: Mapping[str, Any] | None = None) -> Self:
        """Draw: a dot marks the stable rank of a curve, a bar its rank.

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
        ax = _panels(self, ax, 1, 1, (6.4, 4.4))[0]
        self.lines_ = {}
        for (name, values), style in zip(
            self.singular_values.items(), _styles(len(self.singular_values)), strict=True
        ):
            shares = np.maximum(values / values[0], 1e-17)
            index = np.arange(1, len(shares) + 1)
            label = f"{name}\n  stable rank {self.stable_rank[name]:.1f}, rank {self.rank[name]}"
            style = {"label": label, **style, **(line_kwargs or {})}
            self.lines_[name] = ax.plot(index, shares, **style)[0]
            for mark, at in (("o", self.stable_rank[name]), ("|", self.rank[name])):
                height = np.exp(np.interp(at, index, np.log(shares)))
                ax.plot(at, height, mark, color=style["color"], markersize=7 if mark == "o" else 14,
                        markeredgewidth=1.8)  # fmt: skip
        ax.set(
            xscale="log",
            yscale="log",
            xlabel="number of the singular value",
            ylabel="singular value / largest",
        )
        ax.set_ylim(bottom=max(1e-17, ax.get_ylim()[0]))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small", framealpha=0.8)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class TradeoffDisplay:
    """Stable rank against distance preservation, coloured by PSNR.

    What an encoding can memorise is bought with nearness; the PSNR says at which price it
    is best.

    Parameters
    ----------
    stable_rank : array-like of shape (n_encodings,)
        Of the whole encoded matrix.
    distance_preservation : array-like of shape (n_encodings,)
    psnr : array-like of shape (n_encodings,), default=None
        In dB; NaN where it is not known.
    names : sequence of str of length n_encodings, default=None
        Encodings of one name share a mark and a line.

    Attributes
    ----------
    ax_ : Axes
    scatters_ : dict of PathCollection
        The points of each name.
    colorbar_ : Colorbar or None
        None without PSNR.
    figure_ : Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, TradeoffDisplay
    >>> X = np.linspace(0, 1, 100)[:, None]
    >>> encoders = [ShiftedBasisEncoder(stable_rank=rank) for rank in (4, 16, 64)]
    >>> display = TradeoffDisplay.from_estimator(encoders, X)
    >>> display.distance_preservation.round(1)
    array([0.9, 0.5, 0.2])
    """

    def __init__(
        self,
        *,
        stable_rank: ArrayLike,
        distance_preservation: ArrayLike,
        psnr: ArrayLike | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.stable_rank = np.asarray(stable_rank, dtype=np.float64)
        self.distance_preservation = np.asarray(distance_preservation, dtype=np.float64)
        self.psnr = None if psnr is None else np.asarray(psnr, dtype=np.float64)
        self.names = None if names is None else [str(name) for name in names]
        check_consistent_length(self.stable_rank, self.distance_preservation, self.psnr, self.names)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        regressor: Any = None,
        cv: Any = None,
        psnr: ArrayLike | None = None,
        data_range: float = 1.0,
        names: Sequence[str] | None = None,
        max_samples: int = 2000,
        random_state: Any = 0,
        ax: Any = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Measure encoders on coordinates, and by a regressor on a signal if one is given.

        Parameters
        ----------
        estimator : encoder or list of encoders
            Cloned and fitted on `X`.
        X : array-like of shape (n_samples, n_axes)
            Coordinates.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            The signal, which `regressor` learns.
        regressor : estimator, default=None
            Fitted on the encoding; its PSNR is the mean over the folds. Goes with `y`.
        cv : int, splitter or iterable, default=None
            Folds for the PSNR. None: ``CoordinateKFold(4)``.
        psnr : array-like of shape (n_encodings,), default=None
            The PSNR where it is known already, in place of `y` and `regressor`.
        data_range : float, default=1.0
            Largest value of the signal less the smallest.
        names : sequence of str, default=None
            None: what the encoders are.
        max_samples : int, default=2000
            Rows on which stable rank and distance preservation are measured at most.
        random_state : int, RandomState instance or None, default=0
            Decides these rows, and the pairs.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        scatter_kwargs : dict, default=None
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        TradeoffDisplay
        """
        _pyplot(f"{cls.__name__}.from_estimator")
        encoders = list(estimator) if isinstance(estimator, list | tuple) else [estimator]
        if not encoders:
            raise ValueError("expected at least one encoder. Got none.")
        if (y is None) != (regressor is None):
            raise ValueError("y and regressor go together: give both, or neither")
        if psnr is not None and y is not None:
            raise ValueError("give psnr, or y and a regressor to measure it by, not both")
        check_max_samples(max_samples)
        ranks, preserved, scores = [], [], []
        for encoder in encoders:
            fitted = clone(encoder).fit(X)
            rows = subsample(len(X), max_samples, random_state)  # type: ignore[arg-type]
            X_rows = np.asarray(to_numpy(X))[rows]
            with config_context(array_api_dispatch=False):
                E = to_numpy(_without_names(fitted).transform(X_rows))
            ranks.append(stable_rank(E))
            preserved.append(distance_preservation(X_rows, E, random_state=0))
            if regressor is not None:
                scores.append(
                    np.mean(
                        cross_val_score(
                            make_pipeline(clone(encoder), clone(regressor)),
                            X,
                            y,
                            scoring=make_psnr_scorer(data_range),
                            cv=CoordinateKFold(4) if cv is None else cv,
                            error_score="raise",
                        )
                    )
                )
        names = [_name_of(each) for each in encoders] if names is None else names
        display = cls(
            stable_rank=ranks,
            distance_preservation=preserved,
            psnr=scores or psnr,
            names=names,
        )
        return display.plot(ax, scatter_kwargs=scatter_kwargs)

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Mapping[str, Any],
        *,
        stable_rank: str = "stable_rank",
        distance_preservation: str = "distance_preservation",
        psnr: str | None = "psnr",
        names: Sequence[str] | None = None,
        ax: Any = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the candidates of a search that scored them by several metrics.

        Parameters
        ----------
        cv_results : dict
            ``cv_results_`` of a GridSearchCV or its kin.
        stable_rank, distance_preservation : str
            Names that `scoring` gave to `stable_rank_scorer` and
            `distance_preservation_scorer`.
        psnr : str or None, default="psnr"
            Name that it gave to `psnr_scorer`; None: no colours.
        names : sequence of str, one per candidate, default=None
            None: the encoders among the parameters.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        scatter_kwargs : dict, default=None
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        TradeoffDisplay

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from sklearn.model_selection import GridSearchCV
        >>> from sklearn.pipeline import Pipeline
        >>> from sk_posenc import *
        >>> X = np.linspace(0, 1, 120)[:, None]
        >>> search = GridSearchCV(
        ...     Pipeline([("encoder", ShiftedBasisEncoder()), ("ridge", Ridge(1e-6))]),
        ...     {"encoder__stable_rank": [4, 16, 32]},
        ...     scoring={
        ...         "psnr": psnr_scorer,
        ...         "stable_rank": stable_rank_scorer,
        ...         "distance_preservation": distance_preservation_scorer,
        ...     },
        ...     refit="psnr",
        ...     cv=CoordinateKFold(4),
        ... ).fit(X, np.sin(60 * X[:, 0] ** 2))
        >>> display = TradeoffDisplay.from_cv_results(search.cv_results_)
        >>> display.colorbar_.ax.get_ylabel()
        'PSNR, dB'
        """
        _pyplot(f"{cls.__name__}.from_cv_results")
        wanted = [name for name in (stable_rank, distance_preservation, psnr) if name is not None]
        columns = []
        for name in wanted:
            if f"mean_test_{name}" not in cv_results:
                scored = [key[10:] for key in cv_results if key.startswith("mean_test_")]
                raise ValueError(
                    f"cv_results has no mean_test_{name}: the search scored {scored}. Score by "
                    '{"stable_rank": stable_rank_scorer, "distance_preservation": '
                    'distance_preservation_scorer, "psnr": psnr_scorer}, or say which names these '
                    "have"
                )
            columns.append(np.asarray(cv_results[f"mean_test_{name}"], dtype=np.float64))
        if names is None:
            names = [_name_of_candidate(each) for each in cv_results["params"]]
        display = cls(
            stable_rank=columns[0],
            distance_preservation=columns[1],
            psnr=columns[2] if psnr is not None else None,
            names=names,
        )
        return display.plot(ax, scatter_kwargs=scatter_kwargs)

    def plot(self, ax: Any = None, *, scatter_kwargs: Mapping[str, Any] | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw. None: a new figure.
        scatter_kwargs : dict, default=None
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        self
        """
        ax = _panels(self, ax, 1, 1, (6.4, 4.4))[0]
        names = np.array(self.names if self.names is not None else [""] * len(self.stable_rank))
        distinct = list(dict.fromkeys(names.tolist()))
        colours: dict[str, Any] = {}
        if self.psnr is not None:
            finite = self.psnr[np.isfinite(self.psnr)]
            ends = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
            colours = {"cmap": _MAP, "vmin": ends[0], "vmax": ends[1]}
        self.scatters_ = {}
        for i, name in enumerate(distinct):
            at = np.flatnonzero(names == name)
            at = at[np.argsort(self.stable_rank[at], kind="stable")]
            x, y = self.stable_rank[at], self.distance_preservation[at]
            line, mark = _COLOURS[i % len(_COLOURS)], _MARKS[i % len(_MARKS)]
            ax.plot(x, y, color=line, linewidth=1, zorder=1)
            style: dict[str, Any] = {
                "marker": mark, "s": 55, "edgecolors": line, "linewidths": 1.2, "zorder": 2,
                "label": name,
            }  # fmt: skip
            style |= {"c": line} if self.psnr is None else {"c": self.psnr[at], **colours}
            with np.errstate(invalid="ignore"):
                self.scatters_[name] = ax.scatter(x, y, **{**style, **(scatter_kwargs or {})})
        self.colorbar_ = None
        if self.psnr is not None:
            self.colorbar_ = ax.figure.colorbar(self.scatters_[distinct[0]], ax=ax)
            self.colorbar_.set_label("PSNR, dB")
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set(xlabel="stable rank of the encoding", ylabel="distance preservation")
        ax.grid(alpha=0.3)
        _legend(ax, len(distinct))
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _without_names(fitted: Any) -> Any:
    """A fitted encoder that takes bare arrays, whatever it was fitted on."""
    if hasattr(fitted, "feature_names_in_"):
        del fitted.feature_names_in_
    return fitted


def _name_of_candidate(parameters: Mapping[str, Any]) -> str:
    """The encoder among the parameters of a candidate, by its class or its basis."""
    for key, value in parameters.items():
        if isinstance(value, str) and key.split("__")[-1] == "basis":
            return value
        if isinstance(value, str) and value == "passthrough":
            return "no encoding"
    for value in parameters.values():
        last = value[-1] if isinstance(value, Pipeline) else value
        if hasattr(last, "_axis_similarity"):
            return _name_of(last)
    return ""


class ReconstructionDisplay:
    """A signal, the fit to it, and their difference, with the PSNR.

    Signals over one axis are drawn as lines; over two, as images where the rows of `X` are
    a grid, in any order, and as coloured points otherwise.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_axes)
        Coordinates, of one axis or two.
    y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_channels)
        Over two axes, one channel or the three of a colour image.
    data_range : float, default=1.0
        Largest value of the signal less the smallest. Colours are in [0, data_range].
    train : array-like of bool of shape (n_samples,), default=None
        Which samples the fit has seen: the PSNR is then told of these and of the others.
    axis_names : sequence of str of length n_axes, default=None
        With their units, for the axes. None: the columns of a data frame, else x, or row
        and column.
    signal_name : str, default="signal"
        With its unit, after a comma.
    upward : bool, default=False
        Whether the first of two axes grows upwards, as a latitude does, in place of
        downwards, as the rows of an image do.

    Attributes
    ----------
    axes_ : ndarray of Axes
        Signal, fit and error over two axes; signal and fit, and error, over one.
    figure_ : Figure
    psnr_ : float
        Of all samples, in dB.

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
        self.X = check_array(to_numpy(X), input_name="X", dtype=np.float64)
        self.y_true, self.y_pred = (
            check_array(to_numpy(y), input_name=name, dtype=np.float64, ensure_2d=False)
            for y, name in ((y_true, "y_true"), (y_pred, "y_pred"))
        )
        check_consistent_length(self.X, self.y_true, self.y_pred)
        self.data_range = data_range
        self.psnr_ = psnr_score(self.y_true, self.y_pred, data_range=data_range)
        n_axes = self.X.shape[1]
        if n_axes not in (1, 2):
            raise ValueError(
                f"a ReconstructionDisplay has one axis or two. Got X with {n_axes}: take a slice, "
                "rows in which all but two coordinates are constant, and these two columns"
            )
        if n_axes == 2 and self._channels(self.y_true).shape[1] not in (1, 3):
            raise ValueError(
                "over two axes a signal has one channel, or three for red, green and blue. Got "
                f"{self.y_true.shape[1]}: choose one, y[:, k]"
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
        """
        _pyplot(f"{cls.__name__}.from_estimator")
        return cls(X, y, estimator.predict(X), **settings).plot(ax)

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
        ax : Axes or sequence of Axes, default=None
            One per panel, or one that is split. None: a new figure.
        **settings : dict
            `data_range`, `train`, `axis_names`, `signal_name` and `upward`, as in the class.

        Returns
        -------
        ReconstructionDisplay
        """
        _pyplot(f"{cls.__name__}.from_predictions")
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
        self.axes_ = _panels(self, ax, 2, 1, (7.2, 4.8))
        upper, lower = self.axes_
        order = np.argsort(self.X[:, 0], kind="stable")
        x, true, fit = (self._channels(a)[order] for a in (self.X, self.y_true, self.y_pred))
        single = true.shape[1] == 1
        for k in range(true.shape[1]):
            colour = _COLOURS[(1 + k) % len(_COLOURS)]
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
        # a fit that shoots over must not flatten the signal
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

    def _plot_images(self, ax: Any) -> None:
        self.axes_ = _panels(self, ax, 1, 3, (11.0, 4.1))
        true, fit = self._channels(self.y_true), self._channels(self.y_pred)
        colour = true.shape[1] == 3
        if colour:
            shown = [np.clip(y / self.data_range, 0, 1) for y in (true, fit)]
            styles: list[dict[str, Any]] = [{}, {}]
            error = np.sqrt(np.mean((fit - true) ** 2, axis=1, keepdims=True))
        else:
            ends = {"cmap": _MAP, "vmin": true.min(), "vmax": true.max()}
            shown, styles, error = [true, fit], [ends, ends], fit - true
        # the few largest errors must not hide the others
        largest = float(np.quantile(np.abs(error), 0.995)) or 1.0
        low = 0.0 if colour else -largest
        styles.append({"cmap": _MAP if colour else _SIGNED_MAP, "vmin": low, "vmax": largest})
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
            _square(panel, self.X)
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
    (rows, i), (columns, j) = (np.unique(X[:, a], return_inverse=True) for a in (0, 1))
    shape = (len(rows), len(columns))
    if min(shape) < 2 or shape[0] * shape[1] != len(X):
        return None
    cells = i * shape[1] + j
    if len(np.unique(cells)) != len(X):
        return None
    order = np.argsort(cells)

    def paint(ax: Any, values: NDArray, style: dict[str, Any]) -> Any:
        image = values[order].reshape(*shape, -1)
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
