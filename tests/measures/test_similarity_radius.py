"""Similarity radii against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import MinMaxScaler
from test_shifted_basis import grid

from sk_posenc import (
    FourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    similarity_radius,
    similarity_radius_scorer,
)


@pytest.mark.parametrize("unit", [1.0, 1e-4, 360.0])
@pytest.mark.parametrize("rank", [3, 50])
def test_similarity_radius_in_closed_form(rank, unit):
    X = grid(20) * [unit, 1.0]
    domain = [(0.0, unit), (0.0, 1.0)]
    expected = {
        "gaussian": math.sqrt(math.log(10) / math.pi) / rank,
        "rectangle": 0.9 / rank,
        # cubic B-spline near its end: (2 - d)**3 / 6 = 0.1 * 2/3, in half-widths 2 / (3 SR)
        "triangle": (2 - 0.4 ** (1 / 3)) * 2 / (3 * rank),
    }
    for basis, radius in expected.items():
        encoder = ShiftedBasisEncoder(basis, stable_rank=rank, domain=domain).fit(X)
        np.testing.assert_allclose(similarity_radius(encoder), [radius * unit, radius], rtol=1e-6)
    at_half = ShiftedBasisEncoder("rectangle", stable_rank=rank, domain=domain).fit(X)
    np.testing.assert_allclose(similarity_radius(at_half, level=0.5)[1], 0.5 / rank, rtol=1e-6)


@pytest.mark.parametrize(
    "encoder",
    [FourierEncoder(12), LogFourierEncoder(), RandomFourierEncoder(200, stable_rank=10)],
    ids=str,
)
def test_similarity_radius_is_the_first_crossing(encoder):
    X = np.linspace(0, 1, 100)[:, None]
    radius = similarity_radius(encoder.fit(X))[0]
    lags = np.linspace(0, radius, 200)[:, None]
    D = encoder.similarity(np.zeros((1, 1)), lags)[0]
    assert (D[:-1] > 0.1).all()
    assert D[-1] == pytest.approx(0.1, abs=1e-9)


def test_similarity_radius_where_it_never_falls():
    X = np.linspace(0, 5, 30)[:, None]
    np.testing.assert_array_equal(similarity_radius(ShiftedBasisEncoder(bandwidth=90).fit(X)), [5])
    for level, error in (
        *((bad, ValueError) for bad in (0, 1, -1, 2, math.nan)),
        *((bad, TypeError) for bad in ("low", None, True)),
    ):
        with pytest.raises(error, match="level must be"):
            similarity_radius(ShiftedBasisEncoder().fit(X), level=level)
    with pytest.raises(TypeError, match="encoder"):
        similarity_radius(MinMaxScaler().fit(X))
    with pytest.raises(ValueError, match="not fitted"):
        similarity_radius(ShiftedBasisEncoder())


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.floats(2, 60), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3)),
        min_size=1,
        max_size=4,
    )
)
@example([(1.0, 1.0, 0.0), (300.0, 1.0, 0.0), (117.0, 1.0, 0.0), (40.0, 1.0, 0.0)])
def test_radii_of_axes_are_those_of_each_alone(axes):
    X = np.column_stack([origin + unit * np.linspace(0, 1, 50) for _, unit, origin in axes])
    ranks = [rank for rank, _, _ in axes]
    gaussian = ShiftedBasisEncoder(stable_rank=ranks).fit(X)
    shares = math.sqrt(math.log(10) / math.pi) / np.array(ranks)
    units = np.array([unit for _, unit, _ in axes])
    np.testing.assert_allclose(similarity_radius(gaussian), shares * units, rtol=1e-6)
    assert similarity_radius_scorer(gaussian) == pytest.approx(np.mean(shares), rel=1e-6)
    # waves come back: the first crossing is found on every axis, whatever the others are
    waves = FourierEncoder(stable_rank=ranks).fit(X)
    alone = [
        similarity_radius(FourierEncoder(stable_rank=rank).fit(X[:, [axis]]))[0]
        for axis, rank in enumerate(ranks)
    ]
    np.testing.assert_allclose(similarity_radius(waves), alone, rtol=1e-9)
    shares = np.array(alone) / np.ptp(X, axis=0)
    assert similarity_radius_scorer(waves) == pytest.approx(np.mean(shares), rel=1e-9)


def test_the_scorer_wants_a_fitted_encoder():
    with pytest.raises(NotFittedError, match="ShiftedBasisEncoder instance is not fitted"):
        similarity_radius_scorer(ShiftedBasisEncoder(stable_rank=3))
