"""What a monitor's page and terminal view have in common: statistics as one number, and times and alarms in words."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.measures.likeness import Likeness, verdict
from spikeloop.streamer.monitor.monitor import State, TimedAlarm
from spikeloop.streamer.monitor.reference import Deviation

__all__ = [
    "LABELS",
    "date_alarm",
    "duration",
    "nearest_alarm",
    "number",
    "number_of",
    "printable",
    "ratios",
    "summary",
    "tell_alarm",
    "worst",
]

Floats = NDArray[np.float64]

LABELS = {
    "rates": "rates, Hz",
    "interspike intervals": "interspike intervals, ms",
    "correlation spectrum": "correlation spectrum, largest",
}  # of statistics whose one number has a unit, or isn't a mean
MINUTE_S, HOUR_S = 60.0, 3600.0
LONG_MINUTES, LONG_HOURS = 10, 48  # up to which the smaller unit is told
SMALL = 1e-3


def summary(statistic: str, value: Floats, bin_size_s: float) -> float:
    """One number for a statistic: the mean of its entries, of pairs of different units, or of what it distributes.

    In the unit that `LABELS` tells; of the correlation spectrum the largest; NaN where there is nothing to summarise.
    """
    if statistic in ("covariance", "correlation"):
        value = value[np.triu_indices(len(value), k=1)]
    if not value.size:
        return math.nan
    if statistic in ("window counts", "interspike intervals", "population count"):
        if not value.sum():
            return math.nan
        mean = float((value @ np.arange(value.shape[-1])).mean())
        return 1e3 * bin_size_s * mean if statistic == "interspike intervals" else mean
    if statistic == "correlation spectrum":
        return float(value.max())
    return float(value.mean()) / bin_size_s if statistic == "rates" else float(value.mean())


def ratios(deviations: Sequence[Deviation]) -> dict[str, tuple[float, str]]:
    """E / F of each statistic and its verdict, in an evaluation's words."""
    return {each.statistic: (each.ratio, verdict(_as_likeness(each))) for each in deviations}


def worst(deviations: Sequence[Deviation]) -> Deviation | None:
    """The one that is the most floors off; None where there is none."""
    return max((each for each in deviations if not math.isnan(each.ratio)), key=lambda each: each.ratio, default=None)


def _as_likeness(deviation: Deviation) -> Likeness:
    return Likeness(deviation.statistic, deviation.error, deviation.floor, ceiling=math.nan)


def nearest_alarm(state: State, unit_names: Sequence[str]) -> tuple[float, str] | None:
    """Score of the alarm that is nearest to being raised, and what it would tell; None where none is set."""
    best = None
    for kind, scores in state.alarm_scores.items():
        if len(scores) and (best is None or scores.max() > best[0]):
            unit = f": {unit_names[int(scores.argmax())]}" if len(scores) == len(unit_names) > 1 else ""
            best = float(scores.max()), printable(f"{kind}{unit}")
    return best


def tell_alarm(alarm: TimedAlarm, now_s: float | None) -> str:
    """An alarm, when it was raised, and how long after the drift began; `now_s` on LSL's clock."""
    return f"{date_alarm(alarm, now_s)}, began about {duration(alarm.at_s - alarm.since_s)} before"


def date_alarm(alarm: TimedAlarm, now_s: float | None) -> str:
    """An alarm, and when it was raised."""
    when = f"at {alarm.at_s:.1f} s on LSL's clock" if now_s is None else f"{duration(max(0.0, now_s - alarm.at_s))} ago"
    return f"{printable(str(alarm))}, {when}"


def duration(seconds: float) -> str:
    """Such as 12.3 s, 2 min 5 s, 12 min, 2.5 h."""
    seconds = round(seconds, 1)
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < LONG_MINUTES * MINUTE_S:
        return f"{seconds // MINUTE_S:.0f} min {seconds % MINUTE_S // 1:.0f} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds / HOUR_S:.1f} h" if seconds < LONG_HOURS * HOUR_S else f"{seconds / 24 / HOUR_S:.1f} days"


def number_of(number: int, thing: str) -> str:
    """Such as 1 gap, 2 gaps."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def number(value: float) -> str:
    """Three digits, or two of what is small; "-" for NaN."""
    return "-" if math.isnan(value) else f"{value:.3g}" if abs(value) >= SMALL else f"{value:.2g}"


def printable(text: str) -> str:
    """A text from elsewhere without what moves a terminal's cursor, or its colours."""
    return "".join(character if character.isprintable() else "?" for character in text)
