"""A fit that is refused or interrupted leaves any estimator as it was: one contract for all."""

import copy
import inspect
import pickle
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback
from test_kronecker_scattered import iterating  # noqa: F401

import sk_posenc
from sk_posenc import (
    CoordinateMLPRegressor,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    LearnableFourierEncoder,
    LogFourierEncoder,
    PositionAugmenter,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    SpacingTransformer,
)
from sk_posenc.networks import _checkpoint

RNG = np.random.default_rng(0)
NAMES = ["east", "north"]
X = RNG.uniform(size=(64, 2))
y = np.sin(5 * X[:, 0]) + X[:, 1]
Z = RNG.uniform(size=(9, 2))
# of another fit: other places, values and number of columns
OTHER_X = RNG.uniform(2, 5, size=(50, 1))
OTHER_Y = np.column_stack([OTHER_X[:, 0] ** 2, np.cos(OTHER_X[:, 0])])
# a block that partial_fit takes
MORE, MORE_Y = X[::2] * 0.9, y[::2] + 1
MORE_X = pd.DataFrame(MORE, columns=NAMES)
PLACED = ShiftedBasisEncoder("bspline", stable_rank=4, n_shifts=8, domain=(0, 6))


class Fails(Callback):
    """Raises in the first epoch, after a batch."""

    def __repr__(self):
        return "Fails()"  # in names of tests, the same in every process

    def on_batch_end(self, net, training=False, **kwargs):
        raise RuntimeError("a callback that fails")


ESTIMATORS = {
    "shifted": ShiftedBasisEncoder(stable_rank=4),
    "sparse": ShiftedBasisEncoder("triangle", stable_rank=4, sparse_output=True),
    "fourier": FourierEncoder(stable_rank=4),
    "log": LogFourierEncoder(4),
    "random": RandomFourierEncoder(16, random_state=0),
    "learnable": LearnableFourierEncoder(8, mlp=(4, 6), random_state=0),
    "spacing": SpacingTransformer(0.8),
    "augmenter": PositionAugmenter(local_shift=0.1, random_state=0),
    "network": CoordinateMLPRegressor(
        hidden_layer_sizes=(4,), max_epochs=2, lr=1e-2, random_state=0, device="cpu"
    ),
    "network with encoder": CoordinateMLPRegressor(
        FourierEncoder(stable_rank=3), train_encoder=True, hidden_layer_sizes=(4,), max_epochs=2,
        lr_schedule="cosine", early_stopping=5, random_state=0, device="cpu",
    ),
    "ridge": KroneckerRidge(PLACED, alpha=1e-3),
    "smooth ridge": KroneckerRidge(PLACED, alpha=1e-2, penalty=2.0),
    "adaptive ridge": KroneckerRidge(PLACED, alpha=0.1, penalty="adaptive"),
    "spaced ridge": KroneckerRidge(alpha=1e-3, spacing=0.9),
    "cv": KroneckerRidgeCV(PLACED, alphas=[1e-3, 1e-1], penalties=["ridge", 2.0]),
    "cv with folds": KroneckerRidgeCV(PLACED, alphas=[1e-3, 1e-1], penalties=["ridge"], cv=2),
}  # fmt: skip
ENCODERS = ["shifted", "sparse", "fourier", "log", "random", "learnable"]
NETWORKS = ["network", "network with encoder"]
RIDGES = ["ridge", "smooth ridge", "adaptive ridge"]
HEADS = [*NETWORKS, *RIDGES, "spaced ridge", "cv", "cv with folds"]
GROWING = [*NETWORKS, "ridge", "smooth ridge"]  # those with partial_fit


@dataclass
class Refusal:
    """Something that a fit must not take."""

    name: str
    of: list[str]
    settings: dict = field(default_factory=dict)
    X: object = None
    y: object = None
    fit_params: dict = field(default_factory=dict)
    method: str = "fit"

    def provoke(self, estimator):
        for name, value in self.settings.items():
            setattr(estimator, name, value)
        rows, targets = (OTHER_X, OTHER_Y) if self.method == "fit" else (MORE_X, MORE_Y)
        rows = rows if self.X is None else self.X
        targets = targets if self.y is None else self.y
        with pytest.raises((ValueError, TypeError, ArithmeticError, RuntimeError, UserWarning)):
            getattr(estimator, self.method)(rows, targets, **self.fit_params)


