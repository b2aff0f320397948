"""How fine a candidate is on one axis with many places: stable ranks from coarse to fine."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.encoders.axis_settings import is_automatic
from sk_posenc.encoders.bases import resolve_basis
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._axis import is_sized
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._line_judged import LineJudged
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import problem_of
from sk_posenc.kronecker.penalties import Smoothness

# Stable ranks are powers of 2: the first, and the least.
_FIRST, _LEAST = 6, 3

# From such a share of the samples on the setting of the encoder takes their place.
_FINEST = 0.25

# A climb ends after so many stable ranks that are no better.
_PATIENCE = 2

# Less than this share of the error is no gain: finer functions take time.
_GAIN = 1e-4

# It goes on as long as neighbouring samples show so much less than the best leaves.
_RESOLVED = 1.3

# Strengths that twice the stable rank asks for more, a third of a decade each.
_MORE = 2


def coarse_first(paths: list[Candidate], samples: Samples) -> list[Candidate]:
    """Candidates whose resolution the samples will tell begin with a coarse one."""
    if len(samples.coordinates) > 1 or len(samples.occupied) <= limits_now().lines_from:
        return paths
    share = 2.0**_FIRST / float(samples.n_per_axis[0])
    return [replace(each, share=share, climbs=True) if _climbs(each) else each for each in paths]


def _climbs(path: Candidate) -> bool:
    if not isinstance(path.penalty, Smoothness) or path.share is not None:
        return False
    encoder = path.encoder[0] if isinstance(path.encoder, list) else path.encoder
    if not isinstance(encoder, ShiftedBasisEncoder) or is_sized(encoder, None):
        return False
    basis = resolve_basis(encoder.basis)
    by_rank = is_automatic(encoder.n_shifts) and basis.period is None
    return by_rank and math.isfinite(basis.support)


def other_ranks(first: LineJudged, samples: Samples) -> list[LineJudged]:
    """Errors of finer ones as long as these are better, else of coarser ones.

    Parameters
    ----------
    first : LineJudged
        The candidate at its first stable rank; only the best of all is not forgotten.
    """
    noise = difference(samples, first.columns)
    best, found, misses = first, [first], 0
    octave, n = _FIRST, float(samples.n_per_axis[0])
    while misses < _PATIENCE or best.least > _RESOLVED * noise:
        if found[-1].path.share is None:
            break
        octave += 1
        share = 2.0**octave / n
        own = _at(first, share if share < _FINEST else None, samples, found[-1].best + _MORE)
        best, misses = _better(best, own, misses)
        found.append(own)
    if best is first:
        for octave in range(_FIRST - 1, _LEAST - 1, -1):
            own = _at(first, 2.0**octave / n, samples, best.best - _MORE)
            best, misses = _better(best, own, 0)
            found.append(own)
            if misses:
                break
    return found[1:]


def _at(first: LineJudged, share: float | None, samples: Samples, at: int) -> LineJudged:
    path = replace(first.path, share=share)
    problem = problem_of(path, samples, first.alphas, whole=True)
    judged = LineJudged(path, problem, first.columns, first.alphas)
    judged.downhill(at)
    return judged


def _better(best: LineJudged, own: LineJudged, misses: int) -> tuple[LineJudged, int]:
    """The better one, and how often in turn nothing was gained."""
    misses = 0 if own.least < (1 - _GAIN) * best.least else misses + 1
    better, other = (own, best) if own.least < best.least else (best, own)
    other.forget()
    return better, misses


def difference(samples: Samples, columns: NDArray[np.float64]) -> float:
    """Variance of a place of mean weight that neighbours show, the mean over the outputs."""
    occupied = samples.occupied
    cells = samples.to_cells(columns)[:, occupied]
    variances = np.ones(len(occupied))
    if samples.weights is not None:
        variances = 1 / samples.weights[occupied]
    order = np.argsort(samples.coordinates[0][occupied], kind="stable")
    squares = np.diff(cells[:, order], axis=1) ** 2
    return float(np.mean(squares / (variances[order][1:] + variances[order][:-1])))
