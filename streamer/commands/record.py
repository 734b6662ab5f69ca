"""`spikeloop record`: LSL streams to a file."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from spikeloop.exporters.documents import printable
from spikeloop.models.errors import BadInputError
from spikeloop.models.significant import significant
from spikeloop.streamer.capture.record.outputs import finish_recording
from spikeloop.streamer.capture.record.record import record as record_streams
from spikeloop.streamer.capture.record.report import RecordReport
from spikeloop.streamer.commands.live_line import LiveLine
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.lsl.heaps import share_one_heap

__all__ = ["record"]


def record(
    streams: Positional[tuple[str, ...]] = (),
    *,
    out: Path | None = None,
    finish: Path | None = None,
    duration: float | None = None,
    wait: float = 10.0,
    until_end: bool = False,
    overwrite: bool = False,
    source_id: str = "",
    host: str = "",
    key: str | None = None,
    json: bool = False,
) -> int:
    """Record LSL streams to a file.

    A name stands for the stream of that name and those that spikeloop sends beside it: `lab` is lab, lab-Events,
    lab-Condition and so on. Streams of any program are recorded, as they were sent: samples, stamps, descriptions, and
    comparisons of clocks. Streams that come later are recorded from then on. Ctrl-C ends the recording.

    A recording to session.nwb is written to session.nwb.xdf as it comes. Where it is cut off before the end, `spikeloop
    record --finish session.nwb.xdf` makes session.nwb of what is there.

    Parameters
    ----------
    streams : str
        names of streams; patterns, as in 'lab*', '*' for all; or queries, as in "type='EEG'"
    out : path, optional
        file to write, ending in .xdf, .nwb or .zarr
    finish : path, optional
        .xdf file of which to make an .nwb or .zarr file, instead of recording
    duration : float > 0, s, optional
        time to record, from the first stream on; by default until Ctrl-C
    wait : float >= 0, s
        time to wait for the first stream; inf waits without end
    until_end : bool
        end when all streams that were found have ended
    overwrite : bool
        replace the file where there is one already
    source_id : str
        source id of the streams, if several have a name
    host : str
        host of the streams, if several have a name
    key : str, optional
        the stream whose counts become the units of an .nwb or .zarr file, if several are of type Spikes; of those of
        one name NAME#NUMBER
    json : bool
        print what was recorded as one JSON document at the end
    """
    if finish is not None:
        return _finish(streams, finish, out, overwrite, key, json)
    if out is None:
        raise BadInputError("--out: expected a file to write, found none")
    share_one_heap()
    status = _Latest()
    with LiveLine(SideConsole(), status.line, picture=status.picture, news=status.news, last=True):
        report = record_streams(
            streams,
            out,
            duration,
            wait_s=wait,
            until_end=until_end,
            overwrite=overwrite,
            source_id=source_id,
            host=host,
            key=key,
            on_status=status.take,
        )
        status.take(report)
    if json:
        print_json(report.to_dict())
    else:
        print(_summary(report))
        _print_each("warning", report.warnings)
        _print_each("note", report.remarks)
    return 130 if report.interrupted else 0


def _summary(report: RecordReport) -> str:
    if not report.size_bytes:
        return f"no stream came: waited for {', '.join(report.missing or _names(report))}; no file was written"
    number = f"{len(report.streams)} streams, {report.samples:,} samples"
    return f"{report.file}: {number}, {_size(report)}, {_lost(report)}"


def _names(report: RecordReport) -> list[str]:
    """Name streams that were found, and could not be reached."""
    return [stream.name for stream in report.streams]


def _finish(
    streams: tuple[str, ...], spool: Path, out: Path | None, overwrite: bool, key: str | None, json: bool
) -> int:
    """Make the file of a recording that was cut off."""
    if streams:
        raise BadInputError(f"--finish: expected no streams to record beside it, found {', '.join(streams):.100}")
    with SideConsole().status(f"finishing {spool}"):
        finished = finish_recording(spool, out, overwrite=overwrite, key=key)
    if json:
        print_json(finished.to_dict())
    else:
        print("\n".join(map(printable, str(finished).splitlines())))
        _print_each("note", finished.notes)
    return 0


def _print_each(what: str, sentences: Sequence[str]) -> None:
    """Print sentences, a line each."""
    for sentence in sentences:
        print(printable(f"{what}: {sentence}"))


class _Latest:
    """The latest report of a recorder, for the thread that shows it."""

    def __init__(self) -> None:
        self._report: RecordReport | None = None
        self._told = 0

    def take(self, report: RecordReport) -> None:
        self._report = report

    def news(self) -> list[str]:
        """Say what happened since it was asked last."""
        if (report := self._report) is None:
            return []
        texts = [f"{note.at_s:8.1f} s  {note.text}" for note in report.notes if note.number > self._told]
        self._told = report.notes[-1].number if report.notes else 0
        return texts

    def line(self) -> str:
        return "" if (report := self._report) is None else _line(report)

    def picture(self) -> RenderableType:
        return "" if (report := self._report) is None else _shown(report)


def _line(report: RecordReport) -> str:
    waiting = f"  waiting for {', '.join(report.missing)}" if report.missing else ""
    if not report.streams and report.missing:
        return f"waiting for {', '.join(report.missing)}"
    live = sum(stream.state == "recording" for stream in report.streams)
    return (
        f"{report.duration_s:8.1f} s  {live} of {len(report.streams)} streams  {report.samples:,} samples"
        f"  {_lost(report)}  {_size(report)}{_warned(report)}{waiting}"
    )


def _shown(report: RecordReport) -> Group:
    table = Table("stream", "state", "samples", "Hz", "lost", "offset (ms)", box=None, pad_edge=False)
    for stream in report.streams:
        rate = "" if stream.measured_rate_hz is None else f"{stream.measured_rate_hz:.2f}"
        offset = "" if stream.clock_offset_s is None else significant(1000 * stream.clock_offset_s)
        table.add_row(stream.label, stream.state, f"{stream.samples:,}", rate, str(stream.lost), offset)
    return Group(table, Text(_line(report), no_wrap=True, overflow="ellipsis"))


def _warned(report: RecordReport) -> str:
    number = len(report.warnings)
    return f"  {number} warning{'s' * (number > 1)}" * bool(number)


def _lost(report: RecordReport) -> str:
    return f"{report.lost:,} lost" if report.lost else "none lost"


def _size(report: RecordReport) -> str:
    return f"{report.size_bytes / 1e6:.3g} MB"
