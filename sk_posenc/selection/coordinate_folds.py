"""Cross-validation folds for samples at coordinates, on a grid or scattered."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.checks import checked_coordinates
from sk_posenc.core.incoming import settled
from sk_posenc.core.samples_per_axis import axis_cells
from sk_posenc.core.settings import parse_choice, parse_integer, random_state_of
from sk_posenc.core.sphere import check_places, parse_metric, quarter_of, unit_vectors
from sk_posenc.core.wording import counted
from sk_posenc.selection._crowding import warn_of_crowds
from sk_posenc.selection._groups import fold_groups
from sk_posenc.selection._sphere_blocks import sphere_blocks

__all__ = ["CoordinateKFold"]

_SCHEMES = ("subgrid", "block", "random")


class CoordinateKFold(BaseCrossValidator):
    """K folds that are laid out in space, whatever the order of the rows.

    Each axis is cut into cells, and `n_splits` is factorised over the axes. Each scheme
    tests something else: "subgrid" interpolation between samples, "block" extrapolation
    beyond them, "random" a mix of both, as in scattered gaps.

    Parameters
    ----------
    n_splits : int, default=4
        Number of folds, at least 2.
    scheme : {"subgrid", "block", "random"}, default="subgrid"
        - "subgrid": a fold takes every k-th cell along each axis. On a full grid, a fold
          is a full grid that is k times as coarse (interpolation).
        - "block": a fold takes neighbouring cells (extrapolation).
        - "random": a fold takes samples at random; fold sizes differ by one at most.
    random_state : int, RandomState instance or None, default=None
        Decides "random" folds. With None, each call of `split` shuffles again. The other
        schemes are not random and ignore it.
    metric : {"euclidean", "great_circle"}, default="euclidean"
        "great_circle": the first two columns of `X` are longitude and latitude, and folds are laid
        out on the sphere. The scheme is "block" or "random".
    unit : {"degrees", "radians"}, default="degrees"
        Unit of longitude and latitude, with `metric` "great_circle".

    Raises
    ------
    TypeError
        For an `n_splits` that is not a whole number, and another setting that is not a string.
    ValueError
        For fewer than two folds, for an unknown setting, and for the scheme "subgrid" on the
        sphere, which has no grid.

    See Also
    --------
    sklearn.model_selection.KFold : Folds by the order of the rows.

    Notes
    -----
    **Why not KFold.** The rows of an image are samples in C order. Without shuffling,
    scikit-learn's ``KFold`` holds out whole bands of it and scores extrapolation
    across a band, where little can be known. Other encodings win there than in
    interpolation between pixels, which matters for super-resolution, inpainting of
    small holes or the choice of a resolution. "subgrid" tests this interpolation. The
    test folds of every scheme partition the samples.

    **Cells.** On a grid axis each distinct value is a cell, whatever the spacing; a
    grid with some holes counts as a grid. Elsewhere the range of the axis is cut into
    equal cells, as many as there are samples per axis: 20 along each axis for 400
    points scattered over a plane. Samples at the same coordinates are then always in
    the same fold, except with "random".

    **Factors.** `n_splits` is written as a product of one factor per axis. No factor is
    larger than the number of cells of its axis, and the largest factor is as small as
    possible. Axes with more cells get the larger factors; among equal axes, the first.
    4 folds on a plane are 2 x 2, 6 are 3 x 2, and 8 in a volume are 2 x 2 x 2. A prime
    number goes to one axis: 5 folds on an image leave out every fifth row completely, and
    so test interpolation along that axis only. Prefer ``k ** n_axes``.

    **On the sphere** blocks are cut by planes, each across the direction in which the places
    spread most, until there are `n_splits` of them. Any number will do. Blocks hold as many places
    as each other, to one place. Neither the date line nor a pole is an end, and a part of the globe
    is cut just so. Pass longitude and latitude themselves, and let
    :class:`SphereCoordinates` be the first step of the Pipeline.

    **Groups.** The samples of one station, track or cluster tell of each other. Give each the
    same label in `groups`, of `split` or of the ``fit`` of a search, and they stay together. A
    group lies where the mean of its samples lies. Only axes along which no group moves count
    where there are any: of stations with dates, the places.

    **Dates.** Columns of dates count as days. Masked coordinates are missing, and refused.

    Examples
    --------
    >>> from sk_posenc import CoordinateKFold, grid_samples, samples_to_grid
    >>> import numpy as np
    >>> X, _ = grid_samples(np.zeros((4, 6)))
    >>> def show(cv):
    ...     fold = np.empty(len(X), dtype=int)
    ...     for k, (_, test) in enumerate(cv.split(X)):
    ...         fold[test] = k
    ...     print(samples_to_grid(fold, (4, 6)))
    >>> show(CoordinateKFold(4))
    [[0 1 0 1 0 1]
     [2 3 2 3 2 3]
     [0 1 0 1 0 1]
     [2 3 2 3 2 3]]
    >>> show(CoordinateKFold(4, scheme="block"))
    [[0 0 0 1 1 1]
     [0 0 0 1 1 1]
     [2 2 2 3 3 3]
     [2 2 2 3 3 3]]
    """

    def __init__(
        self,
        n_splits: int = 4,
        *,
        scheme: str = "subgrid",
        random_state: int | np.random.RandomState | None = None,
        metric: str = "euclidean",
        unit: str = "degrees",
    ) -> None:
        self.n_splits = parse_integer(n_splits, "n_splits", at_least=2)
        self.scheme = parse_choice(*_SCHEMES)(scheme, "scheme")
        random_state_of(random_state)
        self.random_state = random_state
        self.metric, self.unit = parse_metric(metric), unit
        quarter_of(unit)
        if self.metric == "great_circle" and self.scheme == "subgrid":
            raise ValueError(
                "metric='great_circle' needs scheme='block' or scheme='random': a sphere has no "
                f"grid. Got {scheme!r}."
            )

    # metadata routing hands groups over without being asked to
    __metadata_request__split = {"groups": True}

    @property
    def shuffle(self) -> bool:
        """Whether folds are random: searches that halve samples refuse those without a seed."""
        return self.scheme == "random"

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object, default=None
            Not used, present for the interface of scikit-learn.

        Returns
        -------
        int
            `n_splits`.
        """
        return self.n_splits

    def split(
        self, X: ArrayLike, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the row numbers of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates, before any encoding.
        y : object, default=None
            Not used, present for the interface of scikit-learn.
        groups : array-like of shape (n_samples,), default=None
            The station, track or cluster of each sample: those of one group are in the same fold.

        Yields
        ------
        train, test : ndarray of int
            Row numbers, increasing.

        Raises
        ------
        ValueError
            If `X` is not 2-D or not finite, if it has fewer samples, places or groups than folds,
            if `n_splits` does not factorise over the cells of the axes, if a fold would be empty,
            or if latitudes are beyond a pole.

        Warns
        -----
        UserWarning
            Without `groups`, where samples lie on tracks or in clusters, so that a held-out
            sample has neighbours to learn from. Not for the scheme "block".
        """
        names = getattr(X, "columns", None)
        X = places = _finite_coordinates(X)
        if self.metric == "great_circle":
            # ranks of longitude and latitude are even on a sphere
            X, places = self._on_sphere(X, names), X[:, :2]
        if groups is not None:
            fold = fold_groups(X, groups, self.n_splits, self._folds_of)
        else:
            if len(X) < self.n_splits:
                raise ValueError(
                    f"n_splits={self.n_splits} folds need at least as many samples: lower "
                    f"n_splits. Got {len(X)}."
                )
            if self.scheme != "block":
                warn_of_crowds(places, self.scheme)
            fold = self._folds_of(X)
        rows = np.arange(len(X))
        for k in range(self.n_splits):
            yield rows[fold != k], rows[fold == k]

    def _folds_of(self, X: NDArray) -> NDArray[np.intp]:
        """The fold of each place."""
        if self.scheme != "random":
            on_sphere = self.metric == "great_circle"
            return sphere_blocks(X, self.n_splits) if on_sphere else self._fold_in_space(X)
        fold = np.empty(len(X), dtype=np.intp)
        order = random_state_of(self.random_state).permutation(len(X))
        fold[order] = np.arange(len(X)) % self.n_splits
        return fold

    def _on_sphere(self, X: NDArray, names: Any) -> NDArray[np.float64]:
        X = X.astype(np.float64)
        check_places(X, self.unit, names, more=True)
        return np.stack(unit_vectors(X[:, 0], X[:, 1], quarter_of(self.unit), np), axis=1)

    def _fold_in_space(self, X: NDArray) -> NDArray[np.intp]:
        cells, n_cells = axis_cells(X)  # (n_samples, n_axes), (n_axes,)
        factors = _factors_per_axis(self.n_splits, n_cells)
        parts = cells % factors if self.scheme == "subgrid" else cells * factors // n_cells
        fold = parts @ (self.n_splits // np.cumprod(factors))  # C order of the parts
        sizes = np.bincount(fold, minlength=self.n_splits)
        if not sizes.all():
            empty = counted(int(np.count_nonzero(sizes == 0)), "fold")
            raise ValueError(
                f"n_splits={self.n_splits} with scheme={self.scheme!r} leaves {empty} without a "
                f"sample, because {_cells_of(n_cells)} are uneven or have gaps: set "
                f"scheme='random', or lower n_splits. Got n_splits={self.n_splits}."
            )
        return fold


def _finite_coordinates(X: Any) -> NDArray:
    checked, _ = checked_coordinates(X, ensure_all_finite=False)
    X = to_numpy(checked)
    finite = np.isfinite(X).all(axis=1)
    if not finite.all():
        raise ValueError(
            "X must hold finite coordinates: drop or impute others before splitting. Got NaN or "
            f"infinity in {np.count_nonzero(~finite)} of {len(X)} rows, first in row "
            f"{np.argmin(finite)}."
        )
    return X.astype(np.float64) if X.dtype.kind in "iub" else np.asarray(settled(X, np))


def _cells_of(n_cells: NDArray[np.intp]) -> str:
    shape = " x ".join(map(str, n_cells))
    what = "distinct coordinates, samples per axis where they are scattered, or places of groups"
    return f"{shape} cells ({what})"


def _factors_per_axis(n_splits: int, n_cells: NDArray[np.intp]) -> NDArray[np.intp]:
    by_cells = np.argsort(-n_cells, kind="stable")
    # Largest factor on the axis with most cells: if any order of factors fits, this does.
    fitting = [
        factors
        for factors in _factorisations(n_splits, len(n_cells), n_splits)
        if all(k <= n for k, n in zip(factors, n_cells[by_cells], strict=True))
    ]
    if not fitting:
        raise ValueError(
            f"n_splits={n_splits} does not factorise over axes of {_cells_of(n_cells)}: set "
            "scheme='random', which suits few places or groups, or take a number whose factors "
            f"are no larger. Got n_splits={n_splits}."
        )
    factors_per_axis = np.empty(len(n_cells), dtype=np.intp)
    factors_per_axis[by_cells] = min(fitting)
    return factors_per_axis


def _factorisations(n: int, n_factors: int, largest: int) -> Iterator[tuple[int, ...]]:
    """All non-increasing tuples of `n_factors` factors up to `largest` with product `n`."""
    if n == 1 or n_factors == 0:
        if n == 1:
            yield (1,) * n_factors
        return
    for k in range(min(n, largest), 1, -1):
        if n % k == 0:
            for rest in _factorisations(n // k, n_factors - 1, k):
                yield (k, *rest)
