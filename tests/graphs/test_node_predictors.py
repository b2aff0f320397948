"""Values at nodes: the regressor and the classifier that learn along paths."""

import pickle

import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.dataset import ValidSplit
from test_package import PATHS, ClassifierOfShares, RegressorOfShares

from sk_posenc import AnchorPathClassifier, AnchorPathRegressor
from sk_posenc.graphs._path_network import PathNetwork

GRID = nx.to_scipy_sparse_array(nx.grid_2d_graph(8, 8), dtype=float)
NODES = np.arange(64)[:, None]
ROW, COLUMN = np.divmod(np.arange(64), 8)
HEIGHT = np.sin(ROW / 3) + COLUMN / 8
SIDE = np.where(ROW + COLUMN < 8, "near", "far")


def small(kind, **settings):
    common = {"n_features": 6, "max_epochs": 5, "random_state": 0, "device": "cpu", "graph": GRID}
    return kind([0, 7], **common | settings)


@parametrize_with_checks([RegressorOfShares(**PATHS), ClassifierOfShares(**PATHS)])
def test_scikit_learn_checks(estimator, check):
    if "s_train" not in repr(check):  # these alone ask for a score
        estimator = clone(estimator).set_params(max_epochs=2)
    check(estimator)


def test_folds_split_nodes_and_never_the_graph():
    folds = KFold(2, shuffle=True, random_state=0)
    regressor = small(AnchorPathRegressor, max_epochs=80)
    assert cross_val_score(regressor, NODES, HEIGHT, cv=folds).min() > 0.8
    classifier = small(AnchorPathClassifier, max_epochs=60)
    assert cross_val_score(classifier, NODES, SIDE, cv=folds).min() > 0.8


def test_predictions_have_the_units_and_the_shape_of_the_targets():
    alone = small(AnchorPathRegressor, max_epochs=60).fit(NODES, HEIGHT)
    scaled = small(AnchorPathRegressor, max_epochs=60).fit(NODES, 1e3 * HEIGHT - 50)
    np.testing.assert_allclose(
        scaled.predict(NODES), 1e3 * alone.predict(NODES) - 50, rtol=1e-3, atol=1
    )
    assert alone.predict(NODES).dtype == np.float64
    both = small(AnchorPathRegressor).fit(NODES, np.column_stack([HEIGHT, np.full(64, 3.0)]))
    assert both.predict(NODES).shape == (64, 2)
    np.testing.assert_allclose(both.predict(NODES)[:, 1], 3, atol=1.5)
    with pytest.raises(ValueError, match=r"y must be of shape \(n_samples, 2\), as before"):
        both.partial_fit(NODES, HEIGHT)
    with pytest.raises(ValueError, match="y must be 1-d, as before"):
        alone.partial_fit(NODES, HEIGHT[:, None] * [1, 1])
    assert not hasattr(alone, "predict_proba")


@pytest.mark.parametrize("length", [4, 150])
def test_training_stays_bounded_however_deep_the_graph_is(length):
    path = nx.to_scipy_sparse_array(nx.path_graph(length), dtype=float)
    nodes = np.arange(length)[:, None]
    height = np.sin(6 * nodes[:, 0] / length)
    for seed in range(3):
        model = AnchorPathRegressor([0], graph=path, max_epochs=60, device="cpu", random_state=seed)
        model.fit(nodes, height)
        assert max(model.history_[:, "train_loss"]) < 10  # in units of the variance
        assert model.score(nodes, height) > 0.9


def test_classes_keep_their_names():
    model = small(AnchorPathClassifier, max_epochs=40).fit(NODES[::2], SIDE[::2])
    assert list(model.classes_) == ["far", "near"]
    chances = model.predict_proba(NODES)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(NODES), model.classes_[chances.argmax(axis=1)])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(NODES), chances)
    model.partial_fit(NODES[:5], SIDE[:5])  # of one class only
    assert list(model.classes_) == ["far", "near"]
    with pytest.raises(ValueError, match=r"Got .*'middle'"):
        model.partial_fit(NODES[:5], ["near", "far", "middle", "near", "far"])
    with pytest.raises(ValueError, match="at least two classes"):
        small(AnchorPathClassifier).fit(NODES[:5], SIDE[:5])


