"""The short tables by which results show themselves, in a notebook and in a terminal."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import zip_longest

__all__ = ["ShownAsTable", "Table", "html_columns", "text_columns"]

Table = tuple[str, Sequence[str], Iterable[Sequence[object]]]  # title, head of each column, rows


class ShownAsTable:
    """A result that shows itself as the table that its `_table` returns.

    A dataclass needs `repr=False` beside it: its own `repr` would hold every array.
    """

    def _table(self) -> Table:
        raise NotImplementedError

    def __repr__(self) -> str:
        return text_columns(*self._table())

    def _repr_html_(self) -> str:
        return html_columns(*self._table())


def html_columns(title: str, names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format rows of several values as an HTML table.

    Parameters
    ----------
    title : str
        Shown above the table.
    names : sequence of str
        One for each column; empty for a table without a head.
    rows : iterable of sequences
        Their values are shown by `str`, escaped.

    Returns
    -------
    str
    """
    left = " style='text-align:left'"
    lines = ["".join(f"<td{left}>{escape(str(value))}</td>" for value in row) for row in rows]
    if names:
        lines.insert(0, "".join(f"<th{left}>{escape(name)}</th>" for name in names))
    return f"<table><caption>{escape(title)}</caption>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def text_columns(title: str, names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format the same table as lines of text, its columns aligned."""
    cells = [[str(value) for value in row] for row in ([names] if names else []) + list(rows)]
    widths = [max(map(len, column)) for column in zip_longest(*cells, fillvalue="")]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
    return "\n".join((title, *lines))
