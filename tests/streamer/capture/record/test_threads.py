"""Threads for what may wait inside LSL: what failed leaves nothing open."""

import gc
import weakref

import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.record.threads import Threads


class Opened:
    """Stands for an inlet, which closes when nothing refers to it."""


@pytest.fixture
def no_garbage_collection():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("error", [RuntimeError("out of reach"), BadInputError("no rate")])
@pytest.mark.usefixtures("no_garbage_collection")
def test_what_failed_leaves_nothing_open_though_its_error_is_kept(error):
    known = []

    def fail():
        opened = Opened()
        known.append(weakref.ref(opened))
        raise error

    with Threads() as threads:
        future = threads.start(fail)
        with pytest.raises(type(error)):
            future.result(60)
    assert future.exception() is error
    assert known[0]() is None


def test_an_error_that_nobody_expects_says_where_it_was_raised():
    def divide():
        return 1 // 0

    with Threads() as threads:
        future = threads.start(divide)
        error = future.exception(60)
    assert error is not None
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_next is not None
