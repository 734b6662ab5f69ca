"""How the pictures of all pages are drawn: one palette, one look, and SVG whose colours are the stylesheet's.

Matplotlib draws in the colours of the light page; `as_svg` names them by the variables of `page.css`, so that a picture
follows the page into the dark. Texts stay texts, in the page's font.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from spikeloop.exporters.documents import printable
from spikeloop.exporters.pages.shell import Markup
from spikeloop.models.errors import FailureError
from spikeloop.models.packages import install_command

__all__ = [
    "COLOURS",
    "FAINT",
    "GRID",
    "HEIGHT",
    "MODEL",
    "NARROW",
    "PALE",
    "REAL",
    "SERIES",
    "WIDE",
    "Axes",
    "as_svg",
    "draw",
    "draw_stack",
    "draw_wide",
    "literal",
    "look",
    "new_figure",
    "picture_file",
    "room_for",
]

REAL, MODEL, PALE, FAINT, EDGE, GRID = "#1c2126", "#0072b2", "#7fb2d0", "#5b6670", "#d7dde2", "#e6eaee"
GOOD, NEAR, OFF, FAR = "#00704f", "#4d6b00", "#8a5a00", "#b3261e"
COLOURS = {"at the floor": GOOD, "near": NEAR, "off": OFF, "far off": FAR}  # of verdicts
SERIES = {
    "line": MODEL, "accent": "#e69f00", "mark": "#c2410c", "drive": "#00805c", "violet": "#7b4b94", "ink": REAL,
    "rose": "#b0487f", "olive": "#6f6a00",
}  # fmt: skip
VARIABLES = {colour: name for name, colour in SERIES.items()} | {
    PALE: "pale", FAINT: "faint", EDGE: "edge", GRID: "grid", GOOD: "good", NEAR: "near", OFF: "off", FAR: "far",
    "#ffffff": "panel",
}  # fmt: skip

NARROW, WIDE, HEIGHT = 340, 1100, 230  # of a picture, in pixels at its natural size
MARGINS = {"left": 58, "right": 12, "top": 8, "bottom": 42}  # pixels around the axes
DOTS_PER_INCH = 72  # so that a point is a pixel
LABEL = 3  # from the left edge to the vertical axis' label, pixels
LETTER = 6.2  # width of a letter of a tick
LOOK = {
    "svg.fonttype": "none", "svg.hashsalt": "spikeloop", "path.simplify": False, "font.size": 11,
    "axes.labelsize": 11, "xtick.labelsize": 10.5, "ytick.labelsize": 10.5, "legend.fontsize": 10.5,
    "text.color": REAL, "axes.labelcolor": REAL, "axes.edgecolor": FAINT, "xtick.color": FAINT, "ytick.color": FAINT,
    "xtick.labelcolor": REAL, "ytick.labelcolor": REAL, "axes.facecolor": "none", "figure.facecolor": "none",
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "grid.color": GRID,
    "grid.linewidth": 0.8, "axes.axisbelow": True, "legend.frameon": False, "lines.solid_capstyle": "round",
}  # fmt: skip
GROUPS = (
    (r'^<g id="matplotlib\.axis_\d+"', '<g class="axis"'),
    (r'^<g id="[xy]tick_\d+"', '<g class="tick"'),
    (r'^<g id="text_\d+"', '<g class="text"'),
    (r'^<g id="[\w.]+"', "<g"),
)

Axes = Any
Paint = Callable[[Axes], None]


@contextmanager
def look() -> Iterator[None]:
    """Draw as on all pages, inside the block, or the function that it decorates: font sizes, colours, few lines."""
    with import_module("matplotlib").rc_context(LOOK):
        yield


def new_figure(width: float, height: float) -> Any:
    """Make a figure.

    Parameters
    ----------
    width, height : float, inches

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    try:
        figures: Any = import_module("matplotlib.figure")
    except ImportError as error:
        raise FailureError(
            f"matplotlib is not installed, which the report needs; {install_command('evaluate')}"
        ) from error
    return figures.Figure(figsize=(width, height), layout="constrained")


