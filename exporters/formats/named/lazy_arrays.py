"""Arrays by name that are read when they are asked for, so that a damaged one does not matter to the others."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.memory import require_memory

__all__ = ["Entry", "LazyArrays"]


@dataclass(frozen=True)
class Entry:
    """One array of a file.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    load : callable that returns the array
        Raises BadInputError where it can't be read.
    unit : str
    check : callable
        Raises BadInputError where the file holds too little for this shape.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], NDArray[Any]]
    unit: str = ""
    check: Callable[[], object] = lambda: None

    @classmethod
    def of(cls, array: NDArray[Any]) -> "Entry":
        """Make an entry of an array that is read already."""
        return cls(array.shape, array.dtype, lambda: array)

    @property
    def size(self) -> int:
        """Number of values."""
        size = 1
        for length in self.shape:
            size *= length
        return size


class LazyArrays(Mapping[str, NDArray[Any]]):
    """Arrays of a file by name; each is read once, when it is first asked for.

    Parameters
    ----------
    entries : mapping of str to Entry
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = dict(entries)
        self._loaded: dict[str, NDArray[Any]] = {}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "LazyArrays":
        """Return the same arrays, where they are lazy already, or else arrays that are read already as such."""
        return arrays if isinstance(arrays, LazyArrays) else cls({key: Entry.of(a) for key, a in arrays.items()})

    def __getitem__(self, key: str) -> NDArray[Any]:
        if key not in self._loaded:
            entry = self.entries[key]
            entry.check()
            require_memory(key, entry.size * entry.dtype.itemsize)
            self._loaded[key] = entry.load()
        return self._loaded[key]

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def beside(self, key: str) -> "LazyArrays":
        """Return all arrays; those in the struct of one, as "session.rate" beside "session.spikes", also as "rate"."""
        prefix = key.rpartition(".")[0]
        if not prefix:
            return self
        inside = {
            name.removeprefix(f"{prefix}."): replace(entry, load=lambda name=name: self[name])
            for name, entry in self.entries.items()
            if name.startswith(f"{prefix}.")
        }
        return LazyArrays(self.entries | inside)