def test_rows_may_hold_several_nodes():
    pairs = np.random.default_rng(0).integers(64, size=(300, 2))
    gaps = ROW[pairs[:, 0]] - ROW[pairs[:, 1]]
    model = small(AnchorPathRegressor, max_epochs=80).fit(pairs[:200], gaps[:200])
    assert model.score(pairs[200:], gaps[200:]) > 0.8
    assert model.module_.head[0].in_features == 2 * 2 * 6


def test_the_graph_may_be_X():  # noqa: N802
    model = small(AnchorPathRegressor, graph=None).fit(GRID, HEIGHT)
    by_nodes = small(AnchorPathRegressor).fit(NODES, HEIGHT)
    np.testing.assert_array_equal(model.predict(GRID), by_nodes.predict(NODES))
    with pytest.raises(ValueError, match="must be the graph of fit"):
        model.predict(GRID.tocsr()[:3])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(GRID, HEIGHT[:5])


def test_a_graph_convolution_and_features_of_nodes_join_in(rng):
    x = rng.normal(size=(64, 2)).astype(np.float32)
    common = {"node_features": x, "hidden_layer_sizes": (), "max_epochs": 100, "anchors": [0]}
    plain, fused = (small(AnchorPathRegressor, gcn_layers=n).set_params(**common) for n in (0, 1))
    # a value that neighbours decide, and no position
    A = GRID.toarray() + np.eye(64)
    y = np.abs(A @ x[:, 0] / A.sum(axis=1))
    test = np.arange(0, 64, 4)
    train = np.setdiff1d(np.arange(64), test)
    scores = [
        model.fit(NODES[train], y[train]).score(NODES[test], y[test]) for model in (plain, fused)
    ]
    assert scores[1] > max(0.6, scores[0] + 0.2)


def test_heads_and_training_are_searched():
    search = GridSearchCV(
        small(AnchorPathClassifier, max_epochs=3),
        {"hidden_layer_sizes": [(), 4, (8, 8)], "anchors": [1, [0, 7]]},
        cv=2,
        error_score="raise",
    ).fit(NODES, SIDE)
    assert len(search.cv_results_["params"]) == 6
    linear = small(AnchorPathClassifier, hidden_layer_sizes=()).fit(NODES, SIDE)
    assert len(linear.module_.head) == 1
    watched = small(AnchorPathClassifier, train_split=ValidSplit(4), optimizer=torch.optim.AdamW)
    assert "valid_loss" in watched.fit(NODES, SIDE).history_[0]
    assert repr(AnchorPathClassifier()) == "AnchorPathClassifier()"
    assert repr(clone(AnchorPathRegressor(4, lr=0.1))) == "AnchorPathRegressor(anchors=4, lr=0.1)"


