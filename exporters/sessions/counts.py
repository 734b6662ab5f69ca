"""The recording of counts in a file of many streams."""

from dataclasses import dataclass, replace

from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.assembly.conditions import with_series
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.xdf.chunks import Stream
from spikeloop.exporters.formats.xdf.own import beside
from spikeloop.exporters.formats.xdf.reader import find
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.exporters.formats.xdf.whole import path_of
from spikeloop.exporters.stream_names import CONDITION, EVENTS, FLUORESCENCE, SPIKES, STREAM_TYPES
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording

__all__ = ["CountsOfSession", "counts_of"]

KINDS = (SPIKES, FLUORESCENCE)


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
        """Whether it has all that is in a stream: this very one, and not another run of the same name."""
        return stream in (self.stream, self.events, self.condition)


def counts_of(file: OpenFile) -> CountsOfSession | None:
    """Find the first stream of counts, else of fluorescence, and make a recording of it; None where there is none.

    Every bin is kept: where what drove it was not recorded, that is NaN.
    """
    filled = [stream for stream in file.streams.streams if stream.samples and not stream.is_text]
    for stream in [stream for kind in KINDS for stream in filled if stream.type == kind]:
        try:
            choices = Choices(key=path_of(stream, file.streams))
            found = find(file.path, choices)
            recording = assemble(replace(found, series=()), choices)
            for series in found.series:
                recording = with_series(recording, series)
        except BadInputError:  # counts that a recording can't hold, which stay a stream like others
            continue
        events, condition = beside(file, stream, EVENTS), beside(file, stream, CONDITION)
        usable = recording.signal == "spikes" and events is not None and events.type == STREAM_TYPES[EVENTS]
        return CountsOfSession(stream, recording, events if usable else None, condition if recording.channels else None)
    return None
