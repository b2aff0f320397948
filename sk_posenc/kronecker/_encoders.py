"""One encoder per axis, for heads that multiply the encodings of the axes."""

import math
from collections.abc import Sequence
from typing import Any

import array_api_compat.numpy as xp
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, clone

from sk_posenc.encoders.bases import BSpline, Impulse, Rectangle, resolve_basis
from sk_posenc.encoders.bases import Triangle as _Triangle
from sk_posenc.encoders.basis import Basis
from sk_posenc.encoders.fourier import FourierEncoder
from sk_posenc.encoders.log_fourier import LogFourierEncoder
from sk_posenc.encoders.random_fourier import RandomFourierEncoder
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder

# The stable rank that "auto" asks for in a closed form, as a share of the samples per
# axis. B-spline, triangle and rectangle are then as wide as cardinal interpolation has
# them: one, one and one spacing of the samples.
DEFAULT_SHARE = 0.42
_SHARES: dict[type, float] = {
    BSpline: 151 / 315,
    _Triangle: 2 / 3,
    Rectangle: 1.0,
    FourierEncoder: 0.5,  # as many columns as samples
    LogFourierEncoder: 0.5,
    RandomFourierEncoder: 0.25,  # its highest frequencies would alias
}

# Samples that are no grid leave gaps of up to twice their mean spacing.
SCATTERED_SHARE = 0.3

# With a penalty of smoothness, how much finer than on a grid the shifts may be off it; and with
# one that follows the function, which needs room for edges, anywhere.
SMOOTH_FINER = 1.25
ADAPTIVE_FINER = 2.0

# Relative ripple of the sum of all shifted bases up to which shifts are dense enough.
_RIPPLE = 0.02
_MOST_SHIFTS_PER_SAMPLE = 16

# Relative spread of the spacings of equidistant samples, in float32 too.
_EQUIDISTANT = 1e-3

_PER_AXIS = (
    "stable_rank",
    "bandwidth",
    "n_shifts",
    "max_frequency",
    "n_frequencies",
    "boundary",
)


def encoders_per_axis(encoder: Any, n_axes: int) -> list[Any]:
    """Unfitted clones, one per axis, of one encoder or of one per axis.

    Settings that an encoder has per axis go to their axis.
    """
    if isinstance(encoder, Sequence) and not isinstance(encoder, str):
        if len(encoder) != n_axes:
            raise ValueError(
                f"encoder must be one encoder or one per axis: X has {n_axes} axes. "
                f"Got {len(encoder)} encoders."
            )
        return [_single(each, 0, 1) for each in encoder]
    return [_single(encoder, axis, n_axes) for axis in range(n_axes)]


def _single(encoder: Any, axis: int, n_axes: int) -> Any:
    if not (isinstance(encoder, BaseEstimator) and hasattr(encoder, "transform")):
        raise TypeError(
            "encoder must be an encoder such as ShiftedBasisEncoder(), or a list of one per "
            f"axis. Got {encoder!r}."
        )
    own = clone(encoder)
    parameters = own.get_params(deep=False)
    changed: dict[str, Any] = {
        name: False for name in ("tensor_product", "sparse_output") if parameters.get(name)
    }
    for name in _PER_AXIS:
        value = parameters.get(name)
        if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
            if len(value) != n_axes:
                raise ValueError(
                    f"{name} of {type(own).__name__} must be one value or one per axis, of "
                    f"which it has {n_axes} here. Got {len(value)} values."
                )
            changed[name] = value[axis]
    domain = parameters.get("domain")
    if domain is not None and np.ndim(domain) == 2:
        if len(domain) != n_axes:
            raise ValueError(
                f"domain must be a pair (low, high) or one pair for each of the {n_axes} axes "
                f"of X. Got {domain!r}."
            )
        changed["domain"] = tuple(domain[axis])
    return own.set_params(**changed)


