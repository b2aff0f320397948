"""How a coordinate network trains: encoder inside, schedules, stopping, checkpoints, errors."""

import os
import pickle
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback, EarlyStopping
from skorch.dataset import ValidSplit

from sk_posenc import (
    CoordinateMLP,
    CoordinateMLPRegressor,
    FourierEncoder,
    LearnableFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    distance_preservation_scorer,
    psnr_scorer,
    similarity_radius_scorer,
    stable_rank_scorer,
)
from sk_posenc.networks.batches import as_tensor

try:
    import sklearn.callback as sklearn_callback
except ImportError:
    sklearn_callback = None

with_sklearn_callbacks = pytest.mark.skipif(
    sklearn_callback is None, reason="needs scikit-learn 1.9"
)

small = partial(
    CoordinateMLPRegressor, hidden_layer_sizes=(32,), lr=1e-2, max_epochs=6, random_state=0
)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    y = np.column_stack([np.sin(9 * X[:, 0]) + X[:, 1], X[:, 0] * X[:, 1]])
    X.flags.writeable = y.flags.writeable = False
    return X, y


def weights(model):
    return {name: value.clone() for name, value in model.module_.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


# --- the encoder inside


@parametrize_with_checks([small(ShiftedBasisEncoder(), max_epochs=60)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "encoder",
    [
        ShiftedBasisEncoder(stable_rank=6),
        ShiftedBasisEncoder("triangle", stable_rank=5, tensor_product=True),
        FourierEncoder(),
        RandomFourierEncoder(64, random_state=0),
        LearnableFourierEncoder(16, mlp=(8, 8), random_state=0),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_inside_is_in_front(data, encoder, dtype):
    X, y = data[0].astype(dtype), data[1]
    inside = small(encoder, train_encoder=False).fit(X, y)
    front = make_pipeline(clone(encoder), small()).fit(X, y)
    np.testing.assert_allclose(inside.predict(X), front.predict(X), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(inside.encoder_.transform(X), front[0].transform(X))
    assert not hasattr(encoder, "domain_")  # a clone was fitted


@pytest.mark.parametrize(
    "seen",
    [
        lambda a: a[::-1][::-1],
        lambda a: a[::-1].copy()[::-1],
        lambda a: np.stack([a, a], axis=1)[::-1].copy()[::-1, 0],
        lambda a: a.astype(">f8"),
        lambda a: a[::-1].astype(">f4")[::-1],
        lambda a: np.asfortranarray(a),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_rows_in_any_order_of_bytes_train_alike(seen, read_only):
    X = np.random.default_rng(0).integers(-8, 8, (40, 2)) / 8
    y = X[:, :1] * [1.0, -1.0]
    expected = small(max_epochs=1).fit(X, y).partial_fit(X, y)
    rows, targets = seen(X), seen(y)
    rows.flags.writeable = targets.flags.writeable = not read_only
    given = small(max_epochs=1).fit(rows, targets, seen(np.ones(40))).partial_fit(rows, targets)
    np.testing.assert_array_equal(given.predict(rows), expected.predict(X))
    np.testing.assert_array_equal(as_tensor(seen(y)).numpy(), y)


def test_scorers_reach_the_encoder(data):
    X, y = data
    model = small(ShiftedBasisEncoder(stable_rank=6)).fit(X, y)
    encoder = ShiftedBasisEncoder(stable_rank=6).fit(X)
    for scorer in (stable_rank_scorer, distance_preservation_scorer, similarity_radius_scorer):
        assert scorer(model, X, y) == scorer(encoder, X)
    assert np.isfinite(psnr_scorer(model, X, y))
    with pytest.raises(AttributeError, match="holds no encoder"):
        small().fit(X, y).encoder_  # noqa: B018
    assert not hasattr(small(encoder), "encoder_")


def test_parameters_of_the_encoder_in_grids(data):
    X, y = data
    search = GridSearchCV(
        small(ShiftedBasisEncoder()),
        {
            "encoder__stable_rank": [4, 8],
            "encoder": [ShiftedBasisEncoder(), ShiftedBasisEncoder("triangle")],
        },
        scoring={"psnr": psnr_scorer, "rank": stable_rank_scorer},
        refit="psnr",
        cv=3,
        error_score="raise",
    ).fit(X, y)
    ranks = search.cv_results_["mean_test_rank"]
    assert len(set(np.round(ranks, 3))) == 4
    asked = [p["encoder__stable_rank"] for p in search.cv_results_["params"]]
    np.testing.assert_allclose(
        search.best_estimator_.encoder_.stable_rank_, asked[search.best_index_], rtol=0.05
    )
    model = small(FourierEncoder())
    assert model.set_params(encoder__stable_rank=7).get_params()["encoder__stable_rank"] == 7
    with pytest.raises(ValueError, match="Invalid parameter 'width'"):
        model.set_params(encoder__width=1)
    with pytest.raises(ValueError, match="encoder is None"):
        small().set_params(encoder__stable_rank=7)


def test_names_of_columns_reach_the_encoder(data):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(data[0], columns=["lat", "lon"])
    model = small(FourierEncoder(stable_rank=2)).fit(frame, data[1])
    assert model.encoder_.get_feature_names_out()[0] == "lat_constant"


@pytest.mark.parametrize(
    "encoder",
    [
        ShiftedBasisEncoder(stable_rank=4),
        FourierEncoder(),
        RandomFourierEncoder(32, random_state=0),
    ],
)
def test_training_the_encoder(data, encoder):
    X, y = data
    settings = {"max_epochs": 30, "lr": 3e-3}
    fixed = small(encoder, **settings).fit(X, y)
    model = small(encoder, train_encoder=True, **settings).fit(X, y)
    assert model.history_[-1]["train_loss"] < fixed.history_[-1]["train_loss"]
    trained = model.encoder_
    encoded = model.module_.encode(torch.tensor(X, device=model.device_)).detach().cpu().numpy()
    np.testing.assert_allclose(trained.transform(X), encoded, rtol=0, atol=1e-6)
    if hasattr(trained, "bandwidth_"):
        assert (trained.bandwidth_ > 0).all()
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.encoder_.transform(X), trained.transform(X))
    # more training goes on from there
    model.partial_fit(X, y)
    assert np.abs(model.encoder_.transform(X) - trained.transform(X)).max() > 0


def test_learnable_encoders_are_trained_unless_told_otherwise(data):
    X, y = data
    encoder = LearnableFourierEncoder(16, mlp=(8, 8), random_state=0)
    drawn = encoder.fit(X).transform(X)
    assert np.abs(small(encoder).fit(X, y).encoder_.transform(X) - drawn).max() > 1e-3
    fixed = small(encoder, train_encoder=False).fit(X, y)
    np.testing.assert_array_equal(fixed.encoder_.transform(X), drawn)
    # frequencies keep out of weight decay, layers do not
    decayed = small(encoder, optimizer=torch.optim.AdamW, optimizer__weight_decay=0.1).fit(X, y)
    by_decay = {group["weight_decay"]: group["params"] for group in decayed.optimizer_.param_groups}
    assert [p.shape for p in by_decay[0.0]] == [(16, 2)]
    assert len(by_decay[0.1]) == 4 + 4
    slow = {"optimizer__param_groups": [("encoder.angular", {"lr": 1e-4})]}
    ours = small(encoder, lr_schedule="constant", **slow).fit(X, y)
    assert [group["lr"] for group in ours.optimizer_.param_groups] == [1e-4, 1e-2]


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux")
def test_memory_follows_the_batch():
    code = """
from pathlib import Path
import numpy as np
from sk_posenc import CoordinateMLPRegressor, ShiftedBasisEncoder
def peak():
    status = Path("/proc/self/status").read_text()  # getrusage tells the parent's peak too
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20
X = np.random.default_rng(0).uniform(size=(16_384, 2)).astype(np.float32)
encoder = ShiftedBasisEncoder(stable_rank=64, n_shifts=4_900)
model = CoordinateMLPRegressor(encoder, hidden_layer_sizes=(8,), max_epochs=1, batch_size=1024)
columns = model.fit(X[:1024], X[:1024, 0]).encoder_.transform(X[:1]).shape[1]
assert columns >= 10_000, columns
of_a_batch = peak()
model.fit(X, X[:, 0])
print(peak() - of_a_batch)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    # the whole matrix would take 0.6 GiB more in float32, 1.2 GiB in float64
    assert float(done.stdout) < 0.4, done.stdout


def test_bad_encoders_and_settings(data):
    X, y = data
    impulse = ShiftedBasisEncoder("impulse")
    for parameters, error, message in [
        *[
            ({"encoder": encoder}, TypeError, "encoder must be an encoder of sk_posenc or None")
            for encoder in ("fourier", FourierEncoder, Ridge(), make_pipeline(FourierEncoder()))
        ],
        ({"optimizer": "adam"}, TypeError, "optimizer must be a class, such as torch.optim.Adam"),
        ({"criterion": "mse"}, TypeError, "criterion must be a class"),
        ({"module": "mlp"}, TypeError, "module must be a class"),
        ({"lr": "fast"}, TypeError, "lr must be a number"),
        ({"lr": True}, TypeError, "lr must be a number"),
        ({"lr": -1e-3}, ValueError, "lr must be"),
        ({"lr": np.nan}, ValueError, "lr must be"),
        ({"lr": np.inf}, ValueError, "lr must be"),
        ({"lr": 1e300}, ValueError, r"lr must be such that steps are within float32"),
        ({"optimizer__weight_decay": 1e300}, ValueError, r"optimizer__weight_decay must .*float32"),
        ({"train_encoder": True}, ValueError, "needs an encoder"),
        ({"train_encoder": "yes"}, ValueError, "'auto', True or False"),
        ({"train_encoder": 1}, TypeError, "train_encoder must be 'auto', True or False. Got 1"),
        ({"train_encoder": None}, TypeError, "must be 'auto', True or False. Got None"),
        ({"encoder": impulse, "train_encoder": True}, ValueError, "gradient"),
        ({"encoder": ShiftedBasisEncoder(stable_rank=0)}, ValueError, "stable_rank"),
        ({"lr_schedule": "step"}, ValueError, "lr_schedule must be one of"),
        ({"early_stopping": 0}, ValueError, r"must be at least 1 \(epochs without .*, or None"),
        ({"early_stopping": True}, TypeError, "early_stopping must be"),
        ({"early_stopping": 2.5}, TypeError, r"must be a whole number \(epochs without"),
        ({"max_epochs": "a"}, ValueError, "max_epochs must be a whole number or 'auto'. Got 'a'"),
        ({"batch_size": "a"}, ValueError, "a whole number, 'auto', or -1 for all rows. Got 'a'"),
        ({"checkpoint": 3}, TypeError, "checkpoint must be"),
        ({"checkpoint": __file__}, ValueError, "checkpoint must be a folder, not a file"),
        ({"mixed_precision": "bf16"}, TypeError, "mixed_precision must be"),
        ({"train_split": len}, TypeError, r"train_split must be None, or take a dataset and y"),
        ({"train_split": 0.2}, TypeError, r"train_split must be None or a callable, .*Got 0\.2"),
        ({"iterator_train": "a"}, TypeError, "iterator_train must be a class"),
        ({"callbacks": "x"}, TypeError, "callbacks must be a list"),
        ({"warm_start": "a"}, TypeError, "warm_start must be True or False. Got 'a'"),
        ({"random_state": True}, TypeError, "random_state must be a whole number.*Got True"),
        ({"module": None}, TypeError, "module must be a class"),
    ]:
        with pytest.raises(error, match=message):
            small(**parameters).fit(X, y)


# --- schedules and stopping


class Rates(Callback):
    seen: list = []

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            self.seen.append(net.optimizer_.param_groups[0]["lr"])


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_schedules_end_at_zero(data, schedule):
    rates = Rates.seen = []
    model = small(lr_schedule=schedule, callbacks=[Rates()], batch_size=100).fit(*data)
    done = np.arange(18) / 18
    expected = (1 + np.cos(np.pi * done)) / 2 if schedule == "cosine" else 1 - done
    np.testing.assert_allclose(rates, 1e-2 * expected)
    assert model.optimizer_.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)
    rates.clear()
    model.partial_fit(*data)  # each call has its own
    np.testing.assert_allclose(rates, 1e-2 * expected)
    pickle.loads(pickle.dumps(model)).partial_fit(*data)


def test_a_warm_up_rises_and_a_cosine_follows(data):
    rates = Rates.seen = []
    settings = {"lr_schedule": "warmup_cosine", "callbacks": [Rates()]}
    small(batch_size=15, max_epochs=3, **settings).fit(*data)
    done = np.arange(60)
    # three batches of 60, a twentieth, come before the rate itself
    warm = np.minimum(1, (done + 1) / 4)
    np.testing.assert_allclose(rates, 1e-2 * warm * (1 + np.cos(np.pi * done / 60)) / 2)
    rates.clear()
    small(batch_size=-1, max_epochs=1, **settings).fit(*data)
    assert rates == [1e-2]  # one batch has no warm-up


def test_early_stopping_goes_back_to_the_best(data):
    X, y = data
    noisy = y + np.random.default_rng(1).normal(size=y.shape)
    model = small(
        RandomFourierEncoder(64, stable_rank=10, random_state=0), early_stopping=3, max_epochs=200
    ).fit(X, noisy)
    losses = [row["valid_loss"] for row in model.history_]
    assert len(losses) < 200
    assert np.argmin(losses) <= len(losses) - 3
    # 30 rows were set aside, the same whenever the seed is
    assert model.history_[0, "batches", -1, "valid_batch_size"] == 30
    held_out = model.get_split_datasets(torch.tensor(X), torch.tensor(noisy))[1]
    residual = model.predict(X[held_out.indices]) - noisy[held_out.indices]
    scale = model.module_.target_scale.cpu().numpy()
    assert np.mean((residual / scale) ** 2) == pytest.approx(min(losses), rel=1e-4)


def test_early_stopping_takes_the_split_it_is_given(data):
    model = small(early_stopping=2, train_split=ValidSplit(5)).fit(*data)
    assert model.history_[0, "batches", -1, "valid_batch_size"] == 60


def test_groups_reach_the_split(data):
    X, y = data
    groups = np.arange(300) % 6
    seen = []

    class Spy(Callback):
        def on_train_begin(self, net, X=None, y=None, **kwargs):
            _, valid = net.get_split_datasets(X, y, groups=groups)
            seen.append(set(groups[valid.indices]))

    model = small(train_split=ValidSplit(GroupKFold(3)), callbacks=[Spy()])
    model.fit(X, y, groups=groups).partial_fit(X, y, groups=groups)
    assert model.history_[0, "batches", -1, "valid_batch_size"] == 100
    assert [len(held_out) for held_out in seen] == [2, 2]
    for fit in (small().fit, small(early_stopping=2).partial_fit):
        with pytest.raises(TypeError, match=r"go to train_split.*Got groups"):
            fit(X, y, groups=groups)


def test_mixed_precision_is_near(data):
    X, y = data
    y = y + 0.1 * np.random.default_rng(1).normal(size=y.shape)  # as hard as an image
    encoder = ShiftedBasisEncoder(stable_rank=8)
    psnr = {}
    for mixed in (False, True):
        model = small(encoder, max_epochs=60, mixed_precision=mixed).fit(X, y)
        psnr[mixed] = psnr_scorer(model, X, y)
        assert all(p.dtype == torch.float32 for p in model.module_.parameters())
    assert psnr[True] != psnr[False]
    assert abs(psnr[True] - psnr[False]) < 1.5


# --- checkpoints


class Interrupt(Callback):
    """Presses Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lr_schedule": "cosine", "encoder": RandomFourierEncoder(32), "train_encoder": True},
        {"early_stopping": 2, "max_epochs": 60, "lr": 0.03},
        {"random_state": None},
    ],
    ids=["plain", "schedule", "early stopping", "no seed"],
)
def test_a_checkpoint_resumes_bit_for_bit(data, tmp_path, settings):
    X, y = data
    settings = {"batch_size": 64} | settings
    stopped = small(checkpoint=tmp_path, callbacks=[Interrupt(4)], **settings)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, y)
    assert len(stopped.history_) == 3
    (file,) = tmp_path.iterdir()
    resumed = small(checkpoint=str(tmp_path), **settings).fit(X, y)
    assert list(tmp_path.iterdir()) == [file]
    if "random_state" not in settings:
        whole = small(**settings)
        if "encoder" in settings:  # drawn once more, else
            assert resumed.encoder.random_state is None
        else:
            whole.fit(X, y)
            assert_same(weights(resumed), weights(whole))
            assert len(resumed.history_) == len(whole.history_)
    assert len(resumed.history_) == 6 or "early_stopping" in settings
    # what has ended is not done again
    again = small(checkpoint=tmp_path, **settings).fit(X, y)
    assert_same(weights(again), weights(resumed))
    np.testing.assert_array_equal(again.predict(X), resumed.predict(X))
    # other rows and other settings have files of their own
    small(checkpoint=tmp_path, **settings).fit(X[:200], y[:200])
    small(checkpoint=tmp_path, activation="tanh", **settings).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_schedule_and_a_trained_encoder_resume_bit_for_bit(data, tmp_path):
    X, y = data
    settings = {
        "encoder": RandomFourierEncoder(32, random_state=1),
        "train_encoder": True,
        "lr_schedule": "cosine",
        "optimizer": torch.optim.AdamW,
        "optimizer__weight_decay": 0.01,
    }
    with pytest.raises(KeyboardInterrupt):
        small(checkpoint=tmp_path, callbacks=[Interrupt(3)], **settings).fit(X, y)
    resumed = small(checkpoint=tmp_path, **settings).fit(X, y)
    whole = small(**settings).fit(X, y)
    assert_same(weights(resumed), weights(whole))
    np.testing.assert_array_equal(resumed.encoder_.transform(X), whole.encoder_.transform(X))


def test_a_checkpoint_needs_settings_that_pickle(data, tmp_path):
    model = small(checkpoint=tmp_path, train_split=lambda dataset, y: (dataset, None))
    with pytest.raises(ValueError, match="settings that can be pickled"):
        model.fit(*data)
    assert not list(tmp_path.iterdir())


def test_partial_fit_after_a_checkpoint_goes_on(data, tmp_path):
    model = small(checkpoint=tmp_path).fit(*data)
    model.partial_fit(*data)
    assert len(model.history_) == 12


def test_a_search_resumes_from_its_checkpoints(data, tmp_path):
    def search(callbacks):
        return GridSearchCV(
            small(FourierEncoder(), checkpoint=tmp_path, callbacks=callbacks),
            {"encoder__stable_rank": [2, 4]},
            cv=KFold(2),
            error_score="raise",
        )

    with pytest.raises(KeyboardInterrupt):  # and not nan for each candidate
        search([Interrupt(3)]).fit(*data)
    assert len(list(tmp_path.iterdir())) == 1
    resumed = search(None).fit(*data)
    fresh = search(None).set_params(estimator__checkpoint=None).fit(*data)
    np.testing.assert_array_equal(
        resumed.cv_results_["mean_test_score"], fresh.cv_results_["mean_test_score"]
    )


# --- interruption and errors


class PressCtrlC(Callback):
    """Sends the signal that Ctrl-C is, after three epochs."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def ctrl_c_counts():
    """Also where the tests run in the background, for which shells have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_counts")
def test_ctrl_c_leaves_a_usable_estimator(data):
    X, y = data
    model = small(FourierEncoder(), max_epochs=100_000, callbacks=[PressCtrlC()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert 0 < len(model.history_) < 100_000
    assert np.isfinite(model.predict(X)).all()
    before = len(model.history_)
    model.set_params(max_epochs=2).partial_fit(X, y)
    assert len(model.history_) == before + 2


def test_early_stopping_of_skorch_ends_quietly(data):
    stopping = EarlyStopping(monitor="train_loss", patience=1, threshold=10.0, sink=lambda _: None)
    model = small(callbacks=[stopping]).fit(*data)
    assert len(model.history_) == 2


@pytest.mark.parametrize("where", ["train_step", "evaluation_step"])
@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate"),
    ],
    ids=["cuda", "cpu"],
)
def test_out_of_memory_says_what_to_lower(data, monkeypatch, where, error):
    X, y = data
    model = small(FourierEncoder(stable_rank=5), batch_size=128).fit(X, y)

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(model, where, fail)
    with pytest.raises(torch.cuda.OutOfMemoryError, match="batch_size=128 on 22 columns"):
        model.partial_fit(X, y) if where == "train_step" else model.predict(X)


def test_a_batch_beyond_memory_is_refused(data, monkeypatch):
    from types import SimpleNamespace

    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=300_000))
    wide = small(
        FourierEncoder(stable_rank=2), hidden_layer_sizes=(512,), batch_size=-1, device="cpu"
    )
    with pytest.raises(ValueError, match="lower batch_size"):
        wide.fit(*data)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=20_000))
    small(max_epochs=1, batch_size=8, device="cpu").fit(*data)
    message = r"hidden layers \[32\] and 2 outputs on a batch of 300 rows needs .* lower batch_size"
    with pytest.raises(ValueError, match=message):
        small(max_epochs=1, batch_size=-1, device="cpu").fit(*data)


