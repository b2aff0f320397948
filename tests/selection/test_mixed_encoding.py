"""A mixture of candidate encodings: its weights, its training, its decisions."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import r2_score
from skorch.callbacks import Callback
from test_perturbation_search import PAIR, PHASES, network, plane, planted, search_of

from sk_posenc import FourierEncoder, ShiftedBasisEncoder
from sk_posenc.networks.encoder_module import EncoderModule
from sk_posenc.selection._mixed_encoding import MixedEncoding, Projected
from sk_posenc.selection._perturbation import decide
from sk_posenc.selection._search_progress import SearchProgress
from sk_posenc.selection._supernet import AlphaSteps, Supernet


def mixture(encoders, X, edges=None, alpha=None):
    generator = torch.Generator().manual_seed(0)
    edges = [list(range(X.shape[1]))] if edges is None else edges
    alpha = torch.zeros(len(edges), len(encoders)) if alpha is None else alpha
    made = []
    for columns in edges:
        fitted = [clone(each).fit(X[:, columns]) for each in encoders]
        made.append([
            Projected(
                EncoderModule(each, dtype=torch.float32),
                each.transform(X[:, columns]), 8, generator,
            ) for each in fitted
        ])  # fmt: skip
    return MixedEncoding(made, edges, alpha)


def test_a_step_of_alpha_is_that_of_adam_on_the_validation_loss():
    X, y = planted(0, n=64)
    mixed = mixture(PHASES, X)
    net = Supernet(network(batch_size=64, activation="tanh"), mixed, y, 0)
    step = AlphaSteps(net, X, y, 0)

    def loss(alpha):
        mixed.alpha = alpha
        out = net.net.module_(torch.as_tensor(X))
        return float(torch.mean((out[:, 0] - torch.as_tensor(y)) ** 2))

    start = torch.zeros(1, 4)
    eps = 1e-2
    with torch.no_grad():
        slope = [(loss(start + eps * e) - loss(start - eps * e)) / (2 * eps) for e in torch.eye(4)]
    mixed.alpha = step.alpha
    step.on_batch_begin(net.net, (torch.zeros(64, 1), None), training=False)
    assert not net.alpha().any()
    step.on_batch_begin(net.net, (torch.zeros(64, 1), None), training=True)
    assert np.allclose(step.alpha.grad.numpy(), slope, rtol=2e-2, atol=1e-5)
    # the first step of Adam is its rate against the sign
    assert np.allclose(net.alpha(), -3e-4 * np.sign(slope), rtol=1e-2)


def test_weights_are_a_softmax_that_removal_leaves_alone():
    X = plane()[0].astype(np.float32)
    alpha = torch.tensor([[0.3, -1.0, 2.0]])
    encoders = [*PAIR, FourierEncoder(4)]
    mixed, rows = mixture(encoders, X, alpha=alpha), torch.as_tensor(X)
    parts = [p * h(rows) for p, h in zip(torch.softmax(alpha[0], 0), mixed.edges[0], strict=True)]
    assert torch.allclose(mixed(rows), sum(parts), atol=1e-6)
    with mixed.without(0, 1):
        assert torch.allclose(mixed(rows), parts[0] + parts[2], atol=1e-6)
    assert torch.allclose(mixed(rows), sum(parts), atol=1e-6)
    mixed.decided[0] = 1
    assert torch.allclose(mixed(rows), mixed.edges[0][1](rows))


def test_candidates_come_normalised():
    X = plane()[0].astype(np.float32)
    (edge,) = mixture([FourierEncoder(2), ShiftedBasisEncoder(stable_rank=9)], X).edges
    for candidate in edge:
        rows = candidate(torch.as_tensor(X))
        with torch.no_grad():
            candidate.linear.weight.mul_(7.0)
        assert torch.allclose(rows.mean(1), torch.zeros(80), atol=1e-5)
        assert torch.allclose(rows.var(1, correction=0), torch.ones(80), atol=1e-2)
        assert torch.allclose(candidate(torch.as_tensor(X)), rows, atol=1e-2)


def test_permuted_candidates_have_permuted_scores():
    X, y = plane()
    encoders = [*PAIR, FourierEncoder(4)]
    mixed = mixture(encoders, X)
    order = [2, 0, 1]
    twin = MixedEncoding([[mixed.edges[0][i] for i in order]], mixed.columns, mixed.alpha)
    scores = []
    for each in (mixed, twin):
        net = Supernet(network(), each, y, 0)
        quiet = SearchProgress(search_of(network(), PAIR), None)
        score = partial(lambda net: r2_score(y, net.predict(X)), net)
        scores.append(decide(net, score, lambda: None, np.array([0]), quiet).masked[0])
    assert np.allclose(scores[1], scores[0][order], atol=1e-5)
    assert len(set(scores[0])) == 3


def test_edges_are_decided_one_after_the_other_and_tuned_between():
    X, y = plane()
    mixed = mixture(PAIR, X, edges=[[0], [1]])
    net, events = Supernet(network(), mixed, y, 0), []

    def score():
        events.append(("score", *mixed.decided, mixed._without))
        return r2_score(y, net.predict(X))

    quiet = SearchProgress(search_of(network(), PAIR), None)
    found = decide(
        net, score, lambda: events.append(("tune", *mixed.decided)), np.array([1, 0]), quiet
    )
    first, second = int(found.chosen[1]), int(found.chosen[0])
    assert events == [
        *[("score", None, None, each) for each in (None, (1, 0), (1, 1))],
        ("tune", None, first),
        *[("score", None, first, each) for each in (None, (0, 0), (0, 1))],
        ("tune", second, first),
        ("score", second, first, None),
    ]


def test_tuning_goes_at_a_tenth_of_the_rate():
    X, y = plane()
    net = Supernet(network(lr_schedule="cosine"), mixture(PAIR, X), y, 0)
    net.train(X, y, 2)
    rates = []

    class Watch(Callback):
        def on_batch_end(self, net, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    net.train(X, y, 1, Watch())
    assert rates[-1] < rates[0] <= 3e-3
    net.slow_down()
    rates.clear()
    net.train(X, y, 1, Watch())
    assert rates == pytest.approx([3e-4] * 3)
