"""Positions of nodes: what anchors are worth, on graphs with and without a real task.

::

    python examples/benchmark_graphs.py links      # held-out links and pairs, areas under the curve
    python examples/benchmark_graphs.py real       # classes of digits, heights on a grid with holes
    python examples/benchmark_graphs.py cost       # seconds and memory up to a million nodes
"""

import argparse
import resource
import time

import networkx as nx
import numpy as np
import torch
from graph_peers import ENCODINGS, ConvolutionClassifier, PairClassifier, PGNNClassifier
from scipy import ndimage, sparse
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    kneighbors_graph,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading

from sk_posenc import (
    AnchorDistanceEncoder,
    AnchorPathClassifier,
    AnchorPathEncoder,
    AnchorPathRegressor,
    load_signal,
    path_preservation,
    stable_rank,
)
from sk_posenc.graphs.anchor_path import unlinked_pairs

SEEDS = range(5)


def adjacency(graph):
    return sparse.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))


def of_links(n, links):
    """A graph of links (m, 2), in both directions."""
    both = np.concatenate([links, links[:, ::-1]]).T
    return sparse.csr_array((np.ones(len(both[0])), tuple(both)), shape=(n, n))


def thirds(rows, rng):
    """Rows for training (80 %), validation (10 %), which is not used, and the test (10 %)."""
    rows = rng.permutation(rows)
    return rows[: int(0.8 * len(rows))], rows[int(0.9 * len(rows)) :]


# --- links and pairs


def grid_links(seed, side=20):
    """Links of a grid: a tenth is to be found among as many pairs without a link."""
    rng = np.random.default_rng(seed)
    whole = adjacency(nx.grid_2d_graph(side, side))
    train, test = thirds(np.argwhere(np.triu(whole.toarray())), rng)
    others = unlinked_pairs(whole, 4 * len(train), torch.Generator().manual_seed(seed)).numpy()
    return of_links(side**2, train), (train, others[len(test) :]), (test, others[: len(test)])


def caveman_pairs(seed, n_caves=20, size=20):
    """Pairs in the same cave of a connected caveman graph, 1 % of its links moved."""
    rng = np.random.default_rng(seed)
    graph = nx.connected_caveman_graph(n_caves, size)
    for u, v in list(graph.edges):
        new = int(rng.integers(len(graph)))
        if rng.random() < 0.01 and new != u and not graph.has_edge(u, new):
            graph.remove_edge(u, v)
            graph.add_edge(u, new)
    pairs = np.stack(np.triu_indices(len(graph), k=1), axis=1)
    same = pairs[:, 0] // size == pairs[:, 1] // size
    inside, outside = pairs[same], rng.permutation(pairs[~same])[: same.sum()]
    (train, test), (others, test_others) = thirds(inside, rng), thirds(outside, rng)
    return adjacency(graph), (train, others), (test, test_others)


LINK_METHODS = {
    "graph convolution": lambda **s: ConvolutionClassifier(1, gcn_layers=2, n_features=32, **s),
    "P-GNN": lambda **s: PGNNClassifier(32, **{"max_epochs": 300} | s),
    "anchor path, mean": lambda **s: PairClassifier(16, **s),
    "anchor path, sum": lambda **s: PairClassifier(16, aggregation="sum", **s),
    "anchor path and convolution": lambda **s: PairClassifier(16, gcn_layers=2, **s),
}


def labelled(pairs):
    return np.concatenate(pairs), np.repeat([1, 0], [len(each) for each in pairs])


def link_scores(task, method, seed, **settings):
    graph, train, test = task(seed)
    model = LINK_METHODS[method](graph=graph, random_state=seed, device="cpu", **settings)
    pairs, truth = labelled(test)
    if task is grid_links and type(model) is PairClassifier:  # the encoder learns links itself
        own = {name: model.get_params()[name] for name in ("aggregation", "gcn_layers")}
        encoder = AnchorPathEncoder(16, graph=graph, random_state=seed, device="cpu", **own)
        return roc_auc_score(truth, encoder.fit([[0]]).link_probabilities(pairs))
    model.fit(*labelled(train))
    return roc_auc_score(truth, model.predict_proba(pairs)[:, 1])


def links(seeds=SEEDS, **settings):
    for task in (grid_links, caveman_pairs):
        print(task.__doc__)
        for method in LINK_METHODS:
            start = time.process_time()
            scores = [link_scores(task, method, seed, **settings) for seed in seeds]
            seconds = (time.process_time() - start) / len(scores)
            print(f"  {method:28} {interval(scores)}  {seconds:5.1f} s", flush=True)


