"""Shifts and widths for the samples of an axis, as closed-form heads need them."""

import math
from typing import Any

import array_api_compat.numpy as xp
import numpy as np

from sk_posenc.encoders.axis_functions import AxisSamples
from sk_posenc.encoders.axis_settings import is_automatic
from sk_posenc.encoders.bases import Impulse, Rectangle, resolve_basis
from sk_posenc.encoders.basis import Basis

# Relative ripple of the sum of all shifted bases up to which shifts are dense enough.
_RIPPLE = 0.02
_MOST_SHIFTS_PER_SAMPLE = 16


def settings_for(encoder: Any, samples: AxisSamples) -> dict[str, Any]:
    """Settings of a ShiftedBasisEncoder of one axis; see `AxisFunctions`."""
    basis = resolve_basis(encoder.basis)
    if basis.period is not None:
        return {}
    n_samples, share = samples.n_samples, samples.share
    periodic = encoder.boundary == "periodic"
    spacings = n_samples if periodic else max(n_samples - 1, 1.0)
    explicit = not (is_automatic(encoder.stable_rank) and encoder.bandwidth is None)
    if isinstance(basis, Impulse):
        if (explicit or not is_automatic(encoder.n_shifts)) and share is None:
            return {}
        count = max(1, round((share or 1.0) * n_samples))
        return {"n_shifts": count, "stable_rank": "auto", "bandwidth": None}
    settings: dict[str, Any] = {}
    if share is not None:
        rank = max(1.0, share * n_samples)
        settings |= {"stable_rank": rank, "bandwidth": None}
    elif not explicit:
        held = spacings
        if not is_automatic(encoder.n_shifts):
            held = min(held, encoder.n_shifts if periodic else max(encoder.n_shifts - 1, 1))
        finer = samples.finer
        own = finer * encoder._interpolating_share() if finer else encoder._share_of(samples)
        rank = max(1.0, own * held)
        settings["stable_rank"] = rank
    elif encoder.bandwidth is not None:
        rank = basis.stable_rank(encoder.bandwidth / encoder._width_over(samples.x))
    else:
        rank = float(encoder.stable_rank)
    if is_automatic(encoder.n_shifts):
        intervals = _intervals(basis, rank, spacings, samples)
        if intervals is not None:
            count = intervals if periodic else intervals + int(n_samples > 1)
            if n_samples <= 1 and samples.finer:  # a narrow basis must not miss the only place
                count |= 1
            settings["n_shifts"] = count
    return settings


def _intervals(basis: Basis, rank: float, spacings: float, samples: AxisSamples) -> int | None:
    """Spacings of the shifts: those of a grid's samples, or a part of them; None: as they are."""
    if samples.on_grid:
        per_sample = _shifts_per_sample(basis, basis.stable_rank(1.0) / rank * spacings)
        return None if per_sample is None else per_sample * round(spacings)
    per_width = _shifts_per_sample(basis, 1.0) if samples.finer else None
    if per_width is None:
        return None
    width = basis.stable_rank(1.0) / rank  # of the domain
    return max(1, math.ceil(per_width / width - 1e-6))


def _shifts_per_sample(basis: Basis, width: float) -> int | None:
    """Shifts per sample, a whole number, at which the shifted bases sum to a constant.

    A number of shifts that is close to that of the samples, but not equal, would fit noise
    (double descent). None where even many shifts do not sum to a constant.
    """
    if isinstance(basis, Rectangle):
        # only rounding decides on which side of a step a sample lies: steps must be small
        return max(1, math.ceil(basis.spacings_per_rank * basis.stable_rank(1.0) / width))
    for count in range(1, _MOST_SHIFTS_PER_SAMPLE + 1):
        spacing = 1 / (count * width)  # in bandwidths
        reach = math.ceil(basis.reach / spacing) + 1
        at = np.linspace(0, spacing, 33)[:, None]
        total = basis.phi(np.arange(-reach, reach + 1) * spacing - at, xp).sum(axis=1)
        if np.ptp(total) <= _RIPPLE * abs(total.mean()):
            return count
    return None
