"""A live status on a console, printed by a thread of its own: what is reported on never waits for a terminal."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

__all__ = ["LiveLine"]

REFRESH_S = 0.25
LINE_EVERY_S = 10.0  # where the output is no terminal
LONGEST_FRAME_S = 1.0  # to wait at the end for a frame that is being written


class LiveLine:
    """Shows how something fares, from entering to leaving the context.

    A terminal may stand still, as after Ctrl-S, or break; that ends the status and nothing else.

    Parameters
    ----------
    console : rich.console.Console
        Where to print; plain lines where that is no terminal.
    line : callable () -> str or rich.text.Text
        The status in one line; empty where there is nothing to say yet.
    picture : callable () -> RenderableType, optional
        What a terminal shows, refreshed in place; by default the line.
    news : callable () -> sequence of str, optional
        Returns what happened since it was called last; each is printed as a line that stays.
    last : bool
        Whether what is no terminal gets the line at the end, too.
    """

    def __init__(
        self,
        console: Console,
        line: Callable[[], str | Text],
        *,
        picture: Callable[[], RenderableType] | None = None,
        news: Callable[[], Sequence[str]] = lambda: (),
        last: bool = False,
    ) -> None:
        self._console, self._news, self._last = console, news, last
        self._line = lambda: _in_one_line(line())
        self._picture = picture or self._line
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="spikeloop-status", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(timeout=LONGEST_FRAME_S)

    def _show(self) -> None:
        try:
            self._show_live() if self._console.is_terminal else self._show_lines()
        except Exception:  # of any kind: it is only a picture
            return

    def _show_live(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while not self._ended.wait(REFRESH_S):
                self._print_news()
                live.update(self._picture(), refresh=True)
            self._print_news()

    def _show_lines(self) -> None:
        line_s = time.monotonic() + LINE_EVERY_S
        while not self._ended.wait(min(REFRESH_S, LINE_EVERY_S)):
            self._print_news()
            if time.monotonic() >= line_s:
                line_s = time.monotonic() + LINE_EVERY_S
                self._print(self._line())
        self._print_news()
        if self._last:
            self._print(self._line())

    def _print_news(self) -> None:
        for text in self._news():
            self._print(Text(text))

    def _print(self, text: Text) -> None:
        if text.plain:
            self._console.print(text, soft_wrap=True)


def _in_one_line(text: str | Text) -> Text:
    return text if isinstance(text, Text) else Text(text, no_wrap=True, overflow="ellipsis")
