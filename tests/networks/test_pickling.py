"""A fitted network as data without code: what skops saves, and loads in another process."""

import copy
import pickle
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_posenc import (
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    FourierEncoder,
    LearnableFourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
)

X = np.random.default_rng(0).uniform(size=(60, 2))
Y = np.sin(5 * X[:, 0]) + X[:, 1]
small = partial(
    CoordinateMLPRegressor, hidden_layer_sizes=(4,), max_epochs=2, random_state=0, device="cpu"
)
REGRESSOR = "sk_posenc.networks.regressor.CoordinateMLPRegressor"
# A network, its targets, and the types that whoever loads it must trust: they stay where they are.
CASES = {
    "raw": (small(), Y, {REGRESSOR}),
    "shifts": (
        small(ShiftedBasisEncoder(stable_rank=4)),
        np.column_stack([Y, -Y]),
        {REGRESSOR, "sk_posenc.encoders.shifted_basis.ShiftedBasisEncoder",
         "sk_posenc.encoders.bases.Gaussian"},
    ),
    "trained": (
        small(LearnableFourierEncoder(8, mlp=(4, 4), random_state=0), early_stopping=3),
        Y,
        {REGRESSOR, "sk_posenc.encoders.learnable.LearnableFourierEncoder"},
    ),
    "logarithmic": (
        small(LogFourierEncoder(3), lr_schedule="cosine"),
        Y,
        {REGRESSOR, "sk_posenc.encoders.log_fourier.LogFourierEncoder"},
    ),
    "drawn": (
        small(RandomFourierEncoder(8), train_encoder=True, random_state=np.random.RandomState(3)),
        Y,
        {REGRESSOR, "sk_posenc.encoders.random_fourier.RandomFourierEncoder"},
    ),
    "classes": (
        CoordinateMLPClassifier(
            FourierEncoder(3),
            hidden_layer_sizes=(4,),
            max_epochs=2,
            optimizer=torch.optim.AdamW,
            device="cpu",
        ),
        np.where(Y > 0.5, "land", "sea"),
        {"sk_posenc.networks.classifier.CoordinateMLPClassifier", "torch.optim.adamw.AdamW",
         "sk_posenc.encoders.fourier.FourierEncoder"},
    ),
}  # fmt: skip


def outputs(model):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def leaves(value):
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each)
    else:
        yield value


@pytest.mark.parametrize("name", CASES)
def test_the_state_is_arrays_and_plain_values(name):
    model, y, _ = CASES[name]
    model = copy.deepcopy(model).fit(X, y)
    state = model.__getstate__()
    plain = (np.ndarray, str, int, float, bool, type(None), np.random.RandomState)
    others = {type(each) for each in leaves(state) if not isinstance(each, plain)}
    assert {each.__name__ for each in others} <= {type(model.encoder).__name__, "type"}
    expected = outputs(model)
    again = type(model).__new__(type(model))
    again.__setstate__(copy.deepcopy(state))
    np.testing.assert_array_equal(outputs(again), expected)
    # more training goes on alike, with the optimiser and the generator as they were
    for each in (model, again):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(outputs(again), outputs(model))
    assert len(again.history_) == len(model.history_)
    assert again.get_params(deep=False).keys() == model.get_params(deep=False).keys()


def test_before_a_fit_it_has_parameters_alone():
    model = small(FourierEncoder(3), lr=0.02)
    again = type(model).__new__(type(model))
    again.__setstate__(model.__getstate__())
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(outputs(again.fit(X, Y)), outputs(model.fit(X, Y)))


def test_a_state_of_another_kind_is_refused():
    model = small().fit(X, Y)
    before = outputs(model)
    harmful = {"__cuda_dependent_attributes__": pickle.dumps(print), "device": "cpu"}
    for state in (harmful, {"format": 0}):
        with pytest.raises(ValueError, match="was saved by another version of sk_posenc"):
            model.__setstate__(state)
    np.testing.assert_array_equal(outputs(model), before)


@pytest.mark.parametrize("name", CASES)
def test_skops_asks_to_trust_few_types(name):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    model, y, trusted = CASES[name]
    model = copy.deepcopy(model).fit(X, y)
    saved = sio.dumps(model)
    assert set(sio.get_untrusted_types(data=saved)) == trusted
    assert not [each for each in trusted if "._" in each]
    loaded = sio.loads(saved, trusted=sorted(trusted))
    np.testing.assert_array_equal(outputs(loaded), outputs(model))


def test_skops_loads_in_another_process(tmp_path):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    model, y, trusted = CASES["shifts"]
    pipeline = make_pipeline(StandardScaler(), copy.deepcopy(model)).fit(X, y)
    sio.dump(pipeline, tmp_path / "model.skops")
    np.savez(tmp_path / "arrays.npz", X=X, expected=pipeline.predict(X))
    code = f"""
import sys
sys.path[:] = {sys.path!r}
import numpy as np
from skops.io import load
loaded = load({str(tmp_path / "model.skops")!r}, trusted={sorted(trusted)!r})
arrays = np.load({str(tmp_path / "arrays.npz")!r})
np.testing.assert_array_equal(loaded.predict(arrays["X"]), arrays["expected"])
print(type(loaded[-1]).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "CoordinateMLPRegressor"
