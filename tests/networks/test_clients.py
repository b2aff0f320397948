"""What other libraries ask of a network; a test is skipped where its library is not installed."""

from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit

from sk_posenc import (
    CoordinateKFold,
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    FourierEncoder,
    stable_rank_scorer,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the other libraries

network = partial(
    CoordinateMLPRegressor,
    hidden_layer_sizes=(16,),
    lr=1e-2,
    max_epochs=20,
    random_state=0,
    device="cpu",
)


@pytest.fixture(name="data")
def noisy_surface(rng):
    X = rng.uniform(size=(300, 2))
    return X, np.sin(5 * X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=300)


def installed(name):
    return pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[clients]'")


def test_folds_of_coordinates_hold_rows_out(data):
    X, y = data
    folds = CoordinateKFold(4)
    model = network(FourierEncoder(3), train_split=ValidSplit(folds), early_stopping=5).fit(X, y)
    valid = model.get_split_datasets(torch.as_tensor(X), torch.as_tensor(y))[1]
    np.testing.assert_array_equal(valid.indices, next(iter(folds.split(X)))[1])
    assert isinstance(model.train_split.cv, CoordinateKFold)
    labels = np.where(y > 0.5, "high", "low")
    classifier = CoordinateMLPClassifier(
        hidden_layer_sizes=(4,), max_epochs=1, train_split=ValidSplit(folds)
    ).fit(X, labels)
    held = [batch.get("valid_batch_size", 0) for batch in classifier.history_[0]["batches"]]
    assert sum(held) == len(valid)


def test_scorers_find_the_encoder_in_the_search_of_another_library(data):
    class Search:
        """Holds the best estimator, as searches of other libraries do."""

    X, y = data
    fitted = network(FourierEncoder(stable_rank=3), max_epochs=1).fit(X, y)
    for name in ("best_estimator_", "estimator_"):
        search = Search()
        setattr(search, name, fitted)
        assert stable_rank_scorer(search, X) == stable_rank_scorer(fitted, X)


def test_conformal_intervals_by_mapie(data):
    mapie = installed("mapie.regression")
    X, y = data
    model = mapie.SplitConformalRegressor(
        network(FourierEncoder(3)), confidence_level=0.8, prefit=False
    )
    model.fit(X[:150], y[:150]).conformalize(X[150:230], y[150:230])
    predicted, intervals = model.predict_interval(X[230:])
    low, high = intervals[:, 0, 0], intervals[:, 1, 0]
    assert predicted.shape == (70,)
    assert 0.6 < np.mean((low <= y[230:]) & (y[230:] <= high)) < 0.97


def test_a_study_of_optuna_prunes(data):
    optuna = installed("optuna")
    X, y = data

    class Prunes(Callback):
        def __init__(self, trial):
            self.trial = trial

        def on_epoch_end(self, net, **kwargs):
            self.trial.report(net.history[-1, "valid_loss"], len(net.history))
            if self.trial.should_prune():
                raise optuna.TrialPruned

    def objective(trial):
        model = network(
            FourierEncoder(3),
            lr=trial.suggest_float("lr", 1e-5, 1e-1, log=True),
            max_epochs=8,
            train_split=ValidSplit(CoordinateKFold(4)),
            callbacks=[Prunes(trial)],
        )
        return model.fit(X, y).history_[-1, "valid_loss"]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )
    study.optimize(objective, n_trials=6)
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}


def test_shap_explains_predict(data):
    shap = installed("shap")
    X, y = data
    model = network(FourierEncoder(3)).fit(X, y)
    values = shap.Explainer(model.predict, X[:20], seed=0)(X[:3])
    explained = values.values.sum(axis=1) + values.base_values
    np.testing.assert_allclose(explained, model.predict(X[:3]), rtol=0, atol=1e-9)


def test_skforecast_goes_on_step_by_step():
    recursive = installed("skforecast.recursive")
    pd = installed("pandas")
    wave = np.sin(np.arange(210) / 5)
    forecaster = recursive.ForecasterRecursive(estimator=network(max_epochs=40), lags=8)
    forecaster.fit(pd.Series(wave[:200]))
    np.testing.assert_allclose(forecaster.predict(steps=10), wave[200:], rtol=0, atol=0.1)


class Predicts(torch.nn.Module):
    """A network with the scale of its targets."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x).double() * self.net.target_scale + self.net.target_shift


def test_onnx_predicts_alike(data, tmp_path):
    runtime = installed("onnxruntime")
    installed("onnxscript")
    X, y = data
    model = network(FourierEncoder(3)).fit(X, y)
    rows = ({0: torch.export.Dim("rows")},)
    torch.onnx.export(
        Predicts(model.module_).eval(),
        (torch.as_tensor(X[:5]),),
        tmp_path / "model.onnx",
        dynamo=True,
        dynamic_shapes=rows,
        verbose=False,
    )
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: X})
    np.testing.assert_allclose(found[:, 0], model.predict(X), rtol=0, atol=1e-5)
