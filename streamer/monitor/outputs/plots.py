"""Plots of a monitored stream: its time course, statistics beside the reference's, alarms, and importance maps."""

from collections.abc import Mapping

import numpy as np

from spikeloop.exporters.pages.drawing import (
    COLOURS,
    FAINT,
    HEIGHT,
    MODEL,
    NARROW,
    PALE,
    REAL,
    SERIES,
    Axes,
    draw,
    draw_wide,
    room_for,
)
from spikeloop.exporters.pages.importance_plots import draw_scale, paint_lags, paint_map, paint_units, top_of
from spikeloop.exporters.pages.plots import curve, entries, heat, log_axis, say, scatter, thinned
from spikeloop.exporters.pages.shell import Markup, fill, join, legend, panel, panels
from spikeloop.models.arrays import Floats
from spikeloop.models.measures.statistics import correlation_of
from spikeloop.models.measures.table import title_of
from spikeloop.streamer.monitor.live_importance import ImportanceReport
from spikeloop.streamer.monitor.report import MonitorReport

__all__ = ["draw_alarm_scores", "draw_course", "draw_importance", "draw_statistics"]


ALARM = COLOURS["far off"]
KINDS = ("line", "drive", "accent", "violet")  # colours of kinds of alarms
LONG_S = 600.0  # from which on the time axis is in minutes
EXTREME = 99.5  # percentile of correlations that the colours reach to
LEAST_COLOUR = 0.01
UNIT_DOT = 5  # pixels: of units there are fewer than of pairs
MAPPED_UNITS = 24  # with their names
ROW, AROUND = 13, 60  # height of a named row, and of what is around the rows, pixels
COURSES = (
    ("mean rate", "rate (Hz per unit)", "mean_rate_hz", None),
    ("mean deviation from the reference", "mean E/F", "mean_ratio", FAINT),
    ("nearest alarm", "score (alarm at 1)", "alarm_score", ALARM),
)


def draw_course(report: MonitorReport) -> Markup:
    """Draw mean rate, mean E/F and the nearest alarm's score over time."""
    minutes = report.watched_s > LONG_S
    times = np.array([point.at_s for point in report.course]) / (60 if minutes else 1)

    def course(ylabel: str, of_point: str, line: str | None) -> Markup:
        values = np.array([getattr(point, of_point) for point in report.course], float)

        def paint(axis: Axes) -> None:
            axis.plot(times, values, color=MODEL, linewidth=1.3)
            if line is not None:
                axis.axhline(1, color=line, linewidth=1)
            if not np.isfinite(values).any():
                say(axis, "nothing yet" if not len(values) else "nothing to compare with")
                axis.set_xlim(0, max(report.watched_s / (60 if minutes else 1), 1))
            axis.set(xlabel=f"time watched ({'min' if minutes else 's'})", ylabel=ylabel, ylim=(0, None))

        return draw(paint)

    return panels(*(panel(title, course(ylabel, of_point, line)) for title, ylabel, of_point, line in COURSES))


def draw_statistics(report: MonitorReport) -> Markup:
    """Draw statistics of the exponential window beside the reference, or without one those since the start."""
    compared = bool(report.reference_statistics)
    lines = (*([("reference", "ink")] if compared else []), ("since start", "pale"), ("recent", "line"))
    bin_ms = 1e3 * report.bin_size_s
    return join(
        [
            panels(*_units(report), *_correlations(report)),
            legend(*lines),
            panels(
                _curves(report, "population_count", "spikes in a bin", "probability", log=True),
                _curves(report, "autocorrelation", "lag (ms)", "correlation", bin_ms, first=1),
                _curves(report, "interspike_intervals", "interval (ms)", "probability", bin_ms, log=True),
            ),
        ]
    )


def draw_alarm_scores(report: MonitorReport) -> Markup:
    """Draw how near each unit's alarms are to being raised."""
    units = len(report.stream.unit_names)
    kinds = [(kind, scores, KINDS[place % len(KINDS)])
             for place, (kind, scores) in enumerate(report.state.alarm_scores.items())]  # fmt: skip

    def paint(axis: Axes) -> None:
        for _, scores, name in kinds:
            if len(scores) == units:
                axis.stairs(scores, np.arange(units + 1) - 0.5, color=SERIES[name], linewidth=1.4)
            else:
                axis.axhline(scores.max(), color=SERIES[name], linewidth=1.4, linestyle="--")
        axis.axhline(1, color=ALARM, linewidth=1)
        axis.set(xlabel="unit, in the order of the stream", ylabel="score (alarm at 1)", ylim=(0, 1.08))
        axis.set_xlim(-0.5, units - 0.5)

    keys = legend(*((kind if len(scores) == units else f"{kind} (broken: of all units together)", name)
                    for kind, scores, name in kinds))  # fmt: skip
    return panel("how near alarms are", draw_wide(lambda width: draw(paint, width, 190)), keys, whole=True)


