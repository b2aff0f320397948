"""Fits that have learnt nothing say so, and fits that diverge are errors."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch

from sk_posenc import CoordinateMLPClassifier, CoordinateMLPRegressor, PoorFitWarning
from sk_posenc.networks._judgement import loss_of_shares

X = np.random.default_rng(0).uniform(-1, 1, (400, 1))
FAST = np.sin(900 * X[:, 0])  # what a network without an encoder cannot learn
SLOW = np.sin(2 * X[:, 0])
regressor = partial(CoordinateMLPRegressor, hidden_layer_sizes=(8,), random_state=0, device="cpu")
classifier = partial(CoordinateMLPClassifier, hidden_layer_sizes=(8,), random_state=0, device="cpu")


def test_a_fit_that_has_learnt_nothing_warns():
    with pytest.warns(PoorFitWarning, match=r"explains 0\..% of its own training rows.*encoder"):
        regressor(max_epochs=10).fit(X, FAST)
    targets = np.column_stack([FAST, np.ones(400)])  # an output that does not vary has no share
    with pytest.warns(PoorFitWarning, match="no better than a constant: after 10 epochs"):
        regressor(max_epochs=10).fit(X, targets)
    with pytest.warns(PoorFitWarning, match="CoordinateMLPClassifier is no better"):
        classifier(max_epochs=10).fit(X, FAST > 0)


def test_early_stopping_on_a_plateau_warns():
    settings = {"early_stopping": 2, "lr": 1e-7, "max_epochs": 3}
    with pytest.warns(PoorFitWarning, match=r"its own training rows.*early_stopping \(from 2\)"):
        regressor(batch_size=4, **settings).fit(X, np.sign(SLOW) * np.sign(FAST))
    learnt = regressor(early_stopping=3, lr=1e-2, max_epochs=50).fit(X, SLOW)
    assert learnt.score(X, SLOW) > 0.9


@pytest.mark.parametrize(
    ("settings", "y"),
    [
        ({"max_epochs": 40}, SLOW),
        ({"max_epochs": 1}, FAST),  # too few batches to expect anything
        ({"max_epochs": 10}, np.ones(400)),  # nothing to learn
        ({"max_epochs": 10, "criterion": torch.nn.L1Loss}, FAST),  # not known of a constant
        ({"max_epochs": 10, "output_activation": "tanh"}, FAST),
    ],
)
def test_others_are_silent(settings, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor(**settings).fit(X, y)


def test_weights_count_in_what_a_constant_explains():
    # two classes at the same places: a constant's loss is the entropy of the weighted shares
    y, w = np.arange(400) % 2, np.where(np.arange(400) % 2, 9.0, 1.0)
    assert loss_of_shares([0.5, 0.5]) == pytest.approx(np.log(2))
    assert loss_of_shares([1.0, 0.0]) == 0
    with pytest.warns(PoorFitWarning):  # 0.33 by the weights; by the counts it would be 0.69
        model = classifier(max_epochs=10, lr=0.03).fit(X, y, sample_weight=w)
    assert model.history_[-1]["train_loss"] < 0.4


@pytest.mark.parametrize("kind", [regressor, classifier])
def test_a_finite_loss_beyond_measure_is_an_error(kind):
    y = SLOW if kind is regressor else SLOW > 0
    model = kind(max_epochs=3).fit(X, y)
    before = model.predict(X)
    model.set_params(lr=1e4, lr_schedule="constant")
    with pytest.raises(FloatingPointError, match=r"times that of a constant.*lr=10000"):
        model.fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)
