"""Pictures of importance maps: windows beside their maps, and which units, lags and patterns matter."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.pages.drawing import MODEL, REAL, Axes, as_svg, literal, new_figure
from spikeloop.exporters.pages.shell import Markup, page
from spikeloop.models.importance.summary import ImportanceSummary, Pattern

__all__ = ["PICTURES", "draw_importance"]

PICTURES = (".html", ".svg", ".png")  # what a picture's file may end in
SHOWN_WINDOWS, SHOWN_UNITS, SHOWN_PATTERNS = 4, 25, 12
EXPLAINED = Markup(
    """<p>The importance of a spike is the mean change of the critic's score when its unit's spikes are shuffled within
8 bins around it (Molano-Mazon et al. 2018). Shown are the windows with the most spikes.</p>"""
)


def draw_importance(
    kind: str,
    title: str,
    windows: NDArray[np.uint8],
    maps: NDArray[np.float32],
    summary: ImportanceSummary,
    unit_names: Sequence[str],
    bin_size_s: float,
) -> bytes:
    """Draw importance maps.

    Parameters
    ----------
    kind : str, one of `PICTURES`
    title : str
    windows : array of shape (windows, bins, units), uint8
        Those with the most spikes are shown.
    maps : array of shape (windows, bins, units), float32
    summary : ImportanceSummary, of all maps
    unit_names : sequence of str
    bin_size_s : float > 0, s

    Returns
    -------
    bytes
        The file's content.

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    figure = new_figure(13, 10)
    places = [[f"{what} {row * 2 + column}" for column in range(2) for what in ("window", "map")] for row in range(2)]
    axes = figure.subplot_mosaic([*places, ["units", "units", "lags", "patterns"]])
    figure.suptitle(literal(title))
    order = np.argsort(np.nan_to_num(summary.window_importance))
    most = np.argsort(-(windows > 0).sum(axis=(1, 2)), kind="stable")[:SHOWN_WINDOWS]
    for place in range(SHOWN_WINDOWS):
        pair = axes[f"window {place}"], axes[f"map {place}"]
        if place < len(most):
            index = int(most[place])
            _draw_window(*pair, index, windows[index][:, order], maps[index][:, order], bin_size_s)
        else:
            for axis in pair:
                axis.axis("off")
    _draw_units(axes["units"], summary, unit_names)
    _draw_lags(axes["lags"], summary, bin_size_s)
    _draw_patterns(axes["patterns"], summary.patterns, unit_names)
    if kind == ".png":
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=110)
        return drawn.getvalue()
    svg = as_svg(figure)
    return svg.encode() if kind == ".svg" else page(title, EXPLAINED, Markup(svg))


def _draw_window(
    raster: Axes, map_: Axes, index: int, window: NDArray[np.uint8], values: NDArray[np.float32], bin_size_s: float
) -> None:
    bins, units = window.shape
    times, firing = window.nonzero()
    raster.scatter((times + 0.5) * bin_size_s, firing, s=10, marker="|", color=REAL, linewidths=1)
    limits = {"xlim": (0, bins * bin_size_s), "ylim": (-0.5, units - 0.5)}
    raster.set(title=f"window {index}", xlabel="time (s)", ylabel="unit, by importance", **limits)
    extent = (0, bins * bin_size_s, -0.5, units - 0.5)
    shown: Any = map_.imshow(values.T, origin="lower", aspect="auto", extent=extent, cmap="PuBu", vmin=0)
    map_.set(title="importance", xlabel="time (s)", yticks=[])
    map_.figure.colorbar(shown, ax=map_)


def _draw_units(axis: Axes, summary: ImportanceSummary, unit_names: Sequence[str]) -> None:
    """The units that matter most in a window, and what one of their spikes does."""
    most = np.argsort(-np.nan_to_num(summary.window_importance), kind="stable")[:SHOWN_UNITS]
    places = np.arange(len(most))
    for shift, mean, error, colour, label in (
        (-0.2, summary.importance, summary.importance_error, MODEL, "of a spike"),
        (0.2, summary.window_importance, summary.window_error, REAL, "of its spikes in a window"),
    ):
        bars = np.nan_to_num(error[most])
        axis.bar(places + shift, np.nan_to_num(mean[most]), 0.4, yerr=bars, color=colour, ecolor="#999999", label=label)
    axis.set(title="importance by unit (and standard error)", xticks=places)
    axis.set_xticklabels([literal(unit_names[int(unit)]) for unit in most], rotation=90, fontsize=7)
    axis.legend(frameon=False, fontsize=8)


def _draw_lags(axis: Axes, summary: ImportanceSummary, bin_size_s: float) -> None:
    lags_ms = np.arange(len(summary.lag_importance)) * bin_size_s * 1000
    for mean, error, colour, label in (
        (summary.lag_importance, summary.lag_error, MODEL, "another unit's"),
        (summary.own_lag_importance, summary.own_lag_error, REAL, "its own"),
    ):
        axis.errorbar(lags_ms, mean, yerr=np.nan_to_num(error), fmt=".-", linewidth=1, color=colour, label=label)
    axis.set(title="of a spike, by time since a spike", xlabel="ms")
    axis.legend(frameon=False, fontsize=8)


def _draw_patterns(axis: Axes, patterns: Sequence[Pattern], unit_names: Sequence[str]) -> None:
    shown = patterns[:SHOWN_PATTERNS][::-1]
    axis.barh(range(len(shown)), [pattern.importance for pattern in shown], color=MODEL, alpha=0.4)
    axis.set(title="of a spike, by pattern", ylabel="commonest on top", yticks=[])
    for place, pattern in enumerate(shown):
        axis.text(0, place, f" {literal(_words(pattern, unit_names))}", va="center", fontsize=7)


def _words(pattern: Pattern, unit_names: Sequence[str]) -> str:
    units = " + ".join(unit_names[unit] for _, unit in pattern.spikes)
    return f"{units:.40} ({pattern.occurrences:g})"
