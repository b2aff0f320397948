"""Grids in the rows of X, in any order and direction, and what is fitted on them."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from sk_posenc import (
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    ReconstructionDisplay,
    ShiftedBasisEncoder,
    grid_samples,
)
from sk_posenc.core.grids import distinct_coordinates, find_grid, lattice_of

SHAPES = st.lists(st.integers(1, 6), min_size=1, max_size=3)
DIRECTIONS = st.lists(st.booleans(), min_size=3, max_size=3)


def make_axes(shape, descends, uneven, seed):
    """Coordinates along each axis, increasing or, where it descends, decreasing."""
    rng = np.random.default_rng(seed)
    axes = []
    for n, down in zip(shape, descends, strict=False):
        axis = np.sort(rng.uniform(-50, 90, n)) if uneven else 7 + 2.5 * np.arange(n)
        axes.append(axis[::-1] if down else axis)
    return axes


@given(SHAPES, DIRECTIONS, st.booleans(), st.booleans(), st.integers(0, 99))
def test_rows_of_a_grid_are_where_it_says(shape, descends, uneven, shuffled, seed):
    axes = make_axes(shape, descends, uneven, seed)
    X, _ = grid_samples(np.zeros(shape), axes)
    if shuffled:
        X = np.random.default_rng(seed).permutation(X)
    grid = find_grid(X)
    assert grid.shape == tuple(shape)
    for own, axis in zip(grid.coordinates, axes, strict=True):
        np.testing.assert_array_equal(own, np.sort(axis))
    in_c_order = np.stack(np.meshgrid(*grid.coordinates, indexing="ij"), -1).reshape(len(X), -1)
    where = np.arange(len(X)) if grid.position is None else grid.position
    np.testing.assert_array_equal(in_c_order[where], X)


@given(SHAPES, DIRECTIONS, st.booleans(), st.integers(0, 99))
def test_rows_of_a_lattice_are_in_their_cells(shape, descends, uneven, seed):
    X, _ = grid_samples(np.zeros(shape), make_axes(shape, descends, uneven, seed))
    rng = np.random.default_rng(seed)
    some = X[rng.integers(len(X), size=len(X) + 2)]  # some repeat, others are absent
    coordinates, position = lattice_of(some, max_cells=len(X))
    expected = [np.unique(column) for column in some.T]
    for own, wanted in zip(coordinates, expected, strict=True):
        np.testing.assert_array_equal(own, wanted)
    cells = np.stack(np.meshgrid(*coordinates, indexing="ij"), -1).reshape(-1, len(shape))
    np.testing.assert_array_equal(cells[position], some)
    n_cells = len(cells)
    assert lattice_of(some, max_cells=n_cells - 1) is None
    if len(np.unique(some, axis=0)) < n_cells or len(some) > n_cells:
        assert find_grid(some) is None


@given(
    st.lists(st.integers(-40, 40), min_size=1, max_size=40),
    st.floats(1e-3, 1e3),
    st.floats(-1e3, 1e3),
    st.sampled_from([np.float64, np.float32]),
)
def test_distinct_coordinates_are_those_of_unique(steps, spacing, origin, dtype):
    x = (origin + spacing * np.array(steps)).astype(dtype)
    values, codes = distinct_coordinates(x)
    expected, inverse = np.unique(x, return_inverse=True)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(codes, inverse)


HEADS = [
    KroneckerRidge(alpha=1e-3),
    KroneckerRidge(ShiftedBasisEncoder("triangle"), alpha=1e-2, penalty="slope"),
    KroneckerRidge(FourierEncoder(2), alpha=1e-2),
    KroneckerRidge(alpha=1e-2, penalty=2.0, tol=1e-10),
    KroneckerRidgeCV(alphas=[1e-3, 1e-1], penalties=["ridge", "curvature"]),
]


@pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")  # targets are noise
@pytest.mark.parametrize("head", HEADS, ids=str)
@settings(max_examples=12)
@given(
    shape=st.lists(st.integers(3, 6), min_size=1, max_size=2),
    descends=DIRECTIONS,
    uneven=st.booleans(),
    seed=st.integers(0, 99),
)
def test_fits_and_predictions_go_by_places_not_by_direction(head, shape, descends, uneven, seed):
    axes = make_axes(shape, descends, uneven, seed)
    values = np.random.default_rng(seed).normal(size=(*shape, 2))
    X, y = grid_samples(values, axes, channels=True)
    ascending = np.lexsort(X.T[::-1])
    model, sorted_one = clone(head).fit(X, y), clone(head).fit(X[ascending], y[ascending])
    assert model.layout_ == sorted_one.layout_ == "grid"
    finer = [np.linspace(axis[0], axis[-1], 5) for axis in axes]
    points, _ = grid_samples(np.zeros((5,) * len(shape)), finer)
    tolerance = 1e-7 * np.abs(values).max()
    for at in (X, points):
        expected = np.concatenate([sorted_one.predict(row[None]) for row in at])
        np.testing.assert_allclose(model.predict(at), expected, atol=tolerance)
    if head is HEADS[0]:
        order = (1,) + (0,) * (len(shape) - 1)
        slopes = [each.predict(X, derivative=order) for each in (model, sorted_one)]
        np.testing.assert_allclose(*slopes, atol=tolerance)


@pytest.mark.parametrize("descends", [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize("uneven", [False, True])
def test_images_over_descending_axes_stand_at_their_coordinates(descends, uneven, rng):
    axes = make_axes((4, 5), descends, uneven, 3)
    values = rng.uniform(size=(4, 5))
    X, y = grid_samples(values, axes)
    order = rng.permutation(len(X))
    display = ReconstructionDisplay.from_predictions(X[order], y[order], y[order] / 2)
    rows, columns = (np.argsort(axis) for axis in axes)
    expected = values[np.ix_(rows, columns)]
    if uneven:
        (mesh,) = display.axes_[0].collections
        shown = np.asarray(mesh.get_array()).reshape(4, 5)
        corners = mesh.get_coordinates()
        inside = [corners[:-1, 0, 1] < np.sort(axes[0]), corners[0, :-1, 0] < np.sort(axes[1])]
        assert all(each.all() for each in inside)
    else:
        (image,) = display.axes_[0].images
        shown = np.asarray(image.get_array())
        left, right, bottom, top = image.get_extent()
        assert (top, bottom) == pytest.approx((min(axes[0]) - 1.25, max(axes[0]) + 1.25))
        assert (left, right) == pytest.approx((min(axes[1]) - 1.25, max(axes[1]) + 1.25))
    np.testing.assert_array_equal(shown, expected)
    plt.close("all")


@given(st.lists(st.integers(2, 5), min_size=2, max_size=3), DIRECTIONS, st.data())
def test_a_cell_that_is_hit_twice_leaves_another_empty(shape, descends, data):
    X, _ = grid_samples(np.zeros(shape), make_axes(shape, descends, True, 0))
    one, other = data.draw(st.permutations(range(len(X))))[:2]
    X[one] = X[other]
    assert find_grid(X) is None
