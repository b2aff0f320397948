"""Exact leave-one-out of one listed candidate on a line, strength by strength."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._band import NotDefiniteError
from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._leaves_out import LeavesOut
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._progress import scored

# Automatic strengths are searched downhill: in steps of so many of them, then one by one.
_STEPS = (4, 2, 1)


@dataclass
class LineJudged:
    """Leave-one-out errors of one candidate, for the strengths that were asked for.

    Attributes
    ----------
    path : Candidate
    problem : Problem or None
        None once it has been forgotten.
    columns : ndarray of shape (n_samples, q)
        Centred targets, each in its own spread.
    alphas : ndarray
    errors : ndarray of shape (n_alphas,)
        Mean squares; infinite where rounding decides the solution, NaN where not asked for.
    seconds : ndarray of shape (n_alphas,)
    """

    path: Candidate
    problem: Problem | None
    columns: NDArray[np.float64]
    alphas: NDArray[np.float64]
    errors: NDArray[np.float64] = field(init=False)
    seconds: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.errors = np.full(len(self.alphas), np.nan)
        self.seconds = np.zeros(len(self.alphas))
        self._rotated: NDArray | None = self._solver.rotate_all(self.columns)

    @property
    def _solver(self) -> LeavesOut:
        assert self.problem is not None
        solver = self.problem.solver
        assert isinstance(solver, LeavesOut)
        return solver

    @property
    def best(self) -> int:
        """The strength of the least error so far."""
        return int(np.nanargmin(self.errors))

    @property
    def least(self) -> float:
        return float(np.nanmin(self.errors))

    def error(self, j: int) -> float:
        if np.isnan(self.errors[j]):
            start = time.perf_counter()
            self.errors[j] = self._error(float(self.alphas[j]))
            self.seconds[j] = time.perf_counter() - start
            scored()
        return float(self.errors[j])

    def _error(self, alpha: float) -> float:
        assert self.problem is not None
        assert self._rotated is not None
        scaled = alpha * self.problem.scale
        try:
            if self.problem.solver.condition_number(scaled) > limits_now().ill_conditioned:
                return np.inf
            residuals = self._solver.leave_one_out(self.columns, self._rotated, scaled)
        except NotDefiniteError:
            return np.inf
        return float(np.mean(self.problem.samples.mean(residuals**2)))

    def downhill(self, at: int, steps: Sequence[int] = _STEPS) -> None:
        """From one strength, in ever smaller steps."""
        n = len(self.alphas)
        at = min(max(at, 0), n - 1)
        self.error(at)
        for step in steps:
            for move in (step, -step):
                while 0 <= at + move < n and self.error(at + move) < self.error(at):
                    at += move

    def forget(self) -> None:
        """Keep the errors alone."""
        self.problem = self._rotated = None
