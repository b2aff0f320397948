"""Learnable Fourier features: the formula, its kernel, groups, and what training moves."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from encoder_contract import EncoderContract, largest, on_all_domains, spread
from scipy.special import erf
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_posenc import CoordinateMLPRegressor, EncoderModule, LearnableFourierEncoder, stable_rank


def r_of(encoder, X):
    """r of all groups, without the network; shape (n_groups, n, F)."""
    W = 2 * math.pi * encoder.frequencies_  # (F / 2, M), as the paper writes it
    parts = []
    for group in encoder.groups_:
        phases = np.asarray(X, dtype=float)[:, group] @ W.T
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
            {"mlp": (16, 20), "groups": [[0], [1]], "stable_rank": 4},
        ],
        ids=str,
    )
    def encoder(self, request):
        return LearnableFourierEncoder(32, random_state=0, **request.param)

    def reference(self, encoder, X):
        return formula(encoder, X)

    def float32_tolerance(self, encoder, X):
        # the phases of far coordinates, and two products of matrices
        return 2e-5

    # products of matrices round differently in batches of other sizes
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_row_does_not_depend_on_its_batch(self, fitted, domain, dtype):
        X = spread(domain, 1100, beyond=0.2).astype(dtype)
        E = fitted.transform(X)
        tolerance = 8 * np.finfo(dtype).eps * largest(E)
        for row in (0, 511, 1023, 1099):
            alone = fitted.transform(X[row : row + 1])
            np.testing.assert_allclose(alone[0], E[row], rtol=0, atol=tolerance)

    def test_fitted_attributes(self, fitted, domain):
        assert fitted.n_features_in_ == 2
        np.testing.assert_array_equal(fitted.domain_, [domain, domain])
        assert fitted.frequencies_.shape == (32, 2 // len(fitted.groups_))
        assert fitted.gamma_.shape == (2 // len(fitted.groups_),)

    def test_stable_rank_is_what_dense_samples_have(self, fitted, domain):
        low, high = domain
        for axis in range(2):
            # the others in the middle: after the network they matter
            X = np.full((1500, 2), (low + high) / 2)
            X[:, axis] = low + (np.arange(1500) + 0.5) / 1500 * (high - low)
            measured = stable_rank(fitted.transform(X))
            assert fitted.stable_rank_[axis] == pytest.approx(measured, rel=0.02)

    # norms are those of the paper, not 1
    def test_similarity_has_the_shape_of_a_kernel(self, fitted, domain):
        X1, X2 = spread(domain, 30), spread(domain, 20)[::-1]
        E1, E2 = fitted.transform(X1), fitted.transform(X2)
        np.testing.assert_allclose(fitted.similarity(X1, X2), E1 @ E2.T, rtol=0, atol=1e-12)
        assert fitted.similarity(X1.astype(np.float32)).dtype == np.float32

    def test_in_composition(self, encoder, domain):
        if encoder.groups is None:  # a ColumnTransformer hands over one column
            super().test_in_composition(encoder, domain)

    @on_all_domains
    def test_squared_norms_of_r_are_one_half(self, fitted, domain):
        norms = np.sum(r_of(fitted, spread(domain, 50)) ** 2, axis=-1)
        np.testing.assert_allclose(norms, 0.5, rtol=0, atol=1e-15)


@parametrize_with_checks([LearnableFourierEncoder(16, mlp=(8, 8), random_state=0)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


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
    encoder = LearnableFourierEncoder(20_000, gamma=0.1, mlp=None, random_state=0).fit(X)
    # neither std gamma ** -2 = 100 nor gamma ** 2 = 0.01, and no factor 2 pi
    np.testing.assert_allclose(2 * math.pi * encoder.frequencies_.std(axis=0), 10, rtol=0.02)
    given = LearnableFourierEncoder(stable_rank=8, mlp=None, random_state=0, domain=(0, 1)).fit(X)
    np.testing.assert_allclose(given.gamma_, 1 / (math.sqrt(2 * math.pi) * 8))
    many = LearnableFourierEncoder(4000, stable_rank=8, mlp=None, random_state=0, domain=(0, 1))
    np.testing.assert_allclose(many.fit(X).stable_rank_, 8, rtol=0.1)


def test_a_slice_depends_on_its_group_alone_and_weights_are_shared():
    X = np.random.default_rng(0).uniform(size=(30, 4))
    encoder = LearnableFourierEncoder(
        16, gamma=0.2, mlp=(8, 12), groups=[[0, 2], [3, 1]], random_state=0
    ).fit(X)
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


def test_groups_by_name():
    frame = pd.DataFrame(np.random.default_rng(0).uniform(size=(20, 4)), columns=list("wxyz"))
    named = LearnableFourierEncoder(mlp=None, groups=[["w", "z"], ["y", "x"]], random_state=0)
    numbered = LearnableFourierEncoder(mlp=None, groups=[[0, 3], [2, 1]], random_state=0)
    np.testing.assert_array_equal(named.fit_transform(frame), numbered.fit_transform(frame))
    assert named.get_feature_names_out()[0] == "wz_learnable0"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"groups": [[0, 1], [1, 2]]}, ValueError, "each of the 4 columns once"),
        ({"groups": [[0, 1]]}, ValueError, "each of the 4 columns once"),
        ({"groups": [[0], [1, 2, 3]]}, ValueError, "groups of one size"),
        ({"groups": [["a", "b"], ["c", "d"]]}, ValueError, "each of the 4 columns once"),
        ({"groups": 2}, ValueError, "Got 2"),
        ({"groups": [[0, 1], [2, 3]], "mlp": (8, 9)}, ValueError, "multiple of 2"),
        ({"mlp": 8}, ValueError, "pair"),
        ({"mlp": (8,)}, ValueError, "pair"),
        ({"mlp": (8, 0)}, ValueError, r"mlp\[1\] must be at least 1"),
        ({"mlp": (8.5, 4)}, TypeError, "whole number"),
        ({"gamma": 0.1, "stable_rank": 4}, ValueError, "both set the resolution"),
        ({"gamma": -1}, ValueError, "greater than 0"),
        ({"gamma": [0.1, 0.2]}, ValueError, "one per axis"),
        ({"n_frequencies": 0}, ValueError, "at least 1"),
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
