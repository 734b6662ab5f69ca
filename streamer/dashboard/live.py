"""What the page shows of a stream that runs: its feed, the monitor beside it, the games, and what steers it."""

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
from spikeloop.models.scalars import checked_text
from spikeloop.streamer.conditions.steered import STEERED
from spikeloop.streamer.dashboard.feed import Feed
from spikeloop.streamer.dashboard.frames import PROTOCOL, Kind, Request, condition_request, document_body
from spikeloop.streamer.dashboard.hub import Hub, Room
from spikeloop.streamer.dashboard.play.decoders import offered_decoders
from spikeloop.streamer.dashboard.play.play import Play
from spikeloop.streamer.dashboard.play.requests import REQUESTS, PlayRequests
from spikeloop.streamer.dashboard.play.ties import Ties
from spikeloop.streamer.dashboard.report import WebReport
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

__all__ = ["LiveStream"]

STATE_EVERY_S = 0.5
STEERS = (Kind.CONDITION, Kind.AIM, Kind.RELEASE)
PREPARING_SHARE = 0.2  # of a core, for the reference of the statistics


class LiveStream:
    """A stream, started or attached to, and all that looks on; from entering to leaving the context.

    Parameters
    ----------
    bundle : str or Path
        To be streamed, where `attach` is None.
    attach : str or None
        Name of a stream that runs elsewhere.
    name, seed
        Of the stream that is started.
    save_to : Path
        Folder of the games that are saved.
    decoders : sequence of str
        To play with, beside those that need nothing but spikes.

    Attributes
    ----------
    hub : Hub
        Of the pages that look on.
    stream : StreamProcess or None
        That was started.

    Raises
    ------
    BadInputError
        If an argument can't be used.
    """

    def __init__(
        self, bundle: str | Path, attach: str | None, name: str, seed: int, save_to: Path, decoders: Sequence[str]
    ) -> None:
        self._save_to, self._decoders = save_to, tuple(decoders)
        offered_decoders(self._decoders)
        self._attach = None if attach is None else checked_text("--attach", attach)
        self._bundle: Bundle | None = None
        self._options: StreamOptions | None = None
        if self._attach is None:
            self._bundle, self._path = open_bundle(bundle), str(bundle)
            condition = STEERED if self._bundle.card.channels else None
            asked = StreamOptions(name=name, seed=check_seed(seed), condition=condition, controls=True)
            self._options = asked.checked(self._bundle.card)
            check_name_is_free(name)
        self.hub, self._spikes = Hub(), SharedSpikes()
        self.stream: StreamProcess | None = None
        self._play: Play | None = None
        self._play_requests: PlayRequests | None = None
        self._steers_condition = 0  # number of the page that set it last
        self._refused = 0
        self._state_due_s = 0.0
        self._began_s, self._cpu_began_s = time.monotonic(), time.process_time()
        self._leaving = threading.Event()

    def __enter__(self) -> Self:
        now = import_pylsl().local_clock
        with ExitStack() as opened:
            opened.enter_context(short_slices())  # the monitor works beside what visitors wait for
            name = self._attach
            if self._options is not None:
                name = self._options.name
                self.stream = opened.enter_context(StreamProcess(self._path, self._options, self._refuse))
            settings = MonitorSettings(
                bundle="" if self._bundle is None else self._path, share=PREPARING_SHARE, kept=references_folder()
            )
            opened.enter_context(Watching(self._spikes, settings, self.hub, now))
            self._play = self._open_play(opened)
            self._play_requests = None if self._play is None else PlayRequests(self._play)
            self._feed = Feed(name, self.hub, self._describe, self._look, self._play, self._publish_state)
            opened.enter_context(self._feed)
            self._measuring = threading.Thread(target=self._measure, name="spikeloop-tuning", daemon=True)
            self._measuring.start()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._leaving.set()
        if self.stream is not None and self.stream.failure is not None:
            self._publish_state()  # so that pages know why they lose the server
        self._opened.close()
        self._measuring.join()

    @property
    def room(self) -> Room:
        """What pages look on."""
        return Room(self.hub, self._ask, self._release)

    def report(self) -> WebReport:
        """Return the figures so far, without the page's address."""
        passed_s = max(time.monotonic() - self._began_s, 1e-9)
        description = self._spikes.description
        return WebReport(
            url="",
            stream="" if description is None else description.name,
            viewers=self.hub.seen,
            frames=self.hub.published,
            dropped_frames=self.hub.dropped,
            refused_requests=self._refused,
            cpu_cores=(time.process_time() - self._cpu_began_s) / passed_s,
            own_stream=self.stream.report if self.stream is not None else None,
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
            "steerable": self.stream is not None,
            "conditions": listed,
            "direction": driven,
        }

    def _look(self, segments: tuple[Segment, ...]) -> None:
        """Share what came with the monitor, and now and then publish how all is."""
        spikes = self._feed.spikes
        self._spikes.offer(segments, spikes.description, spikes.report())
        if time.monotonic() >= self._state_due_s:
            self._state_due_s = time.monotonic() + STATE_EVERY_S
            self._publish_state()

    def _publish_state(self) -> None:
        self.hub.publish(Kind.STATE, document_body(self._state()))

    def _state(self) -> dict[str, Any]:
        stream, report = self.stream, self.report()
        failure = (stream.failure if stream is not None else None) or self._feed.failure
        return {
            "reception": asdict(self._spikes.report()),
            "health": stream.health if stream is not None else None,
            "failure": "" if failure is None else str(failure),
            "withheld_bins": self._feed.withheld_bins,
            "viewers": len(self.hub.viewers),
            "dropped_frames": report.dropped_frames,
            "server_cpu_cores": report.cpu_cores,
        }

    def _measure(self) -> None:
        """Measure how the units are tuned, which takes a second, and publish it."""
        try:
            tuning = measure_tuning(self._bundle, self._leaving.is_set) if self._bundle is not None else None
        except SpikeloopError:  # the page goes without
            return
        if tuning is not None:
            self.hub.publish(Kind.TUNING, document_body(tuning))

    def _ask(self, request: Request, number: int) -> None:
        try:
            if self.stream is None:
                raise BadInputError("this stream was started elsewhere; only its own program steers it")
            if request.kind in REQUESTS:
                if self._play_requests is None:
                    raise BadInputError(
                        "nobody can play here: no velocity drives this model; start spikeloop web m1-sim"
                    )
                self._play_requests.ask(request, number)
            elif self._steers(request.kind, number):
                self.stream.ask(request, number)
        except BadInputError:
            self._refused += 1
            raise
        if request.kind in STEERS and self._steers(request.kind, number):
            self._steers_condition = number if request.kind != Kind.RELEASE else 0

    def _steers(self, kind: Kind, number: int) -> bool:
        """Whether a page may let the condition go, or set it: not while another one plays."""
        player = self._play.player if self._play is not None else None
        if player in (None, number) or kind not in STEERS:
            return True
        if kind == Kind.CONDITION:
            raise BadInputError("another page plays, and its hand drives the population; wait until its game is over")
        return False

    def _open_play(self, opened: ExitStack) -> Play | None:
        """Open the game, where a velocity drives the model."""
        stream = self.stream
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
            play = Play(self._bundle, self.hub, ties, self._save_to, self._decoders)
        except BadInputError:
            return None
        opened.callback(play.close)
        play.get_ready()
        return play

    def _release(self, number: int) -> None:
        """Let the condition go where the page that set it has left, and end its game."""
        if self._play is not None:
            self._play.leave(number)
        if number == self._steers_condition and self.stream is not None:
            self._steers_condition = 0
            self.stream.ask(Request(Kind.RELEASE, b""), number)

    def _refuse(self, number: int, reason: str) -> None:
        self._refused += 1
        self.hub.publish(Kind.REFUSED, document_body({"reason": reason}), number)
