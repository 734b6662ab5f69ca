"""Files that Neo reads: which of its readers takes which, and the segments that it finds there."""

import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.formats.storage.tree import is_array, opened, walk
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.memory import require_memory

__all__ = ["SUFFIXES", "calm", "is_neo_folder", "is_other_nev", "open_segments", "reader_name"]

# of Neo's readers, those whose files hold spike trains; never its PickleIO
SUFFIXES = {
    ".nev": "BlackrockIO",
    ".plx": "PlexonIO",
    ".pl2": "Plexon2IO",
    ".smr": "Spike2IO",
    ".smrx": "CedIO",
    ".nse": "NeuralynxIO",
    ".ntt": "NeuralynxIO",
    ".nex": "NeuroExplorerIO",
    ".nix": "NixIO",
    ".nio": "NixIO",
    ".tsq": "TdtIO",
    ".tbk": "TdtIO",
    ".tev": "TdtIO",
    ".abf": "AxonIO",
    ".axgd": "AxographIO",
    ".axgx": "AxographIO",
    ".mpx": "AlphaOmegaIO",
    ".lsx": "AlphaOmegaIO",
    ".set": "AxonaIO",
    ".kwik": "KwikIO",
    ".gdf": "NestIO",
    ".f32": "BrainwareF32IO",
    ".src": "BrainwareSrcIO",
    ".mcd": "NeuroshareIO",
    ".spikes": "OpenEphysIO",
}
FOLDERS = ("NeuralynxIO", "TdtIO", "OpenEphysIO")  # these read the whole folder of a file
COPIES = (
    4  # of the numbers of a file: as it holds them, as Neo's quantities, in seconds, and one that is made meanwhile
)
HDF5 = ("NixIO", "KwikIO")
SAME_STEM = ("BlackrockIO",)  # these look for files of small suffixes beside it
NEURALYNX = b"########"  # how its files begin, among them events, which also end in .nev


def reader_name(path: Path) -> str | None:
    """Return Neo's reader of a file or folder, or None."""
    if path.is_dir():
        suffixes = {file.suffix.lower() for file in path.iterdir() if file.is_file()}
        found = (SUFFIXES[suffix] for suffix in (".nse", ".ntt", ".tsq", ".spikes") if suffix in suffixes)
        return next(found, None)
    name = SUFFIXES.get(path.suffix.lower())
    return "NeuralynxIO" if name == "BlackrockIO" and is_other_nev(path) else name


def is_neo_folder(path: Path) -> bool:
    """Say whether a path is a folder that Neo reads as a whole."""
    return path.is_dir() and reader_name(path) is not None


def is_other_nev(path: Path) -> bool:
    """Say whether a `.nev` file is of Neuralynx, not of Blackrock."""
    try:
        with path.open("rb") as file:
            return file.read(8) == NEURALYNX
    except OSError:
        return False


@contextmanager
def open_segments(path: Path) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Open a file; yield Neo's segments of all its blocks, lazy where Neo can, and what is said of the first block.

    Raises
    ------
    BadInputError
        If the file is missing, or Neo can't read it.
    """
    if not path.exists():
        raise BadInputError(f"{path}: no such file")
    name = reader_name(path)
    whole = _size_of(path, name)
    try:
        with calm(), tempfile.TemporaryDirectory() as scratch:
            import neo.io

            reader_type: Any = getattr(neo.io, str(name))
            reader = reader_type(**_arguments(path, str(name), Path(scratch)))
            try:
                lazy = bool(getattr(reader, "support_lazy", False))
                if not lazy:
                    require_memory("the whole file", COPIES * whole)
                blocks = _blocks(reader, lazy)
                segments = [segment for block in blocks for segment in block.segments]
                about = {**blocks[0].annotations, "name": blocks[0].name} if blocks else {}
                yield segments, about
            finally:
                if hasattr(reader, "close"):
                    reader.close()
    except BadInputError:
        raise
    except MemoryError as error:
        raise BadInputError(f"{path}: too large for memory; is it damaged?") from error
    except Exception as error:  # each of Neo's readers raises its own
        raise BadInputError(f"{path}: Neo's {name} can't read it ({in_one_line(error)}); is it complete?") from error


def _size_of(path: Path, name: str | None) -> int:
    """Return the bytes of a file's arrays, as HDF5 states them; or of the file, where nothing is packed."""
    if name not in HDF5:
        return path.stat().st_size
    with opened(path) as root:
        arrays = [node for _, node in walk(root) if is_array(node)]
        return sum(int(np.prod(array.shape, dtype=object)) * array.dtype.itemsize for array in arrays)


def _blocks(reader: Any, lazy: bool) -> list[Any]:
    if hasattr(reader, "avail_IOs"):
        return [_nest_block(reader)]
    if hasattr(reader, "read_all_blocks") and not lazy:
        return reader.read_all_blocks()
    return reader.read(lazy=True) if lazy else reader.read()


def _nest_block(reader: Any) -> Any:
    """Read the spikes of all neurons, from 0 to the next ms after the last, as NEST does not write how long it ran."""
    import quantities

    times_ms = reader.avail_IOs["gdf"].data[:, 1]
    ends_ms = min(0, times_ms.min()), np.floor(times_ms.max()) + 1
    start, stop = (quantities.Quantity(at, "ms") for at in ends_ms)
    block = reader.read_block(gid_list=[], t_start=start, t_stop=stop)
    for train in block.segments[0].spiketrains:
        train.annotations["unit_name"] = f"neuron {train.annotations['id']:g}"
    return block


def _arguments(path: Path, name: str, scratch: Path) -> dict[str, Any]:
    if name == "NixIO":
        return {"filename": str(path), "mode": "ro"}
    if name == "NestIO":
        return {"filenames": str(path)}
    if name in FOLDERS:
        return {"dirname": str(path if path.is_dir() else path.parent)}
    if name in SAME_STEM and path.suffix != path.suffix.lower():
        for file in path.parent.iterdir():
            if file.stem == path.stem and file.is_file():
                (scratch / f"{file.stem}{file.suffix.lower()}").symlink_to(file.resolve())
        return {"filename": str(scratch / f"{path.stem}{path.suffix.lower()}")}
    return {"filename": str(path)}


@contextmanager
def calm() -> Iterator[None]:
    """Keep what Neo's readers print, warn and log from the user's terminal."""
    log = logging.getLogger("neo")
    level = log.level
    log.setLevel(logging.CRITICAL)
    unseen = io.StringIO()
    try:
        with redirect_stdout(unseen), redirect_stderr(unseen), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