def with_entry(array, value):
    changed = array.astype(object if isinstance(value, str) else type(value))
    changed.flat[3] = value
    return changed


BAD_ROWS = {
    "NaN": with_entry(OTHER_X, np.nan),
    "infinity": with_entry(OTHER_X, -np.inf),
    "text": with_entry(OTHER_X, "east"),
    "complex": with_entry(OTHER_X, 1j),
    "no rows": OTHER_X[:0],
    "no columns": OTHER_X[:, :0],
    "1-d": OTHER_X[:, 0],
    "3-d": OTHER_X[:, :, None],
    "NaN in a frame": pd.DataFrame(with_entry(OTHER_X, np.nan), columns=["a"]),
}
BAD_TARGETS = {
    "NaN in y": with_entry(OTHER_Y, np.nan),
    "infinity in y": with_entry(OTHER_Y, np.inf),
    "text in y": with_entry(OTHER_Y, "high"),
    "too few targets": OTHER_Y[1:],
    "3-d targets": OTHER_Y[:, :, None],
}
BAD_SETTINGS = [
    (ENCODERS, {"domain": (1, 0)}),
    (ENCODERS, {"domain": ((0, 1), (0, 1))}),
    (["log", "random", "learnable"], {"n_frequencies": 0}),
    (["fourier", "log", "random", "learnable"], {"n_frequencies": "many"}),
    (["shifted", "sparse", "fourier", "random", "learnable"], {"stable_rank": -1.0}),
    (["shifted", "sparse", "fourier", "random", "learnable"], {"stable_rank": [2, 3]}),
    (["shifted", "sparse", "random"], {"stable_rank": 3.0, "bandwidth": 0.1}),
    (["shifted", "sparse"], {"basis": "hat"}),
    (["shifted", "sparse"], {"n_shifts": 2.5}),
    (["shifted"], {"stable_rank": 40.0, "n_shifts": 4}),  # warns that it falls short
    (["shifted", "fourier"], {"boundary": "periodic"}),
    (["shifted", "fourier"], {"boundary": "open"}),
    (["shifted"], {"tensor_product": "yes"}),
    (["shifted"], {"n_shifts": 10**12}),  # larger than any memory
    (["sparse"], {"sparse_output": "yes"}),
    (["random"], {"sampling": "grid"}),
    (["log"], {"max_frequency": 0.0}),
    (["fourier"], {"max_frequency": 5.0, "stable_rank": 4.0}),
    (["learnable"], {"mlp": (4,)}),
    (["learnable"], {"groups": [[0, 1]]}),
    (["learnable"], {"n_frequencies": 10**15}),
    (["network with encoder"], {"activation": "step"}),
    (["network with encoder"], {"output_activation": 3}),
    (["network with encoder"], {"hidden_layer_sizes": (8, 0)}),
    (["network with encoder"], {"optimizer": None}),
    (["network with encoder"], {"optimizer": "adam"}),
    (["network with encoder"], {"optimizer__betas": (2.0, 2.0)}),
    (["network with encoder"], {"criterion": None}),
    (["network with encoder"], {"module": None}),
    (["network with encoder"], {"module__sigma": -1.0}),
    (["network with encoder"], {"lr": "fast"}),
    (["network with encoder"], {"lr": 1e300}),  # diverges
    (["network with encoder"], {"lr_schedule": "step"}),
    (["network with encoder"], {"early_stopping": 0}),
    (["network with encoder"], {"checkpoint": 3}),
    (["network with encoder"], {"mixed_precision": "yes"}),
    (["network with encoder"], {"device": "abacus"}),
    (["network with encoder"], {"random_state": "seed"}),
    (["network with encoder"], {"max_epochs": -1}),
    (["network with encoder"], {"batch_size": 0}),
    (["network with encoder"], {"iterator_train": list}),
    (["network with encoder"], {"train_split": 7}),
    (["network with encoder"], {"use_caching": "never"}),
    (["network with encoder"], {"callbacks": [Fails()]}),
    (["network with encoder"], {"callbacks": 3.0}),
    (["network with encoder"], {"encoder": "fourier"}),
    (["network with encoder"], {"encoder": FourierEncoder(stable_rank=-1)}),
    (["network with encoder"], {"encoder": ShiftedBasisEncoder("impulse"), "train_encoder": True}),
    (["network"], {"train_encoder": True}),
    (NETWORKS, {"augmenter": "shift"}),
    (NETWORKS, {"augmenter": PositionAugmenter(global_scale=0.5)}),
    (["augmenter"], {"local_shift": [0.1, 0.1]}),
    (["augmenter"], {"global_shift": -0.1}),
    (["augmenter"], {"center": "mean"}),
    (["augmenter"], {"random_state": "seed"}),
    (RIDGES, {"alpha": -1.0}),
    (RIDGES, {"alpha": "small"}),
    (RIDGES, {"penalty": "height"}),
    (RIDGES, {"penalty": 9.0}),
    (RIDGES, {"penalty": "slope", "encoder": FourierEncoder(stable_rank=3)}),
    (RIDGES, {"penalty": "adaptive", "encoder": FourierEncoder(stable_rank=3)}),
    ([*RIDGES, "cv", "cv with folds"], {"tol": 0.0}),
    ([*RIDGES, "cv", "cv with folds"], {"max_iter": 0}),
    ([*RIDGES, "cv", "cv with folds"], {"nan_is_hole": "yes"}),
    (RIDGES, {"encoder": "bspline"}),
    (RIDGES, {"spacing": 0.5}),  # their encoder has a domain
    ([*RIDGES, "spaced ridge"], {"spacing": 1.5}),
    ([*RIDGES, "spaced ridge"], {"spacing": "log"}),
    ([*RIDGES, "spaced ridge"], {"spacing": [0.0, 0.5]}),  # there is one axis
    (["spaced ridge"], {"spacing": 0.5, "alpha": -1.0}),
    (["spaced ridge"], {"spacing": 0.5, "encoder": clone(PLACED)}),
    (["spacing"], {"strength": -0.1}),
    (["spacing"], {"strength": [0.1, 0.2]}),
    (["spacing"], {"n_knots": 1}),
    (RIDGES, {"encoder": [PLACED, PLACED]}),
    (RIDGES, {"encoder": clone(PLACED).set_params(stable_rank=-1)}),
    (["cv", "cv with folds"], {"alphas": [0.0, 1.0]}),
    (["cv", "cv with folds"], {"alphas": []}),
    (["cv", "cv with folds"], {"penalties": ["height"]}),
    (["cv", "cv with folds"], {"stable_ranks": [-0.5]}),
    (["cv", "cv with folds"], {"encoders": [None]}),
    (["cv", "cv with folds"], {"encoders": [clone(PLACED).set_params(n_shifts=-2)]}),
    (["cv"], {"cv": 1}),
]
REFUSALS = [
    *(Refusal(name, list(ESTIMATORS), X=rows) for name, rows in BAD_ROWS.items()),
    Refusal("units too large", [*ENCODERS, "spacing", "spaced ridge"], X=OTHER_X * 1e307),
    *(Refusal(name, HEADS, y=targets) for name, targets in BAD_TARGETS.items()),
    *(Refusal(str(settings), of, settings) for of, settings in BAD_SETTINGS),
    *(
        Refusal(f"weights: {name}", [*RIDGES, "cv", "cv with folds", *NETWORKS],
                fit_params={"sample_weight": weights})
        for name, weights in {
            "negative": -np.ones(50), "NaN": np.full(50, np.nan), "too few": np.ones(49),
            "all zero": np.zeros(50),
        }.items()
    ),
    *(
        Refusal(f"block: {name}", GROWING, X=rows, y=targets, method="partial_fit")
        for name, rows, targets in (
            ("wider", OTHER_X[:32], None),
            ("NaN", pd.DataFrame(with_entry(MORE, np.nan), columns=NAMES), None),
            ("text", pd.DataFrame(with_entry(MORE, "east"), columns=NAMES), None),
            ("no rows", MORE_X[:0], MORE_Y[:0]),
            ("other outputs", None, np.column_stack([MORE_Y, MORE_Y])),
            ("NaN in y", None, with_entry(MORE_Y, np.nan)),
            ("other names", pd.DataFrame(MORE, columns=["north", "west"]), None),
        )
    ),
    *(
        Refusal(f"block: {settings}", NETWORKS, settings, method="partial_fit")
        for settings in (
            {"lr": "fast"}, {"batch_size": 0}, {"max_epochs": "few"}, {"train_split": 7},
            {"iterator_train": list},
            {"train_encoder": "yes"},
        )
    ),
    Refusal("block: spacing", ["ridge", "smooth ridge"], {"spacing": 0.5}, method="partial_fit"),
    Refusal("block: negative alpha", ["ridge", "smooth ridge"], {"alpha": -1.0},
            method="partial_fit"),
]  # fmt: skip


