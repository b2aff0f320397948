"""Displays: the numbers that they store, what they draw, and what they refuse."""

import subprocess
import sys
from functools import partial

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy import linalg, sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from sk_posenc import (
    Basis,
    BasisDisplay,
    CoordinateKFold,
    FourierEncoder,
    KroneckerRidge,
    LogFourierEncoder,
    RandomFourierEncoder,
    ReconstructionDisplay,
    ShiftedBasisEncoder,
    SpectrumDisplay,
    TradeoffDisplay,
    distance_preservation,
    distance_preservation_scorer,
    grid_samples,
    network_similarity,
    psnr_score,
    psnr_scorer,
    stable_rank,
    stable_rank_scorer,
)
from sk_posenc.core.limits import limits

LINE = np.linspace(0, 1, 120)[:, None]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def draw(display):
    """Lay out and paint: warnings, as of glyphs or layouts that fail, are errors."""
    display.figure_.canvas.draw()
    return display


class Tent(Basis):
    support = 1.0

    def phi(self, u, xp):
        return xp.clip(1 - xp.abs(u), min=0.0)


# BasisDisplay


def test_basis_of_encoders():
    encoders = [
        ShiftedBasisEncoder("triangle", stable_rank=8).fit(LINE * 24),
        RandomFourierEncoder(64, stable_rank=8, random_state=0).fit(LINE * 24),
    ]
    display = draw(BasisDisplay.from_estimator(encoders, extent=6, n_points=13, unit="hours"))
    delta, width = display.displacement, encoders[0].bandwidth_[0]
    assert delta.tolist() == np.linspace(-6, 6, 13).tolist()
    assert display.phi["triangle"] == pytest.approx(np.clip(1 - np.abs(delta) / width, 0, None))
    assert list(display.phi) == ["triangle"]
    for name, encoder in zip(("triangle", "random Fourier"), encoders, strict=True):
        expected = encoder.similarity([[12.0]], 12 + delta[:, None])[0]
        assert display.similarity[name] == pytest.approx(expected, abs=1e-12)
    assert [len(display.lines_[name]) for name in ("triangle", "random Fourier")] == [2, 1]
    assert [ax.get_xlabel() for ax in display.axes_] == ["displacement, hours"] * 2
    legend = [text.get_text() for text in display.axes_[1].get_legend().get_texts()]
    assert legend == ["triangle", "random Fourier"]


def test_basis_without_phi_is_one_panel():
    display = draw(BasisDisplay.from_estimator(FourierEncoder(stable_rank=4).fit(LINE)))
    assert len(display.axes_) == 1
    assert display.axes_[0].get_legend() is None


@pytest.mark.parametrize("axis", [0, 1])
def test_basis_of_an_axis_in_its_units(axis):
    X = np.column_stack([LINE[:, 0], 1000 * LINE[::-1, 0]])
    encoder = ShiftedBasisEncoder(stable_rank=(4, 20)).fit(X)
    pipeline = make_pipeline(encoder, Ridge()).fit(X, LINE[:, 0])
    display = BasisDisplay.from_estimator(pipeline, axis=axis)
    # four radii, each where the similarity has fallen to a tenth
    at = np.abs(display.displacement - display.displacement[-1] / 4).argmin()
    assert display.similarity["gaussian"][at] == pytest.approx(0.1, abs=0.01)


def test_bases_alone():
    display = draw(BasisDisplay.from_bases({"mine": Tent(), "theirs": "triangle"}))
    assert display.phi["mine"] == pytest.approx(display.phi["theirs"])
    assert display.similarity["mine"] == pytest.approx(display.similarity["theirs"], abs=1e-3)
    assert display.axes_[0].get_xlabel() == "displacement, bandwidths"
    display = draw(BasisDisplay.from_bases(["gaussian", "rectangle"], stable_rank=10))
    half = np.abs(display.displacement - 0.05).argmin()  # half a rectangle of width 1 / 10
    assert display.similarity["rectangle"][half] == pytest.approx(0.5, abs=0.01)
    assert display.axes_[0].get_xlabel() == "displacement, domains"
    display = BasisDisplay.from_bases(["impulse", "sine"])
    assert display.displacement[-1] == 1  # one period
    u = display.displacement
    assert np.all(display.phi["impulse"][np.abs(u) < 0.49] == 1)
    assert np.all(display.phi["impulse"][np.abs(u) > 0.51] == 0)


