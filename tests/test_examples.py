"""The gallery: each script's claim, on a small version of it."""

import importlib.util
import io
from pathlib import Path

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn(figure):
    """The panels of a figure that hold something, after all has been laid out."""
    figure.canvas.draw()
    return [ax for ax in figure.axes if ax.has_data()]


def test_stable_rank_and_similarity_have_closed_forms():
    script = load("plot_stable_rank")
    results = script.measure(n_samples=(3, 10, 60), n_shifts=2000)
    for name, result in results.items():
        late = result["n_samples"] >= 10
        tolerance = 0.06 if name in ("square", "random Fourier") else 1e-3
        assert result["stable_rank"][late] == pytest.approx(
            result["closed_rank"][late], rel=tolerance
        )
        assert result["similarity"] == pytest.approx(result["closed_similarity"], abs=0.01)
    assert "random Fourier" in script.report(results)
    assert len(drawn(script.draw(results))) == 2


def test_widths_move_along_one_curve():
    script = load("plot_widths")
    results = script.measure(ranks=(8, 30), n_samples=400)
    for name in ("gaussian", "random Fourier"):
        products = results[name]["stable_rank"] * results[name]["radius"]
        assert products == pytest.approx(np.full(2, script.CONSTANT), rel=0.02)
    for result in results.values():
        products = result["stable_rank"] * result["radius"]
        assert products == pytest.approx(np.full(2, script.CONSTANT), rel=0.07)
        assert np.all(np.diff(result["bandwidth"]) < 0)
    assert len(drawn(script.draw(results))) == 3


def test_memorising_is_not_generalising():
    script = load("plot_memorise_generalise")
    results = script.measure(n_shifts=2000, epochs=300, rows=(200,))
    for head in ("Adam", "ridge"):
        wide, right, narrow = (results[head, name] for name in script.WIDTHS)
        assert right["seen"] > wide["seen"] + 5
        assert min(wide["unseen"], right["unseen"]) > narrow["unseen"] + 8
    # in closed form all that can be memorised is, and a hit at half the samples is 3 dB
    assert wide["seen"] < 40 < 100 < min(right["seen"], narrow["seen"])
    assert right["all"] - right["unseen"] == pytest.approx(3.01, abs=0.1)
    assert "theirs" in script.report(results)
    assert len(drawn(script.draw(results, row=0))) == 6


def test_few_independent_frequencies_fall_short():
    script = load("plot_equal_stable_rank")
    results = script.measure_row(sizes=(100, 600), n_seeds=2, epochs=50, n_jobs=1)
    assert len(drawn(script.draw(results))) == 3
    ranks, psnr = (
        {name: [np.mean(each) for each in results[what][name].values()] for name in script.STYLES}
        for what in ("stable rank", "ridge")
    )
    independent, quasi = (f"random Fourier, {how}" for how in ("independent", "quasi-random"))
    assert np.all(np.less(ranks[independent], np.multiply(0.8, ranks[quasi])))
    assert psnr[independent][0] < min(psnr[quasi][0], psnr["Gaussian"][0])
    assert ranks["Gaussian"][1] == pytest.approx(ranks[quasi][1], rel=0.02)
    assert psnr["Gaussian"][1] == pytest.approx(psnr[quasi][1], abs=1.0)
    image = script.measure_image(sizes=(100,), n_seeds=1, epochs=2, side=32, n_jobs=1)
    assert "stable rank" in script.report("Two axes", image)


def test_a_product_needs_no_depth():
    script = load("plot_depth_complexity")
    measured = script.measure(side=64, epochs=15)
    scores = {key: value[0] for key, value in measured["results"].items()}
    for basis in script.BASES:
        assert scores[basis, "complex", 0] > scores[basis, "simple", 0] + 5
        assert scores[basis, "simple", 4] > scores[basis, "simple", 0] + 5
        assert scores[basis, "complex", 0] > scores[basis, "simple", 4] - 0.5
    assert "cubic spline" in script.report(measured)
    assert len(drawn(script.draw(measured))) >= 7


