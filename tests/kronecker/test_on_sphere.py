"""Places on a sphere: found among three axes, and their resolution learnt as one."""

import numpy as np
import pytest

from sk_posenc import KroneckerRidgeCV, SphereCoordinates
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._many import sphere_shows_all
from sk_posenc.kronecker._on_sphere import sphere_of
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
    sphere = sphere_of(columns)
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
        ball, rough, plane, [*plane, plane[0]], [*plane, 0 * plane[0]], [*circle, 0 * circle[0]],
        np.zeros((3, 60)), globe(9, rng).T,
    ):  # fmt: skip
        assert sphere_of(list(columns)) is None
    assert sphere_of(list(globe(10, rng).T)) is not None


def test_points_between_are_on_the_sphere_and_parts_keep_it(rng):
    points = globe(90, rng)
    samples = Samples(points, None)
    stage = Stage.of(samples, samples.to_cells(points[:, :1]))
    for each in (stage, stage.part(np.arange(8)), stage.with_outputs(1), stage.few(20)):
        assert each.sphere is stage.sphere is not None
        between = np.stack(each._between, axis=1)
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
    sphere = sphere_of([*rng.normal(size=(1, 40)), *globe(40, rng).T])
    octaves = np.array([0.0, -2.5, 0.0, -0.5])
    wanted = octaves + np.array([0.5, octave, octave, octave])
    target = Resolution(basis, tuple(wanted.tolist()), 0.0, radial)
    scored = []
    found = SphereClimb(bowl(target, scored), sphere, octaves, 300).run()
    assert found == target
    for each in scored:
        alike = np.subtract(each.octaves, octaves)[1:]
        np.testing.assert_allclose(alike, alike[0])
        assert each.spacing == 0
    alone = []
    target = Resolution(basis, (octave,) * 3, 0.0, radial)
    assert SphereClimb(bowl(target, alone), sphere, np.zeros(3), 300).run() == target
    assert {each.basis for each in alone if not each.radial} == {"gaussian"}
    # far below what is tried, with the same end along all axes
    far = Resolution("gaussian", (-50.0,) * 4, 0.0)
    ends = SphereClimb(bowl(far, []), sphere, octaves, 300).run().octaves
    np.testing.assert_allclose(np.subtract(ends, octaves), -4)


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


def test_few_stations_show_all_of_a_smooth_field_alone(rng):
    def shown(points, y):
        samples, columns = Samples(points, None), y[:, None]
        return sphere_shows_all(samples, columns, Units(samples, columns))

    points = globe(2_500, rng)
    assert shown(points, np.cos(3 * points).sum(axis=1))
    assert not shown(points, np.cos(25 * points).sum(axis=1))
    ball = points * rng.uniform(0.5, 1, size=(2_500, 1))
    assert not shown(ball, np.cos(3 * ball).sum(axis=1))


def test_degrees_are_on_no_sphere_and_their_points_are(rng):
    places = SphereCoordinates().fit(np.zeros((1, 2))).inverse_transform(globe(40, rng))
    assert sphere_of(list(places.T)) is None
    assert sphere_of(list(SphereCoordinates().fit_transform(places).T)).first == 0
