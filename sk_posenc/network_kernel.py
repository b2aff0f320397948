"""What a ReLU network sees through an encoding: its neural tangent kernel, in closed form."""

import math
import numbers
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from sk_posenc._arrays import Array


def tangent_kernel(cosine: Any, hidden_layers: int) -> Array:
    r"""Neural tangent kernel of a ReLU network, from the cosines of its inputs.

    For inputs of norm 1 the kernel of a wide network is a function of their cosine c alone.
    With :math:`S_0 = T_0 = c` and the arc-cosine kernels

    .. math::

        k_0(c) = \frac{\pi - \arccos c}{\pi}, \qquad
        k_1(c) = \frac{c \, (\pi - \arccos c) + \sqrt{1 - c^2}}{\pi},

    each hidden layer takes

    .. math:: T \leftarrow k_1(S) + T \, k_0(S), \qquad S \leftarrow k_1(S),

    and after L of them the kernel, here divided by its value at c = 1, is :math:`T / (L + 1)`.

    Parameters
    ----------
    cosine : array-like of any shape
        Inner products of rows of norm 1, such as ``encoder.similarity(X)``; in any array
        namespace, torch tensors included.
    hidden_layers : int
        L, at least 0; 0 is the linear head, whose kernel is the cosine itself.

    Returns
    -------
    array of the shape of `cosine`
        1 where the cosine is 1; float32 for float32 cosines.

    Raises
    ------
    ValueError
        For NaN, for numbers beyond -1 and 1 by more than rounding, and for a negative
        number of layers.
    TypeError
        For a number of layers that is not whole, and cosines that are not real numbers.

    Notes
    -----
    The kernel is that of the infinitely wide network without biases, its weights normal of
    variance 2 / fan-in, each layer's gradient in units of that scale [1]_. The network is
    homogeneous: for rows of other norms a and b the kernel is :math:`a b \, T`.

    References
    ----------
    .. [1] A. Jacot, F. Gabriel, C. Hongler. "Neural tangent kernel: convergence and
       generalization in neural networks". NeurIPS 2018.
    .. [2] Y. Cho, L. K. Saul. "Kernel methods for deep learning". NeurIPS 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import tangent_kernel
    >>> tangent_kernel(np.array([1.0, 0.5, 0.0]), hidden_layers=1).round(3)
    array([1.   , 0.471, 0.159])
    """
    layers = _check_hidden_layers(hidden_layers)
    cosine = _check_cosine(cosine)
    xp = array_namespace(cosine)
    covariance = tangent = xp.clip(cosine, -1.0, 1.0)
    for _ in range(layers):
        k0, k1 = _arc_cosine(covariance, xp)
        tangent = k1 + tangent * k0
        covariance = k1
    return tangent / (layers + 1)


def _arc_cosine(c: Array, xp: ModuleType) -> tuple[Array, Array]:
    """The arc-cosine kernels of order 0 and 1 of cosines in [-1, 1], both 1 at 1."""
    k0 = 1 - xp.acos(c) / math.pi
    # the product keeps the digits that 1 - c^2 would lose near 1
    k1 = c * k0 + xp.sqrt((1 - c) * (1 + c)) / math.pi
    return k0, xp.clip(k1, 0.0, 1.0)


def _check_hidden_layers(hidden_layers: Any) -> int:
    """A whole number of at least 0."""
    if isinstance(hidden_layers, bool | np.bool_) or not isinstance(
        hidden_layers, numbers.Integral
    ):
        raise TypeError(f"hidden_layers must be a whole number. Got {hidden_layers!r}.")
    if hidden_layers < 0:
        raise ValueError(f"hidden_layers must be at least 0. Got {hidden_layers!r}.")
    return int(hidden_layers)


def _check_cosine(cosine: Any) -> Array:
    """Cosines as an array of floats, in their own namespace."""
    if not is_array_api_obj(cosine) or isinstance(cosine, np.generic):
        cosine = np.asarray(cosine)
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
