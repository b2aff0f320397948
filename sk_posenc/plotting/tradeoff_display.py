"""Stable rank against distance preservation."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.checks import check_as_long, checked_array
from sk_posenc.core.encoding import Encoding
from sk_posenc.core.settings import parse_integer
from sk_posenc.core.stable_rank import stable_rank
from sk_posenc.measures.distance_preservation import distance_preservation
from sk_posenc.measures.scorers import make_psnr_scorer
from sk_posenc.measures.spectrum import subsample
from sk_posenc.plotting._drawing import (
    COLOURS,
    MAP,
    MARKS,
    draw_legend,
    make_panels,
    pyplot,
    scatter_style,
)
from sk_posenc.plotting._names import name_of
from sk_posenc.selection.coordinate_folds import CoordinateKFold


class TradeoffDisplay:
    """Stable rank against distance preservation, coloured by PSNR.

    A higher stable rank costs distance preservation. The PSNR shows which balance of the two
    is best.

    Parameters
    ----------
    stable_rank : array-like of shape (n_encodings,)
        Of the whole encoded matrix.
    distance_preservation : array-like of shape (n_encodings,)
    psnr : array-like of shape (n_encodings,), default=None
        In dB; NaN where it is not known.
    names : sequence of str of length n_encodings, default=None
        Encodings with the same name share a marker and a line.

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
        self.stable_rank = _one_each(stable_rank, "stable_rank")
        self.distance_preservation = _one_each(distance_preservation, "distance_preservation")
        self.psnr = None if psnr is None else _one_each(psnr, "psnr")
        if names is not None and (isinstance(names, str) or not np.iterable(names)):
            raise TypeError(f"names must be a sequence, a name for each encoding. Got {names!r}.")
        self.names = None if names is None else [str(name) for name in names]
        lists = ("stable_rank", "distance_preservation", "psnr", "names")
        given = {each: getattr(self, each) for each in lists}
        check_as_long({name: each for name, each in given.items() if each is not None})

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
            Fitted on the encoding; its PSNR is the mean over the folds. Needed with `y`.
        cv : int, splitter or iterable, default=None
            Folds for the PSNR. None: ``CoordinateKFold(4)``.
        psnr : array-like of shape (n_encodings,), default=None
            The PSNR where it is known already, in place of `y` and `regressor`.
        data_range : float, default=1.0
            Largest value of the signal less the smallest.
        names : sequence of str, default=None
            Names of the encodings. None: those of the encoders.
        max_samples : int, default=2000
            Largest number of rows for stable rank and distance preservation.
        random_state : int, RandomState instance or None, default=0
            Decides these rows, which are the same for all encoders. The pairs of rows do not
            depend on it, as in `distance_preservation_scorer`.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        scatter_kwargs : dict, default=None
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        TradeoffDisplay

        Raises
        ------
        ValueError
            For no encoders, only one of `y` and `regressor`, and `psnr` together with them.
        TypeError
            For an estimator that does not encode, such as a regressor.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        encoders = list(estimator) if isinstance(estimator, list | tuple) else [estimator]
        if not encoders:
            raise ValueError("estimator must hold at least one encoder. Got none.")
        for each in encoders:
            if isinstance(each, type) or not hasattr(each, "fit") or not hasattr(each, "transform"):
                raise TypeError(
                    "estimator must be an encoder, or a Pipeline that ends in one: give the "
                    f"encoder, and the head as regressor. Got {each!r}."
                )
        if (y is None) != (regressor is None):
            raise ValueError("y and regressor go together: give both, or neither")
        if psnr is not None and y is not None:
            raise ValueError("give psnr, or y and a regressor to measure it by, not both")
        max_samples = parse_integer(max_samples, "max_samples", at_least=2)
        X_rows = np.asarray(to_numpy(X))
        if X_rows.ndim != 2:
            raise ValueError(f"X must have shape (n_samples, n_axes). Got shape {X_rows.shape}.")
        X_rows = X_rows[subsample(len(X_rows), max_samples, random_state)]
        ranks, preserved, scores = [], [], []
        for encoder in encoders:
            fitted = clone(encoder).fit(X)
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
        names = [name_of(each) for each in encoders] if names is None else names
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
            ``cv_results_`` of GridSearchCV or a similar search.
        stable_rank, distance_preservation : str
            Names of `stable_rank_scorer` and `distance_preservation_scorer` in `scoring`.
        psnr : str or None, default="psnr"
            Name of `psnr_scorer` in `scoring`. None: no colours.
        names : sequence of str, one per candidate, default=None
            Names of the encodings. None: those of the encoders among the parameters.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        scatter_kwargs : dict, default=None
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        TradeoffDisplay

        Raises
        ------
        ValueError
            Where the search has no score of one of these names.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from sklearn.model_selection import GridSearchCV
        >>> from sklearn.pipeline import Pipeline
        >>> from sk_posenc import CoordinateKFold, ShiftedBasisEncoder, TradeoffDisplay
        >>> from sk_posenc import distance_preservation_scorer, psnr_scorer, stable_rank_scorer
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
        pyplot(f"{cls.__name__}.from_cv_results")
        wanted = [name for name in (stable_rank, distance_preservation, psnr) if name is not None]
        columns = []
        for name in wanted:
            if f"mean_test_{name}" not in cv_results:
                scored = [key[10:] for key in cv_results if key.startswith("mean_test_")]
                raise ValueError(
                    f"cv_results has no mean_test_{name}: the search scored {scored}. Score by "
                    '{"stable_rank": stable_rank_scorer, "distance_preservation": '
                    'distance_preservation_scorer, "psnr": psnr_scorer}, or pass the names that '
                    "you gave them"
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
        given = scatter_style(self, scatter_kwargs)
        ax = make_panels(self, ax, 1, 1, (6.4, 4.4))[0]
        names = np.array(self.names if self.names is not None else [""] * len(self.stable_rank))
        distinct = list(dict.fromkeys(names.tolist()))
        colours: dict[str, Any] = {}
        if self.psnr is not None:
            finite = self.psnr[np.isfinite(self.psnr)]
            ends = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
            colours = {"cmap": MAP, "vmin": ends[0], "vmax": ends[1]}
        self.scatters_ = {}
        for i, name in enumerate(distinct):
            at = np.flatnonzero(names == name)
            at = at[np.argsort(self.stable_rank[at], kind="stable")]
            x, y = self.stable_rank[at], self.distance_preservation[at]
            line, mark = COLOURS[i % len(COLOURS)], MARKS[i % len(MARKS)]
            ax.plot(x, y, color=line, linewidth=1, zorder=1)
            style: dict[str, Any] = {
                "marker": mark, "s": 55, "edgecolor": line, "linewidth": 1.2, "zorder": 2,
                "label": name,
            }  # fmt: skip
            style |= {"c": line} if self.psnr is None else {"c": self.psnr[at], **colours}
            with np.errstate(invalid="ignore"):
                self.scatters_[name] = ax.scatter(x, y, **{**style, **given})
        self.colorbar_ = None
        if self.psnr is not None:
            self.colorbar_ = ax.figure.colorbar(self.scatters_[distinct[0]], ax=ax)
            self.colorbar_.set_label("PSNR, dB")
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set(xlabel="stable rank of the encoding", ylabel="distance preservation")
        ax.grid(alpha=0.3)
        draw_legend(ax, len(distinct))
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
        if isinstance(last, Encoding):
            return name_of(last)
    return ""


def _one_each(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """A number for each encoding; NaN and infinity are left out of the drawing."""
    array = checked_array(
        values, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name=name,
        ensure_all_finite=False, ensure_min_samples=0,
    )  # fmt: skip
    if array.ndim != 1:
        raise ValueError(
            f"{name} must have shape (n_encodings,), a number for each encoding. "
            f"Got shape {array.shape}."
        )
    return np.asarray(array)
