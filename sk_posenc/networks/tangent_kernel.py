"""The neural tangent kernel of a ReLU network, in closed form, as a function of cosines."""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from sk_posenc.core.arrays import Array
from sk_posenc.core.memory import check_copies
from sk_posenc.core.settings import parse_integer

# Arrays of the size of the result that are held at the same time.
ARRAYS = 8


def tangent_kernel(
    cosine: Any, hidden_layers: int | Sequence[int], *, in_features: int | None = None
) -> Array:
    r"""Neural tangent kernel of a ReLU network, from the cosines of its inputs.

    For inputs of equal norm, the kernel of a wide network depends on their cosine c only.
    With :math:`S_0 = T_0 = c` and the arc-cosine kernels [2]_

    .. math::

        k_0(c) = \frac{\pi - \arccos c}{\pi}, \qquad
        k_1(c) = \frac{c \, (\pi - \arccos c) + \sqrt{1 - c^2}}{\pi},

    each hidden layer takes

    .. math:: T_l = k_1(S_{l-1}) + T_{l-1} \, k_0(S_{l-1}), \qquad S_l = k_1(S_{l-1}),

    and after L of them the kernel, divided by its value at c = 1, is :math:`T_L / (L + 1)`.

    Parameters
    ----------
    cosine : array-like of any shape
        Cosines of pairs of inputs, such as ``encoder.similarity(X)``; in any array namespace,
        torch tensors included.
    hidden_layers : int or sequence of int
        A number L of at least 0: the hidden layers of an infinitely wide network; 0 is a linear
        head, whose kernel is the cosine itself. A sequence: the sizes of the hidden layers of
        a `CoordinateMLP`.
    in_features : int, default=None
        Columns of the input of this `CoordinateMLP`. Needed with a sequence of sizes, and only
        then.

    Returns
    -------
    array of the shape of `cosine`
        1 where the cosine is 1; float32 for float32 cosines.

    Raises
    ------
    ValueError
        For NaN, for cosines outside [-1, 1] by more than rounding, for a negative number of
        layers, and for sizes without `in_features` or `in_features` without sizes.
    TypeError
        For a number of layers that is not whole, and cosines that are not real numbers.

    Notes
    -----
    For a number of layers, the kernel is that of the infinitely wide network without biases in
    the parametrisation of [1]_: weights are normal with variance 2 / fan-in, and all layers
    learn alike. The network is homogeneous: for inputs of norms a and b the kernel is
    :math:`a b \, T`.

    `CoordinateMLP` is initialised differently. It draws weights and biases with variance
    :math:`1 / (3 n)`, n the fan-in. A layer then passes on a sixth of what it gets, biases count
    more with depth, and a layer learns in proportion to its fan-in. For a sequence of sizes
    :math:`n_1, \dots, n_L` after an input of :math:`n_0` columns, the kernel is that of this
    network, as a mean over initial weights. Terms in 1 / width are left out, and sums of uniform
    weights are taken as normal (an error of some 0.02 where a row has 8 columns that are not 0).
    With inputs of squared norm :math:`n_0`, as CoordinateMLPRegressor scales them, it starts
    from :math:`S_0 = (c + 1 / n_0) / 3` and :math:`T_0 = n_0 c + 1`, and each layer takes,
    with :math:`\rho` the cosine :math:`S_{l-1}(c) / S_{l-1}(1)`,

    .. math::

        H_l = \tfrac12 S_{l-1}(1) \, k_1(\rho), \qquad
        T_l = n_l H_l + 1 + \tfrac16 T_{l-1} \, k_0(\rho), \qquad
        S_l = \tfrac13 (H_l + 1 / n_l).

    Most of what the biases add is a constant, which centred targets do not need.

    References
    ----------
    .. [1] A. Jacot, F. Gabriel, C. Hongler. "Neural tangent kernel: convergence and
       generalization in neural networks". NeurIPS 2018.
    .. [2] Youngmin Cho, L. K. Saul. "Kernel methods for deep learning". NeurIPS 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import tangent_kernel
    >>> tangent_kernel(np.array([1.0, 0.5, 0.0]), hidden_layers=1).round(3)
    array([1.   , 0.471, 0.159])
    """
    layers = check_layers(hidden_layers)
    check_copies(cosine, ARRAYS, "take fewer cosines at a time")
    cosine = _check_cosine(cosine)
    xp = array_namespace(cosine)
    cosine = xp.clip(cosine, -1.0, 1.0)
    if isinstance(layers, int):
        if in_features is not None:
            raise ValueError(
                "in_features is for sizes of hidden layers, not for their number: give sizes such "
                f"as (256, 256), or leave in_features out. Got hidden_layers={hidden_layers!r}."
            )
        return _through(cosine, cosine, 1.0, [_WIDE] * layers, xp)
    if in_features is None:
        raise ValueError(
            f"hidden_layers={hidden_layers!r} are the sizes of layers, whose kernel depends on "
            "the number of columns of the input: give in_features."
        )
    n = parse_integer(in_features, "in_features")
    rho = (n * cosine + 1) / (n + 1)
    return _through(rho, n * cosine + 1, n + 1.0, _coordinate_mlp_layers(n, layers), xp)


