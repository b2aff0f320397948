"""What all encoders share: checks, the domain, the stable rank they reach."""

import contextlib
import copy
import warnings
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from array_api_compat import array_namespace, is_numpy_namespace
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_posenc.core.arrays import Array, device_of, float_dtypes, has_float64, itemsize, to_numpy
from sk_posenc.core.encoding import Encoding
from sk_posenc.core.sampling import samples_per_axis
from sk_posenc.core.stable_rank import stable_rank, stable_rank_of_gram
from sk_posenc.core.state import taken_over_last

# Columns up to which the stable rank of a fitted encoder is that of its features.
_MEASURED_COLUMNS = 2048

# Places in the domain where a similarity is measured.
_ANCHORS = 16

# Bytes of an array on the way to the encoding. On a processor a few of them stay in its cache;
# larger ones go back to the system after each step, and their pages come anew, which takes longer
# than all the rest. Other devices want few large blocks.
_HOST_BLOCK = 1 << 19
_DEVICE_BLOCK = 1 << 24

# Of this thread alone, as filters of warnings are not.
_SHORTFALLS_WARN = ContextVar("shortfalls_warn", default=True)


@contextlib.contextmanager
def shortfalls_untold() -> Iterator[None]:
    """Let encoders be fitted in silence where they reach less stable rank than is asked."""
    token = _SHORTFALLS_WARN.set(False)
    try:
        yield
    finally:
        _SHORTFALLS_WARN.reset(token)


class Learnable(NamedTuple):
    """How training moves an array of a formula from its fitted value.

    "shift": value = fitted + unit * step; "scale": value = fitted * exp(step), so that it
    stays positive; "weight": the value is the parameter, and weight decay applies to it.
    """

    kind: Literal["shift", "scale", "weight"]
    unit: float | NDArray[np.float64] = 1.0