def fit_axis(
    encoder: Any,
    x: NDArray,
    n_samples: float,
    *,
    on_grid: bool,
    share: float | None = None,
    finer: float | None = None,
) -> Any:
    """Fit a clone of an encoder on one axis.

    Parameters
    ----------
    encoder : unfitted encoder of one axis
    x : ndarray of shape (n,)
        Its coordinates.
    n_samples : float
        Samples per axis, as :func:`samples_per_axis` counts them over all axes.
    on_grid : bool
        Whether each of `x` is met with all combinations of the others: shifts then
        stand on the coordinates.
    share : float, default=None
        Stable rank as a share of `n_samples`, in place of what the encoder says.
    finer : float, default=None
        Where a penalty of smoothness holds what the samples do not: how much finer automatic
        shifts are; off a grid they are then as far apart as they sum to a constant.
    """
    own, n_samples = clone(encoder), float(n_samples)
    if isinstance(own, ShiftedBasisEncoder):
        own.set_params(**_shifted_settings(own, x, n_samples, on_grid, share, finer))
    elif isinstance(own, LogFourierEncoder):
        own.set_params(**_log_fourier_settings(own, x, n_samples, on_grid, share))
    elif isinstance(own, FourierEncoder | RandomFourierEncoder):
        own.set_params(**_fourier_settings(own, n_samples, on_grid, share))
    own.fit(x[:, None])
    return _without_aliases(own, x) if on_grid else own


def _without_aliases(encoder: Any, x: NDArray) -> Any:
    """An encoder whose frequencies equidistant samples can tell apart.

    Beyond half the sampling rate a wave has the values of a slower one on all samples, and
    others between them. The slower one takes its place: what is fitted stays the same.
    """
    if len(x) < 2 or not isinstance(
        encoder, FourierEncoder | LogFourierEncoder | RandomFourierEncoder
    ):
        return encoder
    spacing = np.diff(np.asarray(x, dtype=np.float64))
    if np.ptp(spacing) > _EQUIDISTANT * spacing.mean():
        return encoder
    rate = 2 * math.pi / spacing.mean()
    folded = {}
    for name, angular in encoder._formula.items():
        if name.startswith("angular") and np.any(np.abs(angular) > rate / 2 * (1 + _EQUIDISTANT)):
            folded[name] = np.abs(angular - rate * np.round(angular / rate))
    return encoder._with_formula(folded) if folded else encoder


def _share(of: Any) -> float:
    return _SHARES.get(type(of), DEFAULT_SHARE)


def _auto_share(of: Any, on_grid: bool) -> float:
    return _share(of) if on_grid else min(_share(of), SCATTERED_SHARE)


def _fourier_settings(
    encoder: Any, n_samples: float, on_grid: bool, share: float | None
) -> dict[str, Any]:
    widths = {"max_frequency": None, "bandwidth": None, "n_frequencies": "auto"}
    random = isinstance(encoder, RandomFourierEncoder)
    if random:
        del widths["n_frequencies"]
    explicit = not _is_auto(encoder.stable_rank) or any(
        getattr(encoder, name, default) != default for name, default in widths.items()
    )
    if explicit and share is None:
        return {}
    rank = max(1.0, (share or _auto_share(encoder, on_grid)) * n_samples)
    if random:
        rank = min(rank, max(1.0, encoder.n_frequencies / 2))
    settings: dict[str, Any] = {"stable_rank": rank}
    if share is not None:
        settings |= {name: value for name, value in widths.items() if hasattr(encoder, name)}
    return settings