def interval(scores):
    """Mean and half-width of its 95 % interval, by Student's law with 4 degrees of freedom."""
    return f"{np.mean(scores):.3f} ± {2.776 * np.std(scores, ddof=1) / np.sqrt(len(scores)):.3f}"


# --- real tasks


def digits(seed):
    """Digits as nodes, linked to the 8 most alike; a tenth of the classes is known."""
    X, y = load_digits(return_X_y=True)
    graph = sparse.csr_array(kneighbors_graph(X, 8))
    rng = np.random.default_rng(seed)
    known = rng.random(len(y)) < 0.1
    return graph.maximum(graph.T), y, known


def heights(seed):
    """Heights on a grid with holes, linked to neighbouring cells; a third is known."""
    values = load_signal("elevation")[0][::8, ::8]
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(rng.normal(size=values.shape), 2)
    open_ = blobs < np.quantile(blobs, 0.75)
    largest = ndimage.label(open_)[0]
    open_ = largest == np.argmax(np.bincount(largest[open_]))
    number = np.where(open_, np.cumsum(open_).reshape(open_.shape) - 1, -1)
    ends = [(number[:-1], number[1:]), (number[:, :-1], number[:, 1:])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in ends])
    graph = of_links(open_.sum(), pairs[(pairs >= 0).all(axis=1)])
    known = rng.random(graph.shape[0]) < 1 / 3
    return graph, values[open_], known


def heads(task):
    if task is digits:
        return {
            "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
            "5 neighbours": KNeighborsClassifier(5),
        }
    linear = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-4, 4, 9)))
    return {"linear": linear, "5 neighbours": KNeighborsRegressor(5, weights="distance")}


def networks(task, graph, seed):
    kind = AnchorPathClassifier if task is digits else AnchorPathRegressor
    common = {"graph": graph, "random_state": seed, "device": "cpu", "max_epochs": 150}
    return {
        "anchor path, trained by the head": kind(16, **common),
        "anchor path and convolution": kind(16, gcn_layers=2, **common),
    }


def real_scores(task, seed, k=16, with_networks=True):
    """Scores at nodes that are not known, and what the encodings are like."""
    graph, y, known = task(seed)
    scores = {}
    for name, encode in ENCODINGS.items():
        E = encode(graph, k, seed)
        for head, model in heads(task).items():
            scores[name, head] = model.fit(E[known], y[known]).score(E[~known], y[~known])
        scores[name, "stable rank"] = stable_rank(E - E.mean(axis=0))
        scores[name, "path preservation"] = path_preservation(graph, E, random_state=seed)
    nodes = np.arange(len(y))[:, None]
    if task is digits:
        given = np.where(known, y, -1)
        spread = LabelSpreading(lambda X, Y: graph.toarray(), alpha=0.9).fit(nodes, given)
        scores["LabelSpreading", "its own"] = np.mean(spread.transduction_[~known] == y[~known])
    for name, model in (networks(task, graph, seed) if with_networks else {}).items():
        model.fit(nodes[known], y[known])
        scores[name, "its own"] = model.score(nodes[~known], y[~known])
    return scores


def real(seeds=SEEDS):
    for task in (digits, heights):
        graph = task(0)[0]
        print(task.__doc__, f"{graph.shape[0]} nodes, {graph.nnz // 2} links")
        found = [real_scores(task, seed) for seed in seeds]
        for key in found[0]:
            print(f"  {key[0]:34} {key[1]:18} {interval([each[key] for each in found])}")


# --- cost


def cost(sizes=(10_000, 100_000, 1_000_000), n_anchors=32):
    for n in sizes:
        ends = np.random.default_rng(0).integers(n, size=(5 * n, 2)).astype(np.int32)
        graph = of_links(n, ends[ends[:, 0] != ends[:, 1]]).astype(bool)
        start = time.process_time()
        encoder = AnchorDistanceEncoder(n_anchors, random_state=0).fit(graph)
        fitted = time.process_time() - start
        encoder.transform(graph)
        both = time.process_time() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{n:9,} nodes  fit {fitted:6.2f} s  and transform {both:6.2f} s  {memory:.2f} GiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=["links", "real", "cost"])
    for part in parser.parse_args().parts:
        {"links": links, "real": real, "cost": cost}[part]()
