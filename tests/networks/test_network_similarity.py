"""What networks see of encoders, against the gradients of wide networks."""

import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import linalg

from sk_posenc import (
    CoordinateMLP,
    FourierEncoder,
    KroneckerRidge,
    LearnableFourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    network_similarity,
    network_stable_rank,
    similarity_radius,
    stable_rank,
    tangent_kernel,
)
from sk_posenc.networks.scaling import learn_scaling

LINE = np.arange(256)[:, None] / 256
DELTA = np.array([0.0, 0.01, 0.03, 0.06, 0.1, 0.2])
ENCODERS = {
    "gaussian": ShiftedBasisEncoder(stable_rank=12, n_shifts=60),
    "triangle": ShiftedBasisEncoder("triangle", stable_rank=12),
    "periodic": ShiftedBasisEncoder(stable_rank=12, domain=(0, 1), boundary="periodic"),
    "fourier": FourierEncoder(stable_rank=12),
    "log fourier": LogFourierEncoder(5),
    "random fourier": RandomFourierEncoder(64, stable_rank=12, random_state=0),
}


def gradients(net, parameters, rows):
    """Gradients of the output by all parameters, one row of input after the other."""
    outputs = net(torch.as_tensor(rows, dtype=torch.float32)).ravel()
    return [torch.autograd.grad(out, parameters, retain_graph=True) for out in outputs]


def measured_kernel(make_net, rows, n_seeds):
    """Inner products of the gradients at rows with those at the first, over its own."""
    products = np.zeros(len(rows))
    for seed in range(n_seeds):
        net, parameters = make_net(torch.Generator().manual_seed(seed))
        by_row = gradients(net, parameters, rows)
        products += [
            sum(float(torch.sum(a * b)) for a, b in zip(each, by_row[0], strict=True))
            for each in by_row
        ]
    return products / products[0]


def wide_net(n_features, hidden_layers, width=1024):
    """f = W_L relu(... sqrt(2 / n) W_1 x): normal weights, no biases, each scaled outside."""

    def make(generator):
        sizes = [n_features, *[width] * hidden_layers, 1]
        weights = [
            torch.randn(n_out, n_in, generator=generator).requires_grad_()
            for n_in, n_out in pairwise(sizes)
        ]

        def forward(h):
            for i, weight in enumerate(weights):
                h = torch.relu(h) if i else h
                gain = math.sqrt(2 / weight.shape[1]) if i else 1.0
                h = gain * h @ weight.T
            return h

        return forward, weights

    return make


