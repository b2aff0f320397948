"""What a ReLU network sees through an encoding: its similarity and the stable rank of that."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from scipy.stats import qmc
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.checks import checked_array
from sk_posenc.core.encoding import Encoding
from sk_posenc.core.memory import check_copies
from sk_posenc.core.settings import parse_axis, parse_flag
from sk_posenc.core.stable_rank import stable_rank_of_gram
from sk_posenc.encoders.bases import Impulse
from sk_posenc.encoders.basis import Basis
from sk_posenc.networks.tangent_kernel import ARRAYS, check_layers, tangent_kernel

# Pairs of places, as a power of 2, that tell the mean similarity over the domain.
_PAIRS_LOG2 = 14


def network_similarity(
    encoder: Any,
    delta: ArrayLike,
    hidden_layers: int | Sequence[int],
    *,
    axis: int | None = 0,
) -> NDArray[np.float64]:
    r"""Similarity that a ReLU network sees through an encoding, before any training.

    This is the neural tangent kernel of the network on top of the encoding, as a function of
    the displacement: `tangent_kernel` of :math:`c = D(\delta) / D(0)`. It means to the network
    what D means to a linear head.

    Parameters
    ----------
    encoder : fitted encoder of this package
    delta : array-like of shape (n,), or (n, n_axes) with ``axis=None``
        Displacements in coordinate units.
    hidden_layers : int or sequence of int
        As in `tangent_kernel`: the number of layers of an infinitely wide network, or the
        layer sizes of a `CoordinateMLPRegressor` in its default scaling.
    axis : int or None, default=0
        The axis of the displacements. As in `similarity_radius`, only the columns of that axis
        count. None: `delta` holds offsets over all axes, and the whole encoding counts.

    Returns
    -------
    ndarray of shape (n,)
        1 at displacement 0; with 0 hidden layers D(delta) / D(0).

    Raises
    ------
    ValueError
        For displacements of another shape, NaN or infinity, an axis that does not exist, and
        ``axis=None`` for an encoder without a D, such as a learnable one.
    TypeError
        For an encoder of another kind, and an axis that is not a whole number.

    See Also
    --------
    network_stable_rank : How many independent values the network sees.
    tangent_kernel : The same kernel for any cosines.

    Notes
    -----
    Where the similarity does not depend on the displacement alone, the kernel is averaged over
    16 places of the domain. For impulses, whose rows are equal or orthogonal, it is the mean
    over all places. For a sequence of sizes the rows are centred first, as
    CoordinateMLPRegressor centres its input: the cosines are :math:`(c - m) / (1 - m)`, with m
    the mean of c over pairs in the domain.

    In an encoding of several axes side by side, fixed coordinates have equal columns, and a
    network over all axes sees these too. For its similarity along one axis, use ``axis=None``
    with offsets of 0 along the others.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, network_similarity
    >>> encoder = ShiftedBasisEncoder(stable_rank=8).fit(np.linspace(0, 1, 100)[:, None])
    >>> for layers in (0, 4):
    ...     print(network_similarity(encoder, [0.0, 0.05, 0.5], layers).round(2))
    [1.  0.6 0. ]
    [1.   0.47 0.29]
    """
    _check_encoder(encoder)
    layers = check_layers(hidden_layers)
    n_axes = encoder.n_features_in_
    if axis is not None:
        encoder, axis = encoder._of_axis(
            parse_axis(axis, encoder.n_features_in_, ", or None for all of them")
        )
    check_copies(delta, ARRAYS, "take fewer displacements at a time")
    lags = checked_array(
        delta, dtype=np.float64, ensure_2d=False, ensure_min_samples=0, input_name="delta"
    )
    wanted = 1 if axis is not None else 2
    if lags.ndim != wanted or (axis is None and lags.shape[1] != n_axes):
        raise ValueError(
            "delta must be an array of displacements along one axis, of shape (n,), or, with "
            f"axis=None, of offsets of shape (n, {n_axes}). Got shape {lags.shape}."
        )
    if axis is None:
        if not _is_stationary(encoder):
            raise ValueError(
                "axis=None needs a similarity that depends on the displacement only: set axis to "
                "one axis, where it is averaged over the domain, or use tangent_kernel with "
                f"encoder.similarity(X). Got {type(encoder).__name__}."
            )
        return _kernel(encoder, encoder._offset_similarity(lags), layers, None)
    if _is_stationary(encoder):
        return _kernel(encoder, encoder._axis_similarity(axis, lags), layers, axis)
    if _counts_cells(encoder):
        apart = _kernel(encoder, np.zeros_like(lags), layers, axis)
        return _mean_over_cells(encoder._axis_similarity(axis, lags), apart)
    pairs = encoder._measured_pairs(axis, lags)
    cosines = np.stack([np.sum(_unit(first) * _unit(second), axis=-1) for first, second in pairs])
    return np.mean(_kernel(encoder, cosines, layers, axis), axis=0)


def network_stable_rank(
    encoder: Any, hidden_layers: int | Sequence[int], *, centred: bool = False
) -> NDArray[np.float64]:
    r"""Stable rank of the similarity that a ReLU network sees, per axis.

    This is the stable rank of a matrix whose rows have the neural tangent kernel as inner
    products, for dense samples of the domain. It is the trace of the kernel matrix divided by its
    largest eigenvalue, or about :math:`1 / \text{mean of } T` over the displacements.

    Parameters
    ----------
    encoder : fitted encoder of this package
    hidden_layers : int or sequence of int
        As in `tangent_kernel` and `network_similarity`.
    centred : bool, default=False
        Whether to count functions of mean 0 only. The kernel of a network with hidden layers
        never falls to 0. Its constant part keeps the stable rank below :math:`2 \pi`, though
        centred targets do not need it. True: the stable rank without this part.

    Returns
    -------
    ndarray of shape (n_axes,)
        With 0 hidden layers the stable rank of the encoding, ``encoder.stable_rank_``.

    Raises
    ------
    ValueError, TypeError
        As `network_similarity`.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, network_stable_rank
    >>> encoder = ShiftedBasisEncoder(stable_rank=32).fit(np.linspace(0, 1, 200)[:, None])
    >>> for layers in (0, 1, 4):
    ...     rank = network_stable_rank(encoder, layers)
    ...     centred = network_stable_rank(encoder, layers, centred=True)
    ...     print(layers, rank.round(1), centred.round(1))
    0 [32.] [31.1]
    1 [5.5] [37.4]
    4 [3.3] [54.8]
    """
    _check_encoder(encoder)
    parse_flag(centred, "centred")
    layers = check_layers(hidden_layers)
    ranks = np.empty(encoder.n_features_in_)
    of_axes = [encoder._of_axis(axis) for axis in range(len(ranks))]
    for number, (encoder, axis) in enumerate(of_axes):
        lags = encoder._dense_lags(axis)
        if _is_stationary(encoder):
            row = _kernel(encoder, encoder._axis_similarity(axis, lags), layers, axis)
            gram = linalg.toeplitz(row)
        else:
            low, _ = encoder._ends[axis]
            rows = encoder._axis_features(axis, low + lags)
            gram = _kernel(encoder, _unit(rows) @ _unit(rows).T, layers, axis)
        if centred:
            gram = gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()
        ranks[number] = stable_rank_of_gram(gram)
    return ranks


def _kernel(
    encoder: Any, cosine: NDArray, layers: int | tuple[int, ...], axis: int | None
) -> NDArray[np.float64]:
    """The tangent kernel of a network on an encoder, or on its columns of an axis."""
    cosine = np.clip(cosine, -1.0, 1.0)
    kernel: NDArray[np.float64]
    if isinstance(layers, int):
        kernel = tangent_kernel(cosine, layers)
    else:
        mean, n = _mean_and_columns(encoder, axis)
        centred = np.clip((cosine - mean) / (1 - mean), -1.0, 1.0)
        kernel = tangent_kernel(centred, layers, in_features=n)
    return kernel


def _mean_and_columns(encoder: Any, axis: int | None) -> tuple[float, int]:
    """Mean similarity of pairs in the domain, and the number of columns."""
    lengths = np.array([high - low for low, high in encoder._ends])
    n_columns = encoder._n_features_out
    if axis is not None:
        low, _ = encoder._ends[axis]
        features = encoder._axis_features(axis, low + encoder._dense_lags(axis))
        n_columns = features.shape[1]
        if not encoder._is_stationary():
            mean = features.mean(axis=0)
            return float(mean @ mean / np.mean(np.sum(features**2, axis=1))), n_columns
        lengths = lengths[[axis]]
    places = qmc.Sobol(2 * len(lengths), seed=0).random_base2(_PAIRS_LOG2)
    offsets = (places[:, : len(lengths)] - places[:, len(lengths) :]) * lengths
    if axis is None:
        similarity = encoder._offset_similarity(offsets)
    else:
        similarity = encoder._axis_similarity(axis, offsets[:, 0])
    return float(np.mean(similarity)), n_columns


def _counts_cells(encoder: Any) -> bool:
    """Whether two coordinates are either in one cell, and encoded alike, or orthogonal."""
    return any(encoder._axis_traits(axis).in_cells for axis in range(encoder.n_features_in_))


def basis_kernel(basis: Basis, similarity: NDArray, hidden_layers: int) -> NDArray[np.float64]:
    """`tangent_kernel` of the similarity of a basis, in the mean over places."""
    if isinstance(basis, Impulse):
        apart = tangent_kernel(np.zeros_like(similarity), hidden_layers)
        return _mean_over_cells(similarity, apart)
    kernel: NDArray[np.float64] = tangent_kernel(np.clip(similarity, -1.0, 1.0), hidden_layers)
    return kernel


def _mean_over_cells(alike: NDArray, apart: NDArray) -> NDArray[np.float64]:
    """Mean kernel where a share of pairs is in one cell, and all others have cosine 0."""
    return np.asarray(alike + (1 - alike) * apart)


def _is_stationary(encoder: Any) -> bool:
    """Whether each pair of coordinates has the similarity of its displacement."""
    return bool(encoder._is_stationary()) and not _counts_cells(encoder)


def _unit(rows: NDArray) -> NDArray[np.float64]:
    """Rows of norm 1, and of 0 where they were."""
    norms = linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, np.finfo(np.float64).tiny))


def _check_encoder(encoder: Any) -> None:
    if not isinstance(encoder, Encoding):
        raise TypeError(f"encoder must be a fitted encoder of sk_posenc. Got {encoder!r}.")
    check_is_fitted(encoder)
