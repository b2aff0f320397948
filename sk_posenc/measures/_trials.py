"""Linear heads on an encoding, and what they do at and between samples."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse
from sklearn.linear_model import Ridge

from sk_posenc.core.arrays import to_numpy, unit_for_squares
from sk_posenc.core.checks import check_as_long, checked_array
from sk_posenc.core.limits import limits_now
from sk_posenc.core.settings import random_state_of
from sk_posenc.measures.psnr import psnr_score
from sk_posenc.measures.spectrum import subsample

# Ridge of the linear heads that an encoding is tried with, as that of KroneckerRidge.
_ALPHA = 1e-6

# Features that vary by less than this share of their size vary by rounding only.
_ROUNDING = 8 * float(np.finfo(np.float64).eps)

# What fitting a linear head on y may take, and the rows below which it is not worth it.
_OPERATIONS, _HEAD_ENTRIES, _FEWEST = 2e10, 1 << 24, 200


def try_axis(encoder: Any, axis: int, x: NDArray, n_samples: float) -> dict[str, float]:
    """Linear heads on the features of one axis, at and between evenly spaced samples."""
    low, high = float(x.min()), float(x.max())
    n = max(2, round(n_samples))
    n_columns = encoder._axis_features(axis, np.array([low])).shape[1]
    most = max(16, min(limits_now().tried_samples, _HEAD_ENTRIES // n_columns))
    skipped = max(0, n - most) // 2
    places = np.linspace(low, high, n)[skipped : n - skipped]
    dense = _dense(encoder, axis, low, high, 4 * most + 1)
    squares = np.sum(encoder._axis_features(axis, dense) ** 2, axis=1)
    inner = squares[len(squares) // 4 : -(len(squares) // 4)]
    level = float(np.mean(inner))
    tried = {
        "ripple": float(np.max(np.abs(inner / level - 1))),
        "fading": float(max(0.0, 1 - min(squares[0], squares[-1]) / level)),
        "slow_error": math.nan,
        "gain": math.nan,
    }
    if low == high or n < 4:
        return tried
    at = encoder._axis_features(axis, places)
    between = encoder._axis_features(axis, (places[1:] + places[:-1]) / 2)
    hat = _hat(at, between)
    tried["gain"] = float(linalg.norm(hat) / math.sqrt(len(hat)))
    domain_low, domain_high = encoder._ends[axis]
    held = to_numpy(encoder.stable_rank_)[axis] * np.ptp(places) / (domain_high - domain_low)
    turns = np.arange(1, min(3, math.floor(held / 2)) + 1)
    if len(turns):
        half_turns = turns / np.ptp(places)
        if encoder._boundary(axis) == "periodic":
            period = domain_high - domain_low  # waves must close
            half_turns = 2 * np.maximum(1, np.round(half_turns * period / 2)) / period
        position = np.linspace(0, np.ptp(places), 2 * len(places) - 1)
        waves = np.cos(math.pi * position[:, None] * half_turns)
        known, wanted = waves[::2], waves[1::2]
        known_mean = known.mean(axis=0)
        errors = known_mean + hat @ (known - known_mean) - wanted
        errors = np.sqrt(np.mean(errors**2, axis=0)) / np.std(wanted, axis=0)
        tried["slow_error"] = float(np.max(errors))
    return tried


def _hat(at: NDArray, between: NDArray) -> NDArray[np.float64]:
    """What a head predicts between places, of features there, for each value at them.

    0 where features vary by rounding only, as those of places outside the domain.
    """
    mean, rounding = at.mean(axis=0), _ROUNDING * float(np.max(np.abs(at)))
    at, between = at - mean, between - mean  # heads have an intercept
    if np.max(np.abs(at)) <= rounding:
        return np.zeros((len(between), len(at)))
    unit = unit_for_squares(at)
    at, between = at / unit, between / unit
    gram = at @ at.T
    gram.flat[:: len(gram) + 1] += _ALPHA * np.trace(gram) / len(gram)
    return np.asarray(linalg.solve(gram, at @ between.T, assume_a="pos").T)


def _dense(encoder: Any, axis: int, low: float, high: float, most: int) -> NDArray[np.float64]:
    """Places on which ripple shows: several to a shift, over the samples in the domain."""
    domain_low, domain_high = encoder._ends[axis]
    inside = max(low, domain_low), min(high, domain_high)
    if not inside[0] < inside[1]:
        inside = domain_low, domain_high
    n_shifts = encoder._axis_traits(axis).n_shifts or 64
    # an odd number over the whole never keeps step with the shifts
    return np.linspace(*inside, min(8 * n_shifts + 61, most))


def fit_linear(encoder: Any, X: NDArray, y: ArrayLike, random_state: Any) -> dict[str, Any]:
    """PSNR of a linear head on rows that it saw, and on others."""
    signal = checked_array(
        to_numpy(y), ensure_2d=False, dtype=np.float64, input_name="y", ensure_min_samples=2
    )
    check_as_long({"X": X, "y": signal})
    data_range = float(np.ptp(signal))
    if data_range == 0:
        raise ValueError("y is constant: there is no signal to measure an encoding by")
    n_columns = encoder._n_features_out
    n = min(len(X), _HEAD_ENTRIES // n_columns)
    n = int(min(n, max(_OPERATIONS / n_columns**2, math.sqrt(_OPERATIONS / n_columns))))
    if n < min(len(X), _FEWEST):
        return {}
    rows = random_state_of(random_state).permutation(subsample(len(X), n, random_state))
    E = encoder._encode(X[rows].astype(np.float64))
    E = E.toarray() if sparse.issparse(E) else E
    n_held = max(1, n // 5)
    seen, held = slice(n_held, None), slice(n_held)
    alpha = _ALPHA * float(np.sum(E[seen] ** 2)) / n_columns
    model = Ridge(alpha=alpha, solver="cholesky").fit(E[seen], signal[rows][seen])
    scores = [
        psnr_score(signal[rows][part], model.predict(E[part]), data_range=data_range)
        for part in (seen, held)
    ]
    return {"fit_psnr": scores[0], "held_out_psnr": scores[1], "n_fitted": n - n_held}
