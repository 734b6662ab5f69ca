"""`spikeloop.web`: a page beside a stream, to watch it and to steer it."""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.documents import printable
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.models.scalars import checked_path, checked_text, checked_whole
from spikeloop.streamer.conditions.steered import STEERED
from spikeloop.streamer.dashboard.address import LOOPBACK, PORT, checked_token, page_url
from spikeloop.streamer.dashboard.feed import Feed
from spikeloop.streamer.dashboard.frames import PROTOCOL, Kind, Request, condition_request, document_body
from spikeloop.streamer.dashboard.hub import Hub, Room
from spikeloop.streamer.dashboard.play.decoders import offered_decoders
from spikeloop.streamer.dashboard.play.play import REQUESTS, Play, Ties
from spikeloop.streamer.dashboard.replay.dashboard import ReplayDashboard
from spikeloop.streamer.dashboard.replay.library import Library
from spikeloop.streamer.dashboard.report import WebReport
from spikeloop.streamer.dashboard.server import WebServer, bind, import_web
from spikeloop.streamer.dashboard.shared_spikes import SharedSpikes
from spikeloop.streamer.dashboard.stream_process import StreamProcess
from spikeloop.streamer.dashboard.tuning import direction_channels, measure_tuning
from spikeloop.streamer.dashboard.watching import Watching
from spikeloop.streamer.launch.checks import check_seed, open_bundle
from spikeloop.streamer.launch.interpreter import short_slices
from spikeloop.streamer.launch.options import StreamOptions
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.library import check_name_is_free, import_pylsl
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.monitor.kept_references import references_folder
from spikeloop.streamer.monitor.subject import MonitorSettings

__all__ = ["Dashboard", "web"]