@pytest.mark.parametrize("kind", [AnchorPathRegressor, AnchorPathClassifier])
def test_refused_fits_change_nothing(kind):
    y = HEIGHT if kind is AnchorPathRegressor else SIDE
    model = small(kind).fit(NODES, y)
    expected = model.predict(NODES)
    for change, words in (
        ({"hidden_layer_sizes": (4, 0)}, "at least 1"),
        ({"hidden_layer_sizes": "wide"}, "whole number"),
        ({"graph": GRID[:9]}, "as many columns"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            clone(model).set_params(**change).fit(NODES, y)
        before = model.get_params()
        with pytest.raises((ValueError, TypeError), match=words):
            model.set_params(**change).fit(NODES, y)
        model.set_params(**{name: before[name] for name in change})
        np.testing.assert_array_equal(model.predict(NODES), expected)


# --- weights of rows


@pytest.mark.parametrize("kind", [AnchorPathRegressor, AnchorPathClassifier])
def test_rows_of_weight_0_are_absent_and_of_weight_2_are_there_twice(kind):
    rows, weight = np.arange(0, 60, 3), np.tile([0, 1, 2, 1], 5)
    y = HEIGHT if kind is AnchorPathRegressor else SIDE
    repeated = np.repeat(rows, weight)
    expected = small(kind).fit(NODES[repeated], y[repeated]).predict(NODES)
    wrong = np.where(weight > 0, y[rows], y[rows][::-1])  # of those that are absent
    model = small(kind).fit(NODES[rows], wrong, sample_weight=weight)
    np.testing.assert_array_equal(model.predict(NODES), expected)
    model.partial_fit(NODES[rows], wrong, sample_weight=weight)
    assert len(model.history_) == 10


def test_many_rows_count_as_their_weights_say(rng):
    weight = rng.uniform(0, 3, size=64)
    model = small(AnchorPathRegressor, max_epochs=0).fit(NODES, HEIGHT, weight)
    shift, scale = (float(each[0]) for each in model._scaling)
    mean = np.average(HEIGHT, weights=weight)
    assert shift == pytest.approx(mean)
    assert scale == pytest.approx(np.sqrt(np.average((HEIGHT - mean) ** 2, weights=weight)))
    before = (model.predict(NODES) - shift) / scale
    loss = model.partial_fit(NODES, HEIGHT, sample_weight=weight).set_params(max_epochs=1)
    loss = loss.partial_fit(NODES, HEIGHT, sample_weight=weight).history_[0]["train_loss"]
    errors = (before - (HEIGHT - shift) / scale) ** 2
    assert loss == pytest.approx(np.average(errors, weights=weight), rel=1e-4)


def test_weights_that_no_fit_could_follow():
    model = small(AnchorPathRegressor, graph=None)
    with pytest.raises(ValueError, match=r"give the graph as `graph`.*Got 1 weights of 0"):
        model.fit(GRID, HEIGHT, sample_weight=ROW + COLUMN)
    assert model.fit(GRID, HEIGHT, sample_weight=1 + ROW).score(GRID, HEIGHT) > -1
    with pytest.raises(ValueError, match="must not be negative"):
        small(AnchorPathClassifier).fit(NODES, SIDE, sample_weight=-1 - ROW)


# --- files


def test_checkpoints_are_those_of_a_graph_and_its_anchors(tmp_path):
    other = nx.to_scipy_sparse_array(nx.cycle_graph(64), dtype=float)
    saved = small(AnchorPathRegressor, graph=None, checkpoint=tmp_path).fit(GRID, HEIGHT)
    again = clone(saved).fit(GRID, HEIGHT)
    np.testing.assert_array_equal(again.predict(GRID), saved.predict(GRID))
    elsewhere = clone(saved).fit(other, HEIGHT)
    plain = clone(saved).set_params(checkpoint=None).fit(other, HEIGHT)
    np.testing.assert_array_equal(elsewhere.predict(other), plain.predict(other))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("graph", [None, GRID])
def test_skops_asks_to_trust_the_estimator_and_the_graph(graph):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    X = GRID if graph is None else NODES
    settings = {"graph": graph, "gcn_layers": 1, "node_features": np.eye(64)}
    for kind, y in ((AnchorPathRegressor, HEIGHT), (AnchorPathClassifier, SIDE)):
        model = small(kind, **settings).fit(X, y)
        saved = sio.dumps(model)
        trusted = sio.get_untrusted_types(data=saved)
        graphs = {"scipy.sparse._csr.csr_array"}  # what the graph is, here and in SciPy
        assert set(trusted) - graphs == {f"{kind.__module__}.{kind.__name__}"}
        loaded = sio.loads(saved, trusted=trusted)
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        np.testing.assert_array_equal(
            loaded.partial_fit(X, y).predict(X), model.partial_fit(X, y).predict(X)
        )


def test_messages_go_through_the_graph_once_for_all_that_is_predicted(monkeypatch):
    model = small(AnchorPathRegressor).fit(NODES, HEIGHT)
    rows = np.tile(NODES, (20, 1))
    calls = []
    forward = PathNetwork.forward
    monkeypatch.setattr(PathNetwork, "forward", lambda net: (calls.append(1), forward(net))[1])
    np.testing.assert_array_equal(model.predict(rows), np.tile(model.predict(NODES), 20))
    assert len(calls) == 2
    model.partial_fit(NODES, HEIGHT)  # what was held is not trained on
    assert len(calls) == 2 + model.max_epochs