def _log_fourier_settings(
    encoder: LogFourierEncoder, x: NDArray, n_samples: float, on_grid: bool, share: float | None
) -> dict[str, Any]:
    if encoder.n_frequencies == 1 and share is None:
        return {}
    width = _width(encoder, x)
    if share is not None or _is_auto(encoder.max_frequency):
        # a FourierEncoder of that stable rank has this highest frequency
        cycles = max(0.5, 0.5 * (share or _auto_share(encoder, on_grid)) * n_samples)
    else:
        cycles = encoder.max_frequency * width
    settings: dict[str, Any] = {"max_frequency": cycles / width}
    if on_grid and encoder.n_frequencies == LogFourierEncoder().n_frequencies:
        # at the upper end frequencies lie as close as one cycle on the domain
        told_apart = max(0.5, min(cycles, n_samples))
        dense = math.ceil(told_apart * math.log(2 * told_apart))
        settings["n_frequencies"] = max(encoder.n_frequencies, dense)
    return settings


def _shifted_settings(
    encoder: ShiftedBasisEncoder,
    x: NDArray,
    n_samples: float,
    on_grid: bool,
    share: float | None,
    finer: float | None,
) -> dict[str, Any]:
    basis = resolve_basis(encoder.basis)
    if basis.period is not None:
        return {}
    periodic = encoder.boundary == "periodic"
    spacings = n_samples if periodic else max(n_samples - 1, 1.0)
    explicit = not (_is_auto(encoder.stable_rank) and encoder.bandwidth is None)
    if isinstance(basis, Impulse):
        if (explicit or not _is_auto(encoder.n_shifts)) and share is None:
            return {}
        count = max(1, round((share or 1.0) * n_samples))
        return {"n_shifts": count, "stable_rank": "auto", "bandwidth": None}
    settings: dict[str, Any] = {}
    if share is not None:
        rank = max(1.0, share * n_samples)
        settings |= {"stable_rank": rank, "bandwidth": None}
    elif not explicit:
        held = spacings
        if not _is_auto(encoder.n_shifts):
            held = min(held, encoder.n_shifts if periodic else max(encoder.n_shifts - 1, 1))
        own = finer * _share(basis) if finer else _auto_share(basis, on_grid)
        rank = max(1.0, own * held)
        settings["stable_rank"] = rank
    elif encoder.bandwidth is not None:
        rank = basis.stable_rank(encoder.bandwidth / _width(encoder, x))
    else:
        rank = float(encoder.stable_rank)
    if on_grid and _is_auto(encoder.n_shifts):
        per_sample = _shifts_per_sample(basis, basis.stable_rank(1.0) / rank * spacings)
        if per_sample is not None:
            intervals = per_sample * round(spacings)
            settings["n_shifts"] = intervals if periodic else intervals + int(n_samples > 1)
    elif finer and _is_auto(encoder.n_shifts):
        width = basis.stable_rank(1.0) / rank  # of the domain
        per_width = _shifts_per_sample(basis, 1.0)
        if per_width is not None:
            intervals = max(1, math.ceil(per_width / width - 1e-6))
            settings["n_shifts"] = intervals if periodic else intervals + int(n_samples > 1)
    return settings


def _shifts_per_sample(basis: Basis, width: float) -> int | None:
    """Shifts per sample, a whole number, at which the shifted bases sum to a constant.

    A number of shifts near that of the samples, but other than it, would fit noise
    (double descent); None where even many do not sum to a constant.
    """
    if isinstance(basis, Rectangle):
        # steps where only rounding decides on which side a sample lies must be small
        return max(1, math.ceil(basis.spacings_per_rank * basis.stable_rank(1.0) / width))
    for count in range(1, _MOST_SHIFTS_PER_SAMPLE + 1):
        spacing = 1 / (count * width)  # in bandwidths
        reach = math.ceil(basis.reach / spacing) + 1
        at = np.linspace(0, spacing, 33)[:, None]
        total = basis.phi(np.arange(-reach, reach + 1) * spacing - at, xp).sum(axis=1)
        if np.ptp(total) <= _RIPPLE * abs(total.mean()):
            return count
    return None


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


def _width(encoder: Any, x: NDArray) -> float:
    if encoder.domain is not None:
        low, high = (float(end) for end in np.ravel(encoder.domain))
    else:
        low, high = float(x.min()), float(x.max())
    return high - low if high > low else 1.0


