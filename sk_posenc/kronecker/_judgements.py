"""Resolutions that have been judged, and the climb to the best of them."""

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._climb import RADIAL_BASES, SPACINGS, Climb
from sk_posenc.kronecker._criterion import Judged
from sk_posenc.kronecker._progress import scored
from sk_posenc.kronecker._sphere_climb import SphereClimb
from sk_posenc.kronecker._stage import Resolution, Stage
from sk_posenc.kronecker._stages import Stages


@dataclass(eq=False)
class Judgements:
    """Resolutions judged on the places of one stage."""

    stage: Stage | Stages
    alphas: NDArray[np.float64]
    known: dict[Resolution, Judged] = field(default_factory=dict)
    seconds: dict[Resolution, float] = field(default_factory=dict)

    @property
    def best(self) -> Resolution:
        return min(self.known, key=self.score)

    def score(self, resolution: Resolution) -> float:
        """That of the best alpha."""
        if resolution not in self.known:
            start = time.perf_counter()
            self.known[resolution] = self._judge(resolution)
            self.seconds[resolution] = time.perf_counter() - start
            scored()
        return float(self.known[resolution].criterion.min())

    def _judge(self, resolution: Resolution) -> Judged:
        return self.stage.judge(resolution, self.alphas)

    def climb(self) -> Resolution:
        stage = self.stage
        if stage.spheres is not None:
            lengths = [each.high - each.low for each in stage.spacings]
            return SphereClimb(self.score, stage.spheres, lengths, stage.n_places).run()
        return Climb(
            self.score,
            stage.n_axes,
            stage.n_places,
            spacings=SPACINGS[:1] if stage.is_even else SPACINGS,
            radial=() if stage.is_grid or stage.n_axes == 1 else RADIAL_BASES,
        ).run()