def draw(paint: Paint, width: float = NARROW, height: float = HEIGHT, **margins: float) -> Markup:
    """Draw a picture of one pair of axes.

    Parameters
    ----------
    paint : callable (axes)
        Draws into the axes.
    width, height : float, pixels at the picture's natural size
    margins : left, right, top, bottom, pixels around the axes where they are not as usual

    Returns
    -------
    Markup
        An SVG element.

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    return draw_stack([paint], [1], width, height, "", **margins)


def draw_stack(
    paints: Sequence[Paint], shares: Sequence[float], width: float = NARROW, height: float = HEIGHT, xlabel: str = "",
    **margins: float,
) -> Markup:  # fmt: skip
    """Draw axes above each other that have their horizontal axis in common; the parameters are those of `draw`.

    Parameters
    ----------
    paints : sequence of callables
        From top to bottom.
    shares : sequence of float
        Of the height.
    xlabel : str, default none
        Of the horizontal axis, with its unit.
    """
    figure = new_figure(width / DOTS_PER_INCH, height / DOTS_PER_INCH)
    figure.set_layout_engine(None)
    around = MARGINS | margins
    with look():
        figure.set_facecolor("none")
        figure.subplots_adjust(
            left=around["left"] / width, right=1 - around["right"] / width, top=1 - around["top"] / height,
            bottom=around["bottom"] / height, hspace=0.16,
        )  # fmt: skip
        rows = figure.subplots(len(paints), 1, sharex=True, squeeze=False, height_ratios=shares)[:, 0]
        for axis, paint in zip(rows, paints, strict=True):
            _few_ticks(axis)
            paint(axis)
            axis.yaxis.set_label_coords((LABEL - around["left"]) / (width - around["left"] - around["right"]), 0.5)
            axis.yaxis.label.set_verticalalignment("top")
        if xlabel:
            rows[-1].set_xlabel(xlabel)
        return as_svg(figure)


def draw_wide(paint: Callable[[float], Markup]) -> Markup:
    """Draw a picture as wide as the page, and the one that takes its place on a phone.

    Parameters
    ----------
    paint : callable (width)
        Draws a picture of that width.
    """
    return Markup(f'<div class="wide">{paint(WIDE)}</div><div class="narrow">{paint(NARROW)}</div>')


def room_for(names: Sequence[str], most: int = 22) -> float:
    """Return the left margin that names beside the vertical axis need, in pixels."""
    return 14 + LETTER * max((min(most, len(name)) for name in names), default=0)


def as_svg(figure: Any) -> Markup:
    """Draw a figure as the SVG element of a page; the same figure gives the same text."""
    drawn = io.StringIO()
    with look():
        figure.savefig(drawn, format="svg", dpi=144, metadata={"Date": None})
    svg = drawn.getvalue()
    return Markup(_themed(svg[svg.index("<svg") :]))


def picture_file(figure: Any, kind: str) -> bytes:
    """Draw a figure as a file that stands alone, on white.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    kind : ".svg" or ".png"
    """
    drawn = io.BytesIO()
    with look():
        figure.savefig(
            drawn, format=kind[1:], dpi=110, facecolor="white", metadata={"Date": None} if kind == ".svg" else None
        )
    content = drawn.getvalue()
    return content[content.index(b"<svg") :] if kind == ".svg" else content


def literal(name: str) -> str:
    """Escape a name so that Matplotlib shows it as it is, not as mathematics, and nothing in it moves a cursor."""
    return printable(name).replace("$", r"\$")


def _few_ticks(axis: Axes) -> None:
    """So few that their texts never touch, and a faint grid."""
    ticker: Any = import_module("matplotlib.ticker")
    for each in (axis.xaxis, axis.yaxis):
        each.set_major_locator(ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.grid(visible=True)
    axis.tick_params(length=3, width=0.8)


def _themed(svg: str) -> str:
    """Leave out what a page has once; then change the tags, and never a text."""
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"<[^>]+>", lambda tag: _themed_tag(tag[0]), svg))


def _themed_tag(tag: str) -> str:
    """Name axes and ticks by classes, since an id stands once in a page; colours by variables; fonts not at all."""
    for pattern, name in GROUPS:
        tag = re.sub(pattern, name, tag)
    tag = re.sub(r"font-family: [^;\"]*(?:; )?", "", tag)
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: _named(found[0]), tag)


def _named(colour: str) -> str:
    return f"var(--{VARIABLES[colour]})" if colour in VARIABLES else colour
