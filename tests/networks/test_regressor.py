import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import skorch
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler
from skorch.dataset import Dataset, ValidSplit
from torch.utils.data import DataLoader, Subset

from sk_posenc import (
    CoordinateMLP,
    CoordinateMLPRegressor,
    EncoderModule,
    FourierEncoder,
    PoorFitWarning,
    ShiftedBasisEncoder,
)
from sk_posenc.networks.batches import TensorBatches

small = partial(
    CoordinateMLPRegressor,
    hidden_layer_sizes=(32,),
    lr=1e-2,
    lr_schedule="constant",
    max_epochs=30,
    random_state=0,
)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200, 2)).astype(np.float32)
    a, b = X.T.astype(np.float64)
    y = np.column_stack([np.sin(3 * a) + b, a * b, a - 5])
    X.flags.writeable = y.flags.writeable = False
    return X, y


# --- scikit-learn and skorch


@parametrize_with_checks([small(max_epochs=60)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_is_a_skorch_regressor_and_clones():
    model = small(module__omega_0=3.0, optimizer__betas=(0.8, 0.9), criterion=torch.nn.L1Loss)
    assert isinstance(model, skorch.NeuralNetRegressor)
    twin = clone(model)
    assert twin.get_params(deep=False) == model.get_params(deep=False)
    assert not hasattr(model, "predict_proba")
    shown = CoordinateMLPRegressor(ShiftedBasisEncoder(), lr=0.1, module__sigma=2.0)
    assert repr(shown) == (
        "CoordinateMLPRegressor(encoder=ShiftedBasisEncoder(), lr=0.1, module__sigma=2.0)"
    )
    assert "CoordinateMLPRegressor" in model._repr_html_()


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("module__sigma", 0.25, lambda m: m.module_.activations[0].sigma),
        ("module__omega_0", 3.0, lambda m: m.module_.output_activation.omega_0),
        ("optimizer__betas", (0.5, 0.6), lambda m: m.optimizer_.param_groups[0]["betas"]),
        ("optimizer__weight_decay", 0.1, lambda m: m.optimizer_.param_groups[0]["weight_decay"]),
        ("criterion__reduction", "sum", lambda m: m.criterion_.reduction),
        ("callbacks__print_log__keys_ignored", ["dur"], lambda m: m.callbacks_[-1][1].keys_ignored),
    ],
)
def test_parameters_of_the_parts_arrive(data, name, value, read):
    X, y = data[0], np.tanh(data[1])
    model = small(activation="gaussian", output_activation="sine", max_epochs=1)
    model.set_params(**{name: value})
    assert model.get_params(deep=False)[name] == value
    assert read(clone(model).fit(X, y)) == value
    assert read(model.fit(X, y).set_params(**{name: value}).fit(X, y)) == value


def batches_of(model, training=True):
    return model.get_iterator(Dataset(torch.ones(9, 2), torch.ones(9)), training=training)


SET_LATER = [
    ("optimizer__betas", (0.5, 0.6), lambda m: m.optimizer_.param_groups[0]["betas"]),
    ("optimizer__weight_decay", 0.1, lambda m: m.optimizer_.param_groups[0]["weight_decay"]),
    ("optimizer__lr", 0.3, lambda m: m.optimizer_.param_groups[0]["lr"]),
    ("optimizer__param_groups__0__lr", 0.4, lambda m: m.optimizer_.param_groups[0]["lr"]),
    ("lr", 0.2, lambda m: m.optimizer_.param_groups[0]["lr"]),
    ("optimizer", torch.optim.SGD, lambda m: type(m.optimizer_)),
    ("module__sigma", 0.25, lambda m: m.module_.activations[0].sigma),
    ("criterion", torch.nn.L1Loss, lambda m: type(m.criterion_)),
    ("criterion__reduction", "sum", lambda m: m.criterion_.reduction),
    ("iterator_train__batch_size", 150, lambda m: m.history[-1, "batches", 0, "train_batch_size"]),
    ("iterator_train", DataLoader, lambda m: type(batches_of(m))),
    (
        "iterator_valid__batch_size",
        7,
        lambda m: m.get_iterator(Dataset(torch.ones(9, 2))).batch_size,
    ),
    ("callbacks__print_log__keys_ignored", ["dur"], lambda m: m.callbacks_[-1][1].keys_ignored),
    ("callbacks__train_loss__name", "error", lambda m: m.callbacks_[2][1].name),
]


