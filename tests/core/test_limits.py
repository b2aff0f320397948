"""Limits that a block changes, and what holds before, within and after it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError

import pytest

from sk_posenc.core.limits import Limits, limits, limits_now


def test_a_block_changes_what_it_names():
    with limits(direct_up_to=5) as within:
        assert limits_now() is within
        assert within == Limits(direct_up_to=5)
        with limits(block_bytes=100):
            assert limits_now() == Limits(direct_up_to=5, block_bytes=100)
        assert limits_now() is within
    assert limits_now() == Limits()


def test_an_error_ends_a_block_too():
    with pytest.raises(ZeroDivisionError), limits(direct_up_to=5):
        _ = 1 / 0
    assert limits_now() == Limits()


def test_names_that_are_no_limits():
    with pytest.raises(TypeError, match="directly_up_to"), limits(directly_up_to=5):
        pass
    assert limits_now() == Limits()


def test_limits_are_not_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        limits_now().direct_up_to = 5


def test_threads_have_the_limits_of_the_block():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(limits_now).result()  # it was there before the block
        with limits(direct_up_to=5):
            assert pool.submit(limits_now).result().direct_up_to == 5
        assert pool.submit(limits_now).result() == Limits()
