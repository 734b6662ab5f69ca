"""The recording of counts in a file of many streams."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.assembly.conditions import with_series
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.xdf.chunks import Stream
from spikeloop.exporters.formats.xdf.header import origin_of
from spikeloop.exporters.formats.xdf.own import beside
from spikeloop.exporters.formats.xdf.reader import find
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.exporters.formats.xdf.whole import path_of
from spikeloop.exporters.stream_names import CONDITION, EVENTS, FLUORESCENCE, SPIKES, STREAM_TYPES
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.counts_check import judge_counts
from spikeloop.models.recordings.recording import Recording

__all__ = ["CountsOfSession", "choose_counts"]

KINDS = (SPIKES, FLUORESCENCE)
JUDGED = 10_000  # samples, at most


@dataclass(frozen=True, eq=False)
class CountsOfSession:
    """The counts of a recorded session.

    Attributes
    ----------
    stream : Stream
        Of the counts, or of fluorescence.
    recording : Recording
        Of them, with what drove them.
    events, condition : Stream or None
        The streams beside it of spikes and of conditions; None where there are none that can be used.
    """

    stream: Stream
    recording: Recording
    events: Stream | None
    condition: Stream | None

    def holds(self, stream: Stream) -> bool:
        """Whether it has all that is in a stream: this very one, and not another run of the same name.

        The counts of other programs come with stamps that bins of equal size don't keep.
        """
        ours = stream is not self.stream or stream.fact("bin_size_s") is not None
        return ours and stream in (self.stream, self.events, self.condition)


def choose_counts(file: OpenFile, asked: str | None = None) -> tuple[CountsOfSession | None, list[str]]:
    """Make a recording of the stream that has the counts, and say which that is where several could be meant.

    Every bin is kept: where what drove it was not recorded, that is NaN.

    Parameters
    ----------
    file : OpenFile
    asked : str or None
        Its name, or NAME#NUMBER; by default it is the first of type Spikes that holds counts, else of Fluorescence.

    Returns
    -------
    CountsOfSession or None
        None where there is no such stream.
    list of str
        What to tell, a sentence each.

    Raises
    ------
    BadInputError
        If the stream that was asked for is not there, or holds no counts.
    """
    filled = [stream for stream in file.streams.streams if stream.samples and not stream.is_text]
    if asked is not None:
        return _of(file, _asked(file, filled, asked)), []
    candidates = [stream for kind in KINDS for stream in filled if stream.type.lower() == kind.lower()]
    notes = []
    for stream in candidates:
        try:
            found = _of(file, stream)
        except BadInputError as error:  # counts that a recording can't hold, which stay a stream like others
            notes.append(_refused(file, stream, error))
            continue
        return found, notes + _not_taken(file, stream, candidates)
    return None, notes


def _asked(file: OpenFile, filled: Sequence[Stream], asked: str) -> Stream:
    found = [stream for stream in filled if asked in (stream.name, path_of(stream, file.streams))]
    if len(found) != 1:
        there = ", ".join(path_of(stream, file.streams) for stream in (found or filled)[:12]) or "none"
        raise BadInputError(f"--key: expected one stream of numbers of {file.path} ({there}), found {asked!r:.80}")
    return found[0]


def _of(file: OpenFile, stream: Stream) -> CountsOfSession:
    choices = Choices(key=path_of(stream, file.streams))
    found = find(file.path, choices)
    recording = assemble(replace(found, series=()), choices)
    for series in found.series:
        recording = with_series(recording, series)
    if stream.fact("origin") is None:
        origin = ", ".join(filter(None, (f"LSL stream {stream.name!r}", origin_of(stream.info))))
        recording = replace(recording, origin=origin)
    events, condition = beside(file, stream, EVENTS), beside(file, stream, CONDITION)
    usable = recording.signal == "spikes" and events is not None and events.type == STREAM_TYPES[EVENTS]
    return CountsOfSession(stream, recording, events if usable else None, condition if recording.channels else None)


def _refused(file: OpenFile, stream: Stream, error: BadInputError) -> str:
    """Say why a stream that calls itself one of counts gives none."""
    looks = ""
    if stream.type.lower() == SPIKES.lower() and stream.rate_hz:
        looks = judge_counts(np.asarray(file.samples(stream).values[:JUDGED]), 1 / stream.rate_hz)
    why = looks or str(error).removeprefix(f"{file.path}: ")
    return f"{path_of(stream, file.streams)}: its type is {stream.type}, but it gives no counts: {why}"


def _not_taken(file: OpenFile, taken: Stream, candidates: Sequence[Stream]) -> list[str]:
    others = [path_of(stream, file.streams) for stream in candidates if stream is not taken]
    if not others:
        return []
    return [
        f"the counts are those of {path_of(taken, file.streams)}, the first that has some; {', '.join(others)} of"
        f" {len(candidates)} such streams are kept as they are; --key NAME chooses another"
    ]
