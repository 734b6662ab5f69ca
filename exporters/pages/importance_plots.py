"""Plots of importance: the map of a window, and importance by unit, by time since a spike, and by pattern."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.pages.drawing import MODEL, NARROW, REAL, Axes, draw
from spikeloop.exporters.pages.plots import name_rows, sequential
from spikeloop.exporters.pages.shell import Markup
from spikeloop.models.arrays import Floats
from spikeloop.models.importance.summary import ImportanceSummary, Pattern

__all__ = ["CHANGE", "draw_scale", "paint_lags", "paint_map", "paint_patterns", "paint_units", "pattern_name", "top_of"]

CHANGE = "change of the critic's score"  # what an importance is; it has no unit
TOP = 99.5  # percentile of the importance of spikes at which the colours end


def top_of(windows: NDArray[Any], maps: NDArray[Any]) -> float:
    """Return the importance at which the colours of maps end: nearly all spikes are below."""
    found = maps[windows > 0]
    found = found[np.isfinite(found)]
    return float(np.percentile(found, TOP)) or 1.0 if len(found) else 1.0


def draw_scale(top: float) -> Markup:
    """Draw the scale of colours that the maps of a page have in common, as SVG."""

    def paint(axis: Axes) -> None:
        ramp = np.linspace(0, 1, 128)[np.newaxis]
        axis.imshow(ramp, aspect="auto", extent=(0, top, 0, 1), cmap=sequential())
        axis.set(yticks=[], xlabel=f"importance of a spike ({CHANGE})")
        axis.grid(visible=False)

    return draw(paint, NARROW, 62, left=12)


def paint_map(
    axis: Axes, window: NDArray[Any], values: NDArray[Any], bin_size_s: float, top: float, names: Sequence[str] = ()
) -> None:
    """Draw the spikes of a window, coloured by their importance, a row a unit.

    Parameters
    ----------
    window, values : arrays of shape (bins, units)
        Counts, and their importance.
    top : float > 0
        Importance at which the colours end.
    names : sequence of str, default numbers
        Of the units, from top to bottom.
    """
    bins, units = window.shape
    extent = (0, bins * bin_size_s * 1000, units - 0.5, -0.5)
    shown = np.where(window > 0, values, np.nan).T
    look: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "extent": extent, "cmap": sequential()}
    axis.imshow(shown, vmin=0, vmax=top, **look)
    axis.set_xlabel("time in the window (ms)")
    if names:
        name_rows(axis, names)
        axis.set_ylim(units - 0.5, -0.5)
    else:
        axis.set_ylabel("unit")


def paint_units(axis: Axes, mean: Floats, error: Floats, names: Sequence[str], colour: str = MODEL) -> None:
    """Draw means of units beside their names, the first on top, with their standard errors."""
    rows, mean = np.arange(len(mean)), np.nan_to_num(mean)
    axis.barh(rows, mean, 0.62, color=colour)
    axis.errorbar(mean, rows, xerr=np.nan_to_num(error), fmt="none", ecolor=REAL, elinewidth=1)
    name_rows(axis, names)
    axis.set_xlabel(CHANGE)


def paint_lags(axis: Axes, summary: ImportanceSummary, bin_size_s: float) -> None:
    """Draw the importance of spikes by the time since an earlier spike, with standard errors."""
    lags_ms = np.arange(len(summary.lag_importance)) * bin_size_s * 1000
    for mean, error, colour in (
        (summary.lag_importance, summary.lag_error, MODEL),
        (summary.own_lag_importance, summary.own_lag_error, REAL),
    ):
        axis.errorbar(lags_ms, mean, yerr=np.nan_to_num(error), fmt=".-", linewidth=1.3, color=colour)
    axis.set(xlabel="time since an earlier spike (ms)", ylabel="importance of a spike", ylim=(0, None))


def paint_patterns(axis: Axes, patterns: Sequence[Pattern], unit_names: Sequence[str]) -> None:
    """Draw the importance of spikes by the pattern that they are part of, the commonest on top."""
    axis.barh(range(len(patterns)), [pattern.importance for pattern in patterns], 0.62, color=MODEL)
    name_rows(axis, [pattern_name(pattern, unit_names) for pattern in patterns], most=30)
    axis.set_xlabel("importance of a spike")
    ticker: Any = import_module("matplotlib.ticker")
    axis.xaxis.set_major_locator(ticker.MaxNLocator(4, steps=[1, 2, 5, 10]))


def pattern_name(pattern: Pattern, unit_names: Sequence[str]) -> str:
    """Name a pattern by its units."""
    return " + ".join(unit_names[unit] + (f" (bin {bin_})" if bin_ else "") for bin_, unit in pattern.spikes)
