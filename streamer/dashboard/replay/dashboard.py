"""The page of a file, without a stream."""

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from spikeloop.models.scalars import checked_path, checked_text, checked_whole
from spikeloop.streamer.dashboard.address import LOOPBACK, PORT, checked_token, page_url
from spikeloop.streamer.dashboard.replay.file import read_replay
from spikeloop.streamer.dashboard.replay.library import Library
from spikeloop.streamer.dashboard.report import WebReport
from spikeloop.streamer.dashboard.server import WebServer, bind, import_web

__all__ = ["ReplayDashboard"]


class ReplayDashboard:
    """A page that plays a file, served from entering to leaving the context.

    Parameters
    ----------
    file : str or Path
        A saved session, or a recording by path or name.
    port, host, token, save_to
        As of `web`.

    Attributes
    ----------
    url : str
        The page's address, with the token where there is one.

    Raises
    ------
    BadInputError, FailureError
        If the file can't be read, or an argument can't be used.
    """

    def __init__(
        self,
        file: str | Path,
        *,
        port: int = PORT,
        host: str = LOOPBACK,
        token: str | None = None,
        save_to: str | Path = "",
    ) -> None:
        import_web()
        self._port = checked_whole("--port", port, 0, 65535)
        self._host, self._token = checked_text("--host", host), checked_token(host, token)
        self._library = Library([file], checked_path("--save-to", save_to))
        self._name = read_replay(file).name
        self._ended = threading.Event()
        self.url = ""

    def __enter__(self) -> Self:
        from spikeloop.streamer.dashboard.app import application

        self._began_s, self._cpu_began_s = time.monotonic(), time.process_time()
        with ExitStack() as opened:
            opened.callback(self._library.close)
            listening = bind(self._host, self._port)
            self.url = page_url(self._host, listening.getsockname()[1], self._token)
            app = application(None, self._library, self._token)
            opened.enter_context(WebServer(listening, lambda: app))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._opened.close()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for at most this time; a replay never ends by itself, so the answer is False."""
        self._ended.wait(timeout_s)
        return False

    def report(self) -> WebReport:
        """Return the figures so far."""
        passed_s = max(time.monotonic() - self._began_s, 1e-9)
        cores = (time.process_time() - self._cpu_began_s) / passed_s
        return WebReport(self.url, self._name, self._library.pages, 0, 0, 0, cores, None, None)