# Kernels of deeper networks are constant but for rounding.
_DEEPEST = 10_000


class _Layer(NamedTuple):
    """What a hidden layer does to the kernel."""

    weights: float  # gradient of the weights that read the layer, per unit of k1
    biases: float  # gradient of the biases beside them
    passed: float  # share of the kernel below that comes through, per unit of k0
    bias_share: float  # share of the biases in the variance that goes on


_WIDE = _Layer(weights=1.0, biases=0.0, passed=1.0, bias_share=0.0)


def _coordinate_mlp_layers(in_features: int, sizes: Sequence[int]) -> list[_Layer]:
    """Layers of CoordinateMLP as they are drawn: all variances are 1 / (3 fan-in)."""
    variance = (1 + 1 / in_features) / 3
    layers = []
    for n in sizes:
        square = variance / 2  # of a unit after ReLU
        layers.append(_Layer(n * square, 1.0, 1 / 6, 1 / (1 + n * square)))
        variance = (square + 1 / n) / 3
    return layers


def _through(
    rho: Array, tangent: Array, peak: float, layers: list[_Layer], xp: ModuleType
) -> Array:
    """The tangent kernel above some layers over its peak, from that below them.

    `rho` is the cosine of what reaches the first of them, `peak` is the tangent at 1.
    """
    for layer in layers:
        k0 = 1 - xp.acos(rho) / math.pi
        # the product keeps the digits that 1 - rho^2 would lose near 1
        k1 = rho * k0 + xp.sqrt((1 - rho) * (1 + rho)) / math.pi
        tangent = layer.weights * k1 + layer.biases + layer.passed * tangent * k0
        peak = layer.weights + layer.biases + layer.passed * peak
        rho = xp.clip(k1 + layer.bias_share * (1 - k1), 0.0, 1.0)
    return tangent / peak


def check_layers(hidden_layers: Any) -> int | tuple[int, ...]:
    """A number of layers of at least 0, or sizes."""
    if isinstance(hidden_layers, Sequence | np.ndarray) and not isinstance(hidden_layers, str):
        sizes = enumerate(hidden_layers)
        return tuple(parse_integer(size, f"hidden_layers[{i}]") for i, size in sizes)
    sizes_too = ", or the sizes of the layers of a CoordinateMLP"
    n_layers = parse_integer(hidden_layers, "hidden_layers", 0, sizes_too)
    if n_layers > _DEEPEST:
        raise ValueError(
            f"hidden_layers must be at most {_DEEPEST:,} layers{sizes_too}. Got {hidden_layers!r}."
        )
    return n_layers


def _check_cosine(cosine: Any) -> Array:
    """Cosines as an array of floats, in their own namespace."""
    if not is_array_api_obj(cosine) or isinstance(cosine, np.generic):
        cosine = np.asarray(cosine)
    if isinstance(cosine, np.ndarray):  # in the order of bytes of this machine
        cosine = cosine.astype(cosine.dtype.newbyteorder("="), copy=False)
    xp = array_namespace(cosine)
    if isinstance(cosine, np.ndarray) and cosine.dtype == object:
        raise TypeError(f"cosine must be an array of real numbers. Got {cosine!r}.")
    if not xp.isdtype(cosine.dtype, ("real floating", "integral")):
        raise TypeError(f"cosine must be an array of real numbers. Got {cosine.dtype}.")
    if not xp.isdtype(cosine.dtype, "real floating"):
        cosine = xp.astype(cosine, xp.float64)
    if math.prod(cosine.shape) == 0:
        return cosine
    largest = float(xp.max(xp.abs(cosine)))
    if math.isnan(largest):
        raise ValueError("cosine contains NaN: a kernel needs the cosine of every pair")
    # sums of rounded squares, in the precision that they were made in
    if largest > 1 + math.sqrt(float(xp.finfo(cosine.dtype).eps)):
        raise ValueError(
            "cosine must be the inner products of rows of norm 1, in [-1, 1]: divide by the "
            f"norms of the rows first. The largest is {largest:g} in size."
        )
    return cosine
