"""Blocks of rows are all of their rows, whatever they come in; and what cannot be is refused."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from sk_posenc import Basis, FourierEncoder, RandomFourierEncoder, ShiftedBasisEncoder
from sk_posenc.kronecker._conjugate_gradients import DiagonalPenalty, conjugate_gradients
from sk_posenc.kronecker._normal import NormalEquations
from sk_posenc.kronecker.ridge import KroneckerRidge

EXACT = {"tol": 1e-7, "max_iter": 3_000}
UNIT = {"domain": (0.0, 1.0)}
ENCODERS = [
    FourierEncoder(stable_rank=3, **UNIT),
    FourierEncoder(max_frequency=2.0, boundary="periodic", **UNIT),
    RandomFourierEncoder(3, stable_rank=1.5, random_state=0, **UNIT),
    ShiftedBasisEncoder("gaussian", stable_rank=1.5, n_shifts=4, **UNIT),
    ShiftedBasisEncoder("bspline", stable_rank=3, n_shifts=7, **UNIT),
    ShiftedBasisEncoder("bspline", stable_rank=1.5, n_shifts=5, **UNIT),
    ShiftedBasisEncoder("triangle", stable_rank=3, n_shifts=7, boundary="cut", **UNIT),
    ShiftedBasisEncoder("rectangle", stable_rank=3, n_shifts=8, **UNIT),
]
SMOOTH = [1.0, 1.25, 2.0, 3.0]


def waves(n, n_axes, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, n_axes))
    y = np.stack([np.sin(5 * X).sum(axis=1), rng.standard_normal(n)], axis=1)
    return X, y, rng.uniform(0.2, 3, n)


def spread_of_difference(one, two):
    return np.max(np.abs(one - two) / np.std(two, axis=0))


@st.composite
def settings_of_a_head(draw):
    n_axes = draw(st.integers(1, 3))
    encoder = draw(st.sampled_from(ENCODERS))
    penalties = [*SMOOTH, "ridge"]
    if isinstance(encoder, ShiftedBasisEncoder):
        penalties += ["slope", "curvature"]
    alpha = draw(st.sampled_from([1e-3, 1e-1]))
    return encoder, n_axes, draw(st.sampled_from(penalties)), alpha


@given(settings_of_a_head(), st.integers(0, 10), st.data())
@settings(max_examples=40)
def test_any_blocks_in_any_order_are_a_fit(head, seed, data):
    encoder, n_axes, penalty, alpha = head
    X, y, weights = waves(data.draw(st.sampled_from([50, 150])), n_axes, seed)
    model = KroneckerRidge(encoder, alpha=alpha, penalty=penalty, **EXACT)
    whole = clone(model).fit(X, y, weights)
    order = np.random.default_rng(seed).permutation(len(X))
    cuts = sorted(data.draw(st.lists(st.integers(1, len(X) - 1), max_size=3, unique=True)))
    parts = np.split(order, cuts)
    summed = clone(model)
    for at in parts[: len(parts) // 2 + 1]:
        summed.partial_fit(X[at], y[at], weights[at])
    rest = [
        clone(model).partial_fit(X[at], y[at], weights[at]) for at in parts[len(parts) // 2 + 1 :]
    ]
    summed.merge(*rest)
    at = np.random.default_rng(seed).uniform(size=(50, n_axes))
    assert spread_of_difference(summed.predict(at), whole.predict(at)) < 1e-5


@pytest.mark.parametrize("penalty", [1.25, 2.0])
def test_functions_that_nearly_repeat_are_no_harm(penalty):
    """At the default tolerance: sums of products once lost what smoothness magnifies by 1e12."""
    X, y, _ = waves(150, 3)
    model = KroneckerRidge(FourierEncoder(stable_rank=5, **UNIT), alpha=1e-3, penalty=penalty)
    at = waves(300, 3, seed=1)[0]
    whole = clone(model).fit(X, y[:, 0]).predict(at)
    summed = model.partial_fit(X, y[:, 0]).predict(at)
    assert np.std(summed - whole) < 0.1 * np.std(whole - np.sin(5 * at).sum(axis=1))


def test_sums_of_processors_that_turn_otherwise_are_merged(monkeypatch):
    X, y, weights = waves(400, 2)
    model = KroneckerRidge(ENCODERS[0], alpha=1e-3, penalty=1.25, **EXACT)
    whole = clone(model).partial_fit(X, y, weights)
    ours = clone(model).partial_fit(X[:150], y[:150], weights[:150])
    turns = NormalEquations._turns

    def otherwise(self):
        return [-np.roll(turn, 3, axis=1) for turn in turns(self)]

    monkeypatch.setattr(NormalEquations, "_turns", otherwise)
    theirs = clone(model).partial_fit(X[150:], y[150:], weights[150:])
    assert not np.allclose(ours._sums.turns[0], theirs._sums.turns[0])
    for one, two in itertools.permutations([ours, theirs]):
        merged = clone(model).partial_fit(X[:1], y[:1], [1e-12]).merge(one, two)
        assert spread_of_difference(merged.predict(X), whole.predict(X)) < 1e-6


class Matrix:
    """A system of any matrix."""

    total = 1.0

    def __init__(self, matrix, goal):
        self._matrix, self.goal = matrix, goal

    def begin(self, z):
        return self._matrix @ z

    apply = begin

    def advance(self, length):
        pass

    def left(self, z):
        return 1.0


@pytest.mark.parametrize("eigenvalue", [-0.1, -1e3, np.nan])
def test_steps_on_what_is_not_positive_definite_are_refused(eigenvalue):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    goal = rng.standard_normal(30)
    penalty = DiagonalPenalty(np.full(30, 1e-6), np.ones(30), 1.0)
    stop = {"tolerance": 1e-14, "max_iter": 200}
    eigenvalues = np.linspace(1, 10, 30)
    sound = conjugate_gradients(Matrix(Q * eigenvalues @ Q.T, goal), penalty, **stop)
    np.testing.assert_allclose(sound.z, Q @ (Q.T @ goal / (eigenvalues + 1e-6)), rtol=1e-8)
    eigenvalues[3] = eigenvalue
    with pytest.raises(ValueError, match="conjugate gradients diverge"):
        conjugate_gradients(Matrix(Q * eigenvalues @ Q.T, goal), penalty, **stop)


def test_steps_that_rounding_leads_astray_are_refused(monkeypatch):
    X, y, _ = waves(150, 3)
    monkeypatch.setattr(NormalEquations, "_turns", lambda self: None)
    for penalty in (1.25, 2.0):
        model = KroneckerRidge(FourierEncoder(stable_rank=5, **UNIT), alpha=1e-3, penalty=penalty)
        model.partial_fit(X, y)
        with pytest.raises(ValueError, match="raise alpha"):
            model.predict(X)


BSPLINE = ENCODERS[4]


def test_blocks_and_merges_are_of_one_encoder_and_the_same_axes():
    X, y, _ = waves(60, 2)
    frame = pd.DataFrame(X, columns=["north", "east"])
    model = KroneckerRidge(BSPLINE, alpha=1e-3).partial_fit(frame, y)
    before = model.predict(frame)
    swapped = clone(model).partial_fit(frame[["east", "north"]], y)
    with pytest.raises(ValueError, match=r"names of axes. Got \['east', 'north'\]"):
        model.merge(swapped)
    with pytest.raises(ValueError, match=r"axes and outputs. Got \(2, 1\) and \(2, 2\)"):
        model.merge(clone(model).partial_fit(frame, y[:, 0]))
    finer = clone(BSPLINE).set_params(n_shifts=9)
    with pytest.raises(ValueError, match="same encoder"):
        model.merge(clone(model).set_params(encoder=finer).partial_fit(frame, y))
    with pytest.raises(ValueError, match="by partial_fit, not by fit"):
        model.merge(clone(model).fit(frame, y))
    for other in (ENCODERS[0], finer):
        with pytest.raises(ValueError, match="encoder must be the same for all blocks"):
            model.set_params(encoder=other).partial_fit(frame, y)
    np.testing.assert_array_equal(model.predict(frame), before)
    model.set_params(encoder=[clone(BSPLINE), clone(BSPLINE)]).partial_fit(frame, y)


@pytest.mark.parametrize("step", ["merge", "partial_fit"])
def test_the_penalty_and_alpha_of_now_count(step):
    X, y, _ = waves(80, 2)
    model = KroneckerRidge(BSPLINE, alpha=1e-3, **EXACT).partial_fit(X[:40], y[:40])
    now = {"alpha": 0.5, "penalty": 1.5}
    model.set_params(**now)
    if step == "merge":
        model.merge(KroneckerRidge(BSPLINE).partial_fit(X[40:], y[40:]))
    else:
        model.partial_fit(X[40:], y[40:])
    whole = KroneckerRidge(BSPLINE, **now, **EXACT).fit(X, y)
    assert spread_of_difference(model.predict(X), whole.predict(X)) < 1e-6
    with pytest.raises(ValueError, match="penalty must be one of"):
        getattr(model.set_params(penalty="none"), step)(*([] if step == "merge" else [X, y]))


class Hat(Basis):
    support = 1.0

    def __init__(self, power=1.0):
        self.power = power

    def phi(self, u, xp):
        return xp.clip(1 - xp.abs(u), 0, None) ** self.power


@pytest.mark.parametrize(
    ("encoder", "other"),
    [
        (
            ShiftedBasisEncoder(Hat(), stable_rank=3, n_shifts=7, **UNIT),
            ShiftedBasisEncoder(Hat(2.0), stable_rank=3, n_shifts=7, **UNIT),
        ),
        (
            RandomFourierEncoder(3, bandwidth=0.5, random_state=np.random.RandomState(0), **UNIT),
            RandomFourierEncoder(3, bandwidth=0.5, random_state=np.random.RandomState(1), **UNIT),
        ),
    ],
    ids=["basis", "seed"],
)
def test_blocks_of_settings_that_are_objects(encoder, other):
    X, y, _ = waves(60, 2)
    model = KroneckerRidge(encoder, alpha=1e-2, **EXACT)
    blocks = clone(model).partial_fit(X[:20], y[:20]).partial_fit(X[20:40], y[20:40])
    blocks.merge(clone(model).partial_fit(X[40:], y[40:]))
    whole = clone(model).partial_fit(X, y)
    assert spread_of_difference(blocks.predict(X), whole.predict(X)) < 1e-6
    with pytest.raises(ValueError, match="encoder must be the same for all blocks"):
        blocks.set_params(encoder=other).partial_fit(X, y)


def test_a_block_whose_squares_are_beyond_floats_changes_nothing():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(30, 2))
    model = KroneckerRidge(BSPLINE, alpha=1e-3).partial_fit(X, X[:, 0])
    before = model.predict(X)
    for y, weights in ((1e154 * X[:, 0], None), (X[:, 0], np.full(30, 1e305))):
        with pytest.raises(ValueError, match=r"sample_weight \* y\*\*2, up to 1e\+300"):
            model.partial_fit(X, y, weights)
    np.testing.assert_array_equal(model.predict(X), before)
