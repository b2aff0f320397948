"""How results must move when the input does, at fixed settings and by choice, for all layouts.

What the units of scattered samples do to a search is in ``kronecker/test_learnt_units.py``.
"""

from functools import cache

import numpy as np
import pytest
from sklearn.base import clone

from sk_posenc import (
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    MultigridEncoder,
    RandomFourierEncoder,
    SeasonalRidge,
    ShiftedBasisEncoder,
)

UNEVEN = np.geomspace(0.05, 1.0, 40)


def _grid(*shape):
    axes = [np.arange(n) / n for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))


def _scattered(n, n_axes):
    return np.random.default_rng(3).uniform(size=(n, n_axes))


PLACES = {
    "line": _grid(40),
    "uneven line": UNEVEN[:, None],
    "grid": _grid(9, 7),
    "holes": np.delete(_grid(9, 8), [3, 4, 12, 13, 30, 31, 32, 44, 60], axis=0),
    "scattered": _scattered(60, 2),
    "volume": _grid(5, 4, 6),
    "scattered volume": _scattered(60, 3),
}
PENALTIES = ["ridge", "slope", 2.0, "similarity", "radial"]
DIRECT = 1e-6


def signal(X, k=0):
    """A smooth function with noise; another one for each k."""
    noise = np.random.default_rng(k).standard_normal(len(X))
    return np.sin((5 + k) * X[:, 0]) * np.cos(4 * X[:, -1] + k) + 0.1 * noise


def between(X):
    share = np.random.default_rng(1).uniform(0.1, 0.85, size=(25, X.shape[1]))
    return X.min(axis=0) + share * np.ptp(X, axis=0)


