"""`spikeloop.web`: a page beside a stream, to watch it and to steer it."""

import dataclasses
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from spikeloop.models.scalars import checked_path, checked_text, checked_whole
from spikeloop.streamer.dashboard.address import LOOPBACK, PORT, Address, checked_token, page_url
from spikeloop.streamer.dashboard.live import LiveStream
from spikeloop.streamer.dashboard.replay.file import read_replay
from spikeloop.streamer.dashboard.replay.library import Library
from spikeloop.streamer.dashboard.report import WebReport
from spikeloop.streamer.dashboard.server import WebServer, bind, import_web

__all__ = ["Dashboard", "web"]

SESSIONS = "spikeloop-sessions"  # folder of what is saved from the page


def web(
    bundle: str | Path = "m1-sim",
    *,
    attach: str | None = None,
    name: str = "spikeloop",
    seed: int = 0,
    port: int = PORT,
    host: str = LOOPBACK,
    token: str | None = None,
    save_to: str | Path = SESSIONS,
    decoders: Sequence[str] = (),
    replay: str | Path | None = None,
) -> "Dashboard":
    """Open a page in which a stream is watched, steered and played with; or a recording or a saved session replayed.

        with spikeloop.web("m1-sim") as page:
            print(page.url)
            page.wait(60)

    Parameters
    ----------
    bundle : str or Path, default "m1-sim"
        A shipped bundle's name or a path, to be streamed; not used where `attach` is given.
    attach : str, optional
        Name of a stream that runs elsewhere, to be watched.
    name : str, default "spikeloop"
        The LSL name of the stream that is started.
    seed : int >= 0, default 0
        The same seed gives the same spikes.
    port : int from 0 to 65535, default 8642
        0 for any that is free.
    host : str, default "127.0.0.1"
        Address to listen on; beyond this machine only with a token.
    token : str of 16 characters or more, optional
        What visitors must show.
    save_to : str or Path, default "spikeloop-sessions"
        Folder of the games that are saved; made when the first one is.
    decoders : sequence of str
        Decoders to play with beside those that need nothing but spikes, such as "python:FILE.py:NAME".
    replay : str or Path, optional
        A saved session, or a recording by path or name, to be played in place of a stream.

    Returns
    -------
    Dashboard
        Serves the page from entering to leaving its context.

    Raises
    ------
    BadInputError
        If an argument can't be used.
    FailureError
        If the port is taken, or a package is missing that the page needs, or ONNX Runtime.
    """
    import_web()
    folder = checked_path("--save-to", save_to)
    where = Address(checked_text("--host", host), checked_whole("--port", port, 0, 65535), checked_token(host, token))
    bind(where.host, where.port).close()  # before anything is read that takes a while
    if replay is not None:
        read_replay(replay)  # so that what is wrong with it is said at once
        return Dashboard(where, Library(folder, [replay]))
    return Dashboard(where, Library(folder), LiveStream(bundle, attach, name, seed, folder, decoders))


class Dashboard:
    """A page, served from entering to leaving the context.

    Parameters
    ----------
    address : Address
    library : Library
        Files that can be played.
    live : LiveStream, optional
        None where there are only files to play.

    Attributes
    ----------
    url : str
        The page's address, with the token where there is one.
    """

    def __init__(self, address: "Address", library: Library, live: LiveStream | None = None) -> None:
        self._address, self._library, self._live = address, library, live
        self._ended = threading.Event()
        self.url = ""

    def __enter__(self) -> Self:
        from spikeloop.streamer.dashboard.app import application

        host, port, token = self._address
        live, self._cpu_began_s, self._began_s = self._live, time.process_time(), time.monotonic()
        with ExitStack() as opened:
            opened.callback(self._library.close)
            listening = bind(host, port)
            self.url = page_url(host, listening.getsockname()[1], token)
            app = application(None if live is None else live.room, self._library, token)
            opened.enter_context(WebServer(listening, lambda: app, None if live is None else live.hub))
            if live is not None:
                opened.enter_context(live)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._opened.close()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the stream that was started ends by itself, for at most this time; returns whether it has.

        Raises
        ------
        SpikeloopError
            If the stream failed.
        """
        stream = None if self._live is None else self._live.stream
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while deadline_s is None or time.monotonic() < deadline_s:
            if stream is not None and stream.failure is not None:
                raise stream.failure
            if stream is not None and stream.report is not None:
                return True
            if self._ended.wait(0.1):
                return False
        return False

    def report(self) -> WebReport:
        """Return the figures so far; those of the stream are there when the context is left."""
        if self._live is not None:
            return dataclasses.replace(self._live.report(), url=self.url)
        cores = (time.process_time() - self._cpu_began_s) / max(time.monotonic() - self._began_s, 1e-9)
        return WebReport(self.url, self._library.first, self._library.pages, 0, 0, 0, cores, None, None)
