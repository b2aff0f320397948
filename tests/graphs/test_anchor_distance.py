"""Nearness to anchors, against networkx; graphs as X, graphs as a parameter, new nodes."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from sk_posenc import AnchorDistanceEncoder, stable_rank_scorer
from sk_posenc.graphs import _paths


def adjacency(graph):
    return nx.to_scipy_sparse_array(graph, dtype=float)


GRID = adjacency(nx.grid_2d_graph(7, 6))
PARTS = adjacency(nx.disjoint_union_all([nx.path_graph(5), nx.cycle_graph(4), nx.empty_graph(1)]))


@st.composite
def graphs(draw):
    """Random graphs of several parts, with lengths or without."""
    n, share = draw(st.integers(3, 25)), draw(st.sampled_from([0.03, 0.1, 0.4]))
    graph = nx.gnp_random_graph(n, share, seed=draw(st.integers(0, 99)))
    if draw(st.booleans()):
        lengths = draw(st.lists(st.sampled_from([0.1, 0.7, 1.0, 2.5, 9.0]), min_size=1))
        for k, edge in enumerate(graph.edges):
            graph.edges[edge]["weight"] = lengths[k % len(lengths)]
    return graph


@given(graphs(), st.integers(0, 2), st.sampled_from([None, 1.5, 4.0]))
def test_features_are_the_nearness_that_networkx_finds(graph, seed, limit):
    n = len(graph)
    encoder = AnchorDistanceEncoder(3, max_distance=limit, random_state=seed)
    encoded = encoder.fit_transform(adjacency(graph))
    expected = np.zeros((n, 3))
    for j, anchor in enumerate(encoder.anchors_):
        for node, length in nx.single_source_dijkstra_path_length(graph, anchor).items():
            if limit is None or length <= limit:
                expected[node, j] = 1 / (1 + length)
    np.testing.assert_allclose(encoded, expected, rtol=1e-12)
    assert np.array_equal(encoded == 0, np.isinf(encoder.distances_))


@given(graphs(), st.integers(0, 3))
def test_an_anchor_of_several_nodes_is_as_near_as_its_nearest(graph, seed):
    A = adjacency(graph)
    by_sets = AnchorDistanceEncoder(9, placement="sets", random_state=seed).fit(A)
    alone = AnchorDistanceEncoder(np.arange(len(graph))).fit_transform(A)
    expected = np.stack([alone[:, nodes].max(axis=1) for nodes in by_sets.anchors_], axis=1)
    np.testing.assert_allclose(by_sets.transform(A), expected, rtol=1e-12)
    n_sizes = int(np.log2(len(graph)))
    assert [len(nodes) for nodes in by_sets.anchors_] == [
        max(1, len(graph) // 2 ** (1 + j % n_sizes)) for j in range(9)
    ]


@given(graphs(), st.randoms(use_true_random=False))
def test_renamed_nodes_have_the_same_encodings(graph, random):
    order = list(range(len(graph)))
    random.shuffle(order)
    A = adjacency(graph).tocsr()
    encoded = AnchorDistanceEncoder([order[0], order[2]]).fit_transform(A)
    renamed = AnchorDistanceEncoder([0, 2]).fit_transform(A[order][:, order])
    np.testing.assert_array_equal(renamed, encoded[order])


def test_nodes_of_a_graph_and_the_graph_as_x_are_encoded_alike():
    whole = AnchorDistanceEncoder(5, random_state=3)
    nodes = AnchorDistanceEncoder(5, graph=GRID, random_state=3)
    encoded = whole.fit_transform(GRID)
    assert np.array_equal(whole.anchors_, nodes.fit([[4], [9]]).anchors_)
    picked = np.array([[40], [0], [7], [7]])
    np.testing.assert_array_equal(nodes.transform(picked), encoded[picked[:, 0]])
    np.testing.assert_array_equal(whole.transform(GRID.toarray()), encoded)
    pairs = clone(nodes).fit_transform([[4, 9], [0, 41]])
    np.testing.assert_array_equal(pairs, [[*encoded[4], *encoded[9]], [*encoded[0], *encoded[41]]])
    assert encoded.dtype == np.float64
    np.testing.assert_array_equal(encoded[whole.anchors_, np.arange(5)], 1)


@given(graphs(), st.integers(1, 4))
def test_new_nodes_are_reached_through_known_ones(graph, n_new):
    A = adjacency(graph).tocsr()
    known = np.arange(len(graph))[:-1]
    encoder = AnchorDistanceEncoder([0, 1]).fit(A[known][:, known])
    (last,) = encoder.transform(A[[len(graph) - 1]][:, known])
    # paths to anchors 0 and 1 in the whole graph, but not through the new node and out again
    np.testing.assert_allclose(last, AnchorDistanceEncoder([0, 1]).fit_transform(A)[-1])
    rows = sparse.vstack([A[[0]][:, known]] * n_new).toarray()
    rows[-1] = 0
    assume(n_new != len(known) or (rows != A[known][:, known].toarray()).any())
    several = encoder.transform(rows)
    assert several.shape == (n_new, 2)
    assert not several[-1].any()


def test_many_new_nodes_are_done_in_blocks(monkeypatch):
    encoder = AnchorDistanceEncoder(4, random_state=0).fit(GRID)
    links = sparse.random_array((30, 42), density=0.1, rng=np.random.default_rng(0), format="csr")
    expected = encoder.transform(links)
    monkeypatch.setattr(_paths, "_BLOCK", 40)
    np.testing.assert_array_equal(encoder.transform(links), expected)


def test_new_nodes_keep_to_the_largest_distance():
    A = adjacency(nx.path_graph(6))
    encoder = AnchorDistanceEncoder([0], max_distance=3).fit(A)
    np.testing.assert_allclose(encoder.transform(A)[:, 0], [1, 1 / 2, 1 / 3, 1 / 4, 0, 0])
    ends = np.zeros((2, 6))
    ends[0, 2] = ends[1, 3] = 1
    np.testing.assert_allclose(encoder.transform(ends)[:, 0], [1 / 4, 0])


# --- where anchors stand


def test_spread_anchors_are_far_apart():
    spread = AnchorDistanceEncoder(4, placement="spread", random_state=0).fit(GRID)
    gaps = spread.distances_[spread.anchors_] + np.diag([np.inf] * 4)
    random = [AnchorDistanceEncoder(4, random_state=seed).fit(GRID) for seed in range(20)]
    others = [each.distances_[each.anchors_] + np.diag([np.inf] * 4) for each in random]
    assert gaps.min() >= max(each.min() for each in others)
    # each one is as far as can be from those before it
    for j in range(1, 4):
        nearest = spread.distances_[:, :j].min(axis=1)
        assert nearest[spread.anchors_[j]] == nearest.max()


def test_spread_anchors_reach_parts_that_have_their_share():
    part = np.repeat([0, 1, 2], [5, 4, 1])
    for seed in range(5):
        encoder = AnchorDistanceEncoder(3, placement="spread", random_state=seed).fit(PARTS)
        assert sorted(part[encoder.anchors_])[::2] == [0, 1]
    assert len(set(AnchorDistanceEncoder(10, placement="spread").fit(PARTS).anchors_)) == 10


def test_random_anchors_are_distinct_and_decided_by_the_seed():
    a, b, c = (AnchorDistanceEncoder(40, random_state=s).fit(GRID).anchors_ for s in (0, 0, 1))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert len(set(a)) == 40


# --- graphs that are not plain


def test_directions_are_refused_or_made_both():
    one_way = sparse.csr_array(([2.0, 3.0, 1.0, 5.0], ([0, 1, 2, 1], [1, 2, 1, 0])), shape=(3, 3))
    before = one_way.copy()
    with pytest.raises(ValueError, match="symmetrise"):
        AnchorDistanceEncoder([0]).fit(one_way)
    encoder = AnchorDistanceEncoder([0], directed="symmetrise")
    for fitted in (encoder.fit(one_way), clone(encoder).set_params(graph=one_way).fit([[0]])):
        np.testing.assert_array_equal(fitted.distances_[:, 0], [0, 2, 3])
    np.testing.assert_array_equal(encoder.fit(one_way).transform(one_way)[:, 0], [1, 1 / 3, 1 / 4])
    assert (one_way != before).nnz == 0


def test_links_without_length_and_loops_are_none():
    A = sparse.coo_array(([1.0, 1, 0, 0, 9], ([0, 1, 1, 2, 2], [1, 0, 2, 1, 2])), shape=(3, 3))
    np.testing.assert_array_equal(
        AnchorDistanceEncoder([0]).fit(A).distances_[:, 0], [0, 1, np.inf]
    )
    assert A.nnz == 5


def test_kinds_of_matrices_are_equal():
    expected = AnchorDistanceEncoder([3]).fit_transform(GRID)
    for other in (GRID.toarray(), GRID.astype(bool), GRID.tocoo(), sparse.csc_matrix(GRID)):
        encoded = AnchorDistanceEncoder([3], graph=other).fit_transform(np.arange(42)[:, None])
        np.testing.assert_array_equal(encoded, expected)
        np.testing.assert_array_equal(AnchorDistanceEncoder([3]).fit_transform(other), expected)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"anchors": 0}, ValueError, "at least 1"),
        ({"anchors": 43}, ValueError, "at most the number of nodes, 42"),
        ({"anchors": [42]}, ValueError, "0 to 41"),
        ({"anchors": [-1]}, ValueError, "0 to 41"),
        ({"anchors": [1, 1]}, ValueError, "each of them once"),
        ({"anchors": []}, TypeError, "array of nodes"),
        ({"anchors": [0.5]}, TypeError, "array of nodes"),
        ({"anchors": [[1]]}, TypeError, "array of nodes"),
        ({"anchors": "all"}, TypeError, "array of nodes"),
        ({"anchors": True}, TypeError, "array of nodes"),
        ({"placement": "far"}, ValueError, "placement must be one of"),
        ({"directed": True}, TypeError, "directed must be one of"),
        ({"max_distance": 0}, ValueError, "greater than 0"),
        ({"graph": GRID[:3]}, ValueError, "as many columns as rows"),
        ({"graph": -GRID}, ValueError, "Negative values"),
        ({"graph": GRID * np.nan}, ValueError, "NaN"),
        ({"graph": nx.path_graph(42)}, TypeError, "to_scipy_sparse_array"),
    ],
)
def test_settings_that_no_fit_could_follow(settings, error, words):
    encoder = AnchorDistanceEncoder(2, graph=GRID, random_state=0).fit([[0]])
    before = vars(encoder).copy()
    with pytest.raises(error, match=words):
        encoder.set_params(**settings).fit([[0]])
    fitted = {name for name in before if name.endswith("_")}
    assert fitted
    assert all(getattr(encoder, name) is before[name] for name in fitted)


@pytest.mark.parametrize(("node", "words"), [(42, "fit again"), (-1, "Negative"), (0.5, "whole")])
def test_nodes_that_the_graph_does_not_have(node, words):
    encoder = AnchorDistanceEncoder(2, graph=GRID)
    with pytest.raises(ValueError, match=words):
        encoder.fit([[node]])
    with pytest.raises(ValueError, match=words):
        encoder.fit([[0]]).transform([[0], [node]])


# --- in scikit-learn


def test_names_say_which_anchor():
    pandas = pytest.importorskip("pandas")
    encoder = AnchorDistanceEncoder([5, 2], graph=GRID).set_output(transform="pandas")
    links = pandas.DataFrame({"from": [0, 1], "to": [2, 3]})
    columns = ["from_near_5", "from_near_2", "to_near_5", "to_near_2"]
    assert list(encoder.fit_transform(links).columns) == columns
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        encoder.get_feature_names_out(["a", "b"])
    assert list(AnchorDistanceEncoder([5]).fit(GRID).get_feature_names_out()) == ["near_5"]
    unnamed = AnchorDistanceEncoder(2, placement="sets", graph=GRID).fit([[0]])
    assert list(unnamed.get_feature_names_out()) == ["x0_near_set0", "x0_near_set1"]
    with pytest.raises(ValueError, match="should have length equal"):
        unnamed.get_feature_names_out(["a", "b"])


def test_folds_split_nodes_and_never_the_graph():
    nodes = np.arange(42)[:, None]
    row, column = np.divmod(nodes[:, 0], 6)
    encoder = AnchorDistanceEncoder([0, 5, 36], graph=GRID)
    model = make_pipeline(encoder, KNeighborsRegressor(3, weights="distance"))
    folds = KFold(3, shuffle=True, random_state=0)
    assert cross_val_score(model, nodes, row - column, cv=folds).min() > 0.8
    search = GridSearchCV(
        AnchorDistanceEncoder(graph=GRID, random_state=0),
        {"anchors": [1, 4]},
        scoring=stable_rank_scorer,
        error_score="raise",
    ).fit(nodes)
    assert search.best_params_ == {"anchors": 4}


def test_a_graph_as_x_is_cut_with_its_links_to_what_is_left():
    A = GRID.tocsr()
    kept, out = np.arange(36), np.arange(36, 42)  # the last row of the grid is left out
    encoder = AnchorDistanceEncoder([0, 5])
    model = make_pipeline(encoder, Ridge(1e-3)).fit(A[kept][:, kept], kept // 6)
    through = model[:-1].transform(A[out][:, kept])
    np.testing.assert_allclose(through, clone(encoder).fit_transform(A)[out])
    tags = clone(encoder).__sklearn_tags__().input_tags
    assert (tags.pairwise, tags.sparse, tags.categorical) == (True, True, False)
    tags = encoder.set_params(graph=A).__sklearn_tags__().input_tags
    assert (tags.pairwise, tags.sparse, tags.categorical) == (False, False, True)
    np.testing.assert_array_equal(encoder.transform(A[out][:, kept]), through)  # as it was fitted
    with pytest.raises(ValueError, match="as many columns as rows"):
        AnchorDistanceEncoder(2).fit(A[:5])
    with pytest.raises(ValueError, match="expecting 36 features"):
        model[:-1].transform(A)


def test_lengths_that_differ_by_rounding_are_symmetric():
    rng = np.random.default_rng(0)
    W = rng.uniform(1, 2, size=(12, 12))
    W = np.triu(W, 1) + np.triu(W, 1).T
    expected = AnchorDistanceEncoder([0, 3]).fit_transform(W)
    W[0, 1] *= 1 + 4e-16
    found = AnchorDistanceEncoder([0, 3]).fit_transform(W)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    W[0, 1] *= 1 + 1e-6
    with pytest.raises(ValueError, match="must be symmetric"):
        AnchorDistanceEncoder([0, 3]).fit(W)
