"""The optimiser "muon": what it moves and how, and that it is an optimiser like others."""

import copy
import json
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import StepLR

from sk_posenc import (
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    CoordinateModule,
    LearnableFourierEncoder,
    MultigridEncoder,
    ShiftedBasisEncoder,
    suggest_encoder,
)
from sk_posenc.networks._muon import ADAM_LR, MUON_LR, MuonAndAdam
from sk_posenc.networks._orthogonal_steps import SinglePrecisionMuon, orthogonal_part

if not hasattr(torch.optim, "Muon"):
    pytest.skip("PyTorch before 2.9 has no Muon", allow_module_level=True)

X = np.random.default_rng(0).uniform(size=(60, 2))
Y = np.sin(5 * X[:, 0]) + X[:, 1]
small = partial(
    CoordinateMLPRegressor,
    hidden_layer_sizes=(8, 6, 8),
    optimizer="muon",
    max_epochs=3,
    batch_size=20,
    random_state=0,
    device="cpu",
)
USUAL = {"ns_coefficients": (3.4445, -4.775, 2.0315), "ns_steps": 5, "eps": 1e-7}


def names_of(model):
    """Names of the parameters that each group holds."""
    named = {id(each): name for name, each in model.module_.named_parameters()}
    return [[named[id(each)] for each in g["params"]] for g in model.optimizer_.param_groups]


def rates(model):
    return [group["lr"] for group in model.optimizer_.param_groups]


# --- the steps


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(2, 9), st.integers(2, 9)),
           elements=st.floats(-1, 1, width=32)),
    st.floats(1e-3, 1e3),
)  # fmt: skip
def test_the_orthogonal_part_maps_singular_values_alone(matrix, size):
    matrix = matrix + 0.1 * np.eye(*matrix.shape, dtype=np.float32)
    given = torch.from_numpy(matrix).double() * size
    u, s, v = np.linalg.svd(given.numpy(), full_matrices=False)
    s = s / np.linalg.norm(s)
    for _ in range(5):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    part = orthogonal_part(given, *USUAL.values())
    np.testing.assert_allclose(part.numpy(), u @ np.diag(s) @ v, atol=1e-9)


@pytest.mark.parametrize("shape", [(40, 40), (60, 20), (20, 60)])
@pytest.mark.parametrize(
    "options",
    [{}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.3}],
    ids=["usual", "no nesterov", "rms"],
)
def test_steps_are_those_of_torch_but_for_its_half_precision(shape, options):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    pair = (
        SinglePrecisionMuon([ours], lr=0.1, **options),
        torch.optim.Muon([theirs], lr=0.1, **options),
    )
    for _ in range(3):
        ours.grad = torch.randn(shape, generator=generator)
        theirs.grad = ours.grad.clone()
        for each in pair:
            each.step()
    moved = (theirs - start).norm()
    assert float((ours - theirs).norm().detach() / moved.detach()) < 0.02


def test_both_parts_step_after_one_closure():
    matrix, bias = torch.nn.Parameter(torch.eye(3)), torch.nn.Parameter(torch.ones(3))
    groups = [{"params": [bias], "is_hidden": False}, {"params": [matrix], "is_hidden": True}]
    optimizer = MuonAndAdam(groups, lr=0.1, adam_lr=0.01)
    calls = []

    def closure():
        optimizer.zero_grad()
        calls.append(0)
        loss = (matrix @ bias).square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3
    assert len(calls) == 1
    np.testing.assert_allclose(bias.detach(), np.full(3, 0.99), rtol=1e-5)  # Adam's first step
    gradient = np.full((3, 3), 2.0)
    moved = np.eye(3) - 0.1 * orthogonal_part(torch.from_numpy(gradient), *USUAL.values()).numpy()
    np.testing.assert_allclose(matrix.detach(), moved, atol=1e-5)
    optimizer.zero_grad()
    assert matrix.grad is None
    assert bias.grad is None
    before = matrix.detach().clone()
    assert optimizer.step() is None  # nothing has a gradient
    assert torch.equal(matrix.detach(), before)


# --- who is moved by which part


def test_matrices_between_the_ends_are_hidden():
    model = small(LearnableFourierEncoder(8, mlp=(4, 4), random_state=0)).fit(X, Y)
    others, undecayed, hidden = names_of(model)
    assert hidden == ["linears.1.weight", "linears.2.weight"]
    assert all(name.startswith("encoder.") for name in undecayed)
    rest = {name for name, _ in model.module_.named_parameters()} - {*hidden, *undecayed}
    assert set(others) == rest
    assert {"linears.0.weight", "linears.3.weight", "linears.1.bias"} < rest
    assert model.optimizer_.state[model.module_.linears[1].weight].keys() == {"momentum_buffer"}
    assert "exp_avg" in model.optimizer_.state[model.module_.linears[0].weight]


