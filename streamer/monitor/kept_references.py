"""References that are kept from one run to the next: preparing one takes minutes of a large population."""

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.drift.alarm import DriftReference
from spikeloop.models.drift.block_counts import CountModel, NegativeBinomial
from spikeloop.models.errors import FailureError
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.monitor.reference import Reference

__all__ = ["KeptReferences", "references_folder"]

FORMAT = 2  # to be raised where references are prepared otherwise
MOST_KEPT = 32
CLASSES = {kind.__name__: kind for kind in (Reference, DriftReference, CountModel, NegativeBinomial)}


def references_folder() -> Path:
    """Return the user's folder for references: in the cache, as fetched recordings are."""
    import pooch

    return Path(pooch.os_cache("spikeloop")) / "references"


class KeptReferences:
    """A folder of references, each by what it depends on; of too many, the oldest are removed.

    Where the folder can't be written, nothing is kept; what can't be read is prepared again.

    Parameters
    ----------
    folder : Path
        Made when the first reference is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, *of: Any) -> Reference | None:
        """Return the reference that was kept for these facts, if any."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, EOFError):
            with self._path(of).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            found = _made(json.loads(str(arrays.pop("reference"))), arrays)
            return found if isinstance(found, Reference) else None
        return None

    def keep(self, reference: Reference, *of: Any) -> None:
        """Keep a reference for these facts: texts, numbers or None."""
        arrays: dict[str, NDArray[Any]] = {}
        written = json.dumps(_described(reference, arrays))
        with suppress(OSError, FailureError):
            with whole_file(self._path(of)) as file:
                np.savez_compressed(file, allow_pickle=False, reference=np.array(written), **arrays)
            kept = sorted(self._folder.glob("*.npz"), key=lambda path: path.stat().st_mtime_ns)
            for path in kept[:-MOST_KEPT]:
                path.unlink(missing_ok=True)

    def _path(self, of: tuple[Any, ...]) -> Path:
        return self._folder / f"{hashlib.sha256(json.dumps([FORMAT, *of]).encode()).hexdigest()[:32]}.npz"


def _described(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Describe a value as JSON; its arrays are added to `arrays` and described by their names."""
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, np.generic):
        return value.item()
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"class": type(value).__name__} | _described(fields, arrays)
    if isinstance(value, Mapping):
        return {"items": {key: _described(item, arrays) for key, item in value.items()}}
    return list(value) if isinstance(value, tuple) else value


def _made(described: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Make a value again from its description."""
    if isinstance(described, list):
        return tuple(described)
    if not isinstance(described, dict):
        return described
    if "array" in described:
        return arrays[described["array"]]
    items = {key: _made(item, arrays) for key, item in described["items"].items()}
    return CLASSES[described["class"]](**items) if "class" in described else items
