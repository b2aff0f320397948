"""The penalty that follows the function: against dense matrices, and at edges."""

import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from test_kronecker import close, make_grid, mesh_integrals
from test_kronecker_scattered import EXACT, inside, scattered

from sk_posenc import (
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._held_out import _climb_adaptive
from sk_posenc.kronecker._steering import Lattice, SteeredCurvature, smoothing_matrices, steering
from sk_posenc.kronecker._structured import Mirrored, mirrored
from sk_posenc.kronecker.penalties import ADAPTIVE

TRIANGLE = ShiftedBasisEncoder("triangle", n_shifts=7, stable_rank=4, domain=(-1.0, 2.0))


class DenseAdaptive:
    """The definition, node by node: matrices of differences, and least squares four times."""

    def __init__(self, model):
        self.encoders, self.alpha = model.encoders_, model.alpha
        self.shape = tuple(len(encoder.shifts_[0]) for encoder in self.encoders)
        self.wraps = [encoder.boundary == "periodic" for encoder in self.encoders]
        widths = [np.ptp(encoder.domain_[0]) for encoder in self.encoders]
        gaps = [np.diff(encoder.shifts_[0])[0] / w for encoder, w in zip(self.encoders, widths)]  # noqa: B905
        self.spacing = [gap * e.stable_rank_[0] for gap, e in zip(gaps, self.encoders, strict=True)]
        self.per_node = np.prod(gaps)

    def features(self, X):
        rows = np.ones((len(X), 1))
        for a, encoder in enumerate(self.encoders):
            each = encoder.transform(X[:, [a]].astype(float))
            rows = np.einsum("ij,ik->ijk", rows, each).reshape(len(X), -1)
        return rows

    def node(self, at):
        """Number of a node, or None beyond an end."""
        moved = []
        for i, size, wraps in zip(at, self.shape, self.wraps, strict=True):
            if not wraps and not 0 <= i < size:
                return None
            moved.append(i % size)
        return int(np.ravel_multi_index(moved, self.shape))

    def bends(self, a, b):
        """Second differences along two axes at all nodes; 0 where they reach beyond an end."""
        n, step = int(np.prod(self.shape)), np.eye(len(self.shape), dtype=int)
        matrix = np.zeros((n, n))
        for row, at in enumerate(np.ndindex(self.shape)):
            if a == b:
                terms = [(1, step[a]), (1, -step[a]), (-2, 0 * step[a])]
            else:
                terms = [
                    (s * t / 4, s * step[a] + t * step[b]) for s, t in product((1, -1), repeat=2)
                ]
            nodes = [self.node(np.add(at, offset)) for _, offset in terms]
            if None not in nodes:
                for (factor, _), node in zip(terms, nodes, strict=True):
                    matrix[row, node] += factor / (self.spacing[a] * self.spacing[b])
        return matrix

    def tensor(self, functions):
        """T at each node, (n, d, d)."""
        d = len(self.shape)
        outer = np.zeros((d, d, *self.shape))
        for values in functions:
            slopes = []
            for a in range(d):
                if self.wraps[a]:
                    difference = np.roll(values, -1, a) - np.roll(values, 1, a)
                    slopes.append(difference / (2 * self.spacing[a]))
                else:
                    slopes.append(np.gradient(values, self.spacing[a], axis=a))
            outer += np.einsum("a...,b...->ab...", slopes, slopes)
        for a in range(d):
            mode = "wrap" if self.wraps[a] else "reflect"
            outer = gaussian_filter1d(outer, 1.5 / self.spacing[a], axis=2 + a, mode=mode)
        outer = np.moveaxis(outer.reshape(d, d, -1), -1, 0)
        T = np.linalg.inv(outer + 0.1**2 * np.eye(d))
        means = np.sort(np.trace(T, axis1=1, axis2=2) / d)
        return T / means[len(means) // 2]

    def fit(self, X, y, weights=None):
        w = np.ones(len(X)) if weights is None else np.asarray(weights, float)
        w = w / w.mean()
        Y = y.reshape(len(y), -1)
        self.mean = w @ Y / w.sum()
        A, targets = self.features(X), Y - self.mean
        mesh = np.linspace(-1, 2, 1_001)[:, None]
        middle = np.prod([e.transform(mesh).sum(axis=1).mean() for e in self.encoders])
        size = np.eye(1)
        for encoder in self.encoders:
            size = np.kron(size, mesh_integrals(encoder)[0])
        d, n = len(self.shape), A.shape[1]
        bends = {(a, b): self.bends(min(a, b), max(a, b)) for a in range(d) for b in range(d)}
        T, strength = np.broadcast_to(np.eye(d), (n, d, d)), 0.1 * self.alpha
        for turn in range(4):
            # |T^1/2 H T^1/2|^2, its entries as rows
            values, V = np.linalg.eigh(T)
            root = np.einsum("nac,nc,nbc->nab", V, np.sqrt(values), V)
            entries = [
                sum(root[:, a, c, None] * root[:, e, b, None] * bends[c, e]
                    for c in range(d) for e in range(d))
                for a in range(d) for b in range(d)
            ]  # fmt: skip
            penalty = np.sqrt(strength * w.sum() * self.per_node) * middle * np.vstack(entries)
            rows = np.vstack([np.sqrt(w)[:, None] * A, penalty])
            goal = np.vstack([np.sqrt(w)[:, None] * targets, np.zeros((len(penalty), Y.shape[1]))])
            self.coef = np.linalg.lstsq(rows, goal, rcond=1e-14)[0]
            if turn < 3:
                # in units of the root mean square of each function over the domain
                scale = np.sqrt(np.einsum("iq,ij,jq->q", self.coef, size, self.coef))
                columns = (self.coef * middle / scale / np.sqrt(Y.shape[1])).T
                T, strength = self.tensor(columns.reshape(-1, *self.shape)), self.alpha
        return self

    def predict(self, X):
        return self.features(X) @ self.coef + self.mean


def edges(X, rng, n_outputs):
    """A step along a slanted line, and noise; and other outputs of the same."""
    values = (X.sum(axis=1) > 0.8 * X.shape[1] - 0.5).astype(float)
    columns = [values + 0.1 * rng.standard_normal(len(X))]
    columns += [np.sin(2 * X[:, 0]) + 3 * values for _ in range(n_outputs - 1)]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("basis", ["triangle", "bspline", "gaussian"])
@pytest.mark.parametrize(
    ("layout", "n_axes"),
    [("grid", 1), ("grid", 2), ("holes", 2), ("block", 2), ("scattered", 1), ("scattered", 2),
     ("repeats", 2), ("scattered", 3)],
)  # fmt: skip
def test_every_layout_is_the_dense_definition(layout, n_axes, basis, rng):
    X, _ = make_grid((11, 10)[:n_axes], 2)
    if layout == "holes":
        X = X[17:]
    elif layout == "block":
        X = X[(np.abs(X - 0.4) > 0.7).any(axis=1)]
    elif layout == "scattered":
        X, _ = scattered(120 * n_axes, n_axes)
    elif layout == "repeats":
        X = np.concatenate([X, X[:30]])
    y = edges(X, rng, 2)
    weights = rng.uniform(0.5, 2, len(X)) if layout != "grid" else None
    encoder = clone(TRIANGLE).set_params(basis=basis)
    if n_axes == 3:
        encoder.set_params(n_shifts=4, stable_rank=2)
    model = KroneckerRidge(encoder, alpha=0.05, penalty="adaptive", **EXACT).fit(X, y, weights)
    if n_axes > 1:  # in one axis, any samples are a grid
        assert model.layout_ == {"block": "holes", "repeats": "holes"}.get(layout, layout)
    dense = DenseAdaptive(model).fit(X, y, weights)
    points = np.clip(inside(n_axes), -1, 2)
    close(model.predict(points), dense.predict(points), 1e-8)


@pytest.mark.parametrize("basis", ["triangle", "bspline"])
def test_circles(basis, rng):
    X = rng.uniform(-1, 2, (300, 2))
    y = edges(X, rng, 1)
    encoder = clone(TRIANGLE).set_params(basis=basis, boundary=("periodic", "extend"))
    model = KroneckerRidge(encoder, alpha=0.05, penalty="adaptive", **EXACT).fit(X, y)
    dense = DenseAdaptive(model).fit(X, y)
    points = np.clip(inside(2), -1, 2)
    close(model.predict(points), dense.predict(points), 1e-8)
    ends = model.predict([[-1.0, 0.3], [2.0, 0.3]])
    close(ends[0], ends[1])


def test_one_point_less_is_little_less(rng):
    X, _ = make_grid((20, 21))
    y = edges(X, rng, 1)[:, 0]
    settings = {"alpha": 0.05, "penalty": "adaptive", **EXACT}
    whole = KroneckerRidge(TRIANGLE, **settings).fit(X, y)
    less = KroneckerRidge(TRIANGLE, **settings).fit(X[1:], y[1:])
    assert (whole.layout_, less.layout_) == ("grid", "holes")
    difference = whole.predict(inside(2)) - less.predict(inside(2))
    assert 0 < np.abs(difference).max() < 0.1


@pytest.mark.parametrize("basis", ["triangle", "gaussian"])
@pytest.mark.parametrize("n_outputs", [None, 2])
def test_blocks_of_rows_are_all_rows(basis, n_outputs, rng):
    X = rng.uniform(-1, 2, (300, 2))
    y = edges(X, rng, n_outputs or 1)
    y = y[:, 0] if n_outputs is None else y
    model = KroneckerRidge(
        clone(TRIANGLE).set_params(basis=basis), alpha=0.05, penalty="adaptive", **EXACT
    )
    whole = clone(model).fit(X, y)
    for rows in np.array_split(np.arange(300), 4):
        model.partial_fit(X[rows], y[rows])
    assert model.layout_ == "normal"
    close(model.predict(inside(2)), whole.predict(inside(2)), 1e-8)


@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    seed=st.integers(0, 1_000),
    flat=st.booleans(),
    data=st.data(),
)
def test_the_penalty_is_a_form_that_is_never_negative(shape, seed, flat, data):
    wraps = [data.draw(st.booleans()) and size > 2 for size in shape]
    rng = np.random.default_rng(seed)
    lattice = Lattice(tuple(shape), rng.uniform(0.3, 2, len(shape)), wraps)
    functions = [rng.standard_normal(shape) for _ in range(2)]
    smoothing = smoothing_matrices(lattice, 1.0)
    tensor = None if flat else steering(lattice, functions, smoothing, 0.3)
    penalty = SteeredCurvature(lattice, tensor)
    one, two = rng.standard_normal((2, *shape))
    close(np.sum(one * penalty.apply(two)), np.sum(two * penalty.apply(one)))
    assert np.sum(one * penalty.apply(one)) >= -1e-9
    # a plane costs nothing, but around a circle
    plane = sum(
        np.reshape(np.arange(size) * (not wrap), [-1 if b == a else 1 for b in range(len(shape))])
        * (a + 1.0)
        for a, (size, wrap) in enumerate(zip(shape, wraps, strict=True))
    )
    close(penalty.apply(np.broadcast_to(plane, shape).astype(float)), np.zeros(shape))


def test_blocks_of_nodes_are_all_nodes(rng):
    lattice = Lattice((9, 5, 6), (0.5, 1.0, 2.0), (False, True, False))
    functions = [rng.standard_normal((9, 5, 6))]
    smoothing = smoothing_matrices(lattice, 1.0)
    penalty = SteeredCurvature(lattice, steering(lattice, functions, smoothing, 0.3))
    values = rng.standard_normal((9, 5, 6))
    at_once = penalty.apply(values)
    with limits(node_block=70):
        assert len(list(lattice.blocks(values))) > 3
        close(penalty.apply(values), at_once, 1e-13)


@pytest.mark.parametrize("size", [2, 7, 8])
def test_halves_of_mirrored_matrices(size, rng):
    even, odd = rng.standard_normal((2, size, size // 2))
    whole = np.concatenate([even + even[::-1], odd - odd[::-1]], axis=1)
    halves = mirrored(whole, np.asarray)
    assert isinstance(halves, Mirrored)
    assert halves.shape == whole.shape
    for columns in (1, 3):
        close(halves.times(x := rng.standard_normal((2, whole.shape[1], columns))), whole @ x)
        close(halves.T.times(x := rng.standard_normal((2, size, columns))), whole.T @ x)
    whole[0, 0] += 1e-12
    assert mirrored(whole, np.asarray) is whole


def test_units_play_no_part(rng):
    X = rng.uniform(size=(400, 2))
    y = edges(3 * X - 1, rng, 2)
    model = KroneckerRidge(alpha=0.05, penalty="adaptive", **EXACT)
    at = rng.uniform(size=(50, 2))
    expected = clone(model).fit(X, y).predict(at)
    moved = clone(model).fit(X * [1000, 0.01] + [5, -3], y)
    close(moved.predict(at * [1000, 0.01] + [5, -3]), expected, 1e-8)
    scaled = clone(model).fit(X, y * [100.0, 0.01] + 7)
    close((scaled.predict(at) - 7) / [100.0, 0.01], expected, 1e-8)
    order = rng.permutation(len(X))
    close(clone(model).fit(X[order], y[order]).predict(at), expected, 1e-8)


def test_it_is_linear_algebra_that_knows_nothing_of_a_constant():
    X = np.random.default_rng(0).uniform(size=(100, 2))
    model = KroneckerRidge(penalty="adaptive", alpha=0.1).fit(X, np.full(100, 3.0))
    close(model.predict(X), 3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        close(KroneckerRidge(penalty="adaptive", alpha=0.1).fit([[1.0]], [2.0]).predict([[4.0]]), 2)


@pytest.mark.parametrize("n_axes", [1, 2])
def test_a_constant_column_changes_nothing(rng, n_axes):
    # a narrow basis between two shifts is 0 at the only place of such an axis
    X = rng.uniform(size=(150, n_axes))
    y = np.sin(6 * X).sum(axis=1)
    alone = KroneckerRidge(penalty="adaptive", alpha=0.1).fit(X, y).score(X, y)
    beside = np.column_stack([X, np.full(150, 7.0)])
    assert KroneckerRidge(penalty="adaptive", alpha=0.1).fit(beside, y).score(beside, y) > 0.99
    assert alone > 0.99


@pytest.fixture(scope="module")
def picture():
    image = load_signal("astronaut")[0][40:168, 160:288].mean(axis=2)
    everywhere, values = grid_samples(image)
    known = np.random.default_rng(0).uniform(size=len(values)) < 0.3
    return everywhere, values, known


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_edges_of_a_picture(picture, noise):
    everywhere, values, known = picture
    y = values[known] + noise * np.random.default_rng(1).standard_normal(known.sum())
    scores = [
        psnr_score(values[~known], model.fit(everywhere[known], y).predict(everywhere[~known]))
        for model in (KroneckerRidgeCV(), KroneckerRidgeCV(penalties="adaptive"))
    ]
    assert scores[1] > scores[0] + 0.25


def test_selection_among_smoothness_and_adaptive_fits(picture):
    everywhere, values, known = picture
    X, y = everywhere[known], values[known]
    search = KroneckerRidgeCV(penalties=[1.5, 2.0, "adaptive"]).fit(X, y)
    assert search.penalty_ == "adaptive"
    assert all(encoder.basis == "triangle" for encoder in search.encoders_)
    tried = {
        each["penalty"]: each["encoder"].basis
        for each, score in zip(
            search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
        )
        if not np.isnan(score)
    }
    assert tried == {1.5: "bspline", 2.0: "bspline", "adaptive": "triangle"}
    again = KroneckerRidge(search.best_encoder_, penalty="adaptive", alpha=search.alpha_).fit(X, y)
    # both stop within their tolerance
    deviation = np.sqrt(np.mean((again.predict(X) - search.predict(X)) ** 2))
    assert deviation < 0.01 * y.std()


def test_folds_leave_out_what_is_too_little(picture):
    everywhere, values, known = picture
    X, y = everywhere[known][:1_000], values[known][:1_000]
    search = KroneckerRidgeCV(penalties=["adaptive", 2.0], cv=2).fit(X, y)
    results = search.cv_results_
    alphas = results["param_alpha"]
    unscored = np.isnan(results["mean_test_score"])
    np.testing.assert_array_equal(
        unscored, (results["param_penalty"] == "adaptive") & (alphas < 0.04)
    )
    assert results["rank_test_score"][search.best_index_] == 1


@pytest.mark.parametrize(
    ("errors", "unworthy", "tried"),
    [
        ({0.2: 1.0, 1.0: 0.9, 5.0: 1.1, 0.5: 0.95, 2.0: 0.85}, [], 6),  # noise: up, then around
        ({0.2: 1.0, 1.0: 1.1, 0.04: 0.97}, [0.04], 3),
        ({0.2: 1.0, 1.0: 1.1, 0.04: 0.8, 0.01: 0.5}, [], 3),  # the least that is tried
    ],
)
def test_less_is_taken_only_where_it_is_worth_its_time(errors, unworthy, tried):
    given = np.array(list(errors))
    seen = set()

    def score(j):
        nearest = given[np.argmin(np.abs(np.log(given / ADAPTIVE.alphas[j])))]
        seen.add(j)
        return -errors[nearest]

    places = _climb_adaptive(ADAPTIVE.alphas, score, noisy=True)
    assert len(seen) <= tried
    assert [
        given[np.argmin(np.abs(np.log(given / ADAPTIVE.alphas[j])))] for j in places
    ] == unworthy


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_clean_grid_is_not_smoothed(picture, noise):
    everywhere, values, _ = picture
    grid = np.zeros((128, 128), dtype=bool)
    grid[::2, ::2] = True
    known = grid.ravel()
    y = values[known] + noise * np.random.default_rng(1).standard_normal(known.sum())
    search = KroneckerRidgeCV(penalties="adaptive").fit(everywhere[known], y)
    assert search.layout_ == "grid"
    assert (search.alpha_ >= 1) == (noise > 0)
    cubic = KroneckerRidgeCV().fit(everywhere[known], y)
    own, other = (
        psnr_score(values[~known], model.predict(everywhere[~known])) for model in (search, cubic)
    )
    assert own > other + 0.2


def test_volumes_have_it_by_default():
    points, _ = grid_samples(np.zeros((16, 16, 16)))
    values = (np.linalg.norm(points - 0.45, axis=1) < 0.3).astype(float)
    known = np.random.default_rng(0).uniform(size=len(values)) < 0.25
    with limits(direct_up_to=500, learnt_up_to=0):
        search = KroneckerRidgeCV().fit(points[known], values[known])
    assert "adaptive" in set(search.cv_results_["param_penalty"])
    with limits(direct_up_to=500, learnt_up_to=0, adaptive_up_to=900):
        many = KroneckerRidgeCV().fit(points[known], values[known])
    assert "adaptive" not in set(many.cv_results_["param_penalty"])
    with limits(direct_up_to=500, learnt_up_to=0):
        flat = KroneckerRidgeCV().fit(points[known][:, :2], values[known])
    assert "adaptive" not in set(flat.cv_results_["param_penalty"])


@pytest.mark.parametrize(
    ("model", "n_axes", "message"),
    [
        (KroneckerRidge(FourierEncoder(), penalty="adaptive", alpha=0.1), 2, "a ShiftedBasis"),
        (KroneckerRidge(penalty="adaptive", alpha=0.1), 4, "up to 3 axes.*Got 4"),
        (
            KroneckerRidge(ShiftedBasisEncoder("sine"), penalty="adaptive", alpha=0.1),
            2,
            "coefficients are values of the function",
        ),
        (KroneckerRidge(penalty="adaptive", alpha=0.0), 2, "need alpha > 0"),
        (
            KroneckerRidgeCV(penalties="adaptive", alphas=[1e-300, 1e300], tol=0.1),
            2,
            "diverged.*raise alpha",
        ),
        (KroneckerRidge(penalty="adaptiv", alpha=0.1), 2, "adaptive.*Got 'adaptiv'"),
    ],
)
def test_what_is_refused(model, n_axes, message):
    X, y = scattered(50, n_axes, 1)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


def test_no_standard_deviations():
    X, y = scattered(50, 2, 1)
    model = KroneckerRidge(penalty="adaptive", alpha=0.1).fit(X, y[:, 0])
    assert np.isnan(model.condition_)
    with pytest.raises(ValueError, match="return_std=False"):
        model.predict(X, return_std=True)


def test_steps_of_all_fits_are_counted():
    X, y = scattered(80, 2, 1)
    model = KroneckerRidge(penalty="adaptive", alpha=0.1, max_iter=1, tol=1e-9)
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        model.fit(X, y[:, 0])
    assert model.n_iter_ == 4  # the first, and three that follow it


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_planes_are_fitted_exactly(n_axes):
    """Nothing bends, and nothing is left for the passes that follow the first."""
    X, _ = scattered(60, n_axes, 1)
    y = 1e3 + X @ np.arange(1.0, n_axes + 1)
    for model in (
        KroneckerRidge(penalty="adaptive", alpha=0.1),
        KroneckerRidgeCV(penalties=[2.0, "adaptive"]),
    ):
        np.testing.assert_allclose(model.fit(X, y).predict(X), y, rtol=0, atol=0.05 * np.std(y))
    few = KroneckerRidge(penalty="adaptive", alpha=1e-3).fit(X[:2], [0.0, 1.0])
    assert few.predict(X[:2]) == pytest.approx([0, 1], abs=0.1)
