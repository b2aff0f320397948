"""Learnable Fourier features: the formula, its kernel, groups, and what training moves."""

import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from encoder_contract import EncoderContract, largest, on_all_domains, spread
from scipy.special import erf
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_posenc import (
    CoordinateMLPRegressor,
    EncoderModule,
    LearnableFourierEncoder,
    similarity_radius,
    stable_rank,
)


def r_of(encoder, X):
    """r of all groups, without the network; shape (n_groups, n, F)."""
    W = 2 * math.pi * encoder.frequencies_  # (F / 2, M), as the paper writes it
    low = np.min([encoder.domain_[group, 0] for group in encoder.groups_], axis=0)
    parts = []
    for group in encoder.groups_:
        phases = (np.asarray(X, dtype=float)[:, group] - low) @ W.T
        parts.append(np.hstack([np.cos(phases), np.sin(phases)]) / math.sqrt(2 * len(W)))
    return np.stack(parts)


def formula(encoder, X):
    """The whole encoding in plain NumPy, from public attributes."""
    columns = []
    for r in r_of(encoder, X):
        if encoder.mlp_weights_:
            W1, b1, W2, b2 = encoder.mlp_weights_
            h = r @ W1 + b1
            r = h / 2 * (1 + erf(h / math.sqrt(2))) @ W2 + b2
        columns.append(r)
    return np.hstack(columns)


class TestLearnableFourier(EncoderContract):
    @pytest.fixture(
        params=[
            {"mlp": None, "stable_rank": 6},
            {"mlp": (16, 20), "stable_rank": 6},
            {"mlp": (16, 20), "groups": [[1], [0]], "stable_rank": 4},
            {"mlp": None, "n_frequencies": 1, "stable_rank": 1},
        ],
        ids=str,
    )
    def encoder(self, request):
        return LearnableFourierEncoder(**{"n_frequencies": 32} | request.param, random_state=0)

    def reference(self, encoder, X):
        return formula(encoder, X)

    def float32_tolerance(self, encoder, X):
        # the phases, and two products of matrices
        return 1e-5

    # products of matrices round differently in batches of other sizes
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_row_does_not_depend_on_its_batch(self, fitted, domain, dtype):
        X = spread(domain, 1100, beyond=0.2).astype(dtype)
        E = fitted.transform(X)
        tolerance = 8 * np.finfo(dtype).eps * largest(E)
        np.testing.assert_allclose(fitted.transform(X[::-1])[::-1], E, rtol=0, atol=tolerance)
        for row in (0, 1, 511, 512, 513, 1023, 1024, 1099):
            alone = fitted.transform(X[row : row + 1])
            np.testing.assert_allclose(alone[0], E[row], rtol=0, atol=tolerance)

    # frequencies go by the columns of a group
    def test_fitted_attributes(self, fitted, domain):
        assert fitted.n_features_in_ == 2
        np.testing.assert_array_equal(fitted.domain_, [domain, domain])
        assert fitted.stable_rank_.shape == (2,)
        assert (fitted.stable_rank_ >= 1).all()
        n_columns = 2 // len(fitted.groups_)
        assert fitted.frequencies_.shape == (fitted.n_frequencies, n_columns)
        assert fitted.gamma_.shape == (n_columns,)

    def test_stable_rank_is_what_dense_samples_have(self, fitted, domain):
        low, high = domain
        for axis in range(2):
            # the others in the middle: after the network they matter
            X = np.full((1500, 2), (low + high) / 2)
            X[:, axis] = low + (np.arange(1500) + 0.5) / 1500 * (high - low)
            columns = slice(None)
            if len(fitted.groups_) == 2:
                columns = self.columns_of_axis(fitted, axis)
            measured = stable_rank(fitted.transform(X)[:, columns])
            assert fitted.stable_rank_[axis] == pytest.approx(measured, rel=0.02)

    # norms are those of the paper, not 1
    def test_similarity_has_the_shape_of_a_kernel(self, fitted, domain):
        X1, X2 = spread(domain, 30), spread(domain, 20)[::-1]
        E1, E2 = fitted.transform(X1), fitted.transform(X2)
        np.testing.assert_allclose(fitted.similarity(X1, X2), E1 @ E2.T, rtol=0, atol=1e-12)
        own = fitted.similarity(X1)
        np.testing.assert_allclose(own, own.T, rtol=0, atol=1e-12)
        assert fitted.similarity(X1.astype(np.float32)).dtype == np.float32

    def test_frames_in_and_out(self, encoder, domain):
        if encoder.groups is not None:
            pytest.skip("names go by groups: test_groups_by_name")
        super().test_frames_in_and_out(encoder, domain)

    def test_in_composition(self, encoder, domain):
        if encoder.groups is not None:
            pytest.skip("a ColumnTransformer hands over one column")
        super().test_in_composition(encoder, domain)

    @on_all_domains
    def test_squared_norms_of_r_are_one_half(self, fitted, domain):
        if fitted.mlp is not None:
            pytest.skip("r is the output where there is no network")
        norms = np.sum(fitted.transform(spread(domain, 50, beyond=2)) ** 2, axis=1)
        np.testing.assert_allclose(norms, 0.5, rtol=0, atol=1e-15)


