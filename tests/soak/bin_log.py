"""A log of bins: which bin of which run of a stream came when, and a checksum of its counts."""

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["OFF_GRID", "ROW", "BinLog", "Run", "bin_numbers", "checksum", "read_log", "rows_of"]

ROW = np.dtype([("run", "<u4"), ("bin", "<i8"), ("sum", "<u4"), ("arrived_s", "<f8")])
OFF_GRID = -1  # the bin of a stamp at which none of the run's ends
TOLERANCE = 0.01  # of a bin, by which a stamp may be off
SAME_START_S = 1e-3  # two runs of one name begin further apart


@dataclass(frozen=True)
class Run:
    """One run of a stream.

    Attributes
    ----------
    name : str
    start_s : float, s
        When bin 0 began, on LSL's clock.
    bin_size_s : float > 0, s
    """

    name: str
    start_s: float
    bin_size_s: float

    def is_that_of(self, other: "Run") -> bool:
        """Whether both are the same run; starts may differ by rounding errors."""
        return self.name == other.name and abs(self.start_s - other.start_s) < SAME_START_S

    def stamp_s(self, number: int) -> float:
        """Return the end of a bin, s."""
        return self.start_s + (number + 1) * self.bin_size_s

    def stamps_s(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the ends of bins, s."""
        return (self.start_s + (numbers + 1) * self.bin_size_s).astype(np.float64)


class BinLog:
    """A log that grows, open from entering to leaving the context; what was added stays after a kill.

    Parameters
    ----------
    file : pathlib.Path
        FILE.rows has a row a bin, FILE.runs a line a run.
    """

    def __init__(self, file: Path) -> None:
        self._rows = file.with_suffix(".rows").open("ab", buffering=0)
        self._runs = file.with_suffix(".runs").open("a", buffering=1)
        self._known: list[Run] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._rows.close()
        self._runs.close()

    def add(self, run: Run, numbers: NDArray[np.int64], sums: Iterable[int], arrived_s: float) -> None:
        """Append bins that arrived together."""
        rows = rows_of(self._number(run), numbers, sums, arrived_s)
        self._rows.write(rows.tobytes())

    def _number(self, run: Run) -> int:
        for number, known in enumerate(self._known):
            if known.is_that_of(run):
                return number
        self._known.append(run)
        self._runs.write(json.dumps(asdict(run)) + "\n")
        return len(self._known) - 1


def rows_of(run: int, numbers: NDArray[np.int64], sums: Iterable[int], arrived_s: float = np.nan) -> NDArray:
    """Return rows of bins."""
    rows = np.zeros(len(numbers), ROW)
    rows["run"], rows["bin"], rows["arrived_s"] = run, numbers, arrived_s
    rows["sum"] = np.fromiter(sums, np.uint32, len(numbers))
    return rows


def read_log(file: Path) -> list[tuple[Run, NDArray]]:
    """Read the rows of each run; a last row that a kill has cut is left out."""
    runs_file, rows_file = file.with_suffix(".runs"), file.with_suffix(".rows")
    if not runs_file.exists():
        return []
    runs = [Run(**json.loads(line)) for line in runs_file.read_text().splitlines()]
    content = rows_file.read_bytes()
    rows = np.frombuffer(content[: len(content) // ROW.itemsize * ROW.itemsize], ROW)
    return [(run, rows[rows["run"] == number]) for number, run in enumerate(runs)]


def bin_numbers(run: Run, stamps_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the bin that ends at each stamp; `OFF_GRID` where none does."""
    exact = (np.asarray(stamps_s) - run.start_s) / run.bin_size_s - 1
    numbers = np.rint(exact)
    return np.where(np.abs(exact - numbers) <= TOLERANCE, numbers, OFF_GRID).astype(np.int64)


def checksum(counts: NDArray) -> int:
    """Return the checksum of a bin's counts, whatever their type."""
    return zlib.crc32(np.asarray(counts).astype(np.uint8).tobytes())
