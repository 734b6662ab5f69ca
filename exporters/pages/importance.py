"""Importance maps as a page or a picture: windows, and which units, lags and patterns matter."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.pages.drawing import (
    HEIGHT,
    NARROW,
    Axes,
    draw,
    literal,
    look,
    new_figure,
    picture_file,
    room_for,
)
from spikeloop.exporters.pages.importance_plots import (
    draw_scale,
    paint_lags,
    paint_map,
    paint_patterns,
    paint_units,
    pattern_name,
    top_of,
)
from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.shell import (
    Markup,
    details,
    figures,
    fill,
    join,
    legend,
    page,
    panel,
    panels,
    section,
    table,
)
from spikeloop.models.importance.summary import ImportanceSummary

__all__ = ["PICTURES", "ImportanceMaps", "importance_page", "importance_picture"]

PICTURES = (".html", ".svg", ".png")  # what a picture's file may end in
SHOWN_WINDOWS, SHOWN_UNITS, SHOWN_PATTERNS = 3, 24, 12
BY_LAG, BY_PATTERN = "by time since an earlier spike", "by pattern of units that fire in one bin"
AFTER = (("after a spike of another unit", "line"), ("after a spike of its own", "ink"))  # and its colour
TITLE_LETTERS = 34  # in a line
ROW, AROUND = 13, 60  # height of a named row, and of what is around the rows, pixels
EXPLAINED = """<p>The importance of a spike is the mean change of the critic's score when its unit's spikes are shuffled
within 8 bins around it (Molano-Mazon et al. 2018). That of a unit in a window is the sum over its spikes.</p>"""


@dataclass(frozen=True, eq=False)
class ImportanceMaps:
    """What importance pictures are of.

    Attributes
    ----------
    title : str
    windows : array of shape (windows, bins, units), uint8
        Those with the most spikes are shown.
    maps : array of shape (windows, bins, units), float32
    summary : ImportanceSummary, of all maps
    unit_names : sequence of str
    bin_size_s : float > 0, s
    """

    title: str
    windows: NDArray[np.uint8]
    maps: NDArray[np.float32]
    summary: ImportanceSummary
    unit_names: Sequence[str]
    bin_size_s: float

    @property
    def by_importance(self) -> NDArray[np.intp]:
        """The units, from the one whose spikes matter most in a window."""
        return np.argsort(-np.nan_to_num(self.summary.window_importance), kind="stable")

    @property
    def fullest(self) -> NDArray[np.intp]:
        """Places of the windows that are shown."""
        return np.argsort(-(self.windows > 0).sum(axis=(1, 2)), kind="stable")[:SHOWN_WINDOWS]

    def names(self, units: Iterable[int]) -> list[str]:
        """Names of units."""
        return [self.unit_names[int(unit)] for unit in units]


def importance_page(shown: ImportanceMaps, origin: Origin | None = None) -> bytes:
    """Make the page of importance maps.

    Parameters
    ----------
    shown : ImportanceMaps
    origin : Origin
        What made it.

    Returns
    -------
    bytes
        The file's content.

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    return page(
        shown.title,
        figures(_figures(shown)),
        section("Windows", *_windows(shown)),
        section("Units", _units(shown)),
        section("Times and patterns", _times_and_patterns(shown)),
        section("What importance is", Markup(EXPLAINED)),
        made_by(origin, [("windows", f"{len(shown.windows)} of {shown.windows.shape[1]} bins of"
                                     f" {shown.bin_size_s * 1000:g} ms, {len(shown.unit_names)} units")]),
        kind="importance",
        lead=_lead(shown),
    )  # fmt: skip


