"""Wide holes of a grid, and copies of them where there are samples, which show what fills them."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt, maximum_filter, minimum_filter

from sk_posenc.kronecker._candidates import Candidate
from sk_posenc.kronecker._device import Place
from sk_posenc.kronecker._encoders import in_order
from sk_posenc.kronecker._gaps import WIDE
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._search import problems_of
from sk_posenc.kronecker._targets import Units
from sk_posenc.kronecker.penalties import Smoothness

# Cells of the part of a grid that judges, about, and its side in widths of the widest hole, at
# least; where the grid has so many times as many samples.
_CELLS, _WIDTHS = 2**15, 4
_PART = 1.5

# The share of the samples that copies take, about and at most; places that are tried for them; and
# the share of a copy that may lie on holes and other copies.
_COPIED, _MOST = 0.12, 0.3
_TRIES, _ON_OTHERS = 64, 0.25

# Units of length that differ by less mean the same.
_ALIKE = 0.02


@dataclass(frozen=True, eq=False)
class WideHoles:
    """Cells of a grid in cubes without samples.

    Attributes
    ----------
    holes, known : ndarrays of bool, of the shape of the grid
        Cells of wide holes, and those with samples.
    """

    holes: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, samples: Samples) -> Self | None:
        """None where there are none."""
        if not samples.on_grid or samples.weights is None or len(samples.shape) < 2:
            return None
        known = samples.weights > 0
        inside = minimum_filter(~known, WIDE, mode="nearest")
        holes = maximum_filter(inside, WIDE, mode="constant", cval=0, origin=-1 + WIDE % 2)
        holes &= ~known
        return cls(holes, known) if holes.any() else None

    def copies(self) -> NDArray[np.bool_] | None:
        """Cells with samples in copies of all holes, always the same ones; None: no place."""
        random = np.random.default_rng(1)
        copied, axes = np.zeros_like(self.holes), tuple(range(self.holes.ndim))
        n_known, n_holes = int(self.known.sum()), int(self.holes.sum())
        for _ in range(_TRIES):
            moved = np.roll(self.holes, random.integers(self.holes.shape), axis=axes)
            if np.sum(moved & (self.holes | copied)) > _ON_OTHERS * n_holes:
                continue
            more = copied | (moved & self.known)
            if more.sum() <= _MOST * n_known:
                copied = more
            if copied.sum() >= _COPIED * n_known:
                break
        return copied if copied.any() else None

    def part(self, cells: NDArray) -> tuple[slice, ...]:
        """A part of the grid, wide enough for its holes, where most is at stake in them.

        Parameters
        ----------
        cells : ndarray of shape (q, *shape)
            Targets.
        """
        shape = self.holes.shape
        widest = 2 * int(distance_transform_cdt(self.holes, "chessboard").max())
        side = max(math.ceil(_CELLS ** (1 / len(shape))), _WIDTHS * widest)
        starts = [range(0, n - side + 1, max(1, side // 4)) or range(1) for n in shape]
        parts = (
            tuple(slice(each[i], each[i] + side) for each, i in zip(starts, index, strict=True))
            for index in np.ndindex(*map(len, starts))
        )

        def at_stake(part: tuple[slice, ...]) -> float:
            inside, known = cells[:, *part], self.known[part]
            both = known[..., 1:] & known[..., :-1]
            rough = float(np.mean(np.diff(inside)[:, both] ** 2)) if both.any() else 0.0
            return rough * int(self.holes[part].sum())

        return max(parts, key=at_stake)


class JudgedBy(NamedTuple):
    """What candidates are judged by.

    Attributes
    ----------
    samples : Samples
    columns : ndarray of shape (n_samples, q)
        Centred targets, in units of their own.
    problems : list of Problem
        One per path.
    size : float
        What the spread of the first target is in scores.
    far : ndarray of bool of the shape of the samples, or None
        Cells that are held out together, far from all others.
    """

    samples: Samples
    columns: NDArray
    problems: list[Problem]
    size: float
    far: NDArray[np.bool_] | None = None


def fills_holes(problem: Problem) -> bool:
    """Whether it is one of smoothness, and a few steps solve it in holes too."""
    design = problem.design
    encoders = [axis.encoder for axis in design.axes]
    ends = all(in_order(each) and each._boundary(0) != "periodic" for each in encoders)
    smooth = design.adds_up and isinstance(design.penalty, Smoothness)
    return ends and smooth and problem.solver.iterates


def judged_holes(
    judged: JudgedBy,
    X: NDArray,
    weights: NDArray | None,
    paths: list[Candidate],
    alphas: NDArray,
    *,
    units: Units,
    place: Place,
    whole: bool,
) -> JudgedBy:
    """With copies of wide holes held out, on a part of the grid unless all of it must judge."""
    samples, columns, problems, size, _ = judged
    holes = WideHoles.of(samples)
    if holes is None:
        return judged
    rows = _rows_of_part(samples, holes.part(samples.to_cells(columns)))
    if not whole and _PART * len(rows) < len(columns):
        part = Samples(X[rows], None if weights is None else weights[rows])
        of_part, own = problems_of(paths, part, alphas, place), WideHoles.of(part)
        if own is not None and all(map(_same_units, problems, of_part)):
            samples, problems, holes, columns = part, of_part, own, columns[rows]
            columns = columns - samples.mean(columns)
            size = Units(samples, units.back(columns.T).T).size
    return JudgedBy(samples, columns, problems, size, holes.copies())


def best_in_holes(scores: NDArray, near: NDArray) -> int:
    """Samples near others choose the alpha of each path; all choose the path.

    Parameters
    ----------
    scores, near : ndarrays of shape (n_paths, n_alphas)
        NaN where there is none.
    """
    tried = np.flatnonzero(~np.isnan(near).all(axis=1))
    places = [(int(path), int(np.nanargmax(near[path]))) for path in tried]
    path, j = max(places, key=lambda at: scores[at])
    return path * near.shape[1] + j


def _rows_of_part(samples: Samples, part: tuple[slice, ...]) -> NDArray[np.intp]:
    """Samples in a part of their grid."""
    inside = np.zeros(samples.shape, dtype=bool)
    inside[part] = True
    return np.flatnonzero(samples.to_samples(inside[None])[:, 0])


def _same_units(problem: Problem, other: Problem) -> bool:
    """Whether alphas mean the same for functions of two domains."""
    pairs = zip(problem.design.axes, other.design.axes, strict=True)
    return all(abs(_unit(b.encoder) / _unit(a.encoder) - 1) < _ALIKE for a, b in pairs)


def _unit(encoder: object) -> float:
    (low, high), *_ = encoder.domain_  # type: ignore[attr-defined]
    return float((high - low) / encoder.stable_rank_[0])  # type: ignore[attr-defined]
