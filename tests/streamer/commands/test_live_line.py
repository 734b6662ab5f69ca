"""A status that never holds up what it reports on."""

import io
import threading

import pytest
from rich.console import Console

from spikeloop.streamer.commands import live_line
from spikeloop.streamer.commands.live_line import LiveLine
from tests.support.recording import wait_until


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(live_line, "REFRESH_S", 0.001)
    monkeypatch.setattr(live_line, "LINE_EVERY_S", 0.001)


class StandsStill(io.StringIO):
    """As after Ctrl-S, or a pipe that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.held_up, self.released = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.held_up.set()
        self.released.wait(60)
        return len(text)


class Breaks(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.tried = threading.Event()

    def write(self, _: str) -> int:
        self.tried.set()
        raise OSError("gone")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_stands_still_holds_up_nobody(terminal, monkeypatch):
    monkeypatch.setattr(live_line, "LONGEST_FRAME_S", 0.05)
    shown = StandsStill()
    with LiveLine(Console(file=shown, force_terminal=terminal), lambda: "fine", news=lambda: ["new"]):
        assert shown.held_up.wait(60)
    assert not shown.released.is_set()
    shown.released.set()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_breaks_ends_the_status_and_nothing_else(terminal):
    shown = Breaks()
    with LiveLine(Console(file=shown, force_terminal=terminal), lambda: "fine"):
        assert shown.tried.wait(60)


@pytest.mark.parametrize("terminal", [True, False])
def test_what_happened_is_printed_once_and_the_line_as_it_changes(terminal):
    shown, news, lines = io.StringIO(), [["one", "[two]"], ["three"]], iter(["", "first", "second"])
    console = Console(file=shown, force_terminal=terminal, width=80)
    with LiveLine(console, lambda: next(lines, "last"), news=lambda: news.pop(0) if news else []):
        wait_until(lambda: "last" in shown.getvalue())
    for text in ("one", "[two]", "three"):
        assert shown.getvalue().count(text) == 1
    assert "first" in shown.getvalue()


def test_what_happened_last_and_the_last_line_are_printed_at_the_end(monkeypatch):
    monkeypatch.setattr(live_line, "REFRESH_S", 600.0)
    monkeypatch.setattr(live_line, "LINE_EVERY_S", 600.0)
    shown = io.StringIO()
    with LiveLine(Console(file=shown), lambda: "the line", news=lambda: ["new"], last=True):
        assert shown.getvalue() == ""
    assert shown.getvalue() == "new\nthe line\n"
