"""What any estimator has from `SkorchEstimator`, shown by a linear classifier."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import validate_data
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit
from skorch.utils import is_dataset
from torch.utils.data import DataLoader

from sk_posenc.networks.estimator import SkorchEstimator

try:
    import sklearn.callback as sklearn_callback
except ImportError:
    sklearn_callback = None


class Linear(torch.nn.Linear):
    """A linear layer whose weights are drawn of one generator."""

    def __init__(self, n_in, n_out, spread=0.1, generator=None):
        super().__init__(n_in, n_out, device="meta")
        self.to_empty(device="cpu")
        with torch.no_grad():
            self.weight.normal_(0, spread, generator=generator)
            self.bias.zero_()


class LinearClassifier(SkorchEstimator, NeuralNetClassifier):
    """Multinomial logistic regression on scaled columns."""

    _nested = ("scaler",)

    def __init__(
        self, scaler=None, *, module=Linear, criterion=torch.nn.CrossEntropyLoss, **parameters
    ):
        super().__init__(module, criterion=criterion, **parameters)
        self.scaler = scaler

    def _take(self, X, y, fresh):
        X, y = super()._take(X, y, fresh)
        if fresh:
            self._n_classes = len(np.unique(y))
            self.scaler_ = (self.scaler and clone(self.scaler).fit(X)) or None
        return self._scaled(X), y

    def _scaled(self, X):
        return X if self.scaler_ is None else self.scaler_.transform(X)

    def initialize_module(self):
        widths = self.n_features_in_, self._n_classes
        self.module_ = Linear(*widths, generator=self._generator, **self.get_params_for("module"))
        return self

    def _undecayed_parameters(self):
        return [self.module_.bias]

    def _set_aside(self, dataset, y, seed):
        return ValidSplit(0.2, stratified=True, random_state=seed)(dataset, y)

    def predict_proba(self, X):
        if not is_dataset(X):  # skorch's scoring callbacks predict on theirs
            X = self._scaled(validate_data(self, X, reset=False, dtype=np.float32))
        return super().predict_proba(X)


def small(*given, **settings):
    common = {"lr": 0.05, "max_epochs": 6, "batch_size": 32, "random_state": 0, "device": "cpu"}
    return LinearClassifier(*given, **common | settings)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(210, 3))
    y = np.argmax(X + 0.3 * rng.normal(size=X.shape), axis=1)
    return X, y


def weights(model):
    return {name: value.clone() for name, value in model.module_.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


class Spy(Callback):
    """Calls something at the end of each epoch."""

    def __init__(self, call):
        self.call = call

    def on_epoch_end(self, net, **kwargs):
        self.call(net)


class Raises(Callback):
    """Raises in the middle of an epoch."""

    def __init__(self, epoch, error=KeyboardInterrupt):
        self.epoch = epoch
        self.error = error

    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == self.epoch:
            raise self.error


# --- parameters


def test_parameters_are_those_that_are_given():
    model = small(StandardScaler(), module__spread=0.5, optimizer__betas=(0.5, 0.6))
    assert clone(model).get_params(deep=False).keys() == model.get_params(deep=False).keys()
    assert not [name for name in model.get_params() if name.startswith("_")]
    model.set_params(scaler__with_mean=False, lr=0.2)
    assert (model.scaler.with_mean, model.get_params()["scaler__with_mean"]) == (False, False)
    with pytest.raises(ValueError, match="scaler is None"):
        small().set_params(scaler__with_mean=False)
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(lr=0.7, scaler__wings=2)
    assert model.lr == 0.2


def test_it_shows_what_differs_from_the_defaults():
    assert repr(LinearClassifier()) == "LinearClassifier()"
    shown = LinearClassifier(StandardScaler(), lr=0.1, module__spread=2.0, max_epochs=3)
    assert repr(shown) == (
        "LinearClassifier(lr=0.1, max_epochs=3, module__spread=2.0, scaler=StandardScaler())"
    )
    assert "criterion" in repr(LinearClassifier(criterion=torch.nn.NLLLoss))


def test_parameters_set_later_reach_the_optimiser_at_work(data):
    model = small(optimizer=torch.optim.AdamW, max_epochs=1).fit(*data)
    optimizer, state = model.optimizer_, copy.deepcopy(model.optimizer_.state_dict()["state"])
    model.set_params(lr=0.3, optimizer__weight_decay=0.2)
    assert model.optimizer_ is optimizer
    for before, now in zip(state.values(), optimizer.state.values(), strict=True):
        assert torch.equal(before["exp_avg"], now["exp_avg"])
    for net in (model, clone(model).fit(*data)):
        assert [(each["lr"], each["weight_decay"]) for each in net.optimizer_.param_groups] == [
            *((0.3, 0.2), (0.3, 0.0))
        ]  # biases do not decay
    assert model.optimizer_.param_groups[1]["params"][0] is model.module_.bias


def test_it_searches_over_the_parts(data):
    grid = {"scaler": [None, StandardScaler()], "optimizer__eps": [1e-8, 1e-2]}
    search = GridSearchCV(small(max_epochs=3), grid, cv=2, error_score="raise").fit(*data)
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert search.best_estimator_.score(*data) > 0.5


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"lr_schedule": "step"}, ValueError),
        ({"early_stopping": 0}, ValueError),
        ({"checkpoint": 3}, TypeError),
        ({"mixed_precision": "yes"}, TypeError),
        ({"optimizer": "adam"}, TypeError),
        ({"batch_size": 0}, ValueError),
        ({"device": "abacus"}, ValueError),
    ],
)
def test_settings_that_no_fit_could_follow(data, settings, error):
    model = small().fit(*data)
    before = weights(model)
    with pytest.raises(error, match=f"{next(iter(settings))} must be"):
        small(**settings).fit(*data)
    for name, value in settings.items():
        setattr(model, name, value)
    with pytest.raises(error):
        model.fit(*data)
    assert_same(weights(model), before)


def test_weights_of_rows_count_in_the_criterion(data):
    X, y = data
    w = 1 + np.arange(210) % 3
    common = {"batch_size": -1, "max_epochs": 20, "optimizer": torch.optim.SGD, "lr": 0.5}
    weighted = small(**common).fit(X, y, sample_weight=w)
    repeated = small(**common).fit(X.repeat(w, axis=0), y.repeat(w))
    torch.testing.assert_close(weights(weighted), weights(repeated), rtol=1e-4, atol=1e-5)
    assert (small(**common).fit(X, y).module_.weight - weighted.module_.weight).abs().max() > 0.01


# --- pickles, seeds, devices


def test_pickles_before_and_after_a_fit(data):
    model = small(StandardScaler(), module__spread=0.3)
    fitted = pickle.loads(pickle.dumps(model)).fit(*data)
    expected = model.fit(*data).predict_proba(data[0])
    for again in (fitted, pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(again.predict_proba(data[0]), expected)
    assert_same(weights(fitted.partial_fit(*data)), weights(again.partial_fit(*data)))


def test_pickles_and_clones_in_the_middle_of_a_fit(data):
    X, y = data
    loaded, cloned, held = [], [], []

    def keep(net):
        held.append(net._run)
        stripped = copy.copy(net)
        stripped.callbacks, stripped.callbacks_ = None, []
        loaded.append(pickle.loads(pickle.dumps(stripped)))
        cloned.append(clone(net).set_params(callbacks=None))

    model = small(max_epochs=3, callbacks=[Spy(keep)]).fit(X, y)
    assert model._run is None
    assert [run.n_epochs for run in held] == [3, 3, 3]
    for net, n_epochs in zip(loaded, (1, 2, 3), strict=True):
        assert net._run is None
        assert net.predict(X).shape == y.shape
        assert len(net.partial_fit(X, y).history_) == n_epochs + 3
    assert_same(weights(cloned[0].fit(X, y)), weights(model))


def test_seeds_decide_everything(data):
    X, y = data
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    first, second = small(early_stopping=3).fit(X, y), small(early_stopping=3).fit(X, y)
    assert_same(weights(first), weights(second))
    other, unseeded = small(random_state=1).fit(X, y), small(random_state=None).fit(X, y)
    assert not torch.equal(other.module_.weight, small().fit(X, y).module_.weight)
    assert not torch.equal(unseeded.module_.weight, other.module_.weight)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("iterator", [None, DataLoader])
def test_devices_and_batches(data, iterator):
    parts = ["iterator_train", "iterator_valid"]
    settings = {} if iterator is None else dict.fromkeys(parts, iterator)
    model = small(device="auto", **settings).fit(*data)
    assert model.device == "auto"
    assert model.device_.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert model.history_[0, "batches", 0, "train_batch_size"] == 32
    assert model.score(*data) > 0.7
    default = LinearClassifier(random_state=0, max_epochs=1).fit(*data)
    assert default.history_[0, "batches", 0, "train_batch_size"] == 32  # at least, with "auto"


# --- runs


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lr_schedule": "cosine"},
        {"early_stopping": 2, "max_epochs": 100, "lr": 0.1},
        {"optimizer": torch.optim.AdamW, "optimizer__weight_decay": 0.1},
    ],
    ids=["plain", "schedule", "early stopping", "groups"],
)
def test_a_checkpoint_resumes_bit_for_bit(data, tmp_path, settings):
    stopped = small(checkpoint=tmp_path, callbacks=[Raises(4)], **settings)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(*data)
    assert len(stopped.history_) == 3
    (file,) = tmp_path.iterdir()
    begun = []

    class Begins(Callback):
        def on_epoch_begin(self, net, **kwargs):
            begun.append(len(net.history))

    resumed = small(checkpoint=tmp_path, callbacks=[Begins()], **settings).fit(*data)
    whole = small(**settings).fit(*data)
    assert_same(weights(resumed), weights(whole))
    assert begun == list(range(4, len(begun) + 4))
    assert len(resumed.history_) == len(whole.history_)
    begun.clear()
    again = small(checkpoint=tmp_path, callbacks=[Begins()], **settings).fit(*data)
    assert not begun  # what has ended is not done again
    assert_same(weights(again), weights(whole))
    assert list(tmp_path.iterdir()) == [file]


def test_other_estimators_have_checkpoints_of_their_own(data, tmp_path):
    class Twin(LinearClassifier):
        pass

    small(checkpoint=tmp_path).fit(*data)
    Twin(**small(checkpoint=tmp_path).get_params(deep=False)).fit(*data)
    assert len(list(tmp_path.iterdir())) == 2


def test_ctrl_c_leaves_what_is_trained(data):
    X, y = data
    model = small(callbacks=[Raises(3)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert len(model.history_) == 2
    assert model._run is None
    assert model.predict(X).shape == y.shape
    model.set_params(callbacks=None).partial_fit(X, y)
    assert len(model.history_) == 8


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_refit_that_stops_leaves_the_fit_before(data, error):
    X, y = data
    model = small().fit(X, y)
    before = weights(model)
    model.set_params(callbacks=[Raises(2, error)])
    with pytest.raises(error):
        model.fit(2 * X[:90, :2], y[:90])
    assert_same(weights(model), before)
    assert (len(model.history_), model.n_features_in_) == (6, 3)
    first = small(callbacks=[Raises(1, RuntimeError)])
    with pytest.raises(RuntimeError):
        first.fit(X, y)
    assert not hasattr(first, "n_features_in_")


def test_early_stopping_sets_rows_aside_by_the_hook(data):
    X, y = data
    model = small(early_stopping=2, max_epochs=200, lr=0.5).fit(X, y)
    losses = np.array(model.history_[:, "valid_loss"])
    assert len(losses) < 200
    assert np.argmin(losses) < len(losses) - 1
    held_out = sum(batch.get("valid_batch_size", 0) for batch in model.history_[0]["batches"])
    assert held_out == 42  # a fifth, as the hook says
    best = model.get_split_datasets(X.astype(np.float32), y)[1]
    outputs = torch.cat(list(model.forward_iter(best)))
    loss = torch.nn.functional.cross_entropy(outputs, torch.as_tensor(y[best.indices]))
    assert float(loss) == pytest.approx(losses.min(), rel=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_schedules_end_at_zero(data, schedule):
    model = small(lr_schedule=schedule).fit(*data)
    assert model.optimizer_.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


def test_fit_loop_by_itself_is_a_run(data):
    X, y = data
    model = small(lr_schedule="linear", max_epochs=2).fit(X, y)
    rows = X.astype(np.float32)
    model = pickle.loads(pickle.dumps(model))
    model.fit_loop(rows, y, epochs=3)
    assert len(model.history_) == 5
    assert model._run is None
    model.fit_loop(rows, y)
    assert len(model.history_) == 7


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"optimizer__foo": 1}, TypeError),
        ({"optimizer__betas": ()}, ValueError),
        ({"optimizer__betas": (2.0, 0.5)}, ValueError),
        ({"criterion__foo": 1}, TypeError),
    ],
)
def test_options_of_torch_are_named(data, options, error):
    (name,) = options
    with pytest.raises(error, match=rf"{name} must be what .* takes: .*Got"):
        small(**options).fit(*data)
    if name.startswith("optimizer"):
        model = small().fit(*data)
        before = model.predict(data[0])
        with pytest.raises(error, match=name):
            model.set_params(**options)
        np.testing.assert_array_equal(model.predict(data[0]), before)


def test_divergence_and_memory_are_explained(data, monkeypatch):
    for kind in (FloatingPointError, ValueError):
        with pytest.raises(kind, match="Lower the learning rate"):
            small(optimizer=torch.optim.SGD, lr=1e38).fit(1e3 * data[0], data[1])
    model = small().fit(*data)

    def fail(*args, **kwargs):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(model, "train_step", fail)
    with pytest.raises(torch.cuda.OutOfMemoryError, match="training with batch_size=32: lower"):
        model.partial_fit(*data)


class Recorder:
    """A callback of scikit-learn."""

    max_propagation_depth = None

    def __init__(self):
        self.told = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.told.append((context.task_name, context.max_subtasks))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, X=None):
        self.told.append((len(X), fitted_estimator.predict(X).shape))


@pytest.mark.skipif(sklearn_callback is None, reason="needs scikit-learn 1.9")
def test_scikit_learn_callbacks_are_told_of_epochs(data):
    recorder = Recorder()
    model = small(max_epochs=3).set_callbacks(recorder)
    model.fit(*data)
    assert recorder.told[0] == ("fit", 3)
    assert [name for name, _ in recorder.told].count("epoch") == 3
    assert recorder.told[-1] == (210, (210,))
    recorder.told.clear()
    model.partial_fit(*data)
    assert not recorder.told
