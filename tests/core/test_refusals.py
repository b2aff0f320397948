"""What comes in wrong is named, with its place and what to do, whatever scikit-learn says of it."""

import re

import numpy as np
import pandas as pd
import pytest

from sk_posenc import (
    CoordinateKFold,
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    PositiveRandomFeatures,
    SeasonalRidge,
    ToeplitzAttentionRegressor,
    distance_preservation,
    encoding_report,
    psnr_score,
)
from sk_posenc.core.checks import checked_array
from sk_posenc.core.refusals import refusals_told

RNG = np.random.default_rng(0)
X, y = RNG.uniform(size=(12, 2)), RNG.uniform(size=12)
LONG = np.column_stack([np.repeat([0.0, 1.0], 6), np.tile(np.arange(6.0), 2), RNG.uniform(size=12)])
NET = CoordinateMLPRegressor(max_epochs=1, hidden_layer_sizes=(2,))
CLASSES = CoordinateMLPClassifier(max_epochs=1, hidden_layer_sizes=(2,))
SERIES = ToeplitzAttentionRegressor(series=0, time=1, max_epochs=1)


def spoilt(value, row, column):
    rows = X.astype(object)
    rows[row, column] = value
    return rows


ROWS = {
    "text": (spoilt("x", 3, 1), ValueError, r"column 1 of X must hold .*Got 'x' in row 3\."),
    "dict": (spoilt({}, 3, 1), TypeError, r"column 1 of X must hold numbers .*Got {} in row 3\."),
    "huge": (spoilt(10**400, 4, 0), ValueError, r"column 0 of X .*scale them\. Got 10{10}"),
    "unicode": (X.astype(str)[:, :1] + "m", ValueError, r"column 0 of X must hold .* in row 0"),
    "ragged": ([*X.tolist()[:-1], [1.0]], ValueError,
               r"X must have rows of one length.*Got 2 numbers in row 0 and 1 number in row 11\."),
    "nested": ([[1.0, [2.0]]] * 12, ValueError, r"column 1 of X must hold one .*Got \[2\.0\]"),
    "complex": (X + 1j, ValueError, r"X must hold real numbers: .*Got dtype complex128\."),
    "flat": (y, ValueError, r"X must have two dimensions.*Reshape your data.*Got shape \(12,\)\."),
    "deep": (X[None], ValueError, r"X must have two dimensions.*dim 3.*Got shape \(1, 12, 2\)\."),
    "none": (None, ValueError, r"X must have two dimensions.*Got None\."),
    "empty": (X[:0], ValueError, r"X must hold more: .*Got shape \(0, 2\)\."),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    "model", [FourierEncoder(), NET, KroneckerRidge(), PositiveRandomFeatures()], ids=repr
)
def test_coordinates_are_told_by_place(model, name):
    given, kind, message = ROWS[name]
    with pytest.raises(kind, match=message):
        model.fit(given, y)


@pytest.mark.parametrize("name", ["text", "ragged", "nested", "complex"])
def test_rows_of_series_too(name):
    given, kind, message = ROWS[name]
    with pytest.raises(kind, match=message.replace(" in row 3", ".*")):
        SERIES.fit(given, y)


