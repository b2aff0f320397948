"""Holes, gaps and corners without samples, against direct solutions of the same problem."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve

from sk_posenc import FourierEncoder, KroneckerRidge, ShiftedBasisEncoder
from sk_posenc.core.limits import limits
from sk_posenc.kronecker import _perturbed
from sk_posenc.kronecker._axis import fit_axes
from sk_posenc.kronecker._axis_cosines import AxisCosines
from sk_posenc.kronecker._multigrid import Ladder, Multigrid, cosines, from_cosines
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._smoothness import smooth_axis
from sk_posenc.kronecker.penalties import Smoothness

SIDE = 40


def smooth_field(shape, seed=0):
    """Of deviation 1, smooth enough for pixels to tell their neighbours."""
    random = np.random.default_rng(seed)
    waves = np.sqrt(sum(np.meshgrid(*(np.arange(n) ** 2.0 for n in shape), indexing="ij")))
    field = from_cosines(random.standard_normal(shape) / (1 + waves) ** 2, len(shape))
    return (field - field.mean()) / field.std()


def specks(shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape) < 0.3


def middle(shape, width):
    return tuple(slice((n - width) // 2, (n - width) // 2 + width) for n in shape)


class MeshProblem:
    """A mesh with a square hole and specks, whose curvature is penalised."""

    def __init__(self, n, width, strength=1e-2, local=None, exponent=2.0):
        self.shape = (n, n)
        self.hole = middle(self.shape, width)
        here = ~specks(self.shape)
        here[self.hole] = False
        self.mass, self.strength = here.astype(float), strength
        self.local = np.ones(self.shape) if local is None else local
        bending = (2 * np.sin(np.pi * np.arange(n) / (2 * n))) ** 2
        self.symbol = strength * np.add.outer(bending, bending) ** exponent
        self.goal = self.mass * smooth_field(self.shape)
        ladder = Ladder(self.shape, [4.0, 4.0], exponent, np.float64)
        self.cycle = Multigrid(ladder, self.mass, self.symbol, local)

    def applied(self, u):
        roots = np.sqrt(self.local)
        return self.mass * u + roots * from_cosines(self.symbol * cosines(roots * u, 2), 2)

    def direct(self):
        """By differences of neighbours, whose squares are the same curvature."""
        n = self.shape[0]
        one = sparse.eye_array(n, format="csr")
        step = one[1:] - one[:-1]
        own = step.T @ step
        laplacian = sparse.kron(own, one) + sparse.kron(one, own)
        roots = sparse.diags_array(np.sqrt(self.local).ravel())
        matrix = sparse.diags_array(self.mass.ravel()) + self.strength * (
            roots @ laplacian @ laplacian @ roots
        )
        return spsolve(matrix.tocsc(), self.goal.ravel()).reshape(self.shape)

    def steps_to(self, truth, close=0.02):
        """Preconditioned conjugate gradients, until the hole is as close as this everywhere."""
        u, residual = np.zeros(self.shape), self.goal
        conditioned = direction = self.cycle(residual)
        now = np.sum(residual * conditioned)
        for step in range(1, 100):
            image = self.applied(direction)
            length = now / np.sum(direction * image)
            u, residual = u + length * direction, residual - length * image
            if np.abs(u - truth)[self.hole].max() < close:
                return step
            conditioned = self.cycle(residual)
            last, now = now, np.sum(residual * conditioned)
            direction = conditioned + now / last * direction
        return 100


def steps_by_width(n, widths):
    problems = [MeshProblem(n, width) for width in widths]
    return [problem.steps_to(problem.direct()) for problem in problems]


def test_a_wider_hole_takes_hardly_more_steps():
    steps = steps_by_width(128, [8, 16, 32, 64])
    assert max(np.diff(steps)) <= 10
    assert steps[-1] <= 30


@pytest.mark.slow  # the same on a quarter of the nodes is quick
def test_holes_of_half_a_large_mesh_take_hardly_more_steps():
    steps = steps_by_width(256, [8, 16, 32, 64, 128])
    assert max(np.diff(steps)) <= 10


@pytest.mark.parametrize("n", [45, 64])  # halved to 23 and 32
def test_a_cycle_is_a_symmetric_positive_map(n):
    random = np.random.default_rng(0)
    local = np.exp(smooth_field((n, n), 1))
    for problem in (MeshProblem(n, 20), MeshProblem(n, 20, local=local)):
        u, v = random.standard_normal((2, n, n))
        assert np.sum(u * problem.cycle(v)) == pytest.approx(np.sum(v * problem.cycle(u)))
        assert np.sum(u * problem.cycle(u)) > 0


def test_penalties_that_differ_from_place_to_place_are_solved():
    problem = MeshProblem(64, 20, local=np.exp(smooth_field((64, 64), 1)))
    assert problem.steps_to(problem.direct(), 1e-3) < 40


def direct_values(model, X, known, y):
    """The fit of a model with smoothness at all of X, by dense matrices."""
    axes = [smooth_axis(encoder) for encoder in model.encoders_]
    rows = np.ones((len(X), 1))
    for a, (axis, encoder) in enumerate(zip(axes, model.encoders_, strict=True)):
        own = encoder.transform(X[:, a : a + 1]) @ axis.basis
        rows = (rows[:, :, None] * own[:, None, :]).reshape(len(X), -1)
    strength = np.full((), np.mean([axis.floor for axis in axes]))
    for axis in axes:
        strength = np.add.outer(strength, axis.roughness)
    penalty = model.alpha_ * known.sum() * (strength**model.penalty_).ravel()
    A, mean = rows[known], y[known].mean()
    z = np.linalg.solve(A.T @ A + np.diag(penalty), A.T @ (y[known] - mean))
    return mean + rows @ z


def pixels(shape):
    return (
        np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
        .reshape(-1, len(shape))
        .astype(float)
    )


def masks(side=SIDE):
    """Holes of all sizes, at all places."""
    shape = (side, side)
    found = {}
    for name, at in {
        "middle": middle(shape, side // 2),
        "small": middle(shape, 4),
        "corner": (slice(0, 16), slice(0, 16)),
        "edge": (slice(10, 30), slice(0, 12)),
    }.items():
        gone = specks(shape)
        gone[at] = True
        gone[at[0].start - 1 if at[0].start else at[0].stop] &= False  # a line around is known
        found[name] = gone
    many = specks(shape)
    for i in range(3, side - 8, 13):
        for j in range(3, side - 8, 13):
            many[i : i + 8, j : j + 8] = True
    return {**found, "many": many}


@pytest.mark.parametrize("basis", ["bspline", "gaussian"])
@pytest.mark.parametrize(
    ("hole", "exponent"),
    [
        *((name, 2.0) for name in masks()),
        *(("middle", exponent) for exponent in (1.25, 2.5, 4.0)),
        ("corner", 1.5),
        ("corner", 3.0),
    ],
)
def test_holes_are_filled_to_their_middle(hole, exponent, basis):
    assert_filled(masks()[hole], exponent, basis)


@pytest.mark.parametrize(
    "exponent",
    [1.25, *(pytest.param(each, marks=pytest.mark.slow) for each in (1.5, 2.5, 3.0, 4.0))],
)
def test_wide_holes_of_a_larger_grid_are_filled_to_their_middle(exponent):
    assert_filled(masks(64)["middle"], exponent, "bspline")


def assert_filled(mask, exponent, basis):
    gone = mask.ravel()
    X, y = pixels(mask.shape), smooth_field(mask.shape).ravel()
    model = KroneckerRidge(
        ShiftedBasisEncoder(basis), penalty=exponent, alpha=1e-3, nan_is_hole=True
    )
    with limits(direct_up_to=10, exact_up_to=10):
        model.fit(X, np.where(gone, np.nan, y))
    assert model.layout_ == "holes"
    assert 1 < model.n_iter_ <= 60
    error = np.abs(model.predict(X) - direct_values(model, X, ~gone, y))
    assert error.max() < 0.02  # of the spread, which is 1


@pytest.mark.parametrize("where", ["tracks", "beyond the hull", "disc"])
def test_gaps_between_scattered_samples_are_filled(where):
    random = np.random.default_rng(0)
    X = random.uniform(size=(4_000, 2))
    if where == "tracks":
        X[:, 1] = np.round(X[:, 1] * 6) / 6 + random.normal(scale=0.004, size=len(X))
    elif where == "beyond the hull":
        X = X[np.abs(X[:, 0] - X[:, 1]) < 0.4]
    else:
        X = X[np.hypot(*(X - 0.5).T) > 0.3]
    X[:2] = [[0, 0], [1, 1]]
    y = np.sin(5 * X[:, 0]) * np.cos(4 * X[:, 1])
    y = (y - y.mean()) / y.std()
    encoder = ShiftedBasisEncoder("bspline", n_shifts=32, stable_rank=12)
    model = KroneckerRidge(encoder, penalty=2.0, alpha=1e-3)
    with limits(direct_up_to=10, exact_up_to=10):
        model.fit(X, y)
    Q = np.concatenate([X, pixels((21, 21)) / 20 * (X.max(0) - X.min(0)) + X.min(0)])
    truth = direct_values(model, Q, np.arange(len(Q)) < len(X), np.append(y, np.zeros(441)))
    assert np.abs(model.predict(Q) - truth).max() < 0.02


def test_deviations_in_a_hole_are_drawn_in_few_steps(monkeypatch):
    monkeypatch.setattr(_perturbed, "_MOST_STEPS", 40)
    gone = masks(28)["middle"].ravel()
    X, y = pixels((28, 28)), smooth_field((28, 28)).ravel()
    model = KroneckerRidge(penalty=2.0, alpha=1e-3, nan_is_hole=True)
    exact = model.fit(X, np.where(gone, np.nan, y)).predict(X, return_std=True)[1]
    with limits(direct_up_to=10, exact_up_to=10):
        drawn = model.fit(X, np.where(gone, np.nan, y)).predict(X, return_std=True)[1]
    hole = np.zeros((28, 28), bool)
    hole[middle((28, 28), 10)] = True
    ratio = (drawn / exact)[hole.ravel()]
    assert np.sqrt(np.mean((ratio - 1) ** 2)) < 0.2  # 9 % for each, and those of a hole are alike


def test_penalties_that_follow_the_function_fill_holes_too():
    shape = (SIDE, SIDE)
    gone = specks(shape)
    gone[middle(shape, 16)] = True
    X, y = pixels(shape), smooth_field(shape).ravel()
    given = np.where(gone.ravel(), np.nan, y)
    fits = [
        KroneckerRidge(penalty="adaptive", tol=tol, nan_is_hole=True).fit(X, given)
        for tol in (0.1, 1e-4)
    ]
    near, exact = (model.predict(X).reshape(shape) for model in fits)
    assert np.abs(near - exact)[middle(shape, 8)].max() < 0.02
    assert fits[0].n_iter_ <= 200


@pytest.mark.parametrize("n", [300, 384, 451])  # of 384 the ends are rounded inwards
def test_nodes_are_the_pixels_whatever_their_number(n):
    x = np.arange(n) / n
    samples = Samples(np.stack(np.meshgrid(x, x[:8], indexing="ij"), -1).reshape(-1, 2), None)
    axis, _ = fit_axes(samples, ShiftedBasisEncoder("bspline"), Smoothness(2.0), None)
    cosines = AxisCosines.of(axis, True)
    assert cosines.n_nodes == n
    assert cosines.on_nodes


def test_functions_that_are_no_cosines_are_solved_without_multigrid():
    gone = masks()["small"].ravel()
    X, y = pixels((SIDE, SIDE)), smooth_field((SIDE, SIDE)).ravel()
    model = KroneckerRidge(FourierEncoder(), penalty=2.0, tol=1e-3, nan_is_hole=True)
    with limits(direct_up_to=10, exact_up_to=10):
        model.fit(X, np.where(gone, np.nan, y))
    error = np.abs(model.predict(X) - direct_values(model, X, ~gone, y))
    assert error[~gone].max() < 0.02
