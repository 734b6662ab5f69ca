"""A monitor session and everything that it is told to: the terminal, LSL, MQTT, Prometheus, a page."""

import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.live import Live

from spikeloop.models.errors import FailureError, SpikeloopError
from spikeloop.streamer.lsl import import_pylsl
from spikeloop.streamer.lsl_spikes import LslSpikes
from spikeloop.streamer.monitor.metrics import Metrics
from spikeloop.streamer.monitor.outlet import MonitorOutlet
from spikeloop.streamer.monitor.report import MonitorReport, figures
from spikeloop.streamer.monitor.session import MonitorSession
from spikeloop.streamer.monitor.subject import MonitorSettings
from spikeloop.streamer.monitor.view import line, render
from spikeloop.streamer.mqtt.address import MqttAddress
from spikeloop.streamer.mqtt.bridge import MqttBridge

__all__ = ["Outputs", "Watch"]

TAKE_EVERY_S = 0.2
TELL_EVERY_S = 1.0
LINE_EVERY_S = 10.0  # where the output is no terminal


@dataclass(frozen=True)
class Outputs:
    """Where a monitor tells what it sees, besides the terminal.

    Attributes
    ----------
    publish : whether as NAME-Monitor over LSL
    port : of /metrics; None for 9464 or the next that is free, 0 for none
    snapshot : the page, written every `snapshot_every_s` and at the end
    broker : that gets the figures over MQTT
    """

    publish: bool = True
    port: int | None = None
    snapshot: Path | None = None
    snapshot_every_s: float = 60.0
    broker: MqttAddress | None = None


class Watch:
    """A monitor in real time, from entering to leaving the context.

    Parameters
    ----------
    stream, wait : as of `LslSpikes`
    console : for the view; plain lines where it is no terminal

    Attributes
    ----------
    failure : why the latest page could not be written; None where it was

    Raises
    ------
    BadInputError
        On entering, if there is no such stream, or bundle or recording to compare it with.
    FailureError
        On entering, if a port that was asked for, or a library, can't be had.
    BadInputError, FailureError
        On entering, or when a stream without a name was found, if the broker can't be had.
    """

    def __init__(
        self, stream: str | None, wait: bool, settings: MonitorSettings, outputs: Outputs, console: Console
    ) -> None:
        self._stream, self._wait, self._settings = stream, wait, settings
        self._outputs, self._console = outputs, console
        self._publishes = outputs.publish
        self._outlet: MonitorOutlet | None = None
        self._bridge: MqttBridge | None = None
        self._writing: threading.Thread | None = None
        self._told_alarms = 0
        self.failure: FailureError | None = None

    def __enter__(self) -> Self:
        self._lsl_clock = import_pylsl().local_clock  # by which alarms are stamped
        with ExitStack() as opened:
            self._metrics = self._open_metrics(opened)
            if self._stream is not None:
                self._open_bridge(opened, self._stream)
            self._spikes = opened.enter_context(LslSpikes(self._stream, wait=self._wait))
            self._session = opened.enter_context(MonitorSession(self._spikes, self._settings))
            terminal = self._console.is_terminal
            live = Live(console=self._console, auto_refresh=False, transient=True) if terminal else None
            self._live = opened.enter_context(live) if live is not None else None
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def run(self, duration_s: float | None) -> None:
        """Until the duration is over; for ever without."""
        began_s = time.monotonic()
        tells = _Every(TELL_EVERY_S, began_s)
        lines = _Every(LINE_EVERY_S, began_s)
        pages = _Every(self._outputs.snapshot_every_s, began_s)
        while duration_s is None or time.monotonic() < began_s + duration_s:
            self._session.step()
            now_s = time.monotonic()
            report = self._session.report() if tells.due(now_s) else None
            if report is not None:
                self._tell(report)
                if self._live is None and (lines.due(now_s) or self._new_alarms(report)):
                    self._say(line(report, self._lsl_clock()))
                if self._outputs.snapshot is not None and pages.due(now_s):
                    self._write(report, self._outputs.snapshot)
            elif self._spikes.description is None and lines.due(now_s):
                self._say(self._waits())
            time.sleep(TAKE_EVERY_S)

    def finish(self) -> MonitorReport | None:
        """The state at the end, told once more; None where there was no stream."""
        self._session.step()
        report = self._session.report()
        if report is not None:
            self._tell(report)
            self._say(line(report, self._lsl_clock()))
            if self._outputs.snapshot is not None:
                self._write(report, self._outputs.snapshot)
        if self._writing is not None:
            self._writing.join()
        return report

    def _tell(self, report: MonitorReport) -> None:
        if self._publishes and self._outlet is None:
            try:
                self._outlet = self._opened.enter_context(MonitorOutlet(report.stream.name))
            except SpikeloopError as error:
                self._publishes = False
                self._say(f"not published: {error}")
        if self._outlet is not None:
            self._outlet.push(report)
        self._open_bridge(self._opened, report.stream.name)
        if self._bridge is not None:
            self._bridge.publish("monitor", {"stamp_s": self._lsl_clock()} | figures(report))
        if self._metrics is not None:
            self._metrics.update(report)
        if self._live is not None:
            with suppress(OSError):
                self._live.update(render(report, self._console.width, self._lsl_clock()), refresh=True)

    def _new_alarms(self, report: MonitorReport) -> bool:
        before, self._told_alarms = self._told_alarms, report.state.alarms_raised
        return report.state.alarms_raised > before

    def _write(self, report: MonitorReport, path: Path) -> None:
        """In a thread, as drawing takes a second; one at a time."""
        from spikeloop.streamer.monitor.page import write_page

        now_s, written = self._lsl_clock(), datetime.now()

        def write() -> None:
            try:
                write_page(path, report, now_s=now_s, written=written)
                self.failure = None
            except Exception as error:  # of any kind: told here, and raised at the end
                if self.failure is None:
                    self._say(str(error))
                self.failure = error if isinstance(error, FailureError) else FailureError(f"no page: {error}")

        if self._writing is not None:
            self._writing.join()
        self._writing = threading.Thread(target=write, name="spikeloop-page", daemon=True)
        self._writing.start()

    def _waits(self) -> str:
        refused = self._spikes.report().refused
        wanted = repr(self._stream) if self._stream is not None else "a stream of type Spikes"
        return f"waiting for {wanted}{f'; refused {refused}' if refused else ''}"

    def _say(self, text: str) -> None:
        with suppress(OSError, SystemExit):  # rich exits where a pipe is broken
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _open_bridge(self, opened: ExitStack, stream: str) -> None:
        """To the broker, where there is one and no bridge yet."""
        if self._outputs.broker is not None and self._bridge is None:
            self._bridge = opened.enter_context(MqttBridge(self._outputs.broker, stream))

    def _open_metrics(self, opened: ExitStack) -> Metrics | None:
        """The server of /metrics; where nobody asked for a port, and none can be had, a word about it."""
        if self._outputs.port == 0:
            return None
        try:
            metrics = opened.enter_context(Metrics(self._outputs.port))
        except FailureError as error:
            if self._outputs.port is not None:
                raise
            self._say(f"no /metrics: {error}")
            return None
        self._say(f"metrics: http://127.0.0.1:{metrics.port}/metrics")
        return metrics


class _Every:
    """Whether so many seconds have passed again."""

    def __init__(self, interval_s: float, begin_s: float) -> None:
        self._interval_s, self._next_s = interval_s, begin_s + interval_s

    def due(self, now_s: float) -> bool:
        if now_s < self._next_s:
            return False
        self._next_s = max(self._next_s + self._interval_s, now_s)
        return True
