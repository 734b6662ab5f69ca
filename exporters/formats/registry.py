"""Every format, in one table: how a file is recognised, which module reads it, and what it needs to be installed."""

import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Item
from spikeloop.exporters.formats.neo.files import SUFFIXES, is_neo_folder
from spikeloop.exporters.formats.sorters import spikeinterface
from spikeloop.exporters.formats.sorters.folder import is_sorter_folder
from spikeloop.exporters.formats.sorters.suite2p import is_suite2p_folder
from spikeloop.exporters.formats.storage.remote import Location, Remote
from spikeloop.models.packages import require_packages
from spikeloop.models.recordings.recording import Recording

__all__ = ["FORMATS", "ArrayReader", "Format", "Reader", "Writer", "format_of", "formats_in_words", "is_recording_path"]


class Reader(Protocol):
    """What the module of a format has."""

    def items(self, path: Location) -> tuple[Item, ...]:
        """List what is in the file, for `spikeloop inspect`."""
        ...

    def find(self, path: Location, choices: Choices) -> Found:
        """Read the spikes, and what else was asked for."""
        ...


class ArrayReader(Protocol):
    """What the module of a format has beside, where files are no more than arrays with names."""

    def read_arrays(self, path: Path) -> dict[str, Any]:
        """Read every array, by name."""
        ...


class Writer(Protocol):
    """What the module of a format has beside, where recordings can be written."""

    def write(self, recording: Recording, path: Path) -> None:
        """Write a recording, whole or not at all."""
        ...


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name : str
        As people call it.
    suffixes : tuple of str
        Of its files, in small letters.
    module : str
        In this folder, that reads it.
    writes : bool
        Whether the module writes it, too.
    packages : tuple of str
        That reading needs.
    packages_to_write : tuple of str
        That writing needs beside these.
    extra : str
        Of spikeloop, that installs them.
    arrays : bool
        Whether files are no more than arrays with names, which the module reads, too.
    recognises : callable, Path to bool, optional
        Of formats that are folders, or share a suffix.
    """

    name: str
    suffixes: tuple[str, ...]
    module: str
    writes: bool = False
    packages: tuple[str, ...] = ()
    packages_to_write: tuple[str, ...] = ()
    extra: str = ""
    arrays: bool = False
    recognises: Callable[[Path], bool] | None = None

    def reader(self) -> Reader:
        """Import the module that reads; FailureError where a package is missing, with the line that installs it."""
        return cast(Reader, self._imported(self.packages))

    def array_reader(self) -> ArrayReader:
        """Import the module that reads arrays by name; as `reader`."""
        return cast(ArrayReader, self._imported(self.packages))

    def writer(self) -> Writer:
        """Import the module that writes; as `reader`."""
        return cast(Writer, self._imported((*self.packages, *self.packages_to_write)))

    def _imported(self, packages: tuple[str, ...]) -> object:
        if packages:
            require_packages(*packages, extra=self.extra, what=self.name)
        return import_module(f"spikeloop.exporters.formats.{self.module}")


def _is_hdf5(path: Path) -> bool:
    """Say whether a file is HDF5, as MATLAB's are since version 7.3."""
    try:
        with path.open("rb") as file:
            start = file.read(520)
    except OSError:
        return False
    return b"\x89HDF\r\n\x1a\n" in (start[:8], start[512:520])


def _is_no_folder(path: Path) -> bool:
    return not path.is_dir()


def _is_nwb_zarr(path: Path) -> bool:
    """Say whether a folder is an NWB file that was saved as Zarr, as its attributes say."""
    if not path.is_dir():
        return False
    for name in (".zattrs", "zarr.json"):
        with suppress(OSError):
            if b'"nwb_version"' in (path / name).read_bytes():
                return True
    return False


