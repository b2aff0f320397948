"""Places on a sphere: found among three axes, and their resolution learnt as one."""

import numpy as np
import pytest

from sk_posenc import KroneckerRidgeCV, SphereCoordinates
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._many import sphere_shows_all
from sk_posenc.kronecker._on_sphere import spheres_of
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._sphere_climb import SphereClimb
from sk_posenc.kronecker._stage import Resolution, Stage
from sk_posenc.kronecker._targets import Units

CENTRE = np.array([5.0, -300.0, 70.0])


def globe(n, rng, reach=1.0):
    """Stations everywhere, or within that share of a half turn around a place."""
    height = rng.uniform(np.cos(np.pi * reach), 1, n)
    longitude, across = rng.uniform(0, 2 * np.pi, n), np.sqrt(1 - height**2)
    points = np.column_stack([across * np.cos(longitude), across * np.sin(longitude), height])
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    return points @ turn


@pytest.mark.parametrize("reach", [1.0, 0.3, 0.03])
@pytest.mark.parametrize("radius", [1.0, 6371.0])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sphere_is_found_wherever_it_is(reach, radius, first, dtype, rng):
    points = radius * globe(60, rng, reach)
    points = (points if dtype == np.float32 else points + CENTRE).astype(dtype)
    columns = [*rng.normal(size=(first, 60)), *points.T, rng.normal(size=60)]
    (sphere,) = spheres_of(columns).each
    assert sphere.axes == slice(first, first + 3)
    rough = 1e-2 if dtype == np.float32 else 1e-6
    assert sphere.radius == pytest.approx(radius, rel=rough)
    np.testing.assert_allclose(
        sphere.centre, 0 if dtype == np.float32 else CENTRE, atol=rough * radius
    )
    nearer = (points.astype(np.float64) - sphere.centre) * 0.3 + sphere.centre
    inside = [*columns[:first], *nearer.T, columns[-1]]
    moved = sphere.onto(inside)
    assert len(moved) == len(columns)
    apart = np.linalg.norm(np.stack(moved[sphere.axes], axis=1) - sphere.centre, axis=1)
    np.testing.assert_allclose(apart, sphere.radius, rtol=1e-9)
    np.testing.assert_array_equal(moved[-1], columns[-1])
    lengths = [2.0] * first + [0.5, 2.0, 1.0, 9.0]
    expected = [0.0] * first + [-2.0, 0.0, -1.0, 0.0]
    np.testing.assert_array_equal(sphere.octaves(lengths), expected)


def test_other_places_are_on_no_sphere(rng):
    ball, plane = rng.normal(size=(3, 60)), rng.uniform(size=(2, 60))
    rough = globe(60, rng).T * rng.uniform(0.98, 1.02, 60)
    circle = np.cos([plane[0], plane[0] - np.pi / 2])
    for columns in (
        ball, rough, plane, [*plane, plane[0]], [*plane, 0 * plane[0]], plane[:1],
        np.zeros((3, 60)), globe(9, rng).T, circle[:, :9], 1.02 * circle * (plane[1] + 1),
    ):  # fmt: skip
        assert spheres_of(list(columns)) is None
    assert spheres_of(list(globe(10, rng).T)).has_globe
    assert not spheres_of([*circle, 0 * circle[0]]).has_globe


def cycle(hours, period=24):
    angle = 2 * np.pi * np.asarray(hours) / period
    return np.stack([np.cos(angle), np.sin(angle)])


def test_circles_and_globes_stand_side_by_side(rng):
    hours, days, apart = *rng.uniform(0, 1000, (2, 60)), rng.normal(size=60)
    columns = [apart, *cycle(hours), *cycle(days, 365), *globe(60, rng).T, apart]
    spheres = spheres_of(columns)
    assert [each.axes for each in spheres.each] == [slice(1, 3), slice(3, 5), slice(5, 8)]
    for each in spheres.each:
        np.testing.assert_allclose(each.centre, 0, atol=1e-12)
        assert each.radius == pytest.approx(1)
    moved = spheres.onto([columns[0], *(0.5 * each for each in columns[1:-1]), columns[-1]])
    np.testing.assert_allclose(moved, columns, atol=1e-12)
    lengths = [3.0, 2.0, 1.0, 0.5, 2.0, 1.0, 1.0, 2.0, 7.0]
    expected = [0.0, 0.0, -1.0, -2.0, 0.0, -1.0, -1.0, 0.0, 0.0]
    np.testing.assert_array_equal(spheres.octaves(lengths), expected)
    # a climb has a direction for each of them, and for each other axis
    moves = SphereClimb(lambda each: 0.0, spheres, lengths, 60)._directions()
    together = [[0], [1, 2], [3, 4], [5, 6, 7], [8]]
    assert [np.flatnonzero(each).tolist() for each in moves] == [list(range(9)), *together]


def test_a_cycle_of_cosine_and_sine_is_predicted_in_its_gap(rng):
    field = lambda h: np.sin(2 * np.pi * h / 24) + 0.5 * np.cos(4 * np.pi * h / 24)  # noqa: E731
    hours, at = rng.uniform(0, 24, 90), np.linspace(0, 24, 100)
    hours = hours[(hours < 9) | (hours > 15)]
    y = field(hours) + 0.2 * rng.normal(size=len(hours))
    for first in (0, 5):  # whatever hour the circle starts at
        model = KroneckerRidgeCV().fit(cycle(hours + first).T, y)
        found, std = model.predict(cycle(at + first).T, return_std=True)
        assert np.sqrt(np.mean((found - field(at)) ** 2)) < 0.12
        assert np.mean(np.abs(found - field(at)) < 2 * std) > 0.8


