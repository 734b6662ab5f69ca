"""What tests of the page share: messages of its WebSocket, read as the page reads them; and a scripted hand."""

import json
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["Block", "Received", "play", "received", "request", "score", "until"]

WITHIN_S = 240.0  # a busy machine takes long


class Block(NamedTuple):
    """Counts, (bins, units), of bins from this one on."""

    first_bin: int
    end_s: float
    counts: np.ndarray


class Received(NamedTuple):
    kind: int
    sequence: int
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.body)

    def block(self, units: int) -> Block:
        """Counts, as docs/web_protocol.md lays them out."""
        first_bin, end_s, bins, entries = struct.unpack_from("<ddII", self.body)
        columns = np.frombuffer(self.body, "<u2", offset=24).reshape(3, entries).astype(np.intp)
        counts = np.zeros((bins, units), np.uint16)
        counts[columns[0], columns[1]] = columns[2]
        return Block(int(first_bin), end_s, counts)


def received(message: str | bytes) -> Received:
    assert isinstance(message, bytes)
    kind, zero, rest, sequence = struct.unpack_from("<BBHI", message)
    assert (zero, rest) == (0, 0)
    return Received(kind, sequence, message[8:])


def request(kind: int, document: Any = None) -> bytes:
    return struct.pack("<BBHI", kind, 0, 0, 0) + (b"" if document is None else json.dumps(document).encode())


def until(page: "Page", expression: str) -> None:
    """Wait for something in the page; the page's own policy forbids Playwright's way, which evaluates texts in it."""
    deadline_s = time.monotonic() + WITHIN_S
    while not page.evaluate(expression):
        assert time.monotonic() < deadline_s, expression
        page.wait_for_timeout(50)


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