def cases(first=False):
    for refusal in REFUSALS:
        if first and refusal.name in ("block: wider", "block: other outputs", "block: other names"):
            continue  # there is nothing before that it would differ from
        for name in refusal.of:
            yield pytest.param(refusal, name, id=f"{name}-{refusal.name}")


def fitted_on(name, method="fit"):
    """A fitted estimator that has seen names of columns."""
    return copy.deepcopy(once_fitted(name, method))


@cache
def once_fitted(name, method):
    estimator = clone(ESTIMATORS[name])
    frame = pd.DataFrame(X, columns=NAMES)
    return estimator.fit(frame) if name in ENCODERS else getattr(estimator, method)(frame, y)


@cache
def told_of(name, method="fit"):
    return told(fitted_on(name, method))


@cache
def told_of_grown(name, method="fit"):
    """What is told after a block more."""
    return told(fitted_on(name, method).partial_fit(MORE_X, MORE_Y))


def plain(value):
    """A value as what joblib hashes by its contents alone."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, torch.nn.Module | torch.optim.Optimizer):
        return type(value).__name__, plain(value.state_dict())
    if isinstance(value, torch.Generator):
        return value.get_state().numpy()
    if isinstance(value, np.ma.MaskedArray):
        return [repr(each) for each in value.tolist()]
    if isinstance(value, Callback):
        return type(value).__name__
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if key != "dur"}  # seconds
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def told(estimator):
    """All that an estimator tells: attributes, parameters, and what it makes of rows."""
    rows = pd.DataFrame(Z, columns=NAMES)
    method = "transform" if hasattr(estimator, "transform") else "predict"
    made = getattr(estimator, method)(rows)  # first: some solve when they are asked
    state = {k: plain(v) for k, v in vars(estimator).items()}
    if not isinstance(estimator, CoordinateMLPRegressor):
        # caches may fill
        state = {k: v for k, v in state.items() if not k.startswith("_") or k.endswith("__")}
    state["made"] = made.toarray() if hasattr(made, "toarray") else made
    if hasattr(estimator, "encoder_"):
        state["encoder_"] = np.asarray(estimator.encoder_.transform(rows))
    return {name: joblib.hash(value) for name, value in state.items()}


def assert_unfitted(estimator, before):
    left = {name for name in vars(estimator) if name.endswith("_")}
    assert left <= before
    assert not hasattr(estimator, "n_features_in_")
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)


def with_parameters_of(estimator, other):
    for name, value in other.get_params(deep=False).items():
        setattr(estimator, name, value)
    return estimator


def without(estimator, names):
    """An estimator less settings that the table has added to it."""
    for name in names:
        if "__" in name:
            estimator.__dict__.pop(name, None)


@pytest.mark.parametrize(("refusal", "name"), list(cases()))
def test_a_refused_fit_leaves_a_fitted_estimator_as_it_was(refusal, name):
    estimator = fitted_on(name, refusal.method)
    refusal.provoke(estimator)
    without(estimator, refusal.settings)
    assert told(with_parameters_of(estimator, ESTIMATORS[name])) == told_of(name, refusal.method)
    if name in NETWORKS or refusal.method == "partial_fit":
        grown = told(estimator.partial_fit(MORE_X, MORE_Y))
        assert grown == told_of_grown(name, refusal.method)


@pytest.mark.parametrize(("refusal", "name"), list(cases(first=True)))
def test_a_refused_first_fit_leaves_nothing(refusal, name):
    estimator = clone(ESTIMATORS[name])
    before = set(vars(estimator)) | refusal.settings.keys()
    refusal.provoke(estimator)
    assert_unfitted(estimator, before)


@pytest.mark.parametrize(
    "name", [n for n in ESTIMATORS if n not in ("network", "spacing", "augmenter")]
)
def test_no_memory(name, monkeypatch):
    estimator = fitted_on(name)
    with monkeypatch.context() as patch:
        patch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=16))
        if name in ENCODERS and name not in ("random", "learnable"):
            with pytest.raises(ValueError, match="memory"):
                estimator.transform(pd.DataFrame(Z, columns=NAMES))
        else:
            with pytest.raises(ValueError, match="memory"):
                estimator.fit(OTHER_X, OTHER_Y)
    assert told(estimator) == told_of(name)


@pytest.mark.usefixtures("iterating")
@pytest.mark.parametrize("name", ["ridge", "smooth ridge"])
@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"max_iter": 1, "tol": 1e-9}], ids=str)
def test_conjugate_gradients_that_do_not_end(name, settings):
    for estimator in (fitted_on(name), clone(ESTIMATORS[name])):
        is_fitted = hasattr(estimator, "n_features_in_")
        before = told(estimator) if is_fitted else set(vars(estimator))
        refusal = Refusal("iterated", [name], settings, X=1 + 2 * X, y=y**2)
        refusal.provoke(estimator)
        if is_fitted:
            assert told(with_parameters_of(estimator, ESTIMATORS[name])) == before
        else:
            assert_unfitted(estimator, before)


def test_a_refused_merge():
    estimator, other = fitted_on("ridge", "partial_fit"), fitted_on("ridge", "partial_fit")
    before, of_other = told(estimator), told(other)
    unlike = KroneckerRidge(clone(PLACED).set_params(n_shifts=9)).partial_fit(X, y)
    for others in ([unlike], [other, unlike], [other, fitted_on("ridge")], [estimator]):
        with pytest.raises(ValueError, match="merge needs"):
            estimator.merge(*others)
        assert told(estimator) == before
        assert told(other) == of_other


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("damage", ["cut", "empty", "of another network", "other keys"])
def test_a_damaged_checkpoint(name, damage, tmp_path):
    clone(ESTIMATORS[name]).set_params(checkpoint=tmp_path).fit(OTHER_X, OTHER_Y)
    (file,) = tmp_path.iterdir()
    if damage in ("cut", "empty"):
        file.write_bytes(file.read_bytes()[: 700 if damage == "cut" else 0])
    else:
        state = _checkpoint._read(file)
        if damage == "other keys":
            del state["generator"]
        else:
            state["optimizer"]["param_groups"].append({"params": [9]})
        _checkpoint._write(state, file)
    estimator = fitted_on(name)
    unfitted = clone(ESTIMATORS[name])
    keys = set(vars(unfitted))
    for each in (estimator, unfitted):
        each.checkpoint = tmp_path
        message = "is damaged: delete it to start again|is no checkpoint of this fit"
        with pytest.raises(ValueError, match=message):
            each.fit(OTHER_X, OTHER_Y)
        each.checkpoint = None
    assert list(tmp_path.iterdir()) == [file]
    assert_unfitted(unfitted, keys)
    assert told(estimator) == told_of(name)
    assert told(estimator.partial_fit(MORE_X, MORE_Y)) == told_of_grown(name)


@pytest.mark.parametrize("name", NETWORKS)
def test_training_that_diverges_or_breaks_leaves_the_weights(name):
    for optimizer in (torch.optim.Adam, torch.optim.RMSprop):
        estimator = clone(ESTIMATORS[name]).set_params(optimizer=optimizer)
        estimator.fit(pd.DataFrame(X, columns=NAMES), y)
        before, twin = told(estimator), copy.deepcopy(estimator)
        with pytest.raises(FloatingPointError, match="diverged"):
            estimator.partial_fit(MORE_X, 1e200 * MORE_Y)
        estimator.callbacks_.append(("fails", Fails()))
        with pytest.raises(RuntimeError, match="a callback that fails"):
            estimator.partial_fit(MORE_X, MORE_Y)
        estimator.callbacks_.pop()
        assert told(estimator) == before
        grown = [each.partial_fit(MORE_X, MORE_Y) for each in (estimator, twin)]
        assert told(grown[0]) == told(grown[1])


def test_a_criterion_that_is_trained_too():
    class Scaled(torch.nn.MSELoss):
        def __init__(self):
            super().__init__()
            self.log_scale = torch.nn.Parameter(torch.tensor(0.0))

        def forward(self, output, target):
            return super().forward(output, target) * self.log_scale.exp()

    estimator = clone(ESTIMATORS["network"]).set_params(criterion=Scaled())
    estimator.fit(pd.DataFrame(X, columns=NAMES), y)
    assert estimator.criterion_.log_scale != 0
    before = told(estimator)
    with pytest.raises(RuntimeError, match="a callback that fails"):
        estimator.set_params(callbacks=[Fails()]).fit(OTHER_X, OTHER_Y)
    assert told(estimator.set_params(callbacks=None)) == before


@pytest.mark.parametrize(
    "parameters",
    [
        {"module__sigma": -1.0},
        {"lr": 0.5, "module__sigma": -1.0},
        {"optimizer__weight_decay": 0.5, "optimizer__betas": (2.0, 2.0)},
        {"optimizer__nesterov": True},
        {"optimizer__param_groups__7__lr": 0.5},
        {"optimizer": None},
        {"criterion__reduction": "sum", "criterion__power": 3},
        {"iterator_train_batch_size": 3},
        {"callbacks__print_log__sink": print, "callbacks__mine__patience": 3},
        {"hidden_layer_sizes": (2,), "wings": 2},
        {"encoder__stable_rank": 2, "encoder__wings": 2},
        {"wings__span": 2},
        {"max_epochs": 7, "callbacks": 3.0},
    ],
    ids=str,
)
def test_refused_parameters_of_a_fitted_network(parameters):
    name = "network with encoder"
    estimator = fitted_on(name)
    with pytest.raises((ValueError, TypeError)):
        estimator.set_params(**parameters)
    assert told(estimator) == told_of(name)
    assert told(estimator.partial_fit(MORE_X, MORE_Y)) == told_of_grown(name)
    frame = pd.DataFrame(X, columns=NAMES)
    assert told(estimator.fit(frame, y)) == told_of(name)


def test_a_file_of_parameters_that_does_not_fit(tmp_path):
    estimator, other = fitted_on("network"), fitted_on("network").partial_fit(MORE_X, MORE_Y)
    other.save_params(f_params=tmp_path / "weights.pt")
    (tmp_path / "moments.pt").write_bytes(b"not a state")
    before = told(estimator)
    with pytest.raises(pickle.UnpicklingError):
        estimator.load_params(f_params=tmp_path / "weights.pt", f_optimizer=tmp_path / "moments.pt")
    assert told(estimator) == before


# --- Ctrl-C


class CtrlC:
    """Raises KeyboardInterrupt as the k-th call of a function of the package begins."""

    folder = str(Path(sk_posenc.__file__).parent)

    def __init__(self, at=None):
        self.at, self.calls = at, 0

    def __call__(self, frame, event, argument):
        code = frame.f_code
        if code.co_flags & inspect.CO_GENERATOR:
            return  # Python drops what is raised while it closes one
        if event == "call" and code.co_filename.startswith(self.folder):
            self.calls += 1
            if self.calls == self.at:
                raise KeyboardInterrupt

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *error):
        sys.settrace(self.before)


def moments(fit, *data, n=8, seed=0):
    """Calls at which to interrupt: the first, the last, and some between."""
    with CtrlC() as counting:
        fit(*data)
    middle = np.random.default_rng(seed).integers(2, counting.calls, size=n)
    return [1, *sorted(set(middle.tolist())), counting.calls]


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_an_interrupted_refit_leaves_the_fit_before(name):
    estimator = fitted_on(name)
    for at in moments(fitted_on(name).fit, OTHER_X, OTHER_Y):
        with pytest.raises(KeyboardInterrupt), CtrlC(at):
            estimator.fit(OTHER_X, OTHER_Y)
        assert told(estimator) == told_of(name), at
    if name in GROWING:
        assert told(estimator.partial_fit(MORE_X, MORE_Y)) == told_of_grown(name)


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n not in NETWORKS])
def test_an_interrupted_first_fit_leaves_nothing(name):
    estimator = clone(ESTIMATORS[name])
    before = set(vars(estimator))
    for at in moments(clone(estimator).fit, OTHER_X, OTHER_Y, n=4):
        with pytest.raises(KeyboardInterrupt), CtrlC(at):
            estimator.fit(OTHER_X, OTHER_Y)
        assert_unfitted(estimator, before)


@pytest.mark.parametrize("name", ["ridge", "smooth ridge"])
def test_an_interrupted_block_is_not_counted(name):
    estimator = fitted_on(name, "partial_fit")
    for at in moments(fitted_on(name, "partial_fit").partial_fit, MORE_X, MORE_Y):
        with pytest.raises(KeyboardInterrupt), CtrlC(at):
            estimator.partial_fit(MORE_X, MORE_Y)
        assert told(estimator) == told_of(name, "partial_fit"), at
    grown = told(estimator.partial_fit(MORE_X, MORE_Y))
    assert grown == told_of_grown(name, "partial_fit")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("how", ["first", "partial_fit", "warm_start"])
def test_an_interrupted_network_is_trained_so_far(name, how):
    """Nothing earlier is lost there; before a batch has been trained all is as it was."""

    method = "partial_fit" if how == "partial_fit" else "fit"
    settings = {"batch_size": 16, "warm_start": how == "warm_start"}
    start = clone(ESTIMATORS[name]).set_params(**settings)
    before = set(vars(start))
    if how != "first":
        start.fit(X, y)
        before = told_of_arrays(start)
    kept = 0
    for at in moments(getattr(copy.deepcopy(start), method), X, y, n=14):
        net = copy.deepcopy(start)
        with pytest.raises(KeyboardInterrupt), CtrlC(at):
            getattr(net, method)(X, y)
        if how == "first" and not hasattr(net, "n_features_in_"):
            assert_unfitted(net, before)
            continue
        assert np.isfinite(net.predict(X)).all()
        if how == "first" or told_of_arrays(net) != before:
            kept += 1
        keys = {frozenset(row) for row in net.history_}
        assert len(keys) <= 1, "an epoch that did not end is no epoch"
        n_epochs = len(net.history_)
        again = pickle.loads(pickle.dumps(net)).partial_fit(X, y)
        assert len(again.history_) > n_epochs
        assert np.isfinite(again.predict(X)).all()
    assert kept > 2


def told_of_arrays(net):
    state = {k: plain(getattr(net, k)) for k in ("module_", "optimizer_", "history_")}
    return joblib.hash(state | {"generator": plain(net._generator)})