def test_layers_raise_or_spend_stable_rank():
    script = load("plot_layers")
    results = script.measure(n_samples=128, epochs=400, width=128, rows=(200,), n_jobs=1)
    for signal in script.SIGNALS:
        plain = results[signal, "no encoding"][0]
        assert plain["after"][0] == pytest.approx(1.0)
        assert np.all(np.diff(plain["after"]) > 0)
        encoded = results[signal, "Gaussian, stable rank 32"][0]
        assert np.all(np.diff(encoded["after"]) < 0)
        assert encoded["after"][4] < 0.5 * encoded["before"][4]
    assert "layer 4" in script.report(results)
    assert len(drawn(script.draw(results))) == 3


def test_depth_narrows_what_a_network_sees():
    script = load("plot_network_similarity")
    results = script.measure(depths=(0, 1, 4))
    for name in script.ENCODERS:
        widths = results[f"{name}, width"]
        assert np.all(np.diff(widths) < 0)
        assert widths[2] == pytest.approx(0.5 * widths[0], rel=0.06)
        assert np.all(np.diff(results[f"{name}, stable rank"]) > 0)
    trained = script.train(depths=(0, 2), ranks=(6, 48), rows=(300,), epochs=200, n_jobs=1)
    linear, deep = ({rank: psnr[0] for rank, psnr in trained[d].items()} for d in (0, 2))
    # a low stable rank does for the network, not for the linear head
    assert linear[48] - linear[6] > deep[48] - deep[6] + 2
    wide, own = script.compare_kernels(depths=(4,), n_seeds=8)[4]
    assert own < 0.06 < 0.2 < wide
    assert "2 hidden layers" in script.report(results, trained)
    assert len(drawn(script.draw(results, trained))) == 3


def test_the_truth_that_encoders_are_chosen_against_can_be_remade(tmp_path, monkeypatch):
    script = load("choose_encoder")
    small = {"walk": script.series(np.cumsum(np.random.default_rng(0).normal(size=80)))}
    candidates = {
        ("Gaussian", share): script.ShiftedBasisEncoder(stable_rank=40 * share)
        for share in (0.1, 0.2, 0.6)
    }
    monkeypatch.setattr(script, "signals", lambda: small)
    monkeypatch.setattr(script, "encoders", lambda signal: candidates)
    monkeypatch.setattr(script, "SEEDS", (0, 1))
    network = script.CoordinateMLPRegressor(hidden_layer_sizes=(8,), max_epochs=2, device="cpu")
    monkeypatch.setattr(script, "network", lambda n, seed=0: network.set_params(random_state=seed))
    for name, keys, make in (
        ("TRUTH", ["signal", "basis", "share", "seed"], script.trainings),
        ("HALVING", ["signal", "folds"], script.halvings),
    ):
        path = tmp_path / f"{name}.csv"
        monkeypatch.setattr(script, name, path)
        script.add_to(path, keys, make)
        made = path.read_text()
        script.add_to(path, keys, make)
        assert path.read_text() == made  # nothing was left to do
        assert len(made.splitlines()) == 1 + 6
    truth = script.read_truth()["walk"]
    assert truth.keys == list(candidates)
    assert truth.psnr.shape == (3, 2)
    places, seconds = script.by_halving("walk", truth.keys, 1)
    assert sorted(places) == [0, 1, 2]
    assert seconds > 0


def test_a_first_choice_is_judged_by_what_it_loses():
    script = load("choose_encoder")
    truth = script.Truth(
        [("a", 1.0), ("b", 1.0), ("c", 1.0)], np.array([[20.0, 20.2], [25, 25.2], [24, 24.2]]), 1.0
    )
    assert truth.judge(np.array([1.0, 3.0, 2.0])) == pytest.approx((1.0, 0.0, 1.0))
    assert truth.judge(np.array([1.0, 2.0, 3.0])) == pytest.approx((0.5, 1.0, 2 / 3))
    assert truth.judge(np.array([3.0, 1.0, 2.0])) == pytest.approx((-1.0, 5.0, 0.0))