STATE_EVERY_S = 0.5
PREPARING_SHARE = 0.2  # of a core, for the reference of the statistics
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
) -> "Dashboard | ReplayDashboard":
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
    Dashboard or ReplayDashboard
        Serves the page from entering to leaving its context.

    Raises
    ------
    BadInputError
        If an argument can't be used; on entering, also if the port is taken.
    FailureError
        If a package is missing that the page needs, or ONNX Runtime.
    """
    if replay is not None:
        return ReplayDashboard(replay, port=port, host=host, token=token, save_to=save_to)
    return Dashboard(
        bundle, attach=attach, name=name, seed=seed, port=port, host=host, token=token, save_to=save_to,
        decoders=decoders,
    )  # fmt: skip


class Dashboard:
    """The page of a stream, served from entering to leaving the context; parameters as of `web`.

    Attributes
    ----------
    url : str
        The page's address, with the token where there is one.
    """

    def __init__(
        self,
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
    ) -> None:
        import_web()
        self._sessions, self._decoders = checked_path("--save-to", save_to), tuple(decoders)
        offered_decoders(self._decoders)
        self._attach = None if attach is None else checked_text("--attach", attach)
        self._port = checked_whole("--port", port, 0, 65535)
        self._host, self._token = checked_text("--host", host), checked_token(host, token)
        self._bundle: Bundle | None = None
        self._options: StreamOptions | None = None
        if self._attach is None:
            self._bundle, self._path = open_bundle(bundle), str(bundle)
            condition = STEERED if self._bundle.card.channels else None
            asked = StreamOptions(name=name, seed=check_seed(seed), condition=condition, controls=True)
            self._options = asked.checked(self._bundle.card)
            check_name_is_free(name)
        self._hub, self._spikes = Hub(), SharedSpikes()
        self._play: Play | None = None
        self._stream: StreamProcess | None = None
        self._steers_condition = 0  # number of the page that set it last
        self._refused = 0
        self._state_due_s = 0.0
        self._ended = threading.Event()
        self.url = ""

    def __enter__(self) -> Self:
        from spikeloop.streamer.dashboard.app import application

        self._began_s, self._cpu_began_s = time.monotonic(), time.process_time()
        now = import_pylsl().local_clock
        with ExitStack() as opened:
            opened.enter_context(short_slices())  # the monitor works beside what visitors wait for
            listening = bind(self._host, self._port)
            self.url = page_url(self._host, listening.getsockname()[1], self._token)
            library = Library(folder=self._sessions)
            opened.callback(library.close)
            app = application(Room(self._hub, self._ask, self._release), library, self._token)
            opened.enter_context(WebServer(listening, lambda: app, self._hub))
            name = self._attach
            if self._options is not None:
                name = self._options.name
                self._stream = opened.enter_context(StreamProcess(self._path, self._options, self._refuse))
            settings = MonitorSettings(
                bundle="" if self._bundle is None else self._path, share=PREPARING_SHARE, kept=references_folder()
            )
            opened.enter_context(Watching(self._spikes, settings, self._hub, now))
            self._play = self._open_play(opened)
            self._feed = Feed(name, self._hub, self._describe, self._look, self._play)
            opened.enter_context(self._feed)
            self._measuring = threading.Thread(target=self._measure, name="spikeloop-tuning", daemon=True)
            self._measuring.start()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._opened.close()
        self._measuring.join()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the stream that was started ends by itself, for at most this time; returns whether it has.

        Raises
        ------
        SpikeloopError
            If the stream failed.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while deadline_s is None or time.monotonic() < deadline_s:
            if self._stream is not None and self._stream.failure is not None:
                raise self._stream.failure
            if self._stream is not None and self._stream.report is not None:
                return True
            self._ended.wait(0.1)
        return False

    def report(self) -> WebReport:
        """Return the figures so far; those of the stream are there when the context is left."""
        passed_s = max(time.monotonic() - self._began_s, 1e-9)
        description = self._spikes.description
        return WebReport(
            url=self.url,
            stream="" if description is None else description.name,
            viewers=self._hub.seen,
            frames=self._hub.published,
            dropped_frames=self._hub.dropped,
            refused_requests=self._refused,
            cpu_cores=(time.process_time() - self._cpu_began_s) / passed_s,
            own_stream=self._stream.report if self._stream is not None else None,
            latency=self._play.latency() if self._play is not None else None,
        )

    def _describe(self, description: StreamDescription, channels: tuple[str, ...]) -> dict[str, Any]:
        """Describe a run of the stream for pages."""
        own = self._bundle.card.channels if self._bundle is not None else ()
        driven = direction_channels(own)
        listed = [asdict(channel) | {"name": printable(channel.name)} for channel in own]
        return {
            "protocol": PROTOCOL,
            "name": printable(description.name),
            "host": printable(description.hostname),
            "run": description.uid,
            "bundle": printable(description.bundle or ""),
            "seed": description.seed,
            "units": [printable(name) for name in description.unit_names],
            "bin_size_s": description.bin_size_s,
            "step_bins": description.step_bins,
            "channels": [printable(name) for name in channels],
            "steerable": self._stream is not None,
            "conditions": listed,
            "direction": driven,
        }

    def _look(self, segments: tuple[Segment, ...]) -> None:
        """Share what came with the monitor, and now and then publish how all is."""
        spikes = self._feed.spikes
        self._spikes.offer(segments, spikes.description, spikes.report())
        if time.monotonic() >= self._state_due_s:
            self._state_due_s = time.monotonic() + STATE_EVERY_S
            self._hub.publish(Kind.STATE, document_body(self._state()))

    def _state(self) -> dict[str, Any]:
        stream, report = self._stream, self.report()
        return {
            "reception": asdict(self._spikes.report()),
            "health": stream.health if stream is not None else None,
            "failure": str(stream.failure) if stream is not None and stream.failure is not None else "",
            "withheld_bins": self._feed.withheld_bins,
            "viewers": len(self._hub.viewers),
            "dropped_frames": report.dropped_frames,
            "server_cpu_cores": report.cpu_cores,
        }

    def _measure(self) -> None:
        """Measure how the units are tuned, which takes a second, and publish it."""
        try:
            tuning = measure_tuning(self._bundle, self._ended.is_set) if self._bundle is not None else None
        except SpikeloopError:  # the page goes without
            return
        if tuning is not None:
            self._hub.publish(Kind.TUNING, document_body(tuning))

    def _ask(self, request: Request, number: int) -> None:
        try:
            if self._stream is None:
                raise BadInputError("this stream was started elsewhere; only its own program steers it")
            if request.kind in REQUESTS:
                if self._play is None:
                    raise BadInputError(
                        "nobody can play here: no velocity drives this model; start spikeloop web m1-sim"
                    )
                self._play.ask(request, number)
            elif self._steers(request.kind, number):
                self._stream.ask(request, number)
        except BadInputError:
            self._refused += 1
            raise
        if request.kind in (Kind.CONDITION, Kind.AIM, Kind.RELEASE):
            self._steers_condition = number if request.kind != Kind.RELEASE else 0

    def _steers(self, kind: Kind, number: int) -> bool:
        """Whether a page may let the condition go, or set it: not while another one plays."""
        player = self._play.player if self._play is not None else None
        if player in (None, number) or kind not in (Kind.CONDITION, Kind.RELEASE):
            return True
        if kind == Kind.CONDITION:
            raise BadInputError("another page plays, and its hand drives the population; wait until its game is over")
        return False

    def _open_play(self, opened: ExitStack) -> Play | None:
        """Open the game, where a velocity drives the model."""
        stream = self._stream
        if self._bundle is None or stream is None:
            return None

        def drive(values: Floats | None) -> None:
            release = Request(Kind.RELEASE, b"")
            stream.ask(release if values is None else condition_request(values.tolist()), 0)

        ties = Ties(
            drive, lambda *what, **more: self._feed.mark(*what, **more), lambda: self._feed.hurry(),
            import_pylsl().local_clock,
        )  # fmt: skip
        try:
            play = Play(self._bundle, self._hub, ties, self._sessions, self._decoders)
        except BadInputError:
            return None
        opened.callback(play.close)
        play.get_ready()
        return play

    def _release(self, number: int) -> None:
        """Let the condition go where the page that set it has left, and end its game."""
        if self._play is not None:
            self._play.leave(number)
        if number == self._steers_condition and self._stream is not None:
            self._steers_condition = 0
            self._stream.ask(Request(Kind.RELEASE, b""), number)

    def _refuse(self, number: int, reason: str) -> None:
        self._refused += 1
        self._hub.publish(Kind.REFUSED, document_body({"reason": reason}), number)