@pytest.mark.parametrize(("name", "value", "read"), SET_LATER, ids=[each[0] for each in SET_LATER])
def test_what_is_set_on_a_fitted_network_stays_set(data, name, value, read):
    model = small(activation="gaussian", max_epochs=1).fit(*data)
    assert read(model) != value
    model.set_params(**{name: value})
    assert model.get_params(deep=False)[name] == value
    assert read(clone(model).fit(*data)) == value
    assert read(pickle.loads(pickle.dumps(model)).partial_fit(*data)) == value  # and at once
    assert read(model.fit(*data)) == value
    assert read(model.fit(*data)) == value


def test_parameters_of_groups_stay_set(data):
    groups = [("linears.0.*", {"lr": 0.5})]
    model = small(max_epochs=1).fit(*data).set_params(optimizer__param_groups=groups)
    for net in (model, clone(model).fit(*data)):
        assert [group["lr"] for group in net.optimizer_.param_groups] == [0.5, 1e-2]
    with pytest.raises(ValueError, match="the groups are 0 to 1"):
        model.set_params(optimizer__param_groups__2__lr=0.1)


def test_an_optimiser_at_work_keeps_what_it_has_learnt(data):
    model = small(max_epochs=1).fit(*data)
    optimizer = model.optimizer_
    moments = [each["exp_avg"].clone() for each in optimizer.state.values()]
    model.set_params(optimizer__betas=(0.5, 0.6), lr=0.3)
    assert model.optimizer_ is optimizer
    for before, now in zip(moments, optimizer.state.values(), strict=True):
        assert torch.equal(before, now["exp_avg"])
    assert optimizer.param_groups[0]["lr"] == 0.3


def test_a_learning_rate_set_later_is_where_a_schedule_starts(data):
    model = small(max_epochs=1, lr_schedule="cosine").fit(*data).set_params(lr=0.3)
    seen = []

    class Rates(Callback):
        def on_batch_begin(self, net, **kwargs):
            seen.append(net.optimizer_.param_groups[0]["lr"])

    model.callbacks_.append(("rates", Rates()))
    model.partial_fit(*data)
    assert seen[0] == pytest.approx(0.3)


def test_decay_that_is_set_later_spares_what_places_an_encoding(data):
    encoder = ShiftedBasisEncoder(stable_rank=4)
    model = small(encoder, train_encoder=True, max_epochs=1).fit(*data)
    for net in (model.set_params(optimizer__weight_decay=0.1), model.fit(*data)):
        assert [group["weight_decay"] for group in net.optimizer_.param_groups] == [0.1, 0.0]


