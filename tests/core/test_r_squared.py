"""R squared does not depend on the unit of targets, or of weights."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from sk_posenc import AnchorPathRegressor, KroneckerRidge, SeasonalRidge
from sk_posenc.core.r_squared import r_squared

RNG = np.random.default_rng(0)
TRUE = RNG.normal(size=(20, 2))
FOUND = TRUE + 0.3 * RNG.normal(size=(20, 2))
WEIGHTS = RNG.uniform(size=20)


@pytest.mark.parametrize("unit", [1e-310, 1e-300, 1e-200, 1.0, 1e200, 1e307])
@pytest.mark.parametrize("weight", [1e-300, 1.0, 1e300])
def test_the_unit_does_not_matter(unit, weight):
    expected = r2_score(TRUE, FOUND, sample_weight=WEIGHTS)
    tolerance = 1e-12 if unit > 1e-307 else 1e-4  # subnormal numbers have few digits
    found = r_squared(TRUE * unit, FOUND * unit, WEIGHTS * weight)
    assert found == pytest.approx(expected, rel=tolerance)
    # each output has its own
    units = np.array([unit, 1.0])
    assert r_squared(TRUE * units, FOUND * units, WEIGHTS) == pytest.approx(expected, rel=tolerance)


def test_predictions_near_zero_of_huge_targets_explain_nothing():
    y = 1e300 * TRUE[:, 0]
    assert r_squared(y, np.full(20, y.mean())) == pytest.approx(0)
    assert r_squared(y, y) == 1


@pytest.mark.parametrize(
    ("weights", "error", "match"),
    [
        (np.zeros(20), ValueError, "sample_weight must be above 0 for some sample"),
        (-np.ones(20), ValueError, "sample_weight must not be negative"),
        (np.ones(3), ValueError, "sample_weight must have shape"),
        (..., TypeError, "sample_weight must be an array of numbers.*Got Ellipsis"),
    ],
)
@pytest.mark.parametrize("holes", [False, True])
def test_weights_are_checked_in_every_score(weights, error, match, holes):
    x = np.arange(20.0)[:, None]
    for model in (
        KroneckerRidge(nan_is_hole=holes),
        SeasonalRidge([5.0], nan_is_hole=holes),
    ):
        model.fit(x, TRUE[:, 0])
        with pytest.raises(error, match=match):
            model.score(x, TRUE[:, 0], weights)


def test_scores_of_huge_targets_are_finite():
    x = np.arange(20.0)[:, None]
    nodes = AnchorPathRegressor(2, graph=np.eye(20, k=1) + np.eye(20, k=-1), max_epochs=1)
    for model in (KroneckerRidge(), SeasonalRidge([5.0]), nodes):
        rows = np.arange(20)[:, None] if model is nodes else x
        score = model.fit(rows, 1e300 * TRUE[:, 0]).score(rows, 1e300 * TRUE[:, 0])
        assert np.isfinite(score)
        assert score <= 1


def test_targets_of_another_shape_are_named():
    x = np.arange(20.0)[:, None]
    model = KroneckerRidge(nan_is_hole=True).fit(x, TRUE[:, 0])
    with pytest.raises(ValueError, match=r"y must have shape \(20,\).*Got shape \(20, 2\)"):
        model.score(x, TRUE)