def test_layers_beyond_memory_are_refused_at_once(data):
    sizes = (2_000_000, 2_000_000)
    message = r"hidden layers \[2000000, 2000000\].* GiB .*: lower hidden_layer_sizes"
    for settings in ({}, {"encoder": FourierEncoder(stable_rank=2)}):
        model = small(hidden_layer_sizes=sizes, **settings)
        with pytest.raises(ValueError, match=message):
            model.fit(*data)
        assert not hasattr(model, "module_")
    with pytest.raises(ValueError, match=message):
        CoordinateMLP(2, hidden_layer_sizes=sizes)


# --- scikit-learn's callbacks


class Recorder:
    """A callback of scikit-learn that is passed on to the estimators inside a search."""

    max_propagation_depth = None
    seen: list = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        type(self).seen.append((context.estimator_name, context.task_name, context.max_subtasks))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, X=None):
        if context.task_name == "epoch":
            type(self).seen.append(("scored", fitted_estimator.predict(X).shape, None))


@with_sklearn_callbacks
def test_scikit_learn_callbacks_see_epochs_in_searches(data):
    X, y = data
    Recorder.seen = []
    search = GridSearchCV(
        small(FourierEncoder(), max_epochs=3),
        {"encoder__stable_rank": [2, 4]},
        cv=2,
        error_score="raise",
    ).set_callbacks(Recorder())
    search.fit(X, y)
    epochs = [each for each in Recorder.seen if each[:2] == ("CoordinateMLPRegressor", "epoch")]
    assert len(epochs) == 3 * (2 * 2 + 1)
    scored = [each for each in Recorder.seen if each[0] == "scored"]
    assert len(scored) == len(epochs)
    fits = [each for each in Recorder.seen if each[0] == "CoordinateMLPRegressor" and each[2] == 3]
    assert len(fits) == 2 * 2 + 1
    pickle.loads(pickle.dumps(search.best_estimator_)).predict(X)