def test_callbacks_that_are_set_later_are_called(data):
    seen = []

    class Spy(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(len(net.history))

    model = small(max_epochs=1).fit(*data).set_params(callbacks=[Spy()])
    model.partial_fit(*data).fit(*data)
    assert seen == [2, 1]


def test_iterator_parameters_arrive(data):
    seen = []

    class Spy(Callback):
        def on_batch_end(self, net, batch=None, **kwargs):
            seen.append(batch[0].cpu().numpy().copy())

    small(
        max_epochs=2, iterator_train__batch_size=150, iterator_train__shuffle=False,
        callbacks=[Spy()],
    ).fit(*data)  # fmt: skip
    assert [len(batch) for batch in seen] == [150, 50, 150, 50]
    np.testing.assert_array_equal(np.concatenate(seen[:2]), data[0])


def test_grid_search_over_the_parts(data):
    X, y = data
    grid = {
        "module__omega_0": [3.0, 30.0],
        "optimizer__eps": [1e-8, 1e-6],
        "callbacks__train_loss__lower_is_better": [True],
        "hidden_layer_sizes": [16, (8, 8)],
    }
    search = GridSearchCV(
        small(activation="sine", max_epochs=3), grid, cv=2, n_jobs=2, error_score="raise"
    ).fit(X, y[:, 0])
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0
    assert search.best_estimator_.predict(X).shape == (200,)


def test_cross_val_predict_in_a_pipeline(data):
    X, y = data
    pipe = make_pipeline(FunctionTransformer(np.sin), small())
    predicted = cross_val_predict(pipe, X, y, cv=3)
    assert predicted.shape == y.shape
    assert ((predicted - y) ** 2).mean() < 0.1 * y.var(0).mean()


@pytest.mark.parametrize("caching", [True, False])
def test_scoring_callbacks_see_the_units_of_y(data, caching):
    X, y = data
    y = 1000 + 50 * y[:, 0]
    scoring = EpochScoring(
        "neg_mean_absolute_error", name="mae", on_train=True, use_caching=caching
    )
    # a learning rate of 0 keeps the cached predictions those of the final network
    model = small(callbacks=[scoring], lr=0.0, max_epochs=2).fit(X, y)
    assert model.history_[-1, "mae"] == pytest.approx(
        -np.abs(y - model.predict(X)).mean(), rel=1e-5
    )


def test_callbacks_stop_and_schedule(data):
    X, y = data
    stopping = EarlyStopping(monitor="train_loss", patience=2, threshold=1e9)
    model = small(callbacks=[stopping]).fit(X, y)
    assert len(model.history_) < 30
    decay = LRScheduler(policy=torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)
    model = small(callbacks=[decay], max_epochs=3).fit(X, y)
    assert model.optimizer_.param_groups[0]["lr"] == pytest.approx(1e-2 / 8)


def test_bad_callbacks_are_reported_by_fit(data):
    with pytest.raises(TypeError, match=r"callbacks must be a list.*Got 3.0"):
        small().set_params(callbacks=3.0).fit(*data)


def test_rows_are_set_aside_only_on_request(data):
    X, y = data
    model = small(max_epochs=2).fit(X, y)
    assert "valid_loss" not in model.history_[-1]
    model = small(max_epochs=2, train_split=ValidSplit(4)).fit(X, y)
    assert model.history_[-1]["train_loss"] > 0
    train, valid = ValidSplit(4)(Dataset(X, y), y)
    # standardisation and loss by hand
    mean, std = y[train.indices].mean(0), y[train.indices].std(0)
    expected = (((model.predict(X) - y)[valid.indices] / std) ** 2).mean()
    assert model.history_[-1]["valid_loss"] == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(model.module_.target_shift.cpu(), mean)


def test_data_loaders_still_serve(data):
    X, y = data
    state = torch.get_rng_state()
    loaders = {"iterator_train": DataLoader, "iterator_valid": DataLoader}
    model = small(max_epochs=8, batch_size=64, **loaders).fit(X, y)
    # the same generator gives the same order, though not necessarily the same draws
    np.testing.assert_array_equal(
        model.predict(X), small(max_epochs=8, batch_size=64, **loaders).fit(X, y).predict(X)
    )
    assert torch.equal(state, torch.get_rng_state())
    assert model.score(X, y) > 0.3


def test_partial_fit_continues(data):
    X, y = data
    whole = small(max_epochs=6).fit(X, y)
    parts = small(max_epochs=3).partial_fit(X, y)
    scale = parts.module_.input_scale.clone()
    middle = pickle.loads(pickle.dumps(parts))
    parts.partial_fit(X, y)
    np.testing.assert_array_equal(parts.predict(X), whole.predict(X))
    np.testing.assert_array_equal(middle.partial_fit(X, y).predict(X), whole.predict(X))
    parts.partial_fit(10 * X, 10 * y)
    assert torch.equal(parts.module_.input_scale, scale)
    assert len(parts.history_) == 9
    with pytest.raises(ValueError, match=r"y must be of shape \(n_samples, 3\)"):
        parts.partial_fit(X, y[:, 0])


def test_warm_start_continues_and_a_cold_one_does_not(data):
    X, y = data
    warm = small(max_epochs=3, warm_start=True).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(warm.predict(X), small(max_epochs=6).fit(X, y).predict(X))
    cold = small(max_epochs=3).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(cold.predict(X), small(max_epochs=3).fit(X, y).predict(X))


def test_save_and_load_parameters(data, tmp_path):
    X, y = data
    model = small().fit(X, y)
    model.save_params(
        f_params=tmp_path / "w.pt", f_optimizer=tmp_path / "o.pt", f_history=tmp_path / "h.json"
    )
    loaded = small(module__in_features=2, module__out_features=3).initialize()
    loaded.load_params(
        f_params=tmp_path / "w.pt", f_optimizer=tmp_path / "o.pt", f_history=tmp_path / "h.json"
    )
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="call fit or partial_fit, or set module__in_features"):
        small().initialize()


# --- the network


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sine", "gaussian", "sigmoid"])
@pytest.mark.parametrize("sizes", [(), 16, (16,), [16, 8], np.array([8, 8, 8])])
def test_forward_is_the_formula(activation, sizes):
    gen = torch.Generator().manual_seed(0)
    net = CoordinateMLP(
        3, 2, hidden_layer_sizes=sizes, activation=activation, output_activation="tanh",
        omega_0=4.0, sigma=0.7, generator=gen,
    )  # fmt: skip
    shift, scale = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.1, 2.0, 1.0])
    net.set_scaling(shift, scale, torch.zeros(2), torch.ones(2))
    phi = {
        "relu": lambda z: np.maximum(z, 0),
        "tanh": np.tanh,
        "gelu": lambda z: torch.nn.functional.gelu(torch.from_numpy(z)).numpy(),
        "sine": lambda z: np.sin(4 * z),
        "gaussian": lambda z: np.exp(-(z**2) / (2 * 0.7**2)),
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    }[activation]
    x = torch.randn(7, 3, generator=gen)
    h = ((x - shift) * scale).double().numpy()
    layers = [tuple(p.detach().double().numpy() for p in m.parameters()) for m in net.linears]
    for i, (W, b) in enumerate(layers):
        h = (phi(h) if i else h) @ W.T + b
    assert len(layers) == np.size(sizes) + 1
    np.testing.assert_allclose(net(x).detach(), np.tanh(h), atol=2e-5)


