"""Record LSL streams to a file, as long as it is wanted."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError, in_one_line
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.scalars import checked_text, is_number, shown
from spikeloop.streamer.capture.record.outputs import checked_output, finish_recording, spool_of
from spikeloop.streamer.capture.record.recorder import Recorder
from spikeloop.streamer.capture.record.report import RecordReport
from spikeloop.streamer.capture.record.selection import Finder, Selection
from spikeloop.streamer.lsl.follower import list_streams
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.lsl.stream_query import StreamQuery

__all__ = ["record"]

ROUND_S = 0.02  # what has arrived is lost if its stream ends before it is pulled
STATUS_EVERY_S = 0.5


def record(
    streams: str | Sequence[str],
    out: str | Path,
    duration_s: float | None = None,
    *,
    wait_s: float = 10.0,
    until_end: bool = False,
    overwrite: bool = False,
    source_id: str = "",
    host: str = "",
    key: str | None = None,
    on_status: Callable[[RecordReport], None] | None = None,
    stop: threading.Event | None = None,
) -> RecordReport:
    """Record LSL streams to a file, until the duration is over, or Ctrl-C.

    Streams that come later are recorded from then on. Samples and their stamps are written as they were sent, with
    comparisons of the clocks beside them, every half second: a program that is killed loses at most the last second.

    Parameters
    ----------
    streams : str or sequence of str
        Each a name, which stands for the stream of that name and those that spikeloop sends beside it, such as
        NAME-Events; a pattern with * and ?, "*" for all; or a query of LSL's, such as "type='EEG'".
    out : str or pathlib.Path
        File to write, ending in .xdf, .nwb or .zarr. For the latter two an XDF file is written beside it, such as
        session.nwb.xdf, of which the file is made at the end; see `finish_recording`.
    duration_s : float > 0, s, optional
        From the first stream on; by default there is no end.
    wait_s : float >= 0, s
        How long to wait for the first stream. infinity waits without end.
    until_end : bool
        End when all streams that were found have ended.
    overwrite : bool
        Replace a file that is there.
    source_id, host : str
        Only streams with this source id, or from this computer, where several have one name; empty for any.
    key : str, optional
        For an NWB file or a Zarr folder, the stream whose counts become its units, as of `finish_recording`.
    on_status : callable (RecordReport) -> None, optional
        Called twice a second with what was done so far.
    stop : threading.Event, optional
        Ends the recording when it is set; for one that runs in a thread of its own.

    Returns
    -------
    RecordReport
        Ctrl-C ends the recording, and is noted in it. Pressed again, while an NWB file or a Zarr folder is made, it
        leaves the XDF file instead.

    Raises
    ------
    BadInputError
        If an argument is none of these, a file is there, or no stream was found in time.
    FailureError
        If the disk refuses (what was written until then stays), or pylsl or liblsl is missing.

    Examples
    --------
    >>> import spikeloop
    >>> report = spikeloop.record("lab", "session.xdf", duration_s=60)  # doctest: +SKIP
    >>> report.lost  # doctest: +SKIP
    0
    """
    settings = _Settings(
        _checked_streams(streams), checked_output(out, overwrite), _checked_duration(duration_s), _checked_wait(wait_s),
        bool(until_end), bool(overwrite), on_status or (lambda report: None), stop or threading.Event(),
    )  # fmt: skip
    origin = StreamQuery(None, checked_text("--source-id", source_id), checked_text("--host", host))
    lsl = import_pylsl()
    finder = Finder(settings.selections, origin)
    report = _run(settings, finder, lsl.local_clock)
    if not report.size_bytes or spool_of(settings.out) == settings.out:  # 0: it was ended before the first stream
        return report
    return _finished(report, overwrite, key)


def _finished(report: RecordReport, overwrite: bool, key: str | None) -> RecordReport:
    """Make the file that was asked for of the one that was written, which goes when the other is whole."""
    out, spool = report.file, spool_of(report.file)
    try:
        finished = finish_recording(spool, out, overwrite=overwrite, key=key)
    except KeyboardInterrupt:
        return replace(report, file=spool, interrupted=True)
    except Exception as error:  # of any library on its way: what was recorded must not seem lost
        said = str(error) if isinstance(error, SpikeloopError) else f"could not write {out} ({in_one_line(error)})"
        raise FailureError(
            f"{said}; all that was recorded is in {spool}: `spikeloop record --finish {spool}` tries again"
        ) from error
    spool.unlink()
    return replace(report, size_bytes=finished.size_bytes, remarks=finished.notes)


@dataclass(frozen=True)
class _Settings:
    selections: tuple[Selection, ...]
    out: Path
    duration_s: float
    wait_s: float
    until_end: bool
    overwrite: bool
    on_status: Callable[[RecordReport], None]
    stop: threading.Event


def _run(settings: _Settings, finder: Finder, now: Callable[[], float]) -> RecordReport:
    clocks, spool = {"utc": datetime.now(UTC).isoformat(), "clock_s": now()}, spool_of(settings.out)
    writer = XdfWriter(spool, flush_each_chunk=False, own=clocks, replace=settings.overwrite)
    recorder, interrupted = Recorder(finder.look, writer, now, until_end=settings.until_end), False
    report = _report(settings, recorder, writer, interrupted)
    try:
        with writer, recorder:
            try:
                _rounds(settings, finder, recorder, writer, now)
            except KeyboardInterrupt:
                interrupted = True
            with hold_interrupts():
                recorder.finish()
                report = _report(settings, recorder, writer, interrupted)
    except KeyboardInterrupt:  # which was held back until all was written
        interrupted = True
    except FailureError as error:
        raise _with_what_is_there(error, writer.size_bytes, spool, settings.out) from error
    return replace(report, size_bytes=writer.size_bytes, interrupted=interrupted)


def _with_what_is_there(error: FailureError, size_bytes: int, spool: Path, out: Path) -> FailureError:
    """Add what was recorded before, where there is something, and how to go on with it."""
    if not size_bytes:
        return error
    there = f"{error}; what was recorded before, {size_bytes:,} bytes, is there"
    return FailureError(there if spool == out else f"{there}: `spikeloop record --finish {spool}` makes {out} of it")


def _rounds(
    settings: _Settings, finder: Finder, recorder: Recorder, writer: XdfWriter, now: Callable[[], float]
) -> None:
    began_s = status_s = now()
    while not settings.stop.wait(ROUND_S):
        with hold_interrupts():  # which would tear a chunk
            recorder.work()
        if recorder.duration_s >= settings.duration_s or (settings.until_end and recorder.all_ended):
            return
        if not recorder.began and now() - began_s >= settings.wait_s:
            raise BadInputError(_nothing_found(settings, finder))
        if now() >= status_s:
            status_s = now() + STATUS_EVERY_S
            settings.on_status(_report(settings, recorder, writer, False))


def _report(settings: _Settings, recorder: Recorder, writer: XdfWriter, interrupted: bool) -> RecordReport:
    return RecordReport(
        settings.out,
        recorder.duration_s,
        writer.size_bytes,
        recorder.streams,
        recorder.notes,
        recorder.missing,
        interrupted,
    )


def _nothing_found(settings: _Settings, finder: Finder) -> str:
    asked = ", ".join(selection.text for selection in settings.selections)
    there = list_streams(finder.on_network()) or "no stream at all"
    origin = f" ({finder.origin})" if finder.origin != StreamQuery(None) else ""
    return (
        f"expected an LSL stream {asked!r:.200}{origin} within {settings.wait_s:g} s, found {there}; start its sender,"
        " or give it more time with --wait"
    )


def _checked_streams(streams: str | Sequence[str]) -> tuple[Selection, ...]:
    asked = [streams] if isinstance(streams, str) else list(streams) if isinstance(streams, Sequence) else []
    if not asked or not all(isinstance(text, str) and text.strip() for text in asked):
        raise BadInputError(
            f"expected names of LSL streams, patterns or queries, found {shown(streams)}; '*' records all streams"
        )
    return tuple(Selection(text) for text in dict.fromkeys(asked))


def _checked_duration(duration_s: float | None) -> float:
    if duration_s is None:
        return math.inf
    if not (is_number(duration_s) and duration_s > 0):
        raise BadInputError(f"--duration: expected more than 0 s, found {shown(duration_s)}")
    return float(duration_s)


def _checked_wait(wait_s: float) -> float:
    if not (is_number(wait_s) and wait_s >= 0):
        raise BadInputError(f"--wait: expected 0 s or more, found {shown(wait_s)}")
    return float(wait_s)