def test_what_networks_see_of_encoders():
    encoders = {
        "wide": ShiftedBasisEncoder(stable_rank=8).fit(LINE),
        "waves": FourierEncoder(stable_rank=8).fit(LINE),
    }
    display = draw(BasisDisplay.from_estimator(encoders, hidden_layers=(1, 4, 1)))
    assert len(display.axes_) == 3
    for name, encoder in encoders.items():
        assert list(display.network[name]) == [1, 4]
        for depth, line in display.network_lines_[name].items():
            expected = network_similarity(encoder, display.displacement, depth)
            assert line.get_ydata() == pytest.approx(expected)
            assert line.get_color() == display.lines_[name][-1].get_color()
    lines = display.network_lines_
    assert lines["wide"][1].get_linestyle() == lines["waves"][1].get_linestyle()
    assert lines["wide"][1].get_linestyle() != lines["wide"][4].get_linestyle()
    legend = [text.get_text() for text in display.axes_[2].get_legend().get_texts()]
    assert legend == ["1 hidden layer", "4 hidden layers"]
    waves = draw(BasisDisplay.from_estimator(encoders["waves"], hidden_layers=2))
    assert len(waves.axes_) == 2


def test_what_networks_see_of_bases():
    display = draw(BasisDisplay.from_bases("triangle", stable_rank=8, hidden_layers=(0, 3)))
    assert display.network["triangle"][0] == pytest.approx(display.similarity["triangle"])
    peak = len(display.displacement) // 2
    assert display.network["triangle"][3][peak] == pytest.approx(1.0)
    colours = {line.get_color() for line in display.network_lines_["triangle"].values()}
    assert len(colours) == 2
    assert draw(BasisDisplay.from_bases("triangle")).network_lines_ == {}


@pytest.mark.parametrize("basis", ["impulse", "rectangle", "bspline", "matern12", "square", Tent()])
def test_networks_see_the_same_of_bases_and_encoders(basis):
    rank = {} if basis == "square" else {"stable_rank": 8}
    display = BasisDisplay.from_bases({"it": basis}, **rank, extent=0.1, hidden_layers=2)
    settings = rank or {"bandwidth": 1.0}  # a period of 2 bandwidths is one domain
    encoder = ShiftedBasisEncoder(basis, **settings, domain=(0, 1)).fit(LINE)
    scale = encoder.bandwidth_[0] if basis == "square" else 1.0
    seen = network_similarity(encoder, display.displacement * scale, 2)
    assert display.network["it"][2] == pytest.approx(seen, abs=1e-3)


def test_equal_names_are_told_apart():
    encoders = [ShiftedBasisEncoder(stable_rank=rank).fit(LINE) for rank in (8, 32, 32)]
    display = BasisDisplay.from_estimator(encoders)
    assert list(display.similarity) == [
        "gaussian, stable rank 8.09",
        "gaussian, stable rank 32",
        "gaussian, stable rank 32 (2)",
    ]


def test_axes_given_and_split():
    _, axes = plt.subplots(1, 2)
    display = draw(BasisDisplay.from_bases("gaussian", ax=axes, line_kwargs={"color": "red"}))
    assert list(display.axes_) == list(axes)
    assert axes[0].lines[0].get_color() == "red"
    figure, axes = plt.subplots(1, 2)
    display = draw(BasisDisplay.from_bases("gaussian", ax=axes[1]))
    assert display.figure_ is figure
    left = axes[1].get_position().x0
    assert all(ax.get_position().x0 >= left - 1e-9 for ax in display.axes_)
    with pytest.raises(ValueError, match="2 axes, or one axes"):
        display.plot(plt.figure().add_axes((0, 0, 1, 1)))
    with pytest.raises(ValueError, match="Got"):
        display.plot(plt.subplots(1, 3)[1])