def test_siren_initialisation():
    net = CoordinateMLP(
        50, 1, hidden_layer_sizes=(200, 200), activation="sine", omega_0=20.0,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    for layer, bound in zip(
        net.linears, [1 / 50, np.sqrt(6 / 200) / 20, np.sqrt(6 / 200) / 20], strict=True
    ):
        weight = layer.weight.detach().numpy()
        assert np.abs(weight).max() <= bound
        assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)


def test_default_initialisation_follows_pytorch():
    layer = CoordinateMLP(100, 1, hidden_layer_sizes=300).linears[0]
    other = torch.nn.Linear(100, 300)
    for ours, theirs in zip(layer.parameters(), other.parameters(), strict=True):
        assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.15)
        assert ours.abs().max() <= 0.1


@pytest.mark.parametrize("sizes", [0, -3, (8, 0), (8, 2.5), "64", "relu", True, (8, True), None])
def test_bad_layer_sizes(data, sizes):
    out_of_range = sizes in (0, -3) or sizes == (8, 0)
    error = ValueError if out_of_range else TypeError
    with pytest.raises(error, match=r"^hidden_layer_sizes(\[1\])? must be .*Got"):
        small(hidden_layer_sizes=sizes).fit(*data)


@pytest.mark.parametrize("name", ["activation", "output_activation"])
@pytest.mark.parametrize("value", ["rleu", 3, ["relu"]])
def test_unknown_activations(data, name, value):
    possible = rf"^{name} must be one of \['gaussian', 'gelu', 'relu'"
    with pytest.raises((ValueError, TypeError), match=possible):
        small(**{name: value}).fit(*data)


@pytest.mark.parametrize("name", ["omega_0", "sigma"])
@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "3", True])
def test_bad_module_parameters(name, value):
    error = TypeError if value in ("3", True) else ValueError
    with pytest.raises(error, match=f"^{name} must be .*Got"):
        CoordinateMLP(2, **{name: value})


@pytest.mark.parametrize("name", ["in_features", "out_features"])
@pytest.mark.parametrize("value", [0, 2.5, "2", True])
def test_bad_widths_of_the_module(name, value):
    with pytest.raises((ValueError, TypeError), match=f"{name} must be"):
        CoordinateMLP(**{"in_features": 2, name: value})


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.zeros(4, 3), ValueError, r"x must have 2 columns, .* Got shape \(4, 3\)"),
        (torch.zeros(4), ValueError, r"x must have 2 columns, .* Got shape \(4,\)"),
        (torch.tensor(0.0), ValueError, r"x must have 2 columns, .* Got shape \(\)"),
        (torch.zeros(4, 2, dtype=torch.int32), TypeError, r"x\.float\(\)\. Got torch\.int32"),
        (torch.zeros(4, 2).double(), TypeError, r"x must be torch\.float32.*Got torch\.float64"),
        (np.zeros((4, 2)), TypeError, r"torch\.as_tensor\(x\)\. Got ndarray"),
    ],
    ids=["3 columns", "1-d", "0-d", "integers", "double", "array"],
)
def test_other_inputs_of_the_module(x, error, message):
    with pytest.raises(error, match=message):
        CoordinateMLP(2, hidden_layer_sizes=(4,))(x)


def test_a_network_of_doubles_wants_doubles():
    net = CoordinateMLP(2, hidden_layer_sizes=(4,)).double()
    assert net(torch.zeros(3, 2).double()).shape == (3, 1)
    with pytest.raises(TypeError, match=r"x must be torch\.float64.*Got torch\.float32"):
        net(torch.zeros(3, 2))


