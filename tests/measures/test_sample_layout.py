"""How samples lie: what the layouts of the panel of examples show, and that others show nothing."""

import math

import numpy as np
import pytest

from sk_posenc import ShiftedBasisEncoder, encoding_report
from sk_posenc.core.samples_per_axis import samples_per_axis
from sk_posenc.measures.sample_layout import sample_layout


def findings_of(X, encoder=None):
    encoder = encoder or ShiftedBasisEncoder()
    return encoding_report(encoder, X, max_samples=20).layout.findings


def layout_of(X):
    n = samples_per_axis(X)
    return sample_layout(X, n, np.ptp(X, axis=0) / np.maximum(n - 1, 1))


def grid(*axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def log_axis(n):
    return np.geomspace(0.01, 1, n)


def random(rng, n, n_axes):
    return rng.uniform(size=(n, n_axes))


def bursts(rng, n, n_axes):
    places = random(rng, n, n_axes)
    places[:, 0] = (rng.integers(12, size=n) + 0.5 * places[:, 0]) / 12
    return places


def clustered(rng, n, n_axes):
    """A third anywhere, the others around centres in a row, evenly along each axis."""
    places = random(rng, n, n_axes)
    centre = rng.integers(6, size=n)[n // 3 :]
    steps = np.arange(1, 1 + n_axes) * 5 % 6 + 1 if n_axes > 1 else [0]
    along = (np.outer(centre, steps) % 7 + 0.5) / 7 if n_axes > 1 else (centre[:, None] // 2) / 3
    places[n // 3 :] = along + 0.02 * rng.standard_normal((len(centre), n_axes))
    return places


def jittered_stations(rng, n, n_axes):
    places = random(rng, n // 2, n_axes)
    return np.concatenate([places, places + 1e-8])


def tracks(n_lines, n_along):
    return grid(0.5 * np.arange(n_along), 10.0 * np.arange(n_lines))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [100, 300, 1000, 10_000])
@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_random_samples_are_no_finding(n_axes, n, seed):
    assert findings_of(random(np.random.default_rng(seed), n, n_axes)) == []


LATTICE = grid(np.arange(64.0), np.arange(64.0))
NEGATIVE = {
    "line": np.linspace(-3, 5, 100)[:, None],
    "short": np.arange(5.0)[:, None],
    "two": np.arange(2.0)[:, None],
    "grid": grid(np.arange(31), np.arange(40)),
    "volume": grid(np.arange(8), np.arange(9), np.arange(10)),
    "holes": np.random.default_rng(0).permutation(LATTICE)[:3000],
    "quarter": np.random.default_rng(1).permutation(LATTICE)[:1024],
    "few pixels": np.random.default_rng(2).permutation(LATTICE)[:100],
    "rounded": np.unique(np.random.default_rng(3).uniform(size=(300, 2)).round(2), axis=0),
    "seventh axis constant": np.column_stack([LATTICE[::5], np.ones(820)]),
    "five axes": np.random.default_rng(4).uniform(size=(300, 5)),
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_grids_and_lattices_are_no_finding(name):
    assert findings_of(NEGATIVE[name]) == []


@pytest.mark.parametrize("n", [250, 1000, 4000])
@pytest.mark.parametrize(
    ("draw", "axes"),
    [
        (lambda rng, n: log_axis(n)[:, None], [0]),
        (lambda rng, n: bursts(rng, n, 1), [0]),
        (lambda rng, n: clustered(rng, n, 1), [0]),
        (lambda rng, n: random(rng, n, 2) ** [1, 4], [1]),
        (lambda rng, n: bursts(rng, n, 3), [0]),
        (lambda rng, n: grid(np.linspace(0, 1, 25), log_axis(n // 25)), [1]),
        (lambda rng, n: grid([1.0, 2.0, 5.0, 10.0, 20.0], np.arange(n // 5)), [0]),
    ],
    ids=["log", "bursts", "clustered", "power", "bursts-3", "table", "depths"],
)
def test_uneven_axes_are_found(draw, axes, n):
    told = [each for each in findings_of(draw(np.random.default_rng(0), n)) if "uneven" in each]
    assert [int(each.split("axis ")[1][0]) for each in told] == axes
    assert all("SpacingTransformer" in each for each in told)


def test_unevenness_is_that_of_the_density(rng):
    # density 1 / x over two decades: its mean square is (1 / a - 1) (1 - a) / log(a)^2
    a = 0.01
    spread = math.sqrt((1 / a - 1) * (1 - a) / math.log(a) ** 2 - 1)
    assert layout_of(log_axis(20_000)[:, None]).unevenness[0] == pytest.approx(spread, rel=0.03)
    by_chance = a ** rng.uniform(size=(20_000, 1))
    assert layout_of(by_chance).unevenness[0] == pytest.approx(spread, rel=0.03)
    # half of the samples are in the lower of the two decades, less its lower end
    assert layout_of(by_chance).half_within[0] == pytest.approx(0.09 / 0.99, rel=0.05)
    assert layout_of(bursts(rng, 20_000, 1)).unevenness[0] == pytest.approx(1, rel=0.1)


def test_units_and_order_do_not_matter(rng):
    X = clustered(rng, 600, 2)
    other = layout_of(rng.permutation(X)[:, ::-1] * [1e6, 1e-3] + [5, -1e3])
    same = layout_of(X)
    np.testing.assert_allclose(other.unevenness[::-1], same.unevenness, rtol=0.02)
    assert other.clustering == pytest.approx(same.clustering, rel=1e-6)


@pytest.mark.parametrize("n", [250, 1000, 4000])
@pytest.mark.parametrize("n_axes", [2, 3])
def test_clusters_that_no_axis_shows_alone_are_found(n, n_axes, rng):
    told = findings_of(clustered(rng, n, n_axes))
    assert any("clustered" in each and "KroneckerRidgeCV" in each for each in told)


def test_room_of_samples_of_two_densities(rng):
    """Nine tenths of the samples on a half of the plane that each axis crosses evenly."""
    places = random(rng, 40_000, 2)
    dense = (places > 0.5).sum(axis=1) != 1
    places = places[dense | (rng.uniform(size=len(places)) < 1 / 9)]
    share = 0.9
    room = np.array([1 / share, 1 / (1 - share)])
    weights = np.array([share, 1 - share])
    spread = math.sqrt(weights @ room**2 / (weights @ room) ** 2 - 1)
    # less, as places next to the other half have the room of both
    assert 0.85 * spread < layout_of(places).clustering < spread


@pytest.mark.parametrize(
    ("X", "ratio"),
    [
        (tracks(6, 100), 20),
        (np.random.default_rng(0).uniform(size=(500, 2)) * [30_000, 300], 100),
    ],
    ids=["tracks", "corridor"],
)
def test_different_spacings_of_axes(X, ratio):
    (told,) = findings_of(X)
    assert layout_of(X).anisotropy == pytest.approx(ratio, rel=0.02)
    assert f"{layout_of(X).anisotropy:.3g} times as far" in told
    assert "stable_rank for each axis" in told
    # widths that are alike in coordinate units make up for it
    width = float(np.ptp(X, axis=0).min()) / 3
    assert findings_of(X, ShiftedBasisEncoder(bandwidth=width)) == []


def along(corners, n, noise=0.0, even=True, seed=0):
    """Samples along straight lines from corner to corner."""
    rng, corners = np.random.default_rng(seed), np.asarray(corners, dtype=float)
    steps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    at = np.linspace(0, 1, n) if even else np.sort(rng.uniform(size=n))
    X = np.stack([np.interp(at * length[-1], length, x) for x in corners.T], axis=1)
    return X + noise * rng.standard_normal(X.shape)


TURN = np.linspace(0, 2 * np.pi, 200)
ON_TRACKS = {
    "diagonal": [[0, 0], [1, 1]],
    "diagonal of a box": [[0, 0, 0], [1, 1, 1]],
    "there and back": [[0, 0], [0.5, 1], [1, 0]],
    "zigzag": [[0, 1], [1, 1], [0, 0], [1, 0]],
    "wave": np.column_stack([TURN, np.sin(TURN)]),
    "circle": np.column_stack([np.cos(TURN), np.sin(TURN)]),
    "parabola": np.column_stack([TURN, TURN**2]),
    "helix": np.column_stack([TURN, np.cos(TURN), np.sin(TURN)]),
}


@pytest.mark.parametrize("name", ON_TRACKS)
@pytest.mark.parametrize(
    ("n", "noise", "even"), [(100, 0, True), (150, 0.003, False), (3000, 0.003, True)]
)
def test_samples_on_a_track_are_found(name, n, noise, even):
    corners = np.asarray(ON_TRACKS[name], dtype=float)
    X = (
        along(corners / np.ptp(corners, axis=0), n, noise, even)
        * ([1e6, 1e-3, 5][: corners.shape[1]])
    )
    told = [each for each in findings_of(X) if "along a track" in each]
    assert len(told) == 1
    assert "distance along the track as the one axis" in told[0]


def test_numbers_of_a_diagonal():
    layout = layout_of(along([[0, 0], [1, 1]], 400))
    assert layout.on_lines == 1
    # the mean distance to the diagonal of the unit square: 1 / (3 sqrt(2))
    assert layout.emptiness == pytest.approx(1 / (3 * math.sqrt(2)), rel=0.02)
    assert layout_of(grid([0.0, 1.0], np.linspace(0, 1, 100))).emptiness == pytest.approx(
        1 / 4, rel=0.02
    )


@pytest.mark.parametrize("n", [60, 300, 2000])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: random(rng, n, 2),
        lambda rng, n: clustered(rng, n, 2),
        lambda rng, n: clustered(rng, n, 3),
        lambda rng, n: rng.normal(size=(n, 2)),
        lambda rng, n: rng.lognormal(sigma=2, size=(n, 2)),
        lambda rng, n: np.repeat([[0, 0.1], [1, 0.9]], n, axis=0) + 0.01 * random(rng, 2 * n, 2),
        lambda rng, n: random(rng, 20, 2)[rng.integers(20, size=n)] + rng.normal(size=(n, 2)) / 100,
        lambda rng, n: random(rng, n, 2) @ [[1, 1], [0, 0.3]],
        lambda rng, n: tracks(2, n // 2) + 0.01 * rng.normal(size=(n // 2 * 2, 2)),
        lambda rng, n: tracks(3, n // 3),
        lambda rng, n: tracks(6, n // 6),
        lambda rng, n: tracks(12, n // 12) @ [[1, 0.3], [0, 1]],
    ],
    ids=["random", "clustered", "clustered-3", "normal", "heavy tails", "two clusters", "blobs",
         "swath", "two tracks", "three tracks", "tracks", "slanted tracks"],
)  # fmt: skip
def test_other_samples_are_no_track(draw, n):
    for seed in range(3):
        assert not layout_of(draw(np.random.default_rng(seed), n)).is_track


def test_repeated_samples(rng):
    twice = np.repeat(random(rng, 400, 2), 2, axis=0)
    (told,) = findings_of(rng.permutation(twice))
    assert told.startswith("50% of the samples repeat")
    assert "800 samples have 400 places" in told
    assert "sample_weight" in told
    few = np.concatenate([twice[::2], twice[:18:2]])
    assert findings_of(few) == []
    assert layout_of(few).n_places == 400


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_near_repeats_are_found_and_do_not_count_as_clusters(n_axes, rng):
    (told,) = findings_of(jittered_stations(rng, 2000, n_axes))
    assert "100% of the places nearly repeat another" in told


def test_few_places_and_many_axes_have_no_distances(rng):
    for X in (random(rng, 49, 2), random(rng, 100, 5)):
        assert math.isnan(layout_of(X).nearly_repeated)
        assert math.isnan(layout_of(X).clustering)
        assert math.isnan(layout_of(X).on_lines)
    assert not layout_of(np.column_stack([np.arange(99.0), np.ones(99)])).is_track
    assert math.isnan(layout_of(random(rng, 100, 1)).clustering)
    assert layout_of(random(rng, 50, 2)).nearly_repeated == 0
    assert math.isnan(layout_of(np.column_stack([np.arange(9.0), np.ones(9)])).anisotropy)


def test_the_report_prints_what_it_finds(rng):
    report = encoding_report(ShiftedBasisEncoder(), log_axis(100)[:, None])
    (found,) = report.layout.findings
    for text in (str(report), report._repr_html_()):
        assert "How the samples lie" in text
        assert found in " ".join(text.split()).replace("&quot;", '"')
    even = encoding_report(ShiftedBasisEncoder(), random(rng, 100, 1))
    assert "Evenly, or at random." in str(even)
