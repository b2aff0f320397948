"""Coordinate networks as classifiers: labels, weights of classes, stratified early stopping."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback
from skorch.dataset import Dataset, ValidSplit

from sk_posenc import CoordinateMLPClassifier, FourierEncoder, ShiftedBasisEncoder
from sk_posenc.networks._labels import stratified_parts

small = partial(
    CoordinateMLPClassifier,
    hidden_layer_sizes=(16,),
    lr=1e-2,
    max_epochs=40,
    random_state=0,
    device="cpu",
)
LABELS = {
    "words": np.array(["land", "sea", "town"]),
    "numbers": np.array([-3, 7, 100]),
    "floats": np.array([0.0, 2.0, 5.0]),
    "objects": np.array(["b", "a", "c"], dtype=object),
}


@pytest.fixture(name="data")
def places(rng):
    X = rng.uniform(-1, 1, (240, 2))
    return X, np.where(np.hypot(*X.T) < 0.6, 0, np.where(X[:, 0] < 0, 1, 2))


@parametrize_with_checks([small(ShiftedBasisEncoder(), max_epochs=30)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_any_kind(data, name):
    X, codes = data
    labels = LABELS[name]
    y = labels[codes]
    model = small(train_split=ValidSplit(5)).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    p = model.predict_proba(X)
    assert p.dtype == np.float64
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    assert model.predict(X).dtype == y.dtype
    assert model.score(X, y) > 0.85
    assert model.history_[-1, "valid_acc"] > 0.7
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), p)


def test_booleans_and_a_single_class(data):
    X, y = data
    model = small().fit(X, y == 0)
    assert model.classes_.tolist() == [False, True]
    assert model.score(X, y == 0) > 0.9
    only = small(max_epochs=2).fit(X, np.full(len(X), "sea"))
    assert set(only.predict(X)) == {"sea"}
    np.testing.assert_array_equal(only.predict_proba(X), 1)


def test_without_hidden_layers_it_is_logistic_regression(data):
    X, y = data
    model = small(hidden_layer_sizes=(), batch_size=-1, max_epochs=300, lr=0.2).fit(X, y)
    expected = LogisticRegression(C=np.inf).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 2: 0.5}, {1: 0.0}], ids=str)
def test_class_weights_are_sample_weights(data, class_weight, rng):
    X, y = data
    own = rng.uniform(0.5, 2, len(y))
    for weight in (None, own):
        model = small(class_weight=class_weight, max_epochs=9).fit(X, y, sample_weight=weight)
        if class_weight == "balanced":
            totals = np.bincount(y, weights=weight)
            of_class = totals.sum() / (3 * totals)
        else:
            of_class = compute_sample_weight(class_weight, [0, 1, 2])
        rows = of_class[y] * (1 if weight is None else weight)
        rows = np.where(rows == 0, 1e-300, rows)  # the class is still there
        same = small(max_epochs=9).fit(X, y, sample_weight=rows)
        np.testing.assert_allclose(model.predict_proba(X), same.predict_proba(X), rtol=0, atol=1e-4)


def test_rows_of_weight_0_are_absent(data):
    X, y = data
    absent = small().fit(X[y > 0], y[y > 0])
    weighted = small().fit(X, y, sample_weight=(y > 0) * 2.0)
    assert weighted.classes_.tolist() == [1, 2]
    np.testing.assert_array_equal(weighted.predict_proba(X), absent.predict_proba(X))


def test_partial_fit_knows_all_classes_from_the_first_call(data):
    X, y = data
    model = small(max_epochs=20).partial_fit(X[y < 2], y[y < 2], classes=[2, 0, 1])
    assert model.predict_proba(X).shape == (240, 3)
    before = model.predict_proba(X)
    for labels, classes, message in (
        (y + 1, None, r"y must hold the classes \[.*0.*\] alone.*Got \[.*3.*\] besides"),
        (y, [0, 1], "classes must be those of the first call"),
    ):
        with pytest.raises(ValueError, match=message):
            model.partial_fit(X, labels, classes=classes)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    for _ in range(3):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.85


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"class_weight": "even"}, ValueError, "class_weight must be None, 'balanced' or a dict"),
        ({"class_weight": 3}, TypeError, "class_weight must be .*Got 3"),
        ({"class_weight": {9: 1.0}}, ValueError, r"class_weight names \[9\]"),
        ({"class_weight": {0: -1.0}}, ValueError, "finite and not negative"),
        ({"class_weight": dict.fromkeys(range(3), 0)}, ValueError, "class_weight is 0 for all"),
        ({"classes": []}, ValueError, "classes must name at least one class"),
        ({"encoder": "fourier"}, TypeError, "encoder must be an encoder of sk_posenc or None"),
    ],
)
def test_impossible_settings(data, settings, error, message):
    with pytest.raises(error, match=message):
        small(**settings).fit(*data)


def test_values_are_no_labels(data):
    with pytest.raises(ValueError, match="Unknown label type"):
        small().fit(data[0], data[0][:, 0])


@pytest.mark.parametrize("counts", [(200, 37, 3), (50, 1, 1), (2, 1, 1), (400, 4, 6)])
def test_rows_are_set_aside_by_class(counts, rng):
    codes = rng.permutation(np.repeat(range(3), counts))
    dataset = Dataset(torch.zeros(len(codes), 1), torch.as_tensor(codes))
    train, valid = stratified_parts(dataset, codes, 0.1, seed=3)
    rows = [*train.indices, *valid.indices]
    assert sorted(rows) == list(range(len(codes)))
    held = np.bincount(codes[valid.indices], minlength=3)
    assert held.sum() > 0
    assert (held < counts).all()
    if min(counts) > 3:
        assert (abs(held - 0.1 * np.array(counts)) <= 0.5).all()
    again = stratified_parts(dataset, codes, 0.1, seed=3)
    assert again[1].indices == valid.indices
    assert len(codes) < 10 or stratified_parts(dataset, codes, 0.1, 4)[1].indices != valid.indices


def test_a_class_a_row_leaves_none_to_set_aside():
    with pytest.raises(ValueError, match=r"needs a class of at least two rows.*Got 2 rows"):
        small(early_stopping=2).fit([[0.0], [1.0]], ["a", "b"])


def test_early_stopping_and_checkpoints_are_the_same_code(data, tmp_path):
    X, y = data

    class Interrupt(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 5:
                raise KeyboardInterrupt

    settings = {"early_stopping": 3, "max_epochs": 200, "lr": 0.05, "class_weight": "balanced"}
    with pytest.raises(KeyboardInterrupt):
        small(checkpoint=tmp_path, callbacks=[Interrupt()], **settings).fit(X, y)
    resumed = small(checkpoint=tmp_path, **settings).fit(X, y)
    whole = small(**settings).fit(X, y)
    assert len(whole.history_) < 200
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))


def test_searches_over_the_encoder(data):
    X, y = data
    grid = {"encoder__stable_rank": [2, 5]}
    model = small(FourierEncoder(), max_epochs=10)
    search = GridSearchCV(model, grid, cv=2, scoring="neg_log_loss", error_score="raise").fit(X, y)
    assert search.best_estimator_.encoder_.stable_rank_ is not None
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_card(data):
    X, y = data
    labels = LABELS["words"][y]
    settings = {"class_weight": "balanced", "early_stopping": 5, "device": "cuda"}
    model = small(FourierEncoder(3), **settings).fit(X, labels)
    assert model.device_.type == "cuda"
    assert model.score(X, labels) > 0.8
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_before_a_fit_it_has_no_classes():
    assert not hasattr(small(), "classes_")
    net = small(module__in_features=2, module__out_features=3).initialize()
    assert net.predict_proba(np.zeros((4, 2))).shape == (4, 3)
    assert net.classes_.tolist() == [0, 1, 2]
