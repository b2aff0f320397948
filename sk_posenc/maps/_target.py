"""The grid that a map is predicted on: names, coordinates, and what labels its values."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.date_columns import dates_of
from sk_posenc.datasets.labelled import checked_axis, coordinates_along, is_dataset, variables_of
from sk_posenc.maps._beside import covariates_over, in_model_order, names_of
from sk_posenc.maps._lazy import lazily
from sk_posenc.maps._over_grid import predict_over

# What a map without a name is called in a Dataset.
_UNNAMED = "prediction"


def axis_of(values: Any, name: str) -> NDArray:
    """Coordinates along an axis as an array of numbers or dates; one by itself has length 1."""
    try:
        found = dates_of(values)
        found = np.asarray(values) if found is None else found
    except ValueError as error:  # ragged
        raise ValueError(
            f"{name} must hold the coordinates along one axis: {error} Got {reprlib.repr(values)}."
        ) from error
    return checked_axis(np.atleast_1d(found), name)


@dataclass(frozen=True)
class Target:
    """A grid with names.

    Attributes
    ----------
    like : DataArray, Dataset or None
    dims : list
        Dimensions of the map, in its order.
    axes : dict
        Coordinates along each dimension, and of each axis of the model that is one place.
    order : list
        The keys of `axes` in the order of the model.
    given : set
        Dimensions whose coordinates are not those of `like`.
    names : list of str or None
        Those of the axes that the model was fitted with.
    """

    like: Any
    dims: list[Hashable]
    axes: dict[Hashable, NDArray]
    order: list[Hashable]
    given: set[Hashable]
    names: list[str] | None

    @classmethod
    def of(cls, like: Any, coords: Any, names: list[str] | None, n_axes: int | None) -> Target:
        """The grid of `like`, of `coords` or of both."""
        if coords is not None and not isinstance(coords, Mapping):
            raise TypeError(
                "coords must be a dict of coordinates by name where like has names. "
                f"Got {type(coords).__name__}."
            )
        given = dict(coords or {})
        dims = [] if like is None else list(_first_of(like).dims)
        axes = {dim: coordinates_along(like, dim) for dim in dims if dim not in given}
        fixed = {name for name, values in given.items() if np.ndim(values) == 0}
        for name, values in given.items():
            axes[name] = axis_of(values, f"coords[{name!r}]")
        for name in () if like is None or names is None else names:
            if name not in axes and name in like.coords and like.coords[name].ndim == 0:
                axes[name] = axis_of(like.coords[name].values, f"the coordinate {name!r}")
                fixed.add(name)
        kept = [dim for dim in [*dims, *(set_aside for set_aside in given if set_aside not in dims)]
                if dim not in fixed]  # fmt: skip
        order = _in_order_of(names, [*kept, *(each for each in axes if each in fixed)], n_axes)
        return cls(like, kept, axes, order, set(given), names)

    def filled_by(self, model: Any, return_std: bool | str, covariates: Any = None) -> Any:
        """The map that a model predicts; at once where it has covariates."""
        along = [self.axes[name] for name in self.order]
        ordered = in_model_order(covariates, self.dims, self.order)
        beside = covariates_over(model, ordered, along, self.order)
        chunks = None if beside else self._chunks()
        if chunks is None:
            means, stds = self._predicted(model, return_std, self.axes, beside)
        else:
            means, stds = lazily(
                lambda axes: self._predicted(model, return_std, axes), self.axes, self.dims, chunks
            )
        xr = _xarray()
        if xr is None:
            return means if stds is None else (means, stds)
        return self._labelled(xr, means, stds)

    def _predicted(
        self,
        model: Any,
        return_std: bool | str,
        axes: Mapping[Hashable, NDArray],
        beside: Mapping[int, NDArray] | None = None,
    ) -> tuple[NDArray, NDArray | None]:
        """Values and standard deviations, dimensions in the order of the map, outputs last."""
        along = [axes[name] for name in self.order]
        found = predict_over(model, names_of(model), along, return_std, beside)
        places = [place for place, name in enumerate(self.order) if name not in self.dims]
        remaining = [name for name in self.order if name in self.dims]
        turn = [remaining.index(dim) for dim in self.dims]

        def turned(each: NDArray) -> NDArray:
            kept = np.squeeze(each, axis=tuple(places))
            return kept.transpose(*turn, *range(len(turn), kept.ndim))

        mean, std = found
        return turned(mean), None if std is None else turned(std)

    def _chunks(self) -> list[tuple[int, ...]] | None:
        """Chunks along each dimension where `like` is of dask, else None."""
        sizes = None if self.like is None else _first_of(self.like).chunksizes
        if not sizes:
            return None
        chunks = []
        for dim in self.dims:
            own, n = sizes.get(dim, ()), len(self.axes[dim])
            if sum(own) != n:
                step = own[0] if own else n
                own = tuple(min(step, n - start) for start in range(0, n, step))
            chunks.append(tuple(own))
        return chunks

    def _labelled(self, xr: Any, means: Any, stds: Any) -> Any:
        templates = [] if self.like is None else variables_of(self.like)
        several = means.ndim > len(self.dims)
        outputs = [means[..., k] for k in range(means.shape[-1])] if several else [means]
        if len(templates) != len(outputs):
            templates = templates[:1] * len(outputs)
        names = self._names_of(outputs)
        coords = self._coords()
        arrays = {}
        for k, (name, output) in enumerate(zip(names, outputs, strict=True)):
            attrs = dict(templates[k].attrs) if templates else {}
            arrays[name] = xr.DataArray(output, coords, self.dims, name, attrs)
            if stds is not None:
                own = {key: attrs[key] for key in ("units",) if key in attrs}
                own["long_name"] = f"standard deviation of {name}"
                std = stds[..., k] if several else stds
                arrays[f"{name}_std"] = xr.DataArray(std, coords, self.dims, attrs=own)
        if len(arrays) == 1 and not is_dataset(self.like):
            (single,) = arrays.values()
            return single.rename(None if self.like is None else self.like.name)
        return xr.Dataset(arrays, attrs=self.like.attrs if is_dataset(self.like) else None)

    def _names_of(self, outputs: Sequence[Any]) -> list[Hashable]:
        if is_dataset(self.like) and len(self.like.data_vars) == len(outputs):
            return list(self.like.data_vars)
        name = getattr(self.like, "name", None) or _UNNAMED
        return [name] if len(outputs) == 1 else [f"{name}_{k}" for k in range(len(outputs))]

    def _coords(self) -> dict[Hashable, Any]:
        """Coordinates of the map: those of `like`, with their attributes, where none is given."""
        coords: dict[Hashable, Any] = {}
        for name, each in {} if self.like is None else self.like.coords.items():
            if set(each.dims) <= set(self.dims) - self.given and name not in self.given:
                coords[name] = each.variable
        for name in self.given:
            along = self.axes[name]
            coords[name] = (name, along) if name in self.dims else along[0]
        return coords


def _first_of(like: Any) -> Any:
    """What has the dimensions of a grid: a Dataset of coordinates alone has no variable."""
    return next(iter(variables_of(like)), like)


def _in_order_of(
    names: list[str] | None, found: list[Hashable], n_axes: int | None
) -> list[Hashable]:
    """What is found in the order of the axes of the model."""
    if names is None:
        if n_axes is not None and len(found) != n_axes:
            raise ValueError(
                f"the grid must have {n_axes} dimensions, as many as the model has axes: choose "
                f"some with .sel or .isel. Got {[str(each) for each in found]}."
            )
        return found
    by_name = {str(each): each for each in found}
    missing = [name for name in names if name not in by_name]
    others = sorted(set(by_name) - set(names))
    if missing or others:
        raise ValueError(
            f"the grid must have the axes of the model, {names}: rename its dimensions, choose one "
            f"place of others with .isel, and give those that are missing in coords. Got "
            f"{sorted(by_name)}."
        )
    return [by_name[name] for name in names]


def _xarray() -> Any:
    """xarray, None where it is not installed."""
    try:
        import xarray
    except ImportError:
        return None
    return xarray
