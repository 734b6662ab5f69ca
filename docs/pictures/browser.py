"""Chromium without a window, in which pages are photographed: always light, and as sharp as a good screen."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

LONGEST_MS = 300_000  # that anything of a page may take, on a machine that is busy
NAMES = ("chromium", "chromium-browser", "google-chrome")


def has_browser(picture: str) -> bool:
    """Whether there is a Chromium; says so where there is none."""
    if any(map(shutil.which, NAMES)):
        return True
    print(f"{picture} stays as it is: no Chromium here")
    return False


@contextmanager
def opened(address: str, width: int, height: int) -> Iterator["Page"]:
    """Open a page in a window of so many pixels."""
    from playwright.sync_api import sync_playwright

    path = next(found for found in map(shutil.which, NAMES) if found)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        page.set_default_timeout(LONGEST_MS)
        page.goto(address)
        yield page
        browser.close()


def photograph(page: Path, picture: Path, width: int, height: int) -> None:
    """Photograph the upper part of a page that is a file."""
    with opened(page.absolute().as_uri(), width, height) as shown:
        shown.screenshot(path=picture)