def test_points_between_are_on_the_sphere_and_parts_keep_it(rng):
    points = globe(90, rng)
    samples = Samples(points, None)
    stage = Stage.of(samples, samples.to_cells(points[:, :1]))
    for each in (stage, stage.part(np.arange(8)), stage.with_outputs(1), stage.few(20)):
        assert each.spheres is stage.spheres is not None
        between = np.stack(each.between, axis=1)
        np.testing.assert_allclose(np.linalg.norm(between, axis=1), 1, rtol=1e-9)


def bowl(target, scored):
    def score(resolution):
        scored.append(resolution)
        apart = np.subtract(resolution.octaves, target.octaves)
        unlike = (resolution.basis, resolution.radial) != (target.basis, target.radial)
        return float(np.sum(apart**2)) + 0.5 * unlike + resolution.spacing

    return score


@pytest.mark.parametrize(("basis", "radial"), [("gaussian", False), ("matern72", True)])
@pytest.mark.parametrize("octave", [-1.25, 3.5])
def test_a_climb_moves_the_axes_of_a_sphere_together(basis, radial, octave, rng):
    spheres = spheres_of([*rng.normal(size=(1, 40)), *globe(40, rng).T])
    lengths, octaves = 2.0 ** np.array([[3.0, -1.5, 1.0, 0.5], [0.0, -2.5, 0.0, -0.5]])
    octaves = np.log2(octaves)
    wanted = octaves + np.array([0.5, octave, octave, octave])
    target = Resolution(basis, tuple(wanted.tolist()), 0.0, radial)
    scored = []
    found = SphereClimb(bowl(target, scored), spheres, lengths, 300).run()
    assert found == target
    for each in scored:
        alike = np.subtract(each.octaves, octaves)[1:]
        np.testing.assert_allclose(alike, alike[0])
        assert each.spacing == 0
    alone, by_itself = [], spheres_of(list(globe(40, rng).T))
    target = Resolution(basis, (octave,) * 3, 0.0, radial)
    assert SphereClimb(bowl(target, alone), by_itself, np.ones(3), 300).run() == target
    assert {each.basis for each in alone if not each.radial} == {"gaussian"}
    # far below what is tried, with the same end along all axes
    far = Resolution("gaussian", (-50.0,) * 4, 0.0)
    ends = SphereClimb(bowl(far, []), spheres, lengths, 300).run().octaves
    np.testing.assert_allclose(np.subtract(ends, octaves), -4)


def test_a_climb_follows_the_second_best_basis_to_its_own_resolution(rng):
    spheres, best = spheres_of(list(globe(40, rng).T)), {"gaussian": 1.5, "matern72": -0.25}

    def score(resolution):
        if resolution.basis not in best:
            return 9.0
        behind = 0.1 if resolution.basis == "gaussian" else 0.0
        return (resolution.octaves[0] - best[resolution.basis]) ** 2 + behind

    found = SphereClimb(score, spheres, [2.0] * 3, 300).run()
    assert found == Resolution("matern72", (-0.25,) * 3, 0.0, True)


@pytest.mark.parametrize("n", [150, 700])
@pytest.mark.parametrize("reach", [1.0, 0.1])
def test_smooth_fields_are_learnt_alike_in_every_direction(n, reach, rng):
    points, at = globe(n, rng, reach), globe(300, rng, reach)
    waves = 2.0 / reach * rng.normal(size=(3, 4)), rng.uniform(0, 6, 4)
    field = lambda x: np.cos(x @ waves[0] + waves[1]).sum(axis=1)  # noqa: E731
    y = field(points) + 0.01 * rng.normal(size=n)
    with limits(learnt_up_to=400, judged_up_to=200, dual_up_to=500):
        model = KroneckerRidgeCV().fit(points, y)
        assert model.layout_ == ("dual" if n == 150 else "centres")
        errors = model.predict(at) - field(at)
        turned = KroneckerRidgeCV().fit(points[:, [1, 2, 0]], y)
    assert np.sqrt(np.mean(errors**2)) < (0.06 if n == 150 else 0.02) * np.std(y)
    assert turned.alpha_ == model.alpha_
    np.testing.assert_allclose(turned.predict(at[:, [1, 2, 0]]), model.predict(at), atol=5e-3)


def test_a_sphere_of_stations_with_an_axis_more(rng):
    points, hour = globe(300, rng), rng.uniform(0, 3, 300)
    X = np.column_stack([points, hour])
    y = points[:, 0] * np.sin(hour) + points[:, 2]
    model = KroneckerRidgeCV().fit(X[:250], y[:250])
    assert np.sqrt(np.mean((model.predict(X[250:]) - y[250:]) ** 2)) < 0.05 * np.std(y)


def test_parts_of_a_sphere_are_asked_unless_they_are_most_of_it(rng):
    def shown(points, y):
        samples, columns = Samples(points, None), y[:, None]
        return sphere_shows_all(samples, columns, Units(samples, columns))

    points = globe(2_500, rng)
    smooth, rough = np.cos(3 * points).sum(axis=1), np.cos(25 * points).sum(axis=1)
    ball = points * rng.uniform(0.5, 1, size=(2_500, 1))
    with limits(dual_up_to=2_499, judged_up_to=256):
        assert shown(points, smooth)
        assert not shown(points, rough)
    assert shown(points, rough)
    assert not shown(ball, smooth)
    assert not shown(cycle(np.arange(2_500), 2_500).T, smooth)


def test_degrees_are_on_no_sphere_and_their_points_are(rng):
    places = SphereCoordinates().fit(np.zeros((1, 2))).inverse_transform(globe(40, rng))
    assert spheres_of(list(places.T)) is None
    points = SphereCoordinates().fit_transform(places)
    assert spheres_of(list(points.T)).each[0].first == 0