@pytest.mark.parametrize("hidden_layers", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("name", ["gaussian", "fourier", "log fourier"])
def test_against_gradients_of_wide_networks(name, hidden_layers):
    encoder = ENCODERS[name].fit(LINE)
    rows = encoder.transform(0.4 + DELTA[:, None])
    rows /= linalg.norm(rows, axis=1, keepdims=True)
    measured = measured_kernel(wide_net(rows.shape[1], hidden_layers), rows, n_seeds=12)
    expected = network_similarity(encoder, DELTA, hidden_layers)
    # a draw is off by about 1 / sqrt(width) a layer
    assert expected == pytest.approx(measured, abs=0.03 if hidden_layers else 1e-3)


@pytest.mark.parametrize("sizes", [(), (512,), (256, 256), (512, 128, 512), (256,) * 4])
@pytest.mark.parametrize("name", ["gaussian", "fourier", "random fourier"])
def test_against_gradients_of_our_network(name, sizes):
    encoder = ENCODERS[name].fit(LINE)
    E = torch.as_tensor(encoder.transform(LINE), dtype=torch.float32)
    scaling = learn_scaling([(E, torch.as_tensor(LINE))])

    def make(generator):
        net = CoordinateMLP(E.shape[1], hidden_layer_sizes=sizes, generator=generator)
        net.set_scaling(*scaling)
        return net, list(net.parameters())

    # a place inside, where the rows' mean is that of all
    rows = encoder.transform(0.4 + DELTA[:, None])
    measured = measured_kernel(make, rows, n_seeds=16)
    expected = network_similarity(encoder, DELTA, sizes)
    assert expected == pytest.approx(measured, abs=0.05 if sizes else 0.02)
    if sizes:  # the wide network without biases is another one
        wide = network_similarity(encoder, DELTA, len(sizes))
        assert np.abs(wide - measured).max() > 2 * np.abs(expected - measured).max()


@pytest.mark.parametrize("name", ENCODERS)
def test_linear_head_sees_the_similarity(name):
    encoder = ENCODERS[name].fit(LINE)
    expected = encoder.similarity([[0.4]], 0.4 + DELTA[:, None])[0]
    assert network_similarity(encoder, DELTA, 0) == pytest.approx(expected, abs=0.02)
    assert network_similarity(encoder, -DELTA, 3) == pytest.approx(
        network_similarity(encoder, DELTA, 3)
    )


@pytest.mark.parametrize(
    "encoder",
    [
        ShiftedBasisEncoder(stable_rank=6),
        ShiftedBasisEncoder(stable_rank=6, tensor_product=True),
        FourierEncoder(stable_rank=6),
        RandomFourierEncoder(128, stable_rank=6, random_state=0),
    ],
    ids=repr,
)
def test_offsets_over_all_axes(encoder, rng):
    encoder.fit(rng.uniform(size=(500, 2)) * [1, 100])
    X = np.array([[0.4, 40.0]])
    offsets = rng.uniform(0, 0.2, size=(20, 2)) * [1, 100]
    E = encoder.transform(np.vstack([X, X + offsets]))
    cosines = (E @ E[0] / linalg.norm(E, axis=1) / linalg.norm(E[0]))[1:]
    for layers in (0, 1, 4):
        assert network_similarity(encoder, offsets, layers, axis=None) == pytest.approx(
            tangent_kernel(cosines, layers), abs=0.02
        )


def test_axes_have_their_own_units(rng):
    encoder = ShiftedBasisEncoder(stable_rank=(4, 16)).fit(rng.uniform(size=(99, 2)) * [1, 100])
    for axis, radius in enumerate(similarity_radius(encoder)):
        seen = network_similarity(encoder, [radius], 0, axis=axis)
        assert seen == pytest.approx(0.1)
        assert network_similarity(encoder, [radius], 2, axis=axis) == pytest.approx(
            tangent_kernel([0.1], 2)
        )


@pytest.mark.parametrize("mlp", [None, (16, 24)])
def test_learnable_encoders_are_averaged_over_the_domain(mlp):
    encoder = LearnableFourierEncoder(64, gamma=0.1, mlp=mlp, random_state=0).fit(LINE)
    lags = np.array([0.0, 0.02, 0.1])
    kernels = []
    for start in np.linspace(0, 0.88, 45):
        E = encoder.transform(start + lags[:, None])
        E /= linalg.norm(E, axis=1, keepdims=True)
        kernels.append(tangent_kernel((E @ E[0]).clip(-1, 1), 3))
    assert network_similarity(encoder, lags, 3) == pytest.approx(np.mean(kernels, 0), abs=0.01)
    E = encoder.transform(np.linspace(0, 1, 400)[:, None])
    E /= linalg.norm(E, axis=1, keepdims=True)
    gram = tangent_kernel((E @ E.T).clip(-1, 1), 3)
    rank = 400 / linalg.eigvalsh(gram)[-1]
    assert network_stable_rank(encoder, 3) == pytest.approx([rank], rel=0.01)
    assert network_similarity(encoder, [0.0], (32, 32)) == pytest.approx([1.0])


def test_impulses_are_averaged_over_places():
    encoder = ShiftedBasisEncoder("impulse", stable_rank=10, domain=(0, 1)).fit(LINE)
    lags = np.array([0.0, 0.03, 0.06, 0.2])
    starts = np.linspace(0.1, 0.7, 3001)
    first, *others = (encoder.transform(starts[:, None] + lag) for lag in (0.0, *lags))
    for layers in (0, 2):
        expected = [np.mean(tangent_kernel(np.sum(first * E, axis=1), layers)) for E in others]
        assert network_similarity(encoder, lags, layers) == pytest.approx(expected, abs=0.01)
    E = encoder.transform(np.linspace(0, 1, 500)[:, None])
    rank = 500 / linalg.eigvalsh(tangent_kernel(E @ E.T, 2))[-1]
    assert network_stable_rank(encoder, 2) == pytest.approx([rank], rel=0.01)
    with pytest.raises(ValueError, match="set axis to one axis"):
        network_similarity(encoder, lags[:, None], 2, axis=None)


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("name", ENCODERS)
def test_stable_rank_is_that_of_rows_with_this_kernel(name, layers):
    encoder = ENCODERS[name].fit(LINE)
    places = (np.arange(400) + 0.5) / 400
    gram = network_similarity(encoder, (places[:, None] - places).ravel(), layers)
    gram = gram.reshape(400, 400)
    for centred in (False, True):
        if centred:
            gram = gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean()
        values, vectors = linalg.eigh(gram)
        rows = vectors * np.sqrt(values.clip(0))  # a matrix with this Gram matrix
        rank = network_stable_rank(encoder, layers, centred=centred)
        assert rank == pytest.approx([stable_rank(rows)], rel=0.01)
    if layers == 0:
        assert network_stable_rank(encoder, 0) == pytest.approx(encoder.stable_rank_, rel=0.02)


def test_stable_rank_law():
    """On a circle the stable rank of a kernel is one over its mean."""
    encoder = ENCODERS["periodic"].fit(LINE)
    for layers in (0, 1, 4):
        kernel = network_similarity(encoder, LINE[:, 0], layers)
        assert network_stable_rank(encoder, layers) == pytest.approx([1 / kernel.mean()], rel=1e-4)


def test_constant_bounds_the_stable_rank():
    encoder = ShiftedBasisEncoder(stable_rank=60).fit(LINE)
    ranks = [network_stable_rank(encoder, layers)[0] for layers in range(6)]
    assert np.all(np.diff(ranks) < 0)
    assert ranks[1] < 2 * math.pi
    centred = [network_stable_rank(encoder, layers, centred=True)[0] for layers in range(6)]
    assert np.all(np.diff(centred) > 0)


def test_stable_rank_of_each_axis(rng):
    encoder = ShiftedBasisEncoder(stable_rank=(4, 16)).fit(rng.uniform(size=(99, 2)) * [1, 100])
    ranks = network_stable_rank(encoder, 2, centred=True)
    for rank, alone in zip(ranks, (4, 16), strict=True):
        single = ShiftedBasisEncoder(stable_rank=alone).fit(LINE)
        assert rank == pytest.approx(network_stable_rank(single, 2, centred=True)[0], rel=0.02)


def test_similarity_refuses(rng):
    encoder = ShiftedBasisEncoder().fit(rng.uniform(size=(50, 2)))
    for delta in (0.5, [[0.1], [0.2]], [[0.1, 0.2]]):
        with pytest.raises(ValueError, match=r"delta must be an array .* \(n, 2\)"):
            network_similarity(encoder, delta, 1)
    with pytest.raises(ValueError, match="delta must be"):
        network_similarity(encoder, [0.1, 0.2], 1, axis=None)
    with pytest.raises(ValueError, match="NaN"):
        network_similarity(encoder, [np.nan], 1)
    for axis in (2, -1):
        with pytest.raises(ValueError, match="one of the 2 axes"):
            network_similarity(encoder, [0.1], 1, axis=axis)
    for axis in (True, 0.0):
        with pytest.raises(TypeError, match="axis must be a whole number, or None"):
            network_similarity(encoder, [0.1], 1, axis=axis)
    with pytest.raises(TypeError, match=r"centred must be True or False. Got array"):
        network_stable_rank(encoder, 1, centred=np.ones(2))
    learnable = LearnableFourierEncoder(8, random_state=0).fit(rng.uniform(size=(50, 2)))
    with pytest.raises(ValueError, match="set axis to one axis"):
        network_similarity(learnable, [[0.1, 0.1]], 1, axis=None)
    for function in (partial(network_similarity, delta=[0.1]), network_stable_rank):
        with pytest.raises(TypeError, match="fitted encoder of sk_posenc"):
            function(KroneckerRidge(), hidden_layers=1)
        with pytest.raises(ValueError, match="not fitted"):
            function(ShiftedBasisEncoder(), hidden_layers=1)
