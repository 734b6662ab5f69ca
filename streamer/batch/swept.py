"""What every sweep comes to: a row for each cell, and a table and a page once all are done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeloop.models.errors import BadInputError
from spikeloop.models.html import ShownAsTable
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.batch.cells import PAGE, TABLE, Columns, Row, write_table

__all__ = ["Swept", "check_axes", "write_when_done"]


@dataclass(frozen=True, eq=False, repr=False)
class Swept(ShownAsTable):
    """What a sweep came to.

    Attributes
    ----------
    out : Path
        The folder.
    rows : tuple of Row
        The figures of each cell that is done, in the order of the cells.
    cells : int
        In all; more than `rows` where other processes of a job still run theirs.
    """

    out: Path
    rows: tuple[Row, ...]
    cells: int

    @property
    def table(self) -> Path | None:
        """The Parquet table; None until every cell is done."""
        return self.out / TABLE if len(self.rows) == self.cells else None

    @property
    def page(self) -> Path | None:
        """The page; None until every cell is done."""
        return self.out / PAGE if len(self.rows) == self.cells else None

    def to_dict(self) -> dict[str, Any]:
        """Convert to what JSON holds."""
        files = {name: path and str(path) for name, path in (("table", self.table), ("page", self.page))}
        return {"out": str(self.out), "cells": self.cells, "done": len(self.rows), **files, "rows": list(self.rows)}

    def _title(self) -> str:
        return f"{len(self.rows)} of {self.cells} cells; means over seeds, 95 % intervals"


def write_when_done(swept: Swept, columns: Columns, make_page: Callable[[], bytes]) -> None:
    """Write table and page, each whole or not at all, where every cell is done.

    Parameters
    ----------
    swept : Swept
    columns : Columns
        Of the table.
    make_page : callable () -> bytes
        Returns the page's content.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    if swept.table is not None and swept.page is not None:
        write_table(swept.rows, swept.table, columns)
        with whole_file(swept.page) as file:
            file.write(make_page())


def check_axes(axes: Mapping[str, Any]) -> None:
    """Make sure that every axis of a sweep is a sequence of one or more different texts.

    Parameters
    ----------
    axes : mapping of str to object
        What was given, by the option's name.

    Raises
    ------
    BadInputError
        For the first that is not.
    """
    for option, values in axes.items():
        texts = isinstance(values, Sequence) and not isinstance(values, str) and all(isinstance(v, str) for v in values)
        if not texts or not values or len(set(values)) < len(values):
            raise BadInputError(f"{option}: expected different texts, found {values!r:.80}")
