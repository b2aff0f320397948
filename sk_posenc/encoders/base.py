"""What all encoders share: checks, blocks of rows, the formula on arrays of any kind."""

import copy
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from array_api_compat import array_namespace, is_numpy_namespace
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import Array, device_of, float_dtypes, has_float64, itemsize, to_numpy
from sk_posenc.core.checks import checked_data, within_floats
from sk_posenc.core.encoding import Encoding
from sk_posenc.core.state import taken_over_last
from sk_posenc.encoders.own_training import OwnTraining

# Bytes of an intermediate array. On a CPU a few arrays of this size stay in its cache. Larger ones
# are returned to the system after each step, and fresh pages for the next one take longer than all
# the rest. Other devices are fastest with few large blocks.
_HOST_BLOCK = 1 << 19
_DEVICE_BLOCK = 1 << 24


class Learnable(NamedTuple):
    """How training changes an array of a formula, starting at its fitted value.

    "shift": value = fitted + unit * step; "scale": value = fitted * exp(step), so that it
    stays positive; "weight": the value is the parameter, and weight decay applies to it.
    """

    kind: Literal["shift", "scale", "weight"]
    unit: float | NDArray[np.float64] = 1.0


class CoordinateEncoder(Encoding, BaseEstimator):
    """Base class of all encoders: rows of numbers in, a formula of them out.

    An encoder whose columns belong to one axis each derives from `AxisEncoder`. A class that
    derives from this one defines

    - ``_place(X)``: sets the fitted attributes from checked rows;
    - ``_arrays()``: the float64 arrays of its formula, by name;
    - ``_blocks(X, arrays, xp)``: the formula, columns from left to right in blocks, on arrays of
      any namespace;
    - ``_n_features_out``: the number of these columns;
    - ``_labels(names)``: their names;

    and may define

    - ``_measure()``: sets the fitted attributes that are computed from the formula;
    - ``_check_range(X)``: raises for rows that the formula cannot tell apart;
    - ``_needs_rest``: the arrays that the formula subtracts from coordinates;
    - ``_learnable()``: the arrays that training may change, and how;
    - ``_read_formula()``: sets the fitted attributes from arrays that training has changed;
    - ``_own_training``: what "auto" means in the settings of a network that holds the encoder;
    - ``_read_in_part``: arrays of which a row reads little, so that modules do not convert them;
    - ``_linear_in()``: the array that the encoding is linear in, or None, and
      ``_rows_of_weights(X)``: for each row of this array that a row of `X` sees, its number and
      weight, both of shape (n_samples * n_blocks, n_seen); the encoding has the columns of the
      n_blocks sums side by side;
    - ``_neighbours()``: of that array the first row and the shape of each grid that its rows
      form, and which axes of it are circles: a penalty keeps neighbours alike, ``smoothness_``;
    - ``_trial(X, most)``: where a network shall choose ``smoothness_``, that is None, what its
      short fits need.
    """

    # Names of arrays (without axis numbers) that in float32 come with their rounding errors.
    _needs_rest: tuple[str, ...] = ()
    _read_in_part: tuple[str, ...] = ()
    _own_training: OwnTraining | None = None

    _formula: dict[str, NDArray[np.float64]]
    _home: tuple[str, str]

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the domain, and place the functions on it.

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
        """Set the fitted attributes."""
        checked = self._validated(_without_gradient(X), reset=True)
        xp, device = array_namespace(checked), device_of(checked)
        self._place(checked)
        self._formula = self._arrays()
        self._measure()
        self._home = (xp.__name__, str(device))
        self._publish(xp, device)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.array_api_support = True
        return tags

    def _publish(self, xp: ModuleType, device: Any) -> None:
        """Move the fitted arrays to the device of `X`; the formula keeps its NumPy arrays."""
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
        """Columns of the widest intermediate array."""
        return self._n_features_out

    def _features(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Array:
        """Encoding of a block of checked coordinates, on arrays of their namespace."""
        return xp.concat(list(self._blocks(X, arrays, xp)), axis=1)

    def _blocks(self, X: Array, arrays: dict[str, Array], xp: ModuleType) -> Iterator[Array]:
        """Columns of the encoding, from left to right in blocks that are made one by one."""
        raise NotImplementedError

    def _arrays_like(self, X: Array) -> dict[str, Array]:
        """The arrays of the formula in the namespace, device and precision of `X`.

        In float32 each array ``a`` of `_needs_rest` comes with its rounding error ``a_rest``, so
        that the difference of two close coordinates keeps all its digits.
        """
        xp, device, single = array_namespace(X), device_of(X), itemsize(X) == 4
        converted = {}
        for name, exact in self._formula.items():
            rounded = _in_single(exact) if single else exact
            converted[name] = xp.asarray(rounded, device=device)
            if single and self._has_rest(name):
                rest = (exact - rounded).astype(np.float32)
                converted[name + "_rest"] = xp.asarray(rest, device=device)
        return converted

    def _has_rest(self, name: str) -> bool:
        """Whether an array comes with its rounding error in float32."""
        return name.rstrip("0123456789") in self._needs_rest

    def _with_formula(self, arrays: dict[str, NDArray[np.float64]]) -> Self:
        """A fitted encoder like this one, with other arrays in its formula."""
        other = copy.deepcopy(self)
        other._formula = self._formula | arrays
        other._read_formula()
        other._measure()
        return other

    def _check_coordinates(self, X: Array, method: str) -> Array:
        check_is_fitted(self)
        checked = self._validated(X, reset=False)
        self._check_namespace(checked, method)
        self._check_range(checked)
        return checked

    def _validated(self, X: Any, reset: bool) -> Array:
        """Checked coordinates: of NumPy, or under dispatch as they came, with their gradient."""
        if not get_config()["array_api_dispatch"]:
            X = to_numpy(X)
        values = _without_gradient(X)
        checked: Array = checked_data(self, values, dtype=float_dtypes(X), reset=reset)
        return checked if values is X else X.to(checked.dtype)

    def _check_namespace(self, X: Array, method: str) -> None:
        here, there = (array_namespace(X).__name__, str(device_of(X))), self._home
        if here != there and get_config()["array_api_dispatch"]:
            raise ValueError(
                f"Inputs passed to {type(self).__name__}.{method}() must use the same namespace "
                "and the same device as those passed to fit(). Expected "
                f"{there[0]} on {there[1]}, got {here[0]} on {here[1]}: move X, or fit again."
            )

    def _place(self, X: Array) -> None:
        """Set the fitted attributes from checked rows."""
        raise NotImplementedError

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        raise NotImplementedError

    def _measure(self) -> None:
        """Set the fitted attributes that are read off the formula."""

    def _check_range(self, X: Array) -> None:
        """Raise for rows that the formula cannot tell apart."""

    def _learnable(self) -> dict[str, Learnable]:
        """Arrays of the formula that training may move; ValueError where none can be."""
        raise ValueError(
            f"{self!r} has no arrays that training can change: set train_encoder=False"
        )

    def _read_formula(self) -> None:
        """Set the fitted attributes from the formula."""
        raise NotImplementedError

    def _linear_in(self) -> str | None:
        """The array whose rows are summed with weights that depend on coordinates alone."""
        return None

    def _rows_of_weights(self, X: NDArray) -> tuple[NDArray, NDArray]:
        """Rows of that array that coordinates see, and their weights."""
        raise NotImplementedError

    def _trial(self, X: NDArray, most: int) -> Any:
        """A part of the samples and an encoder for it, to choose ``smoothness_`` by short fits."""
        raise NotImplementedError

    def _neighbours(self) -> list[tuple[int, tuple[int, ...], tuple[bool, ...]]]:
        """Grids that rows of that array form: first row, shape, which axes are circles."""
        return []


def _in_single(array: NDArray[np.float64]) -> NDArray[np.float32]:
    refusal = (
        "X must be float64 for an encoder that was fitted to coordinates beyond float32: convert "
        "it, or scale it before fit. Got numbers up to {:.3g} in the encoder."
    )
    with within_floats(lambda: refusal.format(np.max(np.abs(array)))):
        return array.astype(np.float32)


def check_encoder(
    encoder: Any, expected: str = "an encoder of sk_posenc", name: str = "encoder"
) -> None:
    """Raise where something is not an encoder with a formula."""
    if not isinstance(encoder, CoordinateEncoder):
        raise TypeError(
            f"{name} must be {expected}: put other transformers in a Pipeline, before the "
            f"network. Got {encoder!r}."
        )


def _without_gradient(X: Any) -> Any:
    """A tensor that requires a gradient as one that does not, anything else as it is."""
    return X.detach() if getattr(X, "requires_grad", False) else X
