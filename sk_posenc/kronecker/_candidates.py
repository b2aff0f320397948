"""What a search of KroneckerRidgeCV chooses from: an encoder, its resolution and a penalty."""

import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.core.settings import parse_positive
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._encoders import all_in_order, is_encoder
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._settings import parse_share
from sk_posenc.kronecker.penalties import ADAPTIVE, RIDGE, SLOPE, Penalty, Smoothness, parse_penalty

# Exponents of smoothness that are tried off a grid.
_EXPONENTS = (1.25, 1.5, 1.75, 2.0, 2.5)

# On a line with many places, where others have no band.
_WHOLE_EXPONENTS = (1.0, 2.0)

# Axes from which a penalty that follows the function is worth its time and memory without being
# asked for.
_ADAPTIVE_FROM = 3

# In many axes the directions that a slope does not see outweigh all others.
_SLOPE_UP_TO = 3


@dataclass(frozen=True, eq=False)
class Candidate:
    """Settings of one factorisation, which serves all alphas.

    Attributes
    ----------
    encoder : encoder or list of one per axis
    share : float or None
        Stable rank as a share of the samples per axis; None: as the encoder says.
    penalty : Penalty
    spacing : float
    climbs : bool
        Whether other stable ranks are tried after this one.
    """

    encoder: Any
    share: float | None
    penalty: Penalty
    spacing: float = 0.0
    climbs: bool = False

    def params(self, alpha: float) -> dict[str, Any]:
        """As a row of ``cv_results_`` has them."""
        return {
            "encoder": self.encoder,
            "stable_rank": self.share,
            "penalty": self.penalty.given,
            "spacing": self.spacing,
            "alpha": float(alpha),
        }

    def differs_in_exponent(self, other: "Candidate") -> bool:
        """Whether both are alike but for the exponent of smoothness."""
        return (
            self.encoder is other.encoder
            and (self.share, self.spacing) == (other.share, other.spacing)
            and type(self.penalty) is type(other.penalty) is Smoothness
        )


def candidates_of(
    encoders: Any, stable_ranks: Any, penalties: Any, samples: Samples
) -> list[Candidate]:
    """All that parameters of a search name, checked; None: what suits the samples."""
    listed = _listed_encoders(encoders, len(samples.coordinates))
    shares: list[float | None] = [None]
    if stable_ranks is not None:
        shares = [parse_share(share) for share in _listed_numbers(stable_ranks, "stable_ranks")]
    if penalties is None:
        chosen = _automatic_penalties(listed, samples)
    else:
        if isinstance(penalties, np.ndarray) and penalties.ndim == 0:
            penalties = penalties.item()
        given = [penalties] if isinstance(penalties, str | numbers.Number) else penalties
        if not isinstance(given, Iterable):
            raise TypeError(
                f"penalties must be a penalty such as 2.0, or a list of them. Got {penalties!r}."
            )
        chosen = [parse_penalty(penalty, "penalties") for penalty in given]
    if not (listed and shares and chosen):
        raise ValueError(_ONE_AT_LEAST)
    own = {basis: ShiftedBasisEncoder(basis) for basis in {p.searched_basis for p in chosen}}
    return [
        Candidate(own[penalty.searched_basis] if encoder is None else encoder, share, penalty)
        for encoder, share, penalty in product(listed, shares, chosen)
    ]


def alphas_of(alphas: Any, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """Strengths that are tried, checked; None: those of the penalties."""
    if alphas is None:
        return max((each.penalty.alphas for each in candidates), key=len)
    listed = _listed_numbers(alphas, "alphas")
    given = np.array([parse_positive(alpha, "alphas") for alpha in listed])
    if not len(given):
        raise ValueError(_ONE_AT_LEAST)
    return given


_ONE_AT_LEAST = "encoders, stable_ranks, penalties and alphas must each have at least one candidate"


def _listed_encoders(encoders: Any, n_axes: int) -> list[Any]:
    """The candidates, each an encoder or one per axis; None: each penalty has its own."""
    if encoders is None:
        return [None]
    listed = list(encoders) if isinstance(encoders, list | tuple) else [encoders]
    for candidate in listed:
        per_axis = isinstance(candidate, list | tuple)
        if not all(map(is_encoder, candidate if per_axis else [candidate])):
            raise TypeError(
                "encoders must be an encoder such as ShiftedBasisEncoder(), or a list of "
                f"candidates: each an encoder, or a list of one per axis. Got {encoders!r}."
            )
        if per_axis and len(candidate) != n_axes:
            raise ValueError(
                "a candidate of encoders must be one encoder or a list of one per axis: X has "
                f"{n_axes} axes. Got {len(candidate)} encoders."
            )
    return listed


def _listed_numbers(values: Any, name: str) -> list[Any]:
    """One number or several as a list; their range is not checked."""
    array = np.atleast_1d(values)
    if array.dtype.kind not in "biuf":  # an array of text would change numbers beside it
        array = np.atleast_1d(np.asarray(values, dtype=object))
    listed: list[Any] = array.tolist()
    for each in listed:
        if isinstance(each, bool) or not isinstance(each, numbers.Real):
            raise TypeError(f"{name} must be a number or a list of numbers. Got {each!r}.")
    return listed


def _automatic_penalties(encoders: list[Any], samples: Samples) -> list[Penalty]:
    ordered = all(map(all_in_order, encoders))
    n_axes = len(samples.coordinates)
    if not ordered or n_axes > _SLOPE_UP_TO:
        return [RIDGE]
    if samples.is_grid and not (n_axes > 1 and samples.lacks_lines):
        return [SLOPE]
    now = limits_now()
    if n_axes == 1 and len(samples.occupied) > now.lines_from:
        return [*map(Smoothness, _WHOLE_EXPONENTS)]
    many = now.direct_up_to < len(samples.occupied) <= now.adaptive_up_to
    adaptive = [ADAPTIVE] if n_axes >= _ADAPTIVE_FROM and many else []
    return [*map(Smoothness, _EXPONENTS), *adaptive]
