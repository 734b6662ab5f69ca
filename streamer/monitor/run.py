"""A monitor in real time with its outputs: the terminal, LSL, MQTT, Prometheus, a page."""

import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.live import Live

from spikeloop.exporters.documents import print_line
from spikeloop.models.errors import FailureError, SpikeloopError
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.lsl.spikes import LslSpikes
from spikeloop.streamer.lsl.stream_query import StreamQuery
from spikeloop.streamer.monitor.figures import figures
from spikeloop.streamer.monitor.monitor import MonitorSession
from spikeloop.streamer.monitor.outputs.lsl import MonitorOutlet
from spikeloop.streamer.monitor.outputs.prometheus import Metrics
from spikeloop.streamer.monitor.outputs.terminal import line, render
from spikeloop.streamer.monitor.report import MonitorReport
from spikeloop.streamer.monitor.subject import MonitorSettings
from spikeloop.streamer.mqtt.address import MqttAddress
from spikeloop.streamer.mqtt.bridge import MqttBridge

__all__ = ["Outputs", "Watch"]

PULL_EVERY_S = 0.2
REPORT_EVERY_S = 1.0
LINE_EVERY_S = 10.0  # where the output is no terminal


@dataclass(frozen=True)
class Outputs:
    """The outputs of a monitor besides the terminal.

    Attributes
    ----------
    publish : bool
        Whether figures go out as NAME-Monitor over LSL.
    port : int or None
        Of /metrics; None for 9464 or the next that is free, 0 for none.
    snapshot : Path or None
        Of the page.
    snapshot_every_s : float > 0, s
        Between two versions of the page; the last one is written at the end.
    broker : MqttAddress or None
        That receives the figures over MQTT.
    command : str
        That a person typed, which the page says.
    """

    publish: bool = True
    port: int | None = None
    snapshot: Path | None = None
    snapshot_every_s: float = 60.0
    broker: MqttAddress | None = None
    command: str = ""


