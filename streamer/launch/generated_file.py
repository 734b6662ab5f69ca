"""Generated spikes to a file of any format that recordings have; to `.npz` chunk by chunk, as they may be long."""

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike

from spikeloop.exporters.formats.named.generated import OWN_TIMES, OWN_UNITS, PROVENANCE
from spikeloop.exporters.formats.named.npz import arrays_of_channels, begin_array, open_npz, write_array
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.exporters.formats.write import write_recording, writing_format
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.launch.generate import Generation

__all__ = ["check_generated_file", "write_generated"]

MOST_IN_MEMORY = 2**31  # counts


def check_generated_file(path: Path, counts: int) -> None:
    """Make sure, before the work, that a file of so many counts can be written.

    Raises
    ------
    BadInputError
        If no format that can be written has this suffix, or only `.npz` takes so many.
    FailureError
        If a package is missing, or no file can be written there.
    """
    try:
        writing_format(path)
    except BadInputError as error:
        raise BadInputError(f"--out: {error}") from error
    check_writable(path)
    if path.suffix.lower() != ".npz" and counts > MOST_IN_MEMORY:
        raise BadInputError(
            f"--out: {path.suffix} is written from memory, which takes up to {MOST_IN_MEMORY:,} counts, found"
            f" {counts:,}; choose a file ending in .npz, or a shorter --duration"
        )


def write_generated(path: Path, generation: Generation, advance: Callable[[int], None]) -> float:
    """Generate spikes, and write them to a file, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        Its suffix says the format.
    generation : Generation
    advance : callable
        Called with the number of bins after each part that was generated.

    Returns
    -------
    float
        The number of spikes; of fluorescence, its sum.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    if path.suffix.lower() == ".npz":
        return _write_npz(path, generation, advance)
    recording = generation.recording(advance)
    write_recording(recording, path)
    return float(recording.counts.sum(dtype=np.float64))


def _write_npz(path: Path, generation: Generation, advance: Callable[[int], None]) -> float:
    """Write an archive chunk by chunk; what follows the counts waits in files of its own that have no name."""
    card, source = generation.bundle.card, generation.source
    spiking = card.signal == "spikes"
    shape = (generation.bins, len(card.unit_names))
    shape = shape if generation.windows is None else (generation.windows, *shape)
    total = 0.0
    with open_npz(path) as archive, ExitStack() as opened:
        waiting = {
            key: opened.enter_context(_Waiting(path.parent, kind))
            for key, kind in (("condition", np.float32), (OWN_TIMES, np.float64), (OWN_UNITS, np.int32))
        }
        with begin_array(archive, "spikes" if spiking else card.signal, source.dtype, shape) as file:
            for chunk in generation.chunks():
                file.write(chunk.counts.tobytes())
                waiting["condition"].add(chunk.conditions)
                waiting[OWN_TIMES].add(chunk.times.times_s)
                waiting[OWN_UNITS].add(chunk.times.units)
                total += chunk.counts.sum(dtype=np.float64)
                advance(len(chunk.counts))
        if card.channels:  # as `--condition file:` takes it
            waiting["condition"].write(archive, "condition", len(card.channels))
        if spiking:
            for key in (OWN_TIMES, OWN_UNITS):
                waiting[key].write(archive, key)
        for name, value in _others(generation).items():
            write_array(archive, name, value)
    return total


def _others(generation: Generation) -> dict[str, Any]:
    """Return the short arrays that say what the long ones are."""
    card = generation.bundle.card
    return {
        "bin_size_s": card.bin_size_s,
        "unit_names": np.array(card.unit_names),
        "name": card.name,
        "origin": generation.origin,
        "starts_s": np.array(generation.starts_s),
        PROVENANCE: json.dumps(asdict(generation.provenance)),
        **arrays_of_channels(card.channels),
    }


class _Waiting:
    """Values of an array whose length is not known yet, in a file without a name."""

    def __init__(self, folder: Path, kind: DTypeLike) -> None:
        self._folder, self._kind, self._values = folder, np.dtype(kind), 0

    def __enter__(self) -> "_Waiting":
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, values: np.ndarray) -> None:
        self._file.write(values.astype(self._kind, copy=False).tobytes())
        self._values += values.size

    def write(self, archive: Any, name: str, columns: int | None = None) -> None:
        """Write all values to an archive, in rows of so many columns."""
        shape = (self._values,) if columns is None else (self._values // columns, columns)
        self._file.seek(0)
        with begin_array(archive, name, self._kind, shape) as array:
            shutil.copyfileobj(self._file, array, 2**20)
