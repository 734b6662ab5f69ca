"""What tests of the page share: a browser, driven from here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NEVER_MS = 120_000  # a busy machine takes long


@pytest.fixture(scope="module")
def shared_tab(browser: "Browser") -> "Iterator[Page]":
    with new_tab(browser) as page:
        yield page


@pytest.fixture
def tab(browser: "Browser") -> "Iterator[Page]":
    with new_tab(browser) as page:
        yield page


@contextmanager
def new_tab(browser: "Browser") -> "Iterator[Page]":
    """An empty page; what it throws, or logs as an error, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(NEVER_MS)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    unexpected = [text for text in said if "WebSocket connection" not in text]  # as where the server is gone
    assert not unexpected


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What pages keep for later runs is kept for this run of the tests alone."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
