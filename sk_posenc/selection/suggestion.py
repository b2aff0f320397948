"""Ranking of encodings for a regressor, from the training samples of a signal."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import clone

from sk_posenc.core.arrays import SQUARED_UP_TO, to_numpy
from sk_posenc.core.checks import checked_pair
from sk_posenc.core.encoding import Encoding
from sk_posenc.core.incoming import Dates, targets_in
from sk_posenc.core.memory import check_copies
from sk_posenc.core.poor_fit import poor_fits_untold
from sk_posenc.core.samples_per_axis import samples_per_axis
from sk_posenc.core.settings import parse_integer, parse_positive, random_state_of
from sk_posenc.core.shortfalls import shortfalls_untold
from sk_posenc.encoders.domains import in_numbers
from sk_posenc.encoders.fourier import FourierEncoder
from sk_posenc.encoders.random_fourier import RandomFourierEncoder
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.selection._criteria import Criterion, criterion_for, head_of
from sk_posenc.selection._doubts import doubts_about, near_ties

__all__ = ["Suggestion", "suggest_encoder"]

# Stable ranks of the default candidates, as shares of the samples per axis.
_SHARES = (0.04, 0.07, 0.12, 0.2, 0.35, 0.6)

_FEWEST_ROWS = 8


@dataclass(frozen=True)
class Suggestion:
    """Encoders in the order in which they suit a regressor.

    ``print(suggestion)`` shows the ranking as text, a notebook as a table.

    Attributes
    ----------
    best_encoder : encoder
        The first choice, unfitted: ready for a Pipeline, or as `encoder` of the regressor.
    table : dict of arrays
        One entry per candidate, the best first; ``pandas.DataFrame(table)`` takes it.
        "rank", from 1; "encoder", unfitted; "psnr", the expected PSNR in dB relative to the
        range of `y`; "mse", the expected squared error in units of `y`; "stable_rank", the
        mean over the axes (NaN for an encoder without); "n_features"; "index", the place in
        the list of candidates; "near_tie", whether it is expected within 0.25 dB of the first.
    criterion : str
        The criterion of the ranking, in words.
    n_samples : int
        Number of rows that were used.
    seconds : float
    doubts : tuple of str
        What the ranking leaves open: near-ties, and a smooth signal that is fitted closely, on
        which the ranking for networks is known to fail. Empty where there is nothing to say.
    """

    best_encoder: Any
    table: dict[str, NDArray]
    criterion: str
    n_samples: int
    seconds: float
    doubts: tuple[str, ...] = ()

    def _lines(self) -> list[list[str]]:
        lines = [["rank", "dB", "stable rank", "columns", "encoder"]]
        columns = (self.table[key] for key in ("rank", "psnr", "stable_rank", "n_features"))
        for *numbers, encoder in zip(*columns, self.table["encoder"], strict=True):
            rank, psnr, stable_rank, n_features = numbers
            lines.append([
                str(rank),
                f"{psnr:.2f}",
                "-" if math.isnan(stable_rank) else f"{stable_rank:.4g}",
                str(n_features),
                " ".join(repr(encoder).split()),
            ])  # fmt: skip
        return lines

    def _title(self) -> str:
        return f"{self.criterion}, {self.n_samples:,} samples, {self.seconds:.2g} s"

    def __str__(self) -> str:
        lines = self._lines()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = [
            "  ".join([*(c.rjust(w) for c, w in zip(line[:-1], widths, strict=False)), line[-1]])
            for line in lines
        ]
        return "\n".join([self._title(), *shown, *self.doubts])

    def _repr_html_(self) -> str:
        heading, *body = self._lines()

        def row(cells: list[str], tag: str) -> str:
            inside = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
            return f"<tr>{inside}</tr>"

        rows = "".join(row(line, "td") for line in body)
        return (
            f"<div><p>{html.escape(self._title())}</p>"
            f"<table>{row(heading, 'th')}{rows}</table>"
            + "".join(f"<p>{html.escape(doubt)}</p>" for doubt in self.doubts)
            + "</div>"
        )


def suggest_encoder(
    X: ArrayLike,
    y: ArrayLike,
    regressor: Any,
    encoders: Sequence[Any] | None = None,
    *,
    max_samples: int | None = None,
    training_time: float | None = None,
    random_state: Any = 0,
) -> Suggestion:
    r"""Rank encodings for a regressor, without training it.

    The best encoding depends on what comes after it: a deep network needs a lower stable rank
    than a linear head. Linear heads are ranked by exact leave-one-out errors. Networks are
    ranked by the error between the samples that their tangent kernel predicts.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_axes)
        Coordinates of the training samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The signal there.
    regressor : estimator
        The regressor that follows the encoding, fitted or not; it is not changed. One of
        LinearRegression, Ridge, RidgeCV, KroneckerRidge and KroneckerRidgeCV;
        CoordinateMLPRegressor, or scikit-learn's MLPRegressor with ReLU and Adam; or a
        Pipeline of an encoder and one of these. The candidates replace the encoder of the
        Pipeline or of the regressor.
    encoders : list of encoders, default=None
        Candidates. None: Gaussian, triangle, Fourier and random Fourier encodings, with
        stable ranks from 4 to 60 % of the samples per axis. The guide's page *Defaults* has
        the numbers.
    max_samples : int, default=None
        Largest number of rows that are used. They are neighbours around the middle, so that
        they are as dense as all rows. None: a limit that depends on the regressor; the
        guide's page *Defaults* has the numbers. Kronecker ridge always uses all rows.
    training_time : float, default=None
        Kernel time :math:`\tau` that corresponds to the training of a network (see Notes).
        None: 10,000 times learning rate times steps, which holds for Adam.
    random_state : int, RandomState instance or None, default=0
        Decides the places between samples where errors are estimated, and the rows that show
        how rough the signal is.

    Returns
    -------
    Suggestion
        The ranking, and the first choice ready for the Pipeline.

    Raises
    ------
    TypeError
        For a regressor of another kind, and candidates that are not encoders.
    ValueError
        For coordinates or targets that are not finite or too few, a constant signal, no
        candidates, and networks that the kernel does not describe.

    See Also
    --------
    tangent_kernel : The similarity that a network sees through an encoding.
    KroneckerRidgeCV : Chooses encoder, stable rank, penalty and alpha of a closed-form head.

    Notes
    -----
    *Networks.* Let K be the tangent kernel of the network on the encodings, which are centred
    and scaled to unit norm. After training to time t on n samples, the network predicts
    :math:`K_* (1 - e^{-t K / n}) K^{-1} y`. Under Adam this time differs from one direction to
    the next. If t is distributed exponentially with mean :math:`\tau`, the mean prediction is
    that of a ridge regression,

    .. math:: W y, \qquad W = K_* \left(K + \frac{n}{\tau} I\right)^{-1}.

    Leave-one-out would test a network too far from its samples: the nearest other sample of a
    grid is one spacing away, and a place between samples at most half a spacing along each axis.
    But W is linear, so that its squared error *between* the samples follows from how much the
    signal differs over a distance h. Half
    its mean squared difference, :math:`\gamma(h) = c \, h^p` with h in units of the spacing, is
    fitted to near and far neighbours. The error at a place is then
    :math:`2 \sum_i w_i \gamma_i - \sum_{ij} w_i w_j \gamma_{ij}`. Of the signal only c, which
    does not change the ranking, and the roughness p matter.

    The factor 10,000 was chosen on five of the ten signals of
    ``examples/choose_encoder.py``, for four hidden layers in CoordinateMLPRegressor. From a
    third of it to three times as much, the ranking there is about as good.
    ``docs/choosing.md`` has the results for the other signals, and where the ranking fails:
    `doubts` of the result says so for a signal like that.
    The kernel does not include the features that a network learns.

    *Linear heads.* Leave-one-out keeps the encoder and its domain fixed. RidgeCV takes the
    best of its alphas for each encoding. KroneckerRidgeCV searches with its own settings and
    folds, such as sub-grids. KroneckerRidge is ranked by leave-one-out at its own alpha and
    penalty; where these are "auto", at those that it would take with each candidate.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sk_posenc import ShiftedBasisEncoder, suggest_encoder
    >>> X = np.linspace(0, 1, 100)[:, None]
    >>> y = np.sin(40 * X[:, 0])
    >>> candidates = [ShiftedBasisEncoder(stable_rank=rank) for rank in (3, 10, 30, 90)]
    >>> suggestion = suggest_encoder(X, y, Ridge(1e-3), candidates)
    >>> suggestion.best_encoder
    ShiftedBasisEncoder(stable_rank=10)
    >>> model = make_pipeline(suggestion.best_encoder, Ridge(1e-3)).fit(X, y)
    """
    start = time.perf_counter()
    head = head_of(regressor)
    if encoders is not None:
        encoders = _check_encoders(encoders)
    if max_samples is not None:
        max_samples = parse_integer(max_samples, "max_samples", _FEWEST_ROWS, " or None")
    if training_time is not None:
        training_time = parse_positive(training_time, "training_time", " or None")
    # the stable rank that a candidate reaches is in the table, and how well it fits
    with config_context(array_api_dispatch=False), shortfalls_untold(), poor_fits_untold():
        coordinates, targets, dates = _check_samples(X, y)
        criterion = criterion_for(
            head, coordinates, targets, max_samples, training_time, random_state_of(random_state)
        )
        candidates = _default_encoders(coordinates) if encoders is None else encoders
        table = _ranking(candidates, criterion, float(np.ptp(targets)), dates)
    return Suggestion(
        best_encoder=clone(table["encoder"][0]),
        table=table,
        criterion=criterion.name,
        n_samples=criterion.n_samples,
        seconds=time.perf_counter() - start,
        doubts=doubts_about(table["psnr"], criterion.exponent),
    )


def _check_samples(X: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray, Dates]:
    """Coordinates, and targets in their own shape, as finite arrays; and the dates of each axis."""
    check_copies(X, 2, "take fewer samples")
    targets = np.asarray(targets_in(to_numpy(y)))
    if targets.dtype.kind not in "biufO":
        raise ValueError(f"y must be numbers. Got an array of {targets.dtype}.")
    if targets.dtype.kind == "b":
        targets = targets.astype(np.float64)
    coordinates, targets, dates = checked_pair(
        to_numpy(X),
        targets,
        multi_output=True,
        y_numeric=True,
        dtype=[np.float64, np.float32],
    )
    if len(coordinates) < _FEWEST_ROWS:
        raise ValueError(
            f"a suggestion needs at least {_FEWEST_ROWS} samples. Got n_samples = "
            f"{len(coordinates)}."
        )
    if not np.ptp(targets, axis=0).any():
        raise ValueError("y is constant: all encodings fit it equally well.")
    with np.errstate(over="ignore"):
        value_range = float(np.ptp(targets))
    if not 1 / SQUARED_UP_TO < value_range < SQUARED_UP_TO:
        raise ValueError(
            f"y must have a range of between {1 / SQUARED_UP_TO:g} and {SQUARED_UP_TO:g}, as "
            f"errors are its squares: scale y. Got {value_range:.3g}."
        )
    if not np.ptp(coordinates, axis=0).any():
        raise ValueError("all rows of X are the same point: give samples at several places.")
    return coordinates, targets, dates


def _ranking(
    candidates: Sequence[Any], criterion: Criterion, value_range: float, dates: Dates
) -> dict[str, NDArray]:
    mse, stable_ranks, widths = (np.empty(len(candidates)) for _ in range(3))
    for i, candidate in enumerate(candidates):
        try:
            mse[i], fitted = criterion.error_of(in_numbers(clone(candidate), dates))
        except Exception as error:
            error.add_note(f"This came up for the candidate {candidate!r}.")
            raise
        ranks = getattr(fitted, "stable_rank_", np.nan)
        stable_ranks[i] = float(np.mean(to_numpy(ranks)))
        widths[i] = len(fitted.get_feature_names_out())
    order = np.argsort(mse, kind="stable")
    floor = np.finfo(np.float64).eps * value_range**2
    listed = np.empty(len(candidates), dtype=object)
    listed[:] = [clone(candidates[i]) for i in order]
    psnr = 20 * np.log10(value_range) - 10 * np.log10(np.maximum(mse[order], floor))
    return {
        "rank": np.arange(1, len(candidates) + 1),
        "encoder": listed,
        "psnr": psnr,
        "mse": mse[order],
        "stable_rank": stable_ranks[order],
        "n_features": widths[order].astype(np.intp),
        "index": order,
        "near_tie": near_ties(psnr),
    }


def _check_encoders(encoders: Any) -> list[Any]:
    if isinstance(encoders, str | dict) or not isinstance(encoders, Sequence):
        raise TypeError(f"encoders must be a list of encoders. Got {encoders!r}.")
    if not len(encoders):
        raise ValueError("encoders must hold at least one candidate. Got none.")
    for encoder in encoders:
        if isinstance(encoder, type) or not all(
            hasattr(encoder, name) for name in ("fit", "transform", "get_feature_names_out")
        ):
            raise TypeError(f"encoders must hold encoders or other transformers. Got {encoder!r}.")
        if isinstance(encoder, Encoding) and encoder._learns_by_default:
            raise ValueError(
                f"{encoder!r} is trained with its network, and cannot be ranked before training: "
                "leave it out, and compare it by GridSearchCV."
            )
    return list(encoders)


def _default_encoders(X: NDArray) -> list[Any]:
    n_per_axis = samples_per_axis(X)
    bases: list[Callable[..., Any]] = [
        lambda rank: ShiftedBasisEncoder("gaussian", stable_rank=rank),
        lambda rank: ShiftedBasisEncoder("triangle", stable_rank=rank),
        lambda rank: FourierEncoder(stable_rank=rank),
        lambda rank: RandomFourierEncoder(stable_rank=rank, random_state=0),
    ]
    ranks = [[max(1.2, round(float(share * n), 6)) for n in n_per_axis] for share in _SHARES]
    return [make(rank if len(set(rank)) > 1 else rank[0]) for make in bases for rank in ranks]
