"""Threads for what may wait inside LSL: what failed leaves nothing open, and what is closed gives its memory back."""

import gc
import weakref

import numpy as np
import psutil
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.record.threads import Threads
from spikeloop.streamer.lsl.freed_memory import return_freed_memory


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


@pytest.mark.skipif(not psutil.LINUX, reason="glibc alone keeps what was freed")
def test_freed_memory_is_returned_to_the_system():
    blocks = [np.ones(10_000, np.uint8) for _ in range(8000)]  # each too small to be returned by itself
    process, last = psutil.Process(), blocks[-1]
    held = process.memory_info().rss
    del blocks
    return_freed_memory()
    assert held - process.memory_info().rss > 60e6
    assert last.sum() == 10_000
