"""Learnt grids: the formula, its levels, hashes, circles, and settings."""

import itertools

import numpy as np
import pytest
import torch
from encoder_contract import EncoderContract, largest, on_all_domains, spread
from scipy.interpolate import BSpline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_posenc import EncoderModule, MultigridEncoder, grid_samples
from sk_posenc.encoders._grid_parts import every_second, pieces_of, some_cells

PRIMES = (1, 2_654_435_761)


def formula(encoder, X):
    """Splines of SciPy at all nodes, one by one, from public attributes."""
    p, n_axes = encoder.order, X.shape[1]
    bump = BSpline.basis_element(np.arange(p + 2) - (p + 1) / 2, extrapolate=False)
    circle = encoder.boundary == "periodic"
    columns = []
    for cells, codes, hashed in zip(encoder.cells_, encoder.codes_, encoder.hashed_, strict=True):
        first = 0 if p == 1 else -1
        nodes = [np.arange(n) if circle else np.arange(first, n + 1 - first) for n in cells]
        along = []
        for axis, (low, high) in enumerate(encoder.domain_):
            x = X[:, axis] if circle else np.clip(X[:, axis], low, high)
            u = cells[axis] * (x - low) / (high - low)
            if circle:
                far = u[:, None] - nodes[axis] + cells[axis] * np.arange(-3, 4)[:, None, None]
                along.append(np.nan_to_num(bump(far)).sum(axis=0))
            else:
                along.append(np.nan_to_num(bump(u[:, None] - nodes[axis])))
        total = 0.0
        for number, place in enumerate(itertools.product(*(range(len(k)) for k in nodes))):
            code = number
            if hashed:
                code = 0
                for step, prime in zip(place, PRIMES, strict=False):
                    code ^= step * prime
                code %= encoder.table_size
            weight = np.prod([along[a][:, place[a]] for a in range(n_axes)], axis=0)
            total = total + weight[:, None] * codes[code]
        columns.append(total)
    return np.hstack(columns)


class TestMultigrid(EncoderContract):
    @pytest.fixture(
        params=[
            {},
            {"order": 1, "n_levels": 3, "finest": 9},
            {"order": 3, "finest": 8, "boundary": "periodic"},
            {"table_size": 40, "finest": 11},
        ],
        ids=str,
    )
    def encoder(self, request):
        settings = {"coarsest": 4, "features_per_level": 3} | request.param
        return MultigridEncoder(**settings, random_state=0)

    def reference(self, encoder, X):
        if encoder.boundary == "periodic":
            # nodes of a circle are numbered from the one before the first
            encoder = _turned(encoder)
        return formula(encoder, X)

    def float32_tolerance(self, encoder, X):
        # slopes are as steep as there are cells
        return 2e-7 * encoder.cells_.max() * 4

    def test_fitted_attributes(self, fitted, domain):
        assert fitted.n_features_in_ == 2
        np.testing.assert_array_equal(fitted.domain_, [domain, domain])
        assert (fitted.stable_rank_ >= 1).all()
        assert len(fitted.codes_) == len(fitted.cells_) == len(fitted.hashed_)

    def columns_of_axis(self, encoder, axis):
        return slice(None)

    def test_stable_rank_is_what_dense_samples_have(self, fitted, domain):
        low, high = domain
        for axis in range(2):
            X = np.full((1500, 2), (low + high) / 2)
            X[:, axis] = low + (np.arange(1500) + 0.5) / 1500 * (high - low)
            squares = np.linalg.svd(fitted.transform(X), compute_uv=False) ** 2
            assert fitted.stable_rank_[axis] == pytest.approx(squares.sum() / squares[0], rel=0.02)

    # codes have the size that they are drawn with: norms are not 1
    def test_similarity_has_the_shape_of_a_kernel(self, fitted, domain):
        X1, X2 = spread(domain, 30), spread(domain, 20)[::-1]
        E1, E2 = fitted.transform(X1), fitted.transform(X2)
        np.testing.assert_allclose(fitted.similarity(X1, X2), E1 @ E2.T, rtol=0, atol=1e-15)

    @on_all_domains
    def test_torch_module_has_the_same_formula(self, fitted, domain):
        X = spread(domain, 60, beyond=0.2)
        for trainable in (False, True):
            module = EncoderModule(fitted, trainable=trainable)
            got = module(torch.as_tensor(X)).detach().numpy()
            assert largest(got - fitted.transform(X)) <= 1e-6 * largest(fitted.transform(X))