@with_sklearn_callbacks
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_progress_bar_in_a_search(data, n_jobs):
    pytest.importorskip("rich")
    search = GridSearchCV(
        small(FourierEncoder(), max_epochs=2),
        {"encoder__stable_rank": [2, 4]},
        cv=2,
        n_jobs=n_jobs,
        error_score="raise",
    )
    plain = clone(search).set_params(n_jobs=None).fit(*data)
    shown = search.set_callbacks(sklearn_callback.ProgressBar()).fit(*data)
    np.testing.assert_array_equal(
        shown.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


@with_sklearn_callbacks
def test_scoring_monitor_of_a_single_fit(data):
    monitor = sklearn_callback.ScoringMonitor(scoring="r2")
    model = small(FourierEncoder()).set_callbacks(monitor).fit(*data)
    assert len(monitor.get_logs().data_as_pandas) >= 6  # one an epoch
    assert model.predict(data[0]).shape == data[1].shape


@pytest.mark.skipif(sklearn_callback is not None, reason="before scikit-learn 1.9")
def test_older_scikit_learn_says_what_callbacks_need():
    assert not hasattr(small(), "set_callbacks")
    with pytest.raises(AttributeError, match=r"set_callbacks needs scikit-learn 1\.9 or later"):
        small().set_callbacks()


@pytest.mark.parametrize(
    ("encoder", "placed"),
    [
        (ShiftedBasisEncoder(stable_rank=4), {"shifts0", "shifts1", "bandwidth"}),
        (ShiftedBasisEncoder("sine"), {"shifts0", "shifts1", "bandwidth"}),
        (FourierEncoder(stable_rank=4), {"angular0", "angular1"}),
        (RandomFourierEncoder(8, stable_rank=4, random_state=0), {"angular"}),
        (LearnableFourierEncoder(16, mlp=(8, 8), random_state=0), {"angular"}),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD, torch.optim.Rprop])
def test_what_places_an_encoding_does_not_decay(data, encoder, placed, optimizer):
    decays = optimizer is not torch.optim.Rprop
    settings = {"optimizer__weight_decay": 0.3} if decays else {}
    net = small(
        encoder, optimizer=optimizer, train_encoder=True, max_epochs=1, lr=1e-4, **settings
    ).fit(*data)
    named = dict(net.module_.named_parameters())
    of_groups = [
        (id(p), group.get("weight_decay"))
        for group in net.optimizer_.param_groups
        for p in group["params"]
    ]
    assert sorted(each for each, _ in of_groups) == sorted(map(id, named.values()))
    decay = dict(of_groups)
    kept = {name.rsplit(".", 1)[1] for name in named if decay[id(named[name])] == 0}
    if not decays:
        assert set(decay.values()) == {None}
        return
    assert kept == placed
    assert set(decay.values()) == {0.0, 0.3}
    # what the user says of a parameter holds
    own = clone(net).set_params(optimizer__param_groups=[("*", {"weight_decay": 0.1})]).fit(*data)
    assert {group["weight_decay"] for group in own.optimizer_.param_groups if group["params"]} == {
        0.1
    }
