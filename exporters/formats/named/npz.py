"""NumPy archives: written array by array, whole or not at all, and read without unpickling anything."""

import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Item
from spikeloop.exporters.formats.named.arrays import find_in_arrays, items_of_arrays
from spikeloop.exporters.formats.named.generated import OWN_TIMES, OWN_UNITS, PROVENANCE
from spikeloop.exporters.formats.named.lazy_arrays import Entry, LazyArrays
from spikeloop.exporters.formats.storage.existing_file import require_file
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.whole_file import whole_file

__all__ = [
    "arrays_of",
    "arrays_of_channels",
    "begin_array",
    "find",
    "items",
    "open_npz",
    "read_arrays",
    "write",
    "write_array",
    "write_npz",
]

SPIKES_PACK_WELL = 1  # level of compression; higher ones take longer and gain little
MOST_PER_STORED_BYTE = 1100  # deflate packs at most 1032 bytes into one


def items(path: Path) -> tuple[Item, ...]:
    """List the arrays of an archive."""
    return items_of_arrays(_arrays_in(path))


def find(path: Path, choices: Choices) -> Found:
    """Read a recording from an archive; see `named_arrays`."""
    return find_in_arrays(_arrays_in(path), choices, path)


def write(recording: Recording, path: Path) -> None:
    """Write a recording to an archive."""
    write_npz(path, arrays_of(recording))


def arrays_of(recording: Recording) -> dict[str, ArrayLike]:
    """Return what archives and MATLAB files hold of a recording."""
    arrays: dict[str, ArrayLike] = {
        recording.signal: recording.counts,
        "bin_size_s": recording.bin_size_s,
        "unit_names": recording.unit_names,
        "name": recording.name,
        "origin": recording.origin,
    }
    if recording.channels:
        arrays["conditions"] = recording.conditions
        arrays |= arrays_of_channels(recording.channels)
    if recording.lengths is not None:
        arrays["lengths"] = recording.lengths
    if recording.starts_s is not None:
        arrays["starts_s"] = recording.starts_s
    if recording.history:
        arrays["history"] = recording.history
    if recording.provenance is not None:
        arrays[PROVENANCE] = json.dumps(asdict(recording.provenance))
    if recording.spike_times is not None and recording.starts_s is not None:
        arrays |= {OWN_TIMES: recording.spike_times.times_s, OWN_UNITS: recording.spike_times.units}
    return arrays


def arrays_of_channels(channels: Sequence[Condition]) -> dict[str, ArrayLike]:
    """Return what archives and MATLAB files say of conditions, beside their values."""
    entries = ("name", "unit", "low", "high", "rest", "cyclic") if channels else ()
    return {f"condition_{entry}s": [getattr(channel, entry) for channel in channels] for entry in entries}


@contextmanager
def open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a `.npz` file to write arrays to; it takes its place when the block ends without an error.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    with (
        whole_file(path) as whole,
        zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=SPIKES_PACK_WELL) as archive,
    ):
        yield archive


@contextmanager
def begin_array(archive: zipfile.ZipFile, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> Iterator[IO[bytes]]:
    """Begin an array whose values follow in C order, in as many writes as it takes."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield file


def write_array(archive: zipfile.ZipFile, name: str, value: ArrayLike) -> None:
    """Write one whole array."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)


def write_npz(path: Path, arrays: Mapping[str, ArrayLike]) -> None:
    """Write a `.npz` file, whole or not at all.

    Raises
    ------
    BadInputError
        If the path does not end in `.npz`.
    FailureError
        If the disk refuses.
    """
    if path.suffix.lower() != ".npz":
        raise BadInputError(f"expected a file ending in .npz, found {path}; choose such a name")
    with open_npz(path) as archive:
        for name, value in arrays.items():
            write_array(archive, name, value)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read every array of an archive, by name; one that is pickled comes as an empty array of objects.

    Raises
    ------
    BadInputError
        If the file is missing, of another kind, or unreadable.
    """
    return dict(_arrays_in(path))


def _arrays_in(path: Path) -> LazyArrays:
    """Read the names, shapes and types of arrays, and each array when it is asked for."""
    require_file(path)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            return LazyArrays({info.filename.removesuffix(".npy"): _entry(path, archive, info) for info in members})
    except Exception as error:  # NumPy and zipfile each raise their own on damaged files
        raise _unreadable(path, error) from error


def _entry(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    """Describe one array; one whose size is not that of its values is damaged, and one of objects empty."""

    def load() -> NDArray[Any]:
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as again, again.open(info.filename) as member:
                return np.lib.format.read_array(member, allow_pickle=False)
        except Exception as error:  # NumPy and zipfile each raise their own on damaged files
            raise _unreadable(path, error) from error

    if not info.filename.endswith(".npy"):
        return Entry((0,), np.dtype(object), lambda: np.empty(0, object))
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
        left = info.file_size - member.tell()
    if dtype.hasobject:
        return Entry((0,), dtype, lambda: np.empty(0, object))
    size = math.prod(shape) * dtype.itemsize
    if size != left:
        raise ValueError(f"{info.filename} of {size} bytes by its shape {shape}, but of {left} in the archive")
    if size > MOST_PER_STORED_BYTE * info.compress_size + 1024:
        raise ValueError(f"{info.filename} of {size} bytes, compressed to {info.compress_size}")
    return Entry(shape, dtype, load)


def _unreadable(path: Path, error: Exception) -> BadInputError:
    return BadInputError(f"{path}: not a readable .npz file ({in_one_line(error)}); is it complete?")