def test_encoders_that_do_not_fit_the_module():
    X = np.random.default_rng(0).uniform(size=(9, 2))
    encoder = ShiftedBasisEncoder(stable_rank=4).fit(X)
    with pytest.raises(TypeError, match=r"such as EncoderModule\(encoder\)"):
        CoordinateMLP(2, encoder=encoder)
    module = EncoderModule(encoder)
    with pytest.raises(ValueError, match=rf"in_features must be {module.n_features}.*Got 3"):
        CoordinateMLP(3, encoder=module)
    with pytest.raises(ValueError, match=r"the encoding of x must have 3 columns.*\(5, 2\)"):
        CoordinateMLP(3, encoder=torch.nn.Identity())(torch.zeros(5, 2))
    in_double = CoordinateMLP(module.n_features, encoder=module)
    with pytest.raises(TypeError, match="give the EncoderModule that dtype"):
        in_double(torch.as_tensor(X))


@pytest.mark.parametrize("name", ["input_shift", "input_scale", "target_shift", "target_scale"])
def test_scaling_of_other_shapes_is_refused_as_a_whole(name):
    net = CoordinateMLP(2, 3)
    shapes = {"input_shift": 2, "input_scale": 2, "target_shift": 3, "target_scale": 3}
    scaling = {key: torch.full((n,), 7.0) for key, n in shapes.items()}
    with pytest.raises(ValueError, match=rf"{name} must have shape \({shapes[name]},\).*\(1,\)"):
        net.set_scaling(**scaling | {name: torch.ones(1)})
    assert not net.is_scaled
    assert not any((getattr(net, key) == 7.0).any() for key in shapes)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"batch_size": 0}, ValueError),
        ({"batch_size": -2}, ValueError),
        ({"batch_size": "all"}, ValueError),
        ({"batch_size": -1.0}, TypeError),
        ({"max_epochs": "many"}, ValueError),
        ({"max_epochs": -1}, ValueError),
        ({"max_epochs": 2.0}, TypeError),
        ({"device": "gpu"}, ValueError),
        ({"device": 3}, TypeError),
    ],
)
def test_bad_parameters(data, parameters, error):
    ((name, value),) = parameters.items()
    with pytest.raises(error, match=rf"^{name} must be .*Got {value!r}\."):
        small(**parameters).fit(*data)


def test_parameters_of_no_part(data):
    with pytest.raises(ValueError, match="unexpected argument"):
        small(hidden_sizes=3).fit(*data)


# --- what it learns


def test_without_hidden_layers_it_is_least_squares(data):
    X, y = data
    A = np.column_stack([X, np.ones(len(X))])
    expected = A @ np.linalg.lstsq(A, y, rcond=None)[0]
    model = small(hidden_layer_sizes=(), max_epochs=600, lr=0.02, batch_size=-1).fit(X, y)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-4)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sine", "gaussian"])
def test_activations_fit_a_wave(activation):
    X = np.linspace(0, 1, 300)[:, None]
    y = np.sin(2 * np.pi * 3 * X[:, 0])
    model = CoordinateMLPRegressor(
        hidden_layer_sizes=(64, 64), activation=activation, random_state=0, lr=3e-3,
        lr_schedule="constant", max_epochs=200, module__omega_0=5.0,
    )  # fmt: skip
    assert model.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.95


@pytest.mark.parametrize("n", [100, 1000])
def test_defaults_fit_small_data(n):
    X = np.random.default_rng(0).uniform(size=(n + 500, 2))
    y = np.sin(5 * X[:, 0]) * np.cos(4 * X[:, 1])
    model = CoordinateMLPRegressor(hidden_layer_sizes=(128, 128), random_state=0)
    assert model.fit(X[:n], y[:n]).score(X[n:], y[n:]) > 0.98


@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0.0), (7.0, 500.0), (1e4, -1e5)])
def test_affine_changes_of_targets_and_coordinates_carry_over(data, scale, offset):
    X, y = data
    base = small().fit(X, y).predict(X)
    np.testing.assert_allclose(
        (small().fit(X, scale * y + offset).predict(X) - offset) / scale, base, atol=1e-3
    )
    moved = scale * X.astype(float) + offset
    np.testing.assert_allclose(small().fit(moved, y).predict(moved), base, atol=0.15)


def test_input_scaling():
    rng = np.random.default_rng(0)
    X = np.column_stack([
        rng.uniform(0, 511, 4000), rng.uniform(size=4000) / 100 + 3, np.full(4000, 0.1),
        rng.uniform(size=4000) < 0.002, np.zeros(4000),
    ])  # fmt: skip
    model = small(max_epochs=1, device="cpu").fit(X, X[:, 0])
    shift, scale = model.module_.input_shift.numpy(), model.module_.input_scale.numpy()
    varying, origin = [0, 1, 3], model.module_.input_origin.numpy()
    np.testing.assert_allclose(origin, [0, (X[:, 1].min() + X[:, 1].max()) / 2, 0, 0, 0])
    np.testing.assert_allclose(origin + shift, X.mean(0), rtol=1e-6)
    np.testing.assert_array_equal(scale[[2, 4]], 0)
    expected = 1 / X[:, varying].std(axis=0).dot(X[:, varying].std(axis=0) / 3) ** 0.5
    np.testing.assert_allclose(scale[varying], expected, rtol=1e-4)


