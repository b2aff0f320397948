"""Every public callable gives a finite result, or an error that says what to do."""

import pytest
from contract import Chance, heavy, light
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import sk_posenc

LIGHT, HEAVY = light(), heavy()

# Those without a call of their own: a record, a warning, and what users derive from.
NO_TARGETS = {"Basis", "CoordinateModule", "EncodingReport", "PoorFitWarning", "Suggestion"}

# One number draws all of an example: `python tests/contract.py NAME --first SEED --examples 1`
# repeats it. Numbers have no smaller example to shrink to.
seeds = st.integers(0, 2**32 - 1)
drawn = [Phase.explicit, Phase.reuse, Phase.generate]


def test_every_public_name_has_a_target():
    names = {name.split(".")[0].split()[0] for name in [*LIGHT, *HEAVY]}
    assert set(sk_posenc.__all__) - NO_TARGETS == names


@pytest.mark.parametrize("name", LIGHT)
@settings(max_examples=200, phases=drawn)
@given(seed=seeds)
def test_what_is_light_keeps_its_contract(name, seed):
    LIGHT[name](Chance(seed))


@pytest.mark.parametrize("name", HEAVY)
@settings(max_examples=15, phases=drawn)
@given(seed=seeds)
def test_what_trains_keeps_its_contract(name, seed):
    HEAVY[name](Chance(seed))
