"""The folder of a sweep: a file for each cell that is done, from which an interrupted sweep goes on."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spikeloop.exporters.documents import parsed_json
from spikeloop.models.scalars import is_number, is_whole
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.closedloop.sweep.cells import Cell
from spikeloop.streamer.closedloop.sweep.results import LISTS, SHOWN, TEXTS, WHOLE

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
        """Return a cell's document; None where it isn't done, or what is there is no document of it."""
        try:
            found = parsed_json(self._place(cell).read_bytes())
        except OSError:
            return None
        return found if isinstance(found, dict) and _is_of(found, cell) else None

    def missing(self, cells: Iterable[Cell]) -> list[tuple[int, Cell]]:
        """Return the cells that aren't done, with their places."""
        return [(place, cell) for place, cell in enumerate(cells) if self.get(cell) is None]

    def _place(self, cell: Cell) -> Path:
        return self.path / "cells" / f"{cell.key}.json"


def _is_of(document: dict[str, Any], cell: Cell) -> bool:
    """Whether a document has the columns of the table, and names the cell; a file may have been damaged."""
    named = {"bundle": cell.bundle, "decoder": cell.decoder, "perturbations": cell.perturbations, "seed": cell.seed}
    return (
        document.keys() >= {*TEXTS, *WHOLE, *LISTS, *SHOWN}
        and all(document[name] == value for name, value in named.items())
        and all(_is_column(name, value) for name, value in document.items())
    )


def _is_column(name: str, value: Any) -> bool:
    if name in LISTS:
        return isinstance(value, list) and all(
            isinstance(each, str) if name == "outcomes" else _is_figure(each) for each in value
        )
    if name in TEXTS:
        return isinstance(value, str | None)
    return is_whole(value) if name in WHOLE else _is_figure(value)


def _is_figure(value: Any) -> bool:
    return value is None or is_number(value)
