"""The way to the best resolution on scores that are known, and the parts of places it starts on."""

import numpy as np
import pytest

from sk_posenc.kronecker._climb import SPACINGS, Climb, first_of_least
from sk_posenc.kronecker._parts import parts_of
from sk_posenc.kronecker._stage import Resolution

MOST = 80


def bowl(target, steep=1.0):
    """A score whose least value is that of the target, and the list of what it has scored."""
    scored = []

    def score(resolution):
        scored.append(resolution)
        apart = np.subtract(resolution.octaves, target.octaves)
        value = float(np.sum(steep * np.arange(1, len(apart) + 1) * apart**2))
        value += 0.8 * (resolution.basis != target.basis)
        value += 0.6 * (resolution.radial != target.radial)
        return value + abs(resolution.spacing - target.spacing)

    return score, scored


def climbed(target, n_axes, n_places=500, **settings):
    score, scored = bowl(target)
    climb = Climb(score, n_axes, n_places, **settings)
    found = climb.run()
    assert found == climb.best
    assert len(scored) == len(set(scored)) == len(climb.scores) <= MOST
    return found


TARGETS = [
    Resolution("gaussian", (3.5,), 0.0),
    Resolution("matern72", (-1.5,), 0.9),
    Resolution("matern72", (4.0, 3.0), 0.5),
    Resolution("matern32", (3.0, -1.5), 0.0, radial=True),
    Resolution("matern12", (1.0, 2.5), 0.9, radial=True),
    Resolution("gaussian", (3.0, 2.0, 0.5), 0.5),
    Resolution("matern72", (1.0, -0.5, 2.0), 0.0, radial=True),
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_the_least_score_is_found(target):
    assert climbed(target, len(target.octaves)) == target


@pytest.mark.parametrize("offset", [-0.2, 0.2])
def test_the_nearest_half_octave_is_found(offset):
    target = Resolution("gaussian", (3.5 + offset, 1.0 + offset), 0.0)
    assert climbed(target, 2) == Resolution("gaussian", (3.5, 1.0), 0.0)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_the_order_of_axes_does_not_matter(order):
    octaves = np.array([3.2, 0.4, -1.3])
    steep = np.array([1.0, 2.0, 1.5])
    shares = np.array([[2.0, 0.3, 0.1], [0.3, 2.0, 0.5], [0.1, 0.5, 2.0]])

    def score(resolution):
        apart = np.empty(3)
        apart[list(order)] = resolution.octaves
        apart -= octaves
        return float(apart @ shares @ (steep * apart))

    found = Climb(score, 3, 500).run()
    assert found.octaves == tuple(np.array([3.0, 0.5, -1.5])[list(order)])


@pytest.mark.parametrize(("far", "end"), [(-50.0, -4.0), (50.0, 5.0)])
def test_octaves_have_ends(far, end):
    assert climbed(Resolution("gaussian", (far,), 0.0), 1, n_places=16).octaves == (end,)


@pytest.mark.parametrize(
    ("n_axes", "n_places", "octaves"),
    [
        *((1, 100, [0, 2, 4, 6, 8]), (2, 100, [0, 2, 4]), (2, 64, [0, 2, 4])),
        *((3, 500, [0, 2, 4]), (2, 20, [0, 2]), (6, 3, [0, 2])),
    ],
)
def test_starts_go_up_to_the_places_of_an_axis(n_axes, n_places, octaves):
    scored = []
    Climb(lambda each: scored.append(each) or float(len(scored)), n_axes, n_places).run()
    starts = [
        Resolution(basis, (float(octave),) * n_axes, spacing)
        for basis in ("gaussian", "matern32")
        for spacing in (0.0, 0.9)
        for octave in octaves
    ]
    assert scored[: len(starts)] == starts
    assert scored[len(starts)] not in starts
    assert scored[len(starts)].octaves == (1.0,) * n_axes


def test_spacings_and_radial_bases_are_those_that_are_given():
    target = Resolution("matern12", (2.0, 2.0), 0.9, radial=True)
    score, scored = bowl(target)
    found = Climb(score, 2, 100, spacings=SPACINGS[:1], radial=()).run()
    assert (found.octaves, found.spacing, found.radial) == ((2.0, 2.0), 0.0, False)
    assert {each.spacing for each in scored} == {0.0}
    assert not any(each.radial for each in scored)


def test_a_climb_that_never_ends_is_cut_off():
    scored = []

    def score(resolution):
        scored.append(resolution)
        return -float(len(scored))

    found = Climb(score, 6, 4_000).run()
    assert len(scored) == MOST
    assert found == scored[-1]


def test_rounding_does_not_move_a_climb(rng):
    moves = set()
    for _ in range(3):
        moves.add(Climb(lambda _: 5 + 1e-8 * rng.standard_normal(), 2, 100).run())
    assert moves == {Resolution("gaussian", (0.0, 0.0), 0.0)}


@pytest.mark.parametrize(
    ("scores", "place"),
    [([3.0], 0), ([2, 1, 1], 1), ([1, 1 - 1e-8, 2], 0), ([1, 1 - 1e-4], 1), ([-1e-8, 0, -1], 2)],
)
def test_first_of_equal_scores(scores, place):
    assert first_of_least(scores) == place


def test_parts_have_their_sizes_and_are_always_the_same(rng):
    places = rng.uniform(size=(900, 2))
    parts = parts_of(places, 160)
    for part, again in zip(parts, parts_of(places.copy(), 160), strict=True):
        np.testing.assert_array_equal(part, again)
        assert np.all(np.diff(part) > 0)
        assert 0 <= part[0] <= part[-1] < 900
    spread, near, half = parts
    assert len(spread) == 160
    assert 120 < len(near) <= 160
    assert 140 < len(half) <= 160
    assert 60 < len(np.intersect1d(half, spread)) < 120


def test_neighbourhoods_are_no_places_at_random(rng):
    spread, near, _ = parts_of(rng.uniform(size=(900, 2)), 160)
    assert len(np.setdiff1d(near, spread)) > 80


def closest(places, rows, n):
    """Mean distance of the n-th nearest other place of rows, of these rows."""
    apart = np.linalg.norm(places[rows][:, None] - places[rows], axis=-1)
    return np.mean(np.sort(apart, axis=1)[:, n])


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_neighbourhoods_are_neighbourhoods(n_axes, rng):
    places = rng.uniform(size=(1_000, n_axes))
    spread, near, _ = parts_of(places, 200)
    everything = closest(places, np.arange(1_000), 1)
    assert closest(places, near, 1) < 1.2 * everything
    assert closest(places, spread, 1) > 1.4 * everything


def test_neighbourhoods_reach_far_clusters(rng):
    middles = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0.5, 0.5]])
    places = np.concatenate([0.01 * rng.standard_normal((200, 2)) + each for each in middles])
    _, near, half = parts_of(places, 80)
    for part in (near, half):
        assert set(part // 200) == set(range(5))


@pytest.mark.parametrize("n", [1, 3, 7, 12])
def test_fewer_places_than_neighbourhoods(n, rng):
    for part in parts_of(rng.uniform(size=(n, 2)), 4):
        assert 1 <= len(part) <= n
        assert part[-1] < n
    for part in parts_of(rng.uniform(size=(n, 2)), 400):
        np.testing.assert_array_equal(part, np.arange(n))


def test_places_on_a_line(rng):
    along = rng.uniform(size=300)
    for places in (np.outer(along, [1, 1]), np.outer(along, [1, 0])):
        for part in parts_of(places, 80):
            assert 50 < len(part) <= 80
