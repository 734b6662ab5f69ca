"""A file of any format, as what it holds of streams that spikeloop made."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned, Found
from spikeloop.exporters.formats.named.arrays import find_in_arrays
from spikeloop.exporters.formats.read import open_format, read_arrays
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import memory_for
from spikeloop.streamer.capture.acts import parse_act
from spikeloop.streamer.capture.verify.stated import REMEDY, Stated, recorded_of
from spikeloop.streamer.capture.verify.stated_xdf import recorded_in_xdf

__all__ = ["recorded_in"]

EXACT = Choices(max_gap_s=0.0)  # nothing is made up where nothing was recorded
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
        found = sessions
    else:
        found = _one_recording(path)
    if not found:
        raise BadInputError(
            f"{path}: expected a file that says what made its spikes (bundle, SHA-256, seed), found none of that;"
            f" {REMEDY}"
        )
    return found


def _one_recording(path: Path) -> tuple[Stated, ...]:
    """Read a file of one recording; bins of which the file does not say what drove them are named, and left out."""
    with memory_for(path):
        held = open_format(path).reader().find(path, EXACT)
        recording = assemble(held, EXACT)
    if recording.provenance is None:
        return ()
    stated = recorded_of(recording)
    undriven = _bins_of(held) - len(stated.bins)
    if undriven > 0:
        said = f"what drove {undriven} bins of the file was not recorded; they were not compared"
        stated = replace(stated, damage=(*stated.damage, said))
    return (stated,)


def _bins_of(held: Found) -> int:
    """Count the bins of a file in which anything was recorded; 0 where it holds trains of spikes."""
    trials = held.spikes.values if isinstance(held.spikes, Binned) else ()
    return sum(int(np.isfinite(np.asarray(trial)).any(axis=-1).sum()) for trial in trials)


def _sessions(path: Path) -> tuple[Stated, ...]:
    """Read the populations of the sessions that `closedloop --save` or the page wrote; none from another archive."""
    arrays = read_arrays(path)
    names = sorted({key.partition(POPULATION)[0] for key in arrays if POPULATION in key})
    sessions = []
    for name in names:
        prefix = f"{name}{POPULATION}"
        own = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
        acts = own.pop("acts", np.array((), str))
        found = assemble(find_in_arrays(own, Choices(), path), Choices())
        if found.provenance is not None:
            markers = tuple(act for text in acts.ravel().tolist() if (act := parse_act(str(text))) is not None)
            sessions.append(replace(recorded_of(found), name=name, markers=markers, has_markers=True))
    return tuple(sessions)