def _turned(encoder):
    """The same codes, each level's turned so that node 0 is at the lower end."""
    if encoder.order == 1:
        return encoder
    turned = MultigridEncoder(**encoder.get_params())
    turned.__dict__ |= encoder.__dict__
    turned.codes_ = [
        np.roll(codes.reshape(*cells, -1), -1, axis=(0, 1)).reshape(codes.shape)
        for cells, codes in zip(encoder.cells_, encoder.codes_, strict=True)
    ]
    return turned


@parametrize_with_checks(
    [
        MultigridEncoder(random_state=0),
        MultigridEncoder(order=1, table_size=30, finest=16, smoothness=1.0),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_axes", [1, 2, 3, 4])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_weights_sum_to_one_and_codes_of_a_plane_give_the_plane(n_axes, order):
    X = np.random.default_rng(0).uniform(-1, 3, size=(200, n_axes))
    encoder = MultigridEncoder(
        n_levels=1, coarsest=3, finest=3, order=order, features_per_level=1, random_state=0
    ).fit(X)
    _, weights = encoder._rows_of_weights(X)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-14)
    nodes = np.indices([3 + (1 if order == 1 else 3)] * n_axes).reshape(n_axes, -1).T
    places = nodes - (order > 1)  # the first node lies a cell below the domain
    low, high = encoder.domain_.T
    plane = low + places / 3 * (high - low)
    linear = encoder._with_formula({"codes": plane.sum(axis=1, keepdims=True)})
    np.testing.assert_allclose(linear.transform(X)[:, 0], X.sum(axis=1), atol=1e-13)


def test_resolutions_follow_the_samples():
    grid, _ = grid_samples(np.zeros((40, 100)), (np.arange(40), np.linspace(0, 1, 100)))
    fitted = MultigridEncoder().fit(grid)
    assert fitted.cells_[0].tolist() == [16, 16]
    assert fitted.cells_[-1].tolist() == [39, 99]
    assert len(fitted.cells_) == 5  # each 1.6 times as fine, of the axis that needs most
    with_holes = grid[np.random.default_rng(0).uniform(size=len(grid)) > 0.05]
    np.testing.assert_array_equal(MultigridEncoder().fit(with_holes).cells_[-1], [39, 99])
    scattered = np.random.default_rng(0).uniform(size=(400, 2))
    np.testing.assert_array_equal(MultigridEncoder().fit(scattered).cells_[-1], [28, 28])
    hours = np.arange(24.0)[:, None]
    circle = MultigridEncoder(domain=(0, 24), boundary="periodic").fit(hours)
    assert circle.cells_[-1].tolist() == [24]  # as many nodes as samples
    few = MultigridEncoder().fit(np.arange(5.0)[:, None])
    assert few.cells_.tolist() == [[4]]
    own = MultigridEncoder(n_levels=3, coarsest=(2, 4), finest=(8, 4)).fit(scattered)
    assert own.cells_.tolist() == [[2, 4], [4, 4], [8, 4]]


def test_a_circle_goes_on_where_it_ends():
    X = np.random.default_rng(0).uniform(0, 24, size=(100, 1))
    encoder = MultigridEncoder(domain=(0, 24), boundary="periodic", finest=20).fit(X)
    np.testing.assert_allclose(encoder.transform(X + 24), encoder.transform(X), atol=1e-14)
    ends = encoder.transform(np.array([[1e-9], [24 - 1e-9]]))
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-9)


def test_gradients_of_coordinates_are_differences():
    X = torch.tensor(np.random.default_rng(0).uniform(0.05, 0.95, size=(6, 2)))
    encoder = MultigridEncoder(finest=6, coarsest=4, order=3, domain=(0, 1), random_state=0)
    module = EncoderModule(encoder.fit(X.numpy()))
    assert torch.autograd.gradcheck(module, X.requires_grad_())


def test_hashed_levels_share_codes_and_have_no_neighbours():
    X = np.random.default_rng(0).uniform(size=(500, 3))
    encoder = MultigridEncoder(coarsest=4, finest=30, table_size=1000, random_state=0).fit(X)
    assert encoder.cells_[:3, 0].tolist() == [4, 7, 11]
    assert encoder.hashed_ == [False, False, *[True] * (len(encoder.cells_) - 2)]
    assert {len(codes) for codes in encoder.codes_[2:]} == {1000}
    assert [shape for _, shape, _ in encoder._neighbours()] == [(7, 7, 7), (10, 10, 10)]
    whole = MultigridEncoder(coarsest=4, finest=30, random_state=0).fit(X)
    assert not any(whole.hashed_)


