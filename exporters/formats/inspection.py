"""What is in a file, and what is read from it: for `spikeloop inspect`."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.documents import json_values
from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.catalogue import published_as, read_named
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Item
from spikeloop.exporters.formats.read import open_format, read_chosen
from spikeloop.exporters.formats.storage.remote import Location, located
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import memory_for
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.summary import RecordingSummary, summarise

__all__ = ["Inspection", "Stretch", "inspect_recording", "stretch_of"]


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is in a file, and what is read from it.

    Attributes
    ----------
    path : str
        Of the file, or the name of a recording.
    format : str
        Its format in words; of a recording by name, where it comes from.
    items : tuple of Item
        Everything in the file; empty for a recording by name.
    recording : Recording or None
        What is read with the choices; None where nothing can be.
    labels : tuple of str, or None
        What the file calls the quality of each unit.
    problem : str
        Why nothing can be read, and what to add; empty where it can.
    memory_bytes : int >= 0, bytes
        What reading it takes of memory, as far as it came.
    """

    path: str
    format: str
    items: tuple[Item, ...]
    recording: Recording | None
    labels: tuple[str, ...] | None = None
    problem: str = ""
    memory_bytes: int = 0

    @cached_property
    def summary(self) -> RecordingSummary | None:
        """What the recording holds, in one line, with warnings."""
        return None if self.recording is None else summarise(self.recording)

    def to_dict(self) -> dict[str, Any]:
        """Describe it in types that JSON has; of units name, rate and label, and no counts."""
        recording, summary = self.recording, self.summary
        units: list[dict[str, Any]] = []
        if recording is not None:
            labels = self.labels or (None,) * recording.units
            units = [
                {"name": name, "rate_hz": rate, "label": label}
                for name, rate, label in zip(recording.unit_names, recording.rates_hz.tolist(), labels, strict=True)
            ]
        return json_values(
            {
                "path": self.path,
                "format": self.format,
                "items": [asdict(item) for item in self.items],
                "recording": None if summary is None else summary.to_dict(),
                "units": units,
                "problem": self.problem,
                "memory_bytes": self.memory_bytes,
            }
        )


def inspect_recording(name_or_path: str | Path, choices: Choices) -> Inspection:
    """List what is in a file, and read from it what the choices say.

    Parameters
    ----------
    name_or_path : str or pathlib.Path
        As of `read_recording`.
    choices : Choices

    Returns
    -------
    Inspection
        Where the file can't be read as a recording with these choices, it still has everything that is in it, and the
        problem with its remedy.

    Raises
    ------
    BadInputError
        If there is no such recording, or the file can't be read at all.
    FailureError
        If a package is missing, or a fetch fails.
    """
    name, path = str(name_or_path), located(name_or_path)
    with memory_for(name) as memory:
        return replace(_inspected(name, path, choices), memory_bytes=memory.needed)


def _inspected(name: str, path: Location, choices: Choices) -> Inspection:
    named = read_named(name)
    if named is not None:
        named = read_chosen(name, choices)  # refuses choices, which are for files
        return Inspection(name, named.origin, (), named)
    found_format = open_format(path, name)
    reader = found_format.reader()
    items = reader.items(path)
    try:
        published = published_as(path) if choices == Choices() and isinstance(path, Path) else None
        if published is not None:
            return Inspection(name, found_format.name, items, published)
        found = reader.find(path, choices)
        recording = assemble(found, choices)
    except BadInputError as error:
        return Inspection(name, found_format.name, items, None, problem=str(error))
    return Inspection(name, found_format.name, items, recording, _labels(found, recording))


def _labels(found: Found, recording: Recording) -> tuple[str, ...] | None:
    """Labels of the units that were chosen, by their names."""
    if found.unit_labels is None:
        return None
    names = found.unit_names or [f"unit {number}" for number in range(len(found.unit_labels))]
    by_name = dict(zip(names, found.unit_labels, strict=False))
    return tuple(by_name.get(name, "") for name in recording.unit_names)


@dataclass(frozen=True, eq=False)
class Stretch:
    """A part of one trial, to be drawn.

    Attributes
    ----------
    trial : int
    first_bin : int
    counts : array of shape (bins, units)
        Or fluorescence.
    conditions : array of shape (bins, channels), float32
    bin_size_s : float > 0, s
    """

    trial: int
    first_bin: int
    counts: NDArray[Any]
    conditions: NDArray[np.float32]
    bin_size_s: float

    @property
    def from_s(self) -> float:
        """Where it begins, since the beginning of the trial, s."""
        return self.first_bin * self.bin_size_s

    @property
    def to_s(self) -> float:
        """Where it ends, since the beginning of the trial, s."""
        return (self.first_bin + len(self.counts)) * self.bin_size_s


def stretch_of(recording: Recording, bins: int) -> Stretch:
    """Cut out the middle of the middle trial; a trial that is too short is whole, and the longest of all is taken.

    Parameters
    ----------
    recording : Recording
    bins : int >= 1
        The most that are wanted.
    """
    lengths = recording.bins_of_repeats
    trial = recording.repeats // 2
    if lengths[trial] < bins:
        trial = int(np.argmax(lengths)) if lengths[trial] < lengths.max() else trial
    shown = int(min(bins, lengths[trial]))
    first = (int(lengths[trial]) - shown) // 2
    part = slice(first, first + shown)
    return Stretch(trial, first, recording.counts[trial, part], recording.conditions[trial, part], recording.bin_size_s)
