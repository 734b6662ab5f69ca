"""What tests of the streamer share: a detector of blocking calls, and a browser."""

import os
import shutil
from collections.abc import Iterator

import numpy.testing  # noqa: F401 (it loads itself late, and an async test would be blamed for blocking)
import pytest
from blockbuster import BlockBuster, blockbuster_ctx


@pytest.fixture
def blockbuster() -> Iterator[BlockBuster]:
    """Fails a test that blocks the event loop, but for the clock's last stretch."""
    with blockbuster_ctx() as detector:
        detector.functions["time.sleep"].can_block_in("spikeloop/streamer/stream/clock.py", {"sleep_until"})
        # a thread's start waits for it to run, for microseconds and once
        detector.functions["threading.Lock.acquire"].can_block_in("threading.py", {"start"})
        yield detector


@pytest.fixture(scope="session")
def system_chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs a browser: one of {', '.join(names)}")
    return found


@pytest.fixture
def chromium(system_chromium: str) -> str:
    return system_chromium
