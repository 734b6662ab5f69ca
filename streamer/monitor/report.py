"""What a monitor tells at a time: to the terminal, a page, LSL, Prometheus, or as JSON."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.lsl_spikes import Reception
from spikeloop.streamer.monitor.live_importance import ImportanceReport
from spikeloop.streamer.monitor.monitor import State
from spikeloop.streamer.stream_description import StreamDescription

__all__ = ["FIGURES", "MonitorReport", "Point", "figures", "summary"]


@dataclass(frozen=True)
class Point:
    """The course of a stream, at one time."""

    at_s: float
    mean_rate_hz: float
    mean_ratio: float
    alarm_score: float


@dataclass(frozen=True, eq=False)
class MonitorReport:
    """Everything at one time.

    Attributes
    ----------
    stream : that the latest bins came from
    state : of its statistics and alarms
    window_bins, half_life_s : that they were taken with
    reference : what it is compared with, in words; empty for nothing
    reference_statistics : by name
    notices : what is not to be had, and why; or is being prepared
    importance : None where there is no critic
    course : of the time before, oldest first
    watched_s : since the monitor began
    cpu_cores : processor time over time passed
    """

    stream: StreamDescription
    reception: Reception
    state: State
    window_bins: int
    half_life_s: float
    reference: str
    reference_statistics: Mapping[str, NDArray[np.float64]]
    notices: tuple[str, ...]
    importance: ImportanceReport | None
    course: tuple[Point, ...]
    watched_s: float
    cpu_cores: float

    @property
    def mean_rate_hz(self) -> float:
        """Of a unit, in the exponential window."""
        return float(self.state.recent["rates"].mean()) / self.stream.bin_size_s if self.state.windows else math.nan

    @property
    def alarm_score(self) -> float:
        """How near the nearest alarm is to being raised, 0 to 1; NaN where none is set."""
        scores = [np.max(each) for each in self.state.alarm_scores.values() if len(each)]
        return float(np.max(scores)) if scores else math.nan


MOST_NUMBERS = 2**14  # of a statistic in JSON: of pairs, those of 128 units

FIGURES = {
    "mean rate": "Hz",
    "Fano factor": "1",
    "correlation": "1",
    "synchrony": "1",
    "interval CV": "1",
    "mean E/F": "1",
    "alarm score": "1",
    "alarms": "count",
    "importance": "1",
    "bins": "count",
    "lost bins": "count",
    "invalid bins": "count",
    "gaps": "count",
    "restarts": "count",
    "delay": "ms",
}  # and their units


def figures(report: MonitorReport) -> dict[str, float]:
    """The state in a few numbers, by the names of `FIGURES`, of the exponential window; NaN where there is none."""
    recent, reception = report.state.recent, report.reception
    correlation = math.nan
    if recent and len(recent["correlation"]) > 1:
        pairs = np.triu_indices(len(recent["correlation"]), k=1)
        correlation = float(recent["correlation"][pairs].mean())
    return {
        "mean rate": report.mean_rate_hz,
        "Fano factor": _mean(recent, "Fano factor"),
        "correlation": correlation,
        "synchrony": _mean(recent, "synchrony"),
        "interval CV": _mean(recent, "interval CV"),
        "mean E/F": report.state.mean_ratio,
        "alarm score": report.alarm_score,
        "alarms": float(report.state.alarms_raised),
        "importance": report.importance.mean if report.importance is not None else math.nan,
        "bins": float(reception.bins),
        "lost bins": float(reception.lost_bins),
        "invalid bins": float(reception.invalid_bins + reception.saturated_bins),
        "gaps": float(reception.gaps),
        "restarts": float(reception.restarts),
        "delay": math.nan if reception.delay_ms is None else reception.delay_ms,
    }


def _patterns(importance: ImportanceReport) -> dict[str, Any]:
    """By lag, and the commonest population words."""
    summary = importance.summary
    if summary is None:
        return {}
    return {
        "by_lag": summary.lag_importance.tolist(),
        "patterns": [
            {"units": [unit for _, unit in each.spikes], "occurrences": each.occurrences, "importance": each.importance}
            for each in summary.patterns
        ],
    }


def _mean(statistics: Any, name: str) -> float:
    return float(np.mean(statistics[name])) if statistics else math.nan


def _listed(statistics: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """As JSON; those of very many numbers are left out."""
    return {name: value.tolist() for name, value in statistics.items() if value.size <= MOST_NUMBERS}


def summary(report: MonitorReport) -> dict[str, Any]:
    """Everything but pictures, for JSON: figures, statistics by unit, deviations, alarms."""
    state = report.state
    by_unit = {
        "rate_hz": state.total["rates"] / report.stream.bin_size_s,
        "fano_factor": state.total["Fano factor"],
        "interval_cv": state.total["interval CV"],
    } if state.windows else {}  # fmt: skip
    if report.importance is not None:
        by_unit["importance"] = report.importance.by_unit
    return {
        "stream": dataclasses.asdict(report.stream),
        "watched_s": report.watched_s,
        "cpu_cores": report.cpu_cores,
        "reception": dataclasses.asdict(report.reception),
        "windows": state.windows,
        "window_bins": report.window_bins,
        "dropped_bins": state.dropped_bins,
        "half_life_s": report.half_life_s,
        "reference": report.reference,
        "notices": list(report.notices),
        "figures": figures(report),
        "units": {key: value.tolist() for key, value in by_unit.items()},
        "statistics": {
            "recent": _listed(state.recent),
            "total": _listed(state.total),
            "reference": _listed(report.reference_statistics),
        },
        "deviations": {
            recent.statistic: {
                "recent": {"error": recent.error, "floor": recent.floor, "ratio": recent.ratio},
                "total": {"error": total.error, "floor": total.floor, "ratio": total.ratio},
            }
            for recent, total in zip(state.recent_deviations, state.total_deviations, strict=True)
        },
        "alarms_raised": state.alarms_raised,
        "alarms": [dataclasses.asdict(alarm) for alarm in state.alarms],
        "importance": None if report.importance is None else {
            "maps": report.importance.maps, "skipped": report.importance.skipped, "capped": report.importance.capped,
            "mean": report.importance.mean, **_patterns(report.importance),
        },
    }  # fmt: skip