class CoordinateEncoder(Encoding, BaseEstimator):
    """Base class of the encoders: one block of columns per axis, side by side.

    A derived class defines

    - ``_fit_axes(n_per_axis)``: sets the fitted attributes from ``domain_`` and the samples
      per axis, and returns the stable rank that each axis should have;
    - ``_arrays()``: the float64 arrays of its formula, by name;
    - ``_axis_blocks(axis, x, arrays, xp)``: the formula, the columns of one axis in one or
      more blocks, on arrays of any namespace;
    - ``_axis_width(axis)``: the number of these columns;
    - ``_axis_similarity(axis, delta)``: similarity along an axis, 1 at 0;
    - ``_axis_labels(axis, name)``: the names of the columns of one axis;
    - ``_nominal_stable_rank(axis)``: the stable rank that the law says;
    - ``_learnable()``: which arrays of the formula training may move, and how;
    - ``_read_formula()``: sets the fitted attributes from arrays that training has moved.
    """

    domain: Any
    _made_to_learn = False  # whether a network that holds the encoder trains it by default

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the domain and place shifts or frequencies on it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN or infinite coordinates, and for settings that are impossible or
            contradict each other.
        TypeError
            For settings of the wrong type.
        """
        with taken_over_last(self) as fitted:
            fitted._learn(X)
        return self

    def _learn(self, X: ArrayLike) -> None:
        """Set the fitted attributes, and warn where the stable rank falls short."""
        checked = self._validated(_without_gradient(X), reset=True)
        self.domain_ = _resolve_domain(self.domain, checked)
        self._ends = [(float(low), float(high)) for low, high in self.domain_]
        asked = self._fit_axes(samples_per_axis(checked))
        self._formula = self._arrays()
        reached = np.array([self._reached(axis) for axis in range(len(asked))])
        self.stable_rank_ = reached
        self._publish(array_namespace(checked), device_of(checked))
        for axis in np.flatnonzero((reached < 0.9 * asked) & _SHORTFALLS_WARN.get()):
            warnings.warn(
                f"{type(self).__name__} reaches a stable rank of "
                f"{reached[axis]:.4g} along axis {axis} where {asked[axis]:.4g} "
                f"is asked: {self._advice()}",
                UserWarning,
                stacklevel=3,
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.array_api_support = True
        return tags

    def _publish(self, xp: ModuleType, device: Any) -> None:
        """Move the fitted arrays to where `X` is; the formula keeps its own."""
        if is_numpy_namespace(xp):
            return
        dtype = np.float64 if has_float64(xp, device) else np.float32
        for name, value in list(vars(self).items()):
            if not name.endswith("_") or not isinstance(value, np.ndarray | list):
                continue
            if isinstance(value, list):
                if not all(isinstance(each, np.ndarray) for each in value):
                    continue  # columns of groups
                moved: Any = [xp.asarray(each.astype(dtype), device=device) for each in value]
            elif value.dtype == object:  # feature names
                continue
            else:
                moved = xp.asarray(value.astype(dtype), device=device)
            setattr(self, name, moved)

    def _encode(self, X: Array) -> Array:
        """Encoding of checked coordinates."""
        return self._in_blocks(X, self._arrays_like(X))

    def _in_blocks(self, X: Array, arrays: dict[str, Array], dtype: Any = None) -> Array:
        """Dense encoding of checked coordinates, block by block; None: in their own dtype."""
        xp = array_namespace(X)
        shape, dtype = (X.shape[0], self._n_features_out), dtype or X.dtype
        on_host = is_numpy_namespace(xp) or "cpu" in str(device_of(X)).lower()
        row = self._block_width() * itemsize(X)
        n_rows = max(16, (_HOST_BLOCK if on_host else _DEVICE_BLOCK) // row)
        if shape[0] <= n_rows:
            return xp.astype(self._features(X, arrays, xp), dtype, copy=False)
        encoded = xp.empty(shape, dtype=dtype, device=device_of(X))
        for first in range(0, shape[0], n_rows):
            rows = slice(first, min(first + n_rows, shape[0]))
            start = 0
            for block in self._blocks(X[rows, :], arrays, xp):
                stop = start + block.shape[1]
                encoded[rows, start:stop] = xp.astype(block, dtype, copy=False)
                start = stop
        return encoded

    def _block_width(self) -> int:
        """Columns of the widest array on the way to the encoding."""
        return self._n_features_out

    def _features(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Array:
        """Encoding of a block of checked coordinates, on arrays of their namespace."""
        return xp.concat(list(self._blocks(X, arrays, xp)), axis=1)

    def _blocks(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Iterator[Array]:
        """Columns of the encoding, from left to right in blocks that are made one by one."""
        for axis in range(X.shape[1]):
            yield from self._axis_blocks(axis, X[:, axis], arrays, xp)

    def _arrays_like(self, X: Array) -> dict[str, Array]:
        """The arrays of the formula in the namespace, device and precision of `X`.

        In float32 each array ``a`` has beside it ``a_rest``, what its rounding lost:
        the difference of two near coordinates then keeps all its digits.
        """
        xp, device, single = array_namespace(X), device_of(X), itemsize(X) == 4
        converted = {}
        for name, exact in self._formula.items():
            rounded = exact.astype(np.float32) if single else exact
            converted[name] = xp.asarray(rounded, device=device)
            if single:
                rest = (exact - rounded).astype(np.float32)
                converted[name + "_rest"] = xp.asarray(rest, device=device)
        return converted

    def _reached(self, axis: int) -> float:
        """Stable rank along an axis, the others held, on dense samples of the domain."""
        x = self._dense_lags(axis)
        if self._n_features_out > _MEASURED_COLUMNS and self._is_stationary():
            # with so many columns the similarity is as good, and its matrix is smaller
            return stable_rank_of_gram(linalg.toeplitz(self._axis_similarity(axis, x)))
        low, _ = self._ends[axis]
        return stable_rank(self._axis_features(axis, low + x + x[1] / 2))

    def _dense_lags(self, axis: int) -> NDArray[np.float64]:
        """Evenly spaced displacements within the domain, several to a unit of stable rank."""
        low, high = self._ends[axis]
        n = int(np.clip(16 * self._nominal_stable_rank(axis), 256, 2048))
        return np.arange(n) / n * (high - low)

    def _axis_features(self, axis: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns that an axis decides, the other coordinates held."""
        return np.concatenate(self._axis_blocks(axis, x, self._formula, array_namespace(x)), axis=1)

    def _measured_similarity(self, axis: int, delta: Array) -> Array:
        """Similarity along an axis where no closed form is known, in the mean over the domain."""
        products, norms = np.zeros(delta.shape), 0.0
        for first, second in self._measured_pairs(axis, delta):
            products += np.sum(first * second, axis=-1)
            norms += np.sum(first * first, axis=-1) / 2 + np.sum(second * second, axis=-1) / 2
        similarity = products / norms
        xp = array_namespace(delta)
        return xp.asarray(similarity, dtype=delta.dtype, device=device_of(delta))

    def _measured_pairs(self, axis: int, delta: Array) -> Iterator[tuple[NDArray, NDArray]]:
        """Features of an axis at both ends of displacements, at places all over the domain."""
        low, high = self._ends[axis]
        lags = np.minimum(np.abs(to_numpy(delta)).astype(np.float64), high - low)
        for share in (np.arange(_ANCHORS) + 0.5) / _ANCHORS:
            start = low + share * (high - low - lags)
            first, second = (self._axis_features(axis, x.ravel()) for x in (start, start + lags))
            yield first.reshape(*lags.shape, -1), second.reshape(*lags.shape, -1)

    def _with_formula(self, arrays: dict[str, NDArray[np.float64]]) -> Self:
        """A fitted encoder like this one, with other arrays in its formula."""
        other = copy.deepcopy(self)
        other._formula = self._formula | arrays
        other._read_formula()
        other.stable_rank_ = np.array([other._reached(a) for a in range(self.n_features_in_)])
        return other

    def _check_coordinates(self, X: Array, method: str) -> Array:
        check_is_fitted(self)
        checked = self._validated(X, reset=False)
        self._check_namespace(checked, method)
        xp = array_namespace(checked)
        # Past this, a coordinate has no digit left that says where in a period it lies.
        eps = float(xp.finfo(checked.dtype).eps)
        for axis, (low, high) in enumerate(self._ends):
            if self._ends_at_domain(axis):
                continue
            x = checked[:, axis]
            least, most = (float(to_numpy(end(x))) for end in (xp.min, xp.max))
            far = max(most - high, low - least)
            if far * eps > high - low:
                raise ValueError(
                    f"X lies {far:.3g} outside the domain ({low:.6g}, {high:.6g}) of axis "
                    f"{axis}, too far to be resolved in {checked.dtype}: check its units, or fit "
                    "with a domain that covers it"
                )
        return checked

    def _validated(self, X: Any, reset: bool) -> Array:
        """Checked coordinates: of NumPy, or under dispatch as they came, with their gradient."""
        if not get_config()["array_api_dispatch"]:
            X = to_numpy(X)
        values = _without_gradient(X)
        checked: Array = validate_data(self, values, dtype=float_dtypes(X), reset=reset)
        return checked if values is X else X.to(checked.dtype)

    def _check_namespace(self, X: Array, method: str) -> None:
        here = array_namespace(X).__name__, str(device_of(X))
        there = array_namespace(self.domain_).__name__, str(device_of(self.domain_))
        if here != there and get_config()["array_api_dispatch"]:
            raise ValueError(
                f"Inputs passed to {type(self).__name__}.{method}() must use the same namespace "
                "and the same device as those passed to fit(). Expected "
                f"{there[0]} on {there[1]}, got {here[0]} on {here[1]}: move X, or fit again."
            )

    def _labels(self, names: Sequence[str]) -> list[str]:
        return [label for axis, name in enumerate(names) for label in self._axis_labels(axis, name)]

    def _ends_at_domain(self, axis: int) -> bool:
        """Whether a coordinate outside the domain counts as its nearest end."""
        return self._boundary(axis) == "extend"

    def _inside(self, axis: int, x: Array, xp: ModuleType) -> Array:
        low, high = self._ends[axis]
        return xp.clip(x, low, high) if self._ends_at_domain(axis) else x

    def _fit_axes(self, n_per_axis: NDArray[np.float64]) -> NDArray[np.float64]:
        raise NotImplementedError

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        raise NotImplementedError

    def _axis_blocks(
        self, axis: int, x: Array, arrays: dict[str, Array], xp: ModuleType
    ) -> list[Array]:
        raise NotImplementedError

    def _axis_labels(self, axis: int, name: str) -> list[str]:
        raise NotImplementedError

    def _nominal_stable_rank(self, axis: int) -> float:
        """Stable rank along an axis by the law, which dense samples should come near."""
        raise NotImplementedError

    def _learnable(self) -> dict[str, Learnable]:
        """Arrays of the formula that training may move; ValueError where none can be."""
        raise ValueError(
            f"{self!r} says of no array how training may move it: leave train_encoder at False"
        )

    def _read_formula(self) -> None:
        """Set the fitted attributes from the formula."""
        raise NotImplementedError

    def _advice(self) -> str:
        """What to change where the stable rank falls short."""
        return "lower stable_rank"


