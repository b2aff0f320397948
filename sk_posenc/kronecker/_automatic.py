"""What "auto" stands for in a plain Kronecker ridge: a penalty, its strength and a basis."""

from dataclasses import dataclass
from typing import Any

from sk_posenc.core.settings import is_auto, parse_number
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._encoders import all_in_order
from sk_posenc.kronecker.penalties import RIDGE, Penalty, Smoothness, parse_penalty

# At its own alpha at most 0.4 dB behind a search, on scattered pixels of clean photographs.
OFF_GRID = Smoothness(2.0)

# In more axes smoothness has too many products of functions.
UP_TO_AXES = 3


@dataclass(frozen=True)
class Asked:
    """Penalty and alpha as users write them, checked; None: to be chosen.

    Parameters
    ----------
    penalty : Penalty or None
    alpha : float or None
    """

    penalty: Penalty | None
    alpha: float | None

    @classmethod
    def of(cls, penalty: Any, alpha: Any) -> "Asked":
        strength = None
        if not is_auto(alpha, "alpha"):
            strength = parse_number(alpha, "alpha", at_least=0, otherwise=' or "auto"')
        return cls(_parsed(penalty), strength)

    def refuse_blocks(self) -> None:
        """Raise for a penalty that sums over blocks of samples do not serve."""
        if self.penalty is not None:
            self.penalty.refuse_blocks()

    def in_force(self, encoder: Any, n_axes: int, *, full: bool) -> tuple[Penalty, float]:
        """Penalty and alpha for samples that fill a grid, or do not."""
        penalty = self.penalty
        if penalty is None:
            smooth = not full and n_axes <= UP_TO_AXES and all_in_order(encoder)
            penalty = OFF_GRID if smooth else RIDGE
        return penalty, penalty.default_alpha if self.alpha is None else self.alpha

    def encoder_for(self, penalty: Penalty) -> ShiftedBasisEncoder:
        """What no encoder means for the penalty in force."""
        # a basis that ends fits scattered samples tens of times faster, and as well
        chosen = self.penalty is None and penalty is OFF_GRID
        return ShiftedBasisEncoder(penalty.searched_basis if chosen else penalty.default_basis)


def default_encoder(penalty: Any) -> ShiftedBasisEncoder:
    """What no encoder means for a penalty as users write it, before samples are known."""
    return ShiftedBasisEncoder((_parsed(penalty) or RIDGE).default_basis)


def _parsed(penalty: Any) -> Penalty | None:
    if isinstance(penalty, str) and penalty == "auto":
        return None
    return parse_penalty(penalty, "penalty", also=["auto"])
