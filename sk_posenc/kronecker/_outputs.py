"""Series of several outputs, each with its own samples, under the same settings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.wording import counted
from sk_posenc.kronecker._columns import centred
from sk_posenc.kronecker._components import Component, Level, Linear, Trend, seasons_of
from sk_posenc.kronecker._knots import intervals_of_trend, knots_of_season
from sk_posenc.kronecker._progress import stage
from sk_posenc.kronecker._series import Places, Series
from sk_posenc.kronecker._settings import drop_absent
from sk_posenc.kronecker._splines import RANK_PER_KNOT
from sk_posenc.kronecker._strengths import Sums

# A covariate that varies by less than this share of its size varies by rounding only.
_CONSTANT = 1e-13

# Least share of a covariate that nothing else without a penalty tells.
_DEPENDENT = 1e-9


@dataclass(frozen=True)
class Settings:
    """Parsed settings; ranks and alphas of the trend, if there is one, and of each period."""

    periods: list[float]
    ranks: list[float | None]
    trend: bool
    alphas: NDArray[np.float64] | None
    covariates: Sequence[str] = ()

    def components(self, places: Places) -> list[Component]:
        """Level or trend, then seasons, then the linear term of covariates."""
        times = np.unique(places.times)
        fine = [knots_of_season(times, period) for period in self.periods]
        start, end = float(times[0]), float(times[-1])
        knots = [
            None if each is None else max(2, round(each / RANK_PER_KNOT)) for each in self.ranks
        ]
        first: Component = Level()
        if self.trend:
            first = Trend(start, end, knots[0] or intervals_of_trend(times, min(self.periods)))
        wanted = zip(knots[self.trend :], fine, strict=True)
        sizes = [given or automatic for given, (automatic, _) in wanted]
        seasons = seasons_of(self.periods, (start, end), sizes, [phases for _, phases in fine])
        if not self.covariates:
            return [first, *seasons]
        return [first, *seasons, linear_of(places, first, self.covariates)]


def linear_of(places: Places, first: Component, names: Sequence[str]) -> Linear:
    """The term of covariates, which must differ from each other, a constant and a line."""
    shares = places.weights / places.weights.sum()
    apart, centre = centred(places.points[:, 1:], names, shares)
    spread = np.sqrt(shares @ apart**2)
    constant = np.flatnonzero(spread <= _CONSTANT * np.maximum(np.abs(centre), 1e-300))
    if len(constant):
        raise ValueError(
            "covariates must vary over the samples: leave constant ones out. Got the constant "
            f"column {names[constant[0]]}."
        )
    linear = Linear(centre, spread)
    free = [each.at(places.points) @ each.free for each in (first, linear)]
    columns = np.sqrt(shares)[:, None] * np.column_stack(free)
    columns /= np.linalg.norm(columns, axis=0)
    if np.linalg.svd(columns, compute_uv=False)[-1] ** 2 <= _DEPENDENT:
        raise ValueError(
            "covariates must tell something that no sum of the others, a constant and a straight "
            f"line in time tells: leave one out. Got the columns {', '.join(names)}."
        )
    return linear


def fit_columns(
    points: NDArray[np.float64],
    columns: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    settings: Settings,
) -> list[Series]:
    """A series for each column; those with the same samples share what these tell."""
    shared: dict[bytes, tuple[Sums, Places]] = {}
    series = []
    for column in columns.T:
        present = ~np.isnan(column)
        kept, values, weight = _present(points, column, weights, present)
        key = present.tobytes()
        if key not in shared:
            places = Places.of(kept, weight)
            _check_number(places, 1 + settings.trend + len(settings.covariates))
            components = settings.components(places)
            shared[key] = Sums(components, places.points, places.weights), places
        with stage("learn the strengths", scores=True) as told:
            told.note(f"{len(shared[key][1].times):,} times")
            series.append(Series.fit(*shared[key], values, settings.alphas))
    return series


def _present(
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    present: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Samples of one output that have a value and a weight."""
    if not present.any():
        raise ValueError("y is NaN for all samples: each output must have a value")
    kept = None
    if weights is not None:  # what vanishes beside others is absent
        kept = weights[present] / (weights[present].max() or 1.0)
    return drop_absent(points[present], values[present], kept)


def _check_number(places: Places, n_free: int) -> None:
    n_times = len(np.unique(places.times))
    if n_times <= n_free:
        raise ValueError(
            f"a trend and seasons need samples at {n_free + 1} different times or more: add "
            f"samples. Got n_samples = {len(places.place)}, at "
            f"{counted(n_times, 'different time')}."
        )