def test_what_a_basis_display_refuses():
    encoder = ShiftedBasisEncoder().fit(LINE)
    for axis in (1, -1):
        with pytest.raises(ValueError, match="axis must be one of the 1 axes"):
            BasisDisplay.from_estimator(encoder, axis=axis)
    for axis in (0.0, "x", False):
        with pytest.raises(TypeError, match="axis must be a whole number"):
            BasisDisplay.from_estimator(encoder, axis=axis)
    with pytest.raises(ValueError, match="extent must be"):
        BasisDisplay.from_estimator(encoder, extent=-1)
    with pytest.raises(ValueError, match="n_points"):
        BasisDisplay.from_estimator(encoder, n_points=1)
    for unfitted in (ShiftedBasisEncoder(), [ShiftedBasisEncoder(), ShiftedBasisEncoder()]):
        for draw in (
            BasisDisplay.from_estimator,
            partial(SpectrumDisplay.from_estimator, X=[[0.0]]),
        ):
            with pytest.raises(NotFittedError, match=r"call its fit\(X\) first.*not fitted yet"):
                draw(unfitted)
    with pytest.raises(TypeError, match="encoder of sk_posenc"):
        BasisDisplay.from_estimator(Ridge())
    for none in ([], {}):
        with pytest.raises(ValueError, match="bases must hold at least one to draw"):
            BasisDisplay.from_bases(none)
    with pytest.raises(ValueError, match="estimator must hold at least one to draw"):
        BasisDisplay.from_estimator({})
    with pytest.raises(ValueError, match="bases must be one of"):
        BasisDisplay.from_bases("gauss")
    with pytest.raises(TypeError, match="bases must be one of"):
        BasisDisplay.from_bases([len])
    for extent in (1e300, np.inf):
        with pytest.raises(ValueError, match="extent must be"):
            BasisDisplay.from_bases("gaussian", extent=extent)


# SpectrumDisplay


@pytest.mark.parametrize(
    "encoder",
    [
        ShiftedBasisEncoder(stable_rank=8),
        ShiftedBasisEncoder("triangle", stable_rank=4, tensor_product=True),
        ShiftedBasisEncoder("bspline", stable_rank=4, sparse_output=True, tensor_product=True),
        FourierEncoder(stable_rank=8),
        LogFourierEncoder(4),
        RandomFourierEncoder(16, random_state=0),
    ],
    ids=repr,
)
def test_spectrum_against_svd(encoder, rng):
    X = rng.uniform(size=(50, 2))
    encoder.fit(X)
    E = encoder.transform(X)
    E = E.toarray() if sparse.issparse(E) else E
    display = draw(SpectrumDisplay.from_estimator({"it": encoder}, X))
    assert display.singular_values["it"] == pytest.approx(linalg.svdvals(E), abs=1e-12)
    assert display.stable_rank["it"] == pytest.approx(stable_rank(E))
    assert display.rank["it"] == np.linalg.matrix_rank(E)
    assert "stable rank" in display.ax_.get_legend().get_texts()[0].get_text()


def test_spectrum_of_what_reaches_the_encoder():
    X, y = 7 + 300 * LINE, np.sin(9 * LINE[:, 0])
    encoder = ShiftedBasisEncoder(stable_rank=8)
    plain = SpectrumDisplay.from_estimator({"it": encoder.fit(X)}, X)
    scaled = make_pipeline(StandardScaler(), ShiftedBasisEncoder(stable_rank=8), Ridge())
    outer = Pipeline([("scaled", make_pipeline(StandardScaler())), ("inner", clone(scaled))])
    search = GridSearchCV(clone(scaled), {"ridge__alpha": [1.0]}, cv=2)
    for estimator in (scaled, outer, search):
        display = SpectrumDisplay.from_estimator({"it": estimator.fit(X, y)}, X)
        assert display.singular_values["it"] == pytest.approx(plain.singular_values["it"], abs=1e-9)


