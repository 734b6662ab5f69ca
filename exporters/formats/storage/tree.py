"""HDF5 files and Zarr folders as trees of groups and arrays, read with care, as what a file states may be wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.storage.hdf5_guard import require_sound
from spikeloop.exporters.formats.storage.remote import Location, Remote, open_remote
from spikeloop.models.errors import BadInputError, SpikeloopError, in_one_line
from spikeloop.models.memory import require_memory
from spikeloop.models.packages import require_packages

__all__ = [
    "Node",
    "check_size",
    "check_texts",
    "child",
    "is_array",
    "is_group",
    "opened",
    "read",
    "read_texts",
    "stated_text",
    "walk",
]

Node = Any  # a group or an array of h5py or of Zarr, which name what is used here alike
PLAUSIBLE = 2**26  # bytes that any array may state to have
LARGEST_RATIO = 1100  # of the size of an array to what is stored of it; gzip reaches 1030
DEEPEST = 24
MOST_NODES = 200_000


@contextmanager
def opened(path: Location) -> Iterator[Node]:
    """Open the root of a file for reading, and turn what goes wrong inside into one sentence.

    Raises
    ------
    BadInputError
        If the file is missing, of another kind, or damaged.
    """
    if not isinstance(path, Remote) and not path.exists():
        raise BadInputError(f"{path}: no such file")
    kind = "Zarr folder" if not isinstance(path, Remote) and path.is_dir() else "HDF5 file"
    try:
        with _root(path) as root:
            yield root
    except SpikeloopError:
        raise
    except Exception as error:  # HDF5, h5py and Zarr each raise their own on damaged files
        raise BadInputError(f"{path}: not a readable {kind} ({in_one_line(error)}); is it complete?") from error


@contextmanager
def _root(path: Location) -> Iterator[Node]:
    if isinstance(path, Path) and path.is_dir():
        require_packages("zarr", extra="zarr", what="Zarr folders")
        import zarr

        yield zarr.open(str(path), mode="r")
        return
    require_packages("h5py", extra="nwb", what="HDF5 files")
    import h5py

    if isinstance(path, Remote):
        with open_remote(path) as file, h5py.File(file, "r") as root:
            yield root
    else:
        require_sound(path)
        with h5py.File(path, "r") as root:
            yield root


def is_array(node: Node) -> bool:
    """Say whether a node is an array."""
    return hasattr(node, "shape") and hasattr(node, "dtype")


def is_group(node: Node) -> bool:
    """Say whether a node is a group."""
    return not is_array(node) and hasattr(node, "keys")


def child(group: Node, path: str) -> Node:
    """Return what is at a path below a group; None where there is nothing, or a link that leads nowhere."""
    try:
        return group[path] if path and is_group(group) and path in group else None
    except (KeyError, OSError):
        return None


def walk(group: Node, path: str = "", depth: int = 0) -> Iterator[tuple[str, Node]]:
    """List all nodes below a group with their paths, as deep as files of sense go."""
    number = 0
    for name in group:
        node = child(group, name)
        if node is None:
            continue
        at = f"{path}/{name}" if path else str(name)
        yield at, node
        number += 1
        if is_group(node) and depth < DEEPEST:
            for found in walk(node, at, depth + 1):
                yield found
                number += 1
                if number > MOST_NODES:
                    raise BadInputError(f"expected up to {MOST_NODES} groups and arrays, found more below {at:.80}")


def read(array: Node, where: str, selection: Any = (), part: str = "") -> NDArray[Any]:
    """Read an array, or a part of it.

    Parameters
    ----------
    array : array of h5py or of Zarr
    where : str
        Its path, for messages.
    selection : index, default all of it
    part : str, default this array and selection
        Under which its memory is counted; what is read one after the other, and not kept, has the same.

    Raises
    ------
    BadInputError
        If it states a size that it can't have, holds pickled objects, or doesn't fit into memory.
    """
    check_size(array, where)
    _check_filters(array, where)
    check_texts(array, where)
    require_memory(part or (f"{where} {selection}" if selection != () else where), _memory_of(array, selection))
    return np.asarray(array[selection])


def _memory_of(array: Node, selection: Any) -> int:
    """Return the bytes of what a selection leaves of an array; of texts, those of their references."""
    chosen = selection if isinstance(selection, tuple) else (selection,)
    size = array.dtype.itemsize
    for axis, length in enumerate(array.shape):
        part = chosen[axis] if axis < len(chosen) else slice(None)
        size *= len(range(*part.indices(length))) if isinstance(part, slice) else np.size(part)
    return size


def check_size(array: Node, where: str) -> None:
    """Refuse an array that states a size which it can't have."""
    size = float(np.prod(array.shape or (1,), dtype=np.float64)) * array.dtype.itemsize
    chunk = float(np.prod(array.chunks or (1,), dtype=np.float64)) * array.dtype.itemsize
    stored: Any = array.id.get_storage_size() if hasattr(array, "id") else array.nbytes_stored
    stored = stored() if callable(stored) else stored
    if max(size, chunk) > max(PLAUSIBLE, LARGEST_RATIO * max(0, stored)):
        raise BadInputError(
            f"{where}: states {array.shape} values of {array.dtype}, of which the file holds only {stored} bytes; is it"
            " complete?"
        )


def _check_filters(array: Node, where: str) -> None:
    """Refuse pickles, which could run any code."""
    filters = getattr(array, "filters", None) or ()
    if any("pickle" in str(getattr(entry, "codec_id", "")) for entry in filters):
        raise BadInputError(f"{where}: holds pickled objects, which are never loaded, as they could run any code")


def check_texts(array: Node, where: str) -> None:
    """Refuse texts of Zarr of which a chunk states more than fit; the codec would go through as many, for minutes."""
    if array.dtype.kind != "O" or not hasattr(array, "chunk_store"):
        return
    for name in array.chunk_store.listdir(array.path):
        chunk = array.chunk_store.get(f"{array.path}/{name}")
        if name.startswith(".") or chunk is None:
            continue
        texts = array.compressor.decode(chunk) if array.compressor else chunk
        stated = int.from_bytes(bytes(memoryview(texts)[:4]), "little")
        if stated > np.prod(array.chunks, dtype=np.float64):
            raise BadInputError(f"{where}: states {stated} texts in a part of {array.chunks}; is it complete?")


def read_texts(array: Node, where: str) -> list[str] | None:
    """Read an array of text; None where it holds something else."""
    if array.dtype.kind not in "OSUT":
        return None
    values = np.ravel(read(array, where)).tolist()
    if not all(isinstance(value, str | bytes) for value in values):
        return None
    return [_decoded(value) for value in values]


def stated_text(node: Node, attribute: str, default: str = "") -> str:
    """Read an attribute that is a text."""
    value = node.attrs.get(attribute, default)
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return _decoded(value) if isinstance(value, str | bytes) else default


def _decoded(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
