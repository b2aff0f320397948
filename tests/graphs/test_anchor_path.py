"""What nodes receive along paths: which nodes it tells apart, and what leaves it unchanged."""

import pickle

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_package import PATHS

from sk_posenc import AnchorPathEncoder
from sk_posenc.graphs._convolution import GraphConvolution
from sk_posenc.graphs._graph import graph_of
from sk_posenc.graphs._layers import PathLayers
from sk_posenc.graphs.anchor_path import unlinked_pairs

RING = nx.cycle_graph(12)
GRID = nx.convert_node_labels_to_integers(nx.grid_2d_graph(5, 5))


def adjacency(graph):
    return nx.to_scipy_sparse_array(graph, nodelist=range(len(graph)), dtype=float)


def encoder(anchors, **settings):
    common = {"n_features": 6, "max_epochs": 2, "random_state": 0, "device": "cpu"}
    return AnchorPathEncoder(anchors, **common | settings)


def encoded(graph, anchors, **settings):
    return encoder(anchors, **settings).fit_transform(adjacency(graph))


def n_distinct(rows):
    """How many rows differ by more than rounding errors."""
    near = np.abs(rows[:, None] - rows).max(axis=2) < 1e-5
    return len(np.unique(near, axis=0))


@parametrize_with_checks([AnchorPathEncoder(**PATHS | {"max_epochs": 1})])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# --- which nodes are told apart


@pytest.mark.parametrize(
    ("graph", "anchors", "n"),
    [
        (RING, [0], 7),
        (RING, [0, 6], 7),  # opposite each other
        (RING, [0, 1], 12),
        (GRID, [12], 5),  # the centre
        (GRID, [0], 9),
        (GRID, [0, 4], 25),  # two corners on one side
        (GRID, [0, 24], 9),
    ],
)
def test_the_mean_tells_apart_what_distances_do(graph, anchors, n):
    assert n_distinct(encoded(graph, anchors)) == n
    hops = [nx.single_source_shortest_path_length(graph, each) for each in anchors]
    assert len({tuple(of[node] for of in hops) for node in graph}) == n


def test_the_sum_tells_numbers_of_paths_too():
    by_sum = encoded(GRID, [0], aggregation="sum")
    numbers = {
        node: len(list(nx.all_shortest_paths(GRID, 0, node))) if node else 1 for node in GRID
    }
    hops = nx.single_source_shortest_path_length(GRID, 0)
    assert n_distinct(by_sum) == len({(hops[node], numbers[node]) for node in GRID}) > 9


def test_a_graph_convolution_tells_nothing_on_a_ring():
    alone = GraphConvolution(graph_of(adjacency(RING)), 6, 2, None, torch.Generator())
    assert n_distinct(alone().detach().numpy()) == 1
    fused = encoded(RING, [0], gcn_layers=2)
    assert fused.shape == (12, 12)
    assert n_distinct(fused[:, 6:]) == 1
    assert n_distinct(fused) == 7


