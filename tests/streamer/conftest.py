"""What tests of the streamer share: a detector of blocking calls, and a browser."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy.testing  # noqa: F401 (it loads itself late, and an async test would be blamed for blocking)
import pytest
from blockbuster import BlockBuster, blockbuster_ctx

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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


@pytest.fixture(scope="module")
def browser(system_chromium: str) -> "Iterator[Browser]":
    playwright: Any = pytest.importorskip("playwright.sync_api", reason="needs playwright, which drives the browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=system_chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def chromium(system_chromium: str) -> str:
    return system_chromium
