"""Hypothesis builds networks from the hints of their settings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from sk_posenc import CoordinateMLP, CoordinateMLPClassifier, CoordinateMLPRegressor

pytest.importorskip("annotated_types", reason="annotated-types is not installed")


@pytest.mark.parametrize("kind", [CoordinateMLPRegressor, CoordinateMLPClassifier])
def test_settings_that_hypothesis_makes_are_possible(kind):
    seen = set()

    @settings(max_examples=25)
    @given(st.from_type(kind))
    def build(model):
        model._check_settings()
        assert repr(clone(model)) == repr(model)
        CoordinateMLP(
            2, hidden_layer_sizes=model._chosen("hidden_layer_sizes"), activation=model.activation
        )
        seen.update((type(model.early_stopping), type(model.batch_size)))

    build()
    assert {int, str, type(None)} <= seen