def test_a_graph_convolution_is_the_product_of_normalised_matrices(rng):
    A, given = adjacency(nx.path_graph(7)).toarray(), rng.normal(size=(7, 3))
    layer = GraphConvolution(graph_of(A), 4, 1, torch.tensor(given).float(), torch.Generator())
    loops = A + np.eye(7)
    scale = np.diag(1 / np.sqrt(loops.sum(axis=0)))
    weight = layer.layers[0].weight.detach().numpy()
    expected = np.maximum(scale @ loops @ scale @ given @ weight.T, 0)
    np.testing.assert_allclose(layer().detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("aggregation", ["mean", "sum"])
def test_features_are_those_of_a_search_node_by_node(aggregation, rng):
    graph = nx.gnp_random_graph(14, 0.2, seed=4)
    x = rng.normal(size=(14, 2)).astype(np.float32)
    settings = {"aggregation": aggregation, "node_features": x}
    fitted = encoder([3, 7], **settings).fit(adjacency(graph))
    net = fitted.module_.features.paths
    with torch.no_grad():
        found, shares = {}, net.shares.unique()
        for anchor in (3, 7):
            hops = nx.single_source_shortest_path_length(graph, anchor)
            for v, hop in sorted(hops.items(), key=lambda each: each[1]):
                if not hop:
                    found[v, anchor] = net.start
                    continue
                sent = [net.message(found[u, anchor]) for u in graph[v] if hops.get(u) == hop - 1]
                joined = sum(sent) / len(sent) if aggregation == "mean" else sum(sent) * shares
                found[v, anchor] = torch.relu(net.update(joined) + net.own(torch.tensor(x[v])))
    rows = fitted.transform(adjacency(graph)).reshape(14, 2, 6)
    for node in graph:
        for j, anchor in enumerate((3, 7)):
            expected = found.get((node, anchor), torch.zeros(6)).detach().numpy()
            np.testing.assert_allclose(rows[node, j], expected, atol=1e-5)


# --- what leaves it unchanged


@settings(max_examples=15)
@given(st.integers(0, 50), st.permutations(range(15)), st.sampled_from(["mean", "sum"]))
def test_renamed_nodes_have_the_same_features(seed, order, aggregation):
    A = adjacency(nx.gnp_random_graph(15, 0.2, seed=seed)).tocsr()
    if not A.nnz:
        return
    fit = encoder([order[0], order[2]], max_epochs=0, aggregation=aggregation)
    expected = fit.fit_transform(A)[order]
    renamed = fit.set_params(anchors=[0, 2]).fit_transform(A[order][:, order])
    np.testing.assert_allclose(renamed, expected, atol=1e-6)


def test_a_symmetry_that_keeps_the_anchors_keeps_the_features():
    for aggregation in ("mean", "sum"):
        rows = encoded(GRID, [0, 24], aggregation=aggregation).reshape(5, 5, -1)
        np.testing.assert_allclose(rows, rows.transpose(1, 0, 2), atol=1e-6)
        assert not np.allclose(rows, rows[::-1, ::-1])


def test_links_between_nodes_that_are_as_far_carry_nothing():
    triangles = nx.path_graph(6)
    triangles.add_edges_from([(0, 6), (6, 1), (2, 7), (7, 3)])  # 6 and 1 are as far from 0
    fitted = encoder([0], max_epochs=0)
    before = fitted.fit_transform(adjacency(triangles))
    triangles.remove_edge(6, 1)
    np.testing.assert_array_equal(fitted.fit_transform(adjacency(triangles)), before)
    triangles.remove_edge(2, 3)  # this one is on a path
    assert not np.allclose(fitted.fit_transform(adjacency(triangles)), before)


def test_what_is_not_reached_is_zero():
    parts = nx.disjoint_union_all([nx.path_graph(5), nx.cycle_graph(4), nx.empty_graph(1)])
    blocks = encoded(parts, [1, 5], max_epochs=20).reshape(10, 2, 6)
    reached = np.zeros((10, 2), dtype=bool)
    reached[:5, 0] = reached[5:9, 1] = True
    assert not blocks[~reached].any()
    assert np.all(blocks[reached].any(axis=1))
    alone = encoded(parts, [9])
    assert alone[9].any()
    assert not alone[:9].any()


def test_anchors_may_be_sets_of_nodes():
    fitted = encoder(3, placement="sets").fit(adjacency(RING))
    assert [len(each) for each in fitted.anchors_] == [6, 3, 1]
    rows = fitted.transform(adjacency(RING)).reshape(12, 3, 6)
    for j, nodes in enumerate(fitted.anchors_):
        hops = nx.multi_source_dijkstra_path_length(RING, set(nodes.tolist()))
        assert n_distinct(rows[:, j]) == len(set(hops.values()))
    names = fitted.get_feature_names_out()
    assert (len(names), names[0], names[-1]) == (18, "from_set0_0", "from_set2_5")


# --- what it learns of links


def test_pairs_without_a_link_have_none_in_either_direction():
    A = sparse.csr_array(adjacency(GRID))
    drawn = unlinked_pairs(A, 6000, torch.Generator().manual_seed(0)).numpy()
    assert drawn.shape == (6000, 2)
    assert not A[drawn[:, 0], drawn[:, 1]].any()
    assert not A[drawn[:, 1], drawn[:, 0]].any()
    assert np.all(drawn[:, 0] != drawn[:, 1])
    assert len(np.unique(drawn, axis=0)) == 25 * 24 - A.nnz


def test_links_that_were_held_out_are_found_and_never_walked():
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(9, 9))
    rng = np.random.default_rng(0)
    edges = rng.permutation(np.array(graph.edges))
    held_out, kept = edges[:14], graph.copy()
    kept.remove_edges_from(held_out.tolist())
    fitted = AnchorPathEncoder(8, n_features=8, random_state=0, device="cpu")
    fitted.fit(adjacency(kept))
    hops = nx.single_source_shortest_path_length(kept, int(fitted.anchors_[0]))
    layers = PathLayers.around(fitted._graph, fitted._anchor_sets())
    layer = np.repeat(np.arange(len(layers.sizes)), layers.sizes)
    walked = dict(zip(layers.cells.tolist(), layer.tolist(), strict=True))
    assert {v: walked[8 * v] for v in hops} == hops
    others = unlinked_pairs(adjacency(graph), 200, torch.Generator().manual_seed(1)).numpy()
    truth = np.repeat([1, 0], [len(held_out), len(others)])
    found = fitted.link_probabilities(np.concatenate([held_out, others]))
    assert roc_auc_score(truth, found) > 0.85
    np.testing.assert_array_equal(found, fitted.link_probabilities(
        np.concatenate([held_out, others])[:, ::-1]
    ))  # fmt: skip
    assert fitted.history_[-1]["train_loss"] < 0.6 * fitted.history_[0]["train_loss"]
    with pytest.raises(ValueError, match="two columns"):
        fitted.link_probabilities([[1, 2, 3]])
    with pytest.raises(ValueError, match="fit again"):
        fitted.link_probabilities([[1, 81]])