def test_basis_functions_in_a_gap_are_not_blown_up():
    X = np.linspace(0, 1, 400)[:, None]
    y = np.sin(6 * X[:, 0])
    seen = (X[:, 0] < 0.5) | (X[:, 0] > 0.55)
    encoded = np.exp(-(((X - np.linspace(0, 1, 100)) / 0.01) ** 2) / 2)
    model = small(max_epochs=50).fit(encoded[seen], y[seen])
    assert np.abs(model.predict(encoded)).max() < 3


def test_a_prediction_depends_on_its_row_alone(data):
    X, y = data
    model = small().fit(X, y)
    shifted = np.concatenate([X[:5], 1e3 + X])
    np.testing.assert_allclose(model.predict(shifted)[:5], model.predict(X)[:5], rtol=1e-5)


def test_constant_inputs_are_ignored():
    X = np.full((50, 3), 7.0)
    with pytest.warns(PoorFitWarning, match="no better than a constant"):
        model = small(lr=1e-3, max_epochs=200).fit(X, np.arange(50.0))
    np.testing.assert_allclose(model.predict(X), 24.5, atol=2)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e-300, 1e39, 2459000.123456789, -1e300])
def test_constant_targets_are_predicted_exactly(data, value):
    X = data[0]
    y = np.column_stack([np.full(200, value), X[:, 0]])
    model = small(max_epochs=3).fit(X, y)
    np.testing.assert_array_equal(model.predict(X)[:, 0], value)
    np.testing.assert_array_equal(small(max_epochs=3).fit(X, y[:, 0]).predict(X), value)
    # and the output learns once its targets vary
    later = np.column_stack([5 * X[:, 1] + 30, X[:, 0]])
    model.set_params(max_epochs=40).partial_fit(X, later)
    assert ((model.predict(X) - later) ** 2).mean(0).max() < 0.2


@pytest.mark.parametrize(
    ("size", "level"), [(1.0, 2459000.0), (1e39, 0), (1e200, -3e200), (1e-200, 0)]
)
def test_targets_keep_their_digits_at_any_scale(data, size, level):
    X, y = data
    base = small().fit(X, y[:, 0]).predict(X)
    model = small().fit(X, level + size * y[:, 0])
    for predicted in (model.predict(X), small().fit(X, level + size * y[:, :1]).predict(X)[:, 0]):
        assert predicted.dtype == np.float64
        np.testing.assert_allclose((predicted - level) / size, base, atol=1e-3)


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        ([0.0, 1.5], {"output_activation": "sigmoid"}, "y must lie between 0 and 1.*Got values"),
        ([-2.0, 0.5], {"output_activation": "sine"}, "y must lie between -1 and 1"),
        ([-0.1, 9.0], {"output_activation": "relu"}, "between 0 and inf.*output_activation=None"),
        ([0.0, 1e39], {"output_activation": "relu"}, "y must not be beyond 3.4e\\+38"),
        ([-1e308, 1e308], {}, "y must not be beyond 4.49e\\+307: scale y"),
    ],
)
def test_targets_out_of_reach_are_refused(values, settings, message):
    X = np.linspace(0, 1, 20)[:, None]
    with pytest.raises(ValueError, match=message):
        small(**settings).fit(X, np.resize(values, 20))


@pytest.mark.parametrize("level", [1.7e9, 1.7e12, -2459000.5, 5e15])
def test_raw_coordinates_keep_their_digits(level):
    width = max(3600.0, abs(level) * 1e-9)
    X = level + width * np.linspace(0, 1, 300)[:, None]
    unit = (X - X[0]) / np.ptp(X)
    y = np.sin(7 * unit[:, 0])
    model = small(max_epochs=60).fit(X, y)
    near = small(max_epochs=60).fit(unit, y)
    assert model.score(X, y) > 0.97
    np.testing.assert_allclose(model.predict(X), near.predict(unit), atol=0.05)
    loaded = small(module__in_features=1).initialize()
    loaded.module_.load_state_dict(model.module_.state_dict())
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_whole_numbers_are_coordinates_too():
    X = (1_700_000_000_000 + 1000 * np.arange(300))[:, None]
    y = np.sin(np.arange(300) / 50)
    assert small(max_epochs=60).fit(X, y).score(X, y) > 0.97
    ordinary = np.arange(300)[:, None] * [1, 2]
    assert not small(max_epochs=1).fit(ordinary, y).module_.input_origin.any()


