"""Plots of a monitored stream: its time course, statistics beside the reference's, alarms, and importance maps."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from spikeloop.exporters.pages.drawing import COLOURS, MODEL, REAL, Axes, as_svg, entries, new_figure, scatter
from spikeloop.models.arrays import Floats
from spikeloop.models.measures.statistics import correlation_of
from spikeloop.models.measures.table import title_of
from spikeloop.streamer.monitor.live_importance import ImportanceReport
from spikeloop.streamer.monitor.report import MonitorReport

__all__ = ["draw_alarm_scores", "draw_course", "draw_importance", "draw_statistics"]


WIDTH = 12.0  # inches
START = "#9bc4d4"  # since the start
ALARM = COLOURS["far off"]
KIND_COLOURS = (REAL, MODEL, COLOURS["off"])
LONG_S = 600.0  # from which on the time axis is in minutes
EXTREME = 99.5  # percentile of correlations that the colours reach to
LEAST_COLOUR = 0.01
UNIT_DOT = 14  # square points: of units there are fewer than of pairs


def draw_course(report: MonitorReport) -> str:
    """Draw mean rate, mean E/F and the nearest alarm's score over time, as SVG."""
    figure = _new_figure(2.3, bottom=0.24, top=0.86)
    axes = figure.subplots(1, 3)
    minutes = report.watched_s > LONG_S
    times = np.array([point.at_s for point in report.course]) / (60 if minutes else 1)
    for axis, title, of_point, line in (
        (axes[0], "mean rate (Hz)", "mean_rate_hz", None),
        (axes[1], "mean E/F", "mean_ratio", (1, REAL)),
        (axes[2], "nearest alarm's score", "alarm_score", (1, ALARM)),
    ):
        values = np.array([getattr(point, of_point) for point in report.course], float)
        axis.plot(times, values, color=MODEL, linewidth=1)
        if line is not None:
            axis.axhline(line[0], color=line[1], linewidth=0.8)
        if not np.isfinite(values).any():
            _say(axis, "nothing yet" if not len(values) else "nothing to compare with")
        axis.set(title=title, xlabel=f"watched ({'min' if minutes else 's'})", ylim=(0, None))
    return as_svg(figure)


def draw_statistics(report: MonitorReport) -> str:
    """Draw statistics of the exponential window beside the reference, or without one those since the start, as SVG."""
    recent, bin_size_ms = report.state.recent, 1e3 * report.bin_size_s
    compared, by = (report.reference_statistics, "reference") if report.reference_statistics else (
        report.state.total, "since start",
    )  # fmt: skip
    figure = _new_figure(10)
    axes = figure.subplot_mosaic(
        [["rates", "fano_factor", "interval_cv"], ["recent", "compared", "pairs"],
         ["population_count", "autocorrelation", "interspike_intervals"]],
    )  # fmt: skip
    for name, title, scale in (
        ("rates", "rates (Hz)", 1e3 / bin_size_ms),
        ("fano_factor", "Fano factor", 1),
        ("interval_cv", "CV of interspike intervals", 1),
    ):
        if name in compared:
            scatter(axes[name], title, compared[name] * scale, recent[name] * scale)
            axes[name].collections[-1].set_sizes([UNIT_DOT])
            axes[name].set(xlabel=by, ylabel="recent")
        else:
            _say(axes[name], f"the reference has no {title_of(name)}")
    _draw_correlations(figure, axes, recent["correlation"], _correlation(compared), by)
    _draw_curves(axes["population_count"], report, "population_count", "spikes in a bin", log=True)
    _draw_curves(axes["autocorrelation"], report, "autocorrelation", "lag (ms)", bin_size_ms, first=1)
    _draw_curves(axes["interspike_intervals"], report, "interspike_intervals", "interval (ms)", bin_size_ms, log=True)
    return as_svg(figure)


def draw_alarm_scores(report: MonitorReport) -> str:
    """Draw how near each unit's alarms are to being raised, as SVG."""
    figure = _new_figure(2.3, bottom=0.24, top=0.86)
    axis = figure.subplots()
    for (kind, scores), colour in zip(report.state.alarm_scores.items(), KIND_COLOURS, strict=False):
        if len(scores) == len(report.stream.unit_names):
            _draw_units(axis, scores, colour, kind)
        else:
            axis.axhline(scores.max(), color=colour, linewidth=1, linestyle="--", label=kind)
    axis.axhline(1, color=ALARM, linewidth=0.8)
    axis.set(title="alarm scores (raised at 1)", xlabel="unit", ylim=(0, 1.05))
    axis.legend(frameon=False, fontsize=8, ncols=3, loc="upper right")
    axis.margins(x=0)
    return as_svg(figure)


