"""Maps of dask: chunks that are predicted when they are computed."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Predict = Callable[[Mapping[Hashable, NDArray]], tuple[NDArray, NDArray | None]]


def lazily(
    predict: _Predict,
    axes: Mapping[Hashable, NDArray],
    dims: Sequence[Hashable],
    chunks: Sequence[tuple[int, ...]],
) -> tuple[Any, Any]:
    """Values of a map and their standard deviations, or None, as arrays of dask.

    `predict` gives both at the coordinates that it gets. It is asked for one cell at once, which
    tells the outputs, and of a grid that does not fit the model.
    """
    import dask.array as da

    one, one_std = predict({name: along[:1] for name, along in axes.items()})
    outputs = one.shape[len(dims) :]
    n = int(np.prod(outputs))
    width = n if one_std is None else 2 * n

    def block(block_info: Any = None) -> NDArray:
        where = block_info[None]["array-location"]
        part = dict(axes)
        for dim, (start, stop) in zip(dims, where, strict=False):
            part[dim] = axes[dim][start:stop]
        found = [each for each in predict(part) if each is not None]
        shape = tuple(len(part[dim]) for dim in dims)
        return np.concatenate([each.reshape(*shape, n) for each in found], axis=-1)

    stacked = da.map_blocks(
        block,
        chunks=(*chunks, (width,)),
        dtype=one.dtype,
        meta=np.empty((0,) * (len(dims) + 1), one.dtype),
    )
    means, stds = stacked[..., :n], None if one_std is None else stacked[..., n:]
    if not outputs:
        return means[..., 0], None if stds is None else stds[..., 0]
    return means, stds
