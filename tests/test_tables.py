"""What users bring, through estimators of every kind: masks, dates, tables, and errors."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

import sk_posenc as sp
from sk_posenc.core.dates import DateAxis

DAYS = pd.date_range("2023-03-01", periods=60)
WAVE = np.sin(np.arange(60) / 5)
TABLE = pd.DataFrame({"t": DAYS, "depth": np.tile(np.linspace(0, 1, 6), 10)})
HOLES = np.arange(60) % 3 == 1


def mlp(**settings):
    return sp.CoordinateMLPRegressor(
        hidden_layer_sizes=(8,), max_epochs=2, device="cpu", random_state=0, **settings
    )


MODELS = {
    "ridge": sp.KroneckerRidge(alpha=1e-4),
    "search": sp.KroneckerRidgeCV(),
    "network": mlp(),
    "encoded network": mlp(encoder=sp.ShiftedBasisEncoder()),
}
ENCODERS = [
    sp.ShiftedBasisEncoder(),
    sp.FourierEncoder(),
    sp.LogFourierEncoder(),
    sp.RandomFourierEncoder(8, random_state=0),
    sp.LearnableFourierEncoder(random_state=0),
    sp.SpacingTransformer(),
]


def in_unit(table, unit):
    return table.assign(t=table["t"].astype(f"datetime64[{unit}]"))


@pytest.mark.parametrize("name", MODELS)
def test_models_take_dates_of_any_unit(name):
    X, y = (TABLE, WAVE) if "network" in name else (TABLE[["t"]], WAVE)
    model = sp.KroneckerRidge(alpha=1e-4) if name == "ridge" else MODELS[name]
    model = model.fit(in_unit(X, "us"), y)
    expected = model.predict(in_unit(X, "ns"))
    np.testing.assert_array_equal(model.predict(in_unit(X, "s")), expected)
    assert np.ptp(expected) > 0
    assert model.dates_[0] == DateAxis(DAYS[0].to_datetime64())
    if "network" not in name:
        np.testing.assert_allclose(expected, WAVE, atol=1e-2)
        assert model.score(X, y) > 0.99
    with pytest.raises(TypeError, match="column 't' of X must hold dates, as it did in fit"):
        model.predict(X.assign(t=np.arange(60.0)))
    with pytest.raises(ValueError, match="X contains NaN"):
        model.predict(X.assign(t=pd.NaT))


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: type(e).__name__)
def test_encoders_take_dates_of_any_unit(encoder):
    fitted = encoder.fit(in_unit(TABLE, "us"))
    expected = fitted.transform(in_unit(TABLE, "ns"))
    numbers = np.column_stack([np.arange(60.0), TABLE["depth"]])
    np.testing.assert_array_equal(expected, encoder.fit(numbers).transform(numbers))


@pytest.mark.parametrize("name", MODELS)
def test_masked_targets_are_missing(name):
    X = np.arange(60.0)[:, None] / 60
    masked = np.ma.array(np.where(HOLES, -9999.0, WAVE), mask=HOLES)
    model = MODELS[name]
    with pytest.raises(ValueError, match=r"y contains NaN.*nan_is_hole"):
        model.fit(X, masked)
    if "network" in name:
        with pytest.raises(ValueError, match="NaN"):
            model.fit(X, WAVE).score(X, masked)
        return
    with pytest.raises(ValueError, match="set nan_is_hole=True to leave these rows out"):
        model.fit(X, np.where(HOLES, np.nan, WAVE))
    holed = model.set_params(nan_is_hole=True).fit(X, masked)
    np.testing.assert_allclose(holed.predict(X)[2:-2], WAVE[2:-2], atol=0.02)
    model.set_params(nan_is_hole=False)
    with pytest.raises(ValueError, match="NaN"):
        holed.score(X, masked)


def test_missing_dates_in_targets_are_missing():
    X = np.arange(3.0)[:, None]
    y = np.array(["1970-01-02", "NaT", "1970-01-04"], dtype="datetime64[ns]")
    with pytest.raises(ValueError, match=r"a masked value or NaT.* first in row 1"):
        sp.KroneckerRidge().fit(X, y)
    assert sp.KroneckerRidge(nan_is_hole=True).fit(X, y).intercept_ == 2


def test_masked_coordinates_and_weights_are_refused():
    X = np.ma.masked_equal(np.arange(60.0)[:, None], 7)
    for estimator in (sp.KroneckerRidge(), sp.ShiftedBasisEncoder()):
        with pytest.raises(ValueError, match="X contains NaN"):
            estimator.fit(X, WAVE)
    weights = np.ma.masked_equal(np.arange(60.0) + 1, 7)
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        sp.KroneckerRidge().fit(X.data, WAVE, sample_weight=weights)


@pytest.mark.parametrize("model", [sp.KroneckerRidge(), sp.KroneckerRidgeCV(), mlp()])
def test_columns_constant_but_for_rounding(model):
    X = np.column_stack([np.arange(20.0), np.where(np.arange(20) % 2, 0.3, 0.1 + 0.2)])
    exact = np.column_stack([np.arange(20.0), np.full(20, X[0, 1])])
    found = model.fit(X, WAVE[:20]).predict(exact)
    np.testing.assert_array_equal(found, model.fit(exact, WAVE[:20]).predict(exact))
    assert sp.ShiftedBasisEncoder().fit(X).domain_[1].tolist() == [X[0, 1] - 0.5, X[0, 1] + 0.5]


def test_categories_change_nothing():
    model = sp.KroneckerRidge().fit(TABLE, WAVE)
    before = vars(model).copy()
    with pytest.raises(TypeError, match="column 'depth' of X holds categories"):
        model.fit(TABLE.assign(depth=pd.Categorical(["a"] * 60)), WAVE)
    assert vars(model) == before


def test_columns_in_another_order_are_told_as_such():
    model = sp.KroneckerRidge().fit(TABLE, WAVE)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(TABLE[["depth", "t"]])


def test_measures_of_dates_and_masks():
    encoder = sp.ShiftedBasisEncoder(stable_rank=5).fit(TABLE)
    numbers = np.column_stack([np.arange(60.0), TABLE["depth"]])
    E = encoder.transform(TABLE)
    assert sp.distance_preservation(TABLE, E) == sp.distance_preservation(numbers, E)
    assert sp.stable_rank_scorer(encoder, TABLE) == sp.stable_rank(E)
    model = sp.KroneckerRidge().fit(TABLE, WAVE)
    assert sp.stable_rank_scorer(model, TABLE) > 1
    report = sp.encoding_report(encoder, TABLE, WAVE)
    assert report.axis_names == ["t", "depth"]
    image = np.ma.masked_equal([[0.5, -9999.0]], -9999)
    with pytest.raises(ValueError, match=r"y_true contains NaN \(a masked value.*psnr_score"):
        sp.psnr_score(image, [[0.5, 0.5]])


def test_suggestions_for_dates():
    week = sp.ShiftedBasisEncoder(stable_rank=3, boundary="periodic", domain="1W")
    line = sp.ShiftedBasisEncoder(stable_rank=8)
    y = np.cos(2 * np.pi * np.arange(60) / 7)
    found = sp.suggest_encoder(TABLE[["t"]], y, sp.KroneckerRidge(alpha=1e-4), [line, week])
    assert found.best_encoder.domain == "1W"


def test_displays_label_dates():
    model = sp.KroneckerRidge().fit(TABLE, WAVE)
    display = sp.ReconstructionDisplay.from_estimator(model, TABLE, WAVE)
    display.figure_.canvas.draw()
    labels = [text.get_text() for text in display.axes_[0].get_yticklabels()]
    assert any("Apr" in label for label in labels), labels
    line = sp.ReconstructionDisplay.from_estimator(
        sp.KroneckerRidge().fit(TABLE[["t"]], WAVE), TABLE[["t"]], WAVE
    )
    line.figure_.canvas.draw()
    assert any("Apr" in text.get_text() for text in line.axes_[1].get_xticklabels())
    days = sp.BasisDisplay.from_estimator(sp.ShiftedBasisEncoder().fit(TABLE))
    assert days.axes_[0].get_xlabel() == "displacement, days"
    plt.close("all")


def test_displays_label_dates_of_other_calendars():
    cftime = pytest.importorskip("cftime")
    dates = [cftime.Datetime360Day(2001, 2, day) for day in range(1, 31)]
    X = np.array(dates, dtype=object)[:, None]
    display = sp.ReconstructionDisplay.from_predictions(X, WAVE[:30], WAVE[:30])
    display.figure_.canvas.draw()
    assert "2001-02-29" in display.axes_[1].xaxis.get_major_formatter()(28, 0)
    plt.close("all")


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda: sp.KroneckerRidge().partial_fit, AttributeError, "Set an encoder.*Missing: enc"),
        (lambda: sp.KroneckerRidgeCV().set_params(encoder__stable_rank=3), ValueError,
         "chooses the encoder itself"),
        (lambda: sp.KroneckerRidge([sp.FourierEncoder()]).set_params(encoder__stable_rank=3),
         ValueError, "encoder is a list of one per axis"),
        (lambda: mlp().set_params(encoder__stable_rank=3), ValueError, "set encoder first"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(act, kind, message):
    with pytest.raises(kind, match=message):
        act()


def test_what_those_errors_leave_alone():
    assert not hasattr(sp.KroneckerRidge(), "partial_fit")
    asking = sp.psnr_scorer.set_score_request(sample_weight=True)
    assert asking.get_metadata_routing().score.requests == {"sample_weight": True}
    assert sp.psnr_scorer.get_metadata_routing().score.requests == {"sample_weight": None}
    search = GridSearchCV(
        sp.KroneckerRidge(), {"encoder__stable_rank": [1.5, 12]}, cv=sp.CoordinateKFold(2)
    )
    found = search.fit(TABLE[["t"]], np.sin(np.arange(60) / 2)).best_params_
    assert found == {"encoder__stable_rank": 12}
    assert sp.KroneckerRidgeCV().set_params(tol=0.2).tol == 0.2