def test_pieces_keep_the_distances_of_neighbours():
    places = np.stack(np.meshgrid(*[np.arange(96) / 95] * 2), axis=-1).reshape(-1, 2)
    kept, pushed, thinning = pieces_of(places, 1100)
    assert thinning == 3
    assert kept.mean() == pytest.approx(1 / 9, rel=0.1)
    assert pushed.min() >= 0
    assert pushed.max() <= 1
    # within a piece steps are three times as long, as each axis is three times as short
    before, after = np.diff(places[kept], axis=0), np.diff(pushed, axis=0)
    near = np.abs(before).sum(axis=1) < 0.011
    assert near.sum() > 500
    np.testing.assert_allclose(after[near], 3 * before[near], atol=1e-12)
    everything, same, one = pieces_of(places, 10**6)
    assert everything.all()
    assert one == 1
    np.testing.assert_allclose(same, places, atol=1e-12)


def test_every_second_of_a_grid_leaves_a_grid():
    places = np.stack(np.meshgrid([0, 0.1, 0.2, 0.5, 1], [0, 1, 2]), axis=-1).reshape(-1, 2)
    rows, held_out = every_second(places)
    assert sorted(map(tuple, rows[~held_out])) == [(a, b) for a in (0, 1, 2) for b in (0, 1)]
    assert held_out.sum() == 9


def test_a_part_may_be_without_samples():
    none = np.empty((0, 2))
    assert some_cells(none).shape == (0,)
    assert every_second(none)[1].shape == (0,)
    assert not pieces_of(np.repeat([0.0, 1.0], 20)[:, None], 2)[0].any()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_levels": 0}, ValueError, 'at least 1 or "auto". Got 0'),
        ({"coarsest": 0.5}, TypeError, "coarsest must be a whole number"),
        ({"coarsest": 2**70, "finest": 4}, ValueError, "finest must be at least coarsest"),
        ({"finest": 2**70}, ValueError, "finest must be at most"),
        ({"n_levels": 10**15}, ValueError, "n_levels must be at most 1,024"),
        ({"finest": 8}, ValueError, "at least coarsest, 16 cells along axis 0.* Got 8"),
        ({"finest": (20, 8)}, ValueError, "along axis 1"),
        ({"finest": (20, 20, 20)}, ValueError, "X has 2 axes. Got 3"),
        ({"finest": "fine"}, ValueError, "Got 'fine'"),
        ({"order": 4}, ValueError, "order must be 1, 2 or 3. Got 4"),
        ({"order": 0}, ValueError, "at least 1"),
        ({"features_per_level": True}, TypeError, "features_per_level"),
        ({"table_size": 0}, ValueError, "table_size"),
        ({"smoothness": -1}, ValueError, 'at least 0 or "auto". Got -1'),
        ({"smoothness": "much"}, ValueError, "Got 'much'"),
        ({"smoothness": None}, TypeError, "smoothness"),
        ({"boundary": "cut"}, ValueError, "boundary must be one of"),
        ({"boundary": "periodic"}, ValueError, "needs a domain"),
        ({"finest": 10**6, "table_size": 10**13}, ValueError, "lower finest, table_size"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        MultigridEncoder(**settings).fit(np.random.default_rng(0).uniform(size=(20, 2)))


def test_more_axes_are_refused():
    with pytest.raises(ValueError, match=r"of use up to 4.* Got X of 11 axes"):
        MultigridEncoder().fit(np.zeros((3, 11)))


def test_a_coarsest_level_beyond_all_is_the_finest():
    X = np.random.default_rng(0).uniform(size=(30, 2))
    cells = MultigridEncoder(coarsest=2**70, random_state=0).fit(X).cells_
    assert (cells == cells[-1]).all()


def test_float32_rows_of_coordinates_beyond_it_are_refused():
    X = 1e300 * np.random.default_rng(0).uniform(size=(30, 2))
    with pytest.raises(ValueError, match=r"X must be float64 for an encoder .* beyond float32"):
        MultigridEncoder().fit(X).transform(np.zeros((1, 2), dtype=np.float32))
