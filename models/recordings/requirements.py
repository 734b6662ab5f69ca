"""What a family of models or a command needs a recording to be."""

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import recorded_rows

__all__ = ["require_binary", "require_spikes"]


def require_spikes(recording: Recording, what: str) -> None:
    """Make sure that these are spikes; raise a BadInputError where it is a continuous signal."""
    if recording.signal != "spikes":
        raise BadInputError(f"{recording.name}: {what} needs spike counts, found {recording.signal}")


def require_binary(recording: Recording, family: str) -> None:
    """Make sure that no bin holds more than one spike.

    Raises
    ------
    BadInputError
        If one does; says how to go on.
    """
    require_spikes(recording, family)
    largest = int(recorded_rows(recording.counts, recording.lengths).max())
    if largest > 1:
        raise BadInputError(
            f"{recording.name}: {family} needs at most one spike in a bin, found {largest};"
            f" bin finer than {recording.bin_size_s * 1000:g} ms"
        )