def _without_gradient(X: Any) -> Any:
    """A tensor that requires a gradient as one that does not, anything else as it is."""
    return X.detach() if getattr(X, "requires_grad", False) else X


def _resolve_domain(domain: Any, X: Array) -> NDArray[np.float64]:
    """Ends of the domain, shape (n_axes, 2)."""
    n_axes = X.shape[1]
    if domain is None:
        xp = array_namespace(X)
        extremes = (to_numpy(end(X, axis=0)) for end in (xp.min, xp.max))
        low, high = (end.astype(np.float64) for end in extremes)
        with np.errstate(over="ignore"):  # what overflows is refused below
            # a constant column: width 1 around its value, or what its digits can resolve
            half = np.where(low == high, np.maximum(0.5, 4 * np.spacing(np.abs(low))), 0.0)
            ends = np.stack([low - half, high + half], axis=1)
    else:
        try:
            ends = np.asarray(domain, dtype=np.float64)
        except (TypeError, ValueError):
            ends = np.empty(0)
        if ends.shape not in {(2,), (n_axes, 2)}:
            raise ValueError(
                "domain must be a pair (low, high) or one pair for each of the "
                f"{n_axes} axes of X. Got {domain!r}."
            )
        ends = np.array(np.broadcast_to(ends, (n_axes, 2)))
        if not (np.all(np.isfinite(ends)) and np.all(ends[:, 0] < ends[:, 1])):
            raise ValueError(f"domain must be finite, with low < high. Got {domain!r}.")
    finfo = np.finfo(np.float32 if itemsize(X) == 4 else np.float64)
    largest = float(finfo.max) / 4
    narrowest = float(finfo.tiny) / float(finfo.eps)
    for axis, (low, high) in enumerate(ends):
        if max(abs(low), abs(high)) > largest or high / 2 - low / 2 < narrowest / 2:
            raise ValueError(
                f"the domain ({low:.6g}, {high:.6g}) of axis {axis} is too wide or too "
                f"narrow for {X.dtype}: change the units of X"
            )
    return ends
