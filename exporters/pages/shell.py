"""The shell of every HTML page: one stylesheet for light and dark, sections, tables, and text that can't be markup.

Whatever goes into a page is text, and is escaped, unless it is `Markup`; only the functions of this file and the
pictures make `Markup`.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib import resources

from spikeloop.exporters.documents import printable
from spikeloop.models.measures.similarity import in_words

__all__ = [
    "Markup",
    "Section",
    "colour_of",
    "details",
    "facts",
    "figures",
    "fill",
    "item_list",
    "join",
    "legend",
    "page",
    "panel",
    "panels",
    "section",
    "static_file",
    "table",
]

CLASSES = {"at the floor": "good", "near": "near", "off": "off", "far off": "far"}  # of verdicts
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {}"


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


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{}"><title>{}</title>
<style>
{}</style></head><body>
{}
{}</body></html>
"""


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading, which the page's navigation names; false where nothing is in it."""

    heading: str
    content: Markup

    def __bool__(self) -> bool:
        return bool(self.content)


def page(
    title: str, *parts: object, kind: str = "", heading: object = None, lead: object = None, script: str = ""
) -> bytes:
    """Make a self-contained page, which fetches nothing and runs no script but its own.

    Parameters
    ----------
    title : str
        Of the browser's window.
    parts : Section, Markup, or text that is escaped
        From top to bottom; what is false is left out.
    kind : str, default ""
        What the page is, such as "evaluation".
    heading : Markup or str, default the title
    lead : Markup or str, default none
        What was found, in a sentence or two.
    script : str, default ""
        JavaScript that runs when the page is there.

    Returns
    -------
    bytes
        The file's content, UTF-8.
    """
    shown = [part for part in parts if part]
    links = _anchors([part.heading for part in shown if isinstance(part, Section)])
    anchors = iter(links)
    body = [_header(title if heading is None else heading, kind, lead), _navigation(links)]
    body += [_section(next(anchors), part) if isinstance(part, Section) else part for part in shown]
    code = fill("<script>{}</script>\n", Markup(script)) if script else Markup()
    return fill(PAGE, _policy(script), title, Markup(static_file(__package__, "page.css")), join(body), code).encode()


def section(heading: object, *parts: object) -> Section:
    """Make a section: a heading and what stands below it; false where nothing does."""
    return Section(str(heading), join(filter(None, parts)))


def panel(title: object, picture: object, note: object = "", whole: bool = False) -> Markup:
    """Make a picture with its title and a remark above it.

    Parameters
    ----------
    title, note : Markup, or text that is escaped
    picture : Markup
    whole : bool, default False
        Whether it is as wide as the page.
    """
    classes = Markup("panel whole" if whole else "panel")
    return fill(
        '<figure class="{}"><figcaption><strong>{}</strong>{}</figcaption>{}</figure>', classes, title,
        fill("<span>{}</span>", note) if note else "", picture,
    )  # fmt: skip


def panels(*shown: object) -> Markup:
    """Lay out panels side by side, as many as the window has room for."""
    return fill('<div class="panels">{}</div>', join(filter(None, shown)))


def legend(*entries: tuple[str, str]) -> Markup:
    """Make a legend of the pictures that follow.

    Parameters
    ----------
    entries : pairs of a text and the name of its colour in the stylesheet, such as "line"
    """
    keys = (fill('<li><span class="key" style="background: var(--{})"></span>{}</li>', colour, text)
            for text, colour in entries)  # fmt: skip
    return fill('<ul class="legend">{}</ul>', join(keys, ""))


def table(headings: Sequence[object], rows: Iterable[Iterable[object]]) -> Markup:
    """Make a table; where the window is narrow, each row becomes a list of its cells with their headings.

    Parameters
    ----------
    headings : sequence of str or Markup
    rows : iterable of rows, each an iterable of cells: Markup, or text that is escaped
    """
    head = join((fill("<th>{}</th>", heading) for heading in headings), "")
    body = join(fill("<tr>{}</tr>", join(map(_cell, headings, row), "")) for row in rows)
    return fill("<table><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table>", head, body)


def item_list(items: Iterable[object]) -> Markup:
    """Make a list; empty where there are no items."""
    listed = join((fill("<li>{}</li>", item) for item in items), "")
    return fill("<ul>{}</ul>", listed) if listed else Markup()


def figures(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Make a row of large figures, each with a few words above it."""
    shown = (fill("<div><dt>{}</dt><dd>{}</dd></div>", words, figure) for figure, words in pairs)
    return fill('<dl class="figures">{}</dl>', join(shown, ""))


def facts(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Make a list of names and what they are."""
    return fill('<dl class="facts">{}</dl>', join((fill("<dt>{}</dt><dd>{}</dd>", *pair) for pair in pairs), ""))


def details(summary: object, *parts: object) -> Markup:
    """Make a part that is closed until its summary is clicked."""
    return fill("<details><summary>{}</summary>{}</details>", summary, join(parts))


def colour_of(verdict: str, text: object = None) -> Markup:
    """Write a verdict, or another text, in the verdict's colour.

    Parameters
    ----------
    verdict : str
        As of `similarity.verdict`; one that has no colour leaves the text plain.
    text : Markup or str, default the verdict itself, in words
    """
    shown = in_words(verdict) if text is None else text
    return fill('<span class="{}">{}</span>', CLASSES[verdict], shown) if verdict in CLASSES else join([shown])


def static_file(package: str | None, name: str) -> str:
    """Read a stylesheet or script that goes into pages and lies in a package."""
    return (resources.files(package or "") / name).read_text("utf-8")


def _header(heading: object, kind: str, lead: object) -> Markup:
    brand = fill('<p class="brand">spikeloop{}</p>', f" · {kind}" if kind else "")
    said = fill('<p class="lead">{}</p>', lead) if lead else ""
    return fill("<header>{}<h1>{}</h1>{}</header>", brand, heading, said)


def _navigation(links: dict[str, str]) -> Markup:
    """Links to the sections, by anchor; none where there is one section or no more."""
    shown = join((fill('<a href="#{}">{}</a>', anchor, heading) for anchor, heading in links.items()), "")
    return fill('<nav aria-label="on this page">{}</nav>', shown) if len(links) > 1 else Markup()


def _anchors(headings: Sequence[str]) -> dict[str, str]:
    """A name for each heading that can stand in an address, and that no other has."""
    found: dict[str, str] = {}
    for heading in headings:
        word = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"
        found[word if word not in found else f"{word}-{len(found)}"] = heading
    return found


def _section(anchor: str, part: Section) -> Markup:
    return fill('<section id="{}"><h2>{}</h2>\n{}</section>', anchor, part.heading, part.content)


def _cell(heading: object, cell: object) -> Markup:
    shown = _markup(cell)
    return fill('<td data-label="{}">{}</td>', heading, Markup(shown)) if shown else Markup("<td></td>")


def _policy(script: str) -> str:
    """What the browser lets the page do: show itself, and run the script of this very text."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return Markup(POLICY.format(f"'sha256-{digest}'" if script else "'none'"))


def _markup(value: object) -> str:
    return value if isinstance(value, Markup) else escape(printable(" ".join(str(value).split("\n"))))
