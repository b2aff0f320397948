"""Stable ranks of layers, drawn."""

from functools import partial

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_posenc import CoordinateMLPRegressor, LayerRankDisplay, ShiftedBasisEncoder

X = np.linspace(0, 1, 60)[:, None]
Y = np.sin(9 * X[:, 0])
small = partial(
    CoordinateMLPRegressor,
    hidden_layer_sizes=(8, 6),
    max_epochs=3,
    random_state=0,
    device="cpu",
    log_stable_rank=True,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_line_for_each_layer():
    model = small().fit(X, Y)
    display = LayerRankDisplay.from_estimator(model)
    display.figure_.canvas.draw()
    (name,) = display.stable_rank
    assert name == "CoordinateMLPRegressor"
    rows = model.history_
    expected = [rows[0]["stable_rank_before"], *rows[:, "stable_rank"]]
    np.testing.assert_array_equal(display.stable_rank[name], expected)
    for layer, line in enumerate(display.lines_[name]):
        np.testing.assert_array_equal(line.get_xdata(), range(4))
        np.testing.assert_array_equal(line.get_ydata(), np.array(expected)[:, layer])
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["layer 1", "layer 2", "layer 3"]
    assert display.ax_.get_yscale() == "log"
    assert display.ax_.get_xlabel() == "epochs trained"


def test_networks_side_by_side():
    models = {
        "Adam": make_pipeline(ShiftedBasisEncoder(stable_rank=4), small()).fit(X, Y),
        "search": GridSearchCV(small(max_epochs=1), {"lr": [1e-3]}, cv=2).fit(X, Y),
        "muon": small(hidden_layer_sizes=(8, 8, 8), optimizer="muon").fit(X, Y),
    }
    ax = plt.subplots()[1]
    display = LayerRankDisplay.from_estimator(models, ax=ax, line_kwargs={"linewidth": 3})
    assert display.ax_ is ax
    assert [len(lines) for lines in display.lines_.values()] == [3, 3, 4]
    lines = [each[0] for each in display.lines_.values()]
    assert len({each.get_linestyle() for each in lines}) == 3
    assert {each.get_linewidth() for each in lines} == {3}
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == [*(f"layer {i}" for i in (1, 2, 3, 4)), "Adam", "search", "muon"]
    listed = LayerRankDisplay.from_estimator([models["search"], models["muon"]])
    assert list(listed.stable_rank) == [
        "CoordinateMLPRegressor, Adam",
        "CoordinateMLPRegressor, muon",
    ]
    assert (
        LayerRankDisplay(stable_rank=listed.stable_rank).plot().lines_.keys()
        == listed.lines_.keys()
    )


def test_what_it_refuses():
    with pytest.raises(NotFittedError):
        LayerRankDisplay.from_estimator(small())
    for model in (small(log_stable_rank=False), small(max_epochs=0)):
        with pytest.raises(ValueError, match=r"no record of stable ranks: .* Got \d epochs"):
            LayerRankDisplay.from_estimator(model.fit(X, Y))
    with pytest.raises(TypeError, match=r"must be a CoordinateMLPRegressor .*Got Ridge"):
        LayerRankDisplay.from_estimator(Ridge().fit(X, Y))
    with pytest.raises(ValueError, match="at least one"):
        LayerRankDisplay.from_estimator([])
    with pytest.raises(ValueError, match=r"n_layers\). Got an array of shape \(3,\)"):
        LayerRankDisplay(stable_rank={"mine": [1, 2, 3]})
    assert not plt.get_fignums()


def test_epochs_without_a_record_are_left_out():
    model = small(max_epochs=2, log_stable_rank=False).fit(X, Y)
    model.set_params(log_stable_rank=True, max_epochs=1)
    model.set_params(callbacks=None).partial_fit(X, Y)
    (ranks,) = LayerRankDisplay.from_estimator(model).stable_rank.values()
    assert ranks.shape == (2, 3)
    assert ranks[0].tolist() == model.history_[2, "stable_rank_before"]