def importance_picture(shown: ImportanceMaps, kind: str) -> bytes:
    """Draw the same as one picture.

    Parameters
    ----------
    shown : ImportanceMaps
    kind : ".svg" or ".png"

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    figure = new_figure(15, 11)
    with look():
        figure.suptitle(literal(shown.title))
        above, below = figure.subfigures(2, 1)
        _paint_windows(above, shown)
        *by_unit, of_patterns, by_lag = below.subplots(1, 4, width_ratios=(1, 1, 1, 1.2))
        units = shown.by_importance[:SHOWN_UNITS]
        for axis, (_, title, mean, error) in zip(by_unit, _by_unit(shown), strict=True):
            paint_units(axis, mean[units], error[units], shown.names(units))
            _name(axis, title)
        paint_patterns(of_patterns, shown.summary.patterns[:SHOWN_PATTERNS], shown.unit_names)
        _name(of_patterns, BY_PATTERN)
        paint_lags(by_lag, shown.summary, shown.bin_size_s)
        by_lag.legend([after for after, _ in AFTER], loc="lower left")
        _name(by_lag, BY_LAG)
    return picture_file(figure, kind)


def _paint_windows(figure: Any, shown: ImportanceMaps) -> None:
    """Draw the maps of the fullest windows beside each other, with their scale of colours."""
    units, top = shown.by_importance[:SHOWN_UNITS], top_of(shown.windows, shown.maps)
    axes = figure.subplots(1, SHOWN_WINDOWS)
    for axis in axes[len(shown.fullest) :]:
        axis.axis("off")
    for axis, index in zip(axes, map(int, shown.fullest), strict=False):
        window, values = (of[index][:, units] for of in (shown.windows, shown.maps))
        paint_map(axis, window, values, shown.bin_size_s, top, shown.names(units))
        _name(axis, f"window {index}, {_of_units(shown)}")
    figure.colorbar(axes[0].images[0], ax=axes, label="importance of a spike")


def _name(axis: Axes, title: str) -> None:
    """Write a title above axes, in as many lines as it needs."""
    axis.set_title(textwrap.fill(title, TITLE_LETTERS), loc="left", fontsize=11)


def _lead(shown: ImportanceMaps) -> str:
    total = np.nan_to_num(shown.summary.window_importance)
    if not total.sum() > 0:
        return "No spike matters to the critic."
    order = shown.by_importance
    half = int(np.searchsorted(np.cumsum(total[order]), total.sum() / 2)) + 1
    first = ", ".join(shown.names(order[:3]))
    return (
        f"{half} of {len(total)} units carry half of what matters to the critic; the first are {first}. "
        f"A spike changes its score by {_mean(shown):.3g} on average."
    )


def _figures(shown: ImportanceMaps) -> Iterator[tuple[str, str]]:
    yield f"{_mean(shown):.3g}", "mean importance of a spike"
    yield f"{len(shown.windows):,}", "windows mapped"
    yield f"{int(shown.summary.spikes.sum()):,}", "spikes"


def _mean(shown: ImportanceMaps) -> float:
    spikes = shown.summary.spikes
    return float(np.nansum(shown.summary.importance * spikes) / spikes.sum()) if spikes.sum() else float("nan")


def _of_units(shown: ImportanceMaps) -> str:
    """How many of the units are shown."""
    units = len(shown.unit_names)
    return f"{min(SHOWN_UNITS, units)} of {units} units" if units > SHOWN_UNITS else f"all {units} units"


def _windows(shown: ImportanceMaps) -> Iterator[Markup]:
    units = shown.by_importance[:SHOWN_UNITS]
    top, names = top_of(shown.windows, shown.maps), shown.names(units)
    yield fill(
        "<p>The {} windows with the most spikes; {}, those that matter most in a window on top. Empty: no spike.</p>",
        len(shown.fullest),
        _of_units(shown),
    )
    yield draw_scale(top)
    maps = []
    for index in map(int, shown.fullest):
        window, values = (of[index][:, units] for of in (shown.windows, shown.maps))
        picture = draw(
            lambda axis, window=window, values=values: paint_map(axis, window, values, shown.bin_size_s, top, names),
            height=AROUND + ROW * len(units),
            left=room_for(names),
        )
        maps.append(panel(f"window {index}", picture))
    yield panels(*maps)


def _units(shown: ImportanceMaps) -> Markup:
    units = shown.by_importance[:SHOWN_UNITS]
    names = shown.names(units)
    drawn = []
    for _, title, mean, error in _by_unit(shown):
        picture = draw(
            lambda axis, mean=mean, error=error: paint_units(axis, mean[units], error[units], names),
            height=AROUND + ROW * len(units),
            left=room_for(names),
        )
        drawn.append(panel(title, picture, f"{_of_units(shown)}, with standard errors".capitalize()))
    every = (
        (name, f"{spikes:g}", f"{of_spike:.3g}", f"{of_window:.3g}")
        for name, spikes, of_spike, of_window in (
            (shown.unit_names[unit], shown.summary.spikes[unit], shown.summary.importance[unit],
             shown.summary.window_importance[unit])
            for unit in shown.by_importance
        )
    )  # fmt: skip
    listed = table(("unit", "spikes", "of a spike", "of its spikes in a window"), every)
    return join([panels(*drawn), details(f"All {len(shown.unit_names)} units", listed)])


def _by_unit(shown: ImportanceMaps):
    summary = shown.summary
    yield "window", "importance of a unit's spikes in a window", summary.window_importance, summary.window_error
    yield "units", "importance of one spike of a unit", summary.importance, summary.importance_error


def _times_and_patterns(shown: ImportanceMaps) -> Markup:
    patterns = shown.summary.patterns[:SHOWN_PATTERNS]
    names = [pattern_name(pattern, shown.unit_names) for pattern in patterns]
    lags = draw(lambda axis: paint_lags(axis, shown.summary, shown.bin_size_s), height=HEIGHT + 20)
    keys = legend(*AFTER)
    of_patterns = draw(
        lambda axis: paint_patterns(axis, patterns, shown.unit_names),
        NARROW,
        AROUND + 20 * max(1, len(patterns)),
        left=min(room_for(names, 30), NARROW / 2),
    )
    rows = (
        (name, f"{each.occurrences:g}", f"{each.importance:.3g}") for name, each in zip(names, patterns, strict=True)
    )
    listed = table(("units that fire together", "times", "mean importance of a spike"), rows)
    pictures = panels(
        panel(BY_LAG, lags, keys),
        panel(BY_PATTERN, of_patterns, "The commonest on top.") if patterns else "",
    )
    return join([pictures, details("The commonest patterns", listed) if patterns else ""])