@parametrize_with_checks(
    [
        LearnableFourierEncoder(16, mlp=(8, 8), random_state=0),
        LearnableFourierEncoder(16, mlp=None, gamma=5.0),
        LearnableFourierEncoder(16, mlp=(8, 4), stable_rank=2, domain=(-20, 20)),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_r_is_cosines_then_sines_without_2_pi():
    X = np.random.default_rng(0).uniform(3, 4, size=(20, 2))
    encoder = LearnableFourierEncoder(5, gamma=0.2, mlp=None, random_state=0).fit(X)
    at_low = encoder.transform(X.min(axis=0)[None])[0]
    np.testing.assert_allclose(at_low, np.repeat([1, 0], 5) / math.sqrt(10), rtol=0, atol=1e-15)
    # the paper's cos(W x), sin(W x) have these inner products whatever the origin is
    W = 2 * math.pi * encoder.frequencies_
    expected = np.cos((X[:, None] - X[None]) @ W.T).mean(axis=-1) / 2
    E = encoder.transform(X)
    np.testing.assert_allclose(E @ E.T, expected, rtol=0, atol=1e-14)


def test_the_gram_matrix_of_r_does_not_move_with_the_coordinates():
    X = np.random.default_rng(0).uniform(size=(40, 2))
    for mlp, moves in ((None, False), ((16, 8), True)):
        encoder = LearnableFourierEncoder(64, gamma=0.3, mlp=mlp, random_state=0).fit(X)
        E, moved = encoder.transform(X), encoder.transform(X + np.array([0.25, -0.5]))
        change = largest(moved @ moved.T - E @ E.T)
        assert change > 0.1 if moves else change < 1e-15


@pytest.mark.parametrize("gamma", [0.02, 5.0])
def test_kernel_at_the_start(gamma):
    """E r_x . r_y = exp(-|x - y|**2 / (2 gamma**2)) / 2, and its spread over draws."""
    X = np.random.default_rng(0).uniform(size=(2, 3)) * gamma
    d2 = np.sum((X[0] - X[1]) ** 2)
    expected = 0.5 * math.exp(-d2 / (2 * gamma**2))
    m, products = 64, []
    for seed in range(400):
        encoder = LearnableFourierEncoder(m, gamma=gamma, mlp=None, random_state=seed)
        first, second = encoder.fit(X).transform(X)
        products.append(first @ second)
    spread_of_one = (1 - math.exp(-d2 / gamma**2)) / (2 * math.sqrt(2 * m))
    assert np.mean(products) == pytest.approx(expected, abs=4 * spread_of_one / 20)
    assert np.std(products) == pytest.approx(spread_of_one, rel=0.15)


def test_frequencies_have_the_variance_of_the_paper():
    X = np.random.default_rng(0).uniform(size=(20, 2))
    encoder = LearnableFourierEncoder(4000, gamma=0.1, mlp=None, random_state=0).fit(X)
    # neither std gamma ** -2 = 100 nor gamma ** 2 = 0.01, and no factor 2 pi
    np.testing.assert_allclose(2 * math.pi * encoder.frequencies_.std(axis=0), 10, rtol=0.04)
    given = LearnableFourierEncoder(stable_rank=8, mlp=None, random_state=0, domain=(0, 1)).fit(X)
    np.testing.assert_allclose(given.gamma_, 1 / (math.sqrt(2 * math.pi) * 8))
    many = LearnableFourierEncoder(4000, stable_rank=8, mlp=None, random_state=0, domain=(0, 1))
    np.testing.assert_allclose(many.fit(X).stable_rank_, 8, rtol=0.1)


def test_settings_per_column_of_a_group():
    X = np.random.default_rng(0).uniform(size=(50, 4)) * [1, 10, 4, 5]
    groups = [[0, 1], [2, 3]]
    encoder = LearnableFourierEncoder(4000, gamma=[0.5, 3], groups=groups, random_state=0)
    deviations = 2 * math.pi * encoder.set_params(mlp=None).fit(X).frequencies_.std(axis=0)
    np.testing.assert_allclose(deviations, [2, 1 / 3], rtol=0.04)
    # a stable rank is of the longest domain
    domain = [(0, 1), (0, 10), (2, 6), (5, 10)]
    ranks = LearnableFourierEncoder(64, stable_rank=[4, 8], domain=domain, groups=groups).fit(X)
    np.testing.assert_allclose(ranks.gamma_ * math.sqrt(2 * math.pi), [4 / 4, 10 / 8])


@pytest.mark.parametrize(("n_frequencies", "rank"), [(256, 25), (64, 16), (1, 1)])
def test_auto_is_a_quarter_of_the_samples_and_of_the_frequencies(n_frequencies, rank):
    encoder = LearnableFourierEncoder(n_frequencies).fit(np.linspace(0, 1, 100)[:, None])
    np.testing.assert_allclose(encoder.gamma_, 1 / (math.sqrt(2 * math.pi) * rank))


def test_weights_at_the_start():
    X = np.random.default_rng(0).uniform(size=(500, 2))
    encoder = LearnableFourierEncoder(64, stable_rank=8, mlp=(256, 512), random_state=0)
    E = encoder.fit_transform(X)
    W1, b1, _, b2 = encoder.mlp_weights_
    assert not b1.any()
    assert not b2.any()
    # inputs of size 1 / sqrt(F) do not shrink what the layers vary by
    assert np.std(r_of(encoder, X)[0] @ W1) == pytest.approx(1, rel=0.1)
    assert np.sqrt(np.mean(E**2)) == pytest.approx(1, rel=0.1)
    assert stable_rank(E) > 4
    # the seed gives the same frequencies with and without a network
    alone = LearnableFourierEncoder(64, stable_rank=8, mlp=None, random_state=0).fit(X)
    np.testing.assert_array_equal(alone.frequencies_, encoder.frequencies_)


def test_a_slice_depends_on_its_group_alone_and_weights_are_shared():
    X = np.random.default_rng(0).uniform(size=(30, 4))
    encoder = LearnableFourierEncoder(
        16, gamma=0.2, mlp=(8, 12), groups=[[0, 2], [3, 1]], random_state=0
    ).fit(X)  # columns begin at different ends
    E = encoder.transform(X)
    assert E.shape == (30, 12)
    other = X.copy()
    other[:, [1, 3]] += 0.1
    changed = encoder.transform(other)
    np.testing.assert_array_equal(changed[:, :6], E[:, :6])
    assert np.abs(changed[:, 6:] - E[:, 6:]).min() > 0
    exchanged = X.copy()
    exchanged[:, [0, 2]], exchanged[:, [3, 1]] = X[:, [3, 1]], X[:, [0, 2]]
    np.testing.assert_allclose(
        encoder.transform(exchanged), np.hstack([E[:, 6:], E[:, :6]]), rtol=0, atol=1e-12
    )


def test_resolution_is_that_of_a_group_alone():
    X = np.random.default_rng(0).uniform(size=(50, 4))
    settings = {"stable_rank": 8, "mlp": None, "domain": (0, 1), "random_state": 0}
    alone = LearnableFourierEncoder(64, **settings).fit(X[:, :1])
    groups = LearnableFourierEncoder(64, groups=[[0], [1], [2], [3]], **settings).fit(X)
    np.testing.assert_allclose(groups.stable_rank_, np.repeat(alone.stable_rank_, 4))
    np.testing.assert_allclose(similarity_radius(groups), np.repeat(similarity_radius(alone), 4))


def test_groups_by_name():
    frame = pd.DataFrame(np.random.default_rng(0).uniform(size=(20, 4)), columns=list("wxyz"))
    named = LearnableFourierEncoder(mlp=None, groups=[["w", "z"], ["y", "x"]], random_state=0)
    numbered = LearnableFourierEncoder(mlp=None, groups=np.array([[0, 3], [2, 1]]), random_state=0)
    np.testing.assert_array_equal(named.fit_transform(frame), numbered.fit_transform(frame))
    assert named.groups_ == numbered.groups_ == [[0, 3], [2, 1]]
    assert named.get_feature_names_out()[[0, -1]].tolist() == ["wz_learnable0", "yx_learnable1023"]
    with pytest.raises(ValueError, match=r"or \['w', 'x', 'y', 'z'\]"):
        named.set_params(groups=[["w", "z"], ["y", "v"]]).fit(frame)


def test_names_that_join_to_the_same():
    frame = pd.DataFrame(np.eye(4), columns=["a", "bc", "ab", "c"])
    encoder = LearnableFourierEncoder(2, gamma=1, mlp=None, groups=[[0, 1], [2, 3]]).fit(frame)
    assert len(set(encoder.get_feature_names_out())) == 8


@pytest.mark.parametrize(
    "settings",
    [{"n_frequencies": 2048}, pytest.param({"mlp": (4096, 4)}, marks=pytest.mark.slow)],
    ids=str,
)
def test_memory_of_inner_layers_does_not_follow_the_rows(settings):
    X = np.random.default_rng(0).uniform(size=(20_000, 2))
    encoder = LearnableFourierEncoder(**{"mlp": (16, 4)} | settings, random_state=0).fit(X[:50])
    tracemalloc.start()
    encoder.transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * 2**20  # the widest array has 4096 columns: 625 MiB in all


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"groups": [[0, 1], [1, 2]]}, ValueError, "each of the 4 columns once"),
        ({"groups": [[0, 1]]}, ValueError, "each of the 4 columns once"),
        ({"groups": [[0], [1, 2, 3]]}, ValueError, "of equal length"),
        ({"groups": [["a", "b"], ["c", "d"]]}, ValueError, "each of the 4 columns once"),
        ({"groups": [["0", "1"], ["2", "3"]]}, ValueError, "each of the 4 columns once"),
        ({"groups": [[0.2, 1.0], [2.0, 3.0]]}, ValueError, "each of the 4 columns once"),
        ({"groups": [[False, True], [2, 3]]}, ValueError, "each of the 4 columns once"),
        ({"groups": [[0, 1], [2, -1]]}, ValueError, "each of the 4 columns once"),
        ({"groups": [{0, 1}, {2, 3}]}, ValueError, "must be sequences"),
        ({"groups": ["01", "23"]}, ValueError, "must be sequences"),
        ({"groups": [0, 1, 2, 3]}, ValueError, "must be sequences"),
        ({"groups": [[], []]}, ValueError, "each of the 4 columns once"),
        ({"groups": 2}, ValueError, "Got 2"),
        ({"groups": [[0, 1], [2, 3]], "mlp": (8, 9)}, ValueError, "multiple of 2"),
        ({"mlp": 8}, ValueError, "pair"),
        ({"mlp": (8,)}, ValueError, "pair"),
        ({"mlp": (8, 0)}, ValueError, r"mlp\[1\] must be at least 1"),
        ({"mlp": (8.5, 4)}, TypeError, "whole number"),
        ({"gamma": 0.1, "stable_rank": 4}, ValueError, "set the same resolution"),
        ({"gamma": -1}, ValueError, "greater than 0"),
        ({"gamma": 1e9}, ValueError, "gamma=1e.09 .* lower it"),
        ({"gamma": 1e-12}, ValueError, "gamma=1e-12 .* raise it"),
        ({"gamma": "wide"}, TypeError, "gamma must be a number or None"),
        ({"gamma": [0.1, 0.2]}, ValueError, "a group has 4 columns. Got 2"),
        (
            {"groups": [[0, 1], [2, 3]], "stable_rank": [2, 2, 3, 3]},
            ValueError,
            "stable_rank .* a group has 2 columns. Got 4",
        ),
        ({"stable_rank": 0.5}, ValueError, "at least 1"),
        ({"n_frequencies": 0}, ValueError, "at least 1"),
        ({"n_frequencies": "auto"}, TypeError, "whole number"),
        ({"n_frequencies": 10**14}, ValueError, "lower n_frequencies"),
        ({"mlp": (10**13, 8)}, ValueError, "lower n_frequencies or mlp"),
        ({"random_state": "x"}, TypeError, "random_state must be"),
    ],
)
def test_bad_settings(settings, error, message):
    X = np.random.default_rng(0).uniform(size=(20, 4))
    with pytest.raises(error, match=message):
        LearnableFourierEncoder(**settings).fit(X)


