"""A monitor beside the page, in a thread: statistics, their distance from the reference, alarms, importance maps."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Self

from spikeloop.exporters.documents import printable
from spikeloop.models.errors import in_one_line
from spikeloop.models.measures.table import STATISTICS
from spikeloop.streamer.dashboard.frames import Kind, document_body, importance_body
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.shared_spikes import SharedSpikes
from spikeloop.streamer.monitor.figures import figures
from spikeloop.streamer.monitor.monitor import MonitorSession
from spikeloop.streamer.monitor.outputs.wording import nearest_alarm, verdicts
from spikeloop.streamer.monitor.report import MonitorReport
from spikeloop.streamer.monitor.subject import MonitorSettings
from spikeloop.streamer.stream.priority import step_back

__all__ = ["Watching", "statistics_document"]

PULL_EVERY_S, REPORT_EVERY_S = 0.25, 1.0
LARGEST_SHARE = 0.04  # of a core that reports may take
KEPT_POINTS = 1800  # of the course
COURSE_EVERY = 10  # points, after which pages that come later get them all


class Watching:
    """A monitor of the counts that a feed shares, from entering to leaving the context.

    Parameters
    ----------
    spikes : SharedSpikes
    settings : MonitorSettings
    hub : Hub
        Gets statistics once a second, or more rarely where they take long.
    now : callable
        LSL's clock, s.

    Raises
    ------
    BadInputError
        On entering, if the bundle or the recording can't be read.
    """

    def __init__(self, spikes: SharedSpikes, settings: MonitorSettings, hub: Hub, now: Callable[[], float]) -> None:
        self._spikes, self._hub, self._now = spikes, hub, now
        self._session = MonitorSession(spikes, settings)
        self._course: deque[dict[str, Any]] = deque(maxlen=KEPT_POINTS)
        self._mapped = self._reports = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="spikeloop-watching", daemon=True)

    def __enter__(self) -> Self:
        self._session.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()
        self._session.__exit__(*error)

    def _work(self) -> None:
        step_back()
        due_s = time.monotonic() + REPORT_EVERY_S
        while not self._ending.wait(PULL_EVERY_S):
            began_s = time.monotonic()
            try:
                self._session.step()
                if began_s < due_s:
                    continue
                report = self._session.report()
                if report is not None:
                    self._publish(report)
            except Exception as error:  # of any kind: the page goes on without
                notice = printable(f"no statistics: {in_one_line(error)}")
                self._hub.publish(Kind.STATISTICS, document_body({"notices": [notice]}))
                return
            took_s = time.monotonic() - began_s
            due_s = began_s + max(REPORT_EVERY_S, took_s / LARGEST_SHARE)

    def _publish(self, report: MonitorReport) -> None:
        document = statistics_document(report, self._now())
        self._course.append(document["point"])
        self._reports += 1
        if self._reports % COURSE_EVERY == 1:
            self._hub.keep(Kind.COURSE, document_body(_columns(self._course)))
        self._hub.publish(Kind.STATISTICS, document_body(document))
        importance = report.importance
        if importance is not None and importance.maps > self._mapped:
            self._mapped = importance.maps
            if importance.window is not None and importance.map is not None:
                self._hub.publish(Kind.IMPORTANCE, importance_body(importance.window, importance.map))


def statistics_document(report: MonitorReport, now_s: float) -> dict[str, Any]:
    """Describe for the page what a monitor knows, at a time of LSL's clock."""
    state, bin_size_s = report.state, report.stream.bin_size_s
    judged = verdicts(state.recent_deviations)
    rows = []
    for deviation in state.recent_deviations:
        statistic = STATISTICS[deviation.statistic]
        value, reference = state.recent.get(statistic.key), report.reference_statistics.get(statistic.key)
        rows.append(
            {
                "key": statistic.key,
                "title": statistic.title,
                "unit": statistic.unit,
                "value": math.nan if value is None else statistic.summary(value, bin_size_s),
                "reference": math.nan if reference is None else statistic.summary(reference, bin_size_s),
                "error": deviation.error,
                "floor": deviation.floor,
                "ratio": deviation.ratio,
                "verdict": judged[statistic.key][1],
            }
        )
    nearest = nearest_alarm(state, report.stream.unit_names)
    return {
        "windows": state.windows,
        "window_s": report.window_bins * bin_size_s,
        "half_life_s": report.half_life_s,
        "reference": printable(report.reference),
        "notices": [printable(notice) for notice in report.notices],
        "figures": figures(report),
        "statistics": rows,
        "alarms_raised": state.alarms_raised,
        "alarms": [_alarm(alarm, now_s) for alarm in state.alarms[-20:]],
        "nearest_alarm": None if nearest is None else {"score": nearest[0], "what": nearest[1]},
        "importance": None if report.importance is None else {
            "maps": report.importance.maps, "skipped": report.importance.skipped, "mean": report.importance.mean,
        },
        "point": {
            "at_s": report.watched_s,
            "rate_hz": report.mean_rate_hz,
            "ratios": {row["key"]: row["ratio"] for row in rows},
        },
    }  # fmt: skip


def _columns(course: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Turn points into a list for each figure, with four digits."""
    points = list(course)
    keys = points[-1]["ratios"] if points else ()
    return {
        "at_s": [round(point["at_s"], 2) for point in points],
        "rate_hz": [float(f"{point['rate_hz']:.4g}") for point in points],
        "ratios": {key: [float(f"{point['ratios'].get(key, math.nan):.4g}") for point in points] for key in keys},
    }


def _alarm(alarm: Any, now_s: float) -> dict[str, Any]:
    return {
        "what": printable(str(alarm)),
        "kind": alarm.kind,
        "unit": printable(alarm.unit),
        "at_s": alarm.at_s,
        "ago_s": max(0.0, now_s - alarm.at_s),
        "began_before_s": alarm.at_s - alarm.since_s,
        "persists": alarm.persists,
    }
