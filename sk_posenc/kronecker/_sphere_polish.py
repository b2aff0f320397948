"""What a part of many places on a sphere has chosen, judged again on all of them."""

import numpy as np
from numpy.typing import NDArray

from sk_posenc.core.limits import limits_now
from sk_posenc.kronecker._criterion import Judged
from sk_posenc.kronecker._judged_by_centres import judge_by_centres
from sk_posenc.kronecker._judgements import Judgements
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._sphere_climb import BasisClimb, best_of_bases
from sk_posenc.kronecker._stage import LIKELIHOOD_ON_SPHERE, Resolution, Stage

# The second best basis of a part may be the best by far on all places. It is given up where it
# starts worse by so much: climbs on all places gain up to 1.5.
_WORSE = 2.0

# Alphas below the best so far that are judged at first, and that are added where the least is best.
_BELOW = 2


def polished(judgements: Judgements, whole: Stage, samples: Samples) -> Judgements:
    """Judgements on all places from the best ones of a part, or those of the part.

    The part remains where all places are few, or lie on no sphere, and where its best resolution is
    so fine that centres do not suffice.

    Parameters
    ----------
    judgements : Judgements
        Of a part.
    whole : Stage
        All places.
    samples : Samples
    """
    now = limits_now()
    if whole.spheres is None or not whole.spheres.has_globe or whole.n_places <= now.judged_up_to:
        return judgements
    scores = {each: judgements.score(each) for each in judgements.known}
    rows = np.sort(np.random.default_rng(0).permutation(whole.n_places)[: now.polished_up_to])
    stage, starts = whole.part(rows), best_of_bases(scores)
    known = _ByCentres(stage, samples.scattered(rows), judgements)
    if not np.isfinite(known.score(starts[0])):
        return judgements
    lengths = [each.high - each.low for each in stage.spacings]
    for start in starts:
        if known.score(start) > min(map(known.score, starts)) + _WORSE:
            continue
        _Polish(known.score, whole.spheres, lengths, stage.n_places, start).run()
    return Judgements(judgements.stage, judgements.alphas, known.known, known.seconds)


class _ByCentres(Judgements):
    """Judgements by centres; of each resolution only of alphas near the best so far."""

    def __init__(self, stage: Stage, samples: Samples, begun: Judgements) -> None:
        super().__init__(stage, begun.alphas)
        self._all, self._samples = stage, samples
        best = min(begun.known, key=begun.score)
        self._near = int(np.argmin(begun.known[best].criterion))
        self._least = np.inf

    def _judge(self, resolution: Resolution) -> Judged:
        judged = self._judge_from_near(resolution)
        least = float(judged.criterion.min())
        if least < self._least:
            self._least, self._near = least, int(np.argmin(judged.criterion))
        return judged

    def _judge_from_near(self, resolution: Resolution) -> Judged:
        n, first = len(self.alphas), max(self._near - _BELOW, 0)
        criterion, squared = np.full(n, np.inf), np.full(n, np.nan)
        while True:
            found = judge_by_centres(
                self._samples, self._all, resolution, self.alphas[first:], LIKELIHOOD_ON_SPHERE
            )
            if found is None:
                break
            criterion[first:], squared[first:] = found.criterion, found.squared_error
            if first == 0 or int(np.argmin(criterion)) > first:
                break
            first = max(first - _BELOW, 0)
        return Judged(criterion, squared)


class _Polish(BasisClimb):
    """Small steps of one basis from where a part has put it."""

    _steps = (0.25,)

    def _directions(self) -> list[NDArray[np.float64]]:
        # fewer functions first, which take less time
        return [-each for each in super()._directions()]
