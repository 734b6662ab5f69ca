"""The state of a monitored stream as one document: `spikeloop monitor --json`."""

from collections.abc import Mapping
from typing import Any

from spikeloop.exporters.documents import json_values
from spikeloop.models.arrays import Floats
from spikeloop.streamer.monitor.figures import figures
from spikeloop.streamer.monitor.live_importance import ImportanceReport
from spikeloop.streamer.monitor.reference import Deviation
from spikeloop.streamer.monitor.report import MonitorReport

__all__ = ["monitor_document"]

MOST_NUMBERS = 2**14  # of a statistic in the document: of pairs, those of 128 units


def monitor_document(report: MonitorReport) -> dict[str, Any]:
    """Describe everything that a report holds but windows and maps.

    Returns
    -------
    dict, of what JSON holds
        Figures, statistics by unit, distances from the reference, alarms, importance; None for what is not known.
    """
    state = report.state
    return json_values(
        {
            "stream": report.stream,
            "watched_s": report.watched_s,
            "cpu_cores": report.cpu_cores,
            "reception": report.reception,
            "windows": state.windows,
            "window_bins": report.window_bins,
            "dropped_bins": state.dropped_bins,
            "half_life_s": report.half_life_s,
            "reference": report.reference,
            "notices": report.notices,
            "figures": figures(report),
            "units": _by_unit(report),
            "statistics": {
                "recent": _short(state.recent),
                "total": _short(state.total),
                "reference": _short(report.reference_statistics),
            },
            "deviations": {
                recent.statistic: {"recent": _deviation(recent), "total": _deviation(total)}
                for recent, total in zip(state.recent_deviations, state.total_deviations, strict=True)
            },
            "alarms_raised": state.alarms_raised,
            "alarms": state.alarms,
            "importance": None if report.importance is None else _importance(report.importance),
        }
    )


def _by_unit(report: MonitorReport) -> dict[str, Floats]:
    state = report.state
    by_unit = {
        "rate_hz": state.total["rates"] / report.bin_size_s,
        "fano_factor": state.total["fano_factor"],
        "interval_cv": state.total["interval_cv"],
    } if state.windows else {}  # fmt: skip
    return by_unit if report.importance is None else by_unit | {"importance": report.importance.by_unit}


def _short(statistics: Mapping[str, Floats]) -> dict[str, Floats]:
    """Without statistics of very many numbers."""
    return {key: value for key, value in statistics.items() if value.size <= MOST_NUMBERS}


def _deviation(deviation: Deviation) -> dict[str, float]:
    return {"error": deviation.error, "floor": deviation.floor, "ratio": deviation.ratio}


def _importance(importance: ImportanceReport) -> dict[str, Any]:
    """With importance by lag and the commonest patterns of units that fire together, where they were summed."""
    document: dict[str, Any] = {name: getattr(importance, name) for name in ("maps", "skipped", "capped", "mean")}
    if importance.summary is not None:
        document["by_lag"] = importance.summary.lag_importance
        document["patterns"] = [
            {
                "units": [unit for _, unit in pattern.spikes],
                "occurrences": pattern.occurrences,
                "importance": pattern.importance,
            }
            for pattern in importance.summary.patterns
        ]
    return document
