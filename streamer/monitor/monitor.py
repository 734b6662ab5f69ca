"""A monitor that follows a stream through its restarts, and reports its state."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Protocol, Self

from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.recordings.recording import Recording
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.lsl.spikes import Reception
from spikeloop.streamer.monitor.course import Course, Point
from spikeloop.streamer.monitor.report import MonitorReport
from spikeloop.streamer.monitor.subject import MonitorSettings, Subject

__all__ = ["MonitorSession", "PulledSpikes"]


class PulledSpikes(Protocol):
    """Counts that a monitor pulls, as of `LslSpikes`."""

    @property
    def description(self) -> StreamDescription | None: ...

    def pull(self) -> tuple[Segment, ...]: ...

    def report(self) -> Reception: ...


class MonitorSession:
    """The state of a monitor, from entering to leaving the context.

    Call `step` a few times a second, and `report` at any time.

    Parameters
    ----------
    spikes : PulledSpikes
        The stream, open.
    settings : MonitorSettings
    clock : callable
        Time that passes, s.
    cpu_s : callable
        Processor time of the process, s.
    """

    def __init__(
        self,
        spikes: PulledSpikes,
        settings: MonitorSettings,
        clock: Callable[[], float] = time.monotonic,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._spikes, self._settings = spikes, settings
        self._clock, self._cpu_s = clock, cpu_s
        self._began_s, self._cpu_began_s = clock(), cpu_s()
        self._course = Course()
        self._subject: Subject | None = None
        self._bundle: Bundle | None = None
        self._recording: Recording | None = None

    def __enter__(self) -> Self:
        """Read what was asked for by name, so that a wrong name is reported at once.

        Raises
        ------
        BadInputError
            If the bundle or the recording can't be read.
        """
        settings = self._settings
        if settings.bundle:
            self._bundle = load_bundle(settings.bundle)
        if settings.reference not in ("auto", "bundle", "start", "none"):
            self._recording = read_recording(settings.reference)
        return self

    def __exit__(self, *error: object) -> None:
        if self._subject is not None:
            self._subject.close()

    def step(self) -> None:
        """Process what has arrived; returns at once."""
        segments = self._spikes.pull()
        description = self._spikes.description
        if description is None:
            return
        if self._subject is None or not _same_population(description, self._subject.description):
            if self._subject is not None:
                self._subject.close()
            self._subject = Subject(description, self._settings, self._bundle, self._recording)
        self._subject.turn_to(description)
        self._subject.consume(self._subject.monitor.add(segments))

    def report(self) -> MonitorReport | None:
        """Make a report of everything so far; None before the stream was found."""
        subject = self._subject
        if subject is None:
            return None
        passed_s, reception = self._clock() - self._began_s, self._spikes.report()
        reference = subject.monitor.reference
        report = MonitorReport(
            stream=subject.description,
            reception=reception,
            state=subject.monitor.state(),
            window_bins=subject.monitor.window_bins,
            half_life_s=self._settings.half_life_s,
            reference=reference.source if reference is not None else "",
            reference_statistics=reference.statistics if reference is not None else {},
            notices=(*reception.warnings, *subject.notices(reception.no_counts), *_refusal(reception)),
            importance=subject.importance.report() if subject.importance is not None else None,
            course=self._course,
            watched_s=passed_s,
            cpu_cores=(self._cpu_s() - self._cpu_began_s) / passed_s if passed_s > 0 else math.nan,
            not_compared=subject.not_compared(reception.no_counts),
        )
        if report.state.windows:
            point = Point(passed_s, report.mean_rate_hz, report.state.mean_ratio, report.alarm_score)
            self._course = self._course.added(point)
        return dataclasses.replace(report, course=self._course)


def _refusal(reception: Reception) -> tuple[str, ...]:
    return (f"not followed: {reception.refused}",) if reception.refused else ()


def _same_population(now: StreamDescription, before: StreamDescription) -> bool:
    """Whether statistics may go on, and what they are compared with still holds."""
    return (now.sha256, now.condition) == (before.sha256, before.condition)
