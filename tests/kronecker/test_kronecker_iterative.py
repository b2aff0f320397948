"""Conjugate gradients against the Krylov spaces that define their steps."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sk_posenc.kronecker._conjugate_gradients import (
    DiagonalPenalty,
    conjugate_gradients,
    dtype_for,
    in_turn,
    principal_columns,
)
from sk_posenc.kronecker._device import NUMPY
from sk_posenc.kronecker._normal import _GramSystem
from sk_posenc.kronecker._systems import SampledSystem

SIZE = 40  # of z; as many steps would be exact


class MatrixRows:
    """Rows that are one matrix, (n, SIZE)."""

    def __init__(self, matrix):
        self.matrix = matrix

    def fitted(self, z):
        return z @ self.matrix.T

    def adjoint(self, values):
        return values @ self.matrix


class Dense:
    """The same problem as matrices."""

    def __init__(self, rng, n=200, weighted=True):
        self.R = rng.standard_normal((n, SIZE)) * rng.uniform(0.7, 1.5, SIZE)
        self.weights = rng.uniform(0.2, 3, n) if weighted else np.ones(n)
        self.size = rng.uniform(0.5, 2, SIZE)
        self.diagonal = n * 10 ** rng.uniform(-1, 0.3, SIZE)
        self.y = self.R @ rng.standard_normal(SIZE) + rng.standard_normal(n)
        self.A = self.R.T @ (self.weights[:, None] * self.R) + np.diag(self.diagonal)
        self.penalty = DiagonalPenalty(self.diagonal, self.size, self.weights.sum())

    def system(self, y=None, weighted=True):
        y = self.y if y is None else y
        return SampledSystem(MatrixRows(self.R), y, self.weights if weighted else None)

    def steps(self, y, start, n_steps):
        """What minimises the energy over each Krylov space of the preconditioned residual."""
        residual = self.R.T @ (self.weights * y) - self.A @ start
        inverse = 1 / (self.weights.sum() * self.size + self.diagonal)
        Q = np.zeros((SIZE, 0))
        found = [start]
        for _ in range(n_steps):
            new = inverse * (residual if not Q.shape[1] else self.A @ Q[:, -1])
            for _ in range(2):  # twice, against rounding
                new = new - Q @ (Q.T @ new)
            Q = np.column_stack([Q, new / np.linalg.norm(new)])
            found.append(start + Q @ np.linalg.solve(Q.T @ self.A @ Q, Q.T @ residual))
        return found

    def errors(self, y, found, elsewhere=0.0):
        """Of every fifth step: how far five moved the function, relative to its residuals."""
        errors = {}
        for k in range(5, len(found), 5):
            moved = math.sqrt(np.sum(self.size * (found[k] - found[k - 5]) ** 2))
            left = np.sum(self.weights * (y - self.R @ found[k]) ** 2)
            errors[k] = moved / math.sqrt((left + elsewhere) / self.weights.sum())
        return errors


def stops_at(errors, tolerance):
    assume(all(abs(error / tolerance - 1) > 1e-3 for error in errors.values()))
    return next(k for k, error in errors.items() if error <= tolerance)


@settings(max_examples=40)
@given(
    st.integers(0, 10_000),
    st.sampled_from([0.3, 0.03, 1e-3]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 3e4]),
)
def test_steps_end_where_five_of_them_move_little(seed, tolerance, weighted, warm, elsewhere):
    rng = np.random.default_rng(seed)
    dense = Dense(rng, weighted=weighted)
    start = rng.standard_normal(SIZE) if warm else None
    steps = dense.steps(dense.y, np.zeros(SIZE) if start is None else start, 30)
    errors = dense.errors(dense.y, steps, elsewhere)
    n_iter = stops_at(errors, tolerance)
    system = dense.system(weighted=weighted)
    found = conjugate_gradients(
        system,
        dense.penalty,
        tolerance=tolerance,
        max_iter=30,
        start=start,
        open_elsewhere=elsewhere,
    )
    assert (found.n_iter, found.rounded) == (n_iter, False)
    assert found.error == pytest.approx(errors[n_iter], rel=1e-3)
    np.testing.assert_allclose(found.z, steps[n_iter], atol=1e-4)
    left = np.sum(dense.weights * (dense.y - dense.R @ found.z) ** 2)
    assert system.left(found.z) == pytest.approx(left, rel=1e-9)


@pytest.mark.parametrize("max_iter", [1, 4, 5, 9, 10])
def test_steps_end_by_number(max_iter, rng):
    dense = Dense(rng)
    steps = dense.steps(dense.y, np.zeros(SIZE), 10)
    found = conjugate_gradients(dense.system(), dense.penalty, tolerance=1e-9, max_iter=max_iter)
    assert (found.n_iter, found.rounded) == (max_iter, False)
    np.testing.assert_allclose(found.z, steps[max_iter], atol=1e-9)
    judged = max_iter // 5 * 5
    expected = dense.errors(dense.y, steps)[judged] if judged else math.inf
    assert found.error == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_ends_what_no_tolerance_would(dtype, rng):
    dense = Dense(rng)
    exact = np.linalg.solve(dense.A, dense.R.T @ (dense.weights * dense.y))
    R, y, weights = (each.astype(dtype) for each in (dense.R, dense.y, dense.weights))
    penalty = DiagonalPenalty(
        dense.diagonal.astype(dtype), dense.size.astype(dtype), float(dense.weights.sum())
    )
    system = SampledSystem(MatrixRows(R), y, weights)
    found = conjugate_gradients(system, penalty, tolerance=1e-30, max_iter=1_000)
    assert found.rounded
    assert found.n_iter < 100
    assert found.error > 1e-30
    assert found.z.dtype == dtype
    close = 1e3 * np.finfo(dtype).eps
    np.testing.assert_allclose(found.z, exact, atol=close * np.abs(exact).max())


def test_nothing_to_do_is_done():
    y = np.arange(8.0)
    penalty = DiagonalPenalty(np.ones(8), np.full(8, 1 / 8), 8)
    for targets, n_iter in ((0 * y, 0), (y, 1)):  # the preconditioner is the inverse itself
        system = SampledSystem(MatrixRows(np.eye(8)), targets, None)
        found = conjugate_gradients(system, penalty, tolerance=0.1, max_iter=9)
        assert (found.n_iter, found.error, found.rounded) == (n_iter, 0.0, False)
        np.testing.assert_array_equal(found.z, targets / 2)


def test_a_start_at_the_solution_has_converged(rng):
    dense = Dense(rng)
    exact = np.linalg.solve(dense.A, dense.R.T @ (dense.weights * dense.y))
    found = conjugate_gradients(
        dense.system(), dense.penalty, tolerance=0.1, max_iter=100, start=exact
    )
    assert found.n_iter <= 5
    assert found.error < 1e-9
    assert not found.rounded


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 1e-2]))
def test_residuals_of_earlier_columns_count(seed, tolerance):
    rng = np.random.default_rng(seed)
    dense = Dense(rng)
    targets = [dense.y, 0.2 * (dense.R @ rng.standard_normal(SIZE)), 0.1 * dense.y[::-1].copy()]
    start = rng.standard_normal(SIZE)
    found = in_turn(
        [dense.system(y) for y in targets],
        dense.penalty,
        [None, start, None],
        tolerance=tolerance,
        max_iter=30,
    )
    elsewhere = 0.0
    for y, own, first in zip(targets, found, (0 * start, start, 0 * start), strict=True):
        steps = dense.steps(y, first, 30)
        assert own.n_iter == stops_at(dense.errors(y, steps, elsewhere), tolerance)
        np.testing.assert_allclose(own.z, steps[own.n_iter], atol=1e-4)
        elsewhere += np.sum(dense.weights * (y - dense.R @ own.z) ** 2)


@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
def test_principal_columns(seed, n_columns, weighted):
    rng = np.random.default_rng(seed)
    columns = rng.standard_normal((n_columns, n_columns)) @ rng.standard_normal((n_columns, 50))
    columns *= 10.0 ** rng.integers(-6, 6, (n_columns, 1))  # each in a unit of its own
    weights = rng.uniform(0.1, 4, 50) if weighted else None
    uncorrelated, back = principal_columns(columns, weights)
    np.testing.assert_allclose(back @ uncorrelated / columns, 1, rtol=1e-6)
    covariance = uncorrelated * (1 if weights is None else weights) @ uncorrelated.T
    sizes = np.diag(covariance)
    assert (np.diff(sizes) <= 1e-9 * sizes[0]).all()
    np.testing.assert_allclose(covariance, np.diag(sizes), atol=1e-9 * sizes[0])
    # whatever their units, columns count alike
    assert sizes.sum() == pytest.approx(50 * n_columns, rel=1e-9)
    zero = principal_columns(np.zeros((2, 5)), None)
    assert all(np.isfinite(each).all() for each in zero)


def test_single_precision_where_it_does():
    assert dtype_for(1e-3, 2**14 + 1) is np.float32
    assert dtype_for(0.99e-3, 2**14 + 1) is np.float64
    assert dtype_for(1e-3, 2**14) is np.float64  # where it takes no time that matters


@given(st.integers(0, 10_000))
def test_sums_over_samples_know_what_is_left(seed):
    rng = np.random.default_rng(seed)
    R, y, weights = rng.standard_normal((50, 12)), rng.standard_normal(50), rng.uniform(1, 3, 50)
    turns = [np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (4, 3)]
    moments = (R.T @ (weights * y)).reshape(4, 3)
    gram = R.T @ (weights[:, None] * R)
    system = _GramSystem(gram, turns, moments, float(weights @ y**2), weights.sum(), NUMPY)
    both = np.kron(*turns)
    z, direction = rng.standard_normal((2, 4, 3))
    np.testing.assert_allclose(system.goal.ravel(), both.T @ moments.ravel(), atol=1e-9)
    for moved in (0.0, 0.7):  # at first, and after a step
        at = z + moved * direction
        image = system.apply(direction) if moved else system.begin(z)
        of = direction if moved else z
        np.testing.assert_allclose(image.ravel(), both.T @ gram @ both @ of.ravel(), atol=1e-9)
        if moved:
            system.advance(moved)
        left = weights @ (y - R @ both @ at.ravel()) ** 2
        assert system.left(at) == pytest.approx(left, rel=1e-9)