FORMATS: tuple[Format, ...] = (
    # what shares its suffixes with others is looked for first
    Format("Kilosort and Phy folders", (), "sorters.folder", recognises=is_sorter_folder),
    Format("suite2p folders", (), "sorters.suite2p", recognises=is_suite2p_folder),
    Format("SpikeInterface folders", (), "sorters.spikeinterface", recognises=spikeinterface.is_folder),
    Format("SpikeInterface archives", (".npz",), "sorters.spikeinterface", recognises=spikeinterface.is_archive),
    Format(
        "SpikeInterface in Zarr",
        (),
        "sorters.spikeinterface",
        packages=("zarr",),
        extra="zarr",
        recognises=spikeinterface.is_zarr,
    ),
    Format("NumPy archives", (".npz",), "named.npz", writes=True, arrays=True),
    Format("NumPy arrays", (".npy",), "named.npy"),
    Format(
        "Parquet tables",
        (".parquet", ".pq"),
        "tables.reader",
        writes=True,
        packages=("pandas", "pyarrow"),
        extra="tables",
    ),
    Format(
        "tables",
        (".csv", ".tsv", ".txt", ".gz"),
        "tables.reader",
        packages=("pandas",),
        extra="tables",
        recognises=lambda path: path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".txt")),
    ),
    Format(
        "MATLAB 7.3 files",
        (".mat",),
        "matlab.version_7_3",
        packages=("h5py",),
        extra="matlab",
        arrays=True,
        recognises=_is_hdf5,
    ),
    Format("MATLAB files", (".mat",), "matlab.reader", writes=True, arrays=True),
    Format(
        "NWB files",
        (".nwb",),
        "nwb.reader",
        writes=True,
        packages=("h5py",),
        packages_to_write=("pynwb",),
        extra="nwb",
        recognises=_is_no_folder,
    ),
    Format(
        "NWB in Zarr folders",
        (".nwb", ".zarr"),
        "nwb.reader",
        packages=("zarr",),
        extra="zarr",
        recognises=_is_nwb_zarr,
    ),
    Format("Zarr folders", (".zarr",), "zarr", writes=True, packages=("zarr",), extra="zarr"),
    Format("NIX files", (".nix",), "neo.reader", writes=True, packages=("neo", "nixio"), extra="neo"),
    Format(
        "files that Neo reads",
        tuple(suffix for suffix in SUFFIXES if suffix != ".nix"),
        "neo.reader",
        packages=("neo",),
        extra="neo",
    ),
    Format("folders that Neo reads", (), "neo.reader", packages=("neo",), extra="neo", recognises=is_neo_folder),
    Format("XDF files", (".xdf",), "xdf.reader", writes=True, packages=("pyxdf",), extra="xdf"),
    Format("compressed XDF files", (".xdfz",), "xdf.reader", packages=("pyxdf",), extra="xdf"),
)


def format_of(path: Location) -> Format | None:
    """Find the format of a file or folder, by its suffix in any case, or by what is in it; None where there is none.

    On a server, only NWB files can be read; their addresses may end in anything. What exists and is neither a file nor
    a folder, such as a pipe or a device, has no format: reading it may never end.
    """
    if isinstance(path, Remote):
        return next(found for found in FORMATS if found.module == "nwb.reader")
    if not _is_file_or_folder(path):
        return None
    suffix = path.suffix.lower()
    for candidate in FORMATS:
        if candidate.suffixes and suffix not in candidate.suffixes:
            continue
        try:
            if candidate.recognises is None or candidate.recognises(path):
                return candidate
        except OSError:  # a folder that may not be read, or a name that no disk can hold
            continue
    return None


def _is_file_or_folder(path: Path) -> bool:
    """Say so also of what does not exist, and may be written."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # links in a loop, or a name that no disk can hold
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def formats_in_words(*, writable: bool = False) -> str:
    """List the formats, or those that can be written, with their suffixes: "NumPy archives (.npz), ..."."""
    chosen = [found for found in FORMATS if found.writes or not writable]
    suffixes = [f" ({', '.join(found.suffixes)})" if found.suffixes else "" for found in chosen]
    return ", ".join(f"{found.name}{suffix}" for found, suffix in zip(chosen, suffixes, strict=True))


def is_recording_path(path: Location) -> bool:
    """Say whether a text looks like the path of a recording, and not like a name."""
    try:
        return format_of(path) is not None or (isinstance(path, Path) and path.exists())
    except OSError:  # a name that no disk can hold
        return False
