"""Zarr folders: a group of arrays with the names that NumPy archives have."""

import math
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Item
from spikeloop.exporters.formats.named.arrays import find_in_arrays, items_of_arrays
from spikeloop.exporters.formats.named.lazy_arrays import Entry, LazyArrays
from spikeloop.exporters.formats.named.npz import arrays_of
from spikeloop.exporters.formats.storage.tree import (
    Node,
    check_size,
    is_array,
    is_group,
    opened,
    read,
    read_texts,
    walk,
)
from spikeloop.exporters.formats.storage.writable import is_zarr_folder
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.whole_file import clear_stale, scratch_of

__all__ = ["add_recording", "add_texts", "find", "items", "write", "write_group"]

ONLY = "data"  # the name of an array that is in no group
LARGEST_PART = 2**28  # bytes of texts that are stored as one; Blosc takes up to 2 GiB
AS_UTF_8 = np.frompyfunc(lambda text: text.encode("utf-8", "replace").decode(), 1, 1)


def items(path: Path) -> tuple[Item, ...]:
    """List the arrays of a folder; of large ones, no values are read."""
    with opened(path) as root:
        return items_of_arrays(_arrays(root))


def find(path: Path, choices: Choices) -> Found:
    """Read a recording from a folder; see `named_arrays`."""
    with opened(path) as root:
        return find_in_arrays(_arrays(root), choices, path)


def write(recording: Recording, path: Path) -> None:
    """Write a recording to a folder, as `write_group`."""
    write_group(path, lambda group: add_recording(group, recording))


def add_recording(group: Any, recording: Recording) -> None:
    """Write a recording's arrays into a group."""
    for name, value in arrays_of(recording).items():
        if np.asarray(value).dtype.kind == "U":
            add_texts(group, name, value)
        else:
            group[name] = np.asarray(value)


def add_texts(group: Any, name: str, values: ArrayLike) -> None:
    """Write texts, of any shape, as UTF-8 of each its own length, with NULs at their ends."""
    texts = np.asarray(AS_UTF_8(np.array(values, object)), object)
    longest = max(map(len, texts.ravel().tolist()), default=0)
    rows = max(1, LARGEST_PART // (4 * (longest + 1) * math.prod(texts.shape[1:])))
    parts = (rows, *texts.shape[1:]) if rows < texts.size else True  # True leaves their size to Zarr
    group.create_dataset(name, data=texts, dtype=str, chunks=parts)


def write_group(path: Path, fill: Callable[[Any], None]) -> None:
    """Write a group to a folder, whole or not at all; one that is there is replaced, if it is such a folder.

    Parameters
    ----------
    path : pathlib.Path
        Ending in .zarr.
    fill : callable
        Writes into a `zarr.Group`.

    Raises
    ------
    BadInputError
        If the path does not end in .zarr, or something else is there.
    FailureError
        If the disk refuses.
    """
    import zarr

    if path.suffix.lower() != ".zarr":
        raise BadInputError(f"expected a folder ending in .zarr, found {path}; choose such a name")
    if path.exists() and not is_zarr_folder(path):
        raise BadInputError(f"{path}: expected nothing or a Zarr folder to replace, found something else there")
    scratch = scratch_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_stale(path)
        newer: dict[str, Any] = {} if zarr.__version__.startswith("2.") else {"zarr_format": 2}
        group = zarr.open_group(str(scratch), mode="w", **newer)
        fill(group)
        _replace(path, scratch)
    except OSError as error:
        raise FailureError(
            f"could not write {path} ({error}); nothing was left there half-written: free some space, or choose another"
            " place"
        ) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(scratch, ignore_errors=True)


def _replace(path: Path, whole: Path) -> None:
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    if path.exists():
        os.replace(path, old)
    os.replace(whole, path)
    shutil.rmtree(old, ignore_errors=True)


def _arrays(root: Node) -> LazyArrays:
    nodes = {ONLY: root} if is_array(root) else {path: node for path, node in walk(root) if not is_group(node)}
    return LazyArrays({key: _entry(key, node) for key, node in nodes.items()})


def _entry(key: str, node: Node) -> Entry:
    """Describe an array by what its folder states; texts of any length are texts to all others."""

    def load() -> NDArray[Any]:
        texts = read_texts(node, key) if node.dtype.kind in "OST" else None
        return read(node, key) if texts is None else np.reshape(np.array(texts, "U"), node.shape)

    coded = [str(getattr(entry, "codec_id", "")) for entry in getattr(node, "filters", None) or ()]
    is_text = node.dtype.kind in "ST" or "vlen-utf8" in coded
    return Entry(
        node.shape, np.dtype("U") if is_text else np.dtype(node.dtype), load, check=partial(check_size, node, key)
    )