def draw_importance(importance: ImportanceReport, unit_names: tuple[str, ...], bin_size_s: float) -> Markup:
    """Draw the latest window by importance, and importance by unit and by time since an earlier spike."""
    order = np.argsort(-importance.by_unit, kind="stable")[:MAPPED_UNITS]
    names = [unit_names[int(unit)] for unit in order]
    height, left = AROUND + ROW * len(names), room_for(names)
    of_units = f"{len(names)} of {len(unit_names)} units, those whose spikes matter most"
    drawn = []
    if importance.window is not None and importance.map is not None:
        window, values, top = importance.window, importance.map, top_of(importance.window, importance.map)
        picture = draw(
            lambda axis: paint_map(axis, window[:, order], values[:, order], bin_size_s, top, names),
            height=height,
            left=left,
        )
        drawn.append(panel("latest window that was mapped", join([picture, draw_scale(top)]), of_units))
    summary = importance.summary
    error = np.full(len(unit_names), np.nan) if summary is None else summary.importance_error
    by_unit = draw(
        lambda axis: paint_units(axis, importance.by_unit[order], error[order], names), height=height, left=left
    )
    drawn.append(panel("mean importance of a unit's spikes", by_unit, of_units))
    if summary is not None and len(summary.lag_importance):
        keys = legend(("after a spike of another unit", "line"), ("after a spike of its own", "ink"))
        lags = draw(lambda axis: paint_lags(axis, summary, bin_size_s), height=HEIGHT + 20)
        drawn.append(panel("by time since an earlier spike", lags, keys))
    return panels(*drawn)


def _by(report: MonitorReport) -> tuple[Mapping[str, Floats], str]:
    """What recent statistics are compared with, and its name."""
    if report.reference_statistics:
        return report.reference_statistics, "reference"
    return report.state.total, "since start"


def _units(report: MonitorReport) -> list[Markup]:
    """A dot a unit."""
    compared, by = _by(report)
    recent = report.state.recent
    drawn = []
    for name, unit, scale in (("rates", "Hz", 1 / report.bin_size_s), ("fano_factor", "", 1), ("interval_cv", "", 1)):
        if name in compared:
            both = compared[name] * scale, recent[name] * scale
            picture = draw(lambda axis, both=both, unit=unit: scatter(axis, *both, (by, "recent"), unit, UNIT_DOT))
        else:
            picture = fill("<p class='note'>The reference has none.</p>")
        drawn.append(panel(f"{title_of(name)} of every unit", picture))
    return drawn


def _correlations(report: MonitorReport) -> list[Markup]:
    """Both matrices in the same colours, without the diagonal, and pair by pair."""
    compared, by = _by(report)
    matrices = {"recent": report.state.recent["correlation"]}
    other = _correlation(compared)
    matrices |= {} if other is None else {by: other}
    of_pairs = {name: entries("covariance", matrix) for name, matrix in matrices.items()}
    size = np.abs(np.concatenate(list(of_pairs.values())))
    limit = max(LEAST_COLOUR, float(np.percentile(size, EXTREME))) if len(size) else 1.0
    drawn = [panel(f"correlation, {name}", _matrix(matrix, limit)) for name, matrix in matrices.items()]
    if other is None:
        return [*drawn, panel("correlation of pairs", fill("<p class='note'>The reference has no covariance.</p>"))]
    if not len(size):
        return [*drawn, panel("correlation of pairs", fill("<p class='note'>One unit has no pairs.</p>"))]
    pairs = draw(lambda axis: scatter(axis, of_pairs[by], of_pairs["recent"], (by, "recent"), "correlation"))
    return [*drawn, panel("correlation of pairs", pairs, thinned(len(of_pairs[by])))]


def _matrix(matrix: Floats, limit: float) -> Markup:
    shown = matrix.copy()
    np.fill_diagonal(shown, np.nan)
    extent = (-0.5, len(shown) - 0.5, len(shown) - 0.5, -0.5)

    def paint(axis: Axes) -> None:
        heat(axis, shown, extent, "correlation", (-limit, limit), diverging=True)
        axis.set(xlabel="unit", ylabel="unit")

    return draw(paint, NARROW, HEIGHT + 40, right=58)


def _correlation(statistics: Mapping[str, Floats]) -> Floats | None:
    """A bundle's reference has covariance alone."""
    if "correlation" in statistics:
        return statistics["correlation"]
    return correlation_of(statistics["covariance"]) if "covariance" in statistics else None


def _curves(
    report: MonitorReport, name: str, xlabel: str, ylabel: str, step: float = 1, first: int = 0, log: bool = False
) -> Markup:
    """A statistic that is a curve, of reference, whole stream and exponential window; its entries are a step apart."""
    shown = [
        (statistics[name], colour)
        for statistics, colour in (
            (report.reference_statistics, REAL), (report.state.total, PALE), (report.state.recent, MODEL),
        )
        if name in statistics
    ]  # fmt: skip

    def paint(axis: Axes) -> None:
        for value, colour in shown:
            curve(axis, (first + np.arange(len(value))) * step, value, colour, log)
        positive = np.concatenate([value[value > 0] for value, _ in shown])
        if log and len(positive):
            log_axis(axis.yaxis, positive.min(), positive.max())
        axis.set(xlabel=xlabel, ylabel=ylabel)

    return panel(title_of(name), draw(paint))
