"""Infinities of both signs, and what holds no numbers, are refused by name and without warnings."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from sk_posenc import (
    CoordinateKFold,
    CoordinateMLPRegressor,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    ShiftedBasisEncoder,
    psnr_score,
    stable_rank,
    suggest_encoder,
)

BOTH = np.array([[-np.inf, np.inf], *np.eye(2).tolist() * 5])
FINITE = np.random.default_rng(0).uniform(size=BOTH.shape)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "refuse",
    [
        lambda X, y: stable_rank(X),
        lambda X, y: psnr_score(X, y),
        lambda X, y: ShiftedBasisEncoder().fit(X),
        lambda X, y: FourierEncoder().fit(y).transform(X),
        lambda X, y: KroneckerRidge().fit(X, y),
        lambda X, y: KroneckerRidgeCV().fit(y, X),
        lambda X, y: KroneckerRidge().fit(y, y[:, 0]).predict(X),
        lambda X, y: CoordinateMLPRegressor(hidden_layer_sizes=(4,), max_epochs=1).fit(y, X),
        lambda X, y: list(CoordinateKFold(2).split(X)),
        lambda X, y: suggest_encoder(X, y, Ridge()),
    ],
    ids=range(10),
)
def test_infinities_of_both_signs_are_refused(refuse, dtype):
    with pytest.raises(ValueError, match="infinity"):
        refuse(BOTH.astype(dtype), FINITE.astype(dtype))


@pytest.mark.parametrize("value", [..., len, int, [[object()]], [[pd.NaT, {}]]])
def test_what_holds_no_numbers_is_named(value):
    y = FINITE[:, 0]
    for name, refuse in {
        "sample_weight": lambda: psnr_score(y, y, sample_weight=value),
        "A": lambda: stable_rank(value),
        "X": lambda: ShiftedBasisEncoder().fit(value),
    }.items():
        with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
            refuse()
