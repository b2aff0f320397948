"""Similarity radius: how far an encoder sees along each axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.encoding import Encoding
from sk_posenc.core.settings import parse_number


def similarity_radius(encoder: Any, *, level: float = 0.1) -> NDArray[np.float64]:
    """Half-width of the neighbourhood that an encoder sees, per axis.

    The smallest displacement along an axis, the other coordinates fixed, at which the
    similarity D falls to ``level * D(0)``. For the Gaussian on an axis of width 1, radius
    times stable rank is sqrt(ln(10) / pi) at level 0.1.

    Parameters
    ----------
    encoder : fitted encoder of this package
    level : float, default=0.1
        Share of D(0), in (0, 1).

    Returns
    -------
    ndarray of shape (n_axes,)
        In coordinate units. The width of the domain, where the similarity does not fall to
        the level inside it.

    Raises
    ------
    ValueError
        For a `level` outside (0, 1).
    TypeError
        For an encoder of another kind, and a `level` that is not a number.

    References
    ----------
    J. Zheng, S. Ramasinghe, S. Lucey, "Rethinking Positional Encoding",
    arXiv:2107.02561, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, similarity_radius
    >>> encoder = ShiftedBasisEncoder(stable_rank=10).fit(np.linspace(0, 1, 99)[:, None])
    >>> similarity_radius(encoder).round(4)
    array([0.0856])
    """
    if not isinstance(encoder, Encoding):
        raise TypeError(f"encoder must be a fitted encoder of sk_posenc. Got {encoder!r}.")
    check_is_fitted(encoder)
    level = parse_number(level, "level", above=0, below=1)
    radii = np.empty(encoder.n_features_in_)
    ranks = to_numpy(encoder.stable_rank_)
    for axis, (low, high) in enumerate(to_numpy(encoder.domain_)):

        def above(delta: float, axis: int = axis) -> float:
            return float(encoder._axis_similarity(axis, np.array([delta]))[0]) - level

        # steps well inside the main lobe, whose half-width is about 1 / stable rank
        n_steps = int(np.ceil(32 * max(1.0, float(ranks[axis]))))
        lags = np.linspace(0, high - low, n_steps + 1)
        below = np.flatnonzero(encoder._axis_similarity(axis, lags) <= level)
        radii[axis] = brentq(above, lags[below[0] - 1], lags[below[0]]) if len(below) else lags[-1]
    return radii
