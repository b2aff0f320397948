"""The functions of one axis, as Kronecker heads use them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.encoders.axis_settings import CLOSED_FORM_SHARE, SCATTERED_SHARE
from sk_posenc.encoders.basis import Basis
from sk_posenc.encoders.csr import Windows


@dataclass(frozen=True)
class AxisSamples:
    """The samples along an axis, and how fine a head needs the functions there.

    Attributes
    ----------
    x : ndarray of shape (n,)
        Coordinates.
    n_samples : float
        Samples per axis, as :func:`samples_per_axis` counts them over all axes.
    on_grid : bool
        Whether the samples are a full grid: shifts are then placed on the coordinates.
    share : float or None
        Stable rank as a share of `n_samples`, in place of the encoder's setting.
    finer : float or None
        How much finer automatic shifts are, with a penalty of smoothness. Off a grid they are
        then as far apart as they may be to sum to a constant.
    """

    x: NDArray
    n_samples: float
    on_grid: bool
    share: float | None = None
    finer: float | None = None


class AxisFunctions:
    """All that Kronecker heads use of an encoder of one axis.

    `AxisEncoder` derives from it, and `functions_of` wraps any other transformer. The methods
    here return what holds for every encoder. An unfitted one has

    - ``_in_order``: whether the coefficients are in order along the axis, so that their
      differences mean something;
    - ``_missing_settings()``: the names of settings that must be learnt from samples;
    - ``_settings_for(samples)``: the settings for the `AxisSamples`;

    and a fitted one

    - ``_stops_at_ends``: whether a head must stop the functions at the ends of the domain,
      because outside, where there are no samples, they continue;
    - ``_any_namespace``: whether `_encode` takes tensors as well as arrays;
    - ``_without_aliases(x)``: the encoder whose functions these samples can tell apart;
    - ``_head_features(x)`` and ``_derivative(x, order)``: the functions, (n, k);
    - ``_similarity_to(x, others, order)`` and ``_own_similarity(x, order)``: their similarity,
      where it is a function of the displacement alone, (m, n) and (m,);
    - ``_radial_basis()`` and ``_in_bandwidths(x)``: a basis whose similarity is one of the distance
      in several axes too, and coordinates in its unit;
    - ``_functions_on_domain()``: how many shifts or half waves lie on the domain;
    - ``_window()``: the shifts within reach of coordinates; None where functions do not end.
    """

    _in_order = False
    _stops_at_ends = False
    _any_namespace = True

    domain: Any
    domain_: Any
    transform: Any

    def _missing_settings(self) -> list[str]:
        per_axis = self.domain if isinstance(self.domain, list | tuple) else [self.domain]
        return ["domain"] if any(each is None for each in per_axis) else []

    def _settings_for(self, samples: AxisSamples) -> dict[str, Any]:
        return {}

    def _share_of(self, samples: AxisSamples) -> float:
        """The stable rank that is wanted, as a share of the samples per axis."""
        if samples.share is not None:
            return samples.share
        own = self._interpolating_share()
        return own if samples.on_grid else min(own, SCATTERED_SHARE)

    def _interpolating_share(self) -> float:
        return CLOSED_FORM_SHARE

    def _without_aliases(self, x: NDArray) -> Any:
        return self

    def _head_features(self, x: NDArray) -> NDArray[np.float64]:
        column = np.asarray(x, dtype=np.float64)[:, None]
        if self._stops_at_ends:
            column = np.clip(column, *self._domain())
        encoded = self.transform(column)
        if sparse.issparse(encoded):
            encoded = encoded.toarray()
        return np.asarray(encoded, dtype=np.float64)

    def _derivative(self, x: NDArray, order: int) -> NDArray[np.float64]:
        """Derivative of some order, at least 1, in float64."""
        return self._still_outside(
            x, self._derivative_inside(np.asarray(x, dtype=np.float64), order)
        )

    def _derivative_inside(self, x: NDArray[np.float64], order: int) -> NDArray[np.float64]:
        """The derivative of functions that go on outside the domain."""
        raise ValueError(f"the derivative of {self!r} is not known: set its order to 0")

    def _stays_at_ends(self) -> bool:
        """Whether the functions outside the domain, as a head takes them, are those of its ends."""
        return self._stops_at_ends or self._ends_at_domain(0)

    def _still_outside(self, x: NDArray, derivative: NDArray) -> NDArray[np.float64]:
        if self._stays_at_ends():
            low, high = self._domain()
            # beyond its ends a coordinate counts as the end: nothing changes
            derivative[(x < low) | (x > high)] = 0.0
        return derivative

    def _similarity_to(self, x: NDArray, others: NDArray, order: int = 0) -> NDArray[np.float64]:
        """Similarity of coordinates to others, or its derivative along `x`; in float64."""
        raise ValueError(
            'penalty="similarity" needs an encoder whose similarity is a function of the '
            'displacement: use a ShiftedBasisEncoder of another basis than "impulse", a '
            f'FourierEncoder, LogFourierEncoder or RandomFourierEncoder, or penalty="ridge". '
            f"Got {self!r}."
        )

    def _radial_basis(self) -> Basis:
        """The basis whose similarity is also one of points in several axes, at their distance."""
        raise ValueError(
            'penalty="radial" needs a ShiftedBasisEncoder with "gaussian", "matern12", "matern32" '
            'or "matern72", that is not periodic: use one, or penalty="similarity". '
            f"Got {self!r}."
        )

    def _in_bandwidths(self, x: NDArray) -> NDArray[np.float64]:
        """Coordinates in bandwidths of the basis."""
        raise NotImplementedError

    def _own_similarity(self, x: NDArray, order: int) -> NDArray[np.float64]:
        """That of the derivatives of some order, each with itself; 1 for order 0."""
        raise NotImplementedError

    def _functions_on_domain(self) -> float:
        raise ValueError(
            "a penalty of smoothness needs an encoder with shifts or frequencies: use "
            f'penalty="ridge". Got {self!r}.'
        )

    def _window(self) -> Windows | None:
        return None

    def _width_over(self, x: NDArray) -> float:
        """Width of the domain, given or that of the samples."""
        if self.domain is not None:
            low, high = (float(end) for end in np.ravel(self.domain))
        else:
            low, high = float(x.min()), float(x.max())
        return high - low if high > low else 1.0

    def _domain(self) -> tuple[float, float]:
        low, high = self.domain_[0]
        return float(low), float(high)

    def _ends_at_domain(self, axis: int) -> bool:
        """Whether a coordinate outside the domain counts as its nearest end."""
        return False


class _Transformer(AxisFunctions):
    """A transformer that is no encoder of this package, as functions of one axis."""

    _any_namespace = False

    def __init__(self, transformer: Any) -> None:
        self._own = transformer
        self.domain = getattr(transformer, "domain", None)
        self.transform = transformer.transform

    def _without_aliases(self, x: NDArray) -> Any:
        return self._own

    def __repr__(self) -> str:
        return repr(self._own)


def functions_of(encoder: Any) -> AxisFunctions:
    """An encoder, or any other transformer, as functions of one axis."""
    return encoder if isinstance(encoder, AxisFunctions) else _Transformer(encoder)