def test_coordinates_beyond_float32_are_refused():
    X = np.linspace(0, 1e39, 30)[:, None]
    with pytest.raises(ValueError, match="X must fit into float32"):
        small().fit(X, X[:, 0])


def test_shapes_follow_the_targets(data):
    X, y = data
    for target in (y[:, 0], y[:, :1], y):
        predicted = small(max_epochs=2).fit(X, target).predict(X)
        assert predicted.shape == target.shape
    # one column predicts alike in both shapes: no broadcast of (n,) against (n, 1)
    column = small().fit(X, y[:, :1]).predict(X)
    np.testing.assert_allclose(small().fit(X, y[:, 0]).predict(X), column[:, 0], rtol=1e-5)
    assert ((column[:, 0] - y[:, 0]) ** 2).mean() < 0.05 * y[:, 0].var()


@pytest.mark.parametrize(("name", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1)])
def test_output_activation_bounds_predictions_in_the_units_of_y(data, name, low, high):
    X, y = data
    target = low + (high - low) * (y[:, 0] > 0)
    model = small(output_activation=name).fit(X, target)
    predicted = model.predict(np.concatenate([X, 100 * X]))
    assert predicted.min() >= low
    assert predicted.max() <= high
    assert model.score(X, target) > 0.6


@pytest.mark.parametrize("parameters", [{"lr": 1e30}, {"lr": 1e38, "max_epochs": 1}])
def test_divergence_is_an_error(data, parameters):
    with pytest.raises(FloatingPointError, match="Lower the learning rate"):
        small(batch_size=-1, optimizer=torch.optim.SGD, **parameters).fit(*data).predict(data[0])


def test_torch_tensors_are_taken(data):
    X, y = (torch.tensor(values) for values in data)
    model = small(max_epochs=2).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.predict(X.numpy()))


# --- randomness


def test_random_state_decides_everything(data):
    X, y = data
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    fits = {
        seed: [small(random_state=seed, max_epochs=3).fit(X, y).predict(X) for _ in range(2)]
        for seed in (0, 1, None)
    }
    fits["instance"] = [
        small(random_state=np.random.RandomState(0), max_epochs=3).fit(X, y).predict(X)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(fits[0][0], fits[0][1])
    np.testing.assert_array_equal(fits["instance"][0], fits["instance"][1])
    assert not np.array_equal(fits[0][0], fits[1][0])
    assert not np.array_equal(*fits[None])
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_fits_in_parallel_threads_agree_with_fits_alone(data):
    X, y = data

    def fit(seed):
        return small(random_state=seed, max_epochs=5).fit(X, y).predict(X)

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(fit, range(24)))
    for seed, predicted in enumerate(together):
        np.testing.assert_array_equal(predicted, fit(seed))


# --- batches and memory


def test_tensor_batches():
    X, y = torch.arange(20.0).reshape(10, 2), torch.arange(10.0)
    ordered = list(TensorBatches(Dataset(X, y), batch_size=4))
    assert [len(a) for a, _ in ordered] == [4, 4, 2]
    assert ordered[0][0].data_ptr() == X.data_ptr()
    nested = Subset(Subset(Dataset(X, y), [9, 7, 5, 3]), np.array([2, 0]))
    assert next(iter(TensorBatches(nested, batch_size=4)))[1].tolist() == [5, 9]
    shuffled = TensorBatches(Dataset(X, y), 3, True, torch.Generator().manual_seed(0))
    first, second = (torch.cat([b for _, b in shuffled]).tolist() for _ in range(2))
    assert len(shuffled) == 4
    assert first != second
    assert sorted(first) == sorted(second) == y.tolist()
    for a, b in shuffled:
        assert torch.equal(a[:, 0], 2 * b)
    with pytest.raises(TypeError, match="pass iterator_train"):
        TensorBatches([1, 2, 3])


@pytest.mark.parametrize(
    ("n", "size", "expected"),
    [(100, "auto", 32), (1600, "auto", 100), (80_000, "auto", 512), (90, 7, 7), (90, -1, 90)],
)
def test_batch_size(n, size, expected):
    X = np.zeros((n, 1), dtype=np.float32)
    X[:, 0] = np.arange(n)
    model = small(batch_size=size, hidden_layer_sizes=(), max_epochs=1).fit(X, X[:, 0])
    assert model.history_[0, "batches", 0, "train_batch_size"] == expected


