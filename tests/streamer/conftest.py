from collections.abc import Iterator

import numpy.testing  # noqa: F401 (it loads itself late, and an async test would be blamed for blocking)
import pytest
from blockbuster import BlockBuster, blockbuster_ctx


@pytest.fixture
def blockbuster() -> Iterator[BlockBuster]:
    """Fails a test that blocks the event loop, but for the clock's last stretch."""
    with blockbuster_ctx() as detector:
        detector.functions["time.sleep"].can_block_in("spikeloop/streamer/clock.py", {"sleep_until"})
        # a thread's start waits for it to run, for microseconds and once
        detector.functions["threading.Lock.acquire"].can_block_in("threading.py", {"start"})
        yield detector
