"""One encoder per axis, for heads that multiply the encodings of the axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from sk_posenc.core.outside import warn_of_samples_outside
from sk_posenc.core.poor_fit import poor_fits_untold
from sk_posenc.encoders.axis_functions import AxisFunctions, AxisSamples, functions_of
from sk_posenc.encoders.domains import domains_of

_PER_AXIS = (
    "stable_rank",
    "bandwidth",
    "n_shifts",
    "max_frequency",
    "n_frequencies",
    "boundary",
)


def encoders_per_axis(encoder: Any, n_axes: int) -> list[Any]:
    """Unfitted clones, one per axis, of one encoder or of one per axis.

    Settings that an encoder has per axis go to their axis.
    """
    if isinstance(encoder, Sequence) and not isinstance(encoder, str):
        if len(encoder) != n_axes:
            raise ValueError(
                f"encoder must be one encoder or one per axis: X has {n_axes} axes. "
                f"Got {len(encoder)} encoders."
            )
        return [_single(each, 0, 1) for each in encoder]
    return [_single(encoder, axis, n_axes) for axis in range(n_axes)]


def is_encoder(encoder: Any) -> bool:
    """Whether it can encode an axis: any transformer of scikit-learn can."""
    return isinstance(encoder, BaseEstimator) and hasattr(encoder, "transform")


def missing_settings(encoder: Any) -> list[str]:
    """Settings of an encoder, or of one per axis, that samples would have to tell."""
    if isinstance(encoder, list | tuple):
        return sorted({name for each in encoder for name in missing_settings(each)})
    return ["encoder"] if encoder is None else functions_of(encoder)._missing_settings()


def _single(encoder: Any, axis: int, n_axes: int) -> Any:
    if not is_encoder(encoder):
        raise TypeError(
            "encoder must be an encoder such as ShiftedBasisEncoder(), or a list of one per "
            f"axis. Got {encoder!r}."
        )
    own = clone(encoder)
    parameters = own.get_params(deep=False)
    changed: dict[str, Any] = {
        name: False for name in ("tensor_product", "sparse_output") if parameters.get(name)
    }
    for name in _PER_AXIS:
        value = parameters.get(name)
        if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
            if len(value) != n_axes:
                raise ValueError(
                    f"{name} of {type(own).__name__} must be one value or one per axis: it has "
                    f"{n_axes} here. Got {len(value)} values."
                )
            changed[name] = value[axis]
    if n_axes > 1 and parameters.get("domain") is not None:
        changed["domain"] = domains_of(parameters["domain"], n_axes)[axis]
    return own.set_params(**changed)


def fit_axis(encoder: Any, samples: AxisSamples) -> Any:
    """Fit a clone of an encoder on one axis, with the settings that it has for its samples."""
    own = clone(encoder)
    settings = functions_of(own)._settings_for(samples)
    if settings:
        own.set_params(**settings)
    with poor_fits_untold():  # the head tells, of the samples of all axes
        own.fit(samples.x[:, None])
    return functions_of(own)._without_aliases(samples.x) if samples.on_grid else own


def warn_of_axes_outside(encoders: Sequence[Any], X: NDArray, who: str) -> None:
    """Warn of axes with most samples outside the domain that was given to their encoder."""
    for axis, encoder in enumerate(encoders):
        if isinstance(encoder, AxisFunctions) and encoder.domain is not None:
            boundary = "extend" if encoder._stops_at_ends else encoder._boundary(0)  # type: ignore[attr-defined]
            warn_of_samples_outside(X[:, axis], encoder._domain(), boundary, axis, who)


def axis_features(encoder: Any, x: NDArray, order: int = 0) -> NDArray[np.float64]:
    """Encoding of one axis, or its derivative of some order, in float64; shape (n, k)."""
    functions = functions_of(encoder)
    return functions._derivative(x, order) if order else functions._head_features(x)


def in_order(encoder: Any) -> bool:
    """Whether the coefficients of an axis stand in order along it."""
    return functions_of(encoder)._in_order


def all_in_order(encoder: Any) -> bool:
    """The same of every axis, for an encoder or one per axis; None is a shifted basis."""
    of_axes = encoder if isinstance(encoder, list | tuple) else [encoder]
    return all(each is None or (is_encoder(each) and in_order(each)) for each in of_axes)
