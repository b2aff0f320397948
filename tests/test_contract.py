"""Every public callable gives a finite result, or an error that says what to do."""

import pytest
from contract import heavy, light
from hypothesis import given, settings
from hypothesis import strategies as st

import sk_posenc

LIGHT, HEAVY = light(), heavy()

# Those without a call of their own: a record, a warning, and what users derive from.
NO_TARGETS = {"Basis", "CoordinateModule", "EncodingReport", "PoorFitWarning", "Suggestion"}


class Drawn:
    """What is drawn, by Hypothesis."""

    def __init__(self, data):
        self._data = data

    def one(self, options):
        # by number: options may be unhashable, and have no repr
        return options[self._data.draw(st.integers(0, len(options) - 1))]


def test_every_public_name_has_a_target():
    names = {name.split(".")[0].split()[0] for name in [*LIGHT, *HEAVY]}
    assert set(sk_posenc.__all__) - NO_TARGETS == names


@pytest.mark.parametrize("name", LIGHT)
@settings(max_examples=30)
@given(data=st.data())
def test_what_is_light_keeps_its_contract(name, data):
    LIGHT[name](Drawn(data))


@pytest.mark.parametrize("name", HEAVY)
@settings(max_examples=8)
@given(data=st.data())
def test_what_trains_keeps_its_contract(name, data):
    HEAVY[name](Drawn(data))