def axis_features(encoder: Any, x: NDArray, order: int = 0) -> NDArray[np.float64]:
    """Encoding of one axis, or its derivative of some order, in float64; shape (n, k)."""
    column = np.asarray(x, dtype=np.float64)[:, None]
    if order:
        return _derivative(encoder, column, order)
    if stops_at_its_ends(encoder):
        column = np.clip(column, *encoder.domain_[0])
    encoded = encoder.transform(column)
    if sparse.issparse(encoded):
        encoded = encoded.toarray()
    return np.asarray(encoded, dtype=np.float64)


def stops_at_its_ends(encoder: Any) -> bool:
    """Whether heads stop the functions of an encoder at the ends of its domain.

    They would go on outside, where no sample holds them down.
    """
    return isinstance(encoder, LogFourierEncoder | RandomFourierEncoder)


def _derivative(encoder: Any, column: NDArray, order: int) -> NDArray[np.float64]:
    if isinstance(encoder, ShiftedBasisEncoder):
        derivative = _shifted_derivative(encoder, column, order)
    elif isinstance(encoder, FourierEncoder | LogFourierEncoder | RandomFourierEncoder):
        derivative = _fourier_derivative(encoder, column, order)
    else:
        raise ValueError(f"the derivative of {encoder!r} is not known: leave its order at 0")
    if getattr(encoder, "boundary", "extend") == "extend":
        low, high = encoder.domain_[0]
        # beyond its ends a coordinate counts as the end: nothing changes
        derivative[(column[:, 0] < low) | (column[:, 0] > high)] = 0.0
    return derivative


def _fourier_derivative(encoder: Any, column: NDArray, order: int) -> NDArray[np.float64]:
    features = axis_features(encoder, column[:, 0])
    frequencies = encoder.frequencies_
    frequencies = frequencies[0] if isinstance(frequencies, list) else frequencies[:, 0]
    n = len(frequencies)
    derivative = np.zeros_like(features)  # a constant column stays 0
    sine, cosine = features[:, -2 * n : -n], features[:, -n:]
    for _ in range(order):
        sine, cosine = 2 * math.pi * frequencies * cosine, -2 * math.pi * frequencies * sine
    derivative[:, -2 * n : -n], derivative[:, -n:] = sine, cosine
    return derivative


def _shifted_derivative(
    encoder: ShiftedBasisEncoder, column: NDArray, order: int
) -> NDArray[np.float64]:
    basis = resolve_basis(encoder.basis)
    middle = np.array([[encoder.domain_[0].mean()]])
    plain = _sum_of_images(encoder, basis, middle, 0)[0]
    peak = int(np.argmax(np.abs(plain)))
    scale = axis_features(encoder, middle[:, 0])[0, peak] / plain[peak]
    inner = (-1 / float(encoder.bandwidth_[0])) ** order
    return scale * inner * _sum_of_images(encoder, basis, column, order)


def _sum_of_images(
    encoder: ShiftedBasisEncoder, basis: Basis, column: NDArray, order: int
) -> NDArray[np.float64]:
    width = float(encoder.bandwidth_[0])
    low, high = encoder.domain_[0]
    difference = encoder.shifts_[0] - column
    if encoder.boundary != "periodic" or basis.period is not None:
        return _phi(basis, difference / width, order)
    length = high - low
    difference = difference - np.round(difference / length) * length
    n_images = math.ceil(basis.reach * width / length + 0.5)
    images = range(-n_images, n_images + 1)
    return np.sum([_phi(basis, (difference + k * length) / width, order) for k in images], axis=0)


def _phi(basis: Basis, u: NDArray, order: int) -> NDArray[np.float64]:
    """phi, or its derivative of some order with respect to u."""
    return np.asarray(basis.derivative(u, order, xp) if order else basis.phi(u, xp))
