"""What one solution tells of samples of which only sums were kept."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._adaptive import NOT_LINEAR
from sk_posenc.kronecker._normal import NormalEquations
from sk_posenc.kronecker._posterior import PosteriorByProducts
from sk_posenc.kronecker.penalties import ADAPTIVE, Penalty


@dataclass(eq=False)
class FitOfSums:
    """Normal equations under a penalty.

    Attributes
    ----------
    sums : NormalEquations
    penalty : Penalty
    alpha : float
        Relative.
    """

    sums: NormalEquations
    penalty: Penalty
    alpha: float

    @cached_property
    def posterior(self) -> PosteriorByProducts:
        if self.penalty == ADAPTIVE:
            raise ValueError(NOT_LINEAR)
        sums = self.sums
        rotations, steps, size, per_alpha = sums.diagonalised(self.penalty)
        most = limits_now().dual_up_to
        if size.size > most:
            raise ValueError(
                "too large: after partial_fit standard deviations need a matrix of products x "
                f"products of the features of all axes, of at most {most:,}: use fewer shifts or "
                f"frequencies, or fit. Got {size.size:,} products."
            )
        back = [each.T for each in steps]
        gram = sums.gram if isinstance(sums.gram, np.ndarray) else sums.gram.toarray()
        gram = sums.turned_columns(sums.turned_columns(gram, back).T, back)
        penalised = self.alpha * sums.scale(self.penalty) * per_alpha
        moments = sums.turned_columns(sums.moments, back)
        self._moments, self._penalised = moments, penalised.ravel()
        return PosteriorByProducts(
            np.ascontiguousarray(gram),
            moments[:, -1],
            sums.n_samples,
            sums.total,
            penalised,
            rotations,
        )

    @cached_property
    def noise_variance(self) -> NDArray[np.float64]:
        """As of :class:`Fit`, of the exact solution."""
        sums, posterior = self.sums, self.posterior
        moments = self._moments[:, :-1] - self._moments[:, -1:] * sums.mean
        z = posterior.solve(moments)
        squares = np.diag(sums.centred()[1])
        left = squares - np.sum(z * moments, axis=0) - self._penalised @ z**2
        return np.maximum(left, 0.0) / sums.total * sums.n_samples / posterior.freedom

    def deviations(self, variance: NDArray) -> NDArray[np.float64]:
        """Standard deviations (m, q) of functions whose posterior has a variance (m,)."""
        weight = self.sums.total / self.sums.n_samples
        return np.sqrt(variance[:, None] * self.noise_variance * weight)
