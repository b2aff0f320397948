"""The encoder of the page "Add an encoder" has all that those of the package have."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from sk_posenc import CoordinateMLPRegressor, EncoderModule, KroneckerRidge, encoding_report
from sk_posenc.encoders.axis_functions import functions_of

PAGE = Path(__file__).parents[2] / "docs" / "add_encoder.md"


@pytest.fixture(scope="module")
def page():
    """What the code of the page has made."""
    made = {"print": lambda *values: None}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, made)
    return made


def test_settings_follow_the_samples(page):
    counts = [len(each.half_turns_[0]) for each in page["model"].encoders_]
    assert counts == [34, 34]  # 0.42 of 40 samples, in half-turns


def test_derivatives_are_differences_of_predictions(page):
    X, h, model = page["X"], 1e-5, page["model"]
    inside = X[(X[:, 0] > 0) & (X[:, 0] < 1)]
    ahead, behind = (model.predict(inside + np.array([step, 0.0])) for step in (h, -h))
    slope = model.predict(inside, derivative=(1, 0))
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * h), atol=1e-5)
    twice = model.predict(inside, derivative=(2, 0))
    bent = (ahead - 2 * model.predict(inside) + behind) / h**2
    np.testing.assert_allclose(twice, bent, atol=1e-3 * np.abs(twice).max())
    outside = model.predict([[1.5, 0.5], [-0.1, 0.5]], derivative=(1, 0))
    np.testing.assert_array_equal(outside, 0.0)


def test_blocks_are_the_fit_of_all(page):
    whole = clone(page["fixed"])
    model = KroneckerRidge(whole, alpha=1e-8, tol=1e-9).fit(page["X"], page["y"])
    found = page["by_blocks"].predict(page["X"])
    np.testing.assert_allclose(found, model.predict(page["X"]), atol=1e-3)
    assert not hasattr(KroneckerRidge(page["CosineEncoder"](domain=(0, 1))), "partial_fit")
    assert not hasattr(KroneckerRidge(page["CosineEncoder"](20)), "partial_fit")


def test_training_moves_it(page):
    moved = page["net"].encoder_.half_turns_[0]
    assert np.abs(moved - np.pi * np.arange(8)).max() > 1e-4
    still = CoordinateMLPRegressor(page["CosineEncoder"](8), max_epochs=1, random_state=0)
    np.testing.assert_array_equal(
        still.fit(page["X"], page["y"]).encoder_.half_turns_[0], np.pi * np.arange(8)
    )


def test_far_from_zero_float32_keeps_its_digits(page):
    x = np.linspace(0, 1, 50, dtype=np.float32)[:, None]
    near = page["CosineEncoder"](16).fit(x).transform(x)
    far = (x.astype(np.float64) * 1024 + 2.0**20).astype(np.float32)
    encoder = page["CosineEncoder"](16).fit(far)
    exact = encoder.transform(far.astype(np.float64))
    np.testing.assert_allclose(encoder.transform(far), exact, atol=1e-5)
    assert near.dtype == np.float32


def test_reports_tell_of_it(page):
    report = encoding_report(page["CosineEncoder"](8), page["X"])
    assert report.columns_per_axis.tolist() == [8, 8]
    np.testing.assert_allclose(report.stable_rank, 4.5, atol=0.1)


def test_what_is_not_defined_has_an_answer(page):
    class Plain(page["CosineEncoder"]):
        """Without the second half of the page."""

        _learnable = page["AxisEncoder"]._learnable
        _derivative_inside = page["AxisEncoder"]._derivative_inside
        _settings_for = page["AxisEncoder"]._settings_for

    X, y = page["X"], page["y"]
    model = KroneckerRidge(Plain(9)).fit(X, y)
    assert [each.half_turns_[0].size for each in model.encoders_] == [9, 9]
    with pytest.raises(ValueError, match=r"derivative of .* is not known"):
        model.predict(X, derivative=(1, 0))
    with pytest.raises(ValueError, match="has no arrays that training can change"):
        EncoderModule(Plain(9).fit(X), trainable=True)
    assert functions_of(Plain())._window() is None
    assert KroneckerRidge(Plain(9), penalty=2.0).fit(X, y).score(X, y) > 0.9  # columns count
