"""Counts that were generated already, in files beside the one that they are for, with where their source then was."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.card import Card
from spikeloop.exporters.formats.named.npz import read_arrays, write_npz
from spikeloop.models.arrays import Counts
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.stream.source import SourceState

__all__ = ["Parts", "PartsSource"]

COUNTS, PROVIDER, RANDOMS, TENSOR = "counts", "provider", "randoms", "state "


class Parts:
    """The parts of what one seed generates.

    Parameters
    ----------
    folder : Path
        Made with the first part.
    key : str
        What the counts depend on, in short.
    part_bins : int >= 1
        Of each part, but for the last.
    bins : int >= 1
        Of all.
    """

    def __init__(self, folder: Path, key: str, part_bins: int, bins: int) -> None:
        self.folder, self.key, self.part_bins, self.bins = folder, key, part_bins, bins

    @property
    def firsts(self) -> range:
        """The first bin of each part."""
        return range(0, self.bins, self.part_bins)

    def size(self, first: int) -> int:
        """Bins of the part that begins with this bin."""
        return min(self.part_bins, self.bins - first)

    def has(self, first: int) -> bool:
        """Whether a part is there."""
        return self._place(first).is_file()

    @property
    def done_bins(self) -> int:
        """Bins of the parts that are there."""
        return sum(self.size(first) for first in self.firsts if self.has(first))

    @property
    def whole(self) -> bool:
        """Whether every part is there."""
        return all(map(self.has, self.firsts))

    def put(self, first: int, counts: Counts, provider: str, after: SourceState | None) -> None:
        """Keep a part, whole or not at all, with where its source is after it; FailureError where the disk refuses."""
        tensors = {} if after is None else {f"{TENSOR}{name}": value for name, value in after.tensors.items()}
        randoms = () if after is None else after.randoms
        write_npz(self._place(first), {COUNTS: counts, PROVIDER: provider, RANDOMS: np.array(randoms, str), **tensors})

    def state_after(self, first: int) -> SourceState | None:
        """Return where the source was after a part; None where the part is missing or damaged, or has none."""
        try:
            arrays = read_arrays(self._place(first)) if self.has(first) else {}
        except BadInputError:
            return None
        randoms = tuple(map(str, arrays.get(RANDOMS, ())))
        tensors = {name.removeprefix(TENSOR): value for name, value in arrays.items() if name.startswith(TENSOR)}
        return SourceState(randoms, tensors) if randoms else None

    def read(self, first: int) -> tuple[Counts, str]:
        """Return the counts of a part, (bins, units), and what its model ran on.

        Raises
        ------
        FailureError
            If it is damaged, or gone.
        """
        place = self._place(first)
        try:
            arrays = read_arrays(place)
            return arrays[COUNTS], str(arrays[PROVIDER])
        except (BadInputError, KeyError) as error:
            place.unlink(missing_ok=True)
            raise FailureError(f"{place}: damaged, or gone; the same command generates it again") from error

    def remove(self) -> None:
        """Remove every part, and the folder with the last one."""
        for first in self.firsts:
            self._place(first).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _place(self, first: int) -> Path:
        return self.folder / f"{self.key}-{first}.npz"


class PartsSource:
    """A source of what was generated already.

    Parameters
    ----------
    card : Card
        Of the bundle that generated it.
    parts : Parts
        All of which are there.

    Raises
    ------
    FailureError
        If parts were generated on different kinds of processors, which may differ in a spike.
    """

    run_bins = 1

    def __init__(self, card: Card, parts: Parts) -> None:
        self.unit_names, self.bin_size_s = card.unit_names, card.bin_size_s
        self.dtype = np.dtype(np.float32 if card.signal == "fluorescence" else np.uint8)
        self._parts = parts
        self._rest, self.provider = parts.read(0)
        self._following = self._others()

    def warm_up(self) -> None:
        """Do nothing: there is nothing to prepare."""

    def next(self, bins: int, conditions: NDArray[np.float32] | None = None) -> Counts:  # noqa: ARG002
        """Return the next bins, (bins, units)."""
        found: list[NDArray[Any]] = []
        while bins:
            if not len(self._rest):
                self._rest = next(self._following)
            found.append(self._rest[:bins])
            self._rest = self._rest[bins:]
            bins -= len(found[-1])
        return np.concatenate(found) if found else self._rest[:0]

    def _others(self) -> Iterator[Counts]:
        for first in self._parts.firsts[1:]:
            counts, provider = self._parts.read(first)
            if provider != self.provider:
                raise FailureError(
                    f"expected all bins generated on {self.provider}, found bin {first} generated on {provider}; give"
                    f" --device cpu, or delete {self._parts.folder} and use machines of one kind"
                )
            yield counts