def test_choosing_an_encoder_is_compared_on_signals_that_were_trained():
    script = load("choose_encoder")
    truths = script.read_truth()
    assert set(truths) == set(script.signals())
    assert all(truth.psnr.shape == (24, len(script.SEEDS)) for truth in truths.values())
    lines = script.compare(["chelsea, scattered"])
    regrets = {method: line["chelsea, scattered"].regret for method, line in lines.items()}
    assert regrets["suggest_encoder"] < 0.1 < 0.5 < regrets["linear leave-one-out"]
    assert regrets["distance preservation"] > 0.5
    assert regrets["stable rank"] > 3
    console = script.Console(width=200, record=True, quiet=False, file=io.StringIO())
    script.show(lines, console)
    assert "HalvingGridSearchCV" in console.export_text()


def test_the_table_of_ways_to_choose_is_that_of_its_file(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    found = load("benchmark_selection").results()
    fixed = found["always random Fourier at 0.12"]
    assert np.mean([*fixed.regret.values()]) == pytest.approx(0.44, abs=0.005)
    assert max(found["perturbation"].regret.values()) == pytest.approx(5.93, abs=0.005)
    assert found["5 epochs of each"].time["grass"] < 0.2


def test_volumes_of_the_benchmark():
    script = load("benchmark_volumes")
    hard, soft, frames = (script.SIGNALS[name](24) for name in ("blobs", "soft blobs", "video"))
    for volume in (hard, soft, frames):
        assert volume.shape == (24, 24, 24)
        assert volume.min() >= 0
        assert 0.1 < volume.std() < volume.max() <= 1
    # they differ at edges alone
    assert 0.6 < np.mean(hard == soft) < 1
    assert np.abs(np.diff(frames, axis=0)).mean() < np.abs(np.diff(frames, axis=1)).mean()


def test_layouts_of_many_samples():
    script = load("benchmark_many")
    made = list(script.cases(400, script.LAYOUTS))
    assert len(made) == len(script.LAYOUTS)
    for layout, places, points in made:
        assert 0 <= places.min() < places.max() <= 1
        assert np.all(points >= places.min(axis=0))
        assert np.all(points <= places.max(axis=0))
        units = script.in_units(layout, places)
        assert units.shape == places.shape
    cells = script.row("random", script.waves, 0.1, *made[-1][1:])
    ours = float(cells[0].split()[0])
    assert len(cells) == 4
    assert ours < 0.2


@pytest.fixture
def panel(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return load("benchmark_panel")


def test_the_panel_is_fixed_and_even(panel):
    cases = panel.all_cases()
    assert len({case.name for case in cases}) == len(cases) <= 300
    assert [case.number for case in cases] == list(range(len(cases)))
    for field, least in (("layout", 12), ("signal", 10), ("noise", 75)):
        counts = panel.Counter(getattr(case, field) for case in cases)
        assert min(counts.values()) >= least
        assert panel.Counter(getattr(case, field) for case in cases[::4]).keys() == counts.keys()
    for third in range(3):
        held_out = panel.chosen(cases, "", third, None)
        others = panel.chosen(cases, "", None, third)
        assert len(held_out) + len(others) == len(cases)
        assert not {case.layout for case in others} & {
            case.layout for case in held_out if len(case.thirds()) == 1
        }


def test_the_panel_draws_noise_around_the_truth_inside_the_hull(panel):
    small = {
        case.layout: case
        for case in panel.all_cases()
        if case.size <= 750 and case.signal in ("smooth", "wavy", "franke")
    }
    assert len(small) == 19
    for case in small.values():
        samples, again, other = (panel.draw(case, seed) for seed in (0, 0, 1))
        assert np.array_equal(samples.y, again.y)
        assert not np.array_equal(samples.X_test, other.X_test)
        assert np.all(samples.X_test >= samples.X.min(axis=0))
        assert np.all(samples.X_test <= samples.X.max(axis=0))
        assert samples.error(samples.truth) == 0
        assert samples.error(np.full_like(samples.truth, samples.truth.mean())) == pytest.approx(1)
        distinct = len(np.unique(samples.X, axis=0))
        assert distinct == len(samples.X) / (2 if case.layout.endswith("twice") else 1)


def test_real_signals_of_the_panel_are_tested_at_cells_that_were_left_out(panel):
    real = [case for case in panel.all_cases() if case.signal in ("co2", "heights", "sea")]
    for case in real[:8]:
        samples = panel.draw(case, 0)
        places = {tuple(row) for row in samples.X}
        assert not places & {tuple(row) for row in samples.X_test}


def test_the_panel_judges_an_estimator_beside_peers(panel, tmp_path, monkeypatch):
    monkeypatch.setattr(panel, "N_SEEDS", 1)
    names = "line-log/steps/100/0.1", "plane-twice/ripple/100/0.2"
    cases = [case for case in panel.all_cases() if case.name in names]
    path = tmp_path / "peers.csv"
    panel.add_peers(path, cases[:1])
    made = path.read_text()
    panel.add_peers(path, cases)
    assert path.read_text().startswith(made)
    stored, remade = panel.read_peers(panel.TABLE), panel.read_peers(path)
    assert set(remade) == set(names)
    for name in names:
        assert set(remade[name]) == set(stored[name])
        for peer in set(remade[name]) - {"GP by likelihood", "GP by truth"}:
            assert remade[name][peer] == pytest.approx(stored[name][peer], rel=0.01)
    console = panel.Console(width=130, record=True, file=io.StringIO())
    settings = {"seeds": 1, "path": path}
    results = panel.run(cases, console, **settings)
    text = console.export_text()
    assert all(name in text for name in names)
    assert "worst place" in text
    # what is no fit is judged as such
    flat = panel.run(cases, console, expression="KroneckerRidge(alpha=1e12)", **settings)
    assert all(worse.ratio > better.ratio for worse, better in zip(flat, results, strict=True))
    assert flat[0].error == pytest.approx(1, abs=0.1)


def test_every_case_of_the_panel_has_its_peers(panel):
    peers = panel.read_peers(panel.TABLE)
    assert list(peers) != []
    for case in panel.all_cases():
        shape, _ = case.layout.split("-")
        expected = {"GP by likelihood", "GP by truth"}
        expected |= {"smoothing spline"} if shape == "line" else {"thin plate"}
        expected |= {"cubic spline"} if shape == "line" and case.noise == 0 else set()
        expected |= {"Clough-Tocher"} if shape == "plane" else set()
        assert set(peers[case.name]) == expected
        errors = np.array(list(peers[case.name].values()))
        assert np.all((errors >= 0) & (errors < 3))


def test_intervals_of_seasons_are_counted():
    script = load("benchmark_seasons")
    name, signal, times, periods, noise = script.CASES[0]
    at_ticks, anywhere = script.coverage(signal, times, periods, noise, n_series=3)
    assert "400 days" in name
    assert 0.85 < at_ticks <= anywhere <= 1.0


@pytest.fixture
def graphs(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return load("benchmark_graphs")


@pytest.mark.parametrize("task", ["grid_links", "caveman_pairs"])
def test_links_of_the_graph_benchmark_are_held_out(graphs, task):
    size = {"side": 8} if task == "grid_links" else {"n_caves": 5, "size": 6}
    graph, train, test = getattr(graphs, task)(0, **size)
    graph = graph.toarray()
    assert np.array_equal(graph, graph.T)
    rows = [{frozenset(pair) for pair in each.tolist()} for each in (*train, *test)]
    assert not (rows[0] | rows[1]) & rows[2]
    assert not rows[2] & rows[3]
    assert 0 < len(test[0]) == len(test[1])
    if task == "grid_links":  # distances do not see the links that are to be found
        whole = graphs.adjacency(graphs.nx.grid_2d_graph(8, 8)).toarray()
        assert not graph[tuple(test[0].T)].any()
        assert whole[tuple(test[0].T)].all()
        assert not whole[tuple(test[1].T)].any()
        assert not whole[tuple(test[1].T[::-1])].any()


def test_methods_of_the_graph_benchmark_fit_and_anchors_beat_a_convolution(graphs):
    def task(seed):
        return graphs.caveman_pairs(seed, n_caves=6, size=6)

    scores = {
        method: graphs.link_scores(task, method, 0, max_epochs=40) for method in graphs.LINK_METHODS
    }
    assert scores["anchor path, mean"] > 0.9 > 0.75 > scores["graph convolution"]
    assert all(0 <= score <= 1 for score in scores.values())


def test_peers_of_anchors_are_what_they_say(graphs):
    path = graphs.adjacency(graphs.nx.path_graph(30))
    places = graphs.ENCODINGS["landmark MDS"](path, 6, 0)
    gaps = np.linalg.norm(places[1:] - places[:-1], axis=1)  # a path is a line
    np.testing.assert_allclose(gaps, 1, atol=1e-6)
    assert np.linalg.norm(places[0] - places[-1]) == pytest.approx(29)
    ring = graphs.adjacency(graphs.nx.cycle_graph(8))
    chances = graphs.ENCODINGS["random walks"](ring, 4, 0)
    np.testing.assert_allclose(chances, [[0, 1 / 2, 0, 3 / 8]] * 8, atol=1e-12)
    hops = graphs.ENCODINGS["hop distances"](ring, 3, 0)
    near = graphs.ENCODINGS["AnchorDistanceEncoder"](ring, 3, 0)
    np.testing.assert_allclose(near, 1 / (1 + hops))


def test_augmenters_are_compared_on_the_same_samples(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    script = load("benchmark_augmenter")
    image = script.load_image("camera", 16)
    X, y, at, truth, spacing = script.scattered(image, 0)
    assert X.shape == (64, 2)
    assert len(at) == len(truth) == 192
    assert np.std(y - image[tuple(X.T.astype(int))]) == pytest.approx(script.NOISE, rel=0.3)
    X, y, at, truth, spacing = script.coarser(image, 0)
    assert np.diff(np.unique(X[:, 0])) == pytest.approx(spacing)
    assert X.mean() == at.mean()
    assert y.mean() == pytest.approx(truth.mean())
    named = dict(script.augmenters("scattered", 0, spacing, [0.5]))
    assert named["local shift 0.5 spacings"].local_shift == 0.5 * spacing
    assert named["no augmenter"] is None
    scores = {("camera", 0): (20.0, 1.0), ("camera", 1): (22.0, 1.0), ("coffee", 0): (9.0, 1.0)}
    better = {case: (psnr + 2, 1.0) for case, (psnr, _) in scores.items()}
    results = {"no augmenter": {"a": scores}, "local": {"a": better}}
    console = script.Console(width=130, record=True, file=io.StringIO())
    script.print_table("", script.of_image(results, "camera"), console)
    assert "23.00; +2.00 ± 0.00; 1.0 s" in console.export_text()


@pytest.fixture
def series(monkeypatch):
    pytest.importorskip("statsmodels", reason="the series are in it")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return load("benchmark_series")


def test_windows_of_the_series_benchmark_do_not_overlap(series):
    train, test = series.cases.two_parts("El Nino, monthly")
    values = series.cases.load("El Nino, monthly")
    assert train.values.shape[1] == test.values.shape[1] == 42
    np.testing.assert_array_equal(train.values[0], values[:42])
    np.testing.assert_array_equal(test.values[-1], values[-42:])
    n_train = len(train.values) + 41
    np.testing.assert_array_equal(test.values[0], values[n_train : n_train + 42])
    assert n_train % 12 == 0 == train.phase[0, 0] == test.phase[0, 0]
    known = np.delete(test.values, test.gap, axis=1)
    assert known.shape[1] == 36
    assert not series.cases.channels_with_gap(test)[:, test.gap, :2].any()
    line = series.cases.straight_line(test)[0]
    ends = test.values[0, [test.gap.start - 1, test.gap.stop]]
    np.testing.assert_allclose(line, np.linspace(*ends, 8)[1:-1])


def test_methods_of_the_series_benchmark_fit(series, monkeypatch):
    monkeypatch.setattr(series, "N_BATCHES", 4)
    monkeypatch.setattr(series, "NETWORKS", {
        name: series.NETWORKS[name]
        for name in ("attention, relative positions", "softmax attention, encoded steps")
    })  # fmt: skip
    train, test = (
        series.cases.Windows(each.values[::4], each.phase[::4], each.n_next, each.season)
        for each in series.cases.two_parts("El Nino, monthly")
    )
    ahead, gaps = (method(train, test, seeds=[0]) for method in (
        lambda train, test, seeds: series.next_errors(train, [test], seeds), series.gap_errors
    ))  # fmt: skip
    for results in (ahead, gaps):
        errors = {name: float(each[0][0][0]) for name, each in results.items()}
        assert all(0 < error < 3 for error in errors.values())
        ridge = next(error for name, error in errors.items() if "ridge" in name)
        assert ridge < 0.8  # of the season before, and of a straight line


def test_cost_of_attention_is_measured_and_drawn(monkeypatch):
    script = load("benchmark_attention")
    assert script.measure_memory("convolution", 65_536, False) > 8  # some rows of spectra
    monkeypatch.setattr(script, "measure_memory", lambda name, n, train: float(n))
    monkeypatch.setattr(script, "LONGEST", {"softmax": 300})
    results = script.measure([256, 300, 512], rounds=1)
    for name, result in results.items():
        sizes = {256, 300} if name == "softmax" else {256, 300, 512}
        assert set(result["seconds"]) == set(result["MiB"]) == sizes
        assert all(seconds > 0 for seconds in result["seconds"].values())
    assert max(*results["FFT"]["error"].values(), *results["blocks"]["error"].values()) < 1e-5
    text = io.StringIO()
    script.report(results, script.Console(width=140, file=text))
    assert "worst error" in text.getvalue()
    assert drawn(script.draw(results))
    ours, theirs = {1: 4.0, 2: 4.0, 4: 4.0, 8: 4.0}, {1: 1.0, 2: 2.0, 4: 8.0}
    assert script.crossing(ours, theirs) == pytest.approx(8**0.5)
    assert np.isnan(script.crossing(theirs, ours))
    assert script.slope([1, 10, 100], [2.0, 200.0, 20000.0]) == pytest.approx(2)


def test_properties_of_attention_hold(monkeypatch):
    script = load("attention_properties")
    monkeypatch.setattr(script, "SIZES", (1, 3, 80))
    for of in script.PROPERTIES.values():
        assert script.worst(of, script.torch.float64) < 1e-11
        assert script.worst(of, script.torch.float32) < 1e-5
    assert script.products("float64") < 1e-12
    assert script.products("float32") < 1e-5
    assert script.least_change_of_reversed() > 0.1
    assert script.moments(200_000) == pytest.approx((1, 1), rel=0.1)


def test_muon_keeps_the_stable_rank_of_hidden_matrices():
    script = load("plot_layer_ranks")
    results = script.measure(step=16, width=32, epochs=20, batch_size=64)
    for encoding in script.ENCODINGS:
        adam, muon = (script.ranks_of(results[encoding, name][0]) for name in script.OPTIMIZERS)
        np.testing.assert_array_equal(adam[0], muon[0])
        assert np.all(muon[-1, 1:4] > 1.2 * adam[-1, 1:4])
        assert results[encoding, "Muon"][1] > results[encoding, "Adam"][1]
    assert "layer 5" in script.report(results)
    assert len(drawn(script.draw(results))) == 3
