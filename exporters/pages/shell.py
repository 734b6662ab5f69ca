"""The shell of every HTML page: one stylesheet for light and dark, tables, lists, and text that can't be markup.

Whatever goes into a page is text, and is escaped, unless it is `Markup`; only the functions of this file and the
pictures make `Markup`.
"""

from collections.abc import Iterable
from html import escape

from spikeloop.exporters.documents import printable

__all__ = ["Markup", "colour_of", "details", "figures", "fill", "item_list", "join", "page", "section", "table"]

STYLE = """
:root { color-scheme: light dark; --ink: #222; --faint: #666; --line: #999; --ground: #fff;
 --floor: #1a7f37; --near: #5b7a1c; --off: #8a6100; --far: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --faint: #999; --line: #666; --ground: #16181b;
 --floor: #57c774; --near: #a5c85a; --off: #e0ae3c; --far: #ff8a80 } svg { background: #fff; border-radius: 4px } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 1160px;
 margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } td, th { padding: .15em .8em .15em 0; text-align: right; white-space: nowrap }
td:first-child, th:first-child { text-align: left; white-space: normal; min-width: 9em }
th { border-bottom: 1px solid var(--line) } small { color: var(--faint); font-weight: normal }
.big { font-size: 1.6em; margin-right: 1em; white-space: nowrap } .big small { font-size: .55em; white-space: normal }
svg { max-width: 100%; height: auto } p, li { max-width: 60em } summary { cursor: pointer }
h1, p, li, code, td:first-child { overflow-wrap: anywhere } .wide { overflow-x: auto }
.floor { color: var(--floor) } .near { color: var(--near) } .off { color: var(--off) } .far { color: var(--far) }
.alarm { color: var(--far); font-weight: 600 }
"""
CLASSES = {"at the floor": "floor", "near": "near", "off": "off", "far off": "far"}  # of verdicts


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def fill(template: str, *values: object) -> Markup:
    """Fill a template of HTML with values, each escaped unless it is `Markup`.

    Parameters
    ----------
    template : str, HTML with a `{}` for each value, or `{:.2f}` for a number
    values : numbers, or anything that has a text
    """
    return Markup(template.format(*(value if isinstance(value, int | float) else _markup(value) for value in values)))


def join(parts: Iterable[object], separator: str = "\n") -> Markup:
    """Join parts of a page, each escaped unless it is `Markup`."""
    return Markup(separator.join(map(_markup, parts)))


def page(title: str, *parts: object, heading: object = None) -> bytes:
    """Make a self-contained page, which fetches nothing.

    Parameters
    ----------
    title : str
        Of the browser's window.
    parts : Markup, or text that is escaped
        From top to bottom.
    heading : Markup or str, default the title

    Returns
    -------
    bytes
        The file's content, UTF-8.
    """
    head = fill('<head><meta charset="utf-8"><title>{}</title>\n<style>{}</style></head>', title, Markup(STYLE))
    top = fill("<h1>{}</h1>", title if heading is None else heading)
    return f'<!doctype html>\n<html lang="en">{head}<body>\n{join([top, *parts])}\n</body></html>\n'.encode()


def section(heading: object, *parts: object) -> Markup:
    """Make a section: a heading and what stands below it; empty where nothing does."""
    return join([fill("<h2>{}</h2>", heading), *parts]) if any(parts) else Markup()


def table(headings: Iterable[object], rows: Iterable[Iterable[object]]) -> Markup:
    """Make a table, which scrolls where the window is narrower.

    Parameters
    ----------
    headings : iterable of str or Markup
    rows : iterable of rows, each an iterable of cells: Markup, or text that is escaped
    """
    head = join((fill("<th>{}</th>", heading) for heading in headings), "")
    body = join(fill("<tr>{}</tr>", join((fill("<td>{}</td>", cell) for cell in row), "")) for row in rows)
    return fill('<div class="wide"><table><tr>{}</tr>\n{}</table></div>', head, body)


def item_list(items: Iterable[object]) -> Markup:
    """Make a list; empty where there are no items."""
    listed = join((fill("<li>{}</li>", item) for item in items), "")
    return fill("<ul>{}</ul>", listed) if listed else Markup()


def figures(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Make a line of large figures, each with a few words beside it."""
    return fill("<p>{}</p>", join(fill('<span class="big">{} <small>{}</small></span>', *pair) for pair in pairs))


def details(summary: object, *parts: object) -> Markup:
    """Make a part that is closed until its summary is clicked."""
    return fill("<details><summary>{}</summary>{}</details>", summary, join(parts))


def colour_of(verdict: str, text: object = None) -> Markup:
    """Write a verdict, or another text, in the verdict's colour.

    Parameters
    ----------
    verdict : str
        As of `similarity.verdict`; one that has no colour leaves the text plain.
    text : Markup or str, default the verdict itself
    """
    shown = verdict if text is None else text
    return fill('<span class="{}">{}</span>', CLASSES[verdict], shown) if verdict in CLASSES else join([shown])


def _markup(value: object) -> str:
    return value if isinstance(value, Markup) else escape(printable(" ".join(str(value).split("\n"))))