@pytest.mark.parametrize(("n", "expected"), [(100, 160), (1600, 40), (32_768, 20), (70_000, 10)])
def test_auto_epochs(n, expected):
    X = np.arange(n, dtype=np.float32)[:, None]
    model = CoordinateMLPRegressor(hidden_layer_sizes=(), random_state=0).fit(X, X[:, 0])
    assert len(model.history_) == expected


def test_a_prediction_is_the_same_to_the_last_bit_among_any_rows(data, monkeypatch, rng):
    X, y = data
    encoder = FourierEncoder(stable_rank=4)
    sizes = []
    forward = CoordinateMLP.forward
    monkeypatch.setattr(
        CoordinateMLP, "forward", lambda m, x: sizes.append(len(x)) or forward(m, x)
    )
    for given in (None, encoder):
        model = small(given, activation="sine", max_epochs=2, device="cpu").fit(X, y)
        many = np.concatenate([X, rng.uniform(-1, 1, (4000, 2)).astype(np.float32)])
        sizes.clear()
        together = model.predict(many)
        assert len(set(sizes)) == 1
        assert sum(sizes) >= len(many) > sum(sizes) - sizes[0]
        for n_rows in (1, 7, 255, 257, 4097):
            rows = rng.choice(len(many), n_rows, replace=False)
            np.testing.assert_array_equal(model.predict(many[rows]), together[rows])
    sizes.clear()
    model.set_params(iterator_valid__batch_size=50)
    np.testing.assert_allclose(model.predict(many), together, rtol=0, atol=1e-5)
    assert set(sizes) == {50}


def test_inputs_are_not_copied(data):
    seen = []

    class Spy(Callback):
        def on_train_begin(self, net, X=None, y=None, **kwargs):
            seen.append(X)

    X, y = data  # read-only, as joblib's memory maps are
    small(callbacks=[Spy()], max_epochs=1, device="cpu").fit(X, y)
    assert seen[0].data_ptr() == X.ctypes.data


# --- devices


def test_device_auto_stays_auto(data):
    X, y = data
    model = small(max_epochs=2).fit(X, y)
    assert model.device == "auto"
    assert model.device_.type == ("cuda" if torch.cuda.is_available() else "cpu")
    for copy in (deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert copy.device == "auto"
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        copy.fit(X, y)
    explicit = small(device=torch.device("cpu"), max_epochs=2).fit(X, y)
    assert explicit.device_.type == "cpu"


def test_a_device_that_is_not_there(data, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for device in ("cuda", "cuda:1", torch.device("cuda", 1)):
        with pytest.raises(ValueError, match="PyTorch finds 0 CUDA devices"):
            small(device=device).fit(*data)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("device", ["auto", "cuda"])
@pytest.mark.parametrize("encoder", [None, ShiftedBasisEncoder(stable_rank=4)])
def test_fitted_on_cuda_used_without(data, device, encoder, monkeypatch):
    X, y = data
    model = small(encoder, device=device, train_encoder=encoder is not None).fit(X, y)
    assert model.device_.type == "cuda"
    expected, pickled = model.predict(X), pickle.dumps(model)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    if device == "auto":
        moved = pickle.loads(pickled)
    else:
        with pytest.warns(skorch.exceptions.DeviceWarning):
            moved = pickle.loads(pickled)
    assert moved.device_.type == "cpu"
    np.testing.assert_allclose(moved.predict(X), expected, atol=1e-3)
    moved.fit(X, y)


def test_all_but_the_encoder_are_keywords():
    first, *others = inspect.signature(CoordinateMLPRegressor).parameters.values()
    assert (first.name, first.kind) == ("encoder", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    kinds = {p.kind for p in others}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}


@pytest.mark.parametrize("fitted_with", [None, FourierEncoder(stable_rank=3)])
@pytest.mark.parametrize("set_later", [None, FourierEncoder(stable_rank=-1), FourierEncoder()])
def test_an_encoder_set_later_changes_no_predictions(fitted_with, set_later):
    X = 5e6 + np.linspace(0, 1, 50)[:, None]
    model = small(encoder=fitted_with, max_epochs=2).fit(X, X[:, 0])
    before = model.predict(X)
    np.testing.assert_array_equal(model.set_params(encoder=set_later).predict(X), before)
    model.partial_fit(X, X[:, 0])


@pytest.mark.parametrize(("n_outputs", "shape"), [(1, (5,)), (2, (5, 2)), (3, (5, 3))])
def test_shape_of_outputs_before_any_fit(n_outputs, shape):
    net = CoordinateMLPRegressor(
        hidden_layer_sizes=(4,), module__in_features=2, module__out_features=n_outputs, device="cpu"
    ).initialize()
    assert net.predict(np.zeros((5, 2), dtype=np.float32)).shape == shape
