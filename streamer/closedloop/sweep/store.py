"""The folder of a sweep: a file for each cell that is done, from which an interrupted sweep goes on."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spikeloop.exporters.documents import parsed_json
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.closedloop.sweep.cells import Cell

__all__ = ["SweepFolder"]


class SweepFolder:
    """Documents of cells, by what the cells depend on: a sweep with more cells finds those that are done.

    Parameters
    ----------
    path : Path
        Made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, cell: Cell, document: str) -> None:
        """Keep a cell's document, whole or not at all; FailureError where the disk refuses."""
        with whole_file(self._place(cell)) as file:
            file.write(document.encode())

    def get(self, cell: Cell) -> dict[str, Any] | None:
        """Return a cell's document; None where it isn't done."""
        try:
            found = parsed_json(self._place(cell).read_bytes())
        except OSError:
            return None
        return found if isinstance(found, dict) else None

    def missing(self, cells: Iterable[Cell]) -> list[tuple[int, Cell]]:
        """Return the cells that aren't done, with their places."""
        return [(place, cell) for place, cell in enumerate(cells) if self.get(cell) is None]

    def _place(self, cell: Cell) -> Path:
        return self.path / "cells" / f"{cell.key}.json"
