"""Shifted basis functions as an encoder."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.arrays import Array, itemsize
from sk_posenc.core.encoding import AxisTraits
from sk_posenc.core.products import rowwise_kronecker
from sk_posenc.core.settings import parse_count, parse_flag, parse_optional
from sk_posenc.encoders import csr
from sk_posenc.encoders._images import Images
from sk_posenc.encoders._placement import Placement
from sk_posenc.encoders._shift_windows import ShiftWindows
from sk_posenc.encoders._shifts_on_samples import settings_for
from sk_posenc.encoders.axis_encoder import AxisEncoder
from sk_posenc.encoders.axis_functions import AxisSamples
from sk_posenc.encoders.axis_settings import (
    is_given,
    parse_stable_rank,
    per_axis,
    refuse_both,
)
from sk_posenc.encoders.base import Learnable
from sk_posenc.encoders.bases import Impulse, Rectangle, one_shift, resolve_basis
from sk_posenc.encoders.basis import Basis
from sk_posenc.encoders.domains import parse_boundaries

# Up to this stable rank an interval is measured. Beyond, the ends of the domain no longer
# matter (they add 0.05 at 16, 0.006 at 128), and the theory for shifts holds.
_MEASURED_UP_TO = 64


class ShiftedBasisEncoder(AxisEncoder):
    r"""Encode coordinates by a basis function at equidistant shifts.

    Column j of an axis is :math:`c\,\phi((t_j - x) / b)`, with shifts :math:`t_j` over
    the domain, bandwidth b, and the constant c that makes the squared norm of a row 1.
    The axes stand side by side.

    Parameters
    ----------
    basis : str or Basis, default="gaussian"
        "gaussian", "triangle", "rectangle", "impulse" (1 at the nearest shift),
        "bspline" (cubic), "matern12", "matern32", "matern72" (whose similarities are the Matern
        kernels of smoothness 1/2, 3/2 and 7/2), "sine", "square", or a :class:`Basis` of your
        own. "matern12" jumps at every shift and needs many: prefer it where the kernel is in
        closed form, as in :class:`KroneckerRidge` with "similarity" or "radial".
    stable_rank : "auto", float or one per axis, default="auto"
        Resolution of an axis: how many independent values it can hold. "auto": a quarter
        of the samples per axis, within limits; the guide's page *Defaults* has the
        numbers. The sine (2) and the square (2.467) have a fixed stable rank.
    bandwidth : float or one per axis, default=None
        Width of the basis in coordinate units; it replaces `stable_rank`. It is the
        standard deviation of the Gaussian, the half-width of the triangle, the full width
        of the rectangle, the knot spacing of the B-spline, the distance over which the
        exponential of a Matern basis falls to 1 / e, the spacing of impulses, and the period of
        sine and square (by default twice the domain, or the domain itself on a periodic axis).
    n_shifts : "auto", int or one per axis, default="auto"
        Shifts per axis inside the domain, both ends included. "auto": enough to give all rows
        almost the same squared norm, for the Gaussian 2.6 spacings per unit of stable rank. The
        guide's page *Defaults* has the numbers of all bases.
    domain : (low, high), or one pair or None per axis, default=None
        Range of the coordinates, in numbers or dates. None: the range seen in ``fit``; a
        constant column gets a domain of width 1 around its value.
    boundary : {"extend", "periodic", "cut"} or one per axis, default="extend"
        "extend": coordinates outside the domain count as its nearest end, and extra
        shifts beyond both ends keep the encoding from fading there. "periodic":
        coordinates wrap; needs an explicit `domain`, which for dates may be a period: "1D"
        counts from midnight, "1W" from Monday, "1Y" from New Year. "cut": no shifts outside the
        domain; the encoding fades at both ends (as in the paper's own code).
    tensor_product : bool, default=False
        False: the columns of the axes stand side by side (the "simple" encoding). True: each
        column is a product of one column per axis, the last axis varying fastest (the "complex"
        encoding). The number of columns is then the product over the axes.
    sparse_output : bool, default=False
        Whether ``transform`` returns a CSR matrix, built without a dense array. It is exact for
        bases of bounded support. Others, such as the Gaussian, are cut off below 1e-5 of their
        peak. The bases "sine" and "square" and arrays other than NumPy's are not supported;
        ``boundary="periodic"`` is.

    Attributes
    ----------
    stable_rank_ : ndarray of shape (n_axes,)
        Stable rank along each axis, the other coordinates fixed.
    bandwidth_ : ndarray of shape (n_axes,)
        In coordinate units.
    shifts_ : list of n_axes ndarrays
        Shifts in coordinate units.
    domain_ : ndarray of shape (n_axes, 2)
        Ends of the domain.
    n_features_in_ : int
        Number of axes.
    feature_names_in_ : ndarray of shape (n_axes,)
        Names of the axes, where `X` had them.
    dates_ : tuple
        For each axis None, or for dates what counts as day 0.

    Warns
    -----
    UserWarning
        Where the stable rank is more than 10 % below the one requested.

    See Also
    --------
    FourierEncoder : Equally spaced frequencies.
    RandomFourierEncoder : Normally distributed frequencies, with the same similarity as
        the Gaussian.

    Notes
    -----
    The similarity of two coordinates is the autocorrelation of phi, averaged over the
    axes. The stable rank fixes the bandwidth of each axis by itself. If the basis is never
    negative, the first left singular vector of the columns of each axis is nearly constant,
    and so nearly the same for all axes. Hence the matrix of several axes has the stable rank
    that its axes have, if theirs are equal.

    The rectangle and the impulse are piecewise constant: their similarity equals that of
    the basis on average only, and changes in steps of one shift.

    With `tensor_product` the similarity is the product over the axes, not the mean. The stable
    rank of the whole matrix is then the product of those of the axes.

    References
    ----------
    J. Zheng, S. Ramasinghe, S. Lucey, "Rethinking Positional Encoding",
    arXiv:2107.02561, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder
    >>> X = np.linspace(0, 1, 200)[:, None]
    >>> encoder = ShiftedBasisEncoder("gaussian", stable_rank=16).fit(X)
    >>> encoder.transform(X).shape
    (200, 48)
    >>> encoder.stable_rank_.round(1), encoder.bandwidth_.round(4)
    (array([16.]), array([0.0176]))
    """

    _in_order = True
    _needs_rest = ("shifts", "length")

    def __init__(
        self,
        basis: str | Basis = "gaussian",
        *,
        stable_rank: Any = "auto",
        bandwidth: Any = None,
        n_shifts: Any = "auto",
        domain: Any = None,
        boundary: Any = "extend",
        tensor_product: bool = False,
        sparse_output: bool = False,
    ) -> None:
        self.basis = basis
        self.stable_rank = stable_rank
        self.bandwidth = bandwidth
        self.n_shifts = n_shifts
        self.domain = domain
        self.boundary = boundary
        self.tensor_product = tensor_product
        self.sparse_output = sparse_output

    def _fit_axes(self, n_per_axis: NDArray[np.float64]) -> NDArray[np.float64]:
        n_axes = len(n_per_axis)
        self._basis = basis = resolve_basis(self.basis)
        ranks = per_axis(self.stable_rank, "stable_rank", n_axes, parse_stable_rank)
        bandwidths = per_axis(self.bandwidth, "bandwidth", n_axes, parse_optional)
        counts = per_axis(self.n_shifts, "n_shifts", n_axes, parse_count)
        self._boundaries = parse_boundaries(
            self.boundary, self.domain, n_axes, "extend", "periodic", "cut"
        )
        for name in ("tensor_product", "sparse_output"):
            parse_flag(getattr(self, name), name)
        if self.sparse_output and basis.period is not None:
            raise ValueError(
                f"sparse_output=True needs a basis that falls to 0. {basis!r} is periodic and "
                "does not: set sparse_output=False, or use another basis"
            )
        self.bandwidth_ = np.empty(n_axes)
        self.shifts_ = []
        self._scales = []
        for axis in range(n_axes):
            rank, width, count = ranks[axis], bandwidths[axis], counts[axis]
            refuse_both(axis, stable_rank=rank, bandwidth=width)
            if isinstance(basis, Impulse):
                refuse_both(axis, stable_rank=rank, bandwidth=width, n_shifts=count)
            placement = Placement(axis, *self._ends[axis], basis, self._boundaries[axis])
            if basis.period is None:
                width, shifts, spacing = placement.local(rank, width, count, n_per_axis[axis])
                overlap = self._images(axis).similarity(np.zeros(1), width)[0]
                energy = basis.energy * width / spacing * overlap
            else:
                width, shifts = placement.repeating(rank, width, count)
                energy = basis.energy * len(shifts)
            self.bandwidth_[axis] = width
            self.shifts_.append(shifts)
            self._scales.append(1 / math.sqrt(energy if self.tensor_product else n_axes * energy))
        self._widths = self.bandwidth_.tolist()
        self._equidistant = True
        if basis.period is not None:
            return np.array([rank or 0.0 for rank in ranks])  # no bandwidth asks for one
        return np.array([self._nominal_stable_rank(axis) for axis in range(n_axes)])

    def _length(self, axis: int) -> float:
        low, high = self._ends[axis]
        return high - low

    def _boundary(self, axis: int) -> str:
        return self._boundaries[axis]

    def _is_product(self) -> bool:
        return self.tensor_product

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        arrays = {f"shifts{axis}": shifts for axis, shifts in enumerate(self.shifts_)}
        return arrays | {
            "domain": self.domain_,
            "length": self.domain_[:, 1] - self.domain_[:, 0],
            "bandwidth": self.bandwidth_,
            "scale": np.array(self._scales),
        }

    def _learnable(self) -> dict[str, Learnable]:
        if self.sparse_output:
            raise ValueError(
                "training changes the shifts, but sparse_output=True needs them equidistant: "
                "set sparse_output=False"
            )
        learnable = {
            f"shifts{axis}": Learnable("shift", width) for axis, width in enumerate(self._widths)
        }
        if self._basis.period is None or "periodic" not in self._boundaries:
            # else a period would no longer fit into the circle a whole number of times
            learnable["bandwidth"] = Learnable("scale")
        return learnable

    def _read_formula(self) -> None:
        self.shifts_ = [self._formula[f"shifts{a}"].copy() for a in range(self.n_features_in_)]
        self.bandwidth_ = self._formula["bandwidth"].copy()
        self._widths = self.bandwidth_.tolist()
        self._equidistant = False

    def _labels(self, names: Sequence[str]) -> list[str]:
        if not self.tensor_product:
            return super()._labels(names)
        per_axis_labels = [self._axis_labels(axis, name) for axis, name in enumerate(names)]
        return [" ".join(labels) for labels in itertools.product(*per_axis_labels)]

    def _is_stationary(self) -> bool:
        return self._equidistant

    def _has_closed_form(self) -> bool:
        # the impulse has one on average only, which tells nothing of single inner products
        return self._equidistant and not isinstance(self._basis, Impulse)

    def _axis_width(self, axis: int) -> int:
        return self.shifts_[axis].shape[0]

    def _block_width(self) -> int:
        axes = range(self.n_features_in_)
        return self._n_features_out if self.tensor_product else max(map(self._axis_width, axes))

    def _blocks(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Iterator[Array]:
        of_axes = super()._blocks(X, arrays, xp)
        yield from [rowwise_kronecker(of_axes)] if self.tensor_product else of_axes

    def _axis_blocks(
        self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType
    ) -> list[Array]:
        shifts, rest = arrays[f"shifts{axis}"], arrays.get(f"shifts{axis}_rest")
        x, turns = self._wrapped(axis, x, arrays, xp)[:, None], None
        if self._wraps(axis):
            turns = xp.round((shifts - x) / arrays["length"][axis])  # to the nearest image
        u = self._displacement(axis, x, shifts, rest, turns, arrays, xp)
        phi = self._basis.phi(u, xp)
        if self._wraps(axis):
            for k in range(1, self._images(axis).n_beyond(self._widths[axis]) + 1):
                step = k * arrays["length"][axis] / arrays["bandwidth"][axis]
                phi = phi + self._basis.phi(u + step, xp) + self._basis.phi(u - step, xp)
        return [phi * arrays["scale"][axis]]

    def _wraps(self, axis: int) -> bool:
        return self._boundaries[axis] == "periodic" and self._basis.period is None

    def _wrapped(self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType) -> Array:
        """Coordinates inside the domain; on a circle unless that makes them larger."""
        if not self._wraps(axis):
            return self._inside(axis, x, xp)
        length = arrays["length"][axis]
        turns = xp.floor((x - arrays["domain"][axis, 0]) / length)
        wrapped = x - turns * length
        if "length_rest" in arrays:
            wrapped = wrapped - turns * arrays["length_rest"][axis]
        return xp.where(xp.abs(wrapped) < xp.abs(x), wrapped, x)  # keeps all digits

    def _displacement(
        self,
        axis: int,
        x: Array,
        shifts: Array,
        rest: Array | None,
        turns: Array | None,
        arrays: dict[str, Array],
        xp: ModuleType,
    ) -> Array:
        """(shift - turns * length - x) / bandwidth; close numbers are subtracted first, exactly."""
        if turns is None:
            difference = shifts - x
        else:
            length = arrays["length"][axis]
            ahead, behind = xp.clip(turns, min=0.0), xp.clip(turns, max=0.0)
            difference = (shifts - ahead * length) - (x + behind * length)
            if "length_rest" in arrays:
                difference = difference - turns * arrays["length_rest"][axis]
        if rest is not None:
            difference = difference + rest
        return difference / arrays["bandwidth"][axis]

    def _check_output(self, X: Array) -> None:
        if self.sparse_output:
            csr.check_size(X.shape[0], self._windows(), self.tensor_product, itemsize(X))
        else:
            super()._check_output(X)

    def _encode(self, X: Array) -> Array:
        if not self.sparse_output:
            return super()._encode(X)
        if not isinstance(X, np.ndarray):
            raise ValueError(
                "sparse_output=True needs NumPy arrays: set sparse_output=False, or convert X. "
                f"Got {type(X).__name__}."
            )
        return csr.encode(list(X.T), self._windows(), self.tensor_product, X.dtype)

    def _windows(self) -> list[ShiftWindows]:
        """The shifts about a coordinate at which the basis is not negligible, for each axis."""
        return [self._windows_of(axis) for axis in range(self.n_features_in_)]

    def _windows_of(self, axis: int) -> ShiftWindows:
        shifts, width = self._formula[f"shifts{axis}"], self._widths[axis]
        n = len(shifts)
        spacing = float(shifts[1] - shifts[0]) if n > 1 else self._length(axis)
        reach = self._basis.reach * width / spacing
        ends = self._ends[axis] if self._ends_at_domain(axis) else None
        return ShiftWindows(
            csr.AxisWindows(float(shifts[0]), spacing, n, reach, self._wraps(axis)),
            basis=self._basis,
            unit=spacing / width,
            scale=self._scales[axis],
            ends=ends,
        )

    def _images(self, axis: int) -> Images:
        return Images(self._basis, self._length(axis) if self._wraps(axis) else None)

    def _axis_similarity(self, axis: int, delta: Array, order: int = 0) -> Array:
        if not self._equidistant:
            return self._measured_similarity(axis, delta)
        width, images = self._widths[axis], self._images(axis)
        at_zero = float(images.similarity(np.zeros(1), width)[0]) * width**order
        return images.similarity(delta, width, order) / at_zero

    def _similarity_derivative(self, delta: NDArray, order: int) -> NDArray[np.float64]:
        return np.asarray(self._axis_similarity(0, delta, order))

    def _radial_basis(self) -> Basis:
        if not self._basis._radial or self._wraps(0) or not self._equidistant:
            return super()._radial_basis()
        return self._basis

    def _in_bandwidths(self, x: NDArray) -> NDArray[np.float64]:
        return self._counted(x) / float(self.bandwidth_[0])

    def _derivative_inside(self, x: NDArray[np.float64], order: int) -> NDArray[np.float64]:
        middle = np.mean(self.domain_[0], keepdims=True)
        plain = self._functions_at(middle, 0)[0]
        peak = int(np.argmax(np.abs(plain)))
        scale = self._head_features(middle)[0, peak] / plain[peak]
        inner = (-1 / float(self.bandwidth_[0])) ** order
        return scale * inner * self._functions_at(x, order)

    def _functions_at(self, x: NDArray[np.float64], order: int) -> NDArray[np.float64]:
        """phi of the shifts of one axis, or its derivatives with respect to the displacement."""
        difference = self.shifts_[0] - x[:, None]
        return self._images(0).derivative(difference, float(self.bandwidth_[0]), order)

    def _functions_on_domain(self) -> float:
        low, high = self._domain()
        length = high - low
        return max(1.0, length / np.min(np.diff(self.shifts_[0]), initial=length))

    def _window(self) -> ShiftWindows | None:
        return self._windows_of(0) if math.isfinite(self._basis.support) else None

    def _missing_settings(self) -> list[str]:
        sized = is_given(self.stable_rank) or is_given(self.bandwidth)
        needs_none = isinstance(resolve_basis(self.basis), Impulse)
        return [
            *super()._missing_settings(),
            *([] if is_given(self.n_shifts) else ["n_shifts"]),
            *([] if sized or needs_none else ["stable_rank or bandwidth"]),
        ]

    def _settings_for(self, samples: AxisSamples) -> dict[str, Any]:
        return settings_for(self, samples)

    def _interpolating_share(self) -> float:
        return resolve_basis(self.basis)._interpolating_share

    def _axis_traits(self, axis: int) -> AxisTraits:
        basis, width = self._basis, self._widths[axis]
        return replace(
            self._traits_of_width(axis),
            n_shifts=len(self.shifts_[axis]),
            enough_shifts=math.ceil(basis.spacings_per_rank * self._nominal_stable_rank(axis)) + 1,
            repeats=basis.period is not None,
            in_steps=isinstance(basis, Rectangle),
            in_cells=isinstance(basis, Impulse),
            phi=lambda delta: one_shift(basis, delta / width),
        )

    def _short_name(self) -> str:
        return self.basis if isinstance(self.basis, str) else type(self.basis).__name__

    def _axis_labels(self, axis: int, name: str) -> list[str]:
        kind = self.basis if isinstance(self.basis, str) else type(self._basis).__name__.lower()
        return [f"{name}_{kind}{j}" for j in range(self._axis_width(axis))]

    def _nominal_stable_rank(self, axis: int) -> float:
        law = self._basis.stable_rank(self._widths[axis] / self._length(axis))
        return max(1.0, law)

    def _reached(self, axis: int) -> float:
        shifts = self.shifts_[axis]
        law = self._nominal_stable_rank(axis)
        small = law <= _MEASURED_UP_TO and not isinstance(self._basis, Impulse)
        if self._basis.period is not None or small or not self._equidistant:
            return super()._reached(axis)
        # The Gram matrix of the shifts is circulant but for its ends: its eigenvalues are
        # the Fourier transform of the similarity at the shifts.
        if len(shifts) == 1:
            return 1.0
        spacing = float(shifts[1] - shifts[0])
        lags = np.fft.fftfreq(len(shifts), 1 / len(shifts)) * spacing
        eigenvalues = np.abs(np.fft.fft(self._axis_similarity(axis, lags)))
        return float(self._length(axis) / spacing / np.max(eigenvalues))

    def _advice(self) -> str:
        return "raise n_shifts, or lower stable_rank (widen bandwidth)"
