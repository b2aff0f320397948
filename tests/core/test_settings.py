"""Settings as they are given: what each parser takes, and how it refuses the rest."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sk_posenc.core.settings import (
    is_auto,
    parse_axis,
    parse_choice,
    parse_count,
    parse_flag,
    parse_integer,
    parse_number,
    parse_optional,
)


def _message(parse, *given, **settings):
    with pytest.raises((TypeError, ValueError)) as caught:
        parse(*given, **settings)
    return caught.type, str(caught.value)


def test_flags():
    assert parse_flag(True, "flag") is True
    assert parse_flag(np.False_, "flag") is False
    for value in (1, 0, None, "yes", [True]):
        assert _message(parse_flag, value, "flag") == (
            TypeError,
            f"flag must be True or False. Got {value!r}.",
        )


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_whole_numbers_become_python_ints(value):
    parsed = parse_integer(value, "n", at_least=3)
    assert (parsed, type(parsed)) == (3, int)


@pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float64(3), "3", None, [3], np.array(3)])
def test_what_is_no_whole_number(value):
    assert _message(parse_integer, value, "n", otherwise=" or None") == (
        TypeError,
        f"n must be a whole number or None. Got {value!r}.",
    )
    assert _message(parse_axis, value, 2)[0] is TypeError


def test_too_small_a_whole_number():
    assert _message(parse_integer, 0, "n") == (ValueError, "n must be at least 1. Got 0.")
    assert _message(parse_integer, np.int64(1), "n", 2, " or None") == (
        ValueError,
        "n must be at least 2 or None. Got np.int64(1).",
    )
    assert _message(parse_count, 0, "n") == (ValueError, 'n must be at least 1 or "auto". Got 0.')


def test_text_where_auto_is_allowed():
    assert is_auto("auto", "x")
    assert not is_auto(3, "x")
    for parse, settings, wanted in (
        (is_auto, {}, 'a number or "auto"'),
        (is_auto, {"wanted": "a whole number, or else"}, "a whole number, or else"),
        (parse_count, {}, 'a whole number or "auto"'),
    ):
        assert _message(parse, "8", "x", **settings) == (
            ValueError,
            f"x must be {wanted}. Got '8'.",
        )


def test_axes_are_counted_from_0():
    assert [parse_axis(np.intp(axis), 2) for axis in range(2)] == [0, 1]
    for axis in (-1, 2):
        assert _message(parse_axis, axis, 2, ", or None") == (
            ValueError,
            f"axis must be one of the 2 axes of the encoder, counted from 0, or None. Got {axis}.",
        )


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float16(0.5), Fraction(1, 2)])
def test_numbers_become_python_floats(value):
    parsed = parse_number(value, "x", at_least=0.5, at_most=0.5)
    assert (parsed, type(parsed)) == (0.5, float)
    assert parse_number(np.int32(-7), "x") == -7.0


@pytest.mark.parametrize("value", [True, np.False_, "1", None, 1j, [1.0], np.array(1.0)])
def test_what_is_no_number(value):
    assert _message(parse_number, value, "x", above=0) == (
        TypeError,
        f"x must be a number. Got {value!r}.",
    )
    assert _message(parse_number, value, "x", otherwise=' or "auto"') == (
        TypeError,
        f'x must be a number or "auto". Got {value!r}.',
    )


@pytest.mark.parametrize(
    ("value", "bounds", "wanted"),
    [
        (math.nan, {}, "finite"),
        (-math.inf, {"below": 1}, "finite and less than 1"),
        (10**400, {"above": 0}, "finite and greater than 0"),
        (0, {"above": 0}, "finite and greater than 0"),
        (-0.1, {"at_least": 0}, "finite and at least 0"),
        (8.5, {"above": 0, "at_most": 8}, "greater than 0 and at most 8"),
        (1, {"at_least": -1, "below": 1}, "at least -1 and less than 1"),
        (-1.5, {"at_least": -1, "below": 1}, "at least -1 and less than 1"),
        (np.inf, {"at_least": 1, "at_most": 1e9}, "at least 1 and at most 1e+09"),
    ],
)
def test_numbers_out_of_bounds(value, bounds, wanted):
    assert _message(parse_number, value, "x", **bounds) == (
        ValueError,
        f"x must be {wanted}. Got {value!r}.",
    )
    assert _message(parse_number, value, "x", otherwise=" or None", **bounds)[1].startswith(
        f"x must be {wanted} or None. Got"
    )


def test_bounds_that_belong():
    assert parse_number(8, "x", above=0, at_most=8) == 8
    assert parse_number(-1, "x", at_least=-1, below=1) == -1


def test_numbers_that_may_be_none():
    assert parse_optional(None, "x") is None
    assert _message(parse_optional, "wide", "x") == (
        TypeError,
        "x must be a number or None. Got 'wide'.",
    )


def test_words():
    parse = parse_choice("qmc", "iid")
    assert parse("iid", "sampling") == "iid"
    for value, error in (("sobol", ValueError), (None, TypeError), (1, TypeError)):
        assert _message(parse, value, "sampling") == (
            error,
            f"sampling must be one of ['qmc', 'iid']. Got {value!r}.",
        )