def test_early_stopping_holds_out_links():
    fitted = encoder([0, 4], max_epochs=30, early_stopping=3, batch_size=8).fit(adjacency(GRID))
    assert "valid_loss" in fitted.history_[0]
    assert len(fitted.history_[0]["batches"]) == 36 // 8 + 2  # and the links held out


@pytest.mark.parametrize("graph", [nx.empty_graph(5), nx.complete_graph(5)])
def test_graphs_with_nothing_to_learn(graph):
    with pytest.raises(ValueError, match=r"Got \d+ links of 5 nodes"):
        encoded(graph, [0])


# --- in scikit-learn and skorch


def test_fits_with_equal_seeds_are_equal_also_after_pickling():
    fitted = encoder(2, graph=adjacency(GRID), max_epochs=3).fit([[0]])
    nodes = np.arange(25)[:, None]
    expected = fitted.transform(nodes)
    assert expected.dtype == np.float32
    for again in (clone(fitted).fit([[1]]), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(again.transform(nodes), expected)
    assert not np.array_equal(clone(fitted).set_params(random_state=1).fit([[0]]), expected)
    fitted.partial_fit([[0]])
    assert len(fitted.history_) == 6
    assert not np.array_equal(fitted.transform(nodes), expected)
    assert "graph" in repr(fitted)
    assert repr(AnchorPathEncoder()) == "AnchorPathEncoder()"
    for name in ("predict", "predict_proba"):
        assert not hasattr(fitted, name)
    names = fitted.get_feature_names_out(["node"])
    assert list(names[[0, -1]]) == [
        f"node_from_{a}_{i}" for a, i in zip(fitted.anchors_, (0, 5), strict=True)
    ]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"n_features": 0}, ValueError, "n_features must be at least 1"),
        ({"aggregation": "max"}, ValueError, "aggregation must be one of"),
        ({"gcn_layers": -1}, ValueError, "gcn_layers must be at least 0"),
        ({"anchors": 30}, ValueError, "at most the number of nodes"),
        ({"node_features": np.ones((3, 2))}, ValueError, "a row for each of the 25 nodes"),
        ({"graph": np.triu(np.ones((3, 3)))}, ValueError, "symmetrise"),
        ({"lr": "fast"}, TypeError, "lr must be a number"),
    ],
)
def test_settings_that_no_fit_could_follow(settings, error, words):
    fitted = encoder(2, graph=adjacency(GRID)).fit([[0]])
    expected = fitted.transform([[3]])
    with pytest.raises(error, match=words):
        fitted.set_params(**settings).fit([[0]])
    np.testing.assert_array_equal(fitted.transform([[3]]), expected)


def test_weights_of_rows_are_refused():
    fitted = encoder(2, graph=adjacency(GRID)).fit([[0]])
    for train in (fitted.fit, fitted.partial_fit):
        with pytest.raises(TypeError, match="takes no sample_weight"):
            train([[0], [1]], sample_weight=[1, 2])


def test_other_graphs_than_that_of_fit_are_refused():
    fitted = encoder(2).fit(adjacency(GRID))
    with pytest.raises(ValueError, match="must be the graph of fit"):
        fitted.transform(adjacency(GRID).tocsr()[:4])
    with pytest.raises(ValueError, match="must be the graph of fit"):
        fitted.partial_fit(adjacency(nx.path_graph(25)))
    with pytest.raises(NotFittedError):
        encoder(2).transform(adjacency(GRID))
