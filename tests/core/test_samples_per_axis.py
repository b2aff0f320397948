"""Samples per axis and cells, against counts made by hand and by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_posenc.core.samples_per_axis import axis_cells, samples_per_axis


def _grid(*axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


_SHAPES = st.lists(st.integers(1, 7), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (_grid(np.arange(10), np.arange(1000)), [10, 1000]),
        (_grid(np.arange(1000), np.arange(10)), [1000, 10]),
        (_grid(np.arange(512), np.arange(512)), [512, 512]),
        (_grid(np.arange(30), np.arange(30), np.arange(30)), [30, 30, 30]),
        (_grid(np.arange(7), [3.5], np.arange(2)), [7, 1, 2]),
        (np.full((5, 2), 4.0), [1, 1]),
        (np.random.default_rng(0).uniform(size=(1000, 3)), [10, 10, 10]),
    ],
)
def test_samples_per_axis_of_known_layouts(X, expected):
    np.testing.assert_allclose(samples_per_axis(X), expected, rtol=1e-12)


def test_quarter_of_the_pixels_gives_half_the_resolution():
    pixels = _grid(np.arange(512), np.arange(512))
    quarter = np.random.default_rng(0).permutation(pixels)[: len(pixels) // 4]
    np.testing.assert_allclose(samples_per_axis(quarter), [256, 256], rtol=1e-12)


def test_sensors_with_clocks_of_their_own_keep_their_number():
    sensor = np.repeat(np.arange(10.0), 1000)
    time = np.random.default_rng(0).uniform(size=10_000)
    np.testing.assert_allclose(samples_per_axis(np.column_stack([time, sensor])), [1000, 10])


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_repeated_rows_add_nothing(n_axes):
    X = np.random.default_rng(1).integers(0, 30, size=(200, n_axes)).astype(float)
    np.testing.assert_array_equal(samples_per_axis(np.repeat(X, 5, axis=0)), samples_per_axis(X))


def test_distinct_rows_are_counted_right_where_their_codes_would_overflow():
    rows = np.random.default_rng(2).integers(0, 900, size=(1000, 30))
    X = np.repeat(rows, 2, axis=0)
    # Every axis has far more values than its share, so the product is the number of rows.
    assert np.prod(samples_per_axis(X)) == pytest.approx(len(np.unique(X, axis=0)))


@given(st.data())
def test_samples_per_axis_never_exceed_values_nor_rows(data):
    n_axes = data.draw(st.integers(1, 4))
    rows = st.lists(st.integers(-5, 5), min_size=n_axes, max_size=n_axes)
    X = np.array(data.draw(st.lists(rows, min_size=1, max_size=40)), dtype=float)
    n = samples_per_axis(X)
    assert (n >= 1 - 1e-9).all()
    assert (n <= [len(set(column)) for column in X.T]).all()
    assert np.prod(n) <= len({tuple(row) for row in X}) * (1 + 1e-6)


@given(_SHAPES)
def test_full_grid_has_its_shape_and_its_indices_as_cells(shape):
    rng = np.random.default_rng(0)
    axes = [np.sort(rng.normal(size=n)) ** 3 for n in shape]
    np.testing.assert_array_equal(samples_per_axis(_grid(*axes)), shape)
    cells, n_cells = axis_cells(_grid(*axes))
    np.testing.assert_array_equal(n_cells, shape)
    np.testing.assert_array_equal(cells, np.indices(shape).reshape(len(shape), -1).T)


@pytest.mark.parametrize("n_missing", [1, 100, 1000])
def test_holes_leave_the_cells_of_an_uneven_grid_alone(n_missing):
    axis = np.geomspace(1, 1e6, 50)
    keep = np.random.default_rng(0).permutation(2500)[n_missing:]
    cells, n_cells = axis_cells(_grid(axis, axis)[keep])
    np.testing.assert_array_equal(n_cells, [50, 50])
    np.testing.assert_array_equal(cells, np.indices((50, 50)).reshape(2, -1).T[keep])


def test_scattered_axis_is_cut_into_equal_cells():
    X = np.random.default_rng(0).uniform(-3, 5, size=(400, 2))
    cells, n_cells = axis_cells(X)
    np.testing.assert_array_equal(n_cells, [20, 20])
    for x, cell in zip(X.T, cells.T, strict=True):
        edges, width = np.linspace(x.min(), x.max(), 21, retstep=True)
        inner_edges = edges[1:-1]
        off_edge = np.abs(x[:, None] - inner_edges).min(axis=1) > 1e-3 * width
        assert off_edge.sum() > 390
        np.testing.assert_array_equal(cell[off_edge], np.digitize(x, inner_edges)[off_edge])


@given(
    st.integers(0, 2**32 - 1),
    st.floats(1e-3, 1e3),
    st.floats(-1e3, 1e3),
    st.sampled_from([np.float64, np.int64]),
)
def test_unit_and_origin_of_an_axis_do_not_matter(seed, scale, origin, dtype):
    # 25 % of 33 x 33: cell edges fall on coordinates, where rounding could tip them.
    pixels = np.random.default_rng(seed).permutation(_grid(np.arange(33), np.arange(33)))
    X = pixels[:272].astype(dtype)
    before, n_before = axis_cells(X)
    after, n_after = axis_cells(origin + scale * X)
    np.testing.assert_array_equal(n_before, n_after)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("scale", [5e-324, 1e308])
def test_extreme_ranges_are_cut(scale):
    X = np.random.default_rng(0).integers(-1, 2, size=(400, 8)) * scale
    X[:, 0] = np.arange(-200, 200) / 200 * 1.7e308
    cells, n_cells = axis_cells(X)
    assert (cells >= 0).all()
    assert (cells < n_cells).all()
    assert (np.diff(cells[:, 0]) >= 0).all()


def test_input_is_left_as_it_came():
    X = np.random.default_rng(0).uniform(size=(50, 2)).astype(np.float32)
    X.setflags(write=False)
    cells, _ = axis_cells(X)
    assert cells.shape == X.shape