class Branches(CoordinateModule):
    """A network of its own, with a table beside its layers."""

    def __init__(self, in_features, out_features=1, *, encoder=None, generator=None):
        super().__init__(in_features, out_features, encoder=encoder)
        from sk_posenc.networks.linear_layers import layers_of

        self.body = layers_of([in_features, 6, 6, 6], generator)
        self.table = torch.nn.Parameter(torch.ones(6, 6))
        self.head = layers_of([6, out_features], generator)

    def forward(self, x):
        return self.head(self.body(self.scaled(x)) @ self.table)


def test_a_module_of_ones_own():
    model = CoordinateMLPRegressor(
        module=Branches, optimizer="muon", max_epochs=2, random_state=0, device="cpu"
    ).fit(X, Y)
    assert names_of(model)[1] == ["body.2.weight", "body.4.weight"]
    assert "table" in names_of(model)[0]


@pytest.mark.parametrize("sizes", [(), (8,)])
def test_without_a_hidden_matrix_it_says_what_to_do(sizes):
    model = small().fit(X, Y)
    before = model.predict(X)
    with pytest.raises(ValueError, match=f"two hidden layers or more.*{len(sizes) + 1} linear"):
        model.set_params(hidden_layer_sizes=sizes).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), before)


# --- rates and other parameters


def test_rates_that_nobody_sets():
    model = small(max_epochs=0).fit(X, Y)
    assert rates(model) == [ADAM_LR, MUON_LR]
    assert model._chosen("lr") == MUON_LR
    grids = small(MultigridEncoder(random_state=0), max_epochs=0).fit(X, Y)
    assert rates(grids)[0] == 1e-2  # the encoder's own, and fused
    assert grids.optimizer_.param_groups[0]["fused"]
    assert rates(grids)[-1] == MUON_LR


def test_each_parameter_reaches_its_part():
    model = small(
        lr=0.1,
        optimizer__adam_lr=0.02,
        optimizer__momentum=0.5,
        optimizer__eps=1e-3,
        optimizer__weight_decay=0.3,
        optimizer__betas=(0.5, 0.6),
        lr_schedule="constant",
        max_epochs=1,
    ).fit(X, Y)
    adam, muon = model.optimizer_.param_groups
    assert (adam["lr"], adam["eps"], adam["weight_decay"]) == (0.02, 1e-3, 0.3)
    assert adam["betas"] == (0.5, 0.6)
    assert (muon["lr"], muon["eps"], muon["weight_decay"]) == (0.1, 1e-7, 0.3)
    assert muon["momentum"] == 0.5
    with pytest.raises(TypeError, match=r"for its hidden matrices momentum, .* Got moment\."):
        small(optimizer__moment=0.5).fit(X, Y)
    groups = [("linears.1.*", {"lr": 0.7})]
    model.set_params(optimizer__param_groups=groups).fit(X, Y)
    assert names_of(model)[0::2] == [["linears.1.bias"], ["linears.1.weight"]]
    assert rates(model) == [0.7, 0.02, 0.7, 0.1]


def test_what_is_set_later_holds_at_once():
    model = small().fit(X, Y)
    optimizer = model.optimizer_
    model.set_params(lr=0.2, optimizer__adam_lr=0.01, optimizer__momentum=0.3)
    assert model.optimizer_ is optimizer
    assert rates(model) == [0.01, 0.2]
    assert optimizer.param_groups[1]["momentum"] == 0.3
    model.set_params(optimizer__adam_lr=0.02)
    assert rates(model) == [0.02, 0.2]
    with pytest.raises(TypeError, match="Got moment"):
        model.set_params(optimizer__moment=1)
    plain = model.set_params(optimizer__adam_lr=0.02)
    for name in ("optimizer__adam_lr", "optimizer__momentum"):
        plain = clone(plain)
        del plain.__dict__[name]
    plain.fit(X, Y)
    plain.set_params(optimizer=torch.optim.Adam, lr="auto")
    assert type(plain.optimizer_) is torch.optim.Adam
    assert rates(plain) == [3e-3]
    assert type(plain.set_params(optimizer="muon").optimizer_) is MuonAndAdam


