"""Real series from wheels, as windows: next steps, and gaps, with what peers make of them."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# Steps of a season, of a window and of what is asked for, and the stride between windows.
CASES = {
    "sunspots, yearly": (11, 44, 5, 1),
    "El Nino, monthly": (12, 36, 6, 1),
    "CO2, weekly": (52, 56, 12, 1),
    "Greensboro, hourly": (24, 48, 24, 3),
    "ECG, 360 Hz": (None, 48, 8, 1),
}


# Hourly temperatures of a typical year: measured months of several years, put together.
TEMPERATURES = {"Greensboro, hourly": "723170TYA.CSV", "Sand Point, hourly": "703165TY.csv"}


def load(name):
    """Values of one series, none of them missing."""
    if name in TEMPERATURES:
        folder = Path(find_spec("pvlib").origin).parent / "data"  # without a slow import
        return pd.read_csv(folder / TEMPERATURES[name], skiprows=1)["Dry-bulb (C)"].to_numpy(float)
    if name == "ECG, 360 Hz":
        import pywt

        return pywt.data.ecg().astype(float)
    import statsmodels.api as sm

    if name == "sunspots, yearly":
        return sm.datasets.sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(float)
    if name == "El Nino, monthly":
        return sm.datasets.elnino.load_pandas().data.iloc[:, 1:].to_numpy(float).ravel()
    return sm.datasets.co2.load_pandas().data["co2"].interpolate().to_numpy(float)


@dataclass
class Windows:
    """Windows (n, n_lags + n_next) of a series, with the phase of the season at each step."""

    values: np.ndarray
    phase: np.ndarray
    n_next: int
    season: int | None

    @property
    def lags(self):
        return self.values[:, : -self.n_next]

    @property
    def following(self):
        return self.values[:, -self.n_next :]

    @property
    def gap(self):
        """The steps in the middle, as many as are asked for."""
        start = (self.values.shape[1] - self.n_next) // 2
        return slice(start, start + self.n_next)


def cut(values, season, n_lags, n_next, every):
    """All windows of a series, `every` steps apart."""
    firsts = np.arange(0, len(values) - n_lags - n_next + 1, every)
    steps = firsts[:, None] + np.arange(n_lags + n_next)
    phase = np.zeros(steps.shape) if season is None else steps % season / season
    return Windows(values[steps], phase, n_next, season)


def two_parts(name):
    """Windows for training, from the first 70 % of a series, and for the test, from the rest."""
    values, (season, *sizes) = load(name), CASES[name]
    start = int(0.7 * len(values)) // (season or 1) * (season or 1)  # a season begins
    return cut(values[:start], season, *sizes), cut(values[start:], season, *sizes)


def turns(phase):
    angle = 2 * np.pi * phase
    return np.sin(angle), np.cos(angle)


def channels(windows):
    """What networks see of next steps: lags less the last one, and the phase of the season."""
    lags = windows.lags
    return np.stack([lags - lags[:, -1:], *turns(windows.phase[:, : lags.shape[1]])], axis=2)


def table(windows, n_lags):
    """What ridge and trees see: the same lags, and the phase of the last one alone."""
    lags = windows.lags[:, -n_lags:]
    last = windows.phase[:, windows.lags.shape[1] - 1]
    return np.column_stack([lags - lags[:, -1:], *turns(last)])


def levels(windows):
    """The mean of the two values at the ends of the gap."""
    gap = windows.gap
    return windows.values[:, [gap.start - 1, gap.stop]].mean(axis=1, keepdims=True)


def channels_with_gap(windows):
    """What networks see of gaps: values, where they are known, and the phase."""
    known = np.ones(windows.values.shape)
    known[:, windows.gap] = 0
    return np.stack(
        [(windows.values - levels(windows)) * known, known, *turns(windows.phase)], axis=2
    )


def table_with_gap(windows):
    """What ridge and trees see: the known values, and the phase where the gap begins."""
    known = np.delete(windows.values, windows.gap, axis=1) - levels(windows)
    return np.column_stack([known, *turns(windows.phase[:, windows.gap.start])])


def seasonal_naive(windows):
    """The last season again; without a season the last value."""
    last = windows.lags[:, -(windows.season or 1) :]
    return np.tile(last, (1, -(-windows.n_next // last.shape[1])))[:, : windows.n_next]


def straight_line(windows):
    """Linear interpolation over the gap."""
    gap = windows.gap
    share = np.arange(1, windows.n_next + 1) / (windows.n_next + 1)
    before, after = windows.values[:, [gap.start - 1, gap.stop]].T[:, :, None]
    return before + share * (after - before)


class RidgeOfLags:
    """Ridge regression from lags and phase to all that is asked for."""

    def fit(self, X, y):
        self.model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15))).fit(X, y)
        return self

    def predict(self, X):
        return self.model.predict(X)


class BoostedLags:
    """Gradient boosting from lags, phase and the step that is asked for, one row a step."""

    def __init__(self, random_state):
        self.model = HistGradientBoostingRegressor(random_state=random_state)

    def fit(self, X, y):
        self.n_next = y.shape[1]
        self.model.fit(self._rows(X), y.ravel())
        return self

    def predict(self, X):
        return self.model.predict(self._rows(X)).reshape(len(X), self.n_next)

    def _rows(self, X):
        ahead = np.tile(np.arange(self.n_next), len(X))[:, None]
        return np.hstack([np.repeat(X, self.n_next, axis=0), ahead])
