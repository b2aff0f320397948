"""Stable ranks of layers in the records of epochs."""

import json
import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sk_posenc import (
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    CoordinateModule,
    LearnableFourierEncoder,
    ShiftedBasisEncoder,
)

X = np.random.default_rng(0).uniform(size=(60, 2))
Y = np.sin(5 * X[:, 0]) + X[:, 1]
small = partial(
    CoordinateMLPRegressor,
    hidden_layer_sizes=(8, 6),
    max_epochs=3,
    batch_size=20,
    random_state=0,
    device="cpu",
    log_stable_rank=True,
)


def by_singular_values(model):
    """Stable ranks of the weights, from all singular values."""
    squares = (
        np.linalg.svd(layer.weight.detach().double().cpu().numpy(), compute_uv=False) ** 2
        for layer in model.module_.linears
    )
    return [each.sum() / each.max() for each in squares]


def test_each_record_has_the_ranks_before_and_after_its_epoch():
    untrained = by_singular_values(small(max_epochs=0).fit(X, Y))
    model = small(max_epochs=1).fit(X, Y)
    for _ in range(2):
        assert model.history_[-1]["stable_rank"] == pytest.approx(by_singular_values(model))
        model.partial_fit(X, Y)
    rows = model.history_
    assert rows[0]["stable_rank_before"] == pytest.approx(untrained)
    for earlier, later in pairwise(rows):
        assert later["stable_rank_before"] == earlier["stable_rank"]
        assert later["stable_rank"] != earlier["stable_rank"]
    assert [len(row["stable_rank"]) for row in rows] == [3, 3, 3]


def test_it_changes_nothing_else():
    model, plain = small().fit(X, Y), small(log_stable_rank=False).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    assert model.history_[:, "train_loss"] == plain.history_[:, "train_loss"]
    assert "stable_rank" not in plain.history_[-1]


def test_the_encoder_has_no_layers():
    encoder = LearnableFourierEncoder(8, mlp=(4, 4), random_state=0)
    model = small(encoder, max_epochs=1).fit(X, Y)
    assert model.history_[0]["stable_rank"] == pytest.approx(by_singular_values(model))


def test_a_classifier_has_them_too():
    model = CoordinateMLPClassifier(
        ShiftedBasisEncoder(stable_rank=4), max_epochs=1, log_stable_rank=True, device="cpu"
    ).fit(X, Y > 0.5)
    assert model.history_[0]["stable_rank"] == pytest.approx(by_singular_values(model))


class Cut(Callback):
    """Ends the second epoch with an error."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            raise RuntimeError("power cut")


def test_checkpoints_hold_them(tmp_path):
    whole = small().fit(X, Y)
    with pytest.raises(RuntimeError, match="power cut"):
        small(checkpoint=tmp_path, callbacks=[Cut()]).fit(X, Y)
    resumed = small(checkpoint=tmp_path).fit(X, Y)
    for name in ("stable_rank_before", "stable_rank"):
        assert resumed.history_[:, name] == whole.history_[:, name]


class Stopped(Callback):
    """Presses Ctrl-C in the third epoch."""

    def on_batch_end(self, net, training=False, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt


def test_an_epoch_that_was_interrupted_leaves_no_record():
    model = small(callbacks=[Stopped()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert [len(row["stable_rank"]) for row in model.history_] == [3, 3]


def test_printed_lines_leave_them_out(capsys):
    small(verbose=1).fit(X, Y)
    shown = capsys.readouterr().out
    assert "train_loss" in shown
    assert "stable_rank" not in shown


class Own(CoordinateModule):
    """Two linear layers and a table; what `zero` says starts at 0."""

    def __init__(self, in_features, out_features=1, *, encoder=None, generator=None, zero=False):
        super().__init__(in_features, out_features, encoder=encoder)
        self.table = torch.nn.Parameter(torch.eye(in_features))
        self.first = torch.nn.Linear(in_features, 4)
        self.last = torch.nn.Linear(4, out_features)
        with torch.no_grad():
            for layer in (self.first, self.last):
                layer.weight.uniform_(-1, 1, generator=generator)
            if zero:
                self.last.weight.zero_()

    def forward(self, x):
        return self.last(torch.relu(self.first(self.scaled(x) @ self.table)))


def test_a_module_of_ones_own():
    model = CoordinateMLPRegressor(
        module=Own, module__zero=True, max_epochs=1, log_stable_rank=True, device="cpu"
    ).fit(X, Y)
    before = model.history_[0]["stable_rank_before"]
    assert len(before) == 2
    assert math.isnan(before[1])  # all 0: it has none
    assert model.history_[0]["stable_rank"][1] == 1  # one row
    assert json.loads(json.dumps(before))


class Cubic(CoordinateModule):
    """A network without linear layers."""

    def __init__(self, in_features, out_features=1, *, encoder=None, generator=None):
        super().__init__(in_features, out_features, encoder=encoder)
        self.weight = torch.nn.Parameter(torch.zeros(in_features, out_features))

    def forward(self, x):
        return self.scaled(x) ** 3 @ self.weight


def test_what_it_refuses():
    model = CoordinateMLPRegressor(module=Cubic, log_stable_rank=True, device="cpu")
    with pytest.raises(ValueError, match=r"torch\.nn\.Linear outside its encoder.*Got Cubic"):
        model.fit(X, Y)
    assert not hasattr(model, "module_")
    with pytest.raises(TypeError, match=r"log_stable_rank must be .*Got 'yes'"):
        small(log_stable_rank="yes").fit(X, Y)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_card():
    model = small(device="cuda").fit(X, Y)
    assert model.history_[-1]["stable_rank"] == pytest.approx(by_singular_values(model))
