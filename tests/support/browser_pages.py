"""What tests share that drive the page in a browser: waiting for it, what it shows, pictures, a hand that plays."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spikeloop.streamer.dashboard.frames import Kind
from tests.support.web_pages import Received, received

if TYPE_CHECKING:
    from playwright.sync_api import Page, WebSocket

__all__ = ["BEGUN", "Messages", "checksum", "picture", "play", "score", "until", "values_of"]

WITHIN_S = 240.0  # a busy machine takes long
BEGUN = "Number(document.querySelector('#checksum').dataset.bins) > 0"
PICTURES = "SPIKELOOP_PICTURES"  # the folder that pictures of the page are kept in


def until(page: "Page", expression: str) -> None:
    """Wait for something in the page; the page's own policy forbids Playwright's way, which evaluates texts in it."""
    deadline_s = time.monotonic() + WITHIN_S
    while not _holds(page, expression):
        assert time.monotonic() < deadline_s, expression
        page.wait_for_timeout(50)


def _holds(page: "Page", expression: str) -> bool:
    from playwright.sync_api import Error

    try:
        return bool(page.evaluate(expression))
    except Error as error:
        if "context was destroyed" in str(error):  # the page is being loaded anew
            return False
        raise


def checksum(page: "Page") -> tuple[int, int, str]:
    """First bin, number of bins, and CRC-32 of what the page got."""
    held: Any = page.evaluate("({...document.querySelector('#checksum').dataset})")
    return int(held["first"]), int(held["bins"]), held["value"]


def picture(page: "Page", name: str) -> None:
    """Keep a picture of the whole page, where the environment names a folder for them."""
    if folder := os.environ.get(PICTURES):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def score(page: "Page") -> dict[str, Any]:
    """What the page shows of the game."""
    return page.evaluate("({...document.querySelector('#score').dataset})")


def play(page: "Page", button: str = "#play") -> dict[str, Any]:
    """Play a game with a mouse that points to the target, and clicks when the cursor is there; the score at its end."""
    before = score(page).get("seed")
    page.locator(button).click()
    while (now := score(page)).get("running") != "true" or now["seed"] == before:
        page.wait_for_timeout(50)
    field = page.locator("#game")
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    assert box is not None
    pointed = ""
    while score(page)["running"] == "true":
        shown = page.evaluate("({...document.querySelector('#game').dataset})")
        if not shown["target"]:
            continue
        if shown["target"] != pointed:
            pointed = shown["target"]
            place = np.array(pointed.split(","), float) / float(shown["extent"]) * [1, -1] + 0.5
            page.mouse.move(*(place * [box["width"], box["height"]] + [box["x"], box["y"]]))
        away = np.abs(np.subtract(*(np.array(shown[name].split(","), float) for name in ("target", "cursor"))))
        if away.max() < 0.4 * float(shown["width"]) and shown["clicks"] == "true":
            page.mouse.down()
            page.mouse.up()
    return score(page)


class Messages:
    """All messages of a page's WebSocket, from and to it, in their order; to be made before the page is opened.

    Parameters
    ----------
    page : Page
    units : int
        Of the stream.
    """

    def __init__(self, page: "Page", units: int) -> None:
        self._page, self._units = page, units
        self.all: list[Received] = []
        page.on("websocket", self._follow)

    def _follow(self, socket: "WebSocket") -> None:
        for event in ("framesent", "framereceived"):
            socket.on(event, lambda payload: self.all.append(received(payload)))

    def until(self, kind: int, wanted: Any = lambda message: True, after: int = 0) -> int:
        """Wait for a message of a kind from this place on; returns its place."""
        deadline_s, place = time.monotonic() + WITHIN_S, after
        while True:
            while place < len(self.all):
                if self.all[place].kind == kind and wanted(self.all[place]):
                    return place
                place += 1
            assert time.monotonic() < deadline_s, kind
            self._page.wait_for_timeout(10)

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the bins that came, and their counts, (bins, units); a page that is slow may lack some."""
        blocks = [message.block(self._units) for message in self.all if message.kind == Kind.BINS]
        numbers = [block.first_bin + np.arange(len(block.counts)) for block in blocks]
        return np.concatenate(numbers), np.concatenate([block.counts for block in blocks])

    def conditions(self, after: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of bins, and what drove them, (bins, channels), of the messages from this place on."""
        found = [message for message in self.all[after:] if message.kind == Kind.CONDITIONS]
        firsts = [int(np.frombuffer(message.body, "<f8", 1)[0]) for message in found]
        values = [values_of(message) for message in found]
        numbers = [first + np.arange(len(rows)) for first, rows in zip(firsts, values, strict=True)]
        return np.concatenate(numbers), np.concatenate(values)


def values_of(message: Received) -> np.ndarray:
    """What drove the bins of a message, (bins, channels)."""
    bins, channels = np.frombuffer(message.body, "<u4", 2, 16)
    return np.frombuffer(message.body, "<f4", offset=24).reshape(bins, channels)