NUMBERS = {
    "text": (["a"] * 12, ValueError, "must hold numbers or dates.*Got .*'a'"),
    "bytes": (np.array([b"a"] * 12), ValueError, "must hold numbers or dates.*Got .*b'a'"),
    "one text": ([1.0] * 11 + ["b"], ValueError, "must hold numbers or dates.*Got .*'b'"),
    "ragged": ([1.0] * 11 + [[2.0, 3.0]], TypeError, r"must hold numbers or dates.*Got \[2\.0"),
    "complex": (y + 1j, ValueError, "must hold real numbers.*Got dtype complex128"),
    "huge": ([10**400] * 12, ValueError, "must hold numbers that fit into a float.*Got 1000"),
    "nan": (np.where(y > y[1], np.nan, y), ValueError, r"contains NaN.*Got nan in \d+ of 12 rows"),
    "infinity": ([1.0] * 11 + [np.inf], ValueError, r"contains infinity.*Got inf .*in row 11"),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("model", [NET, KroneckerRidge(), SeasonalRidge([0.3])], ids=repr)
def test_targets_and_weights_are_named(model, name):
    given, kind, message = NUMBERS[name]
    rows = X[:, :1]
    with pytest.raises(kind, match=f"\\by {message}"):
        model.fit(rows, given)
    with pytest.raises(kind, match=f"sample_weight {message}"):
        model.fit(rows, y, sample_weight=given)
    with pytest.raises(kind, match=f"y_true {message.partition('.*')[0]}"):
        psnr_score(given, y)


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        (
            ["a"] * 6 + [None] * 6,
            ValueError,
            "y must hold a label .*None in 6 of 12 .* row 6",
        ),
        ([0] * 11 + [None], ValueError, "y must hold a label everywhere: drop"),
        (np.array([1, "a"] * 6, dtype=object), TypeError, "one kind.*Got int and str"),
        (y, ValueError, "y must hold labels: Unknown label type: continuous"),
        ([[1]] * 11 + [[1, 2]], ValueError, "y must have rows of one length"),
        (np.array([b"a", b"b"] * 6), TypeError, "y must hold labels: .*bytes"),
    ],
)
def test_labels_are_named(labels, kind, message):
    with pytest.raises(kind, match=message):
        CLASSES.fit(X, labels)


def test_classes_and_groups_are_named():
    fitted, objects = CLASSES.fit(X, y > 0.5), np.array(["a", 1], dtype=object)
    with pytest.raises(ValueError, match="y must hold a label everywhere"):
        fitted.score(X, [None] * 12)
    for classes, kind in (
        ([None, 1], ValueError),
        ([[1], [1, 2]], ValueError),
        (objects, TypeError),
    ):
        with pytest.raises(kind, match=r"\bclasses must "):
            CoordinateMLPClassifier(classes=classes).fit(X, y > 0.5)
    objects[1] = "b"
    with pytest.raises(TypeError, match=r"y and classes must .*Got np.True_ and 'a' among them"):
        CoordinateMLPClassifier(classes=objects).fit(X, [True] * 12)
    with pytest.raises(ValueError, match="groups must have rows of one length"):
        list(CoordinateKFold(2).split(X, groups=[[1], [2, 3]] * 6))


@pytest.mark.parametrize("model", [NET, KroneckerRidge(), CLASSES], ids=repr)
def test_rows_that_do_not_match_are_counted(model):
    with pytest.raises(ValueError, match=r"X and y must have as many rows.*Got \[12, 5\]\."):
        model.fit(X, np.arange(5) % 2)


def test_measures_count_rows_too():
    with pytest.raises(ValueError, match=r"X and E must have as many rows.*Got \[12, 5\]\."):
        distance_preservation(X, X[:5])
    with pytest.raises(ValueError, match=r"X and y must have as many rows.*Got \[12, 5\]\."):
        encoding_report(FourierEncoder(), X, y[:5])


def test_a_penalty_may_be_an_array_of_one():
    first = X[:, 0]
    one, listed = (KroneckerRidgeCV(penalties=p).fit(X, first) for p in (np.array(2.0), [2.0]))
    np.testing.assert_array_equal(one.predict(X), listed.predict(X))


def test_what_names_itself_is_left_alone():
    for error in (ValueError("lr is odd"), TypeError("X is odd"), ValueError("could not convert")):
        with (
            pytest.raises(type(error), match=f"^{re.escape(str(error))}$"),
            refusals_told({"X": X}),
        ):
            raise error
    given = {"X": pd.DataFrame(X)}
    with pytest.raises(TypeError, match="X must be an array of numbers: odd"), refusals_told(given):
        raise TypeError("odd")


def test_numbers_beyond_float32_are_refused_without_a_warning():
    given = {"E": np.full((3, 2), 1e300)}
    with pytest.raises(ValueError, match=r"Input E contains a number beyond float32.*Got 1e\+300"):
        checked_array(given["E"], dtype=np.float32, input_name="E")
