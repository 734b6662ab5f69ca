"""The figures of a monitor: the few numbers that NAME-Monitor, MQTT, Prometheus and JSON all carry."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from spikeloop.models.measures.table import STATISTICS
from spikeloop.streamer.monitor.report import MonitorReport

__all__ = ["FIGURES", "Figure", "figures"]


@dataclass(frozen=True)
class Figure:
    """One number of a monitored stream.

    Attributes
    ----------
    key : str
        Its name in JSON and over MQTT.
    label : str
        Of its channel in NAME-Monitor.
    unit : str
        "Hz", "ms", "count", or "1" where it has none.
    value : callable
        From a report to a float, NaN where it is not known.
    prometheus : str
        Name of its series after "spikeloop_"; empty for none. A count makes a counter, any other unit a gauge.
    meaning : str
        What the series shows, in a sentence.
    """

    key: str
    label: str
    unit: str
    value: Callable[[MonitorReport], float]
    prometheus: str = ""
    meaning: str = ""


def _statistic(key: str) -> Figure:
    """A statistic of the exponential window, as one number."""
    statistic = STATISTICS[key]

    def value(report: MonitorReport) -> float:
        recent = report.state.recent
        return statistic.summary(recent[key], report.bin_size_s) if recent else math.nan

    return Figure(key, statistic.title, "1", value, statistic.prometheus, statistic.meaning)


FIGURES = (
    Figure(
        "mean_rate_hz", "mean rate", "Hz", lambda report: report.mean_rate_hz,
        STATISTICS["rates"].prometheus, STATISTICS["rates"].meaning,
    ),
    _statistic("fano_factor"),
    _statistic("correlation"),
    _statistic("synchrony"),
    _statistic("interval_cv"),
    Figure(
        "mean_ratio", "mean E/F", "1", lambda report: report.state.mean_ratio,
        "mean_deviation_ratio",
        "Mean over statistics of the distance from the reference, divided by the distance that chance alone makes.",
    ),
    Figure("alarm_score", "alarm score", "1", lambda report: report.alarm_score),
    Figure(
        "alarms", "alarms", "count", lambda report: report.state.alarms_raised,
        "alarms", "Drift alarms that were raised.",
    ),
    Figure(
        "importance", "importance", "1",
        lambda report: math.nan if report.importance is None else report.importance.mean,
        "mean_importance", "Mean importance of a spike to the critic.",
    ),
    Figure("bins", "bins", "count", lambda report: report.reception.bins, "bins", "Bins that were counted."),
    Figure(
        "lost_bins", "lost bins", "count", lambda report: report.reception.lost_bins,
        "lost_bins", "Bins that never came.",
    ),
    Figure(
        "invalid_bins", "invalid bins", "count",
        lambda report: report.reception.invalid_bins + report.reception.saturated_bins,
    ),
    Figure(
        "gaps", "gaps", "count", lambda report: report.reception.gaps,
        "gaps", "Places where the stream was not continuous.",
    ),
    Figure(
        "restarts", "restarts", "count", lambda report: report.reception.restarts,
        "restarts", "Times that another run of the stream took over.",
    ),
    Figure(
        "delay_ms", "delay", "ms",
        lambda report: math.nan if report.reception.delay_ms is None else report.reception.delay_ms,
    ),
    Figure(
        "true_rate_hz", "true rate", "Hz",
        lambda report: math.nan if report.reception.true_rate_hz is None else report.reception.true_rate_hz,
        "true_rate_hertz", "Rate of the bins of a foreign stream, by its stamps.",
    ),
    Figure(
        "clock_resets", "clock resets", "count", lambda report: report.reception.clock_resets,
        "clock_resets", "Times that the sender's clock jumped for good.",
    ),
)  # fmt: skip


def figures(report: MonitorReport) -> dict[str, float]:
    """Reduce a report to its figures.

    Returns
    -------
    dict of str to float
        By key, in the order of `FIGURES`; statistics are of the exponential window. NaN for what is not known.
    """
    return {figure.key: float(figure.value(report)) for figure in FIGURES}
