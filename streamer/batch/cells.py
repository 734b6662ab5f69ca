"""Cells of a sweep: run where they aren't done, kept in a folder from which a sweep goes on, and put in a table."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spikeloop.exporters.documents import parsed_json
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.errors import FailureError
from spikeloop.models.measures.decoding_scores import fold_mean
from spikeloop.models.scalars import is_number, is_whole
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.batch.engine import Engine, Task, Work, failure_of

__all__ = ["PAGE", "TABLE", "Cell", "CellFolder", "Columns", "Row", "mean_in_words", "run_cells", "write_table"]

CELLS, TABLE, PAGE = "cells", "results.parquet", "results.html"  # in the folder of a sweep
Row = Mapping[str, Any]  # a cell's document


class Cell(Protocol):
    """One row of a sweep's table; `str` gives its name for messages."""

    @property
    def task(self) -> str:
        """What a worker gets."""
        ...

    @property
    def key(self) -> str:
        """A hash of all that the row depends on."""
        ...

    @property
    def axes(self) -> Row:
        """The values that identify it, as its row has them."""
        ...


@dataclass(frozen=True)
class Columns:
    """The columns of a sweep's table.

    Attributes
    ----------
    texts, wholes, numbers, lists_of_texts, lists_of_numbers : tuple of str
    """

    texts: tuple[str, ...]
    wholes: tuple[str, ...]
    numbers: tuple[str, ...]
    lists_of_texts: tuple[str, ...] = ()
    lists_of_numbers: tuple[str, ...] = ()

    def fit(self, name: str, value: Any) -> bool:
        """Whether a value is one of this column."""
        if name in (*self.lists_of_texts, *self.lists_of_numbers):
            of_texts = name in self.lists_of_texts
            return isinstance(value, list) and all(
                isinstance(each, str) if of_texts else _is_figure(each) for each in value
            )
        if name in self.texts:
            return isinstance(value, str | None)
        return is_whole(value) if name in self.wholes else _is_figure(value)

    @property
    def needed(self) -> set[str]:
        """The names of those that every row has."""
        return {*self.texts, *self.wholes, *self.numbers, *self.lists_of_texts, *self.lists_of_numbers}


class CellFolder:
    """Rows by what their cells depend on: a sweep with more cells finds those that are done.

    Parameters
    ----------
    path : Path
        Made where there is none.
    columns : Columns

    Raises
    ------
    FailureError
        If cells, a table or a page can't be written there.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path, self._columns = path, columns
        check_writable(path / CELLS, folder=True)
        for name in (TABLE, PAGE):
            check_writable(path / name)

    def put(self, cell: Cell, document: str) -> None:
        """Keep a cell's row, whole or not at all; FailureError where the disk refuses."""
        with whole_file(self._place(cell)) as file:
            file.write(document.encode())

    def get(self, cell: Cell) -> dict[str, Any] | None:
        """Return a cell's row; None where it isn't done, or what is there is no row of it."""
        try:
            found = parsed_json(self._place(cell).read_bytes())
        except OSError:
            return None
        return found if isinstance(found, dict) and self._is_of(found, cell) else None

    def missing(self, cells: Iterable[Cell]) -> list[tuple[int, Cell]]:
        """Return the cells that aren't done, with their places."""
        return [(place, cell) for place, cell in enumerate(cells) if self.get(cell) is None]

    def _place(self, cell: Cell) -> Path:
        return self.path / CELLS / f"{cell.key}.json"

    def _is_of(self, document: Row, cell: Cell) -> bool:
        """Whether a row has the columns of the table, and names the cell; a file may have been damaged."""
        return (
            document.keys() >= self._columns.needed
            and all(document[name] == value for name, value in cell.axes.items())
            and all(self._columns.fit(name, value) for name, value in document.items())
        )


def run_cells(
    engine: Engine,
    work: Work,
    folder: CellFolder,
    cells: Sequence[Cell],
    on_cell: Callable[[int, int], None] = lambda done, cells: None,
) -> tuple[Row, ...]:
    """Run the cells that aren't done, and keep each as it is.

    Parameters
    ----------
    engine : Engine
    work : callable (str) -> str
        Gives the row of a cell's task, as JSON.
    folder : CellFolder
    cells : sequence of Cell
    on_cell : callable (done, cells) -> None
        Called before the first cell and after each.

    Returns
    -------
    tuple of Row
        Of the cells that are done, in their order.

    Raises
    ------
    FailureError
        If a cell could not run; the others are kept.
    """
    tasks = [Task(place, cell.key, str(cell), cell.task) for place, cell in folder.missing(cells)]
    done, failures = len(cells) - len(tasks), list[str]()
    on_cell(done, len(cells))
    if tasks:
        with closing(engine.run(work, tasks)) as answers:
            for task, answer in answers:
                failure = failure_of(answer)
                if failure is None:
                    folder.put(cells[task.place], answer)
                else:
                    failures.append(failure)
                done += failure is None
                on_cell(done, len(cells))
    if failures:
        raise FailureError(
            f"{len(failures)} of {len(cells)} cells could not run: {failures[0]}; the others are in {folder.path}, and"
            " the same call tries these again"
        )
    return tuple(row for cell in cells if (row := folder.get(cell)) is not None)


def write_table(rows: Sequence[Row], path: Path, columns: Columns) -> None:
    """Write a Parquet table with a line for each row, whole or not at all.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    import pyarrow
    import pyarrow.parquet

    def kind(name: str) -> Any:
        if name in (*columns.lists_of_texts, *columns.lists_of_numbers):
            return pyarrow.list_(pyarrow.string() if name in columns.lists_of_texts else pyarrow.float64())
        return (
            pyarrow.string() if name in columns.texts else pyarrow.int64() if name in columns.wholes else
            pyarrow.float64()
        )  # fmt: skip

    arrays = {name: pyarrow.array([row[name] for row in rows], kind(name)) for name in rows[0]}
    with whole_file(path) as file:
        pyarrow.parquet.write_table(pyarrow.table(arrays), file)


def mean_in_words(values: Sequence[float | None], digits: int = 2, share: bool = False) -> str:
    """Write the mean of those that are known, with Student's t interval at 95 % where there are several.

    Parameters
    ----------
    values : sequence of float or None
    digits : int, default 2
    share : bool, default False
        Whether they are shares, which are written in per cent.
    """
    known = (100 if share else 1) * np.array(
        [value for value in values if value is not None and math.isfinite(value)], np.float64
    )
    if not len(known):
        return "-"
    if len(known) == 1:
        return f"{known[0]:.{digits}f}"
    mean = fold_mean(known)
    low, high = (max(mean.low, 0.0), min(mean.high, 100.0)) if share else (mean.low, mean.high)
    return f"{mean.value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _is_figure(value: Any) -> bool:
    return value is None or is_number(value)