def test_spectrum_of_a_product_too_wide_to_hold(rng, monkeypatch):
    X = rng.uniform(size=(60, 3))
    encoder = ShiftedBasisEncoder("triangle", stable_rank=3, n_shifts=9, tensor_product=True).fit(X)
    expected = linalg.svdvals(encoder.transform(X))
    monkeypatch.setattr(encoder, "_encode", None)  # the matrix is not made
    with limits(decomposed_up_to=100):
        display = SpectrumDisplay.from_estimator(encoder, X)
    assert display.singular_values["triangle"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_spectrum_of_matrices(shape, convert, rng):
    A = rng.normal(size=shape)
    A[:, -1] = A[:, 0]
    A[-1] = A[0]
    for entries in (10**6, 100):  # by its singular values, and by its Gram matrix
        with limits(decomposed_up_to=entries):
            display = draw(SpectrumDisplay.from_encodings(convert(A)))
        assert display.singular_values["encoding"] == pytest.approx(
            linalg.svdvals(A), abs=1e-6
        )  # fmt: skip
        assert display.rank["encoding"] == 19
    assert list(SpectrumDisplay.from_encodings({"a": A, "b": A}).lines_) == ["a", "b"]


def test_spectrum_subsamples(rng):
    X = rng.uniform(size=(500, 1))
    encoder = ShiftedBasisEncoder(stable_rank=4).fit(X)
    display = SpectrumDisplay.from_estimator(encoder, X, max_samples=100, random_state=0)
    again = SpectrumDisplay.from_estimator(encoder, X, max_samples=100, random_state=0)
    assert display.singular_values["gaussian"] == pytest.approx(
        again.singular_values["gaussian"], rel=0
    )
    assert np.sum(display.singular_values["gaussian"] ** 2) == pytest.approx(100, rel=0.02)
    with pytest.raises(ValueError, match="max_samples must be at least 2"):
        SpectrumDisplay.from_estimator(encoder, X, max_samples=1)
    with pytest.raises(ValueError, match="NaN"):
        SpectrumDisplay.from_encodings(np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="all 0"):
        SpectrumDisplay.from_encodings(np.zeros((3, 3)))


# TradeoffDisplay

SCORING = {
    "psnr": psnr_scorer,
    "stable_rank": stable_rank_scorer,
    "distance_preservation": distance_preservation_scorer,
}


def search(grid):
    pipeline = Pipeline([("encoder", ShiftedBasisEncoder()), ("ridge", Ridge(1e-6))])
    folds = CoordinateKFold(3)
    y = np.sin(40 * LINE[:, 0] ** 2)
    return GridSearchCV(
        pipeline, grid, scoring=SCORING, refit=False, cv=folds, error_score="raise"
    ).fit(LINE, y)  # fmt: skip


def test_tradeoff_of_a_search():
    found = search(
        [
            {
                "encoder": [ShiftedBasisEncoder("triangle"), FourierEncoder()],
                "encoder__stable_rank": [4, 16],
            },
            {"encoder": ["passthrough"]},
        ]
    )
    display = draw(TradeoffDisplay.from_cv_results(found.cv_results_))
    assert display.names == ["triangle"] * 2 + ["Fourier"] * 2 + ["no encoding"]
    assert display.psnr.tolist() == found.cv_results_["mean_test_psnr"].tolist()
    assert list(display.scatters_) == ["triangle", "Fourier", "no encoding"]
    # points of a name go from low to high stable rank
    coloured = np.asarray(display.scatters_["Fourier"].get_array())
    assert coloured == pytest.approx(display.psnr[2:4])
    limits = {scatter.get_clim() for scatter in display.scatters_.values()}
    assert limits == {(display.psnr.min(), display.psnr.max())}
    assert display.colorbar_.ax.get_ylabel() == "PSNR, dB"
    plain = draw(TradeoffDisplay.from_cv_results(found.cv_results_, psnr=None))
    assert plain.colorbar_ is None
    by_basis = search({"encoder__basis": ["gaussian", "bspline"]})
    assert TradeoffDisplay.from_cv_results(by_basis.cv_results_).names == ["gaussian", "bspline"]
    with pytest.raises(ValueError, match=r"no mean_test_rank: the search scored \['psnr'"):
        TradeoffDisplay.from_cv_results(found.cv_results_, stable_rank="rank")


def test_tradeoff_of_encoders():
    y = np.sin(40 * LINE[:, 0] ** 2)
    encoders = [ShiftedBasisEncoder(stable_rank=rank) for rank in (4, 32)]
    display = draw(TradeoffDisplay.from_estimator(encoders, LINE, y, regressor=Ridge(1e-6)))
    assert not any(hasattr(encoder, "domain_") for encoder in encoders)  # clones are fitted
    for i, encoder in enumerate(encoders):
        E = clone(encoder).fit_transform(LINE)
        assert display.stable_rank[i] == pytest.approx(stable_rank(E))
        assert display.distance_preservation[i] == distance_preservation(LINE, E, random_state=0)
    assert display.psnr[1] > display.psnr[0] + 5
    known = draw(TradeoffDisplay.from_estimator(encoders, LINE, psnr=[20.0, np.nan]))
    assert np.mean(known.colorbar_.mappable.get_clim()) == 20  # NaN sets no limit
    frame = pd.DataFrame(LINE, columns=["hour"])
    assert TradeoffDisplay.from_estimator(encoders[0], frame).names == ["gaussian"]


def test_a_tradeoff_measures_all_encoders_on_the_same_rows(rng):
    encoders = [ShiftedBasisEncoder(stable_rank=8)] * 2
    for random_state in (None, np.random.RandomState(0)):
        display = TradeoffDisplay.from_estimator(
            encoders, rng.uniform(size=(300, 1)), max_samples=50, random_state=random_state
        )
        assert display.stable_rank[0] == display.stable_rank[1]
        assert display.distance_preservation[0] == display.distance_preservation[1]


def test_what_a_tradeoff_display_refuses():
    encoders = [ShiftedBasisEncoder()]
    with pytest.raises(ValueError, match="go together"):
        TradeoffDisplay.from_estimator(encoders, LINE, LINE[:, 0])
    with pytest.raises(ValueError, match="not both"):
        TradeoffDisplay.from_estimator(
            encoders, LINE, LINE[:, 0], regressor=Ridge(), psnr=[1.0]
        )  # fmt: skip
    with pytest.raises(ValueError, match="inconsistent"):
        TradeoffDisplay.from_estimator(encoders, LINE, psnr=[1.0, 2.0])
    with pytest.raises(ValueError, match="at least one encoder"):
        TradeoffDisplay.from_estimator([], LINE)
    for X in ("X", LINE[:, 0], [1.0, 2.0]):
        with pytest.raises(ValueError, match="X must have shape"):
            TradeoffDisplay.from_estimator(encoders, X)
    for psnr in (int, object()):
        with pytest.raises(TypeError, match="psnr must be an array of numbers"):
            TradeoffDisplay.from_estimator(encoders, LINE, psnr=psnr)


# ReconstructionDisplay


@pytest.mark.parametrize("n_channels", [0, 1, 2, 3])
def test_reconstruction_of_a_line(n_channels, rng):
    X = rng.permutation(LINE)
    y = np.sin(9 * X + np.arange(n_channels or 1))
    y = y if n_channels else y[:, 0]
    fit = y + rng.normal(scale=0.01, size=y.shape)
    display = draw(ReconstructionDisplay.from_predictions(X, y, fit, data_range=2))
    assert display.psnr_ == psnr_score(y, fit, data_range=2)
    assert display.axes_[0].get_title() == f"fit: {display.psnr_:.1f} dB"
    x, error = display.axes_[1].lines[0].get_data()
    assert np.all(np.diff(x) > 0)
    assert error == pytest.approx((fit - y).reshape(120, -1)[np.argsort(X[:, 0]), 0])


def test_reconstruction_tells_what_the_fit_saw():
    y = np.sin(9 * LINE[:, 0])
    train = np.arange(120) % 2 == 0
    model = KroneckerRidge().fit(LINE[train], y[train])
    frame = pd.DataFrame(LINE, columns=["hour"])
    fit = model.predict(LINE)
    display = draw(
        ReconstructionDisplay.from_predictions(
            frame, y, fit, train=train, signal_name="brightness, lux"
        )
    )
    unseen = psnr_score(y[~train], fit[~train])
    assert display.axes_[0].get_title().endswith(f"it saw, {unseen:.1f} dB on others")
    labels = [display.axes_[0].get_ylabel(), display.axes_[1].get_ylabel()]
    assert labels == ["brightness, lux", "error, lux"]
    assert display.axes_[1].get_xlabel() == "hour"


@pytest.mark.parametrize("n_channels", [0, 1, 3])
@pytest.mark.parametrize("upward", [False, True])
def test_reconstruction_of_an_image(n_channels, upward, rng):
    shape = (8, 12, n_channels) if n_channels else (8, 12)
    image = rng.uniform(size=shape)
    X, y = grid_samples(image, channels=n_channels > 0)
    order = rng.permutation(len(X))
    fit = y * 0.9
    display = draw(
        ReconstructionDisplay.from_predictions(X[order], y[order], fit[order], upward=upward)
    )
    shown = [ax.images[0].get_array() for ax in display.axes_]
    single = n_channels != 3
    expected = image if not single else image.reshape(8, 12)
    assert np.asarray(shown[0]) == pytest.approx(expected)
    error = -0.1 * expected if single else 0.1 * np.sqrt(np.mean(expected**2, axis=2))
    assert np.asarray(shown[2]) == pytest.approx(error)
    assert display.axes_[0].yaxis_inverted() != upward
    if single:
        assert display.axes_[2].images[0].get_clim()[0] == -display.axes_[2].images[0].get_clim()[1]
    # the first row is where its coordinate says, at 0
    bottom, top = display.axes_[0].images[0].get_extent()[2:]
    assert sorted((bottom, top)) == pytest.approx([-1 / 16, 15 / 16])


def test_reconstruction_of_an_uneven_grid_and_of_scattered_points(rng):
    X, y = grid_samples(rng.uniform(size=(4, 5)), ([0, 1, 3, 9], np.arange(5)))
    display = draw(ReconstructionDisplay.from_predictions(X, y, y))
    assert len(display.axes_[0].collections) == 1
    assert not display.axes_[0].images
    for n_channels in (1, 3):
        X, y = rng.uniform(size=(40, 2)), rng.uniform(size=(40, n_channels))
        display = draw(ReconstructionDisplay.from_predictions(X, y, y / 2))
        points = display.axes_[0].collections[0].get_offsets()
        assert np.asarray(points) == pytest.approx(X[:, ::-1])


def test_what_a_reconstruction_display_refuses(rng):
    X, y = rng.uniform(size=(20, 2)), rng.uniform(size=20)
    with pytest.raises(ValueError, match=r"take a slice.*Got 3 axes"):
        ReconstructionDisplay(rng.uniform(size=(20, 3)), y, y)
    with pytest.raises(ValueError, match=r"choose one, y\[:, k\]\. Got 2 channels"):
        ReconstructionDisplay(X, np.ones((20, 2)), np.ones((20, 2)))
    with pytest.raises(ValueError, match="same shape"):
        ReconstructionDisplay(X, y, y[:, None])
    with pytest.raises(ValueError, match="inconsistent"):
        ReconstructionDisplay(X[:5], y, y)
    with pytest.raises(ValueError, match="train must be a mask"):
        ReconstructionDisplay(X, y, y, train=[0, 1])
    with pytest.raises(ValueError, match="a name for each of 2 axes"):
        ReconstructionDisplay(X, y, y, axis_names=["x"])
    with pytest.raises(ValueError, match="data_range"):
        ReconstructionDisplay(X, y, y, data_range=0)
    with pytest.raises(ValueError, match="NaN"):
        ReconstructionDisplay(X, y, y * np.nan)


def test_without_matplotlib():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import sk_posenc as sp\n"
        "display = sp.SpectrumDisplay(singular_values={}, stable_rank={}, rank={})\n"
        "for call in (display.plot, lambda: sp.BasisDisplay.from_bases('gaussian')):\n"
        "    try: call()\n"
        "    except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    messages = done.stdout.strip().splitlines()
    assert [message.split()[0] for message in messages] == [
        "SpectrumDisplay.plot",
        "BasisDisplay.from_bases",
    ]
    assert all("pip install" in message for message in messages)


def test_sizes_of_layers_are_not_their_number():
    with pytest.raises(ValueError, match="give 2 for a network of 2 layers"):
        BasisDisplay.from_bases("triangle", stable_rank=8, hidden_layers=(256, 256))


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_samples_it_saw_are_named_once(n_outputs):
    X = np.linspace(0, 1, 30)[:, None]
    y = np.sin(5 * X) * np.arange(1, n_outputs + 1)
    train = np.arange(30) % 3 == 0
    display = ReconstructionDisplay.from_predictions(X, y, 0.9 * y, train=train)
    named = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert named.count("samples it saw") == 1
    plt.close(display.figure_)
