"""A file of any format, as what it holds of streams that spikeloop made."""

from dataclasses import replace
from pathlib import Path

from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.named.arrays import find_in_arrays
from spikeloop.exporters.formats.read import read_arrays, read_chosen
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from spikeloop.streamer.capture.verify.stated import REMEDY, Stated, recorded_of
from spikeloop.streamer.capture.verify.stated_xdf import recorded_in_xdf

__all__ = ["recorded_in"]

POPULATION = "/population/"  # in the names of arrays of a closed loop, between the session and its own arrays


def recorded_in(path: Path) -> tuple[Stated, ...]:
    """Read all streams of spikeloop's that a file holds.

    Raises
    ------
    BadInputError
        If the file can't be read, or does not say what made its spikes.
    """
    if path.suffix.lower() in (".xdf", ".xdfz"):
        found = recorded_in_xdf(path)
    elif path.suffix.lower() == ".npz" and (sessions := _sessions(path)):
        found = tuple(recorded_of(session) for session in sessions)
    else:
        recording = read_chosen(path, Choices())
        found = () if recording.provenance is None else (recorded_of(recording),)
    if not found:
        raise BadInputError(
            f"{path}: expected a file that says what made its spikes (bundle, SHA-256, seed), found none of that;"
            f" {REMEDY}"
        )
    return found


def _sessions(path: Path) -> list[Recording]:
    """Read the populations of the sessions that `closedloop --save` wrote; none from another archive."""
    arrays = read_arrays(path)
    names = sorted({key.partition(POPULATION)[0] for key in arrays if POPULATION in key})
    sessions = []
    for name in names:
        prefix = f"{name}{POPULATION}"
        own = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
        found = assemble(find_in_arrays(own, Choices(), path), Choices())
        sessions.append(replace(found, name=name))
    return [session for session in sessions if session.provenance is not None]
