"""What suggest_encoder says of near-ties, and of signals on which its kernel fails."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sk_posenc import CoordinateMLPRegressor, FourierEncoder, grid_samples, suggest_encoder
from sk_posenc.selection._doubts import doubts_about, near_ties


def test_near_ties_are_within_a_quarter_of_a_decibel():
    psnr = np.array([30.0, 29.76, 29.74, 12.0])
    assert near_ties(psnr).tolist() == [True, True, False, False]
    (doubt,) = doubts_about(psnr, None)
    assert "Ranks 1 to 2 are a near-tie" in doubt
    assert not doubts_about(psnr[[0, 2]], None)


@pytest.mark.parametrize(
    ("exponent", "best", "fails"),
    [(1.5, 30.0, True), (1.49, 40.0, False), (1.9, 29.9, False), (None, 40.0, False)],
)
def test_smooth_signals_that_are_fitted_closely_are_told(exponent, best, fails):
    doubts = doubts_about(np.array([best, 1.0]), exponent)
    assert bool(doubts) == fails
    if fails:
        assert "known to choose badly" in doubts[0]
        assert f"{exponent:.2f}" in doubts[0]


def test_a_suggestion_says_its_doubts():
    x = np.linspace(0, 1, 80)
    network = CoordinateMLPRegressor(hidden_layer_sizes=(64, 64))
    smooth, y = grid_samples(np.sin(5 * x))
    encoders = [FourierEncoder(3), FourierEncoder(3), FourierEncoder(30)]
    told = suggest_encoder(smooth, y, network, encoders)
    assert [doubt.split(" ")[0] for doubt in told.doubts] == ["Ranks", "The"]
    assert told.table["near_tie"].tolist() == [True, True, False]
    for doubt in told.doubts:
        assert doubt in str(told)
        assert doubt in told._repr_html_()
    rough = np.random.default_rng(0).normal(size=80)
    assert not suggest_encoder(smooth, rough, network, encoders[1:]).doubts
    linear = suggest_encoder(smooth, y, Ridge(1e-6), encoders)
    assert all(doubt.startswith("Ranks") for doubt in linear.doubts)