def test_only_this_name_is_known(monkeypatch):
    with pytest.raises(TypeError, match=r"optimizer must be a class.* or .muon.*Got 'Muon'"):
        small(optimizer="Muon").fit(X, Y)
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ImportError, match=r"needs PyTorch 2\.9 .*Got PyTorch \d"):
        small().fit(X, Y)


def test_a_calibrated_time_is_not_guessed():
    with pytest.raises(ValueError, match=r"known for Adam only.*Got 'muon'"):
        suggest_encoder(X, Y, regressor=small())


# --- an optimiser like others


@pytest.mark.parametrize("settings", [{}, {"lr_schedule": "cosine"}, {"mixed_precision": True}])
def test_a_fit_that_was_cut_off_goes_on_to_the_last_bit(tmp_path, settings):
    whole = small(**settings).fit(X, Y)
    with pytest.raises(RuntimeError, match="power cut"):
        small(checkpoint=tmp_path, callbacks=[_Cut()], **settings).fit(X, Y)
    resumed = small(checkpoint=tmp_path, **settings).fit(X, Y)
    np.testing.assert_array_equal(resumed.predict(X), whole.predict(X))
    for ours, theirs in zip(resumed.optimizer_.state.values(), whole.optimizer_.state.values(),
                            strict=True):  # fmt: skip
        for name, value in ours.items():
            assert torch.equal(value, theirs[name])


class _Cut(Callback):
    """Ends the third epoch with an error."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            raise RuntimeError("power cut")


@pytest.mark.parametrize("how", [clone, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_train_on_alike(how):
    model = small(warm_start=True).fit(X, Y)
    other = how(model)
    if how is clone:
        other.fit(X, Y)
    np.testing.assert_array_equal(other.partial_fit(X, Y).predict(X), model.fit(X, Y).predict(X))
    assert any(each.any() for each in (s["momentum_buffer"] for s in model.optimizer_.state.values()
                                       if "momentum_buffer" in s))  # fmt: skip


def test_skops_trusts_no_optimiser(tmp_path):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    model = small().fit(X, Y)
    sio.dump(model, tmp_path / "m.skops")
    asked = sio.get_untrusted_types(file=tmp_path / "m.skops")
    assert asked == ["sk_posenc.networks.regressor.CoordinateMLPRegressor"]
    loaded = sio.load(tmp_path / "m.skops", trusted=asked)
    np.testing.assert_array_equal(loaded.partial_fit(X, Y).predict(X),
                                  model.partial_fit(X, Y).predict(X))  # fmt: skip


@parametrize_with_checks([small(hidden_layer_sizes=(16, 16), batch_size=32, max_epochs=15)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_a_search_over_optimisers():
    grid = {"optimizer": [torch.optim.Adam, "muon"]}
    search = GridSearchCV(small(optimizer=torch.optim.Adam), grid, cv=2, error_score="raise")
    scores = search.fit(X, Y).cv_results_["mean_test_score"]
    assert len(set(scores)) == 2
    assert search.best_params_["optimizer"] in (torch.optim.Adam, "muon")


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_schedules_move_both_rates(shape):
    model = small(lr_schedule=shape, max_epochs=2).fit(X, Y)
    assert rates(model) == pytest.approx([0, 0], abs=1e-12)
    halved = LRScheduler(policy=StepLR, step_size=1, gamma=0.5)
    seen = small(callbacks=[halved], lr_schedule="constant").fit(X, Y)
    assert rates(seen) == pytest.approx([ADAM_LR / 8, MUON_LR / 8])


def test_a_refused_partial_fit_changes_nothing():
    model = small().fit(X, Y)
    state = json.dumps([v.tolist() for s in model.optimizer_.state.values() for v in s.values()])
    with pytest.raises(FloatingPointError):
        model.set_params(lr=1e30).partial_fit(X, Y)
    now = [v.tolist() for s in model.optimizer_.state.values() for v in s.values()]
    assert json.dumps(now) == state
    model.set_params(lr=0.05).partial_fit(X, Y)
    assert np.isfinite(model.predict(X)).all()


def test_it_learns_categories_too():
    labels = np.where(Y > 0.5, "land", "sea")
    model = CoordinateMLPClassifier(
        ShiftedBasisEncoder(stable_rank=4),
        hidden_layer_sizes=(16, 16),
        optimizer="muon",
        lr_schedule="cosine",
        max_epochs=40,
        random_state=0,
        device="cpu",
    ).fit(X, labels)
    assert model.score(X, labels) > 0.9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_card_it_is_the_optimiser_of_torch():
    model = small(device="cuda", lr_schedule="cosine", max_epochs=30).fit(X, Y)
    assert model.score(X, Y) > 0.8
