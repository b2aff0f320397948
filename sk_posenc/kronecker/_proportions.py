"""Candidates for many samples of uneven or unlike axes, from what a part of them shows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sk_posenc.encoders.bases import resolve_basis
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._learnt import LEAST_PLACES, best_of_parts, is_uneven
from sk_posenc.kronecker._patterns import Pattern
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._stage import Resolution
from sk_posenc.kronecker._targets import Units

# Stable ranks, as powers of 2, that differ by less are taken for equal.
_APART = 1.0


def candidates_of_part(
    samples: Samples,
    columns: NDArray,
    units: Units,
    known: list[Candidate],
    found: Resolution | None = None,
    patterns: Sequence[Pattern] = (),
) -> list[Candidate]:
    """The candidates with spacing and proportions of a part; none where axes are even and alike.

    Parameters
    ----------
    columns : ndarray of shape (n_samples, q)
        Targets.
    known : list of Candidate
        Those that take axes as they are.
    found : Resolution or None
        What parts show, where that is known.
    patterns : list of Pattern
        Where outputs have holes of their own.
    """
    if len(samples.occupied) < LEAST_PLACES or not is_uneven(samples):
        return []
    found = found or best_of_parts(samples, columns, units, patterns)
    octaves = np.array(found.octaves) - np.mean(found.octaves)
    if samples.on_grid or np.ptp(octaves) < _APART:
        octaves[:] = 0.0
    if not found.spacing and not octaves.any():
        return []
    return [_with(found, octaves, samples, each) for each in known]


def _with(
    found: Resolution, octaves: NDArray[np.float64], samples: Samples, candidate: Candidate
) -> Candidate:
    if not octaves.any():
        return Candidate(candidate.encoder, None, candidate.penalty, found.spacing)
    penalty = candidate.penalty
    basis = resolve_basis(penalty.searched_basis)
    share = basis._interpolating_share * (penalty.finer(False) or 1.0)
    ranks = np.maximum(share * samples.n_per_axis * np.exp2(octaves), 1.0)
    encoders = [ShiftedBasisEncoder(penalty.searched_basis, stable_rank=r) for r in ranks.tolist()]
    return Candidate(encoders, None, penalty, found.spacing)
