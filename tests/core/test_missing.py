"""Where numbers are missing is told by row and column, by all that take coordinates."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sk_posenc import (
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    FourierEncoder,
    KroneckerRidge,
    MultigridEncoder,
    PositionAugmenter,
    SeasonalRidge,
    ShiftedBasisEncoder,
    SpacingTransformer,
    SphereCoordinates,
    ToeplitzAttentionRegressor,
    encoding_report,
)
from sk_posenc.core.missing import told_of_missing

RNG = np.random.default_rng(0)
X, y = RNG.uniform(size=(20, 2)), RNG.uniform(size=20)
DAYS = pd.date_range("2024-01-01", periods=20)
MODELS = [
    *(FourierEncoder(), ShiftedBasisEncoder(), MultigridEncoder(), SpacingTransformer()),
    *(PositionAugmenter(), SphereCoordinates(), KroneckerRidge()),
    CoordinateMLPRegressor(max_epochs=1, hidden_layer_sizes=(2,)),
    CoordinateMLPClassifier(max_epochs=1, hidden_layer_sizes=(2,)),
]


def spoilt(value, *rows, column=1):
    table = X.copy()
    table[list(rows), column] = value
    return table


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_rows_and_columns_are_told(model):
    fitted = clone(model).fit(X, y > 0.5)
    use = fitted.predict if hasattr(fitted, "predict") else fitted.transform
    hidden = np.zeros(X.shape, dtype=bool)
    hidden[4, 0] = True
    cases = [
        (spoilt(np.nan, 7, 9), "Input X contains NaN .* column 1.*nan in 2 of 20 .* in row 7"),
        (spoilt(-np.inf, 3), "Input X contains infinity in column 1.*-inf in 1 of 20 .*row 3"),
        (np.ma.array(X, mask=hidden), "Input X contains NaN .* column 0.* in row 4"),
    ]
    for rows, message in cases:
        for call in (
            lambda rows=rows: clone(model).fit(rows, y > 0.5),
            lambda rows=rows: use(rows),
        ):
            with pytest.raises(ValueError, match=f"{message}.*$") as caught:
                call(rows)
            assert "HistGradientBoosting" not in str(caught.value)
            assert "drop these rows" in str(caught.value)
    if not isinstance(model, SphereCoordinates):
        table = pd.DataFrame({"day": DAYS, "lat": X[:, 1]})
        table.loc[5, "day"] = pd.NaT
        with pytest.raises(ValueError, match=r"NaN .*NaT.* in column 'day'.* in row 5"):
            clone(model).fit(table, y > 0.5)


def test_times_of_series_and_reports():
    with pytest.raises(ValueError, match="nan in 1 of 20 rows, first in row 2"):
        SeasonalRidge([0.3]).fit(spoilt(np.nan, 2, column=0)[:, :1], y)
    with pytest.raises(ValueError, match="column 1: drop these rows, or fill in what is no axis"):
        SeasonalRidge([0.3], covariates=[1]).fit(spoilt(np.nan, 2), y)
    with pytest.raises(ValueError, match=r"in column 1.* first in row 2"):
        encoding_report(FourierEncoder(), spoilt(np.nan, 2))
    long = pd.DataFrame({"id": np.repeat([0, 1], 10), "day": [*DAYS[:10]] * 2, "rain": X[:, 0]})
    long.loc[6, "rain"] = np.nan
    with pytest.raises(ValueError, match=r"in column 'rain'.* first in row 6"):
        ToeplitzAttentionRegressor(series="id", time="day", max_epochs=1).fit(long, y)


def test_what_float32_does_not_hold():
    assert told_of_missing(X, "X") is None
    assert told_of_missing(np.array(np.inf), "y").startswith("Input y contains infinity: drop")
    told = told_of_missing(np.array([1.0, 2.0, 1e300]), "A")
    assert told.startswith("Input A contains a number beyond float32")
    assert told.endswith("Got 1e+300 in 1 of 3 rows, first in row 2.")
