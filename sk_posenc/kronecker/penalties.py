"""What a Kronecker ridge keeps small of a function: coefficients, their differences, roughness."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.settings import parse_number
from sk_posenc.encoders.axis_functions import functions_of
from sk_posenc.kronecker._encoders import axis_features, in_order
from sk_posenc.kronecker._smoothness import SmoothAxis, strengths
from sk_posenc.kronecker._whitening import PENALTIES, Whitening, difference_whitening

# Steeper penalties than this are rounding.
_STEEPEST = 8.0

# How much finer than on a grid automatic shifts may be off it, where a penalty holds what samples
# do not; and where it follows the function, which needs room for edges, anywhere.
_SMOOTH_FINER = 1.25
_ADAPTIVE_FINER = 2.0

# Far more samples than a signal needs, with noise, ask for the largest alpha.
_ALPHAS = np.logspace(-4, 6, 31)
_SMOOTH_ALPHAS = np.logspace(-5, 7, 37)
_SIMILARITY_ALPHAS = np.logspace(-8, 1, 28)


class Penalty:
    """What is penalised, and all that follows from it.

    Attributes
    ----------
    given : str or float
        The penalty as users write it.
    default_basis, searched_basis : str
        The basis of the encoder where none is given: of one fit, and of a search.
    alphas : ndarray
        Strengths that a search tries.
    interpolating_alpha : float
        Up to this one a fit costs a signal without noise less than 0.1 dB.
    default_alpha : float
        Strength where none is given.
    counts_samples : bool
        Whether alpha counts in samples; else in the mean diagonal of their Gram matrix.
    """

    given: str | float
    default_basis = "gaussian"
    searched_basis = "bspline"
    alphas = _ALPHAS
    interpolating_alpha = 1e-3
    default_alpha = 1e-6
    counts_samples = False

    def finer(self, on_grid: bool) -> float | None:
        """How much finer than samples ask for automatic shifts are; None: no finer."""
        return None

    def functions(self, axis: Any, x: NDArray, order: int = 0) -> NDArray[np.float64]:
        """The functions of an axis whose coefficients are found, or their derivatives; (n, k)."""
        return axis_features(axis.encoder, x, order)

    def refuse_blocks(self) -> None:
        """Raise where sums over the samples are not enough for a fit."""

    def adds_up(self, n_axes: int) -> bool:
        """Whether the penalty is a function of a sum over several axes, not a product."""
        return False

    def whitening(self, axis: Any) -> Whitening | None:
        """Of the penalty of an axis; where axes add to it, of the size of functions alone."""
        raise NotImplementedError

    def strengths(self, axes: Sequence[Any]) -> NDArray[np.float64] | None:
        """What a penalty that adds up makes of each product of functions; None: it does not."""
        return None


@dataclass(frozen=True)
class Differences(Penalty):
    """Coefficients, or their first or second differences along each axis.

    Parameters
    ----------
    order : {0, 1, 2}
    """

    order: int

    @property
    def given(self) -> str:  # type: ignore[override]
        return PENALTIES[self.order]

    @property
    def interpolating_alpha(self) -> float:  # type: ignore[override]
        return 1e-2 if self.order == 1 else 1e-3

    def whitening(self, axis: Any) -> Whitening | None:
        if self.order and not in_order(axis.encoder):
            raise ValueError(
                f"penalty={self.given!r} needs a ShiftedBasisEncoder, whose coefficients are in "
                f'order along the axis: use one, or penalty="ridge". Got {axis.encoder!r}.'
            )
        circular = self.order > 0 and axis.encoder._boundary(0) == "periodic"
        return difference_whitening(self.order, axis.n_columns, circular=circular)


@dataclass(frozen=True)
class Smoothness(Penalty):
    """The roughness of a function over the domain, to a power.

    Parameters
    ----------
    exponent : float
    """

    exponent: float

    alphas = _SMOOTH_ALPHAS
    default_alpha = 1e-3
    counts_samples = True

    @property
    def given(self) -> str | float:  # type: ignore[override]
        return self.exponent

    def finer(self, on_grid: bool) -> float | None:
        return None if on_grid else _SMOOTH_FINER

    def adds_up(self, n_axes: int) -> bool:
        return n_axes > 1

    def whitening(self, axis: Any) -> Whitening | None:
        smooth: SmoothAxis = axis.smooth
        if not axis.alone:
            return Whitening(matrix=smooth.basis)
        return Whitening(matrix=smooth.basis / np.sqrt(strengths([smooth], self.exponent)))

    def strengths(self, axes: Sequence[Any]) -> NDArray[np.float64] | None:
        if not self.adds_up(len(axes)):
            return None
        return strengths([axis.smooth for axis in axes], self.exponent)


@dataclass(frozen=True)
class Adaptive(Smoothness):
    """A roughness that follows the function: less across its edges than along them."""

    exponent: float = 2.0  # of the pilot

    default_basis = searched_basis = "triangle"
    default_alpha = 0.2

    @property
    def given(self) -> str:  # type: ignore[override]
        return "adaptive"

    def finer(self, on_grid: bool) -> float | None:
        return _ADAPTIVE_FINER


@dataclass(frozen=True)
class Similarity(Penalty):
    """The norm of functions whose kernel is the product of the similarities along the axes.

    This is "ridge" in the limit of ever denser shifts. Alpha is absolute.
    """

    searched_basis = "gaussian"
    alphas = _SIMILARITY_ALPHAS
    default_alpha = 1e-3

    @property
    def given(self) -> str:  # type: ignore[override]
        return "similarity"

    def functions(self, axis: Any, x: NDArray, order: int = 0) -> NDArray[np.float64]:
        return functions_of(axis.encoder)._similarity_to(x, axis.coordinates, order)

    def refuse_blocks(self) -> None:
        raise ValueError(
            f'penalty="{self.given}" needs all samples at once, and partial_fit and merge keep '
            f'sums over them: use fit, or penalty="ridge". Got penalty="{self.given}".'
        )


class Radial(Similarity):
    """The same for one similarity of the distance, in bandwidths, in place of the product."""

    @property
    def given(self) -> str:  # type: ignore[override]
        return "radial"

    def functions(self, axis: Any, x: NDArray, order: int = 0) -> NDArray[np.float64]:
        if order:
            raise ValueError(
                'penalty="radial" has no derivatives: use penalty="similarity", smoothness such as '
                "penalty=2.0. Where a search has chosen it, use "
                f'KroneckerRidgeCV(penalties="similarity"). Got an order of {order}.'
            )
        functions = functions_of(axis.encoder)
        functions._radial_basis()
        return functions._in_bandwidths(x)[:, None] - functions._in_bandwidths(axis.coordinates)


RIDGE, SLOPE, CURVATURE = (Differences(order) for order in range(3))
ADAPTIVE = Adaptive()
SIMILARITY, RADIAL = Similarity(), Radial()

_NAMED: dict[str, Penalty] = {
    str(each.given): each for each in (RIDGE, SLOPE, CURVATURE, ADAPTIVE, SIMILARITY, RADIAL)
}


def parse_penalty(value: Any, name: str, also: Sequence[str] = ()) -> Penalty:
    """The penalty of that name, or of smoothness where a number is given.

    `also` has words that are no penalties, but allowed; messages name them.
    """
    if isinstance(value, str) and value in _NAMED:
        return _NAMED[value]
    words = sorted([*_NAMED, *also])
    wanted = f"{name} must be one of {words}, or a number, the exponent of smoothness"
    if isinstance(value, str):
        raise ValueError(f"{wanted}. Got {value!r}.")
    otherwise = f", the exponent of smoothness, or one of {words}"
    return Smoothness(parse_number(value, name, above=0, at_most=_STEEPEST, otherwise=otherwise))
