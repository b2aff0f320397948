"""What one solution tells of the outputs that share their samples."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._covariates import CovariateFit
from sk_posenc.kronecker._posterior import Posterior
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._targets import Units, check_squared

# A fit that leaves less freedom, as a share of the samples, passes through all of them.
_NO_FREEDOM = 1e-13


@dataclass(eq=False)
class Fit:
    """A problem that was solved for an alpha.

    Attributes
    ----------
    problem : Problem
    alpha : float
        Absolute.
    units : Units
        Of the targets.
    centred : ndarray of shape (q, *shape of the samples) or (n_samples, q)
        Targets less their mean, in their exact units: means of cells, which tell those of samples
        only where no sample repeats another.
    solution : ndarray
        Of the solver, in the unit of y.
    covariates : CovariateFit or None
        What was taken from the targets.
    """

    problem: Problem
    alpha: float
    units: Units
    centred: NDArray
    solution: NDArray
    covariates: CovariateFit | None = None

    @cached_property
    def posterior(self) -> Posterior:
        if self.alpha == 0:
            raise ValueError("standard deviations need alpha > 0: raise alpha. Got alpha=0.")
        return self.problem.solver.posterior(self.alpha)

    @cached_property
    def noise_variance(self) -> NDArray[np.float64]:
        """Of a sample of mean weight, (q,): the squares that the fit leaves, over its freedom.

        This is the estimate of Wahba, "Bayesian confidence intervals for the cross-validated
        smoothing spline", 1983.
        """
        samples = self.problem.samples
        of_samples, freedom = self._residuals
        if self.covariates is not None:
            freedom -= self.covariates.taken
        if freedom <= _NO_FREEDOM * samples.n_present:
            cure = "raise alpha" if samples.n_present > 1 else "fit more than one"
            raise ValueError(
                "the fit passes through all samples, which then tell nothing of their noise: "
                f"{cure}. Got alpha={self.alpha / self.problem.scale:g}."
            )
        check_squared(float(self.units.exact.max()))
        share = freedom / samples.n_present
        return samples.mean(of_samples**2) / share * self.units.exact**2

    @cached_property
    def _residuals(self) -> tuple[NDArray, float]:
        """Of all samples (n, q), in exact units, and the freedom that the fit leaves them."""
        samples, centred = self.problem.samples, self.centred
        cells = samples.to_cells(centred) if samples.repeats else centred
        solution = self.units.scaled(self.solution)
        residuals, freedom = self.problem.left_over(
            cells, self.alpha, solution, lambda: self.posterior
        )
        of_samples = samples.to_samples(residuals)
        if samples.repeats:
            of_samples += centred - samples.to_samples(cells)
            freedom += samples.n_present - len(samples.occupied)
        return of_samples, freedom

    @cached_property
    def varies_as_claimed(self) -> NDArray[np.float64]:
        """What the fitted function varies over the samples to what the fit says it does, (q,)."""
        samples = self.problem.samples
        fitted = (self.targets() - self.units.mean) / self.units.exact - self._residuals[0]
        varies = samples.mean((fitted - samples.mean(fitted)) ** 2) * self.units.exact**2
        claimed = self.noise_variance * samples.thinning / self.alpha
        return varies / np.maximum(claimed, np.finfo(np.float64).tiny)

    def targets(self) -> NDArray:
        """Of all samples, (n, q), in the unit of y."""
        samples = self.problem.samples
        columns = self.centred if samples.repeats else samples.to_samples(self.centred)
        return columns * self.units.exact + self.units.mean

    def deviations(self, variance: NDArray) -> NDArray[np.float64]:
        """Standard deviations (m, q) of functions whose posterior has a variance (m,)."""
        noise = self.noise_variance * self.problem.samples.thinning
        return np.sqrt(variance[:, None] * noise)