# --- as a module


def test_parameters_and_gradients():
    X = np.random.default_rng(0).uniform(size=(6, 4))
    groups, (m, H, D) = [[0, 1], [2, 3]], (5, 6, 8)
    encoder = LearnableFourierEncoder(m, gamma=0.5, mlp=(H, D), groups=groups, random_state=0)
    module = EncoderModule(encoder.fit(X), trainable=True).double()
    F, M, G = 2 * m, 2, 2
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count == F * M // 2 + F * H + H + H * D // G + D // G
    rows = torch.tensor(X, requires_grad=True)
    names, values = zip(*module.named_parameters(), strict=True)

    def encode(x, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(encode, (rows, *values))
    module(rows).square().sum().backward()
    assert module.angular.grad.abs().min() > 0


def test_training_moves_all_weights_and_the_encoder_transforms_alone():
    X = np.random.default_rng(0).uniform(size=(300, 2))
    y = np.sin(9 * X[:, 0]) * X[:, 1]
    encoder = LearnableFourierEncoder(32, mlp=(16, 16), random_state=0)
    drawn = LearnableFourierEncoder(32, mlp=(16, 16), random_state=0).fit(X)
    model = CoordinateMLPRegressor(encoder, hidden_layer_sizes=(32,), max_epochs=20, random_state=0)
    trained = model.fit(X, y).encoder_
    assert np.abs(trained.frequencies_ - drawn.frequencies_).min() > 0
    for after, before in zip(trained.mlp_weights_, drawn.mlp_weights_, strict=True):
        assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(trained.transform(X), formula(trained, X), rtol=0, atol=1e-12)
    inside = model.module_.encode(torch.as_tensor(X)).detach().numpy()
    np.testing.assert_allclose(trained.transform(X), inside, rtol=0, atol=1e-6)


def test_training_does_not_depend_on_where_the_origin_is():
    X = np.random.default_rng(0).integers(0, 64, size=(200, 2)) / 64
    y = np.sin(9 * X[:, 0]) * X[:, 1]
    encoder = LearnableFourierEncoder(16, stable_rank=4, mlp=(16, 16), random_state=0)
    model = CoordinateMLPRegressor(encoder, hidden_layer_sizes=(32,), max_epochs=20, random_state=0)
    here = model.fit(X, y).predict(X)
    far = model.fit(X + 1024, y).predict(X + 1024)  # exact in floating point
    np.testing.assert_array_equal(far, here)


def test_true_is_no_column():
    with pytest.raises((TypeError, ValueError), match="groups"):
        LearnableFourierEncoder(8, groups=[[0, True]]).fit(np.zeros((3, 2)))


def test_an_array_without_a_length_is_no_pair():
    with pytest.raises(ValueError, match="mlp must be a pair"):
        LearnableFourierEncoder(4, mlp=np.array(2.0)).fit([[0.0], [1.0]])
