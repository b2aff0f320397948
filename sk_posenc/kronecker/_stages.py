"""Places on which resolutions are judged, where outputs have holes of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_posenc.kronecker._criterion import Judged
from sk_posenc.kronecker._stage import Resolution, Stage

# Patterns of holes that a climb goes by, spread over all of them; all judge what it finds.
_PATTERNS = 8


@dataclass(eq=False)
class Stages:
    """A stage for each pattern of holes, as :class:`Stage` is for all outputs.

    Attributes
    ----------
    whole : Stage
        All places, without targets that count.
    stages : list of Stage
        Those of each pattern.
    places : list of ndarrays of ints
        Which of all places the places of each pattern are.
    """

    whole: Stage
    stages: Sequence[Stage]
    places: Sequence[NDArray[np.intp]]

    def __post_init__(self) -> None:
        for stage in self.stages:
            stage.spacings = self.whole.spacings  # of one domain, and one map

    def __getattr__(self, name: str) -> Any:
        if name in ("n_places", "n_axes", "is_even", "shares", "encoders", "spacings", "spheres"):
            return getattr(self.whole, name)
        raise AttributeError(name)

    @property
    def is_grid(self) -> bool:
        return all(stage.is_grid for stage in self.stages)

    @property
    def largest(self) -> int:
        return max(stage.largest for stage in self.stages)

    def is_light(self, n_outputs: int) -> bool:
        """Whether few enough outputs and patterns judge all that a climb tries."""
        outputs = sum(len(stage.cells) for stage in self.stages)
        return outputs <= n_outputs and len(self.stages) <= _PATTERNS

    @property
    def scattered(self) -> "Stages":
        return Stages(self.whole.scattered, [stage.scattered for stage in self.stages], self.places)

    def part(self, rows: NDArray[np.intp]) -> "Stages":
        """Some of all places, for each pattern those that it has."""
        kept = [np.flatnonzero(np.isin(each, rows)) for each in self.places]
        pairs = [
            (stage.part(own), np.searchsorted(rows, each[own]))
            for stage, each, own in zip(self.stages, self.places, kept, strict=True)
            if len(own) > 2
        ]
        return Stages(self.whole.part(rows), *zip(*pairs, strict=True))

    def with_outputs(self, n_outputs: int) -> "Stages":
        """At most so many outputs, of a few patterns, spread over all of them."""
        every = -(-len(self.stages) // _PATTERNS)
        stages = self.stages[::every]
        each = max(1, n_outputs // len(stages))
        return Stages(self.whole, [own.with_outputs(each) for own in stages], self.places[::every])

    def judge(self, resolution: Resolution, alphas: NDArray) -> Judged:
        """The means over all outputs."""
        counts = [len(stage.cells) for stage in self.stages]
        judged = [stage.judge(resolution, alphas) for stage in self.stages]
        return Judged(
            np.average([each.criterion for each in judged], axis=0, weights=counts),
            np.average([each.squared_error for each in judged], axis=0, weights=counts),
        )