def close(found, expected, tolerance=DIRECT):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    scale = max(1.0, np.max(np.abs(expected)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def ridge(penalty):
    encoder = ShiftedBasisEncoder("matern72") if penalty == "radial" else None
    return KroneckerRidge(encoder, penalty=penalty, alpha=1e-3, tol=1e-9)


CASES = [(place, penalty) for place in PLACES for penalty in PENALTIES]
for_all = pytest.mark.parametrize(("place", "penalty"), CASES, ids=str)


@cache
def fit_of(place, penalty):
    X = PLACES[place]
    return ridge(penalty).fit(X, signal(X))


@cache
def values_of(place, penalty):
    return fit_of(place, penalty).predict(between(PLACES[place]))


def _mirrored(X):
    return -X


def _shifted(X):
    return X + 1e6


def _scaled(X):
    return X * np.array([1e-3, 7.0, 1e5])[: X.shape[1]]


def _swapped(X):
    return X[:, ::-1]


MOVES = {"shifted": _shifted, "scaled": _scaled, "mirrored": _mirrored, "swapped": _swapped}


@for_all
@pytest.mark.parametrize("move", MOVES)
def test_places_may_be_moved(place, penalty, move):
    X = PLACES[place]
    moved = ridge(penalty).fit(MOVES[move](X), signal(X))
    assert moved.layout_ == fit_of(place, penalty).layout_
    close(moved.predict(MOVES[move](between(X))), values_of(place, penalty))


@pytest.mark.parametrize("place", ["line", "uneven line", "scattered", "scattered volume"])
@pytest.mark.parametrize("move", MOVES)
def test_axes_that_follow_their_samples_may_be_moved(place, move):
    X = PLACES[place]
    model = KroneckerRidge(penalty=2.0, alpha=1e-2, spacing=0.9, tol=1e-9)
    expected = clone(model).fit(X, signal(X)).predict(between(X))
    moved = clone(model).fit(MOVES[move](X), signal(X))
    close(moved.predict(MOVES[move](between(X))), expected)


@for_all
def test_a_fit_is_linear_in_its_targets(place, penalty):
    """Outputs together, sums and multiples; the mean is linear as well."""
    X = PLACES[place]
    first, second = signal(X), signal(X, 1)
    columns = np.column_stack([first, second, first + second, 3 - 1e3 * first])
    together = ridge(penalty).fit(X, columns).predict(between(X))
    close(together[:, 0], values_of(place, penalty))
    close(together[:, 2], together[:, 0] + together[:, 1])
    close(together[:, 3], 3 - 1e3 * together[:, 0])
    apart = ridge(penalty).fit(X, second).predict(between(X))
    close(apart, together[:, 1])
    alone = ridge(penalty).fit(X, columns[:, 3]).predict(between(X))
    close(alone, together[:, 3])


@for_all
def test_rows_have_no_order_and_a_weight_of_2_is_a_row_twice(place, penalty):
    X, order = PLACES[place], np.random.default_rng(2).permutation(len(PLACES[place]))
    y, weights = signal(X), 1.0 + (np.arange(len(X)) % 3 == 0)
    shuffled = ridge(penalty).fit(X[order], y[order])
    close(shuffled.predict(between(X)), values_of(place, penalty))
    weighted = ridge(penalty).fit(X, y, weights).predict(between(X))
    twice = ridge(penalty).fit(np.r_[X, X[::3]], np.r_[y, y[::3]]).predict(between(X))
    close(twice, weighted)
    assert np.max(np.abs(weighted - values_of(place, penalty))) > 100 * DIRECT
    for scale in (1e-290, 7.0, 1e300):
        close(ridge(penalty).fit(X, y, scale * weights).predict(between(X)), weighted)


@pytest.mark.parametrize(("place", "penalty"), [c for c in CASES if c[1] != "radial"], ids=str)
def test_derivatives_are_differences(place, penalty):
    model, at = fit_of(place, penalty), between(PLACES[place])
    for axis, encoder in enumerate(model.encoders_):
        # cubic splines jump in their third derivative
        smooth = encoder.basis == "gaussian"
        h = float(encoder.bandwidth_[0]) / 20 if smooth else 1e-4
        order = np.eye(at.shape[1], dtype=int)[axis]
        ahead, back = ([model.predict(at + s * k * h * order) for k in (1, 2, 3)] for s in (1, -1))
        one, two, three = np.subtract(ahead, back)
        slope = (45 * one - 9 * two + three) / (60 * h)
        close(model.predict(at, derivative=tuple(order)), slope)


@pytest.mark.parametrize("penalty", [each for each in PENALTIES if each != "radial"], ids=str)
@pytest.mark.parametrize("place", ["grid", "scattered", "line"])
def test_a_circle_has_no_start(place, penalty):
    X = PLACES[place]
    n_axes = X.shape[1]
    encoder = ShiftedBasisEncoder(
        stable_rank=4, n_shifts=12, domain=[(0, 1)] * n_axes, boundary="periodic"
    )
    model = KroneckerRidge(encoder, penalty=penalty, alpha=1e-3, tol=1e-9)
    at, y = between(X), signal(X)
    expected = clone(model).fit(X, y).predict(at)
    close(clone(model).fit(X + 3, y).predict(at - 2), expected)
    by_a_shift = np.zeros(n_axes)
    by_a_shift[0] = 1 / 12  # all shifts of the basis move on to the next
    turned = (X + by_a_shift) % 1
    close(clone(model).fit(turned, y).predict(at + by_a_shift), expected)


SEARCHED = ["line", "uneven line", "grid", "holes", "volume"]


@cache
def searched(place):
    X = PLACES[place]
    return KroneckerRidgeCV().fit(X, signal(X))


def same_choice(one, two):
    assert (one.alpha_, one.penalty_, one.layout_) == (two.alpha_, two.penalty_, two.layout_)
    assert one.best_index_ == two.best_index_
    ranks = [[each.stable_rank_[0] for each in model.encoders_] for model in (one, two)]
    np.testing.assert_allclose(*ranks, rtol=1e-7)


@pytest.mark.parametrize("place", SEARCHED)
@pytest.mark.parametrize("move", ["units", "mirrored rows", "twice"])
def test_a_search_chooses_the_same(place, move):
    X, at = PLACES[place], between(PLACES[place])
    y = signal(X)
    expected = searched(place).predict(at)
    if move == "units":
        moved = KroneckerRidgeCV().fit(_scaled(X) + 5, 7 - 40 * y)
        found = (7 - moved.predict(_scaled(at) + 5)) / 40
    elif move == "mirrored rows":
        order = np.random.default_rng(2).permutation(len(X))
        moved = KroneckerRidgeCV().fit(-X[order], np.column_stack([y, y])[order])
        found = moved.predict(-at)[:, 1]
    else:
        moved = KroneckerRidgeCV().fit(np.r_[X, X], np.r_[y, y])
        found = moved.predict(at)
    same_choice(moved, searched(place))
    close(found, expected)


@pytest.mark.parametrize("place", ["grid", "holes", "volume"])
def test_a_search_does_not_know_the_order_of_axes(place):
    X, one = PLACES[place], searched(place)
    two = KroneckerRidgeCV().fit(_swapped(X), signal(X))
    assert (one.alpha_, one.penalty_, one.layout_) == (two.alpha_, two.penalty_, two.layout_)
    ranks = [[each.stable_rank_[0] for each in model.encoders_] for model in (one, two)]
    np.testing.assert_allclose(ranks[0], ranks[1][::-1], rtol=1e-9)
    at = between(X)
    close(two.predict(_swapped(at)), one.predict(at))


def test_seasons_are_linear_and_have_no_start():
    t = np.arange(70.0)[:, None]
    t = np.delete(t, [11, 12, 40], axis=0)
    y = np.column_stack([signal(t / 7, k) for k in range(2)])
    model = SeasonalRidge(7, alphas=[0.1, 0.01], stable_ranks=[6.0, 4.0])
    at = np.linspace(-3, 80, 50)[:, None]

    def parts(t, y, at):
        return clone(model).fit(t, y).predict_components(at)

    first, second = (parts(t, y[:, k], at) for k in range(2))
    close(parts(t, y @ [1.0, -2.0], at), first - 2 * second)
    close(parts(t + 7e5, y[:, 0], at + 7e5), first)
    close(parts(t, y[:, 0], at + 7)[:, 1], first[:, 1])
    uneven = np.sort(np.random.default_rng(1).uniform(0, 70, 60))[:, None]
    for ranks in ([6.0, 4.0], "auto"):
        model.set_params(stable_ranks=ranks)
        for times in (t, uneven):
            values = signal(times / 7)
            close(parts(-times, values, -at), parts(times, values, at))


def encoders():
    yield "gaussian", ShiftedBasisEncoder(stable_rank=[6, 4])
    yield "bspline", ShiftedBasisEncoder("bspline", stable_rank=[6, 4])
    yield "fourier", FourierEncoder(stable_rank=[6, 4])
    yield "random", RandomFourierEncoder(64, stable_rank=5, random_state=0)
    yield "grids", MultigridEncoder(coarsest=4, finest=16, random_state=0)


ENCODERS = dict(encoders())


@pytest.mark.parametrize("name", ENCODERS)
def test_encodings_of_moved_places(name):
    X, encoder = PLACES["scattered"], ENCODERS[name]
    at = between(X)
    fitted = clone(encoder).fit(X)
    expected = fitted.transform(at)
    for move in (_shifted, _scaled):
        close(clone(encoder).fit(move(X)).transform(move(at)), expected)
    shuffled = clone(encoder).fit(X[::-1])
    np.testing.assert_array_equal(shuffled.transform(at), expected)


@pytest.mark.parametrize("name", ["gaussian", "bspline", "fourier"])
def test_similarities_of_mirrored_and_swapped_places(name):
    X, encoder = PLACES["scattered"], ENCODERS[name]
    at = between(X)
    expected = clone(encoder).fit(X).similarity(at, X)
    close(clone(encoder).fit(-X).similarity(-at, -X), expected)
    swapped = clone(encoder).set_params(stable_rank=[4, 6]).fit(_swapped(X))
    close(swapped.similarity(_swapped(at), _swapped(X)), expected)
    columns = [sorted(np.round(E.ravel(), 6)) for E in (
        clone(encoder).fit(X).transform(at), swapped.transform(_swapped(at)),
    )]  # fmt: skip
    np.testing.assert_allclose(*columns, atol=1e-5)


@pytest.mark.parametrize("name", ["gaussian", "bspline", "fourier", "grids"])
def test_a_period_later_the_encoding_is_the_same(name):
    X = PLACES["scattered"]
    circle = clone(ENCODERS[name]).set_params(boundary="periodic", domain=[(0, 1)] * 2).fit(X)
    for periods in ([1, 0], [-2, 5], [1e6, -1e6]):
        close(circle.transform(X + np.array(periods)), circle.transform(X))
