"""Path preservation, against SciPy's Spearman correlation over all pairs."""

import pickle

import networkx as nx
import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_posenc import (
    AnchorDistanceEncoder,
    make_path_preservation_scorer,
    path_preservation,
    stable_rank_scorer,
)
from sk_posenc.graphs import path_preservation as module

GRAPH = nx.connected_caveman_graph(5, 6)
A = nx.to_scipy_sparse_array(GRAPH, dtype=float)
E = np.random.default_rng(0).normal(size=(30, 4)) + np.repeat(np.eye(5), 6, axis=0)[:, :4] * 2


def by_scipy(nodes, E, level):
    paths = np.array(nx.floyd_warshall_numpy(GRAPH, nodelist=range(30)))
    i, j = np.triu_indices(len(nodes), k=1)
    cosine = np.sum(E[i] * E[j], axis=1) / np.linalg.norm(E[i], axis=1)
    cosine = np.maximum(cosine / np.linalg.norm(E[j], axis=1), level)
    return spearmanr(-paths[nodes[i], nodes[j]], cosine.round(12)).statistic


@pytest.mark.parametrize("level", [-1, 0.1, 0.5])
def test_all_pairs_are_ranked_as_scipy_does(level):
    nodes = np.random.default_rng(1).permutation(30)[:20]
    found = path_preservation(A, E[nodes], nodes, level=level)
    assert found == pytest.approx(by_scipy(nodes, E[nodes], level), abs=1e-12)
    whole = path_preservation(A, E, level=level, n_pairs=435)
    assert whole == pytest.approx(by_scipy(np.arange(30), E, level), abs=1e-12)


def test_pairs_that_are_drawn_are_near_all_of_them(monkeypatch):
    whole = path_preservation(A, E)
    monkeypatch.setattr(module, "_SOURCES", 12)
    drawn = [path_preservation(A, E, n_pairs=200, random_state=seed) for seed in range(20)]
    assert len(set(drawn)) > 10
    assert np.mean(drawn) == pytest.approx(whole, abs=0.06)
    assert path_preservation(A, E, n_pairs=200, random_state=3) == drawn[3]


def test_ends_of_the_scale():
    two = np.kron(np.eye(2), [[0, 1], [1, 0]])  # two parts of two nodes
    assert path_preservation(two, [[1, 0], [1, 0], [0, 1], [0, 1]]) == pytest.approx(1)
    assert path_preservation(two, [[1, 0], [0, 1], [1, 0], [0, 1]]) < 0
    assert path_preservation(two, np.ones((4, 1))) == 0
    assert path_preservation(two, np.zeros((4, 2))) == 0
    assert path_preservation(two, np.eye(2), [0, 1]) == 0


def test_a_search_chooses_the_number_of_anchors():
    scoring = {"paths": make_path_preservation_scorer(A), "rank": stable_rank_scorer}
    search = GridSearchCV(
        AnchorDistanceEncoder(graph=A, random_state=0),
        {"anchors": [1, 4, 20]},
        scoring=scoring,
        refit="paths",
        cv=2,
        error_score="raise",
    ).fit(np.arange(30)[:, None])
    assert search.best_params_["anchors"] > 1
    assert np.all(np.diff(search.cv_results_["mean_test_rank"]) > 0)
    scaled = make_pipeline(search.best_estimator_, StandardScaler()).fit([[3], [4]])
    nodes = np.arange(30)[:, None]
    expected = path_preservation(A, scaled.transform(nodes), random_state=0)
    assert scoring["paths"](scaled, nodes) == expected


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"nodes": [0, 1]}, ValueError, "inconsistent numbers"),
        ({"nodes": np.arange(30) + 1}, ValueError, "0 to 29"),
        ({"level": 1}, ValueError, "level must be"),
        ({"n_pairs": 1}, ValueError, "n_pairs must be at least 2"),
        ({"n_pairs": 2.5}, TypeError, "n_pairs must be a whole number"),
        ({"E": E * np.nan}, ValueError, "NaN"),
        ({"graph": np.triu(A.toarray())}, ValueError, "symmetric"),
    ],
)
def test_what_cannot_be_measured(change, error, words):
    with pytest.raises(error, match=words):
        path_preservation(**{"graph": A, "E": E} | change)


def test_a_search_by_the_scorer_survives_pickling():
    ring = np.roll(np.eye(30), 1, axis=0) + np.roll(np.eye(30), -1, axis=0)
    scorer = make_path_preservation_scorer(ring)
    encoder = AnchorDistanceEncoder(graph=ring, random_state=0)
    nodes = np.arange(30)[:, None]
    search = GridSearchCV(encoder, {"anchors": [1, 6]}, scoring=scorer, cv=2).fit(nodes)
    again = pickle.loads(pickle.dumps(search))
    assert again.score(nodes) == search.score(nodes)
    with pytest.raises(TypeError, match="expected a transformer of nodes"):
        scorer(KFold(2), nodes)