class Watch:
    """A monitor in real time, from entering to leaving the context.

    Parameters
    ----------
    stream : StreamQuery
        The stream; without a name, the only one of type Spikes that matches.
    wait : bool
        Whether to wait for the stream to appear.
    settings : MonitorSettings
    outputs : Outputs
    console : rich.console.Console
        For the view; plain lines where it is no terminal.

    Attributes
    ----------
    failure : FailureError or None
        Why the latest page could not be written.

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
        self, stream: StreamQuery, wait: bool, settings: MonitorSettings, outputs: Outputs, console: Console
    ) -> None:
        self._stream, self._wait, self._settings = stream, wait, settings
        self._outputs, self._console = outputs, console
        self._publishes = outputs.publish
        self._outlet: MonitorOutlet | None = None
        self._bridge: MqttBridge | None = None
        self._writing: threading.Thread | None = None
        self._shown_alarms = 0
        self._said_which = False
        self._shown_warnings: set[str] = set()
        self.failure: FailureError | None = None

    def __enter__(self) -> Self:
        self._lsl_clock = import_pylsl().local_clock  # by which alarms are stamped
        with ExitStack() as opened:
            self._metrics = self._open_metrics(opened)
            query = self._stream
            if query.name is not None:
                self._open_bridge(opened, query.name)
            spikes = LslSpikes(query.name, wait=self._wait, source_id=query.source_id, host=query.host)
            self._spikes = opened.enter_context(spikes)
            self._session = opened.enter_context(MonitorSession(self._spikes, self._settings))
            terminal = self._console.is_terminal
            live = Live(console=self._console, auto_refresh=False, transient=True) if terminal else None
            self._live = opened.enter_context(live) if live is not None else None
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def run(self, duration_s: float | None) -> None:
        """Follow the stream until the duration is over, or for ever.

        Parameters
        ----------
        duration_s : float > 0, s, or None
        """
        began_s = time.monotonic()
        reports = _Every(REPORT_EVERY_S, began_s)
        lines = _Every(LINE_EVERY_S, began_s)
        waits = _Every(LINE_EVERY_S, began_s + REPORT_EVERY_S - LINE_EVERY_S)
        pages = _Every(self._outputs.snapshot_every_s, began_s)
        while duration_s is None or time.monotonic() < began_s + duration_s:
            self._session.step()
            now_s = time.monotonic()
            report = self._session.report() if reports.due(now_s) else None
            if report is not None:
                self._say_which(report)
                self._publish(report)
                self._warn(report)
                if self._live is None and (lines.due(now_s) or self._new_alarms(report)):
                    self._say(line(report, self._lsl_clock()))
                if self._outputs.snapshot is not None and pages.due(now_s):
                    self._write(report, self._outputs.snapshot)
            elif self._spikes.description is None and waits.due(now_s):
                self._say(self._waits())
            time.sleep(PULL_EVERY_S)

    def finish(self) -> MonitorReport | None:
        """Publish the last state and return it; None where there was no stream."""
        self._session.step()
        report = self._session.report()
        if report is not None:
            self._publish(report)
            self._say(line(report, self._lsl_clock()))
            if self._outputs.snapshot is not None:
                self._write(report, self._outputs.snapshot)
        if self._writing is not None:
            self._writing.join()
        return report

    def _publish(self, report: MonitorReport) -> None:
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

    def _say_which(self, report: MonitorReport) -> None:
        """Say which stream is followed, once, where the user named none."""
        if self._stream.name is None and not self._said_which:
            self._said_which = True
            self._say(f"follows {report.stream.name!r} from {self._spikes.origin}, the only stream of type Spikes")

    def _warn(self, report: MonitorReport) -> None:
        """Print each kind of warning about the stream when it first appears; a view shows them all."""
        for warning in report.reception.warnings:
            kind = warning.partition(":")[0]
            if kind not in self._shown_warnings:
                self._shown_warnings.add(kind)
                self._say(warning)

    def _new_alarms(self, report: MonitorReport) -> bool:
        before, self._shown_alarms = self._shown_alarms, report.state.alarms_raised
        return report.state.alarms_raised > before

    def _write(self, report: MonitorReport, path: Path) -> None:
        """Write the page in a thread, since drawing takes a second; one at a time."""
        from spikeloop.streamer.monitor.outputs.page import write_page

        now_s, written = self._lsl_clock(), datetime.now()

        def write() -> None:
            try:
                write_page(path, report, now_s=now_s, written=written, command=self._outputs.command)
                self.failure = None
            except Exception as error:  # of any kind: printed here, and raised at the end
                if self.failure is None:
                    self._say(str(error))
                self.failure = error if isinstance(error, FailureError) else FailureError(f"no page: {error}")

        if self._writing is not None:
            self._writing.join()
        thread = threading.Thread(target=write, name="spikeloop-page", daemon=True)
        thread.start()
        self._writing = thread  # not before it runs: a signal may come in between

    def _waits(self) -> str:
        refused = self._spikes.report().refused
        wanted = str(self._stream) if self._stream.name is not None else "a stream of type Spikes"
        return f"waiting for {wanted}{f'; refused {refused}' if refused else ''}"

    def _say(self, text: str) -> None:
        print_line(self._console, text)

    def _open_bridge(self, opened: ExitStack, stream: str) -> None:
        """Connect to the broker, where there is one and no bridge yet."""
        if self._outputs.broker is not None and self._bridge is None:
            self._bridge = opened.enter_context(MqttBridge(self._outputs.broker, stream))

    def _open_metrics(self, opened: ExitStack) -> Metrics | None:
        """Start the server of /metrics; without a port of one's choice, a failure is only a printed line."""
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
    """A timer that is due at equal intervals, and skips those that have passed."""

    def __init__(self, interval_s: float, begin_s: float) -> None:
        self._interval_s, self._next_s = interval_s, begin_s + interval_s

    def due(self, now_s: float) -> bool:
        if now_s < self._next_s:
            return False
        self._next_s = max(self._next_s + self._interval_s, now_s)
        return True