def draw_importance(importance: ImportanceReport, bin_size_s: float) -> str:
    """Draw the latest window and its map, and importance by unit and by time since an earlier spike, as SVG."""
    figure = _new_figure(6, bottom=0.1, top=0.94)
    axes = figure.subplot_mosaic(
        [["window"] * 3 + ["map"] * 3, ["units"] * 4 + ["lags"] * 2],
        height_ratios=[2, 1], gridspec_kw={"hspace": 0.5, "wspace": 1.0},
    )  # fmt: skip
    if importance.window is not None and importance.map is not None:
        bins, units = importance.map.shape
        extent = (0, bins * bin_size_s * 1e3, units - 0.5, -0.5)
        look: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "extent": extent}
        drawn = axes["window"].imshow(importance.window.T, cmap="Greys", vmin=0, **look)
        figure.colorbar(drawn, ax=axes["window"], label="spikes in a bin")
        shown = np.where(importance.window > 0, importance.map, np.nan)
        drawn = axes["map"].imshow(shown.T, cmap="viridis", vmin=0, **look)
        figure.colorbar(drawn, ax=axes["map"], label="importance")
    for name, title in (("window", "latest window that was mapped"), ("map", "importance of its spikes")):
        axes[name].set(title=title, xlabel="time (ms)", ylabel="unit")
    _draw_units(axes["units"], importance.by_unit, MODEL)
    axes["units"].set(title="mean importance of a unit's spikes", xlabel="unit", ylim=(0, None))
    axes["units"].margins(x=0)
    _draw_lags(axes["lags"], importance, bin_size_s)
    return as_svg(figure)


def _draw_lags(axis: Axes, importance: ImportanceReport, bin_size_s: float) -> None:
    """Importance by the time since an earlier spike, with standard errors."""
    axis.set(title="mean importance of spikes", xlabel="time after a spike (ms)")
    summary = importance.summary
    if summary is None or not len(summary.lag_importance):
        _say(axis, "not summed by lag")
        return
    lags = np.arange(len(summary.lag_importance)) * bin_size_s * 1e3
    for value, error, colour, who in (
        (summary.lag_importance, summary.lag_error, MODEL, "of another unit"),
        (summary.own_lag_importance, summary.own_lag_error, REAL, "of its own"),
    ):
        axis.errorbar(lags, value, error, fmt=".-", color=colour, linewidth=1, label=who)
    axis.set_ylim(0, None)
    axis.legend(frameon=False, fontsize=8)


def _new_figure(height: float, bottom: float = 0.06, top: float = 0.96) -> Any:
    """A figure as wide as the page, with fixed margins: Matplotlib's layout would take as long as drawing."""
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine(None)
    figure.subplots_adjust(left=0.05, right=0.98, bottom=bottom, top=top, wspace=0.24, hspace=0.36)
    return figure


def _draw_correlations(figure: Any, axes: Mapping[str, Axes], recent: Floats, compared: Floats | None, by: str) -> None:
    """Both matrices in the same colours, without the diagonal, and pair by pair."""
    matrices = {"recent": recent} | ({} if compared is None else {"compared": compared})
    pairs = {place: entries("covariance", matrix) for place, matrix in matrices.items()}
    size = np.abs(np.concatenate(list(pairs.values())))
    limit = max(LEAST_COLOUR, float(np.percentile(size, EXTREME))) if len(size) else 1.0
    drawn = None
    for place, matrix in matrices.items():
        shown = matrix.copy()
        np.fill_diagonal(shown, np.nan)
        drawn = axes[place].imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    figure.colorbar(drawn, ax=[axes["recent"], axes["compared"]], label="correlation", shrink=0.8)
    axes["recent"].set(title="correlation, recent", xlabel="unit", ylabel="unit")
    axes["compared"].set(title=f"correlation, {by}", xlabel="unit", ylabel="unit")
    axes["pairs"].set(title="correlation of pairs")
    if compared is None:
        _say(axes["compared"], "the reference has no covariance")
    elif not len(size):
        _say(axes["pairs"], "one unit has no pairs")
    else:
        scatter(axes["pairs"], "correlation of pairs", pairs["compared"], pairs["recent"])
        axes["pairs"].set(xlabel=by, ylabel="recent")


def _correlation(statistics: Mapping[str, Floats]) -> Floats | None:
    """A bundle's reference has covariance alone."""
    if "correlation" in statistics:
        return statistics["correlation"]
    return correlation_of(statistics["covariance"]) if "covariance" in statistics else None


def _draw_curves(
    axis: Axes, report: MonitorReport, name: str, label: str, step: float = 1, first: int = 0, log: bool = False
) -> None:
    """A statistic that is a curve, of reference, whole stream and exponential window; its entries are a step apart."""
    for statistics, colour, who in (
        (report.reference_statistics, REAL, "reference"),
        (report.state.total, START, "since start"),
        (report.state.recent, MODEL, "recent"),
    ):
        if name in statistics:
            value = statistics[name]
            shown = np.where(value > 0, value, np.nan) if log else value
            places = (first + np.arange(len(value))) * step
            axis.plot(places, shown, ".-", color=colour, label=who, linewidth=1, markersize=4)
    if log:
        axis.set_yscale("log")
        axis.minorticks_off()
    axis.set(title=title_of(name), xlabel=label)
    axis.legend(frameon=False, fontsize=8)


def _draw_units(axis: Axes, values: Floats, colour: str, label: str | None = None) -> None:
    """A step for each unit: one path, however many there are."""
    axis.stairs(values, np.arange(len(values) + 1) - 0.5, color=colour, label=label, fill=label is None)


def _say(axis: Axes, text: str) -> None:
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", color="#777777")
