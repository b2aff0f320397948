"""Series of several outputs, each with its own samples, under the same settings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._components import Component, Level, Trend, seasons_of
from sk_posenc.kronecker._knots import intervals_of_trend, knots_of_season
from sk_posenc.kronecker._progress import stage
from sk_posenc.kronecker._series import Places, Series
from sk_posenc.kronecker._settings import drop_absent
from sk_posenc.kronecker._splines import RANK_PER_KNOT
from sk_posenc.kronecker._strengths import Sums


@dataclass(frozen=True)
class Settings:
    """Parsed settings; ranks and alphas of the trend, if there is one, and of each period."""

    periods: list[float]
    ranks: list[float | None]
    trend: bool
    alphas: NDArray[np.float64] | None

    def components(self, times: NDArray[np.float64]) -> list[Component]:
        """Level or trend, then seasons, for distinct times that increase."""
        start, end = float(times[0]), float(times[-1])
        knots = [
            None if each is None else max(2, round(each / RANK_PER_KNOT)) for each in self.ranks
        ]
        first: Component = Level()
        if self.trend:
            first = Trend(start, end, knots[0] or intervals_of_trend(times, min(self.periods)))
        fine = [knots_of_season(times, period) for period in self.periods]
        wanted = zip(knots[self.trend :], fine, strict=True)
        sizes = [given or automatic for given, (automatic, _) in wanted]
        return [first, *seasons_of(self.periods, start, sizes, [phases for _, phases in fine])]


def fit_columns(
    times: NDArray[np.float64],
    columns: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    settings: Settings,
) -> list[Series]:
    """A series for each column; those with the same samples share what these tell."""
    shared: dict[bytes, tuple[Sums, Places]] = {}
    series = []
    for column in columns.T:
        present = ~np.isnan(column)
        kept, values, weight = _present(times, column, weights, present)
        key = present.tobytes()
        if key not in shared:
            places = Places.of(kept, weight)
            _check_number(places, 1 + settings.trend)
            components = settings.components(places.times)
            shared[key] = Sums(components, places.times, places.weights), places
        with stage("learn the strengths", scores=True) as told:
            told.note(f"{len(shared[key][1].times):,} times")
            series.append(Series.fit(*shared[key], values, settings.alphas))
    return series


def _present(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    present: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Samples of one output that have a value and a weight."""
    if not present.any():
        raise ValueError("y is NaN for all samples: each output must have a value")
    kept = None if weights is None else weights[present]
    return drop_absent(times[present], values[present], kept)


def _check_number(places: Places, n_free: int) -> None:
    if len(places.times) <= n_free:
        raise ValueError(
            f"a trend and seasons need samples at {n_free + 1} different times or more: add "
            f"samples. Got n_samples = {len(places.place)}, at {len(places.times)} different times."
        )
